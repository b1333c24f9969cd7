/* The log's own part in versions: a segment that declares them, and frames that are no commit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kit.h"
#include "wal/log.h"

#define OK(x) cr_assert_eq((x), HOLOG_OK, "%s: %s", #x, holog_error_name(x))

static struct kit k;

enum mark {
    MARK_COMMIT = 1,
    MARK_TAG
};

/* One writer on the log, as the engine is one. */
struct writer {
    struct hg_sim *sim;
    struct hg_io *io;
    struct hg_files *files;
    struct hg_log *log;
    struct hg_recovered r;
    int fail_appended;
    int rc;
    int (*scenario)(struct writer *w);
};

static void *sealed(void *ctx)
{
    return ctx;
}

static void completed(void *ctx, void *token, int rc, int durable)
{
    (void)ctx, (void)token, (void)rc, (void)durable;
}

static int appended(void *ctx, uint32_t segment, uint32_t offset, const void *data, size_t len)
{
    const struct writer *w = ctx;
    (void)segment, (void)offset, (void)data, (void)len;
    return w->fail_appended ? hg_error(HOLOG_E_NOMEM, "no memory") : HOLOG_OK;
}

static int commit(struct writer *w, uint64_t *out_number)
{
    struct hg_buf body = { 0 };
    struct hg_log_place place;
    struct hg_ticket ticket;
    char path[32];

    hg_log_lock(w->log);
    uint64_t number = hg_log_next_number(w->log);
    int n = snprintf(path, sizeof path, "p/%llu", (unsigned long long)number);
    OK(hg_body_begin(&body, 1000 + number, NULL, 0));
    OK(hg_rec_blob(&body, path, (size_t)n, "x", 1, hg_hash64("x", 1), hg_csum("x", 1), NULL));
    struct hg_append a = { .type = HG_FRAME_COMMIT,
                           .body = body.data,
                           .body_len = body.len,
                           .body_hash = hg_hash64(body.data, body.len),
                           .nrec = 1,
                           .number = number };
    a.sync = HOLOG_SYNC_COMMIT;
    int rc = hg_log_reserve(w->log, body.len, 0, &place);
    if (rc == HOLOG_OK)
        rc = hg_log_append(w->log, &a, &ticket);
    hg_buf_release(&body);
    if (rc < 0) {
        hg_log_unlock(w->log);
        return rc;
    }
    rc = hg_log_wait(w->log, &ticket);
    if (rc == HOLOG_OK)
        hg_sim_mark(w->sim, MARK_COMMIT, number);
    if (out_number != NULL)
        *out_number = number;
    return rc;
}

static int tag(struct writer *w, const char *name, uint64_t number)
{
    struct hg_buf body = { 0 };
    struct hg_log_place place;
    struct hg_ticket ticket;

    OK(hg_body_begin(&body, 0, NULL, 0));
    OK(hg_rec_tag(&body, number, 1, name, strlen(name), NULL));
    hg_log_lock(w->log);
    int rc = hg_log_need(w->log, HG_FEATURE_VERSIONS, 0);
    if (rc == HOLOG_OK)
        rc = hg_log_append_system(w->log, &body, 1, HOLOG_SYNC_COMMIT, 0, 0, &place, &ticket);
    hg_buf_release(&body);
    if (rc < 0) {
        hg_log_unlock(w->log);
        return rc;
    }
    rc = hg_log_wait(w->log, &ticket);
    if (rc == HOLOG_OK)
        hg_sim_mark(w->sim, MARK_TAG, number);
    return rc;
}

static int run_writer(struct hg_io *io, void *ctx)
{
    struct writer *w = ctx;
    const struct hg_recover_options o = { 0 };
    const struct hg_log_options opts = {
        .groups_in_flight = 1,
        .hooks = { .ctx = w, .appended = appended, .sealed = sealed, .completed = completed }
    };

    w->io = io;
    w->rc = hg_recover(io, &o, NULL, &w->r);
    if (w->rc == HOLOG_OK && !w->r.clean)
        w->rc = hg_recover_seal(io, &w->r);
    if (w->rc == HOLOG_OK)
        w->rc = hg_files_create(io, 0, &w->files);
    if (w->rc == HOLOG_OK)
        w->rc = hg_log_open(io, w->files, NULL, &w->r, &opts, &w->log);
    if (w->rc == HOLOG_OK)
        w->rc = w->scenario(w);
    if (w->rc == HOLOG_OK)
        w->rc = hg_log_shutdown(w->log);
    hg_log_destroy(w->log);
    hg_files_destroy(w->files);
    hg_free(w->r.segments);
    w->log = NULL;
    w->files = NULL;
    return w->rc;
}

