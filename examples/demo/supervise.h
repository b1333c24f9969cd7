/*
 * The parent's hands: start a child, hear what it says, kill it at the moment that was drawn.
 */
#ifndef DEMO_SUPERVISE_H
#define DEMO_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

#include "pipeline.h"

struct child {
    pid_t pid;
    int fd; /* where its messages come from */
};

/* Start a child that runs body(ctx, message_fd) and exits with what it returns; it dies with its
 * parent. 0, or -1 with errno. */
int child_start(struct child *child, int (*body)(void *ctx, int message_fd), void *ctx);

/* The next message: 1; 0: the child is gone and all it said was heard; -1: deadline_ns (of
 * now_ns(); 0 = none) came first. */
int child_hear(struct child *child, uint64_t deadline_ns, struct message *out_message);

/* SIGKILL, to this one process. What it said before is still to be heard. */
void child_kill(const struct child *child);

/* Wait for its end. Exit status, or -1 when a signal ended it. */
int child_reap(struct child *child);

#endif
