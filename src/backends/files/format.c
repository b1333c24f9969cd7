/*
 * Objects as files and back; see format.h.
 */
#include "backends/files/format.h"

#include <string.h>

#include "backends/files/npy.h"
#include "backends/files/tiff.h"
#include "backends/manager.h"
#include "base/alloc.h"
#include "base/error.h"
#include "holog/files.h"

#define ELEMENTS_MAX (UINT64_C(1) << 40) /* bytes that a small file may unfold to */

/* ---- to a file -------------------------------------------------------------------------------------*/

static void add_part(struct hg_file_image *f, const void *part, size_t len)
{
    f->parts[f->n] = part;
    f->lens[f->n++] = len;
}

static int encode_array(const char *path, const holog_object_spec *o, struct hg_file_image *f)
{
    struct hg_type type = hg_type_of((enum hg_dtype)o->dtype, o->item_size);
    uint32_t format = holog_file_format_of(path);
    const void *data = o->data;
    int rc;

    if (format == HOLOG_FILE_BYTES)
        return hg_error_path(HOLOG_E_TYPE, path, (uint32_t)strlen(path),
                             "%s: an array is a .npy, .tif or .tiff file", path);
    if (o->strides != NULL) {
        data = f->flat = hg_malloc((size_t)o->len_bytes);
        if (data == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for the elements of %s", path);
        hg_object_spec_flatten(o, f->flat);
    }
    if (format == HOLOG_FILE_TIFF)
        rc = hg_tiff_write(type, o->rank, o->shape, data, 0, &f->head);
    else
        rc = hg_npy_write_header(type, o->rank, o->shape, 0, &f->head);
    if (rc < 0)
        return rc;
    add_part(f, f->head.data, f->head.len);
    if (format == HOLOG_FILE_NPY)
        add_part(f, data, (size_t)o->len_bytes);
    return HOLOG_OK;
}

int hg_file_encode(const char *path, const holog_object_spec *object, struct hg_file_image *out)
{
    struct hg_file_image f = { 0 };
    int rc = HOLOG_OK;

    if (object->kind == HOLOG_OBJECT_ARRAY)
        rc = encode_array(path, object, &f);
    else
        add_part(&f, object->data, (size_t)object->len_bytes);
    if (rc < 0)
        hg_file_image_release(&f);
    else
        *out = f;
    return rc;
}

void hg_file_image_release(struct hg_file_image *image)
{
    hg_buf_release(&image->head);
    hg_free(image->flat);
    image->flat = NULL;
}

/* ---- from a file -----------------------------------------------------------------------------------*/

static int describe(const char *path, const struct hg_buf *file, holog_object_info *out,
                    struct hg_npy *npy, struct hg_tiff *tiff)
{
    struct hg_type type;
    int is_npy = holog_file_format_of(path) == HOLOG_FILE_NPY;
    int rc = is_npy ? hg_npy_read_header(file->data, file->len, npy)
                    : hg_tiff_read_header(file->data, file->len, ELEMENTS_MAX, tiff);

    if (rc < 0) {
        hg_error_name_path(path, strlen(path));
        return rc;
    }
    type = is_npy ? npy->type : tiff->type;
    out->kind = HOLOG_OBJECT_ARRAY;
    out->dtype = type.dtype;
    out->item_size = type.size;
    out->rank = is_npy ? npy->rank : tiff->rank;
    memcpy(out->shape, is_npy ? npy->shape : tiff->shape, out->rank * sizeof *out->shape);
    out->size_bytes = is_npy ? npy->data_bytes : tiff->data_bytes;
    return HOLOG_OK;
}

static int decode_array(const char *path, const struct hg_buf *file, holog_payload *out)
{
    struct hg_tiff tiff = { .rank = 0 };
    struct hg_npy npy = { .rank = 0 };
    void *elements = NULL;
    int rc = describe(path, file, &out->info, &npy, &tiff);

    if (rc < 0)
        return rc;
    elements = hg_malloc((size_t)HG_MAX(out->info.size_bytes, UINT64_C(1)));
    if (elements == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the elements of %s", path);
    rc = holog_file_format_of(path) == HOLOG_FILE_NPY
             ? hg_npy_elements(&npy, file->data + npy.data_at, elements)
             : hg_tiff_elements(file->data, file->len, &tiff, elements);
    if (rc < 0) {
        hg_error_name_path(path, strlen(path));
        hg_free(elements);
        return rc;
    }
    out->data = out->owner = elements;
    out->release = hg_free;
    return HOLOG_OK;
}

int hg_file_decode(const char *path, struct hg_buf *file, holog_payload *out)
{
    int rc;

    if (holog_file_format_of(path) != HOLOG_FILE_BYTES) {
        rc = decode_array(path, file, out);
        hg_buf_release(file);
        return rc;
    }
    out->info.kind = HOLOG_OBJECT_BLOB;
    out->info.size_bytes = file->len;
    out->data = out->owner = file->data;
    out->release = hg_free;
    *file = (struct hg_buf){ 0 };
    return HOLOG_OK;
}
