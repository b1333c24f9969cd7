/*
 * A rope: a value's bytes as a list of spans, when deltas made it. A span is `len` bytes from `at` of
 * what the record at position `birth` brings; the rope knows nothing of the bytes themselves.
 *
 * Ropes never change. A change makes a new one, which shares with the old one all but some twenty
 * nodes. Spans that continue each other are one. Sizes stay below 2^48.
 *
 * Threads: any thread may get, put, read and change any rope; an edit, a builder and a cursor are of
 * one thread each. Failing calls leave their outputs untouched. The pool counts the bytes of the nodes
 * and outlives all its ropes.
 */
#ifndef HG_ENGINE_ROPE_H
#define HG_ENGINE_ROPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "wal/record.h"

struct hg_rope_pool {
    _Atomic uint64_t bytes; /* of all nodes, with what malloc adds */
};

struct hg_rope;
struct hg_rope_node;

struct hg_rope *hg_rope_get(struct hg_rope *r); /* r, counted once more */
void hg_rope_put(struct hg_rope *r);            /* NULL is fine */
uint64_t hg_rope_size(const struct hg_rope *r); /* bytes */
uint64_t hg_rope_spans(const struct hg_rope *r);
void hg_rope_check(const struct hg_rope *r); /* walks all and asserts that it is well made */

/* ---- making ------------------------------------------------------------------------------------- */

/* n == 0: an empty one. HOLOG_E_TOOBIG, HOLOG_E_NOMEM; so say all that make ropes. */
HG_MUST_CHECK int hg_rope_build(struct hg_rope_pool *pool, const struct hg_span *spans, size_t n,
                                struct hg_rope **out_rope);

/* Bytes [start, end) give way to the spans. Not start <= end <= size: HOLOG_E_RANGE. */
HG_MUST_CHECK int hg_rope_replace(struct hg_rope *r, uint64_t start, uint64_t end,
                                  const struct hg_span *spans, size_t n, struct hg_rope **out_rope);
/* The same with one span, or NULL: a deletion. start == end: an insertion. */
HG_MUST_CHECK int hg_rope_splice(struct hg_rope *r, uint64_t start, uint64_t end,
                                 const struct hg_span *with, struct hg_rope **out_rope);
/* Bytes [start, end) go to `to`, counted before they are cut out. start < to < end: HOLOG_E_INVAL.
 * Where nothing moves, out_rope is r, counted once more. */
HG_MUST_CHECK int hg_rope_move(struct hg_rope *r, uint64_t start, uint64_t end, uint64_t to,
                               struct hg_rope **out_rope);

/* Many changes in a row, without the ropes between them: nodes that only the edit has are changed in
 * place. After HOLOG_E_NOMEM the edit is lost and everything on it says so again; after any other
 * error it is as it was. Ended by end (whatever that returns) or drop. Fields are rope.c's. */
struct hg_rope_edit {
    struct hg_rope_pool *pool;
    struct hg_rope_node *root; /* NULL: no bytes */
    int failed;                /* memory ran out: the tree is not whole, what is there is freed */
};

void hg_rope_edit_begin(struct hg_rope_edit *e, struct hg_rope *r); /* r may be put meanwhile */
uint64_t hg_rope_edit_size(const struct hg_rope_edit *e);
HG_MUST_CHECK int hg_rope_edit_replace(struct hg_rope_edit *e, uint64_t start, uint64_t end,
                                       const struct hg_span *spans, size_t n);
HG_MUST_CHECK int hg_rope_edit_move(struct hg_rope_edit *e, uint64_t start, uint64_t end,
                                    uint64_t to);
HG_MUST_CHECK int hg_rope_edit_end(struct hg_rope_edit *e, struct hg_rope **out_rope);
void hg_rope_edit_drop(struct hg_rope_edit *e);

/* A rope from spans that come one by one. What goes wrong is told at the end, which is always due:
 * it leaves nothing behind. Fields are rope.c's. */
#define HG_ROPE_LEAF 32u /* spans of a full leaf */
struct hg_rope_builder {
    struct hg_rope_edit edit; /* its tree: the leaves that are full */
    uint64_t size;
    uint32_t count;
    struct hg_span
        span[2 * HG_ROPE_LEAF]; /* behind them, so that the last leaf need not be small */
};

void hg_rope_builder_begin(struct hg_rope_builder *b, struct hg_rope_pool *pool);
void hg_rope_builder_add(struct hg_rope_builder *b, const struct hg_span *s);
HG_MUST_CHECK int hg_rope_builder_end(struct hg_rope_builder *b, struct hg_rope **out_rope);

/* ---- reading ------------------------------------------------------------------------------------ */

#define HG_ROPE_HEIGHT_MAX 64u /* of a tree of 2^44 leaves */

/* Fields are rope.c's. The rope stays counted by the caller. */
struct hg_rope_cursor {
    const struct hg_rope_node *leaf;
    uint64_t index; /* of the next span in it */
    uint64_t skip;  /* bytes of that span before the range */
    uint64_t left;  /* bytes of the range still to come */
    uint32_t depth;
    const struct hg_rope_node
        *ahead[HG_ROPE_HEIGHT_MAX]; /* subtrees behind the leaf, nearest last */
};

/* HOLOG_E_RANGE as in replace. */
HG_MUST_CHECK int hg_rope_seek(struct hg_rope_cursor *c, const struct hg_rope *r, uint64_t start,
                               uint64_t end);
/* 1 and the next span, cut to the range; 0: there is no more. */
int hg_rope_next(struct hg_rope_cursor *c, struct hg_span *out_span);

/* ---- comparing ---------------------------------------------------------------------------------- */

/* Not 0 ends the comparison, which returns it. */
typedef int (*hg_rope_diff_fn)(void *ctx, uint64_t a_off, uint64_t a_len, uint64_t b_off,
                               uint64_t b_len);
/* Tell `each` the ranges of a and b that differ, in order: what lies between them is made of the same
 * bytes of the same records in both, in the same order. It need not be the shortest such list: what
 * was moved is a deletion here and an insertion there. Time and memory (some 150 bytes a span, not in
 * the pool) go by the nodes that the two do not share. Spans of birth 0 are taken for the same record's.
 * HOLOG_E_NOMEM. out_visited, unless NULL: how many nodes were looked at. */
HG_MUST_CHECK int hg_rope_diff(const struct hg_rope *a, const struct hg_rope *b,
                               hg_rope_diff_fn each, void *ctx, uint64_t *out_visited);

#endif
