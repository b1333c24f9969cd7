/*
 * When an index checkpoint is written: at close, and by a thread of its own when the log behind the
 * newest one has grown longer than 64 MiB and than the index. What it says is taken when a segment is
 * full: nothing is under way then, all before is durable, and the newest version is what the log has.
 * That thread also folds (fold.c), and gets memory for the cache ready, so that commits need not wait
 * for it.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/checkpoint.h"
#include "engine/delta.h"
#include "engine/retention.h"

static int collect_settings(holog_store *s, struct hg_buf *out)
{
    int rc = HOLOG_OK;

    for (struct hg_setting *e = s->settings; e != NULL && rc == HOLOG_OK; e = e->next) {
        rc = hg_buf_append_varint(out, strlen(e->key));
        if (rc == HOLOG_OK)
            rc = hg_buf_append(out, e->key, strlen(e->key));
        if (rc == HOLOG_OK)
            rc = hg_buf_append_varint(out, strlen(e->value));
        if (rc == HOLOG_OK)
            rc = hg_buf_append(out, e->value, strlen(e->value));
    }
    return rc;
}

/* Of the log's last frame; 0 when there is none. It may stand in a segment that is sealed. */
static hg_pos end_of_log(const struct hg_log_state *st)
{
    uint32_t offset = hg_pos_offset(st->last_frame);

    if (st->last_frame == 0)
        return 0;
    return hg_pos_make(hg_pos_segment(st->last_frame),
                       offset + (uint32_t)HG_ALIGN_UP(st->last_len, 8u));
}

int hg_keeper_describe(holog_store *s, const struct hg_log_state *st, const struct hg_version *v,
                       struct hg_checkpoint *out)
{
    struct hg_checkpoint c = { .covered = end_of_log(st),
                               .last_hash = st->last_hash,
                               .last_len = st->last_len,
                               .number = v->number,
                               .time_ns = s->last_time_ns,
                               .highest_number = hg_log_next_number(s->log) - 1,
                               .keys = v->sums.entries,
                               .live_key_bytes = v->sums.live_key_bytes,
                               .live_value_bytes = v->sums.live_value_bytes,
                               .directories = v->sums.directories,
                               .root_number = v->sums.root_number,
                               .horizon = s->timeline.said ? s->timeline.horizon : 0,
                               .past_bytes = v->sums.past_bytes };
    const struct hg_timeline *t = &s->timeline;
    size_t moments = hg_timeline_count(t);
    int rc;

    memcpy(c.uuid, hg_log_super(s->log)->uuid, sizeof c.uuid);
    rc = collect_settings(s, &c.settings);
    if (rc == HOLOG_OK)
        rc = hg_log_segments_flagged(s->log, &c.segments);
    if (rc == HOLOG_OK && moments > 0)
        rc = hg_buf_append(&c.moments, hg_timeline_at(t, 0), moments * sizeof(struct hg_moment));
    if (rc == HOLOG_OK && t->tags.len > 0)
        rc = hg_buf_append(&c.tags, t->tags.data, t->tags.len);
    if (rc == HOLOG_OK)
        rc = hg_ropes_folds(s->ropes, &c.folds);
    if (rc < 0) {
        hg_checkpoint_release(&c);
        return rc;
    }
    *out = c;
    return HOLOG_OK;
}

int hg_keeper_last(holog_store *s)
{
    struct hg_checkpoint c;
    struct hg_log_state st;
    int rc;

    hg_log_state(s->log, &st);
    if (end_of_log(&st) == s->keeper.covers)
        return HOLOG_OK;
    rc = hg_keeper_describe(s, &st, s->published, &c);
    if (rc < 0)
        return rc;
    rc = hg_checkpoint_write(s->io, &c, s->published->root, s->published->past);
    if (rc == HOLOG_OK) {
        __atomic_add_fetch(&s->checkpoints, 1, __ATOMIC_RELAXED);
        s->keeper.covers = c.covered;
    }
    hg_checkpoint_release(&c);
    return rc;
}

/* ---- while the store is open ------------------------------------------------------------------------*/

static int is_due(const holog_store *s)
{
    uint64_t enough =
        HG_MAX((uint64_t)s->opts.checkpoint_tail_mib << 20, hg_index_bytes(s->sequenced.index));

    return hg_log_bytes_behind(s->log, s->keeper.described) > enough;
}

