/*
 * Which world a directory is opened in, and what a forked child must do with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"
#include "io/posix.h"

static int open_posix(const char *dir, const char *why, struct hg_io **out_io)
{
    struct hg_px_io *px = hg_calloc(1, sizeof *px);
    if (px == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", dir);
    int rc = hg_px_init(px, &hg_px_ops, dir);
    if (rc < 0) {
        hg_free(px);
        return rc;
    }
    px->base.why_world = why;
    *out_io = &px->base;
    return HOLOG_OK;
}

#if HG_HAVE_IO_URING

/* Text for why_world, which outlives this call. */
static const char *why_refused(int errno_value)
{
    switch (errno_value) {
    case ENOSYS: return "io_uring refused: the kernel does not have it (ENOSYS)";
    case EPERM: return "io_uring refused: not permitted here (EPERM)";
    case ENOMEM: return "io_uring refused: the limit of locked memory is too low (ENOMEM)";
    case EMFILE:
    case ENFILE: return "io_uring refused: no descriptor left (EMFILE)";
    case EOPNOTSUPP:
    case EINVAL: return "io_uring refused: the kernel's is too old";
    default: return "io_uring refused";
    }
}

int hg_io_open(const char *dir, enum hg_io_choice choice, struct hg_io **out_io)
{
    struct holog_error_detail why;
    if (choice == HG_IO_POSIX)
        return open_posix(dir, "", out_io);
    int rc = hg_uring_open(dir, out_io);
    if (rc != HOLOG_E_NOTSUP || choice == HG_IO_URING)
        return rc;
    hg_error_get(&why);
    return open_posix(dir, why_refused(why.sys_errno), out_io);
}

#else

int hg_io_open(const char *dir, enum hg_io_choice choice, struct hg_io **out_io)
{
    if (choice == HG_IO_URING)
        return hg_error(HOLOG_E_NOTSUP, "this build has no io_uring");
    return open_posix(dir, choice == HG_IO_AUTO ? "built without io_uring" : "", out_io);
}

#endif

void hg_io_abandon(struct hg_io *io)
{
    if (io->ops->world == HG_WORLD_SIM)
        return;
    struct hg_px_io *px = (struct hg_px_io *)io;
    for (int i = 0; i < HG_PX_LOCK_FILES; i++) {
        int fd = atomic_exchange(&px->lock_fds[i], 0) - 1;
        if (fd >= 0)
            (void)close(fd); /* the child's copy; the parent still has the lock */
    }
#if HG_HAVE_IO_URING
    if (io->ops->world == HG_WORLD_URING)
        hg_uring_abandon(io);
#endif
}

int hg_io_sync_parent(const char *dir)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    while (len > 0 && dir[len - 1] != '/')
        len--;
    char *parent = len != 0 ? hg_strndup(dir, len) : hg_strndup(".", 1);
    if (parent == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to create %s", dir);
    int rc = HOLOG_OK;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = hg_io_fail(errno, "sync directory", parent);
    if (fd >= 0)
        (void)close(fd);
    hg_free(parent);
    return rc;
}

int hg_io_make_dir(const char *dir)
{
    if (mkdir(dir, 0700) != 0 || chmod(dir, 0700) != 0) /* whatever the umask */
        return hg_io_fail(errno, "create directory", dir);
    return hg_io_sync_parent(dir);
}
