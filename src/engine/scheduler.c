/*
 * When compactions happen that nobody has asked for; see scheduler.h. Commits that wait for them: brake.c.
 */
#include "engine/scheduler.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/compact.h"
#include "engine/scheduler_internal.h"

#define SECOND   UINT64_C(1000000000)
#define IDLE_NS  (10 * SECOND) /* readers and views may have let go of something */
#define FIRST_NS SECOND        /* who opens a store to change one thing closes it before that */
#define NAP_NS   (SECOND / 100)
#define ENTRY    96u /* bytes, about, of a record and its frame beside the value and the path */
#define COMMIT   64u /* of a frame that is kept for its commit */
#define ROUNDS \
    4u /* to an allowance: what a round takes and brings is on the disk twice, until it ends */
#define PART      32u /* of what is used, a round at least: each has to find out what lives */
#define ALLOW_MIN (UINT64_C(256) << 10)
#define CATCH_UP  4u /* times what a handle has written */

/* ---- what lives ----------------------------------------------------------------------------------*/

/* Bytes that live, by the sums alone. What is behind the horizon is dead before it has been let go of, but for what
 * tags hold. Log lock held. */
static uint64_t sums_of(const holog_store *s)
{
    const struct hg_sums *m = &s->sequenced.sums;
    const struct hg_timeline *t = &s->timeline;
    uint64_t past = t->tags.len > 0 ? m->past_bytes : HG_MIN(m->past_bytes, t->ended_bytes);

    return m->live_value_bytes + past + m->live_key_bytes + m->entries * ENTRY +
           (uint64_t)hg_timeline_count(t) * COMMIT;
}

static uint64_t live_of(const struct hg_round *r)
{
    uint64_t live = r->own;

    for (int h = 0; h < HG_HOLDERS; h++)
        live += r->live[h];
    return live;
}

/* Before the first mark: as if nothing had been said twice, and what is compressed lived like the rest. */
static uint64_t guess(holog_store *s, uint64_t sums)
{
    struct hg_cold_sizes cold;

    hg_cold_sizes(s->cold, &cold);
    if (cold.raw == 0)
        return sums;
    cold.stored =
        (uint64_t)((double)cold.stored / (double)cold.raw * (double)HG_MIN(cold.raw, sums));
    return sums - HG_MIN(cold.raw, sums) + cold.stored;
}

/* sched.lock held. */
static uint64_t needed(holog_store *s, uint64_t used, uint64_t sums, uint64_t appended)
{
    const struct hg_scheduler *c = &s->sched;
    uint64_t came = appended - HG_MIN(c->last.appended, appended);
    uint64_t live;

    if (!c->known)
        return HG_MIN(guess(s, sums), used);
    live = live_of(&c->last);
    if (sums >= c->last.sums)
        live += HG_MIN(sums - c->last.sums, came);
    else
        live -= HG_MIN(c->last.sums - sums, live);
    return HG_MIN(live, used);
}

static void set_limits(struct hg_estimate *e, double amp)
{
    e->trigger = (uint64_t)((double)e->needed * (1 + (amp - 1) / 2)) + e->allowance;
    e->cap = (uint64_t)((double)(e->needed + e->waiting + e->allowance) * amp);
    e->cap -= HG_MIN(e->waiting, e->cap);
    e->cap = HG_MAX(e->cap, e->trigger);
    e->soft = e->trigger + (e->cap - e->trigger) / 2;
}

/* Where in the bytes appended commits are to be slower, and to wait. What a round brings is there before what it
 * takes has gone. sched.lock held. */
static void set_brake(struct hg_scheduler *c, const struct hg_estimate *e)
{
    uint64_t used = e->used + __atomic_load_n(&c->moving, __ATOMIC_RELAXED);

    __atomic_store_n(&c->soft_at, c->looked_at + e->held_soft - HG_MIN(used, e->held_soft),
                     __ATOMIC_RELAXED);
}

/* sched.lock held. */
static void look_at(struct hg_scheduler *c, uint64_t appended, uint64_t sums)
{
    c->looked_at = appended;
    c->let_go += c->looked_sums - HG_MIN(sums, c->looked_sums);
    c->looked_sums = sums;
}

