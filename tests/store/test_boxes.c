/*
 * Regions of arrays whose chunks have been compressed: they are what they were, and are read by the tile. The chunks are
 * larger than the cache may be, so that no read finds them there.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/codec/fields.h"
#include "array/grid.h"
#include "base/node.h"
#include "engine/store_internal.h"
#include "holog/array.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

#define BUDGET   ((uint64_t)4 << 20)
#define VERSIONS 3u

static struct box box;

/* Over a real directory: bytes that are read of compressed segments. */
static const struct hg_io_ops *real;
static struct hg_io_ops ops;
static struct hg_io *io;
static uint64_t cold_bytes;

static int is_cold(const struct hg_file *f)
{
    return strstr(f->name, ".hwp") != NULL;
}

static int counting_preadv(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                           size_t *out_n)
{
    int rc = real->preadv(f, iov, n_iov, offset, out_n);

    if (rc == HOLOG_OK && is_cold(f))
        cold_bytes += *out_n;
    return rc;
}

static int counting_submit(struct hg_io *of, struct hg_req *const *reqs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (reqs[i]->op == HG_REQ_READ && is_cold(reqs[i]->file))
            cold_bytes += reqs[i]->len_bytes;
    return real->submit(of, reqs, n);
}

/* extents: bytes of a segment; 0: as a box has it. */
static void begin(uint32_t extents)
{
    box_make(&box);
    if (extents != 0)
        box.opts.extent_segment_size_max = extents;
    box.opts.no_compaction = 1;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1000", NULL, 0));
}

