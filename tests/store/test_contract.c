/*
 * The path contract and bad input, on a real directory: one test for each claim, and after each the
 * store is closed, verified and opened again, and must show the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holog/versions.h"
#include "storekit.h"

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

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

TestSuite(contract, .init = setup, .fini = teardown, .timeout = 120);

static uint64_t number_of(const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };
    OK(holog_stat(box.store, path, &info));
    return info.number;
}

/* ---- save ------------------------------------------------------------------------------------------*/

Test(contract, saving_below_a_missing_directory_is_refused)
{
    FAILS(HOLOG_E_NOENT, save_text(box.store, "a/b/c", "x", 0), "a");
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
    cr_assert_eq(holog_last_number(box.store), 0);
}

Test(contract, saving_with_parents_makes_all_of_them_in_the_same_commit)
{
    OK(save_text(box.store, "a/b/c", "x", HOLOG_PARENTS));
    cr_assert_eq(holog_last_number(box.store), 1);
    cr_assert_eq(type_of(box.store, "a"), HOLOG_DIRECTORY);
    cr_assert_eq(type_of(box.store, "a/b"), HOLOG_DIRECTORY);
    has_text(box.store, "a/b/c", "x");
}

Test(contract, saving_below_a_blob_is_refused)
{
    OK(save_text(box.store, "f", "x", 0));
    FAILS(HOLOG_E_NOTDIR, save_text(box.store, "f/g", "y", 0), "f");
    FAILS(HOLOG_E_NOTDIR, save_text(box.store, "f/g", "y", HOLOG_PARENTS), "f");
    FAILS(HOLOG_E_NOTDIR, save_text(box.store, "f/g/h", "y", HOLOG_PARENTS), "f");
    has_text(box.store, "f", "x");
}

Test(contract, saving_onto_a_blob_needs_replace)
{
    uint64_t first = 0, second = 0;

    OK(holog_save(box.store, "f", "old", 3, 0, &first));
    FAILS(HOLOG_E_EXIST, save_text(box.store, "f", "new", 0), "f");
    has_text(box.store, "f", "old");
    OK(holog_save(box.store, "f", "new", 3, HOLOG_REPLACE, &second));
    has_text(box.store, "f", "new");
    cr_assert_gt(second, first);
    cr_assert_eq(number_of("f"), second);
}

Test(contract, saving_onto_a_directory_is_refused_even_with_replace)
{
    OK(holog_mkdir(box.store, "d", 0, NULL));
    FAILS(HOLOG_E_EXIST, save_text(box.store, "d", "x", 0), "d");
    FAILS(HOLOG_E_ISDIR, save_text(box.store, "d", "x", HOLOG_REPLACE), "d");
    FAILS(HOLOG_E_ISDIR, save_text(box.store, "/", "x", HOLOG_REPLACE), "/");
    cr_assert_eq(type_of(box.store, "d"), HOLOG_DIRECTORY);
}

Test(contract, saving_onto_a_symlink_replaces_the_link_and_not_its_target)
{
    OK(save_text(box.store, "target", "t", 0));
    OK(holog_symlink(box.store, "target", "link", 0, NULL));
    FAILS(HOLOG_E_EXIST, save_text(box.store, "link", "x", 0), "link");
    OK(save_text(box.store, "link", "x", HOLOG_REPLACE));
    cr_assert_eq(type_of(box.store, "link"), HOLOG_BLOB);
    has_text(box.store, "link", "x");
    has_text(box.store, "target", "t");
}

Test(contract, an_empty_value_is_a_blob_and_not_a_directory)
{
    holog_value *v = NULL;

    OK(holog_save(box.store, "empty", NULL, 0, 0, NULL));
    cr_assert_eq(type_of(box.store, "empty"), HOLOG_BLOB);
    OK(holog_load(box.store, "empty", &v));
    cr_assert_eq(holog_value_size(v), 0);
    holog_value_release(v);
    FAILS(HOLOG_E_NOTDIR, save_text(box.store, "empty/x", "y", 0), "empty");
}

Test(contract, data_may_be_null_only_when_there_is_none)
{
    FAILS(HOLOG_E_INVAL, holog_save(box.store, "f", NULL, 1, 0, NULL), "NULL");
    FAILS(HOLOG_E_INVAL, holog_save(box.store, NULL, "x", 1, 0, NULL), "path");
    FAILS(HOLOG_E_INVAL, holog_save(NULL, "f", "x", 1, 0, NULL), "store");
    FAILS(HOLOG_E_INVAL, holog_save(box.store, "f", "x", 1, 1024, NULL), "flags");
}

static size_t sum_modulo_96(size_t len, uint64_t seed)
{
    uint8_t *data = malloc(len + 1);
    uint64_t sum = 0;

    cr_assert_not_null(data);
    value_fill(data, len, seed);
    for (size_t i = 0; i < len; i++)
        sum += data[i];
    free(data);
    return sum % 96;
}

Test(contract, values_of_every_awkward_size_come_back_with_their_sum)
{
    static const size_t sizes[] = { 0,     1,     2,      4095,   4096,     4097,    65535,
                                    65536, 65537, 131072, 131073, 20 << 20, 1048576, 8388609 };
    size_t n = sizeof sizes / sizeof sizes[0];

    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            char path[32];
            (void)snprintf(path, sizeof path, "v%zu", sizes[i]);
            OK(save_seed(box.store, path, sizes[i], 7 * i + round, RP));
        }
        box_same_after_reopen(&box);
        for (size_t i = 0; i < n; i++) {
            char path[32];
            holog_stat_info info = { .struct_size = sizeof info };
            (void)snprintf(path, sizeof path, "v%zu", sizes[i]);
            has_seed(box.store, path, sizes[i], 7 * i + round);
            OK(holog_stat(box.store, path, &info));
            cr_assert_eq(info.size_bytes, sizes[i]);
            cr_assert_eq(info.csum, sum_modulo_96(sizes[i], 7 * i + round), "%s", path);
        }
    }
}

