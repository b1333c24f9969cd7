/*
 * New images: the group, its metadata, the arrays of all levels.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "array/array_internal.h"
#include "base/error.h"
#include "ome/ome_internal.h"
#include "ome/reduce.h"

/* ---- channels --------------------------------------------------------------------------------------*/

/* What a pixel of the type can be. */
static void range_of(uint32_t dtype, double *out_min, double *out_max)
{
    int bits = (int)holog_dtype_size(dtype) * 8;
    int is_signed = dtype >= HOLOG_INT8 && dtype <= HOLOG_INT64;
    int is_integer = dtype >= HOLOG_INT8 && dtype <= HOLOG_UINT64;

    *out_min = is_signed ? -ldexp(1, bits - 1) : 0;
    *out_max = is_integer ? ldexp(1, is_signed ? bits - 1 : bits) - 1 : 1;
}

static int is_zero(double a, double b)
{
    return !(a < 0 || a > 0 || b < 0 || b > 0);
}

static int put_window(struct json_object *o, const holog_ome_channel *c, uint32_t dtype)
{
    struct json_object *window = json_object_new_object();
    double min = c->min;
    double max = c->max;
    double start = c->start;
    double end = c->end;
    int rc = HOLOG_OK;

    if (is_zero(min, max))
        range_of(dtype, &min, &max);
    if (is_zero(start, end)) {
        start = min;
        end = max;
    }
    if (!isfinite(min) || !isfinite(max) || !isfinite(start) || !isfinite(end))
        rc = hg_error(HOLOG_E_INVAL, "channels: min, max, start and end are finite");
    if (rc == HOLOG_OK)
        rc = hg_json_put(window, "min", hg_json_number(min));
    if (rc == HOLOG_OK)
        rc = hg_json_put(window, "max", hg_json_number(max));
    if (rc == HOLOG_OK)
        rc = hg_json_put(window, "start", hg_json_number(start));
    if (rc == HOLOG_OK)
        rc = hg_json_put(window, "end", hg_json_number(end));
    if (rc == HOLOG_OK)
        return hg_json_put(o, "window", window);
    json_object_put(window);
    return rc;
}

static int fill_channel(struct json_object *o, const holog_ome_channel *c, uint32_t dtype)
{
    char color[8];
    int rc;

    if (c->color > 0xffffff || (c->label != NULL && hg_check_target(c->label) < 0))
        return hg_error(HOLOG_E_INVAL, "channels: a color is 0xRRGGBB, a label UTF-8");
    (void)snprintf(color, sizeof color, "%06X", c->color);
    rc = hg_json_put(o, "active", json_object_new_boolean(!c->is_hidden));
    if (rc == HOLOG_OK)
        rc = hg_json_put_text(o, "color", color);
    if (rc == HOLOG_OK && c->label != NULL)
        rc = hg_json_put_text(o, "label", c->label);
    return rc != HOLOG_OK ? rc : put_window(o, c, dtype);
}

static int put_channels(struct json_object *ome, const holog_ome_spec *spec)
{
    struct json_object *omero = json_object_new_object();
    struct json_object *list = json_object_new_array();
    int rc = HOLOG_OK;

    for (uint32_t i = 0; rc == HOLOG_OK && i < spec->n_channels; i++) {
        struct json_object *o = json_object_new_object();
        rc = fill_channel(o, &spec->channels[i], spec->dtype);
        if (rc == HOLOG_OK)
            rc = hg_json_add(list, o);
        else
            json_object_put(o);
    }
    if (rc == HOLOG_OK) {
        rc = hg_json_put(omero, "channels", list);
        list = NULL;
    }
    if (rc == HOLOG_OK)
        return hg_json_put(ome, "omero", omero);
    json_object_put(list);
    json_object_put(omero);
    return rc;
}

static int check_channels(const holog_ome_spec *spec, const struct hg_ome_plan *p)
{
    uint64_t n = 1;

    for (unsigned i = 0; i < p->rank; i++)
        if (strcmp(p->axis[i].type, "channel") == 0)
            n = p->axis[i].size;
    if (spec->n_channels > 0 && spec->n_channels != n)
        return hg_error(HOLOG_E_INVAL, "n_channels: %u; the image has %llu", spec->n_channels,
                        (unsigned long long)n);
    return HOLOG_OK;
}

