/*
 * Threads, parking, clock and chance of the real worlds.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"
#include "io/posix.h"

#define NS_PER_S 1000000000ull

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (1u << 20) /* sanitizers widen every frame */
#else
#define STACK_BYTES (256u << 10)
#endif

struct hg_thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
    char name[16]; /* what the kernel keeps */
};

static void *thread_main(void *arg)
{
    struct hg_thread *t = arg;
    (void)pthread_setname_np(pthread_self(), t->name); /* only for people who look */
    t->run(t->arg);
    return NULL;
}

/* The host's signals are the host's business; what a fault of our own raises must not be blocked. */
static void block_signals(sigset_t *out_before)
{
    sigset_t set;
    (void)sigfillset(&set);
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        (void)sigdelset(&set, own[i]);
    (void)pthread_sigmask(SIG_BLOCK, &set, out_before); /* fails only on a bad first argument */
}

static int create_thread(struct hg_thread *t)
{
    pthread_attr_t attr;
    sigset_t before;
    int err = pthread_attr_init(&attr);
    if (err != 0)
        return err;
    err = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (err == 0) {
        block_signals(&before); /* inherited by the new thread */
        err = pthread_create(&t->id, &attr, thread_main, t);
        /* The program's thread-local storage comes out of the stack, and may be larger. */
        if (err == EINVAL)
            err = pthread_create(&t->id, NULL, thread_main, t);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attr);
    return err;
}

int hg_px_thread_start(struct hg_io *io, const char *name, void (*run)(void *arg), void *arg,
                       struct hg_thread **out_thread)
{
    HG_UNUSED(io);
    struct hg_thread *t = hg_calloc(1, sizeof *t);
    if (t == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for thread %s", name);
    t->run = run;
    t->arg = arg;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    int err = create_thread(t);
    if (err != 0) {
        hg_free(t);
        return hg_io_fail(err, "start thread", name);
    }
    *out_thread = t;
    return HOLOG_OK;
}

void hg_px_thread_join(struct hg_io *io, struct hg_thread *t)
{
    HG_UNUSED(io);
    int err = pthread_join(t->id, NULL);
    HG_ASSERT(err == 0); /* joined twice, or by itself */
    hg_free(t);
}

void hg_px_thread_low(struct hg_io *io)
{
    HG_UNUSED(io);
    /* It gets its share of a busy machine, or commits would wait for it, but never interrupts who was woken: a commit.
     * Of a thread, on Linux; whoever may not do it goes on as before. */
    const struct sched_param none = { 0 };
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static struct timespec to_timespec(uint64_t ns)
{
    uint64_t s = HG_MIN(ns / NS_PER_S, (uint64_t)INT_MAX);
    return (struct timespec){ .tv_sec = (time_t)s, .tv_nsec = (long)(ns % NS_PER_S) };
}

void hg_px_word_wait(struct hg_io *io, uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    HG_UNUSED(io);
    struct timespec timeout = to_timespec(timeout_ns);
    /* Whatever it returns (woken, changed, timed out, EINTR), the caller looks at the word again. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
                  timeout_ns == UINT64_MAX ? NULL : &timeout, NULL, 0);
}

void hg_px_word_wake(struct hg_io *io, uint32_t *word, int n)
{
    HG_UNUSED(io);
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    int rc = clock_gettime(clock, &now);
    HG_ASSERT(rc == 0); /* both clocks exist on every Linux */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t hg_px_now_ns(struct hg_io *io)
{
    HG_UNUSED(io);
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t hg_px_wall_ns(struct hg_io *io)
{
    HG_UNUSED(io);
    return read_clock(CLOCK_REALTIME);
}

int hg_px_random(struct hg_io *io, void *out, size_t len)
{
    HG_UNUSED(io);
    uint8_t *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue; /* only while the machine still gathers entropy */
        if (n < 0)
            return hg_io_fail(errno, "getrandom", "");
        p += n;
        len -= (size_t)n;
    }
    return HOLOG_OK;
}

void hg_px_sleep_ns(struct hg_io *io, uint64_t ns)
{
    HG_UNUSED(io);
    struct timespec left = to_timespec(ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}
