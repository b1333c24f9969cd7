/* Damage is found, and told where it is; nothing wrong is ever returned. */
#include "base/byteorder.h"
#include "compaction/hwp_census.h"
#include "small.h"

/* A sanitizer makes each byte ten times as dear. */
static size_t step(void)
{
    return getenv("HOLOG_SANITIZER") != NULL ? 11 : 1;
}

static int open_it(const struct kit_file *f, struct hg_hwp **out)
{
    struct hg_hwp_from from = kit_from(f);

    return hg_hwp_open(&from, out);
}

/* One byte is another: what of it is read is right, and to verify finds it. */
static void flip(struct kit_file *f, const struct small *s, size_t at, uint8_t mask)
{
    struct hg_hwp_verify how = { 0 };
    struct hg_hwp *h = NULL;
    char where[40];
    int rc;

    (void)snprintf(where, sizeof where, "byte %zu ^ %02x", at, mask);
    f->data[at] ^= mask;
    rc = open_it(f, &h);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT, "%s: %d", where, rc);
    if (rc == HOLOG_OK) {
        unsigned read = small_check(h, s, where);
        cr_assert_lt(read, SMALL_THINGS, "%s: not seen", where);
        cr_assert_geq(read, 3, "%s: only %u can be read", where, read);
        cr_assert_eq(hg_hwp_verify(h, &how), HOLOG_E_CORRUPT, "%s", where);
        hg_hwp_close(h);
    }
    f->data[at] ^= mask;
}

Test(hwp_damage, of_every_byte_is_found_and_nothing_wrong_returned)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp *h = kit_open_file(f);

    cr_assert_eq(small_check(h, s, "undamaged"), SMALL_THINGS);
    cr_assert_geq(hg_hwp_tables(h)->group[0].slots, 4); /* lifted */
    hg_hwp_close(h);
    for (size_t at = 0; at < f->size; at += step())
        flip(f, s, at, (uint8_t)(1u << at % 8));
    kit_file_free(f);
    small_free(s);
}

static int count(void *ctx, const struct hg_hwp_verdict *d)
{
    unsigned *n = ctx;

    cr_assert_eq(d->rc, HOLOG_E_CORRUPT);
    ++*n;
    return 0;
}

Test(hwp_damage, is_told_group_by_group_with_its_place)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_tables *t = hg_hwp_tables(h);
    unsigned n = 0;
    struct hg_hwp_verify how = { .ctx = &n, .damage = count };
    struct holog_error_detail d;
    uint8_t out[10];
    uint8_t *all = malloc(s->other.len);

    cr_assert_eq(t->count[HG_HWP_GROUPS], 4);
    for (size_t i = 0; i < 4;
         i += 2) /* the image, which another is and the difference is one of, and the bytes */
        f->data[t->group[i].offset + t->group[i].heads_len + 3] ^= 1;
    cr_assert_eq(hg_hwp_verify(h, &how), HOLOG_E_CORRUPT);
    cr_assert_eq(n, 4);
    cr_assert_eq(hg_hwp_read(h, hg_hwp_find(h, s->bytes.birth), 0, 10, out, NULL), HOLOG_E_CORRUPT);
    hg_error_get(&d);
    cr_assert_eq(d.segment, KIT_ID);
    cr_assert_eq(d.offset, t->group[2].offset + t->group[2].heads_len);
    cr_assert_eq(hg_hwp_read(h, hg_hwp_find(h, s->other.birth), 0, s->other.len, all, NULL),
                 HOLOG_E_CORRUPT);
    hg_error_get(&d); /* of the base */
    cr_assert_eq(d.offset, t->group[0].offset + t->group[0].heads_len);
    free(all);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

Test(hwp_damage, a_file_that_is_cut_anywhere_does_not_open)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);

    for (size_t len = 0; len < f->size; len += step()) {
        struct kit_file *cut = kit_file_of(malloc(len + 1), len);
        struct hg_hwp *h = NULL;
        memcpy(cut->data, f->data, len);
        cr_assert_eq(open_it(cut, &h), HOLOG_E_CORRUPT, "%zu bytes", len);
        kit_file_free(cut);
    }
    kit_file_free(f);
    small_free(s);
}

