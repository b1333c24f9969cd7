/*
 * Arrays at a part of their resolution: what is not compressed against the rule, one element at a time; what is
 * compressed near it, and how much of it is read.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/codec/fields.h"
#include "array/fill.h"
#include "array/grid.h"
#include "base/node.h"
#include "engine/store_internal.h"
#include "holog/array.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

#define BUDGET ((uint64_t)8 << 20)
#define SMALL  512u /* of more bytes a chunk can be compressed as an array */

static struct box box;

/* Over a real directory: bytes that are read of compressed segments. */
static const struct hg_io_ops *real;
static struct hg_io_ops ops;
static struct hg_io *io;
static uint64_t cold_bytes;

static int is_cold(const struct hg_file *f)
{
    return strstr(f->name, ".hwp") != NULL;
}

static int counting_preadv(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                           size_t *out_n)
{
    int rc = real->preadv(f, iov, n_iov, offset, out_n);

    if (rc == HOLOG_OK && is_cold(f))
        cold_bytes += *out_n;
    return rc;
}

static int counting_submit(struct hg_io *of, struct hg_req *const *reqs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (reqs[i]->op == HG_REQ_READ && is_cold(reqs[i]->file))
            cold_bytes += reqs[i]->len_bytes;
    return real->submit(of, reqs, n);
}

static void begin_with(uint32_t inline_max)
{
    box_make(&box);
    box.opts.no_compaction = 1;
    box.opts.inline_max = inline_max;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1000", NULL, 0));
}

static void begin(void)
{
    begin_with(0);
}

static void compact(void)
{
    holog_compact_options o = { .struct_size = sizeof o, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report report = { .struct_size = sizeof report };

    OK(holog_compact(box.store, &o, &report));
    cr_assert_gt(report.values, 0);
}

/* Between the two, reads are counted, and the budget is small. */
static void begin_reads(void)
{
    OK(holog_close(box.store));
    OK(hg_io_open(box.dir, HG_IO_POSIX, &io));
    real = io->ops;
    ops = *real;
    ops.preadv = counting_preadv;
    ops.submit = counting_submit;
    io->ops = &ops;
    box.opts.budget_bytes = BUDGET;
    OK(hg_store_open_io(io, &box.opts, &box.store));
}

static void end_reads(void)
{
    OK(holog_close(box.store));
    real->destroy(io);
    box.opts.budget_bytes = 0;
    box_open(&box);
}

static uint64_t rng;

static uint64_t below(uint64_t n)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (rng >> 33) % n;
}

static void seed(void)
{
    rng = test_seed();
    (void)fprintf(stderr, "# HOLOG_TEST_SEED=%llu\n", (unsigned long long)rng);
}

/* ---- the rule ------------------------------------------------------------------------------------*/

#define RANK_MAX 6

struct kind {
    const char *path;
    uint32_t dtype;
    uint32_t size;
    uint32_t rank;
    uint32_t codec;
    uint64_t inner; /* along each axis; 0: no shards */
    uint64_t shape[RANK_MAX];
    uint64_t chunk[RANK_MAX];
};

