/*
 * See livekit.h.
 */
#include "livekit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/node.h"
#include "engine/live.h"
#include "wal/frame.h"

#define FRAME_MAGIC 0x31464748u
#define SEGMENTS    4096

struct image { /* of a segment, and who holds each of its bytes */
    uint32_t id;
    int list; /* extents */
    uint8_t *bytes;
    size_t len;
    uint8_t *held;    /* holder + 1; 0: nobody */
    uint8_t *version; /* at a record's first byte: it was followed as a version */
    uint8_t *record;  /* it was painted */
    uint8_t *mine;    /* what the mark says */
};

struct fold {
    hg_pos version, fold;
};

struct ref { /* the newest references to a record: paths, each behind a newline */
    hg_pos birth;
    int is_head;
    uint64_t number;
    struct hg_buf paths;
};

struct oracle {
    struct image image[SEGMENTS];
    size_t images;
    struct hg_buf folds;
    struct hg_buf refs;
    int holder;
    int with_paths;
    const char *when;
};

static struct oracle o;
struct live_met live_met;

static struct image *image_of(uint32_t id)
{
    for (size_t i = 0; i < o.images; i++) {
        if (o.image[i].id == id)
            return &o.image[i];
    }
    cr_assert_fail("%s: segment %u is named, and there is no such file", o.when, id);
    return NULL;
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void load_one(struct box *b, const char *name)
{
    struct image *m = &o.image[o.images];
    char path[300];

    if (strstr(name, ".hlog") == NULL && strstr(name, ".hext") == NULL)
        return;
    cr_assert_lt(o.images, SEGMENTS);
    (void)snprintf(path, sizeof path, "seg/%s", name);
    m->id = (uint32_t)strtoul(name, NULL, 16);
    m->list = strstr(name, ".hext") != NULL;
    m->bytes = file_read(b->dir, path, &m->len);
    m->held = calloc(1, m->len + 1);
    m->mine = calloc(1, m->len + 1);
    m->version = calloc(1, m->len + 1);
    m->record = calloc(1, m->len + 1);
    cr_assert(m->held != NULL && m->mine != NULL && m->version != NULL && m->record != NULL);
    o.images++;
}

static void load_files(struct box *b)
{
    char dir[300];
    const struct dirent *e;
    DIR *d;

    (void)snprintf(dir, sizeof dir, "%s/seg", b->dir);
    d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL) /* NOLINT(concurrency-mt-unsafe): d is our own */
        load_one(b, e->d_name);
    (void)closedir(d);
}

static void release(void)
{
    for (size_t i = 0; i < o.images; i++) {
        free(o.image[i].bytes);
        free(o.image[i].held);
        free(o.image[i].mine);
        free(o.image[i].version);
        free(o.image[i].record);
    }
    for (size_t i = 0; i < o.refs.len / sizeof(struct ref); i++)
        hg_buf_release(&((struct ref *)(void *)o.refs.data)[i].paths);
    hg_buf_release(&o.refs);
    hg_buf_release(&o.folds);
    memset(&o, 0, sizeof o);
}

/* ---- painting ------------------------------------------------------------------------------------- */

static void paint(uint32_t segment, uint64_t from, uint64_t len)
{
    struct image *m = image_of(segment);

    cr_assert(from <= m->len && len <= m->len - from, "%s: %u at %llu + %llu of %zu", o.when,
              segment, (unsigned long long)from, (unsigned long long)len, m->len);
    for (uint64_t i = from; i < from + len; i++) {
        if (m->held[i] == 0)
            m->held[i] = (uint8_t)(o.holder + 1);
    }
}

static void decode(hg_pos at, struct hg_record *r, size_t *back)
{
    struct image *m = image_of(hg_pos_segment(at));

    cr_assert_lt(hg_pos_offset(at), m->len);
    OK(hg_rec_decode_at(m->bytes + hg_pos_offset(at), m->len - hg_pos_offset(at), back, r));
}

