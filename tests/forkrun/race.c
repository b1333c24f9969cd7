/* A race that ThreadSanitizer must report: shows that its run, under forkrun.c, can fail. */
#include <pthread.h>
#include <stddef.h>

#include <criterion/criterion.h>

static int raced;

static void *add_one(void *arg)
{
    raced++;
    return arg;
}

Test(forkrun, a_race_is_found)
{
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, add_one, NULL), 0);
    raced++;
    cr_assert_eq(pthread_join(thread, NULL), 0);
}
