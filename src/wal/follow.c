/*
 * Following a live writer: what a reader process does after its first, read-only recovery.
 *
 * The writer tells how far the log is durable; up to there every byte is final, so each frame must
 * verify and join the one before it. Where a segment ends the header of the next one says. Nothing
 * is judged behind the limit, nothing is written.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/recover_internal.h"

#define READ_MAX ((uint64_t)8 << 20) /* bytes read at once; a frame is at most 16 MiB */

struct hg_follower {
    struct hg_io *io;
    struct hg_extent_reader extents;
    uint8_t uuid[16];
    uint64_t salt;
    int started; /* a segment is open */
    struct hg_segment_header header;
    struct hg_file *file;
    struct hg_walk walk; /* next, end, link, commits: where we are; the rest is set for each read */
    uint64_t last_time_ns;
};

static const struct hg_log_segment *last_segment(const struct hg_recovered *r)
{
    for (size_t i = 0; i < r->n_segments; i++) {
        if (r->segments[i].id == r->last_segment && r->segments[i].kind == HG_KIND_FRAMES)
            return &r->segments[i];
    }
    return NULL;
}

static int open_frames(struct hg_follower *f, const struct hg_segment_header *h)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_file *file = NULL;

    hg_segment_name(name, h->id, HG_KIND_FRAMES);
    int rc = f->io->ops->open(f->io, name, HG_OPEN_DIRECT, &file);
    if (rc == HOLOG_E_NOENT)
        return hg_error(HOLOG_E_STALE, "%s is no longer there", name);
    if (rc < 0)
        return rc;
    if (f->file != NULL)
        (void)f->io->ops->close(f->file); /* only read: nothing to lose */
    f->file = file;
    f->header = *h;
    f->started = 1;
    return HOLOG_OK;
}

int hg_follow_create(struct hg_io *io, const struct hg_recovered *r, struct hg_follower **out)
{
    const struct hg_log_segment *last = last_segment(r);
    struct hg_follower *f = hg_calloc(1, sizeof *f);
    int rc = HOLOG_OK;

    if (f == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to follow the log");
    f->io = io;
    f->extents = (struct hg_extent_reader){ .io = io, .flags = HG_OPEN_DIRECT };
    memcpy(f->uuid, r->super.uuid, sizeof f->uuid);
    f->salt = r->super.salt;
    f->walk.next = HG_ALIGN8(r->end);
    f->walk.end = r->end;
    f->walk.link = (struct hg_link){ .frame = r->last_frame,
                                     .len = r->last_len,
                                     .hash = r->last_hash,
                                     .number = r->last_number,
                                     .time_ns = r->last_time_ns };
    if (last != NULL) {
        f->walk.commits = r->last_number >= last->header.first_number;
        rc = open_frames(f, &last->header);
    }
    if (rc < 0) {
        hg_follow_destroy(f);
        return rc;
    }
    *out = f;
    return HOLOG_OK;
}

void hg_follow_from(const struct hg_follower *f, struct hg_recover_options *o)
{
    const struct hg_link *last = &f->walk.link;

    o->from = last->frame == 0 ? 0 : HG_ALIGN8(last->frame + last->len);
    o->from_hash = last->hash;
    o->from_len = last->len;
}

hg_pos hg_follow_at(const struct hg_follower *f)
{
    return f->started ? hg_pos_make(f->header.id, (uint32_t)f->walk.next) : 0;
}

void hg_follow_destroy(struct hg_follower *f)
{
    if (f == NULL)
        return;
    if (f->file != NULL)
        (void)f->io->ops->close(f->file); /* only read: nothing to lose */
    hg_extent_reader_release(&f->extents);
    hg_free(f);
}

/* ---- frames of one segment ------------------------------------------------------------------- */

static int show_frame(struct hg_follower *f, const struct hg_walk *w,
                      const struct hg_replay *replay)
{
    int rc = replay->frame(replay->ctx, &w->f, f->header.id, w->offset, w->link.time_ns);
    if (rc != 0)
        return rc;
    return hg_replay_body(&f->extents, replay, w->body, w->body_len, f->header.id,
                          (uint64_t)w->offset + HG_FRAME_HEADER_SIZE);
}

/* The frames that lie whole in [f->walk.next, to). */
static int show_image(struct hg_follower *f, const struct hg_image *m, uint64_t to,
                      const struct hg_replay *replay)
{
    struct hg_walk w = f->walk;
    int rc;

    w.header = &f->header;
    w.image = m;
    w.to = to;
    while ((rc = hg_walk_next(&w)) > 0) {
        rc = show_frame(f, &w, replay);
        if (rc != 0)
            return rc;
        f->walk = w; /* only behind what was shown whole */
    }
    f->walk.why = w.why;
    f->walk.bad_at = w.bad_at;
    return rc;
}

/* All frames up to `to`, which is the end of one, rounded up to 8 or not. */
static int show_to(struct hg_follower *f, uint64_t to, const struct hg_replay *replay)
{
    uint64_t piece = READ_MAX;

    while (f->walk.next < HG_ALIGN8(to)) {
        struct hg_image m = { 0 };
        uint64_t was = f->walk.next;
        uint64_t stop = HG_MIN(to, was + piece);
        int rc = hg_image_read_file(f->file, was, stop, &m);
        if (rc < 0)
            return rc;
        rc = show_image(f, &m, HG_MIN(stop, hg_image_end(&m)), replay);
        hg_image_release(&m);
        if (rc != 0)
            return rc;
        if (f->walk.next != was)
            continue;
        if (stop == to)
            return hg_corrupt(f->header.id, f->walk.bad_at,
                              "%s, before the end that the writer has published",
                              f->walk.why != NULL ? f->walk.why : "there is no frame");
        piece *= 2; /* a frame longer than the piece */
    }
    if (f->walk.next == HG_ALIGN8(to))
        return HOLOG_OK;
    return hg_corrupt(f->header.id, to, "the published end lies inside a frame");
}

/* ---- from one segment to the next ------------------------------------------------------------ */

struct next_id {
    uint32_t above;
    uint32_t found; /* lowest frame segment above; 0 = none */
};

static int see_name(void *ctx, const char *name, int is_dir)
{
    struct next_id *n = ctx;
    enum hg_segment_kind kind = HG_KIND_FRAMES;
    uint32_t id = 0;

    if (!is_dir && hg_segment_parse_name(name, &id, &kind) == 1 && kind == HG_KIND_FRAMES &&
        id > n->above && (n->found == 0 || id < n->found))
        n->found = id;
    return 0;
}

static int read_header(struct hg_follower *f, uint32_t id, struct hg_segment_header *out)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_image m = { 0 };

    hg_segment_name(name, id, HG_KIND_FRAMES);
    int rc = hg_image_read(f->io, name, HG_OPEN_DIRECT, 0, HG_SEGMENT_HEADER_SIZE, &m);
    if (rc < 0)
        return rc;
    if (m.len < HG_SEGMENT_HEADER_SIZE)
        rc = hg_corrupt(id, m.len, "%s is shorter than a segment header", name);
    else
        rc = hg_segment_header_decode(m.data, id, HG_KIND_FRAMES, out);
    hg_image_release(&m);
    if (rc >= 0 && (memcmp(out->uuid, f->uuid, sizeof f->uuid) != 0 || out->salt != f->salt))
        rc = hg_corrupt(id, 32, "%s belongs to another store", name);
    return rc;
}

