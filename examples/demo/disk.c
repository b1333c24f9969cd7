#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util.h"

#define PIECE_BYTES (8U << 20)
#define NS_MAX      (5ULL * 1000000000U)
#define ALIGN_BYTES 4096U

/* Noise, so that no layer below can make less of it. */
static void *make_piece(void)
{
    uint64_t *words = aligned_alloc(ALIGN_BYTES, PIECE_BYTES);
    uint64_t state = PIECE_BYTES;

    for (size_t i = 0; words != NULL && i < PIECE_BYTES / sizeof(*words); i++)
        words[i] = random_next(&state);
    return words;
}

static int write_whole(int fd, const void *piece)
{
    for (size_t done = 0; done < PIECE_BYTES;) {
        ssize_t n = write(fd, (const char *)piece + done, PIECE_BYTES - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int measure_into(int fd, const void *piece, uint64_t bytes, struct disk_rate *rate)
{
    uint64_t start = now_ns();

    while (rate->bytes < bytes && now_ns() - start < NS_MAX) {
        if (write_whole(fd, piece) < 0)
            return -1;
        rate->bytes += PIECE_BYTES;
    }
    if (fdatasync(fd) < 0)
        return -1;
    rate->ns = now_ns() - start;
    return 0;
}

int disk_measure(const char *dir, uint64_t bytes, struct disk_rate *out_rate)
{
    struct disk_rate rate = { .direct = 1 };
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    void *piece = make_piece();
    char path[4096];
    int rc = -1;
    int fd = -1;

    if (piece == NULL)
        goto out;
    format_text(path, sizeof(path), "%s/disk-rate.tmp", dir);
    fd = open(path, flags | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL) {
        rate.direct = 0;
        fd = open(path, flags, 0600);
    }
    if (fd < 0)
        goto out;
    rc = measure_into(fd, piece, bytes, &rate);
    if (rc == 0)
        *out_rate = rate;
out:
    if (fd >= 0) {
        int cause = errno;
        (void)close(fd); /* synced above, or failed with `cause` */
        (void)unlink(path);
        errno = cause;
    }
    free(piece);
    return rc;
}

double disk_mb_per_s(const struct disk_rate *rate)
{
    return rate->ns == 0 ? 0 : (double)rate->bytes * 1e3 / (double)rate->ns;
}
