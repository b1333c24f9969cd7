/* Compaction by itself: when it happens, what it keeps below, and who waits for it. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../crash/kit.h"
#include "holog/compact.h"
#include "holog/space.h"
#include "holog/versions.h"
#include "storekit.h"

#define KIB ((size_t)1024)

static struct box box;

/* What opts.log was told. */
static unsigned told;
static char last_told[512];

static void on_log(void *ctx, int level, const char *message)
{
    (void)ctx;
    if (level == HOLOG_LOG_WARN) {
        told++;
        (void)snprintf(last_told, sizeof last_told, "%s", message);
    }
}

static void begin(uint32_t no_background)
{
    told = 0;
    last_told[0] = 0;
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 256 * KIB;
    box.opts.inline_max = 4 * KIB;
    box.opts.no_background = no_background;
    box.opts.sync = HOLOG_SYNC_OS;
    box.opts.log = on_log;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
}

static holog_stats stats(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st;
}

/* Until there is nothing to do. Returns how many rounds there were. */
static unsigned step_all(void)
{
    unsigned n = 0;

    for (;; n++) {
        holog_compact_report r = { .struct_size = sizeof r };
        OK(holog_compact_step(box.store, &r));
        if (r.segments_removed == 0)
            return n;
    }
}

static void save_some(const char *name, unsigned n, size_t len, uint64_t seed)
{
    char path[32];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s%u", name, i);
        OK(save_seed(box.store, path, len, seed + i, HOLOG_REPLACE));
    }
}

static void has_some(const char *name, unsigned n, size_t len, uint64_t seed)
{
    char path[32];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s%u", name, i);
        has_seed(box.store, path, len, seed + i);
    }
}

/* ---- the cap ---------------------------------------------------------------------------------------*/

struct found {
    uint64_t used, live, largest[2];
};

static int add_segment(void *ctx, const holog_segment_space *g)
{
    struct found *f = ctx;
    int extents = g->kind == HG_KIND_EXTENTS;

    f->used += g->used_bytes;
    f->live += g->own_bytes + g->head_bytes + g->history_bytes + g->tag_bytes + g->view_bytes;
    if (g->kind != HG_KIND_HWP && g->used_bytes > f->largest[extents])
        f->largest[extents] = g->used_bytes;
    return 0;
}

/* By a mark of its own: what the scheduler only estimates. */
static void is_below_cap(unsigned at)
{
    struct found f = { 0 };
    double cap;

    OK(holog_space(box.store, add_segment, &f));
    cap = 1.5 * (double)(f.live + 2 * f.largest[0] + 2 * f.largest[1] + 512 * KIB);
    cr_assert((double)f.used <= cap, "change %u: %llu bytes are used, %llu live", at,
              (unsigned long long)f.used, (unsigned long long)f.live);
}

enum {
    PATHS = 40,
    LEN = 60 * 1024
};

