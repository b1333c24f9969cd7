/*
 * What each GiB of log costs at open when no checkpoint helps: a child loads the store in random
 * order and is killed, chk/ is deleted, the open is timed (page cache warm). For values of 256 B
 * and 4 KiB; and for 256 B once more after a clean close, when footers can be replayed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holog/holog.h>

#include "bench.h"

/* DIR MIB VALUE_BYTES: fills a new store with MIB of paths and values, then kills itself. */
int bench_child_log(int argc, char **argv)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY | BENCH_OPEN_NO_CHECKPOINT };
    struct bench_session s;

    if (argc != 3)
        return bench_fail("log: DIR MIB VALUE_BYTES");
    size_t len = (size_t)strtoul(argv[2], NULL, 10);
    double bytes = strtod(argv[1], NULL) * (double)MIB;
    uint32_t count = (uint32_t)(bytes / bench_live_bytes(1, len));
    if (bench_session_open(&s, &bench_engine_holog, argv[0], &how, BENCH_WRITER) != 0)
        return -1;
    uint32_t *order = bench_shuffle(count, 3);
    if (bench_load_small(&s, order, count, len, NULL) != 0 || s.engine->sync(s.db) != 0)
        return -1;
    return kill(getpid(), SIGKILL);
}

static int fail(const char *what, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog %s: %s: %s", what, holog_error_name(rc), d.message);
}

static int inspect(struct bench *b, holog_store *store, uint64_t spent_ns, const char *row)
{
    holog_recovery_report report = { .struct_size = sizeof report };
    holog_stats stats = { .struct_size = sizeof stats };
    int rc = holog_recovery_info(store, &report);

    if (rc != HOLOG_OK)
        return fail("recovery_info", rc);
    rc = holog_stats_get(store, &stats);
    if (rc != HOLOG_OK)
        return fail("stats_get", rc);
    if (report.used_checkpoint)
        return bench_fail("a checkpoint was used although chk/ was deleted");
    double gib = (double)(stats.log_bytes + stats.extent_bytes) / (double)GIB;
    if (gib <= 0)
        return bench_fail("holog_stats says the log is empty");
    bench_report_add(b->report, row, "holog", (double)spent_ns / 1e9 / gib);
    bench_report_note(b->report, row, "holog", "%.2f GiB, %llu paths", gib,
                      (unsigned long long)stats.entries);
    return 0;
}

static int timed_open(struct bench *b, const char *dir, const char *row)
{
    char chk[BENCH_PATH_MAX];
    holog_store *store;

    /* chk/ itself stays: only what is in it is a cache. */
    if (bench_path(chk, "%s/chk", dir) != 0 || bench_make_fresh_dir(chk) != 0)
        return -1;
    uint64_t start = bench_now_ns();
    int rc = holog_open(dir, NULL, &store);
    uint64_t spent = bench_now_ns() - start;
    if (rc != HOLOG_OK)
        return fail("open", rc);
    int result = inspect(b, store, spent, row);
    rc = holog_close(store);
    return rc == HOLOG_OK ? result : fail("close", rc);
}

static int fill_and_kill(struct bench *b, const char *dir, const char *value_bytes)
{
    struct bench_child_result result;
    char mib[16];
    const char *args[] = { "log", dir, mib, value_bytes, NULL };

    (void)snprintf(mib, sizeof mib, "%u", b->scale->recovery_mib);
    if (bench_child_run(args, &result) != 0)
        return -1;
    return result.killed ? 0 : bench_fail("the child outlived its kill");
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_fresh(b, e, dir) != 0 || fill_and_kill(b, dir, "4096") != 0 ||
        timed_open(b, dir, "recovery-4k") != 0)
        return -1;
    if (bench_fresh(b, e, dir) != 0 || fill_and_kill(b, dir, "256") != 0 ||
        timed_open(b, dir, "recovery-256") != 0 || timed_open(b, dir, "recovery-footers") != 0)
        return -1;
    return bench_remove_tree(dir);
}

static const struct bench_row_def rows[] = {
    { .id = "recovery-4k",
      .what = "open after kill -9 without any checkpoint, values of 4 KiB",
      .unit = "s/GiB",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
    { .id = "recovery-256",
      .what = "open after kill -9 without any checkpoint, values of 256 B",
      .unit = "s/GiB",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
    { .id = "recovery-footers",
      .what = "open after a clean close with chk/ deleted, values of 256 B",
      .unit = "s/GiB",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
};

const struct bench_workload bench_recovery = {
    .name = "recovery",
    .what = "open with no checkpoint at all, for each GiB of log",
    .only_holog = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .measure = measure,
};
