/*
 * ctl: one shared page that tells reader processes how far the log is durable. A hint: a reader
 * takes it as the limit of what it looks at, never as proof, and only while a writer is alive (a
 * lock on LOCK byte 0 says so).
 *
 *   offset size field
 *        0    8 magic 'HOLOGCTL'
 *        8    4 version, 1
 *       12    4 sequence: odd while the writer changes what follows
 *       16    8 durable position (rounded-up end of the last durable frame)
 *       24    8 number of the last durable commit
 *       32    8 reserved, zero
 *       40    4 writer's process id
 */
#ifndef HG_WAL_CTL_H
#define HG_WAL_CTL_H

#include "base/assert.h"
#include "io/io.h"
#include "wal/layout.h"

#define HG_CTL_SIZE 4096u

struct hg_ctl;
/* The writer makes the file when it is missing, and nobody reads anything until its first publish.
 * A reader: HOLOG_E_NOENT, HOLOG_E_AGAIN (no writer has prepared it yet). HOLOG_E_NOTSUP: the file
 * system cannot share a mapping; go on without. */
HG_MUST_CHECK int hg_ctl_open(struct hg_io *io, int writable, struct hg_ctl **out_ctl);
void hg_ctl_close(struct hg_ctl *c);
void hg_ctl_publish(struct hg_ctl *c, hg_pos durable, uint64_t number); /* writer only */
/* HOLOG_E_AGAIN when no consistent content could be read (no writer yet). */
HG_MUST_CHECK int hg_ctl_read(const struct hg_ctl *c, hg_pos *out_durable, uint64_t *out_number);
/* Goes up with every writer that opens the store and with all it publishes. 0: no writer yet. */
uint32_t hg_ctl_sequence(const struct hg_ctl *c);

/* Byte ranges of LOCK. */
#define HG_LOCK_WRITER  0 /* held exclusively by the writer */
#define HG_LOCK_READERS 1 /* held shared by every reader process, 1 byte */

/* Whether any process has the store open for writing. */
HG_MUST_CHECK int hg_writer_alive(struct hg_io *io, int *out_alive);

#endif
