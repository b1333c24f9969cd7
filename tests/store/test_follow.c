/*
 * A reader whose writer is gone: it reads on to where the log ends, not only to what the writer had
 * told; on the simulated disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "base/alloc.h"
#include "holog/versions.h"
#include "io/sim.h"
#include "storekit.h"
#include "wal/ctl.h"

static int save_weakly(holog_store *s, unsigned i)
{
    char path[16];
    const struct step step = {
        .op = STEP_SAVE, .path = path, .len = 900, .seed = i, .sync = HOLOG_SYNC_OS
    };
    uint64_t number;

    (void)snprintf(path, sizeof path, "%u", i);
    return store_apply(s, &step, &number);
}

static uint64_t refreshed(holog_store *s)
{
    uint64_t number = 0;

    OK(holog_refresh(s, &number));
    return number;
}

/* What a killed writer leaves: its commits, and no lock. */
static void die(holog_store *writer)
{
    OK(writer->io->ops->unlock(writer->lock_file, HG_LOCK_WRITER, 1));
}

static struct hg_sim *sim;

static int scenario(struct hg_io *io, void *ctx)
{
    struct hg_io *reader_io = NULL;
    holog_options o;
    holog_options ro;
    holog_store *writer = NULL;
    holog_store *reader = NULL;

    (void)ctx;
    kit_options(&o);
    ro = o;
    ro.flags |= HOLOG_OPEN_READONLY;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &writer));
    OK(save_weakly(writer, 1));
    OK(holog_sync(writer));
    for (unsigned i = 2; i <= 40; i++) /* in several segments */
        OK(save_weakly(writer, i));
    OK(hg_sim_open_io(sim, &reader_io));
    OK(hg_store_open_io(reader_io, &ro, &reader));
    uint64_t told = holog_last_number(reader);
    cr_assert_lt(told, 40); /* not what is not durable: its writer could still lose it */
    cr_assert_eq(refreshed(reader), told);
    die(writer);
    cr_assert_eq(refreshed(reader), 40);
    has_seed(reader, "40", 900, 40);
    has_seed(reader, "1", 900, 1);
    cr_assert_eq(refreshed(reader), 40);

    OK(holog_close(writer)); /* another one comes and goes between two looks */
    OK(hg_store_open_io(io, &o, &writer));
    OK(save_weakly(writer, 41));
    die(writer);
    cr_assert_eq(refreshed(reader), 41);
    has_seed(reader, "41", 900, 41);
    OK(holog_close(writer));
    OK(holog_close(reader));
    reader_io->ops->destroy(reader_io);
    return HOLOG_OK;
}

/* Records of a long commit stand in an extent, in a segment that was not there when the reader came. */
static int long_commit(struct hg_io *io, void *ctx)
{
    const struct step many = {
        .op = STEP_BATCH, .path = "d", .len = 900, .seed = 7, .count = 20, .flags = HOLOG_PARENTS
    };
    struct hg_io *reader_io = NULL;
    holog_options o;
    holog_options ro;
    holog_store *writer = NULL;
    holog_store *reader = NULL;
    holog_stat_info st = { .struct_size = sizeof st };
    uint64_t number;

    (void)ctx;
    kit_options(&o);
    ro = o;
    ro.flags |= HOLOG_OPEN_READONLY;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &writer));
    OK(hg_sim_open_io(sim, &reader_io));
    OK(hg_store_open_io(reader_io, &ro, &reader));
    for (unsigned i = 0; i < 20; i++) { /* several extent segments */
        OK(store_apply(writer, &many, &number));
        OK(holog_move(writer, "d", i % 2 ? "odd" : "even", 0, NULL));
        OK(holog_sync(writer));
        cr_assert_eq(refreshed(reader), 3 * i + 2);
        has_seed(reader, i % 2 ? "odd/0" : "even/0", 900, 7);
        has_seed(reader, i % 2 ? "odd/19" : "even/19", 900, 26);
        OK(holog_stat(reader, i % 2 ? "odd/3" : "even/3", &st));
        cr_assert_eq(st.size_bytes, 900);
        OK(holog_delete_all(writer, i % 2 ? "odd" : "even", NULL));
    }
    OK(holog_close(reader));
    OK(holog_close(writer));
    reader_io->ops->destroy(reader_io);
    return HOLOG_OK;
}

Test(follow, a_reader_finds_the_records_of_long_commits)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, long_commit, NULL));
    hg_sim_destroy(sim);
}

Test(follow, a_reader_goes_on_to_the_end_when_its_writer_is_gone)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, scenario, NULL));
    hg_sim_destroy(sim);
}

/* Tags and the horizon come in frames that are no commits. */
static int tags(struct hg_io *io, void *ctx)
{
    struct hg_io *reader_io = NULL;
    holog_options o;
    holog_options ro;
    holog_store *writer = NULL;
    holog_store *reader = NULL;
    uint64_t number = 0;

    (void)ctx;
    kit_options(&o);
    ro = o;
    ro.flags |= HOLOG_OPEN_READONLY;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &writer));
    for (unsigned i = 1; i <= 5; i++)
        OK(save_weakly(writer, i));
    OK(holog_sync(writer));
    OK(hg_sim_open_io(sim, &reader_io));
    OK(hg_store_open_io(reader_io, &ro, &reader));
    OK(holog_tag(writer, "v1", 2, 0));
    cr_assert_eq(refreshed(reader), 5);
    OK(holog_ref(reader, "v1", &number));
    cr_assert_eq(number, 2);
    OK(holog_gc(writer, 1, 0, 0, NULL));
    OK(holog_sync(writer));
    cr_assert_eq(refreshed(reader), 5);
    OK(holog_ref(reader, "2", &number));
    FAILS(HOLOG_E_DROPPED, holog_ref(reader, "3", &number), "kept");
    OK(holog_tag_delete(writer, "v1"));
    cr_assert_eq(refreshed(reader), 5);
    FAILS(HOLOG_E_NOENT, holog_ref(reader, "v1", &number), "v1");
    FAILS(HOLOG_E_DROPPED, holog_ref(reader, "2", &number), "kept");
    OK(holog_close(reader));
    OK(holog_close(writer));
    reader_io->ops->destroy(reader_io);
    return HOLOG_OK;
}

