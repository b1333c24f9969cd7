/*
 * Plates: PLATE/ROW/COLUMN/FIELD. The plate's metadata lists rows, columns and wells, that of a well its fields of view;
 * both are kept right in the transaction that adds one.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "ome/ome_internal.h"

/* ---- rows and columns ------------------------------------------------------------------------------*/

static int name_of(const char *const *names, uint32_t at, int is_row, char generated[16],
                   const char **out)
{
    *out = names != NULL ? names[at] : generated;
    if (names != NULL)
        return HOLOG_OK;
    if (is_row)
        return holog_ome_row_name(at, generated);
    (void)snprintf(generated, 16, "%u", at + 1);
    return HOLOG_OK;
}

/* [{"name": ..}, ...] under `member`; out_index gets {name: its index}. */
static int put_names(struct json_object *plate, const char *member, const char *const *names,
                     uint32_t n, struct json_object *out_index)
{
    struct json_object *list = json_object_new_array();
    int is_row = strcmp(member, "rows") == 0;
    int rc =
        n == 0 || n > HOLOG_OME_NAMES_MAX
            ? hg_error(HOLOG_E_INVAL, "%s: %u; a plate has 1 to %d", member, n, HOLOG_OME_NAMES_MAX)
            : HOLOG_OK;

    for (uint32_t i = 0; rc == HOLOG_OK && i < n; i++) {
        char generated[16];
        const char *name = NULL;
        rc = name_of(names, i, is_row, generated, &name);
        if (rc == HOLOG_OK && (!hg_ome_is_alphanumeric(name) || strlen(name) > HOLOG_NAME_MAX))
            rc = hg_error(HOLOG_E_INVAL, "%s: name %u is not of letters and digits", member, i);
        if (rc == HOLOG_OK && hg_json_get(out_index, name) != NULL)
            rc = hg_error(HOLOG_E_INVAL, "%s: two have the name \"%s\"", member, name);
        if (rc == HOLOG_OK)
            rc = hg_json_put(out_index, name, json_object_new_int64(i));
        if (rc == HOLOG_OK)
            rc = hg_json_add(list, hg_json_pair("name", name));
    }
    if (rc == HOLOG_OK)
        return hg_json_put(plate, member, list);
    json_object_put(list);
    return rc;
}

/* {"path": "ROW/COLUMN", "rowIndex": .., "columnIndex": ..} */
static int add_well(struct json_object *wells, const char *path, int64_t row, int64_t column)
{
    struct json_object *o = hg_json_pair("path", path);
    int rc = hg_json_put(o, "rowIndex", json_object_new_int64(row));

    if (rc == HOLOG_OK)
        rc = hg_json_put(o, "columnIndex", json_object_new_int64(column));
    if (rc == HOLOG_OK)
        return hg_json_add(wells, o);
    json_object_put(o);
    return rc;
}

/* "AA/12": indexes of its row and column. */
static int find_well(const char *well, struct json_object *rows, struct json_object *columns,
                     int64_t *out_row, int64_t *out_column)
{
    const char *slash = well != NULL ? strchr(well, '/') : NULL;
    char row[HOLOG_NAME_MAX + 1];
    size_t len = slash != NULL ? (size_t)(slash - well) : 0;

    if (slash == NULL || len > HOLOG_NAME_MAX)
        return hg_error(HOLOG_E_INVAL, "wells: \"%.60s\" is not ROW/COLUMN",
                        well != NULL ? well : "");
    memcpy(row, well, len);
    row[len] = 0;
    if (hg_json_get(rows, row) == NULL || hg_json_get(columns, slash + 1) == NULL)
        return hg_error(HOLOG_E_INVAL, "wells: \"%.60s\": the plate has no such row or column",
                        well);
    *out_row = json_object_get_int64(hg_json_get(rows, row));
    *out_column = json_object_get_int64(hg_json_get(columns, slash + 1));
    return HOLOG_OK;
}

static int put_wells(struct json_object *plate, const holog_ome_plate_spec *spec,
                     struct json_object *rows, struct json_object *columns)
{
    struct json_object *list = json_object_new_array();
    struct json_object *seen = json_object_new_object();
    int rc = HOLOG_OK;

    for (uint32_t i = 0; rc == HOLOG_OK && i < spec->n_wells; i++) {
        int64_t row = 0;
        int64_t column = 0;
        rc = find_well(spec->wells[i], rows, columns, &row, &column);
        if (rc == HOLOG_OK && hg_json_get(seen, spec->wells[i]) != NULL)
            rc = hg_error(HOLOG_E_INVAL, "wells: \"%s\" is there twice", spec->wells[i]);
        if (rc == HOLOG_OK)
            rc = hg_json_put(seen, spec->wells[i], json_object_new_boolean(1));
        if (rc == HOLOG_OK)
            rc = add_well(list, spec->wells[i], row, column);
    }
    json_object_put(seen);
    if (rc == HOLOG_OK)
        return hg_json_put(plate, "wells", list);
    json_object_put(list);
    return rc;
}

