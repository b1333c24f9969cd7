/*
 * The calls of holog/versions.h, one rule at a time, on a real directory; after each test the store is
 * reopened and must show the same.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/checkpoint.h"
#include "engine/store_internal.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

static struct box box;

/* Nothing but what a test asks for: a base that compaction makes at its own time would have what a replay is to
 * find, or to miss. */
static void setup(void)
{
    box_make(&box);
    box.opts.no_compaction = 1;
    box_open(&box);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
}

TestSuite(versions, .init = setup, .fini = teardown, .timeout = 120);

static uint64_t put(const char *path, const char *text)
{
    uint64_t number = 0;

    OK(holog_save(box.store, path, text, strlen(text), HOLOG_REPLACE | HOLOG_PARENTS, &number));
    return number;
}

static uint64_t ref(const char *text)
{
    uint64_t number = 0;

    OK(holog_ref(box.store, text, &number));
    return number;
}

/* Names of the children, with a space behind each. */
static void lists(uint64_t number, const char *path, const char *want)
{
    char got[500] = "";
    holog_view *view = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;

    OK(holog_view_open_at(box.store, number, &view));
    OK(holog_view_list(view, path, 0, NULL, NULL, &c));
    while (holog_cursor_next(c, &e) == HOLOG_OK) {
        size_t n = strlen(got);
        (void)snprintf(got + n, sizeof got - n, "%s ", e->name);
    }
    cr_assert_str_eq(got, want, "as of %llu", (unsigned long long)number);
    holog_cursor_close(c);
    holog_view_close(view);
}

static void had_text(uint64_t number, const char *path, const char *text)
{
    holog_view *view = NULL;
    holog_value *v = NULL;

    OK(holog_view_open_at(box.store, number, &view));
    OK(holog_view_load(view, path, &v));
    cr_assert_eq(holog_value_size(v), strlen(text), "%s", path);
    cr_assert_eq(memcmp(holog_value_data(v), text, strlen(text)), 0, "%s has wrong bytes", path);
    holog_value_release(v);
    holog_view_close(view);
}

/* ---- views ---------------------------------------------------------------------------------------*/

Test(versions, a_directory_that_was_replaced_is_listed_as_it_was)
{
    uint64_t a = put("d/a", "1");
    uint64_t b = put("d/b", "1");

    OK(holog_delete_all(box.store, "d", NULL));
    lists(a, "d", "a ");
    lists(b, "d", "a b ");
    OK(holog_mkdir(box.store, "d", 0, NULL));
    lists(b, "d", "a b ");
    put("d/c", "1");
    lists(b, "d", "a b ");
    lists(ref("HEAD"), "d", "c ");
}

/* ---- going back ----------------------------------------------------------------------------------*/

Test(versions, a_transaction_sees_its_rollback)
{
    uint64_t then = put("d/kept", "old");
    holog_stat_info st = { .struct_size = sizeof st };
    holog_cursor *c = NULL;
    const holog_entry *e;
    holog_txn *t = NULL;

    put("d/later", "1");
    OK(holog_begin(box.store, &t));
    OK(holog_txn_save(t, "d/a", "1", 1, 0)); /* names shorter and longer than a key's number */
    OK(holog_txn_save(t, "d/a rather long name of a blob", "1", 1, 0));
    OK(holog_txn_save(t, "d/kept", "new", 3, HOLOG_REPLACE));
    OK(holog_txn_save(t, "x", "1", 1, 0));
    OK(holog_txn_rollback(t, "d", then));
    OK(holog_txn_list(t, "d", &c));
    OK(holog_cursor_next(c, &e));
    cr_assert_str_eq(e->name, "kept");
    cr_assert_eq(holog_cursor_next(c, &e), HOLOG_E_NOENT);
    holog_cursor_close(c);
    OK(holog_txn_stat(t, "x", &st));
    cr_assert_eq(st.type, HOLOG_BLOB, "outside of what goes back");
    OK(holog_txn_rollback(t, "/", 0));
    OK(holog_txn_stat(t, "d", &st));
    cr_assert_eq(st.type, HOLOG_MISSING);
    OK(holog_txn_stat(t, "x", &st));
    cr_assert_eq(st.type, HOLOG_MISSING);
    OK(holog_txn_rollback(t, "d", then));
    OK(holog_commit(t, NULL));
    has_text(box.store, "d/kept", "old");
    lists(ref("HEAD"), "/", "d ");
    lists(ref("HEAD"), "d", "kept ");
    lists(ref("HEAD~1"), "d", "kept later ");
    had_text(then, "d/kept", "old");
}

