/* Chains of codecs: there and back, against the plainest way, and with what nobody wrote. */
#include "array/chain.h"

#include "base/alloc.h"
#include "base/byteorder.h"
#include "chainkit.h"
#include "codec/gzip.h"
#include "codec/zstd.h"

static const struct {
    const char *name;
    unsigned size;
    unsigned word;
    const char *fill;
} types[] = {
    { "bool", 1, 1, "true" },
    { "int8", 1, 1, "-1" },
    { "int16", 2, 2, "0" },
    { "int32", 4, 4, "7" },
    { "int64", 8, 8, "0" },
    { "uint8", 1, 1, "3" },
    { "uint16", 2, 2, "513" },
    { "uint32", 4, 4, "0" },
    { "uint64", 8, 8, "18446744073709551615" },
    { "float16", 2, 2, "0.0" },
    { "float32", 4, 4, "\"NaN\"" },
    { "float64", 8, 8, "-0.0" },
    { "complex64", 8, 4, "[0.0,1.0]" },
    { "complex128", 16, 8, "[0.0,0.0]" },
    { "r8", 1, 1, "[1]" },
    { "r24", 3, 1, "[1,2,3]" },
};
#define TYPES (sizeof types / sizeof types[0])

/* %u: the size of an element. */
static const char *const endings[] = {
    "",
    "," ZSTD,
    "," LZ4,
    "," CRC32C,
    "," ZSTD "," CRC32C,
    "," CRC32C "," LZ4,
    "," CRC32C "," CRC32C,
    ",{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":%u}}",
    ",{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":%u}}," ZSTD "," CRC32C,
    ",{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":%u}}," CRC32C "," LZ4
    ",{\"name\":\"zstd\",\"configuration\":{\"level\":3,\"checksum\":true}}",
    "," LZ4 "," ZSTD "," LZ4,
};
#define ENDINGS (sizeof endings / sizeof endings[0])

static void permutation(unsigned n, uint64_t *out)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned j = (unsigned)below(i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}

/* Codecs of a random chain; `orders` transpositions, which are the same as `order`. */
static void some_codecs(char *out, size_t cap, unsigned type, unsigned rank, int big,
                        const char *ending, unsigned orders, uint64_t *order)
{
    size_t at = 0;

    for (unsigned i = 0; i < rank; i++)
        order[i] = i;
    for (; orders > 0; orders--) {
        uint64_t turn[HG_RANK_MAX];
        uint64_t before[HG_RANK_MAX];
        char list[256];
        permutation(rank, turn);
        memcpy(before, order, sizeof before);
        for (unsigned i = 0; i < rank; i++)
            order[i] = before[turn[i]];
        at += (size_t)snprintf(out + at, cap - at,
                               "{\"name\":\"transpose\",\"configuration\":{\"order\":%s}},",
                               list_of(turn, rank, list));
    }
    at += (size_t)snprintf(out + at, cap - at, "%s", big ? BIG : LITTLE);
    /* Only sizes are put in. */
    const char *percent = strchr(ending, '%');
    if (percent == NULL)
        at += (size_t)snprintf(out + at, cap - at, "%s", ending);
    else
        at += (size_t)snprintf(out + at, cap - at, "%.*s%u%s", (int)(percent - ending), ending,
                               types[type].size, percent + 2);
    cr_assert_lt(at, cap);
}

Test(chain, elements_come_back_from_every_chain_of_every_type_and_rank)
{
    char codecs[4096];
    uint64_t order[HG_RANK_MAX];

    seed();
    for (unsigned type = 0; type < TYPES; type++) {
        for (unsigned rank = 0; rank <= 4; rank++) {
            for (unsigned ending = 0; ending < ENDINGS; ending++) {
                struct hg_chain *c = NULL;
                uint64_t shape[HG_RANK_MAX];
                for (unsigned i = 0; i < rank; i++)
                    shape[i] = 1 + below(7);
                some_codecs(codecs, sizeof codecs, type, rank, below(2) == 0, endings[ending],
                            (unsigned)below(3), order);
                cr_assert_eq(make_chain(types[type].name, rank, shape, types[type].fill, codecs,
                                        &c),
                             HOLOG_OK, "%s: %s", codecs, error.message);
                uint8_t *raw = some_raw((size_t)hg_chain_raw_bytes(c));
                round_trip(c, raw, codecs);
                free(raw);
                hg_chain_destroy(c);
            }
        }
    }
}

