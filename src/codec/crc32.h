/*
 * CRC-32 as zip files have it: polynomial 04C11DB7 reflected, begun with and ended by the complement. Of
 * "123456789" it is CBF43926.
 *
 * Source: PKWARE APPNOTE 6.3.10, 4.4.7. Eight bytes a step by eight tables (Kounavis and Berry, 2005).
 */
#ifndef HG_CODEC_CRC32_H
#define HG_CODEC_CRC32_H

#include <stddef.h>
#include <stdint.h>

struct hg_crc32 {
    uint32_t table[8][256];
};

void hg_crc32_prepare(struct hg_crc32 *c); /* some us */
uint32_t hg_crc32(const struct hg_crc32 *c, const void *data, size_t len);

#endif
