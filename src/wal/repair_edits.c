/*
 * Edits that a repair cuts away: what they have done to files stays done, and is said again at the end of the log.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "wal/repair_internal.h"

struct edit {
    struct hg_buf added;   /* struct hg_segment_entry */
    struct hg_buf removed; /* the same */
    uint64_t needs;        /* features */
};

static int put(struct hg_buf *to, uint32_t segment, enum hg_segment_kind kind, uint64_t used)
{
    const struct hg_segment_entry entry = { .segment = segment,
                                            .kind = (uint8_t)kind,
                                            .used = used };
    return hg_buf_append(to, &entry, sizeof entry);
}

/* Containers that are not there, and the base that made them dispensable. */
static int collect_base(const struct hg_plan *p, struct edit *out)
{
    size_t at = 0;
    uint32_t id;
    int rc = HOLOG_OK;
    int any = 0;

    while (rc >= 0 && (id = hg_edits_next_frames(&p->edits, &at)) != 0) {
        const struct hg_listed *e = hg_listing_find(&p->list, id);
        if (e != NULL && e->s.kind == HG_KIND_FRAMES)
            continue;
        rc = put(&out->removed, id, HG_KIND_FRAMES, 0);
        any = 1;
    }
    if (rc < 0 || p->begin.base == p->list.n || (!any && hg_chain_whole(&p->list, 0)))
        return rc;
    const struct hg_log_segment *b = &p->list.e[p->begin.base].s;
    out->needs |= HG_FEATURE_BASE;
    return put(&out->added, b->id, HG_KIND_BASE, b->file_size);
}

/* What files there are is a fact, also when the EDIT that says so is cut: compressed segments are the store's, and
 * extent segments that are named and not there have gone. (What had been dead, and lives again as of the cut, went
 * with them: reading it tells.) */
static int collect_edit(const struct hg_plan *p, struct edit *out)
{
    const struct hg_missing *m = (const struct hg_missing *)(const void *)p->edits.missing.data;
    int rc = HOLOG_OK;

    out->needs = HG_FEATURE_COLD;
    for (size_t i = 0; i < p->list.n && rc >= 0; i++) {
        const struct hg_listed *e = &p->list.e[i];
        if (e->s.kind == HG_KIND_HWP && e->header_rc == HOLOG_OK)
            rc = put(&out->added, e->s.id, HG_KIND_HWP, e->s.file_size);
    }
    for (size_t i = 0; i < p->edits.missing.len / sizeof *m && rc >= 0; i++)
        rc = put(&out->removed, m[i].segment, HG_KIND_EXTENTS, 0);
    return rc < 0 ? rc : collect_base(p, out);
}

