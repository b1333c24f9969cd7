/*
 * Transactions, batches, asynchronous commits, durability, views, the log, settings and counters,
 * on a real directory; after each test the store is reopened and must show the same.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storekit.h"

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

TestSuite(txn, .init = setup, .fini = teardown, .timeout = 120);

static holog_txn *begin(void)
{
    holog_txn *t = NULL;
    OK(holog_begin(box.store, &t));
    return t;
}

static void txn_has(holog_txn *t, const char *path, const char *text)
{
    holog_value *v = NULL;

    OK(holog_txn_load(t, path, &v));
    cr_assert_eq(holog_value_size(v), strlen(text), "%s", path);
    cr_assert_eq(memcmp(holog_value_data(v), text, strlen(text)), 0, "%s", path);
    holog_value_release(v);
}

static int txn_text(holog_txn *t, const char *path, const char *text, unsigned flags)
{
    return holog_txn_save(t, path, text, strlen(text), flags);
}

/* ---- one commit, own reads -------------------------------------------------------------------------*/

Test(txn, all_changes_appear_at_once_in_one_commit)
{
    holog_txn *t;
    uint64_t number = 0;

    OK(save_text(box.store, "old", "x", 0));
    t = begin();
    OK(txn_text(t, "d/new", "1", HOLOG_PARENTS));
    OK(holog_txn_move(t, "old", "d/moved", 0));
    OK(holog_txn_symlink(t, "moved", "d/link", 0));
    OK(holog_txn_copy(t, "d", "e", 0));
    OK(holog_txn_delete(t, "e/new"));
    OK(holog_txn_mkdir(t, "f/g", HOLOG_PARENTS));
    OK(holog_txn_delete_all(t, "f"));
    cr_assert_eq(type_of(box.store, "d"), HOLOG_MISSING);
    has_text(box.store, "old", "x");
    OK(holog_commit(t, &number));
    cr_assert_eq(number, 2);
    has_text(box.store, "d/link", "x");
    has_text(box.store, "e/link", "x");
    cr_assert_eq(type_of(box.store, "e/new"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "f"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "old"), HOLOG_MISSING);
}

Test(txn, a_transaction_sees_its_own_changes_and_nobody_else_does)
{
    holog_txn *t = begin();
    holog_stat_info info = { .struct_size = sizeof info };
    holog_value *v = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;
    char big[100000];

    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = 0;
    OK(txn_text(t, "a", "1", 0));
    OK(txn_text(t, "big", big, 0));
    txn_has(t, "a", "1");
    txn_has(t, "big", big);
    OK(txn_text(t, "a", "2", HOLOG_REPLACE));
    txn_has(t, "a", "2");
    OK(holog_txn_stat(t, "a", &info));
    cr_assert_eq(info.type, HOLOG_BLOB);
    OK(holog_txn_list(t, "/", &c));
    OK(holog_cursor_next(c, &e));
    cr_assert_str_eq(e->name, "a");
    OK(holog_cursor_next(c, &e));
    cr_assert_str_eq(e->name, "big");
    cr_assert_eq(holog_cursor_next(c, &e), HOLOG_E_NOENT);
    holog_cursor_close(c);
    OK(holog_txn_delete(t, "a"));
    FAILS(HOLOG_E_NOENT, holog_txn_load(t, "a", &v), "a");
    FAILS(HOLOG_E_NOENT, holog_load(box.store, "big", &v), "big");
    OK(holog_commit(t, NULL));
    has_text(box.store, "big", big);
}

Test(txn, an_aborted_transaction_was_never_there)
{
    holog_txn *t = begin();

    OK(txn_text(t, "a/b", "1", HOLOG_PARENTS));
    holog_abort(t);
    holog_abort(NULL);
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
    cr_assert_eq(holog_last_number(box.store), 0);
}

Test(txn, without_changes_there_is_no_commit)
{
    uint64_t number = 99;
    holog_txn *t;

    OK(save_text(box.store, "a", "1", 0));
    t = begin();
    txn_has(t, "a", "1");
    OK(holog_commit(t, &number));
    cr_assert_eq(number, 1);
    cr_assert_eq(holog_last_number(box.store), 1);
}

Test(txn, a_refused_operation_leaves_the_transaction_as_it_was)
{
    holog_txn *t = begin();

    OK(txn_text(t, "a", "1", 0));
    FAILS(HOLOG_E_EXIST, txn_text(t, "a", "2", 0), "a");
    FAILS(HOLOG_E_NOENT, holog_txn_delete(t, "gone"), "gone");
    FAILS(HOLOG_E_NOTDIR, txn_text(t, "a/b", "2", HOLOG_PARENTS), "a");
    FAILS(HOLOG_E_BADPATH, txn_text(t, "..", "2", 0), "..");
    FAILS(HOLOG_E_NOENT, txn_text(t, "x/y/z", "2", 0), "x");
    txn_has(t, "a", "1");
    OK(holog_commit(t, NULL));
    has_text(box.store, "a", "1");
    cr_assert_eq(type_of(box.store, "x"), HOLOG_MISSING);
}

