/* Shards: the bytes of an index, whole shards there and back, and those that nobody wrote. */
#include "array/shard.h"

#include "array/grid.h"
#include "base/alloc.h"
#include "base/byteorder.h"
#include "chainkit.h"

#define INDEX_CRC "\"index_codecs\":[" LITTLE "," CRC32C "]"

/* The codec, with %s for the shape of inner chunks. */
#define SHARD(inner, index)                                                 \
    "{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":%s," \
    "\"codecs\":[" inner "]," index "}}"
#define AT_START \
    ","          \
    "\"index_location\":\"start\""

static struct hg_chain *make(const char *type, unsigned rank, const uint64_t *shape,
                             const char *fill, const char *codec, const uint64_t *inner)
{
    struct hg_chain *c = NULL;
    char list[256];
    char codecs[4096];
    const char *percent = strchr(codec, '%');

    cr_assert_not_null(percent);
    (void)snprintf(codecs, sizeof codecs, "%.*s%s%s", (int)(percent - codec), codec,
                   list_of(inner, rank, list), percent + 2);
    cr_assert_eq(make_chain(type, rank, shape, fill, codecs, &c), HOLOG_OK, "%s: %s", codecs,
                 error.message);
    return c;
}

/* ---- the index -----------------------------------------------------------------------------------*/

/* 4 chunks of 2048 bytes, 32 x 32 of uint16. */
static struct hg_chain *make_known(void)
{
    static const uint64_t shape[2] = { 64, 64 };
    static const uint64_t inner[2] = { 32, 32 };

    return make("uint16", 2, shape, "0", SHARD(LITTLE, INDEX_CRC), inner);
}

Test(shard, the_index_has_known_bytes)
{
    static const uint64_t lengths[4] = { 2048, 2048, 2048, 2048 };
    static const uint64_t want[8] = { 0, 2048, 2048, 2048, 4096, 2048, 6144, 2048 };
    struct hg_chain *c = make_known();
    const struct hg_shard *s = hg_chain_shard(c);
    struct hg_shard_entry entries[4];
    struct hg_buf b = { 0 };
    uint64_t bytes = 0;
    uint64_t at = 0;

    cr_assert_not_null(s);
    cr_assert(hg_shard_count(s) == 4 && hg_shard_inner(s)[0] == 32 && hg_shard_grid(s)[1] == 2);
    cr_assert(hg_chain_is_plain(hg_shard_chain(s)) && !hg_shard_index_at_start(s));
    cr_assert_eq(hg_shard_index_bytes(s), 68);
    hg_shard_place(s, lengths, entries, &bytes);
    cr_assert_eq(bytes, 8192 + 68);
    cr_assert_eq(hg_shard_index_encode(s, entries, &b), HOLOG_OK);
    cr_assert_eq(b.len, 68);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(hg_get_le64(b.data + 8 * i), want[i]);
    cr_assert_arr_eq(b.data + 64, "\x08\x53\x09\x92", 4);
    cr_assert_eq(hg_shard_index_find(s, bytes, &at), HOLOG_OK);
    cr_assert_eq(at, 8192);
    memset(entries, 0, sizeof entries);
    cr_assert_eq(hg_shard_index_decode(s, b.data, bytes, entries), HOLOG_OK);
    cr_assert(entries[3].offset == 6144 && entries[3].len == 2048);
    hg_buf_release(&b);
    hg_chain_destroy(c);
}

static int decode_entry(uint64_t offset, uint64_t len, uint64_t shard_bytes)
{
    struct hg_chain *c = make_known();
    const struct hg_shard *s = hg_chain_shard(c);
    struct hg_shard_entry entries[4] = { { 0 }, { 0 }, { offset, len }, { 0 } };
    struct hg_buf b = { 0 };
    int rc;

    cr_assert_eq(hg_shard_index_encode(s, entries, &b), HOLOG_OK);
    rc = hg_shard_index_decode(s, b.data, shard_bytes, entries);
    hg_error_get(&error);
    hg_buf_release(&b);
    hg_chain_destroy(c);
    return rc;
}

