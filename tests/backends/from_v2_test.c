/*
 * Documents of Zarr v2 as those of v3: what comes out is a document that reads the same chunks, or an error that
 * names the member.
 */
#include "backends/zarr/from_v2.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "array/chain.h"
#include "array/document.h"
#include "backends/zarr/twin.h"
#include "base/error.h"

#define PLAIN                                                                                     \
    "\"zarr_format\":2,\"shape\":[20,30],\"chunks\":[8,9],\"dtype\":\"<u2\",\"compressor\":null," \
    "\"filters\":null,\"order\":\"C\",\"fill_value\":7"

static struct holog_error_detail error;

static int convert(const char *zarray, struct hg_document *out)
{
    struct hg_buf json = { 0 };
    int rc = hg_zarr_array_from_v2(zarray, strlen(zarray), NULL, 0, &json);

    memset(out, 0, sizeof *out);
    if (rc == HOLOG_OK)
        rc = hg_document_read(json.data, json.len, out);
    hg_error_get(&error);
    hg_buf_release(&json);
    return rc;
}

static void demand(const char *zarray, struct hg_document *out)
{
    int rc = convert(zarray, out);

    cr_assert_eq(rc, HOLOG_OK, "%s: %s", zarray, error.message);
}

static void refused(const char *zarray, int code, const char *words)
{
    struct hg_document d;
    int rc = convert(zarray, &d);

    cr_assert_eq(rc, code, "%s: %s", zarray, holog_error_name(rc));
    cr_assert_not_null(strstr(error.message, words), "%s: %s", zarray, error.message);
    hg_document_release(&d);
}

Test(from_v2, a_plain_array_has_the_same_keys_and_elements)
{
    struct hg_document d;
    const uint8_t seven[2] = { 7, 0 };

    demand("{" PLAIN "}", &d);
    cr_assert(d.rank == 2 && d.shape[1] == 30 && d.chunk[1] == 9);
    cr_assert(d.v2_keys && d.separator == '.');
    cr_assert(d.type.dtype == HG_UINT16 && memcmp(d.fill, seven, 2) == 0);
    hg_document_release(&d);
    demand("{" PLAIN ",\"dimension_separator\":\"/\"}", &d);
    cr_assert_eq(d.separator, '/');
    hg_document_release(&d);
}

Test(from_v2, codecs_find_their_names)
{
    static const struct {
        const char *more;
        enum hg_codec_id ids[3];
        unsigned n;
    } cases[] = {
        { "\"order\":\"F\"", { HG_CODEC_TRANSPOSE, HG_CODEC_BYTES }, 2 },
        { "\"dtype\":\">u2\"", { HG_CODEC_BYTES }, 1 },
        { "\"compressor\":{\"id\":\"zstd\",\"level\":3}", { HG_CODEC_BYTES, HG_CODEC_ZSTD }, 2 },
        { "\"compressor\":{\"id\":\"gzip\",\"level\":3}", { HG_CODEC_BYTES, HG_CODEC_GZIP }, 2 },
        { "\"compressor\":{\"id\":\"lz4\",\"acceleration\":1}",
          { HG_CODEC_BYTES, HG_CODEC_LZ4 },
          2 },
        { "\"compressor\":{\"id\":\"blosc\",\"cname\":\"zstd\",\"clevel\":5,\"shuffle\":1,"
          "\"blocksize\":0}",
          { HG_CODEC_BYTES, HG_CODEC_BLOSC },
          2 },
        { "\"compressor\":{\"id\":\"blosc\",\"cname\":\"lz4\",\"clevel\":5,\"shuffle\":-1}",
          { HG_CODEC_BYTES, HG_CODEC_BLOSC },
          2 },
        { "\"filters\":[{\"id\":\"shuffle\",\"elementsize\":2}],\"compressor\":{\"id\":\"zstd\","
          "\"level\":1}",
          { HG_CODEC_BYTES, HG_CODEC_SHUFFLE, HG_CODEC_ZSTD },
          3 },
        { "\"filters\":[{\"id\":\"delta\",\"dtype\":\"<u2\"}]",
          { HG_CODEC_UNKNOWN, HG_CODEC_BYTES },
          2 },
        { "\"compressor\":{\"id\":\"bz2\",\"level\":1}", { HG_CODEC_BYTES, HG_CODEC_UNKNOWN }, 2 },
    };
    char json[800];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_document d;
        struct hg_chain *chain = NULL;
        (void)snprintf(json, sizeof json, "{%s,%s}", PLAIN, cases[i].more);
        demand(json, &d);
        cr_assert_eq(d.n_codecs, cases[i].n, "%s", json);
        for (unsigned k = 0; k < d.n_codecs; k++)
            cr_assert_eq(d.codecs[k].id, cases[i].ids[k], "%s: codec %u", json, k);
        if (d.codecs[0].id != HG_CODEC_UNKNOWN && d.codecs[d.n_codecs - 1].id != HG_CODEC_UNKNOWN &&
            d.codecs[d.n_codecs - 1].id != HG_CODEC_GZIP)
            cr_assert_eq(hg_chain_create(&d, &chain), HOLOG_OK, "%s: its configuration", json);
        hg_chain_destroy(chain);
        hg_document_release(&d);
    }
}

