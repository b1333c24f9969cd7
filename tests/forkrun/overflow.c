/* A signed overflow that UBSan must report: shows that its run, under forkrun.c, can fail. */
#include <limits.h>

#include <criterion/criterion.h>

Test(forkrun, an_overflow_is_found)
{
    volatile int x = INT_MAX;

    x = x + 1;
    cr_assert(x != 0);
}
