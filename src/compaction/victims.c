#include "compaction/victims.h"

#include "base/assert.h"

/* Benefit by cost: what is gained, times age, by what is read and written. */
static double score(const struct hg_candidate *c)
{
    double u = c->used == 0 ? 0 : (double)c->live / (double)c->used;

    return (1 - u) * (double)(c->age + 1) / (1 + u);
}

int hg_victim_is_worth(const struct hg_candidate *c)
{
    return c->live < c->used - c->used / 8;
}

static struct hg_candidate *best(struct hg_candidate *c, size_t n)
{
    struct hg_candidate *b = NULL;

    for (size_t i = 0; i < n; i++) {
        if (!c[i].chosen && hg_victim_is_worth(&c[i]) && (b == NULL || score(&c[i]) > score(b)))
            b = &c[i];
    }
    return b;
}

uint64_t hg_choose_victims(struct hg_candidate *c, size_t n, const struct hg_appetite *a)
{
    uint64_t gained = 0;
    uint64_t live = 0;

    for (size_t i = 0; i < n; i++) {
        c[i].chosen = (a->all && (!c[i].compact || hg_victim_is_worth(&c[i]))) || c[i].live == 0;
        gained += c[i].chosen ? c[i].used - HG_MIN(c[i].live, c[i].used) : 0;
        live += c[i].chosen ? c[i].live : 0;
    }
    while (gained < a->reclaim) {
        struct hg_candidate *b = best(c, n);
        if (b == NULL || (live > 0 && live + b->live > a->live_max))
            break;
        b->chosen = 1;
        gained += b->used - b->live;
        live += b->live;
    }
    return gained;
}
