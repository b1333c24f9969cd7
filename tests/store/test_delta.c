/*
 * Deltas by the public calls, on a real directory; after each test the store is reopened and must
 * show the same.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holog/versions.h"
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

TestSuite(delta, .init = setup, .fini = teardown, .timeout = 120);

static holog_delta insert(uint64_t start, const char *text)
{
    return (holog_delta){
        .kind = HOLOG_DELTA_INSERT, .start = start, .data = text, .len_bytes = strlen(text)
    };
}

static holog_delta update(uint64_t start, uint64_t end, const char *text)
{
    return (holog_delta){ .kind = HOLOG_DELTA_UPDATE,
                          .start = start,
                          .end = end,
                          .data = text,
                          .len_bytes = strlen(text) };
}

static holog_delta cut(uint64_t start, uint64_t end)
{
    return (holog_delta){ .kind = HOLOG_DELTA_DELETE, .start = start, .end = end };
}

static holog_delta move(uint64_t start, uint64_t end, uint64_t to)
{
    return (holog_delta){ .kind = HOLOG_DELTA_MOVE, .start = start, .end = end, .to = to };
}

static int apply(const char *path, holog_delta d)
{
    return holog_apply(box.store, path, &d, 1, 0, 0, NULL);
}

/* ---- what a delta does ---------------------------------------------------------------------------*/

Test(delta, each_kind_does_what_it_says)
{
    OK(save_text(box.store, "v", "0123456789", 0));
    OK(apply("v", insert(0, "<")));
    has_text(box.store, "v", "<0123456789");
    OK(apply("v", insert(11, ">")));
    has_text(box.store, "v", "<0123456789>");
    OK(apply("v", update(1, 4, "ab")));
    has_text(box.store, "v", "<ab3456789>");
    OK(apply("v", update(3, 4, "three")));
    has_text(box.store, "v", "<abthree456789>");
    OK(apply("v", cut(0, 3)));
    has_text(box.store, "v", "three456789>");
    OK(apply("v", move(0, 5, 12)));
    has_text(box.store, "v", "456789>three");
    OK(apply("v", move(6, 7, 0)));
    has_text(box.store, "v", ">456789three");
    OK(apply("v", cut(0, 12)));
    has_text(box.store, "v", "");
    OK(apply("v", insert(0, "again")));
    has_text(box.store, "v", "again");
}

Test(delta, a_range_gives_way_to_less_or_more)
{
    static char bytes[400];
    static char more[5000];
    holog_value *v = NULL;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    OK(holog_save(box.store, "v", bytes, sizeof bytes, 0, NULL));
    OK(apply("v", (holog_delta){ .kind = HOLOG_DELTA_UPDATE,
                                 .start = 300,
                                 .end = 310,
                                 .data = "\6\7",
                                 .len_bytes = 2 }));
    OK(holog_load(box.store, "v", &v));
    cr_assert_eq(holog_value_size(v), 392);
    cr_assert_eq(memcmp(holog_value_data(v), bytes, 300), 0);
    cr_assert_eq(memcmp((const char *)holog_value_data(v) + 300, "\6\7", 2), 0);
    cr_assert_eq(memcmp((const char *)holog_value_data(v) + 302, bytes + 310, 90), 0);
    holog_value_release(v);

    OK(save_text(box.store, "ten", "0123456789", 0));
    memset(more, 'x', sizeof more);
    OK(apply("ten",
             (holog_delta){
                 .kind = HOLOG_DELTA_INSERT, .start = 5, .data = more, .len_bytes = sizeof more }));
    OK(holog_load(box.store, "ten", &v));
    cr_assert_eq(holog_value_size(v), 5010);
    cr_assert_eq(memcmp(holog_value_data(v), "01234", 5), 0);
    cr_assert_eq(memcmp((const char *)holog_value_data(v) + 5, more, sizeof more), 0);
    cr_assert_eq(memcmp((const char *)holog_value_data(v) + 5005, "56789", 5), 0);
    holog_value_release(v);
}

Test(delta, past_the_end_is_refused_and_says_where)
{
    uint64_t last;

    OK(save_text(box.store, "v", "0123456789", 0));
    last = holog_last_number(box.store);
    FAILS(HOLOG_E_RANGE, apply("v", insert(11, "x")), "11");
    FAILS(HOLOG_E_RANGE, apply("v", insert(11, "x")), "10 bytes");
    FAILS(HOLOG_E_RANGE, apply("v", update(9, 11, "x")), "11");
    FAILS(HOLOG_E_RANGE, apply("v", cut(0, 11)), "v");
    FAILS(HOLOG_E_RANGE, apply("v", move(0, 2, 11)), "11");
    FAILS(HOLOG_E_RANGE, apply("v", move(9, 12, 0)), "12");
    FAILS(HOLOG_E_RANGE, apply("v", cut(UINT64_MAX - 1, UINT64_MAX)), NULL);
    FAILS(HOLOG_E_INVAL, apply("v", cut(3, 2)), "3");
    FAILS(HOLOG_E_INVAL, apply("v", update(3, 2, "")), NULL);
    FAILS(HOLOG_E_INVAL, apply("v", move(2, 6, 4)), "4");
    FAILS(HOLOG_E_INVAL, apply("v", (holog_delta){ .kind = 5 }), "5");
    FAILS(HOLOG_E_INVAL, apply("v", (holog_delta){ .kind = HOLOG_DELTA_INSERT, .len_bytes = 1 }),
          "NULL");
    FAILS(HOLOG_E_NOENT, apply("missing", insert(0, "x")), "missing");
    OK(holog_mkdir(box.store, "d", 0, NULL));
    FAILS(HOLOG_E_ISDIR, apply("d", insert(0, "x")), "d");
    FAILS(HOLOG_E_ISDIR, apply("/", insert(0, "x")), "/");
    has_text(box.store, "v", "0123456789");
    cr_assert_eq(holog_last_number(box.store), last + 1, "only the mkdir");
}

