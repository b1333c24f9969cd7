/*
 * A unit: words that are coded together, as they lie in boxes of a larger array. And how: in split form, or as
 * planes of bytes.
 *
 * Words become numbers by zigzag (words.h), in one of two orders. Rows: as they lie. Squares: 8 x 8 words, or
 * 1 x 64 where a box has one row, each square's rows in turn, squares as they lie, less at the far edges.
 *
 * Planes: byte b of all numbers, in the order of rows, is stream b (stream.h); the lowest first.
 *
 * Split, for noise: a number v is its top, v >> k, and k low bits, which are taken for random.
 *
 *   0  1  classes: 1: the order is that of rows. 2 to 16: of squares, sorted by class: what is more noisy is coded apart
 *   1     with more than one: a stream, the class of each square in 4 bits, the lowest first, in (squares + 1) / 2 bytes
 *         for each class that has words:
 *            1  k: 0 to 8 * width - 8
 *               stream: tops, a byte for each number; 255 and more are 255
 *               streams: byte 0 .. k/8-1 of the numbers; then k%8 bits of each in a row (bits.h), if any
 *               stream: for each top of 255, in turn, (v >> k) - 255 as a word
 */
#ifndef HG_CODEC_COLD_UNIT_H
#define HG_CODEC_COLD_UNIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "codec/cold/coder.h"
#include "codec/cold/stream.h"

#define HG_UNIT_BOXES   7 /* as many as there are high bands of three axes */
#define HG_UNIT_CLASSES 16
#define HG_SQUARE       64 /* words, at most */

struct hg_box {
    size_t at;        /* bytes from the beginning of the array to the first word */
    size_t n[4];      /* all above 0; words of a row are side by side */
    size_t stride[3]; /* bytes: of the first three axes */
};

struct hg_unit {
    unsigned width; /* bytes of a word: 1, 2, 4, 8 */
    unsigned boxes;
    struct hg_box box[HG_UNIT_BOXES];
};

size_t hg_unit_words(const struct hg_unit *u);
/* The most bytes that it takes, in either form. */
size_t hg_unit_bound(const struct hg_unit *u);

/* Append. `words`: the array that the boxes are in. classes: the most that are made, 1 to HG_UNIT_CLASSES. */
HG_MUST_CHECK int hg_unit_put_split(struct hg_coder *c, const struct hg_unit *u, const void *words,
                                    unsigned classes, struct hg_buf *out);
HG_MUST_CHECK int hg_unit_put_planes(struct hg_coder *c, const struct hg_unit *u, const void *words,
                                     const struct hg_stream_how *how, struct hg_buf *out);
/* As hg_stream_get. */
HG_MUST_CHECK int hg_unit_get_split(struct hg_coder *c, const struct hg_unit *u,
                                    struct hg_reader *r, void *words);
HG_MUST_CHECK int hg_unit_get_planes(struct hg_coder *c, const struct hg_unit *u,
                                     struct hg_reader *r, void *words);

/* ---- the order of rows, for both forms; of squares: squares.h ---------------------------------*/

/* In the order of rows, with zigzag. */
void hg_unit_gather(const struct hg_unit *u, const uint8_t *words, uint8_t *to);
void hg_unit_scatter(const struct hg_unit *u, const uint8_t *from, uint8_t *words);

#endif
