/* The metadata document of an array: what is read of it, and what is refused, by name. */
#include "array/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"

#define HEAD   "{\"zarr_format\":3,\"node_type\":\"array\","
#define SHAPE  "\"shape\":[10,20],"
#define TYPE   "\"data_type\":\"uint16\","
#define GRID   "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[4,20]}},"
#define KEYS   "\"chunk_key_encoding\":{\"name\":\"default\"},"
#define FILL   "\"fill_value\":513,"
#define CODECS "\"codecs\":[{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}]"

static struct hg_document doc;
static struct holog_error_detail error;

static int read_text(const char *json)
{
    int rc;

    hg_error_clear();
    rc = hg_document_read(json, strlen(json), &doc);
    hg_error_get(&error);
    if (rc < 0)
        hg_document_release(&doc);
    return rc;
}

static void refused(int line, int code, const char *json, const char *words)
{
    cr_assert_eq(read_text(json), code, "line %d: %s", line, error.message);
    cr_assert_not_null(strstr(error.message, words), "line %d: %s", line, error.message);
}
#define REFUSED(code, json, words) refused(__LINE__, (code), (json), (words))

Test(document, a_plain_one_is_read)
{
    cr_assert_eq(read_text(HEAD SHAPE TYPE GRID KEYS FILL CODECS "}\n"), HOLOG_OK, "%s",
                 error.message);
    cr_assert(doc.type.dtype == HG_UINT16 && doc.type.size == 2 && doc.rank == 2);
    cr_assert(doc.shape[0] == 10 && doc.shape[1] == 20 && doc.chunk[0] == 4 && doc.chunk[1] == 20);
    cr_assert_eq(memcmp(doc.fill, "\1\2", 2), 0);
    cr_assert(doc.separator == '/' && !doc.v2_keys);
    cr_assert(doc.n_codecs == 1 && doc.codecs[0].id == HG_CODEC_BYTES);
    cr_assert_not_null(doc.codecs[0].configuration);
    cr_assert_null(doc.names);
    cr_assert_null(doc.attributes);
    cr_assert_eq(hg_document_chunks(&doc, 0), 3);
    cr_assert_eq(hg_document_chunks(&doc, 1), 1);
    hg_document_release(&doc);
}

Test(document, all_that_may_be_there_is_kept)
{
    cr_assert_eq(
        read_text(
            HEAD SHAPE TYPE GRID
            "\"chunk_key_encoding\":{\"name\":\"v2\",\"configuration\":{\"separator\":\"/\"}},"
            "\"dimension_names\":[\"y\",null],\"attributes\":{\"a\":{\"b\":[1,2]}},"
            "\"storage_transformers\":[],\"extra\":{\"must_understand\":false,\"x\":1}," FILL
            "\"codecs\":[{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}},"
            "\"bytes\",{\"name\":\"numcodecs.shuffle\"},{\"name\":\"zstd\"},\"crc32c\"]}"),
        HOLOG_OK, "%s", error.message);
    cr_assert(doc.v2_keys && doc.separator == '/');
    cr_assert_eq(json_object_array_length(doc.names), 2);
    cr_assert_str_eq(json_object_to_json_string_ext(doc.attributes, JSON_C_TO_STRING_PLAIN),
                     "{\"a\":{\"b\":[1,2]}}");
    cr_assert_eq(doc.n_codecs, 5);
    cr_assert(doc.codecs[1].id == HG_CODEC_BYTES && doc.codecs[1].configuration == NULL);
    cr_assert(doc.codecs[3].id == HG_CODEC_ZSTD && doc.codecs[4].id == HG_CODEC_CRC32C);
    hg_document_release(&doc);
}

