/* Compaction, by the public calls: what can be read stays as it is, and garbage goes. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/compact.h"
#include "holog/array.h"
#include "holog/compact.h"
#include "holog/space.h"
#include "holog/versions.h"
#include "storekit.h"

#define KIB ((size_t)1024)

static struct box box;
static holog_compact_report report;

static void begin_with(double space_amp)
{
    box_make(&box);
    box.opts.max_space_amp = space_amp;
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1; /* but for what is asked for here */
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
}

static void begin(void)
{
    begin_with(0);
}

static void compact(unsigned flags)
{
    holog_compact_options o = { .struct_size = sizeof o, .flags = flags };

    report = (holog_compact_report){ .struct_size = sizeof report };
    OK(holog_compact(box.store, &o, &report));
}

static void let_go(void)
{
    holog_gc_report gc = { .struct_size = sizeof gc };
    OK(holog_gc(box.store, 1, 0, 0, &gc));
}

static unsigned files_of(const char *suffix)
{
    char dir[300];
    unsigned n = 0;
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);
        n += len > strlen(suffix) && strcmp(e->d_name + len - strlen(suffix), suffix) == 0;
    }
    (void)closedir(d);
    return n;
}

static uint64_t head(void)
{
    uint64_t number;
    OK(holog_ref(box.store, "HEAD", &number));
    return number;
}

static int change(const char *path, uint64_t at, const void *bytes, size_t len)
{
    holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .start = at, .end = at + len, .data = bytes, .len_bytes = len
    };
    return holog_apply(box.store, path, &d, 1, 0, 0, NULL);
}

/* Generations of the same twelve values; the first of each generation stays. */
static void churn(unsigned generations)
{
    char path[32];

    for (unsigned g = 0; g < generations; g++) {
        for (unsigned i = 0; i < 12; i++) {
            (void)snprintf(path, sizeof path, "v%u", i == 0 ? 100 + g : i);
            OK(save_seed(box.store, path, 150 * KIB + i * 1000, g * 100 + i, HOLOG_REPLACE));
        }
    }
}

static void has_churned(unsigned generations)
{
    char path[32];

    for (unsigned i = 1; i < 12; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has_seed(box.store, path, 150 * KIB + i * 1000, (generations - 1) * 100 + i);
    }
    for (unsigned g = 0; g < generations; g++) {
        (void)snprintf(path, sizeof path, "v%u", 100 + g);
        has_seed(box.store, path, 150 * KIB, g * 100);
    }
}

Test(compact, what_is_replaced_gives_its_space_back_and_the_rest_reads_as_before)
{
    begin();
    churn(6);
    let_go();
    char *before = store_text(box.store);
    unsigned extents = files_of(".hext");
    compact(0);
    cr_assert_gt(report.segments_removed, 3u);
    cr_assert_eq(report.segments_added, 1u);
    cr_assert_lt(report.added_bytes, report.removed_bytes / 2);
    cr_assert_eq(files_of(".hext"), extents - report.segments_removed);
    cr_assert_eq(files_of(".hwp"), 1u);
    has_churned(6);
    char *after = store_text(box.store);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
    box_same_after_reopen(&box);
    has_churned(6);
    box_end(&box);
}

Test(compact, without_checkpoints_the_log_says_the_same)
{
    begin();
    churn(5);
    let_go();
    compact(0);
    cr_assert_gt(report.segments_removed, 0u);
    churn(6); /* more behind it */
    char *before = store_text(box.store);
    OK(holog_close(box.store));
    box.store = NULL;
    char chk[300];
    (void)snprintf(chk, sizeof chk, "%s/chk", box.dir);
    remove_tree(chk);
    box_open(&box);
    char *after = store_text(box.store);
    cr_assert_str_eq(before, after);
    has_churned(6);
    free(before);
    free(after);
    box_end(&box);
}

