/*
 * Regions of many chunks, and shards of many inner chunks, whose next ones the disk reads while one is copied. What goes wrong ahead goes
 * wrong when its turn comes, and in no other way: a fault, no memory, damage.
 *
 *   faults        each read of a run fails once, in each way
 *   memory        each allocation of a read of the region fails once
 *   damage        a block of one chunk is damaged: the read says which
 *   scans         an array of twice the budget: others stay in the cache, what passes is verified like the rest
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "base/alloc.h"
#include "holog/array.h"
#include "holog/zarr.h"
#include "storekit.h"

enum {
    ROWS = 80, /* more chunks than are ever ahead */
    COLUMNS = 64,
    CHUNK_ROWS = 4, /* of 512 bytes a chunk: large, with what these stores keep in frames */
    DAMAGED = 7     /* chunk */
};

static struct hg_sim *sim;
static int is_shard; /* the array is one shard, and read as that */
static uint16_t elements[ROWS * COLUMNS];

enum {
    LONG_CHUNK = 64 << 10,
    LONG_CHUNKS = 128,
    LONG = LONG_CHUNK * LONG_CHUNKS,
    LONG_BUDGET = LONG / 2,
    LONG_KEPT = LONG_BUDGET / 2 / LONG_CHUNK, /* chunks */
    PIECE = 8 * LONG_CHUNK
};

static void options(holog_options *o)
{
    kit_options(o);
    o->inline_max = 256;
}

static int make(struct hg_io *io, void *ctx)
{
    const uint64_t shape[2] = { ROWS, COLUMNS };
    const uint64_t chunk[2] = { CHUNK_ROWS, COLUMNS };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = shape, .chunk = chunk
    };
    holog_options o;
    holog_store *s = NULL;
    uint64_t seed = test_seed();

    (void)ctx;
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        elements[i] = (uint16_t)rng_next(&seed);
    if (is_shard) {
        spec.chunk = shape;
        spec.inner_chunk = chunk;
    }
    options(&o);
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_array_save(s, "a", &spec, elements, NULL, 0, NULL));
    return holog_close(s);
}

static void make_disk(void)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, make, NULL));
}

/* The bytes of its elements; then the index. */
static int read_shard(holog_store *s, size_t first, size_t n, int part, uint16_t *out)
{
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    holog_value *v = NULL;
    size_t len = 0;
    int rc = holog_view_open(s, &view);

    if (rc == HOLOG_OK)
        rc = holog_zarr_open(view, "a", 0, &zarr);
    if (rc == HOLOG_OK && part)
        rc = holog_zarr_get_range(zarr, "c/0/0", first * sizeof *out, out, n * sizeof *out, &len);
    else if (rc == HOLOG_OK)
        rc = holog_zarr_get(zarr, "c/0/0", &v);
    if (rc == HOLOG_OK && !part) {
        cr_assert_gt(holog_value_size(v), n * sizeof *out);
        memcpy(out, holog_value_data(v), n * sizeof *out);
    }
    holog_value_release(v);
    holog_zarr_close(zarr);
    holog_view_close(view);
    return rc;
}

static int read_array(holog_store *s, const holog_slice *region, uint16_t *out)
{
    holog_array *a = NULL;
    int rc = holog_array_open(s, "a", &a);

    if (rc == HOLOG_OK)
        rc = holog_array_read(a, region, out, NULL);
    holog_array_close(a);
    return rc;
}

/* All of it, or rows from the middle of a chunk to the middle of another; right where there is no error. */
static int read_all(holog_store *s, int part)
{
    static uint16_t read[ROWS * COLUMNS];
    const holog_slice some[2] = { { CHUNK_ROWS / 2, ROWS - CHUNK_ROWS, 1 }, { 0, COLUMNS, 1 } };
    size_t first = part ? CHUNK_ROWS / 2 * COLUMNS : 0;
    size_t n = (size_t)(part ? ROWS - CHUNK_ROWS : ROWS) * COLUMNS;
    int rc;

    memset(read, 0, sizeof read);
    rc = is_shard ? read_shard(s, first, n, part, read) : read_array(s, part ? some : NULL, read);
    if (rc == HOLOG_OK)
        cr_assert_arr_eq(read, elements + first, n * sizeof read[0]);
    return rc;
}

