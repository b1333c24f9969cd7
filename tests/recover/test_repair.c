/* Repair makes a damaged store open, loses no more than it says, and keeps the evidence. */
#include <stdio.h>
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;
static struct kit_repair rep;
static struct kit_verify v;

static const char everything[] = "p/1;l/2;b/3;p/4;l/5;b/6;p/7;l/8;b/9;";

static void repair(struct hg_sim *sim, enum holog_repair_mode mode, int dry_run)
{
    memset(&rep, 0, sizeof rep);
    rep.mode = mode;
    rep.dry_run = dry_run;
    kit_repair(sim, &rep);
}

static void expect_paths(struct hg_sim *sim, const char *paths, const char *when)
{
    kit_open(sim, &run);
    cr_assert_eq(run.rc, HOLOG_OK, "%s: %s", when, run.error.message);
    cr_assert_str_eq(run.paths, paths, "%s: %s", when, run.paths);
    memset(&v, 0, sizeof v);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK, "%s: %s %s", when, v.found[0].file, v.found[0].message);
}

static void damage_commit(size_t frame)
{
    kit_sample(&k);
    kit_super_clean(&k);
    kit_at(&k, &k.frame[frame])[80] ^= 1;
}

/* Frames of the sample: 0, 4 and 8 are system frames; commit n is n + (n - 1) / 3. */

