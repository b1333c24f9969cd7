/*
 * From a locator to bytes: the record at the birth position, checked against its own hash and the
 * locator. The blocks of a large value are value_large.c.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/store_internal.h"
#include "wal/frame.h"

#define RECORD_GUESS 1024u
#define RANGE_CHUNK  (1u << 20) /* of a range that is copied */

/* ---- records ----------------------------------------------------------------------------------------*/

int hg_record_wrong(hg_pos at, const char *path, const char *why)
{
    int rc = hg_corrupt(hg_pos_segment(at), hg_pos_offset(at), "%s: the record %s", path, why);

    hg_error_name_path(path, strlen(path));
    return rc;
}

int hg_record_moved(const char *path)
{
    return hg_error_path(HOLOG_E_STALE, path, (uint32_t)strlen(path),
                         "%s has been moved, or let go, by the writer: holog_refresh", path);
}

static int wrong_record(const struct hg_locator *loc, const char *path, const char *why)
{
    return hg_record_wrong(hg_pos_make(loc->segment, loc->offset), path, why);
}

/* A record against what the index says: the value's size and some bits of its hash. */
static int check_locator(const struct hg_locator *loc, const char *path, const struct hg_record *r)
{
    uint64_t size = r->type == HG_REC_DELTA ? r->version_size : r->value_len;

    if (r->type != HG_REC_BLOB && r->type != HG_REC_LARGE && r->type != HG_REC_DELTA &&
        r->type != HG_REC_SYMLINK && r->type != HG_REC_DIR)
        return wrong_record(loc, path, "is of another type");
    if (loc->type == HG_ENTRY_DIR) /* after a salvage: whatever record made it necessary */
        return HOLOG_OK;
    if (r->type == HG_REC_DIR)
        return wrong_record(loc, path, "is of another type");
    if (size != loc->size || r->check != loc->check)
        return wrong_record(loc, path, "is not the one that was saved here");
    return HOLOG_OK;
}

/* A record against the hash it has of what it brings. */
static int check_hash(hg_pos at, const char *path, const struct hg_record *r)
{
    if (r->type == HG_REC_CONFIG)
        return HOLOG_OK;
    if (r->value != NULL && hg_hash64(r->value, (size_t)r->value_len) != r->hash.lo)
        return hg_record_wrong(at, path, "does not match its hash");
    if (r->table != NULL) {
        size_t n = (size_t)hg_block_count(r->value_len) * HG_BLOCK_ENTRY_SIZE;
        struct hg_hash128 h = hg_hash128(r->table, n);
        if (h.lo != r->hash.lo || h.hi != r->hash.hi)
            return hg_record_wrong(at, path, "has a block table that does not match its hash");
    }
    return HOLOG_OK;
}

static int check_record(const struct hg_locator *loc, const char *path, const struct hg_record *r)
{
    int rc = check_locator(loc, path, r);

    if (rc < 0 || loc->type == HG_ENTRY_DIR)
        return rc;
    return check_hash(hg_pos_make(loc->segment, loc->offset), path, r);
}

int hg_record_at(holog_store *s, hg_pos at, const char *path, struct hg_record_read *r)
{
    size_t want = RECORD_GUESS;
    size_t whole = 0;
    size_t n = 0;
    int rc;

    for (;;) {
        r->bytes.len = 0;
        rc = hg_buf_reserve(&r->bytes, want);
        if (rc == HOLOG_OK)
            rc = hg_cache_read(s->cache, hg_pos_segment(at), hg_pos_offset(at), r->bytes.data, want,
                               &n);
        if (rc < 0)
            return rc;
        r->bytes.len = n;
        rc = hg_rec_peek(r->bytes.data, n, &whole);
        if (rc < 0 || (whole > n && n < want))
            return hg_record_wrong(at, path, "is cut short");
        if (whole <= n || want >= whole)
            break;
        want = whole;
    }
    rc = hg_rec_decode_at(r->bytes.data, n, &r->back, &r->rec);
    if (rc < 0)
        return hg_record_wrong(at, path, "cannot be decoded");
    r->rec.segment = hg_pos_segment(at);
    r->rec.offset = hg_pos_offset(at);
    return check_hash(at, path, &r->rec);
}

