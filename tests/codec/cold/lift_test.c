/* Lifting: low words are means without a bias, levels are what the definition says, and everything comes back. */
#include "codec/cold/lift.h"

#include <math.h>

#include "codec/cold/bands.h"
#include "kit.h"

struct field {
    struct hg_lift l;
    uint8_t *words;
    uint8_t *other;
    uint8_t *scratch;
    size_t bytes;
};

static struct field field_of(struct hg_lift l)
{
    struct field f = { .l = l, .bytes = l.outer * l.n[0] * l.n[1] * l.n[2] * l.width };

    f.words = malloc(f.bytes);
    f.other = malloc(f.bytes);
    f.scratch = malloc(hg_lift_scratch(&l));
    cr_assert(f.words != NULL && f.other != NULL && f.scratch != NULL);
    return f;
}

static void field_free(struct field *f)
{
    free(f->words);
    free(f->other);
    free(f->scratch);
}

static void there_and_back(struct hg_lift l, uint64_t seed)
{
    struct field f = field_of(l);
    uint8_t *before = malloc(f.bytes);
    uint8_t *elsewhere = malloc(f.bytes);

    cr_assert_not_null(before);
    cr_assert_not_null(elsewhere);
    for (size_t i = 0; i < f.bytes; i++)
        before[i] = (uint8_t)(kit_random(&seed) >> 40);
    memcpy(f.words, before, f.bytes);
    hg_lift_forward(&l, f.words, f.other, f.scratch);
    hg_lift_inverse(&l, 0, f.words, f.other, f.scratch, f.words);
    cr_assert_eq(memcmp(f.words, before, f.bytes), 0, "width %u, %u levels of %zu x %zu x %zu",
                 l.width, l.levels, l.n[0], l.n[1], l.n[2]);
    hg_lift_forward(&l, f.words, f.other, f.scratch);
    memset(elsewhere, 0, f.bytes);
    hg_lift_inverse(&l, 0, f.words, f.other, f.scratch, elsewhere);
    cr_assert_eq(memcmp(elsewhere, before, f.bytes), 0,
                 "elsewhere, width %u, %u levels of %zu x %zu x %zu", l.width, l.levels, l.n[0],
                 l.n[1], l.n[2]);
    free(elsewhere);
    free(before);
    field_free(&f);
}

Test(cold_lift, any_words_of_any_box_come_back)
{
    for (size_t n = 1; n <= 67; n++)
        for (unsigned width = 2; width <= 8; width *= 2)
            for (unsigned levels = 1; levels <= 7; levels += 2)
                for (int wavelet = HG_LIFT_26; wavelet <= HG_LIFT_53; wavelet++) {
                    enum hg_wavelet w = (enum hg_wavelet)wavelet;
                    size_t m = 68 - n;
                    there_and_back((struct hg_lift){ w, width, 1, levels, 2, { 1, 1, n } }, n);
                    there_and_back((struct hg_lift){ w, width, 2, levels, 2, { 1, n, m } }, n);
                    there_and_back((struct hg_lift){ w, width, 2, levels, 1, { 1, n, 1 } }, n);
                    there_and_back((struct hg_lift){ w, width, 3, levels, 1, { n % 9 + 1, 5, m } },
                                   n);
                    there_and_back((struct hg_lift){ w, width, 3, levels, 2, { n, 1, 3 } }, n);
                }
}

/* The definition, word by word, of 2/6 along a line. */
static void line_26(const int32_t *x, size_t n, int up, int32_t *to)
{
    size_t low = n - n / 2;

    for (size_t j = 0; j < low; j++) {
        if (2 * j + 1 == n) {
            to[j] = x[2 * j];
        } else {
            to[low + j] = x[2 * j] - x[2 * j + 1];
            to[j] = x[2 * j + 1] + ((to[low + j] + up) >> 1);
        }
    }
    for (size_t j = 0; j < n / 2; j++)
        to[low + j] -= (to[j > 0 ? j - 1 : 0] - to[j + 1 < low ? j + 1 : j] + 2) >> 2;
}