Test(document, a_single_value_and_an_empty_axis_are_arrays)
{
    cr_assert_eq(
        read_text(
            HEAD
            "\"shape\":[]," TYPE
            "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[]}}," KEYS
                FILL CODECS "}"),
        HOLOG_OK, "%s", error.message);
    cr_assert_eq(doc.rank, 0);
    hg_document_release(&doc);
    cr_assert_eq(read_text(HEAD "\"shape\":[0,562949953421311]," TYPE GRID KEYS FILL CODECS "}"),
                 HOLOG_OK, "%s", error.message);
    cr_assert_eq(hg_document_chunks(&doc, 0), 0);
    cr_assert_eq(hg_document_chunks(&doc, 1), 28147497671066);
    hg_document_release(&doc);
}

Test(document, a_codec_that_is_not_known_is_kept_and_told)
{
    cr_assert_eq(read_text(
                     HEAD SHAPE TYPE GRID KEYS FILL
                     "\"codecs\":[{\"name\":\"bytes\"},{\"name\":\"https://example.org/x\"}]}"),
                 HOLOG_OK, "%s", error.message);
    cr_assert_eq(doc.codecs[1].id, HG_CODEC_UNKNOWN);
    hg_document_release(&doc);
    cr_assert_eq(read_text(HEAD SHAPE TYPE GRID KEYS FILL "\"codecs\":[\"packbits\",\"zstd\"]}"),
                 HOLOG_OK, "%s", error.message);
    hg_document_release(&doc);
}

Test(document, what_is_missing_or_of_another_kind_is_named)
{
    REFUSED(HOLOG_E_INVAL, "{\"node_type\":\"array\"}", "zarr_format");
    REFUSED(HOLOG_E_INVAL, "{\"zarr_format\":\"3\"}", "zarr_format");
    REFUSED(HOLOG_E_NOTSUP, "{\"zarr_format\":2}", "zarr_format 2");
    REFUSED(HOLOG_E_INVAL, "{\"zarr_format\":3,\"node_type\":\"group\"}", "node_type");
    REFUSED(HOLOG_E_INVAL, HEAD TYPE GRID KEYS FILL CODECS "}", "shape");
    REFUSED(HOLOG_E_INVAL, HEAD "\"shape\":[10,-1]," TYPE GRID KEYS FILL CODECS "}", "shape");
    REFUSED(HOLOG_E_INVAL, HEAD "\"shape\":[10,2.0]," TYPE GRID KEYS FILL CODECS "}", "shape");
    REFUSED(HOLOG_E_INVAL, HEAD "\"shape\":[10,562949953421312]," TYPE GRID KEYS FILL CODECS "}",
            "shape");
    REFUSED(HOLOG_E_INVAL,
            HEAD "\"shape\":[10,18446744073709551615]," TYPE GRID KEYS FILL CODECS "}", "shape");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE GRID KEYS FILL CODECS "}", "data_type");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE "\"data_type\":{\"names\":7}," GRID KEYS FILL CODECS "}",
            "data_type");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE KEYS FILL CODECS "}", "chunk_grid");
    REFUSED(HOLOG_E_NOTSUP,
            HEAD SHAPE TYPE "\"chunk_grid\":{\"name\":\"rectangular\"}," KEYS FILL CODECS "}",
            "rectangular");
    REFUSED(HOLOG_E_INVAL,
            HEAD SHAPE TYPE "\"chunk_grid\":{\"name\":\"regular\"}," KEYS FILL CODECS "}",
            "chunk_shape");
    REFUSED(HOLOG_E_INVAL, HEAD "\"shape\":[1,2,3]," TYPE GRID KEYS FILL CODECS "}", "chunk_shape");
    REFUSED(HOLOG_E_INVAL,
            HEAD SHAPE TYPE
            "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[4,0]}}," KEYS
                FILL CODECS "}",
            "chunk_shape");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID FILL CODECS "}", "chunk_key_encoding");
    REFUSED(HOLOG_E_NOTSUP, HEAD SHAPE TYPE GRID "\"chunk_key_encoding\":\"v4\"," FILL CODECS "}",
            "v4");
    REFUSED(
        HOLOG_E_INVAL,
        HEAD SHAPE TYPE GRID
        "\"chunk_key_encoding\":{\"name\":\"default\",\"configuration\":{\"separator\":\"-\"}}," FILL
            CODECS "}",
        "separator");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS CODECS "}", "fill_value");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS "\"fill_value\":null," CODECS "}",
            "fill value");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS "\"fill_value\":65536," CODECS "}", "65536");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS FILL "\"attributes\":[]," CODECS "}",
            "attributes");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS FILL "\"dimension_names\":[\"y\"]," CODECS "}",
            "dimension_names");
    REFUSED(HOLOG_E_INVAL,
            HEAD SHAPE TYPE GRID KEYS FILL "\"dimension_names\":[\"y\",1]," CODECS "}",
            "dimension_names");
    REFUSED(HOLOG_E_NOTSUP,
            HEAD SHAPE TYPE GRID KEYS FILL "\"storage_transformers\":[{}]," CODECS "}",
            "storage_transformers");
    REFUSED(HOLOG_E_NOTSUP,
            HEAD SHAPE TYPE GRID KEYS FILL "\"extra\":{\"must_understand\":true}," CODECS "}",
            "extra");
    REFUSED(HOLOG_E_NOTSUP, HEAD SHAPE TYPE GRID KEYS FILL "\"extra\":1," CODECS "}", "extra");
}