/* ---- faults --------------------------------------------------------------------------------------*/

static unsigned failed;

/* What failed once does not fail again. */
static int read_twice(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    int rc;

    (void)ctx;
    options(&o);
    o.flags = HOLOG_OPEN_READONLY;
    rc = hg_store_open_io(io, &o, &s);
    if (rc < 0) {
        failed++;
        return HOLOG_OK;
    }
    rc = read_all(s, 1);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_IO || rc == HOLOG_E_CORRUPT, "%s",
              holog_error_name(rc));
    failed += rc < 0;
    if (read_all(s, 0) < 0) { /* it was this one that met the fault */
        failed++;
        OK(read_all(s, 0));
    }
    return holog_close(s);
}

static void fail_each_read(void)
{
    make_disk();
    for (int kind = HG_SIM_FAULT_ERRNO; kind <= HG_SIM_FAULT_EINTR; kind++) {
        uint64_t calls = 0;
        for (uint64_t at = 0; at <= calls; at++) { /* 0: nothing fails */
            struct hg_sim_options so = { .seed = test_seed(),
                                         .fault_classes = HG_SIM_F_READ,
                                         .fault_at = at,
                                         .fault_kind = (enum hg_sim_fault_kind)kind,
                                         .fault_errno = 5 };
            struct hg_sim *copy = NULL;
            OK(hg_sim_clone(sim, &copy));
            hg_sim_set_options(copy, &so);
            OK(hg_sim_run(copy, read_twice, NULL));
            if (at == 0)
                calls = hg_sim_fallible_calls(copy, HG_SIM_F_READ);
            cr_assert_eq(hg_sim_open_files(copy), 0);
            hg_sim_destroy(copy);
        }
        cr_assert_gt(calls, ROWS / CHUNK_ROWS);
    }
    (void)fprintf(stderr, "# %u reads failed\n", failed);
    cr_assert_gt(failed, 5);
    hg_sim_destroy(sim);
}

Test(array_ahead, a_read_that_fails_ahead_fails_once_or_not_at_all)
{
    fail_each_read();
}

Test(array_ahead, a_read_of_a_shard_that_fails_ahead_fails_once_or_not_at_all)
{
    is_shard = 1;
    fail_each_read();
}

/* ---- memory --------------------------------------------------------------------------------------*/

struct countdown {
    uint64_t seen, fail_at;
};

static int must_fail(size_t size, void *ctx)
{
    struct countdown *c = ctx;

    (void)size;
    return ++c->seen == c->fail_at;
}

static int read_without_memory(struct hg_io *io, void *ctx)
{
    holog_options o;
    struct countdown c = { 0 };

    (void)ctx;
    options(&o);
    do {
        holog_store *s = NULL;
        int rc;
        OK(hg_store_open_io(io, &o, &s));
        c = (struct countdown){ .fail_at = c.fail_at + 1 };
        hg_alloc_set_fault(must_fail, &c);
        rc = read_all(s, 0);
        hg_alloc_set_fault(NULL, NULL);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM || rc == HOLOG_E_BUDGET,
                  "allocation %llu: %s", (unsigned long long)c.fail_at, holog_error_name(rc));
        failed += rc < 0;
        OK(read_all(s, 0));
        OK(holog_close(s));
    } while (c.seen >= c.fail_at);
    return HOLOG_OK;
}

static void fail_each_allocation(void)
{
    make_disk();
    OK(hg_sim_run(sim, read_without_memory, NULL));
    cr_assert_gt(failed, 0);
    hg_sim_destroy(sim);
}

Test(array_ahead, without_memory_for_what_is_ahead_it_is_read_in_its_turn)
{
    fail_each_allocation();
}

Test(array_ahead, without_memory_a_shard_is_read_in_its_turn)
{
    is_shard = 1;
    fail_each_allocation();
}

