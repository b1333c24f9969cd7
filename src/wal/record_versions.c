/*
 * Records of versions (docs/FORMAT.md, section 5), encoded and decoded.
 *
 *   DELTA      csum u8, base segment u32, base offset u32, kind u8, varint size of the new version,
 *              varint start, varint end (not insert), varint to (move only), varint path length,
 *              path, payload (insert and update only)
 *   FOLD       version segment u32, offset u32, csum u8, varint its size, varint spans, varint bytes
 *              of the span table, payload
 *   payload    0 u8, hash u64, the bytes to the record's end; or
 *              1 u8, csum u8, hash u128, and what ends a LARGE record
 *   span       segment u32, offset u32 (both 0: this record's own payload), varint at, varint length
 *   ROLLBACK   varint number, path or nothing
 *   TAG        varint number, time u64, name
 *   RETENTION  varint horizon
 *
 * Where csum and base of a DELTA stand does not depend on anything else, so that they can be filled
 * in last.
 */
#include <assert.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "wal/record_parts.h"

#define DELTA_CSUM_AT 0u
#define DELTA_BASE_AT 1u
#define DELTA_FIXED   10u /* csum, base, kind */
#define FOLD_FIXED    9u  /* version, csum */
#define SPAN_FIXED    8u
#define SPAN_MIN      (SPAN_FIXED + 2u)
#define TAG_TIME      8u

static_assert(DELTA_FIXED == 1 + 4 + 4 + 1, "DELTA: format v1");
static_assert(FOLD_FIXED == 4 + 4 + 1, "FOLD: format v1");
static_assert(SPAN_FIXED == 4 + 4, "a span: format v1");

static void put_pos(uint8_t *out, hg_pos p)
{
    hg_put_le32(out, hg_pos_segment(p));
    hg_put_le32(out + 4, hg_pos_offset(p));
}

static hg_pos get_pos(const uint8_t *in)
{
    return hg_pos_make(hg_get_le32(in), hg_get_le32(in + 4));
}

/* A record can stand there: behind a segment's header, which is one block. */
static int birth_sane(hg_pos p)
{
    return hg_pos_segment(p) != 0 && hg_pos_offset(p) > HG_BLOCK &&
           hg_pos_offset(p) < HG_EXTENT_SEGMENT_MAX;
}

static int csum_sane(uint8_t csum)
{
    return csum < HG_CSUM_MOD || csum == HG_CSUM_UNKNOWN;
}

/* A varint below 2^48; bytes consumed, or 0. */
static size_t get_number(const uint8_t *in, size_t avail, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = hg_get_varint(in, avail, &v);
    if (n == 0 || v > HG_NUMBER_MAX)
        return 0;
    *out = v;
    return n;
}

/* ---- payload ----------------------------------------------------------------------------------- */

static size_t payload_size(const struct hg_payload *p)
{
    if (p->n_pieces == 0)
        return HG_PAYLOAD_INLINE_FIXED + (size_t)p->len;
    return HG_PAYLOAD_EXTENTS_FIXED + hg_rec_extents_size(p->len, p->pieces, p->n_pieces);
}

static void put_payload(uint8_t *out, const struct hg_payload *p)
{
    if (p->n_pieces == 0) {
        out[0] = HG_PAYLOAD_INLINE;
        hg_put_le64(out + 1, p->hash.lo);
        (void)hg_rec_put_bytes(out + HG_PAYLOAD_INLINE_FIXED, p->bytes, (size_t)p->len);
        return;
    }
    HG_INVARIANT(hg_block_table_sane(p->table, p->len, p->csum));
    out[0] = HG_PAYLOAD_EXTENTS;
    out[1] = p->csum;
    hg_put_le64(out + 2, p->hash.lo);
    hg_put_le64(out + 10, p->hash.hi);
    (void)hg_rec_put_extents(out + HG_PAYLOAD_EXTENTS_FIXED, p->len, p->pieces, p->n_pieces,
                             p->table);
}

static int payload_check(const struct hg_payload *p)
{
    if (p->n_pieces > 0)
        return hg_rec_large_check(p->len, p->n_pieces);
    HG_ASSERT(p->len <= HG_FRAME_MAX);
    return HOLOG_OK;
}

