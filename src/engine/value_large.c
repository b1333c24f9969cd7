/*
 * The blocks of a large value: read from its extents, several reads under way at once, and checked against
 * the table of its record. Who knows which value is wanted next has its reads begun ahead.
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"
#include "wal/frame.h"

/* ---- one read --------------------------------------------------------------------------------------*/

int hg_extent_read_begin(holog_store *s, struct hg_extent_read *r, uint32_t segment,
                         uint64_t offset, uint8_t *buf, size_t len)
{
    struct hg_req *list[1] = { &r->req };
    struct hg_file *file;
    int rc = hg_files_get(s->files, segment, HG_KIND_EXTENTS, &file);

    if (rc < 0)
        return rc;
    *r = (struct hg_extent_read){ .file = file, .segment = segment, .len = len };
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
    int rc = s->io->ops->wait(s->io, &r->req);

    r->used = 0;
    if (rc == HOLOG_E_IO)
        rc = read_to_end(s, r, rc);
    hg_files_put(s->files, r->segment);
    return rc;
}

void hg_extent_read_drop(holog_store *s, struct hg_extent_read *r)
{
    if (!r->used)
        return;
    (void)s->io->ops->wait(s->io, &r->req); /* an earlier failure is being reported */
    hg_files_put(s->files, r->segment);
    r->used = 0;
}

/* ---- all blocks of a value -----------------------------------------------------------------------*/

static void reading_start(struct hg_value_reading *g, const struct hg_record *rec, const char *path,
                          struct hg_mem *m)
{
    memset(g, 0, sizeof *g);
    g->rec = rec;
    g->path = path;
    g->mem = m;
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
    uint64_t value_at = (uint64_t)((uint8_t *)r->req.buf - g->mem->data);
    int rc = hg_extent_read_end(s, r);

    g->done++;
    if (rc == HOLOG_OK)
        rc = hg_blocks_verify(g->mem->data + value_at, r->len, g->rec->table,
                              value_at / HG_HASH_BLOCK, r->segment, r->req.offset);
    if (rc == HOLOG_E_CORRUPT)
        hg_error_name_path(g->path, strlen(g->path));
    return rc;
}

/* One more read begins, of the blocks from value_at on. There is room for it. */
static int reading_begin_one(holog_store *s, struct hg_value_reading *g)
{
    struct hg_extent_read *r = &g->read[g->begun % HG_READS_IN_FLIGHT];
    struct hg_piece *p = &g->piece;
    uint64_t len;
    int rc;

    if (g->in_piece == p->len) {
        rc = hg_pieces_next(g->rec, &g->next_piece, p);
        if (rc < 0)
            return rc;
        g->in_piece = 0;
    }
    len = HG_MIN((uint64_t)HG_READ_CHUNK, p->len - g->in_piece);
    if (len > g->rec->value_len - g->value_at || p->len == 0)
        return hg_corrupt(p->segment, p->offset, "%s: the pieces are longer than the value",
                          g->path);
    rc = hg_extent_read_begin(s, r, p->segment, p->offset + g->in_piece, g->mem->data + g->value_at,
                              (size_t)len);
    if (rc < 0)
        return rc;
    g->in_piece += len;
    g->value_at += len;
    g->begun++;
    return HOLOG_OK;
}

/* As many reads as there may be at once. */
static int reading_fill(holog_store *s, struct hg_value_reading *g)
{
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && g->value_at < g->rec->value_len &&
           g->begun - g->done < HG_READS_IN_FLIGHT)
        rc = reading_begin_one(s, g);
    return rc;
}

/* Every block of the value, verified; whatever comes of it, no read is under way after. */
static int reading_finish(holog_store *s, struct hg_value_reading *g)
{
    int rc = reading_fill(s, g);

    while (rc == HOLOG_OK && g->done < g->begun) {
        rc = reading_end_one(s, g);
        if (rc == HOLOG_OK)
            rc = reading_fill(s, g);
    }
    reading_drop(s, g);
    if (rc == HOLOG_OK &&
        g->mem->cap > g->mem->len) /* the last block's padding is not the value's */
        memset(g->mem->data + g->mem->len, 0, HG_MIN(g->mem->cap - g->mem->len, (size_t)HG_BLOCK));
    return rc;
}

static int read_blocks(holog_store *s, const struct hg_record *rec, const char *path,
                       struct hg_mem *m)
{
    struct hg_value_reading g;

    reading_start(&g, rec, path, m);
    return reading_finish(s, &g);
}

int hg_value_read_large(holog_store *s, const struct hg_record *rec, const char *path,
                        struct hg_mem **out_mem)
{
    struct hg_mem *m = NULL;
    int rc;

    hg_staged_collect(s); /* their memory may be what this one needs */
    rc = hg_mem_new(s->cache, (size_t)rec->value_len, &m);
    if (rc < 0)
        return rc;
    rc = read_blocks(s, rec, path, m);
    if (rc == HOLOG_E_CORRUPT && s->log != NULL) {
        /* SYNC_NONE: it may still be on its way to the disk. */
        hg_log_extents_settle(s->log);
        rc = read_blocks(s, rec, path, m);
    }
    if (rc < 0) {
        hg_mem_put(m);
        return rc;
    }
    *out_mem = m;
    return HOLOG_OK;
}

/* ---- ahead ---------------------------------------------------------------------------------------*/

/* What it holds is not evicted. */
static int begin(holog_store *s, const struct hg_locator *loc, struct hg_value_ahead *a)
{
    int rc = hg_record_read(s, loc, a->path, &a->record);

    if (rc < 0)
        return rc;
    if (a->record.rec.type == HG_REC_LARGE)
        rc = hg_mem_new(s->cache, (size_t)loc->size, &a->mem);
    if (rc == HOLOG_OK && a->mem != NULL) {
        reading_start(&a->reading, &a->record.rec, a->path, a->mem);
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
                          struct hg_value_ahead *out)
{
    struct holog_error_detail before;

    out->birth = 0;
    out->mem = NULL;
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
        if (reading_finish(s, &a->reading) == HOLOG_OK)
            hg_cache_offer(s->cache, a->birth, a->mem, 0);
        else
            hg_error_set(&before);
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
}