Test(compact, history_tags_and_views_read_as_before)
{
    begin();
    OK(holog_config(box.store, "retention.commits", "all", NULL, 0));
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
    churn(3);
    OK(holog_tag(box.store, "three", head(), 0));
    churn(5);
    holog_view *view = NULL;
    OK(holog_view_open(box.store, &view));
    churn(6);
    compact(HOLOG_COMPACT_ALL);
    cr_assert_gt(report.values, 12u * 5);
    has_churned(6);
    holog_value *v = NULL;
    OK(holog_view_load(view, "v3", &v));
    cr_assert_eq(holog_value_size(v), 150 * KIB + 3000);
    holog_value_release(v);
    uint64_t number;
    OK(holog_ref(box.store, "three", &number));
    holog_view *past = NULL;
    OK(holog_view_open_at(box.store, number, &past));
    for (unsigned i = 1; i < 12; i++) {
        char path[16];
        uint8_t *want = malloc(150 * KIB + i * 1000);
        (void)snprintf(path, sizeof path, "v%u", i);
        value_fill(want, 150 * KIB + i * 1000, 200 + i);
        OK(holog_view_load(past, path, &v));
        cr_assert_eq(holog_value_size(v), 150 * KIB + i * 1000);
        cr_assert_eq(memcmp(holog_value_data(v), want, holog_value_size(v)), 0, "%s", path);
        holog_value_release(v);
        free(want);
    }
    holog_view_close(past);
    holog_view_close(view);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(compact, what_was_compacted_is_compacted_again_when_it_is_garbage)
{
    begin();
    churn(4);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_eq(files_of(".hwp"), 1u);
    churn(8);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    compact(HOLOG_COMPACT_ALL);
    cr_assert_eq(report.segments_removed, 0u, "there is nothing left to do");
    cr_assert_leq(files_of(".hwp"), 2u);
    has_churned(8);
    box_same_after_reopen(&box);
    has_churned(8);
    box_end(&box);
}

/* Stored once, they are two values all the same. */
Test(compact, values_that_share_bytes_are_both_moved_again)
{
    char path[16];

    begin();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 4 && round == 0; i++) {
            (void)snprintf(path, sizeof path, "same%u", i);
            OK(save_seed(box.store, path, 150 * KIB, 1, 0));
        }
        for (unsigned i = 0; i < 20; i++) { /* what goes with them, and the segments behind */
            (void)snprintf(path, sizeof path, "goes%u", i);
            OK(save_seed(box.store, path, 150 * KIB, 10 + 100 * round + i, HOLOG_REPLACE));
        }
        let_go();
        compact(HOLOG_COMPACT_ALL);
        cr_assert_gt(report.values, 3u, "those that share bytes were not among what was moved");
        for (unsigned i = 0; i < 4; i++) {
            (void)snprintf(path, sizeof path, "same%u", i);
            has_seed(box.store, path, 150 * KIB, 1);
        }
    }
    box_reopen(&box);
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "same%u", i);
        has_seed(box.store, path, 150 * KIB, 1);
    }
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(compact, deltas_of_values_that_moved_read_and_go_on)
{
    begin();
    OK(save_seed(box.store, "d", 500 * KIB, 1, 0));
    uint8_t bytes[100];
    uint8_t *want = malloc(500 * KIB);
    value_fill(want, 500 * KIB, 1);
    memset(bytes, 7, sizeof bytes);
    OK(change("d", 1000, bytes, sizeof bytes));
    memcpy(want + 1000, bytes, sizeof bytes);
    churn(3);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    OK(change("d", 300000, bytes, sizeof bytes));
    memcpy(want + 300000, bytes, sizeof bytes);
    for (int again = 0; again < 2; again++) {
        holog_value *v = NULL;
        OK(holog_load(box.store, "d", &v));
        cr_assert_eq(holog_value_size(v), 500 * KIB);
        cr_assert_eq(memcmp(holog_value_data(v), want, 500 * KIB), 0);
        holog_value_release(v);
        box_same_after_reopen(&box);
    }
    free(want);
    box_end(&box);
}

