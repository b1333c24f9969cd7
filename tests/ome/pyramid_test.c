/*
 * Levels in a store: every type, odd sizes, two to five axes, regions, growth, shards and codecs; what others made;
 * commits that meet; memory.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "holog/zarr.h"
#include "omekit.h"

static struct box box;

static void begin(void)
{
    box_begin(&box);
}

static void end(void)
{
    box_end(&box);
}

TestSuite(pyramid, .init = begin, .fini = end);

static const char *const names[] = { "t", "c", "z", "y", "x" };

/* An image of the last `rank` of tczyx. */
static struct plain save(const char *path, uint32_t dtype, unsigned rank, const uint64_t *shape,
                         const uint64_t *chunk, uint64_t seed, holog_ome_spec *spec)
{
    struct plain p = { .dtype = dtype, .rank = rank };
    holog_ome_axis axes[HOLOG_OME_AXES_MAX] = { 0 };

    for (unsigned a = 0; a < rank; a++) {
        axes[a] = (holog_ome_axis){ .name = names[5 - rank + a],
                                    .size = shape[a],
                                    .chunk = chunk != NULL ? chunk[a] : 0 };
        p.shape[a] = shape[a];
    }
    p.data = malloc(plain_count(&p) * holog_dtype_size(dtype) + 1);
    some_elements(dtype, seed, plain_count(&p), p.data);
    spec->struct_size = sizeof *spec;
    spec->dtype = dtype;
    spec->n_axes = rank;
    spec->axes = axes;
    OK(holog_ome_image_save(box.store, path, spec, p.data, NULL, HOLOG_REPLACE, NULL));
    spec->axes = NULL;
    return p;
}

Test(pyramid, levels_of_every_type_follow_from_the_first)
{
    for (uint32_t dtype = HOLOG_BOOL; dtype <= HOLOG_COMPLEX128; dtype++) {
        for (uint32_t method = HOLOG_OME_DEFAULT; method <= HOLOG_OME_MODE; method++) {
            holog_ome_spec spec = { .levels = 4, .method = method };
            char path[40];
            struct plain p;
            (void)snprintf(path, sizeof path, "%s-%u", holog_dtype_name(dtype), method);
            p = save(path, dtype, 2, (uint64_t[]){ 23, 18 }, (uint64_t[]){ 4, 8 }, dtype, &spec);
            has_level(box.store, path, 0, &p);
            plain_release(&p);
        }
    }
    box_same_after_reopen(&box);
    for (uint32_t dtype = HOLOG_BOOL; dtype <= HOLOG_COMPLEX128; dtype++) {
        for (uint32_t method = HOLOG_OME_DEFAULT; method <= HOLOG_OME_MODE; method++) {
            char path[40];
            (void)snprintf(path, sizeof path, "%s-%u", holog_dtype_name(dtype), method);
            is_pyramid(box.store, path,
                       method != HOLOG_OME_DEFAULT ? method
                       : dtype == HOLOG_BOOL       ? HOLOG_OME_NEAREST
                                                   : HOLOG_OME_MEAN);
        }
    }
}

Test(pyramid, every_size_from_1_to_9_has_its_levels)
{
    for (uint64_t y = 1; y <= 9; y++) {
        for (uint64_t x = 1; x <= 9; x++) {
            holog_ome_spec spec = { 0 };
            char path[40];
            struct plain p;
            (void)snprintf(path, sizeof path, "%llu-%llu", (unsigned long long)y,
                           (unsigned long long)x);
            p = save(path, HOLOG_UINT16, 2, (uint64_t[]){ y, x }, (uint64_t[]){ 1, 1 }, y * 9 + x,
                     &spec);
            plain_release(&p);
            is_pyramid(box.store, path, HOLOG_OME_MEAN);
        }
    }
    is_valid(&box, "9-7");
}