/* ---- load ------------------------------------------------------------------------------------------*/

Test(contract, missing_and_directory_and_wrong_type_are_told_apart)
{
    holog_value *v = NULL;
    char buf[8];

    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(save_text(box.store, "f", "x", 0));
    FAILS(HOLOG_E_NOENT, holog_load(box.store, "gone", &v), "gone");
    FAILS(HOLOG_E_NOENT, holog_load(box.store, "gone/too", &v), "gone");
    FAILS(HOLOG_E_ISDIR, holog_load(box.store, "d", &v), "d");
    FAILS(HOLOG_E_ISDIR, holog_load(box.store, "/", &v), "/");
    FAILS(HOLOG_E_NOTDIR, holog_load(box.store, "f/x", &v), "f");
    FAILS(HOLOG_E_TYPE, holog_readlink(box.store, "f", buf, sizeof buf), "f");
    FAILS(HOLOG_E_TYPE, holog_readlink(box.store, "d", buf, sizeof buf), "d");
    FAILS(HOLOG_E_NOENT, holog_readlink(box.store, "gone", buf, sizeof buf), "gone");
    cr_assert_null(v);
}

Test(contract, ranges_are_what_the_value_has_there)
{
    enum {
        LEN = 200000
    };
    uint8_t *want = malloc(LEN);
    uint8_t *got = malloc(LEN);
    uint64_t rng = test_seed();

    cr_assert(want != NULL && got != NULL);
    value_fill(want, LEN, 5);
    OK(save_seed(box.store, "big", LEN, 5, 0));
    OK(save_seed(box.store, "small", 1000, 5, 0));
    for (unsigned i = 0; i < 200; i++) {
        uint64_t at = rng_next(&rng) % (LEN + 1);
        size_t len = rng_next(&rng) % 70000;
        size_t n = 99;
        size_t expected = len < LEN - at ? len : LEN - at;
        OK(holog_load_range(box.store, "big", at, got, len, &n));
        cr_assert_eq(n, expected);
        cr_assert_eq(memcmp(got, want + at, n), 0, "at %llu", (unsigned long long)at);
    }
    value_fill(want, 1000, 5);
    OK(holog_load_range(box.store, "small", 990, got, 100, NULL));
    cr_assert_eq(memcmp(got, want + 990, 10), 0);
    FAILS(HOLOG_E_RANGE, holog_load_range(box.store, "big", LEN + 1, got, 1, NULL), "big");
    FAILS(HOLOG_E_RANGE, holog_load_range(box.store, "small", 1001, got, 0, NULL), "small");
    FAILS(HOLOG_E_RANGE, holog_load_range(box.store, "big", UINT64_MAX, got, 1, NULL), "big");
    free(want);
    free(got);
}

Test(contract, symlinks_are_followed_in_every_component)
{
    OK(save_text(box.store, "real/dir/f", "x", HOLOG_PARENTS));
    OK(holog_symlink(box.store, "real", "l1", 0, NULL));
    OK(holog_symlink(box.store, "../real/dir", "real/l2", 0, NULL));
    OK(holog_symlink(box.store, "/l1/l2/f", "l3", 0, NULL));
    has_text(box.store, "l1/dir/f", "x");
    has_text(box.store, "l1/l2/f", "x");
    has_text(box.store, "l3", "x");
    OK(save_text(box.store, "l1/l2/g", "y", 0));
    has_text(box.store, "real/dir/g", "y");
}

Test(contract, sixteen_links_are_followed_and_seventeen_are_a_loop)
{
    holog_value *v = NULL;
    char name[16], target[16];

    OK(save_text(box.store, "l0", "end", 0));
    for (unsigned i = 1; i <= 17; i++) {
        (void)snprintf(name, sizeof name, "l%u", i);
        (void)snprintf(target, sizeof target, "l%u", i - 1);
        OK(holog_symlink(box.store, target, name, 0, NULL));
    }
    has_text(box.store, "l16", "end");
    FAILS(HOLOG_E_LOOP, holog_load(box.store, "l17", &v), "symlinks");
    OK(holog_symlink(box.store, "me", "me", 0, NULL));
    FAILS(HOLOG_E_LOOP, holog_load(box.store, "me", &v), "me");
    FAILS(HOLOG_E_LOOP, save_text(box.store, "me/x", "y", 0), "me");
}

/* ---- batches ---------------------------------------------------------------------------------------*/

Test(contract, a_batch_is_one_commit_and_keeps_its_order)
{
    holog_item items[40];
    char paths[40][16];
    const char *names[40];
    holog_value *values[40];
    int status[40];
    uint64_t number = 0;

    for (size_t i = 0; i < 40; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "b/%zu", (i * 17) % 40);
        names[i] = paths[i];
        items[i] = (holog_item){ paths[i], paths[i], strlen(paths[i]) };
    }
    OK(holog_save_batch(box.store, items, 40, HOLOG_PARENTS, &number));
    cr_assert_eq(number, 1);
    cr_assert_eq(holog_last_number(box.store), 1);
    OK(holog_load_batch(box.store, names, 40, values, status));
    for (size_t i = 0; i < 40; i++) {
        cr_assert_eq(status[i], HOLOG_OK);
        cr_assert_eq(holog_value_size(values[i]), strlen(paths[i]));
        cr_assert_eq(memcmp(holog_value_data(values[i]), paths[i], strlen(paths[i])), 0);
        holog_value_release(values[i]);
    }
}

