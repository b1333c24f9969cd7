/* Whatever goes into a cold block comes out of it, bit for bit, and a small header is the most that it costs. */
#include "kit.h"

static const struct hg_cold_array elements[] = {
    { .size = 1, .kind = HG_ELEMENT_UNSIGNED }, { .size = 1, .kind = HG_ELEMENT_SIGNED },
    { .size = 2, .kind = HG_ELEMENT_UNSIGNED }, { .size = 2, .kind = HG_ELEMENT_SIGNED },
    { .size = 2, .kind = HG_ELEMENT_FLOAT },    { .size = 4, .kind = HG_ELEMENT_UNSIGNED },
    { .size = 4, .kind = HG_ELEMENT_SIGNED },   { .size = 4, .kind = HG_ELEMENT_FLOAT },
    { .size = 8, .kind = HG_ELEMENT_UNSIGNED }, { .size = 8, .kind = HG_ELEMENT_SIGNED },
    { .size = 8, .kind = HG_ELEMENT_FLOAT },
};
#define ELEMENTS (sizeof elements / sizeof elements[0])

static unsigned blocks;

/* 0 quick, 1 normal, 2 full */
static int level(void)
{
    const char *name = getenv("HOLOG_TEST_LEVEL");

    return name == NULL || strcmp(name, "quick") == 0 ? 0 : strcmp(name, "full") == 0 ? 2 : 1;
}

static void every_plan(struct hg_coder *c, const struct hg_cold_array *a, enum kit_fill fill)
{
    struct hg_cold_plan plan;
    uint8_t *raw = kit_array(a, fill, 1 + a->n[0] * 67u + a->n[1]);

    for (unsigned i = 0; kit_plan(i, &plan); i++, blocks++)
        (void)kit_round(c, a, raw, &plan, NULL);
    free(raw);
}

static void every_element(struct hg_coder *c, unsigned rank, const uint32_t *n, enum kit_fill fill)
{
    for (size_t i = 0; i < ELEMENTS; i++) {
        struct hg_cold_array a = elements[i];
        a.rank = (uint8_t)rank;
        memcpy(a.n, n, rank * sizeof *n);
        every_plan(c, &a, fill);
    }
}

Test(cold_block, planes_of_all_sizes_up_to_67_come_back_bit_for_bit)
{
    struct hg_coder *c = kit_coder();
    static const uint32_t steps[] = { 9, 3, 1 };
    static const unsigned least[] = { 30000, 400000, 4000000 };
    uint32_t step = steps[level()];

    for (uint32_t y = 1; y <= 67; y += step) {
        for (uint32_t x = 1 + (y - 1) / step % step; x <= 67; x += step) {
            uint32_t n[] = { y, x };
            every_element(c, 2, n, (enum kit_fill)((x + y) % KIT_FILLS));
            every_element(c, 2, n, KIT_RANDOM);
        }
    }
    hg_coder_destroy(c);
    cr_assert_gt(blocks, least[level()]);
}

Test(cold_block, every_fill_and_rank_comes_back_bit_for_bit)
{
    static const uint32_t shapes[][4] = { { 1, 1, 1, 1 },  { 1, 1, 1, 67 },  { 67, 1, 1, 1 },
                                          { 1, 31, 1, 2 }, { 2, 3, 17, 19 }, { 5, 4, 3, 2 },
                                          { 3, 33, 16, 8 } };
    struct hg_coder *c = kit_coder();

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (unsigned rank = 0; rank <= 4; rank++)
            for (int fill = 0; fill < KIT_FILLS; fill++)
                every_element(c, rank, shapes[i] + (4 - rank), (enum kit_fill)fill);
    hg_coder_destroy(c);
}

Test(cold_block, rows_of_all_lengths_come_back_bit_for_bit)
{
    struct hg_coder *c = kit_coder();

    for (uint32_t n = 1; n < (level() > 0 ? 4300u : 300u); n += 1 + n / 40)
        every_element(c, 1, &n, n % 2 ? KIT_NOISE : KIT_RANDOM);
    hg_coder_destroy(c);
}