Test(from_v2, fill_values_of_every_kind)
{
    static const struct {
        const char *dtype, *fill;
        uint8_t bytes[8];
        size_t n;
    } cases[] = {
        { "<u2", "null", { 0, 0 }, 2 },
        { "|b1", "true", { 1 }, 1 },
        { "|b1", "1", { 1 }, 1 },
        { "<f4", "\"NaN\"", { 0, 0, 0xc0, 0x7f }, 4 },
        { "<f4", "\"-Infinity\"", { 0, 0, 0x80, 0xff }, 4 },
        { "<c8", "null", { 0 }, 8 },
        { "<u8", "18446744073709551615", { 255, 255, 255, 255, 255, 255, 255, 255 }, 8 },
        { "|V3", "\"AQID\"", { 1, 2, 3 }, 3 },
        { "|V1", "\"/w==\"", { 255 }, 1 },
        { "|V2", "null", { 0, 0 }, 2 },
    };
    char json[800];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_document d;
        (void)snprintf(json, sizeof json, "{%s,\"dtype\":\"%s\",\"fill_value\":%s}", PLAIN,
                       cases[i].dtype, cases[i].fill);
        demand(json, &d);
        cr_assert_eq(memcmp(d.fill, cases[i].bytes, cases[i].n), 0, "%s", json);
        hg_document_release(&d);
    }
}

/* There and back: the twin of what comes out says what went in. */
static void comes_back(const char *zarray)
{
    struct hg_buf json = { 0 };
    struct json_object *v2 = NULL;
    struct json_object *was = NULL;

    cr_assert_eq(hg_zarr_array_from_v2(zarray, strlen(zarray), NULL, 0, &json), HOLOG_OK);
    cr_assert_eq(hg_twin_array(json.data, json.len, &v2), HOLOG_OK, "%s", zarray);
    cr_assert_eq(hg_document_json(zarray, strlen(zarray), &was), HOLOG_OK);
    cr_assert(json_object_equal(v2, was), "%s", json_object_to_json_string(v2));
    json_object_put(v2);
    json_object_put(was);
    hg_buf_release(&json);
}

Test(from_v2, the_twin_of_it_is_what_it_was)
{
    comes_back("{" PLAIN ",\"dtype\":\">u2\",\"order\":\"F\",\"dimension_separator\":\"/\","
               "\"compressor\":{\"id\":\"zstd\",\"level\":3},"
               "\"filters\":[{\"id\":\"shuffle\",\"elementsize\":2}]}");
}

/* Names, and attributes, as the v3 document has them: NULL: none. */
static void named(const char *zattrs, const char *names, const char *attributes)
{
    struct hg_buf json = { 0 };
    struct json_object *back = NULL;
    struct json_object *was = NULL;
    struct hg_document d;

    cr_assert_eq(hg_zarr_array_from_v2("{" PLAIN "}", sizeof PLAIN + 1, zattrs, strlen(zattrs),
                                       &json),
                 HOLOG_OK);
    cr_assert_eq(hg_document_read(json.data, json.len, &d), HOLOG_OK);
    cr_assert_eq(d.names != NULL, names != NULL, "%s", zattrs);
    cr_assert(names == NULL || strcmp(json_object_to_json_string(d.names), names) == 0, "%s",
              zattrs);
    cr_assert_eq(d.attributes != NULL, attributes != NULL, "%s", zattrs);
    cr_assert(attributes == NULL ||
                  strcmp(json_object_to_json_string(d.attributes), attributes) == 0,
              "%s: %s", zattrs, json_object_to_json_string(d.attributes));
    hg_document_release(&d);
    cr_assert_eq(hg_twin_attributes(json.data, json.len, &back), HOLOG_OK);
    cr_assert_eq(hg_document_json(zattrs, strlen(zattrs), &was), HOLOG_OK);
    cr_assert(json_object_equal(back, was), "%s", json_object_to_json_string(back));
    json_object_put(back);
    json_object_put(was);
    hg_buf_release(&json);
}

