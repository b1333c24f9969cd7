/*
 * Waiting for groups: who leads, when, and what waiters are told; syncs of what was written without.
 */
#include <stdint.h>

#include "base/error.h"
#include "wal/log_internal.h"

/* Leading at once would split what belongs together: after a group of n commits its n threads come
 * back one by one, and the first of them would write alone. Half of the last group is worth a
 * transfer; below that the leader waits, a fraction of a transfer at the most. */
enum hg_lead hg_log_may_lead(struct hg_log *log)
{
    struct hg_group *g = hg_log_filling(log);

    if (g->state != HG_GROUP_FILLING || g->frames.len == 0)
        return HG_LEAD_NO;
    if (g->commits * 2 >= log->last_commits)
        return log->in_flight < log->opts.groups_in_flight ? HG_LEAD_NOW : HG_LEAD_NO;
    return log->in_flight == 0 ? HG_LEAD_SOON : HG_LEAD_NO;
}

static int group_result(struct hg_log *log, uint64_t seq)
{
    struct holog_error_detail d;

    if (seq < log->fail_seq)
        return HOLOG_OK;
    d = log->poison_detail;
    return hg_error(
        HOLOG_E_INDOUBT,
        "the commit's write failed (%.300s): it may or may not be there after reopening",
        d.message);
}

/* Without the lock: 1 when the group is known to have completed well. */
static int completed_well(struct hg_log *log, uint64_t seq)
{
    return __atomic_load_n(&log->done_seq, __ATOMIC_ACQUIRE) >= seq && hg_log_poisoned(log) == 0;
}

/* Lock held on entry. Returns 1 without the lock when the group completed meanwhile; else 0 with it:
 * most of those who are woken need nothing but the news. */
static int park(struct hg_log *log, struct hg_group *g, uint64_t seq, uint64_t timeout_ns)
{
    uint32_t seen = __atomic_load_n(&g->word, __ATOMIC_ACQUIRE);

    __atomic_add_fetch(&g->waiters, 1, __ATOMIC_SEQ_CST);
    hg_log_unlock(log);
    log->io->ops->word_wait(log->io, &g->word, seen, timeout_ns);
    __atomic_sub_fetch(&g->waiters, 1, __ATOMIC_SEQ_CST);
    if (completed_well(log, seq))
        return 1;
    hg_log_lock(log);
    return 0;
}

int hg_log_write_handed_over(struct hg_log *log, uint64_t last)
{
    for (uint64_t seq = log->done_seq + 1; seq <= last && seq < log->fill_seq; seq++) {
        struct hg_group *g = hg_log_slot(log, seq);
        if (g->seq == seq && g->state == HG_GROUP_SEALED) {
            hg_log_write_group(log, g);
            return 1;
        }
    }
    return 0;
}

/* Lock held on entry; 1: completed well, without the lock; 0: with it, see group_result. */
static int wait_for_group(struct hg_log *log, uint64_t seq)
{
    int patient = 1;

    while (log->done_seq < seq) {
        struct hg_group *g = hg_log_slot(log, seq);
        enum hg_lead lead =
            seq == log->fill_seq && log->poison == 0 ? hg_log_may_lead(log) : HG_LEAD_NO;
        if (lead == HG_LEAD_NOW || (lead == HG_LEAD_SOON && !patient)) {
            (void)hg_log_lead(log); /* its failure is the group's result */
            continue;
        }
        if (hg_log_write_handed_over(log, seq)) /* its thread may be who waits here, or be gone */
            continue;
        if (park(log, g, seq, lead == HG_LEAD_SOON ? log->patience_ns : UINT64_MAX))
            return 1;
        patient = patient && lead != HG_LEAD_SOON;
    }
    return 0;
}

static void wait_for_group_locked(struct hg_log *log, uint64_t seq)
{
    if (wait_for_group(log, seq))
        hg_log_lock(log);
}

int hg_log_wait(struct hg_log *log, const struct hg_ticket *t)
{
    int rc;

    if (wait_for_group(log, t->group))
        return HOLOG_OK;
    hg_log_run_dones(log);
    rc = group_result(log, t->group);
    hg_log_unlock(log);
    return rc;
}

struct hg_ticket hg_log_newest(struct hg_log *log)
{
    return (struct hg_ticket){ .group =
                                   hg_log_filling_is_empty(log) ? log->fill_seq - 1 : log->fill_seq,
                               .number = log->last_number };
}

void hg_log_kick(struct hg_log *log)
{
    struct hg_group *g = hg_log_filling(log);

    enum hg_lead lead = hg_log_may_lead(log);

    g->unattended = 1;
    if (lead > log->kicked) {
        log->kicked = lead;
        hg_log_wake_a_writer(log);
    }
}

