/*
 * A small segment that has everything: an array of four tiles, a difference from it, bytes, the same bytes, pages, a
 * source.
 */
#ifndef HOLOG_TESTS_COMPACTION_SMALL_H
#define HOLOG_TESTS_COMPACTION_SMALL_H

#include "kit.h"

#define SMALL_PAGES 3u
#define SMALL_SIDE  264u /* four tiles */

struct small {
    struct kit_value image; /* lifted */
    struct kit_value other; /* a difference from it */
    struct kit_value bytes;
    uint8_t page[SMALL_PAGES][HG_HWP_PAGE];
};

static inline struct small *small_make(void)
{
    struct small *s = calloc(1, sizeof *s);
    uint64_t seed = 21;

    cr_assert_not_null(s);
    s->image = (struct kit_value){ .birth = UINT64_C(0x300001000),
                                   .rank = 2,
                                   .n = { SMALL_SIDE, SMALL_SIDE },
                                   .size = 2,
                                   .fill = KIT_NOISE };
    kit_fill_value(&s->image, 8);
    for (uint64_t i = 0; i < s->image.len / 2; i++) {
        uint16_t e = (uint16_t)(1000 + i % SMALL_SIDE / 3 + i / SMALL_SIDE + kit_random(&seed) % 5 +
                                kit_random(&seed) % 7);
        memcpy(s->image.raw + 2 * i, &e, 2);
    }
    s->other = s->image;
    s->other.birth = UINT64_C(0x300002000);
    s->other.raw = malloc(s->other.len);
    memcpy(s->other.raw, s->image.raw, s->other.len);
    for (uint64_t i = 40; i < 400; i += 30)
        s->other.raw[i] ^= 5;
    s->bytes = (struct kit_value){
        .birth = UINT64_C(0x300003000), .rank = 99, .n = { 900 }, .size = 1, .fill = KIT_STEPS
    };
    kit_fill_value(&s->bytes, 9);
    for (unsigned i = 0; i < SMALL_PAGES; i++)
        for (unsigned b = 0; b < 300; b++)
            s->page[i][1000 * i + b] = (uint8_t)(b * 7 + i);
    return s;
}

static inline void small_free(struct small *s)
{
    free(s->image.raw);
    free(s->other.raw);
    free(s->bytes.raw);
    free(s);
}

static inline int small_fill(struct hg_hwp_writer *w, void *ctx)
{
    const struct small *s = ctx;
    const struct hg_hwp_base base = { s->image.birth, s->image.raw };
    const struct hg_hwp_source source = { 3, HG_KIND_EXTENTS, 77 };
    int rc = kit_add(w, &s->image, 1, NULL);

    if (rc == HOLOG_OK)
        rc = kit_add(w, &s->other, 1, &base);
    if (rc == HOLOG_OK)
        rc = kit_add(w, &s->bytes, 0, NULL);
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_same(w, s->bytes.birth + 8, s->bytes.birth);
    for (unsigned i = 0; rc == HOLOG_OK && i < SMALL_PAGES; i++) {
        const struct hg_hwp_run runs[] = { { 1000 * i, 100, s->page[i] + 1000 * i },
                                           { 1000 * i + 120, 180, s->page[i] + 1000 * i + 120 } };
        rc = hg_hwp_add_page(w, 4, i, runs, 2);
    }
    return rc < 0 ? rc : hg_hwp_add_source(w, &source);
}

static inline struct kit_file *small_file(struct small *s)
{
    struct kit_plan p = { .profile = HG_PROFILE_DEFAULT, .fill = small_fill, .ctx = s };
    struct kit_file *f = kit_make(&p);

    for (unsigned i = 0; i < SMALL_PAGES; i++) /* the gaps are not kept */
        memset(s->page[i] + 1000 * i + 100, 0, 20);
    return f;
}

/* Reads one value. 1: it is what it should be; 0: an error that is allowed. Anything else fails the test. */
static inline int small_reads(struct hg_hwp *h, const struct kit_value *v, const char *where)
{
    const struct hg_hwp_value *it = hg_hwp_find(h, v->birth);
    uint8_t *out;
    int rc;

    if (it == NULL || it->len != v->len)
        return 0;
    out = malloc(v->len);
    rc = hg_hwp_read(h, it, 0, v->len, out, NULL);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP, "%s: %d", where, rc);
    if (rc == HOLOG_OK)
        cr_assert_eq(memcmp(out, v->raw, v->len), 0, "%s: other bytes", where);
    free(out);
    return rc == HOLOG_OK;
}

static inline int small_reads_page(struct hg_hwp *h, const struct small *s, unsigned i,
                                   const char *where)
{
    static uint8_t out[HG_HWP_PAGE];
    const struct hg_hwp_page *p = hg_hwp_find_page(h, 4, i);
    int rc;

    if (p == NULL)
        return 0;
    rc = hg_hwp_read_page(h, p, out);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP, "%s: %d", where, rc);
    if (rc == HOLOG_OK)
        cr_assert_eq(memcmp(out, s->page[i], HG_HWP_PAGE), 0, "%s: another page", where);
    return rc == HOLOG_OK;
}

/* How many of the seven things that there are can be read. */
static inline unsigned small_check(struct hg_hwp *h, const struct small *s, const char *where)
{
    struct kit_value same = s->bytes;
    unsigned n = 0;

    same.birth += 8;
    n += (unsigned)small_reads(h, &s->image, where);
    n += (unsigned)small_reads(h, &s->other, where);
    n += (unsigned)small_reads(h, &s->bytes, where);
    n += (unsigned)small_reads(h, &same, where);
    for (unsigned i = 0; i < SMALL_PAGES; i++)
        n += (unsigned)small_reads_page(h, s, i, where);
    return n;
}
#define SMALL_THINGS 7u

#endif
