/*
 * The header Range: what is to be sent lies within the value, whatever the header says; and a part that is
 * asked for as it came out is that part.
 */
#include <inttypes.h>
#include <string.h>

#include "fuzz.h"
#include "serve/range.h"

/* The first eight bytes are the size of the value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char header[256];
    uint64_t value_size = 0;

    if (size < sizeof value_size || size - sizeof value_size >= sizeof header)
        return 0;
    memcpy(&value_size, data, sizeof value_size);
    size -= sizeof value_size;
    memcpy(header, data + sizeof value_size, size);
    header[size] = '\0';
    struct range range = range_parse(header, value_size);
    if (range.kind != RANGE_PART)
        return 0;
    FUZZ_CHECK(range.len_bytes > 0 && range.offset < value_size);
    FUZZ_CHECK(range.len_bytes <= value_size - range.offset);
    (void)snprintf(header, sizeof header, "bytes=%" PRIu64 "-%" PRIu64, range.offset,
                   range.offset + range.len_bytes - 1);
    struct range again = range_parse(header, value_size);
    FUZZ_CHECK(again.kind == RANGE_PART && again.offset == range.offset &&
               again.len_bytes == range.len_bytes);
    return 0;
}
