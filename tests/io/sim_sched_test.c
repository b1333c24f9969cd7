/*
 * The seeded scheduler: who runs when, and that a seed says it all.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define NEW (HG_OPEN_WRITE | HG_OPEN_CREATE)

static int run_with(struct hg_sim_options opts, int (*scenario)(struct hg_io *io, void *ctx),
                    void *ctx)
{
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    int rc = hg_sim_run(sim, scenario, ctx);
    hg_sim_destroy(sim);
    return rc;
}

/* ---- interleavings ------------------------------------------------------------------------------- */

struct racers {
    struct hg_io *io;
    char order[64]; /* who did its n-th call */
    size_t n;
};

struct racer {
    struct racers *all;
    char name;
};

static void race(void *arg)
{
    struct racer *me = arg;
    int there;
    for (int i = 0; i < 8; i++) {
        me->all->order[me->all->n++] = me->name;
        OK(me->all->io->ops->exists(me->all->io, "f", &there));
    }
}

static int start_race(struct hg_io *io, void *ctx)
{
    struct racers *all = ctx;
    struct racer a = { all, 'a' };
    struct racer b = { all, 'b' };
    struct hg_thread *ta = NULL;
    struct hg_thread *tb = NULL;
    *all = (struct racers){ .io = io };
    OK(io->ops->thread_start(io, "a", race, &a, &ta));
    OK(io->ops->thread_start(io, "b", race, &b, &tb));
    io->ops->thread_join(io, ta);
    io->ops->thread_join(io, tb);
    return HOLOG_OK;
}

Test(sim_sched, a_seed_gives_the_same_order_every_time_and_seeds_differ)
{
    char first[64];
    unsigned different = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct racers all;
        struct racers again;
        struct hg_sim_options opts = { .seed = seed, .yields = 1 };
        OK(run_with(opts, start_race, &all));
        OK(run_with(opts, start_race, &again));
        cr_assert_str_eq(all.order, again.order);
        if (seed == 0)
            memcpy(first, all.order, sizeof first);
        different += strcmp(all.order, first) != 0;
    }
    cr_assert_geq(different, 15);
}

Test(sim_sched, without_yields_one_runs_until_it_must_wait)
{
    struct racers all;
    OK(run_with((struct hg_sim_options){ .seed = 9 }, start_race, &all));
    cr_assert_str_eq(all.order, "aaaaaaaabbbbbbbb");
}

struct writer {
    struct hg_io *io;
    struct hg_file *f;
    uint64_t off;
};

static void write_some(void *arg)
{
    struct writer *w = arg;
    for (unsigned i = 0; i < 5; i++)
        OK(hg_io_write_full(w->f, "data", 4, w->off + i * 4, 0));
}

static int two_writers(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    struct writer w[2] = { { io, f, 0 }, { io, f, 1000 } };
    struct hg_thread *t[2];
    for (int i = 0; i < 2; i++)
        OK(io->ops->thread_start(io, "w", write_some, &w[i], &t[i]));
    for (int i = 0; i < 2; i++)
        io->ops->thread_join(io, t[i]);
    world_close(f);
    return HOLOG_OK;
}

Test(sim_sched, with_yields_writes_of_two_overlap_in_flight)
{
    struct hg_sim_options opts = { .seed = 4, .yields = 1 };
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_run(sim, two_writers, NULL));
    unsigned before = 0;
    unsigned jumps = 0;
    for (uint64_t step = 0; step <= hg_sim_steps(sim); step++) {
        unsigned now = hg_sim_pending(sim, step);
        jumps += now >= 2 && now == before + 1; /* a begin beside what is pending */
        before = now;
    }
    cr_assert_gt(jumps, 5);
    hg_sim_destroy(sim);
}

static int many_requests(struct hg_io *io, void *ctx)
{
    char *order = ctx;
    static char byte[] = "x";
    struct hg_file *f = world_open(io, "f", NEW);
    struct hg_req r[8];
    struct hg_req *list[8];
    for (unsigned i = 0; i < 8; i++) {
        r[i] = (struct hg_req){
            .op = HG_REQ_WRITE, .file = f, .buf = byte, .len_bytes = 1, .offset = i
        };
        list[i] = &r[i];
    }
    OK(io->ops->submit(io, list, 8));
    for (unsigned i = 0; i < 8; i++) {
        OK(io->ops->wait(io, &r[0]));
        if (i > 0)
            order[i] = (char)('0' + r[i].complete);
    }
    order[0] = '-';
    for (unsigned i = 1; i < 8; i++)
        OK(io->ops->wait(io, &r[i]));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_sched, requests_complete_in_any_order)
{
    unsigned others_first = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        char order[9] = "";
        OK(run_with((struct hg_sim_options){ .seed = seed, .yields = 1 }, many_requests, order));
        others_first += strchr(order, '1') != NULL;
    }
    cr_assert_gt(others_first, 5, "some requests were done before the first");
}

