/* Deltas, tags and folds in recovery, verify and repair. */
#include <stdio.h>
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;
static struct kit_verify v;
static struct kit_repair rep;

static hg_pos birth_of(const struct kit_frame *f)
{
    return hg_pos_make(f->segment, f->offset + HG_FRAME_HEADER_SIZE + 9);
}

static void begin(int declared)
{
    kit_begin(&k);
    k.super.feat_incompat = declared ? HG_FEATURE_VERSIONS : 0;
    kit_extents(&k);
    kit_segment(&k, 0);
}

/* Nine commits in two segments: 1 and 3 are blobs; 2 is a delta to 1, 4 to 2, 5 to 3, 6 to 5, 7 to 4,
 * 8 to 7, 9 to 8. Those of 4 and 8 are in lists in extents, the payload of 9 too. A tag behind 6. */
static const char everything[] = "p/1;+p/1;p/3;+p/1;+p/1;+p/1;#v1;+p/1;+p/1;+p/1;";
static const char without_3[] = "p/1;+p/1;+p/1;#v1;+p/1;+p/1;+p/1;";

static struct kit_frame sample(void)
{
    hg_pos d2, d4, d5, d6, d7, d8;

    begin(1);
    struct kit_frame first = kit_commit(&k, 20);
    (void)kit_commit_delta(&k, birth_of(&first), 0, &d2);
    struct kit_frame third = kit_commit(&k, 20);
    kit_seal(&k);
    kit_segment(&k, 0);
    (void)kit_commit_delta(&k, d2, 1, &d4);
    (void)kit_commit_delta(&k, birth_of(&third), 0, &d5);
    (void)kit_commit_delta(&k, d5, 0, &d6);
    (void)kit_put_tag(&k, "v1", d6);
    (void)kit_commit_delta(&k, d4, 0, &d7);
    (void)kit_commit_delta(&k, d7, 1, &d8);
    (void)kit_commit_delta_large(&k, d8, 70000);
    kit_durable(&k);
    kit_super_clean(&k);
    return third;
}

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
    cr_assert_eq(run.lost_bases, 0, "%s: a delta names what is not there", when);
    memset(&v, 0, sizeof v);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK, "%s: %s %s", when, v.found[0].file, v.found[0].message);
}

