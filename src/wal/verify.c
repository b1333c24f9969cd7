/*
 * Verify: every byte that means something is read and checked, every damage is reported, and the
 * search goes on behind it. Nothing is written.
 *
 * Frame segments are walked in order. Where the walk breaks before the segment's known end, the
 * damage is reported and the walk goes on at the next frame that verifies by itself. A tail that no
 * floor covers is no damage: the next open for writing cuts it, and the report says so.
 *
 * A writer may be at work. SUPER is read before seg/ is listed, names before headers: what either
 * speaks of is there by then. The segment that is being written is verified up to the highest floor
 * that is found in it: what lies before that was final when it is read again, what lies behind is
 * not judged.
 */
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/ctl.h"
#include "wal/verify_internal.h"

#define SUPER_READS 3

/* ---- SUPER ----------------------------------------------------------------------------------- */

/* A slot that was never written is all zeros, or the file ends before it. */
static int slot_is_empty(struct hg_verifier *v, int slot, int *out_empty)
{
    uint64_t at = (uint64_t)slot * HG_SUPER_SLOT_SIZE;
    struct hg_image m = { 0 };

    int rc = hg_image_read(v->io, HG_SUPER_NAME, 0, at, at + HG_SUPER_SLOT_SIZE, &m);
    if (rc < 0)
        return rc;
    *out_empty = hg_is_zero(m.data, (size_t)m.len);
    hg_image_release(&m);
    return HOLOG_OK;
}

static int any_frame_segment(const struct hg_verifier *v)
{
    return hg_listing_next_log(&v->list, 0) < v->list.n;
}

/* A slot that is being written looks like a bad one: it is looked at more than once. */
static void read_super(struct hg_verifier *v)
{
    for (int i = 0; i < SUPER_READS; i++) {
        v->super_rc = hg_super_read(v->io, &v->super, &v->slots);
        int torn = v->super_rc == HOLOG_OK ? v->slots.rc[1 - v->slots.best] < 0
                                           : v->super_rc == HOLOG_E_CORRUPT;
        if (!torn)
            break;
    }
    hg_error_get(&v->super_error);
    if (v->super_rc < 0)
        memset(&v->super, 0, sizeof v->super);
}

static int verify_super(struct hg_verifier *v)
{
    struct hg_damage_found d = { .file = HG_SUPER_NAME, .harmless = 1 };
    int empty = 0;

    if (v->super_rc == HOLOG_E_NOENT && !any_frame_segment(v))
        return hg_error(HOLOG_E_NOTSTORE, "%s: no store here: there is no SUPER and no segment",
                        v->io->root);
    if (v->super_rc < 0) {
        d.harmless = 0;
        if (v->super_rc != HOLOG_E_NOENT && !hg_verify_is_finding(v->super_rc)) {
            hg_error_set(&v->super_error);
            return v->super_rc;
        }
        if (v->super_rc == HOLOG_E_IO) /* repair cannot read it either */
            return hg_verify_report(v, &d, "%.200s", v->super_error.message);
        return hg_verify_report(v, &d, "SUPER is lost, holog repair rebuilds it: %.160s",
                                v->super_error.message);
    }
    int other = 1 - v->slots.best;
    if (v->slots.rc[other] == HOLOG_OK)
        return HOLOG_OK;
    int rc = slot_is_empty(v, other, &empty);
    if (rc < 0 || (empty && v->super.generation <= 2))
        return rc;
    d.offset = (uint64_t)other * HG_SUPER_SLOT_SIZE;
    return hg_verify_report(v, &d,
                            "slot %d is not valid; if it was the newer one, less of the log's end "
                            "is known durable",
                            other);
}

/* ---- segments -------------------------------------------------------------------------------- */

static int seen_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    HG_UNUSED(f);
    HG_UNUSED(offset);
    HG_UNUSED(time_ns);
    ++*(uint64_t *)ctx;
    return 0;
}

static int seen_record(void *ctx, const struct hg_record *r)
{
    HG_UNUSED(ctx);
    HG_UNUSED(r);
    return 0;
}

