/* A difference that has no base within a box. */
#include "codec/cold/box.h"

#include "base/hash.h"
#include "kit.h"

static const struct hg_cold_array shapes[] = {
    { 0, 0, 1, { 1 } },          { 0, 0, 1, { 700 } },       { 0, 0, 2, { 41, 53 } },
    { 0, 0, 2, { 1, 67 } },      { 0, 0, 3, { 3, 19, 23 } }, { 0, 0, 4, { 2, 3, 17, 19 } },
    { 0, 0, 4, { 5, 1, 1, 33 } }
};

static struct hg_cold_box any_box(const struct hg_cold_array *a, uint64_t *seed)
{
    struct hg_cold_box box = { { 0 }, { 0 } };

    for (unsigned i = 0; i < a->rank; i++) {
        box.lo[i] = (uint32_t)(kit_random(seed) % a->n[i]);
        box.hi[i] = box.lo[i] + 1 + (uint32_t)(kit_random(seed) % (a->n[i] - box.lo[i]));
    }
    return box;
}

static int is_in(const struct hg_cold_array *a, const struct hg_cold_box *box, size_t element)
{
    for (unsigned i = a->rank; i-- > 0; element /= a->n[i]) {
        size_t at = element % a->n[i];
        if (at < box->lo[i] || at >= box->hi[i])
            return 0;
    }
    return 1;
}

/* The base, made anew in the box: no element is as it was. */
static uint8_t *remade(const struct hg_cold_array *a, const struct hg_cold_box *box,
                       const uint8_t *base, uint64_t seed)
{
    uint8_t *now = kit_array(a, KIT_RANDOM, seed);

    for (size_t i = 0; i < hg_cold_raw_bytes(a) / a->size; i++) {
        uint8_t *at = now + i * a->size;
        if (!is_in(a, box, i))
            memcpy(at, base + i * a->size, a->size);
        else if (memcmp(at, base + i * a->size, a->size) == 0)
            at[0] ^= 1;
    }
    return now;
}

Test(cold_box, comes_back_through_every_filter_of_every_type_and_shape)
{
    struct hg_coder *c = kit_coder();
    uint64_t seed = 7;

    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        for (unsigned type = 0; type < 11; type++) {
            struct hg_cold_array a = shapes[s];
            struct hg_cold_plan plan;
            a.size = (uint8_t)(1u << type % 4);
            a.kind = (uint8_t)(type < 8 ? type / 4 : HG_ELEMENT_FLOAT);
            if (a.kind == HG_ELEMENT_FLOAT && a.size == 1)
                a.size = 8;
            struct hg_cold_box box = any_box(&a, &seed);
            uint8_t *base = kit_array(&a, KIT_NOISE, seed);
            uint8_t *now = remade(&a, &box, base, seed);
            struct hg_cold_aid aid = {
                .base = base, .base_len = hg_cold_raw_bytes(&a), .difference = 1, .box = &box
            };
            for (unsigned i = 0; kit_plan(i, &plan); i++)
                (void)kit_round(c, &a, now, &plan, &aid);
            free(base);
            free(now);
        }
    }
    hg_coder_destroy(c);
}

Test(cold_box, what_has_changed_is_in_the_least_box)
{
    uint64_t seed = 3;

    for (unsigned i = 0; i < 200; i++) {
        struct hg_cold_array a = shapes[i % (sizeof shapes / sizeof shapes[0])];
        struct hg_cold_box found;
        a.size = (uint8_t)(1u << i % 4);
        struct hg_cold_box box = any_box(&a, &seed);
        uint8_t *base = kit_array(&a, KIT_NOISE, seed);
        uint8_t *now = remade(&a, &box, base, seed);
        size_t changed = hg_cold_box_of_changes(&a, now, base, &found);
        cr_assert_eq(memcmp(&found, &box, sizeof box), 0, "case %u", i);
        cr_assert_eq(changed, hg_cold_box_elements(&a, &box));
        cr_assert_eq(hg_cold_box_of_changes(&a, base, base, &found), 0u);
        free(base);
        free(now);
    }
}

/* A field of noise in the place of another: less their difference it would be the noise of both. */
Test(cold_box, new_noise_is_smaller_without_the_base)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 128, 128 } };
    const struct hg_cold_box box = { { 20, 30 }, { 110, 90 } };
    struct hg_cold_plan plan = {
        .filter = HG_FILTER_LIFT26, .codec = HG_CODEC_LITERALS, .axes = 2, .levels = 3
    };
    struct hg_coder *c = kit_coder();
    uint8_t *base = kit_array(&a, KIT_RANDOM, 1);
    uint8_t *other = kit_array(&a, KIT_NOISE, 2);
    uint8_t *now = kit_array(&a, KIT_RANDOM, 1);
    struct hg_cold_aid aid = { .base = base, .base_len = hg_cold_raw_bytes(&a), .difference = 1 };

    for (size_t i = 0; i < (size_t)128 * 128; i++) {
        if (is_in(&a, &box, i))
            memcpy(now + 2 * i, other + 2 * i, 2);
    }
    size_t without = kit_round(c, &a, now, &plan, &aid);
    aid.box = &box;
    size_t with = kit_round(c, &a, now, &plan, &aid);
    cr_assert_lt(with, without * 2 / 3, "%zu and %zu bytes", with, without);
    free(base);
    free(other);
    free(now);
    hg_coder_destroy(c);
}

