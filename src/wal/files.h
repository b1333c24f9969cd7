/*
 * Open segment files, counted, at most a fixed number of descriptors; the least recently used idle
 * one is closed when another is needed. A file removed from under us is HOLOG_E_STALE for a reader.
 * Any thread.
 */
#ifndef HG_WAL_FILES_H
#define HG_WAL_FILES_H

#include "base/assert.h"
#include "io/io.h"
#include "wal/layout.h"

#define HG_FILES_MAX 256u

struct hg_files;

HG_MUST_CHECK int hg_files_create(struct hg_io *io, int direct, struct hg_files **out_files);
void hg_files_destroy(struct hg_files *fs); /* every file put before */

/* A read-only handle on a segment; give it back with hg_files_put. With all HG_FILES_MAX in use it
 * waits for one; HOLOG_E_AGAIN after ten seconds. */
HG_MUST_CHECK int hg_files_get(struct hg_files *fs, uint32_t id, enum hg_segment_kind kind,
                               struct hg_file **out_file);
void hg_files_put(struct hg_files *fs, uint32_t id);

/* The file is to be removed: it is not kept open when nobody uses it. 1: somebody does. */
int hg_files_forget(struct hg_files *fs, uint32_t id);

/* Read [offset, offset + len) of a segment into buf, whatever the alignment the file wants:
 * *out_n < len only at the end of the file. */
HG_MUST_CHECK int hg_files_read(struct hg_files *fs, uint32_t id, enum hg_segment_kind kind,
                                void *buf, size_t len, uint64_t offset, size_t *out_n);

/* Bytes that came of these reads, and of those that somebody else has done on a handle and counts. NULL: 0. */
uint64_t hg_files_bytes_read(const struct hg_files *fs);
void hg_files_count_read(struct hg_files *fs, uint64_t bytes);

#endif
