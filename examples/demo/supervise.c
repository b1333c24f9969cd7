#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

int child_start(struct child *child, int (*body)(void *ctx, int message_fd), void *ctx)
{
    int ends[2];
    pid_t parent = getpid();

    if (pipe(ends) < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0) {
        int cause = errno;
        (void)close(ends[0]); /* nothing was written: nothing to lose */
        (void)close(ends[1]);
        errno = cause;
        return -1;
    }
    if (pid == 0) {
        (void)close(ends[0]); /* the parent's end */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(1);
        _exit(body(ctx, ends[1]));
    }
    (void)close(ends[1]); /* the child's end: the pipe ends when the child does */
    *child = (struct child){ .pid = pid, .fd = ends[0] };
    return 0;
}

/* 1: there is something to read, or the child is gone; 0: the deadline came first. */
static int wait_readable(int fd, uint64_t deadline_ns)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (;;) {
        uint64_t now = now_ns();
        uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
        struct timespec timeout = { .tv_sec = (time_t)(left / 1000000000U),
                                    .tv_nsec = (long)(left % 1000000000U) };
        int n = ppoll(&p, 1, deadline_ns == 0 ? NULL : &timeout, NULL);
        if (n > 0)
            return 1;
        if (n == 0)
            return 0;
        if (errno != EINTR)
            return 1; /* let read() say what is wrong */
    }
}

int child_hear(struct child *child, uint64_t deadline_ns, struct message *out_message)
{
    ssize_t n = 0;

    if (!wait_readable(child->fd, deadline_ns))
        return -1;
    do {
        n = read(child->fd, out_message, sizeof(*out_message));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*out_message) ? 1 : 0;
}

void child_kill(const struct child *child)
{
    (void)kill(child->pid, SIGKILL); /* not reaped yet, so the pid is still its own */
}

int child_reap(struct child *child)
{
    int status = 0;

    (void)close(child->fd); /* only read */
    while (waitpid(child->pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
