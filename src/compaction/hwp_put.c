/*
 * A compressed segment as a file: pieces, groups, tables, footer; see hwp.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "compaction/hwp_writer.h"

#define PIECE ((size_t)1 << 20)

/* ---- pieces --------------------------------------------------------------------------------------*/

static uint64_t position(const struct hg_hwp_writer *w)
{
    return w->written + w->piece_len;
}

static int write_piece(struct hg_hwp_writer *w)
{
    int rc = hg_io_write_full(w->file, w->piece, w->piece_len, w->written, 0);

    if (rc == HOLOG_OK) {
        w->written += w->piece_len;
        w->piece_len = 0;
    }
    return rc;
}

static int put(struct hg_hwp_writer *w, const void *data, size_t len)
{
    const uint8_t *from = data;
    int rc = HOLOG_OK;

    if (len > w->header.capacity || position(w) > w->header.capacity - len)
        return hg_error(HOLOG_E_TOOBIG,
                        "compressed segment %08x is full: it may have %llu bytes; begin another",
                        (unsigned)w->header.id, (unsigned long long)w->header.capacity);
    while (rc == HOLOG_OK && len > 0) {
        size_t n = HG_MIN(len, PIECE - w->piece_len);
        memcpy(w->piece + w->piece_len, from, n);
        w->piece_len += n;
        from += n;
        len -= n;
        if (w->piece_len == PIECE)
            rc = write_piece(w);
    }
    return rc;
}

uint64_t hg_hwp_written(const struct hg_hwp_writer *w)
{
    return position(w) + w->pool.len;
}

/* ---- groups --------------------------------------------------------------------------------------*/

/* Adds up the slots' lengths, and puts the heads together. */
static int gather_heads(struct hg_hwp_writer *w, struct hg_hwp_group *g)
{
    size_t at = 0;

    w->heads.len = 0;
    for (unsigned pass = 0; pass < 2; pass++) { /* how many slots, and then what is in them */
        for (at = 0; at < w->blocks.len;) {
            struct hg_cold_head h;
            int rc = hg_cold_head_decode(w->blocks.data + at, w->blocks.len - at, &h);
            if (rc == HOLOG_OK && pass == 1)
                rc = hg_buf_append(&w->heads, w->blocks.data + at, h.head_bytes);
            if (rc < 0)
                return rc;
            at += h.head_bytes;
            g->slots = HG_MAX(g->slots, h.parts);
            g->tiles += pass;
            for (unsigned i = 0; i < h.parts; i++) {
                at += h.part[i].len;
                if (pass == 1)
                    g->slot[g->slots - h.parts + i] += h.part[i].len;
            }
        }
    }
    return HOLOG_OK;
}

