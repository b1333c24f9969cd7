/*
 * The POSIX world, and what the io_uring world builds on: it is this one with its own batches.
 */
#ifndef HG_IO_POSIX_H
#define HG_IO_POSIX_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/beneath.h"
#include "io/io.h"

#define HG_PX_LOCK_FILES 8 /* files that hold locks at one time: LOCK, and room to spare */
#define HG_PX_POOL       2 /* threads; two transfers in flight saturate what fdatasync allows */
#define HG_PX_NO_SLOT    (-1)

/* Requests waiting for a pool thread. */
struct hg_px_pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct hg_req *first;                  /* lock */
    struct hg_req *last;                   /* lock */
    int stop;                              /* lock */
    int n_threads;                         /* lock */
    struct hg_thread *threads[HG_PX_POOL]; /* lock */
};

struct hg_px_io {
    struct hg_io base;
    struct hg_beneath root;                /* the directory it was opened on */
    atomic_int no_dsync;                   /* the file system refused RWF_DSYNC once */
    atomic_int lock_fds[HG_PX_LOCK_FILES]; /* descriptor + 1 of files that hold locks; 0 = free */
    struct hg_px_pool pool;
};

struct hg_px_file {
    struct hg_file base;
    int fd;                   /* fixed after open */
    uint32_t dio_align;       /* fixed after open; 0 = buffered */
    const char *why_buffered; /* fixed after open */
    atomic_int sync_errno;    /* the first failure of a sync: every later sync fails with it */
    atomic_int lock_slot;     /* in lock_fds, or HG_PX_NO_SLOT */
    atomic_int ring_slot;     /* registered file of the ring, or HG_PX_NO_SLOT; io_uring world */
};

/* Fills a zeroed struct. On failure nothing is left open. */
HG_MUST_CHECK int hg_px_init(struct hg_px_io *px, const struct hg_io_ops *ops, const char *dir);
void hg_px_release(struct hg_px_io *px); /* everything but the struct itself */

extern const struct hg_io_ops hg_px_ops;

/* A sync of f failed: every later one fails with the same errno. */
void hg_px_fail_syncs(struct hg_px_file *f, int errno_value);
/* A DSYNC write failed: the same, unless the errno says that nothing was lost. */
void hg_px_note_dsync_error(struct hg_px_file *f, int errno_value);
int hg_px_wait(struct hg_io *io, struct hg_req *r);
/* Publish the result and call done; r may be gone afterwards. */
void hg_px_complete(struct hg_req *r, int rc);

/* pool.c */
HG_MUST_CHECK int hg_px_pool_init(struct hg_px_pool *pool);
int hg_px_pool_submit(struct hg_io *io, struct hg_req *const *reqs, size_t n);
void hg_px_pool_release(struct hg_px_io *px);

/* thread.c */
int hg_px_thread_start(struct hg_io *io, const char *name, void (*run)(void *arg), void *arg,
                       struct hg_thread **out_thread);
void hg_px_thread_low(struct hg_io *io);
void hg_px_thread_join(struct hg_io *io, struct hg_thread *t);
void hg_px_word_wait(struct hg_io *io, uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void hg_px_word_wake(struct hg_io *io, uint32_t *word, int n);
uint64_t hg_px_now_ns(struct hg_io *io);
uint64_t hg_px_wall_ns(struct hg_io *io);
int hg_px_random(struct hg_io *io, void *out, size_t len);
void hg_px_sleep_ns(struct hg_io *io, uint64_t ns);

/* uring.c */
HG_MUST_CHECK int hg_uring_open(const char *dir, struct hg_io **out_io);
void hg_uring_abandon(struct hg_io *io);

#endif
