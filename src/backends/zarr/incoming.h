/*
 * Files that are imported: those of a directory, or the entries of a zip file.
 */
#ifndef HG_BACKENDS_ZARR_INCOMING_H
#define HG_BACKENDS_ZARR_INCOMING_H

#include "backends/zarr/zip.h"
#include "io/outside.h"

struct hg_incoming {
    struct hg_outside *dir;       /* NULL: it is a zip file */
    struct hg_outside_file *file; /* that */
    struct hg_zip zip;
};

/* A directory or a file, as what is there. As hg_outside_open, hg_zip_open. */
HG_MUST_CHECK int hg_incoming_open(struct hg_incoming *in, const char *from);
void hg_incoming_close(struct hg_incoming *in); /* one of zeros is fine */
HG_MUST_CHECK int hg_incoming_list(struct hg_incoming *in, const char *dir,
                                   int (*each)(void *ctx, const char *name, int is_dir,
                                               uint64_t size),
                                   void *ctx);
/* Append a whole file. Of a zip file's entry at most as much as `packed_max` too: who packs it can say anything.
 * HOLOG_E_TOOBIG, HOLOG_E_CORRUPT, HOLOG_E_NOTSUP: it cannot be taken. */
HG_MUST_CHECK int hg_incoming_read(struct hg_incoming *in, const char *name, uint64_t max,
                                   uint64_t packed_max, struct hg_buf *out);

#endif
