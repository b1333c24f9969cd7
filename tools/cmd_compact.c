/*
 * cmd_compact.c: compact. What it moves and why is the library's (holog/compact.h); here is what it came to.
 */
#include <inttypes.h>

#include <holog/compact.h>

#include "verbs.h"

/* ---- saying ---------------------------------------------------------------------------------- */

/* How many bytes became one; 0: nothing was written. */
static double ratio_of(const holog_compact_report *r)
{
    return r->added_bytes != 0 ? (double)(r->value_bytes + r->record_bytes) / (double)r->added_bytes
                               : 0;
}

static void put_json(const struct args *args, const holog_compact_report *r)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "dry_run", json_object_new_boolean(args->given[OPT_DRY_RUN]));
    json_add(doc, "all", json_object_new_boolean(args->given[OPT_ALL]));
    json_add(doc, "purge", json_object_new_boolean(args->given[OPT_PURGE]));
    json_add(doc, "segments_removed", json_number(r->segments_removed));
    json_add(doc, "removed_bytes", json_number(r->removed_bytes));
    json_add(doc, "segments_added", json_number(r->segments_added));
    json_add(doc, "added_bytes", json_number(r->added_bytes));
    json_add(doc, "values", json_number(r->values));
    json_add(doc, "value_bytes", json_number(r->value_bytes));
    json_add(doc, "records", json_number(r->records));
    json_add(doc, "record_bytes", json_number(r->record_bytes));
    json_add(doc, "ratio", r->added_bytes != 0 ? json_object_new_double(ratio_of(r)) : NULL);
    json_add(doc, "waiting", json_number(r->waiting));
    json_print(doc);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void put_values(const holog_compact_report *r)
{
    char bytes[HUMAN_MAX];

    if (r->values > 0)
        (void)printf("%" PRIu64 " value%s, %s", r->values, plural(r->values),
                     human_bytes(r->value_bytes, bytes));
    if (r->values > 0 && r->record_bytes > 0)
        (void)fputs(", and ", stdout);
    if (r->record_bytes > 0)
        (void)printf("%" PRIu64 " record%s, %s", r->records, plural(r->records),
                     human_bytes(r->record_bytes, bytes));
}

static void put_plan(const holog_compact_report *r)
{
    if (r->values == 0 && r->record_bytes == 0) {
        (void)puts(" would go; nothing in them is needed any more");
        return;
    }
    (void)printf(" would go; ");
    put_values(r);
    (void)puts(", in them would be compressed first");
}

static void put_outcome(const holog_compact_report *r)
{
    char bytes[HUMAN_MAX];

    if (r->segments_added == 0) {
        (void)puts(" gone; nothing in them was needed any more");
        return;
    }
    (void)printf(" became %" PRIu64 ", %s; ", r->segments_added,
                 human_bytes(r->added_bytes, bytes));
    put_values(r);
    (void)printf(", moved (%.2f : 1)\n", ratio_of(r));
}

/* One line. */
static void put_report(const struct args *args, const holog_compact_report *r)
{
    char bytes[HUMAN_MAX];

    if (r->segments_removed == 0 && args->given[OPT_PURGE]) {
        (void)puts("nothing to purge: no segment has anything that nobody can ask for");
        return;
    }
    if (r->segments_removed == 0) {
        (void)printf("nothing to compact%s\n",
                     args->given[OPT_ALL]
                         ? ""
                         : ": no segment is mostly garbage (--all takes others too)");
        return;
    }
    (void)printf("%" PRIu64 " segment%s, %s,", r->segments_removed, plural(r->segments_removed),
                 human_bytes(r->removed_bytes, bytes));
    if (args->given[OPT_DRY_RUN])
        put_plan(r);
    else
        put_outcome(r);
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int compact(const struct args *args, holog_store *store, holog_compact_report *out)
{
    struct progress progress;
    const holog_compact_options opts = {
        .struct_size = sizeof opts,
        .flags = (args->given[OPT_ALL] ? (uint32_t)HOLOG_COMPACT_ALL : 0) |
                 (args->given[OPT_DRY_RUN] ? (uint32_t)HOLOG_COMPACT_DRY_RUN : 0) |
                 (args->given[OPT_PURGE] ? (uint32_t)HOLOG_COMPACT_PURGE : 0),
        .progress = progress_report,
        .progress_ctx = &progress,
    };

    progress_begin(&progress, "compacting");
    int rc = holog_compact_pause(store); /* what is asked for, and nothing behind it */
    if (rc == HOLOG_OK)
        rc = holog_compact(store, &opts, out);
    progress_end(&progress);
    if (rc == HOLOG_E_BUSY &&
        args->given[OPT_PURGE]) { /* of the store's files, and it says which */
        struct holog_error_detail detail;
        cli_detail(rc, &detail);
        return cli_fail_text(args, "%s", detail.message);
    }
    return rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;
}

int verb_compact(const struct args *args)
{
    holog_compact_report report = { .struct_size = sizeof report };
    holog_store *store = NULL;

    if (args->given[OPT_PURGE] && (args->given[OPT_ALL] || args->given[OPT_DRY_RUN]))
        return cli_usage(args, "--purge goes alone: it takes what it has to, at once");
    int status = cli_open(args, OPEN_WRITE, &store);

    if (status != EXIT_DONE)
        return status;
    catch_signals(); /* one that is stopped leaves no half segment */
    status = compact(args, store, &report);
    status = cli_close(args, store, status);
    if (status != EXIT_DONE)
        return status;
    if (args->given[OPT_JSON])
        put_json(args, &report);
    else
        put_report(args, &report);
    if (report.waiting != 0)
        cli_note(args,
                 "others are reading %s: %u replaced file%s stay%s until it is opened for writing "
                 "again, or compacted",
                 args->operands[0], (unsigned)report.waiting, plural(report.waiting),
                 report.waiting == 1 ? "s" : "");
    return cli_flush(args, status);
}
