/*
 * See hwp_census.h.
 *
 * Heads that lie close to each other come with one read: a store of small values has many groups of a few KiB, and a call
 * for each would take longer than what lies between.
 */
#include "compaction/hwp_census.h"

#include "base/error.h"
#include "compaction/hwp_internal.h"

#define GAP_MAX \
    ((uint64_t)16 << 10) /* bytes that are read for nothing rather than with another call */
#define WINDOW_MAX ((uint64_t)256 << 10) /* unless the heads of one group are more */
#define READ_MAX   ((uint64_t)1 << 20)
#define ALIGNED    ((uint64_t)HG_IO_BLOCK)

struct census {
    struct hg_hwp *h;
    struct hg_workspace *w;
    struct hg_hwp_census *out;
    const uint8_t *bytes; /* of the file, from begin up to end; of no use when these are the same */
    uint64_t begin, end;
};

/* ---- reading -------------------------------------------------------------------------------------*/

static uint64_t begin_of(const struct hg_hwp_group *g)
{
    return HG_ALIGN_DOWN(g->offset, ALIGNED);
}

static uint64_t end_of(const struct hg_hwp_group *g)
{
    return HG_ALIGN_UP(g->offset + g->heads_len, ALIGNED);
}

static int read_window(struct census *c, uint64_t begin, uint64_t end)
{
    uint8_t *to;
    int rc = hg_workspace_room(c->w, HG_WORK_HEADS, (size_t)(end - begin), &to);

    c->begin = c->end = 0;
    for (uint64_t at = begin; rc == HOLOG_OK && at < end; at += READ_MAX)
        rc = hg_hwp_read_bytes(c->h, to + (at - begin), (size_t)HG_MIN(end - at, READ_MAX), at);
    if (rc < 0)
        return rc;
    c->bytes = to;
    c->begin = begin;
    c->end = end;
    c->out->read += end - begin;
    return HOLOG_OK;
}

/* As far as the next ones are not far away. */
static uint64_t window_end(const struct hg_hwp_tables *t, uint32_t group)
{
    uint64_t begin = begin_of(&t->group[group]);
    uint64_t end = end_of(&t->group[group]);

    for (size_t i = (size_t)group + 1; i < t->count[HG_HWP_GROUPS]; i++) {
        const struct hg_hwp_group *g = &t->group[i];
        if (begin_of(g) > end + GAP_MAX || end_of(g) - begin > WINDOW_MAX)
            break;
        end = end_of(g);
    }
    return end;
}

/* What lies beside it may be what cannot be read. */
static int load(struct census *c, uint32_t group)
{
    const struct hg_hwp_group *g = &c->h->tables.group[group];
    uint64_t end = window_end(&c->h->tables, group);
    int rc;

    if (g->offset >= c->begin && g->offset + g->heads_len <= c->end)
        return HOLOG_OK;
    rc = read_window(c, begin_of(g), end);
    if ((rc == HOLOG_E_IO || rc == HOLOG_E_CORRUPT) && end > end_of(g))
        rc = read_window(c, begin_of(g), end_of(g));
    return rc;
}

/* ---- counting ------------------------------------------------------------------------------------*/

static void count_tile(struct hg_hwp_coded *to, const struct hg_hwp_tile *t)
{
    const struct hg_cold_head *h = &t->head;
    struct hg_hwp_count *n = t->rc < 0 ? &to->later : &to->by[h->filter][h->codec];

    n->blocks++;
    n->differences += (h->flags & HG_COLD_DIFFERENCE) != 0 || h->codec == HG_CODEC_SAME ||
                      h->codec == HG_CODEC_PREFIX;
    n->raw += h->raw_bytes;
    n->stored += h->head_bytes;
    for (unsigned i = 0; i < h->parts; i++)
        n->stored += h->part[i].len;
}

static int count_group(struct census *c, uint32_t group)
{
    const struct hg_hwp_group *g = &c->h->tables.group[group];
    struct hg_hwp_layout l;
    int rc = load(c, group);

    if (rc == HOLOG_OK)
        rc = hg_hwp_take_heads(c->h, c->w, group, c->bytes + (g->offset - c->begin), &l);
    for (uint32_t i = 0; rc == HOLOG_OK && i < g->tiles; i++)
        count_tile(&c->out->coded[g->kind], &l.tile[i]);
    return rc;
}

static void count_unreadable(struct census *c, const struct hg_hwp_group *g)
{
    struct hg_hwp_count *n = &c->out->coded[g->kind].unreadable;

    n->blocks += g->tiles;
    n->raw += g->raw;
    n->stored += hg_hwp_group_stored(g);
}

static void count_same(const struct hg_hwp_tables *t, struct hg_hwp_census *out)
{
    for (size_t i = 0; i < t->count[HG_HWP_VALUES]; i++) {
        if ((t->value[i].flags & HG_HWP_SAME) == 0)
            continue;
        out->same_values++;
        out->same_bytes += t->value[i].len;
    }
}

int hg_hwp_census(struct hg_hwp *h, int (*damage)(void *ctx, const struct hg_hwp_verdict *d),
                  void *ctx, struct hg_hwp_census *out)
{
    struct census c = { .h = h, .out = out };
    int rc = hg_workspace_take(h->from.work, &c.w);

    for (uint32_t i = 0; rc == HOLOG_OK && i < h->tables.count[HG_HWP_GROUPS]; i++) {
        rc = count_group(&c, i);
        if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_IO) {
            const struct hg_hwp_verdict d = { .group = i, .rc = rc };
            count_unreadable(&c, &h->tables.group[i]);
            rc = damage == NULL ? HOLOG_OK : damage(ctx, &d);
        }
    }
    if (rc == HOLOG_OK)
        count_same(&h->tables, out);
    hg_workspace_give(h->from.work, c.w);
    return rc;
}
