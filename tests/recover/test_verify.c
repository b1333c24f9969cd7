/* Verify finds every damage, names it, and goes on. */
#include <errno.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/hash.h"
#include "kit.h"

static struct kit k;
static struct kit_verify v;

static void begin(void)
{
    kit_sample(&k);
    kit_super_clean(&k);
    memset(&v, 0, sizeof v);
}

Test(verify, a_sound_store_is_sound)
{
    begin();
    struct hg_sim *sim = kit_disk(&k);
    uint64_t before = kit_fingerprint(sim);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK, "%s: %s", v.found[0].file, v.found[0].message);
    cr_assert_eq(v.n_found, 0, "%s: %s", v.found[0].file, v.found[0].message);
    v.flags = HOLOG_VERIFY_QUICK;
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK);
    cr_assert_eq(v.n_found, 0);
    cr_assert_eq(kit_fingerprint(sim), before);
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* Reads fail from the nth on, all of them or that one. The next segment is read ahead of its turn:
 * what fails there must not get lost. */
Test(verify, what_cannot_be_read_is_reported_and_a_short_read_is_none)
{
    begin();
    struct hg_sim *sound = kit_disk(&k);
    kit_verify(sound, &v);
    uint64_t calls = hg_sim_fallible_calls(sound, HG_SIM_F_READ); /* faults make for more of them */
    hg_sim_destroy(sound);
    cr_assert_gt(calls, 10);
    for (enum hg_sim_fault_kind kind = HG_SIM_FAULT_ERRNO; kind <= HG_SIM_FAULT_EINTR; kind++) {
        for (uint64_t at = 1; at <= calls; at++) {
            for (int for_good = 0; for_good < 2; for_good++) {
                const struct hg_sim_options o = { .seed = 1,
                                                  .fault_classes = HG_SIM_F_READ,
                                                  .fault_at = at,
                                                  .fault_sticky = for_good,
                                                  .fault_kind = kind,
                                                  .fault_errno = EIO };
                struct hg_sim *sim = kit_disk_with(&k, &o);
                kit_verify(sim, &v);
                cr_assert_eq(hg_sim_open_files(sim), 0, "read %u", (unsigned)at);
                if (kind == HG_SIM_FAULT_ERRNO && for_good)
                    cr_assert(v.rc < 0 || v.n_found > 0, "read %u", (unsigned)at);
                else if (kind != HG_SIM_FAULT_ERRNO && !for_good)
                    cr_assert(v.rc == HOLOG_OK && v.n_found == 0, "read %u", (unsigned)at);
                hg_sim_destroy(sim);
            }
        }
    }
    kit_end(&k);
}