Test(versions, who_has_listed_a_directory_is_told_of_what_a_rollback_changed_in_it)
{
    static const char *const dirs[] = { "d", "d/a", "d/b", "d/c" };
    holog_txn *t[4];
    uint64_t then;

    put("d/a/x", "1");
    put("d/b/y", "1");
    then = put("d/c/z", "1");
    OK(holog_delete(box.store, "d/a/x", NULL));
    put("d/b/later", "1");
    for (size_t i = 0; i < 4; i++) {
        holog_cursor *c = NULL;
        OK(holog_begin(box.store, &t[i]));
        OK(holog_txn_list(t[i], dirs[i], &c));
        holog_cursor_close(c);
        OK(holog_txn_save(t[i], "e", "1", 1, HOLOG_REPLACE));
    }
    OK(holog_rollback(box.store, "d", then, NULL));
    FAILS(HOLOG_E_CONFLICT, holog_commit(t[1], NULL), "d/a");
    FAILS(HOLOG_E_CONFLICT, holog_commit(t[2], NULL), "d/b");
    OK(holog_commit(t[0], NULL)); /* the same directories are in it */
    OK(holog_commit(t[3], NULL));
}

/* ---- references ----------------------------------------------------------------------------------*/

Test(versions, a_state_goes_by_number_by_tag_by_distance_and_by_time)
{
    uint64_t a = put("a", "1");
    uint64_t b = put("a", "2");
    uint64_t c = put("a", "3");
    uint64_t number = 77;

    OK(holog_tag(box.store, "v1", b, 0));
    cr_assert_eq(ref("2"), 2);
    cr_assert_eq(ref("0"), 0);
    cr_assert_eq(ref("v1"), b);
    cr_assert_eq(ref("HEAD"), c);
    cr_assert_eq(ref("HEAD~0"), c);
    cr_assert_eq(ref("HEAD~2"), a);
    cr_assert_eq(ref("2100-02-28T23:59:59.123456789123Z"), c);
    cr_assert_eq(ref("2100-02-28T23:59:59+23:59"), c);
    cr_assert_eq(ref("2600-01-01T00:00:00Z"), c, "a time that 64 bits of ns do not reach");
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, "1970-01-01T00:00:00Z", &number), "first commit");
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, "HEAD~3", &number), "3 commits");
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, "HEAD~999999999999999", &number), "3 commits");
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, "v2", &number), "v2");
    FAILS(HOLOG_E_INVAL, holog_ref(box.store, "4", &number), "4");
    FAILS(HOLOG_E_INVAL, holog_ref(box.store, NULL, &number), NULL);
    cr_assert_eq(number, 77);
}

Test(versions, what_names_no_state_is_told)
{
    static const char *const bad[] = { "",
                                       "-1",
                                       "HEAD~",
                                       "HEAD~-1",
                                       "HEAD~1x",
                                       "HEAD~1000000000000000",
                                       "HEAD^",
                                       "v/1",
                                       "2026-11-21",
                                       "2026-13-21T08:00:00Z",
                                       "2026-11-21T24:00:00Z",
                                       "2026-11-21T08:00:00",
                                       "2026-11-21T08:00:00+2:00",
                                       "2026-11-21 08:00:00Z",
                                       "2026-11-21T08:00:00Z ",
                                       "1234567890123456" };
    uint64_t number = 77;

    put("a", "1");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(HOLOG_E_INVAL, holog_ref(box.store, bad[i], &number), NULL);
    cr_assert_eq(number, 77);
}

Test(versions, the_way_back_is_counted_in_changes_of_the_path)
{
    uint64_t a = put("d/a", "1");
    uint64_t number = 77;

    put("other", "1");
    put("other", "2");
    uint64_t b = put("d/b", "1");
    put("other", "3");
    OK(holog_before_changes(box.store, "d", 1, &number));
    cr_assert_eq(number, b - 1);
    OK(holog_before_changes(box.store, "d", 2, &number));
    cr_assert_eq(number, a - 1);
    OK(holog_before_changes(box.store, "/", 2, &number));
    cr_assert_eq(number, b - 1);
    number = 77;
    FAILS(HOLOG_E_DROPPED, holog_before_changes(box.store, "d", 3, &number), "2");
    FAILS(HOLOG_E_DROPPED, holog_before_changes(box.store, "d", UINT64_MAX, &number), "2");
    FAILS(HOLOG_E_DROPPED, holog_before_changes(box.store, "d", UINT64_C(1) << 61, &number), "2");
    FAILS(HOLOG_E_INVAL, holog_before_changes(box.store, "d", 0, &number), NULL);
    cr_assert_eq(number, 77);
}

