/*
 * The index: edits. See index.h for the contract, index_node.h for nodes and versions.
 *
 * An edit makes all it needs first and changes the tree by one store of a pointer at the end, so
 * a failure on the way has nothing to undo but to free the new nodes. Two ways:
 *
 *   in the page   most edits. The leaf is the head's own: its bytes move. Else, or when it has no
 *                 room, a new leaf is written and put in the old one's place (edit_relink).
 *   rebuilding    the leaf's entries, perhaps with a sibling's, are listed, changed, and encoded
 *                 into none, one or more pages, which replace it (edit_replace). The same then
 *                 happens to the inner nodes above, as far as it is needed.
 */
#include "engine/index.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "engine/index_node.h"

#define PAGE_BYTES_DEFAULT 2048
/* A new leaf has room for an entry or two more; one that grows again before the next freeze gets a
 * quarter, so that keys in order do not copy it each time. */
#define LEAF_SLACK(room, again) ((again) ? (room) / 4 : 64)
/* One edit drops at most a node and its sibling on every level, and roots with a single child. */
#define EDIT_DROP_MAX (2 * (HG_HEIGHT_MAX + 1) + HG_HEIGHT_MAX)

/* An edit at work. */
struct edit {
    struct hg_index *ix;
    int budget;           /* the limit counts: not for removals, which must always be possible */
    struct hg_node *made; /* by node.next */
    struct hg_node *dropped[EDIT_DROP_MAX];
    uint32_t dropped_count;
    struct hg_node **slot; /* what edit_commit stores where */
    struct hg_node *value;
};

/* ---- create and destroy ------------------------------------------------------------------------*/

void hg_index_destroy(struct hg_index *ix)
{
    if (ix == NULL)
        return;
    if (ix->head != NULL)
        hg_versions_destroy(ix);
    hg_page_list_release(&ix->list);
    hg_buf_release(&ix->seps);
    hg_free(ix->items[0]);
    hg_free(ix->items[1]);
    hg_free(ix->scratch);
    hg_free(ix->key);
    (void)pthread_mutex_destroy(&ix->lock); /* fails only when held */
    hg_free(ix);
}

