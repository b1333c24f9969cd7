/*
 * Repair of a log that begins with a base. What is before the base has been given up: the log cannot
 * end there, and without a base that is sound nothing of it can be read.
 */
#include "base/error.h"
#include "wal/repair_internal.h"

static int count_damage(void *ctx, hg_pos birth)
{
    HG_UNUSED(birth);
    ++*(unsigned *)ctx;
    return 0;
}

int hg_repair_check_content(void *ctx, const struct hg_listed *b, int *out_damaged)
{
    struct hg_repairer *r = ctx;
    unsigned damages = 0;

    *out_damaged = 0;
    if (r->base == NULL)
        return HOLOG_OK;
    int rc = r->base(r->io, &r->plan.super, b->s.id, 0, count_damage, &damages);
    *out_damaged = damages > 0 || rc == HOLOG_E_CORRUPT;
    return rc == HOLOG_E_CORRUPT ? HOLOG_OK : rc;
}

/* A segment that may have come after a base, or a base. */
static int may_have_base(const struct hg_plan *p)
{
    uint64_t features = p->super_rc == HOLOG_OK ? p->super.feat_incompat : 0;

    for (size_t i = 0; i < p->list.n; i++) {
        const struct hg_listed *e = &p->list.e[i];
        if (e->s.kind == HG_KIND_BASE)
            return 1;
        features |= e->header_rc == HOLOG_OK ? e->s.header.feat_incompat : 0;
    }
    return (features & HG_FEATURE_BASE) != 0;
}

static int ignore_frame(void *ctx, const struct hg_walk *w)
{
    HG_UNUSED(ctx);
    HG_UNUSED(w);
    return 0;
}

/* The segment that the log begins in, when it is to end there: it gets a new footer, for which all of it is read. */
static int check_first(const struct hg_repairer *r, const struct hg_log_segment *s)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;

    hg_segment_name(name, s->id, s->kind);
    int rc = r->io->ops->open(r->io, name, r->plan.flags, &f);
    if (rc < 0)
        return rc;
    rc = hg_walk_segment(&s->header, f, r->plan.end, ignore_frame, NULL);
    (void)r->io->ops->close(f); /* only read: nothing to lose */
    return rc == HOLOG_E_CORRUPT
               ? hg_error(HOLOG_E_NOTSUP,
                          "%s, which the log would have to end in, is damaged before that, too: "
                          "there is no repair for that",
                          name)
               : rc;
}

int hg_repair_check_base(const struct hg_repairer *r)
{
    const struct hg_plan *p = &r->plan;

    if (!p->damaged)
        return HOLOG_OK;
    if (p->begin.base < p->list.n && p->last == p->begin.first)
        return check_first(r, &p->list.e[p->last].s);
    int nothing = p->begin.base < p->list.n && p->last == p->list.n;
    int lost = p->begin.base == p->list.n && may_have_base(p) && !hg_chain_whole(&p->list, 0);
    if (!nothing && !lost)
        return HOLOG_OK;
    return hg_error(HOLOG_E_NOTSUP,
                    "the store cannot be made again as of before its base, which took the place of "
                    "the log up to there: %.300s",
                    p->damage.message);
}
