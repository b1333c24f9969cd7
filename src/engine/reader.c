/*
 * Reader processes: a store opened read-only beside a live writer, or alone.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/base.h"

static int test_writer(holog_store *s, int *out_alive)
{
    *out_alive = 0;
    if (s->lock_file == NULL)
        return HOLOG_OK; /* a copy without LOCK: nobody writes it */
    return s->io->ops->lock_test(s->lock_file, HG_LOCK_WRITER, 1, 0, out_alive);
}

static int look_at_writer(holog_store *s, hg_pos *out_limit, uint64_t *out_number)
{
    int alive = 0;
    int rc = test_writer(s, &alive);

    *out_limit = 0;
    *out_number = UINT64_MAX;
    if (rc < 0 || !alive)
        return rc;
    if (s->ctl == NULL)
        rc = hg_ctl_open(s->io, 0, &s->ctl);
    if (rc == HOLOG_OK)
        rc = hg_ctl_read(s->ctl, out_limit, out_number);
    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_AGAIN || rc == HOLOG_E_NOTSUP)
        return hg_error(HOLOG_E_BUSY, "%s: its writer is just opening it; try again", s->io->root);
    return rc;
}

/* How far to look: to the durable end while a writer is alive, else as far as the log goes. A writer
 * that is just opening the store, or was killed while it did, is waited for. */
int hg_reader_limit(holog_store *s, hg_pos *out_limit, uint64_t *out_number)
{
    uint64_t until = s->io->ops->now_ns(s->io) + (uint64_t)s->opts.lock_wait_ms * 1000000u;
    int rc;

    while ((rc = look_at_writer(s, out_limit, out_number)) == HOLOG_E_BUSY &&
           s->io->ops->now_ns(s->io) < until)
        s->io->ops->sleep_ns(s->io, 5000000);
    return rc;
}

/* The list of segments outlives recovery, for sizes. */
int hg_reader_segments(holog_store *s)
{
    s->reader_replaced = s->recovered.replaced_bytes;
    return hg_buf_append(&s->reader_segments, s->recovered.segments,
                         s->recovered.n_segments * sizeof s->recovered.segments[0]);
}

/* The newest frame segment may be allocated far behind its end. */
static uint64_t used_of(const struct hg_log_segment *g)
{
    return g->kind == HG_KIND_FRAMES && !g->sealed ? HG_ALIGN_UP(g->used, (uint64_t)8)
                                                   : g->file_size;
}

/* As they were when the store was opened. */
void hg_reader_sizes(holog_store *s, holog_stats *st)
{
    size_t n = s->reader_segments.len / sizeof(struct hg_log_segment);
    const struct hg_log_segment *g =
        (const struct hg_log_segment *)(const void *)s->reader_segments.data;

    for (size_t i = 0; i < n; i++) {
        uint64_t used = used_of(&g[i]);
        if (g[i].kind == HG_KIND_EXTENTS)
            st->extent_bytes += used;
        else if (g[i].kind == HG_KIND_HWP)
            st->cold_bytes += used;
        else if (g[i].kind == HG_KIND_BASE)
            st->base_bytes += used;
        else
            st->log_bytes += used;
        st->compaction_used_bytes += used;
    }
    st->compaction_waiting_bytes = s->reader_replaced;
    st->segments = n;
}

/* ctl's sequence changes with everything that any writer publishes, its opening the first. 0: no ctl
 * to tell. */
static uint32_t ctl_sequence(holog_store *s)
{
    struct holog_error_detail first;

    hg_error_get(&first);
    if (s->ctl == NULL && hg_ctl_open(s->io, 0, &s->ctl) < 0) {
        hg_error_set(&first);
        s->ctl = NULL;
    }
    return s->ctl == NULL ? 0 : hg_ctl_sequence(s->ctl);
}

/* The log begins with a base that is behind what we have read: its end is found from there on. Whether what lies between
 * is still there, following tells. */
