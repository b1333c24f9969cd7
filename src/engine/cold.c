#include "engine/cold.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "compaction/hwp.h"
#include "compaction/hwp_census.h"
#include "engine/store_internal.h"

/* The segments that births of its values are in, and those that it has pages of. */
enum {
    BY_BIRTH,
    BY_PAGE,
    WAYS
};

struct segment {
    struct hg_hwp *hwp;
    uint32_t id;
    uint32_t refs;          /* sets it is in; the lock */
    uint64_t same;          /* bytes of values that have those of others */
    struct hg_buf of[WAYS]; /* uint32_t, by number, none twice */
};

/* Who asks is led to the few segments that may have it: a store that has been compacted for years has thousands. */
struct way {
    uint32_t segment; /* of a birth, or replaced */
    uint32_t at;      /* in the set */
};

struct ways {
    struct way *way; /* by segment, those of one the newest first */
    size_t n;
};

struct hg_cold_set {
    uint32_t refs; /* the lock */
    size_t n;
    struct ways ways[WAYS];
    struct segment *of[]; /* the newest first */
};

struct hg_cold {
    holog_store *store;
    struct hg_workspaces *work;
    struct hg_mutex lock;
    struct hg_cold_set *now; /* the lock; never NULL */
    uint32_t n;              /* atomic: segments in it */
};

struct hg_workspaces *hg_cold_workspaces(struct hg_cold *c)
{
    return c->work;
}

/* ---- sets ----------------------------------------------------------------------------------------*/

static struct hg_cold_set *set_new(size_t room)
{
    struct hg_cold_set *set = hg_calloc(1, sizeof *set + room * sizeof(void *));

    if (set != NULL)
        set->refs = 1;
    return set;
}

static void set_free(struct hg_cold_set *set)
{
    for (int w = 0; set != NULL && w < WAYS; w++)
        hg_free(set->ways[w].way);
    hg_free(set);
}

static struct hg_cold_set *get(struct hg_cold *c)
{
    struct hg_cold_set *set;

    hg_mutex_lock(c->store->io, &c->lock);
    set = c->now;
    set->refs++;
    hg_mutex_unlock(c->store->io, &c->lock);
    return set;
}

static void close_segment(struct segment *seg)
{
    hg_hwp_close(seg->hwp);
    for (int w = 0; w < WAYS; w++)
        hg_buf_release(&seg->of[w]);
    hg_free(seg);
}

/* The last one out closes what no set has any more. */
static void put(struct hg_cold *c, struct hg_cold_set *set)
{
    struct hg_cold_set *last = NULL;
    size_t n = 0;

    hg_mutex_lock(c->store->io, &c->lock);
    if (--set->refs == 0) {
        last = set;
        for (size_t i = 0; i < set->n; i++) {
            if (--set->of[i]->refs == 0)
                last->of[n++] = set->of[i];
        }
    }
    hg_mutex_unlock(c->store->io, &c->lock);
    for (size_t i = 0; i < n; i++)
        close_segment(last->of[i]);
    set_free(last);
}

/* The first of the ways to a segment, or where it would be. */
static size_t first_way(const struct ways *w, uint32_t segment)
{
    size_t from = 0;
    size_t to = w->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (w->way[mid].segment < segment)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static struct segment *find(const struct hg_cold_set *set, hg_pos birth,
                            const struct hg_hwp_value **out)
{
    const struct ways *w = &set->ways[BY_BIRTH];
    uint32_t segment = hg_pos_segment(birth);

    *out = NULL;
    for (size_t i = first_way(w, segment); i < w->n && w->way[i].segment == segment; i++) {
        *out = hg_hwp_find(set->of[w->way[i].at]->hwp, birth);
        if (*out != NULL)
            return set->of[w->way[i].at];
    }
    return NULL;
}

/* ---- segments come and go ------------------------------------------------------------------------*/

static uint64_t count_same(const struct hg_hwp_tables *t)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < t->count[HG_HWP_VALUES]; i++)
        bytes += (t->value[i].flags & HG_HWP_SAME) != 0 ? t->value[i].len : 0;
    return bytes;
}

