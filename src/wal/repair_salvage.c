/*
 * SALVAGE: every commit that verifies is kept, by writing all of them into a new chain of segments.
 * Bodies are copied as they are (their hashes are free of context), headers are new. Values in
 * extents stay where they are. Where commits are missing a new segment begins, since within one
 * their numbers go up by one.
 *
 *   V1  new segments are built as seg/<id>.tmp, each synced
 *   V2  they are renamed, seg/ is synced: from now on everything that is kept is there twice
 *   V3  the old ones are moved to quarantine/, directories synced
 *   V4  SUPER is replaced
 * Until V4 is over the store refuses to open (two chains, or one that SUPER does not know), and
 * salvage starts again from whatever is there: a commit that is found twice is taken once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/repair_internal.h"

struct found {
    uint64_t number;
    size_t segment; /* index in the list */
    uint32_t offset;
    uint32_t len;
    uint32_t nrec;
    uint64_t body_hash;
};

struct salvage {
    struct hg_repairer *r;
    struct hg_buf commits;  /* struct found */
    struct hg_buf settings; /* a body: CONFIG records of system frames */
    uint32_t n_settings;
    struct hg_buf numbers; /* u64, rising: kept */
    struct hg_image source;
    size_t source_at; /* index of the segment in `source`; SIZE_MAX = none */

