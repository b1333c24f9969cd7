/*
 * The metadata document of an array; see document.h.
 */
#include "array/document.h"

#include <math.h>
#include <string.h>

#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>

#include "array/fill.h"
#include "base/error.h"

#define DEPTH_MAX  64 /* of JSON, in attributes mostly */
#define CHUNKS_MAX (UINT64_C(1) << 62)

/* ---- members -------------------------------------------------------------------------------------*/

static int bad(const char *member, const char *why)
{
    return hg_error(HOLOG_E_INVAL, "the metadata of the array: %s %s", member, why);
}

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(o, name, &value) ? value : NULL;
}

/* "" when it is no string, or holds a NUL. */
static const char *text_of(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string) ||
        strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
        return "";
    return json_object_get_string(value);
}

static int read_size(struct json_object *value, uint64_t least, uint64_t *out)
{
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return 0;
    *out = json_object_get_uint64(value);
    return *out >= least && *out <= HG_INDEX_MAX;
}

/* {name, configuration}, or the name alone. "" when it is neither. */
static const char *name_of(struct json_object *extension, struct json_object **out_configuration)
{
    *out_configuration = NULL;
    if (json_object_is_type(extension, json_type_string))
        return text_of(extension);
    if (!json_object_is_type(extension, json_type_object))
        return "";
    *out_configuration = member(extension, "configuration");
    if (*out_configuration != NULL && !json_object_is_type(*out_configuration, json_type_object))
        return "";
    return text_of(member(extension, "name"));
}

/* ---- shape and grid ------------------------------------------------------------------------------*/

static int read_shape(struct hg_document *d)
{
    struct json_object *shape = member(d->root, "shape");
    size_t n;

    if (!json_object_is_type(shape, json_type_array))
        return bad("shape", "is missing or no list");
    n = json_object_array_length(shape);
    if (n > HG_RANK_MAX)
        return hg_error(HOLOG_E_NOTSUP, "the metadata of the array: %zu axes; %d are possible", n,
                        HG_RANK_MAX);
    d->rank = (unsigned)n;
    for (unsigned i = 0; i < d->rank; i++)
        if (!read_size(json_object_array_get_idx(shape, i), 0, &d->shape[i]))
            return bad("shape", "has what is no number from 0 to 2^49 - 1");
    return HOLOG_OK;
}

static int count_chunks(const struct hg_document *d)
{
    uint64_t chunks = 1;
    uint64_t bytes = d->type.size;

    for (unsigned i = 0; i < d->rank; i++) {
        uint64_t along = HG_MAX(hg_document_chunks(d, i), (uint64_t)1);
        if (chunks > CHUNKS_MAX / along)
            return hg_error(HOLOG_E_TOOBIG, "the metadata of the array: more than 2^62 chunks");
        if (bytes > CHUNKS_MAX / d->chunk[i])
            return hg_error(HOLOG_E_TOOBIG,
                            "the metadata of the array: a chunk of more than 2^62 bytes");
        chunks *= along;
        bytes *= d->chunk[i];
    }
    return HOLOG_OK;
}

static int read_grid(struct hg_document *d)
{
    struct json_object *configuration = NULL;
    const char *name = name_of(member(d->root, "chunk_grid"), &configuration);
    struct json_object *shape = member(configuration, "chunk_shape");

    if (name[0] == 0)
        return bad("chunk_grid", "is missing or has no name");
    if (strcmp(name, "regular") != 0)
        return hg_error(HOLOG_E_NOTSUP,
                        "the metadata of the array: a chunk_grid \"%.40s\"; only "
                        "\"regular\" is known",
                        name);
    if (!json_object_is_type(shape, json_type_array) || json_object_array_length(shape) != d->rank)
        return bad("chunk_shape", "is not a list of as many numbers as shape");
    for (unsigned i = 0; i < d->rank; i++)
        if (!read_size(json_object_array_get_idx(shape, i), 1, &d->chunk[i]))
            return bad("chunk_shape", "has what is no number from 1 to 2^49 - 1");
    return count_chunks(d);
}

