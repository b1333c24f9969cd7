/*
 * How much of the past is kept: the rules, tags, a condition beside them, views. After each test the
 * store is closed, verified and opened again, and must show the same.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/store_internal.h"
#include "holog/versions.h"
#include "storekit.h"

#define MANY 400u

static struct box box;

static void setup(void)
{
    box_begin(&box);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
}

TestSuite(retention, .init = setup, .fini = teardown, .timeout = 120);

/* A value of 1,000 bytes that says which it is, and its commit. */
static uint64_t save(const char *path, unsigned i)
{
    char value[1000] = "";
    uint64_t number = 0;

    (void)snprintf(value, sizeof value, "%s %u", path, i);
    OK(holog_save(box.store, path, value, sizeof value, HOLOG_REPLACE, &number));
    return number;
}

static uint64_t save_with_message(const char *path, unsigned i, const char *message)
{
    holog_txn *txn = NULL;
    char value[1000] = "";
    uint64_t number = 0;

    (void)snprintf(value, sizeof value, "%s %u", path, i);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_save(txn, path, value, sizeof value, HOLOG_REPLACE));
    OK(holog_txn_message(txn, message));
    OK(holog_commit(txn, &number));
    return number;
}

static void is_then(uint64_t number, const char *path, unsigned i)
{
    char want[1000] = "";
    holog_view *v = NULL;
    holog_value *value = NULL;

    (void)snprintf(want, sizeof want, "%s %u", path, i);
    OK(holog_view_open_at(box.store, number, &v));
    OK(holog_view_load(v, path, &value));
    cr_assert_eq(holog_value_size(value), sizeof want);
    cr_assert_eq(memcmp(holog_value_data(value), want, sizeof want), 0);
    holog_value_release(value);
    holog_view_close(v);
}

static int is_dropped(uint64_t number)
{
    holog_view *v = NULL;
    int rc = holog_view_open_at(box.store, number, &v);

    holog_view_close(v);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_DROPPED, "%s", holog_error_name(rc));
    return rc == HOLOG_E_DROPPED;
}

static holog_gc_report gc(uint64_t keep)
{
    holog_gc_report r = { .struct_size = sizeof r };

    OK(holog_gc(box.store, keep, 0, 0, &r));
    return r;
}

/* ---- the rules -------------------------------------------------------------------------------------*/

Test(retention, gc_lets_go_of_what_the_rules_do_not_keep)
{
    uint64_t numbers[5];
    holog_gc_report dry = { .struct_size = sizeof dry };

    for (unsigned i = 0; i < 5; i++)
        numbers[i] = save("a", i);
    OK(holog_gc(box.store, 2, 0, 1, &dry));
    is_then(numbers[0], "a", 0); /* a dry run changes nothing */
    holog_gc_report r = gc(2);
    cr_assert_eq(r.versions, 3);
    cr_assert_eq(r.bytes, 3000);
    cr_assert_eq(dry.versions, r.versions);
    cr_assert_eq(dry.bytes, r.bytes);
    cr_assert_eq(r.commits, 2);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(is_dropped(numbers[i]), "%u", i);
    is_then(numbers[3], "a", 3);
    is_then(numbers[4], "a", 4);
    cr_assert_eq(gc(1).versions, 1);
    is_then(numbers[4], "a", 4);
    FAILS(HOLOG_E_DROPPED, holog_rollback(box.store, "a", numbers[0], NULL), "kept");
}

Test(retention, the_horizon_moves_by_itself)
{
    uint64_t first = save("a", 0);
    uint64_t last = 0;

    OK(holog_config(box.store, "retention.commits", "10", NULL, 0));
    for (unsigned i = 1; i <= MANY; i++)
        last = save("a", i);
    cr_assert(is_dropped(first));
    cr_assert(!is_dropped(last - 9));
    is_then(last - 5, "a", MANY - 5);
    cr_assert_lt(hg_index_count(box.store->sequenced.past), MANY / 2);
}