/* Sets e->s.sealed by the whole footer. A footer that should be there and is not is harmless. */
static int verify_footer(struct hg_verifier *v, struct hg_listed *e, int must_be)
{
    uint64_t frames = 0;
    const struct hg_footer_visitor see = { .ctx = &frames,
                                           .frame = seen_frame,
                                           .record = seen_record };
    struct hg_damage_found d = hg_verify_in_segment(&e->s, e->s.file_size, 1);

    if (!e->s.sealed)
        return must_be
                   ? hg_verify_report(v, &d, "there is no valid footer; frames are read instead")
                   : HOLOG_OK;
    int rc = hg_footer_load(v->io, v->extents.flags, &e->s, &see);
    if (rc >= 0 || !hg_verify_is_finding(rc))
        return rc;
    e->s.sealed = 0;
    d.offset = e->s.tail.chunks_at;
    return hg_verify_report(v, &d, "the footer is damaged; frames are read instead");
}

static int check_header(struct hg_verifier *v, const struct hg_listed *e)
{
    const struct hg_segment_header *h = &e->s.header;
    /* Of an extent segment the header says nothing that the frames do not. */
    struct hg_damage_found d =
        hg_verify_in_segment(&e->s, 0,
                             e->s.kind == HG_KIND_EXTENTS ||
                                 (e->s.kind == HG_KIND_BASE && v->dispensable));
    char advice[HG_ADVICE_MAX];

    if (e->header_rc == HOLOG_E_VERSION)
        return hg_error(e->header_rc, "%s", e->why);
    if (hg_listing_misnamed(&v->list, e, v->super_rc == HOLOG_OK ? &v->super : NULL, advice)) {
        d.harmless = 0;
        return hg_verify_report(v, &d, "%s", advice);
    }
    if (e->header_rc < 0)
        return hg_verify_report(v, &d, "%s", e->why);
    if (v->super_rc < 0 ||
        (memcmp(h->uuid, v->super.uuid, sizeof h->uuid) == 0 && h->salt == v->super.salt))
        return HOLOG_OK;
    return hg_verify_report(v, &d, "the segment belongs to another store");
}

/* From a header, which verifies, the walk can start even when what was before is lost. */
static void begin_at_header(struct hg_verifier *v, const struct hg_segment_header *h)
{
    v->link = (struct hg_link){ .frame = hg_pos_make(h->pred_id, 0),
                                .len = h->pred_last_len,
                                .hash = h->pred_last_hash,
                                .number = h->pred_number,
                                .unknown = h->pred_last_len == 0 };
}

/* The segment before e, as e's header has it. */
static int verify_join(struct hg_verifier *v, const struct hg_listed *e)
{
    const struct hg_segment_header *h = &e->s.header;
    const struct hg_log_segment *before = v->last < v->list.n ? &v->list.e[v->last].s : NULL;
    struct hg_damage_found d = hg_verify_in_segment(&e->s, 224, 0);
    int rc = HOLOG_OK;

    if (before != NULL && !v->broken && h->pred_id == before->id &&
        h->pred_epoch == before->header.epoch && h->pred_number == v->link.number)
        return HOLOG_OK;
    if (before == NULL && h->pred_id == 0)
        return HOLOG_OK;
    if (hg_listing_find(&v->list, h->pred_id) == NULL && h->pred_id != 0) {
        hg_segment_name(d.file, h->pred_id, HG_KIND_FRAMES);
        d.segment = h->pred_id;
        d.offset = 0;
        d.last_number = h->pred_number;
        rc = hg_verify_report(v, &d, "the file is missing: segment %08x follows it", e->s.id);
    } else if (before != NULL && !v->broken) {
        rc = hg_verify_report(v, &d, "segment %08x does not follow segment %08x", e->s.id,
                              before->id);
    }
    begin_at_header(v, h);
    return rc;
}

