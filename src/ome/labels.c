/*
 * Labels: images of integers beside the levels of the image that they label, IMAGE/labels/NAME.
 */
#include <stdio.h>
#include <string.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"
#include "ome/ome_internal.h"

/* ---- the list --------------------------------------------------------------------------------------*/

int hg_ome_labels_load(const struct hg_ome_source *s, const char *image,
                       struct json_object **out_document, struct json_object **out_list)
{
    char at[HG_PATH_MAX + 1];
    struct json_object *document = NULL;
    struct json_object *list;
    int rc = hg_ome_join(image, "labels", at);

    if (rc == HOLOG_OK)
        rc = hg_ome_group_load(s, at, &document);
    if (rc == HOLOG_E_NOENT)
        return HOLOG_OK;
    if (rc != HOLOG_OK)
        return rc;
    list = hg_json_get(hg_ome_of(document), "labels");
    if (list == NULL) { /* a group that lists nothing */
        json_object_put(document);
        return HOLOG_OK;
    }
    if (!json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > HOLOG_OME_NAMES_MAX) {
        json_object_put(document);
        return hg_error(HOLOG_E_INVAL, "%s: labels is no list of up to %d names", at,
                        HOLOG_OME_NAMES_MAX);
    }
    *out_document = document;
    *out_list = list;
    return HOLOG_OK;
}

static int is_listed(struct json_object *list, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (hg_json_is(json_object_array_get_idx(list, i), name))
            return 1;
    return 0;
}

/* The group `labels`, which is made if need be, has the name on its list. */
static int add_to_list(holog_txn *txn, const char *image, const char *name)
{
    const struct hg_ome_source s = { .txn = txn };
    char at[HG_PATH_MAX + 1];
    struct json_object *document = NULL;
    struct json_object *list = NULL;
    struct json_object *ome = NULL;
    int rc = hg_ome_labels_load(&s, image, &document, &list);

    if (rc == HOLOG_OK && list == NULL) {
        rc = hg_ome_document_new(&document, &ome);
        if (rc == HOLOG_OK)
            rc = hg_json_put(ome, "labels", json_object_new_array());
        list = hg_json_get(ome, "labels");
    }
    if (rc == HOLOG_OK && !is_listed(list, name))
        rc = hg_json_add(list, json_object_new_string(name));
    if (rc == HOLOG_OK)
        rc = hg_ome_join(image, "labels", at);
    if (rc == HOLOG_OK)
        rc = holog_txn_mkdir(txn, at, HOLOG_PARENTS);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(txn, at, document);
    json_object_put(document);
    return rc;
}

/* ---- metadata --------------------------------------------------------------------------------------*/

static int put_color(struct json_object *list, const holog_ome_color *c)
{
    struct json_object *o = json_object_new_object();
    struct json_object *rgba = json_object_new_array();
    int rc = hg_json_put(o, "label-value", json_object_new_int64(c->value));

    for (int i = 0; rc == HOLOG_OK && i < 4; i++)
        rc = hg_json_add(rgba, json_object_new_int(c->rgba[i]));
    if (rc == HOLOG_OK) {
        rc = hg_json_put(o, "rgba", rgba);
        rgba = NULL;
    }
    if (rc < 0) {
        json_object_put(rgba);
        json_object_put(o);
        return rc;
    }
    return hg_json_add(list, o);
}

static int put_label(struct json_object *ome, const holog_ome_label_spec *spec)
{
    struct json_object *label = hg_json_pair("version", HG_OME_VERSION);
    struct json_object *colors = json_object_new_array();
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < spec->n_colors; i++)
        rc = put_color(colors, &spec->colors[i]);
    if (rc == HOLOG_OK && spec->n_colors > 0) {
        rc = hg_json_put(label, "colors", colors);
        colors = NULL;
    }
    if (rc == HOLOG_OK)
        rc = hg_json_put(label, "source", hg_json_pair("image", "../../"));
    json_object_put(colors);
    if (rc == HOLOG_OK)
        return hg_json_put(ome, "image-label", label);
    json_object_put(label);
    return rc;
}