/* How many values it moves. */
static uint64_t compact_some(void)
{
    holog_compact_options o = { .struct_size = sizeof o, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report report = { .struct_size = sizeof report };

    OK(holog_compact(box.store, &o, &report));
    return report.values;
}

static void compact(void)
{
    cr_assert_gt(compact_some(), 0);
}

/* Between the two, reads are counted, and the budget is small. */
static void begin_reads(uint64_t budget)
{
    OK(holog_close(box.store));
    OK(hg_io_open(box.dir, HG_IO_POSIX, &io));
    real = io->ops;
    ops = *real;
    ops.preadv = counting_preadv;
    ops.submit = counting_submit;
    io->ops = &ops;
    box.opts.budget_bytes = budget;
    OK(hg_store_open_io(io, &box.opts, &box.store));
}

static void end_reads(void)
{
    OK(holog_close(box.store));
    real->destroy(io);
    box.opts.budget_bytes = 0;
    box_open(&box);
}

/* ---- any box of any shape ------------------------------------------------------------------------*/

struct kind {
    const char *path;
    uint32_t dtype;
    uint32_t size;
    uint32_t rank;
    uint64_t shape[6];
    uint64_t chunk[6];
};

static const struct kind kinds[] = {
    { "u8", HOLOG_UINT8, 1, 2, { 2083, 2111 }, { 2083, 2111 } },
    { "i16", HOLOG_INT16, 2, 2, { 1700, 3001 }, { 1500, 1601 } },
    { "f32", HOLOG_FLOAT32, 4, 3, { 3, 611, 653 }, { 3, 611, 653 } },
    { "c64", HOLOG_COMPLEX64, 8, 2, { 751, 773 }, { 751, 773 } },
    { "u16", HOLOG_UINT16, 2, 6, { 2, 3, 2, 3, 253, 277 }, { 2, 3, 2, 3, 253, 277 } },
    { "u64", HOLOG_UINT64, 8, 1, { 600011 }, { 600011 } },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static uint8_t *elements[KINDS][VERSIONS];
static uint64_t rng;

static uint64_t below(uint64_t n)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (rng >> 33) % n;
}

static uint64_t bytes_of(const struct kind *k)
{
    uint64_t bytes = k->size;

    for (unsigned i = 0; i < k->rank; i++)
        bytes *= k->shape[i];
    return bytes;
}

/* Low bytes of noise; in each later version some of it is other noise. */
static void make_elements(size_t kind)
{
    uint64_t len = bytes_of(&kinds[kind]);

    for (unsigned v = 0; v < VERSIONS; v++) {
        uint8_t *p = malloc(len);
        elements[kind][v] = p;
        if (v > 0)
            memcpy(p, elements[kind][v - 1], len);
        for (uint64_t i = 0; v == 0 && i < len; i++)
            p[i] = (uint8_t)(i % kinds[kind].size == 0 ? below(256) : 3);
        for (unsigned i = 0; v > 0 && i < 3000; i++)
            p[below(len)] = (uint8_t)below(256);
    }
}

static void save_versions(void)
{
    for (unsigned v = 0; v < VERSIONS; v++)
        for (size_t k = 0; k < KINDS; k++) {
            holog_array_spec spec = { .struct_size = sizeof spec,
                                      .dtype = kinds[k].dtype,
                                      .rank = kinds[k].rank,
                                      .shape = kinds[k].shape,
                                      .chunk = kinds[k].chunk };
            OK(holog_array_save(box.store, kinds[k].path, &spec, elements[k][v], NULL,
                                v > 0 ? HOLOG_REPLACE : 0, NULL));
        }
}

/* Mostly small; with steps now and then. From the first byte to the last it is less than half the array. */
static void choose_region(const struct kind *k, holog_slice *region)
{
    unsigned steps = below(4) == 0;

    for (unsigned i = 0; i < k->rank; i++) {
        uint64_t n = k->shape[i];
        uint64_t most = i == 0 ? HG_MAX(n / 3, 1) : below(6) == 0 ? n : HG_MIN(n, 300);
        uint64_t span = 1 + below(most);
        uint64_t step = steps ? 1 + below(3) : 1;
        region[i] = (holog_slice){ .start = below(n - span + 1),
                                   .count = (span - 1) / step + 1,
                                   .step = step };
    }
}

static void read_one(holog_array *a, size_t kind, unsigned version)
{
    const struct kind *k = &kinds[kind];
    holog_slice region[6];
    uint64_t count[6];
    int64_t all[6];
    int64_t from[6];
    int64_t to[6];
    uint64_t n = 1;
    int64_t at = 0;

    choose_region(k, region);
    hg_strides_of(k->rank, k->shape, k->size, all);
    for (unsigned i = 0; i < k->rank; i++) {
        count[i] = region[i].count;
        n *= count[i];
        at += (int64_t)region[i].start * all[i];
        from[i] = all[i] * (int64_t)region[i].step;
    }
    hg_strides_of(k->rank, count, k->size, to);
    uint8_t *want = malloc(n * k->size);
    uint8_t *have = malloc(n * k->size);
    hg_copy_strided(k->rank, count, k->size, want, to, elements[kind][version] + at, from);
    OK(holog_array_read(a, region, have, NULL));
    cr_assert_eq(memcmp(want, have, n * k->size), 0, "a region of %s, version %u", k->path,
                 version);
    free(want);
    free(have);
}

/* The versions were committed one array after the other. */
static void read_version(size_t kind, unsigned version, uint64_t first, unsigned regions)
{
    holog_view *view = NULL;
    holog_array *a = NULL;

    OK(holog_view_open_at(box.store, first + version * KINDS + kind, &view));
    OK(holog_view_array(view, kinds[kind].path, &a));
    for (unsigned i = 0; i < regions; i++)
        read_one(a, kind, version);
    holog_array_close(a);
    holog_view_close(view);
}

static void read_versions(uint64_t first)
{
    unsigned regions = test_level() == 0 ? 10 : test_level() == 1 ? 25 : 200;

    for (size_t k = 0; k < KINDS; k++)
        for (unsigned v = 0; v < VERSIONS; v++)
            read_version(k, v, first, regions);
}

Test(boxes, regions_of_compressed_chunks_and_of_their_versions_are_what_they_were, .timeout = 300)
{
    struct hg_cold_sizes sizes;
    uint64_t head;
    uint64_t raw = 0;

    rng = test_seed();
    (void)fprintf(stderr, "# HOLOG_TEST_SEED=%llu\n", (unsigned long long)rng);
    begin(0);
    OK(holog_config(box.store, "retention.bytes", "all", NULL, 0));
    for (size_t k = 0; k < KINDS; k++) {
        make_elements(k);
        raw += bytes_of(&kinds[k]);
    }
    OK(holog_ref(box.store, "HEAD", &head));
    save_versions();
    compact();
    hg_cold_sizes(box.store->cold, &sizes);
    cr_assert_geq(sizes.raw, VERSIONS * raw);
    cr_assert_lt(sizes.stored, raw); /* the other versions are differences */
    begin_reads(BUDGET);
    read_versions(head + 1);
    end_reads();
    begin_reads(BUDGET);
    read_versions(head + 1);
    end_reads();
    box_same_after_reopen(&box);
    for (size_t k = 0; k < KINDS; k++)
        for (unsigned v = 0; v < VERSIONS; v++)
            free(elements[k][v]);
    box_end(&box);
}

/* ---- how much is read ----------------------------------------------------------------------------*/

enum {
    SIDE = 2048,
    PART = 256
};

static const uint64_t plane_shape[2] = { SIDE, SIDE };

static void save_plane(const uint16_t *plane)
{
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 2,
                              .shape = plane_shape,
                              .chunk = plane_shape };

    OK(holog_array_save(box.store, "plane", &spec, plane, NULL, 0, NULL));
}