static void paint_record(hg_pos at, struct hg_record *r)
{
    uint32_t offset = hg_pos_offset(at);
    struct image *m = image_of(hg_pos_segment(at));
    struct hg_piece p;
    size_t back = 0;
    size_t i = 0;

    decode(at, r, &back);
    if (m->record[offset])
        return;
    m->record[offset] = 1;
    paint(m->id, offset, r->whole_len);
    paint(m->id, offset - back, 8);
    while (r->n_pieces > 0 && hg_pieces_next(r, &i, &p) == HOLOG_OK)
        paint(p.segment, p.offset, p.len);
}

/* ---- what versions are made of --------------------------------------------------------------------- */

static hg_pos newest_fold(hg_pos version)
{
    const struct fold *f = (const struct fold *)(const void *)o.folds.data;
    hg_pos fold = 0;

    for (size_t i = 0; i < o.folds.len / sizeof *f; i++) {
        if (f[i].version == version && f[i].fold > fold)
            fold = f[i].fold;
    }
    return fold;
}

static void payload(const struct hg_record *r, struct hg_buf *out)
{
    struct hg_piece p;
    size_t i = 0;

    if (r->n_pieces == 0) {
        OK(hg_buf_append(out, r->value, (size_t)r->value_len));
        return;
    }
    while (hg_pieces_next(r, &i, &p) == HOLOG_OK)
        OK(hg_buf_append(out, image_of(p.segment)->bytes + p.offset, (size_t)p.len));
}

static void paint_fold(hg_pos fold)
{
    struct hg_buf bytes = { 0 };
    struct hg_record r;
    struct hg_record named;
    struct hg_span span;
    size_t at = 0;

    paint_record(fold, &r);
    payload(&r, &bytes);
    cr_assert_geq(bytes.len, r.spans_len);
    while (hg_spans_next(bytes.data + bytes.len - r.spans_len, (size_t)r.spans_len, &at, &span) ==
           HOLOG_OK) {
        if (span.birth != 0)
            paint_record(span.birth, &named);
    }
    hg_buf_release(&bytes);
}

static void paint_version(hg_pos at)
{
    struct hg_record r;

    for (;;) {
        uint8_t *seen = &image_of(hg_pos_segment(at))->version[hg_pos_offset(at)];
        hg_pos fold;
        if (*seen)
            return;
        *seen = 1;
        paint_record(at, &r);
        if (r.type != HG_REC_DELTA)
            return;
        fold = newest_fold(at);
        live_met.folds += fold != 0;
        live_met.chains += fold == 0;
        if (fold != 0) {
            paint_fold(fold);
            return;
        }
        at = r.base;
    }
}

/* ---- frames --------------------------------------------------------------------------------------- */

static void look_at_records(const struct image *m, size_t body, size_t len, int kept)
{
    struct hg_body b;
    size_t at;

    OK(hg_body_decode(m->bytes + body, len, &b));
    for (at = b.records_at; at < len;) {
        struct hg_record r;
        struct fold f;
        OK(hg_rec_decode(m->bytes + body + at, len - at, at, &r));
        f = (struct fold){ .version = r.base, .fold = hg_pos_make(m->id, (uint32_t)(body + at)) };
        if (r.type == HG_REC_FOLD)
            OK(hg_buf_append(&o.folds, &f, sizeof f));
        if (r.type == HG_REC_BODY && kept)
            paint(r.body.segment, r.body.offset, r.body.len);
        at += r.whole_len;
    }
}

static int is_frame(const struct image *m, size_t at)
{
    return at + HG_FRAME_HEADER_SIZE <= m->len && hg_get_le32(m->bytes + at) == FRAME_MAGIC;
}

