/*
 * How long one durable 256 B commit takes, idle and beside a writer that saves durable values of
 * 256 KiB in the same store at 20 MB/s; and one durable direct 4 KiB write of the disk itself,
 * idle and beside direct 256 KiB writes at the same pace to another file.
 */
#include <stdlib.h>

#include "bench.h"

#define BESIDE_LEN  (256 * KIB)
#define BESIDE_RATE 20e6 /* bytes a second */
#define BESIDE_AT   4000000u
#define RAW_BYTES   (32 * MIB)
#define SAMPLES_MAX 1000000u

/* Something that can be done once, durable when it returns, with its own count. */
struct action {
    const struct bench_engine *engine; /* NULL: raw */
    void *worker;
    struct bench_raw *raw;
    uint64_t first;
    size_t len_bytes;
};

static int act(void *own, uint64_t nth)
{
    struct action *a = own;
    char key[BENCH_KEY_MAX];
    struct bench_item item = { .key = key, .len_bytes = a->len_bytes };

    if (a->engine == NULL)
        return bench_raw_write(a->raw, a->len_bytes);
    bench_key(a->first + nth, key);
    item.data = bench_value(a->first + nth, a->len_bytes);
    return a->engine->put(a->worker, &item);
}

static int sample(struct bench *b, struct action *a, const char *row_p50, const char *row_p99,
                  const char *name)
{
    uint32_t *ns = bench_alloc(SAMPLES_MAX * sizeof *ns);
    uint64_t now = bench_now_ns();
    uint64_t deadline = now + (uint64_t)(b->scale->latency_secs * 1e9);
    size_t count = 0;
    int rc = 0;

    while (rc == 0 && now < deadline && count < SAMPLES_MAX) {
        uint64_t start = bench_now_ns();
        rc = act(a, count);
        now = bench_now_ns();
        ns[count++] = now - start < UINT32_MAX ? (uint32_t)(now - start) : UINT32_MAX;
    }
    if (rc == 0) {
        bench_report_add(b->report, row_p50, name, bench_percentile_ns(ns, count, 50) / 1e3);
        bench_report_add(b->report, row_p99, name, bench_percentile_ns(ns, count, 99) / 1e3);
    }
    a->first += count;
    free(ns);
    return rc;
}

/* `a` is sampled idle, then while `beside` keeps its pace. */
static int sample_both(struct bench *b, struct action *a, struct action *beside, const char *name)
{
    struct bench_pacer *pacer;
    double reached = 0;

    if (sample(b, a, "latency-idle-p50", "latency-idle-p99", name) != 0 ||
        bench_pacer_start((uint64_t)((double)BESIDE_LEN / BESIDE_RATE * 1e9), act, beside,
                          &pacer) != 0)
        return -1;
    int rc = sample(b, a, "latency-busy-p50", "latency-busy-p99", name);
    if (bench_pacer_stop(pacer, &reached) != 0)
        rc = -1;
    double rate = reached * (double)BESIDE_LEN;
    if (rate < 0.9 * BESIDE_RATE)
        bench_report_note(b->report, "latency-busy-p99", name, "its writer reached %.1f MB/s only",
                          rate / 1e6);
    return rc;
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = 0 };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    struct action small = { .engine = e, .worker = s.worker, .len_bytes = BENCH_SMALL_LEN };
    struct action beside = { .engine = e, .first = BESIDE_AT, .len_bytes = BESIDE_LEN };
    int rc = e->worker_open(s.db, BENCH_WRITER, &beside.worker);
    if (rc == 0) {
        rc = sample_both(b, &small, &beside, e->name);
        e->worker_close(beside.worker);
    }
    return bench_session_discard(&s, rc);
}

static int measure_raw(struct bench *b)
{
    struct action small = { .len_bytes = BENCH_RAW_BLOCK };
    struct action beside = { .len_bytes = BESIDE_LEN };
    char path[BENCH_PATH_MAX];
    int rc = -1;

    if (bench_path(path, "%s/raw-small", b->dir) == 0 &&
        bench_raw_open(path, RAW_BYTES, 1, &small.raw) == 0) {
        if (bench_path(path, "%s/raw-beside", b->dir) == 0 &&
            bench_raw_open(path, RAW_BYTES, 1, &beside.raw) == 0) {
            rc = sample_both(b, &small, &beside, BENCH_RAW);
            bench_raw_close(beside.raw);
        }
        bench_raw_close(small.raw);
    }
    return rc;
}

static const struct bench_row_def rows[] = {
    { .id = "latency-idle-p50",
      .what = "durable 256 B commit, 1 thread, idle: median (raw: 4 KiB write)",
      .unit = "us",
      .better = BENCH_LESS },
    { .id = "latency-idle-p99",
      .what = "durable 256 B commit, 1 thread, idle: 99th percentile (raw: 4 KiB write)",
      .unit = "us",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_TIMES_RAW, .x = 1.3 } } },
    { .id = "latency-busy-p50",
      .what = "durable 256 B commit beside a 20 MB/s writer in the same store: median",
      .unit = "us",
      .better = BENCH_LESS },
    { .id = "latency-busy-p99",
      .what = "durable 256 B commit beside a 20 MB/s writer in the same store: 99th percentile",
      .unit = "us",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_TIMES_RAW, .x = 2, .row = "latency-idle-p99" } } },
};

const struct bench_workload bench_latency = {
    .name = "latency",
    .what = "one durable 256 B commit: p50 and p99, idle and beside a 20 MB/s writer",
    .needs = BENCH_CAN_SMALL,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .raw = measure_raw,
    .measure = measure,
};