/* What the first save is to make is put off until somebody looks. */
Test(txn, missing_parents_of_the_first_save_are_there_for_all_that_follows)
{
    holog_txn *t = begin();
    holog_stat_info info = { .struct_size = sizeof info };
    uint32_t first = 9;

    OK(txn_text(t, "a/b/c", "1", HOLOG_PARENTS));
    OK(holog_txn_stat(t, "a/b", &info));
    cr_assert_eq(info.type, HOLOG_DIRECTORY);
    OK(holog_commit(t, NULL));

    t = begin();
    OK(txn_text(t, "d/e/f", "2", HOLOG_PARENTS));
    FAILS(HOLOG_E_EXIST, txn_text(t, "d/e/f", "3", 0), "d/e/f"); /* and all is as it was */
    FAILS(HOLOG_E_NOTDIR, txn_text(t, "d/e/f/g", "3", HOLOG_PARENTS), "d/e/f");
    OK(txn_text(t, "d/e/h", "4", 0));
    txn_has(t, "d/e/f", "2");
    OK(holog_commit(t, NULL));

    t = begin();
    OK(txn_text(t, "i/j", "5", HOLOG_PARENTS));
    OK(holog_txn_savepoint(t, &first));
    OK(txn_text(t, "i/k", "6", 0));
    OK(holog_txn_rollback_to(t, first));
    txn_has(t, "i/j", "5");
    OK(holog_commit(t, NULL));
    has_text(box.store, "a/b/c", "1");
    has_text(box.store, "d/e/f", "2");
    has_text(box.store, "d/e/h", "4");
    has_text(box.store, "i/j", "5");
    cr_assert_eq(type_of(box.store, "i/k"), HOLOG_MISSING);
}

Test(txn, parents_that_others_make_meanwhile_are_used)
{
    holog_txn *t = begin();
    holog_txn *u = begin();

    OK(txn_text(t, "a/b/c", "1", HOLOG_PARENTS));
    OK(txn_text(u, "a/b/d", "2", HOLOG_PARENTS));
    OK(holog_commit(u, NULL));
    OK(holog_commit(t, NULL));
    has_text(box.store, "a/b/c", "1");
    has_text(box.store, "a/b/d", "2");

    t = begin();
    OK(txn_text(t, "x/y", "1", HOLOG_PARENTS));
    OK(save_text(box.store, "x", "a blob now", 0));
    FAILS(HOLOG_E_NOTDIR, holog_commit(t, NULL), "x");

    t = begin();
    OK(txn_text(t, "way/y", "1", HOLOG_PARENTS));
    OK(holog_symlink(box.store, "a", "way", 0, NULL));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "way/y");
    cr_assert_eq(type_of(box.store, "a/y"), HOLOG_MISSING);
}

Test(txn, parents_that_others_take_away_meanwhile_are_made_again)
{
    holog_txn *t;

    OK(save_text(box.store, "d/e/x", "", HOLOG_PARENTS));
    t = begin();
    OK(txn_text(t, "d/e/a", "1", HOLOG_PARENTS));
    OK(txn_text(t, "d/e/b", "22", HOLOG_PARENTS));
    OK(txn_text(t, "d/e/c", "333", HOLOG_PARENTS));
    OK(holog_delete_all(box.store, "d", NULL));
    OK(holog_commit(t, NULL));
    has_text(box.store, "d/e/a", "1");
    has_text(box.store, "d/e/b", "22");
    has_text(box.store, "d/e/c", "333");
    cr_assert_eq(type_of(box.store, "d/e/x"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "d/e"), HOLOG_DIRECTORY);
}

Test(txn, a_refused_copy_leaves_no_parents_behind)
{
    holog_txn *t = begin();
    uint64_t number = 99;

    OK(holog_mkdir(box.store, "c", 0, NULL));
    holog_abort(t);
    for (int moves = 0; moves < 2; moves++) {
        t = begin();
        FAILS(HOLOG_E_INVAL,
              moves ? holog_txn_move(t, "c", "c/b/b", HOLOG_PARENTS)
                    : holog_txn_copy(t, "c", "c/b/b", HOLOG_PARENTS),
              "into itself");
        OK(txn_text(t, "d/e", "1", HOLOG_PARENTS | HOLOG_REPLACE));
        txn_has(t, "d/e", "1");
        OK(holog_commit(t, &number));
        cr_assert_eq(type_of(box.store, "c/b"), HOLOG_MISSING);
        has_text(box.store, "d/e", "1");
    }
}

Test(txn, a_refused_save_has_not_touched_its_directory)
{
    holog_txn *t;
    holog_cursor *c = NULL;

    OK(save_text(box.store, "d/a", "1", HOLOG_PARENTS));
    OK(save_text(box.store, "d/s/x", "1", HOLOG_PARENTS));
    t = begin();
    OK(holog_txn_list(t, "d", &c));
    holog_cursor_close(c);
    OK(txn_text(t, "seen", "", 0));
    FAILS(HOLOG_E_EXIST, save_text(box.store, "d/a", "2", 0), "d/a");
    FAILS(HOLOG_E_ISDIR, save_text(box.store, "d/s", "2", HOLOG_REPLACE), "d/s");
    OK(holog_commit(t, NULL));
    has_text(box.store, "d/a", "1");
}

/* ---- conflicts -------------------------------------------------------------------------------------*/

Test(txn, what_was_read_and_then_changed_by_another_is_a_conflict)
{
    holog_txn *t;
    holog_stat_info info = { .struct_size = sizeof info };

    OK(save_text(box.store, "a", "1", 0));
    t = begin();
    txn_has(t, "a", "1");
    OK(txn_text(t, "b", "from a", 0));
    OK(save_text(box.store, "a", "2", HOLOG_REPLACE));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "a");
    cr_assert_eq(type_of(box.store, "b"), HOLOG_MISSING);

    t = begin();
    OK(holog_txn_stat(t, "gone", &info)); /* that it is missing counts as well */
    OK(txn_text(t, "b", "x", 0));
    OK(save_text(box.store, "gone", "now here", 0));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "gone");

    t = begin();
    txn_has(t, "a", "2");
    OK(txn_text(t, "b", "x", 0));
    OK(save_text(box.store, "elsewhere", "y", 0));
    OK(holog_commit(t, NULL));
}

