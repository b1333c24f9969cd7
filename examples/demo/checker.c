/*
 * The checker: opens the store after a kill, as the next user would, and holds it against what the
 * worker was promised. Every batch must be there whole or not at all; every acknowledged one must
 * be there, and every plane is compared bit for bit with one made afresh from the source images.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/holog.h>

#include "messages.h"
#include "pipeline.h"
#include "util.h"

struct checker {
    const struct plate *plate;
    holog_store *store;
    const struct ack *acks;
    unsigned ack_count;
    struct message *m;        /* what will be told */
    unsigned batch;           /* the one being compared */
    uint64_t planes;          /* present, over all batches so far */
    uint64_t digests[PLANES]; /* of its planes as they must be */
    atomic_uint wrong;        /* planes of it that differ */
};

/* The first thing found wrong is the one to tell. */
static void complain(struct checker *c, const char *what)
{
    if (c->m->text[0] != '\0')
        return;
    if (c->batch < plate_batches(c->plate))
        format_text(c->m->text, sizeof(c->m->text), "batch %u: %s", c->batch, what);
    else
        format_text(c->m->text, sizeof(c->m->text), "%s", what);
}

static int count_present(struct checker *c, unsigned *out_present)
{
    unsigned present = 0;

    for (unsigned plane = 0; plane < PLANES; plane++) {
        holog_stat_info info = { .struct_size = sizeof(info) };
        char path[PLATE_PATH_MAX];
        plate_path(batch_well(c->plate, c->batch), batch_step(c->plate, c->batch), plane, path);
        int rc = holog_stat(c->store, path, &info);
        if (rc != HOLOG_OK && rc != HOLOG_E_NOENT) /* no parent: no plane either */
            return rc;
        present += rc == HOLOG_OK && info.type == HOLOG_BLOB;
    }
    c->planes += present;
    *out_present = present;
    return HOLOG_OK;
}

/* Runs on several threads, each with planes of its own. */
static int compare_plane(void *ctx, size_t i)
{
    struct checker *c = ctx;
    unsigned plane = (unsigned)i;
    unsigned step = batch_step(c->plate, c->batch);
    unsigned well = batch_well(c->plate, c->batch);
    size_t len_bytes = plate_plane_bytes(c->plate, well, plane);
    holog_value *value = NULL;
    char path[PLATE_PATH_MAX];
    int rc = HOLOG_E_NOMEM;
    void *expected = malloc(len_bytes);

    if (expected == NULL || plate_expected(c->plate, step, well, plane, expected) < 0)
        goto out;
    c->digests[plane] = digest(expected, len_bytes, plane);
    plate_path(well, step, plane, path);
    rc = holog_load(c->store, path, &value);
    if (rc == HOLOG_OK && holog_value_size(value) == len_bytes &&
        memcmp(holog_value_data(value), expected, len_bytes) == 0)
        goto out;
    if (rc == HOLOG_OK || rc == HOLOG_E_CORRUPT) {
        atomic_fetch_add(&c->wrong, 1);
        rc = HOLOG_OK; /* found out, which is what we are for */
    }
out:
    holog_value_release(value);
    free(expected);
    return rc;
}

/* 1: a whole and right batch, 0: not. A negative code: cannot tell. */
static int compare_batch(struct checker *c)
{
    atomic_store(&c->wrong, 0);
    int rc = parallel_each(PLANES, compare_plane, c);
    if (rc < 0)
        return rc;
    c->m->check.bytes += plate_batch_bytes(c->plate, c->batch);
    if (atomic_load(&c->wrong) > 0) {
        complain(c, "planes differ from what was saved");
        return 0;
    }
    if (c->batch < c->ack_count && c->acks[c->batch].digest != 0 &&
        c->acks[c->batch].digest != digest(c->digests, sizeof(c->digests), c->batch)) {
        complain(c, "the worker acknowledged other planes");
        return 0;
    }
    return 1;
}

static int check_batch(struct checker *c)
{
    struct check *check = &c->m->check;
    unsigned present = 0;
    int whole = 0;
    int rc = count_present(c, &present);

    if (rc < 0)
        return rc;
    if (present == PLANES) {
        whole = compare_batch(c);
        if (whole < 0)
            return whole;
    }
    /* The note of progress is in the batch's own commit: it must tell the same story. */
    int noted = c->batch < check->next;
    if ((present > 0 && !whole) || noted != whole)
        check->half++;
    if (present > 0 && present < PLANES)
        complain(c, "some planes are there and some are not");
    if (noted != whole)
        complain(c, noted ? "noted as done, but not there" : "there, but not noted as done");
    if (c->batch < c->ack_count && !whole) {
        check->lost++;
        complain(c, "acknowledged and lost");
    }
    check->found += whole != 0;
    return HOLOG_OK;
}

/* Every blob in the store must be a plane of some batch, or the note of progress. */
static int count_strays(struct checker *c)
{
    struct check *check = &c->m->check;
    uint64_t explained = c->planes + (check->next > 0 ? 1 : 0);
    uint64_t blobs = 0;
    const holog_entry *entry = NULL;
    holog_cursor *cursor = NULL;
    int rc = holog_list(c->store, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &cursor);

    while (rc == HOLOG_OK) {
        rc = holog_cursor_next(cursor, &entry);
        blobs += rc == HOLOG_OK && entry->type == HOLOG_BLOB;
    }
    holog_cursor_close(cursor);
    if (rc != HOLOG_E_NOENT)
        return rc;
    check->strays = blobs > explained ? (uint32_t)(blobs - explained) : 0;
    if (check->strays > 0)
        complain(c, "entries that no batch explains");
    return HOLOG_OK;
}

static int check_store(struct checker *c)
{
    holog_recovery_report report = { .struct_size = sizeof(report) };
    struct check *check = &c->m->check;
    int rc = holog_recovery_info(c->store, &report);

    if (rc == HOLOG_OK)
        rc = progress_read(c->store, &check->next);
    check->tail_cut = report.tail_cut;
    check->cut_bytes = report.cut_bytes;
    for (c->batch = 0; rc == HOLOG_OK && c->batch < plate_batches(c->plate); c->batch++)
        rc = check_batch(c);
    return rc == HOLOG_OK ? count_strays(c) : rc;
}

int checker_run(const struct plate *plate, const char *dir, const struct ack *acks,
                unsigned ack_count, int message_fd)
{
    struct message m = { .kind = MESSAGE_CHECKED };
    struct checker c = { .plate = plate, .acks = acks, .ack_count = ack_count, .m = &m };
    uint64_t start = now_ns();
    int rc = holog_open(dir, NULL, &c.store);

    m.check.open_ns = now_ns() - start;
    start = now_ns();
    if (rc == HOLOG_OK)
        rc = check_store(&c);
    m.check.check_ns = now_ns() - start;
    if (rc < 0)
        (void)message_fail(message_fd, rc, "the checker"); /* before close, which may fail too */
    int closed = holog_close(c.store);
    if (rc == HOLOG_OK && closed < 0)
        return message_fail(message_fd, closed, "closing");
    return rc == HOLOG_OK ? message_send(message_fd, &m) : 1;
}
