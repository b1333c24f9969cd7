/*
 * What every part of the demo needs: a clock, a seeded source of numbers, a digest, a loop over
 * two or more threads, and one way to give up.
 */
#ifndef DEMO_UTIL_H
#define DEMO_UTIL_H

#include <stddef.h>
#include <stdint.h>

uint64_t now_ns(void); /* monotonic */

/* The next number of a sequence that its seed decides (splitmix64). */
uint64_t random_next(uint64_t *state);
double random_unit(uint64_t *state); /* [0, 1) */

/* A 64-bit digest of bytes, for telling planes apart; continues from `seed`. */
uint64_t digest(const void *data, size_t len_bytes, uint64_t seed);

/*
 * Call body(ctx, i) for every i below count, on as many threads as there are processors (4 at
 * most). Returns 0, or what one of the calls that failed returned; after a failure the rest is
 * left out.
 */
int parallel_each(size_t count, int (*body)(void *ctx, size_t i), void *ctx);

/* snprintf that is known to fit: an output cut short would be our own bug, and aborts. */
void format_text(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