int hg_index_create(struct hg_epoch_domain *domain, size_t page_bytes, struct hg_index **out_index)
{
    if (page_bytes != 0 && (page_bytes < HG_PAGE_BYTES_MIN || page_bytes > HG_PAGE_BYTES_MAX))
        return hg_error(HOLOG_E_INVAL, "index pages of %zu bytes; %d to %d are possible",
                        page_bytes, HG_PAGE_BYTES_MIN, HG_PAGE_BYTES_MAX);
    struct hg_index *ix = hg_calloc(1, sizeof *ix);
    if (ix == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for an index");
    int rc = HOLOG_E_NOMEM;
    ix->domain = domain;
    ix->page_bytes = page_bytes != 0 ? page_bytes : PAGE_BYTES_DEFAULT;
    if (pthread_mutex_init(&ix->lock, NULL) != 0) {
        hg_free(ix);
        return hg_error(HOLOG_E_NOMEM, "no memory for an index");
    }
    ix->scratch = hg_malloc(2 * (size_t)HG_PAGE_SCRATCH_SIZE);
    ix->key = hg_malloc(HG_KEY_MAX + HG_KEY_PAD);
    if (ix->scratch == NULL || ix->key == NULL)
        rc = hg_error(HOLOG_E_NOMEM, "no memory for an index");
    else
        rc = hg_versions_init(ix);
    if (rc < 0) {
        hg_index_destroy(ix);
        return rc;
    }
    *out_index = ix;
    return HOLOG_OK;
}

uint64_t hg_index_bytes(const struct hg_index *ix)
{
    return atomic_load_explicit(&ix->bytes, memory_order_relaxed);
}

uint64_t hg_index_limbo(const struct hg_index *ix)
{
    return atomic_load_explicit(&ix->limbo, memory_order_relaxed);
}

uint64_t hg_index_count(const struct hg_index *ix)
{
    return ix->head->count;
}

void hg_index_set_limit(struct hg_index *ix, uint64_t max_bytes)
{
    atomic_store_explicit(&ix->limit, max_bytes, memory_order_relaxed);
}

/* ---- the frame of an edit ----------------------------------------------------------------------*/

static void edit_made(struct edit *e, struct hg_node *n)
{
    n->next = e->made;
    e->made = n;
}

static void edit_drop(struct edit *e, struct hg_node *n)
{
    HG_ASSERT(e->dropped_count < EDIT_DROP_MAX);
    e->dropped[e->dropped_count++] = n;
}

static void edit_commit(struct edit *e, uint64_t count)
{
    struct hg_index *ix = e->ix;
    *e->slot = e->value;
    for (uint32_t i = 0; i < e->dropped_count; i++)
        hg_head_drop(ix, e->dropped[i]);
    ix->head->count = count;
    ix->dirty = 1;
}

static void edit_abort(struct edit *e)
{
    hg_nodes_free(e->ix, e->made);
    e->made = NULL;
}

static int items_reserve(struct hg_index *ix, unsigned which, uint32_t count)
{
    if (count <= ix->items_cap[which])
        return HOLOG_OK;
    uint32_t cap = HG_MAX(count, 2 * ix->items_cap[which]);
    struct hg_child *items = hg_realloc(ix->items[which], cap * sizeof *items);
    if (items == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to rebuild an index node");
    ix->items[which] = items;
    ix->items_cap[which] = cap;
    return HOLOG_OK;
}

static void descend(const struct hg_index *ix, const uint8_t *key, size_t key_len,
                    struct hg_path *out_path)
{
    struct hg_node *n = ix->head->top;
    uint32_t depth = 0;
    while (n->level > 0) {
        struct hg_inner *in = hg_node_inner(n);
        out_path->node[depth] = in;
        out_path->child[depth] = hg_inner_find(in, key, key_len);
        n = hg_inner_children(in)[out_path->child[depth]];
        depth++;
    }
    out_path->depth = depth;
    out_path->leaf = hg_node_leaf(n);
}

/* The leaf of key and the key's position in it. An edit copies the leaf: all of it is asked for. */
static void find(const struct hg_index *ix, const uint8_t *key, size_t key_len,
                 struct hg_path *out_path, struct hg_page_pos *out_pos)
{
    (void)hg_find_leaf(ix->head->top, key, key_len, out_path, (uint32_t)ix->page_bytes);
    hg_page_find(out_path->leaf->page, key, key_len, out_pos);
    if (hg_page_within(out_path->leaf->page, out_pos))
        return;
    descend(ix, key, key_len, out_path);
    hg_page_find(out_path->leaf->page, key, key_len, out_pos);
}

/* As find, but first where the last mark was, which spares the way down. */
static void find_near(const struct hg_index *ix, const uint8_t *key, size_t key_len,
                      struct hg_path *out_path, struct hg_page_pos *out_pos)
{
    if (ix->near.leaf != NULL) {
        hg_page_find(ix->near.leaf->page, key, key_len, out_pos);
        if (hg_page_within(ix->near.leaf->page, out_pos)) {
            *out_path = ix->near;
            return;
        }
    }
    find(ix, key, key_len, out_path, out_pos);
}

/* N4: the edit puts numbers up to `stamp` below the path. Nodes that are not the head's own are to
 * be copied. */
static void stamp_path(struct hg_index *ix, const struct hg_path *path, uint64_t stamp)
{
    ix->stamp = HG_MAX(stamp, path->leaf->node.newest);
    for (uint32_t i = 0; i < path->depth; i++) {
        struct hg_node *n = &path->node[i]->node;
        if (n->born == ix->head->generation)
            n->newest = HG_MAX(n->newest, stamp);
    }
    if (path->leaf->node.born == ix->head->generation)
        path->leaf->node.newest = ix->stamp;
}

/* Let n stand where the path goes on below `depth` inner levels: copies of older inner nodes, which
 * take their place in the path, up to the first that is the head's own, or to the root. */
static int edit_relink(struct edit *e, struct hg_path *path, uint32_t depth, struct hg_node *n)
{
    while (depth > 0) {
        struct hg_inner *in = path->node[--depth];
        if (in->node.born == e->ix->head->generation) {
            e->slot = &hg_inner_children(in)[path->child[depth]];
            e->value = n;
            return HOLOG_OK;
        }
        struct hg_inner *copy;
        int rc = hg_inner_copy(e->ix, in, e->budget, &copy);
        if (rc < 0)
            return rc;
        edit_made(e, &copy->node);
        edit_drop(e, &in->node);
        hg_inner_children(copy)[path->child[depth]] = n;
        path->node[depth] = copy;
        n = &copy->node;
    }
    e->slot = &e->ix->head->top;
    e->value = n;
    return HOLOG_OK;
}

/* ---- rebuilding inner nodes --------------------------------------------------------------------*/

/* How many nodes n children need. */
static uint32_t inner_pieces(const struct hg_index *ix, const struct hg_child *items, uint32_t n)
{
    uint32_t pieces = (n + HG_INNER_MAX - 1) / HG_INNER_MAX;
    if (pieces == 1 && n >= HG_INNER_BYTES_MIN && n > 1 &&
        hg_inner_sep_bytes(ix, items, n) > HG_INNER_BYTES)
        pieces = 2;
    return pieces;
}

/* Make nodes of n items (ix->items[1]); the nodes become items[0][0 .. *out_count-1]. Between two
 * nodes stands the separator that was between their children. */
static int edit_build(struct edit *e, uint32_t n, uint32_t level, uint32_t *out_count)
{
    struct hg_index *ix = e->ix;
    const struct hg_child *items = ix->items[1];
    int rc = hg_seps_pad(ix);
    if (rc < 0)
        return rc;
    uint32_t pieces = inner_pieces(ix, items, n);
    rc = items_reserve(ix, 0, pieces);
    for (uint32_t i = 0; i < pieces && rc == HOLOG_OK; i++) {
        uint32_t from = (uint32_t)((uint64_t)n * i / pieces);
        uint32_t to = (uint32_t)((uint64_t)n * (i + 1) / pieces);
        struct hg_inner *in;
        rc = hg_inner_build(ix, items + from, to - from, level, e->budget, &in);
        if (rc < 0)
            break;
        edit_made(e, &in->node);
        ix->items[0][i] = (struct hg_child){ .node = &in->node,
                                             .sep = items[from].sep,
                                             .sep_len = items[from].sep_len };
    }
    *out_count = pieces;
    return rc;
}

/* The root: nothing, one node, or a new level above several. */
static int edit_top(struct edit *e, uint32_t count)
{
    struct hg_index *ix = e->ix;
    int rc = HOLOG_OK;
    while (count > 1 && rc == HOLOG_OK) {
        uint32_t level = ix->items[0][0].node->level + 1;
        if (level > HG_HEIGHT_MAX)
            return hg_error(HOLOG_E_TOOBIG, "the index would be higher than %d levels",
                            HG_HEIGHT_MAX);
        rc = items_reserve(ix, 1, count);
        if (rc == HOLOG_OK) {
            memcpy(ix->items[1], ix->items[0], count * sizeof *ix->items[0]);
            rc = edit_build(e, count, level, &count);
        }
    }
    if (rc < 0)
        return rc;
    struct hg_node *top = count > 0 ? ix->items[0][0].node : NULL;
    while (top != NULL && top->level > 0 && hg_node_inner(top)->count == 1) {
        edit_drop(e, top);
        top = hg_inner_children(hg_node_inner(top))[0];
    }
    e->slot = &ix->head->top;
    e->value = top;
    return HOLOG_OK;
}

/* List in items[1] the children of path->node[depth], [from, to) of them replaced by the *count
 * nodes of items[0]. */
static int list_children(struct hg_index *ix, const struct hg_inner *in, uint32_t from, uint32_t to,
                         uint32_t count, uint32_t *out_total)
{
    uint32_t total = in->count - (to - from) + count;
    int rc = items_reserve(ix, 1, total + HG_INNER_MAX); /* and perhaps a sibling's */
    if (rc < 0)
        return rc;
    struct hg_child *items = ix->items[1];
    rc = hg_inner_items(ix, in, 0, from, items);
    if (rc == HOLOG_OK)
        rc = hg_inner_items(ix, in, to, in->count, items + from + count);
    struct hg_child left = { 0 };
    if (rc == HOLOG_OK && count > 0 && from > 0)
        rc = hg_inner_items(ix, in, from, from + 1, &left);
    if (rc < 0)
        return rc;
    if (count > 0) {
        memcpy(items + from, ix->items[0], count * sizeof *items);
        items[from].sep = left.sep; /* the first stands where the first replaced one stood */
        items[from].sep_len = left.sep_len;
    }
    *out_total = total;
    return HOLOG_OK;
}

/* Too few children: join those of a sibling. [*from, *to) becomes what both replace in parent. */
static int join_sibling(struct edit *e, const struct hg_inner *parent, uint32_t *from, uint32_t *to,
                        uint32_t *total)
{
    struct hg_index *ix = e->ix;
    int on_left = *from > 0;
    uint32_t at = on_left ? *from - 1 : *to;
    struct hg_inner *sibling = hg_node_inner(hg_inner_children(parent)[at]);
    struct hg_child *items = ix->items[1];
    struct hg_child between;
    int rc = hg_inner_items(ix, parent, on_left ? *from : at, (on_left ? *from : at) + 1, &between);
    if (rc < 0)
        return rc;
    uint32_t right = on_left ? sibling->count : *total; /* first item of the right half */
    if (on_left)
        memmove(items + sibling->count, items, *total * sizeof *items);
    rc = hg_inner_items(ix, sibling, 0, sibling->count, items + (on_left ? 0 : *total));
    if (rc < 0)
        return rc;
    items[right].sep = between.sep;
    items[right].sep_len = between.sep_len;
    edit_drop(e, &sibling->node);
    *total += sibling->count;
    *from -= on_left ? 1 : 0;
    *to += on_left ? 0 : 1;
    return HOLOG_OK;
}

/* Children [from, to) of the inner node at path->node[depth-1] give way to the `count` nodes of
 * items[0], and so on upwards. Those replaced are dropped by the caller. */
static int edit_replace(struct edit *e, const struct hg_path *path, uint32_t depth, uint32_t from,
                        uint32_t to, uint32_t count)
{
    struct hg_index *ix = e->ix;
    while (depth > 0) {
        struct hg_inner *in = path->node[--depth];
        if (count == 1 && to - from == 1) {
            struct hg_path at = *path;
            at.child[depth] = from;
            return edit_relink(e, &at, depth + 1, ix->items[0][0].node);
        }
        uint32_t total;
        int rc = list_children(ix, in, from, to, count, &total);
        if (rc < 0)
            return rc;
        edit_drop(e, &in->node);
        from = depth > 0 ? path->child[depth - 1] : 0;
        to = from + 1;
        if (total == 0) {
            count = 0;
            continue;
        }
        const struct hg_inner *parent = depth > 0 ? path->node[depth - 1] : NULL;
        if (total < HG_INNER_MIN && parent != NULL && parent->count > 1)
            rc = join_sibling(e, parent, &from, &to, &total);
        if (rc == HOLOG_OK)
            rc = edit_build(e, total, in->node.level, &count);
        if (rc < 0)
            return rc;
    }
    return edit_top(e, count);
}

/* ---- rebuilding leaves -------------------------------------------------------------------------*/

/* Encode entries [from, to) of the list into pages that keep the page size; they become items[0]
 * from *count on. `first` is where a cut is preferred (a key behind all others), or 0. */
static int encode_pages(struct edit *e, uint32_t from, uint32_t to, uint32_t first, uint32_t *count)
{
    struct hg_index *ix = e->ix;
    const struct hg_page_list *l = &ix->list;
    while (from < to) {
        uint32_t end = to;
        size_t size = hg_page_list_size(l, from, end);
        while (end - from > 1 && size > ix->page_bytes) {
            end = first > from && first < end ? first : hg_page_list_cut(l, from, end);
            size = hg_page_list_size(l, from, end);
        }
        int rc = items_reserve(ix, 0, *count + 1);
        if (rc < 0)
            return rc;
        struct hg_child *item = &ix->items[0][*count];
        *item = (struct hg_child){ .sep = (uint32_t)ix->seps.len };
        if (*count > 0) { /* the shortest key behind the page before */
            item->sep_len = l->entries[from].lcp + 1;
            rc = hg_buf_append(&ix->seps, hg_page_list_key(l, from), item->sep_len);
            if (rc < 0)
                return rc;
        }
        struct hg_leaf *leaf;
        rc = hg_leaf_new(ix, size, e->budget, &leaf);
        if (rc < 0)
            return rc;
        edit_made(e, &leaf->node);
        hg_page_list_encode(l, from, end, leaf->page);
        HG_ASSERT(hg_page_used(leaf->page) == size);
        item->node = &leaf->node;
        ++*count;
        from = end;
    }
    return HOLOG_OK;
}

/* Replace the leaf of path by the list's entries. When they are few and `join`, a sibling's are
 * added (not on the way up: keys in order start with small pages). */
static int edit_leaf(struct edit *e, const struct hg_path *path, uint32_t first, int join)
{
    struct hg_index *ix = e->ix;
    struct hg_page_list *l = &ix->list;
    const struct hg_inner *parent = path->depth > 0 ? path->node[path->depth - 1] : NULL;
    uint32_t from = parent != NULL ? path->child[path->depth - 1] : 0;
    uint32_t to = from + 1;
    uint32_t count = 0;
    int rc = HOLOG_OK;

    edit_drop(e, &path->leaf->node);
    if (join && l->count > 0 && parent != NULL && parent->count > 1 &&
        hg_page_list_size(l, 0, l->count) < ix->page_bytes / 4) {
        uint32_t at = from > 0 ? from - 1 : to;
        struct hg_leaf *sibling = hg_node_leaf(hg_inner_children(parent)[at]);
        rc = hg_page_list_add(l, at < from ? 0 : l->count, sibling->page);
        if (rc < 0)
            return rc;
        ix->stamp = HG_MAX(ix->stamp, sibling->node.newest);
        edit_drop(e, &sibling->node);
        from = HG_MIN(from, at);
        to = from + 2;
    }
    rc = encode_pages(e, 0, l->count, first, &count);
    if (rc < 0)
        return rc;
    return edit_replace(e, path, path->depth, from, to, count);
}

static void edit_begin(struct hg_index *ix, struct edit *e, int budget)
{
    *e = (struct edit){ .ix = ix, .budget = budget };
    ix->near.leaf = NULL;
    ix->seps.len = 0;
    hg_page_list_clear(&ix->list);
}

static int edit_end(struct edit *e, int rc, uint64_t count)
{
    if (rc < 0)
        edit_abort(e);
    else
        edit_commit(e, count);
    return rc;
}

/* ---- put ---------------------------------------------------------------------------------------*/

static const uint8_t *pad_key(struct hg_index *ix, const uint8_t *key, size_t key_len)
{
    if (key_len > 0)
        memcpy(ix->key, key, key_len);
    memset(ix->key + key_len, 0, HG_KEY_PAD);
    return ix->key;
}

/* The leaf of path, made the head's own with room for `room` bytes; its page's content is the
 * caller's to write. *out_same: it is the one that was there, to be edited in place. */
static int writable_leaf(struct edit *e, struct hg_path *path, uint32_t room,
                         struct hg_leaf **out_leaf)
{
    struct hg_index *ix = e->ix;
    struct hg_leaf *leaf = path->leaf;
    int own = leaf->node.born == ix->head->generation;
    if (own && room <= hg_leaf_room(leaf)) {
        e->slot = &e->value; /* nothing to relink */
        *out_leaf = leaf;
        return HOLOG_OK;
    }
    uint32_t slack = LEAF_SLACK(room, own);
    uint32_t most = HG_MAX(room, (uint32_t)ix->page_bytes);
    struct hg_leaf *copy;
    int rc = hg_leaf_new(ix, HG_MIN(room + slack, most), e->budget, &copy);
    if (rc < 0)
        return rc;
    edit_made(e, &copy->node);
    edit_drop(e, &leaf->node);
    path->leaf = copy;
    *out_leaf = copy;
    return edit_relink(e, path, path->depth, &copy->node);
}

/* Put into the page. 1 when that is not possible: the prefix or the size would change. */
static int put_in_page(struct edit *e, struct hg_path *path, struct hg_page_pos *pos,
                       const uint8_t *key, size_t key_len, const uint8_t *loc)
{
    struct hg_index *ix = e->ix;
    const uint8_t *page = path->leaf->page;
    const uint8_t *ready = NULL; /* the whole new page */
    uint32_t size;

    if (pos->outside)
        return 1;
    if (hg_page_run_full(page, pos)) {
        if (hg_page_used(page) > ix->page_bytes)
            return 1;
        if (hg_page_at_end(page, pos)) {
            hg_page_append(page, ix->scratch, key, key_len, loc);
            ready = ix->scratch;
        } else {
            hg_page_split_run(page, ix->scratch, pos->run);
            page = ix->scratch;
            hg_page_find(page, key, key_len, pos);
        }
    }
    size = ready != NULL ? hg_page_used(ready) : hg_page_insert_size(page, pos, key, key_len);
    if (size > ix->page_bytes)
        return 1;
    struct hg_leaf *leaf;
    int rc = writable_leaf(e, path, size, &leaf);
    if (rc < 0)
        return rc;
    if (ready != NULL)
        memcpy(leaf->page, ready, size);
    else
        hg_page_insert(page, leaf->page, pos, key, key_len, loc);
    return HOLOG_OK;
}

static int put_rebuilding(struct edit *e, const struct hg_path *path, const uint8_t *key,
                          size_t key_len, const uint8_t *loc)
{
    struct hg_page_list *l = &e->ix->list;
    int rc = hg_page_list_add(l, 0, path->leaf->page);
    if (rc < 0)
        return rc;
    uint32_t at = hg_page_list_find(l, key, key_len);
    uint32_t first = at == l->count ? at : 0;
    rc = hg_page_list_insert(l, at, key, key_len, loc);
    return rc < 0 ? rc : edit_leaf(e, path, first, 0);
}

static int put_first(struct edit *e, const uint8_t *key, size_t key_len, const uint8_t *loc)
{
    uint32_t count = 0;
    int rc = hg_page_list_insert(&e->ix->list, 0, key, key_len, loc);
    if (rc == HOLOG_OK)
        rc = encode_pages(e, 0, 1, 0, &count);
    return rc < 0 ? rc : edit_top(e, count);
}

static int replace_locator(struct edit *e, struct hg_path *path, const struct hg_page_pos *pos,
                           const uint8_t *loc)
{
    const uint8_t *page = path->leaf->page;
    struct hg_leaf *leaf;
    int rc = writable_leaf(e, path, hg_page_used(page), &leaf);
    if (rc < 0)
        return rc;
    if (leaf->page != page)
        memcpy(leaf->page, page, hg_page_used(page));
    memcpy(hg_page_locator(leaf->page, pos), loc, HG_LOCATOR_SIZE);
    return HOLOG_OK;
}

static int check_key(size_t key_len)
{
    if (key_len > HG_KEY_MAX)
        return hg_error(HOLOG_E_INVAL, "a key of %zu bytes; %d are possible", key_len, HG_KEY_MAX);
    return HOLOG_OK;
}

static int check_locator(const struct hg_locator *loc)
{
    if (loc->size >> 48 != 0 || loc->number >> 48 != 0 || loc->check >> 24 != 0 ||
        loc->type - 1u >= HG_ENTRY_TYPE_MAX)
        return hg_error(HOLOG_E_INVAL, "a locator of type %u has a field out of range", loc->type);
    return HOLOG_OK;
}

/* Into the leaf of path; when that is rebuilt, path->leaf is NULL. `old` is set when pos says the
 * key is there. */
static int put_at(struct edit *e, struct hg_path *path, struct hg_page_pos *pos, const uint8_t *key,
                  size_t key_len, const struct hg_locator *loc, struct hg_locator *old)
{
    uint8_t bytes[HG_LOCATOR_SIZE];
    int rc;

    hg_locator_encode(bytes, loc);
    if (pos->found) {
        hg_locator_decode(hg_page_locator(path->leaf->page, pos), old);
        return replace_locator(e, path, pos, bytes);
    }
    rc = put_in_page(e, path, pos, key, key_len, bytes);
    if (rc > 0) {
        rc = put_rebuilding(e, path, key, key_len, bytes);
        path->leaf = NULL;
    }
    return rc;
}

int hg_index_put(struct hg_index *ix, const uint8_t *key, size_t key_len,
                 const struct hg_locator *loc, int *out_replaced, struct hg_locator *out_old)
{
    struct hg_locator old;
    int rc = hg_index_put_over(ix, key, key_len, loc, ~0u, &old);

    if (rc == HOLOG_OK && out_replaced != NULL)
        *out_replaced = old.type != 0;
    if (rc == HOLOG_OK && old.type != 0 && out_old != NULL)
        *out_old = old;
    return rc;
}

int hg_index_put_over(struct hg_index *ix, const uint8_t *key, size_t key_len,
                      const struct hg_locator *loc, unsigned over, struct hg_locator *out_old)
{
    uint8_t bytes[HG_LOCATOR_SIZE];
    struct hg_path path;
    struct hg_page_pos pos = { 0 };
    struct edit e;

    *out_old = (struct hg_locator){ 0 };
    int rc = check_key(key_len);
    if (rc == HOLOG_OK)
        rc = check_locator(loc);
    if (rc == HOLOG_OK)
        rc = hg_head_prepare(ix, EDIT_DROP_MAX);
    if (rc < 0)
        return rc;
    key = pad_key(ix, key, key_len);
    if (ix->head->top == NULL) {
        hg_locator_encode(bytes, loc);
        edit_begin(ix, &e, 1);
        ix->stamp = loc->number;
        rc = put_first(&e, key, key_len, bytes);
    } else {
        find_near(ix, key, key_len, &path, &pos);
        if (pos.found) {
            hg_locator_decode(hg_page_locator(path.leaf->page, &pos), out_old);
            if ((over & 1u << out_old->type) == 0)
                return 1;
        }
        edit_begin(ix, &e, 1);
        stamp_path(ix, &path, loc->number);
        rc = put_at(&e, &path, &pos, key, key_len, loc, out_old);
    }
    return edit_end(&e, rc, ix->head->count + (pos.found ? 0 : 1));
}

int hg_index_mark(struct hg_index *ix, const uint8_t *key, size_t key_len, uint64_t number,
                  struct hg_locator *out_loc)
{
    uint8_t bytes[HG_LOCATOR_SIZE];
    struct hg_locator loc;
    struct hg_path path;
    struct hg_page_pos pos;
    struct edit e;

    int rc = check_key(key_len);
    if (rc == HOLOG_OK)
        rc = hg_head_prepare(ix, EDIT_DROP_MAX);
    if (rc < 0)
        return rc;
    if (ix->head->top == NULL)
        return HOLOG_E_NOENT;
    key = pad_key(ix, key, key_len);
    find_near(ix, key, key_len, &path, &pos);
    if (!pos.found)
        return HOLOG_E_NOENT;
    hg_locator_decode(hg_page_locator(path.leaf->page, &pos), &loc);
    *out_loc = loc;
    ix->near = path;
    if (loc.type != HG_ENTRY_DIR || loc.size >= number)
        return HOLOG_OK;
    loc.size = number;
    rc = check_locator(&loc);
    if (rc < 0)
        return rc;
    hg_locator_encode(bytes, &loc);
    edit_begin(ix, &e, 1);
    stamp_path(ix, &path, 0);
    rc = replace_locator(&e, &path, &pos, bytes);
    rc = edit_end(&e, rc, ix->head->count);
    if (rc == HOLOG_OK)
        ix->near = path;
    return rc;
}

/* The edit that is taken back has made the leaf the head's own: it is written in place, and cannot
 * fail. */
void hg_index_put_back(struct hg_index *ix, const uint8_t *key, size_t key_len,
                       const struct hg_locator *loc)
{
    struct hg_path path;
    struct hg_page_pos pos;

    key = pad_key(ix, key, key_len);
    find_near(ix, key, key_len, &path, &pos);
    HG_ASSERT(pos.found && path.leaf->node.born == ix->head->generation);
    hg_locator_encode(hg_page_locator(path.leaf->page, &pos), loc);
}

void hg_index_unmark(struct hg_index *ix, const uint8_t *key, size_t key_len, uint64_t size)
{
    struct hg_locator loc;
    int rc = hg_index_get(ix, key, key_len, &loc);

    HG_ASSERT(rc == HOLOG_OK);
    loc.size = size;
    hg_index_put_back(ix, key, key_len, &loc);
}

/* ---- many puts in order ------------------------------------------------------------------------*/

#define SORTED_MIN   4   /* fewer new keys for a leaf: one by one, in the page */
#define SORTED_MAX   160 /* more at once only make lists longer than caches are */
#define SORTED_PAGES 4   /* or keys of so many pages: inner nodes are not made for jumps */

static int before_separator(const uint8_t *key, size_t key_len, const struct hg_inner *in,
                            uint32_t i)
{
    uint32_t sep_len;
    const uint8_t *sep = hg_inner_sep(in, i, &sep_len);
    size_t shared = HG_MIN(key_len, (size_t)in->prefix_len);
    int c = memcmp(key, hg_inner_bytes(in), shared);
    if (c != 0 || key_len < in->prefix_len)
        return c <= 0;
    key += shared;
    key_len -= shared;
    c = memcmp(key, sep, HG_MIN(key_len, (size_t)sep_len));
    return c != 0 ? c < 0 : key_len < sep_len;
}

/* How many of the items, the first among them, belong to the leaf of path. */
static size_t items_of_leaf(const struct hg_index *ix, const struct hg_path *path,
                            const struct hg_index_item *items, size_t n)
{
    uint32_t depth = path->depth;
    while (depth > 0 && path->child[depth - 1] + 1 == path->node[depth - 1]->count)
        depth--;
    size_t bytes = 0;
    size_t i = 0;
    for (n = HG_MIN(n, (size_t)SORTED_MAX); i < n && bytes < SORTED_PAGES * ix->page_bytes; i++) {
        if (i > 0 && depth > 0 &&
            !before_separator(items[i].key, items[i].key_len, path->node[depth - 1],
                              path->child[depth - 1] + 1))
            break;
        bytes += items[i].key_len;
    }
    return i;
}

static int key_order(const struct hg_page_list *l, uint32_t at, const struct hg_index_item *item)
{
    size_t len = l->entries[at].len;
    int c = memcmp(hg_page_list_key(l, at), item->key, HG_MIN(len, item->key_len));
    return c != 0 ? c : (len > item->key_len) - (len < item->key_len);
}

/* All in one rewriting of the leaf. *out_added: keys that were not there. */
static int put_in_leaf(struct edit *e, const struct hg_path *path, struct hg_index_item *items,
                       size_t n, uint64_t *out_added)
{
    struct hg_page_list *l = &e->ix->list;
    uint32_t at = 0;
    uint64_t added = 0;
    int rc = hg_page_list_add(l, 0, path->leaf->page);

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_index_item *item = &items[i];
        int c = 1;
        while (at < l->count && (c = key_order(l, at, item)) < 0)
            at++;
        hg_locator_encode(item->bytes, &item->loc);
        item->old.type = 0;
        if (at < l->count && c == 0) {
            hg_locator_decode(l->entries[at].loc, &item->old);
            if (item->loc.type != HG_ENTRY_DIR || item->old.type != HG_ENTRY_DIR)
                l->entries[at].loc = item->bytes;
        } else {
            rc = hg_page_list_insert(l, at, item->key, item->key_len, item->bytes);
            added++;
        }
        at++;
    }
    *out_added = added;
    return rc < 0 ? rc : edit_leaf(e, path, 0, 0);
}

static int put_item(struct hg_index *ix, struct hg_path *path, struct hg_page_pos *pos,
                    struct hg_index_item *item)
{
    struct edit e;
    int found = pos->found;
    int rc;

    if (found) {
        hg_locator_decode(hg_page_locator(path->leaf->page, pos), &item->old);
        if (item->loc.type == HG_ENTRY_DIR && item->old.type == HG_ENTRY_DIR)
            return HOLOG_OK;
    }
    rc = hg_head_prepare(ix, EDIT_DROP_MAX);
    if (rc < 0)
        return rc;
    edit_begin(ix, &e, 1);
    stamp_path(ix, path, item->loc.number);
    rc = put_at(&e, path, pos, item->key, item->key_len, &item->loc, &item->old);
    rc = edit_end(&e, rc, ix->head->count + (found ? 0 : 1));
    if (rc == HOLOG_OK)
        ix->near = *path; /* the next item may be for the same leaf */
    return rc;
}

/* As many as one leaf takes. */
static int put_some(struct hg_index *ix, struct hg_index_item *items, size_t n, size_t *out_n)
{
    struct hg_path path;
    struct hg_page_pos pos;
    struct edit e;
    uint64_t newest = 0;
    uint64_t added;

    *out_n = 1;
    if (ix->head->top == NULL)
        return hg_index_put(ix, items->key, items->key_len, &items->loc, NULL, NULL);
    find(ix, items->key, items->key_len, &path, &pos);
    *out_n = items_of_leaf(ix, &path, items, n);
    if (*out_n < SORTED_MIN) {
        int rc = put_item(ix, &path, &pos, items);
        for (size_t i = 1; i < *out_n && rc == HOLOG_OK; i++) {
            find_near(ix, items[i].key, items[i].key_len, &path, &pos);
            rc = put_item(ix, &path, &pos, &items[i]);
        }
        return rc;
    }
    int rc = hg_head_prepare(ix, EDIT_DROP_MAX);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < *out_n; i++)
        newest = HG_MAX(newest, items[i].loc.number);
    edit_begin(ix, &e, 1);
    stamp_path(ix, &path, newest);
    rc = put_in_leaf(&e, &path, items, *out_n, &added);
    return edit_end(&e, rc, ix->head->count + added);
}

