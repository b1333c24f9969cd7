/*
 * Watching the disk below a store: the table of calls with a few of them looked at. Says when a
 * sync is tried again after it failed, and knows whether the log has met a failed write or sync.
 */
#ifndef TESTS_CRASH_WATCH_H
#define TESTS_CRASH_WATCH_H

#include "io/io.h"

/* Puts the watched table into io, for a run. One at a time in a process. */
void watch_start(struct hg_io *io);
void watch_stop(struct hg_io *io);
/* A store is opened on io: what files of the one before did counts no more. */
void watch_new_handle(void);
/* A write or sync of a segment that is part of the store, or the sync of their names, failed, under this handle. */
int watch_log_failed(void);
/* Syncs tried again after they failed, under one handle. */
unsigned watch_retried_syncs(void);
unsigned long watch_failed_syncs(void);

#endif
