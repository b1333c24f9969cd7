/*
 * Bands as units; see bands.h.
 */
#include "codec/cold/bands.h"

/* The band that is high in the axes of `high` (bit 0 the last axis), between the levels k and k + 1 halvings. */
static int band_of(const struct hg_lift *l, unsigned k, unsigned high, struct hg_box *out)
{
    size_t stride[3] = { l->n[1] * l->n[2] * l->width, l->n[2] * l->width, l->width };

    *out = (struct hg_box){ .at = 0,
                            .n = { l->outer },
                            .stride = { l->n[0] * stride[0], stride[0], stride[1] } };
    for (unsigned i = 0; i < 3; i++) {
        size_t m = hg_lift_length(l->n[i], k);
        unsigned is_high = high >> (2 - i) & 1;
        out->n[i + 1] = is_high ? m / 2 : m - m / 2;
        out->at += is_high ? (m - m / 2) * stride[i] : 0;
        if (out->n[i + 1] == 0)
            return 0;
    }
    return 1;
}

unsigned hg_bands_of(const struct hg_lift *l, unsigned part, struct hg_unit *units)
{
    struct hg_unit all = { .width = l->width };
    unsigned k = l->levels - part; /* halvings of what the part leads to */

    if (part == 0) {
        all.boxes = 1;
        all.box[0] =
            (struct hg_box){ .n = { l->outer, hg_lift_length(l->n[0], k),
                                    hg_lift_length(l->n[1], k), hg_lift_length(l->n[2], k) },
                             .stride = { l->n[0] * l->n[1] * l->n[2] * l->width,
                                         l->n[1] * l->n[2] * l->width, l->n[2] * l->width } };
    } else {
        for (unsigned high = 1; high < 8; high++)
            all.boxes += (unsigned)band_of(l, k, high, &all.box[all.boxes]);
    }
    if (hg_unit_words(&all) < HG_BANDS_TOGETHER) {
        units[0] = all;
        return 1;
    }
    for (unsigned i = 0; i < all.boxes; i++) {
        units[i] = (struct hg_unit){ .width = l->width, .boxes = 1 };
        units[i].box[0] = all.box[i];
    }
    return all.boxes;
}

/* The last `axes` axes, filled up with 1 in front. Returns the product of the others. */
static size_t fold(const struct hg_cold_array *a, unsigned axes, size_t n[3])
{
    size_t outer = 1;

    n[0] = n[1] = n[2] = 1;
    for (unsigned i = 0; i < a->rank; i++) {
        unsigned from_end = a->rank - 1 - i;
        if (from_end < axes)
            n[2 - from_end] = a->n[i];
        else
            outer *= a->n[i];
    }
    return outer;
}

struct hg_lift hg_cold_lift(const struct hg_cold_array *a, unsigned filter, unsigned axes,
                            unsigned levels, unsigned width)
{
    struct hg_lift l = { .wavelet = filter == HG_FILTER_LIFT26 ? HG_LIFT_26 : HG_LIFT_53,
                         .width = width,
                         .axes = axes,
                         .levels = levels };

    l.outer = fold(a, axes, l.n);
    return l;
}

struct hg_predict hg_cold_predict(const struct hg_cold_array *a, unsigned filter, unsigned axes)
{
    static const enum hg_predictor how[] = {
        [HG_FILTER_UP] = HG_PREDICT_UP,
        [HG_FILTER_LEFT] = HG_PREDICT_LEFT,
        [HG_FILTER_AVERAGE] = HG_PREDICT_AVERAGE,
        [HG_FILTER_LORENZO] = HG_PREDICT_LORENZO,
    };
    struct hg_predict p = { .how = how[filter], .width = a->size };

    p.outer = fold(a, p.how == HG_PREDICT_LORENZO ? axes : 2, p.n);
    return p;
}

struct hg_unit hg_cold_whole(const struct hg_cold_array *a)
{
    struct hg_unit u = { .width = a->size, .boxes = 1 };
    size_t n[3];
    size_t outer = fold(a, 2, n);
    size_t plane = n[1] * n[2] * a->size;

    u.box[0] = (struct hg_box){ .n = { 1, outer, n[1], n[2] },
                                .stride = { outer * plane, plane, n[2] * a->size } };
    return u;
}
