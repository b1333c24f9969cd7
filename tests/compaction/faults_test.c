/* What fails leaves nothing behind; what has succeeded outlives a power cut. */
#include <errno.h>

#include "small.h"

static int exists(struct hg_io *io, void *ctx)
{
    int is_there = 0;
    int rc = io->ops->exists(io, KIT_TMP, &is_there);

    (void)ctx;
    return rc < 0 ? rc : is_there;
}

/* The n-th call fails, for every n until none does. Returns how many there were. */
static unsigned fail_each(struct kit_plan *p, enum hg_sim_fault_kind kind, int error)
{
    for (unsigned at = 1;; at++) {
        const struct hg_sim_options plain = { .seed = 1 };
        struct hg_sim_options o = { .seed = 1,
                                    .fault_classes = HG_SIM_F_ALL & ~HG_SIM_F_MKDIR,
                                    .fault_at = at,
                                    .fault_kind = kind,
                                    .fault_errno = error };
        struct hg_sim *sim = NULL;
        OK(hg_sim_create(&o, &sim));
        int rc = hg_sim_run(sim, kit_write_segment, p);
        int is_over = hg_sim_fallible_calls(sim, o.fault_classes) < at;
        cr_assert_eq(hg_sim_open_files(sim), 0, "call %u leaves a file open", at);
        hg_sim_set_options(sim, &plain);
        if (rc < 0)
            cr_assert_eq(hg_sim_run(sim, exists, NULL), 0, "call %u leaves a file", at);
        hg_sim_destroy(sim);
        cr_assert_eq(rc < 0, !is_over && kind == HG_SIM_FAULT_ERRNO, "call %u: %d", at, rc);
        if (is_over)
            return at - 1;
    }
}

static int fill_noise(struct hg_hwp_writer *w, void *ctx)
{
    return hg_hwp_add_value(w, 7, NULL, ctx, 3500000, NULL);
}

Test(hwp_faults, a_write_that_fails_leaves_no_file)
{
    uint8_t *noise = malloc(3500000); /* several pieces */
    uint64_t seed = 1;
    struct kit_plan p = { .fill = fill_noise, .ctx = noise };

    for (size_t i = 0; i < 3500000; i++)
        noise[i] = (uint8_t)kit_random(&seed);
    cr_assert_geq(fail_each(&p, HG_SIM_FAULT_ERRNO, EIO), 7); /* open, 4 pieces, sync, close */
    cr_assert_geq(fail_each(&p, HG_SIM_FAULT_ERRNO, ENOSPC), 7);
    (void)fail_each(&p, HG_SIM_FAULT_SHORT_HALF, 0);
    (void)fail_each(&p, HG_SIM_FAULT_EINTR, 0);
    free(noise);
}

static int write_and_rename(struct hg_io *io, void *ctx)
{
    int rc = kit_write_segment(io, ctx);

    if (rc == HOLOG_OK)
        rc = io->ops->rename(io, KIT_TMP, KIT_NAME);
    if (rc == HOLOG_OK)
        rc = io->ops->sync_dir(io, HG_SEG_DIR);
    return rc < 0 ? rc : io->ops->sync_dir(io, "");
}

Test(hwp_faults, what_is_finished_and_renamed_outlives_a_power_cut)
{
    const struct hg_sim_options o = { .seed = 1 };
    struct small *s = small_make();
    struct kit_plan p = { .profile = HG_PROFILE_DEFAULT, .fill = small_fill, .ctx = s };
    struct hg_sim *sim = NULL;
    struct hg_sim *after = NULL;
    uint64_t size = 0;

    OK(hg_sim_create(&o, &sim));
    OK(hg_sim_run(sim, write_and_rename, &p));
    OK(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_NONE, 1, &after));
    const uint8_t *data = hg_sim_file_data(after, KIT_NAME, &size);
    cr_assert_not_null(data);
    cr_assert_eq(size, p.info.size);
    struct kit_file *f = kit_file_of(malloc(size), size);
    memcpy(f->data, data, size);
    for (unsigned i = 0; i < SMALL_PAGES; i++)
        memset(s->page[i] + 1000 * i + 100, 0, 20);
    struct hg_hwp *h = kit_open_file(f);
    cr_assert_eq(small_check(h, s, "after a cut"), SMALL_THINGS);
    hg_hwp_close(h);
    kit_file_free(f);
    hg_sim_destroy(after);
    hg_sim_destroy(sim);
    small_free(s);
}

static int read_fails(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    struct kit_file *f = ctx;

    if (f->calls == 0)
        return hg_error(HOLOG_E_IO, "planned");
    f->calls -= 2; /* one more is added */
    return kit_read(ctx, buf, len, offset, out_n);
}