/* A store of one segment that declares nothing, closed cleanly behind commit 2. */
static struct hg_sim *plain_store(const struct hg_sim_options *o)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 20);
    (void)kit_commit(&k, 20);
    kit_durable(&k);
    kit_super_clean(&k);
    struct hg_sim *sim = kit_disk_with(&k, o);
    kit_end(&k);
    return sim;
}

static int write_on(struct hg_sim *sim, struct writer *w, int (*scenario)(struct writer *w))
{
    w->sim = sim;
    w->scenario = scenario;
    return hg_sim_run(sim, run_writer, w);
}

/* What a file says it must be understood for; the place is that of SUPER or of a segment header. */
static uint64_t features_of(struct hg_sim *sim, const char *name, size_t at)
{
    uint64_t size = 0;
    const uint8_t *data = hg_sim_file_data(sim, name, &size);
    cr_assert_not_null(data, "%s", name);
    return hg_get_le64(data + at);
}

static uint64_t features_of_super(struct hg_sim *sim)
{
    uint64_t size = 0;
    struct hg_super s;
    const uint8_t *data = hg_sim_file_data(sim, HG_SUPER_NAME, &size);
    const uint8_t *other = data + HG_SUPER_SLOT_SIZE;
    int second = hg_get_le64(other + 16) > hg_get_le64(data + 16);
    OK(hg_super_decode(second ? other : data, &s));
    return s.feat_incompat;
}

/* ---- a feature --------------------------------------------------------------------------------- */

static int need_twice(struct writer *w)
{
    struct hg_log_state before, first, second;
    int rc = commit(w, NULL);

    hg_log_lock(w->log);
    hg_log_state(w->log, &before);
    if (rc == HOLOG_OK)
        rc = hg_log_need(w->log, HG_FEATURE_VERSIONS, 0);
    hg_log_state(w->log, &first);
    if (rc == HOLOG_OK)
        rc = hg_log_need(w->log, HG_FEATURE_VERSIONS, 0);
    hg_log_state(w->log, &second);
    hg_log_unlock(w->log);
    cr_assert_eq(before.active_segment, 1);
    cr_assert_eq(first.active_segment, 2);
    cr_assert_eq(second.active_segment, 2, "it is declared already");
    return rc == HOLOG_OK ? commit(w, NULL) : rc;
}

static int fill_segments(struct writer *w)
{
    struct hg_log_state s = { 0 };
    int rc = HOLOG_OK;

    while (s.active_segment < 3 && rc == HOLOG_OK) {
        rc = commit(w, NULL);
        hg_log_lock(w->log);
        hg_log_state(w->log, &s);
        hg_log_unlock(w->log);
    }
    return rc;
}

Test(log, what_a_frame_needs_is_declared_by_a_new_segment_and_by_super_from_then_on)
{
    struct hg_sim_options o = { .seed = 1 };
    struct hg_sim *sim = plain_store(&o);
    struct writer w = { 0 };

    OK(write_on(sim, &w, need_twice));
    cr_assert_eq(features_of(sim, "seg/00000001.hlog", 72), 0);
    cr_assert_eq(features_of(sim, "seg/00000002.hlog", 72), HG_FEATURE_VERSIONS);
    cr_assert_eq(features_of_super(sim), HG_FEATURE_VERSIONS);
    OK(write_on(sim, &w, fill_segments)); /* opened again, and rolled for want of room */
    cr_assert_eq(features_of(sim, "seg/00000003.hlog", 72), HG_FEATURE_VERSIONS);
    cr_assert_eq(features_of_super(sim), HG_FEATURE_VERSIONS);
    hg_sim_destroy(sim);
}

static int need_on_a_full_disk(struct writer *w)
{
    struct hg_log_state s;

    hg_log_lock(w->log);
    cr_assert_eq(hg_log_need(w->log, HG_FEATURE_VERSIONS, 0), HOLOG_E_NOSPC);
    hg_log_state(w->log, &s);
    hg_log_unlock(w->log);
    cr_assert_eq(s.active_segment, 1);
    return commit(w, NULL); /* it needs no feature: it goes on where it was */
}

