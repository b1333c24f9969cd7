/*
 * The plate: which planes there are, where they are kept, and what each must hold.
 *
 * A well has 64 planes, each a real image (a PNG of scikit-image, or a slice of a brain) in its own
 * size; from well to well it is turned, mirrored and shifted. A batch is one step of one well, and
 * batches are numbered in the order they are made: all wells of step 0, then of step 1, and so on.
 */
#ifndef DEMO_PLATE_H
#define DEMO_PLATE_H

#include "image.h"
#include "steps.h"

enum {
    PLANES = 64,
    SOURCES_MAX = 48,
    WELLS_MAX = 96, /* A01 .. H12 */
    PLATE_PATH_MAX = 64
};

#define PLATE_PROGRESS_PATH "pipeline/progress"

struct plate_source {
    char name[32];
    struct image image; /* normalised */
};

struct plate {
    struct plate_source sources[SOURCES_MAX];
    unsigned png_count; /* these come first */
    unsigned source_count;
    unsigned wells;
};

/* 0, or -1 after saying on stderr which images are missing and what to install. */
int plate_load(struct plate *plate, const char *png_dir, const char *volume_path, unsigned wells);
void plate_free(struct plate *plate);

static inline unsigned plate_batches(const struct plate *plate)
{
    return plate->wells * STEP_COUNT;
}
static inline unsigned batch_step(const struct plate *plate, unsigned batch)
{
    return batch / plate->wells;
}
static inline unsigned batch_well(const struct plate *plate, unsigned batch)
{
    return batch % plate->wells;
}

/* "A01/step0/z07.npy"; out has PLATE_PATH_MAX bytes. */
void plate_path(unsigned well, unsigned step, unsigned plane, char *out);
unsigned plate_source_of(const struct plate *plate, unsigned plane);
void plate_shape(const struct plate *plate, unsigned well, unsigned plane, uint32_t *out_width,
                 uint32_t *out_height);
size_t plate_plane_bytes(const struct plate *plate, unsigned well, unsigned plane);
uint64_t plate_batch_bytes(const struct plate *plate, unsigned batch);

/* The pixels of step 0. */
void plate_source_pixels(const struct plate *plate, unsigned well, unsigned plane, uint16_t *out);
/* The .npy file that this plane of this step must be, made from nothing but the sources.
 * 0, or -1 when there is no memory. */
int plate_expected(const struct plate *plate, unsigned step, unsigned well, unsigned plane,
                   void *out_file);

#endif