static const struct kind kinds[] = {
    { "bool", HOLOG_BOOL, 1, 2, 0, 0, { 61, 90 }, { 32, 32 } },
    { "u8", HOLOG_UINT8, 1, 3, 0, 0, { 3, 130, 77 }, { 2, 64, 32 } },
    { "i16", HOLOG_INT16, 2, 2, 0, 0, { 317, 701 }, { 100, 96 } },
    { "u16", HOLOG_UINT16, 2, 2, 0, 0, { 300, 411 }, { 300, 411 } },
    { "i32", HOLOG_INT32, 4, 6, 0, 0, { 2, 1, 3, 2, 33, 31 }, { 2, 1, 2, 2, 33, 31 } },
    { "zstd", HOLOG_UINT16, 2, 3, HOLOG_CODEC_ZSTD, 0, { 5, 70, 260 }, { 3, 64, 128 } },
    { "shards", HOLOG_UINT16, 2, 2, 0, 32, { 200, 333 }, { 128, 128 } },
    { "u8line", HOLOG_UINT8, 1, 1, 0, 0, { 1001 }, { 128 } },
    { "one", HOLOG_INT16, 2, 0, 0, 0, { 0 }, { 0 } },
    { "f16", HOLOG_FLOAT16, 2, 2, 0, 0, { 65, 40 }, { 64, 64 } },
    { "f32", HOLOG_FLOAT32, 4, 2, 0, 0, { 257, 129 }, { 64, 64 } },
    { "f64", HOLOG_FLOAT64, 8, 2, 0, 0, { 40, 51 }, { 16, 51 } },
    { "c64", HOLOG_COMPLEX64, 8, 2, 0, 0, { 67, 70 }, { 67, 32 } },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static uint64_t elements_of(const struct kind *k)
{
    uint64_t n = 1;

    for (unsigned i = 0; i < k->rank; i++)
        n *= k->shape[i];
    return n;
}

static unsigned parts_of(const struct kind *k)
{
    return k->dtype == HOLOG_COMPLEX64 ? 2 : 1;
}

static int is_float(const struct kind *k)
{
    return k->dtype >= HOLOG_FLOAT16;
}

/* A number that the type has, at its place. */
static void put(const struct kind *k, double number, uint8_t *at)
{
    static const uint16_t no_half = 0x7e00;
    int64_t whole = isnan(number) ? 0 : (int64_t)number;
    uint16_t half = isnan(number) ? no_half : hg_half_of(number);
    float single = (float)number;

    if (k->dtype == HOLOG_FLOAT16)
        memcpy(at, &half, sizeof half);
    else if (k->dtype == HOLOG_FLOAT64)
        memcpy(at, &number, sizeof number);
    else if (is_float(k))
        memcpy(at, &single, sizeof single);
    else
        memcpy(at, &whole, k->size); /* the low bytes */
}

static uint8_t *bytes_of(const struct kind *k, const double *numbers, uint64_t n)
{
    unsigned parts = parts_of(k);
    uint8_t *bytes = malloc(n * k->size + 1);

    for (uint64_t i = 0; i < n * parts; i++)
        put(k, numbers[i], bytes + i * (k->size / parts));
    return bytes;
}

/* Rounded as the type has it. */
static double rounded(const struct kind *k, double number)
{
    if (isnan(number))
        return (double)NAN;
    if (k->dtype == HOLOG_FLOAT16)
        return hg_half_to_double(hg_half_of(number));
    return k->dtype == HOLOG_FLOAT64 ? number : (double)(float)number;
}

static double mean(const struct kind *k, double a, double b, int up)
{
    double m = a / 2 + b / 2;

    return is_float(k) ? rounded(k, m) : up ? ceil(m) : floor(m);
}

/* rows x columns of a plane, with the numbers of an element side by side. */
static void halve_plane(const struct kind *k, uint64_t rows, uint64_t columns, const double *in,
                        double *out)
{
    unsigned parts = parts_of(k);
    uint64_t width = (columns + 1) / 2;

    for (uint64_t y = 0; y < rows; y += 2)
        for (uint64_t x = 0; x < columns; x += 2)
            for (unsigned p = 0; p < parts; p++) {
                double m[2];
                for (unsigned i = 0; i < 2; i++) {
                    const double *at = in + (y + (y + i < rows ? i : 0)) * columns * parts + p;
                    double b = at[(x + 1 < columns ? x + 1 : x) * parts];
                    m[i] = x + 1 < columns ? mean(k, at[x * parts], b, 0) : b;
                }
                out[(y / 2 * width + x / 2) * parts + p] =
                    y + 1 < rows ? mean(k, m[0], m[1], 1) : m[0];
            }
}

/* The array, once more halved. shape: becomes that. */
static double *halve_all(const struct kind *k, uint64_t *shape, double *in)
{
    unsigned parts = parts_of(k);
    uint64_t rows = k->rank > 1 ? shape[k->rank - 2] : 1;
    uint64_t columns = k->rank > 0 ? shape[k->rank - 1] : 1;
    uint64_t planes = 1;
    uint64_t small = ((rows + 1) / 2) * ((columns + 1) / 2);
    double *out;

    for (unsigned i = 0; i + 2 < k->rank; i++)
        planes *= shape[i];
    out = calloc(planes * small * parts, sizeof *out);
    for (uint64_t i = 0; i < planes; i++)
        halve_plane(k, rows, columns, in + i * rows * columns * parts, out + i * small * parts);
    for (unsigned i = k->rank - HG_MIN(k->rank, 2u); i < k->rank; i++)
        shape[i] = (shape[i] + 1) / 2;
    free(in);
    return out;
}

static double a_number(const struct kind *k, uint64_t i)
{
    double wave = 40 + 30 * sin((double)(i % 331) / 20);

    if (k->dtype == HOLOG_BOOL)
        return (double)below(2);
    if (is_float(k))
        return below(100) == 0 ? (double)NAN : rounded(k, wave - (double)below(80));
    if (k->dtype == HOLOG_UINT8)
        return (double)((uint64_t)wave + below(150));
    if (k->dtype == HOLOG_UINT16)
        return (double)(below(3) == 0 ? 65535 - below(9) : below(50000));
    return (double)below(60000) - 30000;
}

static double *make_numbers(const struct kind *k)
{
    uint64_t n = elements_of(k) * parts_of(k);
    double *numbers = calloc(n, sizeof *numbers);

    for (uint64_t i = 0; i < n; i++)
        numbers[i] = a_number(k, i);
    return numbers;
}

static void save(const struct kind *k, const void *data, unsigned flags)
{
    uint64_t inner[RANK_MAX];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = k->dtype,
                              .rank = k->rank,
                              .shape = k->shape,
                              .chunk = k->chunk,
                              .codec = k->codec,
                              .inner_chunk = k->inner > 0 ? inner : NULL };

    for (unsigned i = 0; i < k->rank; i++)
        inner[i] = k->inner;
    OK(holog_array_save(box.store, k->path, &spec, data, NULL, flags, NULL));
}

