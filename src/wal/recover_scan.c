/*
 * Pieces of files in memory, and the walk from frame to frame in them.
 *
 * A frame counts when its header verifies for this place, it names the frame before it, its number
 * follows and its body verifies. It stands where the frame before it ended, or at the next 4 KiB
 * boundary. What lies between is zero; we do not insist: a frame at the boundary that names the one
 * before the gap proves that nothing was ever between them.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/recover_internal.h"

/* Bytes of a file that a walk has in memory at once; a longer frame makes it more. */
#define PIECE_BYTES ((uint64_t)2 << 20)

int hg_image_reserve(struct hg_image *m, uint64_t want)
{
    if (m->data != NULL && m->cap >= want)
        return HOLOG_OK;
    hg_image_release(m);
    m->data = hg_alloc_aligned(HG_BLOCK, (size_t)want);
    if (m->data == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to read %llu bytes", (unsigned long long)want);
    m->cap = want;
    return HOLOG_OK;
}

int hg_image_read_file(struct hg_file *f, uint64_t from, uint64_t to, struct hg_image *out)
{
    uint64_t at = HG_ALIGN_DOWN(from, (uint64_t)HG_BLOCK);
    uint64_t want = HG_MAX(HG_ALIGN4K(to) - at, (uint64_t)HG_BLOCK);
    size_t n = 0;

    int rc = hg_image_reserve(out, want);
    if (rc >= 0)
        rc = hg_io_read_upto(f, out->data, (size_t)want, at, &n);
    if (rc < 0) {
        hg_image_release(out);
        return rc;
    }
    out->at = at;
    out->len = n;
    return HOLOG_OK;
}

int hg_image_read(struct hg_io *io, const char *name, unsigned flags, uint64_t from, uint64_t to,
                  struct hg_image *out)
{
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, name, flags, &f);
    if (rc < 0)
        return rc;
    rc = hg_image_read_file(f, from, to, out);
    (void)io->ops->close(f); /* only read: nothing to lose */
    return rc;
}

void hg_image_release(struct hg_image *m)
{
    hg_free(m->data);
    *m = (struct hg_image){ 0 };
}

int hg_close_keep(struct hg_file *f, int rc)
{
    struct holog_error_detail first;

    if (f == NULL)
        return rc;
    hg_error_get(&first);
    int closed = f->io->ops->close(f);
    if (rc >= 0)
        return closed;
    hg_error_set(&first);
    return rc;
}

int hg_progress(holog_progress_fn fn, void *ctx, uint64_t done, uint64_t total)
{
    if (fn == NULL || fn(ctx, done, total, "bytes") == 0)
        return HOLOG_OK;
    return hg_error(HOLOG_E_CANCELED, "stopped by the progress function");
}

/* memcmp of a run against itself, one byte on: as fast as the machine compares. */
int hg_is_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

