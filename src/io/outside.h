/*
 * Files outside a store, beneath a directory that the user named: taken in, put out. Names come from
 * anybody, and so does what is there already: nothing leaves the directory, no symlink is followed, and
 * only regular files are read or replaced.
 *
 * A name is one or more components of at most 255 bytes with slashes between them, 4,095 bytes together;
 * no component is "." or "..", and none begins with HG_OUTSIDE_TEMP, which is what files are called until
 * they are whole. What a power cut leaves while a file is written:
 *
 *   created, written, synced   the file as it was (or none), and one of that name, which nothing lists
 *   renamed                    the old file or the new one, each whole
 *   directory synced           the new one
 *
 * Any thread may call these; of two that write one file the last one stays.
 */
#ifndef HG_IO_OUTSIDE_H
#define HG_IO_OUTSIDE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

#define HG_OUTSIDE_TEMP ".holog-tmp-"

enum hg_outside_flags {
    HG_OUTSIDE_REPLACE = 1, /* a regular file that is there goes; else HOLOG_E_EXIST */
    HG_OUTSIDE_LAZY =
        2 /* for many: a power cut before hg_outside_sync may leave any of them empty */
};

struct hg_outside;

/* root_dir may be reached through symlinks; `create`: made when missing (its parents are not). */
HG_MUST_CHECK int hg_outside_open(const char *root_dir, int create, struct hg_outside **out);
/* Of files that are written from now on, whatever the umask; 0: the umask decides. Before others use o. */
void hg_outside_set_mode(struct hg_outside *o, unsigned file_mode);
/* *out_overlap: one of two directories that are there is the other, or lies below it. */
HG_MUST_CHECK int hg_outside_overlap(const char *a, const char *b, int *out_overlap);
void hg_outside_close(struct hg_outside *o); /* NULL is fine; syncs nothing */

/*
 * A file of n parts, one after the other: there whole, or as it was before. Its directory must be there.
 *
 * HOLOG_E_BADPATH   the name could lead out, or is one that must not be
 * HOLOG_E_LOOP      a symlink, on the way or in its place
 * HOLOG_E_TYPE      a FIFO, a socket or a device is in its place; HOLOG_E_ISDIR a directory
 */
HG_MUST_CHECK int hg_outside_write(struct hg_outside *o, const char *name, const void *const *parts,
                                   const size_t *lens, unsigned n, unsigned flags);
/* A directory with its parents; nothing happens when it is there. Of the flags, HG_OUTSIDE_LAZY. */
HG_MUST_CHECK int hg_outside_mkdir(struct hg_outside *o, const char *name, unsigned flags);
/* The directory beneath it, as one of its own. */
HG_MUST_CHECK int hg_outside_enter(struct hg_outside *o, const char *name, struct hg_outside **out);
/* A new file right in the directory (one component), in place and lazily: for many, where nobody else looks before
 * all are there. A failure may leave a part of it. HOLOG_E_EXIST. */
HG_MUST_CHECK int hg_outside_create(struct hg_outside *o, const char *name, const void *data,
                                    size_t len);
/* Append a whole file to *out, which is untouched on failure. HOLOG_E_TOOBIG: more than `max` bytes. */
HG_MUST_CHECK int hg_outside_read(struct hg_outside *o, const char *name, uint64_t max,
                                  struct hg_buf *out);
/* Each regular file and directory in a directory ("": the root), in any order; what is neither is passed
 * over. Stops when `each` returns other than 0; a negative result is handed on. */
HG_MUST_CHECK int hg_outside_list(struct hg_outside *o, const char *dir,
                                  int (*each)(void *ctx, const char *name, int is_dir,
                                              uint64_t size),
                                  void *ctx);
struct hg_outside_info {
    int is_dir;
    uint64_t size;     /* of a file, bytes */
    uint64_t mtime_ns; /* UTC */
};
/* "": the root. HOLOG_E_NOENT; HOLOG_E_LOOP, HOLOG_E_TYPE: it is neither a regular file nor a directory. */
HG_MUST_CHECK int hg_outside_stat(struct hg_outside *o, const char *name,
                                  struct hg_outside_info *out);
/* A regular file, or a directory with nothing in it but unfinished files, which go too: for good when it
 * returns, or, HG_OUTSIDE_LAZY, after hg_outside_sync. HOLOG_E_NOENT, HOLOG_E_NOTEMPTY, and as of a stat. */
HG_MUST_CHECK int hg_outside_remove(struct hg_outside *o, const char *name, unsigned flags);
/* A regular file anywhere, to be read in pieces; `path` may lead through symlinks. HOLOG_E_ISDIR. */
struct hg_outside_file;
HG_MUST_CHECK int hg_outside_file_open(const char *path, struct hg_outside_file **out);
uint64_t hg_outside_file_size(const struct hg_outside_file *f);
/* All of them: HOLOG_E_IO when the file ends before. */
HG_MUST_CHECK int hg_outside_file_read(struct hg_outside_file *f, uint64_t offset, void *out,
                                       size_t len);
void hg_outside_file_close(struct hg_outside_file *f); /* NULL is fine */

/* Everything that was written lazily, and with it all of its file system. */
HG_MUST_CHECK int hg_outside_sync(struct hg_outside *o);

#endif
