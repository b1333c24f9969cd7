#include "plate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* scikit-image's photographs and micrographs; its drawings and test patterns are left out. */
static const char *const PNG_NAMES[] = {
    "camera",
    "cell",
    "coins",
    "ihc",
    "astronaut",
    "moon",
    "gravel",
    "coffee",
    "brick",
    "grass",
    "page",
    "text",
    "motorcycle_left",
    "motorcycle_right",
    "chelsea",
    "clock_motion",
};

enum {
    PNG_COUNT = sizeof(PNG_NAMES) / sizeof(PNG_NAMES[0]),
    PNG_NEEDED = 8,
    SLICES = 32
};
_Static_assert(PNG_COUNT + SLICES <= SOURCES_MAX, "every source has its place");

/* ---- the sources ---- */

static void load_pngs(struct plate *plate, const char *dir)
{
    for (unsigned i = 0; i < PNG_COUNT; i++) {
        struct plate_source *s = &plate->sources[plate->source_count];
        char path[4096];
        int n = snprintf(path, sizeof(path), "%s/%s.png", dir, PNG_NAMES[i]);
        if (n < 0 || (size_t)n >= sizeof(path) || image_read_png(path, &s->image) < 0)
            continue; /* a release without this one: the others do */
        image_normalise(&s->image);
        format_text(s->name, sizeof(s->name), "%s", PNG_NAMES[i]);
        plate->source_count++;
    }
    plate->png_count = plate->source_count;
}

/* Slices of the middle half of each axis, where the head fills the plane. */
static int load_slices(struct plate *plate, const struct volume *volume)
{
    static const char *const views[3] = { "sagittal", "coronal", "axial" };

    for (unsigned i = 0; i < SLICES; i++) {
        struct plate_source *s = &plate->sources[plate->source_count];
        unsigned axis = 2 - i % 3;
        uint32_t size = volume->size[axis];
        uint32_t at = size / 4 + size * i / (2 * SLICES);
        if (volume_slice(volume, axis, at, &s->image) < 0)
            return -1;
        image_normalise(&s->image);
        format_text(s->name, sizeof(s->name), "brain %s %u", views[axis], at);
        plate->source_count++;
    }
    return 0;
}

int plate_load(struct plate *plate, const char *png_dir, const char *volume_path, unsigned wells)
{
    struct volume volume = { 0 };
    int rc = -1;

    memset(plate, 0, sizeof(*plate));
    plate->wells = wells;
    load_pngs(plate, png_dir);
    if (plate->png_count < PNG_NEEDED)
        (void)fprintf(stderr, "%s holds %u of the %d images: apt-get install python3-skimage\n",
                      png_dir, plate->png_count, PNG_COUNT);
    else if (volume_read(volume_path, &volume) < 0)
        (void)fprintf(stderr, "%s is no brain volume: apt-get install mricron-data\n", volume_path);
    else if (load_slices(plate, &volume) < 0)
        (void)fprintf(stderr, "no memory for the images\n");
    else
        rc = 0;
    volume_free(&volume);
    if (rc < 0)
        plate_free(plate);
    return rc;
}

void plate_free(struct plate *plate)
{
    for (unsigned i = 0; i < SOURCES_MAX; i++)
        image_free(&plate->sources[i].image);
}

/* ---- where things are ---- */

void plate_path(unsigned well, unsigned step, unsigned plane, char *out)
{
    format_text(out, PLATE_PATH_MAX, "%c%02u/step%u/z%02u.npy", 'A' + (int)(well / 12),
                well % 12 + 1, step, plane);
}

/* How a source lies in a well: well 0 has the first planes as they are. */
struct pose {
    bool turned;   /* rows and columns change places */
    bool mirrored; /* left and right change places */
    uint32_t shift_x;
    uint32_t shift_y;
};

unsigned plate_source_of(const struct plate *plate, unsigned plane)
{
    /* The first half are photographs, each again and again; the second half are slices. */
    if (plane < PLANES / 2)
        return plane % plate->png_count;
    return plate->png_count + (plane - PLANES / 2) % SLICES;
}

static const struct image *pose_of(const struct plate *plate, unsigned well, unsigned plane,
                                   struct pose *out_pose)
{
    const struct image *image = &plate->sources[plate_source_of(plate, plane)].image;
    unsigned variant = well + (plane < PLANES / 2 ? plane / plate->png_count : 0);
    uint64_t state = (uint64_t)well * PLANES + plane;

    *out_pose = (struct pose){ .turned = variant % 2 != 0, .mirrored = variant / 2 % 2 != 0 };
    if (variant > 0) { /* a field of view beside the first one */
        out_pose->shift_x = (uint32_t)(random_next(&state) % 64);
        out_pose->shift_y = (uint32_t)(random_next(&state) % 64);
    }
    return image;
}

void plate_shape(const struct plate *plate, unsigned well, unsigned plane, uint32_t *out_width,
                 uint32_t *out_height)
{
    struct pose pose;
    const struct image *image = pose_of(plate, well, plane, &pose);

    *out_width = pose.turned ? image->height : image->width;
    *out_height = pose.turned ? image->width : image->height;
}

size_t plate_plane_bytes(const struct plate *plate, unsigned well, unsigned plane)
{
    uint32_t width = 0;
    uint32_t height = 0;

    plate_shape(plate, well, plane, &width, &height);
    return npy_bytes(width, height);
}

uint64_t plate_batch_bytes(const struct plate *plate, unsigned batch)
{
    uint64_t sum = 0;

    for (unsigned plane = 0; plane < PLANES; plane++)
        sum += plate_plane_bytes(plate, batch_well(plate, batch), plane);
    return sum;
}

/* ---- what they hold ---- */

void plate_source_pixels(const struct plate *plate, unsigned well, unsigned plane, uint16_t *out)
{
    struct pose pose;
    const struct image *image = pose_of(plate, well, plane, &pose);
    uint32_t width = pose.turned ? image->height : image->width;
    uint32_t height = pose.turned ? image->width : image->height;
    size_t step_x = pose.turned ? image->width : 1;
    size_t step_y = pose.turned ? 1 : image->width;

    for (uint32_t y = 0; y < height; y++) {
        const uint16_t *from = image->pixels + (y + pose.shift_y) % height * step_y;
        uint32_t x = pose.shift_x % width;
        for (uint32_t i = 0; i < width; i++) {
            *out++ = from[(pose.mirrored ? width - 1 - x : x) * step_x];
            x = x + 1 < width ? x + 1 : 0;
        }
    }
}

int plate_expected(const struct plate *plate, unsigned step, unsigned well, unsigned plane,
                   void *out_file)
{
    uint32_t width = 0;
    uint32_t height = 0;
    struct image before = { 0 };
    int rc = 0;

    plate_shape(plate, well, plane, &width, &height);
    npy_put_header(out_file, width, height);
    plate_source_pixels(plate, well, plane, npy_pixels(out_file));
    if (step > 0 && image_alloc(&before, width, height) < 0)
        return -1;
    for (unsigned s = 1; s <= step && rc == 0; s++) {
        memcpy(before.pixels, npy_pixels(out_file), image_count(width, height) * sizeof(uint16_t));
        rc = step_run(s, before.pixels, width, height, npy_pixels(out_file));
    }
    image_free(&before);
    return rc;
}