Test(delta, a_value_that_none_can_be_as_long_as_is_refused)
{
    const uint64_t last = (UINT64_C(1) << 48) - 1;

    OK(save_text(box.store, "v", "abc", 0));
    FAILS(HOLOG_E_RANGE, apply("v", insert(last, "x")), NULL);
    FAILS(HOLOG_E_RANGE, apply("v", update(last - 1, last, "xxx")), NULL);
    FAILS(HOLOG_E_RANGE, apply("v", insert(last - 1, "x")), "3 bytes");
    FAILS(HOLOG_E_NOENT, apply("missing", insert(last - 1, "x")), "missing");
    has_text(box.store, "v", "abc");
}

Test(delta, a_change_of_nothing_is_a_version)
{
    uint64_t a = 0;
    uint64_t b = 0;
    holog_delta d[4] = { insert(3, ""), update(2, 2, ""), cut(6, 6), move(1, 4, 4) };

    OK(save_text(box.store, "v", "abcdef", 0));
    for (int i = 0; i < 4; i++) {
        OK(holog_apply(box.store, "v", &d[i], 1, 0, 0, &b));
        cr_assert(b > a);
        a = b;
        has_text(box.store, "v", "abcdef");
    }
    OK(holog_apply(box.store, "v", NULL, 0, 0, 0, &b));
    cr_assert_eq(a, b, "no deltas, no commit");
}

Test(delta, a_batch_with_one_bad_member_changes_nothing)
{
    holog_delta d[3] = { insert(0, "xx"), cut(0, 1), insert(99, "y") };
    uint64_t before;

    OK(save_text(box.store, "v", "abc", 0));
    before = holog_last_number(box.store);
    FAILS(HOLOG_E_RANGE, holog_apply(box.store, "v", d, 3, 0, 0, NULL), "99");
    has_text(box.store, "v", "abc");
    cr_assert_eq(holog_last_number(box.store), before);
    d[2] = insert(4, "y");
    OK(holog_apply(box.store, "v", d, 3, 0, 0, NULL));
    has_text(box.store, "v", "xabcy");
    cr_assert_eq(holog_last_number(box.store), before + 1, "one commit for all");
}

Test(delta, what_was_expected_must_be_there)
{
    holog_delta d = insert(0, "x");
    uint64_t a = 0;
    uint64_t b = 0;

    OK(holog_save(box.store, "v", "abc", 3, 0, &a));
    OK(holog_apply(box.store, "v", &d, 1, 0, a, &b));
    FAILS(HOLOG_E_CONFLICT, holog_apply(box.store, "v", &d, 1, 0, a, NULL), "v");
    OK(holog_apply(box.store, "v", &d, 1, 0, b, &a));
    has_text(box.store, "v", "xxabc");
    FAILS(HOLOG_E_CONFLICT, holog_apply(box.store, "v", (holog_delta[]){ d, d }, 2, 0, b, NULL),
          "v");
    OK(holog_apply(box.store, "v", (holog_delta[]){ d, d }, 2, 0, a, NULL)); /* before them all */
    has_text(box.store, "v", "xxxxabc");
}

Test(delta, a_symlink_is_followed)
{
    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(save_text(box.store, "d/v", "abc", 0));
    OK(holog_symlink(box.store, "d/v", "link", 0, NULL));
    OK(apply("link", insert(1, "-")));
    has_text(box.store, "d/v", "a-bc");
    cr_assert_eq(type_of(box.store, "link"), HOLOG_SYMLINK);
    OK(holog_symlink(box.store, "nowhere", "dangling", 0, NULL));
    FAILS(HOLOG_E_NOENT, apply("dangling", insert(0, "-")), "nowhere");
}

Test(delta, copies_and_moves_have_versions_of_their_own_from_then_on)
{
    OK(save_text(box.store, "a", "abc", 0));
    OK(apply("a", insert(3, "d")));
    OK(holog_copy(box.store, "a", "b", 0, NULL));
    OK(apply("a", insert(0, "1")));
    OK(apply("b", insert(0, "2")));
    OK(holog_move(box.store, "a", "c", 0, NULL));
    OK(apply("c", insert(0, "3")));
    has_text(box.store, "b", "2abcd");
    has_text(box.store, "c", "31abcd");
}

static int txn_apply(holog_txn *t, const char *path, holog_delta d)
{
    return holog_txn_apply(t, path, &d, 1, 0);
}

/* ---- sums ----------------------------------------------------------------------------------------*/