static void make_plane(struct field *f, uint32_t extents)
{
    static const struct light light = { 60, 4000, 0.9 };

    rng = test_seed();
    (void)fprintf(stderr, "# HOLOG_TEST_SEED=%llu\n", (unsigned long long)rng);
    cr_assert_eq(field_make(f, SIDE, &light, 11), 0);
    begin(extents);
    save_plane(f->image);
}

/* The most that one of them takes. */
static uint64_t read_parts(const uint16_t *plane, unsigned parts)
{
    static uint16_t part[PART * PART];
    holog_array *a = NULL;
    uint64_t most = 0;

    OK(holog_array_open(box.store, "plane", &a));
    for (unsigned i = 0; i < parts; i++) {
        const holog_slice region[2] = { { below(SIDE - PART + 1), PART, 1 },
                                        { below(SIDE - PART + 1), PART, 1 } };
        cold_bytes = 0;
        OK(holog_array_read(a, region, part, NULL));
        most = HG_MAX(most, cold_bytes);
        for (size_t y = 0; y < PART; y++)
            cr_assert_arr_eq(part + y * PART,
                             plane + (region[0].start + y) * SIDE + region[1].start,
                             PART * sizeof *part);
    }
    holog_array_close(a);
    return most;
}

Test(boxes, a_region_of_a_compressed_plane_takes_an_eighth_of_its_bytes_at_most, .timeout = 120)
{
    struct hg_cold_sizes sizes;
    struct field f;

    make_plane(&f, 0);
    compact();
    begin_reads(2 * BUDGET);
    hg_cold_sizes(box.store->cold, &sizes);
    uint64_t most = read_parts(f.image, 60);
    (void)fprintf(stderr, "# %u^2 of %u^2 takes %llu of %llu bytes at most\n", PART, SIDE,
                  (unsigned long long)most, (unsigned long long)sizes.stored);
    cr_assert_gt(most, 0);
    cr_assert_leq(most * 8, sizes.stored);
    end_reads();
    box_same_after_reopen(&box);
    field_free(&f);
    box_end(&box);
}

/* ---- damage, changes ------------------------------------------------------------------------------*/

/* Changes a byte; again, and it is as it was. */
static void flip(const char *name, long at)
{
    char path[400];
    int byte;

    (void)snprintf(path, sizeof path, "%s/seg/%s", box.dir, name);
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    byte = fgetc(f);
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    cr_assert_eq(fputc(byte ^ 0x10, f), byte ^ 0x10);
    cr_assert_eq(fclose(f), 0);
}