/* One element at a time. */
static void plainest(const uint8_t *raw, unsigned rank, const uint64_t *shape,
                     const uint64_t *order, unsigned type, int big, uint8_t *out)
{
    unsigned size = types[type].size;
    uint64_t at[HG_RANK_MAX] = { 0 }; /* as stored */
    uint64_t count = 1;

    for (unsigned i = 0; i < rank; i++)
        count *= shape[i];
    for (uint64_t n = 0; n < count; n++) {
        uint64_t index[HG_RANK_MAX];
        uint64_t from = 0;
        for (unsigned i = 0; i < rank; i++)
            index[order[i]] = at[i];
        for (unsigned i = 0; i < rank; i++)
            from = from * shape[i] + index[i];
        for (unsigned i = 0; i < size; i++) {
            unsigned word = types[type].word;
            unsigned of = big ? i / word * word + word - 1 - i % word : i;
            out[n * size + i] = raw[from * size + of];
        }
        for (unsigned i = rank; i-- > 0 && ++at[i] == shape[order[i]];)
            at[i] = 0;
    }
}

Test(chain, bytes_are_stored_where_the_order_of_axes_and_bytes_says)
{
    char codecs[4096];
    uint64_t order[HG_RANK_MAX];

    seed();
    for (unsigned n = 0; n < 400; n++) {
        unsigned type = (unsigned)below(TYPES);
        unsigned rank = (unsigned)below(5);
        int big = below(2) == 0;
        uint64_t shape[HG_RANK_MAX];
        struct hg_chain *c = NULL;
        struct hg_buf b = { 0 };
        for (unsigned i = 0; i < rank; i++)
            shape[i] = 1 + below(6);
        some_codecs(codecs, sizeof codecs, type, rank, big, "", (unsigned)below(4), order);
        cr_assert_eq(make_chain(types[type].name, rank, shape, types[type].fill, codecs, &c),
                     HOLOG_OK, "%s", error.message);
        size_t len = (size_t)hg_chain_raw_bytes(c);
        uint8_t *raw = some_raw(len);
        uint8_t *want = malloc(len);
        plainest(raw, rank, shape, order, type, big, want);
        cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
        cr_assert(b.len == len && memcmp(b.data, want, len) == 0, "%s", codecs);
        cr_assert_eq(hg_chain_stored_max(c), len);
        free(raw);
        free(want);
        hg_buf_release(&b);
        hg_chain_destroy(c);
    }
}

static int is_plain(const char *type, const char *codecs)
{
    static const uint64_t shape[2] = { 3, 5 };
    struct hg_chain *c = NULL;
    int plain;

    cr_assert_eq(make_chain(type, 2, shape, "0", codecs, &c), HOLOG_OK, "%s", error.message);
    plain = hg_chain_is_plain(c);
    cr_assert_null(hg_chain_shard(c));
    hg_chain_destroy(c);
    return plain;
}

Test(chain, a_plain_one_is_known)
{
    cr_assert(is_plain("uint16", LITTLE));
    cr_assert(is_plain("uint8", BIG));
    cr_assert(is_plain("uint8", "\"bytes\""));
    cr_assert(
        is_plain("int8", "{\"name\":\"transpose\",\"configuration\":{\"order\":[0,1]}}," LITTLE));
    cr_assert(is_plain("int8", "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}},"
                               "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}},"
                               "\"bytes\""));
    cr_assert_not(is_plain("uint16", BIG));
    cr_assert_not(is_plain("uint8", LITTLE "," CRC32C));
    cr_assert_not(is_plain("int8", "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}},"
                                   "\"bytes\""));
}

