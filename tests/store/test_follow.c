/*
 * A reader whose writer is gone: it reads on to where the log ends, not only to what the writer had
 * told; on the simulated disk.
 */
#include <stdio.h>
#include <string.h>

#include "../crash/kit.h"
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
