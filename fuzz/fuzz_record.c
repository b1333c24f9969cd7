/*
 * A run of records, each at the place its back field states, as reads by birth position meet them;
 * and the first bytes of each, as the read ahead of it does.
 */
#include <string.h>

#include "touch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        struct hg_record r;
        struct hg_record same;
        size_t back = 0;
        size_t whole = 0;
        int rc = hg_rec_decode_at(data + at, size - at, &back, &r);
        int peeked = hg_rec_peek(data + at, HG_MIN(size - at, (size_t)HG_REC_PREFIX_MAX), &whole);
        if (rc < 0)
            return 0;
        FUZZ_CHECK(peeked == 0 && whole == r.whole_len && whole <= size - at);
        FUZZ_CHECK(hg_rec_decode(data + at, size - at, back, &same) == 0);
        FUZZ_CHECK(hg_rec_decode(data + at, size - at, back + 1, &same) < 0);
        FUZZ_CHECK(hg_rec_decode_at(data + at, whole - 1, &back, &same) < 0);
        fuzz_touch_record(&r, 0);
        at += whole;
    }
    return 0;
}
