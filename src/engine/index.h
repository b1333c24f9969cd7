/*
 * The index: a persistent (copy-on-write) B+-tree from entry key to locator.
 *
 * Keys are byte strings compared by memcmp, shorter first (engine/pathkey.h makes the order
 * natural). Leaves are position-independent pages of front-coded keys (engine/index_page.h), so a
 * checkpoint is the leaves' bytes. A page takes the bytes it uses; one with a single long key may
 * be longer than the page size, so a page never depends on another.
 *
 * Versions of the tree are roots. A root is reached from an hg_index; nodes are shared between
 * roots, and which root still needs which node is kept by versions (engine/index_node.h):
 *   - the writer edits through one hg_index at a time, under its own lock. Nodes made since the
 *     last hg_index_freeze are edited in place; others are copied first (one path).
 *   - hg_index_freeze returns a root that no edit will ever change and that holds a count. Cost
 *     O(1); it cannot fail and takes no lock. Readers walk frozen roots without locks.
 *   - hg_root_put drops a count; nodes nobody reaches any more are freed at once, or, when a
 *     domain was given, retired through it (base/epoch.h), because a reader may be inside. Any
 *     thread may put, also while the writer edits.
 *
 * Memory: hg_index_bytes says what all nodes of all roots of one index use together; a put or load
 * that would take it over hg_index_set_limit fails with HOLOG_E_BUDGET and changes nothing.
 * Every edit that fails leaves the tree as it was.
 */
#ifndef HG_ENGINE_INDEX_H
#define HG_ENGINE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/epoch.h"

#define HG_KEY_INLINE_MAX 512   /* longer ones cost a cursor an allocation */
#define HG_KEY_MAX        12288 /* a path of 4 KiB, encoded */

/* Entry types, as stored in records and checkpoints (docs/FORMAT.md). */
enum hg_entry_type {
    HG_ENTRY_DIR = 1,
    HG_ENTRY_BLOB = 2,
    HG_ENTRY_SYMLINK = 3,
    HG_ENTRY_ARRAY = 4,    /* type reserved; arrays are not part of this version */
    HG_ENTRY_SLICE = 5,    /* reserved */
    HG_ENTRY_EXTERNAL = 6, /* reserved */
};
#define HG_ENTRY_TYPE_MAX 6u

/*
 * What the index knows of an entry: 24 bytes in a leaf.
 *   offset size field
 *        0    4 segment   birth position: segment id
 *        4    4 offset    birth position: byte offset of the record in that segment's file
 *        8    6 size      blob: value bytes; symlink: target bytes; directory: the number of the
 *                         last commit that changed the set or a version of its children
 *       14    6 number    commit that made this version
 *       20    1 type      enum hg_entry_type
 *       21    3 check     low 24 bits of the record's value hash: a wrong-place read is seen
 */
struct hg_locator {
    uint32_t segment;
    uint32_t offset;
    uint64_t size;   /* < 2^48 */
    uint64_t number; /* < 2^48 */
    uint8_t type;
    uint8_t ends;   /* of a put, and not stored: what of the value it replaces only the past has
                       then (past.h); 0: all */
    uint32_t check; /* 24 bits */
};
#define HG_LOCATOR_SIZE 24

struct hg_index; /* the writer's end */
struct hg_root;  /* one immutable version */

/* domain may be NULL (tests, single thread). page_bytes 512 .. 16384, or 0 = default (2048). */
HG_MUST_CHECK int hg_index_create(struct hg_epoch_domain *domain, size_t page_bytes,
                                  struct hg_index **out_index);
/* All roots put before, and no thread inside hg_root_put. Waits for the domain's readers. NULL is
 * allowed. */
void hg_index_destroy(struct hg_index *ix);

/* ---- edits: one writer at a time --------------------------------------------------------------*/

/* Insert, or replace the locator. *out_replaced (may be NULL): 1 when the key was there, its old
 * locator in *out_old (may be NULL). HOLOG_E_NOMEM, HOLOG_E_BUDGET, HOLOG_E_INVAL. */
HG_MUST_CHECK int hg_index_put(struct hg_index *ix, const uint8_t *key, size_t key_len,
                               const struct hg_locator *loc, int *out_replaced,
                               struct hg_locator *out_old);
