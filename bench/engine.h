/*
 * One table of functions for each store that is measured, so that a workload is written once.
 *
 * An engine's open makes a store in an empty directory or opens the one that is there. A worker
 * belongs to one thread: a writer puts, a reader gets from one snapshot taken when it was made.
 * Functions return 0, or -1 after bench_fail().
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <stddef.h>
#include <stdint.h>

enum bench_can {
    BENCH_CAN_SMALL = 1,         /* many values of 256 bytes, one durable commit each */
    BENCH_CAN_BULK = 2,          /* a million of them in batches, one sync at the end */
    BENCH_CAN_MANY = 4,          /* serves them afterwards: get, list, reopen */
    BENCH_CAN_LARGE = 8,         /* values of 64 KiB to 8 MiB */
    BENCH_CAN_LOAD = 16,         /* reads back what it wrote */
    BENCH_CAN_BUDGET = 32,       /* keeps to bench_how.budget_bytes, more or less */
    BENCH_CAN_IMAGES = 64,       /* saves 8 MiB images, each durable */
    BENCH_CAN_BULK_IMAGES = 128, /* saves 8 MiB images, one sync at the end */
    BENCH_CAN_ALL = 255,
    BENCH_CAN_CHURN = 256 /* gives the space of what was replaced back, by itself */
};

enum bench_open_flags {
    /* A commit survives the process, not yet a power cut; engine->sync makes all durable. */
    BENCH_OPEN_LAZY = 1,
    BENCH_OPEN_LARGE = 2,         /* values of 64 KiB and more are coming */
    BENCH_OPEN_NO_CHECKPOINT = 4, /* let the log grow, where one can say so */
    /* Values will be replaced all the time: no history, and what collects garbage is on. */
    BENCH_OPEN_CHURN = 8
};

struct bench_how {
    unsigned flags;        /* enum bench_open_flags */
    uint64_t budget_bytes; /* 0: the settings printed */
    /* Sizes of holog's segments of large and of small values, where little is written; 0: its own. */
    uint32_t extent_bytes;
    uint32_t frame_bytes;
};

struct bench_item {
    const char *key;
    const void *data;
    size_t len_bytes;
};

enum bench_worker_kind {
    BENCH_WRITER,
    BENCH_READER
};

/* Called with the value where the engine has it; valid during the call. */
typedef void (*bench_use_fn)(void *ctx, const void *data, size_t len_bytes);

struct bench_engine {
    const char *name;
    const char *settings; /* for the report: what differs from the defaults */
    unsigned can;         /* enum bench_can */
    void (*version)(char *out, size_t size);
    int (*open)(const char *dir, const struct bench_how *how, void **out_db);
    int (*close)(void *db); /* frees db also when it fails */
    int (*sync)(void *db);
    int (*worker_open)(void *db, enum bench_worker_kind kind, void **out_worker);
    void (*worker_close)(void *worker);
    int (*put)(void *worker, const struct bench_item *item); /* one commit, durable unless LAZY */
    int (*put_batch)(void *worker, const struct bench_item *items, size_t count); /* one commit */
    /* Bytes [offset, offset + len) of the value replaced, one commit, durable unless LAZY; NULL: it
     * can only write the value again. */
    int (*patch)(void *worker, const char *key, uint64_t offset, const void *data,
                 size_t len_bytes);
    /* A copy of the whole value into buf. */
    int (*get)(void *worker, const char *key, void *buf, size_t size, size_t *out_len);
    int (*borrow)(void *worker, const char *key, bench_use_fn use, void *ctx);
    /* Every name directly in directory `dir` (no '/' at its end). */
    int (*list)(void *worker, const char *dir, uint64_t *out_count);
};

extern const struct bench_engine bench_engine_holog;
extern const struct bench_engine bench_engine_holog_buffer;
extern const struct bench_engine bench_engine_holog_none;
extern const struct bench_engine bench_engine_rocksdb;
extern const struct bench_engine bench_engine_blobdb;
extern const struct bench_engine bench_engine_leveldb;
extern const struct bench_engine bench_engine_lmdb;
extern const struct bench_engine bench_engine_sqlite;
extern const struct bench_engine bench_engine_files;

/* The holog_store in bench_engine_holog's db, for what only holog can be asked. */
struct holog_store;
struct holog_store *bench_holog_store(void *db);

/* All that were built in, holog first. */
extern const struct bench_engine *const bench_engines[];
extern const unsigned bench_engine_count;
/* "rocksdb (librocksdb-dev)", ...: what was not there when this was built; ends with NULL. */
extern const char *const bench_engines_missing[];

/* The disk itself: what the same bytes cost without any store. */
#define BENCH_RAW   "raw"
#define BENCH_RAW_2 "raw-2" /* two transfers in flight instead of one; shown, not judged by */

#define BENCH_RAW_BLOCK 4096
struct bench_raw; /* a pre-written file, open with O_DIRECT */
int bench_raw_open(const char *path, uint64_t size_bytes, int dsync, struct bench_raw **out_raw);
void bench_raw_close(struct bench_raw *raw); /* removes the file */
int bench_raw_write(struct bench_raw *raw,
                    size_t len_bytes); /* at the next place, round and round */
/* bytes in pieces of 8 MiB, in_flight (1 or 2) at a time, from the start, round and round; writes
 * end with one fdatasync. */
int bench_raw_stream(struct bench_raw *raw, uint64_t bytes, unsigned in_flight, int writing,
                     double *out_mb_per_second);

#endif
