/*
 * Repair. The caller holds the lock. What is taken away goes to quarantine/ first.
 *
 * POINT_IN_TIME, in order:
 *   R1  what lies behind the first damage, in its segment, is copied to quarantine/, synced
 *   R2  later segments are moved there, the newest first, directories synced: until SUPER is
 *       written the store stays one that refuses to open, and repair finds the same damage again
 *   R3  where files of a compaction are there, or missing, the log is to end with an EDIT that says
 *       so: SUPER is replaced, with a floor behind it, and it is written in the place of what is cut.
 *       The log must not be taken for one that ends before it: what it names would be left over
 *   R4  the segment is cut and sealed
 *   R5  SUPER is replaced, with a floor at the new end
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "wal/repair_internal.h"

#define SUPER_TMP HG_SUPER_NAME ".tmp"

int hg_repair_report(struct hg_repairer *r, struct hg_damage_found *d, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(d->message, sizeof d->message, fmt, args); /* cut to fit */
    va_end(args);
    return r->each == NULL ? HOLOG_OK : r->each(r->ctx, d);
}

/* ---- what is lost ---------------------------------------------------------------------------- */

static int lost_frame(struct hg_repairer *r, const struct hg_frame *f)
{
    r->highest = HG_MAX(r->highest, f->number);
    r->in_number = f->number;
    r->in_lost = f->type == HG_FRAME_COMMIT && r->is_lost(r, f->number);
    return 0;
}

static int lost_footer_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    HG_UNUSED(offset);
    HG_UNUSED(time_ns);
    return lost_frame(ctx, f);
}

static int lost_record(void *ctx, const struct hg_record *rec)
{
    struct hg_repairer *r = ctx;
    struct hg_damage_found d = { .segment = r->in->id,
                                 .offset = rec->offset,
                                 .first_number = r->in_number,
                                 .last_number = r->in_number };

    if (!r->in_lost || rec->path_len == 0)
        return 0;
    hg_segment_name(d.file, r->in->id, r->in->kind);
    (void)snprintf(d.path, sizeof d.path, "%.*s", (int)HG_MIN(rec->path_len, sizeof d.path - 1),
                   rec->path);
    r->report.entries_lost++;
    return hg_repair_report(r, &d, "this change is lost with its commit");
}

static int lost_in_frames(struct hg_repairer *r, const struct hg_log_segment *s)
{
    struct hg_image m = { 0 };
    char name[HG_FILE_NAME_MAX];
    struct hg_frame f;
    uint64_t at = HG_SEGMENT_HEADER_SIZE;

    hg_segment_name(name, s->id, s->kind);
    int rc = hg_image_read(r->io, name, 0, 0, HG_MIN(s->file_size, HG_LOG_FILE_MAX), &m);
    while (rc == 0 && (at = hg_scan_frame(&s->header, &m, at, hg_image_end(&m), &f)) != 0) {
        (void)lost_frame(r, &f); /* notes, never fails */
        rc = hg_body_each(m.data + at + HG_FRAME_HEADER_SIZE, f.len - HG_FRAME_HEADER_SIZE, s->id,
                          at + HG_FRAME_HEADER_SIZE, lost_record, r, NULL);
        if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_VERSION)
            rc = HOLOG_OK; /* lost, and not even its paths can be told */
        at = HG_ALIGN8(at + f.len);
    }
    hg_image_release(&m);
    return rc;
}

int hg_repair_lost_paths(struct hg_repairer *r, const struct hg_log_segment *s)
{
    const struct hg_footer_visitor v = { .ctx = r,
                                         .frame = lost_footer_frame,
                                         .record = lost_record };

    r->in = s;
    r->in_lost = 0;
    if (s->tail.chunks_at != 0) {
        int rc = hg_footer_load(r->io, 0, s, &v);
        if (rc != HOLOG_E_CORRUPT)
            return rc;
    }
    return lost_in_frames(r, s);
}

/* ---- SUPER ----------------------------------------------------------------------------------- */

void hg_repair_guess_super(const struct hg_listing *l, struct hg_super *s)
{
    uint64_t capacity = HG_SEGMENT_FIRST;

    s->generation = 1;
    s->created_ns = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct hg_listed *e = &l->e[i];
        if (e->header_rc == HOLOG_OK && e->s.kind == HG_KIND_BASE)
            s->feat_incompat |= e->s.header.feat_incompat;
        if (e->header_rc < 0 || e->s.kind != HG_KIND_FRAMES)
            continue;
        if (s->created_ns == 0)
            s->created_ns = e->s.header.created_ns;
        capacity = HG_MAX(capacity, e->s.header.capacity);
        s->feat_incompat |= e->s.header.feat_incompat;
    }
    s->segment_size_max = capacity > HG_SEGMENT_FIRST ? HG_SEGMENT_MAX : (uint32_t)capacity;
    s->segment_size_max = HG_MAX(s->segment_size_max, (uint32_t)HG_SEGMENT_MIN);
    s->extent_size_max = 256u << 20;
    s->inline_max = HG_INLINE_DEFAULT;
    s->space_amp_milli = 1500;
    s->probe_flags = 0;
}

