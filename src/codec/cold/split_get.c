/*
 * The split form, read; see unit.h. Nothing is allocated by what it says: how many words there are, the boxes tell.
 */
#include <string.h>

#include "base/error.h"
#include "codec/cold/bits.h"
#include "codec/cold/split.h"
#include "codec/cold/squares.h"

/* The low bits of each number, `shift` of them below others, behind what is there; beside the tops if it is the first. */
static void put_together(uint8_t *values, const uint8_t *tops, const uint8_t *lows, size_t n,
                         unsigned k, unsigned shift, unsigned width)
{
    if (shift == 0)
        hg_split_both(values, tops, lows, n, k, width);
    else
        hg_split_join(values, lows, n, shift, width);
}

static int get_numbers(struct hg_coder *c, struct hg_reader *r, uint8_t *values,
                       const uint8_t *tops, size_t n, unsigned k, unsigned width)
{
    size_t packed = hg_bits_size(n, k % 8);
    const uint8_t *lows;
    uint8_t *plane;
    int rc = hg_coder_room(c, HG_ROOM_PLANE, n + 8, &plane);

    if (rc == HOLOG_OK && k == 0)
        hg_split_set(values, tops, n, 0, width);
    for (unsigned b = 0; rc == HOLOG_OK && b < k / 8; b++) {
        rc = hg_stream_view(c, r, HG_ROOM_LOWS, n, &lows);
        if (rc == HOLOG_OK)
            put_together(values, tops, lows, n, k, 8 * b, width);
    }
    if (rc < 0 || k % 8 == 0)
        return rc;
    rc = hg_stream_view(c, r, HG_ROOM_LOWS, packed, &lows);
    if (rc < 0)
        return rc;
    hg_bits_unpack(lows, n, k % 8, plane);
    put_together(values, tops, plane, n, k, k / 8 * 8, width);
    return HOLOG_OK;
}

static size_t count_escapes(const uint8_t *tops, size_t n)
{
    const uint8_t *at = tops;
    size_t count = 0;

    while ((at = memchr(at, HG_SPLIT_ESCAPE, (size_t)(tops + n - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

static int get_escapes(struct hg_coder *c, struct hg_reader *r, uint8_t *values,
                       const uint8_t *tops, size_t n, unsigned k, unsigned width)
{
    size_t count = count_escapes(tops, n);
    const uint8_t *at = tops;
    uint8_t *more;
    int rc;

    if (count == 0)
        return HOLOG_OK;
    rc = hg_coder_room(c, HG_ROOM_PLANE, count * width, &more);
    if (rc == HOLOG_OK)
        rc = hg_stream_get(c, r, NULL, more, count * width);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        uint64_t v = 0;
        uint64_t by = 0;
        uint8_t *value;
        at = memchr(at, HG_SPLIT_ESCAPE, (size_t)(tops + n - at));
        value = values + (size_t)(at - tops) * width;
        memcpy(&v, value, width);
        memcpy(&by, more + i * width, width);
        v += by << k;
        memcpy(value, &v, width);
        at++;
    }
    return HOLOG_OK;
}

static int get_class(struct hg_coder *c, struct hg_reader *r, uint8_t *values, size_t n,
                     unsigned width)
{
    const uint8_t *k;
    uint8_t *tops;
    int rc = hg_coder_room(c, HG_ROOM_TOPS, n, &tops);

    if (rc < 0)
        return rc;
    rc = hg_reader_take(r, 1, &k);
    if (rc < 0 || *k > 8 * width - 8)
        return HOLOG_E_CORRUPT;
    rc = hg_stream_get(c, r, NULL, tops, n);
    if (rc < 0)
        return rc;
    rc = get_numbers(c, r, values, tops, n, *k, width);
    return rc < 0 ? rc : get_escapes(c, r, values, tops, n, *k, width);
}

/* ---- classes -------------------------------------------------------------------------------------*/

/* A byte for each square. HOLOG_E_CORRUPT: a class that there is not. */
static int get_map(struct hg_coder *c, struct hg_reader *r, size_t squares, unsigned classes,
                   uint8_t *out)
{
    uint8_t *map;
    unsigned most = 0;
    int rc = hg_coder_room(c, HG_ROOM_PLANE, (squares + 1) / 2, &map);

    if (rc == HOLOG_OK)
        rc = hg_stream_get(c, r, NULL, map, (squares + 1) / 2);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < squares; i++) {
        out[i] = map[i / 2] >> (4 * (i % 2)) & 15;
        most = HG_MAX(most, out[i]);
    }
    return most < classes ? HOLOG_OK : HOLOG_E_CORRUPT;
}

/* Words of each class. */
static void count_words(const struct hg_unit *u, const uint8_t *classes, size_t *count)
{
    struct hg_squares walk;
    struct hg_squares_run r;

    hg_squares_begin(&walk, u);
    for (; hg_squares_next(&walk, &r); classes += r.count)
        for (size_t i = 0; i < r.count; i++)
            count[classes[i]] += hg_squares_words(&r, i);
}

static void scatter_squares(const struct hg_unit *u, const uint8_t *classes, const size_t *count,
                            uint8_t *values, void *words)
{
    uint8_t *next[HG_UNIT_CLASSES];
    struct hg_squares walk;
    struct hg_squares_run r;

    for (unsigned i = 0; i < HG_UNIT_CLASSES; i++) {
        next[i] = values;
        values += count[i] * u->width;
    }
    hg_squares_begin(&walk, u);
    for (; hg_squares_next(&walk, &r); classes += r.count)
        hg_squares_give(&r, words, u->width, classes, next);
}

static int get_classes(struct hg_coder *c, const struct hg_unit *u, struct hg_reader *r,
                       unsigned classes, uint8_t *values, void *words)
{
    size_t squares = hg_squares_count(u);
    size_t count[HG_UNIT_CLASSES] = { 0 };
    size_t at = 0;
    uint8_t *of_square;
    int rc = hg_coder_room(c, HG_ROOM_CLASSES, squares, &of_square);

    if (rc == HOLOG_OK)
        rc = get_map(c, r, squares, classes, of_square);
    if (rc < 0)
        return rc;
    count_words(u, of_square, count);
    for (unsigned i = 0; rc == HOLOG_OK && i < classes; i++) {
        if (count[i] > 0)
            rc = get_class(c, r, values + at, count[i], u->width);
        at += count[i] * u->width;
    }
    if (rc == HOLOG_OK)
        scatter_squares(u, of_square, count, values, words);
    return rc;
}

int hg_unit_get_split(struct hg_coder *c, const struct hg_unit *u, struct hg_reader *r, void *words)
{
    size_t n = hg_unit_words(u);
    const uint8_t *classes;
    uint8_t *values;
    int rc = hg_coder_room(c, HG_ROOM_VALUES, n * u->width, &values);

    if (rc < 0)
        return rc;
    rc = hg_reader_take(r, 1, &classes);
    if (rc < 0 || *classes < 1 || *classes > HG_UNIT_CLASSES)
        return HOLOG_E_CORRUPT;
    if (*classes > 1)
        return get_classes(c, u, r, *classes, values, words);
    rc = n > 0 ? get_class(c, r, values, n, u->width) : HOLOG_OK;
    if (rc == HOLOG_OK)
        hg_unit_scatter(u, values, words);
    return rc;
}
