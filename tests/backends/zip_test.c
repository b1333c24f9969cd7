/*
 * Zip files: what is written is read again, and is what the format says; what somebody else wrote is read; and what
 * nobody should write is refused, with the entry that it is about.
 */
#include "backends/zarr/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/byteorder.h"
#include "base/error.h"

static struct hg_buf file;
static struct holog_error_detail error;

static int put(void *ctx, uint64_t offset, const void *data, size_t len)
{
    struct hg_buf *b = ctx;
    size_t over = HG_MIN(len, b->len - (size_t)offset);

    cr_assert_leq(offset, b->len, "a hole is left");
    if (over > 0)
        memcpy(b->data + offset, data, over);
    return hg_buf_append(b, (const uint8_t *)data + over, len - over);
}

/* The bytes of an entry are its name, but for one that cannot be had. */
static int begins;

static int begin(void *ctx, const char *name, const void **out, size_t *out_len)
{
    (void)ctx;
    if (strcmp(name, "bad") == 0)
        return hg_error(HOLOG_E_CANCELED, "not this one");
    begins++;
    *out = name;
    *out_len = strlen(name);
    return HOLOG_OK;
}

static void end(void *ctx)
{
    (void)ctx;
    begins--;
}

static int read_at(void *ctx, uint64_t offset, void *out, size_t len)
{
    const struct hg_buf *b = ctx;

    cr_assert(offset <= b->len && len <= b->len - offset, "read behind the end: %zu at %llu", len,
              (unsigned long long)offset);
    if (len > 0)
        memcpy(out, b->data + offset, len);
    return HOLOG_OK;
}

static void clean(void)
{
    hg_buf_release(&file);
}

TestSuite(zip, .fini = clean);

/* ---- written here ------------------------------------------------------------------------------------*/

static void write_zip(const char *const *names, size_t n, const char *comment)
{
    struct hg_zip_to to = { put, begin, end, &file };
    struct hg_zip_writer w;

    hg_buf_release(&file);
    cr_assert_eq(hg_zip_begin(&w, &to), HOLOG_OK);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(hg_zip_add(&w, names[i]), HOLOG_OK);
    cr_assert_eq(hg_zip_end(&w, comment), HOLOG_OK);
    hg_zip_release(&w);
    cr_assert_eq(begins, 0);
}

static int open_zip(struct hg_zip *z)
{
    struct hg_zip_from from = { read_at, &file, file.len };
    int rc;

    hg_error_clear();
    rc = hg_zip_open(z, &from);
    hg_error_get(&error);
    return rc;
}

static int append_name(void *ctx, const char *name, int is_dir, uint64_t size)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 400 - strlen(told), is_dir ? "%s/ " : "%s=%u ", name,
                   (unsigned)size);
    return 0;
}

static const char *listed(const struct hg_zip *z, const char *dir)
{
    static char told[400];

    told[0] = 0;
    cr_assert_eq(hg_zip_list(z, dir, append_name, told), HOLOG_OK);
    return told;
}

static const char *const some[] = { "zarr.json", "a/zarr.json", "a.b", "a/c/0/0",   "a/c/10",
                                    "a/c/1/7",   "a!",          "b",   "\xc3\xa4/x" };
#define SOME (sizeof some / sizeof some[0])

Test(zip, what_is_written_is_read_again_by_name)
{
    struct hg_zip z;

    write_zip(some, SOME, "");
    cr_assert_eq(open_zip(&z), HOLOG_OK, "%s", error.message);
    cr_assert_eq(z.n, SOME);
    for (size_t i = 0; i < SOME; i++) {
        struct hg_buf b = { 0 };
        const struct hg_zip_entry *e = hg_zip_find(&z, some[i]);
        cr_assert_not_null(e, "%s", some[i]);
        cr_assert_eq(hg_zip_read(&z, e, 100, &b), HOLOG_OK);
        cr_assert(b.len == strlen(some[i]) && memcmp(b.data, some[i], b.len) == 0, "%s", some[i]);
        cr_assert_eq(hg_zip_read(&z, e, b.len - 1, &b), HOLOG_E_TOOBIG);
        hg_buf_release(&b);
    }
    cr_assert_null(hg_zip_find(&z, "a"));
    cr_assert_null(hg_zip_find(&z, "a/c/0"));
    hg_zip_close(&z);
}