Test(retention, history_is_kept_within_bytes)
{
    uint64_t numbers[20];

    OK(holog_config(box.store, "retention.bytes", "5000", NULL, 0));
    for (unsigned i = 0; i < 20; i++)
        numbers[i] = save("a", i);
    (void)gc(0);
    cr_assert(is_dropped(numbers[0]));
    cr_assert(!is_dropped(numbers[14]));
    cr_assert(is_dropped(numbers[13]));
    is_then(numbers[14], "a", 14);
}

Test(retention, a_rename_of_everything_ends_no_history)
{
    uint64_t first;

    OK(holog_mkdir(box.store, "d", 0, NULL));
    first = save("d/a", 0);
    for (unsigned i = 1; i < 5; i++)
        OK(save_text(box.store, i == 1 ? "d/b" : i == 2 ? "d/c" : i == 3 ? "d/e" : "d/f", "x", 0));
    OK(holog_move(box.store, "d", "e", 0, NULL));
    OK(holog_move(box.store, "e", "f", 0, NULL));
    (void)gc(0);
    is_then(first, "d/a", 0);
}

Test(retention, rules_that_make_no_sense_are_refused)
{
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "retention.commits", "0", NULL, 0), "number");
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "retention.commits", "many", NULL, 0), "number");
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "retention.age_s", "7d", NULL, 0), "number");
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "retention.bytes", "-1", NULL, 0), "live");
    OK(holog_config(box.store, "retention.bytes", "live", NULL, 0));
    OK(holog_config(box.store, "retention.commits", "all", NULL, 0));
}

/* ---- tags ------------------------------------------------------------------------------------------*/

Test(retention, a_tag_keeps_its_state_until_it_is_deleted)
{
    uint64_t numbers[4];

    for (unsigned i = 0; i < 4; i++)
        numbers[i] = save("a", i);
    OK(holog_tag(box.store, "v1", numbers[1], 0));
    holog_gc_report r = gc(1);
    cr_assert_eq(r.versions, 2);
    cr_assert_eq(r.kept_by_tags_bytes, 1000);
    is_then(numbers[1], "a", 1);
    cr_assert(is_dropped(numbers[0]) && is_dropped(numbers[2]));
    OK(holog_tag_delete(box.store, "v1"));
    cr_assert(is_dropped(numbers[1]));
    cr_assert_eq(gc(1).versions, 1);
}

static int take_tag_bytes(void *ctx, const holog_du_entry *e)
{
    *(uint64_t *)ctx = e->tag_bytes;
    return 0;
}

/* The same; nobody asks for it to be collected, and nothing else goes. */
/* Is the past's version of that path still there? Nobody is shown it when nothing keeps it. */
static int is_in_memory(const char *path, uint64_t number)
{
    struct hg_locator loc;
    struct hg_key k;

    hg_key_make(path, strlen(path), &k);
    return hg_past_find(hg_index_head(box.store->sequenced.past), k.bytes, k.len, number, &loc) ==
           HOLOG_OK;
}

Test(retention, what_a_tag_has_kept_goes_by_itself_when_the_tag_does)
{
    uint64_t bytes = 0;
    uint64_t first = save("x", 0);
    uint64_t second = save("x", 1);

    (void)save("x", 2);
    OK(holog_config(box.store, "retention.commits", "10", NULL, 0));
    OK(holog_tag(box.store, "t", first, 0));
    OK(holog_tag(box.store, "u", second, 0));
    for (unsigned i = 0; i < MANY; i++)
        (void)save("a", i);
    OK(holog_du(box.store, "x", take_tag_bytes, &bytes));
    cr_assert_eq(bytes, 2000);
    OK(holog_config(box.store, "retention.commits", "all", NULL, 0)); /* the horizon rests */
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
    OK(holog_tag(box.store, "t", holog_last_number(box.store), HOLOG_REPLACE));
    for (unsigned i = 0; i < MANY; i++)
        (void)save("a", i);
    OK(holog_du(box.store, "x", take_tag_bytes, &bytes));
    cr_assert_eq(bytes, 1000);
    cr_assert(!is_in_memory("x", first) && is_in_memory("x", second));
    OK(holog_tag_delete(box.store, "u"));
    for (unsigned i = 0; i < MANY; i++)
        (void)save("a", i);
    OK(holog_du(box.store, "x", take_tag_bytes, &bytes));
    cr_assert_eq(bytes, 0);
    cr_assert(!is_in_memory("x", second));
}

