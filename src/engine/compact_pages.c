/*
 * The pages of a compaction: what lives in frame segments that are to go, and in pages of those that went before, is
 * copied as it is, at the offsets that it has. Births go on to be names of places; nobody who reads a record has to know.
 *
 * A frame segment is read once, all of its frames are verified, and what is written comes from the same memory: damage
 * is found here and not carried on. Nobody can ask a frame for its hash again, once parts of it are gone. Record lists in
 * extents are the same to us; their records are verified one by one, as by who reads them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/compact.h"
#include "wal/walk.h"

/* ---- what lives ----------------------------------------------------------------------------------*/

/* In a victim, or in pages that a victim has. */
static int is_moved(const struct hg_compaction *c, uint32_t segment)
{
    uint32_t home;

    if (hg_compact_victim(c, segment) != NULL)
        return 1;
    home = hg_cold_home(c->store->cold, segment);
    return home != 0 && hg_compact_victim(c, home) != NULL;
}

static int by_place(const void *a, const void *b)
{
    const struct hg_moving_run *x = a;
    const struct hg_moving_run *y = b;

    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

/* Those that touch become one. */
static void join_runs(struct hg_compaction *c)
{
    struct hg_moving_run *r = (struct hg_moving_run *)(void *)c->runs.data;
    size_t n = c->runs.len / sizeof *r;
    size_t kept = 0;

    if (n > 0)
        qsort(r, n, sizeof *r, by_place);
    for (size_t i = 0; i < n; i++) {
        struct hg_moving_run *last = kept > 0 ? &r[kept - 1] : NULL;
        if (last != NULL && last->segment == r[i].segment && r[i].from <= last->to)
            last->to = HG_MAX(last->to, r[i].to);
        else
            r[kept++] = r[i];
    }
    c->runs.len = kept * sizeof *r;
    for (size_t i = 0; i < kept; i++)
        c->run_bytes += r[i].to - r[i].from;
    c->bytes += c->run_bytes;
}

/* Frames are verified when they are read; pages have been. */
static int verify_record(struct hg_compaction *c, const struct hg_live_thing *t,
                         struct hg_record_read *room)
{
    const struct hg_segment_entry *v = hg_compact_victim(c, t->segment);

    if (v == NULL || v->kind != HG_KIND_EXTENTS)
        return HOLOG_OK;
    return hg_record_at(c->store, t->birth, t->path != NULL ? t->path : "a value", room);
}

int hg_compact_gather_runs(struct hg_compaction *c)
{
    const struct hg_live_thing *t = (const struct hg_live_thing *)(const void *)c->live.things.data;
    struct hg_record_read record = { 0 };
    uint32_t segment = 0;
    int moves = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < c->live.things.len / sizeof *t && rc == HOLOG_OK; i++) {
        struct hg_moving_run run = { t[i].segment, (uint32_t)t[i].offset,
                                     (uint32_t)(t[i].offset + t[i].len) };
        if (t[i].kind == HG_LIVE_PIECE)
            continue;
        if (t[i].segment != segment)
            moves = is_moved(c, t[i].segment);
        segment = t[i].segment;
        c->records += moves && t[i].kind == HG_LIVE_RECORD;
        if (moves)
            rc = hg_buf_append(&c->runs, &run, sizeof run);
        if (rc == HOLOG_OK && moves && t[i].kind == HG_LIVE_RECORD)
            rc = verify_record(c, &t[i], &record);
    }
    hg_record_release(&record);
    join_runs(c);
    return rc;
}

/* ---- where it comes from -------------------------------------------------------------------------*/

struct copying {
    struct hg_compaction *c;
    holog_store *s;
    struct hg_hwp_writer *writer;
    enum hg_segment_kind kind; /* of where the segment at hand has its bytes; HG_KIND_HWP: they were
                                  moved before */
    struct hg_image image;     /* of frames: all of them */
    uint64_t taken;            /* of the budget, for it */
    uint8_t *source;           /* a page of bytes, as they are */
    uint8_t *page;             /* what lives of it */
    struct hg_buf runs;        /* struct hg_hwp_run, of the page at hand */
};

