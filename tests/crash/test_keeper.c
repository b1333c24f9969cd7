/*
 * Index checkpoints that the store's own thread writes while commits go on: the power goes, or a call
 * fails, at each step of one. A checkpoint is a cache: nobody may notice but the next open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "kit.h"

enum {
    STEPS = 70, /* some 4 MiB of log: three checkpoints, and one at the close */
    VALUES = 7,
    LEN = 8000,
    CALLS_MAX = 400
};

/* ---- the calls that concern chk/ -----------------------------------------------------------------*/

static const struct hg_io_ops *below;
static struct hg_io_ops ops;
static struct played p;
static uint64_t at_step[CALLS_MAX]; /* the disk's steps before each of them */
static unsigned calls;
static unsigned fail_at; /* counted from 1; 0: none */
static int for_ever;
static int code;
static unsigned hits;

static int fails(const char *name)
{
    if (strncmp(name, "chk", 3) != 0)
        return 0;
    if (calls < CALLS_MAX)
        at_step[calls] = hg_sim_steps(p.sim);
    calls++;
    if (fail_at == 0 || calls < fail_at || (calls > fail_at && !for_ever))
        return 0;
    hits++;
    return hg_error(code, "%s fails", name);
}

static int on_open(struct hg_io *io, const char *name, unsigned flags, struct hg_file **out_file)
{
    int rc = fails(name);
    return rc < 0 ? rc : below->open(io, name, flags, out_file);
}

static int on_write(struct hg_file *f, const struct iovec *iov, int n, uint64_t offset,
                    unsigned flags, size_t *out_n)
{
    int rc = fails(f->name);
    return rc < 0 ? rc : below->pwritev(f, iov, n, offset, flags, out_n);
}

static int on_sync(struct hg_file *f)
{
    int rc = fails(f->name);
    return rc < 0 ? rc : below->fdatasync(f);
}

static int on_rename(struct hg_io *io, const char *from, const char *to)
{
    int rc = fails(from);
    return rc < 0 ? rc : below->rename(io, from, to);
}

static int on_unlink(struct hg_io *io, const char *name)
{
    int rc = fails(name);
    return rc < 0 ? rc : below->unlink(io, name);
}

static int on_sync_dir(struct hg_io *io, const char *name)
{
    int rc = fails(name);
    return rc < 0 ? rc : below->sync_dir(io, name);
}

static void wrap(struct hg_io *io)
{
    below = io->ops;
    ops = *below;
    ops.open = on_open;
    ops.pwritev = on_write;
    ops.fdatasync = on_sync;
    ops.rename = on_rename;
    ops.unlink = on_unlink;
    ops.sync_dir = on_sync_dir;
    io->ops = &ops;
}

/* ---- a store that writes checkpoints while it is open --------------------------------------------*/

static void with_keeper(holog_options *o)
{
    o->segment_size_max = 256 << 10;
    o->inline_max = 8192;
    o->checkpoint_tail_mib = 1;
    o->no_background = 0;
    o->no_compaction = 1; /* a base would be there in place of some */
}

/* Plays it with the faults that are set; all its calls must succeed. */
static void play(uint64_t seed, enum hg_sim_dirs dirs)
{
    static const char *const paths[3] = { "a", "b", "c/d" };
    static struct step steps[STEPS];
    static struct script script = {
        .name = "keeper", .steps = steps, .n = STEPS, .options = with_keeper, .wrap = wrap
    };
    struct hg_sim_options so = { .seed = seed, .yields = 1, .dirs = dirs };

    for (unsigned i = 0; i < STEPS; i++)
        steps[i] = (struct step){ .op = STEP_BATCH,
                                  .path = paths[i % 3],
                                  .len = LEN,
                                  .seed = 1 + (uint64_t)i * VALUES,
                                  .count = VALUES,
                                  .flags = HOLOG_REPLACE | HOLOG_PARENTS };
    calls = 0;
    hits = 0;
    kit_play(&script, &so, &p);
}

static int one_state(uint64_t step, enum hg_sim_strategy strategy, uint64_t seed, unsigned *used)
{
    struct hg_sim *after = NULL;
    uint64_t durable;
    uint64_t submitted;
    int store;
    const char *wrong;

    cr_assert_eq(hg_sim_crash(p.sim, step, strategy, seed, &after), HOLOG_OK);
    kit_bounds(&p, step, &durable, &submitted, &store);
    wrong = kit_check(after, &p, durable, submitted, store);
    *used += kit_used_checkpoint() != 0;
    hg_sim_destroy(after);
    return wrong == NULL ? 0 : kit_fail(wrong);
}

