/* Logs that begin with a base: recover_base.c, and what recovery, verify and repair make of it. */
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;

/* What lies where. Frames in OLD and COVERED are below the base's frame. */
enum {
    EXT = 1, /* extents, of which commits 2 and 6 have values */
    OLD,     /* commits 1 and 2 */
    OLDER,   /* commits 3 and 4 */
    COVERED, /* commit 5: the last frame that the base covers */
    LATER,   /* commits 6 ...: the first to declare bases */
    BASE,    /* of COVERED */
    HWP,     /* what was in OLD */
    LAST,    /* a segment after the removal */
    NEWER,   /* a base of LATER's end */
};

/* The steps of making a base and letting go of what is below it, as a writer takes them. */
enum step {
    NO_BASE,
    BASE_FILE,   /* under its name, and its EDIT is not there */
    BASE_EDIT,   /* the EDIT is durable */
    REMOVED,     /* OLD was moved to HWP: the EDIT is durable, the file is there */
    UNLINKED,    /* the file is not there */
    ROLLED,      /* LAST follows */
    NEWER_FILE,  /* a base of LATER, which has no EDIT */
    NEWER_EDIT,  /* it takes the place of the first, whose file is there */
    NEWER_ALONE, /* whose file is not there */
    OLDER_GONE,  /* OLDER and COVERED are gone too */
    STEPS,
};

static void commit(void)
{
    (void)kit_commit(&k, 50);
    kit_durable(&k);
}

static void remove_all_below(void)
{
    (void)kit_edit(&k, 0, OLDER);
    kit_durable(&k);
    (void)kit_edit(&k, 0, COVERED);
    kit_durable(&k);
}

static void old_log(void)
{
    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    kit_durable(&k);
    commit();
    (void)kit_commit_large(&k, 70000);
    kit_seal(&k);
    kit_segment(&k, 0);
    commit();
    commit();
    kit_seal(&k);
    kit_segment(&k, 0);
    commit();
    kit_seal(&k);
}

/* A base of what was before the segment that is written. */
static void base_of(uint32_t id, uint32_t covered)
{
    const size_t log = k.log;

    k.log = (size_t)(kit_file(&k, covered) - k.file);
    cr_assert_eq(kit_base(&k), id);
    k.log = log;
}

/* A base, and OLD moved. */
static void first_base(enum step to)
{
    if (to > NO_BASE)
        k.super.feat_incompat = HG_FEATURE_COLD | HG_FEATURE_BASE;
    kit_segment(&k, 0);
    kit_durable(&k);
    if (to >= BASE_FILE)
        base_of(BASE, COVERED);
    if (to >= BASE_EDIT)
        (void)kit_edit(&k, BASE, 0);
    kit_durable(&k);
    if (to >= REMOVED)
        (void)kit_edit(&k, kit_cold(&k), OLD);
    kit_durable(&k);
}

static void newer_base(enum step to)
{
    if (to < ROLLED)
        return;
    (void)kit_commit_large(&k, 70000);
    kit_seal(&k);
    kit_segment(&k, 0);
    kit_durable(&k);
    if (to >= NEWER_FILE)
        base_of(NEWER, LATER);
    if (to >= NEWER_EDIT)
        (void)kit_edit(&k, NEWER, BASE);
    kit_durable(&k);
    if (to >= OLDER_GONE)
        remove_all_below();
}

static void unlinked(enum step to)
{
    if (to >= UNLINKED)
        kit_drop_id(&k, OLD);
    if (to >= NEWER_ALONE)
        kit_drop_id(&k, BASE);
    if (to >= OLDER_GONE) {
        kit_drop_id(&k, OLDER);
        kit_drop_id(&k, COVERED);
    }
}

/* The store after a step, and one commit more. */
static void build(enum step to)
{
    old_log();
    first_base(to);
    newer_base(to);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
    unlinked(to);
}

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
    uint32_t from;      /* the base that the log begins with, as replays go */
    uint32_t base;      /* the one that it begins with from now on */
    size_t n_left_over; /* and the first of them */
    uint32_t left_over;
} after[STEPS] = {
    [NO_BASE] = { 0, 0, 0, 0 },
    [BASE_FILE] = { BASE, 0, 1, BASE },
    [BASE_EDIT] = { BASE, BASE, 0, 0 },
    [REMOVED] = { BASE, BASE, 1, OLD },
    [UNLINKED] = { BASE, BASE, 0, 0 },
    [ROLLED] = { BASE, BASE, 0, 0 },
    [NEWER_FILE] = { NEWER, BASE, 1, NEWER },
    [NEWER_EDIT] = { NEWER, NEWER, 1, BASE },
    [NEWER_ALONE] = { NEWER, NEWER, 0, 0 },
    [OLDER_GONE] = { NEWER, NEWER, 0, 0 },
};

static uint32_t begins(uint32_t base)
{
    return base == BASE ? COVERED : base == NEWER ? LATER : 0;
}

Test(bases, each_step_of_making_one_leaves_a_store_that_opens)
{
    for (enum step s = NO_BASE; s < STEPS; s++) {
        build(s);
        struct hg_sim *sim = kit_disk(&k);
        for (int again = 0; again < 2; again++) {
            open_from(sim, after[s].from, HOLOG_OK);
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
        build(s);
        struct hg_sim *sim = kit_disk(&k);
        open_from(sim, 0, HOLOG_E_STALE);
        if (after[s].from == NEWER && s < NEWER_ALONE)
            open_from(sim, BASE, HOLOG_E_STALE);
        open_from(sim, after[s].from, HOLOG_OK);
        uint64_t first = after[s].from == BASE ? 6 : 7;
        cr_assert_eq(run.numbers[0], first, "step %d: %llu", (int)s,
                     (unsigned long long)run.numbers[0]);
        cr_assert_eq(run.n_numbers, k.number - first + 1, "step %d", (int)s);
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}
