/* Element types: their names and sizes. */
#include "array/dtype.h"

#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"

static const struct {
    const char *v3;
    const char *numpy;
    uint32_t size, word;
} known[] = {
    { "bool", "|b1", 1, 1 },      { "int8", "|i1", 1, 1 },         { "int16", "<i2", 2, 2 },
    { "int32", "<i4", 4, 4 },     { "int64", "<i8", 8, 8 },        { "uint8", "|u1", 1, 1 },
    { "uint16", "<u2", 2, 2 },    { "uint32", "<u4", 4, 4 },       { "uint64", "<u8", 8, 8 },
    { "float16", "<f2", 2, 2 },   { "float32", "<f4", 4, 4 },      { "float64", "<f8", 8, 8 },
    { "complex64", "<c8", 8, 4 }, { "complex128", "<c16", 16, 8 }, { "r8", "|V1", 1, 1 },
    { "r24", "|V3", 3, 1 },       { "r8192", "|V1024", 1024, 1 },
};

Test(dtype, every_type_has_a_name_in_zarr_and_in_numpy)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char name[HG_DTYPE_NAME_MAX];
        struct hg_type a = { 0 };
        struct hg_type b = { 0 };
        int swapped = 2;
        cr_assert_eq(hg_type_from_v3(known[i].v3, &a), HOLOG_OK);
        cr_assert_eq(hg_type_from_numpy(known[i].numpy, &b, &swapped), HOLOG_OK);
        cr_assert(a.dtype == b.dtype && a.size == b.size && swapped == 0, "%s", known[i].v3);
        cr_assert_eq(a.size, known[i].size);
        cr_assert_eq(hg_type_word(a), known[i].word);
        hg_type_to_v3(a, name);
        cr_assert_str_eq(name, known[i].v3);
        hg_type_to_numpy(a, name);
        cr_assert_str_eq(name, known[i].numpy);
    }
}

Test(dtype, big_endian_elements_are_told)
{
    static const char *const swapped[] = { ">i2", ">u8", ">f2", ">c16" };
    static const char *const same[] = { ">u1", "<b1", ">i1", ">V3", "<V3" };
    struct hg_type t;
    int is = 2;

    for (size_t i = 0; i < sizeof swapped / sizeof swapped[0]; i++) {
        cr_assert_eq(hg_type_from_numpy(swapped[i], &t, &is), HOLOG_OK);
        cr_assert_eq(is, 1, "%s", swapped[i]);
    }
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        cr_assert_eq(hg_type_from_numpy(same[i], &t, &is), HOLOG_OK);
        cr_assert_eq(is, 0, "%s", same[i]);
    }
}

Test(dtype, other_types_are_refused_by_name)
{
    static const char *const v3[] = { "",    "int",      "int128", "Uint8",  "r",
                                      "r0",  "r7",       "r-8",    "r+8",    "r08",
                                      "r8 ", "r9999999", "r8200",  "string", "uint8 " };
    static const char *const numpy[] = { "",    "<",    "<u",   "u2",     "=u2", "|u2",
                                         "<u3", "<u02", "<u2 ", "<M8",    "<f1", "<f16",
                                         "<c4", "|O",   "|V0",  "|V1025", "|S3", "<b2" };
    struct hg_type t = { HG_INT8, 77 };
    struct holog_error_detail d;
    int swapped = 2;

    for (size_t i = 0; i < sizeof v3 / sizeof v3[0]; i++)
        cr_assert_eq(hg_type_from_v3(v3[i], &t), HOLOG_E_NOTSUP, "%s", v3[i]);
    for (size_t i = 0; i < sizeof numpy / sizeof numpy[0]; i++)
        cr_assert_eq(hg_type_from_numpy(numpy[i], &t, &swapped), HOLOG_E_NOTSUP, "%s", numpy[i]);
    cr_assert(t.dtype == HG_INT8 && t.size == 77 && swapped == 2, "untouched");
    cr_assert_eq(hg_type_from_v3("datetime64", &t), HOLOG_E_NOTSUP);
    hg_error_get(&d);
    cr_assert_not_null(strstr(d.message, "datetime64"));
}