Test(txn, a_listing_counts_as_reading_the_directory)
{
    static const char *const changes[] = { "d/new", "other" };

    OK(save_text(box.store, "d/a", "1", HOLOG_PARENTS));
    for (size_t i = 0; i < 2; i++) {
        holog_cursor *c = NULL;
        holog_txn *t = begin();
        OK(holog_txn_list(t, "d", &c));
        holog_cursor_close(c);
        OK(txn_text(t, "sum", "x", HOLOG_REPLACE));
        OK(save_text(box.store, changes[i], "x", 0));
        if (i == 0)
            FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "d");
        else
            OK(holog_commit(t, NULL));
    }
}

/* What `see` has seen in a transaction, then `change` by somebody else: a conflict at commit, whose
 * detail names `words`; and none when nothing relevant has changed. */
static void conflicts(void (*see)(holog_txn *t), void (*change)(void), const char *words)
{
    holog_txn *t = begin();

    see(t);
    OK(txn_text(t, "mine", "x", HOLOG_REPLACE));
    OK(save_text(box.store, "unrelated", "x", HOLOG_REPLACE));
    OK(holog_commit(t, NULL));
    OK(holog_delete(box.store, "mine", NULL));
    t = begin();
    see(t);
    OK(txn_text(t, "mine", "x", 0));
    change();
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), words);
    cr_assert_eq(type_of(box.store, "mine"), HOLOG_MISSING);
}

static void load_below_nothing(holog_txn *t)
{
    holog_value *v = NULL;
    FAILS(HOLOG_E_NOENT, holog_txn_load(t, "no/such/entry", &v), "no");
}

static void stat_below_nothing(holog_txn *t)
{
    holog_stat_info info = { .struct_size = sizeof info };
    FAILS(HOLOG_E_NOENT, holog_txn_stat(t, "no/such/entry", &info), "no");
}

static void list_nothing(holog_txn *t)
{
    holog_cursor *c = NULL;
    FAILS(HOLOG_E_NOENT, holog_txn_list(t, "no/such", &c), "no");
}

static void expect_nothing(holog_txn *t)
{
    OK(holog_txn_expect(t, "no/such/entry", 0));
}

static void make_entry(void)
{
    OK(save_text(box.store, "no/such/entry", "1", HOLOG_PARENTS));
}

Test(txn, that_a_parent_is_missing_is_remembered)
{
    static void (*const see[])(holog_txn *) = { load_below_nothing, stat_below_nothing,
                                                list_nothing, expect_nothing };

    for (size_t i = 0; i < sizeof see / sizeof see[0]; i++) {
        conflicts(see[i], make_entry, "no");
        OK(holog_delete_all(box.store, "no", NULL));
    }
}

static void load_below_blob(holog_txn *t)
{
    holog_value *v = NULL;
    FAILS(HOLOG_E_NOTDIR, holog_txn_load(t, "blob/x", &v), "blob");
}

static void blob_becomes_directory(void)
{
    OK(holog_delete(box.store, "blob", NULL));
    OK(save_text(box.store, "blob/x", "1", HOLOG_PARENTS));
}

Test(txn, that_a_parent_is_no_directory_is_remembered)
{
    OK(save_text(box.store, "blob", "1", 0));
    conflicts(load_below_blob, blob_becomes_directory, "blob");
}

static void load_last_link(holog_txn *t)
{
    txn_has(t, "link", "a");
}

static void turn_last_link(void)
{
    OK(holog_symlink(box.store, "b/f", "link", HOLOG_REPLACE, NULL));
}

static void load_through_link(holog_txn *t)
{
    txn_has(t, "way/f", "a");
}

static void turn_way(void)
{
    OK(holog_symlink(box.store, "b", "way", HOLOG_REPLACE, NULL));
}

static void change_target(void)
{
    OK(save_text(box.store, "b/f", "c", HOLOG_REPLACE));
}

static void load_b(holog_txn *t)
{
    txn_has(t, "way/f", "b");
}

static void load_dangling(holog_txn *t)
{
    holog_value *v = NULL;
    FAILS(HOLOG_E_NOENT, holog_txn_load(t, "dangling", &v), "later");
}

static void make_later(void)
{
    OK(save_text(box.store, "later", "1", 0));
}

Test(txn, each_link_on_the_way_is_remembered)
{
    OK(save_text(box.store, "a/f", "a", HOLOG_PARENTS));
    OK(save_text(box.store, "b/f", "b", HOLOG_PARENTS));
    OK(holog_symlink(box.store, "a/f", "link", 0, NULL));
    OK(holog_symlink(box.store, "a", "way", 0, NULL));
    OK(holog_symlink(box.store, "later", "dangling", 0, NULL));
    conflicts(load_last_link, turn_last_link, "link");
    conflicts(load_through_link, turn_way, "way");
    conflicts(load_b, change_target, "b/f");
    conflicts(load_dangling, make_later, "later");
}

static void load_a_copy(holog_txn *t)
{
    OK(holog_txn_copy(t, "from", "to", 0));
    txn_has(t, "to", "1");
    OK(holog_txn_delete(t, "to"));
}

static void replace_source(void)
{
    OK(save_text(box.store, "from", "2", HOLOG_REPLACE));
}

static void load_from_moved_tree(holog_txn *t)
{
    OK(holog_txn_move(t, "tree", "moved", 0));
    txn_has(t, "moved/d/f", "1");
    OK(holog_txn_move(t, "moved", "tree", 0));
}

static void replace_in_tree(void)
{
    OK(save_text(box.store, "tree/d/f", "2", HOLOG_REPLACE));
}

