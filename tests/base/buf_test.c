#include "base/buf.h"

#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "holog/error.h"

Test(buf, what_is_appended_is_there_in_order)
{
    struct hg_buf b = { 0 };
    cr_assert_eq(hg_buf_append(&b, "ab", 2), HOLOG_OK);
    cr_assert_eq(hg_buf_append_byte(&b, 'c'), HOLOG_OK);
    cr_assert_eq(hg_buf_append_le32(&b, 0x04030201), HOLOG_OK);
    cr_assert_eq(hg_buf_append_le64(&b, 0x0807060504030201), HOLOG_OK);
    cr_assert_eq(hg_buf_append_varint(&b, 300), HOLOG_OK);
    cr_assert_eq(hg_buf_append_zeros(&b, 3), HOLOG_OK);
    static const uint8_t want[] = { 'a', 'b', 'c', 1, 2, 3,    4, 1, 2, 3,
                                    4,   5,   6,   7, 8, 0xac, 2, 0, 0, 0 };
    cr_assert_eq(b.len, sizeof want);
    cr_assert_arr_eq(b.data, want, sizeof want);
    hg_buf_release(&b);
}

Test(buf, appending_nothing_to_nothing_is_allowed)
{
    struct hg_buf b = { 0 };
    cr_assert_eq(hg_buf_append(&b, NULL, 0), HOLOG_OK);
    cr_assert_eq(b.len, 0);
    hg_buf_release(&b);
}

Test(buf, a_release_leaves_it_ready_for_use)
{
    struct hg_buf b = { 0 };
    cr_assert_eq(hg_buf_append(&b, "x", 1), HOLOG_OK);
    hg_buf_release(&b);
    cr_assert(b.data == NULL && b.len == 0 && b.cap == 0);
    cr_assert_eq(hg_buf_append(&b, "y", 1), HOLOG_OK);
    hg_buf_release(&b);
}

Test(buf, many_appends_keep_every_byte)
{
    struct hg_buf b = { 0 };
    for (unsigned i = 0; i < 100000; i++)
        cr_assert_eq(hg_buf_append_byte(&b, (uint8_t)i), HOLOG_OK);
    for (unsigned i = 0; i < 100000; i++)
        cr_assert_eq(b.data[i], (uint8_t)i);
    hg_buf_release(&b);
}

static int always(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 1;
}

Test(buf, without_memory_the_content_stays)
{
    struct hg_buf b = { 0 };
    cr_assert_eq(hg_buf_append(&b, "kept", 4), HOLOG_OK);
    hg_alloc_set_fault(always, NULL);
    cr_assert_eq(hg_buf_append_zeros(&b, 100000), HOLOG_E_NOMEM);
    hg_alloc_set_fault(NULL, NULL);
    cr_assert_eq(b.len, 4);
    cr_assert_arr_eq(b.data, "kept", 4);
    hg_buf_release(&b);
}

Test(buf, a_size_that_overflows_is_refused)
{
    struct hg_buf b = { 0 };
    cr_assert_eq(hg_buf_append_byte(&b, 1), HOLOG_OK);
    cr_assert_eq(hg_buf_reserve(&b, SIZE_MAX), HOLOG_E_NOMEM);
    cr_assert_eq(hg_buf_reserve(&b, SIZE_MAX / 2), HOLOG_E_NOMEM);
    hg_buf_release(&b);
}
