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
    struct hg_mutex lock;       /* the tree's */
    struct hg_mutex making;     /* held before the other */
    struct hg_buf consolidated; /* making; empty: nobody has asked for it */
};

HG_MUST_CHECK int hg_zarr_check(const holog_zarr *z);

/* ---- made.c ---- */
/* Is it a document that is made up when it is read? */
int hg_zarr_is_made(const holog_zarr *z, const struct hg_zarr_place *p);
/* Its bytes, appended. HOLOG_E_NOENT without a message: there is nothing that it would say. HOLOG_E_NOTSUP: of an
 * array that has none in this version of Zarr. */
HG_MUST_CHECK int hg_zarr_make(holog_zarr *z, const struct hg_zarr_place *p, struct hg_buf *out);

/* ---- list.c ---- */
/* Places of documents of all groups and arrays, be they said to be something or not. Not 0 from `each` ends
 * it, and is returned. */
HG_MUST_CHECK int hg_zarr_each_document(holog_zarr *z,
                                        int (*each)(void *ctx, const char *key,
                                                    const struct hg_zarr_place *p),
                                        void *ctx);

/* Bytes of the key and, unless etag is NULL, what tells them from others. HOLOG_E_NOENT without a message: the
 * place is no key. */
HG_MUST_CHECK int hg_zarr_measure(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                                  uint64_t *out_size, uint64_t *etag);

#endif