Test(hwp_faults, a_read_that_fails_is_not_taken_for_damage)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp_verify how = { 0 };

    f->bytes.read = read_fails;
    for (unsigned at = 0;; at++) {
        struct hg_hwp_from from = kit_from(f);
        struct hg_hwp *h = NULL;
        f->calls = at;
        int rc = hg_hwp_open(&from, &h);
        if (rc == HOLOG_OK) {
            rc = hg_hwp_verify(h, &how);
            hg_hwp_close(h);
        }
        if (rc == HOLOG_OK)
            break;
        cr_assert_eq(rc, HOLOG_E_IO, "read %u: %d", at, rc);
        cr_assert_lt(at, 100);
    }
    kit_file_free(f);
    small_free(s);
}

/* ---- memory --------------------------------------------------------------------------------------*/

static int fail_nth(size_t size, void *ctx)
{
    long *left = ctx;

    (void)size;
    return (*left)-- == 0;
}

struct short_of_memory {
    struct kit_plan plan;
    long at;
    long live;
};

static int write_without(struct hg_io *io, void *ctx)
{
    struct short_of_memory *m = ctx;
    struct hg_segment_header h = kit_header();
    struct hg_hwp_writer *w = NULL;
    long left = m->at;
    int rc = io->ops->mkdir(io, HG_SEG_DIR);

    if (rc < 0)
        return rc;
    hg_alloc_set_fault(fail_nth, &left);
    rc = hg_hwp_create(io, &h, m->plan.profile, &w);
    if (rc == HOLOG_OK) {
        rc = m->plan.fill(w, m->plan.ctx);
        if (rc < 0)
            hg_hwp_abort(w);
        else
            rc = hg_hwp_finish(w, NULL);
    }
    m->live = hg_alloc_live();
    hg_alloc_set_fault(NULL, NULL);
    if (left >= 0)
        return rc < 0 ? rc : 1; /* there was memory enough */
    return rc;
}

Test(hwp_faults, a_writer_without_memory_says_so_and_leaves_nothing)
{
    struct small *s = small_make();
    struct short_of_memory m = {
        .plan = { .profile = HG_PROFILE_DEFAULT, .fill = small_fill, .ctx = s }
    };
    int rc = 0;

    for (m.at = 0; rc != 1; m.at++) {
        const struct hg_sim_options o = { .seed = 1 };
        struct hg_sim *sim = NULL;
        OK(hg_sim_create(&o, &sim));
        rc = hg_sim_run(sim, write_without, &m);
        cr_assert(rc == 1 || rc == HOLOG_E_NOMEM, "allocation %ld: %d", m.at, rc);
        cr_assert_eq(m.live, 0, "allocation %ld: %ld blocks stay", m.at, m.live);
        if (rc < 0)
            cr_assert_eq(hg_sim_run(sim, exists, NULL), 0, "allocation %ld leaves a file", m.at);
        hg_sim_destroy(sim);
        cr_assert_lt(m.at, 2000);
    }
    cr_assert_gt(m.at, 20);
    small_free(s);
}

static int read_everything(const struct kit_file *f, const struct small *s)
{
    struct hg_hwp_from from = kit_from(f);
    struct hg_hwp_verify how = { 0 };
    static uint8_t out[HG_HWP_PAGE];
    struct hg_hwp *h = NULL;
    int rc;

    from.work = NULL; /* not those that the file has used before */
    rc = hg_workspaces_create(&from.work);

    if (rc == HOLOG_OK)
        rc = hg_hwp_open(&from, &h);
    if (rc == HOLOG_OK)
        rc = hg_hwp_verify(h, &how);
    if (rc == HOLOG_OK)
        rc = hg_hwp_read(h, hg_hwp_find(h, s->other.birth), 5, 4000, out, NULL);
    if (rc == HOLOG_OK)
        rc = hg_hwp_read_page(h, hg_hwp_find_page(h, 4, 1), out);
    hg_hwp_close(h);
    hg_workspaces_destroy(from.work);
    return rc;
}

Test(hwp_faults, a_reader_without_memory_says_so_and_leaves_nothing)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    long at = 0;
    int rc;

    do {
        long left = at++;
        hg_alloc_set_fault(fail_nth, &left);
        rc = read_everything(f, s);
        long live = hg_alloc_live();
        hg_alloc_set_fault(NULL, NULL);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM, "allocation %ld: %d", at, rc);
        cr_assert_eq(live, 0, "allocation %ld: %ld blocks stay", at, live);
        cr_assert_eq(rc == HOLOG_OK, left >= 0);
    } while (rc < 0);
    cr_assert_gt(at, 15);
    kit_file_free(f);
    small_free(s);
}