/* Do all frames, in order, have the hashes that the footer remembers? */
static int compare_footer(struct hg_verifier *v, const struct hg_listed *e)
{
    struct hg_damage_found d = hg_verify_in_segment(&e->s, e->s.tail.chunks_at, 0);

    if (!e->s.sealed || v->broken)
        return HOLOG_OK;
    if (e->s.tail.frames == v->heads.len / 8 &&
        hg_hash_matches(e->s.tail.heads_hash, hg_hash64(v->heads.data, v->heads.len)))
        return HOLOG_OK;
    return hg_verify_report(v, &d, "the footer describes other frames than are here");
}

/* The bytes that align the footer. */
static int verify_padding(struct hg_verifier *v, const struct hg_listed *e,
                          const struct hg_image *m)
{
    uint64_t stop = HG_ALIGN8(v->end);
    uint64_t at = hg_image_nonzero(m, v->end, stop);
    struct hg_damage_found d = hg_verify_in_segment(&e->s, at, 1);

    return at >= stop ? HOLOG_OK
                      : hg_verify_report(v, &d, "bytes behind the last frame are not zero");
}

static int read_frames(struct hg_verifier *v, const struct hg_listed *e, uint64_t end)
{
    char name[HG_FILE_NAME_MAX];
    size_t index = (size_t)(e - v->list.e);
    int rc = HOLOG_OK;

    end = HG_MIN(end, HG_LOG_FILE_MAX);
    if (!hg_ahead_take(v, index, end, &v->image)) {
        hg_segment_name(name, e->s.id, e->s.kind);
        rc = hg_image_read(v->io, name, v->extents.flags, 0, end, &v->image);
    }
    return rc < 0 ? rc : hg_ahead_start(v, index);
}

/* The end of what anybody has called durable so far, as far as this segment goes. */
static uint64_t durable_end(const struct hg_verifier *v, const struct hg_listed *e,
                            const struct hg_image *m)
{
    struct hg_behind b;

    hg_scan_behind(&e->s.header, m, HG_SEGMENT_HEADER_SIZE, hg_image_end(m), &b);
    hg_pos floor = HG_MAX(b.floor, v->known);
    return hg_pos_segment(floor) == e->s.id ? hg_pos_offset(floor) : HG_SEGMENT_HEADER_SIZE;
}

static int verify_frames(struct hg_verifier *v, const struct hg_listed *e, int end_known,
                         uint64_t end)
{
    int rc = read_frames(v, e, end_known ? end : e->s.file_size);
    if (rc >= 0 && !end_known && !v->contained) {
        rc = hg_writer_alive(v->io, &v->live);
        if (rc < 0)
            return rc;
        if (v->live) {
            end = durable_end(v, e, &v->image);
            end_known = 1;
            rc = read_frames(v, e, end);
        }
    }
    v->floor = rc >= 0 && !end_known && !v->contained ? durable_end(v, e, &v->image) : UINT64_MAX;
    if (rc < 0 && hg_verify_is_finding(rc)) {
        v->broken = 1;
        return hg_verify_report_error(v, &e->s, 0, NULL, 0, 0);
    }
    if (rc < 0)
        return rc;
    rc = hg_verify_walk(v, e, end_known, end, &v->image);
    if (rc == 0 && end_known && !v->broken)
        rc = verify_padding(v, e, &v->image);
    return rc == 0 ? compare_footer(v, e) : rc;
}

static void take_tail(struct hg_verifier *v, const struct hg_listed *e)
{
    const struct hg_footer_tail *t = &e->s.tail;

    v->end = t->frames_end;
    v->broken = 0;
    if (t->frames != 0)
        v->link = (struct hg_link){ .frame = hg_pos_make(e->s.id, 0),
                                    .len = (uint32_t)t->last_len,
                                    .hash = t->last_hash,
                                    .number = t->last_number };
}

/* The next frame segment, when its header is a witness of how e ended. */
static const struct hg_segment_header *witness_of(const struct hg_verifier *v, size_t i)
{
    size_t next = hg_listing_next_log(&v->list, i + 1);

    if (next >= v->list.n || v->list.e[next].header_rc < 0 ||
        v->list.e[next].s.header.pred_id != v->list.e[i].s.id)
        return NULL;
    return &v->list.e[next].s.header;
}

