/*
 * Ropes; see rope.h.
 *
 * A rope is a binary tree balanced by height (AVL), with up to 32 spans in a leaf. Binary, since a
 * change copies the nodes from the root to a leaf, and a copy counts each child it shares: with 32
 * children that is what a change would cost most.
 *
 *   R1  an inner node has two children, whose heights differ by at most 1
 *   R2  no leaf is empty; only the first and the last may have less than 8 spans
 *   R3  no span continues the one before it
 *
 * Functions that take a node they do not call const take over the caller's count of it, and give the
 * caller the count of what they return. A tree may be NULL: it has no bytes. A node that is counted
 * once, on a way of such nodes from an edit's root, belongs to that edit alone and is changed in
 * place; another thread cannot come to it, since it would have to be counted above.
 *
 * No memory: the edit is marked as failed, what was to be joined is put, and NULL goes up. All is
 * then freed, and nothing looks at how the remains fit together until the edit is dropped.
 */
#include "engine/rope.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/rope_internal.h"

#define LEAF_MAX       HG_ROPE_LEAF
#define LEAF_LIGHT     (LEAF_MAX / 4) /* leaves with less than this are merged with a neighbour */
#define LEAF_STEP      8u             /* room comes in so many spans */
#define MALLOC_HEADER  8u
#define MALLOC_GRANULE 16u

typedef struct hg_rope_node node;

/* ---- nodes -------------------------------------------------------------------------------------- */

static uint64_t charged(uint32_t capacity)
{
    uint64_t bytes = sizeof(node) + capacity * sizeof(struct hg_span);

    return HG_ALIGN_UP(bytes + MALLOC_HEADER, MALLOC_GRANULE);
}

