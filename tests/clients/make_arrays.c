/*
 * make_arrays.c: stores for other programs to read, and what they must find in them.
 *
 *   make-arrays STORE DIR      arrays of every type, rank, codec and fill value; DIR/arrays.json tells of each,
 *                              DIR/N.bin has its elements in C order
 *   make-arrays STORE N MS     N commits to the arrays "busy/...", MS milliseconds apart; after each one a line
 *                              "NUMBER STEP". After step s each element of "busy/whole" is s; plane p of
 *                              "busy/planes" and "busy/shards" is the last step up to s that left the
 *                              remainder p, else 65535
 *   make-arrays STORE change PATH
 *                              adds 1 to each element in [1:4, 5:25, 7:33] of an array of 16-bit numbers that
 *                              somebody else made; 3: holog does not write its codecs
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <holog/array.h>
#include <holog/zarr.h>

#include "making.h"

#define ELEMENTS_MAX (4u << 20)
#define PLANES       6u

static holog_store *store;

/* ---- elements ---------------------------------------------------------------------------------------- */

/* Bits of a floating-point number with an exponent of so many bits: one in eight is 0, -0, infinite, the one
 * NaN that all programs keep, or so small that it has no exponent. */
static uint64_t some_float(unsigned bits, unsigned exponent)
{
    unsigned mantissa = bits - 1 - exponent;
    uint64_t sign = UINT64_C(1) << (bits - 1);
    uint64_t infinite = ((UINT64_C(1) << exponent) - 1) << mantissa;
    const uint64_t special[6] = {
        0, sign, infinite, sign | infinite, infinite | UINT64_C(1) << (mantissa - 1), 1
    };
    uint64_t r = random_bits();

    if (r % 8 == 0)
        return special[(r >> 8) % 6];
    r = random_bits() & (sign | (sign - 1));
    return (r & infinite) == infinite ? r ^ UINT64_C(1) << mantissa : r;
}

static void some_element(uint32_t dtype, uint32_t size, uint8_t *out)
{
    uint64_t a = random_bits();
    uint64_t b = random_bits();

    switch (dtype) {
    case HOLOG_BOOL: a &= 1; break;
    case HOLOG_FLOAT16: a = some_float(16, 5); break;
    case HOLOG_FLOAT32: a = some_float(32, 8); break;
    case HOLOG_FLOAT64: a = some_float(64, 11); break;
    case HOLOG_COMPLEX64: a = some_float(32, 8) | some_float(32, 8) << 32; break;
    case HOLOG_COMPLEX128:
        a = some_float(64, 11);
        b = some_float(64, 11);
        break;
    default: break;
    }
    memcpy(out, &a, size < 8 ? size : 8);
    if (size > 8)
        memcpy(out + 8, &b, size - 8);
}

/* ---- what is told of them ---------------------------------------------------------------------------- */

static void put_shape(const char *name, uint32_t rank, const uint64_t *shape)
{
    (void)fprintf(list, ", \"%s\": [", name);
    for (uint32_t k = 0; k < rank; k++)
        (void)fprintf(list, "%s%" PRIu64, k == 0 ? "" : ", ", shape[k]);
    (void)fputs("]", list);
}

static void tell(const char *path, const holog_array_spec *spec, uint32_t size, const uint8_t *data,
                 size_t n)
{
    (void)fprintf(list, "%s\n{\"path\": \"%s\", \"file\": \"%u.bin\", \"dtype\": \"%s",
                  made == 0 ? "" : ",", path, made,
                  spec->dtype == HOLOG_RAW ? "r" : holog_dtype_name(spec->dtype));
    if (spec->dtype == HOLOG_RAW)
        (void)fprintf(list, "%u", size * 8);
    (void)fprintf(list, "\", \"itemsize\": %u", size);
    put_shape("shape", spec->rank, spec->shape);
    put_shape("chunk", spec->rank, spec->chunk);
    if (spec->inner_chunk != NULL)
        put_shape("inner", spec->rank, spec->inner_chunk);
    (void)fputs(", \"names\": ", list);
    for (uint32_t k = 0; k < spec->rank && spec->dimension_names != NULL; k++)
        if (spec->dimension_names[k] == NULL)
            (void)fprintf(list, "%snull", k == 0 ? "[" : ", ");
        else
            (void)fprintf(list, "%s\"%s\"", k == 0 ? "[" : ", ", spec->dimension_names[k]);
    (void)fputs(spec->dimension_names != NULL ? "]" : "null", list);
    (void)fprintf(list, ", \"codec\": \"%s%s%s\"",
                  spec->codec == HOLOG_CODEC_ZSTD  ? "zstd"
                  : spec->codec == HOLOG_CODEC_LZ4 ? "lz4"
                                                   : "none",
                  (spec->flags & HOLOG_ARRAY_SHUFFLE) != 0 ? " shuffle" : "",
                  (spec->flags & HOLOG_ARRAY_CRC32C) != 0 ? " crc32c" : "");
    (void)fprintf(list, ", \"attributes\": %s}",
                  spec->attributes != NULL ? spec->attributes : "{}");
    write_bytes(data, size * n);
    made++;
}

