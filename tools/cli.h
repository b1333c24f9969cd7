/*
 * cli.h: what the verbs of the holog command share.
 *
 * A verb is one row of the table in main.c and one function
 *
 *     int verb_save(const struct args *args);
 *
 * that returns the exit status of the process. When that is not EXIT_DONE it has already said on
 * stderr what failed, where, and what to do next: cli_fail() and its sisters do that and return the
 * status, so that a verb can end with  return cli_fail(args, rc, path);
 *
 * Text that came from a store or from the user may hold anything. It goes to a terminal only
 * through put_name(), which escapes control characters; to anything else it goes unchanged.
 */
#ifndef HOLOG_TOOLS_CLI_H
#define HOLOG_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include <holog/holog.h>
#include <holog/versions.h>

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

enum exit_status {
    EXIT_DONE = 0,   /* also when recovery cut a torn tail: that loses nothing acknowledged */
    EXIT_FAILED = 1, /* the request failed */
    EXIT_USAGE = 2,  /* the command line makes no sense */
    EXIT_DAMAGE = 3  /* stored bytes are not what was written */
};

/* ---- the command line ------------------------------------------------------------------------ */

/* One for each option of any verb; the rows of options.c are in this order. */
enum option_id {
    OPT_END = 0, /* ends a verb's list */
    OPT_HELP,
    OPT_JSON,
    OPT_REPLACE,
    OPT_PARENTS,
    OPT_MESSAGE,
    OPT_IF_SEQ,
    OPT_OUTPUT,
    OPT_RANGE,
    OPT_LONG,
    OPT_RECURSIVE,
    OPT_NUL,
    OPT_PREFIX,
    OPT_AFTER,
    OPT_LIMIT,
    OPT_BEFORE,
    OPT_QUICK,
    OPT_RATE,
    OPT_MODE,
    OPT_DRY_RUN,
    OPT_DEPTH,
    OPT_PROMETHEUS,
    OPT_SEGMENTS,
    OPT_CODECS,
    OPT_SEGMENT_SIZE,
    OPT_EXTENT_SIZE,
    OPT_INLINE_MAX,
    OPT_MAX_SPACE_AMP,
    OPT_SECONDS,
    OPT_DIR,
    OPT_AT,
    OPT_STEPS,
    OPT_RANGES,
    OPT_FORCE,
    OPT_LIST,
    OPT_DELETE,
    OPT_KEEP,
    OPT_OLDER,
    OPT_ALL,
    OPT_BALANCE,
    OPT_PORT,
    OPT_BIND,
    OPT_PATH,
    OPT_WRITABLE,
    OPT_TOKEN,
    OPT_MAX_BODY,
    OPT_MAX_CONNECTIONS,
    OPT_VERBOSE,
    OPT_BLOB,
    OPT_RAW,
    OPT_PREVIEW,
    OPT_FORMAT,
    OPT_SKIP_DAMAGED,
    OPT_SAMPLE,
    OPT_SKIP_UNSUPPORTED,
    OPT_CHECK,
    OPT_LEVELS,
    OPT_METHOD,
    OPT_HALVE_Z,
    OPT_AXES,
    OPT_SCALE,
    OPT_UNIT,
    OPT_MAP,
    OPT_PURGE,
    OPT_FORGET,
    OPT_COUNT
};

struct args;

struct command {
    const char *name;
    const char *operands; /* as shown in the usage line */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs for --help, may be NULL */
    int operands_min;
    int operands_max;          /* -1: any number */
    unsigned char options[12]; /* enum option_id, OPT_END at the end; --help goes without saying */
    int (*run)(const struct args *args);
};

struct args {
    const struct command *command;
    bool given[OPT_COUNT];
    const char *text[OPT_COUNT]; /* as written, for options with an argument */
    uint64_t number[OPT_COUNT];  /* numbers and sizes */
    double real[OPT_COUNT];
    uint64_t range_offset; /* --range */
    uint64_t range_len;    /* UINT64_MAX: to the end */
    int operand_count;
    char **operands;
};

