/*
 * Files outside a store; see outside.h.
 *
 * The directory that holds a file is opened once, beneath the root; then only names of one component are
 * used in it, which lead nowhere else whatever happens to the way there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"
#include "io/outside_internal.h"

#define NAME_MAX_BYTES 4095
#define MODE_FILE      0666 /* other people's files: the umask decides */
#define MODE_DIR       0777
#define STEP           (64u << 10)
#define WRITE_MAX      (1u << 30) /* bytes of one call */
#define TEMP_ROOM      (sizeof HG_OUTSIDE_TEMP + 16)

/* ---- names ---------------------------------------------------------------------------------------------*/

int hg_outside_check_name(const char *name)
{
    if (strlen(name) > NAME_MAX_BYTES)
        return hg_error(HOLOG_E_NAMETOOLONG, "file name of over %d bytes", NAME_MAX_BYTES);
    for (const char *s = name;; s++) {
        size_t len = strcspn(s, "/");
        if (len > HG_IO_NAME_MAX)
            return hg_error(HOLOG_E_NAMETOOLONG, "file name with a component of over %d bytes",
                            HG_IO_NAME_MAX);
        if (len == 0 || (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
            return hg_error(HOLOG_E_BADPATH, "not a file name beneath a directory: \"%s\"", name);
        if (strncmp(s, HG_OUTSIDE_TEMP, sizeof HG_OUTSIDE_TEMP - 1) == 0)
            return hg_error(HOLOG_E_BADPATH, "\"%s\": names with %s are those of unfinished files",
                            name, HG_OUTSIDE_TEMP);
        s += len;
        if (*s == '\0')
            return HOLOG_OK;
    }
}

/* The directory that holds name, to be closed, and the last component. */
static int open_parent(struct hg_outside *o, const char *name, int *out_fd, const char **out_base)
{
    char dir[NAME_MAX_BYTES + 1];
    const char *slash = strrchr(name, '/');
    size_t len = slash != NULL ? (size_t)(slash - name) : 0;

    memcpy(dir, name, len);
    dir[len] = '\0';
    int fd = hg_beneath_open(&o->root, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return hg_io_fail(errno, "open directory", dir);
    *out_fd = fd;
    *out_base = slash != NULL ? slash + 1 : name;
    return HOLOG_OK;
}

static int demand_regular(mode_t mode, const char *name)
{
    if (S_ISREG(mode))
        return HOLOG_OK;
    if (S_ISDIR(mode))
        return hg_error(HOLOG_E_ISDIR, "%s is a directory", name);
    if (S_ISLNK(mode))
        return hg_error(HOLOG_E_LOOP, "%s is a symlink, which is not followed", name);
    return hg_error(HOLOG_E_TYPE, "%s is no regular file", name);
}

int hg_outside_sync_fd(int fd, const char *what, const char *name)
{
    int tries = 0;

    while (fsync(fd) != 0)
        if (errno != EINTR || ++tries == HG_IO_TRIES_MAX)
            return hg_io_fail(errno, what, name);
    return HOLOG_OK;
}

/* ---- the directory -------------------------------------------------------------------------------------*/

static int make_root(const char *dir)
{
    if (mkdir(dir, MODE_DIR) == 0)
        return hg_io_sync_parent(dir);
    return errno == EEXIST ? HOLOG_OK : hg_io_fail(errno, "create directory", dir);
}

int hg_outside_open(const char *root_dir, int create, struct hg_outside **out)
{
    int rc = create ? make_root(root_dir) : HOLOG_OK;

    if (rc < 0)
        return rc;
    struct hg_outside *o = hg_calloc(1, sizeof *o);
    if (o == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", root_dir);
    o->root.fd = hg_high_fd(open(root_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (o->root.fd < 0) {
        rc = hg_io_fail(errno, "open directory", root_dir);
        hg_free(o);
        return rc;
    }
    *out = o;
    return HOLOG_OK;
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    n -= n > 0 && dir[n - 1] == '/'; /* the root */
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

int hg_outside_overlap(const char *a, const char *b, int *out_overlap)
{
    char *real_a = realpath(a, NULL);
    int rc = real_a == NULL ? hg_io_fail(errno, "resolve", a) : HOLOG_OK;
    char *real_b = realpath(b, NULL);

    if (real_b == NULL && real_a != NULL)
        rc = hg_io_fail(errno, "resolve", b);
    if (real_a != NULL && real_b != NULL)
        *out_overlap = is_below(real_a, real_b) || is_below(real_b, real_a);
    free(real_a); /* lint-allow(free): realpath's own */
    free(real_b); /* lint-allow(free): realpath's own */
    return rc;
}

void hg_outside_set_mode(struct hg_outside *o, unsigned file_mode)
{
    o->file_mode = file_mode;
}

int hg_outside_enter(struct hg_outside *o, const char *name, struct hg_outside **out)
{
    struct hg_outside *below;
    int rc = hg_outside_check_name(name);

    if (rc < 0)
        return rc;
    below = hg_calloc(1, sizeof *below);
    if (below == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", name);
    below->file_mode = o->file_mode;
    below->root.fd = hg_beneath_open(&o->root, name, O_RDONLY | O_DIRECTORY, 0);
    if (below->root.fd < 0) {
        rc = hg_io_fail(errno, "open directory", name);
        hg_free(below);
        return rc;
    }
    *out = below;
    return HOLOG_OK;
}

void hg_outside_close(struct hg_outside *o)
{
    if (o == NULL)
        return;
    (void)close(o->root.fd); /* a directory: nothing to lose */
    hg_free(o);
}

int hg_outside_sync(struct hg_outside *o)
{
    return syncfs(o->root.fd) == 0 ? HOLOG_OK : hg_io_fail(errno, "sync", "the file system");
}

/* *dir becomes its directory `base`, which is made when it is missing; `name` is for messages. */
static int step_into(int *dir, const char *base, const char *name, unsigned flags)
{
    int rc = HOLOG_OK;

    if (mkdirat(*dir, base, MODE_DIR) == 0)
        rc = (flags & HG_OUTSIDE_LAZY) == 0
                 ? hg_outside_sync_fd(*dir, "sync the directory of", name)
                 : HOLOG_OK;
    else if (errno != EEXIST)
        rc = hg_io_fail(errno, "create directory", name);
    if (rc < 0)
        return rc;
    int next = hg_high_fd(openat(*dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (next < 0)
        return hg_io_fail(errno, "open directory", name);
    (void)close(*dir);
    *dir = next;
    return HOLOG_OK;
}

int hg_outside_mkdir(struct hg_outside *o, const char *name, unsigned flags)
{
    char base[HG_IO_NAME_MAX + 1];
    int rc = hg_outside_check_name(name);

    if (rc < 0)
        return rc;
    int dir = hg_beneath_open(&o->root, "", O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return hg_io_fail(errno, "open directory", name);
    for (const char *s = name; rc == HOLOG_OK; s++) {
        size_t len = strcspn(s, "/");
        memcpy(base, s, len);
        base[len] = '\0';
        rc = step_into(&dir, base, name, flags);
        s += len;
        if (*s == '\0')
            break;
    }
    (void)close(dir);
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------------------*/

int hg_outside_write_all(int fd, const void *bytes, size_t len, const char *name)
{
    const uint8_t *data = bytes;
    int tries = 0;

    while (len > 0) {
        ssize_t n = write(fd, data, HG_MIN(len, WRITE_MAX));
        if (n < 0 && errno != EINTR)
            return hg_io_fail(errno, "write", name);
        if (n <= 0 && ++tries == HG_IO_TRIES_MAX)
            return hg_error(HOLOG_E_IO, "write %s: nothing moves", name);
        if (n > 0) {
            tries = 0;
            data += n;
            len -= (size_t)n;
        }
    }
    return HOLOG_OK;
}

static int create_temp(int dir, const char *name, char *out_temp, int *out_fd)
{
    uint64_t chance = 0;
    int fd = -1;

    for (int tries = 0; fd < 0 && tries < HG_IO_TRIES_MAX; tries++) {
        if (getrandom(&chance, sizeof chance, 0) != (ssize_t)sizeof chance)
            return hg_io_fail(errno, "get random bytes for", name);
        (void)snprintf(out_temp, TEMP_ROOM, HG_OUTSIDE_TEMP "%016" PRIx64, chance);
        fd = hg_high_fd(
            openat(dir, out_temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE_FILE));
        if (fd < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    if (fd < 0)
        return hg_io_fail(errno, "create a file for", name);
    *out_fd = fd;
    return HOLOG_OK;
}

/* Where the file system has no rename that refuses, a link refuses as well. */
int hg_outside_rename_new(int dir, const char *from, const char *to)
{
    if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return linkat(dir, from, dir, to, 0) == 0 ? unlinkat(dir, from, 0) : -1;
}

/* A symlink or a device in its place would go with the rename and do no harm; it is not ours to remove. */
static int give_name(int dir, const char *temp, const char *base, const char *name, unsigned flags)
{
    struct stat st;

    if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        int rc = demand_regular(st.st_mode, name);
        if (rc < 0)
            return rc;
    }
    int failed = (flags & HG_OUTSIDE_REPLACE) != 0 ? renameat(dir, temp, dir, base)
                                                   : hg_outside_rename_new(dir, temp, base);
    return failed == 0 ? HOLOG_OK : hg_io_fail(errno, "create", name);
}

static int write_parts(int fd, const char *name, const void *const *parts, const size_t *lens,
                       unsigned n, unsigned flags)
{
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < n; i++)
        rc = hg_outside_write_all(fd, parts[i], lens[i], name);
    if (rc == HOLOG_OK && (flags & HG_OUTSIDE_LAZY) == 0)
        rc = hg_outside_sync_fd(fd, "sync", name);
    /* Never again after EINTR: the descriptor is gone, and its number may be somebody else's. */
    if (close(fd) != 0 && errno != EINTR && rc == HOLOG_OK)
        rc = hg_io_fail(errno, "close", name);
    return rc;
}

int hg_outside_write(struct hg_outside *o, const char *name, const void *const *parts,
                     const size_t *lens, unsigned n, unsigned flags)
{
    char temp[TEMP_ROOM];
    const char *base = name;
    int dir = -1;
    int fd = -1;
    int rc = hg_outside_check_name(name);

    if (rc == HOLOG_OK)
        rc = open_parent(o, name, &dir, &base);
    if (rc < 0)
        return rc;
    rc = create_temp(dir, name, temp, &fd);
    if (rc < 0)
        goto out;
    if (o->file_mode != 0 && fchmod(fd, o->file_mode) != 0) {
        rc = hg_io_fail(errno, "set the mode of", name);
        (void)close(fd); /* nothing is in it */
    } else {
        rc = write_parts(fd, name, parts, lens, n, flags);
    }
    if (rc == HOLOG_OK)
        rc = give_name(dir, temp, base, name, flags);
    if (rc < 0)
        (void)unlinkat(dir, temp, 0); /* rc already tells the first cause */
    else if ((flags & HG_OUTSIDE_LAZY) == 0)
        rc = hg_outside_sync_fd(dir, "sync the directory of", name);
out:
    (void)close(dir);
    return rc;
}

int hg_outside_create(struct hg_outside *o, const char *name, const void *data, size_t len)
{
    int rc = hg_outside_check_name(name);
    int fd;

    if (rc == HOLOG_OK && strchr(name, '/') != NULL)
        rc = hg_error(HOLOG_E_BADPATH, "%s: is not one name", name);
    if (rc < 0)
        return rc;
    fd = hg_high_fd(
        openat(o->root.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE_FILE));
    return fd < 0 ? hg_io_fail(errno, "create", name)
                  : write_parts(fd, name, &data, &len, 1, HG_OUTSIDE_LAZY);
}

/* ---- reading -------------------------------------------------------------------------------------------*/

/* To the end, wherever that is by now: the size was only what it was a moment ago. */
static int read_all(int fd, const char *name, uint64_t max, size_t size, struct hg_buf *out)
{
    size_t begin = out->len;
    size_t room = HG_MIN(size, max) + 1; /* one more, so that the end is seen */
    int tries = 0;

    for (;; room = STEP) {
        int rc = hg_buf_reserve(out, room);
        if (rc < 0)
            return rc;
        while (room > 0) {
            ssize_t n = read(fd, out->data + out->len, HG_MIN(room, WRITE_MAX));
            if (n < 0 && (errno != EINTR || ++tries == HG_IO_TRIES_MAX))
                return hg_io_fail(errno, "read", name);
            if (n == 0)
                return HOLOG_OK;
            size_t got = n > 0 ? (size_t)n : 0;
            out->len += got;
            room -= got;
            if (out->len - begin > max)
                return hg_error(HOLOG_E_TOOBIG, "%s has more than %" PRIu64 " bytes", name, max);
        }
    }
}

int hg_outside_read(struct hg_outside *o, const char *name, uint64_t max, struct hg_buf *out)
{
    struct stat st;
    size_t begin = out->len;
    int rc = hg_outside_check_name(name);

    if (rc < 0)
        return rc;
    /* A FIFO would wait for somebody to open its other end. */
    int fd = hg_beneath_open(&o->root, name, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENXIO)
        return hg_error(HOLOG_E_TYPE, "%s is no regular file", name); /* a socket */
    if (fd < 0)
        return hg_io_fail(errno, "open", name);
    if (fstat(fd, &st) != 0)
        rc = hg_io_fail(errno, "look at", name);
    else
        rc = demand_regular(st.st_mode, name);
    if (rc == HOLOG_OK && (uint64_t)st.st_size > max)
        rc = hg_error(HOLOG_E_TOOBIG, "%s has %lld bytes; at most %" PRIu64 " are taken", name,
                      (long long)st.st_size, max);
    if (rc == HOLOG_OK)
        rc = read_all(fd, name, max, (size_t)st.st_size, out);
    if (rc < 0)
        out->len = begin;
    (void)close(fd);
    return rc;
}

/* ---- listing -------------------------------------------------------------------------------------------*/

struct list {
    int (*each)(void *ctx, const char *name, int is_dir, uint64_t size);
    void *ctx;
};

/* 0: go on. */
static int list_entry(const struct list *l, int dir, const char *name)
{
    struct stat st;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strncmp(name, HG_OUTSIDE_TEMP, sizeof HG_OUTSIDE_TEMP - 1) == 0)
        return 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : hg_io_fail(errno, "look at", name); /* gone meanwhile */
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    int is_dir = S_ISDIR(st.st_mode);
    return l->each(l->ctx, name, is_dir, is_dir ? 0 : (uint64_t)st.st_size);
}

int hg_outside_list(struct hg_outside *o, const char *dir,
                    int (*each)(void *ctx, const char *name, int is_dir, uint64_t size), void *ctx)
{
    _Alignas(struct dirent64) char buf[4096];
    struct list l = { each, ctx };
    ssize_t n;
    int stop = dir[0] != '\0' ? hg_outside_check_name(dir) : HOLOG_OK;

    if (stop < 0)
        return stop;
    int fd = hg_beneath_open(&o->root, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return hg_io_fail(errno, "open directory", dir);
    do {
        n = getdents64(fd, buf, sizeof buf);
        if (n < 0)
            stop = hg_io_fail(errno, "read directory", dir);
        for (ssize_t at = 0; stop == 0 && at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
            at += e->d_reclen;
            stop = list_entry(&l, fd, e->d_name);
        }
    } while (stop == 0 && n > 0);
    (void)close(fd);
    return HG_MIN(stop, 0);
}

/* ---- asking, removing ----------------------------------------------------------------------------------*/

static int stat_in(int dir, const char *base, const char *name, struct hg_outside_info *out)
{
    struct stat st;

    if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return hg_io_fail(errno, "look at", name);
    if (!S_ISDIR(st.st_mode)) {
        int rc = demand_regular(st.st_mode, name);
        if (rc < 0)
            return rc;
    }
    *out = (struct hg_outside_info){
        .is_dir = S_ISDIR(st.st_mode),
        .size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size,
        .mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
    };
    return HOLOG_OK;
}

int hg_outside_stat(struct hg_outside *o, const char *name, struct hg_outside_info *out)
{
    const char *base = name;
    int dir = -1;
    int rc;

    if (name[0] == '\0')
        return stat_in(o->root.fd, ".", "the directory", out);
    rc = hg_outside_check_name(name);
    if (rc == HOLOG_OK)
        rc = open_parent(o, name, &dir, &base);
    if (rc < 0)
        return rc;
    rc = stat_in(dir, base, name, out);
    (void)close(dir);
    return rc;
}

/* Of the directory fd: how many entries are left that are no unfinished files; those go. -1 and errno. */
static int remove_temps(int fd)
{
    _Alignas(struct dirent64) char buf[4096];
    int others = 0;
    ssize_t n;

    while ((n = getdents64(fd, buf, sizeof buf)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
            at += e->d_reclen;
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            if (strncmp(e->d_name, HG_OUTSIDE_TEMP, sizeof HG_OUTSIDE_TEMP - 1) != 0)
                others++;
            else if (others == 0 && unlinkat(fd, e->d_name, 0) != 0 && errno != ENOENT)
                return -1;
        }
    }
    return n < 0 ? -1 : others;
}

static int remove_directory(int dir, const char *base, const char *name)
{
    int fd;
    int others;
    int why;

    if (unlinkat(dir, base, AT_REMOVEDIR) == 0)
        return HOLOG_OK;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return hg_io_fail(errno, "remove", name);
    fd = hg_high_fd(openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0)
        return hg_io_fail(errno, "open directory", name);
    others = remove_temps(fd);
    why = errno;
    (void)close(fd);
    if (others < 0)
        return hg_io_fail(why, "remove", name);
    if (others > 0)
        return hg_error(HOLOG_E_NOTEMPTY, "%s has entries", name);
    return unlinkat(dir, base, AT_REMOVEDIR) == 0 ? HOLOG_OK : hg_io_fail(errno, "remove", name);
}

int hg_outside_remove(struct hg_outside *o, const char *name, unsigned flags)
{
    struct hg_outside_info info = { 0 };
    const char *base = name;
    int dir = -1;
    int rc = hg_outside_check_name(name);

    if (rc == HOLOG_OK)
        rc = open_parent(o, name, &dir, &base);
    if (rc < 0)
        return rc;
    rc = stat_in(dir, base, name, &info);
    if (rc == HOLOG_OK && info.is_dir)
        rc = remove_directory(dir, base, name);
    else if (rc == HOLOG_OK && unlinkat(dir, base, 0) != 0)
        rc = hg_io_fail(errno, "remove", name);
    if (rc == HOLOG_OK && (flags & HG_OUTSIDE_LAZY) == 0)
        rc = hg_outside_sync_fd(dir, "sync the directory of", name);
    (void)close(dir);
    return rc;
}
