/*
 * The hash side-table: what it says of a path is what the tree says, for every reader, or nothing.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "engine/side_table.h"

static struct hg_io *io;
static struct hg_epoch_domain *domain;
static struct hg_side_table *t;

static void setup(void)
{
    cr_assert_eq(hg_epoch_create(&domain), HOLOG_OK);
    cr_assert_eq(hg_io_open("/", HG_IO_POSIX, &io), HOLOG_OK); /* for its locks */
    cr_assert_eq(hg_side_table_create(io, domain, 7, &t), HOLOG_OK);
    hg_side_table_begin(t, 0);
    hg_side_table_fit(t, 1, UINT64_MAX);
    hg_side_table_end(t);
}

static void teardown(void)
{
    hg_side_table_destroy(t);
    hg_epoch_destroy(domain);
    io->ops->destroy(io);
}

TestSuite(side_table, .init = setup, .fini = teardown);

static uint64_t hash_of(unsigned key)
{
    char path[32];
    int n = snprintf(path, sizeof path, "dir/%u", key);

    return hg_side_table_hash(t, path, (size_t)n);
}

static hg_pos birth_of(unsigned key, uint64_t number)
{
    return hg_pos_make((uint32_t)number + 1, key);
}

static void commit_put(uint64_t number, unsigned key)
{
    hg_side_table_begin(t, number);
    hg_side_table_put(t, hash_of(key), birth_of(key, number));
    hg_side_table_end(t);
}

/* The number that a reader of version `seen` is told; 0: nothing, or another key's of the same tag,
 * which a reader sees from the record. */
static uint64_t told(unsigned key, uint64_t seen)
{
    struct hg_epoch_slot *slot = hg_epoch_enter(domain);
    hg_pos birth = 0;
    int found = hg_side_table_find(t, hash_of(key), seen, &birth);

    hg_epoch_leave(slot);
    if (!found || hg_pos_offset(birth) != key)
        return 0;
    cr_assert_leq(hg_pos_segment(birth), seen + 1);
    return hg_pos_segment(birth) - 1;
}

Test(side_table, a_change_is_found_by_readers_of_its_version_and_later_ones_only)
{
    commit_put(5, 1);
    cr_assert_eq(told(1, 4), 0);
    cr_assert_eq(told(1, 5), 5);
    cr_assert_eq(told(1, 9), 5);
    commit_put(9, 1);
    cr_assert_eq(told(1, 8), 0, "the older version is not in the table any more");
    cr_assert_eq(told(1, 9), 9);
    cr_assert_eq(told(2, 9), 0);
}

Test(side_table, what_is_removed_or_cleared_is_not_found)
{
    commit_put(1, 1);
    commit_put(2, 2);
    hg_side_table_begin(t, 3);
    hg_side_table_remove(t, hash_of(1));
    hg_side_table_end(t);
    cr_assert_eq(told(1, 9), 0);
    cr_assert_eq(told(2, 9), 2);
    hg_side_table_begin(t, 4);
    hg_side_table_clear(t);
    hg_side_table_end(t);
    cr_assert_eq(told(2, 9), 0);
    commit_put(5, 1);
    cr_assert_eq(told(1, 9), 5);
    cr_assert_eq(told(2, 9), 0, "a chunk that is used again starts empty");
}

Test(side_table, a_place_that_fits_no_slot_is_not_kept_nor_the_one_it_replaces)
{
    static const hg_pos places[] = { UINT64_C(1) << 54, UINT64_C(1) << 32 | UINT64_C(1) << 30 };

    for (uint64_t i = 0; i < 2; i++) {
        commit_put(2 * i + 1, 1);
        cr_assert_eq(told(1, 9), 2 * i + 1);
        hg_side_table_begin(t, 2 * i + 2);
        hg_side_table_put(t, hash_of(1), places[i]);
        hg_side_table_end(t);
        cr_assert_eq(told(1, 9), 0);
    }
}

Test(side_table, a_reader_puts_in_only_what_is_still_the_newest)
{
    commit_put(5, 1);
    hg_side_table_learn(t, hash_of(2), birth_of(2, 3), 3, 4); /* it reads version 4: 5 may differ */
    cr_assert_eq(told(2, 9), 0);
    hg_side_table_learn(t, hash_of(2), birth_of(2, 3), 3, 5);
    cr_assert_eq(told(2, 9), 3);
    hg_side_table_begin(t, 6);
    hg_side_table_learn(t, hash_of(3), birth_of(3, 1), 1, 6); /* the writer is at it */
    hg_side_table_end(t);
    cr_assert_eq(told(3, 9), 0);
}

