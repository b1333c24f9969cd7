#include "image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "util.h"

int image_alloc(struct image *out_image, uint32_t width, uint32_t height)
{
    uint16_t *pixels = calloc(image_count(width, height), sizeof(*pixels));

    if (pixels == NULL)
        return -1;
    *out_image = (struct image){ .width = width, .height = height, .pixels = pixels };
    return 0;
}

void image_free(struct image *image)
{
    free(image->pixels);
    *image = (struct image){ 0 };
}

void image_normalise(struct image *image)
{
    size_t count = image_count(image->width, image->height);
    uint32_t low = UINT16_MAX;
    uint32_t high = 0;

    for (size_t i = 0; i < count; i++) {
        low = image->pixels[i] < low ? image->pixels[i] : low;
        high = image->pixels[i] > high ? image->pixels[i] : high;
    }
    for (size_t i = 0; i < count && high > low; i++)
        image->pixels[i] = (uint16_t)((image->pixels[i] - low) * UINT16_MAX / (high - low));
}

/* ---- PNG ---- */

int image_read_png(const char *path, struct image *out_image)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    struct image image = { 0 };
    uint8_t *greys = NULL;
    int rc = -1;

    if (png_image_begin_read_from_file(&png, path) == 0)
        goto out;
    png.format = PNG_FORMAT_GRAY;
    greys = malloc(PNG_IMAGE_SIZE(png));
    if (greys == NULL || image_alloc(&image, png.width, png.height) < 0)
        goto out;
    if (png_image_finish_read(&png, NULL, greys, 0, NULL) == 0)
        goto out;
    for (size_t i = 0; i < image_count(image.width, image.height); i++)
        image.pixels[i] = greys[i];
    *out_image = image;
    image = (struct image){ 0 }; /* handed over */
    rc = 0;
out:
    png_image_free(&png);
    free(greys);
    image_free(&image);
    return rc;
}

int image_write_png(const char *path, uint32_t width, uint32_t height, const uint8_t *greys)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = PNG_FORMAT_GRAY
    };

    return png_image_write_to_file(&png, path, 0, greys, 0, NULL) != 0 ? 0 : -1;
}

/* ---- NIfTI-1 ----
 *
 * offset size   of the 348-byte header, in the writer's byte order
 *      0    4   348
 *     40   16   dim[8]: how many dimensions, then their sizes
 *     70    2   datatype: 2 = uint8, 4 = int16, 512 = uint16
 *    108    4   float: where the voxels begin
 *    344    4   "n+1", NUL
 */
enum {
    NIFTI_HEADER_BYTES = 348,
    NIFTI_UINT8 = 2,
    NIFTI_INT16 = 4,
    NIFTI_UINT16 = 512,
    NIFTI_SIZE_MAX = 2048
};

struct nifti {
    uint32_t size[3];
    int datatype;
    long start;
};

static int nifti_decode(const uint8_t *header, struct nifti *out_nifti)
{
    int32_t header_bytes = 0;
    int16_t dim[8];
    int16_t datatype = 0;
    float start = 0;

    memcpy(&header_bytes, header, sizeof(header_bytes));
    memcpy(dim, header + 40, sizeof(dim));
    memcpy(&datatype, header + 70, sizeof(datatype));
    memcpy(&start, header + 108, sizeof(start));
    if (header_bytes != NIFTI_HEADER_BYTES || memcmp(header + 344, "n+1", 4) != 0 || dim[0] < 3)
        return -1;
    if (!(start >= NIFTI_HEADER_BYTES && start < 1 << 20))
        return -1;
    if (datatype != NIFTI_UINT8 && datatype != NIFTI_INT16 && datatype != NIFTI_UINT16)
        return -1;
    for (int i = 0; i < 3; i++) {
        if (dim[i + 1] < 1 || dim[i + 1] > NIFTI_SIZE_MAX)
            return -1;
        out_nifti->size[i] = (uint32_t)dim[i + 1];
    }
    out_nifti->datatype = datatype;
    out_nifti->start = (long)start;
    return 0;
}

static int gz_read_all(gzFile file, void *buf, size_t len_bytes)
{
    return gzfread(buf, 1, len_bytes, file) == len_bytes ? 0 : -1;
}

