/*
 * holog_log: the commits, newest first. Reads the frames of one segment at a time, from the newest
 * segment back; nothing about commits is kept in memory. Where a compaction has taken segments out, the log goes on
 * with the commits that are kept, one by one: their frames are somewhere.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/node.h"
#include "engine/store_internal.h"
#include "wal/walk.h"

struct found { /* a commit of the segment in hand */
    uint32_t offset;
    uint32_t len;
    uint32_t nrec;
    uint64_t number;
    uint64_t body_hash;
};

struct walk {
    holog_store *s;
    char path[HG_PATH_MAX + 1]; /* filter, canonical */
    size_t path_len;
    int filtered;
    uint64_t before;
    uint64_t left; /* commits still wanted; UINT64_MAX: all */
    int (*each)(void *ctx, const holog_commit_info *info);
    void *ctx;
    int stopped;
    /* the segment in hand */
    struct hg_segment_header header;
    struct hg_image image;
    struct hg_buf found; /* struct found, oldest first */
    uint64_t end;        /* of its frames */
    uint64_t bad_at;     /* what is there is no frame */
    uint64_t last;       /* number that the newest segment must reach */
    uint64_t next_end;   /* end that its successor's header states; 0: it is the newest */
    uint32_t next;       /* the segment before it; 0: it was the first */
    /* one commit */
    struct hg_fields fields;
    struct hg_version *version; /* with a filter: the newest */
    struct hg_key key;          /* of the filter */
    uint64_t number;            /* of the commit in hand */
    int matched;                /* 1, or a negative code */
    char match[HG_PATH_MAX + HG_NODE_TEXT_MAX];
    uint64_t bytes;
};

static int read_segment(struct walk *w, uint32_t id)
{
    struct hg_file *f = NULL;
    struct hg_file_info info;
    int rc = hg_files_get(w->s->files, id, HG_KIND_FRAMES, &f);

    if (rc < 0)
        return rc;
    rc = w->s->io->ops->info(f, &info);
    if (rc == HOLOG_OK)
        rc = hg_image_read_file(f, 0, HG_MIN(info.size_bytes, HG_LOG_FILE_MAX), &w->image);
    hg_files_put(w->s->files, id);
    if (rc < 0)
        return rc;
    if (w->image.len < HG_SEGMENT_HEADER_SIZE)
        return hg_corrupt(id, 0, "the segment is shorter than its header");
    return hg_segment_header_decode(w->image.data, id, HG_KIND_FRAMES, &w->header);
}

/* Frames up to the first that is none: the durable end, a footer, or zeros. That it is the end, and
 * not damage, the successor's header says, or the newest commit. Bodies are verified when shown. */
static int find_frames(struct walk *w)
{
    const struct hg_link before = { .number = w->header.pred_number };
    struct hg_walk f;
    int rc;

    hg_walk_begin(&f, &w->header, &w->image, hg_image_end(&w->image), &before);
    f.alone = 1;
    f.bodies_ok = 1;
    w->found.len = 0;
    while ((rc = hg_walk_next(&f)) > 0) {
        struct found c = { f.offset, f.f.len, f.f.nrec, f.f.number, f.f.body_hash };
        if (f.f.type != HG_FRAME_COMMIT)
            continue;
        rc = hg_buf_append(&w->found, &c, sizeof c);
        if (rc < 0)
            return rc;
    }
    w->end = f.end;
    w->bad_at = f.bad_at;
    return rc;
}

static int check_end(const struct walk *w)
{
    size_t n = w->found.len / sizeof(struct found);
    const struct found *f = (const struct found *)(const void *)w->found.data;
    uint64_t number = n == 0 ? w->header.pred_number : f[n - 1].number;

    if (w->next_end != 0 ? w->end == w->next_end : number >= w->last)
        return HOLOG_OK;
    return hg_corrupt(w->header.id, w->bad_at, "the frame here is damaged or missing");
}

static int at_or_below(const struct walk *w, const char *path, size_t len)
{
    return w->path_len == 0 || (len >= w->path_len && memcmp(path, w->path, w->path_len) == 0 &&
                                (len == w->path_len || path[w->path_len] == '/'));
}

static int above(const struct walk *w, const char *path, size_t len)
{
    return len == 0 ||
           (len < w->path_len && memcmp(path, w->path, len) == 0 && w->path[len] == '/');
}

