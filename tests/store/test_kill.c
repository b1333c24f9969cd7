/*
 * A real process with four writing threads, killed with SIGKILL at random moments, again and again:
 * while it creates the store, opens it after the last kill, commits, rolls segments, closes. After
 * each kill the store is opened at once. Every acknowledged change must be there bit for bit; the one
 * that each thread had under way is there whole or not at all.
 *
 * Each thread has a directory of its own with a few slots. What its slots hold, by acknowledged
 * commits and with the one under way, stands in memory that outlives the killed process.
 *
 * HOLOG_TEST_LEVEL: quick 20, normal 500, full 10,000 kills, half of them in each io world. The seed
 * is printed; HOLOG_TEST_SEED repeats what the threads do (the moments of the kills are the
 * machine's affair).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#include "../crash/total.h"
#include "storekit.h"

enum {
    THREADS = 4,
    SLOTS = 12,
    FRESH_EVERY = 25,
    VERIFY_EVERY = 5
};

struct slot {
    uint32_t present;
    uint32_t len;
    uint64_t seed;
};

struct thread_state {
    struct slot state[2][SLOTS];
    /* bit 0: which state is acknowledged; bit 1: the other one is under way */
    _Atomic uint32_t word;
    _Atomic uint64_t acked_number;
    _Atomic uint64_t acks;
};

struct shared {
    struct thread_state t[THREADS];
    _Atomic uint32_t opened;
    _Atomic uint32_t failed;
    char why[600];
};

static struct shared *sh;
static char dir[256];
static holog_options opts;
static uint64_t seed_now; /* of this cycle */

static void sleep_us(uint64_t us)
{
    struct timespec ts = { .tv_sec = (time_t)(us / 1000000),
                           .tv_nsec = (long)(us % 1000000) * 1000 };
    (void)nanosleep(&ts, NULL);
}

/* ---- the process that is killed --------------------------------------------------------------------*/

static void child_fails(const char *what, int rc)
{
    struct holog_error_detail d;
    uint32_t none = 0;

    holog_last_error(&d);
    if (atomic_compare_exchange_strong(&sh->failed, &none, 1))
        (void)snprintf(sh->why, sizeof sh->why, "%s: %s: %.500s", what, holog_error_name(rc),
                       d.message);
    _exit(9);
}

static void slot_path(char *out, size_t room, unsigned thread, unsigned slot)
{
    (void)snprintf(out, room, "t%u/s%u", thread, slot);
}

static int save_slot(holog_txn *txn, unsigned thread, unsigned slot, struct slot *s, uint64_t *rng)
{
    static const uint32_t lens[] = { 0, 10, 300, 300, 1000, 5000, 20000, 70000 };
    char path[32];
    uint8_t *data;
    int rc;

    s->present = 1;
    s->len = lens[rng_next(rng) % 8];
    s->seed = rng_next(rng);
    slot_path(path, sizeof path, thread, slot);
    data = malloc(s->len + 1);
    if (data == NULL)
        return HOLOG_E_NOMEM;
    value_fill(data, s->len, s->seed);
    rc = holog_txn_save(txn, path, data, s->len, HOLOG_REPLACE | HOLOG_PARENTS);
    free(data);
    return rc;
}

/* One to five random changes; `next` becomes what they make of it. */
static int change(holog_txn *txn, unsigned thread, struct slot *next, uint64_t *rng)
{
    unsigned n = rng_next(rng) % 3 == 0 ? 5 : 1;
    int rc = HOLOG_OK;

    for (unsigned i = 0; i < n && rc == HOLOG_OK; i++) {
        unsigned a = (unsigned)(rng_next(rng) % SLOTS);
        unsigned b = (unsigned)(rng_next(rng) % SLOTS);
        uint64_t what = rng_next(rng) % 10;
        char from[32], to[32];
        slot_path(from, sizeof from, thread, a);
        slot_path(to, sizeof to, thread, b);
        if (what < 6 || !next[a].present || a == b) {
            rc = save_slot(txn, thread, a, &next[a], rng);
        } else if (what == 6) {
            rc = holog_txn_delete(txn, from);
            next[a].present = 0;
        } else if (what == 7) {
            rc = holog_txn_copy(txn, from, to, HOLOG_REPLACE);
            next[b] = next[a];
        } else {
            rc = holog_txn_move(txn, from, to, HOLOG_REPLACE);
            next[b] = next[a];
            next[a].present = 0;
        }
    }
    return rc;
}

struct writer {
    holog_store *store;
    unsigned thread;
    uint64_t rng;
    _Atomic int *stop;
};

