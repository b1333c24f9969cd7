/* Blosc chunks: those that c-blosc wrote, and those that nobody wrote. */
#include "codec/blosc.h"

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "golden.h"

static int decode(const uint8_t *in, size_t len, const struct golden *g, uint8_t **out)
{
    size_t n = 0;
    int rc;

    *out = malloc(g->raw_bytes);
    cr_assert_not_null(*out);
    rc = hg_blosc_decompress(in, len, *out, g->raw_bytes, &n);
    cr_assert(rc < 0 || n <= g->raw_bytes);
    if (rc == HOLOG_OK && n < g->raw_bytes)
        rc = HOLOG_E_RANGE; /* fewer came out: who asked sees it */
    return rc;
}

static int is_known(const struct golden *g)
{
    return strstr(g->name, "_lz4") != NULL || strstr(g->name, "_zstd") != NULL;
}

static void judge(struct golden *g)
{
    uint8_t *out;
    int rc = decode(g->data, g->len, g, &out);

    if (is_known(g)) {
        cr_assert_eq(rc, HOLOG_OK, "%s", g->name);
        cr_assert_eq(memcmp(out, g->raw, g->raw_bytes), 0, "%s", g->name);
        cr_assert_eq(hg_blosc_stated(g->data, g->len), g->raw_bytes);
        cr_assert_leq(g->len, g->raw_bytes + HG_BLOSC_OVERHEAD);
    } else {
        cr_assert_eq(rc, HOLOG_E_NOTSUP, "%s", g->name);
    }
    free(out);
}

Test(blosc, chunks_of_c_blosc_are_read_or_named)
{
    cr_assert_geq(golden_each("blosc_", judge), 70);
}

static void judge_cuts(struct golden *g)
{
    for (size_t len = 0; is_known(g) && len < g->len; len += len < 64 ? 1 : 7) {
        uint8_t *cut = malloc(len + (len == 0));
        uint8_t *out;
        cr_assert_not_null(cut);
        memcpy(cut, g->data, len);
        cr_assert_eq(decode(cut, len, g, &out), HOLOG_E_CORRUPT, "%s cut at %zu", g->name, len);
        free(out);
        if (len >= 16) {
            hg_put_le32(cut + 12, (uint32_t)len); /* the head agrees */
            cr_assert_eq(decode(cut, len, g, &out), HOLOG_E_CORRUPT, "%s at %zu", g->name, len);
            free(out);
        }
        free(cut);
    }
}

Test(blosc, a_chunk_cut_anywhere_is_refused)
{
    cr_assert_geq(golden_each("blosc_", judge_cuts), 70);
}

static void judge_more(struct golden *g)
{
    uint8_t *more = calloc(1, g->len + 1);
    uint8_t *out;

    cr_assert_not_null(more);
    memcpy(more, g->data, g->len);
    cr_assert_eq(decode(more, g->len + 1, g, &out), HOLOG_E_CORRUPT, "%s", g->name);
    free(more);
    free(out);
}

Test(blosc, a_chunk_that_something_follows_is_refused)
{
    cr_assert_geq(golden_each("blosc_", judge_more), 70);
}

static void judge_flips(struct golden *g)
{
    if (g->raw_bytes > 300)
        return;
    for (size_t bit = 0; bit < g->len * 8; bit++) {
        uint8_t *out;
        g->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int rc = decode(g->data, g->len, g, &out);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP ||
                      rc == HOLOG_E_RANGE,
                  "%s bit %zu: %d", g->name, bit, rc);
        g->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        free(out);
    }
}

Test(blosc, no_flipped_bit_leads_outside)
{
    cr_assert_geq(golden_each("blosc_", judge_flips), 70);
}

/* A head and a table that say what is not so. */
static void refused(const char *words, uint8_t flags, uint8_t size, uint32_t nbytes,
                    uint32_t blocksize, uint32_t begin)
{
    struct holog_error_detail error;
    uint8_t *in = calloc(1, 40);
    uint8_t out[64];
    size_t n = 0;

    cr_assert_not_null(in);
    in[0] = 2;
    in[1] = 1;
    in[2] = flags;
    in[3] = size;
    hg_put_le32(in + 4, nbytes);
    hg_put_le32(in + 8, blocksize);
    hg_put_le32(in + 12, 40);
    hg_put_le32(in + 16, begin);
    hg_put_le32(in + 20, 16);
    cr_assert_eq(hg_blosc_decompress(in, 40, out, sizeof out, &n), HOLOG_E_CORRUPT, "%s", words);
    hg_error_get(&error);
    cr_assert_not_null(strstr(error.message, words), "%s: %s", words, error.message);
    free(in);
}

Test(blosc, a_head_that_cannot_be_is_refused_by_name)
{
    refused("more comes out", 0x20, 1, 65, 65, 20);
    refused("more comes out", 0x20, 1, 0xffffffff, 0xffffffff, 20);
    refused("blocks of size", 0x20, 1, 64, 0, 20);
    refused("blocks of size", 0x20, 1, 64, 65, 20);
    refused("table of blocks", 0x20, 1, 64, 1, 20);
    refused("elements of size", 0x20, 0, 64, 64, 20);
    refused("no codec", 0xa0, 1, 64, 64, 20);
    refused("stored bytes", 0x02, 1, 64, 64, 20);
    refused("over the end", 0x20, 1, 64, 64, 41);
    refused("over the end", 0x20, 1, 64, 64, 37);
    refused("over the end", 0x20, 1, 64, 64, 0xffffffff);
    refused("a stream", 0x20, 1, 64, 64, 20);
    refused("a stream", 0x80, 1, 64, 64, 20);
}

struct nth {
    int at;
    int seen;
};

static int fail_nth(size_t size, void *ctx)
{
    struct nth *n = ctx;

    (void)size;
    return ++n->seen == n->at;
}

static void judge_faults(struct golden *g)
{
    uint8_t *out;

    if (!is_known(g) || g->raw_bytes > 300)
        return;
    for (int at = 1;; at++) {
        struct nth n = { .at = at };
        hg_alloc_set_fault(fail_nth, &n);
        int rc = decode(g->data, g->len, g, &out);
        cr_assert_eq(hg_alloc_live(), 0, "%s: fault %d leaks", g->name, at);
        hg_alloc_set_fault(NULL, NULL);
        free(out);
        if (n.seen < at) {
            cr_assert_eq(rc, HOLOG_OK);
            return;
        }
        cr_assert_eq(rc, HOLOG_E_NOMEM, "%s: fault %d gave %d", g->name, at, rc);
    }
}

Test(blosc, every_allocation_that_fails_is_reported_and_leaks_nothing)
{
    cr_assert_geq(golden_each("blosc_", judge_faults), 70);
}
