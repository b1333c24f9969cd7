/*
 * NPY files: those that NumPy wrote are read and written to the byte; any other bytes are refused.
 */
#include "backends/files/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "golden.h"

static const struct {
    const char *name;
    int words; /* there is a big-endian file too */
} types[] = {
    { "bool", 0 },    { "int8", 0 },    { "int16", 1 },     { "int32", 1 },      { "int64", 1 },
    { "uint8", 0 },   { "uint16", 1 },  { "uint32", 1 },    { "uint64", 1 },     { "float16", 1 },
    { "float32", 1 }, { "float64", 1 }, { "complex64", 1 }, { "complex128", 1 }, { "r24", 0 },
};

/* The elements are those of the agreement; returns the header. */
static struct hg_npy demand(const char *name)
{
    struct hg_npy h;
    char path[96];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "npy/%s.npy", name);
    uint8_t *file = golden_read(path, &len);
    int rc = hg_npy_read_header(file, len, &h);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", name, golden_why());
    uint8_t *data = golden_exact(file + h.data_at, h.data_bytes);
    uint8_t *out = golden_exact(data, h.data_bytes);
    OK(hg_npy_elements(&h, data, out));
    for (size_t k = 0; k < h.data_bytes; k++)
        cr_assert_eq(out[k], golden_byte(h.type.dtype, k), "%s, byte %zu: %u", name, k, out[k]);
    free(out);
    free(data);
    free(file);
    return h;
}

/* The header that is written is the one that is there. */
static void demand_written(const char *name, const struct hg_npy *h)
{
    struct hg_buf b = { 0 };
    char path[96];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "npy/%s.npy", name);
    uint8_t *file = golden_read(path, &len);
    OK(hg_npy_write_header(h->type, h->rank, h->shape, h->fortran, &b));
    cr_assert_eq(b.len, h->data_at, "%s: %.*s", name, (int)b.len, (const char *)b.data);
    cr_assert_eq(memcmp(b.data, file, b.len), 0, "%s: %.*s", name, (int)b.len,
                 (const char *)b.data);
    hg_buf_release(&b);
    free(file);
}

Test(npy, every_type_is_read_in_both_orders_of_axes_and_of_bytes)
{
    static const uint64_t shape[] = { 2, 3, 4 };
    char name[64];

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct hg_type t = { 0 };
        OK(hg_type_from_v3(types[i].name, &t));
        for (int how = 0; how < (types[i].words ? 4 : 2); how++) {
            (void)snprintf(name, sizeof name, "%s-2x3x4-%c-%s", types[i].name,
                           (how & 1) != 0 ? 'f' : 'c', (how & 2) != 0 ? "be" : "le");
            struct hg_npy h = demand(name);
            cr_assert(h.type.dtype == t.dtype && h.type.size == t.size, "%s", name);
            cr_assert(h.fortran == (how & 1) && h.swapped == (how & 2) / 2, "%s", name);
            cr_assert(h.rank == 3 && memcmp(h.shape, shape, sizeof shape) == 0, "%s", name);
            if (!h.swapped)
                demand_written(name, &h);
        }
    }
}

Test(npy, every_shape_is_read_and_written_as_numpy_does)
{
    static const struct {
        const char *name;
        unsigned rank;
        uint64_t first, bytes;
    } shapes[] = {
        { "uint16-scalar-c-le", 0, 0, 2 }, { "uint16-5-c-le", 1, 5, 10 },
        { "uint16-0-c-le", 1, 0, 0 },      { "uint16-3x0x2-c-le", 3, 3, 0 },
        { "uint16-64-c-le", 1, 64, 128 },  { "uint16-100000x0-c-le", 2, 100000, 0 },
        { "uint16-axes-c-le", 32, 1, 12 }, { "uint16-axes-f-le", 32, 1, 12 },
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct hg_npy h = demand(shapes[i].name);
        cr_assert(h.rank == shapes[i].rank && h.data_bytes == shapes[i].bytes, "%s",
                  shapes[i].name);
        cr_assert(h.rank == 0 || h.shape[0] == shapes[i].first, "%s", shapes[i].name);
        demand_written(shapes[i].name, &h);
    }
}

Test(npy, later_versions_of_the_header_are_read)
{
    cr_assert_eq(demand("version-2").rank, 3);
    cr_assert_eq(demand("version-3").rank, 3);
}

Test(npy, what_is_no_array_of_numbers_is_refused_by_name)
{
    static const char *const files[][2] = {
        { "npy/refused-fields.npy", "fields" },      { "npy/refused-unicode-fields.npy", "fields" },
        { "npy/refused-objects.npy", "Python obj" }, { "npy/refused-time.npy", "<M8[ns]" },
        { "npy/refused-text.npy", "<U2" },           { "npy/refused-bytes.npy", "|S2" },
        { "npy/refused-longdouble.npy", "<f16" },
    };
    struct hg_npy h = { .rank = 77 };
    size_t len = 0;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        uint8_t *file = golden_read(files[i][0], &len);
        FAILS(HOLOG_E_NOTSUP, hg_npy_read_header(file, len, &h));
        cr_assert_not_null(strstr(golden_why(), files[i][1]), "%s", golden_why());
        free(file);
    }
    cr_assert_eq(h.rank, 77, "untouched");
}

