/*
 * The POSIX world: files and names.
 *
 * Every name is resolved beneath the directory the world was opened on (beneath.h). Locks are open file
 * description locks, so closing another descriptor of the same file does not drop them.
 */
#include "io/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"

#define MODE_FILE     0600
#define MODE_DIR      0700
#define DIO_ALIGN_MIN 512u /* memory alignment may be less; our buffers always have this much */

static struct hg_px_io *px_of(struct hg_io *io)
{
    return (struct hg_px_io *)io;
}

static struct hg_px_file *file_of(struct hg_file *f)
{
    return (struct hg_px_file *)f;
}

/* EINTR and EAGAIN are worth another try, a bounded number of times. */
static int again(int *tries)
{
    return (errno == EINTR || errno == EAGAIN) && ++*tries < HG_IO_TRIES_MAX;
}

/* ---- names ------------------------------------------------------------------------------------- */

/* The directory that holds name, for the *at calls, and the last component. Give back by
 * close_parent. -1 and errno on failure. */
static int open_parent(struct hg_px_io *px, const char *name, const char **out_base)
{
    const char *slash = strrchr(name, '/');
    if (slash == NULL) {
        *out_base = name;
        return px->root.fd;
    }
    char dir[HG_IO_NAME_MAX + 1];
    size_t len = (size_t)(slash - name);
    memcpy(dir, name, len);
    dir[len] = '\0';
    *out_base = slash + 1;
    return hg_beneath_open(&px->root, dir, O_PATH | O_DIRECTORY, 0);
}

/* Keeps errno, so that it can stand between a failed call and its report. */
static void close_parent(const struct hg_px_io *px, int dir)
{
    int err = errno;
    if (dir >= 0 && dir != px->root.fd)
        (void)close(dir); /* O_PATH: nothing to lose */
    errno = err;
}

static int px_rename(struct hg_io *io, const char *from, const char *to)
{
    struct hg_px_io *px = px_of(io);
    const char *from_base = NULL;
    const char *to_base = NULL;
    int rc = hg_io_check_name(from, 0);
    if (rc == HOLOG_OK)
        rc = hg_io_check_name(to, 0);
    if (rc < 0)
        return rc;
    int from_dir = open_parent(px, from, &from_base);
    int to_dir = from_dir >= 0 ? open_parent(px, to, &to_base) : -1;
    if (to_dir < 0 || renameat(from_dir, from_base, to_dir, to_base) != 0)
        rc = hg_io_fail(errno, "rename", from);
    close_parent(px, to_dir);
    close_parent(px, from_dir);
    return rc;
}

static int unlink_flags(struct hg_io *io, const char *name, int flags, const char *what)
{
    struct hg_px_io *px = px_of(io);
    const char *base = NULL;
    int rc = hg_io_check_name(name, 0);
    if (rc < 0)
        return rc;
    int dir = open_parent(px, name, &base);
    if (dir < 0 || unlinkat(dir, base, flags) != 0)
        rc = hg_io_fail(errno, what, name);
    close_parent(px, dir);
    return rc;
}

static int px_unlink(struct hg_io *io, const char *name)
{
    return unlink_flags(io, name, 0, "unlink");
}

static int px_rmdir(struct hg_io *io, const char *name)
{
    return unlink_flags(io, name, AT_REMOVEDIR, "remove directory");
}

static int px_mkdir(struct hg_io *io, const char *name)
{
    struct hg_px_io *px = px_of(io);
    const char *base = NULL;
    int rc = hg_io_check_name(name, 0);
    if (rc < 0)
        return rc;
    int dir = open_parent(px, name, &base);
    /* The second call undoes what the umask took away. */
    if (dir < 0 || mkdirat(dir, base, MODE_DIR) != 0 || fchmodat(dir, base, MODE_DIR, 0) != 0)
        rc = hg_io_fail(errno, "create directory", name);
    close_parent(px, dir);
    return rc;
}

