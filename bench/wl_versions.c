/*
 * Arrays of planes after a compaction: what another version costs that differs in boxes of 2 % of each plane, and what a
 * small region costs that is read when nothing of it is in memory.
 *
 * A version is saved whole, as a step of a pipeline does that runs again. A full one is what the same planes take in a
 * store that has no other version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/array.h>
#include <holog/compact.h>
#include <holog/holog.h>
#include <holog/versions.h>

#include "bench.h"
#include "planes.h"
#include "watch.h"

#define PATH        "plate/well"
#define BOX         0.02     /* of a plane's area */
#define OTHER       1000000u /* planes that boxes are of */
#define REGION      256u     /* the most */
#define REGION_SEED 0x72656769u
#define BATCHES     2

/* Kept from prepare to finish. */
static struct bench_planes *planes;
static double plane_bytes; /* as a compacted store has one of them */

static int failed(const char *what, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog %s: %s: %s", what, holog_error_name(rc), d.message);
}

static int save(holog_store *store, uint32_t side, uint32_t count, int version, uint16_t *batch)
{
    const uint64_t shape[3] = { count, side, side };
    const holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape
    };

    for (uint32_t i = 0; i < count; i++)
        bench_plane_with_box(planes, i, OTHER + i, version == 0 ? 0 : BOX,
                             batch + (size_t)i * side * side);
    int rc = holog_array_save(store, PATH, &spec, batch, NULL, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
    return rc == HOLOG_OK ? 0 : failed("array_save", rc);
}

/* *out_bytes: of all cold segments. */
static int compact(holog_store *store, double *out_bytes)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_stats st = { .struct_size = sizeof st };
    int rc = holog_compact(store, &all, NULL);

    if (rc == HOLOG_OK)
        rc = holog_stats_get(store, &st);
    if (rc != HOLOG_OK)
        return failed("compact", rc);
    *out_bytes = (double)st.cold_bytes;
    return 0;
}

/* Values go behind the planes and are deleted: nobody writes any more to a segment that planes are in. */
static int push(holog_store *store, uint64_t extent_bytes)
{
    char path[BENCH_KEY_MAX];
    int rc = HOLOG_OK;

    for (uint64_t i = 0; rc == HOLOG_OK && i <= extent_bytes / MIB; i++) {
        (void)snprintf(path, sizeof path, "behind/%u", (unsigned)i);
        rc = holog_save(store, path, bench_value(i, MIB), MIB, HOLOG_PARENTS, NULL);
    }
    if (rc == HOLOG_OK)
        rc = holog_delete_all(store, "behind", NULL);
    if (rc == HOLOG_OK)
        rc = holog_gc(store, 1, 0, 0, NULL);
    return rc == HOLOG_OK ? 0 : failed("save", rc);
}

/* Tags keep what is not the newest version. */
static int fill(struct bench *b, holog_store *store, uint32_t count, int versions)
{
    uint32_t side = b->scale->plane_side;
    uint16_t *batch = bench_alloc_pages((size_t)count * side * side * sizeof *batch);
    char tag[16];
    int rc = 0;

    for (int v = 0; rc == 0 && v < versions; v++) {
        rc = save(store, side, count, v, batch);
        (void)snprintf(tag, sizeof tag, "v%d", v);
        if (rc == 0)
            rc = holog_tag(store, tag, holog_last_number(store), 0);
    }
    free(batch);
    return rc == 0 ? push(store, b->scale->extent_mib * (uint64_t)MIB) : rc;
}

/* A store with these planes in dir, compacted and closed. */
static int make(struct bench *b, const char *dir, uint32_t count, int versions, double *out_bytes)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE,
                             .extent_bytes = b->scale->extent_mib * (uint32_t)MIB };
    struct bench_session s;

    if (bench_make_fresh_dir(dir) != 0 ||
        bench_session_open(&s, &bench_engine_holog, dir, &how, BENCH_WRITER) != 0)
        return -1;
    int rc = fill(b, bench_holog_store(s.db), count, versions);
    if (rc == 0)
        rc = compact(bench_holog_store(s.db), out_bytes);
    return bench_session_close(&s, rc);
}

static int store_dir(struct bench *b, const char *name, char *out)
{
    return bench_path(out, "%s/versions-%s", b->dir, name);
}

static int measure_batch(struct bench *b, unsigned i)
{
    static const char *const rows[BATCHES] = { "version-batch", "version-large" };
    uint32_t count = b->scale->version_planes[i];
    char one[BENCH_PATH_MAX];
    char two[BENCH_PATH_MAX];
    double full = 0;
    double both = 0;

    if (store_dir(b, "one", one) != 0 || store_dir(b, "two", two) != 0 ||
        make(b, one, count, 1, &full) != 0 || make(b, two, count, 2, &both) != 0)
        return -1;
    bench_report_add(b->report, rows[i], "holog", 100 * (both - full) / full);
    bench_report_note(b->report, rows[i], "holog",
                      "%u planes; a full version takes %.1f MiB, 1 / %.2f", count,
                      full / (double)MIB,
                      (double)count * b->scale->plane_side * b->scale->plane_side * 2 / full);
    plane_bytes = full / count;
    return bench_remove_tree(two);
}

