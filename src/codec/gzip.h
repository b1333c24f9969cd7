/*
 * gzip (RFC 1952), by a plug-in (io/plugin.h): holog itself is not linked with a library that knows it.
 */
#ifndef HG_CODEC_GZIP_H
#define HG_CODEC_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

/* HOLOG_E_NOTSUP: there is no plug-in. */
HG_MUST_CHECK int hg_gzip_check(void);
HG_MUST_CHECK int hg_gzip_decompress(const void *in, size_t len, void *out, size_t cap,
                                     size_t *out_len);
/* Append a member. level: 0 to 9. */
HG_MUST_CHECK int hg_gzip_compress(const void *data, size_t len, int level, struct hg_buf *out);

#endif
