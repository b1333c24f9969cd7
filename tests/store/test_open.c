/*
 * What is not a store, not yet, no longer, or not for this version; options that make no sense; who
 * may open beside whom; budgets; forks. Each has its own code and a message that says where.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/hash.h"
#include "storekit.h"
#include "wal/super.h"

static struct box box;

static void setup(void)
{
    box_make(&box);
}

static void teardown(void)
{
    box_end(&box);
}

TestSuite(opening, .init = setup, .fini = teardown, .timeout = 120);

static const char *in_box(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", box.dir, name);
    return path;
}

static int open_again(uint32_t flags, holog_store **out)
{
    holog_options o = box.opts;
    o.flags = flags;
    return holog_open(box.dir, &o, out);
}

/* ---- options ---------------------------------------------------------------------------------------*/

Test(opening, options_of_a_later_version_are_fine_while_their_tail_says_nothing)
{
    struct {
        holog_options o;
        uint8_t tail[64];
    } later;
    char words[32];

    memset(&later, 0, sizeof later);
    later.o = box.opts;
    later.o.struct_size = sizeof later;
    later.tail[17] = 1;
    (void)snprintf(words, sizeof words, "%zu", sizeof later.o + 17);
    FAILS(HOLOG_E_VERSION, holog_open(box.dir, &later.o, &box.store), words);
    later.tail[17] = 0;
    OK(holog_open(box.dir, &later.o, &box.store));
}

Test(opening, options_of_an_earlier_version_leave_the_rest_at_its_default)
{
    holog_options o = box.opts;

    o.struct_size = 16;     /* up to sync_interval_ms */
    o.segment_size_max = 3; /* beyond it: not read */
    OK(holog_open(box.dir, &o, &box.store));
}

Test(opening, options_that_make_no_sense_are_refused_by_name)
{
    static const struct {
        size_t at;
        uint32_t value;
        const char *word;
    } bad[] = {
        { offsetof(holog_options, struct_size), 0, "struct_size" },
        { offsetof(holog_options, struct_size), 7, "struct_size" },
        { offsetof(holog_options, struct_size), 1u << 20, "struct_size" },
        { offsetof(holog_options, flags), 64, "flags" },
        { offsetof(holog_options, sync), 9, "sync" },
        { offsetof(holog_options, io), 9, "io" },
        { offsetof(holog_options, segment_size_max), 12345, "segment_size_max" },
        { offsetof(holog_options, segment_size_max), 8 << 10, "segment_size_max" },
        { offsetof(holog_options, segment_size_max), 128 << 20, "segment_size_max" },
        { offsetof(holog_options, extent_segment_size_max), 100, "extent_segment_size_max" },
        { offsetof(holog_options, groups_in_flight), 9, "groups_in_flight" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        holog_options o = box.opts;
        memcpy((uint8_t *)&o + bad[i].at, &bad[i].value, sizeof bad[i].value);
        FAILS(HOLOG_E_INVAL, holog_open(box.dir, &o, &box.store), bad[i].word);
        FAILS(HOLOG_E_INVAL, holog_init(box.dir, &o), bad[i].word);
    }
    box.opts.max_space_amp = 0.5;
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "max_space_amp");
    box.opts.max_space_amp = 0;
    box.opts.budget_bytes = 1000;
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "budget");
    FAILS(HOLOG_E_INVAL, holog_open("", NULL, &box.store), "directory");
    FAILS(HOLOG_E_INVAL, holog_open(NULL, NULL, &box.store), "directory");
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, NULL, NULL), "out_store");
}

/* ---- directories that are none ---------------------------------------------------------------------*/

Test(opening, a_directory_with_other_things_in_it_is_left_alone)
{
    file_write(box.dir, "holiday.jpg", "x", 1);
    FAILS(HOLOG_E_NOTDIREMPTY, holog_open(box.dir, &box.opts, &box.store), "holiday.jpg");
    FAILS(HOLOG_E_NOTDIREMPTY, holog_init(box.dir, &box.opts), "holiday.jpg");
    FAILS(HOLOG_E_NOTSTORE, open_again(HOLOG_OPEN_NO_CREATE, &box.store), box.dir);
    FAILS(HOLOG_E_NOTSTORE, open_again(HOLOG_OPEN_READONLY, &box.store), box.dir);
    FAILS(HOLOG_E_NOTSTORE, holog_verify(box.dir, 0, NULL, NULL, NULL, NULL), box.dir);
    cr_assert_neq(access(in_box("LOCK"), F_OK), 0);
}

Test(opening, a_missing_directory_is_no_store)
{
    holog_options o = box.opts;

    o.flags = HOLOG_OPEN_NO_CREATE;
    FAILS(HOLOG_E_NOTSTORE, holog_open(in_box("gone"), &o, &box.store), "gone");
    o.flags = HOLOG_OPEN_READONLY;
    FAILS(HOLOG_E_NOTSTORE, holog_open(in_box("gone"), &o, &box.store), "gone");
    FAILS(HOLOG_E_NOTSTORE, holog_verify(in_box("gone"), 0, NULL, NULL, NULL, NULL), "gone");
    o.flags = 0;
    FAILS(HOLOG_E_NOENT, holog_open(in_box("no/parent"), &o, &box.store), "no/parent");
    FAILS(HOLOG_E_NOENT, holog_init(in_box("no/parent"), &o), "no/parent");
    cr_assert_neq(access(in_box("gone"), F_OK), 0);
}

