/*
 * Group commit: filling, sealing, writing and completing groups, and the rules T1-T5 of log.h.
 */
#include "wal/log.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/log_internal.h"

struct hg_group *hg_log_slot(struct hg_log *log, uint64_t seq)
{
    return &log->groups[seq % HG_GROUP_SLOTS];
}

struct hg_group *hg_log_filling(struct hg_log *log)
{
    return hg_log_slot(log, log->fill_seq);
}

int hg_log_filling_is_empty(struct hg_log *log)
{
    struct hg_group *g = hg_log_filling(log);
    return g->state != HG_GROUP_FILLING || g->frames.len == 0;
}

void hg_log_lock(struct hg_log *log)
{
    hg_mutex_lock(log->io, &log->lock);
}

/* Whoever is woken wants the lock: they are woken when it is free, the next leader first. */
void hg_log_unlock(struct hg_log *log)
{
    uint32_t *leader = log->wake_leader;
    uint32_t groups = log->wake_groups;

    log->wake_leader = NULL;
    log->wake_groups = 0;
    hg_mutex_unlock(log->io, &log->lock);
    if (leader != NULL)
        log->io->ops->word_wake(log->io, leader, 1);
    for (; groups != 0; groups &= groups - 1)
        log->io->ops->word_wake(log->io, &log->groups[__builtin_ctz(groups)].word, INT_MAX);
}

void hg_log_wait_changed(struct hg_log *log, uint64_t timeout_ns)
{
    uint32_t entered = hg_cond_enter(&log->changed);

    hg_log_unlock(log);
    hg_cond_sleep(log->io, &log->changed, entered, timeout_ns);
    hg_log_lock(log);
}

int hg_log_poisoned(const struct hg_log *log)
{
    return __atomic_load_n(&log->poison, __ATOMIC_ACQUIRE);
}

int hg_log_poisoned_error(struct hg_log *log)
{
    struct holog_error_detail d = log->poison_detail;
    return hg_error(HOLOG_E_POISONED,
                    "an earlier write failed (%.300s); close and reopen the store", d.message);
}

int hg_log_check(struct hg_log *log)
{
    return hg_log_poisoned(log) != 0 ? hg_log_poisoned_error(log) : HOLOG_OK;
}

void hg_log_poison(struct hg_log *log, uint64_t seq, int rc)
{
    if (log->poison == 0) {
        hg_error_get(&log->poison_detail);
        __atomic_store_n(&log->poison, rc, __ATOMIC_RELEASE);
    }
    if (seq < log->fail_seq)
        log->fail_seq = seq;
    hg_cond_wake_all(log->io, &log->changed);
}

/* ---- completing ------------------------------------------------------------------------------ */

static void wake_group(struct hg_log *log, struct hg_group *g)
{
    __atomic_add_fetch(&g->word, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&g->waiters, __ATOMIC_SEQ_CST) > 0)
        log->wake_groups |= 1u << (g - log->groups);
}

/* The group that fills has someone who waits for it, or must be written: let one of them lead. */
static void promote_filling(struct hg_log *log)
{
    struct hg_group *g = hg_log_filling(log);

    if (hg_log_filling_is_empty(log))
        return;
    if (__atomic_load_n(&g->waiters, __ATOMIC_SEQ_CST) > 0) {
        __atomic_add_fetch(&g->word, 1, __ATOMIC_SEQ_CST);
        log->wake_leader = &g->word;
    } else {
        hg_log_wake_a_writer(log);
    }
}

struct done_call {
    holog_commit_fn fn;
    void *ctx;
    uint64_t number;
    int code;
};

static void queue_dones(struct hg_log *log, struct hg_group *g, int rc)
{
    size_t n = g->dones.len / sizeof(struct hg_group_done);
    const struct hg_group_done *d = (const struct hg_group_done *)(const void *)g->dones.data;

    for (size_t i = 0; i < n; i++) {
        struct done_call call = {
            .fn = d[i].fn, .ctx = d[i].ctx, .number = d[i].number, .code = rc
        };
        if (hg_buf_append(&log->done_queue, &call, sizeof call) < 0)
            call.fn(call.ctx, call.code, call.number); /* no memory to defer: tell it here */
    }
    g->dones.len = 0;
}

