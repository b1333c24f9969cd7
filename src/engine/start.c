/*
 * Where an open begins: the index from the checkpoint that covers most, of chk/ or of a base, and the log replayed
 * from there.
 *
 * A checkpoint in chk/ is a cache: one that is damaged, or of another log, is passed over. So is a base, while the log
 * is there from its first frame; when it is not, what lies below the base is only known by it: then damage in it is the
 * store's. A checkpoint that covers less than the base is not looked at.
 */
#include "engine/start.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "engine/base.h"
#include "engine/checkpoint.h"
#include "engine/delta.h"
#include "engine/retention.h"

/* ---- into an empty store -------------------------------------------------------------------------*/

static int take_settings(holog_store *s, const struct hg_buf *b)
{
    size_t at = 0;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && at < b->len) {
        uint64_t klen;
        uint64_t vlen;
        const char *key;
        size_t n = hg_get_varint(b->data + at, b->len - at, &klen);
        if (n == 0 || klen > b->len - at - n)
            return hg_corrupt_file("chk", at, "a setting is cut short");
        at += n;
        key = (const char *)b->data + at;
        at += (size_t)klen;
        n = hg_get_varint(b->data + at, b->len - at, &vlen);
        if (n == 0 || vlen > b->len - at - n)
            return hg_corrupt_file("chk", at, "a setting is cut short");
        at += n;
        rc = hg_setting_put(s, key, (size_t)klen, (const char *)b->data + at, (size_t)vlen);
        at += (size_t)vlen;
    }
    return rc;
}

static int forget_checkpoint(holog_store *s, struct hg_recover_options *ro)
{
    ro->from = 0;
    ro->from_hash = 0;
    ro->from_len = 0;
    ro->known = NULL;
    ro->n_known = 0;
    hg_buf_release(&s->known_segments);
    s->known_segments = (struct hg_buf){ 0 };
    s->keeper.covers = 0;
    s->report.used_checkpoint = 0;
    s->sequenced.sums = (struct hg_sums){ 0 };
    s->last_number = 0;
    s->last_time_ns = 0;
    hg_ropes_forget_folds(s->ropes);
    hg_settings_release(s);
    hg_retention_take_settings(s);
    hg_timeline_release(&s->timeline);
    s->sweep.horizon = 0;
    s->sweep.under_way = 0;
    int rc = hg_index_remove_prefix(s->sequenced.index, NULL, 0, NULL);
    return rc < 0 ? rc : hg_index_remove_prefix(s->sequenced.past, NULL, 0, NULL);
}

/* Its pages are sound; are what they hold keys of a past? */
static int check_past(holog_store *s, uint64_t last)
{
    struct hg_root *root = hg_index_freeze(s->sequenced.past);
    int rc = hg_past_check(root, last);

    hg_root_put(root);
    return rc;
}

static int take_folds(holog_store *s, const struct hg_buf *b)
{
    const struct hg_fold_at *f = (const struct hg_fold_at *)(const void *)b->data;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < b->len / sizeof *f && rc == HOLOG_OK; i++)
        rc = hg_ropes_set_fold(s->ropes, &f[i]);
    return rc;
}

static void take_sums(holog_store *s, const struct hg_checkpoint *c)
{
    s->sequenced.sums = (struct hg_sums){ .entries = c->keys,
                                          .directories = c->directories,
                                          .live_key_bytes = c->live_key_bytes,
                                          .live_value_bytes = c->live_value_bytes,
                                          .root_number = c->root_number,
                                          .past_bytes = c->past_bytes };
    s->last_number = c->number;
    s->last_time_ns = c->time_ns;
}

