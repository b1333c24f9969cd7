/*
 * Commits that are held back while a compaction makes room; and what is told where none can. See scheduler.h.
 */
#include <stdio.h>

#include "base/error.h"
#include "engine/compact.h"
#include "engine/scheduler_internal.h"

#define DELAY_MAX_NS UINT64_C(5000000)    /* of one commit, just below the cap */
#define FREE_MAX_NS  UINT64_C(250000000)  /* of one commit that brought much */
#define PATIENCE_NS  UINT64_C(2000000000) /* at the cap, while nothing is done */
#define LOOK_NS      UINT64_C(20000000)

void hg_brake_look(holog_store *s)
{
    __atomic_add_fetch(&s->sched.brake_word, 1, __ATOMIC_RELEASE);
    s->io->ops->word_wake(s->io, &s->sched.brake_word, INT32_MAX);
}

void hg_brake_progress(holog_store *s)
{
    if (__atomic_add_fetch(&s->sched.progress, 1, __ATOMIC_RELAXED) == 0)
        __atomic_add_fetch(&s->sched.progress, 1, __ATOMIC_RELAXED);
}

/* ---- what is told --------------------------------------------------------------------------------*/

static unsigned mib(uint64_t bytes)
{
    return (unsigned)((bytes + (UINT64_C(1) << 19)) >> 20);
}