static void missing_in_copied_tree(holog_txn *t)
{
    holog_stat_info info = { .struct_size = sizeof info };
    OK(holog_txn_copy(t, "tree", "copy", 0));
    OK(holog_txn_stat(t, "copy/d/new", &info));
    cr_assert_eq(info.type, HOLOG_MISSING);
    OK(holog_txn_delete_all(t, "copy"));
}

static void add_to_tree(void)
{
    OK(save_text(box.store, "tree/d/new", "2", 0));
}

Test(txn, reading_a_copy_is_reading_its_source)
{
    OK(save_text(box.store, "from", "1", 0));
    OK(save_text(box.store, "tree/d/f", "1", HOLOG_PARENTS));
    conflicts(load_a_copy, replace_source, "from");
    conflicts(load_from_moved_tree, replace_in_tree, "tree");
    conflicts(missing_in_copied_tree, add_to_tree, "tree");
}

Test(txn, a_copy_that_nobody_has_read_takes_what_is_there_at_commit)
{
    holog_txn *t = begin();

    OK(save_text(box.store, "other", "1", 0));
    holog_abort(t);
    OK(save_text(box.store, "from", "1", 0));
    t = begin();
    OK(holog_txn_copy(t, "from", "to", 0));
    OK(holog_txn_save(t, "more", "", 0, 0));
    replace_source();
    OK(holog_commit(t, NULL));
    has_text(box.store, "to", "2");
}

static void list_beside_own(holog_txn *t)
{
    holog_cursor *c = NULL;
    OK(txn_text(t, "d/own", "1", HOLOG_REPLACE));
    OK(holog_txn_list(t, "d", &c));
    holog_cursor_close(c);
}

static void add_child(void)
{
    OK(save_text(box.store, "d/theirs", "1", 0));
}

Test(txn, a_listing_after_a_change_of_its_own_still_counts)
{
    OK(holog_mkdir(box.store, "d", 0, NULL));
    conflicts(list_beside_own, add_child, "d");
}

Test(txn, a_save_through_a_link_that_is_turned_is_a_conflict)
{
    holog_txn *t = begin();

    OK(save_text(box.store, "a/x", "", HOLOG_PARENTS));
    OK(save_text(box.store, "b/x", "", HOLOG_PARENTS));
    OK(holog_symlink(box.store, "a", "way", 0, NULL));
    holog_abort(t);
    for (int others = 0; others < 2; others++) {
        t = begin();
        OK(txn_text(t, "way/f", "1", 0));
        if (others)
            OK(txn_text(t, "way/g", "1", 0));
        OK(holog_symlink(box.store, others ? "a" : "b", "way", HOLOG_REPLACE, NULL));
        FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "f");
    }
    cr_assert_eq(type_of(box.store, "a/f"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "b/f"), HOLOG_MISSING);
}

Test(txn, a_link_made_in_a_transaction_leads_on_in_it)
{
    holog_txn *t = begin();

    OK(holog_txn_mkdir(t, "b", 0));
    OK(holog_txn_symlink(t, "b", "way", 0));
    OK(txn_text(t, "way/f", "1", 0));
    OK(holog_txn_move(t, "way", "wander", 0));
    OK(txn_text(t, "wander/g", "2", 0));
    OK(holog_commit(t, NULL));
    has_text(box.store, "b/f", "1");
    has_text(box.store, "wander/g", "2");
}

Test(txn, a_conflict_with_what_is_gone_says_so)
{
    holog_txn *t;
    struct holog_error_detail d;

    OK(save_text(box.store, "a", "1", 0));
    t = begin();
    txn_has(t, "a", "1");
    OK(txn_text(t, "b", "1", 0));
    OK(holog_delete(box.store, "a", NULL));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "deleted or moved");
    holog_last_error(&d);
    cr_assert_null(strstr(d.message, "commit 0"));
}

Test(txn, an_expectation_is_checked_at_commit)
{
    holog_txn *t;
    uint64_t number = 0;

    OK(holog_save(box.store, "a", "1", 1, 0, &number));
    t = begin();
    OK(holog_txn_expect(t, "a", number));
    OK(holog_txn_expect(t, "new", 0));
    OK(txn_text(t, "new", "x", 0));
    OK(holog_commit(t, NULL));

    t = begin();
    OK(holog_txn_expect(t, "new", 0));
    OK(txn_text(t, "b", "x", 0));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "new");
    t = begin();
    OK(holog_txn_expect(t, "a", number + 7));
    OK(txn_text(t, "b", "x", 0));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "a");
    cr_assert_eq(type_of(box.store, "b"), HOLOG_MISSING);
}

/* Two increments at once: without the check one would be lost. Asynchronous commits make sure that
 * what is checked is the newest state and not the one that is durable already. */
Test(txn, an_expectation_sees_commits_that_are_not_durable_yet)
{
    holog_txn *t;
    uint64_t first = 0;

    OK(holog_close(box.store));
    box.opts.no_background = 1; /* then nothing becomes durable before somebody waits for it */
    box_open(&box);
    t = begin();
    OK(txn_text(t, "n", "1", 0));
    OK(holog_commit_async(t, NULL, NULL, &first));
    t = begin();
    OK(holog_txn_expect(t, "n", 0));
    OK(txn_text(t, "m", "x", 0));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "n");
    OK(holog_wait_durable(box.store, first, 10000));
    cr_assert_eq(type_of(box.store, "m"), HOLOG_MISSING);
}

