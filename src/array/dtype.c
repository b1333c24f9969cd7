/*
 * Types of an array's elements; see dtype.h.
 */
#include "array/dtype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const struct {
    const char *v3;
    char numpy; /* its kind */
    uint8_t size;
    uint8_t word;
} types[] = {
    [HG_BOOL] = { "bool", 'b', 1, 1 },           [HG_INT8] = { "int8", 'i', 1, 1 },
    [HG_INT16] = { "int16", 'i', 2, 2 },         [HG_INT32] = { "int32", 'i', 4, 4 },
    [HG_INT64] = { "int64", 'i', 8, 8 },         [HG_UINT8] = { "uint8", 'u', 1, 1 },
    [HG_UINT16] = { "uint16", 'u', 2, 2 },       [HG_UINT32] = { "uint32", 'u', 4, 4 },
    [HG_UINT64] = { "uint64", 'u', 8, 8 },       [HG_FLOAT16] = { "float16", 'f', 2, 2 },
    [HG_FLOAT32] = { "float32", 'f', 4, 4 },     [HG_FLOAT64] = { "float64", 'f', 8, 8 },
    [HG_COMPLEX64] = { "complex64", 'c', 8, 4 }, [HG_COMPLEX128] = { "complex128", 'c', 16, 8 },
};
#define KNOWN (sizeof types / sizeof types[0])

struct hg_type hg_type_of(enum hg_dtype dtype, uint32_t size)
{
    return (struct hg_type){ dtype, dtype == HG_RAW ? size : types[dtype].size };
}

uint32_t hg_type_word(struct hg_type t)
{
    return t.dtype == HG_RAW ? 1 : types[t.dtype].word;
}

/* A decimal number without a sign or leading zeros, to the end. */
static int read_number(const char *text, unsigned long *out)
{
    char *end = NULL;

    if (text[0] < '1' || text[0] > '9' || strlen(text) > 6)
        return 0;
    *out = strtoul(text, &end, 10);
    return *end == '\0';
}

static int unknown(const char *name)
{
    return hg_error(HOLOG_E_NOTSUP,
                    "elements of type \"%.40s\"; bool, int8 to int64, uint8 to uint64, float16 to "
                    "float64, complex64, complex128 and raw bits (r8, r16, ...) are known",
                    name);
}

int hg_type_from_v3(const char *name, struct hg_type *out)
{
    unsigned long bits = 0;

    for (size_t i = HG_BOOL; i < KNOWN; i++) {
        if (strcmp(name, types[i].v3) == 0) {
            *out = hg_type_of((enum hg_dtype)i, 0);
            return HOLOG_OK;
        }
    }
    if (name[0] != 'r' || !read_number(name + 1, &bits) || bits % 8 != 0)
        return unknown(name);
    if (bits / 8 > HG_ITEM_MAX)
        return hg_error(HOLOG_E_NOTSUP, "elements of %lu bits; at most %d bytes are possible", bits,
                        HG_ITEM_MAX);
    *out = hg_type_of(HG_RAW, (uint32_t)(bits / 8));
    return HOLOG_OK;
}

int hg_type_from_numpy(const char *descr, struct hg_type *out, int *out_swapped)
{
    unsigned long size = 0;

    if (strchr("<>|", descr[0]) == NULL || descr[0] == '\0' || descr[1] == '\0' ||
        !read_number(descr + 2, &size))
        return unknown(descr);
    if (descr[1] == 'V') {
        if (size > HG_ITEM_MAX)
            return hg_error(HOLOG_E_NOTSUP, "elements of %lu bytes; %d are possible", size,
                            HG_ITEM_MAX);
        *out = hg_type_of(HG_RAW, (uint32_t)size);
        *out_swapped = 0;
        return HOLOG_OK;
    }
    for (size_t i = HG_BOOL; i < KNOWN; i++) {
        if (types[i].numpy != descr[1] || types[i].size != size || (size > 1 && descr[0] == '|'))
            continue;
        *out = hg_type_of((enum hg_dtype)i, 0);
        *out_swapped = descr[0] == '>' && types[i].word > 1;
        return HOLOG_OK;
    }
    return unknown(descr);
}

void hg_type_to_v3(struct hg_type t, char *out)
{
    if (t.dtype == HG_RAW)
        (void)snprintf(out, HG_DTYPE_NAME_MAX, "r%u", t.size * 8);
    else
        (void)snprintf(out, HG_DTYPE_NAME_MAX, "%s", types[t.dtype].v3);
}

void hg_type_to_numpy(struct hg_type t, char *out)
{
    if (t.dtype == HG_RAW)
        (void)snprintf(out, HG_DTYPE_NAME_MAX, "|V%u", t.size);
    else
        (void)snprintf(out, HG_DTYPE_NAME_MAX, "%c%c%u", types[t.dtype].size > 1 ? '<' : '|',
                       types[t.dtype].numpy, types[t.dtype].size);
}
