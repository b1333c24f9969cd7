/*
 * Values, read: ranges of bytes, boxes of elements, previews; see hwp.h.
 *
 * What is asked is a box of the value, or of its preview; of a range of bytes it is the smallest that has them all.
 * Group by group, the tiles that have something of it are found by arithmetic, their heads are read, then those of their
 * parts that it takes; they are decoded one by one, and copied to where they belong.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "compaction/hwp_internal.h"

struct job {
    struct hg_hwp *h;
    const struct hg_hwp_value *v; /* that has tiles: not the same as another */
    const struct hg_hwp_bases *bases;
    const struct hg_hwp_each *each; /* NULL: into `out` */
    struct hg_hwp_tiling t;
    struct hg_hwp_box box; /* of the preview */
    unsigned halvings;
    int is_range;      /* bytes [from, to) are asked */
    uint64_t from, to; /* of the value */
    uint8_t *out;
};

/* Where a tile lies in the preview. */
static void shrink(const struct job *j, const struct hg_hwp_box *tile, struct hg_hwp_box *out)
{
    *out = *tile;
    for (unsigned i = 0; i < HG_HWP_RANK; i++) {
        if (!hg_hwp_is_halved(&j->t.shape, i))
            continue;
        out->lo[i] = tile->lo[i] >> j->halvings;
        out->n[i] = ((tile->n[i] - 1) >> j->halvings) + 1;
    }
}

/* ---- ranges of bytes -----------------------------------------------------------------------------*/

/* The bytes of a tile's row, which are in one piece in the value: cut to the range. 0: none are in it. */
static int cut_row(const struct job *j, const struct hg_hwp_box *tile, const uint64_t *at,
                   uint64_t *out_from, uint64_t *out_to, uint64_t *out_begin)
{
    const uint64_t *n = j->t.n;
    uint64_t element = ((at[0] * n[1] + at[1]) * n[2] + at[2]) * n[3] + tile->lo[3];
    uint64_t begin = element * j->t.shape.size;
    uint64_t end = begin + tile->n[3] * j->t.shape.size;

    *out_begin = begin;
    *out_from = HG_MAX(begin, j->from);
    *out_to = HG_MIN(end, j->to);
    return *out_from < *out_to;
}

/* Copies what the range has of a tile, or, without it, only asks whether there is something. */
static int copy_range(const struct job *j, const struct hg_hwp_box *tile, const uint8_t *raw)
{
    uint64_t at[3];
    uint64_t row = 0;
    int any = 0;

    for (at[0] = tile->lo[0]; at[0] < tile->lo[0] + tile->n[0]; at[0]++)
        for (at[1] = tile->lo[1]; at[1] < tile->lo[1] + tile->n[1]; at[1]++)
            for (at[2] = tile->lo[2]; at[2] < tile->lo[2] + tile->n[2]; at[2]++, row++) {
                uint64_t from;
                uint64_t to;
                uint64_t begin;
                if (!cut_row(j, tile, at, &from, &to, &begin))
                    continue;
                any = 1;
                if (raw == NULL)
                    return 1;
                memcpy(j->out + (from - j->from),
                       raw + row * tile->n[3] * j->t.shape.size + (from - begin), to - from);
            }
    return any;
}

/* The smallest box that has all elements from the first to the last byte. */
static void bound_range(struct job *j)
{
    uint64_t first = j->from / j->t.shape.size;
    uint64_t last = (j->to - 1) / j->t.shape.size;
    uint64_t end[HG_HWP_RANK];
    int apart = 0;

    for (unsigned i = HG_HWP_RANK; i-- > 0;) {
        j->box.lo[i] = first % j->t.n[i];
        end[i] = last % j->t.n[i];
        first /= j->t.n[i];
        last /= j->t.n[i];
    }
    for (unsigned i = 0; i < HG_HWP_RANK; i++) {
        if (apart) {
            j->box.lo[i] = 0;
            j->box.n[i] = j->t.n[i];
            continue;
        }
        apart = j->box.lo[i] != end[i];
        j->box.n[i] = end[i] - j->box.lo[i] + 1;
    }
}