Test(verify, every_byte_of_a_frame_or_footer_is_looked_at)
{
    char name[HG_FILE_NAME_MAX];

    begin();
    struct hg_sim *sim = kit_disk(&k);
    for (size_t i = 0; i < k.n_files; i++) {
        uint64_t size = 0;
        kit_name(name, &k.file[i]);
        uint8_t *data = hg_sim_file_data(sim, name, &size);
        uint64_t stop = k.file[i].kind == HG_KIND_FRAMES ? size : HG_SEGMENT_HEADER_SIZE;
        if (!k.file[i].sealed)
            stop = HG_MIN(stop, k.file[i].kind == HG_KIND_FRAMES ? k.file[i].end : stop);
        for (uint64_t at = 0; at < stop; at += 3) {
            data[at] ^= 0x20;
            kit_verify(sim, &v);
            data[at] ^= 0x20;
            cr_assert_gt(v.n_found, 0, "%s byte %llu", name, (unsigned long long)at);
            cr_assert(v.rc == (v.n_harmful > 0 ? HOLOG_E_CORRUPT : HOLOG_OK));
        }
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(verify, every_block_of_a_value_in_an_extent_is_looked_at)
{
    uint64_t size = 0;

    begin();
    struct hg_sim *sim = kit_disk(&k);
    uint8_t *data = hg_sim_file_data(sim, "seg/00000001.hext", &size);
    for (uint64_t at = HG_BLOCK; at < HG_BLOCK + 70000; at += 1009) {
        data[at] ^= 1;
        kit_verify(sim, &v);
        data[at] ^= 1;
        cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
        cr_assert_eq(v.n_harmful, 1);
        cr_assert_str_eq(v.found[0].path, "l/2");
        cr_assert_str_eq(v.found[0].file, "seg/00000001.hext");
        cr_assert_eq(v.found[0].first_number, 2);
        cr_assert_eq(v.found[0].offset, HG_BLOCK + (at - HG_BLOCK) / 65536 * 65536);
    }
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(verify, several_damages_are_all_found)
{
    begin();
    kit_at(&k, &k.frame[1])[80] ^= 1; /* segment 2, commit 1 */
    kit_at(&k, &k.frame[5])[80] ^= 1; /* segment 3, commit 4 */
    k.file[0].bytes.data[HG_BLOCK + 5] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
    cr_assert_eq(v.n_harmful, 3, "%zu", v.n_harmful);
    cr_assert_eq(v.found[0].segment, 2);
    cr_assert_eq(v.found[0].offset, k.frame[1].offset);
    cr_assert_eq(v.found[0].first_number, 1);
    cr_assert_eq(v.found[0].last_number, 1);
    cr_assert_str_eq(v.found[1].path, "l/2");
    cr_assert_eq(v.found[2].segment, 3);
    cr_assert_eq(v.found[2].first_number, 4);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(verify, a_missing_segment_is_named_and_the_rest_is_read)
{
    begin();
    kit_drop(&k, 2);
    kit_at(&k, &k.frame[9])[80] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_verify(sim, &v);
    cr_assert_eq(v.n_harmful, 2);
    cr_assert_str_eq(v.found[0].file, "seg/00000003.hlog");
    cr_assert_eq(v.found[1].segment, 4);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(verify, a_torn_tail_is_a_note_and_no_damage)
{
    kit_sample(&k);
    memset(&v, 0, sizeof v);
    kit_at(&k, &k.frame[k.n_frames - 1])[70] ^= 1;
    struct hg_sim *sim = kit_disk(&k);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK);
    cr_assert_eq(v.n_found, 1);
    cr_assert_eq(v.found[0].harmless, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

static void break_extent(int with_floor)
{
    uint64_t size = 0;

    kit_begin(&k);
    kit_extents(&k);
    kit_segment(&k, 0);
    (void)kit_commit(&k, 100);
    kit_durable(&k);
    (void)kit_commit_large(&k, 70000);
    if (with_floor)
        kit_durable(&k);
    (void)kit_commit(&k, 100);
    kit_super(&k, 0, HG_SUPER_OPEN);
    memset(&v, 0, sizeof v);
    struct hg_sim *sim = kit_disk(&k);
    uint8_t *data = hg_sim_file_data(sim, "seg/00000001.hext", &size);
    data[HG_BLOCK + 100] ^= 1;
    kit_verify(sim, &v);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(verify, an_extent_that_did_not_arrive_above_the_floor_is_a_note_and_no_damage)
{
    break_extent(0);
    cr_assert_eq(v.rc, HOLOG_OK, "%s", v.found[0].message);
    cr_assert_eq(v.n_found, 1);
    cr_assert(strstr(v.found[0].message, "never acknowledged") != NULL);
    break_extent(1);
    cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
    cr_assert_str_eq(v.found[0].file, "seg/00000001.hext");
}

Test(verify, stray_files_and_bad_checkpoints_are_harmless_notes)
{
    begin();
    struct hg_sim *sim = kit_disk(&k);
    cr_assert_eq(hg_sim_file_put(sim, "notes.txt", "x", 1), HOLOG_OK);
    cr_assert_eq(hg_sim_file_put(sim, "seg/00000009.tmp", "x", 1), HOLOG_OK);
    cr_assert_eq(hg_sim_file_put(sim, "seg/readme", "x", 1), HOLOG_OK);
    cr_assert_eq(hg_sim_file_put(sim, "chk/0000000000000001.hidx", "x", 1), HOLOG_OK);
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK);
    cr_assert_eq(v.n_found, 4);
    cr_assert_eq(v.n_harmful, 0);
    hg_sim_destroy(sim);
    kit_end(&k);
}

Test(verify, lost_super_is_damage_one_slot_is_not)
{
    begin();
    struct hg_sim *sim = kit_disk(&k);
    uint64_t size = 0;
    uint8_t *super = hg_sim_file_data(sim, HG_SUPER_NAME, &size);
    super[80] ^= 1;
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_OK);
    cr_assert_eq(v.n_found, 1);
    super[4096 + 80] ^= 1;
    kit_verify(sim, &v);
    cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
    cr_assert_eq(v.n_harmful, 1);
    hg_sim_destroy(sim);
    kit_end(&k);
}

/* What a later version may have written into a block whose hash stands at 4080. */
static void from_the_future(uint8_t *block, size_t at, uint32_t value)
{
    hg_put_le32(block + at, value);
    struct hg_hash128 h = hg_hash128(block, 4080);
    hg_put_le64(block + 4080, h.lo);
    hg_put_le64(block + 4088, h.hi);
}

static void expect_version(struct hg_sim *sim, const char *what)
{
    for (unsigned quick = 0; quick < 2; quick++) {
        v.flags = quick ? HOLOG_VERIFY_QUICK : 0;
        kit_verify(sim, &v);
        cr_assert_eq(v.rc, HOLOG_E_VERSION, "%s: %d", what, v.rc);
        cr_assert_eq(v.n_harmful, 0, "%s is no damage", what);
        cr_assert(strstr(v.error.message, "newer holog") != NULL, "%s: %s", what, v.error.message);
    }
}

Test(verify, a_store_of_a_later_version_is_not_called_damaged)
{
    static const struct {
        const char *what;
        size_t at;
        uint32_t value;
    } future[] = { { "version", 8, 2 }, { "features", 72, 2 },     { "hash", 80, 2 },
                   { "cipher", 84, 1 }, { "SUPER version", 8, 2 }, { "SUPER features", 64, 2 } };

    for (size_t i = 0; i < sizeof future / sizeof *future; i++) {
        uint64_t size = 0;
        begin();
        struct hg_sim *sim = kit_disk(&k);
        int super = strncmp(future[i].what, "SUPER", 5) == 0;
        uint8_t *data = hg_sim_file_data(sim, super ? HG_SUPER_NAME : "seg/00000003.hlog", &size);
        if (super) /* the newer slot */
            data += k.super.generation % 2 * HG_SUPER_SLOT_SIZE;
        from_the_future(data, future[i].at, future[i].value);
        expect_version(sim, future[i].what);
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}

/* The files of the disk with one under another name. */
static void misname(struct kit *kit, size_t file, uint32_t id, struct hg_sim **out)
{
    uint32_t own = kit->file[file].id;

    kit->file[file].id = id;
    *out = kit_disk(kit);
    kit->file[file].id = own;
}

Test(verify, a_segment_under_another_name_is_told_to_be_renamed)
{
    static const char *const names[] = { "seg/00000002.hlog", "seg/00000003.hlog",
                                         "seg/00000004.hlog" };

    for (size_t file = 1; file < 4; file++) {
        struct hg_sim *sim = NULL;
        struct kit_repair rep;
        int told = 0;
        begin();
        misname(&k, file, 9, &sim);
        kit_verify(sim, &v);
        cr_assert_eq(v.rc, HOLOG_E_CORRUPT);
        for (size_t i = 0; i < v.n_found; i++)
            told |= strcmp(v.found[i].file, "seg/00000009.hlog") == 0 &&
                    strstr(v.found[i].message, "rename it to") != NULL &&
                    strstr(v.found[i].message, names[file - 1]) != NULL;
        cr_assert(told, "%s", v.found[0].message);
        uint64_t before = kit_fingerprint(sim);
        for (int mode = 1; mode <= 2; mode++) {
            memset(&rep, 0, sizeof rep);
            rep.mode = (enum holog_repair_mode)mode;
            kit_repair(sim, &rep);
            cr_assert_eq(rep.rc, HOLOG_E_CORRUPT, "repair must not drop what verifies");
            cr_assert(strstr(rep.error.message, names[file - 1]) != NULL, "%s", rep.error.message);
            cr_assert_eq(kit_fingerprint(sim), before);
        }
        hg_sim_destroy(sim);
        kit_end(&k);
    }
}
