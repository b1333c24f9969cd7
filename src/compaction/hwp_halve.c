/*
 * Means of pairs, for previews of tiles that have no low bands or too few, and of arrays that are not compressed.
 *
 * Elements become unsigned numbers in the same order; so a mean needs no wider word, and lies between the two. It is
 * rounded down along the last axis and up along the one before, so that a preview has no bias.
 */
#include <string.h>

#include "compaction/hwp_internal.h"

struct elements {
    uint8_t *at;
    size_t size;
    uint64_t sign; /* of signed ones and floats */
    int is_float;
};

static uint64_t get(const struct elements *e, uint64_t i)
{
    uint64_t v = 0;

    memcpy(&v, e->at + i * e->size, e->size);
    if (e->is_float && (v & e->sign))
        return ~v & (e->sign | (e->sign - 1));
    return v ^ e->sign;
}

static void put(const struct elements *e, uint64_t i, uint64_t v)
{
    if (e->is_float && !(v & e->sign))
        v = ~v;
    else
        v ^= e->sign;
    memcpy(e->at + i * e->size, &v, e->size);
}

static uint64_t mean(uint64_t a, uint64_t b, int up)
{
    uint64_t half = (a ^ b) >> 1;

    return up ? (a | b) - half : (a & b) + half;
}

/* `inner` elements side by side go together. */
static void halve_axis(const struct elements *e, uint64_t outer, uint64_t n, uint64_t inner, int up)
{
    uint64_t to = 0;

    for (uint64_t o = 0; o < outer; o++)
        for (uint64_t j = 0; j < n; j += 2)
            for (uint64_t i = 0; i < inner; i++) {
                uint64_t a = get(e, (o * n + j) * inner + i);
                uint64_t b = j + 1 < n ? get(e, (o * n + j + 1) * inner + i) : a;
                put(e, to++, mean(a, b, up));
            }
}

static struct elements elements_of(uint8_t size, uint8_t kind, void *at)
{
    return (struct elements){ .at = at,
                              .size = size,
                              .sign =
                                  kind == HG_ELEMENT_UNSIGNED ? 0 : UINT64_C(1) << (8 * size - 1),
                              .is_float = kind == HG_ELEMENT_FLOAT };
}

static uint64_t product(const uint64_t *n, unsigned from, unsigned to)
{
    uint64_t all = 1;

    for (unsigned i = from; i < to; i++)
        all *= n[i];
    return all;
}

void hg_hwp_halve(uint8_t size, uint8_t kind, uint64_t n[HG_HWP_RANK], unsigned axes,
                  unsigned halvings, void *elements)
{
    struct elements e = elements_of(size, kind, elements);

    for (unsigned h = 0; h < halvings; h++)
        for (unsigned axis = HG_HWP_RANK; axis-- > HG_HWP_RANK - axes;) {
            halve_axis(&e, product(n, 0, axis), n[axis], product(n, axis + 1, HG_HWP_RANK),
                       axis != HG_HWP_RANK - 1);
            n[axis] = n[axis] / 2 + n[axis] % 2;
        }
}

/* `inner` elements side by side go together. */
static void centre_axis(const struct elements *e, uint64_t outer, uint64_t n, uint64_t inner,
                        int up)
{
    for (uint64_t o = 0; o < outer; o++)
        for (uint64_t i = o * n * inner; i < (o * n + n - 1) * inner; i++)
            put(e, i, mean(get(e, i), get(e, i + inner), up));
}

void hg_hwp_centre(uint8_t size, uint8_t kind, const uint64_t n[HG_HWP_RANK], unsigned axes,
                   void *elements)
{
    struct elements e = elements_of(size, kind, elements);

    for (unsigned axis = HG_HWP_RANK; axis-- > HG_HWP_RANK - axes;)
        centre_axis(&e, product(n, 0, axis), n[axis], product(n, axis + 1, HG_HWP_RANK),
                    axis != HG_HWP_RANK - 1);
}
