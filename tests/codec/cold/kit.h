/*
 * Arrays to code, and what every test of cold blocks does with them.
 */
#ifndef HOLOG_TESTS_CODEC_COLD_KIT_H
#define HOLOG_TESTS_CODEC_COLD_KIT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "codec/cold/cold.h"
#include "codec/simd.h"
#include "holog/error.h"

/* SplitMix64. */
static inline uint64_t kit_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* What is in an array. */
enum kit_fill {
    KIT_ZEROS,
    KIT_RANDOM,   /* any bits: wraps everywhere, floats of all kinds */
    KIT_EXTREMES, /* the least and the greatest, in turn: checkers */
    KIT_RAMP,
    KIT_SPIKE, /* one element is something else */
    KIT_NOISE, /* around a slope */
    KIT_STEPS, /* few values */
    KIT_FILLS
};

static inline uint64_t kit_value(enum kit_fill fill, size_t i, size_t count, unsigned bits,
                                 uint64_t *seed)
{
    uint64_t top = UINT64_C(1) << (bits - 1);

    switch (fill) {
    case KIT_RANDOM: return kit_random(seed);
    case KIT_EXTREMES: return i % 3 == 0 ? top : i % 3 == 1 ? top - 1 : UINT64_MAX;
    case KIT_RAMP: return 3 * i;
    case KIT_SPIKE: return i == count / 2 ? top + 1 : 7;
    case KIT_NOISE: return 40 + i / 9 + kit_random(seed) % 11 + kit_random(seed) % 7;
    case KIT_STEPS: return i / 37 % 5 * 3;
    case KIT_ZEROS:
    case KIT_FILLS:
    default: return 0;
    }
}

/* Yours to free. */
static inline uint8_t *kit_array(const struct hg_cold_array *a, enum kit_fill fill, uint64_t seed)
{
    size_t bytes = hg_cold_raw_bytes(a);
    uint8_t *out = malloc(bytes + (bytes == 0));

    cr_assert_not_null(out);
    for (size_t i = 0; i < bytes / a->size; i++) {
        uint64_t v = kit_value(fill, i, bytes / a->size, 8u * a->size, &seed);
        float f = (float)v / 3;
        double d = (double)v / 3;
        if (a->kind == HG_ELEMENT_FLOAT && a->size == 4 && (fill == KIT_RAMP || fill == KIT_NOISE))
            memcpy(&v, &f, sizeof f);
        if (a->kind == HG_ELEMENT_FLOAT && a->size == 8 && (fill == KIT_RAMP || fill == KIT_NOISE))
            memcpy(&v, &d, sizeof d);
        memcpy(out + i * a->size, &v, a->size);
    }
    return out;
}

static inline struct hg_coder *kit_coder(void)
{
    struct hg_coder *c = NULL;

    cr_assert_eq(hg_coder_create(&c), HOLOG_OK);
    return c;
}

/* Head and parts of a block in one piece; the result of reading the head. */
static inline int kit_open(const struct hg_buf *block, struct hg_cold_head *head,
                           struct hg_cold_parts *parts)
{
    int rc = hg_cold_head_decode(block->data, block->len, head);

    if (rc == HOLOG_OK)
        hg_cold_parts_of(head, block->data, block->len, parts);
    return rc;
}

/* Decodes into memory that ends where the bytes end, so that a write behind it is seen. *out is yours. */
static inline int kit_decode(struct hg_coder *c, const struct hg_buf *block,
                             const struct hg_cold_aid *aid, uint8_t **out, size_t *out_len)
{
    struct hg_cold_head head;
    struct hg_cold_parts parts;
    int rc = kit_open(block, &head, &parts);

    *out = NULL;
    *out_len = 0;
    if (rc < 0)
        return rc;
    *out = malloc(head.raw_bytes);
    cr_assert_not_null(*out);
    *out_len = head.raw_bytes;
    return hg_cold_decode(c, &head, &parts, aid, *out, head.raw_bytes);
}

/* There and back; the block's length. */
static inline size_t kit_round(struct hg_coder *c, const struct hg_cold_array *a,
                               const uint8_t *raw, const struct hg_cold_plan *plan,
                               const struct hg_cold_aid *aid)
{
    struct hg_buf block = { 0 };
    size_t bytes = hg_cold_raw_bytes(a);
    uint8_t *out;
    size_t n;

    cr_assert_eq(hg_cold_encode(c, a, raw, plan, aid, &block), HOLOG_OK);
    cr_assert_leq(block.len, hg_cold_bound(a));
    cr_assert_eq(kit_decode(c, &block, aid, &out, &n), HOLOG_OK, "filter %u codec %u size %u",
                 plan->filter, plan->codec, a->size);
    cr_assert(n == bytes && memcmp(out, raw, n) == 0,
              "filter %u codec %u size %u kind %u shape %u %u %u %u: other bytes", plan->filter,
              plan->codec, a->size, a->kind, a->n[0], a->n[1], a->n[2], a->n[3]);
    n = block.len;
    free(out);
    hg_buf_release(&block);
    return n;
}

/* Every plan that there is, but for aids, some levels apart: returns 0 behind the last. */
static inline int kit_plan(unsigned i, struct hg_cold_plan *out)
{
    static const uint8_t codecs[] = { HG_CODEC_LZ4, HG_CODEC_ZSTD, HG_CODEC_LITERALS };
    unsigned flat = 3 * HG_FILTER_LORENZO; /* those that have no axes */
    unsigned n = i < flat ? i : flat + (i - flat) / 3;

    *out = (struct hg_cold_plan){ .filter = (uint8_t)(n / 3),
                                  .codec = codecs[n % 3],
                                  .level = 1,
                                  .axes = (uint8_t)(i < flat ? 0 : (i - flat) % 3 + 1),
                                  .levels = (uint8_t)(i % HG_COLD_LEVELS + 1) };
    return n / 3 < HG_FILTERS;
}

#endif