Test(retention, a_rollback_replayed_without_what_was_let_go_of_leaves_the_same)
{
    uint64_t kept = 0;
    char chk[300];
    char *live;
    char *replayed;

    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(save_text(box.store, "d/keep", "k", 0));
    kept = holog_last_number(box.store);
    OK(holog_tag(box.store, "t", kept, 0));
    OK(save_text(box.store, "d/came", "and", 0));
    OK(holog_delete(box.store, "d/came", NULL)); /* went */
    for (unsigned i = 0; i < 20; i++)
        (void)save("other", i);
    cr_assert_gt(gc(3).versions, 0);
    OK(holog_rollback(box.store, "d", kept, NULL));
    live = store_text(box.store);
    OK(holog_close(box.store));
    (void)snprintf(chk, sizeof chk, "%s/chk", box.dir);
    remove_tree(chk);
    box_open(&box);
    replayed = store_text(box.store);
    cr_assert_str_eq(replayed, live);
    free(live);
    free(replayed);
}

struct differ {
    uint64_t right;
    uint64_t dropped;
    uint64_t wrong;
    int stop; /* atomic */
};

static int a_blob_was_replaced(void *ctx, const holog_difference *d)
{
    int *is = ctx;

    *is = strcmp(d->path, "a") == 0 && d->a_type == HOLOG_BLOB && d->b_type == HOLOG_BLOB;
    return 0;
}

static void *compare_the_last_two(void *arg)
{
    struct differ *d = arg;

    while (!__atomic_load_n(&d->stop, __ATOMIC_RELAXED)) {
        uint64_t last = holog_last_number(box.store);
        int is = 0;
        int rc = holog_diff(box.store, last - 1, last, "/", 0, a_blob_was_replaced, &is);
        if (rc == HOLOG_E_DROPPED)
            d->dropped++;
        else if (rc < 0 || !is)
            d->wrong++;
        else
            d->right++;
    }
    return NULL;
}

Test(retention, a_difference_is_told_rightly_or_refused_while_the_past_goes)
{
    struct differ d[2] = { { 0 } };
    pthread_t threads[2];

    for (unsigned i = 0; i < 3; i++)
        (void)save("a", i);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, compare_the_last_two, &d[i]), 0);
    for (unsigned i = 0; i < MANY * (test_level() > 0 ? 20 : 2); i++) {
        (void)save("a", i);
        (void)gc(1);
    }
    for (int i = 0; i < 2; i++) {
        __atomic_store_n(&d[i].stop, 1, __ATOMIC_RELAXED);
        (void)pthread_join(threads[i], NULL);
        cr_assert_eq(d[i].wrong, 0);
    }
    cr_assert_gt(d[0].right + d[0].dropped + d[1].right + d[1].dropped, 0);
}

/* ---- a condition -----------------------------------------------------------------------------------*/

struct asked {
    unsigned times;
    uint64_t newest;
};

static int keep_releases(void *ctx, const holog_commit_info *commit)
{
    struct asked *a = ctx;

    a->times++;
    if (strncmp(commit->message, "release", 7) != 0)
        return 0;
    return commit->message[7] == 0 ? 5 : commit->message[7] - '0';
}

