#include "base/alloc.h"

#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>

struct nth {
    int at; /* this allocation fails, counted from 1 */
    int seen;
};

static int fail_nth(size_t size, void *ctx)
{
    struct nth *n = ctx;
    (void)size;
    return ++n->seen == n->at;
}

Test(alloc, nothing_fails_without_a_hook)
{
    void *p = hg_malloc(0);
    cr_assert_not_null(p, "size 0 is one byte, so that NULL always means no memory");
    p = hg_realloc(p, 100);
    cr_assert_not_null(p);
    hg_free(p);
    hg_free(NULL);
}

Test(alloc, the_nth_allocation_of_any_kind_fails)
{
    for (int at = 1; at <= 5; at++) {
        struct nth n = { .at = at };
        hg_alloc_set_fault(fail_nth, &n);
        void *p[5];
        p[0] = hg_malloc(8);
        p[1] = hg_calloc(2, 8);
        p[2] = hg_strndup("abc", 3);
        p[3] = hg_alloc_aligned(4096, 8192);
        p[4] = hg_realloc(NULL, 8);
        for (int i = 0; i < 5; i++) {
            cr_assert_eq(p[i] == NULL, i + 1 == at, "allocation %d with fault at %d", i + 1, at);
            hg_free(p[i]);
        }
        cr_assert_eq(hg_alloc_live(), 0);
        hg_alloc_set_fault(NULL, NULL);
    }
}

Test(alloc, live_blocks_are_counted_while_a_hook_is_set)
{
    struct nth never = { .at = -1 };
    hg_alloc_set_fault(fail_nth, &never);
    void *a = hg_malloc(1);
    void *b = hg_realloc(NULL, 1);
    b = hg_realloc(b, 1000);
    cr_assert_eq(hg_alloc_live(), 2);
    hg_free(a);
    hg_free(b);
    cr_assert_eq(hg_alloc_live(), 0);
    hg_alloc_set_fault(NULL, NULL);
}

Test(alloc, a_product_that_overflows_is_no_memory)
{
    cr_assert_null(hg_calloc(SIZE_MAX / 2, 3));
    cr_assert_null(hg_strndup("x", SIZE_MAX));
}

Test(alloc, a_failed_realloc_leaves_the_block)
{
    struct nth second = { .at = 2 };
    hg_alloc_set_fault(fail_nth, &second);
    char *p = hg_strndup("kept", 4);
    cr_assert_null(hg_realloc(p, 100));
    cr_assert_str_eq(p, "kept");
    hg_free(p);
    cr_assert_eq(hg_alloc_live(), 0);
    hg_alloc_set_fault(NULL, NULL);
}

Test(alloc, aligned_blocks_are_aligned)
{
    for (size_t align = sizeof(void *); align <= 65536; align *= 2) {
        void *p = hg_alloc_aligned(align, 3);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % align, 0);
        hg_free(p);
    }
}

Test(alloc, strndup_ends_with_nul)
{
    char *s = hg_strndup("abcdef", 3);
    cr_assert_str_eq(s, "abc");
    hg_free(s);
    s = hg_strndup(NULL, 0);
    cr_assert_str_eq(s, "");
    hg_free(s);
}

Test(alloc, pages_are_whole_and_can_be_failed)
{
    static const size_t sizes[] = { 1, 4096, 5000, (size_t)5 << 20 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *p = hg_alloc_pages(sizes[i]);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % 4096, 0);
        p[0] = 1;
        p[sizes[i] - 1] = 2;
        hg_free_pages(p, sizes[i]);
    }
    hg_free_pages(NULL, 1);
}

Test(alloc, more_huge_pages_take_what_they_replace_and_leave_the_rest)
{
    const size_t mib = (size_t)1 << 20;
    uint8_t *block = hg_alloc_pages(5 * mib);
    size_t huge = 0;

    cr_assert_not_null(block);
    for (int i = 0; i < 3; i++) { /* the third does not fit */
        size_t now;
        memset(block, 0xee, 5 * mib);
        now = hg_alloc_more_huge(block, 5 * mib, huge);
        cr_assert(now == huge || now == huge + 2 * mib);
        for (size_t at = 0; at < 5 * mib; at += 512)
            cr_assert_eq(block[at], at >= huge && at < now ? 0 : 0xee, "round %d, byte %zu", i, at);
        huge = now;
    }
    cr_assert_eq(huge, HG_ALLOC_BY_MALLOC ? 0 : 4 * mib);
    hg_free_pages(block, 5 * mib);
}
