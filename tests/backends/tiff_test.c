/*
 * TIFF files: those that others wrote are read as they meant them; what we write is read again; anything else is
 * refused with the page it is on.
 */
#include "backends/files/tiff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "golden.h"
#include "io/plugin.h"

#define MAX (UINT64_C(1) << 30)

static uint8_t *read_tiff(const char *name, size_t *out_len)
{
    char path[96];

    (void)snprintf(path, sizeof path, "tiff/%s.tif", name);
    return golden_read(path, out_len);
}

/* The elements are those of the agreement, after the header. */
static struct hg_tiff demand(const char *name)
{
    struct hg_tiff h;
    size_t len = 0;
    uint8_t *file = read_tiff(name, &len);
    int rc = hg_tiff_read_header(file, len, MAX, &h);

    cr_assert_eq(rc, HOLOG_OK, "%s: %s", name, golden_why());
    uint8_t *out = malloc(h.data_bytes);
    cr_assert_not_null(out);
    rc = hg_tiff_elements(file, len, &h, out);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", name, golden_why());
    for (size_t k = 0; k < h.data_bytes; k++)
        cr_assert_eq(out[k], golden_byte(h.type.dtype, k), "%s, byte %zu: %u", name, k, out[k]);
    free(out);
    free(file);
    return h;
}

static int has_shape(const struct hg_tiff *h, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t shape[] = { a, b, c, d };
    unsigned rank = 0;

    while (rank < 4 && shape[rank] != 0)
        rank++;
    return h->rank == rank && memcmp(h->shape, shape, rank * sizeof shape[0]) == 0;
}

Test(tiff, every_type_is_read_in_both_orders_of_bytes)
{
    static const struct {
        const char *name, *type;
    } files[] = {
        { "u1-le", "uint8" },   { "u2-le", "uint16" },  { "u2-be", "uint16" },
        { "u4-le", "uint32" },  { "u4-be", "uint32" },  { "u8-le", "uint64" },
        { "u8-be", "uint64" },  { "i1-le", "int8" },    { "i2-le", "int16" },
        { "i2-be", "int16" },   { "i4-le", "int32" },   { "i4-be", "int32" },
        { "i8-le", "int64" },   { "i8-be", "int64" },   { "f2-le", "float16" },
        { "f2-be", "float16" }, { "f4-le", "float32" }, { "f4-be", "float32" },
        { "f8-le", "float64" }, { "f8-be", "float64" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[HG_DTYPE_NAME_MAX];
        struct hg_tiff h = demand(files[i].name);
        hg_type_to_v3(h.type, name);
        cr_assert_str_eq(name, files[i].type, "%s", files[i].name);
        cr_assert(has_shape(&h, 5, 7, 0, 0) && !h.samples, "%s", files[i].name);
        cr_assert_eq(h.data_bytes, 35 * h.type.size);
    }
}

Test(tiff, pages_are_the_first_axis_however_they_are_stored)
{
    static const char *const files[] = { "pages", "pages-be-big", "strips",
                                         "tiles", "tiles-be",     "lzw-predictor",
                                         "lzw",   "packbits",     "zip" };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct hg_tiff h = demand(files[i]);
        cr_assert(has_shape(&h, 3, 18, 20, 0) && !h.samples, "%s", files[i]);
    }
    struct hg_tiff h = demand("big");
    cr_assert(has_shape(&h, 18, 20, 0, 0));
}

Test(tiff, samples_are_the_last_axis_however_they_are_stored)
{
    static const char *const files[] = { "rgb", "rgb-tiles", "rgb-apart", "rgb-apart-tiles",
                                         "rgb-tiles-zip" };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct hg_tiff h = demand(files[i]);
        cr_assert(has_shape(&h, 18, 20, 3, 0) && h.samples, "%s", files[i]);
    }
    struct hg_tiff h = demand("rgba-pages");
    cr_assert(has_shape(&h, 2, 18, 20, 4) && h.samples);
    h = demand("samples");
    cr_assert(has_shape(&h, 18, 20, 2, 0) && h.samples);
}

