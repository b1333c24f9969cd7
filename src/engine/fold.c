/*
 * Folds: a version is written down again, with its short spans merged into new bytes, so that reading
 * it is not slower for having been changed often, and nobody walks further back than that.
 *
 * The rule. An object is folded when it has had 1024 deltas since its last fold, and at least an
 * eighth as many as it has spans; one of up to inline_max bytes when it has had 64. What is written
 * anew is each stretch of 64 KiB with 8 or more spans shorter than 4 KiB; of a value of up to 64 KiB
 * all. An object that has had 64 deltas and has rested for a second, and one that holog_fold names,
 * loses all its short spans, and then what folds have left in many places: stretches of 1 MiB with 8 or
 * more spans shorter than 256 KiB. One fold writes 64 MiB at most, and half of a value.
 *
 * A fold is a frame of the store's own: it changes no entry, number or history, and nobody waits for
 * it. Without it (a cut, no room) the version is read as before.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/delta.h"
#include "wal/frame.h"

#define SMALL_VALUE  HG_HASH_BLOCK
#define BYTES_MAX    (64u << 20) /* new bytes in one fold */
#define BUDGET_SHARE 16u         /* of the budget, at most, too */
#define DELTAS_MIN   1024u
#define SMALL_MIN    64u
#define REST_NS      1000000000u
#define BEHIND_MAX   64u /* deltas caught up with under the lock */
#define ROUNDS_MAX   8u

/* A stretch is written anew when it has so many spans that are shorter than that. */
enum how {
    OFTEN,
    RESTED,
    COARSE, /* after that: what folds at many times have left in stretches here and there */
};
static const struct rule {
    uint64_t stretch, shorter, spans;
} rules[] = {
    [OFTEN] = { 65536, 4096, 8 },
    [RESTED] = { 65536, 4096, 1 },
    [COARSE] = { 1u << 20, 256u << 10, 8 },
};

struct range {
    uint64_t start, end;
    uint64_t spans;
};

struct fold {
    holog_store *s;
    const char *path;
    hg_pos version;
    uint64_t size;
    struct hg_rope_at at;
    const struct rule *rule;
    struct hg_buf ranges; /* struct range: written anew */
    uint64_t fresh;       /* bytes of them */
    struct hg_buf table;
    uint32_t n_spans;
    struct hg_staged *staged;
    struct hg_buf inline_bytes;
};

/* ---- which bytes ---------------------------------------------------------------------------------*/

static uint64_t fresh_max(const struct fold *f)
{
    uint64_t most = HG_MIN((uint64_t)BYTES_MAX, f->s->opts.budget_bytes / BUDGET_SHARE);

    most = HG_MIN(most, (uint64_t)hg_log_body_max(f->s->log) * 1024); /* for its block table */
    return f->size <= SMALL_VALUE ? SMALL_VALUE
                                  : HG_MIN(most, HG_MAX(f->size / 2, (uint64_t)SMALL_VALUE));
}

static int add_stretch(struct fold *f, uint64_t stretch)
{
    struct range r = { .start = stretch * f->rule->stretch };

    r.end = HG_MIN(r.start + f->rule->stretch, f->size);
    if (f->fresh + (r.end - r.start) > fresh_max(f))
        return HOLOG_OK;
    f->fresh += r.end - r.start;
    return hg_buf_append(&f->ranges, &r, sizeof r);
}

/* Stretches with enough short spans in them. */
static int pick(struct fold *f)
{
    uint64_t need = f->size <= SMALL_VALUE ? 1 : f->rule->spans;
    uint64_t step = f->rule->stretch;
    struct hg_rope_cursor c;
    struct hg_span span;
    uint64_t at = 0;
    uint64_t stretch = 0;
    uint64_t shorts = 0;
    int rc = hg_rope_seek(&c, f->at.rope, 0, f->size);

    while (rc == HOLOG_OK && hg_rope_next(&c, &span)) {
        uint64_t end = at + span.len;
        for (uint64_t i = at / step;
             span.len < f->rule->shorter && rc == HOLOG_OK && i * step < end; i++) {
            if (i != stretch && shorts >= need)
                rc = add_stretch(f, stretch);
            shorts = i == stretch ? shorts + 1 : 1;
            stretch = i;
        }
        at = end;
    }
    return rc == HOLOG_OK && shorts >= need ? add_stretch(f, stretch) : rc;
}

