/*
 * Types of an array's elements: their names, their sizes. Elements are stored little-endian, as the
 * machine has them; a bool is a byte, 0 or 1; a complex number is its real part, then its imaginary part.
 *
 * Names are those of Zarr v3 ("uint16", "r24": raw bits, a multiple of 8) and, where there is one, of NumPy
 * and Zarr v2 ("<u2", "|V3").
 */
#ifndef HG_ARRAY_DTYPE_H
#define HG_ARRAY_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum hg_dtype {
    HG_OPAQUE = 0, /* another one; nobody knows its size */
    HG_BOOL = 1,
    HG_INT8,
    HG_INT16,
    HG_INT32,
    HG_INT64,
    HG_UINT8,
    HG_UINT16,
    HG_UINT32,
    HG_UINT64,
    HG_FLOAT16,
    HG_FLOAT32,
    HG_FLOAT64,
    HG_COMPLEX64,
    HG_COMPLEX128,
    HG_RAW, /* its size is said beside it */
};
#define HG_ITEM_MAX       1024 /* bytes of an element */
#define HG_DTYPE_NAME_MAX 16   /* with the NUL */

struct hg_type {
    enum hg_dtype dtype;
    uint32_t size; /* bytes of an element: 1 to HG_ITEM_MAX; 0: opaque */
};

/* HG_RAW: `size` bytes; of others it is ignored. */
struct hg_type hg_type_of(enum hg_dtype dtype, uint32_t size);
/* By a name of Zarr v3. HOLOG_E_NOTSUP: a type that holog does not know. */
HG_MUST_CHECK int hg_type_from_v3(const char *name, struct hg_type *out);
/* By a NumPy description. *out_swapped: its bytes are big-endian. HOLOG_E_NOTSUP. */
HG_MUST_CHECK int hg_type_from_numpy(const char *descr, struct hg_type *out, int *out_swapped);
void hg_type_to_v3(struct hg_type t, char *out); /* HG_DTYPE_NAME_MAX */
void hg_type_to_numpy(struct hg_type t, char *out);
/* Bytes that are turned round together when the order of bytes changes: of a complex number half of it;
 * of raw bits and single bytes 1. */
uint32_t hg_type_word(struct hg_type t);

#endif
