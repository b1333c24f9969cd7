/*
 * The writer of a compressed segment: values and pages; see hwp.h. What it puts where is in hwp_put.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "codec/cold/box.h"
#include "codec/cold/words.h"
#include "compaction/hwp_writer.h"

/* ---- one tile ------------------------------------------------------------------------------------*/

static struct hg_hwp_habits *habits_of(struct hg_hwp_writer *w, uint64_t id)
{
    struct hg_hwp_habits *h = &w->habits[hg_hash64(&id, sizeof id) % HG_HWP_HABITS];

    if (h->id != id)
        *h = (struct hg_hwp_habits){ .id = id };
    return h;
}

/* Elements less those of the base, as a block that is a difference takes them. */
static int subtract(struct hg_hwp_writer *w, const struct hg_cold_array *a, const void *raw,
                    const struct hg_cold_aid *aid, const uint8_t **out)
{
    size_t bytes = hg_cold_raw_bytes(a);
    uint8_t *words;
    uint8_t *other;
    int rc = hg_workspace_room(w->work, HG_WORK_PARTS, 2 * bytes, &words);

    if (rc < 0)
        return rc;
    other = words + bytes;
    if (a->kind == HG_ELEMENT_FLOAT) {
        hg_words_order_floats(raw, words, bytes / a->size, a->size);
        hg_words_order_floats(aid->base, other, bytes / a->size, a->size);
    } else {
        memcpy(words, raw, bytes);
        memcpy(other, aid->base, bytes);
    }
    if (aid->box != NULL)
        hg_cold_box_clear(a, aid->box, other);
    hg_words_subtract(words, other, bytes / a->size, a->size);
    *out = words;
    return HOLOG_OK;
}

/* Which plan is best for the difference? In the place of the block at `begin`, if it becomes smaller by that. */
static int try_difference(struct hg_hwp_writer *w, const struct hg_cold_array *a, const void *raw,
                          const struct hg_cold_aid *aid, struct hg_cold_habit *habit, size_t begin)
{
    static const struct hg_cold_plan plain = { .codec = HG_CODEC_ZSTD, .level = 3 };
    struct hg_cold_array words = *a;
    size_t at = w->blocks.len;
    const struct hg_cold_plan *plan = &habit->plan;
    const uint8_t *less;
    int rc = subtract(w, a, raw, aid, &less);

    words.kind = HG_ELEMENT_SIGNED;
    if (rc == HOLOG_OK)
        rc = hg_cold_compact(w->work->coder, w->profile, &words, less, habit, &w->blocks);
    if (rc < 0)
        return rc;
    w->blocks.len = at;
    if (plan->codec == HG_CODEC_RAW)
        plan = &plain; /* nothing but blocks of one element so far */
    rc = hg_cold_encode(w->work->coder, a, raw, plan, aid, &w->blocks);
    if (rc < 0)
        return rc;
    if (w->blocks.len - at < at - begin) {
        memmove(w->blocks.data + begin, w->blocks.data + at, w->blocks.len - at);
        w->blocks.len -= at - begin;
    } else {
        w->blocks.len = at;
    }
    return HOLOG_OK;
}

/* Where most of a box is new, it may have nothing to do with the base: two kinds of noise are more than one. */
static int is_remade(const struct hg_cold_array *a, const void *raw, const void *base,
                     struct hg_cold_box *out)
{
    size_t changed = hg_cold_box_of_changes(a, raw, base, out);
    size_t n = changed > 0 ? hg_cold_box_elements(a, out) : 0;

    return changed > n / 2 && n * a->size < hg_cold_raw_bytes(a);
}

static int try_differences(struct hg_hwp_writer *w, const struct hg_cold_array *a, const void *raw,
                           const void *base, struct hg_hwp_habits *habits, size_t begin)
{
    struct hg_cold_aid aid = { .base = base, .base_len = hg_cold_raw_bytes(a), .difference = 1 };
    struct hg_cold_habit fresh = { 0 }; /* there are few of these */
    struct hg_cold_box box;
    int rc = try_difference(w, a, raw, &aid, &habits->difference, begin);

    if (rc < 0 || !is_remade(a, raw, base, &box))
        return rc;
    aid.box = &box;
    return try_difference(w, a, raw, &aid, &fresh, begin);
}