static int recover_from_base(holog_store *s, struct hg_recovered *out)
{
    struct hg_recover_options ro = { .read_only = 1 };
    struct hg_segment_header base = { 0 };
    int rc = hg_base_find(s->io, &s->recovered.super, 0, 0, &base);

    if (rc == HOLOG_OK && base.id == 0)
        rc = hg_error(HOLOG_E_STALE, "%s: the log has changed; open it again", s->dir);
    if (rc < 0)
        return rc;
    ro.from = hg_base_covers(&base);
    ro.from_hash = base.pred_last_hash;
    ro.from_len = base.pred_last_len;
    return hg_recover(s->io, &ro, NULL, out);
}

/* Where the log ends, by recovery's decision; from the frame on that was read last. */
static int find_end(holog_store *s, hg_pos *out_limit)
{
    struct hg_recover_options ro = { .read_only = 1 };
    struct hg_recovered r;

    hg_follow_from(s->follower, &ro);
    int rc = hg_recover(s->io, &ro, NULL, &r);
    if (rc == HOLOG_E_STALE)
        rc = recover_from_base(s, &r);
    if (rc != HOLOG_OK)
        return rc;
    hg_free(r.segments);
    hg_free(r.left_over);
    *out_limit = r.last_segment == 0
                     ? 0
                     : hg_pos_make(r.last_segment, (uint32_t)HG_ALIGN_UP(r.end, (uint64_t)8));
    return HOLOG_OK;
}

/* How far to follow; *out_limit 0: no further than we are. What a writer that is gone had not told
 * is found by recovery; a writer that comes meanwhile spoils that, and is asked instead. */
static int find_limit(holog_store *s, hg_pos *out_limit)
{
    for (;;) {
        uint32_t before = ctl_sequence(s);
        uint64_t number;
        int alive = 0;
        int rc = hg_reader_limit(s, out_limit, &number);
        if (rc == HOLOG_OK && number != UINT64_MAX && number == s->last_number &&
            *out_limit <= hg_follow_at(s->follower)) /* frames that are no commits: tags */
            *out_limit = 0;
        if (rc < 0 || number != UINT64_MAX)
            return rc;
        if (before != 0 && before == s->ctl_at_end)
            return HOLOG_OK; /* nobody has been there since we read to the end */
        rc = find_end(s, out_limit);
        int rc2 = test_writer(s, &alive);
        if (rc2 < 0)
            return rc2;
        if (!alive && before == ctl_sequence(s)) {
            s->ctl_at_end = rc == HOLOG_OK ? before : 0;
            return rc;
        }
    }
}

/* ---- edits of the writer's compactions -------------------------------------------------------------*/

int hg_reader_edit(holog_store *s, const struct hg_record *r)
{
    struct hg_segment_entry e;
    size_t at = 0;
    int removed = 0;
    int rc;

    while ((rc = hg_rec_edit_next(r, &at, &e, &removed)) == HOLOG_OK) {
        if (removed)
            rc = hg_buf_append(&s->followed_removed, &e.segment, sizeof e.segment);
        else if (e.kind == HG_KIND_HWP)
            rc = hg_buf_append(&s->followed_added, &e.segment, sizeof e.segment);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int is_among(const struct hg_buf *ids, uint32_t id)
{
    for (size_t i = 0; i < ids->len; i += sizeof id) {
        if (memcmp(ids->data + i, &id, sizeof id) == 0)
            return 1;
    }
    return 0;
}

/* HOLOG_E_STALE: one has been replaced again, by an edit that has not been read yet. */
static int take_edits(holog_store *s)
{
    struct hg_buf *added = &s->followed_added;
    struct hg_buf *removed = &s->followed_removed;
    struct hg_cold_set *set = NULL;
    size_t kept = 0;
    int rc;

    for (size_t i = 0; i < added->len; i += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, added->data + i, sizeof id);
        if (is_among(removed, id))
            continue;
        memcpy(added->data + kept, &id, sizeof id);
        kept += sizeof id;
    }
    added->len = kept;
    if (added->len == 0 && removed->len == 0)
        return HOLOG_OK;
    rc = hg_cold_prepare(s->cold, (const uint32_t *)(const void *)added->data,
                         added->len / sizeof(uint32_t), &set);
    if (rc < 0)
        return rc;
    hg_cold_exchange(s->cold, set, (const uint32_t *)(const void *)removed->data,
                     removed->len / sizeof(uint32_t));
    hg_ropes_clear(s->ropes);
    for (size_t i = 0; i < removed->len; i += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, removed->data + i, sizeof id);
        hg_files_forget(s->files, id); /* or its space would not come back while we are here */
        hg_refs_forget(s->refs, id);
    }
    added->len = removed->len = 0;
    return HOLOG_OK;
}

