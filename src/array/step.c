/*
 * Codecs from bytes to bytes; see step.h.
 */
#include "array/step.h"

#include <limits.h>
#include <string.h>

#include "array/conf.h"
#include "base/error.h"
#include "codec/blosc.h"
#include "codec/crc32c.h"
#include "codec/gzip.h"
#include "codec/lz4.h"
#include "codec/shuffle.h"

#define ZSTD_LEVEL_LEAST (-131072)
#define ZSTD_LEVEL_MOST  22
#define COUNT(list)      (sizeof(list) / sizeof((list)[0]))

/* ---- configuration -------------------------------------------------------------------------------*/

static int make_zstd(const struct hg_codec *c, struct hg_step *s)
{
    static const char *const members[] = { "level", "checksum" };
    int rc = hg_conf_check(c, members, COUNT(members));

    s->level = 0;
    if (rc == HOLOG_OK)
        rc = hg_conf_int(c, "level", ZSTD_LEVEL_LEAST, ZSTD_LEVEL_MOST, &s->level);
    return rc < 0 ? rc : hg_conf_bool(c, "checksum", &s->checksum);
}

static int make_gzip(const struct hg_codec *c, struct hg_step *s)
{
    static const char *const members[] = { "level" };
    int rc = hg_conf_check(c, members, COUNT(members));

    s->level = 5;
    if (rc == HOLOG_OK)
        rc = hg_conf_int(c, "level", 0, 9, &s->level);
    return rc < 0 ? rc : hg_gzip_check();
}

/* How chunks are to be compressed is for writers; readers look at the chunk. */
static int make_blosc(const struct hg_codec *c)
{
    static const char *const members[] = { "cname", "clevel", "shuffle", "typesize", "blocksize" };
    static const char *const names[] = { "lz4", "lz4hc", "zstd", "blosclz", "snappy", "zlib" };
    const unsigned readable = 3;
    unsigned name = COUNT(names);
    int rc = hg_conf_check(c, members, COUNT(members));

    if (rc == HOLOG_OK)
        rc = hg_conf_word(c, "cname", names, COUNT(names), &name);
    if (rc < 0)
        return rc;
    if (name == COUNT(names))
        return hg_conf_bad(c, "cname", "is missing");
    if (name >= readable)
        return hg_error(HOLOG_E_NOTSUP, "the codec blosc with %s; lz4 and zstd are known",
                        names[name]);
    return HOLOG_OK;
}

static int make_lz4(const struct hg_codec *c, struct hg_step *s)
{
    static const char *const members[] = { "acceleration" };
    int rc = hg_conf_check(c, members, COUNT(members));

    s->level = 1;
    return rc < 0 ? rc : hg_conf_int(c, "acceleration", INT_MIN, INT_MAX, &s->level);
}

static int make_shuffle(const struct hg_codec *c, struct hg_step *s)
{
    static const char *const members[] = { "elementsize" };
    int rc = hg_conf_check(c, members, COUNT(members));

    s->level = 4;
    return rc < 0 ? rc : hg_conf_int(c, "elementsize", 0, INT_MAX, &s->level);
}

int hg_step_make(const struct hg_codec *codec, struct hg_step *out)
{
    struct hg_step s = { .id = codec->id };
    int rc;

    switch (codec->id) {
    case HG_CODEC_ZSTD: rc = make_zstd(codec, &s); break;
    case HG_CODEC_GZIP: rc = make_gzip(codec, &s); break;
    case HG_CODEC_BLOSC: rc = make_blosc(codec); break;
    case HG_CODEC_CRC32C: rc = hg_conf_check(codec, NULL, 0); break;
    case HG_CODEC_LZ4: rc = make_lz4(codec, &s); break;
    case HG_CODEC_SHUFFLE: rc = make_shuffle(codec, &s); break;
    case HG_CODEC_UNKNOWN:
    case HG_CODEC_TRANSPOSE:
    case HG_CODEC_BYTES:
    case HG_CODEC_SHARDING:
    default: rc = hg_error(HOLOG_E_NOTSUP, "the codec \"%.40s\" is not known", codec->name); break;
    }
    if (rc == HOLOG_OK)
        *out = s;
    return rc;
}

/* ---- sizes ---------------------------------------------------------------------------------------*/

int hg_step_is_exact(const struct hg_step *s)
{
    return s->id == HG_CODEC_CRC32C || s->id == HG_CODEC_SHUFFLE;
}

uint64_t hg_step_bound(const struct hg_step *s, uint64_t len)
{
    if (s->id == HG_CODEC_SHUFFLE)
        return len;
    if (s->id == HG_CODEC_CRC32C)
        return len + HG_CRC32C_SIZE;
    if (s->id == HG_CODEC_BLOSC)
        return len + HG_BLOSC_OVERHEAD;
    /* lz4 needs 1/255 more, zstd 1/256, gzip 1/1000; frames and flushes between need theirs. */
    return len + len / 16 + 4096;
}

size_t hg_step_room(const struct hg_step *s, const void *in, size_t len, size_t cap)
{
    uint64_t stated = cap;

    if (s->id == HG_CODEC_ZSTD)
        stated = hg_zstd_stated(in, len);
    else if (s->id == HG_CODEC_LZ4)
        stated = hg_lz4_stated(in, len);
    else if (s->id == HG_CODEC_BLOSC)
        stated = hg_blosc_stated(in, len);
    else if (hg_step_is_exact(s))
        stated = len;
    return (size_t)HG_MIN(stated, (uint64_t)cap);
}

