/*
 * progress.c: the line on stderr that says how far a long call has come; clock and signals.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define PATIENCE_NS 1000000000u /* shorter waits are not worth a line */
#define REPEAT_NS   200000000u

static atomic_int signal_seen; /* lock-free: the handler and all threads may use it */

uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int wake_fd = -1; /* set before handlers are, by the only thread */

static void on_signal(int number)
{
    const uint64_t one = 1;
    int error = errno;

    signal_seen = number;
    if (wake_fd >= 0)
        (void)!write(wake_fd, &one, sizeof one); /* full, it can be read from all the same */
    errno = error;
}

int interrupted_fd(int *out_fd)
{
    if (wake_fd < 0)
        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return errno;
    *out_fd = wake_fd;
    return 0;
}

void catch_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)SA_RESETHAND; /* a second one ends the process at once */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

bool interrupted(void)
{
    return signal_seen != 0;
}

void progress_begin(struct progress *progress, const char *label)
{
    *progress = (struct progress){
        .label = label,
        .start_ns = now_ns(),
        .enabled = isatty(STDERR_FILENO) != 0,
    };
}

static void put_amount(uint64_t amount, const char *unit)
{
    char text[HUMAN_MAX];

    if (strcmp(unit, "bytes") == 0)
        (void)fputs(human_bytes(amount, text), stderr);
    else
        (void)fprintf(stderr, "%" PRIu64 " %s", amount, unit);
}

static void put_progress(const struct progress *progress, uint64_t done, uint64_t total,
                         const char *unit, uint64_t now)
{
    double seconds = (double)(now - progress->start_ns) / 1e9;
    double rate = (double)done / seconds;
    char text[HUMAN_MAX];

    (void)fprintf(stderr, "\r%s: ", progress->label);
    put_amount(done, unit);
    if (total != 0) {
        (void)fputs(" of ", stderr);
        put_amount(total, unit);
        (void)fprintf(stderr, ", %.0f %%", done < total ? 100 * (double)done / (double)total : 100);
    }
    (void)fputs(", ", stderr);
    put_amount((uint64_t)rate, unit);
    (void)fputs("/s", stderr);
    if (done < total && rate > 0)
        (void)fprintf(stderr, ", %s left",
                      human_duration((uint64_t)((double)(total - done) / rate * 1e9), text));
    (void)fputs("\033[K", stderr);
}

int progress_report(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    struct progress *progress = ctx;

    if (progress->enabled) {
        uint64_t now = now_ns();
        uint64_t since = progress->shown_ns != 0 ? progress->shown_ns : progress->start_ns;
        uint64_t wait = progress->shown_ns != 0 ? REPEAT_NS : PATIENCE_NS;
        if (now - since >= wait) {
            put_progress(progress, done, total, unit, now);
            progress->shown_ns = now;
        }
    }
    return interrupted() ? 1 : 0;
}

void progress_end(struct progress *progress)
{
    if (progress->shown_ns != 0)
        (void)fputs("\r\033[K", stderr);
    progress->shown_ns = 0;
}
