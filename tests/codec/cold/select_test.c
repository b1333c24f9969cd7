/* The plan that is chosen is near the best of all, the same for the same bytes, and cheap to come by. */
#include "codec/cold/select.h"

#include "kit.h"

enum {
    SIDE = 256
};

/* Cells and noise, edges and labels, text, ramps: what arrays are like. */
enum scene {
    NOISY,
    SMOOTH,
    LABELS,
    TEXT,
    RANDOM,
    CONSTANT,
    SCENES
};

static double hill(size_t y, size_t x, double cy, double cx, double width)
{
    double d = ((double)y - cy) * ((double)y - cy) + ((double)x - cx) * ((double)x - cx);

    return 1 / (1 + d / (width * width));
}

static struct hg_cold_array array_of(enum scene scene)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { SIDE, SIDE } };

    if (scene == SMOOTH)
        a = (struct hg_cold_array){ 4, HG_ELEMENT_FLOAT, 2, { SIDE, SIDE } };
    if (scene == LABELS)
        a = (struct hg_cold_array){ 4, HG_ELEMENT_SIGNED, 2, { SIDE, SIDE } };
    if (scene == TEXT)
        a = (struct hg_cold_array){ 1, HG_ELEMENT_UNSIGNED, 1, { 100000 } };
    return a;
}

static void element(enum scene scene, size_t i, uint64_t *seed, uint8_t *to)
{
    size_t y = i / SIDE;
    size_t x = i % SIDE;
    double light = 200 + 900 * hill(y, x, 60, 80, 30) + 1500 * hill(y, x, 170, 150, 40);
    double noise = (double)(kit_random(seed) % 61) + (double)(kit_random(seed) % 61) - 60;
    uint16_t u = scene == NOISY ? (uint16_t)(light + noise)
                                : (uint16_t)(scene == RANDOM ? kit_random(seed) : 77);
    float f = (float)light;
    int32_t label = hill(y, x, 60, 80, 30) > 0.5 ? 5 : hill(y, x, 170, 150, 40) > 0.5 ? 9 : 0;

    if (scene == SMOOTH)
        memcpy(to + 4 * i, &f, 4);
    else if (scene == LABELS)
        memcpy(to + 4 * i, &label, 4);
    else if (scene == TEXT)
        to[i] = (uint8_t)("{\"name\": \"plate\", \"well\": \"A1\"}, "[i % 34] +
                          (i % 34 == 28 ? (int)(kit_random(seed) % 9) : 0));
    else
        memcpy(to + 2 * i, &u, 2);
}

static uint8_t *make(enum scene scene, uint64_t seed)
{
    struct hg_cold_array a = array_of(scene);
    uint8_t *raw = malloc(hg_cold_raw_bytes(&a));

    cr_assert_not_null(raw);
    for (size_t i = 0; i < hg_cold_raw_bytes(&a) / a.size; i++)
        element(scene, i, &seed, raw);
    return raw;
}

/* The fewest bytes of all plans at the levels that a writer uses. */
static size_t best_of_all(struct hg_coder *c, const struct hg_cold_array *a, const uint8_t *raw)
{
    struct hg_cold_plan plan;
    size_t best = SIZE_MAX;

    for (unsigned i = 0; kit_plan(i, &plan); i++) {
        plan.levels = 5;
        plan.level = 3;
        best = HG_MIN(best, kit_round(c, a, raw, &plan, NULL));
    }
    return best;
}

static size_t check(struct hg_coder *c, const struct hg_cold_array *a, const uint8_t *raw,
                    struct hg_buf *block)
{
    uint8_t *out;
    size_t n;

    cr_assert_eq(kit_decode(c, block, NULL, &out, &n), HOLOG_OK);
    cr_assert(n == hg_cold_raw_bytes(a) && memcmp(out, raw, n) == 0);
    free(out);
    n = block->len;
    hg_buf_release(block);
    return n;
}

