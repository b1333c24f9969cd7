/* Chains of codecs for tests: made of a few words of JSON, and what they are run on. */
#ifndef HOLOG_TESTS_ARRAY_CHAINKIT_H
#define HOLOG_TESTS_ARRAY_CHAINKIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "array/chain.h"
#include "base/error.h"

#define LITTLE "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}"
#define BIG    "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"big\"}}"
#define ZSTD   "{\"name\":\"zstd\",\"configuration\":{\"level\":1}}"
#define CRC32C "{\"name\":\"crc32c\"}"
#define LZ4    "{\"name\":\"numcodecs.lz4\",\"configuration\":{\"acceleration\":1}}"

static uint64_t kit_state;
static struct holog_error_detail error;

static inline uint64_t below(uint64_t n)
{
    kit_state = kit_state * 6364136223846793005u + 1442695040888963407u;
    return (kit_state >> 33) % n;
}

static inline void seed(void)
{
    const char *s = getenv("HOLOG_TEST_SEED");

    kit_state = s != NULL ? strtoull(s, NULL, 10) : 20261122;
    (void)fprintf(stderr, "HOLOG_TEST_SEED=%llu\n", (unsigned long long)kit_state);
}

/* "[3,1,2]" */
static inline char *list_of(const uint64_t *n, unsigned count, char *out)
{
    size_t at = 1;

    out[0] = '[';
    for (unsigned i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, 24, "%s%llu", i > 0 ? "," : "", (unsigned long long)n[i]);
    out[at] = ']';
    out[at + 1] = '\0';
    return out;
}

/* A document with chunks of that shape; the fill value is JSON. */
static inline int make_chain(const char *type, unsigned rank, const uint64_t *shape,
                             const char *fill, const char *codecs, struct hg_chain **out)
{
    char list[HG_RANK_MAX * 24];
    char *json = malloc(65536);
    struct hg_document d;
    int rc;

    cr_assert_not_null(json);
    (void)list_of(shape, rank, list);
    cr_assert_lt(
        snprintf(json, 65536,
                 "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":%s,\"data_type\":\"%s\","
                 "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":%s}},"
                 "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":%s,\"codecs\":[%s]}",
                 list, type, list, fill, codecs),
        65536);
    hg_error_clear();
    rc = hg_document_read(json, strlen(json), &d);
    hg_error_get(&error);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", json, error.message);
    rc = hg_chain_create(&d, out);
    hg_error_get(&error);
    hg_document_release(&d);
    free(json);
    return rc;
}

/* An exact copy on the heap: a read behind it shows. */
static inline uint8_t *copy_of(const void *bytes, size_t len)
{
    uint8_t *p = malloc(len + (len == 0));

    cr_assert_not_null(p);
    if (len > 0)
        memcpy(p, bytes, len);
    return p;
}

/* Elements: some alike, some not. */
static inline uint8_t *some_raw(size_t len)
{
    uint8_t *p = malloc(len);
    uint64_t noise = 1 + below(8);

    cr_assert_not_null(p);
    for (size_t i = 0; i < len; i++)
        p[i] = below(8) < noise ? (uint8_t)below(256) : (uint8_t)(i / 16);
    return p;
}

struct nth {
    int at;
    int seen;
};

static inline int fail_nth(size_t size, void *ctx)
{
    struct nth *n = ctx;

    (void)size;
    return ++n->seen == n->at;
}

/* Encode, decode, compare. */
static inline void round_trip(const struct hg_chain *c, const uint8_t *raw, const char *what)
{
    size_t len = (size_t)hg_chain_raw_bytes(c);
    uint8_t *back = malloc(len);
    struct hg_buf b = { 0 };
    int rc;

    cr_assert_not_null(back);
    cr_assert_eq(hg_buf_append(&b, "head", 4), HOLOG_OK);
    rc = hg_chain_encode(c, raw, &b);
    hg_error_get(&error);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", what, error.message);
    cr_assert_arr_eq(b.data, "head", 4);
    cr_assert_leq(b.len - 4, hg_chain_stored_max(c), "%s", what);
    uint8_t *stored = copy_of(b.data + 4, b.len - 4);
    memset(back, 0x5a, len);
    rc = hg_chain_decode(c, stored, b.len - 4, back);
    hg_error_get(&error);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", what, error.message);
    cr_assert_eq(memcmp(back, raw, len), 0, "%s", what);
    if (hg_chain_is_plain(c))
        cr_assert(b.len - 4 == len && memcmp(stored, raw, len) == 0, "%s", what);
    free(stored);
    free(back);
    hg_buf_release(&b);
}

/* Every cut and every flipped bit of a stored chunk. `found`: each must be found. */
static inline void damage(const struct hg_chain *c, const uint8_t *stored, size_t len, int found)
{
    size_t raw_bytes = (size_t)hg_chain_raw_bytes(c);

    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = copy_of(stored, n);
        uint8_t *raw = malloc(raw_bytes);
        hg_error_clear();
        cr_assert_eq(hg_chain_decode(c, cut, n, raw), HOLOG_E_CORRUPT, "cut at %zu", n);
        hg_error_get(&error);
        cr_assert_neq(error.message[0], '\0', "cut at %zu", n);
        free(cut);
        free(raw);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        uint8_t *bad = copy_of(stored, len);
        uint8_t *raw = malloc(raw_bytes);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        hg_error_clear();
        int rc = hg_chain_decode(c, bad, len, raw);
        hg_error_get(&error);
        cr_assert(rc == HOLOG_E_CORRUPT || (rc == HOLOG_OK && !found), "bit %zu: %d %s", bit, rc,
                  error.message);
        free(bad);
        free(raw);
    }
}

#endif