/* ---- one array --------------------------------------------------------------------------------------- */

static size_t elements(const holog_array_spec *spec)
{
    size_t n = 1;

    for (uint32_t k = 0; k < spec->rank; k++)
        n *= spec->shape[k];
    if (n > ELEMENTS_MAX)
        abort();
    return n;
}

static uint32_t size_of(const holog_array_spec *spec)
{
    return spec->dtype == HOLOG_RAW ? spec->item_size : holog_dtype_size(spec->dtype);
}

static void whole(const char *path, holog_array_spec spec)
{
    uint32_t size = size_of(&spec);
    size_t n = elements(&spec);
    uint8_t *data = memory(n * size + 1);

    spec.struct_size = sizeof spec;
    for (size_t i = 0; i < n; i++)
        some_element(spec.dtype, size, data + i * size);
    OK(holog_array_save(store, path, &spec, data, NULL, HOLOG_PARENTS, NULL));
    tell(path, &spec, size, data, n);
    free(data);
}

/* Two axes, of which one region is written and all else is left to the fill value. */
static void sparse(const char *path, holog_array_spec spec, const holog_slice *region)
{
    uint32_t size = size_of(&spec);
    size_t n = elements(&spec);
    uint8_t *data = memory(n * size);
    uint8_t *part = memory(region[0].count * region[1].count * size);
    uint8_t *at = part;

    spec.struct_size = sizeof spec;
    for (size_t i = 0; i < n; i++)
        memcpy(data + i * size, spec.fill, size);
    for (uint64_t y = 0; y < region[0].count; y++)
        for (uint64_t x = 0; x < region[1].count; x++, at += size) {
            some_element(spec.dtype, size, at);
            memcpy(data + ((region[0].start + y) * spec.shape[1] + region[1].start + x) * size, at,
                   size);
        }
    OK(holog_array_create(store, path, &spec, HOLOG_PARENTS, NULL));
    OK(holog_array_update(store, path, region, part, NULL, NULL));
    tell(path, &spec, size, data, n);
    free(part);
    free(data);
}

/* ---- all of them ------------------------------------------------------------------------------------- */

static void types(void)
{
    char path[64];

    for (uint32_t dtype = HOLOG_BOOL; dtype <= HOLOG_RAW; dtype++) {
        holog_array_spec spec = {
            .dtype = dtype, .rank = 2, .shape = (uint64_t[]){ 7, 10 }, .chunk = (uint64_t[]){ 3, 4 }
        };
        const char *name = dtype == HOLOG_RAW ? "r16" : holog_dtype_name(dtype);

        if (dtype == HOLOG_RAW)
            spec.item_size = 2;
        (void)snprintf(path, sizeof path, "types/%s", name);
        whole(path, spec);
        (void)snprintf(path, sizeof path, "types/%s-zstd", name);
        spec.codec = HOLOG_CODEC_ZSTD;
        whole(path, spec);
        (void)snprintf(path, sizeof path, "types/%s-shards", name);
        spec.chunk = (uint64_t[]){ 4, 8 };
        spec.inner_chunk = (uint64_t[]){ 2, 4 };
        whole(path, spec);
    }
}

