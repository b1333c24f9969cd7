/*
 * The mark: the moment it is of, its rounds, and what comes out; see live.h.
 *
 * The moment. First the segments that are written to; then, in one holding of the log's lock, the
 * sequenced state, what is kept, all versions that are counted, and which values have been folded. So
 *   - a value that is on its way when the first is asked stands in a segment called busy; one whose room
 *     was released before that is named by a commit of the state, or never will be;
 *   - every later state is made of this one, its past as far as it is kept, and of records that are new;
 *   - whoever reads an older state has its version in the list, or got it when its number was kept, or
 *     has asked under the lock after us.
 */
#include "engine/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/live_internal.h"

#define SLICE 65536u /* commits copied in one holding of the lock */

static int by_segment(const void *a, const void *b)
{
    const struct hg_live_place *x = a;
    const struct hg_live_place *y = b;

    return (x->g.segment > y->g.segment) - (x->g.segment < y->g.segment);
}

/* Among the first n, which are sorted. */
static struct hg_live_place *find_among(const struct hg_mark *m, size_t n, uint32_t segment)
{
    struct hg_live_place key = { .g.segment = segment };

    return n == 0 ? NULL : bsearch(&key, m->places.data, n, sizeof key, by_segment);
}

struct hg_live_place *hg_mark_find(struct hg_mark *m, uint32_t segment)
{
    struct hg_live_place *p;

    if (m->near < hg_mark_places(m) && hg_mark_place_at(m, m->near)->g.segment == segment)
        return hg_mark_place_at(m, m->near);
    p = find_among(m, hg_mark_places(m), segment);
    if (p != NULL)
        m->near = (size_t)(p - hg_mark_place_at(m, 0));
    return p;
}

int hg_mark_place(struct hg_mark *m, uint32_t segment, hg_pos named_by, struct hg_live_place **out)
{
    struct hg_live_place *p = hg_mark_find(m, segment);

    if (p == NULL && named_by != 0)
        return hg_corrupt(hg_pos_segment(named_by), hg_pos_offset(named_by),
                          "the record here names segment %u, which is not there",
                          (unsigned)segment);
    if (p == NULL)
        return hg_corrupt(segment, 0, "the index names this segment, which is not there");
    *out = p;
    return HOLOG_OK;
}

/* ---- segments ------------------------------------------------------------------------------------- */

static int add_place(struct hg_mark *m, const struct hg_live_place *place)
{
    struct hg_live_place p = *place;

    p.end = UINT32_MAX;
    return hg_live_append(&m->memory, &m->places, &p, sizeof p);
}

static void sort_places(struct hg_mark *m)
{
    if (hg_mark_places(m) > 0)
        qsort(m->places.data, hg_mark_places(m), sizeof(struct hg_live_place), by_segment);
    m->near = 0;
}

/* Those of the log now; which of them are new is known by who asked before. What an EDIT has just removed is where it
 * was until the values are known to be elsewhere. */
static int add_of_log(struct hg_mark *m)
{
    size_t n = hg_mark_places(m);
    struct hg_buf list = { 0 };
    const struct hg_segment_entry *e;
    int rc = hg_log_segments_flagged(m->s->log, &list);

    e = (const struct hg_segment_entry *)(const void *)list.data;
    for (size_t i = 0; i < list.len / sizeof *e && rc == HOLOG_OK; i++) {
        struct hg_live_place p = { .g = { .segment = e[i].segment,
                                          .kind = (uint8_t)hg_segment_entry_kind(&e[i]),
                                          .used = e[i].used,
                                          .busy = 1 },
                                   .gone = (e[i].kind & HG_SEGMENT_REMOVED) != 0 };
        struct hg_live_place *was = find_among(m, n, e[i].segment);
        if (was != NULL)
            was->gone |= p.gone;
        else
            rc = add_place(m, &p);
    }
    hg_buf_release(&list);
    sort_places(m);
    return rc;
}

/* Frame segments that were replaced are places, too: births name them. After the list of the log, which has those
 * that are being replaced just now. */
static int add_replaced(struct hg_mark *m)
{
    size_t n = hg_mark_places(m);
    struct hg_buf list = { 0 };
    const struct hg_cold_replaced *r;
    int rc = hg_cold_replaced(m->s->cold, &list);

    r = (const struct hg_cold_replaced *)(const void *)list.data;
    for (size_t i = 0; i < list.len / sizeof *r && rc == HOLOG_OK; i++) {
        struct hg_live_place p = { .g = { .segment = r[i].segment, .kind = HG_KIND_FRAMES },
                                   .gone = 1,
                                   .home = r[i].home };
        struct hg_live_place *was = find_among(m, n, r[i].segment);
        if (was == NULL) {
            rc = add_place(m, &p);
            continue;
        }
        was->gone = 1;
        was->home = r[i].home;
    }
    hg_buf_release(&list);
    sort_places(m);
    return rc;
}

