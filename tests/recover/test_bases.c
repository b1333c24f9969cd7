/* Logs that begin with a base: recover_base.c, and what recovery, verify and repair make of it. */
#include <string.h>

#include "bases.h"

static struct kit_run run;
static struct kit_verify v;
static struct kit_repair rep;

static void open_from(struct hg_sim *sim, uint32_t base, int rc)
{
    if (base == 0)
        kit_open(sim, &run);
    else
        kit_open_base(sim, &k, base, &run);
    cr_assert_eq(run.rc, rc, "from %u: %d, %s", base, run.rc, run.error.message);
}

/* ---- every step ------------------------------------------------------------------------------ */

static const struct {
    uint32_t base;      /* the one that it begins with from now on */
    size_t n_left_over; /* and the first of them */
    uint32_t left_over;
} after[STEPS] = {
    [NO_BASE] = { 0, 0, 0 },           [BASE_FILE] = { 0, 1, BASE },
    [BASE_EDIT] = { BASE, 0, 0 },      [REMOVED] = { BASE, 1, OLD },
    [UNLINKED] = { BASE, 0, 0 },       [ROLLED] = { BASE, 0, 0 },
    [NEWER_FILE] = { BASE, 1, NEWER }, [NEWER_EDIT] = { NEWER, 1, BASE },
    [NEWER_ALONE] = { NEWER, 0, 0 },   [OLDER_REMOVED] = { NEWER, 2, OLDER },
    [OLDER_GONE] = { NEWER, 0, 0 },
};

static uint32_t begins(uint32_t base)
{
    return base == BASE ? COVERED : base == NEWER ? LATER : 0;
}