/* Sorted by class, in bands that are units of their own. */
Test(cold_block, large_blocks_come_back_bit_for_bit)
{
    static const uint32_t shapes[][3] = { { 1, 300, 411 }, { 9, 65, 140 }, { 64, 40, 33 } };
    struct hg_coder *c = kit_coder();

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int fill = KIT_RANDOM; fill<KIT_FILLS; fill += level()> 0 ? 1 : 2)
            every_element(c, 3, shapes[i], (enum kit_fill)fill);
    hg_coder_destroy(c);
}

Test(cold_block, each_bit_of_a_nan_comes_back)
{
    struct hg_cold_array a = { .size = 4, .kind = HG_ELEMENT_FLOAT, .rank = 2, .n = { 64, 64 } };
    uint8_t *raw = malloc(64 * 64 * 4);
    uint64_t seed = 3;

    cr_assert_not_null(raw);
    for (size_t i = 0; i < 4096; i++) {
        uint64_t r = kit_random(&seed);
        uint32_t v =
            (r & 1 ? 0xFF800000u : 0x7F800000u) | (uint32_t)(r >> 41); /* infinities and all NaNs */
        v = i % 5 == 0 ? (uint32_t)(r & 0x80000000u) : v;              /* and zeros of both signs */
        memcpy(raw + 4 * i, &v, 4);
    }
    struct hg_coder *c = kit_coder();
    struct hg_cold_plan plan;
    for (unsigned i = 0; kit_plan(i, &plan); i++)
        (void)kit_round(c, &a, raw, &plan, NULL);
    hg_coder_destroy(c);
    free(raw);
}

Test(cold_block, plain_c_writes_the_same_bytes_as_the_machine)
{
    struct hg_coder *c = kit_coder();
    struct hg_buf block[2] = { { 0 } };
    struct hg_cold_plan plan;

    for (size_t e = 0; e < ELEMENTS; e++) {
        struct hg_cold_array a = elements[e];
        a.rank = 2;
        a.n[0] = 97;
        a.n[1] = 133;
        uint8_t *raw = kit_array(&a, e % 2 ? KIT_NOISE : KIT_RANDOM, e);
        for (unsigned i = 0; kit_plan(i, &plan); i++) {
            for (int simd = 0; simd < 2; simd++) {
                uint8_t *out;
                size_t n;
                hg_simd_allow(simd);
                block[simd].len = 0;
                cr_assert_eq(hg_cold_encode(c, &a, raw, &plan, NULL, &block[simd]), HOLOG_OK);
                hg_simd_allow(!simd); /* and each reads what the other wrote */
                cr_assert_eq(kit_decode(c, &block[simd], NULL, &out, &n), HOLOG_OK);
                cr_assert_eq(memcmp(out, raw, n), 0);
                free(out);
            }
            cr_assert(block[0].len == block[1].len &&
                          memcmp(block[0].data, block[1].data, block[0].len) == 0,
                      "filter %u of %u bytes", plan.filter, a.size);
        }
        free(raw);
    }
    hg_simd_allow(1);
    hg_buf_release(&block[0]);
    hg_buf_release(&block[1]);
    hg_coder_destroy(c);
}

Test(cold_block, the_same_call_gives_the_same_bytes_whatever_came_before)
{
    struct hg_cold_array a = { .size = 2, .kind = HG_ELEMENT_UNSIGNED, .rank = 2, .n = { 80, 90 } };
    struct hg_cold_array other = {
        .size = 4, .kind = HG_ELEMENT_FLOAT, .rank = 2, .n = { 200, 90 }
    };
    uint8_t *raw = kit_array(&a, KIT_NOISE, 1);
    uint8_t *another = kit_array(&other, KIT_RANDOM, 2);
    struct hg_coder *used = kit_coder();
    struct hg_cold_plan plan;

    for (unsigned i = 0; kit_plan(i, &plan); i++) {
        struct hg_coder *fresh = kit_coder();
        struct hg_buf block[2] = { { 0 } };
        (void)kit_round(used, &other, another, &plan, NULL);
        cr_assert_eq(hg_cold_encode(used, &a, raw, &plan, NULL, &block[0]), HOLOG_OK);
        cr_assert_eq(hg_cold_encode(fresh, &a, raw, &plan, NULL, &block[1]), HOLOG_OK);
        cr_assert_eq(block[0].len, block[1].len);
        cr_assert_eq(memcmp(block[0].data, block[1].data, block[0].len), 0);
        hg_buf_release(&block[0]);
        hg_buf_release(&block[1]);
        hg_coder_destroy(fresh);
    }
    hg_coder_destroy(used);
    free(raw);
    free(another);
}

