/*
 * One file outside a store, read in pieces; see outside.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"
#include "io/outside_internal.h"

#define READ_MAX (1u << 30) /* bytes of one call */

struct hg_outside_file {
    int fd;
    uint64_t size;
    char name[256]; /* for messages; its end, where it is longer */
};

static int check_kind(int fd, const char *path, uint64_t *out_size)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return hg_io_fail(errno, "look at", path);
    if (S_ISDIR(st.st_mode))
        return hg_error(HOLOG_E_ISDIR, "%s is a directory", path);
    if (!S_ISREG(st.st_mode))
        return hg_error(HOLOG_E_TYPE, "%s is no regular file", path);
    *out_size = (uint64_t)st.st_size;
    return HOLOG_OK;
}

int hg_outside_file_open(const char *path, struct hg_outside_file **out)
{
    struct hg_outside_file *f = hg_calloc(1, sizeof *f);
    size_t len = strlen(path);
    int rc;

    if (f == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", path);
    (void)snprintf(f->name, sizeof f->name, "%s",
                   len < sizeof f->name ? path : path + len - (sizeof f->name - 1));
    /* A FIFO would wait for somebody to open its other end. */
    f->fd = hg_high_fd(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    rc = f->fd < 0 ? hg_io_fail(errno, "open", path) : check_kind(f->fd, path, &f->size);
    if (rc < 0)
        hg_outside_file_close(f);
    else
        *out = f;
    return rc;
}

uint64_t hg_outside_file_size(const struct hg_outside_file *f)
{
    return f->size;
}

int hg_outside_file_read(struct hg_outside_file *f, uint64_t offset, void *out, size_t len)
{
    uint8_t *at = out;
    int tries = 0;

    while (len > 0) {
        ssize_t n = pread(f->fd, at, HG_MIN(len, (size_t)READ_MAX), (off_t)offset);
        if (n < 0 && (errno != EINTR || ++tries == HG_IO_TRIES_MAX))
            return hg_io_fail(errno, "read", f->name);
        if (n == 0)
            return hg_error(HOLOG_E_IO, "%s: has become shorter: no byte %" PRIu64, f->name,
                            offset);
        if (n > 0) {
            at += n;
            offset += (uint64_t)n;
            len -= (size_t)n;
        }
    }
    return HOLOG_OK;
}

void hg_outside_file_close(struct hg_outside_file *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        (void)close(f->fd); /* it was only read */
    hg_free(f);
}
