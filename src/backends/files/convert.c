/*
 * Arrays from files and to files, by the format; see holog/files.h.
 */
#include <string.h>
#include <strings.h>

#include "backends/files/npy.h"
#include "backends/files/tiff.h"
#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"
#include "holog/files.h"

#define SLAB_BYTES (8u << 20) /* of elements in memory at once */

uint32_t holog_file_format_of(const char *name)
{
    const char *dot = name == NULL ? NULL : strrchr(name, '.');

    if (dot == NULL)
        return HOLOG_FILE_BYTES;
    if (strcasecmp(dot, ".npy") == 0)
        return HOLOG_FILE_NPY;
    return strcasecmp(dot, ".tif") == 0 || strcasecmp(dot, ".tiff") == 0 ? HOLOG_FILE_TIFF
                                                                         : HOLOG_FILE_BYTES;
}

static int no_format(uint32_t format)
{
    return hg_error(HOLOG_E_INVAL, "there is no file format %u for arrays", format);
}

/* ---- from files ----------------------------------------------------------------------------------*/

static int decode_npy(const uint8_t *file, size_t len, holog_array_info *info,
                      const void **out_data, void **out_buffer)
{
    struct hg_npy h;
    void *buffer = NULL;
    int as_it_stands;
    int rc = hg_npy_read_header(file, len, &h);

    if (rc < 0)
        return rc;
    /* Bools are looked at one by one; with one axis or less both orders are the same. */
    as_it_stands = !h.swapped && (!h.fortran || h.rank <= 1) && h.type.dtype != HG_BOOL;
    if (!as_it_stands) {
        buffer = holog_buffer_new((size_t)h.data_bytes);
        rc = buffer == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for %llu bytes of elements",
                                       (unsigned long long)h.data_bytes)
                            : hg_npy_elements(&h, file + h.data_at, buffer);
    }
    if (rc < 0) {
        holog_buffer_free(buffer);
        return rc;
    }
    info->dtype = h.type.dtype;
    info->item_size = h.type.size;
    info->rank = h.rank;
    memcpy(info->shape, h.shape, h.rank * sizeof h.shape[0]);
    info->size_bytes = h.data_bytes;
    *out_data = as_it_stands ? (const void *)(file + h.data_at) : buffer;
    *out_buffer = buffer;
    return HOLOG_OK;
}

static int decode_tiff(const void *file, size_t len, holog_array_info *info, const void **out_data,
                       void **out_buffer)
{
    struct hg_tiff h;
    void *buffer = NULL;
    int rc = hg_tiff_read_header(file, len, SIZE_MAX / 2, &h);

    if (rc < 0)
        return rc;
    buffer = holog_buffer_new((size_t)h.data_bytes);
    rc = buffer == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for %llu bytes of elements",
                                   (unsigned long long)h.data_bytes)
                        : hg_tiff_elements(file, len, &h, buffer);
    if (rc < 0) {
        holog_buffer_free(buffer);
        return rc;
    }
    info->dtype = h.type.dtype;
    info->item_size = h.type.size;
    info->rank = h.rank;
    memcpy(info->shape, h.shape, h.rank * sizeof h.shape[0]);
    info->size_bytes = h.data_bytes;
    *out_data = buffer;
    *out_buffer = buffer;
    return HOLOG_OK;
}

int holog_file_decode(uint32_t format, const void *file, size_t len_bytes,
                      holog_array_info *out_info, const void **out_data, void **out_buffer)
{
    holog_array_info info = { .struct_size = sizeof info };
    int rc = hg_struct_check(out_info, "holog_array_info");

    if (rc < 0)
        return rc;
    if ((file == NULL && len_bytes > 0) || out_data == NULL || out_buffer == NULL)
        return hg_error(HOLOG_E_INVAL, "file, out_data or out_buffer is NULL");
    if (format == HOLOG_FILE_NPY)
        rc = decode_npy(file, len_bytes, &info, out_data, out_buffer);
    else if (format == HOLOG_FILE_TIFF)
        rc = decode_tiff(file, len_bytes, &info, out_data, out_buffer);
    else
        rc = no_format(format);
    if (rc == HOLOG_OK)
        hg_struct_fill(out_info, &info, sizeof info);
    return rc;
}

/* ---- to files ------------------------------------------------------------------------------------*/

/* An array, or a preview of it: then info has the shape and the bytes of that. */
struct source {
    holog_array *array;
    holog_array_info info;
    uint32_t halvings;
};

