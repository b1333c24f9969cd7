/*
 * Integers lifted: a signal becomes its half, and what that leaves out; the half again, and so on.
 *
 * One level, along one axis of n words, takes pairs (a, b) = (x[2j], x[2j+1]) to a low word s[j] and a high
 * word d[j]; of an odd n the last word alone is low. s stands before d: ceil(n/2) low, floor(n/2) high words.
 *
 *   2/6   d = a - b;  s = b + ((d + up) >> 1);  then d -= (s[j-1] - s[j+1] + 2) >> 2
 *   5/3   d = b - mean(a, x[2j+2]);  s = a + ((d[j-1] + d[j] + 1) >> 2);  mean(p, q) = p + ((q - p) >> 1)
 *
 * At an edge the nearest word stands for the one that is missing. All arithmetic wraps in the width of the
 * word, shifts keep the sign: any words at all come back. up is (axis + level) & 1, axis 0 the last one: the
 * floors of one axis, or level, and the ceilings of the next cancel, so that low words have no bias. As long as
 * the words of a box differ by less than half of their range, the low words of 2/6 are means of theirs; those
 * of 5/3 need less than a quarter, and may go past the least and the greatest by half of their difference at
 * each level.
 *
 * A level goes along each of the last `axes` (1 to 3) that is longer than 1, the last axis first; the low
 * words of all are the corner of the box at index 0, which the next level takes. The other axes are apart.
 *
 * Sources: 2/6 is the TS transform (Zandi, Allen, Schwartz, Boliek, CREW, DCC 1995) in the form of Calderbank,
 * Daubechies, Sweldens, Yeo, "Wavelet transforms that map integers to integers", 1998; 5/3 is that of JPEG
 * 2000 (ISO/IEC 15444-1, annex F) with its rounding moved from 2 to 1 of 4 quarters.
 */
#ifndef HG_CODEC_COLD_LIFT_H
#define HG_CODEC_COLD_LIFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum hg_wavelet {
    HG_LIFT_26,
    HG_LIFT_53
};

struct hg_lift {
    enum hg_wavelet wavelet;
    unsigned width; /* bytes of a word: 2, 4, 8 */
    unsigned axes;  /* 1 to 3 */
    unsigned levels;
    size_t outer; /* boxes, one behind the other */
    size_t n[3];  /* of a box: axes 2, 1 and 0; those not lifted are 1 */
};

/* Words of scratch memory, in bytes, beside a second place as large as the words. */
size_t hg_lift_scratch(const struct hg_lift *l);
/* In place. `other` is as large as words; both are aligned to 8 bytes. */
void hg_lift_forward(const struct hg_lift *l, void *words, void *other, void *scratch);
/* The last `levels` - `stop` levels are undone: 0 gives all words back, k the corner of level k. All words go to `to`,
 * words or a place as large; a corner stays. */
void hg_lift_inverse(const struct hg_lift *l, unsigned stop, void *words, void *other,
                     void *scratch, void *to);
/* How long is an axis of n words at a level? */
size_t hg_lift_length(size_t n, unsigned level);

#endif