static int read_keys(struct hg_document *d)
{
    struct json_object *configuration = NULL;
    const char *name = name_of(member(d->root, "chunk_key_encoding"), &configuration);
    struct json_object *separator = member(configuration, "separator");

    if (name[0] == 0)
        return bad("chunk_key_encoding", "is missing or has no name");
    d->v2_keys = strcmp(name, "v2") == 0;
    if (!d->v2_keys && strcmp(name, "default") != 0)
        return hg_error(HOLOG_E_NOTSUP,
                        "the metadata of the array: a chunk_key_encoding \"%.40s\"; only "
                        "\"default\" and \"v2\" are known",
                        name);
    d->separator = d->v2_keys ? '.' : '/';
    if (separator == NULL)
        return HOLOG_OK;
    if (strcmp(text_of(separator), "/") != 0 && strcmp(text_of(separator), ".") != 0)
        return bad("chunk_key_encoding", "has a separator that is neither \"/\" nor \".\"");
    d->separator = text_of(separator)[0];
    return HOLOG_OK;
}

/* ---- values --------------------------------------------------------------------------------------*/

static int read_type(struct hg_document *d)
{
    struct json_object *type = member(d->root, "data_type");
    struct json_object *configuration = NULL;
    const char *name = name_of(type, &configuration);

    if (name[0] == 0)
        return bad("data_type", "is missing or has no name");
    d->type_name = name;
    if ((configuration != NULL && json_object_object_length(configuration) != 0) ||
        hg_type_from_v3(name, &d->type) < 0)
        d->type = hg_type_of(HG_OPAQUE, 0);
    return HOLOG_OK;
}

static int read_fill(struct hg_document *d)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(d->root, "fill_value", &value))
        return bad("fill_value", "is missing");
    return d->type.dtype == HG_OPAQUE ? HOLOG_OK : hg_fill_from_json(d->type, value, d->fill);
}

/* ---- codecs --------------------------------------------------------------------------------------*/

static const struct {
    const char *name;
    enum hg_codec_id id;
    enum hg_codec_stage stage;
} known[] = {
    { "transpose", HG_CODEC_TRANSPOSE, HG_ARRAY_TO_ARRAY },
    { "bytes", HG_CODEC_BYTES, HG_ARRAY_TO_BYTES },
    { "sharding_indexed", HG_CODEC_SHARDING, HG_ARRAY_TO_BYTES },
    { "zstd", HG_CODEC_ZSTD, HG_BYTES_TO_BYTES },
    { "gzip", HG_CODEC_GZIP, HG_BYTES_TO_BYTES },
    { "blosc", HG_CODEC_BLOSC, HG_BYTES_TO_BYTES },
    { "crc32c", HG_CODEC_CRC32C, HG_BYTES_TO_BYTES },
    { "numcodecs.lz4", HG_CODEC_LZ4, HG_BYTES_TO_BYTES },
    { "numcodecs.shuffle", HG_CODEC_SHUFFLE, HG_BYTES_TO_BYTES },
};

static int read_codec(struct json_object *extension, const char *list, struct hg_codec *out)
{
    const char *name = name_of(extension, &out->configuration);

    if (name[0] == 0)
        return bad(list, "has one without a name");
    out->name = name;
    out->id = HG_CODEC_UNKNOWN;
    out->stage = HG_STAGE_UNKNOWN;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0) {
            out->id = known[i].id;
            out->stage = known[i].stage;
        }
    }
    return HOLOG_OK;
}

/* Stages ascend, and one makes bytes of the array, unless it may be one that holog does not know. */
static int check_chain(const struct hg_codec *codecs, unsigned count, const char *list)
{
    enum hg_codec_stage at = HG_ARRAY_TO_ARRAY;
    unsigned to_bytes = 0;
    unsigned unknown = 0;

    for (unsigned i = 0; i < count; i++) {
        enum hg_codec_stage stage = codecs[i].stage;
        if (stage == HG_STAGE_UNKNOWN) {
            unknown++;
            continue;
        }
        if (stage < at || (stage == HG_ARRAY_TO_BYTES && to_bytes > 0) ||
            (stage == HG_BYTES_TO_BYTES && to_bytes == 0 && unknown == 0))
            return bad(list, "are in an order that makes no bytes of an array");
        at = stage;
        to_bytes += stage == HG_ARRAY_TO_BYTES;
    }
    return to_bytes + unknown > 0 ? HOLOG_OK : bad(list, "has none that makes bytes of an array");
}

