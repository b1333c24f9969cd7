/*
 * The log's own threads. One leads groups that nobody waits for, writes zeros ahead of the end,
 * syncs at the interval, and puts the watermark into SUPER when commits pause; it does one thing at
 * a time and sleeps on a word. The other one writes groups while the first is busy.
 */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/log_internal.h"

void hg_log_thread_wake(struct hg_log *log)
{
    if (log->thread == NULL)
        return;
    __atomic_add_fetch(&log->thread_word, 1, __ATOMIC_RELEASE);
    log->io->ops->word_wake(log->io, &log->thread_word, 1);
}

void hg_log_wake_a_writer(struct hg_log *log)
{
    if (log->writer == NULL || !log->thread_busy) {
        hg_log_thread_wake(log);
        return;
    }
    __atomic_add_fetch(&log->writer_word, 1, __ATOMIC_RELEASE);
    log->io->ops->word_wake(log->io, &log->writer_word, 1);
}

/* ---- what there may be to do; each returns 1 when it did something. Lock held, dropped inside ---- */

/* A group that fills and that nobody waits for. */
static int is_ours(const struct hg_group *g)
{
    return g->state == HG_GROUP_FILLING && g->frames.len > 0 &&
           (g->unattended || __atomic_load_n(&g->waiters, __ATOMIC_SEQ_CST) == 0);
}

/* Nanoseconds until the group that fills should be led although it is small; 0: now. */
static uint64_t patience_left(struct hg_log *log, uint64_t now)
{
    uint64_t until = hg_log_filling(log)->opened_ns + log->patience_ns;

    return until > now ? until - now : 0;
}

static int write_a_group(struct hg_log *log)
{
    enum hg_lead lead;

    if (log->poison != 0)
        return 0;
    if (hg_log_write_handed_over(log, log->fill_seq))
        return 1;
    lead = is_ours(hg_log_filling(log)) ? hg_log_may_lead(log) : HG_LEAD_NO;
    if (lead == HG_LEAD_NO ||
        (lead == HG_LEAD_SOON && patience_left(log, log->io->ops->now_ns(log->io)) > 0))
        return 0;
    (void)hg_log_lead(log); /* a failure poisons: everybody is told */
    return 1;
}

static int write_zeros(struct hg_log *log)
{
    uint64_t from = HG_MAX(log->zero_end, HG_ALIGN_UP(log->end, (uint64_t)HG_BLOCK));
    uint64_t limit = HG_MIN(log->end + HG_WINDOW_BYTES, log->active.capacity);
    size_t len;
    uint8_t *zeros;
    uint32_t segment = log->active.id;
    struct hg_file *file = log->file;
    int rc;

    from = HG_ALIGN_UP(from, (uint64_t)HG_BLOCK);
    if (log->poison != 0 || log->rolling || log->active.id == 0 ||
        log->small_groups < HG_SMALL_MANY || from >= limit ||
        (log->zero_end > log->end + HG_WINDOW_BYTES / 2))
        return 0;
    len = (size_t)HG_MIN(limit - from, (uint64_t)HG_WINDOW_STEP);
    zeros = hg_alloc_aligned(HG_BLOCK, len);
    if (zeros == NULL)
        return 0; /* an optimisation: later */
    memset(zeros, 0, len);
    log->zero_busy_from = from;
    log->zero_busy_to = from + len;
    hg_log_unlock(log);
    rc = hg_io_write_full(file, zeros, len, from, 0);
    if (rc == HOLOG_OK)
        rc = log->io->ops->fdatasync(file); /* the conversion's journal commit is paid here */
    hg_free(zeros);
    hg_log_lock(log);
    log->zero_busy_from = log->zero_busy_to = 0;
    if (rc < 0)
        hg_log_poison(log, log->fill_seq, rc);
    else if (segment == log->active.id && log->zero_end < from + len)
        log->zero_end = from + len;
    hg_cond_wake_all(log->io, &log->changed);
    hg_log_complete(log);
    return 1;
}