/* ---- metadata --------------------------------------------------------------------------------------*/

static int make_document(const holog_ome_spec *spec, const struct hg_ome_plan *p, const char *path,
                         struct json_object **out)
{
    const char *name = spec->name != NULL ? spec->name : hg_ome_base_name(path);
    struct json_object *root = NULL;
    struct json_object *ome = NULL;
    struct json_object *list = json_object_new_array();
    int rc = hg_ome_document_new(&root, &ome);

    if (rc == HOLOG_OK && name[0] != 0 && hg_check_target(name) < 0)
        rc = hg_error(HOLOG_E_INVAL, "name: is no UTF-8");
    if (rc == HOLOG_OK)
        rc = hg_json_add(list, hg_ome_plan_multiscale(p, name, "0"));
    if (rc == HOLOG_OK) {
        rc = hg_json_put(ome, "multiscales", list);
        list = NULL;
    }
    if (rc == HOLOG_OK && spec->n_channels > 0)
        rc = put_channels(ome, spec);
    if (rc == HOLOG_OK) {
        *out = root;
        return HOLOG_OK;
    }
    json_object_put(list);
    json_object_put(root);
    return rc;
}

/* ---- arrays ----------------------------------------------------------------------------------------*/

static int put_numbers(struct json_object *o, const char *name, unsigned rank, const uint64_t *n)
{
    struct json_object *list = json_object_new_array();
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < rank; i++)
        rc = hg_json_add(list, json_object_new_uint64(n[i]));
    if (rc == HOLOG_OK)
        return hg_json_put(o, name, list);
    json_object_put(list);
    return rc;
}

static int put_names(struct json_object *o, const struct hg_ome_plan *p)
{
    struct json_object *list = json_object_new_array();
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < p->rank; i++)
        rc = hg_json_add(list, json_object_new_string(p->axis[i].name));
    if (rc == HOLOG_OK)
        return hg_json_put(o, "dimension_names", list);
    json_object_put(list);
    return rc;
}

/* What holog reads and does not write is zstd in levels that holog makes, in shards too. */
static int replace_blosc(struct json_object *codecs)
{
    size_t n = json_object_is_type(codecs, json_type_array) ? json_object_array_length(codecs) : 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < n; i++) {
        struct json_object *codec = json_object_array_get_idx(codecs, i);
        struct json_object *inner =
            hg_json_get(hg_json_get(codec, "configuration"), "codecs"); /* of sharding_indexed */
        struct json_object *level = json_object_new_object();
        if (hg_json_is(hg_json_get(codec, "name"), "blosc")) {
            rc = hg_json_put(level, "level", json_object_new_int(3));
            if (rc == HOLOG_OK)
                rc = hg_json_put(level, "checksum", json_object_new_boolean(0));
            if (rc == HOLOG_OK)
                rc = hg_json_put_text(codec, "name", "zstd");
            if (rc == HOLOG_OK)
                rc = hg_json_put(codec, "configuration", json_object_get(level));
        } else if (inner != NULL) {
            rc = replace_blosc(inner);
        }
        json_object_put(level);
    }
    return rc;
}

/* The document of level 0 becomes that of level k; chunks that are no shards are no longer than the level is. */
static int turn_into(struct json_object *document, const struct hg_ome_plan *p, unsigned k)
{
    struct json_object *grid = hg_json_get(hg_json_get(document, "chunk_grid"), "configuration");
    uint64_t chunk[HG_OME_RANK];
    int rc = put_numbers(document, "shape", p->rank, p->shape[k]);

    for (unsigned i = 0; i < p->rank; i++)
        chunk[i] = HG_MIN(p->chunk[i], HG_MAX(p->shape[k][i], UINT64_C(1)));
    if (rc == HOLOG_OK && !p->is_sharded)
        rc = put_numbers(grid, "chunk_shape", p->rank, chunk);
    if (rc == HOLOG_OK)
        rc = replace_blosc(hg_json_get(document, "codecs"));
    json_object_object_del(document, "attributes"); /* they are of level 0 */
    return rc != HOLOG_OK ? rc : put_names(document, p);
}

