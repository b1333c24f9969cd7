/*
 * What every part of the bench needs: the clock, seeded random bytes and keys, errors, files,
 * teams of threads and children.
 *
 * Functions that can fail return 0, or -1 after bench_fail() kept a message.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_PATH_MAX 4096
#define BENCH_KEY_MAX  64 /* "experiment12/plate05/well_C07/f3/z02/t0000/c1.tif" and a NUL: 50 */
#define KIB            ((size_t)1 << 10)
#define MIB            ((size_t)1 << 20)
#define GIB            ((size_t)1 << 30)

/* ---- errors ---- */

/* Keeps the first message since the last bench_error_take, from any thread. Returns -1. */
int bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The message kept, and forgets it. The text stays valid until the next call. */
const char *bench_error_take(void);
/* For what the bench cannot go on without (its own memory, its own scratch directory). */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *bench_alloc(size_t size);       /* zeroed, never NULL */
void *bench_alloc_pages(size_t size); /* 4 KiB aligned, never NULL; free() */

/* 1 once SIGINT or SIGTERM asked to stop. */
int bench_stopped(void);
void bench_catch_signals(void);

/* ---- clock ---- */

uint64_t bench_now_ns(void);
void bench_sleep_until_ns(uint64_t when_ns);

/* ---- data: the same for all engines, from fixed seeds ---- */

uint64_t bench_mix(uint64_t x); /* one step of splitmix64 */
/* len bytes (at most 8 MiB) that do not compress, chosen by id; 64-byte aligned, never freed. */
const void *bench_value(uint64_t id, size_t len_bytes);
/* Before the first bench_value: values of at most 1 MiB, from 2 MiB of memory instead of 24. */
void bench_values_small(void);
/* Path number `index` into out (BENCH_KEY_MAX bytes), 49 bytes long. Index order is path order. */
void bench_key(uint64_t index, char *out);
/* The first `count` paths, BENCH_KEY_MAX bytes apart, made once; bench_keys_release frees. */
const char *bench_keys(uint32_t count);
void bench_keys_release(void);
/* 0 .. count-1 shuffled by seed; free() it. */
uint32_t *bench_shuffle(uint32_t count, uint64_t seed);

/* Reads one 8-byte word of each cache line and returns their sum. */
uint64_t bench_touch(const void *data, size_t len_bytes);
void bench_keep_result(uint64_t value); /* the optimiser must believe that it is used */

/* ---- statistics ---- */

double bench_median(const double *values, unsigned count); /* 0 when count is 0 */
/* Sorts ns[] and returns its percentile (0 .. 100). */
double bench_percentile_ns(uint32_t *ns, size_t count, double percent);

/* ---- files ---- */

int bench_path(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
int bench_make_dir(const char *path);       /* one level; content when it exists */
int bench_make_fresh_dir(const char *path); /* empty, whatever was there */
int bench_remove_tree(const char *path);    /* content when there is none */
int bench_settle(const char *path);         /* syncfs: nothing old is still being written */
int bench_drop_cache(const char *path);     /* sync and POSIX_FADV_DONTNEED, every file */
/* Bytes of the files below path as the file system allocated them; `only` (may be NULL) limits it
 * to the folder of that name inside path. */
int bench_disk_usage(const char *path, const char *only, uint64_t *out_bytes);
/* Bytes of all files in folder path but the newest one. 0 when the folder is missing. */
int bench_usage_but_newest(const char *path, uint64_t *out_bytes);
int bench_file_sizes(const char *path, uint64_t *out_bytes); /* sum of st_size below path */
int bench_free_space(const char *path, uint64_t *out_bytes);

/* ---- threads ---- */

/*
 * A team does the same operation on `threads` threads for `run_ns`, from a common start. `begin`
 * runs before the start and is not timed; `op` returns 0, or -1 which stops the team.
 */
struct bench_team {
    unsigned threads;
    unsigned clock_every; /* operations between two looks at the clock */
    uint64_t run_ns;
    void *ctx;
    int (*begin)(void *ctx, unsigned thread, void **out_own);
    int (*op)(void *own, uint64_t nth);
    void (*end)(void *own); /* may be NULL */
};
int bench_team_run(const struct bench_team *team, double *out_ops_per_second);

/*
 * A thread that calls `op` every interval_ns until stopped; it does not catch up when it was late
 * by more than one interval. *out_ops_per_second is what it reached.
 */
struct bench_pacer;
int bench_pacer_start(uint64_t interval_ns, int (*op)(void *own, uint64_t nth), void *own,
                      struct bench_pacer **out_pacer);
int bench_pacer_stop(struct bench_pacer *pacer, double *out_ops_per_second);

/* ---- children: this program again, with --child NAME ARG... ---- */

#define BENCH_CHILD_ARGS 8
#define BENCH_CHILD_OUT  8
struct bench_child_result {
    int killed; /* it ended by SIGKILL, as some of them are meant to */
    unsigned count;
    double values[BENCH_CHILD_OUT]; /* the numbers that it printed, one a line */
};
/* args end with NULL. A child that prints anything else, or exits non-zero, failed. */
int bench_child_run(const char *const *args, struct bench_child_result *out_result);
double bench_peak_rss_bytes(void); /* of this process image; see README.md why not getrusage */

#endif
