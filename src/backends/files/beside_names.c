/*
 * Directories, deletes, copies, moves and links, in the store and then among its files.
 */
#include <string.h>

#include "backends/files/beside.h"
#include "base/error.h"

/* ---- directories, deletes --------------------------------------------------------------------------*/

static int make_directory(struct hg_beside *f, const char *path, uint64_t *out_number)
{
    char name[HG_PATH_MAX + 1];
    uint32_t type = HOLOG_MISSING;
    int rc = hg_beside_name(f, path, 1, name);

    if (rc == HOLOG_OK)
        rc = hg_beside_type(f, name, &type, NULL);
    if (rc == HOLOG_OK && type != HOLOG_MISSING && type != HOLOG_DIRECTORY)
        rc = hg_instore_wrong(HOLOG_E_EXIST, path, "exists, and is no directory");
    if (rc == HOLOG_OK)
        rc = hg_instore_ensure_directory(&f->in, path, out_number);
    if (rc == HOLOG_OK && name[0] != '\0')
        rc = hg_outside_mkdir(f->root, name, f->write_flags);
    return rc;
}

int hg_beside_ensure_directory(void *self, const char *path, uint64_t *out_number)
{
    struct hg_beside *f = self;
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = make_directory(f, path, out_number);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

static int found_one(void *ctx, const char *name, int is_dir, uint64_t size)
{
    int *found = ctx;

    HG_UNUSED(name);
    HG_UNUSED(is_dir);
    HG_UNUSED(size);
    *found = 1;
    return 1;
}

/* The root itself stays: only what is in it goes. */
static int remove_both(struct hg_beside *f, const char *path, int all, uint64_t *out_number)
{
    char name[HG_PATH_MAX + 1];
    uint32_t type = HOLOG_MISSING;
    uint32_t in_store = HOLOG_MISSING;
    int found = 0;
    int rc = hg_beside_store_type(f, path, &in_store);

    if (rc == HOLOG_OK)
        rc = hg_beside_name(f, path, 0, name);
    if (rc == HOLOG_OK)
        rc = hg_beside_type(f, name, &type, NULL);
    if (rc == HOLOG_OK && in_store == HOLOG_MISSING && type == HOLOG_MISSING)
        rc = hg_instore_wrong(HOLOG_E_NOENT, path, "no such entry, and no such file");
    if (rc == HOLOG_OK && !all && type == HOLOG_DIRECTORY)
        rc = hg_outside_list(f->root, name, found_one, &found);
    /* Files of what the store has are no news; it says itself when it has anything there. */
    if (rc == HOLOG_OK && found && in_store != HOLOG_SYMLINK)
        rc = hg_instore_wrong(HOLOG_E_NOTEMPTY, path, "has entries");
    if (rc == HOLOG_OK && in_store != HOLOG_MISSING)
        rc = hg_instore_remove(&f->in, path, all, out_number);
    if (rc == HOLOG_OK && in_store != HOLOG_SYMLINK)
        rc = hg_beside_remove_tree(f, name);
    return rc;
}

int hg_beside_remove(void *self, const char *path, int all, uint64_t *out_number)
{
    struct hg_beside *f = self;
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = remove_both(f, path, all, out_number);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

static int remove_files(struct hg_beside *f, const char *dir, uint64_t *out_number)
{
    char name[HG_PATH_MAX + 1];
    uint32_t type = HOLOG_MISSING;
    int rc = hg_beside_name(f, dir, 1, name);

    if (rc == HOLOG_OK)
        rc = hg_beside_type(f, name, &type, NULL);
    if (rc < 0)
        return rc;
    rc = hg_instore_remove_files(&f->in, dir, out_number);
    if (rc == HOLOG_E_NOENT && type != HOLOG_MISSING) /* only files are there */
        rc = type == HOLOG_DIRECTORY ? HOLOG_OK
                                     : hg_instore_wrong(HOLOG_E_NOTDIR, dir, "is no directory");
    return rc == HOLOG_OK && type == HOLOG_DIRECTORY ? hg_beside_remove_below(f, name) : rc;
}

int hg_beside_remove_files(void *self, const char *dir, uint64_t *out_number)
{
    struct hg_beside *f = self;
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = remove_files(f, dir, out_number);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- copies and moves ------------------------------------------------------------------------------*/

/* What the store has to know to judge the change, only files having it. */
static int take_both(struct hg_beside *f, const char *from, const char *to)
{
    int rc = hg_beside_take_parent(f, from);

    if (rc == HOLOG_OK)
        rc = hg_beside_take_in(f, from, 1);
    if (rc == HOLOG_OK)
        rc = hg_beside_take_parent(f, to);
    return rc < 0 ? rc : hg_beside_take_in(f, to, 0);
}

int hg_beside_copy(void *self, const char *from, const char *to, unsigned flags,
                   uint64_t *out_number)
{
    struct hg_beside *f = self;
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = take_both(f, from, to);
    if (rc == HOLOG_OK)
        rc = hg_instore_copy(&f->in, from, to, flags, out_number);
    if (rc == HOLOG_OK)
        rc = hg_beside_write_tree(f, to);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

int hg_beside_move(void *self, const char *from, const char *to, unsigned flags,
                   uint64_t *out_number)
{
    struct hg_beside *f = self;
    char name[HG_PATH_MAX + 1];
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = take_both(f, from, to);
    if (rc == HOLOG_OK)
        rc = hg_beside_name(f, from, 0, name);
    if (rc == HOLOG_OK)
        rc = hg_instore_move(&f->in, from, to, flags, out_number);
    if (rc == HOLOG_OK)
        rc = hg_beside_write_tree(f, to);
    if (rc == HOLOG_OK)
        rc = hg_beside_remove_tree(f, name);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- links -----------------------------------------------------------------------------------------*/

/* The target may be a file alone. What is no path of this store stays a target that leads nowhere. */
static int take_target(struct hg_beside *f, const char *target, const char *path)
{
    char joined[2 * HG_PATH_MAX + 2];
    char canonical[HG_PATH_MAX + 1];
    size_t at = target[0] == '/' ? 0 : hg_path_parent(path, strlen(path));
    size_t len = 0;
    int rc;

    memcpy(joined, path, at);
    joined[at] = '/';
    memcpy(joined + at + 1, target, strlen(target) + 1);
    if (hg_path_canonical(joined, strlen(joined), canonical, &len) < 0 || len == 0)
        return HOLOG_OK;
    rc = hg_beside_take_parent(f, canonical);
    if (rc == HOLOG_OK)
        rc = hg_beside_take_in(f, canonical, 0);
    /* Whatever is wrong on the way there, the link's own check says it. */
    return rc == HOLOG_E_NOTDIR || rc == HOLOG_E_LOOP ? HOLOG_OK : rc;
}

int hg_beside_symlink(void *self, const char *target, const char *path, unsigned flags,
                      uint64_t *out_number)
{
    struct hg_beside *f = self;
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = hg_beside_take_parent(f, path);
    if (rc == HOLOG_OK)
        rc = hg_beside_take_in(f, path, 0);
    if (rc == HOLOG_OK)
        rc = take_target(f, target, path);
    if (rc == HOLOG_OK)
        rc = hg_instore_symlink(&f->in, target, path, flags, out_number);
    if (rc == HOLOG_OK)
        rc = hg_beside_write_tree(f, path);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}
