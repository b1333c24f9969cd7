/*
 * Records of a body, and the extents they name. Extents lie outside the floor: they are judged by
 * the frame that names them, block by block against the table in that frame.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/node.h"
#include "wal/recover_internal.h"

/* Bytes of an extent that are read at once: a multiple of HG_HASH_BLOCK. */
#define READ_BYTES (4u << 20)
_Static_assert(READ_BYTES % HG_HASH_BLOCK == 0, "reads hold whole hash blocks");

/* Gives the error of a codec, which knows no position, its place. */
static int place_error(int rc, uint32_t segment, uint64_t offset)
{
    struct holog_error_detail d;

    if (rc != HOLOG_E_CORRUPT)
        return rc;
    hg_error_get(&d);
    return hg_corrupt(segment, offset, "%s", d.message);
}

int hg_body_each(const uint8_t *body, size_t len, uint32_t segment, uint64_t body_start,
                 int (*each)(void *ctx, const struct hg_record *r), void *ctx, uint64_t *out_time)
{
    struct hg_body head;
    int rc = hg_body_decode(body, len, &head);

    if (rc < 0)
        return place_error(rc, segment, body_start);
    size_t at = head.records_at;
    while (at < len) {
        struct hg_record r;
        rc = hg_rec_decode(body + at, len - at, at, &r);
        if (rc < 0)
            return place_error(rc, segment, body_start + at);
        r.segment = segment;
        r.offset = (uint32_t)(body_start + at);
        r.body_start = (uint32_t)body_start;
        if (r.whole_len == 0 || r.whole_len > len - at)
            return hg_corrupt(segment, body_start + at, "a record reaches past its frame");
        at += r.whole_len;
        rc = each(ctx, &r);
        if (rc != 0)
            return rc;
    }
    if (out_time != NULL)
        *out_time = head.time_ns;
    return HOLOG_OK;
}

/* An EDIT of a base, or one that removes frame segments. */
static uint64_t edit_needs(const struct hg_record *r)
{
    struct hg_segment_entry e;
    uint64_t needs = 0;
    size_t at = 0;
    int removed = 0;

    while (r->type == HG_REC_EDIT && hg_rec_edit_next(r, &at, &e, &removed) == HOLOG_OK) {
        if (e.kind == HG_KIND_BASE || e.kind == HG_KIND_FRAMES)
            needs = HG_FEATURE_BASE;
    }
    return needs;
}

int hg_rec_check_declared(const struct hg_record *r, uint64_t features)
{
    int is_node = hg_node_ends(r->path, r->path_len) || hg_node_ends(r->to, r->to_len);

    if (is_node && r->type != HG_REC_BLOB && r->type != HG_REC_LARGE && r->type != HG_REC_DELTA &&
        r->type != HG_REC_DELETE)
        return hg_corrupt(r->segment, r->offset,
                          "a record of type %u for a document or a chunk of an array",
                          (unsigned)r->type);
    if (((hg_rec_needs(r) | edit_needs(r)) & ~features) == 0)
        return HOLOG_OK;
    return hg_corrupt(r->segment, r->offset,
                      "a record of type %u in a segment that does not declare its features",
                      (unsigned)r->type);
}

/* ---- extents --------------------------------------------------------------------------------- */

static void close_segment(struct hg_extent_reader *x)
{
    if (x->file != NULL)
        (void)x->io->ops->close(x->file); /* only read: nothing to lose */
    x->file = NULL;
    x->segment = 0;
}

void hg_extent_reader_release(struct hg_extent_reader *x)
{
    close_segment(x);
    hg_image_release(&x->buf);
    hg_buf_release(&x->opened);
}

static int open_segment(struct hg_extent_reader *x, uint32_t segment)
{
    char name[HG_FILE_NAME_MAX];

    if (x->file != NULL && x->segment == segment)
        return HOLOG_OK;
    close_segment(x);
    int rc = hg_buf_append(&x->opened, &segment, sizeof segment);
    if (rc < 0)
        return rc;
    hg_segment_name(name, segment, HG_KIND_EXTENTS);
    rc = x->io->ops->open(x->io, name, x->flags, &x->file);
    if (rc == HOLOG_E_NOENT) {
        rc = hg_corrupt(segment, 0, "%s is missing, and a commit names bytes in it", name);
        int noted = x->edits == NULL ? HOLOG_OK : hg_edits_missing(x->edits, segment, rc);
        return noted < 0 ? noted : rc;
    }
    if (rc < 0)
        return rc;
    x->segment = segment;
    return HOLOG_OK;
}

/* Exactly [offset, offset + len) of a segment. */
static int read_piece(struct hg_extent_reader *x, uint32_t segment, uint64_t offset, uint64_t len,
                      struct hg_image *out)
{
    int rc = open_segment(x, segment);
    if (rc < 0)
        return rc;
    rc = hg_image_read_file(x->file, offset, offset + len, out);
    if (rc < 0)
        return rc;
    x->bytes_read += len;
    if (hg_image_end(out) < offset + len) {
        uint64_t end = hg_image_end(out);
        hg_image_release(out);
        return hg_corrupt(segment, end, "the file ends at %" PRIu64 " inside an extent", end);
    }
    return HOLOG_OK;
}

static int check_piece(const struct hg_record *r, const struct hg_piece *p)
{
    if (p->segment != 0 && p->offset >= HG_SEGMENT_HEADER_SIZE && p->offset % HG_BLOCK == 0 &&
        p->offset <= HG_EXTENT_SEGMENT_MAX && p->len <= HG_EXTENT_SEGMENT_MAX)
        return HOLOG_OK;
    return hg_corrupt(r->segment, r->offset, "a record names an impossible extent");
}