int hg_record_read(holog_store *s, const struct hg_locator *loc, const char *path,
                   struct hg_record_read *out)
{
    struct hg_record_read r = { 0 };
    int rc;

    if (loc->segment == 0)
        return hg_error(HOLOG_E_INVAL, "%s has no record", path);
    rc = hg_record_at(s, hg_pos_make(loc->segment, loc->offset), path, &r);
    if (rc == HOLOG_OK)
        rc = check_locator(loc, path, &r.rec);
    if (rc == HOLOG_OK)
        rc = hg_record_time(s, loc, &r.rec, r.back, &r.body_time_ns);
    if (rc < 0) {
        hg_record_release(&r);
        return rc;
    }
    *out = r;
    return HOLOG_OK;
}

void hg_record_release(struct hg_record_read *r)
{
    hg_buf_release(&r->bytes);
}

int hg_record_time(holog_store *s, const struct hg_locator *loc, const struct hg_record *rec,
                   size_t back, uint64_t *out_time_ns)
{
    uint8_t b[8];
    size_t n = 0;
    int rc;

    HG_UNUSED(rec);
    if (back > loc->offset)
        return hg_corrupt(loc->segment, loc->offset, "a record points before its segment");
    rc = hg_cache_read(s->cache, loc->segment, loc->offset - back, b, sizeof b, &n);
    if (rc == HOLOG_OK && n < sizeof b)
        rc = hg_corrupt(loc->segment, loc->offset - back, "a frame is cut short");
    if (rc == HOLOG_OK)
        *out_time_ns = hg_get_le64(b);
    return rc;
}

/* ---- small values: from the page, without a copy of the record ---------------------------------------*/

/* 1 when it was done from a cached page; 0: go the long way. */
static int peek_small(holog_store *s, const struct hg_locator *loc, const char *path,
                      uint64_t offset, void *buf, size_t len, int *out_rc)
{
    size_t avail = 0;
    size_t whole = 0;
    size_t back = 0;
    struct hg_record r;
    const uint8_t *p = hg_cache_peek(s->cache, loc->segment, loc->offset, 8, &avail);

    if (p == NULL || hg_rec_peek(p, avail, &whole) < 0 || whole > avail)
        return 0;
    if (hg_rec_decode_at(p, avail, &back, &r) < 0)
        return 0;
    if (r.type != HG_REC_BLOB && r.type != HG_REC_SYMLINK)
        return 0;
    *out_rc = check_record(loc, path, &r);
    if (*out_rc == HOLOG_OK && len > 0)
        memcpy(buf, r.value + offset, len);
    return 1;
}

/* ---- large values ---------------------------------------------------------------------------------------*/

/* The record was there and its pieces are not: for a writer that is not a segment that went, but a record that is
 * damaged. For a reader it may be that the writer has moved what it names since the last refresh. */
static int lost_piece(const holog_store *s, const struct hg_locator *loc, const char *path, int rc)
{
    if (rc != HOLOG_E_STALE)
        return rc;
    if (s->log == NULL)
        return hg_record_moved(path);
    return wrong_record(loc, path, "names a segment that is not there");
}

static int load_large(holog_store *s, const struct hg_locator *loc, const struct hg_record *rec,
                      const char *path, holog_value *v)
{
    hg_pos birth = hg_pos_make(loc->segment, loc->offset);
    struct hg_mem *m = hg_cache_find(s->cache, birth);
    int rc;

    if (m == NULL) {
        rc = lost_piece(s, loc, path, hg_value_read_large(s, rec, path, &m));
        if (rc < 0)
            return rc;
        hg_cache_offer(s->cache, birth, m, 0);
    }
    v->mem = m;
    v->data = m->data;
    return HOLOG_OK;
}

holog_value *hg_value_copy(const void *data, size_t len, uint64_t number)
{
    holog_value *v = hg_malloc(sizeof *v + len);

    if (v == NULL)
        return NULL;
    *v = (holog_value){ .data = (uint8_t *)(v + 1), .len = len, .number = number };
    if (len > 0)
        memcpy(v + 1, data, len);
    return v;
}

