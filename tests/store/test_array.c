/*
 * Arrays through the public calls. After each test the store is closed, verified, opened again, and must show
 * the same; elements are compared before and after.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/node.h"
#include "engine/store_internal.h"
#include "holog/array.h"
#include "storekit.h"

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

TestSuite(array, .init = setup, .fini = teardown, .timeout = 120);

/* ---- kit -----------------------------------------------------------------------------------------*/

static holog_array_spec spec_of(uint32_t dtype, uint32_t rank, const uint64_t *shape,
                                const uint64_t *chunk)
{
    return (holog_array_spec){ .struct_size = sizeof(holog_array_spec),
                               .dtype = dtype,
                               .rank = rank,
                               .shape = shape,
                               .chunk = chunk };
}

static holog_array *opened(const char *path)
{
    holog_array *a = NULL;

    OK(holog_array_open(box.store, path, &a));
    return a;
}

static holog_array_info info_of(const char *path)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = opened(path);

    OK(holog_array_get_info(a, &info));
    holog_array_close(a);
    return info;
}

/* All elements of it, whose bytes are `want`. */
static void has_elements(int line, const char *path, const void *want, size_t len)
{
    holog_array *a = opened(path);
    holog_value *v = NULL;
    uint8_t *read = malloc(len > 0 ? len : 1);

    OK(holog_array_load(a, &v));
    cr_assert_eq(holog_value_size(v), len, "line %d: %zu bytes, not %zu", line, holog_value_size(v),
                 len);
    cr_assert_eq(memcmp(holog_value_data(v), want, len), 0, "line %d: loaded", line);
    OK(holog_array_read(a, NULL, read, NULL));
    cr_assert_eq(memcmp(read, want, len), 0, "line %d: read", line);
    holog_value_release(v);
    holog_array_close(a);
    free(read);
}
#define HAS(path, want, len) has_elements(__LINE__, path, want, len)

static void fill_random(void *out, size_t len, uint64_t seed)
{
    uint8_t *p = out;

    for (size_t i = 0; i < len; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        p[i] = (uint8_t)(seed >> 33);
    }
}

static uint64_t chunk_records(const char *path)
{
    holog_stats st = { .struct_size = sizeof st };
    (void)path;
    OK(holog_stats_get(box.store, &st));
    return st.entries;
}

/* ---- saving and loading --------------------------------------------------------------------------*/

Test(array, what_is_saved_loads_again)
{
    const uint64_t shape[3] = { 5, 33, 70 };
    const uint64_t chunk[3] = { 2, 16, 32 };
    static uint16_t data[5 * 33 * 70];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 3, shape, chunk);
    holog_stat_info st = { .struct_size = sizeof st };

    fill_random(data, sizeof data, 1);
    OK(holog_array_save(box.store, "well/A01", &spec, data, NULL, HOLOG_PARENTS, NULL));
    HAS("well/A01", data, sizeof data);
    OK(holog_stat(box.store, "well/A01", &st));
    cr_assert_eq(st.type, HOLOG_ARRAY);
    box_reopen(&box);
    HAS("well/A01", data, sizeof data);
    cr_assert_eq(info_of("well/A01").size_bytes, sizeof data);
    cr_assert_eq(info_of("well/A01").chunk[2], 32);
}

Test(array, every_type_and_rank_loads_again)
{
    static uint8_t data[3 * 4 * 5 * 2 * 3 * 16];
    const uint64_t shape[5] = { 3, 4, 5, 2, 3 };
    const uint64_t chunk[5] = { 2, 3, 2, 2, 2 };
    char path[64];

    fill_random(data, sizeof data, 2);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] &= 1; /* bools, and no NaN */
    for (uint32_t dtype = HOLOG_BOOL; dtype <= HOLOG_RAW; dtype++) {
        for (uint32_t rank = 0; rank <= 5; rank++) {
            holog_array_spec spec = spec_of(dtype, rank, shape, chunk);
            size_t len = dtype == HOLOG_RAW ? 7 : holog_dtype_size(dtype);
            spec.item_size = 7;
            for (uint32_t k = 0; k < rank; k++)
                len *= shape[k];
            (void)snprintf(path, sizeof path, "t/%s/%u", holog_dtype_name(dtype), rank);
            OK(holog_array_save(box.store, path, &spec, data, NULL, HOLOG_PARENTS, NULL));
            HAS(path, data, len);
        }
    }
    box_reopen(&box);
    HAS("t/complex128/5", data, sizeof data);
    HAS("t/raw/0", data, 7);
}

Test(array, chunks_that_were_never_written_read_as_the_fill_value)
{
    const uint64_t shape[2] = { 10, 10 };
    const uint64_t chunk[2] = { 4, 4 };
    const float fill = -1.5F;
    float want[100];
    holog_array_spec spec = spec_of(HOLOG_FLOAT32, 2, shape, chunk);
    const holog_slice one[2] = { { 5, 1, 1 }, { 6, 1, 1 } };
    const float seven = 7;

    spec.fill = &fill;
    for (int i = 0; i < 100; i++)
        want[i] = fill;
    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    HAS("a", want, sizeof want);
    OK(holog_array_update(box.store, "a", one, &seven, NULL, NULL));
    want[56] = 7;
    HAS("a", want, sizeof want);
    box_reopen(&box);
    HAS("a", want, sizeof want);
}

Test(array, a_chunk_of_nothing_but_fill_value_is_not_stored)
{
    const uint64_t shape[1] = { 64 };
    const uint64_t chunk[1] = { 16 };
    static uint32_t data[64];
    static const uint32_t zeros[16];
    holog_array_spec spec = spec_of(HOLOG_UINT32, 1, shape, chunk);
    const holog_slice second = { 16, 16, 1 };
    uint64_t before;

    data[0] = 1;
    data[16] = 2;
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    before = chunk_records("a");
    OK(holog_array_update(box.store, "a", &second, zeros, NULL, NULL));
    cr_assert_eq(chunk_records("a"), before - 1, "the second chunk is gone");
    data[16] = 0;
    HAS("a", data, sizeof data);
}

Test(array, minus_zero_and_other_nans_are_not_the_fill_value)
{
    const uint64_t shape[1] = { 4 };
    holog_array_spec spec = spec_of(HOLOG_FLOAT64, 1, shape, NULL);
    const uint64_t minus_zero = UINT64_C(1) << 63;
    uint64_t data[4];

    for (int i = 0; i < 4; i++)
        data[i] = minus_zero;
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    HAS("a", data, sizeof data);
}

