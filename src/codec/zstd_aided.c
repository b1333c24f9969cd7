/*
 * zstd with a dictionary, a prefix, or literals alone; see zstd_aided.h.
 */
#include "codec/zstd_aided.h"

#define ZSTD_STATIC_LINKING_ONLY /* our allocator; literals compressed at fast levels */
#include <zdict.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

#define NO_MATCHES     (-131072) /* the fastest level: its first step leaves any block */
#define TRAIN_MIN      8         /* records */
#define WINDOW_LOG_MIN 10

static void dict_free(void *opaque, void *ptr)
{
    HG_UNUSED(opaque);
    hg_free(ptr);
}

/* ---- dictionaries --------------------------------------------------------------------------------*/

struct hg_dict {
    ZSTD_CDict *to;
    ZSTD_DDict *from;
    uint64_t hash;
    int no_memory; /* libzstd does not tell that from bytes that are no dictionary */
};

static void *dict_alloc(void *opaque, size_t size)
{
    void *p = hg_malloc(size);

    if (p == NULL)
        ((struct hg_dict *)opaque)->no_memory = 1;
    return p;
}

int hg_dict_train(const void *records, const size_t *sizes, unsigned count, size_t cap,
                  struct hg_buf *out)
{
    size_t n;
    int rc;

    if (count < TRAIN_MIN || cap < HG_DICT_MIN || cap > HG_DICT_MAX)
        return hg_error(
            HOLOG_E_INVAL,
            "a dictionary of %zu bytes from %u records: %d to %d from %d or more are possible", cap,
            count, HG_DICT_MIN, HG_DICT_MAX, TRAIN_MIN);
    rc = hg_buf_reserve(out, cap);
    if (rc < 0)
        return rc;
    n = ZDICT_trainFromBuffer(out->data + out->len, cap, records, sizes, count);
    if (ZDICT_isError(n))
        return hg_error(HOLOG_E_INVAL, "%u records do not make a dictionary: %s", count,
                        ZDICT_getErrorName(n));
    out->len += n;
    return HOLOG_OK;
}

int hg_dict_load(const void *bytes, size_t len, int level, struct hg_dict **out)
{
    struct hg_dict *d = hg_calloc(1, sizeof *d);
    int rc = HOLOG_OK;

    if (d == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a dictionary");
    if (len >= HG_DICT_MIN && len <= HG_DICT_MAX) {
        ZSTD_customMem memory = { dict_alloc, dict_free, d };
        d->hash = hg_hash64(bytes, len);
        d->from = ZSTD_createDDict_advanced(bytes, len, ZSTD_dlm_byCopy, ZSTD_dct_fullDict, memory);
        d->to = ZSTD_createCDict_advanced(bytes, len, ZSTD_dlm_byCopy, ZSTD_dct_fullDict,
                                          ZSTD_getCParams(level, 0, len), memory);
    }
    if (d->no_memory)
        rc = hg_error(HOLOG_E_NOMEM, "no memory for a dictionary of %zu bytes", len);
    else if (d->from == NULL || d->to == NULL)
        rc = hg_error(HOLOG_E_CORRUPT, "%zu bytes that are no zstd dictionary of %d to %d bytes",
                      len, HG_DICT_MIN, HG_DICT_MAX);
    if (rc < 0)
        hg_dict_destroy(d);
    else
        *out = d;
    return rc;
}

void hg_dict_destroy(struct hg_dict *d)
{
    if (d == NULL)
        return;
    (void)ZSTD_freeCDict(d->to); /* never fails; NULL is fine */
    (void)ZSTD_freeDDict(d->from);
    hg_free(d);
}

uint64_t hg_dict_hash(const struct hg_dict *d)
{
    return d->hash;
}

/* ---- compression ---------------------------------------------------------------------------------*/

size_t hg_zstd_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

static int window_log(size_t reach)
{
    int log = WINDOW_LOG_MIN;

    while (((size_t)1 << log) < reach)
        log++;
    return log;
}

/* Nothing of this can fail: the values are in range, and no frame is begun. */
static void set_up(ZSTD_CCtx *ctx, const struct hg_zstd_aid *aid, size_t len, int level)
{
    (void)ZSTD_CCtx_reset(ctx, ZSTD_reset_session_and_parameters);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
    if (aid != NULL && aid->literals_only) {
        (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, NO_MATCHES);
        (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
    }
    if (aid != NULL && aid->prefix != NULL) {
        (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, window_log(aid->prefix_len + len));
        (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_enableLongDistanceMatching, ZSTD_ps_enable);
        (void)ZSTD_CCtx_refPrefix(ctx, aid->prefix, aid->prefix_len);
    }
    if (aid != NULL && aid->dict != NULL)
        (void)ZSTD_CCtx_refCDict(ctx, aid->dict->to);
}

int hg_zstd_aided_compress(struct hg_zstd_encoder *e, const struct hg_zstd_aid *aid,
                           const void *data, size_t len, int level, void *out, size_t cap,
                           size_t *out_len)
{
    ZSTD_CCtx *ctx = (ZSTD_CCtx *)e;
    size_t n;

    if (aid != NULL && aid->prefix != NULL &&
        (aid->prefix_len > HG_PREFIX_REACH || len > HG_PREFIX_REACH - aid->prefix_len))
        return hg_error(HOLOG_E_TOOBIG, "%zu bytes with %zu before them: %llu are possible", len,
                        aid->prefix_len, (unsigned long long)HG_PREFIX_REACH);
    set_up(ctx, aid, len, level);
    n = ZSTD_compress2(ctx, out, cap, data, len);
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) != ZSTD_error_dstSize_tooSmall)
        return hg_error(HOLOG_E_NOMEM, "%zu bytes could not be compressed: %s", len,
                        ZSTD_getErrorName(n));
    *out_len = ZSTD_isError(n) ? 0 : n;
    return HOLOG_OK;
}

int hg_zstd_aided_decompress(struct hg_zstd_decoder *d, const struct hg_zstd_aid *aid,
                             const void *in, size_t len, void *out, size_t raw_bytes)
{
    ZSTD_DCtx *ctx = (ZSTD_DCtx *)d;
    size_t n;

    /* Neither can fail between frames. */
    (void)ZSTD_DCtx_reset(ctx, ZSTD_reset_session_and_parameters);
    if (aid != NULL && aid->prefix != NULL)
        (void)ZSTD_DCtx_refPrefix(ctx, aid->prefix, aid->prefix_len);
    if (aid != NULL && aid->dict != NULL)
        (void)ZSTD_DCtx_refDDict(ctx, aid->dict->from);
    n = ZSTD_decompressDCtx(ctx, out, raw_bytes, in, len);
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return hg_error(HOLOG_E_NOMEM, "no memory to decompress %zu bytes", raw_bytes);
    return ZSTD_isError(n) || n != raw_bytes ? HOLOG_E_CORRUPT : HOLOG_OK;
}
