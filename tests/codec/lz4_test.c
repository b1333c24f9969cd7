/* LZ4 in numcodecs' framing. */
#include "codec/lz4.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "holog/error.h"

/* An exact copy on the heap: a read behind it shows. */
static uint8_t *copy_of(const uint8_t *bytes, size_t len)
{
    uint8_t *p = malloc(len + (len == 0));

    cr_assert_not_null(p);
    if (len > 0)
        memcpy(p, bytes, len);
    return p;
}

static void fill(uint8_t *p, size_t len)
{
    uint32_t x = 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 1103515245u + 12345u;
        p[i] = i % 8 < 5 ? (uint8_t)(i >> 6) : (uint8_t)(x >> 16);
    }
}

Test(lz4, what_is_compressed_comes_back_behind_its_length)
{
    static const size_t sizes[] = { 1, 7, 100, 4096, 300000 };
    uint8_t *raw = malloc(300000);
    uint8_t *back = malloc(300000);

    cr_assert(raw != NULL && back != NULL);
    fill(raw, 300000);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct hg_buf b = { 0 };
        size_t n = 0;
        cr_assert_eq(hg_buf_append(&b, "head", 4), HOLOG_OK);
        cr_assert_eq(hg_lz4_compress(raw, sizes[i], 1, &b), HOLOG_OK);
        cr_assert_eq(hg_get_le32(b.data + 4), sizes[i]);
        cr_assert_eq(hg_lz4_stated(b.data + 4, b.len - 4), sizes[i]);
        cr_assert_eq(hg_lz4_decompress(b.data + 4, b.len - 4, back, sizes[i], &n), HOLOG_OK);
        cr_assert(n == sizes[i] && memcmp(back, raw, n) == 0);
        hg_buf_release(&b);
    }
    free(raw);
    free(back);
}

Test(lz4, more_than_expected_is_refused_before_a_byte_is_written)
{
    struct hg_buf b = { 0 };
    uint8_t raw[1000] = { 0 };
    uint8_t out[1000];
    size_t n = 7;

    cr_assert_eq(hg_lz4_compress(raw, sizeof raw, 1, &b), HOLOG_OK);
    memset(out, 0xaa, sizeof out);
    cr_assert_eq(hg_lz4_decompress(b.data, b.len, out, sizeof raw - 1, &n), HOLOG_E_CORRUPT);
    hg_put_le32(b.data, 0x7E000001);
    cr_assert_eq(hg_lz4_decompress(b.data, b.len, out, SIZE_MAX, &n), HOLOG_E_CORRUPT);
    hg_put_le32(b.data, 0);
    cr_assert_eq(hg_lz4_decompress(b.data, b.len, out, sizeof out, &n), HOLOG_E_CORRUPT);
    cr_assert(out[0] == 0xaa && n == 7);
    hg_put_le32(b.data, 999);
    cr_assert_eq(hg_lz4_decompress(b.data, b.len, out, sizeof out, &n), HOLOG_E_CORRUPT);
    hg_buf_release(&b);
}

Test(lz4, what_has_no_frame_is_not_compressed)
{
    struct hg_buf b = { 0 };

    cr_assert_eq(hg_lz4_compress("", 0, 1, &b), HOLOG_E_INVAL);
    cr_assert_eq(hg_lz4_compress("x", (size_t)HG_LZ4_RAW_MAX + 1, 1, &b), HOLOG_E_TOOBIG);
    cr_assert_eq(b.len, 0);
    hg_buf_release(&b);
}

Test(lz4, every_cut_is_found_and_no_flipped_bit_leads_outside)
{
    struct hg_buf b = { 0 };
    uint8_t raw[500];
    size_t n = 0;

    fill(raw, sizeof raw);
    cr_assert_eq(hg_lz4_compress(raw, sizeof raw, 1, &b), HOLOG_OK);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = copy_of(b.data, len);
        uint8_t *out = malloc(sizeof raw);
        cr_assert_eq(hg_lz4_decompress(cut, len, out, sizeof raw, &n), HOLOG_E_CORRUPT, "%zu", len);
        free(cut);
        free(out);
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        uint8_t *bad = copy_of(b.data, b.len);
        uint8_t *out = malloc(sizeof raw);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int rc = hg_lz4_decompress(bad, b.len, out, sizeof raw, &n);
        cr_assert(rc == HOLOG_E_CORRUPT || (rc == HOLOG_OK && n <= sizeof raw), "bit %zu", bit);
        free(bad);
        free(out);
    }
    hg_buf_release(&b);
}

static int fail_all(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 1;
}

Test(lz4, without_memory_the_buffer_stays_as_it_was)
{
    struct hg_buf b = { 0 };

    cr_assert_eq(hg_buf_reserve(&b, 1000), HOLOG_OK);
    hg_alloc_set_fault(fail_all, NULL);
    cr_assert_eq(hg_lz4_compress("abc", 3, 1, &b), HOLOG_E_NOMEM);
    hg_alloc_set_fault(NULL, NULL);
    cr_assert_eq(b.len, 0);
    hg_buf_release(&b);
}
