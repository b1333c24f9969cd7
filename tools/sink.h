/*
 * sink.h: where the bytes of a verb go, a file or standard output.
 *
 * A file is written under a temporary name beside its own, synced and renamed: what fails or is interrupted
 * leaves what was there. What is no ordinary file (a device, a pipe) is written to as it stands.
 */
#ifndef HOLOG_TOOLS_SINK_H
#define HOLOG_TOOLS_SINK_H

#include "cli.h"

struct sink {
    const char *name; /* for messages; as long as that of sink_open */
    int fd;
    char *final_name; /* NULL: written in place */
    char *temp_name;
};

/* file: NULL or "-": standard output. EXIT_DONE, or the status after a message; to be closed in both cases.
 * catch_signals() comes before. */
int sink_open(const struct args *args, const char *file, struct sink *sink);
/* With status EXIT_DONE the file appears, else what there is of it goes. The status, or that of what failed here. */
int sink_close(const struct args *args, struct sink *sink, int status);

#endif