/* Bytes become numbers in place, from the end, so that none is overwritten before it was read. */
static void widen(uint16_t *voxels, size_t count)
{
    const uint8_t *bytes = (const uint8_t *)voxels;

    for (size_t i = count; i-- > 0;)
        voxels[i] = bytes[i];
}

/* Below zero is noise around nothing: it becomes 0. */
static void drop_negative(uint16_t *voxels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        voxels[i] = voxels[i] > INT16_MAX ? 0 : voxels[i];
}

static int read_voxels(gzFile file, const struct nifti *n, uint16_t *voxels, size_t count)
{
    size_t each = n->datatype == NIFTI_UINT8 ? 1 : 2;

    if (gzseek(file, n->start, SEEK_SET) < 0 || gz_read_all(file, voxels, count * each) < 0)
        return -1;
    if (n->datatype == NIFTI_UINT8)
        widen(voxels, count);
    if (n->datatype == NIFTI_INT16)
        drop_negative(voxels, count);
    return 0;
}

int volume_read(const char *path, struct volume *out_volume)
{
    uint8_t header[NIFTI_HEADER_BYTES];
    struct nifti n = { 0 };
    uint16_t *voxels = NULL;
    int rc = -1;
    gzFile file = gzopen(path, "rb");

    if (file == NULL || gz_read_all(file, header, sizeof(header)) < 0 ||
        nifti_decode(header, &n) < 0)
        goto out;
    size_t count = (size_t)n.size[0] * n.size[1] * n.size[2];
    voxels = calloc(count, sizeof(*voxels));
    if (voxels == NULL || read_voxels(file, &n, voxels, count) < 0)
        goto out;
    out_volume->voxels = voxels;
    memcpy(out_volume->size, n.size, sizeof(n.size));
    voxels = NULL; /* handed over */
    rc = 0;
out:
    if (file != NULL)
        (void)gzclose(file); /* only read */
    free(voxels);
    return rc;
}

void volume_free(struct volume *volume)
{
    free(volume->voxels);
    *volume = (struct volume){ 0 };
}

int volume_slice(const struct volume *volume, unsigned axis, uint32_t at, struct image *out_image)
{
    const size_t stride[3] = { 1, volume->size[0], (size_t)volume->size[0] * volume->size[1] };
    unsigned across = axis == 0 ? 1 : 0; /* x runs across, but for slices across x */
    unsigned up = axis == 2 ? 1 : 2;

    if (image_alloc(out_image, volume->size[across], volume->size[up]) < 0)
        return -1;
    for (uint32_t y = 0; y < out_image->height; y++) {
        const uint16_t *row =
            volume->voxels + at * stride[axis] + (out_image->height - 1 - y) * stride[up];
        for (uint32_t x = 0; x < out_image->width; x++)
            out_image->pixels[image_count(out_image->width, y) + x] = row[x * stride[across]];
    }
    return 0;
}

/* ---- .npy ---- */

void npy_put_header(void *file, uint32_t width, uint32_t height)
{
    static const uint8_t start[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0 };
    char text[NPY_HEADER_BYTES - sizeof(start)];

    memset(text, ' ', sizeof(text));
    format_text(text, sizeof(text), "{'descr': '<u2', 'fortran_order': False, 'shape': (%u, %u), }",
                height, width);
    text[strlen(text)] = ' '; /* text[] was blank behind the NUL */
    text[sizeof(text) - 1] = '\n';
    memcpy(file, start, sizeof(start));
    memcpy((uint8_t *)file + sizeof(start), text, sizeof(text));
}

uint16_t *npy_pixels(void *file)
{
    void *pixels = (uint8_t *)file + NPY_HEADER_BYTES;

    return pixels;
}

const uint16_t *npy_check(const void *file, size_t len_bytes, uint32_t width, uint32_t height)
{
    uint8_t expected[NPY_HEADER_BYTES];

    npy_put_header(expected, width, height);
    if (len_bytes != npy_bytes(width, height) || memcmp(file, expected, sizeof(expected)) != 0)
        return NULL;
    const void *pixels = (const uint8_t *)file + NPY_HEADER_BYTES;
    return pixels;
}
