/*
 * The index as pages: saving, loading, and the walk that checks everything.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/index_node.h"

/* ---- save --------------------------------------------------------------------------------------*/

static int save_below(const struct hg_node *n,
                      int (*each)(void *ctx, const uint8_t *page, size_t len), void *ctx)
{
    if (n->level == 0) {
        const uint8_t *page = hg_node_leaf(n)->page;
        return each(ctx, page, hg_page_used(page));
    }
    const struct hg_inner *in = hg_node_inner(n);
    int rc = HOLOG_OK;
    for (uint32_t i = 0; i < in->count && rc == HOLOG_OK; i++)
        rc = save_below(hg_inner_children(in)[i], each, ctx);
    return rc;
}

int hg_root_save(const struct hg_root *root,
                 int (*each)(void *ctx, const uint8_t *page, size_t len), void *ctx)
{
    return root->top != NULL ? save_below(root->top, each, ctx) : HOLOG_OK;
}

/* ---- load --------------------------------------------------------------------------------------*/

/* Inner nodes of a loaded tree have room to grow. */
#define LOAD_FANOUT (HG_INNER_MAX * 7 / 8)

struct hg_index_loader {
    struct hg_index *ix;
    struct hg_child *items; /* of the level being built; separators in ix->seps */
    uint32_t count;
    uint32_t cap;
    uint64_t keys;
    uint64_t pages;
    uint64_t bytes;        /* of the pages so far */
    struct hg_buf last[2]; /* last key of the page before, and of this one */
    struct hg_node *made;  /* all nodes so far, by node.next */
};

static int loader_corrupt(const struct hg_index_loader *l, const char *why, size_t at)
{
    return hg_corrupt_file("chk", l->bytes + at, "index page %llu: %s",
                           (unsigned long long)l->pages, why);
}