static int note_way(struct segment *seg, int way, uint32_t id)
{
    const struct hg_buf *b = &seg->of[way];
    const uint32_t *ids = (const uint32_t *)(const void *)b->data;

    if (b->len > 0 && ids[b->len / sizeof *ids - 1] == id)
        return HOLOG_OK;
    return hg_buf_append(&seg->of[way], &id, sizeof id);
}

/* Both tables are in the order of what is asked for. */
static int note_ways(struct segment *seg)
{
    const struct hg_hwp_tables *t = hg_hwp_tables(seg->hwp);
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < t->count[HG_HWP_VALUES]; i++)
        rc = note_way(seg, BY_BIRTH, hg_pos_segment(t->value[i].birth));
    for (size_t i = 0; rc == HOLOG_OK && i < t->count[HG_HWP_PAGES]; i++)
        rc = note_way(seg, BY_PAGE, t->page[i].segment);
    return rc;
}

static int open_segment(struct hg_cold *c, uint32_t id, struct segment **out)
{
    const struct hg_super *super = &c->store->recovered.super;
    const struct hg_hwp_from from = { .id = id,
                                      .uuid = super->uuid,
                                      .salt = super->salt,
                                      .work = c->work,
                                      .files = c->store->files };
    struct segment *seg = hg_calloc(1, sizeof *seg);
    int rc;

    if (seg == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for segment %08x", id);
    seg->id = id;
    rc = hg_hwp_open(&from, &seg->hwp);
    if (rc < 0) {
        hg_free(seg);
        return rc;
    }
    seg->same = count_same(hg_hwp_tables(seg->hwp));
    rc = note_ways(seg);
    if (rc < 0)
        close_segment(seg);
    else
        *out = seg;
    return rc;
}

static int is_among(uint32_t id, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id)
            return 1;
    }
    return 0;
}

void hg_cold_drop(struct hg_cold_set *set)
{
    for (size_t i = 0; set != NULL && i < set->n; i++)
        close_segment(set->of[i]);
    set_free(set);
}

static int has_segment(const struct hg_cold_set *set, uint32_t id)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->of[i]->id == id)
            return 1;
    }
    return 0;
}

/* ---- what cache and segments have to do with each other ------------------------------------------*/

_Static_assert(HG_HWP_PAGE == HG_PAGE_BYTES, "pages of the cache are pages here");

static uint32_t next_replaced(const struct hg_hwp *h, size_t *at, size_t *out_n)
{
    const struct hg_hwp_tables *t = hg_hwp_tables(h);
    uint32_t segment;

    *at += *out_n;
    if (*at == t->count[HG_HWP_PAGES])
        return 0;
    segment = t->page[*at].segment;
    (void)hg_hwp_find_pages(h, segment, out_n);
    return segment;
}

/* The cache may never have heard of them. */
static int make_known(struct hg_cold *c, const struct segment *seg)
{
    const struct hg_hwp_page *pages = hg_hwp_tables(seg->hwp)->page;
    size_t at = 0;
    size_t n = 0;
    uint32_t id;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && (id = next_replaced(seg->hwp, &at, &n)) != 0) {
        uint64_t end = ((uint64_t)pages[at + n - 1].page + 1) * HG_HWP_PAGE;
        rc = hg_cache_add_segment(c->store->cache, id, HG_KIND_FRAMES,
                                  HG_MIN(end, (uint64_t)UINT32_MAX));
        if (rc == HOLOG_OK)
            hg_cache_set_written(c->store->cache, id, end);
    }
    return rc;
}

static void replace_pages(struct hg_cold *c, const struct segment *seg)
{
    size_t at = 0;
    size_t n = 0;
    uint32_t id;

    while ((id = next_replaced(seg->hwp, &at, &n)) != 0)
        hg_cache_replace(c->store->cache, id);
}

/* ---- ways ----------------------------------------------------------------------------------------*/

