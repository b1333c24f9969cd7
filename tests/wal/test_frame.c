/*
 * The frame header, the body's time and fields, and the golden segments.
 */
#include "wal/frame.h"
#include "waltest.h"

#define CAPACITY (1u << 20)

static const struct hg_frame_place here = {
    .salt = UINT64_C(0x1122334455667788),
    .epoch = UINT64_C(0x0123456789abcdef),
    .segment = 3,
    .offset = 8200,
};

static struct hg_frame sample(void)
{
    return (struct hg_frame){
        .type = HG_FRAME_COMMIT,
        .len = 1000,
        .nrec = 4,
        .number = 17,
        .floor = UINT64_C(3) << 32 | 8192,
        .prev_len = 500,
        .prev_hash = 0xcafebabe,
        .body_hash = UINT64_C(0xfeedfacefeedface),
    };
}

static uint64_t seed_of(const struct hg_frame_place *p)
{
    return p->salt ^ p->epoch ^ (p->segment * UINT64_C(0x9E3779B97F4A7C15)) ^
           (p->offset * UINT64_C(0xC2B2AE3D27D4EB4F));
}

/* The verdict when `width` bytes at `at` hold value, the hash being right. */
static enum hg_frame_verdict verdict_patched(size_t at, size_t width, uint64_t value)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE];
    struct hg_frame f = sample();
    struct hg_frame out;
    struct hg_frame untouched;
    hg_frame_encode(&f, &here, bytes);
    memcpy(bytes + at, &value, width);
    hg_put_le64(bytes + 56, hg_hash64_seeded(bytes, 56, seed_of(&here)));
    memset(&out, 0x5a, sizeof out);
    memset(&untouched, 0x5a, sizeof untouched);
    enum hg_frame_verdict v = hg_frame_decode(bytes, &here, CAPACITY, &out);
    if (v != HG_FRAME_OK)
        cr_assert_eq(memcmp(&out, &untouched, sizeof out), 0, "the output was touched");
    return v;
}

Test(frame, round_trip)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE];
    struct hg_frame f = sample();
    struct hg_frame out;
    hg_frame_encode(&f, &here, bytes);
    cr_assert_eq(hg_frame_decode(bytes, &here, CAPACITY, &out), HG_FRAME_OK);
    cr_assert_eq(out.type, f.type);
    cr_assert_eq(out.len, f.len);
    cr_assert_eq(out.nrec, f.nrec);
    cr_assert_eq(out.number, f.number);
    cr_assert_eq(out.floor, f.floor);
    cr_assert_eq(out.prev_len, f.prev_len);
    cr_assert_eq(out.prev_hash, f.prev_hash);
    cr_assert_eq(out.body_hash, f.body_hash);
    cr_assert_eq(out.head_hash, f.head_hash);
    cr_assert_neq(out.head_hash, 0u);
}

Test(frame, the_seed_is_the_one_in_the_format)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE];
    struct hg_frame f = sample();
    hg_frame_encode(&f, &here, bytes);
    cr_assert_eq(hg_get_le64(bytes + 56), hg_hash64_seeded(bytes, 56, seed_of(&here)));
    cr_assert_eq(hg_get_le64(bytes + 40), here.epoch ^ here.offset);
}