Test(array, one_that_is_a_single_chunk_loads_without_a_copy)
{
    const uint64_t shape[2] = { 512, 512 };
    static uint16_t data[512 * 512];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, NULL);
    holog_array *a;
    holog_value *one = NULL;
    holog_value *two = NULL;

    fill_random(data, sizeof data, 3);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    a = opened("a");
    OK(holog_array_load(a, &one));
    OK(holog_array_load(a, &two));
    cr_assert_eq(holog_value_data(one), holog_value_data(two));
    cr_assert_eq(memcmp(holog_value_data(one), data, sizeof data), 0);
    holog_value_release(one);
    holog_value_release(two);
    holog_array_close(a);
}

Test(array, strides_take_elements_from_where_they_are)
{
    const uint64_t shape[2] = { 3, 4 };
    const uint64_t chunk[2] = { 2, 3 };
    const int32_t columns[12] = { 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11 }; /* Fortran order */
    const int64_t strides[2] = { 4, 12 };
    const int64_t back[2] = { -16, -4 };
    int32_t want[12];
    int32_t turned[12];
    holog_array_spec spec = spec_of(HOLOG_INT32, 2, shape, chunk);
    holog_array *a;

    for (int i = 0; i < 12; i++)
        want[i] = i;
    OK(holog_array_save(box.store, "a", &spec, columns, strides, 0, NULL));
    HAS("a", want, sizeof want);
    a = opened("a");
    OK(holog_array_read(a, NULL, turned + 11, back));
    for (int i = 0; i < 12; i++)
        cr_assert_eq(turned[i], 11 - i);
    holog_array_close(a);
}

/* ---- replacing -----------------------------------------------------------------------------------*/

Test(array, another_array_is_replaced_only_when_asked_for)
{
    const uint64_t large[2] = { 40, 40 };
    const uint64_t small[1] = { 5 };
    const uint64_t chunk[2] = { 8, 8 };
    static uint8_t data[1600];
    const uint64_t five[5] = { 1, 2, 3, 4, 5 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 2, large, chunk);
    holog_array_spec other = spec_of(HOLOG_UINT64, 1, small, NULL);
    uint64_t entries = chunk_records("");

    fill_random(data, sizeof data, 4);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    FAILS(HOLOG_E_EXIST, holog_array_save(box.store, "a", &other, five, NULL, 0, NULL), "a");
    FAILS(HOLOG_E_EXIST, holog_array_create(box.store, "a", &other, 0, NULL), "a");
    HAS("a", data, sizeof data);
    OK(holog_array_save(box.store, "a", &other, five, NULL, HOLOG_REPLACE, NULL));
    HAS("a", five, sizeof five);
    cr_assert_eq(chunk_records("a"), entries + 3,
                 "directory, document, one chunk: the old ones went");
    OK(holog_array_create(box.store, "a", &spec, HOLOG_REPLACE, NULL));
    cr_assert_eq(chunk_records("a"), entries + 2);
}

Test(array, a_blob_gives_way_only_when_asked_for)
{
    const uint64_t shape[1] = { 2 };
    const uint8_t two[2] = { 1, 2 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);

    OK(save_text(box.store, "a", "text", 0));
    FAILS(HOLOG_E_EXIST, holog_array_save(box.store, "a", &spec, two, NULL, 0, NULL), "a");
    has_text(box.store, "a", "text");
    OK(holog_array_save(box.store, "a", &spec, two, NULL, HOLOG_REPLACE, NULL));
    HAS("a", two, sizeof two);
    FAILS(HOLOG_E_NOENT, holog_array_save(box.store, "x/y", &spec, two, NULL, 0, NULL), "x");
    cr_assert_eq(type_of(box.store, "x"), HOLOG_MISSING);
}

Test(array, entries_below_an_array_stay_when_it_is_replaced)
{
    const uint64_t shape[1] = { 2 };
    const uint8_t two[2] = { 1, 2 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);

    OK(holog_array_save(box.store, "a", &spec, two, NULL, 0, NULL));
    OK(save_text(box.store, "a/note.txt", "beside", 0));
    OK(holog_array_save(box.store, "a", &spec, two, NULL, HOLOG_REPLACE, NULL));
    has_text(box.store, "a/note.txt", "beside");
}

Test(array, the_root_becomes_one_only_while_it_has_no_entries)
{
    const uint64_t shape[1] = { 2 };
    const uint8_t two[2] = { 1, 2 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);

    OK(save_text(box.store, "note.txt", "mine", 0));
    FAILS(HOLOG_E_NOTEMPTY, holog_array_create(box.store, "/", &spec, HOLOG_REPLACE, NULL),
          "note.txt");
    FAILS(HOLOG_E_NOTEMPTY, holog_array_save(box.store, "/", &spec, two, NULL, HOLOG_REPLACE, NULL),
          "note.txt");
    cr_assert_eq(type_of(box.store, "/"), HOLOG_DIRECTORY);
    OK(holog_delete(box.store, "note.txt", NULL));
    OK(holog_array_save(box.store, "/", &spec, two, NULL, HOLOG_REPLACE, NULL));
    OK(save_text(box.store, "note.txt", "beside", 0));
    OK(holog_array_create(box.store, "/", &spec, HOLOG_REPLACE, NULL));
    box_same_after_reopen(&box);
    cr_assert_eq(type_of(box.store, "/"), HOLOG_ARRAY);
    has_text(box.store, "note.txt", "beside");
}

/* ---- regions -------------------------------------------------------------------------------------*/

/* A shadow of an array, one byte an element. */
struct shadow {
    uint64_t shape[3];
    uint8_t bytes[40 * 48 * 56];
};

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below == 0 ? 0 : (*seed >> 33) % below;
}

static void draw_region(uint64_t *seed, const uint64_t *shape, holog_slice *out)
{
    for (int i = 0; i < 3; i++) {
        uint64_t step = 1 + (draw(seed, 3) == 0 ? draw(seed, 4) : 0);
        uint64_t start = draw(seed, shape[i]);
        uint64_t most = shape[i] == 0 ? 0 : (shape[i] - 1 - start) / step + 1;
        out[i] = (holog_slice){ start, draw(seed, most + 1), step };
        if (draw(seed, 3) == 0)
            out[i] = (holog_slice){ 0, shape[i], 1 };
    }
}

