/*
 * Images that tests make, and a pyramid computed as plainly as can be.
 */
#ifndef TESTS_OME_OMEKIT_H
#define TESTS_OME_OMEKIT_H

#include "../store/storekit.h"
#include "array/dtype.h"
#include "holog/ome.h"

/* A number of its own for each seed and index. */
uint64_t some(uint64_t seed, uint64_t index);
/* Elements of the type, any bits that it can have but for NaNs with a payload. */
void some_elements(uint32_t dtype, uint64_t seed, size_t n, void *out);

/* Level of a level, one element at a time: hg_reduce's result, by another way. */
struct plain {
    uint32_t dtype;
    unsigned rank;
    uint64_t shape[HOLOG_OME_AXES_MAX];
    uint8_t *data;
};
size_t plain_count(const struct plain *p);
void plain_next(const struct plain *p, const uint64_t *factor, uint32_t method, struct plain *out);
void plain_release(struct plain *p);

/* Level k of the image has these elements. */
void has_level(holog_store *s, const char *image, unsigned k, const struct plain *want);
/* All levels follow from level 0, by factors that the levels' scales say. */
void is_pyramid(holog_store *s, const char *image, uint32_t method);
/* The array, all of it. */
void read_all(holog_store *s, const char *path, struct plain *out);
/* A file of the Zarr hierarchy at "/", as v3 or v2; free it. NULL: there is none. */
char *document_of(holog_store *s, unsigned flags, const char *key);
/* The image, plate or well has no problem; and the store is the same after it was opened again. */
void is_valid(struct box *b, const char *path);

#endif