static void ranks(void)
{
    static const uint64_t shape[5] = { 3, 5, 4, 7, 6 };
    static const uint64_t chunk[5] = { 2, 2, 3, 4, 4 };
    static const uint64_t inner[5] = { 1, 2, 1, 2, 4 };
    char path[64];

    for (uint32_t rank = 0; rank <= 5; rank++) {
        holog_array_spec spec = {
            .dtype = HOLOG_UINT16, .rank = rank, .shape = shape, .chunk = chunk
        };

        (void)snprintf(path, sizeof path, "ranks/%u", rank);
        whole(path, spec);
        spec.codec = HOLOG_CODEC_ZSTD;
        spec.inner_chunk = inner;
        (void)snprintf(path, sizeof path, "ranks/%u-shards", rank);
        whole(path, spec);
    }
    whole("ranks/float64-0",
          (holog_array_spec){ .dtype = HOLOG_FLOAT64, .codec = HOLOG_CODEC_ZSTD });
    whole("ranks/one", (holog_array_spec){ .dtype = HOLOG_INT32,
                                           .rank = 3,
                                           .shape = (uint64_t[]){ 1, 1, 1 },
                                           .chunk = (uint64_t[]){ 5, 1, 9 } });
    whole("ranks/empty", (holog_array_spec){ .dtype = HOLOG_INT32,
                                             .rank = 2,
                                             .shape = (uint64_t[]){ 0, 4 },
                                             .chunk = (uint64_t[]){ 2, 2 } });
}

/* Chunks that are too large for a record: parts of them are read from extents. */
static void large(void)
{
    holog_array_spec spec = { .dtype = HOLOG_UINT16,
                              .rank = 2,
                              .shape = (uint64_t[]){ 1100, 1024 },
                              .chunk = (uint64_t[]){ 768, 1024 } };

    whole("large/raw", spec);
    spec.inner_chunk = (uint64_t[]){ 256, 512 };
    whole("large/raw-shards", spec);
    spec.codec = HOLOG_CODEC_ZSTD;
    spec.flags = HOLOG_ARRAY_SHUFFLE | HOLOG_ARRAY_CRC32C;
    whole("large/zstd-shards", spec);
}

static void codecs(void)
{
    static const uint64_t inner[2] = { 8, 16 };
    char path[64];

    for (uint32_t codec = HOLOG_CODEC_NONE; codec <= HOLOG_CODEC_LZ4; codec++)
        for (uint32_t flags = 0; flags < 4; flags++)
            for (uint32_t shards = 0; shards < 2; shards++) {
                static const char *const codec_name[3] = { "none", "zstd", "lz4" };
                holog_array_spec spec = { .dtype = HOLOG_INT32,
                                          .rank = 2,
                                          .shape = (uint64_t[]){ 50, 70 },
                                          .chunk = (uint64_t[]){ 16, 32 },
                                          .codec = codec,
                                          .flags = flags };

                if (shards != 0)
                    spec.inner_chunk = inner;
                (void)snprintf(path, sizeof path, "codecs/%s%s%s%s", codec_name[codec],
                               (flags & HOLOG_ARRAY_SHUFFLE) != 0 ? "-shuffle" : "",
                               (flags & HOLOG_ARRAY_CRC32C) != 0 ? "-crc32c" : "",
                               shards != 0 ? "-shards" : "");
                whole(path, spec);
            }
}

struct fill {
    const char *name;
    uint32_t dtype;
    const void *value;
};

#define NAN32 UINT32_C(0x7fc00000)
#define NAN64 UINT64_C(0x7ff8000000000000)
#define INF64 UINT64_C(0x7ff0000000000000)
#define NEG64 UINT64_C(0x8000000000000000)