Test(document, codecs_stand_in_the_order_of_their_stages)
{
    static const char *const bad[] = { "{}",
                                       "[]",
                                       "[1]",
                                       "[{}]",
                                       "[{\"name\":1}]",
                                       "[{\"name\":\"bytes\",\"configuration\":1}]",
                                       "[\"zstd\"]",
                                       "[\"zstd\",\"bytes\"]",
                                       "[\"bytes\",\"bytes\"]",
                                       "[\"bytes\",\"sharding_indexed\"]",
                                       "[\"bytes\",\"transpose\"]",
                                       "[\"transpose\"]",
                                       "[\"bytes\",\"zstd\",\"transpose\"]" };
    char json[700];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(json, sizeof json, "%s\"codecs\":%s}", HEAD SHAPE TYPE GRID KEYS FILL,
                       bad[i]);
        cr_assert_eq(read_text(json), HOLOG_E_INVAL, "%s", bad[i]);
        cr_assert_not_null(strstr(error.message, "codecs"), "%s: %s", bad[i], error.message);
    }
}

Test(document, what_is_too_large_is_told_before_it_is_made)
{
    char json[4000];
    size_t at = (size_t)snprintf(json, sizeof json, "%s\"shape\":[1", HEAD);

    for (int i = 0; i < 32; i++)
        at += (size_t)snprintf(json + at, sizeof json - at, ",1");
    (void)snprintf(json + at, sizeof json - at, "]}");
    REFUSED(HOLOG_E_NOTSUP, json, "33 axes");
    REFUSED(HOLOG_E_TOOBIG,
            HEAD
            "\"shape\":[562949953421311,562949953421311]," TYPE
            "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[1,1]}}," KEYS
                FILL CODECS "}",
            "chunks");
    REFUSED(
        HOLOG_E_TOOBIG,
        HEAD
        "\"shape\":[1,1]," TYPE
        "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[562949953421311,"
        "562949953421311]}}," KEYS FILL CODECS "}",
        "chunk");
    cr_assert_eq(hg_document_read(json, (size_t)HG_DOCUMENT_MAX + 1, &doc), HOLOG_E_TOOBIG);
    hg_document_release(&doc);
}

