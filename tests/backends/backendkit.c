/*
 * See backendkit.h.
 */
#include "backendkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "memory", "files", "zarr", "map" };

holog_backend *vfs;
struct box vfs_box;
char vfs_root[512];
static const char *name_now = "";

void vfs_good(int line, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert_eq(rc, HOLOG_OK, "%s, line %d: %s: %s", name_now, line, holog_error_name(rc),
                 d.message);
}

void vfs_bad(int line, int code, int rc, const char *words)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert_eq(rc, code, "%s, line %d: %s (%s), not %s", name_now, line, holog_error_name(rc),
                 rc < 0 ? d.message : "", holog_error_name(code));
    cr_assert_eq(d.code, code, "%s, line %d: the detail says %s", name_now, line,
                 holog_error_name(d.code));
    cr_assert(words == NULL || strstr(d.message, words) != NULL || strstr(d.path, words) != NULL,
              "%s, line %d: neither \"%s\" nor \"%s\" names %s", name_now, line, d.message, d.path,
              words);
}

void load_sample(void)
{
    OK(holog_backend_load(SAMPLE_MAP));
}

holog_backend *open_backend(const char *name)
{
    holog_backend_options o = { .struct_size = sizeof o, .store = vfs_box.store, .root = vfs_root };
    holog_backend *b = NULL;

    OK(holog_backend_open(name, &o, &b));
    return b;
}

int is_in_store(void)
{
    return strcmp(holog_backend_name(vfs), "map") != 0;
}

static void begin(const char *name)
{
    name_now = name;
    box_begin(&vfs_box);
    (void)snprintf(vfs_root, sizeof vfs_root, "%s-files", vfs_box.dir);
    vfs = open_backend(name);
}

static void end(void)
{
    GOOD(holog_backend_close(vfs));
    vfs = NULL;
    box_end(&vfs_box);
    remove_tree(vfs_root);
}

void reopen(void)
{
    if (!is_in_store())
        return;
    GOOD(holog_backend_close(vfs));
    box_same_after_reopen(&vfs_box);
    vfs = open_backend(name_now);
}

void reopen_after(void (*change)(void))
{
    GOOD(holog_backend_close(vfs));
    OK(holog_close(vfs_box.store));
    vfs_box.store = NULL;
    change();
    box_open(&vfs_box);
    vfs = open_backend(name_now);
}

void with_each_backend(void (*claim)(void))
{
    load_sample();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        begin(names[i]);
        claim();
        end();
    }
    OK(holog_backend_unregister("map"));
}

/* ---- objects ---------------------------------------------------------------------------------------*/

int save(const char *path, const char *text, unsigned flags)
{
    return holog_vfs_save_bytes(vfs, path, text, strlen(text), flags, NULL);
}

holog_object_spec array_of(const void *data, uint32_t dtype, uint32_t rank, const uint64_t *shape)
{
    return (holog_object_spec){ .struct_size = sizeof(holog_object_spec),
                                .kind = HOLOG_OBJECT_ARRAY,
                                .data = data,
                                .dtype = dtype,
                                .rank = rank,
                                .shape = shape };
}

void has(int line, const char *path, const char *text)
{
    holog_object_info info = { .struct_size = sizeof info };
    holog_object *o = NULL;

    vfs_good(line, holog_vfs_load(vfs, path, &o));
    vfs_good(line, holog_object_get_info(o, &info));
    cr_assert_eq(info.kind, HOLOG_OBJECT_BLOB, "%s, line %d", name_now, line);
    cr_assert_eq(holog_object_size(o), strlen(text), "%s, line %d: %llu bytes", name_now, line,
                 (unsigned long long)holog_object_size(o));
    cr_assert_eq(memcmp(holog_object_data(o), text, strlen(text)), 0, "%s, line %d", name_now,
                 line);
    holog_object_release(o);
}

const uint64_t plane_shape[2] = { 2, 3 };
const uint16_t plane[6] = { 1, 2, 3, 4, 5, 65535 };

int save_plane(const char *path, unsigned flags)
{
    holog_object_spec o = array_of(plane, HOLOG_UINT16, 2, plane_shape);

    return holog_vfs_save(vfs, path, &o, flags, NULL);
}

void has_plane(const char *path)
{
    holog_object_info info = { .struct_size = sizeof info };
    holog_object *o = NULL;

    GOOD(holog_vfs_load_checked(vfs, path, HOLOG_UINT16, 2, plane_shape, &o));
    GOOD(holog_object_get_info(o, &info));
    cr_assert_eq(info.kind, HOLOG_OBJECT_ARRAY, "%s: %s", name_now, path);
    cr_assert_eq(info.size_bytes, sizeof plane, "%s: %s", name_now, path);
    cr_assert_eq(memcmp(holog_object_data(o), plane, sizeof plane), 0, "%s: %s", name_now, path);
    holog_object_release(o);
}

uint32_t kind(const char *path)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };

    GOOD(holog_vfs_stat(vfs, path, &info));
    return info.type;
}

/* ---- listings --------------------------------------------------------------------------------------*/

static char listed[4096];

static int note(void *ctx, const char *path, uint32_t type)
{
    size_t at = strlen(listed);

    (void)ctx;
    (void)type;
    (void)snprintf(listed + at, sizeof listed - at, "%s ", path);
    return 0;
}

const char *files_in(const char *dir, const char *pattern, const char *const *extensions,
                     unsigned flags)
{
    listed[0] = '\0';
    GOOD(holog_vfs_list_files(vfs, dir, pattern, extensions, flags, note, NULL));
    return listed;
}

const char *names_in(const char *dir)
{
    listed[0] = '\0';
    GOOD(holog_vfs_list_dir(vfs, dir, note, NULL));
    return listed;
}