/* A region with steps, some of them turned round in memory. */
static void read_some(holog_array *a, const struct kind *k, unsigned halvings,
                      const uint64_t *shape, const uint8_t *want)
{
    holog_slice region[RANK_MAX] = { { 0 } };
    uint64_t count[RANK_MAX] = { 0 };
    int64_t all[RANK_MAX];
    int64_t to[RANK_MAX];
    uint64_t n = 1;
    int64_t at = 0;
    int64_t first = 0;

    hg_strides_of(k->rank, shape, k->size, all);
    for (unsigned i = 0; i < k->rank; i++) {
        uint64_t spread = 1 + below(shape[i]);
        uint64_t step = below(3) == 0 ? 1 + below(4) : 1;
        count[i] = (spread - 1) / step + 1;
        region[i] = (holog_slice){ below(shape[i] - spread + 1), count[i], step };
        at += (int64_t)region[i].start * all[i];
        all[i] *= (int64_t)step;
        n *= count[i];
    }
    hg_strides_of(k->rank, count, k->size, to);
    uint8_t *expected = malloc(n * k->size);
    uint8_t *have = malloc(n * k->size);
    if (k->rank > 0 && below(2)) {
        first = to[k->rank - 1] * (int64_t)(count[k->rank - 1] - 1);
        to[k->rank - 1] = -to[k->rank - 1];
    }
    hg_copy_strided(k->rank, count, k->size, expected + first, to, want + at, all);
    OK(holog_array_preview(a, halvings, region, have + first, to));
    cr_assert_eq(memcmp(expected, have, n * k->size), 0, "a region of 1/%u of %s", 1u << halvings,
                 k->path);
    free(expected);
    free(have);
}

/* All halvings of one array are what the rule makes of these numbers. */
static void follows_the_rule(holog_array *a, const struct kind *k, const double *numbers)
{
    uint64_t shape[RANK_MAX];
    uint64_t n = elements_of(k) * parts_of(k);
    double *level = calloc(n, sizeof *level);

    memcpy(shape, k->shape, sizeof shape);
    memcpy(level, numbers, n * sizeof *level);
    for (unsigned h = 0; h <= HOLOG_HALVINGS_MAX; h++) {
        uint64_t told[RANK_MAX];
        uint64_t count = 1;
        if (h > 0)
            level = halve_all(k, shape, level);
        OK(holog_array_preview_shape(a, h, told));
        for (unsigned i = 0; i < k->rank; i++) {
            cr_assert_eq(told[i], shape[i]);
            count *= shape[i];
        }
        uint8_t *want = bytes_of(k, level, count);
        uint8_t *have = malloc(count * k->size);
        OK(holog_array_preview(a, h, NULL, have, NULL));
        cr_assert_eq(memcmp(want, have, count * k->size), 0, "1/%u of %s", 1u << h, k->path);
        for (unsigned i = 0; i < 8; i++)
            read_some(a, k, h, shape, want);
        free(want);
        free(have);
    }
    free(level);
}

