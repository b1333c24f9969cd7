/*
 * What the worlds share: names, errno values in our codes, and the end of an asynchronous request.
 */
#ifndef HG_IO_COMMON_H
#define HG_IO_COMMON_H

#include "io/io.h"

#define HG_IO_NAME_MAX  255 /* bytes of a component; in a store, of a name with all its components */
#define HG_IO_TRIES_MAX 64  /* EINTR, EAGAIN or no progress so often in a row: give up */

/* Set the detail ("WHAT NAME: reason") and return the code that errno_value means to us. */
int hg_io_fail(int errno_value, const char *what, const char *name);
int hg_io_code(int errno_value);

/* HOLOG_E_BADPATH unless name is one or more plain components; "" is allowed where `root_too`. */
HG_MUST_CHECK int hg_io_check_name(const char *name, int root_too);

/* The end of name, which says most, in the room there is. */
void hg_io_set_file_name(struct hg_file *f, struct hg_io *io, const char *name);

/* The directory's own name must survive a power cut before what is in it can. */
HG_MUST_CHECK int hg_io_sync_parent(const char *dir);

size_t hg_io_iov_bytes(const struct iovec *iov, int n_iov);

/* The detail for a request that failed on another thread; returns r->rc. */
int hg_io_req_result(const struct hg_req *r);

#endif
