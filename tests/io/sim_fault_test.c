/*
 * Faults of the simulated machine: each is reported, none leaks, and each class can be hit.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

#define NEW (HG_OPEN_WRITE | HG_OPEN_CREATE)

static void idle(void *arg)
{
    (void)arg;
}

static int no_name(void *ctx, const char *name, int is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
    return 0;
}

static int use_file(struct hg_io *io, struct hg_file *f)
{
    uint8_t buf[2000] = "x";
    int held;
    struct hg_req r = { .op = HG_REQ_WRITE_DSYNC, .file = f, .buf = buf, .len_bytes = 2000 };
    struct hg_req *list = &r;
    int rc = io->ops->lock(f, 0, 1, 1);
    if (rc == HOLOG_OK)
        rc = io->ops->lock_test(f, 0, 1, 1, &held);
    if (rc == HOLOG_OK)
        rc = io->ops->fallocate(f, 0, 8192);
    if (rc == HOLOG_OK)
        rc = hg_io_write_full(f, buf, sizeof buf, 0, 0);
    if (rc == HOLOG_OK)
        rc = io->ops->submit(io, &list, 1);
    if (rc == HOLOG_OK)
        rc = io->ops->wait(io, &r);
    if (rc == HOLOG_OK)
        rc = hg_io_read_full(f, buf, sizeof buf, 0);
    if (rc == HOLOG_OK)
        rc = io->ops->truncate(f, 2000);
    if (rc == HOLOG_OK)
        rc = io->ops->fdatasync(f);
    return rc;
}

/* Every fallible call once, unwinding at the first failure. */
static int scenario(struct hg_io *io, void *ctx)
{
    struct hg_file *f = NULL;
    struct hg_thread *t = NULL;
    uint64_t dice;
    (void)ctx;
    int rc = io->ops->random(io, &dice, sizeof dice);
    if (rc == HOLOG_OK)
        rc = io->ops->mkdir(io, "d");
    if (rc == HOLOG_OK)
        rc = io->ops->thread_start(io, "idle", idle, NULL, &t);
    if (rc == HOLOG_OK)
        io->ops->thread_join(io, t);
    if (rc == HOLOG_OK)
        rc = io->ops->open(io, "d/tmp", NEW, &f);
    if (rc < 0)
        return rc;
    rc = use_file(io, f);
    int closed = io->ops->close(f);
    if (rc == HOLOG_OK)
        rc = closed;
    if (rc == HOLOG_OK)
        rc = io->ops->rename(io, "d/tmp", "d/f");
    if (rc == HOLOG_OK)
        rc = io->ops->sync_dir(io, "d");
    if (rc == HOLOG_OK)
        rc = io->ops->read_dir(io, "d", no_name, NULL);
    if (rc == HOLOG_OK)
        rc = io->ops->unlink(io, "d/f");
    if (rc == HOLOG_OK)
        rc = io->ops->rmdir(io, "d");
    return rc;
}

static void sweep(struct hg_sim_options opts, int code)
{
    opts.fault_classes = HG_SIM_F_ALL;
    for (uint64_t at = 1;; at++) {
        struct hg_sim *sim = NULL;
        opts.fault_at = at;
        OK(hg_sim_create(&opts, &sim));
        int rc = hg_sim_run(sim, scenario, NULL);
        uint64_t calls = hg_sim_fallible_calls(sim, HG_SIM_F_ALL);
        cr_assert_eq(hg_sim_open_files(sim), 0, "fault at call %u leaks a file", (unsigned)at);
        cr_assert_eq(hg_sim_live_threads(sim), 0);
        hg_sim_destroy(sim);
        if (calls < at) {
            OK(rc);
            cr_assert_gt(at, 15, "the scenario makes a call of every class");
            return;
        }
        cr_assert_eq(rc, code, "call %u gave %s", (unsigned)at, holog_error_name(rc));
    }
}

