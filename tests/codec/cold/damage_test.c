/* A damaged block is refused, or gives the same bytes; nothing leads outside, and no number becomes memory unbounded. */
#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/hash.h"
#include "kit.h"

#define BLOCKS_MAX 64

struct sample {
    struct hg_cold_array a;
    struct hg_buf block;
};

/* A block for each plan. Two axes of odd length: there are levels, classes and edges. */
static unsigned make_blocks(struct hg_coder *c, struct sample *out, uint32_t rows, uint32_t cols)
{
    static const struct hg_cold_array kinds[] = { { 2, HG_ELEMENT_UNSIGNED, 2, { 0 } },
                                                  { 4, HG_ELEMENT_FLOAT, 2, { 0 } },
                                                  { 1, HG_ELEMENT_UNSIGNED, 2, { 0 } } };
    struct hg_cold_plan plan;
    unsigned n = 0;

    for (; n < BLOCKS_MAX && kit_plan(n, &plan); n++) {
        out[n] = (struct sample){ .a = kinds[n % 3] };
        out[n].a.n[0] = rows;
        out[n].a.n[1] = cols;
        uint8_t *raw = kit_array(&out[n].a, KIT_NOISE, n);
        cr_assert_eq(hg_cold_encode(c, &out[n].a, raw, &plan, NULL, &out[n].block), HOLOG_OK);
        free(raw);
    }
    return n;
}

static void drop_blocks(struct sample *all, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        hg_buf_release(&all[i].block);
}

static int is_refusal(int rc)
{
    return rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP || rc == HOLOG_E_INVAL;
}

/* A copy that ends where the bytes end. */
static struct hg_buf copy_of(const struct hg_buf *b, size_t len)
{
    struct hg_buf copy = { malloc(len + (len == 0)), len, len };

    cr_assert_not_null(copy.data);
    memcpy(copy.data, b->data, len);
    return copy;
}

Test(cold_damage, every_flipped_bit_is_refused)
{
    struct hg_coder *c = kit_coder();
    struct sample all[BLOCKS_MAX];
    unsigned n = make_blocks(c, all, 21, 19);
    size_t bits = 0;

    for (unsigned i = 0; i < n; i++) {
        struct hg_buf b = copy_of(&all[i].block, all[i].block.len);
        for (size_t bit = 0; bit < b.len * 8; bit++, bits++) {
            uint8_t *out;
            size_t len;
            b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int rc = kit_decode(c, &b, NULL, &out, &len);
            cr_assert(is_refusal(rc), "block %u bit %zu: %d", i, bit, rc);
            b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            free(out);
        }
        free(b.data);
    }
    cr_assert_gt(bits, 100000);
    drop_blocks(all, n);
    hg_coder_destroy(c);
}

Test(cold_damage, a_block_cut_anywhere_is_refused)
{
    struct hg_coder *c = kit_coder();
    struct sample all[BLOCKS_MAX];
    unsigned n = make_blocks(c, all, 33, 40);

    for (unsigned i = 0; i < n; i++) {
        for (size_t len = 0; len < all[i].block.len; len += len < 200 ? 1 : 13) {
            struct hg_buf b = copy_of(&all[i].block, len);
            uint8_t *out;
            size_t m;
            cr_assert_eq(kit_decode(c, &b, NULL, &out, &m), HOLOG_E_CORRUPT, "block %u at %zu", i,
                         len);
            free(out);
            free(b.data);
        }
    }
    drop_blocks(all, n);
    hg_coder_destroy(c);
}

/* The hashes of parts and head made right again: what checks the streams is all that is left, and the hash of what
 * comes out. */
static void sign(struct hg_buf *b)
{
    struct hg_cold_head h;
    size_t at;

    if (hg_cold_head_decode(b->data, b->len, &h) < 0)
        return;
    at = h.head_bytes;
    for (unsigned i = 0; i < h.parts && h.part[i].len <= b->len - at; i++) {
        h.part[i].hash = hg_hash64(b->data + at, h.part[i].len);
        at += h.part[i].len;
    }
    hg_cold_head_encode(&h, b->data);
}

