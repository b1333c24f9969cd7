/*
 * options.c: the options of all verbs, and reading a verb's command line with getopt_long.
 *
 * An option means the same for every verb that takes it. Options may stand before, between and
 * after the operands; "--" ends them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum option_kind {
    KIND_FLAG,
    KIND_TEXT,
    KIND_OPTIONAL, /* text behind '=', or nothing */
    KIND_NUMBER,
    KIND_SIZE,
    KIND_REAL,
    KIND_RANGE,
    KIND_AGE
};

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    const char *argument; /* its name in the help; NULL: takes none */
    const char *help;
};

#define LONG_BASE 256 /* getopt values of options without a letter; above any char */

/* clang-format off */
static const struct option_row rows[OPT_COUNT] = {
    [OPT_HELP]          = { "help", 'h', KIND_FLAG, NULL, "show this help" },
    [OPT_JSON]          = { "json", 0, KIND_FLAG, NULL, "print one JSON document" },
    [OPT_REPLACE]       = { "replace", 0, KIND_FLAG, NULL,
                            "an entry that exists gets a new version" },
    [OPT_PARENTS]       = { "parents", 'p', KIND_FLAG, NULL, "make missing parent directories" },
    [OPT_MESSAGE]       = { "message", 'm', KIND_TEXT, "TEXT", "keep TEXT with the commit" },
    [OPT_IF_SEQ]        = { "if-seq", 0, KIND_NUMBER, "N",
                            "only if PATH is still as of commit N (save: 0, it is missing)" },
    [OPT_OUTPUT]        = { "output", 'o', KIND_TEXT, "FILE",
                            "write to FILE, whole or not at all (-: standard output)" },
    [OPT_RANGE]         = { "range", 0, KIND_RANGE, "OFF:LEN",
                            "only LEN bytes from offset OFF (OFF: alone is to the end)" },
    [OPT_LONG]          = { "long", 'l', KIND_FLAG, NULL, "type, size, commit, time and name" },
    [OPT_RECURSIVE]     = { "recursive", 'r', KIND_FLAG, NULL, "and everything below" },
    [OPT_NUL]           = { "null", '0', KIND_FLAG, NULL,
                            "end names with NUL, not newline; escape nothing" },
    [OPT_PREFIX]        = { "prefix", 0, KIND_TEXT, "TEXT", "only names that start with TEXT" },
    [OPT_AFTER]         = { "after", 0, KIND_TEXT, "NAME",
                            "start after NAME: the last name of a page brings the next page" },
    [OPT_LIMIT]         = { "limit", 'n', KIND_NUMBER, "N", "at most N of them (0: all)" },
    [OPT_BEFORE]        = { "before", 0, KIND_NUMBER, "N", "only commits below number N" },
    [OPT_QUICK]         = { "quick", 0, KIND_FLAG, NULL,
                            "headers, footers and chain only, no payload" },
    [OPT_RATE]          = { "rate", 0, KIND_SIZE, "BYTES",
                            "at most so many bytes a second (50M; default: no limit)" },
    [OPT_MODE]          = { "mode", 0, KIND_TEXT, "MODE", "point-in-time or salvage" },
    [OPT_DRY_RUN]       = { "dry-run", 0, KIND_FLAG, NULL, "say what would be done, change nothing" },
    [OPT_DEPTH]         = { "depth", 'd', KIND_NUMBER, "N",
                            "sum up directories more than N below PATH (default 1)" },
    [OPT_PROMETHEUS]    = { "prometheus", 0, KIND_FLAG, NULL, "Prometheus text format" },
    [OPT_SEGMENTS]      = { "segments", 0, KIND_FLAG, NULL,
                            "what each segment holds and for whom" },
    [OPT_CODECS]        = { "codecs", 0, KIND_FLAG, NULL,
                            "how what was compressed is coded, and how much smaller it is" },
    [OPT_SEGMENT_SIZE]  = { "segment-size", 0, KIND_SIZE, "BYTES",
                            "largest log segment, a power of two, 16K - 64M" },
    [OPT_EXTENT_SIZE]   = { "extent-segment-size", 0, KIND_SIZE, "BYTES",
                            "largest segment of large values, 128K - 1G" },
    [OPT_INLINE_MAX]    = { "inline-max", 0, KIND_SIZE, "BYTES",
                            "values above this go to extents (default 64K)" },
    [OPT_MAX_SPACE_AMP] = { "max-space-amp", 0, KIND_REAL, "X",
                            "disk over live bytes that compaction aims for (default 1.5)" },
    [OPT_SECONDS]       = { "seconds", 0, KIND_REAL, "S", "run each workload for S seconds (default 2)" },
    [OPT_DIR]           = { "dir", 0, KIND_TEXT, "DIR",
                            "make the scratch store in DIR (default: here)" },
    [OPT_AT]            = { "at", 0, KIND_TEXT, "REF",
                            "as of a number, a tag, HEAD~N or a time (2026-11-21T08:00:00Z)" },
    [OPT_STEPS]         = { "steps", 'n', KIND_NUMBER, "N",
                            "to before the last N commits that changed PATH" },
    [OPT_RANGES]        = { "ranges", 0, KIND_FLAG, NULL, "also which bytes of a blob differ" },
    [OPT_FORCE]         = { "force", 'f', KIND_FLAG, NULL, "a tag that exists names REF from now on" },
    [OPT_LIST]          = { "list", 0, KIND_FLAG, NULL, "list all tags" },
    [OPT_DELETE]        = { "delete", 0, KIND_TEXT, "NAME", "delete tag NAME" },
    [OPT_KEEP]          = { "keep", 0, KIND_NUMBER, "N", "keep the last N states" },
    [OPT_OLDER]         = { "older", 0, KIND_AGE, "AGE",
                            "keep no states older than AGE (7d, 12h, 90s)" },
    [OPT_ALL]           = { "all", 0, KIND_FLAG, NULL,
                            "all that can be compacted, not only what is mostly garbage" },
    [OPT_BALANCE]       = { "balance", 0, KIND_FLAG, NULL,
                            "also when it changes a sum that is enforced; kept with the commit" },
    [OPT_BLOB]          = { "blob", 0, KIND_FLAG, NULL, "a .npy or .tif file as the bytes it is" },
    [OPT_RAW]           = { "raw", 0, KIND_FLAG, NULL, "the elements of an array, in C order, alone" },
    [OPT_PREVIEW]       = { "preview", 0, KIND_NUMBER, "N",
                            "an array at 1/N of its resolution: 1, 2, 4, ... 128" },
    [OPT_PORT]          = { "port", 0, KIND_NUMBER, "N", "listen on port N (default 8080; 0: any)" },
    [OPT_BIND]          = { "bind", 0, KIND_TEXT, "ADDRESS",
                            "listen at ADDRESS (default 127.0.0.1: this machine only)" },
    [OPT_PATH]          = { "path", 0, KIND_TEXT, "PATH", "only what is below directory PATH" },
    [OPT_WRITABLE]      = { "writable", 0, KIND_FLAG, NULL,
                            "take PUT and DELETE from who knows the token" },
    [OPT_TOKEN]         = { "token", 0, KIND_TEXT, "FILE",
                            "that token: 16 bytes or more, in a file of mode 0600" },
    [OPT_MAX_BODY]      = { "max-body", 0, KIND_SIZE, "BYTES",
                            "largest value taken (default 1G, or a quarter of the budget)" },
    [OPT_MAX_CONNECTIONS] = { "max-connections", 0, KIND_NUMBER, "N",
                            "at most N connections at once (default 256)" },
    [OPT_VERBOSE]       = { "verbose", 'v', KIND_FLAG, NULL, "a line on stderr for each request" },
    [OPT_FORMAT]        = { "format", 0, KIND_TEXT, "FORMAT", "zarr3 (default) or zarr2" },
    [OPT_SKIP_DAMAGED]  = { "skip-damaged", 0, KIND_FLAG, NULL,
                            "go on without what is damaged; exit status 3" },
    [OPT_SKIP_UNSUPPORTED] = { "skip-unsupported", 0, KIND_FLAG, NULL,
                            "go on without what one side has no words for" },
    [OPT_SAMPLE]        = { "sample", 0, KIND_TEXT, "FILE",
                            "try codecs on FILE or, if there is none, on that path of the store" },
    [OPT_CHECK]         = { "check", 0, KIND_FLAG, NULL,
                            "say what is not as OME-NGFF 0.5 wants it; exit status 1" },
    [OPT_LEVELS]        = { "levels", 0, KIND_NUMBER, "N", "N levels in all (default: until one fits a chunk)" },
    [OPT_METHOD]        = { "method", 0, KIND_TEXT, "METHOD", "mean, nearest or mode" },
    [OPT_HALVE_Z]       = { "halve-z", 0, KIND_FLAG, NULL,
                            "z too, whatever the scales (default: when it is like x)" },
    [OPT_AXES]          = { "axes", 0, KIND_TEXT, "AXES", "what the array's axes are: a letter of tczyx for each" },
    [OPT_SCALE]         = { "scale", 0, KIND_TEXT, "NUMBERS",
                            "size of a pixel along z, y and x: 2,0.325,0.325" },
    [OPT_UNIT]          = { "unit", 0, KIND_TEXT, "UNIT", "of these numbers: micrometer, nanometer" },
    [OPT_MAP]           = { "map", 0, KIND_OPTIONAL, "[=FILE.png]",
                            "instead a picture of the segments: text here, or a PNG file" },
    [OPT_PURGE]         = { "purge", 0, KIND_FLAG, NULL,
                            "and no file has what nobody can ask for when this ends" },
    [OPT_FORGET]        = { "forget", 0, KIND_FLAG, NULL,
                            "with --purge: the history of the whole store goes, too" },
};
/* clang-format on */