int hg_extent_body(struct hg_extent_reader *x, const struct hg_record *r, struct hg_image *out,
                   const uint8_t **out_body)
{
    struct hg_image m = { 0 };
    int rc = check_piece(r, &r->body);

    if (rc < 0)
        return rc;
    rc = read_piece(x, r->body.segment, r->body.offset, r->body.len, &m);
    if (rc < 0)
        return rc;
    const uint8_t *body = m.data + (r->body.offset - m.at);
    if (!hg_hash_matches(r->body_hash, hg_hash64(body, (size_t)r->body.len))) {
        hg_image_release(&m);
        return hg_corrupt(r->body.segment, r->body.offset,
                          "a commit's list of records fails its hash");
    }
    *out = m;
    *out_body = body;
    return HOLOG_OK;
}

int hg_blocks_verify(const void *data, size_t len, const uint8_t *table, uint64_t first_block,
                     uint32_t segment, uint64_t offset)
{
    const uint8_t *p = data;

    for (size_t at = 0; at < len; at += HG_HASH_BLOCK) {
        struct hg_block_entry e;
        size_t n = HG_MIN(len - at, (size_t)HG_HASH_BLOCK);
        hg_block_entry_decode(table + (first_block + at / HG_HASH_BLOCK) * HG_BLOCK_ENTRY_SIZE, &e);
        if (e.stored_len != n || !hg_hash_matches(e.hash, hg_hash64(p + at, n)))
            return hg_corrupt(segment, offset + at, "a block of a value fails its hash");
    }
    return HOLOG_OK;
}

/* Its file is not there, and it is noted. */
static int is_noted(const struct hg_extent_reader *x, uint32_t segment)
{
    return x->edits != NULL && hg_edits_is_missing(x->edits, segment);
}

static int verify_piece(struct hg_extent_reader *x, const struct hg_record *r,
                        const struct hg_piece *p, uint64_t first_block)
{
    for (uint64_t at = 0; at < p->len; at += READ_BYTES) {
        uint64_t n = HG_MIN(p->len - at, (uint64_t)READ_BYTES);
        int rc = read_piece(x, p->segment, p->offset + at, n, &x->buf);
        if (rc == HOLOG_E_CORRUPT && is_noted(x, p->segment))
            return HOLOG_OK;
        if (rc < 0)
            return rc;
        rc = hg_blocks_verify(x->buf.data + (p->offset + at - x->buf.at), (size_t)n, r->table,
                              first_block + at / HG_HASH_BLOCK, p->segment, p->offset + at);
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

int hg_extent_verify_pieces(struct hg_extent_reader *x, const struct hg_record *r)
{
    uint64_t done = 0;
    size_t at = 0;
    struct hg_piece p;
    int rc;

    size_t table_len = (size_t)hg_block_count(r->value_len) * HG_BLOCK_ENTRY_SIZE;
    struct hg_hash128 hash = hg_hash128(r->table, table_len);
    if (!hg_hash_matches(r->hash.lo, hash.lo) || !hg_hash_matches(r->hash.hi, hash.hi))
        return hg_corrupt(r->segment, r->offset, "a block table does not match its value's hash");
    while ((rc = hg_pieces_next(r, &at, &p)) == HOLOG_OK) {
        rc = check_piece(r, &p);
        if (rc < 0)
            return rc;
        /* Blocks are counted from the value's start: only the last piece may end inside one. */
        if (done % HG_HASH_BLOCK != 0 || p.len > r->value_len - done)
            return hg_corrupt(r->segment, r->offset, "the pieces of a value do not fit together");
        rc = verify_piece(x, r, &p, done / HG_HASH_BLOCK);
        if (rc < 0)
            return rc;
        done += p.len;
    }
    if (rc != HOLOG_E_NOENT)
        return place_error(rc, r->segment, r->offset);
    if (done != r->value_len)
        return hg_corrupt(r->segment, r->offset, "the pieces of a value are too short for it");
    return HOLOG_OK;
}

/* A record list inside a record list is no use, and would let a file choose how deep we go. */
static int verify_inner_record(void *ctx, const struct hg_record *r)
{
    if (r->type == HG_REC_BODY)
        return hg_corrupt(r->segment, r->offset, "a list of records names another one");
    return r->n_pieces > 0 ? hg_extent_verify_pieces(ctx, r) : HOLOG_OK;
}

static int verify_record(void *ctx, const struct hg_record *r)
{
    struct hg_extent_reader *x = ctx;
    struct hg_image m = { 0 };
    const uint8_t *body = NULL;

    if (r->type == HG_REC_EDIT && x->edits != NULL)
        return hg_edits_record(x->edits, r);
    if (r->type != HG_REC_BODY)
        return verify_inner_record(ctx, r);
    int rc = hg_extent_body(x, r, &m, &body);
    if (rc < 0)
        return rc;
    rc = hg_body_each(body, (size_t)r->body.len, r->body.segment, r->body.offset,
                      verify_inner_record, x, NULL);
    hg_image_release(&m);
    return rc;
}

int hg_extent_verify_body(struct hg_extent_reader *x, const uint8_t *body, size_t len,
                          uint32_t segment, uint64_t body_start)
{
    return hg_body_each(body, len, segment, body_start, verify_record, x, NULL);
}
