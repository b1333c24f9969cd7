/*
 * What a process writes, reads and keeps on the disk, as the kernel counts it.
 *
 * Bytes are those of all threads of this process: measure in a child, where no other engine is. Walks of
 * a directory share static memory with those of util.h: while a watch is on, nothing else walks.
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <stdint.h>

/* Counted twice. /proc/self/io has what this process wrote, and dropped before it was on its way; but of a large folio
 * all of it, when one block of that changed. The disk has what was written there, others' too. */
struct bench_device_bytes {
    uint64_t written;      /* by this process */
    uint64_t read;         /* by this process, with what the kernel reads ahead for it */
    uint64_t asked;        /* by this process with read calls, from the page cache or the disk */
    uint64_t disk_written; /* below dir, by anybody; 0: there is no such count */
};
int bench_device_bytes(const char *dir,
                       struct bench_device_bytes *out_bytes); /* after a syncfs of dir */
/* The smaller count, which is still no less than what this process wrote but for the file system's journal. */
double bench_written_between(const struct bench_device_bytes *before,
                             const struct bench_device_bytes *after);

/* Allocated blocks of all files below dir, and of those that this process still has open although they were removed:
 * their space is not free. */
int bench_space_held(const char *dir, uint64_t *out_bytes);

/* A thread that asks bench_space_held every few milliseconds. */
struct bench_watch;
void bench_watch_start(const char *dir, struct bench_watch **out_watch);
int bench_watch_stop(struct bench_watch *watch, uint64_t *out_peak_bytes); /* frees it */

#endif