Test(shard, an_entry_that_reaches_over_the_end_is_damage)
{
    cr_assert_eq(decode_entry(0, 1000, 1000), HOLOG_OK);
    cr_assert_eq(decode_entry(1000, 0, 1000), HOLOG_OK);
    cr_assert_eq(decode_entry(UINT64_MAX, UINT64_MAX, 1000), HOLOG_OK);
    cr_assert_eq(decode_entry(0, 1001, 1000), HOLOG_E_CORRUPT);
    cr_assert_not_null(strstr(error.message, "inner chunk 2 "), "%s", error.message);
    cr_assert_eq(decode_entry(1, 1000, 1000), HOLOG_E_CORRUPT);
    cr_assert_eq(decode_entry(1001, 0, 1000), HOLOG_E_CORRUPT);
    cr_assert_eq(decode_entry(UINT64_MAX, 0, 1000), HOLOG_E_CORRUPT);
    cr_assert_eq(decode_entry(0, UINT64_MAX, 1000), HOLOG_E_CORRUPT);
    cr_assert_eq(decode_entry(1000, UINT64_MAX - 999, 1000), HOLOG_E_CORRUPT, "their sum is 0");
}

Test(shard, each_flipped_bit_of_an_index_is_found)
{
    struct hg_chain *c = make_known();
    const struct hg_shard *s = hg_chain_shard(c);
    struct hg_shard_entry entries[4] = { { 0, 5 }, { UINT64_MAX, UINT64_MAX }, { 5, 9 }, { 0, 5 } };
    struct hg_shard_entry out[4];
    struct hg_buf b = { 0 };

    cr_assert_eq(hg_shard_index_encode(s, entries, &b), HOLOG_OK);
    cr_assert_eq(hg_shard_index_decode(s, b.data, 1 << 20, out), HOLOG_OK);
    cr_assert_eq(memcmp(out, entries, sizeof out), 0, "chunks may be the same bytes");
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(hg_shard_index_decode(s, b.data, UINT64_MAX, out), HOLOG_E_CORRUPT);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    hg_buf_release(&b);
    hg_chain_destroy(c);
}

/* ---- whole shards --------------------------------------------------------------------------------*/