Test(zip, directories_are_what_names_have_in_common)
{
    struct hg_zip z;

    write_zip(some, SOME, "a comment");
    cr_assert_eq(open_zip(&z), HOLOG_OK);
    cr_assert_str_eq(listed(&z, ""), "a/ a!=2 a.b=3 b=1 zarr.json=9 \xc3\xa4/ ");
    cr_assert_str_eq(listed(&z, "a"), "c/ zarr.json=11 ");
    cr_assert_str_eq(listed(&z, "a/c"), "0/ 1/ 10=6 ");
    cr_assert_str_eq(listed(&z, "a/c/1"), "7=7 ");
    cr_assert_str_eq(listed(&z, "b"), "");
    cr_assert_str_eq(listed(&z, "none"), "");
    hg_zip_close(&z);
}

/* Byte by byte, as whoever reads it from the front finds it: RFC-9 wants zip64 whatever the size is. */
Test(zip, an_entry_has_its_sizes_in_64_bits_and_is_of_one_day)
{
    static const char *const one[] = { "k" };
    const uint8_t *central;

    write_zip(one, 1, "{}");
    cr_assert_eq(file.len, 30 + 1 + 20 + 1 + 46 + 1 + 22 + 2);
    cr_assert(memcmp(file.data, "PK\3\4\x2d\0\0\0\0\0\0\0\x21\0", 14) == 0);
    cr_assert_eq(hg_get_le16(file.data + 28), 20);
    cr_assert(hg_get_le32(file.data + 31) == 0x00100001 && hg_get_le64(file.data + 35) == 1);
    cr_assert_eq(hg_get_le64(file.data + 43), 1);
    central = file.data + 52;
    cr_assert(memcmp(central, "PK\1\2", 4) == 0 && central[5] == 3);
    cr_assert_eq(hg_get_le16(central + 6), 45);
    cr_assert(memcmp(central + 12, "\0\0\x21\0", 4) == 0, "January 1, 1980");
    cr_assert_eq(hg_get_le32(central + 38) >> 16, 0100644);
    cr_assert(memcmp(central + 47, "PK\5\6", 4) == 0 && hg_get_le16(central + 67) == 2);
}

Test(zip, the_time_zone_makes_no_other_bytes)
{
    struct hg_buf here = { 0 };

    cr_assert_eq(setenv("TZ", "Asia/Kathmandu", 1), 0);
    write_zip(some, SOME, "");
    cr_assert_eq(hg_buf_append(&here, file.data, file.len), HOLOG_OK);
    cr_assert_eq(setenv("TZ", "America/New_York", 1), 0);
    write_zip(some, SOME, "");
    cr_assert(here.len == file.len && memcmp(here.data, file.data, file.len) == 0);
    hg_buf_release(&here);
}

Test(zip, what_an_entry_fails_with_is_told_as_it_is)
{
    struct hg_zip_to to = { put, begin, end, &file };
    struct hg_zip_writer w;

    cr_assert_eq(hg_zip_begin(&w, &to), HOLOG_OK);
    cr_assert_eq(hg_zip_add(&w, "good"), HOLOG_OK);
    cr_assert_eq(hg_zip_add(&w, "bad"), HOLOG_OK);
    cr_assert_eq(hg_zip_end(&w, ""), HOLOG_E_CANCELED);
    hg_error_get(&error);
    cr_assert_str_eq(error.message, "not this one");
    hg_zip_release(&w);
    cr_assert_eq(begins, 0);
}

Test(zip, more_entries_than_16_bits_can_count_are_all_there)
{
    struct hg_zip_to to = { put, begin, end, &file };
    struct hg_zip_writer w;
    struct hg_zip z;
    char name[20];

    cr_assert_eq(hg_zip_begin(&w, &to), HOLOG_OK);
    for (unsigned i = 0; i < 70000; i++) {
        (void)snprintf(name, sizeof name, "c/%u", i);
        cr_assert_eq(hg_zip_add(&w, name), HOLOG_OK);
    }
    cr_assert_eq(hg_zip_end(&w, ""), HOLOG_OK);
    hg_zip_release(&w);
    cr_assert_eq(memcmp(file.data + file.len - 22 - 20 - 56, "PK\6\6", 4), 0, "zip64 is needed");
    cr_assert_eq(open_zip(&z), HOLOG_OK, "%s", error.message);
    cr_assert_eq(z.n, 70000);
    cr_assert_not_null(hg_zip_find(&z, "c/69999"));
    hg_zip_close(&z);
}

