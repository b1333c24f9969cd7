/*
 * Elements turned over, so that what is alike lies together. `size` is that of an element, in bytes.
 *
 *   bytes  byte b of element i is at b * count + i
 *   bits   bit k of byte b of element i is bit i % 8 of the byte at (b * 8 + k) * (count / 8) + i / 8
 *
 * Bytes behind the last whole element stay where they are. Both places lie apart.
 */
#ifndef HG_CODEC_SHUFFLE_H
#define HG_CODEC_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

void hg_shuffle(const void *in, size_t len, size_t size, void *out);
void hg_unshuffle(const void *in, size_t len, size_t size, void *out);
/* Where there are elements that do not make up eights, nothing is turned over (as Blosc has it). */
void hg_bitshuffle(const void *in, size_t len, size_t size, void *out);
void hg_bitunshuffle(const void *in, size_t len, size_t size, void *out);

#endif
