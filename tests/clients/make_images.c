/*
 * make_images.c: OME images and a plate for other programs to read, and what they must find in them.
 *
 *   make-images STORE DIR
 *
 * DIR/images.json tells of each image: its path, its kind ("image", "label"), type, method, and the file in DIR that has
 * the elements of its level 0 in C order; and of each plate. Other levels follow from level 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/ome.h>

#include "making.h"

#define ELEMENTS_MAX 200000u

static holog_store *store;
static holog_txn *txn;

/* Integers of all bits, labels of few values; floats without NaNs, which Python would have to be told of. */
static void some_elements(uint32_t dtype, int is_label, size_t n, void *out)
{
    size_t size = holog_dtype_size(dtype);
    uint8_t *p = out;

    for (size_t i = 0; i < n; i++, p += size) {
        uint64_t bits = random_bits();
        double d = (double)(bits >> 20) / 1e6;
        float f = (float)d;
        if (is_label)
            bits %= 5;
        memcpy(p,
               dtype == HOLOG_FLOAT32   ? (const void *)&f
               : dtype == HOLOG_FLOAT64 ? (const void *)&d
                                        : (const void *)&bits,
               size);
    }
}

static void say(const char *path, const char *kind, uint32_t dtype, const char *method,
                int is_sharded)
{
    (void)fprintf(list,
                  "%s\n{\"path\": \"%s\", \"kind\": \"%s\", \"dtype\": \"%s\", \"method\": \"%s\", "
                  "\"sharded\": %s, \"file\": \"%u.bin\"}",
                  made > 0 ? "," : "", path, kind, dtype != 0 ? holog_dtype_name(dtype) : "",
                  method, is_sharded ? "true" : "false", made);
    made++;
}

/* Level 0 of the image, and the others. */
static void write_levels(const char *image, uint32_t dtype, int is_label)
{
    static uint8_t data[ELEMENTS_MAX * 8];
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *array = NULL;
    char name[4096 + 3];

    (void)snprintf(name, sizeof name, "%s/0", image);
    OK(holog_txn_array(txn, name, &array));
    OK(holog_array_get_info(array, &info));
    if (info.size_bytes > sizeof data)
        abort();
    some_elements(dtype, is_label, info.size_bytes / info.item_size, data);
    OK(holog_array_write(array, NULL, data, NULL));
    holog_array_close(array);
    OK(holog_txn_ome_pyramid_update(txn, image, NULL, NULL, NULL));
    write_bytes(data, info.size_bytes);
}

static void image(const char *path, holog_ome_spec spec, const char *method)
{
    spec.struct_size = sizeof spec;
    OK(holog_txn_ome_image_create(txn, path, &spec, HOLOG_PARENTS));
    write_levels(path, spec.dtype, 0);
    say(path, "image", spec.dtype, method, spec.axes[0].inner_chunk > 0);
}

