/*
 * Random gets of 256 B values, copied out into the caller's buffer, from 1 and from 2 threads.
 * Each thread reads the whole store once before it is timed, so every cache is warm. holog,
 * RocksDB and LevelDB verify what they read from disk; holog verifies each get; LMDB and SQLite
 * have no checksums. One get in 64 is compared with what was put.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct job {
    const struct bench_engine *engine;
    void *db;
    uint32_t keys;
};

struct reader {
    const struct job *job;
    void *worker;
    uint64_t seed;
};

static int get_one(const struct reader *r, uint32_t index, int compare)
{
    char key[BENCH_KEY_MAX];
    char buf[BENCH_SMALL_LEN];
    size_t len = 0;

    bench_key(index, key);
    if (r->job->engine->get(r->worker, key, buf, sizeof buf, &len) != 0)
        return -1;
    if (len != sizeof buf || (compare && memcmp(buf, bench_value(index, sizeof buf), len) != 0))
        return bench_fail("%s: wrong value of %s", r->job->engine->name, key);
    return 0;
}

static int begin(void *ctx, unsigned thread, void **out_own)
{
    const struct job *job = ctx;
    struct reader *r = bench_alloc(sizeof *r);
    int rc = job->engine->worker_open(job->db, BENCH_READER, &r->worker);

    r->job = job;
    r->seed = bench_mix(thread + 1);
    if (rc != 0) {
        free(r);
        return rc;
    }
    for (uint32_t i = 0; rc == 0 && i < job->keys; i++)
        rc = get_one(r, i, 0);
    if (rc != 0) {
        job->engine->worker_close(r->worker);
        free(r);
        return rc;
    }
    *out_own = r;
    return 0;
}

static int get_random(void *own, uint64_t nth)
{
    struct reader *r = own;

    return get_one(r, (uint32_t)(bench_mix(r->seed + nth) % r->job->keys), nth % 64 == 0);
}

static void end(void *own)
{
    struct reader *r = own;

    r->job->engine->worker_close(r->worker);
    free(r);
}

static int run(struct bench *b, struct job *job, unsigned threads, const char *row)
{
    struct bench_team team = { .threads = threads,
                               .clock_every = 64,
                               .run_ns = (uint64_t)(b->scale->team_secs * 1e9),
                               .ctx = job,
                               .begin = begin,
                               .op = get_random,
                               .end = end };
    double rate = 0;
    int rc = bench_team_run(&team, &rate);

    if (rc == 0)
        bench_report_add(b->report, row, job->engine->name, rate);
    return rc;
}

static int prepare(struct bench *b, const struct bench_engine *e)
{
    char dir[BENCH_PATH_MAX];

    return bench_kept_small(b, e, dir);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = 0 };
    struct job job = { .engine = e, .keys = b->scale->keys };
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_kept_small(b, e, dir) != 0 || e->open(dir, &how, &job.db) != 0)
        return -1;
    int rc = run(b, &job, 1, "get-1t");
    if (rc == 0)
        rc = run(b, &job, 2, "get-2t");
    if (e->close(job.db) != 0)
        rc = -1;
    return rc;
}

static const struct bench_row_def rows[] = {
    { .id = "get-1t",
      .what = "random get of 256 B, warm, copied out, 1 thread",
      .unit = "gets/s",
      .targets = { { .kind = BENCH_TIMES_PEER, .x = 2 } } },
    { .id = "get-2t",
      .what = "random get of 256 B, warm, copied out, 2 threads",
      .unit = "gets/s",
      .targets = { { .kind = BENCH_TIMES_PEER, .x = 2 } } },
};

const struct bench_workload bench_get = {
    .name = "get",
    .what = "random get of 256 B from 1 M, warm, 1 and 2 threads",
    .needs = BENCH_CAN_MANY,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .prepare = prepare,
    .measure = measure,
};
