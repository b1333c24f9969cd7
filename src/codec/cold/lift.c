/*
 * Where the words of a level go; see lift.h.
 *
 * Along the last axis a row is lifted in scratch memory, in place if need be. Along the others whole rows are
 * lifted with one another, from one place to the other: so the words of a box go to and fro between two.
 */
#include "codec/cold/lift.h"

#include <string.h>

#include "codec/cold/rows.h"

#define PAD 8 /* words before and behind a row in scratch memory */

struct pass {
    const struct hg_lift *l;
    const struct hg_rows *rows;
    size_t stride[3]; /* bytes, of axes 2, 1, 0 */
    size_t m[3];      /* of the box at this level */
    uint8_t *scratch;
    unsigned level;
};

/* Rows that are lifted with one another. */
struct column {
    size_t n;
    size_t stride; /* bytes from one to the next */
    size_t row;    /* words of a row */
    int up;
};

size_t hg_lift_length(size_t n, unsigned level)
{
    for (; level > 0; level--)
        n = n - n / 2;
    return n;
}

static size_t lift_row_scratch(const struct hg_lift *l)
{
    return 4 * (l->n[2] / 2 + 1 + 2 * PAD) * l->width;
}

size_t hg_lift_scratch(const struct hg_lift *l)
{
    return lift_row_scratch(l) + 2 * l->n[2] * l->width;
}

static void enter_level(struct pass *p, unsigned level)
{
    p->level = level;
    for (int i = 0; i < 3; i++)
        p->m[i] = hg_lift_length(p->l->n[i], level);
}

static int up_of(const struct pass *p, unsigned axis)
{
    return (int)((axis + p->level) & 1);
}

/* ---- a row, along the last axis ------------------------------------------------------------------*/

/* Each with room for a word before the first and one behind the last. */
struct row {
    uint8_t *even;
    uint8_t *odd;
    uint8_t *low;
    uint8_t *high;
    size_t n_low;
    size_t n_high;
};

static struct row row_of(const struct pass *p)
{
    size_t w = p->rows->width;
    size_t words = p->l->n[2] / 2 + 1 + 2 * PAD;

    return (struct row){
        .even = p->scratch + PAD * w,
        .odd = p->scratch + (words + PAD) * w,
        .low = p->scratch + (2 * words + PAD) * w,
        .high = p->scratch + (3 * words + PAD) * w,
        .n_low = p->m[2] - p->m[2] / 2,
        .n_high = p->m[2] / 2,
    };
}

/* The nearest word, where there is none: before the first of n, and behind the last. */
static void extend(uint8_t *words, size_t n, size_t w)
{
    memcpy(words - w, words, w);
    memcpy(words + n * w, words + (n - 1) * w, w);
}

static void row_forward(const struct pass *p, const uint8_t *from, uint8_t *to)
{
    const struct hg_rows *f = p->rows;
    struct row r = row_of(p);
    size_t w = f->width;
    uint8_t *high = to + r.n_low * w;

    f->split(from, r.even, r.odd, r.n_high);
    if (r.n_low > r.n_high)
        memcpy(r.even + r.n_high * w, from + 2 * r.n_high * w, w);
    if (p->l->wavelet == HG_LIFT_26) {
        f->pair(r.even, r.odd, r.low, high, r.n_high, up_of(p, 0));
        if (r.n_low > r.n_high)
            memcpy(r.low + r.n_high * w, r.even + r.n_high * w, w);
        extend(r.low, r.n_low, w);
        f->slope(high, r.low - w, r.low + w, r.n_high);
        memcpy(to, r.low, r.n_low * w);
    } else {
        extend(r.even, r.n_low, w);
        f->less_mean(r.odd, r.even, r.even + w, r.high, r.n_high);
        extend(r.high, r.n_high, w);
        f->plus_quarter(r.even, r.high - w, r.high, to, r.n_low);
        memcpy(high, r.high, r.n_high * w);
    }
}

static void row_inverse_53(const struct pass *p, const uint8_t *from, uint8_t *to)
{
    const struct hg_rows *f = p->rows;
    struct row r = row_of(p);
    size_t w = f->width;

    memcpy(r.high, from + r.n_low * w, r.n_high * w);
    extend(r.high, r.n_high, w);
    f->less_quarter(from, r.high - w, r.high, r.even, r.n_low);
    extend(r.even, r.n_low, w);
    f->plus_mean(r.high, r.even, r.even + w, r.odd, r.n_high);
    f->join(r.even, r.odd, to, r.n_high);
    if (r.n_low > r.n_high)
        memcpy(to + 2 * r.n_high * w, r.even + r.n_high * w, w);
}

