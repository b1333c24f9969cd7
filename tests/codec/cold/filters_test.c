/* Predictors, maps and packings by themselves, against their definitions. */
#include <math.h>

#include "codec/cold/bits.h"
#include "codec/cold/entropy.h"
#include "codec/cold/predict.h"
#include "codec/cold/split.h"
#include "codec/cold/words.h"
#include "codec/shuffle.h"
#include "kit.h"

static int32_t at(const int32_t *x, const size_t *n, long z, long y, long col)
{
    return z < 0 || y < 0 || col < 0 ? 0 : x[((size_t)z * n[1] + (size_t)y) * n[2] + (size_t)col];
}

/* What the definition expects of a place. */
static int64_t expected(enum hg_predictor how, const int32_t *x, const size_t *n, long z, long y,
                        long c)
{
    int64_t left = at(x, n, z, y, c - 1);
    int64_t up = at(x, n, z, y - 1, c);

    switch (how) {
    case HG_PREDICT_LEFT: return left;
    case HG_PREDICT_UP: return up;
    case HG_PREDICT_AVERAGE: return y == 0 ? left : c == 0 ? up : left + ((up - left) >> 1);
    case HG_PREDICT_LORENZO:
    default:
        return left + up - at(x, n, z, y - 1, c - 1) + at(x, n, z - 1, y, c) -
               at(x, n, z - 1, y, c - 1) - at(x, n, z - 1, y - 1, c) +
               at(x, n, z - 1, y - 1, c - 1);
    }
}

Test(cold_filters, predictors_are_what_their_definitions_say)
{
    for (int how = HG_PREDICT_UP; how <= HG_PREDICT_LORENZO; how++) {
        struct hg_predict p = { (enum hg_predictor)how, 4, 1, { 3, 7, 21 } };
        int32_t x[3 * 7 * 21];
        int32_t out[3 * 7 * 21];
        uint64_t seed = 3;
        for (size_t i = 0; i < 441; i++)
            x[i] = (int32_t)(kit_random(&seed) % 4001) - 2000;
        hg_predict_forward(&p, x, out);
        for (long z = 0; z < 3; z++)
            for (long y = 0; y < 7; y++)
                for (long c = 0; c < 21; c++)
                    cr_assert_eq(at(out, p.n, z, y, c),
                                 at(x, p.n, z, y, c) - expected(p.how, x, p.n, z, y, c),
                                 "%d at %ld %ld %ld", how, z, y, c);
        hg_predict_inverse(&p, out);
        cr_assert_eq(memcmp(out, x, sizeof x), 0);
    }
}

Test(cold_filters, floats_keep_their_order_as_integers)
{
    static const float rising[] = { -INFINITY, -3e38f, -1.5f, -1.0f,     -1e-45f, -0.0f,
                                    0.0f,      1e-45f, 1.0f,  1e-3f + 1, 3e38f,   INFINITY };
    int32_t v[12];

    hg_words_order_floats(rising, v, 12, 4);
    for (size_t i = 1; i < 12; i++)
        cr_assert_lt(v[i - 1], v[i], "%g and %g", (double)rising[i - 1], (double)rising[i]);
    cr_assert_eq(v[5], -1);
    cr_assert_eq(v[6], 0);
}

Test(cold_filters, all_half_floats_come_back_and_are_in_order)
{
    uint16_t x[65536];
    uint16_t y[65536];

    for (size_t i = 0; i < 65536; i++)
        x[i] = (uint16_t)i;
    hg_words_order_floats(x, y, 65536, 2);
    for (size_t i = 1; i < 0x7C01; i++) {
        cr_assert_eq((int16_t)y[i], (int16_t)y[i - 1] + 1);
        cr_assert_eq((int16_t)y[0x8000 + i], (int16_t)y[0x7FFF + i] - (i > 0));
    }
    hg_words_order_floats(y, y, 65536, 2);
    cr_assert_eq(memcmp(x, y, sizeof x), 0);
}

Test(cold_filters, zigzag_makes_small_magnitudes_small_numbers)
{
    static const int16_t x[] = { 0, -1, 1, -2, 2, INT16_MAX, INT16_MIN };
    static const uint16_t expect[] = { 0, 1, 2, 3, 4, 65534, 65535 };
    uint16_t y[7];
    int16_t back[7];

    hg_words_zigzag(x, y, 7, 2);
    cr_assert_eq(memcmp(y, expect, sizeof y), 0);
    hg_words_unzigzag(y, back, 7, 2);
    cr_assert_eq(memcmp(x, back, sizeof x), 0);
}