Test(compact, a_dry_run_changes_nothing)
{
    begin();
    churn(6);
    let_go();
    unsigned extents = files_of(".hext");
    compact(HOLOG_COMPACT_DRY_RUN);
    cr_assert_gt(report.segments_removed, 3u);
    cr_assert_eq(files_of(".hext"), extents);
    cr_assert_eq(files_of(".hwp"), 0u);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* Tables and a footer are more than what lives in it, and no garbage. */
Test(compact, a_small_output_is_not_compacted_again)
{
    begin();
    for (unsigned i = 0; i < 30; i++) {
        OK(save_seed(box.store, "a", 40 * KIB, i, HOLOG_REPLACE));
        OK(save_seed(box.store, "b", 40 * KIB, 100 + i, HOLOG_REPLACE));
    }
    uint8_t *zeros = calloc(1, 200 * KIB);
    OK(holog_save(box.store, "zeros", zeros, 200 * KIB, 0, NULL));
    free(zeros);
    for (unsigned i = 0; i < 30; i++)
        OK(save_seed(box.store, "a", 40 * KIB, i, HOLOG_REPLACE));
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_leq(report.segments_added, 1u);
    compact(HOLOG_COMPACT_ALL);
    cr_assert_eq(report.segments_added, 0u);
    compact(0);
    cr_assert_eq(report.segments_added, 0u);
    box_same_after_reopen(&box);
    box_end(&box);
}

static int stop_now(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    (void)unit;
    cr_assert_leq(done, total);
    return ++*(int *)ctx == 3;
}

Test(compact, one_that_is_stopped_leaves_the_store_as_it_was)
{
    int calls = 0;
    holog_compact_options o = { .struct_size = sizeof o,
                                .flags = HOLOG_COMPACT_ALL,
                                .progress = stop_now,
                                .progress_ctx = &calls };
    begin();
    churn(4);
    FAILS(HOLOG_E_CANCELED, holog_compact(box.store, &o, NULL), "stopped");
    cr_assert_eq(files_of(".hwp"), 0u);
    cr_assert_eq(files_of(".tmp"), 0u);
    has_churned(4);
    box_same_after_reopen(&box);
    compact(HOLOG_COMPACT_ALL);
    has_churned(4);
    box_end(&box);
}

static void load_all(holog_store *s, unsigned generations)
{
    char path[32];

    for (unsigned i = 1; i < 12; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has_seed(s, path, 150 * KIB + i * 1000, (generations - 1) * 100 + i);
    }
}

Test(compact, readers_in_other_processes_have_time_to_follow)
{
    holog_options o;
    holog_store *reader = NULL;

    begin();
    churn(4);
    let_go();
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    unsigned extents = files_of(".hext");
    compact(HOLOG_COMPACT_ALL);
    cr_assert_gt(report.waiting, 0u);
    cr_assert_eq(files_of(".hext"), extents, "somebody may be reading them");
    load_all(reader, 4); /* of what it has opened */
    OK(holog_refresh(reader, NULL));
    load_all(reader, 4); /* where it is now */
    churn(5);
    OK(holog_refresh(reader, NULL));
    load_all(reader, 5);
    OK(holog_close(reader));
    extents = files_of(".hext");
    compact(0);
    cr_assert_eq(report.waiting, 0u);
    cr_assert_lt(files_of(".hext"), extents);
    OK(holog_open(box.dir, &o, &reader));
    load_all(reader, 5);
    OK(holog_close(reader));
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(compact, files_that_went_go_one_by_one_where_nobody_waits_for_them)
{
    holog_options o;
    holog_store *reader = NULL;
    uint32_t waiting;

    begin();
    OK(holog_close(box.store));
    box.opts.no_background = 1; /* nobody else does it */
    box_open(&box);
    churn(6);
    let_go();
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    compact(HOLOG_COMPACT_ALL);
    waiting = report.waiting;
    cr_assert_gt(waiting, 2u);
    cr_assert_eq(hg_compact_tidy_some(box.store), 1, "somebody may be reading them");
    cr_assert_eq(hg_log_removed(box.store->log), waiting);
    OK(holog_close(reader));
    unsigned files = files_of("");
    for (unsigned gone = 1; gone <= 2; gone++) {
        OK(hg_log_unlink_removed(box.store->log, 1));
        cr_assert_eq(hg_log_removed(box.store->log), waiting - gone);
        cr_assert_eq(files_of(""), files - gone);
    }
    has_churned(6);
    cr_assert_eq(hg_compact_tidy_some(box.store), 0, "they are small: all of them");
    cr_assert_eq(hg_log_removed(box.store->log), 0u);
    cr_assert_eq(files_of(""), files - waiting);
    box_same_after_reopen(&box);
    has_churned(6);
    box_end(&box);
}

Test(compact, what_a_reader_has_kept_waiting_goes_at_the_next_open)
{
    holog_options o;
    holog_store *reader = NULL;

    begin();
    churn(4);
    let_go();
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    compact(HOLOG_COMPACT_ALL);
    unsigned extents = files_of(".hext");
    OK(holog_close(box.store)); /* the reader is still there */
    box.store = NULL;
    cr_assert_eq(files_of(".hext"), extents);
    OK(holog_close(reader));
    box_open(&box);
    cr_assert_lt(files_of(".hext"), extents);
    load_all(box.store, 4);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(compact, an_array_is_compressed_by_what_it_is)
{
    enum {
        SIDE = 512,
        PLANES = 4
    };
    uint64_t shape[] = { PLANES, SIDE, SIDE };
    uint64_t chunk[] = { 1, SIDE, SIDE };
    uint16_t *data = malloc(PLANES * SIDE * SIDE * sizeof *data);
    uint16_t *back = malloc(PLANES * SIDE * SIDE * sizeof *data);
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape, .chunk = chunk
    };
    begin();
    for (size_t i = 0; i < PLANES * SIDE * SIDE; i++) /* smooth, with noise in it */
        data[i] = (uint16_t)(1000 + i % SIDE + (i / SIDE) % SIDE + (i * 2654435761u >> 29));
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    churn(2);
    compact(HOLOG_COMPACT_ALL);
    holog_array *a = NULL;
    OK(holog_array_open(box.store, "a", &a));
    OK(holog_array_read(a, NULL, back, NULL));
    cr_assert_eq(memcmp(data, back, PLANES * SIDE * SIDE * sizeof *data), 0);
    holog_array_close(a);
    cr_assert_lt(report.added_bytes, report.value_bytes - PLANES * SIDE * SIDE);
    box_same_after_reopen(&box);
    free(data);
    free(back);
    box_end(&box);
}

/* The transaction's rope names what the fold has written anew: nobody else does. */
Test(compact, a_transaction_reads_its_own_delta_though_a_fold_and_a_compaction_came_since)
{
    static uint8_t bytes[9 * KIB];
    uint8_t *want = malloc(300 * KIB);
    holog_txn *txn = NULL;
    holog_value *v = NULL;
    const holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .end = 100, .data = bytes, .len_bytes = 100
    };

    begin();
    OK(save_seed(box.store, "d", 300 * KIB, 5, 0));
    value_fill(want, 300 * KIB, 5);
    for (size_t i = 0; i < 140; i++) {
        memset(bytes, (int)i, sizeof bytes);
        OK(change("d", i * 2 * KIB, bytes, sizeof bytes));
        memcpy(want + i * 2 * KIB, bytes, sizeof bytes);
    }
    box_reopen(&box); /* nothing is in memory */
    OK(holog_begin(box.store, &txn));
    memset(bytes, 250, sizeof bytes);
    OK(holog_txn_apply(txn, "d", &d, 1, 0));
    memcpy(want, bytes, 100);
    OK(holog_fold(box.store, "d"));
    churn(2);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    compact(HOLOG_COMPACT_ALL);
    OK(holog_txn_load(txn, "d", &v));
    cr_assert_eq(holog_value_size(v), 300 * KIB);
    cr_assert_eq(memcmp(holog_value_data(v), want, 300 * KIB), 0);
    holog_value_release(v);
    OK(holog_commit(txn, NULL));
    box_same_after_reopen(&box);
    OK(holog_load(box.store, "d", &v));
    cr_assert_eq(memcmp(holog_value_data(v), want, 300 * KIB), 0);
    holog_value_release(v);
    free(want);
    box_end(&box);
}

/* ---- beside others -------------------------------------------------------------------------------*/

#define LEN (300 * KIB)

static uint8_t expected[LEN];
static int over;

/* Deltas of 20 KiB: their bytes are in extents, and soon nobody's. */
static void *write_deltas(void *ctx)
{
    static uint8_t bytes[20 * KIB];
    uint64_t seed = test_seed();

    (void)ctx;
    for (unsigned i = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); i++) {
        size_t at = (size_t)(rng_next(&seed) % (LEN - sizeof bytes));
        memset(bytes, (int)(i & 0xff), sizeof bytes);
        OK(change("d", at, bytes, sizeof bytes));
        memcpy(expected + at, bytes, sizeof bytes);
        if (i % 40 == 39)
            (void)holog_fold(box.store, "d"); /* not while something is being compacted */
    }
    return NULL;
}

