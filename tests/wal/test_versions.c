/*
 * Records of versions: deltas, folds, rollbacks, tags, retention.
 */
#include "wal/record.h"
#include "waltest.h"

static struct hg_record decode_one(const struct hg_buf *body)
{
    struct hg_record r;
    cr_assert_eq(hg_rec_decode(body->data + 9, body->len - 9, 9, &r), HOLOG_OK);
    cr_assert_eq(r.whole_len, body->len - 9);
    return r;
}

static void begin(struct hg_buf *body)
{
    body->len = 0;
    cr_assert_eq(hg_body_begin(body, 1, NULL, 0), HOLOG_OK);
}

/* ---- round trips -------------------------------------------------------------------------------- */

Test(versions, delta_round_trip)
{
    struct hg_buf body = { 0 };
    struct hg_delta_rec d = { .path = "a/b",
                              .path_len = 3,
                              .base = hg_pos_make(7, 4299),
                              .csum = 95,
                              .kind = HG_DELTA_UPDATE,
                              .version_size = HG_NUMBER_MAX - 3,
                              .start = 1000,
                              .end = 1005,
                              .payload = payload_inline("xy", 2) };
    begin(&body);
    cr_assert_eq(hg_rec_delta(&body, &d, NULL), HOLOG_OK);
    struct hg_record r = decode_one(&body);
    cr_assert_eq(r.type, HG_REC_DELTA);
    cr_assert_eq(r.csum, 95);
    cr_assert_eq(r.base, hg_pos_make(7, 4299));
    cr_assert_eq(r.kind, HG_DELTA_UPDATE);
    cr_assert_eq(r.version_size, HG_NUMBER_MAX - 3);
    cr_assert_eq(r.start, 1000u);
    cr_assert_eq(r.end, 1005u);
    cr_assert_eq(r.path_len, 3u);
    cr_assert_arr_eq(r.path, "a/b", 3);
    cr_assert_eq(r.value_len, 2u);
    cr_assert_arr_eq(r.value, "xy", 2);
    cr_assert_eq(r.hash.lo, hg_hash64("xy", 2));
    cr_assert_eq(r.check, hg_hash64("xy", 2) & 0xffffff);
    cr_assert_eq(r.n_pieces, 0u);
    hg_buf_release(&body);
}

Test(versions, a_delta_without_payload_has_no_hash)
{
    struct hg_buf body = { 0 };
    begin(&body);
    put_delta(&body, HG_DELTA_MOVE, "v", 20, 4, 9, 20, (struct hg_payload){ 0 });
    struct hg_record r = decode_one(&body);
    cr_assert_eq(r.kind, HG_DELTA_MOVE);
    cr_assert_eq(r.move_to, 20u);
    cr_assert_eq(r.check, 0u);
    cr_assert_eq(r.value_len, 0u);
    cr_assert_null(r.value);
    hg_buf_release(&body);
}

Test(versions, a_payload_in_extents_is_described_as_a_large_value_is)
{
    static uint8_t bytes[TINY_BIG_LEN];
    struct hg_piece pieces[] = { { 2, 8192, 65536 }, { 3, 4096, TINY_BIG_LEN - 65536 } };
    struct hg_buf table = { 0 };
    struct hg_buf body = { 0 };
    struct hg_piece p;
    size_t at = 0;

    memset(bytes, 3, sizeof bytes);
    begin(&body);
    put_delta(&body, HG_DELTA_INSERT, "v", TINY_BIG_LEN, 0, 0, 0,
              payload_in_extents(bytes, sizeof bytes, pieces, 2, &table));
    struct hg_record r = decode_one(&body);
    cr_assert_eq(r.value_len, TINY_BIG_LEN);
    cr_assert_null(r.value);
    cr_assert_eq(r.n_pieces, 2u);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(hg_pieces_next(&r, &at, &p), HOLOG_OK);
        cr_assert_eq(p.segment, pieces[i].segment);
        cr_assert_eq(p.offset, pieces[i].offset);
        cr_assert_eq(p.len, pieces[i].len);
    }
    cr_assert_eq(hg_pieces_next(&r, &at, &p), HOLOG_E_NOENT);
    cr_assert_arr_eq(r.table, table.data, table.len);
    struct hg_hash128 h = hg_hash128(table.data, table.len);
    cr_assert(r.hash.lo == h.lo && r.hash.hi == h.hi);
    cr_assert_eq(r.check, h.lo & 0xffffff);
    hg_buf_release(&table);
    hg_buf_release(&body);
}

