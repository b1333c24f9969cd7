/*
 * Squares, one after the other, for each width, in plain C and for AVX2; see squares.h.
 */
#include "codec/cold/squares.h"

#include <string.h>

#include "codec/cold/types.h"
#include "codec/simd.h"

#define SIDE 8 /* words */

struct each {
    void (*sum)(const struct hg_squares_run *r, const uint8_t *words, uint64_t *sums);
    void (*take)(const struct hg_squares_run *r, const uint8_t *words, const uint8_t *classes,
                 uint8_t **next);
    void (*give)(const struct hg_squares_run *r, uint8_t *words, const uint8_t *classes,
                 uint8_t **next);
};

#define CODE  HG_PLAIN_CODE
#define UWORD u8
#define SUM   uint32_t
#define BITS  8
#define F(x)  x##_8_plain
#include "codec/cold/squares_each.h"

#define CODE  HG_PLAIN_CODE
#define UWORD u16
#define SUM   uint32_t
#define BITS  16
#define F(x)  x##_16_plain
#include "codec/cold/squares_each.h"

#define CODE  HG_PLAIN_CODE
#define UWORD u32
#define SUM   uint64_t
#define BITS  32
#define F(x)  x##_32_plain
#include "codec/cold/squares_each.h"

#define CODE  HG_PLAIN_CODE
#define UWORD u64
#define SUM   uint64_t
#define BITS  64
#define F(x)  x##_64_plain
#include "codec/cold/squares_each.h"

#if HG_HAVE_AVX2
#define CODE  HG_AVX2_CODE
#define UWORD u8
#define SUM   uint32_t
#define BITS  8
#define F(x)  x##_8_avx2
#include "codec/cold/squares_each.h"

#define CODE  HG_AVX2_CODE
#define UWORD u16
#define SUM   uint32_t
#define BITS  16
#define F(x)  x##_16_avx2
#include "codec/cold/squares_each.h"

#define CODE  HG_AVX2_CODE
#define UWORD u32
#define SUM   uint64_t
#define BITS  32
#define F(x)  x##_32_avx2
#include "codec/cold/squares_each.h"

#define CODE  HG_AVX2_CODE
#define UWORD u64
#define SUM   uint64_t
#define BITS  64
#define F(x)  x##_64_avx2
#include "codec/cold/squares_each.h"
#endif

static const struct each *each_of(unsigned width)
{
    static const struct each *const all[HG_SIMD_KERNELS] = {
        &each_8_plain,
        &each_16_plain,
        &each_32_plain,
        &each_64_plain,
#if HG_HAVE_AVX2
        &each_8_avx2,
        &each_16_avx2,
        &each_32_avx2,
        &each_64_avx2
#endif
    };

    return all[hg_simd_kernel(width)];
}

void hg_squares_sum(const struct hg_squares_run *r, const void *words, unsigned width,
                    uint64_t *sums)
{
    each_of(width)->sum(r, words, sums);
}

void hg_squares_take(const struct hg_squares_run *r, const void *words, unsigned width,
                     const uint8_t *classes, uint8_t **next)
{
    each_of(width)->take(r, words, classes, next);
}

void hg_squares_give(const struct hg_squares_run *r, void *words, unsigned width,
                     const uint8_t *classes, uint8_t **next)
{
    each_of(width)->give(r, words, classes, next);
}

/* ---- the walk ------------------------------------------------------------------------------------*/

static size_t square_rows(const struct hg_box *b)
{
    return b->n[2] > 1 ? SIDE : 1;
}

static size_t square_cols(const struct hg_box *b)
{
    return b->n[2] > 1 ? SIDE : HG_SQUARE;
}

size_t hg_squares_count(const struct hg_unit *u)
{
    size_t count = 0;

    for (unsigned i = 0; i < u->boxes; i++) {
        const struct hg_box *b = &u->box[i];
        size_t rows = square_rows(b);
        size_t cols = square_cols(b);
        count += b->n[0] * b->n[1] * ((b->n[2] + rows - 1) / rows) * ((b->n[3] + cols - 1) / cols);
    }
    return count;
}

void hg_squares_begin(struct hg_squares *s, const struct hg_unit *u)
{
    *s = (struct hg_squares){ .u = u };
}

int hg_squares_next(struct hg_squares *s, struct hg_squares_run *out)
{
    const struct hg_box *b = &s->u->box[s->box];
    size_t rows;
    size_t cols;

    if (s->box == s->u->boxes)
        return 0;
    rows = square_rows(b);
    cols = square_cols(b);
    *out = (struct hg_squares_run){
        .at = b->at + s->i[0] * b->stride[0] + s->i[1] * b->stride[1] + s->i[2] * b->stride[2] +
              s->i[3] * s->u->width,
        .stride = b->stride[2],
        .rows = HG_MIN(rows, b->n[2] - s->i[2]),
        .cols = HG_MIN(cols * HG_SQUARES_RUN, b->n[3] - s->i[3]),
        .width = cols,
    };
    out->count = (out->cols + cols - 1) / cols;
    s->i[3] += out->cols;
    if (s->i[3] >= b->n[3]) {
        s->i[3] = 0;
        s->i[2] += rows;
    }
    if (s->i[2] >= b->n[2]) {
        s->i[2] = 0;
        s->i[1]++;
    }
    if (s->i[1] >= b->n[1]) {
        s->i[1] = 0;
        s->i[0]++;
    }
    if (s->i[0] >= b->n[0]) {
        s->i[0] = 0;
        s->box++;
    }
    return 1;
}

size_t hg_squares_words(const struct hg_squares_run *r, size_t i)
{
    return r->rows * HG_MIN(r->width, r->cols - i * r->width);
}
