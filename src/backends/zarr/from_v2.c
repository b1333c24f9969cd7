/*
 * Documents of Zarr v2 as documents of v3; see from_v2.h.
 */
#include "backends/zarr/from_v2.h"

#include <stdio.h>
#include <string.h>

#include <json-c/linkhash.h>

#include "array/document.h"
#include "backends/zarr/twin.h"
#include "base/error.h"
#include "ome/version.h"

static int bad(const char *member, const char *why)
{
    return hg_error(HOLOG_E_INVAL, ".zarray: %s %s", member, why);
}

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(o, name, &value) ? value : NULL;
}

static const char *text_of(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static struct json_object *named(const char *name)
{
    struct json_object *o = json_object_new_object();

    if (hg_twin_put(o, "name", json_object_new_string(name)) == HOLOG_OK)
        return o;
    json_object_put(o);
    return NULL;
}

/* {"name": name, "configuration": {key: value}}, the value taken over; key NULL: an empty one. */
static struct json_object *extension(const char *name, const char *key, struct json_object *value)
{
    struct json_object *o = named(name);
    struct json_object *configuration = json_object_new_object();
    int rc = key == NULL ? HOLOG_OK : hg_twin_put(configuration, key, value);

    if (rc < 0) {
        json_object_put(configuration);
        json_object_put(o);
        return NULL;
    }
    if (hg_twin_put(o, "configuration", configuration) == HOLOG_OK)
        return o;
    json_object_put(o);
    return NULL;
}

static int add(struct json_object *list, struct json_object *value)
{
    if (list != NULL && value != NULL && json_object_array_add(list, value) == 0)
        return HOLOG_OK;
    json_object_put(value);
    return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
}

/* ---- codecs --------------------------------------------------------------------------------------*/

/* Its members as they are, but for the id. */
static int copy_members(struct json_object *from, struct json_object *to)
{
    json_object_object_foreach(from, key, value) {
        int rc;
        if (strcmp(key, "id") == 0)
            continue;
        rc = json_object_object_add(to, key, json_object_get(value)) == 0
                 ? HOLOG_OK
                 : hg_error(HOLOG_E_NOMEM, "no memory for metadata");
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

/* Shuffling by a number becomes a word, and needs the size of elements beside it. */
static int finish_blosc(struct json_object *configuration, struct hg_type type)
{
    static const char *const names[] = { "noshuffle", "shuffle", "bitshuffle" };
    struct json_object *shuffle = member(configuration, "shuffle");
    int64_t how = json_object_is_type(shuffle, json_type_int) ? json_object_get_int64(shuffle) : -2;
    int rc;

    if (how == -1) /* "automatic" */
        how = type.size == 1 ? 2 : 1;
    if (how < 0 || how > 2)
        return bad("compressor", "has a shuffle that is none of -1, 0, 1 and 2");
    rc = hg_twin_put(configuration, "shuffle", json_object_new_string(names[how]));
    if (rc == HOLOG_OK)
        rc =
            hg_twin_put(configuration, "typesize", json_object_new_int((int)HG_MAX(type.size, 1u)));
    if (rc == HOLOG_OK && member(configuration, "blocksize") == NULL)
        rc = hg_twin_put(configuration, "blocksize", json_object_new_int(0));
    return rc;
}

static int add_codec(struct json_object *list, struct json_object *v2, struct hg_type type)
{
    const char *id = text_of(member(v2, "id"));
    int has_own_name =
        strcmp(id, "zstd") == 0 || strcmp(id, "gzip") == 0 || strcmp(id, "blosc") == 0;
    char name[80];
    struct json_object *codec;
    struct json_object *configuration;
    int rc;

    if (id[0] == 0 || strlen(id) > 60)
        return bad("filters or compressor", "has a codec without an id");
    (void)snprintf(name, sizeof name, "%s%s", has_own_name ? "" : "numcodecs.", id);
    codec = extension(name, NULL, NULL);
    configuration = member(codec, "configuration");
    rc = codec == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata")
                       : copy_members(v2, configuration);
    if (rc == HOLOG_OK && strcmp(id, "blosc") == 0)
        rc = finish_blosc(configuration, type);
    if (rc < 0) {
        json_object_put(codec);
        return rc;
    }
    return add(list, codec);
}

static int add_transpose(struct json_object *list, size_t rank)
{
    struct json_object *order = json_object_new_array();
    int rc = order == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata") : HOLOG_OK;

    for (size_t i = rank; rc == HOLOG_OK && i-- > 0;)
        rc = add(order, json_object_new_int((int)i));
    if (rc < 0) {
        json_object_put(order);
        return rc;
    }
    return add(list, extension("transpose", "order", order));
}

/* Filters of numcodecs that take elements and give elements: in v3 they come before the order of bytes. */
static int takes_elements(struct json_object *filter)
{
    static const char *const ids[] = { "delta",  "fixedscaleoffset", "quantize",
                                       "astype", "bitround",         "packbits" };
    const char *id = text_of(member(filter, "id"));

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (strcmp(id, ids[i]) == 0)
            return 1;
    return 0;
}

static int add_filters(struct json_object *list, struct json_object *filters, struct hg_type type,
                       int elements)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && filters != NULL && i < json_object_array_length(filters);
         i++) {
        struct json_object *filter = json_object_array_get_idx(filters, i);
        if (takes_elements(filter) == elements)
            rc = add_codec(list, filter, type);
    }
    return rc;
}

static int add_codecs(struct json_object *list, struct json_object *v2, struct hg_type type,
                      int swapped)
{
    const char *order = text_of(member(v2, "order"));
    struct json_object *filters = member(v2, "filters");
    struct json_object *compressor = member(v2, "compressor");
    size_t rank = json_object_array_length(member(v2, "shape"));
    int rc = HOLOG_OK;

    if (strcmp(order, "C") != 0 && strcmp(order, "F") != 0)
        return bad("order", "is neither C nor F");
    if (filters != NULL && !json_object_is_type(filters, json_type_array))
        return bad("filters", "is neither null nor a list");
    if (order[0] == 'F' && rank > 1)
        rc = add_transpose(list, rank);
    if (rc == HOLOG_OK)
        rc = add_filters(list, filters, type, 1);
    if (rc == HOLOG_OK)
        rc = add(list, hg_type_word(type) > 1
                           ? extension("bytes", "endian",
                                       json_object_new_string(swapped ? "big" : "little"))
                           : extension("bytes", NULL, NULL));
    if (rc == HOLOG_OK)
        rc = add_filters(list, filters, type, 0);
    if (rc == HOLOG_OK && compressor != NULL)
        rc = add_codec(list, compressor, type);
    return rc;
}

/* ---- the fill value ------------------------------------------------------------------------------*/

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != 0 ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* Bytes that base64 stands for; NULL: it is none, or not of that many. */
static struct json_object *bytes_of(const char *text, uint32_t size)
{
    struct json_object *list = json_object_new_array();
    size_t digits = ((size_t)size * 8 + 5) / 6;
    uint32_t bits = 0;
    unsigned have = 0;

    if (strcspn(text, "=") != digits) {
        json_object_put(list);
        return NULL;
    }
    for (size_t i = 0; list != NULL && i < digits; i++) {
        int digit = digit_of(text[i]);
        bits = bits << 6 | (uint32_t)(digit & 63);
        have += 6;
        if (digit < 0 ||
            (have >= 8 && add(list, json_object_new_int((int)(bits >> (have - 8) & 255))) < 0)) {
            json_object_put(list);
            return NULL;
        }
        have -= have >= 8 ? 8 : 0;
    }
    return list;
}

/* null: nobody knows what is there; zeros are as good as anything. */
static struct json_object *zero_of(struct hg_type type)
{
    struct json_object *list;

    if (type.dtype == HG_BOOL)
        return json_object_new_boolean(0);
    if (type.dtype != HG_RAW && type.dtype != HG_COMPLEX64 && type.dtype != HG_COMPLEX128)
        return json_object_new_int(0);
    list = json_object_new_array();
    for (uint32_t i = 0; list != NULL && i < (type.dtype == HG_RAW ? type.size : 2); i++) {
        if (add(list, json_object_new_int(0)) < 0) {
            json_object_put(list);
            list = NULL;
        }
    }
    return list;
}

static int put_fill(struct json_object *o, struct json_object *v2, struct hg_type type)
{
    struct json_object *fill = member(v2, "fill_value");
    struct json_object *value;

    if (type.dtype == HG_OPAQUE)
        return json_object_object_add(o, "fill_value", json_object_get(fill)) == 0
                   ? HOLOG_OK
                   : hg_error(HOLOG_E_NOMEM, "no memory for metadata");
    if (fill == NULL) {
        value = zero_of(type);
    } else if (type.dtype == HG_RAW && json_object_is_type(fill, json_type_string)) {
        value = bytes_of(json_object_get_string(fill), type.size);
        if (value == NULL)
            return bad("fill_value", "is no base64 of an element");
    } else if (type.dtype == HG_BOOL && json_object_is_type(fill, json_type_int)) {
        value = json_object_new_boolean(json_object_get_int64(fill) != 0); /* some write 0 and 1 */
    } else {
        value = json_object_get(fill);
    }
    return hg_twin_put(o, "fill_value", value);
}

/* ---- documents -----------------------------------------------------------------------------------*/

static int put_keys(struct json_object *o, struct json_object *v2)
{
    struct json_object *separator = member(v2, "dimension_separator");
    const char *text = separator == NULL ? "." : text_of(separator);

    if (strcmp(text, ".") != 0 && strcmp(text, "/") != 0)
        return bad("dimension_separator", "is neither '.' nor '/'");
    return hg_twin_put(o, "chunk_key_encoding",
                       extension("v2", "separator", json_object_new_string(text)));
}

/* Texts, dates, fields, objects: there is no name in v3 for all of them, so the v2 one is kept. */
static int read_type(struct json_object *v2, struct hg_type *type, int *swapped)
{
    struct json_object *dtype = member(v2, "dtype");

    if (!json_object_is_type(dtype, json_type_string) &&
        !json_object_is_type(dtype, json_type_array))
        return bad("dtype", "is missing, or neither a string nor a list");
    if (hg_type_from_numpy(text_of(dtype), type, swapped) < 0) {
        *type = hg_type_of(HG_OPAQUE, 0);
        *swapped = 0;
    }
    return HOLOG_OK;
}

static int put_type(struct json_object *o, struct json_object *v2, struct hg_type type)
{
    char name[HG_DTYPE_NAME_MAX];

    if (type.dtype == HG_OPAQUE)
        return hg_twin_put(o, "data_type",
                           extension(HG_TWIN_TYPE, "dtype", json_object_get(member(v2, "dtype"))));
    hg_type_to_v3(type, name);
    return hg_twin_put(o, "data_type", json_object_new_string(name));
}

static int make_array(struct json_object *v2, struct json_object *o)
{
    struct json_object *codecs = json_object_new_array();
    struct json_object *chunks = member(v2, "chunks");
    struct hg_type type = { 0 };
    int swapped = 0;
    int rc = read_type(v2, &type, &swapped);

    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "zarr_format", json_object_new_int(3));
    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "node_type", json_object_new_string("array"));
    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "shape", json_object_get(member(v2, "shape")));
    if (rc == HOLOG_OK)
        rc = put_type(o, v2, type);
    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "chunk_grid",
                         extension("regular", "chunk_shape", json_object_get(chunks)));
    if (rc == HOLOG_OK)
        rc = put_keys(o, v2);
    if (rc == HOLOG_OK)
        rc = put_fill(o, v2, type);
    if (rc == HOLOG_OK)
        rc = add_codecs(codecs, v2, type, swapped);
    if (rc == HOLOG_OK)
        return hg_twin_put(o, "codecs", codecs);
    json_object_put(codecs);
    return rc;
}