Test(opening, an_empty_name_and_a_missing_output_are_told_apart)
{
    holog_store *s = NULL;

    FAILS(HOLOG_E_INVAL, holog_open("", NULL, &s), "directory is empty");
    FAILS(HOLOG_E_INVAL, holog_open(NULL, NULL, &s), "directory is empty");
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, NULL, NULL), "out_store");
}

Test(opening, a_file_is_no_store)
{
    int rc;

    file_write(box.dir, "file", "x", 1);
    rc = holog_open(in_box("file"), &box.opts, &box.store);
    FAILS(HOLOG_E_NOTDIR, rc, "file");
}

Test(opening, init_makes_one_store_and_refuses_the_second)
{
    OK(holog_init(box.dir, &box.opts));
    FAILS(HOLOG_E_EXIST, holog_init(box.dir, &box.opts), box.dir);
    FAILS(HOLOG_E_EXIST, open_again(HOLOG_OPEN_MUST_CREATE, &box.store), box.dir);
    OK(open_again(HOLOG_OPEN_NO_CREATE, &box.store));
}

Test(opening, what_a_cut_during_init_leaves_is_not_yet_a_store)
{
    static const char *const dirs[] = { "seg", "chk", "quarantine" };

    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(mkdir(in_box(dirs[i]), 0700), 0);
    file_write(box.dir, "LOCK", "", 0);
    file_write(box.dir, "SUPER.tmp", "half", 4);
    FAILS(HOLOG_E_NOTSTORE, open_again(HOLOG_OPEN_NO_CREATE, &box.store), box.dir);
    FAILS(HOLOG_E_NOTSTORE, open_again(HOLOG_OPEN_READONLY, &box.store), box.dir);
    OK(holog_open(box.dir, &box.opts, &box.store));
    OK(save_text(box.store, "f", "x", 0));
    cr_assert_neq(access(in_box("SUPER.tmp"), F_OK), 0);
    box_same_after_reopen(&box);
}

Test(opening, a_lost_super_is_damage_and_never_an_empty_store)
{
    box_open(&box);
    OK(save_text(box.store, "f", "x", 0));
    OK(holog_close(box.store));
    box.store = NULL;
    cr_assert_eq(unlink(in_box("SUPER")), 0);
    FAILS(HOLOG_E_CORRUPT, holog_open(box.dir, &box.opts, &box.store), NULL);
    FAILS(HOLOG_E_CORRUPT, holog_init(box.dir, &box.opts), "repair");
    FAILS(HOLOG_E_CORRUPT, open_again(HOLOG_OPEN_READONLY, &box.store), NULL);
    OK(holog_repair(box.dir, HOLOG_REPAIR_POINT_IN_TIME, 0, NULL, NULL, NULL));
    box_open(&box);
    has_text(box.store, "f", "x");
}

/* ---- stores of a later format ----------------------------------------------------------------------*/

static void sign_again(uint8_t *block)
{
    struct hg_hash128 h = hg_hash128(block, 4080);
    hg_put_le64(block + 4080, h.lo);
    hg_put_le64(block + 4088, h.hi);
}

/* Set a field of both slots of SUPER, or of a segment's header, and make the hash right again. */
static void change_file(const char *name, size_t blocks, size_t at, uint32_t value)
{
    size_t len;
    uint8_t *data = file_read(box.dir, name, &len);

    cr_assert_geq(len, blocks * 4096);
    for (size_t i = 0; i < blocks; i++) {
        hg_put_le32(data + i * 4096 + at, value);
        sign_again(data + i * 4096);
    }
    file_write(box.dir, name, data, len);
    free(data);
}

static void small_store(void)
{
    box_open(&box);
    OK(save_text(box.store, "f", "x", 0));
    OK(holog_close(box.store));
    box.store = NULL;
}

Test(opening, a_store_of_a_later_format_is_refused_as_such)
{
    static const struct {
        const char *file;
        size_t blocks, at;
        uint32_t value;
    } later[] = { { "SUPER", 2, 8, 2 },
                  { "SUPER", 2, 64, 2 },
                  { "SUPER", 1, 64, 2 }, /* one slot of the two */
                  { "seg/00000001.hlog", 1, 8, 2 },
                  { "seg/00000001.hlog", 1, 72, 32 },
                  { "seg/00000001.hlog", 1, 80, 2 },
                  { "seg/00000001.hlog", 1, 84, 1 } };

    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        size_t len;
        uint8_t *was;
        small_store();
        was = file_read(box.dir, later[i].file, &len);
        change_file(later[i].file, later[i].blocks, later[i].at, later[i].value);
        FAILS(HOLOG_E_VERSION, holog_open(box.dir, &box.opts, &box.store), NULL);
        FAILS(HOLOG_E_VERSION, open_again(HOLOG_OPEN_READONLY, &box.store), NULL);
        FAILS(HOLOG_E_VERSION,
              holog_repair(box.dir, HOLOG_REPAIR_POINT_IN_TIME, 0, NULL, NULL, NULL), NULL);
        file_write(box.dir, later[i].file, was, len);
        free(was);
        box_open(&box);
        has_text(box.store, "f", "x");
        OK(holog_close(box.store));
        box.store = NULL;
        remove_tree(box.dir);
        cr_assert_eq(mkdir(box.dir, 0700), 0);
    }
}

