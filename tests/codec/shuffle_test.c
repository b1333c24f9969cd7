/* Bytes and bits of elements turned over. */
#include "codec/shuffle.h"

#include <string.h>

#include <criterion/criterion.h>

#define BYTES 1000

static uint8_t in[BYTES], turned[BYTES], back[BYTES];

static void fill(void)
{
    for (size_t i = 0; i < BYTES; i++)
        in[i] = (uint8_t)(i * 73 + (i >> 4));
}

Test(shuffle, byte_b_of_each_element_lies_in_row_b)
{
    const uint8_t elements[11] = { 1, 2, 3, 11, 12, 13, 21, 22, 23, 98, 99 };
    const uint8_t rows[11] = { 1, 11, 21, 2, 12, 22, 3, 13, 23, 98, 99 };

    hg_shuffle(elements, 11, 3, turned);
    cr_assert_arr_eq(turned, rows, 11);
    hg_unshuffle(rows, 11, 3, back);
    cr_assert_arr_eq(back, elements, 11);
}

Test(shuffle, what_is_turned_over_comes_back_at_every_size)
{
    static const size_t lengths[] = { 0, 1, 7, 8, 15, 16, 255, 999, BYTES };

    fill();
    for (size_t size = 0; size < 40; size++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            memset(back, 0, sizeof back);
            hg_shuffle(in, lengths[i], size, turned);
            hg_unshuffle(turned, lengths[i], size, back);
            cr_assert_eq(memcmp(back, in, lengths[i]), 0, "%zu bytes by %zu", lengths[i], size);
        }
    }
}

/* As shuffle.h says it, a bit at a time. */
static void turn_bits(const uint8_t *from, size_t count, size_t size, uint8_t *to)
{
    memset(to, 0, count * size);
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < size; b++) {
            for (size_t k = 0; k < 8; k++) {
                if (from[i * size + b] >> k & 1)
                    to[(b * 8 + k) * (count / 8) + i / 8] |= (uint8_t)(1 << i % 8);
            }
        }
    }
}

Test(shuffle, bits_that_were_turned_over_come_back)
{
    fill();
    for (size_t size = 1; size < 20; size++) {
        for (size_t count = 8; count * size + 5 <= BYTES && count <= 64; count += 8) {
            /* What is behind the last element is less than one. */
            size_t rest = size < 5 ? size - 1 : 4;
            memcpy(turned + count * size, in + count * size, rest);
            turn_bits(in, count, size, turned);
            hg_bitunshuffle(turned, count * size + rest, size, back);
            cr_assert_eq(memcmp(back, in, count * size + rest), 0, "%zu elements of %zu", count,
                         size);
        }
    }
}

Test(shuffle, bits_of_elements_that_make_up_no_eights_stay)
{
    fill();
    hg_bitunshuffle(in, 7 * 4 + 3, 4, back);
    cr_assert_arr_eq(back, in, 7 * 4 + 3);
}
