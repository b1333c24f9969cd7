/*
 * What a Zarr hierarchy has to know of an array, from its document; and the documents that it takes.
 */
#ifndef HG_BACKENDS_ZARR_ARRAY_H
#define HG_BACKENDS_ZARR_ARRAY_H

#include "backends/zarr/key.h"
#include "backends/zarr/shards.h"

struct hg_zarr_array {
    struct hg_zarr_grid grid; /* of the chunks that have keys: of a sharded array, shards */
    struct hg_stored shards;
    uint64_t shape[HG_RANK_MAX];
    int has_twin; /* of Zarr v2 */
};
/* HOLOG_E_INVAL, HOLOG_E_NOTSUP, HOLOG_E_TOOBIG: as hg_document_read. */
HG_MUST_CHECK int hg_zarr_array_read(const void *json, size_t len, struct hg_zarr_array *out);

/* *out_is_array: 1, or it is a group's. HOLOG_E_INVAL: it is no document of Zarr v3; of the group's, any
 * member that may not be there. HOLOG_E_NOTSUP: a group's, with a member that must be understood. */
HG_MUST_CHECK int hg_zarr_document_check(const void *json, size_t len, int *out_is_array);

/* Do both documents read the same chunks the same way? 1, 0 or a negative code. */
int hg_zarr_same_chunks(const void *json, size_t len, const void *other, size_t other_len);

#endif
