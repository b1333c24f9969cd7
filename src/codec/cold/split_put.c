/*
 * The split form, written; see unit.h.
 */
#include <string.h>

#include "codec/cold/bits.h"
#include "codec/cold/entropy.h"
#include "codec/cold/split.h"
#include "codec/cold/squares.h"
#include "holog/error.h"

#define OF_A_CLASS 4096 /* words, on average at least */
#define LIKE       3    /* quarters of a doubling, that a class covers at least */
#define LOUDEST    255  /* quarters of a doubling */

/* ---- one class -----------------------------------------------------------------------------------*/

static int put_lows(struct hg_coder *c, const uint8_t *values, size_t n, unsigned k, unsigned width,
                    struct hg_buf *out)
{
    struct hg_stream_how raw = { HG_CODEC_RAW, 0, NULL };
    size_t packed = hg_bits_size(n, k % 8);
    uint8_t *plane;
    uint8_t *bits = NULL;
    int rc = hg_coder_room(c, HG_ROOM_PLANE, n + 8, &plane);

    if (rc == HOLOG_OK)
        rc = hg_coder_room(c, HG_ROOM_LOWS, packed, &bits);
    for (unsigned b = 0; rc == HOLOG_OK && b < k / 8; b++) {
        hg_split_byte(values, plane, n, 8 * b, 0xff, width);
        rc = hg_stream_put(c, &raw, plane, n, out);
    }
    if (rc < 0 || k % 8 == 0)
        return rc;
    hg_split_byte(values, plane, n, k / 8 * 8, (uint8_t)((1u << k % 8) - 1), width);
    memset(plane + n, 0, 8);
    hg_bits_pack(plane, n, k % 8, bits);
    return hg_stream_put(c, &raw, bits, packed, out);
}

/* (v >> k) - 255 of those whose top is 255, each in its place or before it. Returns how many. */
static size_t close_escapes(const uint8_t *values, const uint8_t *tops, size_t n, unsigned k,
                            unsigned width, uint8_t *to)
{
    const uint8_t *at = tops;
    size_t count = 0;

    while ((at = memchr(at, HG_SPLIT_ESCAPE, (size_t)(tops + n - at))) != NULL) {
        uint64_t v = 0;
        memcpy(&v, values + (size_t)(at - tops) * width, width);
        v = (v >> k) - HG_SPLIT_ESCAPE;
        memcpy(to + count * width, &v, width);
        count++;
        at++;
    }
    return count;
}

/* The values are used up. */
static int put_class(struct hg_coder *c, uint8_t *values, size_t n, unsigned width,
                     struct hg_buf *out)
{
    struct hg_stream_how zstd = { HG_CODEC_ZSTD, 1, NULL };
    unsigned k = hg_split_best(values, n, width);
    uint8_t *tops;
    int rc = hg_coder_room(c, HG_ROOM_TOPS, n, &tops);

    if (rc == HOLOG_OK)
        rc = hg_buf_append_byte(out, (uint8_t)k);
    if (rc < 0)
        return rc;
    hg_split_top(values, tops, n, k, width);
    rc = hg_stream_put_noise(c, tops, n, out);
    if (rc == HOLOG_OK)
        rc = put_lows(c, values, n, k, width, out);
    if (rc < 0)
        return rc;
    n = close_escapes(values, tops, n, k, width, values);
    return hg_stream_put(c, &zstd, values, n * width, out);
}

/* ---- classes -------------------------------------------------------------------------------------*/

struct sorted {
    const struct hg_unit *u;
    uint8_t *classes; /* of each square; first how loud it is */
    size_t squares;
    unsigned count; /* classes */
    size_t words[HG_UNIT_CLASSES];
};

/* Quarters of a doubling of the mean. Sums of 64-bit words may wrap: then they are sorted badly, no more. */
static uint8_t loudness(uint64_t sum, size_t words)
{
    uint64_t mean = words == HG_SQUARE ? sum / HG_SQUARE : sum / words;
    unsigned shift = mean >> 28 ? 36 - (unsigned)__builtin_clzll(mean) : 0;
    uint32_t quarters = (hg_log2_q16((uint32_t)(mean >> shift) * 8 + 8) >> 14) + 4 * shift;

    return (uint8_t)HG_MIN(quarters, (uint32_t)LOUDEST);
}

/* How loud is each square? loud: words, by how loud they are. Returns by how much they differ, in quarters of a
 * doubling. */
