/* Logs that begin with a base under every flip, every cut, every fault and every crash. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bases.h"

static struct kit_run run;
static struct kit_run want;
static struct kit_verify v;
static struct kit_repair rep;

/* Every byte, but under a sanitizer, where each takes ten times as long. */
static unsigned stride(void)
{
    return getenv("HOLOG_SANITIZER") != NULL ? 7 : 1;
}

static int read_from(struct hg_sim *sim, uint32_t base, struct kit_run *r)
{
    memset(r, 0, sizeof *r);
    r->o.read_only = 1;
    kit_from_base(&k, base, &r->o);
    return kit_recover(sim, r);
}

static int same(const struct kit_run *a, const struct kit_run *b)
{
    return a->n_numbers == b->n_numbers && a->n_records == b->n_records &&
           strcmp(a->paths, b->paths) == 0 && a->r.last_number == b->r.last_number;
}

/* ---- flips ----------------------------------------------------------------------------------- */

Test(bases_sweep, no_flip_in_a_base_that_is_needed_goes_unseen)
{
    bases_build(UNLINKED);
    struct hg_sim *sim = kit_disk(&k);
    uint64_t size = 0;
    uint8_t *data = hg_sim_file_data(sim, "seg/00000006.base", &size);

    for (uint64_t at = 0; at < HG_SEGMENT_HEADER_SIZE; at += stride()) {
        data[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_eq(read_from(sim, BASE, &run), HOLOG_E_CORRUPT, "byte %u: %d", (unsigned)at,
                     run.rc);
        data[at] ^= (uint8_t)(1u << at % 8);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(bases_sweep, no_flip_in_a_base_matters_while_the_chain_is_whole)
{
    bases_build(REMOVED);
    struct hg_sim *sim = kit_disk(&k);
    uint64_t size = 0;
    uint8_t *data = hg_sim_file_data(sim, "seg/00000006.base", &size);

    for (uint64_t at = 0; at < HG_SEGMENT_HEADER_SIZE; at += stride()) {
        data[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_eq(read_from(sim, 0, &run), HOLOG_OK, "byte %u: %s", (unsigned)at,
                     run.error.message);
        cr_assert_eq(run.n_numbers, 6u);
        cr_assert_eq(run.n_left_over, 0u, "byte %u", (unsigned)at);
        data[at] ^= (uint8_t)(1u << at % 8);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(bases_sweep, a_flip_in_frames_is_damage_or_harmless)
{
    bases_build(OLDER_GONE);
    struct hg_sim *sim = kit_disk(&k);
    char name[HG_FILE_NAME_MAX];

    cr_assert_eq(read_from(sim, NEWER, &want), HOLOG_OK, "%s", want.error.message);
    for (size_t i = 0; i < k.n_files; i++) {
        uint64_t size = 0;
        kit_name(name, &k.file[i]);
        uint8_t *data = hg_sim_file_data(sim, name, &size);
        for (uint64_t at = 0; k.file[i].kind == HG_KIND_FRAMES && at < size; at += stride()) {
            data[at] ^= (uint8_t)(1u << at % 8);
            (void)read_from(sim, NEWER, &run);
            data[at] ^= (uint8_t)(1u << at % 8);
            cr_assert(run.rc == HOLOG_E_CORRUPT || run.rc == HOLOG_OK, "%s byte %u: %d", name,
                      (unsigned)at, run.rc);
            cr_assert(run.rc < 0 || same(&run, &want) || k.file[i].id == LAST,
                      "%s byte %u changes what is replayed", name, (unsigned)at);
        }
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* ---- cuts ------------------------------------------------------------------------------------ */

/* Files of seg/ in the order in which a writer makes and drops them are bases_build's steps; here the
 * log of a step ends anywhere. */
Test(bases_sweep, a_log_cut_anywhere_is_its_prefix_or_damage)
{
    for (enum step s = BASE_FILE; s < STEPS; s++) {
        bases_build(s);
        struct hg_sim *sim = kit_disk(&k);
        struct kit_frame last = k.frame[k.n_frames - 1];
        const struct kit_file *f = kit_file(&k, last.segment);
        char name[HG_FILE_NAME_MAX];
        kit_name(name, f);
        for (uint64_t len = f->bytes.len; len >= HG_SEGMENT_HEADER_SIZE; len -= stride()) {
            cr_assert_eq(hg_sim_file_put(sim, name, f->bytes.data, len), HOLOG_OK);
            (void)read_from(sim, bases_from(s), &run);
            uint64_t kept = len < f->bytes.len ? k.number - 1 : k.number;
            cr_assert(run.rc == HOLOG_OK ? run.r.last_number == kept : run.rc == HOLOG_E_CORRUPT,
                      "step %d, %u bytes: %d", (int)s, (unsigned)len, run.rc);
            cr_assert(run.rc == HOLOG_OK || len < last.offset, "step %d, %u bytes: %s", (int)s,
                      (unsigned)len, run.error.message);
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

/* ---- crashes and faults ------------------------------------------------------------------------ */

static void torn(enum step s)
{
    bases_build(s);
    struct kit_frame last = k.frame[k.n_frames - 1];
    kit_at(&k, &last)[70] ^= 1;
}

static void opens(struct hg_sim *sim, enum step s, uint64_t at)
{
    for (int again = 0; again < 2; again++) {
        kit_open_base(sim, &k, bases_from(s), &run);
        cr_assert_eq(run.rc, HOLOG_OK, "step %d at %llu: %s", (int)s, (unsigned long long)at,
                     run.error.message);
        cr_assert_eq(run.r.last_number, k.number - 1, "step %d at %llu", (int)s,
                     (unsigned long long)at);
    }
}

Test(bases_sweep, a_crash_anywhere_in_a_recovery_is_recovered, .timeout = 300)
{
    for (enum step s = BASE_FILE; s < STEPS; s++) {
        torn(s);
        struct hg_sim *sim = kit_disk(&k);
        uint64_t begin = hg_sim_steps(sim);
        opens(sim, s, 0);
        for (uint64_t step = begin; step <= hg_sim_steps(sim); step++) {
            for (int how = 0; how < HG_SIM_CRASH_STRATEGIES; how++) {
                struct hg_sim *after = NULL;
                cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)how, 1 + step, &after),
                             HOLOG_OK);
                opens(after, s, step);
                hg_sim_destroy(after);
            }
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

Test(bases_sweep, a_fault_anywhere_leaves_a_store_that_opens)
{
    for (enum step s = BASE_FILE; s < STEPS; s += 3) {
        unsigned failed = 0;
        torn(s);
        for (uint64_t at = 2;; at++) { /* make_dirs syncs once */
            const struct hg_sim_options o = { .seed = 1,
                                              .fault_classes = HG_SIM_F_ALL & ~HG_SIM_F_MKDIR,
                                              .fault_at = at,
                                              .fault_kind = HG_SIM_FAULT_ERRNO,
                                              .fault_errno = 5 };
            struct hg_sim *sim = kit_disk_with(&k, &o);
            struct hg_sim *after = NULL;
            failed += kit_open_base(sim, &k, bases_from(s), &run) < 0 ? 1 : 0;
            cr_assert(run.rc == HOLOG_OK || run.rc == HOLOG_E_IO, "at %llu: %d",
                      (unsigned long long)at, run.rc);
            cr_assert_eq(hg_sim_open_files(sim), 0);
            uint64_t calls = hg_sim_fallible_calls(sim, o.fault_classes);
            cr_assert_eq(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_ALL, 1, &after), 0);
            opens(after, s, at);
            hg_sim_destroy(after);
            hg_sim_destroy(sim);
            if (at > calls)
                break;
        }
        cr_assert_gt(failed, 20);
        kit_end(&k);
    }
}

static long countdown;

static int fail_one(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return --countdown == 0;
}

static int open_it(struct hg_sim *sim)
{
    return kit_open_base(sim, &k, NEWER, &run);
}

static int verify_it(struct hg_sim *sim)
{
    return kit_verify(sim, &v);
}

static int repair_it(struct hg_sim *sim)
{
    rep.mode = HOLOG_REPAIR_POINT_IN_TIME;
    return kit_repair(sim, &rep);
}

Test(bases_sweep, no_memory_is_said_and_leaks_nothing)
{
    static int (*const whats[])(struct hg_sim *) = { open_it, verify_it, repair_it };

    bases_build(OLDER_GONE);
    struct kit_frame last = k.frame[k.n_frames - 2];
    struct hg_sim *sim = kit_disk(&k);
    for (size_t what = 0; what < 3; what++) {
        unsigned failed = 0;
        if (what == 2) { /* there is something to do */
            hg_sim_destroy(sim);
            kit_at(&k, &last)[70] ^= 1;
            sim = kit_disk(&k);
        }
        for (long at = 1;; at++, failed++) {
            struct hg_sim *copy = NULL;
            cr_assert_eq(hg_sim_clone(sim, &copy), HOLOG_OK);
            countdown = at;
            hg_alloc_set_fault(fail_one, NULL);
            int rc = whats[what](copy);
            cr_assert_eq(hg_alloc_live(), 0, "allocation %ld leaks", at);
            hg_alloc_set_fault(NULL, NULL);
            cr_assert_eq(hg_sim_open_files(copy), 0, "allocation %ld leaves a file open", at);
            hg_sim_destroy(copy);
            if (countdown > 0)
                break;
            cr_assert_eq(rc, HOLOG_E_NOMEM, "allocation %ld: %d", at, rc);
        }
        cr_assert_gt(failed, 5);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* ---- repair ---------------------------------------------------------------------------------- */

/* Damage in each frame behind the one that the base covers, and in each before it. */
Test(bases_sweep, a_repair_cuts_behind_the_base_only)
{
    unsigned refused = 0;
    unsigned cut = 0;

    for (enum step s = BASE_EDIT; s < STEPS; s++) {
        for (size_t i = 0;; i++) {
            bases_build(s);
            if (i == k.n_frames || kit_file(&k, k.frame[i].segment) == NULL) {
                kit_end(&k);
                if (i == k.n_frames)
                    break;
                continue;
            }
            const uint32_t covered = bases_from(s) == BASE ? COVERED : LATER;
            const int behind = k.frame[i].segment > covered;
            kit_at(&k, &k.frame[i])[70] ^= 1;
            struct hg_sim *sim = kit_disk(&k);
            const uint64_t before = kit_fingerprint(sim);
            (void)repair_it(sim);
            cr_assert(rep.rc == HOLOG_OK || rep.rc == HOLOG_E_NOTSUP, "step %d frame %zu: %s",
                      (int)s, i, rep.error.message);
            refused += rep.rc < 0 ? 1 : 0;
            if (rep.rc < 0 || !behind)
                cr_assert_eq(kit_fingerprint(sim), before, "step %d frame %zu", (int)s, i);
            if (rep.rc == HOLOG_OK) {
                kit_open_base(sim, &k, bases_from(s), &run);
                if (run.rc == HOLOG_E_STALE) /* the base's EDIT is cut, and nothing has gone */
                    kit_open(sim, &run);
                cr_assert_eq(run.rc, HOLOG_OK, "step %d frame %zu: %s", (int)s, i,
                             run.error.message);
                kit_verify(sim, &v);
                cr_assert(!behind || v.rc == HOLOG_OK, "step %d frame %zu: %s: %s", (int)s, i,
                          v.found[0].file, v.found[0].message);
                cut += behind ? 1 : 0;
            }
            hg_sim_destroy(sim);
            kit_end(&k);
        }
    }
    cr_assert_gt(cut, 20, "%u", cut);
    cr_assert_eq(refused, 0, "%u", refused);
}

Test(bases_sweep, a_repair_rebuilds_super_of_a_log_that_begins_with_a_base)
{
    bases_build(OLDER_GONE);
    k.no_super = 1;
    struct hg_sim *sim = kit_disk(&k);
    (void)repair_it(sim);
    cr_assert_eq(rep.rc, HOLOG_OK, "%s", rep.error.message);
    cr_assert_eq(rep.report.kept_through_number, k.number);
    kit_open_base(sim, &k, NEWER, &run);
    cr_assert_eq(run.rc, HOLOG_OK, "%s", run.error.message);
    cr_assert_eq(run.r.last_number, k.number);
    cr_assert_eq(run.r.super.feat_incompat & HG_FEATURE_BASE, HG_FEATURE_BASE);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(bases_sweep, a_repair_that_is_cut_can_be_done_again, .timeout = 300)
{
    for (enum step s = UNLINKED; s < STEPS; s += 2) {
        bases_build(s);
        struct kit_frame bad = k.frame[k.n_frames - 2];
        kit_at(&k, &bad)[70] ^= 1;
        struct hg_sim *sim = kit_disk(&k);
        uint64_t begin = hg_sim_steps(sim);
        cr_assert_eq(repair_it(sim), HOLOG_OK, "%s", rep.error.message);
        const uint64_t kept = rep.report.kept_through_number;
        for (uint64_t step = begin; step <= hg_sim_steps(sim); step++) {
            for (int how = 0; how < HG_SIM_CRASH_STRATEGIES; how++) {
                struct hg_sim *after = NULL;
                cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)how, 7, &after), 0);
                cr_assert_eq(repair_it(after), HOLOG_OK, "step %d at %llu: %s", (int)s,
                             (unsigned long long)step, rep.error.message);
                kit_open_base(after, &k, bases_from(s), &run);
                if (run.rc == HOLOG_E_STALE || bases_from(s) == NEWER)
                    kit_open_base(after, &k, run.rc == HOLOG_OK ? NEWER : BASE, &run);
                cr_assert_eq(run.rc, HOLOG_OK, "step %d at %llu: %s", (int)s,
                             (unsigned long long)step, run.error.message);
                cr_assert_eq(run.r.last_number, kept);
                hg_sim_destroy(after);
            }
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}
