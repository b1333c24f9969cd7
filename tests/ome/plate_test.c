/*
 * Plates, wells, fields: in one commit, and what is said of them in step.
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

TestSuite(plate, .init = begin, .fini = end);

static const holog_ome_axis axes[2] = { { .name = "y", .size = 6, .chunk = 3 },
                                        { .name = "x", .size = 6, .chunk = 3 } };
static const holog_ome_spec image = {
    .struct_size = sizeof image, .dtype = HOLOG_UINT8, .n_axes = 2, .axes = axes
};

static void field(holog_txn *txn, const char *row, const char *column, int64_t acquisition,
                  const char *want)
{
    char path[HOLOG_PATH_MAX + 1];

    OK(holog_txn_ome_field_create(txn, "p", row, column, acquisition, &image, path));
    cr_assert_str_eq(path, want);
}

Test(plate, wells_and_fields_are_said_in_the_commit_that_brings_them)
{
    const holog_ome_acquisition acquisitions[2] = {
        { .id = 0, .name = "first", .start_time = 1343731272000 }, { .id = 7 }
    };
    holog_ome_plate_spec spec = { .struct_size = sizeof spec,
                                  .n_rows = 32,
                                  .n_columns = 48,
                                  .n_acquisitions = 2,
                                  .acquisitions = acquisitions };
    holog_ome_info info = { .struct_size = sizeof info };
    const char *name = NULL;
    holog_view *view = NULL;
    holog_ome *ome = NULL;
    holog_txn *txn = NULL;
    char *text;

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_plate_create(txn, "p", &spec, 0));
    field(txn, "AF", "48", 0, "p/AF/48/0");
    field(txn, "A", "1", 0, "p/A/1/0");
    field(txn, "A", "1", 0, "p/A/1/1");
    field(txn, "A", "1", 7, "p/A/1/2");
    FAILS(HOLOG_E_INVAL, holog_txn_ome_field_create(txn, "p", "AG", "1", 0, &image, NULL), "row");
    FAILS(HOLOG_E_INVAL, holog_txn_ome_field_create(txn, "p", "A", "49", 0, &image, NULL),
          "column");
    FAILS(HOLOG_E_INVAL, holog_txn_ome_field_create(txn, "p", "A", "1", 1, &image, NULL), "1");
    FAILS(HOLOG_E_INVAL, holog_txn_ome_field_create(txn, "p", "A", "1", -1, &image, NULL),
          "several");
    FAILS(HOLOG_E_TYPE, holog_txn_ome_field_create(txn, "p/A", "A", "1", 0, &image, NULL), "plate");
    OK(holog_commit(txn, NULL));
    is_valid(&box, "p");
    is_valid(&box, "p/A/1");

    OK(holog_view_open(box.store, &view));
    OK(holog_ome_open(view, "p", &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.kind, HOLOG_OME_PLATE);
    cr_assert_eq(info.n_rows, 32);
    cr_assert_eq(info.n_columns, 48);
    cr_assert_eq(info.n_wells, 2);
    cr_assert_eq(info.n_acquisitions, 2);
    OK(holog_ome_get_name(ome, HOLOG_OME_LIST_ROWS, 31, &name));
    cr_assert_str_eq(name, "AF");
    OK(holog_ome_get_name(ome, HOLOG_OME_LIST_WELLS, 0, &name));
    cr_assert_str_eq(name, "AF/48");
    holog_ome_close(ome);
    OK(holog_ome_open(view, "p/A/1", &ome));
    OK(holog_ome_get_info(ome, &info));
    cr_assert_eq(info.kind, HOLOG_OME_WELL);
    cr_assert_eq(info.n_fields, 3);
    holog_ome_close(ome);
    holog_view_close(view);
    text = document_of(box.store, 0, "p/zarr.json");
    cr_assert_not_null(strstr(text, "\"field_count\": 3"));
    cr_assert_not_null(strstr(text, "\"maximumfieldcount\": 2"));
    cr_assert_not_null(strstr(text, "\"maximumfieldcount\": 1"));
    cr_assert_not_null(strstr(text, "\"rowIndex\": 31"));
    cr_assert_not_null(strstr(text, "\"columnIndex\": 47"));
    cr_assert_not_null(strstr(text, "\"starttime\": 1343731272000"));
    free(text);
}

Test(plate, all_of_1536_wells_are_in_one_commit)
{
    static char name[1536][HOLOG_OME_ROW_NAME_MAX + 4];
    static const char *wells[1536];
    holog_ome_plate_spec spec = {
        .struct_size = sizeof spec, .n_rows = 32, .n_columns = 48, .wells = wells, .n_wells = 1536
    };
    unsigned rows = test_level() == 0 ? 4 : 32;
    holog_txn *txn = NULL;
    uint64_t number = 0;

    /* Records of one commit fit one extent segment: 4 MB of them do not fit a test's. */
    box_end(&box);
    box_make(&box);
    box.opts.extent_segment_size_max = 16 << 20;
    box_open(&box);
    for (unsigned i = 0; i < 1536; i++) {
        OK(holog_ome_row_name(i / 48, name[i]));
        (void)snprintf(name[i] + strlen(name[i]), 4, "/%u", i % 48 + 1);
        wells[i] = name[i];
    }
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_plate_create(txn, "p", &spec, 0));
    for (unsigned i = 0; i < rows * 48; i++) {
        char row[HOLOG_OME_ROW_NAME_MAX];
        OK(holog_ome_row_name(i / 48, row));
        OK(holog_txn_ome_field_create(txn, "p", row, strchr(name[i], '/') + 1, -1, &image, NULL));
    }
    OK(holog_commit(txn, &number));
    cr_assert_eq(number, holog_last_number(box.store));
    is_valid(&box, "p");
    cr_assert_eq(type_of(box.store, rows == 32 ? "p/AF/48/0/1" : "p/D/48/0/1"), HOLOG_ARRAY);
}