/* Folds are noted; with `horizon` the commits from it on are painted. */
static void walk_frames(const struct image *m, uint64_t horizon)
{
    size_t end = HG_SEGMENT_HEADER_SIZE;

    for (;;) {
        size_t at = (end + 7) & ~(size_t)7;
        if (!is_frame(m, at))
            at = (end + 4095) & ~(size_t)4095;
        if (!is_frame(m, at))
            return;
        const uint8_t *h = m->bytes + at;
        size_t len = hg_get_le32(h + 8);
        int kept =
            horizon != UINT64_MAX && h[4] == HG_FRAME_COMMIT && hg_get_le64(h + 16) >= horizon;
        cr_assert_leq(len, m->len - at);
        if (kept)
            paint(m->id, at, len);
        look_at_records(m, at + HG_FRAME_HEADER_SIZE, len - HG_FRAME_HEADER_SIZE, kept);
        end = at + len;
    }
}

static void walk_all_frames(uint64_t horizon)
{
    o.folds.len = 0;
    for (size_t i = 0; i < o.images; i++) {
        if (!o.image[i].list)
            walk_frames(&o.image[i], horizon);
    }
}

/* ---- states --------------------------------------------------------------------------------------- */

static struct ref *ref_of(hg_pos birth)
{
    struct ref *r = (struct ref *)(void *)o.refs.data;
    struct ref fresh = { .birth = birth };

    for (size_t i = 0; i < o.refs.len / sizeof *r; i++) {
        if (r[i].birth == birth)
            return &r[i];
    }
    OK(hg_buf_append(&o.refs, &fresh, sizeof fresh));
    return (struct ref *)(void *)o.refs.data + o.refs.len / sizeof fresh - 1;
}

static void note_ref(hg_pos birth, uint64_t number, const uint8_t *key, size_t key_len)
{
    struct ref *r = ref_of(birth);
    int is_head = o.holder == HG_HOLD_HEAD;
    char path[HG_PATH_MAX + 1];
    size_t len = 0;

    if (r->paths.len > 0 && (r->is_head > is_head || (r->is_head == is_head && r->number > number)))
        return;
    if (r->is_head != is_head || r->number != number)
        r->paths.len = 0;
    r->is_head = is_head;
    r->number = number;
    OK(hg_key_to_path(key, key_len, path, &len));
    OK(hg_buf_append_byte(&r->paths, '\n'));
    OK(hg_buf_append(&r->paths, path, len));
}

static void paint_state(const struct hg_version *v)
{
    struct hg_entries e;
    int rc = hg_entries_open(&e, v->root, v->is_past ? v->past : NULL, v->number, NULL, 0, 0);

    for (; rc == HOLOG_OK; rc = hg_entries_next(&e)) {
        hg_pos birth = hg_pos_make(e.loc.segment, e.loc.offset);
        if (e.loc.segment == 0)
            continue;
        if (o.with_paths)
            note_ref(birth, e.loc.number, e.key, e.key_len);
        paint_version(birth);
    }
    cr_assert_eq(rc, HOLOG_E_NOENT);
    hg_entries_close(&e);
}

static void paint_number(holog_store *s, uint64_t number)
{
    struct hg_version *v = NULL;

    OK(hg_version_at(s, number, &v));
    paint_state(v);
    hg_version_put(s, v);
}

static int paint_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    HG_UNUSED(name);
    HG_UNUSED(time_ns);
    paint_number(ctx, number);
    return 0;
}

static void paint_all(holog_store *s, const struct live_open *open)
{
    uint64_t horizon = s->timeline.horizon;
    uint64_t last = holog_last_number(s);

    walk_all_frames(UINT64_MAX); /* the folds */
    o.holder = HG_HOLD_HEAD;
    paint_number(s, last);
    o.holder = HG_HOLD_HISTORY;
    walk_all_frames(horizon);
    for (uint64_t n = last; n > 0 && n >= horizon; n--)
        paint_number(s, n);
    o.holder = HG_HOLD_TAGS;
    OK(holog_tag_list(s, paint_tag, s));
    o.holder = HG_HOLD_VIEWS;
    for (size_t i = 0; open != NULL && i < 8; i++) {
        if (open->views[i] != NULL)
            paint_state(open->views[i]->version);
    }
    if (open != NULL && open->txn != NULL && open->txn->base != NULL)
        paint_state(open->txn->base);
}

/* ---- the mark ------------------------------------------------------------------------------------- */

