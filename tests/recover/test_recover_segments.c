/* Recovery across segments: the chain, seals, SUPER, and where replay starts. */
#include <string.h>

#include "kit.h"

static struct kit k;
static struct kit_run run;

static void expect_last(uint64_t last, const char *when)
{
    cr_assert_eq(run.rc, HOLOG_OK, "%s: %s", when, run.error.message);
    cr_assert_eq(run.r.last_number, last, "%s: %llu", when, (unsigned long long)run.r.last_number);
    cr_assert_eq(run.n_numbers, last, "%s: %zu shown", when, run.n_numbers);
}

static void expect_damage(const char *when)
{
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_CORRUPT, "%s", when);
    cr_assert_neq(run.error.message[0], '\0');
    cr_assert_eq(kit_fingerprint(sim), before, "%s", when);
    hg_sim_destroy(sim);
}

Test(recover_segments, footers_replay_what_frames_replay)
{
    static struct kit_run frames;
    kit_sample(&k);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_last(9, "footers");
    hg_sim_destroy(sim);
    for (size_t i = 0; i < k.n_files; i++) {
        if (k.file[i].sealed) /* spoil the footer */
            k.file[i].bytes.data[k.file[i].bytes.len - 1] ^= 1;
    }
    sim = kit_disk(&k);
    kit_open(sim, &frames);
    cr_assert_eq(frames.rc, HOLOG_OK, "%s", frames.error.message);
    cr_assert_eq(frames.n_numbers, 9);
    cr_assert_eq(frames.n_records, run.n_records);
    cr_assert_eq(frames.n_system, 3);
    cr_assert_eq(frames.value_bytes, run.value_bytes);
    cr_assert_str_eq(frames.paths, run.paths);
    cr_assert_str_eq(run.paths, "p/1;l/2;b/3;p/4;l/5;b/6;p/7;l/8;b/9;");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, a_sealed_last_segment_stays_sealed)
{
    kit_sample(&k);
    kit_seal(&k);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_last(9, "sealed");
    cr_assert_eq(run.r.last_sealed, 1);
    cr_assert_eq(run.r.cut, 0);
    cr_assert_eq(run.r.last_time_ns, 1009);
    cr_assert_eq(run.r.last_frame,
                 hg_pos_make(k.frame[k.n_frames - 1].segment, k.frame[k.n_frames - 1].offset));
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, a_torn_footer_is_cut_and_written_again)
{
    kit_sample(&k);
    hg_pos end = kit_pos(&k);
    kit_seal(&k);
    struct kit_file *f = &k.file[k.log];
    f->bytes.len -= 40;
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_last(9, "torn footer");
    cr_assert_eq(run.r.cut, 1);
    cr_assert_eq(HG_ALIGN_UP(run.r.end, (uint64_t)8), hg_pos_offset(end));
    cr_assert_eq(run.r.last_sealed, 1);
    kit_open(sim, &run);
    expect_last(9, "again");
    cr_assert_eq(run.r.cut, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, a_segment_with_a_header_and_no_frames_is_the_end)
{
    kit_sample(&k);
    kit_seal(&k);
    kit_segment(&k, 1);
    kit_pad(&k, 8192);
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_last(9, "empty");
    cr_assert_eq(run.r.end, HG_SEGMENT_HEADER_SIZE);
    cr_assert_eq(run.r.last_time_ns, 1009);
    cr_assert_eq(hg_pos_segment(run.r.last_frame), 4);
    kit_open(sim, &run); /* sealed now, with no frame in it */
    expect_last(9, "empty, sealed");
    cr_assert_eq(run.r.last_sealed, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, a_missing_middle_segment_is_damage_and_named)
{
    kit_sample(&k);
    kit_drop(&k, 2);
    expect_damage("middle");
    cr_assert_str_eq(run.error.path, "seg/00000003.hlog");
    kit_end(&k);
}

Test(recover_segments, a_missing_first_segment_is_damage)
{
    kit_sample(&k);
    kit_drop(&k, 1);
    expect_damage("first");
    cr_assert_str_eq(run.error.path, "seg/00000002.hlog");
    kit_end(&k);
}

Test(recover_segments, a_missing_last_segment_is_damage)
{
    kit_sample(&k);
    kit_drop(&k, 3);
    expect_damage("last");
    cr_assert_str_eq(run.error.path, "seg/00000004.hlog");
    kit_end(&k);
}

Test(recover_segments, a_copy_under_another_name_is_damage)
{
    kit_sample(&k);
    k.file[2].bytes.len = 0;
    cr_assert_eq(hg_buf_append(&k.file[2].bytes, k.file[1].bytes.data, k.file[1].bytes.len), 0);
    expect_damage("copy");
    cr_assert_eq(run.error.segment, 3);
    kit_end(&k);
}

Test(recover_segments, a_segment_of_another_store_is_damage)
{
    uint8_t header[HG_SEGMENT_HEADER_SIZE];
    kit_sample(&k);
    k.file[2].header.uuid[3] ^= 1;
    hg_segment_header_encode(&k.file[2].header, header);
    memcpy(k.file[2].bytes.data, header, sizeof header);
    expect_damage("foreign");
    cr_assert_eq(run.error.segment, 3);
    kit_end(&k);
}

Test(recover_segments, a_damaged_frame_in_a_segment_without_footer_that_has_a_successor_is_damage)
{
    kit_sample(&k);
    k.file[2].bytes.data[k.file[2].bytes.len - 1] ^= 1;
    struct kit_frame *f = &k.frame[6];
    cr_assert_eq(f->segment, 3);
    kit_at(&k, f)[90] ^= 1;
    expect_damage("no footer");
    cr_assert_eq(run.error.segment, 3);
    cr_assert_eq(run.error.offset, f->offset);
    kit_end(&k);
}

Test(recover_segments, super_names_no_segment_and_there_is_none)
{
    kit_begin(&k);
    kit_super(&k, 0, HG_SUPER_CLEAN);
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(hg_sim_file_put(sim, "seg/00000001.tmp", "x", 1), HOLOG_OK);
    kit_open(sim, &run);
    expect_last(0, "nothing yet");
    cr_assert_eq(run.r.last_segment, 0);
    cr_assert_eq(run.r.next_segment, 2, "an id that a .tmp had is not used again");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, no_super_and_no_commit_is_no_store_yet)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    k.no_super = 1;
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_NOTSTORE);
    cr_assert_eq(hg_sim_file_put(sim, HG_SUPER_NAME, "HOLOGSUPtorn", 12), HOLOG_OK);
    cr_assert_eq(kit_open(sim, &run), HOLOG_E_NOTSTORE);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, no_super_and_a_commit_is_damage)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 10);
    k.no_super = 1;
    expect_damage("lost SUPER");
    cr_assert_str_eq(run.error.path, "SUPER");
    kit_end(&k);
}

