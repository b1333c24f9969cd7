/*
 * dump_index.c: prints what an index checkpoint says of itself, and whether its hashes are right; of a base also the
 * segment's header, and whether both name the same frame.
 */
#include "inspect/dump_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/hash.h"
#include "wal/segment.h"

#define INDEX_HEADER 256u
#define INDEX_HASHED 240u
#define INDEX_HASH   16u
#define CHUNK        (1u << 16)
#define WHY_MAX      640

static void index_facts(json_object *o, const uint8_t *p)
{
    fact(o, "version", hg_get_le32(p + 8));
    fact_uuid(o, p + 16);
    fact_pos(o, "covered", hg_get_le64(p + 32));
    fact_hex(o, "last_hash", hg_get_le64(p + 40));
    fact(o, "last_length", hg_get_le64(p + 48));
    fact(o, "number", hg_get_le64(p + 56));
    fact_time(o, "time", hg_get_le64(p + 64));
    fact(o, "keys", hg_get_le64(p + 72));
    fact(o, "pages", hg_get_le64(p + 80));
    fact(o, "page_bytes", hg_get_le64(p + 88));
    fact(o, "highest_number", hg_get_le64(p + 96));
    fact(o, "settings_bytes", hg_get_le32(p + 104));
    fact(o, "segments", hg_get_le32(p + 108));
    fact(o, "live_key_bytes", hg_get_le64(p + 112));
    fact(o, "live_value_bytes", hg_get_le64(p + 120));
    fact(o, "directories", hg_get_le64(p + 128));
    fact(o, "past_keys", hg_get_le64(p + 136));
    fact(o, "past_pages", hg_get_le64(p + 144));
    fact(o, "past_page_bytes", hg_get_le64(p + 152));
    fact(o, "past_value_bytes", hg_get_le64(p + 160));
    fact(o, "horizon", hg_get_le64(p + 168));
    fact(o, "commits_kept", hg_get_le32(p + 176));
    fact(o, "tags", hg_get_le32(p + 180));
    fact(o, "folds", hg_get_le32(p + 184));
}

static int read_at(FILE *f, uint64_t at, void *buf, size_t len)
{
    return at <= INT64_MAX && fseeko(f, (int64_t)at, SEEK_SET) == 0 && fread(buf, 1, len, f) == len;
}

static int hash_is(const uint8_t *stored, struct hg_hash128 h)
{
    return h.lo == hg_get_le64(stored) && h.hi == hg_get_le64(stored + 8);
}

/* The hash over all between the header and the last 16 bytes. */
static void check_content(struct dump *d, FILE *f, uint64_t from)
{
    struct hg_hash_stream hash;
    uint8_t *chunk = malloc(CHUNK);
    uint64_t end = d->size - INDEX_HASH;
    int ok = chunk != NULL;

    hg_hash_stream_begin(&hash);
    for (uint64_t at = from; ok && at < end;) {
        size_t n = (size_t)HG_MIN((uint64_t)CHUNK, end - at);
        ok = read_at(f, at, chunk, n);
        if (ok)
            hg_hash_stream_add(&hash, chunk, n);
        at += n;
    }
    ok = ok && read_at(f, end, chunk, INDEX_HASH);
    if (!ok)
        report(d, from, d->size - from,
               chunk == NULL ? "no memory to check it" : "it cannot be read");
    else if (!hash_is(chunk, hg_hash_stream_end(&hash)))
        report(d, from, d->size - from, "the hash over the content is wrong");
    free(chunk);
}

/* The checkpoint from `at` to the end of the file. p: its header. */
static void check_index(struct dump *d, FILE *f, uint64_t at, const uint8_t *p)
{
    if (memcmp(p, "HOLOGIDX", 8) != 0)
        report(d, at, 8, "the magic is wrong");
    else if (!hash_is(p + INDEX_HASHED, hg_hash128(p, INDEX_HASHED)))
        report(d, at, INDEX_HEADER, "the header's hash is wrong");
    else if (d->size < at + INDEX_HEADER + INDEX_HASH)
        report(d, at, d->size - at, "the file ends too early");
    else
        check_content(d, f, at + INDEX_HEADER);
}