/* Its pages are in the indexes: everything else of it, and the point to replay from. */
static int take(holog_store *s, struct hg_checkpoint *c, struct hg_recover_options *ro)
{
    int rc = check_past(s, c->number);

    if (rc < 0)
        return rc;
    take_sums(s, c);
    s->timeline.moments = c->moments;
    s->timeline.tags = c->tags;
    c->moments = c->tags = (struct hg_buf){ 0 };
    if (c->horizon != 0)
        hg_timeline_say_horizon(&s->timeline, c->horizon);
    else
        hg_retention_unsaid_before(s);
    rc = hg_timeline_index_tags(&s->timeline);
    if (rc == HOLOG_OK)
        rc = take_folds(s, &c->folds);
    if (rc == HOLOG_OK)
        rc = take_settings(s, &c->settings);
    s->known_segments = c->segments;
    c->segments = (struct hg_buf){ 0 };
    ro->known = (const struct hg_segment_entry *)(const void *)s->known_segments.data;
    ro->n_known = s->known_segments.len / sizeof *ro->known;
    ro->from = c->covered;
    ro->from_hash = c->last_hash;
    ro->from_len = (uint32_t)c->last_len;
    s->keeper.covers = c->covered;
    s->report.used_checkpoint = 1;
    return rc;
}

/* ---- which one -----------------------------------------------------------------------------------*/

struct start {
    const struct hg_super *super;
    uint64_t number_max; /* of files in chk/ */
    int no_files;        /* none of those will do */
    /* the one that was taken */
    uint32_t base; /* id of the base; 0: a file of chk/, or none */
    uint64_t number;
    /* what is wrong with the newest base; rc 0: nothing */
    int base_rc;
    struct holog_error_detail why;
};

static void pass_over_file(struct start *st, uint64_t number)
{
    if (number == 0)
        st->no_files = 1;
    else
        st->number_max = number - 1;
}

/* Unless there is a newer one by now: a writer may have made it since. */
static int pass_over_base(holog_store *s, struct start *st, uint32_t id,
                          struct hg_recover_options *ro)
{
    struct hg_segment_header newest = { 0 };
    int rc = hg_base_find(s->io, st->super, ro->base_below, ro->limit, &newest);

    if (rc < 0)
        return rc;
    if (newest.id <= id)
        ro->base_below = id;
    else
        st->base_rc = HOLOG_OK;
    return HOLOG_OK;
}

/* Not its own fault: what else could be taken would meet it too. */
static int is_ours(int rc)
{
    return rc == HOLOG_E_NOMEM || rc == HOLOG_E_BUDGET || rc == HOLOG_E_INVAL;
}

static int damaged_base(holog_store *s, struct start *st, uint32_t id, int rc,
                        struct hg_recover_options *ro)
{
    if (st->base_rc == HOLOG_OK) {
        st->base_rc = rc;
        hg_error_get(&st->why);
    }
    return pass_over_base(s, st, id, ro);
}

/* What it holds is whole, but makes no sense, as the error says. */
static int corrupt_base(uint32_t id)
{
    struct holog_error_detail why;
    char name[HG_FILE_NAME_MAX];

    hg_error_get(&why);
    hg_segment_name(name, id, HG_KIND_BASE);
    return hg_corrupt_file(name, HG_SEGMENT_HEADER_SIZE, "%.400s", why.message);
}

/* Pages and all of the one that covers most. HOLOG_E_NOENT: there is none. */
static int load_one(holog_store *s, struct start *st, struct hg_recover_options *ro)
{
    struct hg_checkpoint_bounds bounds = { .uuid = st->super->uuid, .max_number = st->number_max };
    struct hg_segment_header base = { 0 };
    struct hg_checkpoint c = { 0 };
    int rc = hg_base_find(s->io, st->super, ro->base_below, ro->limit, &base);

    st->base = 0;
    if (rc < 0)
        return rc;
    bounds.covered_min = base.id != 0 ? hg_base_covers(&base) : 0;
    rc = HOLOG_E_NOENT;
    if (!st->no_files)
        rc = hg_checkpoint_load(s->io, &bounds, s->sequenced.index, s->sequenced.past, &c, NULL);
    if (rc == HOLOG_E_NOENT && base.id != 0) {
        st->base = base.id;
        rc = hg_base_load(s->io, &base, s->sequenced.index, s->sequenced.past, &c);
        if (rc == HOLOG_E_NOENT)
            rc = hg_error(HOLOG_E_STALE, "base %08x has gone meanwhile", (unsigned)base.id);
    }
    if (rc == HOLOG_OK) {
        rc = take(s, &c, ro);
        if (rc == HOLOG_E_CORRUPT && st->base != 0)
            rc = corrupt_base(base.id);
    }
    st->number = c.number;
    hg_checkpoint_release(&c);
    return rc;
}

