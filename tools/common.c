/*
 * common.c: messages and exit statuses, opening a store, making one commit, JSON documents.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- messages -------------------------------------------------------------------------------- */

static const char *verb_of(const struct args *args)
{
    return args != NULL && args->command != NULL ? args->command->name : NULL;
}

static void put_head(const struct args *args)
{
    (void)fflush(stdout); /* what was printed before comes before */
    (void)fputs("holog: ", stderr);
    if (verb_of(args) != NULL)
        (void)fprintf(stderr, "%s: ", verb_of(args));
}

/* Formats, escapes and prints one line. */
CLI_PRINTF(2, 0)
static void put_line(const struct args *args, const char *format, va_list list)
{
    char line[8192]; /* two paths of the longest kind */

    (void)vsnprintf(line, sizeof line, format, list);
    put_head(args);
    put_escaped(stderr, line);
    (void)fputc('\n', stderr);
}

void cli_note(const struct args *args, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put_line(args, format, list);
    va_end(list);
}

int cli_fail_text(const struct args *args, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put_line(args, format, list);
    va_end(list);
    return EXIT_FAILED;
}

int cli_usage(const struct args *args, const char *format, ...)
{
    const char *verb = verb_of(args);
    va_list list;

    va_start(list, format);
    put_line(args, format, list);
    va_end(list);
    (void)fprintf(stderr, "Try 'holog %s%s--help'.\n", verb != NULL ? verb : "",
                  verb != NULL ? " " : "");
    return EXIT_USAGE;
}

int cli_fail_errno(const struct args *args, int error, const char *doing, const char *subject)
{
    char buf[128];
    const char *why = strerror_r(error, buf, sizeof buf);

    return cli_fail_text(args, "cannot %s %s: %s", doing, subject, why);
}

static bool mentions(const char *text, const char *word)
{
    return text != NULL && strstr(text, word) != NULL;
}

/* Says itself what to run; "data.holog is" does not. */
static bool names_command(const char *text)
{
    static const char word[] = "holog ";

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        if (at == text || strchr(" (`'", at[-1]) != NULL)
            return true;
    }
    return false;
}

static bool takes(const struct args *args, unsigned id)
{
    return args != NULL && args->command != NULL &&
           memchr(args->command->options, (int)id, sizeof args->command->options) != NULL;
}

/* Who has the store open does what compact is for, but for a purge. */
static const char *busy_hint(const struct args *args, const char *message)
{
    if (mentions(message, "try again"))
        return "";
    return takes(args, OPT_ALL) && !args->given[OPT_PURGE]
               ? "who has it open compacts it, unless told not to; to do it here, stop that first"
               : "reading verbs work meanwhile; to change it, close it there first";
}

