/*
 * Growable bytes: capacity at least doubles, so n appends cost O(n).
 */
#include "base/buf.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"

#define BUF_FIRST_CAP 64 /* bytes; one small record, one cache line */

size_t hg_buf_grown(const struct hg_buf *b, size_t extra)
{
    if (extra <= b->cap - b->len)
        return b->cap;
    return HG_MAX(HG_MAX(b->len + extra, b->cap * 2), (size_t)BUF_FIRST_CAP);
}

int hg_buf_reserve(struct hg_buf *b, size_t extra)
{
    if (extra <= b->cap - b->len)
        return HOLOG_OK;
    if (extra > SIZE_MAX / 2 - b->len)
        return hg_error(HOLOG_E_NOMEM, "a buffer of %zu bytes cannot grow by %zu", b->len, extra);
    size_t cap = hg_buf_grown(b, extra);
    uint8_t *data = hg_realloc(b->data, cap);
    if (data == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a buffer of %zu bytes", cap);
    b->data = data;
    b->cap = cap;
    return HOLOG_OK;
}

int hg_buf_append(struct hg_buf *b, const void *data, size_t len)
{
    int rc = hg_buf_reserve(b, len);
    if (rc < 0)
        return rc;
    if (len != 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return HOLOG_OK;
}

int hg_buf_append_byte(struct hg_buf *b, uint8_t v)
{
    return hg_buf_append(b, &v, 1);
}

int hg_buf_append_varint(struct hg_buf *b, uint64_t v)
{
    uint8_t bytes[HG_VARINT_MAX];
    size_t len = hg_put_varint(bytes, v);
    return hg_buf_append(b, bytes, len);
}

int hg_buf_append_le32(struct hg_buf *b, uint32_t v)
{
    uint8_t bytes[sizeof v];
    hg_put_le32(bytes, v);
    return hg_buf_append(b, bytes, sizeof bytes);
}

int hg_buf_append_le64(struct hg_buf *b, uint64_t v)
{
    uint8_t bytes[sizeof v];
    hg_put_le64(bytes, v);
    return hg_buf_append(b, bytes, sizeof bytes);
}

int hg_buf_append_zeros(struct hg_buf *b, size_t len)
{
    int rc = hg_buf_reserve(b, len);
    if (rc < 0)
        return rc;
    if (len != 0)
        memset(b->data + b->len, 0, len);
    b->len += len;
    return HOLOG_OK;
}

void hg_buf_release(struct hg_buf *b)
{
    hg_free(b->data);
    *b = (struct hg_buf){ 0 };
}