Test(opening, a_read_only_compatible_feature_allows_reading_and_refuses_writing)
{
    small_store();
    change_file("SUPER", 2, 56, 1);
    FAILS(HOLOG_E_VERSION, holog_open(box.dir, &box.opts, &box.store), NULL);
    OK(open_again(HOLOG_OPEN_READONLY, &box.store));
    has_text(box.store, "f", "x");
}

Test(opening, a_compatible_feature_is_ignored)
{
    small_store();
    change_file("SUPER", 2, 48, 1);
    box_open(&box);
    has_text(box.store, "f", "x");
}

/* ---- locks -----------------------------------------------------------------------------------------*/

Test(opening, a_second_writer_is_busy_here_and_in_another_process)
{
    holog_store *second = NULL;
    int status = 0;
    pid_t pid;

    box_open(&box);
    FAILS(HOLOG_E_BUSY, holog_open(box.dir, &box.opts, &second), box.dir);
    FAILS(HOLOG_E_BUSY, holog_open(box.dir, &box.opts, &second), "in this one");
    FAILS(HOLOG_E_BUSY, holog_repair(box.dir, HOLOG_REPAIR_SALVAGE, 0, NULL, NULL, NULL), box.dir);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        holog_store *third = NULL;
        struct holog_error_detail d;
        int rc = holog_open(box.dir, &box.opts, &third);
        holog_last_error(&d);
        _exit(rc == HOLOG_E_BUSY && strstr(d.message, box.dir) != NULL ? 7 : 1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %#x", (unsigned)status);
    OK(save_text(box.store, "f", "x", 0));
    box_reopen(&box);
    has_text(box.store, "f", "x");
}

Test(opening, a_read_only_handle_reads_and_refuses_every_change)
{
    holog_txn *txn = NULL;
    holog_writer *w = NULL;
    uint64_t number = 0;

    small_store();
    OK(open_again(HOLOG_OPEN_READONLY, &box.store));
    has_text(box.store, "f", "x");
    FAILS(HOLOG_E_READONLY, save_text(box.store, "g", "x", 0), box.dir);
    FAILS(HOLOG_E_READONLY, holog_mkdir(box.store, "d", 0, NULL), box.dir);
    FAILS(HOLOG_E_READONLY, holog_delete(box.store, "f", NULL), box.dir);
    FAILS(HOLOG_E_READONLY, holog_delete_all(box.store, "/", NULL), box.dir);
    FAILS(HOLOG_E_READONLY, holog_copy(box.store, "f", "g", 0, NULL), box.dir);
    FAILS(HOLOG_E_READONLY, holog_move(box.store, "f", "g", 0, NULL), box.dir);
    FAILS(HOLOG_E_READONLY, holog_symlink(box.store, "f", "g", 0, NULL), box.dir);
    FAILS(HOLOG_E_READONLY, holog_begin(box.store, &txn), box.dir);
    FAILS(HOLOG_E_READONLY, holog_writer_open(box.store, "g", 0, 0, &w), box.dir);
    FAILS(HOLOG_E_READONLY, holog_config(box.store, "user.x", "1", NULL, 0), box.dir);
    FAILS(HOLOG_E_READONLY, holog_sync(box.store), box.dir);
    OK(holog_refresh(box.store, &number));
    cr_assert_eq(number, 1);
}

/* chmod does not stop root, so this takes a read-only mount in a mount namespace of its own. */
Test(opening, a_store_on_a_read_only_file_system_can_be_read)
{
    int rc;

    small_store();
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(box.dir, box.dir, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, box.dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0)
        cr_skip_test("read-only file system: this process may not mount (%s)", strerror(errno));
    rc = holog_open(box.dir, &box.opts, &box.store);
    FAILS(HOLOG_E_IO, rc, NULL);
    OK(open_again(HOLOG_OPEN_READONLY, &box.store));
    has_text(box.store, "f", "x");
    OK(holog_close(box.store));
    box.store = NULL;
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL));
    (void)umount(box.dir);
}

/* ---- fork ------------------------------------------------------------------------------------------*/

static int forked_calls(holog_store *s, holog_view *view, holog_txn *txn)
{
    holog_value *v = NULL;
    holog_stat_info info = { .struct_size = sizeof info };
    int wrong = 0;

    wrong += holog_save(s, "c", "x", 1, 0, NULL) != HOLOG_E_FORKED;
    wrong += holog_load(s, "f", &v) != HOLOG_E_FORKED;
    wrong += holog_stat(s, "f", &info) != HOLOG_E_FORKED;
    wrong += holog_view_load(view, "f", &v) != HOLOG_E_FORKED;
    wrong += holog_txn_save(txn, "c", "x", 1, 0) != HOLOG_E_FORKED;
    wrong += holog_sync(s) != HOLOG_E_FORKED;
    wrong += holog_refresh(s, NULL) != HOLOG_E_FORKED;
    wrong += holog_close(s) != HOLOG_OK;
    return wrong;
}

