/*
 * The segment header.
 */
#include "wal/segment.h"
#include "waltest.h"

static struct hg_segment_header sample(void)
{
    return (struct hg_segment_header){
        .kind = HG_KIND_FRAMES,
        .id = 9,
        .epoch = UINT64_C(0x0123456789abcdef),
        .uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        .salt = UINT64_C(0x1122334455667788),
        .feat_compat = 3,
        .capacity = 4u << 20,
        .created_ns = TINY_TIME,
        .first_number = 101,
        .pred_id = 7,
        .pred_last_len = 200,
        .pred_epoch = UINT64_C(0xfedcba9876543210),
        .pred_end = 1u << 20,
        .pred_last_hash = UINT64_C(0xaaaabbbbccccdddd),
        .pred_number = 98,
        .highest_number = 100,
        .pred_cut = 1,
    };
}

static struct hg_segment_header sample_extents(void)
{
    return (struct hg_segment_header){
        .kind = HG_KIND_EXTENTS,
        .id = 10,
        .epoch = 5,
        .uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        .salt = UINT64_C(0x1122334455667788),
        .capacity = 256u << 20,
        .created_ns = TINY_TIME,
    };
}

static struct hg_segment_header sample_base(void)
{
    struct hg_segment_header h = sample();
    h.kind = HG_KIND_BASE;
    h.id = 12;
    h.feat_compat = 0;
    h.feat_incompat = HG_FEATURE_COLD | HG_FEATURE_BASE;
    h.capacity = HG_BASE_MAX;
    h.first_number = 0;
    h.pred_cut = 0;
    return h;
}

static void sign(uint8_t *header)
{
    struct hg_hash128 h = hg_hash128(header, 4080);
    hg_put_le64(header + 4080, h.lo);
    hg_put_le64(header + 4088, h.hi);
}

static int decode_patched_of(struct hg_segment_header h, size_t at, size_t width, uint64_t value)
{
    uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header out;
    struct hg_segment_header untouched;
    hg_segment_header_encode(&h, bytes);
    memcpy(bytes + at, &value, width);
    sign(bytes);
    memset(&out, 0x5a, sizeof out);
    memset(&untouched, 0x5a, sizeof untouched);
    int rc = hg_segment_header_decode(bytes, h.id, h.kind, &out);
    if (rc < 0)
        cr_assert_eq(memcmp(&out, &untouched, sizeof out), 0, "the output was touched");
    return rc;
}

static int decode_patched(size_t at, size_t width, uint64_t value)
{
    return decode_patched_of(sample(), at, width, value);
}

Test(segment, round_trip)
{
    struct hg_segment_header samples[] = { sample(), sample_extents(), sample_base() };
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
        uint8_t again[HG_SEGMENT_HEADER_SIZE];
        struct hg_segment_header out;
        hg_segment_header_encode(&samples[i], bytes);
        cr_assert_eq(hg_segment_header_decode(bytes, samples[i].id, samples[i].kind, &out), 0);
        hg_segment_header_encode(&out, again);
        cr_assert_arr_eq(bytes, again, sizeof bytes);
        cr_assert_eq(out.pred_end, samples[i].pred_end);
        cr_assert_eq(out.capacity, samples[i].capacity);
    }
}

Test(segment, a_compressed_one_is_read_by_who_knows_it)
{
    struct hg_segment_header x = sample_extents();
    uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header out;

    x.kind = HG_KIND_HWP;
    x.capacity = HG_HWP_SEGMENT_MAX;
    hg_segment_header_encode(&x, bytes);
    cr_assert_eq(hg_segment_header_decode(bytes, x.id, HG_KIND_HWP, &out), 0);
    cr_assert_eq(out.capacity, HG_HWP_SEGMENT_MAX);
    cr_assert_eq(out.kind, HG_KIND_HWP);
    cr_assert_eq(hg_segment_header_decode(bytes, x.id + 1, HG_KIND_HWP, &out), HOLOG_E_CORRUPT);
    x = sample();
    hg_segment_header_encode(&x, bytes);
    cr_assert_eq(hg_segment_header_decode(bytes, x.id, HG_KIND_HWP, &out), HOLOG_E_CORRUPT);
}

Test(segment, golden_bytes)
{
    uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header h = sample();
    struct hg_segment_header x = sample_extents();
    hg_segment_header_encode(&x, bytes);
    golden_check("segment_extents.bin", bytes, sizeof bytes);
    x = sample_base();
    hg_segment_header_encode(&x, bytes);
    golden_check("segment_base.bin", bytes, sizeof bytes);
    hg_segment_header_encode(&h, bytes);
    golden_check("segment_frames.bin", bytes, sizeof bytes);
    bytes[24] ^= 0x80; /* not signed again */
    golden_check("bad_segment_hash.bin", bytes, sizeof bytes);
    hg_segment_header_encode(&h, bytes);
    bytes[300] = 1;
    sign(bytes);
    golden_check("bad_segment_reserved.bin", bytes, sizeof bytes);
    hg_segment_header_encode(&h, bytes);
    hg_put_le32(bytes + 84, 1);
    sign(bytes);
    golden_check("bad_segment_cipher.bin", bytes, sizeof bytes);
}