/* ---- one tile ------------------------------------------------------------------------------------*/

static int region(struct job *j);

/* Elements of the base where the tile is, side by side. */
static int get_base(const struct job *j, struct hg_workspace *w, const struct hg_hwp_box *tile,
                    const uint8_t **out)
{
    const struct hg_hwp_value *b = hg_hwp_find(j->h, j->v->other);
    uint8_t *room;
    int rc = hg_workspace_room(w, HG_WORK_BASE, hg_hwp_box_bytes(tile, j->t.shape.size), &room);

    if (rc < 0)
        return rc;
    *out = room;
    if (b != NULL) {
        struct job of_base = { .h = j->h, .v = b, .t = j->t, .box = *tile, .out = room };
        return region(&of_base);
    }
    if (j->bases == NULL)
        return hg_error(HOLOG_E_INVAL,
                        "value %llu is a difference from %llu, which is not in segment %08x",
                        (unsigned long long)j->v->birth, (unsigned long long)j->v->other,
                        (unsigned)j->h->from.id);
    return j->bases->read(j->bases->ctx, j->v->other, &j->t.shape, tile, room);
}

static int check_aid(const struct job *j, const struct hg_cold_head *head)
{
    if (head->codec == HG_CODEC_DICT)
        return hg_error(HOLOG_E_NOTSUP, "it needs a dictionary");
    if (!(j->v->flags & HG_HWP_DIFFERENCE))
        return hg_error(HOLOG_E_CORRUPT, "it is a difference, and the value has no base");
    return HOLOG_OK;
}

static int decode(const struct job *j, struct hg_workspace *w, struct hg_hwp_tile *t,
                  const struct hg_hwp_box *tile, uint8_t *out)
{
    struct hg_cold_aid aid = { 0 };
    const uint8_t *base = NULL;
    int rc = HOLOG_OK;

    if (t->rc < 0)
        return hg_error(HOLOG_E_NOTSUP, "filter %u, codec %u, flags %02x", t->head.filter,
                        t->head.codec, t->head.flags);
    if (t->head.flags & HG_COLD_AIDED) {
        rc = check_aid(j, &t->head);
        if (rc == HOLOG_OK)
            rc = get_base(j, w, tile, &base);
        aid = (struct hg_cold_aid){ .base = base, .base_len = t->head.raw_bytes };
    }
    if (rc < 0)
        return rc;
    rc = hg_cold_decode(w->coder, &t->head, &t->parts, &aid, out, t->head.raw_bytes);
    if (rc == HOLOG_E_INVAL)
        rc = hg_error(HOLOG_E_CORRUPT, "its base is not what it was made from");
    return rc;
}

/* As small as a tile's parts make it. n: becomes that. */
static int decode_low(const struct job *j, struct hg_workspace *w, struct hg_hwp_tile *t,
                      uint64_t n[HG_HWP_RANK], uint8_t *out)
{
    const struct hg_hwp_shape *s = &j->t.shape;
    int rc = hg_cold_preview(w->coder, &t->head, &t->parts, t->low, out, t->head.raw_bytes);

    for (unsigned i = 0; i < HG_HWP_RANK; i++)
        if (hg_hwp_is_halved(s, i))
            n[i] = ((n[i] - 1) >> t->low) + 1;
    if (rc == HOLOG_OK && t->head.filter == HG_FILTER_LIFT53)
        hg_hwp_centre(s->size, s->kind, n, HG_MIN(s->rank, 2u), out);
    return rc;
}

