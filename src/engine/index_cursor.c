/*
 * Reading the index: lookups and cursors over one root. Nothing here writes to a node, and nothing
 * locks.
 */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "engine/index_node.h"

static_assert(sizeof((struct hg_cursor *)0)->path / sizeof((struct hg_cursor *)0)->path[0] ==
                  HG_HEIGHT_MAX,
              "a cursor holds a path of the highest tree");

/* ---- lookup ------------------------------------------------------------------------------------*/

#define PREFETCH_BYTES 320 /* header, directory and prefix of most pages */

/* key is padded */
static int lookup(const struct hg_root *root, const uint8_t *key, size_t key_len,
                  struct hg_locator *out_loc)
{
    const struct hg_node *n = root->top;
    int within;
    if (n == NULL)
        return HOLOG_E_NOENT;
    const struct hg_leaf *leaf = hg_find_leaf(n, key, key_len, NULL, PREFETCH_BYTES);
    const uint8_t *loc = hg_page_get(leaf->page, key, key_len, &within);
    if (!within) {
        while (n->level > 0) {
            const struct hg_inner *in = hg_node_inner(n);
            n = hg_inner_children(in)[hg_inner_find(in, key, key_len)];
        }
        loc = hg_page_get(hg_node_leaf(n)->page, key, key_len, &within);
    }
    if (loc == NULL)
        return HOLOG_E_NOENT;
    hg_locator_decode(loc, out_loc);
    return HOLOG_OK;
}

static __attribute__((noinline)) int lookup_long(const struct hg_root *root, const uint8_t *key,
                                                 size_t key_len, struct hg_locator *out_loc)
{
    uint8_t padded[HG_KEY_MAX + HG_KEY_PAD];
    memcpy(padded, key, key_len);
    memset(padded + key_len, 0, HG_KEY_PAD);
    return lookup(root, padded, key_len, out_loc);
}

int hg_root_lookup(const struct hg_root *root, const uint8_t *key, size_t key_len,
                   struct hg_locator *out_loc)
{
    uint8_t padded[HG_KEY_INLINE_MAX + HG_KEY_PAD];
    if (key_len > HG_KEY_MAX)
        return HOLOG_E_NOENT;
    if (key_len > HG_KEY_INLINE_MAX)
        return lookup_long(root, key, key_len, out_loc);
    if (key_len > 0)
        memcpy(padded, key, key_len);
    memset(padded + key_len, 0, HG_KEY_PAD);
    return lookup(root, padded, key_len, out_loc);
}

/* ---- cursors -----------------------------------------------------------------------------------*/

