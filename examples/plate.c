/*
 * A plate with two wells, of which one lies in row AA: images with all their levels, and labels, in one commit; then a
 * part of an image changes, with what depends on it in the other levels.
 */
#include <stdint.h>
#include <stdio.h>

#include <holog/ome.h>

enum {
    SIDE = 64
};

static int fail(int rc)
{
    struct holog_error_detail detail;

    holog_last_error(&detail);
    (void)fprintf(stderr, "plate: %s: %s\n", holog_error_name(rc), detail.message);
    return rc;
}

/* Level 0 of an image, or of labels, and from it the others. */
static int write_pixels(holog_txn *txn, const char *image, const holog_slice *region,
                        const void *pixels)
{
    char path[HOLOG_PATH_MAX + 3];
    holog_array *array = NULL;
    int rc;

    (void)snprintf(path, sizeof path, "%s/0", image);
    rc = holog_txn_array(txn, path, &array);
    if (rc == HOLOG_OK)
        rc = holog_array_write(array, region, pixels, NULL);
    holog_array_close(array);
    return rc < 0 ? rc : holog_txn_ome_pyramid_update(txn, image, region, NULL, NULL);
}

static int add_field(holog_txn *txn, const char *row, const char *column, uint16_t brightness)
{
    static uint16_t pixels[2 * SIDE * SIDE];
    static uint8_t cells[SIDE * SIDE];
    const holog_ome_axis axes[3] = {
        { .name = "c", .size = 2 },
        { .name = "y", .size = SIDE, .chunk = 32, .scale = 0.325, .unit = "micrometer" },
        { .name = "x", .size = SIDE, .chunk = 32, .scale = 0.325, .unit = "micrometer" }
    };
    const holog_ome_channel channels[2] = { { .label = "DAPI", .color = 0x0000ff, .end = 1000 },
                                            { .label = "GFP", .color = 0x00ff00, .end = 1000 } };
    const holog_ome_spec image = { .struct_size = sizeof image,
                                   .dtype = HOLOG_UINT16,
                                   .n_axes = 3,
                                   .axes = axes,
                                   .levels = 3,
                                   .n_channels = 2,
                                   .channels = channels };
    const holog_ome_color color = { .value = 1, .rgba = { 255, 200, 0, 128 } };
    const holog_ome_label_spec label = {
        .struct_size = sizeof label, .dtype = HOLOG_UINT8, .colors = &color, .n_colors = 1
    };
    char field[HOLOG_PATH_MAX + 1];
    char labels[HOLOG_PATH_MAX + 20];
    int rc = holog_txn_ome_field_create(txn, "plate", row, column, -1, &image, field);

    for (int i = 0; i < 2 * SIDE * SIDE; i++)
        pixels[i] = (uint16_t)(brightness + i % 4);
    for (int i = 0; i < SIDE * SIDE; i++)
        cells[i] = (uint8_t)(i / SIDE / 16 % 2);
    if (rc == HOLOG_OK)
        rc = write_pixels(txn, field, NULL, pixels);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_label_create(txn, field, "cells", &label, 0);
    (void)snprintf(labels, sizeof labels, "%s/labels/cells", field);
    return rc < 0 ? rc : write_pixels(txn, labels, NULL, cells);
}

static int make_plate(holog_store *store)
{
    static const char *const wells[] = { "A/1", "AA/12" };
    const holog_ome_plate_spec plate = { .struct_size = sizeof plate,
                                         .n_rows = 32, /* A to Z, AA to AF */
                                         .n_columns = 48,
                                         .wells = wells,
                                         .n_wells = 2 };
    holog_txn *txn = NULL;
    int rc = holog_begin(store, &txn);

    if (rc < 0)
        return rc;
    rc = holog_txn_ome_plate_create(txn, "plate", &plate, HOLOG_REPLACE);
    if (rc == HOLOG_OK)
        rc = add_field(txn, "A", "1", 100);
    if (rc == HOLOG_OK)
        rc = add_field(txn, "AA", "12", 200);
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL); /* all of it, or nothing */
    holog_abort(txn);
    return rc;
}

/* 8 x 8 pixels of one channel become black, in all levels. */
static int mask(holog_store *store)
{
    static const uint16_t black[8 * 8];
    const holog_slice spot[3] = { { 0, 1, 1 }, { 0, 8, 1 }, { 0, 8, 1 } };
    holog_txn *txn = NULL;
    int rc = holog_begin(store, &txn);

    if (rc < 0)
        return rc;
    rc = write_pixels(txn, "plate/AA/12/0", spot, black);
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

static int print_levels(holog_store *store)
{
    uint16_t corner[2] = { 0 };
    holog_ome_info info = { .struct_size = sizeof info };
    holog_ome_level level;
    holog_view *view = NULL;
    holog_array *array = NULL;
    holog_ome *ome = NULL;
    int rc = holog_view_open(store, &view);

    if (rc == HOLOG_OK)
        rc = holog_ome_validate(view, "plate", NULL, NULL);
    if (rc == HOLOG_OK)
        rc = holog_ome_open(view, "plate/AA/12/0", &ome);
    if (rc == HOLOG_OK)
        rc = holog_ome_get_info(ome, &info);
    for (uint32_t k = 0; rc == HOLOG_OK && k < info.n_levels; k++) {
        const holog_slice two[3] = { { 0, 2, 1 }, { 0, 1, 1 }, { 0, 1, 1 } };
        char path[60];
        rc = holog_ome_get_level(ome, k, &level);
        if (rc == HOLOG_OK) {
            (void)snprintf(path, sizeof path, "plate/AA/12/0/%s", level.path);
            rc = holog_view_array(view, path, &array);
        }
        if (rc == HOLOG_OK)
            rc = holog_array_read(array, two, corner, NULL);
        if (rc == HOLOG_OK)
            printf("level %s: %d x %d at %.3f um, the corner %d and %d\n", level.path,
                   (int)level.shape[1], (int)level.shape[2], level.translation[2], corner[0],
                   corner[1]);
        holog_array_close(array);
        array = NULL;
    }
    holog_ome_close(ome);
    holog_view_close(view);
    return rc;
}

int main(void)
{
    holog_store *store = NULL;
    int rc = holog_open("plate.holog", NULL, &store);
    int closed;

    if (rc == HOLOG_OK)
        rc = make_plate(store);
    if (rc == HOLOG_OK)
        rc = mask(store);
    if (rc == HOLOG_OK)
        rc = print_levels(store);
    if (rc < 0)
        (void)fail(rc);
    closed = holog_close(store);
    return rc < 0 || closed < 0;
}
