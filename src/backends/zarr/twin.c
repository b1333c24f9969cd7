/*
 * Documents of Zarr v2; see twin.h.
 */
#include "backends/zarr/twin.h"

#include <string.h>

#include "array/fill.h"
#include "base/error.h"
#include "ome/version.h"

#define BASE64_MAX (4 * ((HG_ITEM_MAX + 2) / 3) + 1)

/* ---- JSON ----------------------------------------------------------------------------------------*/

/* NULL: there is none, or no object to have one. */
static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, name, &value)
               ? value
               : NULL;
}

static int is_text(struct json_object *value, const char *text)
{
    return json_object_is_type(value, json_type_string) &&
           strcmp(json_object_get_string(value), text) == 0;
}

int hg_twin_put(struct json_object *o, const char *name, struct json_object *value)
{
    if (o != NULL && value != NULL && json_object_object_add(o, name, value) == 0)
        return HOLOG_OK;
    json_object_put(value);
    return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
}

/* A member that both have, as it is; or nothing. */
static int put_same(struct json_object *o, const char *name, struct json_object *from)
{
    struct json_object *value = member(from, name);

    return value == NULL ? HOLOG_OK : hg_twin_put(o, name, json_object_get(value));
}

static int put_null(struct json_object *o, const char *name)
{
    return o != NULL && json_object_object_add(o, name, NULL) == 0
               ? HOLOG_OK
               : hg_error(HOLOG_E_NOMEM, "no memory for metadata");
}

static int put_numbers(struct json_object *o, const char *name, const uint64_t *n, unsigned count)
{
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; list != NULL && i < count; i++) {
        struct json_object *number = json_object_new_uint64(n[i]);
        if (number == NULL || json_object_array_add(list, number) != 0) {
            json_object_put(number);
            json_object_put(list);
            list = NULL;
        }
    }
    return hg_twin_put(o, name, list);
}

/* ---- codecs --------------------------------------------------------------------------------------*/

/* Its place in a chain of v2; 0: it has none. */
static int place_of(enum hg_codec_id id)
{
    switch (id) {
    case HG_CODEC_TRANSPOSE: return 1;
    case HG_CODEC_BYTES: return 2;
    case HG_CODEC_SHUFFLE: return 3;
    case HG_CODEC_ZSTD:
    case HG_CODEC_GZIP:
    case HG_CODEC_BLOSC:
    case HG_CODEC_LZ4: return 4;
    case HG_CODEC_UNKNOWN:
    case HG_CODEC_SHARDING:
    case HG_CODEC_CRC32C:
    default: return 0;
    }
}

static int turns_round(const struct hg_document *d, const struct hg_codec *c)
{
    struct json_object *order = member(c->configuration, "order");

    if (!json_object_is_type(order, json_type_array) || json_object_array_length(order) != d->rank)
        return 0;
    for (unsigned i = 0; i < d->rank; i++) {
        struct json_object *axis = json_object_array_get_idx(order, i);
        if (!json_object_is_type(axis, json_type_int) ||
            json_object_get_int64(axis) != (int64_t)(d->rank - 1 - i))
            return 0;
    }
    return 1;
}

static int is_big(const struct hg_document *d)
{
    for (unsigned i = 0; i < d->n_codecs; i++)
        if (d->codecs[i].id == HG_CODEC_BYTES)
            return hg_type_word(d->type) > 1 &&
                   is_text(member(d->codecs[i].configuration, "endian"), "big");
    return 0;
}

/* As v2 has named the type; NULL: it has not. */
static struct json_object *type_of_v2(const struct hg_document *d)
{
    return d->type.dtype == HG_OPAQUE && strcmp(d->type_name, HG_TWIN_TYPE) == 0
               ? member(member(member(d->root, "data_type"), "configuration"), "dtype")
               : NULL;
}

/* What has no place in v2: why, and the name of the codec or type. NULL: all of it has one. */
static const char *obstacle_of(const struct hg_document *d, const char **out_name)
{
    int at = 0;
    int has_bytes = 0;

    *out_name = d->type_name;
    if (d->type.dtype == HG_OPAQUE && type_of_v2(d) == NULL)
        return "holog does not know what the type is in Zarr v2";

    for (unsigned i = 0; i < d->n_codecs; i++) {
        const struct hg_codec *c = &d->codecs[i];
        int place = place_of(c->id);
        *out_name = c->name;
        if (c->id == HG_CODEC_SHARDING)
            return "Zarr v2 has no shards";
        if (place == 0)
            return "Zarr v2 has none of that name, or its bytes would be others";
        if (place <= at)
            return "in Zarr v2 it comes before the one in front of it";
        if (c->id == HG_CODEC_TRANSPOSE && !turns_round(d, c))
            return "Zarr v2 has no order of axes but C and F";
        has_bytes |= c->id == HG_CODEC_BYTES;
        at = place;
    }
    *out_name = "bytes";
    return has_bytes ? NULL : "is missing, and Zarr v2 always has it";
}

