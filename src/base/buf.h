/*
 * A growable run of bytes. Zero-initialise to begin ({ 0 }); release to end.
 */
#ifndef HG_BASE_BUF_H
#define HG_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct hg_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

HG_MUST_CHECK int hg_buf_reserve(struct hg_buf *b, size_t extra); /* room for extra more bytes */
/* The capacity that it will have with extra more bytes. */
size_t hg_buf_grown(const struct hg_buf *b, size_t extra);
HG_MUST_CHECK int hg_buf_append(struct hg_buf *b, const void *data, size_t len);
HG_MUST_CHECK int hg_buf_append_byte(struct hg_buf *b, uint8_t v);
HG_MUST_CHECK int hg_buf_append_varint(struct hg_buf *b, uint64_t v);
HG_MUST_CHECK int hg_buf_append_le32(struct hg_buf *b, uint32_t v);
HG_MUST_CHECK int hg_buf_append_le64(struct hg_buf *b, uint64_t v);
HG_MUST_CHECK int hg_buf_append_zeros(struct hg_buf *b, size_t len);
void hg_buf_release(struct hg_buf *b); /* frees, leaves it zero */

#endif