Test(follow, a_reader_sees_tags_that_no_commit_came_after)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, tags, NULL));
    hg_sim_destroy(sim);
}

/* What the rules would let go of counts the bytes that commits have ended, also those it has followed. */
static int ended(struct hg_io *io, void *ctx)
{
    struct hg_io *reader_io = NULL;
    holog_options o;
    holog_options ro;
    holog_store *writer = NULL;
    holog_store *reader = NULL;
    holog_gc_report would = { .struct_size = sizeof would };
    holog_gc_report told = { .struct_size = sizeof told };
    const struct step step = {
        .op = STEP_SAVE, .path = "a", .len = 900, .flags = HOLOG_REPLACE, .seed = 1
    };
    uint64_t number;

    (void)ctx;
    kit_options(&o);
    ro = o;
    ro.flags |= HOLOG_OPEN_READONLY;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &writer));
    OK(holog_config(writer, "retention.bytes", "5000", NULL, 0));
    for (unsigned i = 0; i < 3; i++)
        OK(store_apply(writer, &step, &number));
    OK(hg_sim_open_io(sim, &reader_io));
    OK(hg_store_open_io(reader_io, &ro, &reader));
    for (unsigned i = 0; i < 20; i++) {
        OK(store_apply(writer, &step, &number));
        if (i % 3 == 0)
            cr_assert_eq(refreshed(reader), number);
    }
    cr_assert_eq(refreshed(reader), number);
    OK(holog_gc(writer, 0, 0, 1, &would));
    OK(holog_gc(reader, 0, 0, 1, &told));
    cr_assert_eq(would.horizon, number - 5);
    cr_assert_eq(told.horizon, would.horizon, "%llu, not %llu", (unsigned long long)told.horizon,
                 (unsigned long long)would.horizon);
    cr_assert_eq(told.bytes, would.bytes);
    OK(holog_close(reader));
    OK(holog_close(writer));
    reader_io->ops->destroy(reader_io);
    return HOLOG_OK;
}

Test(follow, a_reader_knows_what_the_rules_would_let_go)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, ended, NULL));
    hg_sim_destroy(sim);
}

static int fail_in;

static int fail_one(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return fail_in > 0 && --fail_in == 0;
}

/* Each record of the commit takes from where the one before it has put. */
static void swap_around(holog_store *s, unsigned i)
{
    char path[32];
    holog_txn *txn = NULL;

    OK(holog_begin(s, &txn));
    OK(holog_txn_move(txn, "a", "b", HOLOG_REPLACE));
    OK(holog_txn_save(txn, "a", &i, sizeof i, HOLOG_REPLACE));
    OK(holog_txn_move(txn, "d", "e", 0));
    (void)snprintf(path, sizeof path, "d/x%u", i);
    OK(holog_txn_save(txn, path, &i, sizeof i, HOLOG_PARENTS));
    OK(holog_txn_delete_all(txn, "e"));
    OK(holog_commit(txn, NULL));
    OK(holog_move(s, "d", "e", 0, NULL));
    OK(holog_copy(s, "e", "d", 0, NULL));
    OK(holog_delete_all(s, "e", NULL));
}

static int without_memory(struct hg_io *io, void *ctx)
{
    struct hg_io *reader_io = NULL;
    holog_options o;
    holog_options ro;
    holog_store *writer = NULL;
    holog_store *reader = NULL;
    unsigned refused = 0;
    uint64_t number = 0;

    (void)ctx;
    kit_options(&o);
    ro = o;
    ro.flags |= HOLOG_OPEN_READONLY;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &writer));
    OK(save_text(writer, "a", "first", 0));
    OK(save_text(writer, "d/x", "first", HOLOG_PARENTS));
    for (unsigned i = 0; i < 40; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "d/y%u", i);
        OK(save_text(writer, path, "y", 0));
    }
    OK(hg_sim_open_io(sim, &reader_io));
    OK(hg_store_open_io(reader_io, &ro, &reader));
    for (unsigned i = 1; i < 120; i++) {
        char *want;
        char *got;
        int rc;
        swap_around(writer, i);
        fail_in = (int)i;
        rc = holog_refresh(reader, NULL);
        fail_in = 0;
        refused += rc < 0;
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM, "%s", holog_error_name(rc));
        cr_assert_eq(refreshed(reader), holog_last_number(writer));
        want = store_text(writer);
        got = store_text(reader);
        cr_assert_str_eq(got, want, "%u", i);
        free(want);
        free(got);
        OK(holog_ref(reader, "HEAD~4", &number)); /* each commit is there once */
        cr_assert_eq(number, holog_last_number(writer) - 4);
    }
    cr_assert_gt(refused, 20);
    OK(holog_close(reader));
    OK(holog_close(writer));
    reader_io->ops->destroy(reader_io);
    return HOLOG_OK;
}

Test(follow, a_reader_that_lacked_memory_within_a_commit_begins_it_again)
{
    struct hg_sim_options so = { .seed = test_seed() };

    hg_alloc_set_fault(fail_one, NULL);
    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, without_memory, NULL));
    hg_sim_destroy(sim);
    hg_alloc_set_fault(NULL, NULL);
}
