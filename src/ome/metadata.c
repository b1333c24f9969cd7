/*
 * What `multiscales` says.
 *
 *   axes       2 to 5, each {name, type?, unit?}: names of their own; in order at most one of type "time", at most
 *              one "channel" or of another type or without, two or three "space"
 *   datasets   largest first, each {path, coordinateTransformations}: one "scale" and perhaps one "translation"
 *              behind it, a number for each axis
 *   coordinateTransformations, of all levels after their own: of the same form
 *
 * Source: OME-NGFF 0.5.2, sections "axes", "coordinateTransformations" and "multiscales" metadata.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "ome/ome_internal.h"

/* ---- problems --------------------------------------------------------------------------------------*/

void hg_ome_problem(struct hg_ome_report *r, const char *path, const char *fmt, ...)
{
    char message[400];
    va_list args;

    if (r->stop)
        return;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (r->count++ == 0) {
        (void)hg_error_path(HOLOG_E_INVAL, path, (uint32_t)strlen(path), "%s: %s", path, message);
        hg_error_get(&r->first);
    }
    r->stop = r->each == NULL || r->each(r->ctx, path, message) != 0;
}

int hg_ome_verdict(const struct hg_ome_report *r)
{
    if (r->count == 0)
        return HOLOG_OK;
    hg_error_set(&r->first);
    return HOLOG_E_INVAL;
}

/* ---- axes ------------------------------------------------------------------------------------------*/

int hg_ome_is_space(const struct hg_ome_image *m, unsigned axis)
{
    return m->axis[axis].type != NULL && strcmp(m->axis[axis].type, "space") == 0;
}

/* A member that is a text, or is not there. */
static const char *optional_text(struct json_object *o, const char *name, unsigned at,
                                 const char *path, struct hg_ome_report *r)
{
    struct json_object *value = hg_json_get(o, name);
    const char *text = hg_json_text(value);

    if (value != NULL && text == NULL)
        hg_ome_problem(r, path, "axes[%u].%s is no string", at, name);
    return text;
}

static void parse_axis(struct json_object *o, unsigned at, const char *path,
                       struct hg_ome_image *out, struct hg_ome_report *r)
{
    const char *name = hg_json_text(hg_json_get(o, "name"));

    if (name == NULL || name[0] == 0)
        hg_ome_problem(r, path, "axes[%u].name is missing, empty or no string", at);
    out->axis[at].name = name != NULL ? name : "";
    out->axis[at].type = optional_text(o, "type", at, path, r);
    out->axis[at].unit = optional_text(o, "unit", at, path, r);
    for (unsigned i = 0; i < at; i++)
        if (strcmp(out->axis[i].name, out->axis[at].name) == 0)
            hg_ome_problem(r, path, "axes: two have the name \"%.60s\"", out->axis[at].name);
}

/* time, anything else, space */
static int rank_of_type(const char *type)
{
    if (type != NULL && strcmp(type, "time") == 0)
        return 0;
    return type != NULL && strcmp(type, "space") == 0 ? 2 : 1;
}

static void check_types(const struct hg_ome_image *m, const char *path, struct hg_ome_report *r)
{
    unsigned count[3] = { 0 };
    int last = 0;

    for (unsigned i = 0; i < m->rank; i++) {
        int at = rank_of_type(m->axis[i].type);
        count[at]++;
        if (at < last)
            hg_ome_problem(r, path, "axes[%u]: the order is time, channel or another type, space",
                           i);
        last = HG_MAX(at, last);
    }
    if (count[2] < 2 || count[2] > 3)
        hg_ome_problem(r, path, "axes: %u are of type \"space\", not 2 or 3", count[2]);
    if (count[0] > 1)
        hg_ome_problem(r, path, "axes: %u are of type \"time\", not one at most", count[0]);
    if (count[1] > 1)
        hg_ome_problem(r, path, "axes: %u are of type \"channel\" or none that is known, not one",
                       count[1]);
}

static void parse_axes(struct json_object *list, const char *path, struct hg_ome_image *out,
                       struct hg_ome_report *r)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    if (n < 2 || n > HG_OME_RANK) {
        hg_ome_problem(r, path, "multiscales: axes is no list of 2 to 5 axes");
        return;
    }
    out->rank = (unsigned)n;
    for (unsigned i = 0; i < out->rank; i++)
        parse_axis(json_object_array_get_idx(list, i), i, path, out, r);
    check_types(out, path, r);
}

/* ---- transformations -------------------------------------------------------------------------------*/

static int numbers(struct json_object *list, unsigned rank, double *out)
{
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != rank)
        return 0;
    for (unsigned i = 0; i < rank; i++) {
        struct json_object *value = json_object_array_get_idx(list, i);
        out[i] = json_object_get_double(value);
        if (!(json_object_is_type(value, json_type_double) ||
              json_object_is_type(value, json_type_int)) ||
            !isfinite(out[i]))
            return 0;
    }
    return 1;
}

static void parse_transform(struct json_object *o, size_t at, const char *where, const char *path,
                            unsigned rank, double *out, struct hg_ome_report *r)
{
    const char *type = at == 0 ? "scale" : "translation";
    double values[HG_OME_RANK];

    if (!hg_json_is(hg_json_get(o, "type"), type)) {
        hg_ome_problem(r, path, "%s.coordinateTransformations[%zu].type is not \"%s\"", where, at,
                       type);
        return;
    }
    if (!numbers(hg_json_get(o, type), rank, values)) {
        hg_ome_problem(r, path,
                       "%s.coordinateTransformations[%zu].%s is not a number for each of %u axes",
                       where, at, type, rank);
        return;
    }
    for (unsigned i = 0; i < rank; i++) {
        if (at == 0 && values[i] <= 0) {
            hg_ome_problem(r, path, "%s.coordinateTransformations[0].scale[%u] is not above 0",
                           where, i);
            return;
        }
    }
    memcpy(out, values, rank * sizeof *out);
}