int hg_index_put_sorted(struct hg_index *ix, struct hg_index_item *items, size_t n)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        items[i].old.type = 0;
        rc = check_key(items[i].key_len);
        if (rc == HOLOG_OK)
            rc = check_locator(&items[i].loc);
    }
    for (size_t done = 0; n > 0 && rc == HOLOG_OK; items += done, n -= done)
        rc = put_some(ix, items, n, &done);
    return rc;
}

/* ---- remove ------------------------------------------------------------------------------------*/

static int remove_found(struct edit *e, struct hg_path *path, const struct hg_page_pos *pos)
{
    struct hg_index *ix = e->ix;
    const uint8_t *page = path->leaf->page;
    if (hg_page_count(page) > 1) {
        hg_page_remove(page, ix->scratch, pos);
        uint32_t size = hg_page_used(ix->scratch);
        if (size >= ix->page_bytes / 4) {
            struct hg_leaf *leaf;
            int rc = writable_leaf(e, path, size, &leaf);
            if (rc == HOLOG_OK)
                memcpy(leaf->page, ix->scratch, size);
            return rc;
        }
        page = ix->scratch;
        int rc = hg_page_list_add(&ix->list, 0, page);
        if (rc < 0)
            return rc;
    }
    return edit_leaf(e, path, 0, 1);
}