/* ---- tags ----------------------------------------------------------------------------------------*/

Test(versions, a_tag_is_a_letter_and_more_and_names_one_commit)
{
    static const char *const bad[] = { "", "1a", "a/b", "HEAD", "-a", "a b", "\xc3\xa4", NULL };
    char name[66];
    uint64_t a = put("a", "1");

    put("a", "2");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FAILS(HOLOG_E_INVAL, holog_tag(box.store, bad[i], a, 0), NULL);
        FAILS(HOLOG_E_INVAL, holog_tag_delete(box.store, bad[i]), NULL);
    }
    memset(name, 'x', sizeof name);
    name[65] = 0;
    FAILS(HOLOG_E_INVAL, holog_tag(box.store, name, a, 0), NULL);
    name[64] = 0;
    OK(holog_tag(box.store, name, a, 0));
    cr_assert_eq(ref(name), a);
    FAILS(HOLOG_E_EXIST, holog_tag(box.store, name, a, 0), name);
    FAILS(HOLOG_E_INVAL, holog_tag(box.store, "v", 0, 0), NULL);
    FAILS(HOLOG_E_INVAL, holog_tag(box.store, "v", 3, 0), NULL);
    FAILS(HOLOG_E_INVAL, holog_tag(box.store, "v", a, HOLOG_PARENTS), NULL);
    FAILS(HOLOG_E_NOENT, holog_tag_delete(box.store, "v"), "v");
    OK(holog_tag(box.store, name, 2, HOLOG_REPLACE));
    box_reopen(&box);
    cr_assert_eq(ref(name), 2);
    OK(holog_tag_delete(box.store, name));
    box_reopen(&box);
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, name, &a), name);
}

struct contest {
    char name[16];
    uint64_t number;
    unsigned won;
};

static void *tag_it(void *ctx)
{
    struct contest *c = ctx;
    int rc = holog_tag(box.store, c->name, c->number, 0);

    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_EXIST, "%s", holog_error_name(rc));
    if (rc == HOLOG_OK)
        __atomic_add_fetch(&c->won, 1, __ATOMIC_RELAXED);
    return NULL;
}

Test(versions, of_two_who_set_a_tag_at_once_one_is_told)
{
    OK(holog_close(box.store));
    remove_tree(box.dir);
    box.opts.segment_size_max = 16384; /* full again and again: one waits, the other does not */
    box_open(&box);
    for (unsigned i = 0; i < 200; i++) {
        struct contest c = { .number = put("a", "1") };
        pthread_t threads[3];
        (void)snprintf(c.name, sizeof c.name, "t%u", i % 7);
        for (size_t k = 0; k < 3; k++)
            cr_assert_eq(pthread_create(&threads[k], NULL, tag_it, &c), 0);
        for (size_t k = 0; k < 3; k++)
            cr_assert_eq(pthread_join(threads[k], NULL), 0);
        cr_assert_eq(c.won, 1, "round %u: %u have set it", i, c.won);
        OK(holog_tag_delete(box.store, c.name));
    }
}

/* ---- what is kept --------------------------------------------------------------------------------*/

/* Commits 1 to n without a word of a horizon: as a version that knew none, or one whose disk was full. */
static void put_silently(unsigned n)
{
    const struct hg_retention rules = box.store->rules;
    uint64_t number = 0;

    box.store->timeline.said = 1;
    box.store->rules = (struct hg_retention){ UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0, 0 };
    for (unsigned i = 1; i <= n; i++) {
        const struct step s = { .op = STEP_SAVE,
                                .path = i % 3 == 0   ? "a"
                                        : i % 3 == 1 ? "b"
                                                     : "c",
                                .len = 40,
                                .seed = i,
                                .flags = HOLOG_REPLACE,
                                .sync = HOLOG_SYNC_NONE };
        OK(store_apply(box.store, &s, &number));
    }
    box.store->timeline.said = 0;
    box.store->rules = rules;
}

