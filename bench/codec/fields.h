/*
 * Images that are made up, in the manner of a fluorescence microscope; README.md says how. The same everywhere: a
 * seeded generator of its own, and IEEE arithmetic but for exp, log, sin, cos and sqrt.
 */
#ifndef BENCH_CODEC_FIELDS_H
#define BENCH_CODEC_FIELDS_H

#include <stddef.h>
#include <stdint.h>

struct field {
    size_t side;
    float *truth;    /* what a camera without noise had counted */
    uint16_t *image; /* what it counted */
    float *smooth;   /* the image under a Gaussian of 2 pixels */
    int32_t *labels; /* which cell, 0 none */
};

struct light {
    double background; /* electrons at a pixel */
    double cell;       /* at the brightest cell's middle, above that */
    double gain;       /* counts of an electron */
};

/* 0, or -1 without memory. */
int field_make(struct field *f, size_t side, const struct light *light, uint64_t seed);
void field_free(struct field *f);
/* Bits of a count, of order 0. */
double field_entropy(const uint16_t *image, size_t n);

#endif
