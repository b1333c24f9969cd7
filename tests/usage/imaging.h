/*
 * The functions of the pipeline that the tests run: small, plain, and the same whatever lies between them.
 */
#ifndef TESTS_USAGE_IMAGING_H
#define TESTS_USAGE_IMAGING_H

#include <stddef.h>
#include <stdint.h>

enum {
    SIDE = 48, /* images are square */
    PIXELS = SIDE * SIDE
};

/* Two discs, of radius 9 and 6, on a dark ground, and specks of one pixel. */
void make_cells(uint16_t *out, unsigned shift);
/* Separable, cut at 4 sigma; the edge is mirrored. */
void gaussian_filter(const uint16_t *in, double sigma, uint16_t *out);
/* What is above the threshold, eroded and then dilated by a disc of that radius: 0 or 1. */
void binary_opening(const uint16_t *in, uint16_t threshold, int radius, uint8_t *out);
/* Numbers from 1 for regions whose pixels touch, corners too; 0 outside. How many there are. */
uint32_t label(const uint8_t *in, uint32_t *out);

#endif
