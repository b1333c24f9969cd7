/*
 * CRC-32C (Castagnoli, as iSCSI has it): polynomial 1EDC6F41 reflected, begun with and ended by the complement.
 * Of "123456789" it is E3069283.
 *
 * As a codec: 4 bytes, little-endian, behind what they are of.
 */
#ifndef HG_CODEC_CRC32C_H
#define HG_CODEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

#define HG_CRC32C_SIZE 4

/* With the machine's own instruction where it has one. */
uint32_t hg_crc32c(const void *data, size_t len);
uint32_t hg_crc32c_portable(const void *data, size_t len);

/* Append the checksum of what the buffer holds from `from` on. */
HG_MUST_CHECK int hg_crc32c_append(struct hg_buf *b, size_t from);
/* How long is it without the checksum at its end? HOLOG_E_CORRUPT: it is another one, or there is none. */
HG_MUST_CHECK int hg_crc32c_verify(const void *in, size_t len, size_t *out_len);

#endif
