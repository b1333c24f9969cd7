/*
 * Planes from a few fields; see planes.h.
 */
#include "planes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/fields.h"
#include "util.h"

#define SEED   0x706c616eu
#define FIELDS 3

struct bench_planes {
    size_t side;
    struct field fields[FIELDS];
};

/* The three kinds of light that README.md has under "Codecs of cold data". */
static const struct light lights[FIELDS] = { { 30, 2000, 0.6 },
                                             { 60, 4000, 0.9 },
                                             { 120, 4500, 0.8 } };

struct bench_planes *bench_planes_make(uint32_t side)
{
    struct bench_planes *p = bench_alloc(sizeof *p);

    p->side = side;
    for (unsigned i = 0; i < FIELDS; i++) {
        if (field_make(&p->fields[i], side, &lights[i], SEED + i) != 0)
            bench_die("out of memory (a field of %u pixels)", side);
    }
    return p;
}

void bench_planes_free(struct bench_planes *planes)
{
    for (unsigned i = 0; planes != NULL && i < FIELDS; i++)
        field_free(&planes->fields[i]);
    free(planes);
}

/* A plane is a field that was pushed down and to the right, and came in again on the other side. */
struct shifted {
    const uint16_t *image;
    size_t down, right;
};

static struct shifted shift_of(const struct bench_planes *p, uint64_t id)
{
    uint64_t random = bench_mix(SEED ^ bench_mix(id));

    return (struct shifted){ .image = p->fields[id % FIELDS].image,
                             .down = (size_t)(random % p->side),
                             .right = (size_t)((random >> 32) % p->side) };
}

static void copy_row(const struct bench_planes *p, const struct shifted *s, size_t y, uint16_t *out)
{
    const uint16_t *row = s->image + (y + s->down) % p->side * p->side;
    size_t first = p->side - s->right;

    memcpy(out, row + s->right, first * sizeof *out);
    memcpy(out + first, row, s->right * sizeof *out);
}

void bench_plane(const struct bench_planes *planes, uint64_t id, uint16_t *out)
{
    struct shifted s = shift_of(planes, id);

    for (size_t y = 0; y < planes->side; y++)
        copy_row(planes, &s, y, out + y * planes->side);
}

void bench_plane_with_box(const struct bench_planes *planes, uint64_t id, uint64_t other,
                          double share, uint16_t *out)
{
    struct shifted s = shift_of(planes, other);
    size_t box = (size_t)((double)planes->side * sqrt(share));
    uint64_t random = bench_mix(SEED + id);
    size_t top = (size_t)(random % (planes->side - box));
    size_t left = (size_t)((random >> 32) % (planes->side - box));
    uint16_t *row = bench_alloc(planes->side * sizeof *row);

    bench_plane(planes, id, out);
    for (size_t y = top; y < top + box; y++) {
        copy_row(planes, &s, y, row);
        memcpy(out + y * planes->side + left, row + left, box * sizeof *row);
    }
    free(row);
}
