#include "bases.h"

struct kit k;

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

void bases_old_log(void)
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
    if (to >= OLDER_REMOVED)
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

void bases_build(enum step to)
{
    bases_old_log();
    first_base(to);
    newer_base(to);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
    unlinked(to);
}

uint32_t bases_from(enum step s)
{
    return s == NO_BASE ? 0 : s < NEWER_FILE ? BASE : NEWER;
}
