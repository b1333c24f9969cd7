/*
 * The list of segments: what lies in seg/, with headers and footer tails read, by id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "wal/recover_internal.h"

static int add_entry(struct hg_listing *l, uint32_t id, enum hg_segment_kind kind)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 32 : l->cap * 2;
        struct hg_listed *e = hg_realloc(l->e, cap * sizeof *e);
        if (e == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a list of %zu segments", cap);
        l->e = e;
        l->cap = cap;
    }
    memset(&l->e[l->n], 0, sizeof l->e[l->n]);
    l->e[l->n].s.id = id;
    l->e[l->n].s.kind = kind;
    l->n++;
    return HOLOG_OK;
}

/* Hex digits only, exactly n of them. */
static int parse_hex(const char *s, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return 0;
    }
    *out = v;
    return 1;
}

struct seg_dir {
    struct hg_listing *list;
    uint32_t id_limit;
};

static int see_segment_name(void *ctx, const char *name, int is_dir)
{
    struct seg_dir *d = ctx;
    uint64_t number = 0;
    uint32_t id = 0;
    enum hg_segment_kind kind = HG_KIND_FRAMES;

    int what = is_dir ? 0 : hg_segment_parse_name(name, &id, &kind);
    if (what == 2 && parse_hex(name, 8, &number))
        id = (uint32_t)number; /* ids are never used twice, not even that of a .tmp */
    d->list->id_max = HG_MAX(d->list->id_max, id);
    if (what != 1 || (kind == HG_KIND_FRAMES && d->id_limit != 0 && id > d->id_limit))
        return HOLOG_OK;
    return add_entry(d->list, id, kind);
}

void hg_quarantine_name(char *out, uint32_t segment, uint64_t offset, uint64_t number)
{
    (void)snprintf(out, HG_QUARANTINE_NAME_MAX, HG_QUARANTINE_DIR "/%08x-%08llx-%016llx",
                   (unsigned)segment, (unsigned long long)offset, (unsigned long long)number);
}

static int see_quarantine_name(void *ctx, const char *name, int is_dir)
{
    struct hg_listing *l = ctx;
    uint64_t id = 0;
    uint64_t offset = 0;
    uint64_t number = 0;

    if (is_dir || strlen(name) < 34 || !parse_hex(name, 8, &id) || name[8] != '-' ||
        !parse_hex(name + 9, 8, &offset) || name[17] != '-' || !parse_hex(name + 18, 16, &number))
        return HOLOG_OK;
    l->id_max = HG_MAX(l->id_max, (uint32_t)id);
    l->number_max = HG_MAX(l->number_max, number);
    return HOLOG_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct hg_listed *x = a;
    const struct hg_listed *y = b;
    if (x->s.id != y->s.id)
        return x->s.id < y->s.id ? -1 : 1;
    return x->s.kind < y->s.kind ? -1 : x->s.kind > y->s.kind;
}

static void note_header_error(struct hg_listed *e, int rc)
{
    struct holog_error_detail d;
    hg_error_get(&d);
    e->header_rc = rc;
    (void)snprintf(e->why, sizeof e->why, "%.150s", d.message);
}

/* A footer tail that is not ours counts as none: frames are read then. */
static void take_tail(struct hg_listed *e, const uint8_t *tail)
{
    struct hg_log_segment *s = &e->s;

    if (hg_footer_tail_decode(tail, s->file_size, &s->tail) < 0)
        return;
    s->sealed = s->tail.segment == s->id && s->tail.epoch == s->header.epoch &&
                s->tail.salt == s->header.salt &&
                memcmp(s->tail.uuid, s->header.uuid, sizeof s->tail.uuid) == 0 &&
                s->tail.frames_end >= HG_SEGMENT_HEADER_SIZE &&
                s->tail.chunks_at == HG_ALIGN8(s->tail.frames_end);
}

static int read_head_and_tail(struct hg_file *f, struct hg_listed *e)
{
    struct hg_log_segment *s = &e->s;
    struct hg_image m = { 0 };

    if (s->file_size < HG_SEGMENT_HEADER_SIZE) {
        int rc = hg_corrupt(s->id, s->file_size, "the file is shorter than a segment header");
        note_header_error(e, rc);
        return HOLOG_OK;
    }
    int rc = hg_image_read_file(f, 0, HG_SEGMENT_HEADER_SIZE, &m);
    if (rc < 0)
        return rc;
    if (m.len < HG_SEGMENT_HEADER_SIZE)
        rc = hg_corrupt(s->id, m.len, "the file is shorter than a segment header");
    else
        rc = hg_segment_header_decode(m.data, s->id, s->kind, &s->header);
    if (rc < 0) {
        note_header_error(e, rc);
        e->misnamed = rc == HOLOG_E_CORRUPT && m.len >= HG_SEGMENT_HEADER_SIZE &&
                      hg_segment_header_decode(m.data, hg_get_le32(m.data + HG_SEGMENT_ID_AT),
                                               hg_get_le32(m.data + HG_SEGMENT_KIND_AT),
                                               &s->header) == HOLOG_OK;
    }
    hg_image_release(&m);
    if (rc < 0) {
        return rc == HOLOG_E_NOMEM || rc == HOLOG_E_IO ? rc : HOLOG_OK;
    }
    if (s->kind != HG_KIND_FRAMES || s->file_size < HG_SEGMENT_HEADER_SIZE + HG_FOOTER_TAIL_SIZE)
        return HOLOG_OK;
    uint64_t at = s->file_size - HG_FOOTER_TAIL_SIZE;
    rc = hg_image_read_file(f, at, s->file_size, &m);
    if (rc < 0)
        return rc;
    if (hg_image_end(&m) >= s->file_size)
        take_tail(e, m.data + (at - m.at));
    hg_image_release(&m);
    return HOLOG_OK;
}