/* The only one. */
static void cold_file(char *out, size_t room)
{
    char dir[300];
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    out[0] = 0;
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".hwp") != NULL) {
            cr_assert_eq(out[0], 0, "%s beside %s", e->d_name, out);
            (void)snprintf(out, room, "%s", e->d_name);
        }
    (void)closedir(d);
}

/* Of the plane, tile by tile: how many do not read. */
static unsigned damaged_parts(const uint16_t *plane)
{
    static uint16_t part[PART * PART];
    holog_array *a = NULL;
    unsigned damaged = 0;

    OK(holog_array_open(box.store, "plane", &a));
    for (unsigned i = 0; i < SIDE / PART * (SIDE / PART); i++) {
        const holog_slice region[2] = { { (uint64_t)i / (SIDE / PART) * PART, PART, 1 },
                                        { (uint64_t)i % (SIDE / PART) * PART, PART, 1 } };
        int rc = holog_array_read(a, region, part, NULL);
        damaged += rc != HOLOG_OK;
        if (rc != HOLOG_OK)
            FAILS(HOLOG_E_CORRUPT, rc, "plane");
        for (size_t y = 0; rc == HOLOG_OK && y < PART; y++)
            cr_assert_arr_eq(part + y * PART,
                             plane + (region[0].start + y) * SIDE + region[1].start,
                             PART * sizeof *part);
    }
    holog_array_close(a);
    return damaged;
}

Test(boxes, damage_is_said_of_the_tile_that_has_it, .timeout = 120)
{
    struct hg_cold_sizes sizes;
    char name[256];
    struct field f;

    make_plane(&f, 0);
    compact();
    begin_reads(2 * BUDGET);
    hg_cold_sizes(box.store->cold, &sizes);
    cold_file(name, sizeof name);
    for (unsigned i = 0; i < 6; i++) {
        long at = (long)(sizes.stored / 4 + below(sizes.stored / 2));
        flip(name, at);
        unsigned damaged = damaged_parts(f.image);
        cr_assert_geq(damaged, 1, "byte %ld of %s", at, name);
        cr_assert_leq(damaged, 2, "byte %ld of %s", at, name);
        flip(name, at);
        cr_assert_eq(damaged_parts(f.image), 0);
    }
    end_reads();
    box_same_after_reopen(&box);
    field_free(&f);
    box_end(&box);
}

Test(boxes, a_region_of_a_changed_chunk_has_the_change, .timeout = 120)
{
    const holog_slice rows[2] = { { 300, 900, 1 }, { 0, SIDE, 1 } };
    struct field f;

    make_plane(&f, 0);
    compact();
    for (size_t i = 300 * SIDE; i < (size_t)1200 * SIDE; i++)
        f.image[i] ^= 1;
    OK(holog_array_update(box.store, "plane", rows, f.image + 300 * SIDE, NULL, NULL));
    for (unsigned round = 0; round < 2; round++) {
        begin_reads(2 * BUDGET);
        (void)read_parts(f.image, 20);
        end_reads();
        if (round == 0)
            compact(); /* what the change brings, too */
    }
    box_same_after_reopen(&box);
    field_free(&f);
    box_end(&box);
}

