/*
 * Means of pairs; see halve.h.
 *
 * Compressed segments take the mean of floats as if their bits were integers: the same where both are of one exponent, but
 * 5.9e-39 of -1 and 2, and 2e19 of NaN and 1. That is no mean that anybody would look at, so it is not used here.
 */
#include "array/halve.h"

#include <math.h>
#include <string.h>

#include "array/fill.h"
#include "compaction/hwp.h"
#include "holog/array.h"

_Static_assert(HG_LOW_AXES == HG_HWP_RANK && HOLOG_HALVINGS_MAX == HG_HWP_HALVINGS,
               "low bands go as far");

int hg_has_mean(struct hg_type t)
{
    return t.dtype >= HG_BOOL && t.dtype < HG_RAW;
}

int hg_has_low_bands(struct hg_type t, uint32_t *out_kind)
{
    *out_kind = t.dtype >= HG_INT8 && t.dtype <= HG_INT64 ? HG_ELEMENT_SIGNED : HG_ELEMENT_UNSIGNED;
    return t.dtype >= HG_BOOL && t.dtype < HG_FLOAT16;
}

/* ---- floats --------------------------------------------------------------------------------------*/

static double mean(double a, double b)
{
    double sum = a + b;

    if (isnan(sum))
        return (double)NAN; /* one, whichever it was */
    return isinf(sum) ? a / 2 + b / 2 : sum / 2;
}

static void mean16(const uint8_t *a, const uint8_t *b, uint8_t *out)
{
    uint16_t x;
    uint16_t y;
    double m;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    m = mean(hg_half_to_double(x), hg_half_to_double(y));
    x = isnan(m) ? 0x7e00 : hg_half_of(m);
    memcpy(out, &x, sizeof x);
}

static void mean32(const uint8_t *a, const uint8_t *b, uint8_t *out)
{
    float x;
    float y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    x = (float)mean((double)x, (double)y);
    memcpy(out, &x, sizeof x);
}

static void mean64(const uint8_t *a, const uint8_t *b, uint8_t *out)
{
    double x;
    double y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    x = mean(x, y);
    memcpy(out, &x, sizeof x);
}

/* `inner` words side by side go together. */
static void halve_axis(uint32_t word, uint64_t outer, uint64_t n, uint64_t inner, uint8_t *words)
{
    void (*mean_of)(const uint8_t *, const uint8_t *, uint8_t *) = word == 2   ? mean16
                                                                   : word == 4 ? mean32
                                                                               : mean64;
    size_t row = inner * word;
    uint8_t *to = words;

    for (uint64_t o = 0; o < outer; o++, words += n * row)
        for (uint64_t j = 0; j < n; j += 2, to += row) {
            const uint8_t *a = words + j * row;
            if (j + 1 == n)
                memmove(to, a, row);
            for (size_t i = 0; j + 1 < n && i < row; i += word)
                mean_of(a + i, a + row + i, to + i);
        }
}

/* ---- all types -----------------------------------------------------------------------------------*/

static void halve_floats(struct hg_type t, uint64_t n[3], unsigned axes, void *elements)
{
    uint32_t word = hg_type_word(t);
    uint64_t inner = t.size / word;

    for (unsigned axis = 3; axis-- > 3 - axes;) {
        uint64_t outer = 1;
        for (unsigned i = 0; i < axis; i++)
            outer *= n[i];
        halve_axis(word, outer, n[axis], inner, elements);
        n[axis] = n[axis] / 2 + n[axis] % 2;
        inner *= n[axis];
    }
}

void hg_halve(struct hg_type t, uint64_t n[3], unsigned axes, unsigned halvings, void *elements)
{
    uint64_t four[HG_HWP_RANK] = { 1, n[0], n[1], n[2] };
    uint32_t kind;

    if (hg_has_low_bands(t, &kind)) {
        hg_hwp_halve((uint8_t)t.size, (uint8_t)kind, four, axes, halvings, elements);
        memcpy(n, four + 1, 3 * sizeof *n);
        return;
    }
    for (unsigned h = 0; h < halvings; h++)
        halve_floats(t, n, axes, elements);
}
