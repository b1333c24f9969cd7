/*
 * A run of the bench, and what a workload is.
 *
 * The runner calls, for each workload:
 *     declare                       the rows
 *     prepare  for each engine      not timed
 *     raw, measure(A), measure(B), ...   once a round, so that all see the same weather
 *     finish
 * A workload measures in a directory of its own that is removed afterwards, or on a store kept for
 * several workloads (bench_kept_...).
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "engine.h"
#include "report.h"
#include "util.h"

/* How much is done; --quick has numbers of its own (main.c). */
struct bench_scale {
    double team_secs; /* each timed run of threads */
    double latency_secs;
    uint32_t keys;           /* values of 256 B in the small store */
    uint32_t save_images;    /* of 8 MiB, one sync at the end */
    uint32_t durable_images; /* of 8 MiB, each durable */
    uint32_t load_images;    /* of 8 MiB, in the store that is loaded and verified */
    uint32_t list_entries;
    uint32_t tail_mib;     /* log behind the last checkpoint when the process is killed */
    uint32_t recovery_mib; /* log without any checkpoint */
    uint32_t space_values; /* of 64 KiB */
    uint32_t lone_commits;
    uint32_t budget_values_mib; /* values of 1 MiB under a budget of 256 MiB */
    uint32_t history_commits;   /* that are kept, and gone back over */
    uint32_t delta_value_mib;   /* a value that 100 bytes are changed in */
    uint32_t deltas;            /* on one value */
    uint32_t churn_mib;         /* live, replaced four times over */
    uint32_t compact_mib;       /* values of 1 MiB, and as much garbage */
    double compact_idle_secs;   /* commits at 1,000/s without it */
    uint32_t rewrite_wells, rewrite_planes, rewrite_rounds;
    uint32_t plane_side;            /* pixels, square, uint16 */
    uint32_t version_planes[2];     /* of the batches that versions are made of */
    uint32_t extent_mib, frame_mib; /* holog's segments where compaction is measured */
};

struct bench {
    const struct bench_scale *scale;
    int quick;
    unsigned rounds;
    char dir[BENCH_PATH_MAX]; /* scratch, this run's own */
    const struct bench_engine *engines[16];
    unsigned engine_count;
    struct bench_report *report;
};

struct bench_workload {
    const char *name;
    const char *what;
    unsigned needs; /* enum bench_can: engines that can do all of it take part */
    int only_holog;
    unsigned rounds_max; /* 0: as many as asked; counted, not timed, rows need fewer */
    const struct bench_row_def *rows;
    unsigned row_count;
    int (*prepare)(struct bench *b, const struct bench_engine *e);
    int (*raw)(struct bench *b);
    int (*measure)(struct bench *b, const struct bench_engine *e, unsigned round);
    void (*finish)(struct bench *b);
};

extern const struct bench_workload bench_durable_1t, bench_durable_16t, bench_durable_64t;
extern const struct bench_workload bench_async, bench_latency, bench_durable_64k;
extern const struct bench_workload bench_bulk_random, bench_bulk_sorted, bench_get;
extern const struct bench_workload bench_save_images, bench_durable_images, bench_load_images;
extern const struct bench_workload bench_reopen, bench_recovery, bench_space, bench_growth;
extern const struct bench_workload bench_ram, bench_list, bench_verify, bench_budget;
extern const struct bench_workload bench_history, bench_delta, bench_deltas;
extern const struct bench_workload bench_churn, bench_churn_4k, bench_compact_latency;
extern const struct bench_workload bench_rewrite, bench_versions;

extern const struct bench_workload *const bench_workloads[];
extern const unsigned bench_workload_count;

/* What a child process does: --child NAME ARG... It prints numbers, one a line. */
struct bench_child {
    const char *name;
    int (*run)(int argc, char **argv);
};
int bench_child_tail(int argc, char **argv);
int bench_child_log(int argc, char **argv);
int bench_child_budget(int argc, char **argv);
int bench_child_churn(int argc, char **argv);
int bench_child_rewrite(int argc, char **argv);
const struct bench_engine *bench_engine_by_name(const char *name);

/* ---- common steps (steps.c) ---- */

#define BENCH_SMALL_LEN  256
#define BENCH_BATCH      1000
#define BENCH_IMAGE_LEN  (8 * MIB)
#define BENCH_IMAGE_KEYS 4 /* different values among the images */

/* An engine open in a directory, with one worker. */
struct bench_session {
    const struct bench_engine *engine;
    char dir[BENCH_PATH_MAX];
    void *db;
    void *worker;
};

/* An empty directory for engine e, settled: what was written before is on the disk. */
int bench_fresh(struct bench *b, const struct bench_engine *e, char *out_dir);
int bench_session_open(struct bench_session *s, const struct bench_engine *e, const char *dir,
                       const struct bench_how *how, enum bench_worker_kind kind);
/* Closes; rc < 0 stays, else the close's own result. */
int bench_session_close(struct bench_session *s, int rc);
/* Closes and removes the directory. */
int bench_session_discard(struct bench_session *s, int rc);

/* Puts values of len_bytes at keys order[0..count-1] (NULL: 0, 1, ...) in batches of
 * BENCH_BATCH; *out_ns (may be NULL) gets what it took, the making of data not counted. */
int bench_load_small(struct bench_session *s, const uint32_t *order, uint32_t count,
                     size_t len_bytes, uint64_t *out_ns);
void bench_image_key(uint32_t index, char *out); /* "images/00012.tif" */
/* The live bytes of `count` values of len_bytes under bench_key paths. */
double bench_live_bytes(uint32_t count, size_t len_bytes);

/* The store with scale->keys small values in random order, or scale->load_images images: made
 * when first asked for, kept to the end of the run. out_dir gets BENCH_PATH_MAX bytes. */
int bench_kept_small(struct bench *b, const struct bench_engine *e, char *out_dir);
int bench_kept_images(struct bench *b, const struct bench_engine *e, char *out_dir);
/* Takes the closed store in `dir` as the small one, or removes it when there is one already. */
int bench_keep_small(struct bench *b, const struct bench_engine *e, const char *dir);

#endif
