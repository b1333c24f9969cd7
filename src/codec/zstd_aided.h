/*
 * zstd with what helps it: a trained dictionary, bytes that came before, literals alone. The frames carry
 * neither their length nor a checksum: who reads them knows both.
 */
#ifndef HG_CODEC_ZSTD_AIDED_H
#define HG_CODEC_ZSTD_AIDED_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "codec/zstd.h"

#define HG_DICT_MAX 16384 /* bytes: more buys nothing, and loading it costs */
#define HG_DICT_MIN 256
/* Together, of what came before and what is compressed: then each can be reached from the other's end. */
#define HG_PREFIX_REACH (UINT64_C(1) << 27)

/* Trained for small records that are alike. Any number of threads may use one. */
struct hg_dict;
/* From records that lie one behind the other, into `out`, `cap` bytes at most (HG_DICT_MIN to HG_DICT_MAX).
 * HOLOG_E_INVAL: too few, or too little in them. libzstd takes its memory for this itself. */
HG_MUST_CHECK int hg_dict_train(const void *records, const size_t *sizes, unsigned count,
                                size_t cap, struct hg_buf *out);
/* Copies the bytes. level: for compression. HOLOG_E_CORRUPT: they are no dictionary. */
HG_MUST_CHECK int hg_dict_load(const void *bytes, size_t len, int level, struct hg_dict **out);
void hg_dict_destroy(struct hg_dict *d);        /* NULL is fine */
uint64_t hg_dict_hash(const struct hg_dict *d); /* XXH3-64 of its bytes */

struct hg_zstd_aid {
    const struct hg_dict *dict; /* its level counts */
    const void *prefix;         /* NULL: none */
    size_t prefix_len;
    int literals_only; /* no matches are looked for: for noise; level is ignored */
};

/* aid may be NULL. *out_len: 0 when it would take more than cap. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_zstd_aided_compress(struct hg_zstd_encoder *e, const struct hg_zstd_aid *aid,
                                         const void *data, size_t len, int level, void *out,
                                         size_t cap, size_t *out_len);
/* Exactly raw_bytes from one frame of exactly len bytes. HOLOG_E_CORRUPT, without detail; HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_zstd_aided_decompress(struct hg_zstd_decoder *d, const struct hg_zstd_aid *aid,
                                           const void *in, size_t len, void *out, size_t raw_bytes);
/* Room in which compression never stops short. */
size_t hg_zstd_bound(size_t len);

#endif
