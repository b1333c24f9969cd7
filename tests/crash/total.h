/*
 * What a campaign has tried, in one line that `./dev test` adds up over all programs.
 */
#ifndef TESTS_CRASH_TOTAL_H
#define TESTS_CRASH_TOTAL_H

#include <stdio.h>

/* states: disks as a power cut leaves them, each recovered and compared; seconds: those cut again
 * during or after their recovery, not among `states`; kills: processes; wrong: cases that were. */
static inline void print_total(unsigned long states, unsigned long seconds, unsigned long kills,
                               unsigned long wrong)
{
    (void)fprintf(stderr, "# total: %lu crash states, %lu second crashes, %lu kills, %lu wrong\n",
                  states, seconds, kills, wrong);
}

#endif
