/*
 * The decision: where the log ends, and whether what is behind was ever acknowledged.
 *
 * Segments are taken in order of their ids. Each must name the one before it, and where that one
 * ended. A sealed segment whose footer says what its successor says is taken as it is; any other
 * is walked frame by frame. Only the last may end in a torn tail: the frames of all others were
 * durable before their successor's header was written. A log that begins with a base
 * (recover_base.c) is taken from behind the frame that the base covers.
 *
 * P1  Nothing is written here.
 * P2  A floor is what anybody who was in a position to know calls durable: SUPER, a frame anywhere
 *     whose header verifies, a seal, a successor's header. An end before a floor is damage.
 * P3  A read error is returned as it is; it never ends the log.
 * P4  Whatever happens, p->last, p->end and p->link describe a whole log that verifies up to there.
 */
#include <string.h>

#include "base/error.h"
#include "wal/recover_internal.h"

/* ---- who the store is ------------------------------------------------------------------------ */

static int read_super(struct hg_plan *p)
{
    p->super_rc = hg_super_read(p->io, &p->super, &p->slots);
    if (p->super_rc == HOLOG_OK || p->super_rc == HOLOG_E_NOENT || p->super_rc == HOLOG_E_CORRUPT)
        return HOLOG_OK;
    return p->super_rc;
}

/* A base covers commits. */
static int any_base(const struct hg_plan *p)
{
    for (size_t i = 0; i < p->list.n; i++) {
        if (p->list.e[i].s.kind == HG_KIND_BASE && p->list.e[i].header_rc == HOLOG_OK)
            return 1;
    }
    return 0;
}

/* Does any segment hold a commit? One whose header is damaged may. */
static int any_commit(struct hg_plan *p, int *out_any)
{
    *out_any = any_base(p);
    for (size_t i = hg_listing_next_log(&p->list, 0); i < p->list.n && !*out_any;
         i = hg_listing_next_log(&p->list, i + 1)) {
        const struct hg_listed *e = &p->list.e[i];
        char name[HG_FILE_NAME_MAX];
        struct hg_image m = { 0 };
        struct hg_behind b;

        hg_segment_name(name, e->s.id, e->s.kind);
        int rc =
            hg_image_read(p->io, name, p->flags, 0, HG_MIN(e->s.file_size, HG_LOG_FILE_MAX), &m);
        if (rc < 0)
            return rc;
        if (e->header_rc < 0) {
            *out_any = !hg_is_zero(m.data, (size_t)m.len);
        } else {
            hg_scan_behind(&e->s.header, &m, HG_SEGMENT_HEADER_SIZE, hg_image_end(&m), &b);
            *out_any = b.commits > 0;
        }
        hg_image_release(&m);
    }
    return HOLOG_OK;
}

/* No valid SUPER. Init writes it last: without a commit this is no store yet. */
static int judge_without_super(struct hg_plan *p)
{
    int any = 0;
    int rc = any_commit(p, &any);

    if (rc < 0)
        return rc;
    if (!any)
        return hg_error(HOLOG_E_NOTSTORE, "%s: no store here, or not yet: %s", p->io->root,
                        p->super_rc == HOLOG_E_NOENT ? "there is no SUPER and no commit"
                                                     : "SUPER is not valid and there is no commit");
    if (p->mode == HG_RECOVER_STRICT)
        return hg_corrupt_file(HG_SUPER_NAME, 0,
                               "SUPER is lost, the segments are there: holog repair rebuilds it");
    memset(&p->super, 0, sizeof p->super);
    for (size_t i = hg_listing_next_log(&p->list, 0); i < p->list.n;
         i = hg_listing_next_log(&p->list, i + 1)) {
        const struct hg_segment_header *h = &p->list.e[i].s.header;
        if (p->list.e[i].header_rc < 0)
            continue;
        memcpy(p->super.uuid, h->uuid, sizeof p->super.uuid);
        p->super.salt = h->salt;
        return HOLOG_OK;
    }
    return hg_corrupt_file(HG_SUPER_NAME, 0,
                           "SUPER and every segment header are lost: nothing can be kept");
}

/* ---- joining segments ------------------------------------------------------------------------ */