static void check_path(const struct hg_live_thing *t)
{
    const struct ref *r = (const struct ref *)(const void *)o.refs.data;
    size_t i = 0;
    size_t n = o.refs.len / sizeof *r;
    const char *p;
    int found = 0;

    while (i < n && r[i].birth != t->birth)
        i++;
    if (i == n) {
        cr_assert_null(t->path, "%s: %s is no path of %u+%u", o.when, t->path,
                       hg_pos_segment(t->birth), hg_pos_offset(t->birth));
        return;
    }
    cr_assert_not_null(t->path, "%s: %u+%u has a path", o.when, hg_pos_segment(t->birth),
                       hg_pos_offset(t->birth));
    p = (const char *)r[i].paths.data;
    for (size_t at = 0; at < r[i].paths.len; at++) {
        size_t end = at + 1;
        while (end < r[i].paths.len && p[end] != '\n')
            end++;
        found |= end - at - 1 == t->path_len && memcmp(p + at + 1, t->path, t->path_len) == 0;
        at = end - 1;
    }
    cr_assert(found, "%s: %s is not the newest path of %u+%u: %.*s", o.when, t->path,
              hg_pos_segment(t->birth), hg_pos_offset(t->birth), (int)r[i].paths.len, p);
}

static void check_record(const struct hg_live_thing *t)
{
    struct hg_record r;
    size_t back;

    decode(t->birth, &r, &back);
    cr_assert_eq(t->birth, hg_pos_make(t->segment, (uint32_t)t->offset));
    cr_assert_eq(t->len, r.whole_len);
    check_path(t);
}

static void check_piece(const struct hg_live_thing *t)
{
    const char *last;
    struct hg_record r;
    struct hg_piece p = { 0 };
    uint64_t before = 0;
    size_t back;
    size_t at = 0;

    decode(t->birth, &r, &back);
    while (hg_pieces_next(&r, &at, &p) == HOLOG_OK && before < t->value_at)
        before += p.len;
    cr_assert_eq(r.type, t->type);
    cr_assert_eq(r.value_len, t->value_len);
    cr_assert_eq(before, t->value_at);
    cr_assert(p.segment == t->segment && p.offset == t->offset && p.len == t->len);
    if (r.type != HG_REC_LARGE) {
        cr_assert_null(t->path);
        return;
    }
    if (t->path == NULL)
        return; /* only named by what is made of it */
    check_path(t);
    last = strrchr(t->path, '/');
    last = last == NULL ? t->path : last + 1;
    cr_assert_eq(t->is_chunk != 0, (uint8_t)last[0] == 0xff && r.type == HG_REC_LARGE);
}

static void paint_mine(const struct hg_live_thing *t)
{
    struct image *m = image_of(t->segment);

    cr_assert(t->offset <= m->len && t->len <= m->len - t->offset);
    for (uint64_t i = t->offset; i < t->offset + t->len; i++) {
        if (m->mine[i] == 0 || m->mine[i] > t->holder + 1)
            m->mine[i] = (uint8_t)(t->holder + 1);
    }
}

static void count(const struct hg_live_thing *t)
{
    live_met.frames += t->kind == HG_LIVE_FRAME;
    live_met.times += t->kind == HG_LIVE_TIME;
    live_met.records += t->kind == HG_LIVE_RECORD;
    live_met.listed += t->kind == HG_LIVE_RECORD && image_of(t->segment)->list;
    live_met.pieces += t->kind == HG_LIVE_PIECE;
    live_met.lists += t->kind == HG_LIVE_LIST;
    live_met.chunks += t->is_chunk;
    live_met.payloads += t->kind == HG_LIVE_PIECE && t->type != HG_REC_LARGE;
}

