/*
 * The blocks of a large value: read from its extents, several reads under way at once, and checked against
 * the table of its record. Who knows which value is wanted next has its reads begun ahead.
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"
#include "wal/frame.h"

/* ---- one read --------------------------------------------------------------------------------------*/

/* 1: the bytes have been moved; they are read at the end, which is no later than anybody wants them. */
static int begin_cold(holog_store *s, struct hg_extent_read *r, hg_pos birth)
{
    if (birth == 0 || !hg_cold_has(s->cold, birth))
        return 0;
    r->cold = birth;
    r->used = 1;
    return 1;
}

int hg_extent_read_begin(holog_store *s, struct hg_extent_read *r, hg_pos birth, uint64_t value_at,
                         uint32_t segment, uint64_t offset, uint8_t *buf, size_t len)
{
    struct hg_req *list[1] = { &r->req };
    struct holog_error_detail before;
    struct hg_file *file;
    int rc;

    *r = (struct hg_extent_read){ .segment = segment, .len = len, .value_at = value_at };
    r->req = (struct hg_req){ .buf = buf, .offset = offset };
    if (begin_cold(s, r, birth))
        return HOLOG_OK;
    hg_error_get(&before);
    rc = hg_files_get(s->files, segment, HG_KIND_EXTENTS, &file);
    if (rc == HOLOG_E_STALE && begin_cold(s, r, birth)) { /* just now */
        hg_error_set(&before);
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    r->file = file;
    r->req = (struct hg_req){ .op = HG_REQ_READ,
                              .file = file,
                              .buf = buf,
                              .len_bytes = HG_ALIGN_UP(len, (size_t)HG_BLOCK),
                              .offset = offset };
    rc = s->io->ops->submit(s->io, list, 1);
    if (rc < 0)
        hg_files_put(s->files, segment);
    else
        r->used = 1;
    return rc;
}

/* A read failed. Where the file ends before what was asked for, that is no failure of the disk: the
 * rest of an extent's last block may be missing, and anything more is damage. */
static int read_to_end(holog_store *s, struct hg_extent_read *r, int rc)
{
    struct hg_file_info info;
    size_t n = 0;

    if (s->io->ops->info(r->file, &info) < 0 || info.size_bytes >= r->req.offset + r->req.len_bytes)
        return rc;
    rc = hg_files_read(s->files, r->segment, HG_KIND_EXTENTS, r->req.buf, r->req.len_bytes,
                       r->req.offset, &n);
    if (rc == HOLOG_OK && n < r->len)
        rc = hg_corrupt(r->segment, r->req.offset + n, "the extent segment ends inside a value");
    return rc;
}

int hg_extent_read_end(holog_store *s, struct hg_extent_read *r)
{
    int rc;

    r->used = 0;
    if (r->cold != 0)
        return hg_cold_read(s->cold, r->cold, r->value_at, r->value_at + r->len, r->req.buf);
    rc = s->io->ops->wait(s->io, &r->req);
    if (rc == HOLOG_E_IO)
        rc = read_to_end(s, r, rc);
    else if (rc == HOLOG_OK)
        hg_files_count_read(s->files, r->req.len_bytes);
    hg_files_put(s->files, r->segment);
    return rc;
}

void hg_extent_read_drop(holog_store *s, struct hg_extent_read *r)
{
    if (!r->used || r->cold != 0) {
        r->used = 0;
        return;
    }
    (void)s->io->ops->wait(s->io, &r->req); /* an earlier failure is being reported */
    hg_files_put(s->files, r->segment);
    r->used = 0;
}

/* ---- blocks of a value ---------------------------------------------------------------------------*/

/* From `from`, where a block begins, to `to`, where one or the value ends; buf has room for these bytes, up to
 * a multiple of HG_BLOCK. */
static void reading_start(struct hg_value_reading *g, const struct hg_record *rec, const char *path,
                          uint64_t from, uint64_t to, uint8_t *buf)
{
    memset(g, 0, sizeof *g);
    g->rec = rec;
    g->path = path;
    g->buf = buf;
    g->from = from;
    g->value_at = from;
    g->to = to;
}

static void reading_drop(holog_store *s, struct hg_value_reading *g)
{
    for (unsigned i = 0; i < HG_READS_IN_FLIGHT; i++)
        hg_extent_read_drop(s, &g->read[i]);
}

/* The oldest of its reads, which is under way, ends. */
static int reading_end_one(holog_store *s, struct hg_value_reading *g)
{
    struct hg_extent_read *r = &g->read[g->done % HG_READS_IN_FLIGHT];
    uint8_t *bytes = r->req.buf;
    uint64_t value_at = g->from + (uint64_t)(bytes - g->buf);
    int rc = hg_extent_read_end(s, r);

    g->done++;
    if (rc == HOLOG_OK)
        rc = hg_blocks_verify(bytes, r->len, g->rec->table, value_at / HG_HASH_BLOCK, r->segment,
                              r->req.offset);
    if (rc == HOLOG_E_CORRUPT)
        hg_error_name_path(g->path, strlen(g->path));
    return rc;
}

/* The piece that value_at lies in. */
static int find_piece(struct hg_value_reading *g)
{
    while (g->value_at - g->piece_at >= g->piece.len) {
        int rc;
        g->piece_at += g->piece.len;
        rc = hg_pieces_next(g->rec, &g->next_piece, &g->piece);
        if (rc < 0)
            return rc;
        if (g->piece.len == 0 || g->piece.len > g->rec->value_len - g->piece_at)
            return hg_corrupt(g->piece.segment, g->piece.offset,
                              "%s: the pieces are longer than the value", g->path);
    }
    return HOLOG_OK;
}

/* One more read begins. There is room for it. */
static int reading_begin_one(holog_store *s, struct hg_value_reading *g)
{
    uint64_t in_piece;
    uint64_t len;
    int rc = find_piece(g);

    if (rc < 0)
        return rc;
    in_piece = g->value_at - g->piece_at;
    len = HG_MIN((uint64_t)HG_READ_CHUNK, g->piece.len - in_piece);
    len = HG_MIN(len, g->to - g->value_at);
    rc = hg_extent_read_begin(s, &g->read[g->begun % HG_READS_IN_FLIGHT],
                              hg_pos_make(g->rec->segment, g->rec->offset), g->value_at,
                              g->piece.segment, g->piece.offset + in_piece,
                              g->buf + (g->value_at - g->from), (size_t)len);
    if (rc < 0)
        return rc;
    g->value_at += len;
    g->begun++;
    return HOLOG_OK;
}

/* As many reads as there may be at once. */
static int reading_fill(holog_store *s, struct hg_value_reading *g)
{
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && g->value_at < g->to && g->begun - g->done < HG_READS_IN_FLIGHT)
        rc = reading_begin_one(s, g);
    return rc;
}