static unsigned sum_of(const char *path)
{
    holog_value *v = NULL;
    unsigned sum = 0;

    OK(holog_load(box.store, path, &v));
    for (size_t i = 0; i < holog_value_size(v); i++)
        sum += ((const unsigned char *)holog_value_data(v))[i];
    holog_value_release(v);
    return sum % 96;
}

static unsigned csum_of(const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };

    OK(holog_stat(box.store, path, &info));
    return info.csum;
}

Test(delta, the_sum_is_kept_up)
{
    holog_stat_info info = { .struct_size = sizeof info };

    OK(save_text(box.store, "v", "some words that add up", 0));
    OK(apply("v", insert(4, "more and more")));
    cr_assert_eq(csum_of("v"), sum_of("v"));
    OK(apply("v", update(2, 9, "\xff\xfe")));
    cr_assert_eq(csum_of("v"), sum_of("v"));
    OK(apply("v", cut(1, 3)));
    cr_assert_eq(csum_of("v"), sum_of("v"));
    OK(apply("v", move(1, 5, 8)));
    cr_assert_eq(csum_of("v"), sum_of("v"));
    OK(holog_stat(box.store, "v", &info));
    cr_assert(info.hash_lo == 0 && info.hash_hi == 0, "no hash of the whole is kept");
}

Test(delta, conservation_is_enforced_for_each_value_of_a_commit)
{
    holog_delta d[2] = { update(0, 1, "b"), update(1, 2, "a") };

    OK(save_text(box.store, "v", "abc", 0));
    OK(holog_config(box.store, "conservation", "enforce", NULL, 0));
    FAILS(HOLOG_E_INVAL, holog_config(box.store, "conservation", "perhaps", NULL, 0), "perhaps");
    FAILS(HOLOG_E_CONSERVE, apply("v", d[0]), "6"); /* 97 + 98 + 99 = 3 * 96 + 6 */
    FAILS(HOLOG_E_CONSERVE, apply("v", d[0]), "would be 7");
    OK(apply("v", move(0, 1, 3)));
    has_text(box.store, "v", "bca");
    OK(holog_apply(box.store, "v", (holog_delta[]){ update(0, 1, "c"), update(1, 2, "b") }, 2, 0, 0,
                   NULL)); /* only together */
    has_text(box.store, "v", "cba");
    OK(holog_apply(box.store, "v", d, 1, HOLOG_BALANCE, 0, NULL));
    has_text(box.store, "v", "bba");
    cr_assert_eq(csum_of("v"), 5);
    OK(holog_config(box.store, "conservation", "off", NULL, 0));
    OK(apply("v", d[1]));
    has_text(box.store, "v", "baa");
    cr_assert_eq(csum_of("v"), 127, "not known");
    OK(holog_config(box.store, "conservation", "track", NULL, 0));
}

Test(delta, a_value_that_breaks_conservation_is_found_behind_others_that_do_not)
{
    holog_txn *t = NULL;

    OK(save_text(box.store, "v", "abc", 0));
    OK(save_text(box.store, "w", "abc", 0));
    OK(holog_config(box.store, "conservation", "enforce", NULL, 0));
    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", move(0, 1, 3)));
    OK(txn_apply(t, "w", insert(0, "x")));
    FAILS(HOLOG_E_CONSERVE, holog_commit(t, NULL), "w");
    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", update(0, 1, "b")));
    OK(txn_apply(t, "v", update(1, 2, "a"))); /* so that the first of them is not what stays */
    OK(txn_apply(t, "w", insert(0, "x")));
    FAILS(HOLOG_E_CONSERVE, holog_commit(t, NULL), "w");
    has_text(box.store, "v", "abc");
    has_text(box.store, "w", "abc");
}

static int find_deficit(void *ctx, const holog_commit_info *info)
{
    for (const char *const *m = info->meta; m != NULL && m[0] != NULL; m += 2)
        if (strcmp(m[0], "holog.deficit") == 0)
            (void)snprintf(ctx, 64, "%s", m[1]);
    return 1;
}

Test(delta, what_a_balanced_delta_lacks_goes_with_the_commit)
{
    char found[64] = "";
    holog_delta d = update(0, 1, "b");

    OK(save_text(box.store, "v", "abc", 0));
    OK(holog_config(box.store, "conservation", "enforce", NULL, 0));
    OK(holog_apply(box.store, "v", &d, 1, HOLOG_BALANCE, 0, NULL));
    OK(holog_sync(box.store));
    OK(holog_log(box.store, NULL, 0, 1, find_deficit, found));
    cr_assert_str_eq(found, "89 v"); /* 98 + 98 + 99 = 3 * 96 + 7 */
}

/* ---- transactions --------------------------------------------------------------------------------*/

static void txn_has(holog_txn *t, const char *path, const char *text)
{
    holog_value *v = NULL;

    OK(holog_txn_load(t, path, &v));
    cr_assert_eq(holog_value_size(v), strlen(text), "%s", path);
    cr_assert_eq(memcmp(holog_value_data(v), text, strlen(text)), 0, "%s", path);
    holog_value_release(v);
}

