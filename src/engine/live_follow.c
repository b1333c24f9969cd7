/*
 * From births to bytes: each record that is wanted is found in its segment, and lives, with its time and
 * its pieces; what it refers to is wanted in turn.
 *
 * A DELTA is wanted as a version, which has to be made again, or only for the bytes that it brings. As a
 * version it wants its newest FOLD and the bytes that its spans name; else its base, as a version. The
 * bases of DELTAs stand before them, so that this ends.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/live_internal.h"

/* The records of a place, from its digest or one by one. */
struct source {
    struct hg_digest *digest; /* NULL: one by one */
    struct hg_ref_reader reader;
};

static int source_open(struct hg_mark *m, struct hg_live_place *p, struct source *src)
{
    int rc = HOLOG_E_NOENT;

    *src = (struct source){ .digest = NULL };
    if (p->g.kind == HG_KIND_FRAMES && !p->g.busy && p->home == 0)
        rc = hg_digest_get(m->s->refs, p->g.segment, &src->digest);
    if (rc == HOLOG_E_STALE && p->gone) { /* and now its file is */
        hg_error_clear();
        rc = HOLOG_E_NOENT;
    }
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    p->known = 1;
    p->g.sealed = rc == HOLOG_OK;
    hg_ref_reader_begin(&src->reader, m->s, p->g.segment,
                        p->g.kind == HG_KIND_EXTENTS && p->home == 0, p->end);
    return HOLOG_OK;
}

static void source_close(struct hg_mark *m, struct source *src)
{
    hg_ref_reader_end(&src->reader);
    hg_digest_put(m->s->refs, src->digest);
}

/* In pages, that were read before if that can be. */
static int find_moved(struct hg_mark *m, const struct hg_live_place *p, struct source *src,
                      uint32_t offset, struct hg_ref *out)
{
    hg_pos birth = hg_pos_make(p->g.segment, offset);
    int rc = HOLOG_OK;

    if (hg_refs_remembered(m->s->refs, birth, out))
        return HOLOG_OK;
    rc = hg_ref_read(&src->reader, offset, out);
    if (rc == HOLOG_OK)
        hg_refs_remember(m->s->refs, birth, out);
    return rc;
}

static int source_find(struct hg_mark *m, const struct hg_live_place *p, struct source *src,
                       uint32_t offset, struct hg_ref *out)
{
    if (src->digest == NULL && p->home != 0)
        return find_moved(m, p, src, offset, out);
    if (src->digest == NULL)
        return hg_ref_read(&src->reader, offset, out);
    if (hg_digest_find(src->digest, offset, out))
        return HOLOG_OK;
    return hg_corrupt(p->g.segment, offset, "no record begins here, but one is referred to");
}

/* ---- what lives ----------------------------------------------------------------------------------- */

static int add_run(struct hg_mark *m, struct hg_live_place *p, uint64_t from, uint64_t len)
{
    size_t n = p->runs.len / sizeof(uint64_t);
    uint64_t *runs = (uint64_t *)(void *)p->runs.data;
    uint64_t run = hg_live_run(from, len, m->holder);

    if (n > 0 && (runs[n - 1] & 3) == m->holder &&
        (runs[n - 1] >> 33) + (runs[n - 1] >> 2 & INT32_MAX) == from) {
        runs[n - 1] += len << 2; /* neighbours are one */
        return HOLOG_OK;
    }
    return hg_live_append(&m->memory, &p->runs, &run, sizeof run);
}

/* `t` has everything but where it is. */
static int add_bytes(struct hg_mark *m, struct hg_live_place *p, uint64_t offset, uint64_t len,
                     struct hg_live_thing t)
{
    int rc = HOLOG_OK;

    if (offset > HG_EXTENT_SEGMENT_MAX || len > HG_EXTENT_SEGMENT_MAX - offset)
        rc = hg_corrupt(p->g.segment, offset, "a record names impossible bytes here");
    if (rc == HOLOG_OK)
        rc = add_run(m, p, offset, len);
    if (rc < 0 || !p->chosen)
        return rc;
    t.segment = p->g.segment;
    t.holder = (uint8_t)m->holder;
    t.offset = offset;
    t.len = len;
    return hg_live_append(&m->memory, &m->things, &t, sizeof t);
}

/* A value that has been moved is where it is now. 1: it has been. */
static int add_moved(struct hg_mark *m, struct hg_live_thing t)
{
    struct hg_cold_run run[HG_COLD_RUNS];
    unsigned n = hg_cold_runs(m->s->cold, t.birth, run);
    int rc = HOLOG_OK;

    for (unsigned i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_live_place *p;
        rc = hg_mark_place(m, run[i].segment, t.birth, &p);
        if (rc == HOLOG_OK)
            rc = add_bytes(m, p, run[i].offset, run[i].len, t);
    }
    return rc < 0 ? rc : n > 0;
}

