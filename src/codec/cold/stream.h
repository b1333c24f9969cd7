/*
 * A stream: bytes under one codec.
 *
 *   0  1  codec
 *   1  3  len: bytes that follow; little-endian
 *   4     raw, zstd, lz4 ...: what the codec says of them
 *
 * How many bytes come out, the reader knows: of none there is no stream. A stream is never longer than 4 + that.
 *
 *   0 raw     1 const: one byte, which is all of them     2 lz4: a block     3 zstd: a frame
 *   4 literals: a frame of zstd without matches           5 dictionary: a frame that needs it
 *   7 prefix: a frame that needs the bytes of the base
 *
 * (6 is a whole block that is its base: cold.h.)
 */
#ifndef HG_CODEC_COLD_STREAM_H
#define HG_CODEC_COLD_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "codec/cold/coder.h"
#include "codec/zstd_aided.h"

enum hg_codec {
    HG_CODEC_RAW = 0,
    HG_CODEC_CONST = 1,
    HG_CODEC_LZ4 = 2,
    HG_CODEC_ZSTD = 3,
    HG_CODEC_LITERALS = 4,
    HG_CODEC_DICT = 5,
    HG_CODEC_SAME = 6,
    HG_CODEC_PREFIX = 7,
    HG_CODECS
};

#define HG_STREAM_HEAD    4
#define HG_STREAM_RAW_MAX ((size_t)0xFFFFFF) /* bytes: what the length can say */

struct hg_stream_how {
    enum hg_codec codec;
    int level; /* lz4: 1 to 9; zstd: its own. More is smaller and slower with both */
    const struct hg_zstd_aid *aid; /* with DICT, PREFIX */
};

/* The most that a stream of len bytes takes. */
size_t hg_stream_bound(size_t len);
/* Append a stream: by the codec, or const or raw where that is less. HOLOG_E_TOOBIG, HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_stream_put(struct hg_coder *c, const struct hg_stream_how *how,
                                const void *raw, size_t len, struct hg_buf *out);
/* Append a stream of bytes that are mostly noise: literals, or zstd where that is less. It is not asked about noise in
 * whose middle nothing comes again. */
HG_MUST_CHECK int hg_stream_put_noise(struct hg_coder *c, const void *raw, size_t len,
                                      struct hg_buf *out);

struct hg_reader {
    const uint8_t *at;
    size_t left;
};

/* The stream at the reader, of exactly len bytes. HOLOG_E_CORRUPT: damaged, cut, or of another length;
 * HOLOG_E_NOTSUP: a codec that is not known; HOLOG_E_INVAL: one that needs an aid that is not there. */
HG_MUST_CHECK int hg_stream_get(struct hg_coder *c, struct hg_reader *r,
                                const struct hg_zstd_aid *aid, void *out, size_t len);
/* As hg_stream_get without an aid; *out: where the bytes are, in what the reader reads or in the room. */
HG_MUST_CHECK int hg_stream_view(struct hg_coder *c, struct hg_reader *r, enum hg_room room,
                                 size_t len, const uint8_t **out);
/* As many bytes from the reader as they are. HOLOG_E_CORRUPT: there are less. */
HG_MUST_CHECK int hg_reader_take(struct hg_reader *r, size_t len, const uint8_t **out);

#endif