Test(document, an_integer_that_json_c_would_cut_is_refused)
{
    static const char *const bad[] = { "18446744073709551616", "-9223372036854775809",
                                       "100000000000000000000", "[1, 99999999999999999999999]" };
    static const char *const good[] = {
        "18446744073709551615",         "-9223372036854775808",    "1e99",
        "0.18446744073709551616",       "1E-18446744073709551616", "\"18446744073709551616\"",
        "\"a\\\"18446744073709551616\""
    };
    char json[700];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(json, sizeof json, "%s\"attributes\":{\"a\":%s}}",
                       HEAD SHAPE TYPE GRID KEYS FILL CODECS ",", bad[i]);
        REFUSED(HOLOG_E_INVAL, json, "64 bits");
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(json, sizeof json, "%s\"attributes\":{\"a\":%s}}",
                       HEAD SHAPE TYPE GRID KEYS FILL CODECS ",", good[i]);
        cr_assert_eq(read_text(json), HOLOG_OK, "%s: %s", good[i], error.message);
        hg_document_release(&doc);
    }
}

Test(document, what_is_no_json_is_told_with_its_place)
{
    static const char good[] = HEAD SHAPE TYPE GRID KEYS FILL CODECS "}";
    char deep[400];

    for (size_t len = 0; len < sizeof good - 1; len++) {
        int rc = hg_document_read(good, len, &doc);
        cr_assert_eq(rc, HOLOG_E_INVAL, "cut to %zu", len);
        hg_document_release(&doc);
    }
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS FILL CODECS "} x", "byte");
    REFUSED(HOLOG_E_INVAL, HEAD SHAPE TYPE GRID KEYS FILL CODECS "}{}", "byte");
    REFUSED(HOLOG_E_INVAL, "[1]", "object");
    REFUSED(HOLOG_E_INVAL, "null", "JSON");
    REFUSED(HOLOG_E_INVAL, HEAD "\"attributes\":{\"a\":\"\xff\"}}", "JSON");
    memset(deep, '[', sizeof deep);
    cr_assert_eq(hg_document_read(deep, sizeof deep, &doc), HOLOG_E_INVAL);
    hg_document_release(&doc);
}

/* ---- writing -------------------------------------------------------------------------------------*/

static char *written(const struct hg_array_plan *plan)
{
    struct hg_buf b = { 0 };
    char *json;

    cr_assert_eq(hg_document_write(plan, &b), HOLOG_OK);
    json = strndup((const char *)b.data, b.len);
    hg_buf_release(&b);
    return json;
}

Test(document, a_new_one_is_what_every_client_reads)
{
    static const uint64_t shape[3] = { 900, 2048, 2048 };
    static const uint64_t chunk[3] = { 1, 2048, 2048 };
    static const char *const names[3] = { "z", NULL, "x" };
    const struct hg_array_plan plan = { .type = hg_type_of(HG_UINT16, 0),
                                        .rank = 3,
                                        .shape = shape,
                                        .chunk = chunk,
                                        .names = names,
                                        .attributes = "{\"pixel/size\": 0.325}",
                                        .compression = HG_CODEC_ZSTD,
                                        .level = 1 };
    static const char want[] =
        "{\n"
        "  \"zarr_format\": 3,\n"
        "  \"node_type\": \"array\",\n"
        "  \"shape\": [\n    900,\n    2048,\n    2048\n  ],\n"
        "  \"data_type\": \"uint16\",\n"
        "  \"chunk_grid\": {\n"
        "    \"name\": \"regular\",\n"
        "    \"configuration\": {\n"
        "      \"chunk_shape\": [\n        1,\n        2048,\n        2048\n      ]\n"
        "    }\n"
        "  },\n"
        "  \"chunk_key_encoding\": {\n"
        "    \"name\": \"default\",\n"
        "    \"configuration\": {\n      \"separator\": \"/\"\n    }\n"
        "  },\n"
        "  \"fill_value\": 0,\n"
        "  \"codecs\": [\n"
        "    {\n"
        "      \"name\": \"bytes\",\n"
        "      \"configuration\": {\n        \"endian\": \"little\"\n      }\n"
        "    },\n"
        "    {\n"
        "      \"name\": \"zstd\",\n"
        "      \"configuration\": {\n        \"level\": 1\n      }\n"
        "    }\n"
        "  ],\n"
        "  \"dimension_names\": [\n    \"z\",\n    null,\n    \"x\"\n  ],\n"
        "  \"attributes\": {\n    \"pixel/size\": 0.325\n  }\n"
        "}";
    char *json = written(&plan);

    cr_assert_str_eq(json, want);
    free(json);
}

