/*
 * How long durable commits of 256 B take that come at 1,000 a second, while nothing else happens and while the store is
 * compacted: 1 GiB lives in values of 1 MiB, and as much garbage lies between them.
 *
 * The schedule is fixed before: a commit that has to wait for others that were late counts that wait. Eight threads take
 * turns, so that one long commit does not hold up the next ones by itself.
 *
 * Judged is compaction in the background, which is put off until the garbage is there; a forced one, holog_compact at
 * full speed, has rows of its own.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <holog/compact.h>
#include <holog/holog.h>
#include <holog/versions.h>

#include "bench.h"

#define THREADS     8
#define INTERVAL_NS 1000000u
#define VALUE_LEN   MIB
#define BATCH       16
#define SECONDS_MAX 120
#define SAMPLES_MAX (SECONDS_MAX * 1000u)
#define POLL_NS     20000000u
#define DONE_NS     1000000000u /* nothing has gone for so long */

/* One phase: commits on schedule until it is over. */
struct phase {
    struct bench_session *s;
    uint64_t first; /* path */
    uint64_t start_ns;
    atomic_uint_fast32_t next; /* commit */
    atomic_int over;
    atomic_int failed;
    uint32_t *ns; /* of each commit, from when it was due */
};

static int commit_one(struct phase *p, void *worker, uint32_t nth)
{
    char key[BENCH_KEY_MAX];
    uint64_t due = p->start_ns + (uint64_t)nth * INTERVAL_NS;
    struct bench_item item = { .key = key,
                               .data = bench_value(nth, BENCH_SMALL_LEN),
                               .len_bytes = BENCH_SMALL_LEN };

    bench_key(p->first + nth, key);
    bench_sleep_until_ns(due);
    int rc = p->s->engine->put(worker, &item);
    uint64_t took = bench_now_ns() - due;
    p->ns[nth] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    return rc;
}

static void *phase_main(void *arg)
{
    struct phase *p = arg;
    void *worker;

    if (p->s->engine->worker_open(p->s->db, BENCH_WRITER, &worker) != 0) {
        atomic_store(&p->failed, 1);
        return NULL;
    }
    while (!atomic_load(&p->over) && !atomic_load(&p->failed)) {
        uint32_t nth = (uint32_t)atomic_fetch_add(&p->next, 1);
        if (nth >= SAMPLES_MAX || commit_one(p, worker, nth) != 0)
            atomic_store(&p->failed, 1);
    }
    p->s->engine->worker_close(worker);
    return NULL;
}

/* ---- what goes on meanwhile ---- */

struct meanwhile {
    holog_store *store; /* NULL: nothing, for so long: */
    double seconds;
    int forced;
    double rate; /* out: MB/s of garbage that went */
};

static int compact(struct meanwhile *m)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report r = { .struct_size = sizeof r };
    uint64_t start = bench_now_ns();
    int rc = holog_compact(m->store, &all, &r);
    double seconds = (double)(bench_now_ns() - start) / 1e9;

    if (rc != HOLOG_OK)
        return bench_fail("holog compact: %s", holog_error_name(rc));
    if (r.removed_bytes <= r.added_bytes)
        return bench_fail("holog: there was nothing to compact");
    m->rate = (double)(r.removed_bytes - r.added_bytes) / 1e6 / seconds;
    return 0;
}

/* Until it has done what it wants to do. */
static int let_it_compact(struct meanwhile *m)
{
    uint64_t start = bench_now_ns();
    uint64_t last = start;
    uint64_t freed = 0;

    if (holog_compact_resume(m->store) != HOLOG_OK)
        return bench_fail("holog: compaction does not go on");
    for (uint64_t now = start; now - start < (uint64_t)SECONDS_MAX * 900000000u;
         now = bench_now_ns()) {
        holog_stats st = { .struct_size = sizeof st };
        bench_sleep_until_ns(now + POLL_NS);
        if (holog_stats_get(m->store, &st) != HOLOG_OK)
            return bench_fail("holog: no statistics");
        if (st.compaction_freed_bytes != freed || st.compaction_running_ns != 0 ||
            st.compaction_waiting_bytes != 0)
            last = bench_now_ns();
        freed = st.compaction_freed_bytes;
        if (freed > 0 && bench_now_ns() - last > DONE_NS)
            break;
    }
    if (freed == 0)
        return bench_fail("holog: nothing was compacted");
    m->rate = (double)freed / 1e6 / ((double)(last - start) / 1e9);
    return 0;
}

