/*
 * What a file is by its name (holog_file_format_of): .npy and .tif or .tiff hold an array, any other bytes.
 *
 * A blob is written as it stands wherever it goes; so a file called .npy may be none, which is said when it
 * is read.
 */
#ifndef HG_BACKENDS_FILES_FORMAT_H
#define HG_BACKENDS_FILES_FORMAT_H

#include "base/buf.h"
#include "holog/backend.h"

/* A file, as hg_outside_write takes it. */
struct hg_file_image {
    struct hg_buf head;
    void *flat; /* elements in C order, where the caller's are not; owned */
    const void *parts[2];
    size_t lens[2];
    unsigned n;
};
/* Borrows the object's bytes. HOLOG_E_TYPE: an array, and the name is of no format for one; HOLOG_E_NOTSUP: the format
 * has no such arrays. */
HG_MUST_CHECK int hg_file_encode(const char *path, const holog_object_spec *object,
                                 struct hg_file_image *out);
void hg_file_image_release(struct hg_file_image *image);

/* What a whole file holds; takes over the buffer, also when it fails. HOLOG_E_CORRUPT: not what its name says. */
HG_MUST_CHECK int hg_file_decode(const char *path, struct hg_buf *file, holog_payload *out);

#endif
