/*
 * Numbers taken apart and put together, bits first; and how many bits are best. See unit.h for what it is for.
 */
#ifndef HG_CODEC_COLD_SPLIT_H
#define HG_CODEC_COLD_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#define HG_SPLIT_ESCAPE 255u

/* width: 1, 2, 4, 8 bytes of a number; shifts are below its bits. */

/* to[i] = (v[i] >> shift) & mask */
void hg_split_byte(const void *v, uint8_t *to, size_t n, unsigned shift, uint8_t mask,
                   unsigned width);
/* to[i] = min(v[i] >> k, 255) */
void hg_split_top(const void *v, uint8_t *to, size_t n, unsigned k, unsigned width);
/* v[i] = b[i] << shift: what was in v is gone. */
void hg_split_set(void *v, const uint8_t *b, size_t n, unsigned shift, unsigned width);
/* v[i] = tops[i] << k | lows[i] */
void hg_split_both(void *v, const uint8_t *tops, const uint8_t *lows, size_t n, unsigned k,
                   unsigned width);
/* v[i] |= b[i] << shift */
void hg_split_join(void *v, const uint8_t *b, size_t n, unsigned shift, unsigned width);

/* The k with which n numbers (at least one), judged by some of them, take the fewest bits. */
unsigned hg_split_best(const void *v, size_t n, unsigned width);
/* The fewest bits that n numbers take, when they are part of `all` that share the table of a code. */
uint64_t hg_split_bits(const void *v, size_t n, size_t all, unsigned width);

#endif