static int cursor_reserve(struct hg_cursor *c, size_t len)
{
    if (len <= c->key_cap)
        return HOLOG_OK;
    size_t cap = HG_MAX(len, 2 * c->key_cap);
    uint8_t *key = c->key == c->inline_key ? NULL : c->key;
    key = hg_realloc(key, cap);
    if (key == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a key of %zu bytes", len);
    if (c->key == c->inline_key)
        memcpy(key, c->inline_key, sizeof c->inline_key);
    c->key = key;
    c->key_cap = cap;
    return HOLOG_OK;
}

static void iter_of(const struct hg_cursor *c, struct hg_page_iter *out_it)
{
    *out_it = (struct hg_page_iter){ .page = c->page,
                                     .run = c->run,
                                     .index = c->index,
                                     .fill = c->fill,
                                     .prefix_len = c->prefix_len,
                                     .next = c->next,
                                     .locs = c->locs };
}

static void iter_keep(struct hg_cursor *c, const struct hg_page_iter *it)
{
    c->run = it->run;
    c->index = it->index;
    c->fill = it->fill;
    c->next = it->next;
    c->locs = it->locs;
}

/* At the start of a run of a leaf; the key buffer gets the page's prefix. */
static int cursor_enter(struct hg_cursor *c, const struct hg_node *n, uint32_t run)
{
    struct hg_page_iter it;
    uint32_t prefix_len;
    const uint8_t *page = hg_node_leaf(n)->page;
    const uint8_t *prefix = hg_page_prefix(page, &prefix_len);
    int rc = cursor_reserve(c, prefix_len);
    if (rc < 0)
        return rc;
    memcpy(c->key, prefix, prefix_len);
    c->page = page;
    c->prefix_len = prefix_len;
    hg_page_iter_begin(&it, page, run);
    iter_keep(c, &it);
    return HOLOG_OK;
}

/* The first child from `from` on that may have what the cursor is for; count when none has. */
static uint32_t next_child(const struct hg_cursor *c, const struct hg_inner *in, uint32_t from)
{
    while (from < in->count && c->since != 0 && hg_inner_children(in)[from]->newest <= c->since)
        from++;
    return from;
}

/* The leaf behind the present one, or HOLOG_E_NOENT. */
static int cursor_next_leaf(struct hg_cursor *c)
{
    uint32_t depth = c->depth;
    while (depth > 0) {
        const struct hg_inner *in = c->path[depth - 1].node;
        uint32_t child = next_child(c, in, c->path[depth - 1].child + 1);
        c->path[depth - 1].child = child;
        if (child >= in->count) {
            depth--;
            continue;
        }
        const struct hg_node *n = hg_inner_children(in)[child];
        if (n->level == 0)
            return cursor_enter(c, n, 0);
        c->path[depth].node = n;
        c->path[depth].child = UINT32_MAX; /* its first is next */
        depth++;
    }
    return HOLOG_E_NOENT;
}

static int cursor_step(struct hg_cursor *c)
{
    struct hg_page_iter it;
    struct hg_page_item item;
    if (c->page == NULL)
        return HOLOG_E_NOENT;
    iter_of(c, &it);
    while (!hg_page_iter_next(&it, &item)) {
        int rc = cursor_next_leaf(c);
        if (rc == HOLOG_E_NOENT)
            c->page = NULL; /* stays at the end */
        if (rc < 0)
            return rc;
        iter_of(c, &it);
    }
    size_t key_len = item.keep + (size_t)item.tail_len;
    int rc = cursor_reserve(c, key_len);
    if (rc < 0)
        return rc;
    memcpy(c->key + item.keep, item.tail, item.tail_len);
    c->key_len = key_len;
    hg_locator_decode(item.loc, &c->loc);
    iter_keep(c, &it);
    return HOLOG_OK;
}

int hg_cursor_next(struct hg_cursor *c)
{
    int rc = cursor_step(c);
    while (rc == HOLOG_OK && c->since != 0 && c->loc.number <= c->since)
        rc = cursor_step(c);
    return rc;
}

/* To the first key >= key (padded), or > key when `after`. key may lie in c->key: the search is
 * over before the key buffer is written. */
static int cursor_seek(struct hg_cursor *c, const uint8_t *key, size_t key_len, int after)
{
    struct hg_page_pos pos;
    const struct hg_node *n = c->root->top;

    c->page = NULL;
    c->depth = 0;
    if (n == NULL)
        return HOLOG_E_NOENT;
    for (; n->level > 0; c->depth++) {
        const struct hg_inner *in = hg_node_inner(n);
        uint32_t child = hg_inner_find(in, key, key_len);
        c->path[c->depth].node = n;
        c->path[c->depth].child = child;
        n = hg_inner_children(in)[child];
    }
    hg_page_find(hg_node_leaf(n)->page, key, key_len, &pos);
    uint32_t skip = pos.index + (pos.found && after ? 1 : 0);
    int rc = cursor_enter(c, n, pos.run);
    while (rc == HOLOG_OK && skip-- > 0)
        rc = cursor_step(c); /* rebuilds the key, entry by entry of the run */
    return rc < 0 ? rc : hg_cursor_next(c);
}

static int cursor_open(struct hg_cursor *c, const struct hg_root *root, const uint8_t *from,
                       size_t from_len, int after, uint64_t since)
{
    c->root = root;
    c->since = since;
    c->page = NULL;
    c->key = c->inline_key;
    c->key_len = 0;
    c->key_cap = sizeof c->inline_key;
    c->depth = 0;
    if (from_len > HG_KEY_MAX)
        return hg_error(HOLOG_E_INVAL, "a key of %zu bytes; %d are possible", from_len, HG_KEY_MAX);
    int rc = cursor_reserve(c, from_len + HG_KEY_PAD);
    if (rc < 0)
        return rc;
    if (from_len > 0)
        memcpy(c->key, from, from_len);
    memset(c->key + from_len, 0, HG_KEY_PAD);
    rc = cursor_seek(c, c->key, from_len, after);
    if (rc < 0) /* nobody has to close what is not open */
        hg_cursor_close(c);
    return rc;
}

int hg_cursor_open(struct hg_cursor *c, const struct hg_root *root, const uint8_t *from,
                   size_t from_len, int after)
{
    return cursor_open(c, root, from, from_len, after, 0);
}

int hg_cursor_open_since(struct hg_cursor *c, const struct hg_root *root, const uint8_t *from,
                         size_t from_len, uint64_t since)
{
    return cursor_open(c, root, from, from_len, 0, since);
}

int hg_cursor_skip_prefix(struct hg_cursor *c, const uint8_t *prefix, size_t prefix_len)
{
    if (prefix_len > HG_KEY_MAX)
        return hg_error(HOLOG_E_INVAL, "a prefix of %zu bytes; %d are possible", prefix_len,
                        HG_KEY_MAX);
    while (prefix_len > 0 && prefix[prefix_len - 1] == 0xff)
        prefix_len--;
    if (prefix_len == 0) { /* every key from here on starts with it */
        c->page = NULL;
        return HOLOG_E_NOENT;
    }
    int own = prefix >= c->key && prefix < c->key + c->key_cap; /* of the current key, usually */
    size_t offset = own ? (size_t)(prefix - c->key) : 0;
    int rc = cursor_reserve(c, prefix_len + HG_KEY_PAD);
    if (rc < 0)
        return rc;
    memmove(c->key, own ? c->key + offset : prefix, prefix_len);
    memset(c->key + prefix_len, 0, HG_KEY_PAD);
    c->key[prefix_len - 1]++; /* the least key behind all that start with prefix */
    return cursor_seek(c, c->key, prefix_len, 0);
}

void hg_cursor_close(struct hg_cursor *c)
{
    if (c->key != c->inline_key)
        hg_free(c->key);
    c->key = c->inline_key;
    c->key_cap = sizeof c->inline_key;
    c->page = NULL;
}

/* ---- walks -------------------------------------------------------------------------------------*/

struct walk {
    const struct hg_root_visitor *v;
    uint8_t *key; /* HG_KEY_MAX */
};

static int walk_leaf(const struct walk *w, const struct hg_leaf *leaf)
{
    struct hg_page_iter it;
    struct hg_page_item item;
    uint32_t prefix_len;
    const uint8_t *prefix = hg_page_prefix(leaf->page, &prefix_len);
    int rc = 0;

    memcpy(w->key, prefix, prefix_len);
    hg_page_iter_begin(&it, leaf->page, 0);
    while (rc == 0 && hg_page_iter_next(&it, &item)) {
        struct hg_locator loc;
        memcpy(w->key + item.keep, item.tail, item.tail_len);
        hg_locator_decode(item.loc, &loc);
        rc = w->v->each(w->v->ctx, w->key, item.keep + (size_t)item.tail_len, &loc);
    }
    return rc;
}

static int walk_node(const struct walk *w, const struct hg_node *n)
{
    const struct hg_inner *in;
    int rc = w->v->enter == NULL ? 1 : w->v->enter(w->v->ctx, n);

    if (rc <= 0)
        return rc;
    if (n->level == 0)
        return walk_leaf(w, hg_node_leaf(n));
    in = hg_node_inner(n);
    rc = 0;
    for (uint32_t i = 0; i < in->count && rc == 0; i++)
        rc = walk_node(w, hg_inner_children(in)[i]);
    return rc;
}

int hg_root_walk(const struct hg_root *root, const struct hg_root_visitor *v)
{
    struct walk w = { .v = v };
    int rc;

    if (root->top == NULL)
        return 0;
    w.key = hg_malloc(HG_KEY_MAX);
    if (w.key == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a key");
    rc = walk_node(&w, root->top);
    hg_free(w.key);
    return rc;
}