/* ---- getopt's tables ------------------------------------------------------------------------- */

struct getopt_tables {
    char letters[2 * OPT_COUNT + 2];
    struct option longs[OPT_COUNT + 1];
};

static void add_option(struct getopt_tables *tables, size_t *letter_count, size_t *long_count,
                       unsigned id)
{
    const struct option_row *row = &rows[id];

    tables->longs[(*long_count)++] = (struct option){
        .name = row->name,
        .has_arg = row->kind == KIND_OPTIONAL ? optional_argument
                   : row->argument != NULL    ? required_argument
                                              : no_argument,
        .val = LONG_BASE + (int)id,
    };
    if (row->letter == 0)
        return;
    tables->letters[(*letter_count)++] = row->letter;
    if (row->argument != NULL)
        tables->letters[(*letter_count)++] = ':';
}

static void make_tables(const struct command *command, struct getopt_tables *tables)
{
    size_t letter_count = 0;
    size_t long_count = 0;

    memset(tables, 0, sizeof *tables);
    tables->letters[letter_count++] = ':'; /* we print the messages */
    add_option(tables, &letter_count, &long_count, OPT_HELP);
    for (const unsigned char *id = command->options; *id != OPT_END; id++)
        add_option(tables, &letter_count, &long_count, *id);
}