/* 1: the record's bytes are in no page: it is in an extent that is being added to. */
static int has_no_page(holog_store *s, const struct hg_locator *loc)
{
    struct hg_epoch_slot *slot = hg_epoch_enter(s->domain);
    size_t len = 0;
    int none = slot != NULL && hg_cache_peek(s->cache, loc->segment, loc->offset, 1, &len) == NULL;

    if (slot != NULL)
        hg_epoch_leave(slot);
    return none;
}

int hg_value_load_often(holog_store *s, const struct hg_locator *loc, const char *path,
                        holog_value **out_value)
{
    hg_pos birth = hg_pos_make(loc->segment, loc->offset);
    struct hg_mem *m = loc->size <= s->inline_max ? hg_cache_hold(s->cache, birth) : NULL;
    struct holog_error_detail before;
    holog_value *v = NULL;
    int rc;

    if (m != NULL) {
        v = hg_malloc(sizeof *v);
        if (v == NULL) {
            hg_mem_put(m);
            return hg_error(HOLOG_E_NOMEM, "no memory to load %s", path);
        }
        *v = (holog_value){ .data = m->data, .len = m->len, .number = loc->number, .mem = m };
        *out_value = v;
        return HOLOG_OK;
    }
    rc = hg_value_load(s, loc, path, out_value);
    if (rc < 0 || loc->size > s->inline_max || !has_no_page(s, loc))
        return rc;
    hg_error_get(&before);
    if (hg_mem_new(s->cache, (*out_value)->len, &m) < 0) {
        hg_error_set(&before); /* read again the next time */
        return rc;
    }
    if (m->len > 0)
        memcpy(m->data, (*out_value)->data, m->len);
    hg_cache_offer(s->cache, birth, m, 0);
    hg_mem_put(m);
    return rc;
}

int hg_value_load(holog_store *s, const struct hg_locator *loc, const char *path,
                  holog_value **out_value)
{
    int small = loc->size <= s->inline_max;
    holog_value *v = hg_malloc(sizeof *v + (small ? (size_t)loc->size : 0));
    struct hg_record_read r;
    struct hg_epoch_slot *slot;
    int rc = HOLOG_OK;
    int done;

    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load %s", path);
    *v = (holog_value){ .data = (uint8_t *)(v + 1),
                        .len = (size_t)loc->size,
                        .number = loc->number };
    if (!small) { /* a cached large value needs no record */
        v->mem = hg_cache_find(s->cache, hg_pos_make(loc->segment, loc->offset));
        if (v->mem != NULL) {
            v->data = v->mem->data;
            *out_value = v;
            return HOLOG_OK;
        }
    }
    slot = small ? hg_epoch_enter(s->domain) : NULL;
    done = slot != NULL && peek_small(s, loc, path, 0, v + 1, (size_t)loc->size, &rc);
    if (slot != NULL)
        hg_epoch_leave(slot);
    if (!done) {
        rc = hg_record_read(s, loc, path, &r);
        if (rc == HOLOG_OK) {
            if (r.rec.type == HG_REC_DELTA)
                rc = hg_value_rope_load(s, loc, path, v);
            else if (r.rec.type == HG_REC_LARGE)
                rc = load_large(s, loc, &r.rec, path, v);
            else if (!small)
                rc = wrong_record(loc, path, "is larger than this store keeps in frames");
            else if (loc->size > 0)
                memcpy(v + 1, r.rec.value, (size_t)loc->size);
            hg_record_release(&r);
        }
    }
    if (rc < 0) {
        hg_free(v);
        return rc;
    }
    *out_value = v;
    return HOLOG_OK;
}

/* Of [offset, offset + len) the first blocks: where they begin, and where they end, at most `most` later. */
struct span {
    uint64_t from, to;
};

static struct span blocks_of(uint64_t offset, uint64_t len, uint64_t most, uint64_t size)
{
    struct span b = { .from = HG_ALIGN_DOWN(offset, (uint64_t)HG_HASH_BLOCK) };

