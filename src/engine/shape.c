#include "engine/shape.h"

#include <string.h>

#include <json-c/json.h>

#include "codec/cold/cold.h"

static const struct {
    const char *name;
    uint8_t size, kind, floats; /* complex: floats are 2 */
} types[] = {
    { "bool", 1, HG_ELEMENT_UNSIGNED, 1 },   { "int8", 1, HG_ELEMENT_SIGNED, 1 },
    { "int16", 2, HG_ELEMENT_SIGNED, 1 },    { "int32", 4, HG_ELEMENT_SIGNED, 1 },
    { "int64", 8, HG_ELEMENT_SIGNED, 1 },    { "uint8", 1, HG_ELEMENT_UNSIGNED, 1 },
    { "uint16", 2, HG_ELEMENT_UNSIGNED, 1 }, { "uint32", 4, HG_ELEMENT_UNSIGNED, 1 },
    { "uint64", 8, HG_ELEMENT_UNSIGNED, 1 }, { "float16", 2, HG_ELEMENT_FLOAT, 1 },
    { "float32", 4, HG_ELEMENT_FLOAT, 1 },   { "float64", 8, HG_ELEMENT_FLOAT, 1 },
    { "complex64", 4, HG_ELEMENT_FLOAT, 2 }, { "complex128", 8, HG_ELEMENT_FLOAT, 2 },
};

/* NULL when there is no such member, or `o` is no object. */
static json_object *member(json_object *o, const char *name)
{
    json_object *out = NULL;

    if (o == NULL || !json_object_is_type(o, json_type_object) ||
        !json_object_object_get_ex(o, name, &out))
        return NULL;
    return out;
}

static int is_text(json_object *o, const char *text)
{
    return o != NULL && json_object_is_type(o, json_type_string) &&
           strcmp(json_object_get_string(o), text) == 0;
}

/* A codec, or a grid, is an object with a name, or just the name. */
static int is_named(json_object *o, const char *name)
{
    return is_text(o, name) || is_text(member(o, "name"), name);
}

static int take_axes(json_object *list, struct hg_chunk_shape *out)
{
    size_t n;

    if (list == NULL || !json_object_is_type(list, json_type_array))
        return 0;
    n = json_object_array_length(list);
    if (n > HG_RANK_MAX)
        return 0;
    for (size_t i = 0; i < n; i++) {
        json_object *axis = json_object_array_get_idx(list, i);
        if (!json_object_is_type(axis, json_type_int) || json_object_get_int64(axis) <= 0)
            return 0;
        out->n[i] = (uint64_t)json_object_get_int64(axis);
    }
    out->rank = (unsigned)n;
    return 1;
}

/* The only codec of a list; NULL: there are more, or none. */
static json_object *only_codec(json_object *list)
{
    if (list == NULL || !json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) != 1)
        return NULL;
    return json_object_array_get_idx(list, 0);
}

static int is_raw(json_object *codec, unsigned size)
{
    json_object *endian = member(member(codec, "configuration"), "endian");

    return is_named(codec, "bytes") && (size == 1 || is_text(endian, "little"));
}

static int take_type(json_object *type, struct hg_chunk_shape *out, unsigned *out_floats)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (is_text(type, types[i].name)) {
            out->size = types[i].size;
            out->kind = types[i].kind;
            *out_floats = types[i].floats;
            return 1;
        }
    }
    return 0;
}

static int take(json_object *doc, struct hg_chunk_shape *out)
{
    json_object *grid = member(doc, "chunk_grid");
    json_object *axes = member(member(grid, "configuration"), "chunk_shape");
    json_object *codec = only_codec(member(doc, "codecs"));
    unsigned floats = 0;

    if (!take_type(member(doc, "data_type"), out, &floats) || !is_named(grid, "regular"))
        return 0;
    if (is_named(codec, "sharding_indexed")) { /* what is stored are the chunks inside */
        json_object *inside = member(codec, "configuration");
        axes = member(inside, "chunk_shape");
        codec = only_codec(member(inside, "codecs"));
    }
    if (codec == NULL || !is_raw(codec, out->size) || !take_axes(axes, out))
        return 0;
    if (floats == 2)
        out->n[out->rank++] = 2;
    return 1;
}

int hg_chunk_shape(const char *document, size_t len, struct hg_chunk_shape *out)
{
    struct json_tokener *tok = json_tokener_new_ex(JSON_TOKENER_DEFAULT_DEPTH);
    struct hg_chunk_shape shape = { 0 };
    json_object *doc;
    int known;

    if (tok == NULL || len > INT32_MAX) {
        if (tok != NULL)
            json_tokener_free(tok);
        return 0;
    }
    doc = json_tokener_parse_ex(tok, document, (int)len);
    known = doc != NULL && take(doc, &shape);
    json_object_put(doc);
    json_tokener_free(tok);
    if (known)
        *out = shape;
    return known;
}

uint64_t hg_chunk_bytes(const struct hg_chunk_shape *s)
{
    uint64_t bytes = s->size;

    for (unsigned i = 0; i < s->rank; i++) {
        if (__builtin_mul_overflow(bytes, s->n[i], &bytes))
            return 0;
    }
    return bytes;
}