/* As the twin has them: a string for each axis, in an attribute. */
static int take_names(struct json_object *o)
{
    struct json_object *attributes = member(o, "attributes");
    struct json_object *names = member(attributes, HG_TWIN_NAMES);
    int rc;

    if (!hg_twin_are_names(names) ||
        json_object_array_length(names) != json_object_array_length(member(o, "shape")))
        return HOLOG_OK;
    rc = hg_twin_put(o, "dimension_names", json_object_get(names));
    json_object_object_del(attributes, HG_TWIN_NAMES);
    if (json_object_object_length(attributes) == 0)
        json_object_object_del(o, "attributes"); /* there were none but those */
    return rc;
}

static int put_attributes(struct json_object *o, const void *zattrs, size_t len)
{
    struct json_object *attributes = NULL;
    int rc = zattrs == NULL ? HOLOG_OK : hg_document_json(zattrs, len, &attributes);

    if (rc < 0 || zattrs == NULL)
        return rc;
    if (!json_object_is_type(attributes, json_type_object)) {
        json_object_put(attributes);
        return hg_error(HOLOG_E_INVAL, ".zattrs: is no object");
    }
    return hg_twin_put(o, "attributes", attributes);
}

static int append(struct json_object *o, struct hg_buf *out)
{
    const char *json =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                              JSON_C_TO_STRING_NOSLASHESCAPE);

    return json == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata")
                        : hg_buf_append(out, json, strlen(json));
}

