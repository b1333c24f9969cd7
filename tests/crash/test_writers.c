/*
 * Writers and readers at once, every interleaving chosen by a seed: three writers in batches,
 * plain saves and asynchronous commits, on keys of their own and on one they share; two readers;
 * the log's own thread. Then power cuts: what is found is the commits up to some number, all of
 * them, each whole, and nothing that was acknowledged is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "kit.h"

enum {
    WRITERS = 3,
    READERS = 2,
    EACH = 9,
    BATCH = 3,
    NUMBERS = 200
};
#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

struct world {
    struct hg_sim *sim;
    struct hg_io *io;
    holog_store *store;
    uint64_t number[WRITERS][EACH + 1]; /* of a writer's i-th commit, i from 1; 0: not known yet */
    uint64_t last;
    unsigned writing;
    unsigned long views;
    char wrong[400];
};

struct thread {
    struct world *w;
    unsigned index;
    struct hg_thread *t;
};

static void complain(struct world *w, const char *what, unsigned a, uint64_t b)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    if (w->wrong[0] == 0)
        (void)snprintf(w->wrong, sizeof w->wrong, "%s (%u, %llu; last error: %.150s)", what, a,
                       (unsigned long long)b, d.message);
}

/* ---- what a writer's i-th commit does ----------------------------------------------------------*/

enum kind {
    KIND_PLAIN,
    KIND_BATCH,
    KIND_SHARED,
    KIND_LARGE
};

static enum kind kind_of(unsigned writer, unsigned i)
{
    return (enum kind)((i + writer) % 4);
}

static uint64_t seed_of(unsigned writer, unsigned i)
{
    return 1000 + writer * 100 + i;
}

static int save_filled(holog_txn *t, const char *path, size_t len, uint64_t seed)
{
    uint8_t v[6000];

    value_fill(v, len, seed);
    return holog_txn_save(t, path, v, len, RP);
}

static int fill_txn(holog_txn *t, unsigned writer, unsigned i)
{
    char path[32];
    uint64_t count = i;
    int rc;

    (void)snprintf(path, sizeof path, "n%u", writer);
    rc = holog_txn_save(t, path, &count, sizeof count, RP);
    if (kind_of(writer, i) == KIND_SHARED && rc == HOLOG_OK)
        rc = save_filled(t, "shared", 200, seed_of(writer, i));
    if (kind_of(writer, i) == KIND_LARGE && rc == HOLOG_OK) {
        (void)snprintf(path, sizeof path, "w%u/large", writer);
        rc = save_filled(t, path, 5000, seed_of(writer, i));
    }
    for (unsigned b = 0; kind_of(writer, i) == KIND_BATCH && b < BATCH && rc == HOLOG_OK; b++) {
        (void)snprintf(path, sizeof path, "w%u/b%u", writer, b);
        rc = save_filled(t, path, 700, seed_of(writer, i) + b * 10000);
    }
    return rc;
}

static int commit_txn(struct world *w, unsigned writer, unsigned i, int async, uint64_t *out)
{
    holog_txn *t = NULL;
    int rc = holog_begin(w->store, &t);

    if (rc < 0)
        return rc;
    rc = fill_txn(t, writer, i);
    if (rc < 0) {
        holog_abort(t);
        return rc;
    }
    return async ? holog_commit_async(t, NULL, NULL, out) : holog_commit(t, out);
}

static int commit_one(struct world *w, unsigned writer, unsigned i, int async, uint64_t *out)
{
    char path[32];
    uint64_t count = i;

    if (kind_of(writer, i) != KIND_PLAIN)
        return commit_txn(w, writer, i, async, out);
    (void)snprintf(path, sizeof path, "n%u", writer);
    return holog_save(w->store, path, &count, sizeof count, RP, out);
}

static void write_all(void *arg)
{
    struct thread *me = arg;
    struct world *w = me->w;
    uint64_t before = 0;

    for (unsigned i = 1; i <= EACH && w->wrong[0] == 0; i++) {
        int async = kind_of(me->index, i) != KIND_PLAIN && (i + me->index) % 3 != 0;
        uint64_t number = 0;
        int rc = commit_one(w, me->index, i, async, &number);
        if (rc == HOLOG_OK && number <= before)
            rc = HOLOG_E_INVAL; /* out of order */
        if (rc < 0) {
            complain(w, "a writer's commit fails", me->index, i);
            break;
        }
        before = w->number[me->index][i] = number;
        if (!async)
            hg_sim_mark(w->sim, MARK_DURABLE, number);
        if (async && i % 2 == 0) {
            rc = holog_wait_durable(w->store, number, UINT32_MAX);
            if (rc < 0)
                complain(w, "wait_durable fails", me->index, i);
            else
                hg_sim_mark(w->sim, MARK_DURABLE, number);
        }
    }
    w->writing--;
}

/* ---- what a view of commit N must show -----------------------------------------------------------*/

