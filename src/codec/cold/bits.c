/*
 * Eight numbers at a time are r bytes; see bits.h.
 */
#include "codec/cold/bits.h"

#include <string.h>

#include "base/byteorder.h"
#include "codec/simd.h"
#if HG_HAVE_AVX2
#include <immintrin.h>
#endif

size_t hg_bits_size(size_t n, unsigned r)
{
    return (n + 7) / 8 * r;
}

/* The low r bits of each byte, closed up. */
static uint64_t close_up(uint64_t bytes, unsigned r)
{
    uint64_t packed = 0;

    for (unsigned i = 0; i < 8; i++)
        packed |= (bytes >> (8 * i) & ((1u << r) - 1)) << (r * i);
    return packed;
}

static uint64_t spread_out(uint64_t packed, unsigned r)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < 8; i++)
        bytes |= (packed >> (r * i) & ((1u << r) - 1)) << (8 * i);
    return bytes;
}

/* r bytes of a number; no byte behind them is touched. */
static inline void put_low(uint8_t *out, uint64_t v, unsigned r)
{
    memcpy(out, &v, r);
}

static inline uint64_t get_low(const uint8_t *in, unsigned r)
{
    uint64_t v = 0;

    memcpy(&v, in, r);
    return v;
}

#if HG_HAVE_AVX2
static uint64_t mask_of(unsigned r)
{
    return UINT64_C(0x0101010101010101) * ((1u << r) - 1);
}

HG_AVX2_CODE void pack_bmi2(const uint8_t *numbers, size_t eights, unsigned r, uint8_t *out)
{
    uint64_t mask = mask_of(r);

    for (size_t i = 0; i < eights; i++)
        put_low(out + i * r, _pext_u64(hg_get_le64(numbers + 8 * i), mask), r);
}

HG_AVX2_CODE void unpack_bmi2(const uint8_t *in, size_t eights, unsigned r, uint8_t *numbers)
{
    uint64_t mask = mask_of(r);
    size_t i = 0;

    for (; i + 8 <= eights;
         i++) /* a whole word is there: eight more follow, of a byte or more each */
        hg_put_le64(numbers + 8 * i, _pdep_u64(hg_get_le64(in + i * r), mask));
    for (; i < eights; i++)
        hg_put_le64(numbers + 8 * i, _pdep_u64(get_low(in + i * r, r), mask));
}
#endif

void hg_bits_pack(const uint8_t *numbers, size_t n, unsigned r, uint8_t *out)
{
    size_t eights = (n + 7) / 8;

#if HG_HAVE_AVX2
    if (hg_simd_avx2()) {
        pack_bmi2(numbers, eights, r, out);
        return;
    }
#endif
    for (size_t i = 0; i < eights; i++)
        put_low(out + i * r, close_up(hg_get_le64(numbers + 8 * i), r), r);
}

void hg_bits_unpack(const uint8_t *in, size_t n, unsigned r, uint8_t *numbers)
{
    size_t eights = (n + 7) / 8;

#if HG_HAVE_AVX2
    if (hg_simd_avx2()) {
        unpack_bmi2(in, eights, r, numbers);
        return;
    }
#endif
    for (size_t i = 0; i < eights; i++)
        hg_put_le64(numbers + 8 * i, spread_out(get_low(in + i * r, r), r));
}