static int decode_payload(const uint8_t *in, size_t len, struct hg_record *r)
{
    if (len < HG_PAYLOAD_INLINE_FIXED)
        return hg_rec_bad("it is cut short");
    if (in[0] == HG_PAYLOAD_INLINE) {
        r->hash.lo = hg_get_le64(in + 1);
        r->check = (uint32_t)(r->hash.lo & 0xffffff);
        r->value = in + HG_PAYLOAD_INLINE_FIXED;
        r->value_len = len - HG_PAYLOAD_INLINE_FIXED;
        return HOLOG_OK;
    }
    if (in[0] != HG_PAYLOAD_EXTENTS)
        return hg_rec_bad("its payload is neither in it nor in extents");
    if (len < HG_PAYLOAD_EXTENTS_FIXED)
        return hg_rec_bad("it is cut short");
    if (in[1] >= HG_CSUM_MOD)
        return hg_rec_bad("the sum of the payload is out of range");
    r->hash.lo = hg_get_le64(in + 2);
    r->hash.hi = hg_get_le64(in + 10);
    r->check = (uint32_t)(r->hash.lo & 0xffffff);
    return hg_rec_extents_decode(in + HG_PAYLOAD_EXTENTS_FIXED, len - HG_PAYLOAD_EXTENTS_FIXED,
                                 in[1], r);
}

/* ---- DELTA ------------------------------------------------------------------------------------- */

/* What encode asserts and decode checks, the payload's length apart: NULL, or what is wrong. */
static const char *range_fault(const struct hg_record *r)
{
    if (r->start > r->end)
        return "its range ends before it starts";
    if (r->kind != HG_DELTA_MOVE)
        return r->start > r->version_size ? "its range lies behind the value" : NULL;
    if (r->end > r->version_size || r->move_to > r->version_size)
        return "its range lies behind the value";
    return r->move_to > r->start && r->move_to < r->end ? "it moves a range into itself" : NULL;
}

int hg_rec_payload_fits(const struct hg_record *r)
{
    if (r->type == HG_REC_FOLD)
        return r->spans_len <= r->value_len ? HOLOG_OK
                                            : hg_rec_bad("its span table is longer than all of it");
    /* The base had version_size - value_len + (end - start) bytes: a number below 2^48 too. */
    if (r->kind != HG_DELTA_MOVE &&
        (r->value_len > r->version_size - r->start ||
         r->end - r->start > HG_NUMBER_MAX - (r->version_size - r->value_len)))
        return hg_rec_bad("its range and its payload do not make the new version");
    return HOLOG_OK;
}

static size_t delta_front_size(const struct hg_delta_rec *d)
{
    size_t len = DELTA_FIXED + hg_varint_size(d->version_size) + hg_varint_size(d->start);

    if (d->kind != HG_DELTA_INSERT)
        len += hg_varint_size(d->end);
    if (d->kind == HG_DELTA_MOVE)
        len += hg_varint_size(d->move_to);
    return len + hg_varint_size(d->path_len) + d->path_len;
}

static int delta_sane(const struct hg_delta_rec *d)
{
    struct hg_record r = { .type = HG_REC_DELTA,
                           .kind = d->kind,
                           .version_size = d->version_size,
                           .start = d->start,
                           .end = d->end,
                           .move_to = d->move_to,
                           .value_len = hg_delta_has_payload(d->kind) ? d->payload.len : 0 };

    return csum_sane(d->csum) && d->version_size <= HG_NUMBER_MAX && d->end <= HG_NUMBER_MAX &&
           (d->base == 0 || birth_sane(d->base)) && range_fault(&r) == NULL &&
           (d->kind != HG_DELTA_INSERT || d->end == d->start) &&
           hg_rec_payload_fits(&r) == HOLOG_OK;
}