static void *read_values(void *ctx)
{
    (void)ctx;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        holog_value *v = NULL;
        OK(holog_load(box.store, "d", &v));
        cr_assert_eq(holog_value_size(v), LEN);
        holog_value_release(v);
        load_all(box.store, 3);
    }
    return NULL;
}

Test(compact, commits_deltas_folds_and_loads_go_on_beside_it)
{
    pthread_t writer;
    pthread_t reader;

    begin();
    churn(3);
    OK(save_seed(box.store, "d", LEN, 5, 0));
    value_fill(expected, LEN, 5);
    cr_assert_eq(pthread_create(&writer, NULL, write_deltas, NULL), 0);
    cr_assert_eq(pthread_create(&reader, NULL, read_values, NULL), 0);
    for (int i = 0; i < 12; i++) {
        let_go();
        compact(i % 3 == 0 ? 0 : HOLOG_COMPACT_ALL);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    (void)pthread_join(writer, NULL);
    (void)pthread_join(reader, NULL);
    for (int again = 0; again < 2; again++) {
        holog_value *v = NULL;
        OK(holog_load(box.store, "d", &v));
        cr_assert_eq(memcmp(holog_value_data(v), expected, LEN), 0);
        holog_value_release(v);
        load_all(box.store, 3);
        box_same_after_reopen(&box);
    }
}

/* ---- what statistics say --------------------------------------------------------------------------*/

static holog_store *open_reader(void)
{
    holog_store *reader = NULL;
    holog_options o;

    holog_options_init(&o);
    o.flags = HOLOG_OPEN_READONLY | HOLOG_OPEN_NO_CREATE;
    OK(holog_open(box.dir, &o, &reader));
    return reader;
}

static void says_of_cold(holog_store *store, const holog_stats *want)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(store, &st));
    cr_assert_eq(st.cold_bytes, want->cold_bytes);
    cr_assert_eq(st.cold_values, want->cold_values);
    cr_assert_eq(st.cold_raw_bytes, want->cold_raw_bytes);
    cr_assert_eq(st.cold_stored_bytes, want->cold_stored_bytes);
    cr_assert_eq(st.log_bytes + st.extent_bytes + st.cold_bytes,
                 want->log_bytes + want->extent_bytes + want->cold_bytes);
}

Test(compact, statistics_tell_cold_bytes_from_all_others)
{
    holog_stats st = { .struct_size = sizeof st };

    begin();
    OK(save_seed(box.store, "once", 300 * KIB, 5, 0));
    OK(save_seed(box.store, "again", 300 * KIB, 5, 0)); /* the same bytes */
    churn(4);
    let_go();
    holog_stats before = { .struct_size = sizeof before };
    OK(holog_stats_get(box.store, &before));
    cr_assert_eq(before.cold_bytes + before.cold_values + before.cold_raw_bytes, 0u);
    compact(HOLOG_COMPACT_ALL);
    OK(holog_stats_get(box.store, &st));
    cr_assert_eq(st.cold_bytes, report.added_bytes);
    cr_assert_eq(st.cold_values, report.values);
    cr_assert_eq(st.cold_raw_bytes, report.value_bytes, "the same bytes count for each");
    cr_assert_lt(st.cold_stored_bytes, st.cold_bytes);
    cr_assert_gt(st.cold_stored_bytes, 0u);
    cr_assert_eq(st.extent_bytes, before.extent_bytes - report.removed_bytes);
    box_same_after_reopen(&box);
    OK(holog_stats_get(box.store, &before));
    st.log_bytes = before.log_bytes; /* a close writes a footer */
    says_of_cold(box.store, &st);
    OK(holog_close(box.store));
    box.store = open_reader();
    holog_stats read = { .struct_size = sizeof read };
    OK(holog_stats_get(box.store, &read));
    st.log_bytes = read.log_bytes;
    st.extent_bytes = read.extent_bytes; /* as long as their files are */
    says_of_cold(box.store, &st);
    cr_assert_lt(read.log_bytes, before.log_bytes + 64 * KIB,
                 "the open segment is as long as its file");
    OK(holog_close(box.store));
    box.store = NULL;
    box_open(&box);
    box_end(&box);
}

Test(compact, files_that_readers_may_read_stay_and_are_counted)
{
    begin();
    churn(5);
    let_go();
    holog_store *reader = open_reader();
    unsigned extents = files_of(".hext");
    compact(0);
    cr_assert_gt(report.segments_removed, 0u);
    cr_assert_eq(report.waiting, report.segments_removed);
    cr_assert_eq(files_of(".hext"), extents);
    has_churned(5);
    uint64_t gone = report.segments_removed;
    OK(holog_close(reader));
    compact(0);
    cr_assert_eq(report.waiting, 0u);
    cr_assert_eq(files_of(".hext"), extents - gone);
    has_churned(5);
    box_same_after_reopen(&box);
    has_churned(5);
    box_end(&box);
}

/* ---- frame segments ------------------------------------------------------------------------------*/

static void churn_small(unsigned from, unsigned to)
{
    char path[40];

    for (unsigned g = from; g < to; g++) {
        for (unsigned i = 0; i < 40; i++) {
            (void)snprintf(path, sizeof path, "small%u-%u", i % 5, i == 0 ? 1000 + g : i);
            OK(save_seed(box.store, path, 300 + (size_t)i * 20, g * 100 + i, HOLOG_REPLACE));
        }
    }
}