/* A random image, its chunks in some of the ways that there are. */
static struct plain random_image(const char *path, uint64_t seed, uint32_t *out_method)
{
    static const uint32_t types[] = { HOLOG_UINT8, HOLOG_UINT16, HOLOG_FLOAT32, HOLOG_INT64 };
    unsigned rank = 2 + (unsigned)(some(seed, 0) % 4);
    uint64_t shape[HOLOG_OME_AXES_MAX];
    uint64_t chunk[HOLOG_OME_AXES_MAX];
    holog_ome_spec spec = { .halve_z = (uint32_t)(some(seed, 1) % 3),
                            .codec = (uint32_t)(some(seed, 2) % 3),
                            .flags = some(seed, 3) % 2 ? HOLOG_ARRAY_SHUFFLE : 0,
                            .method = HOLOG_OME_MEAN + (uint32_t)(some(seed, 4) % 3) };

    for (unsigned a = 0; a < rank; a++) {
        int is_last = a + 2 >= rank;
        shape[a] = 1 + some(seed, 10 + a) % (is_last ? 40 : 5);
        chunk[a] = 1 + some(seed, 20 + a) % (is_last ? 16 : 3);
    }
    *out_method = spec.method;
    return save(path, types[some(seed, 5) % 4], rank, shape, chunk, seed, &spec);
}

/* Other elements in a random region, in the store and in p. */
static void change_region(const char *image, struct plain *p, uint64_t seed, holog_slice *region)
{
    size_t size = holog_dtype_size(p->dtype);
    size_t n = 1;
    char path[40];
    uint8_t *data;
    size_t at = 0;

    for (unsigned a = 0; a < p->rank; a++) {
        region[a].start = some(seed, 40 + a) % p->shape[a];
        region[a].count = 1 + some(seed, 50 + a) % (p->shape[a] - region[a].start);
        region[a].step = 1;
        n *= region[a].count;
    }
    data = malloc(n * size);
    some_elements(p->dtype, seed + 1000, n, data);
    (void)snprintf(path, sizeof path, "%s/0", image);
    OK(holog_array_update(box.store, path, region, data, NULL, NULL));
    for (size_t i = 0; i < plain_count(p); i++) {
        size_t left = i;
        int inside = 1;
        for (unsigned a = p->rank; a-- > 0; left /= p->shape[a]) {
            uint64_t index = left % p->shape[a];
            inside &= index >= region[a].start && index - region[a].start < region[a].count;
        }
        if (inside)
            memcpy(p->data + i * size, data + at++ * size, size);
    }
    free(data);
}

Test(pyramid, random_regions_are_all_that_needs_to_be_computed_again)
{
    int rounds = test_level() == 0 ? 60 : 600;

    for (int i = 0; i < rounds; i++) {
        uint64_t seed = test_seed() + (uint64_t)i * 7919;
        uint32_t method = 0;
        struct plain p = random_image("a", seed, &method);
        for (unsigned k = 0; k < 4; k++) {
            holog_slice region[HOLOG_OME_AXES_MAX];
            change_region("a", &p, seed + k, region);
            OK(holog_ome_pyramid_update(box.store, "a", region, NULL, NULL, NULL));
            has_level(box.store, "a", 0, &p);
            is_pyramid(box.store, "a", method);
        }
        plain_release(&p);
    }
    is_valid(&box, "a");
}

/* ---- growth ------------------------------------------------------------------------------------------*/

Test(pyramid, an_image_grows_with_its_first_level)
{
    holog_ome_spec spec = { .levels = 3 };
    struct plain p = save("film", HOLOG_UINT16, 4, (uint64_t[]){ 0, 2, 21, 30 }, NULL, 1, &spec);
    uint16_t frame[2 * 21 * 30];
    struct plain level = { .rank = 0 };

    plain_release(&p);
    for (uint64_t t = 0; t < 5; t++) {
        const holog_slice region[4] = { { t, 1, 1 }, { 0, 2, 1 }, { 0, 21, 1 }, { 0, 30, 1 } };
        holog_array *a = NULL;
        holog_txn *txn = NULL;
        some_elements(HOLOG_UINT16, t, 2 * 21 * 30, frame);
        OK(holog_begin(box.store, &txn));
        OK(holog_txn_array(txn, "film/0", &a));
        OK(holog_array_append(a, 0, 1, frame, NULL));
        holog_array_close(a);
        OK(holog_txn_ome_pyramid_update(txn, "film", region, NULL, NULL));
        OK(holog_commit(txn, NULL));
        is_pyramid(box.store, "film", HOLOG_OME_MEAN);
    }
    read_all(box.store, "film/2", &level);
    cr_assert_eq(level.shape[0], 5);
    plain_release(&level);
    is_valid(&box, "film");
}