/* ---- written by somebody else ------------------------------------------------------------------------*/

/* An entry as others write it: without zip64. */
struct part {
    const char *name;
    size_t name_len; /* 0: strlen */
    const char *data;
    size_t len;    /* in the file */
    uint32_t says; /* that it is so many; 0: len */
    uint32_t size, crc;
    uint16_t flags, method, system;
    uint32_t mode;
    uint32_t at;       /* where its header is; set by add_part */
    const char *local; /* the name there; NULL: the same */
};

static void add_part(struct part *p)
{
    uint8_t h[30] = "PK\3\4";
    const char *name = p->local != NULL ? p->local : p->name;

    if (p->name_len == 0)
        p->name_len = strlen(p->name);
    p->at = (uint32_t)file.len;
    hg_put_le16(h + 6, p->flags);
    hg_put_le16(h + 8, p->method);
    hg_put_le16(h + 26, (uint16_t)p->name_len);
    cr_assert_eq(hg_buf_append(&file, h, sizeof h), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&file, name, p->name_len), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&file, p->data, p->len), HOLOG_OK);
}

static void add_header(const struct part *p)
{
    uint8_t h[46] = "PK\1\2";

    h[5] = (uint8_t)p->system;
    hg_put_le16(h + 8, p->flags);
    hg_put_le16(h + 10, p->method);
    hg_put_le32(h + 16, p->crc);
    hg_put_le32(h + 20, p->says != 0 ? p->says : (uint32_t)p->len);
    hg_put_le32(h + 24, p->size);
    hg_put_le16(h + 28, (uint16_t)p->name_len);
    hg_put_le32(h + 38, p->mode << 16);
    hg_put_le32(h + 42, p->at);
    cr_assert_eq(hg_buf_append(&file, h, sizeof h), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&file, p->name, p->name_len), HOLOG_OK);
}

static void add_end(size_t dir_at, unsigned n)
{
    uint8_t e[22] = "PK\5\6";

    hg_put_le16(e + 8, (uint16_t)n);
    hg_put_le16(e + 10, (uint16_t)n);
    hg_put_le32(e + 12, (uint32_t)(file.len - dir_at));
    hg_put_le32(e + 16, (uint32_t)dir_at);
    cr_assert_eq(hg_buf_append(&file, e, sizeof e), HOLOG_OK);
}

static void make(struct part *parts, unsigned n)
{
    size_t dir_at;

    hg_buf_release(&file);
    for (unsigned i = 0; i < n; i++)
        add_part(&parts[i]);
    dir_at = file.len;
    for (unsigned i = 0; i < n; i++)
        add_header(&parts[i]);
    add_end(dir_at, n);
}

#define HI .data = "hi", .len = 2, .size = 2, .crc = 0xd8932aac
#define GOOD               \
    {                      \
        .name = "good", HI \
    }
