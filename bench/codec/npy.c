/*
 * NPY files, read as far as this bench needs them.
 */
#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX 4096

static int parse(const char *head, struct hg_cold_array *a)
{
    const char *descr = strstr(head, "'descr':");
    const char *shape = strstr(head, "'shape':");
    char kind;
    unsigned size;
    int used = 0;

    if (descr == NULL || shape == NULL || strstr(head, "'fortran_order': False") == NULL ||
        sscanf(descr, "'descr': '%*c%c%u'", &kind, &size) != 2)
        return -1;
    *a = (struct hg_cold_array){ .size = (uint8_t)size };
    a->kind = kind == 'f'   ? HG_ELEMENT_FLOAT
              : kind == 'i' ? HG_ELEMENT_SIGNED
                            : HG_ELEMENT_UNSIGNED;
    shape = strchr(shape, '(');
    for (shape = shape == NULL ? "" : shape + 1; a->rank < HG_COLD_RANK_MAX; shape += used) {
        if (sscanf(shape, " %u%n", &a->n[a->rank], &used) != 1)
            break;
        a->rank++;
        used += shape[used] == ',';
    }
    return a->rank >= 2 ? 0 : -1;
}

int image_tiles(const void *image, const struct hg_cold_array *of, size_t side, struct tiles *out)
{
    size_t rows = of->n[of->rank - 2];
    size_t cols = of->n[of->rank - 1];
    size_t planes = 1;
    size_t high = rows < side ? rows : side;
    size_t wide = cols < side ? cols : side;

    for (unsigned i = 0; i + 2 < of->rank; i++)
        planes *= of->n[i];
    *out = (struct tiles){ .of = { of->size, of->kind, 2, { (uint32_t)high, (uint32_t)wide } },
                           .bytes = high * wide * of->size,
                           .count = planes * (rows / high) * (cols / wide) };
    out->at = malloc(out->count * out->bytes);
    if (out->at == NULL)
        return -1;
    for (size_t i = 0; i < out->count; i++) {
        size_t z = i / (rows / high * (cols / wide));
        size_t y = i / (cols / wide) % (rows / high) * high;
        size_t x = i % (cols / wide) * wide;
        for (size_t row = 0; row < high; row++)
            memcpy(out->at + i * out->bytes + row * wide * of->size,
                   (const uint8_t *)image + ((z * rows + y + row) * cols + x) * of->size,
                   wide * of->size);
    }
    return 0;
}

/* The elements, yours to free; NULL: they are not there. */
static void *read_elements(FILE *f, struct hg_cold_array *a)
{
    unsigned char fixed[10];
    char head[HEAD_MAX + 1];
    size_t len;
    size_t bytes;
    void *out;

    if (fread(fixed, 1, sizeof fixed, f) != sizeof fixed || memcmp(fixed, "\x93NUMPY\x01", 7) != 0)
        return NULL;
    len = fixed[8] | (size_t)fixed[9] << 8;
    if (len > HEAD_MAX || fread(head, 1, len, f) != len)
        return NULL;
    head[len] = 0;
    if (parse(head, a) < 0)
        return NULL;
    bytes = a->size;
    for (unsigned i = 0; i < a->rank; i++)
        bytes *= a->n[i];
    out = malloc(bytes);
    if (out != NULL && fread(out, 1, bytes, f) != bytes) {
        free(out);
        out = NULL;
    }
    return out;
}

int npy_tiles(const char *path, size_t side, struct tiles *out)
{
    struct hg_cold_array a;
    FILE *f = fopen(path, "rb");
    void *image = f != NULL ? read_elements(f, &a) : NULL;
    int rc = image != NULL ? image_tiles(image, &a, side, out) : -1;

    if (rc < 0)
        (void)fprintf(stderr, "%s: no NPY file, version 1, C order, of 2 to %d axes\n", path,
                      HG_COLD_RANK_MAX);
    if (f != NULL)
        (void)fclose(f);
    free(image);
    return rc;
}
