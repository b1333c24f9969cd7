/*
 * The io_uring world: the POSIX world with its batches on a ring.
 *
 * One I/O thread owns the ring, since requests die with the thread that submitted them and an
 * application's threads come and go. submit() puts requests on a queue and wakes that thread
 * through an eventfd it always has a read on.
 *
 * A file that holds a lock, and every file that requests are made on, is in the ring's table of
 * registered files. So after a kill the kernel keeps the lock until the ring has ended, and with
 * it every write in flight; without that, a new owner gets the lock while old writes still land.
 *
 * State of a request in flight, all in struct hg_req:
 *   done_bytes       moved so far; a short completion goes in again for the rest
 *   rc               completions without progress in a row, until the result replaces it
 *   WRITE_DSYNC with done_bytes == len_bytes: where RWF_DSYNC is refused, the sync that follows
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <liburing.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/common.h"
#include "io/posix.h"

#define RING_ENTRIES  128        /* 128 x 1 MiB requests keep any device busy */
#define IN_FLIGHT_MAX 127        /* one entry is the eventfd's read */
#define SLOTS         512        /* registered files: the store's 256 descriptors, twice */
#define TRANSFER_MAX  (1u << 30) /* bytes in one submission; the kernel's limit is 2 GiB - 4 KiB */

struct ur_io {
    struct hg_px_io px;
    struct hg_io_ops ops; /* fixed after open: the POSIX table with ours in it */
    struct io_uring ring; /* I/O thread only, but for its table of registered files */
    int event_fd;         /* fixed after open */

    pthread_mutex_t lock;
    struct hg_req *first;            /* lock; submitted, not yet seen by the I/O thread */
    struct hg_req *last;             /* lock */
    struct hg_thread *thread;        /* lock; NULL until the first submit */
    int stop;                        /* lock */
    unsigned char slot_taken[SLOTS]; /* lock */

    struct hg_req *backlog;      /* I/O thread only; waits for room in the ring */
    struct hg_req *backlog_last; /* I/O thread only */
    unsigned in_flight;          /* I/O thread only */
    int event_armed;             /* I/O thread only */
    uint64_t event_count;        /* the kernel writes here */
};

static struct ur_io *ur_of(struct hg_io *io)
{
    return (struct ur_io *)io;
}

static struct hg_px_file *file_of(struct hg_file *f)
{
    return (struct hg_px_file *)f;
}

/* ---- registered files ------------------------------------------------------------------------ */

/* lock held. 0 or an errno. */
static int register_file(struct ur_io *ur, struct hg_px_file *f)
{
    if (atomic_load(&f->ring_slot) != HG_PX_NO_SLOT)
        return 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (ur->slot_taken[i])
            continue;
        int rc = io_uring_register_files_update(&ur->ring, i, &f->fd, 1);
        if (rc < 0)
            return -rc;
        ur->slot_taken[i] = 1;
        atomic_store(&f->ring_slot, (int)i);
        return 0;
    }
    return ENFILE;
}

static void unregister_file(struct ur_io *ur, struct hg_px_file *f)
{
    int slot = atomic_exchange(&f->ring_slot, HG_PX_NO_SLOT);
    if (slot == HG_PX_NO_SLOT)
        return;
    int none = -1;
    (void)pthread_mutex_lock(&ur->lock); /* plain mutex, never nested: cannot fail */
    /* A slot that cannot be emptied stays taken; the file goes when the ring goes. */
    if (io_uring_register_files_update(&ur->ring, (unsigned)slot, &none, 1) >= 0)
        ur->slot_taken[slot] = 0;
    (void)pthread_mutex_unlock(&ur->lock);
}

