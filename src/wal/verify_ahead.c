/*
 * Verify, reading ahead: while one frame segment is checked the next one is on its way from the disk.
 *
 * Only what a footer closes is read ahead: it does not change any more. What cannot be read is read
 * again when its turn comes, and what is wrong with it reported then.
 */
#include "base/error.h"
#include "wal/verify_internal.h"

#define PART_BYTES ((uint64_t)HG_LOG_FILE_MAX / HG_AHEAD_PARTS)

/* Until nothing is under way; the first failure. */
static int finish(struct hg_verifier *v)
{
    struct hg_ahead *a = &v->ahead;
    int rc = HOLOG_OK;

    for (unsigned i = 0; i < a->n; i++) {
        int rc2 = v->io->ops->wait(v->io, &a->parts[i]);
        rc = rc < 0 ? rc : rc2;
    }
    a->n = 0;
    if (a->file != NULL)
        (void)v->io->ops->close(a->file); /* only read: nothing to lose */
    a->file = NULL;
    return rc;
}

static int submit(struct hg_verifier *v, uint64_t end)
{
    struct hg_ahead *a = &v->ahead;
    struct hg_req *list[HG_AHEAD_PARTS];
    unsigned n = 0;

    for (uint64_t at = 0; at < end; at += PART_BYTES) {
        a->parts[n] = (struct hg_req){ .op = HG_REQ_READ,
                                       .file = a->file,
                                       .buf = a->image.data + at,
                                       .len_bytes = (size_t)HG_MIN(PART_BYTES, end - at),
                                       .offset = at };
        list[n] = &a->parts[n];
        n++;
    }
    int rc = v->io->ops->submit(v->io, list, n);
    a->n = rc < 0 ? 0 : n;
    return rc;
}

/* The file whose blocks [0, end) come next. */
static int begin(struct hg_verifier *v, const struct hg_log_segment *s, uint64_t end)
{
    struct hg_ahead *a = &v->ahead;
    char name[HG_FILE_NAME_MAX];

    int rc = hg_image_reserve(&a->image, end);
    if (rc < 0)
        return rc;
    a->image.at = 0;
    a->image.len = end;
    hg_segment_name(name, s->id, s->kind);
    rc = v->io->ops->open(v->io, name, v->extents.flags, &a->file);
    if (rc < 0)
        return rc;
    rc = submit(v, end);
    if (rc < 0)
        (void)finish(v); /* closes it */
    return rc;
}

int hg_ahead_start(struct hg_verifier *v, size_t behind)
{
    size_t i = hg_listing_next_log(&v->list, behind + 1);
    const struct hg_listed *e = i < v->list.n ? &v->list.e[i] : NULL;

    if (e == NULL || e->header_rc < 0 || !e->s.sealed || (v->flags & HOLOG_VERIFY_QUICK) != 0)
        return HOLOG_OK;
    /* Whole blocks that are there, or the read would fail; a footer is behind them. */
    uint64_t end = HG_MIN(HG_ALIGN4K(e->s.tail.frames_end), HG_LOG_FILE_MAX);
    end = HG_MIN(end, HG_ALIGN_DOWN(e->s.file_size, (uint64_t)HG_BLOCK));
    v->ahead.index = i;
    int rc = end > 0 ? begin(v, &e->s, end) : HOLOG_OK;
    return rc == HOLOG_E_NOMEM ? rc : HOLOG_OK;
}

int hg_ahead_take(struct hg_verifier *v, size_t index, uint64_t end, struct hg_image *m)
{
    struct hg_ahead *a = &v->ahead;

    if (a->file == NULL || finish(v) < 0 || a->index != index || end > a->image.len)
        return 0;
    struct hg_image read = a->image;
    a->image = *m; /* its memory is for the next one */
    *m = read;
    return 1;
}

void hg_ahead_release(struct hg_verifier *v)
{
    (void)finish(v);
    hg_image_release(&v->ahead.image);
}
