/*
 * Parts of a shard, put together from its inner chunks. While one is copied, the disk reads the next ones that are
 * wanted whole.
 */
#ifndef HG_BACKENDS_ZARR_SHARD_READ_H
#define HG_BACKENDS_ZARR_SHARD_READ_H

#include "backends/zarr/place.h"

/* What of a shard is wanted. */
struct hg_zarr_part {
    const struct hg_zarr_tree *tree;
    const struct hg_zarr_array *array;
    const struct hg_buf *inner; /* of hg_zarr_inner_chunks */
    const char *key;
    uint64_t from, to; /* offsets in the shard */
    uint8_t *out;      /* of `from` */
};
HG_MUST_CHECK int hg_zarr_part_read(const struct hg_zarr_part *p);

/* A part of an entry's value; damage is that of the key. */
HG_MUST_CHECK int hg_zarr_value_range(const struct hg_zarr_tree *t, const struct hg_locator *loc,
                                      const char *key, uint64_t offset, void *buf, size_t len,
                                      size_t *out_n);

#endif
