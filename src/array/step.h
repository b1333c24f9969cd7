/*
 * A codec that makes bytes of bytes, ready to run.
 *
 *   zstd               level: -131072 to 22 (0); checksum: bool (false)
 *   gzip               level: 0 to 9 (5); only with a plug-in
 *   blosc              read only: the chunk says all; cname: one of those that are read
 *   crc32c
 *   numcodecs.lz4      acceleration (1)
 *   numcodecs.shuffle  elementsize: 0 and more (4)
 */
#ifndef HG_ARRAY_STEP_H
#define HG_ARRAY_STEP_H

#include "array/document.h"
#include "codec/zstd.h"

struct hg_step {
    enum hg_codec_id id;
    int level; /* lz4: acceleration; shuffle: bytes of an element */
    int checksum;
};

/* What is kept from one chunk to the next: making it anew would cost more than a small chunk does.
 * Zero-initialise; one thread at a time. */
struct hg_scratch {
    struct hg_zstd_decoder *decoder; /* NULL: none was needed yet */
    struct hg_zstd_encoder *encoder;
};
void hg_scratch_release(struct hg_scratch *s);

/* HOLOG_E_INVAL: its configuration is wrong; HOLOG_E_NOTSUP: holog cannot run it. */
HG_MUST_CHECK int hg_step_make(const struct hg_codec *codec, struct hg_step *out);
/* Is what it makes of so many bytes always as long? */
int hg_step_is_exact(const struct hg_step *s);
/* Bytes that it makes of `len`, at most, whoever wrote them: they are allowed to do it badly. */
uint64_t hg_step_bound(const struct hg_step *s, uint64_t len);
/* HOLOG_E_INVAL, HOLOG_E_TOOBIG: there are no such bytes. On failure out is as it was. */
HG_MUST_CHECK int hg_step_encode(const struct hg_step *s, struct hg_scratch *scratch,
                                 const void *in, size_t len, struct hg_buf *out);
/* Room that decoding needs by what the bytes say of themselves; `cap` when that is more, or unknown. */
size_t hg_step_room(const struct hg_step *s, const void *in, size_t len, size_t cap);
/* Into out, `cap` bytes at most. HOLOG_E_CORRUPT: damaged, or more than cap; out may have been written to. */
HG_MUST_CHECK int hg_step_decode(const struct hg_step *s, struct hg_scratch *scratch,
                                 const void *in, size_t len, void *out, size_t cap,
                                 size_t *out_len);

#endif
