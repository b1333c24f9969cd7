/*
 * Replay: the frames that a plan keeps, in order. Sealed segments come from their footers, without
 * their payloads; a footer that turns out damaged is replaced by the frames themselves.
 *
 * On the way everything that names an extent is noted, so that the caller knows how far extent
 * segments are used. The newest segment with frames is always looked at from its start, where the
 * list of all segments stands.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/recover_internal.h"

/* ---- one record, one body -------------------------------------------------------------------- */

struct body_replay {
    struct hg_extent_reader *x;
    const struct hg_replay *replay;
};

static int replay_inner(void *ctx, const struct hg_record *r)
{
    const struct body_replay *b = ctx;

    if (r->type == HG_REC_BODY)
        return hg_corrupt(r->segment, r->offset, "a list of records names another one");
    return b->replay->record(b->replay->ctx, r);
}

int hg_replay_record(struct hg_extent_reader *x, const struct hg_replay *replay,
                     const struct hg_record *r)
{
    struct body_replay b = { .x = x, .replay = replay };
    struct hg_image m = { 0 };
    const uint8_t *body = NULL;

    if (r->type != HG_REC_BODY)
        return replay->record(replay->ctx, r);
    int rc = hg_extent_body(x, r, &m, &body);
    if (rc < 0)
        return rc;
    rc = hg_body_each(body, (size_t)r->body.len, r->body.segment, r->body.offset, replay_inner, &b,
                      NULL);
    hg_image_release(&m);
    return rc;
}

static int replay_outer(void *ctx, const struct hg_record *r)
{
    const struct body_replay *b = ctx;
    return hg_replay_record(b->x, b->replay, r);
}

int hg_replay_body(struct hg_extent_reader *x, const struct hg_replay *replay, const uint8_t *body,
                   size_t len, uint32_t segment, uint64_t body_start)
{
    struct body_replay b = { .x = x, .replay = replay };
    return hg_body_each(body, len, segment, body_start, replay_outer, &b, NULL);
}

/* ---- noting what is named -------------------------------------------------------------------- */

struct replayer {
    struct hg_edits edits;
    struct hg_plan *plan;
    const struct hg_replay *user; /* may be NULL */
    struct hg_recovered *out;
    hg_pos from;     /* rounded up to 8 */
    hg_pos begin;    /* what the base that the log begins with covers; 0 = there is none */
    uint32_t newest; /* segment with the last frame */
    uint32_t segment;
    uint64_t features; /* must-understand ones that its header declares */
    uint32_t frame_at;
    int show;    /* the frame we are in is behind `from` */
    int started; /* something of this segment has been noted */
};

static void note_list(const struct hg_recovered *out, uint32_t segment)
{
    struct hg_log_segment *s = hg_recovered_find(out, segment);

    if (s != NULL)
        s->lists = 1;
}

static int note_piece(struct replayer *rp, const struct hg_record *r, const struct hg_piece *piece)
{
    struct hg_log_segment *s = hg_recovered_find(rp->out, piece->segment);
    struct holog_error_detail before;
    char name[HG_FILE_NAME_MAX];

    if (s == NULL || s->kind != HG_KIND_EXTENTS) {
        hg_error_get(&before);
        hg_segment_name(name, piece->segment, HG_KIND_EXTENTS);
        int rc = hg_corrupt(piece->segment, piece->offset,
                            "%s is missing: the record at %08x:%u names bytes in it", name,
                            r->segment, r->offset);
        rc = hg_edits_missing(&rp->edits, piece->segment, rc);
        hg_error_set(&before);
        return rc;
    }
    if (piece->len > s->file_size || piece->offset > s->file_size - piece->len)
        return hg_corrupt(piece->segment, s->file_size,
                          "extent segment %08x is too short for what the record at %08x:%u names",
                          piece->segment, r->segment, r->offset);
    s->used = HG_MAX(s->used, HG_ALIGN4K(piece->offset + piece->len));
    return HOLOG_OK;
}