/* As many bytes make a chunk of the one and of the other; all are compressed as what the newer one is. */
Test(boxes, chunks_of_an_array_of_another_shape_are_read_as_what_they_are, .timeout = 120)
{
    const uint64_t wide[2] = { SIDE / 2, SIDE * 2 };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = wide, .chunk = wide
    };
    static uint16_t part[PART * PART];
    holog_view *view = NULL;
    holog_array *a = NULL;
    uint64_t first;
    struct field f;

    make_plane(&f, 0);
    OK(holog_ref(box.store, "HEAD", &first));
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        f.image[i] ^= 2;
    OK(holog_array_save(box.store, "plane", &spec, f.image, NULL, HOLOG_REPLACE, NULL));
    compact();
    begin_reads(2 * BUDGET);
    OK(holog_view_open_at(box.store, first, &view));
    OK(holog_view_array(view, "plane", &a));
    for (unsigned i = 0; i < 20; i++) {
        const holog_slice at[2] = { { below(SIDE - PART + 1), PART, 1 },
                                    { below(SIDE - PART + 1), PART, 1 } };
        OK(holog_array_read(a, at, part, NULL));
        for (size_t e = 0; e < (size_t)PART * PART; e++)
            cr_assert_eq(part[e],
                         f.image[(at[0].start + e / PART) * SIDE + at[1].start + e % PART] ^ 2);
    }
    holog_array_close(a);
    holog_view_close(view);
    end_reads();
    box_same_after_reopen(&box);
    field_free(&f);
    box_end(&box);
}

/* ---- beside compactions --------------------------------------------------------------------------*/

struct beside {
    holog_store *store;
    const uint16_t *plane;
    int ended;  /* atomic */
    unsigned n; /* regions that were read */
};

/* Behind the writer, it follows. */
static int read_beside(struct beside *b, const holog_slice *region, uint16_t *part)
{
    holog_array *a = NULL;
    int rc = holog_array_open(b->store, "plane", &a);

    if (rc == HOLOG_OK)
        rc = holog_array_read(a, region, part, NULL);
    holog_array_close(a);
    if (rc != HOLOG_E_STALE)
        return rc;
    return holog_refresh(b->store, NULL);
}

static void *read_on(void *arg)
{
    struct beside *b = arg;
    uint16_t *part = malloc(PART * PART * sizeof *part);
    uint64_t seed = test_seed();

    while (!__atomic_load_n(&b->ended, __ATOMIC_ACQUIRE)) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        const holog_slice region[2] = { { (seed >> 20) % (SIDE - PART + 1), PART, 1 },
                                        { (seed >> 40) % (SIDE - PART + 1), PART, 1 } };
        size_t first = region[0].start * SIDE + region[1].start;
        memcpy(part, b->plane + first, PART * sizeof *part); /* where nothing was read */
        OK(read_beside(b, region, part));
        cr_assert_arr_eq(part, b->plane + first, PART * sizeof *part);
        b->n++;
    }
    free(part);
    return NULL;
}

/* A value that shares its segment with the plane is replaced, so that each compaction moves the plane, too. */
Test(boxes, a_reader_of_regions_goes_on_beside_compactions, .timeout = 120)
{
    struct beside b = { 0 };
    holog_options o;
    pthread_t thread;
    uint64_t moved = 0;
    struct field f;

    make_plane(&f, 1 << 20);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    b.plane = f.image;
    o = box.opts;
    o.flags |= HOLOG_OPEN_READONLY;
    o.budget_bytes = BUDGET;
    OK(holog_open(box.dir, &o, &b.store));
    cr_assert_eq(pthread_create(&thread, NULL, read_on, &b), 0);
    for (unsigned i = 0; i < 8; i++) {
        holog_gc_report gc = { .struct_size = sizeof gc };
        for (unsigned j = 0; j < 6; j++)
            OK(save_seed(box.store, j == 0 ? "beside" : "behind", 900000, i * 6 + j,
                         HOLOG_REPLACE));
        OK(holog_gc(box.store, 1, 0, 0, &gc));
        moved += compact_some();
    }
    cr_assert_geq(moved, 12, "%llu",
                  (unsigned long long)moved); /* the plane, and what is beside it */
    __atomic_store_n(&b.ended, 1, __ATOMIC_RELEASE);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    (void)fprintf(stderr, "# %u regions\n", b.n);
    cr_assert_gt(b.n, 0);
    OK(holog_close(b.store));
    begin_reads(2 * BUDGET);
    (void)read_parts(f.image, 10);
    end_reads();
    box_same_after_reopen(&box);
    field_free(&f);
    box_end(&box);
}
