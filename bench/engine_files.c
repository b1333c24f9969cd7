/*
 * Plain files, as a careful program writes them: a temporary file, fdatasync, rename, fsync of the
 * directory; a directory that was made is synced into its parent. Lazy: the same without the
 * syncs, and one syncfs at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "engine.h"
#include "util.h"

struct db {
    int dir_fd;
    int lazy;
};

struct worker {
    struct db *db;
    void *buffer; /* readers: grows to the largest value */
    size_t size;
};

static void version(char *out, size_t size)
{
    struct utsname u;

    (void)snprintf(out, size, "Linux %s", uname(&u) == 0 ? u.release : "?");
}

static int open_db(const char *dir, const struct bench_how *how, void **out_db)
{
    struct db *d = bench_alloc(sizeof *d);

    d->lazy = (how->flags & BENCH_OPEN_LAZY) != 0;
    d->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0) {
        free(d);
        return bench_fail("files open: errno %d", errno);
    }
    *out_db = d;
    return 0;
}

static int close_db(void *arg)
{
    struct db *d = arg;

    (void)close(d->dir_fd); /* only read */
    free(d);
    return 0;
}

static int sync_db(void *arg)
{
    struct db *d = arg;

    return syncfs(d->dir_fd) == 0 ? 0 : bench_fail("files syncfs: errno %d", errno);
}

static int worker_open(void *arg, enum bench_worker_kind kind, void **out_worker)
{
    struct worker *w = bench_alloc(sizeof *w);

    (void)kind;
    w->db = arg;
    *out_worker = w;
    return 0;
}

static void worker_close(void *arg)
{
    struct worker *w = arg;

    free(w->buffer);
    free(w);
}

/* fsync of the directory that holds `path`. */
static int sync_parent(struct db *d, const char *path)
{
    char parent[BENCH_KEY_MAX];
    const char *slash = strrchr(path, '/');

    (void)snprintf(parent, sizeof parent, "%.*s", slash != NULL ? (int)(slash - path) : 1,
                   slash != NULL ? path : ".");
    int fd = openat(d->dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bench_fail("files open %s: errno %d", parent, errno);
    int rc = fsync(fd) == 0 ? 0 : bench_fail("files fsync %s: errno %d", parent, errno);
    (void)close(fd);
    return rc;
}

static int make_parents(struct db *d, const char *path)
{
    char parent[BENCH_KEY_MAX];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void)snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
        if (mkdirat(d->dir_fd, parent, 0700) == 0) {
            if (!d->lazy && sync_parent(d, parent) != 0)
                return -1;
        } else if (errno != EEXIST) {
            return bench_fail("files mkdir %s: errno %d", parent, errno);
        }
    }
    return 0;
}

static int write_all(int fd, const char *data, size_t len_bytes)
{
    for (size_t done = 0; done < len_bytes;) {
        ssize_t n = write(fd, data + done, len_bytes - done);
        if (n < 0 && errno != EINTR)
            return bench_fail("files write: errno %d", errno);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int put(void *arg, const struct bench_item *item)
{
    struct db *d = ((struct worker *)arg)->db;
    char temporary[BENCH_KEY_MAX + 8];

    (void)snprintf(temporary, sizeof temporary, "%s.tmp", item->key);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    int fd = openat(d->dir_fd, temporary, flags, 0600);
    if (fd < 0 && errno == ENOENT) {
        if (make_parents(d, item->key) != 0)
            return -1;
        fd = openat(d->dir_fd, temporary, flags, 0600);
    }
    if (fd < 0)
        return bench_fail("files open %s: errno %d", temporary, errno);
    int rc = write_all(fd, item->data, item->len_bytes);
    if (rc == 0 && !d->lazy && fdatasync(fd) != 0)
        rc = bench_fail("files fdatasync: errno %d", errno);
    if (close(fd) != 0 && rc == 0)
        rc = bench_fail("files close: errno %d", errno);
    if (rc == 0 && renameat(d->dir_fd, temporary, d->dir_fd, item->key) != 0)
        rc = bench_fail("files rename: errno %d", errno);
    if (rc == 0 && !d->lazy)
        rc = sync_parent(d, item->key);
    return rc;
}

static int put_batch(void *arg, const struct bench_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (put(arg, &items[i]) != 0)
            return -1;
    }
    return 0;
}

static int read_into(int fd, char *buf, size_t size, size_t *out_len)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, buf + done, size - done);
        if (n < 0 && errno != EINTR)
            return bench_fail("files read: errno %d", errno);
        if (n == 0)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    *out_len = done;
    return 0;
}

static int get(void *arg, const char *key, void *buf, size_t size, size_t *out_len)
{
    struct worker *w = arg;
    int fd = openat(w->db->dir_fd, key, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return bench_fail("files open %s: errno %d", key, errno);
    int rc = read_into(fd, buf, size, out_len);
    (void)close(fd);
    return rc;
}

static int borrow(void *arg, const char *key, bench_use_fn use, void *ctx)
{
    struct worker *w = arg;
    struct stat st;
    size_t len = 0;

    if (fstatat(w->db->dir_fd, key, &st, 0) != 0)
        return bench_fail("files stat %s: errno %d", key, errno);
    if (w->size < (size_t)st.st_size) {
        free(w->buffer);
        w->size = (size_t)st.st_size;
        w->buffer = bench_alloc(w->size);
    }
    if (get(arg, key, w->buffer, (size_t)st.st_size, &len) != 0)
        return -1;
    use(ctx, w->buffer, len);
    return 0;
}

const struct bench_engine bench_engine_files = {
    .name = "files",
    .settings = "write, fdatasync, rename, fsync of the directory; without the syncs and one "
                "syncfs at the end of a load; not where there are a million small values",
    .can = BENCH_CAN_SMALL | BENCH_CAN_LARGE | BENCH_CAN_LOAD | BENCH_CAN_IMAGES |
           BENCH_CAN_BULK_IMAGES,
    .version = version,
    .open = open_db,
    .close = close_db,
    .sync = sync_db,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .put = put,
    .put_batch = put_batch,
    .get = get,
    .borrow = borrow,
};
