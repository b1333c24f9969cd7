/*
 * What a chunk's elements go through to become stored bytes, and back: the codecs of an array's document,
 * ready to run.
 *
 *   elements    raw: little-endian, in C order, every element of the chunk
 *   transpose   axes in another order; several are one
 *   bytes       the words of elements little-endian or big-endian
 *   or sharding_indexed: array/shard.h
 *   the rest    array/step.h, one after the other
 *
 * A chain never changes; any thread may use it. A damaged chunk is HOLOG_E_CORRUPT, and the message says which
 * codec found it: it is never taken for fill values.
 */
#ifndef HG_ARRAY_CHAIN_H
#define HG_ARRAY_CHAIN_H

#include "array/document.h"

#define HG_CHUNK_RAW_MAX ((UINT64_C(1) << 31) - 1) /* bytes */
#define HG_SHARD_DEPTH   4                         /* shards in shards */

struct hg_chain;
struct hg_shard;

/* HOLOG_E_NOTSUP: the first codec that holog cannot run, by name; HOLOG_E_INVAL: a configuration is wrong, the
 * message has codec and member; HOLOG_E_TOOBIG: a chunk over HG_CHUNK_RAW_MAX. The document may go. */
HG_MUST_CHECK int hg_chain_create(const struct hg_document *d, struct hg_chain **out);
void hg_chain_destroy(struct hg_chain *c); /* NULL is fine */

/* 1: stored bytes are the elements themselves. */
int hg_chain_is_plain(const struct hg_chain *c);
/* The shard that stored bytes are, as they stand; NULL: they are none, or are gone through more. */
const struct hg_shard *hg_chain_shard(const struct hg_chain *c);
uint64_t hg_chain_raw_bytes(const struct hg_chain *c);
/* More bytes than this are no chunk. */
uint64_t hg_chain_stored_max(const struct hg_chain *c);

/* raw: hg_chain_raw_bytes, apart from stored; of no meaning on failure. */
HG_MUST_CHECK int hg_chain_decode(const struct hg_chain *c, const void *stored, size_t len,
                                  void *raw);
/* Append the stored bytes. On failure out is as it was. */
HG_MUST_CHECK int hg_chain_encode(const struct hg_chain *c, const void *raw, struct hg_buf *out);

/* The same for many chunks in a row (array/step.h). */
struct hg_scratch;
HG_MUST_CHECK int hg_chain_decode_with(const struct hg_chain *c, struct hg_scratch *scratch,
                                       const void *stored, size_t len, void *raw);
HG_MUST_CHECK int hg_chain_encode_with(const struct hg_chain *c, struct hg_scratch *scratch,
                                       const void *raw, struct hg_buf *out);

/* A chain of a part of a document: for shards. */
struct hg_chain_plan {
    struct hg_type type;
    unsigned rank;
    const uint64_t *shape; /* of a chunk; none is 0 */
    const uint8_t *fill;   /* an element */
    const struct hg_codec *codecs;
    unsigned n_codecs;
    unsigned depth; /* of shards around it */
};
HG_MUST_CHECK int hg_chain_make(const struct hg_chain_plan *plan, struct hg_chain **out);

#endif
