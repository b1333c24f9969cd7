/*
 * Records about segments: the list of all (SEGMENTS), and what compactions have added and removed (EDIT).
 */
#include <assert.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "wal/record_parts.h"

#define SEGMENT_ENTRY_SIZE 13u
static_assert(HG_HWP_SEGMENT_MAX <= HG_EXTENT_SEGMENT_MAX, "one bound for all kinds but bases");
static_assert(SEGMENT_ENTRY_SIZE == 4 + 1 + 8, "SEGMENTS entry: format v1");

static int segment_entry_sane(const struct hg_segment_entry *e)
{
    return e->segment != 0 && e->kind >= HG_KIND_FRAMES && e->kind <= HG_KIND_BASE &&
           e->used <= (e->kind == HG_KIND_BASE ? HG_BASE_MAX : HG_EXTENT_SEGMENT_MAX);
}

#define SEGMENTS_MAX (HG_REC_CONTENT_MAX / 4 / SEGMENT_ENTRY_SIZE)

static uint8_t *put_entries(uint8_t *p, const struct hg_segment_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++, p += SEGMENT_ENTRY_SIZE) {
        HG_ASSERT(segment_entry_sane(&entries[i]));
        hg_put_le32(p, entries[i].segment);
        p[4] = entries[i].kind;
        hg_put_le64(p + 5, entries[i].used);
    }
    return p;
}

int hg_rec_segments(struct hg_buf *body, const struct hg_segment_entry *entries, size_t n,
                    size_t *out_at)
{
    uint8_t *p = NULL;
    HG_ASSERT(n <= SEGMENTS_MAX);
    int rc =
        hg_rec_begin(body, HG_REC_SEGMENTS, hg_varint_size(n) + n * SEGMENT_ENTRY_SIZE, &p, out_at);
    if (rc < 0)
        return rc;
    p += hg_put_varint(p, n);
    (void)put_entries(p, entries, n);
    return HOLOG_OK;
}

int hg_rec_edit(struct hg_buf *body, const struct hg_segment_entry *added, size_t n_added,
                const struct hg_segment_entry *removed, size_t n_removed, size_t *out_at)
{
    uint8_t *p = NULL;
    HG_ASSERT(n_added <= SEGMENTS_MAX && n_removed <= SEGMENTS_MAX);
    size_t len = hg_varint_size(n_added) + hg_varint_size(n_removed) +
                 (n_added + n_removed) * SEGMENT_ENTRY_SIZE;
    int rc = hg_rec_begin(body, HG_REC_EDIT, len, &p, out_at);
    if (rc < 0)
        return rc;
    p += hg_put_varint(p, n_added);
    p += hg_put_varint(p, n_removed);
    p = put_entries(p, added, n_added);
    (void)put_entries(p, removed, n_removed);
    return HOLOG_OK;
}

/* ---- decoding ------------------------------------------------------------------------------------*/

static void segment_entry_decode(const uint8_t *in, struct hg_segment_entry *e)
{
    e->segment = hg_get_le32(in);
    e->kind = in[4];
    e->used = hg_get_le64(in + 5);
}

/* `count` entries behind the first n bytes, and nothing else. */
static int check_entries(const uint8_t *in, size_t len, size_t n, uint64_t count)
{
    struct hg_segment_entry e;

    if (count > (len - n) / SEGMENT_ENTRY_SIZE || count * SEGMENT_ENTRY_SIZE != len - n)
        return hg_rec_bad("the number of segments does not fit");
    for (const uint8_t *p = in + n; p < in + len; p += SEGMENT_ENTRY_SIZE) {
        segment_entry_decode(p, &e);
        if (!segment_entry_sane(&e))
            return hg_rec_bad("an entry of the list of segments is out of range");
    }
    return HOLOG_OK;
}

int hg_rec_segments_decode(const uint8_t *in, size_t len, struct hg_record *r)
{
    uint64_t count = 0;
    size_t n = hg_get_varint(in, len, &count);
    if (n == 0)
        return hg_rec_bad("the number of segments does not fit");
    r->rest = in;
    r->rest_len = len;
    return check_entries(in, len, n, count);
}

int hg_rec_edit_decode(const uint8_t *in, size_t len, struct hg_record *r)
{
    uint64_t added = 0;
    uint64_t removed = 0;
    size_t a = hg_get_varint(in, len, &added);
    size_t b = a == 0 ? 0 : hg_get_varint(in + a, len - a, &removed);
    if (b == 0 || added > SEGMENTS_MAX || removed > SEGMENTS_MAX)
        return hg_rec_bad("the number of segments does not fit");
    r->n_added = (uint32_t)added;
    r->rest = in;
    r->rest_len = len;
    return check_entries(in, len, a + b, added + removed);
}

int hg_rec_edit_next(const struct hg_record *r, size_t *at, struct hg_segment_entry *out,
                     int *out_removed)
{
    uint64_t n = 0;
    size_t a = hg_get_varint(r->rest, r->rest_len, &n);
    size_t first = a + hg_get_varint(r->rest + a, r->rest_len - a, &n);

    if (*at == 0)
        *at = first;
    HG_ASSERT(*at >= first && *at <= r->rest_len); /* decode_edit checked the counts */
    if (r->rest_len - *at < SEGMENT_ENTRY_SIZE)
        return HOLOG_E_NOENT;
    *out_removed = (*at - first) / SEGMENT_ENTRY_SIZE >= r->n_added;
    segment_entry_decode(r->rest + *at, out);
    *at += SEGMENT_ENTRY_SIZE;
    return HOLOG_OK;
}

int hg_rec_segments_next(const struct hg_record *r, size_t *at, struct hg_segment_entry *out)
{
    uint64_t count = 0;
    if (*at == 0)
        *at = hg_get_varint(r->rest, r->rest_len, &count);
    HG_ASSERT(*at > 0 && *at <= r->rest_len); /* decode_segments checked the count */
    if (r->rest_len - *at < SEGMENT_ENTRY_SIZE)
        return HOLOG_E_NOENT;
    segment_entry_decode(r->rest + *at, out);
    *at += SEGMENT_ENTRY_SIZE;
    return HOLOG_OK;
}