Test(retention, a_condition_keeps_states_that_the_rules_would_let_go)
{
    struct asked asked = { 0 };
    uint64_t release;
    uint64_t other;

    OK(holog_keep_when(box.store, keep_releases, &asked, 0));
    (void)save("a", 0);
    release = save_with_message("a", 1, "release");
    other = save_with_message("a", 2, "a try");
    (void)save("a", 3);
    (void)gc(1);
    cr_assert_eq(asked.times, 3);
    is_then(release, "a", 1);
    cr_assert(is_dropped(other));
    box_reopen(&box); /* it is a tag, and kept without the condition too */
    (void)gc(1);
    is_then(release, "a", 1);
}

Test(retention, beyond_the_bound_kept_states_go_by_priority_then_by_age)
{
    struct asked asked = { 0 };
    uint64_t n[4];

    OK(holog_keep_when(box.store, keep_releases, &asked, 2000));
    n[0] = save_with_message("a", 0, "release7");
    n[1] = save_with_message("a", 1, "release3");
    n[2] = save_with_message("a", 2, "release3");
    n[3] = save_with_message("a", 3, "release1");
    (void)save("a", 4);
    (void)gc(1);
    is_then(n[0], "a", 0);
    is_then(n[2], "a", 2);
    cr_assert(is_dropped(n[1]) && is_dropped(n[3]));
}

Test(retention, the_horizon_does_not_move_before_the_condition_was_asked)
{
    struct asked asked = { 0 };
    uint64_t release;

    OK(holog_config(box.store, "retention.commits", "10", NULL, 0));
    OK(holog_keep_when(box.store, keep_releases, &asked, 0));
    release = save_with_message("a", 0, "release");
    for (unsigned i = 1; i <= MANY; i++)
        (void)save("a", i);
    is_then(release, "a", 0);
    (void)gc(0);
    is_then(release, "a", 0);
    cr_assert_geq(asked.times, MANY - 10);
    OK(holog_keep_when(box.store, NULL, NULL, 0));
}

struct taken_away {
    int asked; /* atomic */
    int gone;  /* atomic */
    int wrong; /* atomic */
};

static int keep_slowly(void *ctx, const holog_commit_info *commit)
{
    struct taken_away *t = ctx;
    const struct timespec ms = { .tv_nsec = 1000000 };

    (void)commit;
    __atomic_store_n(&t->asked, 1, __ATOMIC_RELEASE);
    (void)nanosleep(&ms, NULL);
    __atomic_or_fetch(&t->wrong, __atomic_load_n(&t->gone, __ATOMIC_ACQUIRE), __ATOMIC_RELAXED);
    return 0;
}

static void *collect(void *arg)
{
    (void)arg;
    (void)gc(1);
    return NULL;
}

Test(retention, a_condition_that_was_taken_away_is_not_asked_any_more)
{
    const struct timespec ms = { .tv_nsec = 1000000 };
    struct taken_away t = { 0 };
    pthread_t thread;
    uint64_t first = save("a", 0);

    for (unsigned i = 1; i < 60; i++)
        (void)save("a", i);
    OK(holog_keep_when(box.store, keep_slowly, &t, 0));
    cr_assert_eq(pthread_create(&thread, NULL, collect, NULL), 0);
    while (!__atomic_load_n(&t.asked, __ATOMIC_ACQUIRE))
        (void)nanosleep(&ms, NULL);
    OK(holog_keep_when(box.store, NULL, NULL, 0));
    __atomic_store_n(&t.gone, 1, __ATOMIC_RELEASE); /* its context may go now */
    (void)pthread_join(thread, NULL);
    cr_assert_eq(t.wrong, 0);
    cr_assert(is_dropped(first)); /* nobody wants it kept any more */
}

/* ---- views -----------------------------------------------------------------------------------------*/

static int find_pin(void *ctx, const holog_holder *h)
{
    if (h->kind == HOLOG_HOLDER_PIN)
        *(uint64_t *)ctx = h->bytes + 1;
    return 0;
}

