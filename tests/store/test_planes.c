/*
 * Planes: many images of one shape as one array, found by their names. After each test the store is closed,
 * verified, opened again, and must show the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holog/array.h"
#include "storekit.h"

#define N 6
#define Y 300
#define X 400

static struct box box;
static uint16_t pixels[N][Y * X];
static const char *const names[N] = {
    "z0.tif", "z1.tif", "z2.tif", "z3.tif", "z4.tif", "\xc3\xa4"
};
static const void *planes[N];
static const uint64_t shape[2] = { Y, X };

static void setup(void)
{
    for (size_t p = 0; p < N; p++) {
        planes[p] = pixels[p];
        for (size_t i = 0; i < (size_t)Y * X; i++)
            pixels[p][i] = (uint16_t)(p * 7919 + i * 31 + 1);
    }
    box_begin(&box);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
}

TestSuite(planes, .init = setup, .fini = teardown, .timeout = 60);

static holog_array_spec spec_of_plane(void)
{
    return (holog_array_spec){
        .struct_size = sizeof(holog_array_spec), .dtype = HOLOG_UINT16, .rank = 2, .shape = shape
    };
}

static int save_planes(const holog_array_spec *spec, unsigned flags)
{
    return holog_planes_save(box.store, "well", names, planes, N, spec, flags, NULL);
}

static holog_array *opened(void)
{
    holog_array *a = NULL;

    OK(holog_array_open(box.store, "well", &a));
    return a;
}

Test(planes, each_is_found_by_its_name_in_one_array)
{
    holog_array_spec spec = spec_of_plane();
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a;
    static uint16_t read[Y * X];

    OK(save_planes(&spec, 0));
    for (int round = 0; round < 2; round++) {
        a = opened();
        OK(holog_array_get_info(a, &info));
        cr_assert_eq(info.rank, 3);
        cr_assert_eq(info.shape[0], N);
        cr_assert_eq(info.shape[2], X);
        cr_assert_eq(info.chunk[0], 1);
        cr_assert_eq(info.chunk[1], Y);
        for (size_t p = 0; p < N; p++) {
            uint64_t index = 77;
            const char *name = NULL;
            OK(holog_planes_find(a, names[p], &index));
            cr_assert_eq(index, p);
            OK(holog_planes_name(a, p, &name));
            cr_assert_str_eq(name, names[p]);
            OK(holog_planes_read(a, names[p], read, NULL));
            cr_assert_eq(memcmp(read, pixels[p], sizeof read), 0);
        }
        holog_array_close(a);
        box_reopen(&box);
    }
}

Test(planes, one_reads_without_the_others)
{
    holog_array_spec spec = spec_of_plane();
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };
    static uint16_t read[Y * X];
    holog_array *a;

    OK(save_planes(&spec, 0));
    box_reopen(&box);
    a = opened();
    OK(holog_stats_get(box.store, &before));
    OK(holog_planes_read(a, "z3.tif", read, NULL));
    OK(holog_stats_get(box.store, &after));
    cr_assert_eq(memcmp(read, pixels[3], sizeof read), 0);
    cr_assert_lt(after.bytes_read - before.bytes_read, sizeof read * 3 / 2);
    holog_array_close(a);
}

Test(planes, strides_are_of_the_axes_of_a_plane)
{
    holog_array_spec spec = spec_of_plane();
    static uint16_t turned[X][Y];
    const int64_t strides[2] = { 2, 2 * Y };
    holog_array *a;

    OK(save_planes(&spec, 0));
    a = opened();
    OK(holog_planes_read(a, "z2.tif", turned, strides));
    for (size_t y = 0; y < Y; y++)
        for (size_t x = 0; x < X; x++)
            cr_assert_eq(turned[x][y], pixels[2][y * X + x]);
    holog_array_close(a);
}

Test(planes, codec_chunks_and_attributes_are_as_given)
{
    static const uint64_t chunk[2] = { 100, 200 };
    static const char *const axes[3] = { "z", "y", "x" };
    holog_array_spec spec = spec_of_plane();
    holog_array_info info = { .struct_size = sizeof info };
    static uint16_t read[Y * X];
    holog_array *a;

    spec.chunk = chunk;
    spec.codec = HOLOG_CODEC_ZSTD;
    spec.dimension_names = axes;
    spec.attributes = "{\"lens\": 20, \"holog\": {\"kept\": true}}";
    OK(save_planes(&spec, 0));
    a = opened();
    OK(holog_array_get_info(a, &info));
    cr_assert_eq(info.chunk[0], 1);
    cr_assert_eq(info.chunk[1], 100);
    cr_assert_eq(info.chunk[2], 200);
    cr_assert_eq(info.plain, 0);
    cr_assert_str_eq(holog_array_dimension_name(a, 0), "z");
    cr_assert_not_null(strstr(holog_array_attributes(a), "\"lens\":20"));
    cr_assert_not_null(strstr(holog_array_attributes(a), "\"kept\":true"));
    OK(holog_planes_read(a, names[5], read, NULL));
    cr_assert_eq(memcmp(read, pixels[5], sizeof read), 0);
    holog_array_close(a);
}

Test(planes, names_and_specs_that_make_no_sense_save_nothing)
{
    holog_array_spec spec = spec_of_plane();
    holog_array_spec bad = spec;
    const char *twice[2] = { "same", "same" };
    const char *empty[2] = { "a", "" };
    const char *missing[2] = { "a", NULL };
    const char *binary[2] = { "a", "\xff" };
    const void *hole[2] = { pixels[0], NULL };

    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", twice, planes, 2, &spec, 0, NULL),
          "same");
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", empty, planes, 2, &spec, 0, NULL), "1");
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", missing, planes, 2, &spec, 0, NULL),
          "1");
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", binary, planes, 2, &spec, 0, NULL), "1");
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", names, hole, 2, &spec, 0, NULL), "1");
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", names, planes, 0, &spec, 0, NULL), NULL);
    bad.inner_chunk = shape;
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", names, planes, 2, &bad, 0, NULL),
          "inner");
    bad = spec;
    bad.attributes = "[1]";
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", names, planes, 2, &bad, 0, NULL),
          "object");
    bad.attributes = "{\"n\": 123456789012345678901234567890}";
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", names, planes, 2, &bad, 0, NULL), "64");
    FAILS(HOLOG_E_INVAL, holog_planes_save(box.store, "w", names, planes, 2, NULL, 0, NULL),
          "NULL");
    cr_assert_eq(type_of(box.store, "w"), HOLOG_MISSING);
}

Test(planes, an_array_without_names_for_all_of_them_says_so)
{
    const uint64_t more[3] = { N + 1, Y, X };
    holog_array_spec spec = spec_of_plane();
    holog_txn *txn = NULL;
    holog_array *a = NULL;
    uint64_t index = 0;
    const char *name;

    OK(save_planes(&spec, 0));
    a = opened();
    FAILS(HOLOG_E_NOENT, holog_planes_find(a, "z9.tif", &index), "z9.tif");
    FAILS(HOLOG_E_RANGE, holog_planes_name(a, N, &name), NULL);
    FAILS(HOLOG_E_INVAL, holog_planes_find(a, NULL, &index), "NULL");
    holog_array_close(a);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "well", &a));
    OK(holog_array_resize(a, more));
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    a = opened();
    FAILS(HOLOG_E_TYPE, holog_planes_find(a, "z0.tif", &index), "well");
    holog_array_close(a);
}

Test(planes, what_exists_gives_way_only_when_asked_for)
{
    holog_array_spec spec = spec_of_plane();
    holog_txn *txn = NULL;

    OK(save_planes(&spec, 0));
    FAILS(HOLOG_E_EXIST, save_planes(&spec, 0), "well");
    OK(save_planes(&spec, HOLOG_REPLACE));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_save(txn, "beside", "x", 1, 0));
    FAILS(HOLOG_E_EXIST, holog_txn_planes_save(txn, "well", names, planes, N, &spec, 0), "well");
    OK(holog_commit(txn, NULL));
    has_text(box.store, "beside", "x");
}