void hg_scratch_release(struct hg_scratch *s)
{
    hg_zstd_decoder_destroy(s->decoder);
    hg_zstd_encoder_destroy(s->encoder);
    *s = (struct hg_scratch){ 0 };
}

/* ---- running -------------------------------------------------------------------------------------*/

static int is_whole(const struct hg_step *s, size_t len)
{
    return s->level <= 1 || len % (size_t)s->level == 0;
}

static int encode_shuffle(const struct hg_step *s, const void *in, size_t len, struct hg_buf *out)
{
    int rc;

    if (!is_whole(s, len))
        return hg_error(HOLOG_E_INVAL, "numcodecs.shuffle: %zu bytes are no elements of %d", len,
                        s->level);
    rc = hg_buf_reserve(out, len);
    if (rc < 0 || len == 0)
        return rc;
    hg_shuffle(in, len, (size_t)s->level, out->data + out->len);
    out->len += len;
    return HOLOG_OK;
}

static int encode_crc32c(const void *in, size_t len, struct hg_buf *out)
{
    size_t from = out->len;
    int rc = hg_buf_append(out, in, len);

    if (rc == HOLOG_OK)
        rc = hg_crc32c_append(out, from);
    if (rc < 0)
        out->len = from;
    return rc;
}

static int encode_zstd(const struct hg_step *s, struct hg_scratch *scratch, const void *in,
                       size_t len, struct hg_buf *out)
{
    int rc = scratch->encoder != NULL ? HOLOG_OK : hg_zstd_encoder_create(&scratch->encoder);

    return rc < 0 ? rc : hg_zstd_encoder_run(scratch->encoder, in, len, s->level, s->checksum, out);
}

int hg_step_encode(const struct hg_step *s, struct hg_scratch *scratch, const void *in, size_t len,
                   struct hg_buf *out)
{
    switch (s->id) {
    case HG_CODEC_ZSTD: return encode_zstd(s, scratch, in, len, out);
    case HG_CODEC_GZIP: return hg_gzip_compress(in, len, s->level, out);
    case HG_CODEC_BLOSC: return hg_error(HOLOG_E_NOTSUP, "holog reads blosc and does not write it");
    case HG_CODEC_CRC32C: return encode_crc32c(in, len, out);
    case HG_CODEC_LZ4: return hg_lz4_compress(in, len, s->level, out);
    case HG_CODEC_SHUFFLE: return encode_shuffle(s, in, len, out);
    case HG_CODEC_UNKNOWN:
    case HG_CODEC_TRANSPOSE:
    case HG_CODEC_BYTES:
    case HG_CODEC_SHARDING:
    default: hg_assert_failed("a step that was made", __FILE__, __LINE__);
    }
}

static int decode_shuffle(const struct hg_step *s, const void *in, size_t len, void *out,
                          size_t cap, size_t *out_len)
{
    if (len > cap || !is_whole(s, len))
        return hg_error(HOLOG_E_CORRUPT,
                        "numcodecs.shuffle: %zu bytes are no elements of %d, or too many", len,
                        s->level);
    if (len > 0)
        hg_unshuffle(in, len, (size_t)s->level, out);
    *out_len = len;
    return HOLOG_OK;
}

static int decode_crc32c(const void *in, size_t len, void *out, size_t cap, size_t *out_len)
{
    size_t n = 0;
    int rc = hg_crc32c_verify(in, len, &n);

    if (rc < 0)
        return rc;
    if (n > cap)
        return hg_error(HOLOG_E_CORRUPT, "crc32c: %zu bytes, over the %zu expected", n, cap);
    if (n > 0)
        memcpy(out, in, n);
    *out_len = n;
    return HOLOG_OK;
}

static int decode_zstd(struct hg_scratch *scratch, const void *in, size_t len, void *out,
                       size_t cap, size_t *out_len)
{
    int rc = scratch->decoder != NULL ? HOLOG_OK : hg_zstd_decoder_create(&scratch->decoder);

    return rc < 0 ? rc : hg_zstd_decoder_run(scratch->decoder, in, len, out, cap, out_len);
}

int hg_step_decode(const struct hg_step *s, struct hg_scratch *scratch, const void *in, size_t len,
                   void *out, size_t cap, size_t *out_len)
{
    switch (s->id) {
    case HG_CODEC_ZSTD: return decode_zstd(scratch, in, len, out, cap, out_len);
    case HG_CODEC_GZIP: return hg_gzip_decompress(in, len, out, cap, out_len);
    case HG_CODEC_BLOSC: return hg_blosc_decompress(in, len, out, cap, out_len);
    case HG_CODEC_CRC32C: return decode_crc32c(in, len, out, cap, out_len);
    case HG_CODEC_LZ4: return hg_lz4_decompress(in, len, out, cap, out_len);
    case HG_CODEC_SHUFFLE: return decode_shuffle(s, in, len, out, cap, out_len);
    case HG_CODEC_UNKNOWN:
    case HG_CODEC_TRANSPOSE:
    case HG_CODEC_BYTES:
    case HG_CODEC_SHARDING:
    default: hg_assert_failed("a step that was made", __FILE__, __LINE__);
    }
}
