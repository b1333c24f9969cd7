#include "omekit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array/fill.h"
#include "base/error.h"
#include "holog/zarr.h"

__extension__ typedef __int128 wide;

uint64_t some(uint64_t seed, uint64_t index)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + index + 1;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static int is_float(uint32_t dtype)
{
    return dtype >= HOLOG_FLOAT16 && dtype <= HOLOG_COMPLEX128;
}

/* Bytes of a number: of half a complex one. */
static size_t word_of(uint32_t dtype)
{
    return hg_type_word(hg_type_of((enum hg_dtype)dtype, 0));
}

static double get_float(size_t word, const uint8_t *p)
{
    uint16_t h;
    float f;
    double d;

    memcpy(&h, p, sizeof h);
    if (word == 2)
        return hg_half_to_double(h);
    memcpy(&f, p, sizeof f);
    if (word == 4)
        return (double)f;
    memcpy(&d, p, sizeof d);
    return d;
}

static void put_float(size_t word, double d, uint8_t *p)
{
    uint16_t h = isnan(d) ? 0x7e00 : hg_half_of(d);
    float f = isnan(d) ? (float)NAN : (float)d;

    d = isnan(d) ? (double)NAN : d;
    memcpy(p, word == 2 ? (void *)&h : word == 4 ? (void *)&f : (void *)&d, word);
}

void some_elements(uint32_t dtype, uint64_t seed, size_t n, void *out)
{
    size_t size = holog_dtype_size(dtype);
    size_t word = word_of(dtype);
    uint8_t *p = out;

    for (size_t i = 0; i < n * size / word; i++, p += word) {
        uint64_t r = some(seed, i);
        if (is_float(dtype))
            put_float(word, r % 97 == 0 ? (double)NAN : ((double)(r >> 40) - 8e6) / 256, p);
        else if (dtype == HOLOG_BOOL)
            *p = r & 1;
        else
            memcpy(p, &r, word);
    }
}

/* ---- the plain pyramid -------------------------------------------------------------------------------*/

size_t plain_count(const struct plain *p)
{
    size_t n = 1;

    for (unsigned i = 0; i < p->rank; i++)
        n *= p->shape[i];
    return n;
}

void plain_release(struct plain *p)
{
    free(p->data);
    p->data = NULL;
}

static wide get_integer(uint32_t dtype, const uint8_t *p)
{
    uint64_t u = 0;
    size_t size = holog_dtype_size(dtype);
    unsigned unused = 64 - 8 * (unsigned)size;

    memcpy(&u, p, size);
    if (dtype >= HOLOG_INT8 && dtype <= HOLOG_INT64)
        return (int64_t)(u << unused) >> unused;
    return u;
}

/* To the nearest, by trying: a tie goes to the even one. */
static wide nearest_to(wide sum, wide n)
{
    wide q = sum / n - 1;
    wide best = q;

    for (wide at = q; at <= q + 2; at++) {
        wide off = sum > at * n ? sum - at * n : at * n - sum;
        wide least = sum > best * n ? sum - best * n : best * n - sum;
        if (off < least || (off == least && at % 2 == 0))
            best = at;
    }
    return best;
}

static void mean_of(uint32_t dtype, const uint8_t *const *block, size_t n, uint8_t *out)
{
    size_t word = word_of(dtype);
    size_t size = holog_dtype_size(dtype);

    if (is_float(dtype)) {
        for (size_t at = 0; at < size; at += word) {
            double sum = get_float(word, block[0] + at);
            for (size_t i = 1; i < n; i++)
                sum += get_float(word, block[i] + at);
            put_float(word, sum / (double)n, out + at);
        }
    } else {
        wide sum = 0;
        uint64_t mean;
        for (size_t i = 0; i < n; i++)
            sum += get_integer(dtype, block[i]);
        mean = (uint64_t)nearest_to(sum, (wide)n);
        memcpy(out, &mean, size);
    }
}

static void mode_of(size_t size, const uint8_t *const *block, size_t n, uint8_t *out)
{
    size_t most = 0;

    for (size_t i = n; i-- > 0;) {
        size_t count = 0;
        for (size_t k = 0; k < n; k++)
            count += memcmp(block[i], block[k], size) == 0;
        if (count >= most) { /* from the last one back: the first of several wins */
            most = count;
            memcpy(out, block[i], size);
        }
    }
}

/* The block's elements, in C order. */
static size_t gather(const struct plain *p, const uint64_t *factor, const uint64_t *index,
                     const uint8_t **block)
{
    size_t all = 1;
    size_t n = 0;

    for (unsigned a = 0; a < p->rank; a++)
        all *= factor[a];
    for (size_t i = 0; i < all; i++) {
        size_t left = i;
        size_t at = 0;
        size_t stride = 1;
        int inside = 1;
        for (unsigned a = p->rank; a-- > 0; left /= factor[a]) {
            size_t where = index[a] * factor[a] + left % factor[a];
            inside &= where < p->shape[a];
            at += where * stride;
            stride *= p->shape[a];
        }
        if (inside)
            block[n++] = p->data + at * holog_dtype_size(p->dtype);
    }
    return n;
}

