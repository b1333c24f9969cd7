/*
 * Tiles; see hwp_tiles.h.
 */
#include "compaction/hwp_tiles.h"

#include <string.h>

#include "base/error.h"
#include "wal/layout.h"

#define SHORT_TILE 65536u /* elements, to which a tile with a short axis may grow */

/* ---- shapes --------------------------------------------------------------------------------------*/

uint64_t hg_hwp_shape_bytes(const struct hg_hwp_shape *s)
{
    struct hg_cold_array element = { .size = s->size, .kind = s->kind };
    uint64_t bytes = s->size;

    if (hg_cold_raw_bytes(&element) == 0 || s->rank > HG_HWP_RANK)
        return 0;
    for (unsigned i = 0; i < s->rank; i++) {
        if (s->n[i] == 0 || s->n[i] > HG_NUMBER_MAX / bytes)
            return 0;
        bytes *= s->n[i];
    }
    return bytes;
}

int hg_hwp_fold(uint8_t size, uint8_t kind, unsigned rank, const uint64_t *n,
                struct hg_hwp_shape *out)
{
    struct hg_hwp_shape s = { .size = size, .kind = kind, .rank = (uint8_t)HG_MIN(rank, 4u) };
    unsigned merged = rank - s.rank;

    for (unsigned i = 0; i < s.rank; i++)
        s.n[i] = n[merged + i];
    for (unsigned i = 0; i < merged; i++) {
        if (n[i] == 0 || n[i] > HG_NUMBER_MAX || s.n[0] > HG_NUMBER_MAX / n[i])
            return hg_error(HOLOG_E_INVAL, "axis %u of %llu does not go into a tiled value", i,
                            (unsigned long long)n[i]);
        s.n[0] *= n[i];
    }
    if (hg_hwp_shape_bytes(&s) == 0)
        return hg_error(
            HOLOG_E_INVAL,
            "elements of %u bytes and kind %u with %u axes cannot be tiled: store bytes", size,
            kind, rank);
    *out = s;
    return HOLOG_OK;
}

struct hg_hwp_shape hg_hwp_bytes(uint64_t len)
{
    return (struct hg_hwp_shape){ 1, HG_ELEMENT_UNSIGNED, 1, { len } };
}

int hg_hwp_is_alike(const struct hg_hwp_shape *a, const struct hg_hwp_shape *b)
{
    return a->size == b->size && a->kind == b->kind && a->rank == b->rank &&
           memcmp(a->n, b->n, sizeof a->n) == 0;
}

/* ---- tiles ---------------------------------------------------------------------------------------*/

/* Doubles `tile` as long as there is more of the axis, and room. */
static uint64_t grow(uint64_t tile, uint64_t n, uint64_t beside)
{
    while (tile < n && 2 * tile * beside <= SHORT_TILE)
        tile *= 2;
    return HG_MIN(tile, n);
}

static void choose_tile(struct hg_hwp_tiling *t)
{
    uint64_t side = HG_HWP_TILE_SIDE;
    uint64_t *tile = t->tile;
    uint64_t bytes;

    if (t->shape.rank < 2) {
        tile[3] = HG_MIN(HG_HWP_RUN_RAW / t->shape.size, t->n[3]);
        return;
    }
    tile[3] = grow(side, t->n[3], HG_MIN(side, t->n[2]));
    tile[2] = grow(side, t->n[2], tile[3]);
    bytes = tile[2] * tile[3] * t->shape.size;
    for (unsigned i = 2; i-- > 0;) {
        tile[i] = HG_MIN(HG_MAX(HG_HWP_TILE_RAW / bytes, 1u), t->n[i]);
        bytes *= tile[i];
        if (tile[i] < t->n[i])
            bytes = HG_HWP_TILE_RAW; /* outer axes: one at a time */
    }
}

/* Whole planes of tiles, or rows of them, if there is room. */
static uint64_t choose_group(const struct hg_hwp_tiling *t)
{
    uint64_t bytes = t->shape.size;
    uint64_t most;
    uint64_t unit = t->tiles;

    for (unsigned i = 0; i < HG_HWP_RANK; i++)
        bytes *= t->tile[i];
    most = HG_MAX(HG_HWP_GROUP_RAW / bytes, 1u);
    for (unsigned i = 0; i < HG_HWP_RANK && unit > most; i++)
        unit /= t->grid[i];
    return unit > most ? most : most / unit * unit;
}

