/*
 * Two arrays that grow and change in one commit: whatever cuts a commit short, neither is ever ahead of the
 * other, and no element is anything but what some commit made of it.
 *
 *   power    on the simulated disk: cut at each step of the run, in each way
 *   moved    the same, with compactions among the commits
 *   flips    a bit of each byte (in the normal run, of every seventh) of a closed store: an element is right,
 *            or reading it is an error; it is never the fill value
 *   kills    a real process is killed with SIGKILL at random moments: quick 10, normal 150, full 2,000 times
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../crash/sweep.h"
#include "../crash/total.h"
#include "holog/array.h"
#include "holog/compact.h"
#include "storekit.h"

enum {
    COLUMNS = 48,
    GROWTH = 3, /* rows a commit */
    LONG = 300, /* times that the same is written */
    COMMITS = 14,
    FILL = 77
};

/* Row r of an array as of commit n: commit c has made rows GROWTH * (c - 1) and on, and changed half of
 * row c / 2 once more. */
static uint16_t element(unsigned array, uint64_t n, uint64_t row, uint64_t column)
{
    uint64_t maker = row / GROWTH + 1;
    uint64_t later = 0;

    for (uint64_t c = maker; c <= n; c++)
        if (c / 2 == row && column >= COLUMNS / 2)
            later = c;
    return (uint16_t)(1000 + array * 7 + maker * 31 + row * 3 + column + later * 1009);
}

static void make_arrays(holog_store *s)
{
    const uint64_t shape[2] = { 0, COLUMNS };
    const uint64_t small[2] = { 4, 10 };       /* in frames */
    const uint64_t large[2] = { 32, COLUMNS }; /* in extents */
    const uint16_t fill = FILL;
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 2,
                              .shape = shape,
                              .chunk = small,
                              .fill = &fill };
    holog_txn *txn = NULL;

    OK(holog_begin(s, &txn));
    OK(holog_txn_array_create(txn, "a", &spec, 0));
    spec.chunk = large;
    OK(holog_txn_array_create(txn, "b", &spec, 0));
    OK(holog_commit(txn, NULL));
}

/* Some commits make more deltas than a frame holds: what they change is saved whole. */
static int is_long(uint64_t n)
{
    return n == 4 || n == 11;
}

/* What commit n does to an array. */
static int grow(holog_txn *txn, unsigned array, uint64_t n)
{
    uint16_t rows[GROWTH * COLUMNS];
    const holog_slice half[2] = { { n / 2, 1, 1 }, { COLUMNS / 2, COLUMNS / 2, 1 } };
    holog_array *a = NULL;
    int rc = holog_txn_array(txn, array == 0 ? "a" : "b", &a);

    for (uint64_t i = 0; i < GROWTH; i++)
        for (uint64_t x = 0; x < COLUMNS; x++)
            rows[i * COLUMNS + x] = element(array, n, GROWTH * (n - 1) + i, x);
    if (rc == HOLOG_OK)
        rc = holog_array_append(a, 0, GROWTH, rows, NULL);
    for (uint64_t x = 0; x < COLUMNS / 2; x++)
        rows[x] = element(array, n, n / 2, COLUMNS / 2 + x);
    for (unsigned i = 0; rc == HOLOG_OK && i < (is_long(n) && array == 0 ? LONG : 1); i++)
        rc = holog_array_write(a, half, rows, NULL);
    holog_array_close(a);
    return rc;
}

static int grow_both(holog_store *s, uint64_t n)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(s, &txn);

    if (rc < 0)
        return rc;
    rc = grow(txn, 0, n);
    if (rc == HOLOG_OK)
        rc = grow(txn, 1, n);
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

/* How far they have come; -1: they are not there. */
static int64_t look_at(holog_store *s)
{
    static uint16_t read[GROWTH * 4096 * COLUMNS];
    holog_array_info info[2] = { { .struct_size = sizeof info[0] },
                                 { .struct_size = sizeof info[1] } };
    holog_view *view = NULL;
    int64_t n = -1;

    OK(holog_view_open(s, &view));
    for (unsigned k = 0; k < 2; k++) {
        holog_array *a = NULL;
        int rc = holog_view_array(view, k == 0 ? "a" : "b", &a);
        cr_assert(rc == HOLOG_OK || (rc == HOLOG_E_NOENT && n == -1), "array %u: %s", k,
                  holog_error_name(rc));
        if (rc < 0)
            continue;
        OK(holog_array_get_info(a, &info[k]));
        cr_assert(k == 0 || n * GROWTH == (int64_t)info[1].shape[0], "%lld commits, and %llu rows",
                  (long long)n, (unsigned long long)info[1].shape[0]);
        n = (int64_t)info[k].shape[0] / GROWTH;
        cr_assert_eq(info[k].shape[0] % GROWTH, 0);
        cr_assert_lt(info[k].size_bytes, sizeof read);
        OK(holog_array_read(a, NULL, read, NULL));
        for (uint64_t y = 0; y < info[k].shape[0]; y++)
            for (uint64_t x = 0; x < COLUMNS; x++)
                cr_assert_eq(read[y * COLUMNS + x], element(k, (uint64_t)n, y, x),
                             "array %u at %llu, %llu after %lld commits", k, (unsigned long long)y,
                             (unsigned long long)x, (long long)n);
        holog_array_close(a);
    }
    holog_view_close(view);
    return n;
}

