/*
 * forkrun.c: runs Criterion tests without Criterion's sandbox, for the sanitizers.
 *
 * Criterion starts each test in a new process that inherits an arena at a random fixed address.
 * ThreadSanitizer refuses that address, and AddressSanitizer cannot look for leaks or show its
 * report there. Here each test runs in a forked child instead, which needs no arena. The program's
 * own symbols go before those of libcriterion.so, so this file stands in for main() and for the
 * few calls that the test and assertion macros make; tests are compiled unchanged. Served: Test,
 * TestSuite, ParameterizedTest with init, fini, signal, exit_code, disabled and timeout;
 * cr_assert*, cr_expect*, cr_skip_test. Not served: theories, redirection,
 * <criterion/new/assert.h>.
 *
 * A child's exit status: 0 passed, CHILD_FAILED a failed assertion, CHILD_SKIPPED, or what the
 * sanitizer says.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/abort.h>
#include <criterion/criterion.h>
#include <criterion/event.h>
#include <criterion/parameterized.h>

enum {
    CHILD_FAILED = 101,
    CHILD_SKIPPED = 102,
    SLOWER = 10,           /* how much longer a test may take than it says */
    POLL_NS = 2 * 1000000, /* between two looks at a child */
};

/* The linker makes these for the sections into which Test() and TestSuite() write. */
extern struct criterion_test *__start_cr_tst[] __attribute__((weak));
extern struct criterion_test *__stop_cr_tst[] __attribute__((weak));
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

static const struct criterion_test *current; /* the child's test */
static const struct criterion_suite *current_suite;
static void *current_param; /* NULL unless parameterised */
static int failures;        /* of this child; any thread may add to it */
static void *kept[64];      /* parameters that nobody cleans up: reachable, so no leak */

/* --- what the macros call, in the child ---------------------------------------------------- */

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (stats->passed)
        return;
    __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
    (void)fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line,
                  stats->message != NULL ? stats->message : "assertion failed");
}

void cri_asserts_passed_incr(void)
{
}

void criterion_abort_test(void)
{
    (void)fflush(NULL);
    _exit(CHILD_FAILED); /* not exit(): other threads may still run */
}

void criterion_continue_test(void)
{
}

__attribute__((format(printf, 1, 2))) void criterion_test_die(const char *msg, ...)
{
    va_list args;

    va_start(args, msg);
    (void)vfprintf(stderr, msg, args);
    va_end(args);
    (void)fputc('\n', stderr);
    criterion_abort_test();
}

__attribute__((format(printf, 1, 2))) void criterion_skip_test(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (format != NULL)
        (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(NULL);
    _exit(CHILD_SKIPPED);
}

void *cr_malloc(size_t size)
{
    return malloc(size);
}

void *cr_calloc(size_t nmemb, size_t size)
{
    return calloc(nmemb, size);
}

void *cr_realloc(void *ptr, size_t size)
{
    return realloc(ptr, size);
}

void cr_free(void *ptr)
{
    free(ptr);
}

void criterion_internal_test_setup(void)
{
    if (current_suite != NULL && current_suite->data->init != NULL)
        current_suite->data->init();
    if (current->data->init != NULL)
        current->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
    if (current->data->kind_ == CR_TEST_PARAMETERIZED)
        ((void (*)(void *))fn)(current_param);
    else
        fn();
}

void criterion_internal_test_teardown(void)
{
    if (current->data->fini != NULL)
        current->data->fini();
    if (current_suite != NULL && current_suite->data->fini != NULL)
        current_suite->data->fini();
}

/* --- the runner ----------------------------------------------------------------------------- */

static const struct criterion_suite *suite_of(const struct criterion_test *test)
{
    for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++) {
        if (*s != NULL && strcmp((*s)->name, test->category) == 0)
            return *s;
    }
    return NULL;
}

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Wait for the child; after limit_s seconds (0: for ever) kill it. Returns its wait status. */
static int reap(pid_t child, double limit_s, bool *out_late)
{
    const double start = seconds_now();
    const struct timespec nap = { .tv_sec = 0, .tv_nsec = POLL_NS };
    int status = 0;

    *out_late = false;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (limit_s > 0 && !*out_late && seconds_now() - start > limit_s) {
            *out_late = true;
            (void)kill(child, SIGKILL); /* it may just have ended */
        }
        (void)nanosleep(&nap, NULL);
    }
    return status;
}

static void child_main(const struct criterion_test *test, void *param)
{
    current = test;
    current_suite = suite_of(test);
    current_param = param;
    test->test();
    (void)fflush(NULL);
    exit(__atomic_load_n(&failures, __ATOMIC_RELAXED) == 0 ? 0 : CHILD_FAILED);
}

/* Run one test and print its TAP line. Returns 1 if it failed. */
static int run_one(const struct criterion_test *test, void *param, unsigned number)
{
    const struct criterion_suite *suite = suite_of(test);
    const struct criterion_test_extra_data *data = test->data;
    const double asked_s = data->timeout > 0 ? data->timeout
                           : suite != NULL   ? suite->data->timeout
                                             : 0;
    const char *skip = "";
    char why[64] = "";
    bool late = false;
    bool good = true;

    (void)fflush(NULL);
    if (data->disabled || (suite != NULL && suite->data->disabled)) {
        skip = " # SKIP disabled";
    } else {
        pid_t child = fork();
        if (child == 0)
            child_main(test, param);
        int status = child < 0 ? 0 : reap(child, asked_s * SLOWER, &late);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        good = child > 0 && !late && sig == data->signal && (sig != 0 || code == data->exit_code);
        if (code == CHILD_SKIPPED) {
            good = true;
            skip = " # SKIP";
        }
        if (!good)
            (void)snprintf(why, sizeof why, "  # %s, exit status %d, signal %d",
                           late ? "timed out" : "failed", code, sig);
    }
    printf("%sok %u - %s::%s%s%s\n", good ? "" : "not ", number, test->category, test->name, skip,
           why);
    return good ? 0 : 1;
}

/* Criterion's --filter takes a glob over suite/name; here only the '*' at either end counts. */
static bool wanted(const struct criterion_test *test, const char *filter)
{
    char name[512];
    char part[512];

    if (filter == NULL)
        return true;
    (void)snprintf(name, sizeof name, "%s/%s", test->category, test->name);
    (void)snprintf(part, sizeof part, "%s", filter[0] == '*' ? filter + 1 : filter);
    size_t len = strlen(part);
    if (len > 0 && part[len - 1] == '*')
        part[len - 1] = '\0';
    return strstr(name, part) != NULL;
}

int main(int argc, char **argv)
{
    const char *filter = NULL;
    unsigned number = 0;
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
    }
    for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
        if (*t == NULL || !wanted(*t, filter))
            continue;
        if ((*t)->data->kind_ != CR_TEST_PARAMETERIZED) {
            failed += run_one(*t, NULL, ++number);
            continue;
        }
        struct criterion_test_params params = (*t)->data->param_();
        kept[(size_t)(t - __start_cr_tst) % 64] = params.params;
        for (size_t i = 0; i < params.length; i++)
            failed += run_one(*t, (char *)params.params + i * params.size, ++number);
        if (params.cleanup != NULL)
            params.cleanup(&params);
    }
    printf("1..%u\n", number);
    (void)fflush(NULL);
    return failed == 0 ? 0 : 1;
}
