/*
 * Bulk load: 256 B values in batches of 1000, one commit a batch, one sync at the end; paths in
 * random order and in path order. The time is that of the batches and of the sync.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static int load(struct bench *b, const struct bench_engine *e, const uint32_t *order,
                const char *row, int keep)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];
    uint64_t spent = 0;

    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    int rc = bench_load_small(&s, order, b->scale->keys, BENCH_SMALL_LEN, &spent);
    uint64_t start = bench_now_ns();
    if (rc == 0)
        rc = e->sync(s.db);
    spent += bench_now_ns() - start;
    if (rc == 0)
        bench_report_add(b->report, row, e->name, (double)b->scale->keys * 1e9 / (double)spent);
    if (rc != 0 || !keep || (e->can & BENCH_CAN_MANY) == 0)
        return bench_session_discard(&s, rc);
    rc = bench_session_close(&s, rc);
    return rc != 0 ? rc : bench_keep_small(b, e, dir);
}

static int measure_random(struct bench *b, const struct bench_engine *e, unsigned round)
{
    uint32_t *order = bench_shuffle(b->scale->keys, 1);
    int rc = load(b, e, order, "bulk-random", round + 1 == b->rounds);

    free(order);
    return rc;
}

static int measure_sorted(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return load(b, e, NULL, "bulk-sorted", 0);
}

static const struct bench_row_def row_random = {
    .id = "bulk-random",
    .what = "256 B puts in random order, batches of 1000, one sync at the end",
    .unit = "puts/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 2 } },
};
static const struct bench_row_def row_sorted = {
    .id = "bulk-sorted",
    .what = "256 B puts in path order, batches of 1000, one sync at the end",
    .unit = "puts/s",
};

const struct bench_workload bench_bulk_random = {
    .name = "bulk-random",
    .what = "1 M x 256 B in random order, batches of 1000, one sync",
    .needs = BENCH_CAN_BULK,
    .rows = &row_random,
    .row_count = 1,
    .measure = measure_random,
};
const struct bench_workload bench_bulk_sorted = {
    .name = "bulk-sorted",
    .what = "1 M x 256 B in path order, batches of 1000, one sync",
    .needs = BENCH_CAN_BULK,
    .rows = &row_sorted,
    .row_count = 1,
    .measure = measure_sorted,
};
