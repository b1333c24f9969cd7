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

#define KNOWN \
    static inline __attribute__((always_inline)) /* of elements of a size that is a constant */

KNOWN uint64_t get(const struct elements *e, uint64_t i)
{
    uint64_t v = 0;

    memcpy(&v, e->at + i * e->size, e->size);
    if (e->is_float && (v & e->sign))
        return ~v & (e->sign | (e->sign - 1));
    return v ^ e->sign;
}

KNOWN void put(const struct elements *e, uint64_t i, uint64_t v)
{
    if (e->is_float && !(v & e->sign))
        v = ~v;
    else
        v ^= e->sign;
    memcpy(e->at + i * e->size, &v, e->size);
}

KNOWN uint64_t mean(uint64_t a, uint64_t b, int up)
{
    uint64_t half = (a ^ b) >> 1;

    return up ? (a | b) - half : (a & b) + half;
}

/* Means of `count` pairs, a step from one to the next; both of a pair lie `apart`. */
KNOWN void means_of(const struct elements *e, uint64_t to, uint64_t from, uint64_t count,
                    uint64_t step, uint64_t apart, int up)
{
    for (uint64_t i = 0; i < count; i++, from += step)
        put(e, to + i, mean(get(e, from), get(e, from + apart), up));
}

/* e->size of them, as a constant. */
static void means(const struct elements *e, uint64_t to, uint64_t from, uint64_t count,
                  uint64_t step, uint64_t apart, int up)
{
    switch (e->size) {
    case 1:
        means_of(&(struct elements){ e->at, 1, e->sign, 0 }, to, from, count, step, apart, up);
        break;
    case 2:
        means_of(&(struct elements){ e->at, 2, e->sign, e->is_float }, to, from, count, step, apart,
                 up);
        break;
    case 4:
        means_of(&(struct elements){ e->at, 4, e->sign, e->is_float }, to, from, count, step, apart,
                 up);
        break;
    default:
        means_of(&(struct elements){ e->at, 8, e->sign, e->is_float }, to, from, count, step, apart,
                 up);
        break;
    }
}

/* Along the last axis. */
static void halve_rows(const struct elements *e, uint64_t rows, uint64_t n)
{
    uint64_t half = n / 2 + n % 2;

    for (uint64_t i = 0; i < rows; i++) {
        means(e, i * half, i * n, n / 2, 2, 1, 0);
        if (n % 2 != 0)
            memmove(e->at + (i * half + n / 2) * e->size, e->at + (i * n + n - 1) * e->size,
                    e->size);
    }
}

/* Along another one: `inner` elements side by side go together. */
static void halve_columns(const struct elements *e, uint64_t outer, uint64_t n, uint64_t inner)
{
    uint64_t half = n / 2 + n % 2;

    for (uint64_t o = 0; o < outer; o++) {
        for (uint64_t j = 0; j < n / 2; j++)
            means(e, (o * half + j) * inner, (o * n + 2 * j) * inner, inner, 1, inner, 1);
        if (n % 2 != 0)
            memmove(e->at + (o * half + n / 2) * inner * e->size,
                    e->at + (o * n + n - 1) * inner * e->size, inner * e->size);
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
            if (axis == HG_HWP_RANK - 1)
                halve_rows(&e, product(n, 0, axis), n[axis]);
            else
                halve_columns(&e, product(n, 0, axis), n[axis], product(n, axis + 1, HG_HWP_RANK));
            n[axis] = n[axis] / 2 + n[axis] % 2;
        }
}

/* In place, from the first on: what one becomes, none behind it asks for. */
static void centre_axis(const struct elements *e, uint64_t outer, uint64_t n, uint64_t inner,
                        int up)
{
    for (uint64_t o = 0; o < outer; o++)
        means(e, o * n * inner, o * n * inner, (n - 1) * inner, 1, inner, up);
}

void hg_hwp_centre(uint8_t size, uint8_t kind, const uint64_t n[HG_HWP_RANK], unsigned axes,
                   void *elements)
{
    struct elements e = elements_of(size, kind, elements);

    for (unsigned axis = HG_HWP_RANK; axis-- > HG_HWP_RANK - axes;)
        centre_axis(&e, product(n, 0, axis), n[axis], product(n, axis + 1, HG_HWP_RANK),
                    axis != HG_HWP_RANK - 1);
}