Test(array_ahead, a_small_budget_is_kept)
{
    const uint64_t shape[2] = { 6, 1536 << 10 };
    const uint64_t chunk[2] = { 1, 1536 << 10 }; /* of 1.5 MiB; 512 KiB may be ahead */
    const size_t len = (size_t)(6 * (1536 << 10));
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .rank = 2, .shape = shape, .chunk = chunk
    };
    holog_stats st = { .struct_size = sizeof st };
    struct box box;
    holog_array *a = NULL;
    uint8_t *bytes = malloc(len);
    uint8_t *read = malloc(len);

    cr_assert(bytes != NULL && read != NULL);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 13));
    box_make(&box);
    box.opts.budget_bytes = 4 << 20;
    box_open(&box);
    OK(holog_array_save(box.store, "a", &spec, bytes, NULL, 0, NULL));
    OK(holog_close(box.store));
    box_open(&box);
    OK(holog_array_open(box.store, "a", &a));
    OK(holog_array_read(a, NULL, read, NULL));
    cr_assert_arr_eq(read, bytes, len);
    OK(holog_stats_get(box.store, &st));
    cr_assert_leq(st.cache_bytes, box.opts.budget_bytes);
    holog_array_close(a);
    box_end(&box);
    free(bytes);
    free(read);
}

/* ---- damage --------------------------------------------------------------------------------------*/

static int damage_one(void *ctx, const char *name, uint64_t size)
{
    struct hg_sim *copy = ctx;
    uint64_t len = 0;
    uint8_t *bytes = hg_sim_file_data(copy, name, &len);

    (void)size;
    if (strstr(name, ".hext") == NULL)
        return 0;
    for (uint64_t at = 0; at + CHUNK_ROWS * COLUMNS * 2 <= len; at += HG_IO_BLOCK)
        if (memcmp(bytes + at, elements + (size_t)DAMAGED * CHUNK_ROWS * COLUMNS,
                   sizeof elements[0] * CHUNK_ROWS * COLUMNS) == 0) {
            bytes[at + 17] ^= 4;
            failed++;
        }
    return 0;
}

static int read_damage(struct hg_io *io, void *ctx)
{
    struct holog_error_detail d;
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    options(&o);
    OK(hg_store_open_io(io, &o, &s));
    cr_assert_eq(read_all(s, 0), HOLOG_E_CORRUPT);
    holog_last_error(&d);
    cr_assert_not_null(strstr(d.path, is_shard ? "c/0/0" : "a/c/7/0"), "%s: %s", d.path, d.message);
    cr_assert_eq(read_all(s, 1), HOLOG_E_CORRUPT); /* and again, when others are in the cache */
    return holog_close(s);
}

static void damage_one_chunk(void)
{
    make_disk();
    OK(hg_sim_each_file(sim, damage_one, sim));
    cr_assert_eq(failed, 1);
    OK(hg_sim_run(sim, read_damage, NULL));
    hg_sim_destroy(sim);
}

Test(array_ahead, damage_is_said_of_the_chunk_that_has_it)
{
    damage_one_chunk();
}

Test(array_ahead, damage_in_a_shard_is_said_of_it)
{
    is_shard = 1;
    damage_one_chunk();
}

/* ---- scans ---------------------------------------------------------------------------------------*/

static uint8_t long_bytes[LONG];
static uint8_t long_read[LONG];

static void long_options(holog_options *o)
{
    kit_options(o);
    o->inline_max = 256;
    o->budget_bytes = LONG_BUDGET;
}

static int save_bytes(holog_store *s, const char *path, uint64_t len, uint32_t codec)
{
    const uint64_t chunk = LONG_CHUNK;
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT8,
                              .rank = 1,
                              .shape = &len,
                              .chunk = &chunk,
                              .codec = codec };

    return holog_array_save(s, path, &spec, long_bytes, NULL, 0, NULL);
}

static int make_long(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    uint64_t seed = test_seed();

    (void)ctx;
    for (size_t i = 0; i < LONG; i++)
        long_bytes[i] = (uint8_t)rng_next(&seed);
    long_options(&o);
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    OK(save_bytes(s, "long", LONG, HOLOG_CODEC_NONE));
    OK(save_bytes(s, "packed", LONG, HOLOG_CODEC_ZSTD));
    OK(save_bytes(s, "other", PIECE, HOLOG_CODEC_NONE));
    return holog_close(s);
}

static void make_long_disk(void)
{
    struct hg_sim_options so = { .seed = test_seed() };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, make_long, NULL));
}

