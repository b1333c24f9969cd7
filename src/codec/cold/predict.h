/*
 * Words less what their neighbours let expect, and back. All arithmetic wraps: any words at all come back.
 *
 *   left      x[i] - x[i-1] in a row; the first of each row stays
 *   up        a row less the one above; the first of each plane stays
 *   average   x - mean(left, above), mean(p, q) = p + ((q - p) >> 1), the shift keeps the sign; in the first
 *             row left, in the first column up
 *   Lorenzo   the difference along each of the last `axes`, one after the other; what lies outside is 0:
 *             x - left - above + the one above left, and so on
 *
 * Source of Lorenzo: Ibarria, Lindstrom, Rossignac, Szymczak, "Out-of-core compression and decompression of
 * large n-dimensional scalar fields", 2003. The others are PNG's filters (RFC 2083) for words.
 */
#ifndef HG_CODEC_COLD_PREDICT_H
#define HG_CODEC_COLD_PREDICT_H

#include <stddef.h>
#include <stdint.h>

enum hg_predictor {
    HG_PREDICT_UP,
    HG_PREDICT_LEFT,
    HG_PREDICT_AVERAGE,
    HG_PREDICT_LORENZO
};

struct hg_predict {
    enum hg_predictor how;
    unsigned width; /* bytes of a word: 1, 2, 4, 8 */
    size_t outer;   /* boxes, one behind the other */
    size_t n[3]; /* of a box; axes that Lorenzo leaves out are in outer, and 1 here. All above 0 */
};

/* Into another place. */
void hg_predict_forward(const struct hg_predict *p, const void *from, void *to);
void hg_predict_inverse(const struct hg_predict *p, void *words); /* in place */

#endif
