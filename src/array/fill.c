/*
 * Fill values; see fill.h.
 */
#include "array/fill.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"

/* ---- floats ------------------------------------------------------------------------------------*/

/* What tells one float from another. */
struct format {
    unsigned bytes;
    unsigned mantissa; /* bits of it */
    unsigned exponent;
    int digits; /* decimal ones, so that every value comes back */
};
static const struct format half = { 2, 10, 5, 5 };
static const struct format single = { 4, 23, 8, 9 };
static const struct format whole = { 8, 52, 11, 17 };

static const struct format *format_of(struct hg_type t)
{
    uint32_t size = hg_type_word(t);

    return size == 2 ? &half : size == 4 ? &single : &whole;
}

static uint64_t infinity_bits(const struct format *f)
{
    return ((UINT64_C(1) << f->exponent) - 1) << f->mantissa;
}

static uint64_t nan_bits(const struct format *f)
{
    return infinity_bits(f) | UINT64_C(1) << (f->mantissa - 1);
}

static uint64_t sign_bit(const struct format *f)
{
    return UINT64_C(1) << (f->mantissa + f->exponent);
}

static uint64_t bits_of_double(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static uint64_t bits_of_float(float s)
{
    uint32_t bits;

    memcpy(&bits, &s, sizeof bits);
    return bits;
}

uint16_t hg_half_of(double d)
{
    uint32_t sign = signbit(d) ? 0x8000u : 0;
    double magnitude = fabs(d);
    int exponent = 0;

    if (magnitude >= 65520.0)
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x1p-14) /* subnormal: steps of 2^-24 */
        return (uint16_t)(sign | (uint32_t)nearbyint(magnitude * 0x1p24));
    (void)frexp(magnitude, &exponent); /* magnitude in [2^(exponent-1), 2^exponent) */
    uint32_t steps = (uint32_t)nearbyint(ldexp(magnitude, 11 - exponent)); /* 1024 to 2048 */
    return (uint16_t)(sign | (((uint32_t)(exponent + 13) << 10) + steps));
}

double hg_half_to_double(uint16_t bits)
{
    double mantissa = (double)(bits & 0x3ffu);
    int exponent = (int)(bits >> 10 & 0x1fu);
    double d = exponent == 0    ? ldexp(mantissa, -24)
               : exponent == 31 ? (mantissa == 0 ? (double)INFINITY : (double)NAN)
                                : ldexp(mantissa + 1024.0, exponent - 25);

    return (bits & 0x8000u) != 0 ? -d : d;
}

/* A number's text is rounded once, to the type itself. */
static uint64_t bits_of_text(const struct format *f, const char *text)
{
    if (f == &single)
        return bits_of_float(strtof(text, NULL));
    double d = strtod(text, NULL);
    if (f == &whole)
        return bits_of_double(d);
    return hg_half_of(d);
}

static int read_hex(const struct format *f, const char *text, uint64_t *out)
{
    char *end = NULL;

    if (strncmp(text, "0x", 2) != 0 || strlen(text) != 2 + (size_t)f->bytes * 2 ||
        strspn(text + 2, "0123456789abcdefABCDEF") != (size_t)f->bytes * 2)
        return 0;
    *out = strtoull(text, &end, 16);
    return 1;
}

static int float_from_json(const struct format *f, const struct json_object *value, uint64_t *out)
{
    const char *text;
    uint64_t bits = 0;

    switch (json_object_get_type(value)) {
    case json_type_int:
    case json_type_double:
        *out = bits_of_text(f, json_object_to_json_string((struct json_object *)(uintptr_t)value));
        return 1;
    case json_type_string: break;
    case json_type_null:
    case json_type_boolean:
    case json_type_object:
    case json_type_array: return 0;
    }
    text = json_object_get_string((struct json_object *)(uintptr_t)value);
    if (strcmp(text, "NaN") == 0)
        bits = nan_bits(f);
    else if (strcmp(text, "Infinity") == 0)
        bits = infinity_bits(f);
    else if (strcmp(text, "-Infinity") == 0)
        bits = infinity_bits(f) | sign_bit(f);
    else if (!read_hex(f, text, &bits))
        return 0;
    *out = bits;
    return 1;
}

static struct json_object *float_to_json(const struct format *f, uint64_t bits)
{
    char text[40];
    uint64_t magnitude = bits & ~sign_bit(f);
    double d;
    float s;
    uint32_t low = (uint32_t)bits;

    if (bits == nan_bits(f))
        return json_object_new_string("NaN");
    if (magnitude == infinity_bits(f))
        return json_object_new_string(bits == magnitude ? "Infinity" : "-Infinity");
    if (magnitude > infinity_bits(f)) {
        (void)snprintf(text, sizeof text, "0x%0*" PRIx64, (int)f->bytes * 2, bits);
        return json_object_new_string(text);
    }
    memcpy(&s, &low, sizeof s);
    memcpy(&d, &bits, sizeof d);
    d = f == &half ? hg_half_to_double((uint16_t)bits) : f == &single ? (double)s : d;
    (void)snprintf(text, sizeof text, "%.*g", f->digits, d);
    if (strpbrk(text, ".e") == NULL) /* "-0" would be read as an integer, without its sign */
        (void)snprintf(text, sizeof text, "%.*g.0", f->digits, d);
    return json_object_new_double_s(d, text);
}

/* ---- integers ------------------------------------------------------------------------------------*/

static int is_signed(struct hg_type t)
{
    return t.dtype >= HG_INT8 && t.dtype <= HG_INT64;
}

