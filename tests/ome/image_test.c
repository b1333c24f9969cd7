/*
 * New images: what levels there are, what is said of them, what is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
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

TestSuite(image, .init = begin, .fini = end);

static int create(const char *path, const holog_ome_spec *spec, unsigned flags)
{
    holog_txn *txn = NULL;
    int rc;

    OK(holog_begin(box.store, &txn));
    rc = holog_txn_ome_image_create(txn, path, spec, flags);
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

static void has_shapes(const char *path, unsigned n, const uint64_t (*shape)[3])
{
    holog_ome_info info = { .struct_size = sizeof info };
    holog_view *view = NULL;
    holog_ome *ome = NULL;

    OK(holog_view_open(box.store, &view));
    OK(holog_ome_open(view, path, &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.n_levels, n, "%s has %u levels", path, info.n_levels);
    for (unsigned k = 0; k < n; k++) {
        holog_ome_level level;
        OK(holog_ome_get_level(ome, k, &level));
        cr_assert_eq(memcmp(level.shape, shape[k], sizeof shape[k]), 0,
                     "level %u is %llu x %llu x %llu", k, (unsigned long long)level.shape[0],
                     (unsigned long long)level.shape[1], (unsigned long long)level.shape[2]);
    }
    holog_ome_close(ome);
    holog_view_close(view);
}

Test(image, there_are_levels_until_one_fits_a_chunk)
{
    const holog_ome_axis axes[3] = { { .name = "c", .size = 3 },
                                     { .name = "y", .size = 1100 },
                                     { .name = "x", .size = 700 } };
    holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 3, .axes = axes
    };

    OK(create("a", &spec, 0));
    has_shapes("a", 3, (uint64_t[][3]){ { 3, 1100, 700 }, { 3, 550, 350 }, { 3, 275, 175 } });
    spec.levels = 2;
    OK(create("b", &spec, 0));
    has_shapes("b", 2, (uint64_t[][3]){ { 3, 1100, 700 }, { 3, 550, 350 } });
    is_valid(&box, "a");
    is_valid(&box, "b");
}

Test(image, z_is_halved_when_its_elements_are_like_those_of_x)
{
    holog_ome_axis axes[3] = { { .name = "z", .size = 8, .scale = 2, .unit = "micrometer" },
                               { .name = "y", .size = 16, .scale = 0.5, .unit = "micrometer" },
                               { .name = "x", .size = 16, .scale = 0.5, .unit = "micrometer" } };
    holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 3, .axes = axes, .levels = 4
    };

    OK(create("auto", &spec, 0));
    has_shapes("auto", 4, (uint64_t[][3]){ { 8, 16, 16 }, { 8, 8, 8 }, { 8, 4, 4 }, { 4, 2, 2 } });
    spec.halve_z = HOLOG_OME_Z_HALVED;
    OK(create("always", &spec, 0));
    has_shapes("always", 4,
               (uint64_t[][3]){ { 8, 16, 16 }, { 4, 8, 8 }, { 2, 4, 4 }, { 1, 2, 2 } });
    spec.halve_z = HOLOG_OME_Z_KEPT;
    OK(create("never", &spec, 0));
    has_shapes("never", 4, (uint64_t[][3]){ { 8, 16, 16 }, { 8, 8, 8 }, { 8, 4, 4 }, { 8, 2, 2 } });
    spec.halve_z = HOLOG_OME_Z_AUTO;
    axes[0].unit = "nanometer"; /* 2 of another unit say nothing */
    OK(create("units", &spec, 0));
    has_shapes("units", 4, (uint64_t[][3]){ { 8, 16, 16 }, { 8, 8, 8 }, { 8, 4, 4 }, { 8, 2, 2 } });
    is_valid(&box, "auto");
}

Test(image, positions_are_those_of_the_middles_of_blocks)
{
    const holog_ome_axis axes[2] = {
        { .name = "y", .size = 9, .scale = 0.25, .translation = 10, .unit = "micrometer" },
        { .name = "x", .size = 3, .scale = 2, .unit = "micrometer" }
    };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 2, .axes = axes, .levels = 4
    };
    /* x has one element from level 2 on, which is halved no more */
    const double scale[4][2] = { { 0.25, 2 }, { 0.5, 4 }, { 1, 8 }, { 2, 8 } };
    const double translation[4][2] = { { 10, 0 }, { 10.125, 1 }, { 10.375, 3 }, { 10.875, 3 } };
    holog_view *view = NULL;
    holog_ome *ome = NULL;

    OK(create("a", &spec, 0));
    is_valid(&box, "a");
    OK(holog_view_open(box.store, &view));
    OK(holog_ome_open(view, "a", &ome));
    for (unsigned k = 0; k < 4; k++) {
        holog_ome_level level;
        OK(holog_ome_get_level(ome, k, &level));
        cr_assert_eq(memcmp(level.scale, scale[k], sizeof scale[k]), 0, "scale of level %u", k);
        cr_assert_eq(memcmp(level.translation, translation[k], sizeof translation[k]), 0,
                     "translation of level %u", k);
    }
    holog_ome_close(ome);
    holog_view_close(view);
}

