/*
 * Memory of the index for each path, head versions only, as holog counts it against its budget:
 * after a load in random order, and after the store was opened from its checkpoint; and of the hash
 * side-table beside it. Directories are paths too (one for four values here); the note gives the
 * same memory by values alone.
 */
#include <stdlib.h>

#include <holog/holog.h>

#include "bench.h"

static void add_row(struct bench *b, const holog_stats *stats, const char *row, uint64_t bytes)
{
    bench_report_add(b->report, row, "holog", (double)bytes / (double)stats->entries);
    bench_report_note(b->report, row, "holog",
                      "%.1f B for each value: %llu of %llu are directories",
                      (double)bytes / b->scale->keys, (unsigned long long)stats->directories,
                      (unsigned long long)stats->entries);
}

/* side_row: NULL when the side-table's size is not asked for. */
static int add(struct bench *b, struct bench_session *s, const char *row, const char *side_row)
{
    holog_stats stats = { .struct_size = sizeof stats };
    int rc = holog_stats_get(bench_holog_store(s->db), &stats);

    if (rc != HOLOG_OK)
        return bench_fail("holog stats_get: %s", holog_error_name(rc));
    add_row(b, &stats, row, stats.index_bytes);
    if (side_row != NULL)
        add_row(b, &stats, side_row, stats.side_table_bytes);
    return 0;
}

static int load_and_count(struct bench *b, struct bench_session *s)
{
    uint32_t *order = bench_shuffle(b->scale->keys, 1);
    int rc = bench_load_small(s, order, b->scale->keys, BENCH_SMALL_LEN, NULL);

    free(order);
    return rc == 0 ? add(b, s, "ram-loaded", "ram-side-table") : rc;
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    int rc = bench_session_close(&s, load_and_count(b, &s));
    if (rc == 0 && bench_session_open(&s, e, dir, &how, BENCH_READER) == 0)
        rc = bench_session_close(&s, add(b, &s, "ram-packed", NULL));
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static const struct bench_row_def rows[] = {
    { .id = "ram-loaded",
      .what = "index memory for each path of 49 B, after a load in random order",
      .unit = "B",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 72 } } },
    { .id = "ram-side-table",
      .what = "hash side-table for each path, after a load in random order; beside the index",
      .unit = "B",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 8 } } },
    { .id = "ram-packed",
      .what = "index memory for each path of 49 B, opened from a checkpoint",
      .unit = "B",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 64 } } },
};

const struct bench_workload bench_ram = {
    .name = "ram",
    .what = "index memory for each path",
    .only_holog = 1,
    .rounds_max = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .measure = measure,
};