/* More than the buffer of a group: the log's thread has one to write yet when it is told to stop. */
Test(txn, a_close_writes_what_asynchronous_commits_have_left_to_write)
{
    static char value[30000];
    uint64_t last = 0;

    box_end(&box);
    box_make(&box);
    box.opts.segment_size_max = 64 << 20; /* no group ends because its segment does */
    box.opts.sync = HOLOG_SYNC_INTERVAL;
    box_open(&box);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 100; i++) {
            holog_txn *t = begin();
            OK(holog_txn_save(t, "a", value, sizeof value, HOLOG_REPLACE));
            OK(holog_commit_async(t, NULL, NULL, &last));
        }
        OK(holog_close(box.store));
        box_open(&box);
        cr_assert_eq(holog_last_number(box.store), last);
    }
}

static void *count_up(void *ctx)
{
    holog_store *s = ctx;

    for (unsigned i = 0; i < 40;) {
        holog_txn *t = NULL;
        holog_value *v = NULL;
        char text[16];
        int rc;
        OK(holog_begin(s, &t));
        OK(holog_txn_load(t, "counter", &v));
        memset(text, 0, sizeof text);
        memcpy(text, holog_value_data(v), holog_value_size(v));
        holog_value_release(v);
        (void)snprintf(text, sizeof text, "%d", (int)strtol(text, NULL, 10) + 1);
        OK(txn_text(t, "counter", text, HOLOG_REPLACE));
        rc = holog_commit(t, NULL);
        if (rc != HOLOG_E_CONFLICT) {
            OK(rc);
            i++;
        }
    }
    return NULL;
}

Test(txn, four_threads_that_count_lose_nothing)
{
    pthread_t threads[4];

    OK(save_text(box.store, "counter", "0", 0));
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count_up, box.store), 0);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    has_text(box.store, "counter", "160");
}

/* ---- savepoints ------------------------------------------------------------------------------------*/

Test(txn, going_back_to_a_savepoint_undoes_what_came_after)
{
    holog_txn *t = begin();
    holog_stat_info info = { .struct_size = sizeof info };
    uint32_t one = 9, two = 9, three = 9;

    OK(txn_text(t, "a", "1", 0));
    OK(holog_txn_savepoint(t, &one));
    OK(txn_text(t, "a", "2", HOLOG_REPLACE));
    OK(txn_text(t, "b", "2", 0));
    OK(holog_txn_savepoint(t, &two));
    OK(holog_txn_delete(t, "b"));
    OK(txn_text(t, "c/d", "3", HOLOG_PARENTS));
    OK(holog_txn_rollback_to(t, two));
    txn_has(t, "b", "2");
    OK(holog_txn_stat(t, "c", &info));
    cr_assert_eq(info.type, HOLOG_MISSING);
    OK(holog_txn_savepoint(t, &three));
    OK(holog_txn_rollback_to(t, one));
    txn_has(t, "a", "1");
    FAILS(HOLOG_E_INVAL, holog_txn_rollback_to(t, two), "savepoint");
    FAILS(HOLOG_E_INVAL, holog_txn_rollback_to(t, three), "savepoint");
    OK(txn_text(t, "e", "5", 0));
    OK(holog_commit(t, NULL));
    has_text(box.store, "a", "1");
    has_text(box.store, "e", "5");
    cr_assert_eq(type_of(box.store, "b"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "c"), HOLOG_MISSING);
}

/* ---- batches ---------------------------------------------------------------------------------------*/

Test(txn, a_batch_too_long_for_a_frame_is_one_commit_all_the_same)
{
    enum {
        N = 3000
    };
    holog_item *items = calloc(N, sizeof *items);
    char(*paths)[32] = calloc(N, sizeof *paths);
    uint64_t number = 0;

    cr_assert(items != NULL && paths != NULL);
    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "dir/%u", i);
        items[i] = (holog_item){ paths[i], paths[i], strlen(paths[i]) };
    }
    OK(holog_save_batch(box.store, items, N, HOLOG_PARENTS, &number));
    cr_assert_eq(number, 1);
    items[N - 1].path = "dir";
    FAILS(HOLOG_E_ISDIR, holog_save_batch(box.store, items, N, HOLOG_REPLACE, NULL), "dir");
    box_same_after_reopen(&box);
    for (unsigned i = 0; i < N; i++)
        has_text(box.store, paths[i], paths[i]);
    free(items);
    free(paths);
}

/* ---- asynchronous commits --------------------------------------------------------------------------*/

struct done {
    pthread_mutex_t lock;
    uint64_t numbers[300];
    unsigned n;
    int wrong;
};

static void on_done(void *ctx, int code, uint64_t number)
{
    struct done *d = ctx;

    (void)pthread_mutex_lock(&d->lock);
    d->wrong += code != HOLOG_OK;
    if (d->n < 300)
        d->numbers[d->n] = number;
    __atomic_store_n(&d->n, d->n + 1, __ATOMIC_RELEASE); /* the test waits for it unlocked */
    (void)pthread_mutex_unlock(&d->lock);
}

