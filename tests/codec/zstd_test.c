#include "codec/zstd.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "holog/error.h"

#define LEVEL 1

/* Bytes that compress, but not to nothing: several blocks at 300 KB. */
static uint8_t *sample(size_t len)
{
    uint8_t *p = malloc(len + 1);
    uint32_t x = 1;
    cr_assert_not_null(p);
    for (size_t i = 0; i < len; i++) {
        x = x * 1103515245u + 12345u;
        p[i] = i % 8 < 5 ? (uint8_t)(i >> 6) : (uint8_t)(x >> 16);
    }
    return p;
}

static void compress_sample(size_t len, uint8_t **out_raw, struct hg_buf *out)
{
    *out_raw = sample(len);
    cr_assert_eq(hg_zstd_compress(*out_raw, len, LEVEL, out), HOLOG_OK);
}

Test(zstd, what_is_compressed_comes_back_behind_what_was_there)
{
    const size_t sizes[] = { 0, 1, 100, 4096, 300000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct hg_buf packed = { 0 };
        struct hg_buf raw = { 0 };
        struct hg_zstd_frame frame;
        uint8_t *in = NULL;
        cr_assert_eq(hg_buf_append(&packed, "head", 4), HOLOG_OK);
        cr_assert_eq(hg_buf_append(&raw, "old", 3), HOLOG_OK);
        compress_sample(sizes[i], &in, &packed);
        cr_assert_arr_eq(packed.data, "head", 4);
        cr_assert_eq(hg_zstd_frame_decode(packed.data + 4, packed.len - 4, &frame), HOLOG_OK);
        cr_assert_eq(frame.raw_bytes, sizes[i]);
        cr_assert_eq(frame.len_bytes, packed.len - 4);
        cr_assert_eq(hg_zstd_decompress(packed.data + 4, packed.len - 4, sizes[i], &raw), HOLOG_OK);
        cr_assert_eq(raw.len, 3 + sizes[i]);
        cr_assert_arr_eq(raw.data, "old", 3);
        cr_assert(sizes[i] == 0 || memcmp(raw.data + 3, in, sizes[i]) == 0);
        free(in);
        hg_buf_release(&packed);
        hg_buf_release(&raw);
    }
}

Test(zstd, the_end_of_a_frame_is_found_when_bytes_follow)
{
    struct hg_buf packed = { 0 };
    struct hg_zstd_frame frame;
    uint8_t *in = NULL;
    compress_sample(5000, &in, &packed);
    size_t len = packed.len;
    cr_assert_eq(hg_buf_append(&packed, "tail", 4), HOLOG_OK);
    cr_assert_eq(hg_zstd_frame_decode(packed.data, packed.len, &frame), HOLOG_OK);
    cr_assert_eq(frame.len_bytes, len);
    free(in);
    hg_buf_release(&packed);
}

Test(zstd, a_frame_cut_anywhere_is_refused_and_leaves_the_outputs)
{
    struct hg_buf packed = { 0 };
    struct hg_buf raw = { 0 };
    struct hg_zstd_frame frame = { .raw_bytes = 7, .window_bytes = 8, .len_bytes = 9 };
    uint8_t *in = NULL;
    compress_sample(2000, &in, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        uint8_t *cut = malloc(len + 1); /* its own block: a read behind it shows */
        cr_assert_not_null(cut);
        memcpy(cut, packed.data, len);
        cr_assert_eq(hg_zstd_frame_decode(cut, len, &frame), HOLOG_E_CORRUPT, "cut at %zu", len);
        cr_assert_eq(hg_zstd_decompress(cut, len, 2000, &raw), HOLOG_E_CORRUPT, "cut at %zu", len);
        free(cut);
    }
    cr_assert_eq(frame.raw_bytes + frame.window_bytes + frame.len_bytes, 7 + 8 + 9);
    cr_assert_eq(raw.len, 0);
    free(in);
    hg_buf_release(&packed);
    hg_buf_release(&raw);
}

Test(zstd, another_length_than_stated_is_refused)
{
    struct hg_buf packed = { 0 };
    struct hg_buf raw = { 0 };
    uint8_t *in = NULL;
    compress_sample(2000, &in, &packed);
    cr_assert_eq(hg_zstd_decompress(packed.data, packed.len, 1999, &raw), HOLOG_E_CORRUPT);
    cr_assert_eq(hg_zstd_decompress(packed.data, packed.len, 2001, &raw), HOLOG_E_CORRUPT);
    cr_assert_eq(raw.len, 0);
    free(in);
    hg_buf_release(&packed);
    hg_buf_release(&raw);
}

Test(zstd, a_skippable_frame_is_no_frame)
{
    const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'a', 'b', 'c', 'd' };
    struct hg_zstd_frame frame;
    cr_assert_eq(hg_zstd_frame_decode(skippable, sizeof skippable, &frame), HOLOG_E_CORRUPT);
}