Test(recover_segments, one_damaged_super_slot_is_harmless)
{
    kit_sample(&k);
    kit_super(&k, kit_pos(&k), HG_SUPER_OPEN);
    for (unsigned slot = 0; slot < 2; slot++) {
        struct hg_sim *sim = kit_disk(&k);
        hg_sim_file_data(sim, HG_SUPER_NAME, &(uint64_t){ 0 })[slot * 4096 + 75] ^= 1;
        kit_open(sim, &run);
        expect_last(9, "one slot");
        hg_sim_destroy(sim);
    }
    kit_end(&k);
}

Test(recover_segments, replay_starts_behind_the_frame_it_was_told)
{
    kit_sample(&k);
    struct hg_sim *sim = kit_disk(&k);
    for (size_t i = 0; i < k.n_frames; i++) {
        const struct kit_frame *f = &k.frame[i];
        memset(&run, 0, sizeof run);
        run.o.read_only = 1;
        run.o.from = i % 2 == 0 ? kit_end_of(f) : hg_pos_make(f->segment, f->offset + f->len);
        run.o.from_hash = f->hash;
        run.o.from_len = f->len;
        kit_recover(sim, &run);
        cr_assert_eq(run.rc, HOLOG_OK, "frame %zu: %s", i, run.error.message);
        cr_assert_eq(run.n_numbers, 9 - f->number, "frame %zu: %zu", i, run.n_numbers);
        cr_assert_eq(run.r.last_number, 9);
        cr_assert_eq(run.r.used_known, 1);
        cr_assert_eq(run.r.last_time_ns, 1009);
        run.o.from_hash ^= 1;
        cr_assert_eq(kit_recover(sim, &run), HOLOG_E_STALE);
        run.o.from_hash ^= 1;
        run.o.from_len += 8;
        cr_assert_eq(kit_recover(sim, &run), HOLOG_E_STALE);
    }
    run.o.from = kit_pos(&k) + 4096;
    cr_assert_eq(kit_recover(sim, &run), HOLOG_E_STALE);
    run.o.from = hg_pos_make(99, 8192);
    cr_assert_eq(kit_recover(sim, &run), HOLOG_E_STALE);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, used_of_extents_is_what_frames_name_and_the_rest_is_cut)
{
    kit_sample(&k);
    uint64_t named = HG_ALIGN_UP(k.file[0].bytes.len, HG_BLOCK);
    cr_assert_eq(hg_buf_append_zeros(&k.file[0].bytes, 200000), 0);
    struct hg_sim *sim = kit_disk(&k);
    uint64_t size = 0;
    kit_open(sim, &run);
    expect_last(9, "extents");
    (void)hg_sim_file_data(sim, "seg/00000001.hext", &size);
    cr_assert_eq(size, named);
    kit_open(sim, &run);
    expect_last(9, "extents again");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, a_number_that_was_cut_is_remembered_by_quarantine)
{
    kit_begin(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 10);
    kit_durable(&k);
    kit_block(&k);
    struct kit_frame b = kit_commit(&k, 10);
    kit_block(&k);
    (void)kit_commit(&k, 10);
    kit_super(&k, 0, HG_SUPER_OPEN);
    kit_at(&k, &b)[3] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    expect_last(1, "cut");
    cr_assert_eq(run.r.highest_number, 3);
    kit_open(sim, &run);
    expect_last(1, "again");
    cr_assert_eq(run.r.cut, 0);
    cr_assert_eq(run.r.highest_number, 3);
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* ---- extent segments that nobody names ----------------------------------------------------------*/

static int is_there(struct hg_sim *sim, const char *name)
{
    uint64_t size = 0;
    return hg_sim_file_data(sim, name, &size) != NULL;
}

/* The sample, and an extent segment that a writer made and was killed. */
static void sample_with_stray(char *stray)
{
    kit_sample(&k);
    kit_super(&k, kit_pos(&k), HG_SUPER_OPEN);
    kit_extents(&k);
    kit_name(stray, &k.file[k.n_files - 1]);
    k.super.next_segment = k.file[k.n_files - 1].id; /* SUPER has not heard of it */
}

static void check_named(struct hg_sim *sim, const char *stray, const char *what)
{
    uint32_t id = k.file[k.n_files - 1].id;

    expect_last(9, what);
    cr_assert_not(is_there(sim, stray), "%s", what);
    cr_assert(is_there(sim, "seg/00000001.hext"), "%s", what);
    cr_assert_gt(run.r.next_segment, id, "%s: an id would be used again", what);
}

Test(recover_segments, an_extent_segment_that_nobody_names_is_removed)
{
    char stray[HG_FILE_NAME_MAX];

    sample_with_stray(stray);
    struct hg_sim *sim = kit_disk(&k);
    cr_assert(is_there(sim, stray));
    kit_open(sim, &run);
    check_named(sim, stray, "once");
    kit_open(sim, &run);
    check_named(sim, stray, "twice");
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(recover_segments, a_second_crash_while_extent_segments_are_removed_changes_nothing)
{
    char stray[HG_FILE_NAME_MAX];
    struct hg_sim *first = NULL;
    unsigned states = 0;

    sample_with_stray(stray);
    first = kit_disk(&k);
    kit_open(first, &run);
    for (uint64_t step = 0; step <= hg_sim_steps(first); step++) {
        for (unsigned how = 0; how < HG_SIM_CRASH_STRATEGIES; how++) {
            struct hg_sim *after = NULL;
            cr_assert_eq(hg_sim_crash(first, step, (enum hg_sim_strategy)how, step, &after), 0);
            kit_open(after, &run);
            check_named(after, stray, "after a second crash");
            hg_sim_destroy(after);
            states++;
        }
    }
    cr_assert_gt(states, 100);
    hg_sim_destroy(first);
    kit_end(&k);
}

Test(recover_segments, a_segment_made_after_a_clean_close_makes_the_store_unclean)
{
    kit_sample(&k);
    kit_super_clean(&k);
    uint32_t next = k.super.next_segment;
    kit_extents(&k);
    k.super.next_segment = next;
    struct hg_sim *sim = kit_disk(&k);
    kit_open(sim, &run);
    cr_assert_eq(run.r.clean, 0);
    expect_last(9, "unclean");
    hg_sim_destroy(sim);
    kit_end(&k);
}
