/*
 * cmd_batch.c: batch. One change a line, as a JSON object; all lines in one commit, or none:
 *
 *     {"op":"save", "path":P, "file":F | "base64":B | "text":T}      replace, parents, if_seq
 *     {"op":"mkdir", "path":P}                                       parents
 *     {"op":"rm", "path":P}                                          recursive, if_seq
 *     {"op":"mv" | "cp", "from":P, "to":P}                           replace, parents
 *     {"op":"ln", "target":T, "path":P}                              replace, parents
 *     {"op":"delta", "path":P, "kind":K, "start":N, "end":N, "to":N}  file, base64, text, if_seq, balance
 *     {"op":"rollback", "to":REF, "path":P}                          or "steps":N in place of "to"
 *
 * replace, parents and recursive are true or false; on the command line --replace and --parents set
 * them for every line. A member that the op does not know is an error: a misspelt "replace" must not
 * be ignored. Empty lines are skipped. Each error names the line.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "verbs.h"

struct batch {
    const struct args *args;
    struct change change;
    uint64_t line; /* from 1 */
    uint64_t operations;
    uint64_t bytes;
};

/* ---- messages -------------------------------------------------------------------------------- */

static int bad_line(const struct batch *batch, const char *format, ...) CLI_PRINTF(2, 3);

static int bad_line(const struct batch *batch, const char *format, ...)
{
    char text[512];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return cli_fail_text(batch->args, "line %" PRIu64 ": %s", batch->line, text);
}

static int failed_line(const struct batch *batch, int code, const char *subject)
{
    struct holog_error_detail detail;
    char prefix[32];

    cli_detail(code, &detail);
    (void)snprintf(prefix, sizeof prefix, "line %" PRIu64, batch->line);
    return cli_fail_detail(batch->args, &detail, prefix, subject);
}

/* ---- members of a line ----------------------------------------------------------------------- */

static json_object *member(json_object *line, const char *key)
{
    json_object *value = NULL;

    (void)json_object_object_get_ex(line, key, &value);
    return value;
}

/* A string without NUL; a path cannot hold one. */
static int text_member(const struct batch *batch, json_object *line, const char *key,
                       const char **out_text)
{
    json_object *value = member(line, key);

    if (value == NULL)
        return bad_line(batch, "\"%s\" is missing", key);
    if (!json_object_is_type(value, json_type_string))
        return bad_line(batch, "\"%s\" is not a string", key);
    const char *text = json_object_get_string(value);
    if (strlen(text) != (size_t)json_object_get_string_len(value))
        return bad_line(batch, "\"%s\" holds a NUL", key);
    *out_text = text;
    return EXIT_DONE;
}

static int flag_member(const struct batch *batch, json_object *line, const char *key, bool *out)
{
    json_object *value = member(line, key);

    if (value == NULL)
        return EXIT_DONE;
    if (!json_object_is_type(value, json_type_boolean))
        return bad_line(batch, "\"%s\" is neither true nor false", key);
    *out = json_object_get_boolean(value) != 0;
    return EXIT_DONE;
}

static int save_flags(const struct batch *batch, json_object *line, unsigned *out_flags)
{
    unsigned flags = args_save_flags(batch->args);
    bool replace = (flags & HOLOG_REPLACE) != 0;
    bool parents = (flags & HOLOG_PARENTS) != 0;
    int status = flag_member(batch, line, "replace", &replace);

    if (status == EXIT_DONE)
        status = flag_member(batch, line, "parents", &parents);
    *out_flags = (replace ? (unsigned)HOLOG_REPLACE : 0) | (parents ? (unsigned)HOLOG_PARENTS : 0);
    return status;
}

/* Whole and not negative. */
static int number_member(const struct batch *batch, json_object *line, const char *key,
                         uint64_t *out)
{
    json_object *value = member(line, key);

    if (value == NULL)
        return bad_line(batch, "\"%s\" is missing", key);
    if (!json_object_is_type(value, json_type_int) ||
        (json_object_get_int64(value) < 0 && json_object_get_uint64(value) == 0))
        return bad_line(batch, "\"%s\" is not a number (0, 1, 2 ...)", key);
    *out = json_object_get_uint64(value);
    return EXIT_DONE;
}