Test(delta, a_transaction_reads_its_own_deltas)
{
    holog_txn *t = NULL;
    uint32_t sp = 0;
    holog_delta bad[2] = { insert(0, "??"), insert(99, "?") };

    OK(save_text(box.store, "v", "abc", 0));
    OK(holog_begin(box.store, &t));
    OK(holog_txn_save(t, "d/w", "new", 3, HOLOG_PARENTS));
    OK(txn_apply(t, "v", insert(3, "d")));
    OK(txn_apply(t, "v", cut(0, 1)));
    txn_has(t, "v", "bcd");
    OK(txn_apply(t, "d/w", update(0, 1, "N")));
    txn_has(t, "d/w", "New");
    OK(holog_txn_savepoint(t, &sp));
    OK(txn_apply(t, "v", insert(0, "!")));
    txn_has(t, "v", "!bcd");
    FAILS(HOLOG_E_RANGE, holog_txn_apply(t, "v", bad, 2, 0), "99");
    txn_has(t, "v", "!bcd");
    OK(holog_txn_rollback_to(t, sp));
    txn_has(t, "v", "bcd");
    OK(holog_txn_copy(t, "v", "w", 0));
    OK(txn_apply(t, "w", insert(3, "e")));
    txn_has(t, "w", "bcde");
    has_text(box.store, "v", "abc");
    FAILS(HOLOG_E_RANGE, txn_apply(t, "v", insert(4, "x")), "4");
    OK(holog_commit(t, NULL));
    has_text(box.store, "v", "bcd");
    has_text(box.store, "w", "bcde");
    has_text(box.store, "d/w", "New");
}

static void save_more_than_a_frame_holds(holog_txn *t, unsigned from)
{
    static char text[1000];

    for (unsigned i = from; i < from + 100; i++) {
        char path[20];
        (void)snprintf(path, sizeof path, "%u", i);
        OK(holog_txn_save(t, path, text, sizeof text, 0));
    }
}

Test(delta, deltas_that_were_taken_back_do_not_bound_the_commit)
{
    holog_txn *t = NULL;
    uint32_t sp = 0;

    OK(save_text(box.store, "v", "abc", 0));
    OK(holog_begin(box.store, &t));
    OK(holog_txn_savepoint(t, &sp));
    OK(txn_apply(t, "v", insert(0, "!")));
    OK(txn_apply(t, "v", insert(1, "?")));
    OK(holog_txn_rollback_to(t, sp));
    save_more_than_a_frame_holds(t, 0);
    OK(holog_commit(t, NULL));
    OK(holog_begin(box.store, &t));
    FAILS(HOLOG_E_RANGE, txn_apply(t, "v", insert(4, "!")), "4");
    save_more_than_a_frame_holds(t, 100);
    OK(holog_commit(t, NULL));
    has_text(box.store, "v", "abc");
    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", insert(0, "!")));
    OK(holog_txn_savepoint(t, &sp));
    OK(holog_txn_delete(t, "0"));
    OK(txn_apply(t, "v", insert(1, "?")));
    OK(holog_txn_rollback_to(t, sp));
    txn_has(t, "v", "!abc");
    OK(holog_commit(t, NULL));
    has_text(box.store, "v", "!abc");
}

Test(delta, a_value_that_was_read_must_not_have_changed)
{
    holog_txn *t = NULL;

    OK(save_text(box.store, "v", "abc", 0));
    OK(holog_begin(box.store, &t));
    txn_has(t, "v", "abc");
    OK(txn_apply(t, "v", insert(0, "1")));
    OK(apply("v", insert(0, "2")));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t, NULL), "v");

    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", insert(0, "3"))); /* unread: applies to what is there */
    OK(apply("v", insert(0, "4")));
    OK(holog_commit(t, NULL));
    has_text(box.store, "v", "342abc");
    cr_assert_eq(csum_of("v"), sum_of("v"));
}

Test(delta, what_a_delta_changes_stays_the_same_when_parents_are_made_before_it)
{
    static char text[100000];
    holog_txn *t = NULL;
    holog_value *v = NULL;

    memset(text, 'a', sizeof text - 1);
    OK(save_text(box.store, "long", text, 0));
    OK(holog_mkdir(box.store, "d", 0, NULL));
    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "long", cut(0, 70000))); /* more than is added up under the lock */
    OK(holog_txn_save(t, "d/x", "0123456789", 10, HOLOG_PARENTS));
    OK(txn_apply(t, "d/x", cut(0, 2)));
    OK(holog_txn_save(t, "y", text, 1000, 0));
    OK(txn_apply(t, "y", cut(0, 900)));
    OK(txn_apply(t, "y", insert(100, "b")));
    OK(apply("long", insert(0, "b")));          /* it meets another value, and ... */
    OK(holog_delete_all(box.store, "d", NULL)); /* ... there are more operations than before */
    OK(holog_commit(t, NULL));
    has_text(box.store, "d/x", "23456789");
    OK(holog_load(box.store, "y", &v));
    cr_assert_eq(holog_value_size(v), 101);
    holog_value_release(v);
    cr_assert_eq(csum_of("y"), sum_of("y"));
    cr_assert_eq(csum_of("long"), sum_of("long"));
}