static int commit(struct writer *w, holog_txn *txn, uint64_t *out_number)
{
    int rc;

    if (w->thread == 1) { /* a killed process loses nothing in this mode either */
        rc = holog_txn_sync(txn, HOLOG_SYNC_OS);
        return rc < 0 ? rc : holog_commit(txn, out_number);
    }
    if (w->thread == 2 && rng_next(&w->rng) % 2 == 0) {
        rc = holog_commit_async(txn, NULL, NULL, out_number);
        return rc < 0 ? rc : holog_wait_durable(w->store, *out_number, UINT32_MAX);
    }
    return holog_commit(txn, out_number);
}

static void *write_on(void *ctx)
{
    struct writer *w = ctx;
    struct thread_state *t = &sh->t[w->thread];

    while (!atomic_load(w->stop)) {
        uint32_t acked = atomic_load(&t->word) & 1;
        holog_txn *txn = NULL;
        uint64_t number = 0;
        int rc = holog_begin(w->store, &txn);
        memcpy(t->state[1 - acked], t->state[acked], sizeof t->state[0]);
        if (rc == HOLOG_OK)
            rc = change(txn, w->thread, t->state[1 - acked], &w->rng);
        if (rc < 0)
            child_fails("a change", rc);
        atomic_store(&t->word, acked | 2);
        rc = commit(w, txn, &number);
        if (rc < 0)
            child_fails("a commit", rc);
        atomic_store(&t->acked_number, number);
        atomic_store(&t->word, 1 - acked);
        atomic_fetch_add(&t->acks, 1);
    }
    return NULL;
}

/* Opens, writes for a while, closes, opens again, until killed. */
static _Noreturn void live(void)
{
    uint64_t rng = seed_now;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failing test leaves nobody behind */
    for (unsigned round = 0;; round++) {
        struct writer w[THREADS];
        pthread_t threads[THREADS];
        holog_store *store = NULL;
        _Atomic int stop = 0;
        int rc = holog_open(dir, &opts, &store);
        if (rc < 0)
            child_fails("open", rc);
        atomic_fetch_add(&sh->opened, 1);
        for (unsigned i = 0; i < THREADS; i++) {
            w[i] = (struct writer){ store, i, seed_now * 31 + round * 7 + i, &stop };
            if (pthread_create(&threads[i], NULL, write_on, &w[i]) != 0)
                child_fails("a thread", HOLOG_E_NOMEM);
        }
        sleep_us(5000 + rng_next(&rng) % 40000);
        atomic_store(&stop, 1);
        for (unsigned i = 0; i < THREADS; i++)
            (void)pthread_join(threads[i], NULL);
        rc = holog_close(store);
        if (rc < 0)
            child_fails("close", rc);
    }
}

/* ---- the process that looks ------------------------------------------------------------------------*/

static int slot_is(holog_store *store, unsigned thread, unsigned slot, const struct slot *want)
{
    char path[32];
    holog_value *v = NULL;
    uint8_t *data;
    int rc;
    int same;

    slot_path(path, sizeof path, thread, slot);
    rc = holog_load(store, path, &v);
    if (rc == HOLOG_E_NOENT)
        return !want->present;
    OK(rc);
    if (!want->present || holog_value_size(v) != want->len) {
        holog_value_release(v);
        return 0;
    }
    data = malloc(want->len + 1);
    cr_assert_not_null(data);
    value_fill(data, want->len, want->seed);
    same = memcmp(data, holog_value_data(v), want->len) == 0;
    free(data);
    holog_value_release(v);
    return same;
}

static int state_is(holog_store *store, unsigned thread, const struct slot *state,
                    unsigned *out_slot)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (!slot_is(store, thread, i, &state[i])) {
            *out_slot = i;
            return 0;
        }
    }
    return 1;
}

static void check_thread(holog_store *store, unsigned i, unsigned cycle)
{
    struct thread_state *t = &sh->t[i];
    uint32_t word = atomic_load(&t->word);
    uint32_t acked = word & 1;
    unsigned a = 0, b = 0;

    if (state_is(store, i, t->state[acked], &a)) {
        atomic_store(&t->word, acked);
        return;
    }
    cr_assert((word & 2) != 0, "cycle %u: t%u/s%u is not what was acknowledged (commit %llu)",
              cycle, i, a, (unsigned long long)atomic_load(&t->acked_number));
    cr_assert(state_is(store, i, t->state[1 - acked], &b),
              "cycle %u: half a commit: t%u/s%u is new, t%u/s%u is not", cycle, i, a, i, b);
    atomic_store(&t->word, 1 - acked);
}

/* What the killed process still had in flight can hold its lock for a moment. Until then a reader
 * takes it for a live writer, looks no further than that had published as durable, and so decides
 * nothing about what was under way. */
