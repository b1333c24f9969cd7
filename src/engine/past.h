/*
 * The past: what entries were before they were replaced or removed, so that the store can be read as
 * of any commit whose state is kept.
 *
 * It is a second index. What stood in the first until commit `end` took its place goes here:
 *
 *   key      the path's key, 00 00, the number it had as 6 bytes, complemented and big-endian (the
 *            newest version first), and a byte: how many bytes of its value only the past has (a
 *            value that went on to another path none, one that a delta changed those cut out).
 *            No path's key has 00 00 in it: versions stand right behind where their entry stands or
 *            would stand, before all that is below it
 *   locator  as it was, but for its number: that is `end`
 *
 * The entry of a path as of commit s is the one in the index, if its number is not above s; else the
 * newest version here whose number is not above s, if its end is above s; else there was none.
 */
#ifndef HG_ENGINE_PAST_H
#define HG_ENGINE_PAST_H

#include "engine/apply.h"

#define HG_PAST_SUFFIX 9u

/* Bytes in a byte: 0 means the whole value, 1 none; else as many, one at least, rounded up to three
 * binary digits. */
#define HG_ENDS_ALL  0u
#define HG_ENDS_NONE 1u   /* it went on to another path */
#define HG_ENDS_MAX  192u /* of 2^48 bytes */
uint8_t hg_past_ends(uint64_t bytes);
uint64_t hg_past_ended_bytes(uint8_t ends, const struct hg_locator *loc);
/*
 * What a version of the past holds that is not let go. While the version that a delta made of it is
 * there, the two share all but the bytes that the delta took away; when that one has gone, it holds its
 * whole value alone. Versions are asked for in the order of the past.
 */
struct hg_past_weigher {
    const struct hg_root *now;
    uint8_t key[HG_KEY_MAX]; /* of the path asked about last ... */
    size_t len;
    uint64_t number; /* ... and the number of its oldest version so far; 0: none */
};
struct hg_past_key;
uint64_t hg_past_weigh(struct hg_past_weigher *w, const struct hg_cursor *c,
                       const struct hg_past_key *k);

/* Nothing when the version was made by commit `end` itself: nobody can read as of before that. */
HG_MUST_CHECK int hg_past_keep(struct hg_state *st, const uint8_t *key, size_t key_len,
                               const struct hg_locator *old, uint64_t end, uint8_t ends);

/* The entry as of commit `at`, from an index and its past (NULL: there is none). HOLOG_E_NOENT. */
HG_MUST_CHECK int hg_past_get(const struct hg_root *now, const struct hg_root *past,
                              const uint8_t *key, size_t key_len, uint64_t at,
                              struct hg_locator *out);
/* The same of what is not in the index as it was then. */
HG_MUST_CHECK int hg_past_find(const struct hg_root *past, const uint8_t *key, size_t key_len,
                               uint64_t at, struct hg_locator *out);

/* Are these keys and numbers of a past of commits up to `last`? HOLOG_E_CORRUPT, without a message. What
 * reads them trusts that. */
HG_MUST_CHECK int hg_past_check(const struct hg_root *past, uint64_t last);

/* A key of the past taken apart. */
struct hg_past_key {
    size_t len; /* of the path's key, which it begins with */
    uint64_t number;
    uint8_t ends;
};
void hg_past_key_decode(const uint8_t *key, size_t len, struct hg_past_key *out);

/*
 * The entries of a version in the order of their keys; `key` and `loc` are those of the one at hand,
 * borrowed until the next call. Also after a failed open it is closed.
 */
struct hg_entries {
    const struct hg_root *past_root; /* NULL: as of now */
    uint64_t at;
    struct hg_cursor now;
    struct hg_cursor past;
    int now_state, past_state; /* HOLOG_OK: positioned; HOLOG_E_NOENT: at the end */
    int now_taken, past_taken; /* handed out: move on first */
    int now_open, past_open;
    const uint8_t *key;
    size_t key_len;
    struct hg_locator loc;
};
/* past NULL: what the index has. From the first key >= from, or > from when `after`. HOLOG_OK, at the
 * first entry, or HOLOG_E_NOENT. */
HG_MUST_CHECK int hg_entries_open(struct hg_entries *e, const struct hg_root *now,
                                  const struct hg_root *past, uint64_t at, const uint8_t *from,
                                  size_t from_len, int after);
HG_MUST_CHECK int hg_entries_next(struct hg_entries *e);
/* To the first entry that is not below the one whose key begins with prefix. */
HG_MUST_CHECK int hg_entries_skip_prefix(struct hg_entries *e, const uint8_t *prefix,
                                         size_t prefix_len);
void hg_entries_close(struct hg_entries *e);

/* The keys below prefix (and equal to it) that any commit after `since` has touched, in order, each
 * once. Borrowed until the next call. Costs what has changed since, not what is there. past NULL:
 * there is none. */
struct hg_changes {
    struct hg_cursor now;
    struct hg_cursor past;
    int now_state, past_state;
    size_t past_len; /* of the path whose versions are being passed, and how many were */
    uint32_t versions;
    const uint8_t *prefix; /* borrowed */
    size_t prefix_len;
    uint8_t key[HG_KEY_MAX];
    size_t key_len;
};
HG_MUST_CHECK int hg_changes_open(struct hg_changes *c, const struct hg_root *now,
                                  const struct hg_root *past, const struct hg_key *subtree,
                                  uint64_t since);
HG_MUST_CHECK int hg_changes_next(struct hg_changes *c); /* HOLOG_E_NOENT at the end */
void hg_changes_close(struct hg_changes *c);

#endif
