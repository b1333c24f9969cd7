/*
 * What a change does to the index: the one place, for commits and for replay alike, so that a
 * store reopened is the store that was closed.
 *
 * A state is the index under edit and the sums kept beside it. Every function here either does all
 * it says or, on HOLOG_E_NOMEM and HOLOG_E_BUDGET, may have done part: the caller resets.
 * Paths are canonical and resolved (no symlink on the way).
 */
#ifndef HG_ENGINE_APPLY_H
#define HG_ENGINE_APPLY_H

#include "base/assert.h"
#include "engine/index.h"
#include "engine/pathkey.h"

struct hg_sums {
    uint64_t entries; /* without the root */
    uint64_t directories;
    uint64_t live_key_bytes;
    uint64_t live_value_bytes;
    uint64_t root_number; /* last commit that changed a child of the root */
    uint64_t past_bytes;  /* values that only the past has, as far as it is kept */
    uint64_t ended_bytes; /* all that ever went there since the store was opened: it only grows */
};

/* An entry comes (sign +1) or goes (-1). */
void hg_sums_count(struct hg_sums *s, const struct hg_locator *loc, size_t path_len, int sign);

struct hg_state {
    struct hg_index *index;
    struct hg_index *past; /* past.h; NULL: none is kept */
    struct hg_sums sums;
};

/* A state to come back to. */
struct hg_state_mark {
    struct hg_root *root;
    struct hg_root *past;
    struct hg_sums sums;
};
void hg_state_freeze(struct hg_state *st, struct hg_state_mark *out); /* a count on each root */
void hg_state_reset(struct hg_state *st, const struct hg_state_mark *m);
void hg_state_mark_release(struct hg_state_mark *m);

struct hg_key {
    uint8_t bytes[HG_KEY_MAX];
    size_t len;
    size_t parent_len; /* of the parent's key; 0: the root is the parent */
    size_t path_len;
};
void hg_key_make(const char *path, size_t path_len, struct hg_key *out);

/* The root has no entry of its own in the tree: it is a directory. */
HG_MUST_CHECK int hg_state_get(const struct hg_state *st, const uint8_t *key, size_t len,
                               struct hg_locator *out);

/* Insert or replace the entry; marks the parent changed by loc->number. */
HG_MUST_CHECK int hg_apply_put(struct hg_state *st, const struct hg_key *k,
                               const struct hg_locator *loc);
/* The same, unless the entry is there with a type that is not in `over` (bits 1 << type): then 1, and
 * nothing has changed. HOLOG_E_NOENT, HOLOG_E_NOTDIR for the parent come without a message. */
HG_MUST_CHECK int hg_apply_put_over(struct hg_state *st, const struct hg_key *k,
                                    const struct hg_locator *loc, unsigned over);
/* The two halves of it. Between them nothing is frozen; whoever goes no further takes the mark back. */
HG_MUST_CHECK int hg_apply_mark(struct hg_state *st, const struct hg_key *k, uint64_t number,
                                uint64_t *out_was);
void hg_apply_unmark(struct hg_state *st, const struct hg_key *k, uint64_t number, uint64_t was);
HG_MUST_CHECK int hg_apply_put_marked(struct hg_state *st, const struct hg_key *k,
                                      const struct hg_locator *loc, unsigned over);
/* A directory that exists stays as it is. */
HG_MUST_CHECK int hg_apply_mkdir(struct hg_state *st, const struct hg_key *k,
                                 const struct hg_locator *loc);
/* The entry and all below it. Missing: HOLOG_E_NOENT. "" (key length 0): everything. */
HG_MUST_CHECK int hg_apply_delete_tree(struct hg_state *st, const struct hg_key *k,
                                       uint64_t number);
/* from (with all below it) appears at to as of `number`; what was at `to` is replaced. */
HG_MUST_CHECK int hg_apply_copy(struct hg_state *st, const struct hg_key *from,
                                const struct hg_key *to, uint64_t number);
/* Everything at and below the subtree ("": everything) is again what it was as of commit `target`, as
 * a change made by `number`. The past has to reach back to target. */
HG_MUST_CHECK int hg_apply_rollback(struct hg_state *st, const struct hg_key *subtree,
                                    uint64_t target, uint64_t number);
HG_MUST_CHECK int hg_apply_move(struct hg_state *st, const struct hg_key *from,
                                const struct hg_key *to, uint64_t number);

#endif
