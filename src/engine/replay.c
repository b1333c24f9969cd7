/*
 * The log back into the index: recovery and followers call these for every commit that stays.
 *
 * Recovery collects puts in a run (run.h), as long as nothing else comes between. A full run goes to
 * the index on a thread of its own while the next one is collected: reading and checking the log
 * takes about as long as changing the index. Until that thread has been joined, s->sequenced is its
 * own. Followers, and recovery of a log that a run found gaps in, apply each record as it comes.
 */
#include <string.h>

#include "base/error.h"
#include "engine/retention.h"
#include "engine/store_internal.h"

/* A writer that is followed makes segments that were not there when this handle was opened. */
static int tell_cache(holog_store *s, uint32_t segment, uint64_t end)
{
    int rc = HOLOG_OK;

    if (segment != s->followed_segment)
        rc = hg_cache_add_segment(s->cache, segment, HG_KIND_FRAMES,
                                  s->recovered.super.segment_size_max);
    if (rc < 0)
        return rc;
    s->followed_segment = segment;
    hg_cache_set_written(s->cache, segment, end);
    return HOLOG_OK;
}

/* The same of a record in an extent, with others of a long list. How far the segment is written nobody
 * says: nothing of it is kept in pages. */
static int tell_cache_of_list(holog_store *s, uint32_t segment)
{
    int rc = hg_cache_add_segment(s->cache, segment, HG_KIND_EXTENTS, HG_SEGMENT_MAX);

    if (rc == HOLOG_OK)
        s->followed_list = segment;
    return rc;
}

static int settle(holog_store *s);

/* Every so often, what the log says is not kept goes: a replay needs no more memory than a writer. */
static int forget(holog_store *s)
{
    int rc;

    hg_retention_unsaid(s);
    if (s->timeline.horizon <= s->sweep.horizon)
        return HOLOG_OK;
    rc = settle(s);
    return rc < 0 ? rc : hg_retention_replayed(s);
}

/* ---- following -----------------------------------------------------------------------------------*/

/* All that the last commit has ended is told. */
static void end_moment(holog_store *s)
{
    uint64_t total = s->sequenced.sums.ended_bytes;

    hg_timeline_ended(&s->timeline, s->last_number, total - s->followed_ended, total);
    s->followed_ended = total;
}

static void mark(holog_store *s)
{
    if (!s->followed.marked)
        hg_state_freeze(&s->sequenced, &s->followed.state);
    s->followed.marked = 1;
}

static void begin_frame(holog_store *s, hg_pos frame)
{
    hg_replay_followed(s, 0);
    s->followed = (struct hg_followed){ .frame = frame,
                                        .number = s->last_number,
                                        .time_ns = s->last_time_ns };
}

void hg_replay_followed(holog_store *s, int failed)
{
    struct hg_followed *f = &s->followed;

    if (failed && f->frame != 0 && hg_follow_at(s->follower) <= f->frame) {
        if (f->marked)
            hg_state_reset(&s->sequenced, &f->state);
        hg_timeline_cut(&s->timeline, f->number);
        s->last_number = f->number;
        s->last_time_ns = f->time_ns;
    }
    if (f->marked)
        hg_state_mark_release(&f->state);
    *f = (struct hg_followed){ 0 };
    end_moment(s);
}

static int on_frame(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                    uint64_t time_ns)
{
    holog_store *s = ctx;

    if (s->follower != NULL)
        begin_frame(s, hg_pos_make(segment, offset));
    if (f->type == HG_FRAME_COMMIT) {
        struct hg_moment m = { .number = f->number,
                               .time_ns = time_ns,
                               .frame = hg_pos_make(segment, offset),
                               .len = f->len };
        int rc = hg_timeline_reserve(&s->timeline);
        if (rc == HOLOG_OK && ++s->replayed % HG_UNSAID_MAX == 0)
            rc = forget(s);
        if (rc < 0)
            return rc;
        if (s->follower != NULL && f->nrec > 1)
            mark(s);
        hg_timeline_add(&s->timeline, &m);
        s->last_number = f->number;
        s->last_time_ns = time_ns;
    }
    return s->follower != NULL ? tell_cache(s, segment, (uint64_t)offset + f->len) : HOLOG_OK;
}

static void flush_away(void *arg)
{
    struct hg_replay_away *a = &((holog_store *)arg)->away;

    a->rc = hg_run_flush(&a->run, &((holog_store *)arg)->sequenced);
    if (a->rc < 0)
        hg_error_get(&a->error);
}

