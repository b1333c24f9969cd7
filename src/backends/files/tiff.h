/*
 * An array as a TIFF file, by the plug-in holog-tiff.so.
 *
 * The axes are pages, rows, columns and samples of a pixel; one page or one sample is no axis. So an image
 * has 2 axes, a stack of them 3, a colour image 3 as well (rows, columns, samples), and a stack of those 4.
 * Pages must be alike; reduced copies of pages are passed over. Elements are integers of 8 to 64 bits or
 * floats of 16 to 64 as the file has them: what colours they mean, resolutions and descriptions are not
 * read. Written are files without compression.
 */
#ifndef HG_BACKENDS_FILES_TIFF_H
#define HG_BACKENDS_FILES_TIFF_H

#include <stddef.h>
#include <stdint.h>

#include "array/dtype.h"
#include "base/assert.h"
#include "base/buf.h"
#include "plugins/plugin.h"

#define HG_TIFF_RANK_MAX 4

enum hg_tiff_write_flags {
    HG_TIFF_WRITE_BIG = 1,     /* BigTIFF; else where a file of 4 GiB is too small */
    HG_TIFF_WRITE_SAMPLES = 2, /* the last of 3 axes is samples; else the first is pages */
};

struct hg_tiff {
    struct hg_type type;
    unsigned rank; /* 2 to 4 */
    uint64_t shape[HG_TIFF_RANK_MAX];
    int samples;         /* the last axis is samples */
    uint64_t data_bytes; /* of all elements */
    struct hg_image image;
};

/*
 * What is in a whole file of len bytes. All of these: HOLOG_E_NOTSUP or HOLOG_E_VERSION without the plug-in.
 *
 * HOLOG_E_CORRUPT   no TIFF file, or damage
 * HOLOG_E_NOTSUP    pages that are not alike, or something that arrays have not; the message names the page
 * HOLOG_E_TOOBIG    more than max_bytes of elements, or more than can be in so short a file
 */
HG_MUST_CHECK int hg_tiff_read_header(const void *file, size_t len, uint64_t max_bytes,
                                      struct hg_tiff *out);
/* Its elements, h->data_bytes, in C order, little-endian. On failure anything may be in `out`. */
HG_MUST_CHECK int hg_tiff_elements(const void *file, size_t len, const struct hg_tiff *h,
                                   void *out);
/* Append a file with these elements. HOLOG_E_NOTSUP: a type or a shape that no TIFF file has. */
HG_MUST_CHECK int hg_tiff_write(struct hg_type type, unsigned rank, const uint64_t *shape,
                                const void *data, unsigned flags, struct hg_buf *out);

#endif
