/*
 * Verify and repair beside a writer that rolls segment after segment, on the simulated disk: what is
 * sound is called sound at any moment, and what needs the store for itself says so.
 */
#include <stdio.h>
#include <string.h>

#include "../crash/kit.h"
#include "io/sim.h"
#include "storekit.h"

enum {
    WRITERS = 2,
    SAVES = 60 /* of one writer: some ten segments together */
};

struct world {
    struct hg_sim *sim;
    holog_store *store;
    unsigned writing;
    unsigned looks;
    char why[300];
};

struct writer {
    struct world *w;
    struct hg_thread *t;
    unsigned index;
};

static void write_all(void *arg)
{
    struct writer *me = arg;

    for (unsigned i = 0; i < SAVES; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "%u/%u", me->index, i);
        OK(save_seed(me->w->store, path, i % 4 == 0 ? 6000 : 900, i, HOLOG_PARENTS));
    }
    me->w->writing--;
}

static int on_damage(void *ctx, const holog_damage *d)
{
    struct world *w = ctx;

    if (w->why[0] == '\0')
        (void)snprintf(w->why, sizeof w->why, "%s, offset %llu: %s%s", d->file,
                       (unsigned long long)d->offset, d->message, d->harmless ? " (harmless)" : "");
    return 0;
}

static int verify_while_they_write(struct hg_io *io, void *ctx)
{
    struct world *w = ctx;
    struct writer writers[WRITERS];
    struct hg_io *beside = NULL;
    holog_options o;

    kit_options(&o);
    o.no_background = 0;
    o.groups_in_flight = 2;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &w->store));
    OK(hg_sim_open_io(w->sim, &beside));
    w->writing = WRITERS;
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .w = w, .index = i };
        OK(io->ops->thread_start(io, "writer", write_all, &writers[i], &writers[i].t));
    }
    for (; w->writing > 0 && w->why[0] == '\0'; w->looks++) {
        unsigned flags = w->looks % 2 == 0 ? 0 : (unsigned)HOLOG_VERIFY_QUICK;
        int rc = hg_verify_io(beside, flags, on_damage, w, NULL, NULL);
        if (rc < 0 && w->why[0] == '\0')
            (void)snprintf(w->why, sizeof w->why, "verify: %s", holog_error_name(rc));
    }
    for (unsigned i = 0; i < WRITERS; i++)
        io->ops->thread_join(io, writers[i].t);
    beside->ops->destroy(beside);
    return holog_close(w->store);
}

Test(beside, verify_finds_nothing_in_a_store_that_is_being_written, .timeout = 300)
{
    unsigned runs = test_level() == 0 ? 6 : test_level() == 1 ? 40 : 400;
    unsigned looks = 0;

    for (unsigned i = 0; i < runs; i++) {
        struct world w = { 0 };
        struct hg_sim_options so = { .seed = test_seed() + i, .yields = 1, .no_trace = 1 };
        OK(hg_sim_create(&so, &w.sim));
        OK(hg_sim_run(w.sim, verify_while_they_write, &w));
        cr_assert_str_empty(w.why, "seed %llu, look %u: %s", (unsigned long long)so.seed, w.looks,
                            w.why);
        looks += w.looks;
        hg_sim_destroy(w.sim);
    }
    cr_assert_gt(looks, runs, "the writers were never looked at");
}

static int says(void *ctx, const holog_damage *d)
{
    (void)ctx;
    (void)d;
    cr_assert_fail("a repair beside a writer reports");
    return 1;
}

Test(beside, repair_and_its_dry_run_want_the_store_for_themselves)
{
    struct box b;

    box_begin(&b);
    OK(save_text(b.store, "a", "1", 0));
    for (int dry = 0; dry < 2; dry++) {
        for (int mode = HOLOG_REPAIR_POINT_IN_TIME; mode <= HOLOG_REPAIR_SALVAGE; mode++)
            FAILS(HOLOG_E_BUSY,
                  holog_repair(b.dir, (enum holog_repair_mode)mode, dry, says, NULL, NULL),
                  "close it first");
    }
    OK(holog_verify(b.dir, 0, says, NULL, NULL, NULL));
    box_end(&b);
}
