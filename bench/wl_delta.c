/*
 * A change of 100 bytes in a value of 1 GiB, durable: as a delta, against a plain commit of 100 bytes,
 * against SQLite's write into a blob, and against writing the value again, which is what key-value
 * stores do. Then a million deltas on one value, and reading it.
 *
 * The value is read once before deltas are timed: it lies in the cache. The first delta after a reopen,
 * with nothing in it, has a row of its own. SQLite takes no value of 1 GiB: its own has 900 MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "holog/versions.h"

#define KEY           "value"
#define PLAIN_KEY     "plain/value"
#define CHANGE        100
#define SQLITE_MIB    900u
#define COMMITS       500u /* timed, of each kind, in turns of TURN */
#define TURN          50u
#define MILLION_MIB   256u
#define MILLION_TURNS 16u

static int failed(const char *what)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog: %s: %s", what, d.message);
}

static size_t value_len(const struct bench *b, const struct bench_engine *e)
{
    uint32_t mib = b->scale->delta_value_mib;

    return (strcmp(e->name, "sqlite") == 0 && mib > SQLITE_MIB ? SQLITE_MIB : mib) * MIB;
}

/* Bytes that do not compress. */
static uint8_t *make_value(size_t len)
{
    uint8_t *value = bench_alloc_pages(len);

    for (size_t at = 0; at < len; at += MIB)
        memcpy(value + at, bench_value(at / MIB, MIB), MIB);
    return value;
}

static uint64_t place(uint64_t i, size_t len)
{
    return bench_mix(i) % (len - CHANGE);
}

/* ---- writing the value again ---------------------------------------------------------------------*/

static int rewrite(struct bench *b, struct bench_session *s, uint8_t *value, size_t len)
{
    struct bench_item item = { .key = KEY, .data = value, .len_bytes = len };
    int rc = s->engine->put(s->worker, &item);
    uint64_t start;

    memcpy(value + place(1, len), bench_value(9, CHANGE), CHANGE);
    start = bench_now_ns();
    if (rc == 0)
        rc = s->engine->put(s->worker, &item);
    if (rc == 0)
        bench_report_add(b->report, "change", s->engine->name,
                         (double)(bench_now_ns() - start) / 1e6);
    return rc;
}

/* ---- changing it in place --------------------------------------------------------------------------*/

static int patches(struct bench_session *s, size_t len, uint64_t from, uint32_t count,
                   uint64_t *out_ns)
{
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < count; i++) {
        if (s->engine->patch(s->worker, KEY, place(from + i, len), bench_value(from + i, CHANGE),
                             CHANGE) != 0)
            return -1;
    }
    *out_ns += bench_now_ns() - start;
    return 0;
}

static int plain(struct bench_session *s, uint64_t from, uint32_t count, uint64_t *out_ns)
{
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < count; i++) {
        struct bench_item item = { .key = PLAIN_KEY,
                                   .data = bench_value(from + i, CHANGE),
                                   .len_bytes = CHANGE };
        if (s->engine->put(s->worker, &item) != 0)
            return -1;
    }
    *out_ns += bench_now_ns() - start;
    return 0;
}

static uint64_t log_bytes(struct bench_session *s)
{
    holog_stats st = { .struct_size = sizeof st };

    return holog_stats_get(bench_holog_store(s->db), &st) < 0 ? 0 : st.log_bytes;
}

static int read_whole(struct bench_session *s)
{
    holog_value *v = NULL;

    if (holog_load(bench_holog_store(s->db), KEY, &v) < 0)
        return failed("load");
    bench_keep_result(bench_touch(holog_value_data(v), holog_value_size(v)));
    holog_value_release(v);
    return 0;
}

/* In turns, so that both see the same disk. */
static int against_plain(struct bench *b, struct bench_session *s, size_t len)
{
    uint64_t patch_ns = 0;
    uint64_t plain_ns = 0;
    uint64_t grown = 0;
    int rc = 0;

    for (uint32_t i = 0; i < COMMITS && rc == 0; i += TURN) {
        uint64_t before = log_bytes(s);
        rc = patches(s, len, i, TURN, &patch_ns);
        grown += log_bytes(s) - before;
        if (rc == 0)
            rc = plain(s, i, TURN, &plain_ns);
    }
    if (rc < 0)
        return rc;
    bench_report_add(b->report, "delta", s->engine->name, (double)patch_ns / 1e3 / COMMITS);
    bench_report_add(b->report, "delta-plain", s->engine->name, (double)plain_ns / 1e3 / COMMITS);
    bench_report_add(b->report, "delta-ratio", s->engine->name,
                     (double)patch_ns / (double)plain_ns);
    bench_report_add(b->report, "delta-growth", s->engine->name, (double)grown / COMMITS);
    return 0;
}

static int in_place(struct bench *b, struct bench_session *s, uint8_t *value, size_t len)
{
    struct bench_item item = { .key = KEY, .data = value, .len_bytes = len };
    uint64_t ns = 0;
    int rc = s->engine->put(s->worker, &item);
    int is_holog = strcmp(s->engine->name, "holog") == 0;

    if (rc == 0 && is_holog)
        rc = read_whole(s);
    if (rc == 0)
        rc = patches(s, len, COMMITS, TURN, &ns); /* warm */
    if (rc == 0 && is_holog)
        return against_plain(b, s, len);
    ns = 0;
    if (rc == 0)
        rc = patches(s, len, 0, COMMITS, &ns);
    if (rc == 0)
        bench_report_add(b->report, "delta", s->engine->name, (double)ns / 1e3 / COMMITS);
    return rc;
}