int hg_index_load_begin(struct hg_index *empty, struct hg_index_loader **out_loader)
{
    if (empty->head->top != NULL)
        return hg_error(HOLOG_E_INVAL, "pages are loaded into an empty index only");
    int rc = hg_head_prepare(empty, 0);
    if (rc < 0)
        return rc;
    struct hg_index_loader *l = hg_calloc(1, sizeof *l);
    if (l == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load an index");
    l->ix = empty;
    empty->seps.len = 0;
    *out_loader = l;
    return HOLOG_OK;
}

void hg_index_load_abort(struct hg_index_loader *l)
{
    if (l == NULL)
        return;
    hg_nodes_free(l->ix, l->made);
    hg_free(l->items);
    hg_buf_release(&l->last[0]);
    hg_buf_release(&l->last[1]);
    hg_buf_release(&l->ix->seps);
    hg_free(l);
}

static int loader_reserve(struct hg_index_loader *l)
{
    if (l->count < l->cap)
        return HOLOG_OK;
    uint32_t cap = HG_MAX(l->cap * 2, 256u);
    struct hg_child *items = hg_realloc(l->items, cap * sizeof *items);
    if (items == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load an index");
    l->items = items;
    l->cap = cap;
    return HOLOG_OK;
}

/* The page's first key against the last key of the page before: the shortest separator. */
static int loader_separate(struct hg_index_loader *l, const uint8_t *page, struct hg_child *item)
{
    uint32_t prefix_len;
    const uint8_t *prefix = hg_page_prefix(page, &prefix_len);
    struct hg_page_iter it;
    struct hg_page_item first;
    hg_page_iter_begin(&it, page, 0);
    (void)hg_page_iter_next(&it, &first); /* a valid page is not empty */

    size_t len = prefix_len + (size_t)first.tail_len;
    struct hg_buf *seps = &l->ix->seps;
    int rc = hg_buf_reserve(seps, len + 1); /* never NULL */
    if (rc < 0)
        return rc;
    uint8_t *key = seps->data + seps->len;
    memcpy(key, prefix, prefix_len);
    memcpy(key + prefix_len, first.tail, first.tail_len);
    const struct hg_buf *last = &l->last[0];
    size_t same = 0;
    while (same < len && same < last->len && key[same] == last->data[same])
        same++;
    if (same == len || (same < last->len && key[same] < last->data[same]))
        return loader_corrupt(l, "its first key is not behind the page before", 0);
    item->sep = (uint32_t)seps->len;
    item->sep_len = (uint32_t)same + 1;
    seps->len += same + 1;
    return HOLOG_OK;
}

static uint64_t page_newest(const uint8_t *page)
{
    uint64_t newest = 0;
    struct hg_page_iter it;
    struct hg_page_item item;

    hg_page_iter_begin(&it, page, 0);
    while (hg_page_iter_next(&it, &item)) {
        struct hg_locator loc;
        hg_locator_decode(item.loc, &loc);
        newest = HG_MAX(newest, loc.number);
    }
    return newest;
}

int hg_index_load_page(struct hg_index_loader *l, const uint8_t *page, size_t len)
{
    const char *why = NULL;
    size_t at = 0;
    struct hg_child item = { 0 };
    struct hg_leaf *leaf = NULL;

    int rc = hg_page_validate(page, len, &l->last[1], &why, &at);
    if (rc == HOLOG_E_CORRUPT)
        return loader_corrupt(l, why, at);
    if (rc == HOLOG_OK && hg_page_count(page) > 1 && len > HG_PAGE_BYTES_MAX)
        return loader_corrupt(l, "longer than pages are", 2);
    if (rc == HOLOG_OK)
        rc = loader_reserve(l);
    if (rc == HOLOG_OK && l->count > 0)
        rc = loader_separate(l, page, &item);
    if (rc == HOLOG_OK)
        rc = hg_leaf_new(l->ix, len, 1, &leaf);
    if (rc < 0)
        return rc;
    HG_ASSERT(leaf != NULL);
    memcpy(leaf->page, page, len);
    leaf->node.newest = page_newest(page);
    leaf->node.next = l->made;
    l->made = &leaf->node;
    item.node = &leaf->node;
    l->items[l->count++] = item;
    l->keys += hg_page_count(page);
    l->pages++;
    l->bytes += len;
    struct hg_buf last = l->last[0];
    l->last[0] = l->last[1];
    l->last[1] = last;
    return HOLOG_OK;
}

/* One level of inner nodes above the items, evenly filled; they become the items. */
static int loader_level(struct hg_index_loader *l)
{
    uint32_t pieces = (l->count + LOAD_FANOUT - 1) / LOAD_FANOUT;
    uint32_t level = l->items[0].node->level + 1;
    if (level > HG_HEIGHT_MAX)
        return hg_error(HOLOG_E_TOOBIG, "the index would be higher than %d levels", HG_HEIGHT_MAX);
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t from = (uint32_t)((uint64_t)l->count * i / pieces);
        uint32_t to = (uint32_t)((uint64_t)l->count * (i + 1) / pieces);
        struct hg_inner *in;
        int rc = hg_inner_build(l->ix, l->items + from, to - from, level, 1, &in);
        if (rc < 0)
            return rc;
        in->node.next = l->made;
        l->made = &in->node;
        l->items[i] = (struct hg_child){ .node = &in->node,
                                         .sep = l->items[from].sep,
                                         .sep_len = l->items[from].sep_len };
    }
    l->count = pieces;
    return HOLOG_OK;
}

int hg_index_load_end(struct hg_index_loader *l)
{
    struct hg_index *ix = l->ix;
    int rc = HOLOG_OK;
    HG_ASSERT(ix->head->top == NULL); /* no edit while loading */
    if (l->count > 1)
        rc = hg_seps_pad(ix);
    while (l->count > 1 && rc == HOLOG_OK)
        rc = loader_level(l);
    if (rc == HOLOG_OK && l->count == 1) {
        ix->head->top = l->items[0].node;
        ix->head->count = l->keys;
        ix->dirty = 1;
        l->made = NULL; /* handed over */
    }
    hg_index_load_abort(l);
    return rc;
}

/* ---- check -------------------------------------------------------------------------------------*/

struct walk {
    const struct hg_root *root;
    struct hg_buf last; /* the last key of the page before */
    struct hg_buf page_last;
    struct hg_buf low; /* bounds of the node: low <= keys < high */
    uint64_t keys;
    uint64_t pages;
    int any;
};

static int walk_bad(const struct walk *w, const char *why)
{
    return hg_error(HOLOG_E_CORRUPT, "index: %s, at page %llu, key %llu", why,
                    (unsigned long long)w->pages, (unsigned long long)w->keys);
}

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t n = HG_MIN(a_len, b_len);
    int c = n > 0 ? memcmp(a, b, n) : 0;
    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static int walk_leaf(struct walk *w, const struct hg_node *n)
{
    const char *why = NULL;
    size_t at = 0;
    const uint8_t *page = hg_node_leaf(n)->page;
    uint32_t used = hg_page_used(page);
    if (used > hg_leaf_room(hg_node_leaf(n)))
        return walk_bad(w, "a page longer than its leaf");
    if (used > HG_PAGE_BYTES_MAX && hg_page_count(page) > 1)
        return walk_bad(w, "a page over the page size");
    int rc = hg_page_validate(page, used, &w->page_last, &why, &at);
    if (rc == HOLOG_E_CORRUPT)
        return walk_bad(w, why);
    if (rc < 0)
        return rc;
    if (page_newest(page) > n->newest)
        return walk_bad(w, "a number above its page's newest"); /* N4 */

    struct hg_page_iter it;
    struct hg_page_item first;
    uint32_t prefix_len;
    const uint8_t *prefix = hg_page_prefix(page, &prefix_len);
    struct hg_buf key = { 0 };
    hg_page_iter_begin(&it, page, 0);
    (void)hg_page_iter_next(&it, &first); /* a valid page is not empty */
    rc = hg_buf_append(&key, prefix, prefix_len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&key, first.tail, first.tail_len);
    if (rc == HOLOG_OK && w->any && compare(w->last.data, w->last.len, key.data, key.len) >= 0)
        rc = walk_bad(w, "a page that is not behind the one before");
    if (rc == HOLOG_OK && compare(key.data, key.len, w->low.data, w->low.len) < 0)
        rc = walk_bad(w, "a key below its separator");
    hg_buf_release(&key);
    struct hg_buf last = w->last;
    w->last = w->page_last;
    w->page_last = last;
    w->any = 1;
    w->keys += hg_page_count(page);
    w->pages++;
    return rc;
}

static int walk_below(struct walk *w, const struct hg_node *n);

/* Separator i: heads agree, behind all keys so far, and a lower bound for what follows. */
static int walk_separator(struct walk *w, const struct hg_inner *in, uint32_t i)
{
    uint32_t len;
    const uint8_t *sep = hg_inner_sep(in, i, &len);
    if (hg_inner_head(in, sep, len) != in->words[i - 1] ||
        (i > 1 && in->words[i - 2] > in->words[i - 1]))
        return walk_bad(w, "the head of a separator");
    w->low.len = 0;
    int rc = hg_buf_append(&w->low, hg_inner_bytes(in), in->prefix_len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&w->low, sep, len);
    if (rc == HOLOG_OK && compare(w->last.data, w->last.len, w->low.data, w->low.len) >= 0)
        rc = walk_bad(w, "a key not below the separator behind it");
    return rc;
}

static int walk_inner(struct walk *w, const struct hg_inner *in)
{
    if (in->count == 0 || in->count > HG_INNER_MAX)
        return walk_bad(w, "the number of children");
    int rc = HOLOG_OK;
    for (uint32_t i = 0; i < in->count && rc == HOLOG_OK; i++) {
        const struct hg_node *child = hg_inner_children(in)[i];
        if (child->level + 1 != in->node.level)
            return walk_bad(w, "a child of the wrong level");
        if (child->born > in->node.born)
            return walk_bad(w, "a child younger than its parent"); /* N1 */
        if (child->newest > in->node.newest)
            return walk_bad(w, "a child with a number above its parent's newest"); /* N4 */
        if (i > 0)
            rc = walk_separator(w, in, i);
        if (rc == HOLOG_OK)
            rc = walk_below(w, child);
    }
    return rc;
}

static int walk_below(struct walk *w, const struct hg_node *n)
{
    return n->level > 0 ? walk_inner(w, hg_node_inner(n)) : walk_leaf(w, n);
}

int hg_root_check(const struct hg_root *root)
{
    struct walk w = { .root = root };
    int rc = HOLOG_OK;
    if (root->top != NULL) {
        if (root->top->level > 0 && hg_node_inner(root->top)->count < 2)
            rc = walk_bad(&w, "a root with one child");
        else if (root->top->level > HG_HEIGHT_MAX)
            rc = walk_bad(&w, "the height");
        else
            rc = walk_below(&w, root->top);
    }
    if (rc == HOLOG_OK && w.keys != root->count)
        rc = walk_bad(&w, "the number of keys");
    hg_buf_release(&w.last);
    hg_buf_release(&w.page_last);
    hg_buf_release(&w.low);
    return rc;
}