static void all_follow_the_rule(double *const *numbers, int (*which)(const struct kind *k))
{
    for (size_t i = 0; i < KINDS; i++) {
        holog_array *a = NULL;
        if (which != NULL && !which(&kinds[i]))
            continue;
        OK(holog_array_open(box.store, kinds[i].path, &a));
        follows_the_rule(a, &kinds[i], numbers[i]);
        holog_array_close(a);
    }
}

/* Of these compressing changes nothing. */
static int is_exact(const struct kind *k)
{
    return is_float(k) || k->codec != 0;
}

Test(preview, is_made_of_means_of_pairs_whatever_the_chunks_are, .timeout = 120)
{
    double *numbers[KINDS];

    seed();
    begin_with(SMALL);
    for (size_t i = 0; i < KINDS; i++) {
        numbers[i] = make_numbers(&kinds[i]);
        uint8_t *bytes = bytes_of(&kinds[i], numbers[i], elements_of(&kinds[i]));
        save(&kinds[i], bytes, 0);
        free(bytes);
    }
    all_follow_the_rule(numbers, NULL);
    box_same_after_reopen(&box);
    all_follow_the_rule(numbers, NULL);
    compact();
    all_follow_the_rule(numbers, is_exact);
    box_same_after_reopen(&box);
    all_follow_the_rule(numbers, is_exact);
    for (size_t i = 0; i < KINDS; i++)
        free(numbers[i]);
    box_end(&box);
}

Test(preview, has_the_fill_value_where_nothing_was_written, .timeout = 60)
{
    const uint64_t shape[2] = { 500, 700 };
    const uint64_t chunk[2] = { 128, 128 };
    const uint16_t gray = 700;
    const holog_slice corner[2] = { { 0, 100, 1 }, { 0, 100, 1 } };
    const holog_slice edge[2] = { { 12, 1, 1 }, { 0, 88, 1 } };
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 2,
                              .shape = shape,
                              .chunk = chunk,
                              .fill = &gray };
    static uint16_t ones[100 * 100];
    static uint16_t small[63 * 88];
    holog_array *a = NULL;

    begin();
    OK(holog_array_create(box.store, "a", &spec, 0, NULL));
    for (size_t i = 0; i < 100 * 100; i++)
        ones[i] = 100;
    OK(holog_array_update(box.store, "a", corner, ones, NULL, NULL));
    for (unsigned round = 0; round < 2; round++) {
        OK(holog_array_open(box.store, "a", &a));
        OK(holog_array_preview(a, 3, NULL, small, NULL));
        for (size_t y = 0; y < 63; y++)
            for (size_t x = 0; x < 88; x++) {
                size_t inside = (y < 12 && x < 12)   ? 4
                                : (y < 13 && x < 13) ? (y < 12 || x < 12) ? 2 : 1
                                                     : 0;
                cr_assert_eq(small[y * 88 + x], 700 - inside * 150, "%zu, %zu: %u", y, x,
                             small[y * 88 + x]);
            }
        OK(holog_array_preview(a, 3, edge, small, NULL));
        cr_assert_eq(small[0], 400);
        cr_assert_eq(small[12], 550);
        cr_assert_eq(small[87], 700);
        holog_array_close(a);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

/* ---- compressed ----------------------------------------------------------------------------------*/

enum {
    SIDE = 2048
};

/* How far previews may be from the means. The lift that noise gets has them, rounded; what else there is comes from far
 * edges. The other one blurs: where a bright cell ends that is much. */
struct distance {
    double off, bias, most;
};
static const struct distance noisy = { 6, 2, 4 };
static const struct distance smooth = { 16, 4, 2000 };

/* An image of any part of a field of cells, as means of what it stands for. */
struct image {
    const char *path;
    uint64_t shape[2];
    uint64_t chunk[2];
};

static const struct image images[] = {
    { "whole", { SIDE, SIDE }, { SIDE, SIDE } }, { "chunks", { SIDE, SIDE }, { 512, 1024 } },
    { "odd", { 1531, 1203 }, { 1531, 1203 } },   { "ragged", { 1531, 1203 }, { 512, 512 } },
    { "wide", { 1600, 2000 }, { 300, 500 } }, /* a quarter is the least that its chunks have */
};
#define IMAGES (sizeof images / sizeof images[0])

static uint16_t *part_of(const struct image *m, const uint16_t *field)
{
    uint16_t *part = malloc(m->shape[0] * m->shape[1] * sizeof *part);

    for (uint64_t y = 0; y < m->shape[0]; y++)
        memcpy(part + y * m->shape[1], field + y * SIDE, m->shape[1] * sizeof *part);
    return part;
}

static void save_image(const struct image *m, uint32_t dtype, const uint16_t *field, unsigned flags)
{
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = dtype, .rank = 2, .shape = m->shape, .chunk = m->chunk
    };
    uint16_t *part = part_of(m, field);

    OK(holog_array_save(box.store, m->path, &spec, part, NULL, flags, NULL));
    free(part);
}