/* The next segment is there: finish this one where its header says, and go on in it. */
static int step_segment(struct hg_follower *f, const struct hg_replay *replay)
{
    struct next_id n = { .above = f->started ? f->header.id : 0 };
    struct hg_segment_header h = { 0 };

    int rc = f->io->ops->read_dir(f->io, HG_SEG_DIR, see_name, &n);
    if (rc < 0)
        return rc;
    if (n.found == 0)
        return hg_error(HOLOG_E_STALE, "the segment that the writer is in is not there");
    rc = read_header(f, n.found, &h);
    if (rc < 0)
        return rc;
    if (h.pred_id != n.above || (f->started && h.pred_epoch != f->header.epoch))
        return hg_error(HOLOG_E_STALE, "segment %08x does not follow what was read", h.id);
    if (f->started) {
        rc = show_to(f, h.pred_end, replay);
        if (rc != 0)
            return rc;
    }
    rc = open_frames(f, &h);
    if (rc < 0)
        return rc;
    f->walk.next = HG_SEGMENT_HEADER_SIZE;
    f->walk.end = HG_SEGMENT_HEADER_SIZE;
    f->walk.commits = 0;
    return HOLOG_OK;
}

int hg_follow_refresh(struct hg_follower *f, hg_pos limit, const struct hg_replay *replay)
{
    uint32_t id = hg_pos_segment(limit);
    int rc = HOLOG_OK;

    if (limit == 0)
        return HOLOG_OK; /* the writer has published nothing yet */
    if (f->started && limit < hg_pos_make(f->header.id, (uint32_t)f->walk.next))
        return hg_error(HOLOG_E_STALE, "the log has become shorter than what was read");
    while (rc == 0 && (!f->started || f->header.id < id))
        rc = step_segment(f, replay);
    if (rc == 0 && f->header.id != id)
        rc = hg_error(HOLOG_E_STALE, "segment %08x is not part of this log", id);
    return rc == 0 ? show_to(f, hg_pos_offset(limit), replay) : rc;
}