/* No plan is asked for, and nothing is smaller. */
static int code_same(struct hg_hwp_writer *w, const struct hg_cold_array *a, const void *raw,
                     const void *base)
{
    static const struct hg_cold_plan plain = { .codec = HG_CODEC_ZSTD, .level = 3 };
    const struct hg_cold_aid aid = { .base = base,
                                     .base_len = hg_cold_raw_bytes(a),
                                     .difference = 1 };

    return hg_cold_encode(w->work->coder, a, raw, &plain, &aid, &w->blocks);
}

static int code_tile(struct hg_hwp_writer *w, const struct hg_cold_array *a, const void *raw,
                     const void *base, struct hg_hwp_habits *habits)
{
    size_t begin = w->blocks.len;
    int rc;

    if (base != NULL && memcmp(raw, base, hg_cold_raw_bytes(a)) == 0)
        return code_same(w, a, raw, base);
    rc = hg_cold_compact(w->work->coder, w->profile, a, raw, &habits->plain, &w->blocks);
    if (rc == HOLOG_OK && base != NULL)
        rc = try_differences(w, a, raw, base, habits, begin);
    return rc;
}

/* ---- one group -----------------------------------------------------------------------------------*/

struct source {
    struct hg_hwp_tiling t;
    struct hg_hwp_box whole;
    const uint8_t *raw;
    const uint8_t *base; /* NULL: none */
    struct hg_hwp_habits *habits;
};

/* A tile's elements side by side: they are that already, or are copied into `room`. */
static int gather(struct hg_hwp_writer *w, const struct source *s, const struct hg_hwp_box *box,
                  const uint8_t *from, enum hg_work_room room, const uint8_t **out)
{
    unsigned size = s->t.shape.size;
    uint8_t *to;
    int rc;

    if (s->t.shape.rank < 2) {
        *out = from + box->lo[3] * size;
        return HOLOG_OK;
    }
    rc = hg_workspace_room(w->work, room, hg_hwp_box_bytes(box, size), &to);
    if (rc < 0)
        return rc;
    hg_hwp_copy(box, size, &s->whole, from, box, to);
    *out = to;
    return HOLOG_OK;
}

static int code_value_tile(struct hg_hwp_writer *w, const struct source *s, uint64_t i)
{
    struct hg_cold_array a;
    struct hg_hwp_box box;
    const uint8_t *raw = NULL;
    const uint8_t *base = NULL;
    int rc;

    hg_hwp_tile_box(&s->t, i, &box);
    hg_hwp_tile_array(&s->t, &box, &a);
    rc = gather(w, s, &box, s->raw, HG_WORK_TILE, &raw);
    if (rc == HOLOG_OK && s->base != NULL)
        rc = gather(w, s, &box, s->base, HG_WORK_BASE, &base);
    return rc < 0 ? rc : code_tile(w, &a, raw, base, s->habits);
}

/* Is a difference among the blocks that are to be put? */
static int is_difference(const struct hg_hwp_writer *w)
{
    size_t at = 0;

    while (at < w->blocks.len) {
        struct hg_cold_head h;
        int rc = hg_cold_head_decode(w->blocks.data + at, w->blocks.len - at, &h);
        HG_ASSERT(rc == HOLOG_OK); /* our own */
        if (h.flags & HG_COLD_AIDED)
            return 1;
        at += h.head_bytes;
        for (unsigned i = 0; i < h.parts; i++)
            at += h.part[i].len;
    }
    return 0;
}