static uint8_t *shadow_at(struct shadow *s, const holog_slice *r, uint64_t i, uint64_t j,
                          uint64_t k)
{
    uint64_t z = r[0].start + i * r[0].step;
    uint64_t y = r[1].start + j * r[1].step;
    uint64_t x = r[2].start + k * r[2].step;

    return &s->bytes[(z * s->shape[1] + y) * s->shape[2] + x];
}

static void shadow_write(struct shadow *s, const holog_slice *r, const uint8_t *data)
{
    for (uint64_t i = 0; i < r[0].count; i++)
        for (uint64_t j = 0; j < r[1].count; j++)
            for (uint64_t k = 0; k < r[2].count; k++)
                *shadow_at(s, r, i, j, k) = *data++;
}

static void shadow_check(struct shadow *s, const holog_slice *r, const uint8_t *data, int round)
{
    for (uint64_t i = 0; i < r[0].count; i++)
        for (uint64_t j = 0; j < r[1].count; j++)
            for (uint64_t k = 0; k < r[2].count; k++)
                cr_assert_eq(*shadow_at(s, r, i, j, k), *data++, "round %d", round);
}

static void shadow_resize(struct shadow *s, const uint64_t *shape, uint8_t fill)
{
    static struct shadow n;

    memcpy(n.shape, shape, sizeof n.shape);
    memset(n.bytes, fill, sizeof n.bytes);
    for (uint64_t z = 0; z < shape[0] && z < s->shape[0]; z++)
        for (uint64_t y = 0; y < shape[1] && y < s->shape[1]; y++)
            for (uint64_t x = 0; x < shape[2] && x < s->shape[2]; x++)
                n.bytes[(z * shape[1] + y) * shape[2] + x] =
                    s->bytes[(z * s->shape[1] + y) * s->shape[2] + x];
    *s = n;
}

/* Anything at all, in transactions of some changes each, against bytes in memory. */
static holog_array_spec how; /* codec, flags, inner chunks */

static void random_changes(uint64_t seed, const uint64_t *chunk, int rounds)
{
    static struct shadow s;
    static struct shadow committed;
    static uint8_t data[sizeof s.bytes];
    const uint8_t fill = 7;
    holog_array_spec spec;
    const uint64_t first[3] = { 20, 24, 28 };

    memcpy(s.shape, first, sizeof first);
    memset(s.bytes, fill, sizeof s.bytes);
    spec = spec_of(HOLOG_UINT8, 3, first, chunk);
    spec.fill = &fill;
    spec.codec = how.codec;
    spec.flags = how.flags;
    spec.inner_chunk = how.inner_chunk;
    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    for (int round = 0; round < rounds; round++) {
        uint64_t changes = 1 + draw(&seed, 4);
        holog_txn *txn = NULL;
        holog_array *a = NULL;
        holog_slice r[3];
        committed = s;
        OK(holog_begin(box.store, &txn));
        OK(holog_txn_array(txn, "a", &a));
        for (; changes > 0; changes--) {
            uint64_t what = draw(&seed, 10);
            uint64_t shape[3];
            if (what == 0) {
                for (int i = 0; i < 3; i++)
                    shape[i] = 1 + draw(&seed, 30);
                OK(holog_array_resize(a, shape));
                shadow_resize(&s, shape, fill);
            } else if (what == 1 && s.shape[0] < 38) {
                memcpy(shape, s.shape, sizeof shape);
                shape[0] += 2;
                fill_random(data, 2 * shape[1] * shape[2], seed);
                OK(holog_array_append(a, 0, 2, data, NULL));
                shadow_resize(&s, shape, fill);
                r[0] = (holog_slice){ shape[0] - 2, 2, 1 };
                r[1] = (holog_slice){ 0, shape[1], 1 };
                r[2] = (holog_slice){ 0, shape[2], 1 };
                shadow_write(&s, r, data);
            } else {
                draw_region(&seed, s.shape, r);
                fill_random(data, r[0].count * r[1].count * r[2].count, seed);
                if (what == 2)
                    memset(data, fill, sizeof data);
                OK(holog_array_write(a, r, data, NULL));
                shadow_write(&s, r, data);
            }
            draw_region(&seed, s.shape, r);
            OK(holog_array_read(a, r, data, NULL)); /* its own changes */
            shadow_check(&s, r, data, round);
        }
        holog_array_close(a);
        if (draw(&seed, 5) == 0) {
            holog_abort(txn);
            s = committed;
        } else {
            OK(holog_commit(txn, NULL));
        }
        if (draw(&seed, 10) == 0)
            box_reopen(&box);
        HAS("a", s.bytes, s.shape[0] * s.shape[1] * s.shape[2]);
    }
}

Test(array, any_changes_read_as_in_memory)
{
    const uint64_t chunk[3] = { 5, 7, 9 };

    random_changes(test_seed() + 1, chunk, test_level() > 0 ? 400 : 80);
}

Test(array, any_changes_read_as_in_memory_in_chunks_of_one_element)
{
    const uint64_t chunk[3] = { 1, 3, 1 };

    random_changes(test_seed() + 2, chunk, test_level() > 0 ? 30 : 8);
}

Test(array, any_changes_read_as_in_memory_in_one_chunk)
{
    const uint64_t chunk[3] = { 64, 64, 64 };

    random_changes(test_seed() + 3, chunk, test_level() > 0 ? 300 : 60);
}

Test(array, any_changes_read_as_in_memory_in_compressed_chunks)
{
    const uint64_t chunk[3] = { 5, 7, 9 };

    how.codec = HOLOG_CODEC_ZSTD;
    how.flags = HOLOG_ARRAY_CRC32C;
    random_changes(test_seed() + 4, chunk, test_level() > 0 ? 200 : 30);
    OK(holog_delete_all(box.store, "a", NULL));
    how.codec = HOLOG_CODEC_LZ4;
    how.flags = HOLOG_ARRAY_SHUFFLE;
    random_changes(test_seed() + 5, chunk, test_level() > 0 ? 200 : 30);
}

