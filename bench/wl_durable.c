/*
 * Durable commits of one value each from 1, 16 and 64 threads (256 bytes) and from 4 threads
 * (64 KiB). Every commit is a new path; each thread writes paths of its own.
 */
#include <stdlib.h>

#include "bench.h"

#define LARGE_LEN   (64 * KIB)
#define RAW_BYTES   (16 * MIB)
#define PATHS_APART 4000000u /* more than one thread writes in a run */

struct job {
    const struct bench_engine *engine;
    void *db;
    size_t len_bytes;
};

struct writer {
    const struct job *job;
    void *worker;
    uint64_t first;
};

static int begin(void *ctx, unsigned thread, void **out_own)
{
    struct job *job = ctx;
    struct writer *w = bench_alloc(sizeof *w);

    w->job = job;
    w->first = (uint64_t)thread * PATHS_APART;
    if (job->engine->worker_open(job->db, BENCH_WRITER, &w->worker) != 0) {
        free(w);
        return -1;
    }
    *out_own = w;
    return 0;
}

static int commit_one(void *own, uint64_t nth)
{
    struct writer *w = own;
    char key[BENCH_KEY_MAX];
    struct bench_item item = { .key = key,
                               .data = bench_value(w->first + nth, w->job->len_bytes),
                               .len_bytes = w->job->len_bytes };

    bench_key(w->first + nth, key);
    return w->job->engine->put(w->worker, &item);
}

static void end(void *own)
{
    struct writer *w = own;

    w->job->engine->worker_close(w->worker);
    free(w);
}

static int run_threads(struct bench *b, const struct bench_engine *e, unsigned threads,
                       size_t len_bytes, double *out_commits_per_second)
{
    struct bench_how how = { .flags = len_bytes > BENCH_SMALL_LEN ? BENCH_OPEN_LARGE : 0 };
    struct job job = { .engine = e, .len_bytes = len_bytes };
    struct bench_team team = { .threads = threads,
                               .clock_every = 1,
                               .run_ns = (uint64_t)(b->scale->team_secs * 1e9),
                               .ctx = &job,
                               .begin = begin,
                               .op = commit_one,
                               .end = end };
    char dir[BENCH_PATH_MAX];

    if (bench_fresh(b, e, dir) != 0 || e->open(dir, &how, &job.db) != 0)
        return -1;
    int rc = bench_team_run(&team, out_commits_per_second);
    if (e->close(job.db) != 0)
        rc = -1;
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static int measure_small(struct bench *b, const struct bench_engine *e, unsigned threads,
                         const char *row)
{
    double rate = 0;
    int rc = run_threads(b, e, threads, BENCH_SMALL_LEN, &rate);

    if (rc == 0)
        bench_report_add(b->report, row, e->name, rate);
    return rc;
}

static int measure_1t(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return measure_small(b, e, 1, "durable-1t");
}

static int measure_16t(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return measure_small(b, e, 16, "durable-16t");
}

static int measure_64t(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return measure_small(b, e, 64, "durable-64t");
}

static int measure_64k(struct bench *b, const struct bench_engine *e, unsigned round)
{
    double rate = 0;
    int rc = run_threads(b, e, 4, LARGE_LEN, &rate);

    (void)round;
    if (rc == 0)
        bench_report_add(b->report, "durable-64k", e->name, rate * (double)LARGE_LEN / 1e6);
    return rc;
}

/* One durable direct write after the other. */
static int run_raw(struct bench *b, size_t len_bytes, double *out_writes_per_second)
{
    char path[BENCH_PATH_MAX];
    struct bench_raw *raw;
    uint64_t count = 0;
    int rc = 0;

    if (bench_path(path, "%s/raw", b->dir) != 0 || bench_raw_open(path, RAW_BYTES, 1, &raw) != 0)
        return -1;
    uint64_t start = bench_now_ns();
    uint64_t deadline = start + (uint64_t)(b->scale->team_secs * 1e9);
    uint64_t now = start;
    for (; rc == 0 && now < deadline; now = bench_now_ns()) {
        rc = bench_raw_write(raw, len_bytes);
        count++;
    }
    bench_raw_close(raw);
    *out_writes_per_second = (double)count * 1e9 / (double)(now - start);
    return rc;
}

static int raw_1t(struct bench *b)
{
    double rate = 0;
    int rc = run_raw(b, BENCH_RAW_BLOCK, &rate);

    if (rc == 0)
        bench_report_add(b->report, "durable-1t", BENCH_RAW, rate);
    return rc;
}

static int raw_64k(struct bench *b)
{
    double rate = 0;
    int rc = run_raw(b, LARGE_LEN, &rate);

    if (rc == 0)
        bench_report_add(b->report, "durable-64k", BENCH_RAW, rate * (double)LARGE_LEN / 1e6);
    return rc;
}

static const struct bench_row_def row_1t = {
    .id = "durable-1t",
    .what = "durable 256 B commits, 1 thread (raw: 4 KiB writes)",
    .unit = "commits/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 1.4 } },
};
static const struct bench_row_def row_16t = {
    .id = "durable-16t",
    .what = "durable 256 B commits, 16 threads",
    .unit = "commits/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 3 } },
};
static const struct bench_row_def row_64t = {
    .id = "durable-64t",
    .what = "durable 256 B commits, 64 threads",
    .unit = "commits/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 3 } },
};
static const struct bench_row_def row_64k = {
    .id = "durable-64k",
    .what = "durable 64 KiB commits, 4 threads (raw: 1 thread)",
    .unit = "MB/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 2.2 } },
};

const struct bench_workload bench_durable_1t = {
    .name = "durable-1t",
    .what = "durable 256 B commits from 1 thread",
    .needs = BENCH_CAN_SMALL,
    .rows = &row_1t,
    .row_count = 1,
    .raw = raw_1t,
    .measure = measure_1t,
};
const struct bench_workload bench_durable_16t = {
    .name = "durable-16t",
    .what = "durable 256 B commits from 16 threads",
    .needs = BENCH_CAN_SMALL,
    .rows = &row_16t,
    .row_count = 1,
    .measure = measure_16t,
};
const struct bench_workload bench_durable_64t = {
    .name = "durable-64t",
    .what = "durable 256 B commits from 64 threads",
    .needs = BENCH_CAN_SMALL,
    .rows = &row_64t,
    .row_count = 1,
    .measure = measure_64t,
};
const struct bench_workload bench_durable_64k = {
    .name = "durable-64k",
    .what = "durable 64 KiB commits from 4 threads",
    .needs = BENCH_CAN_LARGE,
    .rows = &row_64k,
    .row_count = 1,
    .raw = raw_64k,
    .measure = measure_64k,
};
