/*
 * Durable 256 B commits from one thread that does not wait for each: 256 are in flight, and the
 * callback of each (durable then) lets the next one go. No peer has such a call.
 */
#include <semaphore.h>
#include <stdatomic.h>

#include <holog/holog.h>

#include "bench.h"

#define IN_FLIGHT 256

struct flight {
    holog_store *store;
    sem_t free_places;
    atomic_int failure; /* first code that a callback brought */
};

static void on_done(void *ctx, int code, uint64_t number)
{
    struct flight *f = ctx;
    int none = 0;

    (void)number;
    if (code != HOLOG_OK)
        (void)atomic_compare_exchange_strong(&f->failure, &none, code);
    (void)sem_post(&f->free_places);
}

static void take_place(struct flight *f)
{
    while (sem_wait(&f->free_places) != 0)
        continue; /* EINTR */
}

static int fail(const char *what, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog %s: %s: %s", what, holog_error_name(rc), d.message);
}

static int send_one(struct flight *f, uint64_t nth)
{
    char key[BENCH_KEY_MAX];
    holog_txn *txn;
    int rc = holog_begin(f->store, &txn);

    if (rc != HOLOG_OK)
        return fail("begin", rc);
    bench_key(nth, key);
    rc =
        holog_txn_save(txn, key, bench_value(nth, BENCH_SMALL_LEN), BENCH_SMALL_LEN, HOLOG_PARENTS);
    if (rc != HOLOG_OK) {
        holog_abort(txn);
        return fail("txn_save", rc);
    }
    take_place(f);
    while ((rc = holog_commit_async(txn, on_done, f, NULL)) == HOLOG_E_AGAIN) {
        take_place(f); /* one more must have ended */
        (void)sem_post(&f->free_places);
    }
    return rc == HOLOG_OK ? 0 : fail("commit_async", rc);
}

static int fly(struct bench *b, struct flight *f, double *out_rate)
{
    uint64_t start = bench_now_ns();
    uint64_t deadline = start + (uint64_t)(b->scale->team_secs * 1e9);
    uint64_t count = 0;
    int rc = 0;

    while (rc == 0 && atomic_load(&f->failure) == 0 && bench_now_ns() < deadline) {
        for (unsigned i = 0; rc == 0 && i < 32; i++, count++)
            rc = send_one(f, count);
    }
    if (rc != 0)
        return rc; /* the commit that failed took a place for good: do not wait for it */
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        take_place(f);
    *out_rate = (double)count * 1e9 / (double)(bench_now_ns() - start);
    int code = atomic_load(&f->failure);
    return code == 0 ? 0 : bench_fail("holog callback: %s", holog_error_name(code));
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct flight f = { .store = NULL };
    char dir[BENCH_PATH_MAX];
    double rate = 0;

    (void)round;
    if (bench_fresh(b, e, dir) != 0)
        return -1;
    int rc = holog_open(dir, NULL, &f.store);
    if (rc != HOLOG_OK)
        return fail("open", rc);
    (void)sem_init(&f.free_places, 0, IN_FLIGHT);
    rc = fly(b, &f, &rate);
    int closed = holog_close(f.store); /* ends every callback, so f may go */
    if (rc == 0 && closed != HOLOG_OK)
        rc = fail("close", closed);
    (void)sem_destroy(&f.free_places);
    if (rc == 0)
        bench_report_add(b->report, "async-1t", e->name, rate);
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static const struct bench_row_def row = {
    .id = "async-1t",
    .what = "durable 256 B commits, asynchronous, 1 thread, 256 in flight",
    .unit = "commits/s",
    .targets = { { .kind = BENCH_ABSOLUTE, .x = 500e3 } },
};

const struct bench_workload bench_async = {
    .name = "async-1t",
    .what = "durable 256 B commits without waiting for each, 256 in flight",
    .only_holog = 1,
    .rows = &row,
    .row_count = 1,
    .measure = measure,
};