Test(tiff, reduced_copies_of_pages_are_passed_over)
{
    struct hg_tiff h = demand("reduced");

    cr_assert(has_shape(&h, 2, 18, 20, 0));
}

Test(tiff, a_colour_image_by_jpeg_is_read_in_rgb)
{
    uint8_t out[32 * 32 * 3];
    struct hg_tiff h;
    size_t len = 0;
    uint8_t *file = read_tiff("jpeg", &len);

    OK(hg_tiff_read_header(file, len, MAX, &h));
    cr_assert(has_shape(&h, 32, 32, 3, 0) && h.data_bytes == sizeof out);
    OK(hg_tiff_elements(file, len, &h, out));
    for (size_t i = 0; i < sizeof out; i++)
        cr_assert(out[i] >= 75 && out[i] <= 79);
    free(file);
}

Test(tiff, what_no_array_can_be_is_refused_with_its_page)
{
    static const char *const files[][2] = {
        { "refused-unlike-pages", "page 2 has 17 x 20" },
        { "refused-unlike-types", "page 1" },
        { "refused-complex", "complex samples of 64" },
        { "refused-bits", "samples of 1 bits" },
        { "refused-ycbcr", "luminance" },
    };
    struct hg_tiff h = { .rank = 77 };
    size_t len = 0;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        uint8_t *file = read_tiff(files[i][0], &len);
        FAILS(HOLOG_E_NOTSUP, hg_tiff_read_header(file, len, MAX, &h));
        cr_assert_not_null(strstr(golden_why(), files[i][1]), "%s", golden_why());
        free(file);
    }
    cr_assert_eq(h.rank, 77, "untouched");
}

Test(tiff, more_than_the_caller_can_take_is_refused)
{
    struct hg_tiff h = { .rank = 77 };
    size_t len = 0;
    uint8_t *file = read_tiff("pages", &len);

    FAILS(HOLOG_E_TOOBIG, hg_tiff_read_header(file, len, 3 * 18 * 20 * 2 - 1, &h));
    cr_assert_eq(h.rank, 77);
    OK(hg_tiff_read_header(file, len, 3 * 18 * 20 * 2, &h));
    free(file);
    file = read_tiff("zeros-zip", &len);
    cr_assert_lt(len, 1000);
    OK(hg_tiff_read_header(file, len, MAX, &h)); /* 250 kB */
    free(file);
}

/* The value of a tag of a little-endian file with one directory; as 4 bytes. */
static uint8_t *find_tag(uint8_t *file, size_t len, unsigned tag)
{
    size_t at = hg_get_le32(file + 4);

    cr_assert_leq(at + 2, len);
    for (unsigned n = hg_get_le16(file + at); n > 0; n--) {
        uint8_t *entry = file + at + 2 + 12 * (n - 1);
        if (hg_get_le16(entry) == tag) {
            hg_put_le16(entry + 2, 4); /* a number of 4 bytes, whatever it was */
            return entry + 8;
        }
    }
    cr_assert_fail("no tag %u", tag);
    return NULL;
}

Test(tiff, sizes_that_cannot_be_in_the_file_are_refused_before_memory_is_asked_for)
{
    static const struct {
        const char *name;
        uint32_t width, height;
        int code;
    } claims[] = {
        { "u2-le", 200000000, 400000000, HOLOG_E_TOOBIG },
        { "u2-le", 4294967295, 4294967295, HOLOG_E_CORRUPT },
        { "u2-le", 7, 50000, HOLOG_E_CORRUPT },
        { "zeros-zip", 30000, 30000, HOLOG_E_TOOBIG },
        { "zeros-zip", 500, 0, HOLOG_E_CORRUPT },
    };
    struct hg_tiff h;
    size_t len = 0;

    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        uint8_t *file = read_tiff(claims[i].name, &len);
        hg_put_le32(find_tag(file, len, 256), claims[i].width);
        hg_put_le32(find_tag(file, len, 257), claims[i].height);
        hg_put_le32(find_tag(file, len, 278), UINT32_MAX); /* one strip */
        FAILS(claims[i].code, hg_tiff_read_header(file, len, MAX, &h));
        free(file);
    }
}