void hg_keeper_wake(holog_store *s)
{
    struct hg_keeper *k = &s->keeper;

    if (k->thread == NULL)
        return;
    __atomic_add_fetch(&k->word, 1, __ATOMIC_RELEASE);
    s->io->ops->word_wake(s->io, &k->word, 1);
}

void hg_keeper_segment_full(holog_store *s)
{
    struct hg_keeper *k = &s->keeper;
    struct hg_log_state st;

    if (k->thread == NULL || k->version != NULL || s->latest == NULL ||
        s->latest->number != s->last_number)
        return;
    hg_log_state(s->log, &st);
    if (!is_due(s) || hg_keeper_describe(s, &st, s->latest, &k->next) < 0)
        return; /* no memory: at the next segment */
    k->described = k->next.covered;
    k->version = s->latest;
    __atomic_add_fetch(&k->version->refs, 1, __ATOMIC_RELAXED);
    hg_keeper_wake(s);
}

/* Lock held on entry and return. */
static void write_next(holog_store *s)
{
    struct hg_keeper *k = &s->keeper;
    struct hg_version *v = k->version;
    int rc;

    hg_log_unlock(s->log);
    rc = hg_checkpoint_write(s->io, &k->next, v->root, v->past);
    if (rc < 0 && s->opts.log != NULL) /* a cache: the next open is slower, nothing is lost */
        s->opts.log(s->opts.log_ctx, HOLOG_LOG_WARN, "an index checkpoint was not written");
    __atomic_store_n(&k->failed, rc < 0, __ATOMIC_RELAXED);
    hg_log_lock(s->log);
    if (rc == HOLOG_OK) {
        __atomic_add_fetch(&s->checkpoints, 1, __ATOMIC_RELAXED);
        k->covers = k->next.covered;
    }
    hg_checkpoint_release(&k->next);
    k->version = NULL;
    hg_version_put(s, v);
}

/* When the condition has been asked. Lock held on entry and return. */
static void move_horizon(holog_store *s)
{
    uint64_t horizon = s->keep.due;
    int rc;

    s->keep.due = 0;
    hg_log_unlock(s->log);
    rc = hg_keep_ask(s, horizon);
    hg_log_lock(s->log);
    if (rc == HOLOG_OK && horizon > s->timeline.horizon)
        rc = hg_retention_move(s, horizon, 0);
    if (rc < 0)
        hg_error_clear(); /* nothing has gone; it is asked again */
}

static void run(void *arg)
{
    holog_store *s = arg;
    struct hg_keeper *k = &s->keeper;

    hg_log_lock(s->log);
    while (!k->stop) {
        uint32_t seen = __atomic_load_n(&k->word, __ATOMIC_ACQUIRE);
        uint64_t patience;
        uint64_t pause;
        if (k->version != NULL) {
            write_next(s);
            continue;
        }
        if (s->keep.due != 0) {
            move_horizon(s);
            continue;
        }
        if (hg_fold_step(s))
            continue;
        patience = hg_fold_patience(s);
        hg_log_unlock(s->log);
        pause = hg_compact_tidy_some(s);
        if (pause > 0)
            patience = HG_MIN(patience, pause);
        hg_cache_prepare(s->cache);
        s->io->ops->word_wait(s->io, &k->word, seen, patience);
        hg_log_lock(s->log);
    }
    hg_log_unlock(s->log);
}

int hg_keeper_start(holog_store *s)
{
    s->keeper.described = s->keeper.covers;
    return s->opts.no_background
               ? HOLOG_OK
               : s->io->ops->thread_start(s->io, "holog-keeper", run, s, &s->keeper.thread);
}

void hg_keeper_stop(holog_store *s)
{
    struct hg_keeper *k = &s->keeper;

    if (k->thread == NULL)
        return;
    hg_log_lock(s->log);
    k->stop = 1;
    hg_keeper_wake(s);
    hg_log_unlock(s->log);
    s->io->ops->thread_join(s->io, k->thread);
    hg_log_lock(s->log); /* its threads may append, and look whom to wake */
    k->thread = NULL;
    hg_log_unlock(s->log);
    if (k->version != NULL) { /* it was not begun: close writes one that has more */
        hg_checkpoint_release(&k->next);
        hg_version_put(s, k->version);
        k->version = NULL;
    }
}
