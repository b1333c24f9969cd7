/* Streams, dictionaries, and bytes that came before. */
#include <stdio.h>

#include "base/byteorder.h"
#include "codec/lz4.h"
#include "kit.h"

static void fill(uint8_t *raw, size_t n, unsigned kinds)
{
    uint64_t seed = kinds;

    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)(kit_random(&seed) % kinds);
}

/* There and back, from memory that ends where the stream ends. Returns its length. */
static size_t round_trip(struct hg_coder *c, const struct hg_stream_how *how, const uint8_t *raw,
                         size_t n)
{
    struct hg_buf out = { 0 };
    uint8_t *back = malloc(n + 1);
    uint8_t *copy;

    cr_assert_not_null(back);
    cr_assert_eq(hg_stream_put(c, how, raw, n, &out), HOLOG_OK);
    cr_assert_leq(out.len, hg_stream_bound(n));
    copy = malloc(out.len + 1);
    cr_assert_not_null(copy);
    if (out.len > 0)
        memcpy(copy, out.data, out.len);
    struct hg_reader r = { copy, out.len };
    cr_assert_eq(hg_stream_get(c, &r, how->aid, back, n), HOLOG_OK, "codec %d, %zu bytes",
                 how->codec, n);
    cr_assert_eq(r.left, 0);
    cr_assert_eq(memcmp(raw, back, n), 0);
    n = out.len;
    free(copy);
    free(back);
    hg_buf_release(&out);
    return n;
}

Test(cold_stream, bytes_come_back_and_a_stream_is_never_longer_than_4_and_them)
{
    static const enum hg_codec codecs[] = { HG_CODEC_RAW, HG_CODEC_LZ4, HG_CODEC_ZSTD,
                                            HG_CODEC_LITERALS };
    struct hg_coder *c = kit_coder();
    uint8_t *raw = malloc(200000);

    cr_assert_not_null(raw);
    for (size_t i = 0; i < 4; i++) {
        for (unsigned kinds = 1; kinds <= 256; kinds *= 4) {
            struct hg_stream_how how = { codecs[i], 1, NULL };
            fill(raw, 200000, kinds);
            for (size_t n = 0; n < 200; n++)
                (void)round_trip(c, &how, raw, n);
            (void)round_trip(c, &how, raw, 200000);
        }
    }
    free(raw);
    hg_coder_destroy(c);
}

Test(cold_stream, bytes_that_are_all_the_same_take_five)
{
    struct hg_stream_how how = { HG_CODEC_ZSTD, 1, NULL };
    struct hg_coder *c = kit_coder();
    uint8_t raw[3000] = { 0 };

    cr_assert_eq(round_trip(c, &how, raw, 3000), HG_STREAM_HEAD + 1);
    hg_coder_destroy(c);
}

Test(cold_stream, a_higher_level_of_lz4_is_no_larger)
{
    struct hg_coder *c = kit_coder();
    size_t before = SIZE_MAX;
    uint8_t *raw = malloc(100000);

    cr_assert_not_null(raw);
    fill(raw, 100000, 3);
    for (size_t i = 0; i < 100000; i++) /* texts, more or less */
        raw[i] = (uint8_t)(raw[i] + "abcdefgh"[i / 5 % 8]);
    for (int level = 1; level <= 9; level++) {
        struct hg_stream_how how = { HG_CODEC_LZ4, level, NULL };
        size_t n = round_trip(c, &how, raw, 100000);
        cr_assert_leq(n, before + before / 100, "level %d: %zu", level, n);
        before = n;
    }
    cr_assert_eq(hg_lz4_acceleration(9), 1);
    cr_assert_eq(hg_lz4_acceleration(1), 9);
    cr_assert_eq(hg_lz4_acceleration(-5), 9);
    cr_assert_eq(hg_lz4_acceleration(22), 1);
    free(raw);
    hg_coder_destroy(c);
}

Test(cold_stream, noise_without_matches_is_near_its_entropy)
{
    struct hg_coder *c = kit_coder();
    struct hg_buf out = { 0 };
    uint8_t *raw = malloc(65536);

    cr_assert_not_null(raw);
    fill(raw, 65536, 32); /* 5 bits */
    cr_assert_eq(hg_stream_put_noise(c, raw, 65536, &out), HOLOG_OK);
    cr_assert_lt(out.len, 65536 * 5 / 8 * 102 / 100);
    cr_assert_eq(out.data[0], HG_CODEC_LITERALS);
    out.len = 0;
    memset(raw, 0, 60000); /* one prevails */
    cr_assert_eq(hg_stream_put_noise(c, raw, 65536, &out), HOLOG_OK);
    cr_assert_lt(out.len, 5000);
    cr_assert_eq(out.data[0], HG_CODEC_ZSTD);
    free(raw);
    hg_buf_release(&out);
    hg_coder_destroy(c);
}

