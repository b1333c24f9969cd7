/*
 * The orders of a unit's words, and planes; see unit.h. The split form: split_put.c, split_get.c.
 */
#include "codec/cold/unit.h"

#include <string.h>

#include "codec/cold/split.h"
#include "codec/cold/squares.h"
#include "codec/cold/words.h"
#include "holog/error.h"

size_t hg_unit_words(const struct hg_unit *u)
{
    size_t n = 0;

    for (unsigned i = 0; i < u->boxes; i++) {
        const struct hg_box *b = &u->box[i];
        n += b->n[0] * b->n[1] * b->n[2] * b->n[3];
    }
    return n;
}

size_t hg_unit_bound(const struct hg_unit *u)
{
    size_t n = hg_unit_words(u);
    size_t map = hg_stream_bound((hg_squares_count(u) + 1) / 2);
    /* k low bits in whole eights of words; a word for each top of 255 */
    size_t of_a_class = 1 + (u->width + 3) * (size_t)HG_STREAM_HEAD + 7 * u->width;

    return 1 + map + HG_UNIT_CLASSES * of_a_class + n * (2 * u->width + 1);
}

/* ---- rows ----------------------------------------------------------------------------------------*/

typedef void (*turn_row)(const void *from, void *to, size_t n, unsigned width);

static void each_row(const struct hg_unit *u, uint8_t *words, uint8_t *values, turn_row turn,
                     int is_gather)
{
    for (unsigned i = 0; i < u->boxes; i++) {
        const struct hg_box *b = &u->box[i];
        size_t rows = b->n[0] * b->n[1] * b->n[2];
        size_t bytes = b->n[3] * u->width;
        for (size_t row = 0; row < rows; row++, values += bytes) {
            size_t y = row % b->n[2];
            size_t z = row / b->n[2] % b->n[1];
            uint8_t *at = words + b->at + row / b->n[2] / b->n[1] * b->stride[0] +
                          z * b->stride[1] + y * b->stride[2];
            turn(is_gather ? at : values, is_gather ? values : at, b->n[3], u->width);
        }
    }
}

void hg_unit_gather(const struct hg_unit *u, const uint8_t *words, uint8_t *to)
{
    /* What is only read is passed as what is written, for one walk there and back. */
    each_row(u, (uint8_t *)(uintptr_t)words, to, hg_words_zigzag, 1);
}

void hg_unit_scatter(const struct hg_unit *u, const uint8_t *from, uint8_t *words)
{
    each_row(u, words, (uint8_t *)(uintptr_t)from, hg_words_unzigzag, 0);
}

/* ---- planes --------------------------------------------------------------------------------------*/

struct rooms {
    uint8_t *values;
    uint8_t *plane;
};

static int rooms_for(struct hg_coder *c, const struct hg_unit *u, struct rooms *out)
{
    size_t n = hg_unit_words(u);
    int rc = hg_coder_room(c, HG_ROOM_VALUES, n * u->width, &out->values);

    return rc < 0 ? rc : hg_coder_room(c, HG_ROOM_PLANE, n, &out->plane);
}

int hg_unit_put_planes(struct hg_coder *c, const struct hg_unit *u, const void *words,
                       const struct hg_stream_how *how, struct hg_buf *out)
{
    size_t n = hg_unit_words(u);
    struct rooms m;
    int rc = rooms_for(c, u, &m);

    if (rc < 0)
        return rc;
    hg_unit_gather(u, words, m.values);
    for (unsigned b = 0; rc == HOLOG_OK && b < u->width; b++) {
        hg_split_byte(m.values, m.plane, n, 8 * b, 0xff, u->width);
        rc = hg_stream_put(c, how, m.plane, n, out);
    }
    return rc;
}

int hg_unit_get_planes(struct hg_coder *c, const struct hg_unit *u, struct hg_reader *r,
                       void *words)
{
    size_t n = hg_unit_words(u);
    struct rooms m;
    int rc = rooms_for(c, u, &m);

    if (rc < 0)
        return rc;
    memset(m.values, 0, n * u->width);
    for (unsigned b = 0; rc == HOLOG_OK && b < u->width; b++) {
        rc = hg_stream_get(c, r, NULL, m.plane, n);
        if (rc == HOLOG_OK)
            hg_split_join(m.values, m.plane, n, 8 * b, u->width);
    }
    if (rc == HOLOG_OK)
        hg_unit_scatter(u, m.values, words);
    return rc;
}
