/*
 * Opening a store again and going on in the segment that was open; on the simulated disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "holog/versions.h"
#include "storekit.h"

enum {
    LEN = 70000
};

static struct hg_sim *sim;
static uint64_t built_at; /* step at which a durable commit stands on what was found; 0: never */

static int make(struct hg_io *io, void *ctx)
{
    holog_options o;

    (void)ctx;
    kit_options(&o);
    return hg_store_init_io(io, &o);
}

static int save_weakly(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    const struct step step = { .op = STEP_SAVE,
                               .path = path,
                               .len = len,
                               .seed = seed,
                               .flags = HOLOG_REPLACE,
                               .sync = HOLOG_SYNC_OS };
    uint64_t number;
    return store_apply(s, &step, &number);
}

/* A large value in a mode without syncs; a write that fails; the end without a clean close; an open;
 * and one commit more, durable. */
static int end_badly_and_go_on(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    int saved;
    int rc = HOLOG_OK;

    (void)ctx;
    built_at = 0;
    kit_options(&o);
    if (hg_store_open_io(io, &o, &s) < 0)
        return HOLOG_OK;
    saved =
        save_weakly(s, "large", LEN, 1) == HOLOG_OK && save_weakly(s, "small", 300, 2) == HOLOG_OK;
    for (unsigned i = 0; i < 20 && saved && rc == HOLOG_OK; i++)
        rc = save_weakly(s, i % 2 == 0 ? "x" : "y", 200, i);
    if (holog_close(s) != HOLOG_E_POISONED || !saved)
        return HOLOG_OK; /* the fault lay elsewhere */
    if (hg_store_open_io(io, &o, &s) < 0)
        return HOLOG_OK;
    has_seed(s, "large", LEN, 1);
    OK(save_seed(s, "after", 100, 3, 0));
    built_at = hg_sim_steps(sim);
    return holog_close(s);
}

static int look(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    has_seed(s, "after", 100, 3);
    has_seed(s, "large", LEN, 1);
    has_seed(s, "small", 300, 2);
    return holog_close(s);
}

Test(reopen, what_is_found_is_durable_before_anything_stands_on_it)
{
    unsigned tried = 0;

    for (uint64_t at = 1; at < 40; at++) {
        struct hg_sim_options so = { .seed = test_seed() };
        cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
        OK(hg_sim_run(sim, make, NULL));
        so.fault_classes = HG_SIM_F_WRITE;
        so.fault_at = at;
        so.fault_kind = HG_SIM_FAULT_ERRNO;
        so.fault_errno = EIO;
        hg_sim_set_options(sim, &so);
        OK(hg_sim_run(sim, end_badly_and_go_on, NULL));
        for (unsigned how = 0; built_at != 0 && how < HG_SIM_CRASH_STRATEGIES; how++) {
            struct hg_sim *after = NULL;
            cr_assert_eq(hg_sim_crash(sim, built_at, (enum hg_sim_strategy)how, at, &after),
                         HOLOG_OK);
            OK(hg_sim_run(after, look, NULL));
            hg_sim_destroy(after);
            tried++;
        }
        hg_sim_destroy(sim);
    }
    (void)fprintf(stderr, "# %u power cuts\n", tried);
    cr_assert_geq(tried, 10);
}

/* Commits that wait for no sync each begin a block of their own: the frames end at every distance
 * from a block's end, some too near it for a header of zeros. */
static int fill_half_a_segment(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    o.segment_size_max = 1 << 20;
    o.inline_max = 8192;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    for (unsigned i = 0; i < 100; i++)
        OK(save_weakly(s, "x", 3850 + 2 * i, i));
    return holog_close(s);
}

static int go_on_until_it_is_sealed(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    holog_stats st = { .struct_size = sizeof st };

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    for (unsigned i = 0; i < 2000 && st.segment_rolls == 0; i++) {
        OK(save_weakly(s, "z", 900, i));
        OK(holog_stats_get(s, &st));
    }
    cr_assert_gt(st.segment_rolls, 0);
    return holog_close(s);
}

