/*
 * What two ropes do not have in common; see rope.h.
 *
 *   1  Find the subtrees that both have, wherever they stand: nodes of both trees are taken from one
 *      heap, the highest first, of the same height by address. A node of both comes twice in a row,
 *      since all that could lie above it came before it, and no rope has a node twice; it is a match,
 *      and nothing below it is looked at. Of any other node the children come into the heap.
 *   2  The spans of the leaves that were reached, sorted by where their bytes are from, give matches
 *      as well: the parts of the same bytes of the same record.
 *   3  Matches that are in order in both ropes, with the most bytes that such a choice can have, are
 *      what is equal. What lies between them is told.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/rope_internal.h"

typedef struct hg_rope_node node;

struct item {
    const node *t;
    uint64_t off; /* of its first byte in its rope */
    int side;     /* 0: of a, 1: of b */
};

struct piece {
    struct hg_span span;
    uint64_t off;
};

struct match {
    uint64_t off[2]; /* in a and in b */
    uint64_t len;
    uint64_t bytes;  /* of the best choice that ends with it */
    size_t previous; /* in that choice, counted from 1; 0: it begins with this */
    size_t rank;     /* by its place in b, counted from 1 */
};

struct diff {
    struct hg_buf heap;      /* struct item */
    struct hg_buf pieces[2]; /* struct piece */
    struct hg_buf matches;   /* struct match */
    struct hg_buf order;     /* struct match *, by their place in b; then size_t, see choose */
    uint64_t visited;
};

/* ---- 1: subtrees -------------------------------------------------------------------------------- */

/* x comes before y. */
static int is_above(const struct item *x, const struct item *y)
{
    if (x->t->height != y->t->height)
        return x->t->height > y->t->height;
    return (uintptr_t)x->t > (uintptr_t)y->t;
}

static void swap(struct item *x, struct item *y)
{
    struct item t = *x;

    *x = *y;
    *y = t;
}

