/*
 * cmd_du.c: du. What holds the space: values of the newest commit, values that are kept because of
 * the rules of retention, and older ones that only tags keep.
 *
 * holog_du tells of one directory: first each child, then itself. A directory that is shown with what
 * is in it is asked the same way when its turn comes, so that a subtree comes before its total. Below
 * the depth shown nothing is asked.
 *
 * Bytes are of values and counted for each path; copies share theirs on disk. The totals under the
 * list are of the disk.
 */
#include <inttypes.h>
#include <string.h>

#include "verbs.h"

struct usage {
    const struct args *args;
    holog_store *store;
    struct json_stream stream;
    bool begun; /* with what comes before the first subtree */
};

/* One directory that is being told of. The entry at hand waits until the next one comes: the last is
 * the directory itself. */
struct level {
    struct usage *usage;
    uint64_t depth; /* levels below this directory to show */
    holog_du_entry entry;
    char path[HOLOG_PATH_MAX + 1];
    bool any;
    int code; /* of a directory below */
};

static int walk(struct usage *usage, const char *path, uint64_t depth);

/* ---- one subtree ----------------------------------------------------------------------------- */

static void begin(struct usage *usage)
{
    const struct args *args = usage->args;

    if (args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(args->operands[0]));
        json_stream_begin(&usage->stream, head, "subtrees");
    } else {
        (void)printf("%12s %12s %12s %10s  %s\n", "live", "history", "tags", "entries", "subtree");
    }
    usage->begun = true;
}

static void put_entry(struct usage *usage, const holog_du_entry *entry, const char *path)
{
    char live[HUMAN_MAX];
    char history[HUMAN_MAX];
    char tags[HUMAN_MAX];

    if (!usage->begun)
        begin(usage);
    if (usage->args->given[OPT_JSON]) {
        json_object *item = json_object_new_object();
        json_add(item, "path", json_text(path));
        json_add(item, "type", json_text(type_name(entry->type)));
        json_add(item, "entries", json_number(entry->entries));
        json_add(item, "live_bytes", json_number(entry->live_bytes));
        json_add(item, "history_bytes", json_number(entry->history_bytes));
        json_add(item, "tag_bytes", json_number(entry->tag_bytes));
        json_stream_item(&usage->stream, item);
        return;
    }
    (void)printf("%12s %12s %12s %10" PRIu64 "  ", human_bytes(entry->live_bytes, live),
                 human_bytes(entry->history_bytes, history), human_bytes(entry->tag_bytes, tags),
                 entry->entries);
    put_name(stdout, path);
    (void)fputs(entry->type == HOLOG_MISSING ? " (gone)\n" : "\n", stdout);
}

/* Directories are worth a line, and what is gone and still holds bytes. */
static bool is_shown(const holog_du_entry *entry)
{
    return entry->type == HOLOG_DIRECTORY ||
           (entry->type == HOLOG_MISSING && entry->history_bytes + entry->tag_bytes != 0);
}

/* The child at hand: with what is below it, or by itself. */
static void end_child(struct level *level)
{
    if (!level->any || level->depth == 0 || !is_shown(&level->entry))
        return;
    if (level->depth > 1)
        level->code = walk(level->usage, level->path, level->depth - 1);
    else
        put_entry(level->usage, &level->entry, level->path);
}

static int take_entry(void *ctx, const holog_du_entry *entry)
{
    struct level *level = ctx;

    end_child(level);
    level->any = true;
    level->entry = *entry;
    (void)snprintf(level->path, sizeof level->path, "%s", entry->path);
    return level->code < 0 || ferror(stdout) != 0;
}