Test(frame, random_headers_round_trip)
{
    struct rng r = rng_begin("random_headers_round_trip");
    for (int i = 0; i < rounds(20000); i++) {
        uint8_t bytes[HG_FRAME_HEADER_SIZE];
        uint8_t again[HG_FRAME_HEADER_SIZE];
        struct hg_frame_place p = {
            .salt = rng_next(&r),
            .epoch = rng_next(&r),
            .segment = (uint32_t)(rng_any(&r) | 1),
            .offset = (uint32_t)(4096 + rng_below(&r, HG_SEGMENT_MAX / 8) * 8),
        };
        struct hg_frame f = {
            .type = (uint8_t)(1 + rng_below(&r, 2)),
            .len = (uint32_t)(HG_FRAME_MIN + rng_below(&r, HG_FRAME_MAX - HG_FRAME_MIN + 1)),
            .number = 1 + rng_any(&r) % HG_NUMBER_MAX,
            .floor = rng_below(&r, 2) ? 0 : hg_pos_make(p.segment, 4096),
            .prev_len = (uint32_t)(HG_FRAME_MIN + rng_below(&r, 1000)),
            .prev_hash = (uint32_t)rng_next(&r),
            .body_hash = rng_next(&r),
        };
        struct hg_frame out;
        f.nrec = (uint32_t)rng_below(&r, (f.len - HG_FRAME_MIN) / 3 + 1);
        hg_frame_encode(&f, &p, bytes);
        cr_assert_eq(hg_frame_decode(bytes, &p, HG_SEGMENT_MAX, &out), HG_FRAME_OK,
                     "round %d, seed %llu", i, (unsigned long long)r.seed);
        hg_frame_encode(&out, &p, again);
        cr_assert_arr_eq(bytes, again, sizeof bytes);
    }
}

Test(frame, every_flipped_bit_is_refused)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE];
    struct hg_frame f = sample();
    hg_frame_encode(&f, &here, bytes);
    for (size_t i = 0; i < sizeof bytes * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        enum hg_frame_verdict v = hg_frame_decode(bytes, &here, CAPACITY, &f);
        /* Only a flip of field 40 itself hides that the header was meant for this place. */
        cr_assert_eq(v, i / 8 >= 40 && i / 8 < 48 ? HG_FRAME_BAD : HG_FRAME_DAMAGED, "bit %zu", i);
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

Test(frame, a_copy_anywhere_else_is_no_frame)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE];
    struct hg_frame f = sample();
    hg_frame_encode(&f, &here, bytes);
    struct hg_frame_place other[4] = { here, here, here, here };
    other[0].salt ^= 1;
    other[1].epoch ^= 1;
    other[2].segment++;
    other[3].offset += 8;
    for (int i = 0; i < 4; i++)
        cr_assert_neq(hg_frame_decode(bytes, &other[i], CAPACITY, &f), HG_FRAME_OK, "place %d", i);
    cr_assert_eq(hg_frame_decode(bytes, &other[1], CAPACITY, &f), HG_FRAME_BAD);
    cr_assert_eq(hg_frame_decode(bytes, &other[3], CAPACITY, &f), HG_FRAME_BAD);
}

Test(frame, zeros_were_never_written)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE] = { 0 };
    struct hg_frame f;
    cr_assert_eq(hg_frame_decode(bytes, &here, CAPACITY, &f), HG_FRAME_ZERO);
    bytes[63] = 1;
    cr_assert_eq(hg_frame_decode(bytes, &here, CAPACITY, &f), HG_FRAME_BAD);
}

Test(frame, noise_is_no_frame)
{
    struct rng r = rng_begin("noise_is_no_frame");
    for (int i = 0; i < rounds(10000); i++) {
        uint8_t bytes[HG_FRAME_HEADER_SIZE];
        struct hg_frame f;
        for (size_t j = 0; j < sizeof bytes; j += 8)
            hg_put_le64(bytes + j, rng_next(&r));
        hg_put_le32(bytes, HG_FRAME_MAGIC);
        cr_assert_eq(hg_frame_decode(bytes, &here, CAPACITY, &f), HG_FRAME_BAD);
    }
}

#define DAMAGED(name, at, width, value)                                          \
    Test(frame, name)                                                            \
    {                                                                            \
        cr_assert_eq(verdict_patched((at), (width), (value)), HG_FRAME_DAMAGED); \
    }

