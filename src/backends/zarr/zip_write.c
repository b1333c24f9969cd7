/*
 * Zip files, written; see zip.h.
 */
#include <string.h>

#include "backends/zarr/zip.h"
#include "base/byteorder.h"
#include "base/error.h"

#define LOCAL        0x04034b50u /* 'P', 'K', 3, 4 */
#define CENTRAL      0x02014b50u
#define END64        0x06064b50u
#define LOCATOR      0x07064b50u
#define END          0x06054b50u
#define LOCAL_SIZE   (30 + 20) /* with the extra field */
#define CENTRAL_SIZE (46 + 28)
#define END_SIZE     (56 + 20 + 22)
#define VERSION      45 /* 4.5: zip64 */
#define UNIX         (3 << 8)
#define FLAG_UTF8    0x0800
#define MODE         (0100644u << 16)      /* a regular file */
#define TIME         (1u << 16 | 1u << 21) /* January 1, 1980: what is the same has the same bytes */
#define IN_EXTRA     UINT32_MAX

void hg_zip_begin(struct hg_zip_writer *w, hg_zip_put put, void *ctx)
{
    memset(w, 0, sizeof *w);
    w->put = put;
    w->ctx = ctx;
    hg_crc32_prepare(&w->crc);
}

void hg_zip_release(struct hg_zip_writer *w)
{
    hg_buf_release(&w->dir);
}

static int put(struct hg_zip_writer *w, const void *data, size_t len)
{
    int rc = w->put(w->ctx, data, len);

    w->at += len;
    return rc;
}

/* What both headers have, from "version needed" on: 26 bytes. */
static void encode_common(uint8_t *out, const char *name, uint32_t crc, size_t extra)
{
    uint16_t flags = 0;

    for (const char *c = name; *c != 0; c++)
        flags |= (uint8_t)*c >= 0x80 ? FLAG_UTF8 : 0;
    hg_put_le16(out, VERSION);
    hg_put_le16(out + 2, flags);
    hg_put_le16(out + 4, 0); /* stored */
    hg_put_le32(out + 6, TIME);
    hg_put_le32(out + 10, crc);
    hg_put_le32(out + 14, IN_EXTRA);
    hg_put_le32(out + 18, IN_EXTRA);
    hg_put_le16(out + 22, (uint16_t)strlen(name));
    hg_put_le16(out + 24, (uint16_t)extra);
}

static void encode_extra(uint8_t *out, size_t size, uint64_t len)
{
    hg_put_le16(out, 1);
    hg_put_le16(out + 2, (uint16_t)(size - 4));
    hg_put_le64(out + 4, len);
    hg_put_le64(out + 12, len);
}

static int put_local(struct hg_zip_writer *w, const char *name, uint32_t crc, size_t len)
{
    uint8_t h[LOCAL_SIZE];
    int rc;

    hg_put_le32(h, LOCAL);
    encode_common(h + 4, name, crc, 20);
    encode_extra(h + 30, 20, len);
    rc = put(w, h, 30);
    if (rc == HOLOG_OK)
        rc = put(w, name, strlen(name));
    return rc < 0 ? rc : put(w, h + 30, 20);
}

static int add_central(struct hg_zip_writer *w, const char *name, uint32_t crc, size_t len,
                       uint64_t offset)
{
    uint8_t h[CENTRAL_SIZE] = { 0 };
    int rc;

    hg_put_le32(h, CENTRAL);
    hg_put_le16(h + 4, UNIX | VERSION);
    encode_common(h + 6, name, crc, 28);
    hg_put_le32(h + 38, MODE);
    hg_put_le32(h + 42, IN_EXTRA);
    encode_extra(h + 46, 28, len);
    hg_put_le64(h + 46 + 20, offset);
    rc = hg_buf_append(&w->dir, h, 46);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&w->dir, name, strlen(name));
    return rc < 0 ? rc : hg_buf_append(&w->dir, h + 46, 28);
}

int hg_zip_add(struct hg_zip_writer *w, const char *name, const void *data, size_t len)
{
    uint32_t crc = hg_crc32(&w->crc, data, len);
    int rc;

    HG_ASSERT(strlen(name) <= UINT16_MAX);
    rc = add_central(w, name, crc, len, w->at);
    if (rc == HOLOG_OK)
        rc = put_local(w, name, crc, len);
    w->entries++;
    return rc < 0 ? rc : put(w, data, len);
}

static uint32_t in_32_bits(uint64_t v)
{
    return v < IN_EXTRA ? (uint32_t)v : IN_EXTRA;
}

int hg_zip_end(struct hg_zip_writer *w, const char *comment)
{
    uint8_t e[END_SIZE] = { 0 };
    uint8_t *locator = e + 56;
    uint8_t *end = locator + 20;
    uint64_t dir_at = w->at;
    uint16_t few = w->entries < UINT16_MAX ? (uint16_t)w->entries : UINT16_MAX;
    int rc = put(w, w->dir.data, w->dir.len);

    hg_put_le32(e, END64);
    hg_put_le64(e + 4, 56 - 12);
    hg_put_le16(e + 12, UNIX | VERSION);
    hg_put_le16(e + 14, VERSION);
    hg_put_le64(e + 24, w->entries);
    hg_put_le64(e + 32, w->entries);
    hg_put_le64(e + 40, w->dir.len);
    hg_put_le64(e + 48, dir_at);
    hg_put_le32(locator, LOCATOR);
    hg_put_le64(locator + 8, w->at);
    hg_put_le32(locator + 16, 1);
    hg_put_le32(end, END);
    hg_put_le16(end + 8, few);
    hg_put_le16(end + 10, few);
    hg_put_le32(end + 12, in_32_bits(w->dir.len));
    hg_put_le32(end + 16, in_32_bits(dir_at));
    hg_put_le16(end + 20, (uint16_t)strlen(comment));
    if (rc == HOLOG_OK)
        rc = put(w, e, sizeof e);
    return rc < 0 ? rc : put(w, comment, strlen(comment));
}
