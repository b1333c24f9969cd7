/*
 * Saving and loading, for every backend. Items of a batch are judged before the backend sees one of them.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/manager.h"
#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"

/* ---- calls of a backend ------------------------------------------------------------------------------*/

int hg_vfs_begin(const holog_backend *b, unsigned flags)
{
    if (b == NULL)
        return hg_error(HOLOG_E_INVAL, "the backend is NULL");
    if ((flags & ~(unsigned)HG_VFS_FLAGS) != 0)
        return hg_error(HOLOG_E_INVAL, "flags %#x are unknown", flags);
    hg_error_clear();
    return HOLOG_OK;
}

/* The object that a path is below, into dir; 0: there is none. */
static int find_object_above(const holog_backend *b, const char *path, char *dir)
{
    holog_vfs_stat_info info = { .type = HOLOG_MISSING };
    size_t len = hg_path_parent(path, strlen(path));

    memcpy(dir, path, len);
    while (info.type == HOLOG_MISSING && len > 0) {
        dir[len] = '\0';
        if (hg_vfs_stat(b, dir, &info) < 0)
            return 0;
        len = hg_path_parent(dir, len);
    }
    if (info.type == HOLOG_SYMLINK)
        info.type = info.target_type;
    return info.type == HOLOG_BLOB || info.type == HOLOG_ARRAY;
}

/* A backend whose arrays are directories finds nothing below one, where others find no directory. */
static int missing(const holog_backend *b, const char *path)
{
    struct holog_error_detail d;
    char dir[HG_PATH_MAX + 1];

    hg_error_get(&d);
    if (find_object_above(b, path, dir))
        return hg_error_path(HOLOG_E_NOTDIR, dir, (uint32_t)strlen(dir),
                             "%s: is an object, and no directory", dir);
    hg_error_set(&d);
    return HOLOG_E_NOENT;
}

int hg_vfs_done(const holog_backend *b, int rc, const char *call, const char *path)
{
    struct holog_error_detail d;
    const char *at = path != NULL ? path : "";

    if (rc == HOLOG_E_NOENT && path != NULL)
        rc = missing(b, path);
    if (rc == HOLOG_OK)
        return HOLOG_OK;
    if (rc > 0) /* a code is negative: this backend is wrong, and nothing is known */
        return hg_error_path(HOLOG_E_IO, at, (uint32_t)strlen(at), "backend %s: %s %s gave %d",
                             b->ops->name, call, at, rc);
    hg_error_get(&d);
    if (d.code == rc)
        return rc;
    return hg_error_path(rc, at, (uint32_t)strlen(at), "backend %s: %s %s: %s", b->ops->name, call,
                         at, holog_strerror(rc));
}

/* ---- paths -------------------------------------------------------------------------------------------*/

int hg_vfs_path_take(const char *path, struct hg_vfs_path *out)
{
    int rc = hg_user_path(path, out->text, &out->len);

    if (rc == HOLOG_OK && out->len == 0) {
        memcpy(out->text, "/", 2);
        out->len = 1;
    }
    return rc;
}

int hg_vfs_path_compare(const char *a, const char *b)
{
    for (;;) {
        size_t a_len = strcspn(a, "/");
        size_t b_len = strcspn(b, "/");
        int d = hg_name_compare(a, a_len, b, b_len);
        if (d != 0)
            return d;
        if (a[a_len] == '\0' || b[b_len] == '\0')
            return (a[a_len] != '\0') - (b[b_len] != '\0');
        a += a_len + 1;
        b += b_len + 1;
    }
}

/* ---- saving --------------------------------------------------------------------------------------------*/

/* A batch, judged. The arrays have n elements. */
struct batch {
    holog_vfs_item *items;    /* in the caller's order */
    holog_object_spec *specs; /* of them */
    char **paths;             /* of them, owned */
    void **flat;              /* elements in C order where the backend takes no strides, owned */
    const char **sorted;
    size_t n;
};

static void batch_release(struct batch *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->paths != NULL)
            hg_free(t->paths[i]);
        if (t->flat != NULL)
            hg_free(t->flat[i]);
    }
    hg_free(t->items);
    hg_free(t->specs);
    hg_free(t->paths);
    hg_free(t->flat);
    hg_free(t->sorted);
}