Test(pyramid, an_image_shrinks_with_its_first_level)
{
    holog_ome_spec spec = { .levels = 3 };
    struct plain p =
        save("a", HOLOG_UINT16, 2, (uint64_t[]){ 40, 40 }, (uint64_t[]){ 8, 8 }, 1, &spec);
    holog_array *a = NULL;
    holog_txn *txn = NULL;

    plain_release(&p);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a/0", &a));
    OK(holog_array_resize(a, (uint64_t[]){ 29, 37 }));
    holog_array_close(a);
    OK(holog_txn_ome_pyramid_update(txn, "a", NULL, NULL, NULL));
    OK(holog_commit(txn, NULL));
    is_pyramid(box.store, "a", HOLOG_OME_MEAN);
    is_valid(&box, "a");
}

/* ---- shards, fill values ------------------------------------------------------------------------------*/

Test(pyramid, levels_are_stored_as_the_first_one_is)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = 50, .chunk = 16, .inner_chunk = 8 },
                                     { .name = "x", .size = 60, .chunk = 32, .inner_chunk = 8 } };
    const int32_t fill = -5;
    const holog_ome_spec spec = { .struct_size = sizeof spec,
                                  .dtype = HOLOG_INT32,
                                  .n_axes = 2,
                                  .axes = axes,
                                  .levels = 3,
                                  .fill = &fill,
                                  .codec = HOLOG_CODEC_ZSTD,
                                  .flags = HOLOG_ARRAY_SHUFFLE | HOLOG_ARRAY_CRC32C };
    int32_t data[50 * 60];

    some_elements(HOLOG_INT32, 3, 50 * 60, data);
    for (int i = 0; i < 50 * 60; i++)
        data[i] = i / 60 < 33 ? fill : data[i];
    OK(holog_ome_image_save(box.store, "a", &spec, data, NULL, 0, NULL));
    is_pyramid(box.store, "a", HOLOG_OME_MEAN);
    is_valid(&box, "a");
    for (unsigned k = 0; k < 3; k++) {
        holog_array_info info = { .struct_size = sizeof info };
        holog_array *a = NULL;
        char path[20];
        char *chunk;
        (void)snprintf(path, sizeof path, "a/%u", k);
        OK(holog_array_open(box.store, path, &a));
        OK(holog_array_get_info(a, &info));
        cr_assert_eq(info.chunk[1], 32);
        cr_assert_eq(info.inner_chunk[1], 8);
        cr_assert_eq(memcmp(holog_array_fill(a), &fill, sizeof fill), 0);
        holog_array_close(a);
        (void)snprintf(path, sizeof path, "a/%u/c/0/0", k);
        chunk = document_of(box.store, 0, path);
        cr_assert_eq(chunk == NULL, k < 2, "%s: what is all fill value is not stored", path);
        free(chunk);
    }
}

/* ---- what others made ----------------------------------------------------------------------------------*/

static void set(holog_txn *txn, const char *key, const char *json)
{
    OK(holog_txn_zarr_set(txn, "/", key, json, strlen(json)));
}

#define GROUP(axes, datasets)                                                           \
    "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"theirs\":1,\"ome\":{" \
    "\"version\":\"0.5\",\"multiscales\":[{\"axes\":[" axes "],\"datasets\":[" datasets "]}]}}}"
