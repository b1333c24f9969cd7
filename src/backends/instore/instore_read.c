/*
 * Objects out of a store, as references to its memory; and what is known of them.
 */
#include <stdio.h>
#include <string.h>

#include "backends/instore/instore.h"
#include "base/error.h"
#include "wal/layout.h"

/* ---- loading ---------------------------------------------------------------------------------------*/

static void release_value(void *value)
{
    holog_value_release(value);
}

static void give(holog_value *v, holog_payload *out)
{
    out->data = holog_value_data(v);
    out->owner = v;
    out->release = release_value;
    out->info.size_bytes = holog_value_size(v);
}

static int load_array(holog_view *view, const char *path, holog_payload *out)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;
    holog_value *v = NULL;
    int rc = holog_view_array(view, path, &a);

    if (rc == HOLOG_E_TYPE)
        return hg_instore_wrong(HOLOG_E_ISDIR, path, "is a directory");
    if (rc == HOLOG_OK)
        rc = holog_array_get_info(a, &info);
    if (rc == HOLOG_OK)
        rc = holog_array_load(a, &v);
    holog_array_close(a);
    if (rc < 0)
        return rc;
    give(v, out);
    out->info.kind = HOLOG_OBJECT_ARRAY;
    out->info.number = info.number;
    out->info.dtype = info.dtype;
    out->info.item_size = info.item_size;
    out->info.rank = info.rank;
    memcpy(out->info.shape, info.shape, sizeof info.shape);
    return HOLOG_OK;
}

static int load_from(holog_view *view, const char *path, holog_payload *out)
{
    holog_value *v = NULL;
    int rc = holog_view_load(view, path, &v);

    if (rc == HOLOG_E_ISDIR)
        return load_array(view, path, out);
    if (rc < 0)
        return rc;
    give(v, out);
    out->info.kind = HOLOG_OBJECT_BLOB;
    out->info.number = holog_value_number(v);
    return HOLOG_OK;
}

int hg_instore_load(void *self, const char *const *paths, size_t n, holog_payload *out, int *status)
{
    const struct hg_instore *e = self;
    struct holog_error_detail why;
    holog_view *view = NULL;
    int first = HOLOG_OK;
    int rc = holog_view_open(e->store, &view);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        status[i] = load_from(view, paths[i], &out[i]);
        if (status[i] < 0 && first == HOLOG_OK) {
            first = status[i];
            hg_error_get(&why);
        }
    }
    holog_view_close(view);
    if (first < 0)
        hg_error_set(&why);
    return HOLOG_OK;
}

/* ---- stat ------------------------------------------------------------------------------------------*/

static int stat_array(holog_view *view, const char *path, holog_vfs_stat_info *out)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;
    int rc = holog_view_array(view, path, &a);

    if (rc == HOLOG_OK)
        rc = holog_array_get_info(a, &info);
    holog_array_close(a);
    if (rc < 0)
        return rc;
    out->size_bytes = info.size_bytes;
    out->number = info.number;
    out->csum = 127;
    out->hash_lo = out->hash_hi = 0;
    out->dtype = info.dtype;
    out->item_size = info.item_size;
    out->rank = info.rank;
    memcpy(out->shape, info.shape, sizeof info.shape);
    return HOLOG_OK;
}

static int stat_view(const struct hg_instore *e, holog_view *view, const char *path,
                     holog_vfs_stat_info *out)
{
    holog_stat_info info = { .struct_size = sizeof info };
    struct hg_resolved r;
    struct hg_lookup l;
    int rc = holog_view_stat(view, path, &info);

    if (rc < 0)
        return rc;
    out->type = info.type;
    out->target_type = info.target_type;
    out->size_bytes = info.size_bytes;
    out->number = info.number;
    out->time_ns = info.time_ns;
    out->hash_lo = info.hash_lo;
    out->hash_hi = info.hash_hi;
    out->csum = info.csum;
    if (info.type == HOLOG_ARRAY)
        return stat_array(view, path, out);
    if (info.type == HOLOG_SYMLINK && info.target_type == HOLOG_DIRECTORY) {
        hg_lookup_version(e->store, view->version, &l);
        return hg_instore_look_in(&l, NULL, path, 1, &r, &out->target_type);
    }
    return HOLOG_OK;
}

