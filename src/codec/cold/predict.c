/*
 * Predictors, for each width, in plain C and for AVX2; see predict.h.
 */
#include "codec/cold/predict.h"

#include <string.h>

#include "codec/cold/types.h"
#include "codec/simd.h"

struct each {
    void (*left)(const void *from, void *to, size_t n);
    void (*unleft)(void *words, size_t n);
    void (*less)(void *words, const void *by, size_t n);
    void (*plus)(void *words, const void *by, size_t n);
    void (*average)(const void *from, const void *above, void *to, size_t n);
    void (*unaverage)(void *words, const void *above, size_t n);
};

#define CODE  HG_PLAIN_CODE
#define WORD  s8
#define UWORD u8
#define BITS  8
#define F(x)  x##_8_plain
#include "codec/cold/predict_each.h"

#define CODE  HG_PLAIN_CODE
#define WORD  s16
#define UWORD u16
#define BITS  16
#define F(x)  x##_16_plain
#include "codec/cold/predict_each.h"

#define CODE  HG_PLAIN_CODE
#define WORD  s32
#define UWORD u32
#define BITS  32
#define F(x)  x##_32_plain
#include "codec/cold/predict_each.h"

#define CODE  HG_PLAIN_CODE
#define WORD  s64
#define UWORD u64
#define BITS  64
#define F(x)  x##_64_plain
#include "codec/cold/predict_each.h"

#if HG_HAVE_AVX2
#define CODE  HG_AVX2_CODE
#define WORD  s8
#define UWORD u8
#define BITS  8
#define F(x)  x##_8_avx2
#include "codec/cold/predict_each.h"

#define CODE  HG_AVX2_CODE
#define WORD  s16
#define UWORD u16
#define BITS  16
#define F(x)  x##_16_avx2
#include "codec/cold/predict_each.h"

#define CODE  HG_AVX2_CODE
#define WORD  s32
#define UWORD u32
#define BITS  32
#define F(x)  x##_32_avx2
#include "codec/cold/predict_each.h"

#define CODE  HG_AVX2_CODE
#define WORD  s64
#define UWORD u64
#define BITS  64
#define F(x)  x##_64_avx2
#include "codec/cold/predict_each.h"
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

/* ---- left, up, mean: planes of rows, apart -------------------------------------------------------*/

static void rows_forward(enum hg_predictor how, const struct each *f, const uint8_t *from,
                         uint8_t *to, size_t rows, size_t nx, size_t row_bytes)
{
    for (size_t y = 0; y < rows; y++) {
        const uint8_t *row = from + y * row_bytes;
        if (how == HG_PREDICT_AVERAGE && y > 0) {
            f->average(row, row - row_bytes, to + y * row_bytes, nx);
        } else if (how == HG_PREDICT_UP) {
            memcpy(to + y * row_bytes, row, row_bytes);
            if (y > 0)
                f->less(to + y * row_bytes, row - row_bytes, nx);
        } else {
            f->left(row, to + y * row_bytes, nx);
        }
    }
}

static void rows_inverse(enum hg_predictor how, const struct each *f, uint8_t *words, size_t rows,
                         size_t nx, size_t row_bytes)
{
    for (size_t y = 0; y < rows; y++) {
        uint8_t *row = words + y * row_bytes;
        if (how == HG_PREDICT_AVERAGE && y > 0)
            f->unaverage(row, row - row_bytes, nx);
        else if (how != HG_PREDICT_UP)
            f->unleft(row, nx);
        else if (y > 0)
            f->plus(row, row - row_bytes, nx);
    }
}

/* ---- Lorenzo: a difference along each axis, one after the other ----------------------------------*/

static void lorenzo_forward(const struct hg_predict *p, const struct each *f, const uint8_t *from,
                            uint8_t *to)
{
    size_t row = p->n[2] * p->width;
    size_t plane = p->n[1] * row;
    size_t rows = p->outer * p->n[0] * p->n[1];

    for (size_t y = 0; y < rows; y++)
        f->left(from + y * row, to + y * row, p->n[2]);
    for (size_t y = rows; y-- > 0;) /* from the end: what is subtracted is still as it was */
        if (y % p->n[1] > 0)
            f->less(to + y * row, to + (y - 1) * row, p->n[2]);
    for (size_t z = p->outer * p->n[0]; z-- > 0;)
        if (z % p->n[0] > 0)
            f->less(to + z * plane, to + (z - 1) * plane, p->n[1] * p->n[2]);
}

static void lorenzo_inverse(const struct hg_predict *p, const struct each *f, uint8_t *words)
{
    size_t row = p->n[2] * p->width;
    size_t plane = p->n[1] * row;

    for (size_t z = 0; z < p->outer * p->n[0]; z++) {
        if (z % p->n[0] > 0)
            f->plus(words + z * plane, words + (z - 1) * plane, p->n[1] * p->n[2]);
    }
    for (size_t y = 0; y < p->outer * p->n[0] * p->n[1]; y++)
        if (y % p->n[1] > 0)
            f->plus(words + y * row, words + (y - 1) * row, p->n[2]);
    for (size_t y = 0; y < p->outer * p->n[0] * p->n[1]; y++)
        f->unleft(words + y * row, p->n[2]);
}

void hg_predict_forward(const struct hg_predict *p, const void *from, void *to)
{
    const struct each *f = each_of(p->width);
    size_t row = p->n[2] * p->width;
    size_t plane = p->n[1] * row;

    if (p->how == HG_PREDICT_LORENZO) {
        lorenzo_forward(p, f, from, to);
        return;
    }
    for (size_t z = 0; z < p->outer * p->n[0]; z++)
        rows_forward(p->how, f, (const uint8_t *)from + z * plane, (uint8_t *)to + z * plane,
                     p->n[1], p->n[2], row);
}

void hg_predict_inverse(const struct hg_predict *p, void *words)
{
    const struct each *f = each_of(p->width);
    size_t row = p->n[2] * p->width;
    size_t plane = p->n[1] * row;

    if (p->how == HG_PREDICT_LORENZO) {
        lorenzo_inverse(p, f, words);
        return;
    }
    for (size_t z = 0; z < p->outer * p->n[0]; z++)
        rows_inverse(p->how, f, (uint8_t *)words + z * plane, p->n[1], p->n[2], row);
}