/* ---- what is refused -----------------------------------------------------------------------------*/

static void refused(int line, int code, const char *codecs, const char *words)
{
    static const uint64_t shape[2] = { 3, 5 };
    struct hg_chain *c = NULL;
    int rc = make_chain("uint16", 2, shape, "0", codecs, &c);

    cr_assert_eq(rc, code, "line %d: %d %s", line, rc, error.message);
    cr_assert_null(c);
    cr_assert_not_null(strstr(error.message, words), "line %d: %s", line, error.message);
}
#define REFUSED(code, codecs, words) refused(__LINE__, (code), (codecs), (words))
#define CODEC(name, configuration)   "{\"name\":\"" name "\",\"configuration\":{" configuration "}}"

Test(chain, the_first_codec_that_cannot_run_is_named)
{
    REFUSED(HOLOG_E_NOTSUP, LITTLE ",\"zfp\",\"packbits\"", "zfp");
    REFUSED(HOLOG_E_NOTSUP, "\"vlen-utf8\"," ZSTD, "vlen-utf8");
    REFUSED(HOLOG_E_NOTSUP, LITTLE "," CODEC("blosc", "\"cname\":\"snappy\""), "snappy");
    REFUSED(HOLOG_E_NOTSUP, LITTLE "," CODEC("zstd", "\"level\":1,\"dictionary\":1"), "dictionary");
    REFUSED(HOLOG_E_NOTSUP, LITTLE "," CODEC("crc32c", "\"location\":\"start\""), "location");
}

Test(chain, a_wrong_configuration_is_refused_by_codec_and_member)
{
    REFUSED(HOLOG_E_INVAL, "\"bytes\"", "endian is missing");
    REFUSED(HOLOG_E_INVAL, CODEC("bytes", "\"endian\":\"middle\""), "endian is \"middle\"");
    REFUSED(HOLOG_E_INVAL, CODEC("bytes", "\"endian\":1"), "endian is 1");
    REFUSED(HOLOG_E_INVAL, "\"transpose\"," LITTLE, "transpose: order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":\"C\"") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":\"F\"") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":[0]") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":[1,1]") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":[0,2]") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":[0,-1]") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, CODEC("transpose", "\"order\":[0,1.0]") "," LITTLE, "order");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("zstd", "\"level\":23"), "zstd: level");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("zstd", "\"level\":\"1\""), "zstd: level");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("zstd", "\"level\":1,\"checksum\":1"), "checksum");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("gzip", "\"level\":10"), "gzip: level");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("numcodecs.lz4", "\"acceleration\":true"), "lz4");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("numcodecs.shuffle", "\"elementsize\":-1"), "element");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("numcodecs.shuffle", "\"elementsize\":7"), "element");
    REFUSED(HOLOG_E_INVAL, LITTLE ",\"blosc\"", "cname is missing");
    REFUSED(HOLOG_E_INVAL, LITTLE "," CODEC("blosc", "\"cname\":\"zip\""), "cname");
}

Test(chain, a_chunk_of_2_gib_is_too_big)
{
    static const uint64_t most[2] = { 2147483647, 1 };
    static const uint64_t more[2] = { 2, HG_INDEX_MAX };
    struct hg_chain *c = NULL;

    cr_assert_eq(make_chain("uint8", 2, most, "0", LITTLE, &c), HOLOG_OK, "%s", error.message);
    cr_assert_eq(hg_chain_raw_bytes(c), 2147483647);
    hg_chain_destroy(c);
    c = NULL;
    cr_assert_eq(make_chain("uint16", 2, most, "0", LITTLE, &c), HOLOG_E_TOOBIG);
    cr_assert_eq(make_chain("uint8", 2, more, "0", LITTLE, &c), HOLOG_E_TOOBIG);
    cr_assert_eq(make_chain("uint8", 2, most, "0", LITTLE "," LZ4, &c), HOLOG_E_TOOBIG);
    cr_assert_null(c);
}

