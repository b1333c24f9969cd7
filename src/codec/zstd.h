/*
 * zstd, one buffer at a time, with its memory taken through base/alloc.h.
 *
 * A context lives for one call, unless the caller keeps it: made afresh for each 256 KiB chunk of a footer it costs 6 % of the
 * time to decompress and 1 to 3 % of that to compress, and no memory is held in between.
 * Any thread may call these; they share nothing.
 */
#ifndef HG_CODEC_ZSTD_H
#define HG_CODEC_ZSTD_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

/* Append data as one zstd frame that states its length. HOLOG_E_NOMEM leaves out as it was. */
HG_MUST_CHECK int hg_zstd_compress(const void *data, size_t len_bytes, int level,
                                   struct hg_buf *out);

struct hg_zstd_frame {
    uint64_t raw_bytes;    /* what it decompresses to, as it states; not yet to be believed */
    uint64_t window_bytes; /* how far back its blocks may refer */
    size_t len_bytes;      /* from its magic to the end of its last block */
};

/* What the frame at the start of in says of itself, nothing decompressed. HOLOG_E_CORRUPT, without
 * detail: no zstd frame, a skippable one, one that does not state its length, or one cut short. */
HG_MUST_CHECK int hg_zstd_frame_decode(const void *in, size_t avail_bytes,
                                       struct hg_zstd_frame *out_frame);

/* Append exactly raw_bytes to out, from a frame of exactly len_bytes. HOLOG_E_CORRUPT, without
 * detail: it is damaged or gives another length. Bound raw_bytes and the frame's window first: both
 * become memory. On failure out is as it was. */
HG_MUST_CHECK int hg_zstd_decompress(const void *in, size_t len_bytes, size_t raw_bytes,
                                     struct hg_buf *out);

/* What other writers make of zstd: frames one behind the other, each with or without its length and a
 * checksum, and skippable ones. No older formats, no dictionaries. */

/* How many bytes can come out, at most: by their own account, not yet to be believed. 0: they are none. */
uint64_t hg_zstd_stated(const void *in, size_t len_bytes);
/* All of them into out, `cap` bytes at most; nothing else is allocated by what they say. HOLOG_E_CORRUPT:
 * damaged, or more than cap; out may have been written to. */
HG_MUST_CHECK int hg_zstd_decompress_any(const void *in, size_t len_bytes, void *out, size_t cap,
                                         size_t *out_len);

/* Contexts, for many in a row: what is small costs less than making one. One thread at a time. */
struct hg_zstd_decoder;
HG_MUST_CHECK int hg_zstd_decoder_create(struct hg_zstd_decoder **out);
void hg_zstd_decoder_destroy(struct hg_zstd_decoder *d); /* NULL is fine */
/* As hg_zstd_decompress_any. */
HG_MUST_CHECK int hg_zstd_decoder_run(struct hg_zstd_decoder *d, const void *in, size_t len_bytes,
                                      void *out, size_t cap, size_t *out_len);

struct hg_zstd_encoder;
HG_MUST_CHECK int hg_zstd_encoder_create(struct hg_zstd_encoder **out);
void hg_zstd_encoder_destroy(struct hg_zstd_encoder *e); /* NULL is fine */
/* As hg_zstd_compress; checksum: at the end of the frame. */
HG_MUST_CHECK int hg_zstd_encoder_run(struct hg_zstd_encoder *e, const void *data, size_t len_bytes,
                                      int level, int checksum, struct hg_buf *out);

#endif
