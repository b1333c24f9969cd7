/*
 * Steps of lifting over runs of words of one width; what they do: lift_rows.h.
 */
#ifndef HG_CODEC_COLD_ROWS_H
#define HG_CODEC_COLD_ROWS_H

#include <stddef.h>

struct hg_rows {
    size_t width;
    void (*split)(const void *from, void *even, void *odd, size_t pairs);
    void (*join)(const void *even, const void *odd, void *to, size_t pairs);
    void (*pair)(const void *a, const void *b, void *low, void *high, size_t n, int up);
    void (*unpair)(const void *low, const void *before, const void *after, const void *high,
                   void *a, void *b, size_t n, int up);
    void (*unrow)(const void *low, size_t n_low, const void *high, size_t n_high, void *to, int up);
    void (*slope)(void *high, const void *before, const void *after, size_t n);
    void (*less_mean)(const void *of, const void *p, const void *q, void *to, size_t n);
    void (*plus_mean)(const void *of, const void *p, const void *q, void *to, size_t n);
    void (*plus_quarter)(const void *of, const void *p, const void *q, void *to, size_t n);
    void (*less_quarter)(const void *of, const void *p, const void *q, void *to, size_t n);
};

/* width: 2, 4, 8 bytes. For the machine, or as HOLOG_NO_SIMD has it. */
const struct hg_rows *hg_rows_of(unsigned width);

#endif
