/* The header Range: each form, each end of the value, and what is ignored. */
#include "serve/range.h"

#include <criterion/criterion.h>

static void part(const char *header, uint64_t size, uint64_t offset, uint64_t len)
{
    struct range r = range_parse(header, size);

    cr_assert_eq(r.kind, RANGE_PART, "%s of %llu", header, (unsigned long long)size);
    cr_assert_eq(r.offset, offset, "%s of %llu", header, (unsigned long long)size);
    cr_assert_eq(r.len_bytes, len, "%s of %llu", header, (unsigned long long)size);
}

static void kind(const char *header, uint64_t size, enum range_kind wanted)
{
    cr_assert_eq(range_parse(header, size).kind, wanted, "%s of %llu",
                 header != NULL ? header : "nothing", (unsigned long long)size);
}

Test(range, from_a_to_b_has_both)
{
    part("bytes=0-0", 10, 0, 1);
    part("bytes=2-5", 10, 2, 4);
    part("bytes=0-9", 10, 0, 10);
    part("bytes=9-9", 10, 9, 1);
    part("BYTES=2-5", 10, 2, 4);
    part("bytes= 2-5 ", 10, 2, 4);
}

Test(range, the_end_is_cut_at_the_end_of_the_value)
{
    part("bytes=2-10", 10, 2, 8);
    part("bytes=9-99999999999999999999999999", 10, 9, 1);
    part("bytes=0-18446744073709551615", 10, 0, 10);
    part("bytes=0-", UINT64_MAX, 0, UINT64_MAX);
}

Test(range, an_open_one_goes_to_the_end)
{
    part("bytes=0-", 10, 0, 10);
    part("bytes=9-", 10, 9, 1);
}

Test(range, a_suffix_counts_from_the_end)
{
    part("bytes=-1", 10, 9, 1);
    part("bytes=-10", 10, 0, 10);
    part("bytes=-11", 10, 0, 10);
    part("bytes=-99999999999999999999999999", 10, 0, 10);
}

Test(range, what_has_no_byte_of_the_value_is_unsatisfiable)
{
    kind("bytes=10-", 10, RANGE_UNSATISFIABLE);
    kind("bytes=10-20", 10, RANGE_UNSATISFIABLE);
    kind("bytes=99999999999999999999999999-", 10, RANGE_UNSATISFIABLE);
    kind("bytes=-0", 10, RANGE_UNSATISFIABLE);
    kind("bytes=5-4", 10, RANGE_UNSATISFIABLE);
    kind("bytes=0-", 0, RANGE_UNSATISFIABLE);
    kind("bytes=0-0", 0, RANGE_UNSATISFIABLE);
}

Test(range, a_suffix_of_an_empty_value_is_the_empty_value)
{
    kind("bytes=-5", 0, RANGE_WHOLE);
    kind("bytes=-0", 0, RANGE_UNSATISFIABLE);
}

Test(range, what_is_no_single_range_of_bytes_is_ignored)
{
    static const char *const headers[] = {
        "",           "bytes",         "bytes=",     "bytes=-",     "bytes=a-b",
        "bytes=1",    "bytes=1-2,4-5", "bytes=1-2,", "bytes=,1-2",  "bytes=--5",
        "bytes=1--5", "bytes=+1-2",    "bytes=1-+2", "bytes=0x1-2", "bytes=1 -2",
        "items=0-5",  "bytes:0-5",     "bytes=1-2x", "bytes =1-2",  "bytes=1-2;3",
    };

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        kind(headers[i], 10, RANGE_WHOLE);
    kind(NULL, 10, RANGE_WHOLE);
}