Test(chain, blosc_is_read_and_not_written)
{
    static const uint64_t shape[1] = { 4 };
    static const uint8_t stored[20] = {
        2, 1, 2, 1, 4, 0, 0, 0, 4, 0, 0, 0, 20, 0, 0, 0, 9, 8, 7, 6
    };
    struct hg_chain *c = NULL;
    struct hg_buf b = { 0 };
    uint8_t raw[4] = { 0 };

    cr_assert_eq(make_chain("uint8", 1, shape, "0", LITTLE "," CODEC("blosc", "\"cname\":\"lz4\""),
                            &c),
                 HOLOG_OK, "%s", error.message);
    cr_assert_eq(hg_chain_decode(c, stored, sizeof stored, raw), HOLOG_OK);
    cr_assert_arr_eq(raw, stored + 16, 4);
    cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_E_NOTSUP);
    hg_error_get(&error);
    cr_assert_str_eq(error.message, "holog reads blosc and does not write it");
    cr_assert_eq(b.len, 0);
    hg_buf_release(&b);
    hg_chain_destroy(c);
}

/* ---- damage --------------------------------------------------------------------------------------*/

Test(chain, every_cut_and_every_flipped_bit_under_a_checksum_is_found)
{
    static const char *const sealed[] = { LITTLE "," CRC32C, LITTLE "," ZSTD "," CRC32C,
                                          BIG "," CRC32C "," CRC32C, LITTLE "," LZ4 "," CRC32C };
    static const uint64_t shape[2] = { 7, 5 };

    seed();
    for (size_t i = 0; i < sizeof sealed / sizeof sealed[0]; i++) {
        struct hg_chain *c = NULL;
        struct hg_buf b = { 0 };
        cr_assert_eq(make_chain("uint16", 2, shape, "0", sealed[i], &c), HOLOG_OK);
        uint8_t *raw = some_raw(70);
        cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
        damage(c, b.data, b.len, 1);
        free(raw);
        hg_buf_release(&b);
        hg_chain_destroy(c);
    }
}

Test(chain, every_cut_is_found_and_no_flipped_bit_leads_outside)
{
    static const uint64_t shape[3] = { 3, 4, 5 };
    char codecs[4096];
    uint64_t order[HG_RANK_MAX];

    seed();
    for (unsigned ending = 0; ending < ENDINGS; ending++) {
        struct hg_chain *c = NULL;
        struct hg_buf b = { 0 };
        some_codecs(codecs, sizeof codecs, 2, 3, 1, endings[ending], 1, order);
        cr_assert_eq(make_chain("int16", 3, shape, "0", codecs, &c), HOLOG_OK);
        uint8_t *raw = some_raw(120);
        cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
        damage(c, b.data, b.len, 0);
        free(raw);
        hg_buf_release(&b);
        hg_chain_destroy(c);
    }
}

Test(chain, fewer_or_more_bytes_than_elements_are_damage)
{
    static const uint64_t shape[1] = { 100 };
    static const char *const chains[] = { LITTLE, LITTLE "," ZSTD, LITTLE "," ZSTD "," ZSTD };
    uint8_t raw[102] = { 0 };

    for (size_t n = 99; n <= 101; n++) {
        for (size_t i = 0; i < 3; i++) {
            struct hg_chain *c = NULL;
            struct hg_buf b = { 0 };
            struct hg_buf twice = { 0 };
            cr_assert_eq(make_chain("uint8", 1, shape, "0", chains[i], &c), HOLOG_OK);
            cr_assert_eq(i > 0 ? hg_zstd_compress(raw, n, 1, &b) : hg_buf_append(&b, raw, n), 0);
            cr_assert_eq(hg_zstd_compress(b.data, b.len, 1, &twice), HOLOG_OK);
            const struct hg_buf *stored = i == 2 ? &twice : &b;
            cr_assert_eq(hg_chain_decode(c, stored->data, stored->len, raw),
                         n == 100 ? HOLOG_OK : HOLOG_E_CORRUPT, "%zu %s", n, chains[i]);
            hg_buf_release(&b);
            hg_buf_release(&twice);
            hg_chain_destroy(c);
        }
    }
}