/* ---- acquisitions ----------------------------------------------------------------------------------*/

static int fill_acquisition(struct json_object *o, const holog_ome_acquisition *a)
{
    int rc = hg_json_put(o, "id", json_object_new_int64(a->id));

    if (rc == HOLOG_OK && a->name != NULL)
        rc = hg_check_target(a->name) < 0
                 ? hg_error(HOLOG_E_INVAL, "acquisitions: the name of %u is no text", a->id)
                 : hg_json_put_text(o, "name", a->name);
    if (rc == HOLOG_OK && a->start_time > 0)
        rc = hg_json_put(o, "starttime", json_object_new_uint64(a->start_time));
    if (rc == HOLOG_OK && a->end_time > 0)
        rc = hg_json_put(o, "endtime", json_object_new_uint64(a->end_time));
    return rc;
}

static int put_acquisitions(struct json_object *plate, const holog_ome_plate_spec *spec)
{
    struct json_object *list = json_object_new_array();
    int rc = HOLOG_OK;

    for (uint32_t i = 0; rc == HOLOG_OK && i < spec->n_acquisitions; i++) {
        struct json_object *o = json_object_new_object();
        rc = fill_acquisition(o, &spec->acquisitions[i]);
        for (uint32_t k = 0; rc == HOLOG_OK && k < i; k++)
            if (spec->acquisitions[k].id == spec->acquisitions[i].id)
                rc = hg_error(HOLOG_E_INVAL, "acquisitions: two have the id %u",
                              spec->acquisitions[i].id);
        if (rc == HOLOG_OK)
            rc = hg_json_add(list, o);
        else
            json_object_put(o);
    }
    if (rc == HOLOG_OK && spec->n_acquisitions > 0)
        return hg_json_put(plate, "acquisitions", list);
    json_object_put(list);
    return rc;
}

/* ---- a plate ---------------------------------------------------------------------------------------*/

static int take_spec(const holog_ome_plate_spec *spec, holog_ome_plate_spec *out)
{
    int rc = hg_spec_check(spec, "holog_ome_plate_spec");

    if (rc != HOLOG_OK)
        return rc;
    *out = (holog_ome_plate_spec){ 0 };
    memcpy(out, spec, HG_MIN((size_t)spec->struct_size, sizeof *out));
    if ((out->n_acquisitions > 0 && out->acquisitions == NULL) ||
        (out->n_wells > 0 && out->wells == NULL))
        return hg_error(HOLOG_E_INVAL, "acquisitions or wells is NULL");
    if (out->n_acquisitions > HOLOG_OME_NAMES_MAX || out->n_wells > HOLOG_OME_WELLS_MAX)
        return hg_error(HOLOG_E_INVAL, "a plate has at most %d acquisitions and %d wells",
                        HOLOG_OME_NAMES_MAX, HOLOG_OME_WELLS_MAX);
    if (out->name != NULL && hg_check_target(out->name) < 0)
        return hg_error(HOLOG_E_INVAL, "name: is no text");
    return HOLOG_OK;
}

static int fill_plate(struct json_object *plate, const holog_ome_plate_spec *spec, const char *name)
{
    struct json_object *rows = json_object_new_object();
    struct json_object *columns = json_object_new_object();
    int rc = hg_json_put_text(plate, "version", HG_OME_VERSION);

    if (rc == HOLOG_OK && name[0] != 0)
        rc = hg_json_put_text(plate, "name", name);
    if (rc == HOLOG_OK)
        rc = put_names(plate, "rows", spec->rows, spec->n_rows, rows);
    if (rc == HOLOG_OK)
        rc = put_names(plate, "columns", spec->columns, spec->n_columns, columns);
    if (rc == HOLOG_OK)
        rc = put_wells(plate, spec, rows, columns);
    if (rc == HOLOG_OK)
        rc = put_acquisitions(plate, spec);
    json_object_put(rows);
    json_object_put(columns);
    return rc;
}