/* What getopt returned, as an option: LONG_BASE + id, or a letter, which two verbs may use for two
 * options. */
static unsigned option_of(const struct command *command, int value)
{
    if (value >= LONG_BASE)
        return (unsigned)(value - LONG_BASE);
    for (const unsigned char *id = command->options; *id != OPT_END; id++) {
        if (rows[*id].letter == value)
            return *id;
    }
    return OPT_HELP; /* the one that goes without saying */
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool parse_real(const char *text, double *out)
{
    char *end = NULL;

    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value > 0 && value < 1e9))
        return false;
    *out = value;
    return true;
}

static int bad_value(const struct args *args, unsigned id, const char *wanted)
{
    return cli_usage(args, "--%s: \"%s\" is not %s", rows[id].name, args->text[id], wanted);
}

static int take_option(struct args *args, unsigned id, const char *value)
{
    args->given[id] = true;
    args->text[id] = value;
    switch (rows[id].kind) {
    case KIND_FLAG:
    case KIND_TEXT:
    case KIND_OPTIONAL: return EXIT_DONE;
    case KIND_NUMBER:
        return parse_number(value, &args->number[id])
                   ? EXIT_DONE
                   : bad_value(args, id, "a number (0, 1, 2 ...)");
    case KIND_SIZE:
        return parse_size(value, &args->number[id])
                   ? EXIT_DONE
                   : bad_value(args, id, "a size in bytes (4096, 64K, 16MiB)");
    case KIND_REAL:
        return parse_real(value, &args->real[id]) ? EXIT_DONE
                                                  : bad_value(args, id, "a number above 0");
    case KIND_RANGE:
        return parse_range(value, &args->range_offset, &args->range_len)
                   ? EXIT_DONE
                   : bad_value(args, id, "OFF:LEN in bytes (4096:512, 1M:)");
    case KIND_AGE:
        return parse_age(value, &args->number[id])
                   ? EXIT_DONE
                   : bad_value(args, id, "an age (90s, 30m, 12h, 7d, 2w)");
    }
    return EXIT_USAGE;
}