static int walk(struct usage *usage, const char *path, uint64_t depth)
{
    struct level level = { .usage = usage, .depth = depth };
    int rc = holog_du(usage->store, path, take_entry, &level);

    if (rc >= 0)
        rc = level.code;
    if (rc >= 0)
        put_entry(usage, &level.entry, level.path);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int keep_entry(void *ctx, const holog_du_entry *entry)
{
    *(holog_du_entry *)ctx = *entry; /* the last one is the root's */
    return 0;
}

struct totals {
    holog_stats stats;
    uint64_t live, history, tags, rest; /* bytes; rest: what else is on the disk */
};

static int sum_up(struct usage *usage, struct totals *out)
{
    holog_du_entry root = { 0 };
    int rc = holog_du(usage->store, "/", keep_entry, &root);

    *out = (struct totals){ .stats = { .struct_size = sizeof out->stats } };
    if (rc >= 0)
        rc = holog_stats_get(usage->store, &out->stats);
    out->live = out->stats.live_key_bytes + out->stats.live_value_bytes;
    out->history = root.history_bytes;
    out->tags = root.tag_bytes;
    uint64_t held = out->live + out->history + out->tags;
    out->rest = out->stats.disk_bytes > held ? out->stats.disk_bytes - held : 0;
    return rc;
}

static json_object *totals_json(const struct totals *t)
{
    json_object *out = json_object_new_object();

    json_add(out, "live_bytes", json_number(t->live));
    json_add(out, "live_key_bytes", json_number(t->stats.live_key_bytes));
    json_add(out, "live_value_bytes", json_number(t->stats.live_value_bytes));
    json_add(out, "history_bytes", json_number(t->history));
    json_add(out, "tag_bytes", json_number(t->tags));
    json_add(out, "disk_bytes", json_number(t->stats.disk_bytes));
    json_add(out, "garbage_bytes", json_number(t->rest));
    json_add(out, "log_bytes", json_number(t->stats.log_bytes));
    json_add(out, "extent_bytes", json_number(t->stats.extent_bytes));
    json_add(out, "segments", json_number(t->stats.segments));
    return out;
}

static void put_totals(const struct totals *t)
{
    char text[HUMAN_MAX];

    (void)printf("\nlive     %12s  keys and values of the newest commit\n",
                 human_bytes(t->live, text));
    (void)printf("history  %12s  replaced and removed values that the rules keep\n",
                 human_bytes(t->history, text));
    (void)printf("tags     %12s  older ones that tags keep ('holog stats' lists them)\n",
                 human_bytes(t->tags, text));
    (void)printf("disk     %12s  all files, in %" PRIu64 " segments\n",
                 human_bytes(t->stats.disk_bytes, text), t->stats.segments);
    (void)printf("garbage  %12s  the rest of it: forgotten values, the log's own, room ahead\n",
                 human_bytes(t->rest, text));
}

static uint64_t depth_shown(const struct args *args)
{
    uint64_t depth = args->given[OPT_DEPTH] ? args->number[OPT_DEPTH] : 1;

    return depth < HOLOG_DEPTH_MAX ? depth : HOLOG_DEPTH_MAX;
}

static int report(struct usage *usage, const char *path)
{
    const struct args *args = usage->args;
    struct holog_error_detail detail;
    struct totals totals;

    int rc = walk(usage, path, depth_shown(args));
    if (rc >= 0)
        rc = sum_up(usage, &totals);
    if (rc < 0)
        cli_detail(rc, &detail);
    if (args->given[OPT_JSON] && usage->begun) {
        json_object *tail = rc >= 0 ? totals_json(&totals) : json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&usage->stream, tail);
    } else if (rc >= 0) {
        put_totals(&totals);
    }
    return rc < 0 ? cli_fail_detail(args, &detail, NULL, path) : EXIT_DONE;
}

int verb_du(const struct args *args)
{
    struct usage usage = { .args = args };
    int status = cli_open(args, OPEN_READ, &usage.store);

    if (status != EXIT_DONE)
        return status;
    status = report(&usage, args->operand_count > 1 ? args->operands[1] : "/");
    status = cli_close(args, usage.store, status);
    return cli_flush(args, status);
}