/* ---- power ---------------------------------------------------------------------------------------*/

static int compacts;
static uint64_t moved; /* chunks and payloads */

static void options(holog_options *o)
{
    kit_options(o);
    o->inline_max = 1024;
}

/* What the arrays have in extents lies in full segments of these. */
static void fill_extents(holog_store *s)
{
    static uint8_t filling[100000];

    OK(holog_save(s, "filling", filling, sizeof filling, HOLOG_REPLACE, NULL));
}

static void compact(holog_store *s)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report r = { .struct_size = sizeof r };

    fill_extents(s);
    OK(holog_compact(s, &all, &r));
    moved += r.values;
}

static int run(struct hg_io *io, void *ctx)
{
    struct hg_sim *on = ctx;
    holog_options o;
    holog_store *s = NULL;

    options(&o);
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    hg_sim_mark(on, MARK_STORE, 1);
    make_arrays(s);
    hg_sim_mark(on, MARK_DURABLE, 0);
    for (uint64_t n = 1; n <= COMMITS; n++) {
        holog_stats before = { .struct_size = sizeof before };
        holog_stats after = { .struct_size = sizeof after };
        OK(holog_stats_get(s, &before));
        OK(grow_both(s, n));
        hg_sim_mark(on, MARK_DURABLE, n);
        OK(holog_stats_get(s, &after));
        if (is_long(n))
            cr_assert_eq(after.delta_updates, before.delta_updates, "chunks are saved whole");
        else if (n > 2)
            cr_assert_gt(after.delta_updates, before.delta_updates);
        if (compacts && n % 3 == 0)
            compact(s);
        if (n == COMMITS / 2) { /* and from a checkpoint */
            OK(holog_close(s));
            OK(hg_store_open_io(io, &o, &s));
        }
    }
    return holog_close(s);
}

static int look(struct hg_io *io, void *ctx)
{
    int64_t *found = ctx;
    holog_options o;
    holog_store *s = NULL;

    options(&o);
    OK(hg_store_open_io(io, &o, &s));
    *found = look_at(s);
    if (*found >= 0) /* it goes on from there */
        OK(grow_both(s, (uint64_t)*found + 1));
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    cr_assert_eq(look_at(s), *found >= 0 ? *found + 1 : -1);
    return holog_close(s);
}

static void cut_everywhere(void)
{
    cr_assert_gt(sweep_cuts(run, look), 50);
}

Test(array_crash, two_arrays_in_one_commit_are_never_apart_after_a_power_cut)
{
    cut_everywhere();
}

Test(array_crash, arrays_that_are_moved_are_never_apart_after_a_power_cut)
{
    compacts = 1;
    cut_everywhere();
    cr_assert_gt(moved, 4);
}

/* ---- flips ---------------------------------------------------------------------------------------*/

static struct hg_sim *sim;
static unsigned errors, silent;

/* Opens read-only: damage must not be repaired away. */
static int read_damaged(struct hg_io *io, void *ctx)
{
    static uint16_t read[GROWTH * COMMITS * COLUMNS];
    holog_options o;
    holog_store *s = NULL;
    int wrong = 0;

    (void)ctx;
    options(&o);
    o.flags = HOLOG_OPEN_READONLY;
    if (hg_store_open_io(io, &o, &s) < 0) {
        errors++;
        return HOLOG_OK;
    }
    for (unsigned k = 0; k < 2; k++) {
        holog_array_info info = { .struct_size = sizeof info };
        holog_array *a = NULL;
        int rc = holog_array_open(s, k == 0 ? "a" : "b", &a);
        if (rc == HOLOG_OK)
            rc = holog_array_get_info(a, &info);
        if (rc == HOLOG_OK)
            rc = holog_array_read(a, NULL, read, NULL);
        wrong |= rc < 0;
        for (uint64_t y = 0; rc == HOLOG_OK && y < info.shape[0]; y++)
            for (uint64_t x = 0; x < COLUMNS; x++)
                cr_assert_eq(read[y * COLUMNS + x], element(k, info.shape[0] / GROWTH, y, x));
        holog_array_close(a);
    }
    errors += wrong != 0;
    silent += wrong == 0;
    return holog_close(s);
}