static int add_pieces(struct hg_mark *m, hg_pos birth, const struct hg_ref *r)
{
    struct hg_live_thing t = {
        .kind = HG_LIVE_PIECE, .type = r->type, .birth = birth, .value_len = r->value_len
    };
    int rc = r->n_pieces > 0 ? add_moved(m, t) : 0;

    if (rc != 0)
        return HG_MIN(rc, 0);
    for (uint32_t i = 0; i < r->n_pieces && rc == HOLOG_OK; i++) {
        const struct hg_piece *piece = &r->pieces[i];
        struct hg_live_place *p;
        rc = hg_mark_place(m, piece->segment, birth, &p);
        if (rc == HOLOG_OK)
            rc = add_bytes(m, p, piece->offset, piece->len, t);
        t.value_at += piece->len;
    }
    return rc;
}

static int add_record(struct hg_mark *m, struct hg_live_place *p, const struct hg_ref *r,
                      uint32_t *last_body)
{
    hg_pos birth = hg_pos_make(p->g.segment, r->offset);
    int rc = HOLOG_OK;

    if (r->body != *last_body)
        rc = add_bytes(m, p, r->body, sizeof(uint64_t),
                       (struct hg_live_thing){ .kind = HG_LIVE_TIME });
    *last_body = r->body;
    if (rc == HOLOG_OK)
        rc = add_bytes(m, p, r->offset, r->len,
                       (struct hg_live_thing){
                           .kind = HG_LIVE_RECORD, .type = r->type, .birth = birth });
    return rc < 0 ? rc : add_pieces(m, birth, r);
}

/* ---- what is wanted ------------------------------------------------------------------------------- */

int hg_mark_want(struct hg_mark *m, hg_pos birth, int version)
{
    uint64_t want = (uint64_t)hg_pos_offset(birth) << 1 | (version != 0);
    struct hg_live_place *p;
    int rc = hg_mark_place(m, hg_pos_segment(birth), 0, &p);

    return rc < 0 ? rc : hg_live_append(&m->memory, &p->wants, &want, sizeof want);
}

static int want_spans(struct hg_mark *m, hg_pos version, hg_pos fold)
{
    struct hg_buf spans = { 0 };
    int rc = hg_fold_read_spans(m->s, version, fold, &spans);
    const struct hg_span *span = (const struct hg_span *)(const void *)spans.data;

    if (rc == HOLOG_OK)
        rc = hg_mark_want(m, fold, 0);
    for (size_t i = 0; i < spans.len / sizeof *span && rc == HOLOG_OK; i++) {
        if (span[i].birth != 0 && (i == 0 || span[i].birth != span[i - 1].birth))
            rc = hg_mark_want(m, span[i].birth, 0);
    }
    hg_buf_release(&spans);
    return rc;
}

static int by_version(const void *a, const void *b)
{
    const struct hg_fold_at *x = a;
    const struct hg_fold_at *y = b;

    return (x->version > y->version) - (x->version < y->version);
}

/* The newest as of the moment; 0: there was none. */
static hg_pos find_fold(const struct hg_mark *m, hg_pos version)
{
    const struct hg_fold_at key = { .version = version };
    const struct hg_fold_at *f = NULL;

    if (m->folds.len > 0)
        f = bsearch(&key, m->folds.data, m->folds.len / sizeof key, sizeof key, by_version);
    return f == NULL ? 0 : f->fold;
}

static int want_base(struct hg_mark *m, hg_pos version, const struct hg_ref *r)
{
    hg_pos fold = find_fold(m, version);

    return fold != 0 ? want_spans(m, version, fold) : hg_mark_want(m, r->base, 1);
}