static void make_field(struct field *f, int is_smooth)
{
    static const struct light light = { 60, 4000, 0.9 };

    seed();
    cr_assert_eq(field_make(f, SIDE, &light, 11), 0);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) /* nothing of it is dark */
        f->image[i] = (uint16_t)((is_smooth ? (uint16_t)f->smooth[i] : f->image[i]) + 1000);
}

static double mean_at(const struct image *m, const uint16_t *field, unsigned h, uint64_t y,
                      uint64_t x)
{
    uint64_t rows = HG_MIN((y + 1) << h, m->shape[0]);
    uint64_t columns = HG_MIN((x + 1) << h, m->shape[1]);
    double sum = 0;

    for (uint64_t i = y << h; i < rows; i++)
        for (uint64_t j = x << h; j < columns; j++)
            sum += field[i * SIDE + j];
    return sum / (double)((rows - (y << h)) * (columns - (x << h)));
}

/* Mean distance and mean difference from the means, and how far the farthest element is. At a far edge the last elements
 * of an odd number count more. */
static void is_near(holog_array *a, const struct image *m, const uint16_t *field, unsigned h,
                    const struct distance *allowed)
{
    uint64_t shape[2];
    double off = 0;
    double bias = 0;
    double most = 0;

    OK(holog_array_preview_shape(a, h, shape));
    uint16_t *small = malloc(shape[0] * shape[1] * sizeof *small);
    OK(holog_array_preview(a, h, NULL, small, NULL));
    for (uint64_t y = 0; y < shape[0]; y++)
        for (uint64_t x = 0; x < shape[1]; x++) {
            double d = small[y * shape[1] + x] - mean_at(m, field, h, y, x);
            int is_edge = (y + 1) << h > m->shape[0] || (x + 1) << h > m->shape[1];
            off += fabs(d);
            bias += d;
            most = is_edge ? most : HG_MAX(most, fabs(d));
        }
    double n = (double)(shape[0] * shape[1]);
    (void)fprintf(stderr, "# %s 1/%u: %.2f off, %+.2f on the whole, %.0f at most\n", m->path,
                  1u << h, off / n, bias / n, most);
    cr_assert_leq(off / n, allowed->off);
    cr_assert_leq(fabs(bias / n), allowed->bias);
    cr_assert_leq(most, allowed->most);
    free(small);
}

static void all_are_near(const struct field *f, const struct distance *allowed)
{
    for (size_t i = 0; i < IMAGES; i++) {
        holog_array *a = NULL;
        OK(holog_array_open(box.store, images[i].path, &a));
        for (unsigned h = 1; h <= HOLOG_HALVINGS_MAX; h++)
            is_near(a, &images[i], f->image, h, allowed);
        holog_array_close(a);
    }
}

static uint16_t *all_of(const struct image *m, unsigned h, uint64_t *out_n)
{
    uint64_t shape[2];
    holog_array *a = NULL;

    OK(holog_array_open(box.store, m->path, &a));
    OK(holog_array_preview_shape(a, h, shape));
    uint16_t *small = malloc(shape[0] * shape[1] * sizeof *small);
    OK(holog_array_preview(a, h, NULL, small, NULL));
    holog_array_close(a);
    *out_n = shape[0] * shape[1];
    return small;
}