Test(chain, a_bomb_takes_no_more_memory_than_the_document_allows)
{
    static const uint64_t shape[1] = { 100 };
    uint8_t *zeros = calloc(1, 32 << 20);
    struct hg_buf once = { 0 };
    struct hg_buf twice = { 0 };
    struct hg_chain *c = NULL;
    uint8_t raw[100];

    cr_assert_not_null(zeros);
    cr_assert_eq(make_chain("uint8", 1, shape, "0", LITTLE "," ZSTD "," ZSTD, &c), HOLOG_OK);
    cr_assert_eq(hg_zstd_compress(zeros, 32 << 20, 1, &once), HOLOG_OK);
    cr_assert_eq(hg_zstd_compress(once.data, once.len, 1, &twice), HOLOG_OK);
    cr_assert_leq(twice.len, hg_chain_stored_max(c), "else it is refused by its length alone");
    cr_assert_eq(hg_chain_decode(c, twice.data, twice.len, raw), HOLOG_E_CORRUPT);
    free(zeros);
    hg_buf_release(&once);
    hg_buf_release(&twice);
    hg_chain_destroy(c);
}

Test(chain, more_bytes_than_any_writer_makes_are_damage)
{
    static const uint64_t shape[1] = { 100 };
    struct hg_chain *c = NULL;
    uint8_t raw[100];

    cr_assert_eq(make_chain("uint8", 1, shape, "0", LITTLE "," ZSTD, &c), HOLOG_OK);
    size_t len = (size_t)hg_chain_stored_max(c) + 1;
    uint8_t *stored = calloc(1, len);
    cr_assert_eq(hg_chain_decode(c, stored, len, raw), HOLOG_E_CORRUPT);
    free(stored);
    hg_chain_destroy(c);
}

/* ---- the rest ------------------------------------------------------------------------------------*/

#if HOLOG_HAVE_GZIP
Test(chain, gzip_runs_with_its_plugin)
{
    static const uint64_t shape[1] = { 9 };
    struct hg_chain *c = NULL;

    seed();
    cr_assert_eq(make_chain("int32", 1, shape, "0", BIG "," CODEC("gzip", "\"level\":9") "," CRC32C,
                            &c),
                 HOLOG_OK, "%s", error.message);
    uint8_t *raw = some_raw(36);
    round_trip(c, raw, "gzip");
    free(raw);
    hg_chain_destroy(c);
}
#endif

Test(chain, every_allocation_that_fails_is_reported_and_leaks_nothing)
{
    static const uint64_t shape[2] = { 30, 40 };
    static const char *const codecs =
        CODEC("transpose", "\"order\":[1,0]") "," BIG "," CRC32C "," ZSTD "," LZ4 "," CRC32C;
    struct hg_chain *c = NULL;
    uint8_t back[2400];

    seed();
    cr_assert_eq(make_chain("uint16", 2, shape, "0", codecs, &c), HOLOG_OK);
    uint8_t *raw = some_raw(sizeof back);
    for (int at = 1;; at++) {
        struct nth n = { .at = at };
        struct hg_buf b = { 0 };
        hg_alloc_set_fault(fail_nth, &n);
        int rc = hg_chain_encode(c, raw, &b);
        cr_assert(rc == HOLOG_OK || b.len == 0);
        if (rc == HOLOG_OK)
            rc = hg_chain_decode(c, b.data, b.len, back);
        hg_buf_release(&b);
        cr_assert_eq(hg_alloc_live(), 0, "fault at allocation %d leaks", at);
        hg_alloc_set_fault(NULL, NULL);
        if (rc == HOLOG_OK && n.seen < at) {
            cr_assert_gt(at, 6);
            break;
        }
        cr_assert_eq(rc, HOLOG_E_NOMEM, "fault at allocation %d gave %d", at, rc);
    }
    cr_assert_arr_eq(back, raw, sizeof back);
    free(raw);
    hg_chain_destroy(c);
}
