/* Recovery under every flip, every cut, every fault and every crash of small logs. */
#include <stdlib.h>
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;
static struct kit_run want;

/* Every byte and every length, but under a sanitizer, where each takes ten times as long, every 7th. */
static unsigned stride(void)
{
    return getenv("HOLOG_SANITIZER") != NULL ? 7 : 1;
}

static void read_only(struct kit_run *r)
{
    memset(r, 0, sizeof *r);
    r->o.read_only = 1;
}

static int same(const struct kit_run *a, const struct kit_run *b)
{
    return a->n_numbers == b->n_numbers && a->n_records == b->n_records &&
           a->value_bytes == b->value_bytes && strcmp(a->paths, b->paths) == 0 &&
           a->r.last_number == b->r.last_number;
}

/* Each byte of a file of a clean store, one at a time: damage, or nothing changes. */
static void flip_file(struct hg_sim *sim, const char *name, uint64_t step)
{
    uint64_t size = 0;
    uint64_t corrupt = 0;
    uint8_t *data = hg_sim_file_data(sim, name, &size);

    for (uint64_t at = 0; at < size; at += step) {
        data[at] ^= (uint8_t)(1u << at % 8);
        read_only(&run);
        kit_recover(sim, &run);
        data[at] ^= (uint8_t)(1u << at % 8);
        corrupt += run.rc == HOLOG_E_CORRUPT;
        cr_assert(run.rc == HOLOG_E_CORRUPT || run.rc == HOLOG_E_VERSION || run.rc == HOLOG_OK,
                  "%s byte %llu: %d", name, (unsigned long long)at, run.rc);
        cr_assert(run.rc < 0 || same(&run, &want), "%s byte %llu changes what is replayed", name,
                  (unsigned long long)at);
    }
    cr_assert(corrupt > 0 || strcmp(name, "SUPER") == 0 || strstr(name, ".hext") != NULL ||
              strcmp(name, "seg/00000004.hlog") == 0);
}