static void parse_transforms(struct json_object *list, const char *where, const char *path,
                             unsigned rank, struct hg_ome_level *out, struct hg_ome_report *r)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (unsigned i = 0; i < HG_OME_RANK; i++) {
        out->scale[i] = 1;
        out->translation[i] = 0;
    }
    if (n < 1 || n > 2) {
        hg_ome_problem(r, path,
                       "%s.coordinateTransformations is no list of a scale, and perhaps a "
                       "translation",
                       where);
        return;
    }
    for (size_t i = 0; i < n; i++)
        parse_transform(json_object_array_get_idx(list, i), i, where, path, rank,
                        i == 0 ? out->scale : out->translation, r);
}

/* ---- datasets --------------------------------------------------------------------------------------*/

static void parse_dataset(struct json_object *o, unsigned at, const char *path,
                          struct hg_ome_image *out, struct hg_ome_report *r)
{
    struct hg_ome_level *level = &out->level[at];
    char joined[HG_PATH_MAX + 1];
    char where[40];
    const char *below = hg_json_text(hg_json_get(o, "path"));

    (void)snprintf(where, sizeof where, "datasets[%u]", at);
    if (below == NULL || hg_ome_join(path, below, joined) < 0)
        hg_ome_problem(r, path, "%s.path is missing, or no path of something below the group",
                       where);
    level->path = below != NULL ? below : "";
    parse_transforms(hg_json_get(o, "coordinateTransformations"), where, path, out->rank, level, r);
    for (unsigned i = 0; i < at; i++)
        if (strcmp(out->level[i].path, level->path) == 0)
            hg_ome_problem(r, path, "%s.path is that of another one", where);
    for (unsigned i = 0; at > 0 && i < out->rank; i++)
        if (level->scale[i] < out->level[at - 1].scale[i])
            hg_ome_problem(r, path, "%s: has smaller elements than the one before it", where);
}

static void parse_datasets(struct json_object *list, const char *path, struct hg_ome_image *out,
                           struct hg_ome_report *r)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    if (n < 1 || n > HG_OME_LEVELS) {
        hg_ome_problem(r, path, "multiscales: datasets is no list of 1 to %d levels",
                       HG_OME_LEVELS);
        return;
    }
    out->n_levels = (unsigned)n;
    for (unsigned i = 0; i < out->n_levels && !r->stop; i++)
        parse_dataset(json_object_array_get_idx(list, i), i, path, out, r);
}

/* ---- all of it -------------------------------------------------------------------------------------*/

static uint32_t method_of(struct json_object *type)
{
    return hg_json_is(type, "mean")      ? HOLOG_OME_MEAN
           : hg_json_is(type, "nearest") ? HOLOG_OME_NEAREST
           : hg_json_is(type, "mode")    ? HOLOG_OME_MODE
                                         : HOLOG_OME_DEFAULT;
}

void hg_ome_image_parse(struct json_object *ome, size_t which, const char *path,
                        struct hg_ome_image *out, struct hg_ome_report *r)
{
    struct json_object *list = hg_json_get(ome, "multiscales");
    struct json_object *of_all;
    struct hg_ome_level unused;

    memset(out, 0, sizeof *out);
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) <= which ||
        !json_object_is_type(json_object_array_get_idx(list, which), json_type_object)) {
        hg_ome_problem(r, path, "multiscales is no list of objects");
        return;
    }
    out->multiscale = json_object_array_get_idx(list, which);
    out->is_label = hg_json_get(ome, "image-label") != NULL;
    out->method = method_of(hg_json_get(out->multiscale, "type"));
    parse_axes(hg_json_get(out->multiscale, "axes"), path, out, r);
    if (out->rank > 0)
        parse_datasets(hg_json_get(out->multiscale, "datasets"), path, out, r);
    of_all = hg_json_get(out->multiscale, "coordinateTransformations");
    if (of_all != NULL && out->rank > 0)
        parse_transforms(of_all, "multiscales", path, out->rank, &unused, r);
}

void hg_ome_version_check(struct json_object *ome, const char *path, struct hg_ome_report *r)
{
    if (!hg_json_is(hg_json_get(ome, "version"), HG_OME_VERSION))
        hg_ome_problem(r, path, "ome.version is not \"" HG_OME_VERSION "\"");
}

int hg_ome_image_load(const struct hg_ome_source *s, const char *path,
                      struct json_object **out_document, struct hg_ome_image *out)
{
    struct hg_ome_report r = { 0 };
    struct json_object *document = NULL;
    struct json_object *ome;
    int rc = hg_ome_group_load(s, path, &document);

    if (rc < 0)
        return rc;
    ome = hg_ome_of(document);
    if (hg_json_get(ome, "multiscales") == NULL) {
        json_object_put(document);
        return hg_error_path(HOLOG_E_TYPE, path, (uint32_t)strlen(path),
                             "%s: is no image: its metadata has no multiscales", path);
    }
    hg_ome_version_check(ome, path, &r);
    hg_ome_image_parse(ome, 0, path, out, &r);
    rc = hg_ome_verdict(&r);
    if (rc < 0)
        json_object_put(document);
    else
        *out_document = document;
    return rc;
}
