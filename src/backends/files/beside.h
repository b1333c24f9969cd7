/*
 * The backend `files`: entries of a store, each with an ordinary file beside it.
 *
 * The store has the last word: what it has is what is loaded, and a file only counts where the store has nothing of
 * that path. So a pipeline's images are there before anybody has saved them; and what a power cut leaves between a
 * commit and its file is the commit. Files are derived:
 *
 *   save          committed, then written             in between: the entry; its file is older, or missing
 *   copy, move    committed, then written, removed    in between: the entries; old files are entries again where
 *                                                     nothing replaced them
 *   delete        committed, then removed             in between: the file, an entry as before the delete
 *
 * A change that needs what only a file has takes it in first: the file becomes an entry (a commit of its own).
 * Symlinks are the store's alone; a path through one names the file where it leads. An array whose name is of no
 * format (b, made by a move of a.npy) has no file.
 *
 *   beside.c        opening; paths and files; taking in
 *   beside_write.c  save; files written anew after a copy
 *   beside_read.c   load, stat, listings, where they are
 *   beside_names.c  delete, copy, move, links, directories
 *   format.c        objects as files
 */
#ifndef HG_BACKENDS_FILES_BESIDE_H
#define HG_BACKENDS_FILES_BESIDE_H

#include <pthread.h>

#include "backends/instore/instore.h"
#include "io/outside.h"

struct hg_beside {
    struct hg_instore in; /* first: calls of instore take this struct, too */
    struct hg_outside *root;
    char *root_dir;
    unsigned write_flags; /* HG_OUTSIDE_LAZY: not durable at once */
    /* Held by each change, from its first look to its last file: of two that change a path, the later one
     * writes its file later. Readers take none. */
    pthread_mutex_t lock;
};

/* The file of a canonical path: where it leads, without a '/' in front; "" is the root. follow: also the last
 * component. HOLOG_E_NOTDIR: it goes through an object of the store's; HOLOG_E_LOOP. out: HG_PATH_MAX + 1. */
HG_MUST_CHECK int hg_beside_name(const struct hg_beside *f, const char *path, int follow,
                                 char *out);
/* HOLOG_MISSING, HOLOG_DIRECTORY, HOLOG_BLOB or, by its name, HOLOG_ARRAY; out_info may be NULL. */
HG_MUST_CHECK int hg_beside_type(const struct hg_beside *f, const char *name, uint32_t *out_type,
                                 struct hg_outside_info *out_info);
HG_MUST_CHECK int hg_beside_store_type(struct hg_beside *f, const char *path, uint32_t *out_type);
/* A whole file, as an object. */
HG_MUST_CHECK int hg_beside_read(const struct hg_beside *f, const char *name, holog_payload *out);
/* "dir/name", or the name alone below "", into out (HG_PATH_MAX + 1). HOLOG_E_NAMETOOLONG. */
HG_MUST_CHECK int hg_beside_child(const char *dir, const char *name, char *out);
/* Lock held. Where only a file or a directory of files has the path, the store has it from now on; `tree`:
 * with all that is below it, else a directory alone. Nothing is there: nothing happens. */
HG_MUST_CHECK int hg_beside_take_in(struct hg_beside *f, const char *path, int tree);
/* The same of the directories above it. */
HG_MUST_CHECK int hg_beside_take_parent(struct hg_beside *f, const char *path);

/* ---- beside_write.c ---- */
int hg_beside_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                   uint64_t *out_number);
/* Files for the entry at `path` of the store and all below it, in place of what is there. */
HG_MUST_CHECK int hg_beside_write_tree(struct hg_beside *f, const char *path);
/* A file, or a directory and all in it; nothing is there: nothing happens. */
HG_MUST_CHECK int hg_beside_remove_tree(struct hg_beside *f, const char *name);
/* The files in a directory and those below it; the directories stay. */
HG_MUST_CHECK int hg_beside_remove_below(struct hg_beside *f, const char *name);

/* ---- beside_read.c, beside_names.c: calls of the table ---- */
int hg_beside_load(void *self, const char *const *paths, size_t n, holog_payload *out, int *status);
int hg_beside_stat(void *self, const char *path, holog_vfs_stat_info *out);
int hg_beside_list(void *self, const char *dir, unsigned flags,
                   int (*each)(void *ctx, const char *name, uint32_t type), void *ctx);
int hg_beside_resolve(void *self, const char *path, holog_vfs_place *out);
int hg_beside_ensure_directory(void *self, const char *path, uint64_t *out_number);
int hg_beside_remove(void *self, const char *path, int all, uint64_t *out_number);
int hg_beside_remove_files(void *self, const char *dir, uint64_t *out_number);
int hg_beside_copy(void *self, const char *from, const char *to, unsigned flags,
                   uint64_t *out_number);
int hg_beside_move(void *self, const char *from, const char *to, unsigned flags,
                   uint64_t *out_number);
int hg_beside_symlink(void *self, const char *target, const char *path, unsigned flags,
                      uint64_t *out_number);

#endif