/* All its blocks, verified; whatever comes of it, no read is under way after. */
static int reading_finish(holog_store *s, struct hg_value_reading *g)
{
    int rc = reading_fill(s, g);

    while (rc == HOLOG_OK && g->done < g->begun) {
        rc = reading_end_one(s, g);
        if (rc == HOLOG_OK)
            rc = reading_fill(s, g);
    }
    reading_drop(s, g);
    return rc;
}

static int read_once(holog_store *s, const struct hg_record *rec, const char *path, uint64_t from,
                     uint64_t to, uint8_t *buf)
{
    struct hg_value_reading g;

    reading_start(&g, rec, path, from, to, buf);
    return reading_finish(s, &g);
}

int hg_value_read_blocks(holog_store *s, const struct hg_record *rec, const char *path,
                         uint64_t from, uint64_t to, uint8_t *buf)
{
    int rc = read_once(s, rec, path, from, to, buf);

    if (rc == HOLOG_E_CORRUPT && s->log != NULL) {
        /* SYNC_NONE: it may still be on its way to the disk. */
        hg_log_extents_settle(s->log);
        rc = read_once(s, rec, path, from, to, buf);
    }
    return rc;
}

/* What the last block's padding holds is not the value's. */
static void clear_padding(struct hg_mem *m)
{
    if (m->cap > m->len)
        memset(m->data + m->len, 0, HG_MIN(m->cap - m->len, (size_t)HG_BLOCK));
}

