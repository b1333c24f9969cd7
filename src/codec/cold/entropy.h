/*
 * Entropy of counts, in whole numbers: the same on every machine.
 */
#ifndef HG_CODEC_COLD_ENTROPY_H
#define HG_CODEC_COLD_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

/* 65536 * log2(n), n > 0. */
uint32_t hg_log2_q16(uint32_t n);
/* Bits, together, of `total` symbols that come so often each: total * the entropy of order 0. */
uint64_t hg_entropy(const uint32_t *count, size_t symbols, uint32_t total);

#endif