/* Does the record change the path asked for, or something below it? */
static int touches(struct walk *w, const struct hg_record *r)
{
    const char *path = r->path;
    size_t len = r->path_len;
    int whole = r->type == HG_REC_DELETE_TREE || r->type == HG_REC_MOVE || r->type == HG_REC_COPY ||
                r->type == HG_REC_ROLLBACK;

    if (r->type == HG_REC_CONFIG || r->type == HG_REC_SEGMENTS || r->type == HG_REC_EDIT ||
        r->ignorable)
        return 0;
    if (r->type != HG_REC_COPY && (at_or_below(w, path, len) || (whole && above(w, path, len))))
        goto yes;
    if (r->type != HG_REC_MOVE && r->type != HG_REC_COPY)
        return 0;
    path = r->to;
    len = r->to_len;
    if (!at_or_below(w, path, len) && !above(w, path, len))
        return 0;
yes:
    memcpy(w->match, path, len);
    w->match[len] = 0;
    hg_node_show(w->match, sizeof w->match);
    return 1;
}

static int look_at(void *ctx, const struct hg_record *r)
{
    struct walk *w = ctx;

    if (r->n_pieces > 0 && !r->ignorable)
        w->bytes += r->value_len;
    if (r->type == HG_REC_BODY && !r->ignorable)
        w->bytes += r->body.len;
    if (!w->matched && w->filtered)
        w->matched = touches(w, r);
    if (w->matched > 0 && r->type == HG_REC_ROLLBACK) /* what it has changed it does not say */
        w->matched = hg_changed_by(w->s, w->version, &w->key, w->number);
    return HG_MIN(w->matched, 0);
}

/* c's body, which is verified. */
static int show(struct walk *w, uint32_t segment, const struct found *c, const uint8_t *body)
{
    size_t len = c->len - HG_FRAME_HEADER_SIZE;
    struct hg_body b;
    holog_commit_info info = {
        .number = c->number, .records = c->nrec, .segment = segment, .offset = c->offset
    };
    int rc = hg_body_decode(body, len, &b);

    w->bytes = c->len;
    w->matched = 0;
    w->number = c->number;
    if (rc == HOLOG_OK)
        rc = hg_records_each(w->s, body, len, b.records_at, look_at, w);
    if (rc == HOLOG_OK && w->filtered && !w->matched)
        return HOLOG_OK;
    if (rc == HOLOG_OK)
        rc = hg_fields_take(&w->fields, &b);
    if (rc < 0) {
        (void)hg_corrupt(segment, c->offset, "commit %llu cannot be read",
                         (unsigned long long)c->number);
        return rc;
    }
    info.time_ns = b.time_ns;
    info.bytes = w->bytes;
    info.message = w->fields.message;
    info.meta = (const char *const *)(const void *)w->fields.meta.data;
    info.path = w->filtered ? w->match : NULL;
    if (w->left != UINT64_MAX)
        w->left--;
    w->stopped = w->each(w->ctx, &info) != 0;
    return HOLOG_OK;
}

static int show_found(struct walk *w, const struct found *c)
{
    const uint8_t *body = w->image.data + c->offset + HG_FRAME_HEADER_SIZE;

    if (!hg_hash_matches(c->body_hash, hg_hash64(body, c->len - HG_FRAME_HEADER_SIZE)))
        return hg_corrupt(w->header.id, c->offset, "the body of commit %llu is damaged",
                          (unsigned long long)c->number);
    return show(w, w->header.id, c, body);
}

static int one_segment(struct walk *w, uint32_t id)
{
    int rc = read_segment(w, id);
    size_t n;

    if (rc == HOLOG_E_STALE && w->next_end == 0 && w->s->log != NULL) {
        hg_error_clear(); /* being made; were it lost, the one before it would end too early */
        return HOLOG_OK;
    }
    if (rc == HOLOG_OK)
        rc = find_frames(w);
    if (rc == HOLOG_OK)
        rc = check_end(w);
    w->next_end = w->header.pred_end;
    w->next = w->header.pred_id;
    n = w->found.len / sizeof(struct found);
    while (rc == HOLOG_OK && n > 0 && !w->stopped && w->left > 0) {
        const struct found *c = (const struct found *)(const void *)w->found.data + --n;
        if (w->before == 0 || c->number < w->before)
            rc = show_found(w, c);
    }
    return rc;
}

/* ---- segments that are not there any more --------------------------------------------------------*/

static int count_records(const uint8_t *body, size_t len, uint32_t *out)
{
    struct hg_record r;
    struct hg_body b;
    int rc = hg_body_decode(body, len, &b);

    for (size_t at = b.records_at; rc == HOLOG_OK && at < len; at += r.whole_len) {
        rc = hg_rec_decode(body + at, len - at, at, &r);
        ++*out;
    }
    return rc;
}

/* The newest that is kept, among those before w->before in segments up to `segment`. */
static int find_kept(struct walk *w, uint32_t segment, struct hg_moment *out)
{
    const struct hg_timeline *t = &w->s->timeline;
    size_t i;

    hg_timeline_lock(w->s);
    i = hg_timeline_find(t, w->before - 1);
    while (i != SIZE_MAX && hg_pos_segment(hg_timeline_at(t, i)->frame) > segment)
        i--;
    if (i != SIZE_MAX)
        *out = *hg_timeline_at(t, i);
    hg_timeline_unlock(w->s);
    return i != SIZE_MAX;
}

