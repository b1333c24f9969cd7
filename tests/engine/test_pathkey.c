/*
 * Paths to keys and back: canonical forms, every refusal, and the order of keys.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "base/node.h"
#include "engine/index.h"
#include "engine/pathkey.h"

static uint64_t chance_seed;
static uint64_t chance_state;

static uint32_t below(uint32_t n)
{
    uint64_t z = (chance_state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static void seed(uint64_t fallback)
{
    const char *env = getenv("HOLOG_TEST_SEED");
    chance_seed = env != NULL ? strtoull(env, NULL, 0) : fallback;
    chance_state = chance_seed;
}

#define CHECK(cond, ...)                                                                          \
    cr_assert(cond, "HOLOG_TEST_SEED=%llu: %s:%d: %s", (unsigned long long)chance_seed, __FILE__, \
              __LINE__, #cond)

static int canonical(const char *path, char *out)
{
    size_t len = 12345;
    int rc = hg_path_canonical(path, strlen(path), out, &len);
    CHECK(rc == HOLOG_OK ? strlen(out) == len : len == 12345); /* untouched on failure */
    return rc;
}

static int key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t n = a_len < b_len ? a_len : b_len;
    int c = n > 0 ? memcmp(a, b, n) : 0;
    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static int compare_keys(const char *a, const char *b)
{
    static uint8_t ka[HG_KEY_MAX];
    static uint8_t kb[HG_KEY_MAX];
    size_t a_len = hg_path_to_key(a, strlen(a), ka);
    size_t b_len = hg_path_to_key(b, strlen(b), kb);
    return sign(key_compare(ka, a_len, kb, b_len));
}

Test(pathkey, slashes_and_dots_are_dropped)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "/", "" },
        { ".", "" },
        { "./", "" },
        { "//", "" },
        { "a", "a" },
        { "/a", "a" },
        { "a/", "a" },
        { "./a", "a" },
        { "a/.", "a" },
        { "a//b", "a/b" },
        { "/a/./b/", "a/b" },
        { "a/.b", "a/.b" },
        { "...", "..." },
        { "a/..b", "a/..b" },
        { "..b", "..b" },
        { " a / b ", " a / b " },
        { "a\nb", "a\nb" },
        { "\x7f\x01", "\x7f\x01" },
        { "p\xc3\xa4th", "p\xc3\xa4th" },
    };
    char out[HG_PATH_MAX + 1];
    seed(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(canonical(cases[i][0], out) == HOLOG_OK);
        cr_assert_str_eq(out, cases[i][1]);
        char again[HG_PATH_MAX + 1];
        CHECK(canonical(out, again) == HOLOG_OK);
        cr_assert_str_eq(again, out);
    }
}

