/*
 * Numbers taken apart, for each width, in plain C and for AVX2; see split.h.
 */
#include "codec/cold/split.h"

#include <string.h>

#include "base/assert.h"
#include "codec/cold/entropy.h"
#include "codec/cold/types.h"
#include "codec/simd.h"

#define SAMPLE     1024 /* numbers, about, that k is judged by */
#define RUN        64   /* of them side by side */
#define TRIED      8    /* values of k */
#define FEW        16   /* 1 in so many may be escapes at the least k that is tried */
#define TABLE_BITS 5    /* of the length of a symbol in the table of a code */

struct each {
    void (*byte)(const void *v, uint8_t *to, size_t n, unsigned shift, uint8_t mask);
    void (*top)(const void *v, uint8_t *to, size_t n, unsigned k);
    void (*set)(void *v, const uint8_t *b, size_t n, unsigned shift);
    void (*join)(void *v, const uint8_t *b, size_t n, unsigned shift);
    uint64_t (*sum)(const void *v, size_t n);
    void (*lengths)(const void *v, size_t n, size_t *count);
};

#define CODE  HG_PLAIN_CODE
#define UWORD u8
#define F(x)  x##_8_plain
#include "codec/cold/split_each.h"

#define CODE  HG_PLAIN_CODE
#define UWORD u16
#define F(x)  x##_16_plain
#include "codec/cold/split_each.h"

#define CODE  HG_PLAIN_CODE
#define UWORD u32
#define F(x)  x##_32_plain
#include "codec/cold/split_each.h"

#define CODE  HG_PLAIN_CODE
#define UWORD u64
#define F(x)  x##_64_plain
#include "codec/cold/split_each.h"

#if HG_HAVE_AVX2
#define CODE  HG_AVX2_CODE
#define UWORD u8
#define F(x)  x##_8_avx2
#include "codec/cold/split_each.h"

#define CODE  HG_AVX2_CODE
#define UWORD u16
#define F(x)  x##_16_avx2
#include "codec/cold/split_each.h"

#define CODE  HG_AVX2_CODE
#define UWORD u32
#define F(x)  x##_32_avx2
#include "codec/cold/split_each.h"

#define CODE  HG_AVX2_CODE
#define UWORD u64
#define F(x)  x##_64_avx2
#include "codec/cold/split_each.h"
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

void hg_split_byte(const void *v, uint8_t *to, size_t n, unsigned shift, uint8_t mask,
                   unsigned width)
{
    each_of(width)->byte(v, to, n, shift, mask);
}

void hg_split_top(const void *v, uint8_t *to, size_t n, unsigned k, unsigned width)
{
    each_of(width)->top(v, to, n, k);
}

void hg_split_set(void *v, const uint8_t *b, size_t n, unsigned shift, unsigned width)
{
    each_of(width)->set(v, b, n, shift);
}

void hg_split_join(void *v, const uint8_t *b, size_t n, unsigned shift, unsigned width)
{
    each_of(width)->join(v, b, n, shift);
}

uint64_t hg_split_sum(const void *v, size_t n, unsigned width)
{
    return each_of(width)->sum(v, n);
}

/* ---- how many bits -------------------------------------------------------------------------------*/

/* Runs, evenly spread. Returns how many numbers. */
static size_t take_sample(const uint8_t *v, size_t n, unsigned width, uint8_t *sample)
{
    size_t runs = SAMPLE / RUN;

    if (n <= SAMPLE) {
        memcpy(sample, v, n * width);
        return n;
    }
    for (size_t i = 0; i < runs; i++)
        memcpy(sample + i * RUN * width, v + (n - RUN) * i / (runs - 1) * width, RUN * width);
    return runs * RUN;
}

/* The least k at which few are escapes. */
static unsigned least_k(const uint8_t *sample, size_t n, unsigned width)
{
    size_t longer[65] = { 0 }; /* numbers of so many bits */
    size_t escapes = 0;
    unsigned k = 8 * width - 8;

    each_of(width)->lengths(sample, n, longer);
    while (k > 0 && escapes + longer[k + 8] <= n / FEW) {
        escapes += longer[k + 8];
        k--;
    }
    return k;
}

/* Bits of n numbers with k, more or less: with what the entropy of a few numbers lacks (Miller, Madow), and the table
 * of a code, for the share that n has of all. */
static uint64_t bits_with(const uint8_t *v, size_t n, size_t all, unsigned width, unsigned k)
{
    uint8_t tops[SAMPLE];
    uint32_t count[256] = { 0 };
    uint64_t symbols = 0; /* that come at all */

    for (size_t at = 0; at < n; at += SAMPLE) {
        size_t some = HG_MIN(n - at, (size_t)SAMPLE);
        hg_split_top(v + at * width, tops, some, k, width);
        for (size_t i = 0; i < some; i++)
            count[tops[i]]++;
    }
    for (size_t i = 0; i < 256; i++)
        symbols += count[i] > 0;
    return hg_entropy(count, 256, (uint32_t)n) + n * k +
           (uint64_t)count[HG_SPLIT_ESCAPE] * 8 * width + symbols * TABLE_BITS * n / all +
           symbols * 185 / 256; /* log2(e) / 2 */
}

/* The best k for these. */
static unsigned judge(const uint8_t *v, size_t n, size_t all, unsigned width, uint64_t *out_bits)
{
    unsigned first = least_k(v, n, width);
    unsigned best = first;

    *out_bits = UINT64_MAX;
    for (unsigned k = first; k <= 8 * width - 8 && k < first + TRIED; k++) {
        uint64_t bits = bits_with(v, n, all, width, k);
        if (bits >= *out_bits)
            break; /* it goes down, and then up */
        *out_bits = bits;
        best = k;
    }
    return best;
}

unsigned hg_split_best(const void *v, size_t n, unsigned width)
{
    uint8_t sample[SAMPLE * 8];
    uint64_t bits;

    HG_ASSERT(n > 0);
    return judge(sample, take_sample(v, n, width, sample), n, width, &bits);
}

uint64_t hg_split_bits(const void *v, size_t n, size_t all, unsigned width)
{
    uint64_t bits;

    HG_ASSERT(n > 0 && n <= UINT32_MAX);
    (void)judge(v, n, all, width, &bits);
    return bits;
}