Test(retention, a_view_keeps_its_state_through_everything)
{
    uint64_t first = save("a", 0);
    holog_view *v = NULL;
    holog_value *value = NULL;
    uint64_t held = 0;

    OK(holog_view_open_at(box.store, first, &v));
    for (unsigned i = 1; i <= 9; i++)
        (void)save("a", i);
    OK(holog_delete(box.store, "a", NULL));
    (void)gc(1);
    cr_assert(is_dropped(first));
    OK(holog_view_load(v, "a", &value));
    cr_assert_eq(strcmp(holog_value_data(value), "a 0"), 0);
    holog_value_release(value);
    OK(holog_holders(box.store, find_pin, &held));
    cr_assert_eq(held, 1000 + 1, "its own value, not the nine that came after");
    holog_view_close(v);
}

Test(retention, a_view_that_holds_more_than_is_allowed_ends)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    holog_view *small = NULL;
    holog_view *v = NULL;
    holog_view *young = NULL;
    holog_value *value = NULL;
    uint64_t held = 0;

    OK(holog_config(box.store, "pins.max_bytes", "3000", NULL, 0));
    (void)save("a", 0);
    OK(holog_view_open(box.store, &small));
    for (unsigned i = 1; i <= 9; i++)
        (void)save("a", i);
    (void)gc(1);
    OK(holog_view_load(small, "a", &value)); /* it holds one value, however many came after */
    holog_value_release(value);
    holog_view_close(small);

    for (unsigned i = 0; i < 10; i++) {
        if (i == 5)
            OK(holog_view_open(box.store, &v));
        (void)save(names[i % 5], i);
    }
    (void)gc(1);
    OK(holog_view_open(box.store, &young));
    (void)gc(1);
    FAILS(HOLOG_E_STALE, holog_view_load(v, "a", &value), "pins.max_bytes");
    OK(holog_view_load(young, "a", &value));
    holog_value_release(value);
    OK(holog_holders(box.store, find_pin, &held));
    cr_assert_eq(held, 1);
    holog_view_close(v);
    holog_view_close(young);
}

/* ---- deltas ----------------------------------------------------------------------------------------*/

Test(retention, a_delta_ends_the_bytes_it_takes_away_and_no_more)
{
    const size_t len = 200000;
    char *value = calloc(1, len);
    holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .start = 1000, .end = 1100, .data = value, .len_bytes = 100
    };
    uint64_t first = 0;

    OK(holog_save(box.store, "a", value, len, 0, &first));
    for (unsigned i = 0; i < 300; i++)
        OK(holog_apply(box.store, "a", &d, 1, 0, 0, NULL));
    holog_gc_report r = { .struct_size = sizeof r };
    OK(holog_gc(box.store, 1, 0, 1, &r));
    cr_assert_eq(r.versions, 300);
    cr_assert(r.bytes >= 30000 && r.bytes <= 40000, "%llu", (unsigned long long)r.bytes);
    (void)gc(0); /* by the default rules all of it is kept */
    cr_assert(!is_dropped(first));
    OK(holog_rollback(box.store, "a", first, NULL));
    OK(holog_rollback(box.store, "a", first + 1, NULL));
    OK(holog_rollback(box.store, "a", first, NULL));
    (void)gc(0);
    cr_assert(!is_dropped(first));
    free(value);
}

