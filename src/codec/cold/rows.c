/*
 * The steps of lifting, for each width, in plain C and for AVX2.
 */
#include "codec/cold/rows.h"

#include "base/assert.h"
#include "codec/cold/types.h"
#include "codec/simd.h"

#define CODE    HG_PLAIN_CODE
#define WORD    s16
#define UWORD   u16
#define ROWS(x) x##_16_plain
#include "codec/cold/lift_rows.h"

#define CODE    HG_PLAIN_CODE
#define WORD    s32
#define UWORD   u32
#define ROWS(x) x##_32_plain
#include "codec/cold/lift_rows.h"

#define CODE    HG_PLAIN_CODE
#define WORD    s64
#define UWORD   u64
#define ROWS(x) x##_64_plain
#include "codec/cold/lift_rows.h"

#if HG_HAVE_AVX2
#define CODE    HG_AVX2_CODE
#define WORD    s16
#define UWORD   u16
#define ROWS(x) x##_16_avx2
#include "codec/cold/lift_rows.h"

#define CODE    HG_AVX2_CODE
#define WORD    s32
#define UWORD   u32
#define ROWS(x) x##_32_avx2
#include "codec/cold/lift_rows.h"

#define CODE    HG_AVX2_CODE
#define WORD    s64
#define UWORD   u64
#define ROWS(x) x##_64_avx2
#include "codec/cold/lift_rows.h"
#endif

const struct hg_rows *hg_rows_of(unsigned width)
{
    HG_ASSERT(width == 2 || width == 4 || width == 8);
#if HG_HAVE_AVX2
    if (hg_simd_avx2())
        return width == 2 ? &rows_16_avx2 : width == 4 ? &rows_32_avx2 : &rows_64_avx2;
#endif
    return width == 2 ? &rows_16_plain : width == 4 ? &rows_32_plain : &rows_64_plain;
}