/* Reads argv[1..] of a verb. EXIT_DONE, or EXIT_USAGE after a message. Prints nothing for --help:
 * given[OPT_HELP] says that it was asked for. */
int args_parse(const struct command *command, int argc, char **argv, struct args *out_args);
void args_help(const struct command *command, FILE *to);

/* HOLOG_REPLACE and HOLOG_PARENTS as given on the command line. */
unsigned args_save_flags(const struct args *args);
/* Operand i, or NULL when there are not so many. */
const char *args_operand(const struct args *args, int i);

/* ---- saying what went wrong (stderr); all return the exit status ----------------------------- */

/* A library call failed: the thread's error detail, and a hint where the command line has one.
 * subject (may be NULL): the path or file concerned. */
int cli_fail(const struct args *args, int code, const char *subject);
/* As cli_fail, from a detail that was taken at the time. `prefix` (may be NULL) comes first: "line
 * 12". */
int cli_fail_detail(const struct args *args, const struct holog_error_detail *detail,
                    const char *prefix, const char *subject);
int cli_fail_text(const struct args *args, const char *format, ...) CLI_PRINTF(2, 3);
int cli_fail_errno(const struct args *args, int error, const char *doing, const char *subject);
int cli_usage(const struct args *args, const char *format, ...) CLI_PRINTF(2, 3);
/* A line on stderr that changes no exit status. */
void cli_note(const struct args *args, const char *format, ...) CLI_PRINTF(2, 3);
/* The detail of the thread's last failed call, made to fit `code` when the library kept none. */
void cli_detail(int code, struct holog_error_detail *out_detail);

/* Flushes stdout; a full disk or a closed pipe must not look like success. */
int cli_flush(const struct args *args, int status);

/* ---- opening and changing -------------------------------------------------------------------- */

enum open_mode {
    OPEN_READ,
    OPEN_WRITE
};

/* Opens the store that operand 0 names (never creates it), shows progress while it recovers, and
 * says so when a torn tail was cut. */
int cli_open(const struct args *args, enum open_mode mode, holog_store **out_store);
/* Closes; the status given, or that of a close that failed. */
int cli_close(const struct args *args, holog_store *store, int status);

/* What is to be read: the state that --at names, else the newest. */
int cli_view(const struct args *args, holog_store *store, holog_view **out_view);

/* One commit: begin, any number of holog_txn_ calls, end. */
struct change {
    const struct args *args;
    holog_store *store;
    holog_txn *txn;
};
int change_begin(const struct args *args, struct change *out_change);
/* --if-seq of a save, before it: a HOLOG_ code. */
int change_expect(struct change *change, const char *path, unsigned *flags);
/* With status EXIT_DONE commits (with --message), else gives up; closes the store; with --json
 * prints `document` (taken over, may be NULL) with the commit's number added. */
int change_end(struct change *change, int status, const char *subject, json_object *document);
/* The same in two: what it comes to goes into `document`, which is not taken over; then the rest of it. */
int change_commit(struct change *change, int status, const char *subject, json_object *document);
int change_close(struct change *change, int status, json_object *document);
/* holog_txn_copy and holog_txn_move that honour HOLOG_PARENTS too: in the same commit. */
int change_copy(holog_txn *txn, const char *from, const char *to, unsigned flags);
int change_move(holog_txn *txn, const char *from, const char *to, unsigned flags);

/* What each kind of delta takes, by the names that the command line and batch use. */
#define DELTA_NUMBERS_MAX 3
struct delta_form {
    const char *name;
    const char *numbers[DELTA_NUMBERS_MAX]; /* NULL behind the last */
    uint32_t kind;                          /* enum holog_delta_kind */
    bool takes_data;
};
/* NULL: there is none of that name. */
const struct delta_form *find_delta_form(const char *name);
/* Number i of the form. */
void delta_set_number(holog_delta *delta, size_t i, uint64_t value);

/* ---- files ----------------------------------------------------------------------------------- */

/* Reads all of fd: malloc'd bytes, to be freed by the caller. At most max_bytes; *out_more says
 * that there was more. 0 or errno. */
