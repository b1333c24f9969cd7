/*
 * 8 MiB images: saved one commit each with one sync at the end, and each durable when saved. The
 * disk itself writes the same bytes with 8 MiB direct writes to space that was written before.
 */
#include <stddef.h>

#include "bench.h"

#define RAW_BYTES_MAX (512 * MIB)

static struct bench_raw *raw_lazy;    /* open from the first round to the finish */
static struct bench_raw *raw_durable; /* with O_DSYNC */

static int put_images(struct bench_session *s, uint32_t count)
{
    char key[BENCH_KEY_MAX];

    for (uint32_t i = 0; i < count && !bench_stopped(); i++) {
        struct bench_item item = { .key = key,
                                   .data = bench_value(i % BENCH_IMAGE_KEYS, BENCH_IMAGE_LEN),
                                   .len_bytes = BENCH_IMAGE_LEN };
        bench_image_key(i, key);
        if (s->engine->put(s->worker, &item) != 0)
            return -1;
    }
    return 0;
}

static double rate_mb(uint32_t count, uint64_t spent_ns)
{
    return (double)count * (double)BENCH_IMAGE_LEN * 1e3 / (double)spent_ns;
}

static int save(struct bench *b, const struct bench_engine *e, uint32_t count, unsigned flags,
                const char *row)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE | flags };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    uint64_t start = bench_now_ns();
    int rc = put_images(&s, count);
    if (rc == 0 && (flags & BENCH_OPEN_LAZY) != 0)
        rc = e->sync(s.db);
    uint64_t spent = bench_now_ns() - start;
    if (rc == 0)
        bench_report_add(b->report, row, e->name, rate_mb(count, spent));
    return bench_session_discard(&s, rc);
}

static int measure_lazy(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return save(b, e, b->scale->save_images, BENCH_OPEN_LAZY, "save-images");
}

static int measure_durable(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return save(b, e, b->scale->durable_images, 0, "durable-images");
}

static int open_raw(struct bench *b, struct bench_raw **raw, int dsync, uint64_t bytes)
{
    char path[BENCH_PATH_MAX];

    if (*raw != NULL)
        return 0;
    if (bench_path(path, "%s/raw-images", b->dir) != 0)
        return -1;
    return bench_raw_open(path, bytes < RAW_BYTES_MAX ? bytes : RAW_BYTES_MAX, dsync, raw);
}

static int save_raw(struct bench *b, struct bench_raw *raw, unsigned in_flight, uint64_t bytes,
                    const char *row)
{
    double rate = 0;
    int rc = bench_raw_stream(raw, bytes, in_flight, 1, &rate);

    if (rc == 0)
        bench_report_add(b->report, row, in_flight == 1 ? BENCH_RAW : BENCH_RAW_2, rate);
    return rc;
}

static int measure_raw_lazy(struct bench *b)
{
    uint64_t bytes = (uint64_t)b->scale->save_images * BENCH_IMAGE_LEN;

    if (open_raw(b, &raw_lazy, 0, bytes) != 0 ||
        save_raw(b, raw_lazy, 1, bytes, "save-images") != 0)
        return -1;
    return save_raw(b, raw_lazy, 2, bytes, "save-images");
}

static int measure_raw_durable(struct bench *b)
{
    uint64_t bytes = (uint64_t)b->scale->durable_images * BENCH_IMAGE_LEN;

    if (open_raw(b, &raw_durable, 1, bytes) != 0)
        return -1;
    return save_raw(b, raw_durable, 1, bytes, "durable-images");
}

static void finish(struct bench *b)
{
    (void)b;
    if (raw_lazy != NULL)
        bench_raw_close(raw_lazy);
    if (raw_durable != NULL)
        bench_raw_close(raw_durable);
    raw_lazy = NULL;
    raw_durable = NULL;
}

static const struct bench_row_def row_lazy = {
    .id = "save-images",
    .what = "8 MiB images, one commit each, one sync at the end",
    .unit = "MB/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 2.5 }, { .kind = BENCH_TIMES_RAW, .x = 0.85 } },
};
static const struct bench_row_def row_durable = {
    .id = "durable-images",
    .what = "8 MiB images, each durable when saved",
    .unit = "MB/s",
    .targets = { { .kind = BENCH_TIMES_PEER, .x = 2.5 } },
};

const struct bench_workload bench_save_images = {
    .name = "save-images",
    .what = "save 256 x 8 MiB, one sync at the end",
    .needs = BENCH_CAN_BULK_IMAGES,
    .rows = &row_lazy,
    .row_count = 1,
    .raw = measure_raw_lazy,
    .measure = measure_lazy,
    .finish = finish,
};
const struct bench_workload bench_durable_images = {
    .name = "durable-images",
    .what = "save 8 MiB images, each durable when saved",
    .needs = BENCH_CAN_IMAGES,
    .rows = &row_durable,
    .row_count = 1,
    .raw = measure_raw_durable,
    .measure = measure_durable,
    .finish = finish,
};
