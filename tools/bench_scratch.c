/*
 * bench_scratch.c: see bench_scratch.h.
 */
#include "bench_scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int scratch_make(const char *parent, char *out, size_t room)
{
    int n = snprintf(out, room, "%s/holog-bench-XXXXXX", parent);

    if (n < 0 || (size_t)n + sizeof "/store/quarantine/00000000.hlog" > room)
        return ENAMETOOLONG;
    return mkdtemp(out) == NULL ? errno : 0;
}

static int remove_below(int fd); /* takes fd over */

static int remove_name(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return errno;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = remove_below(fd);
    if (error == 0 && unlinkat(parent, name, AT_REMOVEDIR) != 0)
        error = errno;
    return error;
}

static int remove_below(int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int error = 0;

    if (dir == NULL) {
        error = errno;
        (void)close(fd); /* it was only read */
        return error;
    }
    /* This DIR is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while (error == 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = remove_name(dirfd(dir), entry->d_name);
    }
    (void)closedir(dir); /* it was only read */
    return error;
}

int scratch_remove(const char *dir)
{
    return remove_name(AT_FDCWD, dir);
}
