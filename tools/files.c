/*
 * files.c: whole reads and whole writes of ordinary files and pipes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define FIRST_ROOM (64u << 10) /* grows by doubling from here */

/* One read that is not interrupted: bytes read (0 at the end), or -1 and errno. */
static ssize_t read_some(int fd, uint8_t *buf, size_t len_bytes)
{
    ssize_t n;

    do {
        n = read(fd, buf, len_bytes);
    } while (n < 0 && errno == EINTR && !interrupted());
    return n;
}

int file_read(int fd, size_t max_bytes, uint8_t **out_data, size_t *out_len, bool *out_more)
{
    size_t room = max_bytes < FIRST_ROOM ? max_bytes + 1 : FIRST_ROOM;
    size_t len = 0;
    uint8_t *data = malloc(room);
    int error = data == NULL ? ENOMEM : 0;

    while (error == 0 && len <= max_bytes) {
        if (len == room) {
            size_t wanted = room > max_bytes / 2 ? max_bytes + 1 : room * 2;
            uint8_t *grown = realloc(data, wanted);
            if (grown == NULL) {
                error = ENOMEM;
                break;
            }
            data = grown;
            room = wanted;
        }
        ssize_t n = read_some(fd, data + len, room - len);
        if (n == 0)
            break;
        if (n < 0)
            error = errno;
        else
            len += (size_t)n;
    }
    if (error != 0) {
        free(data);
        return error;
    }
    *out_more = len > max_bytes; /* one byte more than asked for tells */
    *out_data = data;
    *out_len = len;
    return 0;
}

int file_load(const char *name, uint8_t **out_data, size_t *out_len)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    bool more = false;

    if (fd < 0)
        return errno;
    int error = file_read(fd, SIZE_MAX / 4, out_data, out_len, &more);
    (void)close(fd); /* it was only read */
    return error;
}

int file_write(int fd, const void *buf, size_t len_bytes)
{
    const uint8_t *at = buf;

    while (len_bytes > 0) {
        ssize_t n = write(fd, at, len_bytes);
        if (n < 0 && errno == EINTR && !interrupted())
            continue;
        if (n < 0)
            return errno;
        at += n;
        len_bytes -= (size_t)n;
    }
    return 0;
}

/* Its directory, where it is not there itself; NULL: nor is that. */
static char *place_of(const char *file)
{
    char *whole = realpath(file, NULL);
    const char *slash = strrchr(file, '/');
    char *dir;

    if (whole != NULL || slash == file)
        return whole;
    dir = slash != NULL ? strndup(file, (size_t)(slash - file)) : strdup(".");
    if (dir != NULL)
        whole = realpath(dir, NULL);
    free(dir);
    return whole;
}

bool file_is_in_store(const struct args *args, const char *file)
{
    char *store = realpath(args->operands[0], NULL);
    char *place = place_of(file);
    bool in = false;

    if (store != NULL && place != NULL) {
        size_t n = strlen(store);
        in = n > 1 && strncmp(place, store, n) == 0 && (place[n] == '\0' || place[n] == '/');
    }
    free(store);
    free(place);
    return in;
}