/* Right where there is no error. */
static int read_bytes(holog_array *a, uint64_t start, uint64_t count, uint64_t step)
{
    const holog_slice some = { start, count, step };
    int rc;

    memset(long_read, 0, count);
    rc = holog_array_read(a, &some, long_read, NULL);
    for (uint64_t i = 0; rc == HOLOG_OK && i < count; i++)
        if (long_read[i] != long_bytes[start + i * step])
            cr_assert_fail("byte %llu is another", (unsigned long long)(start + i * step));
    return rc;
}

static int scan(holog_array *a, uint64_t piece)
{
    int rc = HOLOG_OK;

    for (uint64_t at = 0; rc == HOLOG_OK && at < LONG; at += piece)
        rc = read_bytes(a, at, piece, 1);
    return rc;
}

static uint64_t misses_of(holog_store *s, const char *path)
{
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };
    holog_array *a = NULL;

    OK(holog_array_open(s, path, &a));
    OK(holog_stats_get(s, &before));
    OK(read_bytes(a, 0, LONG_CHUNK, 1));
    OK(holog_stats_get(s, &after));
    holog_array_close(a);
    return after.cache_misses - before.cache_misses;
}

/* ctx: bytes that are read at once. */
static int scan_beside_another(struct hg_io *io, void *ctx)
{
    const uint64_t *piece = ctx;
    holog_options o;
    holog_store *s = NULL;
    holog_array *a = NULL;
    uint64_t first;
    uint64_t reads;

    long_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    cr_assert_gt(misses_of(s, "other"), 0);
    cr_assert_eq(misses_of(s, "other"), 0);
    OK(holog_array_open(s, "long", &a));
    reads = hg_sim_fallible_calls(sim, HG_SIM_F_READ);
    OK(scan(a, *piece));
    first = hg_sim_fallible_calls(sim, HG_SIM_F_READ) - reads;
    cr_assert_eq(misses_of(s, "other"), 0, "the scan threw it out");
    reads += first;
    OK(scan(a, *piece));
    reads = hg_sim_fallible_calls(sim, HG_SIM_F_READ) - reads;
    cr_assert_leq(reads + LONG_KEPT - 1, first, "%llu reads, then %llu", (unsigned long long)first,
                  (unsigned long long)reads);
    cr_assert_eq(misses_of(s, "other"), 0, "the second scan threw it out");
    holog_array_close(a);
    return holog_close(s);
}

Test(array_ahead, a_scan_larger_than_the_budget_throws_nothing_out_and_finds_its_beginning_again)
{
    static uint64_t pieces[] = { LONG, PIECE, LONG_CHUNK };

    make_long_disk();
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        OK(hg_sim_run(sim, scan_beside_another, &pieces[i]));
    hg_sim_destroy(sim);
}

static int go_back(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    holog_array *a = NULL;
    uint64_t reads = 0;

    (void)ctx;
    long_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_array_open(s, "long", &a));
    OK(scan(a, PIECE));
    for (int i = 0; i < 3; i++) {
        reads = hg_sim_fallible_calls(sim, HG_SIM_F_READ);
        OK(read_bytes(a, LONG - 2 * PIECE, PIECE, 1));
        reads = hg_sim_fallible_calls(sim, HG_SIM_F_READ) - reads;
        cr_assert_eq(reads > 0, i == 0, "round %d", i);
    }
    holog_array_close(a);
    return holog_close(s);
}

Test(array_ahead, a_region_that_is_read_again_after_a_scan_is_kept)
{
    make_long_disk();
    OK(hg_sim_run(sim, go_back, NULL));
    hg_sim_destroy(sim);
}

/* Regions of which half begin behind the last one. */
static void read_anywhere(holog_store *s, const char *path, uint64_t *seed)
{
    holog_array *a = NULL;
    uint64_t at = 0;

    OK(holog_array_open(s, path, &a));
    for (int i = 0; i < 60; i++) {
        uint64_t step = 1 + rng_next(seed) % 3;
        uint64_t left;
        if (at >= LONG || rng_next(seed) % 2 == 0)
            at = rng_next(seed) % LONG;
        left = (LONG - at + step - 1) / step;
        left = 1 + rng_next(seed) % HG_MIN(left, (uint64_t)(20 * LONG_CHUNK));
        OK(read_bytes(a, at, left, step));
        at += left * step;
    }
    holog_array_close(a);
}