#define YX "{\"name\":\"y\",\"type\":\"space\"},{\"name\":\"x\",\"type\":\"space\"}"
#define DATASET(path, scale)                                                                     \
    "{\"path\":\"" path "\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":" scale \
    "}]}"
#define ARRAY(shape, type)                                                                              \
    "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":" shape ",\"data_type\":\"" type "\","        \
    "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[4,4]}},"                  \
    "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":0,\"codecs\":[{\"name\":\"bytes\"}]," \
    "\"dimension_names\":[\"y\",\"x\"]}"

Test(pyramid, levels_that_others_made_are_made_again)
{
    holog_txn *txn = NULL;
    uint8_t data[90];
    struct plain level = { .rank = 0 };

    some_elements(HOLOG_UINT8, 9, 90, data);
    OK(holog_begin(box.store, &txn));
    set(txn, "a/zarr.json",
        GROUP(YX, DATASET("s/full", "[1, 2.5]") "," DATASET("s/less", "[3, 5]")));
    set(txn, "a/s/full/zarr.json", ARRAY("[10,9]", "uint8"));
    set(txn, "a/s/less/zarr.json", ARRAY("[3,4]", "uint8")); /* 10 / 3 rounded down, as some do */
    OK(holog_commit(txn, NULL));
    OK(holog_array_update(box.store, "a/s/full", NULL, data, NULL, NULL));
    OK(holog_ome_pyramid_update(box.store, "a", NULL, NULL, NULL, NULL));
    read_all(box.store, "a/s/less", &level);
    cr_assert_eq(level.shape[0], 4);
    cr_assert_eq(level.shape[1], 5);
    cr_assert_eq(level.data[4], data[8] / 3.0 + data[17] / 3.0 + data[26] / 3.0 + 0.5 >= 256
                                    ? 255
                                    : (uint8_t)((data[8] + data[17] + data[26]) / 3.0 + 0.5));
    plain_release(&level);
    is_valid(&box, "a");
}

Test(pyramid, levels_that_cannot_be_computed_are_refused_and_nothing_changes)
{
    holog_txn *txn = NULL;
    char *before;
    char *after;

    OK(holog_begin(box.store, &txn));
    set(txn, "half/zarr.json", GROUP(YX, DATASET("0", "[1,1]") "," DATASET("1", "[1.5,1.5]")));
    set(txn, "type/zarr.json", GROUP(YX, DATASET("0", "[1,1]") "," DATASET("1", "[2,2]")));
    set(txn, "gone/zarr.json", GROUP(YX, DATASET("0", "[1,1]") "," DATASET("2", "[2,2]")));
    set(txn, "many/zarr.json", GROUP(YX, DATASET("0", "[1,1]") "," DATASET("1", "[1e300,1]")));
    set(txn, "half/0/zarr.json", ARRAY("[4,4]", "uint8"));
    set(txn, "half/1/zarr.json", ARRAY("[2,2]", "uint8"));
    set(txn, "type/0/zarr.json", ARRAY("[4,4]", "uint8"));
    set(txn, "type/1/zarr.json", ARRAY("[2,2]", "int8"));
    set(txn, "gone/0/zarr.json", ARRAY("[4,4]", "uint8"));
    set(txn, "many/0/zarr.json", ARRAY("[4,4]", "uint8"));
    set(txn, "many/1/zarr.json", ARRAY("[2,2]", "uint8"));
    OK(holog_commit(txn, NULL));
    before = store_text(box.store);
    FAILS(HOLOG_E_NOTSUP, holog_ome_pyramid_update(box.store, "half", NULL, NULL, NULL, NULL),
          "1.5");
    FAILS(HOLOG_E_NOTSUP, holog_ome_pyramid_update(box.store, "type", NULL, NULL, NULL, NULL),
          "type");
    FAILS(HOLOG_E_NOENT, holog_ome_pyramid_update(box.store, "gone", NULL, NULL, NULL, NULL),
          "gone/2");
    FAILS(HOLOG_E_NOTSUP, holog_ome_pyramid_update(box.store, "many", NULL, NULL, NULL, NULL),
          "1e+300");
    FAILS(HOLOG_E_TYPE, holog_ome_pyramid_update(box.store, "/", NULL, NULL, NULL, NULL),
          "no image");
    after = store_text(box.store);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
}