static int integer_from_json(struct hg_type t, const struct json_object *value, uint64_t *out)
{
    struct json_object *v = (struct json_object *)(uintptr_t)value;
    unsigned bits = t.size * 8;
    int64_t most = (int64_t)(UINT64_MAX >> (65 - bits)); /* of a signed one */
    int64_t i;
    uint64_t u;

    if (json_object_get_type(v) != json_type_int)
        return 0;
    /* json-c holds both as what they are; what does not fit a type it gives back as the nearest. */
    i = json_object_get_int64(v);
    u = json_object_get_uint64(v);
    *out = is_signed(t) ? (uint64_t)i : u;
    if (is_signed(t))
        return i >= -most - 1 && i <= most && (i < 0 || u == (uint64_t)i);
    return i >= 0 && (bits == 64 || u >> bits == 0);
}

/* ---- elements ------------------------------------------------------------------------------------*/

static void put(uint8_t *out, uint64_t bits, uint32_t size)
{
    uint8_t all[8];

    hg_put_le64(all, bits);
    memcpy(out, all, size);
}

static uint64_t get(const uint8_t *in, uint32_t size)
{
    uint8_t all[8] = { 0 };

    memcpy(all, in, size);
    return hg_get_le64(all);
}

static int complex_from_json(struct hg_type t, const struct json_object *value, uint8_t *out)
{
    const struct format *f = format_of(t);
    uint64_t bits[2];

    if (json_object_get_type(value) != json_type_array || json_object_array_length(value) != 2)
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (!float_from_json(f, json_object_array_get_idx(value, i), &bits[i]))
            return 0;
    put(out, bits[0], f->bytes);
    put(out + f->bytes, bits[1], f->bytes);
    return 1;
}

static int raw_from_json(struct hg_type t, const struct json_object *value, uint8_t *out)
{
    uint8_t bytes[HG_ITEM_MAX];

    if (json_object_get_type(value) != json_type_array || json_object_array_length(value) != t.size)
        return 0;
    for (size_t i = 0; i < t.size; i++) {
        uint64_t byte = 0;
        if (!integer_from_json(hg_type_of(HG_UINT8, 0), json_object_array_get_idx(value, i), &byte))
            return 0;
        bytes[i] = (uint8_t)byte;
    }
    memcpy(out, bytes, t.size);
    return 1;
}

static int one_from_json(struct hg_type t, const struct json_object *value, uint8_t *out)
{
    uint64_t bits = 0;

    switch (t.dtype) {
    case HG_OPAQUE: return 0;
    case HG_BOOL:
        if (json_object_get_type(value) != json_type_boolean)
            return 0;
        out[0] = json_object_get_boolean(value) ? 1 : 0;
        return 1;
    case HG_FLOAT16:
    case HG_FLOAT32:
    case HG_FLOAT64:
        if (!float_from_json(format_of(t), value, &bits))
            return 0;
        break;
    case HG_COMPLEX64:
    case HG_COMPLEX128: return complex_from_json(t, value, out);
    case HG_RAW: return raw_from_json(t, value, out);
    case HG_INT8:
    case HG_INT16:
    case HG_INT32:
    case HG_INT64:
    case HG_UINT8:
    case HG_UINT16:
    case HG_UINT32:
    case HG_UINT64:
        if (!integer_from_json(t, value, &bits))
            return 0;
        break;
    }
    put(out, bits, t.size);
    return 1;
}

int hg_fill_from_json(struct hg_type t, const struct json_object *value, uint8_t *out)
{
    char name[HG_DTYPE_NAME_MAX];

    if (one_from_json(t, value, out))
        return HOLOG_OK;
    hg_type_to_v3(t, name);
    return hg_error(HOLOG_E_INVAL, "the fill value %.60s is no %s",
                    json_object_to_json_string((struct json_object *)(uintptr_t)value), name);
}

/* Takes the element over. */
static int append(struct json_object *list, struct json_object *element)
{
    if (element != NULL && json_object_array_add(list, element) == 0)
        return 1;
    json_object_put(element);
    return 0;
}

static struct json_object *list_of(struct hg_type t, const uint8_t *element)
{
    const struct format *f = format_of(t);
    struct json_object *list = json_object_new_array();
    size_t n = t.dtype == HG_RAW ? t.size : 2;

    for (size_t i = 0; list != NULL && i < n; i++) {
        struct json_object *e = t.dtype == HG_RAW
                                    ? json_object_new_int(element[i])
                                    : float_to_json(f, get(element + i * f->bytes, f->bytes));
        if (!append(list, e)) {
            json_object_put(list);
            list = NULL;
        }
    }
    return list;
}

static struct json_object *one_to_json(struct hg_type t, const uint8_t *element)
{
    uint64_t bits = t.size <= 8 ? get(element, t.size) : 0;
    unsigned unused = 64 - HG_MIN(t.size, 8u) * 8;

    switch (t.dtype) {
    case HG_OPAQUE: return NULL;
    case HG_BOOL: return json_object_new_boolean(element[0] != 0);
    case HG_FLOAT16:
    case HG_FLOAT32:
    case HG_FLOAT64: return float_to_json(format_of(t), bits);
    case HG_COMPLEX64:
    case HG_COMPLEX128:
    case HG_RAW: return list_of(t, element);
    case HG_INT8:
    case HG_INT16:
    case HG_INT32:
    case HG_INT64: return json_object_new_int64((int64_t)(bits << unused) >> unused);
    case HG_UINT8:
    case HG_UINT16:
    case HG_UINT32:
    case HG_UINT64: return json_object_new_uint64(bits);
    }
    return NULL;
}

int hg_fill_to_json(struct hg_type t, const uint8_t *element, struct json_object **out)
{
    struct json_object *value = one_to_json(t, element);

    if (value == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a fill value");
    *out = value;
    return HOLOG_OK;
}
