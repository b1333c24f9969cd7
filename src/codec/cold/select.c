/*
 * The cheapest plan; see select.h.
 */
#include "codec/cold/select.h"

#include <string.h>

#include "base/error.h"
#include "codec/cold/estimate.h"

#define LZ_ALONE 6  /* times smaller, by LZ: then nothing else is looked at */
#define DRIFT    20 /* one part in so many, by which the ratio may move before a habit is given up */
#define LEVELS   5
#define AXES     2
#define TRIED    3
#define PART     4     /* one in so many: of a block that LZ is tried on first, if it is noise */
#define PART_MIN 65536 /* bytes of that */
#define WORSE    64    /* one part in so many, that LZ may take more there */

/* Nanoseconds to decode a KiB: bench/codec, images of u16 on an EPYC at 3 GHz, of one thread. */
static const uint32_t lz_ns[HG_FILTERS] = { [HG_FILTER_NONE] = 600,
                                            [HG_FILTER_SHUFFLE] = 500,

                                            [HG_FILTER_LORENZO] = 650,
                                            [HG_FILTER_LIFT26] = 700 };
static const uint32_t lz4_ns[HG_FILTERS] = { [HG_FILTER_NONE] = 250, [HG_FILTER_SHUFFLE] = 200 };
static const uint32_t split_ns[HG_FILTERS] = {
    [HG_FILTER_UP] = 430,      [HG_FILTER_LEFT] = 550,   [HG_FILTER_AVERAGE] = 900,
    [HG_FILTER_LORENZO] = 600, [HG_FILTER_LIFT26] = 680, [HG_FILTER_LIFT53] = 800
};

struct terms {
    uint32_t price;     /* bytes, in 1024ths, of a microsecond of decoding */
    int8_t write_level; /* of zstd */
    int8_t pack_level;  /* when compacted */
    int8_t rich_level;  /* and where LZ alone pays */
};

static const struct terms terms_of[HG_PROFILES] = {
    [HG_PROFILE_FAST] = { 200 * 1024, 5, 9, 9 }, /* of lz4 */
    [HG_PROFILE_DEFAULT] = { 8 * 1024, 3, 3, 9 },
    [HG_PROFILE_ARCHIVE] = { 0, 3, 9, 22 },
};

struct choice {
    struct hg_coder *c;
    enum hg_profile profile;
    const struct hg_cold_array *a;
    const void *raw;
    struct hg_cold_candidate *list;
    unsigned count;
};

static uint64_t time_cost(const struct choice *w, const struct hg_cold_plan *p)
{
    uint64_t ns = p->codec == HG_CODEC_LZ4        ? lz4_ns[p->filter]
                  : p->codec == HG_CODEC_LITERALS ? split_ns[p->filter]
                                                  : lz_ns[p->filter];

    return hg_cold_raw_bytes(w->a) / 1024 * ns / 1000 * terms_of[w->profile].price / 1024;
}

/* In its place: of equal cost the one that came first is first. */
static void add(struct choice *w, const struct hg_cold_plan *p, uint64_t bytes)
{
    struct hg_cold_candidate it = { *p, bytes, 0 };
    unsigned at = w->count;

    it.cost = bytes + time_cost(w, p);
    for (; at > 0 && w->list[at - 1].cost > it.cost; at--)
        w->list[at] = w->list[at - 1];
    w->list[at] = it;
    w->count++;
}

static int add_coded(struct choice *w, const struct hg_cold_array *sample, const uint8_t *elements,
                     const struct hg_cold_plan *plan)
{
    struct hg_cold_plan p = *plan;
    uint64_t bytes = 0;
    int rc;

    if (p.codec == HG_CODEC_ZSTD)
        p.level = 1;
    rc = hg_cold_estimate_coded(w->c, sample, elements, &p, hg_cold_raw_bytes(w->a), &bytes);
    if (rc == HOLOG_OK)
        add(w, plan, bytes);
    return rc;
}

