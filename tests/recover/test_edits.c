/* What edits do to the list of segments: recover_edits.c. */
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;
static struct kit_verify v;

/* Segment 1: extents, of which commit 1 has a value; 2: frames, commits 1 and 2, and what `rest` puts there. All is
 * known durable. */
static void a_large_value(void (*rest)(void))
{
    kit_begin(&k);
    k.super.feat_incompat = HG_FEATURE_COLD;
    kit_extents(&k);
    kit_segment(&k, 0);
    (void)kit_commit_large(&k, 70000);
    kit_durable(&k);
    (void)kit_commit(&k, 10);
    kit_durable(&k);
    rest();
    kit_durable(&k);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
}

static void nothing(void)
{
}

static void remove_extents(void)
{
    (void)kit_edit(&k, 0, 1);
}

static void exchange(void)
{
    (void)kit_edit(&k, kit_cold(&k), 1);
}

static void exchange_and_roll(void)
{
    exchange();
    kit_durable(&k);
    kit_segment(&k, 0);
}

static void make_cold(void)
{
    (void)kit_cold(&k);
}

static void expect(const char *what, int rc, size_t left_over, uint32_t first)
{
    struct hg_sim *sim = kit_disk(&k);

    kit_verify(sim, &v);
    cr_assert_eq(v.rc, rc, "%s: verify says %d: %s", what, v.rc, v.error.message);
    kit_open(sim, &run);
    cr_assert_eq(run.rc, rc, "%s: %s", what, run.error.message);
    cr_assert_eq(run.n_left_over, left_over, "%s: %zu", what, run.n_left_over);
    cr_assert_eq(run.left_over, first, "%s", what);
    if (rc == HOLOG_OK)
        cr_assert_eq(run.r.last_number, 3u, "%s", what);
    kit_open(sim, &run); /* sealed now: footers tell it, too */
    cr_assert_eq(run.rc, rc, "%s, again: %s", what, run.error.message);
    cr_assert_eq(run.n_left_over, left_over, "%s, again", what);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(edits, a_segment_that_went_without_an_edit_is_damage)
{
    a_large_value(nothing);
    kit_drop_id(&k, 1);
    expect("no edit", HOLOG_E_CORRUPT, 0, 0);
}

Test(edits, a_record_may_name_bytes_in_a_segment_that_an_edit_has_removed)
{
    a_large_value(remove_extents);
    kit_drop_id(&k, 1);
    expect("removed", HOLOG_OK, 0, 0);
}

Test(edits, the_file_of_a_segment_that_was_removed_is_of_the_store_no_more)
{
    a_large_value(remove_extents);
    expect("not unlinked yet", HOLOG_OK, 1, 1);
}

Test(edits, the_output_of_a_compaction_without_its_edit_is_not_of_the_store)
{
    a_large_value(make_cold);
    expect("no edit", HOLOG_OK, 1, 3);
}

Test(edits, a_segment_that_came_by_an_edit_must_be_there)
{
    a_large_value(exchange);
    kit_drop_id(&k, 1);
    kit_drop_id(&k, 3);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    cr_assert_eq(run.rc, HOLOG_E_CORRUPT);
    cr_assert(strstr(run.error.message, "seg/00000003.hwp is missing") != NULL, "%s",
              run.error.message);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(edits, what_an_edit_has_done_holds_in_the_segments_after_it)
{
    a_large_value(exchange_and_roll);
    kit_drop_id(&k, 1);
    expect("rolled", HOLOG_OK, 0, 0);
}

Test(edits, an_edit_that_was_cut_has_done_nothing)
{
    a_large_value(nothing);
    kit_block(&k);
    struct kit_frame f = kit_edit(&k, kit_cold(&k), 1);
    kit_at(&k, &f)[70] ^= 1;
    expect("torn", HOLOG_OK, 1, 3);
}

Test(edits, a_repair_that_cuts_an_edit_away_says_again_what_it_has_done)
{
    static struct kit_repair repair;

    for (int with_file = 0; with_file < 2; with_file++) {
        kit_begin(&k);
        k.super.feat_incompat = HG_FEATURE_COLD;
        kit_extents(&k);
        kit_segment(&k, 0);
        (void)kit_commit_large(&k, 70000);
        kit_durable(&k);
        struct kit_frame bad = kit_commit(&k, 100);
        kit_durable(&k);
        exchange();
        kit_durable(&k);
        if (with_file)
            kit_segment(&k, 0);
        (void)kit_commit(&k, 10);
        kit_super(&k, 0, HG_SUPER_OPEN);
        kit_at(&k, &bad)[80] ^= 1;
        kit_drop_id(&k, 1);
        struct hg_sim *sim = kit_disk(&k);
        kit_open(sim, &run);
        cr_assert_eq(run.rc, HOLOG_E_CORRUPT);
        repair.mode = HOLOG_REPAIR_SALVAGE;
        cr_assert_eq(kit_repair(sim, &repair), HOLOG_E_NOTSUP);
        repair.mode = HOLOG_REPAIR_POINT_IN_TIME;
        cr_assert_eq(kit_repair(sim, &repair), HOLOG_OK, "%s", repair.error.message);
        cr_assert_eq(repair.report.kept_through_number, 1u);
        for (int again = 0; again < 2; again++) {
            kit_open(sim, &run);
            cr_assert_eq(run.rc, HOLOG_OK, "%s", run.error.message);
            cr_assert_eq(run.r.last_number, 1u);
            cr_assert_eq(run.n_left_over, 0u, "what was moved is where it was moved to");
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}
