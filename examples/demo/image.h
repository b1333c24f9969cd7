/*
 * Grey images of 16 bits: from PNG files, from a brain volume (NIfTI-1, gzipped), and as the bytes
 * that the store keeps, which are .npy files: `holog load STORE A01/step0/z00.npy > z.npy` is an
 * array to numpy.load().
 */
#ifndef DEMO_IMAGE_H
#define DEMO_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* Pixels row by row; owned. A zeroed one is empty. */
struct image {
    uint32_t width;
    uint32_t height;
    uint16_t *pixels;
};

static inline size_t image_count(uint32_t width, uint32_t height)
{
    return (size_t)width * height;
}

/* 0, or -1 when there is no memory. */
int image_alloc(struct image *out_image, uint32_t width, uint32_t height);
void image_free(struct image *image);
/* Stretch what is there to the full range 0..65535. */
void image_normalise(struct image *image);

/* Any PNG file as grey. 0, or -1: not there, not a PNG, no memory. */
int image_read_png(const char *path, struct image *out_image);
/* 8-bit greys, row by row, to a PNG file. 0 or -1. */
int image_write_png(const char *path, uint32_t width, uint32_t height, const uint8_t *greys);

/* A volume of voxels, x fastest. */
struct volume {
    uint32_t size[3];
    uint16_t *voxels;
};
/* 8- and 16-bit NIfTI-1 files (.nii, .nii.gz) of this machine's byte order. 0 or -1. */
int volume_read(const char *path, struct volume *out_volume);
void volume_free(struct volume *volume);
/* The slice across `axis` (0-2) at `at`, head up. 0, or -1 when there is no memory. */
int volume_slice(const struct volume *volume, unsigned axis, uint32_t at, struct image *out_image);

/*
 * .npy, version 1.0:
 *
 *   offset size
 *        0    6  "\x93NUMPY"
 *        6    2  1, 0
 *        8    2  118: bytes of text that follow
 *       10  118  {'descr': '<u2', 'fortran_order': False, 'shape': (H, W), }  blanks, newline
 *      128       H x W little-endian 16-bit numbers, row by row
 */
enum {
    NPY_HEADER_BYTES = 128
};
static inline size_t npy_bytes(uint32_t width, uint32_t height)
{
    return NPY_HEADER_BYTES + image_count(width, height) * sizeof(uint16_t);
}
void npy_put_header(void *file, uint32_t width, uint32_t height);
uint16_t *npy_pixels(void *file);
/* The pixels inside `file`, borrowed; NULL unless it is whole and of this shape. */
const uint16_t *npy_check(const void *file, size_t len_bytes, uint32_t width, uint32_t height);

#endif
