/*
 * NPY files of two and more axes, as many planes: what images.py writes.
 */
#ifndef BENCH_CODEC_NPY_H
#define BENCH_CODEC_NPY_H

#include "coders.h"

/* Cut into tiles of `side` on a side, or less where the image is smaller; edges that do not make up a tile are left
 * out. The tiles are the caller's. 0, or -1, and it is said why. */
int npy_tiles(const char *path, size_t side, struct tiles *out);
int image_tiles(const void *image, const struct hg_cold_array *of, size_t side, struct tiles *out);

#endif