static int verify_segment(struct hg_verifier *v, size_t i)
{
    struct hg_listed *e = &v->list.e[i];
    int has_later = hg_listing_next_log(&v->list, i + 1) < v->list.n;
    const struct hg_segment_header *next = witness_of(v, i);

    if (i > 0 && v->list.e[i - 1].s.id == e->s.id) {
        struct hg_damage_found d = hg_verify_in_segment(&e->s, 0, 0);
        int rc2 = hg_verify_report(v, &d, "two files carry this segment id");
        if (rc2 != 0)
            return rc2;
    }
    int rc = check_header(v, e);
    if (rc != 0 || e->s.kind != HG_KIND_FRAMES)
        return rc;
    if (e->header_rc < 0) {
        v->last = v->list.n;
        v->broken = 1;
        return HOLOG_OK;
    }
    if (v->begin.base < v->list.n && i <= v->begin.first)
        begin_at_header(v, &e->s.header); /* what is before may have gone */
    else
        rc = verify_join(v, e);
    if (rc == 0)
        rc = verify_footer(v, e, has_later);
    if (rc != 0)
        return rc;
    v->end = HG_SEGMENT_HEADER_SIZE;
    v->last = i;
    v->contained = i < v->begin.first;
    int end_known = next != NULL || e->s.sealed;
    uint64_t end = next != NULL ? next->pred_end : e->s.tail.frames_end;
    if ((v->flags & HOLOG_VERIFY_QUICK) != 0 && e->s.sealed && end == e->s.tail.frames_end) {
        take_tail(v, e);
        return HOLOG_OK;
    }
    rc = verify_frames(v, e, end_known, end);
    if (rc != HOLOG_E_NOENT || !v->live)
        return rc;
    v->last = v->list.n; /* the writer has removed it */
    return HOLOG_OK;
}

/* Segments that SUPER knows of and that are not there. */
static int verify_end(struct hg_verifier *v)
{
    uint32_t last = 0;
    struct hg_damage_found d = { .harmless = 0 };

    for (size_t i = 0; i < v->list.n; i++) {
        if (v->list.e[i].s.kind == HG_KIND_FRAMES)
            last = v->list.e[i].s.id;
    }
    uint32_t needed = HG_MAX(v->super.active_segment, hg_pos_segment(v->known));
    if (needed <= last)
        return HOLOG_OK;
    d.segment = needed;
    hg_segment_name(d.file, needed, HG_KIND_FRAMES);
    return hg_verify_report(v, &d, "the file is missing: %s names it",
                            v->super_rc >= 0 ? "SUPER" : "a base");
}

/* Segments that commits name bytes in, and that are not there, though no EDIT has removed them. Beside a writer
 * the EDIT may be one that was not looked at. */
static int verify_missing(struct hg_verifier *v)
{
    const struct hg_missing *m = (const struct hg_missing *)(const void *)v->edits.missing.data;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == 0 && !v->live && i < v->edits.missing.len / sizeof *m; i++) {
        struct hg_damage_found d = { .segment = m[i].segment };
        hg_segment_name(d.file, m[i].segment, HG_KIND_EXTENTS);
        if (!hg_edits_removed(&v->edits, m[i].segment) &&
            hg_edits_knows_extents(&v->edits, m[i].segment))
            rc = hg_verify_report(v, &d, "%.240s", m[i].why.message);
    }
    return rc;
}

/* ---- compressed segments ---------------------------------------------------------------------- */

struct cold_check {
    struct hg_verifier *v;
    const struct hg_log_segment *s;
};

static int cold_damage(void *ctx, hg_pos birth)
{
    const struct cold_check *c = ctx;
    struct hg_damage_found d = hg_verify_in_segment(c->s, 0, 0);

    d.birth = birth;
    if (birth != 0)
        (void)snprintf(d.path, sizeof d.path, "the value born at %08x:%u", hg_pos_segment(birth),
                       hg_pos_offset(birth));
    return hg_verify_report_detail(c->v, c->s, &d);
}

