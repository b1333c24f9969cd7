/*
 * SALVAGE: every commit that verifies is kept, by writing all of them into a new chain of segments.
 * Bodies are copied as they are, but for the bases of deltas, which have moved too; headers are new.
 * Values in extents stay where they are; a list of records there is written to a new extent segment
 * when it has deltas. Where commits are missing a new segment begins, since within one their numbers
 * go up by one. Of system frames settings are kept, and tags and horizons where they were told: a
 * commit goes back to what its place in the log has kept. A horizon below all of them is told first,
 * since one may be lost, and a log that tells none is forgotten after HG_UNSAID_MAX commits. Folds are
 * caches.
 *
 *   V1  new segments are built as seg/<id>.tmp, each synced
 *   V2  they are renamed, seg/ is synced: from now on everything that is kept is there twice
 *   V3  the old ones are moved to quarantine/, the newest first, directories synced after each
 *   V4  SUPER is replaced
 * Until V4 is over the store refuses to open (two chains, or one that SUPER does not know), and
 * salvage starts again from whatever is there: a commit that is found twice is taken once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/repair_internal.h"

#define BODY_TIME 8u /* bytes that a body begins with */

struct found {
    uint64_t number; /* of a note: of the commit before it */
    size_t segment;  /* index in the list */
    uint32_t offset;
    uint32_t len;
    uint32_t nrec;
    uint8_t type;   /* enum hg_frame_type; a system frame is a note: a tag, a horizon */
    uint8_t again;  /* a note that was found before */
    uint64_t notes; /* hash of a note's records: they say when */
};

struct salvage {
    struct hg_repairer *r;
    struct hg_buf commits;  /* struct found: commits and notes */
    struct hg_buf settings; /* a body: CONFIG records of system frames */
    uint32_t n_settings;
    int is_note;       /* the frame at hand has a tag or a horizon */
    uint64_t features; /* must-understand ones of what is kept */
    struct hg_births births;
    uint64_t number;       /* of the commit at hand */
    struct hg_buf numbers; /* u64, rising: kept */
    struct hg_image source;
    size_t source_at; /* index of the segment in `source`; SIZE_MAX = none */

    /* the segment being written */
    uint32_t next_id;
    uint32_t id; /* 0 = none */
    struct hg_segment_header header;
    struct hg_buf out;
    struct hg_footer_builder *footer;
    struct hg_buf body; /* of the commit being written */
    struct hg_link link;
    uint64_t end;
    struct hg_log_segment *done; /* new segments, finished */
    size_t n_done;
    size_t pred; /* among them: the newest frame segment; SIZE_MAX = none */
};

/* ---- finding --------------------------------------------------------------------------------- */

/* A header that is damaged: its successor, or its footer, may still know the epoch, and that is all
 * it takes to read frames. */
static void guess_header(struct hg_listing *l, size_t i, const struct hg_super *super,
                         const struct hg_image *m)
{
    struct hg_listed *e = &l->e[i];
    struct hg_segment_header *h = &e->s.header;
    struct hg_footer_tail t;
    size_t next = hg_listing_next_log(l, i + 1);

    memset(h, 0, sizeof *h);
    h->id = e->s.id;
    h->kind = HG_KIND_FRAMES;
    h->salt = super->salt;
    h->capacity = HG_SEGMENT_MAX;
    h->first_number = 1;
    memcpy(h->uuid, super->uuid, sizeof h->uuid);
    if (next < l->n && l->e[next].header_rc == HOLOG_OK && l->e[next].s.header.pred_id == e->s.id)
        h->epoch = l->e[next].s.header.pred_epoch;
    else if (m->len >= HG_FOOTER_TAIL_SIZE &&
             hg_footer_tail_decode(m->data + m->len - HG_FOOTER_TAIL_SIZE, m->len, &t) ==
                 HOLOG_OK &&
             t.segment == e->s.id)
        h->epoch = t.epoch;
}

static int keep_setting(void *ctx, const struct hg_record *rec)
{
    struct salvage *v = ctx;

    if (rec->type == HG_REC_TAG || rec->type == HG_REC_RETENTION) {
        v->is_note = 1;
        v->features |= hg_rec_needs(rec);
    }
    if (rec->type != HG_REC_CONFIG)
        return 0;
    if (v->settings.len == 0) {
        int rc = hg_body_begin(&v->settings, 0, NULL, 0);
        if (rc < 0)
            return rc;
    }
    v->n_settings++;
    return hg_rec_config(&v->settings, rec->path, rec->path_len, rec->value, (size_t)rec->value_len,
                         NULL);
}