Test(recover_sweep, a_flip_in_a_clean_store_is_damage_or_harmless)
{
    char name[HG_FILE_NAME_MAX];

    kit_sample(&k);
    kit_super_clean(&k);
    struct hg_sim *sim = kit_disk(&k);
    read_only(&want);
    cr_assert_eq(kit_recover(sim, &want), HOLOG_OK, "%s", want.error.message);
    cr_assert_eq(want.n_numbers, 9);
    flip_file(sim, HG_SUPER_NAME, stride());
    for (size_t i = 0; i < k.n_files; i++) {
        kit_name(name, &k.file[i]);
        flip_file(sim, name, k.file[i].kind == HG_KIND_EXTENTS ? 197 : stride());
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_sweep, every_flip_in_a_frame_below_the_floor_is_damage)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    for (int i = 0; i < 3; i++)
        (void)kit_commit(&k, 60);
    kit_super_clean(&k);
    struct hg_sim *sim = kit_disk(&k);
    uint64_t size = 0;
    uint8_t *data = hg_sim_file_data(sim, "seg/00000001.hlog", &size);
    for (size_t i = 0; i < k.n_frames; i++) {
        const struct kit_frame *f = &k.frame[i];
        for (uint32_t bit = 0; bit < f->len * 8; bit += stride()) {
            data[f->offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
            read_only(&run);
            cr_assert_eq(kit_recover(sim, &run), HOLOG_E_CORRUPT, "frame %zu bit %u", i, bit);
            cr_assert_eq(run.error.offset, f->offset);
            data[f->offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* Commits whose frames lie whole before `size` of the last segment. */
static uint64_t whole_before(uint64_t size, uint32_t segment)
{
    uint64_t last = 0;
    for (size_t i = 0; i < k.n_frames; i++) {
        const struct kit_frame *f = &k.frame[i];
        if (f->segment < segment || f->offset + f->len <= size)
            last = f->number;
    }
    return last;
}

Test(recover_sweep, a_log_cut_anywhere_above_the_floor_is_its_prefix)
{
    kit_sample(&k);
    struct kit_file *f = &k.file[k.log];
    size_t whole = f->bytes.len;
    for (size_t len = 0; len <= whole; len += stride()) {
        f->bytes.len = len;
        struct hg_sim *sim = kit_disk(&k);
        kit_open(sim, &run);
        if (len < HG_SEGMENT_HEADER_SIZE) {
            cr_assert_eq(run.rc, HOLOG_E_CORRUPT, "length %zu", len);
        } else {
            uint64_t last = whole_before(len, f->id);
            cr_assert_eq(run.rc, HOLOG_OK, "length %zu: %s", len, run.error.message);
            cr_assert_eq(run.r.last_number, last, "length %zu", len);
            cr_assert_eq(run.n_numbers, last, "length %zu", len);
            kit_open(sim, &run);
            cr_assert_eq(run.rc, HOLOG_OK);
            cr_assert_eq(run.n_numbers, last, "length %zu, again", len);
            cr_assert_eq(run.r.cut, 0);
        }
        hg_sim_destroy(sim);
    }
    kit_end(&k);
}

Test(recover_sweep, a_log_cut_anywhere_below_the_floor_is_damage)
{
    kit_sample(&k);
    kit_super(&k, kit_pos(&k), HG_SUPER_OPEN);
    struct kit_file *f = &k.file[k.log];
    size_t whole = (size_t)f->end;
    for (size_t len = 0; len < whole; len += stride()) {
        f->bytes.len = len;
        struct hg_sim *sim = kit_disk(&k);
        cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT, "length %zu", len);
        hg_sim_destroy(sim);
    }
    kit_end(&k);
}

/* A torn group with a whole one behind it. */
static void torn_store(void)
{
    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 200);
    (void)kit_commit_large(&k, 9000);
    kit_durable(&k);
    kit_block(&k);
    struct kit_frame torn = kit_commit(&k, 3000);
    kit_block(&k);
    (void)kit_commit(&k, 300);
    kit_pad(&k, 6000);
    kit_super(&k, 0, HG_SUPER_OPEN);
    memset(kit_at(&k, &torn) + 1024, 0, 512);
    cr_assert_eq(hg_buf_append_zeros(&k.file[0].bytes, 9000), 0);
}

static void after_crash(struct hg_sim *after, uint64_t step, int strategy, uint64_t seed)
{
    for (int again = 0; again < 2; again++) {
        kit_open(after, &run);
        cr_assert_eq(run.rc, HOLOG_OK, "step %llu strategy %d seed %llu: %s",
                     (unsigned long long)step, strategy, (unsigned long long)seed,
                     run.error.message);
        cr_assert_eq(run.n_numbers, 2, "step %llu strategy %d seed %llu", (unsigned long long)step,
                     strategy, (unsigned long long)seed);
        cr_assert_eq(run.r.highest_number, 4,
                     "step %llu strategy %d seed %llu: a cut number is forgotten",
                     (unsigned long long)step, strategy, (unsigned long long)seed);
        cr_assert_eq(run.r.last_sealed, 1);
    }
    cr_assert_eq(run.r.cut, 0);
}

Test(recover_sweep, a_crash_anywhere_in_quarantine_and_seal_is_recovered, .timeout = 300)
{
    torn_store();
    for (int dirs = 0; dirs < 2; dirs++) {
        const struct hg_sim_options o = { .seed = 1, .dirs = (enum hg_sim_dirs)dirs };
        struct hg_sim *sim = kit_disk_with(&k, &o);
        uint64_t begin = hg_sim_steps(sim);
        kit_open(sim, &run);
        cr_assert_eq(run.rc, HOLOG_OK, "%s", run.error.message);
        cr_assert_gt(run.r.quarantined_bytes, 0);
        for (uint64_t step = begin; step <= hg_sim_steps(sim); step++) {
            for (int s = 0; s < HG_SIM_CRASH_STRATEGIES; s++) {
                uint64_t seeds = s == HG_SIM_CRASH_RANDOM || s == HG_SIM_CRASH_SECTORS ? 8 : 2;
                for (uint64_t seed = 1; seed <= seeds; seed++) {
                    struct hg_sim *after = NULL;
                    cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)s, seed, &after),
                                 HOLOG_OK);
                    after_crash(after, step, s, seed);
                    hg_sim_destroy(after);
                }
            }
        }
        hg_sim_destroy(sim);
    }
    kit_end(&k);
}