/* Every element, those at far edges too. */
static void is_as_before(const struct image *m, unsigned h, const uint16_t *before, double most)
{
    uint64_t n;
    uint16_t *small = all_of(m, h, &n);

    for (uint64_t i = 0; i < n; i++)
        cr_assert_leq(fabs((double)small[i] - before[i]), most, "%s 1/%u: element %llu: %u, not %u",
                      m->path, 1u << h, (unsigned long long)i, small[i], before[i]);
    free(small);
}

static void compressed_images_are_near(int is_smooth)
{
    uint16_t *before[IMAGES][HOLOG_HALVINGS_MAX + 1];
    const struct distance *allowed = is_smooth ? &smooth : &noisy;
    struct field f;
    uint64_t n;

    make_field(&f, is_smooth);
    begin();
    for (size_t i = 0; i < IMAGES; i++) {
        save_image(&images[i], HOLOG_UINT16, f.image, 0);
        for (unsigned h = 1; h <= HOLOG_HALVINGS_MAX; h++)
            before[i][h] = all_of(&images[i], h, &n);
    }
    compact();
    for (size_t i = 0; i < IMAGES; i++)
        for (unsigned h = 1; h <= HOLOG_HALVINGS_MAX; h++) {
            is_as_before(&images[i], h, before[i][h], allowed->most);
            free(before[i][h]);
        }
    box_same_after_reopen(&box);
    all_are_near(&f, allowed);
    field_free(&f);
    box_end(&box);
}

Test(preview, of_a_compressed_image_is_near_the_means_and_has_no_bias, .timeout = 120)
{
    compressed_images_are_near(0);
}

Test(preview, of_a_compressed_image_without_noise_is_near_the_means, .timeout = 120)
{
    compressed_images_are_near(1);
}

/* What it reads, of all that is stored. */
static double share_of(const struct image *m, unsigned h)
{
    struct hg_cold_sizes sizes;
    uint64_t shape[2];
    holog_array *a = NULL;

    OK(holog_array_open(box.store, m->path, &a));
    OK(holog_array_preview_shape(a, h, shape));
    uint16_t *small = malloc(shape[0] * shape[1] * sizeof *small);
    cold_bytes = 0;
    OK(holog_array_preview(a, h, NULL, small, NULL));
    holog_array_close(a);
    free(small);
    hg_cold_sizes(box.store->cold, &sizes);
    return (double)cold_bytes / (double)sizes.stored;
}

