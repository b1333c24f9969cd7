/*
 * What a power cut may leave, claim by claim, and against an oracle of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

#define NEW    (HG_OPEN_WRITE | HG_OPEN_CREATE)
#define SECTOR 512

static struct hg_sim *make(struct hg_sim_options opts)
{
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    return sim;
}

static struct hg_sim *run_new(struct hg_sim_options opts,
                              int (*scenario)(struct hg_io *io, void *ctx))
{
    struct hg_sim *sim = make(opts);
    OK(hg_sim_run(sim, scenario, sim));
    return sim;
}

static struct hg_sim *crash(const struct hg_sim *sim, uint64_t step, enum hg_sim_strategy strategy,
                            uint64_t seed)
{
    struct hg_sim *after = NULL;
    OK(hg_sim_crash(sim, step, strategy, seed, &after));
    return after;
}

static struct hg_sim *crash_now(const struct hg_sim *sim, enum hg_sim_strategy strategy,
                                uint64_t seed)
{
    return crash(sim, hg_sim_steps(sim), strategy, seed);
}

/* -1: missing. */
static long size_of(struct hg_sim *sim, const char *name)
{
    uint64_t size = 0;
    return hg_sim_file_data(sim, name, &size) != NULL ? (long)size : -1;
}

static int holds(struct hg_sim *sim, const char *name, uint64_t off, const char *text)
{
    uint64_t size = 0;
    const uint8_t *p = hg_sim_file_data(sim, name, &size);
    return p != NULL && off + strlen(text) <= size && memcmp(p + off, text, strlen(text)) == 0;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static int write_unsynced(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "abc", 3, 0, 0));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, nothing_pending_survives_none_and_everything_survives_all)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, write_unsynced);
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert_eq(size_of(after, "f"), 0);
    hg_sim_destroy(after);
    after = crash_now(sim, HG_SIM_CRASH_ALL, 0);
    cr_assert(holds(after, "f", 0, "abc"));
    hg_sim_destroy(after);
    after = crash(sim, 0, HG_SIM_CRASH_ALL, 0);
    cr_assert_eq(size_of(after, "f"), -1, "before the first step there was nothing");
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

static int dsync_beside_unsynced(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "before", 6, 0, 0));
    OK(hg_io_write_full(f, "proved", 6, 4096, HG_WRITE_DSYNC));
    OK(hg_io_write_full(f, "after!", 6, 8192, 0));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, dsync_write_proves_only_its_own_bytes)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, dsync_beside_unsynced);
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert_eq(size_of(after, "f"), 4102, "with the size it needs, not the file's");
    cr_assert(holds(after, "f", 4096, "proved"));
    cr_assert(!holds(after, "f", 0, "before"));
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

static int older_and_newer(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "ooooooooo", 9, 0, 0));
    OK(hg_io_write_full(f, "nnn", 3, 3, HG_WRITE_DSYNC));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, older_pending_bytes_never_replace_newer_durable_ones)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, older_and_newer);
    for (int strategy = 0; strategy < HG_SIM_CRASH_STRATEGIES; strategy++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct hg_sim *after = crash_now(sim, (enum hg_sim_strategy)strategy, seed);
            cr_assert(holds(after, "f", 3, "nnn"));
            hg_sim_destroy(after);
        }
    hg_sim_destroy(sim);
}

static int write_while_syncing(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    struct hg_req sync = { .op = HG_REQ_FDATASYNC, .file = f };
    struct hg_req *list = &sync;
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "early", 5, 0, 0));
    OK(io->ops->submit(io, &list, 1));
    OK(hg_io_write_full(f, "late!", 5, 512, 0));
    OK(io->ops->wait(io, &sync));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, a_sync_covers_what_had_completed_before_it_began)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, write_while_syncing);
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert(holds(after, "f", 0, "early"));
    cr_assert(!holds(after, "f", 512, "late!"));
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

static int hole_and_sync(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(io->ops->fallocate(f, 0, 2048));
    OK(hg_io_write_full(f, "x", 1, 8000, 0));
    OK(io->ops->fdatasync(f));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, a_synced_hole_is_zeros_for_certain)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, hole_and_sync);
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_GARBAGE, seed);
        uint64_t size;
        const uint8_t *p = hg_sim_file_data(after, "f", &size);
        cr_assert_eq(size, 8001);
        for (int i = 0; i < 8000; i++)
            cr_assert_eq(p[i], 0);
        hg_sim_destroy(after);
    }
    hg_sim_destroy(sim);
}