Test(reopen, a_segment_that_was_open_is_sealed_whatever_lies_between_its_frames)
{
    struct hg_sim_options so = { .seed = test_seed(), .no_trace = 1 };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, fill_half_a_segment, NULL));
    OK(hg_sim_run(sim, go_on_until_it_is_sealed, NULL));
    OK(hg_sim_run(sim, go_on_until_it_is_sealed, NULL));
    hg_sim_destroy(sim);
}

static int count_commit(void *ctx, const holog_commit_info *info)
{
    uint64_t *last = ctx;

    cr_assert(*last == 0 || info->number == *last - 1);
    *last = info->number;
    return 0;
}

static int log_all(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    uint64_t last = 0;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_log(s, NULL, 0, 0, count_commit, &last));
    cr_assert_eq(last, 1);
    return holog_close(s);
}

Test(reopen, the_log_is_read_whatever_lies_between_its_frames)
{
    struct hg_sim_options so = { .seed = test_seed(), .no_trace = 1 };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, fill_half_a_segment, NULL));
    OK(hg_sim_run(sim, log_all, NULL));
    OK(hg_sim_run(sim, go_on_until_it_is_sealed, NULL));
    OK(hg_sim_run(sim, log_all, NULL));
    hg_sim_destroy(sim);
}

/* Flips a bit of the file, whoever has it open. */
static void flip(struct hg_io *io, const char *name, uint64_t at)
{
    struct hg_file *f = NULL;
    uint8_t byte;
    size_t n = 0;

    OK(io->ops->open(io, name, HG_OPEN_WRITE, &f));
    OK(hg_io_read_upto(f, &byte, 1, at, &n));
    byte ^= 4;
    OK(hg_io_write_full(f, &byte, 1, at, 0));
    OK(io->ops->close(f));
}

static uint64_t first_commit; /* in segment 1 */

static int see_first(void *ctx, const holog_commit_info *info)
{
    (void)ctx;
    first_commit = info->offset;
    return 0;
}

static int damage_while_open(struct hg_io *io, void *ctx)
{
    struct holog_error_detail d;
    holog_options o;
    holog_store *s = NULL;
    uint64_t last;
    unsigned i = 0;
    int rc = HOLOG_OK;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_log(s, NULL, 0, 0, see_first, NULL));
    flip(io, "seg/00000001.hlog", first_commit + HG_FRAME_HEADER_SIZE + 200);
    while (rc == HOLOG_OK && i < 2000)
        rc = save_weakly(s, "z", 900, i++);
    cr_assert_eq(rc, HOLOG_E_CORRUPT, "%d", rc);
    holog_last_error(&d);
    cr_assert(d.has_position);
    cr_assert_eq(d.segment, 1);
    cr_assert_eq(d.offset, first_commit);
    last = holog_last_number(s);
    cr_assert_eq(last, 100 + i - 1, "what was acknowledged is there");
    FAILS(HOLOG_E_CORRUPT, save_weakly(s, "z", 900, 1), "hash"); /* nothing is poisoned */
    has_seed(s, "z", 900, i - 2);
    flip(io, "seg/00000001.hlog", first_commit + HG_FRAME_HEADER_SIZE + 200);
    OK(save_weakly(s, "z", 900, 1));
    return holog_close(s);
}

Test(reopen, a_seal_does_not_vouch_for_bytes_that_went_bad)
{
    struct hg_sim_options so = { .seed = test_seed(), .no_trace = 1 };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, fill_half_a_segment, NULL));
    OK(hg_sim_run(sim, damage_while_open, NULL));
    OK(hg_sim_run(sim, log_all, NULL));
    hg_sim_destroy(sim);
}

/* ---- what a crash left is replayed once -------------------------------------------------------------*/

enum {
    COMMITS = 50
};

static int open_and_commit(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    for (unsigned i = 0; i < COMMITS; i++)
        OK(save_seed(s, "x", 100, i, HOLOG_REPLACE));
    built_at = hg_sim_steps(sim);
    return holog_close(s);
}

static int open_and_close(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    has_seed(s, "x", 100, COMMITS - 1);
    *(uint64_t *)ctx = holog_last_number(s);
    return holog_close(s);
}

static int newest_checkpoint(void *ctx, const char *name, uint64_t size)
{
    uint64_t *newest = ctx;
    uint64_t number;

    (void)size;
    if (strncmp(name, "chk/", 4) == 0) {
        number = strtoull(name + 4, NULL, 16);
        *newest = number > *newest ? number : *newest;
    }
    return 0;
}

