/*
 * The leaf page of the index: sorted keys, front-coded in short runs, each with its locator.
 * A page stands alone (no pointers, no neighbours), so an index checkpoint is pages end to end.
 *
 *   offset         size  field                                   (R = runs, P = prefix)
 *        0            2  count    entries, >= 1
 *        2            2  used     bytes of the page, this header included
 *        4            2  prefix   leading bytes that all keys of the page share
 *        6            2  runs     1 .. count
 *        8          8*R  heads    first 8 bytes of each run's first key after the prefix, zeros
 *                                 behind a shorter one, as a big-endian number
 *      8+8R         2*R  starts   offset of each run
 *     8+10R           R  fills    entries in each run, 1 .. HG_PAGE_RUN_MAX
 *     8+11R           P  prefix bytes
 *   8+11R+P              the runs, without gaps, up to `used`
 *
 *   run   = key, key, ... then one locator (24 bytes, see index.h) for each
 *   key   = shared, length, bytes    shared: what it has in common with the key before, counted
 *                                    after the page's prefix, always as long as it can be; 0 in
 *                                    the first key of a run. length: of the bytes that follow.
 *   shared and length take one byte below 255, else 255 and two bytes.
 *
 * Numbers are little-endian but for the heads, whose point is that comparing them as numbers
 * orders keys. Because `shared` is maximal, one byte decides the order of neighbours: validation
 * is cheap and a search need not rebuild keys.
 *
 * hg_page_validate is the door: all other functions trust the page.
 * PADDED KEYS: a key given to a search has 8 readable zero bytes behind its end.
 */
#ifndef HG_ENGINE_INDEX_PAGE_H
#define HG_ENGINE_INDEX_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "engine/index.h"

#define HG_PAGE_HEADER_SIZE 8
#define HG_PAGE_DIR_SIZE    11 /* for each run: 8 head, 2 start, 1 fill */
#define HG_PAGE_RUN_MAX     8  /* entries in a run: one cache line of keys, three of locators */
#define HG_PAGE_BYTES_MIN   512
#define HG_PAGE_BYTES_MAX   16384
#define HG_PAGE_ENTRY_MIN   (2 + HG_LOCATOR_SIZE)
#define HG_KEY_PAD          8
/* A page of one entry may exceed the page size of its index: prefix, lengths, locator. */
#define HG_PAGE_LONE_MAX (HG_PAGE_HEADER_SIZE + HG_PAGE_DIR_SIZE + HG_KEY_MAX + 6 + HG_LOCATOR_SIZE)
/* What an edit may need while it works: a page, one more run and one more entry. */
#define HG_PAGE_SCRATCH_SIZE 65536

/* Where a key is, or would be, in a page. */
struct hg_page_pos {
    uint32_t run;
    uint32_t index;      /* in the run; the run's fill: behind its last entry */
    uint32_t at;         /* offset of that entry, or of the run's first locator */
    int found;           /* the entry has this key */
    int outside;         /* the key does not begin with the page's prefix */
    uint32_t match_prev; /* not found: bytes after the prefix shared with the entry before ... */
    uint32_t match_next; /* ... and with the one at `at`; both only within the run */
};

void hg_locator_encode(uint8_t out[HG_LOCATOR_SIZE], const struct hg_locator *loc);
void hg_locator_decode(const uint8_t in[HG_LOCATOR_SIZE], struct hg_locator *out_loc);

uint32_t hg_page_count(const uint8_t *page);
uint32_t hg_page_used(const uint8_t *page);

/* Everything about the page alone: bounds, order, lengths, entry types. NULL when it is sound, else
 * what is wrong in a few words and *out_at, its offset. *last_key becomes the page's last key. */
int hg_page_validate(const uint8_t *page, size_t len, struct hg_buf *last_key, const char **out_why,
                     size_t *out_at);

/* Position of the first key >= key (padded). */
void hg_page_find(const uint8_t *page, const uint8_t *key, size_t key_len,
                  struct hg_page_pos *out_pos);
/* 1 when the position has keys of the page on both sides, or the key itself: a tree then has the
 * key in no other page. */
int hg_page_within(const uint8_t *page, const struct hg_page_pos *pos);
/* The locator of key (padded), or NULL; *out_within as above. */
const uint8_t *hg_page_get(const uint8_t *page, const uint8_t *key, size_t key_len,
                           int *out_within);
/* The locator at a position that holds an entry. */
uint8_t *hg_page_locator(uint8_t *page, const struct hg_page_pos *pos);

