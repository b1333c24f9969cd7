/*
 * Errors, clock, data and statistics; see util.h.
 */
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- errors ---- */

static pthread_mutex_t error_lock = PTHREAD_MUTEX_INITIALIZER;
static char error_text[1024]; /* error_lock */
static char error_taken[1024];

int bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)pthread_mutex_lock(&error_lock);
    if (error_text[0] == '\0')
        (void)vsnprintf(error_text, sizeof error_text, format, args);
    (void)pthread_mutex_unlock(&error_lock);
    va_end(args);
    return -1;
}

const char *bench_error_take(void)
{
    (void)pthread_mutex_lock(&error_lock);
    (void)snprintf(error_taken, sizeof error_taken, "%s",
                   error_text[0] != '\0' ? error_text : "no message");
    error_text[0] = '\0';
    (void)pthread_mutex_unlock(&error_lock);
    return error_taken;
}

void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fputs("holog-bench: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *bench_alloc(size_t size)
{
    void *p = calloc(1, size);

    if (p == NULL)
        bench_die("out of memory (%zu bytes)", size);
    return p;
}

void *bench_alloc_pages(size_t size)
{
    void *p = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);

    if (p == NULL)
        bench_die("out of memory (%zu bytes)", size);
    memset(p, 0, size);
    return p;
}

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

int bench_stopped(void)
{
    return stop_asked != 0;
}

void bench_catch_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    (void)sigaction(SIGINT, &act, NULL); /* the second one kills: that is the default again */
    (void)sigaction(SIGTERM, &act, NULL);
}

/* ---- clock ---- */

uint64_t bench_now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_sleep_until_ns(uint64_t when_ns)
{
    struct timespec t = { .tv_sec = (time_t)(when_ns / 1000000000u),
                          .tv_nsec = (long)(when_ns % 1000000000u) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR && !bench_stopped())
        continue;
}

/* ---- data ---- */

uint64_t bench_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Values are windows into one pool: making them costs nothing while an engine is timed. */
static size_t pool_starts = 16 * MIB; /* fixed once the pool is made, as is value_max */
static size_t value_max = 8 * MIB;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static uint64_t *pool;

void bench_values_small(void)
{
    pool_starts = MIB;
    value_max = MIB;
}

static void make_pool(void)
{
    size_t words = (pool_starts + value_max) / sizeof *pool;

    pool = bench_alloc_pages(words * sizeof *pool);
    for (size_t i = 0; i < words; i++)
        pool[i] = bench_mix(i);
}

const void *bench_value(uint64_t id, size_t len_bytes)
{
    (void)pthread_once(&pool_once, make_pool);
    if (len_bytes > value_max)
        bench_die("a value of %zu bytes was asked for", len_bytes);
    return pool + (bench_mix(id) % (pool_starts / 64)) * 8;
}

static void put_digits(char *at, unsigned width, uint64_t value)
{
    while (width > 0) {
        at[--width] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* 4 channels, 20 times, 10 planes, 5 fields, 96 wells, 24 plates: 9.2 M paths an experiment. */
void bench_key(uint64_t index, char *out)
{
    memcpy(out, "experiment12/plate05/well_C07/f3/z02/t0000/c1.tif", 50);
    out[44] = (char)('0' + index % 4);
    index /= 4;
    put_digits(out + 38, 4, index % 20);
    index /= 20;
    put_digits(out + 34, 2, index % 10);
    index /= 10;
    out[31] = (char)('0' + index % 5);
    index /= 5;
    put_digits(out + 27, 2, index % 12 + 1);
    out[26] = (char)('A' + index % 96 / 12);
    index /= 96;
    put_digits(out + 18, 2, index % 24);
    index /= 24;
    put_digits(out + 10, 2, 12 + index);
}

static char *keys;
static uint32_t keys_count;

const char *bench_keys(uint32_t count)
{
    if (keys_count < count) {
        free(keys);
        keys = bench_alloc((size_t)count * BENCH_KEY_MAX);
        for (uint32_t i = 0; i < count; i++)
            bench_key(i, keys + (size_t)i * BENCH_KEY_MAX);
        keys_count = count;
    }
    return keys;
}

void bench_keys_release(void)
{
    free(keys);
    keys = NULL;
    keys_count = 0;
}

uint32_t *bench_shuffle(uint32_t count, uint64_t seed)
{
    uint32_t *order = bench_alloc((size_t)count * sizeof *order);

    for (uint32_t i = 0; i < count; i++) {
        seed = bench_mix(seed + i);
        uint32_t j = (uint32_t)(seed % (i + 1u));
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

uint64_t bench_touch(const void *data, size_t len_bytes)
{
    const unsigned char *at = data;
    uint64_t sum = 0;

    for (size_t i = 0; i + 8 <= len_bytes; i += 64) {
        uint64_t word;
        memcpy(&word, at + i, sizeof word);
        sum += word;
    }
    return sum;
}

void bench_keep_result(uint64_t value)
{
    static volatile uint64_t kept;

    kept = value;
    (void)kept;
}

/* ---- statistics ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(const double *values, unsigned count)
{
    double sorted[64];

    if (count == 0)
        return 0;
    if (count > 64)
        count = 64;
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    return count % 2 != 0 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

double bench_percentile_ns(uint32_t *ns, size_t count, double percent)
{
    if (count == 0)
        return 0;
    qsort(ns, count, sizeof *ns, compare_u32);
    size_t at = (size_t)(percent / 100 * (double)count);
    return ns[at < count ? at : count - 1];
}