int hg_twin_is_possible(const struct hg_document *d)
{
    const char *name = NULL;

    return obstacle_of(d, &name) == NULL;
}

static int check(const struct hg_document *d)
{
    const char *name = NULL;
    const char *why = obstacle_of(d, &name);

    return why == NULL ? HOLOG_OK : hg_error(HOLOG_E_NOTSUP, "\"%.40s\": %s", name, why);
}

int hg_twin_check(const void *json, size_t len)
{
    struct hg_document d;
    int rc = hg_document_read(json, len, &d);

    if (rc == HOLOG_OK)
        rc = check(&d);
    hg_document_release(&d);
    return rc;
}

static int put_blosc(struct json_object *o, struct json_object *configuration)
{
    static const char *const names[] = { "noshuffle", "shuffle", "bitshuffle" };
    int rc = put_same(o, "cname", configuration);

    if (rc == HOLOG_OK)
        rc = put_same(o, "clevel", configuration);
    for (int i = 0; rc == HOLOG_OK && i < 3; i++)
        if (is_text(member(configuration, "shuffle"), names[i]))
            rc = hg_twin_put(o, "shuffle", json_object_new_int(i));
    return rc < 0 ? rc : put_same(o, "blocksize", configuration);
}

static int put_configuration(struct json_object *o, const struct hg_codec *c)
{
    switch (c->id) {
    case HG_CODEC_SHUFFLE: return put_same(o, "elementsize", c->configuration);
    case HG_CODEC_ZSTD:
    case HG_CODEC_GZIP: return put_same(o, "level", c->configuration);
    case HG_CODEC_LZ4: return put_same(o, "acceleration", c->configuration);
    case HG_CODEC_BLOSC: return put_blosc(o, c->configuration);
    case HG_CODEC_TRANSPOSE:
    case HG_CODEC_BYTES:
    case HG_CODEC_UNKNOWN:
    case HG_CODEC_SHARDING:
    case HG_CODEC_CRC32C:
    default: return HOLOG_OK;
    }
}

/* {"id": .., its configuration}. NULL: no memory. */
static struct json_object *codec_of(const struct hg_codec *c)
{
    const char *id = c->id == HG_CODEC_SHUFFLE ? "shuffle"
                     : c->id == HG_CODEC_ZSTD  ? "zstd"
                     : c->id == HG_CODEC_GZIP  ? "gzip"
                     : c->id == HG_CODEC_LZ4   ? "lz4"
                                               : "blosc";
    struct json_object *o = json_object_new_object();
    int rc = hg_twin_put(o, "id", json_object_new_string(id));

    if (rc == HOLOG_OK)
        rc = put_configuration(o, c);
    if (rc == HOLOG_OK)
        return o;
    json_object_put(o);
    return NULL;
}

static int put_codecs(struct json_object *o, const struct hg_document *d)
{
    const char *order = "C";
    struct json_object *filters = NULL;
    struct json_object *compressor = NULL;
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < d->n_codecs; i++) {
        const struct hg_codec *c = &d->codecs[i];
        int place = place_of(c->id);
        if (place == 1 && d->rank > 1)
            order = "F";
        if (place < 3)
            continue;
        compressor = codec_of(c);
        if (compressor == NULL) {
            json_object_put(filters);
            return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
        }
        if (place == 4)
            continue;
        filters = json_object_new_array();
        if (filters == NULL || json_object_array_add(filters, compressor) != 0) {
            json_object_put(filters);
            json_object_put(compressor);
            return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
        }
        compressor = NULL;
    }
    rc = filters != NULL ? hg_twin_put(o, "filters", filters) : put_null(o, "filters");
    if (rc == HOLOG_OK && compressor == NULL)
        rc = put_null(o, "compressor");
    else if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "compressor", compressor);
    else
        json_object_put(compressor);
    return rc < 0 ? rc : hg_twin_put(o, "order", json_object_new_string(order));
}

/* ---- the fill value ------------------------------------------------------------------------------*/

static void to_base64(const uint8_t *in, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)in[i] << 16;
        bits |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= i + 2 < len ? in[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = digits[bits >> 6 & 63];
        *out++ = digits[bits & 63];
    }
    *out = 0;
    if (len % 3 != 0)
        memset(out - (3 - len % 3), '=', 3 - len % 3);
}