static int missing(const struct hg_plan *p, uint32_t id, const struct hg_log_segment *who)
{
    char name[HG_FILE_NAME_MAX];
    int rc = p->begin.base < p->list.n || who == NULL
                 ? HOLOG_OK
                 : hg_base_missed(&p->list, &p->super, p->base_below);

    if (rc < 0)
        return rc;

    hg_segment_name(name, id, HG_KIND_FRAMES);
    if (who == NULL)
        return hg_corrupt_file(name, 0, "%s is missing: SUPER names it", name);
    if (who->kind == HG_KIND_BASE)
        return hg_corrupt_file(name, 0, "%s is missing: base %08x covers a frame in it", name,
                               who->id);
    return hg_corrupt_file(name, 0, "%s is missing: segment %08x follows it", name, who->id);
}

int hg_plan_check_name(const struct hg_plan *p, const struct hg_listed *e)
{
    char advice[HG_ADVICE_MAX];
    char name[HG_FILE_NAME_MAX];

    if (!hg_listing_misnamed(&p->list, e, p->super_rc == HOLOG_OK ? &p->super : NULL, advice))
        return HOLOG_OK;
    hg_segment_name(name, e->s.id, e->s.kind);
    return hg_corrupt(e->s.id, 0, "%s, offset 0: %s", name, advice);
}

static int check_header(const struct hg_plan *p, const struct hg_listed *e)
{
    const struct hg_segment_header *h = &e->s.header;
    int rc = hg_plan_check_name(p, e);
    if (rc < 0)
        return rc;
    if (e->header_rc == HOLOG_E_CORRUPT)
        return hg_corrupt(e->s.id, 0, "segment %08x: %s", e->s.id, e->why);
    if (e->header_rc < 0)
        return hg_error(e->header_rc, "%s", e->why); /* it names the segment */
    if (memcmp(h->uuid, p->super.uuid, sizeof h->uuid) != 0 || h->salt != p->super.salt)
        return hg_corrupt(e->s.id, 32, "segment %08x belongs to another store", e->s.id);
    if (e->s.file_size > HG_LOG_FILE_MAX)
        return hg_corrupt(e->s.id, HG_LOG_FILE_MAX, "segment %08x is larger than any can be",
                          e->s.id);
    return HOLOG_OK;
}

/* What a header says of the last frame before it. One that follows a segment without frames may
 * repeat what that one's header said. */
static int names_last_frame(const struct hg_segment_header *h, const struct hg_link *link)
{
    if (h->pred_last_len == link->len && h->pred_last_hash == link->hash)
        return 1;
    return hg_pos_segment(link->frame) != h->pred_id && h->pred_last_len == 0 &&
           h->pred_last_hash == 0;
}

static int check_id(const struct hg_plan *p, size_t i)
{
    const struct hg_listed *e = &p->list.e[i];

    if ((i > 0 && e[-1].s.id == e->s.id) || (i + 1 < p->list.n && e[1].s.id == e->s.id))
        return hg_corrupt(e->s.id, 0, "two files carry the segment id %08x", e->s.id);
    return HOLOG_OK;
}

/* Segment i after what has been taken. */
static int check_join(const struct hg_plan *p, size_t i)
{
    const struct hg_listed *e = &p->list.e[i];
    const struct hg_segment_header *h = &e->s.header;

    int rc = check_header(p, e);
    if (rc >= 0)
        rc = check_id(p, i);
    if (rc < 0 || e->start != 0)
        return rc; /* what is before that does not count */
    if (p->last == p->list.n)
        return h->pred_id == 0 ? HOLOG_OK : missing(p, h->pred_id, &e->s);
    const struct hg_log_segment *before = &p->list.e[p->last].s;
    if (h->pred_id > before->id)
        return missing(p, h->pred_id, &e->s);
    if (h->pred_id != before->id || h->pred_epoch != before->header.epoch)
        return hg_corrupt(e->s.id, 224, "segment %08x does not follow segment %08x", e->s.id,
                          before->id);
    if (h->pred_end != p->end || !names_last_frame(h, &p->link) || h->pred_number != p->link.number)
        return hg_corrupt(before->id, HG_MIN(p->end, h->pred_end),
                          "segment %08x says that segment %08x ended otherwise", e->s.id,
                          before->id);
    return HOLOG_OK;
}