static int ur_lock(struct hg_file *file, uint64_t offset, uint64_t len, int exclusive)
{
    struct ur_io *ur = ur_of(file->io);
    int rc = hg_px_ops.lock(file, offset, len, exclusive);
    if (rc < 0)
        return rc;
    (void)pthread_mutex_lock(&ur->lock);
    int err = register_file(ur, file_of(file));
    (void)pthread_mutex_unlock(&ur->lock);
    if (err != 0) {
        (void)hg_px_ops.unlock(file, offset, len); /* the first cause is reported */
        return hg_io_fail(err, "register with io_uring", file->name);
    }
    return HOLOG_OK;
}

static int ur_close(struct hg_file *file)
{
    struct hg_px_file *f = file_of(file);
    /* The ring lets go of a file later than update returns; its locks must go now. */
    if (atomic_load(&f->lock_slot) != HG_PX_NO_SLOT)
        (void)hg_px_ops.unlock(file, 0, 0); /* to the end; at worst the lock goes with the ring */
    unregister_file(ur_of(file->io), f);
    return hg_px_ops.close(file);
}

/* ---- the I/O thread -------------------------------------------------------------------------- */

static void push_backlog(struct ur_io *ur, struct hg_req *r)
{
    r->next = NULL;
    if (ur->backlog == NULL)
        ur->backlog = r;
    else
        ur->backlog_last->next = r;
    ur->backlog_last = r;
}

static int in_sync_phase(const struct hg_req *r)
{
    return r->op == HG_REQ_FDATASYNC ||
           (r->op == HG_REQ_WRITE_DSYNC && r->done_bytes == r->len_bytes);
}

static void prepare_sqe(struct ur_io *ur, struct io_uring_sqe *sqe, struct hg_req *r)
{
    struct hg_px_file *f = file_of(r->file);
    int slot = atomic_load(&f->ring_slot);
    int fd = slot != HG_PX_NO_SLOT ? slot : f->fd;
    uint8_t *buf = r->done_bytes > 0 ? (uint8_t *)r->buf + r->done_bytes : r->buf; /* may be NULL */
    unsigned len = (unsigned)HG_MIN(r->len_bytes - r->done_bytes, (size_t)TRANSFER_MAX);
    uint64_t offset = r->offset + r->done_bytes;

    if (in_sync_phase(r))
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    else if (r->op == HG_REQ_READ)
        io_uring_prep_read(sqe, fd, buf, len, offset);
    else
        io_uring_prep_write(sqe, fd, buf, len, offset);
    if (r->op == HG_REQ_WRITE_DSYNC && !in_sync_phase(r) && !atomic_load(&ur->px.no_dsync))
        sqe->rw_flags = RWF_DSYNC;
    if (slot != HG_PX_NO_SLOT)
        sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, r);
}

/* What needs no ring: nothing to move, or a file whose sync has failed before. 1 if done with. */
static int complete_early(struct hg_req *r)
{
    if (r->op == HG_REQ_FDATASYNC) {
        if (atomic_load(&file_of(r->file)->sync_errno) == 0)
            return 0;
        hg_px_complete(r, HOLOG_E_IO);
        return 1;
    }
    if (r->len_bytes != 0)
        return 0;
    hg_px_complete(r, HOLOG_OK);
    return 1;
}

static void fill_ring(struct ur_io *ur)
{
    if (!ur->event_armed) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ur->ring);
        HG_ASSERT(sqe != NULL); /* IN_FLIGHT_MAX leaves room for it */
        io_uring_prep_read(sqe, ur->event_fd, &ur->event_count, sizeof ur->event_count, 0);
        io_uring_sqe_set_data(sqe, NULL);
        ur->event_armed = 1;
    }
    while (ur->backlog != NULL && ur->in_flight < IN_FLIGHT_MAX) {
        struct hg_req *r = ur->backlog;
        struct hg_req *next = r->next;
        if (complete_early(r)) {
            ur->backlog = next;
            continue;
        }
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ur->ring);
        if (sqe == NULL)
            break;
        ur->backlog = next;
        prepare_sqe(ur, sqe, r);
        ur->in_flight++;
    }
}