/* What the command line can do about it; "" where the library's message is all there is to say. */
static const char *hint_for(const struct args *args, const struct holog_error_detail *detail,
                            const char *message)
{
    switch (detail->code) {
    case HOLOG_E_EXIST:
        if (takes(args, OPT_FORCE))
            return "--force moves it";
        return takes(args, OPT_REPLACE) && !mentions(message, "a directory")
                   ? "--replace makes a new version of it"
                   : "";
    case HOLOG_E_NOENT:
        if (mentions(message, "no tag"))
            return "'holog tag STORE --list' lists them";
        return takes(args, OPT_PARENTS) && mentions(message, "no such directory")
                   ? "-p, --parents makes it"
                   : "";
    case HOLOG_E_NOTEMPTY: return takes(args, OPT_RECURSIVE) ? "rm -r takes all that is in it" : "";
    case HOLOG_E_ISDIR: return takes(args, OPT_OUTPUT) ? "'holog ls' lists it" : "";
    case HOLOG_E_CONSERVE:
        return takes(args, OPT_BALANCE) ? "--balance does it, and keeps the deficit with the commit"
                                        : "";
    case HOLOG_E_RANGE: return takes(args, OPT_BALANCE) ? "'holog stat' shows the size" : "";
    case HOLOG_E_CONFLICT: return "look again with 'holog stat', then decide";
    case HOLOG_E_NOTSTORE: return "'holog init STORE' makes one";
    case HOLOG_E_BUSY: return busy_hint(args, message);
    case HOLOG_E_DROPPED: return "'holog config STORE' shows the rules, retention.*";
    case HOLOG_E_NOTDIREMPTY: return "give a directory that is empty or does not exist yet";
    case HOLOG_E_BUDGET:
    case HOLOG_E_NOMEM:
        return takes(args, OPT_IF_SEQ) && takes(args, OPT_PARENTS)
                   ? "without --message and --if-seq large values go piece by piece"
                   : "";
    case HOLOG_E_NOSPC:
        if (mentions(message, "File too large"))
            return "'ulimit -f' bounds the size of files";
        return takes(args, OPT_ALL) ? "the old segments stay until the new one is whole: free some "
                                      "space, or 'holog gc' first, so that less is moved"
                                    : "";
    case HOLOG_E_CANCELED: return takes(args, OPT_ALL) ? "run again, it goes on" : "";
    case HOLOG_E_IO:
        if (mentions(message, "Read-only file system"))
            return "reading verbs work; to change it, mount it read-write or copy it elsewhere";
        return "";
    case HOLOG_E_CORRUPT: /* of the store: other programs' files have no segments */
        return detail->has_position ? "'holog verify STORE' lists all damage, and says what to do"
                                    : "";
    default: return "";
    }
}

void cli_detail(int code, struct holog_error_detail *out_detail)
{
    holog_last_error(out_detail);
    if (out_detail->code != code) {
        *out_detail = (struct holog_error_detail){ .code = code };
        (void)snprintf(out_detail->message, sizeof out_detail->message, "%s", holog_strerror(code));
    }
}

int cli_fail_detail(const struct args *args, const struct holog_error_detail *detail,
                    const char *prefix, const char *subject)
{
    const char *message =
        detail->message[0] != '\0' ? detail->message : holog_strerror(detail->code);
    const char *hint = hint_for(args, detail, message);

    put_head(args);
    if (prefix != NULL)
        (void)fprintf(stderr, "%s: ", prefix);
    if (subject != NULL && !mentions(message, subject)) {
        put_escaped(stderr, subject);
        (void)fputs(": ", stderr);
    }
    put_escaped(stderr, message);
    if (detail->path[0] != '\0' && !mentions(message, detail->path) &&
        !mentions(subject, detail->path)) {
        (void)fputs(": ", stderr);
        put_escaped(stderr, detail->path);
    }
    if (detail->has_position != 0 && !mentions(message, "offset"))
        (void)fprintf(stderr, " at segment %u, offset %llu", (unsigned)detail->segment,
                      (unsigned long long)detail->offset);
    if (hint[0] != '\0' && !names_command(message) && !mentions(message, hint))
        (void)fprintf(stderr, " (%s)", hint);
    (void)fputc('\n', stderr);
    return detail->code == HOLOG_E_CORRUPT ? EXIT_DAMAGE : EXIT_FAILED;
}

int cli_fail(const struct args *args, int code, const char *subject)
{
    struct holog_error_detail detail;

    cli_detail(code, &detail);
    return cli_fail_detail(args, &detail, NULL, subject);
}

