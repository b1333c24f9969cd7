/*
 * The contact sheet: one plane of several sources at each step, side by side, as an 8-bit PNG.
 */
#ifndef DEMO_SHEET_H
#define DEMO_SHEET_H

#include "plate.h"

/* Gives the pixels of a plane of well 0, width x height of them into `out`. 0 or a negative code. */
typedef int (*sheet_pixels_fn)(void *ctx, unsigned step, unsigned plane, uint16_t *out);

/* 0; -1: no memory or the file cannot be written; or what `pixels` returned. */
int sheet_write(const struct plate *plate, const char *path, sheet_pixels_fn pixels, void *ctx);

#endif