/* Of the extent segments that are open: how much is used, and whether they are busy; once they are, they
 * stay so. */
static int look_at_extents(struct hg_mark *m)
{
    struct hg_buf open = { 0 };
    int rc = hg_log_extents_open(m->s->log, &open);
    const struct hg_log_extent *x = (const struct hg_log_extent *)(const void *)open.data;

    for (size_t i = 0; i < hg_mark_places(m); i++)
        hg_mark_place_at(m, i)->open = 0;
    for (size_t i = 0; i < open.len / sizeof *x && rc == HOLOG_OK; i++) {
        struct hg_live_place *p = hg_mark_find(m, x[i].segment);
        if (p == NULL)
            continue; /* it is new: found after the moment, or of nobody's interest */
        p->open = 1;
        p->g.busy |= x[i].busy != 0;
        p->g.used = x[i].used;
    }
    hg_buf_release(&open);
    return rc;
}

/* Before the moment. */
static int find_busy(struct hg_mark *m)
{
    int rc = add_of_log(m);

    for (size_t i = 0; i < hg_mark_places(m); i++)
        hg_mark_place_at(m, i)->g.busy = 0;
    return rc < 0 ? rc : look_at_extents(m);
}

/* After the moment: what is new since the first look is busy, and the frame segment that was active,
 * with all behind it. */
static int add_new(struct hg_mark *m, const struct hg_log_state *state)
{
    int rc = add_of_log(m);

    if (rc == HOLOG_OK)
        rc = look_at_extents(m);
    for (size_t i = 0; i < hg_mark_places(m) && rc == HOLOG_OK; i++) {
        struct hg_live_place *p = hg_mark_place_at(m, i);
        if (p->g.kind != HG_KIND_FRAMES || state->active_segment == 0 ||
            p->g.segment < state->active_segment)
            continue;
        p->g.busy = 1;
        if (p->g.segment == state->active_segment)
            p->g.used = p->end = state->appended;
    }
    return rc;
}

static int file_size(holog_store *s, uint32_t segment, enum hg_segment_kind kind, uint64_t *out)
{
    struct hg_file_info info;
    struct hg_file *f = NULL;
    int rc = hg_files_get(s->files, segment, kind, &f);

    if (rc < 0)
        return rc;
    rc = s->io->ops->info(f, &info);
    hg_files_put(s->files, segment);
    if (rc == HOLOG_OK)
        *out = info.size_bytes;
    return rc;
}

struct listing {
    struct hg_mark *m;
    int rc;
};

static int add_file(void *ctx, const char *name, int is_dir)
{
    struct listing *l = ctx;
    enum hg_segment_kind kind;
    uint64_t size = 0;
    uint32_t id;

    if (is_dir || hg_segment_parse_name(name, &id, &kind) != 1)
        return 0;
    l->rc = file_size(l->m->s, id, kind, &size);
    if (l->rc == HOLOG_OK) {
        struct hg_live_place p = { .g = { .segment = id, .kind = (uint8_t)kind, .used = size } };
        l->rc = add_place(l->m, &p);
    }
    return l->rc != HOLOG_OK;
}

/* Of a read-only handle, which has read the log up to `end`. There may be more than that: it is a writer's. */
static int list_files(struct hg_mark *m, hg_pos end)
{
    struct listing l = { .m = m };
    int rc = m->s->io->ops->read_dir(m->s->io, HG_SEG_DIR, add_file, &l);

    rc = l.rc < 0 ? l.rc : rc;
    sort_places(m);
    for (size_t i = 0; i < hg_mark_places(m); i++) {
        struct hg_live_place *p = hg_mark_place_at(m, i);
        if (p->g.segment == hg_pos_segment(end)) /* behind it is room */
            p->g.used = HG_MIN(p->g.used, (uint64_t)hg_pos_offset(end));
    }
    return rc;
}

/* ---- the moment ----------------------------------------------------------------------------------- */