static void lose_checkpoints(void)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/chk", box.dir);
    remove_tree(path);
}

static void same_from_the_log_alone(void)
{
    char *before = store_text(box.store);
    char *after;

    OK(holog_close(box.store));
    lose_checkpoints();
    box_open(&box);
    after = store_text(box.store);
    cr_assert_str_eq(after, before);
    free(before);
    free(after);
}

Test(versions, a_tag_that_was_deleted_or_set_anew_is_so_after_a_replay)
{
    uint64_t first = put("a", "1");
    uint64_t second = put("a", "2");

    OK(holog_tag(box.store, "gone", first, 0));
    OK(holog_tag(box.store, "moved", first, 0));
    OK(holog_tag_delete(box.store, "gone"));
    OK(holog_tag(box.store, "moved", second, HOLOG_REPLACE));
    OK(holog_close(box.store));
    lose_checkpoints();
    box_open(&box);
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, "gone", &first), "gone");
    cr_assert_eq(ref("moved"), second);
}

Test(versions, a_replay_keeps_what_a_writer_went_back_to)
{
    uint64_t number;

    put_silently(8300);
    FAILS(HOLOG_E_DROPPED, holog_rollback(box.store, "/", 4200, &number), "4200");
    OK(holog_rollback(box.store, "/", 4500, &number));
    OK(holog_tag(box.store, "old", 4400, 0));
    same_from_the_log_alone();
    cr_assert_eq(ref("old"), 4400);
    OK(holog_rollback(box.store, "/", 4400, NULL));
    has_seed(box.store, "c", 40, 4400);
}

/* One byte of the record of the version of `path` that is current. */
static void damage(const char *path)
{
    holog_stat_info st = { .struct_size = sizeof st };
    char seg[32];
    uint8_t *bytes;
    size_t len = 0;

    OK(holog_stat(box.store, path, &st));
    OK(holog_close(box.store));
    (void)snprintf(seg, sizeof seg, "seg/%08x.hlog", st.segment);
    bytes = file_read(box.dir, seg, &len);
    bytes[st.offset + 20] ^= 1;
    file_write(box.dir, seg, bytes, len);
    free(bytes);
}

/* A cut has taken commit 1, and its number is not given again. */
static void lose_first_commit(void)
{
    cr_assert_eq(put("a", "this goes"), 1);
    damage("a");
    OK(holog_repair(box.dir, HOLOG_REPAIR_POINT_IN_TIME, 0, NULL, NULL, NULL));
    lose_checkpoints();
    box_open(&box);
}

Test(versions, the_state_before_the_first_commit_is_kept_whatever_number_that_has)
{
    char newest[64];
    uint64_t first;
    uint64_t last = 0;

    lose_first_commit();
    first = put("a", "1");
    cr_assert_gt(first, 1);
    put("b", "1");
    lists(0, "/", "");
    box_reopen(&box); /* by a checkpoint */
    lists(0, "/", "");
    lists(first, "/", "a ");
    OK(holog_rollback(box.store, "/", 0, &last));
    OK(holog_close(box.store));
    (void)snprintf(newest, sizeof newest, "chk/%016llx.hidx", (unsigned long long)last);
    file_write(box.dir, newest, "", 0);
    box_open(&box); /* by the one before it */
    lists(last, "/", "");
}

Test(versions, all_is_kept_when_the_rules_say_so)
{
    uint64_t number = 0;

    OK(holog_config(box.store, "retention.commits", "all", NULL, 0));
    OK(holog_config(box.store, "retention.age_s", "all", NULL, 0));
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
    for (unsigned i = 0; i < 9000; i++) {
        const struct step s = { .op = STEP_SAVE,
                                .path = "a",
                                .len = 20,
                                .seed = i,
                                .flags = HOLOG_REPLACE,
                                .sync = HOLOG_SYNC_NONE };
        OK(store_apply(box.store, &s, &number));
    }
    cr_assert_eq(ref("HEAD~8999"), 4);
    OK(holog_rollback(box.store, "a", 5, NULL));
    has_seed(box.store, "a", 20, 1);
    OK(holog_close(box.store));
    lose_checkpoints();
    box_open(&box);
    has_seed(box.store, "a", 20, 1);
    cr_assert_eq(ref("HEAD~9000"), 4);
}