static int verify_frames(const struct copying *p, uint32_t segment, uint64_t end)
{
    struct hg_segment_header h;
    struct hg_walk w;
    int rc = p->image.len < HG_SEGMENT_HEADER_SIZE
                 ? hg_corrupt(segment, 0, "the segment is shorter than its header")
                 : hg_segment_header_decode(p->image.data, segment, HG_KIND_FRAMES, &h);

    if (rc < 0)
        return rc;
    hg_walk_begin(&w, &h, &p->image, end, &(struct hg_link){ .number = h.pred_number });
    w.alone = 1;
    while ((rc = hg_walk_next(&w)) > 0)
        continue;
    if (rc == HOLOG_OK && w.end != end)
        rc = hg_corrupt(segment, w.bad_at,
                        "the frame here is damaged or missing: what lives in its "
                        "segment is not moved");
    return rc;
}

static void drop_image(struct copying *p)
{
    hg_image_release(&p->image);
    p->image = (struct hg_image){ 0 };
    hg_budget_give(p->s->cache, p->taken);
    p->taken = 0;
}

static int read_image(struct copying *p, uint32_t segment, uint64_t size)
{
    struct hg_file *f = NULL;
    int rc = hg_budget_take(p->s->cache, size);

    if (rc < 0)
        return rc;
    p->taken = size;
    rc = hg_files_get(p->s->files, segment, HG_KIND_FRAMES, &f);
    if (rc < 0)
        return rc;
    rc = hg_image_read_file(f, 0, size, &p->image);
    hg_files_put(p->s->files, segment);
    return rc;
}

/* All of it, verified, when it is still there as it was written. */
static int take_segment(struct copying *p, uint32_t segment)
{
    const struct hg_segment_entry *v = hg_compact_victim(p->c, segment);
    struct hg_digest *d = NULL;
    int rc;

    drop_image(p);
    p->kind = v == NULL ? HG_KIND_HWP : (enum hg_segment_kind)v->kind;
    if (p->kind != HG_KIND_FRAMES)
        return HOLOG_OK;
    rc = hg_digest_get(p->s->refs, segment, &d);
    if (rc == HOLOG_E_NOENT)
        rc = hg_corrupt(segment, 0, "the segment has no end any more");
    if (rc == HOLOG_OK)
        rc = read_image(p, segment, hg_digest_file_size(d));
    if (rc == HOLOG_OK)
        rc = verify_frames(p, segment, hg_digest_frames_end(d));
    hg_digest_put(p->s->refs, d);
    return rc;
}

/* Bytes of a page: from the image, or from where they were moved to before. */
static int take_page(struct copying *p, uint32_t segment, uint32_t page, const uint8_t **out)
{
    uint64_t at = (uint64_t)page * HG_PAGE_BYTES;
    size_t n = 0;
    int rc;

    *out = p->source;
    if (p->kind == HG_KIND_FRAMES) {
        *out = p->image.data + HG_MIN(at, p->image.len);
        return HOLOG_OK;
    }
    if (p->kind == HG_KIND_EXTENTS) /* a record that is cut short has been found to be */
        return hg_files_read(p->s->files, segment, p->kind, p->source, HG_PAGE_BYTES, at, &n);
    rc = hg_cold_bytes(p->s->cold, segment, (uint64_t)page * HG_HWP_PAGE, p->source, HG_HWP_PAGE,
                       NULL);
    return rc == 1 ? hg_corrupt(segment, at, "what lives here is not where it was moved to") : rc;
}

/* ---- writing -------------------------------------------------------------------------------------*/

static int add_run(struct copying *p, const uint8_t *source, uint32_t segment, uint32_t page,
                   uint64_t from, uint64_t to)
{
    uint64_t start = (uint64_t)page * HG_PAGE_BYTES;
    struct hg_hwp_run run = { .offset = (uint32_t)(from - start),
                              .len = (uint32_t)(to - from),
                              .bytes = p->page + (from - start) };

    if (p->kind == HG_KIND_FRAMES && to > p->image.len)
        return hg_corrupt(segment, p->image.len, "what lives here is behind the end of the file");
    memcpy(p->page + run.offset, source + run.offset, run.len);
    return hg_buf_append(&p->runs, &run, sizeof run);
}

