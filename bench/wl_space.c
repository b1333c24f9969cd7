/*
 * Bytes that the files take on disk, for each live byte of key and value, after a load in batches
 * of 1000 and a clean close. holog keeps two index checkpoints, which are a cache: its "log" row
 * is without them, its main row with the newest one only.
 */
#include "bench.h"

#define LARGE_LEN   (64 * KIB)
#define LARGE_BATCH 16 /* 1 MiB of values a commit */

static int is_holog(const struct bench_engine *e)
{
    return e == &bench_engine_holog;
}

static int add(struct bench *b, const struct bench_engine *e, const char *dir, const char *row,
               double live_bytes)
{
    char chk[BENCH_PATH_MAX];
    uint64_t used = 0;
    uint64_t older = 0;

    if (bench_disk_usage(dir, NULL, &used) != 0)
        return -1;
    if (is_holog(e) &&
        (bench_path(chk, "%s/chk", dir) != 0 || bench_usage_but_newest(chk, &older) != 0))
        return -1;
    bench_report_add(b->report, row, e->name, (double)(used - older) / live_bytes);
    return 0;
}

static int add_log(struct bench *b, const struct bench_engine *e, const char *dir,
                   double live_bytes)
{
    uint64_t all = 0;
    uint64_t checkpoints = 0;

    if (bench_disk_usage(dir, NULL, &all) != 0 || bench_disk_usage(dir, "chk", &checkpoints) != 0)
        return -1;
    bench_report_add(b->report, "space-256-log", e->name, (double)(all - checkpoints) / live_bytes);
    return 0;
}

static int load_large(struct bench *b, struct bench_session *s)
{
    uint32_t count = b->scale->space_values;
    const char *keys = bench_keys(count);
    struct bench_item items[LARGE_BATCH];

    for (uint32_t at = 0; at < count;) {
        uint32_t n = count - at < LARGE_BATCH ? count - at : LARGE_BATCH;
        for (uint32_t i = 0; i < n; i++)
            items[i] = (struct bench_item){ .key = keys + (size_t)(at + i) * BENCH_KEY_MAX,
                                            .data = bench_value(at + i, LARGE_LEN),
                                            .len_bytes = LARGE_LEN };
        if (s->engine->put_batch(s->worker, items, n) != 0)
            return -1;
        at += n;
    }
    return s->engine->sync(s->db);
}

static int measure_small(struct bench *b, const struct bench_engine *e, unsigned round)
{
    double live = bench_live_bytes(b->scale->keys, BENCH_SMALL_LEN);
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_kept_small(b, e, dir) != 0 || bench_settle(b->dir) != 0 ||
        add(b, e, dir, "space-256", live) != 0)
        return -1;
    return is_holog(e) ? add_log(b, e, dir, live) : 0;
}

static int measure_large(struct bench *b, const struct bench_engine *e)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY | BENCH_OPEN_LARGE };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    int rc = bench_session_close(&s, load_large(b, &s));
    if (rc == 0 && bench_settle(b->dir) == 0)
        rc = add(b, e, dir, "space-64k", bench_live_bytes(b->scale->space_values, LARGE_LEN));
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    if ((e->can & BENCH_CAN_MANY) != 0 && measure_small(b, e, round) != 0)
        return -1;
    return measure_large(b, e);
}

static const struct bench_row_def rows[] = {
    { .id = "space-256-log",
      .what = "bytes on disk by live bytes, values of 256 B, without index checkpoints",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1.15 } } },
    { .id = "space-256",
      .what = "bytes on disk by live bytes, values of 256 B, with the newest checkpoint",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1.35 } } },
    { .id = "space-64k",
      .what = "bytes on disk by live bytes, values of 64 KiB",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1.01 } } },
};

const struct bench_workload bench_space = {
    .name = "space",
    .what = "bytes on disk by live bytes after a fresh load",
    .needs = BENCH_CAN_LARGE,
    .rounds_max = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .measure = measure,
};