    /* the segment being written */
    uint32_t first_id;
    uint32_t id; /* 0 = none */
    struct hg_segment_header header;
    struct hg_buf out;
    struct hg_footer_builder *footer;
    struct hg_link link;
    uint64_t end;
    struct hg_log_segment *done; /* new segments, finished */
    size_t n_done;
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

static int take_frame(struct salvage *v, size_t i, uint32_t offset, const struct hg_frame *f)
{
    const struct hg_log_segment *s = &v->r->plan.list.e[i].s;
    const uint8_t *body = v->source.data + offset + HG_FRAME_HEADER_SIZE;
    size_t len = f->len - HG_FRAME_HEADER_SIZE;
    uint64_t at = (uint64_t)offset + HG_FRAME_HEADER_SIZE;
    struct found c = { f->number, i, offset, f->len, f->nrec, f->body_hash };

    v->r->highest = HG_MAX(v->r->highest, f->number);
    int rc = f->type == HG_FRAME_COMMIT
                 ? hg_extent_verify_body(&v->r->plan.extents, body, len, s->id, at)
                 : hg_body_each(body, len, s->id, at, keep_setting, v, NULL);
    if (rc == HOLOG_E_CORRUPT)
        return HOLOG_OK; /* lost; its paths are listed with all others */
    if (rc != 0 || f->type != HG_FRAME_COMMIT)
        return rc;
    return hg_buf_append(&v->commits, &c, sizeof c);
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
    while ((at = hg_scan_frame(&e->s.header, &v->source, at, hg_image_end(&v->source), &f)) != 0) {
        rc = take_frame(v, i, (uint32_t)at, &f);
        if (rc != 0)
            return rc;
        at = HG_ALIGN8(at + f.len);
    }
    return HOLOG_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Sorts, and drops what was found twice. */
static int order_commits(struct salvage *v)
{
    struct found *c = (struct found *)(void *)v->commits.data;
    size_t n = v->commits.len / sizeof *c;
    size_t kept = 0;

    if (n > 1)
        qsort(c, n, sizeof *c, by_number);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && c[kept - 1].number == c[i].number)
            continue;
        c[kept++] = c[i];
    }
    v->commits.len = kept * sizeof *c;
    for (size_t i = 0; i < kept; i++) {
        int rc = hg_buf_append(&v->numbers, &c[i].number, sizeof c[i].number);
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
        .frame = hg_pos_make(v->id, at.offset), .len = f.len, .hash = f.head_hash, .number = number
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
        e[n++] = (struct hg_segment_entry){ v->done[i].id, HG_KIND_FRAMES, v->done[i].file_size };
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
    const struct hg_log_segment *pred = v->n_done > 0 ? &v->done[v->n_done - 1] : NULL;
    uint8_t block[HG_SEGMENT_HEADER_SIZE];

    v->header = (struct hg_segment_header){
        .kind = HG_KIND_FRAMES,
        .id = v->first_id + (uint32_t)v->n_done,
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

static int write_tmp(struct salvage *v)
{
    struct hg_io *io = v->r->io;
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;

    hg_segment_tmp_name(name, v->id);
    int rc = io->ops->unlink(io, name);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    rc = io->ops->open(io, name, HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    if (rc >= 0)
        rc = hg_io_write_full(f, v->out.data, v->out.len, 0, 0);
    if (rc >= 0)
        rc = io->ops->fdatasync(f);
    return hg_close_keep(f, rc);
}

/* V1, one segment. */
static int finish_segment(struct salvage *v)
{
    struct hg_footer_tail t = {
        .segment = v->id, .epoch = v->header.epoch, .salt = v->header.salt, .frames_end = v->end
    };

    if (v->id == 0)
        return HOLOG_OK;
    memcpy(t.uuid, v->header.uuid, sizeof t.uuid);
    struct hg_log_segment *grown = hg_realloc(v->done, (v->n_done + 1) * sizeof *v->done);
    if (grown == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    v->done = grown;
    int rc = hg_buf_append_zeros(&v->out, (size_t)(HG_ALIGN8(v->end) - v->end));
    if (rc >= 0)
        rc = hg_footer_finish(v->footer, &t, &v->out);
    hg_footer_builder_destroy(v->footer);
    v->footer = NULL;
    if (rc >= 0)
        rc = write_tmp(v);
    if (rc < 0)
        return rc;
    v->done[v->n_done++] = (struct hg_log_segment){ .id = v->id,
                                                    .kind = HG_KIND_FRAMES,
                                                    .header = v->header,
                                                    .file_size = v->out.len,
                                                    .used = v->end };
    v->id = 0;
    return HOLOG_OK;
}

static int put_commit(struct salvage *v, const struct found *c)
{
    int rc = load_source(v, c->segment);

    if (rc < 0)
        return rc;
    if (v->id != 0 &&
        (c->number != v->link.number + 1 || v->header.capacity - HG_ALIGN8(v->out.len) < c->len))
        rc = finish_segment(v);
    if (rc >= 0 && v->id == 0) {
        rc = begin_segment(v, c->number);
        if (rc >= 0 && v->n_done == 0 && v->n_settings > 0)
            rc = put_frame(v, HG_FRAME_SYSTEM, v->settings.data, v->settings.len, v->n_settings,
                           v->link.number);
    }
    if (rc < 0)
        return rc;
    return put_frame(v, HG_FRAME_COMMIT, v->source.data + c->offset + HG_FRAME_HEADER_SIZE,
                     c->len - HG_FRAME_HEADER_SIZE, c->nrec, c->number);
}

static int write_all(struct salvage *v)
{
    const struct found *c = (const struct found *)(const void *)v->commits.data;
    size_t n = v->commits.len / sizeof *c;
    int rc = HOLOG_OK;

    v->first_id = HG_MAX(v->r->plan.super.next_segment, v->r->plan.list.id_max + 1);
    for (size_t i = 0; rc >= 0 && i < n; i++)
        rc = put_commit(v, &c[i]);
    return rc >= 0 ? finish_segment(v) : rc;
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
        hg_segment_name(name, v->done[i].id, HG_KIND_FRAMES);
        rc = io->ops->rename(io, tmp, name);
    }
    if (rc >= 0)
        rc = io->ops->sync_dir(io, HG_SEG_DIR);
    if (rc >= 0)
        rc = hg_quarantine_dir(io);
    for (size_t i = hg_listing_next_log(l, 0); rc >= 0 && i < l->n;
         i = hg_listing_next_log(l, i + 1))
        rc = hg_quarantine_move(io, &l->e[i].s, v->r->highest);
    return rc >= 0 ? hg_repair_sync_dirs(io) : rc;
}

/* V4. */
static int name_new_chain(struct salvage *v)
{
    struct hg_super s = v->r->plan.super;
    const struct hg_log_segment *last = v->n_done > 0 ? &v->done[v->n_done - 1] : NULL;

    s.active_segment = last == NULL ? 0 : last->id;
    s.floor = last == NULL ? 0 : hg_pos_make(last->id, (uint32_t)HG_ALIGN8(last->used));
    s.floor_number = v->r->report.kept_through_number;
    s.next_segment = v->first_id + (uint32_t)v->n_done;
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
    if (rc != 0 || v->r->dry_run)
        return rc;
    rc = write_all(v);
    if (rc >= 0)
        rc = exchange(v);
    return rc >= 0 ? name_new_chain(v) : rc;
}

int hg_repair_salvage(struct hg_repairer *r)
{
    struct salvage v = { .r = r, .source_at = SIZE_MAX };
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
    r->report.changed = 1;
    hg_image_release(&p->buf);
    if (p->super_rc < 0)
        hg_repair_guess_super(&p->list, &p->super);
    rc = salvage_all(&v);
    hg_image_release(&v.source);
    hg_buf_release(&v.commits);
    hg_buf_release(&v.settings);
    hg_buf_release(&v.numbers);
    hg_buf_release(&v.out);
    hg_footer_builder_destroy(v.footer);
    hg_free(v.done);
    return rc;
}