/* v2 knows one NaN. Takes the value over. */
static struct json_object *as_v2(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string) ||
        strncmp(json_object_get_string(value), "0x", 2) != 0)
        return value;
    json_object_put(value);
    return json_object_new_string("NaN");
}

static int put_fill(struct json_object *o, const struct hg_document *d)
{
    char text[BASE64_MAX];
    struct json_object *value = NULL;
    int rc;

    if (d->type.dtype == HG_OPAQUE)
        return json_object_object_add(o, "fill_value",
                                      json_object_get(member(d->root, "fill_value"))) == 0
                   ? HOLOG_OK
                   : hg_error(HOLOG_E_NOMEM, "no memory for metadata");
    if (d->type.dtype == HG_RAW) {
        to_base64(d->fill, d->type.size, text);
        return hg_twin_put(o, "fill_value", json_object_new_string(text));
    }
    rc = hg_fill_to_json(d->type, d->fill, &value);
    if (rc < 0)
        return rc;
    value = as_v2(value);
    for (size_t i = 0; json_object_is_type(value, json_type_array) && i < 2; i++) {
        struct json_object *part = as_v2(json_object_get(json_object_array_get_idx(value, i)));
        if (json_object_array_put_idx(value, i, part) != 0)
            json_object_put(part); /* it stays as it was */
    }
    return hg_twin_put(o, "fill_value", value);
}

/* ---- documents -----------------------------------------------------------------------------------*/

static int put_type(struct json_object *o, const struct hg_document *d)
{
    char type[HG_DTYPE_NAME_MAX];

    if (d->type.dtype == HG_OPAQUE)
        return hg_twin_put(o, "dtype", json_object_get(type_of_v2(d)));
    hg_type_to_numpy(d->type, type);
    if (is_big(d))
        type[0] = '>';
    return hg_twin_put(o, "dtype", json_object_new_string(type));
}

static int fill_array(struct json_object *o, const struct hg_document *d)
{
    const char separator[2] = { d->separator, 0 };
    int rc = hg_twin_put(o, "zarr_format", json_object_new_int(2));

    if (rc == HOLOG_OK)
        rc = put_numbers(o, "shape", d->shape, d->rank);
    if (rc == HOLOG_OK)
        rc = put_numbers(o, "chunks", d->chunk, d->rank);
    if (rc == HOLOG_OK)
        rc = put_type(o, d);
    if (rc == HOLOG_OK)
        rc = put_fill(o, d);
    if (rc == HOLOG_OK)
        rc = put_codecs(o, d);
    return rc < 0 ? rc : hg_twin_put(o, "dimension_separator", json_object_new_string(separator));
}

int hg_twin_array(const void *json, size_t len, struct json_object **out)
{
    struct json_object *o = NULL;
    struct hg_document d;
    int rc = hg_document_read(json, len, &d);

    if (rc == HOLOG_OK)
        rc = check(&d);
    if (rc == HOLOG_OK) {
        o = json_object_new_object();
        rc = fill_array(o, &d);
    }
    hg_document_release(&d);
    if (rc == HOLOG_OK)
        *out = o;
    else
        json_object_put(o);
    return rc;
}

int hg_twin_are_names(struct json_object *names)
{
    if (!json_object_is_type(names, json_type_array) || json_object_array_length(names) == 0)
        return 0;
    for (size_t i = 0; i < json_object_array_length(names); i++)
        if (!json_object_is_type(json_object_array_get_idx(names, i), json_type_string))
            return 0;
    return 1;
}

int hg_twin_attributes(const void *json, size_t len, struct json_object **out)
{
    struct json_object *root = NULL;
    struct json_object *attributes;
    struct json_object *names;
    int rc = hg_document_json(json, len, &root);

    if (rc < 0)
        return rc;
    attributes = json_object_get(member(root, "attributes"));
    names = member(root, "dimension_names");
    if (hg_twin_are_names(names)) {
        if (attributes == NULL)
            attributes = json_object_new_object();
        if (member(attributes, HG_TWIN_NAMES) == NULL)
            rc = hg_twin_put(attributes, HG_TWIN_NAMES, json_object_get(names));
    }
    if (rc == HOLOG_OK && is_text(member(root, "node_type"), "group"))
        rc = hg_ome_to_v04(attributes);
    json_object_put(root);
    if (rc == HOLOG_OK && attributes == NULL)
        return HOLOG_E_NOENT;
    if (rc == HOLOG_OK)
        *out = attributes;
    else
        json_object_put(attributes);
    return rc;
}