static int one_large_write(struct hg_io *io, void *ctx)
{
    struct hg_file *f = world_open(io, "f", NEW);
    uint8_t data[8 * SECTOR];
    (void)ctx;
    OK(io->ops->sync_dir(io, ""));
    memset(data, 'o', sizeof data);
    OK(hg_io_write_full(f, data, sizeof data, 0, 0));
    OK(io->ops->fdatasync(f));
    memset(data, 'n', sizeof data);
    OK(hg_io_write_full(f, data, sizeof data, 0, 0));
    world_close(f);
    return HOLOG_OK;
}

/* Bit i: sector i of f is the new one. Every sector must be wholly old or new. */
static unsigned new_sectors(struct hg_sim *after)
{
    uint64_t size = 0;
    unsigned mask = 0;
    const uint8_t *p = hg_sim_file_data(after, "f", &size);
    cr_assert_eq(size, 8 * SECTOR);
    for (unsigned s = 0; s < 8; s++) {
        for (unsigned i = 0; i < SECTOR; i++)
            cr_assert_eq(p[s * SECTOR + i], p[s * SECTOR]);
        cr_assert(p[s * SECTOR] == 'o' || p[s * SECTOR] == 'n');
        mask |= (unsigned)(p[s * SECTOR] == 'n') << s;
    }
    return mask;
}

Test(sim_crash, every_subset_of_sectors_can_be_reached)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, one_large_write);
    unsigned char seen[256] = { 0 };
    unsigned count = 0;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_SECTORS, seed);
        unsigned mask = new_sectors(after);
        count += !seen[mask];
        seen[mask] = 1;
        hg_sim_destroy(after);
    }
    cr_assert_eq(count, 256);
    hg_sim_destroy(sim);
}

Test(sim_crash, torn_writes_are_every_prefix_and_every_suffix)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, one_large_write);
    for (unsigned seed = 0; seed < 8; seed++) {
        struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_TORN_HEAD, seed);
        cr_assert_eq(new_sectors(after), (1u << seed) - 1, "the first %u sectors", seed);
        hg_sim_destroy(after);
        after = crash_now(sim, HG_SIM_CRASH_TORN_TAIL, seed);
        cr_assert_eq(new_sectors(after), 0xffu & ~((1u << (7 - seed)) - 1));
        hg_sim_destroy(after);
    }
    hg_sim_destroy(sim);
}

static int extend_without_sync(struct hg_io *io, void *ctx)
{
    uint8_t data[4096];
    (void)ctx;
    memset(data, 's', sizeof data);
    world_write(io, "old", data, sizeof data);
    OK(io->ops->unlink(io, "old"));
    memset(data, 'w', sizeof data);
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, data, sizeof data, 0, 0));
    world_close(f);
    return HOLOG_OK;
}

static void all_bytes_are(struct hg_sim *after, uint8_t value)
{
    uint64_t size = 0;
    const uint8_t *p = hg_sim_file_data(after, "f", &size);
    cr_assert_eq(size, 4096);
    for (int i = 0; i < 4096; i++)
        cr_assert_eq(p[i], value);
    hg_sim_destroy(after);
}

Test(sim_crash, a_size_without_its_bytes_shows_zeros_garbage_or_deleted_files)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, extend_without_sync);
    all_bytes_are(crash_now(sim, HG_SIM_CRASH_ZEROS, 0), 0);
    all_bytes_are(crash_now(sim, HG_SIM_CRASH_GARBAGE, 0), 0xA5);
    all_bytes_are(crash_now(sim, HG_SIM_CRASH_GARBAGE, 1), 's');
    all_bytes_are(crash_now(sim, HG_SIM_CRASH_ALL, 0), 'w');
    hg_sim_destroy(sim);
}

