/*
 * A plan: steps on a store, in runs that power cuts end, decoded from any bytes at all. Random bytes
 * make a random test, a fuzzer's bytes one that it can steer.
 *
 *  offset size
 *       0    1 seed of the simulated machine; bit 0 is how its directories behave (enum hg_sim_dirs)
 *       1    4 for each step or cut; what is left over at the end does not count
 *
 *  a step   0: what it does, % 18 (0..15)          2: length (low half), sync mode (high half)
 *           1: path (low half), other path (high)  3: bits 0-1 flags; 2-3: unless both are 0 a save
 *                                                     replaces and makes parents; 4-7 size of a batch
 *  a cut    0: % 18 (16, 17)                       2: strategy (enum hg_sim_strategy)
 *           1: after which part of the run,        3: its seed
 *              256ths; the last fifth: after the close
 *
 * The last run is closed and then loses its power, with nothing pending. Steps above PLAN_STEPS and
 * what follows the last cut that PLAN_RUNS has room for are left out.
 */
#ifndef TESTS_CRASH_PLAN_H
#define TESTS_CRASH_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "io/sim.h"
#include "model.h"

enum {
    PLAN_STEPS = 60,
    PLAN_RUNS = 6
};

struct plan {
    uint64_t seed;
    enum hg_sim_dirs dirs;
    size_t n;
    struct step steps[PLAN_STEPS];
    uint8_t run[PLAN_STEPS]; /* which run the step belongs to */
    size_t n_runs;
    struct plan_cut {
        unsigned part; /* 256ths of the run's disk operations after which it comes */
        enum hg_sim_strategy strategy;
        uint64_t seed;
    } cut[PLAN_RUNS];
};

void plan_decode(const uint8_t *data, size_t len, struct plan *out);
/* Plays it on a store and on the shadow model. 1: they disagree, and `why`. */
int plan_fails(const struct plan *p, char *why, size_t size);
/* To stderr, as C. */
void plan_print(const struct plan *p);

#endif
