/*
 * Numbers of a few bits in a row: number i of r bits is bits i * r to i * r + r - 1, the lowest bit of a byte first.
 */
#ifndef HG_CODEC_COLD_BITS_H
#define HG_CODEC_COLD_BITS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of n numbers of r bits: whole eights, the last filled up with zeros. */
size_t hg_bits_size(size_t n, unsigned r);
/* A number in each byte; bits above are ignored. r: 1 to 7. `numbers` may be read, and on unpacking written,
 * to the next multiple of 8. */
void hg_bits_pack(const uint8_t *numbers, size_t n, unsigned r, uint8_t *out);
void hg_bits_unpack(const uint8_t *in, size_t n, unsigned r, uint8_t *numbers);

#endif
