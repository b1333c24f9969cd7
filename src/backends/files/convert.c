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

/* In C order, some of the outermost axis at a time; when one index of it is too much, of the next. */
static int write_slabs(holog_array *a, const holog_array_info *info, unsigned axis,
                       holog_slice *region, uint8_t *slab,
                       int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
    uint64_t inner = info->item_size; /* bytes of one index of the axis */
    uint64_t step;
    int rc = HOLOG_OK;

    for (unsigned i = axis + 1; i < info->rank; i++)
        inner *= info->shape[i];
    step = HG_MAX(SLAB_BYTES / inner, UINT64_C(1));
    for (uint64_t at = 0; rc == HOLOG_OK && at < info->shape[axis]; at += region[axis].count) {
        region[axis] = (holog_slice){ at, HG_MIN(step, info->shape[axis] - at), 1 };
        if (inner > SLAB_BYTES) { /* never of the last axis: an element is smaller */
            rc = write_slabs(a, info, axis + 1, region, slab, put, ctx);
            continue;
        }
        for (unsigned i = axis + 1; i < info->rank; i++)
            region[i] = (holog_slice){ 0, info->shape[i], 1 };
        rc = holog_array_read(a, region, slab, NULL);
        if (rc == HOLOG_OK)
            rc = put(ctx, slab, (size_t)(inner * region[axis].count));
    }
    return rc;
}

static int encode_npy(holog_array *a, const holog_array_info *info,
                      int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
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
        rc = holog_array_read(a, NULL, slab, NULL);
        if (rc == HOLOG_OK)
            rc = put(ctx, slab, info->item_size);
    } else if (rc == HOLOG_OK && info->size_bytes > 0) {
        rc = write_slabs(a, info, 0, region, slab, put, ctx);
    }
    hg_buf_release(&header);
    hg_free(slab);
    return rc;
}

static int encode_tiff(holog_array *a, const holog_array_info *info,
                       int (*put)(void *ctx, const void *data, size_t len), void *ctx)
{
    struct hg_buf file = { 0 };
    holog_value *v = NULL;
    int rc = holog_array_load(a, &v);

    if (rc == HOLOG_OK)
        rc = hg_tiff_write(hg_type_of((enum hg_dtype)info->dtype, info->item_size), info->rank,
                           info->shape, holog_value_data(v), 0, &file);
    holog_value_release(v);
    if (rc == HOLOG_OK)
        rc = put(ctx, file.data, file.len);
    hg_buf_release(&file);
    return rc;
}

int holog_file_encode(holog_array *array, uint32_t format,
                      int (*put)(void *ctx, const void *data, size_t len_bytes), void *ctx)
{
    holog_array_info info = { .struct_size = sizeof info };
    int rc = holog_array_get_info(array, &info);

    if (rc == HOLOG_OK && put == NULL)
        rc = hg_error(HOLOG_E_INVAL, "put is NULL");
    if (rc < 0)
        return rc;
    if (format == HOLOG_FILE_NPY)
        return encode_npy(array, &info, put, ctx);
    return format == HOLOG_FILE_TIFF ? encode_tiff(array, &info, put, ctx) : no_format(format);
}
