/*
 * The hash side-table: from the hash of a path to the record that holds the entry's newest version,
 * so that a load of a small value needs no descent of the tree. It is a cache of the tree: what is
 * not in it, or too new for the reader, is looked up there.
 *
 * What makes an answer right:
 *   - The writer takes out or replaces an entry after the change has its number and before anybody
 *     can read the version that has it. So what a reader of version v finds is the newest there is,
 *     and if its number is not above v's, it is the one of v. The table does not keep each entry's
 *     number, but the newest of some hundred neighbours: if that one is not above v's, none is.
 *   - A reader that looked something up in the tree of v may put it in only while nothing newer than
 *     v has been sequenced: then it is the newest.
 *   - Hashes collide: the record names its path, and whoever follows an answer compares it.
 *
 * 8 bytes a slot, in a table that grows by an eighth with the number of values and is kept fairly
 * full: some 8.5 to 10 bytes a value. It loses what does not fit, and all when it grows.
 */
#ifndef HG_ENGINE_SIDE_TABLE_H
#define HG_ENGINE_SIDE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/epoch.h"
#include "io/io.h"
#include "wal/layout.h"

struct hg_side_table;

/* seed: secret, so that nobody can choose paths that collide. */
HG_MUST_CHECK int hg_side_table_create(struct hg_io *io, struct hg_epoch_domain *domain,
                                       uint64_t seed, struct hg_side_table **out_table);
void hg_side_table_destroy(struct hg_side_table *t); /* no reader inside; NULL is fine */
uint64_t hg_side_table_hash(const struct hg_side_table *t, const char *path, size_t path_len);

/* ---- readers: any thread ------------------------------------------------------------------------ */

/* 1 and where the newest version lies, when it is known and not newer than version `number`. The
 * caller is inside an epoch of the domain. */
int hg_side_table_find(const struct hg_side_table *t, uint64_t hash, uint64_t number,
                       hg_pos *out_birth);
/* The tree of version `seen` says that the entry's version is that of commit `number`, at birth. */
void hg_side_table_learn(struct hg_side_table *t, uint64_t hash, hg_pos birth, uint64_t number,
                         uint64_t seen);

/* ---- the writer: one at a time, between begin and end ------------------------------------------- */

/* The changes of commit `number` follow: sequenced, and not yet to be read. */
void hg_side_table_begin(struct hg_side_table *t, uint64_t number);
void hg_side_table_put(struct hg_side_table *t, uint64_t hash, hg_pos birth);
void hg_side_table_remove(struct hg_side_table *t, uint64_t hash);
void hg_side_table_clear(struct hg_side_table *t); /* forgets everything, in O(1) */
/* The store has so many values; the table may take so many bytes. No memory: it stays as it is. */
void hg_side_table_fit(struct hg_side_table *t, uint64_t values, uint64_t max_bytes);
void hg_side_table_end(struct hg_side_table *t);

uint64_t hg_side_table_bytes(const struct hg_side_table *t);

#endif
