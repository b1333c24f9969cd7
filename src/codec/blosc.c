/*
 * Blosc chunks, read; see blosc.h.
 */
#include "codec/blosc.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "codec/lz4.h"
#include "codec/shuffle.h"
#include "codec/zstd.h"

#define HEAD             16
#define SHUFFLED         0x01
#define STORED           0x02
#define BITS_SHUFFLED    0x04
#define NOT_SPLIT        0x10
#define SPLIT_MAX        16  /* bytes of an element */
#define SPLIT_ELEMENTS   128 /* in a block, at least */
#define KNOWN_FORMAT     2
#define KNOWN_CODEC_FORM 1

enum {
    BLOSCLZ,
    LZ4,
    SNAPPY,
    ZLIB,
    ZSTD,
    CODECS
};

struct blosc {
    const uint8_t *in;
    size_t len;
    uint8_t flags;
    size_t size; /* of an element */
    size_t nbytes;
    size_t blocksize;
    size_t nblocks;
    struct hg_zstd_decoder *zstd; /* NULL: it is not needed */
    uint8_t *block;               /* before it is unshuffled; NULL: that is not needed */
};

static unsigned codec_of(const struct blosc *b)
{
    return b->flags >> 5;
}

static int damaged(const char *what, uint64_t n)
{
    return hg_error(HOLOG_E_CORRUPT, "blosc: %s %llu", what, (unsigned long long)n);
}

/* ---- head ----------------------------------------------------------------------------------------*/

size_t hg_blosc_stated(const void *in, size_t len)
{
    return len < HEAD ? 0 : hg_get_le32((const uint8_t *)in + 4);
}

static int check_codec(const struct blosc *b)
{
    static const char *const names[CODECS] = { "blosclz", "lz4", "snappy", "zlib", "zstd" };
    unsigned codec = codec_of(b);

    if (codec >= CODECS)
        return damaged("there is no codec", codec);
    if (codec != LZ4 && codec != ZSTD)
        return hg_error(HOLOG_E_NOTSUP, "blosc: a chunk compressed with %s; lz4 and zstd are known",
                        names[codec]);
    if (b->in[1] != KNOWN_CODEC_FORM)
        return damaged("the codec's format is", b->in[1]);
    return HOLOG_OK;
}

static int read_head(struct blosc *b, const uint8_t *in, size_t len, size_t cap)
{
    *b = (struct blosc){ .in = in, .len = len };
    if (len < HEAD)
        return damaged("too short for a header:", len);
    if (in[0] != KNOWN_FORMAT)
        return damaged("the format is", in[0]);
    b->flags = in[2];
    b->size = in[3];
    b->nbytes = hg_get_le32(in + 4);
    b->blocksize = hg_get_le32(in + 8);
    if (hg_get_le32(in + 12) != len)
        return damaged("the stated length of the chunk is wrong:", hg_get_le32(in + 12));
    if (b->nbytes > cap)
        return damaged("more comes out than is expected:", b->nbytes);
    if (b->size == 0)
        return damaged("elements of size", 0);
    return HOLOG_OK;
}

/* The table of blocks is there, and a block is no larger than all. */
static int read_blocks(struct blosc *b)
{
    if (b->blocksize == 0 || b->blocksize > b->nbytes)
        return damaged("blocks of size", b->blocksize);
    b->nblocks = (b->nbytes - 1) / b->blocksize + 1;
    if (b->nblocks > (b->len - HEAD) / 4)
        return damaged("there is no room for a table of blocks:", b->nblocks);
    return HOLOG_OK;
}

/* ---- blocks --------------------------------------------------------------------------------------*/

static int decode_part(const struct blosc *b, const uint8_t *in, size_t len, uint8_t *out,
                       size_t raw_bytes)
{
    size_t n = 0;
    int rc;

    if (len == raw_bytes) {
        memcpy(out, in, len);
        return HOLOG_OK;
    }
    if (codec_of(b) == LZ4)
        return hg_lz4_block_decompress(in, len, out, raw_bytes);
    rc = hg_zstd_decoder_run(b->zstd, in, len, out, raw_bytes, &n);
    return rc < 0 || n == raw_bytes ? rc : HOLOG_E_CORRUPT;
}

static int decode_parts(const struct blosc *b, size_t at, uint8_t *out, size_t raw_bytes)
{
    int may_split = !(b->flags & NOT_SPLIT) && raw_bytes == b->blocksize && b->size <= SPLIT_MAX &&
                    b->blocksize / b->size >= SPLIT_ELEMENTS;
    size_t parts = may_split ? b->size : 1;
    size_t part = raw_bytes / parts;
    int rc = HOLOG_OK;

    if (raw_bytes % parts != 0)
        return damaged("blocks that cannot be split, of size", raw_bytes);
    for (size_t i = 0; rc == HOLOG_OK && i < parts; i++) {
        size_t len;
        if (at > b->len || b->len - at < 4)
            return damaged("a block reaches over the end, from byte", at);
        len = hg_get_le32(b->in + at);
        at += 4;
        if (len > b->len - at)
            return damaged("a block reaches over the end, from byte", at);
        rc = decode_part(b, b->in + at, len, out + i * part, part);
        if (rc == HOLOG_E_CORRUPT)
            return damaged("a stream is damaged, at byte", at);
        at += len;
    }
    return rc;
}

static int decode_block(const struct blosc *b, size_t i, uint8_t *out)
{
    size_t begin = i * b->blocksize;
    size_t bytes = HG_MIN(b->blocksize, b->nbytes - begin);
    uint8_t *to = b->block != NULL ? b->block : out + begin;
    int rc = decode_parts(b, hg_get_le32(b->in + HEAD + 4 * i), to, bytes);

    if (rc < 0 || b->block == NULL)
        return rc;
    if (b->flags & SHUFFLED)
        hg_unshuffle(to, bytes, b->size, out + begin);
    else
        hg_bitunshuffle(to, bytes, b->size, out + begin);
    return HOLOG_OK;
}

static int decode_blocks(struct blosc *b, uint8_t *out)
{
    int shuffled = (b->flags & SHUFFLED) ? b->size > 1 : b->flags & BITS_SHUFFLED;
    int rc = HOLOG_OK;

    if (shuffled) {
        b->block = hg_malloc(b->blocksize);
        if (b->block == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a block of %zu bytes", b->blocksize);
    }
    if (codec_of(b) == ZSTD)
        rc = hg_zstd_decoder_create(&b->zstd);
    for (size_t i = 0; rc == HOLOG_OK && i < b->nblocks; i++)
        rc = decode_block(b, i, out);
    hg_zstd_decoder_destroy(b->zstd);
    hg_free(b->block);
    return rc;
}

int hg_blosc_decompress(const void *in, size_t len, void *out, size_t cap, size_t *out_len)
{
    struct blosc b;
    int rc = read_head(&b, in, len, cap);

    if (rc < 0)
        return rc;
    if (b.flags & STORED) {
        if (len - HEAD != b.nbytes)
            return damaged("stored bytes that are not as many as is stated:", b.nbytes);
        if (b.nbytes > 0)
            memcpy(out, b.in + HEAD, b.nbytes);
    } else if (b.nbytes > 0) {
        rc = check_codec(&b);
        if (rc == HOLOG_OK)
            rc = read_blocks(&b);
        if (rc == HOLOG_OK)
            rc = decode_blocks(&b, out);
    }
    if (rc == HOLOG_OK)
        *out_len = b.nbytes;
    return rc;
}
