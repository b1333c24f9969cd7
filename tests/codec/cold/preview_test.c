/* Previews come from the first parts alone, and are the array, smaller. */
#include <math.h>

#include "kit.h"

struct made {
    struct hg_cold_array a;
    uint8_t *raw;
    struct hg_buf block;
    struct hg_cold_head head;
    struct hg_cold_parts parts;
};

static struct made make(struct hg_coder *c, struct hg_cold_array a, uint8_t filter, uint8_t codec,
                        enum kit_fill fill)
{
    struct hg_cold_plan plan = {
        .filter = filter, .codec = codec, .level = 1, .axes = 2, .levels = 5
    };
    struct made m = { .a = a, .raw = kit_array(&a, fill, 4) };

    cr_assert_eq(hg_cold_encode(c, &a, m.raw, &plan, NULL, &m.block), HOLOG_OK);
    cr_assert_eq(kit_open(&m.block, &m.head, &m.parts), HOLOG_OK);
    return m;
}

static void drop(struct made *m)
{
    free(m->raw);
    hg_buf_release(&m->block);
}

static double value_of(const uint8_t *p, const struct hg_cold_array *a)
{
    unsigned spare = 64 - 8u * a->size;
    uint64_t v = 0;
    float f;
    double d;

    memcpy(&v, p, a->size);
    memcpy(&f, &v, sizeof f);
    memcpy(&d, &v, sizeof d);
    if (a->kind == HG_ELEMENT_FLOAT)
        return a->size == 4 ? (double)f : d;
    return a->kind == HG_ELEMENT_SIGNED ? (double)((int64_t)(v << spare) >> spare) : (double)v;
}

/* Every preview of it is near the mean of what each element stands for, within `off`; parts behind are not there. */
static void each_preview(struct hg_coder *c, struct made *m, double off)
{
    for (unsigned k = 0; k < m->head.parts; k++) {
        struct hg_cold_array shape;
        struct hg_cold_parts some = m->parts;
        unsigned needed = 0;
        cr_assert_eq(hg_cold_preview_shape(&m->head, k, &shape, &needed), HOLOG_OK);
        cr_assert_eq(needed, m->head.parts - k);
        for (unsigned i = needed; i < m->head.parts; i++)
            some.at[i] = NULL;
        uint8_t *out = malloc(hg_cold_raw_bytes(&shape));
        cr_assert_not_null(out);
        cr_assert_eq(hg_cold_preview(c, &m->head, &some, k, out, hg_cold_raw_bytes(&shape)),
                     HOLOG_OK);
        for (uint32_t y = 0; y < shape.n[0]; y++) {
            for (uint32_t x = 0; x < shape.n[1]; x++) {
                double sum = 0;
                uint32_t h = HG_MIN((y + 1) << k, m->a.n[0]) - (y << k);
                uint32_t w = HG_MIN((x + 1) << k, m->a.n[1]) - (x << k);
                for (uint32_t i = 0; i < h * w; i++)
                    sum += value_of(m->raw + (((y << k) + i / w) * m->a.n[1] + (x << k) + i % w) *
                                                 m->a.size,
                                    &m->a);
                double got = value_of(out + (y * shape.n[1] + x) * m->a.size, &m->a);
                if (h == w && h == 1u << k) /* at ragged edges means are weighted */
                    cr_assert_leq(fabs(got - sum / h / w), off, "1/%u at %u, %u: %f, not %f",
                                  1u << k, y, x, got, sum / h / w);
            }
        }
        free(out);
    }
}

Test(cold_preview, of_2_6_is_the_mean_for_every_integer_whatever_its_range)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4 };
    static const enum kit_fill fills[] = { KIT_NOISE, KIT_RANDOM, KIT_EXTREMES, KIT_SPIKE,
                                           KIT_RAMP };
    struct hg_coder *c = kit_coder();
    unsigned lifted = 0;

    for (size_t i = 0; i < 6; i++) {
        for (size_t f = 0; f < 5; f++) {
            struct hg_cold_array a = {
                sizes[i], i % 2 ? HG_ELEMENT_SIGNED : HG_ELEMENT_UNSIGNED, 2, { 96, 129 }
            };
            for (int split = 0; split < 2; split++) {
                struct made m = make(c, a, HG_FILTER_LIFT26,
                                     split ? HG_CODEC_LITERALS : HG_CODEC_ZSTD, fills[f]);
                lifted += m.head.filter == HG_FILTER_LIFT26; /* else it was smaller as it is */
                if (m.head.filter == HG_FILTER_LIFT26)
                    each_preview(c, &m, 4);
                drop(&m);
            }
        }
    }
    cr_assert_geq(lifted, 48);
    hg_coder_destroy(c);
}

static void extent(const uint8_t *p, const struct hg_cold_array *a, double *out_least,
                   double *out_most)
{
    *out_least = HUGE_VAL;
    *out_most = -HUGE_VAL;
    for (size_t i = 0; i < hg_cold_raw_bytes(a); i += a->size) {
        *out_least = fmin(*out_least, value_of(p + i, a));
        *out_most = fmax(*out_most, value_of(p + i, a));
    }
}