Test(txn, callbacks_of_asynchronous_commits_come_once_and_in_order)
{
    static struct done d = { .lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t last = 0;
    uint64_t count = 0;
    struct pollfd p = { .events = POLLIN };

    OK(holog_event_fd(box.store, &p.fd));
    for (unsigned i = 0; i < 300; i++) {
        char path[16];
        holog_txn *t = begin();
        int rc;
        (void)snprintf(path, sizeof path, "f%u", i);
        OK(txn_text(t, path, path, 0));
        while ((rc = holog_commit_async(t, on_done, &d, &last)) == HOLOG_E_AGAIN)
            OK(holog_sync(box.store));
        OK(rc);
        cr_assert_eq(last, i + 1);
    }
    OK(holog_wait_durable(box.store, last, 30000));
    cr_assert_geq(holog_durable_number(box.store), last);
    for (unsigned i = 0; i < 2000 && __atomic_load_n(&d.n, __ATOMIC_ACQUIRE) < 300; i++)
        (void)usleep(1000);
    cr_assert_eq(d.n, 300);
    cr_assert_eq(d.wrong, 0);
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(d.numbers[i], i + 1);
    cr_assert_eq(poll(&p, 1, 5000), 1, "the event descriptor stays silent");
    cr_assert_eq(read(p.fd, &count, sizeof count), (ssize_t)sizeof count);
    cr_assert_gt(count, 0);
    cr_assert_eq(holog_last_number(box.store), 300);
}

Test(txn, without_threads_of_the_library_whoever_waits_writes_asynchronous_commits)
{
    struct done d = { .lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t last = 0;

    OK(holog_close(box.store));
    box.opts.no_background = 1;
    box_open(&box);
    for (unsigned i = 0; i < 10; i++) {
        char path[16];
        holog_txn *t = begin();
        (void)snprintf(path, sizeof path, "f%u", i);
        OK(txn_text(t, path, path, 0));
        OK(holog_commit_async(t, on_done, &d, &last));
    }
    OK(holog_wait_durable(box.store, last, 10000));
    cr_assert_eq(d.n, 10);
    cr_assert_eq(d.wrong, 0);
}

/* ---- durability ------------------------------------------------------------------------------------*/

Test(txn, each_sync_mode_is_acknowledged_and_a_sync_raises_all_before_it)
{
    uint64_t number = 0;

    for (unsigned mode = HOLOG_SYNC_COMMIT; mode <= HOLOG_SYNC_NONE; mode++) {
        char path[16];
        holog_txn *t = begin();
        (void)snprintf(path, sizeof path, "mode%u", mode);
        OK(holog_txn_sync(t, (enum holog_sync)mode));
        OK(txn_text(t, path, path, 0));
        OK(holog_commit(t, &number));
        has_text(box.store, path, path);
        if (mode == HOLOG_SYNC_COMMIT)
            cr_assert_geq(holog_durable_number(box.store), number);
    }
    OK(holog_sync(box.store));
    cr_assert_geq(holog_durable_number(box.store), number);
    OK(holog_wait_durable(box.store, number, 0));
    FAILS(HOLOG_E_INVAL, holog_wait_durable(box.store, number + 1, 0), NULL);
}

Test(txn, waiting_for_what_nobody_syncs_asks_and_then_waits)
{
    holog_txn *t = begin();
    uint64_t number = 0;
    int rc;

    OK(holog_txn_sync(t, HOLOG_SYNC_NONE));
    OK(txn_text(t, "a", "1", 0));
    OK(holog_commit(t, &number));
    rc = holog_wait_durable(box.store, number, 0);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_AGAIN, "%s", holog_error_name(rc));
    OK(holog_wait_durable(box.store, number, 10000));
    cr_assert_geq(holog_durable_number(box.store), number);
}

Test(txn, every_mode_of_a_store_survives_its_close)
{
    for (unsigned mode = HOLOG_SYNC_COMMIT; mode <= HOLOG_SYNC_NONE; mode++) {
        char path[16];
        OK(holog_close(box.store));
        box.opts.sync = mode;
        box_open(&box);
        (void)snprintf(path, sizeof path, "big%u", mode);
        OK(save_seed(box.store, path, 300000, mode, 0));
        OK(save_text(box.store, path + 1, "small", 0));
        box_same_after_reopen(&box);
    }
}

/* ---- views -----------------------------------------------------------------------------------------*/

static void *replace_all(void *ctx)
{
    for (unsigned round = 1; round <= 20; round++) {
        for (unsigned i = 0; i < 10; i++) {
            char path[16];
            (void)snprintf(path, sizeof path, "v%u", i);
            OK(save_seed(ctx, path, 3000 * i + 10, 1000 * round + i, HOLOG_REPLACE));
        }
        if (round % 5 == 0) {
            OK(holog_delete(ctx, "v3", NULL));
            OK(save_seed(ctx, "v3", 5, 5, 0));
        }
    }
    return NULL;
}

Test(txn, parents_that_the_transaction_has_deleted_are_made_again)
{
    holog_txn *t = begin();

    OK(txn_text(t, "d/a", "1", HOLOG_PARENTS));
    OK(txn_text(t, "d/e/a", "1", HOLOG_PARENTS));
    OK(holog_txn_delete_all(t, "d"));
    OK(txn_text(t, "d/e/b", "2", HOLOG_PARENTS));
    txn_has(t, "d/e/b", "2");
    OK(holog_commit(t, NULL));
    has_text(box.store, "d/e/b", "2");
    cr_assert_eq(type_of(box.store, "d/e/a"), HOLOG_MISSING);
}

Test(txn, a_view_stays_as_it_was_while_others_write)
{
    pthread_t writer;
    holog_view *view = NULL;
    uint64_t hash = 0, again = 0;
    uint8_t want[32768];

    for (unsigned i = 0; i < 10; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "v%u", i);
        OK(save_seed(box.store, path, 3000 * i + 10, i, 0));
    }
    OK(holog_view_open(box.store, &view));
    OK(holog_state_hash(view, &hash));
    cr_assert_eq(holog_view_number(view), 10);
    cr_assert_eq(pthread_create(&writer, NULL, replace_all, box.store), 0);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 10; i++) {
            char path[16];
            holog_value *v = NULL;
            (void)snprintf(path, sizeof path, "v%u", i);
            OK(holog_view_load(view, path, &v));
            value_fill(want, 3000 * i + 10, i);
            cr_assert_eq(holog_value_size(v), 3000 * i + 10);
            cr_assert_eq(memcmp(holog_value_data(v), want, 3000 * i + 10), 0, "%s", path);
            holog_value_release(v);
        }
        OK(holog_state_hash(view, &again));
        cr_assert_eq(again, hash);
    }
    cr_assert_eq(pthread_join(writer, NULL), 0);
    holog_view_close(view);
    holog_view_close(NULL);
}

