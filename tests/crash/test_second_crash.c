/*
 * A second power cut: at each step of the recovery from the first one, and of the commits and the
 * close that follow. What the first recovery found is what every later one must find.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "drive.h"

static const struct step afterwards[] = {
    { .op = STEP_SAVE,
      .path = "again/1",
      .len = 300,
      .seed = 801,
      .flags = HOLOG_PARENTS | HOLOG_REPLACE },
    { .op = STEP_SAVE,
      .path = "again/2",
      .len = 900,
      .seed = 802,
      .flags = HOLOG_REPLACE,
      .sync = HOLOG_SYNC_OS },
    { .op = STEP_SAVE, .path = "again/3", .len = 66000, .seed = 803, .flags = HOLOG_REPLACE },
    { .op = STEP_BATCH,
      .path = "again/b",
      .len = 500,
      .seed = 804,
      .count = 4,
      .flags = HOLOG_PARENTS | HOLOG_REPLACE },
    { .op = STEP_SAVE,
      .path = "again/4",
      .len = 200,
      .seed = 810,
      .flags = HOLOG_REPLACE,
      .sync = HOLOG_SYNC_NONE },
};

static int scenario(struct hg_io *io, void *ctx)
{
    struct drive *d = ctx;
    holog_store *store = NULL;
    int rc = drive_open(d, io, &store);

    for (size_t i = 0; rc == HOLOG_OK && i < sizeof afterwards / sizeof afterwards[0]; i++)
        rc = drive_step(d, io, &store, &afterwards[i]);
    if (store != NULL && d->wrong[0] != 0)
        (void)holog_close(store); /* only to free it */
    else if (store != NULL)
        (void)drive_close(d, store); /* what is wrong is in d */
    return HOLOG_OK;
}

/* Which commit an undisturbed recovery finds, and the steps the whole scenario takes. 0: no store. */
static int undisturbed(const struct played *p, uint64_t step, struct hg_sim *disk,
                       uint64_t *out_found, uint64_t *out_steps, char *wrong, size_t size)
{
    struct drive d;
    int is;

    drive_init(&d);
    drive_follow_played(&d, p, step);
    d.allowed[0] = HOLOG_E_NOTSTORE;
    (void)hg_sim_run(disk, scenario, &d); /* what is wrong is in d */
    (void)snprintf(wrong, size, "%s", d.wrong);
    is = d.failures == 0 && d.wrong[0] == 0;
    *out_found = d.found;
    *out_steps = hg_sim_steps(disk);
    if (d.failures > 0 && d.store)
        (void)snprintf(wrong, size, "the store is gone");
    drive_release(&d);
    return is;
}

struct first {
    const struct played *p;
    uint64_t step;
    enum hg_sim_strategy strategy;
    uint64_t seed;
};

static struct hg_sim *first_disk(const struct first *f)
{
    struct hg_sim *disk = NULL;

    cr_assert_eq(hg_sim_crash(f->p->sim, f->step, f->strategy, f->seed, &disk), HOLOG_OK);
    return disk;
}

static const char *second(const struct first *f, uint64_t found, uint64_t step, unsigned seeds,
                          unsigned long *states)
{
    static char wrong[600];
    struct hg_sim *disk = first_disk(f);
    struct drive d;

    drive_init(&d);
    drive_follow_played(&d, f->p, f->step);
    d.durable = d.submitted = found; /* decided once, decided for good */
    d.store = 1;
    d.allowed[0] = HOLOG_E_IO;
    d.allowed[1] = HOLOG_E_INDOUBT;
    d.allowed[2] = HOLOG_E_POISONED;
    hg_sim_set_crash_step(disk, step);
    (void)hg_sim_run(disk, scenario, &d); /* what is wrong is in d */
    if (hg_sim_open_files(disk) != 0)
        (void)drive_wrong(&d, "%u files are left open", hg_sim_open_files(disk));
    if (d.wrong[0] == 0)
        (void)drive_check_cuts(&d, disk, step, seeds, states);
    hg_sim_destroy(disk);
    (void)snprintf(wrong, sizeof wrong, "%s", d.wrong);
    drive_release(&d);
    return wrong[0] == 0 ? NULL : wrong;
}