static int add_strips(struct choice *w)
{
    uint8_t codec = w->profile == HG_PROFILE_FAST ? HG_CODEC_LZ4 : HG_CODEC_ZSTD;
    struct hg_cold_plan plain = { HG_FILTER_NONE, codec, terms_of[w->profile].write_level, 0, 0 };
    struct hg_cold_plan shuffled = { HG_FILTER_SHUFFLE, codec, plain.level, 0, 0 };
    struct hg_cold_plan bits = { HG_FILTER_BITSHUFFLE, codec, plain.level, 0, 0 };
    struct hg_cold_array sample;
    const uint8_t *elements = NULL;
    int rc = hg_cold_take_strips(w->c, w->a, w->raw, &sample, &elements);

    if (rc == HOLOG_OK)
        rc = add_coded(w, &sample, elements, &plain);
    if (rc == HOLOG_OK && w->a->size > 1)
        rc = add_coded(w, &sample, elements, &shuffled);
    if (rc == HOLOG_OK && w->profile == HG_PROFILE_ARCHIVE)
        rc = add_coded(w, &sample, elements, &bits);
    return rc;
}

/* Bytes repeat in what Lorenzo and a lift leave of smooth elements. */
static int add_coded_windows(struct choice *w, const struct hg_cold_array *sample,
                             const uint8_t *elements)
{
    int8_t level = terms_of[w->profile].write_level;
    struct hg_cold_plan lorenzo = { HG_FILTER_LORENZO, HG_CODEC_ZSTD, level, AXES, 0 };
    struct hg_cold_plan lift = { HG_FILTER_LIFT26, HG_CODEC_ZSTD, level, AXES, LEVELS };
    int rc = add_coded(w, sample, elements, &lorenzo);

    return rc < 0 ? rc : add_coded(w, sample, elements, &lift);
}

static int add_windows(struct choice *w)
{
    struct hg_cold_array sample;
    const uint8_t *elements = NULL;
    int rc = hg_cold_take_sample(w->c, w->a, w->raw, &sample, &elements);

    for (uint8_t filter = HG_FILTER_UP; rc == HOLOG_OK && filter < HG_FILTERS; filter++) {
        struct hg_cold_plan p = { .filter = filter, .codec = HG_CODEC_LITERALS };
        uint64_t bytes = 0;
        if (filter >= HG_FILTER_LORENZO)
            p.axes = AXES;
        if (filter >= HG_FILTER_LIFT26)
            p.levels = LEVELS;
        rc = hg_cold_estimate_entropy(w->c, &sample, elements, &p, hg_cold_raw_bytes(w->a), &bytes);
        if (rc == HOLOG_OK)
            add(w, &p, bytes);
    }
    return rc < 0 ? rc : add_coded_windows(w, &sample, elements);
}

/* Does what repeats lie in the bytes as they are? */
static int lz_pays(const struct choice *w)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < w->count; i++)
        if (w->list[i].plan.filter <= HG_FILTER_SHUFFLE)
            least = HG_MIN(least, w->list[i].bytes);
    return least <= hg_cold_raw_bytes(w->a) / LZ_ALONE;
}

int hg_cold_weigh(struct hg_coder *c, enum hg_profile profile, const struct hg_cold_array *a,
                  const void *raw, struct hg_cold_candidate *out, unsigned *out_count)
{
    struct choice w = { c, profile, a, raw, out, 0 };
    int rc;

    if (hg_cold_raw_bytes(a) == 0)
        return hg_error(HOLOG_E_INVAL, "no cold block: %u axes of elements of %u bytes", a->rank,
                        a->size);
    rc = add_strips(&w);
    if (rc == HOLOG_OK && profile != HG_PROFILE_FAST && !lz_pays(&w))
        rc = add_windows(&w);
    *out_count = w.count;
    return rc;
}

/* ---- a writer ------------------------------------------------------------------------------------*/

static int is_alike(const struct hg_cold_array *a, const struct hg_cold_array *b)
{
    return a->size == b->size && a->kind == b->kind && a->rank == b->rank;
}