int hg_value_read_part(holog_store *s, const struct hg_record *rec, const char *path, uint64_t from,
                       uint64_t to, struct hg_mem **out_mem)
{
    struct hg_mem *m = NULL;
    int rc;

    hg_staged_collect(s); /* their memory may be what this one needs */
    rc = hg_mem_new(s->cache, (size_t)(to - from), &m);
    if (rc == HOLOG_OK)
        rc = hg_value_read_blocks(s, rec, path, from, to, m->data);
    if (rc < 0) {
        hg_mem_put(m);
        return rc;
    }
    clear_padding(m);
    *out_mem = m;
    return HOLOG_OK;
}

int hg_value_read_large(holog_store *s, const struct hg_record *rec, const char *path,
                        struct hg_mem **out_mem)
{
    return hg_value_read_part(s, rec, path, 0, rec->value_len, out_mem);
}

/* ---- ahead ---------------------------------------------------------------------------------------*/

/* What it holds is not evicted. */
static int begin(holog_store *s, const struct hg_locator *loc, struct hg_value_ahead *a)
{
    int rc = hg_record_read(s, loc, a->path, &a->record);

    if (rc < 0)
        return rc;
    if (a->record.rec.type == HG_REC_LARGE)
        rc = a->passing ? hg_mem_new_passing(s->cache, (size_t)loc->size, &a->mem)
                        : hg_mem_new(s->cache, (size_t)loc->size, &a->mem);
    if (rc == HOLOG_OK && a->mem != NULL) {
        reading_start(&a->reading, &a->record.rec, a->path, 0, loc->size, a->mem->data);
        rc = reading_fill(s, &a->reading);
    }
    if (rc == HOLOG_OK && a->mem != NULL) {
        a->birth = hg_pos_make(loc->segment, loc->offset);
        return HOLOG_OK;
    }
    if (a->mem != NULL)
        reading_drop(s, &a->reading);
    hg_record_release(&a->record);
    return rc;
}

void hg_value_ahead_begin(holog_store *s, const struct hg_locator *loc, const char *path,
                          int passing, struct hg_value_ahead *out)
{
    struct holog_error_detail before;

    out->birth = 0;
    out->mem = NULL;
    out->passing = passing;
    out->ready = 0;
    out->path = path;
    if (loc->segment == 0 || loc->size <= s->inline_max)
        return;
    hg_error_get(&before);
    hg_staged_collect(s);
    out->mem = hg_cache_hold(s->cache, hg_pos_make(loc->segment, loc->offset));
    if (out->mem != NULL || begin(s, loc, out) == HOLOG_OK)
        return;
    hg_mem_put(out->mem);
    out->mem = NULL;
    hg_error_set(&before); /* who wants the value finds out, and says so */
}

void hg_value_ahead_end(holog_store *s, struct hg_value_ahead *a)
{
    struct holog_error_detail before;

    if (a->birth != 0) {
        hg_error_get(&before);
        if (reading_finish(s, &a->reading) == HOLOG_OK) {
            clear_padding(a->mem);
            a->ready = a->passing;
            if (!a->passing)
                hg_cache_offer(s->cache, a->birth, a->mem, 0);
        } else {
            hg_error_set(&before);
        }
        hg_record_release(&a->record);
        a->birth = 0;
    }
}

void hg_value_ahead_drop(holog_store *s, struct hg_value_ahead *a)
{
    if (a->birth != 0) {
        reading_drop(s, &a->reading);
        hg_record_release(&a->record);
    }
    hg_mem_put(a->mem);
    a->birth = 0;
    a->mem = NULL;
    a->ready = 0;
}
