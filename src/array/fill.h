/*
 * The fill value of an array, in the JSON of its metadata document and as an element. It is compared and kept
 * by its bytes: -0.0 is not 0.0, and a NaN is that very NaN.
 *
 *   bool           true, false
 *   integers       a number without fraction or exponent, in range
 *   floats         a number (round half to even), "NaN" (the quiet one, without a sign), "Infinity",
 *                  "-Infinity", or "0x..": all of its bits, the highest first
 *   complex        [real part, imaginary part]
 *   raw bits       [byte, ...], each 0 to 255
 *
 * Source: Zarr core specification v3, "Fill value representation".
 */
#ifndef HG_ARRAY_FILL_H
#define HG_ARRAY_FILL_H

#include <json-c/json_object.h>

#include "array/dtype.h"

/* json-c takes an integer of more than 64 bits for the nearest that fits: see that there is none.
 * Into out (t.size bytes, untouched on failure). HOLOG_E_INVAL: it is no value of that type. */
HG_MUST_CHECK int hg_fill_from_json(struct hg_type t, const struct json_object *value,
                                    uint8_t *out);
/* The nearest half (its bits), ties to even; too large ones become infinity. d is no NaN. And back. */
uint16_t hg_half_of(double d);
double hg_half_to_double(uint16_t bits);

/* HOLOG_E_NOMEM. The caller's. */
HG_MUST_CHECK int hg_fill_to_json(struct hg_type t, const uint8_t *element,
                                  struct json_object **out);

#endif
