/*
 * A pipeline that is run again and again: all planes of a well are deleted, then saved anew as one array, which well is
 * a matter of chance. What was deleted lies together, so most segments should go without anything in them being moved.
 *
 * In a child, whose bytes are counted. Of space the cap is that of what lives as it is stored: compressed, where a
 * compaction has been.
 */
#include <stdio.h>
#include <stdlib.h>

#include <holog/array.h>
#include <holog/holog.h>

#include "bench.h"
#include "planes.h"
#include "segments.h"
#include "watch.h"

#define SEED 0x77656c6cu

/* What the child prints, in this order. */
enum result {
    WORST_BY_CAP, /* space by the cap, of all rounds */
    LAST_BY_LIVE, /* space by bytes of planes, at the end */
    WRITE_AMP,
    MOVED, /* bytes that compactions have moved for each that they have freed, in % */
    RATE,
    RESULTS
};

struct rewrite {
    struct bench_session s;
    struct bench_planes *planes;
    uint32_t wells, per_well, side, rounds;
    uint64_t segment_bytes;
    uint16_t *batch; /* of one well */
    uint64_t made;   /* planes, so far */
    uint64_t spent_ns;
    double worst_by_cap;
};

static uint64_t batch_bytes(const struct rewrite *r)
{
    return (uint64_t)r->per_well * r->side * r->side * sizeof *r->batch;
}

static int save_well(struct rewrite *r, const char *path)
{
    const uint64_t shape[3] = { r->per_well, r->side, r->side };
    const holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape
    };

    for (uint32_t i = 0; i < r->per_well; i++)
        bench_plane(r->planes, r->made++, r->batch + (size_t)i * r->side * r->side);
    uint64_t start = bench_now_ns();
    int rc = holog_array_save(bench_holog_store(r->s.db), path, &spec, r->batch, NULL,
                              HOLOG_PARENTS, NULL);
    r->spent_ns += bench_now_ns() - start;
    return rc == HOLOG_OK ? 0 : bench_fail("holog array_save: %s", holog_error_name(rc));
}

static void well_path(uint64_t well, char *out)
{
    (void)snprintf(out, BENCH_KEY_MAX, "plate/well%03u", (unsigned)well);
}

static int delete_well(struct rewrite *r, const char *path)
{
    uint64_t start = bench_now_ns();
    int rc = holog_delete_all(bench_holog_store(r->s.db), path, NULL);

    r->spent_ns += bench_now_ns() - start;
    return rc == HOLOG_OK ? 0 : bench_fail("holog delete_all: %s", holog_error_name(rc));
}

static int look_at_space(struct rewrite *r, uint64_t *out_held)
{
    struct bench_segments segments;

    if (bench_space_held(r->s.dir, out_held) != 0 ||
        bench_segments_ask(bench_holog_store(r->s.db), &segments) != 0)
        return -1;
    double cap = BENCH_SPACE_AMP *
                 ((double)segments.live + BENCH_SEGMENTS_OF_CAP * (double)r->segment_bytes);
    double by_cap = (double)*out_held / cap;
    r->worst_by_cap = by_cap > r->worst_by_cap ? by_cap : r->worst_by_cap;
    return 0;
}

static int rewrite_all(struct rewrite *r, uint64_t *out_held)
{
    char path[BENCH_KEY_MAX];

    for (uint32_t i = 0; i < r->rounds; i++) {
        well_path(bench_mix(SEED + i) % r->wells, path);
        if (delete_well(r, path) != 0 || save_well(r, path) != 0 || look_at_space(r, out_held) != 0)
            return -1;
    }
    return 0;
}

static int load(struct rewrite *r)
{
    char path[BENCH_KEY_MAX];
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < r->wells; i++) {
        well_path(i, path);
        rc = save_well(r, path);
    }
    return rc;
}

static int run(struct rewrite *r, double *out)
{
    struct bench_device_bytes before;
    struct bench_device_bytes after;
    uint64_t held = 0;

    if (load(r) != 0 || bench_device_bytes(r->s.dir, &before) != 0)
        return -1;
    r->spent_ns = 0;
    if (rewrite_all(r, &held) != 0 || bench_device_bytes(r->s.dir, &after) != 0)
        return -1;
    double bytes = (double)r->rounds * (double)batch_bytes(r);
    out[WORST_BY_CAP] = r->worst_by_cap;
    out[LAST_BY_LIVE] = (double)held / ((double)r->wells * (double)batch_bytes(r));
    out[WRITE_AMP] = bench_written_between(&before, &after) / bytes;
    out[RATE] = bytes / 1e6 / ((double)r->spent_ns / 1e9);
    return 0;
}

