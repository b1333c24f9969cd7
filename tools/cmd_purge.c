/*
 * cmd_purge.c: rm --purge. What of the library's purge (holog/compact.h) has to be true of a path before it is deleted, and
 * what is left to do after that.
 *
 * Nothing is deleted that would then stay: what tags or copies hold is refused by their names, and that history goes has to
 * be agreed to, since it goes for all paths. Not found is what a copy that was changed in parts still shares.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <holog/compact.h>

#include "verbs.h"

/* ---- what is to go ------------------------------------------------------------------------------ */

/* Where a value was saved: what is moved or copied keeps it, under whatever path, in whatever state. */
struct birth {
    uint64_t size_bytes;
    uint64_t offset;
    uint32_t segment;
    int operand; /* under which it was found */
};

static int by_birth(const void *a, const void *b)
{
    const struct birth *x = a;
    const struct birth *y = b;

    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Chunks of arrays, and the documents of arrays and groups, are no entries of their own: they are found by the directory,
 * which is copied and moved with them. That may refuse what would do: it has been changed since. */
static bool may_have_bytes(uint32_t type, uint64_t size_bytes)
{
    return size_bytes > 0 || type == HOLOG_ARRAY || type == HOLOG_DIRECTORY;
}

static int add(struct purge *purge, const holog_stat_info *info, int operand)
{
    if (!may_have_bytes(info->type, info->size_bytes) || info->segment == 0)
        return HOLOG_OK;
    if (purge->count == purge->room) {
        size_t room = purge->room == 0 ? 64 : 2 * purge->room;
        struct birth *grown = realloc(purge->births, room * sizeof *grown);
        if (grown == NULL)
            return HOLOG_E_NOMEM;
        purge->births = grown;
        purge->room = room;
    }
    purge->births[purge->count++] =
        (struct birth){ info->size_bytes, info->offset, info->segment, operand };
    return HOLOG_OK;
}

static const struct birth *find(const struct purge *purge, const holog_stat_info *info)
{
    const struct birth key = { info->size_bytes, info->offset, info->segment, 0 };

    return purge->count == 0 ? NULL
                             : bsearch(&key, purge->births, purge->count, sizeof key, by_birth);
}

static int by_size(const void *a, const void *b)
{
    const struct birth *x = a;
    const struct birth *y = b;

    return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

/* Most entries are of another size than all that goes, by which births are in order: they need not be asked where they are. */
static bool may_be_among(const struct purge *purge, uint64_t size_bytes)
{
    const struct birth key = { .size_bytes = size_bytes };

    return purge->count > 0 &&
           bsearch(&key, purge->births, purge->count, sizeof key, by_size) != NULL;
}

/* Everything below `path`, which may be no directory, or missing. */
static int each_below(holog_view *view, const char *path,
                      int (*each)(void *ctx, holog_view *view, const holog_entry *entry), void *ctx)
{
    const holog_entry *entry;
    holog_cursor *cursor = NULL;
    int rc = holog_view_list(view, path, HOLOG_LIST_RECURSIVE, NULL, NULL, &cursor);

    while (rc == HOLOG_OK && (rc = holog_cursor_next(cursor, &entry)) == HOLOG_OK)
        rc = interrupted() ? HOLOG_E_CANCELED : each(ctx, view, entry);
    holog_cursor_close(cursor);
    return rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR ? HOLOG_OK : rc;
}

struct collecting {
    struct purge *purge;
    int operand;
};

static int collect(void *ctx, holog_view *view, const holog_entry *entry)
{
    const struct collecting *c = ctx;
    holog_stat_info info = { .struct_size = sizeof info };
    int rc = may_have_bytes(entry->type, entry->size_bytes)
                 ? holog_view_stat(view, entry->path, &info)
                 : HOLOG_OK;

    return rc < 0 ? rc : add(c->purge, &info, c->operand);
}

/* A listing has paths without links: in the directory that `path` is in, those that begin with its name. */
static int find_path(holog_view *view, const char *path, char **out)
{
    char directory[HOLOG_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    const holog_entry *entry;
    holog_cursor *cursor = NULL;

    *out = NULL;
    if (slash == NULL || slash[1] == 0 || (size_t)(slash - path) > HOLOG_PATH_MAX)
        return HOLOG_OK;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = 0;
    int rc = holog_view_list(view, directory, 0, slash + 1, NULL, &cursor);
    while (rc == HOLOG_OK && *out == NULL && (rc = holog_cursor_next(cursor, &entry)) == HOLOG_OK) {
        if (strcmp(entry->name, slash + 1) == 0) {
            *out = strdup(entry->path);
            rc = *out == NULL ? HOLOG_E_NOMEM : HOLOG_OK;
        }
    }
    holog_cursor_close(cursor);
    return rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR ? HOLOG_OK : rc;
}

static int collect_all(const struct args *args, holog_store *store, struct purge *purge)
{
    holog_view *view = NULL;
    int rc = holog_view_open(store, &view);

    purge->paths = calloc((size_t)args->operand_count, sizeof *purge->paths);
    purge->operands = args->operand_count;
    if (purge->paths == NULL)
        rc = HOLOG_E_NOMEM;
    for (int i = 1; i < args->operand_count && rc == HOLOG_OK; i++) {
        struct collecting c = { purge, i };
        holog_stat_info info = { .struct_size = sizeof info };
        rc = find_path(view, args->operands[i], &purge->paths[i]);
        if (rc == HOLOG_OK)
            rc = holog_view_stat(view, args->operands[i], &info);
        if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
            rc = HOLOG_OK; /* whoever deletes it is told */
        else if (rc == HOLOG_OK)
            rc = add(purge, &info, i);
        if (rc == HOLOG_OK && (info.type == HOLOG_DIRECTORY || info.type == HOLOG_ARRAY))
            rc = each_below(view, args->operands[i], collect, &c);
    }
    holog_view_close(view);
    if (purge->count > 1)
        qsort(purge->births, purge->count, sizeof *purge->births, by_birth);
    return rc;
}

/* ---- what would stay ---------------------------------------------------------------------------- */

struct looking {
    const struct args *args;
    const struct purge *purge;
    holog_txn *txn;  /* NULL: in a tag's state */
    const char *tag; /* NULL: in the newest */
    int status;
};

static int say_held(const struct looking *l, const struct birth *b, const char *path)
{
    const struct args *args = l->args;
    const char *operand = args->operands[b->operand];

    if (l->tag != NULL)
        return cli_fail_text(
            args,
            "%s: tag \"%s\" holds it, as %s, so that it would stay: delete the tag "
            "first ('holog tag %s --delete %s')",
            operand, l->tag, path, args->operands[0], l->tag);
    return cli_fail_text(args,
                         "%s: %s is a copy that shares its bytes, so that they would stay: remove "
                         "both at once",
                         operand, path);
}

static int look_at_entry(void *ctx, holog_view *view, const holog_entry *entry)
{
    struct looking *l = ctx;
    holog_stat_info info = { .struct_size = sizeof info };
    const struct birth *b;
    int rc;

    if (!may_have_bytes(entry->type, entry->size_bytes) ||
        !may_be_among(l->purge, entry->size_bytes))
        return HOLOG_OK;
    rc = holog_view_stat(view, entry->path, &info);
    b = find(l->purge, &info);
    if (rc < 0 || b == NULL)
        return rc;
    if (l->txn != NULL) {
        rc = holog_txn_stat(l->txn, entry->path, &info);
        if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR ||
            (rc == HOLOG_OK && info.type == HOLOG_MISSING))
            return HOLOG_OK; /* it goes, too */
        if (rc < 0)
            return rc;
    }
    l->status = say_held(l, b, entry->path);
    return HOLOG_E_CANCELED;
}

static int look_in(struct looking *l, holog_view *view)
{
    int rc = l->purge->count > 0 ? each_below(view, "/", look_at_entry, l) : HOLOG_OK;

    if (l->status != EXIT_DONE)
        return l->status;
    return rc < 0 ? cli_fail(l->args, rc, l->tag != NULL ? l->tag : l->args->operands[0])
                  : EXIT_DONE;
}

/* An older version under the same path is none of what goes, and would stay as well. */
static int look_for_paths(const struct looking *l, holog_view *view)
{
    const struct args *args = l->args;

    for (int i = 1; i < 2 * args->operand_count; i++) {
        const char *path =
            i < args->operand_count ? args->operands[i] : l->purge->paths[i - args->operand_count];
        holog_stat_info info = { .struct_size = sizeof info };
        int rc = path == NULL ? HOLOG_E_NOENT : holog_view_stat(view, path, &info);
        if (rc == HOLOG_OK && info.type != HOLOG_MISSING)
            return cli_fail_text(args,
                                 "%s: tag \"%s\" holds it, so that it would stay: delete the tag "
                                 "first ('holog tag %s --delete %s')",
                                 path, l->tag, args->operands[0], l->tag);
        if (rc < 0 && rc != HOLOG_E_NOENT && rc != HOLOG_E_NOTDIR)
            return cli_fail(args, rc, path);
    }
    return EXIT_DONE;
}

/* A JSON array of names and numbers, since a tag's state cannot be opened while tags are listed. */
static int note_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    json_object *item = json_object_new_object();

    (void)time_ns;
    json_add(item, "name", json_text(name));
    json_add(item, "commit", json_number(number));
    return json_object_array_add(ctx, item);
}

static int look_at_tag(struct looking *l, holog_store *store, json_object *tag)
{
    uint64_t number = json_object_get_uint64(json_object_object_get(tag, "commit"));
    holog_view *view = NULL;

    l->tag = json_object_get_string(json_object_object_get(tag, "name"));
    int rc = holog_view_open_at(store, number, &view);
    if (rc < 0)
        return cli_fail(l->args, rc, l->tag);
    int status = look_for_paths(l, view);
    if (status == EXIT_DONE)
        status = look_in(l, view);
    holog_view_close(view);
    return status;
}

static int look_at_tags(struct looking *l, holog_store *store)
{
    json_object *tags = json_object_new_array();
    int rc = holog_tag_list(store, note_tag, tags);
    int status = rc < 0 ? cli_fail(l->args, rc, l->args->operands[0]) : EXIT_DONE;

    for (size_t i = 0; i < json_object_array_length(tags) && status == EXIT_DONE; i++)
        status = look_at_tag(l, store, json_object_array_get_idx(tags, i));
    (void)json_object_put(tags);
    return status;
}

static int look_at_head(struct looking *l, holog_store *store)
{
    holog_view *view = NULL;
    int rc = holog_view_open(store, &view);

    if (rc < 0)
        return cli_fail(l->args, rc, l->args->operands[0]);
    int status = look_in(l, view);
    holog_view_close(view);
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

int purge_begin(const struct args *args, holog_store *store, struct purge *out)
{
    int status = look_at_rules(args, store);

    catch_signals(); /* one that is stopped leaves no half segment */
    if (status != EXIT_DONE)
        return status;
    int rc = collect_all(args, store, out);
    return rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;
}

int purge_check(const struct args *args, holog_store *store, holog_txn *txn,
                const struct purge *purge)
{
    struct looking in_tags = { .args = args, .purge = purge };
    struct looking in_head = { .args = args, .purge = purge, .txn = txn };
    int status = look_at_tags(&in_tags, store);

    return status == EXIT_DONE ? look_at_head(&in_head, store) : status;
}

void purge_end(struct purge *purge)
{
    for (int i = 0; i < purge->operands && purge->paths != NULL; i++)
        free(purge->paths[i]);
    free(purge->paths);
    free(purge->births);
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

static int run(holog_store *store, holog_compact_report *out)
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

/* One line: who asked for this wants to be told that it is so. */
static void put_report(const holog_compact_report *r)
{
    char removed[HUMAN_MAX];
    char added[HUMAN_MAX];

    (void)printf("purged: %" PRIu64 " segment%s, %s, gone", r->segments_removed,
                 r->segments_removed == 1 ? "" : "s", human_bytes(r->removed_bytes, removed));
    if (r->segments_added > 0)
        (void)printf("; what lives in them takes %s", human_bytes(r->added_bytes, added));
    (void)putchar('\n');
}

int purge_now(const struct args *args, holog_store *store, json_object *document)
{
    holog_compact_report report = { .struct_size = sizeof report };
    struct holog_error_detail detail;
    int rc = holog_gc(store, 1, 0, 0, NULL);

    if (rc == HOLOG_OK)
        rc = run(store, &report);
    if (rc < 0) {
        cli_detail(rc, &detail);
        return cli_fail_text(args,
                             "%s: it is deleted, but not gone from the disk: %s ('holog compact "
                             "--purge' tries again)",
                             args->operands[1], detail.message);
    }
    mention_quarantine(args);
    if (!args->given[OPT_JSON])
        put_report(&report);
    json_add(document, "segments_removed", json_number(report.segments_removed));
    json_add(document, "removed_bytes", json_number(report.removed_bytes));
    json_add(document, "segments_added", json_number(report.segments_added));
    json_add(document, "added_bytes", json_number(report.added_bytes));
    return EXIT_DONE;
}