Test(opening, a_forked_child_gets_forked_and_the_parent_goes_on)
{
    static const enum holog_io_choice worlds[] = { HOLOG_IO_POSIX, HOLOG_IO_AUTO };

    for (size_t i = 0; i < 2; i++) {
        holog_view *view = NULL;
        holog_txn *txn = NULL;
        int status = 0;
        pid_t pid;
        box.opts.io = worlds[i];
        box_open(&box);
        OK(save_text(box.store, "f", "x", HOLOG_REPLACE));
        OK(holog_view_open(box.store, &view));
        OK(holog_begin(box.store, &txn));
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
            (void)alarm(20); /* a call that waits for the parent's threads waits for ever */
            _exit(40 + forked_calls(box.store, view, txn));
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 40, "status %#x", (unsigned)status);
        OK(holog_txn_save(txn, "g", "y", 1, HOLOG_REPLACE));
        OK(holog_commit(txn, NULL));
        has_text(box.store, "g", "y");
        holog_view_close(view);
        box_same_after_reopen(&box);
        OK(holog_close(box.store));
        box.store = NULL;
    }
}

/* ---- budgets ---------------------------------------------------------------------------------------*/

Test(opening, a_value_over_the_budget_is_refused_whole_and_the_store_goes_on)
{
    box.opts.budget_bytes = 8 << 20;
    box_open(&box);
    FAILS(HOLOG_E_BUDGET, save_seed(box.store, "big", 20 << 20, 1, 0), NULL);
    cr_assert_eq(type_of(box.store, "big"), HOLOG_MISSING);
    cr_assert_eq(holog_last_number(box.store), 0);
    OK(save_seed(box.store, "small", 1 << 20, 2, 0));
    has_seed(box.store, "small", 1 << 20, 2);
    box_same_after_reopen(&box);
}

enum {
    BUDGET = 16 << 20
};

static int save_into(holog_txn *t, unsigned n, size_t len)
{
    uint8_t *value = malloc(len);
    char path[32];
    int rc;

    cr_assert_not_null(value);
    value_fill(value, len, n);
    (void)snprintf(path, sizeof path, "v%u", n);
    rc = holog_txn_save(t, path, value, len, HOLOG_REPLACE);
    free(value);
    return rc;
}

static void is_within_the_budget(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    cr_assert_leq(st.cache_bytes + st.index_bytes, st.budget_bytes);
}

Test(opening, values_of_a_transaction_larger_than_the_budget_make_way_once_they_are_written)
{
    enum {
        LEN = 60000
    };
    char path[32];

    box.opts.budget_bytes = BUDGET;
    box_open(&box);
    for (int commits = 0; commits < 2; commits++) {
        holog_txn *t = NULL;
        holog_value *v = NULL;
        OK(holog_begin(box.store, &t));
        for (unsigned n = 0; n < 3u * BUDGET / LEN; n++)
            OK(save_into(t, n, LEN));
        is_within_the_budget();
        OK(holog_txn_load(t, "v0", &v)); /* it had to make way long ago */
        cr_assert_eq(holog_value_size(v), LEN);
        holog_value_release(v);
        OK(holog_commit(t, NULL));
        for (unsigned n = 0; n < 3u * BUDGET / LEN; n++) {
            (void)snprintf(path, sizeof path, "v%u", n);
            has_seed(box.store, path, LEN, n);
        }
    }
    box_same_after_reopen(&box);
}

Test(opening, a_transaction_whose_frame_goes_over_the_budget_is_told_when_it_does)
{
    enum {
        LEN = 4000
    };
    holog_txn *t = NULL;
    unsigned n = 0;
    int rc = HOLOG_OK;

    box.opts.budget_bytes = BUDGET;
    box_open(&box);
    OK(holog_begin(box.store, &t));
    while (rc == HOLOG_OK) {
        cr_assert_lt(n, BUDGET / LEN);
        rc = save_into(t, n, LEN);
        n += rc == HOLOG_OK;
    }
    FAILS(HOLOG_E_BUDGET, rc, "budget");
    cr_assert_gt(n, BUDGET / 8 / LEN);
    is_within_the_budget();
    holog_abort(t);
    OK(save_seed(box.store, "large", BUDGET / 2, 1, 0));
    box_same_after_reopen(&box);
}