/* Random elements, with the fill value in some inner chunks. */
static uint8_t *some_shard(const struct hg_shard *s, unsigned rank, const uint64_t *shape,
                           const uint8_t *fill, size_t size)
{
    int64_t strides[HG_RANK_MAX];
    uint64_t at[HG_RANK_MAX] = { 0 };
    size_t count = 1;
    uint8_t *raw;

    for (unsigned i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    raw = some_raw(count * size);
    hg_strides_of(rank, shape, size, strides);
    for (uint64_t n = 0; n < hg_shard_count(s); n++) {
        static const int64_t still[HG_RANK_MAX] = { 0 };
        size_t begin = 0;
        for (unsigned i = 0; i < rank; i++)
            begin += (size_t)(at[i] * hg_shard_inner(s)[i]) * (size_t)strides[i];
        if (below(3) == 0)
            hg_copy_strided(rank, hg_shard_inner(s), size, raw + begin, strides, fill, still);
        for (unsigned i = rank; i-- > 0 && ++at[i] == hg_shard_grid(s)[i];)
            at[i] = 0;
    }
    return raw;
}

static const char *const codecs_of_shards[] = {
    SHARD(LITTLE, INDEX_CRC),
    SHARD(BIG, INDEX_CRC),
    SHARD(LITTLE "," ZSTD "," CRC32C, INDEX_CRC AT_START),
    SHARD(LITTLE "," LZ4, "\"index_codecs\":[" BIG "]"),
    SHARD(LITTLE "," LZ4, "\"index_codecs\":[" LITTLE "]" AT_START) "," ZSTD,
    SHARD(LITTLE, INDEX_CRC ",\"index_location\":\"end\"") "," CRC32C,
};
#define SHARDS (sizeof codecs_of_shards / sizeof codecs_of_shards[0])

Test(shard, elements_come_back_from_shards_of_every_kind)
{
    static const uint8_t fill[2] = { 1, 2 };

    seed();
    for (unsigned n = 0; n < 300; n++) {
        unsigned rank = (unsigned)below(5);
        const char *codec = codecs_of_shards[n % SHARDS];
        uint64_t shape[HG_RANK_MAX];
        uint64_t inner[HG_RANK_MAX];
        for (unsigned i = 0; i < rank; i++) {
            inner[i] = 1 + below(3);
            shape[i] = inner[i] * (1 + below(3));
        }
        struct hg_chain *c = make("uint16", rank, shape, "513", codec, inner);
        struct hg_chain *alone = make("uint16", rank, shape, "513", codecs_of_shards[0], inner);
        uint8_t *raw = some_shard(hg_chain_shard(alone), rank, shape, fill, 2);
        round_trip(c, raw, codec);
        free(raw);
        hg_chain_destroy(c);
        hg_chain_destroy(alone);
    }
}

Test(shard, chunks_of_fill_values_are_left_out_by_their_bytes)
{
    static const uint64_t shape[1] = { 6 };
    static const uint64_t inner[1] = { 2 };
    static const double raw[6] = { -0.0, -0.0, 0.0, 0.0, -0.0, 1.0 };
    struct hg_chain *c = make("float64", 1, shape, "-0.0", SHARD(LITTLE, INDEX_CRC), inner);
    struct hg_shard_entry entries[3];
    struct hg_buf b = { 0 };
    double back[6];

    cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
    cr_assert_eq(b.len, 2 * 16 + 3 * 16 + 4);
    cr_assert_eq(hg_shard_index_decode(hg_chain_shard(c), b.data + 32, b.len, entries), HOLOG_OK);
    cr_assert(entries[0].offset == UINT64_MAX && entries[0].len == UINT64_MAX);
    cr_assert(entries[1].offset == 0 && entries[1].len == 16 && entries[2].offset == 16);
    cr_assert_eq(hg_chain_decode(c, b.data, b.len, back), HOLOG_OK);
    cr_assert_eq(memcmp(back, raw, sizeof raw), 0);
    hg_buf_release(&b);
    hg_chain_destroy(c);
}

/* The inner chunks alone, put together by their lengths. */
static void compose(const struct hg_shard *s, const uint8_t *shard, const uint64_t *old_offsets,
                    const uint64_t *lengths, struct hg_buf *out)
{
    struct hg_shard_entry *entries = calloc((size_t)hg_shard_count(s), sizeof *entries);
    uint64_t bytes = 0;

    hg_shard_place(s, lengths, entries, &bytes);
    if (hg_shard_index_at_start(s))
        cr_assert_eq(hg_shard_index_encode(s, entries, out), HOLOG_OK);
    for (uint64_t i = 0; i < hg_shard_count(s); i++) {
        if (lengths[i] == HG_SHARD_NONE)
            continue;
        cr_assert_eq(entries[i].offset, out->len);
        cr_assert_eq(hg_buf_append(out, shard + old_offsets[i], (size_t)lengths[i]), HOLOG_OK);
    }
    if (!hg_shard_index_at_start(s))
        cr_assert_eq(hg_shard_index_encode(s, entries, out), HOLOG_OK);
    cr_assert_eq(out->len, bytes);
    free(entries);
}

Test(shard, inner_chunks_put_together_by_their_lengths_are_the_shard)
{
    static const uint8_t fill[2] = { 1, 2 };
    static const uint64_t shape[2] = { 6, 8 };
    static const uint64_t inner[2] = { 3, 2 };

    seed();
    for (size_t i = 0; i < 4; i++) {
        struct hg_chain *c = make("uint16", 2, shape, "513", codecs_of_shards[i], inner);
        const struct hg_shard *s = hg_chain_shard(c);
        uint8_t *raw = some_shard(s, 2, shape, fill, 2);
        struct hg_shard_entry entries[8];
        uint64_t offsets[8];
        uint64_t lengths[8];
        uint64_t at = 0;
        struct hg_buf b = { 0 };
        struct hg_buf again = { 0 };
        cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
        cr_assert_eq(hg_shard_index_find(s, b.len, &at), HOLOG_OK);
        cr_assert_eq(hg_shard_index_decode(s, b.data + at, b.len, entries), HOLOG_OK);
        for (size_t k = 0; k < 8; k++) {
            offsets[k] = entries[k].offset;
            lengths[k] = entries[k].len;
        }
        compose(s, b.data, offsets, lengths, &again);
        cr_assert(again.len == b.len && memcmp(again.data, b.data, b.len) == 0);
        free(raw);
        hg_buf_release(&b);
        hg_buf_release(&again);
        hg_chain_destroy(c);
    }
}

Test(shard, gaps_any_order_and_the_same_bytes_twice_are_read)
{
    static const uint64_t shape[1] = { 6 };
    static const uint64_t inner[1] = { 2 };
    static const uint8_t want[6] = { 3, 4, 2, 3, 3, 4 };
    struct hg_shard_entry entries[3] = { { 3, 2 }, { 2, 2 }, { 3, 2 } }; /* 2, 3 overlaps 3, 4 */
    struct hg_chain *c = make("uint8", 1, shape, "0", SHARD(LITTLE, INDEX_CRC), inner);
    struct hg_buf b = { 0 };
    uint8_t raw[6];

    cr_assert_eq(hg_buf_append(&b, "\0\1\2\3\4\5\6", 7), HOLOG_OK);
    cr_assert_eq(hg_shard_index_encode(hg_chain_shard(c), entries, &b), HOLOG_OK);
    cr_assert_eq(hg_chain_decode(c, b.data, b.len, raw), HOLOG_OK);
    cr_assert_arr_eq(raw, want, 6);
    hg_buf_release(&b);
    hg_chain_destroy(c);
}

Test(shard, a_damaged_inner_chunk_is_named_and_never_fill_values)
{
    static const uint64_t shape[1] = { 6 };
    static const uint64_t inner[1] = { 2 };
    struct hg_chain *c = make("uint8", 1, shape, "0", SHARD(LITTLE "," CRC32C, INDEX_CRC), inner);
    struct hg_buf b = { 0 };
    uint8_t raw[6] = { 1, 2, 3, 4, 5, 6 };

    cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
    b.data[13] ^= 1;
    cr_assert_eq(hg_chain_decode(c, b.data, b.len, raw), HOLOG_E_CORRUPT);
    hg_error_get(&error);
    cr_assert_not_null(strstr(error.message, "inner chunk 2"), "%s", error.message);
    cr_assert_not_null(strstr(error.message, "crc32c"), "%s", error.message);
    hg_buf_release(&b);
    hg_chain_destroy(c);
}

Test(shard, every_cut_is_found_and_no_flipped_bit_leads_outside)
{
    static const uint8_t fill[2] = { 1, 2 };
    static const uint64_t shape[2] = { 4, 3 };
    static const uint64_t inner[2] = { 2, 1 };

    seed();
    for (size_t i = 0; i < SHARDS; i++) {
        struct hg_chain *c = make("uint16", 2, shape, "513", codecs_of_shards[i], inner);
        struct hg_chain *alone = make("uint16", 2, shape, "513", codecs_of_shards[0], inner);
        uint8_t *raw = some_shard(hg_chain_shard(alone), 2, shape, fill, 2);
        int sealed = i == 2 || i == 5; /* a checksum over all */
        struct hg_buf b = { 0 };
        cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
        if (i == 3 || i == 4) { /* without a checksum a shorter index may be one, too */
            for (size_t bit = 0; bit < b.len * 8; bit++) {
                uint8_t *bad = copy_of(b.data, b.len);
                bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
                int rc = hg_chain_decode(c, bad, b.len, raw);
                cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT);
                free(bad);
            }
        } else {
            damage(c, b.data, b.len, sealed);
        }
        free(raw);
        hg_buf_release(&b);
        hg_chain_destroy(c);
        hg_chain_destroy(alone);
    }
}

