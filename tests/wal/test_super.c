/*
 * SUPER: slots, and the file of two.
 */
#include "io/io.h"
#include "wal/super.h"
#include "waltest.h"

static struct hg_super sample(void)
{
    return (struct hg_super){
        .generation = 7,
        .uuid = { 0xa0, 0xa1, 0xa2, 0xa3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
        .salt = UINT64_C(0x1122334455667788),
        .feat_compat = 5,
        .feat_ro_compat = 6,
        .floor = hg_pos_make(3, 8192),
        .floor_number = 42,
        .active_segment = 3,
        .next_segment = 5,
        .state = HG_SUPER_OPEN,
        .segment_size_max = HG_SEGMENT_MAX,
        .extent_size_max = 256u << 20,
        .inline_max = HG_INLINE_DEFAULT,
        .space_amp_milli = 1500,
        .created_ns = TINY_TIME,
        .probe_flags = 5,
        .probe_write_ns = 55000,
        .probe_mb_per_s = 1800,
    };
}

static void sign(uint8_t *slot)
{
    struct hg_hash128 h = hg_hash128(slot, 4080);
    hg_put_le64(slot + 4080, h.lo);
    hg_put_le64(slot + 4088, h.hi);
}

/* The result for a slot whose `width` bytes at `at` hold value, the hash being right. */
static int decode_patched(size_t at, size_t width, uint64_t value)
{
    uint8_t slot[HG_SUPER_SLOT_SIZE];
    struct hg_super s = sample();
    struct hg_super out;
    hg_super_encode(&s, slot);
    memcpy(slot + at, &value, width);
    sign(slot);
    memset(&out, 0x5a, sizeof out);
    int rc = hg_super_decode(slot, &out);
    if (rc < 0) {
        struct hg_super untouched;
        memset(&untouched, 0x5a, sizeof untouched);
        cr_assert_eq(memcmp(&out, &untouched, sizeof out), 0, "the output was touched");
    }
    return rc;
}

Test(super, round_trip)
{
    uint8_t slot[HG_SUPER_SLOT_SIZE];
    uint8_t again[HG_SUPER_SLOT_SIZE];
    struct hg_super s = sample();
    struct hg_super out;
    hg_super_encode(&s, slot);
    cr_assert_eq(hg_super_decode(slot, &out), HOLOG_OK);
    hg_super_encode(&out, again);
    cr_assert_arr_eq(slot, again, sizeof slot);
    cr_assert_eq(out.generation, 7u);
    cr_assert_eq(out.floor, s.floor);
    cr_assert_eq(out.next_segment, 5u);
    cr_assert_eq(out.probe_mb_per_s, 1800u);
    cr_assert_arr_eq(out.uuid, s.uuid, 16);
}

Test(super, golden_bytes)
{
    uint8_t slot[HG_SUPER_SLOT_SIZE];
    struct hg_super s = sample();
    hg_super_encode(&s, slot);
    golden_check("super_open.bin", slot, sizeof slot);
    s.generation = 8;
    s.state = HG_SUPER_CLEAN;
    hg_super_encode(&s, slot);
    golden_check("super_clean.bin", slot, sizeof slot);
    slot[100] ^= 1; /* not signed again */
    golden_check("bad_super_hash.bin", slot, sizeof slot);
    hg_super_encode(&s, slot);
    hg_put_le32(slot + 96, 3);
    sign(slot);
    golden_check("bad_super_state.bin", slot, sizeof slot);
    hg_super_encode(&s, slot);
    s.feat_incompat = HG_FEATURE_VERSIONS;
    hg_super_encode(&s, slot);
    golden_check("super_versions.bin", slot, sizeof slot);
    hg_put_le64(slot + 64, 2);
    sign(slot);
    golden_check("bad_super_feature.bin", slot, sizeof slot);
}

Test(super, golden_files_decode_as_they_did)
{
    static const struct {
        const char *name;
        int rc;
    } files[] = {
        { "super_open.bin", HOLOG_OK },
        { "super_clean.bin", HOLOG_OK },
        { "super_versions.bin", HOLOG_OK },
        { "bad_super_hash.bin", HOLOG_E_CORRUPT },
        { "bad_super_state.bin", HOLOG_E_CORRUPT },
        { "bad_super_feature.bin", HOLOG_E_VERSION },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct hg_buf b = golden_read(files[i].name);
        struct hg_super s;
        cr_assert_eq(b.len, HG_SUPER_SLOT_SIZE);
        cr_assert_eq(hg_super_decode(b.data, &s), files[i].rc, "%s", files[i].name);
        hg_buf_release(&b);
    }
}

Test(super, every_flipped_bit_is_refused)
{
    uint8_t slot[HG_SUPER_SLOT_SIZE];
    struct hg_super s = sample();
    hg_super_encode(&s, slot);
    for (size_t i = 0; i < sizeof slot * 8; i++) {
        slot[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_eq(hg_super_decode(slot, &s), HOLOG_E_CORRUPT, "bit %zu", i);
        slot[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

#define REFUSED(name, at, width, value, code)                         \
    Test(super, name)                                                 \
    {                                                                 \
        cr_assert_eq(decode_patched((at), (width), (value)), (code)); \
    }

Test(super, an_unchanged_patch_is_accepted)
{
    cr_assert_eq(decode_patched(8, 4, 1), HOLOG_OK);
}
REFUSED(wrong_magic, 0, 8, UINT64_C(0x4747474747474747), HOLOG_E_CORRUPT)
REFUSED(later_version, 8, 4, 2, HOLOG_E_VERSION)
REFUSED(version_zero, 8, 4, 0, HOLOG_E_VERSION)
REFUSED(reserved_word_set, 12, 4, 1, HOLOG_E_CORRUPT)
REFUSED(generation_zero, 16, 8, 0, HOLOG_E_CORRUPT)
REFUSED(generation_without_a_next, 16, 8, UINT64_MAX, HOLOG_E_CORRUPT)
REFUSED(must_understand_feature, 64, 8, UINT64_C(1) << 63, HOLOG_E_VERSION)
REFUSED(must_understand_feature_beside_a_known_one, 64, 8, 3, HOLOG_E_VERSION)
REFUSED(the_feature_of_versions, 64, 8, HG_FEATURE_VERSIONS, HOLOG_OK)
REFUSED(floor_in_an_unused_segment, 72, 8, hg_pos_make(5, 8192), HOLOG_E_CORRUPT)
REFUSED(floor_without_segment, 72, 8, hg_pos_make(0, 8192), HOLOG_E_CORRUPT)
REFUSED(floor_inside_a_header, 72, 8, hg_pos_make(3, 4088), HOLOG_E_CORRUPT)
REFUSED(floor_unaligned, 72, 8, hg_pos_make(3, 8193), HOLOG_E_CORRUPT)
REFUSED(floor_behind_any_segment, 72, 8, hg_pos_make(3, HG_SEGMENT_MAX + 8), HOLOG_E_CORRUPT)
REFUSED(number_over_48_bits, 80, 8, UINT64_C(1) << 48, HOLOG_E_CORRUPT)
REFUSED(active_segment_never_used, 88, 4, 5, HOLOG_E_CORRUPT)
REFUSED(next_segment_zero, 92, 4, 0, HOLOG_E_CORRUPT)
REFUSED(state_zero, 96, 4, 0, HOLOG_E_CORRUPT)
REFUSED(state_unknown, 96, 4, 3, HOLOG_E_CORRUPT)
REFUSED(segment_limit_too_small, 100, 4, HG_SEGMENT_MIN - 1, HOLOG_E_CORRUPT)
REFUSED(segment_limit_too_large, 100, 4, HG_SEGMENT_MAX + 1, HOLOG_E_CORRUPT)
REFUSED(extent_limit_too_small, 104, 8, HG_EXTENT_SEGMENT_MIN - 1, HOLOG_E_CORRUPT)
REFUSED(extent_limit_too_large, 104, 8, HG_EXTENT_SEGMENT_MAX + UINT64_C(1), HOLOG_E_CORRUPT)
REFUSED(inline_limit_too_large, 112, 4, HG_FRAME_MAX + 1, HOLOG_E_CORRUPT)
REFUSED(unknown_probe_bit, 128, 4, 8, HOLOG_E_CORRUPT)
REFUSED(first_reserved_byte_set, 140, 1, 1, HOLOG_E_CORRUPT)
REFUSED(last_reserved_byte_set, 4079, 1, 1, HOLOG_E_CORRUPT)

Test(super, unknown_compatible_features_are_kept)
{
    cr_assert_eq(decode_patched(48, 8, UINT64_MAX), HOLOG_OK);
    cr_assert_eq(decode_patched(56, 8, UINT64_MAX), HOLOG_OK);
}

Test(super, the_report_names_file_and_offset)
{
    struct holog_error_detail d;
    cr_assert_eq(decode_patched(4079, 1, 1), HOLOG_E_CORRUPT);
    holog_last_error(&d);
    cr_assert_not_null(strstr(d.path, "SUPER"), "%s", d.path);
    cr_assert_eq(d.offset, 140u);
}

/* ---- the file --------------------------------------------------------------------------------- */

static struct hg_io *open_dir(char *dir)
{
    struct hg_io *io = NULL;
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), HOLOG_OK);
    return io;
}

static void close_dir(struct hg_io *io, const char *dir)
{
    (void)io->ops->unlink(io, HG_SUPER_NAME);
    io->ops->destroy(io);
    (void)rmdir(dir);
}

static struct hg_file *make_super(struct hg_io *io, const void *data, size_t len)
{
    struct hg_file *f = NULL;
    cr_assert_eq(io->ops->open(io, HG_SUPER_NAME, HG_OPEN_WRITE | HG_OPEN_CREATE, &f), HOLOG_OK);
    if (len > 0)
        cr_assert_eq(hg_io_write_full(f, data, len, 0, 0), HOLOG_OK);
    return f;
}

Test(super, slots_are_written_in_turn_and_the_newer_counts)
{
    char dir[] = "/tmp/holog-super-XXXXXX";
    struct hg_io *io = open_dir(dir);
    struct hg_file *f = make_super(io, NULL, 0);
    struct hg_super s = sample();
    struct hg_super out;
    struct hg_super_slots slots;

    for (s.generation = 1; s.generation < 6; s.generation++) {
        cr_assert_eq(hg_super_write(f, &s), HOLOG_OK);
        cr_assert_eq(hg_super_read(io, &out, &slots), HOLOG_OK);
        cr_assert_eq(out.generation, s.generation);
        cr_assert_eq((uint64_t)slots.best, s.generation % 2);
        cr_assert_eq(slots.rc[slots.best], HOLOG_OK);
        cr_assert_eq(slots.rc[1 - slots.best], s.generation == 1 ? HOLOG_E_CORRUPT : HOLOG_OK);
    }
    cr_assert_eq(io->ops->close(f), HOLOG_OK);
    close_dir(io, dir);
}

/* Reads a SUPER of these bytes. */
static int read_bytes(const uint8_t *bytes, size_t len, struct hg_super *out,
                      struct hg_super_slots *slots)
{
    char dir[] = "/tmp/holog-super-XXXXXX";
    struct hg_io *io = open_dir(dir);
    struct hg_file *f = make_super(io, bytes, len);
    cr_assert_eq(io->ops->close(f), HOLOG_OK);
    int rc = hg_super_read(io, out, slots);
    close_dir(io, dir);
    return rc;
}

static void two_slots(uint8_t out[2 * HG_SUPER_SLOT_SIZE])
{
    struct hg_super s = sample();
    s.generation = 8;
    hg_super_encode(&s, out);
    s.generation = 7;
    hg_super_encode(&s, out + HG_SUPER_SLOT_SIZE);
}

Test(super, one_damaged_slot_is_survived_and_told)
{
    uint8_t file[2 * HG_SUPER_SLOT_SIZE];
    struct hg_super out;
    struct hg_super_slots slots;
    for (int bad = 0; bad < 2; bad++) {
        two_slots(file);
        file[(size_t)bad * HG_SUPER_SLOT_SIZE + 2000] ^= 1;
        cr_assert_eq(read_bytes(file, sizeof file, &out, &slots), HOLOG_OK);
        cr_assert_eq(out.generation, bad == 0 ? 7u : 8u);
        cr_assert_eq(slots.rc[bad], HOLOG_E_CORRUPT);
        cr_assert_eq(slots.best, 1 - bad);
    }
}

Test(super, two_damaged_slots_are_corrupt)
{
    uint8_t file[2 * HG_SUPER_SLOT_SIZE];
    struct hg_super out;
    struct hg_super_slots slots;
    two_slots(file);
    file[0] ^= 1;
    file[8000] ^= 1;
    cr_assert_eq(read_bytes(file, sizeof file, &out, &slots), HOLOG_E_CORRUPT);
}

Test(super, a_slot_of_a_later_version_refuses_the_store)
{
    uint8_t file[2 * HG_SUPER_SLOT_SIZE];
    struct hg_super out;
    struct hg_super_slots slots;
    for (size_t later = 0; later < 2; later++) {
        two_slots(file);
        hg_put_le32(file + later * HG_SUPER_SLOT_SIZE + 8, 9);
        sign(file + later * HG_SUPER_SLOT_SIZE);
        cr_assert_eq(read_bytes(file, sizeof file, &out, &slots), HOLOG_E_VERSION);
    }
}

Test(super, a_short_file_has_only_the_slots_it_holds)
{
    uint8_t file[2 * HG_SUPER_SLOT_SIZE];
    struct hg_super out;
    struct hg_super_slots slots;
    const size_t lens[] = { 0, 1, 4095, 4096, 4097, 8191 };
    two_slots(file);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        int rc = read_bytes(file, lens[i], &out, &slots);
        cr_assert_eq(rc, lens[i] < 4096 ? HOLOG_E_CORRUPT : HOLOG_OK, "%zu bytes", lens[i]);
    }
}

Test(super, no_file_is_no_entry)
{
    char dir[] = "/tmp/holog-super-XXXXXX";
    struct hg_io *io = open_dir(dir);
    struct hg_super out;
    struct hg_super_slots slots;
    cr_assert_eq(hg_super_read(io, &out, &slots), HOLOG_E_NOENT);
    close_dir(io, dir);
}
