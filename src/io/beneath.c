/*
 * Opening beneath a directory: by openat2; without it, component by component with O_NOFOLLOW.
 */
#include "io/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/common.h"

int hg_high_fd(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int err = errno;
    (void)close(fd); /* the descriptor is gone either way */
    errno = err;
    return high;
}

/* Keeps errno, so that it can stand between a failed call and its report. */
static void close_step(int root_fd, int dir)
{
    int err = errno;
    if (dir != root_fd)
        (void)close(dir); /* O_PATH: nothing to lose */
    errno = err;
}

/* Opens the directory part of name one component at a time. -1 and errno on failure. */
static int walk_to_parent(int root_fd, const char *name, const char **out_base)
{
    int dir = root_fd;
    const char *slash;
    while ((slash = strchr(name, '/')) != NULL) {
        char component[HG_IO_NAME_MAX + 1];
        size_t len = (size_t)(slash - name);
        int next = -1;
        if (len <= HG_IO_NAME_MAX) {
            memcpy(component, name, len);
            component[len] = '\0';
            next = openat(dir, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        } else {
            errno = ENAMETOOLONG;
        }
        close_step(root_fd, dir);
        if (next < 0)
            return -1;
        dir = next;
        name = slash + 1;
    }
    *out_base = name;
    return dir;
}

static int open_by_steps(const struct hg_beneath *b, const char *name, int flags, mode_t mode)
{
    const char *base = NULL;
    int dir = walk_to_parent(b->fd, name, &base);
    if (dir < 0)
        return -1;
    int fd = openat(dir, base[0] != '\0' ? base : ".", flags | O_NOFOLLOW, mode);
    close_step(b->fd, dir);
    return fd;
}

static int open_once(struct hg_beneath *b, const char *name, int flags, mode_t mode)
{
    struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW),
                            .mode = mode,
                            .resolve =
                                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    if (!atomic_load_explicit(&b->no_openat2, memory_order_relaxed)) {
        long fd = syscall(SYS_openat2, b->fd, name[0] != '\0' ? name : ".", &how, sizeof how);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
            return (int)fd;
        if (errno == ENOSYS)
            atomic_store(&b->no_openat2, 1);
        /* EPERM: a seccomp filter older than openat2 */
    }
    return open_by_steps(b, name, flags, mode);
}

int hg_beneath_open(struct hg_beneath *b, const char *name, int flags, mode_t mode)
{
    int tries = 0;
    int fd;
    flags |= O_CLOEXEC;
    if ((flags & O_PATH) == 0) /* openat2 takes no more than it needs for a path */
        flags |= O_NOCTTY;
    do
        fd = open_once(b, name, flags, mode);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < HG_IO_TRIES_MAX);
    return hg_high_fd(fd);
}