int hg_rec_delta(struct hg_buf *body, const struct hg_delta_rec *d, size_t *out_at)
{
    int payload = hg_delta_has_payload(d->kind);
    uint8_t *p = NULL;

    HG_ASSERT(d->kind >= HG_DELTA_INSERT && d->kind <= HG_DELTA_MOVE && delta_sane(d));
    HG_INVARIANT(hg_rec_path_valid(d->path, d->path_len));
    int rc = payload ? payload_check(&d->payload) : HOLOG_OK;
    if (rc < 0)
        return rc;
    rc = hg_rec_begin(body, HG_REC_DELTA,
                      delta_front_size(d) + (payload ? payload_size(&d->payload) : 0), &p, out_at);
    if (rc < 0)
        return rc;
    p[DELTA_CSUM_AT] = d->csum;
    put_pos(p + DELTA_BASE_AT, d->base);
    p[DELTA_FIXED - 1] = d->kind;
    p += DELTA_FIXED;
    p += hg_put_varint(p, d->version_size);
    p += hg_put_varint(p, d->start);
    if (d->kind != HG_DELTA_INSERT)
        p += hg_put_varint(p, d->end);
    if (d->kind == HG_DELTA_MOVE)
        p += hg_put_varint(p, d->move_to);
    p = hg_rec_put_text(p, d->path, d->path_len);
    if (payload)
        put_payload(p, &d->payload);
    return HOLOG_OK;
}

int hg_rec_delta_patch(uint8_t *record, size_t avail, uint8_t csum, hg_pos base,
                       uint64_t version_size)
{
    struct hg_rec_head head = { 0 };
    uint64_t was = 0;
    int rc = hg_rec_head_decode(record, avail, &head);

    HG_ASSERT(rc == HOLOG_OK && head.type_byte == HG_REC_DELTA && head.content >= DELTA_FIXED &&
              avail >= head.size + DELTA_FIXED);
    HG_ASSERT(csum_sane(csum) && birth_sane(base) && version_size <= HG_NUMBER_MAX);
    uint8_t *size = record + head.size + DELTA_FIXED;
    size_t width = get_number(size, head.content - DELTA_FIXED, &was);
    if (width != hg_varint_size(version_size))
        return 0;
    (void)hg_put_varint(size, version_size);
    record[head.size + DELTA_CSUM_AT] = csum;
    put_pos(record + head.size + DELTA_BASE_AT, base);
    return 1;
}

static int decode_delta_front(const uint8_t *in, size_t len, struct hg_record *r)
{
    size_t n = 0;
    size_t at = DELTA_FIXED;

    if (len < DELTA_FIXED)
        return hg_rec_bad("it is cut short");
    r->csum = in[DELTA_CSUM_AT];
    r->base = get_pos(in + DELTA_BASE_AT);
    r->kind = in[DELTA_FIXED - 1];
    if (!csum_sane(r->csum))
        return hg_rec_bad("the sum of the value is out of range");
    if (!birth_sane(r->base))
        return hg_rec_bad("no record can stand where its base does");
    if (r->kind == HG_DELTA_REGION)
        return hg_error(HOLOG_E_VERSION, "a change of an array's region" HG_USE_NEWER);
    if (r->kind < HG_DELTA_INSERT || r->kind > HG_DELTA_MOVE)
        return hg_rec_bad("it is no kind of change");
    if ((n = get_number(in + at, len - at, &r->version_size)) == 0)
        return hg_rec_bad("the size of the new version is out of range");
    at += n;
    if ((n = get_number(in + at, len - at, &r->start)) == 0)
        return hg_rec_bad("the start of its range is out of range");
    at += n;
    r->end = r->start;
    if (r->kind != HG_DELTA_INSERT) {
        if ((n = get_number(in + at, len - at, &r->end)) == 0)
            return hg_rec_bad("the end of its range is out of range");
        at += n;
    }
    if (r->kind == HG_DELTA_MOVE) {
        if ((n = get_number(in + at, len - at, &r->move_to)) == 0)
            return hg_rec_bad("the place it moves to is out of range");
        at += n;
    }
    const char *fault = range_fault(r);
    if (fault != NULL)
        return hg_rec_bad(fault);
    if ((n = hg_rec_get_path(in + at, len - at, &r->path, &r->path_len)) == 0)
        return hg_rec_bad("the path is not canonical");
    r->front_len = at + n;
    return HOLOG_OK;
}

/* ---- FOLD -------------------------------------------------------------------------------------- */

int hg_span_append(struct hg_buf *table, const struct hg_span *s)
{
    uint8_t out[SPAN_FIXED + 2 * HG_VARINT_MAX];
    size_t n = SPAN_FIXED;

    HG_ASSERT((s->birth == 0 || birth_sane(s->birth)) && s->len > 0 && s->len <= HG_NUMBER_MAX &&
              s->at <= HG_NUMBER_MAX - s->len);
    put_pos(out, s->birth);
    n += hg_put_varint(out + n, s->at);
    n += hg_put_varint(out + n, s->len);
    return hg_buf_append(table, out, n);
}