static int load_is(holog_view *view, const char *path, size_t len, uint64_t seed)
{
    uint8_t want[6000];
    holog_value *v = NULL;
    int same;

    if (holog_view_load(view, path, &v) < 0)
        return 0;
    value_fill(want, len, seed);
    same = holog_value_size(v) == len && memcmp(holog_value_data(v), want, len) == 0;
    holog_value_release(v);
    return same;
}

static unsigned count_in(struct world *w, holog_view *view, unsigned writer)
{
    char path[32];
    holog_value *v = NULL;
    uint64_t count = 0;
    int rc;

    (void)snprintf(path, sizeof path, "n%u", writer);
    rc = holog_view_load(view, path, &v);
    if (rc == HOLOG_OK && holog_value_size(v) == sizeof count)
        memcpy(&count, holog_value_data(v), sizeof count);
    else if (rc != HOLOG_E_NOENT)
        complain(w, "a writer's count cannot be read", writer, holog_view_number(view));
    holog_value_release(v);
    return (unsigned)count;
}

/* A writer's own entries are those of its commits up to the count. */
static void check_writer(struct world *w, holog_view *view, unsigned writer, unsigned count)
{
    char path[32];
    unsigned batch = 0;
    unsigned large = 0;

    for (unsigned i = 1; i <= count; i++) {
        batch = kind_of(writer, i) == KIND_BATCH ? i : batch;
        large = kind_of(writer, i) == KIND_LARGE ? i : large;
    }
    for (unsigned b = 0; batch != 0 && b < BATCH; b++) {
        (void)snprintf(path, sizeof path, "w%u/b%u", writer, b);
        if (!load_is(view, path, 700, seed_of(writer, batch) + b * 10000))
            complain(w, "a batch is not whole", writer, batch);
    }
    (void)snprintf(path, sizeof path, "w%u/large", writer);
    if (large != 0 && !load_is(view, path, 5000, seed_of(writer, large)))
        complain(w, "a large value is not right", writer, large);
}

static void check_view(struct world *w, holog_view *view, int all_known)
{
    uint64_t n = holog_view_number(view);
    uint64_t shared = 0;
    uint64_t seed = 0;

    for (unsigned writer = 0; writer < WRITERS; writer++) {
        unsigned count = count_in(w, view, writer);
        for (unsigned i = 1; i <= EACH; i++) {
            uint64_t m = w->number[writer][i];
            if (m != 0 && (m <= n) != (i <= count))
                complain(w, i <= count ? "a later commit is seen" : "a commit is missing", writer,
                         m);
            if (m != 0 && m <= n && m > shared && kind_of(writer, i) == KIND_SHARED) {
                shared = m;
                seed = seed_of(writer, i);
            }
        }
        check_writer(w, view, writer, count);
    }
    if (all_known && shared != 0 && !load_is(view, "shared", 200, seed))
        complain(w, "the shared value is not the newest", 0, shared);
}

static void read_all(void *arg)
{
    struct thread *me = arg;
    struct world *w = me->w;
    uint64_t before = 0;

    while (w->writing > 0 && w->wrong[0] == 0) {
        holog_view *view = NULL;
        int rc = holog_view_open(w->store, &view);
        if (rc < 0) {
            complain(w, "a view cannot be opened", me->index, 0);
            return;
        }
        if (holog_view_number(view) < before)
            complain(w, "a view is older than one before it", me->index, before);
        before = holog_view_number(view);
        check_view(w, view, 0);
        holog_view_close(view);
        w->views++;
        w->io->ops->sleep_ns(w->io, 20000);
    }
}

static int scenario(struct hg_io *io, void *ctx)
{
    struct world *w = ctx;
    struct thread threads[WRITERS + READERS];
    holog_options o;
    int rc;

    kit_options(&o);
    o.no_background = 0;
    o.groups_in_flight = 2;
    w->io = io;
    rc = hg_store_init_io(io, &o);
    if (rc == HOLOG_OK)
        hg_sim_mark(w->sim, MARK_STORE, 1);
    if (rc == HOLOG_OK)
        rc = hg_store_open_io(io, &o, &w->store);
    if (rc < 0)
        return rc;
    w->writing = WRITERS;
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        threads[i] = (struct thread){ .w = w, .index = i < WRITERS ? i : i - WRITERS };
        rc = io->ops->thread_start(io, "test", i < WRITERS ? write_all : read_all, &threads[i],
                                   &threads[i].t);
        cr_assert_eq(rc, HOLOG_OK);
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        io->ops->thread_join(io, threads[i].t);
    rc = holog_sync(w->store);
    if (rc < 0)
        complain(w, "the sync at the end fails", (unsigned)-rc, 0);
    w->last = holog_last_number(w->store);
    return holog_close(w->store);
}

/* ---- after the cut -----------------------------------------------------------------------------------*/

struct after {
    struct world *w; /* whose numbers count */
    uint64_t durable;
    int store;
};

