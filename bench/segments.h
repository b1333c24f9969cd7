/*
 * What a holog store has in its segments, and what compaction has to keep it below.
 */
#ifndef BENCH_SEGMENTS_H
#define BENCH_SEGMENTS_H

#include <stdint.h>

#define BENCH_SEGMENTS_OF_CAP 4 /* the cap is max_space_amp x (live + so many segments) */
#define BENCH_SPACE_AMP       1.5

struct holog_store;

/* Used and living bytes of a store, as they lie in its segments. */
struct bench_segments {
    uint64_t used;
    uint64_t live;
};
int bench_segments_ask(struct holog_store *store, struct bench_segments *out_segments);

#endif
