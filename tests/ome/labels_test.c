/*
 * Labels beside an image.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

TestSuite(labels, .init = begin, .fini = end);

static void make_image(void)
{
    const holog_ome_axis axes[3] = { { .name = "c", .size = 3 },
                                     { .name = "y", .size = 21, .scale = 0.5, .chunk = 8 },
                                     { .name = "x", .size = 30, .scale = 0.5, .chunk = 8 } };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .n_axes = 3, .axes = axes
    };
    uint16_t data[3 * 21 * 30];

    some_elements(HOLOG_UINT16, 1, 3 * 21 * 30, data);
    OK(holog_ome_image_save(box.store, "a", &spec, data, NULL, 0, NULL));
}

static int label(const char *name, const holog_ome_label_spec *spec, unsigned flags)
{
    uint32_t data[21 * 30];
    holog_array *a = NULL;
    holog_txn *txn = NULL;
    char path[100];
    char first[100];
    int rc;

    some_elements(HOLOG_UINT32, 2, 21 * 30, data);
    (void)snprintf(path, sizeof path, "a/labels/%s", name);
    (void)snprintf(first, sizeof first, "a/labels/%s/0", name);
    OK(holog_begin(box.store, &txn));
    rc = holog_txn_ome_label_create(txn, "a", name, spec, flags);
    if (rc < 0) {
        holog_abort(txn);
        return rc;
    }
    OK(holog_txn_array(txn, first, &a));
    OK(holog_array_write(a, NULL, data, NULL));
    holog_array_close(a);
    OK(holog_txn_ome_pyramid_update(txn, path, NULL, NULL, NULL));
    return holog_commit(txn, NULL);
}

Test(labels, have_the_levels_of_their_image_and_one_channel)
{
    const holog_ome_color colors[2] = { { 0, { 0, 0, 0, 0 } }, { -7, { 255, 1, 2, 128 } } };
    holog_ome_label_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT32, .colors = colors, .n_colors = 2
    };
    struct plain image = { .rank = 0 };
    struct plain labels = { .rank = 0 };
    char *text;

    make_image();
    OK(label("cells", &spec, 0));
    spec.method = HOLOG_OME_MODE;
    spec.n_colors = 0;
    OK(label("nuclei", &spec, 0));
    is_valid(&box, "a");
    is_pyramid(box.store, "a/labels/cells", HOLOG_OME_NEAREST);
    is_pyramid(box.store, "a/labels/nuclei", HOLOG_OME_MODE);
    read_all(box.store, "a/2", &image);
    read_all(box.store, "a/labels/cells/2", &labels);
    cr_assert_eq(labels.shape[0], 1);
    cr_assert_eq(memcmp(image.shape + 1, labels.shape + 1, 2 * sizeof image.shape[0]), 0);
    plain_release(&image);
    plain_release(&labels);
    text = document_of(box.store, 0, "a/labels/zarr.json");
    cr_assert_not_null(strstr(text, "\"cells\""));
    cr_assert_not_null(strstr(text, "\"nuclei\""));
    free(text);
    text = document_of(box.store, 0, "a/labels/cells/zarr.json");
    cr_assert_not_null(strstr(text, "\"image\": \"../../\""));
    cr_assert_not_null(strstr(text, "\"label-value\": -7"));
    free(text);
}

Test(labels, are_listed_once_however_often_they_are_replaced)
{
    const holog_ome_label_spec spec = { .struct_size = sizeof spec, .dtype = HOLOG_UINT32 };
    holog_ome_info info = { .struct_size = sizeof info };
    const char *name = NULL;
    holog_view *view = NULL;
    holog_ome *ome = NULL;

    make_image();
    OK(label("cells", &spec, 0));
    FAILS(HOLOG_E_EXIST, label("cells", &spec, 0), "cells");
    OK(label("cells", &spec, HOLOG_REPLACE));
    box_reopen(&box);
    OK(holog_view_open(box.store, &view));
    OK(holog_ome_open(view, "a", &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.n_labels, 1);
    OK(holog_ome_get_name(ome, HOLOG_OME_LIST_LABELS, 0, &name));
    cr_assert_str_eq(name, "cells");
    holog_ome_close(ome);
    OK(holog_ome_open(view, "a/labels/cells", &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.is_label, 1);
    holog_ome_close(ome);
    OK(holog_ome_open(view, "a/labels", &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.kind, HOLOG_OME_LABELS);
    cr_assert_eq(info.n_labels, 1);
    holog_ome_close(ome);
    holog_view_close(view);
}

Test(labels, that_make_no_sense_are_refused)
{
    const holog_ome_color twice[2] = { { 1, { 0, 0, 0, 0 } }, { 1, { 1, 1, 1, 1 } } };
    holog_ome_label_spec spec = { .struct_size = sizeof spec, .dtype = HOLOG_FLOAT32 };

    make_image();
    FAILS(HOLOG_E_INVAL, label("x", &spec, 0), "integers");
    spec.dtype = HOLOG_UINT32;
    spec.method = HOLOG_OME_MEAN;
    FAILS(HOLOG_E_INVAL, label("x", &spec, 0), "mean");
    spec.method = 0;
    FAILS(HOLOG_E_INVAL, label("", &spec, 0), "name");
    FAILS(HOLOG_E_INVAL, label("a/b", &spec, 0), "name");
    FAILS(HOLOG_E_INVAL, label("..", &spec, 0), "..");
    spec.colors = twice;
    spec.n_colors = 2;
    FAILS(HOLOG_E_INVAL, label("x", &spec, 0), "two");
    cr_assert_eq(type_of(box.store, "a/labels"), HOLOG_MISSING);
}
