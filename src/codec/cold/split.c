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

/* What becomes of a number by any k is told by its first eight bits and its length: its shape. Numbers below 256 are
 * their own, then come 128 of each length. */
#define SHORT            256
#define OF_A_LENGTH      128
#define SHAPES_OF(width) (SHORT + (8 * (size_t)(width)-8) * OF_A_LENGTH)
#define SHAPES           SHAPES_OF(8)

struct each {
    void (*byte)(const void *v, uint8_t *to, size_t n, unsigned shift, uint8_t mask);
    void (*top)(const void *v, uint8_t *to, size_t n, unsigned k);
    void (*set)(void *v, const uint8_t *b, size_t n, unsigned shift);
    void (*both)(void *v, const uint8_t *tops, const uint8_t *lows, size_t n, unsigned k);
    void (*join)(void *v, const uint8_t *b, size_t n, unsigned shift);
    void (*shapes)(const void *v, size_t n, uint32_t *count, uint32_t *more);
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

void hg_split_both(void *v, const uint8_t *tops, const uint8_t *lows, size_t n, unsigned k,
                   unsigned width)
{
    each_of(width)->both(v, tops, lows, n, k);
}

void hg_split_join(void *v, const uint8_t *b, size_t n, unsigned shift, unsigned width)
{
    each_of(width)->join(v, b, n, shift);
}

/* ---- how many bits -------------------------------------------------------------------------------*/

struct shapes {
    uint32_t count[SHAPES];
    uint32_t *more; /* numbers are counted here and there in turn, if there is room for two */
    unsigned width;
};

static void begin_shapes(struct shapes *s, unsigned width)
{
    size_t shapes = SHAPES_OF(width);

    s->width = width;
    s->more = 2 * shapes <= SHAPES ? s->count + shapes : s->count;
    memset(s->count, 0, (s->more == s->count ? shapes : 2 * shapes) * sizeof *s->count);
}

static void count_shapes(struct shapes *s, const void *v, size_t n)
{
    each_of(s->width)->shapes(v, n, s->count, s->more);
}

static void end_shapes(struct shapes *s)
{
    if (s->more != s->count)
        for (size_t i = 0; i < SHAPES_OF(s->width); i++)
            s->count[i] += s->more[i];
}

/* Tops by a k; those that are longer are apart. */
struct tops {
    unsigned k;
    uint32_t count[256];
    size_t longer;
};

static void first_tops(const struct shapes *s, size_t n, struct tops *t)
{
    t->k = 0;
    t->longer = n;
    memcpy(t->count, s->count, sizeof t->count);
    for (size_t i = 0; i < SHORT; i++)
        t->longer -= t->count[i];
}

/* By a k that is one more. */
static void next_tops(const struct shapes *s, struct tops *t)
{
    const uint32_t *now = s->count + SHORT + (size_t)t->k * OF_A_LENGTH;

    t->k++;
    for (size_t i = 0; i < SHORT / 2; i++)
        t->count[i] = t->count[2 * i] + t->count[2 * i + 1];
    memcpy(t->count + SHORT / 2, now, OF_A_LENGTH * sizeof *now);
    for (size_t i = 0; i < OF_A_LENGTH; i++)
        t->longer -= now[i];
}

/* Bits of n numbers, more or less: with what the entropy of a few numbers lacks (Miller, Madow), and the table of a
 * code, for the share that n has of all. */
static uint64_t bits_of(const struct tops *t, size_t n, size_t all, unsigned width)
{
    uint32_t count[256];
    uint64_t symbols = 0; /* that come at all */

    memcpy(count, t->count, sizeof count);
    count[HG_SPLIT_ESCAPE] += (uint32_t)t->longer;
    for (size_t i = 0; i < 256; i++)
        symbols += count[i] > 0;
    return hg_entropy(count, 256, (uint32_t)n) + n * t->k +
           (uint64_t)count[HG_SPLIT_ESCAPE] * 8 * width + symbols * TABLE_BITS * n / all +
           symbols * 185 / 256; /* log2(e) / 2 */
}

/* The best k for these: from the least at which few are escapes. */
static unsigned judge(const struct shapes *s, size_t n, size_t all, uint64_t *out_bits)
{
    unsigned most = 8 * s->width - 8;
    unsigned first;
    unsigned best;
    struct tops t;

    first_tops(s, n, &t);
    while (t.longer > n / FEW)
        next_tops(s, &t);
    first = best = t.k;
    *out_bits = bits_of(&t, n, all, s->width);
    while (t.k < most && t.k + 1 < first + TRIED) {
        uint64_t bits;
        next_tops(s, &t);
        bits = bits_of(&t, n, all, s->width);
        if (bits >= *out_bits)
            break; /* it goes down, and then up */
        *out_bits = bits;
        best = t.k;
    }
    return best;
}

/* Of many, those in runs that are evenly spread. */
unsigned hg_split_best(const void *v, size_t n, unsigned width)
{
    size_t runs = SAMPLE / RUN;
    struct shapes s;
    uint64_t bits;

    HG_ASSERT(n > 0);
    begin_shapes(&s, width);
    if (n <= SAMPLE)
        count_shapes(&s, v, n);
    for (size_t i = 0; n > SAMPLE && i < runs; i++)
        count_shapes(&s, (const uint8_t *)v + (n - RUN) * i / (runs - 1) * width, RUN);
    end_shapes(&s);
    return judge(&s, HG_MIN(n, (size_t)SAMPLE), n, &bits);
}

uint64_t hg_split_bits(const void *v, size_t n, size_t all, unsigned width)
{
    struct shapes s;
    uint64_t bits;

    HG_ASSERT(n > 0 && n <= UINT32_MAX);
    begin_shapes(&s, width);
    count_shapes(&s, v, n);
    end_shapes(&s);
    (void)judge(&s, n, all, &bits);
    return bits;
}
