#include "sweep.h"

#include <criterion/criterion.h>

static unsigned cut_at(struct hg_sim *sim, uint64_t step, unsigned every,
                       int (*look)(struct hg_io *io, void *ctx))
{
    int64_t durable = (int64_t)hg_sim_marked_max(sim, MARK_DURABLE, step, UINT64_MAX);
    unsigned tried = 0;

    if (hg_sim_marked_max(sim, MARK_STORE, step, 0) == 0)
        return 0;
    for (unsigned how = 0; how < HG_SIM_CRASH_STRATEGIES; how++) {
        struct hg_sim *after = NULL;
        int64_t found = -1;
        if ((step * HG_SIM_CRASH_STRATEGIES + how) % every != 0)
            continue;
        cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)how, step, &after), 0);
        cr_assert_eq(hg_sim_run(after, look, &found), 0);
        cr_assert_geq(found, durable, "step %llu, way %u: %lld of %lld durable commits",
                      (unsigned long long)step, how, (long long)found, (long long)durable);
        hg_sim_destroy(after);
        tried++;
    }
    return tried;
}

unsigned sweep_cuts(int (*run)(struct hg_io *io, void *ctx),
                    int (*look)(struct hg_io *io, void *ctx))
{
    struct hg_sim_options so = { .seed = kit_seed() };
    unsigned every = kit_level() == 0 ? 23 : kit_level() == 1 ? kit_thin() : 1;
    struct hg_sim *sim = NULL;
    unsigned tried = 0;

    cr_assert_eq(hg_sim_create(&so, &sim), 0);
    cr_assert_eq(hg_sim_run(sim, run, sim), 0);
    for (uint64_t step = 0; step <= hg_sim_steps(sim); step++)
        tried += cut_at(sim, step, every, look);
    hg_sim_destroy(sim);
    print_total(tried, 0, 0, 0);
    return tried;
}