/* The request failed with errno err: another try, or the end of it. */
static void handle_error(struct ur_io *ur, struct hg_req *r, int err)
{
    if ((err == EINTR || err == EAGAIN) && ++r->rc < HG_IO_TRIES_MAX) {
        push_backlog(ur, r);
        return;
    }
    if (err == EOPNOTSUPP && r->op == HG_REQ_WRITE_DSYNC && !atomic_load(&ur->px.no_dsync)) {
        atomic_store(&ur->px.no_dsync, 1);
        push_backlog(ur, r);
        return;
    }
    if (in_sync_phase(r))
        hg_px_fail_syncs(file_of(r->file), err);
    else if (r->op == HG_REQ_WRITE_DSYNC)
        hg_px_note_dsync_error(file_of(r->file), err);
    hg_px_complete(r, hg_io_code(err));
}

/* res: bytes moved, or a negative errno. */
static void handle_completion(struct ur_io *ur, struct hg_req *r, int res)
{
    ur->in_flight--;
    if (res < 0) {
        handle_error(ur, r, -res);
        return;
    }
    if (in_sync_phase(r)) {
        hg_px_complete(r, HOLOG_OK);
        return;
    }
    if (res == 0 && (r->op == HG_REQ_READ || ++r->rc == HG_IO_TRIES_MAX)) {
        hg_px_complete(r, HOLOG_E_IO); /* the end of the file, or no progress */
        return;
    }
    if (res > 0)
        r->rc = 0;
    r->done_bytes += (size_t)res;
    int sync_left = r->op == HG_REQ_WRITE_DSYNC && atomic_load(&ur->px.no_dsync);
    if (r->done_bytes < r->len_bytes || sync_left)
        push_backlog(ur, r);
    else
        hg_px_complete(r, HOLOG_OK);
}

static void reap(struct ur_io *ur)
{
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&ur->ring, &cqe) == 0) {
        struct hg_req *r = io_uring_cqe_get_data(cqe);
        int res = cqe->res;
        io_uring_cqe_seen(&ur->ring, cqe);
        if (r == NULL)
            ur->event_armed = 0;
        else
            handle_completion(ur, r, res);
    }
}

/* Moves what was submitted to the backlog; returns whether the thread is asked to stop. */
static int take_submitted(struct ur_io *ur)
{
    (void)pthread_mutex_lock(&ur->lock);
    struct hg_req *r = ur->first;
    ur->first = NULL;
    int stop = ur->stop;
    (void)pthread_mutex_unlock(&ur->lock);
    while (r != NULL) {
        struct hg_req *next = r->next;
        push_backlog(ur, r);
        r = next;
    }
    return stop;
}

static void ring_main(void *arg)
{
    struct ur_io *ur = arg;
    for (;;) {
        int stop = take_submitted(ur);
        fill_ring(ur);
        if (stop && ur->backlog == NULL && ur->in_flight == 0)
            return; /* the eventfd's read ends with the ring */
        /* EINTR, EAGAIN, EBUSY: the completions that are there make room for the next round. */
        (void)io_uring_submit_and_wait(&ur->ring, 1);
        reap(ur);
    }
}

static void wake_ring(struct ur_io *ur)
{
    int rc = eventfd_write(ur->event_fd, 1);
    HG_ASSERT(rc == 0); /* fails only when 2^64 wakes were not read */
}

/* ---- the table --------------------------------------------------------------------------------- */

static int ur_submit(struct hg_io *io, struct hg_req *const *reqs, size_t n)
{
    struct ur_io *ur = ur_of(io);
    int rc = HOLOG_OK;

    (void)pthread_mutex_lock(&ur->lock);
    if (ur->thread == NULL)
        rc = hg_px_thread_start(io, "holog-ring", ring_main, ur, &ur->thread);
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++) {
        struct hg_req *r = reqs[i];
        r->rc = 0;
        r->done_bytes = 0;
        __atomic_store_n(&r->complete, 0, __ATOMIC_RELAXED);
        (void)register_file(ur, file_of(r->file)); /* without a slot the descriptor serves */
        r->next = NULL;
        if (ur->first == NULL)
            ur->first = r;
        else
            ur->last->next = r;
        ur->last = r;
    }
    (void)pthread_mutex_unlock(&ur->lock);
    if (rc == HOLOG_OK)
        wake_ring(ur);
    return rc;
}

