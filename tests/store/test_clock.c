/*
 * Commit times never go back, whatever the machine's clock does; on the simulated disk, whose clock
 * this test turns.
 */
#include <stdlib.h>
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

/* Frames of the log's own take part: an end that is one of them must not let the next commit back. */
static int goes_up(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                   uint64_t time_ns)
{
    struct times *t = ctx;

    cr_assert_geq(time_ns, t->last, "frame of type %u at %u:%u", f->type, segment, offset);
    t->last = time_ns;
    t->n += f->type == HG_FRAME_SYSTEM;
    return 0;
}

static int any_record(void *ctx, const struct hg_record *r)
{
    (void)ctx;
    (void)r;
    return 0;
}

static void look_at_frames(struct hg_io *io)
{
    struct times t = { 0 };
    const struct hg_replay replay = { .ctx = &t, .frame = goes_up, .record = any_record };
    const struct hg_recover_options o = { .read_only = 1 };
    struct hg_recovered r;

    OK(hg_recover(io, &o, &replay, &r));
    cr_assert_gt(t.n, 2);
    free(r.segments);
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
    look_at_frames(io);
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
