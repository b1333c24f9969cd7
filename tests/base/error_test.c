#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <criterion/criterion.h>

static struct holog_error_detail last(void)
{
    struct holog_error_detail d;
    holog_last_error(&d);
    return d;
}

Test(error, every_code_has_a_name_and_a_meaning)
{
    static const int codes[] = {
        HOLOG_OK,         HOLOG_E_INVAL,       HOLOG_E_NOENT,       HOLOG_E_EXIST,
        HOLOG_E_NOTDIR,   HOLOG_E_ISDIR,       HOLOG_E_NOTEMPTY,    HOLOG_E_LOOP,
        HOLOG_E_BADPATH,  HOLOG_E_NAMETOOLONG, HOLOG_E_RANGE,       HOLOG_E_TOOBIG,
        HOLOG_E_TYPE,     HOLOG_E_CONFLICT,    HOLOG_E_VERSION,     HOLOG_E_NOTSUP,
        HOLOG_E_CANCELED, HOLOG_E_BUSY,        HOLOG_E_READONLY,    HOLOG_E_POISONED,
        HOLOG_E_FORKED,   HOLOG_E_NOTSTORE,    HOLOG_E_NOTDIREMPTY, HOLOG_E_STALE,
        HOLOG_E_CLOSED,   HOLOG_E_DROPPED,     HOLOG_E_NOMEM,       HOLOG_E_NOSPC,
        HOLOG_E_IO,       HOLOG_E_BUDGET,      HOLOG_E_INDOUBT,     HOLOG_E_AGAIN,
        HOLOG_E_CORRUPT,
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        cr_assert_eq(strncmp(holog_error_name(codes[i]), "HOLOG_", 6), 0);
        cr_assert_str_neq(holog_error_name(codes[i]), "HOLOG_E_UNKNOWN");
        cr_assert_str_neq(holog_strerror(codes[i]), "unknown result code");
    }
    cr_assert_str_eq(holog_error_name(HOLOG_E_NOENT), "HOLOG_E_NOENT");
    cr_assert_str_eq(holog_error_name(-9999), "HOLOG_E_UNKNOWN");
    cr_assert_str_eq(holog_strerror(12345), "unknown result code");
}

Test(error, the_code_comes_back_and_the_message_is_formatted)
{
    cr_assert_eq(hg_error(HOLOG_E_NOSPC, "no space for %d bytes", 42), HOLOG_E_NOSPC);
    struct holog_error_detail d = last();
    cr_assert_eq(d.code, HOLOG_E_NOSPC);
    cr_assert_str_eq(d.message, "no space for 42 bytes");
    cr_assert_eq(d.has_position, 0);
    cr_assert_str_empty(d.path);
}

Test(error, damage_names_segment_and_offset)
{
    cr_assert_eq(hg_corrupt(7, 4096, "bad hash"), HOLOG_E_CORRUPT);
    struct holog_error_detail d = last();
    cr_assert(d.has_position && d.segment == 7 && d.offset == 4096);
    cr_assert_eq(hg_corrupt_file("SUPER", 12, "bad magic"), HOLOG_E_CORRUPT);
    d = last();
    cr_assert_eq(d.has_position, 0, "no segment of that number is meant");
    cr_assert_eq(d.offset, 12);
    cr_assert_str_eq(d.path, "SUPER");
}

Test(error, a_path_is_named_without_losing_the_rest)
{
    (void)hg_corrupt(7, 4096, "bad hash");
    hg_error_name_path("/plate/well-7", 6);
    struct holog_error_detail d = last();
    cr_assert_str_eq(d.path, "/plate");
    cr_assert_str_eq(d.message, "bad hash");
    cr_assert(d.code == HOLOG_E_CORRUPT && d.has_position && d.segment == 7 && d.offset == 4096);
}

Test(error, nothing_of_an_earlier_failure_shows_in_a_later_one)
{
    (void)hg_corrupt(7, 4096, "bad hash");
    (void)hg_error_sys(EIO, "read", "seg/1");
    struct holog_error_detail d = last();
    cr_assert(!d.has_position && d.segment == 0 && d.offset == 0);
    (void)hg_error(HOLOG_E_INVAL, "x");
    d = last();
    cr_assert_eq(d.sys_errno, 0);
    cr_assert_str_empty(d.path);
}

Test(error, a_kernel_error_keeps_its_errno_and_says_what_failed)
{
    cr_assert_eq(hg_error_sys(ENOSPC, "write", "seg/1"), HOLOG_E_NOSPC);
    cr_assert_eq(hg_error_sys(EDQUOT, "write", "seg/1"), HOLOG_E_NOSPC);
    cr_assert_eq(hg_error_sys(ENOMEM, "write", "seg/1"), HOLOG_E_NOMEM);
    cr_assert_eq(hg_error_sys(EIO, "write", "seg/1"), HOLOG_E_IO);
    struct holog_error_detail d = last();
    cr_assert_eq(d.sys_errno, EIO);
    cr_assert_str_eq(d.path, "seg/1");
    cr_assert_str_eq(d.message, "write seg/1: Input/output error");
    cr_assert_eq(hg_error_sys(99999, "write", ""), HOLOG_E_IO, "an errno nobody knows");
}

Test(error, what_is_too_long_is_cut_and_ends_with_nul)
{
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)hg_error_path(HOLOG_E_NOENT, text, sizeof text - 1, "%s", text);
    struct holog_error_detail d = last();
    cr_assert_eq(strlen(d.path), sizeof d.path - 1);
    cr_assert_eq(strlen(d.message), sizeof d.message - 1);
}

Test(error, a_path_is_not_cut_inside_a_character)
{
    char text[400];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* 255 is odd: the cut falls inside one */
    (void)hg_error_path(HOLOG_E_NOENT, text, sizeof text, "x");
    cr_assert_eq(strlen(last().path), 254);
    for (size_t i = 0; i + 3 < sizeof text; i += 4)
        memcpy(text + i, "\xf0\x9f\x8c\x8a", 4);
    (void)hg_error_path(HOLOG_E_NOENT, text, sizeof text, "x");
    cr_assert_eq(strlen(last().path), 252);
}

static void *fail_elsewhere(void *arg)
{
    (void)hg_error(HOLOG_E_IO, "elsewhere");
    return arg;
}

Test(error, each_thread_has_its_own_detail)
{
    pthread_t t;
    (void)hg_error(HOLOG_E_INVAL, "here");
    cr_assert_eq(pthread_create(&t, NULL, fail_elsewhere, NULL), 0);
    cr_assert_eq(pthread_join(t, NULL), 0);
    cr_assert_str_eq(last().message, "here");
}

Test(error, a_detail_can_be_kept_and_put_back)
{
    struct holog_error_detail kept;
    (void)hg_error(HOLOG_E_NOSPC, "first cause");
    hg_error_get(&kept);
    (void)hg_error(HOLOG_E_IO, "cleanup failed too");
    hg_error_set(&kept);
    cr_assert_str_eq(last().message, "first cause");
    hg_error_clear();
    cr_assert_eq(last().code, HOLOG_OK);
}

Test(error, whoever_wants_no_detail_gets_none)
{
    (void)hg_error(HOLOG_E_IO, "something");
    holog_last_error(NULL);
    cr_assert_eq(last().code, HOLOG_E_IO);
}
