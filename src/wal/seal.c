/*
 * Sealing after an unclean end, in order:
 *   S1  the last segment is cut at the end of its last frame, and synced
 *   S2  its footer is written behind, and synced: from now on its end is a fact
 *   S3  extent segments are cut to what frames name, and synced
 *   S4  SUPER learns of the ids in use, where it has not, and extent segments that no frame names
 *       are removed
 * A crash before S2 is over leaves a log that ends at the same frame, with nothing or a piece of a
 * footer behind; the next recovery cuts that again. One in S3 or S4 leaves extents that nobody
 * names: after S2 no frame can come back that does.
 *
 * On a full disk it ends after S1, with the same decision the next time; the log then seals, as in a
 * roll, before it takes a frame.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/recover_internal.h"

static int add_frame(void *ctx, const struct hg_walk *w)
{
    return hg_footer_add(ctx, &w->f, w->offset, w->body);
}

int hg_footer_of_frames(const struct hg_segment_header *h, struct hg_file *f, uint64_t end,
                        struct hg_footer_builder **out)
{
    struct hg_footer_builder *b = NULL;
    int rc = hg_footer_builder_create(h->first_number, &b);

    if (rc < 0)
        return rc;
    rc = hg_walk_segment(h, f, end, add_frame, b);
    if (rc < 0) {
        hg_footer_builder_destroy(b);
        return rc;
    }
    *out = b;
    return HOLOG_OK;
}

/* Footer bytes for frames that end at `end`. */
static int build_footer(struct hg_file *f, const struct hg_log_segment *s, uint64_t end,
                        struct hg_footer_tail *tail, struct hg_buf *out)
{
    struct hg_footer_builder *b = NULL;

    *tail = (struct hg_footer_tail){
        .segment = s->id, .epoch = s->header.epoch, .salt = s->header.salt, .frames_end = end
    };
    memcpy(tail->uuid, s->header.uuid, sizeof tail->uuid);
    int rc = hg_footer_of_frames(&s->header, f, end, &b);
    if (rc >= 0)
        rc = hg_buf_append_zeros(out, (size_t)(HG_ALIGN8(end) - end));
    if (rc >= 0)
        rc = hg_footer_finish(b, tail, out);
    hg_footer_builder_destroy(b);
    return rc;
}

static int write_seal(struct hg_file *f, uint64_t end, const struct hg_buf *footer)
{
    int rc = f->io->ops->truncate(f, end); /* S1 */
    if (rc >= 0)
        rc = f->io->ops->fdatasync(f);
    if (rc >= 0)
        rc = f->io->ops->fallocate(f, end, footer->len);
    if (rc == HOLOG_E_NOTSUP)
        rc = HOLOG_OK;
    if (rc >= 0)
        rc = hg_io_write_full(f, footer->data, footer->len, end, 0); /* S2 */
    return rc >= 0 ? f->io->ops->fdatasync(f) : rc;
}

static int seal_segment(struct hg_io *io, struct hg_log_segment *s, uint64_t end)
{
    struct hg_buf footer = { 0 };
    struct hg_footer_tail tail;
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;

    hg_segment_name(name, s->id, s->kind);
    int rc = io->ops->open(io, name, HG_OPEN_WRITE, &f);
    if (rc < 0)
        return rc;
    rc = build_footer(f, s, end, &tail, &footer);
    if (rc >= 0)
        rc = write_seal(f, end, &footer);
    rc = hg_close_keep(f, rc);
    if (rc >= 0) {
        s->sealed = 1;
        s->tail = tail;
        s->used = end;
        s->file_size = end + footer.len;
    }
    hg_buf_release(&footer);
    return rc;
}

/* S3. */
static int cut_extents(struct hg_io *io, struct hg_recovered *r)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc >= 0 && i < r->n_segments; i++) {
        struct hg_log_segment *s = &r->segments[i];
        uint64_t keep = HG_MAX(s->used, (uint64_t)HG_SEGMENT_HEADER_SIZE);
        char name[HG_FILE_NAME_MAX];
        struct hg_file *f = NULL;
        if (s->kind != HG_KIND_EXTENTS || s->file_size <= keep)
            continue;
        hg_segment_name(name, s->id, s->kind);
        rc = io->ops->open(io, name, HG_OPEN_WRITE, &f);
        if (rc >= 0)
            rc = io->ops->truncate(f, keep);
        if (rc >= 0)
            rc = io->ops->fdatasync(f);
        rc = hg_close_keep(f, rc);
        if (rc >= 0)
            s->file_size = keep;
    }
    return rc;
}

/* An id is never used twice, and the name of a file may be all that remembers one. */
static int remember_ids(struct hg_io *io, struct hg_recovered *r)
{
    struct hg_super s = r->super;
    struct hg_file *f = NULL;

    s.generation++;
    s.state = HG_SUPER_OPEN;
    s.next_segment = r->next_segment;
    if (r->last_segment != 0) {
        s.floor = hg_pos_make(r->last_segment, (uint32_t)HG_ALIGN8(r->end));
        s.floor_number = r->last_number;
    }
    int rc = io->ops->open(io, HG_SUPER_NAME, HG_OPEN_WRITE, &f);
    if (rc < 0)
        return rc;
    rc = hg_close_keep(f, hg_super_write(f, &s));
    if (rc >= 0)
        r->super = s;
    return rc;
}

static int is_unnamed(const struct hg_log_segment *s)
{
    return s->kind == HG_KIND_EXTENTS && s->used <= HG_SEGMENT_HEADER_SIZE;
}

/* S4. */
static int drop_unnamed(struct hg_io *io, struct hg_recovered *r)
{
    uint32_t highest = 0;
    size_t kept = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < r->n_segments; i++)
        highest = is_unnamed(&r->segments[i]) ? r->segments[i].id : highest;
    if (highest >= r->super.next_segment)
        rc = remember_ids(io, r);
    for (size_t i = 0; i < r->n_segments; i++) {
        const struct hg_log_segment *s = &r->segments[i];
        char name[HG_FILE_NAME_MAX];
        hg_segment_name(name, s->id, s->kind);
        if (rc >= 0 && is_unnamed(s))
            rc = io->ops->unlink(io, name);
        if (rc < 0 || !is_unnamed(s))
            r->segments[kept++] = *s;
    }
    r->n_segments = kept;
    return rc;
}

int hg_recover_seal(struct hg_io *io, struct hg_recovered *r)
{
    for (size_t i = 0; i < r->n_segments && !r->last_sealed; i++) {
        struct hg_log_segment *s = &r->segments[i];
        if (s->id != r->last_segment || s->kind != HG_KIND_FRAMES)
            continue;
        int rc = seal_segment(io, s, r->end);
        if (rc == HOLOG_E_NOSPC) {
            s->file_size = r->end;
            return HOLOG_OK; /* a full disk must still open: the first commit seals, or fails */
        }
        if (rc < 0)
            return rc;
        r->last_sealed = 1;
    }
    if (!r->used_known || r->quarantined_bytes != 0)
        return HOLOG_OK; /* what quarantine/ holds frames of stays whole: they may name extents */
    int rc = cut_extents(io, r);
    return rc < 0 ? rc : drop_unnamed(io, r);
}