static int two_writes(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "one", 3, 0, 0));
    OK(hg_io_write_full(f, "two", 3, 512, 0));
    OK(hg_io_write_full(f, "three", 5, 1024, 0));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, keep_one_and_drop_one_take_each_pending_effect_in_turn)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, two_writes);
    unsigned n = hg_sim_pending(sim, hg_sim_steps(sim));
    static const char *const text[] = { "one", "two", "three" };
    cr_assert_eq(n, 3);
    for (unsigned seed = 0; seed < n; seed++)
        for (unsigned i = 0; i < n; i++) {
            struct hg_sim *kept = crash_now(sim, HG_SIM_CRASH_KEEP_ONE, seed);
            struct hg_sim *dropped = crash_now(sim, HG_SIM_CRASH_DROP_ONE, seed);
            cr_assert_eq(holds(kept, "f", i * 512u, text[i]), i == seed);
            cr_assert_eq(holds(dropped, "f", i * 512u, text[i]), i != seed);
            hg_sim_destroy(kept);
            hg_sim_destroy(dropped);
        }
    hg_sim_destroy(sim);
}

static int truncate_unsynced(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    OK(hg_io_write_full(f, "abcdef", 6, 0, HG_WRITE_DSYNC));
    OK(io->ops->truncate(f, 2));
    OK(io->ops->truncate(f, 6));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, a_truncation_is_pending_like_a_write)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, truncate_unsynced);
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert(holds(after, "f", 0, "abcdef"));
    hg_sim_destroy(after);
    after = crash_now(sim, HG_SIM_CRASH_ALL, 0);
    uint64_t size;
    cr_assert_arr_eq(hg_sim_file_data(after, "f", &size), "ab\0\0\0\0", 6);
    hg_sim_destroy(after);
    after = crash_now(sim, HG_SIM_CRASH_KEEP_ONE, 0);
    cr_assert_eq(size_of(after, "f"), 2);
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

static int store_to_page(struct hg_io *io, void *ctx)
{
    void *page = NULL;
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->truncate(f, 4096));
    OK(io->ops->fdatasync(f));
    OK(io->ops->sync_dir(io, ""));
    OK(io->ops->map_shared(f, 4096, 1, &page));
    memcpy(page, "early", 5);
    OK(io->ops->fdatasync(f));
    memcpy((uint8_t *)page + 1024, "late", 4);
    io->ops->unmap(io, page, 4096);
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, stores_to_a_shared_page_are_pending_writes)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, store_to_page);
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert(holds(after, "f", 0, "early") && !holds(after, "f", 1024, "late"));
    hg_sim_destroy(after);
    after = crash_now(sim, HG_SIM_CRASH_ALL, 0);
    cr_assert(holds(after, "f", 1024, "late"));
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

/* ---- names ------------------------------------------------------------------------------------- */

static int synced_file_without_name(struct hg_io *io, void *ctx)
{
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    OK(hg_io_write_full(f, "abc", 3, 0, HG_WRITE_DSYNC));
    OK(io->ops->fdatasync(f));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, a_sync_of_a_file_does_not_make_its_name_durable)
{
    for (int dirs = 0; dirs < 2; dirs++) {
        struct hg_sim *sim = run_new((struct hg_sim_options){ .dirs = (enum hg_sim_dirs)dirs },
                                     synced_file_without_name);
        struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
        cr_assert_eq(size_of(after, "f"), -1);
        hg_sim_destroy(after);
        after = crash_now(sim, HG_SIM_CRASH_KEEP_ONE, 0);
        cr_assert(holds(after, "f", 0, "abc"), "the name was the one thing pending");
        hg_sim_destroy(after);
        hg_sim_destroy(sim);
    }
}

static int name_in_new_dir(struct hg_io *io, void *ctx)
{
    (void)ctx;
    OK(io->ops->mkdir(io, "d"));
    world_write(io, "d/f", "x", 1);
    OK(io->ops->sync_dir(io, "d"));
    return HOLOG_OK;
}