Test(segment, golden_files_decode_as_they_did)
{
    static const struct {
        const char *name;
        uint32_t id;
        uint32_t kind;
        int rc;
    } files[] = {
        { "segment_frames.bin", 9, HG_KIND_FRAMES, HOLOG_OK },
        { "segment_extents.bin", 10, HG_KIND_EXTENTS, HOLOG_OK },
        { "segment_base.bin", 12, HG_KIND_BASE, HOLOG_OK },
        { "bad_segment_hash.bin", 9, HG_KIND_FRAMES, HOLOG_E_CORRUPT },
        { "bad_segment_reserved.bin", 9, HG_KIND_FRAMES, HOLOG_E_CORRUPT },
        { "bad_segment_cipher.bin", 9, HG_KIND_FRAMES, HOLOG_E_VERSION },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct hg_buf b = golden_read(files[i].name);
        struct hg_segment_header h;
        cr_assert_eq(b.len, HG_SEGMENT_HEADER_SIZE);
        cr_assert_eq(hg_segment_header_decode(b.data, files[i].id, files[i].kind, &h), files[i].rc,
                     "%s", files[i].name);
        hg_buf_release(&b);
    }
}

Test(segment, every_flipped_bit_is_refused)
{
    uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header h = sample();
    hg_segment_header_encode(&h, bytes);
    for (size_t i = 0; i < sizeof bytes * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_eq(hg_segment_header_decode(bytes, 9, HG_KIND_FRAMES, &h), HOLOG_E_CORRUPT,
                     "bit %zu", i);
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

Test(segment, a_header_under_another_name_is_refused)
{
    uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header h = sample();
    hg_segment_header_encode(&h, bytes);
    cr_assert_eq(hg_segment_header_decode(bytes, 8, HG_KIND_FRAMES, &h), HOLOG_E_CORRUPT);
    cr_assert_eq(hg_segment_header_decode(bytes, 9, HG_KIND_EXTENTS, &h), HOLOG_E_CORRUPT);
}

Test(segment, an_unknown_kind_is_refused_even_when_asked_for)
{
    uint8_t bytes[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header h = sample();
    hg_segment_header_encode(&h, bytes);
    hg_put_le32(bytes + 12, 77);
    sign(bytes);
    cr_assert_eq(hg_segment_header_decode(bytes, 9, 77, &h), HOLOG_E_CORRUPT);
}

#define REFUSED(name, at, width, value, code)                         \
    Test(segment, name)                                               \
    {                                                                 \
        cr_assert_eq(decode_patched((at), (width), (value)), (code)); \
    }

REFUSED(wrong_magic, 0, 1, 'h', HOLOG_E_CORRUPT)
REFUSED(later_version, 8, 4, 2, HOLOG_E_VERSION)
REFUSED(kind_unknown, 12, 4, 5, HOLOG_E_CORRUPT)
REFUSED(kind_zero, 12, 4, 0, HOLOG_E_CORRUPT)
REFUSED(kind_base_under_another_name, 12, 4, HG_KIND_BASE, HOLOG_E_CORRUPT)
REFUSED(kind_hwp_under_another_name, 12, 4, HG_KIND_HWP, HOLOG_E_CORRUPT)
REFUSED(id_zero, 16, 4, 0, HOLOG_E_CORRUPT)
REFUSED(reserved_word_set, 20, 4, 1, HOLOG_E_CORRUPT)
REFUSED(must_understand_feature, 72, 8, 2, HOLOG_E_VERSION)
REFUSED(must_understand_feature_beside_a_known_one, 72, 8, 3, HOLOG_E_VERSION)
REFUSED(the_feature_of_versions, 72, 8, HG_FEATURE_VERSIONS, HOLOG_OK)
REFUSED(unknown_hash, 80, 4, 2, HOLOG_E_VERSION)
REFUSED(cipher, 84, 4, 1, HOLOG_E_VERSION)
REFUSED(key_id_set, 88, 1, 1, HOLOG_E_CORRUPT)
REFUSED(wrapped_key_set, 199, 1, 1, HOLOG_E_CORRUPT)
REFUSED(capacity_too_small, 200, 8, HG_SEGMENT_MIN - 1, HOLOG_E_CORRUPT)
REFUSED(capacity_too_large, 200, 8, HG_SEGMENT_MAX + 1, HOLOG_E_CORRUPT)
REFUSED(first_number_not_above_the_highest, 216, 8, 100, HOLOG_E_CORRUPT)
REFUSED(first_number_over_48_bits, 216, 8, UINT64_C(1) << 48, HOLOG_E_CORRUPT)
REFUSED(predecessor_is_itself, 224, 4, 9, HOLOG_E_CORRUPT)
REFUSED(no_predecessor_but_facts_about_one, 224, 4, 0, HOLOG_E_CORRUPT)
REFUSED(last_frame_too_short, 228, 4, HG_FRAME_MIN - 1, HOLOG_E_CORRUPT)
REFUSED(last_frame_too_long, 228, 4, HG_FRAME_MAX + 1, HOLOG_E_CORRUPT)
REFUSED(no_last_frame_but_a_hash, 228, 4, 0, HOLOG_E_CORRUPT)
REFUSED(predecessor_ends_in_its_header, 240, 8, 4095, HOLOG_E_CORRUPT)
REFUSED(predecessor_ends_inside_its_frame, 240, 8, 4096 + 199, HOLOG_E_CORRUPT)
REFUSED(predecessor_ends_behind_any_segment, 240, 8, HG_SEGMENT_MAX + 1, HOLOG_E_CORRUPT)
REFUSED(predecessor_number_above_the_highest, 256, 8, 101, HOLOG_E_CORRUPT)
REFUSED(highest_number_over_48_bits, 264, 8, UINT64_C(1) << 48, HOLOG_E_CORRUPT)
REFUSED(cut_is_neither_0_nor_1, 272, 8, 2, HOLOG_E_CORRUPT)
REFUSED(first_reserved_byte_set, 280, 1, 1, HOLOG_E_CORRUPT)
REFUSED(last_reserved_byte_set, 4079, 1, 1, HOLOG_E_CORRUPT)

#define BASE_REFUSED(name, at, width, value, code)                                      \
    Test(segment, name)                                                                 \
    {                                                                                   \
        cr_assert_eq(decode_patched_of(sample_base(), (at), (width), (value)), (code)); \
    }

BASE_REFUSED(a_base_covers_a_frame, 224, 4, 0, HOLOG_E_CORRUPT)
BASE_REFUSED(a_base_covers_a_frame_of_some_length, 228, 4, 0, HOLOG_E_CORRUPT)
BASE_REFUSED(a_base_covers_what_is_before_it, 224, 4, 12, HOLOG_E_CORRUPT)
BASE_REFUSED(what_a_base_covers_ends_behind_it, 240, 8, 4096 + 199, HOLOG_E_CORRUPT)
BASE_REFUSED(what_a_base_covers_ends_in_a_segment, 240, 8, HG_SEGMENT_MAX + 1, HOLOG_E_CORRUPT)
BASE_REFUSED(a_base_covers_no_number_above_the_highest, 256, 8, 101, HOLOG_E_CORRUPT)
BASE_REFUSED(a_base_has_no_first_number, 216, 8, 101, HOLOG_E_CORRUPT)
BASE_REFUSED(nothing_was_cut_before_a_base, 272, 8, 1, HOLOG_E_CORRUPT)
BASE_REFUSED(a_base_has_room_for_an_index, 200, 8, HG_BASE_MIN - 1, HOLOG_E_CORRUPT)
BASE_REFUSED(a_base_of_the_least_size, 200, 8, HG_BASE_MIN, HOLOG_OK)
BASE_REFUSED(a_base_of_more_than_the_most, 200, 8, HG_BASE_MAX + 1, HOLOG_E_CORRUPT)

Test(segment, an_extent_segment_has_no_predecessor)
{
    cr_assert_eq(decode_patched_of(sample_extents(), 224, 4, 1), HOLOG_E_CORRUPT);
}

Test(segment, extent_capacities_have_their_own_bounds)
{
    struct hg_segment_header x = sample_extents();
    cr_assert_eq(decode_patched_of(x, 200, 8, HG_EXTENT_SEGMENT_MAX), HOLOG_OK);
    cr_assert_eq(decode_patched_of(x, 200, 8, HG_EXTENT_SEGMENT_MAX + UINT64_C(1)),
                 HOLOG_E_CORRUPT);
    cr_assert_eq(decode_patched_of(x, 200, 8, HG_EXTENT_SEGMENT_MIN - 1), HOLOG_E_CORRUPT);
}

Test(segment, a_predecessor_without_frames_ends_at_4096)
{
    struct hg_segment_header h = sample();
    h.pred_last_len = 0;
    h.pred_last_hash = 0;
    h.pred_end = 4096;
    cr_assert_eq(decode_patched_of(h, 8, 4, 1), HOLOG_OK);
    cr_assert_eq(decode_patched_of(h, 240, 8, 4104), HOLOG_E_CORRUPT);
}

Test(segment, compatible_features_are_kept)
{
    cr_assert_eq(decode_patched(56, 8, UINT64_MAX), HOLOG_OK);
    cr_assert_eq(decode_patched(64, 8, UINT64_MAX), HOLOG_OK);
}
