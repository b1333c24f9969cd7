/*
 * Blocks judged by a part of them; see estimate.h.
 */
#include "codec/cold/estimate.h"

#include <string.h>

#include "codec/cold/filter.h"
#include "codec/cold/split.h"
#include "holog/error.h"

#define STRIPS  4
#define STRIP   16384 /* bytes, about */
#define WINDOWS 4
#define WINDOW  96 /* elements, on a side */

/* The last two axes, and how many planes of them. */
static size_t planes_of(const struct hg_cold_array *a, size_t *out_rows, size_t *out_cols)
{
    size_t planes = 1;

    *out_cols = a->rank > 0 ? a->n[a->rank - 1] : 1;
    *out_rows = a->rank > 1 ? a->n[a->rank - 2] : 1;
    for (int i = 0; i < a->rank - 2; i++)
        planes *= a->n[i];
    return planes;
}

/* ---- strips --------------------------------------------------------------------------------------*/

int hg_cold_take_strips(struct hg_coder *c, const struct hg_cold_array *a, const void *raw,
                        struct hg_cold_array *sample, const uint8_t **out_elements)
{
    size_t rows;
    size_t cols;
    size_t planes = planes_of(a, &rows, &cols);
    size_t all = planes * rows;
    size_t wide = HG_MIN(cols, (size_t)STRIP / a->size);
    size_t high = HG_MIN(all, HG_MAX((size_t)STRIP / (wide * a->size), (size_t)1));
    size_t strip = high * wide * a->size;
    uint8_t *elements;
    int rc = hg_coder_room(c, HG_ROOM_SAMPLE, STRIPS * strip, &elements);

    if (rc < 0)
        return rc;
    *sample =
        (struct hg_cold_array){ a->size, a->kind, 3, { STRIPS, (uint32_t)high, (uint32_t)wide } };
    for (size_t i = 0; i < STRIPS; i++) { /* of few long rows, along them */
        size_t row = (all - high) * (2 * i + 1) / (2 * STRIPS);
        size_t col = (cols - wide) * (2 * i + 1) / (2 * STRIPS);
        for (size_t y = 0; y < high; y++)
            memcpy(elements + i * strip + y * wide * a->size,
                   (const uint8_t *)raw + ((row + y) * cols + col) * a->size, wide * a->size);
    }
    *out_elements = elements;
    return HOLOG_OK;
}

int hg_cold_estimate_coded(struct hg_coder *c, const struct hg_cold_array *sample,
                           const uint8_t *elements, const struct hg_cold_plan *plan,
                           size_t raw_bytes, uint64_t *out_bytes)
{
    struct hg_buf block = { 0 };
    int rc = hg_cold_encode(c, sample, elements, plan, NULL, &block);

    if (rc == HOLOG_OK) /* the head is not multiplied */
        *out_bytes =
            (uint64_t)(block.len - HG_COLD_HEAD_MIN) * raw_bytes / hg_cold_raw_bytes(sample);
    hg_buf_release(&block);
    return rc;
}

/* ---- windows -------------------------------------------------------------------------------------*/

/* Window i lies in its quarter of the planes, left and right, above and below. */
static void copy_window(const struct hg_cold_array *a, const uint8_t *raw, unsigned i,
                        const struct hg_cold_array *sample, uint8_t *to)
{
    size_t rows;
    size_t cols;
    size_t planes = planes_of(a, &rows, &cols);
    size_t high = sample->n[1];
    size_t wide = sample->n[2];
    size_t z = (planes - 1) * i / (WINDOWS - 1);
    size_t y = (rows - high) * (1 + 2 * (i / 2)) / 4;
    size_t x = (cols - wide) * (1 + 2 * (i % 2)) / 4;

    for (size_t row = 0; row < high; row++)
        memcpy(to + row * wide * a->size, raw + ((z * rows + y + row) * cols + x) * a->size,
               wide * a->size);
}

int hg_cold_take_sample(struct hg_coder *c, const struct hg_cold_array *a, const void *raw,
                        struct hg_cold_array *sample, const uint8_t **out_elements)
{
    size_t rows;
    size_t cols;
    uint8_t *elements;
    size_t window;
    int rc;

    (void)planes_of(a, &rows, &cols);
    *sample = (struct hg_cold_array){ a->size, a->kind, 3, { WINDOWS } };
    sample->n[1] = (uint32_t)HG_MIN(rows, (size_t)WINDOW);
    sample->n[2] = (uint32_t)HG_MIN(cols, (size_t)(rows > 1 ? WINDOW : WINDOW * WINDOW));
    window = hg_cold_raw_bytes(sample) / WINDOWS;
    rc = hg_coder_room(c, HG_ROOM_SAMPLE, WINDOWS * window, &elements);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < WINDOWS; i++)
        copy_window(a, raw, i, sample, elements + i * window);
    *out_elements = elements;
    return HOLOG_OK;
}

static int unit_bits(struct hg_coder *c, const struct hg_unit *u, const uint8_t *words,
                     size_t scale, uint64_t *bits)
{
    size_t n = hg_unit_words(u);
    uint8_t *values;
    int rc = hg_coder_room(c, HG_ROOM_VALUES, n * u->width, &values);

    if (rc < 0 || n == 0)
        return rc;
    hg_unit_gather(u, words, values);
    *bits += hg_split_bits(values, n, n * scale, u->width);
    return HOLOG_OK;
}

/* A block goes deeper than a window: its last corner is taken to cost no more than the bands next to it. */
static int lift_bits(struct hg_coder *c, const struct hg_filtered *f, size_t scale, uint64_t *bits)
{
    struct hg_unit units[HG_UNIT_BOXES];
    uint64_t of_part = 0;
    int rc = HOLOG_OK;

    for (unsigned part = f->l.levels > 0 ? 1 : 0; part <= f->l.levels; part++) {
        unsigned count = hg_bands_of(&f->l, part, units);
        size_t words = 0;
        of_part = 0;
        for (unsigned i = 0; rc == HOLOG_OK && i < count; i++) {
            rc = unit_bits(c, &units[i], f->words, scale, &of_part);
            words += hg_unit_words(&units[i]);
        }
        *bits += of_part;
        if (part == 1 && words > 0) {
            (void)hg_bands_of(&f->l, 0, units);
            *bits += of_part * hg_unit_words(&units[0]) / words;
        }
    }
    return rc;
}

int hg_cold_estimate_entropy(struct hg_coder *c, const struct hg_cold_array *sample,
                             const uint8_t *elements, const struct hg_cold_plan *plan,
                             size_t raw_bytes, uint64_t *out_bytes)
{
    size_t bytes = hg_cold_raw_bytes(sample);
    size_t scale = HG_MAX(raw_bytes / bytes, (size_t)1);
    struct hg_cold_head h = { .array = *sample, .filter = plan->filter, .raw_bytes = bytes };
    struct hg_unit all = hg_cold_whole(sample);
    struct hg_filtered f;
    uint64_t bits = 0;
    int rc;

    h.axes = (uint8_t)HG_MIN(plan->axes, 2); /* windows are apart */
    rc = hg_cold_filter(c, &h, plan->levels, elements, NULL, &f);
    if (rc == HOLOG_OK && plan->filter >= HG_FILTER_LIFT26)
        rc = lift_bits(c, &f, scale, &bits);
    else if (rc == HOLOG_OK)
        rc = unit_bits(c, &all, f.words, scale, &bits);
    *out_bytes = bits * raw_bytes / bytes / 8;
    return rc;
}