/* Room for the ways of the segments that it has, and of those that there were. */
static int room_for_ways(struct hg_cold_set *set, const struct hg_cold_set *old)
{
    for (int w = 0; w < WAYS; w++) {
        size_t n = old->ways[w].n;
        for (size_t i = 0; i < set->n; i++)
            n += set->of[i]->of[w].len / sizeof(uint32_t);
        set->ways[w].way = hg_calloc(n + 1, sizeof(struct way));
        if (set->ways[w].way == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    }
    return HOLOG_OK;
}

static int by_way(const void *a, const void *b)
{
    const struct way *x = a;
    const struct way *y = b;

    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void make_ways(struct hg_cold_set *set)
{
    for (int w = 0; w < WAYS; w++) {
        struct ways *all = &set->ways[w];
        for (uint32_t i = 0; i < set->n; i++) {
            const uint32_t *ids = (const uint32_t *)(const void *)set->of[i]->of[w].data;
            for (size_t k = 0; k < set->of[i]->of[w].len / sizeof *ids; k++)
                all->way[all->n++] = (struct way){ ids[k], i };
        }
        if (all->n > 1)
            qsort(all->way, all->n, sizeof *all->way, by_way);
    }
}

/* ---- sets come and go ----------------------------------------------------------------------------*/

int hg_cold_prepare(struct hg_cold *c, const uint32_t *added, size_t n_added,
                    struct hg_cold_set **out)
{
    struct hg_cold_set *old = get(c);
    struct hg_cold_set *set = set_new(old->n + n_added);
    int rc = set == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a list of segments") : HOLOG_OK;

    for (size_t i = n_added; rc == HOLOG_OK && i-- > 0;) {
        if (has_segment(old, added[i]))
            continue;
        rc = open_segment(c, added[i], &set->of[set->n]);
        if (rc == HOLOG_OK)
            rc = make_known(c, set->of[set->n++]);
    }
    if (rc == HOLOG_OK)
        rc = room_for_ways(set, old);
    put(c, old);
    if (rc < 0)
        hg_cold_drop(set);
    else
        *out = set;
    return rc;
}

void hg_cold_exchange(struct hg_cold *c, struct hg_cold_set *set, const uint32_t *removed,
                      size_t n_removed)
{
    struct hg_cold_set *old = get(c);
    size_t added = set->n;

    for (size_t i = 0; i < old->n; i++) {
        if (!is_among(old->of[i]->id, removed, n_removed))
            set->of[set->n++] = old->of[i];
    }
    make_ways(set);
    hg_mutex_lock(c->store->io, &c->lock);
    HG_ASSERT(c->now == old); /* one compaction at a time */
    for (size_t i = 0; i < set->n; i++)
        set->of[i]->refs++;
    c->now = set;
    __atomic_store_n(&c->n, (uint32_t)set->n, __ATOMIC_RELEASE);
    hg_mutex_unlock(c->store->io, &c->lock);
    for (size_t i = 0; i < added; i++)
        replace_pages(c, set->of[i]); /* they can be had since */
    put(c, old);                      /* ours */
    put(c, old);                      /* the store's */
}

static int bytes_for_cache(void *ctx, uint32_t segment, uint64_t offset, void *out, size_t len,
                           int *out_thin)
{
    return hg_cold_bytes(ctx, segment, offset, out, len, out_thin);
}

int hg_cold_create(holog_store *s, struct hg_cold **out)
{
    struct hg_cold *c = hg_calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a store");
    c->store = s;
    c->now = set_new(0);
    rc = c->now == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a store")
                        : hg_workspaces_create(&c->work);
    if (rc < 0) {
        set_free(c->now);
        hg_free(c);
        return rc;
    }
    hg_cache_ask_for_replaced(s->cache, bytes_for_cache, c);
    *out = c;
    return HOLOG_OK;
}

void hg_cold_destroy(struct hg_cold *c)
{
    if (c == NULL)
        return;
    HG_ASSERT(c->now->refs == 1);
    put(c, c->now);
    hg_workspaces_destroy(c->work);
    hg_free(c);
}

/* ---- what lies where -----------------------------------------------------------------------------*/

static struct hg_cold_run run_of(const struct segment *seg, const struct hg_hwp_value *v)
{
    const struct hg_hwp_group *g = hg_hwp_tables(seg->hwp)->group + v->group;
    struct hg_cold_run run = { .segment = seg->id };

    if (v->groups > 0)
        run.offset = g->offset;
    for (uint32_t i = 0; i < v->groups; i++)
        run.len += hg_hwp_group_stored(&g[i]); /* one behind the other */
    return run;
}

/* What a value is made from: who reads it looks beside it first. */
static struct segment *find_other(const struct hg_cold_set *set, struct segment *seg, hg_pos other,
                                  const struct hg_hwp_value **out)
{
    *out = hg_hwp_find(seg->hwp, other);
    return *out != NULL ? seg : find(set, other, out);
}

unsigned hg_cold_runs(struct hg_cold *c, hg_pos birth, struct hg_cold_run out[HG_COLD_RUNS])
{
    const struct hg_hwp_value *v = NULL;
    struct segment *seg;
    struct hg_cold_set *set;
    unsigned n = 0;

    if (__atomic_load_n(&c->n, __ATOMIC_ACQUIRE) == 0)
        return 0;
    set = get(c);
    seg = find(set, birth, &v);
    while (seg != NULL && n < HG_COLD_RUNS) {
        out[n++] = run_of(seg, v);
        seg = v->other != 0 ? find_other(set, seg, v->other, &v) : NULL;
    }
    put(c, set);
    return n;
}

uint64_t hg_cold_own(struct hg_cold *c, uint32_t segment)
{
    struct hg_cold_set *set = get(c);
    uint64_t own = 0;

    for (size_t i = 0; i < set->n; i++) {
        const struct hg_hwp_footer *f = hg_hwp_footer(set->of[i]->hwp);
        if (set->of[i]->id == segment)
            own = f->size - f->stored;
    }
    put(c, set);
    return own;
}

void hg_cold_sizes(struct hg_cold *c, struct hg_cold_sizes *out)
{
    struct hg_cold_set *set = get(c);

    *out = (struct hg_cold_sizes){ 0 };
    for (size_t i = 0; i < set->n; i++) {
        const struct hg_hwp_footer *f = hg_hwp_footer(set->of[i]->hwp);
        out->values += hg_hwp_tables(set->of[i]->hwp)->count[HG_HWP_VALUES];
        out->raw += f->raw + set->of[i]->same;
        out->stored += f->stored;
    }
    put(c, set);
}

/* ---- reading -------------------------------------------------------------------------------------*/

int hg_cold_has(struct hg_cold *c, hg_pos birth)
{
    const struct hg_hwp_value *v = NULL;
    struct hg_cold_set *set;
    int has;

    if (__atomic_load_n(&c->n, __ATOMIC_ACQUIRE) == 0)
        return 0; /* nothing has been moved */
    set = get(c);
    has = find(set, birth, &v) != NULL;
    put(c, set);
    return has;
}

/* One hop is all: bases are neither differences nor the bytes of others. */
static int is_base(const struct hg_hwp_value *v, const struct hg_hwp_shape *shape)
{
    return v->other == 0 && hg_hwp_is_alike(&v->shape, shape);
}

static int find_base(void *ctx, uint64_t birth, const struct hg_hwp_shape *shape,
                     struct hg_hwp **out, const struct hg_hwp_value **out_value)
{
    struct segment *seg = find(ctx, birth, out_value);

    if (seg == NULL)
        return hg_corrupt(
            hg_pos_segment(birth), hg_pos_offset(birth),
            "the value born here is gone, and another is stored as a difference from it");
    if (!is_base(*out_value, shape))
        return hg_corrupt(
            seg->id, 0,
            "the value %llu cannot be the base of another, which is stored as a difference from it",
            (unsigned long long)birth);
    *out = seg->hwp;
    return HOLOG_OK;
}

static int read_base(void *ctx, uint64_t birth, const struct hg_hwp_shape *shape,
                     const struct hg_hwp_box *box, void *out)
{
    const struct hg_hwp_value *v = NULL;
    struct hg_hwp *h = NULL;
    int rc = find_base(ctx, birth, shape, &h, &v);

    return rc < 0 ? rc : hg_hwp_region(h, v, box, 0, out, NULL);
}

/* Of the segments of a set, for who has it. */
static struct hg_hwp_bases bases_of(struct hg_cold_set *set)
{
    return (struct hg_hwp_bases){ .ctx = set, .read = read_base, .find = find_base };
}

uint32_t hg_cold_can_be_base(struct hg_cold *c, hg_pos birth, const struct hg_hwp_shape *shape)
{
    const struct hg_hwp_value *v = NULL;
    struct hg_cold_set *set = get(c);
    const struct segment *seg = find(set, birth, &v);
    uint32_t id = seg != NULL && is_base(v, shape) ? seg->id : 0;

    put(c, set);
    return id;
}

int hg_cold_read_base(void *cold, uint64_t birth, const struct hg_hwp_shape *shape,
                      const struct hg_hwp_box *box, void *out)
{
    struct hg_cold_set *set = get(cold);
    int rc = read_base(set, birth, shape, box, out);

    put(cold, set);
    return rc;
}

int hg_cold_read(struct hg_cold *c, hg_pos birth, uint64_t from, uint64_t to, void *out)
{
    struct hg_cold_set *set = get(c);
    const struct hg_hwp_bases bases = bases_of(set);
    const struct hg_hwp_value *v = NULL;
    struct segment *seg = find(set, birth, &v);
    int rc = seg == NULL ? HOLOG_E_STALE : hg_hwp_read(seg->hwp, v, from, to, out, &bases);

    put(c, set);
    return rc;
}

/* Axes as tiles have them: the outer ones are merged, of which a box can only be one if what it has of them is in one
 * piece. */
static int fold_axes(const struct hg_value_box *b, unsigned rank, struct hg_hwp_box *out)
{
    unsigned merged = b->rank - rank;
    unsigned first = HG_HWP_RANK - rank;
    uint64_t lo = 0;
    uint64_t count = 1;

    *out = (struct hg_hwp_box){ { 0 }, { 1, 1, 1, 1 } };
    for (unsigned i = 0; i <= merged; i++) {
        if (count > 1 && b->count[i] != b->n[i])
            return 0;
        lo = lo * b->n[i] + b->lo[i];
        count *= b->count[i];
    }
    for (unsigned i = 0; i < rank; i++) {
        out->lo[first + i] = i == 0 ? lo : b->lo[merged + i];
        out->n[first + i] = i == 0 ? count : b->count[merged + i];
    }
    return 1;
}

/* 0: the value's elements are not those that the caller takes them for. The array may have been made anew since it was
 * compressed, or before. */
static int fold_box(const struct hg_value_box *b, const struct hg_hwp_value *v,
                    struct hg_hwp_box *out)
{
    struct hg_hwp_shape shape;

    return (v->flags & HG_HWP_ARRAY) && b->rank > 0 && b->size == v->shape.size &&
           hg_hwp_fold(v->shape.size, v->shape.kind, b->rank, b->n, &shape) == HOLOG_OK &&
           hg_hwp_is_alike(&shape, &v->shape) && fold_axes(b, shape.rank, out);
}

int hg_cold_box(struct hg_cold *c, hg_pos birth, const struct hg_value_box *box, void *out)
{
    struct hg_cold_set *set = get(c);
    const struct hg_hwp_bases bases = bases_of(set);
    const struct hg_hwp_value *v = NULL;
    struct segment *seg = find(set, birth, &v);
    struct hg_hwp_box folded;
    int rc = seg == NULL ? HOLOG_E_STALE : 1;

    if (seg != NULL && fold_box(box, v, &folded) &&
        (box->halvings == 0 || box->kind == v->shape.kind))
        rc = hg_hwp_region(seg->hwp, v, &folded, box->halvings, out, &bases);
    put(c, set);
    return rc;
}

/* ---- looking after them --------------------------------------------------------------------------*/

int hg_cold_files(struct hg_cold *c, struct hg_buf *out)
{
    struct hg_cold_set *set = get(c);
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < set->n; i++) {
        const struct hg_cold_file f = { set->of[i]->id, hg_hwp_footer(set->of[i]->hwp)->size };
        rc = hg_buf_append(out, &f, sizeof f);
    }
    put(c, set);
    return rc;
}

int hg_cold_census(struct hg_cold *c, uint32_t segment,
                   int (*damage)(void *ctx, const struct hg_hwp_verdict *d), void *ctx,
                   struct hg_hwp_census *out)
{
    struct hg_cold_set *set = get(c);
    int rc = HOLOG_E_STALE;

    for (size_t i = 0; i < set->n; i++)
        if (set->of[i]->id == segment)
            rc = hg_hwp_census(set->of[i]->hwp, damage, ctx, out);
    put(c, set);
    return rc;
}

int hg_cold_verify(struct hg_cold *c, uint32_t segment, struct hg_hwp_verify *how)
{
    struct hg_cold_set *set = get(c);
    const struct hg_hwp_bases bases = bases_of(set);
    struct segment *again = NULL;
    int rc = HOLOG_E_STALE;

    how->bases = &bases;
    if (has_segment(set, segment))
        rc = open_segment(c, segment, &again); /* its tables, too, are read from the file */
    if (rc == HOLOG_OK)
        rc = hg_hwp_verify(again->hwp, how);
    if (again != NULL)
        close_segment(again);
    how->bases = NULL;
    put(c, set);
    return rc;
}

int hg_cold_there(struct hg_cold *c, uint32_t segment)
{
    struct hg_cold_set *set = get(c);
    int there = has_segment(set, segment);

    put(c, set);
    return there;
}

int hg_cold_each_entry(struct hg_cold *c,
                       int (*each)(void *ctx, uint32_t segment, const struct hg_hwp_value *v),
                       void *ctx)
{
    struct hg_cold_set *set = get(c);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < set->n; i++) {
        const struct hg_hwp_tables *t = hg_hwp_tables(set->of[i]->hwp);
        for (size_t v = 0; rc == 0 && v < t->count[HG_HWP_VALUES]; v++)
            rc = each(ctx, set->of[i]->id, &t->value[v]);
    }
    put(c, set);
    return rc;
}

