/*
 * A region of an array, in parts that each lie in one chunk; and elements moved between two places with
 * strides.
 *
 * A region has, for each axis, where it starts, how many elements it has and the step from one to the next:
 * start, start + step, ..., start + (count - 1) * step. Parts come in C order of their chunks. Chunks are
 * aligned to index 0; the last along an axis may reach beyond the shape and is as large as any.
 */
#ifndef HG_ARRAY_GRID_H
#define HG_ARRAY_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/node.h"

struct hg_region {
    uint64_t start[HG_RANK_MAX];
    uint64_t count[HG_RANK_MAX];
    uint64_t step[HG_RANK_MAX]; /* 1 or more */
};

/* Bytes of its elements, of `size` each. */
static inline uint64_t hg_region_bytes(const struct hg_region *r, unsigned rank, size_t size)
{
    uint64_t bytes = size;

    for (unsigned i = 0; i < rank; i++)
        bytes *= r->count[i];
    return bytes;
}

struct hg_part {
    uint64_t chunk[HG_RANK_MAX]; /* index in the grid */
    uint64_t start[HG_RANK_MAX]; /* of its first element, in the chunk; the next is a step on */
    uint64_t first[HG_RANK_MAX]; /* the same element, counted in the region */
    uint64_t count[HG_RANK_MAX]; /* elements */
    int whole;                   /* all of the chunk that is inside the shape */
};

struct hg_parts {
    unsigned rank;
    const uint64_t *shape; /* borrowed, as the two below */
    const uint64_t *chunk;
    const struct hg_region *region;
    struct hg_part part; /* the one at hand */
    int begun, ended;
};

/* Sizes are at most HG_INDEX_MAX, those of chunks not 0. HOLOG_E_RANGE: the region is not inside the
 * shape, and the message says on which axis; HOLOG_E_INVAL: a step is 0. A region without elements is
 * inside wherever it starts up to the end. */
HG_MUST_CHECK int hg_parts_begin(struct hg_parts *w, unsigned rank, const uint64_t *shape,
                                 const uint64_t *chunk, const struct hg_region *region);
/* w->part is the next part: 1; or there are no more: 0. */
int hg_parts_next(struct hg_parts *w);

/* count[0] * ... elements of `size` bytes, each where its strides (bytes, may be negative) have it. Both
 * places lie apart. */
void hg_copy_strided(unsigned rank, const uint64_t *count, size_t size, uint8_t *to,
                     const int64_t *to_stride, const uint8_t *from, const int64_t *from_stride);
/* The same from one element, for all of them. */
void hg_fill_strided(unsigned rank, const uint64_t *count, size_t size, uint8_t *to,
                     const int64_t *to_stride, const uint8_t *element);
/* Strides of elements one after the other in C order. */
void hg_strides_of(unsigned rank, const uint64_t *count, size_t size, int64_t *out);

#endif