static int px_sync_dir(struct hg_io *io, const char *name)
{
    int rc = hg_io_check_name(name, 1);
    if (rc < 0)
        return rc;
    int tries = 0;
    int fd = hg_beneath_open(&px_of(io)->root, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return hg_io_fail(errno, "open directory", name);
    while (fsync(fd) != 0) {
        if (errno == EINTR && ++tries < HG_IO_TRIES_MAX)
            continue;
        rc = hg_io_fail(errno, "sync directory", name);
        break;
    }
    (void)close(fd); /* opened for reading: the sync above said all there is to say */
    return rc;
}

static int px_exists(struct hg_io *io, const char *name, int *out_exists)
{
    struct hg_px_io *px = px_of(io);
    struct stat st;
    const char *base = NULL;
    int rc = hg_io_check_name(name, 0);
    if (rc < 0)
        return rc;
    int dir = open_parent(px, name, &base);
    int found = dir >= 0 && fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!found && errno != ENOENT)
        rc = hg_io_fail(errno, "look up", name);
    close_parent(px, dir);
    if (rc == HOLOG_OK)
        *out_exists = found;
    return rc;
}

static int entry_is_dir(int dir_fd, const struct dirent64 *e)
{
    struct stat st;
    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* 1: go on; 0: stopped by each, *rc tells. */
static int list_entries(int fd, const char *buf, size_t len,
                        int (*each)(void *ctx, const char *name, int is_dir), void *ctx, int *rc)
{
    for (size_t at = 0; at < len;) {
        const struct dirent64 *e = (const struct dirent64 *)(const void *)(buf + at);
        at += e->d_reclen;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int stop = each(ctx, e->d_name, entry_is_dir(fd, e));
        if (stop != 0) {
            *rc = HG_MIN(stop, 0);
            return 0;
        }
    }
    return 1;
}

static int px_read_dir(struct hg_io *io, const char *name,
                       int (*each)(void *ctx, const char *name, int is_dir), void *ctx)
{
    _Alignas(struct dirent64) char buf[4096];
    int rc = hg_io_check_name(name, 1);
    if (rc < 0)
        return rc;
    int fd = hg_beneath_open(&px_of(io)->root, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return hg_io_fail(errno, "open directory", name);
    for (;;) {
        ssize_t n = getdents64(fd, buf, sizeof buf);
        if (n < 0)
            rc = hg_io_fail(errno, "read directory", name);
        if (n <= 0 || !list_entries(fd, buf, (size_t)n, each, ctx, &rc))
            break;
    }
    (void)close(fd);
    return rc;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static uint32_t statx_dio_align(int fd, const char **out_why)
{
#ifdef STATX_DIOALIGN
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN) != 0) {
        uint32_t align = HG_MAX(st.stx_dio_mem_align, st.stx_dio_offset_align);
        if (st.stx_dio_offset_align == 0) {
            *out_why = "the file system has no direct I/O for this file";
            return 0;
        }
        return HG_MAX(align, DIO_ALIGN_MIN);
    }
#else
    HG_UNUSED(fd);
    HG_UNUSED(out_why);
#endif
    return HG_IO_BLOCK; /* an older kernel does not say: what every device takes */
}

/* O_DIRECT is set after the open: an open with O_CREAT | O_DIRECT that the file system refuses
 * leaves the new file behind. */
static void try_direct(struct hg_px_file *f)
{
    uint32_t align = statx_dio_align(f->fd, &f->why_buffered);
    int flags = fcntl(f->fd, F_GETFL);
    if (align > HG_IO_BLOCK)
        f->why_buffered = "direct I/O needs more than 4096-byte alignment here";
    if (f->why_buffered != NULL)
        return;
    if (flags < 0 || fcntl(f->fd, F_SETFL, flags | O_DIRECT) != 0) {
        f->why_buffered = "the file system refuses O_DIRECT";
        return;
    }
    f->dio_align = align;
}

/* A FIFO waits, a device does something. Opened without waiting, then as a file is read: io_uring
 * would not wait for a block of a file that is O_NONBLOCK. */
static int demand_regular(int fd, const char *name)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return hg_io_fail(errno, "look at", name);
    if (!S_ISREG(st.st_mode))
        return hg_error_path(HOLOG_E_IO, name, (uint32_t)strlen(name),
                             "%s is no regular file: take it away", name);
    if (fcntl(fd, F_SETFL, 0) != 0)
        return hg_io_fail(errno, "open", name);
    return HOLOG_OK;
}