Test(cold_damage, streams_that_are_damaged_under_right_hashes_are_refused_or_change_nothing)
{
    struct hg_coder *c = kit_coder();
    struct sample all[BLOCKS_MAX];
    unsigned n = make_blocks(c, all, 67, 70);
    uint64_t seed = 8;
    unsigned same = 0;

    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < 1500; k++) {
            struct hg_buf b = copy_of(&all[i].block, all[i].block.len);
            size_t at = HG_COLD_HEAD_MIN + kit_random(&seed) % (b.len - HG_COLD_HEAD_MIN);
            uint8_t *out;
            size_t m;
            b.data[at] =
                (uint8_t)(k % 3 ? b.data[at] ^ 1u << kit_random(&seed) % 8 : kit_random(&seed));
            sign(&b);
            int rc = kit_decode(c, &b, NULL, &out, &m);
            cr_assert(rc == HOLOG_OK || is_refusal(rc), "block %u: %d", i, rc);
            same += rc == HOLOG_OK; /* its raw hash was right */
            free(out);
            free(b.data);
        }
    }
    cr_assert_lt(same, n * 1500 / 20);
    drop_blocks(all, n);
    hg_coder_destroy(c);
}

static size_t most_asked;

static int note_size(size_t size, void *ctx)
{
    (void)ctx;
    most_asked = HG_MAX(most_asked, size);
    return 0;
}

Test(cold_damage, what_a_block_says_becomes_memory_only_as_far_as_it_is_bounded)
{
    struct hg_cold_head h = { .array = { 8, HG_ELEMENT_SIGNED, 2, { 1024, 1024 } },
                              .filter = HG_FILTER_LIFT53,
                              .codec = HG_CODEC_LITERALS,
                              .flags = HG_COLD_SPLIT,
                              .axes = 2,
                              .parts = 1 };
    uint8_t block[HG_COLD_HEAD_MAX + 200];
    struct hg_buf b = { block, 0, sizeof block };
    uint64_t seed = 1;

    hg_alloc_set_fault(note_size, NULL);
    for (unsigned i = 0; i < 300; i++) {
        struct hg_coder *c = kit_coder();
        uint8_t *out;
        size_t m;
        h.raw_bytes = hg_cold_raw_bytes(&h.array);
        h.head_bytes = hg_cold_head_bytes(&h);
        h.part[0].len = 200;
        for (size_t k = 0; k < 200; k++)
            block[h.head_bytes + k] = (uint8_t)(k % 8 == 3 ? i : kit_random(&seed));
        h.part[0].hash = hg_hash64(block + h.head_bytes, 200);
        hg_cold_head_encode(&h, block);
        b.len = h.head_bytes + 200;
        cr_assert_eq(kit_decode(c, &b, NULL, &out, &m), HOLOG_E_CORRUPT);
        free(out);
        hg_coder_destroy(c);
        h.filter = (uint8_t)(i % HG_FILTERS);
        h.axes = h.filter >= HG_FILTER_LORENZO ? 2 : 0;
        h.flags = h.filter >= HG_FILTER_UP && i % 2 ? HG_COLD_SPLIT : 0;
        h.codec = h.flags ? HG_CODEC_LITERALS : HG_CODEC_ZSTD;
    }
    hg_alloc_set_fault(NULL, NULL);
    cr_assert_leq(most_asked, HG_COLD_RAW_MAX + 64);
}

static void refused(struct hg_cold_head h, int rc, const char *words)
{
    struct holog_error_detail error;
    struct hg_cold_head out;
    uint8_t in[HG_COLD_HEAD_MAX];

    h.head_bytes = hg_cold_head_bytes(&h);
    hg_cold_head_encode(&h, in);
    cr_assert_eq(hg_cold_head_decode(in, h.head_bytes, &out), rc, "%s", words);
    hg_error_get(&error);
    cr_assert_not_null(strstr(error.message, words), "%s: %s", words, error.message);
}