/* Insert, or replace an entry whose type is in `over` (bits 1 << type). *out_old: what was there;
 * type 0: nothing. 1 when it was of another type, and nothing has changed. */
HG_MUST_CHECK int hg_index_put_over(struct hg_index *ix, const uint8_t *key, size_t key_len,
                                    const struct hg_locator *loc, unsigned over,
                                    struct hg_locator *out_old);
/* Of many puts in order. */
struct hg_index_item {
    const uint8_t *key; /* HG_KEY_PAD readable zero bytes behind it (index_page.h) */
    size_t key_len;
    struct hg_locator loc;
    struct hg_locator old;          /* out: what was there; type 0: nothing */
    uint8_t bytes[HG_LOCATOR_SIZE]; /* work space */
};
/* Put n items whose keys ascend; a directory where there is one leaves it as it is. Keys that share
 * a leaf cost a fraction of a put each. After a failure some of them are in. */
HG_MUST_CHECK int hg_index_put_sorted(struct hg_index *ix, struct hg_index_item *items, size_t n);
/* The directory's last change of a child becomes `number`, unless it is newer. *out_loc is what was
 * there: any other type stays as it is. HOLOG_E_NOENT when missing. */
HG_MUST_CHECK int hg_index_mark(struct hg_index *ix, const uint8_t *key, size_t key_len,
                                uint64_t number, struct hg_locator *out_loc);
/* Takes a put back that has replaced `loc`. Nothing may have been frozen since. */
void hg_index_put_back(struct hg_index *ix, const uint8_t *key, size_t key_len,
                       const struct hg_locator *loc);
/* Takes the last mark back: out_loc's size is put in again. Nothing may have been frozen since. */
void hg_index_unmark(struct hg_index *ix, const uint8_t *key, size_t key_len, uint64_t size);
/* HOLOG_E_NOENT when missing. */
HG_MUST_CHECK int hg_index_remove(struct hg_index *ix, const uint8_t *key, size_t key_len,
                                  struct hg_locator *out_old);
/* Remove every key that starts with prefix (len 0 = all). *out_count may be NULL. */
HG_MUST_CHECK int hg_index_remove_prefix(struct hg_index *ix, const uint8_t *prefix,
                                         size_t prefix_len, uint64_t *out_count);
/* Look up in the version being edited. HOLOG_E_NOENT. */
HG_MUST_CHECK int hg_index_get(const struct hg_index *ix, const uint8_t *key, size_t key_len,
                               struct hg_locator *out_loc);

/* The state being edited, for the writer to walk until its next edit: unlike a freeze, it makes no
 * later edit copy anything. */
const struct hg_root *hg_index_head(const struct hg_index *ix);
/* An immutable root of the present state, with one count for the caller. Cannot fail. */
struct hg_root *hg_index_freeze(struct hg_index *ix);
/* Make the state of `root` the one being edited (a fall-back, a savepoint). The root keeps its
 * count. */
void hg_index_reset(struct hg_index *ix, struct hg_root *root);

/* ---- roots: any thread -------------------------------------------------------------------------*/

/* One more count, by someone who holds one. */
void hg_root_get(struct hg_root *root);
/* One more count, by someone inside an epoch who only saw the root published: 1, or 0 when its last
 * count is gone (load the published root again). */
HG_MUST_CHECK int hg_root_try_get(struct hg_root *root);
/* One count less. The last one frees, or retires, what no other root has; this takes a mutex that
 * only other last puts and hg_index_reset take. */
void hg_root_put(struct hg_root *root);
uint64_t hg_root_count(const struct hg_root *root); /* keys in it */
int hg_root_lookup(const struct hg_root *root, const uint8_t *key, size_t key_len,
                   struct hg_locator *out_loc);

/* Walk keys in order from the first key >= from (or > from when `after`). A cursor borrows the
 * root: hold a count, or stay inside an epoch. Its key buffer is its own. */