void hg_log_run_dones(struct hg_log *log)
{
    if (log->draining)
        return; /* whoever drains sees what was added */
    log->draining = 1;
    while (log->done_queue.len > 0) {
        struct hg_buf batch = log->done_queue;
        log->done_queue = (struct hg_buf){ 0 };
        hg_log_unlock(log);
        for (size_t at = 0; at < batch.len; at += sizeof(struct done_call)) {
            struct done_call call;
            memcpy(&call, batch.data + at, sizeof call);
            call.fn(call.ctx, call.code, call.number);
        }
        hg_buf_release(&batch);
        hg_log_lock(log);
    }
    log->draining = 0;
}

/* The log is durable through the last completed group: say so to everybody. */
void hg_log_advance_durable(struct hg_log *log, uint64_t seq)
{
    hg_pos pos = hg_pos_make(log->done_segment, (uint32_t)HG_ALIGN_UP(log->sealed_end_of_done, 8u));

    if (log->done_segment == 0 || pos <= log->durable_pos)
        return;
    log->durable_pos = pos;
    __atomic_store_n(&log->durable_number, log->done_number, __ATOMIC_RELEASE);
    log->synced_seq = seq;
    if (log->ctl != NULL)
        hg_ctl_publish(log->ctl, pos, log->done_number);
    if (log->opts.hooks.durable != NULL)
        log->opts.hooks.durable(log->opts.hooks.ctx, pos, log->done_number);
    if (log->thread_parked) { /* it has a watermark to write, once this pauses */
        log->thread_parked = 0;
        hg_log_thread_wake(log);
    }
}

static void fail_group(struct hg_log *log, struct hg_group *g)
{
    log->opts.hooks.completed(log->opts.hooks.ctx, g->token, HOLOG_E_INDOUBT, 0);
    queue_dones(log, g, HOLOG_E_INDOUBT);
    log->inflight_bytes -= g->len;
    g->token = NULL;
    g->frames.len = 0;
}

static void complete_group(struct hg_log *log, struct hg_group *g)
{
    log->done_segment = log->active.id;
    log->sealed_end_of_done = g->base + g->len;
    if (g->last_number != 0)
        log->done_number = g->last_number;
    if (log->opts.hooks.written != NULL)
        log->opts.hooks.written(log->opts.hooks.ctx, log->active.id, log->sealed_end_of_done);
    log->opts.hooks.completed(log->opts.hooks.ctx, g->token, 0, g->durable);
    if (g->durable) /* after readers see it: who is told of a number can load what it wrote */
        hg_log_advance_durable(log, g->seq);
    /* The last: who sees it without the lock finds the commit published. */
    __atomic_store_n(&log->done_seq, g->seq, __ATOMIC_RELEASE);
    queue_dones(log, g, 0);
    log->inflight_bytes -= g->len;
    g->token = NULL;
}

void hg_log_complete(struct hg_log *log)
{
    int any = 0;

    for (;;) {
        struct hg_group *g = hg_log_slot(log, log->done_seq + 1);
        int failed = log->done_seq + 1 >= log->fail_seq;
        enum hg_group_state was = g->state;

        if (g->seq != log->done_seq + 1 || was == HG_GROUP_FREE || was == HG_GROUP_WRITING)
            break;
        if (!failed && was != HG_GROUP_WRITTEN)
            break;
        if (failed) {
            if (was == HG_GROUP_FILLING) {
                if (g->frames.len == 0)
                    break;
                log->fill_seq++;
            }
            fail_group(log, g);
            __atomic_store_n(&log->done_seq, g->seq, __ATOMIC_RELEASE);
        } else {
            complete_group(log, g);
        }
        if (was != HG_GROUP_FILLING)
            log->in_flight--;
        g->state = failed ? HG_GROUP_FREE : HG_GROUP_DONE;
        log->last_activity_ns = log->io->ops->now_ns(log->io);
        any = 1;
        /* The next leader first: the disk idles until it runs. */
        promote_filling(log);
        wake_group(log, g);
    }
    if (any)
        hg_cond_wake_all(log->io, &log->changed);
}