/* ---- headers by hand --------------------------------------------------------------------------- */

/* A file of version 1 with that text and so many bytes of elements. */
static int read_text(const char *text, size_t data_bytes, struct hg_npy *out)
{
    uint8_t file[2048] = "\x93NUMPY\x01";
    size_t len = strlen(text);

    cr_assert_leq(10 + len + data_bytes, sizeof file);
    hg_put_le16(file + 8, (uint16_t)len);
    memcpy(file + 10, text, len);
    uint8_t *exact = golden_exact(file, 10 + len + data_bytes);
    int rc = hg_npy_read_header(exact, 10 + len + data_bytes, out);
    free(exact);
    return rc;
}

Test(npy, a_header_may_be_written_in_any_way_that_python_would_read)
{
    static const char *const texts[] = {
        "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 4), }   \n",
        "{'shape': (3, 4), 'fortran_order': False, 'descr': '<u2'}",
        "{\"shape\":(3,4,),\"descr\":\"<u2\",\"fortran_order\":False}\n\n",
        " \t{ 'shape' : ( 3L , 4L ) ,\n'descr'\r\n: '<u2', 'fortran_order' : False , } \t",
    };
    struct hg_npy h;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        OK(read_text(texts[i], 24, &h));
        cr_assert(h.rank == 2 && h.shape[0] == 3 && h.shape[1] == 4 && h.type.dtype == HG_UINT16);
        cr_assert(!h.fortran && !h.swapped && h.data_bytes == 24);
        cr_assert_eq(h.data_at, 10 + strlen(texts[i]));
    }
}

#define HEAD "{'descr': '<u2', 'fortran_order': False, 'shape': "

Test(npy, a_header_that_python_would_not_read_is_damage)
{
    static const char *const texts[] = {
        "",
        "   \n",
        "()",
        "{}",
        "{'descr': '<u2', 'fortran_order': False}",
        "{'descr': '<u2', 'shape': (1,)}",
        "{'fortran_order': False, 'shape': (1,)}",
        HEAD "(1,), 'more': 1}",
        HEAD "(1,), 'shape': (1,)}",
        HEAD "(1)}",
        HEAD "1}",
        HEAD "[1]}",
        HEAD "(,)}",
        HEAD "(1,,)}",
        HEAD "(1 1)}",
        HEAD "(-1,)}",
        HEAD "(+1,)}",
        HEAD "(01,)}",
        HEAD "(0x1,)}",
        HEAD "(1.0,)}",
        HEAD "(1e0,)}",
        HEAD "(1LL,)}",
        HEAD "(True,)}",
        HEAD "(1,)",
        HEAD "(1,",
        HEAD "(1",
        HEAD "(",
        HEAD,
        HEAD "(1,)} {}",
        HEAD "(1,)},",
        HEAD "(1,),,}",
        HEAD "(1,) 'x'}",
        "{,'descr': '<u2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr' '<u2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<u2",
        "{'descr': '\\x3cu2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<u\t2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': None, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<u2', 'fortran_order': false, 'shape': (1,)}",
        "{'descr': '<u2', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<u2', 'fortran_order': Falsehood, 'shape': (1,)}",
        "{'descr': '<u2', 'fortran_order': 'False', 'shape': (1,)}",
        "{descr: '<u2', 'fortran_order': False, 'shape': (1,)}",
    };
    struct hg_npy h = { .rank = 77 };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int rc = read_text(texts[i], 2, &h);
        cr_assert_eq(rc, HOLOG_E_CORRUPT, "%s: %s", texts[i], holog_error_name(rc));
        cr_assert_not_null(strstr(golden_why(), "at byte"), "%s: %s", texts[i], golden_why());
    }
    OK(read_text(HEAD "(1,)}", 2, &h));
}

Test(npy, sizes_beyond_what_an_array_can_have_are_refused)
{
    static const char *const texts[] = {
        HEAD "(562949953421312,)}",
        HEAD "(0, 99999999999999999999999999)}",
        HEAD "(562949953421311, 562949953421311)}",
        HEAD "(4294967296, 2147483648)}",
    };
    struct hg_npy h = { .rank = 77 };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        FAILS(HOLOG_E_TOOBIG, read_text(texts[i], 2, &h));
    FAILS(HOLOG_E_NOTSUP, read_text(HEAD "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
                                         "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
                                    2, &h));
    cr_assert_eq(h.rank, 77);
    OK(read_text(HEAD "(0, 562949953421311, 562949953421311)}", 0, &h));
    cr_assert_eq(h.data_bytes, 0);
}