/* The axes and positions of the image's levels, and nothing else of it; levels are "0", "1", ... here. */
static int put_multiscale(struct json_object *ome, const struct hg_ome_image *of, const char *name,
                          uint32_t method)
{
    struct json_object *datasets = hg_json_copy(hg_json_get(of->multiscale, "datasets"));
    struct json_object *axes = hg_json_copy(hg_json_get(of->multiscale, "axes"));
    struct json_object *of_all = hg_json_get(of->multiscale, "coordinateTransformations");
    struct json_object *o = hg_json_pair("name", name);
    struct json_object *list = json_object_new_array();
    int rc = hg_json_put(o, "axes", axes);

    for (unsigned k = 0; rc == HOLOG_OK && datasets != NULL && k < of->n_levels; k++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%u", k);
        rc = hg_json_put_text(json_object_array_get_idx(datasets, k), "path", number);
    }
    if (rc == HOLOG_OK) {
        rc = hg_json_put(o, "datasets", datasets);
        datasets = NULL;
    }
    if (rc == HOLOG_OK && of_all != NULL)
        rc = hg_json_put(o, "coordinateTransformations", hg_json_copy(of_all));
    if (rc == HOLOG_OK)
        rc = hg_ome_put_method(o, method);
    if (rc == HOLOG_OK) {
        rc = hg_json_add(list, o);
        o = NULL;
    }
    json_object_put(datasets);
    json_object_put(o);
    if (rc == HOLOG_OK)
        return hg_json_put(ome, "multiscales", list);
    json_object_put(list);
    return rc;
}

static int make_document(const struct hg_ome_image *of, const char *name,
                         const holog_ome_label_spec *spec, struct json_object **out)
{
    struct json_object *root = NULL;
    struct json_object *ome = NULL;
    int rc = hg_ome_document_new(&root, &ome);

    if (rc == HOLOG_OK)
        rc = put_multiscale(ome, of, name, spec->method);
    if (rc == HOLOG_OK)
        rc = put_label(ome, spec);
    if (rc == HOLOG_OK)
        *out = root;
    else
        json_object_put(root);
    return rc;
}

/* ---- arrays ----------------------------------------------------------------------------------------*/

static int is_channel(const struct hg_ome_image *m, unsigned axis)
{
    return m->axis[axis].type != NULL && strcmp(m->axis[axis].type, "channel") == 0;
}

/* An array like the image's level, of the labels' type, with one channel. */
static int create_level(holog_txn *txn, const struct hg_ome_image *m, const holog_array *of,
                        const char *at, const holog_ome_label_spec *spec)
{
    const char *names[HG_OME_RANK];
    uint64_t shape[HG_OME_RANK];
    uint64_t chunk[HG_OME_RANK];
    uint64_t inner[HG_OME_RANK];
    int is_sharded = hg_chain_shard(of->outer) != NULL;
    holog_array_spec array = { .struct_size = sizeof array,
                               .dtype = spec->dtype,
                               .rank = m->rank,
                               .shape = shape,
                               .chunk = chunk,
                               .dimension_names = names,
                               .codec = spec->codec,
                               .level = spec->codec_level,
                               .flags = spec->flags,
                               .inner_chunk = is_sharded ? inner : NULL };

    for (unsigned i = 0; i < m->rank; i++) {
        int one = is_channel(m, i);
        names[i] = m->axis[i].name;
        shape[i] = one ? 1 : of->doc.shape[i];
        chunk[i] = one ? 1 : of->doc.chunk[i];
        inner[i] = one ? 1 : of->grid[i];
    }
    return holog_txn_array_create(txn, at, &array, 0);
}

