/*
 * How fast a compaction that nobody has asked for may read and write: a bucket of bytes that fills by itself.
 *
 * The rate follows what commits write: what is left of the round should be done in half the time in which they reach
 * the limit of the store's size. It has a floor, so that a round ends; there is none while nobody commits, and none
 * near the limit, where commits would wait for the round. Pure arithmetic; one thread at a time.
 */
#ifndef HG_ENGINE_PACE_H
#define HG_ENGINE_PACE_H

#include <stdint.h>

struct hg_pace {
    uint64_t limit;    /* bytes/s that somebody has set; 0: it is tuned */
    uint64_t rate;     /* bytes/s; 0: as fast as it goes */
    uint64_t fill;     /* bytes that may go now */
    uint64_t last_ns;  /* when fill was right; 0: never */
    uint64_t written;  /* by commits, when their speed was last looked at */
    uint64_t since_ns; /* and when that was */
    uint64_t speed;    /* of commits, bytes/s, smoothed */
    uint64_t quiet_ns; /* when they were last seen to write */
};

struct hg_pace_facts {
    uint64_t now_ns;
    uint64_t written; /* by commits, since any time */
    uint64_t left;    /* bytes of this round to be read and written yet, or to go */
    uint64_t room;    /* bytes that commits may write before the limit is near; 0: it is */
};

/* So many bytes were read or written: how long to wait, in ns. */
uint64_t hg_pace_take(struct hg_pace *p, uint64_t bytes, const struct hg_pace_facts *f);

/* For what goes in steps: how many of the bytes that are left in the one that takes so many ns, at least floor; UINT64_MAX:
 * there is no room. Not on one that bytes are taken from. */
uint64_t hg_pace_step(struct hg_pace *p, uint64_t ns, uint64_t floor,
                      const struct hg_pace_facts *f);

#endif
