/*
 * What the files of an open array share. Private to src/array.
 *
 *   array.c         opening, what is known of it
 *   array_create.c  a new array: what it is to be, its document, in place of what was there
 *   array_read.c    regions to memory
 *   preview.c       regions at half, a quarter, ... of the resolution (halve.h)
 *   array_write.c   memory to regions; resize, append, attributes
 *   scan.c          how much of a region that is read the cache keeps
 */
#ifndef HG_ARRAY_ARRAY_INTERNAL_H
#define HG_ARRAY_ARRAY_INTERNAL_H

#include "array/chain.h"
#include "array/document.h"
#include "array/grid.h"
#include "engine/store_internal.h"
#include "holog/array.h"

struct holog_array {
    struct hg_txn_child child; /* first; of a transaction: in its list */
    int ended;                 /* the transaction was */
    struct hg_locator at;      /* of the document, in a transaction, ... */
    uint64_t serial;           /* ... and of the operation that saved it, where that is its own */
    holog_store *store;
    const holog_view *view;     /* asked before each read; NULL: there is none */
    struct hg_version *version; /* counted; of a transaction: its base, the transaction's */
    holog_txn *txn;             /* NULL: it is for reading */
    uint64_t number;
    struct hg_document doc;
    /* What is stored one by one: chunks, or, where these are shards and nothing else, inner chunks. */
    uint64_t grid[HG_RANK_MAX]; /* their shape */
    size_t chunk_bytes;         /* of their elements */
    struct hg_chain *outer;
    const struct hg_chain *chain; /* outer's, or that of its inner chunks */
    _Atomic uint64_t scan_at;     /* a chunk; the last region ended there, in C order, ... */
    _Atomic uint64_t scan_bytes;  /* ... and with those it followed had so much */
    int plain;                    /* stored bytes are the elements */
    uint64_t form;                /* else: what they are decoded by, as the cache knows it */
    char *attributes;
    char path[HG_PATH_MAX + 1];
    size_t path_len;
};

/* HOLOG_E_INVAL, HOLOG_E_STALE, and what any call may be answered. */
HG_MUST_CHECK int hg_array_check(const holog_array *a);
/* Its nodes, as its reader sees them; in a transaction what is looked at is remembered. */
HG_MUST_CHECK int hg_array_nodes(const holog_array *a, struct hg_nodes *out);
/* A region of it, checked, as parts in chunks; and the strides of memory that holds it. */
struct hg_array_walk {
    struct hg_region region;
    struct hg_parts parts;
    int64_t stride[HG_RANK_MAX];       /* of the caller's memory */
    int64_t chunk_stride[HG_RANK_MAX]; /* of elements of the region in a chunk: its steps */
};
HG_MUST_CHECK int hg_array_walk_begin(const holog_array *a, const holog_slice *slices,
                                      const int64_t *strides, struct hg_array_walk *out);
/* Of the part at hand: where it begins, in bytes, in the caller's memory and in its chunk. */
int64_t hg_array_walk_at(const struct hg_array_walk *w);
size_t hg_array_walk_in_chunk(const holog_array *a, const struct hg_array_walk *w);
HG_MUST_CHECK int hg_array_find_chunk(const holog_array *a, struct hg_nodes *n,
                                      const uint64_t *index, struct hg_locator *out);
/* n->path becomes the chunk's. */
void hg_array_name_chunk(const holog_array *a, struct hg_nodes *n, const uint64_t *index);
/* The chunk at n->path, decoded: chunk_bytes. What was decoded is kept in place of what is stored, or not. */
enum hg_array_keep {
    HG_KEEP_NOT,
    HG_KEEP_IF_SEEN, /* what is stored is in the cache: somebody has asked for it before */
    HG_KEEP
};
HG_MUST_CHECK int hg_array_load_chunk(const holog_array *a, struct hg_nodes *n,
                                      const struct hg_locator *loc, enum hg_array_keep keep,
                                      holog_value **out);
/* The same from its stored bytes, which the caller has, verified, and has a count of. */
HG_MUST_CHECK int hg_array_take_chunk(const holog_array *a, struct hg_nodes *n,
                                      struct hg_mem *stored, holog_value **out);
/* A region is about to be read: so many bytes of its chunks, from the first on, are for the cache. */
uint64_t hg_array_scan(holog_array *a, const struct hg_region *r);
/* All parts of a region to memory. kept: bytes of chunks, before the others pass. */
HG_MUST_CHECK int hg_array_read_parts(const holog_array *a, struct hg_array_walk *w,
                                      struct hg_nodes *n, uint64_t kept, uint8_t *out);
/* In place of the document there is now `json`: read it, and keep it. */
HG_MUST_CHECK int hg_array_take_document(holog_array *a, const void *json, size_t len);
/* The document that the transaction has now is the one that was read. */
HG_MUST_CHECK int hg_array_note_document(holog_array *a);
HG_MUST_CHECK int hg_array_in_txn(holog_txn *txn, const char *path, holog_array **out);
/* Every element the fill value. */
void hg_array_fill_chunk(const holog_array *a, void *elements);

/* ---- array_create.c ---- */
HG_MUST_CHECK int hg_array_put(holog_txn *txn, const char *path, const holog_array_spec *spec,
                               const void *data, const int64_t *strides, unsigned flags);

#endif