static int create_levels(holog_txn *txn, const char *image, const struct hg_ome_image *m,
                         const char *path, const holog_ome_label_spec *spec)
{
    int rc = HOLOG_OK;

    for (unsigned k = 0; rc == HOLOG_OK && k < m->n_levels; k++) {
        char from[HG_PATH_MAX + 1];
        char to[HG_PATH_MAX + 1];
        char number[16];
        holog_array *of = NULL;
        (void)snprintf(number, sizeof number, "%u", k);
        rc = hg_ome_join(image, m->level[k].path, from);
        if (rc == HOLOG_OK)
            rc = hg_ome_join(path, number, to);
        if (rc == HOLOG_OK)
            rc = holog_txn_array(txn, from, &of);
        if (rc == HOLOG_OK && of->doc.rank != m->rank)
            rc = hg_error(HOLOG_E_INVAL, "%s: has %u axes, and its image %u", from, of->doc.rank,
                          m->rank);
        if (rc == HOLOG_OK)
            rc = create_level(txn, m, of, to, spec);
        holog_array_close(of);
    }
    return rc;
}

/* ---- the call --------------------------------------------------------------------------------------*/

static int no_value_twice(const holog_ome_label_spec *spec)
{
    struct json_object *seen = json_object_new_object();
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < spec->n_colors; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%lld", (long long)spec->colors[i].value);
        if (hg_json_get(seen, text) != NULL)
            rc = hg_error(HOLOG_E_INVAL, "colors: %s has two", text);
        else
            rc = hg_json_put(seen, text, json_object_new_boolean(1));
    }
    json_object_put(seen);
    return rc;
}

static int take_spec(const holog_ome_label_spec *spec, const char *name, holog_ome_label_spec *out)
{
    int rc = hg_spec_check(spec, "holog_ome_label_spec");

    if (rc != HOLOG_OK)
        return rc;
    *out = (holog_ome_label_spec){ 0 };
    memcpy(out, spec, HG_MIN((size_t)spec->struct_size, sizeof *out));
    if (out->method == HOLOG_OME_DEFAULT)
        out->method = HOLOG_OME_NEAREST;
    if (name == NULL || name[0] == 0 || strchr(name, '/') != NULL)
        return hg_error(HOLOG_E_INVAL, "a label has a name, without '/'");
    if (out->dtype < HOLOG_INT8 || out->dtype > HOLOG_UINT64)
        return hg_error(HOLOG_E_INVAL, "dtype: labels are integers");
    if (out->method != HOLOG_OME_NEAREST && out->method != HOLOG_OME_MODE)
        return hg_error(HOLOG_E_INVAL, "method: of labels there is no mean; nearest or mode");
    if (out->n_colors > 0 && out->colors == NULL)
        return hg_error(HOLOG_E_INVAL, "colors is NULL");
    return no_value_twice(out);
}

static int create(holog_txn *txn, const char *image, const char *name,
                  const holog_ome_label_spec *spec, unsigned flags)
{
    const struct hg_ome_source s = { .txn = txn };
    char labels[HG_PATH_MAX + 1];
    char at[HG_PATH_MAX + 1];
    struct json_object *of = NULL;
    struct json_object *document = NULL;
    struct hg_ome_image m;
    int rc = hg_ome_image_load(&s, image, &of, &m);

    if (rc == HOLOG_OK)
        rc = make_document(&m, name, spec, &document);
    if (rc == HOLOG_OK)
        rc = hg_ome_join(image, "labels", labels);
    if (rc == HOLOG_OK)
        rc = hg_ome_join(labels, name, at);
    if (rc == HOLOG_OK)
        rc = add_to_list(txn, image, name);
    if (rc == HOLOG_OK)
        rc = hg_ome_clear(txn, at, flags);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(txn, at, document);
    if (rc == HOLOG_OK)
        rc = create_levels(txn, image, &m, at, spec);
    json_object_put(document);
    json_object_put(of);
    return rc;
}

int holog_txn_ome_label_create(holog_txn *txn, const char *image, const char *name,
                               const holog_ome_label_spec *spec, unsigned flags)
{
    holog_ome_label_spec known;
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, flags);

    if (rc == HOLOG_OK)
        rc = take_spec(spec, name, &known);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    return rc != HOLOG_OK ? rc
                          : hg_ome_undo(txn, savepoint, create(txn, image, name, &known, flags));
}
