/* CRC-32C, by the machine and by hand; the checksum behind its bytes. */
#include "codec/crc32c.h"

#include <string.h>

#include <criterion/criterion.h>

#include "holog/error.h"

Test(crc32c, known_vectors_come_out_both_ways)
{
    /* RFC 3720, B.4; and the catalogue's check value. */
    uint8_t zeros[32] = { 0 };
    uint8_t ones[32];
    uint8_t up[32];

    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < sizeof up; i++)
        up[i] = (uint8_t)i;
    cr_assert_eq(hg_crc32c("123456789", 9), 0xE3069283);
    cr_assert_eq(hg_crc32c_portable("123456789", 9), 0xE3069283);
    cr_assert_eq(hg_crc32c(zeros, 32), 0x8A9136AA);
    cr_assert_eq(hg_crc32c(ones, 32), 0x62A8AB43);
    cr_assert_eq(hg_crc32c(up, 32), 0x46DD794E);
    cr_assert_eq(hg_crc32c_portable(up, 32), 0x46DD794E);
    cr_assert_eq(hg_crc32c("", 0), 0);
}

Test(crc32c, both_ways_agree_at_every_length_and_alignment)
{
    uint8_t bytes[300];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + (i >> 3));
    for (size_t at = 0; at < 9; at++)
        for (size_t len = 0; len + at <= sizeof bytes; len++)
            cr_assert_eq(hg_crc32c(bytes + at, len), hg_crc32c_portable(bytes + at, len),
                         "%zu bytes from %zu on", len, at);
}

Test(crc32c, what_is_appended_is_verified_and_taken_off)
{
    struct hg_buf b = { 0 };
    size_t len = 99;

    cr_assert_eq(hg_buf_append(&b, "xx123456789", 11), HOLOG_OK);
    cr_assert_eq(hg_crc32c_append(&b, 2), HOLOG_OK);
    cr_assert_eq(b.len, 15);
    cr_assert_arr_eq(b.data + 11, "\x83\x92\x06\xE3", 4);
    cr_assert_eq(hg_crc32c_verify(b.data + 2, 13, &len), HOLOG_OK);
    cr_assert_eq(len, 9);
    b.len = 0;
    cr_assert_eq(hg_crc32c_append(&b, 0), HOLOG_OK, "of nothing");
    cr_assert_eq(hg_crc32c_verify(b.data, 4, &len), HOLOG_OK);
    cr_assert_eq(len, 0);
    hg_buf_release(&b);
}

Test(crc32c, each_flipped_bit_and_each_cut_is_found)
{
    struct hg_buf b = { 0 };
    size_t len = 99;

    cr_assert_eq(hg_buf_append(&b, "a checksum", 10), HOLOG_OK);
    cr_assert_eq(hg_crc32c_append(&b, 0), HOLOG_OK);
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(hg_crc32c_verify(b.data, b.len, &len), HOLOG_E_CORRUPT, "bit %zu", bit);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < b.len; n++)
        cr_assert_eq(hg_crc32c_verify(b.data, n, &len), HOLOG_E_CORRUPT, "cut at %zu", n);
    cr_assert_eq(len, 99);
    hg_buf_release(&b);
}
