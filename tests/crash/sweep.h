/*
 * Every cut of a run that a test makes itself, without scripts or a model.
 */
#ifndef TESTS_CRASH_SWEEP_H
#define TESTS_CRASH_SWEEP_H

#include "kit.h"

/* `run` (ctx: the sim that it runs on) marks MARK_STORE when there is something to look at, and MARK_DURABLE n with each
 * commit. Then that is cut at each step in each way, of which the quick run tries every 23rd, the normal one every
 * kit_thin()th; `look` (ctx: int64_t *) opens what is left, judges it, and says how many commits it has, which must be
 * all that were durable. Prints the total, and returns how many cuts were tried. */
unsigned sweep_cuts(int (*run)(struct hg_io *io, void *ctx),
                    int (*look)(struct hg_io *io, void *ctx));

#endif
