/*
 * gzip (RFC 1952), by whoever brings it: holog itself is not linked with a library that knows it.
 */
#ifndef HG_CODEC_GZIP_H
#define HG_CODEC_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

/* What a plug-in shows as `holog_plugin_gzip`. Any thread may call them. 0, or a negative HOLOG_E_ code:
 * HOLOG_E_CORRUPT (damaged, or more than cap), HOLOG_E_NOMEM. */
struct hg_gzip {
    uint32_t version; /* HG_GZIP_VERSION */
    uint32_t reserved;
    /* All members, one behind the other, into out, `cap` bytes at most. */
    int (*decode)(const void *in, size_t len, void *out, size_t cap, size_t *out_len);
    /* Bytes of a member at most, for encode's cap. */
    size_t (*bound)(size_t len);
    int (*encode)(const void *in, size_t len, int level, void *out, size_t cap, size_t *out_len);
};
#define HG_GZIP_VERSION 1

/* Kept, not copied; NULL: there is none, as in the beginning. HOLOG_E_VERSION: another version. */
HG_MUST_CHECK int hg_gzip_set(const struct hg_gzip *plugin);
/* HOLOG_E_NOTSUP: there is no plug-in. */
HG_MUST_CHECK int hg_gzip_check(void);
HG_MUST_CHECK int hg_gzip_decompress(const void *in, size_t len, void *out, size_t cap,
                                     size_t *out_len);
/* Append a member. level: 0 to 9. */
HG_MUST_CHECK int hg_gzip_compress(const void *data, size_t len, int level, struct hg_buf *out);

#endif