Test(opening, a_commit_without_memory_for_a_new_segment_fails_alone)
{
    holog_txn *t = NULL;

    box.opts.budget_bytes = 4 << 20;
    box_open(&box);
    OK(holog_begin(box.store, &t));
    for (size_t len = 4000; len > 0; len /= 4) { /* all of the budget, in its frame */
        uint8_t *value = calloc(1, len);
        char path[32];
        int rc = HOLOG_OK;
        cr_assert_not_null(value);
        for (unsigned i = 0; rc == HOLOG_OK; i++) {
            (void)snprintf(path, sizeof path, "v%zu-%u", len, i);
            rc = holog_txn_save(t, path, value, len, 0);
        }
        FAILS(HOLOG_E_BUDGET, rc, NULL);
        free(value);
    }
    FAILS(HOLOG_E_BUDGET, save_text(box.store, "a", "1", 0), NULL); /* the store's first commit */
    holog_abort(t);
    OK(save_text(box.store, "a", "1", 0));
    has_text(box.store, "a", "1");
    box_same_after_reopen(&box);
}

Test(opening, a_value_larger_than_the_budget_is_written_and_read_in_pieces)
{
    enum {
        PIECE = 1 << 20,
        PIECES = 72
    };
    uint8_t *piece = malloc(PIECE);
    uint8_t *got = malloc(PIECE);
    holog_writer *w = NULL;
    holog_value *v = NULL;
    holog_stats st = { .struct_size = sizeof st };

    cr_assert(piece != NULL && got != NULL);
    box.opts.budget_bytes = 48 << 20;
    box.opts.extent_segment_size_max = 16 << 20;
    box_open(&box);
    OK(holog_writer_open(box.store, "film", 0, 0, &w));
    for (unsigned i = 0; i < PIECES; i++) {
        value_fill(piece, PIECE, i);
        OK(holog_writer_write(w, piece, PIECE));
        cr_assert_eq(type_of(box.store, "film"), HOLOG_MISSING);
    }
    OK(holog_writer_finish(w, NULL));
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < PIECES; i++) {
            size_t n = 0;
            value_fill(piece, PIECE, i);
            OK(holog_load_range(box.store, "film", (uint64_t)i * PIECE, got, PIECE, &n));
            cr_assert_eq(n, PIECE);
            cr_assert_eq(memcmp(got, piece, PIECE), 0, "piece %u", i);
        }
        FAILS(HOLOG_E_BUDGET, holog_load(box.store, "film", &v), NULL);
        OK(holog_stats_get(box.store, &st));
        cr_assert_leq(st.cache_bytes + st.index_bytes, st.budget_bytes);
        box_reopen(&box);
    }
    free(piece);
    free(got);
}

Test(opening, the_table_of_a_streamed_value_counts_against_the_budget)
{
    enum {
        PIECE = 1 << 20,
        PIECES = 200
    };
    uint8_t *piece = calloc(1, PIECE);
    holog_writer *w = NULL;
    holog_stats before = { .struct_size = sizeof before };
    holog_stats st = { .struct_size = sizeof st };

    cr_assert_not_null(piece);
    box.opts.budget_bytes = 4 << 20;
    box_open(&box);
    OK(holog_writer_open(box.store, "film", 0, 0, &w));
    for (unsigned i = 0; i < PIECES; i++) {
        OK(holog_writer_write(w, piece, PIECE));
        if (i == PIECES / 2) /* all its buffers are in use */
            OK(holog_stats_get(box.store, &before));
    }
    OK(holog_stats_get(box.store, &st));
    cr_assert_gt(st.cache_bytes, before.cache_bytes);
    cr_assert_leq(st.cache_bytes, before.cache_bytes + (64 << 10));
    holog_writer_abort(w);
    free(piece);
}

#define FILM_BYTES (20u << 20)

static void *stream_film(void *arg)
{
    unsigned n = *(unsigned *)arg;
    uint8_t *film = malloc(FILM_BYTES);
    holog_writer *w = NULL;
    char path[16];

    cr_assert_not_null(film);
    value_fill(film, FILM_BYTES, n);
    (void)snprintf(path, sizeof path, "film%u", n);
    OK(holog_writer_open(box.store, path, n % 2 == 0 ? 0 : 1000, 0, &w));
    for (size_t at = 0; at < FILM_BYTES; at += 1000003)
        OK(holog_writer_write(w, film + at, FILM_BYTES - at < 1000003 ? FILM_BYTES - at : 1000003));
    OK(holog_writer_finish(w, NULL));
    free(film);
    return NULL;
}

