#include "base/assert.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

static void leave_quietly(const char *expr, const char *file, int line)
{
    int told = strcmp(expr, "1 == 2") == 0 && strstr(file, "assert_test.c") != NULL && line > 0;
    _Exit(told ? 7 : 8);
}

Test(assert, a_false_condition_aborts, .signal = SIGABRT)
{
    HG_ASSERT(1 == 2);
}

Test(assert, the_hook_is_told_what_and_where, .exit_code = 7)
{
    hg_assert_set_hook(leave_quietly);
    HG_ASSERT(1 == 2);
}

Test(assert, a_true_condition_is_evaluated_once)
{
    int n = 0;
    HG_ASSERT(++n == 1);
    cr_assert_eq(n, 1);
}

Test(assert, rounding_goes_to_the_next_multiple)
{
    cr_assert_eq(HG_ALIGN_UP(0u, 8u), 0);
    cr_assert_eq(HG_ALIGN_UP(1u, 8u), 8);
    cr_assert_eq(HG_ALIGN_UP(8u, 8u), 8);
    cr_assert_eq(HG_ALIGN_DOWN(15u, 8u), 8);
    uint64_t wide = (UINT64_C(1) << 40) + 5;
    cr_assert_eq(HG_ALIGN_UP(wide, 8u), (UINT64_C(1) << 40) + 8, "no cut to the width of 8u");
    cr_assert_eq(HG_ALIGN_DOWN(wide, 8u), UINT64_C(1) << 40);
}
