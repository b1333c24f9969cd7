/*
 * The ropes that are in memory, by the birth position of the version each one is, and where versions
 * are described again (FOLD records). Both are known from the log alone: a rope that is not here is
 * made from the records again (rope_load.c).
 *
 * Of ropes at most 4096 are kept, the least recently used go first; with their nodes they have an
 * eighth of the budget (but one rope always stays). What they use is counted as the index is.
 *
 * Any thread may call anything. The lock is rank 5: nothing is taken inside.
 */
#ifndef HG_ENGINE_ROPES_H
#define HG_ENGINE_ROPES_H

#include "base/buf.h"
#include "engine/rope.h"
#include "io/io.h"

struct hg_ropes;

/* A version that deltas made. */
struct hg_rope_at {
    struct hg_rope *rope;
    uint32_t depth; /* deltas since the BLOB, LARGE or FOLD that it is read from */
    uint8_t csum;   /* of all its bytes; may be HG_CSUM_UNKNOWN */
    uint64_t age;   /* hg_ropes_age when it was begun to be made, or what it was made from */
};

HG_MUST_CHECK int hg_ropes_create(struct hg_io *io, uint64_t budget_bytes,
                                  struct hg_ropes **out_ropes);
void hg_ropes_destroy(struct hg_ropes *r); /* NULL is fine; all ropes of the pool have been put */
struct hg_rope_pool *hg_ropes_pool(struct hg_ropes *r);
uint64_t hg_ropes_bytes(struct hg_ropes *r);

/* 1, and a count of the rope for the caller; or 0. */
int hg_ropes_find(struct hg_ropes *r, hg_pos birth, struct hg_rope_at *out);
/* Takes a count of its own; what it has for that version gives way. The version has its place in the
 * log for good: a position may be used again after a commit that was taken back. */
void hg_ropes_put(struct hg_ropes *r, hg_pos birth, const struct hg_rope_at *at);

/* Grows with each compaction. A rope made before one may name records that only ropes in memory did, and that are
 * gone: of a value that was folded the log has another rope. It is read no more, is not kept, and no fold is
 * made of it. */
uint64_t hg_ropes_age(struct hg_ropes *r);
void hg_ropes_clear(struct hg_ropes *r); /* there was one. Log lock held */
/* The newest FOLD of a version; 0: there is none. */
hg_pos hg_ropes_fold(struct hg_ropes *r, hg_pos version);
struct hg_fold_at {
    hg_pos version;
    hg_pos fold;
};
HG_MUST_CHECK int hg_ropes_reserve_fold(struct hg_ropes *r); /* the next set does not fail */
HG_MUST_CHECK int hg_ropes_set_fold(struct hg_ropes *r, const struct hg_fold_at *f);
HG_MUST_CHECK int hg_ropes_folds(struct hg_ropes *r, struct hg_buf *out); /* all, by version */
void hg_ropes_forget_folds(struct hg_ropes *r);

#endif