static int px_open(struct hg_io *io, const char *name, unsigned flags, struct hg_file **out_file)
{
    int rc = hg_io_check_name(name, 0);
    if (rc < 0)
        return rc;
    struct hg_px_file *f = hg_calloc(1, sizeof *f);
    if (f == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", name);
    int how = (flags & HG_OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY;
    int create = (flags & HG_OPEN_CREATE) != 0;
    if (create)
        how |= O_CREAT | O_EXCL;
    else
        how |= O_NONBLOCK;

    hg_io_set_file_name(&f->base, io, name);
    f->lock_slot = HG_PX_NO_SLOT;
    f->ring_slot = HG_PX_NO_SLOT;
    f->fd = hg_beneath_open(&px_of(io)->root, name, how, create ? MODE_FILE : 0);
    if (f->fd < 0) {
        rc = hg_io_fail(errno, "open", name);
        goto out;
    }
    if (!create) {
        rc = demand_regular(f->fd, name);
        if (rc < 0)
            goto out;
    }
    if (create && fchmod(f->fd, MODE_FILE) != 0) {
        rc = hg_io_fail(errno, "set the mode of", name); /* the umask had taken bits away */
        goto out;
    }
    if ((flags & HG_OPEN_DIRECT) != 0 && io->buffered)
        f->why_buffered = "the page cache was chosen";
    else if ((flags & HG_OPEN_DIRECT) != 0)
        try_direct(f);
    *out_file = &f->base;
    f = NULL;
out:
    if (f != NULL && f->fd >= 0)
        (void)close(f->fd);
    hg_free(f);
    return rc;
}

static void forget_lock_fd(struct hg_px_file *f)
{
    int slot = atomic_exchange(&f->lock_slot, HG_PX_NO_SLOT);
    if (slot != HG_PX_NO_SLOT)
        atomic_store(&px_of(f->base.io)->lock_fds[slot], 0);
}

static int px_close(struct hg_file *file)
{
    struct hg_px_file *f = file_of(file);
    int rc = HOLOG_OK;
    forget_lock_fd(f);
    /* Never again after EINTR: the descriptor is gone, and its number may be somebody else's. */
    if (close(f->fd) != 0 && errno != EINTR)
        rc = hg_io_fail(errno, "close", file->name);
    hg_free(f);
    return rc;
}

static int px_info(struct hg_file *file, struct hg_file_info *out_info)
{
    const struct hg_px_file *f = file_of(file);
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return hg_io_fail(errno, "stat", file->name);
    *out_info = (struct hg_file_info){
        .size_bytes = (uint64_t)st.st_size,
        .direct = f->dio_align != 0,
        .dio_align = f->dio_align != 0 ? f->dio_align : 1,
        .links = st.st_nlink,
        .why_buffered = f->why_buffered,
    };
    return HOLOG_OK;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static int px_preadv(struct hg_file *file, const struct iovec *iov, int n_iov, uint64_t offset,
                     size_t *out_n)
{
    int tries = 0;
    ssize_t n;
    do
        n = preadv(file_of(file)->fd, iov, HG_MIN(n_iov, IOV_MAX), (off_t)offset);
    while (n < 0 && again(&tries));
    if (n < 0)
        return hg_io_fail(errno, "read", file->name);
    *out_n = (size_t)n;
    return HOLOG_OK;
}

void hg_px_fail_syncs(struct hg_px_file *f, int errno_value)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&f->sync_errno, &none, errno_value);
}

void hg_px_note_dsync_error(struct hg_px_file *f, int errno_value)
{
    switch (errno_value) {
    case ENOSPC: /* refused before anything was taken: nothing that was there is lost */
    case EDQUOT:
    case EFBIG:
    case EINVAL:
    case EINTR:
    case EAGAIN: return;
    default: hg_px_fail_syncs(f, errno_value);
    }
}

static int px_fdatasync(struct hg_file *file)
{
    struct hg_px_file *f = file_of(file);
    int tries = 0;
    int before = atomic_load(&f->sync_errno);
    if (before != 0)
        return hg_io_fail(before, "sync (an earlier one failed) of", file->name);
    while (fdatasync(f->fd) != 0) {
        int err = errno;
        if (err == EINTR && ++tries < HG_IO_TRIES_MAX)
            continue;
        /* The kernel has marked the pages clean: a second sync would succeed and mean nothing. */
        hg_px_fail_syncs(f, err);
        return hg_io_fail(err, "sync", file->name);
    }
    return HOLOG_OK;
}

/* One attempt. Without RWF_DSYNC the sync after the write proves more than was asked for. */
static ssize_t write_dsync(struct hg_px_file *f, const struct iovec *iov, int n_iov, off_t offset)
{
    struct hg_px_io *px = px_of(f->base.io);
    if (!atomic_load_explicit(&px->no_dsync, memory_order_relaxed)) {
        ssize_t n = pwritev2(f->fd, iov, n_iov, offset, RWF_DSYNC);
        if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
            return n;
        atomic_store(&px->no_dsync, 1);
    }
    ssize_t n = pwritev(f->fd, iov, n_iov, offset);
    if (n >= 0 && fdatasync(f->fd) != 0)
        return -1;
    return n;
}

static int px_pwritev(struct hg_file *file, const struct iovec *iov, int n_iov, uint64_t offset,
                      unsigned flags, size_t *out_n)
{
    struct hg_px_file *f = file_of(file);
    int n_some = HG_MIN(n_iov, IOV_MAX);
    int tries = 0;
    ssize_t n;
    do
        n = (flags & HG_WRITE_DSYNC) != 0 ? write_dsync(f, iov, n_some, (off_t)offset)
                                          : pwritev(f->fd, iov, n_some, (off_t)offset);
    while (n < 0 && again(&tries));
    if (n < 0) {
        int err = errno;
        if ((flags & HG_WRITE_DSYNC) != 0)
            hg_px_note_dsync_error(f, err);
        return hg_io_fail(err, "write", file->name);
    }
    *out_n = (size_t)n;
    return HOLOG_OK;
}

static int px_fallocate(struct hg_file *file, uint64_t offset, uint64_t len)
{
    int tries = 0;
    while (fallocate(file_of(file)->fd, 0, (off_t)offset, (off_t)len) != 0)
        if (!again(&tries))
            return hg_io_fail(errno, "allocate space for", file->name);
    return HOLOG_OK;
}

static int px_truncate(struct hg_file *file, uint64_t size)
{
    int tries = 0;
    while (ftruncate(file_of(file)->fd, (off_t)size) != 0)
        if (!again(&tries))
            return hg_io_fail(errno, "truncate", file->name);
    return HOLOG_OK;
}

/* ---- locks and the shared page ----------------------------------------------------------------- */

static struct flock make_flock(short type, uint64_t offset, uint64_t len)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)len
    };
}