/* The run that went away is in the index. */
static int catch_up(holog_store *s)
{
    struct hg_replay_away *a = &s->away;
    int rc;

    if (a->thread == NULL)
        return HOLOG_OK;
    s->io->ops->thread_join(s->io, a->thread);
    a->thread = NULL;
    rc = a->rc;
    a->rc = HOLOG_OK;
    s->run.misfit |= a->run.misfit;
    if (rc < 0)
        hg_error_set(&a->error);
    return rc;
}

/* All that was collected is in the index. */
static int settle(holog_store *s)
{
    int rc = catch_up(s);

    return rc < 0 ? rc : hg_run_flush(&s->run, &s->sequenced);
}

/* The full run leaves; an empty one takes its place. */
static int send_away(holog_store *s)
{
    struct hg_run full;
    int rc = catch_up(s);

    if (rc < 0 || s->opts.no_background)
        return rc < 0 ? rc : hg_run_flush(&s->run, &s->sequenced);
    hg_run_sort(&s->run); /* here: the other thread has more to do */
    full = s->run;
    s->run = s->away.run;
    s->away.run = full;
    rc = s->io->ops->thread_start(s->io, "holog-replay", flush_away, s, &s->away.thread);
    if (rc < 0) { /* no thread is to be had: slower */
        rc = hg_run_flush(&s->away.run, &s->sequenced);
        s->run.misfit |= s->away.run.misfit;
    }
    return rc;
}

static int put(holog_store *s, const struct hg_key *k, const struct hg_locator *loc)
{
    int rc;

    if (s->run_bytes_max == 0)
        return loc->type == HG_ENTRY_DIR ? hg_apply_mkdir(&s->sequenced, k, loc)
                                         : hg_apply_put(&s->sequenced, k, loc);
    rc = hg_run_add(&s->run, k, loc);
    if (rc == HOLOG_OK && hg_run_bytes(&s->run) >= s->run_bytes_max)
        rc = send_away(s);
    return rc;
}

static int put_as(holog_store *s, const struct hg_key *k, struct hg_locator *loc, uint8_t type)
{
    loc->type = type;
    if (type == HG_ENTRY_DIR) {
        loc->size = s->last_number;
        loc->check = 0;
    }
    return put(s, k, loc);
}

static int apply(holog_store *s, const struct hg_record *r)
{
    struct hg_state *st = &s->sequenced;
    struct hg_key *a = &s->replay_keys[0];
    struct hg_key *b = &s->replay_keys[1];
    struct hg_locator loc = { .segment = r->segment,
                              .offset = r->offset,
                              .size = r->value_len,
                              .number = s->last_number,
                              .check = r->check };
    int rc;

    if (r->type == HG_REC_CONFIG)
        return hg_setting_put(s, r->path, r->path_len, (const char *)r->value,
                              (size_t)r->value_len);
    if (r->type == HG_REC_EDIT && s->follower != NULL)
        return hg_reader_edit(s, r);
    if (r->type == HG_REC_SEGMENTS || r->type == HG_REC_EDIT || r->ignorable)
        return HOLOG_OK;
    if (r->type == HG_REC_FOLD) {
        struct hg_fold_at fold = { .version = r->base, .fold = hg_pos_make(r->segment, r->offset) };
        return hg_ropes_set_fold(s->ropes, &fold);
    }
    if (r->type == HG_REC_TAG)
        s->sweep.horizon = 0; /* what the name has kept until now is to be looked for */
    if (r->type == HG_REC_TAG && r->number == 0) {
        hg_timeline_remove_tag(&s->timeline, r->path, r->path_len);
        return HOLOG_OK;
    }
    if (r->type == HG_REC_TAG)
        return hg_timeline_set_tag(&s->timeline, r->path, r->path_len, r->number, r->time_ns);
    if (r->type == HG_REC_RETENTION) {
        hg_timeline_say_horizon(&s->timeline, r->number);
        return HOLOG_OK;
    }
    hg_key_make(r->path, r->path_len, a);
    switch (r->type) {
    case HG_REC_DELTA:
        loc.size = r->version_size;
        loc.ends = hg_past_ends(r->kind == HG_DELTA_MOVE ? 0 : r->end - r->start);
        return put_as(s, a, &loc, HG_ENTRY_BLOB);
    case HG_REC_BLOB:
    case HG_REC_LARGE: return put_as(s, a, &loc, HG_ENTRY_BLOB);
    case HG_REC_SYMLINK: return put_as(s, a, &loc, HG_ENTRY_SYMLINK);
    case HG_REC_DIR: return put_as(s, a, &loc, HG_ENTRY_DIR);
    default: break;
    }
    rc = settle(s);
    if (rc < 0)
        return rc;
    switch (r->type) {
    case HG_REC_DELETE:
    case HG_REC_DELETE_TREE: return hg_apply_delete_tree(st, a, s->last_number);
    case HG_REC_ROLLBACK:
        if (r->number != 0 &&
            r->number < s->timeline.horizon && /* before all of them was nothing */
            !hg_timeline_has_tag(&s->timeline, r->number, r->number + 1))
            return hg_corrupt(r->segment, r->offset, "goes back to commit %llu, which is not kept",
                              (unsigned long long)r->number);
        __atomic_store_n(&s->rolled_back, 1, __ATOMIC_RELEASE);
        return hg_apply_rollback(st, a, r->number, s->last_number);
    case HG_REC_MOVE:
    case HG_REC_COPY:
        hg_key_make(r->to, r->to_len, b);
        return r->type == HG_REC_MOVE ? hg_apply_move(st, a, b, s->last_number)
                                      : hg_apply_copy(st, a, b, s->last_number);
    default:
        return hg_error(HOLOG_E_VERSION, "record type %u is not of this version" HG_USE_NEWER,
                        r->type);
    }
}