/* Bytes that have come and gone: by these, not by time, marks that would gain nothing are put off. sched.lock held. */
static uint64_t churn(const struct hg_scheduler *c)
{
    return c->looked_at + c->let_go;
}

void hg_scheduler_estimate(holog_store *s, struct hg_estimate *out)
{
    struct hg_scheduler *c = &s->sched;
    struct hg_log_space space;
    struct hg_estimate e = { 0 };
    uint64_t sums;

    hg_log_lock(s->log);
    hg_log_space(s->log, &space);
    sums = sums_of(s);
    __atomic_store_n(&c->appended, space.appended, __ATOMIC_RELAXED);
    hg_log_unlock(s->log);
    e.used = space.used;
    e.waiting = space.removed;
    e.allowance = HG_MAX(2 * (space.largest_frames + space.largest_extents), ALLOW_MIN);
    hg_mutex_lock(s->io, &c->lock);
    e.needed = needed(s, space.used, sums, space.appended);
    e.pinned = c->known ? c->last.live[HG_HOLD_TAGS] + c->last.live[HG_HOLD_VIEWS] : 0;
    set_limits(&e, s->recovered.super.space_amp_milli / 1000.0);
    look_at(c, space.appended, sums);
    c->least = HG_MIN(c->least, e.used);
    e.held_cap = HG_MAX(e.cap, c->least + e.allowance);
    e.held_soft = e.held_cap == e.cap ? e.soft : e.held_cap - e.allowance / 2;
    c->look_after = (e.trigger > e.used ? e.trigger - e.used : e.allowance) / 4 + 1;
    set_brake(c, &e);
    hg_mutex_unlock(s->io, &c->lock);
    *out = e;
}

/* ---- is a mark worth it --------------------------------------------------------------------------*/

/* Estimates are wrong where values are shared: when the store has doubled it is looked at anyway. */
static int pays(holog_store *s, const struct hg_estimate *e)
{
    struct hg_scheduler *c = &s->sched;
    uint64_t appended = __atomic_load_n(&c->appended, __ATOMIC_RELAXED);
    int worth;

    hg_mutex_lock(s->io, &c->lock);
    worth = e->used > e->trigger;
    if (e->used > e->allowance &&
        appended - HG_MIN(c->last.appended, appended) > HG_MAX(c->last.used, e->allowance))
        worth = 1;
    if (churn(c) < c->retry_at)
        worth = 0;
    if (c->is_full && e->used > e->needed + e->allowance / 8)
        worth = 1;
    c->is_full = 0;
    hg_mutex_unlock(s->io, &c->lock);
    return worth;
}

/* Nothing was gained. */
static void put_off(holog_store *s, const struct hg_estimate *e, int hopeless)
{
    struct hg_scheduler *c = &s->sched;
    uint64_t most = HG_MAX(e->used, e->allowance);

    hg_mutex_lock(s->io, &c->lock);
    c->backoff = hopeless ? HG_MIN(HG_MAX(2 * c->backoff, e->allowance / 4), most) : 0;
    c->retry_at = churn(c) + c->backoff;
    hg_mutex_unlock(s->io, &c->lock);
    __atomic_store_n(&c->hopeless, (uint32_t)hopeless, __ATOMIC_RELEASE);
    hg_brake_look(s);
}

/* Where nothing lived goes without anything being read: that says little of a failure. */
static void gained(holog_store *s, int moved)
{
    struct hg_scheduler *c = &s->sched;

    hg_mutex_lock(s->io, &c->lock);
    c->backoff = 0;
    c->retry_at = 0;
    c->last_code = moved ? 0 : c->last_code;
    hg_mutex_unlock(s->io, &c->lock);
    __atomic_store_n(&c->hopeless, 0, __ATOMIC_RELEASE);
    hg_brake_look(s);
}

/* Each kind of failure once, until a round has moved something. */
static void tell_failure(holog_store *s, int rc)
{
    struct hg_scheduler *c = &s->sched;
    struct holog_error_detail d;
    char message[400];
    int again;

    hg_error_get(&d);
    hg_mutex_lock(s->io, &c->lock);
    again = c->last_code == rc;
    c->last_code = rc;
    hg_mutex_unlock(s->io, &c->lock);
    if (again || s->opts.log == NULL)
        return;
    (void)snprintf(message, sizeof message, "%.100s: a compaction has failed: %.240s", s->io->root,
                   d.message);
    s->opts.log(s->opts.log_ctx, HOLOG_LOG_WARN, message);
}