/* The store of the larger batch, which comes last, stays for the regions. */
static int prepare(struct bench *b, const struct bench_engine *e)
{
    (void)e;
    planes = bench_planes_make(b->scale->plane_side);
    for (unsigned i = 0; i < BATCHES; i++) {
        if (measure_batch(b, i) != 0)
            return -1;
    }
    return 0;
}

/* ---- regions -------------------------------------------------------------------------------------*/

struct regions {
    holog_array *array;
    const char *dir;
    uint32_t side;
    uint32_t region;    /* pixels, square */
    uint16_t *expected; /* a plane */
    double *ms;         /* of each */
    double worst_bytes;
    double all_bytes;
    double all_asked;
};

static int same(const struct regions *r, const holog_slice *at, const uint16_t *region)
{
    for (size_t y = 0; y < r->region; y++) {
        const uint16_t *row = r->expected + (at[1].start + y) * r->side + at[2].start;
        if (memcmp(row, region + y * r->region, r->region * sizeof *region) != 0)
            return 0;
    }
    return 1;
}

/* One plane after another is asked once, so holog's cache has none of it; the kernel's is emptied before. */
static int read_region(struct regions *r, uint64_t plane, uint64_t random)
{
    static uint16_t region[REGION * REGION];
    const holog_slice at[3] = { { plane, 1, 1 },
                                { random % (r->side - r->region + 1), r->region, 1 },
                                { (random >> 32) % (r->side - r->region + 1), r->region, 1 } };
    struct bench_device_bytes before;
    struct bench_device_bytes after;

    if (bench_drop_cache(r->dir) != 0 || bench_device_bytes(r->dir, &before) != 0)
        return -1;
    uint64_t start = bench_now_ns();
    int rc = holog_array_read(r->array, at, region, NULL);
    r->ms[plane] = (double)(bench_now_ns() - start) / 1e6;
    if (rc != HOLOG_OK)
        return failed("array_read", rc);
    if (bench_device_bytes(r->dir, &after) != 0)
        return -1;
    double bytes = (double)(after.read - before.read);
    r->all_bytes += bytes;
    r->all_asked += (double)(after.asked - before.asked);
    r->worst_bytes = bytes > r->worst_bytes ? bytes : r->worst_bytes;
    bench_plane(planes, plane, r->expected);
    return same(r, at, region) ? 0 : bench_fail("holog: a region with other elements");
}

static int read_regions(struct regions *r, uint32_t count, unsigned round)
{
    uint32_t *order = bench_shuffle(count, round);
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = read_region(r, order[i], bench_mix(REGION_SEED + round * (uint64_t)count + i));
    free(order);
    return rc;
}

static void report_regions(struct bench *b, const struct regions *r, uint32_t count)
{
    double ms[64];
    unsigned n = 0;

    for (uint32_t i = 0; i < count && n < 64; i++)
        ms[n++] = r->ms[i];
    bench_report_add(b->report, "region-worst", "holog", r->worst_bytes / plane_bytes);
    bench_report_add(b->report, "region-mean", "holog", r->all_bytes / count / plane_bytes);
    bench_report_note(b->report, "region-mean", "holog",
                      "holog asked for %.3f, what is more was read ahead",
                      r->all_asked / count / plane_bytes);
    bench_report_add(b->report, "region-ms", "holog", bench_median(ms, n));
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];
    uint32_t count = b->scale->version_planes[BATCHES - 1];
    struct regions r = { .dir = dir, .side = b->scale->plane_side };

    r.region = r.side / 8 < REGION ? r.side / 8 : REGION;
    if (store_dir(b, "one", dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_READER) != 0)
        return -1;
    r.expected = bench_alloc((size_t)r.side * r.side * sizeof *r.expected);
    r.ms = bench_alloc(count * sizeof *r.ms);
    int rc = holog_array_open(bench_holog_store(s.db), PATH, &r.array);
    rc = rc == HOLOG_OK ? read_regions(&r, count, round) : failed("array_open", rc);
    if (rc == 0)
        report_regions(b, &r, count);
    holog_array_close(r.array);
    free(r.expected);
    free(r.ms);
    return bench_session_close(&s, rc);
}

static void finish(struct bench *b)
{
    char dir[BENCH_PATH_MAX];

    bench_planes_free(planes);
    planes = NULL;
    if (store_dir(b, "one", dir) == 0)
        (void)bench_remove_tree(dir); /* what is left goes with the scratch directory */
}

static const struct bench_row_def rows[] = {
    { .id = "version-batch",
      .what = "a version that differs by 2 % in boxes, compacted, by a full version",
      .unit = "%",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 2.5 } } },
    { .id = "version-large",
      .what = "the same of a batch that is more than one round of a compaction takes",
      .unit = "%",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 2.5 } } },
    { .id = "region-worst",
      .what =
          "256 x 256 out of a compacted plane, cold: the most bytes read, by a plane's stored bytes",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 0.125 } } },
    { .id = "region-mean", .what = "the same: on average", .unit = "x", .better = BENCH_LESS },
    { .id = "region-ms",
      .what = "the same: time, median",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 2 } } },
};

const struct bench_workload bench_versions = {
    .name = "versions",
    .what = "compacted arrays: bytes of another version; regions read cold",
    .only_holog = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .prepare = prepare,
    .measure = measure,
    .finish = finish,
};