int hg_index_remove(struct hg_index *ix, const uint8_t *key, size_t key_len,
                    struct hg_locator *out_old)
{
    struct hg_path path;
    struct hg_page_pos pos;
    struct edit e;
    struct hg_locator old;

    int rc = check_key(key_len);
    if (rc < 0)
        return rc;
    if (ix->head->top == NULL)
        return HOLOG_E_NOENT;
    key = pad_key(ix, key, key_len);
    find(ix, key, key_len, &path, &pos);
    if (!pos.found)
        return HOLOG_E_NOENT;
    rc = hg_head_prepare(ix, EDIT_DROP_MAX);
    if (rc < 0)
        return rc;
    hg_locator_decode(hg_page_locator(path.leaf->page, &pos), &old);
    edit_begin(ix, &e, 0);
    stamp_path(ix, &path, 0);
    rc = remove_found(&e, &path, &pos);
    rc = edit_end(&e, rc, ix->head->count - 1);
    if (rc == HOLOG_OK && out_old != NULL)
        *out_old = old;
    return rc;
}

/* ---- remove a prefix ---------------------------------------------------------------------------*/

/* Step to the next leaf. 0 when there is none. */
static int path_next(struct hg_path *path)
{
    uint32_t depth = path->depth;
    while (depth > 0 && path->child[depth - 1] + 1 == path->node[depth - 1]->count)
        depth--;
    if (depth == 0)
        return 0;
    path->child[depth - 1]++;
    struct hg_node *n = hg_inner_children(path->node[depth - 1])[path->child[depth - 1]];
    for (; n->level > 0; depth++) {
        path->node[depth] = hg_node_inner(n);
        path->child[depth] = 0;
        n = hg_inner_children(hg_node_inner(n))[0];
    }
    path->leaf = hg_node_leaf(n);
    return 1;
}