/* Commits behind *at up to `last`, at most SLICE. Lock held. 1: there may be more. */
static int copy_frames(struct hg_mark *m, uint64_t *at, uint64_t last)
{
    const struct hg_timeline *t = &m->s->timeline;
    size_t first = hg_timeline_find(t, *at);
    size_t to;
    int rc = HOLOG_OK;

    first = first == SIZE_MAX ? 0 : first + 1;
    to = HG_MIN(hg_timeline_count(t), first + SLICE);
    for (size_t i = first; i < to && rc == HOLOG_OK; i++) {
        const struct hg_moment *c = hg_timeline_at(t, i);
        struct hg_ref_frame f = { .offset = hg_pos_offset(c->frame), .len = c->len };
        struct hg_live_place *p = NULL;
        if (c->number > last)
            return 0;
        rc = hg_mark_place(m, hg_pos_segment(c->frame), 0, &p);
        if (rc == HOLOG_OK)
            rc = hg_live_append(&m->memory, &p->frames, &f, sizeof f);
        *at = c->number;
    }
    return rc < 0 ? rc : to == first + SLICE;
}

/* In between others have the lock: what is not kept any more then, is missing. */
static int copy_all_frames(struct hg_mark *m, uint64_t last)
{
    uint64_t at = 0;
    int more = 1;

    while (more > 0) {
        hg_timeline_lock(m->s);
        more = copy_frames(m, &at, last);
        hg_timeline_unlock(m->s);
    }
    return more;
}

int hg_mark_begin(struct hg_mark *m)
{
    holog_store *s = m->s;
    struct hg_log_state state = { 0 };
    hg_pos followed = 0;
    uint64_t last;
    int rc = s->log != NULL ? find_busy(m) : HOLOG_OK;

    if (rc < 0)
        return rc;
    hg_timeline_lock(s);
    rc = hg_timeline_copy_kept(&s->timeline, &m->kept);
    if (rc == HOLOG_OK)
        rc = hg_ropes_folds(s->ropes, &m->folds);
    if (rc == HOLOG_OK)
        rc = hg_versions_get(s, &m->versions);
    if (rc == HOLOG_OK)
        hg_state_freeze(&s->sequenced, &m->state);
    last = s->last_number;
    if (s->log != NULL)
        hg_log_state(s->log, &state);
    else if (s->follower != NULL)
        followed = hg_follow_at(s->follower);
    hg_timeline_unlock(s);
    if (rc == HOLOG_OK)
        rc = s->log != NULL ? add_new(m, &state) : list_files(m, followed);
    if (rc == HOLOG_OK)
        rc = add_replaced(m);
    if (rc == HOLOG_OK)
        rc = copy_all_frames(m, last);
    if (rc == HOLOG_OK && s->log != NULL)
        hg_log_extents_settle(s->log); /* record lists of commits on their way can be read now */
    return rc;
}

void hg_mark_end(struct hg_mark *m)
{
    hg_mark_walk_end(m);
    for (size_t i = 0; i < hg_mark_places(m); i++) {
        struct hg_live_place *p = hg_mark_place_at(m, i);
        hg_offset_set_release(&m->memory, &p->found);
        hg_buf_release(&p->wants);
        hg_buf_release(&p->frames);
        hg_buf_release(&p->runs);
    }
    if (m->state.root != NULL)
        hg_state_mark_release(&m->state);
    hg_versions_put(m->s, &m->versions);
    hg_timeline_release(&m->kept);
    hg_buf_release(&m->folds);
    hg_buf_release(&m->places);
    hg_buf_release(&m->names);
    hg_buf_release(&m->keys);
    hg_buf_release(&m->things);
    hg_live_give_all(&m->memory);
}

/* ---- rounds --------------------------------------------------------------------------------------- */

static int want_entry(struct hg_mark *m, const uint8_t *key, size_t len,
                      const struct hg_locator *loc, uint64_t number)
{
    HG_UNUSED(key);
    HG_UNUSED(len);
    HG_UNUSED(number);
    if (loc->segment == 0)
        return HOLOG_OK; /* an entry without a record */
    return hg_mark_want(m, hg_pos_make(loc->segment, loc->offset), 1);
}

int hg_mark_rounds(struct hg_mark *m)
{
    int rc = HOLOG_OK;

    m->each = want_entry;
    for (m->holder = 0; m->holder < HG_HOLDERS && rc == HOLOG_OK; m->holder++) {
        rc = m->holder == HG_HOLD_HISTORY ? hg_mark_frames(m) : HOLOG_OK;
        if (rc == HOLOG_OK)
            rc = hg_mark_walk(m);
        if (rc == HOLOG_OK)
            rc = hg_mark_follow(m);
    }
    hg_mark_walk_end(m);
    return rc;
}