/* DIR WELLS PLANES SIDE ROUNDS SEGMENT_MIB: prints the results. */
int bench_child_rewrite(int argc, char **argv)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE | BENCH_OPEN_CHURN };
    struct rewrite r = { .made = 0 };
    double out[RESULTS] = { 0 };

    if (argc != 6)
        return bench_fail("rewrite: DIR WELLS PLANES SIDE ROUNDS SEGMENT_MIB");
    r.wells = (uint32_t)strtoul(argv[1], NULL, 10);
    r.per_well = (uint32_t)strtoul(argv[2], NULL, 10);
    r.side = (uint32_t)strtoul(argv[3], NULL, 10);
    r.rounds = (uint32_t)strtoul(argv[4], NULL, 10);
    r.segment_bytes = strtoull(argv[5], NULL, 10) * MIB;
    how.extent_bytes = (uint32_t)r.segment_bytes;
    if (bench_session_open(&r.s, &bench_engine_holog, argv[0], &how, BENCH_WRITER) != 0)
        return -1;
    r.planes = bench_planes_make(r.side);
    r.batch = bench_alloc_pages(batch_bytes(&r));
    int rc = run(&r, out);
    holog_stats st = { .struct_size = sizeof st };
    if (holog_stats_get(bench_holog_store(r.s.db), &st) == HOLOG_OK &&
        st.compaction_freed_bytes > 0)
        out[MOVED] = 100 * (double)st.compaction_moved_bytes / (double)st.compaction_freed_bytes;
    rc = bench_session_close(&r.s, rc);
    for (unsigned i = 0; rc == 0 && i < RESULTS; i++)
        (void)printf("%.6f\n", out[i]);
    bench_planes_free(r.planes);
    free(r.batch);
    return rc;
}

/* ---- the parent ---- */

static const char *const names[RESULTS] = {
    [WORST_BY_CAP] = "rewrite-cap", [LAST_BY_LIVE] = "rewrite-space", [WRITE_AMP] = "rewrite-amp",
    [MOVED] = "rewrite-moved",      [RATE] = "rewrite-rate",
};

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    const struct bench_scale *s = b->scale;
    const uint32_t numbers[] = { s->rewrite_wells, s->rewrite_planes, s->plane_side,
                                 s->rewrite_rounds, s->extent_mib };
    struct bench_child_result result;
    char dir[BENCH_PATH_MAX];
    char text[5][16];
    const char *args[] = { "rewrite", dir, text[0], text[1], text[2], text[3], text[4], NULL };

    (void)round;
    for (unsigned i = 0; i < 5; i++)
        (void)snprintf(text[i], sizeof text[i], "%u", numbers[i]);
    if (bench_fresh(b, e, dir) != 0)
        return -1;
    int rc = bench_child_run(args, &result);
    if (rc == 0 && result.count != RESULTS)
        rc = bench_fail("the child said %u numbers", result.count);
    for (unsigned i = 0; rc == 0 && i < RESULTS; i++)
        bench_report_add(b->report, names[i], e->name, result.values[i]);
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static const struct bench_row_def rows[] = {
    { .id = "rewrite-cap",
      .what =
          "wells deleted and saved again: the most space after a round, by 1.5 x (what lives, as it is "
          "stored, and 4 segments)",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
    { .id = "rewrite-space",
      .what = "space after the last round, by bytes of planes",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "rewrite-amp",
      .what = "bytes written to the disk by bytes of planes",
      .unit = "x",
      .better = BENCH_LESS },
    { .id = "rewrite-moved",
      .what = "bytes moved by compactions, by those that they have freed",
      .unit = "%",
      .better = BENCH_LESS },
    { .id = "rewrite-rate",
      .what = "planes, a durable commit a well",
      .unit = "MB/s",
      .better = BENCH_MORE },
};

const struct bench_workload bench_rewrite = {
    .name = "rewrite",
    .what = "arrays of planes deleted and saved again: space, write amplification",
    .only_holog = 1,
    .rounds_max = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .measure = measure,
};
