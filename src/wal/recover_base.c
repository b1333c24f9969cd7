/*
 * Which base a log begins with.
 *
 * A base is the index as of a frame, and stands for all frames up to there. Frame segments below the
 * one with that frame may be gone; what is there of them are containers: positions name records in
 * them, but no frame joins another there.
 *
 * The newest base that fits counts, also one whose EDIT was never written: the frame that it covers
 * was durable before it was begun, so what it says is true in any case.
 *   B1  its header is sound, and of this store
 *   B2  the segment with the frame that it covers is there, of the epoch that it says
 *   B3  that frame is where it says: the frame's header stands there, or the segment's footer or the
 *       header of the segment after it says the same
 *   B4  its content is not known to be damaged
 * One that does not fit is not needed while the chain from an older one, or from the first frame on,
 * is whole. But what a sound header says of the frame that it covers stays a floor.
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/recover_internal.h"

static int is_own(const struct hg_segment_header *h, const struct hg_super *super)
{
    return memcmp(h->uuid, super->uuid, sizeof h->uuid) == 0 && h->salt == super->salt;
}

int hg_base_sound(const struct hg_listed *b, const struct hg_super *super)
{
    return b->s.kind == HG_KIND_BASE && b->header_rc == HOLOG_OK && is_own(&b->s.header, super);
}

hg_pos hg_base_end(const struct hg_segment_header *h)
{
    return hg_pos_make(h->pred_id, (uint32_t)HG_ALIGN8(h->pred_end));
}

static const struct hg_listed *find_frames(const struct hg_listing *l, uint32_t id)
{
    const struct hg_listed *e = hg_listing_find(l, id);

    return e != NULL && e->s.kind == HG_KIND_FRAMES ? e : NULL;
}

int hg_chain_whole(const struct hg_listing *l, uint32_t begins)
{
    for (size_t i = hg_listing_next_log(l, 0); i < l->n; i = hg_listing_next_log(l, i + 1)) {
        const struct hg_listed *e = &l->e[i];
        uint32_t before = e->header_rc == HOLOG_OK ? e->s.header.pred_id : 0;
        if (e->s.id > begins && before != 0 && find_frames(l, before) == NULL)
            return 0;
    }
    return 1;
}

/* ---- the frame that a base covers (B3) ------------------------------------------------------- */

static int says_same(const struct hg_segment_header *b, uint64_t end, uint64_t len, uint64_t hash)
{
    return end == b->pred_end && len == b->pred_last_len && hash == b->pred_last_hash;
}

static int has_witness(const struct hg_listing *l, const struct hg_log_segment *s,
                       const struct hg_segment_header *b)
{
    if (s->sealed && says_same(b, s->tail.frames_end, s->tail.last_len, s->tail.last_hash))
        return 1;
    for (size_t i = hg_listing_next_log(l, 0); i < l->n; i = hg_listing_next_log(l, i + 1)) {
        const struct hg_segment_header *h = &l->e[i].s.header;
        if (l->e[i].header_rc == HOLOG_OK && h->pred_id == s->id &&
            h->pred_epoch == s->header.epoch &&
            says_same(b, h->pred_end, h->pred_last_len, h->pred_last_hash))
            return 1;
    }
    return 0;
}