Test(txn, a_loaded_value_outlives_its_replacement)
{
    uint8_t want[200000];
    holog_value *v = NULL;

    value_fill(want, sizeof want, 1);
    OK(save_seed(box.store, "f", sizeof want, 1, 0));
    OK(holog_load(box.store, "f", &v));
    for (unsigned i = 2; i < 30; i++)
        OK(save_seed(box.store, "f", 1 << 20, i, HOLOG_REPLACE));
    OK(holog_delete(box.store, "f", NULL));
    cr_assert_eq(memcmp(holog_value_data(v), want, sizeof want), 0);
    cr_assert_eq(holog_value_number(v), 1);
    holog_value_release(v);
    holog_value_release(NULL);
}

/* ---- the log ---------------------------------------------------------------------------------------*/

struct seen {
    char text[2048];
    unsigned stop_after;
    unsigned n;
};

static int on_commit(void *ctx, const holog_commit_info *info)
{
    struct seen *s = ctx;
    size_t at = strlen(s->text);

    at += (size_t)snprintf(s->text + at, sizeof s->text - at, "%llu",
                           (unsigned long long)info->number);
    if (info->message[0] != 0)
        at += (size_t)snprintf(s->text + at, sizeof s->text - at, " '%s'", info->message);
    for (const char *const *m = info->meta; *m != NULL; m += 2)
        at += (size_t)snprintf(s->text + at, sizeof s->text - at, " %s=%s", m[0], m[1]);
    if (info->path != NULL)
        at += (size_t)snprintf(s->text + at, sizeof s->text - at, " %s", info->path);
    (void)snprintf(s->text + at, sizeof s->text - at, "; ");
    return ++s->n == s->stop_after;
}

static void log_is(const char *path, uint64_t before, uint64_t limit, unsigned stop_after,
                   const char *want)
{
    struct seen s = { .stop_after = stop_after };

    OK(holog_log(box.store, path, before, limit, on_commit, &s));
    cr_assert_str_eq(s.text, want);
}

Test(txn, the_log_tells_commits_newest_first_with_filter_and_limit)
{
    holog_txn *t = begin();

    OK(holog_txn_message(t, "first"));
    OK(txn_text(t, "d/a", "1", HOLOG_PARENTS));
    OK(holog_txn_meta(t, "who", "me"));
    OK(holog_txn_meta(t, "why", ""));
    OK(holog_commit(t, NULL));
    OK(save_text(box.store, "b", "2", 0));
    OK(save_seed(box.store, "d/big", 100000, 3, 0));
    OK(holog_move(box.store, "b", "c", 0, NULL));
    OK(holog_delete_all(box.store, "d", NULL));
    for (int round = 0; round < 2; round++) {
        log_is(NULL, 0, 0, 0, "5; 4; 3; 2; 1 'first' who=me why=; ");
        log_is(NULL, 4, 0, 0, "3; 2; 1 'first' who=me why=; ");
        log_is(NULL, 0, 2, 0, "5; 4; ");
        log_is(NULL, 0, 0, 3, "5; 4; 3; ");
        log_is("d/a", 0, 0, 0, "5 d; 1 'first' who=me why= d/a; ");
        log_is("b", 0, 0, 0, "4 b; 2 b; ");
        log_is("c", 0, 0, 0, "4 c; ");
        log_is("nothing", 0, 0, 0, "");
        box_same_after_reopen(&box);
    }
    FAILS(HOLOG_E_BADPATH, holog_log(box.store, "..", 0, 0, on_commit, NULL), "..");
}

Test(txn, the_log_goes_back_through_every_segment)
{
    struct seen s = { .stop_after = 0 };

    for (unsigned i = 0; i < 40; i++)
        OK(save_seed(box.store, "f", 30000, i, HOLOG_REPLACE));
    OK(holog_log(box.store, NULL, 0, 0, on_commit, &s));
    cr_assert_eq(s.n, 40);
    OK(holog_log(box.store, "f", 20, 5, on_commit, &s));
    cr_assert_eq(s.n, 45);
}

Test(txn, messages_and_metadata_have_limits)
{
    holog_txn *t = begin();
    char text[4200];

    memset(text, 'm', sizeof text);
    text[4097] = 0;
    FAILS(HOLOG_E_TOOBIG, holog_txn_message(t, text), "4096");
    FAILS(HOLOG_E_INVAL, holog_txn_message(t, NULL), "message");
    FAILS(HOLOG_E_INVAL, holog_txn_meta(t, "", "x"), "key");
    FAILS(HOLOG_E_INVAL, holog_txn_meta(t, "k", text), "value");
    for (unsigned i = 0; i < 64; i++)
        OK(holog_txn_meta(t, "k", "v"));
    FAILS(HOLOG_E_TOOBIG, holog_txn_meta(t, "k", "v"), "64");
    text[4096] = 0;
    OK(holog_txn_message(t, text));
    OK(txn_text(t, "a", "1", 0));
    OK(holog_commit(t, NULL));
}

/* ---- settings and counters -------------------------------------------------------------------------*/

static int count_conservation(void *ctx, const char *key, const char *value)
{
    (void)value;
    *(unsigned *)ctx += strcmp(key, "conservation") == 0;
    return 0;
}