/* ---- one round -----------------------------------------------------------------------------------*/

static int take_step(holog_store *s, int rc)
{
    struct hg_scheduler *c = &s->sched;
    uint32_t idle = 0;

    if (rc < 0)
        return rc;
    if (!__atomic_compare_exchange_n(&c->busy, &idle, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return hg_error(HOLOG_E_BUSY, "another compaction of %s is under way", s->dir);
    return HOLOG_OK;
}

static void give_step(holog_store *s)
{
    __atomic_store_n(&s->sched.busy, 0, __ATOMIC_SEQ_CST);
    s->io->ops->word_wake(s->io, &s->sched.busy, INT32_MAX);
}

static int is_cancelled(const struct hg_scheduler *c)
{
    return __atomic_load_n(&c->stop, __ATOMIC_SEQ_CST) != 0 ||
           __atomic_load_n(&c->paused, __ATOMIC_SEQ_CST) != 0;
}

static void count_round(struct hg_scheduler *c, const holog_compact_report *r)
{
    if (!c->is_run)
        __atomic_add_fetch(&c->runs, 1, __ATOMIC_RELAXED);
    c->is_run = 1;
    __atomic_add_fetch(&c->rounds, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->moved, r->value_bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->freed, r->removed_bytes - HG_MIN(r->added_bytes, r->removed_bytes),
                       __ATOMIC_RELAXED);
}

/* Where nothing lives goes at once: that says nothing of what comes. */
static void note_rate(struct hg_scheduler *c, const holog_compact_report *r, uint64_t ns)
{
    uint64_t freed = r->removed_bytes - HG_MIN(r->added_bytes, r->removed_bytes);
    uint64_t was = __atomic_load_n(&c->free_rate, __ATOMIC_RELAXED);
    uint64_t now = (uint64_t)((double)freed * 1e9 / (double)HG_MAX(ns, (uint64_t)1));

    if (r->segments_added > 0)
        __atomic_store_n(&c->free_rate, was == 0 ? now : (was + now) / 2, __ATOMIC_RELAXED);
}

static int run_round(holog_store *s, uint64_t bytes, holog_compact_report *r)
{
    struct hg_scheduler *c = &s->sched;
    uint64_t begun = s->io->ops->now_ns(s->io);
    int rc = hg_compact_background(s, bytes, r);

    if (rc > 0) {
        count_round(c, r);
        note_rate(c, r, s->io->ops->now_ns(s->io) - begun);
        gained(s, r->segments_added > 0);
        return rc;
    }
    c->is_run = 0;
    if (rc == HOLOG_E_CANCELED || rc == HOLOG_E_BUSY)
        return rc;
    if (rc < 0)
        tell_failure(s, rc);
    struct hg_estimate now;
    hg_scheduler_estimate(s, &now);
    put_off(s, &now, rc < 0 || now.used > now.trigger);
    hg_brake_judge(s, &now, 1);
    return rc;
}

int hg_scheduler_step(holog_store *s, holog_compact_report *r)
{
    struct hg_scheduler *c = &s->sched;
    struct hg_estimate e;
    int rc = take_step(s, hg_log_check(s->log));

    if (rc < 0)
        return rc;
    if (!is_cancelled(c)) {
        hg_scheduler_estimate(s, &e);
        hg_brake_judge(s, &e, 0);
        if (pays(s, &e))
            rc = run_round(s, HG_MAX(e.allowance / ROUNDS, e.used / PART), r);
        else
            c->is_run = 0;
    }
    give_step(s);
    return rc;
}

/* ---- the calls -----------------------------------------------------------------------------------*/

static int check(holog_store *s)
{
    int rc = hg_store_check_write(s);

    if (rc == HOLOG_OK && hg_log_poisoned(s->log) != 0)
        rc = hg_error(HOLOG_E_POISONED, "an earlier write failed; close and reopen the store");
    return rc;
}

int holog_compact_step(holog_store *store, holog_compact_report *out_report)
{
    holog_compact_report report = { .struct_size = sizeof report };
    int rc = check(store);

    if (rc == HOLOG_OK && out_report != NULL)
        rc = hg_struct_check(out_report, "holog_compact_report");
    if (rc == HOLOG_OK)
        rc = hg_scheduler_step(store, &report);
    if (rc < 0)
        return rc;
    if (out_report != NULL)
        hg_struct_fill(out_report, &report, sizeof report);
    return HOLOG_OK;
}

int holog_compact_pause(holog_store *store)
{
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK) {
        __atomic_add_fetch(&store->sched.pauses, 1, __ATOMIC_SEQ_CST);
        hg_scheduler_hold(store);
    }
    return rc;
}

int holog_compact_resume(holog_store *store)
{
    uint32_t n;
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    n = __atomic_load_n(&store->sched.pauses, __ATOMIC_SEQ_CST);
    do {
        if (n == 0)
            return hg_error(HOLOG_E_INVAL, "compaction of %s is not paused", store->dir);
    } while (!__atomic_compare_exchange_n(&store->sched.pauses, &n, n - 1, 0, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    hg_scheduler_release(store);
    return HOLOG_OK;
}

/* ---- what compactions tell -------------------------------------------------------------------------*/

void hg_scheduler_mark(holog_store *s, struct hg_round *r)
{
    struct hg_log_space space;

    hg_log_lock(s->log);
    hg_log_space(s->log, &space);
    r->appended = space.appended;
    r->sums = sums_of(s);
    hg_log_unlock(s->log);
    __atomic_add_fetch(&s->sched.marks, 1, __ATOMIC_RELAXED);
}

/* What it has moved lives in the output, for the same holders. */
static struct hg_round after(const struct hg_round *r)
{
    struct hg_round now = *r;
    uint64_t moved = 0;

    for (int h = 0; h < HG_HOLDERS; h++)
        moved += r->gone_live[h];
    for (int h = 0; h < HG_HOLDERS; h++) {
        now.live[h] -= HG_MIN(r->gone_live[h], now.live[h]);
        if (moved > 0)
            now.live[h] += (uint64_t)((double)r->added * (double)r->gone_live[h] / (double)moved);
    }
    now.own -= HG_MIN(r->gone_own, now.own);
    now.used = r->used - HG_MIN(r->gone, r->used) + r->added;
    return now;
}

void hg_scheduler_saw(holog_store *s, const struct hg_round *r)
{
    struct hg_scheduler *c = &s->sched;
    struct hg_estimate e;

    hg_mutex_lock(s->io, &c->lock);
    c->known = 1;
    c->last = after(r);
    hg_mutex_unlock(s->io, &c->lock);
    hg_scheduler_estimate(s, &e);
    hg_brake_look(s);
}

void hg_scheduler_moves(struct hg_compaction *c)
{
    struct hg_scheduler *d = &c->store->sched;
    struct hg_estimate e;

    __atomic_store_n(&d->done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&d->total, 2 * c->bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&d->moving, c->bytes, __ATOMIC_RELAXED);
    if (c->bytes > 0)
        hg_scheduler_estimate(c->store, &e); /* commits have so much less room */
}

void hg_scheduler_begins(holog_store *s)
{
    __atomic_store_n(&s->sched.begun_ns, s->io->ops->now_ns(s->io) | 1, __ATOMIC_RELAXED);
}

void hg_scheduler_ends(holog_store *s)
{
    __atomic_store_n(&s->sched.begun_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->sched.moving, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->sched.done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->sched.total, 0, __ATOMIC_RELAXED);
}

/* In pieces: who wants it to end does not wait for long. */
static void nap(holog_store *s, uint64_t ns)
{
    while (ns > 0 && !is_cancelled(&s->sched)) {
        uint64_t piece = HG_MIN(ns, NAP_NS);
        s->io->ops->sleep_ns(s->io, piece);
        ns -= piece;
    }
}

uint64_t hg_scheduler_unlink_step(holog_store *s, uint64_t ns, uint64_t floor)
{
    struct hg_scheduler *c = &s->sched;
    double amp = s->recovered.super.space_amp_milli / 1000.0;
    struct hg_pace_facts f = { .now_ns = s->io->ops->now_ns(s->io) };
    struct hg_estimate e;
    uint64_t cap;

    hg_scheduler_estimate(s, &e);
    cap = (uint64_t)((double)(e.needed + e.allowance) * amp);
    f.written = __atomic_load_n(&c->appended, __ATOMIC_RELAXED);
    f.left = e.waiting;
    f.room = cap - HG_MIN(cap, e.used + e.waiting); /* they are on the disk, too */
    hg_mutex_lock(s->io, &c->lock);
    f.room = c->is_full ? 0 : f.room;
    hg_mutex_unlock(s->io, &c->lock);
    return hg_pace_step(&c->unlinks, ns, floor, &f);
}

int hg_scheduler_rest(holog_store *s, uint64_t ns)
{
    nap(s, ns);
    return is_cancelled(&s->sched);
}

static void pace(holog_store *s, uint64_t bytes)
{
    struct hg_scheduler *c = &s->sched;
    uint64_t total = __atomic_load_n(&c->total, __ATOMIC_RELAXED);
    uint64_t done = __atomic_load_n(&c->done, __ATOMIC_RELAXED);
    uint64_t appended = __atomic_load_n(&c->appended, __ATOMIC_RELAXED);
    uint64_t soft = __atomic_load_n(&c->soft_at, __ATOMIC_RELAXED);
    const struct hg_pace_facts f = { .now_ns = s->io->ops->now_ns(s->io),
                                     .written = appended,
                                     .left = total - HG_MIN(done, total),
                                     .room = soft - HG_MIN(appended, soft) };

    c->pace.limit = s->opts.compaction_bytes_per_s;
    nap(s, hg_pace_take(&c->pace, bytes, &f));
}

int hg_scheduler_progress(struct hg_compaction *c, uint64_t bytes)
{
    struct hg_scheduler *d = &c->store->sched;

    __atomic_add_fetch(&d->done, bytes, __ATOMIC_RELAXED);
    hg_brake_progress(c->store);
    if (c->is_background && d->on)
        pace(c->store, bytes);
    return c->is_background && is_cancelled(d);
}

void hg_scheduler_forced(holog_store *s)
{
    __atomic_add_fetch(&s->sched.forced, 1, __ATOMIC_RELAXED);
}

/* Of values that were moved in the background the scheduler itself keeps count. */
void hg_scheduler_worked(const struct hg_compaction *c)
{
    struct hg_scheduler *d = &c->store->sched;
    uint64_t begun = __atomic_load_n(&d->begun_ns, __ATOMIC_RELAXED);
    uint64_t now = c->store->io->ops->now_ns(c->store->io);

    __atomic_add_fetch(&d->work_ns, now - HG_MIN(begun, now), __ATOMIC_RELAXED);
    __atomic_add_fetch(&d->records_moved, c->run_bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&d->written, c->output.used, __ATOMIC_RELAXED);
    if (!c->is_background)
        __atomic_add_fetch(&d->forced_moved, c->bytes - c->run_bytes, __ATOMIC_RELAXED);
}

int hg_scheduler_avoids(holog_store *s, uint32_t segment)
{
    struct hg_scheduler *c = &s->sched;
    int found = 0;

    hg_mutex_lock(s->io, &c->lock);
    for (size_t i = 0; i < c->avoided.len && !found; i += sizeof segment)
        found = memcmp(c->avoided.data + i, &segment, sizeof segment) == 0;
    hg_mutex_unlock(s->io, &c->lock);
    return found;
}

void hg_scheduler_avoid(holog_store *s, uint32_t segment)
{
    struct hg_scheduler *c = &s->sched;
    struct holog_error_detail why;

    if (hg_scheduler_avoids(s, segment))
        return;
    hg_error_get(&why);
    hg_mutex_lock(s->io, &c->lock);
    (void)!hg_buf_append(&c->avoided, &segment, sizeof segment); /* or the next round tries again */
    hg_mutex_unlock(s->io, &c->lock);
    hg_error_set(&why);
}

/* ---- others ----------------------------------------------------------------------------------------*/

void hg_scheduler_hold(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;

    __atomic_add_fetch(&c->paused, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&c->busy, __ATOMIC_SEQ_CST) != 0)
        s->io->ops->word_wait(s->io, &c->busy, 1, NAP_NS);
    hg_brake_look(s);
}

static void wake(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;

    __atomic_add_fetch(&c->word, 1, __ATOMIC_RELEASE);
    s->io->ops->word_wake(s->io, &c->word, 1);
}

void hg_scheduler_release(holog_store *s)
{
    __atomic_sub_fetch(&s->sched.paused, 1, __ATOMIC_SEQ_CST);
    hg_scheduler_wake(s);
}

void hg_scheduler_wake(holog_store *s)
{
    if (s->sched.on)
        wake(s);
}

/* What was written since the last look, and what was let go. */
void hg_scheduler_note(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;
    uint64_t appended;
    uint64_t sums;
    int due;

    if (!c->on)
        return;
    appended = hg_log_appended(s->log);
    __atomic_store_n(&c->appended, appended, __ATOMIC_RELAXED);
    sums = sums_of(s);
    hg_mutex_lock(s->io, &c->lock);
    due =
        appended - HG_MIN(c->looked_at, appended) + c->looked_sums - HG_MIN(sums, c->looked_sums) >
        c->look_after;
    if (due)
        look_at(c, appended, sums);
    hg_mutex_unlock(s->io, &c->lock);
    if (due)
        wake(s);
}

void hg_scheduler_full(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;

    if (!c->on)
        return;
    hg_mutex_lock(s->io, &c->lock);
    c->is_full = 1;
    hg_mutex_unlock(s->io, &c->lock);
    wake(s);
}

/* ---- the thread ------------------------------------------------------------------------------------*/

static void run(void *arg)
{
    holog_store *s = arg;
    struct hg_scheduler *c = &s->sched;
    uint64_t patience = FIRST_NS;

    if (s->io->ops->thread_low != NULL)
        s->io->ops->thread_low(s->io);
    while (__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE) == 0) {
        uint32_t seen = __atomic_load_n(&c->word, __ATOMIC_ACQUIRE);
        holog_compact_report r = { .struct_size = sizeof r };
        if (patience > 0)
            s->io->ops->word_wait(s->io, &c->word, seen, patience);
        if (__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE) != 0)
            break;
        patience = hg_scheduler_step(s, &r) > 0 ? 0 : IDLE_NS;
    }
}

