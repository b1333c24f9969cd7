/*
 * An eventfd to wake a host's event loop. Real worlds only; the simulated machine has none.
 */
#include "io/event.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

int hg_io_event_create(struct hg_io *io, int *out_fd)
{
    int fd;

    if (io->ops->world == HG_WORLD_SIM)
        return hg_error(HOLOG_E_NOTSUP, "no event descriptor on the simulated machine");
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return hg_error_sys(errno, "eventfd", "");
    *out_fd = fd;
    return HOLOG_OK;
}

void hg_io_event_signal(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);

    (void)n; /* full: whoever reads it is awake anyway */
}

void hg_io_event_close(int fd)
{
    (void)close(fd); /* nothing is lost with it */
}

int hg_process_id(void)
{
    return (int)getpid();
}
