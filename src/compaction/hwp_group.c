/*
 * Heads and parts of a group, read; see hwp_internal.h.
 *
 * Parts that are wanted are read in runs: what lies between two of them is read with them where it is short. All reads
 * begin and end at blocks of the device.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "compaction/hwp_internal.h"

#define READ_MAX ((uint64_t)1 << 20)
#define GAP_MAX \
    ((uint64_t)16 << 10) /* bytes that are read for nothing rather than with another call */
#define AT_ONCE ((uint64_t)64 << 10) /* a group of so many bytes is read whole */
#define ALIGNED ((uint64_t)HG_IO_BLOCK)

/* A run of blocks into `to`. */
static int read_run(struct hg_hwp *h, uint8_t *to, uint64_t begin, uint64_t end)
{
    for (uint64_t at = begin; at < end; at += READ_MAX) {
        int rc = hg_hwp_read_bytes(h, to + (at - begin), (size_t)HG_MIN(end - at, READ_MAX), at);
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

/* Bytes of the file, of any place, in the room. */
static int read_range(struct hg_hwp *h, struct hg_workspace *w, enum hg_work_room room,
                      uint64_t offset, uint64_t len, const uint8_t **out)
{
    uint64_t begin = HG_ALIGN_DOWN(offset, ALIGNED);
    uint64_t end = HG_ALIGN_UP(offset + len, ALIGNED);
    uint8_t *to;
    int rc = hg_workspace_room(w, room, (size_t)(end - begin), &to);

    if (rc == HOLOG_OK)
        rc = read_run(h, to, begin, end);
    if (rc == HOLOG_OK)
        *out = to + (offset - begin);
    return rc;
}

/* ---- heads ---------------------------------------------------------------------------------------*/

static int damaged(const struct hg_hwp *h, const struct hg_hwp_layout *l, uint64_t at,
                   const char *why)
{
    return hg_corrupt(h->from.id, at, "group %u: %s", (unsigned)l->index, why);
}

/* Decoded, and the parts of each of them found a place: each slot's are one behind the other. */
static int place_parts(const struct hg_hwp *h, struct hg_hwp_layout *l)
{
    const struct hg_hwp_group *g = l->g;
    uint64_t begin = g->offset + g->heads_len;

    for (unsigned slot = 0; slot < g->slots; slot++) {
        uint64_t at = begin;
        for (uint32_t i = 0; i < g->tiles; i++) {
            struct hg_hwp_tile *t = &l->tile[i];
            unsigned part = slot + t->head.parts - g->slots;
            if (slot + t->head.parts < g->slots)
                continue;
            t->at[part] = at;
            at += t->head.part[part].len;
        }
        if (at - begin != g->slot[slot])
            return damaged(h, l, begin, "the parts in a slot are not as long as it");
        begin = at;
    }
    return HOLOG_OK;
}

static int decode_heads(const struct hg_hwp *h, struct hg_hwp_layout *l, const uint8_t *heads)
{
    const struct hg_hwp_group *g = l->g;
    uint64_t raw = 0;
    size_t at = 0;

    for (uint32_t i = 0; i < g->tiles; i++) {
        struct hg_hwp_tile *t = &l->tile[i];
        *t = (struct hg_hwp_tile){ 0 };
        t->rc = hg_cold_head_decode(heads + at, g->heads_len - at, &t->head);
        if (t->rc < 0 && t->rc != HOLOG_E_NOTSUP)
            return damaged(h, l, g->offset + at, "the head of a tile is damaged");
        if (t->head.parts > g->slots)
            return damaged(h, l, g->offset + at, "a tile has more parts than there are slots");
        at += t->head.head_bytes;
        raw += t->head.raw_bytes;
    }
    if (at != g->heads_len || raw != g->raw)
        return damaged(h, l, g->offset, "the heads are not those of as many tiles");
    return place_parts(h, l);
}

/* Parts that came with the heads. */
static void place_lead(struct hg_hwp_layout *l, const uint8_t *heads)
{
    for (uint32_t i = 0; i < l->g->tiles; i++) {
        struct hg_hwp_tile *t = &l->tile[i];
        for (unsigned p = 0; p < t->head.parts; p++)
            if (l->g->slots - t->head.parts + p < l->lead)
                t->parts.at[p] = heads + (t->at[p] - l->g->offset);
    }
}

int hg_hwp_take_heads(const struct hg_hwp *h, struct hg_workspace *w, uint32_t group,
                      const uint8_t *heads, struct hg_hwp_layout *out)
{
    const struct hg_hwp_group *g = &h->tables.group[group];
    int rc;

    *out = (struct hg_hwp_layout){ .g = g, .index = group };
    rc = hg_workspace_room(w, HG_WORK_LAYOUT, g->tiles * sizeof *out->tile, &out->tile);
    if (rc < 0)
        return rc;
    if (!hg_hash_matches(g->heads_hash, hg_hash64(heads, g->heads_len)))
        return damaged(h, out, g->offset, "the hash of the heads is wrong");
    return decode_heads(h, out, heads);
}

int hg_hwp_load_heads(struct hg_hwp *h, struct hg_workspace *w, uint32_t group, unsigned lead,
                      struct hg_hwp_layout *out)
{
    const struct hg_hwp_group *g = &h->tables.group[group];
    unsigned slots = lead > g->slots || hg_hwp_group_stored(g) <= AT_ONCE ? g->slots : lead;
    uint64_t len = g->heads_len;
    const uint8_t *heads = NULL;
    int rc;

    for (unsigned i = 0; i < slots; i++)
        len += g->slot[i];
    rc = read_range(h, w, HG_WORK_HEADS, g->offset, len, &heads);
    if (rc < 0)
        return rc;
    rc = hg_hwp_take_heads(h, w, group, heads, out);
    if (rc < 0)
        return rc;
    out->lead = slots;
    place_lead(out, heads);
    return HOLOG_OK;
}

/* ---- parts ---------------------------------------------------------------------------------------*/

struct runs {
    struct hg_hwp *h;
    uint8_t *to;         /* NULL: they are only added up */
    uint64_t begin, end; /* of the run that grows, in the file; both multiples of a block */
    size_t used;         /* bytes of the runs before */
};

static int end_run(struct runs *r)
{
    int rc = r->to == NULL ? HOLOG_OK : read_run(r->h, r->to + r->used, r->begin, r->end);

    r->used += (size_t)(r->end - r->begin);
    r->begin = r->end = 0;
    return rc;
}

/* By offset. *out: where the bytes will be, when the run has been read. */
static int add_part(struct runs *r, uint64_t offset, uint64_t len, size_t *out)
{
    uint64_t begin = HG_ALIGN_DOWN(offset, ALIGNED);
    uint64_t end = HG_ALIGN_UP(offset + len, ALIGNED);
    int rc = HOLOG_OK;

    if (r->end > r->begin && (begin > r->end + GAP_MAX || end - r->begin > READ_MAX))
        rc = end_run(r);
    if (r->end == r->begin)
        r->begin = begin;
    r->end = HG_MAX(r->end, end);
    *out = r->used + (size_t)(offset - r->begin);
    return rc;
}

static int walk_parts(struct runs *r, struct hg_hwp_layout *l)
{
    int rc = HOLOG_OK;

    for (unsigned slot = l->lead; slot < l->g->slots; slot++) {
        for (uint32_t i = 0; rc == HOLOG_OK && i < l->g->tiles; i++) {
            struct hg_hwp_tile *t = &l->tile[i];
            unsigned part = slot + t->head.parts - l->g->slots;
            size_t place = 0;
            if (!t->wanted || slot + t->head.parts < l->g->slots || part >= t->use)
                continue;
            t->parts.at[part] = r->to;
            if (t->head.part[part].len == 0)
                continue;
            rc = add_part(r, t->at[part], t->head.part[part].len, &place);
            if (r->to != NULL)
                t->parts.at[part] = r->to + place;
        }
    }
    return rc < 0 ? rc : end_run(r);
}

int hg_hwp_load_parts(struct hg_hwp *h, struct hg_workspace *w, struct hg_hwp_layout *l)
{
    struct runs r = { .h = h };
    size_t bytes;
    uint8_t *to;
    int rc;

    rc = walk_parts(&r, l);
    bytes = r.used;
    if (rc == HOLOG_OK)
        rc = hg_workspace_room(w, HG_WORK_PARTS, bytes, &to);
    if (rc < 0)
        return rc;
    r = (struct runs){ .h = h, .to = to };
    return walk_parts(&r, l);
}

/* ---- failures ------------------------------------------------------------------------------------*/

int hg_hwp_tile_failed(const struct hg_hwp *h, const struct hg_hwp_layout *l, uint32_t tile, int rc)
{
    struct holog_error_detail d;
    uint64_t at = l->tile[tile].at[0];

    if (rc != HOLOG_E_CORRUPT && rc != HOLOG_E_NOTSUP)
        return rc;
    hg_error_get(&d);
    if (d.segment != 0)
        return rc; /* it is the base that is damaged, and that has said where */
    if (rc == HOLOG_E_NOTSUP)
        return hg_error(rc, "segment %08x, offset %llu, tile %u of group %u: %s" HG_USE_NEWER,
                        (unsigned)h->from.id, (unsigned long long)at, (unsigned)tile,
                        (unsigned)l->index, d.message);
    return hg_corrupt(h->from.id, at, "tile %u of group %u: %s", (unsigned)tile, (unsigned)l->index,
                      d.message);
}

int hg_hwp_each_head(struct hg_hwp *h, uint32_t group,
                     int (*each)(void *ctx, const struct hg_cold_head *head), void *ctx)
{
    struct hg_workspace *w = NULL;
    struct hg_hwp_layout l;
    int rc = hg_workspace_take(h->from.work, &w);

    if (rc == HOLOG_OK)
        rc = hg_hwp_load_heads(h, w, group, 0, &l);
    for (uint32_t i = 0; rc == HOLOG_OK && i < l.g->tiles; i++)
        rc = each(ctx, &l.tile[i].head);
    hg_workspace_give(h->from.work, w);
    return rc;
}
