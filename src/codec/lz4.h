/*
 * LZ4 blocks, as numcodecs frames them:
 *
 *   0  4  bytes that come out, 1 to 7E000000; little-endian
 *   4     one block, to the end
 */
#ifndef HG_CODEC_LZ4_H
#define HG_CODEC_LZ4_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

#define HG_LZ4_RAW_MAX 0x7E000000u /* bytes */

/* Append a frame. acceleration: 1 and more; less is taken for 1. HOLOG_E_TOOBIG: over HG_LZ4_RAW_MAX;
 * HOLOG_E_INVAL: nothing at all has no frame. */
HG_MUST_CHECK int hg_lz4_compress(const void *data, size_t len, int acceleration,
                                  struct hg_buf *out);
/* How many bytes does the frame say that come out? Not yet to be believed. 0: it is none. */
size_t hg_lz4_stated(const void *in, size_t len);
/* What the frame holds into out, `cap` bytes at most. HOLOG_E_CORRUPT: it is more, or damaged; out may have
 * been written to. */
HG_MUST_CHECK int hg_lz4_decompress(const void *in, size_t len, void *out, size_t cap,
                                    size_t *out_len);
/* Blocks alone. acceleration of a level: 1 is the fastest, 9 the smallest, as with every other codec; others
 * are taken for the nearest. */
int hg_lz4_acceleration(int level);
size_t hg_lz4_state_size(void); /* bytes of the memory that a compressor needs, aligned to 8 */
/* Returns the length, 0 when it would be more than cap. len: HG_LZ4_RAW_MAX at most. */
size_t hg_lz4_block_compress(void *state, const void *data, size_t len, int acceleration, void *out,
                             size_t cap);
/* Of exactly raw_bytes. HOLOG_E_CORRUPT, without detail. */
HG_MUST_CHECK int hg_lz4_block_decompress(const void *in, size_t len, void *out, size_t raw_bytes);

#endif