static void wait_for_lock(void)
{
    char path[300];
    int fd;
    struct flock lock;

    (void)snprintf(path, sizeof path, "%s/LOCK", dir);
    fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    for (unsigned i = 0; i < 10000; i++) {
        lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
        cr_assert_eq(fcntl(fd, F_OFD_GETLK, &lock), 0);
        if (lock.l_type == F_UNLCK)
            break;
        sleep_us(1000);
    }
    (void)close(fd);
}

static void look(unsigned cycle, int read_only)
{
    holog_store *store = NULL;
    holog_options o = opts;

    o.flags = read_only ? HOLOG_OPEN_READONLY : 0;
    if (read_only)
        wait_for_lock();
    OK(holog_open(dir, &o, &store));
    for (unsigned i = 0; i < THREADS; i++) {
        cr_assert_geq(holog_last_number(store), atomic_load(&sh->t[i].acked_number),
                      "cycle %u: acknowledged commits are gone", cycle);
        check_thread(store, i, cycle);
    }
    OK(holog_close(store));
}

static void one_kill(unsigned cycle, uint64_t *rng)
{
    uint32_t opened = atomic_load(&sh->opened);
    int status = 0;
    pid_t pid;

    seed_now = rng_next(rng);
    opts.groups_in_flight = 1 + (uint32_t)(rng_next(rng) % 4);
    opts.checkpoint_tail_mib = 1;
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        live();
    if (rng_next(rng) % 4 != 0) /* else: perhaps while it opens */
        for (unsigned i = 0;
             i < 20000 && atomic_load(&sh->opened) == opened && atomic_load(&sh->failed) == 0; i++)
            sleep_us(500);
    sleep_us(rng_next(rng) % 50000);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        cr_assert_eq(errno, EINTR);
    cr_assert_eq(atomic_load(&sh->failed), 0, "cycle %u: %s", cycle, sh->why);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "cycle %u: status %#x", cycle,
              (unsigned)status);
}

static uint64_t total_acks(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < THREADS; i++)
        n += atomic_load(&sh->t[i].acks);
    return n;
}

/* Open once, to know whether the world is there at all. */
static void needs_world(void)
{
    holog_store *store = NULL;
    int rc = holog_open(dir, &opts, &store);

    if (rc == HOLOG_E_NOTSUP) {
        struct holog_error_detail d;
        holog_last_error(&d);
        remove_tree(dir);
        cr_skip_test("%s", d.message);
    }
    OK(rc);
    OK(holog_close(store));
}

static void kill_again_and_again(enum holog_io_choice world, const char *name)
{
    static const unsigned cycles[] = { 10, 250, 5000 };
    unsigned n = cycles[test_level()];
    uint64_t rng = test_seed() + world;
    uint64_t acks_all = 0;
    struct box box;

    box_make(&box);
    (void)snprintf(dir, sizeof dir, "%s", box.dir);
    opts = box.opts;
    opts.segment_size_max = 64 << 10;
    opts.extent_segment_size_max = 1 << 20;
    opts.inline_max = 8192;
    opts.lock_wait_ms = 10000;
    opts.io = world;
    needs_world();
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(sh, MAP_FAILED);
    for (unsigned cycle = 0; cycle < n; cycle++) {
        if (cycle % FRESH_EVERY == 0) { /* a new store: it would grow for ever */
            acks_all += total_acks();
            memset(sh, 0, sizeof *sh);
            remove_tree(dir);
        }
        one_kill(cycle, &rng);
        if (cycle % VERIFY_EVERY == 0 && atomic_load(&sh->opened) > 0)
            OK(holog_verify(dir, 0, NULL, NULL, NULL, NULL));
        /* A read-only look leaves the next process to recover from more than one kill. */
        look(cycle, cycle % 3 == 0 && atomic_load(&sh->opened) > 0);
    }
    acks_all += total_acks();
    (void)fprintf(stderr, "# %s: %u kills, %llu acknowledged commits, seed %llu\n", name, n,
                  (unsigned long long)acks_all, (unsigned long long)test_seed());
    print_total(0, 0, n, 0);
    cr_assert_gt(acks_all, 0); /* a busy machine may be killed before it gets far */
    (void)munmap(sh, sizeof *sh);
    remove_tree(dir);
}

TestSuite(kill, .timeout = 36000);

Test(kill, nothing_acknowledged_is_lost_with_plain_system_calls)
{
    kill_again_and_again(HOLOG_IO_POSIX, "posix");
}

Test(kill, nothing_acknowledged_is_lost_with_io_uring)
{
    kill_again_and_again(HOLOG_IO_URING, "io_uring");
}
