#include "base/byteorder.h"

#include <criterion/criterion.h>

Test(byteorder, numbers_are_little_endian)
{
    uint8_t b[8];
    hg_put_le16(b, 0x0201);
    cr_assert(b[0] == 1 && b[1] == 2 && hg_get_le16(b) == 0x0201);
    hg_put_le32(b, 0x04030201);
    cr_assert(b[0] == 1 && b[3] == 4 && hg_get_le32(b) == 0x04030201);
    hg_put_le48(b, 0xffff060504030201);
    cr_assert(b[0] == 1 && b[5] == 6 && hg_get_le48(b) == 0x060504030201);
    hg_put_le64(b, 0x0807060504030201);
    cr_assert(b[0] == 1 && b[7] == 8 && hg_get_le64(b) == 0x0807060504030201);
}

static uint64_t near_power(unsigned bit, int delta)
{
    return (bit == 64 ? 0 : (uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
}

Test(byteorder, every_varint_reads_back_and_has_the_size_foretold)
{
    for (unsigned bit = 0; bit <= 64; bit++)
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = near_power(bit, delta);
            uint64_t back = 0;
            uint8_t b[HG_VARINT_MAX];
            size_t n = hg_put_varint(b, v);
            cr_assert_eq(n, hg_varint_size(v));
            cr_assert_eq(hg_get_varint(b, n, &back), n);
            cr_assert_eq(back, v);
        }
}

Test(byteorder, a_varint_cut_short_is_refused)
{
    uint8_t b[HG_VARINT_MAX];
    uint64_t v;
    size_t n = hg_put_varint(b, UINT64_MAX);
    cr_assert_eq(n, HG_VARINT_MAX);
    for (size_t avail = 0; avail < n; avail++)
        cr_assert_eq(hg_get_varint(b, avail, &v), 0);
}

Test(byteorder, a_varint_over_64_bits_is_refused)
{
    uint8_t b[11] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    uint64_t v;
    cr_assert_eq(hg_get_varint(b, sizeof b, &v), 0);
    b[9] = 0x81;
    cr_assert_eq(hg_get_varint(b, sizeof b, &v), 0);
}

Test(byteorder, a_varint_that_is_not_shortest_is_refused)
{
    static const uint8_t one[] = { 0x81, 0x00 };
    static const uint8_t zero[] = { 0x80, 0x80, 0x00 };
    uint64_t v;
    cr_assert_eq(hg_get_varint(one, sizeof one, &v), 0);
    cr_assert_eq(hg_get_varint(zero, sizeof zero, &v), 0);
}
