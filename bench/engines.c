/*
 * Which engines this build has; meson.build defines BENCH_HAVE_... for each peer that it found.
 */
#include "engine.h"

const struct bench_engine *const bench_engines[] = {
    &bench_engine_holog,   &bench_engine_holog_buffer, &bench_engine_holog_none,
#if BENCH_HAVE_ROCKSDB
    &bench_engine_rocksdb, &bench_engine_blobdb,
#endif
#if BENCH_HAVE_LEVELDB
    &bench_engine_leveldb,
#endif
#if BENCH_HAVE_LMDB
    &bench_engine_lmdb,
#endif
#if BENCH_HAVE_SQLITE
    &bench_engine_sqlite,
#endif
    &bench_engine_files,
};

const unsigned bench_engine_count = sizeof bench_engines / sizeof bench_engines[0];

const char *const bench_engines_missing[] = {
#if !BENCH_HAVE_ROCKSDB
    "rocksdb and rocksdb-blob (librocksdb-dev)",
#endif
#if !BENCH_HAVE_LEVELDB
    "leveldb (libleveldb-dev)",
#endif
#if !BENCH_HAVE_LMDB
    "lmdb (liblmdb-dev)",
#endif
#if !BENCH_HAVE_SQLITE
    "sqlite (libsqlite3-dev)",
#endif
    (const char *)0,
};
