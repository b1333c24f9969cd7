/*
 * A segment header. What decodes encodes, and the same way.
 */
#include <string.h>

#include "base/byteorder.h"
#include "fuzz.h"
#include "wal/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t header[HG_SEGMENT_HEADER_SIZE];
    static uint8_t again[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header h;

    memset(header, 0, sizeof header);
    memcpy(header, data, HG_MIN(size, sizeof header));
    /* The name says what the header says: the rest is to be reached. */
    uint32_t kind = hg_get_le32(header + 12);
    uint32_t id = hg_get_le32(header + 16);
    if (hg_segment_header_decode(header, id, kind, &h) < 0)
        return 0;
    hg_segment_header_encode(&h, again);
    FUZZ_CHECK(memcmp(header, again, 4080) == 0); /* the hash may have been wrong */
    return 0;
}