static int batch_reserve(struct batch *t, size_t n)
{
    t->n = n;
    t->items = hg_calloc(n, sizeof *t->items);
    t->specs = hg_calloc(n, sizeof *t->specs);
    t->paths = hg_calloc(n, sizeof *t->paths);
    t->flat = hg_calloc(n, sizeof *t->flat);
    t->sorted = hg_calloc(n, sizeof *t->sorted);
    if (t->items == NULL || t->specs == NULL || t->paths == NULL || t->flat == NULL ||
        t->sorted == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a batch of %zu", n);
    return HOLOG_OK;
}

static int take_item(struct batch *t, size_t i, const holog_vfs_item *in, unsigned can)
{
    struct hg_vfs_path path;
    holog_object_spec *s = &t->specs[i];
    int rc = hg_vfs_path_take(in->path, &path);

    if (rc == HOLOG_OK)
        rc = hg_object_spec_take(in->object, in->path, s);
    if (rc < 0)
        return rc;
    t->paths[i] = hg_strndup(path.text, path.len);
    if (t->paths[i] == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a path");
    if (s->strides != NULL && (can & HOLOG_BACKEND_STRIDES) == 0) {
        t->flat[i] = hg_malloc((size_t)s->len_bytes);
        if (t->flat[i] == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for the elements of %s", in->path);
        hg_object_spec_flatten(s, t->flat[i]);
        s->data = t->flat[i];
        s->strides = NULL;
    }
    t->items[i] = (holog_vfs_item){ .path = t->paths[i], .object = s };
    t->sorted[i] = t->paths[i];
    return HOLOG_OK;
}

static int compare_sorted(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;

    return hg_vfs_path_compare(*x, *y);
}

/* Sorted, what is below a path comes right behind it. */
static int check_apart(struct batch *t)
{
    qsort(t->sorted, t->n, sizeof *t->sorted, compare_sorted);
    for (size_t i = 1; i < t->n; i++) {
        const char *a = t->sorted[i - 1];
        const char *b = t->sorted[i];
        size_t len = strlen(a);
        if (strcmp(a, b) == 0)
            return hg_error_path(HOLOG_E_INVAL, a, (uint32_t)len, "%s: twice in a batch", a);
        if (strncmp(a, b, len) == 0 && b[len] == '/')
            return hg_error_path(HOLOG_E_NOTDIR, a, (uint32_t)len,
                                 "%s: is an object of the batch, and %s would be below it", a, b);
    }
    return HOLOG_OK;
}

int holog_vfs_save_batch(holog_backend *backend, const holog_vfs_item *items, size_t n,
                         unsigned flags, uint64_t *out_number)
{
    struct batch t = { 0 };
    uint64_t number = 0;
    int rc = hg_vfs_begin(backend, flags);

    if (rc == HOLOG_OK && items == NULL && n > 0)
        rc = hg_error(HOLOG_E_INVAL, "items is NULL");
    if (rc < 0)
        return rc;
    if (n > 0)
        rc = batch_reserve(&t, n);
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++)
        rc = take_item(&t, i, &items[i], backend->ops->flags);
    if (rc == HOLOG_OK && n > 0)
        rc = check_apart(&t);
    if (rc == HOLOG_OK && n > 0)
        rc = hg_vfs_done(backend, backend->ops->save(backend->self, t.items, n, flags, &number),
                         "save", n == 1 ? t.paths[0] : NULL);
    batch_release(&t);
    if (rc == HOLOG_OK && out_number != NULL)
        *out_number = number;
    return rc;
}

int holog_vfs_save(holog_backend *backend, const char *path, const holog_object_spec *object,
                   unsigned flags, uint64_t *out_number)
{
    holog_vfs_item item = { .path = path, .object = object };

    return holog_vfs_save_batch(backend, &item, 1, flags, out_number);
}

int holog_vfs_save_bytes(holog_backend *backend, const char *path, const void *data,
                         size_t len_bytes, unsigned flags, uint64_t *out_number)
{
    holog_object_spec spec = {
        .struct_size = sizeof spec, .kind = HOLOG_OBJECT_BLOB, .data = data, .len_bytes = len_bytes
    };

    return holog_vfs_save(backend, path, &spec, flags, out_number);
}

/* ---- loading ---------------------------------------------------------------------------------------------*/

struct loads {
    char **paths; /* canonical, owned; NULL: bad */
    holog_payload *payloads;
    int *status;
    holog_object **objects;
    size_t n;
};

static void loads_release(struct loads *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->paths != NULL)
            hg_free(l->paths[i]);
        if (l->objects != NULL)
            holog_object_release(l->objects[i]);
    }
    hg_free(l->paths);
    hg_free(l->payloads);
    hg_free(l->status);
    hg_free(l->objects);
}