static void images(void)
{
    const holog_ome_axis yx[] = { { .name = "y", .size = 53, .chunk = 16 },
                                  { .name = "x", .size = 38, .chunk = 16 } };
    const holog_ome_axis sharded[] = { { .name = "y", .size = 53, .chunk = 32, .inner_chunk = 8 },
                                       { .name = "x", .size = 38, .chunk = 32, .inner_chunk = 8 } };
    const holog_ome_axis own[] = {
        { .name = "lifetime", .type = "photons", .size = 3, .unit = "nanosecond", .scale = 0.5 },
        { .name = "rho", .type = "space", .size = 19, .chunk = 8, .scale = 2, .translation = -5 },
        { .name = "phi", .type = "space", .size = 30, .chunk = 8 }
    };
    const holog_ome_axis all[] = {
        { .name = "t", .size = 2, .scale = 30, .unit = "second" },
        { .name = "c", .size = 3 },
        { .name = "z", .size = 7, .scale = 1, .unit = "micrometer" },
        { .name = "y", .size = 25, .scale = 0.325, .unit = "micrometer", .chunk = 16 },
        { .name = "x", .size = 31, .scale = 0.325, .unit = "micrometer", .chunk = 16 }
    };
    const holog_ome_channel channels[] = {
        { .label = "DAPI", .color = 0x0000ff, .end = 1500 },
        { .label = "GFP \xc2\xb5", .color = 0x00ff00 },
        { .color = 0xff0000, .is_hidden = 1, .min = -1, .max = 1 }
    };

    image("images/uint8", (holog_ome_spec){ .dtype = HOLOG_UINT8, .n_axes = 2, .axes = yx },
          "mean");
    image("images/int16",
          (holog_ome_spec){
              .dtype = HOLOG_INT16, .n_axes = 2, .axes = yx, .codec = HOLOG_CODEC_ZSTD },
          "mean");
    image("images/uint64", (holog_ome_spec){ .dtype = HOLOG_UINT64, .n_axes = 2, .axes = yx },
          "mean");
    image("images/float32", (holog_ome_spec){ .dtype = HOLOG_FLOAT32, .n_axes = 2, .axes = yx },
          "mean");
    image("images/nearest",
          (holog_ome_spec){
              .dtype = HOLOG_UINT16, .n_axes = 2, .axes = yx, .method = HOLOG_OME_NEAREST },
          "nearest");
    image("images/sharded",
          (holog_ome_spec){
              .dtype = HOLOG_INT32, .n_axes = 2, .axes = sharded, .codec = HOLOG_CODEC_ZSTD },
          "mean");
    image("images/own", (holog_ome_spec){ .dtype = HOLOG_FLOAT64, .n_axes = 3, .axes = own },
          "mean");
    image("images/all",
          (holog_ome_spec){ .dtype = HOLOG_UINT16,
                            .n_axes = 5,
                            .axes = all,
                            .levels = 4,
                            .name = "five axes",
                            .n_channels = 3,
                            .channels = channels },
          "mean");
}

static void label(const char *of, const char *name, holog_ome_label_spec spec, const char *method)
{
    char path[4096];

    spec.struct_size = sizeof spec;
    OK(holog_txn_ome_label_create(txn, of, name, &spec, 0));
    (void)snprintf(path, sizeof path, "%s/labels/%s", of, name);
    write_levels(path, spec.dtype, 1);
    say(path, "label", spec.dtype, method, 0);
}

static void labels(void)
{
    const holog_ome_color colors[] = { { 0, { 0, 0, 0, 0 } }, { 1, { 255, 200, 0, 128 } } };

    label("images/all", "cells",
          (holog_ome_label_spec){ .dtype = HOLOG_UINT32, .colors = colors, .n_colors = 2 },
          "nearest");
    label("images/all", "nuclei",
          (holog_ome_label_spec){ .dtype = HOLOG_INT16, .method = HOLOG_OME_MODE }, "mode");
    say("images/all/labels", "labels", 0, "", 0);
}

static void field(const char *row, const char *column, int64_t acquisition)
{
    const holog_ome_axis axes[] = { { .name = "c", .size = 1 },
                                    { .name = "y", .size = 24, .chunk = 8 },
                                    { .name = "x", .size = 20, .chunk = 8 } };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .n_axes = 3, .axes = axes
    };
    char path[HOLOG_PATH_MAX + 1];

    OK(holog_txn_ome_field_create(txn, "plate", row, column, acquisition, &spec, path));
    write_levels(path, spec.dtype, 0);
    say(path, "image", spec.dtype, "mean", 0);
}

static void plate(void)
{
    const holog_ome_acquisition acquisitions[] = { { .id = 1, .name = "first" }, { .id = 4 } };
    const holog_ome_plate_spec spec = { .struct_size = sizeof spec,
                                        .n_rows = 32,
                                        .n_columns = 48,
                                        .n_acquisitions = 2,
                                        .acquisitions = acquisitions };

    OK(holog_txn_ome_plate_create(txn, "plate", &spec, 0));
    field("A", "1", 1);
    field("A", "1", 4);
    field("AF", "48", 1);
    field("AA", "12", 4);
    label("plate/AA/12/0", "cells", (holog_ome_label_spec){ .dtype = HOLOG_UINT8 }, "nearest");
    say("plate/AF/48", "well", 0, "", 0);
    say("plate", "plate", 0, "", 0);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fputs("usage: make-images STORE DIR\n", stderr);
        return 2;
    }
    list_begin(argv[2], "images.json");
    OK(holog_open(argv[1], NULL, &store));
    OK(holog_begin(store, &txn));
    images();
    labels();
    plate();
    OK(holog_commit(txn, NULL));
    OK(holog_close(store));
    list_end();
    return 0;
}
