/*
 * Every call to the operating system that can fail does, once and for ever, one after the other:
 * what the caller is told is right, what it was told before stays true, nothing leaks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "drive.h"
#include "watch.h"

struct fault {
    const char *name;
    enum hg_sim_fault_kind kind;
    int err;
    unsigned classes; /* that it makes sense for */
    int allowed[3];   /* what calls may then return; [0] == 0: nobody may notice */
    int level;        /* from which on it is tried */
};

#define TRANSFERS (HG_SIM_F_READ | HG_SIM_F_WRITE)
static const struct fault faults[] = {
    { "EIO", HG_SIM_FAULT_ERRNO, EIO, HG_SIM_F_ALL, { HOLOG_E_IO, HOLOG_E_INDOUBT }, 0 },
    { "ENOSPC",
      HG_SIM_FAULT_ERRNO,
      ENOSPC,
      HG_SIM_F_OPEN | HG_SIM_F_WRITE | HG_SIM_F_SYNC | HG_SIM_F_SYNC_DIR | HG_SIM_F_FALLOCATE |
          HG_SIM_F_RENAME | HG_SIM_F_MKDIR,
      { HOLOG_E_NOSPC, HOLOG_E_INDOUBT },
      0 },
    { "short-one", HG_SIM_FAULT_SHORT_ONE, 0, TRANSFERS, { 0 }, 2 },
    { "short-half", HG_SIM_FAULT_SHORT_HALF, 0, TRANSFERS, { 0 }, 2 },
    { "EINTR", HG_SIM_FAULT_EINTR, 0, TRANSFERS | HG_SIM_F_SYNC | HG_SIM_F_OPEN, { 0 }, 2 },
    { "EDQUOT",
      HG_SIM_FAULT_ERRNO,
      EDQUOT,
      HG_SIM_F_OPEN | HG_SIM_F_WRITE | HG_SIM_F_FALLOCATE,
      { HOLOG_E_NOSPC, HOLOG_E_INDOUBT },
      2 },
    { "stuck", HG_SIM_FAULT_STUCK, 0, TRANSFERS, { HOLOG_E_IO, HOLOG_E_INDOUBT }, 2 },
};

struct run {
    const struct script *script;
    struct drive *d;
};

static int reopen_after_failure;

static int scenario(struct hg_io *io, void *ctx)
{
    struct run *r = ctx;
    int rc;

    watch_start(io);
    rc = drive_script(r->d, io, r->script->steps, r->script->n);
    watch_stop(io);
    return rc;
}

/* Space that was not there when it was asked for: that call alone fails. (Opening a file that is
 * there takes none: that the disk should be full then is only the fault's idea.) */
static int takes_space(unsigned fault_class, const struct drive *d)
{
    return fault_class == HG_SIM_F_FALLOCATE || fault_class == HG_SIM_F_MKDIR ||
           (fault_class == HG_SIM_F_OPEN && strstr(d->first_message, ".tmp:") != NULL);
}

static int out_of_space(const struct fault *f)
{
    return f->err == ENOSPC || f->err == EDQUOT;
}

static void judge(struct drive *d, const struct fault *f, const struct hg_sim_options *so,
                  struct hg_sim *sim)
{
    if (hg_sim_open_files(sim) != 0)
        (void)drive_wrong(d, "%u files are left open", hg_sim_open_files(sim));
    if (hg_sim_live_threads(sim) != 0)
        (void)drive_wrong(d, "%u threads are left", hg_sim_live_threads(sim));
    if (watch_retried_syncs() != 0)
        (void)drive_wrong(d, "a sync that failed was tried again");
    if (out_of_space(f) && takes_space(so->fault_classes, d) && d->poisoned)
        (void)drive_wrong(d, "a full disk has poisoned the store: %s", d->first_message);
    if (out_of_space(f) && takes_space(so->fault_classes, d) && !so->fault_sticky &&
        d->failures > 1)
        (void)drive_wrong(d, "one failure to take space has failed %d calls", d->failures);
}

/* 1: the fault lay within the run. */
static int one(const struct script *script, const struct fault *f, const struct hg_sim_options *so,
               unsigned long *states, unsigned long *bad)
{
    struct drive d;
    struct run r = { script, &d };
    struct hg_sim *sim = NULL;
    int within;

    drive_init(&d);
    memcpy(d.allowed, f->allowed, sizeof f->allowed);
    d.power_cut_after_failure = !reopen_after_failure;
    cr_assert_eq(hg_sim_create(so, &sim), HOLOG_OK);
    (void)hg_sim_run(sim, scenario, &r); /* what is wrong is in d */
    within = hg_sim_fallible_calls(sim, so->fault_classes) >= so->fault_at;
    judge(&d, f, so, sim);
    if (d.wrong[0] == 0)
        (void)drive_check_cuts(&d, sim, hg_sim_steps(sim), 1, states);
    if (d.wrong[0] != 0)
        *bad += (unsigned long)kit_fail(d.wrong);
    if (hg_sim_open_files(sim) != 0 || hg_sim_live_threads(sim) != 0)
        hg_sim_set_crash_step(sim, 0); /* so that it can be freed all the same */
    hg_sim_destroy(sim);
    drive_release(&d);
    return within;
}