static int lock_error(int errno_value, const char *name)
{
    if (errno_value == EAGAIN || errno_value == EACCES)
        return hg_error_sys_as(HOLOG_E_BUSY, errno_value, "lock", name);
    if (errno_value == ENOLCK || errno_value == EINVAL)
        return hg_error_sys_as(HOLOG_E_NOTSUP, errno_value, "lock", name);
    return hg_io_fail(errno_value, "lock", name);
}

/* So that a forked child can find and close it. */
static int note_lock_fd(struct hg_px_file *f)
{
    struct hg_px_io *px = px_of(f->base.io);
    if (atomic_load(&f->lock_slot) != HG_PX_NO_SLOT)
        return HOLOG_OK;
    for (int i = 0; i < HG_PX_LOCK_FILES; i++) {
        int none = 0;
        if (!atomic_compare_exchange_strong(&px->lock_fds[i], &none, f->fd + 1))
            continue;
        atomic_store(&f->lock_slot, i);
        return HOLOG_OK;
    }
    return hg_error(HOLOG_E_TOOBIG, "over %d files with locks", HG_PX_LOCK_FILES);
}

static int px_lock(struct hg_file *file, uint64_t offset, uint64_t len, int exclusive)
{
    struct flock fl = make_flock(exclusive ? F_WRLCK : F_RDLCK, offset, len);
    int tries = 0;
    int rc = note_lock_fd(file_of(file));
    if (rc < 0)
        return rc;
    while (fcntl(file_of(file)->fd, F_OFD_SETLK, &fl) != 0)
        if (errno != EINTR || ++tries == HG_IO_TRIES_MAX)
            return lock_error(errno, file->name);
    return HOLOG_OK;
}

