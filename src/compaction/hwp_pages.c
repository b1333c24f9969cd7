/*
 * Pools and pages, read; see hwp.h. The content of a page (docs/FORMAT.md, section 13):
 *
 *   varint  runs
 *   for each: varint gap from the end of the run before (0 only of the first), varint length
 *   the bytes of each
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "compaction/hwp_internal.h"

static int read_pool(struct hg_hwp *h, struct hg_workspace *w, uint32_t group, void *out)
{
    const struct hg_cold_array expected = { 1, HG_ELEMENT_UNSIGNED, 1, { 0 } };
    struct hg_hwp_layout l;
    struct hg_hwp_tile *t;
    int rc = hg_hwp_load_heads(h, w, group, HG_HWP_SLOTS, &l);

    if (rc < 0)
        return rc;
    t = &l.tile[0];
    if (t->rc < 0)
        return hg_hwp_tile_failed(h, &l, 0,
                                  hg_error(HOLOG_E_NOTSUP, "filter %u, codec %u, flags %02x",
                                           t->head.filter, t->head.codec, t->head.flags));
    if (t->head.array.size != expected.size || t->head.array.kind != expected.kind ||
        t->head.array.rank != expected.rank)
        return hg_corrupt(h->from.id, l.g->offset, "a pool of pages is not bytes");
    rc = hg_cold_decode(w->coder, &t->head, &t->parts, NULL, out, (size_t)l.g->raw);
    if (rc == HOLOG_E_INVAL)
        rc = hg_error(HOLOG_E_CORRUPT, "a pool of pages refers to other bytes");
    return hg_hwp_tile_failed(h, &l, 0, rc);
}

int hg_hwp_read_pool(struct hg_hwp *h, uint32_t group, void *out)
{
    struct hg_workspace *w = NULL;
    int rc = hg_workspace_take(h->from.work, &w);

    HG_ASSERT(group < h->tables.count[HG_HWP_GROUPS] && h->tables.group[group].kind == HG_HWP_POOL);
    if (rc == HOLOG_OK)
        rc = read_pool(h, w, group, out);
    hg_workspace_give(h->from.work, w);
    return rc;
}

/* ---- content -------------------------------------------------------------------------------------*/

struct reading {
    const uint8_t *at;
    size_t left;
};

static int get(struct reading *r, uint64_t *out)
{
    size_t n = hg_get_varint(r->at, r->left, out);

    r->at += n;
    r->left -= n;
    return n > 0;
}

/* The next run; *end: where the one before ends. */
static int get_run(struct reading *r, uint32_t *end, int is_first, struct hg_hwp_run *out)
{
    uint64_t gap = 0;
    uint64_t len = 0;

    if (!get(r, &gap) || !get(r, &len) || (gap == 0 && !is_first) || len == 0 ||
        gap > HG_HWP_PAGE - *end || len > HG_HWP_PAGE - *end - gap)
        return 0;
    *out = (struct hg_hwp_run){ .offset = *end + (uint32_t)gap, .len = (uint32_t)len };
    *end = out->offset + out->len;
    return 1;
}

/* Where the bytes begin, behind the table of runs; NULL: it is damaged. */
static const uint8_t *bytes_of(const uint8_t *content, size_t len, uint64_t *out_runs)
{
    struct reading r = { content, len };
    struct hg_hwp_run run;
    uint64_t total = 0;
    uint32_t end = 0;

    if (!get(&r, out_runs) || *out_runs == 0 || *out_runs > HG_HWP_PAGE)
        return NULL;
    for (uint64_t i = 0; i < *out_runs; i++) {
        if (!get_run(&r, &end, i == 0, &run))
            return NULL;
        total += run.len;
    }
    return total == r.left ? r.at : NULL;
}

int hg_hwp_each_run(const struct hg_hwp *h, const struct hg_hwp_page *p, const void *pool,
                    int (*each)(void *ctx, const struct hg_hwp_run *run), void *ctx)
{
    const uint8_t *content = (const uint8_t *)pool + p->offset;
    struct reading r = { content, p->len };
    uint64_t runs = 0;
    uint32_t end = 0;
    const uint8_t *bytes = bytes_of(content, p->len, &runs);
    int rc = HOLOG_OK;

    if (bytes == NULL)
        return hg_corrupt(h->from.id, h->tables.group[p->group].offset,
                          "page %u of segment %08x: its runs do not fit it", (unsigned)p->page,
                          (unsigned)p->segment);
    (void)get(&r, &runs);
    for (uint64_t i = 0; rc == HOLOG_OK && i < runs; i++) {
        struct hg_hwp_run run = { 0 };
        (void)get_run(&r, &end, i == 0, &run); /* has been checked */
        run.bytes = bytes;
        bytes += run.len;
        rc = each(ctx, &run);
    }
    return rc;
}

/* What is wanted of a page. */
struct part {
    uint8_t *out;
    uint32_t from, to;
};

static int copy_run(void *ctx, const struct hg_hwp_run *run)
{
    const struct part *w = ctx;
    const uint8_t *bytes = run->bytes;
    uint32_t from = HG_MAX(run->offset, w->from);
    uint32_t to = HG_MIN(run->offset + run->len, w->to);

    if (run->offset >= w->to)
        return 1; /* the others are behind it */
    if (from < to)
        memcpy(w->out + (from - w->from), bytes + (from - run->offset), to - from);
    return 0;
}

int hg_hwp_bytes_of_page(const struct hg_hwp *h, const struct hg_hwp_page *p, const void *pool,
                         uint32_t from, size_t len, void *out)
{
    struct part w = { out, from, from + (uint32_t)len };
    int rc;

    HG_ASSERT(from <= HG_HWP_PAGE && len <= HG_HWP_PAGE - from);
    memset(out, 0, len);
    rc = hg_hwp_each_run(h, p, pool, copy_run, &w);
    return HG_MIN(rc, 0);
}

int hg_hwp_page_of_pool(const struct hg_hwp *h, const struct hg_hwp_page *p, const void *pool,
                        uint8_t out[HG_HWP_PAGE])
{
    return hg_hwp_bytes_of_page(h, p, pool, 0, HG_HWP_PAGE, out);
}

int hg_hwp_read_page(struct hg_hwp *h, const struct hg_hwp_page *p, uint8_t out[HG_HWP_PAGE])
{
    struct hg_workspace *w = NULL;
    uint8_t *pool = NULL;
    int rc = hg_workspace_take(h->from.work, &w);

    if (rc == HOLOG_OK)
        rc = hg_workspace_room(w, HG_WORK_TILE, HG_HWP_POOL_RAW, &pool);
    if (rc == HOLOG_OK)
        rc = read_pool(h, w, p->group, pool);
    if (rc == HOLOG_OK)
        rc = hg_hwp_page_of_pool(h, p, pool, out);
    hg_workspace_give(h->from.work, w);
    return rc;
}