static void row_inverse(const struct pass *p, const uint8_t *from, uint8_t *to)
{
    size_t n = p->m[2];
    size_t w = p->rows->width;

    if (n == 1) {
        memmove(to, from, w);
    } else if (p->l->wavelet == HG_LIFT_53) {
        row_inverse_53(p, from, to);
    } else {
        if (from == to)
            from = memcpy(p->scratch, from, n * w);
        p->rows->unrow(from, n - n / 2, from + (n - n / 2) * w, n / 2, to, up_of(p, 0));
    }
}

/* ---- rows with one another, along another axis ---------------------------------------------------*/

static void column_forward_26(const struct hg_rows *f, const struct column *c, const uint8_t *from,
                              uint8_t *to)
{
    size_t n_high = c->n / 2;
    size_t n_low = c->n - n_high;
    uint8_t *high = to + n_low * c->stride;

    for (size_t j = 0; j < n_low; j++) {
        if (j < n_high)
            f->pair(from + 2 * j * c->stride, from + (2 * j + 1) * c->stride, to + j * c->stride,
                    high + j * c->stride, c->row, c->up);
        else
            memcpy(to + j * c->stride, from + 2 * j * c->stride, c->row * f->width);
        if (j > 0) /* its neighbours are known now */
            f->slope(high + (j - 1) * c->stride, to + (j > 1 ? j - 2 : 0) * c->stride,
                     to + j * c->stride, c->row);
    }
    if (n_low == n_high)
        f->slope(high + (n_high - 1) * c->stride, to + (n_low > 1 ? n_low - 2 : 0) * c->stride,
                 to + (n_low - 1) * c->stride, c->row);
}

/* Pair j of rows. */
static void pair_inverse_26(const struct hg_rows *f, const struct column *c, size_t j,
                            const uint8_t *from, uint8_t *a, uint8_t *b)
{
    size_t n_low = c->n - c->n / 2;
    const uint8_t *low = from + j * c->stride;

    f->unpair(low, j > 0 ? low - c->stride : low, from + HG_MIN(j + 1, n_low - 1) * c->stride,
              from + (n_low + j) * c->stride, a, b, c->row, c->up);
}

static void column_inverse_26(const struct hg_rows *f, const struct column *c, const uint8_t *from,
                              uint8_t *to)
{
    size_t n_high = c->n / 2;

    for (size_t j = 0; j < n_high; j++)
        pair_inverse_26(f, c, j, from, to + 2 * j * c->stride, to + (2 * j + 1) * c->stride);
    if (c->n > 2 * n_high)
        memcpy(to + 2 * n_high * c->stride, from + n_high * c->stride, c->row * f->width);
}

static void column_forward_53(const struct hg_rows *f, const struct column *c, const uint8_t *from,
                              uint8_t *to)
{
    size_t n_high = c->n / 2;
    size_t n_low = c->n - n_high;
    uint8_t *high = to + n_low * c->stride;

    for (size_t j = 0; j < n_high; j++)
        f->less_mean(from + (2 * j + 1) * c->stride, from + 2 * j * c->stride,
                     from + 2 * HG_MIN(j + 1, n_low - 1) * c->stride, high + j * c->stride, c->row);
    for (size_t j = 0; j < n_low; j++)
        f->plus_quarter(from + 2 * j * c->stride, high + (j > 0 ? j - 1 : 0) * c->stride,
                        high + HG_MIN(j, n_high - 1) * c->stride, to + j * c->stride, c->row);
}

static void column_inverse_53(const struct hg_rows *f, const struct column *c, const uint8_t *from,
                              uint8_t *to)
{
    size_t n_high = c->n / 2;
    size_t n_low = c->n - n_high;
    const uint8_t *high = from + n_low * c->stride;

    for (size_t j = 0; j < n_low; j++)
        f->less_quarter(from + j * c->stride, high + (j > 0 ? j - 1 : 0) * c->stride,
                        high + HG_MIN(j, n_high - 1) * c->stride, to + 2 * j * c->stride, c->row);
    for (size_t j = 0; j < n_high; j++)
        f->plus_mean(high + j * c->stride, to + 2 * j * c->stride,
                     to + 2 * HG_MIN(j + 1, n_low - 1) * c->stride, to + (2 * j + 1) * c->stride,
                     c->row);
}

/* axis: 1 or 2 from the last. */
static void along(const struct pass *p, unsigned axis, int inverse, uint8_t *from, uint8_t *to)
{
    unsigned at = 2 - axis; /* in m and stride */
    unsigned across = axis == 1 ? 0 : 1;
    struct column c = { p->m[at], p->stride[at], p->m[2], up_of(p, axis) };

    for (size_t i = 0; i < p->m[across]; i++) {
        size_t o = i * p->stride[across];
        if (p->l->wavelet == HG_LIFT_26 && inverse)
            column_inverse_26(p->rows, &c, from + o, to + o);
        else if (p->l->wavelet == HG_LIFT_26)
            column_forward_26(p->rows, &c, from + o, to + o);
        else if (inverse)
            column_inverse_53(p->rows, &c, from + o, to + o);
        else
            column_forward_53(p->rows, &c, from + o, to + o);
    }
}

