/*
 * What stands in a commit's frame beside its records: time, message, metadata.
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/store_internal.h"
#include "wal/frame.h"

void hg_fields_release(struct hg_fields *f)
{
    hg_buf_release(&f->text);
    hg_buf_release(&f->meta);
    hg_buf_release(&f->frame);
}

static int append_text(struct hg_buf *text, const void *data, size_t len, const char **out)
{
    int rc;

    *out = (const char *)text->data + text->len; /* there is room for all: it does not move */
    rc = hg_buf_append(text, data, len);
    return rc < 0 ? rc : hg_buf_append_byte(text, 0);
}

static int take_one(struct hg_fields *f, const struct hg_field *field)
{
    const char *pair[2] = { NULL, NULL };
    int rc;

    if (field->type == HG_FIELD_MESSAGE)
        return append_text(&f->text, field->data, field->len, &f->message);
    if (field->type != HG_FIELD_META)
        return HOLOG_OK;
    rc = append_text(&f->text, field->key, field->key_len, &pair[0]);
    if (rc == HOLOG_OK)
        rc = append_text(&f->text, field->value, field->value_len, &pair[1]);
    return rc < 0 ? rc : hg_buf_append(&f->meta, pair, sizeof pair);
}

int hg_fields_take(struct hg_fields *f, const struct hg_body *b)
{
    struct hg_field field;
    size_t at = 0;
    const char *none = NULL;
    int rc;

    f->text.len = f->meta.len = 0;
    f->message = "";
    f->time_ns = b->time_ns;
    rc = hg_buf_reserve(&f->text, b->fields_len + 2 * HOLOG_PATH_MAX); /* a NUL for each byte */
    while (rc == HOLOG_OK &&
           (rc = hg_field_next(b->fields, b->fields_len, &at, &field)) == HOLOG_OK)
        rc = take_one(f, &field);
    return rc == HOLOG_E_NOENT ? hg_buf_append(&f->meta, &none, sizeof none) : rc;
}

static int read_at(holog_store *s, hg_pos pos, struct hg_buf *out, size_t len)
{
    size_t n = 0;
    int rc;

    out->len = 0;
    rc = hg_buf_reserve(out, len);
    if (rc == HOLOG_OK)
        rc = hg_cache_read(s->cache, hg_pos_segment(pos), hg_pos_offset(pos), out->data, len, &n);
    if (rc == HOLOG_OK && n < len)
        rc = hg_corrupt(hg_pos_segment(pos), hg_pos_offset(pos), "the frame here is cut short");
    if (rc == HOLOG_OK)
        out->len = len;
    return rc;
}

/* What this process has appended lies in the cache without headers, which groups get when they are
 * written: the bytes are our own. Into f->frame: the fields, behind the place of the header. */
static int read_own(holog_store *s, hg_pos pos, struct hg_fields *f, size_t *out_len)
{
    uint64_t fields_len = 0;
    size_t n;
    int rc = read_at(s, pos, &f->frame, HG_FRAME_HEADER_SIZE + 9);

    if (rc < 0)
        return rc;
    n = 1;
    while (n < HG_VARINT_MAX && (f->frame.data[HG_FRAME_HEADER_SIZE + 7 + n] & 0x80) != 0) {
        rc = read_at(s, pos, &f->frame, HG_FRAME_HEADER_SIZE + 8 + ++n);
        if (rc < 0)
            return rc;
    }
    if (hg_get_varint(f->frame.data + HG_FRAME_HEADER_SIZE + 8, n, &fields_len) == 0 ||
        fields_len > HG_FRAME_MAX)
        return hg_corrupt(hg_pos_segment(pos), hg_pos_offset(pos), "the frame here is damaged");
    *out_len = 8 + n + (size_t)fields_len;
    return read_at(s, pos, &f->frame, HG_FRAME_HEADER_SIZE + *out_len);
}

/* Into f->frame: header and body, verified for its place but for the segment's epoch, which is the
 * one it says itself. */
static int read_frame(holog_store *s, hg_pos pos, struct hg_fields *f, size_t *out_len)
{
    struct hg_frame_place at = { .salt = s->recovered.super.salt,
                                 .segment = hg_pos_segment(pos),
                                 .offset = hg_pos_offset(pos) };
    struct hg_frame h;
    int rc = read_at(s, pos, &f->frame, HG_FRAME_HEADER_SIZE);

    if (rc < 0)
        return rc;
    if (hg_layout_zero(f->frame.data, HG_FRAME_HEADER_SIZE))
        return read_own(s, pos, f, out_len);
    at.epoch = hg_frame_epoch(f->frame.data, at.offset);
    if (hg_frame_decode(f->frame.data, &at, HG_SEGMENT_MAX, &h) != HG_FRAME_OK)
        return hg_corrupt(at.segment, at.offset, "the frame here is damaged");
    rc = read_at(s, pos, &f->frame, h.len);
    if (rc < 0)
        return rc;
    *out_len = h.len - HG_FRAME_HEADER_SIZE;
    if (!hg_hash_matches(h.body_hash, hg_hash64(f->frame.data + HG_FRAME_HEADER_SIZE, *out_len)))
        return hg_corrupt(at.segment, at.offset, "the body of commit %llu is damaged",
                          (unsigned long long)h.number);
    return HOLOG_OK;
}

int hg_fields_read(holog_store *s, hg_pos frame, struct hg_fields *f)
{
    struct hg_body b = { 0 };
    size_t len = 0;
    int rc = read_frame(s, frame, f, &len);

    if (rc == HOLOG_OK)
        rc = hg_body_decode(f->frame.data + HG_FRAME_HEADER_SIZE, len, &b);
    return rc < 0 ? rc : hg_fields_take(f, &b);
}
