/*
 * A file or a directory that is called NAME only when it is whole: until then it is NAME.partial-PID, beside it.
 *
 * While it is made it is locked (flock), and the lock ends with the process, however that ends. So what is there
 * under such a name and can be locked is what a process left that died: who makes NAME next removes it. Only that
 * which is ours beyond doubt: a directory with HG_PARTIAL_MARK or nothing in it, or a file that begins as a zip
 * does or is empty; and nothing where the file system has no such locks. What a cut leaves:
 *
 *   begun, written    NAME.partial-PID, of any of its bytes
 *   synced            the same, all of its bytes
 *   mark removed      the same; nobody removes it but its user
 *   renamed           the one name or the other
 *   directory synced  NAME
 *
 * One thread at a time has a partial. Two that make the same NAME in one process: the second is refused.
 */
#ifndef HG_IO_PARTIAL_H
#define HG_IO_PARTIAL_H

#include "io/outside.h"

#define HG_PARTIAL_MARK HG_OUTSIDE_TEMP "partial"

struct hg_partial;

/* In the directory o, which stays open. `name` is one component. HOLOG_E_EXIST: something has that name;
 * HOLOG_E_BUSY: this process is making it already; HOLOG_E_NAMETOOLONG. */
HG_MUST_CHECK int hg_partial_begin(struct hg_outside *o, const char *name, int is_dir,
                                   struct hg_partial **out);
/* The directory, to be written into. */
struct hg_outside *hg_partial_dir(struct hg_partial *p);
/* More of the file, at its end or over what is there: offset is at most what was written. */
HG_MUST_CHECK int hg_partial_write(struct hg_partial *p, uint64_t offset, const void *data,
                                   size_t len);
/* All of it synced, then NAME. On failure it is removed. Frees p either way. */
HG_MUST_CHECK int hg_partial_finish(struct hg_partial *p);
void hg_partial_abandon(struct hg_partial *p); /* removed; NULL is fine */

#endif