Test(pyramid, other_levels_take_the_place_of_those_that_were_there)
{
    holog_ome_spec spec = { .levels = 2 };
    holog_ome_label_spec label = { .struct_size = sizeof label, .dtype = HOLOG_UINT8 };
    struct plain p =
        save("a", HOLOG_UINT8, 2, (uint64_t[]){ 33, 20 }, (uint64_t[]){ 4, 4 }, 2, &spec);
    uint8_t labels[33 * 20];
    holog_txn *txn = NULL;

    some_elements(HOLOG_UINT8, 4, sizeof labels, labels);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_label_create(txn, "a", "cells", &label, 0));
    OK(holog_commit(txn, NULL));
    OK(holog_array_update(box.store, "a/labels/cells/0", NULL, labels, NULL, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_pyramid_make(txn, "a", 5, HOLOG_OME_MODE, 0, NULL, NULL));
    OK(holog_commit(txn, NULL));
    has_level(box.store, "a", 0, &p);
    is_pyramid(box.store, "a", HOLOG_OME_MODE);
    is_pyramid(box.store, "a/labels/cells", HOLOG_OME_NEAREST);
    cr_assert_eq(type_of(box.store, "a/labels/cells/4"), HOLOG_ARRAY, "labels have as many");
    is_valid(&box, "a");
    OK(holog_begin(box.store, &txn));
    FAILS(HOLOG_E_INVAL, holog_txn_ome_pyramid_make(txn, "a", 9, 0, 0, NULL, NULL), "after 7");
    OK(holog_txn_ome_pyramid_make(txn, "a", 1, 0, 0, NULL, NULL));
    OK(holog_commit(txn, NULL));
    cr_assert_eq(type_of(box.store, "a/1"), HOLOG_MISSING);
    is_valid(&box, "a");
    plain_release(&p);
}

/* ---- commits that meet ---------------------------------------------------------------------------------*/

static void *write_on(void *ctx)
{
    uint8_t *row = ctx;

    for (unsigned i = 0; i < 60; i++) {
        const holog_slice region[2] = { { i % 64, 1, 1 }, { 0, 64, 1 } };
        memset(row, (int)i, 64);
        OK(holog_array_update(box.store, "a/0", region, row, NULL, NULL));
    }
    return NULL;
}

Test(pyramid, an_update_beside_writers_is_of_one_state)
{
    holog_ome_spec spec = { .levels = 4 };
    struct plain p =
        save("a", HOLOG_UINT8, 2, (uint64_t[]){ 64, 64 }, (uint64_t[]){ 16, 16 }, 2, &spec);
    uint8_t row[64];
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, write_on, row), 0);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t number = 0;
        uint64_t before = holog_last_number(box.store);
        OK(holog_ome_pyramid_update(box.store, "a", NULL, NULL, NULL, &number));
        cr_assert_geq(number, before);
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    OK(holog_ome_pyramid_update(box.store, "a", NULL, NULL, NULL, NULL));
    is_pyramid(box.store, "a", HOLOG_OME_MEAN);
    is_valid(&box, "a");
    plain_release(&p);
}

Test(pyramid, an_element_that_changes_beside_it_is_a_conflict)
{
    holog_ome_spec spec = { .levels = 2 };
    struct plain p =
        save("a", HOLOG_UINT8, 2, (uint64_t[]){ 16, 16 }, (uint64_t[]){ 4, 4 }, 2, &spec);
    const holog_slice one[2] = { { 15, 1, 1 }, { 15, 1, 1 } };
    const holog_slice corner[2] = { { 0, 4, 1 }, { 0, 4, 1 } };
    holog_txn *txn = NULL;

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_pyramid_update(txn, "a", NULL, NULL, NULL));
    OK(holog_array_update(box.store, "a/0", one, "x", NULL, NULL));
    FAILS(HOLOG_E_CONFLICT, holog_commit(txn, NULL), "a/0");
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_pyramid_update(txn, "a", corner, NULL, NULL));
    OK(holog_array_update(box.store, "a/0", one, "y", NULL, NULL));
    OK(holog_commit(txn, NULL)); /* it did not look there */
    plain_release(&p);
}