Test(cold_select, a_writer_is_within_6_percent_of_the_best_of_all_plans_and_a_compaction_within_2)
{
    struct hg_coder *c = kit_coder();

    for (int s = 0; s < SCENES; s++) {
        struct hg_cold_array a = array_of((enum scene)s);
        uint8_t *raw = make((enum scene)s, 5);
        struct hg_buf block = { 0 };
        size_t best = best_of_all(c, &a, raw);
        cr_assert_eq(hg_cold_write(c, HG_PROFILE_DEFAULT, &a, raw, NULL, &block), HOLOG_OK);
        size_t written = check(c, &a, raw, &block);
        cr_assert_eq(hg_cold_compact(c, HG_PROFILE_ARCHIVE, &a, raw, NULL, &block), HOLOG_OK);
        size_t packed = check(c, &a, raw, &block);
        if (s == LABELS ||
            s == TEXT) /* a few hundred bytes: windows and strips see little of them */
            cr_assert_leq(written, 3 * best, "scene %d: %zu, not %zu", s, written, best);
        else
            cr_assert_leq(written * 100, best * 106, "scene %d: %zu, not %zu", s, written, best);
        cr_assert_leq(packed * 100, best * 102 + 6400, "scene %d: %zu, not %zu", s, packed, best);
        free(raw);
    }
    hg_coder_destroy(c);
}

Test(cold_select, noise_is_lifted_text_is_not_and_fast_is_lz4)
{
    static const struct {
        enum scene scene;
        int noise;
    } expected[] = { { NOISY, 1 }, { LABELS, 0 }, { TEXT, 0 } };
    struct hg_coder *c = kit_coder();

    for (size_t i = 0; i < 3; i++) {
        struct hg_cold_array a = array_of(expected[i].scene);
        uint8_t *raw = make(expected[i].scene, 6);
        struct hg_cold_candidate list[HG_COLD_CANDIDATES];
        unsigned n = 0;
        cr_assert_eq(hg_cold_weigh(c, HG_PROFILE_DEFAULT, &a, raw, list, &n), HOLOG_OK);
        cr_assert_eq(list[0].plan.filter >= HG_FILTER_LIFT26, expected[i].noise);
        for (unsigned k = 1; k < n; k++)
            cr_assert_leq(list[k - 1].cost, list[k].cost);
        cr_assert_eq(hg_cold_weigh(c, HG_PROFILE_FAST, &a, raw, list, &n), HOLOG_OK);
        for (unsigned k = 0; k < n; k++)
            cr_assert_eq(list[k].plan.codec, HG_CODEC_LZ4);
        free(raw);
    }
    hg_coder_destroy(c);
}

Test(cold_select, the_same_bytes_get_the_same_plan_whatever_came_before)
{
    struct hg_coder *used = kit_coder();

    for (int s = 0; s < SCENES; s++) {
        struct hg_cold_array a = array_of((enum scene)s);
        uint8_t *raw = make((enum scene)s, 7);
        struct hg_coder *fresh = kit_coder();
        for (int p = 0; p < HG_PROFILES; p++) {
            struct hg_buf block[4] = { { 0 } };
            hg_simd_allow(0);
            cr_assert_eq(hg_cold_write(fresh, (enum hg_profile)p, &a, raw, NULL, &block[0]),
                         HOLOG_OK);
            hg_simd_allow(1);
            cr_assert_eq(hg_cold_write(used, (enum hg_profile)p, &a, raw, NULL, &block[1]),
                         HOLOG_OK);
            cr_assert_eq(hg_cold_compact(fresh, (enum hg_profile)(p % 2), &a, raw, NULL, &block[2]),
                         HOLOG_OK);
            cr_assert_eq(hg_cold_compact(used, (enum hg_profile)(p % 2), &a, raw, NULL, &block[3]),
                         HOLOG_OK);
            for (int i = 0; i < 4; i += 2)
                cr_assert(block[i].len == block[i + 1].len &&
                          memcmp(block[i].data, block[i + 1].data, block[i].len) == 0);
            for (int i = 0; i < 4; i++)
                hg_buf_release(&block[i]);
        }
        hg_coder_destroy(fresh);
        free(raw);
    }
    hg_coder_destroy(used);
}

