/*
 * Bytes and bits turned over; see shuffle.h.
 */
#include "codec/shuffle.h"

#include <string.h>

#include "base/byteorder.h"

/* Inlined with a size that the compiler knows, for those that are common. */
static inline __attribute__((always_inline)) void spread(const uint8_t *in, size_t count,
                                                         size_t size, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < size; b++)
            out[b * count + i] = in[i * size + b];
}

static inline __attribute__((always_inline)) void gather(const uint8_t *in, size_t count,
                                                         size_t size, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < size; b++)
            out[i * size + b] = in[b * count + i];
}

static void copy_rest(const uint8_t *in, size_t len, size_t whole, uint8_t *out)
{
    if (len > whole)
        memcpy(out + whole, in + whole, len - whole);
}

void hg_shuffle(const void *in, size_t len, size_t size, void *out)
{
    size_t count = size > 1 ? len / size : 0;

    switch (size) {
    case 2: spread(in, count, 2, out); break;
    case 4: spread(in, count, 4, out); break;
    case 8: spread(in, count, 8, out); break;
    default: spread(in, count, size, out); break;
    }
    copy_rest(in, len, count * size, out);
}

void hg_unshuffle(const void *in, size_t len, size_t size, void *out)
{
    size_t count = size > 1 ? len / size : 0;

    switch (size) {
    case 2: gather(in, count, 2, out); break;
    case 4: gather(in, count, 4, out); break;
    case 8: gather(in, count, 8, out); break;
    default: gather(in, count, size, out); break;
    }
    copy_rest(in, len, count * size, out);
}

/* Byte r is row r of an 8 x 8 matrix of bits, bit 0 first; rows become columns. */
static uint64_t transpose_bits(uint64_t x)
{
    uint64_t t;

    t = (x ^ (x >> 7)) & UINT64_C(0x00AA00AA00AA00AA);
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & UINT64_C(0x0000CCCC0000CCCC);
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & UINT64_C(0x00000000F0F0F0F0);
    return x ^ t ^ (t << 28);
}

void hg_bitshuffle(const void *in, size_t len, size_t size, void *out)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    size_t count = size > 0 ? len / size : 0;
    size_t row = count / 8; /* bytes */
    uint8_t bytes[8];

    if (count % 8 != 0)
        count = 0;
    for (size_t b = 0; count > 0 && b < size; b++) {
        for (size_t i = 0; i < row; i++) {
            for (size_t k = 0; k < 8; k++)
                bytes[k] = from[(i * 8 + k) * size + b];
            hg_put_le64(bytes, transpose_bits(hg_get_le64(bytes)));
            for (size_t k = 0; k < 8; k++)
                to[(b * 8 + k) * row + i] = bytes[k];
        }
    }
    copy_rest(from, len, count * size, to);
}

void hg_bitunshuffle(const void *in, size_t len, size_t size, void *out)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    size_t count = size > 0 ? len / size : 0;
    size_t row = count / 8; /* bytes */
    uint8_t bytes[8];

    if (count % 8 != 0)
        count = 0;
    for (size_t b = 0; count > 0 && b < size; b++) {
        for (size_t i = 0; i < row; i++) {
            for (size_t k = 0; k < 8; k++)
                bytes[k] = from[(b * 8 + k) * row + i];
            hg_put_le64(bytes, transpose_bits(hg_get_le64(bytes)));
            for (size_t k = 0; k < 8; k++)
                to[(i * 8 + k) * size + b] = bytes[k];
        }
    }
    copy_rest(from, len, count * size, to);
}