static int is_delta(void *ctx, const struct hg_record *rec)
{
    (void)ctx;
    return rec->type == HG_REC_DELTA;
}

/* What the commit's records need, and where a list of them lies. */
static int note_record(void *ctx, const struct hg_record *rec)
{
    struct salvage *v = ctx;

    v->features |= hg_rec_needs(rec);
    return rec->type == HG_REC_BODY ? hg_births_found(&v->births, v->number, rec->body.segment,
                                                      rec->body.offset, (size_t)rec->body.len)
                                    : HOLOG_OK;
}

static int take_frame(struct salvage *v, size_t i, uint32_t offset, const struct hg_frame *f)
{
    const struct hg_log_segment *s = &v->r->plan.list.e[i].s;
    const uint8_t *body = v->source.data + offset + HG_FRAME_HEADER_SIZE;
    size_t len = f->len - HG_FRAME_HEADER_SIZE;
    uint64_t at = (uint64_t)offset + HG_FRAME_HEADER_SIZE;
    struct found c = { .number = f->number,
                       .segment = i,
                       .offset = offset,
                       .len = f->len,
                       .nrec = f->nrec,
                       .type = f->type };

    v->is_note = 0;
    v->r->highest = HG_MAX(v->r->highest, f->number);
    int rc = f->type == HG_FRAME_COMMIT
                 ? hg_extent_verify_body(&v->r->plan.extents, body, len, s->id, at)
                 : hg_body_each(body, len, s->id, at, keep_setting, v, NULL);
    if (rc == HOLOG_E_CORRUPT)
        return HOLOG_OK; /* lost; its paths are listed with all others */
    if (rc == 0 && v->is_note) {
        c.notes = hg_hash64(body + BODY_TIME, len - BODY_TIME);
        return hg_buf_append(&v->commits, &c, sizeof c);
    }
    if (rc != 0 || f->type != HG_FRAME_COMMIT)
        return rc;
    v->number = f->number;
    rc = hg_births_found(&v->births, f->number, s->id, at, len);
    if (rc == 0)
        rc = hg_body_each(body, len, s->id, at, note_record, v, NULL);
    return rc == 0 ? hg_buf_append(&v->commits, &c, sizeof c) : rc;
}

static int load_source(struct salvage *v, size_t i)
{
    const struct hg_log_segment *s = &v->r->plan.list.e[i].s;
    char name[HG_FILE_NAME_MAX];

    if (v->source_at == i)
        return HOLOG_OK;
    hg_image_release(&v->source);
    v->source_at = SIZE_MAX;
    hg_segment_name(name, s->id, s->kind);
    int rc = hg_image_read(v->r->io, name, 0, 0, HG_MIN(s->file_size, HG_LOG_FILE_MAX), &v->source);
    if (rc >= 0)
        v->source_at = i;
    return rc;
}

static int search_segment(struct salvage *v, size_t i)
{
    struct hg_listing *l = &v->r->plan.list;
    struct hg_listed *e = &l->e[i];
    const struct hg_super *super = &v->r->plan.super;
    struct hg_frame f;
    uint64_t at = HG_SEGMENT_HEADER_SIZE;

    int rc = load_source(v, i);
    if (rc < 0)
        return rc;
    if (e->header_rc < 0)
        guess_header(l, i, super, &v->source);
    else if (memcmp(e->s.header.uuid, super->uuid, sizeof super->uuid) != 0 ||
             e->s.header.salt != super->salt)
        return HOLOG_OK; /* another store's */
    else
        v->r->highest = HG_MAX(v->r->highest, e->s.header.highest_number);
    v->features |= e->s.header.feat_incompat;
    while ((at = hg_scan_frame(&e->s.header, &v->source, at, hg_image_end(&v->source), &f)) != 0) {
        rc = take_frame(v, i, (uint32_t)at, &f);
        if (rc != 0)
            return rc;
        at = HG_ALIGN8(at + f.len);
    }
    return HOLOG_OK;
}

static int by_place(const struct found *x, const struct found *y)
{
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_number(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->type != y->type)
        return x->type == HG_FRAME_COMMIT ? -1 : 1;
    return by_place(x, y);
}