/* ---- shards in shards ----------------------------------------------------------------------------*/

static int make_nested(unsigned depth, struct hg_chain **out)
{
    static const uint64_t shape[1] = { 64 };
    char codecs[8192] = LITTLE "," CRC32C;
    char around[8192];

    for (unsigned i = 0; i < depth; i++) {
        cr_assert_lt(
            snprintf(around, sizeof around,
                     "{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[%u],"
                     "\"codecs\":[%s]," INDEX_CRC "}}",
                     2u << i, codecs),
            (int)sizeof around);
        memcpy(codecs, around, sizeof codecs);
    }
    return make_chain("uint8", 1, shape, "0", codecs, out);
}

Test(shard, shards_in_shards_come_back_down_to_the_fourth)
{
    seed();
    for (unsigned depth = 1; depth <= HG_SHARD_DEPTH; depth++) {
        struct hg_chain *c = NULL;
        cr_assert_eq(make_nested(depth, &c), HOLOG_OK, "%s", error.message);
        uint8_t *raw = some_raw(64);
        memset(raw + 8, 0, 24);
        round_trip(c, raw, "nested");
        free(raw);
        hg_chain_destroy(c);
    }
}

Test(shard, a_fifth_is_refused)
{
    struct hg_chain *c = NULL;

    cr_assert_eq(make_nested(HG_SHARD_DEPTH + 1, &c), HOLOG_E_NOTSUP);
    cr_assert_not_null(strstr(error.message, "shards in shards"), "%s", error.message);
    cr_assert_null(c);
}

