/*
 * What a caller wants an image to be: axes, checked, and the levels that follow from them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "ome/ome_internal.h"
#include "ome/reduce.h"

#define CHUNK_WISH 512 /* of the last two axes: what viewers ask for at a time */
#define LIKE_X \
    1.5 /* elements of z that are less than so many times as large as those of x are halved too */

int hg_ome_check_method(uint32_t method, uint32_t halve_z)
{
    if (method > HOLOG_OME_MODE)
        return hg_error(HOLOG_E_INVAL, "method: there is no method %u", method);
    if (halve_z > HOLOG_OME_Z_KEPT)
        return hg_error(HOLOG_E_INVAL, "halve_z: %u is none of its values", halve_z);
    return HOLOG_OK;
}

int hg_ome_spec_take(const holog_ome_spec *spec, holog_ome_spec *out)
{
    int rc = hg_spec_check(spec, "holog_ome_spec");

    if (rc != HOLOG_OK)
        return rc;
    *out = (holog_ome_spec){ 0 };
    memcpy(out, spec, HG_MIN((size_t)spec->struct_size, sizeof *out));
    if (out->n_axes > 0 && out->axes == NULL)
        return hg_error(HOLOG_E_INVAL, "axes is NULL");
    if (out->n_channels > 0 && out->channels == NULL)
        return hg_error(HOLOG_E_INVAL, "channels is NULL");
    if (out->n_channels > HOLOG_OME_NAMES_MAX)
        return hg_error(HOLOG_E_INVAL, "n_channels: %u; %d are possible", out->n_channels,
                        HOLOG_OME_NAMES_MAX);
    return hg_ome_check_method(out->method, out->halve_z);
}

/* ---- axes ------------------------------------------------------------------------------------------*/

/* NULL: the name says nothing. */
static const char *type_of(const char *name)
{
    if (strcmp(name, "x") == 0 || strcmp(name, "y") == 0 || strcmp(name, "z") == 0)
        return "space";
    if (strcmp(name, "t") == 0)
        return "time";
    return strcmp(name, "c") == 0 ? "channel" : NULL;
}

static int is_space(const holog_ome_axis *a)
{
    return strcmp(a->type, "space") == 0;
}

static int is_time(const holog_ome_axis *a)
{
    return strcmp(a->type, "time") == 0;
}

static int take_axis(const holog_ome_axis *axis, unsigned at, struct hg_ome_plan *p)
{
    holog_ome_axis *a = &p->axis[at];

    *a = *axis;
    if (a->name == NULL || hg_check_target(a->name) < 0)
        return hg_error(HOLOG_E_INVAL, "axis %u: has no name, or one that is no UTF-8", at);
    if (a->type == NULL)
        a->type = type_of(a->name);
    if (a->type == NULL || hg_check_target(a->type) < 0)
        return hg_error(HOLOG_E_INVAL,
                        "axis \"%.60s\": needs a type; only x, y, z, t and c go without", a->name);
    if (a->unit != NULL && hg_check_target(a->unit) < 0)
        return hg_error(HOLOG_E_INVAL, "axis \"%.60s\": its unit is no text", a->name);
    if (!isfinite(a->scale) || a->scale < 0 || !isfinite(a->translation))
        return hg_error(HOLOG_E_INVAL,
                        "axis \"%.60s\": scale and translation are finite, scale above 0", a->name);
    if (a->size > HG_INDEX_MAX)
        return hg_error(HOLOG_E_INVAL, "axis \"%.60s\": is longer than 2^49 - 1", a->name);
    p->is_scaled[at] = a->scale > 0;
    a->scale = a->scale > 0 ? a->scale : 1;
    for (unsigned i = 0; i < at; i++)
        if (strcmp(p->axis[i].name, a->name) == 0)
            return hg_error(HOLOG_E_INVAL, "two axes have the name \"%.60s\"", a->name);
    return HOLOG_OK;
}

static int check_order(const struct hg_ome_plan *p)
{
    unsigned space = 0;
    unsigned others = 0;

    for (unsigned i = 0; i < p->rank; i++) {
        const holog_ome_axis *a = &p->axis[i];
        if (is_time(a) && i > 0)
            return hg_error(HOLOG_E_INVAL, "axis \"%.60s\": time comes first", a->name);
        if (!is_space(a) && space > 0)
            return hg_error(HOLOG_E_INVAL, "axis \"%.60s\": axes of type space come last", a->name);
        space += is_space(a) != 0;
        others += !is_space(a) && !is_time(a);
    }
    if (others > 1)
        return hg_error(HOLOG_E_INVAL, "axes: %u are neither time nor space, one can be", others);
    if (space < 2 || space > 3)
        return hg_error(HOLOG_E_INVAL, "axes: %u are of type space, not 2 or 3", space);
    return HOLOG_OK;
}