Test(retention, a_replay_counts_what_has_ended_as_the_commits_did)
{
    static const holog_delta d[] = {
        { .kind = HOLOG_DELTA_UPDATE, .start = 100, .end = 300, .data = "new", .len_bytes = 3 },
        { .kind = HOLOG_DELTA_MOVE, .start = 0, .end = 400, .to = 700 },
        { .kind = HOLOG_DELTA_DELETE, .start = 10, .end = 20 },
        { .kind = HOLOG_DELTA_INSERT, .start = 5, .data = "more", .len_bytes = 4 },
    };
    char chk[300];
    uint64_t first = save("a", 0);
    uint64_t ended;

    (void)save("b", 0);
    for (size_t i = 0; i < sizeof d / sizeof d[0]; i++)
        OK(holog_apply(box.store, "a", &d[i], 1, 0, 0, NULL));
    OK(holog_move(box.store, "b", "c", 0, NULL));
    (void)save("c", 1);
    OK(holog_delete(box.store, "c", NULL));
    OK(holog_rollback(box.store, "a", first, NULL));
    ended = box.store->sequenced.sums.past_bytes;
    cr_assert_gt(ended, 2000);
    OK(holog_close(box.store));
    (void)snprintf(chk, sizeof chk, "%s/chk", box.dir);
    remove_tree(chk);
    box_open(&box);
    cr_assert_eq(box.store->sequenced.sums.past_bytes, ended);
}

/* ---- memory ------------------------------------------------------------------------------------------*/

static void keep_all_in(uint64_t budget_bytes)
{
    OK(holog_close(box.store));
    box.opts.budget_bytes = budget_bytes;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "all", NULL, 0));
    OK(holog_config(box.store, "retention.age_s", "all", NULL, 0));
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
}

/* One of a few paths gets a value; asynchronous. The past's bytes in memory just then. */
static uint64_t save_soon(unsigned i, enum holog_sync sync)
{
    holog_txn *txn = NULL;
    char path[16];
    int rc;

    (void)snprintf(path, sizeof path, "p%u", i % 50);
    do {
        OK(holog_begin(box.store, &txn));
        OK(holog_txn_sync(txn, sync));
        OK(holog_txn_save(txn, path, &i, sizeof i, HOLOG_REPLACE));
        rc = holog_commit_async(txn, NULL, NULL, NULL);
        if (rc == HOLOG_E_AGAIN) {
            holog_abort(txn);
            OK(holog_sync(box.store));
        }
    } while (rc == HOLOG_E_AGAIN);
    OK(rc);
    return hg_index_bytes(box.store->sequenced.past);
}

Test(retention, what_is_kept_leaves_memory_for_commits)
{
    const unsigned commits = 60000;
    uint64_t kept;

    keep_all_in(4 << 20);
    for (unsigned i = 0; i < commits; i++)
        (void)save_soon(i, HOLOG_SYNC_NONE);
    OK(holog_sync(box.store));
    kept = box.store->last_number - box.store->timeline.horizon;
    cr_assert(kept > 5000 && kept < 15000, "%llu commits of about a hundred bytes, in a megabyte",
              (unsigned long long)kept);
}

Test(retention, letting_go_needs_no_memory_that_grows_with_a_group)
{
    uint64_t most = 0;

    keep_all_in(4 << 20);
    for (unsigned i = 0; i < 60000; i++)
        most = HG_MAX(most, save_soon(i, HOLOG_SYNC_INTERVAL));
    OK(holog_sync(box.store));
    cr_assert_lt(most, 2u << 20, "%llu", (unsigned long long)most);
}

Test(retention, bytes_that_end_fit_a_byte)
{
    struct hg_locator loc = { .type = HG_ENTRY_BLOB, .size = (UINT64_C(1) << 48) - 1 };
    uint64_t before = 0;

    cr_assert_eq(hg_past_ended_bytes(HG_ENDS_ALL, &loc), loc.size);
    for (uint64_t n = 0; n < loc.size; n += n / 3 + 1) {
        uint64_t back = hg_past_ended_bytes(hg_past_ends(n), &loc);
        cr_assert(back >= n && back <= n + n / 4 + 1, "%llu is %llu", (unsigned long long)n,
                  (unsigned long long)back);
        cr_assert_geq(back, before);
        before = back;
    }
    loc.type = HG_ENTRY_DIR;
    cr_assert_eq(hg_past_ended_bytes(HG_ENDS_ALL, &loc), 0);
}

static int find_tag_bytes(void *ctx, const holog_holder *h)
{
    if (h->kind == HOLOG_HOLDER_TAG)
        *(uint64_t *)ctx = h->bytes;
    return 0;
}