/* ---- a level of a box ----------------------------------------------------------------------------*/

/* The rows of the last axis: lifted, or as they are where it is no longer than 1. */
static void along_rows(const struct pass *p, int inverse, const uint8_t *from, uint8_t *to)
{
    for (size_t z = 0; z < p->m[0]; z++) {
        for (size_t y = 0; y < p->m[1]; y++) {
            size_t o = z * p->stride[0] + y * p->stride[1];
            if (inverse)
                row_inverse(p, from + o, to + o);
            else if (p->m[2] > 1)
                row_forward(p, from + o, to + o);
            else if (from != to)
                memcpy(to + o, from + o, p->rows->width);
        }
    }
}

/* Levels begin and end in `words`: where an odd number of axes goes to and fro, rows change the place. */
static void level_forward(const struct pass *p, uint8_t *words, uint8_t *other)
{
    int has_1 = p->m[1] > 1;
    int has_2 = p->m[0] > 1;

    along_rows(p, 0, words, has_1 != has_2 ? other : words);
    if (has_1 && has_2) {
        along(p, 1, 0, words, other);
        along(p, 2, 0, other, words);
    } else if (has_1 || has_2) {
        along(p, has_1 ? 1 : 2, 0, other, words);
    }
}

/* Both axes of a plane, pair by pair of its rows: `to` is elsewhere. */
static void plane_inverse_26(const struct pass *p, const uint8_t *words, uint8_t *to)
{
    struct column c = { p->m[1], p->stride[1], p->m[2], up_of(p, 1) };
    uint8_t *a = p->scratch + lift_row_scratch(p->l);
    uint8_t *b = a + p->l->n[2] * p->rows->width;
    size_t n_high = c.n / 2;

    for (size_t j = 0; j < n_high; j++) {
        pair_inverse_26(p->rows, &c, j, words, a, b);
        row_inverse(p, a, to + 2 * j * c.stride);
        row_inverse(p, b, to + (2 * j + 1) * c.stride);
    }
    if (c.n > 2 * n_high)
        row_inverse(p, words + n_high * c.stride, to + 2 * n_high * c.stride);
}

static void level_inverse(const struct pass *p, uint8_t *words, uint8_t *other, uint8_t *to)
{
    int has_1 = p->m[1] > 1;
    int has_2 = p->m[0] > 1;

    if (has_1 && !has_2 && to != words && p->l->wavelet == HG_LIFT_26) {
        plane_inverse_26(p, words, to);
        return;
    }
    if (has_1 && has_2) {
        along(p, 2, 1, words, other);
        along(p, 1, 1, other, words);
    } else if (has_1 || has_2) {
        along(p, has_1 ? 1 : 2, 1, words, other);
    }
    along_rows(p, 1, has_1 != has_2 ? other : words, to);
}

static struct pass pass_of(const struct hg_lift *l, void *scratch)
{
    size_t w = l->width;

    HG_ASSERT(l->axes >= 1 && l->axes <= 3 && (l->axes > 1 || l->n[1] == 1) &&
              (l->axes > 2 || l->n[0] == 1));
    return (struct pass){ .l = l,
                          .rows = hg_rows_of(l->width),
                          .stride = { l->n[1] * l->n[2] * w, l->n[2] * w, w },
                          .scratch = scratch };
}

void hg_lift_forward(const struct hg_lift *l, void *words, void *other, void *scratch)
{
    struct pass p = pass_of(l, scratch);

    for (size_t i = 0; i < l->outer; i++) {
        size_t o = i * l->n[0] * p.stride[0];
        for (unsigned level = 0; level < l->levels; level++) {
            enter_level(&p, level);
            level_forward(&p, (uint8_t *)words + o, (uint8_t *)other + o);
        }
    }
}

void hg_lift_inverse(const struct hg_lift *l, unsigned stop, void *words, void *other,
                     void *scratch, void *to)
{
    struct pass p = pass_of(l, scratch);
    size_t box = l->n[0] * p.stride[0];

    for (size_t i = 0; i < l->outer; i++) {
        uint8_t *at = (uint8_t *)words + i * box;
        for (unsigned level = l->levels; level > stop; level--) {
            enter_level(&p, level - 1);
            level_inverse(&p, at, (uint8_t *)other + i * box,
                          level == 1 ? (uint8_t *)to + i * box : at);
        }
    }
    if (l->levels == 0 && to != words)
        memcpy(to, words, l->outer * box);
}