int hg_codecs_read(struct json_object *list, const char *member, struct hg_codec *out,
                   unsigned *out_count)
{
    unsigned count = 0;
    size_t n;
    int rc = HOLOG_OK;

    if (!json_object_is_type(list, json_type_array))
        return bad(member, "is missing or no list");
    n = json_object_array_length(list);
    if (n > HG_CODECS_MAX)
        return hg_error(HOLOG_E_NOTSUP, "the metadata of the array: %zu %s; %d are possible", n,
                        member, HG_CODECS_MAX);
    for (; rc == HOLOG_OK && count < n; count++)
        rc = read_codec(json_object_array_get_idx(list, count), member, &out[count]);
    if (rc == HOLOG_OK)
        rc = check_chain(out, count, member);
    if (rc == HOLOG_OK)
        *out_count = count;
    return rc;
}

static int read_codecs(struct hg_document *d)
{
    return hg_codecs_read(member(d->root, "codecs"), "codecs", d->codecs, &d->n_codecs);
}

/* ---- the rest ------------------------------------------------------------------------------------*/

static int read_names(struct hg_document *d)
{
    d->names = member(d->root, "dimension_names");
    if (d->names == NULL)
        return HOLOG_OK;
    if (!json_object_is_type(d->names, json_type_array) ||
        json_object_array_length(d->names) != d->rank)
        return bad("dimension_names", "is not a list of as many names as shape has numbers");
    for (unsigned i = 0; i < d->rank; i++) {
        struct json_object *name = json_object_array_get_idx(d->names, i);
        if (name != NULL && !json_object_is_type(name, json_type_string))
            return bad("dimension_names", "has what is neither a string nor null");
    }
    return HOLOG_OK;
}

static int read_attributes(struct hg_document *d)
{
    struct json_object *transformers = member(d->root, "storage_transformers");

    d->attributes = member(d->root, "attributes");
    if (d->attributes != NULL && !json_object_is_type(d->attributes, json_type_object))
        return bad("attributes", "is no object");
    if (transformers != NULL && (!json_object_is_type(transformers, json_type_array) ||
                                 json_object_array_length(transformers) != 0))
        return hg_error(HOLOG_E_NOTSUP, "the metadata of the array: storage_transformers");
    return HOLOG_OK;
}

static int is_known(const char *name)
{
    static const char *const members[] = {
        "zarr_format",         "node_type",  "shape",  "data_type",  "chunk_grid",
        "chunk_key_encoding",  "fill_value", "codecs", "attributes", "dimension_names",
        "storage_transformers"
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(name, members[i]) == 0)
            return 1;
    return 0;
}

static int check_others(struct hg_document *d)
{
    json_object_object_foreach(d->root, name, value) {
        struct json_object *must = NULL;
        if (is_known(name))
            continue;
        must =
            json_object_is_type(value, json_type_object) ? member(value, "must_understand") : NULL;
        if (!json_object_is_type(must, json_type_boolean) || json_object_get_boolean(must))
            return hg_error(
                HOLOG_E_NOTSUP,
                "the metadata of the array: \"%.40s\" is not known, and must be understood", name);
    }
    return HOLOG_OK;
}

static int check_head(struct hg_document *d)
{
    uint64_t format = 0;

    if (!json_object_is_type(d->root, json_type_object))
        return hg_error(HOLOG_E_INVAL, "the metadata of the array is no JSON object");
    if (!read_size(member(d->root, "zarr_format"), 0, &format))
        return bad("zarr_format", "is missing or no number");
    if (format != 3)
        return hg_error(HOLOG_E_NOTSUP, "the metadata of the array: zarr_format %llu; 3 is known",
                        (unsigned long long)format);
    if (strcmp(text_of(member(d->root, "node_type")), "array") != 0)
        return bad("node_type", "is not \"array\"");
    return HOLOG_OK;
}

