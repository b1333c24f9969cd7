/*
 * Blosc chunks of format 2 (c-blosc 1.x), read only.
 *
 *    0  1  format: 2
 *    1  1  format of the codec: 1
 *    2  1  01 bytes shuffled, 02 stored as they are, 04 bits shuffled, 10 blocks are not split;
 *          from bit 5 on the codec: 0 blosclz, 1 lz4, 2 snappy, 3 zlib, 4 zstd
 *    3  1  size of an element
 *    4  4  nbytes: what comes out
 *    8  4  blocksize: of what comes out, in a block; the last block has the rest
 *   12  4  cbytes: of all this
 *   16     stored: nbytes. Else for each block where it begins (4 bytes, from byte 0), and the blocks,
 *          each as one part, or split: a part for each byte of an element, of equal size.
 *          A part is its length (4 bytes) and a compressed stream; as long as what comes out: stored
 *
 * Everything is little-endian. A block is split when that is not forbidden, it is not the short last
 * one, elements have at most 16 bytes and a block has 128 of them.
 *
 * Source: c-blosc, README_CHUNK_FORMAT.rst.
 */
#ifndef HG_CODEC_BLOSC_H
#define HG_CODEC_BLOSC_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define HG_BLOSC_OVERHEAD 16 /* bytes, at most, over what comes out */

/* How many bytes does the chunk say that come out? Not yet to be believed. 0: it is none. */
size_t hg_blosc_stated(const void *in, size_t len);
/* What the chunk holds into out, `cap` bytes at most. HOLOG_E_NOTSUP: compressed with blosclz, snappy or
 * zlib; HOLOG_E_CORRUPT: it is more than cap, or damaged; out may have been written to. */
HG_MUST_CHECK int hg_blosc_decompress(const void *in, size_t len, void *out, size_t cap,
                                      size_t *out_len);

#endif