Test(sim_crash, a_name_needs_the_name_of_its_directory)
{
    struct hg_sim *sim =
        run_new((struct hg_sim_options){ .dirs = HG_SIM_DIRS_POSIX }, name_in_new_dir);
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert_eq(size_of(after, "d/f"), -1);
    hg_sim_destroy(after);
    after = crash_now(sim, HG_SIM_CRASH_ALL, 0);
    cr_assert_eq(size_of(after, "d/f"), 1);
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
    sim = run_new((struct hg_sim_options){ .dirs = HG_SIM_DIRS_JOURNAL }, name_in_new_dir);
    after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert_eq(size_of(after, "d/f"), 0, "a journal writes the older change first");
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

static int create_two(struct hg_io *io, void *ctx)
{
    (void)ctx;
    world_close(world_open(io, "a", NEW));
    world_close(world_open(io, "b", NEW));
    return HOLOG_OK;
}

static int second_without_first(enum hg_sim_dirs dirs)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ .dirs = dirs }, create_two);
    int found = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_SECTORS, seed);
        found |= size_of(after, "a") < 0 && size_of(after, "b") >= 0;
        hg_sim_destroy(after);
    }
    hg_sim_destroy(sim);
    return found;
}

Test(sim_crash, names_reach_the_disk_in_order_only_with_a_journal)
{
    cr_assert_eq(second_without_first(HG_SIM_DIRS_JOURNAL), 0);
    cr_assert_eq(second_without_first(HG_SIM_DIRS_POSIX), 1);
}

static int replace_by_rename(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    world_write(io, "f", "old", 3);
    struct hg_file *f = world_open(io, "f", HG_OPEN_WRITE);
    OK(io->ops->fdatasync(f));
    world_close(f);
    OK(io->ops->sync_dir(io, ""));
    hg_sim_mark(sim, 1, 1);
    f = world_open(io, "tmp", NEW);
    OK(hg_io_write_full(f, "new", 3, 0, HG_WRITE_DSYNC));
    world_close(f);
    OK(io->ops->rename(io, "tmp", "f"));
    OK(io->ops->sync_dir(io, ""));
    hg_sim_mark(sim, 1, 2);
    return HOLOG_OK;
}

Test(sim_crash, a_renamed_file_is_the_old_or_the_new_one_at_every_step)
{
    for (int dirs = 0; dirs < 2; dirs++) {
        struct hg_sim *sim =
            run_new((struct hg_sim_options){ .dirs = (enum hg_sim_dirs)dirs }, replace_by_rename);
        for (uint64_t step = 0; step <= hg_sim_steps(sim); step++)
            for (int strategy = 0; strategy < HG_SIM_CRASH_STRATEGIES; strategy++)
                for (uint64_t seed = 0; seed < 10; seed++) {
                    uint64_t state = hg_sim_marked_max(sim, 1, step, 0);
                    struct hg_sim *after = crash(sim, step, (enum hg_sim_strategy)strategy, seed);
                    int is_old = holds(after, "f", 0, "old");
                    int is_new = holds(after, "f", 0, "new");
                    cr_assert(state < 1 || is_old + is_new == 1, "step %u", (unsigned)step);
                    cr_assert(state < 2 || is_new, "step %u", (unsigned)step);
                    hg_sim_destroy(after);
                }
        hg_sim_destroy(sim);
    }
}

static int rename_and_reuse(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    OK(io->ops->mkdir(io, "d"));
    world_write(io, "a", "first", 5);
    struct hg_file *f = world_open(io, "a", HG_OPEN_WRITE);
    OK(io->ops->fdatasync(f));
    world_close(f);
    OK(io->ops->sync_dir(io, ""));
    hg_sim_mark(sim, 1, 1);
    OK(io->ops->rename(io, "a", "d/b"));
    world_write(io, "a", "again", 5);
    OK(io->ops->sync_dir(io, ""));
    return HOLOG_OK;
}

Test(sim_crash, a_rename_never_loses_the_file)
{
    struct hg_sim *sim =
        run_new((struct hg_sim_options){ .dirs = HG_SIM_DIRS_POSIX }, rename_and_reuse);
    for (uint64_t step = 0; step <= hg_sim_steps(sim); step++)
        for (uint64_t seed = 0; seed < 60; seed++) {
            struct hg_sim *after = crash(sim, step, HG_SIM_CRASH_RANDOM, seed);
            cr_assert(hg_sim_marked_max(sim, 1, step, 0) == 0 || holds(after, "a", 0, "first") ||
                      holds(after, "d/b", 0, "first"));
            hg_sim_destroy(after);
        }
    hg_sim_destroy(sim);
}

/* ---- in flight --------------------------------------------------------------------------------- */

