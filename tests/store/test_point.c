/*
 * Loads of small values take a short way beside the tree of the index. Whatever has been done to the
 * store, they must find what a transaction finds, which goes by the tree; and a view that is open
 * for longer what was there when it was opened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store_internal.h"
#include "storekit.h"

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

enum {
    DIRS = 3,
    NAMES = 5,
    STEPS = 4000
};

static struct box box;

static void setup(void)
{
    box_make(&box);
    box.opts.sync = HOLOG_SYNC_OS;
    box_open(&box);
}

static void teardown(void)
{
    box_end(&box);
}

TestSuite(point, .init = setup, .fini = teardown, .timeout = 120);

static uint64_t rng;

static unsigned below(unsigned n)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rng >> 33) % n;
}

static const char *some_path(void)
{
    static char paths[4][32];
    static unsigned next;
    char *p = paths[next++ % 4];

    (void)snprintf(p, 32, "d%u/n%u", below(DIRS), below(NAMES));
    return p;
}

static const char *some_dir(void)
{
    static char paths[4][32];
    static unsigned next;
    char *p = paths[next++ % 4];

    (void)snprintf(p, 32, "d%u", below(DIRS));
    return p;
}

static int save(const char *path)
{
    static const size_t lens[] = { 0, 1, 100, 300, 5000, 70000 };

    return save_seed(box.store, path, lens[below(6)], rng, RP);
}

/* Many changes of one commit, also to one path. */
static int transaction(void)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(box.store, &txn);

    for (unsigned i = 0; rc == HOLOG_OK && i < 4; i++) {
        const char *path = some_path();
        rc = below(3) == 0 ? holog_txn_delete_all(txn, path)
                           : holog_txn_save(txn, path, "in a transaction", below(16), RP);
        if (rc == HOLOG_E_NOENT)
            rc = HOLOG_OK;
    }
    if (rc == HOLOG_OK && below(4) != 0)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

static int one_step(void)
{
    switch (below(16)) {
    case 0: return holog_delete(box.store, some_path(), NULL);
    case 1: return holog_delete_all(box.store, some_dir(), NULL);
    case 2: return holog_move(box.store, some_path(), some_path(), RP, NULL);
    case 3: return holog_move(box.store, some_dir(), some_dir(), 0, NULL);
    case 4: return holog_copy(box.store, some_path(), some_path(), RP, NULL);
    case 5: return holog_copy(box.store, some_dir(), some_dir(), 0, NULL);
    case 6: return holog_symlink(box.store, "n1", some_path(), RP, NULL);
    case 7:
    case 8: return transaction();
    default: return save(some_path());
    }
}

static void same_value(const holog_value *got, const holog_value *want, const char *path,
                       unsigned step)
{
    cr_assert_eq(holog_value_size(got), holog_value_size(want), "step %u: %s", step, path);
    cr_assert_eq(holog_value_number(got), holog_value_number(want), "step %u: %s", step, path);
    cr_assert_eq(memcmp(holog_value_data(got), holog_value_data(want), holog_value_size(want)), 0,
                 "step %u: %s", step, path);
}

/* What the view finds, in two ways, is `want`; or it fails with want_rc. */
static void view_has(holog_view *view, const char *path, int want_rc, const holog_value *want,
                     unsigned step)
{
    static uint8_t bytes[70000];
    holog_value *quick = NULL;
    size_t n = 0;

    cr_assert_eq(holog_view_load(view, path, &quick), want_rc, "step %u: %s", step, path);
    cr_assert_eq(holog_view_load_range(view, path, 0, bytes, sizeof bytes, &n), want_rc);
    if (want_rc != HOLOG_OK)
        return;
    same_value(quick, want, path, step);
    cr_assert_eq(n, holog_value_size(want));
    cr_assert_eq(memcmp(bytes, holog_value_data(want), n), 0, "step %u: %s", step, path);
    holog_value_release(quick);
}

static void store_has(const char *path, int want_rc, const holog_value *want, unsigned step)
{
    static uint8_t bytes[70000];
    holog_value *quick = NULL;
    size_t n = 0;

    cr_assert_eq(holog_load(box.store, path, &quick), want_rc, "step %u: %s", step, path);
    cr_assert_eq(holog_load_range(box.store, path, 0, bytes, sizeof bytes, &n), want_rc);
    if (want_rc != HOLOG_OK)
        return;
    same_value(quick, want, path, step);
    cr_assert_eq(n, holog_value_size(want));
    cr_assert_eq(memcmp(bytes, holog_value_data(want), n), 0, "step %u: %s", step, path);
    holog_value_release(quick);
}

