/*
 * Verify, one frame segment: the walk that goes on behind damage, and what frames name.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "wal/verify_internal.h"

/* ---- reporting ------------------------------------------------------------------------------- */

int hg_verify_report(struct hg_verifier *v, struct hg_damage_found *d, const char *fmt, ...)
{
    va_list args;
    int rc;

    va_start(args, fmt);
    (void)vsnprintf(d->message, sizeof d->message, fmt, args); /* cut to fit */
    va_end(args);
    rc = v->each == NULL ? HOLOG_OK : v->each(v->ctx, d);
    if (!d->harmless)
        v->damages++;
    return rc;
}

struct hg_damage_found hg_verify_in_segment(const struct hg_log_segment *s, uint64_t offset,
                                            int harmless)
{
    struct hg_damage_found d = { .segment = s->id, .offset = offset, .harmless = harmless };
    hg_segment_name(d.file, s->id, s->kind);
    return d;
}

int hg_verify_is_finding(int rc)
{
    return rc == HOLOG_E_CORRUPT || rc == HOLOG_E_IO; /* a later version is no damage */
}

int hg_verify_report_detail(struct hg_verifier *v, const struct hg_log_segment *s,
                            struct hg_damage_found *d)
{
    struct holog_error_detail e;

    hg_error_get(&e);
    if (e.has_position && e.segment != s->id) {
        const struct hg_listed *other = hg_listing_find(&v->list, e.segment);
        hg_segment_name(d->file, e.segment, other != NULL ? other->s.kind : HG_KIND_EXTENTS);
        d->segment = e.segment;
    }
    if (e.has_position)
        d->offset = e.offset;
    return hg_verify_report(v, d, "%.240s", e.message);
}

int hg_verify_report_error(struct hg_verifier *v, const struct hg_log_segment *s, uint64_t offset,
                           const char *path, size_t path_len, uint64_t number)
{
    struct hg_damage_found d = hg_verify_in_segment(s, offset, 0);

    d.first_number = d.last_number = number;
    (void)snprintf(d.path, sizeof d.path, "%.*s", (int)HG_MIN(path_len, sizeof d.path - 1),
                   path != NULL ? path : "");
    return hg_verify_report_detail(v, s, &d);
}

/* ---- records --------------------------------------------------------------------------------- */

struct frame_check {
    struct hg_verifier *v;
    const struct hg_log_segment *s;
    uint64_t number;
    uint32_t records;
};

static int check_value(const struct hg_record *r)
{
    if (hg_hash_matches(r->hash.lo, hg_hash64(r->value, (size_t)r->value_len)))
        return HOLOG_OK;
    return hg_corrupt(r->segment, r->offset, "a value fails its hash, its frame does not");
}