Test(array, any_changes_read_as_in_memory_in_shards)
{
    const uint64_t shard[3] = { 8, 16, 16 };
    const uint64_t inner[3] = { 4, 8, 8 };

    how.inner_chunk = inner;
    random_changes(test_seed() + 6, shard, test_level() > 0 ? 200 : 30);
    OK(holog_delete_all(box.store, "a", NULL));
    how.codec = HOLOG_CODEC_ZSTD;
    random_changes(test_seed() + 7, shard, test_level() > 0 ? 200 : 30);
    cr_assert_eq(info_of("a").inner_chunk[0], 4);
    cr_assert_eq(info_of("a").chunk[0], 8);
}

Test(array, a_region_outside_names_its_axis_and_changes_nothing)
{
    const uint64_t shape[2] = { 10, 10 };
    static uint8_t data[100];
    holog_array_spec spec = spec_of(HOLOG_UINT8, 2, shape, NULL);
    const holog_slice outside[2] = { { 0, 10, 1 }, { 5, 6, 1 } };
    const holog_slice far[2] = { { UINT64_MAX, 1, 1 }, { 0, 1, 1 } };
    holog_array *a;

    fill_random(data, sizeof data, 5);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    FAILS(HOLOG_E_RANGE, holog_array_update(box.store, "a", outside, data, NULL, NULL), "axis 1");
    a = opened("a");
    FAILS(HOLOG_E_RANGE, holog_array_read(a, far, data, NULL), "axis 0");
    holog_array_close(a);
    HAS("a", data, sizeof data);
}

Test(array, a_part_of_a_large_chunk_costs_what_it_changes)
{
    const uint64_t shape[2] = { 2048, 2048 };
    static uint16_t data[2048 * 2048];
    static uint16_t patch[64 * 64];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, shape);
    const holog_slice r[2] = { { 1000, 64, 1 }, { 30, 64, 1 } };
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };

    fill_random(data, sizeof data, 6);
    fill_random(patch, sizeof patch, 7);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_stats_get(box.store, &before));
    OK(holog_array_update(box.store, "a", r, patch, NULL, NULL));
    OK(holog_stats_get(box.store, &after));
    cr_assert_lt(after.log_bytes + after.extent_bytes - before.log_bytes - before.extent_bytes,
                 32768);
    for (int y = 0; y < 64; y++)
        memcpy(&data[(1000 + y) * 2048 + 30], &patch[y * 64], 128);
    HAS("a", data, sizeof data);
    box_reopen(&box);
    HAS("a", data, sizeof data);
}

/* Whose chunks are a list too long for frames lies in an extent, its document with them. */
Test(array, a_document_is_not_read_from_the_disk_for_each_change)
{
    enum {
        CHUNKS = 20000
    };
    const uint64_t shape[1] = { CHUNKS * 4 };
    const uint64_t chunk[1] = { 4 };
    static const uint16_t ones[4] = { 1, 1, 1, 1 };
    static const int64_t same[1] = { 0 };
    holog_array_spec spec = spec_of(HOLOG_UINT16, 1, shape, chunk);
    holog_stats st[2] = { { .struct_size = sizeof st[0] }, { .struct_size = sizeof st[1] } };

    OK(holog_array_save(box.store, "a", &spec, ones, same, 0, NULL));
    for (unsigned i = 0; i < 50; i++) {
        const holog_slice where = { i * 4, 4, 1 };
        const uint16_t now[4] = { (uint16_t)i, 2, 3, 4 };
        OK(holog_array_update(box.store, "a", &where, now, NULL, NULL));
        OK(holog_stats_get(box.store, &st[i > 0]));
    }
    cr_assert_gt(st[0].extent_bytes, 0);
    cr_assert_eq(st[1].bytes_read, st[0].bytes_read, "%llu bytes",
                 (unsigned long long)(st[1].bytes_read - st[0].bytes_read));
}

Test(array, one_plane_reads_without_the_others)
{
    const uint64_t shape[3] = { 8, 512, 512 };
    static uint16_t data[8 * 512 * 512];
    static uint16_t plane[512 * 512];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 3, shape, NULL);
    const holog_slice third[3] = { { 3, 1, 1 }, { 0, 512, 1 }, { 0, 512, 1 } };
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };
    holog_array *a;

    fill_random(data, sizeof data, 8);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    box_reopen(&box);
    a = opened("a");
    OK(holog_stats_get(box.store, &before));
    OK(holog_array_read(a, third, plane, NULL));
    OK(holog_stats_get(box.store, &after));
    cr_assert_eq(memcmp(plane, data + 3 * 512 * 512, sizeof plane), 0);
    cr_assert_lt(after.bytes_read - before.bytes_read, sizeof plane * 3 / 2);
    holog_array_close(a);
}

/* ---- what is kept --------------------------------------------------------------------------------*/

static uint64_t bytes_read(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st.bytes_read;
}

static uint64_t cached(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st.cache_bytes;
}

Test(array, parts_of_a_raw_chunk_are_read_until_one_is_wanted_again)
{
    const uint64_t shape[2] = { 1024, 1024 };
    static uint16_t data[1024 * 1024];
    static uint16_t part[16 * 1024];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, shape);
    holog_array *a;
    uint64_t before;

    fill_random(data, sizeof data, 9);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    box_reopen(&box);
    a = opened("a");
    before = cached();
    for (unsigned i = 0; i < 40; i++) {
        const holog_slice rows[2] = { { i * 25, 16, 1 }, { 0, 1024, 1 } };
        OK(holog_array_read(a, rows, part, NULL));
        cr_assert_arr_eq(part, data + (size_t)i * 25 * 1024, sizeof part);
        if (i == 0)
            cr_assert_lt(cached() - before, sizeof data / 2);
    }
    cr_assert_geq(cached() - before, sizeof data);
    before = bytes_read();
    OK(holog_array_read(a, NULL, data, NULL));
    cr_assert_eq(bytes_read(), before);
    holog_array_close(a);
}