static void fills(void)
{
    const struct fill fill[] = {
        { "true", HOLOG_BOOL, (uint8_t[]){ 1 } },
        { "int8-min", HOLOG_INT8, (int8_t[]){ INT8_MIN } },
        { "int16-min", HOLOG_INT16, (int16_t[]){ INT16_MIN } },
        { "int32-min", HOLOG_INT32, (int32_t[]){ INT32_MIN } },
        { "int64-min", HOLOG_INT64, (int64_t[]){ INT64_MIN } },
        { "int64-max", HOLOG_INT64, (int64_t[]){ INT64_MAX } },
        { "uint8-max", HOLOG_UINT8, (uint8_t[]){ UINT8_MAX } },
        { "uint16-max", HOLOG_UINT16, (uint16_t[]){ UINT16_MAX } },
        { "uint32-max", HOLOG_UINT32, (uint32_t[]){ UINT32_MAX } },
        { "uint64-max", HOLOG_UINT64, (uint64_t[]){ UINT64_MAX } },
        { "uint64-odd", HOLOG_UINT64, (uint64_t[]){ (UINT64_C(1) << 53) + 1 } },
        { "float16-inf", HOLOG_FLOAT16, (uint16_t[]){ 0x7c00 } },
        { "float16-tenth", HOLOG_FLOAT16, (uint16_t[]){ 0x2e66 } },
        { "float32-nan", HOLOG_FLOAT32, (uint32_t[]){ NAN32 } },
        { "float32-neg-inf", HOLOG_FLOAT32, (uint32_t[]){ 0xff800000 } },
        { "float32-tenth", HOLOG_FLOAT32, (float[]){ 0.1f } },
        { "float64-neg-zero", HOLOG_FLOAT64, (uint64_t[]){ NEG64 } },
        { "float64-nan", HOLOG_FLOAT64, (uint64_t[]){ NAN64 } },
        { "float64-tenth", HOLOG_FLOAT64, (double[]){ 0.1 } },
        { "float64-tiny", HOLOG_FLOAT64, (uint64_t[]){ 1 } },
        { "complex64-nan-neg-zero", HOLOG_COMPLEX64, (uint32_t[]){ NAN32, 0x80000000 } },
        { "complex64-plain", HOLOG_COMPLEX64, (float[]){ 1.5f, -2.25f } },
        { "complex128-plain-inf", HOLOG_COMPLEX128,
          (uint64_t[]){ UINT64_C(0x3ff8000000000000), INF64 } },
        { "complex128-plain", HOLOG_COMPLEX128, (double[]){ 1.5, 0.1 } },
        { "r16", HOLOG_RAW, (uint8_t[]){ 0xab, 0x01 } },
    };
    char path[64];

    for (size_t i = 0; i < sizeof fill / sizeof *fill; i++) {
        holog_array_spec spec = { .dtype = fill[i].dtype,
                                  .rank = 2,
                                  .shape = (uint64_t[]){ 7, 10 },
                                  .chunk = (uint64_t[]){ 2, 4 },
                                  .fill = fill[i].value,
                                  .codec = i % 2 == 0 ? HOLOG_CODEC_NONE : HOLOG_CODEC_ZSTD };
        const holog_slice region[2] = { { 1, 3, 1 }, { 4, 3, 1 } };

        if (spec.dtype == HOLOG_RAW)
            spec.item_size = 2;
        (void)snprintf(path, sizeof path, "fills/%s", fill[i].name);
        sparse(path, spec, region);
        spec.chunk = (uint64_t[]){ 4, 8 };
        spec.inner_chunk = (uint64_t[]){ 2, 4 };
        (void)snprintf(path, sizeof path, "fills/%s-shards", fill[i].name);
        sparse(path, spec, region);
    }
}

/* Two axes that have seen changes of every size, growth and shrinking: raw chunks are read from their deltas. */
struct changed {
    uint16_t data[64][80]; /* what is there now, as far as the shape goes */
    uint64_t shape[2];
};

static void change_region(struct changed *c, const char *path)
{
    uint64_t r = random_bits();
    uint64_t y = r % c->shape[0];
    uint64_t x = (r >> 16) % c->shape[1];
    const holog_slice region[2] = { { y, 1 + (r >> 32) % (c->shape[0] - y), 1 },
                                    { x, 1 + (r >> 48) % (c->shape[1] - x), 1 } };
    const int64_t strides[2] = { sizeof c->data[0], sizeof c->data[0][0] };

    for (uint64_t k = 0; k < region[0].count; k++)
        for (uint64_t l = 0; l < region[1].count; l++)
            c->data[y + k][x + l] = (uint16_t)random_bits();
    OK(holog_array_update(store, path, region, &c->data[y][x], strides, NULL));
}

static void change_shape(struct changed *c, const char *path, uint16_t fill)
{
    uint64_t r = random_bits();
    const uint64_t shape[2] = { 20 + r % 45, 20 + (r >> 16) % 61 };
    holog_array *array = NULL;
    holog_txn *txn = NULL;

    OK(holog_begin(store, &txn));
    OK(holog_txn_array(txn, path, &array));
    OK(holog_array_resize(array, shape));
    holog_array_close(array);
    OK(holog_commit(txn, NULL));
    for (uint64_t y = 0; y < 64; y++)
        for (uint64_t x = 0; x < 80; x++)
            if (y >= c->shape[0] || x >= c->shape[1] || y >= shape[0] || x >= shape[1])
                c->data[y][x] = fill;
    c->shape[0] = shape[0];
    c->shape[1] = shape[1];
}