/* A tile as it was, or what is asked for of it, by halving as far as its parts do not. */
static int decode_and_halve(const struct job *j, struct hg_workspace *w, struct hg_hwp_tile *t,
                            const struct hg_hwp_box *tile, uint8_t *out)
{
    const struct hg_hwp_shape *s = &j->t.shape;
    uint64_t n[HG_HWP_RANK];
    int rc;

    memcpy(n, tile->n, sizeof n);
    rc = t->low == 0 ? decode(j, w, t, tile, out) : decode_low(j, w, t, n, out);
    if (rc == HOLOG_OK && j->halvings > t->low)
        hg_hwp_halve(s->size, s->kind, n, HG_MIN(s->rank, 2u), j->halvings - t->low, out);
    return rc;
}

/* Hashes of parts, of a difference whose base is not there. */
static int check_parts(const struct hg_hwp_tile *t)
{
    for (unsigned i = 0; i < t->head.parts; i++)
        if (!hg_hash_matches(t->head.part[i].hash, hg_hash64(t->parts.at[i], t->head.part[i].len)))
            return hg_error(HOLOG_E_CORRUPT, "the hash of part %u is wrong", i);
    return HOLOG_OK;
}

static int lacks_base(const struct job *j, const struct hg_hwp_tile *t)
{
    return j->each != NULL && t->rc == HOLOG_OK && (t->head.flags & HG_COLD_AIDED) &&
           t->head.codec != HG_CODEC_DICT && (j->v->flags & HG_HWP_DIFFERENCE) &&
           j->bases == NULL && hg_hwp_find(j->h, j->v->other) == NULL;
}

/* Where a tile may be decoded to at once: it is all asked for, and in one piece. */
static uint8_t *straight(const struct job *j, const struct hg_hwp_box *tile)
{
    uint64_t at = tile->lo[3] * j->t.shape.size;

    if (!j->is_range || j->t.shape.rank >= 2 || at < j->from ||
        hg_hwp_box_bytes(tile, j->t.shape.size) > j->to - at)
        return NULL;
    return j->out + (at - j->from);
}

static void deliver(const struct job *j, const struct hg_hwp_box *tile, const uint8_t *elements)
{
    struct hg_hwp_box small;
    struct hg_hwp_box part;

    if (j->is_range) {
        (void)copy_range(j, tile, elements);
        return;
    }
    shrink(j, tile, &small);
    if (hg_hwp_cut(&small, &j->box, &part))
        hg_hwp_copy(&part, j->t.shape.size, &small, elements, &j->box, j->out);
}

static int read_tile(const struct job *j, struct hg_workspace *w, struct hg_hwp_tile *t,
                     const struct hg_hwp_box *tile)
{
    uint8_t *to = j->each == NULL ? straight(j, tile) : NULL;
    uint8_t *room = NULL;
    int rc;

    if (to != NULL)
        return decode(j, w, t, tile, to);
    if (lacks_base(j, t)) {
        rc = check_parts(t);
        if (rc == HOLOG_OK)
            j->each->tile(j->each->ctx, NULL, t->head.raw_bytes);
        return rc;
    }
    rc = hg_workspace_room(w, HG_WORK_TILE, t->head.raw_bytes, &room);
    if (rc == HOLOG_OK)
        rc = decode_and_halve(j, w, t, tile, room);
    if (rc < 0)
        return rc;
    if (j->each != NULL)
        j->each->tile(j->each->ctx, room, t->head.raw_bytes);
    else
        deliver(j, tile, room);
    return HOLOG_OK;
}

/* ---- one group -----------------------------------------------------------------------------------*/

static int is_wanted(const struct job *j, const struct hg_hwp_box *tile)
{
    struct hg_hwp_box small;
    struct hg_hwp_box part;

    if (j->each != NULL)
        return 1;
    shrink(j, tile, &small);
    return hg_hwp_cut(&small, &j->box, &part) && (!j->is_range || copy_range(j, tile, NULL));
}

