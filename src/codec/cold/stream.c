/*
 * One stream; see stream.h.
 */
#include "codec/cold/stream.h"

#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "codec/lz4.h"

#define LOOKED_AT 512 /* bytes, or a quarter of all, that repeats are looked for in */
#define SLOTS_LOG 10
#define FEW       64 /* 1 in so many: repeats are few */

/* ---- writing -------------------------------------------------------------------------------------*/

size_t hg_stream_bound(size_t len)
{
    return len == 0 ? 0 : HG_STREAM_HEAD + len;
}

/* *out_len: 0 when it is not less than raw. */
static int compress(struct hg_coder *c, const struct hg_stream_how *how, const void *raw,
                    size_t len, void *out, size_t cap, size_t *out_len)
{
    struct hg_zstd_aid literals = { .literals_only = 1 };
    struct hg_zstd_encoder *zstd = NULL;
    void *lz4 = NULL;
    int rc;

    *out_len = 0;
    if (how->codec == HG_CODEC_RAW)
        return HOLOG_OK;
    if (how->codec == HG_CODEC_LZ4) {
        rc = hg_coder_lz4(c, &lz4);
        if (rc == HOLOG_OK)
            *out_len =
                hg_lz4_block_compress(lz4, raw, len, hg_lz4_acceleration(how->level), out, cap);
        return rc;
    }
    rc = hg_coder_encoder(c, &zstd);
    if (rc < 0)
        return rc;
    return hg_zstd_aided_compress(zstd, how->codec == HG_CODEC_LITERALS ? &literals : how->aid, raw,
                                  len, how->level, out, cap, out_len);
}

int hg_stream_put(struct hg_coder *c, const struct hg_stream_how *how, const void *raw, size_t len,
                  struct hg_buf *out)
{
    size_t cap = HG_MAX(hg_zstd_bound(len), len);
    enum hg_codec codec = how->codec;
    uint8_t *at;
    size_t n = 0;
    int rc;

    if (len == 0)
        return HOLOG_OK;
    if (len > HG_STREAM_RAW_MAX)
        return hg_error(HOLOG_E_TOOBIG, "a stream of %zu bytes: %zu are possible", len,
                        HG_STREAM_RAW_MAX);
    rc = hg_buf_reserve(out, HG_STREAM_HEAD + cap);
    if (rc < 0)
        return rc;
    at = out->data + out->len;
    if (memcmp(raw, (const uint8_t *)raw + 1, len - 1) == 0) {
        codec = HG_CODEC_CONST;
        n = 1;
        memcpy(at + HG_STREAM_HEAD, raw, 1);
    } else {
        rc = compress(c, how, raw, len, at + HG_STREAM_HEAD, cap, &n);
        if (rc < 0)
            return rc;
        if (n == 0 || n >= len) {
            codec = HG_CODEC_RAW;
            n = len;
            memcpy(at + HG_STREAM_HEAD, raw, len);
        }
    }
    hg_put_le32(at, (uint32_t)codec | (uint32_t)n << 8);
    out->len += HG_STREAM_HEAD + n;
    return HOLOG_OK;
}

/* Do eights of bytes come again, in the middle? What shorter matches save is no more than what they cost. */
static int has_repeats(const uint8_t *raw, size_t len)
{
    uint16_t last[1 << SLOTS_LOG] = { 0 }; /* where one was seen; at the beginning is one, too */
    size_t repeats = 0;
    size_t n;

    if (len < LOOKED_AT)
        return 1;
    n = HG_MIN(HG_MAX(len / 4, (size_t)LOOKED_AT) - 7, (size_t)UINT16_MAX);
    raw += (len - n - 7) / 2;
    for (size_t i = 0; i < n; i++) {
        uint64_t eight = hg_get_le64(raw + i);
        size_t slot = eight * UINT64_C(0x9E3779B97F4A7C15) >> (64 - SLOTS_LOG);
        repeats += hg_get_le64(raw + last[slot]) == eight;
        last[slot] = (uint16_t)i;
    }
    return repeats > n / FEW;
}