Test(shard, a_shard_of_transposed_elements_comes_back)
{
    static const uint64_t shape[2] = { 4, 6 };
    struct hg_chain *c = NULL;

    seed();
    cr_assert_eq(
        make_chain("int32", 2, shape, "0",
                   "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}},"
                   "{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[3,2],"
                   "\"codecs\":[{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}}"
                   "," BIG "," ZSTD "]," INDEX_CRC "}}",
                   &c),
        HOLOG_OK, "%s", error.message);
    cr_assert_null(hg_chain_shard(c), "its chunks are not the array's");
    uint8_t *raw = some_raw(96);
    round_trip(c, raw, "transposed");
    free(raw);
    hg_chain_destroy(c);
}

/* ---- what is refused -----------------------------------------------------------------------------*/

static void refused(int line, int code, const char *configuration, const char *words)
{
    static const uint64_t shape[2] = { 4, 6 };
    struct hg_chain *c = NULL;
    char codecs[4096];

    (void)snprintf(codecs, sizeof codecs, "{\"name\":\"sharding_indexed\",\"configuration\":{%s}}",
                   configuration);
    int rc = make_chain("uint16", 2, shape, "0", codecs, &c);
    cr_assert_eq(rc, code, "line %d: %d %s", line, rc, error.message);
    cr_assert_null(c);
    cr_assert_not_null(strstr(error.message, words), "line %d: %s", line, error.message);
}
#define REFUSED(code, configuration, words) refused(__LINE__, (code), (configuration), (words))