Test(bases, each_step_of_making_one_leaves_a_store_that_opens)
{
    for (enum step s = NO_BASE; s < STEPS; s++) {
        bases_build(s);
        struct hg_sim *sim = kit_disk(&k);
        for (int again = 0; again < 2; again++) {
            open_from(sim, bases_from(s), HOLOG_OK);
            cr_assert_eq(run.r.last_number, k.number, "step %d", (int)s);
            cr_assert_eq(run.r.base, after[s].base, "step %d: %u", (int)s, run.r.base);
            cr_assert_eq(run.r.begins, begins(after[s].base), "step %d", (int)s);
            cr_assert_eq(run.n_left_over, after[s].n_left_over, "step %d: %zu", (int)s,
                         run.n_left_over);
            cr_assert_eq(run.left_over, after[s].left_over, "step %d", (int)s);
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

Test(bases, a_log_that_begins_with_one_is_replayed_from_there_on)
{
    for (enum step s = BASE_FILE; s < STEPS; s++) {
        bases_build(s);
        struct hg_sim *sim = kit_disk(&k);
        open_from(sim, 0, HOLOG_E_STALE);
        if (bases_from(s) == NEWER && s < NEWER_ALONE)
            open_from(sim, BASE, HOLOG_E_STALE);
        open_from(sim, bases_from(s), HOLOG_OK);
        uint64_t first = bases_from(s) == BASE ? 6 : 7;
        cr_assert_eq(run.numbers[0], first, "step %d: %llu", (int)s,
                     (unsigned long long)run.numbers[0]);
        cr_assert_eq(run.n_numbers, k.number - first + 1, "step %d", (int)s);
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

static void opens_from(enum step s, uint32_t from, uint32_t base)
{
    struct hg_sim *sim = kit_disk(&k);
    for (int again = 0; again < 2; again++) {
        open_from(sim, from, HOLOG_OK);
        cr_assert_eq(run.r.last_number, k.number, "step %d", (int)s);
        cr_assert_eq(run.r.base, base, "step %d: %u", (int)s, run.r.base);
    }
    hg_sim_destroy(sim);
}

static void refused(uint32_t from, int code, const char *message)
{
    struct hg_sim *sim = kit_disk(&k);
    const uint64_t before = kit_fingerprint(sim);
    open_from(sim, from, code);
    cr_assert(strstr(run.error.message, message) != NULL, "%s", run.error.message);
    cr_assert_eq(kit_fingerprint(sim), before);
    hg_sim_destroy(sim);
}

static void verified(int code, size_t n_harmful, const char *message)
{
    int told = message == NULL;
    struct hg_sim *sim = kit_disk(&k);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, code, "%d: %s", v.rc, v.n_found > 0 ? v.found[0].message : "nothing");
    cr_assert_eq(v.n_harmful, n_harmful, "%zu", v.n_harmful);
    for (size_t i = 0; i < v.n_found; i++)
        told |= message != NULL && strstr(v.found[i].message, message) != NULL;
    cr_assert(told, "%s", v.n_found > 0 ? v.found[0].message : "nothing was found");
    hg_sim_destroy(sim);
}

static void repaired(int code, int changed)
{
    struct hg_sim *sim = kit_disk(&k);
    const uint64_t before = kit_fingerprint(sim);
    rep.mode = HOLOG_REPAIR_POINT_IN_TIME;
    cr_assert_eq(kit_repair(sim, &rep), code, "%d: %s", rep.rc, rep.error.message);
    if (!changed)
        cr_assert_eq(kit_fingerprint(sim), before);
    hg_sim_destroy(sim);
}

/* A header that says something else, with a hash that is right. */
static void rewrite_header(uint32_t id)
{
    struct kit_file *f = kit_file(&k, id);
    hg_segment_header_encode(&f->header, f->bytes.data);
}

static void spoil(uint32_t id, size_t at)
{
    kit_file(&k, id)->bytes.data[at] ^= 1;
}

Test(bases, verify_finds_no_damage_after_any_step)
{
    for (enum step s = NO_BASE; s < STEPS; s++) {
        bases_build(s);
        verified(HOLOG_OK, 0,
                 s == BASE_FILE || s == NEWER_FILE || s == NEWER_EDIT ? "a base that" : NULL);
        kit_end(&k);
    }
}

/* ---- containers ------------------------------------------------------------------------------ */

Test(bases, a_container_that_is_missing_and_was_not_removed_is_damage)
{
    for (enum step s = BASE_EDIT; s < OLDER_REMOVED; s++) {
        bases_build(s);
        kit_drop_id(&k, OLDER);
        refused(bases_from(s), HOLOG_E_CORRUPT, "seg/00000003.hlog is missing: values lie there");
        verified(HOLOG_E_CORRUPT, 1, "the file is missing: values lie there");
        kit_end(&k);
    }
}

Test(bases, damage_in_a_container_is_found_by_verify_and_cuts_nothing)
{
    bases_build(UNLINKED);
    for (size_t i = 0; i < k.n_frames; i++) {
        if (k.frame[i].segment == OLDER)
            kit_at(&k, &k.frame[i])[70] ^= 1;
    }
    opens_from(UNLINKED, BASE, BASE);
    verified(HOLOG_E_CORRUPT, 1, "the body of a frame fails its hash");
    repaired(HOLOG_OK, 0);
    cr_assert_eq(rep.report.changed, 0);
    spoil(OLDER, 100); /* its header */
    opens_from(UNLINKED, BASE, BASE);
    verified(HOLOG_E_CORRUPT, 1, "the segment header's hash is wrong");
    kit_end(&k);
}

Test(bases, containers_join_nothing)
{
    bases_build(UNLINKED);
    kit_file(&k, OLDER)->header.pred_number = 1; /* it was 2, and OLD is not there to say so */
    rewrite_header(OLDER);
    opens_from(UNLINKED, BASE, BASE);
    kit_end(&k);
}

Test(bases, a_value_in_a_container_may_lie_in_extents_that_went_with_another)
{
    bases_old_log();
    /* LATER has the EDIT that lets go of EXT, and goes; OLD, which names bytes in EXT, stays. */
    k.super.feat_incompat = HG_FEATURE_COLD | HG_FEATURE_BASE;
    kit_segment(&k, 0);
    kit_durable(&k);
    (void)kit_edit(&k, 0, EXT);
    kit_seal(&k);
    kit_segment(&k, 0);
    kit_seal(&k);
    kit_segment(&k, 0);
    kit_durable(&k);
    const size_t log = k.log;
    k.log = (size_t)(kit_file(&k, LATER + 1) - k.file);
    const uint32_t base = kit_base(&k);
    k.log = log;
    (void)kit_edit(&k, base, 0);
    kit_durable(&k);
    (void)kit_edit(&k, 0, LATER);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
    kit_drop_id(&k, EXT);
    kit_drop_id(&k, LATER);
    opens_from(STEPS, base, base);
    verified(HOLOG_OK, 0, NULL);
    kit_end(&k);
}

/* ---- a base that is damaged, or does not fit --------------------------------------------------- */

Test(bases, a_damaged_base_is_not_needed_while_the_chain_is_whole)
{
    for (enum step s = BASE_FILE; s <= REMOVED; s++) {
        bases_build(s);
        spoil(BASE, 200);
        opens_from(s, 0, 0);
        cr_assert_eq(run.n_numbers, 6u);
        verified(HOLOG_OK, 0, "the segment header's hash is wrong");
        repaired(HOLOG_OK, 0);
        kit_end(&k);
    }
}

Test(bases, what_was_removed_stays_while_no_base_stands_for_it)
{
    bases_build(REMOVED);
    opens_from(REMOVED, BASE, BASE);
    cr_assert_eq(run.left_over, OLD);
    spoil(BASE, 200);
    opens_from(REMOVED, 0, 0);
    cr_assert_eq(run.n_left_over, 0u, "the chain needs it");
    kit_end(&k);
}

Test(bases, without_its_base_a_log_is_damaged_and_the_base_is_named)
{
    bases_build(UNLINKED);
    spoil(BASE, 200);
    refused(0, HOLOG_E_CORRUPT, "seg/00000006.base, which the log begins with: the segment");
    verified(HOLOG_E_CORRUPT, 2, "the segment header's hash is wrong");
    repaired(HOLOG_E_NOTSUP, 0);
    cr_assert(strstr(rep.error.message, "before its base") != NULL, "%s", rep.error.message);
    kit_drop_id(&k, BASE);
    refused(0, HOLOG_E_CORRUPT, "seg/00000002.hlog is missing");
    verified(HOLOG_E_CORRUPT, 2, "the file is missing: the log begins with it");
    repaired(HOLOG_E_NOTSUP, 0);
    kit_end(&k);
}

Test(bases, one_whose_content_is_damaged_is_passed_over)
{
    static const struct {
        enum step step;
        uint32_t spoiled, from;
        int rc;
    } cases[] = {
        { BASE_EDIT, BASE, 0, HOLOG_OK },
        { UNLINKED, BASE, 0, HOLOG_E_CORRUPT },
        { NEWER_EDIT, NEWER, BASE, HOLOG_OK },
        { NEWER_ALONE, NEWER, 0, HOLOG_E_CORRUPT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bases_build(cases[i].step);
        spoil(cases[i].spoiled, 5000);
        struct hg_sim *sim = kit_disk(&k);
        memset(&run, 0, sizeof run);
        kit_from_base(&k, cases[i].from, &run.o);
        run.o.base_below = cases[i].spoiled;
        run.seal = 1;
        kit_recover(sim, &run);
        cr_assert_eq(run.rc, cases[i].rc, "case %zu: %s", i, run.error.message);
        if (run.rc < 0)
            cr_assert(strstr(run.error.message, ".base, which the log begins with, is damaged") !=
                          NULL,
                      "%s", run.error.message);
        else
            cr_assert_eq(run.r.last_number, k.number);
        hg_sim_destroy(sim);
        verified(cases[i].rc, cases[i].rc == HOLOG_OK ? 0 : 2, "an index that is not all zeros");
        repaired(cases[i].rc == HOLOG_OK ? HOLOG_OK : HOLOG_E_NOTSUP, 0);
        kit_end(&k);
    }
}

Test(bases, an_older_one_stays_while_the_newer_is_damaged)
{
    bases_build(NEWER_EDIT);
    spoil(NEWER, 200);
    opens_from(NEWER_EDIT, BASE, BASE);
    cr_assert_eq(run.r.begins, COVERED);
    cr_assert_eq(run.n_left_over, 0u, "it was removed, and nothing can stand for it");
    kit_end(&k);
    /* Its own EDIT was never written, and what it would stand for in place of the older is gone. */
    bases_build(NEWER_FILE);
    spoil(BASE, 200);
    opens_from(NEWER_FILE, NEWER, NEWER);
    cr_assert_eq(run.n_left_over, 0u);
    kit_end(&k);
}

Test(bases, the_segment_that_the_log_begins_in_must_be_there)
{
    bases_build(UNLINKED);
    kit_drop_id(&k, COVERED);
    refused(BASE, HOLOG_E_CORRUPT, "seg/00000004.hlog is missing");
    verified(HOLOG_E_CORRUPT, 3, "the file is missing");
    repaired(HOLOG_E_NOTSUP, 0);
    kit_end(&k);
}

/* What a base says of the frame that it covers, and another. */
static void say_otherwise(int what, struct hg_segment_header *h)
{
    switch (what) {
    case 0: h->pred_last_hash ^= 1; break;
    case 1: h->pred_end -= 8; break;
    case 2: h->pred_last_len -= 8; break;
    case 3: h->pred_epoch ^= 1; break;
    default: h->salt ^= 1; break;
    }
}

Test(bases, the_log_begins_exactly_where_the_base_says)
{
    for (int what = 0; what < 5; what++) {
        bases_build(UNLINKED);
        const struct hg_segment_header was = kit_file(&k, BASE)->header;
        say_otherwise(what, &kit_file(&k, BASE)->header);
        rewrite_header(BASE);
        refused(BASE, HOLOG_E_CORRUPT, "");
        kit_file(&k, BASE)->header = was;
        rewrite_header(BASE);
        opens_from(UNLINKED, BASE, BASE);
        /* The same of what is asked for. */
        kit_file(&k, BASE)->header.pred_last_hash ^= 1;
        refused(BASE, HOLOG_E_STALE, "no such frame");
        kit_end(&k);
    }
}

Test(bases, what_a_base_covers_was_durable)
{
    /* The last segment, not sealed; everything behind its opening is torn. */
    bases_build(NO_BASE);
    const uint32_t base = kit_base(&k);
    struct kit_frame last = k.frame[k.n_frames - 1];
    kit_at(&k, &last)[70] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    open_from(sim, 0, HOLOG_E_STALE); /* it fits: the frame's header is there */
    hg_sim_destroy(sim);
    kit_at(&k, &last)[20] ^= 1;
    refused(base, HOLOG_E_CORRUPT, "acknowledged data is damaged");
    verified(HOLOG_E_CORRUPT, 1, NULL);
    kit_end(&k);
}

Test(bases, damage_before_the_covered_frame_is_of_a_container)
{
    bases_build(UNLINKED);
    struct kit_file *s = kit_file(&k, COVERED);
    s->bytes.data[s->bytes.len - 1] ^= 1; /* no footer: it is walked */
    s->bytes.data[HG_SEGMENT_HEADER_SIZE + 70] ^= 1;
    opens_from(UNLINKED, BASE, BASE);
    cr_assert_eq(run.n_numbers, 1u);
    verified(HOLOG_E_CORRUPT, 1, "the body of a frame fails its hash");
    repaired(HOLOG_OK, 0);
    kit_end(&k);
}

Test(bases, an_edit_of_one_needs_the_feature)
{
    bases_build(NO_BASE);
    k.super.feat_incompat = HG_FEATURE_COLD;
    kit_segment(&k, 0);
    (void)kit_edit(&k, kit_base(&k), 0);
    kit_durable(&k);
    (void)kit_commit(&k, 10);
    struct hg_sim *sim = kit_disk(&k);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* Of the segment behind the covered frame nothing can be told: the log ends with that frame. */
Test(bases, a_log_that_is_cut_to_its_base_needs_what_was_removed)
{
    bases_build(BASE_EDIT);
    spoil(LATER, 100);
    struct hg_sim *sim = kit_disk(&k);
    rep.mode = HOLOG_REPAIR_POINT_IN_TIME;
    cr_assert_eq(kit_repair(sim, &rep), HOLOG_OK, "%s", rep.error.message);
    cr_assert_eq(rep.report.kept_through_number, 5u);
    open_from(sim, BASE, HOLOG_OK);
    cr_assert_eq(run.left_over, BASE, "its EDIT is cut, and all it stands for is there");
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK, "%s", v.found[0].message);
    hg_sim_destroy(sim);
    kit_end(&k);

    bases_build(UNLINKED);
    spoil(LATER, 100);
    repaired(HOLOG_E_NOTSUP, 0);
    cr_assert(strstr(rep.error.message, "cannot be made again") != NULL, "%s", rep.error.message);
    kit_end(&k);
}

Test(bases, a_repair_that_would_end_in_a_damaged_segment_changes_nothing)
{
    bases_build(BASE_EDIT);
    spoil(LATER, 100);
    spoil(COVERED, HG_SEGMENT_HEADER_SIZE + 70);
    repaired(HOLOG_E_NOTSUP, 0);
    cr_assert(strstr(rep.error.message, "damaged before that, too") != NULL, "%s",
              rep.error.message);
    kit_end(&k);
}

/* A base covers more than a repair keeps: it goes with what is cut. */
Test(bases, a_base_of_what_is_cut_goes_to_quarantine)
{
    bases_build(NEWER_FILE);
    kit_file(&k, NEWER)->bytes.data[5000] ^= 1; /* the older one counts */
    for (size_t i = 0; i < k.n_frames; i++) {
        if (k.frame[i].segment == LATER && k.frame[i].number == 6)
            kit_at(&k, &k.frame[i])[70] ^= 1;
    }
    struct hg_sim *sim = kit_disk(&k);
    uint64_t size = 0;
    rep.mode = HOLOG_REPAIR_POINT_IN_TIME;
    cr_assert_eq(kit_repair(sim, &rep), HOLOG_OK, "%s", rep.error.message);
    cr_assert_eq(rep.report.kept_through_number, 5u);
    cr_assert_null(hg_sim_file_data(sim, "seg/00000009.base", &size));
    open_from(sim, BASE, HOLOG_OK);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK, "%s", v.found[0].message);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(bases, a_quick_verify_knows_them_too)
{
    for (enum step s = NO_BASE; s < STEPS; s++) {
        bases_build(s);
        v.flags = HOLOG_VERIFY_QUICK;
        verified(HOLOG_OK, 0, NULL);
        kit_end(&k);
    }
    bases_build(UNLINKED);
    spoil(BASE, 5000);
    v.flags = HOLOG_VERIFY_QUICK;
    verified(HOLOG_E_CORRUPT, 2, "an index that is not all zeros");
    kit_end(&k);
}

/* A reader beside a writer that has made a base behind what it may look at. */
Test(bases, one_behind_the_limit_does_not_count)
{
    bases_build(BASE_FILE);
    struct hg_sim *sim = kit_disk(&k);
    memset(&run, 0, sizeof run);
    run.o.read_only = 1;
    for (size_t i = 0; i < k.n_frames && run.o.limit == 0; i++) {
        if (k.frame[i].segment == COVERED)
            run.o.limit = kit_end_of(&k.frame[i]);
    }
    kit_recover(sim, &run);
    cr_assert_eq(run.rc, HOLOG_OK, "%s", run.error.message);
    cr_assert_eq(run.r.last_number, 4u);
    hg_sim_destroy(sim);
    kit_end(&k);
}