static void has_small(unsigned generations)
{
    char path[40];

    for (unsigned i = 1; i < 40; i++) {
        (void)snprintf(path, sizeof path, "small%u-%u", i % 5, i);
        has_seed(box.store, path, 300 + (size_t)i * 20, (generations - 1) * 100 + i);
    }
    for (unsigned g = 0; g < generations; g++) {
        (void)snprintf(path, sizeof path, "small0-%u", 1000 + g);
        has_seed(box.store, path, 300, g * 100);
    }
}

Test(compact, segments_of_frames_go_and_small_values_read_as_before)
{
    begin();
    churn_small(0, 60);
    let_go();
    char *before = store_text(box.store);
    unsigned frames = files_of(".hlog");
    compact(0);
    cr_assert_gt(report.segments_removed, 10u);
    cr_assert_gt(report.records, 40u);
    cr_assert_lt(files_of(".hlog"), frames / 2);
    has_small(60);
    char *after = store_text(box.store);
    cr_assert_str_eq(before, after);
    free(after);
    box_same_after_reopen(&box);
    has_small(60);
    churn_small(60, 90);
    let_go();
    compact(0); /* pages move once more */
    has_small(90);
    box_same_after_reopen(&box);
    has_small(90);
    free(before);
    box_end(&box);
}

Test(compact, what_lives_thinly_in_frames_takes_no_whole_pages_of_the_cache)
{
    holog_stats st = { .struct_size = sizeof st };

    begin();
    churn_small(0, 120);
    let_go();
    compact(0);
    box_reopen(&box);
    has_small(120); /* one value that lives in every forty */
    has_small(120);
    OK(holog_stats_get(box.store, &st));
    cr_assert_gt(report.segments_removed, 20u);
    cr_assert_lt(st.cache_bytes, 120 * 64 * KIB / 4, "%llu bytes",
                 (unsigned long long)st.cache_bytes);
    box_end(&box);
}

/* One commit of many small values: more than a frame may have, so that their records lie in an extent. */
static void save_list(unsigned seed)
{
    holog_txn *txn = NULL;
    uint8_t value[500];
    char path[40];

    OK(holog_begin(box.store, &txn));
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(path, sizeof path, "list%u", i == 0 ? 1000 + seed : i);
        value_fill(value, sizeof value, seed * 1000 + i);
        OK(holog_txn_save(txn, path, value, sizeof value, HOLOG_REPLACE));
    }
    OK(holog_commit(txn, NULL));
}

static void has_lists(unsigned n)
{
    char path[40];

    for (unsigned i = 1; i < 60; i++) {
        (void)snprintf(path, sizeof path, "list%u", i);
        has_seed(box.store, path, 500, (uint64_t)(n - 1) * 1000 + i);
    }
    for (unsigned g = 0; g < n; g++) {
        (void)snprintf(path, sizeof path, "list%u", 1000 + g);
        has_seed(box.store, path, 500, (uint64_t)g * 1000);
    }
}

/* All behind the base is replayed. */
static void reopen_without_checkpoints(void)
{
    char chk[300];
    char *before = store_text(box.store);

    OK(holog_close(box.store));
    box.store = NULL;
    (void)snprintf(chk, sizeof chk, "%s/chk", box.dir);
    remove_tree(chk);
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL));
    box_open(&box);
    char *after = store_text(box.store);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
}

Test(compact, record_lists_in_extents_go_when_no_frame_that_is_replayed_names_them)
{
    uint64_t tag = 0;
    uint64_t tagged = 0;
    unsigned n = 0;

    begin();
    for (unsigned round = 0; round < 4; round++) {
        unsigned extents;
        for (unsigned end = n + 40; n < end; n++)
            save_list(n);
        if (round == 1) {
            tagged = n - 1;
            OK(holog_ref(box.store, "HEAD", &tag));
            OK(holog_tag(box.store, "kept", tag, 0));
        }
        churn_small(round * 30, (round + 1) * 30); /* frames */
        let_go();
        extents = files_of(".hext");
        compact(HOLOG_COMPACT_ALL);
        if (round > 0)
            cr_assert_lt(files_of(".hext"), extents, "round %u", round);
        has_lists(n);
        has_small((round + 1) * 30);
        for (unsigned end = n + 3; n < end; n++) /* behind the base */
            save_list(n);
        let_go();
        compact(0);
        reopen_without_checkpoints();
        has_lists(n);
    }
    cr_assert_lt(files_of(".hext"), 3u);
    holog_view *view = NULL;
    holog_value *v = NULL;
    uint8_t want[500];
    OK(holog_view_open_at(box.store, tag, &view));
    OK(holog_view_load(view, "list7", &v));
    value_fill(want, sizeof want, tagged * 1000 + 7);
    cr_assert_eq(memcmp(holog_value_data(v), want, sizeof want), 0);
    holog_value_release(v);
    holog_view_close(view);
    box_end(&box);
}

/* Garbage from end to end, but an open from the base goes through them. */
Test(compact, record_lists_that_are_replayed_stay)
{
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 128 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    churn_small(0, 60);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_eq(files_of(".base"), 1u);
    for (unsigned n = 0; n < 12; n++)
        save_list(0);
    let_go();
    unsigned extents = files_of(".hext");
    cr_assert_gt(extents, 2u);
    compact(0);
    cr_assert_eq(files_of(".base"), 1u);
    cr_assert_eq(files_of(".hext"), extents, "%u of %u", files_of(".hext"), extents);
    reopen_without_checkpoints();
    has_lists(1);
    has_small(60);
    box_end(&box);
}