/* A new file takes the place of the old one: no moment has one new slot and one with a floor that
 * is no longer there. */
int hg_repair_write_super(struct hg_io *io, struct hg_super *s)
{
    struct hg_file *f = NULL;

    int rc = io->ops->unlink(io, SUPER_TMP);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    rc = io->ops->open(io, SUPER_TMP, HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    for (int slot = 0; rc >= 0 && slot < 2; slot++) {
        s->generation++;
        rc = hg_super_write(f, s);
    }
    if (rc >= 0)
        rc = io->ops->fdatasync(f);
    rc = hg_close_keep(f, rc);
    if (rc >= 0)
        rc = io->ops->rename(io, SUPER_TMP, HG_SUPER_NAME);
    return rc >= 0 ? io->ops->sync_dir(io, "") : rc;
}

int hg_repair_sync_dirs(struct hg_io *io)
{
    int rc = io->ops->sync_dir(io, HG_QUARANTINE_DIR);
    return rc >= 0 ? io->ops->sync_dir(io, HG_SEG_DIR) : rc;
}

/* ---- point in time --------------------------------------------------------------------------- */

static int behind_kept(const struct hg_repairer *r, uint64_t number)
{
    return number > r->plan.link.number;
}

/* Frames behind the cut, and bases of them. */
static int is_dropped(const struct hg_plan *p, size_t i)
{
    const struct hg_listed *e = &p->list.e[i];

    if (e->s.kind == HG_KIND_FRAMES)
        return p->last == p->list.n || i > p->last;
    return hg_base_sound(e, &p->super) &&
           (p->last == p->list.n || hg_base_end(&e->s.header) > hg_plan_end(p));
}

static int report_losses(struct hg_repairer *r)
{
    struct hg_plan *p = &r->plan;
    struct hg_damage_found d = { .segment = p->damage.segment, .offset = p->damage.offset };
    int rc = HOLOG_OK;

    r->is_lost = behind_kept;
    r->highest = p->highest;
    for (size_t i = 0; rc == 0 && i < p->list.n; i++) {
        const struct hg_listed *e = &p->list.e[i];
        if ((i == p->last || is_dropped(p, i)) && e->header_rc == HOLOG_OK &&
            e->s.kind == HG_KIND_FRAMES)
            rc = hg_repair_lost_paths(r, &e->s);
    }
    if (p->damage.has_position)
        hg_segment_name(d.file, p->damage.segment, HG_KIND_FRAMES);
    else
        (void)snprintf(d.file, sizeof d.file, "%.47s", p->damage.path);
    if (r->highest > p->link.number) {
        r->report.lost_first_number = p->link.number + 1;
        r->report.lost_last_number = r->highest;
    }
    d.first_number = r->report.lost_first_number; /* 0, 0: no commit is lost */
    d.last_number = r->report.lost_last_number;
    return rc == 0 ? hg_repair_report(r, &d, "%.250s", p->damage.message) : rc;
}

static uint64_t dropped_bytes(const struct hg_plan *p)
{
    uint64_t n = p->behind.nonzero_end > 0 ? p->behind.nonzero_end - HG_ALIGN8(p->end) : 0;

    for (size_t i = 0; i < p->list.n; i++)
        n += is_dropped(p, i) ? p->list.e[i].s.file_size : 0;
    return n;
}

/* R1, R2. The copy is made even when it is empty: its name remembers the highest number. */
static int quarantine(struct hg_repairer *r)
{
    struct hg_plan *p = &r->plan;
    uint64_t copied = 0;
    int rc = hg_quarantine_dir(r->io);

    if (rc >= 0 && p->last < p->list.n) {
        uint64_t from = HG_ALIGN8(p->end);
        rc = hg_quarantine_copy(r->io, p->list.e[p->last].s.id, from,
                                HG_MAX(from, p->behind.nonzero_end), r->highest, &copied);
    }
    for (size_t i = p->list.n; rc >= 0 && i > 0; i--) {
        if (!is_dropped(p, i - 1))
            continue;
        rc = hg_quarantine_move(r->io, &p->list.e[i - 1].s, r->highest);
        if (rc >= 0)
            rc = hg_repair_sync_dirs(r->io);
    }
    return rc;
}

static struct hg_log_segment *last_kept(struct hg_plan *p)
{
    return p->last < p->list.n ? &p->list.e[p->last].s : NULL;
}

static int replace_super(struct hg_repairer *r, hg_pos floor)
{
    struct hg_plan *p = &r->plan;
    const struct hg_log_segment *last = last_kept(p);

    p->super.floor = floor;
    p->super.floor_number = p->link.number;
    p->super.active_segment = last == NULL ? 0 : last->id;
    p->super.next_segment = HG_MAX(p->super.next_segment, p->list.id_max + 1);
    p->super.state = HG_SUPER_OPEN;
    return hg_repair_write_super(r->io, &p->super);
}

/* R3. */
static int say_edits(struct hg_repairer *r, const struct hg_buf *edits)
{
    struct hg_log_segment *last = last_kept(&r->plan);

    if (last == NULL || edits->len == 0)
        return HOLOG_OK;
    int rc = replace_super(r, hg_repair_edits_end(&r->plan, edits));
    return rc < 0 ? rc : hg_repair_restate_edits(r, last, edits);
}

/* R4, R5. */
static int cut_and_seal(struct hg_repairer *r)
{
    struct hg_plan *p = &r->plan;
    struct hg_log_segment *last = last_kept(p);
    int rc = HOLOG_OK;

    if (last != NULL) {
        struct hg_recovered rec = { .segments = last,
                                    .n_segments = 1,
                                    .last_segment = last->id,
                                    .last_sealed = last->sealed,
                                    .end = p->end };
        rc = hg_recover_seal(r->io, &rec);
        if (rc == HOLOG_OK && !rec.last_sealed)
            rc = hg_error(HOLOG_E_NOSPC,
                          "no room for the footer of segment %u: free some space and repair again",
                          last->id);
    }
    return rc < 0 ? rc : replace_super(r, last == NULL ? 0 : hg_plan_end(p));
}

int hg_repair_check_names(const struct hg_plan *p)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc >= 0 && i < p->list.n; i++)
        rc = hg_plan_check_name(p, &p->list.e[i]);
    return rc;
}

