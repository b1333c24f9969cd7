/* The decision table of docs/DURABILITY.md, a test for each row. */
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;

/* A segment with three commits, the first two known durable by the third's floor. */
static struct kit_frame three_commits(struct kit_frame f[3])
{
    kit_begin(&k);
    kit_segment(&k, 0);
    kit_durable(&k);
    for (int i = 0; i < 3; i++) {
        f[i] = kit_commit(&k, 300);
        if (i < 2)
            kit_durable(&k);
    }
    kit_super(&k, 0, HG_SUPER_OPEN);
    return f[2];
}

static void expect_numbers(uint64_t last, const char *when)
{
    cr_assert_eq(run.rc, HOLOG_OK, "%s: %s", when, run.error.message);
    cr_assert_eq(run.n_numbers, last, "%s: %zu commits", when, run.n_numbers);
    for (uint64_t i = 0; i < last; i++)
        cr_assert_eq(run.numbers[i], i + 1, "%s", when);
    cr_assert_eq(run.r.last_number, last, "%s", when);
}

Test(recover, a_log_that_ends_in_zeros_ends_there)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_pad(&k, 20000);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(3, "zeros");
    cr_assert_eq(run.r.cut, 0);
    cr_assert_eq(run.r.cut_bytes, 0);
    cr_assert_eq(run.r.last_sealed, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_bad_last_frame_above_every_floor_is_a_torn_tail)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_at(&k, &f[2])[HG_FRAME_HEADER_SIZE + 20] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(2, "torn");
    cr_assert_eq(run.r.cut, 1);
    cr_assert_gt(run.r.cut_bytes, 0);
    cr_assert_eq(run.r.end, f[1].offset + f[1].len);
    cr_assert_eq(run.r.highest_number, 3);
    kit_open(sim, &run);
    expect_numbers(2, "second open");
    cr_assert_eq(run.r.cut, 0);
    cr_assert_eq(run.r.highest_number, 3);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_bad_frame_with_nothing_behind_is_damage_when_super_knows_it_durable)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_super(&k, kit_pos(&k), HG_SUPER_OPEN);
    kit_at(&k, &f[2])[HG_FRAME_HEADER_SIZE + 20] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT);
    cr_assert_eq(run.error.segment, 1);
    cr_assert_eq(run.error.offset, f[2].offset);
    cr_assert_eq(kit_fingerprint(sim), before, "a refused open must not change a byte");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_bad_frame_below_the_floor_of_a_later_frame_is_damage)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_at(&k, &f[0])[70] ^= 0x40;
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT);
    cr_assert_eq(run.error.has_position, 1);
    cr_assert_eq(run.error.offset, f[0].offset);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_damaged_header_below_the_floor_is_damage)
{
    struct kit_frame f[3];
    three_commits(f);
    memset(kit_at(&k, &f[0]), 0, HG_FRAME_HEADER_SIZE);
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, later_frames_whose_floors_are_not_beyond_the_hole_are_writes_in_flight)
{
    /* group 2 torn, group 3 complete, both sealed when group 1 was durable */
    kit_begin(&k);
    kit_segment(&k, 0);
    kit_durable(&k);
    struct kit_frame a = kit_commit(&k, 100);
    kit_durable(&k);
    kit_block(&k);
    struct kit_frame b = kit_commit(&k, 100);
    kit_block(&k);
    (void)kit_commit(&k, 100);
    kit_pad(&k, 8192);
    kit_super(&k, 0, HG_SUPER_OPEN);
    memset(kit_at(&k, &b), 0, b.len);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(1, "in flight");
    cr_assert_eq(run.r.end, a.offset + a.len);
    cr_assert_eq(run.r.highest_number, 3);
    cr_assert_gt(run.r.quarantined_bytes, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_group_that_starts_at_the_next_block_is_found)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    kit_durable(&k);
    for (int i = 0; i < 3; i++) {
        (void)kit_commit(&k, 100);
        kit_block(&k);
    }
    kit_super(&k, 0, HG_SUPER_OPEN);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(3, "blocks");
    cr_assert_eq(run.r.cut, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, stale_frames_of_another_epoch_are_no_frames)
{
    struct kit_frame f[3];
    three_commits(f);
    struct kit_file *file = &k.file[0];
    uint8_t copy[512];
    memcpy(copy, kit_at(&k, &f[2]), f[2].len);
    kit_block(&k);
    cr_assert_eq(hg_buf_append(&file->bytes, copy, f[2].len), HOLOG_OK); /* misplaced */
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(3, "misplaced");
    cr_assert_eq(run.r.cut, 1);
    cr_assert_eq(run.r.quarantined_bytes, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, garbage_behind_the_end_is_a_torn_tail)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_pad(&k, 5000);
    memset(k.file[0].bytes.data + k.file[0].bytes.len - 100, 0xA5, 100);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(3, "garbage");
    cr_assert_eq(run.r.cut, 1);
    cr_assert_eq(run.r.cut_bytes, 100);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_read_error_is_never_the_end_of_the_log)
{
    struct kit_frame f[3];
    unsigned failed = 0;

    three_commits(f);
    for (uint64_t at = 1;; at++) {
        const struct hg_sim_options o = { .seed = 1,
                                          .fault_classes =
                                              HG_SIM_F_READ | HG_SIM_F_OPEN | HG_SIM_F_READ_DIR,
                                          .fault_at = at,
                                          .fault_kind = HG_SIM_FAULT_ERRNO,
                                          .fault_errno = 5 };
        struct hg_sim *sim = kit_disk_with(&k, &o);
        uint64_t before = kit_fingerprint(sim);
        kit_open(sim, &run);
        uint64_t calls = hg_sim_fallible_calls(sim, o.fault_classes);
        if (run.rc == HOLOG_OK) {
            expect_numbers(3, "past the last call");
            cr_assert_gt(at, calls, "call %llu failed unseen", (unsigned long long)at);
            hg_sim_destroy(sim);
            break;
        }
        cr_assert_eq(run.rc, HOLOG_E_IO, "call %llu: %s", (unsigned long long)at,
                     run.error.message);
        (void)before; /* sealing may have begun: nothing above `end` is claimed here */
        failed++;
        hg_sim_destroy(sim);
    }
    cr_assert_gt(failed, 5);
    kit_end(&k);
}

Test(recover, a_gap_in_the_numbers_is_damage)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 50);
    k.highest++;
    (void)kit_commit(&k, 50);
    kit_super(&k, 0, HG_SUPER_OPEN);
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_group_in_the_block_of_its_predecessor_is_found_behind_dirty_padding)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    struct kit_frame a = kit_commit(&k, 101);
    kit_block(&k);
    (void)kit_commit(&k, 100);
    kit_super(&k, 0, HG_SUPER_OPEN);
    kit_at(&k, &a)[a.len + 1] ^= 0x10; /* between the two */
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(2, "dirty padding");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, an_extent_that_did_not_arrive_above_the_floor_undoes_its_commit)
{
    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    struct kit_frame a = kit_commit(&k, 10);
    kit_durable(&k);
    (void)kit_commit_large(&k, 70000);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
    k.file[0].bytes.data[HG_BLOCK + 66000] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(1, "extent");
    cr_assert_eq(run.r.end, a.offset + a.len);
    cr_assert_eq(run.r.cut, 1);
    cr_assert_gt(run.r.quarantined_bytes, 0);
    cr_assert_eq(run.r.highest_number, 3);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_record_list_that_did_not_arrive_above_the_floor_undoes_its_commit)
{
    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 10);
    (void)kit_commit_body(&k);
    kit_super(&k, 0, HG_SUPER_OPEN);
    k.file[0].bytes.data[HG_BLOCK + 9] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(1, "body");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, an_extent_file_that_is_missing_above_the_floor_undoes_its_commit)
{
    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 10);
    (void)kit_commit_large(&k, 5000);
    kit_super(&k, 0, HG_SUPER_OPEN);
    kit_drop(&k, 0);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(1, "no extent file");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, an_extent_file_that_is_missing_below_the_floor_is_damage)
{
    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    (void)kit_commit_large(&k, 5000);
    kit_durable(&k);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
    kit_drop(&k, 0);
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT);
    cr_assert_eq(run.error.segment, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_clean_store_ends_at_its_floor_and_is_not_sealed)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_super_clean(&k);
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    kit_open(sim, &run);
    expect_numbers(3, "clean");
    cr_assert_eq(run.r.clean, 1);
    cr_assert_eq(run.r.last_sealed, 0);
    cr_assert_eq(kit_fingerprint(sim), before);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, frames_behind_the_floor_of_a_clean_store_make_it_unclean)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_super(&k, kit_end_of(&f[1]), HG_SUPER_CLEAN);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_numbers(3, "written after");
    cr_assert_eq(run.r.clean, 0);
    cr_assert_eq(run.r.last_sealed, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, reading_only_writes_nothing)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_at(&k, &f[2])[HG_FRAME_HEADER_SIZE + 20] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    memset(&run, 0, sizeof run);
    run.o.read_only = 1;
    kit_recover(sim, &run);
    expect_numbers(2, "reading only");
    cr_assert_eq(run.r.cut, 1);
    cr_assert_eq(kit_fingerprint(sim), before);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, a_limit_hides_what_is_behind_it)
{
    struct kit_frame f[3];
    three_commits(f);
    memset(kit_at(&k, &f[2]), 0xEE, f[2].len);
    struct hg_sim *sim = kit_disk(&k);
    memset(&run, 0, sizeof run);
    run.o.read_only = 1;
    run.o.limit = kit_end_of(&f[1]);
    kit_recover(sim, &run);
    expect_numbers(2, "limit");
    cr_assert_eq(run.r.cut, 0);
    run.o.limit = kit_end_of(&f[2]);
    cr_assert_eq(kit_recover(sim, &run), HOLOG_E_CORRUPT);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, point_in_time_ends_before_the_first_damage)
{
    struct kit_frame f[3];
    three_commits(f);
    kit_super(&k, kit_pos(&k), HG_SUPER_OPEN);
    kit_at(&k, &f[1])[80] ^= 4;
    struct hg_sim *sim = kit_disk(&k);
    memset(&run, 0, sizeof run);
    run.o.read_only = 1;
    run.o.mode = HG_RECOVER_POINT_IN_TIME;
    kit_recover(sim, &run);
    expect_numbers(1, "point in time");
    cr_assert_eq(run.r.cut, 1);
    cr_assert_eq(run.r.highest_number, 3);
    run.o.read_only = 0;
    cr_assert_eq(kit_recover(sim, &run), HOLOG_E_INVAL);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover, frames_longer_than_a_read_are_walked)
{
    static const size_t lengths[] = { 100,     2 << 20, 3000000, 17,      5 << 20,
                                      2097088, 2097000, 1 << 20, 9000000, 50 };
    const size_t n = sizeof lengths / sizeof *lengths;

    kit_begin(&k);
    k.capacity = HG_SEGMENT_MAX;
    kit_segment(&k, 0);
    for (size_t i = 0; i < n; i++) {
        (void)kit_commit(&k, lengths[i]);
        if (i % 3 == 1)
            kit_block(&k);
    }
    kit_pad(&k, 5 << 20);
    kit_super(&k, 0, HG_SUPER_OPEN);
    struct hg_sim *sim = kit_disk(&k);
    memset(&run, 0, sizeof run);
    run.o.read_only = 1;
    kit_recover(sim, &run);
    expect_numbers(n, "long frames");
    cr_assert_eq(run.r.cut, 0);
    uint64_t size = 0;
    uint8_t *data = hg_sim_file_data(sim, "seg/00000001.hlog", &size);
    for (size_t i = 1; i <= n; i++) { /* each one torn: a prefix, with frames behind it */
        const struct kit_frame *f = &k.frame[i];
        data[f->offset + f->len - 1] ^= 1;
        kit_recover(sim, &run);
        expect_numbers(i - 1, "a long frame is torn");
        cr_assert_eq(run.r.cut, 1);
        cr_assert_eq(run.r.highest_number, n);
        data[f->offset + f->len - 1] ^= 1;
    }
    data[size - 1] = 1; /* far behind */
    kit_recover(sim, &run);
    expect_numbers(n, "garbage far behind");
    cr_assert_eq(run.r.cut_bytes, 1);
    run.seal = 1;
    run.o.read_only = 0;
    kit_recover(sim, &run);
    expect_numbers(n, "sealed");
    kit_recover(sim, &run);
    expect_numbers(n, "from the footer");
    cr_assert_eq(run.r.cut, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}