static int expect(const struct batch *batch, json_object *line, const char *path, unsigned *flags)
{
    uint64_t number = 0;

    if (member(line, "if_seq") == NULL)
        return EXIT_DONE;
    int status = number_member(batch, line, "if_seq", &number);
    if (status != EXIT_DONE)
        return status;
    int rc = holog_txn_expect(batch->change.txn, path, number);
    if (rc < 0)
        return failed_line(batch, rc, path);
    if (number != 0)
        *flags |= HOLOG_REPLACE; /* it names the version that it replaces */
    return EXIT_DONE;
}

/* The value to save: malloc'd. Exactly one of "file", "base64" and "text" says what it is. */
static int value_member(const struct batch *batch, json_object *line, uint8_t **out_data,
                        size_t *out_len)
{
    json_object *text = member(line, "text");
    int given = (text != NULL) + (member(line, "file") != NULL) + (member(line, "base64") != NULL);
    const char *name = NULL;

    if (given != 1)
        return bad_line(batch, "one of \"file\", \"base64\" and \"text\" is needed");
    if (text != NULL) {
        if (!json_object_is_type(text, json_type_string))
            return bad_line(batch, "\"%s\" is not a string", "text");
        size_t len = (size_t)json_object_get_string_len(text);
        *out_data = malloc(len + 1);
        if (*out_data == NULL)
            return failed_line(batch, HOLOG_E_NOMEM, NULL);
        memcpy(*out_data, json_object_get_string(text), len);
        *out_len = len;
        return EXIT_DONE;
    }
    if (member(line, "file") != NULL) {
        int status = text_member(batch, line, "file", &name);
        int error = status == EXIT_DONE ? file_load(name, out_data, out_len) : 0;
        if (error == 0)
            return status;
        char doing[48];
        (void)snprintf(doing, sizeof doing, "(line %" PRIu64 ") read", batch->line);
        return cli_fail_errno(batch->args, error, doing, name);
    }
    int status = text_member(batch, line, "base64", &name);
    if (status != EXIT_DONE || name == NULL)
        return status;
    *out_data = malloc(strlen(name) / 4 * 3 + 1);
    if (*out_data == NULL)
        return failed_line(batch, HOLOG_E_NOMEM, NULL);
    return parse_base64(name, strlen(name), *out_data, out_len)
               ? EXIT_DONE
               : bad_line(batch, "\"base64\" is not base64");
}

/* ---- the operations -------------------------------------------------------------------------- */

static int op_save(struct batch *batch, json_object *line)
{
    const char *path = NULL;
    uint8_t *data = NULL;
    size_t len = 0;
    unsigned flags = 0;
    int status = text_member(batch, line, "path", &path);

    if (status == EXIT_DONE)
        status = save_flags(batch, line, &flags);
    if (status == EXIT_DONE)
        status = expect(batch, line, path, &flags);
    if (status == EXIT_DONE)
        status = value_member(batch, line, &data, &len);
    if (status == EXIT_DONE) {
        int rc = holog_txn_save(batch->change.txn, path, data, len, flags);
        if (rc < 0)
            status = failed_line(batch, rc, path);
        batch->bytes += len;
    }
    free(data);
    return status;
}

static int op_mkdir(struct batch *batch, json_object *line)
{
    const char *path = NULL;
    unsigned flags = 0;
    int status = text_member(batch, line, "path", &path);

    if (status == EXIT_DONE)
        status = save_flags(batch, line, &flags);
    if (status != EXIT_DONE)
        return status;
    int rc = holog_txn_mkdir(batch->change.txn, path, flags & HOLOG_PARENTS);
    return rc < 0 ? failed_line(batch, rc, path) : EXIT_DONE;
}

