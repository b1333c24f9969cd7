/*
 * Bytes and bits turned over; see shuffle.h.
 */
#include "codec/shuffle.h"

#include <string.h>

#include "base/byteorder.h"
#include "codec/simd.h"
#if HG_HAVE_AVX2
#include <immintrin.h>
#endif

/* Inlined with a size that the compiler knows, for those that are common. */
static inline __attribute__((always_inline)) void spread(const uint8_t *in, size_t count,
                                                         size_t size, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < size; b++)
            out[b * count + i] = in[i * size + b];
}

static inline __attribute__((always_inline)) void gather(const uint8_t *in, size_t count,
                                                         size_t size, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < size; b++)
            out[i * size + b] = in[b * count + i];
}

static void copy_rest(const uint8_t *in, size_t len, size_t whole, uint8_t *out)
{
    if (len > whole)
        memcpy(out + whole, in + whole, len - whole);
}

void hg_shuffle(const void *in, size_t len, size_t size, void *out)
{
    size_t count = size > 1 ? len / size : 0;

    switch (size) {
    case 2: spread(in, count, 2, out); break;
    case 4: spread(in, count, 4, out); break;
    case 8: spread(in, count, 8, out); break;
    default: spread(in, count, size, out); break;
    }
    copy_rest(in, len, count * size, out);
}

void hg_unshuffle(const void *in, size_t len, size_t size, void *out)
{
    size_t count = size > 1 ? len / size : 0;

    switch (size) {
    case 2: gather(in, count, 2, out); break;
    case 4: gather(in, count, 4, out); break;
    case 8: gather(in, count, 8, out); break;
    default: gather(in, count, size, out); break;
    }
    copy_rest(in, len, count * size, out);
}

/* Byte r is row r of an 8 x 8 matrix of bits, bit 0 first; rows become columns. */
static uint64_t transpose_bits(uint64_t x)
{
    uint64_t t;

    t = (x ^ (x >> 7)) & UINT64_C(0x00AA00AA00AA00AA);
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & UINT64_C(0x0000CCCC0000CCCC);
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & UINT64_C(0x00000000F0F0F0F0);
    return x ^ t ^ (t << 28);
}

/* A plane of bits: those of byte b of `count` elements, in eights. */
struct plane {
    size_t size; /* of an element */
    size_t row;  /* bytes of a row of bits: count / 8 */
    size_t b;
};

/* Eights from `first` on. */
static void take_bits(const struct plane *p, const uint8_t *from, uint8_t *to, size_t first)
{
    uint8_t bytes[8];

    for (size_t i = first; i < p->row; i++) {
        for (size_t k = 0; k < 8; k++)
            bytes[k] = from[(i * 8 + k) * p->size + p->b];
        hg_put_le64(bytes, transpose_bits(hg_get_le64(bytes)));
        for (size_t k = 0; k < 8; k++)
            to[(p->b * 8 + k) * p->row + i] = bytes[k];
    }
}

static void put_bits(const struct plane *p, const uint8_t *from, uint8_t *to, size_t first)
{
    uint8_t bytes[8];

    for (size_t i = first; i < p->row; i++) {
        for (size_t k = 0; k < 8; k++)
            bytes[k] = from[(p->b * 8 + k) * p->row + i];
        hg_put_le64(bytes, transpose_bits(hg_get_le64(bytes)));
        for (size_t k = 0; k < 8; k++)
            to[(i * 8 + k) * p->size + p->b] = bytes[k];
    }
}

#if HG_HAVE_AVX2
#define AT_ONCE 4 /* eights */

/* Both return how many eights they have done. */
HG_AVX2_CODE size_t take_bits_avx2(const struct plane *p, const uint8_t *from, uint8_t *to)
{
    uint8_t bytes[32];
    size_t i = 0;

    for (; i + AT_ONCE <= p->row; i += AT_ONCE) {
        for (size_t k = 0; k < 32; k++)
            bytes[k] = from[(i * 8 + k) * p->size + p->b];
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
        for (size_t k = 8; k-- > 0;
             v = _mm256_add_epi8(v, v)) /* the highest bit of each, bit 7 first */
            hg_put_le32(to + (p->b * 8 + k) * p->row + i, (uint32_t)_mm256_movemask_epi8(v));
    }
    return i;
}

HG_AVX2_CODE size_t put_bits_avx2(const struct plane *p, const uint8_t *from, uint8_t *to)
{
    const __m256i which =
        _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    uint8_t bytes[32];
    size_t i = 0;

    for (; i + AT_ONCE <= p->row; i += AT_ONCE) {
        __m256i v = _mm256_setzero_si256();
        for (size_t k = 8; k-- > 0;) {
            __m256i m = _mm256_set1_epi32((int)hg_get_le32(from + (p->b * 8 + k) * p->row + i));
            m = _mm256_and_si256(_mm256_shuffle_epi8(m, which), bit);
            v = _mm256_sub_epi8(_mm256_add_epi8(v, v), _mm256_cmpeq_epi8(m, bit));
        }
        _mm256_storeu_si256((__m256i *)(void *)bytes, v);
        for (size_t k = 0; k < 32; k++)
            to[(i * 8 + k) * p->size + p->b] = bytes[k];
    }
    return i;
}
#endif

typedef void (*turn_bits)(const struct plane *p, const uint8_t *from, uint8_t *to, size_t first);
typedef size_t (*turn_bits_fast)(const struct plane *p, const uint8_t *from, uint8_t *to);

static void turn_all(turn_bits turn, turn_bits_fast fast, const uint8_t *from, size_t len,
                     size_t size, uint8_t *to)
{
    size_t count = size > 0 ? len / size : 0;

    if (count % 8 != 0)
        count = 0;
    for (size_t b = 0; count > 0 && b < size; b++) {
        struct plane p = { size, count / 8, b };
        turn(&p, from, to, fast != NULL ? fast(&p, from, to) : 0);
    }
    copy_rest(from, len, count * size, to);
}

void hg_bitshuffle(const void *in, size_t len, size_t size, void *out)
{
#if HG_HAVE_AVX2
    if (hg_simd_avx2()) {
        turn_all(take_bits, take_bits_avx2, in, len, size, out);
        return;
    }
#endif
    turn_all(take_bits, NULL, in, len, size, out);
}

void hg_bitunshuffle(const void *in, size_t len, size_t size, void *out)
{
#if HG_HAVE_AVX2
    if (hg_simd_avx2()) {
        turn_all(put_bits, put_bits_avx2, in, len, size, out);
        return;
    }
#endif
    turn_all(put_bits, NULL, in, len, size, out);
}
