/*
 * XXH3 by the widest vectors the processor has (libxxhash picks them at run time; the results are
 * the same on every machine), and the sum of bytes modulo 96.
 */
#include "base/hash.h"

#include <assert.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define XXH_STATIC_LINKING_ONLY /* shows the size of its state; no unstable call is used */
#include <xxhash.h>
#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<xxh_x86dispatch.h>)
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
/* Debian's libxxhash.a lacks these: who links it gets what it was compiled for, SSE2. */
#pragma weak XXH3_64bits_dispatch
#pragma weak XXH3_64bits_withSeed_dispatch
#pragma weak XXH3_64bits_update_dispatch
#pragma weak XXH3_128bits_dispatch
#pragma weak XXH3_128bits_update_dispatch
#define WIDEST(f) (f##_dispatch != NULL ? f##_dispatch : (f))
#endif
#endif
#ifndef WIDEST
#define WIDEST(f) (f)
#endif

uint64_t hg_hash64(const void *data, size_t len)
{
    return WIDEST(XXH3_64bits)(data, len);
}

uint64_t hg_hash64_seeded(const void *data, size_t len, uint64_t seed)
{
    return WIDEST(XXH3_64bits_withSeed)(data, len, seed);
}

struct hg_hash128 hg_hash128(const void *data, size_t len)
{
    XXH128_hash_t h = WIDEST(XXH3_128bits)(data, len);
    return (struct hg_hash128){ .lo = h.low64, .hi = h.high64 };
}

static_assert(sizeof(XXH3_state_t) <= sizeof(struct hg_hash_stream), "a stream holds the state");
static_assert(_Alignof(XXH3_state_t) <= _Alignof(struct hg_hash_stream), "and aligns it");

void hg_hash_stream_begin(struct hg_hash_stream *s)
{
    XXH3_state_t *state = (XXH3_state_t *)(void *)s;
    XXH3_INITSTATE(state);
    (void)XXH3_128bits_reset(state); /* fails only on NULL */
}

void hg_hash_stream_add(struct hg_hash_stream *s, const void *data, size_t len)
{
    if (len != 0)
        (void)WIDEST(XXH3_128bits_update)((XXH3_state_t *)(void *)s, data,
                                          len); /* fails only on NULL */
}

struct hg_hash128 hg_hash_stream_end(const struct hg_hash_stream *s)
{
    XXH128_hash_t h = XXH3_128bits_digest((const XXH3_state_t *)(const void *)s);
    return (struct hg_hash128){ .lo = h.low64, .hi = h.high64 };
}

static_assert(sizeof(XXH3_state_t) <= sizeof(struct hg_hash64_stream), "a stream holds the state");
static_assert(_Alignof(XXH3_state_t) <= _Alignof(struct hg_hash64_stream), "and aligns it");

void hg_hash64_stream_begin(struct hg_hash64_stream *s)
{
    XXH3_state_t *state = (XXH3_state_t *)(void *)s;
    XXH3_INITSTATE(state);
    (void)XXH3_64bits_reset(state); /* fails only on NULL */
}

void hg_hash64_stream_add(struct hg_hash64_stream *s, const void *data, size_t len)
{
    if (len != 0)
        (void)WIDEST(XXH3_64bits_update)((XXH3_state_t *)(void *)s, data,
                                         len); /* fails only on NULL */
}

uint64_t hg_hash64_stream_end(const struct hg_hash64_stream *s)
{
    return XXH3_64bits_digest((const XXH3_state_t *)(const void *)s);
}

#if defined(__SSE2__)

/* PSADBW against zero adds eight bytes into each half of a register: sixteen bytes, one step. */
static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i sum0 = zero;
    __m128i sum1 = zero;
    __m128i sum2 = zero;
    __m128i sum3 = zero;

    for (size_t i = 0; i < blocks; i++, p += 64) {
        const __m128i *v = (const __m128i *)(const void *)p;
        sum0 = _mm_add_epi64(sum0, _mm_sad_epu8(_mm_loadu_si128(v + 0), zero));
        sum1 = _mm_add_epi64(sum1, _mm_sad_epu8(_mm_loadu_si128(v + 1), zero));
        sum2 = _mm_add_epi64(sum2, _mm_sad_epu8(_mm_loadu_si128(v + 2), zero));
        sum3 = _mm_add_epi64(sum3, _mm_sad_epu8(_mm_loadu_si128(v + 3), zero));
    }
    sum0 = _mm_add_epi64(_mm_add_epi64(sum0, sum1), _mm_add_epi64(sum2, sum3));
    sum0 = _mm_add_epi64(sum0, _mm_unpackhi_epi64(sum0, sum0));
    return (uint64_t)_mm_cvtsi128_si64(sum0);
}

#else

static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < blocks; i++, p += 64) {
        uint32_t part = 0; /* 64 * 255 fits with room: compilers turn this into vector adds */
        for (size_t j = 0; j < 64; j++)
            part += p[j];
        sum += part;
    }
    return sum;
}

#endif

uint8_t hg_csum(const void *data, size_t len)
{
    const uint8_t *p = data;
    /* 2^64 / 255 bytes would be needed to overflow: more than any address space holds. */
    uint64_t sum = sum_blocks(p, len / 64);
    for (size_t i = len & ~(size_t)63; i < len; i++)
        sum += p[i];
    return (uint8_t)(sum % HG_CSUM_MOD);
}