/* What lives in the page where r[*i] has got to (*at), up to the next page. */
static int write_page(struct copying *p, const struct hg_moving_run *r, size_t n, size_t *i,
                      uint64_t *at)
{
    uint32_t segment = r[*i].segment;
    uint32_t page = (uint32_t)(*at / HG_PAGE_BYTES);
    uint64_t end = ((uint64_t)page + 1) * HG_PAGE_BYTES;
    struct hg_moved_page moved = { .segment = segment, .page = page };
    const uint8_t *source = NULL;
    int rc = take_page(p, segment, page, &source);

    memset(p->page, 0, HG_PAGE_BYTES);
    p->runs.len = 0;
    while (rc == HOLOG_OK && *i < n && r[*i].segment == segment && *at < end) {
        uint64_t to = HG_MIN((uint64_t)r[*i].to, end);
        rc = add_run(p, source, segment, page, *at, to);
        *at = to;
        if (to == r[*i].to && ++*i < n)
            *at = r[*i].from;
    }
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_page(p->writer, segment, page,
                             (const struct hg_hwp_run *)(const void *)p->runs.data,
                             p->runs.len / sizeof(struct hg_hwp_run));
    moved.hash = hg_hash64(p->page, HG_PAGE_BYTES);
    return rc < 0 ? rc : hg_buf_append(&p->c->pages, &moved, sizeof moved);
}

static int write_segment(struct copying *p, const struct hg_moving_run *r, size_t n)
{
    uint64_t at = r->from;
    uint64_t bytes = 0;
    size_t i = 0;
    int rc = take_segment(p, r->segment);

    while (rc == HOLOG_OK && i < n)
        rc = write_page(p, r, n, &i, &at);
    for (i = 0; i < n; i++)
        bytes += r[i].to - r[i].from;
    return rc < 0 ? rc : hg_compact_tell(p->c, bytes);
}

int hg_compact_write_pages(struct hg_compaction *c, struct hg_hwp_writer *writer)
{
    const struct hg_moving_run *r = hg_compact_runs(c);
    size_t n = c->runs.len / sizeof *r;
    struct copying p = { .c = c, .s = c->store, .writer = writer };
    uint8_t *room = hg_malloc((size_t)2 * HG_PAGE_BYTES);
    int rc = room == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to move pages") : HOLOG_OK;

    p.source = room;
    p.page = room + (room != NULL ? HG_PAGE_BYTES : 0);
    for (size_t i = 0, end; i < n && rc == HOLOG_OK; i = end) {
        for (end = i + 1; end < n && r[end].segment == r[i].segment;)
            end++;
        rc = write_segment(&p, r + i, end - i);
    }
    drop_image(&p);
    hg_buf_release(&p.runs);
    hg_free(room);
    return rc;
}

/* ---- reading back --------------------------------------------------------------------------------*/

int hg_compact_check_pages(struct hg_compaction *c, uint32_t id, struct hg_hwp *h)
{
    const struct hg_moved_page *m = (const struct hg_moved_page *)(const void *)c->pages.data;
    uint8_t *pool = hg_malloc(HG_HWP_POOL_RAW);
    uint8_t *page = hg_malloc(HG_HWP_PAGE);
    uint32_t group = UINT32_MAX;
    int rc = pool == NULL || page == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to read back pages")
                                          : HOLOG_OK;

    for (size_t i = 0; i < c->pages.len / sizeof *m && rc == HOLOG_OK; i++) {
        const struct hg_hwp_page *p = hg_hwp_find_page(h, m[i].segment, m[i].page);
        if (p == NULL)
            rc = hg_corrupt(id, 0, "a page that was written is not there");
        else if (p->group != group)
            rc = hg_hwp_read_pool(h, p->group, pool);
        if (rc < 0)
            break;
        group = p->group;
        rc = hg_hwp_page_of_pool(h, p, pool, page);
        if (rc == HOLOG_OK && hg_hash64(page, HG_HWP_PAGE) != m[i].hash)
            rc = hg_corrupt(id, 0, "page %u of segment %08x is not as it was written",
                            (unsigned)m[i].page, (unsigned)m[i].segment);
    }
    hg_free(page);
    hg_free(pool);
    return rc < 0 ? rc : hg_compact_tell(c, c->run_bytes);
}
