/*
 * A store whose values are replaced all the time: what that costs on the disk, in bytes written and in space, and how
 * long a commit may have to wait for it.
 *
 * A child process, so that no other engine's bytes are counted, loads live data and replaces values at random, each as
 * likely as another, by new ones of any size, until four times as much has been written. The second half counts for
 * rates; the most space and the longest commit are of all of it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "segments.h"
#include "watch.h"

#define SEED       0x63687572u
#define BATCH_MAX  64
#define TIMES_LIVE 4

/* Values of least to most bytes, all magnitudes as likely; so many in one commit. */
struct kind {
    const char *name;
    size_t least, most;
    unsigned batch;
    int in_frames; /* where holog puts them; else in its extents */
};

static const struct kind kinds[] = {
    { "large", 16 * KIB, MIB, 8, 0 },
    { "4k", 4 * KIB, 4 * KIB, BATCH_MAX, 1 },
};

/* What the child prints, in this order. */
enum result {
    WRITE_AMP,
    RATE,
    STALL_MS,
    LIVE_BYTES, /* at the end */
    PEAK_SPACE,
    FINAL_SPACE,
    PEAK_BY_CAP,
    RESULTS
};

struct churn {
    struct bench_session s;
    const struct kind *kind;
    uint32_t count;  /* values */
    uint32_t *sizes; /* of each, as it is now */
    uint64_t next;   /* state of what is random */
    uint64_t live;   /* bytes, keys with them */
    uint64_t live_max;
    uint64_t written; /* bytes of values */
    uint64_t spent_ns;
    uint64_t longest_ns;
    uint8_t *room; /* BATCH_MAX values */
};

static double uniform(struct churn *c)
{
    return (double)(bench_mix(SEED + c->next++) >> 11) * 0x1p-53;
}

static size_t any_size(struct churn *c)
{
    const struct kind *k = c->kind;
    double size = (double)k->least * pow((double)k->most / (double)k->least, uniform(c));

    return (size_t)size / 8 * 8;
}

/* Noise of its own: windows into one pool alone would let a compressor find one value in another. */
static void make_value(uint64_t id, uint8_t *to, size_t len_bytes)
{
    const uint8_t *from = bench_value(id, len_bytes);
    uint64_t veil = bench_mix(~id);

    for (size_t i = 0; i < len_bytes; i += sizeof veil) {
        uint64_t word;
        memcpy(&word, from + i, sizeof word);
        word ^= veil;
        memcpy(to + i, &word, sizeof word);
    }
}

/* Values at these indexes, one commit. */
static int replace(struct churn *c, const uint32_t *index, unsigned n)
{
    struct bench_item items[BATCH_MAX];
    char keys[BATCH_MAX][BENCH_KEY_MAX];
    size_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t size = any_size(c);
        bench_key(index[i], keys[i]);
        make_value(SEED + c->next, c->room + at, size);
        items[i] = (struct bench_item){ .key = keys[i], .data = c->room + at, .len_bytes = size };
        at += size;
        c->live += size - c->sizes[index[i]];
        c->sizes[index[i]] = (uint32_t)size;
    }
    uint64_t start = bench_now_ns();
    int rc = n == 1 ? c->s.engine->put(c->s.worker, items)
                    : c->s.engine->put_batch(c->s.worker, items, n);
    uint64_t took = bench_now_ns() - start;
    c->spent_ns += took;
    c->longest_ns = took > c->longest_ns ? took : c->longest_ns;
    c->written += at;
    c->live_max = c->live > c->live_max ? c->live : c->live_max;
    return rc;
}

static int load(struct churn *c)
{
    uint32_t index[BATCH_MAX];
    char key[BENCH_KEY_MAX];
    unsigned n = 0;
    int rc = 0;

    bench_key(0, key);
    c->live = c->count * (uint64_t)strlen(key);
    for (uint32_t i = 0; i < c->count && rc == 0; i++) {
        index[n++] = i;
        if (n == c->kind->batch || i + 1 == c->count) {
            rc = replace(c, index, n);
            n = 0;
        }
    }
    return rc;
}

static int is_among(const uint32_t *index, unsigned n, uint32_t one)
{
    for (unsigned i = 0; i < n; i++) {
        if (index[i] == one)
            return 1;
    }
    return 0;
}

/* n of them, no two the same. */
static void choose(struct churn *c, uint32_t *index, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        uint32_t one = (uint32_t)(bench_mix(SEED + c->next++) % c->count);
        if (!is_among(index, i, one))
            index[i++] = one;
    }
}