/* ---- the footer, behind ---------------------------------------------------------------------- */

static void add_frames(struct hg_log *log, const struct hg_group *g)
{
    const struct hg_group_frame *frames = (const struct hg_group_frame *)(void *)g->frames.data;
    size_t n = g->frames.len / sizeof *frames;

    for (size_t i = 0; i < n && log->footer != NULL; i++) {
        int rc = hg_footer_add(log->footer, &frames[i].head, (uint32_t)(g->base + frames[i].at),
                               g->buf + frames[i].at + HG_FRAME_HEADER_SIZE);
        if (rc < 0) { /* no memory for it: the roll rebuilds it from the file */
            hg_footer_builder_destroy(log->footer);
            log->footer = NULL;
        }
    }
}

/* What completed groups leave to be done and nobody waits for: their frames go into the footer, in
 * order, and the engine does what it has put off. Lock held, dropped inside. */
static void follow_up(struct hg_log *log)
{
    if (log->footer_busy)
        return; /* whoever is at it sees what was added */
    log->footer_busy = 1;
    for (;;) {
        struct hg_group *g = hg_log_slot(log, log->footer_seq + 1);
        if (g->seq != log->footer_seq + 1 || g->state != HG_GROUP_DONE)
            break;
        hg_log_unlock(log);
        add_frames(log, g);
        if (log->opts.hooks.afterwards != NULL)
            log->opts.hooks.afterwards(log->opts.hooks.ctx);
        hg_log_lock(log);
        g->frames.len = 0;
        g->state = HG_GROUP_FREE;
        log->footer_seq++;
        hg_cond_wake_all(log->io, &log->changed);
    }
    log->footer_busy = 0;
    hg_cond_wake_all(log->io, &log->changed);
}

/* ---- filling ----------------------------------------------------------------------------------- */

