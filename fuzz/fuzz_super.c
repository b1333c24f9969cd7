/*
 * One slot of SUPER. What decodes encodes, and the same way.
 */
#include <string.h>

#include "fuzz.h"
#include "wal/super.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t slot[HG_SUPER_SLOT_SIZE];
    static uint8_t again[HG_SUPER_SLOT_SIZE];
    struct hg_super s;
    struct hg_super second;

    memset(slot, 0, sizeof slot);
    memcpy(slot, data, HG_MIN(size, sizeof slot));
    if (hg_super_decode(slot, &s) < 0)
        return 0;
    hg_super_encode(&s, again);
    FUZZ_CHECK(memcmp(slot, again, 4080) == 0); /* the hash may have been wrong */
    FUZZ_CHECK(hg_super_decode(again, &second) == 0);
    return 0;
}