static void changed(const char *path, holog_array_spec spec)
{
    static struct changed c;
    const uint16_t fill = 4711;
    uint16_t *flat;

    spec.struct_size = sizeof spec;
    spec.shape = c.shape;
    spec.fill = &fill;
    c.shape[0] = 50;
    c.shape[1] = 70;
    for (size_t y = 0; y < 64; y++)
        for (size_t x = 0; x < 80; x++)
            c.data[y][x] = fill;
    OK(holog_array_create(store, path, &spec, HOLOG_PARENTS, NULL));
    for (unsigned i = 0; i < 40; i++) {
        if (i % 8 == 7)
            change_shape(&c, path, fill);
        change_region(&c, path);
    }
    flat = memory(c.shape[0] * c.shape[1] * sizeof *flat);
    for (uint64_t y = 0; y < c.shape[0]; y++)
        memcpy(flat + y * c.shape[1], c.data[y], c.shape[1] * sizeof *flat);
    tell(path, &spec, sizeof *flat, (const uint8_t *)flat, c.shape[0] * c.shape[1]);
    free(flat);
}

static void changes(void)
{
    holog_array_spec spec = { .dtype = HOLOG_UINT16, .rank = 2, .chunk = (uint64_t[]){ 16, 32 } };

    changed("changed/raw", spec);
    spec.chunk = (uint64_t[]){ 64, 80 };
    changed("changed/raw-one", spec);
    spec.chunk = (uint64_t[]){ 16, 32 };
    spec.inner_chunk = (uint64_t[]){ 4, 16 };
    changed("changed/raw-shards", spec);
    spec.flags = HOLOG_ARRAY_CRC32C;
    changed("changed/crc32c-shards", spec);
    spec.codec = HOLOG_CODEC_ZSTD;
    changed("changed/zstd-crc32c-shards", spec);
    spec.flags = 0;
    spec.inner_chunk = NULL;
    changed("changed/zstd", spec);
}

static void groups(void)
{
    static const char attributes[] =
        "{\"title\": \"caf\\u00e9 \\u4e2d\\ud83d\\udd2c\", \"n\": 3, \"big\": 9007199254740993, "
        "\"x\": 0.1, \"nested\": {\"list\": [1, [2, null], {\"a\": true}], \"e\": {}}, "
        "\"none\": null, \"\": \"no name\", \"neg\": -1.5e-300}";
    static const char group[] =
        "{\"zarr_format\": 3, \"node_type\": \"group\", \"attributes\": {\"of\": \"the group\"}}";
    holog_array_spec spec = { .dtype = HOLOG_UINT8,
                              .rank = 3,
                              .shape = (uint64_t[]){ 4, 30, 50 },
                              .chunk = (uint64_t[]){ 1, 16, 16 },
                              .attributes = attributes };
    holog_txn *txn = NULL;

    OK(holog_begin(store, &txn));
    OK(holog_txn_zarr_set(txn, "/", "groups/zarr.json", group, sizeof group - 1));
    OK(holog_txn_mkdir(txn, "groups/bare", 0));
    OK(holog_commit(txn, NULL));
    whole("groups/attributes", spec);
    spec.dimension_names = (const char *[]){ "z", NULL, "x \xc2\xb5m" };
    whole("groups/names", spec);
    spec.dimension_names = (const char *[]){ "z", "y", "x" };
    whole("groups/all-names", spec);
    spec.chunk = (uint64_t[]){ 2, 16, 32 };
    spec.inner_chunk = (uint64_t[]){ 1, 8, 16 };
    spec.attributes = NULL;
    whole("groups/deep/er/a b+\xc3\xa9", spec);
}

/* A group as xarray wants it: axes have names, and arrays of these names are their coordinates. */
static void dataset(void)
{
    static const char group[] = "{\"zarr_format\": 3, \"node_type\": \"group\", "
                                "\"attributes\": {\"of\": \"the dataset\"}}";
    static const uint64_t shape[3] = { 3, 20, 30 };
    static const uint64_t chunk[3] = { 1, 16, 16 };
    static const char *const names[3] = { "t", "y", "x" };
    holog_array_spec spec = { .dtype = HOLOG_UINT16,
                              .rank = 3,
                              .shape = shape,
                              .chunk = chunk,
                              .dimension_names = names,
                              .codec = HOLOG_CODEC_ZSTD };
    holog_txn *txn = NULL;
    char path[64];

    OK(holog_begin(store, &txn));
    OK(holog_txn_zarr_set(txn, "/", "dataset/zarr.json", group, sizeof group - 1));
    OK(holog_commit(txn, NULL));
    whole("dataset/image", spec);
    spec.dtype = HOLOG_UINT8;
    spec.rank = 2;
    spec.shape = shape + 1;
    spec.chunk = chunk + 1;
    spec.dimension_names = names + 1;
    whole("dataset/mask", spec);
    spec.dtype = HOLOG_INT32;
    spec.rank = 1;
    for (size_t i = 0; i < 3; i++) {
        spec.shape = shape + i;
        spec.chunk = chunk + i;
        spec.dimension_names = names + i;
        (void)snprintf(path, sizeof path, "dataset/%s", names[i]);
        whole(path, spec);
    }
}