static int recover(struct hg_io *io, void *ctx)
{
    struct after *a = ctx;
    struct world *w = a->w;
    holog_options o;
    holog_store *store = NULL;
    holog_view *view = NULL;
    uint64_t number = 0;
    int rc;

    kit_options(&o);
    rc = hg_store_open_io(io, &o, &store);
    if (rc == HOLOG_E_NOTSTORE && !a->store)
        return HOLOG_OK;
    if (rc < 0) {
        complain(w, "open fails", (unsigned)-rc, 0);
        return rc;
    }
    if (holog_last_number(store) < a->durable)
        complain(w, "an acknowledged commit is gone", 0, a->durable);
    rc = holog_view_open(store, &view);
    if (rc == HOLOG_OK)
        check_view(w, view, 1);
    holog_view_close(view);
    rc = holog_save(store, "after", "x", 1, RP, &number);
    if (rc < 0)
        complain(w, "a commit after recovery fails", (unsigned)-rc, 0);
    rc = holog_close(store);
    if (rc == HOLOG_OK)
        rc = hg_verify_io(io, 0, NULL, NULL, NULL, NULL);
    if (rc < 0)
        complain(w, "close or verify after recovery", (unsigned)-rc, number);
    return HOLOG_OK;
}

struct totals {
    unsigned long runs, states, views, bad;
};

static void cut_run(struct world *w, uint64_t *rng, unsigned cuts, uint64_t seed, struct totals *t)
{
    for (unsigned c = 0; c < cuts && t->bad < 3; c++) {
        struct hg_sim *disk = NULL;
        uint64_t steps = hg_sim_steps(w->sim);
        uint64_t step = steps < 60 ? steps : 60 + rng_next(rng) % (steps - 59);
        enum hg_sim_strategy s = (enum hg_sim_strategy)(rng_next(rng) % HG_SIM_CRASH_STRATEGIES);
        struct after a = { .w = w,
                           .durable = hg_sim_marked_max(w->sim, MARK_DURABLE, step, 0),
                           .store = hg_sim_marked_max(w->sim, MARK_STORE, step, 0) != 0 };
        if (!kit_case("schedule %llu step %llu %c", (unsigned long long)seed,
                      (unsigned long long)step, kit_strategy(s)))
            continue;
        cr_assert_eq(hg_sim_crash(w->sim, step, s, step + c, &disk), HOLOG_OK);
        (void)hg_sim_run(disk, recover, &a); /* what is wrong is in w */
        if (w->wrong[0] != 0)
            t->bad += (unsigned long)kit_fail(w->wrong);
        w->wrong[0] = 0;
        t->states++;
        hg_sim_destroy(disk);
    }
}

static void one_schedule(uint64_t seed, unsigned cuts, struct totals *t)
{
    struct hg_sim_options so = { .seed = seed, .yields = 1, .dirs = (enum hg_sim_dirs)(seed % 2) };
    struct world w = { 0 };
    uint64_t rng = seed;
    int named = kit_case("schedule %llu", (unsigned long long)seed);
    int rc;

    cr_assert_eq(hg_sim_create(&so, &w.sim), HOLOG_OK);
    rc = hg_sim_run(w.sim, scenario, &w);
    if (rc < 0)
        complain(&w, "the run fails", (unsigned)-rc, 0);
    if (w.last != WRITERS * EACH)
        complain(&w, "numbers are missing or given twice", 0, w.last);
    if (hg_sim_open_files(w.sim) != 0 || hg_sim_live_threads(w.sim) != 0)
        complain(&w, "files or threads are left", hg_sim_open_files(w.sim), 0);
    t->runs++;
    t->views += w.views;
    if (w.wrong[0] != 0) {
        if (named)
            t->bad += (unsigned long)kit_fail(w.wrong);
    } else {
        cut_run(&w, &rng, cuts, seed, t);
    }
    if (hg_sim_open_files(w.sim) != 0)
        hg_sim_set_crash_step(w.sim, 0); /* so that it can be freed all the same */
    hg_sim_destroy(w.sim);
}

static void schedules(unsigned part)
{
    static const unsigned counts[3] = { 10, 100, 5000 };
    static const unsigned cuts[3] = { 10, 30, 60 };
    struct totals t = { 0 };

    for (unsigned i = 0; i < counts[kit_level()] && t.bad < 3; i++)
        one_schedule(kit_seed() + part * 1000000u + i, cuts[kit_level()], &t);
    (void)fprintf(stderr, "%lu schedules, %lu views, %lu crash states, %lu wrong\n", t.runs,
                  t.views, t.states, t.bad);
    print_total(t.states, 0, 0, t.bad);
    cr_assert_eq(t.bad, 0);
}

#define SCHEDULES(n)                                           \
    Test(writers, at_once_leave_a_prefix_of_whole_commits_##n) \
    {                                                          \
        schedules(n);                                          \
    }

SCHEDULES(1)
SCHEDULES(2)
SCHEDULES(3)
