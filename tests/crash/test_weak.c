/*
 * SYNC_NONE: a commit is acknowledged with its values still on their way to the disk. Whoever gives
 * a value up last, the writer or the end of a write, nobody waits where nobody may.
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include "kit.h"

enum {
    SAVES = 12
};

struct weak {
    struct hg_io *io;
    holog_store *store;
    int stop;
};

static int save(holog_store *s, unsigned i)
{
    char path[16];
    const struct step step = { .op = STEP_SAVE,
                               .path = path,
                               .len = 5000 + 7000 * (i % 5),
                               .seed = i,
                               .flags = HOLOG_REPLACE,
                               .sync = HOLOG_SYNC_NONE };
    uint64_t number = 0;

    (void)snprintf(path, sizeof path, "%u", i % 3);
    return store_apply(s, &step, &number);
}

static void sync_again_and_again(void *arg)
{
    struct weak *w = arg;

    while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
        cr_assert_eq(holog_sync(w->store), HOLOG_OK);
        w->io->ops->sleep_ns(w->io,
                             1000); /* a sync that finds nothing to do lets nobody else run */
    }
}

static int scenario(struct hg_io *io, void *ctx)
{
    struct weak w = { .io = io };
    struct hg_thread *t = NULL;
    holog_options o;

    (void)ctx;
    kit_options(&o);
    cr_assert_eq(hg_store_init_io(io, &o), HOLOG_OK);
    cr_assert_eq(hg_store_open_io(io, &o, &w.store), HOLOG_OK);
    cr_assert_eq(io->ops->thread_start(io, "sync", sync_again_and_again, &w, &t), HOLOG_OK);
    for (unsigned i = 0; i < SAVES; i++)
        cr_assert_eq(save(w.store, i), HOLOG_OK);
    __atomic_store_n(&w.stop, 1, __ATOMIC_RELEASE);
    io->ops->thread_join(io, t);
    for (unsigned i = 0; i < 3; i++) /* on their way when the store is closed */
        cr_assert_eq(save(w.store, i), HOLOG_OK);
    cr_assert_eq(holog_close(w.store), HOLOG_OK);
    return HOLOG_OK;
}

Test(weak, values_given_up_by_their_last_write_wait_for_nobody)
{
    static const uint64_t seeds[3] = { 100, 400, 4000 };

    for (uint64_t i = 0; i < seeds[kit_level()]; i++) {
        struct hg_sim_options so = { .seed = kit_seed() + i, .yields = 1, .no_trace = 1 };
        struct hg_sim *sim = NULL;
        cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
        cr_assert_eq(hg_sim_run(sim, scenario, NULL), HOLOG_OK);
        hg_sim_destroy(sim);
    }
}