Test(npy, a_name_of_a_type_without_end_is_damage)
{
    char text[512] = "{'descr': '";
    struct hg_npy h;

    memset(text + 11, 'x', 400);
    (void)snprintf(text + 411, 64, "', 'fortran_order': False, 'shape': (1,)}");
    FAILS(HOLOG_E_CORRUPT, read_text(text, 2, &h));
}

Test(npy, fewer_or_more_elements_than_the_shape_says_are_damage)
{
    struct hg_npy h = { .rank = 77 };

    FAILS(HOLOG_E_CORRUPT, read_text(HEAD "(3, 4)}", 23, &h));
    cr_assert_not_null(strstr(golden_why(), "23 bytes of elements"), "%s", golden_why());
    cr_assert_not_null(strstr(golden_why(), "24"));
    FAILS(HOLOG_E_CORRUPT, read_text(HEAD "(3, 4)}", 25, &h));
    FAILS(HOLOG_E_CORRUPT, read_text(HEAD "(0,)}", 1, &h));
    FAILS(HOLOG_E_CORRUPT, read_text(HEAD "(562949953421311,)}", 2, &h));
    cr_assert_eq(h.rank, 77);
}

Test(npy, versions_that_are_not_known_are_refused)
{
    static const uint8_t versions[][2] = { { 0, 0 }, { 4, 0 }, { 1, 1 }, { 255, 0 } };
    struct hg_npy h;
    size_t len = 0;
    uint8_t *file = golden_read("npy/uint16-5-c-le.npy", &len);

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        memcpy(file + 6, versions[i], 2);
        FAILS(HOLOG_E_NOTSUP, hg_npy_read_header(file, len, &h));
        cr_assert_not_null(strstr(golden_why(), "version"));
    }
    free(file);
}

Test(npy, a_bool_is_0_or_1)
{
    struct hg_npy h = { 0 };
    uint8_t data[] = { 0, 1, 2, 1 };
    uint8_t out[] = { 9, 9, 9, 9 };

    OK(read_text("{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}", 4, &h));
    FAILS(HOLOG_E_CORRUPT, hg_npy_elements(&h, data, out));
    cr_assert_eq(out[0], 9, "nothing was written");
    cr_assert_not_null(strstr(golden_why(), "a bool of 2"), "%s", golden_why());
    data[2] = 1;
    OK(hg_npy_elements(&h, data, out));
    cr_assert_arr_eq(out, data, 4);
}

/* ---- every file that is nearly one ------------------------------------------------------------- */

/* Refused with a message, or a header with all its elements in the file. */
static void demand_sane(const uint8_t *file, size_t len, const char *name, size_t at)
{
    struct hg_npy h = { .rank = 77 };
    uint8_t *exact = golden_exact(file, len);

    hg_error_clear();
    int rc = hg_npy_read_header(exact, len, &h);
    if (rc == HOLOG_OK) {
        cr_assert(h.rank <= HG_RANK_MAX && h.data_at + h.data_bytes == len, "%s at %zu", name, at);
        uint8_t *out = golden_exact(exact, h.data_bytes);
        rc = hg_npy_elements(&h, exact + h.data_at, out);
        cr_assert(rc == HOLOG_OK || h.type.dtype == HG_BOOL, "%s at %zu", name, at);
        free(out);
    } else {
        cr_assert_eq(h.rank, 77, "%s at %zu: untouched", name, at);
        cr_assert_neq(golden_why()[0], '\0', "%s at %zu", name, at);
    }
    free(exact);
}

static const char *const nearly[] = { "npy/uint16-2x3x4-f-be.npy", "npy/bool-2x3x4-c-le.npy",
                                      "npy/complex128-2x3x4-f-le.npy", "npy/version-3.npy",
                                      "npy/uint16-scalar-c-le.npy" };

Test(npy, a_file_cut_anywhere_is_damage)
{
    struct hg_npy h;
    size_t len = 0;

    for (size_t i = 0; i < sizeof nearly / sizeof nearly[0]; i++) {
        uint8_t *file = golden_read(nearly[i], &len);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *exact = golden_exact(file, cut);
            FAILS(HOLOG_E_CORRUPT, hg_npy_read_header(exact, cut, &h));
            free(exact);
        }
        free(file);
    }
}

Test(npy, any_changed_byte_of_a_header_is_an_error_or_another_header)
{
    size_t len = 0;

    for (size_t i = 0; i < sizeof nearly / sizeof nearly[0]; i++) {
        uint8_t *file = golden_read(nearly[i], &len);
        for (size_t at = 0; at < 128; at++) {
            uint8_t was = file[at];
            for (unsigned v = 0; v < 256; v++) {
                file[at] = (uint8_t)v;
                demand_sane(file, len, nearly[i], at);
            }
            file[at] = was;
        }
        free(file);
    }
}