Test(cold_stream, noise_that_comes_again_is_matched)
{
    struct hg_coder *c = kit_coder();
    struct hg_buf out = { 0 };
    uint8_t *raw = malloc(65536);

    cr_assert_not_null(raw);
    fill(raw, 65536, 6); /* 2.6 bits: literals are a third */
    cr_assert_eq(hg_stream_put_noise(c, raw, 65536, &out), HOLOG_OK);
    cr_assert_lt(out.len, 65536 * 26 / 80 * 103 / 100);
    cr_assert_eq(out.data[0], HG_CODEC_LITERALS);
    out.len = 0;
    for (size_t i = 3000; i < 65536; i++)
        raw[i] = raw[i - 3000];
    cr_assert_eq(hg_stream_put_noise(c, raw, 65536, &out), HOLOG_OK);
    cr_assert_lt(out.len, 2000);
    cr_assert_eq(out.data[0], HG_CODEC_ZSTD);
    free(raw);
    hg_buf_release(&out);
    hg_coder_destroy(c);
}

Test(cold_stream, lengths_that_cannot_be_are_damage)
{
    static const struct {
        uint8_t codec;
        uint32_t len;
        size_t given;
        int rc;
    } bad[] = { { HG_CODEC_RAW, 9, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_RAW, 11, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_RAW, 10, 9, HOLOG_E_CORRUPT },
                { HG_CODEC_CONST, 2, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_CONST, 0, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_ZSTD, 0xFFFFFF, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_ZSTD, 10, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_LZ4, 10, 20, HOLOG_E_CORRUPT },
                { HG_CODEC_SAME, 10, 20, HOLOG_E_NOTSUP },
                { HG_CODECS, 10, 20, HOLOG_E_NOTSUP },
                { HG_CODEC_DICT, 10, 20, HOLOG_E_INVAL },
                { HG_CODEC_PREFIX, 10, 20, HOLOG_E_INVAL },
                { HG_CODEC_LITERALS, 0, 20, HOLOG_E_CORRUPT } };
    struct hg_coder *c = kit_coder();
    uint8_t out[10];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t *in = calloc(1, HG_STREAM_HEAD + bad[i].given);
        cr_assert_not_null(in);
        hg_put_le32(in, bad[i].codec | bad[i].len << 8);
        struct hg_reader r = { in, HG_STREAM_HEAD + bad[i].given };
        cr_assert_eq(hg_stream_get(c, &r, NULL, out, 10), bad[i].rc, "%zu", i);
        free(in);
    }
    for (size_t n = 0; n < HG_STREAM_HEAD; n++) {
        struct hg_reader r = { out, n };
        cr_assert_eq(hg_stream_get(c, &r, NULL, out + 4, 5), HOLOG_E_CORRUPT);
    }
    hg_coder_destroy(c);
}

/* ---- dictionaries --------------------------------------------------------------------------------*/

#define RECORDS 400

struct records {
    char *bytes;
    size_t sizes[RECORDS];
    size_t len;
};

static struct records make_records(void)
{
    struct records r = { malloc(RECORDS * 256), { 0 }, 0 };
    uint64_t seed = 1;

    cr_assert_not_null(r.bytes);
    for (size_t i = 0; i < RECORDS; i++) {
        int n = snprintf(
            r.bytes + r.len, 256,
            "{\"channel\": \"DAPI\", \"exposure_ms\": %u, \"z_um\": %u.%u, \"stage\": [%u, %u], "
            "\"objective\": \"20x/0.75\", \"operator\": \"ada\"}",
            (unsigned)(kit_random(&seed) % 100), (unsigned)(i / 7), (unsigned)(i % 10),
            (unsigned)(kit_random(&seed) % 100000), (unsigned)(kit_random(&seed) % 100000));
        cr_assert(n > 0 && n < 256);
        r.sizes[i] = (size_t)n;
        r.len += (size_t)n;
    }
    return r;
}

