/*
 * Keys of a Zarr hierarchy: each chunk has one, and whatever is no key is refused.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "backends/zarr/key.h"
#include "holog/error.h"

static int read_key(const char *key, struct hg_zarr_key *out)
{
    return hg_zarr_key_read(key, strlen(key), out);
}

Test(zarr_key, names_are_told_apart_and_the_directory_is_what_is_in_front)
{
    static const struct {
        const char *key;
        enum hg_zarr_name name;
        size_t len, dir_len;
        int is_prefix;
    } t[] = {
        { "", HG_ZARR_PLAIN, 0, 0, 1 },           { "a", HG_ZARR_PLAIN, 1, 0, 0 },
        { "a/", HG_ZARR_PLAIN, 1, 0, 1 },         { "a/b", HG_ZARR_PLAIN, 3, 1, 0 },
        { "zarr.json", HG_ZARR_JSON, 9, 0, 0 },   { "a/b/zarr.json", HG_ZARR_JSON, 13, 3, 0 },
        { "a/.zarray", HG_ZARR_ZARRAY, 9, 1, 0 }, { ".zgroup", HG_ZARR_ZGROUP, 7, 0, 0 },
        { ".zattrs", HG_ZARR_ZATTRS, 7, 0, 0 },   { ".zmetadata", HG_ZARR_ZMETADATA, 10, 0, 0 },
        { "zarr.jso", HG_ZARR_PLAIN, 8, 0, 0 },   { "...", HG_ZARR_PLAIN, 3, 0, 0 },
        { "a/\xc3\xa4", HG_ZARR_PLAIN, 4, 1, 0 },
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct hg_zarr_key k;
        cr_assert_eq(read_key(t[i].key, &k), HOLOG_OK, "%s", t[i].key);
        cr_assert(k.name == t[i].name && k.len == t[i].len && k.dir_len == t[i].dir_len &&
                      k.is_prefix == t[i].is_prefix,
                  "\"%s\": %d %zu %zu %d", t[i].key, (int)k.name, k.len, k.dir_len, k.is_prefix);
    }
}

Test(zarr_key, what_can_be_no_key_is_refused)
{
    static const char *const bad[] = {
        "/",   "/a", "a//b",  "a//",  "..",         "a/../b",   "a/..",          "./a",
        "a/.", ".",  "a/b//", "\xff", "a/\xc0\x80", "\xfe\x82", "a/\xff\x80\x80"
    };
    static char many[HG_ZARR_KEY_MAX + 3];
    char name[300];
    struct hg_zarr_key k;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(read_key(bad[i], &k), HOLOG_E_BADPATH, "%s", bad[i]);
    cr_assert_eq(hg_zarr_key_read("a\0b", 3, &k), HOLOG_E_BADPATH);
    memset(name, 'x', sizeof name);
    cr_assert_eq(hg_zarr_key_read(name, 255, &k), HOLOG_OK);
    cr_assert_eq(hg_zarr_key_read(name, 256, &k), HOLOG_E_NAMETOOLONG);
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 == 0 ? 'a' : '/';
    cr_assert_eq(hg_zarr_key_read(many, HG_ZARR_KEY_MAX + 1, &k), HOLOG_E_NAMETOOLONG);
    cr_assert_eq(hg_zarr_key_read(many, HG_ZARR_KEY_MAX - 1, &k), HOLOG_OK);
}

static const struct hg_zarr_grid slashes = { 2, '/', 0, { 3, 101 } };
static const struct hg_zarr_grid dots = { 2, '.', 0, { 3, 101 } };
static const struct hg_zarr_grid v2_dots = { 2, '.', 1, { 3, 101 } };
static const struct hg_zarr_grid v2_slashes = { 2, '/', 1, { 3, 101 } };
static const struct hg_zarr_grid one = { 0, '/', 0, { 0 } };
static const struct hg_zarr_grid v2_one = { 0, '.', 1, { 0 } };

static int read_chunk(const struct hg_zarr_grid *g, const char *text, uint64_t *index)
{
    return hg_zarr_chunk_read(g, text, strlen(text), index);
}

Test(zarr_key, chunks_are_read_as_the_encoding_spells_them)
{
    uint64_t i[HG_RANK_MAX];

    cr_assert_eq(read_chunk(&slashes, "c/2/100", i), 2);
    cr_assert(i[0] == 2 && i[1] == 100);
    cr_assert_eq(read_chunk(&slashes, "c/2", i), 1);
    cr_assert_eq(read_chunk(&slashes, "c", i), 0);
    cr_assert_eq(read_chunk(&dots, "c.0.7", i), 2);
    cr_assert(i[0] == 0 && i[1] == 7);
    cr_assert_eq(read_chunk(&v2_dots, "1.0", i), 2);
    cr_assert_eq(read_chunk(&v2_slashes, "1/0", i), 2);
    cr_assert_eq(read_chunk(&v2_slashes, "1", i), 1);
    cr_assert_eq(read_chunk(&one, "c", i), 0);
    cr_assert_eq(read_chunk(&v2_one, "0", i), 0);
}

Test(zarr_key, a_chunk_has_one_spelling)
{
    static const char *const none[] = {
        "",
        "c/",
        "c/00/0",
        "c/0/01",
        "c/+1/0",
        "c/-1/0",
        "c/ 1/0",
        "c/1/0/0",
        "c/3/0",
        "c/0/101",
        "c/1/0/",
        "c//0",
        "c.1.0",
        "1/0",
        "d/1/0",
        "c/0x1/0",
        "c/1/0 ",
        "C/1/0",
        "c/1.0/0",
        "c/1/\xd9\xa1",
        "cc/1/0",
        "c/0/18446744073709551616",
        "c/0/00000000000000000001",
        "c/0/562949953421312",
    };
    uint64_t i[HG_RANK_MAX];

    for (size_t n = 0; n < sizeof none / sizeof none[0]; n++)
        cr_assert_eq(read_chunk(&slashes, none[n], i), -1, "%s", none[n]);
    cr_assert_eq(read_chunk(&dots, "c", i), -1, "nothing begins with it and a slash");
    cr_assert_eq(read_chunk(&dots, "c.1", i), -1);
    cr_assert_eq(read_chunk(&dots, "c/1/0", i), -1);
    cr_assert_eq(read_chunk(&v2_dots, "1", i), -1);
    cr_assert_eq(read_chunk(&v2_dots, "c.1.0", i), -1);
    cr_assert_eq(read_chunk(&one, "c/0", i), -1);
    cr_assert_eq(read_chunk(&one, "0", i), -1);
    cr_assert_eq(read_chunk(&v2_one, "c", i), -1);
    cr_assert_eq(read_chunk(&v2_one, "0.0", i), -1);
}

Test(zarr_key, what_is_written_is_read_again)
{
    static const struct hg_zarr_grid *const grids[] = { &slashes, &dots, &v2_dots, &v2_slashes };
    char text[HG_NODE_TEXT_MAX];
    uint64_t i[HG_RANK_MAX];

    for (size_t g = 0; g < sizeof grids / sizeof grids[0]; g++) {
        for (uint64_t y = 0; y < 3; y++) {
            const uint64_t index[2] = { y, 50 * y };
            size_t len = hg_zarr_chunk_text(grids[g], index, 2, text);
            cr_assert_eq(len, strlen(text));
            cr_assert_eq(read_chunk(grids[g], text, i), 2, "%s", text);
            cr_assert(i[0] == y && i[1] == 50 * y);
        }
    }
    cr_assert_eq(hg_zarr_chunk_text(&one, NULL, 0, text), 1);
    cr_assert_str_eq(text, "c");
    cr_assert_eq(hg_zarr_chunk_text(&v2_one, NULL, 0, text), 1);
    cr_assert_str_eq(text, "0");
}

Test(zarr_key, the_longest_chunk_fits)
{
    struct hg_zarr_grid g = { .rank = HG_RANK_MAX, .separator = '/' };
    uint64_t index[HG_RANK_MAX];
    uint64_t again[HG_RANK_MAX];
    char text[HG_NODE_TEXT_MAX];

    for (unsigned i = 0; i < HG_RANK_MAX; i++) {
        g.count[i] = HG_INDEX_MAX + 1;
        index[i] = HG_INDEX_MAX;
    }
    cr_assert_lt(hg_zarr_chunk_text(&g, index, HG_RANK_MAX, text), sizeof text);
    cr_assert_eq(read_chunk(&g, text, again), HG_RANK_MAX);
    cr_assert_arr_eq(index, again, sizeof index);
}
