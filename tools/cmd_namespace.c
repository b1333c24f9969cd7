/*
 * cmd_namespace.c: rm, mkdir, mv, cp, ln. Each is one commit, whatever it touches.
 */
#include "verbs.h"

static json_object *names_json(const struct args *args, const char *first, const char *second)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, first, json_text(args->operands[1]));
    json_add(doc, second, json_text(args->operands[2]));
    return doc;
}

static json_object *paths_json(const struct args *args)
{
    json_object *doc = json_object_new_object();
    json_object *paths = json_object_new_array();

    for (int i = 1; i < args->operand_count; i++)
        (void)json_object_array_add(paths, json_text(args->operands[i]));
    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "paths", paths);
    return doc;
}

static int remove_one(const struct args *args, holog_txn *txn, const char *path)
{
    return args->given[OPT_RECURSIVE] ? holog_txn_delete_all(txn, path)
                                      : holog_txn_delete(txn, path);
}

int verb_rm(const struct args *args)
{
    json_object *doc = NULL;
    struct purge purge = { 0 };
    struct change change;

    if (args->given[OPT_IF_SEQ] && args->operand_count != 2)
        return cli_usage(args, "--if-seq goes with one PATH");
    if (args->given[OPT_FORGET] && !args->given[OPT_PURGE])
        return cli_usage(args, "--forget goes with --purge ('holog gc' lets history go)");
    int status = change_begin(args, &change);
    if (status != EXIT_DONE)
        return status;
    if (args->given[OPT_PURGE])
        status = purge_begin(args, change.store, &purge);
    for (int i = 1; i < args->operand_count && status == EXIT_DONE; i++) {
        const char *path = args->operands[i];
        int rc = HOLOG_OK;
        if (args->given[OPT_IF_SEQ])
            rc = holog_txn_expect(change.txn, path, args->number[OPT_IF_SEQ]);
        if (rc >= 0)
            rc = remove_one(args, change.txn, path);
        if (rc < 0)
            status = cli_fail(args, rc, path);
    }
    if (args->given[OPT_PURGE] && status == EXIT_DONE)
        status = purge_check(args, change.store, change.txn, &purge);
    purge_end(&purge);
    doc = paths_json(args);
    status = change_commit(&change, status, args->operands[1], doc);
    if (status == EXIT_DONE && args->given[OPT_PURGE])
        status = purge_now(args, change.store, doc);
    return change_close(&change, status, doc);
}

int verb_mkdir(const struct args *args)
{
    struct change change;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    for (int i = 1; i < args->operand_count && status == EXIT_DONE; i++) {
        int rc = holog_txn_mkdir(change.txn, args->operands[i], args_save_flags(args));
        if (rc < 0)
            status = cli_fail(args, rc, args->operands[i]);
    }
    return change_end(&change, status, args->operands[1], paths_json(args));
}

/* What mv, cp and ln have in common: two names and flags. */
typedef int (*two_name_fn)(holog_txn *txn, const char *first, const char *second, unsigned flags);

static int change_two(const struct args *args, two_name_fn apply, const char *first,
                      const char *second)
{
    struct change change;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    int rc = apply(change.txn, args->operands[1], args->operands[2], args_save_flags(args));
    if (rc < 0)
        status = cli_fail(args, rc, args->operands[2]);
    return change_end(&change, status, args->operands[2], names_json(args, first, second));
}

int verb_mv(const struct args *args)
{
    return change_two(args, change_move, "from", "to");
}

int verb_cp(const struct args *args)
{
    return change_two(args, change_copy, "from", "to");
}

int verb_ln(const struct args *args)
{
    return change_two(args, holog_txn_symlink, "target", "path");
}