Test(reopen, a_close_checkpoints_what_a_crash_left_without_a_commit_more)
{
    for (unsigned closes = 0; closes < 2;
         closes++) { /* without an older checkpoint, and with one */
        struct hg_sim_options so = { .seed = test_seed() };
        struct hg_sim *after = NULL;
        uint64_t number = 0;
        uint64_t covered = 0;

        OK(hg_sim_create(&so, &sim));
        OK(hg_sim_run(sim, make, NULL));
        for (unsigned i = 0; i <= closes; i++)
            OK(hg_sim_run(sim, open_and_commit, NULL));
        OK(hg_sim_crash(sim, built_at, HG_SIM_CRASH_ALL, 1, &after));
        OK(hg_sim_run(after, open_and_close, &number));
        cr_assert_eq(number, (closes + 1) * (uint64_t)COMMITS);
        OK(hg_sim_each_file(after, newest_checkpoint, &covered));
        cr_assert_eq(covered, number, "up to %llu", (unsigned long long)covered);
        hg_sim_destroy(after);
        hg_sim_destroy(sim);
    }
}

/* ---- extents go on ----------------------------------------------------------------------------------*/

enum {
    OPENS = 20
};

static holog_options large_options(void)
{
    holog_options o;

    kit_options(&o);
    o.extent_segment_size_max = 1 << 20;
    return o;
}

/* Each writer saves one value and is gone. */
static int save_in_turn(struct hg_io *io, void *ctx)
{
    const unsigned *from = ctx;
    holog_options o = large_options();
    holog_store *s = NULL;
    char path[16];

    if (*from == 0)
        OK(hg_store_init_io(io, &o));
    for (unsigned i = *from; i < *from + OPENS; i++) {
        (void)snprintf(path, sizeof path, "%u", i);
        OK(hg_store_open_io(io, &o, &s));
        OK(save_seed(s, path, 5000 + i, i, 0));
        OK(holog_close(s));
    }
    return HOLOG_OK;
}

static int read_in_turn(struct hg_io *io, void *ctx)
{
    const unsigned *n = ctx;
    holog_options o = large_options();
    holog_store *s = NULL;
    char path[16];

    OK(hg_store_open_io(io, &o, &s));
    for (unsigned i = 0; i < *n; i++) {
        (void)snprintf(path, sizeof path, "%u", i);
        has_seed(s, path, 5000 + i, i);
    }
    return holog_close(s);
}

static int count_extents(void *ctx, const char *name, uint64_t size)
{
    unsigned *n = ctx;

    (void)size;
    *n += strstr(name, ".hext") != NULL;
    return 0;
}

static unsigned extent_files(const struct hg_sim *disk)
{
    unsigned n = 0;

    OK(hg_sim_each_file(disk, count_extents, &n));
    return n;
}

Test(reopen, writers_in_turn_share_an_extent_segment)
{
    struct hg_sim_options so = { .seed = test_seed(), .no_trace = 1 };
    unsigned from = 0;
    unsigned n = OPENS;

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, save_in_turn, &from));
    OK(hg_sim_run(sim, read_in_turn, &n));
    cr_assert_eq(extent_files(sim), 1, "%u", extent_files(sim));
    hg_sim_destroy(sim);
}

static int extent_bytes(void *ctx, const char *name, uint64_t size)
{
    uint64_t *sum = ctx;

    *sum += strstr(name, ".hext") != NULL ? size : 0;
    return 0;
}

/* A value that is never committed, in a store that was closed; and the power goes. */
static int begin_to_stream(struct hg_io *io, void *ctx)
{
    static const uint8_t bytes[1200000]; /* more than is gathered before it is written */
    holog_options o = large_options();
    holog_store *s = NULL;
    holog_writer *w = NULL;

    (void)ctx;
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_writer_open(s, "never", 0, HOLOG_REPLACE, &w));
    OK(holog_writer_write(w, bytes, sizeof bytes));
    built_at = hg_sim_steps(sim);
    holog_writer_abort(w);
    return holog_close(s);
}

