/*
 * Every name of one directory with 1 M entries, warm: one listing goes before the timed one. The
 * time is given for 1 M entries also where --quick has fewer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define DIRECTORY "experiment12/plate05"
#define VALUE_LEN 16

static int put_entries(struct bench_session *s, const uint32_t *order, uint32_t count)
{
    char(*keys)[BENCH_KEY_MAX] = bench_alloc(BENCH_BATCH * sizeof *keys);
    struct bench_item items[BENCH_BATCH];
    int rc = 0;

    for (uint32_t at = 0; rc == 0 && at < count;) {
        uint32_t n = count - at < BENCH_BATCH ? count - at : BENCH_BATCH;
        for (uint32_t i = 0; i < n; i++) {
            (void)snprintf(keys[i], sizeof keys[i], DIRECTORY "/image%07u.tif", order[at + i]);
            items[i] = (struct bench_item){ .key = keys[i],
                                            .data = bench_value(at + i, VALUE_LEN),
                                            .len_bytes = VALUE_LEN };
        }
        rc = s->engine->put_batch(s->worker, items, n);
        at += n;
    }
    free(keys);
    return rc == 0 ? s->engine->sync(s->db) : rc;
}

static int list_dir(struct bench *b, const struct bench_engine *e, char *out_dir)
{
    return bench_path(out_dir, "%s/%s-list", b->dir, e->name);
}

static int prepare(struct bench *b, const struct bench_engine *e)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    if (list_dir(b, e, dir) != 0 || bench_make_fresh_dir(dir) != 0 ||
        bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    uint32_t *order = bench_shuffle(b->scale->list_entries, 4);
    int rc = put_entries(&s, order, b->scale->list_entries);
    free(order);
    return bench_session_close(&s, rc);
}

static int timed_list(struct bench *b, struct bench_session *s)
{
    uint32_t entries = b->scale->list_entries;
    uint64_t warm = 0;
    uint64_t count = 0;

    if (s->engine->list(s->worker, DIRECTORY, &warm) != 0)
        return -1;
    uint64_t start = bench_now_ns();
    if (s->engine->list(s->worker, DIRECTORY, &count) != 0)
        return -1;
    uint64_t spent = bench_now_ns() - start;
    if (count != entries || warm != entries)
        return bench_fail("%s lists %llu entries of %u", s->engine->name, (unsigned long long)count,
                          entries);
    bench_report_add(b->report, "list", s->engine->name, (double)spent / 1e9 * 1e6 / entries);
    return 0;
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = 0 };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    (void)round;
    if (list_dir(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_READER) != 0)
        return -1;
    return bench_session_close(&s, timed_list(b, &s));
}

static void finish(struct bench *b)
{
    for (unsigned i = 0; i < b->engine_count; i++) {
        char dir[BENCH_PATH_MAX];
        if (list_dir(b, b->engines[i], dir) == 0)
            (void)bench_remove_tree(dir);
    }
}

static const struct bench_row_def row = {
    .id = "list",
    .what = "list one directory, warm, for 1 M entries",
    .unit = "s",
    .better = BENCH_LESS,
    .targets = { { .kind = BENCH_ABSOLUTE, .x = 0.3 } },
};

const struct bench_workload bench_list = {
    .name = "list",
    .what = "list 1 M entries of one directory",
    .needs = BENCH_CAN_MANY,
    .rows = &row,
    .row_count = 1,
    .prepare = prepare,
    .measure = measure,
    .finish = finish,
};