Test(cold_stream, a_dictionary_makes_small_records_smaller)
{
    struct records r = make_records();
    struct hg_coder *c = kit_coder();
    struct hg_buf bytes = { 0 };
    struct hg_dict *dict = NULL;
    size_t alone = 0;
    size_t with = 0;
    size_t at = 0;

    cr_assert_eq(hg_dict_train(r.bytes, r.sizes, RECORDS / 2, 4096, &bytes), HOLOG_OK);
    cr_assert_leq(bytes.len, 4096);
    cr_assert_eq(hg_dict_load(bytes.data, bytes.len, 3, &dict), HOLOG_OK);
    for (size_t i = 0; i < RECORDS; at += r.sizes[i++]) {
        struct hg_zstd_aid aid = { .dict = dict };
        struct hg_stream_how how[] = { { HG_CODEC_ZSTD, 3, NULL }, { HG_CODEC_DICT, 3, &aid } };
        if (i < RECORDS / 2)
            continue; /* what it was trained with */
        alone += round_trip(c, &how[0], (const uint8_t *)r.bytes + at, r.sizes[i]);
        with += round_trip(c, &how[1], (const uint8_t *)r.bytes + at, r.sizes[i]);
    }
    cr_assert_lt(with * 3, alone, "%zu with, %zu alone", with, alone);
    hg_dict_destroy(dict);
    hg_buf_release(&bytes);
    hg_coder_destroy(c);
    free(r.bytes);
}

Test(cold_stream, dictionaries_that_cannot_be_are_refused)
{
    struct records r = make_records();
    struct hg_buf bytes = { 0 };
    struct hg_dict *dict = NULL;

    cr_assert_eq(hg_dict_train(r.bytes, r.sizes, 3, 4096, &bytes), HOLOG_E_INVAL);
    cr_assert_eq(hg_dict_train(r.bytes, r.sizes, RECORDS, HG_DICT_MAX + 1, &bytes), HOLOG_E_INVAL);
    cr_assert_eq(hg_dict_train(r.bytes, r.sizes, RECORDS, HG_DICT_MIN - 1, &bytes), HOLOG_E_INVAL);
    cr_assert_eq(bytes.len, 0);
    cr_assert_eq(hg_dict_load(r.bytes, 1000, 3, &dict), HOLOG_E_CORRUPT);
    cr_assert_eq(hg_dict_load(r.bytes, 3, 3, &dict), HOLOG_E_CORRUPT);
    cr_assert_eq(hg_dict_train(r.bytes, r.sizes, RECORDS, 2048, &bytes), HOLOG_OK);
    for (size_t n = 0; n < 100; n++) /* cut in its tables */
        cr_assert_eq(hg_dict_load(bytes.data, n, 3, &dict), HOLOG_E_CORRUPT);
    for (size_t i = 8; i < 100; i++) { /* damaged in its tables: refused, or another dictionary */
        bytes.data[i] ^= 0x5a;
        int rc = hg_dict_load(bytes.data, bytes.len, 3, &dict);
        bytes.data[i] ^= 0x5a;
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT, "byte %zu: %d", i, rc);
        if (rc == HOLOG_OK)
            hg_dict_destroy(dict);
    }
    hg_buf_release(&bytes);
    free(r.bytes);
}

/* ---- blocks that need something ------------------------------------------------------------------*/

static struct hg_cold_array bytes_of(size_t n)
{
    return (struct hg_cold_array){ .size = 1, .rank = 1, .n = { (uint32_t)n } };
}

Test(cold_stream, a_block_with_a_dictionary_is_read_with_that_one_alone)
{
    struct records r = make_records();
    struct hg_cold_array a = bytes_of(r.sizes[0]);
    struct hg_cold_plan plan = { .codec = HG_CODEC_DICT, .level = 3 };
    struct hg_coder *c = kit_coder();
    struct hg_buf bytes[2] = { { 0 } };
    struct hg_dict *dict[2] = { NULL };
    struct hg_buf block = { 0 };
    uint8_t *out;
    size_t n;

    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(hg_dict_train(r.bytes, r.sizes, RECORDS - 20 * i, 2048, &bytes[i]), HOLOG_OK);
        cr_assert_eq(hg_dict_load(bytes[i].data, bytes[i].len, 3, &dict[i]), HOLOG_OK);
    }
    struct hg_cold_aid right = { .dict = dict[0] };
    struct hg_cold_aid wrong = { .dict = dict[1] };
    cr_assert_eq(hg_cold_encode(c, &a, r.bytes, &plan, &right, &block), HOLOG_OK);
    cr_assert_eq(kit_decode(c, &block, &right, &out, &n), HOLOG_OK);
    cr_assert_eq(memcmp(out, r.bytes, n), 0);
    free(out);
    cr_assert_eq(kit_decode(c, &block, &wrong, &out, &n), HOLOG_E_INVAL);
    free(out);
    cr_assert_eq(kit_decode(c, &block, NULL, &out, &n), HOLOG_E_INVAL);
    free(out);
    for (unsigned i = 0; i < 2; i++) {
        hg_dict_destroy(dict[i]);
        hg_buf_release(&bytes[i]);
    }
    hg_buf_release(&block);
    hg_coder_destroy(c);
    free(r.bytes);
}