Test(versions, fold_round_trip)
{
    struct hg_buf body = { 0 };
    struct hg_record r;
    struct hg_span s;
    size_t at = 0;

    begin(&body);
    put_folds(&body, 13);
    cr_assert_eq(hg_rec_decode(body.data + 9, body.len - 9, 9, &r), HOLOG_OK);
    cr_assert_eq(r.type, HG_REC_FOLD);
    cr_assert_eq(r.base, hg_pos_make(1, 4400));
    cr_assert_eq(r.csum, 95);
    cr_assert_eq(r.version_size, 13u);
    cr_assert_eq(r.n_spans, 3u);
    cr_assert_arr_eq(r.value, "merge", 5);
    const uint8_t *spans = r.value + 5;
    cr_assert_eq(r.value_len - r.spans_len, 5u);
    cr_assert_eq(hg_spans_next(spans, (size_t)r.spans_len, &at, &s), HOLOG_OK);
    cr_assert(s.birth == hg_pos_make(1, 4299) && s.at == 0 && s.len == 5);
    cr_assert_eq(hg_spans_next(spans, (size_t)r.spans_len, &at, &s), HOLOG_OK);
    cr_assert(s.birth == 0 && s.at == 1 && s.len == 3);
    cr_assert_eq(hg_spans_next(spans, (size_t)r.spans_len, &at, &s), HOLOG_OK);
    cr_assert(s.birth == hg_pos_make(2, 8192) && s.at == 70000 && s.len == 5);
    cr_assert_eq(hg_spans_next(spans, (size_t)r.spans_len, &at, &s), HOLOG_E_NOENT);
    hg_buf_release(&body);
}

Test(versions, rollback_tag_and_retention_round_trip)
{
    struct hg_buf body = { 0 };
    begin(&body);
    cr_assert_eq(hg_rec_rollback(&body, HG_NUMBER_MAX, "a/b", 3, NULL), HOLOG_OK);
    struct hg_record r = decode_one(&body);
    cr_assert(r.type == HG_REC_ROLLBACK && r.number == HG_NUMBER_MAX && r.path_len == 3);
    begin(&body);
    cr_assert_eq(hg_rec_rollback(&body, 0, "", 0, NULL), HOLOG_OK);
    r = decode_one(&body);
    cr_assert(r.number == 0 && r.path_len == 0);
    begin(&body);
    cr_assert_eq(hg_rec_tag(&body, 300, UINT64_MAX, "v1.0", 4, NULL), HOLOG_OK);
    r = decode_one(&body);
    cr_assert(r.type == HG_REC_TAG && r.number == 300 && r.time_ns == UINT64_MAX);
    cr_assert(r.path_len == 4 && memcmp(r.path, "v1.0", 4) == 0);
    begin(&body);
    cr_assert_eq(hg_rec_retention(&body, 70000, NULL), HOLOG_OK);
    r = decode_one(&body);
    cr_assert(r.type == HG_REC_RETENTION && r.number == 70000);
    hg_buf_release(&body);
}