/* The header that says how segment i ended; NULL for the last, or when the next is no witness. */
static const struct hg_segment_header *successor(const struct hg_plan *p, size_t i)
{
    size_t next = hg_listing_next_log(&p->list, i + 1);

    if (next >= p->list.n || p->list.e[next].header_rc < 0)
        return NULL;
    const struct hg_segment_header *h = &p->list.e[next].s.header;
    const struct hg_segment_header *own = &p->list.e[i].s.header;
    return h->pred_id == own->id && h->pred_epoch == own->epoch ? h : NULL;
}

/* ---- taking a segment by its footer ---------------------------------------------------------- */

static int tail_agrees(const struct hg_footer_tail *t, const struct hg_segment_header *next)
{
    if (t->frames_end != next->pred_end)
        return 0;
    if (t->frames == 0)
        return 1;
    return t->last_number == next->pred_number && t->last_len == next->pred_last_len &&
           t->last_hash == next->pred_last_hash;
}

static int ignore_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    HG_UNUSED(ctx);
    HG_UNUSED(f);
    HG_UNUSED(offset);
    HG_UNUSED(time_ns);
    return 0;
}

static int ignore_record(void *ctx, const struct hg_record *r)
{
    HG_UNUSED(ctx);
    HG_UNUSED(r);
    return 0;
}

/* Whether the footer has the frame that the base covers. */
static int reaches_start(const struct hg_listed *e)
{
    const struct hg_footer_tail *t = &e->s.tail;

    return t->frames_end > e->start || e->start == 0 ||
           (t->frames_end == e->start && t->last_len == e->before.len &&
            t->last_hash == e->before.hash);
}

/* Whether the seal of segment i can be trusted. A footer that is damaged costs a walk, no more. */
static int trust_footer(struct hg_plan *p, struct hg_listed *e,
                        const struct hg_segment_header *next, int *out_trust)
{
    const struct hg_footer_visitor v = { .frame = ignore_frame, .record = ignore_record };

    *out_trust = 0;
    if (!e->s.sealed)
        return HOLOG_OK;
    if ((next != NULL && !tail_agrees(&e->s.tail, next)) || !reaches_start(e)) {
        e->s.sealed = 0;
        return HOLOG_OK;
    }
    if (next == NULL || p->deep) {
        int rc = hg_footer_load(p->io, p->flags, &e->s, &v);
        if (rc < 0 && rc != HOLOG_E_CORRUPT)
            return rc;
        e->s.sealed = rc == HOLOG_OK;
    }
    *out_trust = e->s.sealed;
    return HOLOG_OK;
}

static void take_tail(struct hg_plan *p, struct hg_listed *e)
{
    const struct hg_footer_tail *t = &e->s.tail;

    p->end = t->frames_end;
    e->s.used = t->frames_end;
    if (t->frames == 0)
        return;
    p->link =
        (struct hg_link){ .frame = hg_pos_make(e->s.id, (uint32_t)(t->frames_end - t->last_len)),
                          .len = (uint32_t)t->last_len,
                          .hash = t->last_hash,
                          .number = t->last_number };
}

/* ---- taking a segment frame by frame --------------------------------------------------------- */

/* How a walk must end, by a witness outside the frames. */
struct witness {
    int there;
    uint64_t end;
    uint64_t last_len;
    uint64_t last_hash;
};

static struct witness witness_of(const struct hg_listed *e, const struct hg_segment_header *next)
{
    if (next != NULL)
        return (struct witness){ 1, next->pred_end, next->pred_last_len, next->pred_last_hash };
    if (e->s.sealed)
        return (struct witness){ 1, e->s.tail.frames_end, e->s.tail.last_len, e->s.tail.last_hash };
    return (struct witness){ 0 };
}

static int damage_at(const struct hg_listed *e, const struct hg_walk *w, const char *witness)
{
    return hg_corrupt(e->s.id, w->bad_at,
                      "segment %08x, byte %llu: %s, %s: acknowledged data is damaged (holog verify "
                      "lists it, holog repair goes on from there)",
                      e->s.id, (unsigned long long)w->bad_at,
                      w->why != NULL ? w->why : "the log ends too early", witness);
}

