/*
 * Commits that add a field to a plate, with all its levels and labels, and change a part of the field before, on the
 * simulated disk: cut at each step of the run in each way. Levels are never apart, and what the plate and the well say is
 * what there is. In the quick run every 23rd cut, in the normal one every fifth (HOLOG_TEST_THIN), in the full one all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/sweep.h"
#include "omekit.h"

enum {
    SIDE = 21,
    COMMITS = 6,
    LEVELS = 4
};

static void options(holog_options *o)
{
    kit_options(o);
    o->inline_max = 1024; /* some levels go to extents */
}

/* Field n, when it came; and when the next one did, which changes its first rows. */
static void pixels(uint64_t n, int changed, uint16_t *out)
{
    some_elements(HOLOG_UINT16, n, SIDE * SIDE, out);
    if (changed)
        some_elements(HOLOG_UINT16, n + 100, 3 * SIDE, out);
}

static void path_of(uint64_t n, char *out, size_t cap)
{
    (void)snprintf(out, cap, "p/AA/%u/%llu", (unsigned)((n - 1) % 2 + 1),
                   (unsigned long long)((n - 1) / 2));
}

static void make_plate(holog_store *s)
{
    static const char *const rows[] = { "AA", "AB" };
    const holog_ome_plate_spec spec = {
        .struct_size = sizeof spec, .n_rows = 2, .n_columns = 2, .rows = rows
    };
    holog_txn *txn = NULL;

    OK(holog_begin(s, &txn));
    OK(holog_txn_ome_plate_create(txn, "p", &spec, 0));
    OK(holog_commit(txn, NULL));
}

static int write_first(holog_txn *txn, const char *image, const holog_slice *region,
                       const void *data)
{
    char path[60];
    holog_array *a = NULL;
    int rc;

    (void)snprintf(path, sizeof path, "%s/0", image);
    rc = holog_txn_array(txn, path, &a);
    if (rc == HOLOG_OK)
        rc = holog_array_write(a, region, data, NULL);
    holog_array_close(a);
    return rc < 0 ? rc : holog_txn_ome_pyramid_update(txn, image, region, NULL, NULL);
}

static int add(holog_txn *txn, uint64_t n)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = SIDE, .chunk = 8 },
                                     { .name = "x", .size = SIDE, .chunk = n % 2 ? 8 : SIDE } };
    const holog_ome_spec spec = { .struct_size = sizeof spec,
                                  .dtype = HOLOG_UINT16,
                                  .n_axes = 2,
                                  .axes = axes,
                                  .levels = LEVELS,
                                  .codec = n % 3 == 0 ? HOLOG_CODEC_ZSTD : HOLOG_CODEC_NONE };
    const holog_ome_label_spec label = { .struct_size = sizeof label, .dtype = HOLOG_UINT16 };
    uint16_t data[SIDE * SIDE];
    char image[HOLOG_PATH_MAX + 1];
    char cells[60];
    char want[40];
    int rc = holog_txn_ome_field_create(txn, "p", "AA", n % 2 ? "1" : "2", -1, &spec, image);

    pixels(n, 0, data);
    path_of(n, want, sizeof want);
    if (rc == HOLOG_OK)
        rc = write_first(txn, image, NULL, data);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_label_create(txn, image, "cells", &label, 0);
    (void)snprintf(cells, sizeof cells, "%s/labels/cells", want);
    return rc < 0 ? rc : write_first(txn, cells, NULL, data);
}

static int step(holog_store *s, uint64_t n)
{
    const holog_slice rows[2] = { { 0, 3, 1 }, { 0, SIDE, 1 } };
    uint16_t data[SIDE * SIDE];
    char before[40];
    holog_txn *txn = NULL;
    int rc = holog_begin(s, &txn);

    if (rc == HOLOG_OK)
        rc = add(txn, n);
    if (rc == HOLOG_OK && n > 1) {
        path_of(n - 1, before, sizeof before);
        pixels(n - 1, 1, data);
        rc = write_first(txn, before, rows, data);
    }
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

/* ---- what is there -------------------------------------------------------------------------------------*/

static int tell(void *ctx, const char *path, const char *message)
{
    (void)ctx;
    cr_assert_fail("%s: %s", path, message);
    return 0;
}

static void is_field(holog_store *s, uint64_t n, int changed)
{
    uint16_t data[SIDE * SIDE];
    struct plain want = {
        .dtype = HOLOG_UINT16, .rank = 2, .shape = { SIDE, SIDE }, .data = (uint8_t *)data
    };
    char image[40];
    char cells[60];

    path_of(n, image, sizeof image);
    (void)snprintf(cells, sizeof cells, "%s/labels/cells", image);
    pixels(n, changed, data);
    has_level(s, image, 0, &want);
    is_pyramid(s, image, HOLOG_OME_MEAN);
    pixels(n, 0, data);
    has_level(s, cells, 0, &want);
    is_pyramid(s, cells, HOLOG_OME_NEAREST);
}

/* How many commits there are; -1: not the plate. */
static int64_t look_at(holog_store *s)
{
    holog_view *view = NULL;
    uint64_t n = 0;
    char path[40];

    if (type_of(s, "p") == HOLOG_MISSING)
        return -1;
    for (path_of(1, path, sizeof path);; path_of(n + 1, path, sizeof path)) {
        int there = 0;
        OK(holog_exists(s, path, &there));
        if (!there)
            break;
        n++;
    }
    for (uint64_t i = 1; i <= n; i++)
        is_field(s, i, i < n);
    if (n > 0) {
        OK(holog_view_open(s, &view));
        OK(holog_ome_validate(view, "p", tell, NULL));
        holog_view_close(view);
    }
    return (int64_t)n;
}

static int run(struct hg_io *io, void *ctx)
{
    struct hg_sim *on = ctx;
    holog_options o;
    holog_store *s = NULL;

    options(&o);
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    hg_sim_mark(on, MARK_STORE, 1);
    make_plate(s);
    hg_sim_mark(on, MARK_DURABLE, 0);
    for (uint64_t n = 1; n <= COMMITS; n++) {
        OK(step(s, n));
        hg_sim_mark(on, MARK_DURABLE, n);
        if (n == COMMITS / 2) { /* and from a checkpoint */
            OK(holog_close(s));
            OK(hg_store_open_io(io, &o, &s));
        }
    }
    return holog_close(s);
}

static int look(struct hg_io *io, void *ctx)
{
    int64_t *found = ctx;
    holog_options o;
    holog_store *s = NULL;

    options(&o);
    OK(hg_store_open_io(io, &o, &s));
    *found = look_at(s);
    if (*found >= 0) /* it goes on from there */
        OK(step(s, (uint64_t)*found + 1));
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    cr_assert_eq(look_at(s), *found >= 0 ? *found + 1 : -1);
    return holog_close(s);
}

Test(crash, fields_with_all_their_levels_are_there_or_not_after_a_power_cut)
{
    cr_assert_gt(sweep_cuts(run, look), 30);
}