Test(document, what_is_written_is_read_again)
{
    static const char *const types[] = { "bool",    "int8",    "int64",     "uint64",     "float16",
                                         "float32", "float64", "complex64", "complex128", "r40" };
    static const uint64_t sizes[3] = { 7, 1, HG_INDEX_MAX };
    uint8_t fill[16];

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (unsigned rank = 0; rank <= 3; rank++) {
            struct hg_array_plan plan = { .rank = rank,
                                          .shape = sizes,
                                          .chunk = sizes,
                                          .fill = fill,
                                          .compression =
                                              rank == 1 ? HG_CODEC_LZ4 : HG_CODEC_UNKNOWN };
            cr_assert_eq(hg_type_from_v3(types[i], &plan.type), HOLOG_OK);
            memset(fill, i == 0 ? 1 : 0xff, sizeof fill);
            plan.level = 1;
            char *json = written(&plan);
            cr_assert_eq(read_text(json), HOLOG_OK, "%s: %s", json, error.message);
            cr_assert(doc.type.dtype == plan.type.dtype && doc.type.size == plan.type.size);
            cr_assert_eq(doc.rank, rank);
            cr_assert_eq(memcmp(doc.shape, sizes, rank * sizeof sizes[0]), 0);
            cr_assert_eq(memcmp(doc.fill, fill, plan.type.size), 0, "%s", json);
            cr_assert_eq(doc.n_codecs, rank == 1 ? 2 : 1);
            hg_document_release(&doc);
            free(json);
        }
    }
}

Test(document, all_that_chunks_can_go_through_is_written)
{
    static const uint64_t shape[2] = { 100, 60 };
    static const uint64_t chunk[2] = { 20, 30 };
    static const uint64_t inner[2] = { 10, 10 };
    static const uint8_t order[2] = { 1, 0 };
    static const char *const codecs =
        "[{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}},"
        "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}},"
        "{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":4}},"
        "{\"name\":\"numcodecs.lz4\",\"configuration\":{\"acceleration\":1}},"
        "{\"name\":\"crc32c\",\"configuration\":{}}]";
    struct hg_array_plan plan = { .type = hg_type_of(HG_FLOAT32, 0),
                                  .rank = 2,
                                  .shape = shape,
                                  .chunk = chunk,
                                  .transpose = order,
                                  .shuffle = 1,
                                  .compression = HG_CODEC_LZ4,
                                  .level = 1,
                                  .crc32c = 1 };
    char want[2048];
    char *json = written(&plan);

    cr_assert_eq(read_text(json), HOLOG_OK, "%s", error.message);
    cr_assert_str_eq(json_object_to_json_string_ext(json_object_object_get(doc.root, "codecs"),
                                                    JSON_C_TO_STRING_PLAIN),
                     codecs);
    hg_document_release(&doc);
    free(json);
    plan.inner = inner;
    (void)snprintf(want, sizeof want,
                   "[{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[10,10],"
                   "\"codecs\":%s,\"index_codecs\":["
                   "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}},"
                   "{\"name\":\"crc32c\",\"configuration\":{}}],\"index_location\":\"end\"}}]",
                   codecs);
    json = written(&plan);
    cr_assert_eq(read_text(json), HOLOG_OK, "%s", error.message);
    cr_assert_str_eq(json_object_to_json_string_ext(json_object_object_get(doc.root, "codecs"),
                                                    JSON_C_TO_STRING_PLAIN),
                     want);
    hg_document_release(&doc);
    free(json);
}

