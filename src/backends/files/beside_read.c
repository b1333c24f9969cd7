/*
 * What is there: the store's entries first, then files where it has none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/files/beside.h"
#include "backends/files/format.h"
#include "base/alloc.h"
#include "base/error.h"
#include "holog/files.h"

/* ---- loading ---------------------------------------------------------------------------------------*/

static int load_file(const struct hg_beside *f, const char *path, holog_payload *out)
{
    char name[HG_PATH_MAX + 1];
    int rc = hg_beside_name(f, path, 1, name);

    return rc < 0 ? rc : hg_beside_read(f, name, out);
}

int hg_beside_load(void *self, const char *const *paths, size_t n, holog_payload *out, int *status)
{
    struct hg_beside *f = self;
    struct holog_error_detail why;
    int known = 0; /* why is that of the first failure of all */
    int rc = hg_instore_load(&f->in, paths, n, out, status);

    if (rc < 0)
        return rc;
    hg_error_get(&why); /* of the store's first failure, if there was one */
    for (size_t i = 0, first = 1; i < n; i++) {
        int was = status[i];
        if (was == HOLOG_E_NOENT)
            status[i] = load_file(f, paths[i], &out[i]);
        if (was < 0 && !known && status[i] < 0) {
            known = 1;
            if (was == HOLOG_E_NOENT)
                hg_error_get(&why);
            else if (!first)
                why = (struct holog_error_detail){ 0 }; /* of another path */
        }
        first = first && was == HOLOG_OK;
    }
    if (known)
        hg_error_set(&why);
    return HOLOG_OK;
}

/* ---- stat ------------------------------------------------------------------------------------------*/

static int stat_file(const struct hg_beside *f, const char *name, holog_vfs_stat_info *out)
{
    struct hg_outside_info info = { 0 };
    holog_payload p = { 0 };
    int rc = hg_beside_type(f, name, &out->type, &info);

    if (rc < 0 || out->type == HOLOG_MISSING)
        return rc;
    out->size_bytes = info.size;
    out->time_ns = info.mtime_ns;
    out->csum = 127;
    if (out->type != HOLOG_ARRAY || hg_beside_read(f, name, &p) < 0)
        return HOLOG_OK; /* a file that is not what its name says is there, too: dtype stays 0 */
    out->size_bytes = p.info.size_bytes;
    out->dtype = p.info.dtype;
    out->item_size = p.info.item_size;
    out->rank = p.info.rank;
    memcpy(out->shape, p.info.shape, sizeof out->shape);
    hg_payload_release(&p);
    return HOLOG_OK;
}

int hg_beside_stat(void *self, const char *path, holog_vfs_stat_info *out)
{
    struct hg_beside *f = self;
    char name[HG_PATH_MAX + 1];
    int rc = hg_instore_stat(&f->in, path, out);
    int link = rc == HOLOG_OK && out->type == HOLOG_SYMLINK && out->target_type == HOLOG_MISSING;

    if ((rc < 0 && rc != HOLOG_E_NOENT) || (rc == HOLOG_OK && out->type != HOLOG_MISSING && !link))
        return rc;
    rc = hg_beside_name(f, path, link, name);
    if (rc < 0)
        return link ? HOLOG_OK : rc;
    return link ? hg_beside_type(f, name, &out->target_type, NULL) : stat_file(f, name, out);
}

int hg_beside_resolve(void *self, const char *path, holog_vfs_place *out)
{
    struct hg_beside *f = self;
    char name[HG_PATH_MAX + 1];
    uint32_t type = HOLOG_MISSING;
    int rc = hg_beside_name(f, path, 1, name);

    if (rc == HOLOG_OK)
        rc = hg_beside_type(f, name, &type, NULL);
    if (rc < 0)
        return rc;
    if (type == HOLOG_MISSING)
        return hg_instore_resolve(&f->in, path, out);
    out->kind = HOLOG_PLACE_FILE;
    if (snprintf(out->file, sizeof out->file, "%s/%s", f->root_dir, name) >= (int)sizeof out->file)
        return hg_instore_wrong(HOLOG_E_NAMETOOLONG, path, "its file has too long a name");
    return HOLOG_OK;
}

/* ---- listings --------------------------------------------------------------------------------------*/

struct listing {
    struct hg_buf names; /* char *, owned: those of the store */
    int (*each)(void *ctx, const char *name, uint32_t type);
    void *ctx;
    int stop; /* what `each` said */
};

static int from_store(void *ctx, const char *name, uint32_t type)
{
    struct listing *l = ctx;
    char *copy = hg_strndup(name, strlen(name));
    int rc = copy == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a listing")
                          : hg_buf_append(&l->names, &copy, sizeof copy);

    if (rc < 0) {
        hg_free(copy);
        return l->stop = rc;
    }
    return l->stop = l->each(l->ctx, name, type);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;

    return strcmp(*x, *y);
}

/* What the store could not call by that name is passed over. */
static int from_files(void *ctx, const char *name, int is_dir, uint64_t size)
{
    struct listing *l = ctx;
    char canonical[HG_PATH_MAX + 1];
    size_t len = 0;
    size_t n = l->names.len / sizeof(char *);

    HG_UNUSED(size);
    if (hg_path_canonical(name, strlen(name), canonical, &len) < 0)
        return 0;
    if (n > 0 && bsearch(&name, l->names.data, n, sizeof(char *), compare_names) != NULL)
        return 0;
    return l->stop = l->each(l->ctx, name,
                             is_dir                                           ? HOLOG_DIRECTORY
                             : holog_file_format_of(name) == HOLOG_FILE_BYTES ? HOLOG_BLOB
                                                                              : HOLOG_ARRAY);
}

/* in_store: what the store said. */
static int list_files(const struct hg_beside *f, const char *dir, struct listing *l, int in_store)
{
    char name[HG_PATH_MAX + 1];
    size_t n = l->names.len / sizeof(char *);
    int rc = hg_beside_name(f, dir, 1, name);

    if (rc < 0)
        return rc;
    if (n > 0)
        qsort(l->names.data, n, sizeof(char *), compare_names);
    rc = hg_outside_list(f->root, name, from_files, l);
    if (l->stop == 0 && in_store == HOLOG_OK && (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR))
        return HOLOG_OK; /* only the store has it */
    return rc;
}

int hg_beside_list(void *self, const char *dir, unsigned flags,
                   int (*each)(void *ctx, const char *name, uint32_t type), void *ctx)
{
    struct hg_beside *f = self;
    struct listing l = { .each = each, .ctx = ctx };
    char **names;
    int rc;

    HG_UNUSED(flags); /* no HOLOG_BACKEND_DEEP: only this directory */
    rc = hg_instore_list(&f->in, dir, 0, from_store, &l);
    if (l.stop == 0 && (rc == HOLOG_OK || rc == HOLOG_E_NOENT))
        rc = list_files(f, dir, &l, rc);
    names = (char **)(void *)l.names.data;
    for (size_t i = 0; i < l.names.len / sizeof(char *); i++)
        hg_free(names[i]);
    hg_buf_release(&l.names);
    return l.stop != 0 ? l.stop : rc;
}
