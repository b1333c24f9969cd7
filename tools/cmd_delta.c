/*
 * cmd_delta.c: delta. One change of a part of a blob, which costs what it changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

const struct delta_form *find_delta_form(const char *name)
{
    static const struct delta_form forms[] = {
        { "insert", { "start" }, HOLOG_DELTA_INSERT, true },
        { "update", { "start", "end" }, HOLOG_DELTA_UPDATE, true },
        { "delete", { "start", "end" }, HOLOG_DELTA_DELETE, false },
        { "move", { "start", "end", "to" }, HOLOG_DELTA_MOVE, false },
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(forms[i].name, name) == 0)
            return &forms[i];
    }
    return NULL;
}

void delta_set_number(holog_delta *delta, size_t i, uint64_t value)
{
    uint64_t *const members[DELTA_NUMBERS_MAX] = { &delta->start, &delta->end, &delta->to };

    *members[i] = value;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* The numbers behind the kind; *out_file is the operand after them, NULL: none is there. */
static int take_numbers(const struct args *args, const struct delta_form *form, holog_delta *delta,
                        const char **out_file)
{
    int at = 3; /* STORE PATH KIND */

    for (size_t i = 0; i < DELTA_NUMBERS_MAX && form->numbers[i] != NULL; i++, at++) {
        const char *word = args_operand(args, at);
        uint64_t value = 0;
        if (word == NULL)
            return cli_usage(args, "%s: %s is missing", form->name, form->numbers[i]);
        if (!parse_size(word, &value))
            return cli_usage(args, "%s: \"%s\" is not a number of bytes (0, 300, 64K)", form->name,
                             word);
        delta_set_number(delta, i, value);
    }
    *out_file = args_operand(args, at);
    if (args->operand_count > at + (form->takes_data ? 1 : 0))
        return cli_usage(args, "%s: too many arguments, from \"%s\" on", form->name,
                         args->operands[at + (form->takes_data ? 1 : 0)]);
    return EXIT_DONE;
}

/* Standard input when there is no name, or "-". */
static int read_data(const struct args *args, const char *name, uint8_t **out_data, size_t *out_len)
{
    bool more = false;
    int error;

    if (name == NULL || strcmp(name, "-") == 0) {
        name = "standard input";
        error = file_read(STDIN_FILENO, SIZE_MAX / 4, out_data, out_len, &more);
    } else {
        error = file_load(name, out_data, out_len);
    }
    return error == 0 ? EXIT_DONE : cli_fail_errno(args, error, "read", name);
}

static json_object *delta_json(const struct args *args, const struct delta_form *form,
                               const holog_delta *delta)
{
    const uint64_t numbers[DELTA_NUMBERS_MAX] = { delta->start, delta->end, delta->to };
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(args->operands[1]));
    json_add(doc, "kind", json_text(form->name));
    for (size_t i = 0; i < DELTA_NUMBERS_MAX && form->numbers[i] != NULL; i++)
        json_add(doc, form->numbers[i], json_number(numbers[i]));
    json_add(doc, "bytes", json_number(delta->len_bytes));
    return doc;
}

static int apply(const struct args *args, const struct delta_form *form, const holog_delta *delta)
{
    const char *path = args->operands[1];
    struct change change;
    int rc = HOLOG_OK;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    if (args->given[OPT_IF_SEQ])
        rc = holog_txn_expect(change.txn, path, args->number[OPT_IF_SEQ]);
    if (rc >= 0)
        rc = holog_txn_apply(change.txn, path, delta, 1,
                             args->given[OPT_BALANCE] ? (unsigned)HOLOG_BALANCE : 0);
    if (rc < 0)
        status = cli_fail(args, rc, path);
    return change_end(&change, status, path, delta_json(args, form, delta));
}

int verb_delta(const struct args *args)
{
    const struct delta_form *form = find_delta_form(args->operands[2]);
    holog_delta delta = { 0 };
    const char *file = NULL;
    uint8_t *data = NULL;

    if (form == NULL)
        return cli_usage(args, "\"%s\" is not one of insert, update, delete, move",
                         args->operands[2]);
    delta.kind = form->kind;
    int status = take_numbers(args, form, &delta, &file);
    if (status == EXIT_DONE && form->takes_data)
        status = read_data(args, file, &data, &delta.len_bytes);
    delta.data = data;
    if (status == EXIT_DONE)
        status = apply(args, form, &delta);
    free(data);
    return status;
}