Test(array, chunks_that_are_kept_decoded_stay_within_the_budget)
{
    const uint64_t shape[1] = { 64 << 17 };
    const uint64_t chunk[1] = { 1 << 17 }; /* of 256 KiB, 64 of them: 16 MiB */
    const size_t n = (size_t)64 << 17;
    uint16_t *data = malloc(n * sizeof *data);
    uint16_t part[64];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 1, shape, chunk);
    holog_array *a;

    cr_assert_not_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint16_t)(i >> 8);
    spec.codec = HOLOG_CODEC_ZSTD;
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_close(box.store));
    box.opts.budget_bytes = 4 << 20;
    box_open(&box);
    a = opened("a");
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 64; i++) {
            const holog_slice some[1] = { { (i << 17) + round * 1000, 64, 1 } };
            OK(holog_array_read(a, some, part, NULL));
            cr_assert_arr_eq(part, data + (i << 17) + round * 1000, sizeof part);
            cr_assert_leq(cached(), box.opts.budget_bytes);
        }
    holog_array_close(a);
    free(data);
}

/* However far apart its elements lie. */
Test(array, any_part_of_a_raw_chunk_larger_than_the_budget_can_be_read)
{
    const uint64_t shape[2] = { 1024, 4096 };
    const size_t n = (size_t)1024 * 4096; /* 8 MiB */
    const holog_slice parts[][2] = {
        { { 0, 400, 1 }, { 77, 1, 1 } },    { { 0, 18, 60 }, { 0, 8, 1 } },
        { { 0, 300, 1 }, { 0, 4096, 1 } },  { { 819, 20, 7 }, { 3326, 9, 7 } },
        { { 1023, 1, 1 }, { 4095, 1, 1 } }, { { 3, 1000, 1 }, { 5, 4, 1000 } },
        { { 0, 1024, 1 }, { 0, 4096, 1 } },
    };
    uint16_t *data = malloc(n * 2);
    uint16_t *read = malloc(n * 2);
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, shape);
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    cr_assert(data != NULL && read != NULL);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint16_t)(i * 2654435761u >> 11);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_close(box.store));
    box.opts.budget_bytes = 4 << 20;
    box_open(&box);
    a = opened("a");
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
        const holog_slice *y = &parts[k][0];
        const holog_slice *x = &parts[k][1];
        OK(holog_array_read(a, parts[k], read, NULL));
        for (uint64_t i = 0; i < y->count; i++)
            for (uint64_t j = 0; j < x->count; j++)
                cr_assert_eq(read[i * x->count + j],
                             data[(y->start + i * y->step) * 4096 + x->start + j * x->step],
                             "part %zu at %llu, %llu", k, (unsigned long long)i,
                             (unsigned long long)j);
    }
    holog_array_close(a);
    OK(holog_begin(box.store, &txn)); /* and as a transaction sees it */
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_array_read(a, parts[0], read, NULL));
    cr_assert_eq(read[399], data[399 * 4096 + 77]);
    holog_array_close(a);
    holog_abort(txn);
    free(data);
    free(read);
}

/* ---- the past, and others ------------------------------------------------------------------------*/

Test(array, a_view_reads_what_was_there)
{
    const uint64_t shape[1] = { 100 };
    const uint64_t chunk[1] = { 30 };
    uint8_t data[100];
    uint8_t read[100];
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, chunk);
    const holog_slice r = { 10, 50, 1 };
    const uint64_t fewer[1] = { 15 };
    holog_view *view = NULL;
    holog_array *a = NULL;
    holog_txn *txn = NULL;

    fill_random(data, sizeof data, 9);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_view_open(box.store, &view));
    OK(holog_array_update(box.store, "a", &r, data, NULL, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_array_resize(a, fewer));
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    OK(holog_view_array(view, "a", &a));
    OK(holog_array_read(a, NULL, read, NULL));
    cr_assert_eq(memcmp(read, data, sizeof data), 0);
    holog_array_close(a);
    holog_view_close(view);
    cr_assert_eq(info_of("a").shape[0], 15);
}

Test(array, two_that_append_both_get_their_place)
{
    const uint64_t shape[2] = { 0, 8 };
    const uint64_t chunk[2] = { 4, 8 };
    uint8_t row[8];
    uint8_t want[64];
    holog_array_spec spec = spec_of(HOLOG_UINT8, 2, shape, chunk);
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    for (uint8_t i = 0; i < 7; i++) {
        memset(row, i + 1, sizeof row);
        memset(want + 8 * i, i + 1, sizeof row);
        OK(holog_array_extend(box.store, "a", 0, 1, row, NULL, NULL));
    }
    HAS("a", want, 56);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    memset(row, 99, sizeof row);
    OK(holog_array_append(a, 0, 1, row, NULL));
    memset(row, 8, sizeof row);
    memset(want + 56, 8, sizeof row);
    OK(holog_array_extend(box.store, "a", 0, 1, row, NULL, NULL));
    holog_array_close(a);
    FAILS(HOLOG_E_CONFLICT, holog_commit(txn, NULL), "a");
    HAS("a", want, 64);
}

Test(array, two_that_change_one_chunk_do_not_lose_a_change)
{
    const uint64_t shape[1] = { 100 };
    uint8_t data[100] = { 1 };
    const uint8_t nine = 9;
    const holog_slice tenth = { 10, 1, 1 };
    const holog_slice last = { 99, 1, 1 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_array_write(a, &tenth, &nine, NULL));
    OK(holog_array_update(box.store, "a", &last, &nine, NULL, NULL));
    holog_array_close(a);
    FAILS(HOLOG_E_CONFLICT, holog_commit(txn, NULL), "a/c/0");
    data[99] = 9;
    HAS("a", data, sizeof data);
}

Test(array, a_rollback_takes_shape_and_elements_back)
{
    const uint64_t shape[1] = { 10 };
    uint8_t data[10];
    uint8_t more[10];
    const uint8_t threes[20] = { 3, 3, 3 };
    uint64_t number = 0;
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);

    fill_random(data, sizeof data, 10);
    fill_random(more, sizeof more, 11);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, &number));
    OK(holog_array_extend(box.store, "a", 0, 10, more, NULL, NULL));
    OK(holog_array_update(box.store, "a", NULL, threes, NULL, NULL));
    OK(holog_rollback(box.store, "a", number, NULL));
    HAS("a", data, sizeof data);
    cr_assert_eq(info_of("a").shape[0], 10);
}