static int overwrite_with_dsync(struct hg_io *io, void *ctx)
{
    uint8_t data[8 * SECTOR];
    (void)ctx;
    struct hg_file *f = world_open(io, "f", NEW);
    memset(data, 'o', sizeof data);
    OK(hg_io_write_full(f, data, sizeof data, 0, HG_WRITE_DSYNC));
    OK(io->ops->sync_dir(io, ""));
    memset(data, 'n', sizeof data);
    OK(hg_io_write_full(f, data, sizeof data, 0, HG_WRITE_DSYNC));
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, a_call_in_flight_is_applied_torn_or_absent)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, overwrite_with_dsync);
    uint64_t last = hg_sim_steps(sim);
    unsigned seen = 0; /* absent, torn, applied */
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct hg_sim *after = crash(sim, last - 1, HG_SIM_CRASH_RANDOM, seed);
        unsigned mask = new_sectors(after);
        seen |= mask == 0 ? 1u : mask == 255 ? 4u : 2u;
        hg_sim_destroy(after);
        after = crash(sim, last, HG_SIM_CRASH_RANDOM, seed);
        cr_assert_eq(new_sectors(after), 255, "when it has returned, it is there");
        hg_sim_destroy(after);
    }
    cr_assert_eq(seen, 7);
    hg_sim_destroy(sim);
}

/* ---- an oracle of its own ------------------------------------------------------------------------ */

/* For each byte of a small file: every value that a power cut may show. */
#define FILE_BYTES 6000

struct oracle {
    uint64_t rng;
    uint8_t now[FILE_BYTES];
    uint8_t may[FILE_BYTES][32]; /* bit sets of values */
    uint8_t durable[FILE_BYTES]; /* its value is known for certain: no filling */
    uint64_t size;               /* volatile */
    uint64_t durable_size;
};

static uint64_t dice(struct oracle *o, uint64_t n)
{
    o->rng = o->rng * 6364136223846793005u + 1442695040888963407u;
    return (o->rng >> 33) % n;
}

static void only(struct oracle *o, uint64_t i)
{
    memset(o->may[i], 0, sizeof o->may[i]);
    o->may[i][o->now[i] / 8] |= (uint8_t)(1u << (o->now[i] % 8));
    o->durable[i] = 1;
}

static void oracle_write(struct oracle *o, uint64_t off, uint64_t len, uint8_t value, int dsync)
{
    for (uint64_t i = off; i < off + len; i++) {
        o->now[i] = value;
        o->may[i][value / 8] |= (uint8_t)(1u << (value % 8));
        if (dsync)
            only(o, i);
    }
    o->size = o->size > off + len ? o->size : off + len;
    if (dsync && o->durable_size < off + len)
        o->durable_size = off + len;
}

static int random_writes(struct hg_io *io, void *ctx)
{
    struct oracle *o = ctx;
    uint8_t data[3000];
    struct hg_file *f = world_open(io, "f", NEW);
    OK(io->ops->sync_dir(io, ""));
    for (int i = 0; i < 12; i++) {
        uint64_t off = dice(o, FILE_BYTES - 1);
        uint64_t len = 1 + dice(o, HG_MIN(FILE_BYTES - off, sizeof data) - 1);
        uint8_t value = (uint8_t)(1 + i); /* not 0, not 0xA5 */
        int kind = (int)dice(o, 8);
        memset(data, value, sizeof data);
        if (kind < 6) {
            OK(hg_io_write_full(f, data, len, off, kind < 3 ? HG_WRITE_DSYNC : 0));
            oracle_write(o, off, len, value, kind < 3);
        } else if (kind == 6) {
            OK(io->ops->fdatasync(f));
            for (uint64_t j = 0; j < o->size; j++)
                only(o, j);
            o->durable_size = o->size;
        } else {
            OK(io->ops->fallocate(f, 0, off + len));
            o->size = HG_MAX(o->size, off + len);
        }
    }
    world_close(f);
    return HOLOG_OK;
}