Test(from_v2, names_of_axes_come_out_of_the_attributes_and_go_back_there)
{
    named("{\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}", "[ \"y\", \"x\" ]", NULL);
    named("{\"a\":1,\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}", "[ \"y\", \"x\" ]", "{ \"a\": 1 }");
    named("{\"_ARRAY_DIMENSIONS\":[\"x\"]}", NULL, "{ \"_ARRAY_DIMENSIONS\": [ \"x\" ] }");
    named("{\"_ARRAY_DIMENSIONS\":[\"y\",null]}", NULL,
          "{ \"_ARRAY_DIMENSIONS\": [ \"y\", null ] }");
    named("{\"_ARRAY_DIMENSIONS\":\"yx\"}", NULL, "{ \"_ARRAY_DIMENSIONS\": \"yx\" }");
    named("{}", NULL, "{ }");
}

Test(from_v2, types_that_nobody_here_knows_come_back_as_they_were)
{
    static const char *const types[] = { "\"<M8[ns]\"", "\">U10\"", "\"|S5\"",
                                         "[[\"a\",\"<u2\"],[\"b\",\"|S3\",[2]]]" };
    static const char *const fills[] = { "null", "0", "\"AAAAAAA=\"", "\"NaT\"" };
    char json[800];

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (size_t k = 0; k < sizeof fills / sizeof fills[0]; k++) {
            (void)
                snprintf(json, sizeof json,
                         "{" PLAIN ",\"dtype\":%s,\"fill_value\":%s,\"compressor\":{\"id\":"
                         "\"blosc\",\"cname\":\"lz4\",\"clevel\":5,\"shuffle\":1,\"blocksize\":0},"
                         "\"dimension_separator\":\".\"}",
                         types[i], fills[k]);
            comes_back(json);
        }
}

Test(from_v2, what_makes_no_sense_is_refused_and_named)
{
    refused("{" PLAIN ",\"zarr_format\":3}", HOLOG_E_INVAL, "zarr_format");
    refused("{" PLAIN ",\"shape\":3}", HOLOG_E_INVAL, "shape");
    refused("{" PLAIN ",\"shape\":[-1,2]}", HOLOG_E_INVAL, "shape");
    refused("{" PLAIN ",\"chunks\":[0,2]}", HOLOG_E_INVAL, "chunk");
    refused("{" PLAIN ",\"chunks\":null}", HOLOG_E_INVAL, "chunks");
    refused("{" PLAIN ",\"dtype\":7}", HOLOG_E_INVAL, "dtype");
    refused("{" PLAIN ",\"order\":\"K\"}", HOLOG_E_INVAL, "order");
    refused("{" PLAIN ",\"filters\":7}", HOLOG_E_INVAL, "filters");
    refused("{" PLAIN ",\"filters\":[7]}", HOLOG_E_INVAL, "filters");
    refused("{" PLAIN ",\"compressor\":{\"level\":1}}", HOLOG_E_INVAL, "compressor");
    refused("{" PLAIN ",\"compressor\":{\"id\":\"blosc\",\"shuffle\":9}}", HOLOG_E_INVAL,
            "shuffle");
    refused("{" PLAIN ",\"dimension_separator\":\"-\"}", HOLOG_E_INVAL, "dimension_separator");
    refused("{" PLAIN ",\"fill_value\":65536}", HOLOG_E_INVAL, "65536");
    refused("{" PLAIN ",\"dtype\":\"|V2\",\"fill_value\":\"A\"}", HOLOG_E_INVAL, "fill_value");
    refused("{" PLAIN ",\"dtype\":\"|V2\",\"fill_value\":\"A**=\"}", HOLOG_E_INVAL, "fill_value");
    refused("[]", HOLOG_E_INVAL, "zarr_format");
    refused("", HOLOG_E_INVAL, "");
}

Test(from_v2, attributes_come_along_and_must_be_an_object)
{
    static const char attributes[] = "{\"a\": [1, 18446744073709551615]}";
    struct hg_buf json = { 0 };
    struct hg_document d;

    cr_assert_eq(hg_zarr_array_from_v2("{" PLAIN "}", sizeof PLAIN + 1, attributes,
                                       strlen(attributes), &json),
                 HOLOG_OK);
    cr_assert_eq(hg_document_read(json.data, json.len, &d), HOLOG_OK);
    cr_assert_not_null(strstr(json_object_to_json_string(d.attributes), "18446744073709551615"));
    hg_document_release(&d);
    json.len = 0;
    cr_assert_eq(hg_zarr_group_from_v2("g", attributes, strlen(attributes), &json), HOLOG_OK);
    cr_assert_eq(hg_zarr_group_from_v2("g", "[]", 2, &json), HOLOG_E_INVAL);
    hg_buf_release(&json);
}