/* In a block whose hashes are right. */
static int decode_with_box(struct hg_coder *c, const struct hg_buf *block,
                           const struct hg_cold_aid *aid, unsigned at, uint32_t value)
{
    struct hg_buf bad = { 0 };
    struct hg_cold_head h;
    uint8_t *out;
    size_t n;
    int rc;

    cr_assert_eq(hg_buf_append(&bad, block->data, block->len), HOLOG_OK);
    cr_assert_eq(hg_cold_head_decode(bad.data, bad.len, &h), HOLOG_OK);
    cr_assert((h.flags & HG_COLD_BOXED) != 0);
    memcpy(bad.data + h.head_bytes + (size_t)4 * at, &value, sizeof value);
    h.part[0].hash = hg_hash64(bad.data + h.head_bytes, h.part[0].len);
    hg_cold_head_encode(&h, bad.data);
    rc = kit_decode(c, &bad, aid, &out, &n);
    free(out);
    hg_buf_release(&bad);
    return rc;
}

Test(cold_box, one_that_cannot_be_is_damage)
{
    static const uint8_t filters[] = { HG_FILTER_NONE, HG_FILTER_LEFT, HG_FILTER_LIFT53 };
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 40, 53 } };
    const struct hg_cold_box box = { { 10, 20 }, { 30, 53 } };
    uint8_t *base = kit_array(&a, KIT_NOISE, 1);
    uint8_t *now = remade(&a, &box, base, 2);
    struct hg_cold_aid aid = {
        .base = base, .base_len = hg_cold_raw_bytes(&a), .difference = 1, .box = &box
    };
    struct hg_coder *c = kit_coder();

    for (size_t i = 0; i < sizeof filters; i++) {
        struct hg_cold_plan plan = { filters[i], HG_CODEC_ZSTD, 1, 2, 2 };
        struct hg_buf b = { 0 };
        cr_assert_eq(hg_cold_encode(c, &a, now, &plan, &aid, &b), HOLOG_OK);
        cr_assert_eq(decode_with_box(c, &b, &aid, 0, 10), HOLOG_OK);
        cr_assert_eq(decode_with_box(c, &b, &aid, 0, 30), HOLOG_E_CORRUPT, "empty");
        cr_assert_eq(decode_with_box(c, &b, &aid, 0, UINT32_MAX), HOLOG_E_CORRUPT);
        cr_assert_eq(decode_with_box(c, &b, &aid, 1, 41), HOLOG_E_CORRUPT, "beyond the array");
        cr_assert_eq(decode_with_box(c, &b, &aid, 3, 54), HOLOG_E_CORRUPT);
        cr_assert_eq(decode_with_box(c, &b, &aid, 3, UINT32_MAX), HOLOG_E_CORRUPT);
        cr_assert_eq(decode_with_box(c, &b, &aid, 0, 9), HOLOG_E_CORRUPT, "another box");
        hg_buf_release(&b);
    }
    free(base);
    free(now);
    hg_coder_destroy(c);
}

Test(cold_box, it_is_asked_for_with_a_difference_alone_and_within_the_array)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 40, 53 } };
    const struct hg_cold_box box = { { 0, 0 }, { 40, 54 } };
    const struct hg_cold_box good = { { 0, 0 }, { 40, 53 } };
    uint8_t *raw = kit_array(&a, KIT_NOISE, 1);
    uint8_t *base = kit_array(&a, KIT_NOISE, 2);
    struct hg_cold_aid aid = {
        .base = base, .base_len = hg_cold_raw_bytes(&a), .difference = 1, .box = &box
    };
    struct hg_cold_plan plan = { .filter = HG_FILTER_LEFT, .codec = HG_CODEC_ZSTD, .level = 1 };
    struct hg_coder *c = kit_coder();
    struct hg_buf b = { 0 };

    cr_assert_eq(hg_cold_encode(c, &a, raw, &plan, &aid, &b), HOLOG_E_INVAL);
    aid.box = &good;
    aid.difference = 0;
    cr_assert_eq(hg_cold_encode(c, &a, raw, &plan, &aid, &b), HOLOG_E_INVAL);
    aid.difference = 1;
    (void)kit_round(c, &a, raw, &plan, &aid);
    cr_assert_eq(b.len, 0u);
    free(raw);
    free(base);
    hg_coder_destroy(c);
}