int hg_stream_put_noise(struct hg_coder *c, const void *raw, size_t len, struct hg_buf *out)
{
    struct hg_stream_how literals = { HG_CODEC_LITERALS, 0, NULL };
    struct hg_stream_how zstd = { HG_CODEC_ZSTD, 1, NULL };
    size_t begin = out->len;
    size_t first;
    int rc = hg_stream_put(c, &literals, raw, len, out);

    if (rc < 0 || out->len - begin >= len / 5 * 2) /* 3.2 bits each: there is noise everywhere */
        return rc;
    if (out->len - begin >= len / 5 && !has_repeats(raw, len))
        return rc;
    first = out->len; /* the second behind it, and in its place if it is less */
    rc = hg_stream_put(c, &zstd, raw, len, out);
    if (rc < 0 || out->len - first >= first - begin) {
        out->len = rc < 0 ? begin : first;
    } else {
        size_t n = out->len - first;
        memmove(out->data + begin, out->data + first, n);
        out->len = begin + n;
    }
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------------*/

int hg_reader_take(struct hg_reader *r, size_t len, const uint8_t **out)
{
    if (len > r->left)
        return HOLOG_E_CORRUPT;
    *out = r->at;
    r->at += len;
    r->left -= len;
    return HOLOG_OK;
}

static int get_zstd(struct hg_coder *c, const struct hg_zstd_aid *aid, const uint8_t *in, size_t n,
                    void *out, size_t len)
{
    struct hg_zstd_decoder *zstd = NULL;
    int rc = hg_coder_decoder(c, &zstd);

    return rc < 0 ? rc : hg_zstd_aided_decompress(zstd, aid, in, n, out, len);
}

static int get_aided(struct hg_coder *c, unsigned codec, const struct hg_zstd_aid *aid,
                     const uint8_t *in, size_t n, void *out, size_t len)
{
    struct hg_zstd_aid one = { 0 };

    if (aid != NULL && codec == HG_CODEC_DICT)
        one.dict = aid->dict;
    if (aid != NULL && codec == HG_CODEC_PREFIX) {
        one.prefix = aid->prefix;
        one.prefix_len = aid->prefix_len;
    }
    if (one.dict == NULL && one.prefix == NULL)
        return hg_error(HOLOG_E_INVAL, "a stream that needs %s, which is not there",
                        codec == HG_CODEC_DICT ? "its dictionary" : "its base");
    return get_zstd(c, &one, in, n, out, len);
}

int hg_stream_get(struct hg_coder *c, struct hg_reader *r, const struct hg_zstd_aid *aid, void *out,
                  size_t len)
{
    const uint8_t *head;
    const uint8_t *in;
    size_t n;

    if (len == 0)
        return HOLOG_OK;
    if (hg_reader_take(r, HG_STREAM_HEAD, &head) < 0)
        return HOLOG_E_CORRUPT;
    n = hg_get_le32(head) >> 8;
    if (n > len || hg_reader_take(r, n, &in) < 0)
        return HOLOG_E_CORRUPT;
    switch (head[0]) {
    case HG_CODEC_RAW:
        if (n == len)
            memcpy(out, in, n);
        return n == len ? HOLOG_OK : HOLOG_E_CORRUPT;
    case HG_CODEC_CONST:
        if (n == 1)
            memset(out, in[0], len);
        return n == 1 ? HOLOG_OK : HOLOG_E_CORRUPT;
    case HG_CODEC_LZ4: return hg_lz4_block_decompress(in, n, out, len);
    case HG_CODEC_ZSTD:
    case HG_CODEC_LITERALS: return get_zstd(c, NULL, in, n, out, len);
    case HG_CODEC_DICT:
    case HG_CODEC_PREFIX: return get_aided(c, head[0], aid, in, n, out, len);
    default: return hg_error(HOLOG_E_NOTSUP, "a stream of codec %u, which is not known", head[0]);
    }
}

int hg_stream_view(struct hg_coder *c, struct hg_reader *r, enum hg_room room, size_t len,
                   const uint8_t **out)
{
    uint8_t *to;
    int rc;

    if (len > 0 && r->left >= HG_STREAM_HEAD && hg_get_le32(r->at) == (len << 8 | HG_CODEC_RAW)) {
        const uint8_t *head;
        if (hg_reader_take(r, HG_STREAM_HEAD, &head) < 0)
            return HOLOG_E_CORRUPT;
        return hg_reader_take(r, len, out);
    }
    rc = hg_coder_room(c, room, len, &to);
    *out = to;
    return rc < 0 ? rc : hg_stream_get(c, r, NULL, to, len);
}