static int sep_has_prefix(const struct hg_inner *in, uint32_t i, const uint8_t *prefix, size_t len)
{
    uint32_t sep_len;
    const uint8_t *sep = hg_inner_sep(in, i, &sep_len);
    uint32_t shared = (uint32_t)HG_MIN(in->prefix_len, len);
    return in->prefix_len + sep_len >= len && memcmp(hg_inner_bytes(in), prefix, shared) == 0 &&
           memcmp(sep, prefix + shared, len - shared) == 0;
}

/* Leaves of the lowest inner node that lie between two separators with the prefix go as a whole:
 * [*from, *to), perhaps none. */
static void covered_leaves(const struct hg_path *path, const uint8_t *prefix, size_t len,
                           uint32_t *from, uint32_t *to)
{
    const struct hg_inner *in = path->node[path->depth - 1];
    uint32_t at = path->child[path->depth - 1];
    if (at == 0 || !sep_has_prefix(in, at, prefix, len))
        at++;
    *from = at;
    *to = at;
    if (at >= in->count || !sep_has_prefix(in, at, prefix, len))
        return;
    while (*to + 1 < in->count && sep_has_prefix(in, *to + 1, prefix, len))
        ++*to;
}

static int remove_leaves(struct edit *e, const struct hg_path *path, uint32_t from, uint32_t to,
                         uint64_t *out_count)
{
    const struct hg_inner *in = path->node[path->depth - 1];
    uint64_t count = 0;
    int rc = edit_replace(e, path, path->depth, from, to, 0);
    if (rc < 0)
        return rc;
    for (uint32_t i = from; i < to; i++) { /* nothing fails from here on */
        struct hg_node *n = hg_inner_children(in)[i];
        count += hg_page_count(hg_node_leaf(n)->page);
        hg_head_drop(e->ix, n);
    }
    *out_count = count;
    return HOLOG_OK;
}