static int push(struct diff *d, const node *t, uint64_t off, int side)
{
    struct item new = { .t = t, .off = off, .side = side };
    int rc = hg_buf_append(&d->heap, &new, sizeof new);

    if (rc < 0)
        return rc;
    struct item *h = (struct item *)(void *)d->heap.data;
    size_t i = d->heap.len / sizeof *h - 1;
    for (; i > 0 && is_above(&h[i], &h[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&h[i], &h[(i - 1) / 2]);
    return HOLOG_OK;
}

static struct item pop(struct diff *d)
{
    struct item *h = (struct item *)(void *)d->heap.data;
    struct item top = h[0];
    size_t n = d->heap.len / sizeof *h - 1;

    d->heap.len -= sizeof *h;
    h[0] = h[n];
    for (size_t i = 0, below = 1; below < n; i = below, below = 2 * i + 1) {
        if (below + 1 < n && is_above(&h[below + 1], &h[below]))
            below++;
        if (!is_above(&h[below], &h[i]))
            break;
        swap(&h[i], &h[below]);
    }
    return top;
}

static int add_match(struct diff *d, uint64_t a_off, uint64_t b_off, uint64_t len)
{
    struct match m = { .off = { a_off, b_off }, .len = len };

    return hg_buf_append(&d->matches, &m, sizeof m);
}

static int add_pieces(struct diff *d, const struct item *leaf)
{
    uint64_t off = leaf->off;
    int rc = HOLOG_OK;

    for (uint64_t i = 0; i < leaf->t->spans && rc == HOLOG_OK; i++) {
        struct piece p = { .span = leaf->t->span[i], .off = off };
        rc = hg_buf_append(&d->pieces[leaf->side], &p, sizeof p);
        off += p.span.len;
    }
    return rc;
}

static int open_node(struct diff *d, const struct item *x)
{
    const node *left = x->t->left;
    int rc;

    if (x->t->height == 0)
        return add_pieces(d, x);
    rc = push(d, left, x->off, x->side);
    return rc < 0 ? rc : push(d, x->t->right, x->off + left->bytes, x->side);
}

static int match_subtrees(struct diff *d)
{
    int rc = HOLOG_OK;

    while (d->heap.len > 0 && rc == HOLOG_OK) {
        struct item x = pop(d);
        const struct item *next = (const struct item *)(void *)d->heap.data;
        d->visited++;
        if (d->heap.len > 0 && next->t == x.t) {
            struct item y = pop(d);
            rc = x.side == 0 ? add_match(d, x.off, y.off, x.t->bytes)
                             : add_match(d, y.off, x.off, x.t->bytes);
        } else {
            rc = open_node(d, &x);
        }
    }
    return rc;
}

/* ---- 2: spans ----------------------------------------------------------------------------------- */

static int compare(uint64_t x, uint64_t y)
{
    return (x > y) - (x < y);
}

static int by_origin(const void *x, const void *y)
{
    const struct piece *p = x;
    const struct piece *q = y;
    int c = compare(p->span.birth, q->span.birth);

    return c != 0 ? c : compare(p->span.at, q->span.at);
}

static struct piece *sorted(struct hg_buf *pieces, size_t *out_n)
{
    *out_n = pieces->len / sizeof(struct piece);
    if (*out_n > 1)
        qsort(pieces->data, *out_n, sizeof(struct piece), by_origin);
    return (struct piece *)(void *)pieces->data;
}

static int match_spans(struct diff *d)
{
    size_t a_n, b_n;
    const struct piece *a = sorted(&d->pieces[0], &a_n);
    const struct piece *b = sorted(&d->pieces[1], &b_n);
    int rc = HOLOG_OK;

    for (size_t i = 0, j = 0; i < a_n && j < b_n && rc == HOLOG_OK;) {
        const struct hg_span *s = &a[i].span;
        const struct hg_span *t = &b[j].span;
        int c = compare(s->birth, t->birth);
        uint64_t from = HG_MAX(s->at, t->at);
        uint64_t until = HG_MIN(s->at + s->len, t->at + t->len);
        if (c == 0 && from < until)
            rc = add_match(d, a[i].off + (from - s->at), b[j].off + (from - t->at), until - from);
        if (c < 0 || (c == 0 && s->at + s->len == until))
            i++;
        else
            j++;
    }
    return rc;
}

/* ---- 3: what is equal --------------------------------------------------------------------------- */

static int by_a(const void *x, const void *y)
{
    const struct match *m = x;
    const struct match *n = y;

    return compare(m->off[0], n->off[0]);
}

static int by_b(const void *x, const void *y)
{
    const struct match *const *m = x;
    const struct match *const *n = y;

    return compare((*m)->off[1], (*n)->off[1]);
}

static int rank_by_b(struct diff *d, struct match *m, size_t n)
{
    int rc = hg_buf_reserve(&d->order, n * sizeof(struct match *));

    if (rc < 0)
        return rc;
    struct match **order = (struct match **)(void *)d->order.data;
    for (size_t i = 0; i < n; i++)
        order[i] = &m[i];
    qsort(order, n, sizeof(struct match *), by_b);
    for (size_t i = 0; i < n; i++)
        order[i]->rank = i + 1;
    return HOLOG_OK;
}

static size_t low_bit(size_t i)
{
    return i & (~i + 1);
}

/* The heaviest choice of matches that ascend in both, for matches in a's order: the best that ends
 * with each is found from the best of those before it in b. best[] is a Fenwick tree of maxima by
 * rank: the numbers, from 1, of matches. The last of the choice; 0: there is none. */
static size_t choose(struct match *m, size_t n, size_t *best)
{
    size_t last = 0;

    for (size_t i = 1; i <= n; i++)
        best[i - 1] = 0;
    for (size_t k = 1; k <= n; k++) {
        struct match *x = &m[k - 1];
        for (size_t i = x->rank - 1; i > 0; i -= low_bit(i))
            if (best[i - 1] != 0 &&
                (x->previous == 0 || m[best[i - 1] - 1].bytes > m[x->previous - 1].bytes))
                x->previous = best[i - 1];
        x->bytes = x->len + (x->previous == 0 ? 0 : m[x->previous - 1].bytes);
        for (size_t i = x->rank; i <= n; i += low_bit(i))
            if (best[i - 1] == 0 || m[best[i - 1] - 1].bytes < x->bytes)
                best[i - 1] = k;
        if (last == 0 || m[last - 1].bytes < x->bytes)
            last = k;
    }
    return last;
}

struct place {
    uint64_t off[2];
};

/* What lies between `*at` and the next equal bytes. */
static int tell(struct place *at, uint64_t a_off, uint64_t b_off, hg_rope_diff_fn each, void *ctx)
{
    if (a_off == at->off[0] && b_off == at->off[1])
        return 0;
    return each(ctx, at->off[0], a_off - at->off[0], at->off[1], b_off - at->off[1]);
}

/* The choice was found from its end: turn it round, so that `previous` leads on. */
static size_t reversed(struct match *m, size_t last)
{
    size_t next = 0;

    while (last != 0) {
        size_t before = m[last - 1].previous;
        m[last - 1].previous = next;
        next = last;
        last = before;
    }
    return next;
}

static int tell_gaps(struct match *m, size_t last, const struct place *end, hg_rope_diff_fn each,
                     void *ctx)
{
    struct place at = { { 0, 0 } };
    int rc = 0;

    for (size_t k = reversed(m, last); k != 0 && rc == 0; k = m[k - 1].previous) {
        const struct match *x = &m[k - 1];
        /* Where a rope has bytes of a record twice, matches may overlap. */
        if (x->off[0] < at.off[0] || x->off[1] < at.off[1])
            continue;
        rc = tell(&at, x->off[0], x->off[1], each, ctx);
        at = (struct place){ { x->off[0] + x->len, x->off[1] + x->len } };
    }
    return rc != 0 ? rc : tell(&at, end->off[0], end->off[1], each, ctx);
}

static int find_matches(struct diff *d, const struct hg_rope *a, const struct hg_rope *b)
{
    int rc = HOLOG_OK;

    if (a->root != NULL)
        rc = push(d, a->root, 0, 0);
    if (b->root != NULL && rc == HOLOG_OK)
        rc = push(d, b->root, 0, 1);
    if (rc == HOLOG_OK)
        rc = match_subtrees(d);
    return rc == HOLOG_OK ? match_spans(d) : rc;
}

int hg_rope_diff(const struct hg_rope *a, const struct hg_rope *b, hg_rope_diff_fn each, void *ctx,
                 uint64_t *out_visited)
{
    struct diff d = { 0 };
    struct place end = { { hg_rope_size(a), hg_rope_size(b) } };
    int rc = find_matches(&d, a, b);
    struct match *m = (struct match *)(void *)d.matches.data;
    size_t n = d.matches.len / sizeof *m;
    size_t last = 0;

    if (rc == HOLOG_OK && n > 0) {
        qsort(m, n, sizeof *m, by_a);
        rc = rank_by_b(&d, m, n);
        if (rc == HOLOG_OK)
            last = choose(m, n, (size_t *)(void *)d.order.data);
    }
    if (rc == HOLOG_OK)
        rc = tell_gaps(m, last, &end, each, ctx);
    if (rc == HOLOG_OK && out_visited != NULL)
        *out_visited = d.visited;
    hg_buf_release(&d.heap);
    hg_buf_release(&d.pieces[0]);
    hg_buf_release(&d.pieces[1]);
    hg_buf_release(&d.matches);
    hg_buf_release(&d.order);
    return rc;
}
