/*
 * From a version that deltas made back to what it was made from: a DELTA names its base, and so on
 * to a BLOB, a LARGE, a FOLD, or a rope that is in memory; then all changes forward, in one edit.
 *
 * What a DELTA says of its change has no hash of its own (what it brings has): each is read in its
 * frame, and that is verified. Of a frame that is not on the disk yet there is no header to verify
 * it by, and no need.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "engine/delta.h"
#include "wal/frame.h"

#define BACK_MAX 65536u /* deltas that a rope is built again from */

struct step {
    hg_pos birth;
    uint64_t version_size;
    uint64_t start, end, to;
    uint64_t len;
    uint8_t kind;
};

struct walk {
    holog_store *s;
    const char *path;
    struct hg_record_read r;
    struct hg_buf steps;    /* struct step, newest first */
    struct hg_buf body;     /* of the frame in hand */
    hg_pos frame;           /* verified */
    hg_pos base;            /* the rope to stop at; 0: at any */
    hg_pos last;            /* DELTA walked over last: those before it stand before it */
    uint64_t taken;         /* of the budget, for the steps */
    struct hg_rope_at from; /* what the oldest of them changes */
    uint64_t age;
};

/* ---- frames --------------------------------------------------------------------------------------*/

static int read_exactly(struct walk *w, hg_pos at, void *out, size_t len)
{
    size_t n = 0;
    int rc = hg_cache_read(w->s->cache, hg_pos_segment(at), hg_pos_offset(at), out, len, &n);

    if (rc == HOLOG_OK && n < len)
        rc = hg_record_wrong(at, w->path, "is in a frame that is cut short");
    return rc;
}

/* The frame that the record in hand stands in. Of one whose segment was replaced not all need be there: it was verified when
 * it was moved, and the page where it lies has a hash. */
static int verify_frame(struct walk *w, hg_pos birth)
{
    uint8_t head[HG_FRAME_HEADER_SIZE];
    struct hg_frame f;
    uint64_t number;
    int rc;

    if (hg_cold_has_pages(w->s->cold, hg_pos_segment(birth)))
        return HOLOG_OK;

    if (w->r.back + HG_FRAME_HEADER_SIZE > hg_pos_offset(birth))
        return hg_record_wrong(birth, w->path, "stands in no frame");
    hg_pos frame = birth - w->r.back - HG_FRAME_HEADER_SIZE;
    if (frame == w->frame)
        return HOLOG_OK;
    rc = read_exactly(w, frame, head, sizeof head);
    if (rc < 0)
        return rc;
    struct hg_frame_place place = { .salt = w->s->recovered.super.salt,
                                    .segment = hg_pos_segment(frame),
                                    .offset = hg_pos_offset(frame) };
    place.epoch = hg_frame_epoch(head, place.offset);
    if (hg_frame_is_draft(head, &place, &number))
        return HOLOG_OK; /* from the committer's hands */
    if (hg_frame_decode(head, &place, HG_SEGMENT_MAX, &f) != HG_FRAME_OK)
        return hg_record_wrong(birth, w->path, "stands in no sound frame");
    size_t len = f.len - HG_FRAME_HEADER_SIZE;
    w->body.len = 0;
    rc = hg_buf_reserve(&w->body, len);
    if (rc == HOLOG_OK)
        rc = read_exactly(w, frame + HG_FRAME_HEADER_SIZE, w->body.data, len);
    if (rc == HOLOG_OK && hg_hash64(w->body.data, len) != f.body_hash)
        rc = hg_record_wrong(birth, w->path, "stands in a frame that does not match its hash");
    if (rc == HOLOG_OK)
        w->frame = frame;
    return rc;
}

/* ---- back ----------------------------------------------------------------------------------------*/

static int take_room(struct walk *w)
{
    uint64_t used = hg_buf_grown(&w->steps, sizeof(struct step));
    int rc = HOLOG_OK;

    if (used > (64u << 10) + w->taken) {
        rc = hg_budget_take(w->s->cache, used - w->taken);
        if (rc == HOLOG_OK)
            w->taken = used;
    }
    return rc;
}

static int push(struct walk *w, hg_pos birth)
{
    const struct hg_record *r = &w->r.rec;
    struct step step = { .birth = birth,
                         .version_size = r->version_size,
                         .start = r->start,
                         .end = r->end,
                         .to = r->move_to,
                         .len = r->value_len,
                         .kind = r->kind };
    int rc = take_room(w);

    return rc < 0 ? rc : hg_buf_append(&w->steps, &step, sizeof step);
}

