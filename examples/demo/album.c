#include "album.h"

#include <stdio.h>
#include <string.h>

#include <holog/holog.h>

#include "sheet.h"

struct album {
    const struct plate *plate;
    holog_store *store;
};

/* sheet_pixels_fn */
static int load_pixels(void *ctx, unsigned step, unsigned plane, uint16_t *out)
{
    const struct album *a = ctx;
    holog_value *value = NULL;
    char path[PLATE_PATH_MAX];
    uint32_t width = 0;
    uint32_t height = 0;

    plate_path(0, step, plane, path);
    plate_shape(a->plate, 0, plane, &width, &height);
    int rc = holog_load(a->store, path, &value);
    if (rc < 0)
        return rc;
    const uint16_t *pixels =
        npy_check(holog_value_data(value), holog_value_size(value), width, height);
    if (pixels != NULL)
        memcpy(out, pixels, image_count(width, height) * sizeof(*out));
    else
        rc = HOLOG_E_TYPE;
    holog_value_release(value);
    return rc;
}

int album_write_sheet(const struct plate *plate, const char *dir, const char *path)
{
    struct album a = { .plate = plate };
    holog_options opts;

    holog_options_init(&opts);
    opts.flags = HOLOG_OPEN_READONLY;
    int rc = holog_open(dir, &opts, &a.store);
    int drawn = 0;
    if (rc == HOLOG_OK)
        drawn = sheet_write(plate, path, load_pixels, &a);
    int closed = holog_close(a.store);
    rc = rc < 0 ? rc : closed;
    if (rc < 0)
        (void)fprintf(stderr, "%s: %s\n", dir, holog_strerror(rc));
    else if (drawn < 0)
        (void)fprintf(stderr, "%s: the contact sheet was not written\n", path);
    return rc < 0 || drawn < 0 ? -1 : 0;
}