static int churn_until(struct churn *c, uint64_t written)
{
    uint32_t index[BATCH_MAX];
    int rc = 0;

    while (rc == 0 && c->written < written) {
        choose(c, index, c->kind->batch);
        rc = replace(c, index, c->kind->batch);
    }
    return rc;
}

/* The second half, and all that is asked at its ends. */
static int churn(struct churn *c, uint64_t live, double *out)
{
    struct bench_device_bytes before = { 0 };
    struct bench_device_bytes after = { 0 };

    c->written = 0;
    c->longest_ns = 0;
    c->live_max = 0;
    if (churn_until(c, TIMES_LIVE / 2 * live) != 0 || bench_device_bytes(c->s.dir, &before) != 0)
        return -1;
    c->spent_ns = 0;
    uint64_t half = c->written;
    if (churn_until(c, TIMES_LIVE * live) != 0 || bench_device_bytes(c->s.dir, &after) != 0)
        return -1;
    double bytes = (double)(c->written - half);
    out[WRITE_AMP] = bench_written_between(&before, &after) / bytes;
    out[RATE] = bytes / 1e6 / ((double)c->spent_ns / 1e9);
    out[STALL_MS] = (double)c->longest_ns / 1e6;
    out[LIVE_BYTES] = (double)c->live;
    return 0;
}

static int churn_watched(struct churn *c, uint64_t live, uint64_t segment_bytes, double *out)
{
    struct bench_watch *watch;
    uint64_t peak = 0;
    uint64_t final = 0;

    bench_watch_start(c->s.dir, &watch);
    int rc = churn(c, live, out);
    if (bench_watch_stop(watch, &peak) != 0 || (rc == 0 && bench_space_held(c->s.dir, &final) != 0))
        rc = -1;
    double cap =
        BENCH_SPACE_AMP * ((double)c->live_max + BENCH_SEGMENTS_OF_CAP * (double)segment_bytes);
    out[PEAK_SPACE] = (double)peak / (double)c->live_max;
    out[FINAL_SPACE] = (double) final / (double)c->live;
    out[PEAK_BY_CAP] = (double)peak / cap;
    return rc;
}

static uint32_t values_in(const struct kind *k, uint64_t bytes)
{
    double mean = (double)k->least;

    if (k->most > k->least)
        mean = (double)(k->most - k->least) / log((double)k->most / (double)k->least);
    return (uint32_t)((double)bytes / mean + 1);
}

/* ENGINE DIR KIND LIVE_MIB EXTENT_MIB FRAME_MIB: prints the results. The last two: sizes of segments. */
int bench_child_churn(int argc, char **argv)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE | BENCH_OPEN_CHURN };
    struct churn c = { .next = 0 };
    double out[RESULTS] = { 0 };

    if (argc != 6)
        return bench_fail("churn: ENGINE DIR KIND LIVE_MIB EXTENT_MIB FRAME_MIB");
    const struct bench_engine *e = bench_engine_by_name(argv[0]);
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        c.kind = strcmp(argv[2], kinds[i].name) == 0 ? &kinds[i] : c.kind;
    uint64_t live = strtoull(argv[3], NULL, 10) * MIB;
    how.extent_bytes = (uint32_t)(strtoull(argv[4], NULL, 10) * MIB);
    how.frame_bytes = (uint32_t)(strtoull(argv[5], NULL, 10) * MIB);
    if (e == NULL || c.kind == NULL || values_in(c.kind, live) < BATCH_MAX)
        return bench_fail("churn: no such engine, or kind");
    if (bench_session_open(&c.s, e, argv[1], &how, BENCH_WRITER) != 0)
        return -1;
    c.count = values_in(c.kind, live);
    c.sizes = bench_alloc(c.count * sizeof *c.sizes);
    c.room = bench_alloc_pages(c.kind->batch * c.kind->most);
    int rc = load(&c);
    if (rc == 0)
        rc = churn_watched(&c, live, c.kind->in_frames ? how.frame_bytes : how.extent_bytes, out);
    rc = bench_session_close(&c.s, rc);
    for (unsigned i = 0; rc == 0 && i < RESULTS; i++)
        (void)printf("%.6f\n", out[i]);
    free(c.sizes);
    free(c.room);
    return rc;
}

/* ---- the parent ---- */