/* What a BLOB or LARGE brings, as a rope of one span. */
static int whole_value(struct walk *w, hg_pos birth, uint64_t len, uint8_t csum)
{
    struct hg_span span = { .birth = birth, .len = len };

    w->from.csum = csum;
    w->from.depth = 0;
    return hg_rope_build(hg_ropes_pool(w->s->ropes), &span, len > 0, &w->from.rope);
}

static int add_spans(struct walk *w, hg_pos fold, const uint8_t *table)
{
    struct hg_rope_builder b;
    struct hg_span span;
    size_t at = 0;

    hg_rope_builder_begin(&b, hg_ropes_pool(w->s->ropes));
    while (hg_spans_next(table, (size_t)w->r.rec.spans_len, &at, &span) == HOLOG_OK) {
        if (span.birth == 0)
            span.birth = fold;
        hg_rope_builder_add(&b, &span);
    }
    return hg_rope_builder_end(&b, &w->from.rope);
}

/* The version is described again by the FOLD there. */
static int read_fold(struct walk *w, hg_pos version, hg_pos fold)
{
    const struct hg_record *r = &w->r.rec;
    struct hg_buf table = { 0 };
    int rc = hg_record_at(w->s, fold, w->path, &w->r);

    if (rc == HOLOG_OK && (r->type != HG_REC_FOLD || r->base != version))
        rc = hg_record_wrong(fold, w->path, "does not describe the version");
    if (rc == HOLOG_OK)
        rc = verify_frame(w, fold);
    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(&table, (size_t)r->spans_len);
    if (rc < 0)
        return rc;
    struct hg_span span = { .birth = fold, .at = r->value_len - r->spans_len, .len = r->spans_len };
    if (span.len > 0)
        rc = hg_span_read(w->s, &span, w->path, table.data);
    if (rc == HOLOG_OK && hg_spans_check(r, table.data) < 0)
        rc = hg_record_wrong(fold, w->path, "has spans that are not the version's");
    if (rc == HOLOG_OK)
        rc = add_spans(w, fold, table.data);
    w->from.csum = r->csum;
    w->from.depth = 0;
    hg_buf_release(&table);
    return rc;
}

/* One record back. 1: w->from is set; 0: *birth is that of the base now. */
static int step_back(struct walk *w, hg_pos *birth)
{
    const struct hg_record *r = &w->r.rec;
    hg_pos fold;
    int rc;

    if ((w->base == 0 || w->base == *birth) && hg_ropes_find(w->s->ropes, *birth, &w->from))
        return 1;
    if (w->base != 0 && w->steps.len / sizeof(struct step) > BACK_MAX)
        return HOLOG_E_NOENT;
    fold = w->base == 0 ? hg_ropes_fold(w->s->ropes, *birth) : 0;
    if (fold != 0) {
        rc = read_fold(w, *birth, fold);
        return rc < 0 ? rc : 1;
    }
    rc = hg_record_at(w->s, *birth, w->path, &w->r);
    if (rc < 0)
        return rc;
    if (w->base != 0 && r->type != HG_REC_DELTA)
        return HOLOG_E_NOENT;
    if (r->type == HG_REC_BLOB || r->type == HG_REC_LARGE) {
        rc = whole_value(w, *birth, r->value_len, r->csum);
        return rc < 0 ? rc : 1;
    }
    if (r->type != HG_REC_DELTA)
        return hg_record_wrong(*birth, w->path, "is no version of a blob");
    if (w->last != 0 && *birth >= w->last) /* so this ends */
        return hg_record_wrong(w->last, w->path, "changes a version that is not older");
    w->last = *birth;
    rc = verify_frame(w, *birth);
    if (rc == HOLOG_OK)
        rc = push(w, *birth);
    *birth = r->base;
    return rc;
}

/* ---- forward -------------------------------------------------------------------------------------*/

static int apply(struct walk *w, struct hg_rope_edit *e, const struct step *d)
{
    struct hg_span span = { .birth = d->birth, .len = d->len };
    uint64_t size = hg_rope_edit_size(e);
    int rc;

    if (d->end > size || d->to > size)
        rc = HOLOG_E_RANGE;
    else if (d->kind == HG_DELTA_MOVE)
        rc = hg_rope_edit_move(e, d->start, d->end, d->to);
    else
        rc = hg_rope_edit_replace(e, d->start, d->end, &span, d->len > 0);
    if (rc == HOLOG_E_RANGE || rc == HOLOG_E_INVAL || rc == HOLOG_E_TOOBIG ||
        (rc == HOLOG_OK && hg_rope_edit_size(e) != d->version_size))
        rc = hg_record_wrong(d->birth, w->path, "does not fit the version that it changes");
    return rc;
}

