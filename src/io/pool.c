/*
 * Batches of the POSIX world: two threads, started with the first batch, do one request after
 * another with the synchronous calls.
 */
#include "base/error.h"
#include "io/common.h"
#include "io/posix.h"

static int run_transfer(struct hg_req *r)
{
    const struct hg_io_ops *ops = r->file->io->ops;
    unsigned flags = r->op == HG_REQ_WRITE_DSYNC ? HG_WRITE_DSYNC : 0;
    int tries = 0;
    while (r->done_bytes < r->len_bytes) {
        struct iovec iov = { .iov_base = (uint8_t *)r->buf + r->done_bytes,
                             .iov_len = r->len_bytes - r->done_bytes };
        uint64_t offset = r->offset + r->done_bytes;
        size_t moved = 0;
        int rc = r->op == HG_REQ_READ ? ops->preadv(r->file, &iov, 1, offset, &moved)
                                      : ops->pwritev(r->file, &iov, 1, offset, flags, &moved);
        if (rc < 0)
            return rc;
        if (moved == 0 && (r->op == HG_REQ_READ || ++tries == HG_IO_TRIES_MAX))
            return HOLOG_E_IO; /* the end of the file, or no progress */
        r->done_bytes += moved;
    }
    return HOLOG_OK;
}

static int run_request(struct hg_req *r)
{
    if (r->op == HG_REQ_FDATASYNC)
        return r->file->io->ops->fdatasync(r->file);
    return run_transfer(r);
}

/* The next request; NULL when the pool stops. */
static struct hg_req *take_request(struct hg_px_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock); /* plain mutex, never nested: cannot fail */
    while (pool->first == NULL && !pool->stop)
        (void)pthread_cond_wait(&pool->more, &pool->lock);
    struct hg_req *r = pool->first;
    if (r != NULL)
        pool->first = r->next;
    (void)pthread_mutex_unlock(&pool->lock);
    return r;
}

static void pool_main(void *arg)
{
    struct hg_px_pool *pool = arg;
    struct hg_req *r;
    while ((r = take_request(pool)) != NULL)
        hg_px_complete(r, run_request(r));
}

int hg_px_pool_init(struct hg_px_pool *pool)
{
    int err = pthread_mutex_init(&pool->lock, NULL);
    if (err != 0)
        return hg_io_fail(err, "create the I/O pool", "");
    err = pthread_cond_init(&pool->more, NULL);
    if (err != 0) {
        (void)pthread_mutex_destroy(&pool->lock);
        return hg_io_fail(err, "create the I/O pool", "");
    }
    return HOLOG_OK;
}

/* lock held. One thread is enough to go on; none is an error. */
static int start_threads(struct hg_io *io, struct hg_px_pool *pool)
{
    while (pool->n_threads < HG_PX_POOL) {
        int rc =
            hg_px_thread_start(io, "holog-io", pool_main, pool, &pool->threads[pool->n_threads]);
        if (rc < 0)
            return pool->n_threads > 0 ? HOLOG_OK : rc;
        pool->n_threads++;
    }
    return HOLOG_OK;
}

int hg_px_pool_submit(struct hg_io *io, struct hg_req *const *reqs, size_t n)
{
    struct hg_px_pool *pool = &((struct hg_px_io *)io)->pool;

    (void)pthread_mutex_lock(&pool->lock);
    int rc = start_threads(io, pool);
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++) {
        struct hg_req *r = reqs[i];
        r->rc = 0;
        r->done_bytes = 0;
        __atomic_store_n(&r->complete, 0, __ATOMIC_RELAXED);
        r->next = NULL;
        if (pool->first == NULL)
            pool->first = r;
        else
            pool->last->next = r;
        pool->last = r;
    }
    (void)pthread_cond_broadcast(&pool->more);
    (void)pthread_mutex_unlock(&pool->lock);
    return rc;
}

void hg_px_pool_release(struct hg_px_io *px)
{
    struct hg_px_pool *pool = &px->pool;

    (void)pthread_mutex_lock(&pool->lock);
    pool->stop = 1;
    (void)pthread_cond_broadcast(&pool->more);
    (void)pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_threads; i++)
        hg_px_thread_join(&px->base, pool->threads[i]);
    (void)pthread_cond_destroy(&pool->more);
    (void)pthread_mutex_destroy(&pool->lock);
}