static int loads_reserve(struct loads *l, size_t n)
{
    l->n = n;
    l->paths = hg_calloc(n, sizeof *l->paths);
    l->payloads = hg_calloc(n, sizeof *l->payloads);
    l->status = hg_calloc(n, sizeof *l->status);
    l->objects = hg_calloc(n, sizeof(void *));
    if (l->paths == NULL || l->payloads == NULL || l->status == NULL || l->objects == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a batch of %zu", n);
    return HOLOG_OK;
}

/* The first that is no path. */
static int take_paths(struct loads *l, const char *const *paths)
{
    struct hg_vfs_path path;
    struct holog_error_detail why;
    int first = HOLOG_OK;

    for (size_t i = 0; i < l->n; i++) {
        l->status[i] = hg_vfs_path_take(paths[i], &path);
        if (l->status[i] == HOLOG_OK) {
            l->paths[i] = hg_strndup(path.text, path.len);
            if (l->paths[i] == NULL)
                l->status[i] = hg_error(HOLOG_E_NOMEM, "no memory for a path");
        }
        if (l->status[i] < 0 && first == HOLOG_OK) {
            first = l->status[i];
            hg_error_get(&why);
        }
    }
    if (first < 0)
        hg_error_set(&why);
    return first;
}

/* Every payload becomes an object or is released; the first failure is the result. */
static int make_objects(const holog_backend *b, struct loads *l)
{
    struct holog_error_detail why;
    int first = HOLOG_OK;

    for (size_t i = 0; i < l->n; i++) {
        l->status[i] = hg_vfs_done(b, l->status[i], "load", l->paths[i]);
        if (l->status[i] == HOLOG_OK) {
            l->payloads[i].info.struct_size = sizeof l->payloads[i].info;
            l->status[i] = hg_object_new(&l->payloads[i], &l->objects[i]);
        }
        if (l->status[i] < 0 && first == HOLOG_OK) {
            first = l->status[i];
            hg_error_get(&why);
        }
    }
    if (first < 0)
        hg_error_set(&why);
    return first;
}

static int load_all(const holog_backend *b, struct loads *l)
{
    int rc = hg_vfs_done(b,
                         b->ops->load(b->self, (const char *const *)l->paths, l->n, l->payloads,
                                      l->status),
                         "load", l->n == 1 ? l->paths[0] : NULL);

    if (rc == HOLOG_OK)
        return make_objects(b, l);
    for (size_t i = 0; i < l->n; i++)
        l->status[i] = rc;
    return rc;
}

int holog_vfs_load_batch(holog_backend *backend, const char *const *paths, size_t n,
                         holog_object **out_objects, int *out_status)
{
    struct loads l = { 0 };
    int rc = hg_vfs_begin(backend, 0);

    if (rc == HOLOG_OK && (paths == NULL || out_objects == NULL) && n > 0)
        rc = hg_error(HOLOG_E_INVAL, "paths or out_objects is NULL");
    if (rc < 0 || n == 0)
        return rc;
    rc = loads_reserve(&l, n);
    if (rc == HOLOG_OK) {
        rc = take_paths(&l, paths);
        if (rc == HOLOG_OK)
            rc = load_all(backend, &l);
        if (out_status != NULL)
            memcpy(out_status, l.status, n * sizeof *out_status);
    }
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++) {
        out_objects[i] = l.objects[i];
        l.objects[i] = NULL;
    }
    loads_release(&l);
    return rc;
}

int holog_vfs_load(holog_backend *backend, const char *path, holog_object **out_object)
{
    return holog_vfs_load_batch(backend, &path, 1, out_object, NULL);
}

static int matches(const holog_object_info *i, uint32_t dtype, uint32_t rank, const uint64_t *shape)
{
    if (dtype == 0)
        return i->kind == HOLOG_OBJECT_BLOB;
    if (i->kind != HOLOG_OBJECT_ARRAY || i->dtype != dtype || i->rank != rank)
        return 0;
    return shape == NULL || memcmp(shape, i->shape, rank * sizeof *shape) == 0;
}

int holog_vfs_load_checked(holog_backend *backend, const char *path, uint32_t dtype, uint32_t rank,
                           const uint64_t *shape, holog_object **out_object)
{
    holog_object_info info = { .struct_size = sizeof info };
    holog_object *o = NULL;
    int rc = HOLOG_OK;

    if ((dtype != 0 && holog_dtype_name(dtype) == NULL) || rank > HOLOG_RANK_MAX)
        rc = hg_error(HOLOG_E_INVAL, "no array has the type %u and %u axes", dtype, rank);
    else if (out_object == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_object is NULL");
    if (rc == HOLOG_OK)
        rc = holog_vfs_load(backend, path, &o);
    if (rc == HOLOG_OK)
        rc = holog_object_get_info(o, &info);
    if (rc == HOLOG_OK && !matches(&info, dtype, rank, shape))
        rc =
            hg_error_path(HOLOG_E_TYPE, path, (uint32_t)strlen(path),
                          "%s: is %s with %u axes, not %s with %u%s", path,
                          info.kind == HOLOG_OBJECT_ARRAY ? holog_dtype_name(info.dtype) : "a blob",
                          info.rank, dtype == 0 ? "a blob" : holog_dtype_name(dtype), rank,
                          shape != NULL ? ", or of another shape" : "");
    if (rc == HOLOG_OK)
        *out_object = o;
    else
        holog_object_release(o);
    return rc;
}