Test(image, the_document_says_what_was_asked_for)
{
    const holog_ome_axis axes[3] = { { .name = "c", .size = 2 },
                                     { .name = "y", .size = 4, .scale = 0.1, .unit = "micrometer" },
                                     { .name = "x", .size = 4, .scale = 0.1 } };
    const holog_ome_channel channels[2] = { { .label = "DAPI", .color = 0x0000ff, .end = 1500 },
                                            { .color = 0xff00, .is_hidden = 1 } };
    holog_ome_spec spec = { .struct_size = sizeof spec,
                            .dtype = HOLOG_UINT16,
                            .n_axes = 3,
                            .axes = axes,
                            .levels = 2,
                            .n_channels = 2,
                            .channels = channels };
    static const char *const wanted[] = {
        "\"version\": \"0.5\"",
        "\"name\": \"cells\"",
        "\"name\": \"y\",",
        "\"unit\": \"micrometer\"",
        "\"type\": \"space\"",
        "\"type\": \"mean\"",
        "\"label\": \"DAPI\"",
        "\"color\": \"0000FF\"",
        "\"color\": \"00FF00\"",
        "\"active\": false",
        "\"end\": 1500.0",
        "\"max\": 65535.0",
        "0.1",
        "0.2",
        "0.05",
    };
    char *text;

    OK(create("cells", &spec, 0));
    is_valid(&box, "cells");
    text = document_of(box.store, 0, "cells/zarr.json");
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        cr_assert_not_null(strstr(text, wanted[i]), "%s is not in %s", wanted[i], text);
    free(text);
    text = document_of(box.store, 0, "cells/1/zarr.json");
    cr_assert_not_null(strstr(text, "\"dimension_names\""));
    free(text);
    spec.n_channels = 1;
    FAILS(HOLOG_E_INVAL, create("other", &spec, 0), "n_channels");
}

Test(image, axes_that_make_no_image_are_refused)
{
    const holog_ome_axis x = { .name = "x", .size = 4 };
    const holog_ome_axis y = { .name = "y", .size = 4 };
    const holog_ome_axis t = { .name = "t", .size = 4 };
    const holog_ome_axis c = { .name = "c", .size = 4 };
    const holog_ome_axis q = { .name = "q", .size = 4 };
    const holog_ome_axis q_own = { .name = "q", .type = "phase", .size = 4 };
    const holog_ome_axis below = { .name = "y", .size = 4, .scale = -1 };
    const holog_ome_axis bad[][3] = { { c, t, x }, { y, x, c },     { c, y, x },    { x, y, x },
                                      { q, y, x }, { c, q_own, x }, { c, below, x } };
    static const char *const words[] = { "time", "last",       NULL,     "two",
                                         "type", "one can be", "above 0" };
    holog_ome_spec spec = { .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 3 };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        spec.axes = bad[i];
        if (words[i] == NULL)
            OK(create("good", &spec, 0));
        else
            FAILS(HOLOG_E_INVAL, create("bad", &spec, 0), words[i]);
    }
    spec.axes = &x;
    spec.n_axes = 1;
    FAILS(HOLOG_E_INVAL, create("bad", &spec, 0), "n_axes");
    spec.axes = bad[2];
    spec.n_axes = 3;
    spec.levels = 9;
    FAILS(HOLOG_E_INVAL, create("bad", &spec, 0), "nothing left to halve after 3");
    spec.levels = 0;
    spec.dtype = HOLOG_RAW;
    FAILS(HOLOG_E_INVAL, create("bad", &spec, 0), "dtype");
    spec.dtype = HOLOG_UINT8;
    spec.method = 9;
    FAILS(HOLOG_E_INVAL, create("bad", &spec, 0), "method");
    cr_assert_eq(type_of(box.store, "bad"), HOLOG_MISSING);
}

Test(image, an_image_is_replaced_whole_and_only_when_asked)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = 8 }, { .name = "x", .size = 8 } };
    holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 2, .axes = axes, .levels = 3
    };

    FAILS(HOLOG_E_NOENT, create("d/a", &spec, 0), "d");
    OK(create("d/a", &spec, HOLOG_PARENTS));
    OK(save_text(box.store, "d/a/notes", "of the first", 0));
    FAILS(HOLOG_E_EXIST, create("d/a", &spec, 0), "d/a");
    spec.levels = 1;
    OK(create("d/a", &spec, HOLOG_REPLACE));
    cr_assert_eq(type_of(box.store, "d/a/0"), HOLOG_ARRAY);
    cr_assert_eq(type_of(box.store, "d/a/1"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "d/a/notes"), HOLOG_MISSING);
    is_valid(&box, "d/a");
}

