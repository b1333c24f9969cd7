/*
 * Digests of sealed segments, and the store's table of them; see refs.h. Records read one by one are
 * refs_read.c's.
 */
#include "engine/refs.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/refs_internal.h"
#include "wal/footer.h"
#include "wal/walk.h"

#define BUCKETS 256u /* a power of two */
#define SHARE   16u  /* of the budget */

struct record {
    uint32_t offset;
    uint32_t len;
};

struct special { /* a record that refers to something */
    struct hg_ref ref;
    size_t pieces_at; /* of the digest's; ref.pieces is not set */
};

struct hg_digest {
    struct hg_digest *next;          /* refs' lock: in the bucket */
    struct hg_digest *newer, *older; /* refs' lock: by use, those that are kept */
    unsigned count;                  /* refs' lock: users */
    int kept;                        /* refs' lock: in the table */
    uint32_t segment;                /* fixed from here on */
    uint64_t bytes;                  /* of the budget */
    uint64_t frames_end, file_size;
    struct hg_buf frames;   /* struct hg_ref_frame, by offset */
    struct hg_buf records;  /* struct record, by offset */
    struct hg_buf specials; /* struct special, by offset */
    struct hg_buf pieces;   /* struct hg_piece */
};

struct hg_refs {
    struct hg_io *io; /* fixed, as the next three */
    struct hg_files *files;
    struct hg_cache *cache;
    uint64_t bytes_max;
    struct hg_moved_refs *moved;
    struct hg_mutex lock; /* rank 5; guards all that follows */
    uint64_t bytes;       /* of those that are kept */
    struct hg_digest *newest, *oldest;
    struct hg_digest *bucket[BUCKETS];
};