    b.to = HG_ALIGN_UP(offset + len, (uint64_t)HG_HASH_BLOCK);
    b.to = HG_MIN(b.to, size);
    b.to = HG_MIN(b.to, b.from + most);
    return b;
}

/* Of a value that is not in the cache. The memory is not of the budget: a range can always be read. */
static int copy_range(holog_store *s, const struct hg_locator *loc, const struct hg_record *rec,
                      const char *path, uint64_t offset, uint8_t *out, size_t len)
{
    struct span b = blocks_of(offset, len, RANGE_CHUNK, rec->value_len);
    uint8_t *buf =
        len > 0 ? hg_alloc_aligned(HG_BLOCK, HG_ALIGN_UP(b.to - b.from, HG_BLOCK)) : NULL;
    int rc = HOLOG_OK;

    if (buf == NULL && len > 0)
        return hg_error(HOLOG_E_NOMEM, "no memory to load %s", path);
    while (rc == HOLOG_OK && len > 0) {
        size_t n = (size_t)HG_MIN((uint64_t)len, b.to - offset);
        rc = lost_piece(s, loc, path, hg_value_read_blocks(s, rec, path, b.from, b.to, buf));
        if (rc < 0)
            break;
        memcpy(out, buf + (offset - b.from), n);
        offset += n;
        out += n;
        len -= n;
        b = blocks_of(offset, len, RANGE_CHUNK, rec->value_len);
    }
    hg_free(buf);
    return rc;
}

int hg_value_part(holog_store *s, const struct hg_locator *loc, const char *path, uint64_t offset,
                  size_t len, holog_value **out_value)
{
    struct hg_mem *m = hg_cache_find(s->cache, hg_pos_make(loc->segment, loc->offset));
    holog_value *v = hg_malloc(sizeof *v);
    struct hg_record_read r = { 0 };
    size_t at = (size_t)offset;
    int rc = v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to load %s", path) : HOLOG_OK;

    HG_ASSERT(loc->segment != 0 && offset + len <= loc->size);
    if (rc == HOLOG_OK && m == NULL) {
        rc = hg_record_read(s, loc, path, &r);
        if (rc == HOLOG_OK && r.rec.type == HG_REC_LARGE) {
            struct span b = blocks_of(offset, len, UINT64_MAX / 2, loc->size);
            at = (size_t)(offset - b.from);
            rc = lost_piece(s, loc, path, hg_value_read_part(s, &r.rec, path, b.from, b.to, &m));
        } else if (rc == HOLOG_OK) {
            at = 0;
            rc = hg_mem_new(s->cache, len, &m);
            if (rc == HOLOG_OK)
                rc = hg_value_range(s, loc, path, offset, m->data, len, NULL);
        }
        hg_record_release(&r);
    }
    if (rc < 0) {
        hg_mem_put(m);
        hg_free(v);
        return rc;
    }
    *v = (holog_value){ .data = m->data + at, .len = len, .number = loc->number, .mem = m };
    *out_value = v;
    return HOLOG_OK;
}

static size_t box_bytes(const struct hg_value_box *box)
{
    size_t bytes = box->size;

    for (unsigned i = 0; i < box->rank; i++)
        bytes *= (size_t)box->count[i];
    return bytes;
}

/* The record is asked whether the bytes that were moved are the value: of deltas they are not, and of another value
 * neither. */
static int read_box(holog_store *s, const struct hg_locator *loc, const char *path,
                    const struct hg_value_box *box, struct hg_mem **out_mem)
{
    struct hg_record_read r = { 0 };
    int rc = hg_record_read(s, loc, path, &r);

    if (rc == HOLOG_OK && r.rec.type != HG_REC_LARGE)
        rc = 1;
    hg_record_release(&r);
    hg_staged_collect(s);
    if (rc == HOLOG_OK)
        rc = hg_mem_new(s->cache, box_bytes(box), out_mem);
    if (rc == HOLOG_OK)
        rc = hg_cold_box(s->cold, hg_pos_make(loc->segment, loc->offset), box, (*out_mem)->data);
    if (rc == HOLOG_E_CORRUPT)
        hg_error_name_path(path, strlen(path));
    return rc;
}