Test(log, a_feature_there_is_no_room_to_declare_fails_whoever_needs_it_and_nobody_else)
{
    struct hg_sim_options o = { .seed = 1 };
    struct hg_sim *sim = plain_store(&o);
    struct writer w = { 0 };

    o = (struct hg_sim_options){ .seed = 1,
                                 .fault_classes = HG_SIM_F_FALLOCATE,
                                 .fault_at = 2, /* the open takes space first */
                                 .fault_sticky = 1,
                                 .fault_kind = HG_SIM_FAULT_ERRNO,
                                 .fault_errno = ENOSPC };
    hg_sim_set_options(sim, &o);
    OK(write_on(sim, &w, need_on_a_full_disk));
    cr_assert_eq(features_of(sim, "seg/00000001.hlog", 72), 0);
    cr_assert_eq(features_of_super(sim), 0);
    hg_sim_destroy(sim);
}

/* ---- system frames ------------------------------------------------------------------------------- */

static int tag_between_commits(struct writer *w)
{
    uint64_t number = 0;
    int rc = commit(w, &number);

    if (rc == HOLOG_OK)
        rc = tag(w, "first", number);
    if (rc == HOLOG_OK)
        rc = commit(w, NULL);
    return rc == HOLOG_OK ? tag(w, "second", number + 1) : rc;
}

/* Each system frame repeats number and time of the commit before it. */
struct seen {
    uint64_t number, time_ns;
    int tags;
};

static int see_frame(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                     uint64_t time_ns)
{
    struct seen *s = ctx;
    (void)segment, (void)offset;
    if (f->type == HG_FRAME_SYSTEM)
        cr_assert(f->number == s->number && time_ns == s->time_ns, "number %llu, time %llu",
                  (unsigned long long)f->number, (unsigned long long)time_ns);
    s->number = f->number;
    s->time_ns = time_ns;
    return 0;
}

static int see_record(void *ctx, const struct hg_record *r)
{
    struct seen *s = ctx;
    s->tags += r->type == HG_REC_TAG;
    return 0;
}

static int look(struct hg_io *io, void *ctx)
{
    const struct hg_recover_options o = { .read_only = 1 };
    const struct hg_replay replay = { ctx, see_frame, see_record };
    struct hg_recovered r;
    int rc = hg_recover(io, &o, &replay, &r);
    if (rc == HOLOG_OK)
        hg_free(r.segments);
    return rc;
}

Test(log, a_system_frame_repeats_number_and_time_and_is_found_again)
{
    struct hg_sim_options o = { .seed = 1 };
    struct hg_sim *sim = plain_store(&o);
    struct seen seen = { .number = 0, .time_ns = 1000 };
    struct writer w = { 0 };

    OK(write_on(sim, &w, tag_between_commits));
    OK(hg_sim_run(sim, look, &seen));
    cr_assert_eq(seen.number, 4u);
    cr_assert_eq(seen.tags, 2);
    hg_sim_destroy(sim);
}

/* Member by member: there is padding between them. */
static int is_same(const struct hg_log_state *a, const struct hg_log_state *b)
{
    return a->active_segment == b->active_segment && a->end == b->end &&
           a->last_frame == b->last_frame && a->last_hash == b->last_hash &&
           a->last_len == b->last_len && a->log_bytes == b->log_bytes &&
           a->extent_bytes == b->extent_bytes && a->n_segments == b->n_segments;
}

static int fail_a_tag(struct writer *w)
{
    struct hg_log_state before, after;
    int rc = tag(w, "first", 2);

    cr_assert_eq(rc, HOLOG_OK);
    hg_log_lock(w->log);
    hg_log_state(w->log, &before);
    uint64_t inflight = hg_log_inflight_bytes(w->log);
    hg_log_unlock(w->log);
    w->fail_appended = 1;
    cr_assert_eq(tag(w, "never", 2), HOLOG_E_NOMEM);
    w->fail_appended = 0;
    hg_log_lock(w->log);
    hg_log_state(w->log, &after);
    cr_assert_eq(hg_log_inflight_bytes(w->log), inflight);
    cr_assert_eq(hg_log_next_number(w->log), 3u);
    hg_log_unlock(w->log);
    cr_assert(is_same(&before, &after));
    rc = commit(w, NULL);
    return rc == HOLOG_OK ? tag(w, "second", 3) : rc;
}

