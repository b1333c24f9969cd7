/*
 * STAND-IN. holog compacts when holog_compact is called; here a thread calls it when the store has grown half way to
 * its cap. It is used in one place, bench_engine_holog's open and close, and goes when a store does that by itself.
 */
#ifndef BENCH_COMPACTOR_H
#define BENCH_COMPACTOR_H

#include <stdint.h>

#define BENCH_SEGMENTS_OF_CAP 4 /* the cap is max_space_amp x (live + so many segments) */
#define BENCH_SPACE_AMP       1.5

struct holog_store;
struct bench_compactor;

struct bench_compactions {
    uint64_t segments; /* that went */
    uint64_t dead;     /* of these, without anything alive when the compaction began */
    uint64_t moved_bytes;
};
/* extent_bytes: the store's segment size, of those that large values are in. */
void bench_compactor_start(struct holog_store *store, uint64_t extent_bytes,
                           struct bench_compactor **out_compactor);
/* Waits for the compaction that is under way, and frees it. NULL is fine. */
int bench_compactor_stop(struct bench_compactor *compactor);
/* So far; a compaction counts when it has ended. */
struct bench_compactions bench_compactor_done(struct bench_compactor *compactor);

/* Used and living bytes of a store, as they lie in its segments. */
struct bench_segments {
    uint64_t used;
    uint64_t live;
    uint64_t dead_segments; /* nobody writes there, and nothing lives there */
};
int bench_segments_ask(struct holog_store *store, struct bench_segments *out_segments);

#endif