Test(cold_filters, the_range_is_that_of_the_type)
{
    static const uint16_t x[] = { 3, 0xFFFE, 2, 9 };
    uint64_t least = 0;

    cr_assert_eq(hg_words_range(x, 4, 2, 0, &least), 0xFFFE - 2);
    cr_assert_eq(least, 2);
    cr_assert_eq(hg_words_range(x, 4, 2, 1, &least), 11);
    cr_assert_eq(least, 0xFFFE);
}

Test(cold_filters, bits_are_packed_as_written_down)
{
    uint8_t numbers[24];
    uint8_t packed[24];
    uint8_t back[24];

    for (int simd = 0; simd < 2; simd++) {
        hg_simd_allow(simd);
        for (unsigned r = 1; r <= 7; r++) {
            for (size_t n = 1; n <= 17; n++) {
                memset(packed, 0xEE, sizeof packed);
                for (size_t i = 0; i < 24; i++)
                    numbers[i] = (uint8_t)(i < n ? (i * 37 + 11) & ((1u << r) - 1) : 0);
                hg_bits_pack(numbers, n, r, packed);
                for (size_t i = 0; i < n * r; i++)
                    cr_assert_eq(packed[i / 8] >> i % 8 & 1, numbers[i / r] >> i % r & 1);
                cr_assert_eq(packed[hg_bits_size(n, r)], 0xEE);
                hg_bits_unpack(packed, n, r, back);
                cr_assert_eq(memcmp(back, numbers, n), 0);
            }
        }
    }
    hg_simd_allow(1);
}

Test(cold_filters, bits_shuffled_are_where_they_should_be)
{
    enum {
        COUNT = 328
    };
    uint8_t x[COUNT * 8 + 5];
    uint8_t y[sizeof x];
    uint8_t back[sizeof x];
    uint64_t seed = 6;

    for (int simd = 0; simd < 2; simd++) {
        hg_simd_allow(simd);
        for (size_t size = 1; size <= 8; size++) {
            size_t len = COUNT * size + (size > 5 ? 5 : 0);
            for (size_t i = 0; i < len; i++)
                x[i] = (uint8_t)kit_random(&seed);
            hg_bitshuffle(x, len, size, y);
            for (size_t i = 0; i < COUNT; i++)
                for (size_t k = 0; k < 8 * size; k++)
                    cr_assert_eq(x[i * size + k / 8] >> k % 8 & 1,
                                 y[k * (COUNT / 8) + i / 8] >> i % 8 & 1);
            hg_bitunshuffle(y, len, size, back);
            cr_assert_eq(memcmp(x, back, len), 0);
        }
    }
    hg_simd_allow(1);
}

Test(cold_filters, logarithms_are_right_to_four_places)
{
    cr_assert_eq(hg_log2_q16(1), 0);
    cr_assert_eq(hg_log2_q16(1u << 31), 31u << 16);
    for (uint32_t n = 2; n < 4000000000u; n += n / 7 + 1)
        cr_assert_lt(fabs(hg_log2_q16(n) / 65536.0 - log2(n)), 1e-4, "%u", n);
}

Test(cold_filters, entropy_is_that_of_order_zero)
{
    uint32_t fair[256];
    uint32_t one[2] = { 0, 500 };
    uint32_t quarters[3] = { 256, 512, 256 };

    for (size_t i = 0; i < 256; i++)
        fair[i] = 16;
    cr_assert_float_eq((double)hg_entropy(fair, 256, 4096), 8 * 4096, 2);
    cr_assert_eq(hg_entropy(one, 2, 500), 0);
    cr_assert_float_eq((double)hg_entropy(quarters, 3, 1024), 1.5 * 1024, 1);
}

/* Uniform in 0 .. 2^b - 1: the low b - 8 bits are noise, and the rest is a byte. */
Test(cold_filters, the_best_split_takes_no_more_bits_than_there_are)
{
    uint32_t v[8192];
    uint64_t bits = 0;
    uint64_t seed = 7;

    for (unsigned b = 10; b <= 28; b += 3) {
        for (size_t i = 0; i < 8192; i++)
            v[i] = (uint32_t)(kit_random(&seed) >> (64 - b));
        unsigned k = hg_split_best(v, 8192, 4);
        bits = hg_split_bits(v, 8192, 8192, 4);
        cr_assert(k >= b - 8 && k <= b, "%u bits: k %u", b, k);
        cr_assert_lt(bits, 8192 * b * 106 / 100);
        cr_assert_gt(bits, 8192 * b * 94 / 100);
    }
}