/* ---- size ----------------------------------------------------------------------------------------------*/

struct told {
    uint64_t done, total;
    unsigned calls, stop_at;
};

static int tell(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    struct told *t = ctx;

    cr_assert_str_eq(unit, "bytes");
    cr_assert(done >= t->done && done <= total, "%llu of %llu", (unsigned long long)done,
              (unsigned long long)total);
    t->done = done;
    t->total = total;
    return ++t->calls == t->stop_at;
}

Test(pyramid, progress_is_told_and_can_end_it)
{
    holog_ome_spec spec = { .levels = 3 };
    struct plain p = save("a", HOLOG_UINT8, 2, (uint64_t[]){ 300, 300 }, NULL, 2, &spec);
    struct told told = { .stop_at = 0 };
    struct told stops = { .stop_at = 2 };

    OK(holog_ome_pyramid_update(box.store, "a", NULL, tell, &told, NULL));
    cr_assert_eq(told.done, 300 * 300 + 150 * 150);
    cr_assert_eq(told.total, told.done);
    FAILS(HOLOG_E_CANCELED, holog_ome_pyramid_update(box.store, "a", NULL, tell, &stops, NULL),
          "stopped");
    plain_release(&p);
}

/* 512 MiB of pixels through a budget of 48 MiB. */
Test(pyramid, an_image_larger_than_the_budget_has_its_levels)
{
    const holog_ome_axis axes[3] = { { .name = "z", .size = 64, .scale = 1 },
                                     { .name = "y", .size = 2048, .scale = 1 },
                                     { .name = "x", .size = 2048, .scale = 1, .chunk = 256 } };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .n_axes = 3, .axes = axes, .levels = 3
    };
    uint16_t *plane = malloc(2048 * 2048 * sizeof *plane);
    uint64_t planes = test_level() == 0 ? 4 : 64;
    struct rusage before;
    struct rusage after;
    holog_txn *txn = NULL;
    struct plain level = { .rank = 0 };

    cr_assert_eq(holog_close(box.store), HOLOG_OK);
    box.opts.budget_bytes = 48 << 20;
    box_open(&box);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_image_create(txn, "a", &spec, 0));
    OK(holog_commit(txn, NULL));
    for (uint64_t z = 0; z < planes; z++) {
        const holog_slice region[3] = { { z, 1, 1 }, { 0, 2048, 1 }, { 0, 2048, 1 } };
        for (size_t i = 0; i < 2048 * 2048; i++)
            plane[i] = (uint16_t)(z * 16 + (i & 7));
        OK(holog_array_update(box.store, "a/0", region, plane, NULL, NULL));
    }
    free(plane);
    cr_assert_eq(getrusage(RUSAGE_SELF, &before), 0);
    OK(holog_ome_pyramid_update(box.store, "a", NULL, NULL, NULL, NULL));
    cr_assert_eq(getrusage(RUSAGE_SELF, &after), 0);
    if (getenv("HOLOG_SANITIZER") == NULL)
        cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 160 * 1024, "it takes %ld KiB",
                     after.ru_maxrss - before.ru_maxrss);
    read_all(box.store, "a/2", &level);
    for (uint64_t z = 0; z < planes / 4;
         z++) { /* of 64 z + 8, 10, 40 and 42, which were made of halves */
        uint16_t is;
        memcpy(&is, level.data + z * 512 * 512 * sizeof is, sizeof is);
        cr_assert_eq(is, z * 64 + 25, "plane %llu: %u", (unsigned long long)z, is);
    }
    plain_release(&level);
}
