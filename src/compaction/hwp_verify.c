/*
 * A compressed segment, verified; see hwp.h.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "compaction/hwp_internal.h"

struct sums {
    const struct hg_hwp_value *v;
    uint64_t sum;
    uint8_t csum;
    int is_whole; /* every tile was decoded */
};

struct verifying {
    struct hg_hwp *h;
    const struct hg_hwp_verify *how;
    int rc; /* the first damage */
};

static void add_tile(void *ctx, const void *raw, size_t len)
{
    struct sums *s = ctx;

    if (raw == NULL) {
        s->is_whole = 0;
        return;
    }
    s->sum += hg_hwp_sum(s->v->shape.size, s->v->shape.kind, raw, len);
    s->csum = hg_csum_add(s->csum, hg_csum(raw, len));
}

/* Of v, and of those that have its bytes: they have no group that would be read. */
static int tell(struct verifying *y, uint32_t group, const struct hg_hwp_value *v, int rc)
{
    const struct hg_hwp_tables *t = &y->h->tables;
    struct hg_hwp_verdict d = { group, v, rc };
    struct holog_error_detail why;
    int told;

    hg_error_get(&why);
    told = y->how->damage(y->how->ctx, &d);
    for (size_t i = 0; told == HOLOG_OK && v != NULL && i < t->count[HG_HWP_VALUES]; i++) {
        if (!(t->value[i].flags & HG_HWP_SAME) || t->value[i].other != v->birth)
            continue;
        d.value = &t->value[i];
        hg_error_set(&why);
        told = y->how->damage(y->how->ctx, &d);
    }
    return told;
}

/* Damage is reported, or ends it. */
static int note(struct verifying *y, uint32_t group, const struct hg_hwp_value *v, int rc)
{
    if (rc >= 0 || (rc != HOLOG_E_CORRUPT && rc != HOLOG_E_NOTSUP))
        return rc;
    if (y->rc == HOLOG_OK)
        y->rc = rc;
    if (y->how->damage == NULL)
        return rc;
    return tell(y, group, v, rc);
}

static int progress(struct verifying *y, uint32_t group)
{
    if (y->how->progress == NULL)
        return HOLOG_OK;
    return y->how->progress(y->how->ctx, hg_hwp_group_stored(&y->h->tables.group[group]));
}

static int check_sums(const struct verifying *y, const struct sums *s)
{
    if (!s->is_whole || (s->sum == s->v->sum && s->csum == s->v->csum))
        return HOLOG_OK;
    return hg_corrupt(y->h->from.id, y->h->footer.table[HG_HWP_VALUES].offset,
                      "value %llu: its elements do not add up to what it says",
                      (unsigned long long)s->v->birth);
}

static int verify_value(struct verifying *y, const struct hg_hwp_value *v)
{
    struct sums s = { .v = v, .is_whole = 1 };
    const struct hg_hwp_each each = { &s, add_tile };
    int rc = HOLOG_OK;

    for (uint32_t i = 0; rc == HOLOG_OK && i < v->groups; i++) {
        int damage = hg_hwp_decode_group(y->h, v, i, y->how->bases, &each);
        s.is_whole &= damage == HOLOG_OK;
        rc = note(y, v->group + i, v, damage);
        if (rc == HOLOG_OK)
            rc = progress(y, v->group + i);
    }
    if (rc == HOLOG_OK && !(v->flags & HG_HWP_SAME))
        rc = note(y, v->group, v, check_sums(y, &s));
    return rc;
}

static int is_run(void *ctx, const struct hg_hwp_run *run)
{
    HG_UNUSED(ctx);
    HG_UNUSED(run);
    return HOLOG_OK;
}

/* The pages of a pool, from page i on: they stand together. *i: behind them. */
static int verify_pool(struct verifying *y, size_t *i, void *pool)
{
    const struct hg_hwp_tables *t = &y->h->tables;
    uint32_t group = t->page[*i].group;
    int rc = hg_hwp_read_pool(y->h, group, pool);

    for (; *i < t->count[HG_HWP_PAGES] && t->page[*i].group == group; ++*i)
        if (rc == HOLOG_OK)
            rc = hg_hwp_each_run(y->h, &t->page[*i], pool, is_run, NULL);
    rc = note(y, group, NULL, rc);
    return rc < 0 ? rc : progress(y, group);
}

static int verify_pools(struct verifying *y)
{
    void *pool = hg_malloc(HG_HWP_POOL_RAW);
    int rc = pool != NULL ? HOLOG_OK : hg_error(HOLOG_E_NOMEM, "no memory to verify pages");

    for (size_t i = 0; rc == HOLOG_OK && i < y->h->tables.count[HG_HWP_PAGES];)
        rc = verify_pool(y, &i, pool);
    hg_free(pool);
    return rc;
}

int hg_hwp_verify(struct hg_hwp *h, const struct hg_hwp_verify *how)
{
    struct verifying y = { .h = h, .how = how };
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < h->tables.count[HG_HWP_VALUES]; i++)
        rc = verify_value(&y, &h->tables.value[i]);
    if (rc == HOLOG_OK)
        rc = verify_pools(&y);
    return y.rc < 0 && rc == HOLOG_OK ? y.rc : rc;
}
