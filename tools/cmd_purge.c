/*
 * cmd_purge.c: rm --purge. What of the library's purge (holog/compact.h) has to be true of a path before it is deleted, and
 * what is left to do after that.
 *
 * Nothing is deleted that would then stay: what tags hold is refused by the tag's name, and that history goes has to be
 * agreed to, since it goes for all paths.
 */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>

#include <holog/compact.h>

#include "verbs.h"

/* ---- before ---------------------------------------------------------------------------------- */

/* A JSON array of names and numbers, since a tag's state cannot be opened while tags are listed. */
static int note_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    json_object *item = json_object_new_object();

    (void)time_ns;
    json_add(item, "name", json_text(name));
    json_add(item, "commit", json_number(number));
    return json_object_array_add(ctx, item);
}

static int look_in_state(const struct args *args, holog_view *view, const char *tag)
{
    for (int i = 1; i < args->operand_count; i++) {
        holog_stat_info info = { .struct_size = sizeof info };
        int rc = holog_view_stat(view, args->operands[i], &info);
        if (rc == HOLOG_OK && info.type != HOLOG_MISSING)
            return cli_fail_text(args,
                                 "%s: tag \"%s\" holds it, so that it would stay: delete the tag "
                                 "first ('holog tag %s --delete %s')",
                                 args->operands[i], tag, args->operands[0], tag);
        if (rc < 0 && rc != HOLOG_E_NOENT && rc != HOLOG_E_NOTDIR)
            return cli_fail(args, rc, args->operands[i]);
    }
    return EXIT_DONE;
}

static int look_at_tag(const struct args *args, holog_store *store, json_object *tag)
{
    const char *name = json_object_get_string(json_object_object_get(tag, "name"));
    uint64_t number = json_object_get_uint64(json_object_object_get(tag, "commit"));
    holog_view *view = NULL;
    int rc = holog_view_open_at(store, number, &view);

    if (rc < 0)
        return cli_fail(args, rc, name);
    int status = look_in_state(args, view, name);
    holog_view_close(view);
    return status;
}

static int look_at_tags(const struct args *args, holog_store *store)
{
    json_object *tags = json_object_new_array();
    int rc = holog_tag_list(store, note_tag, tags);
    int status = rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;

    for (size_t i = 0; i < json_object_array_length(tags) && status == EXIT_DONE; i++)
        status = look_at_tag(args, store, json_object_array_get_idx(tags, i));
    (void)json_object_put(tags);
    return status;
}

/* Where the rules keep nothing but the newest state there is nothing to agree to. */
static int look_at_rules(const struct args *args, holog_store *store)
{
    char commits[32] = "";
    int rc = holog_config(store, "retention.commits", NULL, commits, sizeof commits);

    if (rc < 0)
        return cli_fail(args, rc, args->operands[0]);
    if (args->given[OPT_FORGET] || strcmp(commits, "1") == 0)
        return EXIT_DONE;
    return cli_fail_text(
        args,
        "%s: it would stay in the history of the store, which can only be let go for "
        "all paths: with --forget all states before this one go (those that tags "
        "hold stay)",
        args->operands[1]);
}

int purge_check(const struct args *args, holog_store *store)
{
    int status = look_at_rules(args, store);

    return status == EXIT_DONE ? look_at_tags(args, store) : status;
}

/* ---- after ----------------------------------------------------------------------------------- */

/* Copies of damaged bytes, which recovery and repair made: nobody knows what is in them. */
static void mention_quarantine(const struct args *args)
{
    char name[4096];
    unsigned n = 0;
    const struct dirent *e;

    (void)snprintf(name, sizeof name, "%s/quarantine", args->operands[0]);
    DIR *dir = opendir(name);
    if (dir == NULL)
        return;
    /* One thread reads this directory. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((e = readdir(dir)) != NULL)
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    if (n > 0)
        cli_note(args,
                 "%s has %u cop%s of damaged bytes, which may be of what is gone: delete them",
                 name, n, n == 1 ? "y" : "ies");
}

static int purge(holog_store *store, holog_compact_report *out)
{
    struct progress progress;
    const holog_compact_options opts = { .struct_size = sizeof opts,
                                         .flags = HOLOG_COMPACT_PURGE,
                                         .progress = progress_report,
                                         .progress_ctx = &progress };

    progress_begin(&progress, "purging");
    int rc = holog_compact_pause(store);
    if (rc == HOLOG_OK)
        rc = holog_compact(store, &opts, out);
    progress_end(&progress);
    return rc;
}

int purge_now(const struct args *args, holog_store *store, json_object *document)
{
    holog_compact_report report = { .struct_size = sizeof report };
    struct holog_error_detail detail;
    int rc = holog_gc(store, 1, 0, 0, NULL);

    if (rc == HOLOG_OK)
        rc = purge(store, &report);
    if (rc < 0) {
        cli_detail(rc, &detail);
        return cli_fail_text(args,
                             "%s: it is deleted, but not gone from the disk: %s ('holog compact "
                             "--purge' tries again)",
                             args->operands[1], detail.message);
    }
    mention_quarantine(args);
    json_add(document, "segments_removed", json_number(report.segments_removed));
    json_add(document, "removed_bytes", json_number(report.removed_bytes));
    json_add(document, "segments_added", json_number(report.segments_added));
    json_add(document, "added_bytes", json_number(report.added_bytes));
    return EXIT_DONE;
}