static void line_53(const int32_t *x, size_t n, int32_t *to)
{
    size_t low = n - n / 2;
    size_t high = n / 2;

    for (size_t j = 0; j < high; j++) {
        int32_t q = x[2 * j + 2 < n ? 2 * j + 2 : 2 * j];
        to[low + j] = x[2 * j + 1] - (x[2 * j] + ((q - x[2 * j]) >> 1));
    }
    for (size_t j = 0; j < low; j++)
        to[j] = x[2 * j] +
                ((to[low + (j > 0 ? j - 1 : 0)] + to[low + (j < high ? j : high - 1)] + 1) >> 2);
}

Test(cold_lift, a_line_is_what_the_definition_says)
{
    uint64_t seed = 9;

    for (size_t n = 2; n <= 67; n++) {
        for (int wavelet = HG_LIFT_26; wavelet <= HG_LIFT_53; wavelet++) {
            struct hg_lift l = { (enum hg_wavelet)wavelet, 4, 1, 1, 1, { 1, 1, n } };
            struct field f = field_of(l);
            int32_t x[67];
            int32_t expected[67];
            for (size_t i = 0; i < n; i++)
                x[i] = (int32_t)(kit_random(&seed) % 60001) - 30000;
            memcpy(f.words, x, n * 4);
            hg_lift_forward(&l, f.words, f.other, f.scratch);
            if (l.wavelet == HG_LIFT_26)
                line_26(x, n, 0, expected);
            else
                line_53(x, n, expected);
            cr_assert_eq(memcmp(f.words, expected, n * 4), 0, "%zu words, wavelet %d", n, wavelet);
            field_free(&f);
        }
    }
}

/* Mean of the corner of a level less the mean of all words. */
static double bias_of(enum hg_wavelet wavelet, unsigned axes, unsigned levels)
{
    struct hg_lift l = {
        wavelet, 4, axes, levels, 1, { axes > 2 ? 64 : 1, axes > 1 ? 64 : 1, axes > 1 ? 64 : 65536 }
    };
    struct field f = field_of(l);
    int32_t *w = (int32_t *)(void *)f.words;
    size_t m[3];
    double before = 0;
    double after = 0;
    uint64_t seed = 11;

    for (size_t i = 0; i < f.bytes / 4; i++)
        before += w[i] = (int32_t)(1000 + kit_random(&seed) % 256);
    hg_lift_forward(&l, f.words, f.other, f.scratch);
    for (int i = 0; i < 3; i++)
        m[i] = hg_lift_length(l.n[i], levels);
    for (size_t z = 0; z < m[0]; z++)
        for (size_t y = 0; y < m[1]; y++)
            for (size_t x = 0; x < m[2]; x++)
                after += w[(z * l.n[1] + y) * l.n[2] + x];
    after = after / (double)(m[0] * m[1] * m[2]) - before / (double)(f.bytes / 4);
    field_free(&f);
    return after;
}

Test(cold_lift, low_words_have_no_bias)
{
    /* With floors alone it is -0.25 for each axis of each level: -2 after four levels of two axes. */
    for (unsigned axes = 1; axes <= 3; axes++) {
        cr_assert_lt(fabs(bias_of(HG_LIFT_26, axes, 2)), 0.1, "2/6, %u axes: %f", axes,
                     bias_of(HG_LIFT_26, axes, 2));
        cr_assert_lt(fabs(bias_of(HG_LIFT_26, axes, 4)), axes == 3 ? 0.35 : 0.25,
                     "2/6, %u axes: %f", axes, bias_of(HG_LIFT_26, axes, 4));
        cr_assert_lt(fabs(bias_of(HG_LIFT_53, axes, 2)), 0.6, "5/3, %u axes: %f", axes,
                     bias_of(HG_LIFT_53, axes, 2));
    }
}

