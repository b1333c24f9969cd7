/* Compaction, by the public calls: what can be read stays as it is, and garbage goes. Here of values in extents, and
 * beside others; test_compact_frames.c, test_compact_versions.c have the rest. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compactkit.h"
#include "engine/compact.h"
#include "holog/array.h"
#include "holog/versions.h"

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

static int save_more(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    unsigned *n = ctx;
    char name[16];

    HG_UNUSED(done);
    HG_UNUSED(total);
    HG_UNUSED(unit);
    (void)snprintf(name, sizeof name, "more%u", (*n)++);
    OK(save_seed(box.store, name, 600 * KIB, *n, 0));
    return *n > 60;
}

/* A writer that goes on and on would else keep it going. */
Test(compact, what_is_saved_while_it_runs_is_for_the_next)
{
    unsigned more = 0;
    holog_compact_options o = { .struct_size = sizeof o,
                                .flags = HOLOG_COMPACT_ALL,
                                .progress = save_more,
                                .progress_ctx = &more };

    begin();
    for (unsigned i = 0; i < 6; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "v%u", i);
        OK(save_seed(box.store, name, 300 * KIB, i, 0));
    }
    box.store->round_bytes = 1000 * KIB;
    report = (holog_compact_report){ .struct_size = sizeof report };
    OK(holog_compact(box.store, &o, &report));
    cr_assert_gt(more, 2u);
    cr_assert_geq(report.segments_added, 2u);
    cr_assert_leq(report.values, 6u);
    box_same_after_reopen(&box);
    box.store->round_bytes = 1000 * KIB;
    compact(HOLOG_COMPACT_ALL);
    cr_assert_gt(report.values, 2u);
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

Test(compact, files_that_went_go_a_few_at_a_time_where_nobody_waits_for_them)
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
    cr_assert_gt(hg_compact_tidy_some(box.store), 0u, "somebody may be reading them");
    cr_assert_eq(hg_log_removed(box.store->log), waiting);
    OK(holog_close(reader));
    unsigned files = files_of("");
    unsigned steps = 0;
    for (unsigned left = files; hg_compact_tidy_some(box.store) > 0; left = files_of("")) {
        cr_assert_leq(left - files_of(""), 6u, "4 MiB, and the name of one");
        steps++;
    }
    cr_assert_gt(steps, 1u);
    has_churned(6);
    cr_assert_eq(hg_log_removed(box.store->log), 0u);
    cr_assert_eq(files_of(""), files - waiting);
    box_same_after_reopen(&box);
    has_churned(6);
    box_end(&box);
}

/* ---- a large file that went goes in steps --------------------------------------------------------*/

enum {
    STEP_BYTES = 256 << 10
};

/* Files of 1 MiB wait to be unlinked, and nobody reads them: the first is open as *out_fd. */
static void begin_steps(int *out_fd, char *out_name, size_t room)
{
    struct hg_segment_entry first = { 0 };
    struct hg_buf entries = { 0 };
    holog_options o;
    holog_store *reader = NULL;

    begin();
    OK(holog_close(box.store));
    box.opts.no_background = 1; /* nobody else does it */
    box_open(&box);
    box.store->unlink_bytes = STEP_BYTES;
    churn(6);
    let_go();
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    compact(HOLOG_COMPACT_ALL);
    OK(holog_close(reader));
    OK(hg_log_segments_flagged(box.store->log, &entries));
    for (size_t i = 0; i < entries.len / sizeof first; i++) {
        const struct hg_segment_entry *e = (const void *)(entries.data + i * sizeof first);
        if ((e->kind & HG_SEGMENT_REMOVED) != 0 &&
            (first.segment == 0 || e->segment < first.segment))
            first = *e;
    }
    hg_buf_release(&entries);
    cr_assert_gt(first.used, 3u * STEP_BYTES);
    char name[HG_FILE_NAME_MAX];
    hg_segment_name(name, first.segment, (enum hg_segment_kind)hg_segment_entry_kind(&first));
    (void)snprintf(out_name, room, "%s/%s", box.dir, name);
    *out_fd = open(out_name, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(*out_fd, 0);
}

static uint64_t size_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return (uint64_t)st.st_size;
}

