/*
 * Edits that a repair cuts away: what they have done to files stays done, and is said again at the end of the log.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "wal/repair_internal.h"

/* What files there are is a fact, also when the EDIT that says so is cut: compressed segments are the store's, and
 * extent segments that are named and not there have gone. (What had been dead, and lives again as of the cut, went
 * with them: reading it tells.) */
static int collect_edit(const struct hg_plan *p, struct hg_buf *added, struct hg_buf *removed)
{
    const struct hg_missing *m = (const struct hg_missing *)(const void *)p->edits.missing.data;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < p->list.n && rc >= 0; i++) {
        const struct hg_listed *e = &p->list.e[i];
        struct hg_segment_entry entry = { .segment = e->s.id,
                                          .kind = HG_KIND_HWP,
                                          .used = e->s.file_size };
        if (e->s.kind == HG_KIND_HWP && e->header_rc == HOLOG_OK)
            rc = hg_buf_append(added, &entry, sizeof entry);
    }
    for (size_t i = 0; i < p->edits.missing.len / sizeof *m && rc >= 0; i++) {
        struct hg_segment_entry entry = { .segment = m[i].segment, .kind = HG_KIND_EXTENTS };
        rc = hg_buf_append(removed, &entry, sizeof entry);
    }
    return rc;
}

static int note_record(void *ctx, const struct hg_record *r)
{
    struct hg_plan *p = ctx;
    struct hg_piece piece;
    size_t at = 0;
    int rc = HOLOG_OK;

    if (r->type == HG_REC_EDIT)
        return hg_edits_record(&p->edits, r);
    while (rc == HOLOG_OK && hg_pieces_next(r, &at, &piece) == HOLOG_OK) {
        if (hg_listing_find(&p->list, piece.segment) == NULL)
            rc = hg_edits_missing(&p->edits, piece.segment, HOLOG_E_CORRUPT);
    }
    return rc;
}

struct noting {
    struct hg_plan *plan;
    uint32_t segment;
};

static int note_frame(void *ctx, const struct hg_walk *w)
{
    const struct noting *n = ctx;
    const struct hg_replay replay = { .ctx = n->plan, .record = note_record };

    return hg_replay_body(&n->plan->extents, &replay, w->body, w->body_len, n->segment,
                          (uint64_t)w->offset + HG_FRAME_HEADER_SIZE);
}

/* What the log that is kept names and is not there. */
static int find_missing(struct hg_plan *p)
{
    int rc = HOLOG_OK;

    for (size_t i = hg_listing_next_log(&p->list, 0); rc == 0 && i <= p->last && i < p->list.n;
         i = hg_listing_next_log(&p->list, i + 1)) {
        const struct hg_listed *e = &p->list.e[i];
        struct noting n = { .plan = p, .segment = e->s.id };
        char name[HG_FILE_NAME_MAX];
        struct hg_file *f = NULL;
        struct hg_walk w;
        hg_segment_name(name, e->s.id, e->s.kind);
        rc = p->io->ops->open(p->io, name, p->flags, &f);
        if (rc < 0)
            return rc;
        hg_walk_begin(&w, &e->s.header, NULL, e->s.used, &e->before);
        rc = hg_walk_file(&w, f, e->s.used, &p->buf, note_frame, &n);
        (void)p->io->ops->close(f); /* only read: nothing to lose */
    }
    return rc;
}

static int encode_edit(const struct hg_plan *p, struct hg_buf *body)
{
    struct hg_buf added = { 0 };
    struct hg_buf removed = { 0 };
    int rc = collect_edit(p, &added, &removed);

    if (rc >= 0 && added.len + removed.len > 0)
        rc = hg_body_begin(body, p->link.time_ns, NULL, 0);
    if (rc >= 0 && body->len > 0)
        rc = hg_rec_edit(body, (const struct hg_segment_entry *)(void *)added.data,
                         added.len / sizeof(struct hg_segment_entry),
                         (const struct hg_segment_entry *)(void *)removed.data,
                         removed.len / sizeof(struct hg_segment_entry), NULL);
    hg_buf_release(&added);
    hg_buf_release(&removed);
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

/* R3. A frame with an EDIT that restates them ends the log, where the segment may have such. */
int hg_repair_restate_edits(struct hg_repairer *r, struct hg_log_segment *last)
{
    struct hg_buf body = { 0 };
    int rc;

    if (last == NULL || r->plan.extents.edits == NULL)
        return HOLOG_OK;
    rc = find_missing(&r->plan);
    if (rc >= 0)
        rc = encode_edit(&r->plan, &body);
    if (rc >= 0 && body.len > 0 && (last->header.feat_incompat & HG_FEATURE_COLD) == 0)
        rc = hg_error(
            HOLOG_E_NOTSUP,
            "the damage is older than the first compaction, which has moved what is before it: "
            "the store as of then cannot be made again");
    else if (rc >= 0 && body.len > 0)
        rc = write_frame(r, last, &body);
    hg_buf_release(&body);
    return rc;
}
