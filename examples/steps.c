/*
 * Three steps of an imaging pipeline, each with a backend of its own: images from ordinary files, results passed
 * on in memory, the end as Zarr; beside them a table that a step makes for a later one. Run twice, as pipelines are:
 * what the first run left gives way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <holog/backend.h>

enum {
    PLANES = 6,
    SIDE = 64,
    PIXELS = SIDE * SIDE
};

struct run {
    holog_backend *disk, *memory, *zarr;
};

static const uint64_t shape[2] = { SIDE, SIDE };

static holog_object_spec image(const uint16_t *pixels)
{
    return (holog_object_spec){ .struct_size = sizeof(holog_object_spec),
                                .kind = HOLOG_OBJECT_ARRAY,
                                .data = pixels,
                                .dtype = HOLOG_UINT16,
                                .rank = 2,
                                .shape = shape };
}

static void name_of(const char *dir, int i, char *out, size_t room)
{
    (void)snprintf(out, room, "%s/z%d.npy", dir, i);
}

/* What a microscope would have left: six .npy files. */
static int make_input(const struct run *r)
{
    static uint16_t pixels[PIXELS];
    holog_object_spec object = image(pixels);
    char path[64];
    int rc = HOLOG_OK;

    for (int i = 0; rc == HOLOG_OK && i < PLANES; i++) {
        for (int k = 0; k < PIXELS; k++)
            pixels[k] = (uint16_t)(100 + (k * 7 + i * 13) % 50 + (k % 97 == i ? 1000 : 0));
        name_of("input", i, path, sizeof path);
        rc = holog_vfs_save(r->disk, path, &object, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
    }
    return rc;
}

/* What is there from the last run goes, then all planes are saved in one commit. */
static int save_all(holog_backend *to, const char *dir, uint16_t planes[PLANES][PIXELS])
{
    holog_object_spec objects[PLANES];
    holog_vfs_item items[PLANES];
    char paths[PLANES][64];
    int rc = holog_vfs_delete_all(to, dir, NULL);

    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    for (int i = 0; i < PLANES; i++) {
        objects[i] = image(planes[i]);
        name_of(dir, i, paths[i], sizeof paths[i]);
        items[i] = (holog_vfs_item){ paths[i], &objects[i] };
    }
    return holog_vfs_save_batch(to, items, PLANES, HOLOG_PARENTS, NULL);
}

static int load_all(holog_backend *from, const char *dir, uint16_t planes[PLANES][PIXELS])
{
    char path[64];
    int rc = HOLOG_OK;

    for (int i = 0; rc == HOLOG_OK && i < PLANES; i++) {
        holog_object *o = NULL;
        name_of(dir, i, path, sizeof path);
        rc = holog_vfs_load_checked(from, path, HOLOG_UINT16, 2, shape, &o);
        if (rc == HOLOG_OK)
            memcpy(planes[i], holog_object_data(o), sizeof planes[i]);
        holog_object_release(o);
    }
    return rc;
}

/* Step 1, from disk to memory: the background goes. Its special output: how many bright pixels each plane has. */
static int correct(const struct run *r, uint16_t planes[PLANES][PIXELS])
{
    char counts[256] = "plane,bright\n";
    int rc = load_all(r->disk, "input", planes);

    for (int i = 0; rc == HOLOG_OK && i < PLANES; i++) {
        int bright = 0;
        for (int k = 0; k < PIXELS; k++) {
            planes[i][k] = (uint16_t)(planes[i][k] - 100);
            bright += planes[i][k] > 900;
        }
        (void)snprintf(counts + strlen(counts), sizeof counts - strlen(counts), "%d,%d\n", i,
                       bright);
    }
    if (rc == HOLOG_OK)
        rc = save_all(r->memory, "corrected", planes);
    if (rc == HOLOG_OK)
        rc = holog_vfs_save_bytes(r->memory, "special/counts.csv", counts, strlen(counts),
                                  HOLOG_PARENTS | HOLOG_REPLACE, NULL);
    return rc;
}

/* Step 2, in memory: the sum of neighbours along x. */
static int smooth(const struct run *r, uint16_t planes[PLANES][PIXELS])
{
    int rc = load_all(r->memory, "corrected", planes);

    for (int i = 0; rc == HOLOG_OK && i < PLANES; i++)
        for (int k = 0; k + 1 < PIXELS; k++)
            planes[i][k] = (uint16_t)(planes[i][k] + planes[i][k + 1]);
    return rc < 0 ? rc : save_all(r->memory, "smoothed", planes);
}

/* Step 3, from memory to Zarr; the table of step 1 becomes an ordinary file. */
static int materialise(const struct run *r, uint16_t planes[PLANES][PIXELS])
{
    holog_object *counts = NULL;
    int rc = load_all(r->memory, "smoothed", planes);

    if (rc == HOLOG_OK)
        rc = save_all(r->zarr, "results/images", planes);
    if (rc == HOLOG_OK)
        rc = holog_vfs_load(r->memory, "special/counts.csv", &counts);
    if (rc == HOLOG_OK)
        rc = holog_vfs_save_bytes(r->disk, "results/counts.csv", holog_object_data(counts),
                                  (size_t)holog_object_size(counts), HOLOG_PARENTS | HOLOG_REPLACE,
                                  NULL);
    holog_object_release(counts);
    return rc;
}

static int run_once(const struct run *r)
{
    static uint16_t planes[PLANES][PIXELS];
    int rc = correct(r, planes);

    if (rc == HOLOG_OK)
        rc = smooth(r, planes);
    if (rc == HOLOG_OK)
        rc = materialise(r, planes);
    if (rc == HOLOG_OK)
        rc = holog_vfs_sync(r->zarr);
    if (rc == HOLOG_OK)
        printf("pixel 0 of each plane: %u %u %u %u %u %u\n", planes[0][0], planes[1][0],
               planes[2][0], planes[3][0], planes[4][0], planes[5][0]);
    return rc;
}

static int open_backends(holog_store *store, struct run *r)
{
    holog_backend_options o = { .struct_size = sizeof o, .store = store, .root = "steps-files" };
    int rc = holog_backend_open("disk", &o, &r->disk);

    if (rc == HOLOG_OK)
        rc = holog_backend_open("memory", &o, &r->memory);
    if (rc == HOLOG_OK)
        rc = holog_backend_open("zarr", &o, &r->zarr);
    return rc;
}

int main(void)
{
    struct holog_error_detail detail = { 0 };
    struct run r = { NULL, NULL, NULL };
    holog_store *store = NULL;
    int rc = holog_open("steps.holog", NULL, &store);

    if (rc == HOLOG_OK)
        rc = open_backends(store, &r);
    if (rc == HOLOG_OK)
        rc = make_input(&r);
    for (int i = 0; rc == HOLOG_OK && i < 2; i++)
        rc = run_once(&r);
    if (rc < 0) {
        holog_last_error(&detail);
        (void)fprintf(stderr, "steps: %s: %s\n", holog_error_name(rc), detail.message);
    }
    (void)holog_backend_close(r.disk);
    (void)holog_backend_close(r.memory);
    (void)holog_backend_close(r.zarr);
    int closed = holog_close(store);
    return rc < 0 || closed < 0;
}
