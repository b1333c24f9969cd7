/*
 * Random steps on a store and on the shadow model, with power cuts and reopens in between. A
 * sequence that goes wrong is shrunk, by leaving out what it fails without, and printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "kit.h"
#include "plan.h"

static void make_plan(struct plan *p, uint64_t seed)
{
    uint8_t bytes[1 + 4 * PLAN_STEPS];
    uint64_t rng = seed;
    size_t len = 1 + 4 * (10 + rng_next(&rng) % (PLAN_STEPS - 10));

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    plan_decode(bytes, len, p);
}

static void leave_out(const struct plan *from, size_t at, size_t n, struct plan *out)
{
    *out = *from;
    n = n < from->n - at ? n : from->n - at;
    out->n = from->n - n;
    memmove(out->steps + at, from->steps + at + n, (out->n - at) * sizeof out->steps[0]);
    memmove(out->run + at, from->run + at + n, (out->n - at) * sizeof out->run[0]);
}

/* Leaves out ever smaller stretches that the failure does not need. */
static void shrink(struct plan *p)
{
    static struct plan smaller;
    char why[500];

    for (size_t part = (p->n + 1) / 2; part > 0; part /= 2) {
        for (size_t at = 0; at < p->n;) {
            leave_out(p, at, part, &smaller);
            if (plan_fails(&smaller, why, sizeof why))
                *p = smaller;
            else
                at += part;
        }
    }
}

static void campaign(unsigned part)
{
    static const unsigned counts[3] = { 50, 500, 50000 };
    static struct plan p;
    char why[500];
    unsigned n = counts[kit_level()];
    unsigned long cuts = 0;
    unsigned done = 0;
    unsigned bad = 0;

    for (unsigned i = 0; i < n && bad < 2; i++) {
        if (!kit_case("part %u plan %u", part, i))
            continue;
        make_plan(&p, kit_seed() * 1000 + part * 1000000 + i);
        done++;
        cuts += p.n_runs;
        if (!plan_fails(&p, why, sizeof why))
            continue;
        bad += (unsigned)kit_fail(why);
        shrink(&p);
        if (plan_fails(&p, why, sizeof why))
            (void)fprintf(stderr, "  shrunk to %zu steps: %s\n", p.n, why);
        plan_print(&p);
    }
    (void)fprintf(stderr, "%u plans with %lu power cuts, %u wrong\n", done, cuts, bad);
    print_total(cuts, 0, 0, bad);
    cr_assert_eq(bad, 0);
}

#define CAMPAIGN(n)                                                    \
    Test(model, random_steps_and_cuts_agree_with_the_shadow_model_##n) \
    {                                                                  \
        campaign(n);                                                   \
    }

CAMPAIGN(1)
CAMPAIGN(2)
CAMPAIGN(3)
CAMPAIGN(4)