static uint32_t count_wanted(const struct job *j, uint64_t first, uint32_t tiles)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < tiles; i++) {
        struct hg_hwp_box tile;
        hg_hwp_tile_box(&j->t, first + i, &tile);
        count += is_wanted(j, &tile) != 0;
    }
    return count;
}

/* How much of a tile does it take? A preview that is not of the same axes is none. One of fewer levels than are asked
 * for is halved further. */
static void choose_parts(const struct job *j, struct hg_hwp_tile *t)
{
    struct hg_cold_array small;
    unsigned low = HG_MIN(j->halvings, t->head.parts - 1u);
    unsigned count = t->head.parts;

    t->use = t->head.parts;
    if (low == 0 || t->rc < 0 || t->head.axes != HG_MIN(j->t.shape.rank, 2) ||
        hg_cold_preview_shape(&t->head, low, &small, &count) < 0)
        return;
    t->low = (uint8_t)low;
    t->use = (uint8_t)count;
}

static int is_array(const struct hg_cold_array *a, const struct hg_cold_array *b)
{
    return a->size == b->size && a->kind == b->kind && a->rank == b->rank &&
           memcmp(a->n, b->n, a->rank * sizeof a->n[0]) == 0;
}

static int mark(const struct job *j, struct hg_hwp_layout *l, uint64_t first)
{
    for (uint32_t i = 0; i < l->g->tiles; i++) {
        struct hg_hwp_tile *t = &l->tile[i];
        struct hg_cold_array expected;
        struct hg_hwp_box tile;
        hg_hwp_tile_box(&j->t, first + i, &tile);
        hg_hwp_tile_array(&j->t, &tile, &expected);
        if (!is_array(&t->head.array, &expected))
            return hg_corrupt(j->h->from.id, l->g->offset,
                              "tile %u of group %u has not the shape that its value makes",
                              (unsigned)i, (unsigned)l->index);
        t->wanted = is_wanted(j, &tile);
        choose_parts(j, t);
    }
    return HOLOG_OK;
}

static int read_tiles(const struct job *j, struct hg_workspace *w, struct hg_hwp_layout *l,
                      uint64_t first)
{
    for (uint32_t i = 0; i < l->g->tiles; i++) {
        struct hg_hwp_box tile;
        int rc;
        if (!l->tile[i].wanted)
            continue;
        hg_hwp_tile_box(&j->t, first + i, &tile);
        rc = read_tile(j, w, &l->tile[i], &tile);
        if (rc < 0)
            return hg_hwp_tile_failed(j->h, l, i, rc);
    }
    return HOLOG_OK;
}

/* Slots that all tiles together are read of. */
static unsigned leading(const struct job *j, uint32_t group)
{
    unsigned slots = j->h->tables.group[group].slots;

    return slots - HG_MIN(slots - 1, j->halvings); /* slot 0 is of all previews */
}

/* What tells which tiles are wanted, and their heads. *out_any 0: none is. */
static int load_group(const struct job *j, struct hg_workspace *w, uint64_t nth,
                      struct hg_hwp_layout *out, int *out_any)
{
    uint32_t group = j->v->group + (uint32_t)nth;
    uint32_t tiles = j->h->tables.group[group].tiles;
    uint64_t first = nth * j->t.per_group;
    uint32_t wanted = count_wanted(j, first, tiles);
    int rc;

    *out_any = wanted > 0;
    if (wanted == 0)
        return HOLOG_OK;
    rc = hg_hwp_load_heads(j->h, w, group, wanted == tiles ? leading(j, group) : 0, out);
    return rc < 0 ? rc : mark(j, out, first);
}

static int read_loaded(const struct job *j, struct hg_workspace *w, uint64_t nth,
                       struct hg_hwp_layout *l)
{
    int rc = hg_hwp_load_parts(j->h, w, l);

    return rc < 0 ? rc : read_tiles(j, w, l, nth * j->t.per_group);
}

/* ---- a group that is the base's ------------------------------------------------------------------*/

