/*
 * A block of elements to one: every type, every size up to nine, every rank, against sums made one by one.
 */
#include "ome/reduce.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "omekit.h"

static void reduce_plain(const struct plain *p, const uint64_t *factor, uint32_t method,
                         struct plain *out)
{
    struct hg_reduction r = { .type = hg_type_of((enum hg_dtype)p->dtype, 0),
                              .method = method,
                              .rank = p->rank };
    int64_t stride[HOLOG_OME_AXES_MAX];
    int64_t bytes = (int64_t)r.type.size;

    *out = *p;
    memcpy(r.factor, factor, p->rank * sizeof *factor);
    for (unsigned a = p->rank; a-- > 0;) {
        out->shape[a] = hg_blocks(p->shape[a], factor[a]);
        stride[a] = bytes;
        bytes *= (int64_t)out->shape[a];
    }
    out->data = malloc((size_t)bytes + 1);
    hg_reduce(&r, p->data, p->shape, out->data, stride);
}

static void same_as_plain(const struct plain *p, const uint64_t *factor, uint32_t method)
{
    struct plain is;
    struct plain want;

    reduce_plain(p, factor, method, &is);
    plain_next(p, factor, method, &want);
    cr_assert_eq(memcmp(is.data, want.data, plain_count(&want) * holog_dtype_size(p->dtype)), 0,
                 "%s, method %u, %llu x %llu ...", holog_dtype_name(p->dtype), method,
                 (unsigned long long)p->shape[0], (unsigned long long)p->shape[1]);
    plain_release(&is);
    plain_release(&want);
}

static struct plain made(uint32_t dtype, unsigned rank, const uint64_t *shape, uint64_t seed)
{
    struct plain p = { .dtype = dtype, .rank = rank };

    memcpy(p.shape, shape, rank * sizeof *shape);
    p.data = malloc(plain_count(&p) * holog_dtype_size(dtype) + 1);
    some_elements(dtype, seed, plain_count(&p), p.data);
    return p;
}

Test(reduce, every_type_and_method_at_every_size_from_1_to_9)
{
    const uint64_t factor[2] = { 2, 2 };

    for (uint32_t dtype = HOLOG_BOOL; dtype <= HOLOG_COMPLEX128; dtype++)
        for (uint64_t y = 1; y <= 9; y++)
            for (uint64_t x = 1; x <= 9; x++)
                for (uint32_t method = HOLOG_OME_MEAN; method <= HOLOG_OME_MODE; method++) {
                    struct plain p = made(dtype, 2, (uint64_t[]){ y, x }, y * 10 + x);
                    same_as_plain(&p, factor, method);
                    plain_release(&p);
                }
}

Test(reduce, two_to_five_axes_and_factors_of_one_to_four)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        unsigned rank = 2 + (unsigned)(some(seed, 0) % 4);
        uint32_t dtype = HOLOG_BOOL + (uint32_t)(some(seed, 1) % 14);
        uint64_t shape[HOLOG_OME_AXES_MAX];
        uint64_t factor[HOLOG_OME_AXES_MAX];
        uint64_t block = 1;
        struct plain p;
        for (unsigned a = 0; a < rank; a++) {
            shape[a] = 1 + some(seed, 2 + a) % 5;
            factor[a] = 1 + some(seed, 12 + a) % 4;
            if (block * factor[a] > HG_BLOCK_MAX)
                factor[a] = 1;
            block *= factor[a];
        }
        p = made(dtype, rank, shape, seed);
        for (uint32_t method = HOLOG_OME_MEAN; method <= HOLOG_OME_MODE; method++)
            same_as_plain(&p, factor, method);
        plain_release(&p);
    }
}

/* The mean of four, of which two are a and two are b. */
static void mean4(uint32_t dtype, const void *a, const void *b, void *out)
{
    size_t size = holog_dtype_size(dtype);
    uint64_t shape[2] = { 2, 2 };
    uint64_t factor[2] = { 2, 2 };
    struct plain p = { .dtype = dtype, .rank = 2, .shape = { 2, 2 } };
    struct plain is;

    (void)shape;
    p.data = malloc(4 * size);
    memcpy(p.data, a, size);
    memcpy(p.data + size, b, size);
    memcpy(p.data + 2 * size, b, size);
    memcpy(p.data + 3 * size, a, size);
    reduce_plain(&p, factor, HOLOG_OME_MEAN, &is);
    memcpy(out, is.data, size);
    plain_release(&p);
    plain_release(&is);
}

Test(reduce, sums_of_64_bits_do_not_overflow_and_ties_go_to_the_even)
{
    const uint64_t top = UINT64_MAX;
    const uint64_t below = UINT64_MAX - 1;
    const int64_t least = INT64_MIN;
    const int64_t next = INT64_MIN + 1;
    const int64_t most = INT64_MAX;
    uint64_t u = 0;
    int64_t i = 0;

    mean4(HOLOG_UINT64, &top, &top, &u);
    cr_assert_eq(u, UINT64_MAX);
    mean4(HOLOG_UINT64, &top, &below, &u);
    cr_assert_eq(u, UINT64_MAX - 1, "halves go to the even one");
    mean4(HOLOG_INT64, &least, &least, &i);
    cr_assert_eq(i, INT64_MIN);
    mean4(HOLOG_INT64, &least, &next, &i);
    cr_assert_eq(i, INT64_MIN);
    mean4(HOLOG_INT64, &least, &most, &i);
    cr_assert_eq(i, 0, "-0.5 is as near to 0");
}

Test(reduce, halves_of_small_integers_go_to_the_even_on_both_sides_of_zero)
{
    for (int v = -4; v < 4; v++) {
        int8_t a = (int8_t)v;
        int8_t b = (int8_t)(v + 1);
        int8_t is = 0;
        mean4(HOLOG_INT8, &a, &b, &is);
        cr_assert_eq(is, v % 2 == 0 ? v : v + 1, "the mean of %d and %d is %d", v, v + 1, is);
    }
}

Test(reduce, floats_keep_what_a_mean_can_lose)
{
    const double most = DBL_MAX;
    const double minus_zero = -0.0;
    const double nan = (double)-NAN;
    const double infinite = (double)INFINITY;
    const double one = 1;
    const uint64_t quiet = UINT64_C(0x7ff8000000000000);
    double d = 0;

    mean4(HOLOG_FLOAT64, &most, &most, &d);
    cr_assert(d >= DBL_MAX && !isinf(d), "the sum of four does not fit, their mean does");
    mean4(HOLOG_FLOAT64, &minus_zero, &minus_zero, &d);
    cr_assert(signbit(d), "-0.0 is not 0.0");
    mean4(HOLOG_FLOAT64, &one, &nan, &d);
    cr_assert_eq(memcmp(&d, &quiet, sizeof d), 0, "a NaN makes the quiet one");
    mean4(HOLOG_FLOAT64, &one, &infinite, &d);
    cr_assert(isinf(d) && d > 0);
}

Test(reduce, results_go_where_strides_say)
{
    const uint8_t in[16] = { 1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4 };
    uint8_t out[12] = { 0 };
    struct hg_reduction r = {
        .type = hg_type_of(HG_UINT8, 0), .method = HOLOG_OME_MEAN, .rank = 2, .factor = { 2, 2 }
    };

    hg_reduce(&r, in, (uint64_t[]){ 4, 4 }, out + 1, (int64_t[]){ 6, 1 });
    cr_assert_eq(memcmp(out, "\0\1\2\0\0\0\0\3\4\0\0\0", 12), 0);
}