int hg_cold_each_value(struct hg_cold *c,
                       int (*each)(void *ctx, uint32_t segment, int is_read, hg_pos birth),
                       void *ctx)
{
    struct hg_cold_set *set = get(c);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < set->n; i++) {
        const struct hg_hwp_tables *t = hg_hwp_tables(set->of[i]->hwp);
        for (size_t v = 0; rc == 0 && v < t->count[HG_HWP_VALUES]; v++) {
            const struct hg_hwp_value *found = NULL;
            hg_pos birth = t->value[v].birth;
            rc = each(ctx, set->of[i]->id, find(set, birth, &found) == set->of[i], birth);
        }
    }
    put(c, set);
    return rc;
}

/* ---- frame segments that were replaced -----------------------------------------------------------*/

/* One segment has all pages of another. */
static const struct hg_hwp_page *find_pages(const struct hg_cold_set *set, uint32_t segment,
                                            struct segment **out_home, size_t *out_n)
{
    const struct ways *w = &set->ways[BY_PAGE];
    size_t i = first_way(w, segment);

    *out_n = 0;
    if (i == w->n || w->way[i].segment != segment)
        return NULL;
    *out_home = set->of[w->way[i].at];
    return hg_hwp_find_pages((*out_home)->hwp, segment, out_n);
}