/* ---- reading -------------------------------------------------------------------------------------*/

/* Where a string that begins at `at` ends. */
static size_t behind_string(const char *json, size_t len, size_t at)
{
    for (at++; at < len && json[at] != '"'; at++)
        at += json[at] == '\\';
    return at + 1;
}

/* Digits that are more than fits 64 bits. */
static int overflows(const char *digits, size_t n, int negative)
{
    const char *most = negative ? "9223372036854775808" : "18446744073709551615";
    size_t size = strlen(most);

    for (; n > 0 && *digits == '0'; n--)
        digits++;
    return n > size || (n == size && memcmp(digits, most, n) > 0);
}

/* json-c takes an integer out of range for the nearest that is in it. SIZE_MAX: there is none. */
static size_t find_overflow(const char *json, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t end = at;
        if (json[at] == '"') {
            at = behind_string(json, len, at);
            continue;
        }
        while (end < len && json[end] >= '0' && json[end] <= '9')
            end++;
        int is_integer = end == len || strchr(".eE", json[end]) == NULL;
        int negative = at > 0 && json[at - 1] == '-';
        size_t before = at - (negative ? 1 : 0);
        int is_rest = before > 0 && strchr(".eE+", json[before - 1]) != NULL; /* of a float */
        if (is_integer && !is_rest && overflows(json + at, end - at, negative))
            return at;
        at = end + (end == at);
    }
    return SIZE_MAX;
}

/* NaN and Infinity, which json-c takes for numbers. SIZE_MAX: there is none. */
static size_t find_word(const char *json, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        if (json[at] == '"')
            at = behind_string(json, len, at) - 1;
        else if (json[at] == 'N' || json[at] == 'I')
            return at;
    }
    return SIZE_MAX;
}

/* As strictly as json-c can be asked to be. */
static int parse_words(const char *what, const char *json, size_t len, struct json_object **out)
{
    struct json_tokener *t;
    enum json_tokener_error error;
    size_t end;

    if (len > HG_DOCUMENT_MAX)
        return hg_error(HOLOG_E_TOOBIG, "the %s: %zu bytes; %u are possible", what, len,
                        HG_DOCUMENT_MAX);
    end = find_overflow(json, len);
    if (end != SIZE_MAX)
        return hg_error(HOLOG_E_INVAL, "the %s: an integer of more than 64 bits at byte %zu", what,
                        end);
    t = json_tokener_new_ex(DEPTH_MAX);
    if (t == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to read metadata");
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    *out = json_tokener_parse_ex(t, json, (int)len);
    error = json_tokener_get_error(t);
    end = json_tokener_get_parse_end(t);
    json_tokener_free(t);
    if (error == json_tokener_success && *out != NULL)
        while (end < len && strchr(" \t\r\n", json[end]) != NULL && json[end] != 0)
            end++;
    if (error == json_tokener_success && end == len)
        return HOLOG_OK;
    json_object_put(*out);
    *out = NULL;
    return hg_error(HOLOG_E_INVAL, "the %s: no JSON: %s, at byte %zu", what,
                    error == json_tokener_success    ? "something follows it"
                    : error == json_tokener_continue ? "it is cut short"
                                                     : json_tokener_error_desc(error),
                    end);
}

static int parse(const char *what, const char *json, size_t len, struct json_object **out)
{
    size_t at = len > HG_DOCUMENT_MAX ? SIZE_MAX : find_word(json, len);

    return at == SIZE_MAX
               ? parse_words(what, json, len, out)
               : hg_error(HOLOG_E_INVAL, "the %s: no JSON: a word that is none of it at byte %zu",
                          what, at);
}

/* ---- what is no number ---------------------------------------------------------------------------*/

/* A string for a number that JSON has not; or NULL: it is something else. */
static const char *word_of(struct json_object *value)
{
    double d = json_object_is_type(value, json_type_double) ? json_object_get_double(value) : 0;

    return isnan(d) ? "NaN" : isinf(d) ? (d > 0 ? "Infinity" : "-Infinity") : NULL;
}

static int mend_value(struct json_object *value, unsigned *words);

static int mend_list(struct json_object *list, unsigned *words)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < json_object_array_length(list); i++) {
        struct json_object *value = json_object_array_get_idx(list, i);
        const char *word = word_of(value);
        if (word == NULL)
            rc = mend_value(value, words);
        else if (json_object_array_put_idx(list, i, json_object_new_string(word)) != 0)
            rc = hg_error(HOLOG_E_NOMEM, "no memory for metadata");
        *words += word != NULL;
    }
    return rc;
}