static int create_plate(holog_txn *txn, const char *path, const holog_ome_plate_spec *spec,
                        unsigned flags)
{
    struct json_object *root = NULL;
    struct json_object *ome = NULL;
    struct json_object *plate = json_object_new_object();
    int rc = hg_ome_document_new(&root, &ome);

    if (rc == HOLOG_OK)
        rc = fill_plate(plate, spec, spec->name != NULL ? spec->name : hg_ome_base_name(path));
    if (rc == HOLOG_OK) {
        rc = hg_json_put(ome, "plate", plate);
        plate = NULL;
    }
    if (rc == HOLOG_OK)
        rc = hg_ome_clear(txn, path, flags);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(txn, path, root);
    json_object_put(plate);
    json_object_put(root);
    return rc;
}

int holog_txn_ome_plate_create(holog_txn *txn, const char *path, const holog_ome_plate_spec *spec,
                               unsigned flags)
{
    char at[HG_PATH_MAX + 1];
    holog_ome_plate_spec known;
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, flags);

    if (rc == HOLOG_OK)
        rc = hg_ome_path(path, at);
    if (rc == HOLOG_OK)
        rc = take_spec(spec, &known);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    return rc != HOLOG_OK ? rc : hg_ome_undo(txn, savepoint, create_plate(txn, at, &known, flags));
}

/* ---- fields ----------------------------------------------------------------------------------------*/

/* A field that is to be. */
struct field {
    holog_txn *txn;
    const char *plate_path;
    int64_t acquisition; /* -1: none */
    char well[2 * HOLOG_NAME_MAX + 2];
    char well_path[HG_PATH_MAX + 1];
    char name[24];             /* of the field */
    uint64_t in_well;          /* fields, with this one */
    uint64_t of_acquisition;   /* of them, of the same acquisition */
    struct json_object *plate; /* as all below, part of the two documents */
    struct json_object *plate_document, *well_document;
    int plate_changes;
};

/* The index of what has that member; -1: none has. */
static int64_t index_of(struct json_object *list, const char *member, const char *text)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++)
        if (hg_json_is(hg_json_get(json_object_array_get_idx(list, i), member), text))
            return (int64_t)i;
    return -1;
}

static int load_plate(struct field *f, const char *row, const char *column)
{
    const struct hg_ome_source s = { .txn = f->txn };
    int64_t at_row, at_column;
    int rc = hg_ome_group_load(&s, f->plate_path, &f->plate_document);

    if (rc != HOLOG_OK)
        return rc;
    f->plate = hg_json_get(hg_ome_of(f->plate_document), "plate");
    if (!json_object_is_type(hg_json_get(f->plate, "wells"), json_type_array))
        return hg_error(HOLOG_E_TYPE, "%s: is no plate with a list of wells", f->plate_path);
    at_row = index_of(hg_json_get(f->plate, "rows"), "name", row);
    at_column = index_of(hg_json_get(f->plate, "columns"), "name", column);
    if (at_row < 0 || at_column < 0 || strlen(row) > HOLOG_NAME_MAX ||
        strlen(column) > HOLOG_NAME_MAX)
        return hg_error(HOLOG_E_INVAL, "%s: the plate has no %s \"%.60s\"", f->plate_path,
                        at_row < 0 ? "row" : "column", at_row < 0 ? row : column);
    (void)snprintf(f->well, sizeof f->well, "%s/%s", row, column);
    rc = hg_ome_join(f->plate_path, f->well, f->well_path);
    if (rc < 0 || index_of(hg_json_get(f->plate, "wells"), "path", f->well) >= 0)
        return rc;
    f->plate_changes = 1;
    return add_well(hg_json_get(f->plate, "wells"), f->well, at_row, at_column);
}

static struct json_object *find_acquisition(const struct field *f)
{
    struct json_object *list = hg_json_get(f->plate, "acquisitions");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        uint64_t id = 0;
        if (hg_json_count(hg_json_get(o, "id"), INT64_MAX, &id) && (int64_t)id == f->acquisition)
            return o;
    }
    return NULL;
}

static int check_acquisition(const struct field *f)
{
    struct json_object *list = hg_json_get(f->plate, "acquisitions");

    if (f->acquisition >= 0 && find_acquisition(f) == NULL)
        return hg_error(HOLOG_E_INVAL, "%s: the plate has no acquisition %lld", f->plate_path,
                        (long long)f->acquisition);
    if (f->acquisition < 0 && json_object_is_type(list, json_type_array) &&
        json_object_array_length(list) > 1)
        return hg_error(HOLOG_E_INVAL,
                        "%s: the plate has several acquisitions: a field is of one of them",
                        f->plate_path);
    return HOLOG_OK;
}