static int op_rm(struct batch *batch, json_object *line)
{
    const char *path = NULL;
    bool recursive = false;
    unsigned flags = 0; /* expect() may set REPLACE, of no meaning here */
    int status = text_member(batch, line, "path", &path);

    if (status == EXIT_DONE)
        status = flag_member(batch, line, "recursive", &recursive);
    if (status == EXIT_DONE)
        status = expect(batch, line, path, &flags);
    if (status != EXIT_DONE)
        return status;
    int rc = recursive ? holog_txn_delete_all(batch->change.txn, path)
                       : holog_txn_delete(batch->change.txn, path);
    return rc < 0 ? failed_line(batch, rc, path) : EXIT_DONE;
}

typedef int (*two_name_fn)(holog_txn *txn, const char *first, const char *second, unsigned flags);

static int op_two(struct batch *batch, json_object *line, const char *first_key,
                  const char *second_key, two_name_fn apply)
{
    const char *first = NULL;
    const char *second = NULL;
    unsigned flags = 0;
    int status = text_member(batch, line, first_key, &first);

    if (status == EXIT_DONE)
        status = text_member(batch, line, second_key, &second);
    if (status == EXIT_DONE)
        status = save_flags(batch, line, &flags);
    if (status != EXIT_DONE)
        return status;
    int rc = apply(batch->change.txn, first, second, flags);
    return rc < 0 ? failed_line(batch, rc, second) : EXIT_DONE;
}

static int op_mv(struct batch *batch, json_object *line)
{
    return op_two(batch, line, "from", "to", change_move);
}

static int op_cp(struct batch *batch, json_object *line)
{
    return op_two(batch, line, "from", "to", change_copy);
}

static int op_ln(struct batch *batch, json_object *line)
{
    return op_two(batch, line, "target", "path", holog_txn_symlink);
}

/* The members that its kind takes, and no others. */
static int delta_numbers(const struct batch *batch, json_object *line,
                         const struct delta_form *form, holog_delta *delta)
{
    static const char *const all[DELTA_NUMBERS_MAX] = { "start", "end", "to" };

    for (size_t i = 0; i < DELTA_NUMBERS_MAX; i++) {
        uint64_t value = 0;
        if (form->numbers[i] == NULL && member(line, all[i]) != NULL)
            return bad_line(batch, "member \"%s\" is not one of kind \"%s\"", all[i], form->name);
        if (form->numbers[i] == NULL)
            continue;
        int status = number_member(batch, line, all[i], &value);
        if (status != EXIT_DONE)
            return status;
        delta_set_number(delta, i, value);
    }
    if (!form->takes_data && (member(line, "file") != NULL || member(line, "base64") != NULL ||
                              member(line, "text") != NULL))
        return bad_line(batch, "kind \"%s\" takes no bytes", form->name);
    return EXIT_DONE;
}

static int apply_delta(struct batch *batch, json_object *line, const char *path,
                       const struct delta_form *form)
{
    holog_delta delta = { .kind = form->kind };
    uint8_t *data = NULL;
    bool balance = false;
    unsigned flags = 0; /* expect() may set REPLACE, of no meaning here */
    int status = delta_numbers(batch, line, form, &delta);

    if (status == EXIT_DONE)
        status = flag_member(batch, line, "balance", &balance);
    if (status == EXIT_DONE)
        status = expect(batch, line, path, &flags);
    if (status == EXIT_DONE && form->takes_data)
        status = value_member(batch, line, &data, &delta.len_bytes);
    delta.data = data;
    if (status == EXIT_DONE) {
        int rc = holog_txn_apply(batch->change.txn, path, &delta, 1,
                                 balance ? (unsigned)HOLOG_BALANCE : 0);
        if (rc < 0)
            status = failed_line(batch, rc, path);
        batch->bytes += delta.len_bytes;
    }
    free(data);
    return status;
}