Test(image, a_store_can_be_one_image)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = 8 }, { .name = "x", .size = 8 } };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 2, .axes = axes, .levels = 2
    };

    OK(create("/", &spec, 0));
    is_valid(&box, "/");
    FAILS(HOLOG_E_EXIST, create("/", &spec, 0), "already");
}

Test(image, a_failed_save_leaves_nothing_in_the_transaction)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = 8 }, { .name = "x", .size = 8 } };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 2, .axes = axes
    };
    holog_txn *txn = NULL;

    OK(holog_begin(box.store, &txn));
    FAILS(HOLOG_E_INVAL, holog_txn_ome_image_save(txn, "a", &spec, NULL, NULL, 0), "data");
    OK(holog_txn_save(txn, "b", "x", 1, 0));
    OK(holog_commit(txn, NULL));
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
    cr_assert_eq(type_of(box.store, "b"), HOLOG_BLOB);
}

Test(image, an_array_becomes_an_image_without_its_elements_being_moved)
{
    const uint64_t shape[3] = { 2, 33, 17 };
    const uint64_t chunk[3] = { 1, 16, 16 };
    const char *const names[3] = { "c", "y", "x" };
    holog_array_spec array = { .struct_size = sizeof array,
                               .dtype = HOLOG_INT16,
                               .rank = 3,
                               .shape = shape,
                               .chunk = chunk,
                               .codec = HOLOG_CODEC_ZSTD,
                               .attributes = "{\"of\": \"the array\"}" };
    const holog_ome_axis axes[3] = { { .name = "c" },
                                     { .name = "y", .scale = 0.5 },
                                     { .name = "x", .scale = 0.5 } };
    holog_ome_spec spec = { .struct_size = sizeof spec, .n_axes = 3, .axes = axes };
    int16_t data[2 * 33 * 17];
    struct plain want = { .dtype = HOLOG_INT16, .rank = 3, .shape = { 2, 33, 17 } };
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };
    holog_txn *txn = NULL;

    some_elements(HOLOG_INT16, 5, 2 * 33 * 17, data);
    OK(holog_array_save(box.store, "d/a", &array, data, NULL, HOLOG_PARENTS, NULL));
    OK(holog_symlink(box.store, "d/a", "link", 0, NULL));
    OK(holog_stats_get(box.store, &before));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_image_from_array(txn, "link", &spec, NULL, NULL));
    OK(holog_commit(txn, NULL));
    OK(holog_stats_get(box.store, &after));
    cr_assert_lt(after.bytes_saved - before.bytes_saved, sizeof data, "level 0 stays where it is");
    want.data = (uint8_t *)data;
    has_level(box.store, "d/a", 0, &want);
    is_pyramid(box.store, "d/a", HOLOG_OME_MEAN);
    is_valid(&box, "d/a");
    is_valid(&box, "link");

    array.dimension_names = names; /* and without being told of axes */
    OK(holog_array_save(box.store, "named", &array, data, NULL, 0, NULL));
    spec = (holog_ome_spec){ .struct_size = sizeof spec, .levels = 3 };
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_image_from_array(txn, "named", &spec, NULL, NULL));
    FAILS(HOLOG_E_TYPE, holog_txn_ome_image_from_array(txn, "named", &spec, NULL, NULL),
          "no array");
    OK(holog_commit(txn, NULL));
    is_pyramid(box.store, "named", HOLOG_OME_MEAN);
    is_valid(&box, "named");
}