static int poll_for_completion(struct hg_io *io, void *ctx)
{
    static char byte[] = "x";
    struct hg_file *f = world_open(io, "f", NEW);
    struct hg_req r = { .op = HG_REQ_WRITE, .file = f, .buf = byte, .len_bytes = 1 };
    struct hg_req *list = &r;
    int there;
    (void)ctx;
    OK(io->ops->submit(io, &list, 1));
    for (int i = 0; i < 1000 && !r.complete; i++)
        OK(io->ops->exists(io, "f", &there));
    cr_assert_eq(r.complete, 1, "it completes without anybody waiting");
    world_close(f);
    return HOLOG_OK;
}

Test(sim_sched, an_unwaited_request_completes_in_the_end)
{
    for (int yields = 0; yields < 2; yields++)
        OK(run_with((struct hg_sim_options){ .yields = yields }, poll_for_completion, NULL));
}

/* ---- time -------------------------------------------------------------------------------------- */

static int sleep_long(struct hg_io *io, void *ctx)
{
    uint64_t before = io->ops->now_ns(io);
    uint64_t wall = io->ops->wall_ns(io);
    uint32_t word = 0;
    (void)ctx;
    io->ops->sleep_ns(io, 3600ull * 1000000000ull);
    io->ops->word_wait(io, &word, 0, 60ull * 1000000000ull);
    uint64_t slept = io->ops->now_ns(io) - before;
    cr_assert(slept >= 3600ull * 1000000000ull && slept < 3700ull * 1000000000ull);
    cr_assert_geq(io->ops->wall_ns(io), wall + 3600ull * 1000000000ull);
    while (io->ops->now_ns(io) < before + 2 * slept / 2)
        continue; /* looking at the clock takes time too */
    return HOLOG_OK;
}

Test(sim_sched, an_idle_machine_sleeps_an_hour_at_once)
{
    OK(run_with((struct hg_sim_options){ 0 }, sleep_long, NULL));
}

/* ---- waiting for ever ------------------------------------------------------------------------- */

static int wait_for_nobody(struct hg_io *io, void *ctx)
{
    uint32_t word = 0;
    (void)ctx;
    while (word == 0)
        io->ops->word_wait(io, &word, 0, UINT64_MAX);
    return HOLOG_OK;
}

Test(sim_sched, a_deadlock_is_noticed, .signal = SIGABRT)
{
    OK(run_with((struct hg_sim_options){ .yields = 1 }, wait_for_nobody, NULL));
}

struct station {
    struct hg_io *io;
    struct hg_mutex mutex;
    struct hg_cond cond;
    int stop;        /* mutex */
    unsigned rounds; /* mutex */
};

static void work_until_stopped(void *arg)
{
    struct station *s = arg;
    hg_mutex_lock(s->io, &s->mutex);
    while (!s->stop) {
        s->rounds++;
        hg_cond_wait(s->io, &s->cond, &s->mutex, 20000000);
    }
    hg_mutex_unlock(s->io, &s->mutex);
}

static int station_scenario(struct hg_io *io, void *ctx)
{
    struct station *s = ctx;
    struct hg_thread *t[3];
    struct hg_file *f = NULL;
    int n = 0;
    *s = (struct station){ .io = io };
    int rc = HOLOG_OK;
    while (n < 3 && rc == HOLOG_OK) {
        rc = io->ops->thread_start(io, "worker", work_until_stopped, s, &t[n]);
        n += rc == HOLOG_OK;
    }
    if (rc == HOLOG_OK)
        rc = io->ops->open(io, "f", NEW, &f);
    for (unsigned i = 0; i < 20 && rc == HOLOG_OK; i++) {
        io->ops->sleep_ns(io, 10000000);
        hg_mutex_lock(io, &s->mutex); /* held across calls, as a leader does */
        rc = hg_io_write_full(f, "x", 1, i, HG_WRITE_DSYNC);
        hg_mutex_unlock(io, &s->mutex);
    }
    hg_mutex_lock(io, &s->mutex);
    s->stop = 1;
    hg_cond_wake_all(io, &s->cond);
    hg_mutex_unlock(io, &s->mutex);
    while (n > 0)
        io->ops->thread_join(io, t[--n]);
    if (f != NULL) {
        int closed = io->ops->close(f);
        rc = rc < 0 ? rc : closed;
    }
    return rc;
}

Test(sim_sched, background_loops_wake_by_time_and_stop)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct station s;
        OK(run_with((struct hg_sim_options){ .seed = seed, .yields = seed % 2 }, station_scenario,
                    &s));
        cr_assert_gt(s.rounds, 15, "three workers, 200 ms, every 20 ms");
    }
}

Test(sim_sched, when_the_power_goes_every_thread_unwinds)
{
    for (uint64_t step = 0; step < 42; step++)
        for (int yields = 0; yields < 2; yields++) {
            struct hg_sim_options opts = { .seed = step, .yields = yields };
            struct hg_sim *sim = NULL;
            struct station s;
            OK(hg_sim_create(&opts, &sim));
            hg_sim_set_crash_step(sim, step);
            FAILS(HOLOG_E_IO, hg_sim_run(sim, station_scenario, &s));
            cr_assert_eq(hg_sim_live_threads(sim), 0);
            cr_assert_eq(hg_sim_open_files(sim), 0);
            hg_sim_destroy(sim);
        }
}