/* ---- what comes out ------------------------------------------------------------------------------- */

uint64_t hg_live_dead(const struct hg_live_segment *g)
{
    uint64_t not_dead = g->own;

    for (unsigned i = 0; i < HG_HOLDERS; i++)
        not_dead += g->live[i];
    return g->used - HG_MIN(g->used, not_dead);
}

static int by_run(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

static void sort_runs(struct hg_live_place *p)
{
    if (p->runs.len > 0)
        qsort(p->runs.data, p->runs.len / sizeof(uint64_t), sizeof(uint64_t), by_run);
}

int hg_mark_next_run(const struct hg_live_place *p, unsigned holder, size_t *at, uint64_t *end,
                     uint64_t *out_from)
{
    const uint64_t *runs = (const uint64_t *)(const void *)p->runs.data;

    while (*at < p->runs.len / sizeof *runs) {
        uint64_t run = runs[(*at)++];
        uint64_t from = HG_MAX(run >> 33, *end);
        uint64_t to = (run >> 33) + (run >> 2 & INT32_MAX);
        if ((run & 3) > holder || to <= from)
            continue;
        *out_from = from;
        *end = to;
        return 1;
    }
    return 0;
}

static uint64_t count_up_to(const struct hg_live_place *p, unsigned holder)
{
    uint64_t bytes = 0;
    uint64_t from = 0;
    uint64_t end = 0;
    size_t at = 0;

    while (hg_mark_next_run(p, holder, &at, &end, &from))
        bytes += end - from;
    return bytes;
}

/* ---- what lives in pages -------------------------------------------------------------------------- */

#define PAGES (UINT32_MAX / HG_PAGE_BYTES + 1)

/* How many bytes of each page live, with holders up to each; counts: HG_HOLDERS to a page. */
static void count_pages(const struct hg_live_place *p, uint32_t *counts)
{
    for (unsigned h = 0; h < HG_HOLDERS; h++) {
        uint64_t from = 0;
        uint64_t end = 0;
        size_t at = 0;
        while (hg_mark_next_run(p, h, &at, &end, &from)) {
            while (from < end) {
                uint64_t page = from / HG_PAGE_BYTES;
                uint64_t to = HG_MIN(end, (page + 1) * HG_PAGE_BYTES);
                counts[page * HG_HOLDERS + h] += (uint32_t)(to - from);
                from = to;
            }
        }
    }
}

/* A page takes its share of the file of its home; of that lives as much as of the page. */
static int add_share(struct hg_mark *m, struct hg_live_place *home, const struct hg_cold_share *s,
                     const uint32_t *up_to)
{
    uint64_t from = s->offset;
    int rc = HOLOG_OK;

    for (unsigned h = 0; h < HG_HOLDERS && rc == HOLOG_OK; h++) {
        uint64_t to = s->offset + s->len * HG_MIN(up_to[h], s->raw) / s->raw;
        uint64_t run;
        if (to <= from)
            continue;
        run = hg_live_run(from, to - from, h);
        rc = hg_live_append(&m->memory, &home->runs, &run, sizeof run);
        from = to;
    }
    return rc;
}

static int settle_pages(struct hg_mark *m, struct hg_live_place *p, uint32_t *counts)
{
    struct hg_live_place *home;
    struct hg_buf list = { 0 };
    const struct hg_cold_share *s;
    int rc = hg_mark_place(m, p->home, hg_pos_make(p->g.segment, 0), &home);

    if (rc == HOLOG_OK)
        rc = hg_cold_shares(m->s->cold, p->g.segment, &list);
    sort_runs(p);
    memset(counts, 0, (size_t)PAGES * HG_HOLDERS * sizeof *counts);
    count_pages(p, counts);
    s = (const struct hg_cold_share *)(const void *)list.data;
    for (size_t i = 0; i < list.len / sizeof *s && rc == HOLOG_OK; i++)
        rc = add_share(m, home, &s[i], counts + (size_t)s[i].page * HG_HOLDERS);
    hg_buf_release(&list);
    return rc;
}

/* What lives in frame segments that were replaced, where it is now. */
static int settle_replaced(struct hg_mark *m)
{
    uint64_t bytes = (uint64_t)PAGES * HG_HOLDERS * sizeof(uint32_t);
    uint32_t *counts = NULL;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < hg_mark_places(m) && rc == HOLOG_OK; i++) {
        struct hg_live_place *p = hg_mark_place_at(m, i);
        if (p->home == 0 || p->runs.len == 0)
            continue;
        if (counts == NULL) {
            rc = hg_live_take(&m->memory, bytes);
            counts = rc == HOLOG_OK ? hg_malloc((size_t)bytes) : NULL;
            if (rc == HOLOG_OK && counts == NULL)
                rc = hg_error(HOLOG_E_NOMEM, "no memory to count what lives");
        }
        if (rc == HOLOG_OK)
            rc = settle_pages(m, p, counts);
    }
    if (counts != NULL)
        hg_live_give(&m->memory, bytes);
    hg_free(counts);
    return rc;
}