int hg_value_box(holog_store *s, const struct hg_locator *loc, const char *path,
                 const struct hg_value_box *box, holog_value **out_value)
{
    hg_pos birth = hg_pos_make(loc->segment, loc->offset);
    struct holog_error_detail before;
    struct hg_mem *m = NULL;
    holog_value *v;
    int rc;

    if (loc->size <= s->inline_max || !hg_cold_has(s->cold, birth) ||
        (box->halvings == 0 && hg_cache_has_form(s->cache, birth, 0)))
        return 1;
    v = hg_malloc(sizeof *v);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load %s", path);
    hg_error_get(&before);
    rc = read_box(s, loc, path, box, &m);
    if (rc == HOLOG_OK) {
        hg_cache_count_miss(s->cache);
        *v = (holog_value){
            .data = m->data, .len = box_bytes(box), .number = loc->number, .mem = m
        };
        *out_value = v;
        return HOLOG_OK;
    }
    hg_mem_put(m);
    hg_free(v);
    if (rc != 1 && rc != HOLOG_E_STALE)
        return rc;
    hg_error_set(&before); /* who asks for the bytes finds out */
    return 1;
}

int hg_value_range(holog_store *s, const struct hg_locator *loc, const char *path, uint64_t offset,
                   void *buf, size_t len, size_t *out_n)
{
    struct hg_record_read r;
    struct hg_mem *m;
    struct hg_epoch_slot *slot;
    int rc = HOLOG_OK;
    int done = 0;

    if (offset > loc->size)
        return hg_error_path(HOLOG_E_RANGE, path, (uint32_t)strlen(path),
                             "offset %llu is behind the value's end (%llu bytes)",
                             (unsigned long long)offset, (unsigned long long)loc->size);
    len = (size_t)HG_MIN((uint64_t)len, loc->size - offset);
    if (loc->size <= s->inline_max) {
        slot = hg_epoch_enter(s->domain);
        done = slot != NULL && peek_small(s, loc, path, offset, buf, len, &rc);
        if (slot != NULL)
            hg_epoch_leave(slot);
    } else {
        m = hg_cache_find(s->cache, hg_pos_make(loc->segment, loc->offset));
        if (m != NULL) {
            memcpy(buf, m->data + offset, len);
            hg_mem_put(m);
            done = 1;
        }
    }
    if (!done) {
        rc = hg_record_read(s, loc, path, &r);
        if (rc == HOLOG_OK) {
            if (r.rec.type == HG_REC_DELTA) {
                rc = hg_value_rope_range(s, loc, path, offset, buf, len);
            } else if (r.rec.type == HG_REC_LARGE) {
                rc = copy_range(s, loc, &r.rec, path, offset, buf, len);
            } else if (len > 0)
                memcpy(buf, r.rec.value + offset, len);
            hg_record_release(&r);
        }
    }
    if (rc == HOLOG_OK && out_n != NULL)
        *out_n = len;
    return rc;
}

int hg_value_target(holog_store *s, const struct hg_locator *loc, char *out, size_t *out_len)
{
    size_t n = 0;
    int rc;

    if (loc->size > HG_PATH_MAX)
        return hg_corrupt(loc->segment, loc->offset, "a symlink's target is too long");
    rc = hg_value_range(s, loc, "a symlink", 0, out, HG_PATH_MAX, &n);
    if (rc < 0)
        return rc;
    out[n] = 0;
    *out_len = n;
    return HOLOG_OK;
}

/* ---- handles --------------------------------------------------------------------------------------------*/

const void *holog_value_data(const holog_value *value)
{
    return value == NULL ? NULL : value->data;
}

size_t holog_value_size(const holog_value *value)
{
    return value == NULL ? 0 : value->len;
}

uint64_t holog_value_number(const holog_value *value)
{
    return value == NULL ? 0 : value->number;
}

void holog_value_release(holog_value *value)
{
    if (value == NULL)
        return;
    hg_mem_put(value->mem);
    hg_free(value);
}
