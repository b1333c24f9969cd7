#include "util.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15U;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1.0p-53;
}

static uint64_t digest_step(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9FB21C651E98DF25U;
    return h ^ (h >> 29);
}

uint64_t digest(const void *data, size_t len_bytes, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t h = digest_step(seed, len_bytes);
    uint64_t word = 0;

    for (; len_bytes >= sizeof(word); p += sizeof(word), len_bytes -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = digest_step(h, word);
    }
    word = 0;
    memcpy(&word, p, len_bytes);
    return digest_step(h, word);
}

/* ---- threads ---- */

enum {
    THREADS_MAX = 4
};

struct loop {
    int (*body)(void *ctx, size_t i);
    void *ctx;
    size_t count;
    atomic_size_t next; /* the first index nobody has taken */
    atomic_int failed;  /* what a failed call returned */
};

static void *loop_main(void *arg)
{
    struct loop *l = arg;

    while (atomic_load(&l->failed) == 0) {
        size_t i = atomic_fetch_add(&l->next, 1);
        if (i >= l->count)
            break;
        int rc = l->body(l->ctx, i);
        if (rc != 0)
            atomic_store(&l->failed, rc);
    }
    return NULL;
}

int parallel_each(size_t count, int (*body)(void *ctx, size_t i), void *ctx)
{
    struct loop l = { .body = body, .ctx = ctx, .count = count, .next = 0, .failed = 0 };
    pthread_t threads[THREADS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t started = 0;

    while (started + 1 < THREADS_MAX && (long)started + 1 < cpus &&
           pthread_create(&threads[started], NULL, loop_main, &l) == 0)
        started++;
    (void)loop_main(&l); /* this thread works too, so none started is slow and not wrong */
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL); /* fails only for a thread that is not there */
    return atomic_load(&l.failed);
}

void format_text(char *out, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(out, size, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= size)
        abort();
}
