/*
 * Compactions beside everything else: readers in other processes, commits and their extents, a disk that is full; and
 * threads that write, change, tag, roll back and let go of things, interleaved by a seed, then cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "holog/compact.h"
#include "holog/versions.h"
#include "kit.h"

#define RP       (HOLOG_REPLACE | HOLOG_PARENTS)
#define OK(call) ok(__LINE__, (call))

enum {
    LEN = 24000,
    VALUES = 5
};

static void ok(int line, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert_eq(rc, HOLOG_OK, "line %d: %s (%s)", line, holog_error_name(rc), d.message);
}

static int save(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    uint8_t *v = malloc(len);
    int rc;

    cr_assert_not_null(v);
    value_fill(v, len, seed);
    rc = holog_save(s, path, v, len, RP, NULL);
    free(v);
    return rc;
}

static int is_value(holog_value *v, size_t len, uint64_t seed)
{
    uint8_t *want = malloc(len);
    int same;

    cr_assert_not_null(want);
    value_fill(want, len, seed);
    same = holog_value_size(v) == len && memcmp(holog_value_data(v), want, len) == 0;
    free(want);
    holog_value_release(v);
    return same;
}

static void has(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    holog_value *v = NULL;

    OK(holog_load(s, path, &v));
    cr_assert(is_value(v, len, seed), "%s", path);
}

static void compact(holog_store *s, unsigned flags, holog_compact_report *out)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = flags };

    *out = (holog_compact_report){ .struct_size = sizeof *out };
    OK(holog_compact(s, &o, out));
}

/* Values v0, v1, ... as of round r: the last of them is as it was in round 0. */
static uint64_t seed_of(unsigned i, unsigned r)
{
    return i == VALUES - 1 ? 1 : 1000 + r * 100 + i;
}

static void save_round(holog_store *s, unsigned r)
{
    char path[8];

    for (unsigned i = 0; i < VALUES; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        if (r == 0 || i < VALUES - 1)
            OK(save(s, path, LEN, seed_of(i, r)));
    }
}

static void has_round(holog_store *s, unsigned r)
{
    char path[8];

    for (unsigned i = 0; i < VALUES; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has(s, path, LEN, seed_of(i, r));
    }
}

static void make(struct hg_io *io, holog_options *o, holog_store **out)
{
    kit_options(o);
    OK(hg_store_init_io(io, o));
    OK(hg_store_open_io(io, o, out));
}

static struct hg_sim *sim;

static int count_file(void *ctx, const char *name, uint64_t size)
{
    unsigned *n = ctx;

    (void)size;
    n[0] += strstr(name, ".hext") != NULL;
    n[1] += strstr(name, ".hwp") != NULL;
    return 0;
}

static void files(unsigned out[2])
{
    out[0] = out[1] = 0;
    OK(hg_sim_each_file(sim, count_file, out));
}

static void on_disk(int (*scenario)(struct hg_io *io, void *ctx), uint64_t capacity)
{
    struct hg_sim_options so = { .seed = kit_seed(), .capacity = capacity };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, scenario, NULL));
    hg_sim_destroy(sim);
}

/* ---- a reader in another process -----------------------------------------------------------------*/

/* It follows through a compaction, and through the writer that comes after. */
static int with_reader(struct hg_io *io, void *ctx)
{
    holog_compact_report r;
    struct hg_io *other = NULL;
    holog_store *s = NULL;
    holog_store *reader = NULL;
    holog_options o;
    unsigned before[2];
    unsigned after[2];
    char path[8];

    (void)ctx;
    make(io, &o, &s);
    save_round(s, 0);
    OK(hg_sim_open_io(sim, &other));
    o.flags = HOLOG_OPEN_READONLY;
    OK(hg_store_open_io(other, &o, &reader));
    o.flags = 0;
    for (unsigned round = 1; round < 4; round++)
        save_round(s, round);
    OK(holog_refresh(reader, NULL));
    OK(holog_gc(s, 1, 0, 0, NULL));
    files(before);
    compact(s, HOLOG_COMPACT_ALL, &r);
    cr_assert_gt(r.segments_removed, 0u);
    cr_assert_gt(r.waiting, 0u);
    files(after);
    cr_assert_eq(after[0], before[0], "files go beside a reader");
    has(reader, "v0", LEN, seed_of(0, 3)); /* others are not in its memory */
    save_round(s, 4);
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    has_round(s, 4);
    for (unsigned i = 1; i < VALUES - 1; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has(reader, path, LEN, seed_of(i, 3));
    }
    OK(holog_refresh(reader, NULL));
    has_round(reader, 4);
    OK(holog_close(reader));
    other->ops->destroy(other);
    compact(s, HOLOG_COMPACT_ALL, &r);
    cr_assert_eq(r.waiting, 0u);
    files(after);
    cr_assert_lt(after[0], before[0]);
    has_round(s, 4);
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    has_round(s, 4);
    return holog_close(s);
}

