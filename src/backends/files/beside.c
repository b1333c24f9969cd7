/*
 * See beside.h: opening, paths and their files, taking in.
 */
#include "backends/files/beside.h"

#include <string.h>

#include "backends/files/format.h"
#include "base/alloc.h"
#include "base/error.h"
#include "holog/files.h"

#define FILE_BYTES_MAX (UINT64_C(1) << 40) /* of one that is loaded whole */

/* ---- paths and files -------------------------------------------------------------------------------*/

/* What the store does not have stands behind what it has, unresolved. */
static int name_in(const struct hg_lookup *l, const char *path, int follow, char *out)
{
    size_t whole = strcmp(path, "/") == 0 ? 0 : strlen(path);
    struct hg_resolved r;
    int rc = HOLOG_E_NOENT;

    for (size_t len = whole; len > 0; len = hg_path_parent(path, len)) {
        rc = hg_resolve(l, path, len, follow || len < whole, &r);
        if (rc == HOLOG_E_NOENT)
            continue;
        if (rc < 0)
            return rc;
        if (r.path_len + (whole - len) > HG_PATH_MAX)
            return hg_instore_wrong(HOLOG_E_NAMETOOLONG, path, "leads to too long a path");
        memcpy(out, r.path, r.path_len);
        memcpy(out + r.path_len, path + len + (r.path_len == 0 && len < whole), whole - len + 1);
        return HOLOG_OK;
    }
    memcpy(out, path, whole);
    out[whole] = '\0';
    return HOLOG_OK;
}

int hg_beside_name(const struct hg_beside *f, const char *path, int follow, char *out)
{
    struct hg_lookup l;
    holog_view *view = NULL;
    int rc = holog_view_open(f->in.store, &view);

    if (rc < 0)
        return rc;
    hg_lookup_version(f->in.store, view->version, &l);
    rc = name_in(&l, path, follow, out);
    holog_view_close(view);
    return rc;
}

int hg_beside_type(const struct hg_beside *f, const char *name, uint32_t *out_type,
                   struct hg_outside_info *out_info)
{
    struct hg_outside_info info = { 0 };
    int rc = hg_outside_stat(f->root, name, &info);

    if (rc == HOLOG_E_NOENT) {
        *out_type = HOLOG_MISSING;
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    *out_type = info.is_dir                                      ? HOLOG_DIRECTORY
                : holog_file_format_of(name) == HOLOG_FILE_BYTES ? HOLOG_BLOB
                                                                 : HOLOG_ARRAY;
    if (out_info != NULL)
        *out_info = info;
    return HOLOG_OK;
}

int hg_beside_store_type(struct hg_beside *f, const char *path, uint32_t *out_type)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    int rc = hg_instore_stat(&f->in, path, &info);