static uint32_t ratio_of(const struct hg_cold_array *a, size_t block_bytes)
{
    return (uint32_t)((uint64_t)block_bytes * 1024 / hg_cold_raw_bytes(a));
}

static int holds(const struct hg_cold_habit *habit, const struct hg_cold_array *a)
{
    return habit != NULL && habit->blocks > 0 && habit->blocks < HG_COLD_HABIT &&
           is_alike(&habit->of, a);
}

/* After a block by `plan`, which was judged if `is_new`. */
static void note_block(struct hg_cold_habit *habit, const struct hg_cold_plan *plan, int is_new,
                       const struct hg_cold_array *a, size_t block_bytes)
{
    uint32_t ratio = ratio_of(a, block_bytes);

    if (is_new)
        *habit = (struct hg_cold_habit){ *plan, *a, 0, ratio };
    habit->blocks++;
    if (ratio > habit->ratio + habit->ratio / DRIFT || ratio + habit->ratio / DRIFT < habit->ratio)
        habit->blocks = 0; /* the next one is judged */
}

int hg_cold_write(struct hg_coder *c, enum hg_profile profile, const struct hg_cold_array *a,
                  const void *raw, struct hg_cold_habit *habit, struct hg_buf *out)
{
    struct hg_cold_candidate list[HG_COLD_CANDIDATES] = { 0 };
    int has_habit = holds(habit, a);
    const struct hg_cold_plan *plan = has_habit ? &habit->plan : &list[0].plan;
    size_t begin = out->len;
    unsigned count = 0;
    int rc = has_habit ? HOLOG_OK : hg_cold_weigh(c, profile, a, raw, list, &count);

    if (rc == HOLOG_OK)
        rc = hg_cold_encode(c, a, raw, plan, NULL, out);
    if (rc == HOLOG_OK && habit != NULL)
        note_block(habit, plan, !has_habit, a, out->len - begin);
    return rc;
}

/* ---- a compaction --------------------------------------------------------------------------------*/

/* Block `at` of out replaces the one at `begin` if it costs less. 1: it did. */
static int keep_cheaper(struct hg_buf *out, size_t begin, size_t at, uint64_t *best, uint64_t cost)
{
    size_t len = out->len - at;

    if (cost >= *best) {
        out->len = at;
        return 0;
    }
    memmove(out->data + begin, out->data + at, len);
    *best = cost;
    out->len = begin + len;
    return 1;
}

/* The first two, and then the first of LZ that is not among them; where time costs nothing all of LZ. */
static unsigned to_be_tried(const struct choice *w, unsigned tried[HG_COLD_CANDIDATES])
{
    unsigned most = w->profile == HG_PROFILE_ARCHIVE ? HG_COLD_CANDIDATES : TRIED;
    const struct hg_cold_candidate *list = w->list;
    unsigned n = 0;

    for (unsigned i = 0; i < w->count && n < most; i++)
        if (i < 2 || list[i].plan.codec != HG_CODEC_LITERALS)
            tried[n++] = i;
    return n;
}

struct trial {
    struct hg_buf *out;
    size_t begin;  /* of the best block so far */
    uint64_t best; /* its cost, and its plan */
    struct hg_cold_plan plan;
};

/* A block by this plan behind the best, and in its place if it costs less. */
static int try_plan(const struct choice *w, const struct hg_cold_plan *p, struct trial *t)
{
    size_t at = t->out->len;
    int rc = hg_cold_encode(w->c, w->a, w->raw, p, NULL, t->out);

    if (rc == HOLOG_OK &&
        keep_cheaper(t->out, t->begin, at, &t->best, t->out->len - at + time_cost(w, p)))
        t->plan = *p;
    return rc;
}