Test(hwp_damage, a_file_that_is_cut_while_it_is_open_is_seen)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp *h = kit_open_file(f);
    size_t size = f->size;

    f->size = 4096;
    cr_assert_eq(small_check(h, s, "cut"), 0);
    f->size = size;
    cr_assert_eq(small_check(h, s, "whole again"), SMALL_THINGS);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

static int fill_twins(struct hg_hwp_writer *w, void *ctx)
{
    int rc = hg_hwp_add_value(w, 1, NULL, ctx, 1000, NULL);

    return rc < 0 ? rc : hg_hwp_add_value(w, 2, NULL, (uint8_t *)ctx + 1000, 1000, NULL);
}

/* Each head and part has its hash, but is not what the tables say. */
Test(hwp_damage, a_group_in_the_place_of_another_is_seen)
{
    uint8_t noise[2000];
    uint8_t out[1000];
    uint64_t seed = 6;
    struct kit_plan p = { .fill = fill_twins, .ctx = noise };

    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)kit_random(&seed);
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_group *g = hg_hwp_tables(h)->group;
    uint64_t stored = hg_hwp_group_stored(g);
    cr_assert_eq(stored, hg_hwp_group_stored(g + 1)); /* noise is stored as it is */
    uint8_t *first = malloc(stored);
    memcpy(first, f->data + g[0].offset, stored);
    memcpy(f->data + g[0].offset, f->data + g[1].offset, stored);
    memcpy(f->data + g[1].offset, first, stored);
    cr_assert_eq(hg_hwp_read(h, hg_hwp_find(h, 1), 0, 1000, out, NULL), HOLOG_E_CORRUPT);
    cr_assert_eq(hg_hwp_read(h, hg_hwp_find(h, 2), 0, 1000, out, NULL), HOLOG_E_CORRUPT);
    free(first);
    hg_hwp_close(h);
    kit_file_free(f);
}

/* ---- signed anew ---------------------------------------------------------------------------------*/

/* The hashes of tables and footer are made right again. */
static void sign(struct kit_file *f, struct hg_hwp_footer *footer)
{
    for (unsigned i = 0; i < HG_HWP_TABLES; i++)
        footer->table[i].hash = hg_hash128(f->data + footer->table[i].offset, footer->table[i].len);
    hg_hwp_footer_encode(footer, f->data + f->size - HG_HWP_FOOTER_SIZE);
}

static struct hg_hwp_footer footer_of(const struct kit_file *f)
{
    struct hg_hwp_footer footer;

    OK(hg_hwp_footer_decode(f->data + f->size - HG_HWP_FOOTER_SIZE, KIT_ID, f->size, &footer));
    return footer;
}

/* Whoever signs what cannot be is refused, or it does not matter; no read leaves its bounds. */
static void try_signed(struct kit_file *f, const struct small *s, size_t at, uint8_t value)
{
    struct hg_hwp_footer footer = footer_of(f);
    uint8_t was = f->data[at];
    struct hg_hwp *h = NULL;

    f->data[at] = value;
    sign(f, &footer);
    int rc = open_it(f, &h);
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT, "byte %zu: %d", at, rc);
    if (rc == HOLOG_OK) {
        struct hg_hwp_verify how = { 0 };
        int found = hg_hwp_verify(h, &how);
        cr_assert(found == HOLOG_OK || found == HOLOG_E_CORRUPT, "byte %zu: %d", at, found);
        for (size_t i = 0; i < hg_hwp_tables(h)->count[HG_HWP_VALUES]; i++) {
            const struct hg_hwp_value *v = &hg_hwp_tables(h)->value[i];
            uint8_t *out = malloc(v->len + 1);
            cr_assert_leq(v->len, s->image.len, "byte %zu: a value grew", at);
            int read = hg_hwp_read(h, v, 0, v->len, out, NULL);
            cr_assert(read <= HOLOG_OK, "byte %zu", at);
            free(out);
        }
        hg_hwp_close(h);
    }
    f->data[at] = was;
    sign(f, &footer);
}

Test(hwp_damage, tables_that_are_signed_and_cannot_be_are_refused)
{
    static const uint8_t values[] = { 0, 1, 7, 0x7F, 0x80, 0xFF };
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp_footer footer = footer_of(f);

    for (size_t at = footer.table[0].offset; at < f->size - HG_HWP_FOOTER_SIZE; at += step())
        for (size_t i = 0; i < sizeof values; i++)
            try_signed(f, s, at, values[i]);
    kit_file_free(f);
    small_free(s);
}

