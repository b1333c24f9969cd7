/* Verify finds every damage, names it, and goes on. */
#include <string.h>

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