Test(repair, a_sound_store_is_left_alone)
{
    kit_sample(&k);
    kit_super_clean(&k);
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    for (int mode = 1; mode <= 2; mode++) {
        repair(sim, (enum holog_repair_mode)mode, 0);
        cr_assert_eq(rep.rc, HOLOG_OK);
        cr_assert_eq(rep.report.changed, 0);
        cr_assert_eq(rep.report.kept_through_number, 9);
    }
    cr_assert_eq(kit_fingerprint(sim), before);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, point_in_time_keeps_what_is_before_the_damage)
{
    damage_commit(6); /* commit 5, in a sealed segment */
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 1);
    cr_assert_eq(rep.rc, HOLOG_OK);
    cr_assert_eq(rep.report.changed, 1);
    cr_assert_eq(kit_fingerprint(sim), before, "a dry run changes nothing");
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    cr_assert_eq(rep.report.kept_through_number, 4);
    cr_assert_eq(rep.report.lost_first_number, 5);
    cr_assert_eq(rep.report.lost_last_number, 9);
    cr_assert_gt(rep.report.quarantined_bytes, 0);
    cr_assert_eq(rep.report.entries_lost, 3, "%llu", /* b/ paths lie in extents: not looked at */
                 (unsigned long long)rep.report.entries_lost);
    expect_paths(sim, "p/1;l/2;b/3;p/4;", "point in time");
    cr_assert_eq(run.r.highest_number, 9);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.report.changed, 0, "repair is idempotent");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, point_in_time_ends_before_a_bad_extent)
{
    kit_sample(&k);
    kit_super_clean(&k);
    k.file[0].bytes.data[HG_BLOCK + 69000] ^= 1; /* of commit 2 */
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    cr_assert_eq(rep.report.kept_through_number, 1);
    expect_paths(sim, "p/1;", "bad extent");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, point_in_time_of_a_missing_segment_keeps_those_before)
{
    kit_sample(&k);
    kit_super_clean(&k);
    kit_drop(&k, 2);
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    expect_paths(sim, "p/1;l/2;b/3;", "missing segment");
    cr_assert_eq(run.r.highest_number, 9);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, point_in_time_of_a_lost_first_segment_leaves_an_empty_store)
{
    kit_sample(&k);
    kit_super_clean(&k);
    k.file[1].bytes.data[17] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    expect_paths(sim, "", "nothing kept");
    cr_assert_eq(run.r.last_segment, 0);
    cr_assert_eq(run.r.next_segment, 5);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, a_lost_super_is_rebuilt_from_the_segments)
{
    for (int mode = 1; mode <= 2; mode++) {
        kit_sample(&k);
        k.no_super = 1;
        struct hg_sim *sim = kit_disk(&k);
        repair(sim, (enum holog_repair_mode)mode, 0);
        cr_assert_eq(rep.rc, HOLOG_OK);
        cr_assert_eq(rep.report.changed, 1);
        cr_assert_eq(rep.report.entries_lost, 0);
        expect_paths(sim, everything, "lost SUPER");
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

Test(repair, a_directory_that_is_no_store_stays_one)
{
    kit_begin(&k);
    k.no_super = 1;
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.rc, HOLOG_E_NOTSTORE);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, salvage_keeps_every_commit_that_verifies)
{
    damage_commit(6); /* commit 5 */
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_SALVAGE, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    cr_assert_eq(rep.report.kept_through_number, 9);
    cr_assert_eq(rep.report.lost_first_number, 5);
    cr_assert_eq(rep.report.lost_last_number, 5);
    cr_assert_eq(rep.report.entries_lost, 1);
    cr_assert_str_eq(rep.found[0].path, "l/5", "the footer still knows the path");
    expect_paths(sim, "p/1;l/2;b/3;p/4;b/6;p/7;l/8;b/9;", "salvage");
    repair(sim, HOLOG_REPAIR_SALVAGE, 0);
    cr_assert_eq(rep.report.changed, 0, "repair is idempotent");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, salvage_reads_a_segment_whose_header_is_lost)
{
    kit_sample(&k);
    kit_super_clean(&k);
    memset(k.file[2].bytes.data, 0, HG_SEGMENT_HEADER_SIZE);
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_SALVAGE, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    expect_paths(sim, everything, "lost header");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(repair, salvage_drops_a_commit_whose_extent_is_bad)
{
    kit_sample(&k);
    kit_super_clean(&k);
    k.file[0].bytes.data[HG_BLOCK + 69000] ^= 1; /* of commit 2 */
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_SALVAGE, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    expect_paths(sim, "p/1;b/3;p/4;l/5;b/6;p/7;l/8;b/9;", "bad extent");
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* A crash at any step of a repair: whatever opens then is right, and a second repair makes it. */
static void crash_in_repair(enum holog_repair_mode mode, const char *paths)
{
    for (int dirs = 0; dirs < 2; dirs++) {
        const struct hg_sim_options o = { .seed = 1, .dirs = (enum hg_sim_dirs)dirs };
        struct hg_sim *sim = kit_disk_with(&k, &o);
        uint64_t begin = hg_sim_steps(sim);
        repair(sim, mode, 0);
        cr_assert_eq(rep.rc, HOLOG_OK);
        for (uint64_t step = begin; step <= hg_sim_steps(sim); step++) {
            for (int s = 0; s < HG_SIM_CRASH_STRATEGIES; s++) {
                struct hg_sim *after = NULL;
                char when[64];
                (void)snprintf(when, sizeof when, "dirs %d step %llu strategy %d", dirs,
                               (unsigned long long)step, s);
                cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)s, 7 + step, &after),
                             HOLOG_OK);
                kit_open(after, &run);
                if (run.rc == HOLOG_OK) /* a footer hides the damage until somebody reads */
                    cr_assert(strcmp(run.paths, paths) == 0 || strcmp(run.paths, everything) == 0,
                              "%s: %s", when, run.paths);
                else
                    cr_assert_eq(run.rc, HOLOG_E_CORRUPT, "%s: %s", when, run.error.message);
                repair(after, mode, 0);
                cr_assert_eq(rep.rc, HOLOG_OK, "%s", when);
                expect_paths(after, paths, when);
                cr_assert_eq(run.r.highest_number, 9, "%s", when);
                hg_sim_destroy(after);
            }
        }
        hg_sim_destroy(sim);
    }
}

Test(repair, a_crash_anywhere_in_point_in_time_is_repaired_again, .timeout = 300)
{
    damage_commit(6);
    crash_in_repair(HOLOG_REPAIR_POINT_IN_TIME, "p/1;l/2;b/3;p/4;");
    kit_end(&k);
}

Test(repair, a_crash_anywhere_in_salvage_is_repaired_again, .timeout = 300)
{
    damage_commit(6);
    crash_in_repair(HOLOG_REPAIR_SALVAGE, "p/1;l/2;b/3;p/4;b/6;p/7;l/8;b/9;");
    kit_end(&k);
}

Test(repair, a_crash_anywhere_while_several_segments_are_dropped_is_repaired_again, .timeout = 300)
{
    damage_commit(2);
    crash_in_repair(HOLOG_REPAIR_POINT_IN_TIME, "p/1;");
    kit_end(&k);
}