uint32_t hg_cold_home(struct hg_cold *c, uint32_t segment)
{
    struct segment *home = NULL;
    struct hg_cold_set *set;
    size_t n = 0;
    uint32_t id;

    if (__atomic_load_n(&c->n, __ATOMIC_ACQUIRE) == 0)
        return 0;
    set = get(c);
    id = find_pages(set, segment, &home, &n) != NULL ? home->id : 0;
    put(c, set);
    return id;
}

int hg_cold_has_pages(struct hg_cold *c, uint32_t segment)
{
    return hg_cold_home(c, segment) != 0;
}

/* Decoded, and kept in the cache as a value is, under a key that is no birth: a cold segment has no records.
 * One count for the caller. */
static int hold_pool(struct hg_cold *c, struct segment *home, uint32_t group,
                     struct hg_mem **out_pool)
{
    hg_pos key = hg_pos_make(home->id, group);
    struct hg_mem *m = hg_cache_hold(c->store->cache, key);
    int rc;

    *out_pool = m;
    if (m != NULL)
        return HOLOG_OK;
    rc = hg_mem_new(c->store->cache, (size_t)hg_hwp_tables(home->hwp)->group[group].raw, &m);
    if (rc < 0)
        return rc;
    rc = hg_hwp_read_pool(home->hwp, group, m->data);
    if (rc < 0) {
        hg_mem_put(m);
        return rc;
    }
    hg_cache_offer(c->store->cache, key, m, 0);
    *out_pool = m;
    return HOLOG_OK;
}

