/*
 * Files written and removed: after the store has committed what they are to be.
 */
#include <string.h>

#include "backends/files/beside.h"
#include "backends/files/format.h"
#include "base/alloc.h"
#include "base/error.h"

#define BATCH_LAZY 16 /* so many files are synced together: two flushes each add up */

/* ---- one file --------------------------------------------------------------------------------------*/

static int write_file(struct hg_beside *f, const char *name, const struct hg_file_image *image,
                      unsigned flags)
{
    char dir[HG_PATH_MAX + 1];
    size_t len = hg_path_parent(name, strlen(name));
    int rc = HOLOG_OK;

    memcpy(dir, name, len);
    dir[len] = '\0';
    if (len > 0)
        rc = hg_outside_mkdir(f->root, dir, flags);
    if (rc == HOLOG_OK)
        rc = hg_outside_write(f->root, name, image->parts, image->lens, image->n,
                              flags | HG_OUTSIDE_REPLACE);
    return rc;
}

/* ---- trees -----------------------------------------------------------------------------------------*/

struct removing {
    struct hg_beside *files;
    const char *dir;
};

static int remove_child(void *ctx, const char *name, int is_dir, uint64_t size)
{
    const struct removing *r = ctx;
    char path[HG_PATH_MAX + 1];
    int rc = hg_beside_child(r->dir, name, path);

    HG_UNUSED(is_dir);
    HG_UNUSED(size);
    return rc < 0 ? rc : hg_beside_remove_tree(r->files, path);
}