/* ---- edits by position: no key is rebuilt ------------------------------------------------------*/

/* Bytes the page would use with this entry; the position comes from hg_page_find, not found, not
 * outside, in a run that has room. */
uint32_t hg_page_insert_size(const uint8_t *page, const struct hg_page_pos *pos, const uint8_t *key,
                             size_t key_len);
/* 1 when the run at pos has no room: split it and find again, or append at the page's end. */
int hg_page_run_full(const uint8_t *page, const struct hg_page_pos *pos);
/* dst may be src (an edit in place) or a page of its own. */
void hg_page_insert(const uint8_t *src, uint8_t *dst, const struct hg_page_pos *pos,
                    const uint8_t *key, size_t key_len, const uint8_t loc[HG_LOCATOR_SIZE]);
/* dst is not src. The run becomes two. */
void hg_page_split_run(const uint8_t *src, uint8_t *dst, uint32_t run);
/* 1 when pos is behind the page's last entry. */
int hg_page_at_end(const uint8_t *page, const struct hg_page_pos *pos);
/* dst is not src. A run of its own for a key behind all others (keys that come in order leave full
 * runs this way). */
void hg_page_append(const uint8_t *src, uint8_t *dst, const uint8_t *key, size_t key_len,
                    const uint8_t loc[HG_LOCATOR_SIZE]);
/* dst is not src. The page must have another entry. */
void hg_page_remove(const uint8_t *src, uint8_t *dst, const struct hg_page_pos *pos);

/* ---- whole pages: splits, merges, prefixes that change -----------------------------------------*/

struct hg_page_entry {
    uint32_t key; /* offset in the list's bytes */
    uint32_t len;
    uint32_t lcp; /* bytes shared with the entry before; 0 in the first */
    const uint8_t *loc;
};

/* Entries of one or two pages with their keys in full. Zero-initialise; release frees. */
struct hg_page_list {
    struct hg_page_entry *entries;
    uint32_t count;
    uint32_t cap;
    struct hg_buf bytes;
};

void hg_page_list_clear(struct hg_page_list *l);
void hg_page_list_release(struct hg_page_list *l);
/* Insert a page's entries before entries[at]. Locators are borrowed from the page. */
HG_MUST_CHECK int hg_page_list_add(struct hg_page_list *l, uint32_t at, const uint8_t *page);
/* Insert one entry before entries[at]. */
HG_MUST_CHECK int hg_page_list_insert(struct hg_page_list *l, uint32_t at, const uint8_t *key,
                                      size_t key_len, const uint8_t *loc);
/* First entry with a key >= key. */
uint32_t hg_page_list_find(const struct hg_page_list *l, const uint8_t *key, size_t key_len);
void hg_page_list_remove(struct hg_page_list *l, uint32_t from, uint32_t to);
const uint8_t *hg_page_list_key(const struct hg_page_list *l, uint32_t at);
/* Bytes of a page of the entries [from, to). */
size_t hg_page_list_size(const struct hg_page_list *l, uint32_t from, uint32_t to);
void hg_page_list_encode(const struct hg_page_list *l, uint32_t from, uint32_t to, uint8_t *out);
/* Where to cut [from, to), at least two entries: near the middle in bytes, and there where
 * neighbours have least in common, for a short separator. */
uint32_t hg_page_list_cut(const struct hg_page_list *l, uint32_t from, uint32_t to);

/* ---- reading in order --------------------------------------------------------------------------*/

/* A place between two keys of a page. The reader keeps the key: `keep` bytes of the one before
 * stay, `tail` follows. The page's prefix must be in the reader's buffer before the first read. */
struct hg_page_iter {
    const uint8_t *page;
    uint32_t run;
    uint32_t index; /* in the run, of the next entry to read */
    uint32_t fill;  /* entries of the run */
    uint32_t prefix_len;
    const uint8_t *next; /* the next entry */
    const uint8_t *locs; /* the run's locators */
};

struct hg_page_item {
    uint32_t keep; /* from the key's start, prefix included */
    uint32_t tail_len;
    const uint8_t *tail;
    const uint8_t *loc;
};

/* At the first entry of a run, which must exist. */
void hg_page_iter_begin(struct hg_page_iter *it, const uint8_t *page, uint32_t run);
int hg_page_iter_next(struct hg_page_iter *it, struct hg_page_item *out_item); /* 0 at the end */
const uint8_t *hg_page_prefix(const uint8_t *page, uint32_t *out_len);

#endif
