/*
 * Shards whose inner chunks are stored one by one (codec "sharding_indexed", alone in its chain): put together
 * when they are read, taken apart when they are set.
 *
 *   shard   inner chunks in C order, those that are there, one behind the other; the index behind them, or
 *           before them, as the document says
 *   index   for each inner chunk, in C order, where it begins in the shard and its size, 8 bytes each,
 *           little-endian; both ff..ff when it is not there. Then a CRC-32C of that, if the document says so
 *
 * So a shard's bytes follow from its document and its inner chunks, and its index from their sizes alone. The
 * shards of others, in any order and with gaps, are taken too.
 *
 * Source: Zarr v3 specification of the codec, version 1.0.
 */
#ifndef HG_BACKENDS_ZARR_SHARDS_H
#define HG_BACKENDS_ZARR_SHARDS_H

#include "array/stored.h"

size_t hg_zarr_shard_index_size(const struct hg_stored *s);

/* An inner chunk that is there. */
struct hg_zarr_inner_chunk {
    uint32_t slot; /* in C order of the shard */
    uint64_t size;
};
/* The index of n inner chunks, slots ascending, into out (hg_zarr_shard_index_size); `step`: bytes from one struct to the
 * next, which may have more behind it. */
void hg_zarr_shard_index_write(const struct hg_stored *s, const void *chunks, size_t n, size_t step,
                               uint8_t *out);

/* Where the inner chunks of a shard lie. HOLOG_E_INVAL: it is cut short, its checksum or what it says cannot
 * be; inner chunks may not share bytes. out: for each slot (s->chunks of them) where and how long, UINT64_MAX
 * both when it is not there. */
struct hg_zarr_inner_place {
    uint64_t offset, size;
};
HG_MUST_CHECK int hg_zarr_shard_read(const struct hg_stored *s, const uint8_t *shard, size_t len,
                                     struct hg_zarr_inner_place *out);

/* Indexes of an inner chunk in the grid of all inner chunks, and back: the slot. */
void hg_zarr_shard_inner(const struct hg_stored *s, unsigned rank, const uint64_t *shard,
                         uint32_t slot, uint64_t *out_index);
uint32_t hg_zarr_shard_slot(const struct hg_stored *s, unsigned rank, const uint64_t *index);

#endif