Test(contract, one_bad_item_and_nothing_of_a_batch_is_there)
{
    static const struct {
        const char *path;
        int code;
    } bad[] = { { "there", HOLOG_E_EXIST },    { "no/parent", HOLOG_E_NOENT },
                { "there/x", HOLOG_E_NOTDIR }, { "dir", HOLOG_E_EXIST },
                { "a/../b", HOLOG_E_BADPATH }, { "\xff", HOLOG_E_BADPATH } };

    OK(save_text(box.store, "there", "x", 0));
    OK(holog_mkdir(box.store, "dir", 0, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t at = 0; at < 3; at++) {
            holog_item items[3] = { { "new1", "1", 1 }, { "new2", "2", 1 }, { "new3", "3", 1 } };
            items[at].path = bad[i].path;
            FAILS(bad[i].code, holog_save_batch(box.store, items, 3, 0, NULL), NULL);
            for (unsigned k = 1; k <= 3; k++) {
                char name[8];
                (void)snprintf(name, sizeof name, "new%u", k);
                cr_assert_eq(type_of(box.store, name), HOLOG_MISSING);
            }
            cr_assert_eq(holog_last_number(box.store), 2);
        }
    }
}

Test(contract, an_entry_twice_in_a_batch_by_a_symlink_is_refused)
{
    const holog_item items[] = { { "way/q", "first", 5 }, { "d/q", "second", 6 } };

    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(holog_symlink(box.store, "d", "way", 0, NULL));
    FAILS(HOLOG_E_INVAL, holog_save_batch(box.store, items, 2, HOLOG_REPLACE, NULL), "twice");
    FAILS(HOLOG_E_INVAL, holog_save_batch(box.store, items, 2, HOLOG_REPLACE | HOLOG_PARENTS, NULL),
          "twice");
    cr_assert_eq(type_of(box.store, "d/q"), HOLOG_MISSING);
    OK(holog_save_batch(box.store, items, 1, HOLOG_REPLACE, NULL));
    has_text(box.store, "d/q", "first");
    OK(holog_save_batch(box.store, items + 1, 1, HOLOG_REPLACE, NULL));
    has_text(box.store, "d/q", "second");
}

Test(contract, a_path_twice_in_a_batch_is_refused_however_it_is_spelt)
{
    holog_item same[2] = { { "d/f", "1", 1 }, { "/d//./f/", "2", 1 } };

    OK(holog_mkdir(box.store, "d", 0, NULL));
    FAILS(HOLOG_E_INVAL, holog_save_batch(box.store, same, 2, HOLOG_REPLACE, NULL), "d/f");
    cr_assert_eq(type_of(box.store, "d/f"), HOLOG_MISSING);
}

Test(contract, a_batch_makes_the_directories_that_are_missing_each_once)
{
    static const char *const paths[] = {
        "b/c/2", "a",       "b/c/1",   "b/d/e/f/1", "b/x",
        "B/1",   "b/d/e/2", "b/d/e/g", "there/1",   "there/sub/1"
    };
    holog_item items[10];
    holog_stats stats = { .struct_size = sizeof stats };

    OK(holog_mkdir(box.store, "there", 0, NULL));
    for (size_t i = 0; i < 10; i++)
        items[i] = (holog_item){ paths[i], paths[i], strlen(paths[i]) };
    FAILS(HOLOG_E_NOENT, holog_save_batch(box.store, items, 10, 0, NULL), NULL);
    OK(holog_save_batch(box.store, items, 10, HOLOG_PARENTS, NULL));
    for (size_t i = 0; i < 10; i++)
        has_text(box.store, paths[i], paths[i]);
    OK(holog_stats_get(box.store, &stats));
    cr_assert_eq(stats.entries, 10 + 8);
    cr_assert_eq(stats.records, 1 + 10 + 7, "one record for each directory: %llu",
                 (unsigned long long)stats.records);
}

Test(contract, a_batch_goes_through_symlinks_and_makes_directories_behind_them)
{
    holog_item items[] = {
        { "link/sub/a", "1", 1 },   { "link/sub/b", "2", 1 }, { "link/sub/deep/c", "3", 1 },
        { "link/other/d", "4", 1 }, { "plain/e", "5", 1 },
    };

    OK(holog_mkdir(box.store, "real", 0, NULL));
    OK(holog_symlink(box.store, "real", "link", 0, NULL));
    OK(holog_save_batch(box.store, items, 5, HOLOG_PARENTS, NULL));
    has_text(box.store, "real/sub/a", "1");
    has_text(box.store, "real/sub/b", "2");
    has_text(box.store, "real/sub/deep/c", "3");
    has_text(box.store, "real/other/d", "4");
    has_text(box.store, "plain/e", "5");
    cr_assert_eq(type_of(box.store, "link"), HOLOG_SYMLINK);
}

Test(contract, a_batch_in_which_a_value_is_above_another_is_refused)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        holog_item items[2] = { { turn ? "d" : "d/x", "1", 1 }, { turn ? "d/x" : "d", "2", 1 } };
        int rc = holog_save_batch(box.store, items, 2, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
        cr_assert(rc == HOLOG_E_NOTDIR || rc == HOLOG_E_ISDIR, "%d", rc);
        cr_assert_eq(type_of(box.store, "d"), HOLOG_MISSING);
    }
}

Test(contract, an_empty_batch_is_a_success_without_a_commit)
{
    uint64_t number = 99;

    OK(holog_save_batch(box.store, NULL, 0, 0, &number));
    cr_assert_eq(number, 0);
    OK(holog_load_batch(box.store, NULL, 0, NULL, NULL));
}

Test(contract, a_batch_load_is_all_or_nothing_and_says_why_for_each)
{
    const char *paths[4] = { "a", "gone", "dir", "b" };
    holog_value *values[4] = { NULL, NULL, NULL, NULL };
    int status[4] = { 1, 1, 1, 1 };

    OK(save_text(box.store, "a", "x", 0));
    OK(save_text(box.store, "b", "y", 0));
    OK(holog_mkdir(box.store, "dir", 0, NULL));
    FAILS(HOLOG_E_NOENT, holog_load_batch(box.store, paths, 4, values, status), "gone");
    cr_assert_eq(status[0], HOLOG_OK);
    cr_assert_eq(status[1], HOLOG_E_NOENT);
    cr_assert_eq(status[2], HOLOG_E_ISDIR);
    cr_assert_eq(status[3], HOLOG_OK);
    for (size_t i = 0; i < 4; i++)
        cr_assert_null(values[i]);
}

