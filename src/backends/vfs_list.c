/*
 * Listings: a backend tells what it has in whatever order; here it is filtered and sorted.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "backends/manager.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

/* ---- what is asked for -------------------------------------------------------------------------------*/

struct filter {
    const char *pattern;
    const char *const *extensions;
};

static int check_filter(const struct filter *f, unsigned flags)
{
    if ((flags & ~(unsigned)HOLOG_LIST_RECURSIVE) != 0)
        return hg_error(HOLOG_E_INVAL, "flags %#x are unknown", flags);
    if (f->pattern != NULL && f->pattern[0] == '\0')
        return hg_error(HOLOG_E_INVAL, "the pattern is empty; NULL is all");
    if (f->extensions != NULL && f->extensions[0] == NULL)
        return hg_error(HOLOG_E_INVAL, "no extensions; NULL is all");
    for (const char *const *e = f->extensions; e != NULL && *e != NULL; e++)
        if ((*e)[0] == '\0' || strcmp(*e, ".") == 0)
            return hg_error(HOLOG_E_INVAL, "an extension is empty");
    return HOLOG_OK;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* "x.ROI.zip" has "roi.zip" and ".zip"; "xtif" has no "tif". */
static int has_extension(const char *name, const char *extension)
{
    size_t name_len = strlen(name);
    size_t len;

    if (extension[0] == '.')
        extension++;
    len = strlen(extension);
    if (name_len < len + 1 || name[name_len - len - 1] != '.')
        return 0;
    for (size_t i = 0; i < len; i++)
        if (lower(name[name_len - len + i]) != lower(extension[i]))
            return 0;
    return 1;
}

static int passes(const struct filter *f, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    if (f->pattern != NULL && fnmatch(f->pattern, name, 0) != 0)
        return 0;
    if (f->extensions == NULL)
        return 1;
    for (const char *const *e = f->extensions; *e != NULL; e++)
        if (has_extension(name, *e))
            return 1;
    return 0;
}

/* ---- what is found -----------------------------------------------------------------------------------*/

struct found {
    char *path; /* owned */
    uint32_t type;
    uint32_t depth;
};

struct listing {
    const holog_backend *backend;
    struct filter filter;
    int files_only;
    int recursive;
    const char *dir;     /* being asked for; the root is "" */
    struct hg_buf found; /* struct found */
    struct hg_buf ahead; /* char *: directories to be asked for, owned */
};

static void listing_release(struct listing *l)
{
    struct found *f = (struct found *)(void *)l->found.data;
    char **ahead = (char **)(void *)l->ahead.data;

    for (size_t i = 0; i < l->found.len / sizeof *f; i++)
        hg_free(f[i].path);
    for (size_t i = 0; i < l->ahead.len / sizeof *ahead; i++)
        hg_free(ahead[i]);
    hg_buf_release(&l->found);
    hg_buf_release(&l->ahead);
}

static char *join(const char *dir, const char *name)
{
    size_t dir_len = strlen(dir);
    size_t name_len = strlen(name);
    char *path = hg_malloc(dir_len + 1 + name_len + 1);

    if (path == NULL)
        return NULL;
    memcpy(path, dir, dir_len);
    if (dir_len > 0)
        path[dir_len++] = '/';
    memcpy(path + dir_len, name, name_len);
    path[dir_len + name_len] = '\0';
    return path;
}

static uint32_t depth_of(const char *path)
{
    uint32_t depth = 0;

    for (; *path != '\0'; path++)
        depth += *path == '/';
    return depth;
}

/* Takes over path, also when it fails. */
static int keep(struct listing *l, char *path, uint32_t type)
{
    struct found f = { .path = path, .type = type, .depth = depth_of(path) };
    int rc = hg_buf_append(&l->found, &f, sizeof f);

    if (rc < 0)
        hg_free(path);
    return rc;
}

static int go_there(struct listing *l, const char *path)
{
    char *copy = hg_strndup(path, strlen(path));
    int rc = copy == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a listing")
                          : hg_buf_append(&l->ahead, &copy, sizeof copy);

    if (rc < 0)
        hg_free(copy);
    return rc;
}

static int take(void *ctx, const char *name, uint32_t type)
{
    struct listing *l = ctx;
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    char *path = join(l->dir, name);
    int rc = HOLOG_OK;

    if (path == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    if (type == HOLOG_DIRECTORY && l->recursive &&
        (l->backend->ops->flags & HOLOG_BACKEND_DEEP) == 0)
        rc = go_there(l, path);
    if (rc == HOLOG_OK && l->files_only && type == HOLOG_SYMLINK) {
        rc = hg_vfs_stat(l->backend, path, &info);
        type = info.target_type;
    }
    if (rc == HOLOG_OK && (!l->files_only || type == HOLOG_BLOB || type == HOLOG_ARRAY) &&
        passes(&l->filter, path))
        return keep(l, path, type);
    hg_free(path);
    return rc;
}

/* One that has gone since it was seen has nothing in it. */
static int walk(struct listing *l)
{
    const holog_backend *b = l->backend;
    int rc = HOLOG_OK;

    for (size_t at = 0; rc == HOLOG_OK && at < l->ahead.len; at += sizeof(char *)) {
        char *dir;
        memcpy(&dir, l->ahead.data + at, sizeof dir);
        l->dir = dir;
        rc = b->ops->list(b->self, dir, 0, take, l);
        if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
            rc = HOLOG_OK;
    }
    return rc;
}

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;

    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return hg_vfs_path_compare(x->path, y->path);
}

static int run(struct listing *l, const char *dir, holog_vfs_each each, void *ctx)
{
    const holog_backend *b = l->backend;
    int deep = (b->ops->flags & HOLOG_BACKEND_DEEP) != 0 && l->recursive;
    struct hg_vfs_path p;
    int rc = each == NULL ? hg_error(HOLOG_E_INVAL, "each is NULL") : hg_vfs_path_take(dir, &p);

    if (rc < 0)
        return rc;
    l->dir = strcmp(p.text, "/") == 0 ? "" : p.text;
    rc = b->ops->list(b->self, p.text, deep ? HOLOG_LIST_RECURSIVE : 0, take, l);
    if (rc == HOLOG_OK)
        rc = walk(l);
    rc = hg_vfs_done(b, rc, "list", p.text);
    if (rc == HOLOG_OK && l->found.len > 0) {
        struct found *f = (struct found *)(void *)l->found.data;
        size_t n = l->found.len / sizeof *f;
        qsort(f, n, sizeof *f, compare_found);
        for (size_t i = 0, stop = 0; stop == 0 && i < n; i++) {
            const char *slash = strrchr(f[i].path, '/');
            const char *name = slash != NULL && !l->files_only ? slash + 1 : f[i].path;
            stop = each(ctx, name, f[i].type) != 0;
        }
    }
    return rc;
}

int holog_vfs_list_files(holog_backend *backend, const char *dir, const char *pattern,
                         const char *const *extensions, unsigned flags, holog_vfs_each each,
                         void *ctx)
{
    struct listing l = { .backend = backend,
                         .filter = { .pattern = pattern, .extensions = extensions },
                         .files_only = 1,
                         .recursive = (flags & HOLOG_LIST_RECURSIVE) != 0 };
    int rc = hg_vfs_begin(backend, 0);

    if (rc == HOLOG_OK)
        rc = check_filter(&l.filter, flags);
    if (rc == HOLOG_OK)
        rc = run(&l, dir, each, ctx);
    listing_release(&l);
    return rc;
}

int holog_vfs_list_dir(holog_backend *backend, const char *dir, holog_vfs_each each, void *ctx)
{
    struct listing l = { .backend = backend };
    int rc = hg_vfs_begin(backend, 0);

    if (rc == HOLOG_OK)
        rc = run(&l, dir, each, ctx);
    listing_release(&l);
    return rc;
}