static void add(struct bench *b, const struct bench_engine *e, const char *kind, const char *what,
                double value)
{
    char row[64];

    (void)snprintf(row, sizeof row, "churn-%s-%s", kind, what);
    bench_report_add(b->report, row, e->name, value);
}

static void report(struct bench *b, const struct bench_engine *e, const char *kind, const double *r)
{
    add(b, e, kind, "write-amp", r[WRITE_AMP]);
    add(b, e, kind, "peak", r[PEAK_SPACE]);
    add(b, e, kind, "space", r[FINAL_SPACE]);
    add(b, e, kind, "rate", r[RATE]);
    add(b, e, kind, "stall", r[STALL_MS]);
    if (e != &bench_engine_holog)
        return;
    add(b, e, kind, "cap", r[PEAK_BY_CAP]);
    if (r[PEAK_BY_CAP] <= 1) /* a store that collects too little writes less, too: not judged */
        add(b, e, kind, "kept", r[WRITE_AMP]);
}

static int measure(struct bench *b, const struct bench_engine *e, const char *kind)
{
    struct bench_child_result result;
    char dir[BENCH_PATH_MAX];
    char live[16];
    char extent[16];
    char frame[16];
    const char *args[] = { "churn", e->name, dir, kind, live, extent, frame, NULL };

    (void)snprintf(live, sizeof live, "%u", b->scale->churn_mib);
    (void)snprintf(extent, sizeof extent, "%u", b->scale->extent_mib);
    (void)snprintf(frame, sizeof frame, "%u", b->scale->frame_mib);
    if (bench_fresh(b, e, dir) != 0)
        return -1;
    int rc = bench_child_run(args, &result);
    if (rc == 0 && result.count != RESULTS)
        rc = bench_fail("the child said %u numbers", result.count);
    if (rc == 0)
        report(b, e, kind, result.values);
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static int measure_large(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return measure(b, e, "large");
}

static int measure_4k(struct bench *b, const struct bench_engine *e, unsigned round)
{
    (void)round;
    return measure(b, e, "4k");
}

static const struct bench_row_def large_rows[] = {
    { .id = "churn-large-write-amp",
      .what = "bytes written to the disk by bytes of values, 16 KiB to 1 MiB, replaced at random",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "churn-large-kept",
      .what = "the same, of runs that were never above the cap; no others count",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 2.5 } } },
    { .id = "churn-large-cap",
      .what = "the most space taken, by 1.5 x (live bytes and 4 segments)",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
    { .id = "churn-large-peak",
      .what = "the most space taken, by live bytes",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "churn-large-space",
      .what = "space taken at the end, by live bytes",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "churn-large-rate",
      .what = "values replaced, 8 in a durable commit",
      .unit = "MB/s",
      .better = BENCH_MORE },
    { .id = "churn-large-stall",
      .what = "the longest of these commits",
      .unit = "ms",
      .better = BENCH_LESS },
};

static const struct bench_row_def small_rows[] = {
    { .id = "churn-4k-write-amp",
      .what = "bytes written to the disk by bytes of values, 4 KiB, replaced at random",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "churn-4k-kept",
      .what = "the same, of runs that were never above the cap; no others count",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 2.5 } } },
    { .id = "churn-4k-cap",
      .what = "the most space taken, by 1.5 x (live bytes and 4 segments)",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
    { .id = "churn-4k-peak",
      .what = "the most space taken, by live bytes",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "churn-4k-space",
      .what = "space taken at the end, by live bytes",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "churn-4k-rate",
      .what = "values replaced, 64 in a durable commit",
      .unit = "MB/s",
      .better = BENCH_MORE },
    { .id = "churn-4k-stall",
      .what = "the longest of these commits",
      .unit = "ms",
      .better = BENCH_LESS },
};

const struct bench_workload bench_churn = {
    .name = "churn",
    .what = "values of 16 KiB to 1 MiB replaced at random: write amplification, space, stalls",
    .needs = BENCH_CAN_CHURN,
    .rounds_max = 3,
    .rows = large_rows,
    .row_count = sizeof large_rows / sizeof large_rows[0],
    .measure = measure_large,
};

const struct bench_workload bench_churn_4k = {
    .name = "churn-4k",
    .what = "the same of values of 4 KiB",
    .needs = BENCH_CAN_CHURN,
    .rounds_max = 1,
    .rows = small_rows,
    .row_count = sizeof small_rows / sizeof small_rows[0],
    .measure = measure_4k,
};