static int apply_all(struct walk *w, struct hg_rope **out)
{
    const struct step *steps = (const struct step *)(const void *)w->steps.data;
    struct hg_rope_edit e;
    int rc = HOLOG_OK;

    hg_rope_edit_begin(&e, w->from.rope);
    for (size_t i = w->steps.len / sizeof *steps; i > 0 && rc == HOLOG_OK; i--)
        rc = apply(w, &e, &steps[i - 1]);
    if (rc < 0) {
        hg_rope_edit_drop(&e);
        return rc;
    }
    return hg_rope_edit_end(&e, out);
}

static void walk_end(struct walk *w)
{
    hg_rope_put(w->from.rope);
    hg_record_release(&w->r);
    hg_buf_release(&w->steps);
    hg_buf_release(&w->body);
    hg_budget_give(w->s->cache, w->taken);
}

static int walk_back(struct walk *w, hg_pos birth)
{
    int rc;

    while ((rc = step_back(w, &birth)) == 0)
        ;
    return HG_MIN(rc, HOLOG_OK);
}

/* All changes since w->from. */
static int make(struct walk *w, const struct hg_locator *loc, uint8_t csum, struct hg_rope_at *out)
{
    struct hg_rope_at at = { .csum = csum, .age = w->age };
    int rc = apply_all(w, &at.rope);

    at.depth = w->from.depth + (uint32_t)(w->steps.len / sizeof(struct step));
    if (rc == HOLOG_OK && hg_rope_size(at.rope) != loc->size)
        rc = hg_record_wrong(hg_pos_make(loc->segment, loc->offset), w->path,
                             "does not make what was saved here");
    if (rc < 0) {
        hg_rope_put(at.rope);
        return rc;
    }
    *out = at;
    return HOLOG_OK;
}

int hg_rope_load(holog_store *s, const struct hg_locator *loc, const char *path,
                 struct hg_rope_at *out)
{
    hg_pos birth = hg_pos_make(loc->segment, loc->offset);
    struct walk w = { .s = s, .path = path, .age = hg_ropes_age(s->ropes) };
    uint8_t csum = 0;
    int is_whole;
    int rc;

    if (hg_ropes_find(s->ropes, birth, out))
        return HOLOG_OK;
    rc = hg_record_at(s, birth, path, &w.r); /* its sum is the whole's */
    csum = w.r.rec.csum;
    is_whole = w.r.rec.type == HG_REC_BLOB || w.r.rec.type == HG_REC_LARGE;
    if (rc == HOLOG_OK)
        rc = is_whole ? whole_value(&w, birth, w.r.rec.value_len, csum) : walk_back(&w, birth);
    if (rc == HOLOG_OK)
        rc = make(&w, loc, csum, out);
    if (rc == HOLOG_OK && !is_whole)
        hg_ropes_put(s->ropes, birth, out);
    walk_end(&w);
    return rc;
}

int hg_rope_rebuild(holog_store *s, const struct hg_locator *loc, const char *path, hg_pos base)
{
    hg_pos birth = hg_pos_make(loc->segment, loc->offset);
    struct walk w = { .s = s, .path = path, .base = base, .age = hg_ropes_age(s->ropes) };
    struct hg_rope_at at = { 0 };
    struct hg_rope_at was = { 0 };
    int rc = HOLOG_E_NOENT;

    if (hg_ropes_find(s->ropes, birth, &was))
        rc = walk_back(&w, birth);
    if (rc == HOLOG_OK)
        rc = make(&w, loc, was.csum, &at);
    if (rc == HOLOG_OK)
        hg_ropes_put(s->ropes, birth, &at);
    hg_rope_put(at.rope);
    hg_rope_put(was.rope);
    walk_end(&w);
    return rc;
}

uint32_t hg_rope_behind(holog_store *s, hg_pos version, hg_pos base)
{
    struct hg_rope_at a = { 0 };
    struct hg_rope_at b = { 0 };
    int known = hg_ropes_find(s->ropes, version, &a) && hg_ropes_find(s->ropes, base, &b);
    uint32_t behind = known && a.depth > b.depth ? a.depth - b.depth : UINT32_MAX;

    hg_rope_put(a.rope);
    hg_rope_put(b.rope);
    return version == base ? 0 : behind;
}
