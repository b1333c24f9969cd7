/*
 * How long it takes to open a store of 1 M paths and get one value: after a clean close, and after
 * a child process that wrote 64 MiB of paths and values behind the last checkpoint was killed with
 * SIGKILL. The page cache is warm. The child replaces values, so the number of paths stays.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* ENGINE DIR KEYS TAIL_MIB: never returns well, it kills itself. */
int bench_child_tail(int argc, char **argv)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY | BENCH_OPEN_NO_CHECKPOINT };
    struct bench_session s;

    if (argc != 4)
        return bench_fail("tail: ENGINE DIR KEYS TAIL_MIB");
    const struct bench_engine *e = bench_engine_by_name(argv[0]);
    uint32_t keys = (uint32_t)strtoul(argv[2], NULL, 10);
    double tail_bytes = strtod(argv[3], NULL) * (double)MIB;
    uint64_t left = (uint64_t)(tail_bytes / bench_live_bytes(1, BENCH_SMALL_LEN));
    if (e == NULL || keys == 0)
        return bench_fail("tail: no such engine, or no keys");
    if (bench_session_open(&s, e, argv[1], &how, BENCH_WRITER) != 0)
        return -1;
    uint32_t *order = bench_shuffle(keys, 2);
    while (left > 0) {
        uint32_t n = left < keys ? (uint32_t)left : keys;
        (void)bench_keys(keys);
        if (bench_load_small(&s, order, n, BENCH_SMALL_LEN, NULL) != 0)
            return -1;
        left -= n;
    }
    if (e->sync(s.db) != 0)
        return -1;
    return kill(getpid(), SIGKILL);
}

static int open_and_get(struct bench *b, const struct bench_engine *e, const char *dir,
                        const char *row)
{
    struct bench_how how = { .flags = 0 };
    struct bench_session s;
    char key[BENCH_KEY_MAX];
    char buf[BENCH_SMALL_LEN];
    size_t len = 0;

    bench_key(b->scale->keys / 2, key);
    uint64_t start = bench_now_ns();
    if (bench_session_open(&s, e, dir, &how, BENCH_READER) != 0)
        return -1;
    int rc = e->get(s.worker, key, buf, sizeof buf, &len);
    uint64_t spent = bench_now_ns() - start;
    if (rc == 0 && memcmp(buf, bench_value(b->scale->keys / 2, sizeof buf), sizeof buf) != 0)
        rc = bench_fail("%s: wrong value after reopening", e->name);
    if (rc == 0)
        bench_report_add(b->report, row, e->name, (double)spent / 1e6);
    return bench_session_close(&s, rc);
}

static int write_tail_and_die(struct bench *b, const struct bench_engine *e, const char *dir)
{
    struct bench_child_result result;
    char keys[16];
    char mib[16];
    const char *args[] = { "tail", e->name, dir, keys, mib, NULL };

    (void)snprintf(keys, sizeof keys, "%u", b->scale->keys);
    (void)snprintf(mib, sizeof mib, "%u", b->scale->tail_mib);
    if (bench_child_run(args, &result) != 0)
        return -1;
    return result.killed ? 0 : bench_fail("%s: the child outlived its kill", e->name);
}

static int prepare(struct bench *b, const struct bench_engine *e)
{
    char dir[BENCH_PATH_MAX];

    return bench_kept_small(b, e, dir);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (bench_kept_small(b, e, dir) != 0 || bench_settle(b->dir) != 0)
        return -1;
    if (open_and_get(b, e, dir, "reopen-clean") != 0 || write_tail_and_die(b, e, dir) != 0)
        return -1;
    return open_and_get(b, e, dir, "reopen-killed");
}

/* The stores have grown: whoever comes next makes new ones. */
static void finish(struct bench *b)
{
    for (unsigned i = 0; i < b->engine_count; i++) {
        char dir[BENCH_PATH_MAX];
        if (bench_path(dir, "%s/kept/%s-small", b->dir, b->engines[i]->name) == 0)
            (void)bench_remove_tree(dir);
    }
}

static const struct bench_row_def rows[] = {
    { .id = "reopen-clean",
      .what = "open 1 M paths and get one value, warm, after a clean close",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 50 } } },
    { .id = "reopen-killed",
      .what = "the same after kill -9 with 64 MiB behind the last checkpoint",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 300 } } },
};

const struct bench_workload bench_reopen = {
    .name = "reopen",
    .what = "reopen with 1 M paths after a clean close and after kill -9",
    .needs = BENCH_CAN_MANY,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .prepare = prepare,
    .measure = measure,
    .finish = finish,
};
