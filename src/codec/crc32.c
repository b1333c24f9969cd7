/*
 * CRC-32; see crc32.h.
 */
#include "codec/crc32.h"

#include "base/byteorder.h"

#define POLYNOMIAL 0xedb88320u /* 04C11DB7, the bits turned round */

void hg_crc32_prepare(struct hg_crc32 *c)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t r = byte;
        for (int bit = 0; bit < 8; bit++)
            r = (r >> 1) ^ ((r & 1) != 0 ? POLYNOMIAL : 0);
        c->table[0][byte] = r;
    }
    /* table[k]: what a byte does with k more behind it */
    for (unsigned k = 1; k < 8; k++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t r = c->table[k - 1][byte];
            c->table[k][byte] = (r >> 8) ^ c->table[0][r & 255];
        }
}

uint32_t hg_crc32(const struct hg_crc32 *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t r = ~0u;

    for (; len >= 8; p += 8, len -= 8) {
        uint32_t a = hg_get_le32(p) ^ r;
        uint32_t b = hg_get_le32(p + 4);
        r = c->table[7][a & 255] ^ c->table[6][a >> 8 & 255] ^ c->table[5][a >> 16 & 255] ^
            c->table[4][a >> 24] ^ c->table[3][b & 255] ^ c->table[2][b >> 8 & 255] ^
            c->table[1][b >> 16 & 255] ^ c->table[0][b >> 24];
    }
    for (; len > 0; p++, len--)
        r = (r >> 8) ^ c->table[0][(r ^ *p) & 255];
    return ~r;
}