int hg_instore_stat(void *self, const char *path, holog_vfs_stat_info *out)
{
    const struct hg_instore *e = self;
    holog_view *view = NULL;
    int rc = holog_view_open(e->store, &view);

    if (rc < 0)
        return rc;
    rc = stat_view(e, view, path, out);
    holog_view_close(view);
    return rc;
}

int hg_instore_resolve(void *self, const char *path, holog_vfs_place *out)
{
    const struct hg_instore *e = self;
    char name[HG_FILE_NAME_MAX];
    struct hg_resolved r;
    struct hg_lookup l;
    uint32_t type = 0;
    holog_view *view = NULL;
    int rc = holog_view_open(e->store, &view);

    if (rc < 0)
        return rc;
    hg_lookup_version(e->store, view->version, &l);
    rc = hg_instore_look_in(&l, NULL, path, 1, &r, &type);
    holog_view_close(view);
    if (rc == HOLOG_OK && type == HOLOG_MISSING)
        rc = hg_instore_wrong(HOLOG_E_NOENT, path, "no such entry");
    if (rc < 0)
        return rc;
    out->kind = HOLOG_PLACE_SEGMENT;
    out->segment = r.loc.segment;
    out->offset = r.loc.offset;
    hg_segment_name(name, r.loc.segment, HG_KIND_FRAMES);
    (void)snprintf(out->file, sizeof out->file, "%s/%s", e->store->dir,
                   r.loc.segment == 0 ? "" : name); /* it has room for both */
    return HOLOG_OK;
}

/* ---- listings --------------------------------------------------------------------------------------*/

/* What lies below an array is none of it, and nobody's file. */
static int is_below(const char *path, const char *array, size_t array_len)
{
    return array_len > 0 && strncmp(path, array, array_len) == 0 && path[array_len] == '/';
}

static int list_cursor(holog_cursor *c, int (*each)(void *ctx, const char *name, uint32_t type),
                       void *ctx)
{
    char array[HG_PATH_MAX + 1];
    size_t array_len = 0;
    size_t skip = c->dir_len > 0 ? c->dir_len + 1 : 0;
    const holog_entry *entry;
    int stop = 0;
    int rc = HOLOG_OK;

    while (stop == 0 && (rc = holog_cursor_next(c, &entry)) == HOLOG_OK) {
        if (is_below(entry->path, array, array_len))
            continue;
        if (entry->type == HOLOG_ARRAY) {
            array_len = entry->path_len;
            memcpy(array, entry->path, array_len + 1);
        }
        stop = each(ctx, entry->path + skip, entry->type);
    }
    return stop != 0 ? stop : rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_instore_list(void *self, const char *dir, unsigned flags,
                    int (*each)(void *ctx, const char *name, uint32_t type), void *ctx)
{
    const struct hg_instore *e = self;
    holog_cursor *c = NULL;
    holog_view *view = NULL;
    struct hg_resolved r;
    struct hg_lookup l;
    uint32_t type = 0;
    int rc = holog_view_open(e->store, &view);

    if (rc < 0)
        return rc;
    hg_lookup_version(e->store, view->version, &l);
    rc = hg_instore_look_in(&l, NULL, dir, 1, &r, &type);
    if (rc == HOLOG_OK && type == HOLOG_ARRAY)
        rc = hg_instore_wrong(HOLOG_E_NOTDIR, dir, "is an array, and no directory");
    if (rc == HOLOG_OK)
        rc = holog_view_list(view, dir, flags, NULL, NULL, &c);
    if (rc == HOLOG_OK)
        rc = list_cursor(c, each, ctx);
    holog_cursor_close(c);
    holog_view_close(view);
    return rc;
}
