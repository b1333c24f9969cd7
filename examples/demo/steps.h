/*
 * The image work of the pipeline, in whole numbers only: the same input gives the same bits on
 * every run, which is what lets the demo recompute what the store must hold.
 *
 *   step 0  source      the plane as it comes, stretched to 0..65535
 *   step 1  background  a small Gaussian-like blur, less the surroundings of each pixel; the
 *                       middle grey 32768 means "as its surroundings"
 *   step 2  edges       size of the gradient
 */
#ifndef DEMO_STEPS_H
#define DEMO_STEPS_H

#include <stdint.h>

enum {
    STEP_COUNT = 3
};

const char *step_name(unsigned step);

/* Step 1 or 2: `in` and `out` are width x height pixels and not the same. 0, or -1: no memory. */
int step_run(unsigned step, const uint16_t *in, uint32_t width, uint32_t height, uint16_t *out);

#endif
