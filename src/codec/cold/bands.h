/*
 * Which words of a lifted array are which part of a block, and which of them are coded together.
 *
 * Part 0 is the corner of the last level, part p what leads from the corner of level `levels - p + 1` to that of the
 * one before: the bands of high words, the last axis fastest: of two axes high in the last, high in the other, high in
 * both. Each band is a unit (unit.h), or all of a part are one where they have less than HG_BANDS_TOGETHER words.
 */
#ifndef HG_CODEC_COLD_BANDS_H
#define HG_CODEC_COLD_BANDS_H

#include "codec/cold/cold.h"
#include "codec/cold/lift.h"
#include "codec/cold/predict.h"
#include "codec/cold/unit.h"

#define HG_BANDS_TOGETHER 16384 /* words */

/* Returns how many units; `units` has room for HG_UNIT_BOXES. */
unsigned hg_bands_of(const struct hg_lift *l, unsigned part, struct hg_unit *units);

/* An array as boxes of up to three axes, of which the last `axes` count and the others are outer. */
struct hg_lift hg_cold_lift(const struct hg_cold_array *a, unsigned filter, unsigned axes,
                            unsigned levels, unsigned width);
struct hg_predict hg_cold_predict(const struct hg_cold_array *a, unsigned filter, unsigned axes);
/* All of an array as one box, its last two axes rows and columns. */
struct hg_unit hg_cold_whole(const struct hg_cold_array *a);

#endif