uint64_t hg_image_nonzero(const struct hg_image *m, uint64_t from, uint64_t to)
{
    uint64_t at = HG_MAX(from, m->at);
    uint64_t stop = HG_MIN(to, hg_image_end(m));

    while (at < stop) {
        uint64_t n = HG_MIN(HG_BLOCK - at % HG_BLOCK, stop - at);
        const uint8_t *p = m->data + (at - m->at);
        if (!hg_is_zero(p, (size_t)n)) {
            while (*p == 0) {
                p++;
                at++;
            }
            return at;
        }
        at += n;
    }
    return to;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static struct hg_frame_place place_at(const struct hg_segment_header *h, uint64_t offset)
{
    return (struct hg_frame_place){
        .salt = h->salt, .epoch = h->epoch, .segment = h->id, .offset = (uint32_t)offset
    };
}

/* Header only; HG_FRAME_BAD when it, or the frame it promises, is not wholly before `to`. */
static enum hg_frame_verdict header_at(const struct hg_segment_header *h, const struct hg_image *m,
                                       uint64_t offset, uint64_t to, struct hg_frame *out,
                                       uint64_t *out_need)
{
    uint64_t stop = HG_MIN(to, hg_image_end(m));

    if (offset < m->at || offset > stop || stop - offset < HG_FRAME_HEADER_SIZE)
        return HG_FRAME_BAD;
    struct hg_frame_place at = place_at(h, offset);
    enum hg_frame_verdict v = hg_frame_decode(m->data + (offset - m->at), &at, h->capacity, out);
    if (v != HG_FRAME_OK || out->len <= stop - offset)
        return v;
    *out_need = offset + out->len; /* a header that verifies, of a frame that is cut short */
    return HG_FRAME_DAMAGED;
}

static int body_verifies(const struct hg_image *m, uint64_t offset, const struct hg_frame *f)
{
    const uint8_t *body = m->data + (offset - m->at) + HG_FRAME_HEADER_SIZE;
    return hg_hash_matches(f->body_hash, hg_hash64(body, f->len - HG_FRAME_HEADER_SIZE));
}

void hg_walk_begin(struct hg_walk *w, const struct hg_segment_header *h, const struct hg_image *m,
                   uint64_t to, const struct hg_link *link)
{
    *w = (struct hg_walk){ .header = h,
                           .image = m,
                           .to = to,
                           .link = *link,
                           .alone = link->unknown,
                           .next = HG_SEGMENT_HEADER_SIZE,
                           .end = HG_SEGMENT_HEADER_SIZE };
}

enum attempt {
    FRAME_HERE,
    NO_FRAME,
    BROKEN
};

static enum attempt try_at(struct hg_walk *w, uint64_t offset)
{
    enum hg_frame_verdict v = header_at(w->header, w->image, offset, w->to, &w->f, &w->need);

    w->why = NULL;
    if (v == HG_FRAME_ZERO || v == HG_FRAME_BAD) {
        w->why = "no frame is here";
        return NO_FRAME;
    }
    if (v == HG_FRAME_DAMAGED)
        w->why = "the header of a frame is damaged or the frame is cut short";
    else if (!w->alone &&
             (w->f.prev_len != w->link.len || w->f.prev_hash != (uint32_t)w->link.hash))
        w->why = "this frame does not follow the one before it";
    else if (!w->bodies_ok && !body_verifies(w->image, offset, &w->f))
        w->why = "the body of a frame fails its hash";
    return w->why == NULL ? FRAME_HERE : BROKEN;
}

static int check_number(const struct hg_walk *w, uint64_t offset)
{
    const struct hg_frame *f = &w->f;
    uint64_t last = w->link.number;
    int follows;

    if (f->type != HG_FRAME_COMMIT)
        follows = f->number == last;
    else if (w->commits)
        follows = f->number == last + 1;
    else
        follows = f->number >= w->header->first_number && f->number > last;
    if (follows)
        return HOLOG_OK;
    return hg_corrupt(w->header->id, offset, "commit number %llu does not follow %llu",
                      (unsigned long long)f->number, (unsigned long long)last);
}

static void stop_walk(struct hg_walk *w, const char *why)
{
    uint64_t at = hg_image_nonzero(w->image, w->next, w->to);

    w->bad_at = HG_MAX(w->next, HG_ALIGN_DOWN(at, (uint64_t)8));
    w->why = at >= HG_MIN(w->to, hg_image_end(w->image)) ? NULL : why;
    if (w->why == NULL)
        w->bad_at = w->next;
}

int hg_walk_next(struct hg_walk *w)
{
    uint64_t offset = w->next;

    w->need = 0;
    enum attempt got = try_at(w, offset);
    if (got == NO_FRAME && offset % HG_BLOCK != 0) {
        offset = HG_ALIGN4K(offset);
        got = try_at(w, offset);
    }
    if (got != FRAME_HERE) {
        stop_walk(w, w->why);
        return 0;
    }
    int rc = check_number(w, offset);
    if (rc < 0) {
        w->bad_at = offset;
        return rc;
    }
    uint64_t gap = hg_image_nonzero(w->image, w->end, offset);
    w->gap_at = gap < offset ? gap : 0;
    w->offset = (uint32_t)offset;
    w->body = w->image->data + (offset - w->image->at) + HG_FRAME_HEADER_SIZE;
    w->body_len = w->f.len - HG_FRAME_HEADER_SIZE;
    w->end = offset + w->f.len;
    w->next = HG_ALIGN8(w->end);
    w->floor = HG_MAX(w->floor, w->f.floor);
    w->alone = 0;
    w->commits |= w->f.type == HG_FRAME_COMMIT;
    w->link = (struct hg_link){ .frame = hg_pos_make(w->header->id, w->offset),
                                .len = w->f.len,
                                .hash = w->f.head_hash,
                                .number = w->f.number,
                                .time_ns = w->body_len >= 8 ? hg_get_le64(w->body) : 0 };
    return 1;
}

int hg_walk_file(struct hg_walk *w, struct hg_file *f, uint64_t to, struct hg_image *buf,
                 int (*each)(void *ctx, const struct hg_walk *w), void *ctx)
{
    uint64_t piece = PIECE_BYTES;

    for (;;) {
        uint64_t from = HG_MIN(w->next, to);
        uint64_t stop = HG_MIN(to, from + piece);
        int rc = hg_image_read_file(f, from, stop, buf);
        if (rc < 0)
            return rc;
        w->image = buf;
        w->to = HG_MIN(stop, hg_image_end(buf));
        while ((rc = hg_walk_next(w)) > 0) {
            rc = each(ctx, w);
            if (rc != 0)
                return rc;
        }
        if (rc < 0 || stop == to || w->to < stop || (w->next == from && w->need == 0))
            return rc;
        piece = w->next != from ? PIECE_BYTES : w->need - from;
    }
}

int hg_walk_segment(const struct hg_segment_header *h, struct hg_file *f, uint64_t end,
                    int (*each)(void *ctx, const struct hg_walk *w), void *ctx)
{
    const struct hg_link before = { .number = h->pred_number };
    struct hg_image buf = { 0 };
    struct hg_walk w;

    hg_walk_begin(&w, h, NULL, end, &before);
    w.alone = 1;
    int rc = hg_walk_file(&w, f, end, &buf, each, ctx);
    hg_image_release(&buf);
    if (rc == 0 && w.end != end)
        return hg_corrupt(h->id, w.bad_at, "%s", w.why != NULL ? w.why : "frames are missing here");
    return rc;
}

/* ---- what lies behind ------------------------------------------------------------------------ */

/* Offset of the next 8-aligned frame magic in [from, to), or `to`. */
static uint64_t find_magic(const struct hg_image *m, uint64_t from, uint64_t to)
{
    uint64_t at = HG_ALIGN8(HG_MAX(from, m->at));
    uint64_t stop = HG_MIN(to, hg_image_end(m));

    while (at < stop) {
        uint64_t n = HG_MIN(HG_BLOCK - at % HG_BLOCK, stop - at);
        const uint8_t *p = m->data + (at - m->at);
        if (!hg_is_zero(p, (size_t)n)) {
            for (uint64_t i = 0; i + 4 <= n; i += 8) {
                if (hg_get_le32(p + i) == HG_FRAME_MAGIC)
                    return at + i;
            }
        }
        at += n;
    }
    return to;
}

static void count_nonzero(const struct hg_image *m, uint64_t from, uint64_t to,
                          struct hg_behind *out)
{
    uint64_t at = HG_MAX(from, m->at);
    uint64_t stop = HG_MIN(to, hg_image_end(m));

    while (at < stop) {
        uint64_t n = HG_MIN(HG_BLOCK - at % HG_BLOCK, stop - at);
        const uint8_t *p = m->data + (at - m->at);
        if (!hg_is_zero(p, (size_t)n)) {
            uint32_t count = 0;
            for (uint64_t i = 0; i < n; i++)
                count += p[i] != 0;
            out->nonzero += count;
            uint64_t end = n;
            while (p[end - 1] == 0)
                end--;
            out->nonzero_end = at + end;
        }
        at += n;
    }
}

/* Headers that begin in [from, stop) of what m holds. */
static void scan_headers(const struct hg_segment_header *h, const struct hg_image *m, uint64_t from,
                         uint64_t stop, uint64_t to, struct hg_behind *out)
{
    for (uint64_t at = find_magic(m, from, stop); at < stop; at = find_magic(m, at + 8, stop)) {
        struct hg_frame f;
        struct hg_frame_place place = place_at(h, at);
        uint64_t need = 0;
        if (hg_image_end(m) - at < HG_FRAME_HEADER_SIZE)
            break;
        if (hg_frame_decode(m->data + (at - m->at), &place, h->capacity, &f) != HG_FRAME_OK)
            continue;
        /* The header alone is the writer's word: what it calls durable was. */
        out->frames++;
        out->floor = HG_MAX(out->floor, f.floor);
        out->number = HG_MAX(out->number, f.number);
        if (to != 0 && f.type == HG_FRAME_COMMIT &&
            header_at(h, m, at, to, &f, &need) == HG_FRAME_OK && body_verifies(m, at, &f))
            out->commits++;
    }
}

void hg_scan_behind(const struct hg_segment_header *h, const struct hg_image *m, uint64_t from,
                    uint64_t to, struct hg_behind *out)
{
    *out = (struct hg_behind){ 0 };
    count_nonzero(m, from, to, out);
    scan_headers(h, m, from, HG_MIN(to, hg_image_end(m)), to, out);
}

int hg_scan_behind_file(const struct hg_segment_header *h, struct hg_file *f, uint64_t from,
                        uint64_t to, struct hg_image *buf, struct hg_behind *out)
{
    *out = (struct hg_behind){ 0 };
    while (from < to) {
        uint64_t stop = HG_MIN(to, HG_ALIGN4K(from + 1) + PIECE_BYTES);
        int rc = hg_image_read_file(f, from, HG_MIN(to, stop + HG_FRAME_HEADER_SIZE), buf);
        if (rc < 0)
            return rc;
        count_nonzero(buf, from, stop, out);
        scan_headers(h, buf, from, HG_MIN(stop, hg_image_end(buf)), 0, out);
        from = stop;
    }
    return HOLOG_OK;
}

uint32_t hg_scan_frame(const struct hg_segment_header *h, const struct hg_image *m, uint64_t from,
                       uint64_t to, struct hg_frame *out)
{
    uint64_t need = 0;

    for (uint64_t at = find_magic(m, from, to); at < to; at = find_magic(m, at + 8, to)) {
        if (header_at(h, m, at, to, out, &need) == HG_FRAME_OK && body_verifies(m, at, out))
            return (uint32_t)at;
    }
    return 0;
}
