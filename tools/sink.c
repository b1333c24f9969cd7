/*
 * sink.c: where the bytes of a verb go, a file or standard output.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_temp(const struct args *args, struct sink *sink)
{
    const char *slash = strrchr(sink->final_name, '/');
    size_t dir_len = slash != NULL ? (size_t)(slash - sink->final_name) + 1 : 0;

    for (unsigned i = 0; i < 100; i++) {
        char *temp = NULL;
        if (asprintf(&temp, "%.*s.holog-load-%ld-%u", (int)dir_len, sink->final_name,
                     (long)getpid(), i) < 0)
            return cli_fail_errno(args, ENOMEM, "write", sink->name);
        sink->fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (sink->fd >= 0) {
            sink->temp_name = temp;
            return EXIT_DONE;
        }
        int error = errno;
        free(temp);
        if (error != EEXIST)
            return cli_fail_errno(args, error, "write", sink->name);
    }
    return cli_fail_errno(args, EEXIST, "write", sink->name);
}

/* A new file, or one that replaces an ordinary file (of the same mode; through symlinks). */
static int open_ordinary(const struct args *args, struct sink *sink, const struct stat *old)
{
    sink->final_name = old != NULL ? realpath(sink->name, NULL) : strdup(sink->name);
    if (sink->final_name == NULL)
        return cli_fail_errno(args, errno, "write", sink->name);
    int status = make_temp(args, sink);
    if (status == EXIT_DONE && old != NULL && fchmod(sink->fd, old->st_mode & 07777) != 0)
        status = cli_fail_errno(args, errno, "write", sink->name);
    return status;
}

int sink_open(const struct args *args, const char *file, struct sink *sink)
{
    struct stat st;

    *sink = (struct sink){ .name = "standard output", .fd = STDOUT_FILENO };
    if (file == NULL || strcmp(file, "-") == 0)
        return EXIT_DONE;
    sink->name = file;
    sink->fd = -1;
    if (file_is_in_store(args, file))
        return cli_fail_text(args, "%s is in the store's own directory: put it elsewhere", file);
    if (stat(file, &st) != 0) {
        if (lstat(file, &st) == 0 && S_ISLNK(st.st_mode))
            return cli_fail_text(args, "%s is a symlink to nothing: remove it first", file);
        return open_ordinary(args, sink, NULL);
    }
    if (S_ISREG(st.st_mode))
        return open_ordinary(args, sink, &st);
    sink->fd = open(file, O_WRONLY | O_CLOEXEC);
    return sink->fd < 0 ? cli_fail_errno(args, errno, "write", file) : EXIT_DONE;
}

int sink_close(const struct args *args, struct sink *sink, int status)
{
    bool renamed = false;

    if (status == EXIT_DONE && sink->temp_name != NULL && fsync(sink->fd) != 0)
        status = cli_fail_errno(args, errno, "write", sink->name);
    if (sink->fd > STDOUT_FILENO && close(sink->fd) != 0 && status == EXIT_DONE)
        status = cli_fail_errno(args, errno, "write", sink->name);
    if (status == EXIT_DONE && sink->temp_name != NULL) {
        renamed = rename(sink->temp_name, sink->final_name) == 0;
        if (!renamed)
            status = cli_fail_errno(args, errno, "write", sink->name);
    }
    if (sink->temp_name != NULL && !renamed)
        (void)unlink(sink->temp_name); /* a name that nobody else uses */
    free(sink->temp_name);
    free(sink->final_name);
    return status;
}