Test(compact, a_reader_elsewhere_keeps_the_files_that_it_reads)
{
    on_disk(with_reader, 0);
}

/* ---- extents that no frame names yet -------------------------------------------------------------*/

/* A transaction that has written its extents is committed after the compaction. */
static int with_transaction(struct hg_io *io, void *ctx)
{
    holog_compact_report r;
    holog_options o;
    holog_store *s = NULL;
    holog_txn *t = NULL;
    char path[16];
    uint8_t *v = malloc(LEN);

    (void)ctx;
    cr_assert_not_null(v);
    make(io, &o, &s);
    save_round(s, 0);
    OK(holog_begin(s, &t));
    for (unsigned i = 0; i < 20; i++) { /* some segments of extents full */
        (void)snprintf(path, sizeof path, "t/%u", i);
        value_fill(v, LEN, 5000 + i);
        OK(holog_txn_save(t, path, v, LEN, RP));
        if (i % 6 == 5)
            compact(s, HOLOG_COMPACT_ALL, &r);
    }
    OK(holog_commit(t, NULL));
    free(v);
    compact(s, HOLOG_COMPACT_ALL, &r);
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(path, sizeof path, "t/%u", i);
            has(s, path, LEN, 5000 + i);
        }
        has_round(s, 0);
        OK(holog_close(s));
        OK(hg_store_open_io(io, &o, &s));
    }
    return holog_close(s);
}

Test(compact, extents_of_a_transaction_under_way_are_no_garbage)
{
    on_disk(with_transaction, 0);
}

/* ---- full disks ----------------------------------------------------------------------------------*/

static struct hg_file *fill_disk(struct hg_io *io)
{
    struct hg_file *f = NULL;

    OK(io->ops->open(io, "lost+found", HG_OPEN_WRITE | HG_OPEN_CREATE, &f));
    for (uint64_t at = 0, len = 1 << 20; len >= 512; len /= 2)
        while (io->ops->fallocate(f, at, len) == HOLOG_OK)
            at += len;
    return f;
}

/* What lives cannot be moved: there is no room for it. What is dead goes all the same. */
static int without_room(struct hg_io *io, void *ctx)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report r;
    struct hg_file *ballast;
    holog_options o;
    holog_store *s = NULL;
    unsigned before[2];
    unsigned after[2];
    char path[16];

    (void)ctx;
    make(io, &o, &s);
    save_round(s, 0);
    save_round(s, 5);
    compact(s, HOLOG_COMPACT_ALL, &r); /* the log declares what edits need */
    cr_assert_gt(r.segments_removed, 0u);
    for (unsigned i = 0; i < 30; i++) {
        (void)snprintf(path, sizeof path, "alive%u", i);
        OK(save(s, path, LEN, i));
        OK(save(s, "v0", LEN, 100));
    }
    for (unsigned round = 1; round < 5; round++)
        save_round(s, round);
    OK(holog_gc(s, 1, 0, 0, NULL));
    ballast = fill_disk(io);
    files(before);
    cr_assert_eq(holog_compact(s, &all, NULL), HOLOG_E_NOSPC);
    files(after);
    cr_assert_leq(after[1], before[1], "an output is left");
    cr_assert_lt(after[0], before[0], "nothing has gone");
    has_round(s, 4);
    OK(io->ops->close(ballast));
    OK(io->ops->unlink(io, "lost+found"));
    compact(s, HOLOG_COMPACT_ALL, &r);
    for (int again = 0; again < 2; again++) {
        has_round(s, 4);
        for (unsigned i = 0; i < 30; i++) {
            (void)snprintf(path, sizeof path, "alive%u", i);
            has(s, path, LEN, i);
        }
        OK(holog_close(s));
        OK(hg_store_open_io(io, &o, &s));
    }
    return holog_close(s);
}

Test(compact, on_a_full_disk_what_is_dead_goes_and_nothing_else_changes)
{
    on_disk(without_room, 8 << 20);
}