/* Replacing a member leaves its place. */
static int mend_object(struct json_object *o, unsigned *words)
{
    int rc = HOLOG_OK;

    json_object_object_foreach(o, name, value) {
        const char *word = word_of(value);
        if (rc == HOLOG_OK && word == NULL)
            rc = mend_value(value, words);
        else if (rc == HOLOG_OK &&
                 json_object_object_add(o, name, json_object_new_string(word)) != 0)
            rc = hg_error(HOLOG_E_NOMEM, "no memory for metadata");
        *words += word != NULL;
    }
    return rc;
}

/* DEPTH_MAX levels at most: json-c has counted them. */
static int mend_value(struct json_object *value, unsigned *words)
{
    if (json_object_is_type(value, json_type_object))
        return mend_object(value, words);
    return json_object_is_type(value, json_type_array) ? mend_list(value, words) : HOLOG_OK;
}

int hg_document_mend(const void *json, size_t len, struct hg_buf *out, unsigned *out_words)
{
    struct json_object *root = NULL;
    const char *text = NULL;
    int rc;

    *out_words = 0;
    if (len <= HG_DOCUMENT_MAX && find_word(json, len) == SIZE_MAX)
        return HOLOG_OK;
    rc = parse_words("metadata", json, len, &root);
    if (rc == HOLOG_OK)
        rc = mend_value(root, out_words);
    if (rc == HOLOG_OK && *out_words > 0) {
        text =
            json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                     JSON_C_TO_STRING_NOSLASHESCAPE);
        rc = text == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata")
                          : hg_buf_append(out, text, strlen(text));
    }
    json_object_put(root);
    return rc;
}

int hg_document_json(const void *json, size_t len, struct json_object **out)
{
    *out = NULL;
    return parse("metadata", json, len, out);
}

int hg_document_read(const void *json, size_t len, struct hg_document *out)
{
    static int (*const steps[])(struct hg_document *) = { check_head,  read_shape, read_type,
                                                          read_grid,   read_keys,  read_fill,
                                                          read_codecs, read_names, read_attributes,
                                                          check_others };
    int rc;

    memset(out, 0, sizeof *out);
    rc = parse("metadata of the array", json, len, &out->root);
    for (size_t i = 0; rc == HOLOG_OK && i < sizeof steps / sizeof steps[0]; i++)
        rc = steps[i](out);
    return rc;
}

void hg_document_release(struct hg_document *d)
{
    json_object_put(d->root);
    d->root = NULL;
}

uint64_t hg_document_chunks(const struct hg_document *d, unsigned axis)
{
    uint64_t n = d->shape[axis] / d->chunk[axis];

    return n + (d->shape[axis] % d->chunk[axis] != 0);
}

/* ---- writing -------------------------------------------------------------------------------------*/

/* Takes the value over; 0: no memory, or there is no value. */
static int put_member(struct json_object *o, const char *name, struct json_object *value)
{
    if (o != NULL && value != NULL && json_object_object_add(o, name, value) == 0)
        return 1;
    json_object_put(value);
    return 0;
}

static struct json_object *text(const char *t)
{
    return json_object_new_string(t);
}

static struct json_object *numbers(const uint64_t *n, unsigned count)
{
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; list != NULL && i < count; i++) {
        struct json_object *number = json_object_new_uint64(n[i]);
        if (number == NULL || json_object_array_add(list, number) != 0) {
            json_object_put(number);
            json_object_put(list);
            return NULL;
        }
    }
    return list;
}

