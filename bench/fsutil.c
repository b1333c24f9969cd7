/*
 * Scratch directories, disk usage and the page cache; see util.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util.h"

int bench_path(char *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(out, BENCH_PATH_MAX, format, args);
    va_end(args);
    return n > 0 && n < BENCH_PATH_MAX ? 0 : bench_fail("path too long");
}

int bench_make_dir(const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return bench_fail("mkdir %s: errno %d", path, errno);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

int bench_remove_tree(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return 0;
    if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0)
        return bench_fail("cannot remove %s: errno %d", path, errno);
    return 0;
}

int bench_make_fresh_dir(const char *path)
{
    if (bench_remove_tree(path) != 0)
        return -1;
    return bench_make_dir(path);
}

int bench_settle(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return bench_fail("open %s: errno %d", path, errno);
    int rc = syncfs(fd);
    (void)close(fd); /* only read */
    return rc == 0 ? 0 : bench_fail("syncfs: errno %d", errno);
}

/* nftw has no context argument; the bench walks from one thread only. */
static uint64_t walk_bytes;
static uint64_t walk_sizes;

static int drop_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)where;
    if (kind != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;        /* gone meanwhile: nothing of it is cached for us */
    (void)fdatasync(fd); /* a dirty page is not dropped */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(fd);
    return 0;
}

int bench_drop_cache(const char *path)
{
    if (nftw(path, drop_one, 32, FTW_PHYS) != 0)
        return bench_fail("cannot walk %s: errno %d", path, errno);
    return 0;
}

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)path;
    (void)where;
    if (kind == FTW_F || kind == FTW_D) {
        walk_bytes += (uint64_t)st->st_blocks * 512;
        walk_sizes += kind == FTW_F ? (uint64_t)st->st_size : 0;
    }
    return 0;
}

static int count_tree(const char *path)
{
    walk_bytes = 0;
    walk_sizes = 0;
    if (nftw(path, count_one, 32, FTW_PHYS) != 0)
        return bench_fail("cannot walk %s: errno %d", path, errno);
    return 0;
}

int bench_disk_usage(const char *path, const char *only, uint64_t *out_bytes)
{
    char inner[BENCH_PATH_MAX];

    if (only != NULL && bench_path(inner, "%s/%s", path, only) != 0)
        return -1;
    if (count_tree(only != NULL ? inner : path) != 0)
        return -1;
    *out_bytes = walk_bytes;
    return 0;
}

int bench_file_sizes(const char *path, uint64_t *out_bytes)
{
    if (count_tree(path) != 0)
        return -1;
    *out_bytes = walk_sizes;
    return 0;
}

static int newer(const struct stat *a, const struct stat *b)
{
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

int bench_usage_but_newest(const char *path, uint64_t *out_bytes)
{
    uint64_t sum = 0;
    struct stat newest = { .st_blocks = 0 };
    DIR *dir = opendir(path);

    *out_bytes = 0;
    if (dir == NULL)
        return errno == ENOENT ? 0 : bench_fail("open %s: errno %d", path, errno);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        sum += (uint64_t)st.st_blocks * 512;
        if (newer(&st, &newest))
            newest = st;
    }
    (void)closedir(dir);
    *out_bytes = sum - (uint64_t)newest.st_blocks * 512;
    return 0;
}

int bench_free_space(const char *path, uint64_t *out_bytes)
{
    struct statvfs v;

    if (statvfs(path, &v) != 0)
        return bench_fail("statvfs %s: errno %d", path, errno);
    *out_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}
