/*
 * The frame header, and what opens a body: time and fields.
 *
 *  offset size field                             offset size field
 *       0    4 magic 'HGF1'                           32    4 length of the frame before
 *       4    1 type                                   36    4 its header hash, low half
 *       5    3 zero                                   40    8 epoch xor offset
 *       8    4 length, header and body                48    8 XXH3-64 of the body
 *      12    4 records                                56    8 XXH3-64 of bytes 0..55, seeded by
 *      16    8 number                                         salt, epoch, segment and offset
 *      24    8 floor
 *
 * A frame counts only where it was written: the seed of the header hash is its place.
 */
#include "wal/frame.h"

#include <assert.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/record.h"

#define FRAME_HASHED 56u
#define RECORD_MIN   3u /* type, length, back */

static_assert(FRAME_HASHED + 8 == HG_FRAME_HEADER_SIZE, "the hash ends the header: format v1");

static uint64_t place_seed(const struct hg_frame_place *at)
{
    return at->salt ^ at->epoch ^ (at->segment * UINT64_C(0x9E3779B97F4A7C15)) ^
           (at->offset * UINT64_C(0xC2B2AE3D27D4EB4F));
}

uint32_t hg_frame_len_max(uint64_t capacity)
{
    uint64_t quarter = HG_MAX(capacity / 4, (uint64_t)HG_BLOCK);
    return (uint32_t)HG_MIN(quarter, (uint64_t)HG_FRAME_MAX);
}

/* What encode asserts and decode checks. */
static int frame_sane(const struct hg_frame *f, const struct hg_frame_place *at)
{
    if (f->type != HG_FRAME_COMMIT && f->type != HG_FRAME_SYSTEM)
        return 0;
    if (f->len < HG_FRAME_MIN || f->len > HG_FRAME_MAX)
        return 0;
    if (f->nrec > (f->len - HG_FRAME_MIN) / RECORD_MIN)
        return 0;
    if (f->number > HG_NUMBER_MAX || (f->number == 0 && f->type == HG_FRAME_COMMIT))
        return 0;
    if (f->floor != 0 && (hg_pos_segment(f->floor) == 0 || hg_pos_offset(f->floor) < HG_BLOCK ||
                          f->floor > hg_pos_make(at->segment, at->offset)))
        return 0;
    if (f->prev_len == 0)
        return f->prev_hash == 0;
    return f->prev_len >= HG_FRAME_MIN && f->prev_len <= HG_FRAME_MAX;
}

void hg_frame_encode(struct hg_frame *f, const struct hg_frame_place *at,
                     uint8_t out[HG_FRAME_HEADER_SIZE])
{
    HG_ASSERT(frame_sane(f, at));
    hg_put_le32(out + 0, HG_FRAME_MAGIC);
    out[4] = f->type;
    memset(out + 5, 0, 3);
    hg_put_le32(out + 8, f->len);
    hg_put_le32(out + 12, f->nrec);
    hg_put_le64(out + 16, f->number);
    hg_put_le64(out + 24, f->floor);
    hg_put_le32(out + 32, f->prev_len);
    hg_put_le32(out + 36, f->prev_hash);
    hg_put_le64(out + 40, at->epoch ^ at->offset);
    hg_put_le64(out + 48, f->body_hash);
    f->head_hash = hg_hash64_seeded(out, FRAME_HASHED, place_seed(at));
    hg_put_le64(out + 56, f->head_hash);
}

void hg_frame_draft(const struct hg_frame *f, const struct hg_frame_place *at,
                    uint8_t out[HG_FRAME_HEADER_SIZE])
{
    memset(out, 0, HG_FRAME_HEADER_SIZE);
    hg_put_le32(out + 0, HG_FRAME_DRAFT);
    out[4] = f->type;
    hg_put_le32(out + 8, f->len);
    hg_put_le32(out + 12, f->nrec);
    hg_put_le64(out + 16, f->number);
    hg_put_le64(out + 40, at->epoch ^ at->offset);
    hg_put_le64(out + 56, hg_hash64_seeded(out, FRAME_HASHED, place_seed(at)));
}

int hg_frame_is_draft(const uint8_t in[HG_FRAME_HEADER_SIZE], const struct hg_frame_place *at,
                      uint64_t *out_number)
{
    if (hg_get_le32(in) != HG_FRAME_DRAFT || hg_get_le64(in + 40) != (at->epoch ^ at->offset) ||
        hg_get_le64(in + 56) != hg_hash64_seeded(in, FRAME_HASHED, place_seed(at)))
        return 0;
    *out_number = hg_get_le64(in + 16);
    return 1;
}

enum hg_frame_verdict hg_frame_decode(const uint8_t in[HG_FRAME_HEADER_SIZE],
                                      const struct hg_frame_place *at, uint64_t capacity,
                                      struct hg_frame *out)
{
    /* Scans ask this at every multiple of 8 of what may be a torn tail: cheap questions first. */
    uint64_t here = at->epoch ^ at->offset;
    uint64_t meant = hg_get_le64(in + 40);
    enum hg_frame_verdict not_ok = meant == here ? HG_FRAME_DAMAGED : HG_FRAME_BAD;
    uint64_t hash = hg_get_le64(in + 56);