Test(retention, a_tag_holds_all_of_a_value_whose_later_versions_have_gone)
{
    const size_t len = 200000;
    char *value = calloc(1, len);
    holog_delta d = { .kind = HOLOG_DELTA_INSERT, .start = 5, .data = "abcde", .len_bytes = 5 };
    holog_gc_report r;
    uint64_t tagged = 0;
    uint64_t held = 0;

    OK(holog_save(box.store, "v", value, len, 0, &tagged));
    OK(holog_tag(box.store, "t1", tagged, 0));
    OK(holog_apply(box.store, "v", &d, 1, 0, 0, NULL));
    (void)save("w", 0);
    r = gc(1);
    cr_assert_lt(r.kept_by_tags_bytes, 100); /* shared with what is current */
    OK(holog_apply(box.store, "v", &d, 1, 0, 0, NULL));
    OK(holog_delete(box.store, "v", NULL));
    (void)save("w", 1);
    r = gc(1);
    cr_assert_eq(r.kept_by_tags_bytes, len);
    cr_assert_lt(r.bytes, 2000);
    OK(holog_holders(box.store, find_tag_bytes, &held));
    cr_assert_eq(held, len);
    OK(holog_tag_delete(box.store, "t1"));
    free(value);
}

static int find_tag_space(void *ctx, const holog_du_entry *e)
{
    if (strcmp(e->path, "/") == 0)
        *(uint64_t *)ctx = e->tag_bytes;
    return 0;
}

Test(retention, what_nobody_has_come_by_to_let_go_of_is_held_by_nobody)
{
    const size_t len = 200000;
    char *value = calloc(1, len);
    holog_delta d = { .kind = HOLOG_DELTA_INSERT, .start = 5, .data = "abcde", .len_bytes = 5 };
    uint64_t tagged = 0;
    uint64_t held = 0;

    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    OK(holog_save(box.store, "v", value, len, 0, &tagged));
    OK(holog_apply(box.store, "v", &d, 1, 0, 0, NULL));
    OK(holog_delete(box.store, "v", NULL));
    OK(holog_tag(box.store, "t1", tagged, 0));
    for (unsigned i = 0; box.store->timeline.horizon <= tagged + 2 || i < MANY; i++)
        (void)save("w", i);
    OK(holog_holders(box.store, find_tag_bytes, &held));
    cr_assert_eq(held, len);
    OK(holog_du(box.store, "/", find_tag_space, &held));
    cr_assert_eq(held, len, "%llu", (unsigned long long)held);
    OK(holog_tag_delete(box.store, "t1"));
    OK(holog_du(box.store, "/", find_tag_space, &held));
    cr_assert_eq(held, 0, "%llu", (unsigned long long)held);
    free(value);
}

/* Six commits are fewer than the horizon may lag behind by; the bytes are not. */
Test(retention, a_few_commits_that_replace_much_are_let_go_soon)
{
    uint64_t first = 0;

    OK(holog_close(box.store));
    remove_tree(box.dir);
    box_make(&box);
    box.opts.extent_segment_size_max = 1 << 20;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    OK(save_seed(box.store, "v", 5000000, 0, 0));
    OK(holog_ref(box.store, "HEAD", &first));
    for (unsigned i = 1; i <= 6; i++)
        OK(save_seed(box.store, "v", 5000000, i, HOLOG_REPLACE));
    cr_assert(is_dropped(first));
    OK(holog_tag(box.store, "kept", first + 6, 0)); /* with one, what is let go is looked for */
    for (unsigned i = 7; i <= 12; i++)
        OK(save_seed(box.store, "v", 5000000, i, HOLOG_REPLACE));
    cr_assert_lt(box.store->sequenced.sums.past_bytes, 4u * 5000000, "of six, but for the tag's");
    box_reopen(&box);
    cr_assert(is_dropped(first));
    has_seed(box.store, "v", 5000000, 12);
}