static int take_frame(void *ctx, const struct hg_walk *w)
{
    struct hg_plan *p = ctx;

    p->end = w->end;
    p->link = w->link;
    return HOLOG_OK;
}

void hg_plan_walk(struct hg_walk *w, const struct hg_listed *e, uint64_t to)
{
    hg_walk_begin(w, &e->s.header, NULL, to, &e->before);
    if (e->start == 0)
        return;
    w->end = e->start;
    w->next = HG_ALIGN8(e->start);
    w->commits = e->before.number >= e->s.header.first_number;
}

/* The frames of e from its start to `to`. On return, also of an error, p stands behind the last
 * that verified. */
static int walk_frames(struct hg_plan *p, struct hg_listed *e, struct hg_file *f, uint64_t to,
                       struct hg_walk *w)
{
    hg_plan_walk(w, e, to);
    int rc = hg_walk_file(w, f, to, &p->buf, take_frame, p);
    e->s.used = p->end;
    return rc;
}

struct extent_check {
    struct hg_plan *p;
    uint32_t segment;
    hg_pos floor;
    hg_pos at; /* end of the frame whose extents are looked at */
};

static int check_frame_extents(void *ctx, const struct hg_walk *w)
{
    struct extent_check *c = ctx;

    c->at = hg_pos_make(c->segment, (uint32_t)w->next);
    if (c->at > c->floor) {
        int rc = hg_extent_verify_body(&c->p->extents, w->body, w->body_len, c->segment,
                                       (uint64_t)w->offset + HG_FRAME_HEADER_SIZE);
        if (rc < 0)
            return rc;
    }
    return take_frame(c->p, w);
}

/* Extents named by frames that end behind `floor`. The first bad one ends the log before its
 * frame: HOLOG_E_CORRUPT with p standing there, *out_pos that frame's end. */
static int check_extents(struct hg_plan *p, struct hg_listed *e, struct hg_file *f, hg_pos floor,
                         hg_pos *out_pos)
{
    struct extent_check c = { .p = p, .segment = e->s.id, .floor = floor };
    uint64_t stop = p->end;
    struct hg_walk w;

    hg_plan_walk(&w, e, stop);
    w.bodies_ok = 1;
    p->end = w.end;
    p->link = w.link;
    int rc = hg_walk_file(&w, f, stop, &p->buf, check_frame_extents, &c);
    e->s.used = p->end;
    *out_pos = c.at;
    return rc;
}

/* A segment that is complete, by a witness: whatever is missing in it is damage. */
static int judge_complete(struct hg_plan *p, struct hg_listed *e, struct hg_file *f,
                          struct hg_walk *w, const struct witness *said)
{
    hg_pos at = 0;

    if (p->end != said->end ||
        (hg_pos_segment(p->link.frame) == e->s.id &&
         (p->link.len != said->last_len || p->link.hash != said->last_hash))) {
        w->bad_at = HG_MAX(w->bad_at, HG_ALIGN8(p->end));
        return damage_at(e, w, "before the end that its seal or the next segment states");
    }
    return p->deep ? check_extents(p, e, f, 0, &at) : HOLOG_OK;
}

/* What lies behind the end as p has it. */
static int scan_tail(struct hg_plan *p, const struct hg_listed *e, struct hg_file *f)
{
    return hg_scan_behind_file(&e->s.header, f, HG_ALIGN8(p->end), e->s.file_size, &p->buf,
                               &p->behind);
}

/* The last segment, not sealed. */
static int judge_open(struct hg_plan *p, struct hg_listed *e, struct hg_file *f, struct hg_walk *w)
{
    hg_pos at = 0;

    int rc = scan_tail(p, e, f);
    if (rc < 0)
        return rc;
    p->floor = HG_MAX(HG_MAX(p->floor, w->floor), p->behind.floor);
    if (HG_MAX(p->floor, p->super.floor) > hg_plan_end(p))
        return damage_at(e, w, "where it is known durable");
    hg_pos floor = HG_MAX(p->floor, p->super.floor);
    if (!p->deep && floor >= hg_plan_end(p))
        return HOLOG_OK;
    rc = check_extents(p, e, f, p->deep ? 0 : floor, &at);
    if (rc >= 0)
        return rc;
    if (rc == HOLOG_E_CORRUPT && at > floor)
        return scan_tail(p, e, f); /* that commit did not happen: its extent had not arrived */
    return rc;
}

