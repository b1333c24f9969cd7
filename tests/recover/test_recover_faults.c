/* Recovery, verify and repair without memory: they say so, leak nothing and change nothing. */
#include <string.h>

#include "base/alloc.h"
#include "kit.h"

static struct kit k;
static struct kit_run run;
static struct kit_verify v;
static struct kit_repair rep;

static long countdown;

static int fail_one(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return --countdown == 0;
}

/* Runs `once` with the first, second, third ... allocation failing, until none is left to fail. */
static void sweep(struct hg_sim *sim, int (*once)(struct hg_sim *sim), int may_write)
{
    unsigned failed = 0;

    for (long at = 1;; at++) {
        struct hg_sim *copy = NULL;
        cr_assert_eq(hg_sim_clone(sim, &copy), HOLOG_OK);
        uint64_t before = kit_fingerprint(copy);
        countdown = at;
        hg_alloc_set_fault(fail_one, NULL);
        int rc = once(copy);
        cr_assert_eq(hg_alloc_live(), 0, "allocation %ld leaks %ld", at, hg_alloc_live());
        hg_alloc_set_fault(NULL, NULL);
        cr_assert_eq(hg_sim_open_files(copy), 0, "allocation %ld leaves a file open", at);
        if (rc < 0 && !may_write)
            cr_assert_eq(kit_fingerprint(copy), before);
        hg_sim_destroy(copy);
        if (countdown > 0)
            break;
        cr_assert_eq(rc, HOLOG_E_NOMEM, "allocation %ld: %d", at, rc);
        failed++;
    }
    cr_assert_gt(failed, 5);
}

static int open_once(struct hg_sim *sim)
{
    return kit_open(sim, &run);
}

static int read_once(struct hg_sim *sim)
{
    memset(&run, 0, sizeof run);
    run.o.read_only = 1;
    return kit_recover(sim, &run);
}

static int verify_once(struct hg_sim *sim)
{
    memset(&v, 0, sizeof v);
    return kit_verify(sim, &v);
}

static int repair_once(struct hg_sim *sim)
{
    rep.report.changed = 0;
    return kit_repair(sim, &rep);
}

Test(recover_faults, no_memory_in_recovery_and_seal)
{
    kit_sample(&k);
    struct hg_sim *sim = kit_disk(&k);
    sweep(sim, read_once, 0);
    sweep(sim, open_once, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_faults, no_memory_in_verify)
{
    kit_sample(&k);
    struct hg_sim *sim = kit_disk(&k);
    sweep(sim, verify_once, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_faults, no_memory_in_repair)
{
    kit_sample(&k);
    kit_super_clean(&k);
    kit_at(&k, &k.frame[6])[80] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    for (int mode = 1; mode <= 2; mode++) {
        memset(&rep, 0, sizeof rep);
        rep.mode = (enum holog_repair_mode)mode;
        sweep(sim, repair_once, 1);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}