Test(pathkey, dotdot_nul_and_bytes_that_are_no_utf8_are_bad_paths)
{
    static const char *const cases[] = {
        "..",
        "a/..",
        "../a",
        "a/../b",
        "/..",
        "\x80",
        "a\xff",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xc3",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xe2\x82",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf0\x9f\x98",
        "\xe2\x28\xa1",
        "\xf0\x9f\x28\x80",
        "\xc3/\xa4",
    };
    char out[HG_PATH_MAX + 1];
    size_t len;
    seed(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(canonical(cases[i], out), HOLOG_E_BADPATH, "case %zu", i);
    CHECK(hg_path_canonical("a\0b", 3, out, &len) == HOLOG_E_BADPATH);
    CHECK(hg_path_canonical("\0", 1, out, &len) == HOLOG_E_BADPATH);
}

Test(pathkey, the_first_and_last_characters_of_each_length_are_fine)
{
    static const char *const cases[] = {
        "\x01",         "\x7f",         "\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"
    };
    char out[HG_PATH_MAX + 1];
    seed(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(canonical(cases[i], out), HOLOG_OK, "case %zu", i);
}

Test(pathkey, each_limit_holds_to_the_byte)
{
    static char path[3 * HG_PATH_MAX];
    char out[HG_PATH_MAX + 1];
    seed(1);
    memset(path, 'x', HG_NAME_MAX + 1);
    path[HG_NAME_MAX + 1] = '\0';
    CHECK(canonical(path, out) == HOLOG_E_NAMETOOLONG);
    path[HG_NAME_MAX] = '\0';
    CHECK(canonical(path, out) == HOLOG_OK);

    for (int depth = HG_DEPTH_MAX; depth <= HG_DEPTH_MAX + 1; depth++) {
        for (int i = 0; i < depth; i++)
            memcpy(path + i * 4, "/./a", 5);
        CHECK(canonical(path, out) == (depth > HG_DEPTH_MAX ? HOLOG_E_NAMETOOLONG : HOLOG_OK));
    }
    for (size_t len = HG_PATH_MAX; len <= HG_PATH_MAX + 1; len++) {
        memset(path, 'x', len);
        for (size_t i = 200; i < len - 1; i += 200)
            path[i] = '/';
        path[len] = '\0';
        CHECK(canonical(path, out) == (len > HG_PATH_MAX ? HOLOG_E_NAMETOOLONG : HOLOG_OK));
    }
    memset(path, '/', HG_PATH_MAX + 100); /* what is dropped does not count */
    path[HG_PATH_MAX + 100] = 'a';
    path[HG_PATH_MAX + 101] = '\0';
    CHECK(canonical(path, out) == HOLOG_OK);
    cr_assert_str_eq(out, "a");
}

Test(pathkey, the_detail_says_which_component)
{
    struct holog_error_detail d;
    char out[HG_PATH_MAX + 1];
    seed(1);
    CHECK(canonical("a/b//../c", out) == HOLOG_E_BADPATH);
    holog_last_error(&d);
    CHECK(strstr(d.message, "component 3") != NULL);
}

Test(pathkey, keys_are_the_documented_bytes)
{
    static const struct {
        const char *path;
        uint8_t key[32];
        size_t len;
    } cases[] = {
        { "", { 0 }, 0 },
        { "a/b", { 'a', 0, 'b' }, 3 },
        { "z2", { 'z', '1', '2', 1 }, 4 },
        { "z10", { 'z', '2', '1', '0', 1 }, 5 },
        { "z007", { 'z', '1', '7', 3 }, 4 },
        { "0", { '0', 1 }, 2 },
        { "000", { '0', 3 }, 2 },
        { "123456789", { '9', 9, '1', '2', '3', '4', '5', '6', '7', '8', '9', 1 }, 12 },
        { "12345678", { '8', '1', '2', '3', '4', '5', '6', '7', '8', 1 }, 10 },
        { "1.5", { '1', '1', 1, '.', '1', '5', 1 }, 7 },
    };
    uint8_t key[HG_KEY_MAX];
    seed(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = hg_path_to_key(cases[i].path, strlen(cases[i].path), key);
        CHECK(key_compare(key, len, cases[i].key, cases[i].len) == 0);
    }
}

Test(pathkey, keys_sort_naturally_and_directories_before_their_entries)
{
    static const char *const sorted[] = {
        "",     "a",         "a/b",        "a/b/c",       "a/z", "a b", "a-b",    "a0",
        "a0b",  "a00",       "a1",         "a1/x",        "a1x", "a01", "a2",     "a10",
        "a010", "a99999999", "a100000000", "a1000000000", "aa",  "b",   "z2/z10", "z10/z2",
    };
    seed(1);
    for (size_t i = 0; i + 1 < sizeof sorted / sizeof sorted[0]; i++)
        cr_assert_lt(compare_keys(sorted[i], sorted[i + 1]), 0, "%s before %s", sorted[i],
                     sorted[i + 1]);
}

/* A name of few letters, digits mostly, so that runs meet. */
static size_t random_name(char *out, size_t max)
{
    static const char letters[] = "0001129a-.";
    size_t len = 1 + below((uint32_t)max);
    for (size_t i = 0; i < len; i++)
        out[i] = letters[below(sizeof letters - 1)];
    if (len == 1 && out[0] == '.')
        out[0] = 'a';
    if (len == 2 && out[0] == '.' && out[1] == '.')
        out[0] = 'b';
    out[len] = '\0';
    return len;
}

static size_t random_path(char *out, uint32_t depth_max)
{
    size_t len = 0;
    for (uint32_t i = 1 + below(depth_max); i > 0; i--) {
        if (len > 0)
            out[len++] = '/';
        len += random_name(out + len, below(20) == 0 ? 60 : 6);
    }
    return len;
}

/* Component by component with hg_name_compare; a directory before what is in it. */
static int compare_paths(const char *a, size_t a_len, const char *b, size_t b_len)
{
    while (a_len > 0 && b_len > 0) {
        const char *a_slash = memchr(a, '/', a_len);
        const char *b_slash = memchr(b, '/', b_len);
        size_t m = a_slash != NULL ? (size_t)(a_slash - a) : a_len;
        size_t n = b_slash != NULL ? (size_t)(b_slash - b) : b_len;
        int c = hg_name_compare(a, m, b, n);
        if (c != 0)
            return c;
        m += a_slash != NULL ? 1 : 0;
        n += b_slash != NULL ? 1 : 0;
        a += m;
        a_len -= m;
        b += n;
        b_len -= n;
    }
    return (a_len > 0) - (b_len > 0);
}

Test(pathkey, the_order_of_keys_is_that_of_names_component_by_component)
{
    static uint8_t ka[HG_KEY_MAX];
    static uint8_t kb[HG_KEY_MAX];
    char a[HG_PATH_MAX];
    char b[HG_PATH_MAX];
    seed(21);
    for (uint32_t n = 0; n < 300000; n++) {
        size_t a_len = random_path(a, 4);
        size_t b_len = random_path(b, 4);
        if (below(3) == 0) { /* close relatives */
            memcpy(b, a, a_len);
            b_len = 1 + below((uint32_t)a_len);
            b[b_len - 1] = "01a"[below(3)];
            b_len += random_name(b + b_len, 3);
        }
        size_t ka_len = hg_path_to_key(a, a_len, ka);
        size_t kb_len = hg_path_to_key(b, b_len, kb);
        cr_assert_eq(sign(compare_paths(a, a_len, b, b_len)),
                     sign(key_compare(ka, ka_len, kb, kb_len)),
                     "HOLOG_TEST_SEED=%llu: %.*s and %.*s", (unsigned long long)chance_seed,
                     (int)a_len, a, (int)b_len, b);
    }
}

/* "./" in front changes nothing but the way a path is judged: no longer as one of the usual kind. */
Test(pathkey, the_usual_path_is_judged_as_any_other)
{
    static const char bytes[] = "ab1./\x01\x7f\x80\xc3\xa4";
    char path[2 * HG_PATH_MAX];
    char out[2][HG_PATH_MAX + 1];
    uint32_t fine = 0;
    seed(23);
    for (uint32_t n = 0; n < 100000; n++) {
        uint32_t kinds = below(3) > 0 ? 5 : (uint32_t)sizeof bytes - 1;
        size_t len = 2 + (below(50) > 0 ? below(80) : below(HG_PATH_MAX + 200));
        uint32_t slashes = 2 + below(300);
        memcpy(path, "./", 2);
        for (size_t i = 2; i < len; i++)
            path[i] = below(slashes) == 0 ? '/' : bytes[below(kinds)];
        size_t a_len = 0;
        size_t b_len = 0;
        int a = hg_path_canonical(path + 2, len - 2, out[0], &a_len);
        int b = hg_path_canonical(path, len, out[1], &b_len);
        CHECK(a == b && a_len == b_len);
        CHECK(a < 0 || memcmp(out[0], out[1], a_len + 1) == 0);
        fine += a == HOLOG_OK;
    }
    CHECK(fine > 10000 && fine < 100000);
}

Test(pathkey, every_path_comes_back_from_its_key)
{
    static uint8_t key[HG_KEY_MAX];
    char path[HG_PATH_MAX + 1];
    char back[HG_PATH_MAX + 1];
    size_t len;
    seed(22);
    for (uint32_t n = 0; n < 100000; n++) {
        size_t path_len = random_path(path, 8);
        path[path_len] = '\0';
        size_t key_len = hg_path_to_key(path, path_len, key);
        CHECK(hg_key_to_path(key, key_len, back, &len) == HOLOG_OK);
        CHECK(len == path_len);
        cr_assert_str_eq(back, path);
    }
}

Test(pathkey, the_longest_paths_have_keys)
{
    static uint8_t key[HG_KEY_MAX];
    static const char *const patterns[] = { "1", "0", "1a", "01", "9", "x" };
    char path[HG_PATH_MAX + 1];
    char back[HG_PATH_MAX + 1];
    size_t len;
    seed(1);
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        size_t cycle = strlen(patterns[p]);
        for (size_t i = 0; i < HG_PATH_MAX; i++)
            path[i] = i % 256 == 255 ? '/' : patterns[p][i % 256 % cycle];
        size_t path_len = HG_PATH_MAX - 1; /* names of 255 bytes */
        size_t key_len = hg_path_to_key(path, path_len, key);
        CHECK(key_len <= HG_KEY_MAX);
        CHECK(hg_key_to_path(key, key_len, back, &len) == HOLOG_OK);
        CHECK(len == path_len && memcmp(back, path, len) == 0);
    }
}

/* A path with a chunk's coordinates behind it. */
static size_t chunk_path(char *path, size_t len, const uint64_t *index, unsigned rank)
{
    path[len] = '/';
    len += 1 + hg_node_chunk(index, rank, path + len + 1);
    path[len] = '\0';
    return len;
}

Test(pathkey, chunks_come_back_from_their_keys_and_lie_in_c_order)
{
    static uint8_t keys[2][HG_KEY_MAX];
    uint64_t index[2][HG_RANK_MAX];
    char path[HG_PATH_MAX + 1];
    char back[HG_PATH_MAX + 1];
    size_t len;
    seed(31);
    for (uint32_t n = 0; n < 100000; n++) {
        unsigned rank = below(6);
        size_t key_len[2];
        int order = 0;
        for (unsigned k = 0; k < 2; k++) {
            for (unsigned i = 0; i < rank; i++) {
                unsigned bits = below(4) > 0 ? 4 : below(50);
                index[k][i] =
                    (uint64_t)below(UINT32_MAX) * UINT32_MAX & ((UINT64_C(1) << bits) - 1);
            }
            memcpy(path, "p/a1", 4);
            size_t path_len = chunk_path(path, 4, index[k], rank);
            key_len[k] = hg_path_to_key(path, path_len, keys[k]);
            CHECK(hg_key_is_node(keys[k], key_len[k]));
            CHECK(hg_key_to_path(keys[k], key_len[k], back, &len) == HOLOG_OK);
            CHECK(len == path_len && memcmp(back, path, len) == 0);
            CHECK(hg_key_parent(keys[k], key_len[k]) == 6); /* p 00 a 1 1 01 */
        }
        for (unsigned i = 0; i < rank && order == 0; i++)
            order = (index[0][i] > index[1][i]) - (index[0][i] < index[1][i]);
        CHECK(sign(key_compare(keys[0], key_len[0], keys[1], key_len[1])) == order);
    }
}

Test(pathkey, documents_and_chunks_stand_behind_every_name)
{
    static const char *const names[] = { "z", "zarr.json", "c", "\xf4\x8f\xbf\xbf", "\x7f" };
    static const char *const nodes[] = { "d/" HG_NODE_GROUP, "d/" HG_NODE_ARRAY, "d/\xff",
                                         "d/\xff\x80" };
    static uint8_t keys[2][HG_KEY_MAX];
    char path[HG_PATH_MAX + 1];
    size_t len[2];
    seed(1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        len[0] = (size_t)snprintf(path, sizeof path, "d/%s/below", names[i]);
        len[0] = hg_path_to_key(path, len[0], keys[0]);
        CHECK(!hg_key_is_node(keys[0], len[0]));
        for (size_t k = 0; k < sizeof nodes / sizeof nodes[0]; k++) {
            len[1] = hg_path_to_key(nodes[k], strlen(nodes[k]), keys[1]);
            CHECK(key_compare(keys[0], len[0], keys[1], len[1]) < 0);
        }
    }
    CHECK(canonical("d/" HG_NODE_ARRAY, path) == HOLOG_E_BADPATH); /* nobody's name */
    CHECK(canonical("\xff", path) == HOLOG_E_BADPATH);
}

Test(pathkey, keys_of_no_path_are_corrupt)
{
    static const struct {
        uint8_t key[16];
        size_t len;
    } cases[] = {
        { { 0 }, 1 },                             /* an empty component */
        { { 'a', 0 }, 2 },                        /* ... at the end */
        { { 'a', 0, 0, 'b' }, 4 },                /* ... in the middle */
        { { '.' }, 1 },                           /* "." */
        { { 'a', 0, '.', '.' }, 4 },              /* ".." */
        { { 'a', '/', 'b' }, 3 },                 /* a slash is 00 */
        { { '1' }, 1 },                           /* a run cut short */
        { { '1', '5' }, 2 },                      /* ... without zz */
        { { '1', '5', 0 }, 3 },                   /* zz of 0 */
        { { '1', '0', 1 }, 3 },                   /* a leading zero among the digits */
        { { '1', 'x', 1 }, 3 },                   /* no digit */
        { { '2', '1', '2', 1, '1', '3', 1 }, 7 }, /* two runs in a row */
        { { '9' }, 1 },                           /* a long run without its number */
        { { '9', 8, '1', '2', '3', '4', '5', '6', '7', '8', 1 }, 11 }, /* ... not in short form */
        { { 0x80 }, 1 },                                               /* not UTF-8 */
        { { 0xfe, 0x83 }, 2 },                                         /* no document */
        { { 0xfe, 0x81, 0, 'a' }, 4 },                                 /* below a document */
        { { 0, 0xff }, 2 },
        { { 'a', 0, 0, 0xff, 0x80 }, 5 },
        { { 'a', 0, 0xff, 0x81, 0x80 }, 5 }, /* a leading zero of an index */
        { { 'a', 0, 0xff, 0x82, 0x81 }, 5 }, /* cut short */
    };
    char out[HG_PATH_MAX + 1] = "untouched";
    size_t len = 12345;
    static uint8_t key[HG_KEY_MAX];
    seed(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(hg_key_to_path(cases[i].key, cases[i].len, out, &len), HOLOG_E_CORRUPT,
                     "case %zu", i);
    memset(key, 'x', sizeof key);
    CHECK(hg_key_to_path(key, HG_NAME_MAX + 1, out, &len) == HOLOG_E_CORRUPT);
    CHECK(hg_key_to_path(key, sizeof key, out, &len) == HOLOG_E_CORRUPT);
    cr_assert_str_eq(out, "untouched");
    CHECK(len == 12345);
}

Test(pathkey, random_keys_are_corrupt_or_come_from_their_path)
{
    static uint8_t again[HG_KEY_MAX];
    uint8_t key[24];
    char path[HG_PATH_MAX + 1];
    size_t path_len;
    uint32_t good = 0;
    seed(23);
    for (uint32_t n = 0; n < 500000; n++) {
        static const uint8_t letters[] = { 0, 1, 2, '0', '1', '2', '9', 'a', '.' };
        size_t len = below(10);
        for (size_t i = 0; i < len; i++)
            key[i] = letters[below(sizeof letters)];
        int rc = hg_key_to_path(key, len, path, &path_len);
        CHECK(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT);
        if (rc < 0)
            continue;
        good++;
        size_t again_len = hg_path_to_key(path, path_len, again);
        CHECK(key_compare(again, again_len, key, len) == 0);
    }
    CHECK(good > 1000);
}

Test(pathkey, the_parent_is_what_is_before_the_last_slash)
{
    seed(1);
    CHECK(hg_path_parent("a/b/c", 5) == 3);
    CHECK(hg_path_parent("a", 1) == 0);
    CHECK(hg_path_parent("ab/c", 4) == 2);
}