/* ---- listing ---------------------------------------------------------------------------------------*/

static void list_is(const char *path, unsigned flags, const char *prefix, const char *after,
                    const char *want)
{
    holog_cursor *c = NULL;
    const holog_entry *e;
    char got[512] = "";
    int rc;

    OK(holog_list(box.store, path, flags, prefix, after, &c));
    while ((rc = holog_cursor_next(c, &e)) == HOLOG_OK) {
        const char *text = (flags & HOLOG_LIST_RECURSIVE) != 0 ? e->path : e->name;
        cr_assert_eq(strlen(e->path), e->path_len);
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", text);
    }
    cr_assert_eq(rc, HOLOG_E_NOENT);
    holog_cursor_close(c);
    cr_assert_str_eq(got, want);
}

static void save_names(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        OK(save_text(box.store, names[i], "x", RP));
}

Test(contract, children_are_listed_in_natural_order)
{
    static const char *const names[] = { "d/z10", "d/z9",   "d/z2",        "d/A01",
                                         "d/a",   "d/z2/x", "d/b/deep/er", "e" };
    save_names(names, 6 - 1);
    FAILS(HOLOG_E_NOTDIR, save_text(box.store, names[5], "x", RP), "d/z2");
    save_names(names + 6, 2);
    list_is("d", 0, NULL, NULL, "A01 a b z2 z9 z10 ");
    list_is("/", 0, NULL, NULL, "d e ");
    list_is("d", 0, "z", NULL, "z2 z9 z10 ");
    list_is("d", 0, NULL, "b", "z2 z9 z10 ");
    list_is("d", 0, "z", "z9", "z10 ");
    list_is("d", 0, "nothing", NULL, "");
    list_is("d", HOLOG_LIST_RECURSIVE, NULL, NULL,
            "d/A01 d/a d/b d/b/deep d/b/deep/er d/z2 d/z9 d/z10 ");
}

Test(contract, listing_needs_a_directory)
{
    holog_cursor *c = NULL;

    OK(save_text(box.store, "f", "x", 0));
    FAILS(HOLOG_E_NOENT, holog_list(box.store, "gone", 0, NULL, NULL, &c), "gone");
    FAILS(HOLOG_E_NOTDIR, holog_list(box.store, "f", 0, NULL, NULL, &c), "f");
    cr_assert_null(c);
    list_is("/", 0, NULL, NULL, "f ");
}

Test(contract, a_prefix_is_asked_of_each_name_at_every_level)
{
    OK(save_text(box.store, "ab/x", "1", HOLOG_PARENTS));
    OK(save_text(box.store, "ab/ac", "1", 0));
    OK(save_text(box.store, "b/ad", "1", HOLOG_PARENTS));
    list_is("/", 0, "a", NULL, "ab ");
    list_is("/", HOLOG_LIST_RECURSIVE, "a", NULL, "ab ab/ac b/ad ");
}

Test(contract, pages_of_a_listing_resume_after_the_last_name)
{
    char got[4096] = "", last[32] = "";
    unsigned n = 0;

    for (unsigned i = 0; i < 100; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "d/f%u", i);
        OK(save_text(box.store, path, "x", RP));
    }
    for (;;) {
        holog_cursor *c = NULL;
        const holog_entry *e;
        unsigned k;
        OK(holog_list(box.store, "d", 0, NULL, n == 0 ? NULL : last, &c));
        for (k = 0; k < 7 && holog_cursor_next(c, &e) == HOLOG_OK; k++) {
            char want[16];
            (void)snprintf(want, sizeof want, "f%u", n++);
            cr_assert_str_eq(e->name, want);
            (void)snprintf(last, sizeof last, "%s", e->name);
        }
        holog_cursor_close(c);
        if (k < 7)
            break;
    }
    cr_assert_eq(n, 100, "%s", got);
}

/* ---- directories -----------------------------------------------------------------------------------*/

Test(contract, making_a_directory_with_parents_is_idempotent)
{
    FAILS(HOLOG_E_NOENT, holog_mkdir(box.store, "a/b", 0, NULL), "a");
    OK(holog_mkdir(box.store, "a/b/c", HOLOG_PARENTS, NULL));
    OK(holog_mkdir(box.store, "a/b/c", HOLOG_PARENTS, NULL));
    OK(holog_mkdir(box.store, "a", HOLOG_PARENTS, NULL));
    OK(holog_mkdir(box.store, "/", HOLOG_PARENTS, NULL));
    FAILS(HOLOG_E_EXIST, holog_mkdir(box.store, "a", 0, NULL), "a");
    FAILS(HOLOG_E_EXIST, holog_mkdir(box.store, "/", 0, NULL), "/");
    cr_assert_eq(type_of(box.store, "a/b/c"), HOLOG_DIRECTORY);
}

Test(contract, a_flag_that_means_nothing_to_a_call_is_refused)
{
    holog_txn *t = NULL;

    FAILS(HOLOG_E_INVAL, holog_mkdir(box.store, "d", HOLOG_REPLACE, NULL), "flags");
    FAILS(HOLOG_E_INVAL, holog_mkdir(box.store, "d", 4, NULL), "flags");
    FAILS(HOLOG_E_INVAL, save_text(box.store, "f", "1", 4), "flags");
    FAILS(HOLOG_E_INVAL, holog_save_batch(box.store, &(holog_item){ "f", "1", 1 }, 1, 4, NULL),
          "flags");
    OK(holog_begin(box.store, &t));
    FAILS(HOLOG_E_INVAL, holog_txn_mkdir(t, "d", HOLOG_REPLACE | HOLOG_PARENTS), "flags");
    holog_abort(t);
    cr_assert_eq(holog_last_number(box.store), 0);
}

