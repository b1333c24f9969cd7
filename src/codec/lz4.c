/*
 * The one file that knows liblz4; see lz4.h.
 */
#include "codec/lz4.h"

#include <limits.h>

#include <lz4.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"

#define HEAD 4

_Static_assert(HG_LZ4_RAW_MAX == LZ4_MAX_INPUT_SIZE, "the limit is liblz4's");

int hg_lz4_compress(const void *data, size_t len, int acceleration, struct hg_buf *out)
{
    void *state;
    int bound;
    int n;
    int rc;

    if (len == 0)
        return hg_error(HOLOG_E_INVAL, "lz4: there is nothing to compress");
    if (len > HG_LZ4_RAW_MAX)
        return hg_error(HOLOG_E_TOOBIG, "lz4: %zu bytes; %u are possible", len, HG_LZ4_RAW_MAX);
    bound = LZ4_compressBound((int)len);
    rc = hg_buf_reserve(out, HEAD + (size_t)bound);
    if (rc < 0)
        return rc;
    state = hg_malloc((size_t)LZ4_sizeofState()); /* 16 KiB: much for a stack */
    if (state == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to compress %zu bytes", len);
    hg_put_le32(out->data + out->len, (uint32_t)len);
    n = LZ4_compress_fast_extState(state, data, (char *)out->data + out->len + HEAD, (int)len,
                                   bound, acceleration);
    hg_free(state);
    HG_ASSERT(n > 0); /* the room is enough */
    out->len += HEAD + (size_t)n;
    return HOLOG_OK;
}

size_t hg_lz4_stated(const void *in, size_t len)
{
    return len < HEAD ? 0 : hg_get_le32(in);
}

int hg_lz4_acceleration(int level)
{
    return 10 - HG_MAX(1, HG_MIN(level, 9));
}

size_t hg_lz4_state_size(void)
{
    return (size_t)LZ4_sizeofState();
}

size_t hg_lz4_block_compress(void *state, const void *data, size_t len, int acceleration, void *out,
                             size_t cap)
{
    int n;

    HG_ASSERT(len <= HG_LZ4_RAW_MAX);
    n = LZ4_compress_fast_extState(state, data, out, (int)len, (int)HG_MIN(cap, (size_t)INT_MAX),
                                   acceleration);
    return n > 0 ? (size_t)n : 0;
}

int hg_lz4_block_decompress(const void *in, size_t len, void *out, size_t raw_bytes)
{
    if (len > INT_MAX || raw_bytes > INT_MAX)
        return HOLOG_E_CORRUPT;
    if (LZ4_decompress_safe(in, out, (int)len, (int)raw_bytes) != (int)raw_bytes)
        return HOLOG_E_CORRUPT;
    return HOLOG_OK;
}

int hg_lz4_decompress(const void *in, size_t len, void *out, size_t cap, size_t *out_len)
{
    size_t raw_bytes = hg_lz4_stated(in, len);

    if (raw_bytes == 0 || raw_bytes > HG_LZ4_RAW_MAX)
        return hg_error(HOLOG_E_CORRUPT, "lz4: %zu bytes that state a length of %zu", len,
                        raw_bytes);
    if (raw_bytes > cap)
        return hg_error(HOLOG_E_CORRUPT, "lz4: a stated length of %zu bytes, over the %zu expected",
                        raw_bytes, cap);
    if (hg_lz4_block_decompress((const uint8_t *)in + HEAD, len - HEAD, out, raw_bytes) < 0)
        return hg_error(HOLOG_E_CORRUPT, "lz4: the block of %zu bytes is damaged", len - HEAD);
    *out_len = raw_bytes;
    return HOLOG_OK;
}