static void stop_thread(struct ur_io *ur)
{
    if (ur->thread == NULL)
        return;
    (void)pthread_mutex_lock(&ur->lock);
    ur->stop = 1;
    (void)pthread_mutex_unlock(&ur->lock);
    wake_ring(ur);
    hg_px_thread_join(&ur->px.base, ur->thread);
}

static void ur_destroy(struct hg_io *io)
{
    struct ur_io *ur = ur_of(io);
    stop_thread(ur);
    io_uring_queue_exit(&ur->ring);
    (void)close(ur->event_fd); /* nothing in it to lose */
    (void)pthread_mutex_destroy(&ur->lock);
    hg_px_release(&ur->px);
    hg_free(ur);
}

void hg_uring_abandon(struct hg_io *io)
{
    (void)close(ur_of(io)->ring.ring_fd); /* the child's copy */
}

/* 0 or an errno. */
static int check_operations(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == NULL)
        return EOPNOTSUPP;
    int all = io_uring_opcode_supported(probe, IORING_OP_READ) &&
              io_uring_opcode_supported(probe, IORING_OP_WRITE) &&
              io_uring_opcode_supported(probe, IORING_OP_FSYNC);
    io_uring_free_probe(probe);
    return all ? 0 : EOPNOTSUPP;
}

/* 0 or an errno, and then nothing is left open. */
static int create_ring(struct ur_io *ur)
{
    int rc = io_uring_queue_init(RING_ENTRIES, &ur->ring, IORING_SETUP_COOP_TASKRUN);
    if (rc == -EINVAL) /* before 5.19 */
        rc = io_uring_queue_init(RING_ENTRIES, &ur->ring, 0);
    if (rc < 0)
        return -rc;
    ur->ring.ring_fd = hg_high_fd(ur->ring.ring_fd);
    ur->ring.enter_ring_fd = ur->ring.ring_fd;
    int err = ur->ring.ring_fd < 0 ? EMFILE : check_operations(&ur->ring);
    if (err == 0)
        err = -HG_MIN(io_uring_register_files_sparse(&ur->ring, SLOTS), 0);
    if (err == 0)
        err = -HG_MIN(io_uring_ring_dontfork(&ur->ring), 0);
    if (err == 0) {
        ur->event_fd = hg_high_fd(eventfd(0, EFD_CLOEXEC));
        err = ur->event_fd < 0 ? errno : 0;
    }
    if (err != 0)
        io_uring_queue_exit(&ur->ring);
    return err;
}

int hg_uring_open(const char *dir, struct hg_io **out_io)
{
    struct ur_io *ur = hg_calloc(1, sizeof *ur);
    if (ur == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", dir);
    ur->ops = hg_px_ops;
    ur->ops.name = "uring";
    ur->ops.world = HG_WORLD_URING;
    ur->ops.lock = ur_lock;
    ur->ops.close = ur_close;
    ur->ops.submit = ur_submit;
    ur->ops.destroy = ur_destroy;
    int rc = hg_px_init(&ur->px, &ur->ops, dir);
    if (rc < 0)
        goto out;
    int err = create_ring(ur);
    if (err == 0) {
        err = pthread_mutex_init(&ur->lock, NULL);
        if (err != 0) {
            (void)close(ur->event_fd);
            io_uring_queue_exit(&ur->ring);
        }
    }
    if (err != 0) {
        hg_px_release(&ur->px);
        rc = hg_error_sys_as(HOLOG_E_NOTSUP, err, "io_uring", "");
        goto out;
    }
    *out_io = &ur->px.base;
    ur = NULL;
out:
    hg_free(ur);
    return rc;
}
