/* Segments that were written once are read by every version: golden/make.c says how they were made. */
#include <dirent.h>

#include "small.h"

static struct kit_file *read_golden(const char *name)
{
    char path[4096];
    uint8_t *data;
    long len;

    (void)snprintf(path, sizeof path, "%s/%s", HOLOG_GOLDEN_DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    len = ftell(f);
    cr_assert(len >= 0 && fseek(f, 0, SEEK_SET) == 0);
    data = malloc((size_t)len + 1);
    cr_assert(data != NULL && fread(data, 1, (size_t)len, f) == (size_t)len);
    (void)fclose(f);
    return kit_file_of(data, (size_t)len);
}

Test(hwp_golden, a_segment_written_once_is_read)
{
    struct small *s = small_make();
    struct kit_file *f = read_golden("good.hwp");
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_tables *t = hg_hwp_tables(h);
    struct hg_hwp_verify how = { 0 };

    for (unsigned i = 0; i < SMALL_PAGES; i++)
        memset(s->page[i] + 1000 * i + 100, 0, 20);
    cr_assert_eq(small_check(h, s, "golden"), SMALL_THINGS);
    OK(hg_hwp_verify(h, &how));
    cr_assert(t->count[HG_HWP_GROUPS] == 4 && t->count[HG_HWP_VALUES] == 4 &&
              t->count[HG_HWP_PAGES] == SMALL_PAGES && t->count[HG_HWP_SOURCES] == 1);
    cr_assert(t->source[0].id == 3 && t->source[0].kind == HG_KIND_EXTENTS &&
              t->source[0].epoch == 77);
    cr_assert_eq(hg_hwp_footer(h)->profile, HG_PROFILE_DEFAULT);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

/* NAME.corrupt: damage, found at the door or by verifying; NAME.later: of a later version. */
static unsigned judge(const char *name)
{
    const char *end = strrchr(name, '.');
    struct hg_hwp_verify how = { 0 };
    struct hg_hwp *h = NULL;
    int is_corrupt = end != NULL && strcmp(end, ".corrupt") == 0;

    if (!is_corrupt && (end == NULL || strcmp(end, ".later") != 0))
        return 0;
    struct kit_file *f = read_golden(name);
    struct hg_hwp_from from = kit_from(f);
    int rc = hg_hwp_open(&from, &h);
    if (rc == HOLOG_OK)
        rc = hg_hwp_verify(h, &how);
    cr_assert_eq(rc, is_corrupt ? HOLOG_E_CORRUPT : HOLOG_E_VERSION, "%s: %d", name, rc);
    hg_hwp_close(h);
    kit_file_free(f);
    return 1;
}

Test(hwp_golden, damaged_segments_and_later_ones_are_refused)
{
    DIR *dir = opendir(HOLOG_GOLDEN_DIR);
    unsigned count = 0;

    cr_assert_not_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        count += judge(e->d_name);
    (void)closedir(dir);
    cr_assert_geq(count, 6);
}

static int fill_three(struct hg_hwp_writer *w, void *ctx)
{
    (void)ctx;
    return hg_hwp_add_value(w, 0x11, NULL, "abc", 3, NULL);
}

/* Of three bytes no library compresses anything: so the file is known to the byte. */
Test(hwp_golden, a_segment_of_three_bytes_is_written_to_the_byte)
{
    /* clang-format off */
    static const uint8_t entry[] = {
        0x11, 0, 0, 0, 0, 0, 0, 0,  3, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,
        0x26, 1, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  1, 0, 0, 0, /* sum, group, groups */
        6, 0, 0x01, 1,  0, 0, 0, 0,  3, 0, 0, 0, 0, 0, 0, 0, /* csum, flags, element, rank */
        0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t group[] = {
        0, 0x10, 0, 0, 0, 0, 0, 0,  3, 0, 0, 0, 0, 0, 0, 0, /* offset, raw */
    };
    /* clang-format on */
    struct kit_plan p = { .fill = fill_three };
    struct kit_file *f = kit_make(&p);
    const uint8_t *at = f->data + 4096;

    cr_assert_eq(f->size, 4096 * 3);
    cr_assert_arr_eq(at, "HGC1", 4);
    cr_assert_arr_eq(at + 44,
                     "\x00\x03\x00\x00"
                     "abc",
                     7); /* head of one axis; a raw stream */
    at += 44 + 7;
    cr_assert_arr_eq(at, group, sizeof group);
    cr_assert_arr_eq(at + 24, "\x2c\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00", 12);
    cr_assert_arr_eq(at + 64, "\x01\x00", 2);
    cr_assert_arr_eq(at + 72, entry, sizeof entry);
    cr_assert_arr_eq(f->data + 8192, "HOLOGHWP\x01\x00\x00\x00\x09\x00\x00\x00", 16);
    kit_file_free(f);
}