Test(zstd, a_frame_with_a_checksum_is_read_and_a_flipped_bit_is_found)
{
    struct hg_buf packed = { 0 };
    uint8_t *in = sample(3000);
    uint8_t *out = malloc(3000);
    size_t n = 0;
    struct hg_zstd_encoder *e = NULL;

    cr_assert_eq(hg_zstd_encoder_create(&e), HOLOG_OK);
    cr_assert_eq(hg_zstd_encoder_run(e, in, 3000, LEVEL, 1, &packed), HOLOG_OK);
    hg_zstd_encoder_destroy(e);
    cr_assert_eq(hg_zstd_decompress_any(packed.data, packed.len, out, 3000, &n), HOLOG_OK);
    cr_assert(n == 3000 && memcmp(in, out, n) == 0);
    for (size_t bit = 0; bit < packed.len * 8; bit++) {
        packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int rc = hg_zstd_decompress_any(packed.data, packed.len, out, 3000, &n);
        /* Some bits of the header mean nothing here: what comes out is right all the same. */
        cr_assert(rc == HOLOG_E_CORRUPT || (n == 3000 && memcmp(in, out, n) == 0), "bit %zu", bit);
        packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(in);
    free(out);
    hg_buf_release(&packed);
}

Test(zstd, a_context_that_is_kept_gives_what_a_new_one_gives)
{
    struct hg_zstd_encoder *e = NULL;
    struct hg_zstd_decoder *d = NULL;
    uint8_t out[3000];
    size_t n = 0;

    cr_assert_eq(hg_zstd_encoder_create(&e), HOLOG_OK);
    cr_assert_eq(hg_zstd_decoder_create(&d), HOLOG_OK);
    for (size_t len = 0; len <= 3000; len += 500) {
        struct hg_buf kept = { 0 };
        struct hg_buf anew = { 0 };
        uint8_t *in = sample(len);
        cr_assert_eq(hg_zstd_encoder_run(e, in, len, LEVEL, 0, &kept), HOLOG_OK);
        cr_assert_eq(hg_zstd_compress(in, len, LEVEL, &anew), HOLOG_OK);
        cr_assert(kept.len == anew.len && memcmp(kept.data, anew.data, kept.len) == 0);
        /* What was damaged before leaves nothing behind. */
        cr_assert_eq(hg_zstd_decoder_run(d, kept.data, kept.len - 1, out, 3000, &n),
                     HOLOG_E_CORRUPT);
        cr_assert_eq(hg_zstd_decoder_run(d, kept.data, kept.len, out, 3000, &n), HOLOG_OK);
        cr_assert(n == len && memcmp(out, in, len) == 0);
        free(in);
        hg_buf_release(&kept);
        hg_buf_release(&anew);
    }
    hg_zstd_encoder_destroy(e);
    hg_zstd_decoder_destroy(d);
}

Test(zstd, a_bomb_writes_no_more_than_is_expected)
{
    struct hg_buf packed = { 0 };
    uint8_t *zeros = calloc(1, 8 << 20);
    uint8_t *out = malloc(1000); /* a write behind it shows */
    size_t n = 7;

    cr_assert(zeros != NULL && out != NULL);
    cr_assert_eq(hg_zstd_compress(zeros, 8 << 20, LEVEL, &packed), HOLOG_OK);
    cr_assert_lt(packed.len, 2000);
    cr_assert_eq(hg_zstd_stated(packed.data, packed.len), 8 << 20);
    cr_assert_eq(hg_zstd_decompress_any(packed.data, packed.len, out, 1000, &n), HOLOG_E_CORRUPT);
    cr_assert_eq(n, 7);
    free(zeros);
    free(out);
    hg_buf_release(&packed);
}

Test(zstd, other_formats_and_rests_are_no_frames)
{
    const uint8_t v07[] = { 0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0 };
    uint8_t out[16];
    size_t n = 7;
    struct hg_buf packed = { 0 };

    cr_assert_eq(hg_zstd_decompress_any(v07, sizeof v07, out, sizeof out, &n), HOLOG_E_CORRUPT);
    cr_assert_eq(hg_zstd_stated(v07, sizeof v07), 0);
    cr_assert_eq(hg_zstd_compress("abc", 3, LEVEL, &packed), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&packed, "(", 1), HOLOG_OK);
    cr_assert_eq(hg_zstd_decompress_any(packed.data, packed.len, out, sizeof out, &n),
                 HOLOG_E_CORRUPT);
    cr_assert_eq(n, 7);
    cr_assert_eq(hg_zstd_decompress_any(packed.data, packed.len - 1, out, sizeof out, &n),
                 HOLOG_OK);
    cr_assert_eq(n, 3);
    cr_assert_eq(hg_zstd_decompress_any("", 0, out, sizeof out, &n), HOLOG_OK);
    cr_assert_eq(n, 0, "no frame, nothing");
    hg_buf_release(&packed);
}

struct nth {
    int at;
    int seen;
};

static int fail_nth(size_t size, void *ctx)
{
    struct nth *n = ctx;
    (void)size;
    return ++n->seen == n->at;
}

Test(zstd, every_allocation_that_fails_is_reported_and_leaks_nothing)
{
    uint8_t *in = sample(300000);
    for (int at = 1;; at++) {
        struct nth n = { .at = at };
        struct hg_buf packed = { 0 };
        struct hg_buf raw = { 0 };
        hg_alloc_set_fault(fail_nth, &n);
        int rc = hg_zstd_compress(in, 300000, LEVEL, &packed);
        cr_assert(rc == HOLOG_OK || packed.len == 0);
        if (rc == HOLOG_OK)
            rc = hg_zstd_decompress(packed.data, packed.len, 300000, &raw);
        cr_assert(rc == HOLOG_OK || raw.len == 0);
        hg_buf_release(&packed);
        hg_buf_release(&raw);
        cr_assert_eq(hg_alloc_live(), 0, "fault at allocation %d leaks", at);
        hg_alloc_set_fault(NULL, NULL);
        if (rc == HOLOG_OK && n.seen < at) {
            cr_assert_gt(at, 4, "libzstd takes its memory elsewhere");
            break;
        }
        cr_assert_eq(rc, HOLOG_E_NOMEM, "fault at allocation %d gave %d", at, rc);
    }
    free(in);
}
