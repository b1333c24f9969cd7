/*
 * What the user sees: a progress bar on a terminal and plain lines elsewhere, then the table of
 * what survived each kill, then the speed.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "disk.h"
#include "pipeline.h"

enum {
    KILLS_MAX = 32
};

/* One row of the table: a kill, and what was there after it. */
struct kill_row {
    uint64_t at_ns;    /* since the start */
    unsigned batch;    /* the one in work when it came */
    unsigned step;     /* of that batch */
    const char *doing; /* "computing", "saving", "between" */
    unsigned acked;    /* batches acknowledged before it */
    struct check check;
    char text[512]; /* the first thing found wrong, or "" */
};

struct report {
    const struct plate *plate;
    uint64_t start_ns;
    uint64_t pipeline_ns; /* while a worker ran */
    unsigned kills_planned;
    unsigned kills;
    struct kill_row rows[KILLS_MAX + 1]; /* the last row is the end, without a kill */
    unsigned row_count;
    unsigned batches_acked;
    uint64_t bytes_acked;
    uint64_t save_ns;
    uint64_t compute_ns;
    uint64_t checked_bytes;
    struct disk_rate disk_before;
    struct disk_rate disk_after;
    int on_terminal;
};

/* Batches that are not as they must be, over all rows. */
unsigned report_bad(const struct report *r);

void report_progress(const struct report *r, const char *now);
/* A line that stays, above the bar. */
void report_line(const struct report *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_table(const struct report *r);
void report_speed(const struct report *r);

#endif
