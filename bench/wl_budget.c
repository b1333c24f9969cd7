/*
 * The largest resident memory of a process that saves 4 GiB of 1 MiB values under a budget of
 * 256 MiB and then loads each once. For LMDB the pages of its map count while they are mapped,
 * although the kernel may take them back at any time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define BUDGET    (256 * MIB)
#define VALUE_LEN MIB

struct consumer {
    uint64_t bytes;
    uint64_t sum;
};

static void consume(void *ctx, const void *data, size_t len_bytes)
{
    struct consumer *c = ctx;

    c->sum += bench_touch(data, len_bytes);
    c->bytes += len_bytes;
}

static int save_values(struct bench_session *s, uint32_t count)
{
    char key[BENCH_KEY_MAX];

    for (uint32_t i = 0; i < count; i++) {
        struct bench_item item = { .key = key,
                                   .data = bench_value(i, VALUE_LEN),
                                   .len_bytes = VALUE_LEN };
        bench_image_key(i, key);
        if (s->engine->put(s->worker, &item) != 0)
            return -1;
    }
    return s->engine->sync(s->db);
}

static int load_values(struct bench_session *s, uint32_t count)
{
    struct consumer c = { .bytes = 0 };
    char key[BENCH_KEY_MAX];
    void *reader;

    if (s->engine->worker_open(s->db, BENCH_READER, &reader) != 0)
        return -1;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        bench_image_key(i, key);
        rc = s->engine->borrow(reader, key, consume, &c);
    }
    s->engine->worker_close(reader);
    bench_keep_result(c.sum);
    if (rc == 0 && c.bytes != (uint64_t)count * VALUE_LEN)
        rc = bench_fail("%s: values of wrong size", s->engine->name);
    return rc;
}

/* ENGINE DIR COUNT: prints the peak in bytes. */
int bench_child_budget(int argc, char **argv)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY | BENCH_OPEN_LARGE, .budget_bytes = BUDGET };
    struct bench_session s;

    if (argc != 3)
        return bench_fail("budget: ENGINE DIR COUNT");
    const struct bench_engine *e = bench_engine_by_name(argv[0]);
    uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
    if (e == NULL)
        return bench_fail("budget: no engine %s", argv[0]);
    bench_values_small();
    if (bench_session_open(&s, e, argv[1], &how, BENCH_WRITER) != 0)
        return -1;
    int rc = save_values(&s, count);
    if (rc == 0)
        rc = load_values(&s, count);
    rc = bench_session_close(&s, rc);
    (void)printf("%.0f\n", bench_peak_rss_bytes());
    return rc;
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_child_result result;
    char dir[BENCH_PATH_MAX];
    char count[16];
    const char *args[] = { "budget", e->name, dir, count, NULL };

    (void)round;
    (void)snprintf(count, sizeof count, "%u", b->scale->budget_values_mib);
    if (bench_fresh(b, e, dir) != 0)
        return -1;
    int rc = bench_child_run(args, &result);
    if (rc == 0 && result.count != 1)
        rc = bench_fail("the child said nothing");
    if (rc == 0)
        bench_report_add(b->report, "peak-rss", e->name, result.values[0] / (double)MIB);
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static const struct bench_row_def row = {
    .id = "peak-rss",
    .what = "peak resident memory, budget 256 MiB, 1 MiB values saved and loaded",
    .unit = "MiB",
    .better = BENCH_LESS,
    .targets = { { .kind = BENCH_ABSOLUTE, .x = 300 } },
};

const struct bench_workload bench_budget = {
    .name = "peak-rss",
    .what = "peak resident memory with a 256 MiB budget and 4 GiB of values",
    .needs = BENCH_CAN_LARGE | BENCH_CAN_BUDGET,
    .rounds_max = 1,
    .rows = &row,
    .row_count = 1,
    .measure = measure,
};
