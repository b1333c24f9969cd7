/*
 * cmd_du.c: du. What holds the space.
 *
 * A recursive cursor gives a directory before what is in it and keeps a subtree together, so one
 * stack of sums, one for each open directory down to the depth shown, is all the memory it takes.
 * A directory is printed when the cursor has left it: after what is in it, its own total last.
 *
 * Bytes here are of values and counted for each path; copies share theirs on disk. The totals under
 * the list are of the disk.
 */
#include <inttypes.h>
#include <string.h>

#include "verbs.h"

struct sum {
    size_t path_len; /* of usage.path; unused for PATH itself */
    uint64_t bytes;
    uint64_t blobs;
    uint64_t directories;
};

struct usage {
    const struct args *args;
    const char *root; /* PATH as given */
    struct json_stream stream;
    char path[HOLOG_PATH_MAX + 1]; /* of the innermost open directory; those around it begin it */
    struct sum open[HOLOG_DEPTH_MAX + 2]; /* [0]: PATH itself */
    size_t open_count;
    size_t base_depth; /* components before what is listed; the first entry is a child of PATH */
    bool any;
};

/* ---- sums ------------------------------------------------------------------------------------ */

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (const char *s = path; *s != '\0'; s++) {
        if (*s != '/' && (s == path || s[-1] == '/'))
            depth++;
    }
    return depth;
}

static void put_sum(struct usage *usage, size_t index)
{
    const struct sum *sum = &usage->open[index];
    char bytes[HUMAN_MAX];

    usage->path[sum->path_len] = '\0'; /* what is below has been closed */
    const char *path = index == 0 ? usage->root : usage->path;
    if (usage->args->given[OPT_JSON]) {
        json_object *item = json_object_new_object();
        json_add(item, "path", json_text(path));
        json_add(item, "bytes", json_number(sum->bytes));
        json_add(item, "blobs", json_number(sum->blobs));
        json_add(item, "directories", json_number(sum->directories));
        json_stream_item(&usage->stream, item);
        return;
    }
    (void)printf("%12s %10" PRIu64 "  ", human_bytes(sum->bytes, bytes), sum->blobs);
    put_name(stdout, path);
    (void)putchar('\n');
}

static void open_sum(struct usage *usage, const char *path)
{
    size_t len = strnlen(path, HOLOG_PATH_MAX);

    memcpy(usage->path, path, len);
    usage->path[len] = '\0';
    usage->open[usage->open_count++] = (struct sum){ .path_len = len };
}

/* Prints and closes the innermost directories until `keep` are left; each adds to its parent. */
static void close_sums(struct usage *usage, size_t keep)
{
    while (usage->open_count > keep) {
        const struct sum *sum = &usage->open[--usage->open_count];
        put_sum(usage, usage->open_count);
        if (usage->open_count > 0) {
            struct sum *parent = &usage->open[usage->open_count - 1];
            parent->bytes += sum->bytes;
            parent->blobs += sum->blobs;
            parent->directories += sum->directories;
        }
    }
}

static uint64_t depth_shown(const struct args *args)
{
    uint64_t depth = args->given[OPT_DEPTH] ? args->number[OPT_DEPTH] : 1;

    return depth < HOLOG_DEPTH_MAX ? depth : HOLOG_DEPTH_MAX;
}

static void add_entry(struct usage *usage, const holog_entry *entry)
{
    size_t depth = depth_of(entry->path);

    if (!usage->any && depth > 0)
        usage->base_depth = depth - 1; /* not that of PATH, which may be a symlink */
    usage->any = true;
    size_t below = depth > usage->base_depth ? depth - usage->base_depth : 1; /* 1: a child */
    if (below < usage->open_count)
        close_sums(usage, below); /* the cursor has left these */
    struct sum *parent = &usage->open[usage->open_count - 1];
    if (entry->type != HOLOG_DIRECTORY) {
        parent->bytes += entry->size_bytes;
        parent->blobs++;
        return;
    }
    parent->directories++;
    if (below <= depth_shown(usage->args))
        open_sum(usage, entry->path);
}

static int walk(struct usage *usage, holog_cursor *cursor)
{
    const holog_entry *entry = NULL;
    struct progress progress;
    uint64_t done = 0;
    int rc;

    progress_begin(&progress, "walking");
    while ((rc = holog_cursor_next(cursor, &entry)) >= 0) {
        add_entry(usage, entry);
        (void)progress_report(&progress, ++done, 0, "entries");
    }
    progress_end(&progress);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc; /* NOENT is the end */
}

/* ---- the whole ------------------------------------------------------------------------------- */

static json_object *totals_json(const holog_stats *stats)
{
    uint64_t live = stats->live_key_bytes + stats->live_value_bytes;
    json_object *out = json_object_new_object();

    json_add(out, "live_bytes", json_number(live));
    json_add(out, "live_key_bytes", json_number(stats->live_key_bytes));
    json_add(out, "live_value_bytes", json_number(stats->live_value_bytes));
    json_add(out, "disk_bytes", json_number(stats->disk_bytes));
    json_add(out, "garbage_bytes",
             json_number(stats->disk_bytes > live ? stats->disk_bytes - live : 0));
    json_add(out, "log_bytes", json_number(stats->log_bytes));
    json_add(out, "extent_bytes", json_number(stats->extent_bytes));
    json_add(out, "segments", json_number(stats->segments));
    return out;
}

static void put_totals(const holog_stats *stats)
{
    uint64_t live = stats->live_key_bytes + stats->live_value_bytes;
    uint64_t garbage = stats->disk_bytes > live ? stats->disk_bytes - live : 0;
    char text[HUMAN_MAX];

    (void)printf("\nlive     %12s  keys and values of the newest commit\n",
                 human_bytes(live, text));
    (void)printf("disk     %12s  all files, in %" PRIu64 " segments\n",
                 human_bytes(stats->disk_bytes, text), stats->segments);
    (void)printf("garbage  %12s  disk - live: old versions, the log's own, room ahead\n",
                 human_bytes(garbage, text));
}

static int report(struct usage *usage, holog_store *store, holog_cursor *cursor, const char *path)
{
    holog_stats stats = { .struct_size = sizeof stats };
    const struct args *args = usage->args;
    struct holog_error_detail detail;

    if (args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(args->operands[0]));
        json_stream_begin(&usage->stream, head, "subtrees");
    } else {
        (void)printf("%12s %10s  %s\n", "bytes", "blobs", "subtree");
    }
    usage->open[usage->open_count++] = (struct sum){ .path_len = 0 };
    int rc = walk(usage, cursor);
    if (rc >= 0) {
        close_sums(usage, 0);
        rc = holog_stats_get(store, &stats);
    }
    if (rc < 0)
        cli_detail(rc, &detail);
    if (args->given[OPT_JSON]) {
        json_object *tail = rc >= 0 ? totals_json(&stats) : json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&usage->stream, tail);
    } else if (rc >= 0) {
        put_totals(&stats);
    }
    return rc < 0 ? cli_fail_detail(args, &detail, NULL, path) : EXIT_DONE;
}

int verb_du(const struct args *args)
{
    const char *path = args->operand_count > 1 ? args->operands[1] : "/";
    struct usage usage = { .args = args, .root = path };
    holog_cursor *cursor = NULL;
    holog_store *store = NULL;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    int rc = holog_list(store, path, HOLOG_LIST_RECURSIVE, NULL, NULL, &cursor);
    status = rc < 0 ? cli_fail(args, rc, path) : report(&usage, store, cursor, path);
    holog_cursor_close(cursor);
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}