Test(txn, each_setting_is_listed_once_whether_somebody_has_set_it_or_not)
{
    char value[16];

    for (int round = 0; round < 2; round++) {
        unsigned n = 0;
        OK(holog_config_list(box.store, count_conservation, &n));
        cr_assert_eq(n, 1);
        OK(holog_config(box.store, "conservation", "off", NULL, 0));
        box_same_after_reopen(&box);
    }
    OK(holog_config(box.store, "conservation", NULL, value, sizeof value));
    cr_assert_str_eq(value, "off");
}

static int count_keys(void *ctx, const char *key, const char *value)
{
    cr_assert_neq(key[0], 0);
    cr_assert_not_null(value);
    ++*(unsigned *)ctx;
    return 0;
}

Test(txn, settings_are_kept_and_those_of_the_store_cannot_be_changed)
{
    char value[64];
    unsigned n = 0;

    OK(holog_config(box.store, "user.color", "blue", NULL, 0));
    OK(holog_config(box.store, "user.color", "green", NULL, 0));
    box_same_after_reopen(&box);
    OK(holog_config(box.store, "user.color", NULL, value, sizeof value));
    cr_assert_str_eq(value, "green");
    OK(holog_config(box.store, "segment_size_max", NULL, value, sizeof value));
    cr_assert_str_eq(value, "262144");
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "segment_size_max", "1", NULL, 0),
          "segment_size_max");
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "nonsense", "1", NULL, 0), "nonsense");
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "No Name", "1", NULL, 0), "name");
    FAILS(HOLOG_E_NOENT, holog_config(box.store, "user.none", NULL, value, sizeof value),
          "user.none");
    FAILS(HOLOG_E_RANGE, holog_config(box.store, "user.color", NULL, value, 3), "user.color");
    OK(holog_config_list(box.store, count_keys, &n));
    cr_assert_geq(n, 5);
    n = 0;
    OK(holog_info(box.store, count_keys, &n));
    cr_assert_geq(n, 8);
}

Test(txn, counters_count)
{
    holog_stats st = { .struct_size = sizeof st };
    uint8_t buf[10];

    OK(save_text(box.store, "d/a", "12345", HOLOG_PARENTS));
    OK(save_seed(box.store, "d/big", 100000, 1, 0));
    OK(holog_load_range(box.store, "d/big", 0, buf, sizeof buf, NULL));
    has_text(box.store, "d/a", "12345");
    OK(holog_stats_get(box.store, &st));
    cr_assert_eq(st.struct_size, sizeof st);
    cr_assert_eq(st.entries, 3);
    cr_assert_eq(st.directories, 1);
    cr_assert_eq(st.live_value_bytes, 100005);
    cr_assert_eq(st.live_key_bytes, strlen("d") + strlen("d/a") + strlen("d/big"));
    cr_assert_eq(st.last_number, 2);
    cr_assert_eq(st.commits, 2);
    cr_assert_eq(st.commit_latency.count, 2);
    cr_assert_geq(st.bytes_written, 100005);
    cr_assert_geq(st.disk_bytes, 100005);
    cr_assert_eq(st.poisoned, 0);
    cr_assert_gt(holog_histogram_percentile(&st.commit_latency, 50), 0);
    cr_assert_leq(holog_histogram_percentile(&st.commit_latency, 99), st.commit_latency.max_ns);
    OK(holog_delete_all(box.store, "/", NULL));
    OK(holog_stats_get(box.store, &st));
    cr_assert_eq(st.entries, 0);
    cr_assert_eq(st.live_value_bytes, 0);
    cr_assert_eq(st.live_key_bytes, 0);
}

static int still_counting;

static void *count_all(void *ctx)
{
    holog_stats st = { .struct_size = sizeof st };

    while (__atomic_load_n(&still_counting, __ATOMIC_ACQUIRE)) {
        OK(holog_stats_get(ctx, &st));
        cr_assert_leq(st.durable_number, st.last_number);
        cr_assert_leq(holog_histogram_percentile(&st.load_latency, 50), st.load_latency.max_ns);
    }
    return NULL;
}

static void *save_and_load(void *ctx)
{
    for (unsigned i = 0; i < 30; i++) {
        OK(save_seed(ctx, "large", 400000, i, HOLOG_REPLACE)); /* makes extent segments */
        has_seed(ctx, "large", 400000, i);
        OK(save_text(ctx, "small", "1", HOLOG_REPLACE));
    }
    return NULL;
}

Test(txn, counters_can_be_asked_for_while_others_work)
{
    pthread_t threads[2];

    OK(holog_close(box.store));
    remove_tree(box.dir);
    box.opts.segment_size_max = 16384;
    box.opts.extent_segment_size_max = 1 << 20;
    box_open(&box);
    still_counting = 1;
    cr_assert_eq(pthread_create(&threads[0], NULL, count_all, box.store), 0);
    cr_assert_eq(pthread_create(&threads[1], NULL, save_and_load, box.store), 0);
    cr_assert_eq(pthread_join(threads[1], NULL), 0);
    __atomic_store_n(&still_counting, 0, __ATOMIC_RELEASE);
    cr_assert_eq(pthread_join(threads[0], NULL), 0);
}

Test(txn, a_store_with_an_open_transaction_does_not_close)
{
    static uint8_t large[1 << 20];
    holog_txn *txn = NULL;

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_save(txn, "large", large, sizeof large, 0)); /* its bytes may be on their way */
    FAILS(HOLOG_E_BUSY, holog_close(box.store), "transaction");
    OK(holog_txn_save(txn, "more", "x", 1, 0));
    OK(holog_commit(txn, NULL));
    box_reopen(&box);
    OK(holog_begin(box.store, &txn));
    FAILS(HOLOG_E_BUSY, holog_close(box.store), "transaction");
    holog_abort(txn);
    box_reopen(&box);
    cr_assert_eq(type_of(box.store, "large"), HOLOG_BLOB);
}