static struct range *range_at(const struct fold *f, size_t i)
{
    return (struct range *)(void *)f->ranges.data + i;
}

/* What a range leaves of the span at each of its ends is not to be short either. */
static int widen(struct fold *f)
{
    size_t n = f->ranges.len / sizeof(struct range);
    size_t i = 0;
    struct hg_rope_cursor c;
    struct hg_span span;
    uint64_t at = 0;
    int rc = hg_rope_seek(&c, f->at.rope, 0, f->size);

    while (rc == HOLOG_OK && i < n && hg_rope_next(&c, &span)) {
        uint64_t end = at + span.len;
        for (size_t k = i; k < n && range_at(f, k)->start < end; k++) {
            struct range *r = range_at(f, k);
            if (at < r->start && r->start - at < f->rule->shorter)
                r->start = at;
            if (at < r->end && end > r->end && end - r->end < f->rule->shorter)
                r->end = end;
            if (at < r->end)
                r->spans++;
        }
        at = end;
        while (i < n && range_at(f, i)->end <= at)
            i++;
    }
    return rc;
}

/* Ranges that have met are one; those of one span stay as they are. */
static void merge(struct fold *f)
{
    size_t n = f->ranges.len / sizeof(struct range);
    size_t kept = 0;

    f->fresh = 0;
    for (size_t i = 0; i < n; i++) {
        struct range r = *range_at(f, i);
        if (kept > 0 && r.start <= range_at(f, kept - 1)->end) {
            struct range *last = range_at(f, kept - 1);
            f->fresh += r.end > last->end ? r.end - last->end : 0;
            last->end = HG_MAX(last->end, r.end);
        } else if (r.spans > 1) {
            *range_at(f, kept++) = r;
            f->fresh += r.end - r.start;
        }
    }
    f->ranges.len = kept * sizeof(struct range);
}

/* ---- the span table ------------------------------------------------------------------------------*/

static int put_span(struct fold *f, struct hg_span *last, const struct hg_span *s)
{
    int rc = HOLOG_OK;

    if (last->len > 0 && last->birth == s->birth && last->at + last->len == s->at) {
        last->len += s->len;
        return HOLOG_OK;
    }
    if (last->len > 0) {
        f->n_spans++;
        rc = hg_span_append(&f->table, last);
    }
    *last = *s;
    return rc;
}

static int put_old(struct fold *f, struct hg_span *last, uint64_t start, uint64_t end)
{
    struct hg_rope_cursor c;
    struct hg_span span;
    int rc = hg_rope_seek(&c, f->at.rope, start, end);

    while (rc == HOLOG_OK && hg_rope_next(&c, &span))
        rc = put_span(f, last, &span);
    return rc;
}

static int make_table(struct fold *f)
{
    struct hg_span last = { 0 };
    struct hg_span end = { .birth = UINT64_MAX };
    uint64_t at = 0;
    uint64_t fresh_at = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < f->ranges.len / sizeof(struct range) && rc == HOLOG_OK; i++) {
        const struct range *r = range_at(f, i);
        struct hg_span fresh = { .at = fresh_at, .len = r->end - r->start };
        rc = put_old(f, &last, at, r->start);
        if (rc == HOLOG_OK)
            rc = put_span(f, &last, &fresh);
        fresh_at += fresh.len;
        at = r->end;
    }
    if (rc == HOLOG_OK)
        rc = put_old(f, &last, at, f->size);
    if (rc == HOLOG_OK)
        rc = put_span(f, &last, &end);
    return rc;
}

/* ---- the record ----------------------------------------------------------------------------------*/

static int fill(struct fold *f, uint8_t *out)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < f->ranges.len / sizeof(struct range) && rc == HOLOG_OK; i++) {
        const struct range *r = range_at(f, i);
        rc = hg_rope_read(f->s, NULL, f->at.rope, f->path, r->start, r->end, out);
        out += r->end - r->start;
    }
    if (rc == HOLOG_OK && f->table.len > 0)
        memcpy(out, f->table.data, f->table.len);
    return rc;
}