/* On noise LZ is slow, and seldom less: is it, but for a little, in the first part? */
static int pays_in_part(const struct choice *w, const struct hg_cold_plan *p, const struct trial *t,
                        int *out_pays)
{
    struct hg_cold_array part = *w->a;
    size_t at = t->out->len;
    size_t best;
    int rc;

    *out_pays = 1;
    if (w->profile == HG_PROFILE_ARCHIVE || p->codec == HG_CODEC_LITERALS ||
        t->plan.codec != HG_CODEC_LITERALS || part.rank == 0)
        return HOLOG_OK;
    part.n[0] = HG_MAX(part.n[0] / PART, 1u);
    if (hg_cold_raw_bytes(&part) < PART_MIN || part.n[0] == w->a->n[0])
        return HOLOG_OK;
    rc = hg_cold_encode(w->c, &part, w->raw, &t->plan, NULL, t->out);
    best = t->out->len - at;
    t->out->len = at;
    if (rc == HOLOG_OK)
        rc = hg_cold_encode(w->c, &part, w->raw, p, NULL, t->out);
    *out_pays = t->out->len - at <= best + best / WORSE;
    t->out->len = at;
    return rc;
}

/* Where LZ is cheapest: which of its plans is at one level says little of another. */
static int try_hardest(const struct choice *w, const unsigned *tried, unsigned n, struct trial *t)
{
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < n; i++) {
        struct hg_cold_plan p = w->list[tried[i]].plan;
        if (p.codec != HG_CODEC_ZSTD)
            continue;
        p.level = terms_of[w->profile].rich_level;
        rc = try_plan(w, &p, t);
    }
    return rc;
}

static int try_plans(struct choice *w, struct trial *t)
{
    unsigned tried[HG_COLD_CANDIDATES];
    int8_t level = terms_of[w->profile].pack_level;
    unsigned n;
    int rc = hg_cold_weigh(w->c, w->profile, w->a, w->raw, w->list, &w->count);

    if (rc < 0)
        return rc;
    if (lz_pays(w))
        level = terms_of[w->profile].rich_level;
    n = to_be_tried(w, tried);
    rc = try_plan(w, &w->list[0].plan,
                  t); /* what a writer does: higher levels are not always smaller */
    for (unsigned i = 0; rc == HOLOG_OK && i < n; i++) {
        struct hg_cold_plan p = w->list[tried[i]].plan;
        int pays = 1;
        if (p.codec != HG_CODEC_LITERALS)
            p.level = level;
        if (i == 0 && p.level == w->list[0].plan.level)
            continue; /* that was it */
        rc = pays_in_part(w, &p, t, &pays);
        if (rc == HOLOG_OK && pays)
            rc = try_plan(w, &p, t);
    }
    if (rc == HOLOG_OK && w->profile == HG_PROFILE_ARCHIVE && t->plan.codec == HG_CODEC_ZSTD &&
        level != terms_of[w->profile].rich_level)
        rc = try_hardest(w, tried, n, t);
    return rc;
}

static int is_const(const struct hg_buf *out, size_t begin)
{
    struct hg_cold_head h;

    return hg_cold_head_decode(out->data + begin, out->len - begin, &h) == HOLOG_OK &&
           h.codec == HG_CODEC_CONST;
}

int hg_cold_compact(struct hg_coder *c, enum hg_profile profile, const struct hg_cold_array *a,
                    const void *raw, struct hg_cold_habit *habit, struct hg_buf *out)
{
    struct hg_cold_candidate list[HG_COLD_CANDIDATES] = { 0 };
    struct choice w = { c, profile, a, raw, list, 0 };
    struct trial t = { .out = out, .begin = out->len, .best = UINT64_MAX };
    int has_habit = holds(habit, a);
    int rc;

    if (has_habit) {
        t.plan = habit->plan;
        rc = hg_cold_encode(c, a, raw, &t.plan, NULL, out);
    } else {
        rc = try_plans(&w, &t);
    }
    if (rc < 0)
        out->len = t.begin;
    else if (habit != NULL && !is_const(out, t.begin)) /* a dark block says nothing of others */
        note_block(habit, &t.plan, !has_habit, a, out->len - t.begin);
    return rc;
}