/* Of the bytes of the tiles that are wanted. */
static uint64_t hash_wanted(const struct hg_hwp_layout *l)
{
    uint64_t pair[2] = { 0 };

    for (uint32_t i = 0; i < l->g->tiles; i++) {
        if (!l->tile[i].wanted)
            continue;
        pair[1] = l->tile[i].head.raw_hash;
        pair[0] = hg_hash64(pair, sizeof pair);
    }
    return pair[0];
}

/* Tiles of which all elements are alike are stored without the base, which may have the same. */
static int may_be_of_base(const struct job *j, const struct hg_hwp_layout *l)
{
    int any = 0;

    if (!(j->v->flags & HG_HWP_DIFFERENCE) || j->each != NULL)
        return 0;
    for (uint32_t i = 0; i < l->g->tiles; i++) {
        const struct hg_hwp_tile *t = &l->tile[i];
        if (!t->wanted)
            continue;
        if (t->rc < 0 || (t->head.codec != HG_CODEC_SAME && t->head.codec != HG_CODEC_CONST))
            return 0;
        any |= t->head.codec == HG_CODEC_SAME;
    }
    return any;
}

/* All at once, in place of tile by tile; a preview from what previews are made of. 1: that cannot be, or the base has
 * other bytes there. */
static int read_of_base(const struct job *j, struct hg_workspace *w, uint64_t nth, uint64_t hash)
{
    struct job of_base = *j;
    struct hg_hwp_layout l;
    int any = 0;
    int rc = HOLOG_OK;

    of_base.bases = NULL;
    of_base.v = hg_hwp_find(j->h, j->v->other);
    if (of_base.v == NULL && (j->bases == NULL || j->bases->find == NULL))
        return 1;
    if (of_base.v == NULL)
        rc = j->bases->find(j->bases->ctx, j->v->other, &j->t.shape, &of_base.h, &of_base.v);
    if (rc == HOLOG_OK)
        rc = load_group(&of_base, w, nth, &l, &any);
    if (rc < 0)
        return rc;
    return !any || hash_wanted(&l) != hash ? 1 : read_loaded(&of_base, w, nth, &l);
}

static int read_group(const struct job *j, struct hg_workspace *w, uint64_t nth)
{
    struct hg_hwp_layout l;
    int any;
    int rc = load_group(j, w, nth, &l, &any);

    if (rc < 0 || !any)
        return rc;
    if (may_be_of_base(j, &l)) {
        rc = read_of_base(j, w, nth, hash_wanted(&l));
        if (rc == 1) /* the room is taken by the base's heads */
            rc = load_group(j, w, nth, &l, &any);
        else
            return rc;
    }
    return rc < 0 ? rc : read_loaded(j, w, nth, &l);
}

/* ---- all of it -----------------------------------------------------------------------------------*/

/* The tile that has a place of the preview. */
static uint64_t tile_at(const struct job *j, const uint64_t *at)
{
    uint64_t tile = 0;

    for (unsigned i = 0; i < HG_HWP_RANK; i++) {
        unsigned halvings = hg_hwp_is_halved(&j->t.shape, i) ? j->halvings : 0;
        uint64_t side = HG_MAX(j->t.tile[i] >> halvings, 1u);
        tile = tile * j->t.grid[i] + HG_MIN(at[i] / side, j->t.grid[i] - 1);
    }
    return tile;
}

static int region(struct job *j)
{
    struct hg_workspace *w = NULL;
    uint64_t last[HG_HWP_RANK];
    uint64_t end;
    int rc = hg_workspace_take(j->h->from.work, &w);

    for (unsigned i = 0; i < HG_HWP_RANK; i++)
        last[i] = j->box.lo[i] + j->box.n[i] - 1;
    end = tile_at(j, last) / j->t.per_group;
    for (uint64_t g = tile_at(j, j->box.lo) / j->t.per_group; rc == HOLOG_OK && g <= end; g++)
        rc = read_group(j, w, g);
    hg_workspace_give(j->h->from.work, w);
    return rc;
}