int hg_scheduler_start(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;
    struct hg_estimate e;
    int rc;

    c->progress = 1;
    c->least = UINT64_MAX;
    hg_scheduler_estimate(s, &e);
    c->opened_at = c->looked_at;
    if (s->opts.no_background || s->opts.no_compaction)
        return HOLOG_OK;
    c->on = 1;
    rc = s->io->ops->thread_start(s->io, "holog-compactor", run, s, &c->thread);
    if (rc < 0)
        c->on = 0;
    return rc;
}

/* Who has a store open only for a moment, again and again, leaves no time for rounds: some are done at its end, beyond where
 * commits would be held back, a few times as long as what it wrote. */
static void catch_up(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;
    struct holog_error_detail before;
    struct hg_estimate e;
    uint64_t moved = 0;
    uint64_t most;
    int rc;

    if (__atomic_load_n(&c->rounds, __ATOMIC_RELAXED) > 0 || hg_log_poisoned(s->log) != 0 ||
        __atomic_load_n(&c->paused, __ATOMIC_SEQ_CST) != 0)
        return;
    hg_error_get(&before);
    hg_scheduler_estimate(s, &e);
    most = (c->looked_at - c->opened_at) * CATCH_UP + e.allowance / ROUNDS;
    rc = e.used > e.soft;
    while (rc > 0 && e.used > e.trigger && moved <= most) {
        holog_compact_report r = { .struct_size = sizeof r };
        rc = run_round(s, e.allowance / ROUNDS, &r);
        moved += r.value_bytes + r.record_bytes;
        hg_scheduler_estimate(s, &e);
    }
    hg_error_set(&before); /* it closes all the same */
}

void hg_scheduler_stop(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;

    if (c->thread == NULL)
        return;
    __atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
    hg_brake_look(s);
    wake(s);
    s->io->ops->thread_join(s->io, c->thread);
    hg_log_lock(s->log); /* its threads may append, and look whom to wake */
    c->thread = NULL;
    c->on = 0;
    hg_log_unlock(s->log);
    __atomic_store_n(&c->stop, 0, __ATOMIC_SEQ_CST);
    catch_up(s);
}