int file_read(int fd, size_t max_bytes, uint8_t **out_data, size_t *out_len, bool *out_more);
/* As file_read, of a whole file by name. */
int file_load(const char *name, uint8_t **out_data, size_t *out_len);
/* The whole of buf. 0 or errno. */
int file_write(int fd, const void *buf, size_t len_bytes);
/* Whether `file`, which need not be there, is in the store's own directory: it would be, or ruin, a part of it. */
bool file_is_in_store(const struct args *args, const char *file);

/* ---- text ------------------------------------------------------------------------------------ */

/* To f; when f is a terminal control characters and the like come out as \n, \x1b, \u202e. */
void put_name(FILE *f, const char *text);
void put_escaped(FILE *f, const char *text);
/* "1.5 MiB"; out has room for HUMAN_MAX bytes. Returns out. */
#define HUMAN_MAX 32
const char *human_bytes(uint64_t bytes, char *out);
const char *human_duration(uint64_t ns, char *out);
/* "2026-11-21T08:00:00.123Z", "-" for 0. */
const char *iso_time(uint64_t ns, char *out);
const char *type_name(uint32_t type);
char type_letter(uint32_t type);

/* Decimal digits only. */
bool parse_number(const char *text, uint64_t *out);
/* Decimal digits, then nothing, K, M, G or T, each also with "iB": powers of 1024. */
bool parse_size(const char *text, uint64_t *out);
/* A number and s, m, h, d or w: seconds. */
bool parse_age(const char *text, uint64_t *out_seconds);
/* OFF:LEN, both sizes; an empty LEN is "to the end" (UINT64_MAX). */
bool parse_range(const char *text, uint64_t *out_offset, uint64_t *out_len);
/* RFC 4648 with padding; out has room for len_chars / 4 * 3 bytes. */
bool parse_base64(const char *text, size_t len_chars, uint8_t *out, size_t *out_len);

/* ---- JSON ------------------------------------------------------------------------------------ */

/* A string; bytes that are not UTF-8 become U+FFFD. NULL gives null. */
json_object *json_text(const char *text);
json_object *json_number(uint64_t value);
/* Like json_object_object_add, which takes the value over; shorter to read. */
void json_add(json_object *object, const char *key, json_object *value);
void json_add_error(json_object *object, const struct holog_error_detail *detail);
/* Prints, frees. */
void json_print(json_object *document);

/*
 * One document that is printed while it is made, so that a listing of any length takes no memory:
 *
 *     { <members of head>, "<name>": [ item, item, ... ], <members of tail> }
 */
struct json_stream {
    bool any;
};
void json_stream_begin(struct json_stream *stream, json_object *head, const char *name);
void json_stream_item(struct json_stream *stream, json_object *item);
void json_stream_end(struct json_stream *stream, json_object *tail);

/* ---- figures --------------------------------------------------------------------------------- */

/* What stats --prometheus says of the store, under that name; with what only writers count, where it `writes`. 0, or
 * the code of what failed: then nothing was put. */
int stats_prometheus(FILE *to, const char *name, bool writes, holog_store *store);
/* {store="..."} with what the format wants escaped; `more` ("le=\"1\"") may be NULL. */
void put_labels(FILE *to, const char *store, const char *more);

/* ---- progress -------------------------------------------------------------------------------- */

/* A line on stderr, from the second second on, and only when that is a terminal. */
struct progress {
    const char *label;
    uint64_t start_ns;
    uint64_t shown_ns; /* 0: nothing was shown yet */
    bool enabled;
};
void progress_begin(struct progress *progress, const char *label);
/* A holog_progress_fn; ctx is the struct progress. Non-zero once interrupted(). */
int progress_report(void *ctx, uint64_t done, uint64_t total, const char *unit);
void progress_end(struct progress *progress);

uint64_t now_ns(void);
/* From here on the first SIGINT, SIGTERM or SIGHUP only makes interrupted() true. */
void catch_signals(void);
bool interrupted(void);
/* A descriptor that can be read from once interrupted() is true; to be asked for before catch_signals(), and
 * not closed. 0 or errno. */
int interrupted_fd(int *out_fd);

#endif