/* ---- written and read ------------------------------------------------------------------------------ */

static void roundtrip(enum hg_dtype dtype, unsigned rank, const uint64_t *shape, unsigned flags)
{
    struct hg_type t = hg_type_of(dtype, 0);
    struct hg_buf b = { 0 };
    struct hg_tiff h;
    size_t n = t.size;

    for (unsigned i = 0; i < rank; i++)
        n *= shape[i];
    uint8_t *data = malloc(n);
    uint8_t *out = malloc(n);
    cr_assert(data != NULL && out != NULL);
    for (size_t k = 0; k < n; k++)
        data[k] = golden_byte(dtype, k);
    OK(hg_buf_append(&b, "before", 6));
    OK(hg_tiff_write(t, rank, shape, data, flags, &b));
    cr_assert_eq(memcmp(b.data, "before", 6), 0);
    cr_assert_eq(b.data[8], (flags & HG_TIFF_WRITE_BIG) != 0 ? 43 : 42);
    uint8_t *file = golden_exact(b.data + 6, b.len - 6);
    OK(hg_tiff_read_header(file, b.len - 6, n, &h));
    cr_assert(h.type.dtype == dtype && h.rank == rank && h.data_bytes == n);
    cr_assert_eq(memcmp(h.shape, shape, rank * sizeof shape[0]), 0);
    OK(hg_tiff_elements(file, b.len - 6, &h, out));
    cr_assert_eq(memcmp(out, data, n), 0);
    free(file);
    hg_buf_release(&b);
    free(out);
    free(data);
}

Test(tiff, what_is_written_is_read_again)
{
    static const enum hg_dtype dtypes[] = { HG_UINT8,   HG_UINT16,  HG_UINT32, HG_UINT64,
                                            HG_INT8,    HG_INT16,   HG_INT32,  HG_INT64,
                                            HG_FLOAT16, HG_FLOAT32, HG_FLOAT64 };
    static const uint64_t image[] = { 11, 13 };
    static const uint64_t stack[] = { 3, 11, 13 };
    static const uint64_t colours[] = { 11, 13, 3 };
    static const uint64_t all[] = { 2, 11, 13, 4 };

    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        for (unsigned big = 0; big <= HG_TIFF_WRITE_BIG; big += HG_TIFF_WRITE_BIG) {
            roundtrip(dtypes[i], 2, image, big);
            roundtrip(dtypes[i], 3, stack, big);
            roundtrip(dtypes[i], 3, colours, big | HG_TIFF_WRITE_SAMPLES);
            roundtrip(dtypes[i], 4, all, big);
        }
    }
}

Test(tiff, images_of_many_strips_and_stacks_of_many_pages_are_read_again)
{
    static const uint64_t image[] = { 1000, 1001 };
    static const uint64_t wide[] = { 3, 400000 };
    static const uint64_t stack[] = { 500, 3, 5 };
    static const uint64_t point[] = { 1, 1 };
    static const uint64_t many[] = { 4, 4, 256 };

    roundtrip(HG_FLOAT32, 2, image, 0);
    roundtrip(HG_UINT16, 2, wide, 0);
    roundtrip(HG_INT16, 3, stack, 0);
    roundtrip(HG_UINT8, 2, point, 0);
    roundtrip(HG_UINT8, 3, many, HG_TIFF_WRITE_SAMPLES);
}