Test(recover_sweep, a_fault_anywhere_leaves_a_store_that_opens)
{
    torn_store();
    unsigned failed = 0;
    for (uint64_t at = 1;; at++) {
        const struct hg_sim_options o = { .seed = 1,
                                          .fault_classes = HG_SIM_F_ALL & ~HG_SIM_F_MKDIR,
                                          .fault_at = at + 1, /* make_dirs syncs once */
                                          .fault_kind = HG_SIM_FAULT_ERRNO,
                                          .fault_errno = 5 };
        struct hg_sim *sim = kit_disk_with(&k, &o);
        kit_open(sim, &run);
        int failed_now = run.rc < 0;
        cr_assert_eq(hg_sim_open_files(sim), 0);
        uint64_t calls = hg_sim_fallible_calls(sim, o.fault_classes);
        struct hg_sim *after = NULL;
        cr_assert_eq(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_ALL, 1, &after), HOLOG_OK);
        after_crash(after, at, -1, 0);
        hg_sim_destroy(after);
        hg_sim_destroy(sim);
        failed += (unsigned)failed_now;
        if (at + 1 > calls)
            break;
    }
    cr_assert_gt(failed, 20);
    kit_end(&k);
}

/* Written by a process that was killed before it synced: in the page cache, not on the disk. */
static int rewrite_and_recover(struct hg_io *io, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < k.n_files; i++) {
        char name[HG_FILE_NAME_MAX];
        struct hg_file *f = NULL;
        kit_name(name, &k.file[i]);
        cr_assert_eq(io->ops->open(io, name, HG_OPEN_WRITE, &f), HOLOG_OK);
        cr_assert_eq(hg_io_write_full(f, k.file[i].bytes.data + HG_SEGMENT_HEADER_SIZE,
                                      k.file[i].bytes.len - HG_SEGMENT_HEADER_SIZE,
                                      HG_SEGMENT_HEADER_SIZE, 0),
                     HOLOG_OK);
        cr_assert_eq(io->ops->close(f), HOLOG_OK);
    }
    memset(&run, 0, sizeof run);
    run.seal = 1;
    return kit_recover_io(io, &run);
}

Test(recover_sweep, what_recovery_kept_survives_a_power_cut_after_it)
{
    static struct kit_verify v;

    for (int sealed = 0; sealed < 2; sealed++) {
        kit_begin(&k);
        kit_extents(&k);
        kit_segment(&k, 0);
        (void)kit_commit_large(&k, 70000);
        (void)kit_commit_body(&k);
        if (sealed)
            kit_seal(&k);
        kit_super(&k, 0, HG_SUPER_OPEN);
        struct hg_sim *sim = kit_disk(&k);
        for (size_t i = 0; i < k.n_files; i++) {
            char name[HG_FILE_NAME_MAX];
            uint64_t size = 0;
            kit_name(name, &k.file[i]);
            uint8_t *data = hg_sim_file_data(sim, name, &size);
            if (sealed && k.file[i].kind == HG_KIND_EXTENTS)
                continue; /* durable before the seal is written */
            memset(data + HG_SEGMENT_HEADER_SIZE, 0, size - HG_SEGMENT_HEADER_SIZE);
        }
        cr_assert_eq(hg_sim_run(sim, rewrite_and_recover, NULL), HOLOG_OK);
        cr_assert_eq(run.n_numbers, 2);
        for (int s = 0; s < HG_SIM_CRASH_STRATEGIES; s++) {
            struct hg_sim *after = NULL;
            cr_assert_eq(hg_sim_crash(sim, hg_sim_steps(sim), (enum hg_sim_strategy)s, 3, &after),
                         HOLOG_OK);
            kit_open(after, &run);
            cr_assert_eq(run.rc, HOLOG_OK, "strategy %d: %s", s, run.error.message);
            cr_assert_eq(run.n_numbers, 2, "strategy %d", s);
            memset(&v, 0, sizeof v);
            kit_verify(after, &v);
            cr_assert_eq(v.rc, HOLOG_OK, "strategy %d: %s", s, v.found[0].message);
            hg_sim_destroy(after);
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}
