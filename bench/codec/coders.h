/*
 * Who is measured: each encodes tiles and decodes them again, one thread, from memory to memory.
 */
#ifndef BENCH_CODEC_CODERS_H
#define BENCH_CODEC_CODERS_H

#include <stddef.h>
#include <stdint.h>

#include "codec/cold/cold.h"

struct tiles {
    struct hg_cold_array of; /* each of them */
    size_t bytes;            /* of one */
    size_t count;
    uint8_t *at; /* one behind the other */
};

struct figures {
    double ratio;
    double encode; /* MB/s of raw bytes, processor time, the best of the rounds */
    double decode;
    double preview
        [4]; /* part of the compressed bytes that a preview of 1/2, 1/4, 1/8 reads; 0: there is none */
};

double cpu_seconds(void);

enum ours_how {
    OURS_WRITE,   /* as a writer does: a plan by estimate, kept from tile to tile */
    OURS_COMPACT, /* as a compaction does: the best of three */
    OURS_ARCHIVE, /* and where the setting "compression" says so */
    OURS_FAST,
    OURS_HOWS
};
/* 0, or -1 when something failed or other bytes came out (and it is said). */
int ours_measure(const struct tiles *t, enum ours_how how, struct figures *out);

/* Blosc 1 with zstd, tile by tile; shuffle 0 none, 1 bytes, 2 bits. -1: not built with it. */
int blosc_measure(const struct tiles *t, int level, int shuffle, struct figures *out);
const char *blosc_name(void); /* with its version; NULL: not built with it */

#endif