Test(array, a_copy_shares_nothing_that_changes)
{
    const uint64_t shape[1] = { 10 };
    uint8_t data[10];
    const uint8_t one = 1;
    const holog_slice r = { 4, 1, 1 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);

    fill_random(data, sizeof data, 12);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_copy(box.store, "a", "b", 0, NULL));
    OK(holog_array_update(box.store, "b", &r, &one, NULL, NULL));
    HAS("a", data, sizeof data);
    data[4] = 1;
    HAS("b", data, sizeof data);
    OK(holog_delete(box.store, "a", NULL));
    HAS("b", data, sizeof data);
}

/* ---- metadata ------------------------------------------------------------------------------------*/

Test(array, attributes_names_and_fill_are_as_given)
{
    const uint64_t shape[2] = { 3, 4 };
    const char *const names[2] = { "y", NULL };
    const uint64_t fill = UINT64_MAX;
    holog_array_spec spec = spec_of(HOLOG_UINT64, 2, shape, NULL);
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    spec.fill = &fill;
    spec.dimension_names = names;
    spec.attributes = "{\"n\": 18446744073709551615, \"b\": [1.5, null]}";
    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    cr_assert_str_eq(holog_array_attributes(a), "{\"n\":18446744073709551615,\"b\":[1.5,null]}");
    FAILS(HOLOG_E_INVAL, holog_array_set_attributes(a, "[]"), "attributes");
    FAILS(HOLOG_E_INVAL, holog_array_set_attributes(a, "{\"a\": }"), NULL);
    OK(holog_array_set_attributes(a, "{\"m\": -0.0}"));
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    box_reopen(&box);
    a = opened("a");
    cr_assert_str_eq(holog_array_attributes(a), "{\"m\":-0.0}");
    cr_assert_str_eq(holog_array_dimension_name(a, 0), "y");
    cr_assert_null(holog_array_dimension_name(a, 1));
    cr_assert_null(holog_array_dimension_name(a, 2));
    cr_assert_eq(memcmp(holog_array_fill(a), &fill, 8), 0);
    holog_array_close(a);
}

Test(array, it_says_when_it_is_not_what_the_caller_takes_it_for)
{
    const uint64_t shape[2] = { 3, 4 };
    const uint64_t other[2] = { 4, 3 };
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, NULL);
    holog_array *a;

    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    a = opened("a");
    OK(holog_array_expect(a, HOLOG_UINT16, 2, shape));
    OK(holog_array_expect(a, HOLOG_UINT16, 2, NULL));
    FAILS(HOLOG_E_TYPE, holog_array_expect(a, HOLOG_UINT16, 2, other), "uint16 [3, 4]");
    FAILS(HOLOG_E_TYPE, holog_array_expect(a, HOLOG_INT16, 2, shape), "int16");
    FAILS(HOLOG_E_TYPE, holog_array_expect(a, HOLOG_UINT16, 3, NULL), NULL);
    FAILS(HOLOG_E_INVAL, holog_array_expect(a, 77, 2, shape), "77");
    holog_array_close(a);
}

Test(array, a_spec_that_makes_no_sense_is_refused_and_says_why)
{
    const uint64_t shape[2] = { 3, 4 };
    const uint64_t zero[2] = { 1, 0 };
    const uint64_t huge[2] = { UINT64_C(1) << 48, UINT64_C(1) << 48 };
    const uint64_t limit[2] = { 1, UINT64_C(1) << 30 };
    const char *const names[2] = { NULL, "x\xff" };
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, zero);
    holog_array *a = NULL;

    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", NULL, 0, NULL), "spec is NULL");
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "chunk");
    spec.chunk = shape;
    spec.dimension_names = names;
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL),
          "dimension_names: that of axis 1");
    spec.dimension_names = NULL;
    spec.chunk = huge;
    FAILS(HOLOG_E_TOOBIG, holog_array_create(box.store, "a", &spec, 0, NULL), NULL);
    spec.chunk = limit;
    FAILS(HOLOG_E_TOOBIG, holog_array_create(box.store, "a", &spec, 0, NULL), "2^31 - 1");
    spec.chunk = NULL;
    spec.dtype = 99;
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "dtype");
    spec.dtype = HOLOG_RAW;
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "item_size");
    spec.dtype = HOLOG_INT8;
    spec.rank = 33;
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "rank");
    spec.rank = 2;
    spec.attributes = "{\"a\": NaN}";
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "attributes");
    spec.attributes = "3";
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "attributes");
    spec.attributes = NULL;
    spec.shape = NULL;
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 0, NULL), "shape");
    spec.shape = shape;
    FAILS(HOLOG_E_INVAL, holog_array_save(box.store, "a", &spec, NULL, NULL, 0, NULL), "data");
    FAILS(HOLOG_E_INVAL, holog_array_create(box.store, "a", &spec, 1u << 20, NULL), "flags");
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
    OK(save_text(box.store, "b", "x", 0));
    OK(holog_mkdir(box.store, "d", 0, NULL));
    FAILS(HOLOG_E_TYPE, holog_array_open(box.store, "b", &a), "blob");
    FAILS(HOLOG_E_TYPE, holog_array_open(box.store, "d", &a), "directory");
    FAILS(HOLOG_E_NOENT, holog_array_open(box.store, "n", &a), "n");
}

Test(array, default_chunks_are_planes_of_at_most_16_mib)
{
    const uint64_t planes[3] = { 900, 2048, 2048 };
    const uint64_t wide[2] = { 3, 1u << 26 };
    const uint64_t line[1] = { UINT64_C(1) << 40 };
    const uint64_t empty[3] = { 0, 0, 0 };
    holog_array_spec spec = spec_of(HOLOG_UINT16, 3, planes, NULL);

    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    cr_assert_eq(info_of("a").chunk[0], 1);
    cr_assert_eq(info_of("a").chunk[1], 2048);
    cr_assert_eq(info_of("a").chunk[2], 2048);
    spec = spec_of(HOLOG_UINT16, 2, wide, NULL);
    OK(holog_array_create(box.store, "b", &spec, 0, NULL));
    cr_assert_eq(info_of("b").chunk[0], 3);
    cr_assert_leq(info_of("b").chunk[1] * 6, 16u << 20);
    spec = spec_of(HOLOG_UINT8, 1, line, NULL);
    OK(holog_array_create(box.store, "c", &spec, 0, NULL));
    cr_assert_eq(info_of("c").chunk[0], 16u << 20);
    spec = spec_of(HOLOG_UINT8, 3, empty, NULL);
    OK(holog_array_save(box.store, "d", &spec, NULL, NULL, 0, NULL));
    HAS("d", "", 0);
}