int hg_spans_next(const uint8_t *table, size_t len, size_t *at, struct hg_span *out)
{
    struct hg_span s = { 0 };

    if (*at == len)
        return HOLOG_E_NOENT;
    const uint8_t *p = table + *at;
    size_t left = len - *at;
    if (left < SPAN_MIN)
        return hg_rec_bad("a span is cut short");
    s.birth = get_pos(p);
    size_t a = get_number(p + SPAN_FIXED, left - SPAN_FIXED, &s.at);
    size_t b = a == 0 ? 0 : get_number(p + SPAN_FIXED + a, left - SPAN_FIXED - a, &s.len);
    if (b == 0 || s.len == 0 || s.at > HG_NUMBER_MAX - s.len)
        return hg_rec_bad("a span is out of range");
    if (s.birth != 0 && !birth_sane(s.birth))
        return hg_rec_bad("no record can stand where a span's bytes do");
    *at += SPAN_FIXED + a + b;
    *out = s;
    return HOLOG_OK;
}

int hg_spans_check(const struct hg_record *r, const uint8_t *table)
{
    uint64_t own = r->value_len - r->spans_len; /* new bytes, before the table */
    uint64_t left = r->version_size;
    uint64_t count = 0;
    struct hg_span s = { 0 };
    size_t at = 0;
    int rc;

    while ((rc = hg_spans_next(table, (size_t)r->spans_len, &at, &s)) == HOLOG_OK) {
        if (s.len > left)
            return hg_rec_bad("the spans do not make up the version");
        if (s.birth == 0 && (s.len > own || s.at > own - s.len))
            return hg_rec_bad("a span lies behind the bytes the record brings");
        left -= s.len;
        count++;
    }
    if (rc != HOLOG_E_NOENT)
        return rc;
    return left == 0 && count == r->n_spans ? HOLOG_OK
                                            : hg_rec_bad("the spans do not make up the version");
}

static size_t fold_front_size(const struct hg_fold_rec *f)
{
    return FOLD_FIXED + hg_varint_size(f->version_size) + hg_varint_size(f->n_spans) +
           hg_varint_size(f->spans_len);
}

int hg_rec_fold(struct hg_buf *body, const struct hg_fold_rec *f, size_t *out_at)
{
    uint8_t *p = NULL;

    HG_ASSERT(birth_sane(f->version) && csum_sane(f->csum) && f->n_spans <= HG_SPANS_MAX);
    HG_ASSERT(f->version_size <= HG_NUMBER_MAX && f->spans_len <= f->payload.len);
    int rc = payload_check(&f->payload);
    if (rc < 0)
        return rc;
    rc =
        hg_rec_begin(body, HG_REC_FOLD, fold_front_size(f) + payload_size(&f->payload), &p, out_at);
    if (rc < 0)
        return rc;
    put_pos(p, f->version);
    p[FOLD_FIXED - 1] = f->csum;
    p += FOLD_FIXED;
    p += hg_put_varint(p, f->version_size);
    p += hg_put_varint(p, f->n_spans);
    p += hg_put_varint(p, f->spans_len);
    put_payload(p, &f->payload);
    return HOLOG_OK;
}

static int decode_fold_front(const uint8_t *in, size_t len, struct hg_record *r)
{
    uint64_t spans = 0;
    size_t n = 0;
    size_t at = FOLD_FIXED;

    if (len < FOLD_FIXED)
        return hg_rec_bad("it is cut short");
    r->base = get_pos(in);
    r->csum = in[FOLD_FIXED - 1];
    if (!birth_sane(r->base))
        return hg_rec_bad("no record can stand where its version does");
    if (!csum_sane(r->csum))
        return hg_rec_bad("the sum of the value is out of range");
    if ((n = get_number(in + at, len - at, &r->version_size)) == 0)
        return hg_rec_bad("the size of the version is out of range");
    at += n;
    if ((n = get_number(in + at, len - at, &spans)) == 0 || spans > HG_SPANS_MAX)
        return hg_rec_bad("the number of spans is out of range");
    at += n;
    if ((n = get_number(in + at, len - at, &r->spans_len)) == 0 || r->spans_len < spans * SPAN_MIN)
        return hg_rec_bad("the length of the span table is out of range");
    r->n_spans = (uint32_t)spans;
    r->front_len = at + n;
    return HOLOG_OK;
}