static void damage_first_segment(void)
{
    size_t len = 0;
    uint8_t *data = file_read(box.dir, "seg/00000001.hlog", &len);

    data[len / 3] ^= 1; /* in some frame: it has no gaps */
    file_write(box.dir, "seg/00000001.hlog", data, len);
    free(data);
}

Test(compact, damage_in_frames_is_not_carried_on)
{
    holog_compact_report r = { .struct_size = sizeof r };

    begin();
    churn_small(0, 60);
    let_go();
    OK(holog_close(box.store));
    box.store = NULL;
    damage_first_segment();
    box_open(&box);
    char *before = store_text(box.store);
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    cr_assert_eq(holog_compact(box.store, &all, &r), HOLOG_E_CORRUPT);
    struct holog_error_detail d;
    holog_last_error(&d);
    cr_assert_eq(d.segment, 1u);
    cr_assert_eq(files_of(".hwp"), 0u);
    char *after = store_text(box.store);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
    box_end(&box);
}

static int find_large(void *ctx, const holog_damage *d)
{
    if (d->path != NULL && strcmp(d->path, "large") == 0 && d->file != NULL &&
        strstr(d->file, ".hext") != NULL && d->offset > 0)
        ++*(unsigned *)ctx;
    return 0;
}

/* A bit of the only file of extents; twice is not at all. */
static void flip_extents(size_t at)
{
    char dir[300];
    char name[320] = "";
    const struct dirent *e;
    size_t len = 0;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".hext") != NULL)
            (void)snprintf(name, sizeof name, "seg/%s", e->d_name);
    (void)closedir(d);
    uint8_t *data = file_read(box.dir, name, &len);
    cr_assert_gt(len, at);
    data[at] ^= 1;
    file_write(box.dir, name, data, len);
    free(data);
}

Test(compact, damage_of_a_value_whose_record_has_moved_is_found_by_verify)
{
    enum {
        PAYLOAD = 98304,
        OF_VALUE = 100000,
        OF_PAYLOAD = 4096 + 2 * 303104 + PAYLOAD - 1 /* behind the header and both values */
    };
    uint8_t *payload = malloc(PAYLOAD);
    char first[300];
    unsigned found = 0;

    cr_assert_not_null(payload);
    begin();
    OK(save_seed(box.store, "large", 300000, 7, 0));
    OK(save_seed(box.store, "other", 300000, 8, 0));
    value_fill(payload, PAYLOAD, 9);
    OK(change("large", 5, payload, PAYLOAD));
    free(payload);
    churn_small(0, 60);
    let_go();
    compact(0);
    cr_assert_eq(files_of(".hext"), 1u); /* it lives, but its frame segment has gone */
    OK(holog_close(box.store));
    (void)snprintf(first, sizeof first, "%s/seg/00000001.hlog", box.dir);
    cr_assert_neq(access(first, F_OK), 0);
    OK(holog_verify(box.dir, 0, find_large, &found, NULL, NULL));
    flip_extents(OF_VALUE);
    flip_extents(OF_PAYLOAD);
    FAILS(HOLOG_E_CORRUPT, holog_verify(box.dir, 0, find_large, &found, NULL, NULL), NULL);
    cr_assert_eq(found, 2u);
    OK(holog_verify(box.dir, HOLOG_VERIFY_QUICK, NULL, NULL, NULL, NULL));
    flip_extents(OF_VALUE); /* the same bits again */
    flip_extents(OF_PAYLOAD);
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL));
    box_open(&box);
    has_seed(box.store, "other", 300000, 8);
    box_end(&box);
}

static int count_commit(void *ctx, const holog_commit_info *info)
{
    unsigned *n = ctx;

    cr_assert_not_null(info->message);
    n[0]++;
    n[1] += info->records;
    return 0;
}

Test(compact, the_log_tells_of_all_commits_that_are_kept)
{
    unsigned before[2] = { 0 };
    unsigned after[2] = { 0 };
    unsigned filtered[2] = { 0 };

    begin();
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
    OK(holog_config(box.store, "retention.commits", "all", NULL, 0));
    churn_small(0, 60);
    OK(holog_log(box.store, NULL, 0, 0, count_commit, before));
    compact(HOLOG_COMPACT_ALL);
    cr_assert_gt(report.segments_removed, 10u);
    for (int again = 0; again < 2; again++) {
        after[0] = after[1] = filtered[0] = 0;
        OK(holog_log(box.store, NULL, 0, 0, count_commit, after));
        cr_assert_eq(after[0], before[0]);
        cr_assert_eq(after[1], before[1]);
        OK(holog_log(box.store, "small1-1", 0, 0, count_commit, filtered));
        cr_assert_eq(filtered[0], 60u);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

Test(compact, what_lived_in_frames_is_moved_again_when_most_of_it_is_garbage)
{
    char path[40];

    begin();
    for (unsigned i = 0; i < 400; i++) {
        (void)snprintf(path, sizeof path, "value%u", i);
        OK(save_seed(box.store, path, 3000, i, 0));
    }
    churn_small(0, 20);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_gt(report.records, 300u);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 400; i++) {
            (void)snprintf(path, sizeof path, "value%u", i);
            if (round == 0 ? i % 4 != 0 : i % (4u << round) == 2u << round)
                OK(holog_delete(box.store, path, NULL));
        }
        churn_small(20 + round * 20, 40 + round * 20);
        let_go();
        compact(0);
        for (unsigned i = 0; i < 400; i += 4u << round) {
            (void)snprintf(path, sizeof path, "value%u", i);
            has_seed(box.store, path, 3000, i);
        }
        reopen_without_checkpoints();
    }
    has_small(80);
    box_end(&box);
}