/* A view that stays open for a while, and what the tree had when it was opened. */
static struct {
    holog_view *view;
    int rc[DIRS * NAMES];
    holog_value *value[DIRS * NAMES];
} old;

static void forget_old(void)
{
    for (unsigned i = 0; i < DIRS * NAMES; i++) {
        holog_value_release(old.value[i]);
        old.value[i] = NULL;
    }
    holog_view_close(old.view);
    old.view = NULL;
}

static void all_the_same(unsigned step)
{
    holog_view *view = NULL;
    holog_txn *tree = NULL;
    int renew = old.view == NULL || below(8) == 0;

    if (renew) {
        forget_old();
        OK(holog_view_open(box.store, &old.view));
    }
    OK(holog_view_open(box.store, &view));
    OK(holog_begin(box.store, &tree));
    for (unsigned i = 0; i < DIRS * NAMES; i++) {
        holog_value *value = NULL;
        char path[32];
        (void)snprintf(path, sizeof path, "d%u/n%u", i / NAMES, i % NAMES);
        int rc = holog_txn_load(tree, path, &value);
        store_has(path, rc, value, step);
        view_has(view, path, rc, value, step);
        if (renew) {
            old.rc[i] = rc;
            old.value[i] = value;
        } else {
            view_has(old.view, path, old.rc[i], old.value[i], step);
            holog_value_release(value);
        }
    }
    holog_abort(tree);
    holog_view_close(view);
}

static void random_history(void)
{
    rng = test_seed();
    for (unsigned i = 0; i < STEPS; i++) {
        if (one_step() == HOLOG_OK)
            all_the_same(i);
        if (i % 1000 == 500) {
            forget_old();
            box_reopen(&box);
        }
    }
    forget_old();
}

Test(point, the_short_way_finds_what_the_tree_has_whatever_was_done)
{
    holog_stats st = { .struct_size = sizeof st };

    random_history();
    OK(holog_stats_get(box.store, &st));
    cr_assert_gt(st.side_table_bytes, 0);
}

Test(point, without_the_table_all_is_found_too)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_close(box.store));
    box.opts.no_side_table = 1;
    box_open(&box);
    random_history();
    OK(holog_stats_get(box.store, &st));
    cr_assert_eq(st.side_table_bytes, 0);
}

Test(point, a_reader_beside_the_writer_finds_the_new_value_after_a_refresh)
{
    holog_options o = box.opts;
    holog_store *reader = NULL;

    OK(save_text(box.store, "a", "old", 0));
    OK(holog_sync(box.store));
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    for (unsigned i = 0; i < 3; i++)
        has_text(reader, "a", "old"); /* the table has learnt it */
    OK(save_text(box.store, "a", "new", HOLOG_REPLACE));
    OK(holog_sync(box.store));
    has_text(reader, "a", "old");
    OK(holog_refresh(reader, NULL));
    has_text(reader, "a", "new");
    OK(holog_close(reader));
}

static void loads_have_number(uint64_t number)
{
    for (unsigned i = 0; i < 4; i++) { /* by the tree, and when the table has learnt it */
        holog_value *value = NULL;
        OK(holog_load(box.store, "a", &value));
        cr_assert_eq(holog_value_number(value), number, "load %u", i);
        holog_value_release(value);
    }
}

Test(point, what_was_moved_away_and_came_back_has_the_number_of_the_last_move)
{
    OK(save_text(box.store, "a", "text", 0));
    loads_have_number(1);
    OK(holog_move(box.store, "a", "b", 0, NULL));
    OK(holog_move(box.store, "b", "a", 0, NULL));
    loads_have_number(3);
    box_reopen(&box);
    loads_have_number(3);
}

static int takes_the_short_way(const char *path)
{
    holog_value *value = NULL;
    int found = hg_point_load(box.store, NULL, path, &value);

    holog_value_release(value);
    return found;
}

Test(point, the_short_way_finds_a_value_as_soon_as_it_is_saved_and_again_after_a_load)
{
    OK(save_text(box.store, "a", "text", 0));
    cr_assert(takes_the_short_way("a"));
    OK(save_text(box.store, "b", "longer text", 0));
    cr_assert(takes_the_short_way("a") && takes_the_short_way("b"));
    box_reopen(&box);
    cr_assert(!takes_the_short_way("a"));
    has_text(box.store, "a", "text");
    cr_assert(takes_the_short_way("a"));
}
