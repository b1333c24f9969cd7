/*
 * OME-NGFF 0.5 as 0.4, and back; see version.h.
 */
#include "ome/version.h"

#include <string.h>

#include <json-c/linkhash.h>

#include "base/error.h"
#include "ome/ome_internal.h"

#define V04 "0.4"
#define V05 HG_OME_VERSION

static const char *const moved[] = {
    "multiscales", "omero", "labels", "image-label",
    "plate",       "well",  "series", "bioformats2raw.layout",
};
#define MOVED (sizeof moved / sizeof moved[0])

/* `version` in an object: set, or, where that is what it should not have (to NULL), gone. */
static int set_version(struct json_object *o, const char *to)
{
    if (!json_object_is_type(o, json_type_object))
        return HOLOG_OK;
    if (to != NULL)
        return hg_json_put_text(o, "version", to);
    json_object_object_del(o, "version");
    return HOLOG_OK;
}

/* In each of multiscales: 0.5 has none there. */
static int set_versions(struct json_object *list, const char *to)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < n; i++)
        rc = set_version(json_object_array_get_idx(list, i), to);
    return rc;
}

/* In all that may have one: `to`, in multiscales `to_multiscales`. */
static int change_versions(struct json_object *o, const char *to, const char *to_multiscales)
{
    struct json_object *omero = hg_json_get(o, "omero");
    int rc = set_versions(hg_json_get(o, "multiscales"), to_multiscales);

    if (rc == HOLOG_OK)
        rc = set_version(hg_json_get(o, "plate"), to);
    if (rc == HOLOG_OK)
        rc = set_version(hg_json_get(o, "well"), to);
    if (rc == HOLOG_OK)
        rc = set_version(hg_json_get(o, "image-label"), to);
    if (rc == HOLOG_OK && hg_json_get(omero, "version") != NULL)
        rc = set_version(omero, to);
    return rc;
}

static int move_members(struct json_object *from, struct json_object *to)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < MOVED; i++) {
        struct json_object *value = hg_json_get(from, moved[i]);
        if (value == NULL)
            continue;
        rc = hg_json_put(to, moved[i], json_object_get(value));
        json_object_object_del(from, moved[i]);
    }
    return rc;
}

int hg_ome_to_v04(struct json_object *attributes)
{
    struct json_object *ome = hg_json_get(attributes, "ome");
    int rc;

    if (!hg_json_is(hg_json_get(ome, "version"), V05))
        return HOLOG_OK;
    rc = change_versions(ome, V04, V04);
    if (rc == HOLOG_OK)
        rc = move_members(ome, attributes);
    json_object_object_del(ome, "version");
    if (json_object_object_length(ome) == 0)
        json_object_object_del(attributes, "ome");
    return rc;
}

/* `version` should be there, and need not: then `is_like`, which 0.1 to 0.3 had not. */
static int is_v04(struct json_object *o, int is_like)
{
    struct json_object *version = hg_json_get(o, "version");

    return version != NULL ? hg_json_is(version, V04) : is_like;
}

/* The first element, if there is one and it is an object. */
static struct json_object *first_of(struct json_object *list)
{
    struct json_object *first =
        json_object_is_type(list, json_type_array) && json_object_array_length(list) > 0
            ? json_object_array_get_idx(list, 0)
            : NULL;

    return json_object_is_type(first, json_type_object) ? first : NULL;
}

/* Axes are objects since 0.4, wells have indexes, and wells themselves, a list of images, have not changed. */
static int has_v04(struct json_object *attributes, const char *name)
{
    struct json_object *list = hg_json_get(attributes, "multiscales");
    struct json_object *plate = hg_json_get(attributes, "plate");
    struct json_object *well = hg_json_get(attributes, "well");
    struct json_object *first = first_of(list);

    if (list != NULL)
        return is_v04(first, first_of(hg_json_get(first, "axes")) != NULL);
    if (is_v04(plate, hg_json_get(first_of(hg_json_get(plate, "wells")), "rowIndex") != NULL) ||
        is_v04(well, first_of(hg_json_get(well, "images")) != NULL) ||
        is_v04(hg_json_get(attributes, "image-label"), 0))
        return 1;
    return (strcmp(name, "labels") == 0 &&
            json_object_is_type(hg_json_get(attributes, "labels"), json_type_array)) ||
           (strcmp(name, "OME") == 0 &&
            json_object_is_type(hg_json_get(attributes, "series"), json_type_array)) ||
           json_object_is_type(hg_json_get(attributes, "bioformats2raw.layout"), json_type_int);
}

int hg_ome_from_v04(struct json_object *attributes, const char *name)
{
    struct json_object *ome = hg_json_get(attributes, "ome");
    int rc = HOLOG_OK;

    if (!has_v04(attributes, name) || (ome != NULL && !json_object_is_type(ome, json_type_object)))
        return HOLOG_OK;
    if (ome == NULL) {
        rc = hg_json_put(attributes, "ome", json_object_new_object());
        ome = hg_json_get(attributes, "ome");
    }
    if (rc == HOLOG_OK)
        rc = hg_json_put_text(ome, "version", V05);
    if (rc == HOLOG_OK)
        rc = change_versions(attributes, V05, NULL);
    return rc != HOLOG_OK ? rc : move_members(attributes, ome);
}

/* ---- names of axes ---------------------------------------------------------------------------------*/

static int name_level(holog_txn *txn, const char *path, const struct hg_ome_image *m, unsigned k)
{
    const struct hg_ome_source s = { .txn = txn };
    struct json_object *names = NULL;
    char at[HG_PATH_MAX + 1];
    struct hg_document d;
    int rc = hg_ome_join(path, m->level[k].path, at);

    if (rc == HOLOG_OK)
        rc = hg_ome_array_load(&s, at, &d);
    if (rc != HOLOG_OK)
        return rc == HOLOG_E_NOENT || rc == HOLOG_E_TYPE || rc == HOLOG_E_NOTDIR ? HOLOG_OK : rc;
    if (d.names == NULL && d.rank == m->rank) {
        names = json_object_new_array();
        for (unsigned i = 0; rc == HOLOG_OK && i < m->rank; i++)
            rc = hg_json_add(names, json_object_new_string(m->axis[i].name));
        if (rc == HOLOG_OK) {
            rc = hg_json_put(d.root, "dimension_names", names);
            names = NULL;
        }
        if (rc == HOLOG_OK)
            rc = hg_ome_array_save(txn, at, d.root);
    }
    json_object_put(names);
    hg_document_release(&d);
    return rc;
}

int hg_ome_name_levels(holog_txn *txn, const char *path)
{
    const struct hg_ome_source s = { .txn = txn };
    struct json_object *document = NULL;
    struct json_object *ome;
    struct hg_ome_image m;
    int rc = hg_ome_group_load(&s, path, &document);

    if (rc < 0)
        return rc == HOLOG_E_TYPE ? HOLOG_OK : rc;
    ome = hg_ome_of(document);
    for (size_t i = 0; rc == HOLOG_OK && i < HOLOG_OME_NAMES_MAX; i++) {
        struct hg_ome_report r = { 0 };
        struct json_object *list = hg_json_get(ome, "multiscales");
        if (!json_object_is_type(list, json_type_array) || i >= json_object_array_length(list))
            break;
        hg_ome_image_parse(ome, i, path, &m, &r);
        for (unsigned k = 0; rc == HOLOG_OK && r.count == 0 && k < m.n_levels; k++)
            rc = name_level(txn, path, &m, k);
    }
    json_object_put(document);
    return rc;
}