void plain_next(const struct plain *p, const uint64_t *factor, uint32_t method, struct plain *out)
{
    size_t size = holog_dtype_size(p->dtype);
    size_t n;

    *out = *p;
    for (unsigned a = 0; a < p->rank; a++)
        out->shape[a] = (p->shape[a] + factor[a] - 1) / factor[a];
    n = plain_count(out);
    out->data = malloc(n * size + 1);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *block[64];
        uint64_t index[HOLOG_OME_AXES_MAX];
        size_t left = i;
        size_t count;
        for (unsigned a = p->rank; a-- > 0; left /= out->shape[a])
            index[a] = left % out->shape[a];
        count = gather(p, factor, index, block);
        if (method == HOLOG_OME_MEAN)
            mean_of(p->dtype, block, count, out->data + i * size);
        else if (method == HOLOG_OME_MODE)
            mode_of(size, block, count, out->data + i * size);
        else
            memcpy(out->data + i * size, block[0], size);
    }
}

/* ---- stores ------------------------------------------------------------------------------------------*/

void read_all(holog_store *s, const char *path, struct plain *out)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;

    OK(holog_array_open(s, path, &a));
    OK(holog_array_get_info(a, &info));
    out->dtype = info.dtype;
    out->rank = info.rank;
    memcpy(out->shape, info.shape, sizeof out->shape);
    out->data = malloc(info.size_bytes + 1);
    OK(holog_array_read(a, NULL, out->data, NULL));
    holog_array_close(a);
}

void has_level(holog_store *s, const char *image, unsigned k, const struct plain *want)
{
    char path[300];
    struct plain is;

    (void)snprintf(path, sizeof path, "%s/%u", image, k);
    read_all(s, path, &is);
    cr_assert_eq(is.rank, want->rank);
    for (unsigned a = 0; a < want->rank; a++)
        cr_assert_eq(is.shape[a], want->shape[a], "%s: %llu along axis %u, not %llu", path,
                     (unsigned long long)is.shape[a], a, (unsigned long long)want->shape[a]);
    cr_assert_eq(memcmp(is.data, want->data, plain_count(want) * holog_dtype_size(want->dtype)), 0,
                 "%s has other elements", path);
    plain_release(&is);
}

void is_pyramid(holog_store *s, const char *image, uint32_t method)
{
    holog_ome_info info = { .struct_size = sizeof info };
    holog_ome_level before;
    holog_ome_level level;
    struct plain is;
    struct plain next;
    holog_view *view = NULL;
    holog_ome *ome = NULL;
    char path[300];

    OK(holog_view_open(s, &view));
    OK(holog_ome_open(view, image, &ome));
    OK(holog_ome_get_info(ome, &info));
    (void)snprintf(path, sizeof path, "%s/0", image);
    read_all(s, path, &is);
    for (unsigned k = 1; k < info.n_levels; k++) {
        uint64_t factor[HOLOG_OME_AXES_MAX];
        OK(holog_ome_get_level(ome, k - 1, &before));
        OK(holog_ome_get_level(ome, k, &level));
        for (unsigned a = 0; a < info.n_axes; a++)
            factor[a] = (uint64_t)round(level.scale[a] / before.scale[a]);
        plain_next(&is, factor, method, &next);
        has_level(s, image, k, &next);
        plain_release(&is);
        is = next;
    }
    plain_release(&is);
    holog_ome_close(ome);
    holog_view_close(view);
}

char *document_of(holog_store *s, unsigned flags, const char *key)
{
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    holog_value *v = NULL;
    char *text = NULL;
    int rc;

    OK(holog_view_open(s, &view));
    OK(holog_zarr_open(view, "/", flags, &zarr));
    rc = holog_zarr_get(zarr, key, &v);
    if (rc == HOLOG_OK) {
        text = calloc(1, holog_value_size(v) + 1);
        memcpy(text, holog_value_data(v), holog_value_size(v));
    } else {
        cr_assert_eq(rc, HOLOG_E_NOENT);
    }
    holog_value_release(v);
    holog_zarr_close(zarr);
    holog_view_close(view);
    return text;
}

static int tell(void *ctx, const char *path, const char *message)
{
    (void)ctx;
    cr_assert_fail("%s: %s", path, message);
    return 0;
}

void is_valid(struct box *b, const char *path)
{
    holog_view *view = NULL;

    box_same_after_reopen(b);
    OK(holog_view_open(b->store, &view));
    OK(holog_ome_validate(view, path, tell, NULL));
    holog_view_close(view);
}