static int px_unlock(struct hg_file *file, uint64_t offset, uint64_t len)
{
    struct flock fl = make_flock(F_UNLCK, offset, len);
    if (fcntl(file_of(file)->fd, F_OFD_SETLK, &fl) != 0)
        return hg_io_fail(errno, "unlock", file->name);
    return HOLOG_OK;
}

static int px_lock_test(struct hg_file *file, uint64_t offset, uint64_t len, int exclusive,
                        int *out_held)
{
    struct flock fl = make_flock(exclusive ? F_WRLCK : F_RDLCK, offset, len);
    if (fcntl(file_of(file)->fd, F_OFD_GETLK, &fl) != 0)
        return lock_error(errno, file->name);
    *out_held = fl.l_type != F_UNLCK;
    return HOLOG_OK;
}

static int px_map_shared(struct hg_file *file, size_t len, int writable, void **out_addr)
{
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *addr = mmap(NULL, len, prot, MAP_SHARED, file_of(file)->fd, 0);
    if (addr == MAP_FAILED)
        return hg_io_fail(errno, "map", file->name);
    *out_addr = addr;
    return HOLOG_OK;
}

static void px_unmap(struct hg_io *io, void *addr, size_t len)
{
    HG_UNUSED(io);
    int rc = munmap(addr, len);
    HG_ASSERT(rc == 0); /* not what map_shared gave */
}

/* ---- asynchronous requests ----------------------------------------------------------------------- */

void hg_px_complete(struct hg_req *r, int rc)
{
    void (*done)(struct hg_req *) = r->done;
    r->rc = rc;
    __atomic_store_n(&r->complete, 1, __ATOMIC_RELEASE);
    /* With no done, the owner may free r from here on: the kernel looks at the address only. */
    hg_px_word_wake(NULL, &r->complete, INT_MAX);
    if (done != NULL)
        done(r);
}

int hg_px_wait(struct hg_io *io, struct hg_req *r)
{
    while (__atomic_load_n(&r->complete, __ATOMIC_ACQUIRE) == 0)
        hg_px_word_wait(io, &r->complete, 0, UINT64_MAX);
    return hg_io_req_result(r);
}

/* ---- the world ----------------------------------------------------------------------------------- */

int hg_px_init(struct hg_px_io *px, const struct hg_io_ops *ops, const char *dir)
{
    px->base.ops = ops;
    px->base.why_world = "";
    (void)snprintf(px->base.root, sizeof px->base.root, "%s", dir); /* cut to fit, for messages */
    px->root.fd = hg_high_fd(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (px->root.fd < 0)
        return hg_io_fail(errno, "open directory", dir);
    int rc = hg_px_pool_init(&px->pool);
    if (rc < 0)
        (void)close(px->root.fd);
    return rc;
}

void hg_px_release(struct hg_px_io *px)
{
    hg_px_pool_release(px);
    (void)close(px->root.fd); /* a directory: nothing to lose */
}

static void px_destroy(struct hg_io *io)
{
    hg_px_release(px_of(io));
    hg_free(io);
}

const struct hg_io_ops hg_px_ops = {
    .name = "posix",
    .world = HG_WORLD_POSIX,
    .open = px_open,
    .close = px_close,
    .info = px_info,
    .preadv = px_preadv,
    .pwritev = px_pwritev,
    .fdatasync = px_fdatasync,
    .fallocate = px_fallocate,
    .truncate = px_truncate,
    .rename = px_rename,
    .unlink = px_unlink,
    .mkdir = px_mkdir,
    .rmdir = px_rmdir,
    .sync_dir = px_sync_dir,
    .exists = px_exists,
    .read_dir = px_read_dir,
    .lock = px_lock,
    .unlock = px_unlock,
    .lock_test = px_lock_test,
    .map_shared = px_map_shared,
    .unmap = px_unmap,
    .submit = hg_px_pool_submit,
    .wait = hg_px_wait,
    .now_ns = hg_px_now_ns,
    .wall_ns = hg_px_wall_ns,
    .random = hg_px_random,
    .sleep_ns = hg_px_sleep_ns,
    .thread_start = hg_px_thread_start,
    .thread_low = hg_px_thread_low,
    .thread_join = hg_px_thread_join,
    .word_wait = hg_px_word_wait,
    .word_wake = hg_px_word_wake,
    .destroy = px_destroy,
};