Test(cold_damage, a_head_that_cannot_be_is_refused_by_name)
{
    struct hg_cold_head good = { .array = { 2, HG_ELEMENT_UNSIGNED, 2, { 20, 30 } },
                                 .filter = HG_FILTER_LIFT26,
                                 .codec = HG_CODEC_ZSTD,
                                 .flags = HG_COLD_MEANS,
                                 .axes = 2,
                                 .parts = 2 };
    struct hg_cold_head out;
    uint8_t in[HG_COLD_HEAD_MAX];

    good.head_bytes = hg_cold_head_bytes(&good);
    hg_cold_head_encode(&good, in);
    cr_assert_eq(hg_cold_head_decode(in, good.head_bytes, &out), HOLOG_OK);
    cr_assert_eq(out.raw_bytes, 1200);
#define REFUSED(field, value, rc, words) \
    do {                                 \
        struct hg_cold_head bad = good;  \
        bad.field = value;               \
        refused(bad, rc, words);         \
    } while (0)
    REFUSED(filter, HG_FILTERS, HOLOG_E_NOTSUP, "later version");
    REFUSED(codec, HG_CODECS, HOLOG_E_NOTSUP, "later version");
    REFUSED(flags, 0x40, HOLOG_E_NOTSUP, "later version");
    REFUSED(flags, HG_COLD_BOXED, HOLOG_E_CORRUPT, "flags");
    REFUSED(array.size, 3, HOLOG_E_CORRUPT, "shape");
    REFUSED(array.kind, HG_ELEMENT_KINDS, HOLOG_E_CORRUPT, "shape");
    REFUSED(array.n[0], 0, HOLOG_E_CORRUPT, "shape");
    REFUSED(array.n[1], UINT32_MAX, HOLOG_E_CORRUPT, "shape");
    REFUSED(axes, 0, HOLOG_E_CORRUPT, "axes");
    REFUSED(axes, 3, HOLOG_E_CORRUPT, "axes");
    REFUSED(filter, HG_FILTER_LEFT, HOLOG_E_CORRUPT, "axes");
    REFUSED(filter, HG_FILTER_LORENZO, HOLOG_E_CORRUPT, "parts");
    REFUSED(flags, HG_COLD_MEANS | HG_COLD_DIFFERENCE | HG_COLD_AIDED, HOLOG_E_CORRUPT, "flags");
    REFUSED(flags, HG_COLD_AIDED, HOLOG_E_CORRUPT, "base");
    REFUSED(array.size, 1, HOLOG_E_CORRUPT, "flags");
    REFUSED(codec, HG_CODEC_SAME, HOLOG_E_CORRUPT, "codec");
#undef REFUSED
    for (size_t i = 4; i < 12; i++) { /* and under the wrong hash, all of them are damage */
        in[i] ^= 0x40;
        cr_assert_eq(hg_cold_head_decode(in, good.head_bytes, &out), HOLOG_E_CORRUPT);
        in[i] ^= 0x40;
    }
}

/* ---- memory --------------------------------------------------------------------------------------*/

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

static int there_and_back(const struct hg_cold_array *a, const uint8_t *raw,
                          const struct hg_cold_plan *plan)
{
    struct hg_coder *c = NULL;
    struct hg_buf block = { 0 };
    uint8_t *out = NULL;
    size_t n;
    int rc = hg_coder_create(&c);

    if (rc == HOLOG_OK)
        rc = hg_cold_encode(c, a, raw, plan, NULL, &block);
    if (rc == HOLOG_OK)
        rc = kit_decode(c, &block, NULL, &out, &n);
    free(out);
    hg_buf_release(&block);
    hg_coder_destroy(c);
    return rc;
}

Test(cold_damage, every_allocation_that_fails_is_reported_and_leaks_nothing)
{
    struct hg_cold_array a = { 4, HG_ELEMENT_FLOAT, 2, { 70, 80 } };
    uint8_t *raw = kit_array(&a, KIT_NOISE, 3);
    struct hg_cold_plan plan;

    for (unsigned i = 0; kit_plan(i, &plan); i++) {
        for (int at = 1;; at++) {
            struct nth n = { .at = at };
            hg_alloc_set_fault(fail_nth, &n);
            int rc = there_and_back(&a, raw, &plan);
            cr_assert_eq(hg_alloc_live(), 0, "filter %u: fault %d leaks", plan.filter, at);
            hg_alloc_set_fault(NULL, NULL);
            if (n.seen < at) {
                cr_assert_eq(rc, HOLOG_OK);
                break;
            }
            cr_assert_eq(rc, HOLOG_E_NOMEM, "filter %u codec %u: fault %d gave %d", plan.filter,
                         plan.codec, at, rc);
        }
    }
    free(raw);
}