static unsigned listen(struct sorted *s, const void *words, size_t loud[LOUDEST + 1],
                       unsigned *out_least)
{
    uint64_t sums[HG_SQUARES_RUN];
    struct hg_squares walk;
    struct hg_squares_run r;
    size_t at = 0;
    unsigned least = 0;
    unsigned most = LOUDEST;

    hg_squares_begin(&walk, s->u);
    for (; hg_squares_next(&walk, &r); at += r.count) {
        hg_squares_sum(&r, words, s->u->width, sums);
        for (size_t i = 0; i < r.count; i++) {
            size_t n = hg_squares_words(&r, i);
            uint8_t how = loudness(sums[i], n);
            s->classes[at + i] = how;
            loud[how] += n;
        }
    }
    while (loud[least] == 0)
        least++;
    while (loud[most] == 0)
        most--;
    *out_least = least;
    return most - least;
}

/* Loudness, which is `least` to `least` + `spread`, becomes a class. */
static void classify(struct sorted *s, const size_t *loud, unsigned least, unsigned spread)
{
    uint8_t class_of[LOUDEST + 1] = { 0 };

    for (unsigned i = 0; i <= spread; i++) {
        unsigned class = i * s->count / (spread + 1);
        class_of[least + i] = (uint8_t) class;
        s->words[class] += loud[least + i];
    }
    for (size_t i = 0; i < s->squares; i++)
        s->classes[i] = class_of[s->classes[i]];
}

static int put_map(struct hg_coder *c, const struct sorted *s, struct hg_buf *out)
{
    struct hg_stream_how how = { HG_CODEC_LITERALS, 0, NULL };
    size_t bytes = (s->squares + 1) / 2;
    uint8_t *map;
    int rc = hg_coder_room(c, HG_ROOM_PLANE, bytes, &map);

    if (rc < 0)
        return rc;
    memset(map, 0, bytes);
    for (size_t i = 0; i < s->squares; i++)
        map[i / 2] = (uint8_t)(map[i / 2] | s->classes[i] << (4 * (i % 2)));
    return hg_stream_put(c, &how, map, bytes, out);
}

static void sort_squares(const struct sorted *s, const void *words, uint8_t *to)
{
    struct hg_squares walk;
    struct hg_squares_run r;
    uint8_t *next[HG_UNIT_CLASSES];
    const uint8_t *classes = s->classes;

    for (unsigned i = 0; i < s->count; i++) {
        next[i] = to;
        to += s->words[i] * s->u->width;
    }
    hg_squares_begin(&walk, s->u);
    for (; hg_squares_next(&walk, &r); classes += r.count)
        hg_squares_take(&r, words, s->u->width, classes, next);
}

static int put_classes(struct hg_coder *c, const struct sorted *s, const void *words,
                       uint8_t *values, struct hg_buf *out)
{
    int rc = put_map(c, s, out);

    if (rc < 0)
        return rc;
    sort_squares(s, words, values);
    for (unsigned i = 0; rc == HOLOG_OK && i < s->count; i++) {
        if (s->words[i] > 0)
            rc = put_class(c, values, s->words[i], s->u->width, out);
        values += s->words[i] * s->u->width;
    }
    return rc;
}

int hg_unit_put_split(struct hg_coder *c, const struct hg_unit *u, const void *words,
                      unsigned classes, struct hg_buf *out)
{
    struct sorted s = { .u = u, .squares = hg_squares_count(u) };
    size_t loud[LOUDEST + 1] = { 0 };
    size_t n = hg_unit_words(u);
    uint8_t *values;
    unsigned least = 0;
    unsigned spread = 0;
    int rc = hg_coder_room(c, HG_ROOM_VALUES, n * u->width, &values);

    if (rc < 0)
        return rc;
    rc = hg_coder_room(c, HG_ROOM_CLASSES, s.squares, &s.classes);
    if (rc < 0)
        return rc;
    if (classes > 1 && n >= (size_t)2 * OF_A_CLASS)
        spread = listen(&s, words, loud, &least);
    s.count = (unsigned)HG_MIN(HG_MIN(spread / LIKE, classes), n / OF_A_CLASS);
    if (s.count < 2) {
        hg_unit_gather(u, words, values);
        rc = hg_buf_append_byte(out, 1);
        return rc < 0 || n == 0 ? rc : put_class(c, values, n, u->width, out);
    }
    classify(&s, loud, least, spread);
    rc = hg_buf_append_byte(out, (uint8_t)s.count);
    return rc < 0 ? rc : put_classes(c, &s, words, values, out);
}
