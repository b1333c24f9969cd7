/* gzip by its plug-in, found in HOLOG_PLUGIN_PATH. */
#include "codec/gzip.h"

#include "golden.h"
#include "holog/error.h"

static void judge(struct golden *g)
{
    uint8_t *out = malloc(g->raw_bytes);
    size_t n = 0;

    cr_assert_eq(hg_gzip_decompress(g->data, g->len, out, g->raw_bytes, &n), HOLOG_OK, "%s",
                 g->name);
    cr_assert(n == g->raw_bytes && memcmp(out, g->raw, n) == 0, "%s", g->name);
    cr_assert_eq(hg_gzip_decompress(g->data, g->len, out, g->raw_bytes - 1, &n), HOLOG_E_CORRUPT,
                 "%s: no room", g->name);
    free(out);
}

Test(gzip, what_python_wrote_is_read_in_one_member_or_two)
{
    cr_assert_geq(golden_each("gzip_", judge), 6);
}

Test(gzip, what_is_compressed_comes_back)
{
    uint8_t raw[70000];
    uint8_t *back = malloc(sizeof raw);
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof raw; i++) {
        x = x * 1103515245u + 12345u;
        raw[i] = (uint8_t)(x >> 16); /* it does not compress: the bound is needed */
    }
    for (int level = 0; level <= 9; level++) {
        struct hg_buf b = { 0 };
        size_t n = 0;
        cr_assert_eq(hg_gzip_compress(raw, sizeof raw, level, &b), HOLOG_OK, "level %d", level);
        cr_assert_eq(hg_gzip_decompress(b.data, b.len, back, sizeof raw, &n), HOLOG_OK);
        cr_assert(n == sizeof raw && memcmp(back, raw, n) == 0, "level %d", level);
        hg_buf_release(&b);
    }
    free(back);
}

Test(gzip, every_cut_what_follows_and_a_flipped_bit_of_the_data_are_found)
{
    struct hg_buf b = { 0 };
    uint8_t out[200];
    size_t n = 0;
    size_t good = 0;

    cr_assert_eq(hg_gzip_compress("a text that is compressed, a text, a text", 41, 6, &b), 0);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len + (len == 0));
        memcpy(cut, b.data, len);
        cr_assert_eq(hg_gzip_decompress(cut, len, out, 41, &n), HOLOG_E_CORRUPT, "%zu", len);
        free(cut);
    }
    for (size_t bit = 10 * 8; bit < b.len * 8; bit++) { /* behind the header */
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        good += hg_gzip_decompress(b.data, b.len, out, 41, &n) == HOLOG_OK;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cr_assert_leq(good, 8, "bits behind the last block mean nothing; others do");
    cr_assert_eq(hg_buf_append(&b, "x", 1), HOLOG_OK);
    cr_assert_eq(hg_gzip_decompress(b.data, b.len, out, 41, &n), HOLOG_E_CORRUPT);
    hg_buf_release(&b);
}

Test(gzip, without_the_plugin_the_message_says_how_to_come_by_it)
{
    struct holog_error_detail error;

    cr_assert_eq(setenv("HOLOG_PLUGIN_PATH", "/nowhere", 1), 0);
    cr_assert_eq(hg_gzip_check(), HOLOG_E_NOTSUP);
    holog_last_error(&error);
    cr_assert_not_null(strstr(error.message, "zlib1g-dev"));
}
