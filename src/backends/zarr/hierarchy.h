/*
 * A hierarchy opened for reading, as its files share it.
 */
#ifndef HG_BACKENDS_ZARR_HIERARCHY_H
#define HG_BACKENDS_ZARR_HIERARCHY_H

#include "backends/zarr/place.h"

struct holog_zarr {
    struct hg_zarr_tree tree;
    holog_view *view;
    unsigned flags;
    struct hg_mutex lock;
};

HG_MUST_CHECK int hg_zarr_check(const holog_zarr *z);

/* Bytes of the key and, unless etag is NULL, what tells them from others. HOLOG_E_NOENT without a message: the
 * place is no key. */
HG_MUST_CHECK int hg_zarr_measure(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                                  uint64_t *out_size, uint64_t *etag);

#endif