static int create_level(holog_txn *txn, const char *path, const struct hg_ome_plan *p, unsigned k,
                        struct json_object *of_first)
{
    char number[16];
    char at[HG_PATH_MAX + 1];
    struct json_object *document = hg_json_copy(of_first);
    int rc = document == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata") : HOLOG_OK;

    (void)snprintf(number, sizeof number, "%u", k);
    if (rc == HOLOG_OK)
        rc = turn_into(document, p, k);
    if (rc == HOLOG_OK)
        rc = hg_ome_join(path, number, at);
    if (rc == HOLOG_OK)
        rc = holog_txn_mkdir(txn, at, 0);
    if (rc == HOLOG_OK)
        rc = hg_ome_array_save(txn, at, document);
    json_object_put(document);
    return rc;
}

int hg_ome_levels_create(holog_txn *txn, const char *path, const struct hg_ome_plan *p,
                         const char *first_path)
{
    const struct hg_ome_source s = { .txn = txn };
    char at[HG_PATH_MAX + 1];
    struct hg_document first;
    int rc = hg_ome_join(path, first_path, at);

    if (rc == HOLOG_OK)
        rc = hg_ome_array_load(&s, at, &first);
    if (rc != HOLOG_OK)
        return rc;
    for (unsigned k = 1; rc == HOLOG_OK && k < p->n_levels; k++)
        rc = create_level(txn, path, p, k, first.root);
    hg_document_release(&first);
    return rc;
}

static int create_first(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                        const struct hg_ome_plan *p)
{
    const char *names[HG_OME_RANK];
    uint64_t inner[HG_OME_RANK];
    char at[HG_PATH_MAX + 1];
    holog_array_spec array = { .struct_size = sizeof array,
                               .dtype = spec->dtype,
                               .rank = p->rank,
                               .shape = p->shape[0],
                               .chunk = p->chunk,
                               .fill = spec->fill,
                               .dimension_names = names,
                               .codec = spec->codec,
                               .level = spec->codec_level,
                               .flags = spec->flags,
                               .inner_chunk = p->is_sharded ? inner : NULL };
    int rc = hg_ome_join(path, "0", at);

    for (unsigned i = 0; i < p->rank; i++) {
        names[i] = p->axis[i].name;
        inner[i] = p->axis[i].inner_chunk;
    }
    return rc != HOLOG_OK ? rc : holog_txn_array_create(txn, at, &array, 0);
}

/* ---- images ----------------------------------------------------------------------------------------*/

static int create(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                  const struct hg_ome_plan *p, unsigned flags)
{
    struct json_object *document = NULL;
    int rc = make_document(spec, p, path, &document);

    if (rc == HOLOG_OK)
        rc = hg_ome_clear(txn, path, flags);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(txn, path, document);
    if (rc == HOLOG_OK)
        rc = create_first(txn, path, spec, p);
    if (rc == HOLOG_OK)
        rc = hg_ome_levels_create(txn, path, p, "0");
    json_object_put(document);
    return rc;
}

static int take(const holog_ome_spec *spec, holog_ome_spec *out, struct hg_ome_plan *p)
{
    int rc = hg_ome_spec_take(spec, out);

    if (rc == HOLOG_OK && (out->dtype == HOLOG_RAW || holog_dtype_name(out->dtype) == NULL))
        rc = hg_error(HOLOG_E_INVAL, "dtype: %u is no type of pixels", out->dtype);
    if (rc == HOLOG_OK)
        rc = hg_ome_plan_axes(out->axes, out->n_axes, p);
    if (rc == HOLOG_OK)
        rc = check_channels(out, p);
    return rc != HOLOG_OK
               ? rc
               : hg_ome_plan_levels(p, out->levels, out->method, out->halve_z, out->dtype, 0);
}