static int read_entry(struct hg_io *io, unsigned flags, struct hg_listed *e)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;
    struct hg_file_info info;

    hg_segment_name(name, e->s.id, e->s.kind);
    int rc = io->ops->open(io, name, flags, &f);
    if (rc < 0)
        return rc;
    rc = io->ops->info(f, &info);
    if (rc >= 0) {
        e->s.file_size = info.size_bytes;
        rc = read_head_and_tail(f, e);
    }
    (void)io->ops->close(f); /* only read: nothing to lose */
    return rc;
}

/* HOLOG_E_NOENT of a directory that is not there is an empty one. */
static int read_dir_if_any(struct hg_io *io, const char *dir,
                           int (*each)(void *ctx, const char *name, int is_dir), void *ctx)
{
    int there = 0;
    int rc = io->ops->exists(io, dir, &there);
    if (rc < 0 || !there)
        return rc;
    return io->ops->read_dir(io, dir, each, ctx);
}

int hg_listing_read(struct hg_io *io, unsigned flags, uint32_t id_limit, struct hg_listing *out)
{
    struct hg_listing l = { 0 };
    struct seg_dir d = { .list = &l, .id_limit = id_limit };

    int rc = read_dir_if_any(io, HG_SEG_DIR, see_segment_name, &d);
    if (rc >= 0)
        rc = read_dir_if_any(io, HG_QUARANTINE_DIR, see_quarantine_name, &l);
    if (rc >= 0 && l.n > 1)
        qsort(l.e, l.n, sizeof *l.e, by_id);
    for (size_t i = 0; rc >= 0 && i < l.n;) {
        rc = read_entry(io, flags, &l.e[i]);
        if (rc == HOLOG_E_NOENT) { /* removed since, by a writer beside us */
            memmove(&l.e[i], &l.e[i + 1], (--l.n - i) * sizeof *l.e);
            rc = HOLOG_OK;
        } else {
            i++;
        }
    }
    if (rc < 0) {
        hg_listing_release(&l);
        return rc;
    }
    *out = l;
    return HOLOG_OK;
}

void hg_listing_release(struct hg_listing *l)
{
    hg_free(l->e);
    *l = (struct hg_listing){ 0 };
}

size_t hg_listing_next_log(const struct hg_listing *l, size_t i)
{
    while (i < l->n && l->e[i].s.kind != HG_KIND_FRAMES)
        i++;
    return i;
}

struct hg_listed *hg_listing_find(const struct hg_listing *l, uint32_t id)
{
    size_t low = 0;
    size_t high = l->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->e[mid].s.id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->n && l->e[low].s.id == id ? &l->e[low] : NULL;
}

int hg_listing_misnamed(const struct hg_listing *l, const struct hg_listed *e,
                        const struct hg_super *super, char advice[HG_ADVICE_MAX])
{
    const struct hg_segment_header *h = &e->s.header;
    char own[HG_FILE_NAME_MAX];
    int taken = 0;

    if (!e->misnamed || (super != NULL && (memcmp(h->uuid, super->uuid, sizeof h->uuid) != 0 ||
                                           h->salt != super->salt)))
        return 0;
    for (size_t i = 0; i < l->n; i++)
        taken |= l->e[i].s.id == h->id && l->e[i].s.kind == h->kind;
    hg_segment_name(own, h->id, h->kind);
    if (taken)
        (void)snprintf(advice, HG_ADVICE_MAX,
                       "its header belongs to %s, which is there too: take this one out of seg/",
                       own);
    else
        (void)snprintf(advice, HG_ADVICE_MAX, "its header belongs to segment %u: rename it to %s",
                       (unsigned)h->id, own);
    return 1;
}

int hg_footer_load(struct hg_io *io, unsigned flags, const struct hg_log_segment *s,
                   const struct hg_footer_visitor *v)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_image m = { 0 };
    uint64_t at = s->tail.chunks_at;

    if (s->file_size > HG_LOG_FILE_MAX || at > s->file_size)
        return hg_corrupt(s->id, at, "a footer of impossible size");
    hg_segment_name(name, s->id, s->kind);
    int rc = hg_image_read(io, name, flags, at, s->file_size, &m);
    if (rc < 0)
        return rc;
    if (hg_image_end(&m) < s->file_size)
        rc = hg_corrupt(s->id, hg_image_end(&m), "the file ends inside its footer");
    else
        rc = hg_footer_walk(&s->tail, m.data + (at - m.at), (size_t)(s->file_size - at),
                            s->header.first_number, v);
    hg_image_release(&m);
    return rc;
}