/* ---- commits while others read ----------------------------------------------------------------------- */

static const uint64_t busy_shape[3] = { PLANES, 40, 60 };

static void make_busy(void)
{
    const uint16_t none = UINT16_MAX;
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 3,
                              .shape = busy_shape,
                              .chunk = (uint64_t[]){ 1, 16, 32 },
                              .fill = &none };
    holog_txn *txn = NULL;

    OK(holog_begin(store, &txn));
    OK(holog_txn_array_create(txn, "busy/whole", &spec, HOLOG_PARENTS));
    spec.codec = HOLOG_CODEC_ZSTD;
    OK(holog_txn_array_create(txn, "busy/planes", &spec, 0));
    spec.chunk = (uint64_t[]){ PLANES, 32, 32 };
    spec.inner_chunk = (uint64_t[]){ 1, 8, 16 };
    OK(holog_txn_array_create(txn, "busy/shards", &spec, 0));
    OK(holog_commit(txn, NULL));
}

static void step(unsigned s, uint16_t *data)
{
    const size_t plane = (size_t)busy_shape[1] * busy_shape[2];
    const holog_slice region[3] = { { s % PLANES, 1, 1 },
                                    { 0, busy_shape[1], 1 },
                                    { 0, busy_shape[2], 1 } };
    static const char *const part[2] = { "busy/planes", "busy/shards" };
    holog_array *array = NULL;
    holog_txn *txn = NULL;
    uint64_t number = 0;

    for (size_t i = 0; i < PLANES * plane; i++)
        data[i] = (uint16_t)s;
    OK(holog_begin(store, &txn));
    OK(holog_txn_array(txn, "busy/whole", &array));
    OK(holog_array_write(array, NULL, data, NULL));
    holog_array_close(array);
    for (size_t k = 0; k < 2; k++) {
        OK(holog_txn_array(txn, part[k], &array));
        OK(holog_array_write(array, region, data, NULL));
        holog_array_close(array);
    }
    OK(holog_commit(txn, &number));
    (void)printf("%" PRIu64 " %u\n", number, s);
    (void)fflush(stdout);
}

static void keep_busy(unsigned steps, unsigned pause_ms)
{
    const struct timespec pause = { pause_ms / 1000, (long)(pause_ms % 1000) * 1000000 };
    uint16_t *data = memory(sizeof(uint16_t) * PLANES * busy_shape[1] * busy_shape[2]);
    int there = 0;

    OK(holog_exists(store, "busy", &there));
    if (!there)
        make_busy();
    for (unsigned s = 0; s < steps; s++) {
        step(s, data);
        (void)nanosleep(&pause, NULL);
    }
    free(data);
}

static void make_all(const char *dir)
{
    list_begin(dir, "arrays.json");
    types();
    ranks();
    codecs();
    large();
    fills();
    changes();
    groups();
    dataset();
    list_end();
}

static void change(const char *path)
{
    const holog_slice region[3] = { { 1, 3, 1 }, { 5, 20, 1 }, { 7, 26, 1 } };
    uint16_t data[3 * 20 * 26];
    holog_array *array = NULL;
    int rc;

    OK(holog_array_open(store, path, &array));
    OK(holog_array_expect(array, HOLOG_UINT16, 3, NULL));
    OK(holog_array_read(array, region, data, NULL));
    holog_array_close(array);
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        data[i]++;
    rc = holog_array_update(store, path, region, data, NULL, NULL);
    if (rc == HOLOG_E_NOTSUP)
        exit(3);
    OK(rc);
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        (void)fputs("usage: make-arrays STORE DIR | STORE STEPS PAUSE_MS | STORE change PATH\n",
                    stderr);
        return 2;
    }
    OK(holog_open(argv[1], NULL, &store));
    if (argc == 3) {
        make_all(argv[2]);
    } else if (strcmp(argv[2], "change") == 0) {
        change(argv[3]);
    } else {
        keep_busy((unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
    }
    OK(holog_close(store));
    return 0;
}