Test(versions, a_store_with_them_is_replayed_and_verifies)
{
    (void)sample();
    struct hg_sim *sim = kit_disk(&k);
    expect_paths(sim, everything, "as written");
    cr_assert_eq(run.r.super.feat_incompat, HG_FEATURE_VERSIONS);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(versions, what_a_delta_names_in_an_extent_counts_as_used)
{
    hg_pos d1;
    begin(1);
    struct kit_frame first = kit_commit(&k, 20);
    (void)kit_commit_delta(&k, birth_of(&first), 0, &d1);
    (void)kit_commit_delta_large(&k, d1, 70000);
    struct hg_sim *sim = kit_disk(&k); /* not closed: recovery cuts extents to what is named */
    expect_paths(sim, "p/1;+p/1;+p/1;", "not closed");
    uint64_t size = 0;
    cr_assert_not_null(hg_sim_file_data(sim, "seg/00000001.hext", &size));
    cr_assert_geq(size, HG_BLOCK + 70000u);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(versions, a_delta_whose_payload_never_arrived_did_not_happen)
{
    hg_pos d1;
    begin(1);
    struct kit_frame first = kit_commit(&k, 20);
    (void)kit_commit_delta(&k, birth_of(&first), 0, &d1);
    kit_durable(&k);
    (void)kit_commit_delta_large(&k, d1, 70000);
    k.file[0].bytes.data[HG_BLOCK + 69000] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    expect_paths(sim, "p/1;+p/1;", "a torn payload");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(versions, verify_finds_a_bad_byte_of_a_payload_in_an_extent)
{
    (void)sample();
    k.file[0].bytes.data[k.file[0].bytes.len - 100] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    memset(&v, 0, sizeof v);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
    cr_assert_eq(v.n_harmful, 1);
    cr_assert_str_eq(v.found[0].path, "p/1");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(versions, a_record_of_a_feature_that_its_segment_does_not_declare_is_damage)
{
    hg_pos d1;
    for (int in_extent = 0; in_extent < 2; in_extent++) {
        begin(0);
        struct kit_frame first = kit_commit(&k, 20);
        (void)kit_commit_delta(&k, birth_of(&first), in_extent, &d1);
        kit_super_clean(&k);
        struct hg_sim *sim = kit_disk(&k);
        kit_open(sim, &run);
        cr_assert_eq(run.rc, HOLOG_E_CORRUPT);
        memset(&v, 0, sizeof v);
        kit_verify(sim, &v);
        cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
        cr_assert(strstr(v.found[0].message, "feature") != NULL, "%s", v.found[0].message);
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

Test(versions, a_lost_super_knows_the_feature_again_from_the_segments)
{
    for (int mode = 1; mode <= 2; mode++) {
        (void)sample();
        k.no_super = 1;
        struct hg_sim *sim = kit_disk(&k);
        repair(sim, (enum holog_repair_mode)mode, 0);
        cr_assert_eq(rep.rc, HOLOG_OK);
        expect_paths(sim, everything, "lost SUPER");
        cr_assert_eq(run.r.super.feat_incompat, HG_FEATURE_VERSIONS);
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

Test(versions, point_in_time_keeps_the_deltas_before_the_damage)
{
    struct kit_frame third = sample();
    kit_at(&k, &third)[80] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    repair(sim, HOLOG_REPAIR_POINT_IN_TIME, 0);
    cr_assert_eq(rep.rc, HOLOG_OK);
    expect_paths(sim, "p/1;+p/1;", "point in time");
    hg_sim_destroy(sim);
    kit_end(&k);
}

static void expect_losses(const char *when)
{
    cr_assert_eq(rep.rc, HOLOG_OK, "%s", when);
    cr_assert_eq(rep.report.kept_through_number, 9, "%s", when);
    cr_assert_eq(rep.report.lost_first_number, 3, "%s", when);
    cr_assert_eq(rep.report.lost_last_number, 3, "%s", when);
    cr_assert_eq(rep.report.entries_lost, 3, "%s: p/3, and what was built on it: %llu", when,
                 (unsigned long long)rep.report.entries_lost);
}

Test(versions, salvage_keeps_deltas_whose_base_is_kept_and_tells_which_are_not)
{
    struct kit_frame third = sample();
    kit_at(&k, &third)[80] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    repair(sim, HOLOG_REPAIR_SALVAGE, 1);
    expect_losses("dry run");
    cr_assert_eq(kit_fingerprint(sim), before, "a dry run changes nothing");
    repair(sim, HOLOG_REPAIR_SALVAGE, 0);
    expect_losses("salvage");
    size_t told = 0;
    for (size_t i = 0; i < rep.n_found; i++)
        told += strstr(rep.found[i].message, "the version that it changes") != NULL &&
                strcmp(rep.found[i].path, "p/1") == 0;
    cr_assert_eq(told, 2u);
    expect_paths(sim, without_3, "salvage");
    cr_assert_eq(run.n_numbers, 8u);
    repair(sim, HOLOG_REPAIR_SALVAGE, 0);
    cr_assert_eq(rep.report.changed, 0, "repair is idempotent");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(versions, a_crash_anywhere_in_salvage_is_repaired_again, .timeout = 300)
{
    struct kit_frame third = sample();
    kit_at(&k, &third)[80] ^= 1;
    for (int dirs = 0; dirs < 2; dirs++) {
        const struct hg_sim_options o = { .seed = 1, .dirs = (enum hg_sim_dirs)dirs };
        struct hg_sim *sim = kit_disk_with(&k, &o);
        uint64_t begin_step = hg_sim_steps(sim);
        repair(sim, HOLOG_REPAIR_SALVAGE, 0);
        expect_losses("salvage");
        for (uint64_t step = begin_step; step <= hg_sim_steps(sim); step++) {
            for (int s = 0; s < HG_SIM_CRASH_STRATEGIES; s++) {
                struct hg_sim *after = NULL;
                char when[64];
                (void)snprintf(when, sizeof when, "dirs %d step %llu strategy %d", dirs,
                               (unsigned long long)step, s);
                cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)s, 7 + step, &after),
                             HOLOG_OK);
                kit_open(after, &run);
                if (run.rc == HOLOG_OK) /* a footer hides the damage until somebody reads */
                    cr_assert(strcmp(run.paths, without_3) == 0 ||
                                  strcmp(run.paths, everything) == 0,
                              "%s: %s", when, run.paths);
                else
                    cr_assert_eq(run.rc, HOLOG_E_CORRUPT, "%s: %s", when, run.error.message);
                repair(after, HOLOG_REPAIR_SALVAGE, 0);
                cr_assert_eq(rep.rc, HOLOG_OK, "%s", when);
                expect_paths(after, without_3, when);
                hg_sim_destroy(after);
            }
        }
        hg_sim_destroy(sim);
    }
    kit_end(&k);
}