int cli_flush(const struct args *args, int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    int failed = cli_fail_errno(args, errno != 0 ? errno : EIO, "write to", "standard output");
    return status != EXIT_DONE ? status : failed;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void tell_recovery(const struct args *args, enum open_mode mode, holog_store *store)
{
    holog_recovery_report report = { .struct_size = sizeof report };
    char bytes[HUMAN_MAX];

    if (holog_recovery_info(store, &report) < 0 || report.tail_cut == 0)
        return;
    cli_note(args,
             "%s was not closed: a torn tail (%s, never acknowledged) was %s at segment %u, "
             "offset %llu; newest commit %llu",
             args->operands[0], human_bytes(report.cut_bytes, bytes),
             mode == OPEN_WRITE ? "cut" : "left aside", (unsigned)report.cut_segment,
             (unsigned long long)report.cut_offset, (unsigned long long)report.last_number);
    if (report.quarantined_bytes != 0)
        cli_note(args, "%s of whole frames behind the cut were kept in %s/quarantine",
                 human_bytes(report.quarantined_bytes, bytes), args->operands[0]);
}

int cli_open(const struct args *args, enum open_mode mode, holog_store **out_store)
{
    struct progress progress;
    holog_options opts;

    holog_options_init(&opts);
    opts.flags = HOLOG_OPEN_NO_CREATE | (mode == OPEN_READ ? (uint32_t)HOLOG_OPEN_READONLY : 0);
    opts.progress = progress_report;
    opts.progress_ctx = &progress;
    progress_begin(&progress, "recovering");
    int rc = holog_open(args->operands[0], &opts, out_store);
    progress_end(&progress);
    if (rc < 0)
        return cli_fail(args, rc, args->operands[0]);
    tell_recovery(args, mode, *out_store);
    return EXIT_DONE;
}

int cli_view(const struct args *args, holog_store *store, holog_view **out_view)
{
    const char *ref = args->text[OPT_AT];
    uint64_t number = 0;
    int rc;

    if (ref == NULL) {
        rc = holog_view_open(store, out_view);
        return rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;
    }
    rc = holog_ref(store, ref, &number);
    if (rc >= 0)
        rc = holog_view_open_at(store, number, out_view);
    return rc < 0 ? cli_fail(args, rc, ref) : EXIT_DONE;
}

int cli_close(const struct args *args, holog_store *store, int status)
{
    int rc = holog_close(store);

    if (rc < 0 && status == EXIT_DONE)
        return cli_fail(args, rc, args->operands[0]);
    return status; /* the first cause was told */
}

/* ---- one commit ------------------------------------------------------------------------------ */

int change_begin(const struct args *args, struct change *out_change)
{
    struct change change = { .args = args };
    int status = cli_open(args, OPEN_WRITE, &change.store);

    if (status != EXIT_DONE)
        return status;
    int rc = holog_begin(change.store, &change.txn);
    if (rc >= 0 && args->given[OPT_MESSAGE])
        rc = holog_txn_message(change.txn, args->text[OPT_MESSAGE]);
    if (rc < 0) {
        status = cli_fail(args, rc, args->given[OPT_MESSAGE] ? "--message" : NULL);
        holog_abort(change.txn);
        return cli_close(args, change.store, status);
    }
    *out_change = change;
    return EXIT_DONE;
}

int change_expect(struct change *change, const char *path, unsigned *flags)
{
    const struct args *args = change->args;

    if (!args->given[OPT_IF_SEQ])
        return HOLOG_OK;
    if (args->number[OPT_IF_SEQ] != 0)
        *flags |= HOLOG_REPLACE; /* it names the version that it replaces */
    return holog_txn_expect(change->txn, path, args->number[OPT_IF_SEQ]);
}

int change_commit(struct change *change, int status, const char *subject, json_object *document)
{
    const struct args *args = change->args;
    uint64_t number = 0;

    if (status == EXIT_DONE) {
        int rc = holog_commit(change->txn, &number);
        if (rc < 0)
            status = cli_fail(args, rc, subject);
        if (rc != HOLOG_E_AGAIN)
            change->txn = NULL; /* freed, also when it failed */
    }
    holog_abort(change->txn);
    change->txn = NULL;
    json_add(document, "commit", json_number(number));
    return status;
}

int change_close(struct change *change, int status, json_object *document)
{
    const struct args *args = change->args;

    status = cli_close(args, change->store, status);
    change->store = NULL;
    if (status == EXIT_DONE && args->given[OPT_JSON]) {
        json_print(document);
        return cli_flush(args, status);
    }
    (void)json_object_put(document);
    return status;
}

int change_end(struct change *change, int status, const char *subject, json_object *document)
{
    json_object *out = document != NULL ? document : json_object_new_object();

    status = change_commit(change, status, subject, out);
    return change_close(change, status, out);
}

/* Makes the directory that `path` is to stand in, and those above it. */
static int make_parents(holog_txn *txn, const char *path)
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 0 && path[len - 1] == '/')
        len--;
    if (len == 0)
        return HOLOG_OK; /* the root is there */
    char *parent = strndup(path, len);
    if (parent == NULL)
        return HOLOG_E_NOMEM;
    int rc = holog_txn_mkdir(txn, parent, HOLOG_PARENTS);
    free(parent);
    return rc;
}

