/*
 * Arrays and their Zarr hierarchy are two faces of the same chunks: what is written through one is read through
 * the other, whatever codecs and shards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store/storekit.h"
#include "base/alloc.h"
#include "holog/array.h"
#include "holog/zarr.h"

static struct box box;

static void setup(void)
{
    box_begin(&box);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
}

TestSuite(array_zarr, .init = setup, .fini = teardown, .timeout = 60);

enum {
    N = 20 * 24 * 28
};
static const uint64_t shape[3] = { 20, 24, 28 };
static const uint64_t chunk[3] = { 8, 16, 16 };
static const uint64_t inner[3] = { 4, 8, 8 };

struct copy {
    holog_zarr *zarr;
    holog_txn *txn;
    unsigned keys;
};

static int copy_key(void *ctx, const char *key, uint64_t size)
{
    struct copy *c = ctx;
    holog_value *v = NULL;

    OK(holog_zarr_get(c->zarr, key, &v));
    cr_assert_eq(holog_value_size(v), size, "%s", key);
    OK(holog_txn_zarr_set(c->txn, "b", key, holog_value_data(v), holog_value_size(v)));
    holog_value_release(v);
    c->keys++;
    return 0;
}

/* Every key of "a" set below "b", one by one. */
static unsigned copy_keys(void)
{
    holog_view *view = NULL;
    struct copy c = { .keys = 0 };

    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, "a", 0, &c.zarr));
    OK(holog_begin(box.store, &c.txn));
    OK(holog_zarr_list(c.zarr, "", copy_key, &c));
    OK(holog_commit(c.txn, NULL));
    holog_zarr_close(c.zarr);
    holog_view_close(view);
    return c.keys;
}

static void has(const char *path, const uint16_t *want)
{
    static uint16_t read[N];
    holog_array *a = NULL;

    OK(holog_array_open(box.store, path, &a));
    OK(holog_array_read(a, NULL, read, NULL));
    cr_assert_eq(memcmp(read, want, sizeof read), 0, "%s", path);
    holog_array_close(a);
}

static void both_faces(uint32_t codec, uint32_t flags, const uint64_t *in, unsigned least_keys)
{
    static uint16_t data[N];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 3,
                              .shape = shape,
                              .chunk = chunk,
                              .codec = codec,
                              .flags = flags,
                              .inner_chunk = in };
    const uint16_t seven = 7;
    const holog_slice dot[3] = { { 19, 1, 1 }, { 20, 1, 1 }, { 21, 1, 1 } };
    unsigned keys;

    for (unsigned i = 0; i < N; i++)
        data[i] = (uint16_t)(i % 11 == 0 || i < N / 3 ? 0 : i * 7);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_array_update(box.store, "a", dot, &seven, NULL,
                          NULL)); /* a delta, where there can be */
    data[(19 * 24 + 20) * 28 + 21] = 7;
    keys = copy_keys();
    cr_assert_geq(keys, least_keys);
    has("a", data);
    has("b", data);
    OK(holog_array_update(box.store, "b", dot, &data[0], NULL, NULL));
    data[(19 * 24 + 20) * 28 + 21] = 0;
    has("b", data);
    OK(holog_delete_all(box.store, "b", NULL));
    OK(holog_delete_all(box.store, "a", NULL));
}

Test(array_zarr, raw_chunks_are_the_same_through_both)
{
    both_faces(HOLOG_CODEC_NONE, 0, NULL, 8);
}

Test(array_zarr, encoded_chunks_are_the_same_through_both)
{
    both_faces(HOLOG_CODEC_ZSTD, HOLOG_ARRAY_CRC32C, NULL, 8);
    both_faces(HOLOG_CODEC_LZ4, HOLOG_ARRAY_SHUFFLE, NULL, 8);
}

Test(array_zarr, shards_are_the_same_through_both)
{
    both_faces(HOLOG_CODEC_NONE, 0, inner, 8);
    both_faces(HOLOG_CODEC_ZSTD, HOLOG_ARRAY_CRC32C, inner, 8);
}