Test(reopen, room_that_a_cut_left_in_an_extent_segment_goes_back)
{
    struct hg_sim_options so = { .seed = test_seed() };
    struct hg_sim *after = NULL;
    uint64_t before = 0;
    uint64_t cut = 0;
    unsigned from = 0;
    unsigned n = OPENS;

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, save_in_turn, &from));
    OK(hg_sim_each_file(sim, extent_bytes, &before));
    OK(hg_sim_run(sim, begin_to_stream, NULL));
    OK(hg_sim_crash(sim, built_at, HG_SIM_CRASH_ALL, 1, &after));
    OK(hg_sim_each_file(after, extent_bytes, &cut));
    cr_assert_gt(cut, before);
    OK(hg_sim_run(after, read_in_turn, &n));
    cut = 0;
    OK(hg_sim_each_file(after, extent_bytes, &cut));
    cr_assert_eq(cut, before);
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

/* Its last block is gone; it was handed out, and who finds it may want to put it back. */
static int cut_extents(struct hg_io *io, void *ctx)
{
    struct hg_file *f = NULL;
    struct hg_file_info info;

    (void)ctx;
    OK(io->ops->open(io, "seg/00000001.hext", HG_OPEN_WRITE, &f));
    OK(io->ops->info(f, &info));
    OK(io->ops->truncate(f, info.size_bytes - HG_BLOCK));
    return io->ops->close(f);
}

/* So that a list of segments says how far the extents go. */
static int roll_once(struct hg_io *io, void *ctx)
{
    holog_options o = large_options();
    holog_stats st = { .struct_size = sizeof st };
    holog_store *s = NULL;

    (void)ctx;
    OK(hg_store_open_io(io, &o, &s));
    for (unsigned i = 0; i < 100 && st.segment_rolls == 0; i++) {
        OK(save_seed(s, "z", 900, i, HOLOG_REPLACE));
        OK(holog_stats_get(s, &st));
    }
    cr_assert_gt(st.segment_rolls, 0);
    return holog_close(s);
}

Test(reopen, an_extent_segment_that_has_lost_bytes_is_left_as_it_is)
{
    struct hg_sim_options so = { .seed = test_seed(), .no_trace = 1 };
    unsigned from = 0;

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, save_in_turn, &from));
    OK(hg_sim_run(sim, roll_once, NULL));
    OK(hg_sim_run(sim, cut_extents, NULL));
    from = OPENS;
    OK(hg_sim_run(sim, save_in_turn, &from));
    cr_assert_eq(extent_files(sim), 2, "%u", extent_files(sim));
    hg_sim_destroy(sim);
}

/* ---- a full disk -------------------------------------------------------------------------------------*/

enum {
    DELETES = 40
};

static void delete_some(holog_store *s, unsigned *at, unsigned n)
{
    char path[16];

    for (; n > 0; n--, (*at)++) {
        (void)snprintf(path, sizeof path, "%u", *at);
        OK(holog_delete(s, path, NULL));
    }
}

/* Of the value of the first commit, which has been deleted; nothing is left of it then. */
static void go_back_and_let_go(holog_store *s, uint64_t last_saved)
{
    holog_gc_report report = { .struct_size = sizeof report };

    OK(holog_rollback(s, "0", 2, NULL));
    OK(holog_rollback(s, "0", last_saved + DELETES, NULL));
    OK(holog_tag_delete(s, "first"));
    OK(holog_gc(s, 1, 0, 0, &report));
    cr_assert_gt(report.versions, 0);
}

static int fill_and_delete(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    unsigned saved = 0;
    unsigned deleted = 0;
    char path[16];
    int rc = HOLOG_OK;

    (void)ctx;
    kit_options(&o);
    o.segment_size_max = 256 << 10;
    o.inline_max = 8192;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_mkdir(s, "made", 0, NULL));
    OK(holog_tag(s, "first", 1, 0));
    while (rc == HOLOG_OK) {
        (void)snprintf(path, sizeof path, "%u", saved++);
        rc = save_weakly(s, path, 3000, saved);
    }
    cr_assert_eq(rc, HOLOG_E_NOSPC);
    delete_some(s, &deleted, DELETES);
    go_back_and_let_go(s, saved - 2);
    FAILS(HOLOG_E_NOSPC, save_weakly(s, "x", 3000, 1), NULL);
    for (unsigned opens = 0; opens < 3; opens++) {
        OK(holog_close(s));
        OK(hg_store_open_io(io, &o, &s));
        FAILS(HOLOG_E_NOSPC, save_weakly(s, "x", 3000, 1), NULL);
        delete_some(s, &deleted, opens == 0 ? DELETES : 1); /* the second open finds a part of it */
    }
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    cr_assert_eq(holog_last_number(s), saved - 1 + deleted + 3);
    return holog_close(s);
}

