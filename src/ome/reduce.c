/*
 * A block of elements to one; see reduce.h. A block is some rows of the last axis, in C order, and of each of these
 * some elements in a row.
 */
#include "ome/reduce.h"

#include <math.h>
#include <string.h>

#include "array/fill.h"

__extension__ typedef __int128 wide;

/* The rows that a row of results is made of. */
struct rows {
    const uint8_t *at[HG_BLOCK_MAX];
    size_t count;
    size_t length; /* elements in each */
    size_t factor; /* along the last axis */
    size_t size;   /* bytes of an element */
};
typedef void (*reduce_fn)(const struct rows *r, uint8_t *out);

static size_t end_of(const struct rows *r, size_t begin)
{
    return HG_MIN(begin + r->factor, r->length);
}

/* ---- the mean of integers ----------------------------------------------------------------------------*/

/* sum / n, n > 0, to the nearest, a tie to the even one. A power of two, as nearly all are, needs no division. */
#define ROUNDED(name, wide_type)                                              \
    static inline wide_type name(wide_type sum, wide_type n)                  \
    {                                                                         \
        int is_shift = (n & (n - 1)) == 0;                                    \
        wide_type q = is_shift ? sum >> __builtin_ctz((unsigned)n) : sum / n; \
        wide_type rest = sum - q * n;                                         \
        if (rest < 0) {                                                       \
            rest += n;                                                        \
            q--;                                                              \
        }                                                                     \
        return q + (rest > n - rest || (rest == n - rest && (q & 1) != 0));   \
    }
ROUNDED(rounded, int64_t)
ROUNDED(rounded_wide, wide)

#define MEAN_OF_INTEGERS(name, type, wide_type, round)                        \
    static void name(const struct rows *r, uint8_t *out)                      \
    {                                                                         \
        typedef type element;                                                 \
        element *to = (element *)(void *)out;                                 \
        for (size_t begin = 0; begin < r->length; begin = end_of(r, begin)) { \
            size_t end = end_of(r, begin);                                    \
            wide_type sum = 0;                                                \
            for (size_t k = 0; k < r->count; k++)                             \
                for (size_t i = begin; i < end; i++)                          \
                    sum += ((const type *)(const void *)r->at[k])[i];         \
            *to++ = (type)round(sum, (wide_type)(r->count * (end - begin)));  \
        }                                                                     \
    }
MEAN_OF_INTEGERS(mean_u8, uint8_t, int64_t, rounded)
MEAN_OF_INTEGERS(mean_i8, int8_t, int64_t, rounded)
MEAN_OF_INTEGERS(mean_u16, uint16_t, int64_t, rounded)
MEAN_OF_INTEGERS(mean_i16, int16_t, int64_t, rounded)
MEAN_OF_INTEGERS(mean_u32, uint32_t, int64_t, rounded)
MEAN_OF_INTEGERS(mean_i32, int32_t, int64_t, rounded)
MEAN_OF_INTEGERS(mean_u64, uint64_t, wide, rounded_wide)
MEAN_OF_INTEGERS(mean_i64, int64_t, wide, rounded_wide)

/* ---- the mean of floats ------------------------------------------------------------------------------*/

static double get_f16(const void *p)
{
    uint16_t bits;

    memcpy(&bits, p, sizeof bits);
    return hg_half_to_double(bits);
}

static double get_f32(const void *p)
{
    float f;

    memcpy(&f, p, sizeof f);
    return (double)f;
}

static double get_f64(const void *p)
{
    double d;

    memcpy(&d, p, sizeof d);
    return d;
}

static void put_f16(void *p, double d)
{
    uint16_t bits = isnan(d) ? 0x7e00 : hg_half_of(d);

    memcpy(p, &bits, sizeof bits);
}

static void put_f32(void *p, double d)
{
    float f = isnan(d) ? NAN : (float)d;

    memcpy(p, &f, sizeof f);
}

static void put_f64(void *p, double d)
{
    d = isnan(d) ? (double)NAN : d;
    memcpy(p, &d, sizeof d);
}

/* One part (of `parts`: the second is the imaginary one) of the block's mean. The sum begins with the first element, so
 * that minus zeros stay what they are. */