Test(sim_fault, every_single_fault_is_reported_and_leaks_nothing)
{
    static const int errnos[] = { EIO, ENOSPC, EDQUOT, ENOMEM };
    static const int codes[] = { HOLOG_E_IO, HOLOG_E_NOSPC, HOLOG_E_NOSPC, HOLOG_E_NOMEM };
    for (int i = 0; i < 4; i++)
        for (int sticky = 0; sticky < 2; sticky++)
            for (int yields = 0; yields < 2; yields++)
                sweep((struct hg_sim_options){ .fault_kind = HG_SIM_FAULT_ERRNO,
                                               .fault_errno = errnos[i],
                                               .fault_sticky = sticky,
                                               .yields = yields,
                                               .seed = 5 },
                      codes[i]);
}

Test(sim_fault, short_transfers_and_single_interruptions_do_not_show)
{
    static const enum hg_sim_fault_kind kinds[] = { HG_SIM_FAULT_SHORT_ONE, HG_SIM_FAULT_SHORT_HALF,
                                                    HG_SIM_FAULT_EINTR };
    for (int i = 0; i < 3; i++)
        sweep((struct hg_sim_options){ .fault_kind = kinds[i] }, HOLOG_OK);
    sweep((struct hg_sim_options){ .fault_kind = HG_SIM_FAULT_ERRNO, .fault_errno = EAGAIN },
          HOLOG_OK);
}

static void class_is_hit(unsigned fault_class)
{
    struct hg_sim_options opts = { .fault_kind = HG_SIM_FAULT_ERRNO,
                                   .fault_errno = EIO,
                                   .fault_classes = fault_class,
                                   .fault_at = 1 };
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    FAILS(HOLOG_E_IO, hg_sim_run(sim, scenario, NULL));
    cr_assert_eq(hg_sim_fallible_calls(sim, fault_class), 1);
    hg_sim_destroy(sim);
}

Test(sim_fault, every_class_can_be_hit_alone)
{
    for (unsigned bit = 0; bit < 15; bit++)
        class_is_hit(1u << bit);
}

static int read_past_the_cache(struct hg_io *io, void *out4)
{
    static _Alignas(4096) char block[4096];
    struct hg_file *f = world_open(io, "f", HG_OPEN_DIRECT);
    size_t n = 0;
    int rc = hg_io_read_upto(f, block, sizeof block, 0, &n);
    memcpy(out4, block, 4);
    world_close(f);
    return rc;
}

static int reopened_sync(struct hg_io *io, void *ctx)
{
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "lost", 4, 0, 0));
    FAILS(HOLOG_E_IO, io->ops->fdatasync(f)); /* the fault */
    FAILS(HOLOG_E_IO, io->ops->fdatasync(f)); /* remembered */
    world_close(f);
    f = world_open(io, "f", HG_OPEN_WRITE);
    char buf[5] = "";
    OK(hg_io_read_full(f, buf, 4, 0));
    cr_assert_str_eq(buf, "lost", "the page cache still has it");
    if (ctx != NULL)
        OK(read_past_the_cache(io, ctx));
    OK(hg_io_write_full(f, "kept", 4, 512, 0));
    OK(io->ops->fdatasync(f)); /* a new handle knows nothing, and promises only what is new */
    world_close(f);
    return HOLOG_OK;
}

Test(sim_fault, what_a_failed_sync_covered_is_not_saved_by_a_later_one)
{
    struct hg_sim_options opts = { .fault_kind = HG_SIM_FAULT_ERRNO,
                                   .fault_errno = EIO,
                                   .fault_classes = HG_SIM_F_SYNC,
                                   .fault_at = 1 };
    struct hg_sim *sim = NULL;
    struct hg_sim *after = NULL;
    uint64_t size;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_run(sim, reopened_sync, NULL));
    OK(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_NONE, 0, &after));
    const uint8_t *p = hg_sim_file_data(after, "f", &size);
    cr_assert_eq(size, 516);
    cr_assert_arr_eq(p + 512, "kept", 4);
    cr_assert_arr_neq(p, "lost", 4);
    hg_sim_destroy(after);
    OK(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_ALL, 0, &after));
    p = hg_sim_file_data(after, "f", &size);
    cr_assert_arr_eq(p, "lost", 4, "it may have reached the disk all the same");
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

