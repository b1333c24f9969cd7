/*
 * cmd_zarr.c: export, import: directories that Zarr programs read and write.
 */
#include <string.h>

#include <holog/zarr.h>

#include "verbs.h"

/* ---- export ---------------------------------------------------------------------------------- */

static bool parse_format(const struct args *args, unsigned *out_flags)
{
    const char *format = args->given[OPT_FORMAT] ? args->text[OPT_FORMAT] : "zarr3";

    *out_flags = strcmp(format, "zarr2") == 0 ? (unsigned)HOLOG_ZARR_V2 : 0;
    return strcmp(format, "zarr2") == 0 || strcmp(format, "zarr3") == 0;
}

struct exported {
    struct progress progress;
    uint64_t keys;
};

static int count_keys(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    struct exported *e = ctx;

    e->keys = done;
    return progress_report(&e->progress, done, total, unit);
}

static void print_exported(const struct args *args, const holog_view *view, uint64_t keys)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(args->operands[1]));
    json_add(doc, "directory", json_text(args->operands[2]));
    json_add(doc, "commit", json_number(holog_view_number(view)));
    json_add(doc, "keys", json_number(keys));
    json_print(doc);
}

static int export_path(const struct args *args, holog_view *view, unsigned flags)
{
    const char *path = args->operands[1];
    const char *dir = args->operands[2];
    holog_zarr *zarr = NULL;
    struct exported e = { .keys = 0 };
    int status = EXIT_DONE;
    int rc = holog_zarr_open(view, path, flags | HOLOG_ZARR_CONSOLIDATED, &zarr);

    if (rc < 0)
        return cli_fail(args, rc, path);
    progress_begin(&e.progress, "exporting");
    rc = holog_zarr_export(zarr, dir, count_keys, &e);
    progress_end(&e.progress);
    if (rc < 0)
        status = cli_fail(args, rc, dir);
    else if (args->given[OPT_JSON])
        print_exported(args, view, e.keys);
    holog_zarr_close(zarr);
    return status;
}

int verb_export(const struct args *args)
{
    holog_store *store = NULL;
    holog_view *view = NULL;
    unsigned flags = 0;
    int status;

    if (!parse_format(args, &flags))
        return cli_usage(args, "--format is zarr3 or zarr2, not %s", args->text[OPT_FORMAT]);
    status = cli_open(args, OPEN_READ, &store);
    if (status != EXIT_DONE)
        return status;
    status = cli_view(args, store, &view);
    if (status == EXIT_DONE)
        status = export_path(args, view, flags);
    holog_view_close(view);
    return cli_flush(args, cli_close(args, store, status));
}

/* ---- import ---------------------------------------------------------------------------------- */

struct taken {
    const struct args *args;
    uint64_t damaged; /* keys that were left out */
    bool refused;
};

static int tell_damage(void *ctx, const char *key, int code, const char *message)
{
    struct taken *taken = ctx;

    taken->refused = !taken->args->given[OPT_SKIP_DAMAGED];
    if (taken->refused)
        return 1;
    taken->damaged++;
    cli_note(taken->args, "left out: %s: %s: %s", key, holog_error_name(code), message);
    return 0;
}

static int import_dir(const struct args *args, holog_txn *txn, struct taken *taken)
{
    const char *path = args->operands[1];
    const char *dir = args->operands[2];
    struct progress progress;
    holog_stat_info info = { .struct_size = sizeof info };
    int rc = holog_txn_stat(txn, path, &info);

    if (rc == HOLOG_OK && info.type != HOLOG_MISSING) {
        if (!args->given[OPT_REPLACE])
            return cli_fail_text(args, "%s: exists; --replace puts the import in its place", path);
        rc = holog_txn_delete_all(txn, path);
    } else if (rc == HOLOG_E_NOENT) {
        rc = HOLOG_OK; /* a directory above is made as well */
    }
    if (rc < 0)
        return cli_fail(args, rc, path);
    progress_begin(&progress, "importing");
    rc = holog_txn_zarr_import(txn, path, dir, tell_damage, taken, progress_report, &progress);
    progress_end(&progress);
    if (rc < 0 && taken->refused)
        cli_note(args, "with --skip-damaged all else is taken");
    if (rc < 0)
        return cli_fail(args, rc, dir);
    return args->given[OPT_CHECK] ? ome_check_import(args, txn, path) : EXIT_DONE;
}

int verb_import(const struct args *args)
{
    struct change change;
    struct taken taken = { .args = args };
    json_object *doc = NULL;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    status = import_dir(args, change.txn, &taken);
    if (args->given[OPT_JSON]) {
        doc = json_object_new_object();
        json_add(doc, "store", json_text(args->operands[0]));
        json_add(doc, "path", json_text(args->operands[1]));
        json_add(doc, "damaged", json_number(taken.damaged));
    }
    status = change_end(&change, status, args->operands[1], doc);
    return status == EXIT_DONE && taken.damaged > 0 ? EXIT_DAMAGE : status;
}
