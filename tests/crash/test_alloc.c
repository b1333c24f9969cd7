/*
 * Every allocation fails in turn, once and for ever: the caller is told, nothing leaks, what was
 * acknowledged stays, and the store goes on or is poisoned, never wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "drive.h"

struct countdown {
    uint64_t seen;
    uint64_t fail_at;
    int sticky;
};

static int must_fail(size_t size, void *ctx)
{
    struct countdown *c = ctx;

    (void)size; /* whichever it is */
    c->seen++;
    return c->sticky ? c->seen >= c->fail_at : c->seen == c->fail_at;
}

struct run {
    const struct script *script;
    struct drive *d;
};

static int scenario(struct hg_io *io, void *ctx)
{
    struct run *r = ctx;

    return drive_script(r->d, io, r->script->steps, r->script->n);
}

struct totals {
    unsigned long runs, states, bad, told, poisoned;
};

/* 1: the allocation was made. */
static int one(const struct script *script, const struct hg_sim_options *so,
               const struct countdown *which, struct totals *t)
{
    struct countdown c = *which;
    struct drive d;
    struct run r = { script, &d };
    struct hg_sim *sim = NULL;
    long live;

    drive_init(&d);
    d.allowed[0] = HOLOG_E_NOMEM;
    d.allowed[1] = HOLOG_E_BUDGET;
    cr_assert_eq(hg_sim_create(so, &sim), HOLOG_OK);
    hg_alloc_set_fault(must_fail, &c);
    (void)hg_sim_run(sim, scenario, &r); /* what is wrong is in d */
    live = hg_alloc_live();
    hg_alloc_set_fault(NULL, NULL);
    if (live != 0)
        (void)drive_wrong(&d, "%ld blocks are not freed (first failure: %s)", live,
                          d.first_message);
    if (hg_sim_open_files(sim) != 0)
        (void)drive_wrong(&d, "%u files are left open", hg_sim_open_files(sim));
    if (d.wrong[0] == 0)
        (void)drive_check_cuts(&d, sim, hg_sim_steps(sim), 1, &t->states);
    t->told += d.failures > 0;
    t->poisoned += d.poisoned != 0;
    t->runs++;
    if (d.wrong[0] != 0)
        t->bad += (unsigned long)kit_fail(d.wrong);
    if (hg_sim_open_files(sim) != 0)
        hg_sim_set_crash_step(sim, 0); /* so that it can be freed all the same */
    hg_sim_destroy(sim);
    drive_release(&d);
    return c.seen >= c.fail_at;
}

static void every_allocation(size_t which)
{
    static const uint64_t strides[3] = { 7, 1, 1 };
    const struct script *script = &kit_scripts[which];
    struct totals t = { 0 };

    for (int sticky = 0; sticky < 2; sticky++) {
        struct countdown c = { .sticky = sticky };
        int within = 1;
        for (c.fail_at = 1; within && t.bad < 8; c.fail_at += strides[kit_level()] * kit_sparse()) {
            struct hg_sim_options so = { .seed = kit_seed() };
            if (!kit_case("%s allocation %llu %s", script->name, (unsigned long long)c.fail_at,
                          sticky ? "for ever" : "once")) {
                within = c.fail_at < 100000;
                continue;
            }
            within = one(script, &so, &c, &t);
        }
    }
    (void)fprintf(
        stderr, "%s: %lu runs without memory (%lu told, %lu poisoned), %lu cuts after, %lu wrong\n",
        script->name, t.runs, t.told, t.poisoned, t.states, t.bad);
    print_total(t.states, 0, 0, t.bad);
    cr_assert_eq(t.bad, 0);
}

#define ALLOC(n, name, from_level)       \
    Test(alloc, name)                    \
    {                                    \
        if (kit_level() >= (from_level)) \
            every_allocation(n);         \
    }

ALLOC(0, any_allocation_may_fail_while_values_are_saved, 0)
ALLOC(1, any_allocation_may_fail_in_namespace_operations, 1)
ALLOC(2, any_allocation_may_fail_while_extents_are_written, 0)
ALLOC(3, any_allocation_may_fail_in_rolls, 1)
ALLOC(4, any_allocation_may_fail_in_weak_modes, 1)
ALLOC(5, any_allocation_may_fail_in_long_batches, 1)
ALLOC(6, any_allocation_may_fail_in_reopens, 0)
ALLOC(7, any_allocation_may_fail_where_extents_go_on, 1)
ALLOC(9, any_allocation_may_fail_in_rollbacks_and_tags, 0)
ALLOC(10, any_allocation_may_fail_in_compactions, 0)
ALLOC(11, any_allocation_may_fail_while_bases_are_made, 0)
ALLOC(12, any_allocation_may_fail_in_purges, 0)
ALLOC(13, any_allocation_may_fail_where_copies_of_what_has_moved_come, 0)