/* *out_aided is set when a tile is a difference. */
static int put_tiles(struct hg_hwp_writer *w, const struct source *s, int *out_aided)
{
    for (uint64_t first = 0; first < s->t.tiles; first += s->t.per_group) {
        uint64_t count = HG_MIN(s->t.per_group, s->t.tiles - first);
        int rc = HOLOG_OK;
        w->blocks.len = 0;
        for (uint64_t i = 0; rc == HOLOG_OK && i < count; i++)
            rc = code_value_tile(w, s, first + i);
        *out_aided |= rc == HOLOG_OK && s->base != NULL && is_difference(w);
        if (rc == HOLOG_OK)
            rc = hg_hwp_put_group(w, HG_HWP_TILES, hg_hwp_tiles_bytes(&s->t, first, count));
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

/* ---- values --------------------------------------------------------------------------------------*/

static int add_value(struct hg_hwp_writer *w, struct hg_hwp_value *v, struct source *s,
                     const struct hg_hwp_base *base)
{
    int aided = 0;
    int rc;

    hg_hwp_tile(&v->shape, &s->t);
    memcpy(s->whole.n, s->t.n, sizeof s->whole.n);
    v->sum = hg_hwp_sum(v->shape.size, v->shape.kind, s->raw, v->len);
    v->csum = hg_csum(s->raw, v->len);
    v->group = (uint32_t)(w->groups.len / sizeof(struct hg_hwp_group));
    v->groups = (uint32_t)s->t.groups;
    if (s->t.groups > UINT32_MAX - v->group)
        return hg_error(HOLOG_E_TOOBIG, "a value of %llu bytes has too many groups for a segment",
                        (unsigned long long)v->len);
    rc = put_tiles(w, s, &aided);
    if (rc == HOLOG_OK && aided && base != NULL) {
        v->flags |= HG_HWP_DIFFERENCE;
        v->other = base->birth;
    }
    return rc < 0 ? rc : hg_buf_append(&w->values, v, sizeof *v);
}

int hg_hwp_add_value(struct hg_hwp_writer *w, uint64_t birth, const struct hg_hwp_array *array,
                     const void *raw, uint64_t len, const struct hg_hwp_base *base)
{
    struct hg_hwp_value v = { .birth = birth, .len = len, .shape = hg_hwp_bytes(len) };
    struct source s = { .raw = raw, .base = base != NULL ? base->raw : NULL };
    int rc = w->rc;

    if (rc == HOLOG_OK && (birth == 0 || len > HG_NUMBER_MAX))
        rc = hg_error(HOLOG_E_INVAL, "no value has the birth %llu and %llu bytes",
                      (unsigned long long)birth, (unsigned long long)len);
    if (rc == HOLOG_OK && array != NULL) {
        rc = hg_hwp_fold(array->size, array->kind, array->rank, array->n, &v.shape);
        v.flags = HG_HWP_ARRAY;
    }
    if (rc == HOLOG_OK && array != NULL && hg_hwp_shape_bytes(&v.shape) != len)
        rc = hg_error(HOLOG_E_INVAL, "a value of %llu bytes has a shape of %llu",
                      (unsigned long long)len, (unsigned long long)hg_hwp_shape_bytes(&v.shape));
    if (rc == HOLOG_OK && base != NULL && (base->birth == 0 || base->birth == birth))
        rc = hg_error(HOLOG_E_INVAL, "a value cannot be its own base");
    s.habits = habits_of(w, array != NULL ? array->id : 0);
    if (rc == HOLOG_OK)
        rc = add_value(w, &v, &s, base);
    return w->rc = rc;
}

int hg_hwp_add_same(struct hg_hwp_writer *w, uint64_t birth, uint64_t same_as)
{
    struct hg_hwp_value v = { .birth = birth, .other = same_as, .flags = HG_HWP_SAME };
    int rc = w->rc;

    if (rc == HOLOG_OK && (birth == 0 || same_as == 0 || birth == same_as))
        rc = hg_error(HOLOG_E_INVAL, "a value cannot be the same as itself");
    return w->rc = rc < 0 ? rc : hg_buf_append(&w->values, &v, sizeof v);
}

int hg_hwp_add_source(struct hg_hwp_writer *w, const struct hg_hwp_source *source)
{
    int rc = w->rc;

    if (rc == HOLOG_OK &&
        (source->id == 0 || source->kind < HG_KIND_FRAMES || source->kind > HG_KIND_HWP))
        rc = hg_error(HOLOG_E_INVAL, "segment %08x of kind %u cannot be replaced",
                      (unsigned)source->id, (unsigned)source->kind);
    return w->rc = rc < 0 ? rc : hg_buf_append(&w->sources, source, sizeof *source);
}

/* ---- pages ---------------------------------------------------------------------------------------*/

int hg_hwp_put_pool(struct hg_hwp_writer *w)
{
    struct hg_cold_array a = { 1, HG_ELEMENT_UNSIGNED, 1, { (uint32_t)w->pool.len } };
    int rc;

    if (w->pool.len == 0)
        return HOLOG_OK;
    for (size_t at = w->pooled; at < w->pages.len; at += sizeof(struct hg_hwp_page)) {
        void *page = w->pages.data + at;
        ((struct hg_hwp_page *)page)->group =
            (uint32_t)(w->groups.len / sizeof(struct hg_hwp_group));
    }
    w->blocks.len = 0;
    rc = hg_cold_compact(w->work->coder, w->profile, &a, w->pool.data, NULL, &w->blocks);
    if (rc == HOLOG_OK)
        rc = hg_hwp_put_group(w, HG_HWP_POOL, w->pool.len);
    w->pool.len = 0;
    w->pooled = w->pages.len;
    return rc;
}

static int check_runs(const struct hg_hwp_run *runs, size_t count)
{
    uint32_t end = 0;

    for (size_t i = 0; i < count; i++) {
        if (runs[i].len == 0 || runs[i].len > HG_HWP_PAGE ||
            runs[i].offset > HG_HWP_PAGE - runs[i].len || (i > 0 && runs[i].offset <= end))
            return hg_error(HOLOG_E_INVAL, "run %zu of a page, %u bytes at %u, cannot be", i,
                            (unsigned)runs[i].len, (unsigned)runs[i].offset);
        end = runs[i].offset + runs[i].len;
    }
    return count > 0 ? HOLOG_OK : hg_error(HOLOG_E_INVAL, "a page without runs");
}

/* The content of a page behind what is in the pool. */
static int append_page(struct hg_buf *pool, const struct hg_hwp_run *runs, size_t count)
{
    uint32_t end = 0;
    int rc = hg_buf_append_varint(pool, count);

    for (size_t i = 0; rc == HOLOG_OK && i < count; i++) {
        rc = hg_buf_append_varint(pool, runs[i].offset - end);
        if (rc == HOLOG_OK)
            rc = hg_buf_append_varint(pool, runs[i].len);
        end = runs[i].offset + runs[i].len;
    }
    for (size_t i = 0; rc == HOLOG_OK && i < count; i++)
        rc = hg_buf_append(pool, runs[i].bytes, runs[i].len);
    return rc;
}

/* A page that makes the pool too long begins the next one. */
static int add_page(struct hg_hwp_writer *w, uint32_t segment, uint32_t page,
                    const struct hg_hwp_run *runs, size_t count)
{
    size_t begin = w->pool.len;
    struct hg_hwp_page p = { .segment = segment, .page = page };
    int rc = append_page(&w->pool, runs, count);

    if (rc == HOLOG_OK && begin > 0 && w->pool.len > HG_HWP_POOL_RAW) {
        w->pool.len = begin;
        rc = hg_hwp_put_pool(w);
        begin = 0;
        if (rc == HOLOG_OK)
            rc = append_page(&w->pool, runs, count);
    }
    p.offset = (uint32_t)begin;
    p.len = (uint32_t)(w->pool.len - begin);
    return rc < 0 ? rc : hg_buf_append(&w->pages, &p, sizeof p);
}

int hg_hwp_add_page(struct hg_hwp_writer *w, uint32_t segment, uint32_t page,
                    const struct hg_hwp_run *runs, size_t count)
{
    uint64_t key = (uint64_t)segment << 32 | page;
    int rc = w->rc < 0 ? w->rc : check_runs(runs, count);

    if (rc == HOLOG_OK && (segment == 0 || page > UINT32_MAX / HG_HWP_PAGE || key <= w->last_page))
        rc = hg_error(HOLOG_E_INVAL, "page %u of segment %08x cannot be, or is out of order",
                      (unsigned)page, (unsigned)segment);
    if (rc == HOLOG_OK)
        rc = add_page(w, segment, page, runs, count);
    w->last_page = key;
    return w->rc = rc;
}