Test(versions, sum_and_base_are_filled_in_last_and_nothing_else_moves)
{
    struct hg_buf early = { 0 };
    struct hg_buf late = { 0 };
    struct hg_delta_rec d = { .path = "v",
                              .path_len = 1,
                              .kind = HG_DELTA_INSERT,
                              .version_size = 200,
                              .payload = payload_inline("0123456789", 10) };
    struct hg_record r;

    begin(&early);
    begin(&late);
    cr_assert_eq(hg_rec_delta(&early, &d, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_decode(early.data + 9, early.len - 9, 9, &r), HOLOG_E_CORRUPT, "no base");
    cr_assert(hg_rec_delta_patch(early.data + 9, early.len - 9, 77, hg_pos_make(3, 5000),
                                 d.version_size));
    d.csum = 77;
    d.base = hg_pos_make(3, 5000);
    cr_assert_eq(hg_rec_delta(&late, &d, NULL), HOLOG_OK);
    cr_assert_eq(early.len, late.len);
    cr_assert_arr_eq(early.data, late.data, late.len);
    hg_buf_release(&early);
    hg_buf_release(&late);
}

Test(versions, tag_names)
{
    char longest[65];
    memset(longest, 'x', sizeof longest);
    cr_assert(hg_tag_name_valid("a", 1));
    cr_assert(hg_tag_name_valid("Z9._-", 5));
    cr_assert(hg_tag_name_valid("HEAD1", 5));
    cr_assert(hg_tag_name_valid("head", 4));
    cr_assert(hg_tag_name_valid(longest, 64));
    cr_assert_not(hg_tag_name_valid(longest, 65));
    cr_assert_not(hg_tag_name_valid("", 0));
    cr_assert_not(hg_tag_name_valid("HEAD", 4));
    cr_assert_not(hg_tag_name_valid("9a", 2));
    cr_assert_not(hg_tag_name_valid("-a", 2));
    cr_assert_not(hg_tag_name_valid("a~1", 3));
    cr_assert_not(hg_tag_name_valid("a b", 3));
    cr_assert_not(hg_tag_name_valid("a\xc3\xa9", 3));
    cr_assert_not(hg_tag_name_valid("a\0b", 3));
}

/* ---- bounds ------------------------------------------------------------------------------------- */

#define BASE   "\x07\0\0\0\x00\x20\0\0" /* segment 7, offset 8192 */
#define HASH8  "hhhhhhhh"
#define HASH16 "hhhhhhhhHHHHHHHH"
#define N47    "\xff\xff\xff\xff\xff\xff\x3f" /* 2^48 - 1 */
#define N48    "\x80\x80\x80\x80\x80\x80\x40" /* 2^48 */

/* an insert of "xy" at 3, which makes 5 bytes */
CONTENT(insert_as_it_should_be, HG_REC_DELTA, "\x05" BASE "\x01\x05\x03\x01v\x00" HASH8 "xy",
        HOLOG_OK)
CONTENT(delta_cut_in_its_base, HG_REC_DELTA, "\x05\x07\0\0\0\x00\x20\0", HOLOG_E_CORRUPT)
CONTENT(delta_sum_out_of_range, HG_REC_DELTA, "\x60" BASE "\x01\x05\x03\x01v\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(delta_base_without_segment, HG_REC_DELTA,
        "\x05\0\0\0\0\x00\x20\0\0\x01\x05\x03\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(delta_base_in_a_header, HG_REC_DELTA,
        "\x05\x07\0\0\0\x00\x10\0\0\x01\x05\x03\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(delta_base_behind_any_segment, HG_REC_DELTA,
        "\x05\x07\0\0\0\x00\0\0\x40\x01\x05\x03\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(delta_kind_0, HG_REC_DELTA, "\x05" BASE "\x00\x05\x03\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(delta_kind_6, HG_REC_DELTA, "\x05" BASE "\x06\x05\x03\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(delta_of_a_region_is_of_a_later_version, HG_REC_DELTA,
        "\x05" BASE "\x05\x05\x01\x00\x02\x01v\x00" HASH8 "xy", HOLOG_E_VERSION)
CONTENT(delta_size_over_48_bits, HG_REC_DELTA, "\x05" BASE "\x01" N48 "\x03\x01v\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(delta_start_over_48_bits, HG_REC_DELTA, "\x05" BASE "\x01\x05" N48 "\x01v\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(insert_behind_the_value, HG_REC_DELTA, "\x05" BASE "\x01\x05\x04\x01v\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(insert_start_behind_the_new_version, HG_REC_DELTA,
        "\x05" BASE "\x01\x05\x06\x01v\x00" HASH8, HOLOG_E_CORRUPT)
CONTENT(insert_of_more_than_the_new_version, HG_REC_DELTA,
        "\x05" BASE "\x01\x05\x00\x01v\x00" HASH8 "xyxyxy", HOLOG_E_CORRUPT)
CONTENT(insert_of_nothing, HG_REC_DELTA, "\x05" BASE "\x01\x05\x05\x01v\x00" HASH8, HOLOG_OK)
CONTENT(delta_path_not_canonical, HG_REC_DELTA, "\x05" BASE "\x01\x05\x03\x01/\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(delta_without_a_path, HG_REC_DELTA, "\x05" BASE "\x01\x05\x03\x00\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(insert_without_a_payload, HG_REC_DELTA, "\x05" BASE "\x01\x05\x03\x01v", HOLOG_E_CORRUPT)
CONTENT(insert_cut_in_its_hash, HG_REC_DELTA, "\x05" BASE "\x01\x05\x03\x01v\x00hhhhhhh",
        HOLOG_E_CORRUPT)
CONTENT(payload_of_another_form, HG_REC_DELTA, "\x05" BASE "\x01\x05\x03\x01v\x02" HASH8 "xy",
        HOLOG_E_CORRUPT)
CONTENT(delta_is_never_ignorable, 0x80 | HG_REC_DELTA,
        "\x05" BASE "\x01\x05\x03\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)

CONTENT(update_as_it_should_be, HG_REC_DELTA, "\x05" BASE "\x02\x05\x03\x09\x01v\x00" HASH8 "xy",
        HOLOG_OK)
CONTENT(update_ends_before_it_starts, HG_REC_DELTA,
        "\x05" BASE "\x02\x05\x03\x02\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(update_end_over_48_bits, HG_REC_DELTA,
        "\x05" BASE "\x02\x05\x03" N48 "\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)
CONTENT(update_of_a_base_of_48_bits, HG_REC_DELTA,
        "\x05" BASE "\x02\x05\x03" N47 "\x01v\x00" HASH8 "xy", HOLOG_OK)
CONTENT(update_of_a_base_over_48_bits, HG_REC_DELTA,
        "\x05" BASE "\x02\x06\x03" N47 "\x01v\x00" HASH8 "xy", HOLOG_E_CORRUPT)

CONTENT(delete_as_it_should_be, HG_REC_DELTA, "\x05" BASE "\x03\x05\x05\x09\x01v", HOLOG_OK)
CONTENT(delete_of_all, HG_REC_DELTA, "\x00" BASE "\x03\x00\x00\x09\x01v", HOLOG_OK)
CONTENT(delete_behind_the_value, HG_REC_DELTA, "\x05" BASE "\x03\x05\x06\x09\x01v", HOLOG_E_CORRUPT)
CONTENT(delete_with_a_payload, HG_REC_DELTA, "\x05" BASE "\x03\x05\x05\x09\x01v\x00" HASH8 "xy",
        HOLOG_E_CORRUPT)

CONTENT(move_as_it_should_be, HG_REC_DELTA, "\x05" BASE "\x04\x09\x02\x05\x09\x01v", HOLOG_OK)
CONTENT(move_to_its_own_start, HG_REC_DELTA, "\x05" BASE "\x04\x09\x02\x05\x02\x01v", HOLOG_OK)
CONTENT(move_to_its_own_end, HG_REC_DELTA, "\x05" BASE "\x04\x09\x02\x05\x05\x01v", HOLOG_OK)
CONTENT(move_into_itself, HG_REC_DELTA, "\x05" BASE "\x04\x09\x02\x05\x03\x01v", HOLOG_E_CORRUPT)
CONTENT(move_behind_the_value, HG_REC_DELTA, "\x05" BASE "\x04\x09\x02\x05\x0a\x01v",
        HOLOG_E_CORRUPT)
CONTENT(move_of_what_is_behind_the_value, HG_REC_DELTA, "\x05" BASE "\x04\x09\x02\x0a\x01\x01v",
        HOLOG_E_CORRUPT)
CONTENT(move_ends_before_it_starts, HG_REC_DELTA, "\x05" BASE "\x04\x09\x05\x02\x01\x01v",
        HOLOG_E_CORRUPT)

/* one block of five bytes whose sum is 5, in segment 2 */
#define EXTENT5              \
    "\x02\0\0\0\x01\x05\x0d" \
    "hhhhhhhh\x05\x05\0\0\0"
CONTENT(payload_in_extents_as_it_should_be, HG_REC_DELTA,
        "\x07" BASE "\x01\x08\x03\x01v\x01\x05" HASH16 "\x05\x01" EXTENT5, HOLOG_OK)
CONTENT(payload_in_extents_sum_out_of_range, HG_REC_DELTA,
        "\x07" BASE "\x01\x08\x03\x01v\x01\x60" HASH16 "\x05\x01" EXTENT5, HOLOG_E_CORRUPT)
CONTENT(payload_in_extents_sum_not_that_of_its_blocks, HG_REC_DELTA,
        "\x07" BASE "\x01\x08\x03\x01v\x01\x06" HASH16 "\x05\x01" EXTENT5, HOLOG_E_CORRUPT)
CONTENT(payload_in_extents_cut_in_its_hash, HG_REC_DELTA,
        "\x07" BASE "\x01\x08\x03\x01v\x01\x05hhhhhhhhHHHHHHH", HOLOG_E_CORRUPT)
CONTENT(payload_in_extents_without_pieces, HG_REC_DELTA,
        "\x07" BASE "\x01\x08\x03\x01v\x01\x05" HASH16 "\x05\x00", HOLOG_E_CORRUPT)
CONTENT(payload_in_extents_longer_than_the_version, HG_REC_DELTA,
        "\x07" BASE "\x01\x08\x04\x01v\x01\x05" HASH16 "\x05\x01" EXTENT5, HOLOG_E_CORRUPT)

/* a version of six bytes: four of the record at 7:8192 from 100 on, two of its own */
#define SPAN4                          BASE "\x64\x04"
#define SPAN2                          "\0\0\0\0\0\0\0\0\x01\x02"
#define FOLD(csum, size, spans, bytes) BASE csum size spans bytes "\x00" HASH8
CONTENT(fold_as_it_should_be, HG_REC_FOLD, FOLD("\x05", "\x06", "\x02", "\x14") "abc" SPAN4 SPAN2,
        HOLOG_OK)
CONTENT(fold_of_an_empty_version, HG_REC_FOLD, FOLD("\x00", "\x00", "\x00", "\x00"), HOLOG_OK)
CONTENT(fold_version_without_segment, HG_REC_FOLD,
        "\0\0\0\0\x00\x20\0\0\x05\x06\x02\x14\x00" HASH8 "abc" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_sum_out_of_range, HG_REC_FOLD, FOLD("\x60", "\x06", "\x02", "\x14") "abc" SPAN4 SPAN2,
        HOLOG_E_CORRUPT)
CONTENT(fold_size_over_48_bits, HG_REC_FOLD, FOLD("\x05", N48, "\x02", "\x14") "abc" SPAN4 SPAN2,
        HOLOG_E_CORRUPT)
CONTENT(fold_spans_shorter_than_the_version, HG_REC_FOLD,
        FOLD("\x05", "\x07", "\x02", "\x14") "abc" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_spans_longer_than_the_version, HG_REC_FOLD,
        FOLD("\x05", "\x05", "\x02", "\x14") "abc" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_of_fewer_spans_than_it_says, HG_REC_FOLD,
        FOLD("\x05", "\x04", "\x02", "\x14") "abc" SPAN4 "\x07\0\0\0\0\x20\0\0\x80\x80",
        HOLOG_E_CORRUPT)
CONTENT(fold_of_more_spans_than_it_says, HG_REC_FOLD,
        FOLD("\x05", "\x06", "\x01", "\x14") "abc" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_of_too_many_spans, HG_REC_FOLD,
        FOLD("\x05", "\x06", "\x81\x80\x80\x08", "\x80\x80\x80\x80\x01") "abc" SPAN4 SPAN2,
        HOLOG_E_CORRUPT)
CONTENT(fold_table_too_short_for_its_spans, HG_REC_FOLD,
        FOLD("\x05", "\x06", "\x02", "\x13") "abc" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_table_longer_than_the_payload, HG_REC_FOLD,
        FOLD("\x05", "\x06", "\x02", "\x18") "abc" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_span_behind_its_own_bytes, HG_REC_FOLD,
        FOLD("\x05", "\x06", "\x02", "\x14") "ab" SPAN4 SPAN2, HOLOG_E_CORRUPT)
CONTENT(fold_span_of_nothing, HG_REC_FOLD,
        FOLD("\x05", "\x04", "\x02", "\x14") "abc" SPAN4 "\0\0\0\0\0\0\0\0\x01\x00",
        HOLOG_E_CORRUPT)
CONTENT(fold_span_over_48_bits, HG_REC_FOLD,
        FOLD("\x05", "\x04", "\x01", "\x10") "abc" BASE N47 "\x01", HOLOG_E_CORRUPT)
CONTENT(fold_span_in_a_header, HG_REC_FOLD,
        FOLD("\x05", "\x04", "\x01", "\x0a") "\x07\0\0\0\xff\x0f\0\0\x01\x04", HOLOG_E_CORRUPT)
CONTENT(fold_span_with_an_offset_alone, HG_REC_FOLD,
        FOLD("\x05", "\x04", "\x01", "\x0a") "\0\0\0\0\x00\x20\0\0\x01\x04", HOLOG_E_CORRUPT)
CONTENT(fold_without_a_payload, HG_REC_FOLD, BASE "\x00\x00\x00\x00", HOLOG_E_CORRUPT)

CONTENT(rollback_of_everything, HG_REC_ROLLBACK, "\x05", HOLOG_OK)
CONTENT(rollback_of_a_path, HG_REC_ROLLBACK, N47 "a/b", HOLOG_OK)
CONTENT(rollback_without_a_number, HG_REC_ROLLBACK, "", HOLOG_E_CORRUPT)
CONTENT(rollback_number_over_48_bits, HG_REC_ROLLBACK, N48, HOLOG_E_CORRUPT)
CONTENT(rollback_path_not_canonical, HG_REC_ROLLBACK, "\x05/a", HOLOG_E_CORRUPT)
CONTENT(rollback_is_never_ignorable, 0x80 | HG_REC_ROLLBACK, "\x05", HOLOG_E_CORRUPT)

CONTENT(tag_as_it_should_be, HG_REC_TAG,
        "\x05tttttttt"
        "v1",
        HOLOG_OK)
CONTENT(tag_deleted, HG_REC_TAG,
        "\x00tttttttt"
        "v1",
        HOLOG_OK)
CONTENT(tag_number_over_48_bits, HG_REC_TAG,
        N48 "tttttttt"
            "v1",
        HOLOG_E_CORRUPT)
CONTENT(tag_cut_in_its_time, HG_REC_TAG, "\x05ttttttt", HOLOG_E_CORRUPT)
CONTENT(tag_without_a_name, HG_REC_TAG, "\x05tttttttt", HOLOG_E_CORRUPT)
CONTENT(tag_of_a_reserved_name, HG_REC_TAG,
        "\x05tttttttt"
        "HEAD",
        HOLOG_E_CORRUPT)
CONTENT(tag_is_never_ignorable, 0x80 | HG_REC_TAG,
        "\x05tttttttt"
        "v1",
        HOLOG_E_CORRUPT)

CONTENT(retention_as_it_should_be, HG_REC_RETENTION, N47, HOLOG_OK)
CONTENT(retention_over_48_bits, HG_REC_RETENTION, N48, HOLOG_E_CORRUPT)
CONTENT(retention_with_more_behind, HG_REC_RETENTION, "\x05\x00", HOLOG_E_CORRUPT)
CONTENT(retention_is_never_ignorable, 0x80 | HG_REC_RETENTION, "\x05", HOLOG_E_CORRUPT)
CONTENT(fold_is_never_ignorable, 0x80 | HG_REC_FOLD, FOLD("\x00", "\x00", "\x00", "\x00"),
        HOLOG_E_CORRUPT)

/* ---- contents cut short -------------------------------------------------------------------------- */

/* A content that ends early, in a record that says so: refused, or it is a shorter payload or path.
 * Never a read behind it. */
Test(versions, a_content_cut_anywhere_stays_within_its_bytes)
{
    struct tiny t = tiny_versions_build(TINY_GOOD);
    for (uint32_t i = 1; i < t.n; i++) {
        const uint8_t *body = t.file.data + t.offsets[i] + HG_FRAME_HEADER_SIZE;
        size_t len = t.frames[i].len - HG_FRAME_HEADER_SIZE;
        struct hg_body b;
        struct hg_record r;
        struct hg_rec_head head;
        cr_assert_eq(hg_body_decode(body, len, &b), HOLOG_OK);
        for (size_t at = b.records_at; at < len; at += r.whole_len) {
            cr_assert_eq(hg_rec_decode(body + at, len - at, at, &r), HOLOG_OK);
            cr_assert_eq(hg_rec_head_decode(body + at, len - at, &head), HOLOG_OK);
            for (size_t n = 0; n < head.content; n++) {
                struct hg_record cut;
                uint8_t *copy = exact_copy(body + at + head.size, n);
                int rc = hg_rec_content_decode(head.type_byte, copy, n, &cut);
                cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT);
                if (rc == HOLOG_OK && cut.value != NULL)
                    cr_assert_leq(cut.value_len, n);
                free(copy);
            }
        }
    }
    hg_buf_release(&t.file);
}

/* ---- random ones ---------------------------------------------------------------------------------- */

static void random_delta(struct rng *r, struct hg_delta_rec *d)
{
    static const char bytes[300] = "what a delta brings";
    uint64_t old = rng_any(r) & (HG_NUMBER_MAX >> 1);
    uint64_t a = old == 0 ? 0 : rng_next(r) % (old + 1);
    uint64_t b = old == 0 ? 0 : rng_next(r) % (old + 1);
    size_t n = rng_below(r, sizeof bytes);

    *d = (struct hg_delta_rec){ .path = "some/path",
                                .path_len = 9,
                                .base = hg_pos_make(1 + (uint32_t)rng_below(r, 9),
                                                    5000 + (uint32_t)rng_below(r, 60000)),
                                .csum = (uint8_t)rng_below(r, HG_CSUM_MOD),
                                .kind = (uint8_t)(1 + rng_below(r, 4)),
                                .version_size = old,
                                .start = HG_MIN(a, b),
                                .end = HG_MAX(a, b) };
    if (d->kind == HG_DELTA_INSERT)
        d->end = d->start;
    if (hg_delta_has_payload(d->kind))
        d->payload = payload_inline(bytes, n);
    if (d->kind == HG_DELTA_MOVE)
        d->move_to = rng_below(r, 2) ? d->start : d->end;
    else
        d->version_size = old - (d->end - d->start) + d->payload.len;
}

Test(versions, random_deltas_round_trip)
{
    struct rng rng = rng_begin("random_deltas_round_trip");
    struct hg_buf body = { 0 };
    for (int i = 0; i < rounds(3000); i++) {
        struct hg_delta_rec d;
        random_delta(&rng, &d);
        begin(&body);
        cr_assert_eq(hg_rec_delta(&body, &d, NULL), HOLOG_OK);
        struct hg_record r = decode_one(&body);
        cr_assert(r.base == d.base && r.csum == d.csum && r.kind == d.kind &&
                      r.version_size == d.version_size && r.start == d.start && r.end == d.end &&
                      r.move_to == d.move_to && r.value_len == d.payload.len,
                  "seed %llu, round %d", (unsigned long long)rng.seed, i);
        if (r.value != NULL)
            cr_assert_arr_eq(r.value, d.payload.bytes, d.payload.len);
    }
    hg_buf_release(&body);
}
