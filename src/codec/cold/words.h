/*
 * Elements as words: what filters work on. A word is an integer of 1, 2, 4 or 8 bytes; its arithmetic wraps.
 *
 * A float becomes an integer in the same order by x ^ ((x >> (bits - 1)) & ~sign): a bijection that is its own
 * inverse, so each bit of a NaN comes back; -0 is -1, +0 is 0.
 */
#ifndef HG_CODEC_COLD_WORDS_H
#define HG_CODEC_COLD_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* Both may be the same place. width: 1, 2, 4, 8 bytes. */
void hg_words_order_floats(const void *from, void *to, size_t n, unsigned width);
void hg_words_subtract(void *words, const void *base, size_t n, unsigned width);
void hg_words_add(void *words, const void *base, size_t n, unsigned width);
/* To words twice as wide (of 1, 2, 4 bytes), and back: the upper half is dropped. */
void hg_words_widen(const void *from, void *to, size_t n, unsigned width, int is_signed);
void hg_words_narrow(const void *from, void *to, size_t n, unsigned width);
/* The greatest less the least, as the type has them. n > 0. */
uint64_t hg_words_range(const void *words, size_t n, unsigned width, int is_signed,
                        uint64_t *out_min);
/* (x << 1) ^ (x >> (bits - 1)): small magnitudes become small numbers. Both may be the same place. */
void hg_words_zigzag(const void *from, void *to, size_t n, unsigned width);
void hg_words_unzigzag(const void *from, void *to, size_t n, unsigned width);

#endif