Test(cold_block, elements_that_are_all_the_same_are_one)
{
    struct hg_cold_array a = {
        .size = 8, .kind = HG_ELEMENT_FLOAT, .rank = 3, .n = { 4, 100, 100 }
    };
    uint8_t *raw = kit_array(&a, KIT_ZEROS, 0);
    struct hg_coder *c = kit_coder();
    struct hg_cold_plan plan;
    double v = -1.25;

    for (size_t i = 0; i < 40000; i++)
        memcpy(raw + 8 * i, &v, 8);
    for (unsigned i = 0; kit_plan(i, &plan); i++)
        cr_assert_eq(kit_round(c, &a, raw, &plan, NULL), HG_COLD_HEAD_MIN + 3 * 4 + 8);
    hg_coder_destroy(c);
    free(raw);
}

Test(cold_block, noise_is_stored_with_a_small_header)
{
    struct hg_cold_array a = { .size = 4, .kind = HG_ELEMENT_SIGNED, .rank = 2, .n = { 128, 100 } };
    uint8_t *raw = kit_array(&a, KIT_RANDOM, 5);
    struct hg_coder *c = kit_coder();
    struct hg_cold_plan plan;

    for (unsigned i = 0; kit_plan(i, &plan); i++)
        cr_assert_leq(kit_round(c, &a, raw, &plan, NULL), 51200 + HG_COLD_HEAD_MIN + 2 * 4 + 4);
    hg_coder_destroy(c);
    free(raw);
}

Test(cold_block, what_cannot_be_is_refused_and_leaves_the_buffer_as_it_was)
{
    static const struct hg_cold_array bad[] = {
        { .size = 0 },
        { .size = 3 },
        { .size = 16 },
        { .size = 2, .kind = HG_ELEMENT_KINDS },
        { .size = 1, .kind = HG_ELEMENT_FLOAT },
        { .size = 2, .rank = 5 },
        { .size = 2, .rank = 2, .n = { 0, 5 } },
        { .size = 2, .rank = 2, .n = { 2048, 2049 } },
        { .size = 8, .rank = 4, .n = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX } },
    };
    static const struct hg_cold_plan wrong[] = {
        { .filter = HG_FILTERS },
        { .codec = HG_CODECS },
        { .codec = HG_CODEC_CONST },
        { .codec = HG_CODEC_SAME },
        { .codec = HG_CODEC_DICT },
        { .codec = HG_CODEC_PREFIX },
        { .filter = HG_FILTER_SHUFFLE, .codec = HG_CODEC_DICT },
        { .filter = HG_FILTER_LORENZO, .codec = HG_CODEC_ZSTD, .axes = 0 },
        { .filter = HG_FILTER_LORENZO, .codec = HG_CODEC_ZSTD, .axes = 4 },
        { .filter = HG_FILTER_LIFT26, .codec = HG_CODEC_ZSTD, .axes = 2, .levels = 0 },
        { .filter = HG_FILTER_LIFT26,
          .codec = HG_CODEC_ZSTD,
          .axes = 2,
          .levels = HG_COLD_LEVELS + 1 },
    };
    struct hg_cold_array good = { .size = 2, .rank = 1, .n = { 9 } };
    struct hg_cold_plan store = { 0 };
    uint8_t raw[18] = { 1 };
    struct hg_coder *c = kit_coder();
    struct hg_buf out = { 0 };

    cr_assert_eq(hg_buf_append(&out, "xy", 2), HOLOG_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(hg_cold_encode(c, &bad[i], raw, &store, NULL, &out), HOLOG_E_INVAL, "%zu", i);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_eq(hg_cold_encode(c, &good, raw, &wrong[i], NULL, &out), HOLOG_E_INVAL, "%zu", i);
    cr_assert(out.len == 2 && memcmp(out.data, "xy", 2) == 0);
    hg_buf_release(&out);
    hg_coder_destroy(c);
}