static int note_listed(struct hg_verifier *v, const struct hg_record *r)
{
    struct hg_segment_entry e;
    size_t at = 0;
    int rc;

    if (v->contained)
        return HOLOG_OK; /* what was there then may have gone since */
    while ((rc = hg_rec_segments_next(r, &at, &e)) == HOLOG_OK) {
        rc = hg_edits_listed(&v->edits, &e);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int check_record(void *ctx, const struct hg_record *r)
{
    struct frame_check *c = ctx;
    struct hg_image m = { 0 };
    const uint8_t *body = NULL;
    int rc = HOLOG_OK;

    c->records++;
    if (r->value != NULL && r->type != HG_REC_CONFIG)
        rc = check_value(r);
    else if (r->type == HG_REC_SEGMENTS)
        rc = note_listed(c->v, r);
    else if (r->type == HG_REC_EDIT)
        rc =
            c->v->contained ? hg_edits_removals(&c->v->edits, r) : hg_edits_record(&c->v->edits, r);
    else if (r->n_pieces > 0)
        rc = hg_extent_verify_pieces(&c->v->extents, r);
    else if (r->type == HG_REC_BODY && r->segment == c->s->id)
        rc = hg_extent_body(&c->v->extents, r, &m, &body);
    if (rc >= 0 && body != NULL) {
        struct frame_check inner = *c;
        rc = hg_body_each(body, (size_t)r->body.len, r->body.segment, r->body.offset, check_record,
                          &inner, NULL);
        hg_image_release(&m);
    }
    if (rc == 0)
        rc = hg_rec_check_declared(r, c->s->header.feat_incompat);
    if (rc < 0 && hg_verify_is_finding(rc))
        return hg_verify_report_error(c->v, c->s, r->offset, r->path, r->path_len, c->number);
    return rc;
}

static int check_frame(struct hg_verifier *v, const struct hg_log_segment *s,
                       const struct hg_walk *w)
{
    struct frame_check c = { .v = v, .s = s, .number = w->f.number };

    int rc = hg_buf_append_le64(&v->heads, w->f.head_hash);
    if (rc < 0)
        return rc;
    if (w->gap_at != 0) {
        struct hg_damage_found d = hg_verify_in_segment(s, w->gap_at, 1);
        rc = hg_verify_report(v, &d, "bytes between two frames are not zero");
    }
    if (rc == 0 && (v->flags & HOLOG_VERIFY_QUICK) == 0)
        rc = hg_body_each(w->body, w->body_len, s->id, (uint64_t)w->offset + HG_FRAME_HEADER_SIZE,
                          check_record, &c, NULL);
    if (rc < 0 && hg_verify_is_finding(rc))
        return hg_verify_report_error(v, s, w->offset, NULL, 0, w->f.number);
    if (rc == 0 && (v->flags & HOLOG_VERIFY_QUICK) == 0 && c.records != w->f.nrec) {
        struct hg_damage_found d = hg_verify_in_segment(s, w->offset, 0);
        rc =
            hg_verify_report(v, &d, "the frame says %u records and holds %u", w->f.nrec, c.records);
    }
    return rc;
}

/* ---- frames of one segment ------------------------------------------------------------------- */

/* Go on at the next frame that verifies by itself. 0: there is none. */
static int resync(struct hg_walk *w)
{
    struct hg_frame f;
    uint32_t at = hg_scan_frame(w->header, w->image, w->bad_at + 8, w->to, &f);

    if (at == 0)
        return 0;
    w->next = at;
    w->end = at;
    w->commits = 0;
    w->link = (struct hg_link){ .len = f.prev_len,
                                .hash = f.prev_hash,
                                .number = f.type == HG_FRAME_COMMIT ? f.number - 1 : f.number };
    return 1;
}

static int report_break(struct hg_verifier *v, const struct hg_log_segment *s, struct hg_walk *w,
                        int walked, int *out_again)
{
    struct hg_damage_found d = hg_verify_in_segment(s, w->bad_at, 0);
    char why[160] = "frames are missing here";
    struct holog_error_detail e;

    hg_error_get(&e);
    if (walked < 0)
        (void)snprintf(why, sizeof why, "%.150s", e.message);
    else if (w->why != NULL)
        (void)snprintf(why, sizeof why, "%.150s", w->why);
    d.first_number = w->link.number + 1;
    *out_again = resync(w);
    d.last_number = *out_again ? HG_MAX(w->link.number, d.first_number) : 0;
    if (!*out_again)
        d.first_number = 0;
    return hg_verify_report(v, &d, "%s%s", why,
                            *out_again ? "" : "; nothing behind it in this segment verifies");
}

/* The end of a segment that nothing closes: a torn tail, or damage below the floor? */
static int judge_tail(struct hg_verifier *v, const struct hg_log_segment *s, struct hg_walk *w,
                      int *out_damaged)
{
    struct hg_behind b;
    hg_pos end = hg_pos_make(s->id, (uint32_t)w->next);

    hg_scan_behind(&s->header, w->image, w->next, w->to, &b);
    hg_pos floor = HG_MAX(HG_MAX(w->floor, b.floor), v->known);
    *out_damaged = floor > end && (!v->contained || b.frames > 0);
    if (*out_damaged || b.nonzero == 0)
        return HOLOG_OK;
    struct hg_damage_found d = hg_verify_in_segment(s, w->next, 1);
    if (v->contained)
        return hg_verify_report(v, &d, "%llu bytes behind the last frame that nobody speaks of",
                                (unsigned long long)b.nonzero);
    return hg_verify_report(v, &d,
                            "%llu bytes behind the last commit, never acknowledged: the next open "
                            "for writing cuts them",
                            (unsigned long long)b.nonzero);
}

/* As recovery has it: a commit behind the floor whose extent is not whole did not happen. *out_ends:
 * this one; the log ends before it. */
static int judge_extents(struct hg_verifier *v, const struct hg_log_segment *s,
                         const struct hg_walk *w, int *out_ends)
{
    struct hg_damage_found d = hg_verify_in_segment(s, w->offset, 1);

    *out_ends = 0;
    if (HG_ALIGN8(w->end) <= v->floor || (v->flags & HOLOG_VERIFY_QUICK) != 0)
        return HOLOG_OK;
    int rc = hg_extent_verify_body(&v->extents, w->body, w->body_len, s->id,
                                   (uint64_t)w->offset + HG_FRAME_HEADER_SIZE);
    if (rc != HOLOG_E_CORRUPT)
        return hg_verify_is_finding(rc) ? HOLOG_OK : rc; /* told by whoever looks at the frame */
    *out_ends = 1;
    return hg_verify_report(v, &d,
                            "a commit whose large value had not arrived, never acknowledged: the "
                            "next open for writing cuts it and what follows");
}

int hg_verify_walk(struct hg_verifier *v, const struct hg_listed *e, int end_known, uint64_t end,
                   const struct hg_image *m)
{
    uint64_t to = end_known ? HG_MIN(end, hg_image_end(m)) : hg_image_end(m);
    struct hg_walk w;

    v->heads.len = 0;
    v->broken = 0;
    hg_walk_begin(&w, &e->s.header, m, to, &v->link);
    for (;;) {
        int again = 0;
        int damaged = 1;
        int walked = hg_walk_next(&w);
        if (walked > 0) {
            int ends = 0;
            int rc = judge_extents(v, &e->s, &w, &ends);
            if (rc == 0 && !ends)
                rc = check_frame(v, &e->s, &w);
            if (rc != 0 || ends)
                return rc;
            v->end = w.end;
            v->link = w.link;
            continue;
        }
        if (walked < 0 && !hg_verify_is_finding(walked))
            return walked;
        if (end_known && w.next == HG_ALIGN8(end))
            return HOLOG_OK;
        int rc = end_known ? HOLOG_OK : judge_tail(v, &e->s, &w, &damaged);
        if (rc != 0 || !damaged)
            return rc;
        v->broken = 1;
        rc = report_break(v, &e->s, &w, walked, &again);
        if (rc != 0 || !again)
            return rc;
    }
}