/* In C order, some of the outermost axis at a time; when one index of it is too much, of the next. */
static int write_slabs(const struct source *from, unsigned axis, holog_slice *region, uint8_t *slab,
                       int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
    const holog_array_info *info = &from->info;
    uint64_t inner = info->item_size; /* bytes of one index of the axis */
    uint64_t step;
    int rc = HOLOG_OK;

    for (unsigned i = axis + 1; i < info->rank; i++)
        inner *= info->shape[i];
    step = HG_MAX(SLAB_BYTES / inner, UINT64_C(1));
    for (uint64_t at = 0; rc == HOLOG_OK && at < info->shape[axis]; at += region[axis].count) {
        region[axis] = (holog_slice){ at, HG_MIN(step, info->shape[axis] - at), 1 };
        if (inner > SLAB_BYTES) { /* never of the last axis: an element is smaller */
            rc = write_slabs(from, axis + 1, region, slab, put, ctx);
            continue;
        }
        for (unsigned i = axis + 1; i < info->rank; i++)
            region[i] = (holog_slice){ 0, info->shape[i], 1 };
        rc = holog_array_preview(from->array, from->halvings, region, slab, NULL);
        if (rc == HOLOG_OK)
            rc = put(ctx, slab, (size_t)(inner * region[axis].count));
    }
    return rc;
}

static int encode_npy(const struct source *from,
                      int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
    const holog_array_info *info = &from->info;
    struct hg_buf header = { 0 };
    holog_slice region[HOLOG_RANK_MAX];
    uint8_t *slab = hg_malloc(SLAB_BYTES);
    int rc = slab == NULL
                 ? hg_error(HOLOG_E_NOMEM, "no memory to write a file")
                 : hg_npy_write_header(hg_type_of((enum hg_dtype)info->dtype, info->item_size),
                                       info->rank, info->shape, 0, &header);

    if (rc == HOLOG_OK)
        rc = put(ctx, header.data, header.len);
    if (rc == HOLOG_OK && info->rank == 0) {
        rc = holog_array_preview(from->array, from->halvings, NULL, slab, NULL);
        if (rc == HOLOG_OK)
            rc = put(ctx, slab, info->item_size);
    } else if (rc == HOLOG_OK && info->size_bytes > 0) {
        rc = write_slabs(from, 0, region, slab, put, ctx);
    }
    hg_buf_release(&header);
    hg_free(slab);
    return rc;
}

static int write_tiff(const struct source *from, const void *elements,
                      int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
    const holog_array_info *info = &from->info;
    struct hg_buf file = { 0 };
    int rc = hg_tiff_write(hg_type_of((enum hg_dtype)info->dtype, info->item_size), info->rank,
                           info->shape, elements, 0, &file);

    if (rc == HOLOG_OK)
        rc = put(ctx, file.data, file.len);
    hg_buf_release(&file);
    return rc;
}

static int encode_tiff(const struct source *from,
                       int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
    holog_value *v = NULL;
    void *small = NULL;
    int rc;

    if (from->halvings == 0) {
        rc = holog_array_load(from->array, &v);
    } else {
        small =
            from->info.size_bytes < SIZE_MAX ? hg_malloc((size_t)from->info.size_bytes + 1) : NULL;
        rc = small == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to write a file")
                           : holog_array_preview(from->array, from->halvings, NULL, small, NULL);
    }
    if (rc == HOLOG_OK)
        rc = write_tiff(from, v != NULL ? holog_value_data(v) : small, put, ctx);
    holog_value_release(v);
    hg_free(small);
    return rc;
}

/* The shape of a preview, and how many bytes it is. */
static int take_preview(struct source *from)
{
    holog_array_info *info = &from->info;
    uint64_t bytes = info->item_size;
    int rc = holog_array_preview_shape(from->array, from->halvings, info->shape);

    for (unsigned i = 0; rc == HOLOG_OK && i < info->rank; i++)
        if (__builtin_mul_overflow(bytes, info->shape[i], &bytes))
            bytes = UINT64_MAX;
    info->size_bytes = info->size_bytes == 0 ? 0 : bytes; /* an axis of 0 stays one */
    return rc;
}

int holog_file_encode_preview(holog_array *array, uint32_t halvings, uint32_t format,
                              int (*put)(void *ctx, const void *data, size_t len_bytes), void *ctx)
{
    struct source from = { .array = array,
                           .info = { .struct_size = sizeof from.info },
                           .halvings = halvings };
    int rc = holog_array_get_info(array, &from.info);

    if (rc == HOLOG_OK && put == NULL)
        rc = hg_error(HOLOG_E_INVAL, "put is NULL");
    if (rc == HOLOG_OK && halvings > 0)
        rc = take_preview(&from);
    if (rc < 0)
        return rc;
    if (format == HOLOG_FILE_NPY)
        return encode_npy(&from, put, ctx);
    return format == HOLOG_FILE_TIFF ? encode_tiff(&from, put, ctx) : no_format(format);
}

int holog_file_encode(holog_array *array, uint32_t format,
                      int (*put)(void *ctx, const void *data, size_t len_bytes), void *ctx)
{
    return holog_file_encode_preview(array, 0, format, put, ctx);
}