static void check_against(const struct oracle *o, struct hg_sim *after, unsigned seed)
{
    uint64_t size = 0;
    const uint8_t *p = hg_sim_file_data(after, "f", &size);
    cr_assert_not_null(p);
    cr_assert(size >= o->durable_size && size <= o->size, "seed %u: size %u", seed, (unsigned)size);
    for (uint64_t i = 0; i < size; i++) {
        int allowed = (o->may[i][p[i] / 8] >> (p[i] % 8) & 1) != 0;
        int filling = !o->durable[i] && (p[i] == 0 || p[i] == 0xA5);
        cr_assert(allowed || filling, "seed %u: byte %u is %u", seed, (unsigned)i, p[i]);
    }
}

Test(sim_crash, no_byte_shows_what_the_oracle_forbids)
{
    struct oracle *o = hg_malloc(sizeof *o);
    for (unsigned seed = 0; seed < 300; seed++) {
        memset(o, 0, sizeof *o);
        o->rng = seed;
        struct hg_sim *sim = make((struct hg_sim_options){ .seed = seed, .no_trace = seed % 2 });
        OK(hg_sim_run(sim, random_writes, o));
        for (int strategy = 0; strategy < HG_SIM_CRASH_STRATEGIES; strategy++)
            for (uint64_t s = 0; s < 6; s++) {
                struct hg_sim *after = crash_now(sim, (enum hg_sim_strategy)strategy, s);
                check_against(o, after, seed);
                if (strategy == HG_SIM_CRASH_ALL) {
                    uint64_t size;
                    const uint8_t *p = hg_sim_file_data(after, "f", &size);
                    cr_assert_eq(size, o->size);
                    cr_assert_arr_eq(p, o->now, size);
                }
                hg_sim_destroy(after);
            }
        hg_sim_destroy(sim);
    }
    hg_free(o);
}

/* ---- many names, all models -------------------------------------------------------------------- */

/* A small store: segments made by rename, appended to with DSYNC, unlinked in turn. */
static int small_store(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    char name[40];
    uint8_t data[1500];
    OK(io->ops->mkdir(io, "seg"));
    OK(io->ops->sync_dir(io, ""));
    for (int s = 0; s < 6; s++) {
        struct hg_file *f = world_open(io, "seg/tmp", NEW);
        (void)snprintf(name, sizeof name, "seg/%d", s);
        memset(data, 'h', sizeof data);
        OK(io->ops->fallocate(f, 0, 8192));
        OK(hg_io_write_full(f, data, sizeof data, 0, 0));
        OK(io->ops->fdatasync(f));
        OK(io->ops->rename(io, "seg/tmp", name));
        OK(io->ops->sync_dir(io, "seg"));
        for (unsigned i = 0; i < 4; i++) {
            memset(data, 'a' + (int)i, sizeof data);
            OK(hg_io_write_full(f, data, sizeof data, 1500 + i * 1500, HG_WRITE_DSYNC));
            hg_sim_mark(sim, (uint32_t)s, i + 1);
        }
        world_close(f);
        if (s >= 2) {
            (void)snprintf(name, sizeof name, "seg/%d", s - 2);
            hg_sim_mark(sim, (uint32_t)(100 + s - 2), 1);
            OK(io->ops->unlink(io, name));
        }
    }
    return HOLOG_OK;
}

static void check_store(const struct hg_sim *sim, struct hg_sim *after, uint64_t step)
{
    for (uint32_t s = 0; s < 6; s++) {
        char name[40];
        uint64_t done = hg_sim_marked_max(sim, s, step, 0);
        int may_be_gone = hg_sim_marked_max(sim, 100 + s, step, 0) != 0;
        (void)snprintf(name, sizeof name, "seg/%u", s);
        uint64_t size = 0;
        const uint8_t *p = hg_sim_file_data(after, name, &size);
        cr_assert(p != NULL || done == 0 || may_be_gone, "%s at %u", name, (unsigned)step);
        for (uint64_t i = 0; p != NULL && i < done; i++)
            cr_assert(p[1500 * (i + 1)] == 'a' + i && p[1500 * (i + 1) + 1499] == 'a' + i);
    }
}

Test(sim_crash, acknowledged_appends_survive_every_cut_of_a_correct_store)
{
    for (int i = 0; i < 4; i++) {
        struct hg_sim *sim =
            run_new((struct hg_sim_options){ .dirs = (enum hg_sim_dirs)(i % 2), .yields = i / 2 },
                    small_store);
        for (uint64_t step = 0; step <= hg_sim_steps(sim); step++)
            for (int strategy = 0; strategy < HG_SIM_CRASH_STRATEGIES; strategy++)
                for (uint64_t seed = 0; seed < 3; seed++) {
                    struct hg_sim *after = crash(sim, step, (enum hg_sim_strategy)strategy, seed);
                    check_store(sim, after, step);
                    hg_sim_destroy(after);
                }
        hg_sim_destroy(sim);
    }
}