    if (rc == HOLOG_OK || rc == HOLOG_E_NOENT)
        *out_type = rc == HOLOG_OK ? info.type : HOLOG_MISSING;
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_beside_read(const struct hg_beside *f, const char *name, holog_payload *out)
{
    struct hg_buf file = { 0 };
    int rc = hg_outside_read(f->root, name, FILE_BYTES_MAX, &file);

    if (rc < 0) {
        hg_buf_release(&file);
        return rc;
    }
    return hg_file_decode(name, &file, out);
}

/* ---- taking in -------------------------------------------------------------------------------------*/

static int take_file(struct hg_beside *f, const char *name)
{
    holog_payload p = { 0 };
    holog_object_spec spec;
    holog_vfs_item item = { .path = name, .object = &spec };
    uint64_t number;
    int rc = hg_beside_read(f, name, &p);

    if (rc < 0)
        return rc;
    spec = (holog_object_spec){ .struct_size = sizeof spec,
                                .kind = p.info.kind,
                                .data = p.data,
                                .len_bytes = p.info.size_bytes,
                                .dtype = p.info.dtype,
                                .item_size = p.info.item_size,
                                .rank = p.info.rank,
                                .shape = p.info.shape };
    rc = hg_instore_save(&f->in, &item, 1, HOLOG_PARENTS, &number);
    hg_payload_release(&p);
    return rc == HOLOG_E_EXIST ? HOLOG_OK : rc; /* another backend was faster: its entry counts */
}

int hg_beside_child(const char *dir, const char *name, char *out)
{
    size_t len = strlen(dir);

    if (len + 1 + strlen(name) > HG_PATH_MAX)
        return hg_instore_wrong(HOLOG_E_NAMETOOLONG, dir, "has files with too long a path");
    memcpy(out, dir, len + 1);
    if (len > 0)
        out[len++] = '/';
    memcpy(out + len, name, strlen(name) + 1);
    return HOLOG_OK;
}

struct take {
    struct hg_beside *files;
    const char *dir;
};

static int take_child(void *ctx, const char *name, int is_dir, uint64_t size)
{
    const struct take *t = ctx;
    char path[HG_PATH_MAX + 1];
    int rc = hg_beside_child(t->dir, name, path);

    HG_UNUSED(is_dir);
    HG_UNUSED(size);
    return rc < 0 ? rc : hg_beside_take_in(t->files, path, 1);
}

int hg_beside_take_in(struct hg_beside *f, const char *path, int tree)
{
    char name[HG_PATH_MAX + 1];
    struct take t = { .files = f, .dir = name };
    uint32_t in_store = HOLOG_MISSING;
    uint32_t type = HOLOG_MISSING;
    uint64_t number;
    int rc = hg_beside_store_type(f, path, &in_store);

    if (rc < 0 || (in_store != HOLOG_MISSING && in_store != HOLOG_DIRECTORY))
        return rc;
    rc = hg_beside_name(f, path, 0, name);
    if (rc == HOLOG_OK)
        rc = hg_beside_type(f, name, &type, NULL);
    if (rc < 0 || type == HOLOG_MISSING)
        return rc;
    if (type != HOLOG_DIRECTORY)
        return in_store == HOLOG_MISSING ? take_file(f, name) : HOLOG_OK;
    if (in_store == HOLOG_MISSING)
        rc = hg_instore_ensure_directory(&f->in, path, &number);
    return rc == HOLOG_OK && tree ? hg_outside_list(f->root, name, take_child, &t) : rc;
}

int hg_beside_take_parent(struct hg_beside *f, const char *path)
{
    char dir[HG_PATH_MAX + 1];
    size_t len = hg_path_parent(path, strlen(path));

    if (len == 0)
        return HOLOG_OK;
    memcpy(dir, path, len);
    dir[len] = '\0';
    return hg_beside_take_in(f, dir, 0);
}

/* ---- the table -------------------------------------------------------------------------------------*/

static int files_close(void *self)
{
    struct hg_beside *f = self;

    if (f == NULL)
        return HOLOG_OK;
    hg_outside_close(f->root);
    (void)pthread_mutex_destroy(&f->lock);
    hg_free(f->root_dir);
    hg_free(f);
    return HOLOG_OK;
}

/* Files that are the store's own would be taken in, written over and removed. */
static int check_root(const holog_store *store, const char *root)
{
    int overlap = 0;

    if (hg_outside_overlap(store->io->root, root, &overlap) < 0 || !overlap)
        return HOLOG_OK; /* a store that is in no directory */
    return hg_error(
        HOLOG_E_INVAL,
        "%s has the store %s in it, or is in it: give files a directory beside the store", root,
        store->dir);
}

static int files_open(const holog_backend_options *opts, void **out_self)
{
    struct hg_beside *f;
    int rc;

    if (opts->root == NULL)
        return hg_error(HOLOG_E_INVAL, "files are in a directory: options.root is NULL");
    f = hg_calloc(1, sizeof *f);
    if (f == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a backend");
    (void)pthread_mutex_init(&f->lock, NULL);
    rc = hg_instore_begin(&f->in, opts, HOLOG_DURABILITY_SYNC, HOLOG_CHUNKS_WHOLE);
    if (rc == HOLOG_OK) {
        f->write_flags = f->in.durability == HOLOG_DURABILITY_SYNC ? 0 : HG_OUTSIDE_LAZY;
        f->root_dir = hg_strndup(opts->root, strlen(opts->root));
        rc = f->root_dir == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a backend")
                                 : hg_outside_open(opts->root, 1, &f->root);
    }
    if (rc == HOLOG_OK)
        rc = check_root(f->in.store, opts->root);
    if (rc == HOLOG_OK)
        hg_outside_set_mode(f->root, opts->file_mode);
    if (rc < 0)
        (void)files_close(f);
    else
        *out_self = f;
    return rc;
}

static int files_readlink(void *self, const char *path, char *buf, size_t buf_size)
{
    struct hg_beside *f = self;

    return hg_instore_readlink(&f->in, path, buf, buf_size);
}

static int files_wait(void *self, uint64_t number, uint32_t timeout_ms)
{
    struct hg_beside *f = self;
    int rc = hg_instore_wait(&f->in, number, timeout_ms);

    return rc == HOLOG_OK && f->write_flags != 0 ? hg_outside_sync(f->root) : rc;
}

static const char *const aliases[] = { "disk", NULL };

const holog_backend_ops hg_backend_files = {
    .struct_size = sizeof(holog_backend_ops),
    .version = HOLOG_BACKEND_VERSION,
    .name = "files",
    .aliases = aliases,
    .flags = HOLOG_BACKEND_STRIDES,
    .open = files_open,
    .close = files_close,
    .save = hg_beside_save,
    .load = hg_beside_load,
    .stat = hg_beside_stat,
    .list = hg_beside_list,
    .ensure_directory = hg_beside_ensure_directory,
    .remove = hg_beside_remove,
    .copy = hg_beside_copy,
    .move = hg_beside_move,
    .symlink = hg_beside_symlink,
    .readlink = files_readlink,
    .resolve = hg_beside_resolve,
    .wait = files_wait,
    .remove_files = hg_beside_remove_files,
};