#define MEAN_OF_FLOATS(name, bytes, get, put, parts)                                          \
    static double name##_sum(const struct rows *r, size_t begin, size_t part, double divisor) \
    {                                                                                         \
        double sum = get(r->at[0] + (begin * (parts) + part) * (bytes)) / divisor;            \
        size_t first = begin + 1;                                                             \
        for (size_t k = 0; k < r->count; k++, first = begin)                                  \
            for (size_t i = first; i < end_of(r, begin); i++)                                 \
                sum += get(r->at[k] + (i * (parts) + part) * (bytes)) / divisor;              \
        return sum;                                                                           \
    }                                                                                         \
    static void name(const struct rows *r, uint8_t *out)                                      \
    {                                                                                         \
        for (size_t begin = 0; begin < r->length; begin = end_of(r, begin)) {                 \
            double n = (double)(r->count * (end_of(r, begin) - begin));                       \
            for (size_t part = 0; part < (parts); part++, out += (bytes)) {                   \
                double sum = name##_sum(r, begin, part, 1.0);                                 \
                put(out, isfinite(sum) ? sum / n : name##_sum(r, begin, part, n));            \
            }                                                                                 \
        }                                                                                     \
    }
MEAN_OF_FLOATS(mean_f16, 2, get_f16, put_f16, 1)
MEAN_OF_FLOATS(mean_f32, 4, get_f32, put_f32, 1)
MEAN_OF_FLOATS(mean_f64, 8, get_f64, put_f64, 1)
MEAN_OF_FLOATS(mean_c64, 4, get_f32, put_f32, 2)
MEAN_OF_FLOATS(mean_c128, 8, get_f64, put_f64, 2)

/* ---- others ------------------------------------------------------------------------------------------*/

static void nearest(const struct rows *r, uint8_t *out)
{
    for (size_t begin = 0; begin < r->length; begin = end_of(r, begin), out += r->size)
        memcpy(out, r->at[0] + begin * r->size, r->size);
}

/* The most frequent of n elements; of several the first. */
static const uint8_t *most_frequent(const uint8_t *const *element, size_t n, size_t size)
{
    const uint8_t *best = element[0];
    size_t most = 0;

    for (size_t i = 0; i < n && most < n - i; i++) {
        size_t count = 0;
        for (size_t k = i; k < n; k++)
            count += memcmp(element[i], element[k], size) == 0;
        if (count > most) {
            most = count;
            best = element[i];
        }
    }
    return best;
}

static void mode(const struct rows *r, uint8_t *out)
{
    const uint8_t *element[HG_BLOCK_MAX];

    for (size_t begin = 0; begin < r->length; begin = end_of(r, begin), out += r->size) {
        size_t n = 0;
        for (size_t k = 0; k < r->count; k++)
            for (size_t i = begin; i < end_of(r, begin); i++)
                element[n++] = r->at[k] + i * r->size;
        HG_ASSERT(n > 0);
        memcpy(out, most_frequent(element, n, r->size), r->size);
    }
}

static reduce_fn mean_of(enum hg_dtype dtype)
{
    switch (dtype) {
    case HG_BOOL:
    case HG_UINT8: return mean_u8;
    case HG_INT8: return mean_i8;
    case HG_INT16: return mean_i16;
    case HG_INT32: return mean_i32;
    case HG_INT64: return mean_i64;
    case HG_UINT16: return mean_u16;
    case HG_UINT32: return mean_u32;
    case HG_UINT64: return mean_u64;
    case HG_FLOAT16: return mean_f16;
    case HG_FLOAT32: return mean_f32;
    case HG_FLOAT64: return mean_f64;
    case HG_COMPLEX64: return mean_c64;
    case HG_COMPLEX128: return mean_c128;
    case HG_RAW:
    case HG_OPAQUE:
    default: return nearest;
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------*/

/* Where the rows of the blocks at `index` (of the axes but the last) begin, in C order. */
static void find_rows(const struct hg_reduction *r, const uint8_t *in, const uint64_t *shape,
                      const int64_t *stride, const uint64_t *index, struct rows *out)
{
    out->at[0] = in;
    out->count = 1;
    for (unsigned a = 0; a + 1 < r->rank; a++) {
        uint64_t begin = index[a] * r->factor[a];
        size_t span = (size_t)HG_MIN(r->factor[a], shape[a] - begin);
        for (size_t i = out->count; i-- > 0;) {
            const uint8_t *from = out->at[i] + (int64_t)begin * stride[a];
            for (size_t k = span; k-- > 0;)
                out->at[i * span + k] = from + (int64_t)k * stride[a];
        }
        out->count *= span;
    }
}

/* The next one in C order: 1; or there are no more: 0. */
static int next(const struct hg_reduction *r, const uint64_t *shape, uint64_t *index)
{
    for (unsigned a = r->rank - 1; a-- > 0;) {
        if (++index[a] < hg_blocks(shape[a], r->factor[a]))
            return 1;
        index[a] = 0;
    }
    return 0;
}

void hg_reduce(const struct hg_reduction *r, const uint8_t *in, const uint64_t *shape, uint8_t *out,
               const int64_t *out_stride)
{
    reduce_fn fn = r->method == HOLOG_OME_MEAN   ? mean_of(r->type.dtype)
                   : r->method == HOLOG_OME_MODE ? mode
                                                 : nearest;
    struct rows rows = { .length = (size_t)shape[r->rank - 1],
                         .factor = (size_t)r->factor[r->rank - 1],
                         .size = r->type.size };
    uint64_t index[HOLOG_OME_AXES_MAX] = { 0 };
    int64_t stride[HOLOG_OME_AXES_MAX];
    int64_t bytes = (int64_t)r->type.size;

    for (unsigned a = r->rank; a-- > 0;) {
        stride[a] = bytes;
        bytes *= (int64_t)shape[a];
    }
    if (bytes == 0)
        return;
    do {
        int64_t at = 0;
        for (unsigned a = 0; a + 1 < r->rank; a++)
            at += (int64_t)index[a] * out_stride[a];
        find_rows(r, in, shape, stride, index, &rows);
        fn(&rows, out + at);
    } while (next(r, shape, index));
}