static void every_call(size_t which)
{
    const struct script *script = &kit_scripts[which];
    unsigned long runs = 0;
    unsigned long states = 0;
    unsigned long bad = 0;
    int level = kit_level();

    for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
        const struct fault *f = &faults[k];
        if (level < f->level && getenv("HOLOG_TEST_CASE") == NULL)
            continue;
        for (unsigned i = 0; i < 15; i++) {
            struct hg_sim_options so = { .seed = kit_seed(),
                                         .fault_classes = 1u << i,
                                         .fault_kind = f->kind,
                                         .fault_errno = f->err };
            if ((f->classes & so.fault_classes) == 0)
                continue;
            for (so.fault_sticky = 0; so.fault_sticky < 2; so.fault_sticky++) {
                int within = 1;
                /* For ever and interrupted is stuck: somebody has to give up. */
                if (f->kind == HG_SIM_FAULT_EINTR && so.fault_sticky)
                    continue;
                for (so.fault_at = 1; within && bad < 8; so.fault_at += kit_thin()) {
                    so.dirs =
                        so.fault_at / kit_thin() % 2 == 0 ? HG_SIM_DIRS_POSIX : HG_SIM_DIRS_JOURNAL;
                    if (!kit_case("%s class %u %s at %llu %s", script->name, i, f->name,
                                  (unsigned long long)so.fault_at,
                                  so.fault_sticky ? "for ever" : "once")) {
                        within = so.fault_at < 2000;
                        continue;
                    }
                    within = one(script, f, &so, &states, &bad);
                    runs++;
                }
            }
        }
    }
    (void)fprintf(stderr,
                  "%s: %lu runs with a fault, %lu cuts after, %lu failed syncs, %lu wrong\n",
                  script->name, runs, states, watch_failed_syncs(), bad);
    print_total(states, 0, 0, bad);
    cr_assert_eq(bad, 0);
}

#define FAULTS(n, name, from_level)      \
    Test(faults, name)                   \
    {                                    \
        if (kit_level() >= (from_level)) \
            every_call(n);               \
    }

FAULTS(0, any_call_may_fail_while_values_are_saved, 0)
FAULTS(1, any_call_may_fail_in_namespace_operations, 1)
FAULTS(2, any_call_may_fail_while_extents_are_written, 0)
FAULTS(3, any_call_may_fail_in_rolls, 1)
FAULTS(4, any_call_may_fail_in_weak_modes, 1)
FAULTS(5, any_call_may_fail_in_long_batches, 1)
FAULTS(6, any_call_may_fail_in_reopens, 1)
FAULTS(7, any_call_may_fail_where_extents_go_on, 1)
FAULTS(9, any_call_may_fail_in_rollbacks_and_tags, 1)
FAULTS(10, any_call_may_fail_in_compactions, 0)
FAULTS(11, any_call_may_fail_while_bases_are_made, 0)
FAULTS(12, any_call_may_fail_in_purges, 0)
FAULTS(13, any_call_may_fail_where_copies_of_what_has_moved_come, 0)

/* A failed sync may leave pages in the cache that the disk never got, clean: whoever reads them
 * afterwards sees what a power cut takes away, and a second sync has nothing to write. */
Test(faults, a_reopen_after_a_failed_sync_trusts_only_the_disk)
{
    reopen_after_failure = 1;
    every_call(3);
    if (kit_level() >= 1)
        every_call(6);
}

/* ---- disks that really are full ------------------------------------------------------------------*/

struct full {
    const struct script *script;
    struct drive *d;
    uint64_t ballast;
    int give_back; /* the ballast goes when the disk is full; else the disk stays full */
    int was_full;
};

static int put_ballast(struct hg_io *io, uint64_t len)
{
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, "lost+found", HG_OPEN_WRITE | HG_OPEN_CREATE, &f);

    if (rc == HOLOG_OK && len > 0)
        rc = io->ops->fallocate(f, 0, len);
    if (f != NULL)
        (void)io->ops->close(f); /* it holds nothing */
    return rc;
}