/* Whether its header stands there; its time, when all of it does. */
static int look_at_frame(const struct hg_base_search *q, const struct hg_log_segment *s,
                         const struct hg_segment_header *b, int *out_there, uint64_t *out_time)
{
    uint64_t at = b->pred_end - b->pred_last_len;
    struct hg_frame_place place = {
        .salt = s->header.salt, .epoch = s->header.epoch, .segment = s->id, .offset = (uint32_t)at
    };
    struct hg_image m = { 0 };
    char name[HG_FILE_NAME_MAX];
    struct hg_frame f;

    hg_segment_name(name, s->id, s->kind);
    int rc = hg_image_read(q->io, name, q->flags, at, b->pred_end, &m);
    if (rc < 0)
        return rc;
    const uint8_t *p = m.data + (at - m.at);
    *out_there = hg_image_end(&m) >= b->pred_end &&
                 hg_frame_decode(p, &place, s->header.capacity, &f) == HG_FRAME_OK &&
                 f.head_hash == b->pred_last_hash && f.len == b->pred_last_len;
    if (*out_there && f.len >= HG_FRAME_HEADER_SIZE + 8 &&
        hg_hash_matches(f.body_hash,
                        hg_hash64(p + HG_FRAME_HEADER_SIZE, f.len - HG_FRAME_HEADER_SIZE)))
        *out_time = hg_get_le64(p + HG_FRAME_HEADER_SIZE);
    hg_image_release(&m);
    return HOLOG_OK;
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* B1 to B3. */
static int look_at_base(const struct hg_base_search *q, struct hg_listing *l, size_t i,
                        struct hg_begin *out)
{
    const struct hg_segment_header *b = &l->e[i].s.header;
    int there = 0;

    l->e[i].fits = 0;
    if (!hg_base_sound(&l->e[i], q->super) || (q->below != 0 && b->id >= q->below) ||
        (q->limit != 0 && hg_base_end(b) > q->limit))
        return HOLOG_OK;
    const struct hg_listed *s = find_frames(l, b->pred_id);
    if (s == NULL || s->header_rc < 0 || !is_own(&s->s.header, q->super) ||
        s->s.header.epoch != b->pred_epoch || s->s.file_size < b->pred_end)
        return HOLOG_OK;
    *out = (struct hg_begin){
        .base = i,
        .first = (size_t)(s - l->e),
        .end = b->pred_end,
        .link = { .frame = hg_pos_make(b->pred_id, (uint32_t)(b->pred_end - b->pred_last_len)),
                  .len = b->pred_last_len,
                  .hash = b->pred_last_hash,
                  .number = b->pred_number }
    };
    int rc = look_at_frame(q, &s->s, b, &there, &out->link.time_ns);
    if (rc < 0)
        return rc;
    l->e[i].fits = there || has_witness(l, &s->s, b);
    return HOLOG_OK;
}

int hg_base_choose(const struct hg_base_search *q, struct hg_listing *l, struct hg_begin *out)
{
    struct hg_begin chosen = { .base = l->n, .first = hg_listing_next_log(l, 0) };

    for (size_t i = l->n; i > 0; i--) {
        struct hg_listed *e = &l->e[i - 1];
        struct hg_begin b = { 0 };
        int rc = e->s.kind == HG_KIND_BASE ? look_at_base(q, l, i - 1, &b) : HOLOG_OK;
        if (rc < 0)
            return rc;
        if (!e->fits || chosen.base < l->n)
            continue;
        if (q->check != NULL) { /* B4 */
            rc = q->check(q->ctx, e, &e->spoiled);
            if (rc < 0)
                return rc;
        }
        e->fits = !e->spoiled;
        if (e->fits)
            chosen = b;
    }
    *out = chosen;
    return HOLOG_OK;
}

size_t hg_base_settle(const struct hg_listing *l, const struct hg_begin *b,
                      const struct hg_edits *edits)
{
    size_t i = l->n;

    while (i > 0 && !(l->e[i - 1].fits && hg_edits_has_base(edits, l->e[i - 1].s.id)))
        i--;
    if (!hg_chain_whole(l, i == 0 ? 0 : l->e[i - 1].s.header.pred_id))
        return b->base;
    return i == 0 ? l->n : i - 1;
}

/* ---- when there is none ---------------------------------------------------------------------- */

/* HOLOG_E_CORRUPT: the log should begin with base b. */
static int says_why(const struct hg_listing *l, const struct hg_listed *b,
                    const struct hg_super *super, uint32_t below)
{
    char advice[HG_ADVICE_MAX];
    char name[HG_FILE_NAME_MAX];
    char frames[HG_FILE_NAME_MAX];

    hg_segment_name(name, b->s.id, HG_KIND_BASE);
    if (hg_listing_misnamed(l, b, super, advice))
        return hg_corrupt_file(name, 0, "%s: %s", name, advice);
    if (b->spoiled || (below != 0 && b->s.id >= below))
        return hg_corrupt_file(name, HG_SEGMENT_HEADER_SIZE,
                               "%s, which the log begins with, is damaged", name);
    if (b->header_rc < 0)
        return hg_corrupt_file(name, 0, "%s, which the log begins with: %s", name, b->why);
    if (!is_own(&b->s.header, super))
        return hg_corrupt_file(name, 32, "%s belongs to another store", name);
    const struct hg_listed *s = find_frames(l, b->s.header.pred_id);
    hg_segment_name(frames, b->s.header.pred_id, HG_KIND_FRAMES);
    if (s == NULL)
        return hg_corrupt_file(frames, 0, "%s is missing: %s begins the log behind a frame in it",
                               frames, name);
    return hg_corrupt(s->s.id, b->s.header.pred_end - b->s.header.pred_last_len,
                      "segment %08x has not the frame that %s begins the log behind", s->s.id,
                      name);
}

int hg_base_missed(const struct hg_listing *l, const struct hg_super *super, uint32_t below)
{
    size_t i = l->n;

    while (i > 0 && l->e[i - 1].s.kind != HG_KIND_BASE)
        i--;
    return i == 0 ? HOLOG_OK : says_why(l, &l->e[i - 1], super, below);
}