/* The parts of all tiles that are in this slot. */
static int put_slot(struct hg_hwp_writer *w, const struct hg_hwp_group *g, unsigned slot)
{
    for (size_t at = 0; at < w->blocks.len;) {
        struct hg_cold_head h;
        int rc = hg_cold_head_decode(w->blocks.data + at, w->blocks.len - at, &h);
        if (rc < 0)
            return rc;
        at += h.head_bytes;
        for (unsigned i = 0; i < h.parts; i++) {
            if (rc == HOLOG_OK && g->slots - h.parts + i == slot)
                rc = put(w, w->blocks.data + at, h.part[i].len);
            at += h.part[i].len;
        }
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

int hg_hwp_put_group(struct hg_hwp_writer *w, enum hg_hwp_group_kind kind, uint64_t raw)
{
    struct hg_hwp_group g = { .offset = position(w), .raw = raw, .kind = (uint8_t)kind };
    int rc = gather_heads(w, &g);

    if (rc < 0)
        return rc;
    g.heads_len = (uint32_t)w->heads.len;
    g.heads_hash = hg_hash64(w->heads.data, w->heads.len);
    rc = put(w, w->heads.data, w->heads.len);
    for (unsigned i = 0; rc == HOLOG_OK && i < g.slots; i++)
        rc = put_slot(w, &g, i);
    if (rc < 0)
        return rc;
    w->raw += raw;
    return hg_buf_append(&w->groups, &g, sizeof g);
}

/* ---- create --------------------------------------------------------------------------------------*/

static int begin(struct hg_hwp_writer *w)
{
    uint8_t header[HG_SEGMENT_HEADER_SIZE];
    int rc = hg_workspaces_create(&w->workspaces);

    if (rc == HOLOG_OK)
        rc = hg_workspace_take(w->workspaces, &w->work);
    if (rc == HOLOG_OK) {
        w->piece = hg_alloc_aligned(HG_IO_BLOCK, PIECE);
        if (w->piece == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory to write a compressed segment");
    }
    if (rc == HOLOG_OK)
        rc = w->io->ops->open(w->io, w->name, HG_OPEN_WRITE | HG_OPEN_CREATE | HG_OPEN_DIRECT,
                              &w->file);
    if (rc < 0)
        return rc;
    w->is_there = 1;
    hg_segment_header_encode(&w->header, header);
    return put(w, header, sizeof header);
}

int hg_hwp_create(struct hg_io *io, const struct hg_segment_header *header, enum hg_profile profile,
                  struct hg_hwp_writer **out)
{
    struct hg_hwp_writer *w = hg_calloc(1, sizeof *w);
    int rc;

    HG_ASSERT(header->kind == HG_KIND_HWP);
    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to write a compressed segment");
    w->io = io;
    w->header = *header;
    w->profile = profile;
    hg_segment_tmp_name(w->name, header->id);
    rc = begin(w);
    if (rc < 0)
        hg_hwp_abort(w);
    else
        *out = w;
    return rc;
}

static void destroy(struct hg_hwp_writer *w)
{
    if (w->workspaces != NULL)
        hg_workspace_give(w->workspaces, w->work);
    hg_workspaces_destroy(w->workspaces);
    hg_free(w->piece);
    hg_buf_release(&w->blocks);
    hg_buf_release(&w->heads);
    hg_buf_release(&w->pool);
    hg_buf_release(&w->groups);
    hg_buf_release(&w->values);
    hg_buf_release(&w->pages);
    hg_buf_release(&w->sources);
    hg_free(w);
}

void hg_hwp_abort(struct hg_hwp_writer *w)
{
    struct holog_error_detail first;

    if (w == NULL)
        return;
    hg_error_get(&first);
    if (w->file != NULL)
        (void)w->io->ops->close(w->file); /* the file goes */
    if (w->is_there)
        (void)w->io->ops->unlink(w->io, w->name); /* else the next open does: it is a .tmp */
    destroy(w);
    hg_error_set(&first);
}

/* ---- tables --------------------------------------------------------------------------------------*/

static int by_birth(const void *a, const void *b)
{
    const struct hg_hwp_value *x = a;
    const struct hg_hwp_value *y = b;

    return (x->birth > y->birth) - (x->birth < y->birth);
}

static int by_id(const void *a, const void *b)
{
    const struct hg_hwp_source *x = a;
    const struct hg_hwp_source *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* The structs of a table in order, none twice. */
static int sort(struct hg_buf *b, size_t size, int (*compare)(const void *a, const void *b),
                const char *what, size_t *out_count)
{
    size_t n = b->len / size;

    *out_count = n;
    if (n > 0)
        qsort(b->data, n, size, compare);
    for (size_t i = 1; i < n; i++)
        if (compare(b->data + (i - 1) * size, b->data + i * size) == 0)
            return hg_error(HOLOG_E_INVAL, "a compressed segment was given a %s twice", what);
    return HOLOG_OK;
}

/* What is the same takes over what the other one is. */
static int fill_same(const struct hg_hwp_tables *t, struct hg_hwp_value *v)
{
    const struct hg_hwp_value *o = hg_hwp_tables_find(t, v->other);

    if (o == NULL || (o->flags & HG_HWP_SAME))
        return hg_error(HOLOG_E_INVAL,
                        "value %llu cannot be the same as %llu, which is not stored itself",
                        (unsigned long long)v->birth, (unsigned long long)v->other);
    v->len = o->len;
    v->shape = o->shape;
    v->sum = o->sum;
    v->csum = o->csum;
    v->flags = HG_HWP_SAME | (o->flags & HG_HWP_ARRAY);
    return HOLOG_OK;
}

static int check_base(const struct hg_hwp_tables *t, const struct hg_hwp_value *v)
{
    const struct hg_hwp_value *o = hg_hwp_tables_find(t, v->other);

    if (o == NULL || (o->other == 0 && o->len == v->len && hg_hwp_is_alike(&o->shape, &v->shape)))
        return HOLOG_OK;
    return hg_error(HOLOG_E_INVAL,
                    "value %llu cannot be the base of %llu: another shape, or a difference itself",
                    (unsigned long long)v->other, (unsigned long long)v->birth);
}

static int sort_tables(struct hg_hwp_writer *w, struct hg_hwp_tables *t)
{
    void *at[HG_HWP_TABLES] = { w->groups.data, w->values.data, w->pages.data, w->sources.data };
    int rc = sort(&w->values, sizeof *t->value, by_birth, "value", &t->count[HG_HWP_VALUES]);

    if (rc == HOLOG_OK)
        rc = sort(&w->sources, sizeof *t->source, by_id, "source", &t->count[HG_HWP_SOURCES]);
    t->count[HG_HWP_GROUPS] = w->groups.len / sizeof *t->group;
    t->count[HG_HWP_PAGES] = w->pages.len / sizeof *t->page; /* they came so */
    t->group = at[HG_HWP_GROUPS];
    t->value = at[HG_HWP_VALUES];
    t->page = at[HG_HWP_PAGES];
    t->source = at[HG_HWP_SOURCES];
    for (size_t i = 0; rc == HOLOG_OK && i < t->count[HG_HWP_VALUES]; i++) {
        if (t->value[i].flags & HG_HWP_SAME)
            rc = fill_same(t, &t->value[i]);
        else if (t->value[i].other != 0)
            rc = check_base(t, &t->value[i]);
    }
    return rc;
}

static void encode_entry(const struct hg_hwp_tables *t, enum hg_hwp_table table, size_t i,
                         uint8_t *out)
{
    switch (table) {
    case HG_HWP_GROUPS: hg_hwp_group_encode(&t->group[i], out); break;
    case HG_HWP_VALUES: hg_hwp_value_encode(&t->value[i], out); break;
    case HG_HWP_PAGES: hg_hwp_page_encode(&t->page[i], out); break;
    case HG_HWP_SOURCES:
    case HG_HWP_TABLES:
    default: hg_hwp_source_encode(&t->source[i], out); break;
    }
}

static int put_table(struct hg_hwp_writer *w, const struct hg_hwp_tables *t,
                     enum hg_hwp_table table, struct hg_hwp_extent *out)
{
    uint8_t entry[HG_HWP_VALUE_SIZE];
    size_t size = hg_hwp_entry_size(table);
    struct hg_hash_stream hash;
    int rc = HOLOG_OK;

    *out = (struct hg_hwp_extent){ .offset = position(w),
                                   .len = t->count[table] * size,
                                   .count = t->count[table] };
    hg_hash_stream_begin(&hash);
    for (size_t i = 0; rc == HOLOG_OK && i < t->count[table]; i++) {
        encode_entry(t, table, i, entry);
        hg_hash_stream_add(&hash, entry, size);
        rc = put(w, entry, size);
    }
    out->hash = hg_hash_stream_end(&hash);
    return rc;
}

/* ---- finish --------------------------------------------------------------------------------------*/

static int put_end(struct hg_hwp_writer *w, struct hg_hwp_footer *f)
{
    static const uint8_t zeros[HG_BLOCK];
    uint8_t footer[HG_HWP_FOOTER_SIZE] = { 0 };
    uint64_t end = position(w);
    int rc = put(w, zeros, HG_ALIGN_UP(end, (uint64_t)HG_BLOCK) - end);

    if (rc < 0)
        return rc;
    f->id = w->header.id;
    f->profile = (uint32_t)w->profile;
    f->epoch = w->header.epoch;
    memcpy(f->uuid, w->header.uuid, sizeof f->uuid);
    f->salt = w->header.salt;
    f->raw = w->raw;
    f->size = position(w) + HG_HWP_FOOTER_SIZE;
    if (f->size <= w->header.capacity) /* else put says so */
        hg_hwp_footer_encode(f, footer);
    rc = put(w, footer, sizeof footer);
    return rc < 0 || w->piece_len == 0 ? rc : write_piece(w);
}

static int close_file(struct hg_hwp_writer *w)
{
    int rc = w->io->ops->fdatasync(w->file);
    int closed = w->io->ops->close(w->file);

    w->file = NULL;
    return rc < 0 ? rc : closed;
}

static int finish(struct hg_hwp_writer *w, struct hg_hwp_info *info)
{
    struct hg_hwp_tables t = { 0 };
    struct hg_hwp_footer f = { 0 };
    int rc = hg_hwp_put_pool(w);

    if (rc == HOLOG_OK)
        rc = sort_tables(w, &t);
    f.stored = position(w) - HG_SEGMENT_HEADER_SIZE;
    for (unsigned i = 0; rc == HOLOG_OK && i < HG_HWP_TABLES; i++)
        rc = put_table(w, &t, (enum hg_hwp_table)i, &f.table[i]);
    if (rc == HOLOG_OK)
        rc = put_end(w, &f);
    if (rc == HOLOG_OK)
        rc = close_file(w);
    if (rc == HOLOG_OK && info != NULL) {
        *info = (struct hg_hwp_info){ .size = f.size, .raw = f.raw, .stored = f.stored };
        memcpy(info->count, t.count, sizeof info->count);
    }
    return rc;
}

int hg_hwp_finish(struct hg_hwp_writer *w, struct hg_hwp_info *info)
{
    int rc = w->rc < 0 ? w->rc : finish(w, info);

    if (rc < 0)
        hg_hwp_abort(w);
    else
        destroy(w);
    return rc;
}
