/*
 * A well of microscope planes: saved as one array, grown by a time point, one plane read, a region changed, and
 * taken back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/array.h>
#include <holog/versions.h>

enum {
    PLANES = 12,
    SIDE = 256,
    PLANE = SIDE * SIDE
};

static int fail(int rc)
{
    struct holog_error_detail detail;

    holog_last_error(&detail);
    (void)fprintf(stderr, "planes: %s: %s\n", holog_error_name(rc), detail.message);
    return rc;
}

static uint16_t pixel(size_t i)
{
    return (uint16_t)(100 + i * 7 % 1000);
}

static int save_and_grow(holog_store *store, uint16_t *pixels)
{
    const uint64_t shape[3] = { PLANES, SIDE, SIDE };
    const char *const names[3] = { "t", "y", "x" };
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 3,
                              .shape = shape,
                              .dimension_names = names,
                              .attributes = "{\"well\": \"A01\"}" };
    int rc = holog_array_save(store, "plate/A01", &spec, pixels, NULL,
                              HOLOG_PARENTS | HOLOG_REPLACE, NULL);

    return rc < 0 ? rc : holog_array_extend(store, "plate/A01", 0, 1, pixels, NULL, NULL);
}

/* 16 x 16 pixels of plane 3: costs some bytes of log for each row of them, not a plane. */
static int mask(holog_store *store, uint64_t *out_number)
{
    static const uint16_t black[16 * 16];
    const holog_slice spot[3] = { { 3, 1, 1 }, { 100, 16, 1 }, { 40, 16, 1 } };

    return holog_array_update(store, "plate/A01", spot, black, NULL, out_number);
}

static int read_plane(holog_store *store, uint64_t index, uint16_t *out)
{
    const holog_slice plane[3] = { { index, 1, 1 }, { 0, SIDE, 1 }, { 0, SIDE, 1 } };
    holog_array *array = NULL;
    int rc = holog_array_open(store, "plate/A01", &array);

    if (rc == HOLOG_OK)
        rc = holog_array_read(array, plane, out, NULL);
    holog_array_close(array);
    return rc;
}

static int run(holog_store *store, uint16_t *pixels)
{
    static uint16_t plane[PLANE];
    uint64_t masked = 0;
    int rc = save_and_grow(store, pixels);

    if (rc == HOLOG_OK)
        rc = mask(store, &masked);
    if (rc == HOLOG_OK)
        rc = read_plane(store, 3, plane);
    if (rc == HOLOG_OK)
        printf("plane 3 with its mask: %u, beside it %u\n", plane[100 * SIDE + 40], plane[0]);
    if (rc == HOLOG_OK)
        rc = holog_rollback(store, "plate/A01", masked - 1, NULL);
    if (rc == HOLOG_OK)
        rc = read_plane(store, 3, plane);
    if (rc == HOLOG_OK)
        printf("and without: %u\n", plane[100 * SIDE + 40]);
    return rc;
}

int main(void)
{
    holog_store *store = NULL;
    uint16_t *pixels = malloc(sizeof(uint16_t) * PLANES * PLANE);
    int rc = pixels == NULL ? HOLOG_E_NOMEM : holog_open("planes.holog", NULL, &store);

    for (size_t i = 0; rc == HOLOG_OK && i < (size_t)PLANES * PLANE; i++)
        pixels[i] = pixel(i);
    if (rc == HOLOG_OK)
        rc = run(store, pixels);
    if (rc < 0)
        (void)fail(rc);
    free(pixels);
    int closed = holog_close(store);
    return rc < 0 || closed < 0;
}
