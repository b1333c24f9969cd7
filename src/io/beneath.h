/*
 * Opening beneath a directory: no symlink on the way, and no way out.
 */
#ifndef HG_IO_BENEATH_H
#define HG_IO_BENEATH_H

#include <stdatomic.h>
#include <sys/types.h>

struct hg_beneath {
    int fd;                /* the directory; fixed after open */
    atomic_int no_openat2; /* the kernel lacks openat2 */
};

/* "" is the directory itself; no component of name is "", "." or "..". A descriptor above 2, close-on-exec;
 * or -1 and errno. */
int hg_beneath_open(struct hg_beneath *b, const char *name, int flags, mode_t mode);

/* Make sure a descriptor of ours is not 0, 1 or 2, which the host may reopen. -1 stays -1. */
int hg_high_fd(int fd);

#endif