static uint64_t bytes_to_go(void)
{
    struct hg_log_space space;

    hg_log_lock(box.store->log);
    hg_log_space(box.store->log, &space);
    hg_log_unlock(box.store->log);
    return space.removed;
}

static void end_steps(int fd)
{
    for (unsigned i = 0; i < 1000 && hg_compact_tidy_some(box.store) > 0; i++) {
    }
    cr_assert_eq(hg_log_removed(box.store->log), 0u);
    cr_assert_eq(bytes_to_go(), 0u);
    cr_assert_eq(close(fd), 0);
    has_churned(6);
    box_same_after_reopen(&box);
    has_churned(6);
    box_end(&box);
}

Test(compact, a_large_file_that_went_loses_its_name_and_then_step_by_step_its_bytes)
{
    char name[400];
    int fd;

    begin_steps(&fd, name, sizeof name);
    uint64_t size = size_of(fd);
    uint64_t to_go = bytes_to_go();
    uint32_t files = hg_log_removed(box.store->log);
    cr_assert_gt(hg_compact_tidy_some(box.store), 0u);
    cr_assert_neq(access(name, F_OK), 0);
    cr_assert_eq(size_of(fd), size, "nobody has looked yet who reads it");
    for (unsigned step = 1; step <= 3; step++) {
        cr_assert_gt(hg_compact_tidy_some(box.store), 0u);
        cr_assert_eq(size_of(fd), size - (uint64_t)step * STEP_BYTES);
        cr_assert_eq(bytes_to_go(), to_go - (uint64_t)step * STEP_BYTES);
        cr_assert_eq(hg_log_removed(box.store->log), files);
    }
    cr_assert_gt(hg_compact_tidy_some(box.store), 0u, "there are more");
    cr_assert_eq(hg_log_removed(box.store->log), files - 1);
    end_steps(fd);
}

Test(compact, a_file_that_went_is_not_cut_where_it_has_another_name)
{
    char name[400];
    char copy[400];
    int fd;

    begin_steps(&fd, name, sizeof name);
    uint64_t size = size_of(fd);
    (void)snprintf(copy, sizeof copy, "%s.copy", box.dir);
    cr_assert_eq(link(name, copy), 0);
    for (unsigned i = 0; i < 5; i++)
        (void)hg_compact_tidy_some(box.store);
    cr_assert_neq(access(name, F_OK), 0);
    cr_assert_eq(size_of(fd), size);
    cr_assert_eq(unlink(copy), 0);
    end_steps(fd);
}

Test(compact, a_file_that_went_is_not_cut_where_a_thread_reads_it)
{
    char name[400];
    struct hg_file *file = NULL;
    uint32_t segment;
    enum hg_segment_kind kind;
    int fd;

    begin_steps(&fd, name, sizeof name);
    uint64_t size = size_of(fd);
    cr_assert_eq(hg_segment_parse_name(strrchr(name, '/') + 1, &segment, &kind), 1);
    OK(hg_files_get(box.store->files, segment, kind, &file));
    for (unsigned i = 0; i < 5; i++)
        (void)hg_compact_tidy_some(box.store);
    cr_assert_neq(access(name, F_OK), 0);
    cr_assert_eq(size_of(fd), size);
    hg_files_put(box.store->files, segment);
    end_steps(fd);
}

/* It may have been opened just before its name went. */
Test(compact, a_file_that_went_is_not_cut_where_a_reader_has_come_meanwhile)
{
    holog_options o;
    holog_store *reader = NULL;
    char name[400];
    int fd;

    begin_steps(&fd, name, sizeof name);
    uint64_t size = size_of(fd);
    cr_assert_gt(hg_compact_tidy_some(box.store), 0u);
    cr_assert_neq(access(name, F_OK), 0);
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    box.store->replaced_ns = 1; /* long ago: nobody waits for the reader any more */
    for (unsigned i = 0; i < 5; i++)
        cr_assert_gt(hg_compact_tidy_some(box.store), 0u);
    cr_assert_eq(size_of(fd), size);
    load_all(reader, 6);
    OK(holog_close(reader));
    end_steps(fd);
}