/* ---- versions that are moved in different rounds -------------------------------------------------*/

#define VERSION_BYTES (400 * KIB)

/* Noise, of which two versions of one path share all but a few bytes; each two paths have the same. */
static void version_fill(uint8_t *to, unsigned path, unsigned version)
{
    value_fill(to, VERSION_BYTES, 5000 + path / 2);
    for (unsigned i = 0; version > 0 && i < 20; i++)
        to[(size_t)(version * 7919 + i * 15013) % VERSION_BYTES] ^= (uint8_t)(version + i) | 1u;
}

static void save_version(unsigned path, unsigned version)
{
    uint8_t *bytes = malloc(VERSION_BYTES);
    char name[16];

    (void)snprintf(name, sizeof name, "p%u", path);
    version_fill(bytes, path, version);
    OK(holog_save(box.store, name, bytes, VERSION_BYTES, HOLOG_REPLACE, NULL));
    free(bytes);
}

static void is_version(holog_value *v, unsigned path, unsigned version)
{
    uint8_t *want = malloc(VERSION_BYTES);

    version_fill(want, path, version);
    cr_assert_eq(holog_value_size(v), VERSION_BYTES);
    cr_assert_eq(memcmp(holog_value_data(v), want, VERSION_BYTES), 0, "version %u of p%u", version,
                 path);
    holog_value_release(v);
    free(want);
}

static void has_version(unsigned path, unsigned version)
{
    char name[16];
    holog_value *v = NULL;

    (void)snprintf(name, sizeof name, "p%u", path);
    OK(holog_load(box.store, name, &v));
    is_version(v, path, version);
}

static void had_version(const char *tag, unsigned path, unsigned version)
{
    char name[16];
    uint64_t number;
    holog_view *then = NULL;
    holog_value *v = NULL;

    (void)snprintf(name, sizeof name, "p%u", path);
    OK(holog_ref(box.store, tag, &number));
    OK(holog_view_open_at(box.store, number, &then));
    OK(holog_view_load(then, name, &v));
    is_version(v, path, version);
    holog_view_close(then);
}

static void garbage(unsigned seed)
{
    for (unsigned i = 0; i < 8; i++)
        OK(save_seed(box.store, "garbage", 900 * KIB, seed + i, HOLOG_REPLACE));
}

/* The second version has been moved, together with "beside"; the first, which a tag keeps, is in extents. */
static void move_the_second(unsigned path, void (*save)(unsigned path, unsigned version))
{
    begin_with(1.1);
    save(path, 1);
    OK(holog_tag(box.store, "one", head(), 0));
    OK(save_seed(box.store, "fills", 560 * KIB, 1, 0)); /* its segment is all alive */
    save(path, 2);
    OK(save_seed(box.store, "beside", 300 * KIB, 2, 0));
    OK(save_seed(box.store, "goes", 250 * KIB, 3, 0));
    OK(holog_delete(box.store, "goes", NULL));
    garbage(100);
    let_go();
    compact(0);
    cr_assert_eq(report.values, 2u,
                 "the second version and what was beside it, not %llu: %llu bytes",
                 (unsigned long long)report.values, (unsigned long long)report.value_bytes);
    OK(holog_delete(box.store, "fills", NULL));
}

/* And then the first. */
static void move_the_second_first(void (*save)(unsigned path, unsigned version))
{
    move_the_second(0, save);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_geq(report.value_bytes, VERSION_BYTES);
}

Test(compact, a_version_is_a_difference_from_a_newer_one_that_was_moved_before)
{
    move_the_second_first(save_version);
    cr_assert_lt(report.added_bytes, report.value_bytes - VERSION_BYTES * 19 / 20,
                 "%llu bytes for %llu", (unsigned long long)report.added_bytes,
                 (unsigned long long)report.value_bytes);
    had_version("one", 0, 1);
    has_version(0, 2);
    box_same_after_reopen(&box);
    had_version("one", 0, 1);
    has_version(0, 2);
    box_end(&box);
}

#define ELEMENTS (VERSION_BYTES / sizeof(uint16_t))
#define ROW      512u

static void array_fill(uint16_t *to, unsigned version)
{
    for (size_t i = 0; i < ELEMENTS; i++) /* smooth, with noise in it */
        to[i] = (uint16_t)(1000 + i % ROW + i / ROW + (i * 2654435761u >> 29 & 255));
    for (unsigned i = 0; i < 20; i++)
        to[version * 7919 + i * 9001] ^= (uint16_t)(version + i);
}

static void save_array(unsigned path, unsigned version)
{
    uint64_t shape[] = { ELEMENTS / ROW, ROW };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = shape, .chunk = shape
    };
    uint16_t *data = malloc(VERSION_BYTES);

    cr_assert_eq(path, 0u);
    array_fill(data, version);
    OK(holog_array_save(box.store, "p0", &spec, data, NULL, HOLOG_REPLACE, NULL));
    free(data);
}

static void was_array(uint64_t number, unsigned version)
{
    uint16_t *want = malloc(VERSION_BYTES);
    uint16_t *got = malloc(VERSION_BYTES);
    holog_view *then = NULL;
    holog_array *a = NULL;

    array_fill(want, version);
    OK(holog_view_open_at(box.store, number, &then));
    OK(holog_view_array(then, "p0", &a));
    OK(holog_array_read(a, NULL, got, NULL));
    cr_assert_eq(memcmp(got, want, VERSION_BYTES), 0, "version %u", version);
    holog_array_close(a);
    holog_view_close(then);
    free(want);
    free(got);
}