Test(contract, making_a_directory_through_a_blob_is_refused)
{
    OK(save_text(box.store, "f", "x", 0));
    FAILS(HOLOG_E_EXIST, holog_mkdir(box.store, "f", 0, NULL), "f");
    FAILS(HOLOG_E_NOTDIR, holog_mkdir(box.store, "f", HOLOG_PARENTS, NULL), "f");
    FAILS(HOLOG_E_NOTDIR, holog_mkdir(box.store, "f/d", HOLOG_PARENTS, NULL), "f");
    FAILS(HOLOG_E_NOTDIR, holog_mkdir(box.store, "f/d/e", HOLOG_PARENTS, NULL), "f");
}

Test(contract, exists_is_true_when_a_path_resolves_and_changes_nothing)
{
    static const struct {
        const char *path;
        int there;
    } asked[] = { { "f", 1 },        { "d", 1 },   { "/", 1 },      { "gone", 0 }, { "link", 1 },
                  { "dangling", 0 }, { "f/x", 0 }, { "no/way", 0 }, { "loop", 0 } };

    OK(save_text(box.store, "f", "x", 0));
    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(holog_symlink(box.store, "f", "link", 0, NULL));
    OK(holog_symlink(box.store, "nowhere", "dangling", 0, NULL));
    OK(holog_symlink(box.store, "loop", "loop", 0, NULL));
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        int there = -1;
        OK(holog_exists(box.store, asked[i].path, &there));
        cr_assert_eq(there, asked[i].there, "%s", asked[i].path);
    }
    cr_assert_eq(holog_last_number(box.store), 5);
}

/* ---- delete ----------------------------------------------------------------------------------------*/

Test(contract, deleting_takes_a_blob_a_link_or_an_empty_directory)
{
    OK(save_text(box.store, "d/f", "x", HOLOG_PARENTS));
    OK(holog_symlink(box.store, "d/f", "link", 0, NULL));
    FAILS(HOLOG_E_NOENT, holog_delete(box.store, "gone", NULL), "gone");
    FAILS(HOLOG_E_NOENT, holog_delete(box.store, "gone/x", NULL), "gone");
    FAILS(HOLOG_E_NOTDIR, holog_delete(box.store, "d/f/x", NULL), "d/f");
    FAILS(HOLOG_E_NOTEMPTY, holog_delete(box.store, "d", NULL), "d");
    FAILS(HOLOG_E_INVAL, holog_delete(box.store, "/", NULL), "/");
    OK(holog_delete(box.store, "link", NULL));
    has_text(box.store, "d/f", "x");
    OK(holog_delete(box.store, "d/f", NULL));
    OK(holog_delete(box.store, "d", NULL));
    cr_assert_eq(type_of(box.store, "d"), HOLOG_MISSING);
    list_is("/", 0, NULL, NULL, "");
}

Test(contract, a_deleted_path_takes_a_new_entry_of_another_type)
{
    OK(save_text(box.store, "p", "x", 0));
    OK(holog_delete(box.store, "p", NULL));
    OK(holog_mkdir(box.store, "p", 0, NULL));
    OK(holog_delete(box.store, "p", NULL));
    OK(holog_symlink(box.store, "q", "p", 0, NULL));
    box_same_after_reopen(&box);
    cr_assert_eq(type_of(box.store, "p"), HOLOG_SYMLINK);
}

Test(contract, deleting_all_is_one_commit)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < 50; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "d/%u/f", i);
        OK(save_text(box.store, path, "x", RP));
    }
    OK(save_text(box.store, "d1", "stays", 0));
    OK(save_text(box.store, "d0/f", "stays", RP));
    OK(holog_delete_all(box.store, "d", &number));
    cr_assert_eq(number, 53);
    list_is("/", HOLOG_LIST_RECURSIVE, NULL, NULL, "d0 d0/f d1 ");
    FAILS(HOLOG_E_NOENT, holog_delete_all(box.store, "d", NULL), "d");
    OK(holog_delete_all(box.store, "d1", NULL));
    OK(holog_delete_all(box.store, "/", NULL));
    list_is("/", 0, NULL, NULL, "");
    OK(save_text(box.store, "again", "x", 0));
}

/* ---- copy and move ---------------------------------------------------------------------------------*/

Test(contract, copying_a_blob_copies_no_bytes)
{
    holog_stat_info from = { .struct_size = sizeof from };
    holog_stat_info to = { .struct_size = sizeof to };
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };

    OK(save_seed(box.store, "big", 500000, 3, 0));
    OK(holog_stats_get(box.store, &before));
    OK(holog_copy(box.store, "big", "copy", 0, NULL));
    OK(holog_stats_get(box.store, &after));
    cr_assert_lt(after.bytes_written - before.bytes_written, 20000);
    OK(holog_stat(box.store, "big", &from));
    OK(holog_stat(box.store, "copy", &to));
    cr_assert_eq(from.segment, to.segment);
    cr_assert_eq(from.offset, to.offset);
    cr_assert_eq(from.time_ns, to.time_ns);
    OK(holog_delete(box.store, "big", NULL));
    has_seed(box.store, "copy", 500000, 3);
    OK(save_text(box.store, "copy", "new", RP));
}

static void some_tree(void)
{
    OK(save_text(box.store, "t/a", "1", RP));
    OK(save_text(box.store, "t/s/b", "2", RP));
    OK(holog_symlink(box.store, "s/b", "t/link", 0, NULL));
    OK(save_text(box.store, "f", "x", RP));
    OK(holog_mkdir(box.store, "d", 0, NULL));
}

Test(contract, copying_a_directory_takes_all_below_and_keeps_links)
{
    char target[32];

    some_tree();
    OK(holog_copy(box.store, "t", "d/u", 0, NULL));
    list_is("d", HOLOG_LIST_RECURSIVE, NULL, NULL, "d/u d/u/a d/u/link d/u/s d/u/s/b ");
    OK(holog_readlink(box.store, "d/u/link", target, sizeof target));
    cr_assert_str_eq(target, "s/b");
    has_text(box.store, "d/u/link", "2");
    OK(save_text(box.store, "d/u/a", "changed", RP));
    has_text(box.store, "t/a", "1");
}