Test(tiff, what_no_file_can_hold_is_not_written)
{
    static const uint64_t shape[] = { 2, 2, 2, 2, 2 };
    static const uint64_t empty[] = { 2, 0 };
    static const uint64_t wide[] = { 1, UINT64_C(1) << 31 };
    static const uint64_t deep[] = { 1, 1, 257 };
    static const uint8_t data[256];
    struct hg_type u1 = hg_type_of(HG_UINT8, 0);
    struct hg_buf b = { 0 };

    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(hg_type_of(HG_BOOL, 0), 2, shape, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(hg_type_of(HG_COMPLEX64, 0), 2, shape, data, 0, &b));
    cr_assert_not_null(strstr(golden_why(), "complex64"));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(hg_type_of(HG_RAW, 2), 2, shape, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(u1, 0, shape, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(u1, 1, shape, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(u1, 5, shape, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(u1, 2, empty, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(u1, 2, wide, data, 0, &b));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_write(u1, 3, deep, data, HG_TIFF_WRITE_SAMPLES, &b));
    cr_assert_eq(b.len, 0);
    hg_buf_release(&b);
}

/* ---- every file that is nearly one ----------------------------------------------------------------- */

/* Refused with a message, or read. */
static int demand_sane(const uint8_t *file, size_t len)
{
    struct hg_tiff h = { .rank = 77 };
    uint8_t *exact = golden_exact(file, len);

    hg_error_clear();
    int rc = hg_tiff_read_header(exact, len, 1 << 20, &h);
    if (rc == HOLOG_OK) {
        cr_assert(h.rank >= 2 && h.rank <= 4 && h.data_bytes <= 1 << 20);
        uint8_t *out = malloc(h.data_bytes);
        cr_assert_not_null(out);
        rc = hg_tiff_elements(exact, len, &h, out);
        free(out);
    } else {
        cr_assert_eq(h.rank, 77, "untouched");
    }
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP ||
                  rc == HOLOG_E_TOOBIG,
              "%s", holog_error_name(rc));
    cr_assert(rc == HOLOG_OK || golden_why()[0] != '\0');
    free(exact);
    return rc;
}

static const char *const nearly[] = { "u2-le",         "f4-be", "big", "rgb-apart",
                                      "rgb-tiles-zip", "lzw",   "jpeg" };

Test(tiff, a_file_cut_anywhere_is_refused_or_lacks_nothing)
{
    size_t len = 0;

    for (size_t i = 0; i < sizeof nearly / sizeof nearly[0]; i++) {
        uint8_t *file = read_tiff(nearly[i], &len);
        for (size_t cut = 0; cut < len; cut += cut < 600 ? 1 : 7)
            (void)demand_sane(file, cut);
        cr_assert_eq(demand_sane(file, 100), HOLOG_E_CORRUPT);
        free(file);
    }
}

Test(tiff, any_changed_byte_is_an_error_or_another_image)
{
    static const uint8_t values[] = { 0, 1, 2, 7, 8, 16, 127, 128, 255 };
    size_t len = 0;

    for (size_t i = 0; i < sizeof nearly / sizeof nearly[0]; i++) {
        uint8_t *file = read_tiff(nearly[i], &len);
        for (size_t at = 0; at < HG_MIN(len, 700); at++) {
            uint8_t was = file[at];
            for (size_t v = 0; v < sizeof values; v++) {
                file[at] = values[v];
                (void)demand_sane(file, len);
            }
            file[at] = was;
        }
        free(file);
    }
}

/* ---- the plug-in ------------------------------------------------------------------------------------ */

static void without(const char *dir)
{
    const struct hg_plugin_tiff *plugin = NULL;
    struct hg_tiff h;

    cr_assert_eq(setenv("HOLOG_PLUGIN_PATH", dir, 1), 0);
    FAILS(HOLOG_E_NOTSUP, hg_plugin_tiff(&plugin));
    FAILS(HOLOG_E_NOTSUP, hg_tiff_read_header("x", 1, MAX, &h));
    cr_assert_not_null(strstr(golden_why(), "holog-tiff.so"), "%s", golden_why());
    cr_assert_null(plugin);
}

Test(tiff, without_the_plug_in_the_message_names_it)
{
    static char path[5000];
    const char *before = getenv("HOLOG_PLUGIN_PATH");

    cr_assert_not_null(before);
    if (access(HG_PLUGIN_DIR "/" HG_PLUGIN_TIFF_FILE, F_OK) == 0)
        cr_skip_test("one is installed");
    (void)snprintf(path, sizeof path, "%s", before);
    char *kept = (char *)golden_exact(path, strlen(path) + 1);
    without("/nowhere");
    without("");
    memset(path, 'x', sizeof path - 1);
    without(path);
    cr_assert_eq(setenv("HOLOG_PLUGIN_PATH", kept, 1), 0);
    (void)demand("u2-le"); /* it is looked for again */
    free(kept);
}