struct fingerprint {
    struct hg_sim *sim;
    uint64_t sum;
};

static int add_file(void *ctx, const char *name, uint64_t size)
{
    struct fingerprint *fp = ctx;
    uint64_t h = 1469598103934665603u;
    const uint8_t *p = hg_sim_file_data(fp->sim, name, &size);
    for (const char *c = name; *c != '\0'; c++)
        h = (h ^ (uint8_t)*c) * 1099511628211u;
    for (uint64_t i = 0; i < size; i++)
        h = (h ^ p[i]) * 1099511628211u;
    fp->sum += h ^ size;
    return 0;
}

static uint64_t fingerprint_of(struct hg_sim *sim)
{
    struct fingerprint fp = { .sim = sim };
    OK(hg_sim_each_file(sim, add_file, &fp));
    return fp.sum;
}

static uint64_t crash_print(const struct hg_sim *sim, uint64_t step, uint64_t seed)
{
    struct hg_sim *after = crash(sim, step, HG_SIM_CRASH_RANDOM, seed);
    uint64_t sum = fingerprint_of(after);
    hg_sim_destroy(after);
    return sum;
}

Test(sim_crash, the_order_in_which_steps_are_asked_for_does_not_matter)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, small_store);
    uint64_t steps = hg_sim_steps(sim);
    uint64_t *up = hg_calloc(steps + 1, sizeof *up);
    for (uint64_t step = 0; step <= steps; step++)
        up[step] = crash_print(sim, step, step);
    for (uint64_t i = 0; i <= 3 * steps; i++) {
        uint64_t step = i * 7919 % (steps + 1);
        cr_assert_eq(crash_print(sim, step, step), up[step], "step %u", (unsigned)step);
    }
    hg_free(up);
    hg_sim_destroy(sim);
}

static int long_scenario(struct hg_io *io, void *ctx)
{
    char data[20];
    struct hg_file *f = world_open(io, "f", NEW);
    (void)ctx;
    OK(io->ops->sync_dir(io, ""));
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(data, sizeof data, "%08u", i);
        OK(hg_io_write_full(f, data, 8, i % 100 * 8, HG_WRITE_DSYNC));
    }
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, going_back_in_a_long_trace_gives_the_same_states)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, long_scenario);
    uint64_t steps = hg_sim_steps(sim);
    cr_assert_gt(steps, 6000);
    uint64_t sums[40];
    for (unsigned i = 0; i < 40; i++)
        sums[i] = crash_print(sim, i * 150, 1);
    for (unsigned i = 40; i-- > 0;)
        cr_assert_eq(crash_print(sim, i * 150, 1), sums[i]);
    hg_sim_destroy(sim);
}

Test(sim_crash, without_a_trace_the_last_state_is_the_same)
{
    struct hg_sim *a = run_new((struct hg_sim_options){ .seed = 3 }, small_store);
    struct hg_sim *b = run_new((struct hg_sim_options){ .seed = 3, .no_trace = 1 }, small_store);
    cr_assert_eq(hg_sim_steps(a), hg_sim_steps(b));
    for (uint64_t seed = 0; seed < 20; seed++)
        cr_assert_eq(crash_print(a, hg_sim_steps(a), seed), crash_print(b, hg_sim_steps(b), seed));
    hg_sim_destroy(a);
    hg_sim_destroy(b);
}

/* ---- clones and bytes at rest ------------------------------------------------------------------ */

Test(sim_crash, a_clone_holds_the_same_and_goes_its_own_way)
{
    struct hg_sim *sim = run_new((struct hg_sim_options){ 0 }, small_store);
    struct hg_sim *copy = NULL;
    OK(hg_sim_clone(sim, &copy));
    uint64_t sum = fingerprint_of(copy);
    cr_assert_eq(sum, fingerprint_of(sim));
    uint64_t size;
    uint8_t *p = hg_sim_file_data(copy, "seg/5", &size);
    p[100] ^= 1;
    cr_assert_neq(fingerprint_of(copy), sum);
    cr_assert_eq(fingerprint_of(sim), sum);
    p[100] ^= 1;
    cr_assert_eq(fingerprint_of(copy), sum);
    hg_sim_destroy(copy);
    hg_sim_destroy(sim);
}