Test(opening, many_writers_stream_at_once_in_the_smallest_budget)
{
    enum {
        WRITERS = 8
    };
    pthread_t threads[WRITERS];
    unsigned n[WRITERS];
    uint8_t *film = malloc(FILM_BYTES);
    uint8_t *got = malloc(FILM_BYTES);
    holog_stats st = { .struct_size = sizeof st };

    cr_assert(film != NULL && got != NULL);
    box.opts.budget_bytes = 4 << 20;
    box_open(&box);
    for (unsigned i = 0; i < WRITERS; i++) {
        n[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, stream_film, &n[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    box_reopen(&box);
    for (unsigned i = 0; i < WRITERS; i++) {
        char path[16];
        size_t size = 0;
        (void)snprintf(path, sizeof path, "film%u", i);
        value_fill(film, FILM_BYTES, i);
        OK(holog_load_range(box.store, path, 0, got, FILM_BYTES, &size));
        cr_assert_eq(size, FILM_BYTES);
        cr_assert_eq(memcmp(got, film, FILM_BYTES), 0, "%s", path);
    }
    OK(holog_stats_get(box.store, &st));
    cr_assert_leq(st.cache_bytes + st.index_bytes, st.budget_bytes);
    free(film);
    free(got);
}

Test(opening, an_aborted_or_refused_writer_leaves_nothing)
{
    uint8_t *piece = malloc(3 << 20);
    holog_writer *w = NULL;

    cr_assert_not_null(piece);
    value_fill(piece, 3 << 20, 1);
    box_open(&box);
    for (unsigned i = 0; i < 5; i++) {
        OK(holog_writer_open(box.store, "f", 0, 0, &w));
        for (unsigned k = 0; k < i; k++)
            OK(holog_writer_write(w, piece, 3 << 20));
        holog_writer_abort(w);
    }
    cr_assert_eq(type_of(box.store, "f"), HOLOG_MISSING);
    OK(holog_mkdir(box.store, "gone", 0, NULL));
    OK(holog_writer_open(box.store, "gone/f", 0, 0, &w));
    OK(holog_writer_write(w, piece, 3 << 20));
    OK(holog_delete(box.store, "gone", NULL));
    FAILS(HOLOG_E_NOENT, holog_writer_finish(w, NULL), "gone");
    OK(holog_writer_open(box.store, "small", 10, 0, &w));
    OK(holog_writer_write(w, "12345", 5));
    OK(holog_writer_write(w, "67890", 5));
    OK(holog_writer_finish(w, NULL));
    has_text(box.store, "small", "1234567890");
    OK(holog_writer_open(box.store, "none", 0, 0, &w));
    OK(holog_writer_finish(w, NULL));
    has_text(box.store, "none", "");
    free(piece);
    box_same_after_reopen(&box);
}

Test(opening, a_writer_that_could_not_finish_is_refused_when_it_is_opened)
{
    holog_writer *w = NULL;

    box_open(&box);
    OK(save_text(box.store, "blob", "1", 0));
    OK(holog_mkdir(box.store, "dir", 0, NULL));
    OK(holog_symlink(box.store, "blob", "link", 0, NULL));
    FAILS(HOLOG_E_EXIST, holog_writer_open(box.store, "blob", 0, 0, &w), "blob");
    FAILS(HOLOG_E_EXIST, holog_writer_open(box.store, "link", 0, HOLOG_PARENTS, &w), "link");
    FAILS(HOLOG_E_EXIST, holog_writer_open(box.store, "dir", 0, 0, &w), "dir");
    FAILS(HOLOG_E_ISDIR, holog_writer_open(box.store, "dir", 0, HOLOG_REPLACE, &w), "dir");
    FAILS(HOLOG_E_EXIST, holog_writer_open(box.store, "/", 0, 0, &w), "/");
    FAILS(HOLOG_E_NOENT, holog_writer_open(box.store, "no/parent", 0, 0, &w), "no");
    FAILS(HOLOG_E_NOTDIR, holog_writer_open(box.store, "blob/f", 0, HOLOG_PARENTS, &w), "blob");
    FAILS(HOLOG_E_INVAL, holog_writer_open(box.store, "f", 0, 4, &w), "flags");
    cr_assert_null(w);
    OK(holog_writer_open(box.store, "some/parent", 0, HOLOG_PARENTS, &w));
    OK(holog_writer_finish(w, NULL));
    has_text(box.store, "some/parent", "");
    OK(holog_writer_open(box.store, "blob", 0, HOLOG_REPLACE, &w));
    OK(holog_writer_write(w, "new", 3));
    OK(holog_writer_finish(w, NULL));
    has_text(box.store, "blob", "new");
}

Test(opening, what_was_written_for_nothing_gives_its_room_back)
{
    enum {
        PIECE = 3 << 20
    };
    uint8_t *piece = malloc(PIECE);
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };
    holog_writer *w = NULL;
    holog_txn *t = NULL;

    cr_assert_not_null(piece);
    value_fill(piece, PIECE, 1);
    box.opts.extent_segment_size_max = 8 << 20;
    box_open(&box);
    OK(save_seed(box.store, "kept", 100000, 1, 0));
    OK(holog_stats_get(box.store, &before));
    for (int i = 0; i < 3; i++) { /* over several extent segments */
        OK(holog_writer_open(box.store, "film", 0, 0, &w));
        for (int k = 0; k < 7; k++)
            OK(holog_writer_write(w, piece, PIECE));
        holog_writer_abort(w);
    }
    OK(holog_begin(box.store, &t));
    OK(holog_txn_save(t, "a", piece, PIECE, 0));
    OK(holog_txn_save(t, "b", piece, PIECE, 0));
    holog_abort(t);
    FAILS(HOLOG_E_EXIST, holog_save(box.store, "kept", piece, PIECE, 0, NULL), "kept");
    OK(holog_stats_get(box.store, &after));
    cr_assert_leq(after.extent_bytes, before.extent_bytes + (1u << 20), "%llu bytes, then %llu",
                  (unsigned long long)before.extent_bytes, (unsigned long long)after.extent_bytes);
    OK(save_seed(box.store, "more", PIECE, 2, 0)); /* where something else stood */
    has_seed(box.store, "more", PIECE, 2);
    has_seed(box.store, "kept", 100000, 1);
    free(piece);
    box_same_after_reopen(&box);
}

Test(opening, an_index_over_its_budget_refuses_and_keeps_what_it_has)
{
    enum {
        BATCH = 500
    };
    static char paths[BATCH][64];
    static holog_item items[BATCH];
    int rc = HOLOG_OK;
    unsigned n = 0;

    box.opts.budget_bytes = 4 << 20;
    box.opts.segment_size_max = 4 << 20;
    box_open(&box);
    for (n = 0; rc == HOLOG_OK && n < 400; n++) {
        for (unsigned i = 0; i < BATCH; i++) {
            (void)snprintf(paths[i], sizeof paths[i], "%08x-%u-a-name-of-some-length-here",
                           (n * BATCH + i) * 2654435761u, n * BATCH + i);
            items[i] = (holog_item){ paths[i], "x", 1 };
        }
        rc = holog_save_batch(box.store, items, BATCH, 0, NULL);
    }
    FAILS(HOLOG_E_BUDGET, rc, NULL);
    cr_assert_eq(holog_last_number(box.store), n - 1);
    cr_assert_eq(type_of(box.store, paths[0]), HOLOG_MISSING);
    OK(holog_delete_all(box.store, "/", NULL));
    OK(save_text(box.store, "again", "x", 0));
    box_same_after_reopen(&box);
}

/* ---- replay ---------------------------------------------------------------------------------------*/

/* Puts in an order that is not that of paths, and now and then what does not fit a run of them. */
static void fill_log(unsigned commits)
{
    enum {
        BATCH = 500
    };
    static char paths[BATCH][64];
    static holog_item items[BATCH];

    for (unsigned n = 0; n < commits; n++) {
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned at = (n * BATCH + i) * 2654435761u >> 8;
            (void)snprintf(paths[i], sizeof paths[i], "d%u/some-name-in-it-%u/f%u", at % 7,
                           at % 1000, at);
            items[i] = (holog_item){ paths[i], paths[i], strlen(paths[i]) };
        }
        OK(holog_save_batch(box.store, items, BATCH, HOLOG_REPLACE | HOLOG_PARENTS, NULL));
        if (n % 16 == 9)
            OK(holog_delete_all(box.store, "d3", NULL));
        if (n % 16 == 14)
            OK(holog_move(box.store, "d4", n % 32 == 14 ? "e" : "f", 0, NULL));
    }
}

Test(opening, a_log_of_many_runs_is_replayed_to_what_it_was)
{
    char chk[600];

    box.opts.budget_bytes = 4 << 20; /* a run holds a thousand puts */
    box.opts.segment_size_max = 256 << 10;
    box_open(&box);
    fill_log(24);
    for (unsigned background = 0; background < 2; background++) {
        char *before = store_text(box.store);
        char *after;
        OK(holog_close(box.store));
        (void)snprintf(chk, sizeof chk, "%s/chk", box.dir);
        remove_tree(chk);
        cr_assert_eq(mkdir(chk, 0700), 0);
        box.opts.no_background = !background;
        box_open(&box);
        after = store_text(box.store);
        cr_assert_str_eq(after, before);
        free(before);
        free(after);
    }
}

/* ---- closing ------------------------------------------------------------------------------------------*/

Test(opening, a_closed_store_ends_where_its_log_does)
{
    for (unsigned round = 0; round < 36; round++) {
        struct stat st;
        box_open(&box);
        for (unsigned i = 0; i <= round % 12; i++)
            OK(save_text(box.store, "a", "some text", HOLOG_REPLACE));
        OK(holog_close(box.store));
        box.store = NULL;
        cr_assert_eq(stat(in_box("seg/00000001.hlog"), &st), 0);
        cr_assert_leq(st.st_size, 4096 + 12 * 4096, "%u commits: %lld bytes", round % 12 + 1,
                      (long long)st.st_size);
        remove_tree(box.dir);
    }
    box_open(&box); /* for the end */
}

/* ---- two at once -------------------------------------------------------------------------------------*/

enum {
    MAKERS = 3
};

/* Opens, creating, saves one entry; 1 when that was acknowledged. */
static int make_and_save(unsigned who)
{
    holog_store *s = NULL;
    char name[16];
    int saved;

    (void)snprintf(name, sizeof name, "by%u", who);
    if (holog_open(box.dir, &box.opts, &s) < 0)
        return 0;
    saved = save_seed(s, name, 100, who, 0) == HOLOG_OK;
    return holog_close(s) == HOLOG_OK && saved;
}

static void everybody_makes_it(void)
{
    pid_t pids[MAKERS];
    int start[2];
    int status;

    cr_assert_eq(pipe(start), 0);
    for (unsigned i = 0; i < MAKERS; i++) {
        char c;
        pids[i] = fork();
        cr_assert_geq(pids[i], 0);
        if (pids[i] != 0)
            continue;
        (void)close(start[1]);
        (void)!read(start[0], &c, 1); /* until all are there */
        _exit(make_and_save(i) ? 0 : 9);
    }
    (void)close(start[0]);
    (void)close(start[1]);
    for (unsigned i = 0; i < MAKERS; i++) {
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "maker %u ended with %#x", i,
                  (unsigned)status);
    }
    box_open(&box);
    for (unsigned i = 0; i < MAKERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "by%u", i);
        has_seed(box.store, name, 100, i);
    }
}

