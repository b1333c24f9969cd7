/*
 * What is kept as Zarr v3 seen as v2, and consolidated metadata.
 */
#include <stdio.h>
#include <string.h>

#include "zarrkit.h"

ZARR_SUITE(zarr_v2);

/* ---- Zarr v2 -------------------------------------------------------------------------------------*/

static const char *get_at(unsigned flags, const char *key)
{
    static char text[4000];
    holog_zarr *z = open_at("/", flags);
    size_t len = 0;
    int rc = get_key(z, key, text, sizeof text, &len);

    close_zarr(z);
    return rc == HOLOG_OK ? text : holog_error_name(rc);
}

static const char *as_v2(const char *key)
{
    return get_at(HOLOG_ZARR_V2, key);
}

/* An array of two axes, 4 x 6 in chunks of 2 x 2. */
static int set_array(const char *key, const char *type, const char *fill, const char *codecs,
                     const char *more)
{
    char json[1000];

    (void)
        snprintf(json, sizeof json,
                 "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4,6],\"data_type\":\"%s\","
                 "\"fill_value\":%s,\"chunk_grid\":{\"name\":\"regular\",\"configuration\":"
                 "{\"chunk_shape\":[2,2]}},\"chunk_key_encoding\":{\"name\":\"default\"},"
                 "\"codecs\":[%s]%s}",
                 type, fill, codecs, more);
    return set_text(key, json);
}

#define LITTLE "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}"

static void twin(const char *type, const char *fill, const char *codecs, const char *want)
{
    char all[1000];

    OK(set_array("a/zarr.json", type, fill, codecs, ""));
    (void)snprintf(all, sizeof all,
                   "{\"zarr_format\":2,\"shape\":[4,6],\"chunks\":[2,2],%s,"
                   "\"dimension_separator\":\"/\"}",
                   want);
    cr_assert_str_eq(as_v2("a/.zarray"), all);
}

Test(zarr_v2, an_array_of_v3_is_one_of_v2)
{
    twin("uint16", "7", LITTLE,
         "\"dtype\":\"<u2\",\"fill_value\":7,\"filters\":null,\"compressor\":null,"
         "\"order\":\"C\"");
    twin("uint64", "18446744073709551615",
         LITTLE ",{\"name\":\"zstd\",\"configuration\":{\"level\":3,\"checksum\":false}}",
         "\"dtype\":\"<u8\",\"fill_value\":18446744073709551615,\"filters\":null,"
         "\"compressor\":{\"id\":\"zstd\",\"level\":3},\"order\":\"C\"");
    twin("float32", "\"NaN\"",
         LITTLE ",{\"name\":\"numcodecs.lz4\",\"configuration\":{\"acceleration\":2}}",
         "\"dtype\":\"<f4\",\"fill_value\":\"NaN\",\"filters\":null,"
         "\"compressor\":{\"id\":\"lz4\",\"acceleration\":2},\"order\":\"C\"");
    twin("float32", "\"0x7fc00001\"",
         "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}}," LITTLE
         ",{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":4}},"
         "{\"name\":\"gzip\",\"configuration\":{\"level\":5}}",
         "\"dtype\":\"<f4\",\"fill_value\":\"NaN\","
         "\"filters\":[{\"id\":\"shuffle\",\"elementsize\":4}],"
         "\"compressor\":{\"id\":\"gzip\",\"level\":5},\"order\":\"F\"");
    twin("r24", "[1,2,255]", "{\"name\":\"bytes\"}",
         "\"dtype\":\"|V3\",\"fill_value\":\"AQL/\",\"filters\":null,\"compressor\":null,"
         "\"order\":\"C\"");
    twin("r32", "[0,0,0,1]", "{\"name\":\"bytes\"}",
         "\"dtype\":\"|V4\",\"fill_value\":\"AAAAAQ==\",\"filters\":null,"
         "\"compressor\":null,\"order\":\"C\"");
    twin("complex64", "[\"-Infinity\",\"0x7fc00001\"]", LITTLE,
         "\"dtype\":\"<c8\",\"fill_value\":[\"-Infinity\",\"NaN\"],\"filters\":null,"
         "\"compressor\":null,\"order\":\"C\"");
    twin("bool", "true",
         "{\"name\":\"bytes\"},{\"name\":\"blosc\",\"configuration\":{\"cname\":\"lz4\","
         "\"clevel\":5,\"shuffle\":\"bitshuffle\",\"typesize\":1,\"blocksize\":0}}",
         "\"dtype\":\"|b1\",\"fill_value\":true,\"filters\":null,\"compressor\":"
         "{\"id\":\"blosc\",\"cname\":\"lz4\",\"clevel\":5,\"shuffle\":2,"
         "\"blocksize\":0},\"order\":\"C\"");
}