static void check_things(const struct hg_live_list *list)
{
    const struct hg_live_thing *t = (const struct hg_live_thing *)(const void *)list->things.data;
    size_t n = list->things.len / sizeof *t;

    for (size_t i = 0; i < n; i++) {
        paint_mine(&t[i]);
        count(&t[i]);
        if (t[i].kind == HG_LIVE_RECORD)
            check_record(&t[i]);
        else if (t[i].kind == HG_LIVE_PIECE)
            check_piece(&t[i]);
        cr_assert(i == 0 || t[i - 1].segment < t[i].segment ||
                      (t[i - 1].segment == t[i].segment && t[i - 1].offset <= t[i].offset),
                  "%s: things are not in order", o.when);
    }
}

static void compare_bytes(const struct image *m)
{
    for (size_t i = 0; i < m->len; i++) {
        if (m->held[i] == m->mine[i])
            continue;
        cr_assert_fail("%s: byte %zu of segment %u: %s (holder %d, the mark says %d)", o.when, i,
                       m->id,
                       m->mine[i] == 0   ? "it lives and was missed"
                       : m->held[i] == 0 ? "nobody holds it and it is said to live"
                                         : "it is another's",
                       m->held[i] - 1, m->mine[i] - 1);
    }
}

static void compare_sums(const struct image *m, const struct hg_live_segment *g)
{
    uint64_t live[HG_HOLDERS] = { 0 };
    uint64_t sum = g->own;

    for (size_t i = 0; i < m->len; i++) {
        if (m->held[i] != 0)
            live[m->held[i] - 1]++;
    }
    for (unsigned i = 0; i < HG_HOLDERS; i++) {
        cr_assert_eq(g->live[i], live[i], "%s: segment %u, holder %u: %llu, not %llu", o.when,
                     m->id, i, (unsigned long long)g->live[i], (unsigned long long)live[i]);
        sum += live[i];
        live_met.bytes[i] += live[i];
    }
    cr_assert_leq(sum, g->used, "%s: more lives in segment %u than is used", o.when, m->id);
    cr_assert_leq(g->used, m->len);
    cr_assert_eq(hg_live_dead(g), g->used - sum);
    cr_assert_eq(g->kind == HG_KIND_EXTENTS, m->list);
    live_met.dead += hg_live_dead(g);
    live_met.busy += g->busy;
    live_met.sealed += g->sealed;
}

void live_is_exact(struct box *b, holog_store *s, const struct live_open *open, const char *when)
{
    struct hg_buf marks = { 0 };
    struct hg_live_list list;
    struct hg_live_segment *g;
    uint32_t ids[SEGMENTS];

    if (s->log != NULL)
        OK(holog_sync(s));
    o.when = when;
    o.with_paths = 1;
    load_files(b);
    paint_all(s, open);
    OK(hg_live_mark(s, &marks));
    g = (struct hg_live_segment *)(void *)marks.data;
    cr_assert_eq(marks.len / sizeof *g, o.images, "%s: %zu of %zu segments", when,
                 marks.len / sizeof *g, o.images);
    for (size_t i = 0; i < o.images; i++) {
        ids[i] = g[i].segment;
        cr_assert(i == 0 || g[i - 1].segment < g[i].segment);
    }
    OK(hg_live_things(s, ids, o.images, &list));
    check_things(&list);
    for (size_t i = 0; i < o.images; i++) {
        compare_bytes(image_of(g[i].segment));
        compare_sums(image_of(g[i].segment), &g[i]);
    }
    hg_live_list_release(s, &list);
    hg_buf_release(&marks);
    release();
}

void live_covers(struct box *b, const holog_view *view, const struct hg_live_list *list)
{
    const struct hg_live_thing *t = (const struct hg_live_thing *)(const void *)list->things.data;

    o.when = "a view that was open";
    load_files(b);
    walk_all_frames(UINT64_MAX);
    o.holder = HG_HOLD_VIEWS;
    paint_state(view->version);
    for (size_t i = 0; i < list->things.len / sizeof *t; i++)
        paint_mine(&t[i]);
    for (size_t i = 0; i < o.images; i++) {
        const struct image *m = &o.image[i];
        for (size_t at = 0; at < m->len; at++)
            cr_assert(m->held[at] == 0 || m->mine[at] != 0, "byte %zu of segment %u was missed", at,
                      m->id);
    }
    release();
}
