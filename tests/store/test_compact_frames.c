/* Compaction of frame segments: small values, records and lists of them, what the log still tells of. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compactkit.h"
#include "holog/versions.h"
#include "wal/footer.h"

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

/* What it says is in its frames, too. */
Test(compact, a_damaged_footer_is_read_from_its_frames)
{
    unsigned before;

    begin();
    churn_small(0, 60);
    let_go();
    OK(holog_close(box.store));
    box.store = NULL;
    for (unsigned id = 2; id < 6;
         id++) { /* the last before its tail: of its chunks, under the hash */
        char name[32];
        size_t len = 0;
        (void)snprintf(name, sizeof name, "seg/%08x.hlog", id);
        uint8_t *data = file_read(box.dir, name, &len);
        data[len - HG_FOOTER_TAIL_SIZE - 20] ^= 1;
        file_write(box.dir, name, data, len);
        free(data);
    }
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL)); /* it is told, and is no loss */
    box_open(&box);
    before = files_of(".hlog");
    cr_assert_gt(before, 10u);
    compact(0);
    cr_assert_lt(files_of(".hlog"), before / 2);
    has_small(60);
    box_same_after_reopen(&box);
    has_small(60);
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
