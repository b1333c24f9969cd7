/*
 * Fork: a child inherits descriptors that would keep the parent's lock and rings alive. A handler
 * closes those in the child and nothing else, and moves the generation on, so that handles made
 * before are refused there.
 */
#ifndef HG_IO_FORK_H
#define HG_IO_FORK_H

#include "io/io.h"

uint32_t hg_fork_generation(void);
/* Have io abandoned in forked children. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_fork_watch(struct hg_io *io);
void hg_fork_unwatch(struct hg_io *io);

#endif