Test(image, what_is_there_is_told_and_what_is_not_is_refused)
{
    const holog_ome_axis axes[3] = { { .name = "t", .size = 2, .unit = "second", .scale = 30 },
                                     { .name = "y", .size = 8 },
                                     { .name = "x", .size = 8 } };
    const holog_ome_channel channel = { .label = "only" };
    const holog_ome_spec spec = { .struct_size = sizeof spec,
                                  .dtype = HOLOG_FLOAT32,
                                  .n_axes = 3,
                                  .axes = axes,
                                  .name = "film",
                                  .n_channels = 1,
                                  .channels = &channel };
    holog_ome_info info = { .struct_size = sizeof info };
    holog_ome_axis axis;
    holog_ome_level level;
    const char *name = NULL;
    holog_view *view = NULL;
    holog_ome *ome = NULL;

    OK(create("a", &spec, 0));
    OK(save_text(box.store, "blob", "x", 0));
    box_reopen(&box);
    OK(holog_view_open(box.store, &view));
    OK(holog_ome_open(view, "a", &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.kind, HOLOG_OME_IMAGE);
    cr_assert_str_eq(info.name, "film");
    cr_assert_eq(info.dtype, HOLOG_FLOAT32);
    cr_assert_eq(info.method, HOLOG_OME_MEAN);
    cr_assert_eq(info.n_channels, 1);
    OK(holog_ome_get_axis(ome, 0, &axis));
    cr_assert_str_eq(axis.name, "t");
    cr_assert_str_eq(axis.type, "time");
    cr_assert_str_eq(axis.unit, "second");
    cr_assert_eq(axis.size, 2);
    cr_assert_eq(axis.chunk, 1);
    OK(holog_ome_get_name(ome, HOLOG_OME_LIST_CHANNELS, 0, &name));
    cr_assert_str_eq(name, "only");
    FAILS(HOLOG_E_RANGE, holog_ome_get_axis(ome, 3, &axis), "3");
    FAILS(HOLOG_E_RANGE, holog_ome_get_level(ome, 1, &level), "1");
    FAILS(HOLOG_E_RANGE, holog_ome_get_name(ome, HOLOG_OME_LIST_WELLS, 0, &name), "0");
    holog_ome_close(ome);
    FAILS(HOLOG_E_TYPE, holog_ome_open(view, "/", &ome), "OME");
    FAILS(HOLOG_E_TYPE, holog_ome_open(view, "a/0", &ome), "array");
    FAILS(HOLOG_E_TYPE, holog_ome_open(view, "blob", &ome), "blob");
    FAILS(HOLOG_E_NOENT, holog_ome_open(view, "none", &ome), "none");
    holog_view_close(view);
}

/* ---- memory ------------------------------------------------------------------------------------------*/

struct nth {
    long at, seen;
};

static int fail_nth(size_t size, void *ctx)
{
    struct nth *n = ctx;

    (void)size;
    return __atomic_add_fetch(&n->seen, 1, __ATOMIC_RELAXED) ==
           n->at; /* the store's threads, too */
}

/* A plate with a field and its labels. */
static int make_all(holog_txn *txn, const uint16_t *data)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = 20, .chunk = 8 },
                                     { .name = "x", .size = 20, .chunk = 8 } };
    const holog_ome_spec spec = { .struct_size = sizeof spec,
                                  .dtype = HOLOG_UINT16,
                                  .n_axes = 2,
                                  .axes = axes,
                                  .codec = HOLOG_CODEC_ZSTD };
    const holog_ome_label_spec label = { .struct_size = sizeof label, .dtype = HOLOG_UINT8 };
    const holog_ome_plate_spec plate = { .struct_size = sizeof plate, .n_rows = 1, .n_columns = 1 };
    int rc = holog_txn_ome_plate_create(txn, "p", &plate, 0);

    if (rc == HOLOG_OK)
        rc = holog_txn_ome_field_create(txn, "p", "A", "1", -1, &spec, NULL);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_image_save(txn, "p/A/1/0", &spec, data, NULL, HOLOG_REPLACE);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_label_create(txn, "p/A/1/0", "cells", &label, 0);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_pyramid_make(txn, "p/A/1/0", 4, HOLOG_OME_MODE, 0, NULL, NULL);
    return rc < 0 ? rc : holog_txn_ome_validate(txn, "p", NULL, NULL);
}

Test(image, an_allocation_that_fails_is_reported_or_done_without_and_the_transaction_goes_on)
{
    const long step = test_level() == 0 ? 29 : test_level() == 1 ? 3 : 1;
    uint16_t data[20 * 20];
    long failed = 0;

    some_elements(HOLOG_UINT16, 1, 20 * 20, data);
    for (long at = 1;; at += step) {
        struct nth n = { .at = at };
        holog_txn *txn = NULL;
        int rc;
        OK(holog_begin(box.store, &txn));
        hg_alloc_set_fault(fail_nth, &n);
        rc = make_all(txn, data);
        hg_alloc_set_fault(NULL, NULL);
        if (rc == HOLOG_OK && __atomic_load_n(&n.seen, __ATOMIC_RELAXED) < at) {
            OK(holog_commit(txn, NULL));
            break;
        }
        if (rc == HOLOG_OK) { /* what is read ahead needs no memory */
            OK(holog_txn_ome_validate(txn, "p", NULL, NULL));
            holog_abort(txn);
            continue;
        }
        cr_assert_eq(rc, HOLOG_E_NOMEM, "fault at allocation %ld gave %s", at,
                     holog_error_name(rc));
        OK(holog_txn_save(txn, "beside", data, 10, HOLOG_REPLACE));
        OK(holog_commit(txn, NULL));
        OK(holog_delete_all(box.store, "/", NULL));
        failed++;
    }
    cr_assert_gt(failed, 5);
    is_valid(&box, "p");
}
