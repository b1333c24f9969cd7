/* Blocks that were written once are read by every version: golden/make.c says how they were made. */
#include <dirent.h>
#include <stdio.h>

#include "kit.h"

static struct hg_buf read_file(const char *name)
{
    char path[4096];
    struct hg_buf b = { 0 };
    long len;

    (void)snprintf(path, sizeof path, "%s/%s", HOLOG_GOLDEN_DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    len = ftell(f);
    cr_assert(len >= 0 && fseek(f, 0, SEEK_SET) == 0);
    b = (struct hg_buf){ malloc((size_t)len + 1), (size_t)len, (size_t)len };
    cr_assert(b.data != NULL && fread(b.data, 1, b.len, f) == b.len);
    (void)fclose(f);
    return b;
}

/* What a golden block holds is a formula in its name: FILTER-CODEC-SIZE-KIND.good, over 40 x 53 elements of noise. */
static int parse(const char *name, struct hg_cold_array *a, unsigned *filter, unsigned *codec)
{
    unsigned size;
    unsigned kind;
    char end[8];

    if (sscanf(name, "%u-%u-%u-%u.%7s", filter, codec, &size, &kind, end) != 5 ||
        strcmp(end, "good") != 0)
        return 0;
    *a = (struct hg_cold_array){ (uint8_t)size, (uint8_t)kind, 2, { 40, 53 } };
    return 1;
}

static unsigned each(int (*judge)(const char *name))
{
    DIR *dir = opendir(HOLOG_GOLDEN_DIR);
    unsigned count = 0;

    cr_assert_not_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        count += (unsigned)judge(e->d_name);
    (void)closedir(dir);
    return count;
}

static int judge_good(const char *name)
{
    struct hg_coder *c = kit_coder();
    struct hg_cold_array a;
    struct hg_cold_head h;
    unsigned filter;
    unsigned codec;
    uint8_t *out;
    size_t n;

    if (parse(name, &a, &filter, &codec)) {
        struct hg_buf b = read_file(name);
        uint8_t *raw = kit_array(&a, KIT_NOISE, 42);
        cr_assert_eq(hg_cold_head_decode(b.data, b.len, &h), HOLOG_OK, "%s", name);
        cr_assert(h.filter == filter && h.codec == codec, "%s", name);
        cr_assert_eq(kit_decode(c, &b, NULL, &out, &n), HOLOG_OK, "%s", name);
        cr_assert(n == hg_cold_raw_bytes(&a) && memcmp(out, raw, n) == 0, "%s", name);
        free(out);
        free(raw);
        free(b.data);
        hg_coder_destroy(c);
        return 1;
    }
    hg_coder_destroy(c);
    return 0;
}

Test(cold_golden, blocks_written_once_are_read)
{
    cr_assert_geq(each(judge_good), 14);
}

/* As golden/make.c has it. */
Test(cold_golden, a_difference_without_a_base_in_a_box_is_read)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 40, 53 } };
    struct hg_coder *c = kit_coder();
    struct hg_buf b = read_file("7-4-2-0.boxed");
    uint8_t *base = kit_array(&a, KIT_NOISE, 43);
    uint8_t *other = kit_array(&a, KIT_NOISE, 42);
    const struct hg_cold_aid aid = { .base = base, .base_len = hg_cold_raw_bytes(&a) };
    uint8_t *out;
    size_t n;

    cr_assert_eq(kit_decode(c, &b, &aid, &out, &n), HOLOG_OK);
    for (size_t i = 0; i < n / 2; i++) {
        int is_in = i / 53 >= 5 && i / 53 < 30 && i % 53 >= 10 && i % 53 < 41;
        cr_assert_eq(memcmp(out + 2 * i, (is_in ? other : base) + 2 * i, 2), 0, "element %zu", i);
    }
    free(out);
    free(other);
    free(base);
    free(b.data);
    hg_coder_destroy(c);
}

/* NAME.corrupt: damage; NAME.later: of a later version. */
static int judge_bad(const char *name)
{
    const char *end = strrchr(name, '.');
    struct hg_coder *c = kit_coder();
    int expected = end == NULL || strcmp(end, ".corrupt") == 0 ? HOLOG_E_CORRUPT : HOLOG_E_NOTSUP;
    uint8_t *out;
    size_t n;

    if (end != NULL && (strcmp(end, ".corrupt") == 0 || strcmp(end, ".later") == 0)) {
        struct hg_buf b = read_file(name);
        cr_assert_eq(kit_decode(c, &b, NULL, &out, &n), expected, "%s", name);
        free(out);
        free(b.data);
        hg_coder_destroy(c);
        return 1;
    }
    hg_coder_destroy(c);
    return 0;
}

Test(cold_golden, damaged_blocks_and_later_ones_are_refused)
{
    cr_assert_geq(each(judge_bad), 5);
}

/* Libraries of another version may compress differently: only what they have no part in is compared. */
Test(cold_golden, a_stored_block_is_written_to_the_byte)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 1, { 3 } };
    static const uint8_t raw[] = { 1, 0, 2, 0, 3, 0 };
    /* clang-format off */
    static const uint8_t expected[] = {
        'H', 'G', 'C', '1', 0, 0, 0, 2, 1, 1, 0, 0, /* fixed */
        0x33, 0xD2, 0x46, 0x95, 0xBF, 0xCF, 0x16, 0xC4, /* hash of raw */
        0x03, 0x00, 0x00, 0x00, /* axis */
        0x0A, 0x00, 0x00, 0x00, 0xCE, 0x0E, 0xED, 0x48, 0xF1, 0xEE, 0x53, 0x03, /* part */
        0xE0, 0x6E, 0xCD, 0x9B, 0x86, 0xE4, 0x48, 0x35, /* hash of the head */
        0x00, 0x06, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x03, 0x00, /* stream */
    };
    /* clang-format on */
    struct hg_cold_plan plan = { 0 };
    struct hg_coder *c = kit_coder();
    struct hg_buf b = { 0 };

    cr_assert_eq(hg_cold_encode(c, &a, raw, &plan, NULL, &b), HOLOG_OK);
    cr_assert_eq(b.len, sizeof expected);
    for (size_t i = 0; i < b.len; i++)
        cr_assert_eq(b.data[i], expected[i], "byte %zu is %02x", i, b.data[i]);
    hg_buf_release(&b);
    hg_coder_destroy(c);
}