Test(frame, an_unchanged_patch_is_accepted)
{
    cr_assert_eq(verdict_patched(4, 1, HG_FRAME_COMMIT), HG_FRAME_OK);
}
DAMAGED(wrong_magic, 0, 4, 0x32464748)
DAMAGED(type_zero, 4, 1, 0)
DAMAGED(type_unknown, 4, 1, 3)
DAMAGED(flags_set, 5, 1, 1)
DAMAGED(reserved_set, 7, 1, 0x80)
DAMAGED(shorter_than_any_frame, 8, 4, HG_FRAME_MIN - 1)
DAMAGED(longer_than_a_quarter_of_the_segment, 8, 4, CAPACITY / 4 + 1)
DAMAGED(longer_than_any_frame, 8, 4, UINT32_MAX)
DAMAGED(more_records_than_bytes, 12, 4, (1000 - 73) / 3 + 1)
DAMAGED(commit_number_zero, 16, 8, 0)
DAMAGED(number_over_48_bits, 16, 8, UINT64_C(1) << 48)
DAMAGED(floor_behind_the_frame, 24, 8, UINT64_C(3) << 32 | 8201)
DAMAGED(floor_in_a_later_segment, 24, 8, UINT64_C(4) << 32 | 4096)
DAMAGED(floor_without_a_segment, 24, 8, 8192)
DAMAGED(floor_inside_a_header, 24, 8, UINT64_C(3) << 32 | 4095)
DAMAGED(frame_before_too_short, 32, 4, HG_FRAME_MIN - 1)
DAMAGED(frame_before_too_long, 32, 4, HG_FRAME_MAX + 1)
DAMAGED(no_frame_before_but_a_hash, 32, 4, 0)

Test(frame, epoch_field_of_another_place_is_bad_even_when_signed)
{
    cr_assert_eq(verdict_patched(40, 8, 1), HG_FRAME_BAD);
}

Test(frame, the_longest_frame_follows_from_the_capacity)
{
    cr_assert_eq(hg_frame_len_max(0), 4096u);
    cr_assert_eq(hg_frame_len_max(16384), 4096u);
    cr_assert_eq(hg_frame_len_max(32768), 8192u);
    cr_assert_eq(hg_frame_len_max(64u << 20), 16u << 20);
    cr_assert_eq(hg_frame_len_max(UINT64_MAX), 16u << 20);
    cr_assert_eq(verdict_patched(8, 4, CAPACITY / 4), HG_FRAME_OK);
}

/* ---- bodies ------------------------------------------------------------------------------------ */

Test(body, round_trip_with_fields)
{
    struct hg_buf fields = { 0 };
    struct hg_buf body = { 0 };
    struct hg_body out;
    struct hg_field f;
    size_t at = 0;

    cr_assert_eq(hg_field_append(&fields, HG_FIELD_MESSAGE, "caf\xc3\xa9", 5), HOLOG_OK);
    cr_assert_eq(hg_field_append_meta(&fields, "user", 4, "ada", 3), HOLOG_OK);
    cr_assert_eq(hg_field_append_meta(&fields, "", 0, "", 0), HOLOG_OK);
    cr_assert_eq(hg_body_begin(&body, 12345, fields.data, fields.len), HOLOG_OK);
    cr_assert_eq(hg_body_decode(body.data, body.len, &out), HOLOG_OK);
    cr_assert_eq(out.time_ns, 12345u);
    cr_assert_eq(out.records_at, body.len);
    cr_assert_eq(hg_field_next(out.fields, out.fields_len, &at, &f), HOLOG_OK);
    cr_assert_eq(f.type, HG_FIELD_MESSAGE);
    cr_assert_eq(f.len, 5u);
    cr_assert_arr_eq(f.data, "caf\xc3\xa9", 5);
    cr_assert_eq(hg_field_next(out.fields, out.fields_len, &at, &f), HOLOG_OK);
    cr_assert_eq(f.type, HG_FIELD_META);
    cr_assert_eq(f.key_len, 4u);
    cr_assert_arr_eq(f.key, "user", 4);
    cr_assert_eq(f.value_len, 3u);
    cr_assert_arr_eq(f.value, "ada", 3);
    cr_assert_eq(hg_field_next(out.fields, out.fields_len, &at, &f), HOLOG_OK);
    cr_assert_eq(f.key_len + f.value_len, 0u);
    cr_assert_eq(hg_field_next(out.fields, out.fields_len, &at, &f), HOLOG_E_NOENT);
    hg_buf_release(&fields);
    hg_buf_release(&body);
}