static int note_list(struct hg_plan *p, const struct hg_record *r)
{
    struct hg_segment_entry e;
    size_t at = 0;
    int rc;

    while ((rc = hg_rec_segments_next(r, &at, &e)) == HOLOG_OK) {
        rc = hg_edits_listed(&p->edits, &e);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int note_pieces(struct hg_plan *p, const struct hg_record *r)
{
    struct hg_piece piece;
    size_t at = 0;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && hg_pieces_next(r, &at, &piece) == HOLOG_OK) {
        if (hg_listing_find(&p->list, piece.segment) == NULL)
            rc = hg_edits_missing(&p->edits, piece.segment, HOLOG_E_CORRUPT);
    }
    return rc;
}

static int note_record(void *ctx, const struct hg_record *r)
{
    if (r->type == HG_REC_EDIT)
        return hg_edits_record(&((struct hg_plan *)ctx)->edits, r);
    return r->type == HG_REC_SEGMENTS ? note_list(ctx, r) : note_pieces(ctx, r);
}

/* Of a container, what was there then may have gone since. */
static int note_contained(void *ctx, const struct hg_record *r)
{
    return r->type == HG_REC_EDIT || r->type == HG_REC_SEGMENTS ? HOLOG_OK : note_pieces(ctx, r);
}

struct noting {
    struct hg_plan *plan;
    uint32_t segment;
    int contained;
};

static int note_frame(void *ctx, const struct hg_walk *w)
{
    const struct noting *n = ctx;
    const struct hg_replay replay = { .ctx = n->plan,
                                      .record = n->contained ? note_contained : note_record };

    return hg_replay_body(&n->plan->extents, &replay, w->body, w->body_len, n->segment,
                          (uint64_t)w->offset + HG_FRAME_HEADER_SIZE);
}

/* A container, or what of the first segment is before the base's frame: damage there is no reason not to go on. */
static int note_alone(struct hg_plan *p, size_t i)
{
    const struct hg_listed *e = &p->list.e[i];
    struct noting n = { .plan = p, .segment = e->s.id, .contained = i < p->begin.first };
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;

    if (e->header_rc < 0)
        return HOLOG_OK;
    hg_segment_name(name, e->s.id, e->s.kind);
    int rc = p->io->ops->open(p->io, name, p->flags, &f);
    if (rc < 0)
        return rc;
    rc = hg_walk_segment(&e->s.header, f, e->start != 0 ? e->start : e->s.used, note_frame, &n);
    (void)p->io->ops->close(f); /* only read: nothing to lose */
    return rc == HOLOG_E_CORRUPT ? HOLOG_OK : rc;
}

static int note_joined(struct hg_plan *p, size_t i)
{
    const struct hg_listed *e = &p->list.e[i];
    struct noting n = { .plan = p, .segment = e->s.id };
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;
    struct hg_walk w;

    hg_segment_name(name, e->s.id, e->s.kind);
    int rc = p->io->ops->open(p->io, name, p->flags, &f);
    if (rc < 0)
        return rc;
    hg_plan_walk(&w, e, e->s.used);
    rc = hg_walk_file(&w, f, e->s.used, &p->buf, note_frame, &n);
    (void)p->io->ops->close(f); /* only read: nothing to lose */
    return rc;
}

/* What the log that is kept names and is not there. */
static int find_missing(struct hg_plan *p)
{
    int rc = HOLOG_OK;

    p->edits.begins = p->begin.base < p->list.n ? p->list.e[p->begin.first].s.id : 0;
    for (size_t i = hg_listing_next_log(&p->list, 0); rc == 0 && i <= p->last && i < p->list.n;
         i = hg_listing_next_log(&p->list, i + 1)) {
        if (i < p->begin.first || p->list.e[i].start != 0)
            rc = note_alone(p, i);
        if (rc == 0 && i >= p->begin.first)
            rc = note_joined(p, i);
    }
    return rc;
}

static int encode_edit(const struct hg_plan *p, struct hg_buf *body, uint64_t *out_needs)
{
    struct edit edit = { 0 };
    int rc = collect_edit(p, &edit);

    if (rc >= 0 && edit.added.len + edit.removed.len > 0)
        rc = hg_body_begin(body, p->link.time_ns, NULL, 0);
    if (rc >= 0 && body->len > 0)
        rc = hg_rec_edit(body, (const struct hg_segment_entry *)(void *)edit.added.data,
                         edit.added.len / sizeof(struct hg_segment_entry),
                         (const struct hg_segment_entry *)(void *)edit.removed.data,
                         edit.removed.len / sizeof(struct hg_segment_entry), NULL);
    *out_needs = edit.needs;
    hg_buf_release(&edit.added);
    hg_buf_release(&edit.removed);
    return rc;
}

static int write_frame(struct hg_repairer *r, struct hg_log_segment *last,
                       const struct hg_buf *body)
{
    struct hg_plan *p = &r->plan;
    uint64_t at = HG_ALIGN8(p->end);
    struct hg_frame_place place = { .salt = last->header.salt,
                                    .epoch = last->header.epoch,
                                    .segment = last->id,
                                    .offset = (uint32_t)at };
    struct hg_frame f = { .type = HG_FRAME_SYSTEM,
                          .len = (uint32_t)(HG_FRAME_HEADER_SIZE + body->len),
                          .nrec = 1,
                          .number = p->link.number,
                          .floor = p->link.frame == 0 ? 0 : hg_plan_end(p),
                          .prev_len = p->link.len,
                          .prev_hash = (uint32_t)p->link.hash,
                          .body_hash = hg_hash64(body->data, body->len) };
    struct hg_buf bytes = { 0 };
    uint8_t head[HG_FRAME_HEADER_SIZE];
    char name[HG_FILE_NAME_MAX];
    struct hg_file *file = NULL;

    hg_frame_encode(&f, &place, head);
    int rc = hg_buf_append_zeros(&bytes, (size_t)(at - p->end));
    if (rc >= 0)
        rc = hg_buf_append(&bytes, head, sizeof head);
    if (rc >= 0)
        rc = hg_buf_append(&bytes, body->data, body->len);
    hg_segment_name(name, last->id, HG_KIND_FRAMES);
    if (rc >= 0)
        rc = r->io->ops->open(r->io, name, HG_OPEN_WRITE, &file);
    if (rc >= 0) {
        rc = r->io->ops->truncate(file, p->end);
        if (rc >= 0)
            rc = hg_io_write_full(file, bytes.data, bytes.len, p->end, 0);
        if (rc >= 0)
            rc = r->io->ops->fdatasync(file);
        rc = hg_close_keep(file, rc);
    }
    hg_buf_release(&bytes);
    if (rc < 0)
        return rc;
    p->end = at + f.len;
    p->link.frame = hg_pos_make(last->id, (uint32_t)at);
    p->link.len = f.len;
    p->link.hash = f.head_hash;
    last->sealed = 0;
    return HOLOG_OK;
}

int hg_repair_make_edits(struct hg_repairer *r, const struct hg_log_segment *last,
                         struct hg_buf *out_body)
{
    uint64_t needs = 0;

    if (last == NULL || r->plan.extents.edits == NULL)
        return HOLOG_OK;
    int rc = find_missing(&r->plan);
    if (rc >= 0)
        rc = encode_edit(&r->plan, out_body, &needs);
    if (rc < 0 || out_body->len == 0 || (last->header.feat_incompat & needs) == needs)
        return rc;
    return hg_error(HOLOG_E_NOTSUP,
                    "the damage is older than the first compaction, which has moved what is before "
                    "it: the store as of then cannot be made again");
}

hg_pos hg_repair_edits_end(const struct hg_plan *p, const struct hg_buf *body)
{
    uint64_t end = HG_ALIGN8(p->end) + HG_FRAME_HEADER_SIZE + body->len;

    return hg_pos_make(p->list.e[p->last].s.id, (uint32_t)HG_ALIGN8(end));
}

int hg_repair_restate_edits(struct hg_repairer *r, struct hg_log_segment *last,
                            const struct hg_buf *body)
{
    return write_frame(r, last, body);
}