static int refuse(const struct args *args, int problem, char **argv)
{
    const char *word = argv[optind - 1];

    if (problem == ':' && optopt >= LONG_BASE)
        return cli_usage(args, "option --%s needs a value",
                         rows[option_of(args->command, optopt)].name);
    if (problem == ':')
        return cli_usage(args, "option -%c needs a value", optopt);
    if (optopt >= LONG_BASE)
        return cli_usage(args, "option --%s takes no value",
                         rows[option_of(args->command, optopt)].name);
    if (optopt != 0)
        return cli_usage(args, "unknown option -%c", optopt);
    return cli_usage(args, "unknown option %s", word);
}

static int check_operands(const struct args *args)
{
    const struct command *command = args->command;

    if (args->operand_count < command->operands_min)
        return cli_usage(args, "too few arguments: %s", command->operands);
    if (command->operands_max >= 0 && args->operand_count > command->operands_max)
        return cli_usage(args, "too many arguments, from \"%s\" on",
                         args->operands[command->operands_max]);
    return EXIT_DONE;
}

int args_parse(const struct command *command, int argc, char **argv, struct args *out_args)
{
    struct getopt_tables tables;
    int value;

    *out_args = (struct args){ .command = command, .range_len = UINT64_MAX };
    make_tables(command, &tables);
    opterr = 0;
    optind = 1;
    /* Only main's thread exists yet. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((value = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        if (value == '?' || value == ':')
            return refuse(out_args, value, argv);
        int status = take_option(out_args, option_of(command, value), optarg);
        if (status != EXIT_DONE)
            return status;
    }
    out_args->operand_count = argc - optind;
    out_args->operands = argv + optind;
    return out_args->given[OPT_HELP] ? EXIT_DONE : check_operands(out_args);
}

unsigned args_save_flags(const struct args *args)
{
    return (args->given[OPT_REPLACE] ? (unsigned)HOLOG_REPLACE : 0) |
           (args->given[OPT_PARENTS] ? (unsigned)HOLOG_PARENTS : 0);
}

const char *args_operand(const struct args *args, int i)
{
    return i < args->operand_count ? args->operands[i] : NULL;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void help_option(unsigned id, FILE *to)
{
    const struct option_row *row = &rows[id];
    char letter[8] = "    ";
    char name[64];

    if (row->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(name, sizeof name, "%s--%s%s%s", letter, row->name,
                   row->argument != NULL && row->kind != KIND_OPTIONAL ? " " : "",
                   row->argument != NULL ? row->argument : "");
    (void)fprintf(to, "  %-31s %s\n", name, row->help);
}

void args_help(const struct command *command, FILE *to)
{
    (void)fprintf(to, "usage: holog %s [option ...] %s\n\n%s\n", command->name, command->operands,
                  command->summary);
    if (command->details != NULL)
        (void)fprintf(to, "\n%s\n", command->details);
    (void)fprintf(to, "\noptions\n");
    for (const unsigned char *id = command->options; *id != OPT_END; id++)
        help_option(*id, to);
    help_option(OPT_HELP, to);
}