Test(compact, a_chunk_is_a_difference_from_a_newer_one_that_was_moved_before)
{
    uint64_t one;

    move_the_second_first(save_array);
    cr_assert_lt(report.added_bytes, VERSION_BYTES / 20, "%llu bytes",
                 (unsigned long long)report.added_bytes);
    OK(holog_ref(box.store, "one", &one));
    for (unsigned again = 0; again < 2; again++) {
        was_array(one, 1);
        was_array(head(), 2);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

/* Nobody reads the base itself any more; then the segment goes that it is in; and the next, again. */
Test(compact, a_base_that_is_dead_goes_when_nothing_is_a_difference_from_it)
{
    move_the_second_first(save_version);
    save_version(0, 3);
    let_go();
    compact(HOLOG_COMPACT_ALL); /* the third may be moved, the second is where it was */
    had_version("one", 0, 1);
    OK(holog_delete(box.store, "beside", NULL));
    for (unsigned round = 0; round < 4; round++) {
        garbage(200 + 10 * round);
        let_go();
        compact(round % 2 == 0 ? HOLOG_COMPACT_ALL : 0);
        had_version("one", 0, 1);
        has_version(0, 3 + round);
        box_reopen(&box);
        had_version("one", 0, 1);
        has_version(0, 3 + round);
        save_version(0, 4 + round);
    }
    box_same_after_reopen(&box);
    had_version("one", 0, 1);
    box_end(&box);
}

/* Where another path has brought the newest version's bytes, that is not stored itself any more. */
Test(compact, a_version_is_no_difference_from_what_is_to_go)
{
    move_the_second(1, save_version);
    save_version(0, 2); /* the same bytes */
    OK(holog_delete(box.store, "beside", NULL));
    garbage(200);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    had_version("one", 1, 1);
    has_version(0, 2);
    has_version(1, 2);
    box_same_after_reopen(&box);
    had_version("one", 1, 1);
    box_end(&box);
}

Test(compact, a_version_is_no_difference_from_what_has_the_bytes_of_another)
{
    begin_with(1.1);
    save_version(1, 1);
    OK(holog_tag(box.store, "one", head(), 0));
    OK(save_seed(box.store, "fills", 560 * KIB, 1, 0)); /* its segment is all alive */
    save_version(0, 2);
    save_version(1, 2);
    OK(save_seed(box.store, "goes", 190 * KIB, 3, 0));
    OK(holog_delete(box.store, "goes", NULL));
    garbage(100);
    let_go();
    compact(0);
    cr_assert_eq(report.values, 2u);
    cr_assert_lt(report.added_bytes, report.value_bytes * 3 / 4, "one of them, stored once");
    OK(holog_delete(box.store, "fills", NULL));
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_geq(report.values, 1u);
    had_version("one", 1, 1);
    has_version(1, 2);
    box_same_after_reopen(&box);
    had_version("one", 1, 1);
    box_end(&box);
}

/* ---- any history ---------------------------------------------------------------------------------*/

#define PATHS 4u
#define TAGS  4u

struct tagged {
    int is_set;
    unsigned version[PATHS];
};

static uint64_t chance;

static unsigned pick(unsigned n)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % n;
}

static void keep(struct tagged *tags, const unsigned *now)
{
    unsigned t = pick(TAGS);
    char name[8];

    (void)snprintf(name, sizeof name, "t%u", t);
    if (tags[t].is_set)
        OK(holog_tag_delete(box.store, name));
    else
        OK(holog_tag(box.store, name, head(), 0));
    tags[t].is_set = !tags[t].is_set;
    memcpy(tags[t].version, now, sizeof tags[t].version);
}

static void compact_somehow(void)
{
    holog_compact_report r = { .struct_size = sizeof r };
    unsigned rounds = 1 + pick(4);

    if (pick(4) == 0) {
        compact(HOLOG_COMPACT_ALL);
        return;
    }
    while (rounds-- > 0) {
        int rc = hg_compact_background(box.store, pick(3) == 0 ? 1 : 1024 * KIB, &r);
        cr_assert_geq(rc, 0);
    }
}

static void all_is_there(const struct tagged *tags, const unsigned *now)
{
    char name[8];

    for (unsigned p = 0; p < PATHS; p++) {
        has_version(p, now[p]);
        for (unsigned t = 0; t < TAGS; t++) {
            (void)snprintf(name, sizeof name, "t%u", t);
            if (tags[t].is_set)
                had_version(name, p, tags[t].version[p]);
        }
    }
}

Test(compact, versions_moved_in_any_order_read_as_they_were, .timeout = 250)
{
    unsigned steps = test_level() == 0 ? 60 : 250;
    struct tagged tags[TAGS] = { { 0 } };
    unsigned now[PATHS] = { 0 };

    chance = test_seed();
    (void)fprintf(stderr, "seed %llu\n", (unsigned long long)chance);
    begin_with(1.1);
    for (unsigned p = 0; p < PATHS; p++)
        save_version(p, 0);
    for (unsigned step = 1; step <= steps; step++) {
        unsigned p = pick(PATHS);
        switch (pick(6)) {
        case 0: keep(tags, now); break;
        case 1:
            let_go();
            compact_somehow();
            all_is_there(tags, now);
            break;
        case 2: OK(save_seed(box.store, "garbage", 300 * KIB, step, HOLOG_REPLACE)); break;
        case 3:
            if (pick(4) == 0)
                box_reopen(&box);
            break;
        default: now[p] = pick(3) == 0 ? now[p ^ 1u] : step; save_version(p, now[p]);
        }
    }
    all_is_there(tags, now);
    box_same_after_reopen(&box);
    all_is_there(tags, now);
    box_end(&box);
}