Test(delta, a_transaction_meets_what_others_left)
{
    holog_txn *t = NULL;

    OK(save_text(box.store, "v", "abcdef", 0));
    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", cut(0, 2)));
    OK(txn_apply(t, "v", update(0, 1, "long, long")));
    OK(holog_save(box.store, "v", "UVWXYZ", 6, HOLOG_REPLACE, NULL));
    OK(holog_commit(t, NULL));
    has_text(box.store, "v", "long, longXYZ");
    cr_assert_eq(csum_of("v"), sum_of("v"));

    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", cut(6, 10)));
    OK(save_text(box.store, "v", "short", HOLOG_REPLACE));
    FAILS(HOLOG_E_RANGE, holog_commit(t, NULL), "5 bytes");
    has_text(box.store, "v", "short");
}

Test(delta, a_version_is_read_from_what_its_delta_met_after_a_reopen)
{
    holog_txn *t = NULL;

    OK(save_text(box.store, "v", "abcd", 0));
    OK(holog_begin(box.store, &t));
    OK(txn_apply(t, "v", update(0, 1, "X"))); /* made ready for "abcd" */
    OK(apply("v", update(1, 2, "Y")));
    OK(holog_commit(t, NULL));
    has_text(box.store, "v", "XYcd");
    box_reopen(&box);
    has_text(box.store, "v", "XYcd");
}

/* ---- large values --------------------------------------------------------------------------------*/

static uint8_t *big; /* what the store should have */
static size_t big_len;

static void big_make(size_t len)
{
    big = malloc(len + (1 << 20));
    cr_assert_not_null(big);
    for (size_t i = 0; i < len; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    big_len = len;
    OK(holog_save(box.store, "big", big, len, 0, NULL));
}

static void big_replace(uint64_t start, uint64_t end, const void *data, size_t len)
{
    holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .start = start, .end = end, .data = data, .len_bytes = len
    };

    OK(holog_apply(box.store, "big", &d, 1, 0, 0, NULL));
    memmove(big + start + len, big + end, big_len - end);
    memcpy(big + start, data, len);
    big_len = big_len - (end - start) + len;
}

static void big_is_there(void)
{
    static uint8_t part[200000];
    holog_value *v = NULL;
    size_t n = 0;

    for (uint64_t at = 0; at <= big_len; at += 61441) {
        size_t want = 1 + (at * 7) % sizeof part;
        OK(holog_load_range(box.store, "big", at, part, want, &n));
        cr_assert_eq(n, want < big_len - at ? want : big_len - at);
        cr_assert_eq(memcmp(part, big + at, n), 0, "bytes from %zu on", (size_t)at);
    }
    OK(holog_load(box.store, "big", &v));
    cr_assert_eq(holog_value_size(v), big_len);
    cr_assert_eq(memcmp(holog_value_data(v), big, big_len), 0);
    holog_value_release(v);
    cr_assert_eq(csum_of("big"), sum_of("big"));
}

Test(delta, large_values_change_at_every_boundary)
{
    static const size_t edges[] = { 0,       1,      65535,  65536, 65537, 131072, (1 << 20) - 4096,
                                    1 << 20, 983040, 1500000 };
    static uint8_t more[150000];

    memset(more, 0x5a, sizeof more);
    big_make(3 << 20); /* of three extent segments */
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        size_t at = edges[i];
        big_replace(at, at, "insert", 6);
        big_replace(at, at + 100, more, 300);
        big_replace(at > 50 ? at - 50 : 0, at + 50, "", 0);
        big_replace(at, at + 70000, more, i % 2 == 0 ? sizeof more : 65536);
    }
    big_replace(big_len, big_len, "the end", 7);
    big_is_there();
    box_reopen(&box);
    big_is_there();
    big_replace(0, big_len - 10, "", 0);
    big_is_there();
    free(big);
}

Test(delta, a_large_value_moves_within_itself)
{
    uint8_t *out;
    size_t a = 100000;
    size_t b = 900001;
    size_t to = 2500003;

    big_make(3 << 20);
    OK(apply("big", move(a, b, to)));
    out = malloc(big_len);
    memcpy(out, big, a);
    memcpy(out + a, big + b, to - b);
    memcpy(out + a + (to - b), big + a, b - a);
    memcpy(out + to, big + to, big_len - to);
    free(big);
    big = out;
    big_is_there();
    free(big);
}

/* ---- many at once --------------------------------------------------------------------------------*/

#define ROUNDS 400

static void *append_marks(void *arg)
{
    char mark[9];

    for (int i = 0; i < ROUNDS; i++) {
        holog_delta d = insert(0, mark);
        (void)snprintf(mark, sizeof mark, "%c%06d,", *(const char *)arg, i);
        d.len_bytes = 8;
        OK(holog_apply(box.store, "v", &d, 1, 0, 0, NULL));
    }
    return NULL;
}

Test(delta, writers_of_one_value_lose_nothing)
{
    char a_name[] = "a";
    char b_name[] = "b";
    pthread_t a;
    pthread_t b;
    holog_value *v = NULL;
    int next[2] = { ROUNDS - 1, ROUNDS - 1 };

    OK(save_text(box.store, "v", "", 0));
    cr_assert_eq(pthread_create(&a, NULL, append_marks, a_name), 0);
    cr_assert_eq(pthread_create(&b, NULL, append_marks, b_name), 0);
    (void)pthread_join(a, NULL);
    (void)pthread_join(b, NULL);
    OK(holog_load(box.store, "v", &v));
    cr_assert_eq(holog_value_size(v), 2 * ROUNDS * 8);
    for (size_t i = 0; i < 2 * ROUNDS; i++) {
        const char *mark = (const char *)holog_value_data(v) + 8 * i;
        int who = mark[0] == 'b';
        cr_assert_eq(strtol(mark + 1, NULL, 10), next[who]);
        next[who]--;
    }
    holog_value_release(v);
    cr_assert_eq(csum_of("v"), sum_of("v"));
}

