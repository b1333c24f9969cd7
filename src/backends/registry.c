/*
 * The registry of backends. Entries are counted while backends are open; an entry that is busy is not taken
 * out, so ops may be used without the lock.
 *
 * The lock is the innermost one: nothing is called under it.
 */
#include <pthread.h>
#include <string.h>

#include "backends/manager.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "engine/store_internal.h"
#include "io/plugin.h"

#define NAME_MAX_BYTES 63

struct hg_registered {
    const holog_backend_ops *ops; /* fixed, as built_in */
    int built_in;
    uint64_t open_count; /* lock */
    struct hg_registered *next;
};

static struct hg_registered built_in[] = {
    { &hg_backend_memory, 1, 0, &built_in[1] },
    { &hg_backend_files, 1, 0, &built_in[2] },
    { &hg_backend_zarr, 1, 0, NULL },
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct hg_registered *all = built_in; /* lock */

/* ---- names ---------------------------------------------------------------------------------------*/

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static int same_name(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

static int good_name(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return len > 0 && len <= NAME_MAX_BYTES && name[len] == '\0';
}

static int answers_to(const holog_backend_ops *ops, const char *name)
{
    if (same_name(ops->name, name))
        return 1;
    for (const char *const *a = ops->aliases; a != NULL && *a != NULL; a++)
        if (same_name(*a, name))
            return 1;
    return 0;
}

/* Under the lock. */
static struct hg_registered **find(const char *name)
{
    for (struct hg_registered **at = &all; *at != NULL; at = &(*at)->next)
        if (answers_to((*at)->ops, name))
            return at;
    return NULL;
}

static int append_name(void *ctx, const char *name, const char *backend)
{
    struct hg_buf *names = ctx;
    int rc = names->len > 0 ? hg_buf_append(names, ", ", 2) : HOLOG_OK;

    (void)backend;
    return rc < 0 ? rc : hg_buf_append(names, name, strlen(name));
}

static int no_such(const char *name)
{
    struct hg_buf names = { 0 };
    int rc = holog_backend_list(append_name, &names);

    if (rc == HOLOG_OK)
        rc = hg_buf_append_byte(&names, 0);
    rc = hg_error(HOLOG_E_NOENT, "no backend is called \"%.*s\"; there are %s", NAME_MAX_BYTES,
                  name, rc == HOLOG_OK ? (const char *)names.data : "others");
    hg_buf_release(&names);
    return rc;
}

/* ---- coming and going ------------------------------------------------------------------------------*/

static int check_calls(const holog_backend_ops *o)
{
    const char *missing = (o->open == NULL) != (o->close == NULL) ? "open or close"
                          : o->save == NULL                       ? "save"
                          : o->load == NULL                       ? "load"
                          : o->stat == NULL                       ? "stat"
                          : o->list == NULL                       ? "list"
                          : o->ensure_directory == NULL           ? "ensure_directory"
                          : o->remove == NULL                     ? "remove"
                          : o->copy == NULL                       ? "copy"
                          : o->move == NULL                       ? "move"
                                                                  : NULL;

    return missing == NULL
               ? HOLOG_OK
               : hg_error(HOLOG_E_INVAL, "backend %s: the call %s is NULL", o->name, missing);
}

static int check_ops(const holog_backend_ops *o)
{
    if (o == NULL)
        return hg_error(HOLOG_E_INVAL, "ops is NULL");
    if (o->struct_size < 2 * sizeof(uint32_t))
        return hg_error(HOLOG_E_INVAL, "struct_size of a backend's table is %u", o->struct_size);
    if (o->version != HOLOG_BACKEND_VERSION)
        return hg_error(HOLOG_E_VERSION, "the backend's table has version %u; this is version %d",
                        o->version, HOLOG_BACKEND_VERSION);
    if (o->struct_size != sizeof *o)
        return hg_error(HOLOG_E_INVAL, "struct_size of a backend's table is %u, not %zu",
                        o->struct_size, sizeof *o);
    if (o->name == NULL || !good_name(o->name))
        return hg_error(HOLOG_E_INVAL, "a backend's name is 1 to %d of A-Z a-z 0-9 . _ -",
                        NAME_MAX_BYTES);
    for (const char *const *a = o->aliases; a != NULL && *a != NULL; a++)
        if (!good_name(*a))
            return hg_error(HOLOG_E_INVAL, "backend %s: an alias is no name", o->name);
    if ((o->flags & ~(uint32_t)(HOLOG_BACKEND_STRIDES | HOLOG_BACKEND_DEEP)) != 0)
        return hg_error(HOLOG_E_INVAL, "backend %s: unknown flags %#x", o->name, o->flags);
    return check_calls(o);
}

/* Under the lock. The name of ops that is taken, or NULL. */
static const char *taken_name(const holog_backend_ops *ops)
{
    if (find(ops->name) != NULL)
        return ops->name;
    for (const char *const *a = ops->aliases; a != NULL && *a != NULL; a++)
        if (find(*a) != NULL)
            return *a;
    return NULL;
}

int holog_backend_register(const holog_backend_ops *ops)
{
    struct hg_registered *r;
    const char *taken;
    int rc = check_ops(ops);

    if (rc < 0)
        return rc;
    r = hg_calloc(1, sizeof *r);
    if (r == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to register backend %s", ops->name);
    r->ops = ops;
    (void)pthread_mutex_lock(&lock);
    taken = taken_name(ops);
    if (taken == NULL) {
        r->next = all;
        all = r;
    }
    (void)pthread_mutex_unlock(&lock);
    if (taken == NULL)
        return HOLOG_OK;
    hg_free(r);
    return hg_error(HOLOG_E_EXIST, "there is a backend called \"%s\"", taken);
}

int holog_backend_unregister(const char *name)
{
    struct hg_registered **at;
    struct hg_registered *r = NULL;
    uint64_t open_count = 0;

    if (name == NULL)
        return hg_error(HOLOG_E_INVAL, "the name is NULL");
    (void)pthread_mutex_lock(&lock);
    at = find(name);
    if (at != NULL) {
        r = *at;
        open_count = r->open_count;
        if (!r->built_in && open_count == 0)
            *at = r->next;
    }
    (void)pthread_mutex_unlock(&lock);
    if (r == NULL)
        return no_such(name);
    if (r->built_in)
        return hg_error(HOLOG_E_BUSY, "backend %s is built in", name);
    if (open_count > 0)
        return hg_error(HOLOG_E_BUSY, "backend %s is open %llu times", name,
                        (unsigned long long)open_count);
    hg_free(r);
    return HOLOG_OK;
}

/* Under the lock: name NUL backend NUL. */
static int note_name(struct hg_buf *out, const char *name, const char *backend)
{
    int rc = hg_buf_append(out, name, strlen(name) + 1);

    return rc < 0 ? rc : hg_buf_append(out, backend, strlen(backend) + 1);
}

static int note_all(struct hg_buf *out)
{
    int rc = HOLOG_OK;

    for (const struct hg_registered *r = all; rc == HOLOG_OK && r != NULL; r = r->next) {
        const char *const *a = r->ops->aliases;
        rc = note_name(out, r->ops->name, r->ops->name);
        for (; rc == HOLOG_OK && a != NULL && *a != NULL; a++)
            rc = note_name(out, *a, r->ops->name);
    }
    return rc;
}

int holog_backend_list(int (*each)(void *ctx, const char *name, const char *backend), void *ctx)
{
    struct hg_buf names = { 0 };
    int stop = 0;
    int rc;

    if (each == NULL)
        return hg_error(HOLOG_E_INVAL, "each is NULL");
    (void)pthread_mutex_lock(&lock);
    rc = note_all(&names);
    (void)pthread_mutex_unlock(&lock);
    for (size_t at = 0; rc == HOLOG_OK && stop == 0 && at < names.len;) {
        const char *name = (const char *)names.data + at;
        const char *backend = name + strlen(name) + 1;
        at += strlen(name) + 1 + strlen(backend) + 1;
        stop = each(ctx, name, backend);
    }
    hg_buf_release(&names);
    return rc;
}

int holog_backend_load(const char *path)
{
    holog_backend_entry_fn entry = NULL;
    const holog_backend_ops *ops;
    void *module = NULL;
    int rc;

    if (path == NULL || strchr(path, '/') == NULL)
        return hg_error(HOLOG_E_INVAL, "the path of a module has a '/' in it");
    rc = hg_plugin_open(path, HOLOG_BACKEND_ENTRY, &module, &entry, sizeof entry);
    if (rc < 0)
        return rc;
    ops = entry();
    rc = ops == NULL ? hg_error(HOLOG_E_VERSION, "%s brings no backend", path)
                     : holog_backend_register(ops);
    if (rc < 0)
        hg_plugin_close(module);
    return rc;
}

/* ---- opening -----------------------------------------------------------------------------------------*/

/* Whole: what the caller's version has, and zeros. */
static int take_options(const holog_backend_options *in, holog_backend_options *out)
{
    const uint8_t *tail = (const uint8_t *)in;
    int rc = hg_struct_check(in, "holog_backend_options");

    if (rc < 0)
        return rc;
    for (size_t i = sizeof *out; i < in->struct_size; i++)
        if (tail[i] != 0)
            return hg_error(HOLOG_E_VERSION,
                            "holog_backend_options: byte %zu is set and belongs to a later version",
                            i);
    memcpy(out, in, HG_MIN((size_t)in->struct_size, sizeof *out));
    out->struct_size = (uint32_t)sizeof *out;
    if (out->durability > HOLOG_DURABILITY_SYNC || out->chunking > HOLOG_CHUNKS_WHOLE)
        return hg_error(HOLOG_E_INVAL, "there is no such durability or chunking");
    if (out->file_mode != 0 && ((out->file_mode & 0600) != 0600 || (out->file_mode & ~0666u) != 0))
        return hg_error(HOLOG_E_INVAL, "file_mode is %#o: 0600, and of 0066 what others may do",
                        out->file_mode);
    if (out->reserved != 0)
        return hg_error(HOLOG_E_INVAL, "holog_backend_options: reserved is not 0");
    if (out->cleanup_threshold == 0)
        out->cleanup_threshold = 0.8;
    if (!(out->cleanup_threshold > 0 && out->cleanup_threshold <= 1))
        return hg_error(HOLOG_E_INVAL, "cleanup_threshold is more than 0 and at most 1");
    if (out->max_objects == 0)
        out->max_objects = 1000;
    return HOLOG_OK;
}

static struct hg_registered *hold(const char *name)
{
    struct hg_registered **at;
    struct hg_registered *r = NULL;

    (void)pthread_mutex_lock(&lock);
    at = find(name);
    if (at != NULL) {
        r = *at;
        r->open_count++;
    }
    (void)pthread_mutex_unlock(&lock);
    return r;
}

static void let_go(struct hg_registered *r)
{
    (void)pthread_mutex_lock(&lock);
    r->open_count--;
    (void)pthread_mutex_unlock(&lock);
}

int holog_backend_open(const char *name, const holog_backend_options *opts,
                       holog_backend **out_backend)
{
    holog_backend_options known = { .struct_size = sizeof known };
    holog_backend *b;
    int rc;

    if (name == NULL || out_backend == NULL)
        return hg_error(HOLOG_E_INVAL, "the name or out_backend is NULL");
    rc = take_options(opts != NULL ? opts : &known, &known);
    if (rc < 0)
        return rc;
    b = hg_calloc(1, sizeof *b);
    if (b == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open backend %s", name);
    b->registered = hold(name);
    if (b->registered == NULL) {
        hg_free(b);
        return no_such(name);
    }
    b->ops = b->registered->ops;
    hg_error_clear();
    if (b->ops->open != NULL)
        rc = hg_vfs_done(b, b->ops->open(&known, &b->self), "open", NULL);
    if (rc < 0) {
        let_go(b->registered);
        hg_free(b);
        return rc;
    }
    *out_backend = b;
    return HOLOG_OK;
}

int holog_backend_close(holog_backend *backend)
{
    int rc = HOLOG_OK;

    if (backend == NULL)
        return HOLOG_OK;
    hg_error_clear();
    if (backend->ops->close != NULL)
        rc = hg_vfs_done(backend, backend->ops->close(backend->self), "close", NULL);
    let_go(backend->registered);
    hg_free(backend);
    return rc;
}

const char *holog_backend_name(const holog_backend *backend)
{
    return backend == NULL ? "" : backend->ops->name;
}
