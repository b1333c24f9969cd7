/*
 * Index checkpoints of a store that is not closed: written when the log behind the newest has grown,
 * so that the open after a kill replays what came since and no more.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "holog/versions.h"
#include "storekit.h"

static struct box box;

static void setup(void)
{
    box_make(&box);
    box.opts.segment_size_max = 256 << 10;
    box.opts.checkpoint_tail_mib = 1;
    box.opts.no_compaction = 1;    /* a base would have what a checkpoint lacks */
    box.opts.lock_wait_ms = 10000; /* after the kill */
    box.opts.sync = HOLOG_SYNC_OS;
}

static void teardown(void)
{
    box_end(&box);
}

TestSuite(keeper, .init = setup, .fini = teardown, .timeout = 120);

enum {
    ENTRIES = 300,
    LEN = 1000,
    ROUNDS = 40
};

static uint64_t checkpoints(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st.checkpoints;
}

static void change_all(unsigned round)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "d%u/e%u", i % 7, i);
        OK(save_seed(box.store, path, LEN, round * ENTRIES + i, HOLOG_REPLACE | HOLOG_PARENTS));
    }
}

struct lived {
    unsigned round; /* that every entry is of */
    uint64_t first; /* commit at the end of round 0, which has a tag */
};

static void keep_all(void)
{
    OK(holog_config(box.store, "retention.commits", "all", NULL, 0));
    OK(holog_config(box.store, "retention.age_s", "all", NULL, 0));
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
}

/* Until a second checkpoint is there, which has a past, and some commits more. */
static struct lived live(void)
{
    struct lived l = { 0 };

    keep_all();
    for (; l.round < ROUNDS && checkpoints() < 2; l.round++) {
        change_all(l.round);
        if (l.round > 0)
            continue;
        l.first = holog_last_number(box.store);
        OK(holog_tag(box.store, "first", l.first, 0));
    }
    for (unsigned i = 0; i < 1000 && checkpoints() < 2; i++)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    cr_assert_geq(checkpoints(), 2, "after %u rounds", l.round);
    change_all(l.round);
    return l;
}

/* In a process that is killed then; the store is open here, from a checkpoint of that one. */
static struct lived live_and_be_killed(void)
{
    holog_recovery_report report = { .struct_size = sizeof report };
    struct lived l = { 0 };
    int tell[2];
    int status;
    pid_t pid;

    cr_assert_eq(pipe(tell), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        box_open(&box);
        l = live();
        OK(holog_sync(box.store));
        (void)!write(tell[1], &l, sizeof l);
        (void)pause();
    }
    cr_assert_eq(read(tell[0], &l, sizeof l), (ssize_t)sizeof l);
    (void)kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    box_open(&box);
    OK(holog_recovery_info(box.store, &report));
    cr_assert_eq(report.used_checkpoint, 1);
    return l;
}

Test(keeper, a_long_log_gets_a_checkpoint_and_the_open_after_a_kill_uses_it)
{
    struct lived l = live_and_be_killed();

    for (unsigned i = 0; i < ENTRIES; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "d%u/e%u", i % 7, i);
        has_seed(box.store, path, LEN, l.round * ENTRIES + i);
    }
    box_same_after_reopen(&box);
}

static int count_version(void *ctx, const holog_version_info *info)
{
    (void)info;
    ++*(unsigned *)ctx;
    return 0;
}

Test(keeper, a_checkpoint_has_what_was_before_it_for_the_open_after_a_kill)
{
    struct lived l = live_and_be_killed();
    uint64_t tagged = 0;

    OK(holog_ref(box.store, "first", &tagged));
    cr_assert_eq(tagged, l.first);
    OK(holog_rollback(box.store, "/", l.first, NULL));
    for (unsigned i = 0; i < ENTRIES; i++) {
        char path[32];
        unsigned n = 0;
        (void)snprintf(path, sizeof path, "d%u/e%u", i % 7, i);
        has_seed(box.store, path, LEN, i);
        OK(holog_history(box.store, path, 0, count_version, &n));
        cr_assert_eq(n, l.round + 2, "%s has had %u versions", path, n);
    }
}

Test(keeper, closing_while_a_checkpoint_is_due_leaves_one_that_has_all)
{
    holog_recovery_report report = { .struct_size = sizeof report };

    box_open(&box);
    for (unsigned round = 0; round < 12; round++)
        change_all(round);
    box_same_after_reopen(&box);
    OK(holog_recovery_info(box.store, &report));
    cr_assert_eq(report.used_checkpoint, 1);
    cr_assert_eq(report.clean, 1);
}