Test(zarr_v2, the_order_of_bytes_is_in_the_type)
{
    OK(set_array("a/zarr.json", "uint16", "0",
                 "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"big\"}}", ""));
    cr_assert_not_null(strstr(as_v2("a/.zarray"), "\">u2\""));
}

Test(zarr_v2, an_array_whose_chunks_would_be_other_bytes_is_not_in_v2)
{
    static const char *const codecs[] = {
        LITTLE ",{\"name\":\"crc32c\"}",
        LITTLE ",{\"name\":\"zstd\"},{\"name\":\"gzip\"}",
        LITTLE ",{\"name\":\"zstd\"},{\"name\":\"numcodecs.shuffle\"}",
        "{\"name\":\"transpose\",\"configuration\":{\"order\":[0,1]}}," LITTLE,
        LITTLE ",{\"name\":\"new\"}",
    };
    holog_zarr_info info = { .struct_size = sizeof info };
    char told[4000];
    holog_zarr *z;

    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        OK(set_array("a/zarr.json", "uint16", "0", codecs[i], ",\"attributes\":{\"x\":1}"));
        OK(set_text("a/c/0/0", "00"));
        OK(set_text("a/notes", "x"));
        cr_assert_str_eq(as_v2("a/.zarray"), "HOLOG_E_NOTSUP", "%s", codecs[i]);
        cr_assert_str_eq(as_v2("a/.zattrs"), "HOLOG_E_NOTSUP", "%s", codecs[i]);
        z = open_at("/", HOLOG_ZARR_V2);
        FAILS(HOLOG_E_NOTSUP, holog_zarr_stat(z, "a/0/0", &info), "a/0/0");
        told[0] = 0;
        OK(holog_zarr_list(z, "a", append_key, told));
        cr_assert_str_eq(told, "a/notes=1 ");
        close_zarr(z);
        drop_prefix("a");
    }
}

#define NAMED ",\"dimension_names\":[\"y\",\"x\"],\"attributes\":{\"unit\":\"\xc2\xb5m/s\"}"

static void make_v2(void)
{
    OK(set_text("g/zarr.json",
                "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"k\":[1]}}"));
    OK(set_array("g/a/zarr.json", "uint8", "0", "{\"name\":\"bytes\"}", NAMED));
    OK(set_text("g/a/c/0/2", "0202"));
    OK(set_text("g/a/c/1/0", "1010"));
    OK(set_text("g/text", "x"));
}