/* {"name": name, "configuration": {key: value}}; takes the value over. Older readers refuse a name alone. */
static struct json_object *extension(const char *name, const char *key, struct json_object *value)
{
    struct json_object *e = json_object_new_object();
    struct json_object *configuration = json_object_new_object();
    int ok = put_member(e, "name", text(name));

    ok &= key != NULL ? put_member(configuration, key, value) : 1;
    ok &= put_member(e, "configuration", configuration);
    if (ok)
        return e;
    json_object_put(e);
    return NULL;
}

static int put_codec(struct json_object *list, struct json_object *codec)
{
    if (list != NULL && codec != NULL && json_object_array_add(list, codec) == 0)
        return 1;
    json_object_put(codec);
    return 0;
}

static struct json_object *axes(const uint8_t *axis, unsigned count)
{
    uint64_t n[HG_RANK_MAX];

    for (unsigned i = 0; i < count; i++)
        n[i] = axis[i];
    return numbers(n, count);
}

/* Of a chunk, or of one in a shard. */
static struct json_object *inner_codecs_of(const struct hg_array_plan *p)
{
    struct json_object *list = json_object_new_array();
    int has_order = hg_type_word(p->type) > 1;
    int ok = 1;

    if (p->transpose != NULL)
        ok &= put_codec(list, extension("transpose", "order", axes(p->transpose, p->rank)));
    ok &= put_codec(list, has_order ? extension("bytes", "endian", text("little"))
                                    : extension("bytes", NULL, NULL));
    if (p->shuffle)
        ok &= put_codec(list, extension("numcodecs.shuffle", "elementsize",
                                        json_object_new_int64(p->type.size)));
    if (p->compression == HG_CODEC_ZSTD)
        ok &= put_codec(list, extension("zstd", "level", json_object_new_int(p->level)));
    else if (p->compression == HG_CODEC_LZ4)
        ok &= put_codec(list,
                        extension("numcodecs.lz4", "acceleration", json_object_new_int(p->level)));
    if (p->crc32c)
        ok &= put_codec(list, extension("crc32c", NULL, NULL));
    if (ok)
        return list;
    json_object_put(list);
    return NULL;
}

static struct json_object *codecs_of(const struct hg_array_plan *p)
{
    struct json_object *list = NULL;
    struct json_object *index = NULL;
    struct json_object *shard = NULL;
    struct json_object *configuration = NULL;
    int ok;

    if (p->inner == NULL)
        return inner_codecs_of(p);
    list = json_object_new_array();
    index = json_object_new_array();
    ok = put_codec(index, extension("bytes", "endian", text("little")));
    ok &= put_codec(index, extension("crc32c", NULL, NULL));
    shard = extension("sharding_indexed", "chunk_shape", numbers(p->inner, p->rank));
    configuration = member(shard, "configuration");
    ok &= put_member(configuration, "codecs", inner_codecs_of(p));
    ok &= put_member(configuration, "index_codecs", index);
    ok &= put_member(configuration, "index_location", text("end"));
    ok &= put_codec(list, shard);
    if (ok)
        return list;
    json_object_put(list);
    return NULL;
}

static struct json_object *names_of(const struct hg_array_plan *p)
{
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; list != NULL && i < p->rank; i++) {
        struct json_object *name = p->names[i] != NULL ? text(p->names[i]) : NULL;
        if ((p->names[i] != NULL && name == NULL) || json_object_array_add(list, name) != 0) {
            json_object_put(name);
            json_object_put(list);
            return NULL;
        }
    }
    return list;
}

static struct json_object *make(const struct hg_array_plan *p, struct json_object *attributes)
{
    static const uint8_t zeros[HG_ITEM_MAX];
    struct json_object *o = json_object_new_object();
    struct json_object *fill = NULL;
    char type[HG_DTYPE_NAME_MAX];
    int ok;