static int go_on(struct meanwhile *m)
{
    if (m->store != NULL)
        return m->forced ? compact(m) : let_it_compact(m);
    bench_sleep_until_ns(bench_now_ns() + (uint64_t)(m->seconds * 1e9));
    return 0;
}

static int run_phase(struct bench_session *s, uint64_t first, struct meanwhile *m, uint32_t *ns,
                     uint32_t *out_count)
{
    struct phase p = { .s = s, .first = first, .ns = ns };
    pthread_t threads[THREADS];

    p.start_ns = bench_now_ns() + 10 * INTERVAL_NS;
    for (unsigned i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, phase_main, &p) != 0)
            bench_die("cannot start thread %u", i);
    }
    int rc = go_on(m);
    atomic_store(&p.over, 1);
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    *out_count = (uint32_t)atomic_load(&p.next); /* each that was taken was done */
    return atomic_load(&p.failed) ? -1 : rc;
}

/* ---- the store ---- */

/* Values and garbage alternate in the segments. */
static int fill(struct bench_session *s, uint32_t values)
{
    char keys[BATCH][BENCH_KEY_MAX];
    struct bench_item items[BATCH];

    for (uint32_t at = 0; at < 2 * values; at += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            (void)snprintf(keys[i], sizeof keys[i], "%s/%06u",
                           (at + i) % 2 == 0 ? "values" : "garbage", at + i);
            items[i] = (struct bench_item){ .key = keys[i],
                                            .data = bench_value(at + i, VALUE_LEN),
                                            .len_bytes = VALUE_LEN };
        }
        if (s->engine->put_batch(s->worker, items, BATCH) != 0)
            return -1;
    }
    return 0;
}

static int let_go(holog_store *store)
{
    int rc = holog_config(store, "retention.commits", "1", NULL, 0);

    if (rc == HOLOG_OK)
        rc = holog_delete_all(store, "garbage", NULL);
    if (rc == HOLOG_OK) /* the newest state is always kept, and is the one without them */
        rc = holog_gc(store, 1, 0, 0, NULL);
    return rc == HOLOG_OK ? 0 : bench_fail("holog: %s", holog_error_name(rc));
}

/* ---- rows ---- */

struct figures {
    double p50, p99, p999, max; /* us */
};

static struct figures figures_of(uint32_t *ns, uint32_t count)
{
    return (struct figures){ .p50 = bench_percentile_ns(ns, count, 50) / 1e3,
                             .p99 = bench_percentile_ns(ns, count, 99) / 1e3,
                             .p999 = bench_percentile_ns(ns, count, 99.9) / 1e3,
                             .max = bench_percentile_ns(ns, count, 100) / 1e3 };
}

static void add_figures(struct bench *b, const char *what, const struct figures *f)
{
    const struct {
        const char *name;
        double value;
    } each[] = { { "p50", f->p50 }, { "p99", f->p99 }, { "p999", f->p999 }, { "max", f->max } };
    char row[64];

    for (unsigned i = 0; i < sizeof each / sizeof each[0]; i++) {
        (void)snprintf(row, sizeof row, "compact-%s-%s", what, each[i].name);
        bench_report_add(b->report, row, "holog", each[i].value);
    }
}

static void add_judged(struct bench *b, const struct figures *idle, const struct figures *busy)
{
    static const char *const rows[] = { "compact-p99", "compact-p999", "compact-stall" };
    const double values[] = { busy->p99 / idle->p99, busy->p999 / idle->p50, busy->max / 1e6 };

    for (unsigned i = 0; i < 3; i++)
        bench_report_add(b->report, rows[i], "holog", values[i]);
}

/* Idle, then beside a compaction. out: both. */
static int measure_phases(struct bench *b, struct bench_session *s, struct meanwhile *compaction,
                          uint32_t *ns, struct figures out[2])
{
    struct meanwhile nothing = { .seconds = b->scale->compact_idle_secs };
    uint32_t count = 0;

    if (bench_settle(b->dir) != 0 || run_phase(s, 0, &nothing, ns, &count) != 0)
        return -1;
    out[0] = figures_of(ns, count);
    if (bench_settle(b->dir) != 0 || run_phase(s, count, compaction, ns, &count) != 0)
        return -1;
    out[1] = figures_of(ns, count);
    return 0;
}

