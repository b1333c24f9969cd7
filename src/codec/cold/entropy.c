/*
 * Entropy in whole numbers; see entropy.h.
 */
#include "codec/cold/entropy.h"

#include "base/assert.h"

/* 65536 * log2(1 + i / 64): a line between two of them is off by 3e-5 at most. */
static const uint32_t log2_table[65] = {
    0,     1466,  2909,  4331,  5732,  7112,  8473,  9814,  11136, 12440, 13727, 14996, 16248,
    17484, 18704, 19909, 21098, 22272, 23433, 24579, 25711, 26830, 27936, 29029, 30109, 31178,
    32234, 33279, 34312, 35334, 36346, 37346, 38336, 39316, 40286, 41246, 42196, 43137, 44068,
    44990, 45904, 46809, 47705, 48593, 49472, 50344, 51207, 52063, 52911, 53751, 54584, 55410,
    56229, 57040, 57845, 58643, 59434, 60219, 60997, 61769, 62534, 63294, 64047, 64794, 65536,
};

uint32_t hg_log2_q16(uint32_t n)
{
    uint32_t whole;
    uint32_t part;
    uint32_t step;

    HG_ASSERT(n > 0);
    whole = 31u - (uint32_t)__builtin_clz(n);
    part = n << (31u - whole) & 0x7FFFFFFF; /* of 2^31 */
    step = part >> 25;
    return (whole << 16) + log2_table[step] +
           (uint32_t)((uint64_t)(log2_table[step + 1] - log2_table[step]) * (part & 0x1FFFFFF) >>
                      25);
}

uint64_t hg_entropy(const uint32_t *count, size_t symbols, uint32_t total)
{
    uint64_t bits = 0; /* q16: total * log2(total) - sum of count * log2(count) */
    uint64_t known = 0;

    if (total == 0)
        return 0;
    for (size_t i = 0; i < symbols; i++)
        if (count[i] > 1)
            known += (uint64_t)count[i] * hg_log2_q16(count[i]);
    bits = (uint64_t)total * hg_log2_q16(total);
    return bits > known ? (bits - known) >> 16 : 0;
}