Test(versions, a_salvage_keeps_what_tags_name_and_what_was_gone_back_to)
{
    const unsigned commits = 9000; /* a replay without a word of a horizon would have forgotten */
    uint64_t tagged = 0;
    uint64_t number = 0;

    OK(holog_compact_pause(box.store)); /* a salvage does not know compressed segments */
    for (unsigned i = 0; i < commits; i++) {
        const struct step s = { .op = STEP_SAVE,
                                .path = i == commits / 2 ? "lost" : "a",
                                .len = 20,
                                .seed = i,
                                .flags = HOLOG_REPLACE,
                                .sync = HOLOG_SYNC_NONE };
        OK(store_apply(box.store, &s, &number));
        if (i == 100)
            OK(holog_tag(box.store, "old", tagged = number, 0));
    }
    OK(holog_tag(box.store, "gone", number, 0));
    OK(holog_tag_delete(box.store, "gone"));
    OK(holog_rollback(box.store, "a", tagged, NULL));
    damage("lost");
    OK(holog_repair(box.dir, HOLOG_REPAIR_SALVAGE, 0, NULL, NULL, NULL));
    box_open(&box);
    has_seed(box.store, "a", 20, 100);
    lists(number, "/", "a ");
    cr_assert_eq(ref("old"), tagged);
    lists(tagged, "/", "a ");
    FAILS(HOLOG_E_NOENT, holog_ref(box.store, "gone", &number), "gone");
    FAILS(HOLOG_E_DROPPED, holog_ref(box.store, "50", &number), "50");
    same_from_the_log_alone();
}

Test(versions, the_rules_are_applied_however_short_a_store_is_open)
{
    uint64_t number;

    OK(holog_config(box.store, "retention.commits", "5", NULL, 0));
    for (unsigned i = 0; i < 135; i++) {
        put("a", "1");
        if (i % 10 == 0)
            box_reopen(&box);
    }
    FAILS(HOLOG_E_DROPPED, holog_ref(box.store, "1", &number), "1");
}

Test(versions, a_state_that_goes_while_a_rollback_to_it_is_made_is_told_to_be_gone)
{
    const struct step other = {
        .op = STEP_SAVE, .path = "a", .len = 10, .flags = HOLOG_REPLACE, .sync = HOLOG_SYNC_NONE
    };
    holog_txn *t = NULL;
    uint64_t number = 0;

    OK(holog_config(box.store, "retention.commits", "5", NULL, 0));
    put("0", "1");
    OK(holog_delete(box.store, "0", NULL));
    while (number < 127)
        OK(store_apply(box.store, &other, &number));
    OK(holog_begin(box.store, &t));
    OK(holog_txn_rollback(t, "0", 2)); /* still there: the rules are looked at now and then */
    FAILS(HOLOG_E_DROPPED, holog_commit(t, NULL), "2");
}

Test(replay, a_state_that_is_not_kept_is_not_made_up)
{
    uint64_t number;

    setup();
    put_silently(8300);
    box.store->timeline.said = 1; /* a writer with a mistake in it */
    OK(holog_rollback(box.store, "/", 100, &number));
    OK(holog_close(box.store));
    lose_checkpoints();
    FAILS(HOLOG_E_CORRUPT, holog_open(box.dir, &box.opts, &box.store), "commit 100");
    remove_tree(box.dir);
}

/* The newest checkpoint, with one version more in its past. */
static void forge_past(const char *key, size_t len, uint64_t end)
{
    struct hg_io *io = box.store->io;
    struct hg_index *ix = NULL;
    struct hg_index *past = NULL;
    const struct hg_checkpoint_bounds bounds = { .uuid = box.store->recovered.super.uuid,
                                                 .max_number = UINT64_MAX };
    struct hg_checkpoint c = { 0 };
    struct hg_locator loc = { .segment = 1, .offset = 4096, .number = end, .type = HG_ENTRY_BLOB };
    struct hg_root *roots[2];

    OK(hg_index_create(NULL, 0, &ix));
    OK(hg_index_create(NULL, 0, &past));
    OK(hg_checkpoint_load(io, &bounds, ix, past, &c, NULL));
    OK(hg_index_put(past, (const uint8_t *)key, len, &loc, NULL, NULL));
    roots[0] = hg_index_freeze(ix);
    roots[1] = hg_index_freeze(past);
    OK(hg_checkpoint_write(io, &c, roots[0], roots[1]));
    hg_root_put(roots[0]);
    hg_root_put(roots[1]);
    hg_index_destroy(ix);
    hg_index_destroy(past);
    hg_checkpoint_release(&c);
}

