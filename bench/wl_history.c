/*
 * What the past costs: a store of 1 M paths, then 100,000 commits that each replace one value, all
 * kept. Gets as of HEAD~100000 against gets of now; differences between two states that differ in 10
 * paths; rollbacks of 1, 1,000 and 100,000 commits, each durable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "holog/versions.h"

#define DIFFER    10   /* paths that are written over and over */
#define NEAR      1000 /* commits between two states named by number */
#define GETS_WARM 100000u

static char store_dir[BENCH_PATH_MAX];

static int failed(const char *what)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog: %s: %s", what, d.message);
}

static int open_store(holog_store **out_store)
{
    holog_options o;

    holog_options_init(&o);
    o.sync = HOLOG_SYNC_NONE; /* rollbacks ask for more */
    return holog_open(store_dir, &o, out_store) < 0 ? failed("open") : 0;
}

static int replace(holog_store *s, uint32_t index, uint64_t id)
{
    char key[BENCH_KEY_MAX];

    bench_key(index, key);
    return holog_save(s, key, bench_value(id, BENCH_SMALL_LEN), BENCH_SMALL_LEN, HOLOG_REPLACE,
                      NULL) < 0
               ? failed("save")
               : 0;
}

/* Commits that replace a value each, of `paths` paths in turn. */
static int churn(holog_store *s, uint32_t commits, const uint32_t *order, uint32_t paths)
{
    int rc = 0;

    for (uint32_t i = 0; i < commits && rc == 0; i++)
        rc = replace(s, order[i % paths], i + 7);
    return rc;
}

static int keep_all(holog_store *s)
{
    static const char *const keys[] = { "retention.commits", "retention.age_s", "retention.bytes" };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (holog_config(s, keys[i], "all", NULL, 0) < 0)
            return failed("config");
    }
    return 0;
}

/* 1 M paths, the tag "first", then as many commits as lie between now and then. */
static int prepare(struct bench *b, const struct bench_engine *e)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY };
    struct bench_session s;
    uint32_t *order;
    int rc;

    if (bench_fresh(b, e, store_dir) != 0 ||
        bench_session_open(&s, e, store_dir, &how, BENCH_WRITER) != 0)
        return -1;
    rc = keep_all(bench_holog_store(s.db));
    if (rc == 0)
        rc = bench_load_small(&s, NULL, b->scale->keys, BENCH_SMALL_LEN, NULL);
    order = bench_shuffle(b->scale->keys, 3);
    if (rc == 0 && holog_tag(bench_holog_store(s.db), "first",
                             holog_last_number(bench_holog_store(s.db)), 0) < 0)
        rc = failed("tag");
    if (rc == 0)
        rc = churn(bench_holog_store(s.db), b->scale->history_commits, order, b->scale->keys);
    free(order);
    return bench_session_close(&s, rc);
}

/* ---- gets --------------------------------------------------------------------------------------*/

static int get_many(holog_view *v, uint32_t keys, uint32_t count, double *out_rate)
{
    char key[BENCH_KEY_MAX];
    char buf[BENCH_SMALL_LEN];
    size_t n = 0;
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < count; i++) {
        bench_key(bench_mix(i) % keys, key);
        if (holog_view_load_range(v, key, 0, buf, sizeof buf, &n) < 0 || n != sizeof buf)
            return failed("get");
    }
    *out_rate = count / ((double)(bench_now_ns() - start) / 1e9);
    return 0;
}

static int get_as_of(struct bench *b, holog_store *s, const char *ref, const char *row,
                     double *out_rate)
{
    uint64_t number = 0;
    holog_view *v = NULL;
    int rc;

    if (holog_ref(s, ref, &number) < 0 || holog_view_open_at(s, number, &v) < 0)
        return failed(ref);
    rc = get_many(v, b->scale->keys, GETS_WARM, out_rate);
    if (rc == 0)
        rc = get_many(v, b->scale->keys, GETS_WARM, out_rate);
    holog_view_close(v);
    if (rc == 0)
        bench_report_add(b->report, row, "holog", *out_rate);
    return rc;
}

static int measure_gets(struct bench *b, holog_store *s)
{
    char far[32];
    double now = 0;
    double then = 0;

    (void)snprintf(far, sizeof far, "HEAD~%u", b->scale->history_commits);
    if (get_as_of(b, s, "HEAD", "past-get-head", &now) != 0 ||
        get_as_of(b, s, far, "past-get", &then) != 0)
        return -1;
    bench_report_add(b->report, "past-get-ratio", "holog", now / then);
    return 0;
}

/* ---- differences -------------------------------------------------------------------------------*/

static int count_one(void *ctx, const holog_difference *d)
{
    (void)d;
    ++*(uint32_t *)ctx;
    return 0;
}

static int diff(struct bench *b, holog_store *s, uint64_t from, uint64_t to, const char *row)
{
    uint32_t count = 0;
    uint64_t start = bench_now_ns();

    if (holog_diff(s, from, to, "/", 0, count_one, &count) < 0)
        return failed("diff");
    bench_report_add(b->report, row, "holog", (double)(bench_now_ns() - start) / 1e6);
    return count == DIFFER ? 0 : bench_fail("%u paths differ, not %d", count, DIFFER);
}

