/*
 * Commit times never go back, whatever the machine's clock does; on the simulated disk, whose clock
 * this test turns.
 */
#include <string.h>

#include "../crash/kit.h"
#include "storekit.h"

static uint64_t wall;

static uint64_t turned(struct hg_io *io)
{
    (void)io;
    wall -= 1000000000; /* a second back at each look */
    return wall;
}

struct times {
    uint64_t last;
    unsigned n;
};

static int goes_down(void *ctx, const holog_commit_info *info) /* newest first */
{
    struct times *t = ctx;

    cr_assert_leq(info->time_ns, t->last, "commit %llu", (unsigned long long)info->number);
    t->last = info->time_ns;
    t->n++;
    return 0;
}

static int some_commits(struct hg_io *io, void *ctx)
{
    const struct hg_io_ops *true_ops = io->ops;
    struct hg_io_ops ops = *io->ops;
    struct times t = { .last = UINT64_MAX };
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_init_io(io, &o));
    wall = io->ops->wall_ns(io) + 1000000000000;
    ops.wall_ns = turned;
    io->ops = &ops;
    for (unsigned round = 0; round < 3; round++) {
        OK(hg_store_open_io(io, &o, &s));
        for (unsigned i = 0; i < 12; i++)
            OK(save_seed(s, "f", 1000, i, HOLOG_REPLACE));
        t = (struct times){ .last = UINT64_MAX };
        OK(holog_log(s, NULL, 0, 0, goes_down, &t));
        cr_assert_eq(t.n, 12 * (round + 1));
        OK(holog_close(s));
    }
    OK(hg_verify_io(io, 0, NULL, NULL, NULL, NULL));
    io->ops = true_ops;
    return HOLOG_OK;
}

Test(clock, commit_times_never_go_back_though_the_clock_does)
{
    struct hg_sim_options so = { .seed = test_seed() };
    struct hg_sim *sim = NULL;

    cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
    OK(hg_sim_run(sim, some_commits, NULL));
    hg_sim_destroy(sim);
}
