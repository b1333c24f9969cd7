/*
 * See usagekit.h.
 */
#include "usagekit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct workspace ws;

holog_backend *ws_backend(const char *name, holog_backend_options options)
{
    holog_backend *b = NULL;

    options.struct_size = sizeof options;
    options.store = ws.box.store;
    options.root = ws.root;
    OK(holog_backend_open(name, &options, &b));
    return b;
}

static void open_backends(void)
{
    ws.memory = ws_backend("memory", (holog_backend_options){ 0 });
    ws.disk = ws_backend("disk", (holog_backend_options){ 0 });
    ws.zarr = ws_backend("zarr", (holog_backend_options){ .codec = HOLOG_CODEC_LZ4 });
}

static void close_backends(void)
{
    OK(holog_backend_close(ws.memory));
    OK(holog_backend_close(ws.disk));
    OK(holog_backend_close(ws.zarr));
}

void ws_begin(void)
{
    box_begin(&ws.box);
    (void)snprintf(ws.root, sizeof ws.root, "%s-workspace", ws.box.dir);
    open_backends();
}

void ws_open(void)
{
    box_open(&ws.box);
    open_backends();
}

void ws_close(void)
{
    close_backends();
    OK(holog_close(ws.box.store));
    ws.box.store = NULL;
}

void ws_reopen(void)
{
    close_backends();
    box_same_after_reopen(&ws.box);
    open_backends();
}

void ws_end(void)
{
    close_backends();
    box_end(&ws.box);
    remove_tree(ws.root);
}

/* ---- objects ---------------------------------------------------------------------------------------*/

holog_object_spec array_spec(const void *data, uint32_t dtype, uint32_t rank, const uint64_t *shape)
{
    return (holog_object_spec){ .struct_size = sizeof(holog_object_spec),
                                .kind = HOLOG_OBJECT_ARRAY,
                                .data = data,
                                .dtype = dtype,
                                .rank = rank,
                                .shape = shape };
}

void fill_pixels(uint16_t *pixels, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint16_t)(((i + 1) * 2654435761u + seed * 40503u) >> 7);
}

void save_text_to(holog_backend *b, const char *path, const char *text)
{
    OK(holog_vfs_save_bytes(b, path, text, strlen(text), HOLOG_PARENTS | HOLOG_REPLACE, NULL));
}

void has_text_in(holog_backend *b, const char *path, const char *text)
{
    holog_object *o = NULL;

    OK(holog_vfs_load_checked(b, path, 0, 0, NULL, &o));
    cr_assert_eq(holog_object_size(o), strlen(text), "%s has %llu bytes", path,
                 (unsigned long long)holog_object_size(o));
    cr_assert_eq(memcmp(holog_object_data(o), text, strlen(text)), 0, "%s", path);
    holog_object_release(o);
}

void has_array(holog_backend *b, const char *path, uint32_t dtype, uint32_t rank,
               const uint64_t *shape, const void *data)
{
    holog_object *o = NULL;

    OK(holog_vfs_load_checked(b, path, dtype, rank, shape, &o));
    cr_assert_eq(memcmp(holog_object_data(o), data, (size_t)holog_object_size(o)), 0, "%s", path);
    holog_object_release(o);
}

int exists_in(holog_backend *b, const char *path)
{
    int yes = 77;

    OK(holog_vfs_exists(b, path, &yes));
    return yes;
}

static char list_text[8192];

static int note_path(void *ctx, const char *path, uint32_t type)
{
    (void)ctx;
    (void)type;
    (void)snprintf(list_text + strlen(list_text), sizeof list_text - strlen(list_text), "%s ",
                   path);
    return 0;
}

const char *listed(holog_backend *b, const char *dir, const char *pattern)
{
    list_text[0] = '\0';
    OK(holog_vfs_list_files(b, dir, pattern, NULL, HOLOG_LIST_RECURSIVE, note_path, NULL));
    return list_text;
}

void *file_beside(const char *name, size_t *out_len)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/%s", ws.root, name);
    return access(path, F_OK) == 0 ? file_read(ws.root, name, out_len) : NULL;
}

int have_tiff(void)
{
#ifdef HAVE_TIFF
    return 1;
#else
    return 0;
#endif
}
