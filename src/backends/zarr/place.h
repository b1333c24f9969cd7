/*
 * From a key to what it names, in a version of the store or through a transaction; and the chunks of an array by
 * their indexes.
 *
 * A chunk belongs to the nearest array above its key. Of an array that keeps inner chunks of shards, components
 * have indexes in the grid of all inner chunks; lead and index below are always those of keys: of shards then.
 */
#ifndef HG_BACKENDS_ZARR_PLACE_H
#define HG_BACKENDS_ZARR_PLACE_H

#include "backends/zarr/array.h"
#include "engine/store_internal.h"
#include "holog/zarr.h"

#define HG_ZARR_CACHED \
    16u /* arrays of which a handle or a transaction keeps what its document says */

struct hg_zarr_cached {
    struct hg_locator of; /* the document; type 0: nothing is kept here */
    struct hg_hash128
        hash; /* of its bytes, when a transaction has made it: others would get its number */
    struct hg_zarr_array array;
};

/* A hierarchy. */
struct hg_zarr_tree {
    holog_store *store;
    struct hg_version *version;
    holog_txn *txn; /* NULL: it is that of a view */
    struct hg_lookup lookup;
    char base[HG_PATH_MAX + 1]; /* canonical, of the directory that keys are relative to */
    size_t base_len;
    int is_v2;
    struct hg_mutex *lock; /* of what is kept, where threads share it; else NULL */
    unsigned next;         /* place to be used again; lock */
    struct hg_zarr_cached cached[HG_ZARR_CACHED]; /* lock */
};

enum hg_zarr_what {
    HG_ZARR_NOTHING,
    HG_ZARR_ARRAY_DOCUMENT,
    HG_ZARR_GROUP_DOCUMENT,
    HG_ZARR_MADE_UP,      /* the document of a directory that has none */
    HG_ZARR_CONSOLIDATED, /* .zmetadata */
    HG_ZARR_CHUNK,        /* an entry of its own */
    HG_ZARR_SHARD,        /* put together; chunks of it may be there or not */
    HG_ZARR_CHUNKS,       /* keys of chunks begin with it */
    HG_ZARR_BLOB,
    HG_ZARR_DIRECTORY,
};
struct hg_zarr_place {
    enum hg_zarr_what what;
    enum hg_zarr_name name;
    struct hg_resolved
        at; /* blob, directory; of a document and of chunks the directory they are below */
    struct hg_locator loc;       /* of what has one */
    int in_array;                /* there is an array above it; the next three are of the nearest */
    size_t array_len;            /* of its key, in bytes */
    struct hg_resolved array_at; /* its directory */
    struct hg_zarr_array array;
    int is_chunk; /* it is spelled like a chunk of the array, be that there or not */
    unsigned n;   /* CHUNK, SHARD, CHUNKS: how many indexes the key has */
    uint64_t index[HG_RANK_MAX];
};
/* Whatever the key names, NOTHING too, is HOLOG_OK. as_prefix: as if it had a '/' behind it, which makes it
 * DIRECTORY, CHUNKS (`at` may be a directory too) or NOTHING. */
HG_MUST_CHECK int hg_zarr_find(struct hg_zarr_tree *t, const char *key, int as_prefix,
                               struct hg_zarr_place *out);

/* The document or chunk `component` below a directory. HOLOG_E_NOENT without a message. */
HG_MUST_CHECK int hg_zarr_node(const struct hg_zarr_tree *t, const struct hg_key *dir,
                               const char *component, size_t len, struct hg_locator *out);
/* What the array document at loc says. */
HG_MUST_CHECK int hg_zarr_array_at(struct hg_zarr_tree *t, const struct hg_locator *loc,
                                   const char *path, struct hg_zarr_array *out);
HG_MUST_CHECK int hg_zarr_value(const struct hg_zarr_tree *t, const struct hg_locator *loc,
                                const char *path, holog_value **out_value);
/* The key below the hierarchy's directory as a canonical path. HOLOG_E_NAMETOOLONG: no path is that long. */
HG_MUST_CHECK int hg_zarr_path(const struct hg_zarr_tree *t, const char *key, size_t len, char *out,
                               size_t *out_len);

/* ---- chunks ---- */

/* The next index on axis k, `from` or above, with chunks whose keys have the k indexes `lead` in front of it.
 * HOLOG_E_NOENT without a message: there are none. */
HG_MUST_CHECK int hg_zarr_next(const struct hg_zarr_tree *t, const struct hg_key *dir,
                               const struct hg_zarr_array *a, const uint64_t *lead, unsigned k,
                               uint64_t from, uint64_t *out);
/* Are there chunks whose keys begin with these n indexes? 1, 0 or a negative code. */
int hg_zarr_has_chunks(const struct hg_zarr_tree *t, const struct hg_key *dir,
                       const struct hg_zarr_array *a, const uint64_t *lead, unsigned n);

struct hg_zarr_inner {
    struct hg_zarr_inner_chunk chunk; /* first: hg_zarr_shard_index_write */
    struct hg_locator loc;
};
/* The inner chunks of a shard that are there (struct hg_zarr_inner), slots ascending; appended. */
HG_MUST_CHECK int hg_zarr_inner_chunks(const struct hg_zarr_tree *t, const struct hg_key *dir,
                                       const struct hg_zarr_array *a, const uint64_t *shard,
                                       struct hg_buf *out);
/* Bytes of the shard that they make; 0: none are there, and it is missing. */
uint64_t hg_zarr_shard_size(const struct hg_zarr_array *a, const struct hg_buf *inner);

/* Every chunk entry whose component begins with the n indexes lead, of inner chunks, in C order. Not 0 from
 * `each` ends it, and is returned. */
HG_MUST_CHECK int hg_zarr_each_entry(
    const struct hg_zarr_tree *t, const struct hg_key *dir, const struct hg_zarr_array *a,
    const uint64_t *lead, unsigned n,
    int (*each)(void *ctx, const uint64_t *index, const struct hg_locator *loc), void *ctx);
/* The indexes on axis k of the keys that have the k indexes `lead` in front of it, each once, ascending; size of
 * the chunk or shard where k is the last axis. Not 0 from `each` ends it, and is returned. */
HG_MUST_CHECK int hg_zarr_each_index(const struct hg_zarr_tree *t, const struct hg_key *dir,
                                     const struct hg_zarr_array *a, const uint64_t *lead,
                                     unsigned k,
                                     int (*each)(void *ctx, uint64_t index, uint64_t size_bytes),
                                     void *ctx);
/* All chunks or shards whose keys begin with the n indexes lead, in C order; else as above. */
HG_MUST_CHECK int hg_zarr_each_chunk(
    const struct hg_zarr_tree *t, const struct hg_key *dir, const struct hg_zarr_array *a,
    const uint64_t *lead, unsigned n,
    int (*each)(void *ctx, const uint64_t *index, uint64_t size_bytes), void *ctx);

#endif