    if (hg_get_le32(in) != HG_FRAME_MAGIC)
        return hg_layout_zero(in, HG_FRAME_HEADER_SIZE) ? HG_FRAME_ZERO : not_ok;
    if (!hg_hash_matches(meant, here) ||
        !hg_hash_matches(hash, hg_hash64_seeded(in, FRAME_HASHED, place_seed(at))))
        return not_ok;
    struct hg_frame f = {
        .type = in[4],
        .len = hg_get_le32(in + 8),
        .nrec = hg_get_le32(in + 12),
        .number = hg_get_le64(in + 16),
        .floor = hg_get_le64(in + 24),
        .prev_len = hg_get_le32(in + 32),
        .prev_hash = hg_get_le32(in + 36),
        .body_hash = hg_get_le64(in + 48),
        .head_hash = hash,
    };
    if (in[5] != 0 || in[6] != 0 || in[7] != 0 || !frame_sane(&f, at) ||
        f.len > hg_frame_len_max(capacity))
        return not_ok;
    *out = f;
    return HG_FRAME_OK;
}

/* ---- body ----------------------------------------------------------------------------------- */

int hg_body_begin(struct hg_buf *body, uint64_t time_ns, const uint8_t *fields, size_t fields_len)
{
    HG_ASSERT(body->len == 0);
    int rc = hg_buf_reserve(body, 8 + HG_VARINT_MAX + fields_len);
    if (rc < 0)
        return rc;
    hg_put_le64(body->data, time_ns);
    size_t at = 8 + hg_put_varint(body->data + 8, fields_len);
    if (fields_len != 0)
        memcpy(body->data + at, fields, fields_len);
    body->len = at + fields_len;
    return HOLOG_OK;
}

int hg_field_append(struct hg_buf *fields, enum hg_field_type type, const void *data, size_t len)
{
    HG_ASSERT(type == HG_FIELD_MESSAGE || type == HG_FIELD_META);
    if (type == HG_FIELD_MESSAGE && !hg_rec_utf8_valid(data, len))
        return hg_error(HOLOG_E_INVAL, "the commit message is not UTF-8");
    size_t start = fields->len;
    int rc = hg_buf_append_byte(fields, (uint8_t)type);
    if (rc == HOLOG_OK)
        rc = hg_buf_append_varint(fields, len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(fields, data, len);
    if (rc < 0)
        fields->len = start;
    return rc;
}

int hg_field_append_meta(struct hg_buf *fields, const char *key, size_t key_len, const char *value,
                         size_t value_len)
{
    size_t start = fields->len;
    int rc = hg_buf_append_byte(fields, HG_FIELD_META);
    if (rc == HOLOG_OK)
        rc = hg_buf_append_varint(fields, hg_varint_size(key_len) + key_len + value_len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append_varint(fields, key_len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(fields, key, key_len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(fields, value, value_len);
    if (rc < 0)
        fields->len = start;
    return rc;
}

int hg_field_next(const uint8_t *fields, size_t fields_len, size_t *at, struct hg_field *out)
{
    HG_ASSERT(*at <= fields_len);
    size_t left = fields_len - *at;
    struct hg_field f = { 0 };
    uint64_t len = 0;
    uint64_t key_len = 0;

    if (left == 0)
        return HOLOG_E_NOENT;
    const uint8_t *p = fields + *at;
    f.type = p[0];
    size_t n = hg_get_varint(p + 1, left - 1, &len);
    if (n == 0 || len > left - 1 - n)
        return hg_error(HOLOG_E_CORRUPT, "a field of the frame body is longer than the fields");
    f.data = p + 1 + n;
    f.len = (size_t)len;
    if (f.type == HG_FIELD_MESSAGE) {
        if (!hg_rec_utf8_valid(f.data, f.len))
            return hg_error(HOLOG_E_CORRUPT, "the commit message is not UTF-8");
    } else if (f.type == HG_FIELD_META) {
        size_t k = hg_get_varint(f.data, f.len, &key_len);
        if (k == 0 || key_len > f.len - k)
            return hg_error(HOLOG_E_CORRUPT, "a metadata key is longer than its field");
        f.key = (const char *)f.data + k;
        f.key_len = (size_t)key_len;
        f.value = f.key + f.key_len;
        f.value_len = f.len - k - f.key_len;
    } else if (f.type < 128) {
        return hg_error(
            f.type == 0 ? HOLOG_E_CORRUPT : HOLOG_E_VERSION,
            "the frame body has a field of type %u, which this holog does not know" HG_USE_NEWER,
            (unsigned)f.type);
    }
    *at += 1 + n + f.len;
    *out = f;
    return HOLOG_OK;
}

int hg_body_decode(const uint8_t *body, size_t len, struct hg_body *out)
{
    uint64_t fields_len = 0;
    struct hg_field field;
    size_t at = 0;

    if (len < HG_BODY_MIN)
        return hg_error(HOLOG_E_CORRUPT, "a frame body of %zu bytes is too short", len);
    size_t n = hg_get_varint(body + 8, len - 8, &fields_len);
    if (n == 0 || fields_len > len - 8 - n)
        return hg_error(HOLOG_E_CORRUPT, "the fields of the frame body are longer than the body");
    struct hg_body b = {
        .time_ns = hg_get_le64(body),
        .fields = body + 8 + n,
        .fields_len = (size_t)fields_len,
        .records_at = 8 + n + (size_t)fields_len,
    };
    int rc;
    while ((rc = hg_field_next(b.fields, b.fields_len, &at, &field)) == HOLOG_OK)
        continue;
    if (rc != HOLOG_E_NOENT)
        return rc;
    *out = b;
    return HOLOG_OK;
}