static int sync_at_interval(struct hg_log *log, uint64_t now)
{
    if (log->poison != 0 || log->opts.sync_interval_ms == 0 ||
        (log->unsynced_seq <= log->synced_seq &&
         !__atomic_load_n(&log->ext_dirty, __ATOMIC_ACQUIRE)) ||
        now - log->last_sync_ns < (uint64_t)log->opts.sync_interval_ms * 1000000u)
        return 0;
    (void)hg_log_sync_held(log); /* a failure poisons */
    log->last_sync_ns = now;
    return 1;
}

static int write_watermark(struct hg_log *log, uint64_t now)
{
    if (log->poison != 0 || log->rolling || log->super.floor >= log->durable_pos ||
        log->in_flight > 0 || now - log->last_activity_ns < HG_IDLE_NS)
        return 0;
    if (hg_log_write_super(log, HG_SUPER_OPEN) < 0)
        hg_log_poison(log, log->fill_seq, HOLOG_E_IO);
    return 1;
}

static uint64_t sleep_time(struct hg_log *log, uint64_t now)
{
    if (log->poison != 0)
        return UINT64_MAX;
    if (is_ours(hg_log_filling(log)) && hg_log_may_lead(log) == HG_LEAD_SOON)
        return HG_MAX(patience_left(log, now), (uint64_t)1);
    if (log->opts.sync_interval_ms != 0 &&
        (log->unsynced_seq > log->synced_seq || __atomic_load_n(&log->ext_dirty, __ATOMIC_ACQUIRE)))
        return (uint64_t)log->opts.sync_interval_ms * 1000000u / 2;
    if (log->super.floor < log->durable_pos)
        return HG_IDLE_NS;
    return UINT64_MAX;
}

static void run(void *arg)
{
    struct hg_log *log = arg;

    hg_log_lock(log);
    log->thread_busy = 1;
    while (!log->stop) {
        uint32_t seen = __atomic_load_n(&log->thread_word, __ATOMIC_ACQUIRE);
        uint64_t now;
        uint64_t ns;

        hg_log_run_dones(log);
        if (write_a_group(log))
            continue;
        if (write_zeros(log))
            continue;
        now = log->io->ops->now_ns(log->io);
        if (sync_at_interval(log, now) || write_watermark(log, now))
            continue;
        ns = sleep_time(log, now);
        log->thread_parked = ns == UINT64_MAX;
        log->thread_busy = 0;
        hg_log_unlock(log);
        log->io->ops->word_wait(log->io, &log->thread_word, seen, ns);
        hg_log_lock(log);
        log->thread_busy = 1;
        log->thread_parked = 0;
    }
    hg_log_unlock(log);
}

static void run_writer(void *arg)
{
    struct hg_log *log = arg;

    hg_log_lock(log);
    while (!log->stop) {
        uint32_t seen = __atomic_load_n(&log->writer_word, __ATOMIC_ACQUIRE);

        hg_log_run_dones(log);
        if (write_a_group(log))
            continue;
        hg_log_unlock(log);
        log->io->ops->word_wait(log->io, &log->writer_word, seen, UINT64_MAX);
        hg_log_lock(log);
    }
    hg_log_unlock(log);
}

int hg_log_thread_start(struct hg_log *log)
{
    int rc = log->io->ops->thread_start(log->io, "holog-log", run, log, &log->thread);

    if (rc == HOLOG_OK && log->opts.groups_in_flight > 1)
        rc = log->io->ops->thread_start(log->io, "holog-log2", run_writer, log, &log->writer);
    return rc;
}

void hg_log_thread_stop(struct hg_log *log)
{
    if (log->thread == NULL)
        return;
    hg_log_lock(log);
    log->stop = 1;
    hg_log_unlock(log);
    hg_log_thread_wake(log);
    log->io->ops->thread_join(log->io, log->thread);
    log->thread = NULL;
    if (log->writer == NULL)
        return;
    __atomic_add_fetch(&log->writer_word, 1, __ATOMIC_RELEASE);
    log->io->ops->word_wake(log->io, &log->writer_word, 1);
    log->io->ops->thread_join(log->io, log->writer);
    log->writer = NULL;
}
