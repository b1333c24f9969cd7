/*
 * gzip with zlib, for codec/gzip.h. Members one behind the
 * other, to the last byte: what follows them is damage.
 */
#include <limits.h>

#include <zlib.h>

#include "holog/error.h"
#include "plugins/plugin.h"

#define GZIP_WINDOW (15 + 16) /* 32 KiB, and gzip's own frame */
#define MEMORY      8         /* zlib's default */
#define FRAME       18        /* bytes before and behind what deflate makes */

HOLOG_API const struct hg_plugin_gzip *holog_plugin_gzip(void);

static uInt piece(size_t left)
{
    return left < UINT_MAX ? (uInt)left : UINT_MAX;
}

/* One call of inflate: as much of both sides as its counters can hold. Z_OK: on with it. */
static int inflate_some(z_stream *z, const uint8_t *in, size_t len, size_t *io_in, uint8_t *out,
                        size_t cap, size_t *io_out)
{
    uInt avail_in = piece(len - *io_in);
    uInt avail_out = piece(cap - *io_out);
    int rc;

    z->next_in = (Bytef *)(uintptr_t)(in + *io_in); /* zlib only reads it */
    z->avail_in = avail_in;
    z->next_out = out + *io_out;
    z->avail_out = avail_out;
    rc = inflate(z, Z_NO_FLUSH);
    *io_in += avail_in - z->avail_in;
    *io_out += avail_out - z->avail_out;
    return rc;
}

static int gzip_decode(const void *in, size_t len, void *out, size_t cap, size_t *out_len)
{
    z_stream z = { 0 };
    size_t at = 0;
    size_t n = 0;
    int rc;

    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return HOLOG_E_NOMEM;
    do {
        rc = inflate_some(&z, in, len, &at, out, cap, &n);
        if (rc == Z_STREAM_END && at < len) /* another member */
            rc = inflateReset(&z);
    } while (rc == Z_OK);
    (void)inflateEnd(&z); /* fails only on what is no stream */
    if (rc == Z_MEM_ERROR)
        return HOLOG_E_NOMEM;
    if (rc != Z_STREAM_END)
        return HOLOG_E_CORRUPT; /* Z_BUF_ERROR: it is cut short, or there is no room */
    *out_len = n;
    return HOLOG_OK;
}

static size_t gzip_bound(size_t len)
{
    return deflateBound(NULL, len) + FRAME;
}

static int gzip_encode(const void *in, size_t len, int level, void *out, size_t cap,
                       size_t *out_len)
{
    z_stream z = { 0 };
    int rc;

    if (len > UINT_MAX || cap > UINT_MAX)
        return HOLOG_E_TOOBIG;
    if (deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return HOLOG_E_NOMEM;
    z.next_in = (Bytef *)(uintptr_t)in; /* zlib only reads it */
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    rc = deflate(&z, Z_FINISH);
    *out_len = z.total_out;
    (void)deflateEnd(&z); /* fails when it has not come to its end: rc says so */
    return rc == Z_STREAM_END ? HOLOG_OK : HOLOG_E_NOMEM;
}

const struct hg_plugin_gzip *holog_plugin_gzip(void)
{
    static const struct hg_plugin_gzip table = { .version = HG_PLUGIN_VERSION,
                                                 .struct_size = sizeof table,
                                                 .decode = gzip_decode,
                                                 .bound = gzip_bound,
                                                 .encode = gzip_encode };
    return &table;
}