/* A list has a segment whose file is not there. Only a full replay knows if anybody names it. */
static int note_unlisted(struct replayer *rp, const struct hg_record *r, uint32_t segment)
{
    struct holog_error_detail before;

    hg_error_get(&before);
    int rc = rp->from == rp->begin
                 ? hg_corrupt(segment, 0, "extent segment %08x is missing: segment %08x lists it",
                              segment, r->segment) /* there is nothing older to begin with */
                 : hg_error(HOLOG_E_STALE, "extent segment %08x is missing: segment %08x lists it",
                            segment, r->segment);
    rc = hg_edits_missing(&rp->edits, segment, rc);
    hg_error_set(&before);
    return rc;
}

static int note_segments(struct replayer *rp, const struct hg_record *r)
{
    struct hg_segment_entry e;
    size_t at = 0;
    int rc;

    rp->out->used_known |= rp->segment == rp->newest; /* all that is older is in the list */
    while ((rc = hg_rec_segments_next(r, &at, &e)) == HOLOG_OK) {
        rp->out->next_segment = HG_MAX(rp->out->next_segment, e.segment + 1);
        rc = hg_edits_listed(&rp->edits, &e);
        if (rc < 0)
            return rc;
        if (e.kind != HG_KIND_EXTENTS)
            continue;
        struct hg_log_segment *s = hg_recovered_find(rp->out, e.segment);
        if (s != NULL && s->kind == HG_KIND_EXTENTS) {
            s->used = HG_MAX(s->used, HG_MIN(HG_ALIGN4K(e.used), HG_ALIGN4K(s->file_size)));
            s->cut = HG_ALIGN4K(e.used) > HG_ALIGN4K(s->file_size);
        } else if (e.used > HG_SEGMENT_HEADER_SIZE && rp->from != 0 && rp->segment == rp->newest) {
            rc = note_unlisted(rp, r, e.segment);
            if (rc < 0)
                return rc;
        }
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int note_record(struct replayer *rp, const struct hg_record *r)
{
    struct hg_piece piece;
    size_t at = 0;
    int rc;

    rc = hg_rec_check_declared(r, rp->features);
    if (rc < 0)
        return rc;
    if (r->type == HG_REC_SEGMENTS)
        return note_segments(rp, r);
    if (r->type == HG_REC_EDIT)
        return hg_edits_record(&rp->edits, r);
    if (r->type == HG_REC_BODY) {
        rc = note_piece(rp, r, &r->body);
        if (rc == HOLOG_OK)
            note_list(rp->out, r->body.segment);
        return rc;
    }
    while ((rc = hg_pieces_next(r, &at, &piece)) == HOLOG_OK) { /* none, of most types */
        rc = note_piece(rp, r, &piece);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int see_record(void *ctx, const struct hg_record *r)
{
    struct replayer *rp = ctx;

    int rc = note_record(rp, r);
    if (rc < 0 || !rp->show || rp->user == NULL || rp->user->record == NULL)
        return rc;
    return rp->user->record(rp->user->ctx, r);
}

static int see_frame(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                     uint64_t time_ns)
{
    struct replayer *rp = ctx;

    rp->started = 1;
    rp->frame_at = offset;
    rp->show = hg_pos_make(segment, (uint32_t)HG_ALIGN8((uint64_t)offset + f->len)) > rp->from;
    rp->out->last_time_ns = time_ns;
    rp->out->frames_read++;
    if (!rp->show || rp->user == NULL || rp->user->frame == NULL)
        return HOLOG_OK;
    return rp->user->frame(rp->user->ctx, f, segment, offset, time_ns);
}

/* ---- one segment ----------------------------------------------------------------------------- */

static int footer_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    struct replayer *rp = ctx;
    return see_frame(rp, f, rp->segment, offset, time_ns);
}

static int footer_record(void *ctx, const struct hg_record *r)
{
    struct replayer *rp = ctx;
    const struct hg_replay inner = { .ctx = rp, .record = see_record };
    struct hg_record placed = *r;

    placed.segment = rp->segment;
    placed.body_start = rp->frame_at + HG_FRAME_HEADER_SIZE;
    int rc = r->type == HG_REC_BODY ? note_record(rp, r) : HOLOG_OK;
    return rc < 0 ? rc : hg_replay_record(&rp->plan->extents, &inner, &placed);
}

static int replay_footer(struct replayer *rp, const struct hg_listed *e)
{
    const struct hg_footer_visitor v = { .ctx = rp,
                                         .frame = footer_frame,
                                         .record = footer_record };

    rp->out->bytes_read += e->s.file_size - e->s.tail.chunks_at;
    return hg_footer_load(rp->plan->io, rp->plan->flags, &e->s, &v);
}

static int frame_record(void *ctx, const struct hg_record *r)
{
    struct replayer *rp = ctx;
    const struct hg_replay inner = { .ctx = rp, .record = see_record };

    int rc = r->type == HG_REC_BODY ? note_record(rp, r) : HOLOG_OK;
    return rc < 0 ? rc : hg_replay_record(&rp->plan->extents, &inner, r);
}

static int replay_frame(void *ctx, const struct hg_walk *w)
{
    struct replayer *rp = ctx;

    int rc = see_frame(rp, &w->f, rp->segment, w->offset, w->link.time_ns);
    if (rc != 0)
        return rc;
    return hg_body_each(w->body, w->body_len, rp->segment,
                        (uint64_t)w->offset + HG_FRAME_HEADER_SIZE, frame_record, rp, NULL);
}

static int replay_frames(struct replayer *rp, const struct hg_listed *e)
{
    struct hg_plan *p = rp->plan;
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;
    struct hg_walk w;

    hg_segment_name(name, e->s.id, e->s.kind);
    int rc = p->io->ops->open(p->io, name, p->flags, &f);
    if (rc < 0)
        return rc;
    rp->out->bytes_read += e->s.used;
    hg_plan_walk(&w, e, e->s.used);
    rc = hg_walk_file(&w, f, e->s.used, &p->buf, replay_frame, rp);
    (void)p->io->ops->close(f); /* only read: nothing to lose */
    if (rc == 0 && w.end != e->s.used)
        return hg_corrupt(e->s.id, w.bad_at, "%s",
                          w.why != NULL ? w.why : "frames are missing here");
    return rc;
}

static int replay_segment(struct replayer *rp, size_t i)
{
    const struct hg_listed *e = &rp->plan->list.e[i];

    rp->segment = e->s.id;
    rp->features = e->s.header.feat_incompat;
    rp->started = 0;
    if (e->s.sealed) {
        int rc = replay_footer(rp, e);
        if (rc != HOLOG_E_CORRUPT || rp->started)
            return rc;
    }
    return replay_frames(rp, e);
}

/* ---- the whole log --------------------------------------------------------------------------- */

static int stale(hg_pos from)
{
    return hg_error(HOLOG_E_STALE, "the log has no such frame that ends at %08x:%u",
                    hg_pos_segment(from), hg_pos_offset(from));
}

/* Is it the frame that the base covers, which may be damaged? */
static int is_base_frame(const struct hg_plan *p, const struct hg_recover_options *o)
{
    return o->from_hash == p->begin.link.hash && o->from_len == p->begin.link.len;
}

static hg_pos begin_of(const struct hg_plan *p)
{
    return p->begin.base == p->list.n ? 0 : hg_base_end(&p->list.e[p->begin.base].s.header);
}

/* A log that begins with a base has no frames before it, as far as replays go. */
static int check_begin(const struct hg_plan *p, const struct hg_recover_options *o)
{
    char name[HG_FILE_NAME_MAX];

    if (HG_ALIGN8(o->from) >= begin_of(p))
        return HOLOG_OK;
    hg_segment_name(name, p->list.e[p->begin.base].s.id, HG_KIND_BASE);
    return hg_error(HOLOG_E_STALE, "the log begins with %s, behind %08x:%u", name,
                    hg_pos_segment(o->from), hg_pos_offset(o->from));
}

/* Is the frame that a checkpoint ends with where it says? */
static int check_from(const struct hg_plan *p, const struct hg_recover_options *o)
{
    uint64_t end = HG_ALIGN8(hg_pos_offset(o->from));
    uint64_t len = HG_ALIGN8(o->from_len);
    const struct hg_listed *e = hg_listing_find(&p->list, hg_pos_segment(o->from));
    struct hg_image m = { 0 };
    char name[HG_FILE_NAME_MAX];
    struct hg_frame f;

    if (begin_of(p) != 0 && HG_ALIGN8(o->from) == begin_of(p))
        return is_base_frame(p, o) ? HOLOG_OK : stale(o->from);
    if (e == NULL || e->s.kind != HG_KIND_FRAMES || p->last == p->list.n ||
        e > &p->list.e[p->last] || end > HG_ALIGN8(e->s.used) || len < HG_FRAME_HEADER_SIZE ||
        len > end || end - len < HG_SEGMENT_HEADER_SIZE)
        return stale(o->from);
    hg_segment_name(name, e->s.id, e->s.kind);
    int rc = hg_image_read(p->io, name, p->flags, end - len, end - len + HG_FRAME_HEADER_SIZE, &m);
    if (rc < 0)
        return rc;
    struct hg_frame_place at = { .salt = e->s.header.salt,
                                 .epoch = e->s.header.epoch,
                                 .segment = e->s.id,
                                 .offset = (uint32_t)(end - len) };
    if (hg_image_end(&m) < end - len + HG_FRAME_HEADER_SIZE ||
        hg_frame_decode(m.data + (end - len - m.at), &at, e->s.header.capacity, &f) !=
            HG_FRAME_OK ||
        f.head_hash != o->from_hash || f.len != o->from_len)
        rc = stale(o->from);
    hg_image_release(&m);
    return rc;
}

int hg_plan_replay(struct hg_plan *p, const struct hg_recover_options *o,
                   const struct hg_replay *replay, struct hg_recovered *out)
{
    struct replayer rp = { .plan = p,
                           .user = replay,
                           .out = out,
                           .from = HG_ALIGN8(o->from),
                           .begin = begin_of(p),
                           .newest = hg_pos_segment(p->link.frame) };

    int rc = check_begin(p, o);
    if (rc == HOLOG_OK && o->from != 0)
        rc = check_from(p, o);
    rp.edits.begins = hg_pos_segment(rp.begin);
    for (size_t i = 0; rc == HOLOG_OK && o->from != 0 && i < o->n_known; i++) {
        if ((o->known[i].kind & HG_SEGMENT_LISTS) != 0)
            note_list(out, o->known[i].segment);
    }
    if (rc == HOLOG_OK && o->from != 0)
        rc = hg_edits_begin(&rp.edits, o->known, o->n_known);
    out->used_known = o->from == 0;
    uint32_t first = o->from == 0 ? 0 : HG_MIN(hg_pos_segment(o->from), rp.newest);
    for (size_t i = p->begin.first; rc == 0 && i < p->list.n && i <= p->last;
         i = hg_listing_next_log(&p->list, i + 1)) {
        if (p->list.e[i].s.id < first)
            continue;
        rc = replay_segment(&rp, i);
        if (rc == 0)
            rc = hg_progress(p->progress, p->progress_ctx, out->bytes_read, 0);
    }
    size_t base = hg_base_settle(&p->list, &p->begin, &rp.edits);
    out->base = base < p->list.n ? p->list.e[base].s.id : 0;
    out->begins = base < p->list.n ? p->list.e[base].s.header.pred_id : 0;
    if (rc == 0)
        rc = hg_edits_judge(&rp.edits, out);
    hg_edits_release(&rp.edits);
    for (size_t i = 0; !out->used_known && i < out->n_segments; i++) {
        struct hg_log_segment *e = &out->segments[i];
        if (e->kind == HG_KIND_EXTENTS)
            e->used = HG_ALIGN4K(e->file_size); /* any of it may be named */
    }
    return rc;
}