/* T1: where the group that starts to fill now will stand. */
static int begin_filling(struct hg_log *log, struct hg_group *g)
{
    uint64_t start = HG_ALIGN_UP(log->end, (uint64_t)8);
    int durable = log->in_flight == 0 && log->synced_seq == log->done_seq;

    if (g->cap < HG_GROUP_BYTES + HG_BLOCK) {
        uint8_t *buf = hg_alloc_aligned(HG_BLOCK, HG_GROUP_BYTES + HG_BLOCK);
        if (buf == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a commit group");
        hg_free(g->buf);
        g->buf = buf;
        g->cap = HG_GROUP_BYTES + HG_BLOCK;
    }
    if (!durable)
        start = HG_ALIGN_UP(start, (uint64_t)HG_BLOCK);
    g->seq = log->fill_seq;
    g->opened_ns = log->io->ops->now_ns(log->io);
    g->state = HG_GROUP_FILLING;
    g->base = HG_ALIGN_DOWN(start, (uint64_t)HG_BLOCK);
    g->start = start;
    g->len = (size_t)(start - g->base);
    g->need_sync = g->unattended = g->durable = g->extents = 0;
    g->rc = 0;
    g->commits = 0;
    g->last_number = 0;
    g->token = NULL;
    g->frames.len = 0;
    g->dones.len = 0;
    if (g->len > 0)
        memcpy(g->buf, log->tail, g->len);
    return HOLOG_OK;
}

static int grow_group(struct hg_group *g, size_t need)
{
    size_t cap = HG_ALIGN_UP(need, (size_t)HG_BLOCK) + HG_BLOCK;
    uint8_t *buf;

    if (need + HG_BLOCK <= g->cap)
        return HOLOG_OK;
    buf = hg_alloc_aligned(HG_BLOCK, cap);
    if (buf == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a commit of %zu bytes", need);
    memcpy(buf, g->buf, g->len);
    hg_free(g->buf);
    g->buf = buf;
    g->cap = cap;
    return HOLOG_OK;
}

size_t hg_log_body_max(const struct hg_log *log)
{
    return hg_frame_len_max(log->fixed.segment_size_max) - HG_FRAME_HEADER_SIZE;
}

/* The filling group is full: hand it to a writer and let the next one begin. Lock held, dropped. */
static int close_filling(struct hg_log *log)
{
    if (log->in_flight >= log->opts.groups_in_flight + 2u) {
        hg_log_wait_changed(log, UINT64_MAX);
        return log->poison != 0 ? hg_log_poisoned_error(log) : HOLOG_OK;
    }
    if (log->thread != NULL && !hg_log_filling(log)->need_sync) {
        int rc = hg_log_seal_group(log, hg_log_filling(log));
        hg_log_wake_a_writer(log);
        return rc;
    }
    return hg_log_lead(log);
}

static int declares(const struct hg_log *log, uint64_t features)
{
    return (features & ~log->active.feat_incompat) == 0;
}

/* What a frame may not use of the segment. */
static uint64_t kept_from(const struct hg_log *log, unsigned flags, int use_kept)
{
    if (!use_kept)
        return log->kept;
    return (flags & HG_RESERVE_EDIT) != 0 ? 0 : HG_MIN(log->kept_for_edits, log->kept);
}

/* In the active segment. The opening frame of a new one always does. */
static int fits(const struct hg_log *log, uint64_t at, size_t need, uint64_t features,
                uint64_t kept)
{
    uint64_t capacity = log->active.capacity;

    return !log->seal_due && declares(log, features) && need <= hg_frame_len_max(capacity) &&
           at + need <= capacity - kept;
}

/* What lets go of something tries more before it gives up: what the segment keeps, then a small one. */
struct last_resort {
    unsigned flags;
    int use_kept;
    int small; /* tries: a roll may only have synced, and the next one asks for less */
};

#define SMALL_TRIES 3

static int roll(struct hg_log *log, size_t need, uint64_t features, struct last_resort *l)
{
    int rc = hg_log_roll(log, need, features, 0);

    if (rc != HOLOG_E_NOSPC || log->poison != 0 || (l->flags & HG_RESERVE_DELETES) == 0)
        return rc;
    if (log->active.id != 0 && declares(log, features) && !l->use_kept) {
        l->use_kept = 1;
        return HOLOG_OK;
    }
    if (l->small >= SMALL_TRIES)
        return rc;
    l->small++;
    return hg_log_roll(log, need, features, l->small);
}

int hg_log_reserve_in(struct hg_log *log, size_t body_len, uint64_t features, unsigned flags,
                      struct hg_log_place *out)
{
    size_t need = HG_FRAME_HEADER_SIZE + body_len;
    int rolling = (flags & HG_RESERVE_ROLLING) != 0;
    struct last_resort last = { .flags = flags };

    for (;;) {
        struct hg_group *g = hg_log_filling(log);
        int rc = HOLOG_OK;
        uint64_t at;

        if (log->poison != 0)
            return hg_log_poisoned_error(log);
        if (log->rolling && !rolling) {
            hg_log_wait_changed(log, UINT64_MAX);
            continue;
        }
        if (log->active.id == 0) {
            HG_ASSERT(!rolling);
            rc = roll(log, need, features, &last);
            if (rc < 0)
                return rc;
            continue;
        }
        if (log->opening_due && !rolling) {
            rc = hg_log_write_opening(log);
            if (rc < 0)
                return rc;
            continue;
        }
        if (g->state != HG_GROUP_FREE && g->state != HG_GROUP_FILLING) {
            /* every slot is taken */
            hg_log_wait_changed(log, UINT64_MAX);
            continue;
        }
        if (g->state == HG_GROUP_FREE || g->frames.len == 0)
            rc = begin_filling(log, g);
        if (rc < 0)
            return rc;
        at = g->frames.len == 0 ? g->start : g->base + HG_ALIGN_UP(g->len, (size_t)8);
        if (!fits(log, at, need, features, kept_from(log, flags, last.use_kept))) {
            HG_ASSERT(!rolling && need <= hg_frame_len_max(log->fixed.segment_size_max));
            rc = roll(log, need, features, &last);
            if (rc < 0)
                return rc;
            continue;
        }
        if (g->frames.len > 0 && at - g->base + need > HG_GROUP_BYTES) {
            rc = close_filling(log);
            if (rc < 0)
                return rc;
            continue;
        }
        rc = grow_group(g, (size_t)(at - g->base) + need);
        if (rc < 0)
            return rc;
        *out = (struct hg_log_place){ .segment = log->active.id,
                                      .frame_offset = (uint32_t)at,
                                      .body_offset = (uint32_t)at + HG_FRAME_HEADER_SIZE };
        return HOLOG_OK;
    }
}

static unsigned reserve_flags(int deletes)
{
    return (deletes != 0 ? HG_RESERVE_DELETES : 0u) |
           (deletes == HG_LOG_EDIT ? HG_RESERVE_EDIT : 0u);
}

int hg_log_reserve(struct hg_log *log, size_t body_len, int deletes, struct hg_log_place *out)
{
    return hg_log_reserve_in(log, body_len, 0, reserve_flags(deletes), out);
}

int hg_log_need(struct hg_log *log, uint64_t features, int deletes)
{
    struct hg_log_place any;

    if (log->active.id != 0 && declares(log, features))
        return HOLOG_OK;
    return hg_log_reserve_in(log, HG_BODY_MIN, features, reserve_flags(deletes), &any);
}

/* Behind what is there, which it does not count yet. */
static void put_in_group(const struct hg_log *log, const struct hg_group *g,
                         const struct hg_group_frame *frame, const void *body)
{
    const struct hg_frame_place place = { .salt = log->fixed.salt,
                                          .epoch = log->active.epoch,
                                          .segment = log->active.id,
                                          .offset = (uint32_t)(g->base + frame->at) };
    uint8_t *to = g->buf + frame->at;

    if (frame->at > g->len)
        memset(g->buf + g->len, 0, frame->at - g->len);
    hg_frame_draft(&frame->head, &place, to);
    memcpy(to + HG_FRAME_HEADER_SIZE, body, frame->head.len - HG_FRAME_HEADER_SIZE);
}

int hg_log_append_in(struct hg_log *log, const struct hg_append *a, struct hg_ticket *out_ticket)
{
    struct hg_group *g = hg_log_filling(log);
    size_t at = g->frames.len == 0 ? (size_t)(g->start - g->base) : HG_ALIGN_UP(g->len, (size_t)8);
    size_t len = HG_FRAME_HEADER_SIZE + a->body_len;
    struct hg_group_frame frame = { .at = (uint32_t)at,
                                    .head = { .type = a->type,
                                              .len = (uint32_t)len,
                                              .nrec = a->nrec,
                                              .number = a->number,
                                              .body_hash = a->body_hash } };
    size_t frames_were = g->frames.len;
    int rc;

    HG_ASSERT(g->state == HG_GROUP_FILLING && at + len <= g->cap);
    log->undo = (struct hg_log_undo){ .frames_len = g->frames.len,
                                      .dones_len = g->dones.len,
                                      .len = g->len,
                                      .commits = g->commits,
                                      .group_last_number = g->last_number,
                                      .need_sync = g->need_sync,
                                      .extents = g->extents,
                                      .end = log->end,
                                      .last_number = log->last_number,
                                      .highest_number = log->highest_number,
                                      .last_time_ns = log->last_time_ns };
    rc = hg_buf_append(&g->frames, &frame, sizeof frame);
    if (rc < 0)
        return rc;
    if (a->done != NULL) {
        struct hg_group_done done = { .fn = a->done, .ctx = a->done_ctx, .number = a->number };
        rc = hg_buf_append(&g->dones, &done, sizeof done);
        if (rc < 0) {
            g->frames.len = frames_were;
            return rc;
        }
    }
    put_in_group(log, g, &frame, a->body);
    if (log->opts.hooks.appended != NULL) {
        rc = log->opts.hooks.appended(log->opts.hooks.ctx, log->active.id, (uint32_t)(g->base + at),
                                      g->buf + at, len);
        if (rc < 0 && log->rolling)
            rc = HOLOG_OK; /* nobody loads an opening frame: what was wanted was room in a cache */
        if (rc < 0) {
            g->frames.len = frames_were;
            if (a->done != NULL)
                g->dones.len -= sizeof(struct hg_group_done);
            return rc;
        }
    }
    log->inflight_bytes += at + len - (frames_were == 0 ? 0 : g->len);
    g->len = at + len;
    log->end = g->base + g->len;
    log->last_time_ns = HG_MAX(log->last_time_ns, hg_get_le64(a->body));
    if (a->type == HG_FRAME_COMMIT) {
        g->commits++;
        g->last_number = a->number;
        log->last_number = a->number;
        if (a->number > log->highest_number)
            log->highest_number = a->number;
    }
    if (a->sync == HOLOG_SYNC_COMMIT)
        g->need_sync = 1;
    if (a->extents)
        g->extents = 1;
    *out_ticket = (struct hg_ticket){ .group = g->seq, .number = a->number };
    return HOLOG_OK;
}

void hg_log_unappend(struct hg_log *log)
{
    struct hg_group *g = hg_log_filling(log);
    const struct hg_log_undo *u = &log->undo;

    HG_ASSERT(g->state == HG_GROUP_FILLING && g->frames.len > u->frames_len);
    log->inflight_bytes -= g->len - (u->frames_len == 0 ? 0 : u->len);
    g->frames.len = u->frames_len;
    g->dones.len = u->dones_len;
    g->len = u->len;
    g->commits = u->commits;
    g->last_number = u->group_last_number;
    g->need_sync = u->need_sync;
    g->extents = u->extents;
    log->end = u->end;
    log->last_number = u->last_number;
    log->highest_number = u->highest_number;
    log->last_time_ns = u->last_time_ns;
}

uint64_t hg_log_next_number(const struct hg_log *log)
{
    return log->highest_number + 1;
}

int hg_log_append(struct hg_log *log, const struct hg_append *a, struct hg_ticket *out_ticket)
{
    HG_ASSERT(a->type == HG_FRAME_COMMIT || a->number == log->last_number);
    return hg_log_append_in(log, a, out_ticket);
}

int hg_log_append_system(struct hg_log *log, struct hg_buf *body, uint32_t nrec,
                         enum holog_sync sync, int extents, int deletes,
                         struct hg_log_place *out_place, struct hg_ticket *out_ticket)
{
    struct hg_append a = { .type = HG_FRAME_SYSTEM,
                           .body_len = body->len,
                           .nrec = nrec,
                           .sync = sync,
                           .extents = extents };
    struct hg_log_place place;
    int rc = hg_log_reserve(log, body->len, deletes, &place);

    if (rc < 0)
        return rc;
    hg_put_le64(body->data, log->last_time_ns); /* only now is it known what comes before */
    a.body = body->data;
    a.body_hash = hg_hash64(body->data, body->len);
    a.number = log->last_number;
    rc = hg_log_append(log, &a, out_ticket);
    if (rc == HOLOG_OK)
        *out_place = place;
    return rc;
}

/* ---- sealing and writing --------------------------------------------------------------------------*/

int hg_log_seal_group(struct hg_log *log, struct hg_group *g)
{
    size_t n = g->frames.len / sizeof(struct hg_group_frame);
    struct hg_group_frame *frames = (struct hg_group_frame *)(void *)g->frames.data;
    size_t padded = HG_ALIGN_UP(g->len, (size_t)HG_BLOCK);

    HG_ASSERT(g->state == HG_GROUP_FILLING && n > 0);
    for (size_t i = 0; i < n; i++) {
        struct hg_frame *f = &frames[i].head;
        uint32_t offset = (uint32_t)(g->base + frames[i].at);
        struct hg_frame_place place = { .salt = log->fixed.salt,
                                        .epoch = log->active.epoch,
                                        .segment = log->active.id,
                                        .offset = offset };
        f->floor = log->durable_pos;
        f->prev_len = log->prev_len;
        f->prev_hash = (uint32_t)log->prev_hash;
        hg_frame_encode(f, &place, g->buf + frames[i].at);
        log->prev_len = f->len;
        log->prev_hash = f->head_hash;
        log->last_frame = hg_pos_make(log->active.id, offset);
    }
    memset(g->buf + g->len, 0, padded - g->len);
    log->sealed_end = g->base + g->len;
    memset(log->tail, 0, sizeof log->tail);
    memcpy(log->tail, g->buf + HG_ALIGN_DOWN(g->len, (size_t)HG_BLOCK),
           g->len & (HG_BLOCK - 1)); /* len on a boundary: an empty block follows */
    g->token = log->opts.hooks.sealed(log->opts.hooks.ctx);
    g->state = HG_GROUP_SEALED;
    log->in_flight++;
    log->last_commits = g->commits;
    log->fill_seq++;
    log->kicked = HG_LEAD_NO;
    log->small_groups = padded < HG_SMALL_GROUP ? log->small_groups + 1 : 0;
    if (!g->need_sync)
        log->unsynced_seq = g->seq;
    return HOLOG_OK;
}

/* T3. */
static void wait_for_window(struct hg_log *log, uint64_t from, uint64_t to)
{
    if (from >= log->zero_busy_to || to <= log->zero_busy_from)
        return;
    log->counters.window_waits++;
    while (from < log->zero_busy_to && to > log->zero_busy_from)
        hg_log_wait_changed(log, UINT64_MAX);
}

/* T2, the slow way: groups before g were written without DSYNC, or extents were. */
static int write_then_sync(struct hg_log *log, struct hg_group *g, size_t padded)
{
    int rc;

    hg_log_lock(log);
    while (log->done_seq + 1 < g->seq && log->poison == 0)
        hg_log_wait_changed(log, UINT64_MAX);
    rc = log->poison != 0 ? hg_log_poisoned_error(log) : HOLOG_OK;
    hg_log_unlock(log);
    if (rc == HOLOG_OK)
        rc = hg_io_write_full(log->file, g->buf, padded, g->base, 0);
    if (rc == HOLOG_OK)
        rc = hg_log_extents_sync(log);
    if (rc == HOLOG_OK)
        rc = log->io->ops->fdatasync(log->file);
    return rc;
}

static void histogram_add(holog_histogram *h, uint64_t ns)
{
    uint64_t units = ns / 16;
    unsigned bucket = 0;

    if (units > 1) {
        unsigned log2 = 63u - (unsigned)__builtin_clzll(units);
        bucket = 2 * log2 + (unsigned)((units >> (log2 - (log2 > 0))) & (log2 > 0));
    }
    h->count++;
    h->sum_ns += ns;
    h->max_ns = HG_MAX(h->max_ns, ns);
    h->buckets[HG_MIN(bucket, HOLOG_HIST_BUCKETS - 1u)]++;
}

void hg_log_write_group(struct hg_log *log, struct hg_group *g)
{
    size_t padded = HG_ALIGN_UP(g->len, (size_t)HG_BLOCK);
    int slow = g->need_sync && (log->unsynced_seq > log->synced_seq || g->extents);
    uint64_t t0;
    uint64_t took;
    int rc;

    HG_ASSERT(g->state == HG_GROUP_SEALED);
    g->state = HG_GROUP_WRITING;
    wait_for_window(log, g->base, g->base + padded);
    if (g->base + padded > log->zero_end) {
        log->counters.groups_beyond_window++;
        log->zero_end = g->base + padded; /* no zeros behind the end, ever */
    }
    hg_log_unlock(log);
    t0 = log->io->ops->now_ns(log->io);
    if (slow)
        rc = write_then_sync(log, g, padded);
    else
        rc =
            hg_io_write_full(log->file, g->buf, padded, g->base, g->need_sync ? HG_WRITE_DSYNC : 0);
    took = log->io->ops->now_ns(log->io) - t0;
    hg_log_lock(log);
    log->patience_ns = HG_MIN(took / 4, (uint64_t)HG_PATIENCE_MAX_NS);
    histogram_add(&log->counters.group_write, took);
    log->counters.groups++;
    log->counters.syncs += g->need_sync ? 1 : 0;
    log->counters.bytes_written += padded;
    g->rc = rc;
    g->durable = rc == HOLOG_OK && g->need_sync;
    g->state = HG_GROUP_WRITTEN;
    if (rc < 0)
        hg_log_poison(log, g->seq, rc);
    hg_log_complete(log);
    follow_up(log);
}

int hg_log_lead(struct hg_log *log)
{
    struct hg_group *g = hg_log_filling(log);
    int rc = hg_log_seal_group(log, g);

    if (rc < 0)
        return rc;
    hg_log_write_group(log, g);
    return HOLOG_OK;
}

/* ---- facts -----------------------------------------------------------------------------------------*/

void hg_log_state(struct hg_log *log, struct hg_log_state *out)
{
    const struct hg_segment_entry *e;
    size_t n;

    *out = (struct hg_log_state){ .active_segment = log->active.id,
                                  .end = log->sealed_end,
                                  .appended = log->end,
                                  .last_frame = log->last_frame,
                                  .last_hash = log->prev_hash,
                                  .last_len = log->prev_len };
    hg_mutex_lock(log->io, &log->ext_lock); /* new extent segments come without the log's lock */
    e = (const struct hg_segment_entry *)(const void *)log->segments.data;
    n = log->segments.len / sizeof *e;
    for (size_t i = 0; i < n; i++) {
        uint64_t used = e[i].segment == log->active.id ? log->end : e[i].used;
        if (hg_segment_entry_kind(&e[i]) == HG_KIND_EXTENTS)
            out->extent_bytes += used;
        else if (hg_segment_entry_kind(&e[i]) == HG_KIND_HWP)
            out->cold_bytes += used;
        else if (hg_segment_entry_kind(&e[i]) == HG_KIND_BASE)
            out->base_bytes += used;
        else
            out->log_bytes += used;
    }
    out->n_segments = n;
    hg_mutex_unlock(log->io, &log->ext_lock);
}

uint64_t hg_log_bytes_behind(struct hg_log *log, hg_pos pos)
{
    const struct hg_segment_entry *e;
    uint64_t bytes = 0;

    hg_mutex_lock(log->io, &log->ext_lock);
    e = (const struct hg_segment_entry *)(const void *)log->segments.data;
    for (size_t i = 0; i < log->segments.len / sizeof *e; i++) {
        uint64_t used = e[i].segment == log->active.id ? log->end : e[i].used;
        if (hg_segment_entry_kind(&e[i]) != HG_KIND_FRAMES || e[i].segment < hg_pos_segment(pos))
            continue;
        bytes += used;
        if (e[i].segment == hg_pos_segment(pos))
            bytes -= HG_MIN(used, (uint64_t)hg_pos_offset(pos));
    }
    hg_mutex_unlock(log->io, &log->ext_lock);
    return bytes;
}

uint64_t hg_log_appended(const struct hg_log *log)
{
    return log->rolled_bytes + log->end + __atomic_load_n(&log->extent_bytes, __ATOMIC_RELAXED);
}

void hg_log_space(struct hg_log *log, struct hg_log_space *out)
{
    const struct hg_segment_entry *e;

    *out = (struct hg_log_space){ .appended = hg_log_appended(log) };
    hg_mutex_lock(log->io, &log->ext_lock);
    e = (const struct hg_segment_entry *)(const void *)log->segments.data;
    for (size_t i = 0; i < log->segments.len / sizeof *e; i++) {
        uint64_t used = e[i].segment == log->active.id ? log->end : e[i].used;
        int kind = (int)hg_segment_entry_kind(&e[i]);
        if ((e[i].kind & HG_SEGMENT_REMOVED) != 0) {
            out->removed += used;
            continue;
        }
        out->used += used;
        if (kind == HG_KIND_FRAMES)
            out->largest_frames = HG_MAX(out->largest_frames, used);
        if (kind == HG_KIND_EXTENTS)
            out->largest_extents = HG_MAX(out->largest_extents, used);
    }
    out->removed -= HG_MIN(out->removed, __atomic_load_n(&log->leaving.cut, __ATOMIC_RELAXED));
    hg_mutex_unlock(log->io, &log->ext_lock);
}

void hg_log_counters(struct hg_log *log, struct hg_log_counters *out)
{
    *out = log->counters;
    out->extent_bytes = __atomic_load_n(&log->extent_bytes, __ATOMIC_RELAXED);
}

const struct hg_super *hg_log_super(const struct hg_log *log)
{
    return &log->fixed;
}
