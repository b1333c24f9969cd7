/*
 * Which code runs: plain C, or the same C compiled for AVX2 and BMI2, where the machine has both.
 *
 * A kernel is written once, in a header that is included for each width of word and each kind of machine:
 * both give the same bits. HOLOG_NO_SIMD=1, asked once, takes plain C.
 */
#ifndef HG_CODEC_SIMD_H
#define HG_CODEC_SIMD_H

#if defined(__clang__)
#define HG_PLAIN_CODE static
#else
#define HG_PLAIN_CODE static __attribute__((optimize("O3")))
#endif
#if !defined(__x86_64__)
#define HG_HAVE_AVX2 0
#elif defined(__clang__)
#define HG_HAVE_AVX2 1
#define HG_AVX2_CODE static __attribute__((target("avx2,bmi2")))
#else
#define HG_HAVE_AVX2 1
#define HG_AVX2_CODE static __attribute__((target("avx2,bmi2"), optimize("O3")))
#endif

/* Words of every width hold any bits: they are read and written through types that alias all others. */
#define HG_MAY_ALIAS __attribute__((may_alias))

int hg_simd_avx2(void);
/* Of a table of kernels for words of 1, 2, 4 and 8 bytes, plain ones and behind them those for AVX2, where there is
 * code for it: which one runs. */
#define HG_SIMD_KERNELS (HG_HAVE_AVX2 ? 8 : 4)
unsigned hg_simd_kernel(unsigned width);
/* For tests: 0 plain C, 1 what the machine has. Not while another thread is in a codec. */
void hg_simd_allow(int allowed);

#endif