static unsigned long all_seconds(const struct first *f, unsigned seeds, uint64_t stride,
                                 unsigned long *states)
{
    uint64_t found;
    uint64_t steps;
    char wrong[600];
    unsigned long bad = 0;
    struct hg_sim *disk = first_disk(f);
    int is = undisturbed(f->p, f->step, disk, &found, &steps, wrong, sizeof wrong);

    hg_sim_destroy(disk);
    if (wrong[0] != 0 &&
        kit_case("%s step %llu %c seed %llu", f->p->script->name, (unsigned long long)f->step,
                 kit_strategy(f->strategy), (unsigned long long)f->seed))
        return (unsigned long)kit_fail(wrong);
    for (uint64_t step = 0; is && step <= steps && bad < 3; step += stride) {
        const char *why;
        if (!kit_case("%s step %llu %c seed %llu, second step %llu", f->p->script->name,
                      (unsigned long long)f->step, kit_strategy(f->strategy),
                      (unsigned long long)f->seed, (unsigned long long)step))
            continue;
        why = second(f, found, step, seeds, states);
        if (why != NULL)
            bad += (unsigned long)kit_fail(why);
    }
    return bad;
}

static void sweep(size_t script)
{
    static const enum hg_sim_strategy strategies[] = {
        HG_SIM_CRASH_RANDOM,  HG_SIM_CRASH_SECTORS,  HG_SIM_CRASH_TORN_HEAD, HG_SIM_CRASH_ALL,
        HG_SIM_CRASH_GARBAGE, HG_SIM_CRASH_DROP_ONE, HG_SIM_CRASH_NONE,      HG_SIM_CRASH_TORN_TAIL
    };
    static const unsigned firsts[3] = { 1, 4, 40 };
    unsigned n = firsts[kit_level()];
    unsigned long states = 0;
    unsigned long bad = 0;
    unsigned done = 0;

    for (int dirs = 0; dirs < 2; dirs++) {
        struct hg_sim_options so = { .seed = kit_seed(), .dirs = (enum hg_sim_dirs)dirs };
        struct played p;
        uint64_t rng = kit_seed() + script;
        kit_play(&kit_scripts[script], &so, &p);
        cr_assert_eq(p.rc, HOLOG_OK);
        for (unsigned i = 0; i < n && bad < 3; i++, done++) {
            uint64_t steps = hg_sim_steps(p.sim);
            uint64_t step = steps * (i + 1) / (n + 1) + rng_next(&rng) % 5;
            struct first f = { .p = &p,
                               .step = step < steps ? step : steps,
                               .strategy = strategies[(2 * i + (unsigned)dirs + script) % 8],
                               .seed = rng_next(&rng) % 1000 };
            bad += all_seconds(&f, 1, kit_level() == 0 ? 5 : kit_sparse(), &states);
        }
        kit_release(&p);
    }
    (void)fprintf(stderr, "%s: %u first crashes, %lu second-level states, %lu wrong\n",
                  kit_scripts[script].name, done, states, bad);
    print_total(done, states, 0, bad);
    cr_assert_eq(bad, 0);
}

#define SECOND(n, name)      \
    Test(second_crash, name) \
    {                        \
        sweep(n);            \
    }

SECOND(0, recovery_of_small_saves_can_be_cut_anywhere)
SECOND(1, recovery_of_namespace_operations_can_be_cut_anywhere)
SECOND(2, recovery_of_large_values_can_be_cut_anywhere)
SECOND(3, recovery_of_rolled_segments_can_be_cut_anywhere)
SECOND(4, recovery_of_weak_modes_can_be_cut_anywhere)
SECOND(5, recovery_of_long_batches_can_be_cut_anywhere)
SECOND(6, recovery_of_clean_closes_can_be_cut_anywhere)
SECOND(7, recovery_of_extents_behind_a_clean_close_can_be_cut_anywhere)
SECOND(8, recovery_of_what_is_kept_for_deletes_can_be_cut_anywhere)
SECOND(9, recovery_of_rollbacks_and_tags_can_be_cut_anywhere)
SECOND(10, recovery_of_compactions_can_be_cut_anywhere)
SECOND(11, recovery_of_bases_can_be_cut_anywhere)
SECOND(12, recovery_of_purges_can_be_cut_anywhere)
SECOND(13, recovery_of_copies_of_what_has_moved_can_be_cut_anywhere)