Test(delta, commits_on_their_way_are_what_the_next_one_changes)
{
    holog_value *v = NULL;

    OK(save_text(box.store, "v", "", 0));
    for (int i = 0; i < 300; i++) {
        holog_txn *t = NULL;
        char mark[9];
        (void)snprintf(mark, sizeof mark, "%07d,", i);
        OK(holog_begin(box.store, &t));
        OK(txn_apply(t, "v", insert(0, mark)));
        OK(holog_commit_async(t, NULL, NULL, NULL));
    }
    OK(holog_sync(box.store));
    OK(holog_load(box.store, "v", &v));
    cr_assert_eq(holog_value_size(v), 300 * 8);
    for (int i = 0; i < 300; i++)
        cr_assert_eq(strtol((const char *)holog_value_data(v) + 8 * (size_t)i, NULL, 10), 299 - i);
    holog_value_release(v);
    cr_assert_eq(csum_of("v"), sum_of("v"));
}

/* ---- history -------------------------------------------------------------------------------------*/

Test(delta, every_version_can_be_read_again_after_a_reopen)
{
    uint64_t number[20];
    char text[20][32];

    OK(save_text(box.store, "v", "", 0));
    for (int i = 0; i < 20; i++) {
        char one[2] = { (char)('a' + i), 0 };
        holog_delta d = insert((uint64_t)i / 2, one);
        OK(holog_apply(box.store, "v", &d, 1, 0, 0, &number[i]));
        memset(text[i], 0, sizeof text[i]);
        if (i > 0)
            memcpy(text[i], text[i - 1], sizeof text[i]);
        memmove(text[i] + i / 2 + 1, text[i] + i / 2, 31 - (size_t)i / 2);
        text[i][i / 2] = one[0];
        text[i][i + 1] = 0;
    }
    for (int again = 0; again < 2; again++) {
        for (int i = 19; i >= 0; i--) {
            holog_view *view = NULL;
            holog_value *v = NULL;
            OK(holog_view_open_at(box.store, number[i], &view));
            OK(holog_view_load(view, "v", &v));
            cr_assert_eq(holog_value_size(v), strlen(text[i]));
            cr_assert_eq(memcmp(holog_value_data(v), text[i], strlen(text[i])), 0, "%s", text[i]);
            holog_value_release(v);
            holog_view_close(view);
        }
        box_reopen(&box);
    }
    OK(holog_rollback(box.store, "v", number[7], NULL));
    has_text(box.store, "v", text[7]);
    OK(apply("v", insert(0, "+")));
    cr_assert_eq(csum_of("v"), sum_of("v"));
}

static int note_ranges(void *ctx, const holog_difference *d)
{
    size_t used = strlen(ctx);

    for (uint32_t i = 0; i < d->n_ranges; i++)
        used += (size_t)snprintf((char *)ctx + used, 200 - used, "%d+%d>%d+%d ",
                                 (int)d->ranges[i].a_offset, (int)d->ranges[i].a_len,
                                 (int)d->ranges[i].b_offset, (int)d->ranges[i].b_len);
    return 0;
}

Test(delta, diff_tells_what_deltas_changed)
{
    char found[200] = "";
    uint64_t before;

    big_make(3 << 20);
    before = holog_last_number(box.store);
    big_replace(2000000, 2000000, "twenty bytes more...", 20);
    big_replace(1000, 1100, "", 0);
    OK(holog_diff(box.store, before, holog_last_number(box.store), "/", HOLOG_DIFF_RANGES,
                  note_ranges, found));
    cr_assert_str_eq(found, "1000+100>1000+0 2000000+0>1999900+20 ");
    free(big);
}

Test(delta, diff_tells_which_blocks_of_saved_values_differ)
{
    char found[200] = "";
    uint64_t before;

    big_make(1 << 20);
    before = holog_last_number(box.store);
    big[700000] ^= 1;
    big[big_len - 1] ^= 1;
    OK(holog_save(box.store, "big", big, big_len, HOLOG_REPLACE, NULL));
    OK(holog_diff(box.store, before, before + 1, "/", HOLOG_DIFF_RANGES, note_ranges, found));
    cr_assert_str_eq(found, "700000+1>700000+1 1048575+1>1048575+1 ");
    free(big);
}

Test(delta, diff_tells_deltas_apart_that_bring_the_same)
{
    char found[200] = "";
    uint64_t before = 0;
    holog_delta d = update(0, 1, "X");

    OK(save_text(box.store, "v", "abcd", 0));
    OK(holog_apply(box.store, "v", &d, 1, 0, 0, &before));
    OK(apply("v", update(2, 3, "X")));
    OK(holog_diff(box.store, before, before + 1, "/", HOLOG_DIFF_RANGES, note_ranges, found));
    cr_assert_str_eq(found, "2+1>2+1 ");
}

