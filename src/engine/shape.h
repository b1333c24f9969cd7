/*
 * What the bytes of an array's chunk are, as far as compressing them goes: from the metadata document, which is
 * read here for that alone and not judged (src/array/document.h does that).
 */
#ifndef HG_ENGINE_SHAPE_H
#define HG_ENGINE_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/node.h"

struct hg_chunk_shape {
    uint8_t size; /* bytes of an element: 1, 2, 4, 8 */
    uint8_t kind; /* enum hg_element_kind */
    unsigned rank;
    uint64_t n[HG_RANK_MAX +
               1]; /* elements along each axis; complex ones are two floats: one axis more */
};

/* 1: chunks of this array are elements as they are, little-endian, in C order. 0: they are bytes: encoded, or of a type
 * that is none of these, or the document cannot be read. `len` bytes of JSON; any thread. */
int hg_chunk_shape(const char *document, size_t len, struct hg_chunk_shape *out);
/* Bytes of such a chunk; 0: more than fit 64 bits. */
uint64_t hg_chunk_bytes(const struct hg_chunk_shape *s);

#endif
