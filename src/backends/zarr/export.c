/*
 * A hierarchy as files. Data before what names it: whoever finds a document finds the chunks, and whoever finds
 * the directory finds all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/zarr/hierarchy.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/outside.h"

struct export
{
    holog_zarr *zarr;
    struct hg_outside *out;
    char top[HG_NAME_MAX + 1];                   /* as it is called until it is whole */
    char dir[HG_ZARR_KEY_MAX + HG_NAME_MAX + 2]; /* of the last file: it is there */
    struct hg_buf documents;                     /* their keys, each with a NUL */
    holog_progress_fn progress;
    void *progress_ctx;
    uint64_t done;
    int rc;
};

static int is_document(const char *key)
{
    const char *slash = strrchr(key, '/');
    const char *name = slash != NULL ? slash + 1 : key;

    return hg_zarr_name_of(name, strlen(name)) != HG_ZARR_PLAIN;
}

static int write_key(struct export *e, const char *key)
{
    char name[sizeof e->dir];
    holog_value *v = NULL;
    size_t dir_len;
    int rc = holog_zarr_get(e->zarr, key, &v);

    if (rc < 0)
        return rc;
    (void)snprintf(name, sizeof name, "%s/%s", e->top, key);
    dir_len = (size_t)(strrchr(name, '/') - name);
    if (strncmp(name, e->dir, dir_len) != 0 || e->dir[dir_len] != 0) {
        memcpy(e->dir, name, dir_len);
        e->dir[dir_len] = 0;
        rc = hg_outside_mkdir(e->out, e->dir, HG_OUTSIDE_LAZY);
    }
    if (rc == HOLOG_OK) {
        const void *data = holog_value_data(v);
        size_t len = holog_value_size(v);
        rc = hg_outside_write(e->out, name, &data, &len, 1, HG_OUTSIDE_LAZY);
    }
    holog_value_release(v);
    e->done++;
    if (rc == HOLOG_OK && e->progress != NULL &&
        e->progress(e->progress_ctx, e->done, 0, "keys") != 0)
        rc = hg_error(HOLOG_E_CANCELED, "the export was stopped");
    return rc;
}

static int each_key(void *ctx, const char *key, uint64_t size)
{
    struct export *e = ctx;

    (void)size;
    if (is_document(key))
        e->rc = hg_buf_append(&e->documents, key, strlen(key) + 1);
    else
        e->rc = write_key(e, key);
    return e->rc != HOLOG_OK;
}

/* Those of arrays and groups further down come first: from the end of the listing, in which the root's is the
 * first. */
static int write_documents(struct export *e)
{
    const char *keys = (const char *)e->documents.data;
    size_t at = e->documents.len;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && at > 0) {
        for (at--; at > 0 && keys[at - 1] != 0; at--)
            continue;
        rc = write_key(e, keys + at);
    }
    return rc;
}

/* "some/where/name" to its directory, opened, and the names below it. */
static int open_above(struct export *e, const char *dir, const char **out_name)
{
    size_t len = strlen(dir);
    const char *slash;
    char *above;
    int rc;

    while (len > 1 && dir[len - 1] == '/')
        len--;
    above = hg_malloc(len + 2);
    if (above == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to export");
    memcpy(above, dir, len);
    above[len] = 0;
    slash = strrchr(above, '/');
    *out_name = slash != NULL ? dir + (slash + 1 - above) : dir;
    if ((size_t)snprintf(e->top, sizeof e->top, "%.*s.partial-%d",
                         (int)(len - (size_t)(*out_name - dir)), *out_name,
                         e->zarr->view->store->pid) >= sizeof e->top) {
        hg_free(above);
        return hg_error(HOLOG_E_NAMETOOLONG, "%s: the name is too long", dir);
    }
    if (slash == NULL)
        (void)snprintf(above, len + 2, ".");
    else
        above[slash == above ? 1 : slash - above] = 0;
    rc = hg_outside_open(above, 0, &e->out);
    hg_free(above);
    return rc;
}

/* Without the slashes behind it. */
static int rename_top(struct export *e, const char *name)
{
    char final[HG_NAME_MAX + 1];

    (void)snprintf(final, sizeof final, "%.*s", (int)strcspn(name, "/"), name);
    return hg_outside_rename(e->out, e->top, final);
}

struct find {
    const char *name;
    size_t len;
    int found;
};

static int is_it(void *ctx, const char *name, int is_dir, uint64_t size)
{
    struct find *f = ctx;

    (void)is_dir;
    (void)size;
    f->found |= strlen(name) == f->len && memcmp(name, f->name, f->len) == 0;
    return f->found;
}

static int export_all(struct export *e, const char *dir, const char *name)
{
    struct find find = { name, strcspn(name, "/"), 0 };
    int rc = hg_outside_list(e->out, "", is_it, &find);

    if (find.found)
        return hg_error(HOLOG_E_EXIST, "%s: exists", dir);
    if (rc == HOLOG_OK)
        rc = hg_outside_mkdir(e->out, e->top, HG_OUTSIDE_LAZY);
    if (rc == HOLOG_OK)
        rc = holog_zarr_list(e->zarr, "", each_key, e);
    if (rc == HOLOG_OK)
        rc = e->rc;
    if (rc == HOLOG_OK)
        rc = hg_outside_sync(e->out);
    if (rc == HOLOG_OK)
        rc = write_documents(e);
    if (rc == HOLOG_OK)
        rc = hg_outside_sync(e->out);
    return rc < 0 ? rc : rename_top(e, name);
}

int holog_zarr_export(holog_zarr *zarr, const char *dir, holog_progress_fn progress,
                      void *progress_ctx)
{
    struct export *e;
    const char *name = NULL;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK && (dir == NULL || dir[0] == 0 || strcmp(dir, "/") == 0))
        rc = hg_error(HOLOG_E_INVAL, "the directory to export to has no name");
    if (rc < 0)
        return rc;
    e = hg_calloc(1, sizeof *e);
    if (e == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to export");
    e->zarr = zarr;
    e->progress = progress;
    e->progress_ctx = progress_ctx;
    rc = open_above(e, dir, &name);
    if (rc == HOLOG_OK)
        rc = export_all(e, dir, name);
    hg_outside_close(e->out);
    hg_buf_release(&e->documents);
    hg_free(e);
    return rc;
}