static int remove_in_leaf(struct edit *e, const struct hg_path *path, const uint8_t *prefix,
                          size_t len, uint64_t *out_count)
{
    struct hg_page_list *l = &e->ix->list;
    int rc = hg_page_list_add(l, 0, path->leaf->page);
    if (rc < 0)
        return rc;
    uint32_t from = hg_page_list_find(l, prefix, len);
    uint32_t to = from;
    while (to < l->count && l->entries[to].len >= len &&
           memcmp(hg_page_list_key(l, to), prefix, len) == 0)
        to++;
    *out_count = to - from;
    if (from == to)
        return HOLOG_OK;
    hg_page_list_remove(l, from, to);
    return edit_leaf(e, path, 0, 1);
}

/* Remove some keys with the prefix, the first among them. *out_count is 0 when there are none. */
static int remove_some(struct hg_index *ix, const uint8_t *prefix, size_t len, uint64_t *out_count)
{
    struct hg_path path;
    struct hg_page_pos pos;
    struct edit e;
    uint32_t from = 0;
    uint32_t to = 0;

    *out_count = 0;
    if (ix->head->top == NULL)
        return HOLOG_OK;
    int rc = hg_head_prepare(ix, EDIT_DROP_MAX + HG_INNER_MAX);
    if (rc < 0)
        return rc;
    find(ix, prefix, len, &path, &pos);
    if (hg_page_at_end(path.leaf->page, &pos) && !path_next(&path))
        return HOLOG_OK;
    edit_begin(ix, &e, 0);
    stamp_path(ix, &path, 0);
    if (path.depth > 0)
        covered_leaves(&path, prefix, len, &from, &to);
    if (from < to)
        rc = remove_leaves(&e, &path, from, to, out_count);
    else
        rc = remove_in_leaf(&e, &path, prefix, len, out_count);
    if (rc == HOLOG_OK && *out_count == 0)
        return HOLOG_OK;
    return edit_end(&e, rc, ix->head->count - *out_count);
}

int hg_index_remove_prefix(struct hg_index *ix, const uint8_t *prefix, size_t prefix_len,
                           uint64_t *out_count)
{
    int rc = check_key(prefix_len);
    if (rc < 0)
        return rc;
    prefix = pad_key(ix, prefix, prefix_len);
    struct hg_root *before = hg_index_freeze(ix); /* what a failure on the way returns to */
    uint64_t total = 0;
    uint64_t count = 1;
    while (rc == HOLOG_OK && count > 0) {
        rc = remove_some(ix, prefix, prefix_len, &count);
        total += count;
    }
    if (rc < 0)
        hg_index_reset(ix, before);
    hg_root_put(before);
    if (rc == HOLOG_OK && out_count != NULL)
        *out_count = total;
    return rc;
}

int hg_index_get(const struct hg_index *ix, const uint8_t *key, size_t key_len,
                 struct hg_locator *out_loc)
{
    return hg_root_lookup(ix->head, key, key_len, out_loc);
}

const struct hg_root *hg_index_head(const struct hg_index *ix)
{
    return ix->head;
}