/* With no room for the pool in the budget. */
static int read_unkept(struct segment *home, const struct hg_hwp_page *p, uint32_t from, void *out,
                       size_t len)
{
    uint8_t *page = hg_malloc(HG_HWP_PAGE);
    int rc = page == NULL
                 ? hg_error(HOLOG_E_NOMEM, "no memory for a page of segment %08x", home->id)
                 : hg_hwp_read_page(home->hwp, p, page);

    if (rc == HOLOG_OK)
        memcpy(out, page + from, len);
    hg_free(page);
    return rc;
}

static const struct hg_hwp_page *find_page(const struct hg_cold_set *set, uint32_t segment,
                                           uint32_t page, struct segment **out_home)
{
    const struct hg_hwp_page *p = NULL;

    for (size_t i = 0; i < set->n && p == NULL; i++) {
        p = hg_hwp_find_page(set->of[i]->hwp, segment, page);
        *out_home = set->of[i];
    }
    return p;
}

int hg_cold_bytes(struct hg_cold *c, uint32_t segment, uint64_t offset, void *out, size_t len,
                  int *out_thin)
{
    struct hg_cold_set *set = get(c);
    struct segment *home = NULL;
    const struct hg_hwp_page *p = find_page(set, segment, (uint32_t)(offset / HG_HWP_PAGE), &home);
    uint32_t from = (uint32_t)(offset % HG_HWP_PAGE);
    struct hg_mem *pool = NULL;
    int rc = p == NULL ? 1 : hold_pool(c, home, p->group, &pool);

    if (rc == HOLOG_OK)
        rc = hg_hwp_bytes_of_page(home->hwp, p, pool->data, from, len, out);
    else if (rc == HOLOG_E_BUDGET)
        rc = read_unkept(home, p, from, out, len);
    if (out_thin != NULL)
        *out_thin = p != NULL && p->len < HG_HWP_PAGE / 2;
    hg_mem_put(pool);
    put(c, set);
    return rc;
}

