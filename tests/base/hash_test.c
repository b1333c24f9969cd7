#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/assert.h"

static uint8_t *pattern(size_t len)
{
    uint8_t *p = malloc(len + 1);
    cr_assert_not_null(p);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 131 + (i >> 8) * 17);
    return p;
}

/* Of the reference implementation: the hashes are in files, so they may never change. */
Test(hash, xxh3_gives_the_published_values)
{
    cr_assert_eq(hg_hash64("", 0), 0x2d06800538d394c2);
    cr_assert_eq(hg_hash128("", 0).lo, 0x6001c324468d497f);
    cr_assert_eq(hg_hash128("", 0).hi, 0x99aa06d3014798d8);
    cr_assert_eq(hg_hash64("holog", 5), hg_hash64_seeded("holog", 5, 0));
    cr_assert_neq(hg_hash64("holog", 5), hg_hash64_seeded("holog", 5, 1));
}

Test(hash, a_stream_gives_the_hash_of_the_whole_however_it_is_cut)
{
    const size_t whole = 3000; /* past the 1 KiB at which the state consumes its first stripes */
    uint8_t *p = pattern(whole);
    for (size_t step = 0; step <= whole; step = step * 2 + 1) {
        struct hg_hash_stream wide;
        struct hg_hash64_stream narrow;
        hg_hash_stream_begin(&wide);
        hg_hash64_stream_begin(&narrow);
        hg_hash_stream_add(&wide, NULL, 0);
        hg_hash64_stream_add(&narrow, NULL, 0);
        for (size_t at = 0; step > 0 && at < whole; at += step) {
            size_t len = HG_MIN(step, whole - at);
            hg_hash_stream_add(&wide, p + at, len);
            hg_hash64_stream_add(&narrow, p + at, len);
            cr_assert_eq(hg_hash64_stream_end(&narrow), hg_hash64(p, at + len), "step %zu", step);
            cr_assert_eq(hg_hash_stream_end(&wide).hi, hg_hash128(p, at + len).hi);
            cr_assert_eq(hg_hash_stream_end(&wide).lo, hg_hash128(p, at + len).lo);
        }
        cr_assert_eq(hg_hash64_stream_end(&narrow), hg_hash64(p, step > 0 ? whole : 0));
        cr_assert_eq(hg_hash_stream_end(&wide).lo, hg_hash128(p, step > 0 ? whole : 0).lo);
    }
    free(p);
}

Test(hash, one_flipped_bit_anywhere_changes_the_hash)
{
    uint8_t *p = pattern(1000);
    uint64_t whole = hg_hash64(p, 1000);
    for (size_t i = 0; i < 1000; i++) {
        p[i] ^= (uint8_t)(1u << (i % 8));
        cr_assert_neq(hg_hash64(p, 1000), whole);
        p[i] ^= (uint8_t)(1u << (i % 8));
    }
    free(p);
}

Test(hash, the_sum_is_that_of_the_bytes_at_every_length_and_alignment)
{
    uint8_t *p = pattern(700);
    for (size_t from = 0; from < 17; from++)
        for (size_t len = 0; from + len <= 700; len += 1 + len / 7) {
            unsigned sum = 0;
            for (size_t i = 0; i < len; i++)
                sum += p[from + i];
            cr_assert_eq(hg_csum(p + from, len), sum % HG_CSUM_MOD);
        }
    free(p);
}

Test(hash, sums_of_parts_add_up_to_the_sum_of_the_whole)
{
    uint8_t *p = pattern(5000);
    for (size_t cut = 0; cut <= 5000; cut += 37)
        cr_assert_eq(hg_csum_add(hg_csum(p, cut), hg_csum(p + cut, 5000 - cut)), hg_csum(p, 5000));
    free(p);
}

Test(hash, the_sum_of_the_largest_bytes_does_not_overflow)
{
    size_t len = 20u << 20;
    uint8_t *p = malloc(len);
    cr_assert_not_null(p);
    memset(p, 0xff, len);
    cr_assert_eq(hg_csum(p, len), (uint8_t)((uint64_t)len * 255 % HG_CSUM_MOD));
    free(p);
}