Test(shard, a_wrong_configuration_is_refused_by_its_member)
{
    REFUSED(HOLOG_E_INVAL, "\"codecs\":[" LITTLE "]," INDEX_CRC, "chunk_shape");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[2],\"codecs\":[" LITTLE "]," INDEX_CRC, "chunk_shape");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[2,0],\"codecs\":[" LITTLE "]," INDEX_CRC,
            "chunk_shape");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[3,6],\"codecs\":[" LITTLE "]," INDEX_CRC, "divide");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[8,6],\"codecs\":[" LITTLE "]," INDEX_CRC, "divide");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[2,2]," INDEX_CRC, "codecs of a shard");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[2,2],\"codecs\":[]," INDEX_CRC, "codecs of a shard");
    REFUSED(HOLOG_E_INVAL, "\"chunk_shape\":[2,2],\"codecs\":[" LITTLE "]", "index_codecs");
    REFUSED(HOLOG_E_INVAL,
            "\"chunk_shape\":[2,2],\"codecs\":[" LITTLE "]," INDEX_CRC
            ",\"index_location\":\"middle\"",
            "index_location");
    REFUSED(HOLOG_E_NOTSUP,
            "\"chunk_shape\":[2,2],\"codecs\":[" LITTLE "],\"index_codecs\":[" LITTLE "," ZSTD "]",
            "zstd in index_codecs");
    REFUSED(HOLOG_E_NOTSUP, "\"chunk_shape\":[2,2],\"codecs\":[" LITTLE ",\"zfp\"]," INDEX_CRC,
            "zfp");
    REFUSED(HOLOG_E_NOTSUP,
            "\"chunk_shape\":[2,2],\"codecs\":[" LITTLE "]," INDEX_CRC ",\"subchunks\":1",
            "subchunks");
}

Test(shard, an_index_of_2_gib_is_too_big)
{
    static const uint64_t shape[1] = { 2147483647 };
    struct hg_chain *c = NULL;

    cr_assert_eq(make_chain("uint8", 1, shape, "0",
                            "{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[1],"
                            "\"codecs\":[" LITTLE "]," INDEX_CRC "}}",
                            &c),
                 HOLOG_E_TOOBIG);
    cr_assert_null(c);
}

Test(shard, every_allocation_that_fails_is_reported_and_leaks_nothing)
{
    static const uint64_t shape[2] = { 4, 6 };
    static const uint64_t inner[2] = { 2, 2 };
    static const char *const codec = SHARD(LITTLE "," ZSTD, INDEX_CRC AT_START);

    seed();
    uint8_t *raw = some_raw(48);
    for (int at = 1;; at++) {
        struct nth n = { .at = at };
        struct hg_buf b = { 0 };
        struct hg_chain *c = make("uint16", 2, shape, "0", codec, inner);
        uint8_t back[48];
        hg_alloc_set_fault(fail_nth, &n);
        int rc = hg_chain_encode(c, raw, &b);
        cr_assert(rc == HOLOG_OK || b.len == 0);
        if (rc == HOLOG_OK)
            rc = hg_chain_decode(c, b.data, b.len, back);
        hg_buf_release(&b);
        cr_assert_eq(hg_alloc_live(), 0, "fault at allocation %d leaks", at);
        hg_alloc_set_fault(NULL, NULL);
        hg_chain_destroy(c);
        if (rc == HOLOG_OK && n.seen < at)
            break;
        cr_assert_eq(rc, HOLOG_E_NOMEM, "fault at allocation %d gave %d", at, rc);
    }
    free(raw);
}

Test(shard, what_cannot_be_made_for_want_of_memory_leaks_nothing)
{
    for (int at = 1; at < 40; at++) {
        struct nth n = { .at = at };
        struct hg_chain *c = NULL;
        hg_alloc_set_fault(fail_nth, &n);
        int rc = make_nested(3, &c);
        cr_assert(rc == HOLOG_E_NOMEM ? c == NULL : rc == HOLOG_OK, "%d", rc);
        hg_chain_destroy(c);
        cr_assert_eq(hg_alloc_live(), 0, "fault at allocation %d leaks", at);
        hg_alloc_set_fault(NULL, NULL);
    }
}
