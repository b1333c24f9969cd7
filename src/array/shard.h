/*
 * The codec sharding_indexed: a chunk that is made of inner chunks, each encoded by itself, with an index.
 *
 *   configuration
 *   chunk_shape     of an inner chunk; divides the shard's along each axis
 *   codecs          what an inner chunk goes through; array/chain.h
 *   index_codecs    what the index goes through: bytes, and crc32c or nothing
 *   index_location  "end" (unless said) or "start"
 *
 * The index has for each inner chunk, in the C order of their grid, two numbers of 64 bits: where it begins,
 * from the first byte of the shard, and how many bytes it has; both 2^64-1: it has fill values only. It is
 * always there, and complete. Inner chunks may lie in any order, apart, one over the other, and the same bytes
 * may be several.
 *
 * Source: Zarr, codecs/sharding-indexed, version 1.0.
 */
#ifndef HG_ARRAY_SHARD_H
#define HG_ARRAY_SHARD_H

#include "array/chain.h"

#define HG_SHARD_NONE UINT64_MAX

struct hg_shard_entry {
    uint64_t offset; /* HG_SHARD_NONE, as the other: there is no such inner chunk */
    uint64_t len;
};

/* plan: of the shard; its codecs are ignored. As hg_chain_create. HOLOG_E_NOTSUP: over HG_SHARD_DEPTH. */
HG_MUST_CHECK int hg_shard_make(const struct hg_codec *codec, const struct hg_chain_plan *plan,
                                struct hg_shard **out);
void hg_shard_destroy(struct hg_shard *s); /* NULL is fine */

/* Inner chunks: their shape, how many there are along each axis and in all, and what they go through. */
const uint64_t *hg_shard_inner(const struct hg_shard *s);
const uint64_t *hg_shard_grid(const struct hg_shard *s);
uint64_t hg_shard_count(const struct hg_shard *s);
const struct hg_chain *hg_shard_chain(const struct hg_shard *s);
/* More bytes than this are no shard: four times what inner chunks need that are written badly. */
uint64_t hg_shard_stored_max(const struct hg_shard *s);

/* ---- the index ---- */

uint64_t hg_shard_index_bytes(const struct hg_shard *s);
int hg_shard_index_at_start(const struct hg_shard *s);
/* Where is it, in a shard of so many bytes? HOLOG_E_CORRUPT: they are too few for one. */
HG_MUST_CHECK int hg_shard_index_find(const struct hg_shard *s, uint64_t shard_bytes,
                                      uint64_t *out_offset);
/* out: hg_shard_count; each of them lies inside shard_bytes, or is absent. HOLOG_E_CORRUPT: one does not, or
 * the checksum is wrong; out may have been written to. */
HG_MUST_CHECK int hg_shard_index_decode(const struct hg_shard *s, const void *index,
                                        uint64_t shard_bytes, struct hg_shard_entry *out);
/* Append the index, hg_shard_index_bytes. */
HG_MUST_CHECK int hg_shard_index_encode(const struct hg_shard *s,
                                        const struct hg_shard_entry *entries, struct hg_buf *out);
/* Where inner chunks of these lengths (HG_SHARD_NONE: absent) are, when they are one behind the other in C
 * order with the index before or behind them; out_bytes: of the shard. */
void hg_shard_place(const struct hg_shard *s, const uint64_t *lengths, struct hg_shard_entry *out,
                    uint64_t *out_bytes);

/* ---- whole shards ---- */

/* raw: of the whole shard; of no meaning on failure. HOLOG_E_CORRUPT: the message has the inner chunk. */
HG_MUST_CHECK int hg_shard_decode(const struct hg_shard *s, struct hg_scratch *scratch,
                                  const void *stored, size_t len, uint8_t *raw);
/* Append a shard. Inner chunks that are fill values, by their bytes, are left out. On failure out is as it
 * was, but for room. */
HG_MUST_CHECK int hg_shard_encode(const struct hg_shard *s, struct hg_scratch *scratch,
                                  const uint8_t *raw, struct hg_buf *out);

#endif