int hg_beside_remove_tree(struct hg_beside *f, const char *name)
{
    struct removing r = { .files = f, .dir = name };
    uint32_t type = HOLOG_MISSING;
    int rc = hg_beside_type(f, name, &type, NULL);

    if (rc < 0 || type == HOLOG_MISSING)
        return rc;
    if (type == HOLOG_DIRECTORY)
        rc = hg_outside_list(f->root, name, remove_child, &r);
    if (rc < 0 || name[0] == '\0')
        return rc;
    rc = hg_outside_remove(f->root, name, f->write_flags);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int remove_file(void *ctx, const char *name, int is_dir, uint64_t size)
{
    const struct removing *r = ctx;
    char path[HG_PATH_MAX + 1];
    int rc = hg_beside_child(r->dir, name, path);

    HG_UNUSED(size);
    if (rc < 0 || is_dir)
        return rc < 0 ? rc : hg_beside_remove_below(r->files, path);
    rc = hg_outside_remove(r->files->root, path, r->files->write_flags);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_beside_remove_below(struct hg_beside *f, const char *name)
{
    struct removing r = { .files = f, .dir = name };

    return hg_outside_list(f->root, name, remove_file, &r);
}

static int write_object(struct hg_beside *f, const char *name)
{
    struct hg_file_image image;
    holog_payload p = { 0 };
    holog_object_spec spec;
    int status = HOLOG_OK;
    int rc = hg_instore_load(&f->in, &name, 1, &p, &status);

    rc = rc < 0 ? rc : status;
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
    rc = hg_file_encode(name, &spec, &image);
    if (rc == HOLOG_E_TYPE || rc == HOLOG_E_NOTSUP)
        rc = hg_beside_remove_tree(f, name); /* no file has it; none of another object either */
    else if (rc == HOLOG_OK) {
        rc = write_file(f, name, &image, f->write_flags);
        hg_file_image_release(&image);
    }
    hg_payload_release(&p);
    return rc;
}

struct writing {
    struct hg_beside *files;
    const char *dir;
};

static int write_child(void *ctx, const char *name, uint32_t type)
{
    const struct writing *w = ctx;
    char path[HG_PATH_MAX + 1];
    size_t len = strlen(w->dir);

    if (len + 1 + strlen(name) > HG_PATH_MAX)
        return hg_instore_wrong(HOLOG_E_NAMETOOLONG, w->dir, "has too long a path");
    memcpy(path, w->dir, len);
    if (len > 0)
        path[len++] = '/';
    memcpy(path + len, name, strlen(name) + 1);
    if (type == HOLOG_DIRECTORY)
        return hg_outside_mkdir(w->files->root, path, w->files->write_flags);
    return type == HOLOG_SYMLINK ? HOLOG_OK : write_object(w->files, path);
}

int hg_beside_write_tree(struct hg_beside *f, const char *path)
{
    char name[HG_PATH_MAX + 1];
    struct writing w = { .files = f, .dir = name };
    uint32_t type = HOLOG_MISSING;
    int rc = hg_beside_name(f, path, 0, name);

    if (rc == HOLOG_OK)
        rc = hg_beside_store_type(f, path, &type);
    if (rc < 0 || type == HOLOG_MISSING)
        return rc;
    if (type == HOLOG_SYMLINK)
        return hg_beside_remove_tree(f, name);
    if (type != HOLOG_DIRECTORY)
        return write_object(f, name);
    rc = name[0] == '\0' ? HOLOG_OK : hg_outside_mkdir(f->root, name, f->write_flags);
    return rc < 0 ? rc : hg_instore_list(&f->in, path, HOLOG_LIST_RECURSIVE, write_child, &w);
}

/* ---- saving ----------------------------------------------------------------------------------------*/

struct file_of {
    char *name; /* owned */
    struct hg_file_image image;
};

static void files_release(struct file_of *files, size_t n)
{
    for (size_t i = 0; files != NULL && i < n; i++) {
        hg_file_image_release(&files[i].image);
        hg_free(files[i].name);
    }
    hg_free(files);
}

/* What would be in the way of an entry, were it one. */
static int check_place(struct hg_beside *f, const char *path, const char *name, unsigned flags)
{
    uint32_t type = HOLOG_MISSING;
    uint32_t in_store = HOLOG_MISSING;
    int rc = hg_beside_type(f, name, &type, NULL);

    if (rc == HOLOG_OK)
        rc = hg_beside_store_type(f, path, &in_store);
    if (rc == HOLOG_OK)
        rc = hg_beside_take_parent(f, path);
    if (rc < 0 || type == HOLOG_MISSING || in_store != HOLOG_MISSING)
        return rc;
    if ((flags & HOLOG_REPLACE) == 0)
        return hg_instore_wrong(HOLOG_E_EXIST, path, "exists, as a file");
    return type == HOLOG_DIRECTORY ? hg_instore_wrong(HOLOG_E_ISDIR, path, "is a directory")
                                   : HOLOG_OK;
}

static int make_ready(struct hg_beside *f, const holog_vfs_item *item, unsigned flags,
                      struct file_of *out)
{
    char name[HG_PATH_MAX + 1];
    int rc = hg_beside_name(f, item->path, 0, name);

    if (rc == HOLOG_OK)
        rc = check_place(f, item->path, name, flags);
    if (rc < 0)
        return rc;
    out->name = hg_strndup(name, strlen(name));
    if (out->name == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a path");
    return name[0] == '\0' ? HOLOG_OK : hg_file_encode(item->path, item->object, &out->image);
}

/* All that can be written; the first failure is the result. */
static int write_files(struct hg_beside *f, const struct file_of *files, size_t n)
{
    unsigned flags = n >= BATCH_LAZY ? HG_OUTSIDE_LAZY : f->write_flags;
    int first = HOLOG_OK;

    for (size_t i = 0; i < n; i++) {
        int rc = write_file(f, files[i].name, &files[i].image, flags);
        first = first < 0 ? first : rc;
    }
    if (first == HOLOG_OK && flags != f->write_flags)
        first = hg_outside_sync(f->root);
    return first;
}

int hg_beside_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                   uint64_t *out_number)
{
    struct hg_beside *f = self;
    struct file_of *files = hg_calloc(n, sizeof *files);
    int rc = HOLOG_OK;

    if (files == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a batch of %zu", n);
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++)
        rc = make_ready(f, &items[i], flags, &files[i]);
    if (rc == HOLOG_OK)
        rc = hg_instore_save(&f->in, items, n, flags, out_number);
    if (rc == HOLOG_OK)
        rc = write_files(f, files, n);
    (void)pthread_mutex_unlock(&f->lock);
    files_release(files, n);
    return rc;
}
