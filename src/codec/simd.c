/*
 * Asked once; see simd.h.
 */
#include "codec/simd.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    NOT_ASKED,
    PLAIN,
    AVX2
};

static _Atomic int known;

static int ask(void)
{
#if HG_HAVE_AVX2
    const char *no = secure_getenv("HOLOG_NO_SIMD");

    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
        (no == NULL || strcmp(no, "1") != 0))
        return AVX2;
#endif
    return PLAIN;
}

int hg_simd_avx2(void)
{
    int now = atomic_load_explicit(&known, memory_order_relaxed);

    if (now == NOT_ASKED) {
        now = ask();
        atomic_store_explicit(&known, now, memory_order_relaxed);
    }
    return now == AVX2;
}

unsigned hg_simd_kernel(unsigned width)
{
    unsigned at = (unsigned)__builtin_ctz(width);

    HG_ASSERT(at < 4 && width == 1u << at);
    return at + (HG_HAVE_AVX2 && hg_simd_avx2() ? 4u : 0);
}

void hg_simd_allow(int allowed)
{
    atomic_store_explicit(&known, allowed ? ask() : PLAIN, memory_order_relaxed);
}