/* ---- sizes ---------------------------------------------------------------------------------------- */

static int size_frames(struct hg_mark *m, struct hg_live_place *p)
{
    struct hg_digest *d = NULL;
    int rc = HOLOG_E_NOENT;

    if (!p->g.busy && (p->g.sealed || !p->known))
        rc = hg_digest_get(m->s->refs, p->g.segment, &d);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    p->g.sealed = d != NULL;
    if (d != NULL) {
        p->g.used = hg_digest_file_size(d);
        p->g.own += p->g.used - hg_digest_frames_end(d);
        hg_digest_put(m->s->refs, d);
    }
    return HOLOG_OK;
}

/* Of a file that nobody has open for writing, all is used: it was cut when the last one closed it. */
static int size_extents(struct hg_mark *m, struct hg_live_place *p)
{
    return p->open ? HOLOG_OK : file_size(m->s, p->g.segment, HG_KIND_EXTENTS, &p->g.used);
}

static int size_up(struct hg_mark *m, struct hg_live_place *p)
{
    uint64_t before = 0;
    int rc;

    p->g.own = p->g.kind == HG_KIND_HWP    ? hg_cold_own(m->s->cold, p->g.segment)
               : p->g.kind == HG_KIND_BASE ? p->g.used
                                           : HG_SEGMENT_HEADER_SIZE;
    rc = p->g.kind == HG_KIND_FRAMES    ? size_frames(m, p)
         : p->g.kind == HG_KIND_EXTENTS ? size_extents(m, p)
                                        : HOLOG_OK; /* as its EDIT says */
    if (rc < 0)
        return rc;
    sort_runs(p);
    for (unsigned i = 0; i < HG_HOLDERS; i++) {
        uint64_t bytes = count_up_to(p, i);
        p->g.live[i] = bytes - before;
        before = bytes;
    }
    return HOLOG_OK;
}

/* A read-only handle does not know what a writer does: what has no end may be written to. */
static void guess_busy(struct hg_mark *m)
{
    struct hg_live_place *newest = NULL;

    for (size_t i = 0; i < hg_mark_places(m); i++) {
        struct hg_live_place *p = hg_mark_place_at(m, i);
        p->g.busy = p->g.kind == HG_KIND_FRAMES && !p->g.sealed;
        if (p->g.kind == HG_KIND_EXTENTS)
            newest = p;
    }
    if (newest != NULL)
        newest->g.busy = 1;
}

/* below: hg_live_mark_unasked's; 0: of none. */
static int mark(holog_store *s, uint32_t below, struct hg_buf *out)
{
    struct hg_mark m = { .s = s, .memory = { .cache = s->cache } };
    int rc = hg_mark_begin(&m);

    if (rc == HOLOG_OK)
        rc = hg_mark_rounds(&m);
    if (rc == HOLOG_OK)
        rc = settle_replaced(&m);
    for (size_t i = 0; i < hg_mark_places(&m) && rc == HOLOG_OK; i++) {
        if (!hg_mark_place_at(&m, i)->gone)
            rc = size_up(&m, hg_mark_place_at(&m, i));
    }
    if (rc == HOLOG_OK && s->log == NULL)
        guess_busy(&m);
    if (rc == HOLOG_OK && below != 0)
        rc = hg_mark_unasked(&m, below);
    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(out, hg_mark_places(&m) * sizeof(struct hg_live_segment));
    for (size_t i = 0; i < hg_mark_places(&m) && rc == HOLOG_OK; i++) {
        if (!hg_mark_place_at(&m, i)->gone)
            rc = hg_buf_append(out, &hg_mark_place_at(&m, i)->g, sizeof(struct hg_live_segment));
    }
    hg_mark_end(&m);
    return rc;
}

int hg_live_mark(holog_store *s, struct hg_buf *out)
{
    return mark(s, 0, out);
}

int hg_live_mark_unasked(holog_store *s, uint32_t below, struct hg_buf *out)
{
    return mark(s, below, out);
}
