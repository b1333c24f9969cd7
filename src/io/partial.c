/*
 * Made under another name; see partial.h.
 */
#include "io/partial.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"
#include "io/outside_internal.h"

#define WORD      ".partial-"
#define STAGE     (256u << 10) /* bytes of small pieces that become one write */
#define DEPTH_MAX 512          /* of directories; no path of a store is as deep */
#define MODE_FILE 0666         /* other people's files: the umask decides */
#define MODE_DIR  0777

struct hg_partial {
    struct hg_outside *parent;
    struct hg_outside dir; /* of a directory: itself; else its fd is -1 */
    int fd;                /* of a file; else -1 */
    uint64_t flushed;      /* bytes of a file, */
    struct hg_buf stage;   /* and those behind them */
    char name[HG_IO_NAME_MAX + 1];
    char temp[HG_IO_NAME_MAX + 1];
};

/* ---- removing ----------------------------------------------------------------------------------------*/

static int remove_below(int dir, unsigned depth);

static int remove_entry(int dir, const char *base, unsigned depth)
{
    int below;
    int rc;

    if (unlinkat(dir, base, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    below = hg_high_fd(openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below < 0)
        return -1;
    rc = remove_below(below, depth + 1);
    (void)close(below);
    return rc < 0 ? -1 : unlinkat(dir, base, AT_REMOVEDIR);
}

/* The mark goes last: what is left, should this be cut, still is ours. */
static int remove_below(int dir, unsigned depth)
{
    _Alignas(struct dirent64) char buf[1024];
    ssize_t n;

    if (depth == DEPTH_MAX || lseek(dir, 0, SEEK_SET) < 0)
        return -1;
    while ((n = getdents64(dir, buf, sizeof buf)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
            at += e->d_reclen;
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                (depth > 0 || strcmp(e->d_name, HG_PARTIAL_MARK) != 0) &&
                remove_entry(dir, e->d_name, depth) != 0)
                return -1;
        }
    }
    if (n == 0 && depth == 0 && unlinkat(dir, HG_PARTIAL_MARK, 0) != 0 && errno != ENOENT)
        return -1;
    return n < 0 ? -1 : 0;
}

static void remove_it(int parent, int fd, int is_dir, const char *base)
{
    if (!is_dir)
        (void)unlinkat(parent, base, 0); /* else it stays; partial.h says who removes it then */
    else if (remove_below(fd, 0) == 0)
        (void)unlinkat(parent, base, AT_REMOVEDIR); /* the same */
}

/* ---- what others left --------------------------------------------------------------------------------*/

static int is_empty(int dir)
{
    _Alignas(struct dirent64) char buf[1024];
    ssize_t n;

    while ((n = getdents64(dir, buf, sizeof buf)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
            at += e->d_reclen;
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                return 0;
        }
    }
    return n == 0;
}

/* Of a lock that has just been taken: is the file still called so? Another process may have removed it. */
static int is_still(int parent, const char *base, int fd)
{
    struct stat named;
    struct stat open;

    return fstat(fd, &open) == 0 && fstatat(parent, base, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/* An empty directory may be one that had no time to get its mark; who loses it loses nothing. */
static int is_ours(int fd)
{
    char head[4];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return fstatat(fd, HG_PARTIAL_MARK, &st, AT_SYMLINK_NOFOLLOW) == 0 || is_empty(fd);
    return S_ISREG(st.st_mode) && st.st_nlink == 1 &&
           (st.st_size == 0 || (pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
                                memcmp(head, "PK\3\4", sizeof head) == 0));
}

static int is_dir_fd(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void remove_if_dead(int parent, const char *base)
{
    int fd =
        hg_high_fd(openat(parent, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));

    if (fd < 0)
        return;
    if (is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still(parent, base, fd))
        remove_it(parent, fd, is_dir_fd(fd), base);
    (void)close(fd); /* and with it the lock */
}

/* NAME.partial-DIGITS */
static int is_partial_of(const char *base, const char *name)
{
    size_t len = strlen(name);
    const char *digits = base + len + sizeof WORD - 1;

    if (strncmp(base, name, len) != 0 || strncmp(base + len, WORD, sizeof WORD - 1) != 0 ||
        *digits == 0)
        return 0;
    while (isdigit((unsigned char)*digits))
        digits++;
    return *digits == 0;
}

struct look {
    const struct hg_partial *p;
    int is_there; /* something has the name already */
};

static int look_at(void *ctx, const char *name, int is_dir, uint64_t size)
{
    struct look *l = ctx;

    (void)is_dir;
    (void)size;
    l->is_there |= strcmp(name, l->p->name) == 0;
    if (is_partial_of(name, l->p->name))
        remove_if_dead(l->p->parent->root.fd, name);
    return 0;
}

/* ---- beginning ---------------------------------------------------------------------------------------*/

static int create(const struct hg_partial *p, int is_dir)
{
    int parent = p->parent->root.fd;

    if (!is_dir)
        return hg_high_fd(
            openat(parent, p->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE_FILE));
    if (mkdirat(parent, p->temp, MODE_DIR) != 0)
        return -1;
    return hg_high_fd(openat(parent, p->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static int mark(int dir, const char *temp)
{
    int fd = openat(dir, HG_PARTIAL_MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE_FILE);

    if (fd < 0)
        return hg_io_fail(errno, "create a mark in", temp);
    (void)close(fd); /* it is empty */
    return HOLOG_OK;
}

/* *out_fd: created, locked, and called so. Whoever looks for what is dead may lock it before we do. */
static int create_locked(const struct hg_partial *p, int is_dir, int *out_fd)
{
    for (int tries = 0; tries < HG_IO_TRIES_MAX; tries++) {
        int fd = create(p, is_dir);
        int rc = HOLOG_OK;
        if (fd < 0 && errno == EEXIST)
            return hg_error(HOLOG_E_BUSY,
                            "%s: is there: another thread is at it, or remove it and try again",
                            p->temp);
        if (fd < 0)
            return hg_io_fail(errno, "create", p->temp);
        if ((flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) ||
            !is_still(p->parent->root.fd, p->temp, fd))
            rc = HOLOG_E_BUSY;
        else if (is_dir)
            rc = mark(fd, p->temp);
        if (rc == HOLOG_OK) {
            *out_fd = fd;
            return HOLOG_OK;
        }
        (void)close(fd);
        if (rc != HOLOG_E_BUSY)
            return rc;
    }
    return hg_error(HOLOG_E_BUSY, "%s: others keep removing it", p->temp);
}

static int name_it(struct hg_partial *p, const char *name)
{
    int n;
    int rc = hg_outside_check_name(name);

    if (rc == HOLOG_OK && strchr(name, '/') != NULL)
        rc = hg_error(HOLOG_E_BADPATH, "%s: is not one name", name);
    if (rc < 0)
        return rc;
    n = snprintf(p->temp, sizeof p->temp, "%s" WORD "%d", name, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof p->temp)
        return hg_error(HOLOG_E_NAMETOOLONG, "%s: the name is too long by %zu bytes", name,
                        (size_t)n + 1 - sizeof p->temp);
    (void)snprintf(p->name, sizeof p->name, "%s", name); /* it fits: temp does */
    return HOLOG_OK;
}

static int begin(struct hg_partial *p, const char *name, int is_dir)
{
    struct look l = { .p = p };
    int fd = -1;
    int rc = name_it(p, name);

    if (rc == HOLOG_OK)
        rc = hg_outside_list(p->parent, "", look_at, &l);
    if (rc == HOLOG_OK && l.is_there)
        rc = hg_error(HOLOG_E_EXIST, "%s: exists", name);
    if (rc == HOLOG_OK)
        rc = create_locked(p, is_dir, &fd);
    p->fd = is_dir ? -1 : fd;
    p->dir.root.fd = is_dir ? fd : -1;
    return rc;
}

int hg_partial_begin(struct hg_outside *o, const char *name, int is_dir, struct hg_partial **out)
{
    struct hg_partial *p = hg_calloc(1, sizeof *p);
    int rc;

    if (p == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to make %s", name);
    p->parent = o;
    rc = begin(p, name, is_dir);
    if (rc < 0)
        hg_free(p);
    else
        *out = p;
    return rc;
}

struct hg_outside *hg_partial_dir(struct hg_partial *p)
{
    return &p->dir;
}

/* ---- writing -----------------------------------------------------------------------------------------*/

static int flush(struct hg_partial *p)
{
    int rc = hg_outside_write_all(p->fd, p->stage.data, p->stage.len, p->temp);

    p->flushed += p->stage.len;
    p->stage.len = 0;
    return rc;
}

static int append(struct hg_partial *p, const void *data, size_t len)
{
    int rc = HOLOG_OK;

    if (p->stage.len + len > STAGE)
        rc = flush(p);
    if (rc < 0 || len <= STAGE)
        return rc < 0 ? rc : hg_buf_append(&p->stage, data, len);
    p->flushed += len;
    return hg_outside_write_all(p->fd, data, len, p->temp);
}

static int move_to(const struct hg_partial *p, uint64_t offset)
{
    return lseek(p->fd, (off_t)offset, SEEK_SET) < 0 ? hg_io_fail(errno, "seek in", p->temp)
                                                     : HOLOG_OK;
}

/* Over bytes that are all there. */
static int write_over(struct hg_partial *p, uint64_t offset, const void *data, size_t len)
{
    int rc;

    if (offset >= p->flushed) {
        memcpy(p->stage.data + (offset - p->flushed), data, len);
        return HOLOG_OK;
    }
    rc = flush(p);
    if (rc == HOLOG_OK)
        rc = move_to(p, offset);
    if (rc == HOLOG_OK)
        rc = hg_outside_write_all(p->fd, data, len, p->temp);
    return rc < 0 ? rc : move_to(p, p->flushed);
}

int hg_partial_write(struct hg_partial *p, uint64_t offset, const void *data, size_t len)
{
    uint64_t end = p->flushed + p->stage.len;
    size_t over = (size_t)HG_MIN((uint64_t)len, end - offset);
    int rc = HOLOG_OK;

    HG_ASSERT(offset <= end);
    if (over > 0)
        rc = write_over(p, offset, data, over);
    return rc < 0 || over == len ? rc : append(p, (const uint8_t *)data + over, len - over);
}

/* ---- ending ------------------------------------------------------------------------------------------*/

static void release(struct hg_partial *p)
{
    (void)close(p->fd >= 0 ? p->fd : p->dir.root.fd); /* synced, or removed */
    hg_buf_release(&p->stage);
    hg_free(p);
}

void hg_partial_abandon(struct hg_partial *p)
{
    if (p == NULL)
        return;
    remove_it(p->parent->root.fd, p->dir.root.fd, p->fd < 0, p->temp);
    release(p);
}

static int sync_all(struct hg_partial *p)
{
    int rc;

    if (p->fd >= 0) {
        rc = flush(p);
        return rc < 0 ? rc : hg_outside_sync_fd(p->fd, "sync", p->temp);
    }
    rc = hg_outside_sync(&p->dir);
    if (rc == HOLOG_OK && unlinkat(p->dir.root.fd, HG_PARTIAL_MARK, 0) != 0)
        rc = hg_io_fail(errno, "remove the mark in", p->temp);
    return rc < 0 ? rc : hg_outside_sync_fd(p->dir.root.fd, "sync", p->temp);
}

int hg_partial_finish(struct hg_partial *p)
{
    int parent = p->parent->root.fd;
    int rc = sync_all(p);

    if (rc == HOLOG_OK && hg_outside_rename_new(parent, p->temp, p->name) != 0)
        rc = hg_io_fail(errno, "rename", p->name);
    if (rc < 0) {
        hg_partial_abandon(p);
        return rc;
    }
    rc = hg_outside_sync_fd(parent, "sync the directory of", p->name);
    release(p);
    return rc;
}