/* Nothing filling, nothing in flight, nothing left to follow up. */
int hg_log_quiesce(struct hg_log *log)
{
    for (;;) {
        if (log->poison != 0)
            return hg_log_poisoned_error(log);
        if (!hg_log_filling_is_empty(log))
            wait_for_group_locked(log, log->fill_seq);
        else if (log->in_flight > 0)
            wait_for_group_locked(log, log->fill_seq - 1);
        else if (log->footer_busy)
            hg_log_wait_changed(log, UINT64_MAX);
        else
            return HOLOG_OK;
    }
}

/* A sync of what has been written without DSYNC. Lock held, dropped inside. */
static int sync_written(struct hg_log *log)
{
    uint64_t seq = log->done_seq;
    uint64_t end = log->sealed_end_of_done;
    uint64_t number = log->done_number;
    uint32_t segment = log->done_segment;
    int rc;

    log->syncing = 1;
    hg_log_unlock(log);
    rc = hg_log_extents_sync(log);
    if (rc == HOLOG_OK && log->file != NULL)
        rc = log->io->ops->fdatasync(log->file);
    hg_log_lock(log);
    log->syncing = 0;
    log->counters.syncs++;
    if (rc < 0) {
        hg_log_poison(log, log->done_seq + 1, rc);
        hg_log_complete(log);
    } else if (seq > log->synced_seq && segment == log->done_segment) {
        uint64_t done_end = log->sealed_end_of_done;
        uint64_t done_number = log->done_number;
        log->sealed_end_of_done = end; /* to what the sync covered, not to what came since */
        log->done_number = number;
        hg_log_advance_durable(log, seq);
        log->sealed_end_of_done = done_end;
        log->done_number = done_number;
    }
    hg_cond_wake_all(log->io, &log->changed);
    return rc;
}

int hg_log_sync_held(struct hg_log *log)
{
    uint64_t target;

    while (log->syncing || log->rolling)
        hg_log_wait_changed(log, UINT64_MAX);
    if (log->poison != 0)
        return hg_log_poisoned_error(log);
    if (!hg_log_filling_is_empty(log)) {
        hg_log_filling(log)->need_sync = 1;
        target = log->fill_seq;
    } else {
        target = log->fill_seq - 1;
    }
    wait_for_group_locked(log, target);
    hg_log_run_dones(log);
    if (target >= log->fail_seq)
        return group_result(log, target);
    while (log->syncing || log->rolling) /* a roll that began meanwhile closes the file */
        hg_log_wait_changed(log, UINT64_MAX);
    if (log->poison != 0)
        return hg_log_poisoned_error(log);
    if (log->synced_seq < target || __atomic_load_n(&log->ext_dirty, __ATOMIC_ACQUIRE))
        return sync_written(log);
    return HOLOG_OK;
}

int hg_log_sync(struct hg_log *log)
{
    int rc;

    hg_log_lock(log);
    rc = hg_log_sync_held(log);
    hg_log_unlock(log);
    return rc;
}

int hg_log_flush(struct hg_log *log)
{
    int rc;

    hg_log_lock(log);
    rc = hg_log_quiesce(log);
    hg_log_unlock(log);
    return rc;
}

int hg_log_wait_durable(struct hg_log *log, uint64_t number, uint64_t timeout_ns)
{
    uint64_t until;
    int rc = HOLOG_OK;

    if (hg_log_durable_number(log) >= number)
        return HOLOG_OK;
    until = timeout_ns == UINT64_MAX ? UINT64_MAX : log->io->ops->now_ns(log->io) + timeout_ns;
    hg_log_lock(log);
    while (log->durable_number < number && rc == HOLOG_OK) {
        uint64_t now = until == UINT64_MAX ? 0 : log->io->ops->now_ns(log->io);
        if (log->poison != 0)
            rc = hg_log_poisoned_error(log);
        else if (number > log->last_number)
            rc = hg_error(HOLOG_E_INVAL, "commit %llu does not exist yet",
                          (unsigned long long)number);
        else if (now >= until)
            rc = hg_error(HOLOG_E_AGAIN, "commit %llu is not durable yet",
                          (unsigned long long)number);
        else if (hg_log_filling_is_empty(log) && log->in_flight == 0)
            rc = hg_log_sync_held(log); /* acknowledged in a weaker mode: this asks for more */
        else if (until == UINT64_MAX || log->thread == NULL) { /* nobody else writes it */
            hg_log_filling(log)->need_sync = 1;
            wait_for_group_locked(log, log->done_seq + 1);
            hg_log_run_dones(log);
        } else {
            hg_log_kick(log);
            hg_log_wait_changed(log, until - now);
        }
    }
    hg_log_unlock(log);
    return rc;
}

uint64_t hg_log_durable_number(const struct hg_log *log)
{
    return __atomic_load_n(&log->durable_number, __ATOMIC_ACQUIRE);
}

hg_pos hg_log_durable_pos(const struct hg_log *log)
{
    return log->durable_pos;
}

uint64_t hg_log_inflight_bytes(const struct hg_log *log)
{
    return log->inflight_bytes;
}