static int stage(struct fold *f, size_t len)
{
    struct hg_mem *mem = NULL;
    int rc = hg_mem_new(f->s->cache, len, &mem);

    if (rc < 0)
        return rc;
    rc = fill(f, mem->data);
    if (rc < 0) {
        hg_mem_put(mem);
        return rc;
    }
    rc = hg_stage_mem(f->s, mem, len, &f->staged);
    return rc < 0 ? rc : hg_staged_wait(f->staged);
}

static int encode(struct fold *f, struct hg_buf *body, size_t *out_at)
{
    size_t len = (size_t)f->fresh + f->table.len;
    struct hg_fold_rec rec = { .version = f->version,
                               .csum = f->at.csum,
                               .version_size = f->size,
                               .n_spans = f->n_spans,
                               .spans_len = f->table.len,
                               .payload = { .len = len } };
    int rc;

    if (len > f->s->inline_max) {
        rc = stage(f, len);
        if (rc < 0)
            return rc;
        hg_staged_payload(f->staged, &rec.payload);
    } else {
        rc = hg_buf_append_zeros(&f->inline_bytes, len + 1);
        if (rc == HOLOG_OK)
            rc = fill(f, f->inline_bytes.data);
        if (rc < 0)
            return rc;
        rec.payload.bytes = f->inline_bytes.data;
        rec.payload.hash.lo = hg_hash64(f->inline_bytes.data, len);
    }
    rc = hg_body_begin(body, 0, NULL, 0);
    if (rc == HOLOG_OK)
        rc = hg_rec_fold(body, &rec, out_at);
    if (rc == HOLOG_OK && body->len > hg_log_body_max(f->s->log))
        rc = hg_error(HOLOG_E_TOOBIG, "%s: a fold of %zu bytes does not fit a frame", f->path, len);
    return rc;
}

/* What lives is being told from what the log says now, or has been since the rope was made: a fold may refer to what
 * does not. Log lock held. */
static int is_outdated(const struct fold *f)
{
    return hg_compact_is_on(f->s) || hg_ropes_age(f->s->ropes) != f->at.age;
}

/* Log lock held. */
static int append(struct fold *f, struct hg_buf *body, size_t at, hg_pos *out_fold)
{
    struct hg_log_place place = { 0 };
    struct hg_ticket ticket;
    int rc = hg_log_need(f->s->log, HG_FEATURE_VERSIONS, 0);

    if (rc == HOLOG_OK)
        rc = hg_ropes_reserve_fold(f->s->ropes);
    if (rc == HOLOG_OK && is_outdated(f))
        rc = hg_error(HOLOG_E_BUSY, "%s: a compaction is under way", f->path);
    if (rc == HOLOG_OK)
        rc = hg_log_append_system(f->s->log, body, 1, HOLOG_SYNC_NONE, f->staged != NULL, 0, &place,
                                  &ticket);
    if (rc < 0)
        return rc;
    if (f->staged != NULL)
        f->staged->named = 1;
    struct hg_fold_at fold = { .version = f->version,
                               .fold =
                                   hg_pos_make(place.segment, place.body_offset + (uint32_t)at) };
    *out_fold = fold.fold;
    f->s->deltas.folds++;
    f->s->deltas.fold_bytes += f->fresh + f->table.len;
    return hg_ropes_set_fold(f->s->ropes, &fold);
}

/* ---- on top of it --------------------------------------------------------------------------------*/

static int put_folded(struct fold *f, hg_pos fold)
{
    struct hg_rope_at folded = { .csum = f->at.csum, .age = f->at.age };
    struct hg_rope_builder b;
    struct hg_span span;
    size_t at = 0;
    int rc;

    hg_rope_builder_begin(&b, hg_ropes_pool(f->s->ropes));
    while (hg_spans_next(f->table.data, f->table.len, &at, &span) == HOLOG_OK) {
        if (span.birth == 0)
            span.birth = fold;
        hg_rope_builder_add(&b, &span);
    }
    rc = hg_rope_builder_end(&b, &folded.rope);
    if (rc == HOLOG_OK)
        hg_ropes_put(f->s->ropes, f->version, &folded);
    hg_rope_put(folded.rope);
    return rc;
}