/* Every low word of 2/6 is near the mean of its 2^k x 2^k words. */
Test(cold_lift, low_words_are_means_of_their_blocks)
{
    struct hg_lift l = { HG_LIFT_26, 2, 2, 4, 1, { 1, 128, 128 } };
    struct field f = field_of(l);
    uint16_t *w = (uint16_t *)(void *)f.words;
    uint16_t *before = malloc(f.bytes);
    uint64_t seed = 12;

    cr_assert_not_null(before);
    for (size_t i = 0; i < f.bytes / 2; i++)
        before[i] = w[i] =
            (uint16_t)(40000 + kit_random(&seed) % 20000); /* a range below 2^15, high up */
    hg_lift_forward(&l, f.words, f.other, f.scratch);
    for (size_t y = 0; y < 8; y++) {
        for (size_t x = 0; x < 8; x++) {
            double mean = 0;
            for (size_t i = 0; i < 256; i++)
                mean += before[(y * 16 + i / 16) * 128 + x * 16 + i % 16];
            cr_assert_lt(fabs(mean / 256 - w[y * 128 + x]), 3, "%zu, %zu", y, x);
        }
    }
    free(before);
    field_free(&f);
}

/* Part p leads from one level's corner to the next: undone as far as level k, the corner is that of level k. */
Test(cold_lift, undone_in_part_it_is_the_corner_of_that_level)
{
    struct hg_lift deep = { HG_LIFT_53, 4, 3, 4, 2, { 9, 37, 50 } };

    for (unsigned k = 0; k <= 4; k++) {
        struct hg_lift l = deep;
        struct field f = field_of(deep);
        struct field g = field_of(deep);
        l.levels = k;
        for (size_t i = 0; i < f.bytes; i++)
            f.words[i] = g.words[i] = (uint8_t)(i * i >> 3);
        hg_lift_forward(&deep, f.words, f.other, f.scratch);
        hg_lift_inverse(&deep, k, f.words, f.other, f.scratch, f.words);
        hg_lift_forward(&l, g.words, g.other, g.scratch);
        for (size_t o = 0; o < 2; o++)
            for (size_t z = 0; z < hg_lift_length(9, k); z++)
                for (size_t y = 0; y < hg_lift_length(37, k); y++)
                    cr_assert_eq(memcmp(f.words + ((o * 9 + z) * 37 + y) * 200,
                                        g.words + ((o * 9 + z) * 37 + y) * 200,
                                        hg_lift_length(50, k) * 4),
                                 0);
        field_free(&f);
        field_free(&g);
    }
}

Test(cold_lift, each_word_is_in_one_band)
{
    for (size_t n = 1; n < 90; n += 11) {
        struct hg_lift l = { HG_LIFT_26, 2, 3, 3, 2, { n % 6 + 1, n, 91 - n } };
        size_t words = l.outer * l.n[0] * l.n[1] * l.n[2];
        uint16_t *seen = calloc(words, 2);
        uint8_t *values = malloc(words * 2);
        cr_assert(seen != NULL && values != NULL);
        for (unsigned part = 0; part <= l.levels; part++) {
            struct hg_unit units[HG_UNIT_BOXES];
            unsigned count = hg_bands_of(&l, part, units);
            for (unsigned i = 0; i < count; i++) {
                size_t m = hg_unit_words(&units[i]);
                for (size_t k = 0; k < m; k++) /* zigzag of -1 */
                    memcpy(values + 2 * k, &(uint16_t){ 1 }, 2);
                for (size_t k = 0; k < words; k++)
                    cr_assert_neq(seen[k], 2);
                hg_unit_scatter(&units[i], values, (uint8_t *)seen);
            }
        }
        for (size_t k = 0; k < words; k++)
            cr_assert_eq(seen[k], 0xFFFF, "word %zu of %zu", k, words);
        free(seen);
        free(values);
    }
}