/* ---- rollbacks ---------------------------------------------------------------------------------*/

/* Durable, with the commit that it is. */
static int roll_back(struct bench *b, holog_store *s, uint64_t number, const char *row)
{
    holog_txn *txn = NULL;
    uint64_t start = bench_now_ns();
    int rc = holog_begin(s, &txn);

    if (rc == 0) {
        rc = holog_txn_rollback(txn, "/", number);
        if (rc == 0)
            rc = holog_txn_sync(txn, HOLOG_SYNC_COMMIT);
        if (rc == 0)
            rc = holog_commit(txn, NULL);
        else
            holog_abort(txn);
    }
    if (rc < 0)
        return failed("rollback");
    if (row != NULL)
        bench_report_add(b->report, row, "holog", (double)(bench_now_ns() - start) / 1e6);
    return 0;
}

static int sync_all(holog_store *s)
{
    return holog_sync(s) < 0 ? failed("sync") : 0;
}

/* Each from the state that the commits before it have left. */
static int measure_few_paths(struct bench *b, holog_store *s, const uint32_t *order)
{
    uint64_t base = holog_last_number(s);
    uint32_t many = b->scale->history_commits;
    int rc = churn(s, NEAR, order, DIFFER);

    if (rc == 0)
        rc = diff(b, s, base, holog_last_number(s), "diff-near");
    if (rc == 0)
        rc = sync_all(s);
    if (rc == 0)
        rc = roll_back(b, s, holog_last_number(s) - 1, "rollback-1");
    if (rc == 0)
        rc = roll_back(b, s, base, "rollback-1000");
    if (rc == 0 && holog_tag(s, "a", holog_last_number(s), HOLOG_REPLACE) < 0)
        rc = failed("tag");
    base = holog_last_number(s);
    if (rc == 0)
        rc = churn(s, many, order, DIFFER);
    if (rc == 0 && holog_tag(s, "b", holog_last_number(s), HOLOG_REPLACE) < 0)
        rc = failed("tag");
    if (rc == 0)
        rc = diff(b, s, base, holog_last_number(s), "diff-tags");
    return rc == 0 ? roll_back(b, s, base, "rollback-100000") : rc;
}

/* All that was written since "first", path by path; and back again, so that the next round has it. */
static int measure_many_paths(struct bench *b, holog_store *s)
{
    uint64_t first = 0;
    uint64_t now = holog_last_number(s);

    if (holog_ref(s, "first", &first) < 0)
        return failed("first");
    if (roll_back(b, s, first, "rollback-paths") != 0)
        return -1;
    return roll_back(b, s, now, NULL);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    uint32_t *order = bench_shuffle(b->scale->keys, 11);
    holog_store *s = NULL;
    int rc = open_store(&s);

    (void)e;
    if (rc == 0 && round == 0) /* later ones have more commits between */
        rc = measure_gets(b, s);
    if (rc == 0)
        rc = measure_few_paths(b, s, order);
    if (rc == 0)
        rc = measure_many_paths(b, s);
    free(order);
    if (s != NULL && holog_close(s) < 0 && rc == 0)
        rc = failed("close");
    return rc;
}

static void finish(struct bench *b)
{
    (void)b;
    (void)bench_remove_tree(store_dir);
}

#define IN_5_MS                            \
    {                                      \
        {                                  \
            .kind = BENCH_ABSOLUTE, .x = 5 \
        }                                  \
    }
static const struct bench_row_def rows[] = {
    { .id = "past-get-head",
      .what = "random get of 256 B, warm, from a view of now",
      .unit = "gets/s" },
    { .id = "past-get", .what = "the same as of HEAD~100000", .unit = "gets/s" },
    { .id = "past-get-ratio",
      .what = "time of a get as of HEAD~100000, in gets of now",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1.5 } } },
    { .id = "diff-near",
      .what = "diff of two states 1,000 commits apart that differ in 10 of 1 M paths",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = IN_5_MS },
    { .id = "diff-tags",
      .what = "diff of two tags 100,000 commits apart that differ in 10 of 1 M paths",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = IN_5_MS },
    { .id = "rollback-1",
      .what = "durable rollback of 1 commit",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = IN_5_MS },
    { .id = "rollback-1000",
      .what = "durable rollback of 1,000 commits on 10 paths",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = IN_5_MS },
    { .id = "rollback-100000",
      .what = "durable rollback of 100,000 commits on 10 paths",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = IN_5_MS },
    { .id = "rollback-paths",
      .what = "durable rollback of 100,000 commits on as many paths",
      .unit = "ms",
      .better = BENCH_LESS,
      .targets = IN_5_MS },
};

const struct bench_workload bench_history = {
    .name = "history",
    .what = "reading, comparing and going back 100,000 commits",
    .needs = BENCH_CAN_MANY,
    .only_holog = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .prepare = prepare,
    .measure = measure,
    .finish = finish,
};