int hg_zarr_array_from_v2(const void *zarray, size_t len, const void *zattrs, size_t zattrs_len,
                          struct hg_buf *out)
{
    struct json_object *v2 = NULL;
    struct json_object *o = json_object_new_object();
    struct json_object *format;
    int rc = o == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata")
                       : hg_document_json(zarray, len, &v2);

    format = member(v2, "zarr_format");
    if (rc == HOLOG_OK &&
        (!json_object_is_type(format, json_type_int) || json_object_get_int64(format) != 2))
        rc = bad("zarr_format", "is not 2");
    if (rc == HOLOG_OK && (!json_object_is_type(member(v2, "shape"), json_type_array) ||
                           !json_object_is_type(member(v2, "chunks"), json_type_array)))
        rc = bad("shape or chunks", "is missing or no list");
    if (rc == HOLOG_OK)
        rc = make_array(v2, o);
    if (rc == HOLOG_OK)
        rc = put_attributes(o, zattrs, zattrs_len);
    if (rc == HOLOG_OK)
        rc = take_names(o);
    if (rc == HOLOG_OK)
        rc = append(o, out); /* who takes it as a document judges the rest */
    json_object_put(v2);
    json_object_put(o);
    return rc;
}

int hg_zarr_group_from_v2(const char *name, const void *zattrs, size_t zattrs_len,
                          struct hg_buf *out)
{
    struct json_object *o = json_object_new_object();
    int rc = hg_twin_put(o, "zarr_format", json_object_new_int(3));

    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "node_type", json_object_new_string("group"));
    if (rc == HOLOG_OK)
        rc = put_attributes(o, zattrs, zattrs_len);
    if (rc == HOLOG_OK)
        rc = hg_ome_from_v04(member(o, "attributes"), name);
    if (rc == HOLOG_OK)
        rc = append(o, out);
    json_object_put(o);
    return rc;
}