/* O2: leaves s->sequenced and the point to replay from; an empty index when nothing will do. */
static int load(holog_store *s, struct start *st, struct hg_recover_options *ro)
{
    for (;;) {
        int rc = load_one(s, st, ro);
        if (rc == HOLOG_E_NOENT)
            return HOLOG_OK;
        if (rc == HOLOG_OK || is_ours(rc))
            return rc;
        if (st->base != 0) {
            rc = damaged_base(s, st, st->base, rc, ro);
        } else if (rc == HOLOG_E_CORRUPT) {
            pass_over_file(st, st->number);
            rc = HOLOG_OK;
        }
        if (rc == HOLOG_OK)
            rc = forget_checkpoint(s, ro);
        if (rc < 0)
            return rc;
    }
}

/* ---- the log -------------------------------------------------------------------------------------*/

#define RUN_BYTES_MAX ((size_t)32 << 20) /* some 250,000 puts: ten for each leaf of 1 M paths */

/* Nothing else of the budget is in use yet but the index; there are two runs, of up to twice that. */
static size_t run_bytes_max(const holog_store *s)
{
    return (size_t)HG_MIN((uint64_t)RUN_BYTES_MAX, s->opts.budget_bytes / 32);
}

static int recover_log(holog_store *s, const struct hg_recover_options *ro)
{
    struct hg_replay replay;
    int recovered;
    int rc;

    hg_replay_into(s, &replay);
    recovered = hg_recover(s->io, ro, &replay, &s->recovered);
    rc = hg_replay_end(s, recovered);
    if (rc < 0 && recovered >= 0) {
        hg_recovered_release(&s->recovered);
    }
    return rc;
}

/* One that a writer has made since nothing was found to begin with. */
static int is_there_a_base(holog_store *s, const struct start *st,
                           const struct hg_recover_options *ro, int *out_there)
{
    struct hg_segment_header base = { 0 };
    int rc = st->super == NULL ? HOLOG_OK
                               : hg_base_find(s->io, st->super, ro->base_below, ro->limit, &base);

    *out_there = base.id != 0;
    return rc;
}

/* The log has not what was loaded, or puts came in an order that runs cannot have. *out_again: there is something else
 * to try. */
static int try_again(holog_store *s, struct start *st, struct hg_recover_options *ro,
                     int *out_again)
{
    int rc = HOLOG_OK;

    *out_again = 1;
    if (s->run.misfit)
        s->run_bytes_max = 0;
    else if (ro->from == 0)
        rc = is_there_a_base(s, st, ro, out_again);
    else if (st->base != 0)
        rc = pass_over_base(s, st, st->base, ro);
    else
        pass_over_file(st, st->number);
    hg_run_release(&s->run);
    hg_run_release(&s->away.run);
    return rc;
}

static int load_and_replay(holog_store *s, struct start *st, struct hg_recover_options *ro)
{
    int again;
    int rc;

    for (;;) {
        rc = st->super != NULL ? load(s, st, ro) : HOLOG_OK;
        if (rc == HOLOG_OK)
            rc = recover_log(s, ro);
        if (rc != HOLOG_E_STALE)
            return rc;
        rc = try_again(s, st, ro, &again);
        if (rc == HOLOG_OK && !again)
            return HOLOG_E_STALE;
        if (rc == HOLOG_OK)
            rc = forget_checkpoint(s, ro);
        if (rc < 0)
            return rc;
    }
}

int hg_start(holog_store *s, const struct hg_super *super, uint64_t number_max,
             struct hg_recover_options *ro)
{
    struct start st = { .super = super, .number_max = number_max };
    int rc;

    s->run_bytes_max = run_bytes_max(s);
    rc = load_and_replay(s, &st, ro);
    hg_run_release(&s->run);
    hg_run_release(&s->away.run);
    s->run_bytes_max = 0;
    if (rc == HOLOG_OK)
        hg_base_opened(s, st.base);
    if ((rc == HOLOG_E_CORRUPT || rc == HOLOG_E_STALE) && st.base_rc < 0) {
        hg_error_set(&st.why); /* without it the log has no beginning */
        rc = st.base_rc;
    }
    return rc;
}
