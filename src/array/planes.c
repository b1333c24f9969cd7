/*
 * Many arrays of one shape as one: a first axis, and a name for each index on it, in the attributes, where other
 * Zarr clients find them. A chunk is of one plane.
 */
#include <stdlib.h>
#include <string.h>

#include <json-c/json_object.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"

#define CHUNK_BYTES_MAX ((UINT64_C(1) << 31) - 1) /* holog/array.h */

/* ---- names -----------------------------------------------------------------------------------------*/

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;

    return strcmp(*x, *y);
}

static int check_names(const char *const *names, size_t n)
{
    const char **sorted;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n; i++) {
        if (names[i] == NULL)
            return hg_error(HOLOG_E_INVAL, "the name of plane %zu is NULL", i);
        if (hg_check_target(names[i]) < 0) /* 1 to 4096 bytes of UTF-8, as a link's target */
            return hg_error(HOLOG_E_INVAL, "the name of plane %zu is empty, too long or no UTF-8",
                            i);
    }
    sorted = hg_malloc(n * sizeof *sorted);
    if (sorted == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the names of %zu planes", n);
    memcpy(sorted, names, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_names);
    for (size_t i = 1; rc == HOLOG_OK && i < n; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            rc = hg_error(HOLOG_E_INVAL, "two planes are called \"%s\"", sorted[i]);
    hg_free(sorted);
    return rc;
}

/* The attributes with {"holog": {"planes": names}} in them; other members of "holog" stay. */
static int add_names(struct json_object *attributes, const char *const *names, size_t n)
{
    struct json_object *own = NULL;
    struct json_object *list = json_object_new_array();

    if (list == NULL)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct json_object *name = json_object_new_string(names[i]);
        if (name == NULL || json_object_array_add(list, name) != 0) {
            json_object_put(name);
            json_object_put(list);
            return -1;
        }
    }
    if (!json_object_object_get_ex(attributes, "holog", &own) ||
        !json_object_is_type(own, json_type_object)) {
        own = json_object_new_object();
        if (own == NULL || json_object_object_add(attributes, "holog", own) != 0) {
            json_object_put(own);
            json_object_put(list);
            return -1;
        }
    }
    if (json_object_object_add(own, "planes", list) == 0)
        return 0;
    json_object_put(list);
    return -1;
}

/* *out is yours to json_object_put; its text is what the spec takes. */
static int make_attributes(const char *given, const char *const *names, size_t n,
                           struct json_object **out)
{
    struct json_object *a = NULL;
    int rc = hg_document_attributes(given, &a);

    if (rc == HOLOG_OK && a == NULL)
        a = json_object_new_object();
    if (rc == HOLOG_OK && (a == NULL || add_names(a, names, n) != 0))
        rc = hg_error(HOLOG_E_NOMEM, "no memory for the names of %zu planes", n);
    if (rc < 0)
        json_object_put(a);
    else
        *out = a;
    return rc;
}

static int names_of(const holog_array *a, struct json_object **out)
{
    struct json_object *own = NULL;
    struct json_object *list = NULL;
    int rc = hg_array_check(a);

    if (rc < 0)
        return rc;
    if (a->doc.rank > 0 && a->doc.attributes != NULL &&
        json_object_object_get_ex(a->doc.attributes, "holog", &own) &&
        json_object_is_type(own, json_type_object) &&
        json_object_object_get_ex(own, "planes", &list) &&
        json_object_is_type(list, json_type_array) &&
        json_object_array_length(list) == a->doc.shape[0]) {
        *out = list;
        return HOLOG_OK;
    }
    return hg_error_path(HOLOG_E_TYPE, a->path, (uint32_t)a->path_len,
                         "%s: has no name for each of its planes", a->path);
}

int holog_planes_find(const holog_array *array, const char *name, uint64_t *out_index)
{
    struct json_object *list = NULL;
    int rc = name == NULL || out_index == NULL
                 ? hg_error(HOLOG_E_INVAL, "name or out_index is NULL")
                 : names_of(array, &list);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *at = json_object_array_get_idx(list, i);
        if (json_object_is_type(at, json_type_string) &&
            strcmp(json_object_get_string(at), name) == 0) {
            *out_index = i;
            return HOLOG_OK;
        }
    }
    return hg_error_path(HOLOG_E_NOENT, array->path, (uint32_t)array->path_len,
                         "%s: has no plane \"%s\"", array->path, name);
}