static int show_kept(struct walk *w, const struct hg_moment *m)
{
    struct found c = { .offset = hg_pos_offset(m->frame), .len = m->len, .number = m->number };
    struct hg_buf frame = { 0 };
    const uint8_t *body;
    int rc = hg_moment_frame(w->s, m, &frame);

    body = frame.data + HG_FRAME_HEADER_SIZE;
    if (rc == HOLOG_OK)
        rc = count_records(body, m->len - HG_FRAME_HEADER_SIZE, &c.nrec);
    if (rc == HOLOG_OK)
        rc = show(w, hg_pos_segment(m->frame), &c, body);
    hg_buf_release(&frame);
    return rc;
}

static int older(struct walk *w, uint32_t segment)
{
    struct hg_moment m;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && !w->stopped && w->left > 0 && find_kept(w, segment, &m)) {
        rc = show_kept(w, &m);
        w->before = m.number;
    }
    return rc;
}

struct dir_list {
    struct hg_buf *out;
    int rc;
};

static int each_segment(void *ctx, const char *name, int is_dir)
{
    struct dir_list *l = ctx;
    struct hg_segment_entry e = { 0 };
    enum hg_segment_kind kind;

    if (!is_dir && hg_segment_parse_name(name, &e.segment, &kind) == 1 && kind == HG_KIND_FRAMES) {
        e.kind = (uint8_t)kind;
        l->rc = hg_buf_append(l->out, &e, sizeof e);
    }
    return l->rc;
}

static int by_id(const void *a, const void *b)
{
    const struct hg_segment_entry *x = a;
    const struct hg_segment_entry *y = b;
    return (x->segment > y->segment) - (x->segment < y->segment);
}

/* In the order of their ids. A reader looks at the directory: its writer may have made more. */
static int list_segments(holog_store *s, struct hg_buf *out)
{
    struct dir_list l = { .out = out };
    int rc;

    if (s->log != NULL)
        return hg_log_segments(s->log, out);
    rc = s->io->ops->read_dir(s->io, HG_SEG_DIR, each_segment, &l);
    if (out->len > 0)
        qsort(out->data, out->len / sizeof(struct hg_segment_entry),
              sizeof(struct hg_segment_entry), by_id);
    return rc < 0 ? rc : l.rc;
}

static int all_segments(struct walk *w, const struct hg_buf *list)
{
    const struct hg_segment_entry *e = (const struct hg_segment_entry *)(const void *)list->data;
    int any = 0;
    int rc = HOLOG_OK;

    for (size_t n = list->len / sizeof *e; rc == HOLOG_OK && n > 0 && !w->stopped && w->left > 0;) {
        if (e[--n].kind != HG_KIND_FRAMES)
            continue;
        if (any && e[n].segment != w->next)
            break; /* what is there of older ones only holds what lives */
        rc = one_segment(w, e[n].segment);
        any = w->header.id == e[n].segment; /* the newest may be being made */
    }
    if (rc == HOLOG_OK && any && w->next != 0)
        rc = older(w, w->next);
    return rc;
}

int holog_log(holog_store *store, const char *path, uint64_t before, uint64_t limit,
              int (*each)(void *ctx, const holog_commit_info *info), void *ctx)
{
    struct walk *w;
    struct hg_buf list = { 0 };
    uint64_t last;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (each == NULL)
        return hg_error(HOLOG_E_INVAL, "each is NULL");
    w = hg_calloc(1, sizeof *w);
    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to read the log");
    w->s = store;
    w->each = each;
    w->ctx = ctx;
    w->left = limit == 0 ? UINT64_MAX : limit;
    w->filtered = path != NULL;
    last = holog_last_number(store); /* before the rest: what comes meanwhile need not be in it */
    if (path != NULL) {
        rc = hg_user_path(path, w->path, &w->path_len);
        w->version = hg_version_get_published(store);
        if (rc == HOLOG_OK && w->version == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory to read the log");
        if (rc == HOLOG_OK)
            hg_key_make(w->path, w->path_len, &w->key);
    }
    if (rc == HOLOG_OK)
        rc = list_segments(store, &list);
    if (rc == HOLOG_OK && store->log != NULL)
        rc = hg_log_flush(store->log); /* so that the files are there, with what is published */
    w->last = last;
    w->before = before == 0 || before > last ? last + 1 : before;
    if (rc == HOLOG_OK)
        rc = all_segments(w, &list);
    hg_buf_release(&list);
    hg_image_release(&w->image);
    hg_buf_release(&w->found);
    hg_fields_release(&w->fields);
    hg_version_put(store, w->version);
    hg_free(w);
    return rc;
}