Test(cold_preview, stays_between_the_least_and_the_greatest)
{
    static const struct hg_cold_array arrays[] = {
        { 1, HG_ELEMENT_UNSIGNED, 2, { 96, 90 } }, { 2, HG_ELEMENT_UNSIGNED, 2, { 96, 90 } },
        { 2, HG_ELEMENT_SIGNED, 2, { 96, 90 } },   { 4, HG_ELEMENT_FLOAT, 2, { 96, 90 } },
        { 4, HG_ELEMENT_SIGNED, 2, { 96, 90 } },   { 8, HG_ELEMENT_FLOAT, 2, { 96, 90 } },
        { 8, HG_ELEMENT_SIGNED, 2, { 96, 90 } },
    };
    static const enum kit_fill fills[] = { KIT_NOISE, KIT_STEPS, KIT_SPIKE, KIT_RAMP };
    struct hg_coder *c = kit_coder();

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        for (size_t f = 0; f < 4; f++) {
            for (uint8_t filter = HG_FILTER_LIFT26; filter <= HG_FILTER_LIFT53; filter++) {
                struct made m = make(c, arrays[i], filter, HG_CODEC_LITERALS, fills[f]);
                double least;
                double most;
                extent(m.raw, &m.a, &least, &most);
                for (unsigned k = 0; (m.head.flags & HG_COLD_MEANS) && k < m.head.parts; k++) {
                    struct hg_cold_array shape;
                    unsigned needed;
                    uint8_t out[96 * 90 * 8];
                    double low;
                    double high;
                    cr_assert_eq(hg_cold_preview_shape(&m.head, k, &shape, &needed), HOLOG_OK);
                    cr_assert_eq(hg_cold_preview(c, &m.head, &m.parts, k, out, sizeof out),
                                 HOLOG_OK);
                    extent(out, &shape, &low, &high);
                    cr_assert(low >= least && high <= most, "%g to %g, of %g to %g", low, high,
                              least, most);
                }
                drop(&m);
            }
        }
    }
    hg_coder_destroy(c);
}

Test(cold_preview, of_nothing_halved_is_all_of_it)
{
    struct hg_coder *c = kit_coder();
    struct hg_cold_array a = { 4, HG_ELEMENT_FLOAT, 3, { 3, 50, 70 } };

    for (uint8_t filter = HG_FILTER_LIFT26; filter <= HG_FILTER_LIFT53; filter++) {
        struct made m = make(c, a, filter, HG_CODEC_ZSTD, KIT_NOISE);
        uint8_t *out = malloc(m.head.raw_bytes);
        cr_assert_not_null(out);
        cr_assert_eq(hg_cold_preview(c, &m.head, &m.parts, 0, out, m.head.raw_bytes), HOLOG_OK);
        cr_assert_eq(memcmp(out, m.raw, m.head.raw_bytes), 0);
        free(out);
        drop(&m);
    }
    hg_coder_destroy(c);
}

Test(cold_preview, there_is_none_of_what_has_no_means)
{
    struct hg_cold_array wide = { 8, HG_ELEMENT_UNSIGNED, 2, { 64, 64 } };
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 64, 64 } };
    struct hg_coder *c = kit_coder();
    struct made m =
        make(c, wide, HG_FILTER_LIFT26, HG_CODEC_ZSTD, KIT_EXTREMES); /* nothing wider is there */
    struct made n = make(c, a, HG_FILTER_LORENZO, HG_CODEC_ZSTD, KIT_NOISE);
    struct made o = make(c, a, HG_FILTER_LIFT26, HG_CODEC_ZSTD, KIT_NOISE);
    uint8_t out[8 * 64 * 64];

    cr_assert_eq(hg_cold_preview(c, &m.head, &m.parts, 1, out, sizeof out), HOLOG_E_NOTSUP);
    cr_assert_eq(hg_cold_preview(c, &n.head, &n.parts, 1, out, sizeof out), HOLOG_E_NOTSUP);
    cr_assert_eq(hg_cold_preview(c, &o.head, &o.parts, o.head.parts, out, sizeof out),
                 HOLOG_E_NOTSUP);
    cr_assert_eq(hg_cold_preview(c, &o.head, &o.parts, 1, out, 10), HOLOG_E_INVAL);
    o.parts.at[0] = NULL;
    cr_assert_eq(hg_cold_preview(c, &o.head, &o.parts, 1, out, sizeof out), HOLOG_E_CORRUPT);
    drop(&m);
    drop(&n);
    drop(&o);
    hg_coder_destroy(c);
}

/* Nothing else is left to tell: what all elements are hashed to, a preview does not see. */
Test(cold_preview, of_a_part_with_a_flipped_bit_is_refused)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 40, 50 } };
    struct hg_coder *c = kit_coder();
    struct made m = make(c, a, HG_FILTER_LIFT26, HG_CODEC_LITERALS, KIT_NOISE);
    uint8_t out[4000];

    for (size_t bit = 8 * m.head.head_bytes; bit < 8 * m.block.len; bit++) {
        m.block.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(hg_cold_preview(c, &m.head, &m.parts, 0, out, sizeof out), HOLOG_E_CORRUPT,
                     "bit %zu", bit);
        m.block.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    drop(&m);
    hg_coder_destroy(c);
}