#define REFUSED(code_, words_, ...)                                                               \
    do {                                                                                          \
        struct part parts_[] = { GOOD, __VA_ARGS__ };                                             \
        struct hg_zip z_;                                                                         \
        make(parts_, sizeof parts_ / sizeof parts_[0]);                                           \
        int rc_ = open_zip(&z_);                                                                  \
        hg_zip_close(&z_);                                                                        \
        cr_expect_eq(rc_, code_, "%s: %s: %s", #__VA_ARGS__, holog_error_name(rc_),               \
                     error.message);                                                              \
        cr_expect_not_null(strstr(error.message, words_), "%s: %s", #__VA_ARGS__, error.message); \
    } while (0)

static int read_second(void)
{
    struct hg_zip z;
    struct hg_buf b = { 0 };
    int rc = open_zip(&z);

    if (rc == HOLOG_OK) {
        for (size_t i = 0; i < z.n; i++)
            if (strcmp(z.entries[i].name, "good") != 0)
                rc = hg_zip_read(&z, &z.entries[i], 1 << 20, &b);
        hg_error_get(&error);
    }
    cr_assert(rc == HOLOG_OK || b.len == 0);
    hg_buf_release(&b);
    hg_zip_close(&z);
    return rc;
}

#define BAD_READ(code_, words_, ...)                                                              \
    do {                                                                                          \
        struct part parts_[] = { GOOD, __VA_ARGS__ };                                             \
        make(parts_, 2);                                                                          \
        int rc_ = read_second();                                                                  \
        cr_expect_eq(rc_, code_, "%s: %s: %s", #__VA_ARGS__, holog_error_name(rc_),               \
                     error.message);                                                              \
        cr_expect_not_null(strstr(error.message, words_), "%s: %s", #__VA_ARGS__, error.message); \
    } while (0)

Test(zip, names_that_lead_elsewhere_are_refused)
{
    REFUSED(HOLOG_E_BADPATH, "\"../x\"", { .name = "../x", HI });
    REFUSED(HOLOG_E_BADPATH, "\"a/../../x\"", { .name = "a/../../x", HI });
    REFUSED(HOLOG_E_BADPATH, "\"/etc/passwd\"", { .name = "/etc/passwd", HI });
    REFUSED(HOLOG_E_BADPATH, "\"a//b\"", { .name = "a//b", HI });
    REFUSED(HOLOG_E_BADPATH, "\"./x\"", { .name = "./x", HI });
    REFUSED(HOLOG_E_BADPATH, "backslash", { .name = "a\\..\\x", HI });
    REFUSED(HOLOG_E_BADPATH, "\"a?/../b\"", { .name = "a\n/../b", HI });
    REFUSED(HOLOG_E_BADPATH, "UTF-8", { .name = "a\xff", HI });
    REFUSED(HOLOG_E_BADPATH, "../", { .name = "../", .data = "" });
    REFUSED(HOLOG_E_BADPATH, "no name", { .name = "", HI });
}

Test(zip, an_entry_in_another_that_is_a_file_is_refused)
{
    REFUSED(HOLOG_E_CORRUPT, "\"good/x\" is to be in it", { .name = "good/x", HI });
}

Test(zip, what_has_no_entries_is_read_too)
{
    struct hg_zip z;

    make(NULL, 0);
    cr_assert_eq(open_zip(&z), HOLOG_OK);
    cr_assert_str_eq(listed(&z, ""), "");
    hg_zip_close(&z);
}

Test(zip, of_entries_of_one_name_the_last_counts)
{
    struct part parts[] = { { .name = "a", .data = "1st", .len = 3, .size = 3 },
                            GOOD,
                            { .name = "a", .data = "second", .len = 6, .size = 6 },
                            { .name = "a", HI } };
    const struct hg_zip_entry *e;
    struct hg_buf b = { 0 };
    struct hg_zip z;

    make(parts, 4);
    cr_assert_eq(open_zip(&z), HOLOG_OK, "%s", error.message);
    cr_assert_str_eq(listed(&z, ""), "a=2 good=2 ");
    e = hg_zip_find(&z, "a");
    cr_assert(e != NULL && e->copies == 2 && hg_zip_find(&z, "good")->copies == 0);
    cr_assert_eq(hg_zip_read(&z, e, 100, &b), HOLOG_OK);
    cr_assert(b.len == 2 && memcmp(b.data, "hi", 2) == 0);
    hg_buf_release(&b);
    hg_zip_close(&z);
}

/* libzip does so: what is in front of it never stands alone. */
Test(zip, a_nul_in_a_name_is_a_space)
{
    struct part parts[] = { GOOD, { .name = "a\0b", .name_len = 3, HI } };
    struct hg_zip z;

    make(parts, 2);
    cr_assert_eq(open_zip(&z), HOLOG_OK, "%s", error.message);
    cr_assert_str_eq(listed(&z, ""), "a b=2 good=2 ");
    hg_zip_close(&z);
}

Test(zip, what_is_no_file_or_hidden_is_refused)
{
    REFUSED(HOLOG_E_LOOP, "\"l\": is a symlink", { .name = "l", HI, .system = 3, .mode = 0120777 });
    REFUSED(HOLOG_E_LOOP, "symlink", { .name = "l", HI, .system = 19, .mode = 0120777 });
    REFUSED(HOLOG_E_TYPE, "\"p\"", { .name = "p", HI, .system = 3, .mode = 0010644 });
    REFUSED(HOLOG_E_TYPE, "\"d\"", { .name = "d", HI, .system = 3, .mode = 0040755 });
    REFUSED(HOLOG_E_NOTSUP, "\"e\": is encrypted", { .name = "e", HI, .flags = 1 });
    REFUSED(HOLOG_E_NOTSUP, "encrypted", { .name = "e", HI, .flags = 1 << 6 | 1 });
    REFUSED(HOLOG_E_NOTSUP, "\"z\"", { .name = "z", HI, .method = 93 });
    REFUSED(HOLOG_E_CORRUPT, "\"d/\": is a directory", { .name = "d/", HI });
}

Test(zip, sizes_that_cannot_be_are_refused_before_anything_is_read)
{
    REFUSED(HOLOG_E_CORRUPT, "two sizes", { .name = "x", .data = "hi", .len = 2, .size = 3 });
    REFUSED(HOLOG_E_TOOBIG, "\"bomb\"",
            { .name = "bomb", .data = "hi", .len = 2, .size = 3000000000u, .method = 8 });
    REFUSED(HOLOG_E_CORRUPT, "\"x\": it does not fit",
            { .name = "x", .data = "hi", .len = 2, .says = 5000, .size = 5000 });
}

/* The whole of what a bomb is made of: one run of bytes that many entries have. */
Test(zip, entries_that_share_their_bytes_are_refused)
{
    struct part p = {
        .name = "a",
        .data = "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "01234567890123456789012345678901234567890123456789012345678901234567890123456789",
        .len = 160,
        .size = 160
    };
    struct hg_zip z;
    size_t dir_at;
    char name[2] = "a";

    add_part(&p);
    dir_at = file.len;
    p.name = name;
    for (; name[0] < 'd'; name[0]++)
        add_header(&p);
    add_end(dir_at, 3);
    cr_assert_eq(open_zip(&z), HOLOG_E_CORRUPT);
    cr_assert_not_null(strstr(error.message, "bytes of another"), "%s", error.message);
    hg_zip_close(&z);
}

Test(zip, damaged_bytes_are_found_and_named)
{
    BAD_READ(HOLOG_E_CORRUPT, "\"x\": its checksum",
             { .name = "x", .data = "ho", .len = 2, .size = 2, .crc = 0xd8932aac });
    BAD_READ(HOLOG_E_CORRUPT, "\"x\"",
             { .name = "x", .data = "hi", .len = 2, .says = 80, .size = 80 });
}

/* Blocks of deflate that are not compressed. */
#define BLOCK "\1\2\0\xfd\xffhi"

Test(zip, deflated_entries_make_what_they_say_or_are_refused)
{
    struct part good[] = {
        GOOD, { .name = "x", .data = BLOCK, .len = 7, .size = 2, .crc = 0xd8932aac, .method = 8 }
    };

    make(good, 2);
    cr_assert_eq(read_second(), HOLOG_OK, "%s", error.message);
    BAD_READ(HOLOG_E_CORRUPT, "\"x\"",
             { .name = "x", .data = BLOCK, .len = 7, .size = 1, .method = 8 });
    BAD_READ(HOLOG_E_CORRUPT, "\"x\"",
             { .name = "x", .data = BLOCK, .len = 7, .size = 3, .method = 8 });
    BAD_READ(HOLOG_E_CORRUPT, "\"x\"",
             { .name = "x", .data = BLOCK, .len = 6, .says = 6, .size = 2, .method = 8 });
    BAD_READ(HOLOG_E_CORRUPT, "checksum",
             { .name = "x", .data = BLOCK, .len = 7, .size = 2, .crc = 1, .method = 8 });
}

/* ---- every byte --------------------------------------------------------------------------------------*/

/* All of it is read, or a failure says why; nobody reads outside of it. */
static int read_all(void)
{
    struct hg_zip z;
    struct hg_buf b = { 0 };
    int rc = open_zip(&z);

    for (size_t i = 0; rc == HOLOG_OK && i < z.n; i++)
        rc = hg_zip_read(&z, &z.entries[i], 1 << 20, &b);
    hg_error_get(&error);
    hg_buf_release(&b);
    hg_zip_close(&z);
    return rc;
}

Test(zip, cut_anywhere_it_is_refused)
{
    size_t len;

    write_zip(some, SOME, "");
    len = file.len;
    for (size_t n = 0; n < len; n++) {
        file.len = n;
        cr_assert_lt(read_all(), 0, "cut to %zu bytes", n);
        cr_assert_gt(strlen(error.message), 0);
    }
    file.len = len;
    cr_assert_eq(read_all(), HOLOG_OK);
}

/* A name, or a byte of an entry: there is a sum of these. What else flips is refused, or says nothing of it. */
Test(zip, a_flipped_byte_makes_no_other_bytes)
{
    write_zip(some, SOME, "");
    for (size_t at = 0; at < file.len; at++) {
        struct hg_zip z;
        file.data[at] ^= 0x11;
        if (open_zip(&z) == HOLOG_OK) {
            for (size_t i = 0; i < SOME; i++) {
                struct hg_buf b = { 0 };
                const struct hg_zip_entry *e = hg_zip_find(&z, some[i]);
                if (e != NULL && hg_zip_read(&z, e, 100, &b) == HOLOG_OK)
                    cr_assert(b.len == strlen(some[i]) && memcmp(b.data, some[i], b.len) == 0,
                              "byte %zu", at);
                hg_buf_release(&b);
            }
        }
        hg_zip_close(&z);
        file.data[at] ^= 0x11;
    }
}

/* Sizes of a file that nobody has. */
static int refuse_to_read(void *ctx, uint64_t offset, void *out, size_t len)
{
    uint8_t end[56 + 20 + 22] = "PK\6\6";
    uint64_t size = UINT64_C(1) << 40;
    const uint64_t *entries = ctx;

    hg_put_le64(end + 4, 44);
    hg_put_le64(end + 24, *entries);
    hg_put_le64(end + 32, *entries);
    hg_put_le64(end + 40, size - sizeof end);
    memcpy(end + 56, "PK\6\7", 4);
    hg_put_le64(end + 64, size - sizeof end);
    hg_put_le32(end + 72, 1);
    memcpy(end + 76, "PK\5\6", 4);
    memset(end + 84, 0xff, 12);
    memset(out, 0, len);
    for (size_t i = 0; i < len; i++)
        if (offset + i >= size - sizeof end)
            ((uint8_t *)out)[i] = end[offset + i - (size - sizeof end)];
    return HOLOG_OK;
}

Test(zip, more_entries_than_memory_should_hold_are_refused_at_once)
{
    uint64_t entries = HG_ZIP_ENTRIES_MAX + 1;
    struct hg_zip_from from = { refuse_to_read, &entries, UINT64_C(1) << 40 };
    struct hg_zip z;

    cr_assert_eq(hg_zip_open(&z, &from), HOLOG_E_TOOBIG);
    hg_error_get(&error);
    cr_assert_not_null(strstr(error.message, "16777217 entries"), "%s", error.message);
    hg_zip_close(&z);
    entries = UINT64_C(1) << 60;
    cr_assert_eq(hg_zip_open(&z, &from), HOLOG_E_TOOBIG);
    hg_zip_close(&z);
    entries = 1;
    cr_assert_eq(hg_zip_open(&z, &from), HOLOG_E_INVAL, "zeros are no directory");
    hg_zip_close(&z);
}

static int fail_to_read(void *ctx, uint64_t offset, void *out, size_t len)
{
    (void)ctx;
    memset(out, 0, len);
    return offset == 0 ? HOLOG_OK : hg_error(HOLOG_E_IO, "the disk is gone");
}

Test(zip, what_reading_fails_with_is_told_as_it_is)
{
    struct hg_zip_from from = { fail_to_read, NULL, 200000 };
    struct hg_zip z;

    cr_assert_eq(hg_zip_open(&z, &from), HOLOG_E_IO);
    hg_error_get(&error);
    cr_assert_str_eq(error.message, "the disk is gone");
    hg_zip_close(&z);
}