/* Beside a live writer: the log is what it has called durable, no more and no less. */
static int judge_limited(struct hg_plan *p, struct hg_listed *e, struct hg_walk *w)
{
    if (hg_plan_end(p) == p->limit)
        return HOLOG_OK;
    return damage_at(e, w, "before the end that the writer has published");
}

static int walk_open_file(struct hg_plan *p, struct hg_listed *e,
                          const struct hg_segment_header *next, struct hg_file *f)
{
    int limited = p->limit != 0 && next == NULL;
    struct witness said = witness_of(e, next);
    uint64_t to = said.there ? said.end : e->s.file_size;
    struct hg_walk w;

    if (limited)
        to = hg_pos_offset(p->limit);
    to = HG_MIN(to, e->s.file_size);
    p->bytes_read += to;
    int rc = walk_frames(p, e, f, to, &w);
    if (rc < 0)
        return rc;
    if (limited)
        return judge_limited(p, e, &w);
    if (said.there)
        return judge_complete(p, e, f, &w, &said);
    return judge_open(p, e, f, &w);
}

static int walk_segment(struct hg_plan *p, struct hg_listed *e,
                        const struct hg_segment_header *next)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;

    hg_segment_name(name, e->s.id, e->s.kind);
    int rc = p->io->ops->open(p->io, name, p->flags, &f);
    if (rc < 0)
        return rc;
    rc = walk_open_file(p, e, next, f);
    (void)p->io->ops->close(f); /* only read: nothing to lose */
    return rc;
}

/* ---- the whole log --------------------------------------------------------------------------- */

static int take_segment(struct hg_plan *p, size_t i)
{
    struct hg_listed *e = &p->list.e[i];
    int trust = 0;

    int rc = check_join(p, i);
    if (rc < 0)
        return rc;
    const struct hg_segment_header *next = successor(p, i);
    e->before = p->link;
    p->last = i; /* P4: joined, and empty so far */
    p->end = e->start != 0 ? e->start : HG_SEGMENT_HEADER_SIZE;
    e->s.used = p->end;
    if (p->limit != 0 && next == NULL)
        e->s.sealed = 0; /* the writer may be sealing it right now */
    rc = trust_footer(p, e, next, &trust);
    if (rc < 0)
        return rc;
    if (trust)
        p->floor = HG_MAX(p->floor, hg_pos_make(e->s.id, (uint32_t)e->s.tail.chunks_at));
    if (trust && !p->deep) {
        take_tail(p, e);
        return HOLOG_OK;
    }
    return walk_segment(p, e, next);
}

/* How far its frames go, as far as anybody knows. */
static uint64_t end_of_container(const struct hg_plan *p, size_t i)
{
    const struct hg_log_segment *s = &p->list.e[i].s;
    const struct hg_segment_header *next = successor(p, i);

    return next != NULL ? next->pred_end : s->sealed ? s->tail.frames_end : s->file_size;
}

/* A frame segment below the one that the log begins in: nothing joins it, and damage in it is told
 * when what lies there is read. */
static int take_container(struct hg_plan *p, size_t i)
{
    struct hg_listed *e = &p->list.e[i];

    int rc = hg_plan_check_name(p, e);
    if (rc >= 0)
        rc = check_id(p, i);
    if (rc >= 0)
        e->s.used = e->header_rc == HOLOG_OK ? end_of_container(p, i) : e->s.file_size;
    return rc;
}

static int take_containers(struct hg_plan *p)
{
    int rc = HOLOG_OK;

    for (size_t i = hg_listing_next_log(&p->list, 0); rc >= 0 && i < p->begin.first;
         i = hg_listing_next_log(&p->list, i + 1))
        rc = take_container(p, i);
    return rc;
}

static int choose_base(struct hg_plan *p)
{
    const struct hg_base_search q = { .io = p->io,
                                      .flags = p->flags,
                                      .super = &p->super,
                                      .limit = p->limit,
                                      .below = p->base_below,
                                      .check = p->check_base,
                                      .ctx = p->check_ctx };

    int rc = hg_base_choose(&q, &p->list, &p->begin);
    if (rc < 0 || p->begin.base == p->list.n)
        return rc;
    p->link = p->begin.link;
    p->list.e[p->begin.first].start = p->begin.end;
    return take_containers(p);
}

