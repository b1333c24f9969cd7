/*
 * libzstd as such; see zstd_aided.c for what it does with a dictionary and the like.
 */
#include "codec/zstd.h"

#define ZSTD_STATIC_LINKING_ONLY /* contexts with our allocator; frame headers */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/byteorder.h"
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

/* ---- encoding ------------------------------------------------------------------------------------*/

/* Contexts are libzstd's own: there is nothing to keep beside them. */
static ZSTD_CCtx *encoder_of(struct hg_zstd_encoder *e)
{
    return (ZSTD_CCtx *)e;
}

int hg_zstd_encoder_create(struct hg_zstd_encoder **out)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx_advanced(zstd_memory);

    if (ctx == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to compress with zstd");
    *out = (struct hg_zstd_encoder *)ctx;
    return HOLOG_OK;
}

void hg_zstd_encoder_destroy(struct hg_zstd_encoder *e)
{
    (void)ZSTD_freeCCtx(encoder_of(e)); /* never fails; NULL is fine */
}

int hg_zstd_encoder_run(struct hg_zstd_encoder *e, const void *data, size_t len_bytes, int level,
                        int checksum, struct hg_buf *out)
{
    ZSTD_CCtx *ctx = encoder_of(e);
    size_t bound = ZSTD_compressBound(len_bytes);
    size_t n;
    int rc = hg_buf_reserve(out, bound);

    if (rc < 0)
        return rc;
    /* Neither can fail: a level out of range is taken for the nearest. */
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, checksum);
    n = ZSTD_compress2(ctx, out->data + out->len, bound, data, len_bytes);
    if (ZSTD_isError(n))
        return hg_error(HOLOG_E_NOMEM, "%zu bytes could not be compressed: %s", len_bytes,
                        ZSTD_getErrorName(n)); /* the room is enough: only memory can lack */
    out->len += n;
    return HOLOG_OK;
}

int hg_zstd_compress(const void *data, size_t len_bytes, int level, struct hg_buf *out)
{
    struct hg_zstd_encoder *e = NULL;
    int rc = hg_zstd_encoder_create(&e);

    if (rc < 0)
        return rc;
    rc = hg_zstd_encoder_run(e, data, len_bytes, level, 0, out);
    hg_zstd_encoder_destroy(e);
    return rc;
}

/* ---- a frame of our own --------------------------------------------------------------------------*/

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

/* ---- as others write it --------------------------------------------------------------------------*/

/* libzstd may have been built to read formats before 0.8; those are not meant. */
static int are_frames(const uint8_t *in, size_t len_bytes)
{
    while (len_bytes > 0) {
        size_t n = ZSTD_findFrameCompressedSize(in, len_bytes);
        uint32_t magic = len_bytes < 4 ? 0 : hg_get_le32(in);
        if (ZSTD_isError(n) || (magic != ZSTD_MAGICNUMBER &&
                                (magic & ZSTD_MAGIC_SKIPPABLE_MASK) != ZSTD_MAGIC_SKIPPABLE_START))
            return 0;
        in += n;
        len_bytes -= n;
    }
    return 1;
}

uint64_t hg_zstd_stated(const void *in, size_t len_bytes)
{
    unsigned long long bound = are_frames(in, len_bytes) ? ZSTD_decompressBound(in, len_bytes) : 0;

    return bound == ZSTD_CONTENTSIZE_ERROR ? 0 : bound;
}

static ZSTD_DCtx *decoder_of(struct hg_zstd_decoder *d)
{
    return (ZSTD_DCtx *)d;
}

int hg_zstd_decoder_create(struct hg_zstd_decoder **out)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx_advanced(zstd_memory);

    if (ctx == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to decompress zstd");
    *out = (struct hg_zstd_decoder *)ctx;
    return HOLOG_OK;
}

void hg_zstd_decoder_destroy(struct hg_zstd_decoder *d)
{
    (void)ZSTD_freeDCtx(decoder_of(d)); /* never fails; NULL is fine */
}

int hg_zstd_decoder_run(struct hg_zstd_decoder *d, const void *in, size_t len_bytes, void *out,
                        size_t cap, size_t *out_len)
{
    int good = are_frames(in, len_bytes);
    size_t n = good ? ZSTD_decompressDCtx(decoder_of(d), out, cap, in, len_bytes) : 0;

    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return hg_error(HOLOG_E_NOMEM, "no memory to decompress %zu bytes", len_bytes);
    if (!good || ZSTD_isError(n))
        return hg_error(HOLOG_E_CORRUPT,
                        "zstd: %zu bytes are damaged, or hold more than the %zu expected",
                        len_bytes, cap);
    *out_len = n;
    return HOLOG_OK;
}

int hg_zstd_decompress_any(const void *in, size_t len_bytes, void *out, size_t cap, size_t *out_len)
{
    struct hg_zstd_decoder *d = NULL;
    int rc = hg_zstd_decoder_create(&d);

    if (rc < 0)
        return rc;
    rc = hg_zstd_decoder_run(d, in, len_bytes, out, cap, out_len);
    hg_zstd_decoder_destroy(d);
    return rc;
}
