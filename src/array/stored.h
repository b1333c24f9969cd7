/*
 * What of an array is stored one by one, under the node component of its indexes: chunks; or, where
 * `sharding_indexed` is the only codec and its index is of the usual kind, the inner chunks of these shards
 * (docs/FORMAT.md, node components). All who read or write chunks ask here.
 */
#ifndef HG_ARRAY_STORED_H
#define HG_ARRAY_STORED_H

#include "array/document.h"

#define HG_STORED_MAX (1u << 20) /* an index of 16 MiB; of more, shards are kept as they come */

struct hg_stored {
    uint32_t chunks;            /* inner ones in a shard; 0: the array has no such shards */
    uint64_t per[HG_RANK_MAX];  /* along each axis; without shards 1 */
    uint64_t size[HG_RANK_MAX]; /* elements of an inner chunk; without shards of a chunk */
    int index_first;
    int has_crc;
};
/* Of a document that hg_document_read has taken. Any doubt, and there are none. */
void hg_stored_of(const struct hg_document *d, struct hg_stored *out);

#endif