Test(body, nine_bytes_are_the_shortest)
{
    struct hg_buf body = { 0 };
    struct hg_body out;
    cr_assert_eq(hg_body_begin(&body, UINT64_MAX, NULL, 0), HOLOG_OK);
    cr_assert_eq(body.len, (size_t)HG_BODY_MIN);
    cr_assert_eq(hg_body_decode(body.data, body.len, &out), HOLOG_OK);
    cr_assert_eq(out.time_ns, UINT64_MAX);
    cr_assert_eq(out.fields_len, 0u);
    for (size_t n = 0; n < body.len; n++) {
        uint8_t *copy = exact_copy(body.data, n);
        cr_assert_eq(hg_body_decode(copy, n, &out), HOLOG_E_CORRUPT);
        free(copy);
    }
    hg_buf_release(&body);
}

Test(body, every_truncation_of_fields_is_refused)
{
    struct hg_buf fields = { 0 };
    struct hg_buf body = { 0 };
    struct hg_body out;
    cr_assert_eq(hg_field_append(&fields, HG_FIELD_MESSAGE, "message", 7), HOLOG_OK);
    cr_assert_eq(hg_field_append_meta(&fields, "k", 1, "v", 1), HOLOG_OK);
    cr_assert_eq(hg_body_begin(&body, 1, fields.data, fields.len), HOLOG_OK);
    for (size_t n = 0; n < body.len; n++) {
        uint8_t *copy = exact_copy(body.data, n);
        cr_assert_eq(hg_body_decode(copy, n, &out), HOLOG_E_CORRUPT, "%zu bytes", n);
        free(copy);
    }
    hg_buf_release(&fields);
    hg_buf_release(&body);
}

/* A body whose fields are these bytes. */
static int decode_fields(const char *fields, size_t len)
{
    struct hg_buf body = { 0 };
    struct hg_body out;
    cr_assert_eq(hg_body_begin(&body, 1, (const uint8_t *)fields, len), HOLOG_OK);
    uint8_t *copy = exact_copy(body.data, body.len);
    int rc = hg_body_decode(copy, body.len, &out);
    free(copy);
    hg_buf_release(&body);
    return rc;
}

#define FIELDS(name, bytes, code)                                        \
    Test(body, name)                                                     \
    {                                                                    \
        cr_assert_eq(decode_fields((bytes), sizeof(bytes) - 1), (code)); \
    }

FIELDS(unknown_field_from_128_on_is_skipped, "\x80\x02xx\xff\x00", HOLOG_OK)
FIELDS(unknown_field_below_128_is_of_a_later_version, "\x04\x00", HOLOG_E_VERSION)
FIELDS(nonce_is_of_a_later_version, "\x03\x01x", HOLOG_E_VERSION)
FIELDS(field_zero_is_damage, "\x00\x00", HOLOG_E_CORRUPT)
FIELDS(message_must_be_utf8, "\x01\x01\xff", HOLOG_E_CORRUPT)
FIELDS(field_longer_than_the_fields,
       "\x01\x05"
       "four",
       HOLOG_E_CORRUPT)
FIELDS(field_without_a_length, "\x01", HOLOG_E_CORRUPT)
FIELDS(metadata_without_a_key_length, "\x02\x00", HOLOG_E_CORRUPT)
FIELDS(metadata_key_longer_than_its_field, "\x02\x03\x03kv", HOLOG_E_CORRUPT)
FIELDS(length_in_a_longer_form, "\x01\x81\x00x", HOLOG_E_CORRUPT)

Test(body, a_message_that_is_not_utf8_is_never_written)
{
    struct hg_buf fields = { 0 };
    cr_assert_eq(hg_field_append(&fields, HG_FIELD_MESSAGE, "\xc3", 1), HOLOG_E_INVAL);
    cr_assert_eq(fields.len, 0u);
    hg_buf_release(&fields);
}