Test(array, a_chunk_of_the_wrong_size_is_damage_and_never_fill_value)
{
    const uint64_t shape[1] = { 100 };
    uint8_t data[100];
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);
    char path[HG_PATH_MAX];
    char component[HG_NODE_LEN_MAX + 1];
    const uint64_t origin = 0;
    holog_txn *txn = NULL;
    holog_array *a;
    holog_value *v = NULL;

    fill_random(data, sizeof data, 13);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    component[hg_node_chunk(&origin, 1, component)] = 0;
    (void)snprintf(path, sizeof path, "a/%s", component);
    OK(holog_begin(box.store, &txn));
    txn->internal = 1;
    OK(holog_txn_save(txn, path, data, 99, HOLOG_REPLACE));
    OK(holog_commit(txn, NULL));
    a = opened("a");
    FAILS(HOLOG_E_CORRUPT, holog_array_load(a, &v), "a/c/0");
    FAILS(HOLOG_E_CORRUPT, holog_array_read(a, NULL, data, NULL), "99 bytes");
    holog_array_close(a);
}

/* ---- more than memory ----------------------------------------------------------------------------*/

enum {
    BIG_PLANES = 24,
    BIG_SIDE = 1024,
    BIG_PLANE = BIG_SIDE * BIG_SIDE
};

/* 48 MiB in a budget of 16, in one commit, which changes some of it before it is there. */
Test(array, a_commit_may_be_larger_than_the_budget)
{
    const uint64_t shape[3] = { BIG_PLANES, BIG_SIDE, BIG_SIDE };
    uint16_t *data = malloc((size_t)BIG_PLANES * BIG_PLANE * 2);
    uint16_t *read = malloc((size_t)BIG_PLANE * 2);
    holog_array_spec spec = spec_of(HOLOG_UINT16, 3, shape, NULL);
    const holog_slice dot[3] = { { 0, 2, 1 }, { 5, 1, 1 }, { 7, 2, 1 } };
    const uint16_t four[4] = { 1, 2, 3, 4 };
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    OK(holog_close(box.store));
    box.opts.budget_bytes = 16 << 20;
    box_open(&box);
    fill_random(data, (size_t)BIG_PLANES * BIG_PLANE * 2, 14);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array_save(txn, "a", &spec, data, NULL, 0));
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_array_write(a, dot, four, NULL));
    memcpy(&data[5 * BIG_SIDE + 7], four, 4);
    memcpy(&data[BIG_PLANE + 5 * BIG_SIDE + 7], four + 2, 4);
    for (uint64_t z = 0; z < BIG_PLANES; z++) {
        const holog_slice plane[3] = { { z, 1, 1 }, { 0, BIG_SIDE, 1 }, { 0, BIG_SIDE, 1 } };
        OK(holog_array_read(a, plane, read, NULL)); /* its own, not committed */
        cr_assert_eq(memcmp(read, data + z * BIG_PLANE, (size_t)BIG_PLANE * 2), 0);
    }
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    box_reopen(&box);
    a = opened("a");
    for (uint64_t z = 0; z < BIG_PLANES; z++) {
        const holog_slice plane[3] = { { z, 1, 1 }, { 0, BIG_SIDE, 1 }, { 0, BIG_SIDE, 1 } };
        OK(holog_array_read(a, plane, read, NULL));
        cr_assert_eq(memcmp(read, data + z * BIG_PLANE, (size_t)BIG_PLANE * 2), 0);
    }
    holog_array_close(a);
    free(data);
    free(read);
}

Test(array, more_changes_than_a_frame_holds_are_chunks_saved_whole)
{
    const uint64_t shape[2] = { 600, 700 };
    const uint64_t chunk[2] = { 70, 70 };
    static uint8_t data[600 * 700];
    static uint8_t part[100 * 700];
    const uint8_t nine = 9;
    holog_array_spec spec = spec_of(HOLOG_UINT8, 2, shape, chunk);
    holog_txn *txn = NULL;
    holog_array *a = NULL;
    holog_slice dot[2] = { { 3, 1, 1 }, { 4, 1, 1 } };

    OK(holog_close(box.store));
    remove_tree(box.dir);
    box.opts.segment_size_max = 64 << 10;
    box.opts.inline_max = 1024;
    box_open(&box);
    fill_random(data, sizeof data, 15);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    for (uint64_t i = 0; i < 5; i++) {
        const holog_slice rows[2] = { { 90 * i, 100, 1 }, { 1, 698, 1 } };
        fill_random(part, sizeof part, 16 + i);
        OK(holog_array_write(a, rows, part, NULL));
        for (uint64_t y = 0; y < 100; y++)
            memcpy(&data[(90 * i + y) * 700 + 1], &part[y * 698], 698);
        for (uint64_t k = 0; k < 40; k++) { /* deltas between them */
            dot[0].start = (i * 97 + k * 13) % 600;
            dot[1].start = (k * 31) % 700;
            OK(holog_array_write(a, dot, &nine, NULL));
            data[dot[0].start * 700 + dot[1].start] = 9;
        }
    }
    holog_array_close(a);
    OK(holog_txn_copy(txn, "a", "b", 0));
    OK(holog_txn_array(txn, "a", &a));
    dot[0].start = 599;
    OK(holog_array_write(a, dot, &nine, NULL));
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    HAS("b", data, sizeof data);
    data[599 * 700 + dot[1].start] = 9;
    HAS("a", data, sizeof data);
    box_reopen(&box);
    HAS("a", data, sizeof data);
}

/* ---- handles that others get ahead of ----------------------------------------------------------------*/