static int no_damage(void *ctx, const holog_damage *d)
{
    (void)ctx;
    cr_assert_fail("%s at %llu: %s", d->file, (unsigned long long)d->offset, d->message);
    return 0;
}

static int verify_all(struct hg_io *io, void *ctx)
{
    (void)ctx;
    return hg_verify_io(io, 0, no_damage, NULL, NULL, NULL);
}

Test(reopen, deletes_go_on_when_the_disk_is_full_and_after_a_close)
{
    struct hg_sim_options so = { .seed = test_seed(), .no_trace = 1, .capacity = 2 << 20 };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, fill_and_delete, NULL));
    OK(hg_sim_run(sim, verify_all, NULL));
    hg_sim_destroy(sim);
}

/* What others have on the disk: some, or all there is. */
static void take_room(struct hg_io *io, int all)
{
    struct hg_file *f = NULL;
    uint64_t len = 512 << 10;

    OK(io->ops->open(io, "lost+found", HG_OPEN_WRITE | (all ? 0 : HG_OPEN_CREATE), &f));
    OK(io->ops->fallocate(f, 0, len));
    for (uint64_t step = 1 << 20; all && step >= HG_BLOCK; step /= 2)
        while (io->ops->fallocate(f, len, step) == HOLOG_OK)
            len += step;
    OK(io->ops->close(f));
}

/* Until not one delete more fits; and the power goes. */
static int fill_to_the_brim(struct hg_io *io, void *ctx)
{
    uint64_t *last = ctx;
    holog_options o;
    holog_store *s = NULL;
    unsigned saved = 0;
    char path[16];
    int rc = HOLOG_OK;

    take_room(io, 0);
    kit_options(&o);
    o.segment_size_max = 256 << 10;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    while (rc == HOLOG_OK) {
        (void)snprintf(path, sizeof path, "%u", saved++);
        rc = save_weakly(s, path, 1000, saved);
    }
    cr_assert_eq(rc, HOLOG_E_NOSPC);
    take_room(io, 1);
    rc = HOLOG_OK;
    for (unsigned i = 0; rc == HOLOG_OK; i++) {
        (void)snprintf(path, sizeof path, "%u", i);
        rc = holog_delete(s, path, NULL);
    }
    cr_assert_eq(rc, HOLOG_E_NOSPC);
    *last = holog_last_number(s);
    OK(holog_sync(s));
    built_at = hg_sim_steps(sim);
    return holog_close(s);
}

static int open_full(struct hg_io *io, void *ctx)
{
    const uint64_t *last = ctx;
    holog_options o;
    holog_store *s = NULL;

    kit_options(&o);
    for (unsigned opens = 0; opens < 2; opens++) {
        OK(hg_store_open_io(io, &o, &s));
        cr_assert_eq(holog_last_number(s), *last);
        FAILS(HOLOG_E_NOSPC, save_weakly(s, "x", 1000, 1), NULL);
        if (opens == 0)
            OK(holog_close(s));
    }
    OK(io->ops->unlink(io, "lost+found"));
    OK(save_weakly(s, "x", 1000, 1));
    return holog_close(s);
}

Test(reopen, a_store_that_was_filled_to_the_brim_opens_after_a_cut)
{
    struct hg_sim_options so = { .seed = test_seed(), .capacity = 2 << 20 };
    struct hg_sim *after = NULL;
    uint64_t last = 0;

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, fill_to_the_brim, &last));
    OK(hg_sim_crash(sim, built_at, HG_SIM_CRASH_ALL, 1, &after));
    OK(hg_sim_run(after, open_full, &last));
    OK(hg_sim_run(after, verify_all, NULL));
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}
