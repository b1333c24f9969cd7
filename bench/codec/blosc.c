/*
 * Blosc 1, measured.
 */
#include <stdlib.h>

#include "coders.h"
#if BENCH_HAVE_BLOSC
#include <blosc.h>

const char *blosc_name(void)
{
    return "Blosc " BLOSC_VERSION_STRING;
}

int blosc_measure(const struct tiles *t, int level, int shuffle, struct figures *out)
{
    size_t cap = t->bytes + BLOSC_MAX_OVERHEAD;
    uint8_t *room = malloc(t->count * cap);
    uint8_t *back = malloc(t->bytes);
    double raw = (double)(t->bytes * t->count);
    double total = 0;
    double begin = cpu_seconds();
    int rc = room == NULL || back == NULL ? -1 : 0;

    *out = (struct figures){ 0 };
    for (size_t i = 0; rc >= 0 && i < t->count; i++) {
        rc = blosc_compress_ctx(level, shuffle, t->of.size, t->bytes, t->at + i * t->bytes,
                                room + i * cap, cap, "zstd", 0, 1);
        total += rc;
    }
    out->encode = raw / 1e6 / (cpu_seconds() - begin);
    begin = cpu_seconds();
    for (size_t i = 0; rc >= 0 && i < t->count; i++)
        rc = blosc_decompress_ctx(room + i * cap, back, t->bytes, 1);
    out->decode = raw / 1e6 / (cpu_seconds() - begin);
    out->ratio = raw / total;
    free(room);
    free(back);
    return rc < 0 ? -1 : 0;
}
#else
const char *blosc_name(void)
{
    return NULL;
}

int blosc_measure(const struct tiles *t, int level, int shuffle, struct figures *out)
{
    (void)t;
    (void)level;
    (void)shuffle;
    *out = (struct figures){ 0 };
    return -1;
}
#endif
