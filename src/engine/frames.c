/*
 * The frames of commits, read again: time, message and metadata; the records.
 */
#include <string.h>

#include "base/alloc.h"
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

/* Verified for its place, but for the segment's epoch, which is the one it says itself. */
static int ask_header(const holog_store *s, const struct hg_moment *m, const uint8_t *header,
                      uint64_t *out_body_hash)
{
    struct hg_frame_place at = { .salt = s->recovered.super.salt,
                                 .segment = hg_pos_segment(m->frame),
                                 .offset = hg_pos_offset(m->frame) };
    struct hg_frame h;

    at.epoch = hg_frame_epoch(header, at.offset);
    if (hg_frame_decode(header, &at, HG_SEGMENT_MAX, &h) != HG_FRAME_OK || h.len != m->len)
        return hg_corrupt(at.segment, at.offset, "the frame here is damaged");
    *out_body_hash = h.body_hash;
    return HOLOG_OK;
}

/* The frame of a commit into out, its body verified: from where it stands, or from where it was moved to. What this process has appended lies in the cache
 * with drafts of headers; of that the hash is known. */
int hg_moment_frame(holog_store *s, const struct hg_moment *m, struct hg_buf *out)
{
    uint32_t segment = hg_pos_segment(m->frame);
    uint32_t offset = hg_pos_offset(m->frame);
    uint64_t hash = m->body_hash;
    size_t n = 0;
    int rc;

    out->len = 0;
    rc = hg_buf_reserve(out, m->len);
    if (rc == HOLOG_OK)
        rc = hg_cache_read(s->cache, segment, offset, out->data, m->len, &n);
    if (rc < 0)
        return rc;
    if (n < m->len || m->len < HG_FRAME_HEADER_SIZE)
        return hg_corrupt(segment, offset, "the frame here is cut short");
    out->len = n;
    if (hash == 0) {
        rc = ask_header(s, m, out->data, &hash);
        if (rc < 0)
            return rc;
    }
    if (!hg_hash_matches(hash, hg_hash64(out->data + HG_FRAME_HEADER_SIZE,
                                         m->len - HG_FRAME_HEADER_SIZE)))
        return hg_corrupt(segment, offset, "the body of commit %llu is damaged",
                          (unsigned long long)m->number);
    return HOLOG_OK;
}

int hg_fields_read(holog_store *s, const struct hg_moment *m, struct hg_fields *f)
{
    struct hg_body b = { 0 };
    int rc = hg_moment_frame(s, m, &f->frame);

    if (rc == HOLOG_OK)
        rc =
            hg_body_decode(f->frame.data + HG_FRAME_HEADER_SIZE, m->len - HG_FRAME_HEADER_SIZE, &b);
    return rc < 0 ? rc : hg_fields_take(f, &b);
}

/* ---- records -------------------------------------------------------------------------------------*/

/* A record list that was too long for its frame. */
static int read_long_list(holog_store *s, const struct hg_record *r, uint8_t **out_data)
{
    uint8_t *data = hg_malloc((size_t)r->body.len);
    size_t n = 0;
    int rc;

    if (data == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a commit's records");
    rc = hg_cold_has_pages(s->cold, r->body.segment)
             ? hg_cache_read(s->cache, r->body.segment, r->body.offset, data, (size_t)r->body.len,
                             &n)
             : hg_files_read(s->files, r->body.segment, HG_KIND_EXTENTS, data, (size_t)r->body.len,
                             r->body.offset, &n);
    if (rc == HOLOG_OK && n < r->body.len)
        rc = hg_corrupt(r->body.segment, r->body.offset, "a commit's records are cut short");
    if (rc == HOLOG_OK && !hg_hash_matches(r->body_hash, hg_hash64(data, n)))
        rc = hg_corrupt(r->body.segment, r->body.offset, "a commit's records are damaged");
    if (rc < 0)
        hg_free(data);
    else
        *out_data = data;
    return rc;
}

int hg_records_each(holog_store *s, const uint8_t *body, size_t len, size_t at,
                    int (*each)(void *ctx, const struct hg_record *r), void *ctx)
{
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && at < len) {
        struct hg_record r;
        struct hg_body inner;
        uint8_t *data = NULL;
        rc = hg_rec_decode(body + at, len - at, at, &r);
        if (rc == HOLOG_OK)
            rc = each(ctx, &r);
        if (rc == HOLOG_OK && r.type == HG_REC_BODY && !r.ignorable) {
            rc = read_long_list(s, &r, &data);
            if (rc == HOLOG_OK)
                rc = hg_body_decode(data, (size_t)r.body.len, &inner);
            if (rc == HOLOG_OK)
                rc = hg_records_each(s, data, (size_t)r.body.len, inner.records_at, each, ctx);
            hg_free(data);
        }
        at += rc == HOLOG_OK ? r.whole_len : 0;
    }
    return rc;
}

int hg_moment_records(holog_store *s, const struct hg_moment *m, struct hg_buf *scratch,
                      int (*each)(void *ctx, const struct hg_record *r), void *ctx)
{
    struct hg_body b = { 0 };
    int rc = hg_moment_frame(s, m, scratch);

    if (rc == HOLOG_OK)
        rc =
            hg_body_decode(scratch->data + HG_FRAME_HEADER_SIZE, m->len - HG_FRAME_HEADER_SIZE, &b);
    return rc < 0 ? rc
                  : hg_records_each(s, scratch->data + HG_FRAME_HEADER_SIZE,
                                    m->len - HG_FRAME_HEADER_SIZE, b.records_at, each, ctx);
}