static void save_and_measure(const struct image *m, const struct field *f, double *share)
{
    begin();
    save_image(m, HOLOG_UINT16, f->image, 0);
    compact();
    begin_reads();
    for (unsigned h = 1; h <= HOLOG_HALVINGS_MAX; h++) {
        share[h] = share_of(m, h);
        (void)fprintf(stderr, "# %s 1/%u: %.3f of the bytes\n", m->path, 1u << h, share[h]);
        cr_assert_leq(share_of(m, h), share[h]); /* and again */
    }
    end_reads();
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(preview, of_a_compressed_image_reads_the_coarse_part_of_it, .timeout = 240)
{
    double share[HOLOG_HALVINGS_MAX + 1];
    struct field f;

    make_field(&f, 0);
    for (size_t i = 0; i < 2; i++) {
        save_and_measure(&images[i], &f, share);
        cr_assert_leq(share[1], 0.35, "%s", images[i].path);
        cr_assert_leq(share[2], 0.15, "%s", images[i].path);
        for (unsigned h = 3; h <= HOLOG_HALVINGS_MAX; h++)
            cr_assert_leq(share[h], 0.1, "%s", images[i].path);
    }
    save_and_measure(&images[2], &f, share);
    cr_assert_leq(share[3], 0.1);
    save_and_measure(&images[3], &f, share); /* with tiles at the edges that are read whole */
    cr_assert_leq(share[3], 0.6);
    save_and_measure(&images[4], &f, share);
    cr_assert_leq(share[7], 0.5);
    field_free(&f);
}

/* Compressed as what the newer version is: signed, with other means. */
Test(preview, of_an_older_version_is_of_what_it_was, .timeout = 120)
{
    struct image m = { "image", { SIDE, SIDE }, { SIDE, SIDE } };
    holog_view *view = NULL;
    holog_array *a = NULL;
    uint64_t number;
    struct field f;

    make_field(&f, 0);
    begin();
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        f.image[i] = (uint16_t)(f.image[i] + 31000); /* some above 32767, some below */
    save_image(&m, HOLOG_UINT16, f.image, 0);
    OK(holog_ref(box.store, "HEAD", &number));
    OK(holog_tag(box.store, "unsigned", number, 0));
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        f.image[i] ^= 1;
    save_image(&m, HOLOG_INT16, f.image, HOLOG_REPLACE);
    compact();
    for (unsigned round = 0; round < 2; round++) {
        OK(holog_ref(box.store, "unsigned", &number));
        OK(holog_view_open_at(box.store, number, &view));
        OK(holog_view_array(view, m.path, &a));
        for (unsigned h = 1; h <= 4; h++)
            is_near(a, &m, f.image, h, &noisy);
        holog_array_close(a);
        holog_view_close(view);
        box_same_after_reopen(&box);
    }
    field_free(&f);
    box_end(&box);
}

Test(preview, in_a_transaction_has_its_changes, .timeout = 60)
{
    const struct image m = { "chunks", { SIDE, SIDE }, { 512, 1024 } };
    const holog_slice rows[2] = { { 256, 16, 1 }, { 0, SIDE, 1 } };
    const holog_slice small[2] = { { 32, 2, 1 }, { 0, SIDE / 8, 1 } };
    static uint16_t seven[16 * SIDE];
    static uint16_t out[2 * SIDE / 8];
    holog_txn *txn = NULL;
    holog_array *a = NULL;
    struct field f;

    make_field(&f, 0);
    begin();
    save_image(&m, HOLOG_UINT16, f.image, 0);
    compact();
    for (size_t i = 0; i < 16 * SIDE; i++)
        seven[i] = 7;
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_array(txn, m.path, &a));
    OK(holog_array_write(a, rows, seven, NULL));
    OK(holog_array_preview(a, 3, small, out, NULL));
    for (size_t i = 0; i < 2 * SIDE / 8; i++)
        cr_assert_eq(out[i], 7);
    OK(holog_commit(txn, NULL));
    FAILS(HOLOG_E_CLOSED, holog_array_preview(a, 3, small, out, NULL), "ended");
    holog_array_close(a);
    box_same_after_reopen(&box);
    OK(holog_array_open(box.store, m.path, &a));
    OK(holog_array_preview(a, 3, small, out, NULL));
    for (size_t i = 0; i < 2 * SIDE / 8; i++)
        cr_assert_eq(out[i], 7);
    holog_array_close(a);
    field_free(&f);
    box_end(&box);
}

/* ---- damage, bad calls -----------------------------------------------------------------------------*/

/* Changes a byte; again, and it is as it was. */
static void flip(const char *name, uint64_t at)
{
    char path[600];
    int byte;

    (void)snprintf(path, sizeof path, "%s/seg/%s", box.dir, name);
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, (long)at, SEEK_SET), 0);
    byte = fgetc(f);
    cr_assert_eq(fseek(f, (long)at, SEEK_SET), 0);
    cr_assert_eq(fputc(byte ^ 0x10, f), byte ^ 0x10);
    cr_assert_eq(fclose(f), 0);
}

/* The only one. */
static void cold_file(char *out, size_t room)
{
    char dir[300];
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    out[0] = 0;
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".hwp") != NULL) {
            cr_assert_eq(out[0], 0, "%s beside %s", e->d_name, out);
            (void)snprintf(out, room, "%s", e->d_name);
        }
    (void)closedir(d);
}

