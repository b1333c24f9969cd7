/*
 * Whole transfers: loops over calls that may be short.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"

#define WINDOW_IOV 64 /* vectors handed down at once; 1 KiB of stack */

/* Where a transfer over n_iov vectors has come to. */
struct iov_cursor {
    const struct iovec *iov;
    int n_iov;
    size_t skip; /* bytes of iov[0] already moved */
};

static void cursor_advance(struct iov_cursor *c, size_t moved)
{
    while (c->n_iov > 0 && moved >= c->iov->iov_len - c->skip) {
        moved -= c->iov->iov_len - c->skip;
        c->skip = 0;
        c->iov++;
        c->n_iov--;
    }
    c->skip += moved;
    HG_ASSERT(c->n_iov > 0 || moved == 0); /* the world moved no more than it was given */
}

/* Fills window with what comes next; returns how many vectors it holds. */
static int cursor_window(const struct iov_cursor *c, struct iovec *window)
{
    int n = HG_MIN(c->n_iov, WINDOW_IOV);
    for (int i = 0; i < n; i++)
        window[i] = c->iov[i];
    if (n > 0) {
        window[0].iov_base = (uint8_t *)window[0].iov_base + c->skip;
        window[0].iov_len -= c->skip;
    }
    return n;
}

int hg_io_writev_full(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                      unsigned flags)
{
    struct iov_cursor at = { .iov = iov, .n_iov = n_iov };
    int tries = 0;

    cursor_advance(&at, 0); /* over empty vectors */
    while (at.n_iov > 0) {
        struct iovec window[WINDOW_IOV];
        int n = cursor_window(&at, window);
        size_t moved = 0;
        int rc = f->io->ops->pwritev(f, window, n, offset, flags, &moved);
        if (rc < 0)
            return rc;
        if (moved == 0 && ++tries == HG_IO_TRIES_MAX)
            return hg_error(HOLOG_E_IO, "write to %s at %llu makes no progress", f->name,
                            (unsigned long long)offset);
        if (moved != 0)
            tries = 0;
        offset += moved;
        cursor_advance(&at, moved);
    }
    return HOLOG_OK;
}

static void *unconst(const void *p)
{
    return (void *)(uintptr_t)p; /* struct iovec serves reads too, so it has no const */
}

int hg_io_write_full(struct hg_file *f, const void *buf, size_t len, uint64_t offset,
                     unsigned flags)
{
    struct iovec iov = { .iov_base = unconst(buf), .iov_len = len };
    return hg_io_writev_full(f, &iov, 1, offset, flags);
}

/* A direct transfer that stopped between blocks can go on only from a block's start. At the end of
 * the file that is the end; anywhere else it is a device that we do not understand. */
static int direct_end(struct hg_file *f, uint64_t offset, int *out_end)
{
    struct hg_file_info info;
    int rc = f->io->ops->info(f, &info);
    if (rc < 0)
        return rc;
    *out_end = 0;
    if (!info.direct || offset % info.dio_align == 0)
        return HOLOG_OK;
    if (offset < info.size_bytes)
        return hg_error(HOLOG_E_IO, "direct read of %s stopped inside a block at %llu", f->name,
                        (unsigned long long)offset);
    *out_end = 1;
    return HOLOG_OK;
}

int hg_io_read_upto(struct hg_file *f, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    size_t done = 0;
    while (done < len) {
        struct iovec iov = { .iov_base = (uint8_t *)buf + done, .iov_len = len - done };
        size_t moved = 0;
        int rc = f->io->ops->preadv(f, &iov, 1, offset + done, &moved);
        if (rc < 0)
            return rc;
        done += moved;
        int end = moved == 0;
        if (!end && done < len) {
            rc = direct_end(f, offset + done, &end);
            if (rc < 0)
                return rc;
        }
        if (end)
            break;
    }
    *out_n = done;
    return HOLOG_OK;
}

int hg_io_read_full(struct hg_file *f, void *buf, size_t len, uint64_t offset)
{
    size_t done = 0;
    int rc = hg_io_read_upto(f, buf, len, offset, &done);
    if (rc < 0)
        return rc;
    if (done < len)
        return hg_error(HOLOG_E_IO, "short file: %s ends at %llu, %zu bytes wanted at %llu",
                        f->name, (unsigned long long)offset + done, len,
                        (unsigned long long)offset);
    return HOLOG_OK;
}

static int read_all(struct hg_file *f, size_t max_bytes, uint8_t **out_data, size_t *out_len)
{
    struct hg_file_info info;
    int rc = f->io->ops->info(f, &info);
    if (rc < 0)
        return rc;
    if (info.size_bytes > max_bytes)
        return hg_error(HOLOG_E_TOOBIG, "%s has %llu bytes, at most %zu are expected", f->name,
                        (unsigned long long)info.size_bytes, max_bytes);
    size_t len = (size_t)info.size_bytes;
    uint8_t *data = hg_malloc(len);
    if (data == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the %zu bytes of %s", len, f->name);
    rc = hg_io_read_full(f, data, len, 0);
    if (rc < 0) {
        hg_free(data);
        return rc;
    }
    *out_data = data;
    *out_len = len;
    return HOLOG_OK;
}

int hg_io_read_file(struct hg_io *io, const char *name, size_t max_bytes, uint8_t **out_data,
                    size_t *out_len)
{
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, name, 0, &f);
    if (rc < 0)
        return rc;
    rc = read_all(f, max_bytes, out_data, out_len);
    (void)io->ops->close(f); /* only read from: nothing can be lost */
    return rc;
}