static int take_all(struct hg_plan *p)
{
    uint64_t total = 0;
    uint64_t done = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < p->list.n; i++) {
        const struct hg_listed *e = &p->list.e[i];
        if (e->s.kind == HG_KIND_FRAMES && i >= p->begin.first)
            total += e->s.file_size;
        else if (e->header_rc == HOLOG_E_VERSION)
            return check_header(p, e);
    }
    for (size_t i = p->begin.first; rc >= 0 && i < p->list.n;
         i = hg_listing_next_log(&p->list, i + 1)) {
        rc = take_segment(p, i);
        done += p->list.e[i].s.file_size;
        if (rc >= 0)
            rc = hg_progress(p->progress, p->progress_ctx, done, total);
    }
    return rc;
}

/* What bases cover was durable, whether the log begins with them or not. */
static int check_bases(const struct hg_plan *p)
{
    uint32_t last = p->last < p->list.n ? p->list.e[p->last].s.id : 0;
    char name[HG_FILE_NAME_MAX];

    for (size_t i = 0; i < p->list.n && p->limit == 0; i++) {
        const struct hg_log_segment *s = &p->list.e[i].s;
        if (!hg_base_sound(&p->list.e[i], &p->super))
            continue;
        if (s->header.pred_id > last)
            return missing(p, s->header.pred_id, s);
        hg_segment_name(name, s->id, s->kind);
        if (hg_base_end(&s->header) > hg_plan_end(p))
            return hg_corrupt(last, HG_ALIGN8(p->end),
                              "segment %08x ends at %llu, %s covers it up to %llu: acknowledged "
                              "data is damaged",
                              last, (unsigned long long)HG_ALIGN8(p->end), name,
                              (unsigned long long)HG_ALIGN8(s->header.pred_end));
    }
    return HOLOG_OK;
}

/* What SUPER knows of segments that nobody else names. */
static int check_super(const struct hg_plan *p)
{
    uint32_t last = p->last < p->list.n ? p->list.e[p->last].s.id : 0;
    hg_pos end = last == 0 ? 0 : hg_plan_end(p);

    if (p->limit != 0)
        return last == hg_pos_segment(p->limit) ? HOLOG_OK
                                                : missing(p, hg_pos_segment(p->limit), NULL);
    if (p->super.active_segment > last)
        return missing(p, p->super.active_segment, NULL);
    if (p->super.floor <= end)
        return HOLOG_OK;
    if (hg_pos_segment(p->super.floor) > last)
        return missing(p, hg_pos_segment(p->super.floor), NULL);
    return hg_corrupt(last, hg_pos_offset(end),
                      "segment %08x ends at %u, SUPER knows it durable up to %u: acknowledged data "
                      "is damaged",
                      last, hg_pos_offset(end), hg_pos_offset(p->super.floor));
}

static void find_highest(struct hg_plan *p)
{
    uint64_t n = HG_MAX(p->link.number, p->super.floor_number);

    n = HG_MAX(n, HG_MAX(p->behind.number, p->list.number_max));
    for (size_t i = 0; i < p->list.n; i++) {
        const struct hg_listed *e = &p->list.e[i];
        if ((e->header_rc == HOLOG_OK && e->s.kind == HG_KIND_FRAMES) ||
            hg_base_sound(e, &p->super))
            n = HG_MAX(n, e->s.header.highest_number);
    }
    p->highest = n;
}

/* A segment that SUPER has not heard of: made by a writer that came after it was written. */
static int made_since(const struct hg_plan *p)
{
    return p->list.n > 0 && p->list.e[p->list.n - 1].s.id >= p->super.next_segment;
}

/* The file ends where a clean close cut it: nobody has opened it since and written. A byte in the
 * rest of the last block that is not zero is then no tail of anything. */
static int as_closed(const struct hg_plan *p, const struct hg_log_segment *s)
{
    uint64_t end = HG_ALIGN4K(p->end);

    return s->file_size <= end + hg_segment_kept(s->header.capacity) &&
           p->behind.nonzero_end <= end;
}

