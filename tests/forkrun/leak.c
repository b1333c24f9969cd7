/* A leak that AddressSanitizer must report: shows that its run, under forkrun.c, can fail. */
#include <stdlib.h>

#include <criterion/criterion.h>

Test(forkrun, a_leak_is_found)
{
    char *volatile bytes = malloc(100);

    cr_assert(bytes != NULL);
    bytes = NULL;
}