Test(opening, who_create_one_store_at_once_all_find_the_same_one)
{
    box.opts.lock_wait_ms = 60000;
    for (unsigned round = 0; round < 20; round++) {
        everybody_makes_it();
        OK(holog_close(box.store));
        box.store = NULL;
        remove_tree(box.dir);
    }
    box_begin(&box); /* for the end */
}

/* Comes out of each thread's stack: a host may bring a library that has as much. */
static _Thread_local volatile char much[250u << 10];

Test(opening, a_program_with_much_thread_local_storage_can_open_a_store)
{
    much[0] = 1;
    box_open(&box); /* the log's threads start */
    OK(save_text(box.store, "a", "1", 0));
    has_text(box.store, "a", "1");
    cr_assert_eq(much[0], 1);
}

#if !HG_ALLOC_BY_MALLOC && !defined(__SANITIZE_THREAD__)
#define LOADED_BYTES ((size_t)16 << 20)
#define LOADERS      4

static void *load_again_and_again(void *arg)
{
    holog_store *s = arg;

    for (unsigned i = 0; i < 200; i++) {
        char path[16];
        holog_value *v = NULL;
        (void)snprintf(path, sizeof path, "v%u", i * 7 % 12);
        int rc = holog_load(s, path, &v);
        if (rc != HOLOG_OK && rc != HOLOG_E_BUDGET)
            return arg;
        holog_value_release(v);
    }
    return NULL;
}