static int end_of(struct dump *d, json_object *doc)
{
    if (d->json) {
        json_add(doc, "damage", d->damage);
        json_print(doc);
    }
    return finish(d);
}

int dump_index(struct dump *d, FILE *f)
{
    json_object *doc = head_begin(d, "index checkpoint");

    if (d->len < INDEX_HEADER) {
        report(d, 0, d->len, "the file ends inside the header");
    } else {
        json_object *o = section_begin(d, "header");
        index_facts(o, d->bytes);
        if (d->json)
            json_add(doc, "header", o);
        check_index(d, f, 0, d->bytes);
    }
    return end_of(d, doc);
}

/* ---- bases ---------------------------------------------------------------------------------------*/

static uint32_t id_of(const struct dump *d)
{
    const char *slash = strrchr(d->name, '/');
    enum hg_segment_kind kind = HG_KIND_BASE;
    uint32_t id = 0;

    if (hg_segment_parse_name(slash == NULL ? d->name : slash + 1, &id, &kind) == 1 &&
        kind == HG_KIND_BASE)
        return id;
    return hg_get_le32(d->bytes + HG_SEGMENT_ID_AT);
}

/* The header as it stands when it does not verify: NULL, and said. */
static const struct hg_segment_header *show_header(struct dump *d, json_object *doc,
                                                   struct hg_segment_header *h)
{
    char why[WHY_MAX];
    int rc = hg_segment_header_decode(d->bytes, id_of(d), HG_KIND_BASE, h);
    json_object *o;

    if (rc < 0) {
        (void)snprintf(why, sizeof why, "%s", last_message());
        report(d, 0, HG_SEGMENT_HEADER_SIZE, why);
        return NULL;
    }
    o = section_begin(d, "header");
    fact_header(o, h);
    if (d->json)
        json_add(doc, "header", o);
    if (h->capacity != d->size)
        report(d, d->size, 0, "the file is not as long as its header says");
    return h;
}

static void check_frame(struct dump *d, const struct hg_segment_header *h, const uint8_t *p)
{
    hg_pos covers = hg_pos_make(h->pred_id, (uint32_t)HG_ALIGN_UP(h->pred_end, (uint64_t)8));

    if (hg_get_le64(p + 32) != covers || hg_get_le64(p + 40) != h->pred_last_hash ||
        hg_get_le64(p + 48) != h->pred_last_len || hg_get_le64(p + 56) != h->pred_number ||
        hg_get_le64(p + 96) != h->highest_number)
        report(d, HG_SEGMENT_HEADER_SIZE + 32, 72,
               "the index covers another frame than the segment's header says");
}

int dump_base(struct dump *d, FILE *f)
{
    json_object *doc = head_begin(d, "base");
    struct hg_segment_header decoded;
    const struct hg_segment_header *h;
    uint8_t p[INDEX_HEADER];
    json_object *o;

    if (d->len < HG_SEGMENT_HEADER_SIZE) {
        report(d, 0, d->len, "the file ends inside the segment header");
        return end_of(d, doc);
    }
    h = show_header(d, doc, &decoded);
    if (!read_at(f, HG_SEGMENT_HEADER_SIZE, p, sizeof p)) {
        report(d, HG_SEGMENT_HEADER_SIZE, d->size - HG_SEGMENT_HEADER_SIZE,
               "the file ends inside the header of the index");
        return end_of(d, doc);
    }
    o = section_begin(d, "index");
    index_facts(o, p);
    if (d->json)
        json_add(doc, "index", o);
    check_index(d, f, HG_SEGMENT_HEADER_SIZE, p);
    if (h != NULL)
        check_frame(d, h, p);
    return end_of(d, doc);
}