Test(plate, wells_that_two_add_at_once_are_both_there)
{
    const holog_ome_plate_spec spec = { .struct_size = sizeof spec, .n_rows = 2, .n_columns = 2 };
    holog_txn *one = NULL;
    holog_txn *two = NULL;

    OK(holog_begin(box.store, &one));
    OK(holog_txn_ome_plate_create(one, "p", &spec, 0));
    OK(holog_commit(one, NULL));
    OK(holog_begin(box.store, &one));
    OK(holog_begin(box.store, &two));
    field(one, "A", "1", -1, "p/A/1/0");
    field(two, "B", "2", -1, "p/B/2/0");
    OK(holog_commit(one, NULL));
    FAILS(HOLOG_E_CONFLICT, holog_commit(two, NULL), "p");
    OK(holog_begin(box.store, &two));
    field(two, "B", "2", -1, "p/B/2/0");
    OK(holog_commit(two, NULL));
    is_valid(&box, "p");
}

Test(plate, that_make_no_sense_are_refused)
{
    static const char *const bad_rows[] = { "A", "A" };
    static const char *const bad_columns[] = { "1", "1/2" };
    static const char *const bad_wells[] = { "A/1", "A/1" };
    static const char *const no_well[] = { "A/3" };
    const holog_ome_acquisition twice[2] = { { .id = 3 }, { .id = 3 } };
    const holog_ome_plate_spec good = { .struct_size = sizeof good, .n_rows = 2, .n_columns = 2 };
    holog_ome_plate_spec spec = good;
    holog_txn *txn = NULL;

    OK(holog_begin(box.store, &txn));
    spec.n_rows = 0;
    FAILS(HOLOG_E_INVAL, holog_txn_ome_plate_create(txn, "p", &spec, 0), "rows");
    spec = good;
    spec.rows = bad_rows;
    FAILS(HOLOG_E_INVAL, holog_txn_ome_plate_create(txn, "p", &spec, 0), "two");
    spec = good;
    spec.columns = bad_columns;
    FAILS(HOLOG_E_INVAL, holog_txn_ome_plate_create(txn, "p", &spec, 0), "letters");
    spec = good;
    spec.wells = bad_wells;
    spec.n_wells = 2;
    FAILS(HOLOG_E_INVAL, holog_txn_ome_plate_create(txn, "p", &spec, 0), "twice");
    spec.wells = no_well;
    spec.n_wells = 1;
    FAILS(HOLOG_E_INVAL, holog_txn_ome_plate_create(txn, "p", &spec, 0), "A/3");
    spec = good;
    spec.acquisitions = twice;
    spec.n_acquisitions = 2;
    FAILS(HOLOG_E_INVAL, holog_txn_ome_plate_create(txn, "p", &spec, 0), "3");
    OK(holog_txn_ome_plate_create(txn, "p", &good, 0));
    FAILS(HOLOG_E_EXIST, holog_txn_ome_plate_create(txn, "p", &good, 0), "p");
    holog_abort(txn);
    cr_assert_eq(type_of(box.store, "p"), HOLOG_MISSING);
}
