/*
 * Little-endian integers in byte strings: the only way numbers enter or leave a file.
 */
#ifndef HG_BASE_BYTEORDER_H
#define HG_BASE_BYTEORDER_H

#include <stdint.h>
#include <string.h>

/* The build refuses big-endian machines, so a fixed-width memcpy is the encoding. */

static inline void hg_put_le16(uint8_t *out, uint16_t v)
{
    memcpy(out, &v, sizeof v);
}

static inline void hg_put_le32(uint8_t *out, uint32_t v)
{
    memcpy(out, &v, sizeof v);
}

static inline void hg_put_le64(uint8_t *out, uint64_t v)
{
    memcpy(out, &v, sizeof v);
}

static inline uint16_t hg_get_le16(const uint8_t *in)
{
    uint16_t v;
    memcpy(&v, in, sizeof v);
    return v;
}

static inline uint32_t hg_get_le32(const uint8_t *in)
{
    uint32_t v;
    memcpy(&v, in, sizeof v);
    return v;
}

static inline uint64_t hg_get_le64(const uint8_t *in)
{
    uint64_t v;
    memcpy(&v, in, sizeof v);
    return v;
}

/* 48-bit numbers: index locators hold sizes and commit numbers in six bytes. */
static inline void hg_put_le48(uint8_t *out, uint64_t v)
{
    memcpy(out, &v, 6);
}

static inline uint64_t hg_get_le48(const uint8_t *in)
{
    uint64_t v = 0;
    memcpy(&v, in, 6);
    return v;
}

#define HG_VARINT_MAX 10 /* a 64-bit number in groups of 7 bits */

/* LEB128: 7 bits a byte, low group first, high bit = more follows. Returns the bytes written. */
static inline size_t hg_put_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static inline size_t hg_varint_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

/* Bytes consumed, or 0 when the number is cut short, over 64 bits or not in its shortest form. */
static inline size_t hg_get_varint(const uint8_t *in, size_t avail, uint64_t *out_v)
{
    size_t most = avail < HG_VARINT_MAX ? avail : HG_VARINT_MAX;
    uint64_t v = 0;
    for (size_t i = 0; i < most; i++) {
        uint64_t group = in[i] & 0x7f;
        v |= group << (7 * i);
        if (in[i] < 0x80) {
            if (i > 0 && group == 0)
                return 0; /* one value, one form: two encodings would be two hashes */
            if (i == HG_VARINT_MAX - 1 && group > 1)
                return 0;
            *out_v = v;
            return i + 1;
        }
    }
    return 0;
}

#endif