/* What stands at the path now, by commits that have their place. Log lock held. */
static int newest(holog_store *s, const char *path, struct hg_locator *out)
{
    struct hg_key *k = &s->replay_keys[0];
    int rc;

    hg_key_make(path, strlen(path), k);
    rc = hg_state_get(&s->sequenced, k->bytes, k->len, out);
    return rc == HOLOG_OK && out->type != HG_ENTRY_BLOB ? HOLOG_E_NOENT : rc;
}

/* Deltas since then get ropes on top of the folded one; the last of them under the lock, so that none
 * is missed. Log lock held on entry and return. What cannot be had now is had by the next fold. */
static void catch_up(struct fold *f)
{
    holog_store *s = f->s;
    struct hg_locator loc;
    hg_pos done = f->version;

    for (unsigned i = 0; i < ROUNDS_MAX && newest(s, f->path, &loc) == HOLOG_OK; i++) {
        hg_pos now = hg_pos_make(loc.segment, loc.offset);
        int last = i + 1 == ROUNDS_MAX || hg_rope_behind(s, now, done) <= BEHIND_MAX;
        int rc;
        if (now == done)
            break;
        if (!last)
            hg_log_unlock(s->log);
        rc = hg_rope_rebuild(s, &loc, f->path, done);
        if (!last)
            hg_log_lock(s->log);
        if (rc < 0 || last)
            break;
        done = now;
    }
}

/* ---- one fold ------------------------------------------------------------------------------------*/

static int choose(struct fold *f)
{
    int rc = pick(f);

    if (rc == HOLOG_OK)
        rc = widen(f);
    if (rc < 0)
        return rc;
    merge(f);
    return f->ranges.len > 0 || f->at.depth >= DELTAS_MIN;
}

static int write_fold(struct fold *f)
{
    struct hg_buf body = { 0 };
    size_t at = 0;
    hg_pos fold = 0;
    int rc = make_table(f);

    if (rc == HOLOG_OK && f->n_spans > HG_SPANS_MAX)
        rc = hg_error(HOLOG_E_TOOBIG, "%s: has too many spans to be folded", f->path);
    if (rc == HOLOG_OK)
        rc = encode(f, &body, &at);
    if (rc == HOLOG_OK) {
        hg_log_lock(f->s->log);
        rc = append(f, &body, at, &fold);
        hg_log_unlock(f->s->log);
    }
    if (rc == HOLOG_OK && f->staged != NULL)
        hg_cache_offer(f->s->cache, hg_payload_key(fold), f->staged->mem, 1);
    if (rc == HOLOG_OK)
        rc = put_folded(f, fold);
    if (rc == HOLOG_OK) {
        hg_log_lock(f->s->log);
        catch_up(f);
        hg_log_unlock(f->s->log);
    }
    hg_buf_release(&body);
    return rc;
}

/* 1: a fold was written; 0: there is nothing to do. */
static int fold_once(holog_store *s, const char *path, enum how how)
{
    struct fold f = { .s = s, .path = path, .rule = &rules[how] };
    struct hg_locator loc;
    int rc;

    hg_log_lock(s->log);
    rc = newest(s, path, &loc);
    hg_log_unlock(s->log);
    if (rc < 0)
        return rc == HOLOG_E_NOENT ? 0 : rc;
    f.version = hg_pos_make(loc.segment, loc.offset);
    f.size = loc.size;
    rc = hg_rope_load(s, &loc, path, &f.at);
    if (rc < 0)
        return rc;
    rc = f.at.depth == 0 && how == OFTEN ? 0 : choose(&f);
    if (rc > 0) {
        rc = write_fold(&f);
        rc = rc < 0 ? rc : 1;
    }
    hg_staged_put(f.staged);
    hg_rope_put(f.at.rope);
    hg_buf_release(&f.ranges);
    hg_buf_release(&f.table);
    hg_buf_release(&f.inline_bytes);
    return rc;
}

/* The next of what is to be done with an object at rest. */
static int fold_rested(holog_store *s, const char *path)
{
    int rc = fold_once(s, path, RESTED);

    return rc == 0 ? fold_once(s, path, COARSE) : rc;
}