void hg_hwp_tile(const struct hg_hwp_shape *s, struct hg_hwp_tiling *out)
{
    struct hg_hwp_tiling t = { .shape = *s, .tile = { 1, 1, 1, 1 }, .tiles = 1 };

    for (unsigned i = 0; i < HG_HWP_RANK; i++)
        t.n[i] = i + s->rank < HG_HWP_RANK ? 1 : s->n[i + s->rank - HG_HWP_RANK];
    *out = t;
    if (t.n[3] == 0) {
        out->tiles = 0;
        return;
    }
    choose_tile(&t);
    for (unsigned i = 0; i < HG_HWP_RANK; i++) {
        t.grid[i] = (t.n[i] - 1) / t.tile[i] + 1;
        t.tiles *= t.grid[i];
    }
    t.per_group = choose_group(&t);
    t.groups = (t.tiles - 1) / t.per_group + 1;
    *out = t;
}

void hg_hwp_tile_box(const struct hg_hwp_tiling *t, uint64_t i, struct hg_hwp_box *out)
{
    for (unsigned axis = HG_HWP_RANK; axis-- > 0; i /= t->grid[axis]) {
        out->lo[axis] = i % t->grid[axis] * t->tile[axis];
        out->n[axis] = HG_MIN(t->tile[axis], t->n[axis] - out->lo[axis]);
    }
}

void hg_hwp_tile_array(const struct hg_hwp_tiling *t, const struct hg_hwp_box *box,
                       struct hg_cold_array *out)
{
    *out = (struct hg_cold_array){ t->shape.size, t->shape.kind, t->shape.rank, { 0 } };
    for (unsigned i = 0; i < t->shape.rank; i++)
        out->n[i] = (uint32_t)box->n[HG_HWP_RANK - t->shape.rank + i];
}

uint64_t hg_hwp_box_bytes(const struct hg_hwp_box *b, unsigned size)
{
    return size * b->n[0] * b->n[1] * b->n[2] * b->n[3];
}

uint64_t hg_hwp_tiles_bytes(const struct hg_hwp_tiling *t, uint64_t first, uint64_t count)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct hg_hwp_box b;
        hg_hwp_tile_box(t, first + i, &b);
        bytes += hg_hwp_box_bytes(&b, t->shape.size);
    }
    return bytes;
}

/* ---- boxes ---------------------------------------------------------------------------------------*/

int hg_hwp_cut(const struct hg_hwp_box *a, const struct hg_hwp_box *b, struct hg_hwp_box *out)
{
    for (unsigned i = 0; i < HG_HWP_RANK; i++) {
        uint64_t lo = HG_MAX(a->lo[i], b->lo[i]);
        uint64_t end = HG_MIN(a->lo[i] + a->n[i], b->lo[i] + b->n[i]);
        if (lo >= end)
            return 0;
        out->lo[i] = lo;
        out->n[i] = end - lo;
    }
    return 1;
}

/* Which element of the box is at these indexes of the value? */
static uint64_t place(const struct hg_hwp_box *b, const uint64_t *at)
{
    uint64_t i = 0;

    for (unsigned axis = 0; axis < HG_HWP_RANK; axis++)
        i = i * b->n[axis] + (at[axis] - b->lo[axis]);
    return i;
}

void hg_hwp_copy(const struct hg_hwp_box *part, unsigned size, const struct hg_hwp_box *from,
                 const void *src, const struct hg_hwp_box *to, void *dst)
{
    uint64_t at[HG_HWP_RANK] = { 0, 0, 0, part->lo[3] };

    for (at[0] = part->lo[0]; at[0] < part->lo[0] + part->n[0]; at[0]++)
        for (at[1] = part->lo[1]; at[1] < part->lo[1] + part->n[1]; at[1]++)
            for (at[2] = part->lo[2]; at[2] < part->lo[2] + part->n[2]; at[2]++)
                memcpy((uint8_t *)dst + place(to, at) * size,
                       (const uint8_t *)src + place(from, at) * size, part->n[3] * size);
}

/* `size` is a constant where this is inlined. */
static inline uint64_t sum_of(const uint8_t *raw, size_t len, uint64_t sign, size_t size)
{
    uint64_t sum = 0;

    for (size_t at = 0; at < len; at += size) {
        uint64_t v = 0;
        memcpy(&v, raw + at, size);
        sum += (v ^ sign) - sign; /* extends the sign */
    }
    return sum;
}

uint64_t hg_hwp_sum(uint8_t size, uint8_t kind, const void *raw, size_t len)
{
    uint64_t sign = kind == HG_ELEMENT_SIGNED ? UINT64_C(1) << (8 * size - 1) : 0;

    switch (size) {
    case 1: return sum_of(raw, len, sign, 1);
    case 2: return sum_of(raw, len, sign, 2);
    case 4: return sum_of(raw, len, sign, 4);
    default: return sum_of(raw, len, sign, 8);
    }
}