static int count_differences(void *ctx, const holog_difference *d)
{
    (void)d;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned differences(uint64_t a, uint64_t b, unsigned flags)
{
    unsigned n = 0;

    OK(holog_diff(box.store, a, b, "/", flags, count_differences, &n));
    return n;
}

Test(delta, diff_tells_nothing_of_bytes_that_came_out_the_same)
{
    const size_t len = 200000;
    uint8_t *value = calloc(1, len);
    const holog_delta moves[] = {
        { .kind = HOLOG_DELTA_INSERT, .start = 10, .data = value, .len_bytes = 70 },
        { .kind = HOLOG_DELTA_DELETE, .start = 150000, .end = 150070 },
        { .kind = HOLOG_DELTA_MOVE, .start = 100, .end = 300, .to = 140000 }
    };
    const holog_delta mark = {
        .kind = HOLOG_DELTA_UPDATE, .start = 120000, .end = 120001, .data = "x", .len_bytes = 1
    };
    uint64_t first = 0;
    uint64_t same = 0;
    uint64_t other = 0;

    OK(holog_save(box.store, "a", value, len, 0, &first));
    OK(holog_apply(box.store, "a", moves, 3, 0, 0, &same));
    cr_assert_eq(differences(first, same, 0), 0);
    cr_assert_eq(differences(first, same, HOLOG_DIFF_RANGES), 0);
    OK(holog_apply(box.store, "a", &mark, 1, 0, 0, &other));
    cr_assert_eq(differences(first, other, 0), 1);
    cr_assert_eq(differences(first, other, HOLOG_DIFF_RANGES), 1);
    OK(holog_apply(box.store, "a", moves, 3, 0, 0, &same)); /* the mark is elsewhere */
    cr_assert_eq(differences(other, same, 0), 1);
    cr_assert_eq(differences(other, same, HOLOG_DIFF_RANGES), 1);
    free(value);
}

Test(delta, content_made_by_deltas_hashes_as_if_it_were_saved)
{
    holog_view *view = NULL;
    uint64_t a = 0;
    uint64_t b = 0;

    OK(save_text(box.store, "v", "abd", 0));
    big_make(300000);
    OK(apply("v", insert(2, "c")));
    big_replace(100, 200, "x", 1);
    OK(holog_view_open(box.store, &view));
    OK(holog_state_hash(view, &a));
    holog_view_close(view);
    OK(save_text(box.store, "v", "abcd", HOLOG_REPLACE));
    OK(holog_save(box.store, "big", big, big_len, HOLOG_REPLACE, NULL));
    OK(holog_view_open(box.store, &view));
    OK(holog_state_hash(view, &b));
    holog_view_close(view);
    cr_assert_eq(a, b);
    free(big);
}

/* ---- folds ---------------------------------------------------------------------------------------*/

static holog_stats stats_now(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st;
}

static void scatter(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t at = (size_t)(i * 2654435761u) % (big_len - 100);
        big_replace(at, at + i % 60, "some other bytes", i % 17);
    }
}

Test(delta, a_fold_is_seen_by_nobody)
{
    uint64_t before;
    uint64_t folds;
    char *text;
    char *after;
    holog_view *past = NULL;
    holog_value *v = NULL;
    uint8_t *was;
    size_t was_len;

    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
    big_make(3 << 20);
    scatter(300);
    before = holog_last_number(box.store);
    was = malloc(big_len);
    memcpy(was, big, was_len = big_len);
    text = store_text(box.store);
    OK(holog_fold(box.store, "big"));
    folds = stats_now().folds;
    cr_assert_gt(folds, 0);
    cr_assert_gt(stats_now().fold_bytes_written, 65536);
    OK(holog_fold(box.store, "big"));
    cr_assert_eq(stats_now().folds, folds, "nothing is left to fold");
    after = store_text(box.store);
    cr_assert_str_eq(text, after);
    cr_assert_eq(holog_last_number(box.store), before);
    big_is_there();
    scatter(50);
    for (int again = 0; again < 2; again++) {
        big_is_there();
        OK(holog_view_open_at(box.store, before, &past));
        OK(holog_view_load(past, "big", &v));
        cr_assert_eq(holog_value_size(v), was_len);
        cr_assert_eq(memcmp(holog_value_data(v), was, was_len), 0);
        holog_value_release(v);
        holog_view_close(past);
        box_reopen(&box);
    }
    FAILS(HOLOG_E_NOENT, holog_fold(box.store, "nothing"), "nothing");
    free(text);
    free(after);
    free(was);
    free(big);
}

Test(delta, a_fold_of_places_far_apart_keeps_every_byte)
{
    static const size_t places[] = { 100000, 1200000, 2000000, 3000000 };

    big_make(3 << 20);
    for (unsigned p = 0; p < 4; p++)
        for (unsigned i = 0; i < 20; i++)
            big_replace(places[p] + 150 * i, places[p] + 150 * i + p * 5 + i % 7,
                        "not the bytes of the others", i % 19 + p);
    OK(holog_fold(box.store, "big"));
    cr_assert_gt(stats_now().folds, 0);
    cr_assert_lt(stats_now().fold_bytes_written, 1 << 20, "what lies between them stays");
    big_is_there();
    box_reopen(&box);
    big_is_there();
    free(big);
}

