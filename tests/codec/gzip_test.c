/* The place of a gzip plug-in, with one that only puts a letter before the bytes. */
#include "codec/gzip.h"

#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"

static int decode(const void *in, size_t len, void *out, size_t cap, size_t *out_len)
{
    const char *p = in;

    if (len < 1 || p[0] != 'z' || len - 1 > cap)
        return HOLOG_E_CORRUPT;
    memcpy(out, p + 1, len - 1);
    *out_len = len - 1;
    return HOLOG_OK;
}

static size_t bound(size_t len)
{
    return len + 1;
}

static int encode(const void *in, size_t len, int level, void *out, size_t cap, size_t *out_len)
{
    cr_assert(level == 5 && cap == len + 1);
    memcpy(out, "z", 1);
    memcpy((char *)out + 1, in, len);
    *out_len = len + 1;
    return HOLOG_OK;
}

static const struct hg_gzip plugin = { HG_GZIP_VERSION, 0, decode, bound, encode };

Test(gzip, without_a_plugin_it_is_not_supported)
{
    struct holog_error_detail error;
    struct hg_buf b = { 0 };
    char out[8];
    size_t n = 9;

    cr_assert_eq(hg_gzip_check(), HOLOG_E_NOTSUP);
    cr_assert_eq(hg_gzip_compress("abc", 3, 5, &b), HOLOG_E_NOTSUP);
    cr_assert_eq(hg_gzip_decompress("zabc", 4, out, 8, &n), HOLOG_E_NOTSUP);
    hg_error_get(&error);
    cr_assert_not_null(strstr(error.message, "gzip plug-in"));
    cr_assert(n == 9 && b.len == 0);
}

Test(gzip, with_one_it_is_asked)
{
    struct holog_error_detail error;
    struct hg_buf b = { 0 };
    char out[8];
    size_t n = 0;

    cr_assert_eq(hg_gzip_set(&plugin), HOLOG_OK);
    cr_assert_eq(hg_gzip_check(), HOLOG_OK);
    cr_assert_eq(hg_gzip_compress("abc", 3, 5, &b), HOLOG_OK);
    cr_assert_eq(hg_gzip_decompress(b.data, b.len, out, 3, &n), HOLOG_OK);
    cr_assert(n == 3 && memcmp(out, "abc", 3) == 0);
    cr_assert_eq(hg_gzip_decompress(b.data, b.len, out, 2, &n), HOLOG_E_CORRUPT);
    hg_error_get(&error);
    cr_assert_not_null(strstr(error.message, "gzip"));
    hg_buf_release(&b);
    cr_assert_eq(hg_gzip_set(NULL), HOLOG_OK);
    cr_assert_eq(hg_gzip_check(), HOLOG_E_NOTSUP);
}

Test(gzip, one_of_another_version_is_refused)
{
    static const struct hg_gzip later = { HG_GZIP_VERSION + 1, 0, decode, bound, encode };

    cr_assert_eq(hg_gzip_set(&later), HOLOG_E_VERSION);
    cr_assert_eq(hg_gzip_check(), HOLOG_E_NOTSUP);
}