Test(zarr_v2, the_same_entries_have_the_keys_of_v2)
{
    char told[4000] = "";
    holog_zarr *z;

    make_v2();
    cr_assert_str_eq(as_v2(".zgroup"), "{\"zarr_format\":2}");
    cr_assert_str_eq(as_v2(".zattrs"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/.zgroup"), "{\"zarr_format\":2}");
    cr_assert_str_eq(as_v2("g/.zattrs"), "{\"k\":[1]}");
    cr_assert_str_eq(as_v2("g/.zarray"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/.zmetadata"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/a/.zattrs"),
                     "{\"unit\":\"\\u00b5m/s\",\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}");
    cr_assert_str_eq(as_v2("g/a/.zgroup"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/a/0/2"), "0202");
    cr_assert_str_eq(as_v2("g/a/c/0/2"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/a/zarr.json"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("zarr.json"), "HOLOG_E_NOENT");
    z = open_at("/", HOLOG_ZARR_V2);
    OK(holog_zarr_list(z, "g", append_key, told));
    cr_assert_str_eq(told, "g/.zgroup=17 g/.zattrs=9 g/a/.zarray=146 g/a/.zattrs=50 g/a/0/2=4 "
                           "g/a/1/0=4 g/text=1 ");
    told[0] = 0;
    OK(holog_zarr_list_dir(z, "g/a", append_name, told));
    cr_assert_str_eq(told, ".zarray=146 .zattrs=50 0/ 1/ ");
    close_zarr(z);
}

/* zarr-python 2 takes documents for ASCII; that of v3 is what was set. */
Test(zarr_v2, documents_are_ascii)
{
    OK(set_text("g/zarr.json",
                "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":"
                "{\"\xe4\xb8\xad\":\"caf\xc3\xa9 \xf0\x9f\x94\xac!\",\"\xef\xbf\xbf\":1}}"));
    cr_assert_str_eq(as_v2("g/.zattrs"),
                     "{\"\\u4e2d\":\"caf\\u00e9 \\ud83d\\udd2c!\",\"\\uffff\":1}");
    cr_assert_not_null(strstr(as_v2(".zmetadata"), "\"g/.zattrs\":{\"\\u4e2d\":\"caf\\u00e9 "));
}

Test(zarr_v2, consolidated_metadata_is_that_of_the_view)
{
    make_v2();
    OK(set_array("g/b/zarr.json", "uint8", "0", "{\"name\":\"new\"}", ""));
    cr_assert_str_eq(
        as_v2(".zmetadata"),
        "{\"metadata\":{\".zgroup\":{\"zarr_format\":2},"
        "\"g/.zgroup\":{\"zarr_format\":2},\"g/.zattrs\":{\"k\":[1]},"
        "\"g/a/.zarray\":{\"zarr_format\":2,\"shape\":[4,6],\"chunks\":[2,2],"
        "\"dtype\":\"|u1\",\"fill_value\":0,\"filters\":null,\"compressor\":null,"
        "\"order\":\"C\",\"dimension_separator\":\"/\"},"
        "\"g/a/.zattrs\":{\"unit\":\"\\u00b5m/s\",\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}},"
        "\"zarr_consolidated_format\":1}");
    drop_prefix("g/a");
    drop_prefix("g/b");
    OK(holog_mkdir(box.store, "h", 0, NULL));
    cr_assert_str_eq(
        get_at(HOLOG_ZARR_CONSOLIDATED, "zarr.json"),
        "{\"zarr_format\":3,\"node_type\":\"group\",\"consolidated_metadata\":{\"metadata\":"
        "{\"g\":{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"k\":[1]}},"
        "\"h\":{\"zarr_format\":3,\"node_type\":\"group\"}},\"kind\":\"inline\","
        "\"must_understand\":false}}");
    OK(set_text("zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{},"
                             "\"consolidated_metadata\":{\"old\":1}}"));
    cr_assert_null(strstr(get_at(HOLOG_ZARR_CONSOLIDATED, "zarr.json"), "old"));
    cr_assert_not_null(strstr(get_at(HOLOG_ZARR_CONSOLIDATED, "zarr.json"), "\"attributes\":{}"));
    cr_assert_not_null(strstr(text_of("zarr.json"), "old"), "asked for without it: as it is");
    cr_assert_null(strstr(get_at(HOLOG_ZARR_CONSOLIDATED, "g/zarr.json"), "consolidated"));
}
