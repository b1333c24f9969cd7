/*
 * The machine and the moment, for the head of a report.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdio.h>

struct bench_machine {
    char date[32]; /* UTC */
    char cpu[128];
    long cores;
    double ram_gib;
    char kernel[208];
    char file_system[64]; /* of the scratch directory */
    char device[256];     /* and its queue: write cache, FUA, block sizes */
    char load[64];        /* load average when asked */
    char compiler[64];
};

void bench_machine_read(const char *dir, struct bench_machine *out_machine);
void bench_machine_load(char *out, size_t size);
void bench_machine_print(const struct bench_machine *machine, FILE *to);
void bench_machine_json(const struct bench_machine *machine, FILE *to);

#endif
