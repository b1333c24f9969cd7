/*
 * The words of a unit in squares (unit.h), as many in a run as lie side by side, up to HG_SQUARES_RUN.
 */
#ifndef HG_CODEC_COLD_SQUARES_H
#define HG_CODEC_COLD_SQUARES_H

#include "codec/cold/unit.h"

#define HG_SQUARES_RUN 64

struct hg_squares_run {
    size_t at;     /* bytes from the beginning of the array */
    size_t stride; /* bytes between rows */
    size_t rows;
    size_t cols;  /* of all of them */
    size_t width; /* words across each; the last may have less */
    size_t count;
};

struct hg_squares {
    const struct hg_unit *u;
    unsigned box;
    size_t i[4]; /* i[2], i[3] in words */
};

size_t hg_squares_count(const struct hg_unit *u);
void hg_squares_begin(struct hg_squares *s, const struct hg_unit *u);
int hg_squares_next(struct hg_squares *s, struct hg_squares_run *out); /* 0: there are no more */
/* Words of square i of a run. */
size_t hg_squares_words(const struct hg_squares_run *r, size_t i);

/* width: bytes of a word. The sum of each square's numbers. */
void hg_squares_sum(const struct hg_squares_run *r, const void *words, unsigned width,
                    uint64_t *sums);
/* The numbers of each square, to where its class goes on, and back. */
void hg_squares_take(const struct hg_squares_run *r, const void *words, unsigned width,
                     const uint8_t *classes, uint8_t **next);
void hg_squares_give(const struct hg_squares_run *r, void *words, unsigned width,
                     const uint8_t *classes, uint8_t **next);

#endif