/* A field of the tables that must be as it is: patched, signed, refused. */
static void refused(enum hg_hwp_table table, size_t entry, size_t at, unsigned width,
                    uint64_t value)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp_footer footer = footer_of(f);
    struct hg_hwp *h = NULL;

    memcpy(f->data + footer.table[table].offset + entry * hg_hwp_entry_size(table) + at, &value,
           width);
    sign(f, &footer);
    cr_assert_eq(open_it(f, &h), HOLOG_E_CORRUPT, "table %d entry %zu byte %zu", (int)table, entry,
                 at);
    kit_file_free(f);
    small_free(s);
}

Test(hwp_damage, each_rule_of_the_tables_is_kept)
{
    refused(HG_HWP_GROUPS, 0, 0, 8, 8192);       /* not where the header ends */
    refused(HG_HWP_GROUPS, 0, 8, 8, 4);          /* raw bytes that its shape does not make */
    refused(HG_HWP_GROUPS, 0, 24, 4, 0);         /* heads of no length */
    refused(HG_HWP_GROUPS, 0, 28, 4, 3);         /* tiles */
    refused(HG_HWP_GROUPS, 0, 64, 1, 9);         /* slots */
    refused(HG_HWP_GROUPS, 3, 65, 1, 2);         /* kind */
    refused(HG_HWP_GROUPS, 1, 66, 1, 1);         /* zero */
    refused(HG_HWP_VALUES, 0, 0, 8, 0);          /* birth */
    refused(HG_HWP_VALUES, 0, 0, 8, UINT64_MAX); /* order */
    refused(HG_HWP_VALUES, 0, 8, 8, 10);         /* length */
    refused(HG_HWP_VALUES, 1, 16, 8, UINT64_C(0x300003000)); /* base of another shape */
    refused(HG_HWP_VALUES, 1, 16, 8, 0);                     /* no base */
    refused(HG_HWP_VALUES, 1, 32, 4, 0);                     /* another's group */
    refused(HG_HWP_VALUES, 0, 36, 4, 2);                     /* groups */
    refused(HG_HWP_VALUES, 0, 40, 1, 96);                    /* csum */
    refused(HG_HWP_VALUES, 0, 41, 1, 12);                    /* flags */
    refused(HG_HWP_VALUES, 0, 42, 1, 3);                     /* element */
    refused(HG_HWP_VALUES, 0, 43, 1, 5);                     /* rank */
    refused(HG_HWP_VALUES, 0, 44, 1, 1);                     /* zero */
    refused(HG_HWP_VALUES, 0, 48, 8, UINT64_C(1) << 60);
    refused(HG_HWP_VALUES, 3, 16, 8, UINT64_C(0x300001000)); /* the same as what is longer */
    refused(HG_HWP_PAGES, 0, 0, 4, 0);
    refused(HG_HWP_PAGES, 1, 4, 4, 0);  /* twice */
    refused(HG_HWP_PAGES, 0, 8, 4, 0);  /* no pool */
    refused(HG_HWP_PAGES, 1, 12, 4, 0); /* over another */
    refused(HG_HWP_PAGES, 2, 16, 4, 1); /* less than the pool */
    refused(HG_HWP_SOURCES, 0, 0, 4, 0);
    refused(HG_HWP_SOURCES, 0, 4, 4, 9);
}

/* ---- later versions ------------------------------------------------------------------------------*/

/* A head with another filter, and all hashes above it made right. */
static void change_head(struct kit_file *f, size_t group, size_t at_in_head, uint8_t value)
{
    struct hg_hwp_footer footer = footer_of(f);
    uint8_t *entry = f->data + footer.table[HG_HWP_GROUPS].offset + group * HG_HWP_GROUP_SIZE;
    uint8_t *heads = f->data + hg_get_le64(entry);
    uint32_t heads_len = hg_get_le32(entry + 24);
    struct hg_cold_head head;

    OK(hg_cold_head_decode(heads, heads_len, &head));
    heads[at_in_head] = value;
    hg_put_le64(heads + head.head_bytes - 8, hg_hash64(heads, head.head_bytes - 8));
    hg_put_le64(entry + 16, hg_hash64(heads, heads_len));
    sign(f, &footer);
}