Test(contract, copy_and_move_check_both_ends)
{
    some_tree();
    for (int move = 0; move < 2; move++) {
        int (*call)(holog_store *, const char *, const char *, unsigned, uint64_t *) =
            move ? holog_move : holog_copy;
        FAILS(HOLOG_E_NOENT, call(box.store, "gone", "x", 0, NULL), "gone");
        FAILS(HOLOG_E_NOENT, call(box.store, "f", "no/x", 0, NULL), "no");
        FAILS(HOLOG_E_NOTDIR, call(box.store, "t/a", "f/x", 0, NULL), "f");
        FAILS(HOLOG_E_EXIST, call(box.store, "t/a", "f", 0, NULL), "f");
        FAILS(HOLOG_E_EXIST, call(box.store, "t/a", "d", 0, NULL), "d");
        FAILS(HOLOG_E_ISDIR, call(box.store, "t/a", "d", HOLOG_REPLACE, NULL), "d");
        FAILS(HOLOG_E_NOTDIR, call(box.store, "t", "f", HOLOG_REPLACE, NULL), "f");
        FAILS(HOLOG_E_INVAL, call(box.store, "t", "t/s/in", 0, NULL), "t/s/in");
        FAILS(HOLOG_E_INVAL, call(box.store, "/", "x", 0, NULL), "/");
        FAILS(HOLOG_E_INVAL, call(box.store, "f", NULL, 0, NULL), "destination");
    }
    cr_assert_eq(holog_last_number(box.store), 5);
    OK(holog_copy(box.store, "t/a", "f", HOLOG_REPLACE, NULL));
    has_text(box.store, "f", "1");
}

Test(contract, moving_a_directory_is_one_commit_and_leaves_nothing_behind)
{
    uint64_t number = 0;

    some_tree();
    OK(holog_move(box.store, "t", "d/moved", 0, &number));
    cr_assert_eq(number, 6);
    list_is("/", HOLOG_LIST_RECURSIVE, NULL, NULL,
            "d d/moved d/moved/a d/moved/link d/moved/s d/moved/s/b f ");
    has_text(box.store, "d/moved/link", "2");
    OK(holog_move(box.store, "d/moved/a", "f", HOLOG_REPLACE, NULL));
    has_text(box.store, "f", "1");
    cr_assert_eq(type_of(box.store, "d/moved/a"), HOLOG_MISSING);
}

Test(contract, moving_a_symlink_moves_the_link)
{
    some_tree();
    OK(holog_symlink(box.store, "f", "link", 0, NULL));
    OK(holog_move(box.store, "link", "d/link", 0, NULL));
    cr_assert_eq(type_of(box.store, "d/link"), HOLOG_SYMLINK);
    has_text(box.store, "f", "x");
}

Test(contract, links_that_lead_to_the_root_are_as_good_as_the_root)
{
    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(holog_symlink(box.store, "..", "d/up", 0, NULL));
    OK(holog_symlink(box.store, "/", "top", 0, NULL));
    OK(holog_mkdir(box.store, "d/up", HOLOG_PARENTS, NULL));
    OK(holog_mkdir(box.store, "top", HOLOG_PARENTS, NULL));
    OK(save_text(box.store, "top/d/up/f", "x", HOLOG_PARENTS));
    has_text(box.store, "f", "x");
    FAILS(HOLOG_E_EXIST, holog_copy(box.store, "f", "/", 0, NULL), "/");
    FAILS(HOLOG_E_ISDIR, holog_copy(box.store, "f", "/", HOLOG_REPLACE, NULL), "/");
    FAILS(HOLOG_E_EXIST, holog_mkdir(box.store, "d/up", 0, NULL), "d/up");
    cr_assert_eq(type_of(box.store, "d/up"), HOLOG_SYMLINK);
}

/* ---- symlinks and stat -----------------------------------------------------------------------------*/

Test(contract, a_symlink_keeps_its_target_as_given)
{
    char target[64];

    OK(holog_symlink(box.store, "../no//such/./thing", "link", 0, NULL));
    OK(holog_readlink(box.store, "link", target, sizeof target));
    cr_assert_str_eq(target, "../no//such/./thing");
    FAILS(HOLOG_E_RANGE, holog_readlink(box.store, "link", target, 19), "19");
    FAILS(HOLOG_E_EXIST, holog_symlink(box.store, "x", "link", 0, NULL), "link");
    OK(holog_symlink(box.store, "x", "link", HOLOG_REPLACE, NULL));
    FAILS(HOLOG_E_NOENT, holog_symlink(box.store, "x", "no/link", 0, NULL), "no");
    FAILS(HOLOG_E_INVAL, holog_symlink(box.store, "", "link2", 0, NULL), "target");
    FAILS(HOLOG_E_INVAL, holog_symlink(box.store, NULL, "link2", 0, NULL), "target");
}

Test(contract, a_directory_that_is_gone_lists_what_was_in_it)
{
    const holog_entry *entry = NULL;
    holog_cursor *cursor = NULL;
    holog_view *view = NULL;
    uint64_t before = 0;

    OK(holog_save(box.store, "d/f", "x", 1, HOLOG_PARENTS, &before));
    OK(holog_delete_all(box.store, "d", NULL));
    OK(holog_view_open_at(box.store, before, &view));
    OK(holog_view_list(view, "d", 0, NULL, NULL, &cursor));
    OK(holog_cursor_next(cursor, &entry));
    cr_assert_str_eq(entry->path, "d/f");
    cr_assert_eq(holog_cursor_next(cursor, &entry), HOLOG_E_NOENT);
    holog_cursor_close(cursor);
    holog_view_close(view);
}