static int requests_at_the_end(struct hg_io *io, void *ctx)
{
    static char byte[] = "x";
    struct hg_req r[4];
    struct hg_req *list[4];
    struct hg_file *f = NULL;
    (void)ctx;
    int rc = io->ops->open(io, "f", NEW, &f);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < 4; i++) {
        r[i] = (struct hg_req){
            .op = HG_REQ_WRITE_DSYNC, .file = f, .buf = byte, .len_bytes = 1, .offset = i
        };
        list[i] = &r[i];
    }
    rc = io->ops->submit(io, list, 4);
    for (unsigned i = 0; i < 4 && rc == HOLOG_OK; i++)
        rc = io->ops->wait(io, &r[i]);
    for (unsigned i = 0; i < 4; i++)
        (void)io->ops->wait(io, &r[i]); /* the first failure is kept */
    int closed = io->ops->close(f);
    return rc < 0 ? rc : closed;
}

Test(sim_sched, requests_in_flight_fail_when_the_power_goes)
{
    for (uint64_t step = 0; step < 10; step++)
        for (int yields = 0; yields < 2; yields++) {
            struct hg_sim_options opts = { .seed = step, .yields = yields };
            struct hg_sim *sim = NULL;
            OK(hg_sim_create(&opts, &sim));
            hg_sim_set_crash_step(sim, step);
            FAILS(HOLOG_E_IO, hg_sim_run(sim, requests_at_the_end, NULL));
            cr_assert_eq(hg_sim_open_files(sim), 0);
            hg_sim_destroy(sim);
        }
}

/* ---- threads and processes --------------------------------------------------------------------- */

static void fail_quietly(void *arg)
{
    struct hg_io *io = arg;
    int there;
    (void)hg_error(HOLOG_E_CORRUPT, "mine");
    for (int i = 0; i < 20; i++)
        OK(io->ops->exists(io, "f", &there));
    cr_assert_str_eq(world_why(), "mine");
}

static int own_details(struct hg_io *io, void *ctx)
{
    struct hg_thread *t = NULL;
    int there;
    (void)ctx;
    (void)hg_error(HOLOG_E_INVAL, "ours");
    OK(io->ops->thread_start(io, "t", fail_quietly, io, &t));
    for (int i = 0; i < 20; i++)
        OK(io->ops->exists(io, "f", &there));
    cr_assert_str_eq(world_why(), "ours");
    io->ops->thread_join(io, t);
    return HOLOG_OK;
}

Test(sim_sched, each_coroutine_has_its_own_last_error)
{
    OK(run_with((struct hg_sim_options){ .yields = 1, .seed = 2 }, own_details, NULL));
}

Test(sim_sched, two_processes_share_the_disk_and_compete_for_locks)
{
    struct hg_sim_options opts = { 0 };
    struct hg_sim *sim = NULL;
    struct hg_io *a = NULL;
    struct hg_io *b = NULL;
    OK(hg_sim_create(&opts, &sim));
    OK(hg_sim_open_io(sim, &a));
    OK(hg_sim_open_io(sim, &b));
    world_write(a, "L", "x", 1);
    struct hg_file *fa = world_open(a, "L", HG_OPEN_WRITE);
    struct hg_file *fb = world_open(b, "L", HG_OPEN_WRITE);
    OK(a->ops->lock(fa, 0, 1, 1));
    FAILS(HOLOG_E_BUSY, b->ops->lock(fb, 0, 1, 1));
    world_close(fa);
    OK(b->ops->lock(fb, 0, 1, 1));
    world_close(fb);
    a->ops->destroy(a);
    b->ops->destroy(b);
    hg_sim_destroy(sim);
}

static int destroys_its_io(struct hg_io *io, void *ctx)
{
    (void)ctx;
    world_write(io, "f", "x", 1);
    io->ops->destroy(io); /* as a store does that was given it */
    return 7;
}

Test(sim_sched, a_run_may_end_with_its_io_destroyed_and_returns_what_it_returned)
{
    cr_assert_eq(run_with((struct hg_sim_options){ 0 }, destroys_its_io, NULL), 7);
}

static int run_another(struct hg_io *io, void *ctx)
{
    (void)ctx;
    world_write(io, "f", "x", 1);
    struct racers all;
    OK(run_with((struct hg_sim_options){ .yields = 1 }, start_race, &all));
    world_write(io, "g", "x", 1);
    return start_race(io, &all);
}

Test(sim_sched, a_machine_may_be_run_inside_a_run_of_another)
{
    OK(run_with((struct hg_sim_options){ .yields = 1 }, run_another, NULL));
}

static void recurse(int depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    if (depth > 0)
        recurse(depth - 1);
    frame[1] = frame[0];
}

static int use_stack(struct hg_io *io, void *ctx)
{
    (void)io;
    (void)ctx;
    recurse(100);
    return HOLOG_OK;
}

Test(sim_sched, a_coroutine_has_a_hundred_kilobytes_of_stack)
{
    OK(run_with((struct hg_sim_options){ 0 }, use_stack, NULL));
}