Test(delta, what_was_folded_is_so_after_a_reopen)
{
    char chk[300];

    big_make(3 << 20);
    scatter(300);
    OK(holog_fold(box.store, "big"));
    for (int from_log = 0; from_log < 2; from_log++) {
        OK(holog_close(box.store));
        (void)snprintf(chk, sizeof chk, "%s/chk", box.dir);
        if (from_log)
            remove_tree(chk);
        box_open(&box);
        OK(holog_fold(box.store, "big"));
        cr_assert_eq(stats_now().folds, 0, "it was found again");
        big_is_there();
    }
    free(big);
}

static void wait_for_folds(uint64_t n)
{
    for (int i = 0; i < 1000 && stats_now().folds < n; i++)
        (void)usleep(10000);
    cr_assert_geq(stats_now().folds, n);
}

Test(delta, what_is_changed_often_is_folded_by_itself)
{
    char expect[1001] = "";

    box.opts.sync = HOLOG_SYNC_OS;
    box_reopen(&box);
    OK(save_text(box.store, "small", "", 0));
    for (int i = 0; i < 1000; i++) {
        char one[2] = { (char)('a' + i % 26), 0 };
        OK(apply("small", insert((uint64_t)i / 2, one)));
        memmove(expect + i / 2 + 1, expect + i / 2, 999 - (size_t)i / 2);
        expect[i / 2] = one[0];
    }
    wait_for_folds(1);
    has_text(box.store, "small", expect);
    box_reopen(&box);
    has_text(box.store, "small", expect);

    big_make(1 << 20);
    scatter(3000);
    wait_for_folds(1);
    big_is_there();
    box_reopen(&box);
    big_is_there();
    free(big);
}

Test(delta, the_statistics_are_filled_in)
{
    holog_delta d[4] = { insert(0, "abc"), update(0, 2, "x"), cut(0, 1), move(0, 1, 2) };
    holog_stats st;

    OK(save_text(box.store, "v", "0123456789", 0));
    OK(holog_apply(box.store, "v", d, 4, 0, 0, NULL));
    OK(apply("v", insert(0, "more")));
    OK(holog_config(box.store, "conservation", "enforce", NULL, 0));
    FAILS(HOLOG_E_CONSERVE, apply("v", insert(0, "x")), "v");
    st = stats_now();
    cr_assert_eq(st.delta_updates, 5);
    cr_assert_eq(st.delta_inserts, 2);
    cr_assert_eq(st.delta_replaces, 1);
    cr_assert_eq(st.delta_deletes, 1);
    cr_assert_eq(st.delta_moves, 1);
    cr_assert_eq(st.delta_bytes_modified, 3 + 2 + 1 + 1 + 4);
    cr_assert_gt(st.delta_average_ns, 0);
    cr_assert_eq(st.delta_average_ns, st.delta_time_ns / st.delta_updates);
    cr_assert_eq(st.conservation_violations, 1);
    cr_assert_gt(st.rope_bytes, 0);
}

/* ---- damage --------------------------------------------------------------------------------------*/

/* 1: the store or the value says that it is damaged; 0: the value is as it was. */
static int is_reported(const char *text)
{
    holog_options o = box.opts;
    holog_store *s = NULL;
    holog_value *v = NULL;
    int rc;

    o.flags = HOLOG_OPEN_READONLY;
    rc = holog_open(box.dir, &o, &s);
    if (rc == HOLOG_OK)
        rc = holog_load(s, "v", &v);
    if (rc == HOLOG_OK) {
        cr_assert_eq(holog_value_size(v), strlen(text));
        cr_assert_eq(memcmp(holog_value_data(v), text, strlen(text)), 0);
    }
    holog_value_release(v);
    OK(holog_close(s));
    return rc < 0;
}

/* Each byte of the segment with the deltas. */
static void flip_each(const char *text, unsigned reported_min)
{
    static const char seg[] = "seg/00000002.hlog"; /* the first that declares deltas */
    uint8_t *bytes;
    size_t len = 0;
    unsigned reported = 0;

    OK(holog_close(box.store));
    box.store = NULL;
    bytes = file_read(box.dir, seg, &len);
    for (size_t i = 4096; i < 5200 && i < len; i++) {
        bytes[i] ^= 0x08;
        file_write(box.dir, seg, bytes, len);
        reported += (unsigned)is_reported(text);
        bytes[i] ^= 0x08;
    }
    file_write(box.dir, seg, bytes, len);
    free(bytes);
    cr_assert_gt(reported, reported_min);
    box_open(&box);
}

static void change_v(void)
{
    OK(save_text(box.store, "v", "a value that deltas change", 0));
    OK(apply("v", insert(2, "good ")));
    OK(apply("v", update(0, 1, "one")));
    OK(apply("v", move(0, 4, 9)));
}

Test(delta, a_flipped_byte_is_reported_or_changes_nothing)
{
    change_v();
    flip_each("good one value that deltas change", 300);
}

/* What an open does not read: the load itself has to see it. */
Test(delta, a_flipped_byte_long_ago_is_reported_or_changes_nothing)
{
    OK(holog_close(box.store));
    remove_tree(box.dir);
    box.opts.segment_size_max = 65536;
    box_open(&box);
    change_v();
    for (unsigned i = 0; i < 40; i++)
        OK(save_seed(box.store, "other", 4000, i, HOLOG_REPLACE));
    flip_each("good one value that deltas change", 50);
}
