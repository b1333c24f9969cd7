/* CRC-32: what the catalogue says, and the same eight bytes a step as one bit a step. */
#include "codec/crc32.h"

#include <criterion/criterion.h>

static uint32_t by_bits(const uint8_t *p, size_t len)
{
    uint32_t r = ~0u;

    for (size_t i = 0; i < len; i++) {
        r ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            r = (r >> 1) ^ ((r & 1) != 0 ? 0xedb88320u : 0);
    }
    return ~r;
}

Test(crc32, known_vectors_come_out)
{
    struct hg_crc32 c;

    hg_crc32_prepare(&c);
    cr_assert_eq(hg_crc32(&c, "123456789", 9), 0xCBF43926);
    cr_assert_eq(hg_crc32(&c, "The quick brown fox jumps over the lazy dog", 43), 0x414FA339);
    cr_assert_eq(hg_crc32(&c, "", 0), 0);
}

Test(crc32, it_is_the_same_at_every_length_and_alignment)
{
    struct hg_crc32 c;
    uint8_t bytes[200];

    hg_crc32_prepare(&c);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + (i >> 3));
    for (size_t at = 0; at < 9; at++)
        for (size_t len = 0; len + at <= sizeof bytes; len++)
            cr_assert_eq(hg_crc32(&c, bytes + at, len), by_bits(bytes + at, len),
                         "%zu bytes from %zu on", len, at);
}
