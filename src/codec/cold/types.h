/*
 * Words that may be read and written in memory of any type, for kernels.
 */
#ifndef HG_CODEC_COLD_TYPES_H
#define HG_CODEC_COLD_TYPES_H

#include <stdint.h>

#include "codec/simd.h"

typedef int8_t HG_MAY_ALIAS s8;
typedef uint8_t HG_MAY_ALIAS u8;
typedef int16_t HG_MAY_ALIAS s16;
typedef uint16_t HG_MAY_ALIAS u16;
typedef int32_t HG_MAY_ALIAS s32;
typedef uint32_t HG_MAY_ALIAS u32;
typedef int64_t HG_MAY_ALIAS s64;
typedef uint64_t HG_MAY_ALIAS u64;

#endif
