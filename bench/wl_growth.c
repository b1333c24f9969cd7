/*
 * How much a store grows for each lone durable commit of 256 B (one after the other, nothing to
 * group): holog by the log bytes that it counts itself, the others by the sizes of their files
 * (space taken ahead would hide it), plain files by their blocks.
 */
#include <stdio.h>

#include <holog/holog.h>

#include "bench.h"

static int lone_commits(struct bench_session *s, uint32_t first, uint32_t count)
{
    char key[BENCH_KEY_MAX];

    for (uint32_t i = first; i < first + count; i++) {
        struct bench_item item = { .key = key,
                                   .data = bench_value(i, BENCH_SMALL_LEN),
                                   .len_bytes = BENCH_SMALL_LEN };
        (void)snprintf(key, sizeof key, "experiment12/plate05/well_C07/f3/z02/t0000/%06u", i);
        if (s->engine->put(s->worker, &item) != 0)
            return -1;
    }
    return 0;
}

static int used_in_files(struct bench_session *s, double *out_bytes)
{
    uint64_t bytes = 0;
    int rc = bench_file_sizes(s->dir, &bytes); /* space taken ahead would hide it */

    *out_bytes = (double)bytes;
    return rc;
}

static int used_on_disk(struct bench_session *s, double *out_bytes)
{
    uint64_t bytes = 0;
    int rc = bench_disk_usage(s->dir, NULL, &bytes);

    *out_bytes = (double)bytes;
    return rc;
}

static int used_in_log(struct bench_session *s, double *out_bytes)
{
    holog_stats stats = { .struct_size = sizeof stats };
    int rc = holog_stats_get(bench_holog_store(s->db), &stats);

    if (rc != HOLOG_OK)
        return bench_fail("holog stats_get: %s", holog_error_name(rc));
    *out_bytes = (double)stats.log_bytes;
    return 0;
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    int (*used)(struct bench_session *, double *) = e == &bench_engine_holog   ? used_in_log
                                                    : e == &bench_engine_files ? used_on_disk
                                                                               : used_in_files;
    struct bench_how how = { .flags = 0 };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];
    double before = 0;
    double after = 0;
    uint32_t count = b->scale->lone_commits;

    (void)round;
    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    int rc = lone_commits(&s, 0, 10); /* the directories, the first pages */
    if (rc == 0)
        rc = used(&s, &before);
    if (rc == 0)
        rc = lone_commits(&s, 10, count);
    if (rc == 0)
        rc = used(&s, &after);
    if (rc == 0)
        bench_report_add(b->report, "growth", e->name, (after - before) / count);
    return bench_session_discard(&s, rc);
}

static const struct bench_row_def row = {
    .id = "growth",
    .what = "growth for each lone durable 256 B commit (holog: its log; others: their files)",
    .unit = "B",
    .better = BENCH_LESS,
    .targets = { { .kind = BENCH_ABSOLUTE, .x = 400 } },
};

const struct bench_workload bench_growth = {
    .name = "growth",
    .what = "log growth of lone durable 256 B commits",
    .needs = BENCH_CAN_SMALL,
    .rounds_max = 1,
    .rows = &row,
    .row_count = 1,
    .measure = measure,
};