static int by_segment(const void *a, const void *b)
{
    const struct hg_cold_replaced *x = a;
    const struct hg_cold_replaced *y = b;

    return (x->segment > y->segment) - (x->segment < y->segment);
}

int hg_cold_replaced(struct hg_cold *c, struct hg_buf *out)
{
    struct hg_cold_set *set = get(c);
    int rc = HOLOG_OK;

    for (size_t i = 0; i < set->n; i++) {
        struct hg_cold_replaced r = { .home = set->of[i]->id };
        size_t at = 0;
        size_t n = 0;
        while (rc == HOLOG_OK && (r.segment = next_replaced(set->of[i]->hwp, &at, &n)) != 0)
            rc = hg_buf_append(out, &r, sizeof r);
    }
    put(c, set);
    if (rc == HOLOG_OK && out->len > 0)
        qsort(out->data, out->len / sizeof(struct hg_cold_replaced),
              sizeof(struct hg_cold_replaced), by_segment);
    return rc;
}

int hg_cold_shares(struct hg_cold *c, uint32_t segment, struct hg_buf *out)
{
    struct hg_cold_set *set = get(c);
    struct segment *home = NULL;
    size_t n = 0;
    const struct hg_hwp_page *p = find_pages(set, segment, &home, &n);
    int rc = HOLOG_OK;

    for (size_t i = 0; p != NULL && i < n && rc == HOLOG_OK; i++) {
        const struct hg_hwp_group *pool = hg_hwp_tables(home->hwp)->group + p[i].group;
        uint64_t stored = hg_hwp_group_stored(pool);
        uint64_t from = stored * p[i].offset / pool->raw; /* both are small */
        struct hg_cold_share share = {
            .page = p[i].page,
            .raw = p[i].len,
            .offset = pool->offset + from,
            .len = stored * (p[i].offset + (uint64_t)p[i].len) / pool->raw - from
        };
        rc = hg_buf_append(out, &share, sizeof share);
    }
    put(c, set);
    return rc;
}