int hg_refs_create(struct hg_io *io, struct hg_files *files, struct hg_cache *cache,
                   uint64_t budget_bytes, struct hg_refs **out_refs)
{
    struct hg_refs *r = hg_calloc(1, sizeof *r);

    if (r == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a store");
    r->io = io;
    r->files = files;
    r->cache = cache;
    r->bytes_max = budget_bytes / SHARE;
    int rc = hg_moved_refs_create(io, cache, r->bytes_max, &r->moved);
    if (rc < 0) {
        hg_free(r);
        return rc;
    }
    *out_refs = r;
    return HOLOG_OK;
}

int hg_refs_remembered(struct hg_refs *r, hg_pos birth, struct hg_ref *out)
{
    return hg_moved_refs_find(r->moved, birth, out);
}

void hg_refs_remember(struct hg_refs *r, hg_pos birth, const struct hg_ref *ref)
{
    hg_moved_refs_note(r->moved, birth, ref);
}

uint64_t hg_refs_bytes(struct hg_refs *r)
{
    hg_mutex_lock(r->io, &r->lock);
    uint64_t bytes = r->bytes;
    hg_mutex_unlock(r->io, &r->lock);
    return bytes;
}

/* ---- one record ----------------------------------------------------------------------------------- */

int hg_ref_take(const struct hg_record *r, struct hg_ref *out, struct hg_buf *pieces)
{
    struct hg_piece p;
    size_t at = 0;
    int rc = HOLOG_OK;

    *out = (struct hg_ref){
        .offset = r->offset, .len = (uint32_t)r->whole_len, .body = r->body_start, .type = r->type
    };
    if (r->ignorable)
        return HOLOG_OK;
    if (r->type == HG_REC_DELTA || r->type == HG_REC_FOLD)
        out->base = r->base;
    if (r->type == HG_REC_BODY)
        out->list = r->body;
    if (r->n_pieces == 0)
        return HOLOG_OK;
    out->value_len = r->value_len;
    out->n_pieces = r->n_pieces;
    while (rc == HOLOG_OK && (rc = hg_pieces_next(r, &at, &p)) == HOLOG_OK)
        rc = hg_buf_append(pieces, &p, sizeof p);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int refers(const struct hg_ref *r)
{
    return r->n_pieces > 0 || r->base != 0 || r->type == HG_REC_BODY;
}

/* ---- making a digest ------------------------------------------------------------------------------ */

static int take_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    struct hg_digest *d = ctx;
    struct hg_ref_frame frame = { .offset = offset, .len = f->len };

    HG_UNUSED(time_ns);
    return hg_buf_append(&d->frames, &frame, sizeof frame);
}

static int take_record(void *ctx, const struct hg_record *r)
{
    struct hg_digest *d = ctx;
    struct record record = { .offset = r->offset, .len = (uint32_t)r->whole_len };
    struct special x = { .pieces_at = d->pieces.len / sizeof(struct hg_piece) };
    int rc = hg_ref_take(r, &x.ref, &d->pieces);

    if (rc == HOLOG_OK && refers(&x.ref))
        rc = hg_buf_append(&d->specials, &x, sizeof x);
    return rc < 0 ? rc : hg_buf_append(&d->records, &record, sizeof record);
}

/* A footer that is not this segment's counts as none (as in recovery). */
static int is_ours(const struct hg_footer_tail *t, const struct hg_segment_header *h)
{
    return t->segment == h->id && t->epoch == h->epoch && t->salt == h->salt &&
           memcmp(t->uuid, h->uuid, sizeof t->uuid) == 0 &&
           t->frames_end >= HG_SEGMENT_HEADER_SIZE && t->chunks_at == HG_ALIGN8(t->frames_end);
}

static int read_ends(struct hg_file *f, struct hg_digest *d, struct hg_image *m,
                     struct hg_segment_header *h, struct hg_footer_tail *t)
{
    uint64_t size = d->file_size;
    int rc = hg_image_read_file(f, 0, HG_SEGMENT_HEADER_SIZE, m);

    if (rc < 0)
        return rc;
    if (m->len < HG_SEGMENT_HEADER_SIZE)
        return hg_corrupt(d->segment, 0, "the segment is shorter than its header");
    rc = hg_segment_header_decode(m->data, d->segment, HG_KIND_FRAMES, h);
    if (rc == HOLOG_OK &&
        (size < HG_SEGMENT_HEADER_SIZE + HG_FOOTER_TAIL_SIZE || size > HG_LOG_FILE_MAX))
        return HOLOG_E_NOENT;
    if (rc == HOLOG_OK)
        rc = hg_image_read_file(f, size - HG_FOOTER_TAIL_SIZE, size, m);
    if (rc < 0)
        return rc;
    if (hg_image_end(m) < size ||
        hg_footer_tail_decode(m->data + (size - HG_FOOTER_TAIL_SIZE - m->at), size, t) < 0 ||
        !is_ours(t, h)) {
        hg_error_clear();
        return HOLOG_E_NOENT;
    }
    return HOLOG_OK;
}

static int walk_footer(struct hg_file *f, const struct hg_digest *d,
                       const struct hg_segment_header *h, const struct hg_footer_tail *t,
                       const struct hg_footer_visitor *v)
{
    struct hg_image m = { 0 };
    int rc = hg_image_read_file(f, t->chunks_at, d->file_size, &m);

    if (rc == HOLOG_OK && hg_image_end(&m) < d->file_size)
        rc = hg_corrupt(d->segment, hg_image_end(&m), "the file ends inside its footer");
    if (rc == HOLOG_OK)
        rc = hg_footer_walk(t, m.data + (t->chunks_at - m.at),
                            (size_t)(d->file_size - t->chunks_at), h->first_number, v);
    hg_image_release(&m);
    return rc;
}

/* A damaged footer is no loss: it says what its frames say. */
static int walk_frames(struct hg_file *f, struct hg_digest *d, const struct hg_segment_header *h,
                       const struct hg_footer_tail *t, const struct hg_footer_visitor *v)
{
    struct hg_footer_builder *b = NULL;
    struct hg_buf footer = { 0 };
    struct hg_footer_tail tail = *t;
    int rc = hg_footer_of_frames(h, f, t->frames_end, &b);

    d->frames.len = d->records.len = d->specials.len = d->pieces.len = 0;
    if (rc == HOLOG_OK)
        rc = hg_footer_finish(b, &tail, &footer);
    if (rc == HOLOG_OK)
        rc = hg_footer_walk(&tail, footer.data, footer.len, h->first_number, v);
    hg_footer_builder_destroy(b);
    hg_buf_release(&footer);
    return rc;
}

static int read_footer(struct hg_file *f, struct hg_digest *d)
{
    struct hg_footer_visitor v = { .ctx = d, .frame = take_frame, .record = take_record };
    struct hg_image m = { 0 };
    struct hg_segment_header h;
    struct hg_footer_tail t;
    int rc = read_ends(f, d, &m, &h, &t);

    hg_image_release(&m);
    if (rc < 0)
        return rc;
    rc = walk_footer(f, d, &h, &t, &v);
    if (rc == HOLOG_E_CORRUPT) {
        hg_error_clear();
        rc = walk_frames(f, d, &h, &t, &v);
    }
    d->frames_end = rc == HOLOG_OK ? t.frames_end : 0;
    return rc;
}

static void digest_free(struct hg_refs *r, struct hg_digest *d)
{
    hg_budget_give(r->cache, d->bytes);
    hg_buf_release(&d->frames);
    hg_buf_release(&d->records);
    hg_buf_release(&d->specials);
    hg_buf_release(&d->pieces);
    hg_free(d);
}

static int digest_read(struct hg_refs *r, struct hg_digest *d)
{
    struct hg_file *f = NULL;
    struct hg_file_info info;
    int rc = hg_files_get(r->files, d->segment, HG_KIND_FRAMES, &f);

    if (rc < 0)
        return rc;
    rc = r->io->ops->info(f, &info);
    d->file_size = rc == HOLOG_OK ? info.size_bytes : 0;
    if (rc == HOLOG_OK)
        rc = read_footer(f, d);
    hg_files_put(r->files, d->segment);
    return rc;
}

/* ---- the table (lock held) ------------------------------------------------------------------------ */

static struct hg_digest **link_of(struct hg_refs *r, uint32_t segment)
{
    struct hg_digest **link = &r->bucket[segment & (BUCKETS - 1)];

    while (*link != NULL && (*link)->segment != segment)
        link = &(*link)->next;
    return link;
}

static void list_remove(struct hg_refs *r, struct hg_digest *d)
{
    *(d->newer != NULL ? &d->newer->older : &r->newest) = d->older;
    *(d->older != NULL ? &d->older->newer : &r->oldest) = d->newer;
}

static void list_add(struct hg_refs *r, struct hg_digest *d)
{
    d->newer = NULL;
    d->older = r->newest;
    *(r->newest != NULL ? &r->newest->newer : &r->oldest) = d;
    r->newest = d;
}

static void take_out(struct hg_refs *r, struct hg_digest *d)
{
    *link_of(r, d->segment) = d->next;
    list_remove(r, d);
    d->kept = 0;
    r->bytes -= d->bytes;
}

/* Those that nobody uses, until `most` bytes are left; a list for the caller to free without the lock. */
static struct hg_digest *pick_old(struct hg_refs *r, uint64_t most)
{
    struct hg_digest *gone = NULL;

    for (struct hg_digest *d = r->oldest; d != NULL && r->bytes > most;) {
        struct hg_digest *newer = d->newer;
        if (d->count == 0) {
            take_out(r, d);
            d->next = gone;
            gone = d;
        }
        d = newer;
    }
    return gone;
}

static void put_in(struct hg_refs *r, struct hg_digest *d)
{
    d->next = NULL;
    *link_of(r, d->segment) = d;
    list_add(r, d);
    d->kept = 1;
    r->bytes += d->bytes;
}

static struct hg_digest *find(struct hg_refs *r, uint32_t segment)
{
    struct hg_digest *d = *link_of(r, segment);

    if (d != NULL) {
        d->count++;
        list_remove(r, d);
        list_add(r, d);
    }
    return d;
}

/* ---- get and put ---------------------------------------------------------------------------------- */

static void free_list(struct hg_refs *r, struct hg_digest *list)
{
    while (list != NULL) {
        struct hg_digest *next = list->next;
        digest_free(r, list);
        list = next;
    }
}

static void drop_idle(struct hg_refs *r)
{
    hg_mutex_lock(r->io, &r->lock);
    struct hg_digest *gone = pick_old(r, 0);
    hg_mutex_unlock(r->io, &r->lock);
    free_list(r, gone);
}

static int take_budget(struct hg_refs *r, struct hg_digest *d)
{
    uint64_t bytes = sizeof *d + d->frames.cap + d->records.cap + d->specials.cap + d->pieces.cap;
    int rc = hg_budget_take(r->cache, bytes);

    if (rc == HOLOG_E_BUDGET) {
        drop_idle(r);
        rc = hg_budget_take(r->cache, bytes);
    }
    if (rc == HOLOG_OK)
        d->bytes = bytes;
    return rc;
}

static int digest_make(struct hg_refs *r, uint32_t segment, struct hg_digest **out)
{
    struct hg_digest *d = hg_calloc(1, sizeof *d);
    int rc;

    if (d == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for what segment %u has", (unsigned)segment);
    d->segment = segment;
    d->count = 1;
    rc = digest_read(r, d);
    if (rc == HOLOG_OK)
        rc = take_budget(r, d);
    if (rc < 0) {
        digest_free(r, d);
        return rc;
    }
    *out = d;
    return HOLOG_OK;
}

/* Into the table, unless somebody was faster, whose is taken, or it is too large. */
static struct hg_digest *keep(struct hg_refs *r, struct hg_digest *d)
{
    struct hg_digest *gone = NULL;
    struct hg_digest *other;

    hg_mutex_lock(r->io, &r->lock);
    other = find(r, d->segment);
    if (other == NULL && d->bytes <= r->bytes_max) {
        gone = pick_old(r, r->bytes_max - d->bytes);
        if (r->bytes + d->bytes <= r->bytes_max)
            put_in(r, d);
    }
    hg_mutex_unlock(r->io, &r->lock);
    free_list(r, gone);
    if (other == NULL)
        return d;
    digest_free(r, d);
    return other;
}

int hg_digest_get(struct hg_refs *r, uint32_t segment, struct hg_digest **out)
{
    struct hg_digest *d;
    int rc;

    hg_mutex_lock(r->io, &r->lock);
    d = find(r, segment);
    hg_mutex_unlock(r->io, &r->lock);
    if (d == NULL) {
        rc = digest_make(r, segment, &d);
        if (rc < 0)
            return rc;
        HG_ASSERT(d != NULL); /* the analyzer cannot know that errors are negative */
        d = keep(r, d);
    }
    *out = d;
    return HOLOG_OK;
}

void hg_digest_put(struct hg_refs *r, struct hg_digest *d)
{
    int last;

    if (d == NULL)
        return;
    hg_mutex_lock(r->io, &r->lock);
    last = --d->count == 0 && !d->kept;
    hg_mutex_unlock(r->io, &r->lock);
    if (last)
        digest_free(r, d);
}

void hg_refs_forget(struct hg_refs *r, uint32_t segment)
{
    struct hg_digest *d;

    hg_mutex_lock(r->io, &r->lock);
    d = *link_of(r, segment);
    if (d != NULL)
        take_out(r, d);
    if (d != NULL && d->count > 0)
        d = NULL; /* whoever puts it last frees it */
    hg_mutex_unlock(r->io, &r->lock);
    if (d != NULL)
        digest_free(r, d);
}

void hg_refs_destroy(struct hg_refs *r)
{
    if (r == NULL)
        return;
    drop_idle(r);
    HG_ASSERT(r->newest == NULL);
    hg_moved_refs_destroy(r->moved);
    hg_free(r);
}

/* ---- asking --------------------------------------------------------------------------------------- */

uint64_t hg_digest_frames_end(const struct hg_digest *d)
{
    return d->frames_end;
}

uint64_t hg_digest_file_size(const struct hg_digest *d)
{
    return d->file_size;
}

/* All three arrays have elements that begin with their offset: how many are not behind `offset`. */
static size_t count_up_to(const struct hg_buf *b, size_t size, uint32_t offset)
{
    size_t low = 0;
    size_t high = b->len / size;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        uint32_t at;
        memcpy(&at, b->data + mid * size, sizeof at);
        if (at <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void special_out(const struct hg_digest *d, const struct special *x, struct hg_ref *out)
{
    *out = x->ref;
    out->pieces = (const struct hg_piece *)(const void *)d->pieces.data + x->pieces_at;
}

static uint32_t body_of(const struct hg_digest *d, uint32_t offset)
{
    const struct hg_ref_frame *f = (const struct hg_ref_frame *)(const void *)d->frames.data;
    size_t n = count_up_to(&d->frames, sizeof *f, offset);

    HG_ASSERT(n > 0); /* the footer's walk gives no record without its frame */
    return f[n - 1].offset + HG_FRAME_HEADER_SIZE;
}

int hg_digest_find(const struct hg_digest *d, uint32_t offset, struct hg_ref *out)
{
    const struct record *r = (const struct record *)(const void *)d->records.data;
    const struct special *x = (const struct special *)(const void *)d->specials.data;
    size_t n = count_up_to(&d->records, sizeof *r, offset);
    size_t m;

    if (n == 0 || r[n - 1].offset != offset)
        return 0;
    m = count_up_to(&d->specials, sizeof *x, offset);
    if (m > 0 && x[m - 1].ref.offset == offset)
        special_out(d, &x[m - 1], out);
    else
        *out = (struct hg_ref){ .offset = offset, .len = r[n - 1].len };
    out->body = body_of(d, offset);
    return 1;
}

int hg_digest_next(const struct hg_digest *d, size_t *at, struct hg_ref *out)
{
    const struct special *x = (const struct special *)(const void *)d->specials.data;

    if (*at >= d->specials.len / sizeof *x)
        return 0;
    special_out(d, &x[(*at)++], out);
    out->body = body_of(d, out->offset);
    return 1;
}