static int op_delta(struct batch *batch, json_object *line)
{
    const char *path = NULL;
    const char *kind = NULL;
    int status = text_member(batch, line, "path", &path);

    if (status == EXIT_DONE)
        status = text_member(batch, line, "kind", &kind);
    if (status != EXIT_DONE || kind == NULL)
        return status;
    const struct delta_form *form = find_delta_form(kind);
    return form != NULL
               ? apply_delta(batch, line, path, form)
               : bad_line(batch, "kind \"%s\" is not one of insert, update, delete, move", kind);
}

/* Where to, as of before the batch. */
static int rollback_target(const struct batch *batch, json_object *line, const char *path,
                           uint64_t *out_number)
{
    const char *ref = NULL;
    uint64_t steps = 0;
    int status;

    if ((member(line, "to") != NULL) == (member(line, "steps") != NULL))
        return bad_line(batch, "a rollback needs one of \"to\" and \"steps\"");
    if (member(line, "steps") != NULL) {
        status = number_member(batch, line, "steps", &steps);
        if (status != EXIT_DONE)
            return status;
        int rc = holog_before_changes(batch->change.store, path, steps, out_number);
        return rc < 0 ? failed_line(batch, rc, path) : EXIT_DONE;
    }
    status = text_member(batch, line, "to", &ref);
    if (status != EXIT_DONE || ref == NULL)
        return status;
    int rc = holog_ref(batch->change.store, ref, out_number);
    return rc < 0 ? failed_line(batch, rc, ref) : EXIT_DONE;
}

static int op_rollback(struct batch *batch, json_object *line)
{
    const char *path = "/";
    uint64_t number = 0;
    int status = member(line, "path") != NULL ? text_member(batch, line, "path", &path) : EXIT_DONE;

    if (status == EXIT_DONE)
        status = rollback_target(batch, line, path, &number);
    if (status != EXIT_DONE)
        return status;
    int rc = holog_txn_rollback(batch->change.txn, path, number);
    return rc < 0 ? failed_line(batch, rc, path) : EXIT_DONE;
}

static const struct {
    const char *name;
    int (*apply)(struct batch *batch, json_object *line);
    const char *members; /* each with a blank on both sides */
} operations[] = {
    { "save", op_save, " op path file base64 text replace parents if_seq " },
    { "mkdir", op_mkdir, " op path parents " },
    { "rm", op_rm, " op path recursive if_seq " },
    { "mv", op_mv, " op from to replace parents " },
    { "cp", op_cp, " op from to replace parents " },
    { "ln", op_ln, " op target path replace parents " },
    { "delta", op_delta, " op path kind start end to file base64 text if_seq balance " },
    { "rollback", op_rollback, " op to steps path " },
};

static int check_members(const struct batch *batch, json_object *line, const char *known)
{
    json_object_object_foreach(line, key, value) {
        char word[32];
        (void)value;
        (void)snprintf(word, sizeof word, " %.29s ", key);
        if (strchr(key, ' ') != NULL || strstr(known, word) == NULL)
            return bad_line(batch, "member \"%s\" is not one of this op", key);
    }
    return EXIT_DONE;
}

static int apply_object(struct batch *batch, json_object *line)
{
    const char *op = NULL;
    int status = text_member(batch, line, "op", &op);

    if (status != EXIT_DONE)
        return status;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(op, operations[i].name) != 0)
            continue;
        status = check_members(batch, line, operations[i].members);
        if (status == EXIT_DONE)
            status = operations[i].apply(batch, line);
        batch->operations++;
        return status;
    }
    return bad_line(batch, "op \"%s\" is not one of save, mkdir, rm, mv, cp, ln, delta, rollback",
                    op);
}