/* A value that has tiles, in place of one that is the same. */
static const struct hg_hwp_value *resolve(const struct hg_hwp *h, const struct hg_hwp_value *v)
{
    return v->flags & HG_HWP_SAME ? hg_hwp_find(h, v->other) : v;
}

int hg_hwp_read(struct hg_hwp *h, const struct hg_hwp_value *v, uint64_t from, uint64_t to,
                void *out, const struct hg_hwp_bases *bases)
{
    struct job j = { .h = h,
                     .v = resolve(h, v),
                     .bases = bases,
                     .is_range = 1,
                     .from = from,
                     .to = to,
                     .out = out };

    if (from > to || to > v->len)
        return hg_error(HOLOG_E_INVAL, "bytes %llu to %llu of a value of %llu",
                        (unsigned long long)from, (unsigned long long)to,
                        (unsigned long long)v->len);
    if (from == to)
        return HOLOG_OK;
    hg_hwp_tile(&v->shape, &j.t);
    bound_range(&j);
    return region(&j);
}

int hg_hwp_preview_shape(const struct hg_hwp_value *v, unsigned halvings, struct hg_hwp_shape *out)
{
    struct hg_hwp_shape s = v->shape;

    if (halvings > HG_HWP_HALVINGS)
        return hg_error(HOLOG_E_INVAL, "a preview of 1/2^%u: 1/%u is the least", halvings,
                        1u << HG_HWP_HALVINGS);
    if (halvings > 0 && !(v->flags & HG_HWP_ARRAY))
        return hg_error(HOLOG_E_NOTSUP, "bytes have no preview");
    for (unsigned i = s.rank - HG_MIN(s.rank, 2u); i < s.rank; i++)
        s.n[i] = halvings == 0 ? s.n[i] : ((s.n[i] - 1) >> halvings) + 1;
    *out = s;
    return HOLOG_OK;
}

static int check_box(const struct hg_hwp_value *v, const struct hg_hwp_box *box, unsigned halvings)
{
    struct hg_hwp_shape s;
    int rc = hg_hwp_preview_shape(v, halvings, &s);

    for (unsigned i = 0; rc == HOLOG_OK && i < HG_HWP_RANK; i++) {
        unsigned missing = HG_HWP_RANK - s.rank;
        uint64_t n = i < missing ? 1 : s.n[i - missing];
        if (box->n[i] == 0 || box->n[i] > n || box->lo[i] > n - box->n[i])
            return hg_error(HOLOG_E_INVAL, "%llu elements from %llu of axis %u, which has %llu",
                            (unsigned long long)box->n[i], (unsigned long long)box->lo[i], i,
                            (unsigned long long)n);
    }
    return rc;
}

int hg_hwp_region(struct hg_hwp *h, const struct hg_hwp_value *v, const struct hg_hwp_box *box,
                  unsigned halvings, void *out, const struct hg_hwp_bases *bases)
{
    struct job j = {
        .h = h, .v = resolve(h, v), .bases = bases, .box = *box, .halvings = halvings, .out = out
    };
    int rc = check_box(v, box, halvings);

    if (rc < 0)
        return rc;
    hg_hwp_tile(&v->shape, &j.t);
    return region(&j);
}

int hg_hwp_decode_group(struct hg_hwp *h, const struct hg_hwp_value *v, uint32_t nth,
                        const struct hg_hwp_bases *bases, const struct hg_hwp_each *each)
{
    struct job j = { .h = h, .v = v, .bases = bases, .each = each };
    struct hg_workspace *w = NULL;
    int rc = hg_workspace_take(h->from.work, &w);

    hg_hwp_tile(&v->shape, &j.t);
    if (rc == HOLOG_OK)
        rc = read_group(&j, w, nth);
    hg_workspace_give(h->from.work, w);
    return rc;
}