int holog_fold(holog_store *store, const char *path)
{
    struct hg_version *v;
    struct hg_lookup l;
    struct hg_resolved r;
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a fold");
    hg_lookup_version(store, v, &l);
    rc = hg_resolve_user(&l, path, 1, &r);
    if (rc == HOLOG_OK)
        rc = hg_must_be_blob(&r);
    hg_version_put(store, v);
    if (rc < 0)
        return rc;
    hg_scheduler_hold(store); /* a compaction that nobody has asked for makes way */
    while (rc == HOLOG_OK && (rc = fold_rested(store, r.path)) > 0)
        rc = HOLOG_OK;
    hg_scheduler_release(store);
    return rc;
}

/* ---- by the keeper's thread (log lock held) ------------------------------------------------------*/

struct hg_fold_wish {
    char *path;
    uint64_t touched_ns;
    int due;
};

static struct hg_fold_wish *wish_at(holog_store *s, size_t i)
{
    return (struct hg_fold_wish *)(void *)s->fold_wishes.data + i;
}

static size_t wish_count(const holog_store *s)
{
    return s->fold_wishes.len / sizeof(struct hg_fold_wish);
}

static struct hg_fold_wish *find_wish(holog_store *s, const char *path, size_t len)
{
    struct hg_fold_wish wish = { 0 };

    for (size_t i = 0; i < wish_count(s); i++)
        if (strncmp(wish_at(s, i)->path, path, len) == 0 && wish_at(s, i)->path[len] == 0)
            return wish_at(s, i);
    if (wish_count(s) >= HG_FOLD_WISHES)
        return NULL;
    wish.path = hg_strndup(path, len);
    if (wish.path == NULL || hg_buf_append(&s->fold_wishes, &wish, sizeof wish) < 0) {
        hg_free(wish.path);
        return NULL;
    }
    return wish_at(s, wish_count(s) - 1);
}

static int is_due(const holog_store *s, const struct hg_rope_at *at)
{
    if (hg_rope_size(at->rope) <= s->inline_max)
        return at->depth >= SMALL_MIN;
    return at->depth >= DELTAS_MIN && at->depth >= hg_rope_spans(at->rope) / 8;
}

void hg_fold_note(holog_store *s, const char *path, size_t len, const struct hg_rope_at *at)
{
    struct hg_fold_wish *w;

    if (s->keeper.thread == NULL || at->rope == NULL || at->depth < SMALL_MIN)
        return;
    w = find_wish(s, path, len);
    if (w == NULL)
        return; /* at a later delta */
    w->touched_ns = s->io->ops->now_ns(s->io);
    w->due |= at->depth % SMALL_MIN == 0 && is_due(s, at); /* and again, should it fail */
    if (w->due || wish_count(s) == 1)
        hg_keeper_wake(s);
}

static void wish_again(holog_store *s, const struct hg_fold_wish *was)
{
    struct hg_fold_wish *w = find_wish(s, was->path, strlen(was->path));

    if (w != NULL && w->touched_ns == 0)
        w->touched_ns = was->touched_ns;
}

int hg_fold_step(holog_store *s)
{
    uint64_t now = s->io->ops->now_ns(s->io);

    if (hg_compact_is_on(s))
        return 0;
    for (size_t i = 0; i < wish_count(s); i++) {
        struct hg_fold_wish w = *wish_at(s, i);
        int rc;
        if (!w.due && now - w.touched_ns < REST_NS)
            continue;
        s->fold_wishes.len -= sizeof w;
        *wish_at(s, i) = *wish_at(s, wish_count(s));
        hg_log_unlock(s->log);
        rc = w.due ? fold_once(s, w.path, OFTEN) : fold_rested(s, w.path);
        if (rc == HOLOG_E_CORRUPT && s->opts.log != NULL)
            s->opts.log(s->opts.log_ctx, HOLOG_LOG_WARN, "a value is damaged: it was not folded");
        hg_log_lock(s->log);
        if (rc == 1 && !w.due) /* there may be more */
            wish_again(s, &w);
        hg_free(w.path);
        return 1;
    }
    return 0;
}

uint64_t hg_fold_patience(const holog_store *s)
{
    return wish_count(s) == 0 ? UINT64_MAX : REST_NS;
}

void hg_fold_forget(holog_store *s)
{
    for (size_t i = 0; i < wish_count(s); i++)
        hg_free(wish_at(s, i)->path);
    hg_buf_release(&s->fold_wishes);
}
