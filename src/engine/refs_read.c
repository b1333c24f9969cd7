/*
 * Records read one by one: of a segment that is being written, of record lists in extents; and the span
 * tables of FOLD records.
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "engine/delta.h"
#include "engine/refs_internal.h"
#include "wal/frame.h"

#define WINDOW_BYTES (256u << 10)
#define PATH         "a value" /* in messages: whose record it is, nobody here knows */

void hg_ref_reader_begin(struct hg_ref_reader *r, holog_store *s, uint32_t segment, int list,
                         uint64_t end)
{
    *r = (struct hg_ref_reader){ .s = s, .segment = segment, .list = list, .end = end };
}

void hg_ref_reader_end(struct hg_ref_reader *r)
{
    hg_buf_release(&r->window);
    hg_buf_release(&r->pieces);
}

static int read_window(struct hg_ref_reader *r, uint64_t from, size_t len, size_t *out_n)
{
    if (r->list)
        return hg_files_read(r->s->files, r->segment, HG_KIND_EXTENTS, r->window.data, len, from,
                             out_n);
    return hg_cache_read(r->s->cache, r->segment, from, r->window.data, len, out_n);
}

/* At least `want` bytes from `offset` on, or as many as there are. Who goes backwards, from a version to
 * its base, gets what is before it. */
static int fill(struct hg_ref_reader *r, uint64_t offset, size_t want)
{
    uint64_t from = offset;
    size_t len;
    size_t n = 0;
    int rc;

    if (r->window.len > 0 && offset < r->at && want < WINDOW_BYTES / 4)
        from -= HG_MIN(offset - HG_BLOCK, (uint64_t)WINDOW_BYTES / 2);
    len = HG_MAX((size_t)(offset - from) + want, (size_t)WINDOW_BYTES);
    len = (size_t)HG_MIN((uint64_t)len, r->end - HG_MIN(r->end, from));
    r->window.len = 0;
    rc = hg_buf_reserve(&r->window, len);
    if (rc == HOLOG_OK)
        rc = read_window(r, from, len, &n);
    if (rc == HOLOG_E_STALE && from < offset) { /* it was replaced, and nothing lives there */
        len -= (size_t)(offset - from);
        from = offset;
        rc = read_window(r, from, len, &n);
    }
    if (rc < 0)
        return rc;
    r->at = from;
    r->window.len = n;
    return HOLOG_OK;
}

static size_t avail_at(const struct hg_ref_reader *r, uint64_t offset)
{
    uint64_t end = r->at + r->window.len;

    return offset >= r->at && offset < end ? (size_t)(end - offset) : 0;
}

/* *out_p, *out_n: `want` bytes, or as many as there are. */
static int see(struct hg_ref_reader *r, uint64_t offset, size_t want, const uint8_t **out_p,
               size_t *out_n)
{
    int rc = HOLOG_OK;

    if (avail_at(r, offset) < want)
        rc = fill(r, offset, want);
    *out_n = avail_at(r, offset);
    *out_p = r->window.data + (*out_n > 0 ? offset - r->at : 0);
    return rc;
}

static int wrong(const struct hg_ref_reader *r, uint32_t offset, const char *why)
{
    return hg_record_wrong(hg_pos_make(r->segment, offset), PATH, why);
}

int hg_ref_read(struct hg_ref_reader *r, uint32_t offset, struct hg_ref *out)
{
    struct hg_record rec;
    const uint8_t *p;
    size_t whole = 0;
    size_t back = 0;
    size_t n;
    int rc = see(r, offset, HG_REC_PREFIX_MAX, &p, &n);

    if (rc == HOLOG_OK && hg_rec_peek(p, n, &whole) < 0)
        return wrong(r, offset, "is cut short");
    if (rc == HOLOG_OK)
        rc = see(r, offset, whole, &p, &n);
    if (rc < 0)
        return rc;
    if (hg_rec_decode_at(p, n, &back, &rec) < 0 || back > offset)
        return wrong(r, offset, "cannot be decoded");
    rec.segment = r->segment;
    rec.offset = offset;
    rec.body_start = offset - (uint32_t)back;
    r->pieces.len = 0;
    rc = hg_ref_take(&rec, out, &r->pieces);
    out->pieces = (const struct hg_piece *)(const void *)r->pieces.data;
    return rc;
}

int hg_ref_read_first(struct hg_ref_reader *r, const struct hg_ref_frame *frame, struct hg_ref *out)
{
    uint64_t body = (uint64_t)frame->offset + HG_FRAME_HEADER_SIZE;
    uint64_t fields = 0;
    const uint8_t *p;
    size_t used;
    size_t n;
    int rc = see(r, body, sizeof(uint64_t) + 10, &p, &n);

    if (rc < 0)
        return rc;
    used = n > sizeof(uint64_t) ? hg_get_varint(p + sizeof(uint64_t), n - sizeof(uint64_t), &fields)
                                : 0;
    if (used == 0 || fields >= frame->len)
        return hg_corrupt(r->segment, frame->offset, "the frame here is damaged");
    body += sizeof(uint64_t) + used + fields;
    if (body >= (uint64_t)frame->offset + frame->len)
        return HOLOG_E_NOENT;
    return hg_ref_read(r, (uint32_t)body, out);
}

/* ---- spans ---------------------------------------------------------------------------------------- */

static int read_table(holog_store *s, hg_pos fold, const struct hg_record *r, struct hg_buf *table)
{
    struct hg_span span = { .birth = fold, .at = r->value_len - r->spans_len, .len = r->spans_len };
    int rc = hg_buf_reserve(table, (size_t)r->spans_len);

    if (rc == HOLOG_OK && span.len > 0)
        rc = hg_span_read(s, &span, PATH, table->data);
    table->len = rc == HOLOG_OK ? (size_t)r->spans_len : 0;
    return rc;
}

static int add_spans(const struct hg_buf *table, struct hg_buf *out)
{
    struct hg_span span;
    size_t at = 0;
    int rc;

    while ((rc = hg_spans_next(table->data, table->len, &at, &span)) == HOLOG_OK) {
        rc = hg_buf_append(out, &span, sizeof span);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_fold_read_spans(holog_store *s, hg_pos version, hg_pos fold, struct hg_buf *out)
{
    struct hg_record_read r = { 0 };
    struct hg_buf table = { 0 };
    int rc = hg_record_at(s, fold, PATH, &r);

    if (rc == HOLOG_OK && (r.rec.type != HG_REC_FOLD || r.rec.base != version))
        rc = hg_record_wrong(fold, PATH, "does not describe the version");
    if (rc == HOLOG_OK)
        rc = read_table(s, fold, &r.rec, &table);
    if (rc == HOLOG_OK && hg_spans_check(&r.rec, table.data) < 0)
        rc = hg_record_wrong(fold, PATH, "has spans that are not the version's");
    if (rc == HOLOG_OK)
        rc = add_spans(&table, out);
    hg_buf_release(&table);
    hg_record_release(&r);
    return rc;
}
