/*
 * The box in which a difference has no base; see box.h.
 */
#include "codec/cold/box.h"

#include <string.h>

#include "base/byteorder.h"

/* Axes in front of the last: which row it is. */
struct walk {
    uint32_t at[HG_COLD_RANK_MAX];
    unsigned rank; /* 1 or more */
};

static size_t rows_of(const struct hg_cold_array *a)
{
    size_t rows = 1;

    for (unsigned i = 0; i + 1 < a->rank; i++)
        rows *= a->n[i];
    return rows;
}

static void next_row(const struct hg_cold_array *a, struct walk *w)
{
    unsigned i = w->rank - 1;

    while (i-- > 0) {
        if (++w->at[i] < a->n[i])
            return;
        w->at[i] = 0;
    }
}

int hg_cold_box_fits(const struct hg_cold_array *a, const struct hg_cold_box *box)
{
    for (unsigned i = 0; i < a->rank; i++) {
        if (box->lo[i] >= box->hi[i] || box->hi[i] > a->n[i])
            return 0;
    }
    return a->rank > 0;
}

static void take_in(struct hg_cold_box *box, unsigned axis, uint32_t at)
{
    if (at < box->lo[axis])
        box->lo[axis] = at;
    if (at >= box->hi[axis])
        box->hi[axis] = at + 1;
}

size_t hg_cold_box_of_changes(const struct hg_cold_array *a, const void *raw, const void *base,
                              struct hg_cold_box *out)
{
    unsigned last = a->rank - 1u;
    struct walk w = { .rank = a->rank };
    const uint8_t *x = raw;
    const uint8_t *y = base;
    size_t changed = 0;
    size_t rows;

    *out = (struct hg_cold_box){ { 0 }, { 0 } };
    if (a->rank == 0)
        return 0;
    for (unsigned i = 0; i < a->rank; i++)
        out->lo[i] = a->n[i];
    rows = rows_of(a);
    for (size_t r = 0; r < rows; r++, next_row(a, &w)) {
        size_t row = (size_t)a->n[last] * a->size;
        size_t before = changed;
        if (memcmp(x, y, row) != 0) {
            for (uint32_t i = 0; i < a->n[last]; i++) {
                if (memcmp(x + (size_t)i * a->size, y + (size_t)i * a->size, a->size) == 0)
                    continue;
                changed++;
                take_in(out, last, i);
            }
        }
        for (unsigned i = 0; i < last && changed > before; i++)
            take_in(out, i, w.at[i]);
        x += row;
        y += row;
    }
    return changed;
}

size_t hg_cold_box_elements(const struct hg_cold_array *a, const struct hg_cold_box *box)
{
    size_t n = 1;

    for (unsigned i = 0; i < a->rank; i++)
        n *= box->hi[i] - box->lo[i];
    return n;
}

void hg_cold_box_clear(const struct hg_cold_array *a, const struct hg_cold_box *box, void *words)
{
    unsigned last = a->rank - 1u;
    struct walk w = { .rank = a->rank };
    size_t rows = rows_of(a);
    uint8_t *row = words;

    for (size_t r = 0; r < rows; r++, next_row(a, &w)) {
        int is_in = 1;
        for (unsigned i = 0; i < last; i++)
            is_in &= w.at[i] >= box->lo[i] && w.at[i] < box->hi[i];
        if (is_in)
            memset(row + (size_t)box->lo[last] * a->size, 0,
                   (size_t)(box->hi[last] - box->lo[last]) * a->size);
        row += (size_t)a->n[last] * a->size;
    }
}

size_t hg_cold_box_put(const struct hg_cold_array *a, const struct hg_cold_box *box, uint8_t *out)
{
    for (unsigned i = 0; i < a->rank; i++) {
        hg_put_le32(out + (size_t)8 * i, box->lo[i]);
        hg_put_le32(out + (size_t)8 * i + 4, box->hi[i]);
    }
    return (size_t)8 * a->rank;
}

void hg_cold_box_get(const struct hg_cold_array *a, const uint8_t *in, struct hg_cold_box *out)
{
    *out = (struct hg_cold_box){ { 0 }, { 0 } };
    for (unsigned i = 0; i < a->rank; i++) {
        out->lo[i] = hg_get_le32(in + (size_t)8 * i);
        out->hi[i] = hg_get_le32(in + (size_t)8 * i + 4);
    }
}
