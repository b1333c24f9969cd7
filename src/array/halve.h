/*
 * Elements made half as many along axes: what a preview is (holog/array.h).
 */
#ifndef HG_ARRAY_HALVE_H
#define HG_ARRAY_HALVE_H

#include "array/dtype.h"

/* 1: elements of that type have a mean. */
int hg_has_mean(struct hg_type t);
/* 1: and it is that of compressed segments (hg_hwp_halve), whose low bands can stand for it. Such elements have up to
 * HG_LOW_AXES axes there, outer ones are merged; out_kind: enum hg_element_kind. */
#define HG_LOW_AXES 4u
int hg_has_low_bands(struct hg_type t, uint32_t *out_kind);

/* In place: n[0] * n[1] * n[2] elements in C order; the last `axes` (0 to 2) axes become means of pairs, `halvings`
 * times, the last axis first; of an odd number the last one stays. n becomes what there is then.
 *
 *   bool, integers   as hg_hwp_halve: rounded down along the last axis, up along the other
 *   floats           (a + b) / 2 in double precision, rounded to the type; NaN where one of them is
 *   complex          each part by itself */
void hg_halve(struct hg_type t, uint64_t n[3], unsigned axes, unsigned halvings, void *elements);

#endif
