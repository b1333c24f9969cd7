/*
 * What worker and checker share: sending, and reading the progress note.
 */
#ifndef DEMO_MESSAGES_H
#define DEMO_MESSAGES_H

#include <holog/holog.h>

#include "pipeline.h"

/* Whole or not at all (a message is shorter than PIPE_BUF). 0, or HOLOG_E_IO: nobody listens. */
int message_send(int fd, const struct message *m);
/* Tell why, with what holog_last_error() has to say about `code`. Returns 1. */
int message_fail(int fd, int code, const char *what);

/* The batch that the store says is next: 0 in a new store. HOLOG_E_TYPE: the note is unreadable. */
int progress_read(holog_store *store, unsigned *out_next);

#endif