static int make_room(struct full *c, struct hg_io *io)
{
    c->was_full = 1;
    return c->give_back ? io->ops->unlink(io, "lost+found") : HOLOG_E_NOSPC;
}

static void full_steps(struct full *c, struct hg_io *io, holog_store **store)
{
    struct drive *d = c->d;

    for (size_t i = 0; i < c->script->n && d->wrong[0] == 0 && *store != NULL; i++) {
        const struct step *s = &c->script->steps[i];
        const char *diff;
        int rc = drive_step(d, io, store, s);
        if (rc != HOLOG_E_NOSPC || *store == NULL)
            continue;
        if (s->op == STEP_SYNC || s->op == STEP_REOPEN)
            (void)drive_wrong(d, "step %zu, which needs no space, finds none", i);
        diff = model_differs(&d->now, *store);
        if (diff != NULL)
            (void)drive_wrong(d, "reading on a full disk: %s", diff);
        if (c->was_full && c->give_back)
            (void)drive_wrong(d, "step %zu finds no space on a disk with room", i);
        if (make_room(c, io) == HOLOG_OK && drive_step(d, io, store, s) != HOLOG_OK)
            (void)drive_wrong(d, "step %zu fails again with room on the disk", i);
    }
}

static int full_scenario(struct hg_io *io, void *ctx)
{
    struct full *c = ctx;
    struct drive *d = c->d;
    holog_store *store = NULL;
    int rc = put_ballast(io, c->ballast);

    if (rc == HOLOG_OK)
        rc = drive_create(d, io);
    if (rc == HOLOG_E_NOSPC && make_room(c, io) == HOLOG_OK)
        rc = drive_create(d, io);
    if (rc == HOLOG_E_NOSPC)
        return HOLOG_OK; /* no store, no harm */
    if (rc == HOLOG_OK)
        rc = drive_open(d, io, &store);
    if (rc < 0)
        return drive_wrong(d, "no start: %s", holog_error_name(rc));
    full_steps(c, io, &store);
    if (store == NULL)
        return drive_wrong(d, "a full disk keeps the store from opening");
    rc = d->wrong[0] == 0 ? drive_close(d, store) : holog_close(store);
    if (rc < 0)
        return drive_wrong(d, "close on a full disk: %s", holog_error_name(rc));
    rc = drive_open(d, io, &store);
    if (rc < 0)
        return drive_wrong(d, "open on a full disk: %s", holog_error_name(rc));
    if (model_differs(&d->now, store) != NULL)
        (void)drive_wrong(d, "reopened on a full disk: %s", model_differs(&d->now, store));
    rc = drive_close(d, store);
    if (rc < 0)
        return drive_wrong(d, "second close on a full disk: %s", holog_error_name(rc));
    return HOLOG_OK;
}

#define DISK_BYTES UINT64_C(2097152)

static void full_disks(int give_back)
{
    static const uint64_t stride[3] = { 20480, 8192, 4096 };
    unsigned long runs = 0;
    unsigned long bad = 0;
    unsigned long full = 0;

    for (size_t i = 0; i < kit_script_count; i++) {
        for (uint64_t room = 0; room <= DISK_BYTES / 2 && bad < 8;
             room += stride[kit_level()] * kit_thin()) {
            struct hg_sim_options so = { .seed = kit_seed(), .capacity = DISK_BYTES };
            struct drive d;
            struct full c = { .script = &kit_scripts[i],
                              .d = &d,
                              .give_back = give_back,
                              .ballast = DISK_BYTES - room };
            struct hg_sim *sim = NULL;
            if (!kit_case("%s room %llu %s", kit_scripts[i].name, (unsigned long long)room,
                          give_back ? "healed" : "full"))
                continue;
            drive_init(&d);
            d.allowed[0] = HOLOG_E_NOSPC;
            cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
            (void)hg_sim_run(sim, full_scenario, &c); /* what is wrong is in d */
            if (d.wrong[0] != 0)
                bad += (unsigned long)kit_fail(d.wrong);
            full += c.was_full != 0;
            runs++;
            hg_sim_destroy(sim);
            drive_release(&d);
        }
    }
    (void)fprintf(stderr, "%s: %lu disks, %lu of them full at some time, %lu wrong\n",
                  give_back ? "space comes back" : "the disk stays full", runs, full, bad);
    cr_assert_eq(bad, 0);
}

Test(faults, a_full_disk_fails_one_commit_and_heals_when_space_is_back)
{
    full_disks(1);
}

Test(faults, a_disk_that_stays_full_still_opens_reads_and_closes)
{
    full_disks(0);
}