Test(log, a_system_frame_that_failed_was_never_there)
{
    struct hg_sim_options o = { .seed = 1 };
    struct hg_sim *sim = plain_store(&o);
    struct seen seen = { .number = 0, .time_ns = 1000 };
    struct writer w = { 0 };

    OK(write_on(sim, &w, fail_a_tag));
    OK(hg_sim_run(sim, look, &seen));
    cr_assert_eq(seen.number, 3u);
    cr_assert_eq(seen.tags, 2);
    hg_sim_destroy(sim);
}

static int take_a_commit_back(struct writer *w)
{
    struct hg_buf body = { 0 };
    struct hg_log_place place;
    struct hg_ticket ticket;

    hg_log_lock(w->log);
    OK(hg_body_begin(&body, 5000, NULL, 0)); /* later than all others */
    OK(hg_rec_dir(&body, "d", 1, NULL));
    struct hg_append a = { .type = HG_FRAME_COMMIT,
                           .body = body.data,
                           .body_len = body.len,
                           .body_hash = hg_hash64(body.data, body.len),
                           .nrec = 1,
                           .number = hg_log_next_number(w->log) };
    OK(hg_log_reserve(w->log, body.len, 0, &place));
    OK(hg_log_append(w->log, &a, &ticket));
    hg_log_unappend(w->log);
    hg_log_unlock(w->log);
    hg_buf_release(&body);
    return tag(w, "first", 2);
}

Test(log, a_commit_taken_back_leaves_no_time_behind)
{
    struct hg_sim_options o = { .seed = 1 };
    struct hg_sim *sim = plain_store(&o);
    struct seen seen = { .number = 0, .time_ns = 1000 };
    struct writer w = { 0 };

    OK(write_on(sim, &w, take_a_commit_back));
    OK(hg_sim_run(sim, look, &seen));
    cr_assert_eq(seen.tags, 1);
    hg_sim_destroy(sim);
}

/* ---- power cuts --------------------------------------------------------------------------------- */

/* Opens for writing what a cut has left, looks, and goes on. */
static void expect_recovered(struct hg_sim *after, uint64_t commits, int tags, uint64_t step)
{
    struct seen seen = { .number = 0, .time_ns = 1000 };
    struct writer w = { 0 };

    int rc = hg_sim_run(after, look, &seen);
    cr_assert_eq(rc, HOLOG_OK, "step %llu: %s", (unsigned long long)step, holog_error_name(rc));
    cr_assert_geq(seen.number, commits, "step %llu", (unsigned long long)step);
    cr_assert_geq(seen.tags, tags, "step %llu: a tag is lost", (unsigned long long)step);
    OK(write_on(after, &w, tag_between_commits));
    seen = (struct seen){ .number = 0, .time_ns = 1000 };
    OK(hg_sim_run(after, look, &seen));
    cr_assert_geq(seen.tags, tags + 2, "step %llu", (unsigned long long)step);
    cr_assert_eq(features_of_super(after), HG_FEATURE_VERSIONS);
}

Test(log, a_power_cut_anywhere_in_the_first_use_of_a_feature_loses_nothing_acknowledged)
{
    for (int dirs = 0; dirs < 2; dirs++) {
        struct hg_sim_options o = { .seed = 1, .dirs = (enum hg_sim_dirs)dirs };
        struct hg_sim *sim = plain_store(&o);
        struct writer w = { 0 };
        hg_sim_set_options(sim, &o);
        OK(write_on(sim, &w, tag_between_commits));
        for (uint64_t step = 0; step <= hg_sim_steps(sim); step++) {
            for (int strategy = 0; strategy < HG_SIM_CRASH_STRATEGIES; strategy++) {
                struct hg_sim *after = NULL;
                uint64_t commits = hg_sim_marked_max(sim, MARK_COMMIT, step, 2);
                uint64_t tagged = hg_sim_marked_max(sim, MARK_TAG, step, 2);
                OK(hg_sim_crash(sim, step, (enum hg_sim_strategy)strategy, step, &after));
                expect_recovered(after, commits, (int)(tagged - 2), step);
                hg_sim_destroy(after);
            }
        }
        hg_sim_destroy(sim);
    }
}
