/*
 * A block of elements to one: the mean, the first, the most frequent (holog/ome.h).
 */
#ifndef HG_OME_REDUCE_H
#define HG_OME_REDUCE_H

#include "array/dtype.h"
#include "holog/ome.h"

#define HG_BLOCK_MAX 64u /* elements of a block */

struct hg_reduction {
    struct hg_type type;
    uint32_t method;                     /* enum holog_ome_method, not DEFAULT; of RAW: not MEAN */
    unsigned rank;                       /* 1 to HOLOG_OME_AXES_MAX */
    uint64_t factor[HOLOG_OME_AXES_MAX]; /* 1 or more each; their product is at most HG_BLOCK_MAX */
};

/* How many blocks n elements are. */
static inline uint64_t hg_blocks(uint64_t n, uint64_t factor)
{
    return n / factor + (n % factor != 0);
}

/* in: elements in C order, shape[i] along axis i, from the first of a block on. out: hg_blocks of them along each axis,
 * at those strides (bytes), along the last axis one behind the other. Both are aligned to the type. */
void hg_reduce(const struct hg_reduction *r, const uint8_t *in, const uint64_t *shape, uint8_t *out,
               const int64_t *out_stride);

#endif