Test(cold_select, a_habit_is_kept_for_32_blocks_and_given_up_when_the_ratio_moves)
{
    struct hg_cold_array a = array_of(NOISY);
    uint8_t *noisy = make(NOISY, 8);
    uint8_t *constant = make(CONSTANT, 8);
    struct hg_cold_habit habit = { 0 };
    struct hg_coder *c = kit_coder();
    struct hg_buf block = { 0 };

    for (unsigned i = 1; i <= HG_COLD_HABIT + 1; i++) {
        cr_assert_eq(hg_cold_write(c, HG_PROFILE_DEFAULT, &a, noisy, &habit, &block), HOLOG_OK);
        (void)check(c, &a, noisy, &block);
        cr_assert_eq(habit.blocks, i <= HG_COLD_HABIT ? i : 1);
    }
    cr_assert_geq(habit.plan.filter, HG_FILTER_LIFT26);
    cr_assert_eq(hg_cold_write(c, HG_PROFILE_DEFAULT, &a, constant, &habit, &block), HOLOG_OK);
    (void)check(c, &a, constant, &block);
    cr_assert_eq(habit.blocks, 0);
    a.kind = HG_ELEMENT_SIGNED; /* another array: no habit of this one */
    habit.blocks = 3;
    cr_assert_eq(hg_cold_write(c, HG_PROFILE_DEFAULT, &a, noisy, &habit, &block), HOLOG_OK);
    cr_assert_eq(habit.blocks, 1);
    hg_buf_release(&block);
    hg_coder_destroy(c);
    free(noisy);
    free(constant);
}

Test(cold_select, a_compaction_keeps_its_plan_and_a_block_of_one_element_does_not_change_that)
{
    struct hg_cold_array a = array_of(NOISY);
    uint8_t *noisy = make(NOISY, 8);
    uint8_t *constant = make(CONSTANT, 8);
    struct hg_cold_habit habit = { 0 };
    struct hg_coder *c = kit_coder();
    struct hg_buf block = { 0 };
    struct hg_buf judged = { 0 };

    cr_assert_eq(hg_cold_compact(c, HG_PROFILE_DEFAULT, &a, noisy, NULL, &judged), HOLOG_OK);
    for (unsigned i = 1; i <= HG_COLD_HABIT + 1; i++) {
        cr_assert_eq(hg_cold_compact(c, HG_PROFILE_DEFAULT, &a, noisy, &habit, &block), HOLOG_OK);
        cr_assert(block.len == judged.len && memcmp(block.data, judged.data, block.len) == 0);
        (void)check(c, &a, noisy, &block);
        cr_assert_eq(habit.blocks, i <= HG_COLD_HABIT ? i : 1);
        if (i == 5) {
            cr_assert_eq(hg_cold_compact(c, HG_PROFILE_DEFAULT, &a, constant, &habit, &block),
                         HOLOG_OK);
            (void)check(c, &a, constant, &block);
        }
    }
    cr_assert_geq(habit.plan.filter, HG_FILTER_LIFT26);
    hg_buf_release(&block);
    hg_buf_release(&judged);
    hg_coder_destroy(c);
    free(noisy);
    free(constant);
}

Test(cold_select, small_and_odd_arrays_are_written_and_packed_too)
{
    static const uint32_t shapes[][4] = { { 1 },          { 7 },      { 3, 5 },     { 1, 1, 9000 },
                                          { 2, 3, 4, 5 }, { 400, 1 }, { 5, 70, 90 } };
    static const uint8_t ranks[] = { 0, 1, 2, 3, 4, 2, 3 };
    struct hg_coder *c = kit_coder();

    for (uint8_t size = 1; size <= 8; size = (uint8_t)(size * 2)) {
        for (size_t i = 0; i < 7; i++) {
            struct hg_cold_array a = { size, HG_ELEMENT_SIGNED, ranks[i], { 0 } };
            memcpy(a.n, shapes[i], sizeof a.n);
            uint8_t *raw = kit_array(&a, KIT_NOISE, i);
            for (int p = 0; p < HG_PROFILES; p++) {
                struct hg_buf block = { 0 };
                cr_assert_eq(hg_cold_write(c, (enum hg_profile)p, &a, raw, NULL, &block), HOLOG_OK);
                (void)check(c, &a, raw, &block);
                cr_assert_eq(hg_cold_compact(c, (enum hg_profile)p, &a, raw, NULL, &block),
                             HOLOG_OK);
                (void)check(c, &a, raw, &block);
            }
            free(raw);
        }
    }
    hg_coder_destroy(c);
}