Test(scheduler, the_cap_holds_while_values_are_overwritten)
{
    uint64_t rng = test_seed();
    uint64_t seeds[PATHS] = { 0 };
    char path[16];

    begin(1);
    for (unsigned i = 1; i <= 1500; i++) {
        unsigned p = i <= PATHS ? i - 1 : (unsigned)(rng_next(&rng) % PATHS);
        (void)snprintf(path, sizeof path, "v%u", p);
        OK(save_seed(box.store, path, LEN, i, HOLOG_REPLACE));
        seeds[p] = i;
        (void)step_all();
        is_below_cap(i);
    }
    holog_stats st = stats();
    cr_assert_gt(st.compactions, 5u);
    cr_assert_geq(st.compaction_rounds, st.compactions);
    cr_assert_gt(st.compaction_moved_bytes, 0u);
    cr_assert(st.compaction_time_ns > 0 && st.compaction_written_bytes > 0);
    cr_assert_eq(st.compaction_forced_bytes, 0u);
    cr_assert_gt(st.compaction_freed_bytes, 50u * 1000 * KIB);
    cr_assert_leq(st.compaction_used_bytes, st.compaction_cap_bytes);
    cr_assert_eq(told, 0u, "%s", last_told);
    for (int again = 0; again < 2; again++) {
        for (unsigned p = 0; p < PATHS; p++) {
            (void)snprintf(path, sizeof path, "v%u", p);
            has_seed(box.store, path, LEN, seeds[p]);
        }
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

/* ---- marks -----------------------------------------------------------------------------------------*/

Test(scheduler, what_lives_is_marked_again_only_when_the_store_has_doubled)
{
    begin(1);
    for (unsigned i = 0; i < 400; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "v%u", i);
        OK(save_seed(box.store, path, LEN, i, 0));
        cr_assert_eq(step_all(), 0u);
    }
    cr_assert_leq(stats().compaction_marks, 6u);
    box_reopen(&box);
    cr_assert_eq(step_all(), 0u);
    cr_assert_leq(stats().compaction_marks, 1u);
    has_some("v", 400, LEN, 0);
    box_end(&box);
}

/* A view holds all that goes: marks find nothing, and become rare. */
Test(scheduler, a_store_that_a_view_pins_is_not_marked_again_and_again)
{
    enum {
        ROUNDS = 40
    };
    holog_view *views[ROUNDS];
    uint64_t marks;

    begin(1);
    for (unsigned r = 0; r < ROUNDS; r++) {
        save_some("v", 10, LEN, r * 100);
        OK(holog_view_open(box.store, &views[r]));
        (void)step_all();
    }
    marks = stats().compaction_marks;
    cr_assert_leq(marks, 16u, "%llu marks", (unsigned long long)marks);
    for (unsigned r = 0; r < ROUNDS; r++)
        holog_view_close(views[r]);
    for (unsigned r = 0; r < 2 * ROUNDS; r++) { /* what they held goes, soon enough */
        save_some("v", 10, LEN, r * 100);
        (void)step_all();
    }
    cr_assert_gt(stats().compactions, 0u);
    is_below_cap(0);
    has_some("v", 10, LEN, (2 * ROUNDS - 1) * 100);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* ---- what cannot be lowered --------------------------------------------------------------------------*/

static unsigned tags_told(void)
{
    const char *at = strstr(last_told, "tags ");

    return at == NULL ? 0 : (unsigned)strtoul(at + 5, NULL, 10);
}

Test(scheduler, a_store_that_tags_pin_goes_on_beyond_the_cap_and_says_so_once)
{
    begin(1);
    for (unsigned r = 0; r < 30; r++) {
        char tag[16];
        uint64_t number;
        save_some("v", 10, 2 * LEN, r * 100);
        (void)snprintf(tag, sizeof tag, "t%u", r);
        OK(holog_ref(box.store, "HEAD", &number));
        if (r < 25)
            OK(holog_tag(box.store, tag, number, 0));
        (void)step_all();
    }
    cr_assert_eq(told, 1u, "%u messages, the last: %s", told, last_told);
    cr_assert_gt(tags_told(), 1u, "%s", last_told);
    for (unsigned r = 0; r < 25; r++) {
        char tag[16];
        (void)snprintf(tag, sizeof tag, "t%u", r);
        OK(holog_tag_delete(box.store, tag));
    }
    for (unsigned r = 30; r < 90; r++) {
        save_some("v", 10, 2 * LEN, r * 100);
        (void)step_all();
    }
    cr_assert_eq(told, 1u, "%u messages, the last: %s", told, last_told);
    is_below_cap(0);
    has_some("v", 10, 2 * LEN, 8900);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* ---- pause and resume --------------------------------------------------------------------------------*/

Test(scheduler, a_store_that_is_paused_is_left_alone_until_it_is_resumed_as_often)
{
    begin(1);
    FAILS(HOLOG_E_INVAL, holog_compact_resume(box.store), "not paused");
    OK(holog_compact_pause(box.store));
    OK(holog_compact_pause(box.store));
    for (unsigned r = 0; r < 20; r++) {
        save_some("v", 10, LEN, r * 100);
        cr_assert_eq(step_all(), 0u);
    }
    cr_assert_eq(stats().compaction_marks, 0u);
    OK(holog_compact_resume(box.store));
    cr_assert_eq(step_all(), 0u);
    holog_compact_report r = { .struct_size = sizeof r };
    OK(holog_compact(box.store, NULL, &r));
    cr_assert_gt(r.segments_removed, 0u, "who asks gets a compaction all the same");
    holog_stats st = stats();
    cr_assert_eq(st.compactions_forced, 1u);
    cr_assert_eq(st.compactions, 0u);
    for (unsigned n = 20; n < 40; n++)
        save_some("v", 10, LEN, n * 100);
    cr_assert_eq(step_all(), 0u);
    OK(holog_compact_resume(box.store));
    cr_assert_gt(step_all(), 0u);
    FAILS(HOLOG_E_INVAL, holog_compact_resume(box.store), "not paused");
    has_some("v", 10, LEN, 3900);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(scheduler, who_does_not_want_it_does_not_get_it)
{
    begin(1);
    OK(holog_close(box.store));
    box.opts.no_background = 0;
    box.opts.no_compaction = 1;
    box_open(&box);
    for (unsigned r = 0; r < 40; r++)
        save_some("v", 10, LEN, r * 100);
    holog_stats st = stats();
    cr_assert_eq(st.compaction_marks, 0u);
    cr_assert_eq(st.commits_delayed, 0u);
    cr_assert_gt(st.compaction_used_bytes, st.compaction_cap_bytes);
    has_some("v", 10, LEN, 3900);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* ---- the thread --------------------------------------------------------------------------------------*/

static void nap(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

Test(scheduler, the_thread_gives_space_back_beside_commits, .timeout = 30)
{
    begin(0);
    unsigned r = 0;
    for (; r < 60 || (stats().compactions < 3 && r < 2000); r++)
        save_some("v", 10, LEN, r * 100);
    holog_stats st = stats();
    cr_assert_geq(st.compactions, 3u);
    has_some("v", 10, LEN, (r - 1) * 100);
    box_same_after_reopen(&box);
    has_some("v", 10, LEN, (r - 1) * 100);
    box_end(&box);
}

static unsigned strays(void)
{
    char dir[300];
    unsigned n = 0;
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL)
        n += strstr(e->d_name, ".tmp") != NULL;
    (void)closedir(d);
    return n;
}

/* A round that takes for ever: a byte in a second. */
static void begin_slow(void)
{
    begin(1);
    for (unsigned r = 0; r < 40; r++) { /* in each segment one value stays */
        char path[16];
        (void)snprintf(path, sizeof path, "stays%u", r);
        save_some("v", 3, LEN, r * 100);
        OK(save_seed(box.store, path, LEN, 50000 + r, 0));
    }
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    OK(holog_close(box.store));
    box.opts.no_background = 0;
    box.opts.compaction_bytes_per_s = 1;
    box_open(&box);
    while (stats().compaction_done_bytes == 0)
        nap();
    cr_assert_gt(stats().compaction_total_bytes, 1u);
    cr_assert_gt(stats().compaction_running_ns, 0u);
}

static void end_slow(void)
{
    cr_assert_eq(strays(), 0u);
    box.opts.compaction_bytes_per_s = 0;
    box_open(&box);
    has_some("v", 3, LEN, 3900);
    has_some("stays", 40, LEN, 50000);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* As a command does it, that saves one thing. */
Test(scheduler, the_cap_holds_for_who_has_the_store_open_only_for_a_moment, .timeout = 60)
{
    char path[16];

    begin(0);
    box.opts.compaction_bytes_per_s = 1000; /* the thread never comes to an end */
    box_reopen(&box);
    for (unsigned i = 1; i <= 100; i++) {
        save_some("v", 4, LEN, i);
        (void)snprintf(path, sizeof path, "stays%u", i);
        OK(save_seed(box.store, path, 5 * KIB, i, 0));
        box_reopen(&box);
        is_below_cap(i);
    }
    OK(holog_close(box.store));
    box_open(&box);
    has_some("v", 4, LEN, 100);
    for (unsigned i = 1; i <= 100; i++) {
        (void)snprintf(path, sizeof path, "stays%u", i);
        has_seed(box.store, path, 5 * KIB, i);
    }
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(scheduler, closing_ends_a_round_under_way_and_loses_nothing, .timeout = 30)
{
    begin_slow();
    OK(holog_close(box.store));
    end_slow();
}

Test(scheduler, a_pause_ends_a_round_under_way, .timeout = 30)
{
    begin_slow();
    OK(holog_compact_pause(box.store));
    cr_assert_eq(stats().compaction_running_ns, 0u);
    cr_assert_eq(stats().compaction_total_bytes, 0u);
    cr_assert_eq(stats().compactions, 0u);
    OK(holog_compact_resume(box.store));
    while (stats().compaction_done_bytes == 0)
        nap();
    holog_compact_report r = { .struct_size = sizeof r };
    OK(holog_compact(box.store, NULL,
                     &r)); /* it is not throttled, and does not wait for the other */
    cr_assert_gt(r.segments_removed, 0u);
    OK(holog_close(box.store));
    end_slow();
}

static void flip(const char *name, size_t at)
{
    size_t len = 0;
    uint8_t *data = file_read(box.dir, name, &len);

    data[at] ^= 1;
    file_write(box.dir, name, data, len);
    free(data);
}

/* Its segment stays; all others are compacted, step by step, as if it were not there. */
Test(scheduler, a_damaged_value_keeps_its_own_segment_and_no_other)
{
    char path[16];
    holog_value *v = NULL;

    begin(1);
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        OK(save_seed(box.store, path, LEN, i, 0));
    }
    OK(holog_close(box.store));
    box.store = NULL;
    flip("seg/00000002.hext", 4096 + 100); /* of v0 */
    box_open(&box);
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        if (i % 4 != 0)
            OK(holog_delete(box.store, path, NULL));
    }
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    unsigned failed = 0;
    for (unsigned i = 0; i < 20; i++) {
        holog_compact_report r = { .struct_size = sizeof r };
        int rc = holog_compact_step(box.store, &r);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT);
        failed += rc != HOLOG_OK;
        OK(save_seed(box.store, "other", LEN, i,
                     HOLOG_REPLACE)); /* or there would be nothing new */
    }
    cr_assert_leq(failed, 1u);
    cr_assert_gt(stats().compaction_moved_bytes, 8u * LEN);
    cr_assert_eq(holog_load(box.store, "v0", &v), HOLOG_E_CORRUPT);
    for (unsigned i = 4; i < 60; i += 4) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has_seed(box.store, path, LEN, i);
    }
    box_end(&box);
}
