/*
 * Deltas: what rope_load.c, value_rope.c, delta.c, fold.c and the commit path say to each other.
 *
 * A span's birth is the position of a record, or, inside a transaction, segment 0 and the number of
 * the operation that brings it.
 */
#ifndef HG_ENGINE_DELTA_H
#define HG_ENGINE_DELTA_H

#include "engine/store_internal.h"
#include "holog/versions.h"

/* ---- rope_load.c ---- */
/* The rope of the blob at loc, whose record is in the log (it need not be durable, nor published):
 * from memory or from the records. One count for the caller. Not under the log's lock. */
HG_MUST_CHECK int hg_rope_load(holog_store *s, const struct hg_locator *loc, const char *path,
                               struct hg_rope_at *out);
/* The same once more, from the rope that `base`, a version before it, has in memory now; it takes the
 * place of what is there. Nothing when that is not far back, or loc is not made of it. */
HG_MUST_CHECK int hg_rope_rebuild(holog_store *s, const struct hg_locator *loc, const char *path,
                                  hg_pos base);
/* About how many deltas lie between them. */
uint32_t hg_rope_behind(holog_store *s, hg_pos version, hg_pos base);

/* ---- value_rope.c ---- */
/* Where large payloads of DELTA and FOLD records are in the cache: under the birth position of a
 * DELTA there is the version that it makes. No record begins there. */
static inline hg_pos hg_payload_key(hg_pos birth)
{
    return birth + 1;
}
/* Bytes [start, end) of the rope, verified; own: the transaction that spans of segment 0 are of. */
HG_MUST_CHECK int hg_rope_read(holog_store *s, holog_txn *own, const struct hg_rope *rope,
                               const char *path, uint64_t start, uint64_t end, uint8_t *out);
/* The same of what one record brings. */
HG_MUST_CHECK int hg_span_read(holog_store *s, const struct hg_span *span, const char *path,
                               uint8_t *out);
/* The sum of those bytes; of large records from their block tables, but for the edges. */
HG_MUST_CHECK int hg_rope_sum(holog_store *s, holog_txn *own, const struct hg_rope *rope,
                              const char *path, uint64_t start, uint64_t end, uint8_t *out_csum);

/* ---- fold.c ---- */
/* Log lock held. A version that deltas made is sequenced. */
void hg_fold_note(holog_store *s, const char *path, size_t len, const struct hg_rope_at *at);
/* Keeper's thread, log lock held on entry and return. 1: it did one; 0: there is none to do. */
int hg_fold_step(holog_store *s);
uint64_t hg_fold_patience(const holog_store *s); /* look again after so many ns */
void hg_fold_forget(holog_store *s);

/* ---- delta.c ---- */
uint8_t hg_delta_ends(const struct hg_op *op); /* what of its base it takes away (past.h) */
/* What was staged as a record's payload. */
void hg_staged_payload(const struct hg_staged *g, struct hg_payload *out);
/*
 * A delta that was collected. What it does to its base is made ready without the log's lock: how the
 * bytes that go add up, and the rope. It is good for that base only; under the lock the delta meets
 * what is there then (hg_delta_meet), from memory alone.
 */
struct hg_delta_op {
    struct hg_delta_op *next; /* of the transaction's */
    uint8_t kind;             /* enum hg_delta_kind */
    uint8_t payload_csum;
    int balance;             /* HOLOG_BALANCE */
    uint64_t start, end, to; /* insert: end == start */
    uint64_t len;            /* bytes that come */
    uint64_t expect;         /* number of the entry; 0: any */
    struct hg_locator from; /* what it changes; type 0: nobody knows yet. Segment 0: an operation of
                                the transaction's own, whose number is the offset */
    /* made ready */
    int ready;
    hg_pos base;               /* 0: an operation of its own, which ... */
    uint32_t own;              /* ... is the one with this user_path */
    struct hg_rope_at base_at; /* the rope is counted */
    struct hg_rope *rope;      /* the new version; spans of its own have segment 0 */
    uint8_t csum;              /* of it */
    uint8_t cut;               /* of the bytes that go ... */
    int cut_known;             /* ... unless nobody wanted to know */
};
/* A delta of the caller's, judged as far as it goes without a value. */
HG_MUST_CHECK int hg_delta_check_call(const holog_delta *d); /* what can be told of it alone */
HG_MUST_CHECK int hg_delta_collect(holog_txn *txn, const holog_delta *delta, unsigned flags,
                                   struct hg_delta_op **out);
void hg_deltas_free(holog_txn *txn, const struct hg_delta_op *upto); /* those collected after it */
/* Operation i (its delta, its size): made ready for d->from. HOLOG_E_RANGE. No lock. */
HG_MUST_CHECK int hg_delta_prepare(holog_txn *txn, struct hg_op *op, size_t i, const char *path);
/* All of them again, for what they have met. */
HG_MUST_CHECK int hg_deltas_prepare(holog_txn *txn);
HG_MUST_CHECK int hg_delta_encode(struct hg_buf *body, struct hg_op *op, const char *path,
                                  const void *data);
HG_MUST_CHECK int hg_delta_load_own(holog_txn *txn, const struct hg_op *op, holog_value **out);

/* Under the log's lock: the deltas of one commit. */
struct hg_delta_commit {
    holog_txn *txn;
    uint32_t birth_segment;
    uint32_t birth_base;
    struct hg_buf made; /* struct made in delta.c, in the order of their records */
    int stale;          /* encode again */
    int missing;        /* make ready again: it is not in memory */
};
HG_MUST_CHECK int hg_delta_meet(struct hg_delta_commit *x, struct hg_op *op,
                                const struct hg_resolved *at);
/* All have been applied: would a sum change that may not? May set x->stale. */
HG_MUST_CHECK int hg_deltas_judge(struct hg_delta_commit *x);
void hg_deltas_sequenced(struct hg_delta_commit *x); /* their positions are theirs for good */
void hg_deltas_end(struct hg_delta_commit *x);

#endif