static const char *dirs_name(int dirs)
{
    return dirs == HG_SIM_DIRS_POSIX ? "posix" : "journal";
}

Test(keeper, a_checkpoint_under_way_survives_any_cut)
{
    static const unsigned strides[3] = { 3, 1, 1 };
    static const unsigned seeds[3] = { 1, 2, 20 };
    unsigned long states = 0;
    unsigned long bad = 0;
    unsigned used = 0;
    int level = kit_level();

    fail_at = 0;
    for (int dirs = 0; dirs < 2; dirs++) {
        play(kit_seed(), (enum hg_sim_dirs)dirs);
        cr_assert_eq(p.rc, HOLOG_OK);
        cr_assert(calls > 30 && calls < CALLS_MAX, "%u calls", calls);
        for (unsigned i = (unsigned)dirs; i < calls && bad < 5; i += strides[level] * kit_thin())
            for (uint64_t k = 0; k < (uint64_t)HG_SIM_CRASH_STRATEGIES * seeds[level]; k++) {
                enum hg_sim_strategy s = (enum hg_sim_strategy)(k % HG_SIM_CRASH_STRATEGIES);
                if (!kit_case("keeper %s call %u %c %llu", dirs_name(dirs), i, kit_strategy(s),
                              (unsigned long long)k))
                    continue;
                bad += (unsigned long)one_state(at_step[i], s, k, &used);
                states++;
            }
        kit_release(&p);
    }
    (void)fprintf(stderr, "# %u calls for checkpoints, %u recoveries began with one\n", calls,
                  used);
    print_total(states, 0, 0, bad);
    cr_assert_eq(bad, 0);
    cr_assert(used > 0 || getenv("HOLOG_TEST_CASE") != NULL);
}

/* The n-th call fails. 0: there was none. */
static int fail_one(unsigned n, int with, int sticky, unsigned long *states, unsigned long *bad)
{
    static const enum hg_sim_strategy tried[] = { HG_SIM_CRASH_NONE, HG_SIM_CRASH_ALL,
                                                  HG_SIM_CRASH_RANDOM };
    unsigned used = 0;
    uint64_t end;

    fail_at = n;
    code = with;
    for_ever = sticky;
    play(kit_seed(), n % 2 == 0 ? HG_SIM_DIRS_POSIX : HG_SIM_DIRS_JOURNAL);
    if (p.rc < 0)
        *bad += (unsigned long)kit_fail("a checkpoint that could not be written fails somebody");
    if (hg_sim_open_files(p.sim) != 0)
        *bad += (unsigned long)kit_fail("files are left open");
    end = hg_sim_steps(p.sim);
    for (unsigned k = 0; hits > 0 && p.rc == HOLOG_OK && k < 3; k++) {
        *bad += (unsigned long)one_state(end, tried[k], n, &used);
        if (n < calls && n < CALLS_MAX)
            *bad += (unsigned long)one_state(at_step[n], tried[k], n, &used);
        *states += 2;
    }
    kit_release(&p);
    return hits > 0;
}

Test(keeper, a_checkpoint_that_cannot_be_written_fails_nobody)
{
    static const unsigned strides[3] = { 5, 1, 1 };
    static const int codes[] = { HOLOG_E_IO, HOLOG_E_NOSPC };
    unsigned long states = 0;
    unsigned long runs = 0;
    unsigned long bad = 0;

    for (unsigned k = 0; k < 4; k++) {
        int within = 1;
        for (unsigned n = 1; within && bad < 5; n += strides[kit_level()] * kit_thin()) {
            if (!kit_case("keeper call %u %s %s", n, k % 2 == 0 ? "EIO" : "ENOSPC",
                          k < 2 ? "once" : "for ever")) {
                within = n < CALLS_MAX;
                continue;
            }
            within = fail_one(n, codes[k % 2], k >= 2, &states, &bad);
            runs++;
        }
    }
    (void)fprintf(stderr, "# %lu runs with a fault, %lu cuts after, %lu wrong\n", runs, states,
                  bad);
    print_total(states, 0, 0, bad);
    cr_assert_eq(bad, 0);
}
