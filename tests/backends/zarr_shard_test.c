/*
 * Shards, whose inner chunks are stored one by one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "holog/versions.h"
#include "zarrkit.h"

ZARR_SUITE(zarr_shard);

/* The key has these bytes, however it is read. */
static void has_bytes(const char *key, const uint8_t *want, size_t len)
{
    holog_zarr *z = open_zarr();
    char got[500];
    size_t n = 0;

    OK(get_key(z, key, got, sizeof got, &n));
    cr_assert_eq(n, len, "%s: %zu, not %zu", key, n, len);
    cr_assert_arr_eq(got, want, len, "%s", key);
    for (size_t from = 0; from <= len; from++) {
        for (size_t size = 0; size <= len - from + 1; size += size < 3 ? 1 : 7) {
            memset(got, 0, sizeof got);
            OK(holog_zarr_get_range(z, key, from, got, size, &n));
            cr_assert_eq(n, size < len - from ? size : len - from);
            cr_assert_arr_eq(got, want + from, n, "%s: %zu from %zu", key, size, from);
        }
    }
    FAILS(HOLOG_E_RANGE, holog_zarr_get_range(z, key, len + 1, got, 1, &n), key);
    close_zarr(z);
}

static void each_layout(const char *index_codecs, const char *location, const struct layout *l)
{
    uint8_t shard[500];
    struct layout canonical = *l;
    size_t len = make_shard(l, three, shard);

    OK(set_text("a/zarr.json", sharded(index_codecs, location)));
    OK(set_bytes("a/c/0/1", shard, len));
    canonical.gap = 0;
    for (unsigned i = 0; i < 4; i++)
        canonical.order[i] = i;
    len = make_shard(&canonical, three, shard);
    has_bytes("a/c/0/1", shard, len);
    drop_prefix("a");
}

Test(zarr_shard, a_shard_has_the_bytes_of_the_specification_whole_and_in_ranges)
{
    each_layout(CRC, END, &ours);
    each_layout(CRC, "", &ours);
    each_layout(CRC, START, &(struct layout){ 1, 1, { 0, 1, 2, 3 }, 0 });
    each_layout("", END, &(struct layout){ 0, 0, { 0, 1, 2, 3 }, 0 });
    each_layout("", START, &(struct layout){ 1, 0, { 0, 1, 2, 3 }, 0 });
    each_layout(CRC, END, &(struct layout){ 0, 1, { 3, 0, 2, 1 }, 5 });
    each_layout(CRC, START, &(struct layout){ 1, 1, { 1, 3, 2, 0 }, 1 });
}

/* Inner chunks that were written since the commit. */
static int count_difference(void *ctx, const holog_difference *d)
{
    (void)d;
    ++*(int *)ctx;
    return 0;
}

static int changed_since(uint64_t number)
{
    int n = 0;

    OK(holog_diff(box.store, number, holog_last_number(box.store), "/", 0, count_difference, &n));
    return n;
}

