/*
 * cmd_space.c: stats --segments. What each segment holds, and for whom.
 */
#include <inttypes.h>

#include "holog/space.h"
#include "space.h"
#include "verbs.h"

struct listing {
    const struct args *args;
    struct json_stream stream;
    holog_segment_space total;
    bool begun;
};

static uint64_t live_of(const holog_segment_space *s)
{
    return s->head_bytes + s->history_bytes + s->tag_bytes + s->view_bytes;
}

static const char *state_name(const holog_segment_space *s)
{
    return s->busy ? "busy" : s->sealed ? "sealed" : "";
}

static void add_up(holog_segment_space *to, const holog_segment_space *s)
{
    to->used_bytes += s->used_bytes;
    to->own_bytes += s->own_bytes;
    to->head_bytes += s->head_bytes;
    to->history_bytes += s->history_bytes;
    to->tag_bytes += s->tag_bytes;
    to->view_bytes += s->view_bytes;
    to->dead_bytes += s->dead_bytes;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_sizes(json_object *item, const holog_segment_space *s)
{
    json_add(item, "used_bytes", json_number(s->used_bytes));
    json_add(item, "own_bytes", json_number(s->own_bytes));
    json_add(item, "head_bytes", json_number(s->head_bytes));
    json_add(item, "history_bytes", json_number(s->history_bytes));
    json_add(item, "tag_bytes", json_number(s->tag_bytes));
    json_add(item, "view_bytes", json_number(s->view_bytes));
    json_add(item, "dead_bytes", json_number(s->dead_bytes));
}

static json_object *segment_json(const holog_segment_space *s)
{
    json_object *item = json_object_new_object();

    json_add(item, "file", json_text(s->file));
    json_add(item, "segment", json_number(s->segment));
    json_add(item, "kind", json_text(space_kind_name(s->kind)));
    json_add(item, "sealed", json_object_new_boolean(s->sealed != 0));
    json_add(item, "busy", json_object_new_boolean(s->busy != 0));
    add_sizes(item, s);
    return item;
}

/* ---- table ----------------------------------------------------------------------------------- */

static void put_row(const char *file, const char *kind, const char *state,
                    const holog_segment_space *s)
{
    const uint64_t columns[] = { s->head_bytes, s->history_bytes, s->tag_bytes, s->view_bytes,
                                 s->dead_bytes };
    double percent = s->used_bytes == 0 ? 0 : 100.0 * (double)live_of(s) / (double)s->used_bytes;
    char text[HUMAN_MAX];

    (void)printf("%-18s %-8s %-6s %10s %5.1f%%", file, kind, state,
                 human_bytes(s->used_bytes, text), percent);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        (void)printf(" %10s", human_bytes(columns[i], text));
    (void)putchar('\n');
}

static void begin(struct listing *l)
{
    if (l->begun)
        return;
    l->begun = true;
    if (l->args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(l->args->operands[0]));
        json_stream_begin(&l->stream, head, "segments");
    } else {
        (void)printf("%-18s %-8s %-6s %10s %6s %10s %10s %10s %10s %10s\n", "file", "kind", "state",
                     "size", "live", "head", "history", "tags", "views", "dead");
    }
}

static int take_segment(void *ctx, const holog_segment_space *s)
{
    struct listing *l = ctx;

    begin(l);
    add_up(&l->total, s);
    if (l->args->given[OPT_JSON])
        json_stream_item(&l->stream, segment_json(s));
    else
        put_row(s->file, space_kind_name(s->kind), state_name(s), s);
    return ferror(stdout) != 0;
}

static void finish(struct listing *l)
{
    begin(l);
    if (l->args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        json_object *total = json_object_new_object();
        add_sizes(total, &l->total);
        json_add(tail, "total", total);
        json_stream_end(&l->stream, tail);
    } else {
        put_row("total", "", "", &l->total);
    }
}

int stats_segments(const struct args *args, holog_store *store)
{
    struct listing l = { .args = args };
    int rc = holog_space(store, take_segment, &l);

    if (rc >= 0)
        finish(&l);
    return rc;
}