Test(side_table, it_grows_with_the_entries_and_within_the_bytes_it_may_take)
{
    uint64_t small = hg_side_table_bytes(t);
    unsigned found = 0;

    hg_side_table_begin(t, 1);
    hg_side_table_fit(t, 100000, small);
    cr_assert_eq(hg_side_table_bytes(t), small);
    hg_side_table_fit(t, 100000, UINT64_MAX);
    hg_side_table_end(t);
    cr_assert_leq(hg_side_table_bytes(t), 100000u * 10);
    for (unsigned i = 0; i < 100000; i++)
        commit_put(i + 1, i);
    for (unsigned i = 0; i < 100000; i++)
        found += told(i, 100000) == i + 1;
    cr_assert_geq(found, 94000, "%u of 100000", found);
}

/* ---- readers beside a writer ------------------------------------------------------------------------*/

enum {
    KEYS = 40,
    COMMITS = 20000,
    READERS = 3
};

static struct {
    _Atomic uint64_t published;
    uint32_t (
        *newest)[KEYS]; /* [number][key]: the number of the key's version; 0: it is not there */
    atomic_uint looked, found, wrong;
} world;

static void *read_on(void *arg)
{
    uint64_t rng = (uintptr_t)arg + 1;

    for (uint64_t seen = 0; seen < COMMITS;) {
        struct hg_epoch_slot *slot = hg_epoch_enter(domain);
        hg_pos birth = 0;
        uint64_t number = 0;
        unsigned key;
        seen = atomic_load_explicit(&world.published, memory_order_acquire);
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        key = (unsigned)(rng >> 40) % KEYS;
        world.looked++;
        if (hg_side_table_find(t, hash_of(key), seen, &birth)) {
            world.found++;
            number = world.newest[seen][key];
            /* Another key of the same tag: a reader sees it from the record. */
            if (hg_pos_offset(birth) == key && (number == 0 || birth != birth_of(key, number)))
                world.wrong++;
        } else if (world.newest[seen][key] != 0) {
            number = world.newest[seen][key];
            hg_side_table_learn(t, hash_of(key), birth_of(key, number), number, seen);
        }
        hg_epoch_leave(slot);
    }
    return NULL;
}

static void one_commit(uint64_t n, uint64_t r)
{
    unsigned key = (unsigned)(r >> 33) % KEYS;

    memcpy(world.newest[n], world.newest[n - 1], sizeof world.newest[n]);
    hg_side_table_begin(t, n);
    if (r % 64 == 0) {
        memset(world.newest[n], 0, sizeof world.newest[n]);
        hg_side_table_clear(t);
    } else if (r % 4 == 0) {
        world.newest[n][key] = 0;
        hg_side_table_remove(t, hash_of(key));
    } else {
        world.newest[n][key] = (uint32_t)n;
        hg_side_table_put(t, hash_of(key), birth_of(key, n));
    }
    hg_side_table_fit(t, n / 4, UINT64_MAX);
    hg_side_table_end(t);
    atomic_store_explicit(&world.published, n, memory_order_release);
    hg_epoch_poll(domain);
}

Test(side_table, beside_a_writer_every_reader_is_told_its_own_version)
{
    pthread_t readers[READERS];
    uint64_t rng = 20261121;

    world.newest = calloc(COMMITS + 1, sizeof *world.newest);
    cr_assert_not_null(world.newest);
    for (uintptr_t i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&readers[i], NULL, read_on, (void *)i), 0);
    for (uint64_t n = 1; n <= COMMITS; n++) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        one_commit(n, rng >> 8);
        unsigned looked = world.looked;
        while (n % 16 == 0 && n < COMMITS && world.looked == looked) /* else it ends before them */
            (void)sched_yield();
    }
    for (unsigned i = 0; i < READERS; i++)
        cr_assert_eq(pthread_join(readers[i], NULL), 0);
    cr_assert_eq(world.wrong, 0);
    cr_assert_gt(world.found, 100);
    free(world.newest);
}
