/*
 * Regions of an array to memory.
 *
 * A part of a large raw chunk that lies in less than half of it is read as the stretch of bytes that holds
 * it: only its 64 KiB blocks are read and verified, and the chunk does not take room in the cache. Anything
 * else reads the chunk whole, which is then cached.
 */
#include <string.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"

#define STRETCH_MIN (128u << 10) /* of chunks below this it is not worth it */

/* From the first byte of the part's first element to the end of its last. */
static size_t stretch_of(const holog_array *a, const struct hg_array_walk *w)
{
    size_t bytes = a->doc.type.size;

    for (unsigned i = 0; i < a->doc.rank; i++)
        bytes += (size_t)(w->parts.part.count[i] - 1) * (size_t)w->chunk_stride[i];
    return bytes;
}

static void copy_out(const holog_array *a, const struct hg_array_walk *w, const uint8_t *first,
                     uint8_t *out)
{
    hg_copy_strided(a->doc.rank, w->parts.part.count, a->doc.type.size, out + hg_array_walk_at(w),
                    w->stride, first, w->chunk_stride);
}

static int read_stretch(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                        const struct hg_locator *loc, size_t len, uint8_t *out)
{
    uint8_t *bytes = hg_malloc(len);
    size_t got = 0;
    int rc;

    if (bytes == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to read a part of %s", n->path);
    rc = hg_value_range(a->store, loc, n->path, hg_array_walk_in_chunk(a, w), bytes, len, &got);
    if (rc == HOLOG_OK)
        copy_out(a, w, bytes, out);
    hg_free(bytes);
    return rc;
}

static int read_part(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                     uint8_t *out)
{
    struct hg_locator loc;
    holog_value *chunk = NULL;
    size_t stretch = stretch_of(a, w);
    int rc = hg_array_find_chunk(a, n, w->parts.part.chunk, &loc);

    if (rc == HOLOG_E_NOENT) {
        hg_fill_strided(a->doc.rank, w->parts.part.count, a->doc.type.size,
                        out + hg_array_walk_at(w), w->stride, a->doc.fill);
        return HOLOG_OK;
    }
    if (rc == HOLOG_OK && a->plain && loc.segment != 0 && loc.size == a->chunk_bytes &&
        loc.size >= STRETCH_MIN && stretch <= loc.size / 2)
        return read_stretch(a, w, n, &loc, stretch, out);
    if (rc == HOLOG_OK)
        rc = hg_array_load_chunk(a, n, &loc, &chunk);
    if (rc < 0)
        return rc;
    copy_out(a, w, (const uint8_t *)holog_value_data(chunk) + hg_array_walk_in_chunk(a, w), out);
    holog_value_release(chunk);
    return HOLOG_OK;
}

int holog_array_read(holog_array *array, const holog_slice *region, void *out,
                     const int64_t *strides)
{
    struct hg_array_walk w;
    struct hg_nodes n;
    int rc = hg_array_check(array);

    if (rc == HOLOG_OK)
        rc = hg_array_walk_begin(array, region, strides, &w);
    if (rc == HOLOG_OK)
        rc = hg_array_nodes(array, &n);
    while (rc == HOLOG_OK && hg_parts_next(&w.parts))
        rc = out == NULL ? hg_error(HOLOG_E_INVAL, "out is NULL") : read_part(array, &w, &n, out);
    return rc;
}

/* 1: all elements are one chunk, in its order. */
static int is_one_chunk(const holog_array *a)
{
    for (unsigned i = 0; i < a->doc.rank; i++)
        if (a->doc.shape[i] != a->grid[i])
            return 0;
    return 1;
}

static int load_one(const holog_array *a, holog_value **out)
{
    static const uint64_t origin[HG_RANK_MAX];
    struct hg_locator loc;
    struct hg_nodes n;
    int rc = hg_array_nodes(a, &n);

    if (rc == HOLOG_OK)
        rc = hg_array_find_chunk(a, &n, origin, &loc);
    return rc < 0 ? rc : hg_array_load_chunk(a, &n, &loc, out);
}

int holog_array_load(holog_array *array, holog_value **out_value)
{
    holog_array_info info = { .struct_size = sizeof info };
    struct hg_mem *mem = NULL;
    holog_value *v = NULL;
    int rc = holog_array_get_info(array, &info);

    if (rc == HOLOG_OK && out_value == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_value is NULL");
    if (rc == HOLOG_OK && is_one_chunk(array)) {
        rc = load_one(array, out_value);
        if (rc != HOLOG_E_NOENT)
            return rc;
        rc = HOLOG_OK; /* all fill value */
    }
    if (rc == HOLOG_OK && info.size_bytes > SIZE_MAX / 2)
        rc = hg_error(HOLOG_E_BUDGET, "%s: is larger than memory; read it in regions", array->path);
    if (rc == HOLOG_OK)
        rc = hg_mem_new(array->store->cache, (size_t)info.size_bytes, &mem);
    if (rc != HOLOG_OK)
        return rc;
    v = hg_malloc(sizeof *v);
    rc = v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to load %s", array->path)
                   : holog_array_read(array, NULL, mem->data, NULL);
    if (rc < 0) {
        hg_free(v);
        hg_mem_put(mem);
        return rc;
    }
    *v = (holog_value){
        .data = mem->data, .len = (size_t)info.size_bytes, .number = info.number, .mem = mem
    };
    *out_value = v;
    return HOLOG_OK;
}
