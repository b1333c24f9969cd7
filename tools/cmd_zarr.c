/*
 * cmd_zarr.c: export, import: directories and zip files that Zarr programs read and write.
 */
#include <string.h>
#include <strings.h>

#include <holog/zarr.h>

#include "verbs.h"

/* ---- export ---------------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *ending)
{
    size_t len = strlen(name);

    return len > strlen(ending) && strcasecmp(name + len - strlen(ending), ending) == 0;
}

static bool parse_format(const struct args *args, unsigned *out_flags)
{
    const char *format = args->given[OPT_FORMAT] ? args->text[OPT_FORMAT] : "zarr3";

    *out_flags = strcmp(format, "zarr2") == 0 ? (unsigned)HOLOG_ZARR_V2 : 0;
    return strcmp(format, "zarr2") == 0 || strcmp(format, "zarr3") == 0;
}

struct exported {
    const struct args *args;
    struct progress progress;
    uint64_t keys;
    uint64_t left_out; /* arrays */
    bool refused;
};

static int count_keys(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    struct exported *e = ctx;

    e->keys = done;
    return progress_report(&e->progress, done, total, unit);
}

static int tell_left_out(void *ctx, const char *path, int code, const char *message)
{
    struct exported *e = ctx;

    (void)path; /* the message has it */
    (void)code;
    e->refused = !e->args->given[OPT_SKIP_UNSUPPORTED];
    if (e->refused)
        return 1;
    e->left_out++;
    cli_note(e->args, "left out: %s", message);
    return 0;
}

static void print_exported(const struct exported *e, const holog_view *view, bool is_zip)
{
    const struct args *args = e->args;
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(args->operands[1]));
    json_add(doc, is_zip ? "file" : "directory", json_text(args->operands[2]));
    json_add(doc, "commit", json_number(holog_view_number(view)));
    json_add(doc, "keys", json_number(e->keys));
    json_add(doc, "left_out", json_number(e->left_out));
    json_print(doc);
}

static int export_path(const struct args *args, holog_view *view, unsigned flags)
{
    const char *path = args->operands[1];
    const char *to = args->operands[2];
    bool is_zip = ends_in(to, ".ozx") || ends_in(to, ".zip");
    struct exported e = { .args = args };
    holog_zarr_export_options options = { .struct_size = sizeof options,
                                          .flags = is_zip ? HOLOG_ZARR_EXPORT_ZIP : 0,
                                          .left_out = tell_left_out,
                                          .left_out_ctx = &e,
                                          .progress = count_keys,
                                          .progress_ctx = &e };
    holog_zarr *zarr = NULL;
    int status = EXIT_DONE;
    int rc = holog_zarr_open(view, path, flags | HOLOG_ZARR_CONSOLIDATED, &zarr);

    if (rc < 0)
        return cli_fail(args, rc, path);
    progress_begin(&e.progress, "exporting");
    rc = holog_zarr_export(zarr, to, &options);
    progress_end(&e.progress);
    if (rc < 0)
        status = cli_fail(args, rc, to);
    else if (args->given[OPT_JSON])
        print_exported(&e, view, is_zip);
    if (rc < 0 && e.refused)
        cli_note(args, "with --skip-unsupported all else is written");
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
    if (flags != 0 && ends_in(args->operands[2], ".ozx"))
        return cli_usage(args,
                         "a file that ends in .ozx is Zarr 3; with --format zarr2 call it .zip");
    if (file_is_in_store(args, args->operands[2]))
        return cli_fail_text(args, "%s is in the store's own directory: put it elsewhere",
                             args->operands[2]);
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
    uint64_t damaged;     /* keys that were left out */
    uint64_t unsupported; /* the same */
    uint64_t noted;
    const char *refused; /* the option that would go on; NULL: nothing is refused */
};

static int tell_left_out_of_import(void *ctx, const char *key, int code, const char *message)
{
    struct taken *taken = ctx;
    bool unsupported = code == HOLOG_E_NOTSUP;

    if (!taken->args->given[unsupported ? OPT_SKIP_UNSUPPORTED : OPT_SKIP_DAMAGED]) {
        taken->refused = unsupported ? "--skip-unsupported" : "--skip-damaged";
        return 1;
    }
    if (unsupported)
        taken->unsupported++;
    else
        taken->damaged++;
    cli_note(taken->args, "left out: %s: %s: %s", key, holog_error_name(code), message);
    return 0;
}

static void tell_noted(void *ctx, const char *key, const char *message)
{
    struct taken *taken = ctx;

    taken->noted++;
    cli_note(taken->args, "%s: %s", key, message);
}

static int import_from(const struct args *args, holog_txn *txn, struct taken *taken)
{
    const char *path = args->operands[1];
    const char *from = args->operands[2];
    struct progress progress;
    holog_zarr_import_options options = { .struct_size = sizeof options,
                                          .left_out = tell_left_out_of_import,
                                          .left_out_ctx = taken,
                                          .noted = tell_noted,
                                          .noted_ctx = taken,
                                          .progress = progress_report,
                                          .progress_ctx = &progress };
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
    rc = holog_txn_zarr_import(txn, path, from, &options);
    progress_end(&progress);
    if (rc < 0) {
        int status = cli_fail(args, rc, from);
        if (taken->refused != NULL)
            cli_note(args, "with %s all else is taken", taken->refused);
        return status;
    }
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
    status = import_from(args, change.txn, &taken);
    if (args->given[OPT_JSON]) {
        doc = json_object_new_object();
        json_add(doc, "store", json_text(args->operands[0]));
        json_add(doc, "path", json_text(args->operands[1]));
        json_add(doc, "damaged", json_number(taken.damaged));
        json_add(doc, "unsupported", json_number(taken.unsupported));
        json_add(doc, "noted", json_number(taken.noted));
    }
    status = change_end(&change, status, args->operands[1], doc);
    return status == EXIT_DONE && taken.damaged > 0 ? EXIT_DAMAGE : status;
}
