/*
 * Which segments a compaction takes: by what it gains and what it costs (Rosenblum and Ousterhout, The design and
 * implementation of a log-structured file system, 1991, section 3.6). Pure arithmetic.
 */
#ifndef HG_COMPACTION_VICTIMS_H
#define HG_COMPACTION_VICTIMS_H

#include <stddef.h>
#include <stdint.h>

struct hg_candidate {
    uint32_t segment;
    uint64_t used; /* bytes that go when it goes */
    uint64_t live; /* of these, what has to be written somewhere else */
    uint64_t age;  /* how long ago it was written, in any unit: what has lived long will live on */
    int compact; /* it has been compacted before: nothing is gained by doing that again, but for garbage */
    int chosen; /* out */
};

struct hg_appetite {
    uint64_t reclaim;  /* bytes to be gained; segments without anything live go in any case */
    uint64_t live_max; /* bytes to be written at most, unless one segment alone has more */
    int all;           /* all of them, whatever they gain */
};

/* Marks those that are to be compacted, the best first: most bytes gained for each byte written, times age. A segment of
 * which more than seven eighths live is not taken unless all are. Returns the bytes that are gained. */
uint64_t hg_choose_victims(struct hg_candidate *c, size_t n, const struct hg_appetite *a);

/* Is so little of it alive that it is taken for what is gained by that? */
int hg_victim_is_worth(const struct hg_candidate *c);

#endif
