/* A reader process that follows a writer. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bases.h"

struct follow {
    struct kit_run run;
    uint32_t base; /* where the first recovery begins; 0: with the first frame */
    hg_pos first;  /* limit of the first recovery */
    hg_pos limit[16];
    int rc[16];
    uint64_t number[16]; /* newest after each refresh */
    size_t n;
    uint64_t last;
    uint64_t commits;
    char paths[2048];
};
static struct follow f;

static int see_frame(void *ctx, const struct hg_frame *h, uint32_t segment, uint32_t offset,
                     uint64_t time_ns)
{
    struct follow *w = ctx;
    (void)segment;
    (void)offset;
    (void)time_ns;
    if (h->type == HG_FRAME_COMMIT) {
        if (h->number != w->last + 1)
            return HOLOG_E_INVAL;
        w->last = h->number;
        w->commits++;
    }
    return 0;
}

static int see_record(void *ctx, const struct hg_record *r)
{
    struct follow *w = ctx;
    size_t len = strlen(w->paths);
    if (r->type == HG_REC_BLOB || r->type == HG_REC_LARGE)
        (void)snprintf(w->paths + len, sizeof w->paths - len, "%.*s;", (int)r->path_len, r->path);
    return 0;
}

static int follow_io(struct hg_io *io, void *ctx)
{
    struct follow *w = ctx;
    const struct hg_replay replay = { .ctx = w, .frame = see_frame, .record = see_record };
    struct hg_recover_options o = { .read_only = 1, .limit = w->first };
    struct hg_follower *fo = NULL;
    struct hg_recovered r;

    kit_from_base(&k, w->base, &o);
    int rc = hg_recover(io, &o, &replay, &r);
    if (rc < 0)
        return rc;
    rc = hg_follow_create(io, &r, &fo);
    hg_free(r.segments);
    hg_free(r.left_over);
    for (size_t i = 0; rc == 0 && i < w->n; i++) {
        w->rc[i] = hg_follow_refresh(fo, w->limit[i], &replay);
        w->number[i] = w->last;
    }
    hg_follow_destroy(fo);
    return rc;
}

Test(follow, every_durable_end_from_every_other)
{
    kit_sample(&k);
    struct hg_sim *sim = kit_disk(&k);
    for (size_t from = 0; from < k.n_frames; from++) {
        memset(&f, 0, sizeof f);
        f.first = kit_end_of(&k.frame[from]);
        for (size_t i = from; i < k.n_frames; i += 1 + from % 3)
            f.limit[f.n++] = kit_end_of(&k.frame[i]);
        cr_assert_eq(hg_sim_run(sim, follow_io, &f), HOLOG_OK, "from %zu", from);
        for (size_t i = 0, at = from; i < f.n; i++, at += 1 + from % 3) {
            cr_assert_eq(f.rc[i], HOLOG_OK, "from %zu to %zu", from, at);
            cr_assert_eq(f.number[i], k.frame[at].number);
        }
        cr_assert_eq(strncmp(f.paths, "p/1;l/2;b/3;p/4;l/5;b/6;p/7;l/8;b/9;", strlen(f.paths)), 0,
                     "%s", f.paths);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(follow, a_segment_without_frames_yet_can_be_the_end)
{
    kit_sample(&k);
    kit_seal(&k);
    kit_segment(&k, 1);
    struct hg_sim *sim = kit_disk(&k);
    memset(&f, 0, sizeof f);
    f.first = kit_end_of(&k.frame[3]);
    f.limit[0] = kit_end_of(&k.frame[k.n_frames - 1]);
    f.limit[1] = hg_pos_make(5, HG_SEGMENT_HEADER_SIZE);
    f.n = 2;
    cr_assert_eq(hg_sim_run(sim, follow_io, &f), HOLOG_OK);
    cr_assert_eq(f.rc[0], HOLOG_OK);
    cr_assert_eq(f.rc[1], HOLOG_OK);
    cr_assert_eq(f.number[1], 9);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(follow, a_log_that_went_back_is_stale)
{
    kit_sample(&k);
    struct hg_sim *sim = kit_disk(&k);
    memset(&f, 0, sizeof f);
    f.first = kit_end_of(&k.frame[7]);
    f.limit[0] = kit_end_of(&k.frame[6]);
    f.n = 1;
    cr_assert_eq(hg_sim_run(sim, follow_io, &f), HOLOG_OK);
    cr_assert_eq(f.rc[0], HOLOG_E_STALE);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(follow, damage_before_the_published_end_is_damage_and_nothing_behind_it_is_judged)
{
    kit_sample(&k);
    kit_at(&k, &k.frame[10])[70] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    memset(&f, 0, sizeof f);
    f.first = kit_end_of(&k.frame[5]);
    f.limit[0] = kit_end_of(&k.frame[9]);
    f.limit[1] = kit_end_of(&k.frame[10]);
    f.n = 2;
    cr_assert_eq(hg_sim_run(sim, follow_io, &f), HOLOG_OK);
    cr_assert_eq(f.rc[0], HOLOG_OK);
    cr_assert_eq(f.rc[1], HOLOG_E_CORRUPT);
    cr_assert_eq(f.number[1], k.frame[9].number);
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* From each durable end: what comes of bases and goes meanwhile is in the log like anything else. */
Test(follow, a_reader_goes_on_over_bases_and_what_they_remove)
{
    bases_build(OLDER_REMOVED);
    struct hg_sim *sim = kit_disk(&k);
    for (size_t from = 0; from < k.n_frames; from++) {
        memset(&f, 0, sizeof f);
        if (k.frame[from].segment != LAST)
            continue; /* LATER's end is what NEWER covers */
        f.base = NEWER;
        f.last = 6;
        f.first = kit_end_of(&k.frame[from]);
        for (size_t i = from; i < k.n_frames; i++)
            f.limit[f.n++] = kit_end_of(&k.frame[i]);
        cr_assert_eq(hg_sim_run(sim, follow_io, &f), HOLOG_OK, "from %zu", from);
        for (size_t i = 0; i < f.n; i++)
            cr_assert_eq(f.rc[i], HOLOG_OK, "from %zu: %d", from, f.rc[i]);
        cr_assert_eq(f.last, k.number);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* It has followed up to a segment behind which all has gone. */
Test(follow, a_reader_that_is_behind_a_base_must_open_again)
{
    bases_build(UNLINKED);
    struct hg_sim *sim = kit_disk(&k);
    memset(&f, 0, sizeof f);
    f.base = BASE;
    f.last = 5;
    f.first = kit_end_of(&k.frame[0]);
    cr_assert_eq(hg_sim_run(sim, follow_io, &f), HOLOG_E_CORRUPT, "the log is not there any more");
    for (size_t i = 0; i < k.n_frames; i++) {
        if (k.frame[i].segment != COVERED)
            continue;
        /* The base does not count yet, and what is before it is not whole. */
        f.first = kit_end_of(&k.frame[i]) - 8;
        cr_assert_lt(hg_sim_run(sim, follow_io, &f), 0);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}
