/* Fill values: JSON to an element and back, by its bits. */
#include "array/fill.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <json-c/json_tokener.h>

#include "base/error.h"

static struct hg_type type(const char *name)
{
    struct hg_type t = { 0 };

    cr_assert_eq(hg_type_from_v3(name, &t), HOLOG_OK);
    return t;
}

static int read_fill(const char *name, const char *json, uint8_t *out)
{
    struct json_object *value = json_tokener_parse(json);
    int rc = hg_fill_from_json(type(name), value, out);

    json_object_put(value);
    return rc;
}

static void write_fill(const char *name, const uint8_t *element, char *out, size_t size)
{
    struct json_object *value = NULL;

    cr_assert_eq(hg_fill_to_json(type(name), element, &value), HOLOG_OK);
    (void)snprintf(out, size, "%s", json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
    json_object_put(value);
}

/* It is read as these bytes, written as that text, and read from that again. */
static void is(const char *name, const char *json, const char *bytes, const char *text)
{
    uint8_t element[HG_ITEM_MAX];
    uint8_t again[HG_ITEM_MAX];
    char written[200];
    uint32_t size = type(name).size;

    cr_assert_eq(read_fill(name, json, element), HOLOG_OK, "%s %s", name, json);
    cr_assert_eq(memcmp(element, bytes, size), 0, "%s %s", name, json);
    write_fill(name, element, written, sizeof written);
    cr_assert_str_eq(written, text);
    cr_assert_eq(read_fill(name, written, again), HOLOG_OK, "%s %s", name, written);
    cr_assert_eq(memcmp(again, element, size), 0);
}

Test(fill, values_of_each_type)
{
    is("bool", "true", "\1", "true");
    is("bool", "false", "\0", "false");
    is("int8", "-128", "\x80", "-128");
    is("int16", "-2", "\xfe\xff", "-2");
    is("int32", "2147483647", "\xff\xff\xff\x7f", "2147483647");
    is("int64", "-9223372036854775808", "\0\0\0\0\0\0\0\x80", "-9223372036854775808");
    is("uint8", "255", "\xff", "255");
    is("uint16", "513", "\1\2", "513");
    is("uint64", "18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff",
       "18446744073709551615");
    is("float32", "0", "\0\0\0\0", "0.0");
    is("float32", "-0.0", "\0\0\0\x80", "-0.0");
    is("float32", "0.1", "\xcd\xcc\xcc\x3d", "0.100000001");
    is("float64", "0.1", "\x9a\x99\x99\x99\x99\x99\xb9\x3f", "0.10000000000000001");
    is("float64", "1e400", "\0\0\0\0\0\0\xf0\x7f", "\"Infinity\"");
    is("float16", "1", "\0\x3c", "1.0");
    is("float16", "-65504", "\xff\xfb", "-65504.0");
    is("complex64", "[1.5, \"-Infinity\"]", "\0\0\xc0\x3f\0\0\x80\xff", "[1.5,\"-Infinity\"]");
    is("complex128", "[0, -1]", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\xbf", "[0.0,-1.0]");
    is("r24", "[1, 0, 255]", "\1\0\xff", "[1,0,255]");
}

Test(fill, a_nan_keeps_its_bits)
{
    is("float32", "\"NaN\"", "\0\0\xc0\x7f", "\"NaN\"");
    is("float32", "\"0x7fc00000\"", "\0\0\xc0\x7f", "\"NaN\"");
    is("float32", "\"0xffc00001\"", "\1\0\xc0\xff", "\"0xffc00001\"");
    is("float32", "\"0x3F800000\"", "\0\0\x80\x3f", "1.0");
    is("float64", "\"NaN\"", "\0\0\0\0\0\0\xf8\x7f", "\"NaN\"");
    is("float64", "\"0x7ff0000000000001\"", "\1\0\0\0\0\0\xf0\x7f", "\"0x7ff0000000000001\"");
    is("float16", "\"NaN\"", "\0\x7e", "\"NaN\"");
    is("float16", "\"0xfe01\"", "\1\xfe", "\"0xfe01\"");
}

Test(fill, every_half_comes_back)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const uint8_t element[2] = { (uint8_t)bits, (uint8_t)(bits >> 8) };
        uint8_t again[2] = { 0 };
        char text[60];
        write_fill("float16", element, text, sizeof text);
        cr_assert_eq(read_fill("float16", text, again), HOLOG_OK, "%s", text);
        cr_assert_eq(memcmp(again, element, 2), 0, "%04x is written as %s", bits, text);
    }
}

Test(fill, halves_are_rounded_to_even)
{
    is("float16", "2049", "\0\x68", "2048.0");
    is("float16", "2051", "\2\x68", "2052.0");
    is("float16", "65519.9", "\xff\x7b", "65504.0");
    is("float16", "65520", "\0\x7c", "\"Infinity\"");
    is("float16", "5.960464477539063e-08", "\1\0", "5.9605e-08"); /* the least */
    is("float16", "2.98023223876953125e-08", "\0\0", "0.0");      /* half of it */
    is("float16", "6.1035e-05", "\0\x04", "6.1035e-05");          /* the least that is normal */
}

Test(fill, random_floats_come_back)
{
    uint64_t x = 88172645463325252u;

    for (int i = 0; i < 200000; i++) {
        uint8_t element[8];
        uint8_t again[8];
        char text[60];
        const char *name = i % 2 == 0 ? "float32" : "float64";
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(element, &x, sizeof element);
        write_fill(name, element, text, sizeof text);
        cr_assert_eq(read_fill(name, text, again), HOLOG_OK, "%s", text);
        cr_assert_eq(memcmp(again, element, type(name).size), 0, "%s", text);
    }
}

Test(fill, what_is_no_value_of_the_type_is_refused)
{
    static const struct {
        const char *type, *json;
    } bad[] = {
        { "bool", "1" },
        { "bool", "null" },
        { "int8", "128" },
        { "int8", "-129" },
        { "int8", "1.0" },
        { "int8", "1e1" },
        { "int8", "\"1\"" },
        { "int8", "true" },
        { "int64", "9223372036854775808" },
        { "uint8", "256" },
        { "uint8", "-1" },
        { "uint64", "-1" },
        { "float32", "\"nan\"" },
        { "float32", "\"+Infinity\"" },
        { "float32", "\"0x7fc0000\"" },
        { "float32", "\"0x7fc000000\"" },
        { "float32", "\"0x7fc0000g\"" },
        { "float32", "\"7fc00000\"" },
        { "float32", "\"1.0\"" },
        { "float32", "true" },
        { "float32", "null" },
        { "float32", "[1.0]" },
        { "complex64", "1.0" },
        { "complex64", "[1.0]" },
        { "complex64", "[1.0, 2.0, 3.0]" },
        { "complex64", "[1.0, \"x\"]" },
        { "r16", "[1]" },
        { "r16", "[1, 256]" },
        { "r16", "[1, -1]" },
        { "r16", "[1, 2, 3]" },
        { "r16", "\"AAA=\"" },
        { "r16", "{}" },
    };
    uint8_t element[16];
    struct holog_error_detail d;

    memset(element, 0x55, sizeof element);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(read_fill(bad[i].type, bad[i].json, element), HOLOG_E_INVAL, "%s %s",
                     bad[i].type, bad[i].json);
        for (size_t k = 0; k < sizeof element; k++)
            cr_assert_eq(element[k], 0x55, "%s %s", bad[i].type, bad[i].json);
    }
    hg_error_get(&d);
    cr_assert_not_null(strstr(d.message, "r16"), "%s", d.message);
}