Test(zarr_shard, a_shard_that_is_set_is_taken_apart_and_what_it_shares_with_the_last_is_not_written)
{
    const char *inner[4] = { "zero", "one", NULL, "three" };
    uint8_t shard[500];
    size_t len = make_shard(&ours, inner, shard);
    uint64_t before;

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json a/c/0/0=80 ");
    before = holog_last_number(box.store);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_eq(holog_last_number(box.store), before, "nothing to write");
    inner[1] = "ONE";
    inner[2] = "two";
    inner[3] = NULL;
    len = make_shard(&ours, inner, shard);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_eq(changed_since(before), 3);
    has_bytes("a/c/0/0", shard, len);
    memset(inner, 0, sizeof inner);
    len = make_shard(&ours, inner, shard);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json ", "a shard without chunks is missing");
    cr_assert_eq(kind_of("a/c/0/0"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("a/c"), HOLOG_ZARR_MISSING);
}

Test(zarr_shard, a_torn_shard_is_refused)
{
    uint8_t shard[500];
    uint8_t broken[500];
    size_t len = make_shard(&ours, three, shard);

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    for (size_t cut = 0; cut < len; cut++)
        FAILS(HOLOG_E_INVAL, set_bytes("a/c/0/0", shard, cut), "shard");
    for (size_t i = len - 68; i < len; i++) {
        memcpy(broken, shard, len);
        broken[i] ^= 0x10;
        FAILS(HOLOG_E_INVAL, set_bytes("a/c/0/0", broken, len), "checksum");
    }
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json ");
}

static void set_index(uint8_t *shard, unsigned slot, uint64_t offset, uint64_t size)
{
    hg_put_le64(shard + (size_t)slot * 16, offset);
    hg_put_le64(shard + (size_t)slot * 16 + 8, size);
}

Test(zarr_shard, a_shard_that_lies_is_refused)
{
    static const uint64_t lies[][2] = { { 0, 1000 },          { 1000, 0 }, { UINT64_MAX, 4 },
                                        { 4, UINT64_MAX },    { 0, 13 },   { 68, UINT64_MAX - 60 },
                                        { UINT64_MAX - 3, 8 } };
    uint8_t shard[500];
    size_t len = make_shard(&(struct layout){ 0, 0, { 0, 1, 2, 3 }, 0 }, three, shard);

    OK(set_text("a/zarr.json", sharded("", END)));
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        set_index(shard + len - 64, 0, lies[i][0], lies[i][1]);
        FAILS(HOLOG_E_INVAL, set_bytes("a/c/0/0", shard, len), "shard");
    }
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json ");
}

Test(zarr_shard, shards_are_listed_as_the_chunks_that_they_are)
{
    const char *last[4] = { NULL, NULL, NULL, "x" };
    uint8_t shard[500];
    size_t len = make_shard(&ours, three, shard);
    char before[500];

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/1", shard, len));
    len = make_shard(&ours, last, shard);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c/0/0=69 a/c/0/1=80 ");
    cr_assert_str_eq(names_below("a"), "zarr.json c/ ");
    cr_assert_str_eq(names_below("a/c"), "0/ ");
    cr_assert_str_eq(names_below("a/c/0"), "0=69 1=80 ");
    (void)snprintf(before, sizeof before, "%s", sharded(CRC, END));
    memcpy(strstr(before, "[4, 6]"), "[4, 4]", 6);
    OK(set_text("a/zarr.json", before));
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c/0/0=69 ");
    memcpy(strstr(before, "[4, 4]"), "[3, 3]", 6);
    OK(set_text("a/zarr.json", before));
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c/0/0=69 ", "a part of its chunk is inside");
    drop("a/c/0/0");
    cr_assert_str_eq(keys_below("a"), "a/zarr.json ");
}

Test(zarr_shard, shards_in_other_codecs_are_kept_as_they_come)
{
    static char json[1200];
    const char *in = sharded(CRC, END);

    (void)snprintf(json, sizeof json, "%.*s, {\"name\": \"crc32c\"}]}", (int)strlen(in) - 2, in);
    OK(set_text("a/zarr.json", json));
    OK(set_text("a/c/0/0", "whatever it is"));
    cr_assert_str_eq(text_of("a/c/0/0"), "whatever it is");
}

Test(zarr_shard, a_shard_may_be_larger_than_what_is_kept_in_frames)
{
    const size_t size = 150000;
    char *large = malloc(size + 1);
    uint8_t *shard = malloc(4 * size);
    const char *inner[4] = { "zero", large, NULL, large };
    holog_zarr *z;
    holog_value *v = NULL;
    size_t len;
    uint8_t part[100];

    cr_assert(large != NULL && shard != NULL);
    for (size_t i = 0; i < size; i++)
        large[i] = (char)('a' + i % 23);
    large[size] = 0;
    len = make_shard(&ours, inner, shard);
    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/0", shard, len));
    z = open_zarr();
    OK(holog_zarr_get(z, "a/c/0/0", &v));
    cr_assert_eq(holog_value_size(v), len);
    cr_assert_eq(memcmp(holog_value_data(v), shard, len), 0);
    holog_value_release(v);
    OK(holog_zarr_get_range(z, "a/c/0/0", size - 50, part, sizeof part, NULL));
    cr_assert_arr_eq(part, shard + size - 50, sizeof part);
    close_zarr(z);
    free(large);
    free(shard);
}