/* ---- golden segments ----------------------------------------------------------------------------- */

/* Reads an unsealed segment as recovery would, up to the first thing that is no frame of it: how
 * many records, or a code. */
static int read_segment(const uint8_t *file, size_t len, uint32_t *out_frames)
{
    struct hg_segment_header h;
    struct hg_frame f;
    struct hg_body body;
    struct hg_record r;
    size_t at = HG_SEGMENT_HEADER_SIZE;
    int records = 0;

    if (len < HG_SEGMENT_HEADER_SIZE)
        return HOLOG_E_CORRUPT;
    int rc = hg_segment_header_decode(file, 1, HG_KIND_FRAMES, &h);
    if (rc < 0)
        return rc;
    *out_frames = 0;
    for (;;) {
        struct hg_frame_place p = { h.salt, h.epoch, h.id, (uint32_t)at };
        if (len < at || len - at < HG_FRAME_HEADER_SIZE)
            return records;
        enum hg_frame_verdict v = hg_frame_decode(file + at, &p, h.capacity, &f);
        if (v == HG_FRAME_ZERO && at % HG_BLOCK != 0) {
            at = HG_ALIGN_UP(at, (size_t)HG_BLOCK);
            continue;
        }
        if (v != HG_FRAME_OK || f.len > len - at)
            return records;
        const uint8_t *bytes = file + at + HG_FRAME_HEADER_SIZE;
        size_t body_len = f.len - HG_FRAME_HEADER_SIZE;
        if (hg_hash64(bytes, body_len) != f.body_hash)
            return records;
        rc = hg_body_decode(bytes, body_len, &body);
        if (rc < 0)
            return rc;
        size_t in = body.records_at;
        for (uint32_t i = 0; i < f.nrec; i++) {
            rc = hg_rec_decode(bytes + in, body_len - in, in, &r);
            if (rc < 0)
                return rc;
            in += r.whole_len;
            records++;
        }
        if (in != body_len)
            return HOLOG_E_CORRUPT;
        (*out_frames)++;
        at = HG_ALIGN_UP(at + f.len, (size_t)8);
    }
}

Test(golden, the_tiny_segment_is_written_byte_for_byte)
{
    struct tiny t = tiny_build();
    golden_check("tiny_open.hlog", t.file.data, t.file.len);
    if (golden_writing()) {
        /* The footer's bytes depend on the version of zstd: the sealed file is only ever read. */
        struct hg_buf open = { 0 };
        cr_assert_eq(hg_buf_append(&open, t.file.data, t.file.len), HOLOG_OK);
        tiny_seal(&t);
        golden_write("tiny_sealed.hlog", t.file.data, t.file.len);
        /* bad ones: one byte of a body, of a header; a record of a later version, signed */
        open.data[t.offsets[2] + 100] ^= 1;
        golden_write("bad_body_byte.hlog", open.data, open.len);
        open.data[t.offsets[2] + 100] ^= 1;
        open.data[t.offsets[1] + 12] ^= 1;
        golden_write("bad_frame_header.hlog", open.data, open.len);
        hg_buf_release(&open);
    }
    hg_buf_release(&t.file);
}

Test(golden, the_segment_of_versions_is_written_byte_for_byte)
{
    static const char *const names[] = { [TINY_GOOD] = "versions_open.hlog",
                                         [TINY_BASE_OF_NONE] = "bad_versions_base.hlog",
                                         [TINY_SPANS_SHORT] = "bad_versions_spans.hlog" };
    for (int i = TINY_GOOD; i <= TINY_SPANS_SHORT; i++) {
        struct tiny t = tiny_versions_build((enum tiny_bad)i);
        golden_check(names[i], t.file.data, t.file.len);
        if (golden_writing() && i == TINY_GOOD) {
            tiny_seal(&t); /* only ever read, as above */
            golden_write("versions_sealed.hlog", t.file.data, t.file.len);
        }
        hg_buf_release(&t.file);
    }
}