/* In a store of its own, which has not compacted before. */
static int measure_one(struct bench *b, const struct bench_engine *e, int forced,
                       struct figures out[2], double *out_rate)
{
    struct bench_how how = { .flags = BENCH_OPEN_LARGE,
                             .extent_bytes = b->scale->extent_mib * (uint32_t)MIB };
    struct bench_session s;
    char dir[BENCH_PATH_MAX];

    if (bench_fresh(b, e, dir) != 0 || bench_session_open(&s, e, dir, &how, BENCH_WRITER) != 0)
        return -1;
    struct meanwhile compaction = { .store = bench_holog_store(s.db), .forced = forced };
    uint32_t *ns = bench_alloc(SAMPLES_MAX * sizeof *ns);
    int rc =
        holog_compact_pause(compaction.store) == HOLOG_OK ? fill(&s, b->scale->compact_mib) : -1;
    if (rc == 0)
        rc = let_go(compaction.store);
    if (rc == 0)
        rc = measure_phases(b, &s, &compaction, ns, out);
    *out_rate = compaction.rate;
    free(ns);
    return bench_session_discard(&s, rc);
}

static int measure(struct bench *b, const struct bench_engine *e, unsigned round)
{
    struct figures self[2];
    struct figures forced[2];
    double rates[2] = { 0, 0 };

    (void)round;
    if (measure_one(b, e, 0, self, &rates[0]) != 0 || measure_one(b, e, 1, forced, &rates[1]) != 0)
        return -1;
    add_figures(b, "idle", &self[0]);
    add_figures(b, "self", &self[1]);
    add_figures(b, "forced", &forced[1]);
    add_judged(b, &self[0], &self[1]);
    bench_report_note(b->report, "compact-self-p50", "holog", "%.0f MB/s of garbage went",
                      rates[0]);
    bench_report_note(b->report, "compact-forced-p50", "holog", "%.0f MB/s of garbage went",
                      rates[1]);
    return 0;
}

#define LATENCY_ROW(name, words)                                        \
    {                                                                   \
        .id = (name), .what = words, .unit = "us", .better = BENCH_LESS \
    }

static const struct bench_row_def rows[] = {
    LATENCY_ROW("compact-idle-p50", "durable 256 B commits at 1,000/s, nothing else: median"),
    LATENCY_ROW("compact-idle-p99", "the same: 99th percentile"),
    LATENCY_ROW("compact-idle-p999", "the same: 99.9th percentile"),
    LATENCY_ROW("compact-idle-max", "the same: the longest"),
    LATENCY_ROW("compact-self-p50", "while the store gives 1 GiB back by itself: median"),
    LATENCY_ROW("compact-self-p99", "the same: 99th percentile"),
    LATENCY_ROW("compact-self-p999", "the same: 99.9th percentile"),
    LATENCY_ROW("compact-self-max", "the same: the longest"),
    LATENCY_ROW("compact-forced-p50", "while holog_compact gives 1 GiB back: median"),
    LATENCY_ROW("compact-forced-p99", "the same: 99th percentile"),
    LATENCY_ROW("compact-forced-p999", "the same: 99.9th percentile"),
    LATENCY_ROW("compact-forced-max", "the same: the longest"),
    { .id = "compact-p99",
      .what = "99th percentile while a compaction goes on, by that of idle",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 2 } } },
    { .id = "compact-p999",
      .what = "99.9th percentile while a compaction goes on, by the median of idle",
      .unit = "x",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 10 } } },
    { .id = "compact-stall",
      .what = "the longest commit while a compaction goes on",
      .unit = "s",
      .better = BENCH_LESS,
      .targets = { { .kind = BENCH_ABSOLUTE, .x = 1 } } },
};

const struct bench_workload bench_compact_latency = {
    .name = "compact-latency",
    .what = "durable 256 B commits at 1,000/s, idle and while the store is compacted",
    .only_holog = 1,
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .measure = measure,
};
