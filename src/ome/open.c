/*
 * What is there, for those who read it: an image's axes and levels, the names of all that is listed.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ome/ome_internal.h"

struct holog_ome {
    holog_view *view;
    struct json_object *document, *ome;
    struct json_object *labels_document; /* of an image with labels; NULL */
    struct json_object *labels;          /* a list, or NULL */
    uint32_t kind;
    uint32_t dtype;
    struct hg_ome_image image;
    uint64_t shape[HG_OME_LEVELS][HG_OME_RANK];
    uint64_t chunk[HG_OME_LEVELS][HG_OME_RANK];
};

/* ---- opening ---------------------------------------------------------------------------------------*/

static int load_level(holog_ome *o, const struct hg_ome_source *s, const char *path, unsigned k)
{
    char at[HG_PATH_MAX + 1];
    struct hg_document d;
    int rc = hg_ome_join(path, o->image.level[k].path, at);

    if (rc == HOLOG_OK)
        rc = hg_ome_array_load(s, at, &d);
    if (rc != HOLOG_OK)
        return rc;
    if (d.rank != o->image.rank)
        rc =
            hg_error(HOLOG_E_INVAL, "%s: has %u axes, and its image %u", at, d.rank, o->image.rank);
    for (unsigned i = 0; rc == HOLOG_OK && i < d.rank; i++) {
        o->shape[k][i] = d.shape[i];
        o->chunk[k][i] = d.chunk[i];
    }
    if (k == 0)
        o->dtype = d.type.dtype;
    hg_document_release(&d);
    return rc;
}

static int load_image(holog_ome *o, const struct hg_ome_source *s, const char *path)
{
    struct hg_ome_report r = { 0 };
    int rc;

    hg_ome_image_parse(o->ome, 0, path, &o->image, &r);
    rc = hg_ome_verdict(&r);
    for (unsigned k = 0; rc == HOLOG_OK && k < o->image.n_levels; k++)
        rc = load_level(o, s, path, k);
    return rc != HOLOG_OK ? rc : hg_ome_labels_load(s, path, &o->labels_document, &o->labels);
}

static int load(holog_ome *o, const struct hg_ome_source *s, const char *path)
{
    struct hg_ome_report r = { 0 };
    int rc = hg_ome_group_load(s, path, &o->document);

    if (rc != HOLOG_OK)
        return rc;
    o->ome = hg_ome_of(o->document);
    o->kind = hg_json_get(o->ome, "plate") != NULL         ? HOLOG_OME_PLATE
              : hg_json_get(o->ome, "well") != NULL        ? HOLOG_OME_WELL
              : hg_json_get(o->ome, "multiscales") != NULL ? HOLOG_OME_IMAGE
              : hg_json_get(o->ome, "labels") != NULL      ? HOLOG_OME_LABELS
                                                           : 0;
    if (o->kind == 0)
        return hg_error_path(HOLOG_E_TYPE, path, (uint32_t)strlen(path),
                             "%s: has no metadata of OME-NGFF " HG_OME_VERSION, path);
    hg_ome_version_check(o->ome, path, &r);
    rc = hg_ome_verdict(&r);
    if (o->kind == HOLOG_OME_LABELS)
        o->labels = hg_json_get(o->ome, "labels");
    return rc == HOLOG_OK && o->kind == HOLOG_OME_IMAGE ? load_image(o, s, path) : rc;
}