int holog_txn_ome_image_create(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                               unsigned flags)
{
    char at[HG_PATH_MAX + 1];
    holog_ome_spec known;
    struct hg_ome_plan p;
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, flags);

    if (rc == HOLOG_OK)
        rc = hg_ome_path(path, at);
    if (rc == HOLOG_OK)
        rc = take(spec, &known, &p);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    return rc != HOLOG_OK ? rc : hg_ome_undo(txn, savepoint, create(txn, at, &known, &p, flags));
}

static int write_first(holog_txn *txn, const char *path, const void *data, const int64_t *strides)
{
    char at[HG_PATH_MAX + 1];
    holog_array *a = NULL;
    int rc = hg_ome_join(path, "0", at);

    if (rc == HOLOG_OK)
        rc = holog_txn_array(txn, at, &a);
    if (rc == HOLOG_OK && data == NULL && a->doc.shape[0] > 0)
        rc = hg_error(HOLOG_E_INVAL, "data is NULL");
    if (rc == HOLOG_OK && data != NULL)
        rc = holog_array_write(a, NULL, data, strides);
    holog_array_close(a);
    return rc;
}

int holog_txn_ome_image_save(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                             const void *data, const int64_t *strides, unsigned flags)
{
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, flags);

    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    if (rc != HOLOG_OK)
        return rc;
    rc = holog_txn_ome_image_create(txn, path, spec, flags);
    if (rc == HOLOG_OK)
        rc = write_first(txn, path, data, strides);
    if (rc == HOLOG_OK)
        rc = holog_txn_ome_pyramid_update(txn, path, NULL, NULL, NULL);
    return hg_ome_undo(txn, savepoint, rc);
}

int holog_ome_image_save(holog_store *store, const char *path, const holog_ome_spec *spec,
                         const void *data, const int64_t *strides, unsigned flags,
                         uint64_t *out_number)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(store, &txn);

    if (rc != HOLOG_OK)
        return rc;
    rc = holog_txn_ome_image_save(txn, path, spec, data, strides, flags);
    if (rc == HOLOG_OK)
        return holog_commit(txn, out_number);
    holog_abort(txn);
    return rc;
}

/* ---- arrays that become images ---------------------------------------------------------------------*/

static const char *const usual[HG_OME_RANK + 1][HG_OME_RANK] = {
    [2] = { "y", "x" },
    [3] = { "z", "y", "x" },
    [4] = { "c", "z", "y", "x" },
    [5] = { "t", "c", "z", "y", "x" },
};

/* Axes as the caller wants them, or as the array has them. */
static int axes_of_array(const holog_array *a, const holog_ome_spec *spec, holog_ome_axis *out)
{
    unsigned rank = a->doc.rank;

    if (rank < 2 || rank > HG_OME_RANK || (spec->axes != NULL && spec->n_axes != rank))
        return hg_error(HOLOG_E_INVAL, "%s: has %u axes; an image has 2 to %d, and as many as axes",
                        a->path, rank, HG_OME_RANK);
    for (unsigned i = 0; i < rank; i++) {
        const char *name = holog_array_dimension_name(a, i);
        out[i] = spec->axes != NULL ? spec->axes[i] : (holog_ome_axis){ .name = name };
        if (spec->axes == NULL && name == NULL)
            out[i].name = usual[rank][i];
        if (out[i].size != 0 && out[i].size != a->doc.shape[i])
            return hg_error(HOLOG_E_INVAL, "axis %u: the array has %llu elements", i,
                            (unsigned long long)a->doc.shape[i]);
        out[i].size = a->doc.shape[i];
        out[i].chunk = a->doc.chunk[i];
        out[i].inner_chunk = 0;
    }
    return HOLOG_OK;
}