int hg_ome_plan_axes(const holog_ome_axis *axes, uint32_t n_axes, struct hg_ome_plan *out)
{
    int rc = HOLOG_OK;

    memset(out, 0, sizeof *out);
    if (n_axes < 2 || n_axes > HG_OME_RANK)
        return hg_error(HOLOG_E_INVAL, "n_axes: %u; an image has 2 to %d", n_axes, HG_OME_RANK);
    out->rank = n_axes;
    for (unsigned i = 0; rc == HOLOG_OK && i < n_axes; i++)
        rc = take_axis(&axes[i], i, out);
    return rc != HOLOG_OK ? rc : check_order(out);
}

/* ---- levels ----------------------------------------------------------------------------------------*/

static int take_chunks(struct hg_ome_plan *p)
{
    for (unsigned i = 0; i < p->rank; i++) {
        const holog_ome_axis *a = &p->axis[i];
        uint64_t wish = i + 2 < p->rank ? 1 : HG_MIN(a->size, (uint64_t)CHUNK_WISH);
        p->chunk[i] = a->chunk > 0 ? a->chunk : HG_MAX(wish, UINT64_C(1));
        if ((a->inner_chunk > 0) != (p->axis[0].inner_chunk > 0) ||
            (a->inner_chunk > 0 && p->axis[i].chunk == 0))
            return hg_error(
                HOLOG_E_INVAL,
                "axis \"%.60s\": inner_chunk is of all axes or of none, and needs chunk", a->name);
    }
    p->is_sharded |= p->axis[0].inner_chunk > 0;
    return HOLOG_OK;
}

static int same_unit(const holog_ome_axis *a, const holog_ome_axis *b)
{
    if (a->unit == NULL || b->unit == NULL)
        return a->unit == b->unit;
    return strcmp(a->unit, b->unit) == 0;
}

/* Elements of an axis at level k, by those of level 0. */
static double growth(const struct hg_ome_plan *p, unsigned k, unsigned axis)
{
    double f = 1;

    for (unsigned i = 1; i <= k; i++)
        f *= (double)p->factor[i][axis];
    return f;
}

static int z_like_x(const struct hg_ome_plan *p, unsigned k, unsigned z)
{
    unsigned x = p->rank - 1;

    return p->is_scaled[z] && p->is_scaled[x] && same_unit(&p->axis[z], &p->axis[x]) &&
           p->axis[z].scale * growth(p, k, z) < LIKE_X * p->axis[x].scale * growth(p, k, x);
}

/* Is the axis halved from level k to the next? */
static int is_halved(const struct hg_ome_plan *p, unsigned k, unsigned axis, uint32_t halve_z)
{
    if (!is_space(&p->axis[axis]) || p->shape[k][axis] < 2)
        return 0;
    if (axis + 2 >= p->rank)
        return 1;
    return halve_z == HOLOG_OME_Z_HALVED || (halve_z == HOLOG_OME_Z_AUTO && z_like_x(p, k, axis));
}

/* Level k + 1 from level k. 0: nothing can be halved. *out_large: one of what is halved is longer than a chunk. */
static int plan_next(struct hg_ome_plan *p, unsigned k, uint32_t halve_z, int *out_large)
{
    int any = 0;

    *out_large = 0;
    for (unsigned i = 0; i < p->rank; i++) {
        int halved = is_halved(p, k, i, halve_z);
        p->factor[k + 1][i] = halved ? 2 : 1;
        p->shape[k + 1][i] = hg_blocks(p->shape[k][i], p->factor[k + 1][i]);
        any |= halved;
        *out_large |= halved && p->shape[k][i] > p->chunk[i];
    }
    return any;
}

static uint32_t method_for(uint32_t method, uint32_t dtype, int is_label)
{
    if (method != HOLOG_OME_DEFAULT)
        return method;
    return is_label || dtype == HOLOG_BOOL ? HOLOG_OME_NEAREST : HOLOG_OME_MEAN;
}

int hg_ome_plan_levels(struct hg_ome_plan *p, uint32_t levels, uint32_t method, uint32_t halve_z,
                       uint32_t dtype, int is_label)
{
    int large = 1;
    int rc = take_chunks(p);

    if (rc != HOLOG_OK)
        return rc;
    p->method = method_for(method, dtype, is_label);
    p->n_levels = 1;
    for (unsigned i = 0; i < p->rank; i++) {
        p->shape[0][i] = p->axis[i].size;
        p->factor[0][i] = 1;
    }
    while (p->n_levels < HG_OME_LEVELS && (levels == 0 || p->n_levels < levels) &&
           plan_next(p, p->n_levels - 1, halve_z, &large) && (levels > 0 || large))
        p->n_levels++;
    if (levels > p->n_levels)
        return hg_error(HOLOG_E_INVAL, "levels: %u; there is nothing left to halve after %u",
                        levels, p->n_levels);
    return HOLOG_OK;
}