int holog_ome_open(holog_view *view, const char *path, holog_ome **out_ome)
{
    const struct hg_ome_source s = { .view = view };
    char at[HG_PATH_MAX + 1];
    holog_ome *o = NULL;
    int rc = hg_view_check(view);

    if (rc == HOLOG_OK && out_ome == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_ome is NULL");
    if (rc == HOLOG_OK)
        rc = hg_ome_path(path, at);
    if (rc != HOLOG_OK)
        return rc;
    o = hg_calloc(1, sizeof *o);
    if (o == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open an image");
    o->view = view;
    rc = load(o, &s, at);
    if (rc < 0)
        holog_ome_close(o);
    else
        *out_ome = o;
    return rc;
}

void holog_ome_close(holog_ome *ome)
{
    if (ome == NULL)
        return;
    json_object_put(ome->document);
    json_object_put(ome->labels_document);
    hg_free(ome);
}

/* ---- lists -----------------------------------------------------------------------------------------*/

static struct json_object *list_of(const holog_ome *o, uint32_t list)
{
    struct json_object *plate = hg_json_get(o->ome, "plate");

    switch (list) {
    case HOLOG_OME_LIST_LABELS: return o->labels;
    case HOLOG_OME_LIST_ROWS: return hg_json_get(plate, "rows");
    case HOLOG_OME_LIST_COLUMNS: return hg_json_get(plate, "columns");
    case HOLOG_OME_LIST_WELLS: return hg_json_get(plate, "wells");
    case HOLOG_OME_LIST_ACQUISITIONS: return hg_json_get(plate, "acquisitions");
    case HOLOG_OME_LIST_FIELDS: return hg_json_get(hg_json_get(o->ome, "well"), "images");
    case HOLOG_OME_LIST_CHANNELS: return hg_json_get(hg_json_get(o->ome, "omero"), "channels");
    default: return NULL;
    }
}

static uint32_t length_of(const holog_ome *o, uint32_t list)
{
    struct json_object *l = list_of(o, list);

    return json_object_is_type(l, json_type_array) ? (uint32_t)json_object_array_length(l) : 0;
}

int holog_ome_get_name(const holog_ome *ome, uint32_t list, uint32_t index, const char **out_name)
{
    struct json_object *value;
    const char *text;

    if (ome == NULL || out_name == NULL)
        return hg_error(HOLOG_E_INVAL, "ome or out_name is NULL");
    if (index >= length_of(ome, list))
        return hg_error(HOLOG_E_RANGE, "the list has %u entries, none at %u", length_of(ome, list),
                        index);
    value = json_object_array_get_idx(list_of(ome, list), index);
    if (list == HOLOG_OME_LIST_WELLS || list == HOLOG_OME_LIST_FIELDS)
        value = hg_json_get(value, "path");
    else if (list == HOLOG_OME_LIST_CHANNELS)
        value = hg_json_get(value, "label");
    else if (list != HOLOG_OME_LIST_LABELS)
        value = hg_json_get(value, "name");
    text = hg_json_text(value);
    *out_name = text != NULL ? text : "";
    return HOLOG_OK;
}

/* ---- what it is ------------------------------------------------------------------------------------*/

static const char *name_of(const holog_ome *o)
{
    const char *name = o->kind == HOLOG_OME_PLATE
                           ? hg_json_text(hg_json_get(hg_json_get(o->ome, "plate"), "name"))
                           : hg_json_text(hg_json_get(o->image.multiscale, "name"));

    return name != NULL ? name : "";
}

int holog_ome_get_info(const holog_ome *ome, holog_ome_info *out_info)
{
    holog_ome_info info = { .struct_size = sizeof info };
    int rc = ome == NULL ? hg_error(HOLOG_E_INVAL, "ome is NULL")
                         : hg_struct_check(out_info, "holog_ome_info");

    if (rc != HOLOG_OK)
        return rc;
    info.kind = ome->kind;
    info.name = name_of(ome);
    info.n_axes = ome->image.rank;
    info.n_levels = ome->image.n_levels;
    info.is_label = ome->image.is_label != 0;
    info.dtype = ome->dtype;
    info.method = ome->image.method;
    info.n_channels = length_of(ome, HOLOG_OME_LIST_CHANNELS);
    info.n_labels = length_of(ome, HOLOG_OME_LIST_LABELS);
    info.n_rows = length_of(ome, HOLOG_OME_LIST_ROWS);
    info.n_columns = length_of(ome, HOLOG_OME_LIST_COLUMNS);
    info.n_wells = length_of(ome, HOLOG_OME_LIST_WELLS);
    info.n_acquisitions = length_of(ome, HOLOG_OME_LIST_ACQUISITIONS);
    info.n_fields = length_of(ome, HOLOG_OME_LIST_FIELDS);
    hg_struct_fill(out_info, &info, sizeof info);
    return HOLOG_OK;
}

int holog_ome_get_axis(const holog_ome *ome, uint32_t index, holog_ome_axis *out_axis)
{
    if (ome == NULL || out_axis == NULL)
        return hg_error(HOLOG_E_INVAL, "ome or out_axis is NULL");
    if (index >= ome->image.rank)
        return hg_error(HOLOG_E_RANGE, "there are %u axes, none at %u", ome->image.rank, index);
    *out_axis = (holog_ome_axis){ .name = ome->image.axis[index].name,
                                  .type = ome->image.axis[index].type,
                                  .unit = ome->image.axis[index].unit,
                                  .scale = ome->image.level[0].scale[index],
                                  .translation = ome->image.level[0].translation[index],
                                  .size = ome->shape[0][index],
                                  .chunk = ome->chunk[0][index] };
    return HOLOG_OK;
}

int holog_ome_get_level(const holog_ome *ome, uint32_t index, holog_ome_level *out_level)
{
    holog_ome_level level = { 0 };

    if (ome == NULL || out_level == NULL)
        return hg_error(HOLOG_E_INVAL, "ome or out_level is NULL");
    if (index >= ome->image.n_levels)
        return hg_error(HOLOG_E_RANGE, "there are %u levels, none at %u", ome->image.n_levels,
                        index);
    level.path = ome->image.level[index].path;
    memcpy(level.scale, ome->image.level[index].scale, sizeof level.scale);
    memcpy(level.translation, ome->image.level[index].translation, sizeof level.translation);
    memcpy(level.shape, ome->shape[index], sizeof level.shape);
    memcpy(level.chunk, ome->chunk[index], sizeof level.chunk);
    *out_level = level;
    return HOLOG_OK;
}