/* Somewhere beside the array, where nothing is. */
static int free_name(holog_txn *txn, const char *path, char out[HG_PATH_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    int above = slash != NULL ? (int)(slash + 1 - path) : 0;

    for (unsigned i = 0;; i++) {
        holog_stat_info info = { .struct_size = sizeof info };
        int rc;
        if ((size_t)snprintf(out, HG_PATH_MAX + 1, "%.*slevel-0-%u", above, path, i) > HG_PATH_MAX)
            return hg_error(HOLOG_E_NAMETOOLONG, "%s: the path is too long", path);
        rc = holog_txn_stat(txn, out, &info);
        if (rc < 0 || info.type == HOLOG_MISSING)
            return rc;
    }
}

/* The array and all below it lies one directory deeper. */
static int move_down(holog_txn *txn, const char *path)
{
    char beside[HG_PATH_MAX + 1];
    char at[HG_PATH_MAX + 1];
    int rc = free_name(txn, path, beside);

    if (rc == HOLOG_OK)
        rc = holog_txn_move(txn, path, beside, 0);
    if (rc == HOLOG_OK)
        rc = holog_txn_mkdir(txn, path, 0);
    if (rc == HOLOG_OK)
        rc = hg_ome_join(path, "0", at);
    return rc != HOLOG_OK ? rc : holog_txn_move(txn, beside, at, 0);
}

static int name_axes(holog_txn *txn, const char *path, const struct hg_ome_plan *p)
{
    const struct hg_ome_source s = { .txn = txn };
    char at[HG_PATH_MAX + 1];
    struct hg_document d;
    int rc = hg_ome_join(path, "0", at);

    if (rc == HOLOG_OK)
        rc = hg_ome_array_load(&s, at, &d);
    if (rc != HOLOG_OK)
        return rc;
    rc = put_names(d.root, p);
    if (rc == HOLOG_OK)
        rc = hg_ome_array_save(txn, at, d.root);
    hg_document_release(&d);
    return rc;
}

static int become_image(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                        const struct hg_ome_plan *p)
{
    struct json_object *document = NULL;
    int rc = make_document(spec, p, path, &document);

    if (rc == HOLOG_OK)
        rc = move_down(txn, path);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(txn, path, document);
    if (rc == HOLOG_OK)
        rc = name_axes(txn, path, p);
    if (rc == HOLOG_OK)
        rc = hg_ome_levels_create(txn, path, p, "0");
    json_object_put(document);
    return rc;
}

/* What is to become of the array, whose texts the plan borrows. */
static int plan_from(const holog_array *a, holog_ome_spec *spec, struct hg_ome_plan *p)
{
    holog_ome_axis axes[HG_OME_RANK] = { 0 };
    int rc = axes_of_array(a, spec, axes);

    if (rc == HOLOG_OK && a->path_len == 0)
        rc = hg_error(HOLOG_E_INVAL, "the root cannot become an image: move the array below it");
    if (rc == HOLOG_OK && a->doc.type.dtype == HG_RAW)
        rc = hg_error(HOLOG_E_INVAL, "%s: raw bytes are no pixels", a->path);
    if (rc == HOLOG_OK)
        rc = hg_ome_plan_axes(axes, a->doc.rank, p);
    if (rc != HOLOG_OK)
        return rc;
    spec->dtype = a->doc.type.dtype;
    p->is_sharded = hg_chain_shard(a->outer) != NULL;
    rc = check_channels(spec, p);
    return rc != HOLOG_OK
               ? rc
               : hg_ome_plan_levels(p, spec->levels, spec->method, spec->halve_z, spec->dtype, 0);
}

int holog_txn_ome_image_from_array(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                                   holog_progress_fn progress, void *progress_ctx)
{
    holog_array *a = NULL; /* where it is, be it reached by a symlink */
    holog_ome_spec known;
    struct hg_ome_plan p;
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, 0);

    if (rc == HOLOG_OK)
        rc = hg_ome_spec_take(spec, &known);
    if (rc == HOLOG_OK)
        rc = holog_txn_array(txn, path, &a);
    if (rc == HOLOG_OK)
        rc = plan_from(a, &known, &p);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    if (rc == HOLOG_OK) {
        rc = become_image(txn, a->path, &known, &p);
        if (rc == HOLOG_OK)
            rc = holog_txn_ome_pyramid_update(txn, a->path, NULL, progress, progress_ctx);
        rc = hg_ome_undo(txn, savepoint, rc);
    }
    holog_array_close(a);
    return rc;
}
