/*
 * holog/files.h: arrays as files of other programs: NPY (NumPy), TIFF.
 *
 * Bytes in memory; the caller opens and reads files. TIFF needs the plug-in holog-tiff.so: without it the calls
 * say HOLOG_E_NOTSUP, and how to come by it.
 */
#ifndef HOLOG_FILES_H
#define HOLOG_FILES_H

#include "holog/array.h"

#ifdef __cplusplus
extern "C" {
#endif

enum holog_file_format {
    HOLOG_FILE_BYTES = 0, /* what it is, nobody asks */
    HOLOG_FILE_NPY = 1,
    HOLOG_FILE_TIFF = 2
};
/* By the ending of its name, in upper or lower case: ".npy", ".tif", ".tiff". */
HOLOG_API uint32_t holog_file_format_of(const char *name);

/* The array in a whole file. out_info: type, shape and size_bytes; all else is 0. *out_data: its elements in C
 * order, in `file` where they stand so there, else in *out_buffer, which is the caller's to free with
 * holog_buffer_free (NULL: nothing to free). Big-endian and Fortran order are turned round. A TIFF file of
 * several pages has them along the first axis, samples of a pixel along the last.
 * HOLOG_E_CORRUPT: it is damaged, or no such file; HOLOG_E_NOTSUP: holog has no such type. */
HOLOG_API int holog_file_decode(uint32_t format, const void *file, size_t len_bytes,
                                holog_array_info *out_info, const void **out_data,
                                void **out_buffer);

/* The array as a file: `put` gets its bytes, piece by piece; what it returns but 0 ends it and is returned.
 * A TIFF file is made in memory first, NPY goes through it a few MiB at a time. HOLOG_E_NOTSUP: such a file
 * cannot hold it. */
HOLOG_API int holog_file_encode(holog_array *array, uint32_t format,
                                int (*put)(void *ctx, const void *data, size_t len_bytes),
                                void *ctx);
/* The same of its preview (holog_array_preview): `halvings` times halved along the last two axes. */
HOLOG_API int holog_file_encode_preview(holog_array *array, uint32_t halvings, uint32_t format,
                                        int (*put)(void *ctx, const void *data, size_t len_bytes),
                                        void *ctx);

#ifdef __cplusplus
}
#endif

#endif
