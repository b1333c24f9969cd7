/*
 * Threads that read parts of one array while others change it: each sees whole commits, whatever is read ahead,
 * kept decoded, evicted or read as a range meanwhile.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "holog/array.h"
#include "storekit.h"

enum {
    ROWS = 64,
    COLUMNS = 2048, /* 256 KiB */
    CHUNK_ROWS = 8, /* of 32 KiB: larger than what frames hold here */
    READERS = 4
};

static struct box box;
static atomic_int stop;
static atomic_uint reads;

/* Commit n makes every element n + its row. */
static void fill(uint16_t *data, unsigned n)
{
    for (unsigned y = 0; y < ROWS; y++)
        for (unsigned x = 0; x < COLUMNS; x++)
            data[y * COLUMNS + x] = (uint16_t)(n + y);
}

static const char *read_some(uint64_t *seed, uint16_t *read)
{
    uint64_t first = rng_next(seed) % ROWS;
    uint64_t rows = 1 + rng_next(seed) % (ROWS - first);
    uint64_t column = rng_next(seed) % COLUMNS;
    uint64_t columns = rng_next(seed) % 2 != 0 ? 1 + rng_next(seed) % 16 : COLUMNS;
    holog_array *a = NULL;
    const char *wrong = NULL;
    int rc = holog_array_open(box.store, "a", &a);

    columns = columns > COLUMNS - column ? COLUMNS - column : columns;
    const holog_slice where[2] = { { first, rows, 1 }, { column, columns, 1 } };
    for (int twice = 0; rc == HOLOG_OK && twice < 2 && wrong == NULL; twice++) {
        rc = holog_array_read(a, where, read, NULL);
        for (uint64_t i = 0; rc == HOLOG_OK && i < rows * columns; i++)
            if (read[i] != (uint16_t)(read[0] + i / columns))
                wrong = "elements of two commits in one read";
    }
    holog_array_close(a);
    return rc < 0 ? holog_error_name(rc) : wrong;
}

static void *reader(void *ctx)
{
    static _Thread_local uint16_t read[ROWS * COLUMNS];
    uint64_t seed = test_seed() + (uint64_t)(uintptr_t)ctx;
    const char *wrong = NULL;

    while (!atomic_load(&stop) && wrong == NULL) {
        wrong = read_some(&seed, read);
        atomic_fetch_add(&reads, 1);
    }
    return (void *)(uintptr_t)wrong;
}

static void readers_beside_a_writer(uint32_t codec, const uint64_t *inner)
{
    const unsigned commits = test_level() > 0 ? 400 : 60;
    const uint64_t shape[2] = { ROWS, COLUMNS };
    const uint64_t chunk[2] = { CHUNK_ROWS, COLUMNS };
    static uint16_t data[ROWS * COLUMNS];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 2,
                              .shape = shape,
                              .chunk = chunk,
                              .codec = codec,
                              .inner_chunk = inner };
    pthread_t thread[READERS];
    const holog_slice all[2] = { { 0, ROWS, 1 }, { 0, COLUMNS, 1 } };

    atomic_store(&stop, 0);
    atomic_store(&reads, 0);
    box_make(&box);
    box.opts.budget_bytes = 4 << 20;
    box.opts.inline_max = 4096;
    box_open(&box);
    fill(data, 0);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    for (uintptr_t i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, reader, (void *)i), 0);
    for (unsigned n = 1; n <= commits; n++) {
        fill(data, n);
        OK(holog_array_update(box.store, "a", all, data, NULL, NULL));
    }
    while (atomic_load(&reads) < 50)
        sched_yield();
    atomic_store(&stop, 1);
    for (unsigned i = 0; i < READERS; i++) {
        void *wrong = NULL;
        cr_assert_eq(pthread_join(thread[i], &wrong), 0);
        cr_assert_null(wrong, "%s", (const char *)wrong);
    }
    (void)fprintf(stderr, "# %u reads beside %u commits\n", atomic_load(&reads), commits);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(array_threads, reads_of_raw_chunks_see_one_commit, .timeout = 240)
{
    readers_beside_a_writer(HOLOG_CODEC_NONE, NULL);
}

Test(array_threads, reads_of_compressed_chunks_see_one_commit, .timeout = 240)
{
    readers_beside_a_writer(HOLOG_CODEC_LZ4, NULL);
}

Test(array_threads, reads_of_shards_see_one_commit, .timeout = 240)
{
    const uint64_t inner[2] = { CHUNK_ROWS / 2, COLUMNS / 2 };

    readers_beside_a_writer(HOLOG_CODEC_ZSTD, inner);
}