/* A key: an array, and two indexes of which some are beyond the grid. */
static void spell(const char *form, unsigned r, char *out)
{
    for (; *form != 0; form++)
        *out++ = *form == 'A'   ? (char)('0' + r % 5)
                 : *form == 'Y' ? (char)('0' + (r >> 5) % 3)
                 : *form == 'X' ? (char)('0' + (r >> 10) % 4)
                                : *form;
    *out = 0;
}

Test(zarr_shard, whatever_is_set_and_deleted_levels_and_lists_agree)
{
    static const char *const keys[] = { SLASHES, DOTS, V2_DOTS, V2_SLASHES };
    static const char *const forms[] = { "aA/c/Y/X", "aA/c.Y.X",           "aA/Y.X",
                                         "aA/Y/X",   "aA/c/0Y/X",          "aA/c/Y/Xx",
                                         "aA/Y/xX",  "aA/c/Y/X/zarr.json", "aA/c/Y" };
    uint64_t seed = test_seed();
    const char *none[4] = { NULL, NULL, NULL, NULL };
    uint8_t shard[500];

    for (unsigned i = 0; i < 4; i++) {
        char key[30];
        (void)snprintf(key, sizeof key, "a%u/zarr.json", i);
        OK(set_text(key, array_json("4, 6", "2, 2", keys[i])));
    }
    OK(set_text("a4/zarr.json", sharded(CRC, END)));
    for (unsigned n = 0; n < 300; n++) {
        char key[60];
        uint64_t r = seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned form = (unsigned)(r >> 33) % 9;
        size_t len;
        int rc;
        spell(forms[form], (unsigned)(r >> 40), key);
        none[(r >> 55) % 4] = (r >> 57) % 2 != 0 ? "inner" : NULL;
        len = make_shard(&ours, none, shard);
        if ((r >> 60) % 3 == 0)
            drop(key);
        else if (strstr(key, "zarr.json") == NULL) {
            rc = set_bytes(key, shard, len);
            cr_assert(rc == HOLOG_OK || rc == HOLOG_E_ISDIR || rc == HOLOG_E_NOTDIR, "%s: %s", key,
                      holog_error_name(rc));
        }
        if (n % 30 == 0) {
            listings_agree(0);
            listings_agree(HOLOG_ZARR_V2);
        }
    }
}

Test(zarr_shard, a_shard_of_one_axis_is_found_among_many)
{
    static const char doc[] =
        "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4000],\"data_type\":\"uint8\","
        "\"fill_value\":0,\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{"
        "\"chunk_shape\":[4]}},\"chunk_key_encoding\":{\"name\":\"v2\"},\"codecs\":[{\"name\":"
        "\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[1],\"codecs\":[{\"name\":"
        "\"bytes\"}],\"index_codecs\":[{\"name\":\"bytes\",\"configuration\":{\"endian\":"
        "\"little\"}}]}}]}";
    uint8_t shard[64 + 4];
    char key[20];

    memset(shard, 0xff, sizeof shard);
    shard[0] = 'x';
    hg_put_le64(shard + 1 + 48, 0);
    hg_put_le64(shard + 1 + 56, 1);
    OK(set_text("a/zarr.json", doc));
    for (unsigned i = 0; i < 1000; i += 127) {
        (void)snprintf(key, sizeof key, "a/%u", i);
        OK(set_bytes(key, shard, 65));
    }
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/0=65 a/127=65 a/254=65 a/381=65 a/508=65 "
                                      "a/635=65 a/762=65 a/889=65 ");
    cr_assert_str_eq(names_below("a"), "zarr.json 0=65 127=65 254=65 381=65 508=65 635=65 762=65 "
                                       "889=65 ");
    drop("a/127");
    cr_assert_eq(kind_of("a/127"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("a/1000"), HOLOG_ZARR_MISSING);
    FAILS(HOLOG_E_ISDIR, set_text("a", "x"), "a");
}