Test(versions, a_checkpoint_with_a_past_that_is_none_is_not_taken)
{
    static const struct {
        const char *key;
        size_t len;
        uint64_t end;
        uint32_t sound;
    } cases[] = { { "b\0\0\xff\xff\xff\xff\xff\xfe\0", 10, 2, 1 },
                  { "b\0\0\xff\xff\xff\xff\xff\xfe\xff", 10, 2, 0 },
                  { "b\0\1\xff\xff\xff\xff\xff\xfe\0", 10, 2, 0 },
                  { "b\0\0\xff\xff\xff\xff\xff\xfe\0", 10, 1, 0 },
                  { "b\0\0\xff\xff\xff\xff\xff\xfe\0", 10, 1000, 0 },
                  { "\0\0\xff\xff\xff\xff\xff\xfe\0", 9, 2, 0 },
                  { "b", 1, 2, 0 } };
    holog_recovery_report report = { .struct_size = sizeof report };
    uint64_t a = put("a", "1");

    put("a", "2");
    put("a", "3");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put("x", "1");      /* something to write a checkpoint for */
        lose_checkpoints(); /* else the one before would do */
        box_reopen(&box);
        forge_past(cases[i].key, cases[i].len, cases[i].end);
        box_reopen(&box);
        OK(holog_recovery_info(box.store, &report));
        cr_assert_eq(report.used_checkpoint, cases[i].sound, "case %zu", i);
        had_text(a, "a", "1");
    }
}

/* ---- what a path has to do with it -----------------------------------------------------------------*/

static int count_commit(void *ctx, const holog_commit_info *info)
{
    (void)info;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned commits_of(const char *path)
{
    unsigned n = 0;

    OK(holog_log(box.store, path, 0, 0, count_commit, &n));
    return n;
}

Test(versions, a_rollback_is_in_the_log_of_what_it_has_changed)
{
    uint64_t first;

    put("a/x", "1");
    first = put("b/y", "1");
    put("b/y", "2");
    OK(holog_rollback(box.store, "/", first, NULL));
    cr_assert_eq(commits_of("b"), 3);
    cr_assert_eq(commits_of("a"), 1);
    cr_assert_eq(commits_of("never"), 0);
}

static int count_difference(void *ctx, const holog_difference *d)
{
    (void)d;
    ++*(unsigned *)ctx;
    return 0;
}

static void *save_unsynced(void *arg)
{
    const int *stop = arg;

    for (uint64_t i = 0; !__atomic_load_n(stop, __ATOMIC_RELAXED); i++) {
        const struct step s = { .op = STEP_SAVE,
                                .path = "a",
                                .len = 40,
                                .seed = i,
                                .flags = HOLOG_REPLACE,
                                .sync = HOLOG_SYNC_NONE };
        uint64_t number = 0;
        OK(store_apply(box.store, &s, &number));
    }
    return NULL;
}

Test(versions, the_log_is_read_beside_commits_that_are_not_written_yet)
{
    pthread_t thread;
    int stop = 0;

    OK(holog_config(box.store, "retention.commits", "5", NULL, 0));
    cr_assert_eq(pthread_create(&thread, NULL, save_unsynced, &stop), 0);
    for (unsigned i = 0; i < 300; i++) {
        unsigned n = 0;
        OK(holog_log(box.store, i % 2 == 0 ? NULL : "a", 0, 5, count_commit, &n));
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    (void)pthread_join(thread, NULL);
}

static int count_du(void *ctx, const holog_du_entry *e)
{
    (void)e;
    ++*(unsigned *)ctx;
    return 0;
}

Test(versions, links_on_the_way_are_followed_everywhere)
{
    uint64_t first = put("b/y", "1");
    uint64_t before = 0;
    unsigned n = 0;

    put("b/y", "2");
    OK(holog_symlink(box.store, "b", "lb", 0, NULL));
    OK(holog_before_changes(box.store, "lb/y", 1, &before));
    cr_assert_eq(before, first);
    OK(holog_diff(box.store, first, first + 1, "lb/y", 0, count_difference, &n));
    cr_assert_eq(n, 1);
    n = 0;
    OK(holog_du(box.store, "lb/y", count_du, &n));
    cr_assert_eq(n, 1);
}