Test(contract, a_view_reads_links_as_they_were)
{
    holog_view *view = NULL;
    char target[64];

    OK(holog_symlink(box.store, "old", "link", 0, NULL));
    OK(holog_view_open(box.store, &view));
    OK(holog_symlink(box.store, "new", "link", HOLOG_REPLACE, NULL));
    OK(holog_view_readlink(view, "link", target, sizeof target));
    cr_assert_str_eq(target, "old");
    FAILS(HOLOG_E_RANGE, holog_view_readlink(view, "link", target, 3), "3");
    OK(holog_delete(box.store, "link", NULL));
    OK(holog_view_readlink(view, "link", target, sizeof target));
    holog_view_close(view);
    FAILS(HOLOG_E_NOENT, holog_readlink(box.store, "link", target, sizeof target), "link");
    FAILS(HOLOG_E_INVAL, holog_view_readlink(NULL, "link", target, sizeof target), NULL);
}

Test(contract, stat_does_not_follow_and_a_missing_entry_is_no_error)
{
    holog_stat_info info = { .struct_size = sizeof info };

    OK(save_text(box.store, "d/f", "12345", HOLOG_PARENTS));
    OK(holog_symlink(box.store, "d", "todir", 0, NULL));
    OK(holog_symlink(box.store, "gone", "dangling", 0, NULL));
    OK(holog_stat(box.store, "d/f", &info));
    cr_assert_eq(info.type, HOLOG_BLOB);
    cr_assert_eq(info.size_bytes, 5);
    cr_assert_eq(info.csum, (49 + 50 + 51 + 52 + 53) % 96);
    cr_assert_gt(info.time_ns, 0);
    OK(holog_stat(box.store, "todir", &info));
    cr_assert_eq(info.type, HOLOG_SYMLINK);
    cr_assert_eq(info.target_type, HOLOG_DIRECTORY);
    cr_assert_eq(info.size_bytes, 1);
    OK(holog_stat(box.store, "dangling", &info));
    cr_assert_eq(info.target_type, HOLOG_MISSING);
    OK(holog_stat(box.store, "todir/f", &info));
    cr_assert_eq(info.type, HOLOG_BLOB);
    OK(holog_stat(box.store, "d/none", &info));
    cr_assert_eq(info.type, HOLOG_MISSING);
    OK(holog_stat(box.store, "/", &info));
    cr_assert_eq(info.type, HOLOG_DIRECTORY);
    FAILS(HOLOG_E_NOENT, holog_stat(box.store, "none/x", &info), "none");
    FAILS(HOLOG_E_NOTDIR, holog_stat(box.store, "d/f/x", &info), "d/f");
}

static int fill_stat(void *out)
{
    return holog_stat(box.store, "a", out);
}

static int fill_stats(void *out)
{
    return holog_stats_get(box.store, out);
}

static int fill_report(void *out)
{
    return holog_recovery_info(box.store, out);
}

static int fill_repair(void *out)
{
    return holog_repair(box.dir, HOLOG_REPAIR_POINT_IN_TIME, 1, NULL, NULL, out);
}

/* A caller built with an earlier header has less room, one with a later header more. */
Test(contract, a_struct_is_filled_only_as_far_as_the_caller_knows_it)
{
    static const struct {
        int (*fill)(void *out);
        uint32_t size;
    } structs[] = { { fill_stat, sizeof(holog_stat_info) },
                    { fill_stats, sizeof(holog_stats) },
                    { fill_report, sizeof(holog_recovery_report) },
                    { fill_repair, sizeof(holog_repair_report) } };
    static union {
        uint32_t struct_size;
        uint64_t align;
        uint8_t bytes[16384];
    } u;

    OK(save_text(box.store, "a", "1", 0));
    for (size_t i = 0; i < sizeof structs / sizeof structs[0]; i++) {
        const uint32_t sizes[] = { 8, 12, 24, structs[i].size, structs[i].size + 100 };
        if (structs[i].fill == fill_repair)
            OK(holog_close(box.store)); /* it takes the lock */
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            uint32_t knows = sizes[k] < structs[i].size ? sizes[k] : structs[i].size;
            memset(&u, 0xee, sizeof u);
            u.struct_size = sizes[k];
            OK(structs[i].fill(&u));
            cr_assert_eq(u.struct_size, knows);
            for (size_t at = knows; at < sizeof u; at++)
                cr_assert_eq(u.bytes[at], 0xee, "struct %zu of %u bytes: byte %zu", i, sizes[k],
                             at);
        }
        for (uint32_t size = 0; size < 8; size += 7) {
            u.struct_size = size;
            FAILS(HOLOG_E_INVAL, structs[i].fill(&u), "struct_size");
        }
        if (structs[i].fill != fill_repair) /* who wants no report */
            FAILS(HOLOG_E_INVAL, structs[i].fill(NULL), "NULL");
    }
    box_open(&box);
}

Test(contract, commit_times_never_go_back)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < 50; i++) {
        holog_stat_info info = { .struct_size = sizeof info };
        OK(save_text(box.store, "f", "x", HOLOG_REPLACE));
        OK(holog_stat(box.store, "f", &info));
        cr_assert_geq(info.time_ns, last);
        last = info.time_ns;
    }
}

/* ---- paths -----------------------------------------------------------------------------------------*/

Test(contract, one_entry_however_its_path_is_spelt)
{
    static const char *const spelt[] = {
        "a/b", "/a/b", "//a//b//", "./a/./b/.", "a/b/", "././a/b"
    };

    OK(save_text(box.store, "a/b", "x", HOLOG_PARENTS));
    for (size_t i = 0; i < sizeof spelt / sizeof spelt[0]; i++) {
        has_text(box.store, spelt[i], "x");
        FAILS(HOLOG_E_EXIST, save_text(box.store, spelt[i], "y", 0), "a/b");
    }
    FAILS(HOLOG_E_NOENT, save_text(box.store, "A/b", "y", 0), "A"); /* case counts */
}