/* The group begins at 4096: heads, and slot 0 behind them; the last slot is most of it, and no preview's. */
Test(preview, says_where_a_damaged_part_is_and_does_not_read_others, .timeout = 120)
{
    const struct image m = { "image", { SIDE, SIDE }, { SIDE, SIDE } };
    static uint16_t small[SIDE / 8 * SIDE / 8];
    static uint16_t whole[SIDE / 8 * SIDE / 8];
    struct holog_error_detail why;
    holog_array *a = NULL;
    struct hg_cold_sizes sizes;
    char name[256];
    struct field f;

    make_field(&f, 0);
    begin();
    save_image(&m, HOLOG_UINT16, f.image, 0);
    compact();
    begin_reads();
    hg_cold_sizes(box.store->cold, &sizes);
    cold_file(name, sizeof name);
    OK(holog_array_open(box.store, m.path, &a));
    OK(holog_array_preview(a, 3, NULL, whole, NULL));
    uint64_t first = 4096 + sizes.stored / 50;
    flip(name, first);
    FAILS(HOLOG_E_CORRUPT, holog_array_preview(a, 3, NULL, small, NULL), m.path);
    holog_last_error(&why);
    char *end;
    cr_assert_eq(why.segment, strtoul(name, &end, 16));
    cr_assert_leq(why.offset, first);
    cr_assert_geq(why.offset, 4096);
    flip(name, first);
    flip(name, 4096 + sizes.stored / 2);
    OK(holog_array_preview(a, 3, NULL, small, NULL));
    cr_assert_arr_eq(small, whole, sizeof whole);
    uint16_t *all = malloc(sizeof *all * SIDE * SIDE);
    FAILS(HOLOG_E_CORRUPT, holog_array_preview(a, 0, NULL, all, NULL), m.path);
    free(all);
    flip(name, 4096 + sizes.stored / 2);
    holog_array_close(a);
    end_reads();
    box_same_after_reopen(&box);
    field_free(&f);
    box_end(&box);
}

Test(preview, refuses_what_it_cannot_make, .timeout = 60)
{
    static const struct kind raw = { "raw", HOLOG_RAW, 0, 2, 0, 0, { 8, 8 }, { 8, 8 } };
    static const struct kind none = { "none", HOLOG_UINT8, 1, 2, 0, 0, { 0, 9 }, { 4, 4 } };
    const holog_slice outside[2] = { { 150, 1, 1 }, { 0, 1, 1 } };
    const holog_slice inside[2] = { { 149, 1, 1 }, { 0, 0, 1 } };
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = raw.dtype,
                              .item_size = 3,
                              .rank = 2,
                              .shape = raw.shape };
    const struct kind *u16 = &kinds[3];
    uint64_t shape[2];
    uint8_t out[512];
    holog_array *a = NULL;

    begin();
    OK(holog_array_create(box.store, raw.path, &spec, 0, NULL));
    OK(holog_array_open(box.store, raw.path, &a));
    FAILS(HOLOG_E_NOTSUP, holog_array_preview(a, 1, NULL, out, NULL), "raw");
    FAILS(HOLOG_E_NOTSUP, holog_array_preview_shape(a, 1, shape), "mean");
    OK(holog_array_preview(a, 0, NULL, out, NULL));
    holog_array_close(a);
    save(&none, out, 0);
    OK(holog_array_open(box.store, none.path, &a));
    OK(holog_array_preview_shape(a, 2, shape));
    cr_assert(shape[0] == 0 && shape[1] == 3);
    OK(holog_array_preview(a, 2, NULL, NULL, NULL));
    holog_array_close(a);
    spec = (holog_array_spec){
        .struct_size = sizeof spec, .dtype = u16->dtype, .rank = 2, .shape = u16->shape
    };
    OK(holog_array_create(box.store, u16->path, &spec, 0, NULL));
    OK(holog_array_open(box.store, u16->path, &a));
    FAILS(HOLOG_E_INVAL, holog_array_preview(a, 8, NULL, out, NULL), "8 halvings");
    FAILS(HOLOG_E_INVAL, holog_array_preview_shape(a, 8, shape), "1/128");
    FAILS(HOLOG_E_INVAL, holog_array_preview_shape(a, 1, NULL), "out_shape");
    FAILS(HOLOG_E_INVAL, holog_array_preview(a, 1, NULL, NULL, NULL), "out is NULL");
    FAILS(HOLOG_E_RANGE, holog_array_preview(a, 1, outside, out, NULL), "axis 0");
    OK(holog_array_preview(a, 1, inside, NULL, NULL));
    FAILS(HOLOG_E_INVAL, holog_array_preview(NULL, 1, NULL, out, NULL), "NULL");
    holog_array_close(a);
    box_same_after_reopen(&box);
    box_end(&box);
}
