/*
 * An eventfd to wake a host's event loop, and who we are.
 */
#ifndef HG_IO_EVENT_H
#define HG_IO_EVENT_H

#include "io/io.h"

HG_MUST_CHECK int hg_io_event_create(struct hg_io *io, int *out_fd); /* HOLOG_E_NOTSUP in the sim */
void hg_io_event_signal(int fd);
void hg_io_event_close(int fd);

int hg_process_id(void);

#endif