/* Once in each episode: that ends when the store is smaller again. */
static int is_news(struct hg_scheduler *c)
{
    uint32_t no = 0;

    return __atomic_compare_exchange_n(&c->told, &no, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* By what is known since the last mark. */
static void tell(holog_store *s, const struct hg_estimate *e)
{
    struct hg_round last;
    char message[512];
    uint64_t dead = e->used - HG_MIN(e->needed, e->used);

    if (!is_news(&s->sched) || s->opts.log == NULL)
        return;
    hg_mutex_lock(s->io, &s->sched.lock);
    last = s->sched.last;
    hg_mutex_unlock(s->io, &s->sched.lock);
    (void)
        snprintf(message, sizeof message,
                 "%.100s: takes %u MiB, more than max_space_amp allows for, and no compaction can "
                 "lower that now; commits go on. At the last mark: head %u MiB, history %u, tags "
                 "%u, views %u; waiting for readers %u; garbage that stays for now %u",
                 s->io->root, mib(e->used + e->waiting), mib(last.live[HG_HOLD_HEAD]),
                 mib(last.live[HG_HOLD_HISTORY]), mib(last.live[HG_HOLD_TAGS]),
                 mib(last.live[HG_HOLD_VIEWS]), mib(e->waiting), mib(dead));
    s->opts.log(s->opts.log_ctx, HOLOG_LOG_WARN, message);
}

/* Tags, views and readers do not count against compaction; but who pays for the disk wants to know. */
static int is_pinned(const holog_store *s, const struct hg_estimate *e)
{
    double amp = s->recovered.super.space_amp_milli / 1000.0;
    double plain = (double)(e->needed - HG_MIN(e->pinned, e->needed) + e->allowance);

    return (double)(e->used + e->waiting) > amp * plain;
}

/* Of what came since the last mark nobody knows who holds it. */
static int is_small_again(holog_store *s, const struct hg_estimate *e)
{
    double amp = s->recovered.super.space_amp_milli / 1000.0;
    struct hg_round last;

    hg_mutex_lock(s->io, &s->sched.lock);
    last = s->sched.last;
    hg_mutex_unlock(s->io, &s->sched.lock);
    last.own += last.live[HG_HOLD_HEAD] + last.live[HG_HOLD_HISTORY] + e->allowance;
    return e->used <= e->soft && (double)(e->used + e->waiting) <= amp * (double)last.own;
}

/* Somebody has waited for long, and nothing has been done since. */
static int is_stuck(const struct hg_scheduler *c)
{
    uint32_t stuck = __atomic_load_n(&c->stuck, __ATOMIC_RELAXED);

    return stuck != 0 && stuck == __atomic_load_n(&c->progress, __ATOMIC_RELAXED);
}

/* Nothing that is known can lower it. */
static int is_hopeless(const struct hg_scheduler *c)
{
    return __atomic_load_n(&c->hopeless, __ATOMIC_ACQUIRE) != 0 || is_stuck(c);
}

void hg_brake_judge(holog_store *s, const struct hg_estimate *e, int exact)
{
    struct hg_scheduler *c = &s->sched;
    int over = e->used > e->cap && (is_stuck(c) || (exact && is_hopeless(c)));

    if (over || (exact && is_pinned(s, e)))
        tell(s, e);
    else if (is_small_again(s, e))
        __atomic_store_n(&c->told, 0, __ATOMIC_RELEASE);
}

/* ---- waiting ---------------------------------------------------------------------------------------*/

/* A compaction runs, or one may lower what there is. */
static int can_lower(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;

    if (is_hopeless(c) || __atomic_load_n(&c->stop, __ATOMIC_ACQUIRE) != 0 ||
        hg_log_poisoned(s->log) != 0)
        return 0;
    return hg_compact_is_on(s) || __atomic_load_n(&c->paused, __ATOMIC_ACQUIRE) == 0;
}

static void count_stall(struct hg_scheduler *c, uint64_t ns)
{
    uint64_t max = __atomic_load_n(&c->stall_max_ns, __ATOMIC_RELAXED);

    __atomic_add_fetch(&c->stalled, 1, __ATOMIC_RELAXED);
    while (ns > max && !__atomic_compare_exchange_n(&c->stall_max_ns, &max, ns, 1, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED))
        ;
}

/* As long as rounds take to free what has been appended since the last delay; the nearer to the cap, the more of it: so
 * that commits get slower, and rather not to where they stand still. */
static uint64_t time_to_free(struct hg_scheduler *c, double at)
{
    uint64_t appended = __atomic_load_n(&c->appended, __ATOMIC_RELAXED);
    uint64_t last = __atomic_exchange_n(&c->braked_at, appended, __ATOMIC_RELAXED);
    uint64_t rate = __atomic_load_n(&c->free_rate, __ATOMIC_RELAXED);
    double ns = 0;

    if (last != 0 && appended > last && rate > 0)
        ns = at * (double)(appended - last) * 1e9 / (double)rate;
    return ns < (double)FREE_MAX_NS ? (uint64_t)ns : FREE_MAX_NS;
}

/* The nearer to the cap, the longer: whoever commits most is slowed down most. */
static void delay(holog_store *s, const struct hg_estimate *e)
{
    double at = (double)(e->used - e->held_soft) / (double)(e->held_cap - e->held_soft + 1);
    uint64_t ns = (uint64_t)(at * at * (double)DELAY_MAX_NS);

    s->io->ops->sleep_ns(s->io, 1 + HG_MAX(ns, time_to_free(&s->sched, at)));
}

/* With what a round that is under way may still bring. */
static void look(holog_store *s, struct hg_estimate *e)
{
    hg_scheduler_estimate(s, e);
    e->used += __atomic_load_n(&s->sched.moving, __ATOMIC_RELAXED);
}

/* Until there is room, or none can be made, or nothing has been done for long. */
static void stall(holog_store *s, struct hg_estimate *e)
{
    struct hg_scheduler *c = &s->sched;
    uint64_t begun = s->io->ops->now_ns(s->io);
    uint64_t last = begun;
    uint32_t progress = __atomic_load_n(&c->progress, __ATOMIC_RELAXED);

    while (e->used >= e->held_cap && can_lower(s)) {
        uint32_t seen = __atomic_load_n(&c->brake_word, __ATOMIC_ACQUIRE);
        uint32_t done;
        s->io->ops->word_wait(s->io, &c->brake_word, seen, LOOK_NS);
        done = __atomic_load_n(&c->progress, __ATOMIC_RELAXED);
        if (done != progress)
            last = s->io->ops->now_ns(s->io);
        progress = done;
        if (s->io->ops->now_ns(s->io) - last > PATIENCE_NS)
            __atomic_store_n(&c->stuck, done, __ATOMIC_RELAXED);
        look(s, e);
    }
    count_stall(c, s->io->ops->now_ns(s->io) - begun);
}

static void hold_back(holog_store *s)
{
    struct hg_scheduler *c = &s->sched;
    struct hg_estimate e;
    uint64_t begun = s->io->ops->now_ns(s->io);

    look(s, &e);
    if (e.used < e.held_soft)
        return;
    if (!can_lower(s)) {
        hg_brake_judge(s, &e, 0);
        __atomic_store_n(&c->soft_at,
                         __atomic_load_n(&c->appended, __ATOMIC_RELAXED) + e.allowance / 64 + 1,
                         __ATOMIC_RELAXED); /* not with each commit */
        return;
    }
    hg_scheduler_wake(s);
    if (e.used < e.held_cap)
        delay(s, &e);
    else
        stall(s, &e);
    __atomic_add_fetch(&c->delayed, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->delay_ns, s->io->ops->now_ns(s->io) - begun, __ATOMIC_RELAXED);
}

void hg_scheduler_brake(holog_store *s)
{
    const struct hg_scheduler *c = &s->sched;

    if (c->on && __atomic_load_n(&c->appended, __ATOMIC_RELAXED) >=
                     __atomic_load_n(&c->soft_at, __ATOMIC_RELAXED))
        hold_back(s);
}

/* ---- counters --------------------------------------------------------------------------------------*/

static uint64_t get(const uint64_t *n)
{
    return __atomic_load_n(n, __ATOMIC_RELAXED);
}

static void fill_space(holog_store *s, holog_stats *st)
{
    struct hg_estimate e;

    hg_scheduler_estimate(s, &e);
    st->compaction_used_bytes = e.used;
    st->compaction_waiting_bytes = e.waiting;
    st->compaction_needed_bytes = e.needed;
    st->compaction_cap_bytes = e.cap;
}

void hg_scheduler_stats(holog_store *s, holog_stats *st)
{
    const struct hg_scheduler *c = &s->sched;
    uint64_t begun = get(&c->begun_ns);

    fill_space(s, st);
    st->compactions = get(&c->runs);
    st->compaction_rounds = get(&c->rounds);
    st->compaction_marks = get(&c->marks);
    st->compaction_moved_bytes = get(&c->moved);
    st->compaction_freed_bytes = get(&c->freed);
    st->compactions_forced = get(&c->forced);
    st->compaction_forced_bytes = get(&c->forced_moved);
    st->compaction_time_ns = get(&c->work_ns);
    st->compaction_record_bytes = get(&c->records_moved);
    st->compaction_written_bytes = get(&c->written);
    st->commits_delayed = get(&c->delayed);
    st->commit_delay_ns = get(&c->delay_ns);
    st->commits_stalled = get(&c->stalled);
    st->commit_stall_max_ns = get(&c->stall_max_ns);
    st->compaction_done_bytes = get(&c->done);
    st->compaction_total_bytes = get(&c->total);
    st->compaction_running_ns = begun == 0 ? 0 : s->io->ops->now_ns(s->io) - begun;
}
