/*
 * Elements as words, for each width, in plain C and for AVX2; see words.h.
 */
#include "codec/cold/words.h"

#include "base/assert.h"
#include "codec/cold/types.h"
#include "codec/simd.h"

struct each {
    void (*order_floats)(const void *from, void *to, size_t n);
    void (*subtract)(void *words, const void *base, size_t n);
    void (*add)(void *words, const void *base, size_t n);
    void (*zigzag)(const void *from, void *to, size_t n);
    void (*unzigzag)(const void *from, void *to, size_t n);
    uint64_t (*range)(const void *words, size_t n, int is_signed, uint64_t *out_min);
    void (*widen)(const void *from, void *to, size_t n,
                  int is_signed); /* NULL: there is nothing wider */
    void (*narrow)(const void *from, void *to, size_t n);
};

#define CODE  HG_PLAIN_CODE
#define WORD  s8
#define UWORD u8
#define BITS  8
#define F(x)  x##_8_plain
#define WIDE  s16
#define UWIDE u16
#include "codec/cold/words_each.h"

#define CODE  HG_PLAIN_CODE
#define WORD  s16
#define UWORD u16
#define BITS  16
#define F(x)  x##_16_plain
#define WIDE  s32
#define UWIDE u32
#include "codec/cold/words_each.h"

#define CODE  HG_PLAIN_CODE
#define WORD  s32
#define UWORD u32
#define BITS  32
#define F(x)  x##_32_plain
#define WIDE  s64
#define UWIDE u64
#include "codec/cold/words_each.h"

#define CODE  HG_PLAIN_CODE
#define WORD  s64
#define UWORD u64
#define BITS  64
#define F(x)  x##_64_plain
#include "codec/cold/words_each.h"

#if HG_HAVE_AVX2
#define CODE  HG_AVX2_CODE
#define WORD  s8
#define UWORD u8
#define BITS  8
#define F(x)  x##_8_avx2
#define WIDE  s16
#define UWIDE u16
#include "codec/cold/words_each.h"

#define CODE  HG_AVX2_CODE
#define WORD  s16
#define UWORD u16
#define BITS  16
#define F(x)  x##_16_avx2
#define WIDE  s32
#define UWIDE u32
#include "codec/cold/words_each.h"

#define CODE  HG_AVX2_CODE
#define WORD  s32
#define UWORD u32
#define BITS  32
#define F(x)  x##_32_avx2
#define WIDE  s64
#define UWIDE u64
#include "codec/cold/words_each.h"

#define CODE  HG_AVX2_CODE
#define WORD  s64
#define UWORD u64
#define BITS  64
#define F(x)  x##_64_avx2
#include "codec/cold/words_each.h"
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

void hg_words_order_floats(const void *from, void *to, size_t n, unsigned width)
{
    each_of(width)->order_floats(from, to, n);
}

void hg_words_subtract(void *words, const void *base, size_t n, unsigned width)
{
    each_of(width)->subtract(words, base, n);
}

void hg_words_add(void *words, const void *base, size_t n, unsigned width)
{
    each_of(width)->add(words, base, n);
}

void hg_words_zigzag(const void *from, void *to, size_t n, unsigned width)
{
    each_of(width)->zigzag(from, to, n);
}

void hg_words_unzigzag(const void *from, void *to, size_t n, unsigned width)
{
    each_of(width)->unzigzag(from, to, n);
}

uint64_t hg_words_range(const void *words, size_t n, unsigned width, int is_signed,
                        uint64_t *out_min)
{
    return each_of(width)->range(words, n, is_signed, out_min);
}

void hg_words_widen(const void *from, void *to, size_t n, unsigned width, int is_signed)
{
    HG_ASSERT(width < 8);
    each_of(width)->widen(from, to, n, is_signed);
}

void hg_words_narrow(const void *from, void *to, size_t n, unsigned width)
{
    HG_ASSERT(width < 8);
    each_of(width)->narrow(from, to, n);
}