static int verify_cold(struct hg_verifier *v, const struct hg_listed *e)
{
    struct cold_check c = { .v = v, .s = &e->s };
    int quick = (v->flags & HOLOG_VERIFY_QUICK) != 0;
    struct hg_damage_found d = hg_verify_in_segment(&e->s, 0, 1);

    if (!quick && !v->live && !hg_edits_has_cold(&v->edits, e->s.id))
        return hg_verify_report(v, &d,
                                "what a compaction made that was cut, or replaced later; the "
                                "next open for writing deletes it");
    if (e->header_rc < 0 || v->super_rc < 0 || v->cold == NULL)
        return HOLOG_OK; /* told already */
    return v->cold(v->io, &v->super, e->s.id, quick, cold_damage, &c);
}

static int verify_all_cold(struct hg_verifier *v)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == 0 && i < v->list.n; i++) {
        if (v->list.e[i].s.kind == HG_KIND_HWP)
            rc = verify_cold(v, &v->list.e[i]);
    }
    for (size_t i = 0; rc == 0 && i < v->edits.cold.len / sizeof(uint32_t); i++) {
        uint32_t id = ((const uint32_t *)(const void *)v->edits.cold.data)[i];
        struct hg_damage_found d = { .segment = id };
        hg_segment_name(d.file, id, HG_KIND_HWP);
        if (!v->live && !hg_edits_removed(&v->edits, id) && hg_listing_find(&v->list, id) == NULL)
            rc = hg_verify_report(v, &d, "the file is missing: values were moved there");
    }
    return rc;
}

static int verify_all(struct hg_verifier *v)
{
    uint64_t total = 0;
    uint64_t done = 0;

    for (size_t i = 0; i < v->list.n; i++)
        total += v->list.e[i].s.file_size;
    int rc = hg_writer_alive(v->io, &v->live);
    if (rc == HOLOG_OK)
        rc = verify_super(v);
    if (rc == HOLOG_OK)
        rc = hg_verify_choose(v);
    v->last = v->list.n;
    for (size_t i = 0; rc == 0 && i < v->list.n; i++) {
        rc = verify_segment(v, i);
        done += v->list.e[i].s.file_size;
        if (rc == 0)
            rc = hg_progress(v->progress, v->progress_ctx, done, total);
    }
    if (rc == 0)
        rc = verify_missing(v);
    if (rc == 0)
        rc = verify_all_cold(v);
    if (rc == 0)
        rc = hg_verify_bases(v);
    if (rc == 0)
        rc = verify_end(v);
    return rc == 0 ? hg_verify_other_files(v) : rc;
}

int hg_verify(struct hg_io *io, unsigned flags, hg_verify_cold_fn cold, hg_verify_cold_fn base,
              int (*each)(void *ctx, struct hg_damage_found *d), void *ctx,
              holog_progress_fn progress, void *progress_ctx)
{
    /* Past the page cache, where possible: what is on the disk is the question. */
    struct hg_verifier v = { .io = io,
                             .flags = flags,
                             .cold = cold,
                             .base = base,
                             .each = each,
                             .ctx = ctx,
                             .progress = progress,
                             .progress_ctx = progress_ctx,
                             .extents = { .io = io, .flags = HG_OPEN_DIRECT } };

    v.extents.edits = &v.edits;
    read_super(&v);
    int rc = hg_listing_read(io, HG_OPEN_DIRECT, 0, &v.list);
    if (rc >= 0)
        rc = verify_all(&v);
    hg_ahead_release(&v);
    hg_image_release(&v.image);
    hg_extent_reader_release(&v.extents);
    hg_edits_release(&v.edits);
    hg_buf_release(&v.heads);
    hg_listing_release(&v.list);
    if (rc == 0 && v.damages > 0)
        return hg_error(HOLOG_E_CORRUPT, "%llu damages were found", (unsigned long long)v.damages);
    return rc;
}