Test(hwp_damage, a_tile_of_a_later_version_is_not_read_and_others_are)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp_verify how = { 0 };
    uint16_t out[256 * 8];

    change_head(f, 0, 4, 99); /* the filter of the image's first tile */
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_value *v = hg_hwp_find(h, s->image.birth);
    struct hg_hwp_box second = { { 0, 0, 0, 256 }, { 1, 1, 256, 8 } };
    struct hg_hwp_box first = { { 0 }, { 1, 1, 9, 12 } };
    cr_assert_eq(hg_hwp_region(h, v, &first, 0, out, NULL), HOLOG_E_NOTSUP);
    cr_assert_eq(hg_hwp_region(h, v, &first, 1, out, NULL), HOLOG_E_NOTSUP);
    OK(hg_hwp_region(h, v, &second, 0, out, NULL));
    for (size_t y = 0; y < 256; y++)
        cr_assert_arr_eq(out + 8 * y, s->image.raw + (y * SMALL_SIDE + 256) * 2, 16);
    cr_assert_eq(small_check(h, s, "later"), SMALL_THINGS - 2); /* nor its difference */
    cr_assert_eq(hg_hwp_verify(h, &how), HOLOG_E_NOTSUP);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

/* ---- how blocks are coded ------------------------------------------------------------------------*/

static struct hg_hwp_count sum_of(const struct hg_hwp_census *c)
{
    struct hg_hwp_count n = { 0 };

    for (unsigned kind = 0; kind < 2; kind++) {
        const struct hg_hwp_count *one = &c->coded[kind].by[0][0];
        size_t ways = (size_t)HG_FILTERS * HG_CODECS + 2; /* and those that have none */
        for (size_t i = 0; i < ways; i++) {
            n.blocks += one[i].blocks;
            n.differences += one[i].differences;
            n.raw += one[i].raw;
            n.stored += one[i].stored;
        }
    }
    return n;
}
_Static_assert(sizeof(struct hg_hwp_coded) ==
                   sizeof(struct hg_hwp_count) * (HG_FILTERS * HG_CODECS + 2),
               "nothing lies between");

/* Whatever has happened, all blocks are somewhere. */
static void has_all(struct hg_hwp *h, const struct hg_hwp_census *c)
{
    struct hg_hwp_count n = sum_of(c);

    cr_assert_eq(n.raw, hg_hwp_footer(h)->raw);
    cr_assert_eq(n.stored, hg_hwp_footer(h)->stored);
    cr_assert_eq(n.blocks, 4u + 4u + 1u + 1u);
}

static void take_census(struct hg_hwp *h, unsigned *damages, struct hg_hwp_census *out)
{
    *damages = 0;
    *out = (struct hg_hwp_census){ .read = 0 };
    OK(hg_hwp_census(h, count, damages, out));
    has_all(h, out);
}

Test(hwp_damage, without_any_all_blocks_are_counted_by_their_heads)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp *h = kit_open_file(f);
    struct hg_hwp_census c;
    unsigned damages;

    take_census(h, &damages, &c);
    cr_assert_eq(damages, 0u);
    cr_assert(c.same_values == 1 && c.same_bytes == s->bytes.len);
    cr_assert_eq(c.coded[HG_HWP_POOL].by[HG_FILTER_NONE][HG_CODEC_ZSTD].blocks, 1u);
    cr_assert_geq(sum_of(&c).differences, 1u);
    cr_assert_leq(sum_of(&c).differences, 4u, "the image is none");
    cr_assert_eq(c.coded[0].later.blocks + c.coded[0].unreadable.blocks, 0u);
    OK(hg_hwp_census(h, NULL, NULL, &c)); /* is added */
    cr_assert_eq(sum_of(&c).stored, 2 * hg_hwp_footer(h)->stored);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

Test(hwp_damage, blocks_of_later_versions_are_counted_as_such)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp_census c;
    unsigned damages;

    change_head(f, 0, 4, 99); /* the filter of the image's first tile */
    struct hg_hwp *h = kit_open_file(f);
    take_census(h, &damages, &c);
    cr_assert_eq(damages, 0u);
    cr_assert_eq(c.coded[HG_HWP_TILES].later.blocks, 1u);
    cr_assert_eq(c.coded[HG_HWP_TILES].later.raw, (uint64_t)256 * 256 * 2);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

