/*
 * 8 MiB images loaded: once from a cold disk (page cache dropped file by file, the store opened
 * anew) and again from the same open store. The consumer reads one word of each cache line. Where
 * an engine can hand out a pointer it does: LMDB into its map, holog a counted reference.
 */
#include <stddef.h>

#include "bench.h"

struct consumer {
    uint64_t bytes;
    uint64_t sum;
};

static struct bench_raw *raw; /* open from the first round to the finish */

static void consume(void *ctx, const void *data, size_t len_bytes)
{
    struct consumer *c = ctx;

    c->sum += bench_touch(data, len_bytes);
    c->bytes += len_bytes;
}

static int load_all(struct bench *b, struct bench_session *s, const char *row)
{
    struct consumer c = { .bytes = 0 };
    char key[BENCH_KEY_MAX];
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < b->scale->load_images; i++) {
        bench_image_key(i, key);
        if (s->engine->borrow(s->worker, key, consume, &c) != 0)
            return -1;
    }
    uint64_t spent = bench_now_ns() - start;
    bench_keep_result(c.sum);
    if (c.bytes != (uint64_t)b->scale->load_images * BENCH_IMAGE_LEN)
        return bench_fail("%s: images of wrong size", s->engine->name);
    bench_report_add(b->report, row, s->engine->name, (double)c.bytes * 1e3 / (double)spent);
    return 0;
}

static int prepare(struct bench *b, const struct bench_engine *e)
{
    char dir[BENCH_PATH_MAX];

    return bench_kept_images(b, e, dir);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_kept_images(b, e, dir) != 0 || bench_settle(b->dir) != 0 ||
        bench_drop_cache(dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_READER) != 0)
        return -1;
    int rc = load_all(b, &s, "load-cold");
    if (rc == 0)
        rc = load_all(b, &s, "load-again");
    return bench_session_close(&s, rc);
}

static int measure_raw(struct bench *b)
{
    uint64_t bytes = (uint64_t)b->scale->load_images * BENCH_IMAGE_LEN;
    char path[BENCH_PATH_MAX];

    if (raw == NULL &&
        (bench_path(path, "%s/raw-load", b->dir) != 0 || bench_raw_open(path, bytes, 0, &raw) != 0))
        return -1;
    for (unsigned in_flight = 1; in_flight <= 2; in_flight++) {
        double rate = 0;
        if (bench_raw_stream(raw, bytes, in_flight, 0, &rate) != 0)
            return -1;
        bench_report_add(b->report, "load-cold", in_flight == 1 ? BENCH_RAW : BENCH_RAW_2, rate);
    }
    return 0;
}

static void finish(struct bench *b)
{
    (void)b;
    if (raw != NULL)
        bench_raw_close(raw);
    raw = NULL;
}

static const struct bench_row_def rows[] = {
    { .id = "load-cold",
      .what = "8 MiB images, first load from a cold disk (raw: 8 MiB direct reads)",
      .unit = "MB/s",
      .targets = { { .kind = BENCH_TIMES_RAW, .x = 0.9 } } },
    { .id = "load-again",
      .what = "8 MiB images, second load, every cache line read by the consumer",
      .unit = "MB/s",
      .targets = { { .kind = BENCH_TIMES_PEER, .x = 1 } } },
};

const struct bench_workload bench_load_images = {
    .name = "load-images",
    .what = "load 8 MiB images: cold, and again",
    .needs = BENCH_CAN_LARGE | BENCH_CAN_LOAD,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .prepare = prepare,
    .raw = measure_raw,
    .measure = measure,
    .finish = finish,
};