static int flip_file(void *ctx, const char *name, uint64_t size)
{
    unsigned every = test_level() == 0 ? 499 : test_level() == 1 ? 7 * kit_thin() : 1;

    (void)ctx;
    for (uint64_t at = 0; at < size; at += every) {
        struct hg_sim *copy = NULL;
        uint64_t len = 0;
        uint8_t *bytes;
        OK(hg_sim_clone(sim, &copy));
        bytes = hg_sim_file_data(copy, name, &len);
        cr_assert_not_null(bytes);
        bytes[at] ^= (uint8_t)(1u << (at % 8));
        OK(hg_sim_run(copy, read_damaged, NULL));
        hg_sim_destroy(copy);
    }
    return 0;
}

Test(array_crash, a_flipped_bit_is_an_error_or_nothing_and_never_another_element)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, run, sim));
    OK(hg_sim_each_file(sim, flip_file, NULL));
    (void)fprintf(stderr, "# %u errors, %u did not matter\n", errors, silent);
    cr_assert_gt(errors, 3);
    hg_sim_destroy(sim);
}

/* ---- kills ---------------------------------------------------------------------------------------*/

static _Atomic int64_t *acknowledged;

static void grow_until_killed(const char *dir)
{
    holog_options o;
    holog_store *s = NULL;
    int64_t n;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    holog_options_init(&o);
    if (holog_open(dir, &o, &s) < 0)
        _exit(9);
    n = look_at(s);
    if (n < 0) {
        make_arrays(s);
        n = 0;
        atomic_store(acknowledged, 0);
    }
    for (n = n + 1; n < 4000; n++) {
        if (grow_both(s, (uint64_t)n) < 0)
            _exit(9);
        atomic_store(acknowledged, n);
    }
    _exit(holog_close(s) < 0 ? 9 : 0);
}

/* Until `commits` more are acknowledged and a moment longer: however slow the machine is, work is cut short,
 * and not only the opening of a store. At once where it is 0, which may cut the opening. */
static void let_it_work(pid_t pid, int64_t done, int64_t commits, uint64_t *seed)
{
    struct timespec a_bit = { .tv_nsec = 200000 };
    struct timespec pause = { .tv_nsec =
                                  (long)(rng_next(seed) % (commits == 0 ? 20000000 : 2000000)) };
    siginfo_t ended = { 0 };

    while (commits > 0 && atomic_load(acknowledged) < done + commits && ended.si_pid == 0) {
        (void)nanosleep(&a_bit, NULL);
        (void)waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    (void)nanosleep(&pause, NULL);
}

Test(array_crash, two_arrays_in_one_commit_are_never_apart_after_a_kill, .timeout = 600)
{
    const int kills = test_level() == 0 ? 10 : test_level() == 1 ? 150 : 2000;
    uint64_t seed = test_seed();
    struct box box;
    int64_t most = -1;
    int64_t commits = 0;
    int64_t wanted = 0;

    acknowledged =
        mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(acknowledged != MAP_FAILED);
    box_make(&box);
    box.opts.lock_wait_ms = 5000; /* its last writes may be under way */
    for (int i = 0; i < kills; i++) {
        int64_t more = (int64_t)(rng_next(&seed) % 8);
        int status = 0;
        int64_t there;
        pid_t pid;
        atomic_store(acknowledged, -1);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0)
            grow_until_killed(box.dir);
        let_it_work(pid, most, more, &seed);
        (void)kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "kill %d: it failed", i);
        box_open(&box);
        there = look_at(box.store);
        cr_assert_geq(there, atomic_load(acknowledged), "kill %d", i);
        cr_assert_geq(there, most, "kill %d: %lld commits were there before", i, (long long)most);
        commits += there - most;
        wanted += more;
        most = there;
        OK(holog_close(box.store));
        if (most > 300) { /* from the start */
            remove_tree(box.dir);
            most = -1;
        }
    }
    (void)fprintf(stderr, "# %lld commits\n", (long long)commits);
    print_total(0, 0, (unsigned long)kills, 0);
    cr_assert_geq(commits, wanted);
    cr_assert_gt(wanted, kills);
    box_open(&box);
    box_end(&box);
}
