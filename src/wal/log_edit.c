/*
 * Edits: segments that a compaction brings to the store, bases among them, and those that go.
 *   E1  the outputs are whole, synced, renamed, and seg/ is synced: the caller's, before
 *   E2  everything that was appended so far is durable: frames that name what goes are below a floor
 *   E3  the EDIT record, in a frame of the log's own, durable
 *   E4  files that went are unlinked, when nobody reads them any more: log_unlink.c
 * docs/DURABILITY.md says what a cut after each step leaves.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "wal/log_internal.h"

int hg_log_cold_header(struct hg_log *log, uint64_t capacity, struct hg_segment_header *out)
{
    int rc = hg_log_new_header(log, HG_KIND_HWP, capacity, out);

    if (rc == HOLOG_OK)
        out->feat_incompat = HG_FEATURE_COLD;
    return rc;
}

int hg_log_sync_names(struct hg_log *log)
{
    int rc = log->io->ops->sync_dir(log->io, HG_SEG_DIR);

    if (rc < 0) {
        hg_log_lock(log);
        hg_log_poison(log, log->fill_seq, rc);
        hg_log_unlock(log);
    }
    return rc;
}

static int name_segment(struct hg_log *log, uint32_t id, enum hg_segment_kind kind)
{
    char tmp[HG_FILE_NAME_MAX];
    char name[HG_FILE_NAME_MAX];
    int rc;

    hg_segment_tmp_name(tmp, id);
    hg_segment_name(name, id, kind);
    rc = log->io->ops->rename(log->io, tmp, name);
    return rc < 0 ? rc : hg_log_sync_names(log);
}

int hg_log_cold_name(struct hg_log *log, uint32_t id)
{
    return name_segment(log, id, HG_KIND_HWP);
}

/* ---- bases ---------------------------------------------------------------------------------------*/

int hg_log_roll_now(struct hg_log *log, uint64_t features)
{
    struct hg_log_place any;
    int rc =
        hg_log_reserve(log, HG_BODY_MIN, 0, &any); /* so that there is a segment, with a frame */

    if (rc == HOLOG_OK)
        rc = hg_log_sync_held(log); /* a roll would only say that an earlier write has failed */
    return rc < 0 ? rc : hg_log_roll(log, HG_FRAME_HEADER_SIZE + HG_BODY_MIN, features, 0);
}

int hg_log_covered(const struct hg_log *log, struct hg_segment_header *out)
{
    if (log->active.id == 0 || hg_pos_segment(log->last_frame) != log->active.id)
        return 0;
    *out = (struct hg_segment_header){ .kind = HG_KIND_BASE,
                                       .pred_id = log->active.id,
                                       .pred_last_len = log->prev_len,
                                       .pred_epoch = log->active.epoch,
                                       .pred_end = log->sealed_end,
                                       .pred_last_hash = log->prev_hash,
                                       .pred_number = log->last_number,
                                       .highest_number = log->highest_number };
    return 1;
}

int hg_log_base_header(struct hg_log *log, struct hg_segment_header *h)
{
    struct hg_segment_header id;
    int rc = hg_log_new_header(log, HG_KIND_BASE, 0, &id); /* its size is not known yet */

    if (rc < 0)
        return rc;
    h->kind = id.kind;
    h->id = id.id;
    h->epoch = id.epoch;
    memcpy(h->uuid, id.uuid, sizeof h->uuid);
    h->salt = id.salt;
    h->created_ns = id.created_ns;
    h->feat_incompat = HG_FEATURE_COLD | HG_FEATURE_BASE;
    return HOLOG_OK;
}

int hg_log_base_name(struct hg_log *log, uint32_t id)
{
    return name_segment(log, id, HG_KIND_BASE);
}

/* ---- the edit ------------------------------------------------------------------------------------*/

/* A log without some of its frames is understood by who knows bases. */
static uint64_t features_of(const struct hg_edit *edit)
{
    uint64_t features = HG_FEATURE_COLD;

    for (size_t i = 0; i < edit->n_added; i++)
        features |= edit->added[i].kind == HG_KIND_BASE ? HG_FEATURE_BASE : 0;
    for (size_t i = 0; i < edit->n_removed; i++) {
        unsigned kind = hg_segment_entry_kind(&edit->removed[i]);
        features |= kind == HG_KIND_BASE || kind == HG_KIND_FRAMES ? HG_FEATURE_BASE : 0;
    }
    return features;
}

/* There is room for those that came: that was seen to before anything was written. */
static void take_over(struct hg_log *log, const struct hg_edit *edit)
{
    hg_mutex_lock(log->io, &log->ext_lock);
    for (size_t i = 0; i < edit->n_removed; i++) {
        struct hg_segment_entry *e = hg_log_find_entry(log, edit->removed[i].segment);
        HG_ASSERT(e != NULL);
        e->kind |= HG_SEGMENT_REMOVED;
    }
    int rc = hg_buf_append(&log->segments, edit->added, edit->n_added * sizeof *edit->added);
    HG_ASSERT(rc == HOLOG_OK);
    hg_mutex_unlock(log->io, &log->ext_lock);
}

static int make_room(struct hg_log *log, const struct hg_edit *edit)
{
    int rc;

    hg_mutex_lock(log->io, &log->ext_lock);
    rc = hg_buf_reserve(&log->segments, edit->n_added * sizeof *edit->added);
    hg_mutex_unlock(log->io, &log->ext_lock);
    return rc;
}

int hg_log_edit(struct hg_log *log, const struct hg_edit *edit)
{
    struct hg_buf body = { 0 };
    struct hg_log_place place;
    struct hg_ticket ticket = { 0 };
    int rc = hg_body_begin(&body, 0, NULL, 0);

    if (rc == HOLOG_OK)
        rc = hg_rec_edit(&body, edit->added, edit->n_added, edit->removed, edit->n_removed, NULL);
    if (rc == HOLOG_OK)
        rc = hg_log_sync(log); /* E2 */
    if (rc == HOLOG_OK) {
        hg_log_lock(log);
        rc = hg_log_need(log, features_of(edit), HG_LOG_EDIT);
        if (rc == HOLOG_OK)
            rc = make_room(log, edit);
        if (rc == HOLOG_OK) /* it lets go of something: a full disk is no reason */
            rc = hg_log_append_system(log, &body, 1, HOLOG_SYNC_COMMIT, 0, HG_LOG_EDIT, &place,
                                      &ticket);
        if (rc == HOLOG_OK) {
            take_over(log, edit);
            rc = hg_log_wait(log, &ticket); /* E3; unlocks */
        } else {
            hg_log_unlock(log);
        }
    }
    hg_buf_release(&body);
    return rc;
}

int hg_log_add_removed(struct hg_log *log, const struct hg_segment_entry *entries, size_t n)
{
    int rc = HOLOG_OK;

    hg_mutex_lock(log->io, &log->ext_lock);
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_segment_entry e = entries[i];
        e.kind |= HG_SEGMENT_REMOVED;
        rc = hg_buf_append(&log->segments, &e, sizeof e);
    }
    hg_mutex_unlock(log->io, &log->ext_lock);
    return rc;
}
