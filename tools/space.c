/*
 * space.c: what the segments of a store hold, and for whom.
 */
#include "space.h"

#include <inttypes.h>
#include <stdlib.h>

const char *const space_holder_names[SPACE_HOLDERS] = { "head",  "history", "tags",
                                                        "views", "own",     "dead" };
const char *const space_holder_members[SPACE_HOLDERS] = { "head_bytes", "history_bytes",
                                                          "tag_bytes",  "view_bytes",
                                                          "own_bytes",  "dead_bytes" };
const char *const space_holder_texts[SPACE_HOLDERS] = {
    "what the newest state needs", "older versions and commits that the rules of retention keep",
    "what only tags keep",         "what only open views keep",
    "headers, footers, tables",    "what nobody can ask for any more, and gaps"
};

const char *space_kind_name(uint32_t kind)
{
    static const char *const names[SPACE_KINDS] = { "other", "frames", "extents", "cold", "base" };

    return names[kind < SPACE_KINDS ? kind : 0];
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct taking {
    struct space *space;
    bool failed; /* no memory */
};

/* Room for one more, doubled when it is full. */
static bool make_room(struct space *space)
{
    if (space->count != 0 && (space->count & (space->count - 1)) != 0)
        return true;
    size_t room = space->count == 0 ? 1 : 2 * space->count;
    struct space_segment *grown = realloc(space->segments, room * sizeof *grown);
    if (grown == NULL)
        return false;
    space->segments = grown;
    return true;
}

static int take(void *ctx, const holog_segment_space *s)
{
    struct taking *taking = ctx;
    struct space *space = taking->space;
    struct space_segment one = {
        .id = s->segment,
        .kind = s->kind < SPACE_KINDS ? s->kind : 0,
        .sealed = s->sealed != 0,
        .busy = s->busy != 0,
        .used = s->used_bytes,
        .held = { s->head_bytes, s->history_bytes, s->tag_bytes, s->view_bytes, s->own_bytes,
                  s->dead_bytes },
    };

    (void)snprintf(one.file, sizeof one.file, "%s", s->file);
    taking->failed = !make_room(space);
    if (taking->failed)
        return 1;
    space->segments[space->count++] = one;
    space->of_kind[one.kind]++;
    space->used += one.used;
    for (size_t i = 0; i < SPACE_HOLDERS; i++)
        space->held[i] += one.held[i];
    return 0;
}

static int ask(holog_store *store, struct space *out)
{
    struct taking taking = { .space = out };

    *out = (struct space){ 0 };
    int rc = holog_space(store, take, &taking);
    return taking.failed ? HOLOG_E_NOMEM : rc;
}

int space_get(holog_store *store, struct space *out)
{
    int rc = ask(store, out);

    if (rc != HOLOG_E_STALE)
        return rc;
    space_release(out); /* a writer has removed a segment meanwhile */
    rc = holog_refresh(store, NULL);
    return rc < 0 ? rc : ask(store, out);
}

void space_release(struct space *space)
{
    free(space->segments);
    *space = (struct space){ 0 };
}

/* ---- figures --------------------------------------------------------------------------------- */

double space_amplification(const struct space *space, const holog_stats *stats)
{
    uint64_t kept = 0;

    for (size_t i = SPACE_HEAD; i <= SPACE_VIEWS; i++)
        kept += space->held[i];
    return kept != 0 ? (double)stats->disk_bytes / (double)kept : 0;
}

double space_cold_ratio(const holog_stats *stats)
{
    return stats->cold_stored_bytes != 0
               ? (double)stats->cold_raw_bytes / (double)stats->cold_stored_bytes
               : 0;
}

static json_object *ratio_json(double ratio)
{
    return ratio > 0 ? json_object_new_double(ratio) : NULL;
}

void space_add_json(json_object *doc, const struct space *space, const holog_stats *stats)
{
    char name[32];

    json_add(doc, "cold_ratio", ratio_json(space_cold_ratio(stats)));
    if (space == NULL) {
        json_add(doc, "space", NULL);
        return;
    }
    json_object *out = json_object_new_object();
    for (uint32_t kind = HOLOG_SEGMENT_FRAMES; kind < SPACE_KINDS; kind++) {
        (void)snprintf(name, sizeof name, "%s_segments", space_kind_name(kind));
        json_add(out, name, json_number(space->of_kind[kind]));
    }
    json_add(out, "used_bytes", json_number(space->used));
    for (size_t i = 0; i < SPACE_HOLDERS; i++)
        json_add(out, space_holder_members[i], json_number(space->held[i]));
    json_add(out, "amplification", ratio_json(space_amplification(space, stats)));
    json_add(doc, "space", out);
}

static void put_ratio(const char *name, double ratio, const char *help)
{
    char text[HUMAN_MAX] = "-";

    if (ratio > 0)
        (void)snprintf(text, sizeof text, "%.2f", ratio);
    (void)printf("%-22s %16s  %s\n", name, text, help);
}

void space_put_table(const struct space *space, const holog_stats *stats)
{
    char name[32];
    char bytes[HUMAN_MAX];

    put_ratio("cold_ratio", space_cold_ratio(stats),
              "Bytes of values in cold segments by what they take");
    for (size_t i = 0; i < SPACE_HOLDERS && space != NULL; i++) {
        (void)snprintf(name, sizeof name, "space.%s", space_holder_names[i]);
        (void)printf("%-22s %16s  In segments: %s\n", name, human_bytes(space->held[i], bytes),
                     space_holder_texts[i]);
    }
    if (space != NULL)
        put_ratio("space.amplification", space_amplification(space, stats),
                  "disk_bytes by what is needed or kept (head, history, tags, views)");
}

static void put_gauge(FILE *to, const char *store, const char *name, const char *help, double value)
{
    (void)fprintf(to, "# HELP holog_%s %s\n# TYPE holog_%s gauge\nholog_%s", name, help, name,
                  name);
    put_labels(to, store, NULL);
    (void)fprintf(to, " %.3f\n", value);
}

void space_put_prometheus(FILE *to, const char *store, const struct space *space,
                          const holog_stats *stats)
{
    char label[32];

    if (space_cold_ratio(stats) > 0)
        put_gauge(to, store, "cold_ratio", "Bytes of values in cold segments by what they take",
                  space_cold_ratio(stats));
    if (space == NULL)
        return;
    (void)fputs("# HELP holog_space_bytes Bytes in segments, by what they are there for\n"
                "# TYPE holog_space_bytes gauge\n",
                to);
    for (size_t i = 0; i < SPACE_HOLDERS; i++) {
        (void)snprintf(label, sizeof label, "held=\"%s\"", space_holder_names[i]);
        (void)fputs("holog_space_bytes", to);
        put_labels(to, store, label);
        (void)fprintf(to, " %" PRIu64 "\n", space->held[i]);
    }
    if (space_amplification(space, stats) > 0)
        put_gauge(to, store, "space_amplification",
                  "Bytes on the disk by those that are needed or kept",
                  space_amplification(space, stats));
}