    hg_type_to_v3(p->type, type);
    ok = hg_fill_to_json(p->type, p->fill != NULL ? p->fill : zeros, &fill) == HOLOG_OK;
    ok &= put_member(o, "zarr_format", json_object_new_int(3));
    ok &= put_member(o, "node_type", text("array"));
    ok &= put_member(o, "shape", numbers(p->shape, p->rank));
    ok &= put_member(o, "data_type", text(type));
    ok &= put_member(o, "chunk_grid",
                     extension("regular", "chunk_shape", numbers(p->chunk, p->rank)));
    ok &= put_member(o, "chunk_key_encoding", extension("default", "separator", text("/")));
    ok &= put_member(o, "fill_value", fill);
    ok &= put_member(o, "codecs", codecs_of(p));
    if (p->names != NULL)
        ok &= put_member(o, "dimension_names", names_of(p));
    if (attributes != NULL)
        ok &= put_member(o, "attributes", attributes);
    if (ok)
        return o;
    json_object_put(o);
    return NULL;
}

/* What is written is what would be read. */
static int append_checked(struct json_object *o, struct hg_buf *out)
{
    const char *json =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                              JSON_C_TO_STRING_NOSLASHESCAPE);
    struct hg_document d;
    int rc;

    if (json == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
    rc = hg_document_read(json, strlen(json), &d);
    hg_document_release(&d);
    return rc < 0 ? rc : hg_buf_append(out, json, strlen(json));
}

static int check_plan(const struct hg_array_plan *p)
{
    uint32_t seen = 0;

    for (unsigned i = 0; i < p->rank && p->inner != NULL; i++)
        if (p->inner[i] == 0 || p->chunk[i] % p->inner[i] != 0)
            return hg_error(HOLOG_E_INVAL,
                            "axis %u: chunks of %llu are not made up of chunks of %llu", i,
                            (unsigned long long)p->chunk[i], (unsigned long long)p->inner[i]);
    for (unsigned i = 0; i < p->rank && p->transpose != NULL; i++) {
        unsigned axis = p->transpose[i];
        if (axis >= p->rank || (seen >> axis & 1) != 0)
            return hg_error(HOLOG_E_INVAL, "the order of axes does not have each of %u once",
                            p->rank);
        seen |= UINT32_C(1) << axis;
    }
    return HOLOG_OK;
}

int hg_document_attributes(const char *json, struct json_object **out)
{
    struct json_object *attributes = NULL;
    int rc = json == NULL ? HOLOG_OK : parse("attributes", json, strlen(json), &attributes);

    if (rc == HOLOG_OK && attributes != NULL &&
        !json_object_is_type(attributes, json_type_object)) {
        json_object_put(attributes);
        rc = bad("attributes", "is no object");
    }
    if (rc == HOLOG_OK)
        *out = attributes;
    return rc;
}

int hg_document_change(const struct hg_document *d, const uint64_t *shape, const char *attributes,
                       struct hg_buf *out)
{
    struct json_object *o = NULL;
    struct json_object *parsed = NULL;
    int ok;
    int rc = hg_document_attributes(attributes, &parsed);

    if (rc < 0)
        return rc;
    ok = json_object_deep_copy(d->root, &o, NULL) == 0;
    if (ok && shape != NULL)
        ok = put_member(o, "shape", numbers(shape, d->rank));
    if (ok && parsed != NULL) {
        ok = put_member(o, "attributes", parsed);
        parsed = NULL;
    }
    rc = ok ? append_checked(o, out) : hg_error(HOLOG_E_NOMEM, "no memory for metadata");
    json_object_put(parsed);
    json_object_put(o);
    return rc;
}

int hg_document_write(const struct hg_array_plan *plan, struct hg_buf *out)
{
    struct json_object *attributes = NULL;
    struct json_object *o;
    int rc = check_plan(plan);

    if (rc == HOLOG_OK)
        rc = hg_document_attributes(plan->attributes, &attributes);
    if (rc < 0)
        return rc;
    o = make(plan, attributes);
    rc = o == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata") : append_checked(o, out);
    json_object_put(o);
    return rc;
}
