/*
 * The disk without a store: O_DIRECT writes and reads of space that was written before.
 *
 * Pre-written matters: the first write into fallocated space also converts its extents, which is
 * a journal commit. With dsync each write is durable when it returns (O_DSYNC), as a commit is.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "util.h"

#define PIECE         (8 * MIB)
#define IN_FLIGHT_MAX 2

struct bench_raw {
    int fd;
    char *path;
    void *buffers[IN_FLIGHT_MAX]; /* PIECE bytes of noise */
    uint64_t size_bytes;
    uint64_t at; /* where the next single write goes */
};

static int transfer(struct bench_raw *raw, void *buffer, size_t len_bytes, uint64_t at, int writing)
{
    for (size_t done = 0; done < len_bytes;) {
        void *buf = (char *)buffer + done;
        off_t off = (off_t)(at + done);
        ssize_t n = writing ? pwrite(raw->fd, buf, len_bytes - done, off)
                            : pread(raw->fd, buf, len_bytes - done, off);
        if (n == 0 || (n < 0 && errno != EINTR))
            return bench_fail("raw %s: errno %d", writing ? "write" : "read", errno);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int bench_raw_write(struct bench_raw *raw, size_t len_bytes)
{
    if (raw->at + len_bytes > raw->size_bytes)
        raw->at = 0;
    int rc = transfer(raw, raw->buffers[0], len_bytes, raw->at, 1);
    raw->at += len_bytes;
    return rc;
}

struct lane {
    struct bench_raw *raw;
    unsigned index, of;
    uint64_t bytes;
    int writing;
    int rc;
    pthread_t thread;
};

static void *lane_main(void *arg)
{
    struct lane *l = arg;
    uint64_t step = (uint64_t)PIECE * l->of;

    for (uint64_t at = (uint64_t)PIECE * l->index; l->rc == 0 && at < l->bytes; at += step)
        l->rc =
            transfer(l->raw, l->raw->buffers[l->index], PIECE, at % l->raw->size_bytes, l->writing);
    return NULL;
}

int bench_raw_stream(struct bench_raw *raw, uint64_t bytes, unsigned in_flight, int writing,
                     double *out_mb_per_second)
{
    struct lane lanes[IN_FLIGHT_MAX];
    uint64_t start = bench_now_ns();
    int rc = 0;

    for (unsigned i = 0; i < in_flight; i++) {
        lanes[i] = (struct lane){
            .raw = raw, .index = i, .of = in_flight, .bytes = bytes, .writing = writing
        };
        if (pthread_create(&lanes[i].thread, NULL, lane_main, &lanes[i]) != 0)
            bench_die("cannot start a thread");
    }
    for (unsigned i = 0; i < in_flight; i++) {
        (void)pthread_join(lanes[i].thread, NULL);
        rc = rc != 0 ? rc : lanes[i].rc;
    }
    if (rc == 0 && writing && fdatasync(raw->fd) != 0)
        rc = bench_fail("raw fdatasync: errno %d", errno);
    *out_mb_per_second = (double)bytes * 1e3 / (double)(bench_now_ns() - start);
    return rc;
}

static int write_ahead(struct bench_raw *raw)
{
    double rate = 0;

    if (bench_raw_stream(raw, raw->size_bytes, 1, 1, &rate) != 0)
        return -1;
    return fsync(raw->fd) == 0 ? 0 : bench_fail("raw fsync: errno %d", errno);
}

int bench_raw_open(const char *path, uint64_t size_bytes, int dsync, struct bench_raw **out_raw)
{
    struct bench_raw *raw = bench_alloc(sizeof *raw);

    raw->path = strdup(path);
    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++) {
        raw->buffers[i] = bench_alloc_pages(PIECE);
        memcpy(raw->buffers[i], bench_value(i, PIECE), PIECE);
    }
    raw->size_bytes = (size_bytes + PIECE - 1) / PIECE * PIECE;
    raw->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    int rc = raw->fd >= 0 ? 0 : bench_fail("open with O_DIRECT: errno %d", errno);
    if (rc == 0)
        rc = write_ahead(raw);
    if (rc == 0 && dsync) { /* F_SETFL cannot set O_DSYNC: open the written file again */
        (void)close(raw->fd);
        raw->fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
        rc = raw->fd >= 0 ? 0 : bench_fail("open with O_DSYNC: errno %d", errno);
    }
    if (rc != 0) {
        bench_raw_close(raw);
        return rc;
    }
    *out_raw = raw;
    return 0;
}

void bench_raw_close(struct bench_raw *raw)
{
    if (raw->fd >= 0)
        (void)close(raw->fd);
    if (raw->path != NULL)
        (void)unlink(raw->path);
    free(raw->path);
    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++)
        free(raw->buffers[i]);
    free(raw);
}
