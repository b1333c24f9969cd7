/*
 * The worker: for each batch, make the planes, save them in one commit together with the note of
 * how far the pipeline is, and tell the parent before going on. It keeps nothing of its own: after
 * a kill, what the store says is where it goes on.
 */
#include <stdlib.h>
#include <string.h>

#include <holog/holog.h>

#include "messages.h"
#include "pipeline.h"
#include "util.h"

struct worker {
    const struct plate *plate;
    holog_store *store;
    int fd;
    unsigned batch;           /* the one in work */
    void *files[PLANES];      /* holog_buffer_new: saved without a copy */
    size_t len_bytes[PLANES]; /* of each file; the same in every well */
    uint64_t digests[PLANES];
    holog_value *inputs[PLANES]; /* the step before, while a batch is computed */
};

static int make_buffers(struct worker *w)
{
    for (unsigned plane = 0; plane < PLANES; plane++) {
        w->len_bytes[plane] = plate_plane_bytes(w->plate, 0, plane);
        w->files[plane] = holog_buffer_new(w->len_bytes[plane]);
        if (w->files[plane] == NULL)
            return HOLOG_E_NOMEM;
    }
    return HOLOG_OK;
}

static int load_inputs(struct worker *w, unsigned step, unsigned well)
{
    char names[PLANES][PLATE_PATH_MAX];
    const char *paths[PLANES];

    for (unsigned plane = 0; plane < PLANES; plane++) {
        plate_path(well, step, plane, names[plane]);
        paths[plane] = names[plane];
    }
    return holog_load_batch(w->store, paths, PLANES, w->inputs, NULL);
}

static void release_inputs(struct worker *w)
{
    for (unsigned plane = 0; plane < PLANES; plane++) {
        holog_value_release(w->inputs[plane]);
        w->inputs[plane] = NULL;
    }
}

/* Runs on several threads, each with planes of its own. */
static int compute_plane(void *ctx, size_t i)
{
    struct worker *w = ctx;
    unsigned plane = (unsigned)i;
    unsigned step = batch_step(w->plate, w->batch);
    unsigned well = batch_well(w->plate, w->batch);
    uint32_t width = 0;
    uint32_t height = 0;

    plate_shape(w->plate, well, plane, &width, &height);
    npy_put_header(w->files[plane], width, height);
    if (step == 0) {
        plate_source_pixels(w->plate, well, plane, npy_pixels(w->files[plane]));
    } else {
        const holog_value *v = w->inputs[plane];
        const uint16_t *in = npy_check(holog_value_data(v), holog_value_size(v), width, height);
        if (in == NULL)
            return HOLOG_E_TYPE;
        if (step_run(step, in, width, height, npy_pixels(w->files[plane])) < 0)
            return HOLOG_E_NOMEM;
    }
    w->digests[plane] = digest(w->files[plane], w->len_bytes[plane], plane);
    return HOLOG_OK;
}

static int compute_batch(struct worker *w)
{
    unsigned step = batch_step(w->plate, w->batch);
    int rc = HOLOG_OK;

    if (step > 0)
        rc = load_inputs(w, step - 1, batch_well(w->plate, w->batch));
    if (rc == HOLOG_OK)
        rc = parallel_each(PLANES, compute_plane, w);
    release_inputs(w);
    return rc;
}

/* All planes and the note of how far we are: all of it or none of it. */
static int save_batch(struct worker *w, uint64_t *out_number)
{
    char names[PLANES][PLATE_PATH_MAX];
    holog_item items[PLANES + 1];
    char progress[32];

    for (unsigned plane = 0; plane < PLANES; plane++) {
        plate_path(batch_well(w->plate, w->batch), batch_step(w->plate, w->batch), plane,
                   names[plane]);
        items[plane] = (holog_item){ .path = names[plane],
                                     .data = w->files[plane],
                                     .len_bytes = w->len_bytes[plane] };
    }
    format_text(progress, sizeof(progress), "next %u\n", w->batch + 1);
    items[PLANES] = (holog_item){ .path = PLATE_PROGRESS_PATH,
                                  .data = progress,
                                  .len_bytes = strlen(progress) };
    return holog_save_batch(w->store, items, PLANES + 1, HOLOG_PARENTS | HOLOG_REPLACE, out_number);
}

static int run_batch(struct worker *w)
{
    struct message m = { .kind = MESSAGE_COMPUTING, .batch = w->batch };
    int rc = message_send(w->fd, &m);
    uint64_t start = now_ns();

    if (rc == 0)
        rc = compute_batch(w);
    m.kind = MESSAGE_SAVING;
    m.ns = now_ns() - start;
    if (rc == 0)
        rc = message_send(w->fd, &m);
    start = now_ns();
    if (rc == 0)
        rc = save_batch(w, &m.ack.number);
    if (rc != 0)
        return rc;
    m.kind = MESSAGE_ACKED;
    m.ns = now_ns() - start;
    m.bytes = plate_batch_bytes(w->plate, w->batch);
    m.ack.digest = digest(w->digests, sizeof(w->digests), w->batch);
    return message_send(w->fd, &m);
}

static int run_batches(struct worker *w)
{
    int rc = progress_read(w->store, &w->batch);
    struct message m = { .kind = MESSAGE_OPENED, .batch = w->batch };

    if (rc == 0)
        rc = message_send(w->fd, &m);
    for (; rc == 0 && w->batch < plate_batches(w->plate); w->batch++)
        rc = run_batch(w);
    return rc;
}

int worker_run(const struct plate *plate, const char *dir, int message_fd)
{
    struct worker *w = calloc(1, sizeof(*w));
    struct message m = { .kind = MESSAGE_FINISHED };

    if (w == NULL)
        return message_fail(message_fd, HOLOG_E_NOMEM, "no memory for the worker");
    w->plate = plate;
    w->fd = message_fd;
    int rc = make_buffers(w);
    if (rc == 0)
        rc = holog_open(dir, NULL, &w->store);
    if (rc == 0)
        rc = run_batches(w);
    if (rc != 0)
        (void)message_fail(message_fd, rc, "the worker"); /* before close, which may fail too */
    uint64_t start = now_ns();
    int closed = holog_close(w->store);
    m.ns = now_ns() - start;
    for (unsigned plane = 0; plane < PLANES; plane++)
        holog_buffer_free(w->files[plane]);
    free(w);
    if (rc == 0 && closed != 0)
        return message_fail(message_fd, closed, "closing");
    return rc == 0 ? message_send(message_fd, &m) : 1;
}
