/*
 * cmd_rollback.c: rollback. One commit that makes a path, and all below it, what it was.
 */
#include "verbs.h"

/* The number that REF or -n N names, and the path behind it. */
static int find_target(const struct args *args, holog_store *store, uint64_t *out_number)
{
    const char *path = args->operand_count > 1 ? args->operands[1] : "/";
    int rc;

    if (args->given[OPT_STEPS]) {
        rc = holog_before_changes(store, path, args->number[OPT_STEPS], out_number);
        return rc < 0 ? cli_fail(args, rc, path) : EXIT_DONE;
    }
    rc = holog_ref(store, args->operands[1], out_number);
    return rc < 0 ? cli_fail(args, rc, args->operands[1]) : EXIT_DONE;
}

static int check_words(const struct args *args)
{
    if (args->given[OPT_STEPS] && args->operand_count > 2)
        return cli_usage(args, "either REF or -n N says where to");
    if (args->given[OPT_STEPS] && args->number[OPT_STEPS] == 0)
        return cli_usage(args, "-n 0 would change nothing");
    if (!args->given[OPT_STEPS] && args->operand_count < 2)
        return cli_usage(args, "where to? a REF, or -n N");
    return EXIT_DONE;
}

static json_object *target_json(const struct args *args, const char *path, uint64_t target)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(path));
    json_add(doc, "target", json_number(target));
    return doc;
}

int verb_rollback(const struct args *args)
{
    const char *path = args_operand(args, args->given[OPT_STEPS] ? 1 : 2);
    struct change change;
    uint64_t target = 0;
    int status = check_words(args);

    if (path == NULL)
        path = "/";
    if (status == EXIT_DONE)
        status = change_begin(args, &change);
    if (status != EXIT_DONE)
        return status;
    status = find_target(args, change.store, &target);
    if (status == EXIT_DONE) {
        int rc = holog_txn_rollback(change.txn, path, target);
        if (rc < 0)
            status = cli_fail(args, rc, path);
    }
    return change_end(&change, status, path, target_json(args, path, target));
}