Test(document, what_could_not_be_read_is_not_written)
{
    static const uint64_t good[1] = { 4 };
    static const uint64_t none[1] = { 0 };
    static const uint64_t three[1] = { 3 };
    static const uint8_t beyond[1] = { 1 };
    struct hg_array_plan plan = {
        .type = hg_type_of(HG_INT8, 0), .rank = 1, .shape = good, .chunk = none
    };
    static const char *const names[1] = { "\xff" };
    struct hg_buf b = { 0 };

    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL, "a chunk of nothing");
    plan.chunk = good;
    plan.attributes = "[]";
    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL);
    plan.attributes = "{";
    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL);
    plan.attributes = NULL;
    plan.names = names;
    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL, "a name that is not UTF-8");
    plan.names = NULL;
    plan.inner = none;
    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL);
    plan.inner = three;
    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL, "4 is no multiple of 3");
    plan.inner = NULL;
    plan.transpose = beyond;
    cr_assert_eq(hg_document_write(&plan, &b), HOLOG_E_INVAL, "there is no second axis");
    cr_assert_eq(b.len, 0);
    hg_buf_release(&b);
}

/* ---- what others have ----------------------------------------------------------------------------*/

Test(document, of_a_type_that_is_not_known_all_but_the_elements_is)
{
    static const char *const types[] = {
        "\"string\"", "\"r12\"",
        "{\"name\":\"numpy.datetime64\",\"configuration\":{\"unit\":\"s\",\"scale_factor\":1}}",
        "{\"name\":\"uint16\",\"configuration\":{\"of\":\"somebody\"}}"
    };
    static const char *const fills[] = { "null", "\"\"", "{\"any\":1}" };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (size_t k = 0; k < sizeof fills / sizeof fills[0]; k++) {
            char json[600];
            struct hg_document d;
            int n = snprintf(json, sizeof json,
                             HEAD SHAPE GRID KEYS CODECS ",\"data_type\":%s,\"fill_value\":%s}",
                             types[i], fills[k]);
            cr_assert_eq(hg_document_read(json, (size_t)n, &d), HOLOG_OK, "%s", json);
            cr_assert(d.type.dtype == HG_OPAQUE && d.type.size == 0 && d.rank > 0, "%s", json);
            cr_assert_not_null(strstr(types[i], d.type_name));
            hg_document_release(&d);
        }
    }
}

static const char *mended(const char *json, unsigned *out_words)
{
    static char text[400];
    struct hg_buf b = { 0 };
    int rc = hg_document_mend(json, strlen(json), &b, out_words);

    (void)snprintf(text, sizeof text, "%s%.*s", rc < 0 ? holog_error_name(rc) : "", (int)b.len,
                   b.data != NULL ? (const char *)b.data : "");
    hg_buf_release(&b);
    for (char *c = text; (c = strpbrk(c, " \n")) != NULL;)
        memmove(c, c + 1, strlen(c));
    return text;
}

Test(document, numbers_that_json_has_not_become_strings_and_nothing_else_changes)
{
    unsigned words = 0;

    cr_assert_str_eq(mended("{\"a\":[1.50,NaN,{\"b\":-Infinity}],\"Infinity\":Infinity,"
                            "\"n\":18446744073709551615,\"t\":\"NaN\"}",
                            &words),
                     "{\"a\":[1.50,\"NaN\",{\"b\":\"-Infinity\"}],\"Infinity\":\"Infinity\","
                     "\"n\":18446744073709551615,\"t\":\"NaN\"}");
    cr_assert_eq(words, 3);
    cr_assert_str_eq(mended("{\"t\":\"NaN\"}", &words), "");
    cr_assert_eq(words, 0, "it is JSON as it stands");
    cr_assert_str_eq(mended("{\"a\":NaNny}", &words), "HOLOG_E_INVAL");
    cr_assert_str_eq(mended("{\"a\":NaN", &words), "HOLOG_E_INVAL");
    cr_assert_str_eq(mended("{\"a\":[NaN,18446744073709551616]}", &words), "HOLOG_E_INVAL");
}