static int cold(struct bench *b, const char *dir, size_t len)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE };
    struct bench_session s;
    uint64_t ns = 0;

    if (bench_drop_cache(dir) != 0 ||
        bench_session_open(&s, &bench_engine_holog, dir, &how, BENCH_WRITER) != 0)
        return -1;
    int rc = patches(&s, len, 77, 1, &ns);
    if (rc == 0)
        bench_report_add(b->report, "delta-cold", "holog", (double)ns / 1e3);
    return bench_session_close(&s, rc);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE };
    size_t len = value_len(b, e);
    struct bench_session s;
    char dir[BENCH_PATH_MAX];
    uint8_t *value;

    (void)round;
    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    value = make_value(len);
    int rc = e->patch != NULL ? in_place(b, &s, value, len) : 0;
    if (rc == 0 && strcmp(e->name, "holog") != 0)
        rc = rewrite(b, &s, value, len);
    free(value);
    rc = bench_session_close(&s, rc);
    if (rc == 0 && strcmp(e->name, "holog") == 0)
        rc = cold(b, dir, len);
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static const struct bench_row_def rows[] = {
    { .id = "delta",
      .what = "durable change of 100 B in a value of 1 GiB, in place",
      .unit = "us",
      .better = BENCH_LESS },
    { .id = "delta-plain",
      .what = "plain durable commit of 100 B",
      .unit = "us",
      .better = BENCH_LESS },
    { .id = "delta-ratio",
      .what = "the change, in plain commits",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1.3 } } },
    { .id = "delta-growth",
      .what = "bytes of log for a change of 100 B",
      .unit = "bytes",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 320 } } },
    { .id = "delta-cold",
      .what = "the first change after a reopen, nothing in any cache",
      .unit = "us",
      .better = BENCH_LESS },
    { .id = "change",
      .what = "durable change of 100 B in a value of 1 GiB, by writing the value again",
      .unit = "ms",
      .better = BENCH_LESS },
};

const struct bench_workload bench_delta = {
    .name = "delta",
    .what = "a change of 100 B in a value of 1 GiB",
    .needs = BENCH_CAN_LARGE | BENCH_CAN_LOAD,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .measure = measure,
};

/* ---- a million of them -----------------------------------------------------------------------------*/

static int timed_load(const char *dir, double *out_ms)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE };
    struct bench_session s;
    uint64_t start;

    if (bench_drop_cache(dir) != 0 ||
        bench_session_open(&s, &bench_engine_holog, dir, &how, BENCH_READER) != 0)
        return -1;
    start = bench_now_ns();
    int rc = read_whole(&s);
    *out_ms = (double)(bench_now_ns() - start) / 1e6;
    return bench_session_close(&s, rc);
}

static int apply_many(struct bench *b, struct bench_session *s, size_t len)
{
    uint32_t n = b->scale->deltas;
    uint64_t ns = 0;
    int rc = patches(s, len, 1000, n, &ns);

    if (rc == 0 && holog_sync(bench_holog_store(s->db)) < 0)
        rc = failed("sync");
    if (rc == 0)
        bench_report_add(b->report, "deltas-rate", "holog", n / ((double)ns / 1e9));
    if (rc == 0 && holog_fold(bench_holog_store(s->db), KEY) < 0)
        rc = failed("fold");
    return rc;
}

static int measure_many(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE | BENCH_OPEN_LAZY };
    size_t len = (b->quick ? 16u : MILLION_MIB) * MIB;
    struct bench_session s;
    char dir[BENCH_PATH_MAX];
    uint8_t *value = make_value(len);
    struct bench_item item = { .key = KEY, .data = value, .len_bytes = len };
    double clean = 0;
    double folded = 0;

    (void)round;
    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0) {
        free(value);
        return -1;
    }
    int rc = e->put(s.worker, &item);
    free(value);
    rc = bench_session_close(&s, rc);
    if (rc == 0)
        rc = timed_load(dir, &clean);
    if (rc == 0)
        rc = bench_session_open(&s, e, dir, &how, BENCH_WRITER);
    if (rc == 0)
        rc = bench_session_close(&s, apply_many(b, &s, len));
    if (rc == 0)
        rc = timed_load(dir, &folded);
    if (rc == 0) {
        bench_report_add(b->report, "deltas-read-clean", "holog", clean);
        bench_report_add(b->report, "deltas-read", "holog", folded);
        bench_report_add(b->report, "deltas-read-ratio", "holog", folded / clean);
    }
    return bench_remove_tree(dir) != 0 ? -1 : rc;
}

static const struct bench_row_def many_rows[] = {
    { .id = "deltas-rate",
      .what = "changes of 100 B, each a commit, on one value of 256 MiB, mode OS",
      .unit = "commits/s" },
    { .id = "deltas-read-clean",
      .what = "read of a value of 256 MiB, cold, that never had deltas",
      .unit = "ms",
      .better = BENCH_LESS },
    { .id = "deltas-read",
      .what = "the same after 1,000,000 deltas, folded",
      .unit = "ms",
      .better = BENCH_LESS },
    { .id = "deltas-read-ratio",
      .what = "the second, in the first",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1.5 } } },
};

const struct bench_workload bench_deltas = {
    .name = "deltas",
    .what = "1,000,000 deltas on one value, then reading it",
    .needs = BENCH_CAN_ALL,
    .only_holog = 1,
    .rounds_max = 2,
    .rows = many_rows,
    .row_count = sizeof many_rows / sizeof many_rows[0],
    .measure = measure_many,
};