Test(contract, dot_dot_is_refused_wherever_it_stands)
{
    static const char *const bad[] = { "..", "../a", "a/..", "a/../b", "a/b/../../c", "/.." };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        holog_stat_info info = { .struct_size = sizeof info };
        FAILS(HOLOG_E_BADPATH, save_text(box.store, bad[i], "x", RP), "..");
        FAILS(HOLOG_E_BADPATH, holog_stat(box.store, bad[i], &info), "..");
    }
    OK(save_text(box.store, "...", "fine", 0));
    OK(save_text(box.store, "..a", "fine", 0));
    OK(save_text(box.store, "a..", "fine", 0));
}

Test(contract, what_is_not_utf8_is_refused)
{
    static const char *const bad[] = {
        "\xff",         "a/\x80",           "\xc0\x80", "\xc1\xbf",     "\xe0\x80\xaf",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "x\xf0\x9f\x98"
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(HOLOG_E_BADPATH, save_text(box.store, bad[i], "x", RP), "UTF-8");
    OK(save_text(box.store, "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9", "fine", 0));
    cr_assert_eq(holog_last_number(box.store), 1);
}

Test(contract, slashes_and_dots_alone_are_the_root_and_an_empty_path_is_a_mistake)
{
    static const char *const root[] = { "/", ".", "./", "//", "/./." };
    holog_stat_info info = { .struct_size = sizeof info };

    for (size_t i = 0; i < sizeof root / sizeof root[0]; i++) {
        cr_assert_eq(type_of(box.store, root[i]), HOLOG_DIRECTORY);
        FAILS(HOLOG_E_EXIST, save_text(box.store, root[i], "x", 0), "/");
    }
    FAILS(HOLOG_E_BADPATH, holog_stat(box.store, "", &info), "empty");
    FAILS(HOLOG_E_BADPATH, save_text(box.store, "", "x", 0), "empty");
    FAILS(HOLOG_E_BADPATH, holog_delete_all(box.store, "", NULL), "empty");
    FAILS(HOLOG_E_BADPATH, holog_move(box.store, "a", "", 0, NULL), "empty");
}

Test(contract, components_of_255_bytes_and_no_more)
{
    char path[300];

    memset(path, 'n', sizeof path);
    path[255] = 0;
    OK(save_text(box.store, path, "x", 0));
    path[255] = 'n';
    path[256] = 0;
    FAILS(HOLOG_E_NAMETOOLONG, save_text(box.store, path, "x", 0), "component 1");
}

Test(contract, sixty_four_components_and_no_more)
{
    char path[200];
    size_t n = 0;

    for (unsigned i = 0; i < 64; i++)
        n += (size_t)snprintf(path + n, sizeof path - n, "%sd", i == 0 ? "" : "/");
    OK(save_text(box.store, path, "x", HOLOG_PARENTS));
    has_text(box.store, path, "x");
    (void)snprintf(path + n, sizeof path - n, "/d");
    FAILS(HOLOG_E_NAMETOOLONG, save_text(box.store, path, "x", HOLOG_PARENTS), "depth");
}

/* 4096 bytes: components of 240 and what is left. */
static size_t long_path(char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = i % 241 == 240 && i + 1 < len ? '/' : (char)('a' + i % 23);
    out[len] = 0;
    return len;
}

Test(contract, paths_of_4096_bytes_and_no_more)
{
    char path[HOLOG_PATH_MAX + 8];

    (void)long_path(path, HOLOG_PATH_MAX);
    OK(save_seed(box.store, path, 100, 1, HOLOG_PARENTS));
    has_seed(box.store, path, 100, 1);
    OK(save_seed(box.store, path, 100000, 2, HOLOG_REPLACE));
    box_same_after_reopen(&box);
    has_seed(box.store, path, 100000, 2);
    OK(holog_delete(box.store, path, NULL));
    OK(holog_symlink(box.store, path, "link", 0, NULL));
    (void)long_path(path, HOLOG_PATH_MAX + 1);
    FAILS(HOLOG_E_NAMETOOLONG, save_text(box.store, path, "x", HOLOG_PARENTS), "4096");
    FAILS(HOLOG_E_NAMETOOLONG, holog_symlink(box.store, path, "link2", 0, NULL), "4096");
}

Test(contract, moving_a_tree_to_where_its_paths_would_be_too_long_is_refused)
{
    char path[HOLOG_PATH_MAX + 8];
    char to[512];

    (void)long_path(path, 4000);
    OK(save_text(box.store, path, "x", HOLOG_PARENTS));
    path[240] = 0; /* the first component */
    memset(to, 'b', sizeof to);
    to[200] = '/';
    to[401] = 0;
    OK(holog_mkdir(box.store, "b", 0, NULL));
    to[200] = 0;
    OK(holog_mkdir(box.store, to, 0, NULL));
    to[200] = '/';
    FAILS(HOLOG_E_NAMETOOLONG, holog_copy(box.store, path, to, 0, NULL), "too long");
    FAILS(HOLOG_E_NAMETOOLONG, holog_move(box.store, path, to, 0, NULL), "too long");
    cr_assert_eq(type_of(box.store, path), HOLOG_DIRECTORY);
    cr_assert_eq(type_of(box.store, to), HOLOG_MISSING);
}

Test(contract, a_symlinks_target_is_utf8)
{
    holog_txn *txn = NULL;

    FAILS(HOLOG_E_BADPATH, holog_symlink(box.store, "d/\xff", "l", 0, NULL), "UTF-8");
    OK(holog_begin(box.store, &txn));
    FAILS(HOLOG_E_BADPATH, holog_txn_symlink(txn, "\xc3", "l", 0), "UTF-8");
    OK(holog_txn_symlink(txn, "\xc3\xa9", "l", 0));
    holog_abort(txn);
}

Test(contract, a_setting_of_ones_own_has_a_name)
{
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "user.", "x", NULL, 0), "user.");
    OK(holog_config(box.store, "user.x", "x", NULL, 0));
}