/* The well's document: the one that it has, or a new one. */
static int load_well(struct field *f, struct json_object **out_images)
{
    const struct hg_ome_source s = { .txn = f->txn };
    struct json_object *ome = NULL;
    struct json_object *well = NULL;
    int rc = hg_ome_group_load(&s, f->well_path, &f->well_document);

    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    well = rc == HOLOG_OK ? hg_json_get(hg_ome_of(f->well_document), "well") : NULL;
    if (well == NULL) {
        json_object_put(f->well_document);
        f->well_document = NULL;
        well = hg_json_pair("version", HG_OME_VERSION);
        rc = hg_json_put(well, "images", json_object_new_array());
        if (rc == HOLOG_OK)
            rc = hg_ome_document_new(&f->well_document, &ome);
        if (rc < 0) {
            json_object_put(well);
            return rc;
        }
        rc = hg_json_put(ome, "well", well);
    }
    *out_images = hg_json_get(well, "images");
    if (rc == HOLOG_OK && (!json_object_is_type(*out_images, json_type_array) ||
                           json_object_array_length(*out_images) >= HOLOG_OME_NAMES_MAX))
        return hg_error(HOLOG_E_INVAL, "%s: well.images is no list of fewer than %d fields",
                        f->well_path, HOLOG_OME_NAMES_MAX);
    return rc;
}

/* The first number from the count of fields on that is no field's name. */
static int name_field(struct field *f, struct json_object *images)
{
    size_t n = json_object_array_length(images);
    struct json_object *o;
    int rc;

    for (uint64_t number = n;; number++) {
        (void)snprintf(f->name, sizeof f->name, "%llu", (unsigned long long)number);
        if (index_of(images, "path", f->name) < 0)
            break;
    }
    f->in_well = n + 1;
    f->of_acquisition = 1;
    for (size_t i = 0; i < n; i++) {
        struct json_object *id = hg_json_get(json_object_array_get_idx(images, i), "acquisition");
        f->of_acquisition +=
            json_object_is_type(id, json_type_int) && json_object_get_int64(id) == f->acquisition;
    }
    o = hg_json_pair("path", f->name);
    rc = f->acquisition >= 0 ? hg_json_put(o, "acquisition", json_object_new_int64(f->acquisition))
                             : HOLOG_OK;
    if (rc == HOLOG_OK)
        return hg_json_add(images, o);
    json_object_put(o);
    return rc;
}

/* The member is at least n. */
static int raise_to(struct field *f, struct json_object *o, const char *member, uint64_t n)
{
    uint64_t is = 0;

    if (o == NULL || (hg_json_count(hg_json_get(o, member), INT64_MAX, &is) && is >= n))
        return HOLOG_OK;
    f->plate_changes = 1;
    return hg_json_put(o, member, json_object_new_uint64(n));
}

static int create_field(struct field *f, const char *row, const char *column,
                        const holog_ome_spec *spec, char *out_path)
{
    char at[HG_PATH_MAX + 1];
    struct json_object *images = NULL;
    int rc = load_plate(f, row, column);

    if (rc == HOLOG_OK)
        rc = check_acquisition(f);
    if (rc == HOLOG_OK)
        rc = load_well(f, &images);
    if (rc == HOLOG_OK)
        rc = name_field(f, images);
    if (rc == HOLOG_OK)
        rc = raise_to(f, f->plate, "field_count", f->in_well);
    if (rc == HOLOG_OK && f->acquisition >= 0)
        rc = raise_to(f, find_acquisition(f), "maximumfieldcount", f->of_acquisition);
    if (rc == HOLOG_OK)
        rc = holog_txn_mkdir(f->txn, f->well_path, HOLOG_PARENTS);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(f->txn, f->well_path, f->well_document);
    if (rc == HOLOG_OK && f->plate_changes)
        rc = hg_ome_group_save(f->txn, f->plate_path, f->plate_document);
    if (rc == HOLOG_OK)
        rc = hg_ome_join(f->well_path, f->name, at);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_image_create(f->txn, at, spec, 0);
    if (rc == HOLOG_OK && out_path != NULL)
        memcpy(out_path, at, strlen(at) + 1);
    return rc;
}

int holog_txn_ome_field_create(holog_txn *txn, const char *plate, const char *row,
                               const char *column, int64_t acquisition, const holog_ome_spec *spec,
                               char *out_path)
{
    struct field f = { .txn = txn, .plate_path = plate, .acquisition = acquisition };
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, 0);

    if (rc == HOLOG_OK && (row == NULL || column == NULL || acquisition < -1))
        rc = hg_error(HOLOG_E_INVAL, "row or column is NULL, or acquisition below -1");
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_ome_undo(txn, savepoint, create_field(&f, row, column, spec, out_path));
    json_object_put(f.plate_document);
    json_object_put(f.well_document);
    return rc;
}