/* After a salvage commits are missing: what they made may be what this record stands on. */
static int make_parents(holog_store *s, const struct hg_record *r)
{
    const char *path = r->to != NULL ? r->to : r->path;
    size_t len = r->to != NULL ? r->to_len : r->path_len;
    struct hg_locator dir = { .segment = r->segment,
                              .offset = r->offset,
                              .type = HG_ENTRY_DIR,
                              .number = s->last_number,
                              .size = s->last_number };
    int rc = HOLOG_OK;

    for (size_t i = 1; i < len && rc == HOLOG_OK; i++) {
        if (path[i] != '/')
            continue;
        hg_key_make(path, i, &s->replay_keys[0]);
        rc = hg_apply_mkdir(&s->sequenced, &s->replay_keys[0], &dir);
    }
    return rc;
}

static int is_put(const struct hg_record *r)
{
    return r->type == HG_REC_BLOB || r->type == HG_REC_LARGE || r->type == HG_REC_DELTA ||
           r->type == HG_REC_SYMLINK || r->type == HG_REC_DIR;
}

static int is_about_missing(const struct hg_record *r)
{
    return r->type == HG_REC_DELETE || r->type == HG_REC_DELETE_TREE || r->type == HG_REC_MOVE ||
           r->type == HG_REC_COPY;
}

/* A commit passed its checks when it was made, so a whole log fits together. One that repair has
 * salvaged has gaps: a deletion of nothing is nothing, a missing directory is made. */
static int on_record(void *ctx, const struct hg_record *r)
{
    holog_store *s = ctx;
    int rc = HOLOG_OK;

    if (s->follower != NULL && r->segment != s->followed_segment && r->segment != s->followed_list)
        rc = tell_cache_of_list(s, r->segment);
    if (s->follower != NULL && (r->segment != s->followed_segment || !is_put(r)))
        mark(s);
    if (rc == HOLOG_OK)
        rc = apply(s, r);
    if (rc == HOLOG_E_NOENT && is_about_missing(r)) {
        struct hg_locator loc;
        hg_key_make(r->path, r->path_len, &s->replay_keys[0]);
        if (hg_state_get(&s->sequenced, s->replay_keys[0].bytes, s->replay_keys[0].len, &loc) ==
            HOLOG_E_NOENT)
            return HOLOG_OK;
    }
    if (rc == HOLOG_E_NOENT) {
        rc = make_parents(s, r);
        if (rc == HOLOG_OK)
            rc = apply(s, r);
    }
    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
        return hg_corrupt(r->segment, r->offset, "a record does not fit what came before it (%.*s)",
                          (int)r->path_len, r->path);
    return rc;
}

void hg_replay_into(holog_store *s, struct hg_replay *out)
{
    *out = (struct hg_replay){ .ctx = s, .frame = on_frame, .record = on_record };
}

int hg_replay_end(holog_store *s, int rc)
{
    struct holog_error_detail first;

    if (rc >= 0) {
        rc = settle(s);
        if (rc == HOLOG_OK)
            rc = hg_retention_replayed(s);
        if (rc == HOLOG_OK)
            rc = hg_retention_count_ended(s);
        s->followed_ended = s->sequenced.sums.ended_bytes;
        return rc;
    }
    hg_error_get(&first);
    (void)catch_up(s); /* rc came first */
    hg_error_set(&first);
    return rc;
}