static int follow_once(holog_store *s)
{
    struct hg_replay replay;
    struct hg_version *v;
    hg_pos limit = 0;
    int rc = find_limit(s, &limit);

    if (rc == HOLOG_OK && limit == 0 && s->followed_added.len == 0)
        return HOLOG_OK;
    if (rc == HOLOG_OK)
        rc = hg_version_spare(s);
    hg_replay_into(s, &replay);
    if (rc == HOLOG_OK && limit != 0)
        rc = hg_follow_refresh(s->follower, limit, &replay);
    hg_replay_followed(s, rc < 0);
    if (rc < 0) {
        s->ctl_at_end = 0; /* not there yet */
        return rc;
    }
    rc = take_edits(s);
    if (rc < 0)
        return rc;
    if (limit != 0)
        hg_cache_set_written(s->cache, hg_pos_segment(limit), hg_pos_offset(limit));
    hg_point_forget(s);
    v = hg_version_freeze(s);
    hg_version_publish(s, v);
    hg_epoch_poll(s->domain);
    return HOLOG_OK;
}

#define FOLLOW_TRIES 8 /* each time the writer has compacted again meanwhile */

static int follow(holog_store *s)
{
    int rc = follow_once(s);

    for (int i = 1; i < FOLLOW_TRIES && rc == HOLOG_E_STALE && s->followed_added.len > 0; i++)
        rc = follow_once(s);
    return rc;
}

int holog_refresh(holog_store *store, uint64_t *out_number)
{
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (store->follower != NULL) {
        hg_mutex_lock(store->io, &store->misc_lock);
        rc = follow(store);
        hg_mutex_unlock(store->io, &store->misc_lock);
    }
    if (rc == HOLOG_OK && out_number != NULL)
        *out_number = holog_last_number(store);
    return rc;
}

/* ---- what the store takes on disk ------------------------------------------------------------------------*/

struct sum {
    struct hg_io *io;
    const char *dir;
    uint64_t bytes;
};

static int add_file(void *ctx, const char *name, int is_dir)
{
    struct sum *s = ctx;
    char path[512];
    struct hg_file *f = NULL;
    struct hg_file_info info;

    if (is_dir)
        return 0;
    (void)snprintf(path, sizeof path, "%s%s%s", s->dir, s->dir[0] == 0 ? "" : "/", name);
    if (s->io->ops->open(s->io, path, 0, &f) < 0)
        return 0; /* gone meanwhile */
    if (s->io->ops->info(f, &info) == HOLOG_OK)
        s->bytes += info.size_bytes;
    (void)s->io->ops->close(f); /* only asked for its size */
    return 0;
}

int hg_store_disk_bytes(holog_store *s, uint64_t *out_bytes)
{
    static const char *const dirs[] = { "", HG_SEG_DIR, HG_CHK_DIR, HG_QUARANTINE_DIR };
    struct sum sum = { .io = s->io };
    int rc = HOLOG_OK;

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0] && rc == HOLOG_OK; i++) {
        sum.dir = dirs[i];
        rc = s->io->ops->read_dir(s->io, dirs[i], add_file, &sum);
        if (rc == HOLOG_E_NOENT)
            rc = HOLOG_OK;
    }
    hg_error_clear();
    if (rc == HOLOG_OK)
        *out_bytes = sum.bytes;
    return rc;
}
