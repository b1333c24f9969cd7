/*
 * A run: puts of many commits, or of one large one, collected and then put into the index in the
 * order of their keys.
 * Keys come in any order, and each put alone would wait for memory on its way down the tree; in
 * order, neighbours share leaves. What comes out is what hg_apply_put and hg_apply_mkdir would have
 * made of the puts one by one: the same entries, numbers of directories, and sums.
 *
 * Deletions, moves and copies do not fit a run: flush it before them.
 */
#ifndef HG_ENGINE_RUN_H
#define HG_ENGINE_RUN_H

#include "base/buf.h"
#include "engine/apply.h"

/* Zero-initialise; release frees. */
struct hg_run {
    struct hg_buf records; /* as they came: struct record in run.c, key, padding */
    struct hg_buf refs;    /* struct ref in run.c: what is sorted */
    int in_order;          /* refs are sorted */
    int misfit;            /* a flush said HOLOG_E_STALE */
};

/* Remember a put (of a directory: a mkdir). Numbers do not descend. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_run_add(struct hg_run *r, const struct hg_key *k,
                             const struct hg_locator *loc);
/* The same of a put whose key is not below that of the one before. */
struct hg_run_put {
    const uint8_t *key;
    size_t key_len;
    size_t parent_len;
    size_t path_len;
    const struct hg_locator *loc;
};
HG_MUST_CHECK int hg_run_append(struct hg_run *r, const struct hg_run_put *put);
size_t hg_run_bytes(const struct hg_run *r); /* what it holds; its memory is at most twice that */

/* Each put in the order of coming, counted from 0: its locator may be changed (not whether it is a
 * directory). What is returned says that nothing may be there before. */
typedef int (*hg_run_fill_fn)(void *ctx, size_t i, struct hg_locator *loc);
void hg_run_fill(struct hg_run *r, hg_run_fill_fn fill, void *ctx);
void hg_run_sort(struct hg_run *r); /* ahead of the flush, which would do it */
size_t hg_run_count(const struct hg_run *r);
/* Put i in the order of keys, when sorted. Borrowed until something is added. */
struct hg_run_put hg_run_at(const struct hg_run *r, size_t i);

/* Apply and forget all. HOLOG_E_STALE: a put misses its parent directory, meets what may not be
 * there, or something is put over an entry of another kind. One by one they would have failed, or not, by their order: the state
 * is now anything, and the caller starts again, one by one. */
HG_MUST_CHECK int hg_run_flush(struct hg_run *r, struct hg_state *st);
void hg_run_release(struct hg_run *r);

#endif