Test(golden, segments_read_as_they_did)
{
    static const struct {
        const char *name;
        uint32_t frames;
        int records;
    } files[] = {
        { "tiny_open.hlog", 5, 14 },
        { "tiny_sealed.hlog", 5, 14 },
        { "bad_body_byte.hlog", 2, 3 },
        { "bad_frame_header.hlog", 1, 1 },
        { "versions_open.hlog", 5, TINY_VERSIONS_RECORDS },
        { "versions_sealed.hlog", 5, TINY_VERSIONS_RECORDS },
        { "bad_versions_base.hlog", 2, HOLOG_E_CORRUPT },
        { "bad_versions_spans.hlog", 4, HOLOG_E_CORRUPT },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct hg_buf b = golden_read(files[i].name);
        uint32_t frames = 0;
        cr_assert_eq(read_segment(b.data, b.len, &frames), files[i].records, "%s", files[i].name);
        cr_assert_eq(frames, files[i].frames, "%s", files[i].name);
        hg_buf_release(&b);
    }
}

Test(golden, every_flipped_bit_of_the_frames_loses_records_or_lay_between_them)
{
    struct tiny t = tiny_build();
    uint32_t frames = 0;
    cr_assert_eq(read_segment(t.file.data, t.file.len, &frames), 14);
    for (size_t i = 0; i < t.file.len * 8; i++) {
        int between = 1;
        for (uint32_t k = 0; k < t.n; k++)
            if (i / 8 >= t.offsets[k] && i / 8 < t.offsets[k] + t.frames[k].len)
                between = 0;
        if (i / 8 < HG_SEGMENT_HEADER_SIZE || (between && i % 8 != 0))
            continue; /* test_segment.c has the header */
        t.file.data[i / 8] ^= (uint8_t)(1u << i % 8);
        int n = read_segment(t.file.data, t.file.len, &frames);
        /* Ignorable: padding to 8 is no part of a frame. Padding up to the next block is looked at
         * where a header would stand, and what is not zero there ends the log. */
        cr_assert(n < 14 || between, "byte %zu", i / 8);
        t.file.data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    hg_buf_release(&t.file);
}

Test(golden, every_truncated_segment_ends_with_a_whole_frame)
{
    struct tiny t = tiny_build();
    uint32_t frames = 0;
    for (size_t len = 0; len < t.file.len; len++) {
        uint8_t *copy = exact_copy(t.file.data, len);
        int n = read_segment(copy, len, &frames);
        uint32_t whole = 0;
        while (whole < t.n && t.offsets[whole] + t.frames[whole].len <= len)
            whole++;
        if (len < HG_SEGMENT_HEADER_SIZE)
            cr_assert_eq(n, HOLOG_E_CORRUPT);
        else
            cr_assert(n >= 0 && frames == whole, "%zu bytes: %u frames", len, frames);
        free(copy);
    }
    hg_buf_release(&t.file);
}

Test(frame, a_draft_is_one_only_where_it_was_made_and_never_a_frame)
{
    uint8_t bytes[HG_FRAME_HEADER_SIZE];
    struct hg_frame f = sample();
    struct hg_frame_place other = here;
    struct hg_frame out;
    uint64_t number = 0;

    hg_frame_draft(&f, &here, bytes);
    cr_assert(hg_frame_is_draft(bytes, &here, &number));
    cr_assert_eq(number, f.number);
    cr_assert_neq(hg_frame_decode(bytes, &here, CAPACITY, &out), HG_FRAME_OK);
    other.offset += 8;
    other.epoch = hg_frame_epoch(bytes, other.offset);
    cr_assert_not(hg_frame_is_draft(bytes, &other, &number));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        cr_assert_not(hg_frame_is_draft(bytes, &here, &number), "byte %zu", i);
        bytes[i] ^= 1;
    }
    hg_frame_encode(&f, &here, bytes);
    cr_assert_not(hg_frame_is_draft(bytes, &here, &number));
}
