/*
 * The one file that knows libzstd.
 */
#include "codec/zstd.h"

#define ZSTD_STATIC_LINKING_ONLY /* contexts with our allocator; frame headers */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/error.h"

static void *zstd_alloc(void *opaque, size_t size)
{
    HG_UNUSED(opaque);
    return hg_malloc(size);
}

static void zstd_free(void *opaque, void *ptr)
{
    HG_UNUSED(opaque);
    hg_free(ptr);
}

static const ZSTD_customMem zstd_memory = { zstd_alloc, zstd_free, NULL };

int hg_zstd_compress(const void *data, size_t len_bytes, int level, struct hg_buf *out)
{
    size_t bound = ZSTD_compressBound(len_bytes);
    int rc = hg_buf_reserve(out, bound);
    if (rc < 0)
        return rc;
    ZSTD_CCtx *ctx = ZSTD_createCCtx_advanced(zstd_memory);
    if (ctx == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to compress %zu bytes", len_bytes);
    size_t n = ZSTD_compressCCtx(ctx, out->data + out->len, bound, data, len_bytes, level);
    (void)ZSTD_freeCCtx(ctx); /* never fails */
    if (ZSTD_isError(n))
        return hg_error(HOLOG_E_NOMEM, "%zu bytes could not be compressed: %s", len_bytes,
                        ZSTD_getErrorName(n)); /* the room is enough: only memory can lack */
    out->len += n;
    return HOLOG_OK;
}

int hg_zstd_frame_decode(const void *in, size_t avail_bytes, struct hg_zstd_frame *out_frame)
{
    ZSTD_frameHeader header;

    if (ZSTD_getFrameHeader(&header, in, avail_bytes) != 0 || header.frameType != ZSTD_frame ||
        header.frameContentSize == ZSTD_CONTENTSIZE_UNKNOWN)
        return HOLOG_E_CORRUPT;
    size_t n = ZSTD_findFrameCompressedSize(in, avail_bytes);
    if (ZSTD_isError(n))
        return HOLOG_E_CORRUPT;
    *out_frame = (struct hg_zstd_frame){
        .raw_bytes = header.frameContentSize,
        .window_bytes = header.windowSize,
        .len_bytes = n,
    };
    return HOLOG_OK;
}

int hg_zstd_decompress(const void *in, size_t len_bytes, size_t raw_bytes, struct hg_buf *out)
{
    int rc = hg_buf_reserve(out, raw_bytes);
    if (rc < 0)
        return rc;
    ZSTD_DCtx *ctx = ZSTD_createDCtx_advanced(zstd_memory);
    if (ctx == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to decompress %zu bytes", raw_bytes);
    size_t n = ZSTD_decompressDCtx(ctx, out->data + out->len, raw_bytes, in, len_bytes);
    (void)ZSTD_freeDCtx(ctx); /* never fails */
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return hg_error(HOLOG_E_NOMEM, "no memory to decompress %zu bytes", raw_bytes);
    if (ZSTD_isError(n) || n != raw_bytes)
        return HOLOG_E_CORRUPT;
    out->len += raw_bytes;
    return HOLOG_OK;
}