/* ---- both -------------------------------------------------------------------------------------- */

int hg_rec_front_decode(const uint8_t *in, size_t avail, struct hg_record *r)
{
    return r->type == HG_REC_DELTA ? decode_delta_front(in, avail, r)
                                   : decode_fold_front(in, avail, r);
}

static int decode_with_payload(const uint8_t *in, size_t len, struct hg_record *r)
{
    int rc = hg_rec_front_decode(in, len, r);

    if (rc < 0)
        return rc;
    if (hg_rec_has_payload(r))
        rc = decode_payload(in + r->front_len, len - r->front_len, r);
    else if (len != r->front_len)
        rc = hg_rec_bad("bytes follow it");
    if (rc == HOLOG_OK)
        rc = hg_rec_payload_fits(r);
    if (rc == HOLOG_OK && r->type == HG_REC_FOLD && r->value != NULL)
        rc = hg_spans_check(r, r->value + (r->value_len - r->spans_len));
    return rc;
}

/* ---- ROLLBACK, TAG, RETENTION ------------------------------------------------------------------ */

int hg_rec_rollback(struct hg_buf *body, uint64_t number, const char *path, size_t path_len,
                    size_t *out_at)
{
    uint8_t *p = NULL;

    HG_ASSERT(number <= HG_NUMBER_MAX && (path_len == 0 || hg_rec_path_valid(path, path_len)));
    int rc = hg_rec_begin(body, HG_REC_ROLLBACK, hg_varint_size(number) + path_len, &p, out_at);
    if (rc < 0)
        return rc;
    p += hg_put_varint(p, number);
    (void)hg_rec_put_bytes(p, path, path_len);
    return HOLOG_OK;
}

static int is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

int hg_tag_name_valid(const char *name, size_t len)
{
    if (len == 0 || len > HG_TAG_NAME_MAX || !is_letter(name[0]))
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!is_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9') && name[i] != '.' &&
            name[i] != '_' && name[i] != '-')
            return 0;
    return len != 4 || memcmp(name, "HEAD", 4) != 0;
}

int hg_rec_tag(struct hg_buf *body, uint64_t number, uint64_t time_ns, const char *name,
               size_t name_len, size_t *out_at)
{
    uint8_t *p = NULL;

    HG_ASSERT(number <= HG_NUMBER_MAX && hg_tag_name_valid(name, name_len));
    int rc =
        hg_rec_begin(body, HG_REC_TAG, hg_varint_size(number) + TAG_TIME + name_len, &p, out_at);
    if (rc < 0)
        return rc;
    p += hg_put_varint(p, number);
    hg_put_le64(p, time_ns);
    (void)hg_rec_put_bytes(p + TAG_TIME, name, name_len);
    return HOLOG_OK;
}

int hg_rec_retention(struct hg_buf *body, uint64_t horizon, size_t *out_at)
{
    uint8_t *p = NULL;

    HG_ASSERT(horizon <= HG_NUMBER_MAX);
    int rc = hg_rec_begin(body, HG_REC_RETENTION, hg_varint_size(horizon), &p, out_at);
    if (rc < 0)
        return rc;
    (void)hg_put_varint(p, horizon);
    return HOLOG_OK;
}

static int decode_tag(const uint8_t *in, size_t len, struct hg_record *r)
{
    if (len < TAG_TIME)
        return hg_rec_bad("it is cut short");
    r->time_ns = hg_get_le64(in);
    r->path = (const char *)in + TAG_TIME;
    r->path_len = len - TAG_TIME;
    return hg_tag_name_valid(r->path, r->path_len) ? HOLOG_OK
                                                   : hg_rec_bad("the name of the tag is none");
}

int hg_rec_versions_decode(const uint8_t *in, size_t len, struct hg_record *r)
{
    if (r->type == HG_REC_DELTA || r->type == HG_REC_FOLD)
        return decode_with_payload(in, len, r);
    size_t n = get_number(in, len, &r->number);
    if (n == 0)
        return hg_rec_bad("its number is out of range");
    in += n;
    len -= n;
    if (r->type == HG_REC_ROLLBACK)
        return hg_rec_path_to_end(in, len, r);
    if (r->type == HG_REC_TAG)
        return decode_tag(in, len, r);
    return len == 0 ? HOLOG_OK : hg_rec_bad("bytes follow it");
}