/* The code unit of "\\uXXXX" at p; -1: something else stands there. */
static long code_unit(const char *p)
{
    char digits[5] = "";

    if (p[0] != '\\' || p[1] != 'u')
        return -1;
    (void)snprintf(digits, sizeof digits, "%.4s", p + 2);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

/* The parser would put U+FFFD in place of half a character, another path than was asked for. */
static bool has_half_a_character(const char *text)
{
    for (const char *p = strchr(text, '\\'); p != NULL; p = strchr(p, '\\')) {
        long unit = code_unit(p);
        long next = unit < 0 ? -1 : code_unit(p + 6);
        bool high = unit >= 0xD800 && unit < 0xDC00;
        bool pair = high && next >= 0xDC00 && next < 0xE000;
        if ((high && !pair) || (unit >= 0xDC00 && unit < 0xE000))
            return true;
        if (unit < 0 && p[1] == '\0')
            return false;
        p += unit < 0 ? 2 : pair ? 12 : 6;
    }
    return false;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int apply_line(struct batch *batch, struct json_tokener *parser, const char *text,
                      size_t len)
{
    if (strspn(text, " \t\r\n") == len)
        return EXIT_DONE;
    if (len > INT_MAX)
        return bad_line(batch, "longer than 2 GiB");
    json_tokener_reset(parser);
    json_object *line = json_tokener_parse_ex(parser, text, (int)len);
    enum json_tokener_error error = json_tokener_get_error(parser);
    size_t end = json_tokener_get_parse_end(parser);
    int status;

    if (error == json_tokener_continue)
        status = bad_line(batch, "not one whole JSON object");
    else if (error != json_tokener_success)
        status = bad_line(batch, "not JSON: %s", json_tokener_error_desc(error));
    else if (!json_object_is_type(line, json_type_object))
        status = bad_line(batch, "not a JSON object");
    else if (strspn(text + end, " \t\r\n") != len - end)
        status = bad_line(batch, "something follows the JSON object");
    else if (has_half_a_character(text))
        status = bad_line(batch, "a surrogate (\\ud800 to \\udfff) without its other half");
    else
        status = apply_object(batch, line);
    (void)json_object_put(line);
    return status;
}

static int apply_lines(struct batch *batch, FILE *from, struct json_tokener *parser)
{
    struct progress progress;
    struct stat st;
    uint64_t total = 0;
    uint64_t done = 0;
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    int status = EXIT_DONE;

    if (fstat(fileno(from), &st) == 0 && S_ISREG(st.st_mode))
        total = (uint64_t)st.st_size;
    progress_begin(&progress, "reading the batch");
    while (status == EXIT_DONE && (len = getline(&text, &room, from)) >= 0) {
        batch->line++;
        done += (uint64_t)len;
        (void)progress_report(&progress, done, total, "bytes");
        status = apply_line(batch, parser, text, (size_t)len);
    }
    int error = errno;
    progress_end(&progress);
    free(text);
    if (status == EXIT_DONE && ferror(from) != 0)
        status = cli_fail_errno(batch->args, error, "read", "the batch");
    return status;
}

static int run_batch(const struct args *args, FILE *from)
{
    struct batch batch = { .args = args };
    int status = change_begin(args, &batch.change);

    if (status != EXIT_DONE)
        return status;
    struct json_tokener *parser = json_tokener_new();
    if (parser == NULL) {
        status = cli_fail_errno(args, ENOMEM, "read", "the batch");
    } else {
        json_tokener_set_flags(parser, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
                                           JSON_TOKENER_ALLOW_TRAILING_CHARS);
        status = apply_lines(&batch, from, parser);
        json_tokener_free(parser);
    }
    json_object *doc = json_object_new_object();
    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "operations", json_number(batch.operations));
    json_add(doc, "bytes", json_number(batch.bytes));
    return change_end(&batch.change, status, NULL, doc);
}

int verb_batch(const struct args *args)
{
    const char *name = args_operand(args, 1);

    if (name == NULL || strcmp(name, "-") == 0)
        return run_batch(args, stdin);
    FILE *from = fopen(name, "re");
    if (from == NULL)
        return cli_fail_errno(args, errno, "read", name);
    int status = run_batch(args, from);
    (void)fclose(from); /* it was only read */
    return status;
}