/* The tables are those of before: they are read when a segment is opened. */
Test(hwp_damage, of_heads_makes_the_blocks_of_one_group_unreadable_and_no_others)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_tables *t = hg_hwp_tables(h);
    struct hg_hwp_census sound;
    struct hg_hwp_census c;
    unsigned damages;

    take_census(h, &damages, &sound);
    for (size_t i = 0; i < t->count[HG_HWP_GROUPS]; i++) {
        const struct hg_hwp_group *g = &t->group[i];
        uint64_t end = g->offset + hg_hwp_group_stored(g);
        for (uint64_t at = g->offset; at < end; at += step()) {
            f->data[at] ^= 1;
            take_census(h, &damages, &c);
            f->data[at] ^= 1;
            if (at - g->offset < g->heads_len) {
                cr_assert_eq(damages, 1u, "byte %zu", (size_t)at);
                cr_assert_eq(c.coded[g->kind].unreadable.blocks, g->tiles);
            } else {
                cr_assert_eq(memcmp(&c, &sound, sizeof c), 0, "byte %zu", (size_t)at);
            }
        }
    }
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

/* The sector that cannot be read has heads of one group in it. */
static int read_but_one(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    struct kit_file *f = ctx;

    if (offset <= f->read && f->read < offset + len)
        return hg_error(HOLOG_E_IO, "a bad sector");
    *out_n = HG_MIN(len, f->size - (size_t)offset);
    memcpy(buf, f->data + offset, *out_n);
    return 0;
}

Test(hwp_damage, a_sector_that_cannot_be_read_makes_those_unreadable_whose_heads_it_has)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp_bytes bytes = { read_but_one, f, f->size };
    struct hg_hwp_from from = { .id = KIT_ID, .work = f->work, .bytes = &bytes };
    struct hg_hwp *h = NULL;
    struct hg_hwp_census c = { .read = 0 };

    f->read = UINT64_MAX;
    OK(hg_hwp_open(&from, &h));
    f->read = hg_hwp_tables(h)->group[0].offset;
    OK(hg_hwp_census(h, NULL, NULL, &c));
    has_all(h, &c);
    cr_assert_eq(c.coded[HG_HWP_TILES].unreadable.blocks, 4u, "the image's alone");
    cr_assert_eq(c.coded[HG_HWP_POOL].unreadable.blocks, 0u);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

/* ---- and features --------------------------------------------------------------------------------*/

static void opens_as(size_t at, uint8_t value, int code)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    uint8_t *footer = f->data + f->size - HG_HWP_FOOTER_SIZE;
    struct hg_hwp *h = NULL;

    footer[at] = value;
    struct hg_hash128 hash = hg_hash128(footer, 4080);
    hg_put_le64(footer + 4080, hash.lo);
    hg_put_le64(footer + 4088, hash.hi);
    cr_assert_eq(open_it(f, &h), code, "byte %zu of the footer", at);
    kit_file_free(f);
    small_free(s);
}

Test(hwp_damage, features_and_versions_that_are_not_known_refuse_the_segment)
{
    opens_as(8, 2, HOLOG_E_VERSION);
    opens_as(48, 1, HOLOG_E_VERSION);
    opens_as(55, 0x80, HOLOG_E_VERSION);
    opens_as(56, 3, HOLOG_E_CORRUPT);  /* profile */
    opens_as(12, 8, HOLOG_E_CORRUPT);  /* another segment's */
    opens_as(16, 0, HOLOG_E_CORRUPT);  /* epoch: not the header's */
    opens_as(24, 99, HOLOG_E_CORRUPT); /* uuid */
    opens_as(40, 0, HOLOG_E_CORRUPT);  /* salt */
    opens_as(60, 1, HOLOG_E_CORRUPT);
    opens_as(64, 1, HOLOG_E_CORRUPT);  /* raw bytes */
    opens_as(88, 1, HOLOG_E_CORRUPT);  /* offset of a table */
    opens_as(248, 0, HOLOG_E_CORRUPT); /* root */
    opens_as(300, 1, HOLOG_E_CORRUPT); /* zero */
}
