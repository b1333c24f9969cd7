/* A Blosc chunk, from anybody: the first two bytes are how much may come out of it. */
#include "base/byteorder.h"
#include "codec/blosc.h"
#include "fuzz.h"
#include "holog/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t cap = size < 2 ? 0 : hg_get_le16(data);
    uint8_t *out = malloc(cap + (cap == 0)); /* a write behind it is seen */
    size_t n = 0;

    FUZZ_CHECK(out != NULL);
    if (size >= 2 && hg_blosc_decompress(data + 2, size - 2, out, cap, &n) == HOLOG_OK) {
        FUZZ_CHECK(n <= cap && n == hg_blosc_stated(data + 2, size - 2));
        (void)fuzz_touch(out, n);
    }
    free(out);
    return 0;
}
