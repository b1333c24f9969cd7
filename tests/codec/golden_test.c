/* What other writers made is read as they meant it. */
#include "golden.h"

#include "codec/crc32c.h"
#include "codec/lz4.h"
#include "codec/shuffle.h"
#include "codec/zstd.h"
#include "holog/error.h"

static uint8_t *room(const struct golden *g)
{
    uint8_t *out = malloc(g->raw_bytes);

    cr_assert_not_null(out);
    return out;
}

static void judge_lz4(struct golden *g)
{
    uint8_t *out = room(g);
    size_t n = 0;

    cr_assert_eq(hg_lz4_stated(g->data, g->len), g->raw_bytes, "%s", g->name);
    cr_assert_eq(hg_lz4_decompress(g->data, g->len, out, g->raw_bytes, &n), HOLOG_OK, "%s",
                 g->name);
    cr_assert(n == g->raw_bytes && memcmp(out, g->raw, n) == 0, "%s", g->name);
    free(out);
}

Test(golden, lz4_of_numcodecs_is_read)
{
    cr_assert_geq(golden_each("lz4_", judge_lz4), 3);
}

static void judge_zstd(struct golden *g)
{
    uint8_t *out = room(g);
    size_t n = 0;

    cr_assert_eq(hg_zstd_decompress_any(g->data, g->len, out, g->raw_bytes, &n), HOLOG_OK, "%s",
                 g->name);
    cr_assert(n == g->raw_bytes && memcmp(out, g->raw, n) == 0, "%s", g->name);
    cr_assert_geq(hg_zstd_stated(g->data, g->len), g->raw_bytes, "%s", g->name);
    cr_assert(hg_zstd_decompress_any(g->data, g->len, out, g->raw_bytes - 1, &n) == HOLOG_E_CORRUPT,
              "%s", g->name);
    free(out);
}

Test(golden, zstd_in_several_frames_streamed_checked_and_with_something_to_skip_is_read)
{
    cr_assert_geq(golden_each("zstd_", judge_zstd), 12);
}

static void judge_shuffle(struct golden *g)
{
    uint8_t *out = room(g);

    cr_assert_eq(g->len, g->raw_bytes, "%s", g->name);
    hg_unshuffle(g->data, g->len, g->size, out);
    cr_assert_eq(memcmp(out, g->raw, g->len), 0, "%s", g->name);
    hg_shuffle(g->raw, g->len, g->size, out);
    cr_assert_eq(memcmp(out, g->data, g->len), 0, "%s", g->name);
    free(out);
}

Test(golden, bytes_are_shuffled_as_numcodecs_does)
{
    cr_assert_geq(golden_each("shuffle_", judge_shuffle), 6);
}

static void judge_crc32c(struct golden *g)
{
    size_t n = 0;

    cr_assert_eq(hg_crc32c_verify(g->data, g->len, &n), HOLOG_OK, "%s", g->name);
    cr_assert_eq(n, g->raw_bytes);
}

Test(golden, a_checksum_made_bit_by_bit_is_the_same)
{
    cr_assert_geq(golden_each("crc32c_", judge_crc32c), 3);
}