struct hg_cursor {
    const struct hg_root *root;
    uint64_t since;        /* only entries with a number above it; 0: all */
    struct hg_locator loc; /* of the current key */
    uint8_t *key;          /* current key, key_len bytes, in `inline_key` or allocated */
    size_t key_len;
    size_t key_cap;
    uint8_t inline_key[HG_KEY_INLINE_MAX];
    /* the implementation's: the place behind the current key */
    const uint8_t *page;
    const uint8_t *next;
    const uint8_t *locs;
    uint32_t run;
    uint32_t index;
    uint32_t fill;
    uint32_t prefix_len;
    uint32_t depth;
    struct {
        const void *node;
        uint32_t child;
    } path[12];
};
/* HOLOG_OK and positioned, HOLOG_E_NOENT at the end, or HOLOG_E_NOMEM. Unless it is HOLOG_OK there is
 * nothing to close, and closing does no harm. */
HG_MUST_CHECK int hg_cursor_open(struct hg_cursor *c, const struct hg_root *root,
                                 const uint8_t *from, size_t from_len, int after);
/* Only entries whose number is above `since` (not 0). What has not changed is passed over by whole
 * subtrees: the cost is that of the leaves in which something is newer. */
HG_MUST_CHECK int hg_cursor_open_since(struct hg_cursor *c, const struct hg_root *root,
                                       const uint8_t *from, size_t from_len, uint64_t since);
HG_MUST_CHECK int hg_cursor_next(struct hg_cursor *c);
/* Skip to the first key > every key starting with prefix: over a whole subtree in O(log n). */
HG_MUST_CHECK int hg_cursor_skip_prefix(struct hg_cursor *c, const uint8_t *prefix,
                                        size_t prefix_len);
void hg_cursor_close(struct hg_cursor *c);

/*
 * Every entry of a root, in order, for who walks several roots and wants what they share once: a node
 * that another root has too has all its entries below it there. Roots are counted from the first walk
 * to the last: a node's address is its name only so long.
 */
struct hg_root_visitor {
    void *ctx;
    int (*enter)(void *ctx, const void *node); /* 0: the node, with all below it, is passed over.
                                                  NULL: none is. Negative: it failed */
    /* Borrowed until the return; key may have HG_KEY_MAX bytes. Not 0 ends the walk, which returns it. */
    int (*each)(void *ctx, const uint8_t *key, size_t key_len, const struct hg_locator *loc);
};
HG_MUST_CHECK int hg_root_walk(const struct hg_root *root, const struct hg_root_visitor *v);

/* ---- memory ------------------------------------------------------------------------------------*/

uint64_t hg_index_count(const struct hg_index *ix); /* keys in the version being edited */
uint64_t hg_index_bytes(const struct hg_index *ix); /* all nodes of all its roots, incl. malloc's */
/* Of nodes that no root has any more, and that are freed when no reader is inside. Not in the bytes. */
uint64_t hg_index_limbo(const struct hg_index *ix);
/* 0 = none. Removals may go over it: they must be possible when the budget is spent. */
void hg_index_set_limit(struct hg_index *ix, uint64_t max_bytes);

/* ---- checkpoints: leaves as bytes --------------------------------------------------------------*/

/* Calls `each` with every leaf's page image in order (packed: only the bytes in use). */
HG_MUST_CHECK int hg_root_save(const struct hg_root *root,
                               int (*each)(void *ctx, const uint8_t *page, size_t len), void *ctx);
/* Build an index from page images in order. Every page is validated (bounds, key order within the
 * page and against its neighbour, locator ranges): a bad one is HOLOG_E_CORRUPT with the page
 * number in the message, never a crash. No work per key beyond the validation. */
struct hg_index_loader;
HG_MUST_CHECK int hg_index_load_begin(struct hg_index *empty, struct hg_index_loader **out_loader);
HG_MUST_CHECK int hg_index_load_page(struct hg_index_loader *l, const uint8_t *page, size_t len);
HG_MUST_CHECK int hg_index_load_end(struct hg_index_loader *l); /* frees l, also on failure */
void hg_index_load_abort(struct hg_index_loader *l);

/* Walks everything: order, counts, fill, balance. For tests and `verify`. */
HG_MUST_CHECK int hg_root_check(const struct hg_root *root);

#endif