static int read_put(struct hg_io *io, void *ctx)
{
    uint8_t *data = NULL;
    size_t len = 0;
    (void)ctx;
    OK(hg_io_read_file(io, "f", 100, &data, &len));
    cr_assert_eq(len, 5);
    cr_assert_arr_eq(data, "hello", 5);
    hg_free(data);
    FAILS(HOLOG_E_NOENT, hg_io_read_file(io, "g", 100, &data, &len));
    return HOLOG_OK;
}

Test(sim_crash, files_can_be_put_and_removed_between_runs)
{
    struct hg_sim *sim = make((struct hg_sim_options){ 0 });
    OK(hg_sim_file_put(sim, "f", "xx", 2));
    OK(hg_sim_file_put(sim, "f", "hello", 5));
    OK(hg_sim_file_put(sim, "g", "", 0));
    OK(hg_sim_file_remove(sim, "g"));
    FAILS(HOLOG_E_NOENT, hg_sim_file_remove(sim, "g"));
    FAILS(HOLOG_E_NOENT, hg_sim_file_put(sim, "no/f", "x", 1));
    OK(hg_sim_run(sim, read_put, NULL));
    struct hg_sim *after = crash_now(sim, HG_SIM_CRASH_NONE, 0);
    cr_assert(holds(after, "f", 0, "hello"), "what was put is durable");
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
}

/* ---- a cut inside a run -------------------------------------------------------------------------- */

static int careful_store(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, "f", NEW, &f);
    if (rc < 0)
        return rc;
    rc = io->ops->lock(f, 0, 1, 1);
    if (rc == HOLOG_OK)
        rc = io->ops->sync_dir(io, "");
    for (unsigned i = 0; rc == HOLOG_OK && i < 5; i++) {
        rc = hg_io_write_full(f, "ack!", 4, i * 600, HG_WRITE_DSYNC);
        if (rc == HOLOG_OK)
            hg_sim_mark(sim, 1, i + 1);
    }
    int closed = io->ops->close(f);
    return rc < 0 ? rc : closed;
}

static int read_acks(struct hg_io *io, void *ctx)
{
    uint64_t *acks = ctx;
    struct hg_file *f = NULL;
    char buf[4];
    if (*acks == 0)
        return HOLOG_OK;
    OK(io->ops->open(io, "f", HG_OPEN_WRITE, &f));
    OK(io->ops->lock(f, 0, 1, 1)); /* nobody's lock outlives the cut */
    for (uint64_t i = 0; i < *acks; i++) {
        OK(hg_io_read_full(f, buf, 4, i * 600));
        cr_assert_arr_eq(buf, "ack!", 4);
    }
    world_close(f);
    return HOLOG_OK;
}

Test(sim_crash, a_cut_inside_a_run_unwinds_it_and_keeps_what_was_acknowledged)
{
    struct hg_sim *whole = run_new((struct hg_sim_options){ 0 }, careful_store);
    uint64_t steps = hg_sim_steps(whole);
    hg_sim_destroy(whole);
    for (uint64_t step = 0; step <= steps; step++)
        for (int yields = 0; yields < 2; yields++) {
            struct hg_sim *sim = make((struct hg_sim_options){ .yields = yields, .seed = step });
            hg_sim_set_crash_step(sim, step);
            int rc = hg_sim_run(sim, careful_store, sim);
            cr_assert_eq(rc, HOLOG_E_IO, "step %u", (unsigned)step);
            cr_assert(hg_sim_crashed(sim) && hg_sim_steps(sim) == step);
            cr_assert_eq(hg_sim_open_files(sim), 0);
            uint64_t acks = hg_sim_marked_max(sim, 1, step, 0);
            struct hg_sim *after = crash(sim, step, HG_SIM_CRASH_NONE, 0);
            OK(hg_sim_run(after, read_acks, &acks));
            hg_sim_destroy(after);
            hg_sim_destroy(sim);
        }
}