Test(array, a_handle_that_a_savepoint_has_passed_is_stale_and_destroys_nothing)
{
    const uint64_t shape[1] = { 8 };
    const uint64_t chunk[1] = { 2 };
    const uint64_t two[1] = { 2 };
    const uint8_t nines[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
    const uint8_t five = 5;
    uint8_t want[9] = { 9, 9, 9, 9, 9, 9, 9, 9, 5 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, chunk);
    holog_array_info info = { .struct_size = sizeof info };
    holog_txn *txn = NULL;
    holog_array *a = NULL;
    uint32_t sp = 0;

    OK(holog_array_save(box.store, "a", &spec, nines, NULL, 0, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_savepoint(txn, &sp));
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_array_resize(a, two));
    OK(holog_txn_rollback_to(txn, sp));
    FAILS(HOLOG_E_STALE, holog_array_append(a, 0, 1, &five, NULL), "open it again");
    FAILS(HOLOG_E_STALE, holog_array_get_info(a, &info), "a");
    FAILS(HOLOG_E_STALE, holog_array_write(a, NULL, nines, NULL), "a");
    holog_array_close(a);
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_array_append(a, 0, 1, &five, NULL));
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    HAS("a", want, sizeof want);
}

Test(array, a_handle_that_another_one_has_passed_is_stale)
{
    const uint64_t shape[1] = { 4 };
    const uint64_t two[1] = { 2 };
    const uint8_t bytes[4] = { 1, 2, 3, 4 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);
    holog_array_spec other = spec_of(HOLOG_UINT64, 1, shape, NULL);
    holog_txn *txn = NULL;
    holog_array *a = NULL;
    holog_array *b = NULL;

    OK(holog_array_save(box.store, "a", &spec, bytes, NULL, 0, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_txn_array(txn, "a", &b));
    OK(holog_array_resize(b, two));
    FAILS(HOLOG_E_STALE, holog_array_write(a, NULL, bytes, NULL), "a");
    OK(holog_array_write(b, NULL, bytes, NULL));
    holog_array_close(a);
    OK(holog_txn_array(txn, "a", &a));
    OK(holog_txn_array_create(txn, "a", &other, HOLOG_REPLACE));
    FAILS(HOLOG_E_STALE, holog_array_write(a, NULL, bytes, NULL), "a");
    FAILS(HOLOG_E_STALE, holog_array_write(b, NULL, bytes, NULL), "a");
    OK(holog_txn_delete_all(txn, "a"));
    FAILS(HOLOG_E_STALE, holog_array_write(b, NULL, bytes, NULL), "a");
    OK(holog_commit(txn, NULL));
    FAILS(HOLOG_E_CLOSED, holog_array_read(a, NULL, NULL, NULL), "ended");
    FAILS(HOLOG_E_CLOSED, holog_array_write(b, NULL, bytes, NULL), "ended");
    holog_array_close(a);
    holog_array_close(b);
}

Test(array, a_failed_append_leaves_the_handle_as_it_was)
{
    const uint64_t shape[1] = { 4 };
    const uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 };
    holog_array_spec spec = spec_of(HOLOG_UINT8, 1, shape, NULL);
    holog_array_info info = { .struct_size = sizeof info };
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    OK(holog_array_save(box.store, "a", &spec, bytes, NULL, 0, NULL));
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, "a", &a));
    FAILS(HOLOG_E_INVAL, holog_array_append(a, 0, 2, NULL, NULL), "data");
    OK(holog_array_get_info(a, &info));
    cr_assert_eq(info.shape[0], 4);
    OK(holog_array_append(a, 0, 2, bytes + 4, NULL));
    FAILS(HOLOG_E_RANGE, holog_array_write(a, &(holog_slice){ 5, 2, 1 }, bytes, NULL), "axis 0");
    OK(holog_array_get_info(a, &info));
    cr_assert_eq(info.shape[0], 6);
    holog_array_close(a);
    OK(holog_commit(txn, NULL));
    HAS("a", bytes, sizeof bytes);
}

/* ---- counted -------------------------------------------------------------------------------------*/

/* What a step has read and loaded. */
static void counted(holog_stats *was, uint64_t *out_read, uint64_t *out_loaded)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    *out_read = st.bytes_read - was->bytes_read;
    *out_loaded = st.bytes_loaded - was->bytes_loaded;
    *was = st;
}

Test(array, what_is_read_is_counted)
{
    const uint64_t shape[2] = { 1024, 1024 };
    static uint16_t data[1024 * 1024];
    static uint8_t bytes[100000];
    holog_array_spec spec = spec_of(HOLOG_UINT16, 2, shape, shape);
    const holog_slice rows[2] = { { 100, 64, 1 }, { 0, 1024, 1 } };
    holog_stats was = { .struct_size = sizeof was };
    holog_value *v = NULL;
    holog_array *a;
    uint64_t read;
    uint64_t loaded;
    size_t n = 0;

    fill_random(data, sizeof data, 9);
    fill_random(bytes, sizeof bytes, 10);
    OK(holog_array_save(box.store, "a", &spec, data, NULL, 0, NULL));
    OK(holog_save(box.store, "large", bytes, sizeof bytes, 0, NULL));
    OK(holog_save(box.store, "small", bytes, 1000, 0, NULL));
    box_reopen(&box);
    a = opened("a");
    counted(&was, &read, &loaded);
    OK(holog_array_read(a, rows, data, NULL));
    counted(&was, &read, &loaded);
    cr_assert_eq(loaded, 64 * 1024 * 2);
    cr_assert(read >= 64 * 1024 * 2 && read < sizeof data / 2, "%llu", (unsigned long long)read);
    OK(holog_array_read(a, NULL, data, NULL));
    counted(&was, &read, &loaded);
    cr_assert(read >= sizeof data && loaded == sizeof data, "%llu", (unsigned long long)read);
    OK(holog_array_read(a, NULL, data, NULL)); /* from memory */
    counted(&was, &read, &loaded);
    cr_assert(read == 0 && loaded == sizeof data, "%llu", (unsigned long long)read);
    OK(holog_array_preview(a, 2, NULL, data, NULL));
    counted(&was, &read, &loaded);
    cr_assert_eq(loaded, sizeof data / 16);
    OK(holog_load_range(box.store, "large", 5000, bytes, 3000, &n));
    counted(&was, &read, &loaded);
    cr_assert(read >= 3000 && loaded == 3000, "%llu", (unsigned long long)read);
    OK(holog_load(box.store, "large", &v));
    holog_value_release(v);
    counted(&was, &read, &loaded);
    cr_assert(read >= sizeof bytes && loaded == sizeof bytes, "%llu", (unsigned long long)read);
    OK(holog_load_range(box.store, "small", 0, bytes, 2000, NULL));
    counted(&was, &read, &loaded);
    cr_assert_eq(loaded, 1000);
    holog_array_close(a);
}
