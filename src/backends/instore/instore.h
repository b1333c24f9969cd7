/*
 * Entries of a store as objects: what the built-in backends share. `memory` and `zarr` are nothing else, with
 * other durability and other chunks; `files` has a directory of files beside them.
 *
 * An array is a directory with a document to the engine, and a file here: where the two differ, it is settled
 * in a transaction that has looked at what it changes, so that it holds at the commit, too. A transaction that
 * meets somebody else's change is made anew.
 *
 *   instore.c        opening; looking; changes and how often they are tried
 *   instore_save.c   objects in
 *   instore_read.c   objects out; stat, listings, where they are
 *   instore_names.c  delete, copy, move, links, directories
 *   builtin.c        the tables of memory and zarr
 */
#ifndef HG_BACKENDS_INSTORE_INSTORE_H
#define HG_BACKENDS_INSTORE_INSTORE_H

#include "backends/manager.h"
#include "engine/store_internal.h"

/* All but `pending` fixed after open. */
struct hg_instore {
    holog_store *store;
    enum holog_durability durability;
    int whole_chunks;
    uint32_t codec;
    int32_t level;
    uint32_t array_flags;
    uint64_t pending_max;
    uint64_t pending; /* atomic: objects saved, and not known to be durable */
};

/* What of opts says nothing is as the backend has it. */
HG_MUST_CHECK int hg_instore_begin(struct hg_instore *e, const holog_backend_options *opts,
                                   enum holog_durability durability, enum holog_chunking chunking);
HG_MUST_CHECK int hg_instore_open(const holog_backend_options *opts,
                                  enum holog_durability durability, enum holog_chunking chunking,
                                  void **out_self);
HG_MUST_CHECK int hg_instore_close(void *self);

/* What is at a path, an array told from a directory. HOLOG_MISSING also where a parent is missing. In a
 * transaction it is remembered. */
HG_MUST_CHECK int hg_instore_look_in(const struct hg_lookup *l, holog_txn *txn, const char *path,
                                     int follow, struct hg_resolved *out, uint32_t *out_type);
HG_MUST_CHECK int hg_instore_look(holog_txn *txn, const char *path, int follow,
                                  struct hg_resolved *out, uint32_t *out_type);
/* HOLOG_E_NOTDIR: the path would lie below an array. */
HG_MUST_CHECK int hg_instore_check_parent(holog_txn *txn, const char *path);
/* An object or a symlink that is to give way. HOLOG_E_NOTEMPTY: an array that somebody has put entries below. */
HG_MUST_CHECK int hg_instore_drop(holog_txn *txn, const char *path, uint32_t type);
int hg_instore_wrong(int code, const char *path, const char *what); /* "PATH: WHAT" */

/* A commit of what `make` puts into a transaction, which is called again when that met another change. */
typedef int (*hg_instore_make)(const struct hg_instore *e, holog_txn *txn, void *ctx);
HG_MUST_CHECK int hg_instore_change(struct hg_instore *e, hg_instore_make make, void *ctx,
                                    uint64_t *out_number);

/* The calls of the table (holog/backend.h); self is a struct hg_instore. */
int hg_instore_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                    uint64_t *out_number);
int hg_instore_load(void *self, const char *const *paths, size_t n, holog_payload *out,
                    int *status);
int hg_instore_stat(void *self, const char *path, holog_vfs_stat_info *out);
int hg_instore_list(void *self, const char *dir, unsigned flags,
                    int (*each)(void *ctx, const char *name, uint32_t type), void *ctx);
int hg_instore_ensure_directory(void *self, const char *path, uint64_t *out_number);
int hg_instore_remove(void *self, const char *path, int all, uint64_t *out_number);
int hg_instore_remove_files(void *self, const char *dir, uint64_t *out_number);
int hg_instore_copy(void *self, const char *from, const char *to, unsigned flags,
                    uint64_t *out_number);
int hg_instore_move(void *self, const char *from, const char *to, unsigned flags,
                    uint64_t *out_number);
int hg_instore_symlink(void *self, const char *target, const char *path, unsigned flags,
                       uint64_t *out_number);
int hg_instore_readlink(void *self, const char *path, char *buf, size_t buf_size);
int hg_instore_resolve(void *self, const char *path, holog_vfs_place *out);
int hg_instore_wait(void *self, uint64_t number, uint32_t timeout_ms);

#endif