/* What is kept and what goes is decided. */
static int make_changes(struct hg_repairer *r, const struct hg_buf *edits)
{
    struct hg_plan *p = &r->plan;
    int rc = HOLOG_OK;

    if (p->damaged) {
        rc = quarantine(r);
    } else if (p->cut && p->behind.frames > 0) { /* SUPER alone: the tail is cut as recovery does */
        rc = hg_quarantine_copy(r->io, p->list.e[p->last].s.id, HG_ALIGN8(p->end),
                                p->behind.nonzero_end, r->highest, &r->report.quarantined_bytes);
    }
    if (rc >= 0)
        rc = say_edits(r, edits);
    return rc < 0 ? rc : cut_and_seal(r);
}

int hg_repair_point_in_time(struct hg_repairer *r)
{
    struct hg_buf edits = { 0 };
    struct hg_plan *p = &r->plan;

    p->mode = HG_RECOVER_POINT_IN_TIME;
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
        return HOLOG_OK; /* a torn tail is no damage: the next open cuts it */
    rc = hg_repair_check_base(r);
    if (rc < 0)
        return rc;
    r->report.changed = 1;
    if (p->super_rc < 0) {
        struct hg_damage_found d = { .file = HG_SUPER_NAME };
        hg_repair_guess_super(&p->list, &p->super);
        rc = hg_repair_report(r, &d, "SUPER is lost: it is rebuilt from the segments");
    }
    if (rc == 0 && p->damaged) {
        rc = report_losses(r);
        r->report.quarantined_bytes = dropped_bytes(p);
    }
    if (rc == 0)
        rc = hg_repair_make_edits(r, last_kept(p), &edits);
    if (rc == 0 && !r->dry_run)
        rc = make_changes(r, &edits);
    hg_buf_release(&edits);
    return rc;
}

/* ---- both ------------------------------------------------------------------------------------ */

int hg_repair(struct hg_io *io, enum holog_repair_mode mode, int dry_run, hg_verify_cold_fn base,
              int (*each)(void *ctx, const struct hg_damage_found *d), void *ctx,
              holog_repair_report *out_report)
{
    struct hg_repairer r = { .io = io,
                             .dry_run = dry_run,
                             .base = base,
                             .each = each,
                             .ctx = ctx,
                             .plan = { .io = io },
                             .report = { .struct_size = out_report->struct_size } };
    int rc;

    if (mode != HOLOG_REPAIR_POINT_IN_TIME && mode != HOLOG_REPAIR_SALVAGE)
        return hg_error(HOLOG_E_INVAL, "repair knows no mode %d", (int)mode);
    r.plan.check_base = hg_repair_check_content;
    r.plan.check_ctx = &r;
    rc = mode == HOLOG_REPAIR_SALVAGE ? hg_repair_salvage(&r) : hg_repair_point_in_time(&r);
    hg_plan_release(&r.plan);
    if (rc == 0)
        *out_report = r.report;
    return rc;
}