static int read_regions(struct hg_io *io, void *ctx)
{
    uint64_t seed = test_seed();
    holog_options o;
    holog_store *s = NULL;
    holog_stats st = { .struct_size = sizeof st };

    (void)ctx;
    long_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    for (int i = 0; i < 4; i++)
        read_anywhere(s, i % 2 == 0 ? "long" : "packed", &seed);
    OK(holog_stats_get(s, &st));
    cr_assert_leq(st.cache_bytes, o.budget_bytes);
    return holog_close(s);
}

Test(array_ahead, regions_of_an_array_larger_than_the_budget_are_right)
{
    make_long_disk();
    OK(hg_sim_run(sim, read_regions, NULL));
    hg_sim_destroy(sim);
}

static int scan_with_a_fault(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    holog_array *a = NULL;
    int rc;

    (void)ctx;
    long_options(&o);
    o.flags = HOLOG_OPEN_READONLY;
    rc = hg_store_open_io(io, &o, &s);
    if (rc == HOLOG_OK)
        rc = holog_array_open(s, "long", &a);
    if (rc == HOLOG_OK)
        rc = read_bytes(a, 0, LONG, 1);
    failed += rc < 0;
    if (a != NULL)
        OK(read_bytes(a, 0, LONG, 1)); /* what failed once does not fail again */
    holog_array_close(a);
    return s != NULL ? holog_close(s) : HOLOG_OK;
}

Test(array_ahead, a_read_that_fails_in_a_scan_is_read_again)
{
    uint64_t calls = 1;

    make_long_disk();
    for (uint64_t at = 0; at <= calls; at += at == 0 ? 1 : 11) { /* 0: nothing fails */
        struct hg_sim_options so = { .seed = test_seed(),
                                     .fault_classes = HG_SIM_F_READ,
                                     .fault_at = at,
                                     .fault_kind = HG_SIM_FAULT_ERRNO,
                                     .fault_errno = 5 };
        struct hg_sim *copy = NULL;
        OK(hg_sim_clone(sim, &copy));
        hg_sim_set_options(copy, &so);
        OK(hg_sim_run(copy, scan_with_a_fault, NULL));
        if (at == 0)
            calls = hg_sim_fallible_calls(copy, HG_SIM_F_READ);
        cr_assert_eq(hg_sim_open_files(copy), 0);
        hg_sim_destroy(copy);
    }
    cr_assert_gt(calls, LONG_CHUNKS);
    hg_sim_destroy(sim);
}

static int damage_last(void *ctx, const char *name, uint64_t size)
{
    const uint8_t *last = long_bytes + LONG - LONG_CHUNK;
    struct hg_sim *disk = ctx;
    uint64_t len = 0;
    uint8_t *bytes = hg_sim_file_data(disk, name, &len);

    (void)size;
    for (uint64_t at = 0; strstr(name, ".hext") != NULL && at + LONG_CHUNK <= len;
         at += HG_IO_BLOCK)
        if (memcmp(bytes + at, last, LONG_CHUNK) == 0) {
            bytes[at + 17] ^= 4;
            failed++;
        }
    return 0;
}

static int scan_damage(struct hg_io *io, void *ctx)
{
    struct holog_error_detail d;
    holog_options o;
    holog_store *s = NULL;
    holog_array *a = NULL;

    (void)ctx;
    long_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_array_open(s, "long", &a));
    cr_assert_eq(scan(a, PIECE), HOLOG_E_CORRUPT);
    holog_last_error(&d);
    cr_assert_not_null(strstr(d.path, "long/c/127"), "%s: %s", d.path, d.message);
    holog_array_close(a);
    return holog_close(s);
}

Test(array_ahead, damage_is_said_of_what_passes)
{
    make_long_disk();
    OK(hg_sim_each_file(sim, damage_last, sim));
    cr_assert_eq(failed, 1);
    OK(hg_sim_run(sim, scan_damage, NULL));
    hg_sim_destroy(sim);
}
