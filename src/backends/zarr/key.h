/*
 * Keys of a Zarr hierarchy, as text: pure, of any bytes.
 *
 *   key     names with a '/' between them, none before the first; a '/' behind the last makes it a prefix, as
 *           which it must begin others. Names are those of paths: UTF-8, 1-255 bytes, neither "." nor ".."
 *   chunk   below its array, by the encoding that the document names. Indexes are decimal without leading
 *           zeros and inside the grid, so that each chunk has one key
 *
 *             default  '/'   c/0/12      c   of a single value     prefixes: c, c/0
 *             default  '.'   c.0.12      c
 *             v2       '/'   0/12        0                                   0
 *             v2       '.'   0.12        0
 */
#ifndef HG_BACKENDS_ZARR_KEY_H
#define HG_BACKENDS_ZARR_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/node.h"
#include "engine/pathkey.h"

#define HG_ZARR_KEY_MAX (HG_PATH_MAX + HG_NODE_TEXT_MAX) /* of any chunk that a store can hold */

/* What its last name says. */
enum hg_zarr_name {
    HG_ZARR_PLAIN,
    HG_ZARR_JSON,     /* zarr.json */
    HG_ZARR_ZGROUP,   /* .zgroup, as the next three a document of Zarr v2 */
    HG_ZARR_ZARRAY,   /* .zarray */
    HG_ZARR_ZATTRS,   /* .zattrs */
    HG_ZARR_ZMETADATA /* .zmetadata */
};

struct hg_zarr_key {
    enum hg_zarr_name name;
    size_t len;     /* without the '/' at its end */
    size_t dir_len; /* of what is in front of the last name and its '/' */
    int is_prefix;  /* it has a '/' at its end, or is empty */
};
/* HOLOG_E_BADPATH, HOLOG_E_NAMETOOLONG: it can be no key. */
HG_MUST_CHECK int hg_zarr_key_read(const char *key, size_t len, struct hg_zarr_key *out);
enum hg_zarr_name hg_zarr_name_of(const char *name, size_t len);

/* How an array spells its chunks. */
struct hg_zarr_grid {
    unsigned rank;
    char separator; /* '/' or '.' */
    int v2_keys;
    uint64_t count[HG_RANK_MAX]; /* chunks along each axis */
};
/* Text below the array to indexes. Returns how many it has: all of them (rank): a chunk; fewer: what keys of
 * chunks begin with, up to a '/'. -1: neither. */
int hg_zarr_chunk_read(const struct hg_zarr_grid *g, const char *text, size_t len,
                       uint64_t *out_index);
/* The key of the first n indexes, NUL-terminated, into out (HG_NODE_TEXT_MAX). Returns its length. n below the
 * rank is for '/' only; of v2 keys n is not 0, but for a single value. */
size_t hg_zarr_chunk_text(const struct hg_zarr_grid *g, const uint64_t *index, unsigned n,
                          char *out);

#endif