static size_t resident_peak_kib(void)
{
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    cr_assert_not_null(f);
    while (kib == 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    (void)fclose(f);
    return kib;
}

Test(opening, threads_that_load_large_values_stay_near_the_budget)
{
    uint8_t *bytes = calloc(1, LOADED_BYTES);
    pthread_t t[LOADERS];

    box.opts.budget_bytes = (uint64_t)64 << 20;
    box_open(&box);
    for (unsigned i = 0; i < 12; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "v%u", i);
        bytes[0] = (uint8_t)i;
        OK(holog_save(box.store, path, bytes, LOADED_BYTES - ((size_t)i % 8 << 20), 0, NULL));
    }
    free(bytes);
    for (unsigned i = 0; i < LOADERS; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, load_again_and_again, box.store), 0);
    for (unsigned i = 0; i < LOADERS; i++) {
        void *failed = NULL;
        cr_assert_eq(pthread_join(t[i], &failed), 0);
        cr_assert_null(failed);
    }
    cr_assert_gt(resident_peak_kib(), 0);
    cr_assert_lt(resident_peak_kib(), 128u << 10);
}
#endif

/* ---- the environment -------------------------------------------------------------------------------*/

struct wanted {
    const char *key;
    char value[100];
};

static int take_value(void *ctx, const char *key, const char *value)
{
    struct wanted *w = ctx;

    if (strcmp(key, w->key) == 0)
        (void)snprintf(w->value, sizeof w->value, "%s", value);
    return 0;
}

static uint64_t budget_now(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st.budget_bytes;
}

Test(opening, the_environment_says_what_the_options_leave_open)
{
    struct wanted io = { .key = "io" };

    box.opts.budget_bytes = 0;
    box.opts.io = HOLOG_IO_AUTO;
    cr_assert_eq(setenv("HOLOG_BUDGET", "48M", 1), 0);
    cr_assert_eq(setenv("HOLOG_IO", "posix", 1), 0);
    box_open(&box);
    cr_assert_eq(budget_now(), 48u << 20);
    OK(holog_info(box.store, take_value, &io));
    cr_assert_str_eq(io.value, "posix");
    OK(holog_close(box.store));
    box.opts.budget_bytes = 64 << 20;
    box_open(&box);
    cr_assert_eq(budget_now(), 64u << 20, "what the caller says counts more");
}

Test(opening, an_environment_that_makes_no_sense_is_refused_by_name)
{
    static const char *const bad[] = {
        "x", "-1", "1T", "12MB", "99999999999999999999", "0x10", " 5"
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        box.opts.budget_bytes = 0;
        cr_assert_eq(setenv("HOLOG_BUDGET", bad[i], 1), 0);
        FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "HOLOG_BUDGET");
    }
    cr_assert_eq(unsetenv("HOLOG_BUDGET"), 0);
    cr_assert_eq(setenv("HOLOG_IO", "magic", 1), 0);
    box.opts.io = HOLOG_IO_AUTO;
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "HOLOG_IO");
    cr_assert_eq(unsetenv("HOLOG_IO"), 0);
    box_open(&box);
}