/* Clean: closed, and nobody has written since. */
static void find_tail(struct hg_plan *p)
{
    int closed = p->limit == 0 && p->super.state == HG_SUPER_CLEAN && !made_since(p);

    if (p->limit != 0 || p->last == p->list.n) {
        p->clean = closed;
        return;
    }
    const struct hg_log_segment *s = &p->list.e[p->last].s;
    int untouched = p->behind.frames == 0 && (p->behind.nonzero == 0 || as_closed(p, s));
    /* A recovery that was cut between cutting the tail and sealing leaves no tail either. The copy
     * it made remembers the numbers: to go on in this segment would leave a gap in them. */
    int numbers_cut =
        !s->sealed && p->list.number_max > HG_MAX(p->link.number, s->header.highest_number);
    p->clean =
        !p->damaged && closed && p->super.floor == hg_plan_end(p) && untouched && !numbers_cut;
    p->cut = p->damaged || (!p->clean && p->behind.nonzero > 0);
}

/* POINT_IN_TIME: the log ends before the first damage; what else is there counts as cut. */
static int end_at_damage(struct hg_plan *p)
{
    hg_error_get(&p->damage);
    p->damaged = 1;
    p->behind = (struct hg_behind){ 0 };
    if (p->last == p->list.n)
        return HOLOG_OK;
    struct hg_listed *e = &p->list.e[p->last];
    struct hg_file *f = NULL;
    char name[HG_FILE_NAME_MAX];
    hg_segment_name(name, e->s.id, e->s.kind);
    if (e->s.sealed && e->s.tail.frames_end == p->end)
        return HOLOG_OK; /* the damage is in the next file */
    e->s.sealed = 0;
    int rc = p->io->ops->open(p->io, name, p->flags, &f);
    if (rc < 0)
        return rc;
    rc = scan_tail(p, e, f);
    (void)p->io->ops->close(f); /* only read: nothing to lose */
    return rc;
}

static int has_edits(const struct hg_plan *p)
{
    uint64_t features = p->super_rc == HOLOG_OK ? p->super.feat_incompat : 0;

    for (size_t i = 0; i < p->list.n; i++)
        features |= p->list.e[i].header_rc == HOLOG_OK ? p->list.e[i].s.header.feat_incompat : 0;
    return (features & HG_FEATURE_COLD) != 0;
}

int hg_plan_make(struct hg_plan *p)
{
    p->extents.io = p->io;
    p->extents.flags = p->flags;
    int rc = read_super(p);
    if (rc >= 0)
        rc = hg_listing_read(p->io, p->flags, hg_pos_segment(p->limit), &p->list);
    if (rc >= 0 && p->super_rc < 0)
        rc = judge_without_super(p);
    if (rc < 0)
        return rc;
    p->last = p->list.n;
    if (p->deep && has_edits(p))
        p->extents.edits = &p->edits;
    rc = choose_base(p);
    if (rc >= 0)
        rc = take_all(p);
    if (rc >= 0)
        rc = check_super(p);
    if (rc >= 0)
        rc = check_bases(p);
    if (rc == HOLOG_E_CORRUPT && p->mode == HG_RECOVER_POINT_IN_TIME)
        rc = end_at_damage(p);
    if (rc < 0)
        return rc;
    p->floor = HG_MAX(p->floor, p->super.floor);
    find_highest(p);
    find_tail(p);
    return HOLOG_OK;
}

void hg_plan_release(struct hg_plan *p)
{
    hg_extent_reader_release(&p->extents);
    hg_edits_release(&p->edits);
    hg_image_release(&p->buf);
    hg_listing_release(&p->list);
}

/* A feature that this version does not know and must know to write. */
int hg_plan_may_write(const struct hg_plan *p)
{
    uint64_t features = p->super_rc == HOLOG_OK ? p->super.feat_ro_compat : 0;

    for (size_t i = 0; i < p->list.n; i++) {
        if (p->list.e[i].header_rc == HOLOG_OK)
            features |= p->list.e[i].s.header.feat_ro_compat;
    }
    return features == 0
               ? HOLOG_OK
               : hg_error(HOLOG_E_VERSION,
                          "%s: a later version of holog wrote it (features %#llx): it can "
                          "be read here, not written" HG_USE_NEWER " to write",
                          p->io->root, (unsigned long long)features);
}
