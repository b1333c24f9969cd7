/*
 * What every fuzz target shares. A target is one file with one function, called with any bytes at
 * all: it must return, and a sanitizer or an assertion must have nothing to say.
 *
 * With -Dfuzz=true (clang) each is a libFuzzer program, and every hash that is compared counts as
 * right: mutated bytes would not get past one. Always, each is also linked with replay.c, which runs
 * the files of corpus/<target>/ once: a regression test.
 */
#ifndef HOLOG_FUZZ_H
#define HOLOG_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that does not hold is a crash with a name. */
#define FUZZ_CHECK(expr)                                                                    \
    do {                                                                                    \
        if (!(expr)) {                                                                      \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expr); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

/* Reads every byte, so that one behind the end is seen. */
static inline uint64_t fuzz_touch(const void *data, size_t len)
{
    const volatile uint8_t *p = data;
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += p[i];
    return sum;
}

#endif