static int by_notes(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->notes != y->notes)
        return x->notes < y->notes ? -1 : 1;
    return by_number(a, b);
}

/* Sorts, and drops what was found twice. A note may have moved to an earlier number, when what was
 * before it is lost. */
static int order_commits(struct salvage *v)
{
    struct found *c = (struct found *)(void *)v->commits.data;
    size_t n = v->commits.len / sizeof *c;
    size_t kept = 0;

    if (n > 1)
        qsort(c, n, sizeof *c, by_notes);
    for (size_t i = 1; i < n; i++)
        c[i].again = c[i].type != HG_FRAME_COMMIT && c[i - 1].type == c[i].type &&
                     c[i - 1].notes == c[i].notes;
    if (n > 1)
        qsort(c, n, sizeof *c, by_number);
    for (size_t i = 0; i < n; i++) {
        if (c[i].again ||
            (kept > 0 && c[i].type == HG_FRAME_COMMIT && c[kept - 1].type == HG_FRAME_COMMIT &&
             c[kept - 1].number == c[i].number))
            continue;
        c[kept++] = c[i];
    }
    v->commits.len = kept * sizeof *c;
    for (size_t i = 0; i < kept; i++) {
        int rc = c[i].type == HG_FRAME_COMMIT
                     ? hg_buf_append(&v->numbers, &c[i].number, sizeof c[i].number)
                     : HOLOG_OK;
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

/* ---- what is lost ---------------------------------------------------------------------------- */

static int not_kept(const struct hg_repairer *r, uint64_t number)
{
    size_t low = 0;
    size_t high = r->n_kept;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->kept[mid] < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low == r->n_kept || r->kept[low] != number;
}

static int report_gap(struct hg_repairer *r, uint64_t first, uint64_t last)
{
    struct hg_damage_found d = { .first_number = first, .last_number = last };

    if (r->report.lost_first_number == 0)
        r->report.lost_first_number = first;
    r->report.lost_last_number = last;
    return hg_repair_report(r, &d, "commits %llu to %llu are lost", (unsigned long long)first,
                            (unsigned long long)last);
}

/* Numbers that a cut has used up are gaps too: nobody can tell them from lost ones. */
static int report_losses(struct salvage *v)
{
    struct hg_repairer *r = v->r;
    const struct hg_listing *l = &r->plan.list;
    uint64_t expected = 1;
    int rc = HOLOG_OK;

    r->kept = (const uint64_t *)(const void *)v->numbers.data;
    r->n_kept = v->numbers.len / sizeof *r->kept;
    r->is_lost = not_kept;
    for (size_t i = hg_listing_next_log(l, 0); rc == 0 && i < l->n;
         i = hg_listing_next_log(l, i + 1)) {
        if (l->e[i].header_rc == HOLOG_OK)
            rc = hg_repair_lost_paths(r, &l->e[i].s);
    }
    for (size_t i = 0; rc == 0 && i < r->n_kept; i++) {
        if (r->kept[i] > expected)
            rc = report_gap(r, expected, r->kept[i] - 1);
        expected = r->kept[i] + 1;
    }
    if (rc == 0 && r->highest >= expected)
        rc = report_gap(r, expected, r->highest);
    r->report.kept_through_number = r->n_kept > 0 ? r->kept[r->n_kept - 1] : 0;
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int put_frame(struct salvage *v, enum hg_frame_type type, const uint8_t *body, size_t len,
                     uint32_t nrec, uint64_t number)
{
    uint8_t head[HG_FRAME_HEADER_SIZE];
    int rc = hg_buf_append_zeros(&v->out, (size_t)(HG_ALIGN8(v->out.len) - v->out.len));

    if (rc < 0)
        return rc;
    struct hg_frame_place at = { .salt = v->header.salt,
                                 .epoch = v->header.epoch,
                                 .segment = v->id,
                                 .offset = (uint32_t)v->out.len };
    struct hg_frame f = { .type = (uint8_t)type,
                          .len = (uint32_t)(HG_FRAME_HEADER_SIZE + len),
                          .nrec = nrec,
                          .number = number,
                          .prev_len = v->link.len,
                          .prev_hash = (uint32_t)v->link.hash,
                          .body_hash = hg_hash64(body, len) };
    hg_frame_encode(&f, &at, head);
    rc = hg_buf_append(&v->out, head, sizeof head);
    if (rc >= 0)
        rc = hg_buf_append(&v->out, body, len);
    if (rc >= 0)
        rc = hg_footer_add(v->footer, &f, at.offset, body);
    v->end = v->out.len;
    v->link = (struct hg_link){
        .frame = hg_pos_make(v->id, at.offset),
        .len = f.len,
        .hash = f.head_hash,
        .number = number,
        .time_ns = hg_get_le64(body),
    };
    return rc;
}

/* Extent segments, and the new frame segments. */
static int put_segments_frame(struct salvage *v)
{
    const struct hg_listing *l = &v->r->plan.list;
    struct hg_segment_entry *e = hg_calloc(l->n + v->n_done + 1, sizeof *e);
    struct hg_buf body = { 0 };
    size_t n = 0;

    if (e == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    for (size_t i = 0; i < l->n; i++) {
        if (l->e[i].s.kind == HG_KIND_EXTENTS)
            e[n++] = (struct hg_segment_entry){ l->e[i].s.id, HG_KIND_EXTENTS,
                                                HG_ALIGN4K(l->e[i].s.file_size) };
    }
    for (size_t i = 0; i < v->n_done; i++)
        e[n++] = (struct hg_segment_entry){ v->done[i].id, (uint8_t)v->done[i].kind,
                                            v->done[i].file_size };
    e[n++] = (struct hg_segment_entry){ v->id, HG_KIND_FRAMES, HG_SEGMENT_HEADER_SIZE };
    int rc = hg_body_begin(&body, v->link.time_ns, NULL, 0);
    if (rc >= 0)
        rc = hg_rec_segments(&body, e, n, NULL);
    if (rc >= 0)
        rc = put_frame(v, HG_FRAME_SYSTEM, body.data, body.len, 1, v->link.number);
    hg_buf_release(&body);
    hg_free(e);
    return rc;
}

static int begin_segment(struct salvage *v, uint64_t first_number)
{
    const struct hg_super *super = &v->r->plan.super;
    const struct hg_log_segment *pred = v->pred != SIZE_MAX ? &v->done[v->pred] : NULL;
    uint8_t block[HG_SEGMENT_HEADER_SIZE];

    v->header = (struct hg_segment_header){
        .kind = HG_KIND_FRAMES,
        .id = v->next_id++,
        .feat_incompat = v->features,
        .salt = super->salt,
        .capacity = HG_SEGMENT_MAX,
        .created_ns = v->r->io->ops->wall_ns(v->r->io),
        .first_number = first_number,
        .highest_number = first_number - 1,
    };
    v->id = v->header.id;
    memcpy(v->header.uuid, super->uuid, sizeof v->header.uuid);
    if (pred != NULL) {
        v->header.pred_id = pred->id;
        v->header.pred_epoch = pred->header.epoch;
        v->header.pred_end = v->end;
        v->header.pred_last_len = v->link.len;
        v->header.pred_last_hash = v->link.hash;
        v->header.pred_number = v->link.number;
    }
    int rc = v->r->io->ops->random(v->r->io, &v->header.epoch, sizeof v->header.epoch);
    if (rc < 0)
        return rc;
    hg_segment_header_encode(&v->header, block);
    v->out.len = 0;
    v->end = HG_SEGMENT_HEADER_SIZE;
    rc = hg_buf_append(&v->out, block, sizeof block);
    if (rc >= 0)
        rc = hg_footer_builder_create(first_number, &v->footer);
    return rc >= 0 ? put_segments_frame(v) : rc;
}

/* V1. A dry run goes this far to learn which changes are lost. */
static int write_tmp(struct salvage *v, uint32_t id, const struct hg_buf *bytes)
{
    struct hg_io *io = v->r->io;
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;

    if (v->r->dry_run)
        return HOLOG_OK;
    hg_segment_tmp_name(name, id);
    int rc = io->ops->unlink(io, name);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    rc = io->ops->open(io, name, HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    if (rc >= 0)
        rc = hg_io_write_full(f, bytes->data, bytes->len, 0, 0);
    if (rc >= 0)
        rc = io->ops->fdatasync(f);
    return hg_close_keep(f, rc);
}

static int add_done(struct salvage *v, const struct hg_log_segment *s)
{
    struct hg_log_segment *grown = hg_realloc(v->done, (v->n_done + 1) * sizeof *v->done);
    if (grown == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    v->done = grown;
    v->done[v->n_done++] = *s;
    return HOLOG_OK;
}

/* One segment of frames. */
static int finish_segment(struct salvage *v)
{
    struct hg_footer_tail t = {
        .segment = v->id, .epoch = v->header.epoch, .salt = v->header.salt, .frames_end = v->end
    };

    if (v->id == 0)
        return HOLOG_OK;
    memcpy(t.uuid, v->header.uuid, sizeof t.uuid);
    int rc = hg_buf_append_zeros(&v->out, (size_t)(HG_ALIGN8(v->end) - v->end));
    if (rc >= 0)
        rc = hg_footer_finish(v->footer, &t, &v->out);
    hg_footer_builder_destroy(v->footer);
    v->footer = NULL;
    if (rc >= 0)
        rc = write_tmp(v, v->id, &v->out);
    if (rc < 0)
        return rc;
    const struct hg_log_segment s = { .id = v->id,
                                      .kind = HG_KIND_FRAMES,
                                      .header = v->header,
                                      .file_size = v->out.len,
                                      .used = v->end };
    v->id = 0;
    v->pred = v->n_done;
    return add_done(v, &s);
}

static int lost_delta(void *ctx, const struct hg_record *rec)
{
    struct salvage *v = ctx;
    struct hg_damage_found d = { .first_number = v->number, .last_number = v->number };

    (void)snprintf(d.path, sizeof d.path, "%.*s", (int)HG_MIN(rec->path_len, sizeof d.path - 1),
                   rec->path);
    v->r->report.entries_lost++;
    return hg_repair_report(v->r, &d, "this change is lost with the version that it changes");
}

/* A list of records in an extent, with deltas that must be changed: a segment of its own. */
static int put_list(struct salvage *v, const uint8_t *list, size_t len, uint32_t id)
{
    struct hg_log_segment s = { .id = id, .kind = HG_KIND_EXTENTS };
    uint8_t block[HG_SEGMENT_HEADER_SIZE];
    struct hg_buf bytes = { 0 };

    s.header = (struct hg_segment_header){ .kind = HG_KIND_EXTENTS,
                                           .id = id,
                                           .salt = v->r->plan.super.salt,
                                           .created_ns = v->r->io->ops->wall_ns(v->r->io) };
    s.header.capacity =
        HG_MAX(HG_ALIGN4K(HG_SEGMENT_HEADER_SIZE + len), (uint64_t)HG_EXTENT_SEGMENT_MIN);
    memcpy(s.header.uuid, v->r->plan.super.uuid, sizeof s.header.uuid);
    int rc = v->r->io->ops->random(v->r->io, &s.header.epoch, sizeof s.header.epoch);
    if (rc < 0)
        return rc;
    hg_segment_header_encode(&s.header, block);
    rc = hg_buf_append(&bytes, block, sizeof block);
    if (rc >= 0)
        rc = hg_buf_append(&bytes, list, len);
    if (rc >= 0)
        rc = hg_buf_append_zeros(&bytes, (size_t)(HG_ALIGN4K(bytes.len) - bytes.len));
    s.file_size = bytes.len;
    if (rc >= 0)
        rc = write_tmp(v, id, &bytes);
    hg_buf_release(&bytes);
    return rc >= 0 ? add_done(v, &s) : rc;
}

/* A body whose records are in a list, as it was or naming the new one. */
static int rebase_list(struct salvage *v, const struct hg_record *rec, struct hg_buf *body)
{
    struct hg_piece place = { v->next_id, HG_SEGMENT_HEADER_SIZE, rec->body.len };
    size_t len = (size_t)rec->body.len;
    struct hg_image m = { 0 };
    const uint8_t *list = NULL;
    struct hg_body head = { 0 };

    int rc = hg_extent_body(&v->r->plan.extents, rec, &m, &list);
    if (rc < 0)
        return rc;
    uint8_t *bytes = m.data + (rec->body.offset - m.at); /* our own copy */
    rc = hg_body_each(list, len, 0, 0, is_delta, NULL, NULL);
    if (rc == 0)
        rc = hg_births_kept(&v->births, v->number, rec->body.segment, rec->body.offset);
    else if (rc > 0) {
        v->next_id++;
        rc = hg_births_kept(&v->births, v->number, place.segment, place.offset);
        if (rc >= 0)
            rc = hg_births_rebase(&v->births, v->number, bytes, len, lost_delta, v);
        if (rc == 0)
            rc = put_list(v, bytes, len, place.segment);
        if (rc >= 0)
            rc = hg_body_decode(body->data, body->len, &head);
        if (rc >= 0) {
            body->len = head.records_at;
            rc = hg_rec_body(body, &place, hg_hash64(bytes, len), NULL);
        }
    }
    hg_image_release(&m);
    return rc;
}

/* The commit's body, as it will stand at body_start in the segment being written. */
static int rebase_body(struct salvage *v, const struct found *c, uint64_t body_start,
                       struct hg_buf *body)
{
    struct hg_body head = { 0 };
    struct hg_record rec;

    v->number = c->number;
    int rc = hg_body_decode(body->data, body->len, &head);
    if (rc >= 0)
        rc = hg_rec_decode(body->data + head.records_at, body->len - head.records_at,
                           head.records_at, &rec);
    if (rc < 0)
        return rc;
    if (rec.type == HG_REC_BODY)
        return rebase_list(v, &rec, body);
    rc = hg_births_kept(&v->births, c->number, v->id, body_start);
    return rc < 0 ? rc
                  : hg_births_rebase(&v->births, c->number, body->data, body->len, lost_delta, v);
}

/* Below all that the log has told. */
static int put_first_horizon(struct salvage *v)
{
    struct hg_buf body = { 0 };
    int rc = hg_body_begin(&body, v->link.time_ns, NULL, 0);

    if (rc >= 0)
        rc = hg_rec_retention(&body, 1, NULL);
    if (rc >= 0)
        rc = put_frame(v, HG_FRAME_SYSTEM, body.data, body.len, 1, v->link.number);
    hg_buf_release(&body);
    return rc;
}

/* A segment that has room for so many bytes, of commits from `number` on. */
static int make_room(struct salvage *v, uint64_t number, uint32_t len)
{
    int rc = HOLOG_OK;

    if (v->id != 0 &&
        (number != v->link.number + 1 || v->header.capacity - HG_ALIGN8(v->out.len) < len))
        rc = finish_segment(v);
    if (rc < 0 || v->id != 0)
        return rc;
    rc = begin_segment(v, number);
    if (rc >= 0 && v->pred == SIZE_MAX && v->n_settings > 0)
        rc = put_frame(v, HG_FRAME_SYSTEM, v->settings.data, v->settings.len, v->n_settings,
                       v->link.number);
    if (rc >= 0 && v->pred == SIZE_MAX && (v->features & HG_FEATURE_VERSIONS) != 0)
        rc = put_first_horizon(v);
    return rc;
}

static int put_found(struct salvage *v, const struct found *c)
{
    int is_commit = c->type == HG_FRAME_COMMIT;
    int rc = load_source(v, c->segment);

    if (rc >= 0)
        rc = make_room(v, is_commit ? c->number : v->link.number + 1, c->len);
    v->body.len = 0;
    if (rc >= 0)
        rc = hg_buf_append(&v->body, v->source.data + c->offset + HG_FRAME_HEADER_SIZE,
                           c->len - HG_FRAME_HEADER_SIZE);
    if (rc >= 0 && is_commit)
        rc = rebase_body(v, c, HG_ALIGN8(v->out.len) + HG_FRAME_HEADER_SIZE, &v->body);
    if (rc != 0)
        return rc;
    if (!is_commit) /* it repeats what is before it */
        hg_put_le64(v->body.data, v->link.time_ns);
    return put_frame(v, (enum hg_frame_type)c->type, v->body.data, v->body.len, c->nrec,
                     is_commit ? c->number : v->link.number);
}

static int write_all(struct salvage *v)
{
    const struct found *c = (const struct found *)(const void *)v->commits.data;
    size_t n = v->commits.len / sizeof *c;
    int rc = HOLOG_OK;

    v->next_id = HG_MAX(v->r->plan.super.next_segment, v->r->plan.list.id_max + 1);
    hg_births_sort(&v->births);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = put_found(v, &c[i]);
    return rc == 0 ? finish_segment(v) : rc;
}

/* V2, V3. */
static int exchange(struct salvage *v)
{
    struct hg_io *io = v->r->io;
    const struct hg_listing *l = &v->r->plan.list;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc >= 0 && i < v->n_done; i++) {
        char tmp[HG_FILE_NAME_MAX];
        char name[HG_FILE_NAME_MAX];
        hg_segment_tmp_name(tmp, v->done[i].id);
        hg_segment_name(name, v->done[i].id, (enum hg_segment_kind)v->done[i].kind);
        rc = io->ops->rename(io, tmp, name);
    }
    if (rc >= 0)
        rc = io->ops->sync_dir(io, HG_SEG_DIR);
    if (rc >= 0)
        rc = hg_quarantine_dir(io);
    /* The newest first, one by one: a delta in an old segment that is left finds what it changes in
     * those before it. */
    for (size_t i = l->n; rc >= 0 && i > 0; i--) {
        if (l->e[i - 1].s.kind != HG_KIND_FRAMES)
            continue;
        rc = hg_quarantine_move(io, &l->e[i - 1].s, v->r->highest);
        if (rc >= 0)
            rc = hg_repair_sync_dirs(io);
    }
    return rc;
}

/* V4. */
static int name_new_chain(struct salvage *v)
{
    struct hg_super s = v->r->plan.super;
    const struct hg_log_segment *last = v->pred != SIZE_MAX ? &v->done[v->pred] : NULL;

    s.active_segment = last == NULL ? 0 : last->id;
    s.floor = last == NULL ? 0 : hg_pos_make(last->id, (uint32_t)HG_ALIGN8(last->used));
    s.floor_number = v->r->report.kept_through_number;
    s.next_segment = v->next_id;
    s.feat_incompat |= v->features;
    s.state = HG_SUPER_OPEN;
    return hg_repair_write_super(v->r->io, &s);
}

static int salvage_all(struct salvage *v)
{
    struct hg_plan *p = &v->r->plan;
    int rc = HOLOG_OK;

    for (size_t i = hg_listing_next_log(&p->list, 0); rc == 0 && i < p->list.n;
         i = hg_listing_next_log(&p->list, i + 1)) {
        rc = search_segment(v, i);
        v->r->report.quarantined_bytes += p->list.e[i].s.file_size;
    }
    if (rc == 0)
        rc = order_commits(v);
    if (rc == 0)
        rc = report_losses(v);
    if (rc == 0)
        rc = write_all(v);
    if (rc != 0 || v->r->dry_run)
        return rc;
    rc = exchange(v);
    return rc >= 0 ? name_new_chain(v) : rc;
}

/* An EDIT was found, or what one has brought. */
static int was_compacted(const struct hg_plan *p)
{
    int any = p->edits.removed.len > 0 || p->edits.cold.len > 0;

    for (size_t i = 0; i < p->list.n; i++)
        any |= p->list.e[i].s.kind == HG_KIND_HWP;
    return any;
}

int hg_repair_salvage(struct hg_repairer *r)
{
    struct salvage v = { .r = r, .source_at = SIZE_MAX, .pred = SIZE_MAX };
    struct hg_plan *p = &r->plan;

    p->mode = HG_RECOVER_POINT_IN_TIME; /* it ends at damage, and says whether there is any */
    p->deep = 1;
    int rc = hg_plan_make(p);
    if (rc >= 0)
        rc = hg_repair_check_names(p);
    if (rc >= 0 && !r->dry_run)
        rc = hg_plan_may_write(p);
    if (rc < 0)
        return rc;
    r->highest = p->highest;
    r->report.kept_through_number = p->link.number;
    if (!p->damaged && p->super_rc == HOLOG_OK)
        return HOLOG_OK;
    if (p->extents.edits != NULL && !was_compacted(p))
        p->extents.edits = NULL; /* declared ahead, and never used */
    if (p->extents.edits != NULL)
        return hg_error(HOLOG_E_NOTSUP,
                        "salvage does not know compressed segments yet, and there are such: "
                        "--mode point-in-time does");
    r->report.changed = 1;
    hg_image_release(&p->buf);
    if (p->super_rc < 0)
        hg_repair_guess_super(&p->list, &p->super);
    rc = salvage_all(&v);
    hg_image_release(&v.source);
    hg_buf_release(&v.commits);
    hg_buf_release(&v.settings);
    hg_buf_release(&v.body);
    hg_births_release(&v.births);
    hg_buf_release(&v.numbers);
    hg_buf_release(&v.out);
    hg_footer_builder_destroy(v.footer);
    hg_free(v.done);
    return rc;
}