int holog_planes_name(const holog_array *array, uint64_t index, const char **out_name)
{
    struct json_object *list = NULL;
    struct json_object *at;
    int rc =
        out_name == NULL ? hg_error(HOLOG_E_INVAL, "out_name is NULL") : names_of(array, &list);

    if (rc < 0)
        return rc;
    if (index >= json_object_array_length(list))
        return hg_error(HOLOG_E_RANGE, "%s: has %zu planes, none at %llu", array->path,
                        json_object_array_length(list), (unsigned long long)index);
    at = json_object_array_get_idx(list, (size_t)index);
    if (!json_object_is_type(at, json_type_string))
        return hg_error(HOLOG_E_TYPE, "%s: the name of plane %llu is no string", array->path,
                        (unsigned long long)index);
    *out_name = json_object_get_string(at);
    return HOLOG_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------*/

/* Plane `index` as a region, and the strides of memory that holds it. */
static void region_of(const holog_array *a, uint64_t index, const int64_t *strides,
                      holog_slice *region, int64_t *out_strides)
{
    region[0] = (holog_slice){ .start = index, .count = 1, .step = 1 };
    out_strides[0] = 0;
    for (unsigned i = 1; i < a->doc.rank; i++) {
        region[i] = (holog_slice){ .count = a->doc.shape[i], .step = 1 };
        out_strides[i] = strides != NULL ? strides[i - 1] : 0;
    }
}

int holog_planes_read(holog_array *array, const char *name, void *out, const int64_t *strides)
{
    holog_slice region[HG_RANK_MAX];
    int64_t own[HG_RANK_MAX];
    uint64_t index = 0;
    int rc = holog_planes_find(array, name, &index);

    if (rc < 0)
        return rc;
    region_of(array, index, strides, region, own);
    return holog_array_read(array, region, out, strides != NULL ? own : NULL);
}

/* ---- saving ----------------------------------------------------------------------------------------*/

/* The spec of all planes, and what it points to. */
struct stack {
    holog_array_spec spec;
    uint64_t shape[HG_RANK_MAX];
    uint64_t chunk[HG_RANK_MAX];
};

static uint64_t bytes_of(uint64_t item_size, const uint64_t *chunk, unsigned rank)
{
    uint64_t bytes = item_size;

    for (unsigned i = 0; i < rank; i++)
        if (__builtin_mul_overflow(bytes, HG_MAX(chunk[i], UINT64_C(1)), &bytes))
            return UINT64_MAX;
    return bytes;
}

/* A plane whole where a chunk may be so large, else as the library would cut it. */
static int make_stack(const holog_array_spec *plane, size_t n, struct stack *out)
{
    uint64_t item;

    memset(out, 0, sizeof *out);
    memcpy(&out->spec, plane, HG_MIN((size_t)plane->struct_size, sizeof out->spec));
    out->spec.struct_size = sizeof out->spec;
    plane = &out->spec;
    if (plane->rank >= HG_RANK_MAX || (plane->rank > 0 && plane->shape == NULL))
        return hg_error(HOLOG_E_INVAL, "rank %u: planes have at most %d axes, and a shape",
                        plane->rank, HG_RANK_MAX - 1);
    if (plane->inner_chunk != NULL)
        return hg_error(HOLOG_E_INVAL, "inner_chunk: planes are not stored in shards");
    item = plane->dtype == HOLOG_RAW ? plane->item_size : holog_dtype_size(plane->dtype);
    out->shape[0] = n;
    out->chunk[0] = 1;
    for (unsigned i = 0; i < plane->rank; i++) {
        out->shape[i + 1] = plane->shape[i];
        out->chunk[i + 1] =
            plane->chunk != NULL ? plane->chunk[i] : HG_MAX(plane->shape[i], UINT64_C(1));
    }
    if (plane->chunk != NULL || bytes_of(item, plane->shape, plane->rank) <= CHUNK_BYTES_MAX)
        out->spec.chunk = out->chunk;
    else
        out->spec.chunk = NULL;
    out->spec.shape = out->shape;
    out->spec.rank++;
    return HOLOG_OK;
}

static int write_planes(holog_txn *txn, const char *path, const void *const *planes, size_t n)
{
    holog_slice region[HG_RANK_MAX];
    int64_t unused[HG_RANK_MAX];
    holog_array *a = NULL;
    int rc = hg_array_in_txn(txn, path, &a);

    for (size_t i = 0; rc == HOLOG_OK && i < n; i++) {
        region_of(a, i, NULL, region, unused);
        rc = holog_array_write(a, region, planes[i], NULL);
    }
    holog_array_close(a);
    return rc;
}

static int check_planes(const char *const *names, const void *const *planes, size_t n,
                        const holog_array_spec *spec)
{
    int rc = HOLOG_OK;

    if (names == NULL || planes == NULL || n == 0)
        return hg_error(HOLOG_E_INVAL, "names or planes is NULL, or there are none");
    rc = hg_spec_check(spec, "holog_array_spec");
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++)
        if (planes[i] == NULL)
            rc = hg_error(HOLOG_E_INVAL, "plane %zu is NULL", i);
    return rc < 0 ? rc : check_names(names, n);
}

int holog_txn_planes_save(holog_txn *txn, const char *path, const char *const *names,
                          const void *const *planes, size_t n, const holog_array_spec *spec,
                          unsigned flags)
{
    struct json_object *attributes = NULL;
    struct stack s;
    uint32_t savepoint = 0;
    int rc = check_planes(names, planes, n, spec);

    if (rc == HOLOG_OK)
        rc = make_stack(spec, n, &s);
    if (rc == HOLOG_OK)
        rc = make_attributes(s.spec.attributes, names, n, &attributes);
    if (rc < 0)
        return rc;
    s.spec.attributes = json_object_to_json_string_ext(attributes, JSON_C_TO_STRING_PLAIN);
    rc = s.spec.attributes == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for attributes")
                                   : holog_txn_savepoint(txn, &savepoint);
    if (rc == HOLOG_OK) {
        rc = holog_txn_array_create(txn, path, &s.spec, flags);
        if (rc == HOLOG_OK)
            rc = write_planes(txn, path, planes, n);
        if (rc < 0) {
            struct holog_error_detail why;
            int back;
            hg_error_get(&why);
            back = holog_txn_rollback_to(txn, savepoint);
            if (back == HOLOG_OK)
                hg_error_set(&why);
            rc = back < 0 ? back : rc;
        }
    }
    json_object_put(attributes);
    return rc;
}

int holog_planes_save(holog_store *store, const char *path, const char *const *names,
                      const void *const *planes, size_t n, const holog_array_spec *spec,
                      unsigned flags, uint64_t *out_number)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(store, &txn);

    if (rc < 0)
        return rc;
    rc = holog_txn_planes_save(txn, path, names, planes, n, spec, flags);
    if (rc == HOLOG_OK)
        return holog_commit(txn, out_number);
    holog_abort(txn);
    return rc;
}