/* ---- metadata --------------------------------------------------------------------------------------*/

static int put_axis(struct json_object *list, const holog_ome_axis *a)
{
    struct json_object *o = hg_json_pair("name", a->name);
    int rc = hg_json_put_text(o, "type", a->type);

    if (rc == HOLOG_OK && a->unit != NULL)
        rc = hg_json_put_text(o, "unit", a->unit);
    if (rc < 0) {
        json_object_put(o);
        return rc;
    }
    return hg_json_add(list, o);
}

/* {"type": type, type: [...]} */
static int put_transform(struct json_object *list, const char *type, unsigned rank,
                         const double *values)
{
    struct json_object *o = hg_json_pair("type", type);
    struct json_object *numbers = json_object_new_array();
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < rank; i++)
        rc = hg_json_add(numbers, hg_json_number(values[i]));
    if (rc == HOLOG_OK) {
        rc = hg_json_put(o, type, numbers);
        numbers = NULL;
    }
    if (rc < 0) {
        json_object_put(numbers);
        json_object_put(o);
        return rc;
    }
    return hg_json_add(list, o);
}

/* Level k, as holog/ome.h says of positions. */
static int put_transforms(const struct hg_ome_plan *p, unsigned k, struct json_object *list)
{
    double scale[HG_OME_RANK];
    double translation[HG_OME_RANK];
    int moves = 0;
    int rc;

    for (unsigned i = 0; i < p->rank; i++) {
        const holog_ome_axis *a = &p->axis[i];
        double f = growth(p, k, i);
        scale[i] = a->scale * f;
        translation[i] = a->translation + a->scale * (f - 1) / 2;
        moves |= translation[i] < 0 || translation[i] > 0;
    }
    rc = put_transform(list, "scale", p->rank, scale);
    return rc == HOLOG_OK && moves ? put_transform(list, "translation", p->rank, translation) : rc;
}

static int put_dataset(const struct hg_ome_plan *p, unsigned k, const char *first_path,
                       struct json_object *datasets)
{
    char number[16];
    struct json_object *o;
    struct json_object *list = json_object_new_array();
    int rc;

    (void)snprintf(number, sizeof number, "%u", k);
    o = hg_json_pair("path", k == 0 ? first_path : number);
    rc = put_transforms(p, k, list);
    if (rc == HOLOG_OK) {
        rc = hg_json_put(o, "coordinateTransformations", list);
        list = NULL;
    }
    if (rc < 0) {
        json_object_put(list);
        json_object_put(o);
        return rc;
    }
    return hg_json_add(datasets, o);
}

struct json_object *hg_ome_plan_datasets(const struct hg_ome_plan *p, const char *first_path)
{
    struct json_object *list = json_object_new_array();
    int rc = HOLOG_OK;

    for (unsigned k = 0; rc == HOLOG_OK && k < p->n_levels; k++)
        rc = put_dataset(p, k, first_path, list);
    if (rc == HOLOG_OK)
        return list;
    json_object_put(list);
    return NULL;
}

int hg_ome_put_method(struct json_object *multiscale, uint32_t method)
{
    const char *name = method == HOLOG_OME_MEAN      ? "mean"
                       : method == HOLOG_OME_NEAREST ? "nearest"
                                                     : "mode";
    struct json_object *o = hg_json_pair("method", "holog_ome_pyramid_update");
    int rc = hg_json_put_text(multiscale, "type", name);

    if (rc == HOLOG_OK)
        rc = hg_json_put_text(o, "version", holog_version());
    if (rc < 0) {
        json_object_put(o);
        return rc;
    }
    return hg_json_put(multiscale, "metadata", o);
}

struct json_object *hg_ome_plan_multiscale(const struct hg_ome_plan *p, const char *name,
                                           const char *first_path)
{
    struct json_object *o = json_object_new_object();
    struct json_object *axes = json_object_new_array();
    int rc = name[0] != 0 ? hg_json_put_text(o, "name", name) : HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < p->rank; i++)
        rc = put_axis(axes, &p->axis[i]);
    if (rc == HOLOG_OK) {
        rc = hg_json_put(o, "axes", axes);
        axes = NULL;
    }
    if (rc == HOLOG_OK)
        rc = hg_json_put(o, "datasets", hg_ome_plan_datasets(p, first_path));
    if (rc == HOLOG_OK)
        rc = hg_ome_put_method(o, p->method);
    if (rc == HOLOG_OK)
        return o;
    json_object_put(axes);
    json_object_put(o);
    return NULL;
}
