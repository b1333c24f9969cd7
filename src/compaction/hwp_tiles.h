/*
 * How a value is cut into tiles, and tiles are put into groups: arithmetic over its shape alone, the same for who
 * writes and who reads.
 *
 * Tiles are 256 x 256 along the last two axes; where one of the two is shorter the other is doubled as long as 65536
 * elements are not passed. Of the axes before, as many as make at most 512 KiB, inner ones first. One axis: runs of
 * 128 KiB. Tiles lie in C order; a group has as many as make at most 8 MiB, whole planes or rows of tiles if there is
 * room for one.
 */
#ifndef HG_COMPACTION_HWP_TILES_H
#define HG_COMPACTION_HWP_TILES_H

#include "compaction/hwp_format.h"

struct hg_hwp_tiling {
    struct hg_hwp_shape shape;
    uint64_t
        tile[HG_HWP_RANK]; /* elements; all four axes, those that the shape lacks in front, of 1 */
    uint64_t n[HG_HWP_RANK];
    uint64_t grid[HG_HWP_RANK];
    uint64_t tiles;
    uint64_t per_group;
    uint64_t groups;
};

struct hg_hwp_box {
    uint64_t lo[HG_HWP_RANK]; /* as n above: four axes */
    uint64_t n[HG_HWP_RANK];
};

/* Shapes of up to 32 axes, outermost first: the outer ones are merged until there are four. HOLOG_E_INVAL: elements
 * that cold blocks do not have, an axis of 0, more than HG_NUMBER_MAX bytes. */
HG_MUST_CHECK int hg_hwp_fold(uint8_t size, uint8_t kind, unsigned rank, const uint64_t *n,
                              struct hg_hwp_shape *out);
struct hg_hwp_shape hg_hwp_bytes(uint64_t len);
/* Bytes; 0: a shape that cannot be. */
uint64_t hg_hwp_shape_bytes(const struct hg_hwp_shape *s);

int hg_hwp_is_alike(const struct hg_hwp_shape *a, const struct hg_hwp_shape *b);

/* A shape that can be; of 0 bytes there are no tiles. */
void hg_hwp_tile(const struct hg_hwp_shape *s, struct hg_hwp_tiling *out);
void hg_hwp_tile_box(const struct hg_hwp_tiling *t, uint64_t i, struct hg_hwp_box *out);
/* Tile i as the array of a cold block. */
void hg_hwp_tile_array(const struct hg_hwp_tiling *t, const struct hg_hwp_box *box,
                       struct hg_cold_array *out);
uint64_t hg_hwp_box_bytes(const struct hg_hwp_box *b, unsigned size);
/* Bytes of the tiles from `first` on, `count` of them. */
uint64_t hg_hwp_tiles_bytes(const struct hg_hwp_tiling *t, uint64_t first, uint64_t count);
/* Which axes, of the four, previews halve: the last two that the shape has. */
static inline int hg_hwp_is_halved(const struct hg_hwp_shape *s, unsigned axis)
{
    return axis >= HG_HWP_RANK - HG_MIN(s->rank, 2u);
}
/* 1: both have something; out is that. */
int hg_hwp_cut(const struct hg_hwp_box *a, const struct hg_hwp_box *b, struct hg_hwp_box *out);
/* Part of the box `from` of elements, into the same place of the box `to`. Both have all of `part`. */
void hg_hwp_copy(const struct hg_hwp_box *part, unsigned size, const struct hg_hwp_box *from,
                 const void *src, const struct hg_hwp_box *to, void *dst);
/* Sum of elements, mod 2^64. */
uint64_t hg_hwp_sum(uint8_t size, uint8_t kind, const void *raw, size_t len);

#endif
