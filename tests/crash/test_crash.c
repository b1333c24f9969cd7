/*
 * Power cuts. Each script is played once on the simulated disk; then, for every step of it, the
 * states a cut could leave are built and recovered.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "kit.h"

static unsigned seeds_for(enum hg_sim_strategy s, unsigned pending, int level)
{
    static const unsigned ones[3] = { 2, 4, UINT_MAX }; /* of the writes pending */
    static const unsigned random_seeds[3] = { 1, 2, 280 };

    switch (s) {
    case HG_SIM_CRASH_NONE:
    case HG_SIM_CRASH_ALL:
    case HG_SIM_CRASH_ZEROS:
    case HG_SIM_CRASH_GARBAGE: return 1;
    case HG_SIM_CRASH_KEEP_ONE:
    case HG_SIM_CRASH_DROP_ONE: return pending < ones[level] ? pending : ones[level];
    case HG_SIM_CRASH_TORN_HEAD:
    case HG_SIM_CRASH_TORN_TAIL: return level == 2 ? 16 : 1;
    case HG_SIM_CRASH_SECTORS:
    case HG_SIM_CRASH_RANDOM:
    case HG_SIM_CRASH_STRATEGIES:
    default: return random_seeds[level];
    }
}

/* One crash state. Returns 1 when it was right. */
static int one_state(const struct played *p, uint64_t step, enum hg_sim_strategy strategy,
                     uint64_t seed)
{
    struct hg_sim *after = NULL;
    uint64_t durable;
    uint64_t submitted;
    int store;
    const char *wrong;
    int rc = hg_sim_crash(p->sim, step, strategy, seed, &after);

    cr_assert_eq(rc, HOLOG_OK);
    kit_bounds(p, step, &durable, &submitted, &store);
    wrong = kit_check(after, p, durable, submitted, store);
    if (wrong != NULL)
        (void)kit_fail(wrong);
    hg_sim_destroy(after);
    return wrong == NULL;
}

static void sweep(size_t script, enum hg_sim_dirs dirs)
{
    struct hg_sim_options so = { .seed = kit_seed(), .dirs = dirs };
    struct played p;
    unsigned long states = 0;
    unsigned long bad = 0;
    int level = kit_level();

    kit_play(&kit_scripts[script], &so, &p);
    cr_assert_eq(p.rc, HOLOG_OK, "script %s fails without a crash", kit_scripts[script].name);
    for (uint64_t step = 0; step <= hg_sim_steps(p.sim) && bad < 5;
         step += level == 0 ? 3 * kit_thin() : kit_sparse()) {
        unsigned pending = hg_sim_pending(p.sim, step);
        for (int s = 0; s < HG_SIM_CRASH_STRATEGIES && bad < 5; s++) {
            unsigned n = seeds_for((enum hg_sim_strategy)s, pending, level);
            for (unsigned seed = 0; seed < n && bad < 5; seed++) {
                if (!kit_case("%s %s step %llu %c %u", p.script->name,
                              dirs == HG_SIM_DIRS_POSIX ? "posix" : "journal",
                              (unsigned long long)step, kit_strategy((enum hg_sim_strategy)s),
                              seed))
                    continue;
                bad += one_state(&p, step, (enum hg_sim_strategy)s, seed + step * 1000) ? 0 : 1;
                states++;
            }
        }
    }
    (void)fprintf(stderr, "%s, %s directories: %lu crash states, %llu steps, %lu wrong\n",
                  p.script->name, dirs == HG_SIM_DIRS_POSIX ? "posix" : "journal", states,
                  (unsigned long long)hg_sim_steps(p.sim), bad);
    print_total(states, 0, 0, bad);
    kit_release(&p);
    cr_assert_eq(bad, 0);
}

#define SWEEP(n, name)                 \
    Test(crash, name##_journal)        \
    {                                  \
        sweep(n, HG_SIM_DIRS_JOURNAL); \
    }                                  \
    Test(crash, name##_posix)          \
    {                                  \
        sweep(n, HG_SIM_DIRS_POSIX);   \
    }

SWEEP(0, small_saves_survive_any_cut)
SWEEP(1, namespace_operations_are_whole_or_absent)
SWEEP(2, large_values_survive_any_cut)
SWEEP(3, rolled_segments_survive_any_cut)
SWEEP(4, weak_modes_leave_a_prefix)
SWEEP(5, long_batches_are_whole_or_absent)
SWEEP(6, clean_closes_survive_any_cut)
SWEEP(7, extents_behind_those_of_a_closed_writer_survive_any_cut)
SWEEP(8, closes_in_what_is_kept_for_deletes_survive_any_cut)
SWEEP(9, rollbacks_tags_and_horizons_survive_any_cut)
SWEEP(10, compactions_survive_any_cut)
SWEEP(11, bases_survive_any_cut)
SWEEP(12, purges_survive_any_cut)
SWEEP(13, copies_of_what_has_moved_survive_any_cut)