int change_copy(holog_txn *txn, const char *from, const char *to, unsigned flags)
{
    int rc = (flags & HOLOG_PARENTS) != 0 ? make_parents(txn, to) : HOLOG_OK;

    return rc < 0 ? rc : holog_txn_copy(txn, from, to, flags & ~(unsigned)HOLOG_PARENTS);
}

int change_move(holog_txn *txn, const char *from, const char *to, unsigned flags)
{
    int rc = (flags & HOLOG_PARENTS) != 0 ? make_parents(txn, to) : HOLOG_OK;

    return rc < 0 ? rc : holog_txn_move(txn, from, to, flags & ~(unsigned)HOLOG_PARENTS);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

#define JSON_STYLE (JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

json_object *json_number(uint64_t value)
{
    return json_object_new_uint64(value);
}

void json_add(json_object *object, const char *key, json_object *value)
{
    (void)json_object_object_add(object, key, value); /* fails only without memory */
}

void json_add_error(json_object *object, const struct holog_error_detail *detail)
{
    json_object *error = json_object_new_object();

    json_add(error, "code", json_text(holog_error_name(detail->code)));
    json_add(error, "message", json_text(detail->message));
    if (detail->path[0] != '\0')
        json_add(error, "path", json_text(detail->path));
    if (detail->has_position != 0) {
        json_add(error, "segment", json_number(detail->segment));
        json_add(error, "offset", json_number(detail->offset));
    }
    json_add(object, "error", error);
}

void json_print(json_object *document)
{
    (void)puts(json_object_to_json_string_ext(document, JSON_STYLE | JSON_C_TO_STRING_PRETTY));
    (void)json_object_put(document);
}

/* The members of object, each after a comma unless it is the first thing in the document. */
static bool put_members(json_object *object, bool any)
{
    if (object == NULL)
        return any;
    json_object_object_foreach(object, key, value) {
        json_object *name = json_object_new_string(key);
        (void)printf("%s\n  %s: ", any ? "," : "",
                     json_object_to_json_string_ext(name, JSON_STYLE));
        (void)fputs(json_object_to_json_string_ext(value, JSON_STYLE), stdout);
        (void)json_object_put(name);
        any = true;
    }
    (void)json_object_put(object);
    return any;
}

void json_stream_begin(struct json_stream *stream, json_object *head, const char *name)
{
    stream->any = false;
    (void)putchar('{');
    (void)printf("%s\n  \"%s\": [", put_members(head, false) ? "," : "", name);
}

void json_stream_item(struct json_stream *stream, json_object *item)
{
    (void)printf("%s\n    %s", stream->any ? "," : "",
                 json_object_to_json_string_ext(item, JSON_STYLE));
    (void)json_object_put(item);
    stream->any = true;
}

void json_stream_end(struct json_stream *stream, json_object *tail)
{
    (void)fputs(stream->any ? "\n  ]" : "]", stdout);
    (void)put_members(tail, true);
    (void)fputs("\n}\n", stdout);
}
