/*
 * holog_verify over a whole store, from a cold disk, beside the rate at which the disk reads 8 MiB
 * after 8 MiB directly: a store of 8 MiB images and one of 256 B values.
 */
#include <holog/holog.h>

#include "bench.h"

#define RAW_BYTES (256 * MIB)

static struct bench_raw *raw; /* open from the first round to the finish */

static int tell(void *ctx, const holog_damage *damage)
{
    (void)ctx;
    (void)bench_fail("verify: %s: %s", damage->file, damage->message);
    return 0;
}

static int verify(struct bench *b, const char *dir, const char *row)
{
    uint64_t bytes = 0;

    if (bench_settle(b->dir) != 0 || bench_drop_cache(dir) != 0 ||
        bench_file_sizes(dir, &bytes) != 0)
        return -1;
    uint64_t start = bench_now_ns();
    int rc = holog_verify(dir, 0, tell, NULL, NULL, NULL);
    uint64_t spent = bench_now_ns() - start;
    if (rc != HOLOG_OK) {
        struct holog_error_detail d;
        holog_last_error(&d);
        return bench_fail("holog verify: %s: %s", holog_error_name(rc), d.message);
    }
    bench_report_add(b->report, row, "holog", (double)bytes * 1e3 / (double)spent);
    return 0;
}

static int prepare(struct bench *b, const struct bench_engine *e)
{
    char dir[BENCH_PATH_MAX];

    return bench_kept_small(b, e, dir) != 0 ? -1 : bench_kept_images(b, e, dir);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_kept_images(b, e, dir) != 0 || verify(b, dir, "verify-images") != 0)
        return -1;
    return bench_kept_small(b, e, dir) != 0 ? -1 : verify(b, dir, "verify-256");
}

static int measure_raw(struct bench *b)
{
    uint64_t bytes = b->quick ? RAW_BYTES / 4 : RAW_BYTES;
    char path[BENCH_PATH_MAX];

    if (raw == NULL && (bench_path(path, "%s/raw-verify", b->dir) != 0 ||
                        bench_raw_open(path, bytes, 0, &raw) != 0))
        return -1;
    for (unsigned in_flight = 1; in_flight <= 2; in_flight++) {
        const char *name = in_flight == 1 ? BENCH_RAW : BENCH_RAW_2;
        double rate = 0;
        if (bench_raw_stream(raw, bytes, in_flight, 0, &rate) != 0)
            return -1;
        bench_report_add(b->report, "verify-images", name, rate);
        bench_report_add(b->report, "verify-256", name, rate);
    }
    return 0;
}

/* The images are not used any more. */
static void finish(struct bench *b)
{
    for (unsigned i = 0; i < b->engine_count; i++) {
        char dir[BENCH_PATH_MAX];
        if (bench_path(dir, "%s/kept/%s-images", b->dir, b->engines[i]->name) == 0)
            (void)bench_remove_tree(dir);
    }
    if (raw != NULL)
        bench_raw_close(raw);
    raw = NULL;
}

static const struct bench_row_def rows[] = {
    { .id = "verify-images",
      .what = "verify a cold store of 8 MiB images (raw: 8 MiB direct reads)",
      .unit = "MB/s",
      .targets = { { .kind = BENCH_TIMES_RAW, .x = 0.8 } } },
    { .id = "verify-256",
      .what = "verify a cold store of 256 B values (raw: 8 MiB direct reads)",
      .unit = "MB/s",
      .targets = { { .kind = BENCH_TIMES_RAW, .x = 0.8 } } },
};

const struct bench_workload bench_verify = {
    .name = "verify",
    .what = "verify rate against the disk's read rate",
    .only_holog = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .prepare = prepare,
    .raw = measure_raw,
    .measure = measure,
    .finish = finish,
};