/* What moved is found in the base, and the block is small. */
Test(cold_stream, a_block_after_a_prefix_is_read_with_that_one_alone)
{
    enum {
        N = 300000
    };
    struct hg_cold_array a = bytes_of(N);
    struct hg_cold_plan plan = { .codec = HG_CODEC_PREFIX, .level = 3 };
    struct hg_coder *c = kit_coder();
    struct hg_buf block = { 0 };
    uint8_t *base = malloc(N);
    uint8_t *now = malloc(N);
    uint8_t *out;
    size_t n;

    cr_assert(base != NULL && now != NULL);
    fill(base, N, 256);
    memcpy(now, base + 5000, N - 5000);
    fill(now + N - 5000, 5000, 200);
    struct hg_cold_aid aid = { .base = base, .base_len = N };
    cr_assert_eq(hg_cold_encode(c, &a, now, &plan, &aid, &block), HOLOG_OK);
    cr_assert_lt(block.len, 6000);
    cr_assert_eq(kit_decode(c, &block, &aid, &out, &n), HOLOG_OK);
    cr_assert_eq(memcmp(out, now, n), 0);
    free(out);
    base[77] ^= 1;
    cr_assert_eq(kit_decode(c, &block, &aid, &out, &n), HOLOG_E_INVAL);
    free(out);
    aid.base = NULL;
    cr_assert_eq(kit_decode(c, &block, &aid, &out, &n), HOLOG_E_INVAL);
    free(out);
    hg_buf_release(&block);
    hg_coder_destroy(c);
    free(base);
    free(now);
}

Test(cold_stream, a_difference_from_a_base_comes_back_through_every_filter)
{
    static const uint8_t kinds[] = { HG_ELEMENT_UNSIGNED, HG_ELEMENT_SIGNED, HG_ELEMENT_FLOAT };
    struct hg_coder *c = kit_coder();

    for (uint8_t size = 1; size <= 8; size = (uint8_t)(size * 2)) {
        for (size_t k = 0; k < (size == 1 ? 2 : 3); k++) {
            struct hg_cold_array a = { size, kinds[k], 2, { 41, 53 } };
            uint8_t *base = kit_array(&a, KIT_RANDOM, size);
            uint8_t *now = kit_array(&a, KIT_RANDOM, size);
            struct hg_cold_aid aid = { .base = base,
                                       .base_len = hg_cold_raw_bytes(&a),
                                       .difference = 1 };
            struct hg_cold_plan plan;
            for (size_t i = 0; i < 50 * size; i++)
                now[i * 7] ^= 0x55;
            for (unsigned i = 0; kit_plan(i, &plan); i++) {
                size_t with = kit_round(c, &a, now, &plan, &aid);
                if (plan.codec == HG_CODEC_ZSTD && size >= 4)
                    cr_assert_lt(with, hg_cold_raw_bytes(&a), "filter %u", plan.filter);
            }
            free(base);
            free(now);
        }
    }
    hg_coder_destroy(c);
}

Test(cold_stream, a_block_that_is_its_base_is_a_reference)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 100, 100 } };
    uint8_t *raw = kit_array(&a, KIT_RANDOM, 1);
    struct hg_cold_aid aid = { .base = raw, .base_len = 20000, .difference = 1 };
    struct hg_cold_plan plan = { .filter = HG_FILTER_LEFT, .codec = HG_CODEC_ZSTD, .level = 1 };
    struct hg_coder *c = kit_coder();

    cr_assert_eq(kit_round(c, &a, raw, &plan, &aid), HG_COLD_HEAD_MIN + 8 + 2 * 4);
    hg_coder_destroy(c);
    free(raw);
}