/* A small write into a shard costs an inner chunk, not the shard. */
Test(array_zarr, a_small_change_in_a_shard_leaves_the_other_inner_chunks_alone)
{
    static uint16_t data[N];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 3,
                              .shape = shape,
                              .chunk = chunk,
                              .codec = HOLOG_CODEC_ZSTD,
                              .inner_chunk = inner };
    const holog_slice dot[3] = { { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } };
    const uint16_t seven = 7;
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };
    uint32_t x = 1;

    for (unsigned i = 0; i < N; i++) {
        x = x * 1103515245u + 12345u;
        data[i] = (uint16_t)(x >> 16);
    }
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_stats_get(box.store, &before));
    OK(holog_array_update(box.store, "a", dot, &seven, NULL, NULL));
    OK(holog_stats_get(box.store, &after));
    cr_assert_eq(after.records - before.records, 1);
    cr_assert_lt(after.log_bytes - before.log_bytes, 2 * 4 * 8 * 8 * 2 + 1024);
}

/* ---- what zarr-python wrote ----------------------------------------------------------------------*/

static void *golden(const char *name, const char *file, size_t *out_len)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%s", HOLOG_GOLDEN_DIR, name);
    return file_read(path, file, out_len);
}

/* The array of one chunk that lies there, set key by key, then read as an array. */
static void takes(const char *name)
{
    size_t document_len, stored_len, raw_len;
    void *document = golden(name, "document", &document_len);
    void *stored = golden(name, "chunk", &stored_len);
    void *raw = golden(name, "raw", &raw_len);
    holog_array_info info = { .struct_size = sizeof info };
    holog_txn *txn = NULL;
    holog_array *a = NULL;
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    holog_value *v = NULL;
    char key[80] = "c";

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_zarr_set(txn, name, "zarr.json", document, document_len));
    OK(holog_txn_array(txn, name, &a));
    OK(holog_array_get_info(a, &info));
    for (uint32_t i = 0; i < info.rank; i++)
        (void)snprintf(key + 1 + 2 * i, sizeof key - 1 - 2 * i, "/0");
    OK(holog_txn_zarr_set(txn, name, key, stored, stored_len));
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    OK(holog_array_open(box.store, name, &a));
    OK(holog_array_load(a, &v));
    cr_assert_eq(holog_value_size(v), raw_len, "%s", name);
    cr_assert_eq(memcmp(holog_value_data(v), raw, raw_len), 0, "%s", name);
    holog_value_release(v);
    holog_array_close(a);
    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, name, 0, &zarr));
    OK(holog_zarr_get(zarr, key,
                      &v)); /* a shard may be laid out in another way: it is as long or shorter */
    cr_assert_leq(holog_value_size(v), stored_len, "%s", name);
    holog_value_release(v);
    holog_zarr_close(zarr);
    holog_view_close(view);
    free(document);
    free(stored);
    free(raw);
}

Test(array_zarr, what_zarr_python_wrote_is_read_as_an_array)
{
    takes("plain");
    takes("zstd_checked");
    takes("turned_twice");
    takes("blosc_bits");
    takes("shuffled_lz4");
    takes("shard");
    takes("shard_start");
    takes("shard_nested");
    takes("shard_turned");
    takes("shard_index_big");
}

/* ---- arrays where others have chunks ---------------------------------------------------------------*/

Test(array_zarr, an_array_among_the_chunks_of_another_hides_none_of_them)
{
    const uint64_t eight[1] = { 8 };
    const uint16_t data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const uint16_t other[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 1, .shape = eight
    };
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    holog_value *v = NULL;

    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_array_save(box.store, "a/c", &spec, other, NULL, 0, NULL));
    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, "/", 0, &zarr));
    OK(holog_zarr_get(zarr, "a/c/0", &v));
    cr_assert_eq(memcmp(holog_value_data(v), data, sizeof data), 0, "the chunk of a");
    holog_value_release(v);
    OK(holog_zarr_get(zarr, "a/c/c/0", &v));
    cr_assert_eq(memcmp(holog_value_data(v), other, sizeof other), 0, "the chunk of a/c");
    holog_value_release(v);
    holog_zarr_close(zarr);
    holog_view_close(view);
}