static int tidy_meanwhile(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    uint32_t *left = ctx;

    (void)done;
    (void)total;
    (void)unit;
    cr_assert_gt(hg_compact_tidy_some(box.store), 0u);
    *left = hg_log_removed(box.store->log);
    return 0;
}

Test(compact, files_that_went_stay_as_they_are_for_who_verifies)
{
    char name[400];
    uint32_t left = 0;
    int fd;

    begin_steps(&fd, name, sizeof name);
    uint32_t files = hg_log_removed(box.store->log);
    OK(holog_verify(box.dir, 0, NULL, NULL, tidy_meanwhile, &left));
    cr_assert_eq(left, files);
    cr_assert_eq(access(name, F_OK), 0);
    end_steps(fd);
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
    cr_assert_lt(read.log_bytes, before.log_bytes + 64 * KIB);
    cr_assert_eq(read.compaction_used_bytes,
                 read.log_bytes + read.extent_bytes + read.cold_bytes + read.base_bytes);
    cr_assert_eq(read.compaction_waiting_bytes, 0u);
    OK(holog_close(box.store));
    box.store = NULL;
    box_open(&box);
    box_end(&box);
}

static uint64_t waiting_by(holog_store *store)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(store, &st));
    return st.compaction_waiting_bytes;
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
    holog_store *later = open_reader();
    cr_assert_gt(waiting_by(later), 0u);
    cr_assert_eq(waiting_by(later), waiting_by(box.store));
    cr_assert_eq(waiting_by(reader), 0u, "as of its open");
    OK(holog_close(later));
    OK(holog_close(reader));
    compact(0);
    cr_assert_eq(report.waiting, 0u);
    cr_assert_eq(files_of(".hext"), extents - gone);
    has_churned(5);
    box_same_after_reopen(&box);
    has_churned(5);
    box_end(&box);
}

/* Of words, which LZ finds again the better the harder it looks. */
static void save_words(void)
{
    static const char *const words[] = {
        "cells ", "nuclei ", "of the ", "plate ", "well ", "and "
    };
    const size_t len = 300 * KIB;
    char *text = malloc(len + 16);
    uint32_t r = 1;
    size_t n = 0;

    cr_assert_not_null(text);
    while (n < len) {
        r = r * 1664525u + 1013904223u;
        n += (size_t)snprintf(text + n, 16, "%s", words[(r >> 16) % 6]);
        if (r >> 28 == 0)
            n += (size_t)snprintf(text + n, 16, "%u", r >> 24);
    }
    OK(holog_save(box.store, "words", text, len, HOLOG_REPLACE, NULL));
    free(text);
}

Test(compact, how_hard_it_tries_is_a_setting_of_the_store)
{
    static const char *const settings[] = { "fast", "default", "archive" };
    uint64_t bytes[3];
    char value[16];

    for (unsigned i = 0; i < 3; i++) {
        begin();
        OK(holog_config(box.store, "compression", NULL, value, sizeof value));
        cr_assert_str_eq(value, "default");
        OK(holog_config(box.store, "compression", settings[i], NULL, 0));
        FAILS(HOLOG_E_INVAL, holog_config(box.store, "compression", "9", NULL, 0),
              "\"9\" is none of fast, default, archive");
        save_words();
        churn(2); /* behind it: what is written to is not moved */
        box_reopen(&box);
        OK(holog_config(box.store, "compression", NULL, value, sizeof value));
        cr_assert_str_eq(value, settings[i]);
        compact(HOLOG_COMPACT_ALL);
        cr_assert_gt(report.values, 0u);
        bytes[i] = report.added_bytes;
        box_same_after_reopen(&box);
        box_end(&box);
    }
    cr_assert(bytes[0] > bytes[1] && bytes[1] > bytes[2], "%llu, %llu, %llu",
              (unsigned long long)bytes[0], (unsigned long long)bytes[1],
              (unsigned long long)bytes[2]);
}
