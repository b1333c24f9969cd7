/*
 * The file manager: one set of calls over all backends (holog/backend.h).
 *
 *   registry.c     names and what they stand for; opening
 *   object.c       what was loaded, counted; what is to be saved, judged
 *   vfs_object.c   saving and loading
 *   vfs_names.c    asking, and changing the namespace
 *   vfs_list.c     listings: walked, sorted, filtered
 *   select.c       which backend
 *   instore/       the built-in ones: what they share is entries of a store
 *   files/         files of the backend `files`, and their formats
 *
 * Arguments are judged once, here; a backend's call is reached through hg_vfs_done(), which sees to it that
 * a code has a message, also where a backend of somebody else gave none.
 */
#ifndef HG_BACKENDS_MANAGER_H
#define HG_BACKENDS_MANAGER_H

#include "base/assert.h"
#include "engine/pathkey.h"
#include "holog/backend.h"

#define HG_VFS_FLAGS (HOLOG_PARENTS | HOLOG_REPLACE)

struct hg_registered;

/* All fixed after open. */
struct holog_backend {
    const holog_backend_ops *ops;
    void *self;
    struct hg_registered *registered; /* counted */
};

/* ---- object.c ---- */
/* Takes over the payload, also when it fails. */
HG_MUST_CHECK int hg_object_new(const holog_payload *payload, holog_object **out);
void hg_payload_release(const holog_payload *payload);
/* A caller's spec, whole and checked: item_size and len_bytes are set; strides are NULL where they say
 * C order. what: for messages. */
HG_MUST_CHECK int hg_object_spec_take(const holog_object_spec *in, const char *what,
                                      holog_object_spec *out);
/* Elements in C order into `out`, spec->len_bytes. */
void hg_object_spec_flatten(const holog_object_spec *spec, void *out);

/* ---- vfs_object.c ---- */
/* The backend is there, and flags are known. */
HG_MUST_CHECK int hg_vfs_begin(const holog_backend *b, unsigned flags);
/* The result of a backend's call on a path. */
int hg_vfs_done(const holog_backend *b, int rc, const char *call, const char *path);
/* A caller's path as backends get it: canonical, the root "/". */
struct hg_vfs_path {
    char text[HG_PATH_MAX + 1];
    size_t len;
};
HG_MUST_CHECK int hg_vfs_path_take(const char *path, struct hg_vfs_path *out);
/* Natural order of canonical paths; what is below a directory follows it. */
int hg_vfs_path_compare(const char *a, const char *b);
/* Of an open backend. Missing, for whatever reason: HOLOG_OK and type MISSING. */
HG_MUST_CHECK int hg_vfs_stat(const holog_backend *b, const char *canonical,
                              holog_vfs_stat_info *out);

/* ---- the built-in ones ---- */
extern const holog_backend_ops hg_backend_memory;
extern const holog_backend_ops hg_backend_zarr;
extern const holog_backend_ops hg_backend_files;

#endif