static node *node_new(struct hg_rope_edit *e, uint32_t capacity)
{
    node *t = hg_malloc(sizeof *t + capacity * sizeof t->span[0]);

    if (t == NULL) {
        e->failed = 1;
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->height = 0;
    t->capacity = (uint8_t)capacity;
    t->left = NULL;
    t->right = NULL;
    (void)atomic_fetch_add_explicit(&e->pool->bytes, charged(capacity), memory_order_relaxed);
    return t;
}

static node *get(node *t)
{
    if (t != NULL)
        (void)atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

/* As deep as the tree is high. */
static void put(struct hg_rope_pool *pool, node *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    put(pool, t->left);
    put(pool, t->right);
    (void)atomic_fetch_sub_explicit(&pool->bytes, charged(t->capacity), memory_order_relaxed);
    hg_free(t);
}

/* Acquire: what others did with it before they put it happened before. */
static int is_mine(node *t)
{
    return atomic_load_explicit(&t->refs, memory_order_acquire) == 1;
}

static uint64_t bytes_of(const node *t)
{
    return t == NULL ? 0 : t->bytes;
}

/* ---- leaves ------------------------------------------------------------------------------------- */

static int continues(const struct hg_span *a, const struct hg_span *b)
{
    return a->birth == b->birth && a->at + a->len == b->at;
}

static void leaf_fill(node *t, const struct hg_span *spans, uint32_t count)
{
    memcpy(t->span, spans, count * sizeof *spans);
    t->spans = count;
    t->bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        t->bytes += spans[i].len;
}

static node *leaf_new(struct hg_rope_edit *e, const struct hg_span *spans, uint32_t count)
{
    node *t = node_new(e, HG_ALIGN_UP(count, LEAF_STEP));

    if (t != NULL)
        leaf_fill(t, spans, count);
    return t;
}

static int is_light(const node *leaf)
{
    return leaf->spans < LEAF_LIGHT;
}

/* ---- the tree ----------------------------------------------------------------------------------- */

static void sum_up(node *t)
{
    t->height = (uint8_t)(HG_MAX(t->left->height, t->right->height) + 1);
    t->bytes = t->left->bytes + t->right->bytes;
    t->spans = t->left->spans + t->right->spans;
}

static node *parent_of(struct hg_rope_edit *e, node *left, node *right)
{
    node *t = left == NULL || right == NULL ? NULL : node_new(e, 0);

    if (t == NULL) {
        put(e->pool, left);
        put(e->pool, right);
        return NULL;
    }
    t->left = left;
    t->right = right;
    sum_up(t);
    return t;
}

/* An inner node that may be changed. */
static node *own(struct hg_rope_edit *e, node *t)
{
    node *copy;

    if (is_mine(t))
        return t;
    copy = parent_of(e, get(t->left), get(t->right));
    put(e->pool, t);
    return copy;
}

/* t is higher on the left by 2: lift its left child, or that one's right child where it is higher. */
static node *lift_left(struct hg_rope_edit *e, node *t)
{
    node *l = t->left = own(e, t->left);
    node *up = l;

    if (l == NULL)
        return NULL;
    if (l->left->height < l->right->height) {
        up = l->right = own(e, l->right);
        if (up == NULL)
            return NULL;
        l->right = up->left;
        up->left = l;
        sum_up(l);
    }
    t->left = up->right;
    up->right = t;
    sum_up(t);
    sum_up(up);
    return up;
}

static node *lift_right(struct hg_rope_edit *e, node *t)
{
    node *r = t->right = own(e, t->right);
    node *up = r;

    if (r == NULL)
        return NULL;
    if (r->right->height < r->left->height) {
        up = r->left = own(e, r->left);
        if (up == NULL)
            return NULL;
        r->left = up->right;
        up->right = r;
        sum_up(r);
    }
    t->right = up->left;
    up->left = t;
    sum_up(t);
    sum_up(up);
    return up;
}

/* t, ours, has a new child: one of any height that breaks R1 by no more than 1, or NULL. */
static node *mended(struct hg_rope_edit *e, node *t)
{
    node *up = NULL;

    if (t->left != NULL && t->right != NULL) {
        int lean = t->left->height - t->right->height;
        if (lean >= -1 && lean <= 1) {
            sum_up(t);
            return t;
        }
        up = lean > 0 ? lift_left(e, t) : lift_right(e, t);
    }
    if (up == NULL)
        put(e->pool, t);
    return up;
}

/* a's leaves, then b's; they stay as they are. Goes down by the difference of the heights. */
static node *join(struct hg_rope_edit *e, node *a, node *b)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    int lean = a->height - b->height;
    if (lean >= -1 && lean <= 1)
        return parent_of(e, a, b);
    node *t = own(e, lean > 0 ? a : b);
    if (t == NULL) {
        put(e->pool, lean > 0 ? b : a);
        return NULL;
    }
    if (lean > 0)
        t->right = join(e, t->right, b);
    else
        t->left = join(e, a, t->left);
    return mended(e, t);
}

/* ---- building ----------------------------------------------------------------------------------- */

static void builder_init(struct hg_rope_builder *b, struct hg_rope_pool *pool)
{
    b->edit = (struct hg_rope_edit){ .pool = pool };
    b->size = 0;
    b->count = 0;
}

static void emit(struct hg_rope_builder *b, uint32_t count)
{
    b->edit.root = join(&b->edit, b->edit.root, leaf_new(&b->edit, b->span, count));
    b->count -= count;
    memmove(b->span, b->span + count, b->count * sizeof b->span[0]);
}

static void add(struct hg_rope_builder *b, const struct hg_span *s)
{
    if (s->len == 0)
        return;
    b->size += s->len;
    if (b->count > 0 && continues(&b->span[b->count - 1], s)) {
        b->span[b->count - 1].len += s->len;
        return;
    }
    if (b->count == 2 * LEAF_MAX)
        emit(b, LEAF_MAX);
    b->span[b->count++] = *s;
}

/* What the leaf has in its bytes [from, to). */
static void add_part(struct hg_rope_builder *b, const node *leaf, uint64_t from, uint64_t to)
{
    uint64_t off = 0;

    for (uint32_t i = 0; i < leaf->spans && off < to; i++) {
        struct hg_span s = leaf->span[i];
        uint64_t head = from > off ? HG_MIN(from - off, s.len) : 0;
        uint64_t tail = off + s.len > to ? off + s.len - to : 0;
        off += s.len;
        if (head + tail >= s.len)
            continue;
        s.at += head;
        s.len -= head + tail;
        add(b, &s);
    }
}

/* All that was added, as a tree of leaves none of which is light, or of one. */
static node *built(struct hg_rope_builder *b, struct hg_rope_edit *e)
{
    if (b->count > LEAF_MAX)
        emit(b, b->count / 2);
    if (b->count > 0)
        emit(b, b->count);
    e->failed |= b->edit.failed;
    return b->edit.root;
}

/* ---- cutting and joining ------------------------------------------------------------------------ */

/* Cut t around the leaf that has byte `at`; returns at's place in that leaf. */
static uint64_t cut(struct hg_rope_edit *e, node *t, uint64_t at, node **out_before,
                    node **out_leaf, node **out_behind)
{
    node *left, *right, *between;

    if (t->height == 0) {
        *out_before = NULL;
        *out_leaf = t;
        *out_behind = NULL;
        return at;
    }
    left = get(t->left);
    right = get(t->right);
    put(e->pool, t);
    if (at < left->bytes) {
        at = cut(e, left, at, out_before, out_leaf, &between);
        *out_behind = join(e, between, right);
    } else {
        at = cut(e, right, at - left->bytes, &between, out_leaf, out_behind);
        *out_before = join(e, left, between);
    }
    return at;
}

/* Cut t before byte `at`. Where the cut is, both may have a light leaf. */
static void split(struct hg_rope_edit *e, node *t, uint64_t at, node **out_left, node **out_right)
{
    struct hg_rope_builder b;
    node *leaf;

    if (at == 0 || at >= bytes_of(t)) {
        *out_left = at == 0 ? NULL : t;
        *out_right = at == 0 ? t : NULL;
        return;
    }
    at = cut(e, t, at, out_left, &leaf, out_right);
    builder_init(&b, e->pool);
    add_part(&b, leaf, 0, at);
    *out_left = join(e, *out_left, built(&b, e));
    builder_init(&b, e->pool);
    add_part(&b, leaf, at, leaf->bytes);
    *out_right = join(e, built(&b, e), *out_right);
    put(e->pool, leaf);
}

static const node *edge_of(const node *t, int last)
{
    while (t->height > 0)
        t = last ? t->right : t->left;
    return t;
}

/* a's bytes, then b's. The leaves that meet are merged where R2 or R3 ask for it; what comes of them
 * may again be light, so it is joined in the same way: each time there is a leaf less. */
static node *concat(struct hg_rope_edit *e, node *a, node *b)
{
    struct hg_rope_builder seam;
    const node *last, *first;
    node *x, *y, *none;

    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    last = edge_of(a, 1);
    first = edge_of(b, 0);
    if (!is_light(last) && !is_light(first) &&
        !continues(&last->span[last->spans - 1], &first->span[0]))
        return join(e, a, b);
    (void)cut(e, a, a->bytes - 1, &a, &x, &none);
    (void)cut(e, b, 0, &none, &y, &b);
    builder_init(&seam, e->pool);
    add_part(&seam, x, 0, x->bytes);
    add_part(&seam, y, 0, y->bytes);
    put(e->pool, x);
    put(e->pool, y);
    return concat(e, concat(e, a, built(&seam, e)), b);
}

/* ---- changes in one leaf ------------------------------------------------------------------------ */

static node *leaf_replaced(struct hg_rope_edit *e, node *t, const struct hg_span *spans,
                           uint32_t count)
{
    uint32_t half = count / 2;

    if (count <= t->capacity && is_mine(t)) {
        leaf_fill(t, spans, count);
        return t;
    }
    put(e->pool, t);
    if (count <= LEAF_MAX)
        return leaf_new(e, spans, count);
    node *left = leaf_new(e, spans, half);
    return parent_of(e, left, leaf_new(e, spans + half, count - half));
}

/* The leaf that has byte `at` gets other spans: up to two leaves full. */
static node *with_leaf(struct hg_rope_edit *e, node *t, uint64_t at, const struct hg_span *spans,
                       uint32_t count)
{
    if (t->height == 0)
        return leaf_replaced(e, t, spans, count);
    t = own(e, t);
    if (t == NULL)
        return NULL;
    if (at < t->left->bytes)
        t->left = with_leaf(e, t->left, at, spans, count);
    else
        t->right = with_leaf(e, t->right, at - t->left->bytes, spans, count);
    return mended(e, t);
}

/* The usual change is within a leaf, with a neighbour on each side that stays: then R3 holds where
 * the leaf ends. 0: it is not like that. */
static int replace_in_leaf(struct hg_rope_edit *e, uint64_t start, uint64_t end,
                           const struct hg_span *spans, size_t n)
{
    struct hg_rope_builder b;
    uint64_t before = start > 0 ? start - 1 : 0;
    uint64_t off = 0;
    const node *t = e->root;

    if (t == NULL)
        return 0;
    while (t->height > 0) {
        int right = before - off >= t->left->bytes;
        off += right ? t->left->bytes : 0;
        t = right ? t->right : t->left;
    }
    if (end - off > t->bytes || (end - off == t->bytes && end != e->root->bytes) || n > LEAF_MAX ||
        t->spans + n + 1 > 2 * LEAF_MAX)
        return 0;
    builder_init(&b, e->pool);
    add_part(&b, t, 0, start - off);
    for (size_t i = 0; i < n; i++)
        add(&b, &spans[i]);
    add_part(&b, t, end - off, t->bytes);
    if (b.count == 0 || (b.count < LEAF_LIGHT && b.count < t->spans && t != e->root))
        return 0;
    e->root = with_leaf(e, e->root, before, b.span, b.count);
    return 1;
}

/* ---- edits -------------------------------------------------------------------------------------- */

void hg_rope_edit_begin(struct hg_rope_edit *e, struct hg_rope *r)
{
    *e = (struct hg_rope_edit){ .pool = r->pool, .root = get(r->root) };
}

uint64_t hg_rope_edit_size(const struct hg_rope_edit *e)
{
    return bytes_of(e->root);
}

void hg_rope_edit_drop(struct hg_rope_edit *e)
{
    put(e->pool, e->root);
    e->root = NULL;
}

static int edit_result(struct hg_rope_edit *e)
{
    if (!e->failed)
        return HOLOG_OK;
    hg_rope_edit_drop(e);
    return hg_error(HOLOG_E_NOMEM, "no memory for the spans of a value");
}

static int range_check(uint64_t size, uint64_t start, uint64_t end)
{
    if (start <= end && end <= size)
        return HOLOG_OK;
    return hg_error(HOLOG_E_RANGE, "bytes %llu to %llu of a value of %llu bytes",
                    (unsigned long long)start, (unsigned long long)end, (unsigned long long)size);
}

static int too_big(void)
{
    return hg_error(HOLOG_E_TOOBIG, "a value of more than %llu bytes",
                    (unsigned long long)HG_NUMBER_MAX);
}

/* Adds to *size what the spans bring; later sums cannot overflow. */
static int sizes_check(const struct hg_span *spans, size_t n, uint64_t *size)
{
    for (size_t i = 0; i < n; i++) {
        if (spans[i].at > HG_NUMBER_MAX || spans[i].len > HG_NUMBER_MAX - *size)
            return too_big();
        *size += spans[i].len;
    }
    return HOLOG_OK;
}

int hg_rope_edit_replace(struct hg_rope_edit *e, uint64_t start, uint64_t end,
                         const struct hg_span *spans, size_t n)
{
    struct hg_rope_builder b;
    node *left, *middle, *right;
    uint64_t size = bytes_of(e->root);
    int rc = edit_result(e);

    if (rc == HOLOG_OK)
        rc = range_check(size, start, end);
    if (rc < 0)
        return rc;
    size -= end - start;
    rc = sizes_check(spans, n, &size);
    if (rc < 0)
        return rc;
    if (!replace_in_leaf(e, start, end, spans, n)) {
        split(e, e->root, end, &left, &right);
        split(e, left, start, &left, &middle);
        put(e->pool, middle);
        builder_init(&b, e->pool);
        for (size_t i = 0; i < n; i++)
            add(&b, &spans[i]);
        middle = built(&b, e);
        e->root = concat(e, concat(e, left, middle), right);
    }
    return edit_result(e);
}

/* The ranges before and behind `turn` change places. */
int hg_rope_edit_move(struct hg_rope_edit *e, uint64_t start, uint64_t end, uint64_t to)
{
    uint64_t size = bytes_of(e->root);
    uint64_t from = HG_MIN(start, to);
    uint64_t turn = to < start ? start : end;
    uint64_t until = HG_MAX(end, to);
    node *before, *first, *second, *behind;
    int rc = edit_result(e);

    if (rc == HOLOG_OK)
        rc = range_check(size, start, end);
    if (rc == HOLOG_OK)
        rc = range_check(size, to, size);
    if (rc < 0)
        return rc;
    if (to > start && to < end)
        return hg_error(HOLOG_E_INVAL, "a move of bytes %llu to %llu into themselves, to %llu",
                        (unsigned long long)start, (unsigned long long)end, (unsigned long long)to);
    if (start == end || to == start || to == end)
        return HOLOG_OK;
    split(e, e->root, until, &before, &behind);
    split(e, before, turn, &before, &second);
    split(e, before, from, &before, &first);
    e->root = concat(e, concat(e, concat(e, before, second), first), behind);
    return edit_result(e);
}

int hg_rope_edit_end(struct hg_rope_edit *e, struct hg_rope **out_rope)
{
    struct hg_rope *r = NULL;
    int rc = edit_result(e);

    if (rc < 0)
        return rc;
    r = hg_malloc(sizeof *r);
    if (r == NULL) {
        e->failed = 1;
        return edit_result(e);
    }
    atomic_init(&r->refs, 1);
    r->pool = e->pool;
    r->root = e->root; /* handed over */
    e->root = NULL;
    *out_rope = r;
    return HOLOG_OK;
}

/* ---- ropes -------------------------------------------------------------------------------------- */

struct hg_rope *hg_rope_get(struct hg_rope *r)
{
    (void)atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void hg_rope_put(struct hg_rope *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    put(r->pool, r->root);
    hg_free(r);
}

uint64_t hg_rope_size(const struct hg_rope *r)
{
    return bytes_of(r->root);
}

uint64_t hg_rope_spans(const struct hg_rope *r)
{
    return r->root == NULL ? 0 : r->root->spans;
}

void hg_rope_builder_begin(struct hg_rope_builder *b, struct hg_rope_pool *pool)
{
    builder_init(b, pool);
}

/* Once too big, no more is taken. */
void hg_rope_builder_add(struct hg_rope_builder *b, const struct hg_span *s)
{
    if (b->size > HG_NUMBER_MAX)
        return;
    if (s->at > HG_NUMBER_MAX || s->len > HG_NUMBER_MAX - b->size)
        b->size = UINT64_MAX;
    else
        add(b, s);
}

int hg_rope_builder_end(struct hg_rope_builder *b, struct hg_rope **out_rope)
{
    b->edit.root = built(b, &b->edit);
    if (b->size > HG_NUMBER_MAX) {
        hg_rope_edit_drop(&b->edit);
        return too_big();
    }
    return hg_rope_edit_end(&b->edit, out_rope);
}

int hg_rope_build(struct hg_rope_pool *pool, const struct hg_span *spans, size_t n,
                  struct hg_rope **out_rope)
{
    struct hg_rope_builder b;

    builder_init(&b, pool);
    for (size_t i = 0; i < n; i++)
        hg_rope_builder_add(&b, &spans[i]);
    return hg_rope_builder_end(&b, out_rope);
}

int hg_rope_replace(struct hg_rope *r, uint64_t start, uint64_t end, const struct hg_span *spans,
                    size_t n, struct hg_rope **out_rope)
{
    struct hg_rope_edit e;
    int rc;

    hg_rope_edit_begin(&e, r);
    rc = hg_rope_edit_replace(&e, start, end, spans, n);
    if (rc == HOLOG_OK)
        return hg_rope_edit_end(&e, out_rope);
    hg_rope_edit_drop(&e);
    return rc;
}

int hg_rope_splice(struct hg_rope *r, uint64_t start, uint64_t end, const struct hg_span *with,
                   struct hg_rope **out_rope)
{
    return hg_rope_replace(r, start, end, with, with != NULL, out_rope);
}

int hg_rope_move(struct hg_rope *r, uint64_t start, uint64_t end, uint64_t to,
                 struct hg_rope **out_rope)
{
    struct hg_rope_edit e;
    int rc;

    hg_rope_edit_begin(&e, r);
    rc = hg_rope_edit_move(&e, start, end, to);
    if (rc == HOLOG_OK && e.root == r->root)
        *out_rope = hg_rope_get(r);
    else if (rc == HOLOG_OK)
        return hg_rope_edit_end(&e, out_rope);
    hg_rope_edit_drop(&e);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* The first leaf of t; what lies behind it is remembered. */
static const node *descend(struct hg_rope_cursor *c, const node *t)
{
    while (t->height > 0) {
        HG_ASSERT(c->depth < HG_ROPE_HEIGHT_MAX);
        c->ahead[c->depth++] = t->right;
        t = t->left;
    }
    return t;
}

int hg_rope_seek(struct hg_rope_cursor *c, const struct hg_rope *r, uint64_t start, uint64_t end)
{
    const node *t = r->root;
    int rc = range_check(bytes_of(t), start, end);

    if (rc < 0)
        return rc;
    c->left = end - start;
    c->depth = 0;
    if (c->left == 0)
        return HOLOG_OK;
    while (t->height > 0) {
        if (start >= t->left->bytes) {
            start -= t->left->bytes;
            t = t->right;
        } else {
            HG_ASSERT(c->depth < HG_ROPE_HEIGHT_MAX);
            c->ahead[c->depth++] = t->right;
            t = t->left;
        }
    }
    c->leaf = t;
    for (c->index = 0; start >= t->span[c->index].len; c->index++)
        start -= t->span[c->index].len;
    c->skip = start;
    return HOLOG_OK;
}

int hg_rope_next(struct hg_rope_cursor *c, struct hg_span *out_span)
{
    const struct hg_span *s;

    if (c->left == 0)
        return 0;
    if (c->index == c->leaf->spans) {
        c->leaf = descend(c, c->ahead[--c->depth]);
        c->index = 0;
    }
    s = &c->leaf->span[c->index++];
    *out_span = (struct hg_span){ .birth = s->birth,
                                  .at = s->at + c->skip,
                                  .len = HG_MIN(s->len - c->skip, c->left) };
    c->skip = 0;
    c->left -= out_span->len;
    return 1;
}

/* ---- checking ----------------------------------------------------------------------------------- */

static void check_leaf(const node *t, int is_edge)
{
    uint64_t bytes = 0;

    HG_ASSERT(t->left == NULL && t->right == NULL);
    HG_ASSERT(t->spans > 0 && t->spans <= t->capacity && t->capacity <= LEAF_MAX);
    HG_ASSERT(is_edge || !is_light(t)); /* R2 */
    for (uint32_t i = 0; i < t->spans; i++) {
        HG_ASSERT(t->span[i].len > 0);
        HG_ASSERT(i == 0 || !continues(&t->span[i - 1], &t->span[i])); /* R3 */
        bytes += t->span[i].len;
    }
    HG_ASSERT(bytes == t->bytes);
}

static void check_node(const node *t, int is_first, int is_last)
{
    const node *before, *behind;

    HG_ASSERT(atomic_load_explicit(&t->refs, memory_order_relaxed) > 0);
    if (t->height == 0) {
        check_leaf(t, is_first || is_last);
        return;
    }
    int lean = t->left->height - t->right->height;
    HG_ASSERT(lean >= -1 && lean <= 1); /* R1 */
    HG_ASSERT(t->height == HG_MAX(t->left->height, t->right->height) + 1);
    HG_ASSERT(t->bytes == t->left->bytes + t->right->bytes);
    HG_ASSERT(t->spans == t->left->spans + t->right->spans);
    HG_ASSERT(t->capacity == 0);
    check_node(t->left, is_first, 0);
    check_node(t->right, 0, is_last);
    before = edge_of(t->left, 1);
    behind = edge_of(t->right, 0);
    HG_ASSERT(!continues(&before->span[before->spans - 1], &behind->span[0])); /* R3 */
}

void hg_rope_check(const struct hg_rope *r)
{
    HG_ASSERT(atomic_load_explicit(&r->refs, memory_order_relaxed) > 0);
    HG_ASSERT(hg_rope_size(r) <= HG_NUMBER_MAX);
    if (r->root != NULL)
        check_node(r->root, 1, 1);
}
