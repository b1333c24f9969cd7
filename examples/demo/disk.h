/*
 * How fast this disk takes a long run of bytes, with no store in the way: the number that the
 * store's own throughput stands beside.
 */
#ifndef DEMO_DISK_H
#define DEMO_DISK_H

#include <stdint.h>

struct disk_rate {
    uint64_t bytes;
    uint64_t ns;
    int direct; /* 1: O_DIRECT; 0: this filesystem has none, so written and synced */
};

/*
 * Write up to `bytes` to a file in `dir`, 8 MiB at a time, one after the other, for 5 seconds at
 * most; sync; remove the file. 0, or -1 with errno.
 */
int disk_measure(const char *dir, uint64_t bytes, struct disk_rate *out_rate);
double disk_mb_per_s(const struct disk_rate *rate);

#endif