static int take(struct hg_mark *m, struct hg_live_place *p, struct source *src, uint64_t want,
                uint32_t *last_body)
{
    uint32_t offset = (uint32_t)(want >> 1);
    int version = (want & 1) != 0;
    int was = hg_offset_set_has(&p->found, offset);
    struct hg_ref r;
    int rc;

    if (was == 3 || (was == 1 && !version))
        return HOLOG_OK;
    rc = source_find(m, p, src, offset, &r);
    if (rc < 0)
        return rc;
    version = version && r.type == HG_REC_DELTA;
    rc = hg_offset_set_add(&m->memory, &p->found, offset, version, &was);
    if (rc == HOLOG_OK && was == 0)
        rc = add_record(m, p, &r, last_body);
    if (rc == HOLOG_OK && version)
        rc = want_base(m, hg_pos_make(p->g.segment, offset), &r);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* All that is wanted of one place, and what of the same place that wants in turn. */
static int follow_place(struct hg_mark *m, struct hg_live_place *p)
{
    struct source src;
    struct hg_buf wants = { 0 };
    int rc = source_open(m, p, &src);

    while (rc == HOLOG_OK && p->wants.len > 0) {
        const uint64_t *want = (const uint64_t *)(const void *)p->wants.data;
        size_t n = p->wants.len / sizeof *want;
        uint32_t last_body = 0;
        wants = p->wants;
        p->wants = (struct hg_buf){ 0 };
        qsort(wants.data, n, sizeof *want, by_value);
        for (size_t i = 0; i < n && rc == HOLOG_OK; i++)
            rc = take(m, p, &src, want[i], &last_body);
        hg_live_give(&m->memory, wants.cap);
        hg_buf_release(&wants);
    }
    source_close(m, &src);
    return rc;
}

int hg_mark_follow(struct hg_mark *m)
{
    int rc = HOLOG_OK;
    int any = 1;

    while (any && rc == HOLOG_OK) {
        any = 0;
        /* from the newest on: most refer to what is before them */
        for (size_t i = hg_mark_places(m); i-- > 0 && rc == HOLOG_OK;) {
            if (hg_mark_place_at(m, i)->wants.len == 0)
                continue;
            any = 1;
            rc = follow_place(m, hg_mark_place_at(m, i));
        }
    }
    return rc;
}

/* ---- commits -------------------------------------------------------------------------------------- */

static int add_list(struct hg_mark *m, struct hg_live_place *p, const struct hg_ref *r)
{
    hg_pos birth = hg_pos_make(p->g.segment, r->offset);
    struct hg_live_place *to;
    int rc = hg_mark_place(m, r->list.segment, birth, &to);

    return rc < 0 ? rc
                  : add_bytes(m, to, r->list.offset, r->list.len,
                              (struct hg_live_thing){ .kind = HG_LIVE_LIST, .birth = birth });
}

static int frame_by_offset(const void *a, const void *b)
{
    const struct hg_ref_frame *x = a;
    const struct hg_ref_frame *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int lists_of_digest(struct hg_mark *m, struct hg_live_place *p, const struct hg_digest *d)
{
    struct hg_ref r;
    size_t at = 0;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && hg_digest_next(d, &at, &r)) {
        struct hg_ref_frame f = { .offset = r.body - HG_FRAME_HEADER_SIZE };
        if (r.type == HG_REC_BODY && bsearch(&f, p->frames.data, p->frames.len / sizeof f, sizeof f,
                                             frame_by_offset) != NULL)
            rc = add_list(m, p, &r);
    }
    return rc;
}

/* Of a frame that has moved: it has none, as has been found before. No record begins where a frame does. */
static int has_no_list(struct hg_mark *m, const struct hg_live_place *p,
                       const struct hg_ref_frame *f)
{
    struct hg_ref r;

    return p->home != 0 && hg_refs_remembered(m->s->refs, hg_pos_make(p->g.segment, f->offset), &r);
}

/* A record list is the only record of its frame. */
static int list_of_frame(struct hg_mark *m, struct hg_live_place *p, struct hg_ref_reader *reader,
                         const struct hg_ref_frame *f)
{
    const struct hg_ref none = { .offset = f->offset, .body = f->offset, .len = f->len };
    struct hg_ref r;
    int rc;

    if (has_no_list(m, p, f))
        return HOLOG_OK;
    rc = hg_ref_read_first(reader, f, &r);
    if (rc == HOLOG_OK && r.type == HG_REC_BODY)
        return add_list(m, p, &r);
    if (rc == HOLOG_E_NOENT)
        rc = HOLOG_OK;
    if (rc == HOLOG_OK && p->home != 0)
        hg_refs_remember(m->s->refs, hg_pos_make(p->g.segment, f->offset), &none);
    return rc;
}

static int frames_of_place(struct hg_mark *m, struct hg_live_place *p)
{
    const struct hg_ref_frame *f = (const struct hg_ref_frame *)(const void *)p->frames.data;
    size_t n = p->frames.len / sizeof *f;
    struct source src;
    int rc = source_open(m, p, &src);

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        rc =
            add_bytes(m, p, f[i].offset, f[i].len, (struct hg_live_thing){ .kind = HG_LIVE_FRAME });
        if (rc == HOLOG_OK && src.digest == NULL)
            rc = list_of_frame(m, p, &src.reader, &f[i]);
    }
    if (rc == HOLOG_OK && src.digest != NULL)
        rc = lists_of_digest(m, p, src.digest);
    source_close(m, &src);
    return rc;
}

int hg_mark_frames(struct hg_mark *m)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < hg_mark_places(m) && rc == HOLOG_OK; i++) {
        if (hg_mark_place_at(m, i)->frames.len > 0)
            rc = frames_of_place(m, hg_mark_place_at(m, i));
    }
    return rc;
}