Test(sim_fault, who_reads_past_the_cache_sees_what_a_failed_sync_lost_and_it_stays_lost)
{
    struct hg_sim_options opts = { .fault_kind = HG_SIM_FAULT_ERRNO,
                                   .fault_errno = EIO,
                                   .fault_classes = HG_SIM_F_SYNC,
                                   .fault_at = 1 };
    struct hg_sim *sim = NULL;
    struct hg_sim *after = NULL;
    char seen[4];
    uint64_t size;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_run(sim, reopened_sync, seen));
    cr_assert_arr_neq(seen, "lost", 4);
    OK(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_ALL, 0, &after));
    const uint8_t *p = hg_sim_file_data(after, "f", &size);
    cr_assert_arr_neq(p, "lost", 4);
    cr_assert_arr_eq(p + 512, "kept", 4);
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

static int write_all_new(struct hg_io *io, void *ctx)
{
    uint8_t buf[4096];
    (void)ctx;
    memset(buf, 'n', sizeof buf);
    struct hg_file *f = world_open(io, "f", HG_OPEN_WRITE);
    int rc = hg_io_write_full(f, buf, sizeof buf, 0, 0);
    world_close(f);
    return rc;
}

Test(sim_fault, a_failed_write_may_have_been_partial)
{
    int none = 0;
    int some = 0;
    uint8_t old[4096];
    memset(old, 'o', sizeof old);
    for (unsigned seed = 0; seed < 30; seed++) {
        struct hg_sim_options opts = { .seed = seed,
                                       .fault_kind = HG_SIM_FAULT_ERRNO,
                                       .fault_errno = EIO,
                                       .fault_classes = HG_SIM_F_WRITE,
                                       .fault_at = 1 };
        struct hg_sim *sim = NULL;
        uint64_t size;
        OK(hg_sim_create(&opts, &sim));
        OK(hg_sim_file_put(sim, "f", old, sizeof old));
        FAILS(HOLOG_E_IO, hg_sim_run(sim, write_all_new, NULL));
        const uint8_t *p = hg_sim_file_data(sim, "f", &size);
        none += p[0] == 'o';
        some += p[0] == 'n';
        cr_assert_eq(p[4095], 'o', "but never whole");
        hg_sim_destroy(sim);
    }
    cr_assert(none > 3 && some > 3);
}

static int misaligned(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW | HG_OPEN_DIRECT);
    uint8_t *p = hg_alloc_aligned(HG_IO_BLOCK, 2 * HG_IO_BLOCK);
    memset(p, 0, 2 * HG_IO_BLOCK);
    FAILS(HOLOG_E_IO, hg_io_write_full(f, p, HG_IO_BLOCK, 512, 0));
    FAILS(HOLOG_E_IO, hg_io_write_full(f, p, 512, 0, 0));
    FAILS(HOLOG_E_IO, hg_io_write_full(f, p + 1, HG_IO_BLOCK, 0, 0));
    OK(hg_io_write_full(f, p, 2 * HG_IO_BLOCK, HG_IO_BLOCK, 0));
    FAILS(HOLOG_E_IO, hg_io_read_full(f, p, 100, 0));
    hg_free(p);
    world_close(f);
    return HOLOG_OK;
}

Test(sim_fault, direct_transfers_that_are_not_aligned_fail)
{
    struct hg_sim_options opts = { 0 };
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_run(sim, misaligned, NULL));
    hg_sim_destroy(sim);
}

Test(sim_fault, options_can_be_changed_between_runs)
{
    struct hg_sim_options opts = { .seed = 1 };
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_run(sim, scenario, NULL));
    opts.fault_kind = HG_SIM_FAULT_ERRNO;
    opts.fault_errno = EIO;
    opts.fault_classes = HG_SIM_F_MKDIR;
    opts.fault_at = 1;
    hg_sim_set_options(sim, &opts);
    cr_assert_eq(hg_sim_fallible_calls(sim, HG_SIM_F_ALL), 0);
    FAILS(HOLOG_E_IO, hg_sim_run(sim, scenario, NULL));
    hg_sim_destroy(sim);
}

static int leave_open(struct hg_io *io, void *ctx)
{
    *(struct hg_file **)ctx = world_open(io, "f", NEW);
    return HOLOG_OK;
}

Test(sim_fault, a_leaked_handle_is_noticed, .signal = SIGABRT)
{
    struct hg_sim_options opts = { 0 };
    struct hg_sim *sim = NULL;
    struct hg_file *leaked = NULL;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_run(sim, leave_open, &leaked));
    hg_sim_destroy(sim);
}
