/*
 * Index checkpoints on the simulated disk: damaged byte by byte, forged with right hashes, failed at
 * every call and at every allocation, and crashed at every step. Whatever is left on the disk, a
 * load gives the newest sound checkpoint, whole, or says that there is none and why.
 *
 * Generation g of the index has the keys "k00000000" ... with locators that depend on g, so a mix of
 * two would be seen; so has its past, of every other of them. It keeps two commits and two tags.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/hash.h"
#include "engine/checkpoint.h"
#include "engine/past.h"
#include "io/sim.h"
#include "wal/record.h"

#define CHK(number) "chk/00000000000000" number ".hidx"
#define FEW_KEYS    40u
#define COMMITS_AT  319u /* in generation 2, as are those below */
#define TAGS_AT     (COMMITS_AT + 2 * 28)
#define PAGES_AT    (TAGS_AT + 2 * 81)
#define MANY_KEYS   30000u /* over a megabyte: more than one chunk of the file */

static const uint8_t uuid[16] = "0123456789abcdef";

/* ---- what is saved -------------------------------------------------------------------------------*/

static struct hg_locator locator_of(uint64_t g, uint32_t i)
{
    return (struct hg_locator){ .segment = i + 1,
                                .offset = 4096 + i * 8,
                                .size = g * 1000 + i,
                                .number = g,
                                .type = HG_ENTRY_BLOB,
                                .check = i & 0xffffff };
}

static size_t key_of(uint32_t i, char out[16])
{
    return (size_t)snprintf(out, 16, "k%08u", i);
}

/* Every other one, as what it was until then. */
static size_t past_key_of(uint32_t i, uint8_t out[32])
{
    size_t len = key_of(2 * i, (char *)out);
    memset(out + len, 0, HG_PAST_SUFFIX);
    out[len + 2] = 0xff;
    return len + HG_PAST_SUFFIX;
}

static int build_past(uint64_t g, uint32_t keys, struct hg_index **out_past)
{
    struct hg_index *ix = NULL;
    int rc = hg_index_create(NULL, 0, &ix);
    for (uint32_t i = 0; i < keys / 2 && rc == HOLOG_OK; i++) {
        uint8_t key[32];
        size_t len = past_key_of(i, key);
        struct hg_locator loc = locator_of(g + 1000, i);
        rc = hg_index_put(ix, key, len, &loc, NULL, NULL);
    }
    if (rc < 0)
        hg_index_destroy(ix);
    else
        *out_past = ix;
    return rc;
}

static int build_index(uint64_t g, uint32_t keys, struct hg_index **out_index)
{
    struct hg_index *ix = NULL;
    int rc = hg_index_create(NULL, 0, &ix);
    for (uint32_t i = 0; i < keys && rc == HOLOG_OK; i++) {
        char key[16];
        size_t len = key_of(i, key);
        struct hg_locator loc = locator_of(g, i);
        rc = hg_index_put(ix, (const uint8_t *)key, len, &loc, NULL, NULL);
    }
    if (rc < 0)
        hg_index_destroy(ix);
    else
        *out_index = ix;
    return rc;
}

static int build_timeline(uint64_t g, struct hg_checkpoint *c)
{
    int rc = HOLOG_OK;
    for (uint64_t i = g > 1 ? g - 1 : 1; i <= g && rc == HOLOG_OK; i++) {
        struct hg_moment m = { .number = i,
                               .time_ns = 1600000000 + i,
                               .frame = hg_pos_make((uint32_t)i, 4096),
                               .len = 100 + (uint32_t)i };
        rc = hg_buf_append(&c->moments, &m, sizeof m);
    }
    for (uint64_t i = 0; i < 2 && rc == HOLOG_OK; i++) {
        struct hg_tag t = { .number = i == 0 ? g : 1, .time_ns = g + i };
        if (i == 0)
            memset(t.name, 'a', HG_TAG_NAME_MAX);
        else
            memcpy(t.name, "v1.0", 4);
        rc = hg_buf_append(&c->tags, &t, sizeof t);
    }
    return rc;
}

static int build_checkpoint(uint64_t g, struct hg_checkpoint *out)
{
    struct hg_checkpoint c = {
        .covered = hg_pos_make((uint32_t)g, 8192),
        .last_hash = g * 0x1111111111111111u,
        .last_len = 123 + g,
        .number = g,
        .time_ns = 1700000000 + g,
        .highest_number = g + 5,
        .live_key_bytes = g * 10,
        .live_value_bytes = g * 100,
        .directories = g * 3,
        .root_number = g - 1,
        .horizon = g - 1,
        .past_bytes = g * 7,
    };
    memcpy(c.uuid, uuid, sizeof uuid);
    int rc = hg_buf_append(&c.settings, "\x04name\x03one", 9);
    for (uint32_t i = 1; i <= 3 && rc == HOLOG_OK; i++) {
        struct hg_segment_entry e;
        memset(&e, 0, sizeof e);
        e.segment = i;
        e.kind = i == 2 ? HG_KIND_EXTENTS : HG_KIND_FRAMES;
        e.used = g * 4096 + i;
        rc = hg_buf_append(&c.segments, &e, sizeof e);
    }
    if (rc == HOLOG_OK)
        rc = build_timeline(g, &c);
    if (rc < 0)
        hg_checkpoint_release(&c);
    else
        *out = c;
    return rc;
}

static int write_generation(struct hg_io *io, uint64_t g, uint32_t keys)
{
    struct hg_index *ix = NULL;
    struct hg_index *past = NULL;
    struct hg_checkpoint c = { 0 };
    int rc = build_index(g, keys, &ix);
    if (rc == HOLOG_OK)
        rc = build_past(g, keys, &past);
    if (rc == HOLOG_OK)
        rc = build_checkpoint(g, &c);
    if (rc == HOLOG_OK) {
        struct hg_root *root = hg_index_freeze(ix);
        struct hg_root *past_root = hg_index_freeze(past);
        rc = hg_checkpoint_write(io, &c, root, past_root);
        hg_root_put(root);
        hg_root_put(past_root);
        hg_checkpoint_release(&c);
    }
    if (ix != NULL)
        hg_index_destroy(ix);
    if (past != NULL)
        hg_index_destroy(past);
    return rc;
}

static void expect_past(const struct hg_index *past, uint64_t g, uint32_t keys)
{
    struct hg_locator loc;
    cr_assert_eq(hg_index_count(past), keys / 2);
    for (uint32_t i = 0; i < keys / 2; i++) {
        uint8_t key[32];
        size_t len = past_key_of(i, key);
        cr_assert_eq(hg_index_get(past, key, len, &loc), 0, "key %u of the past is missing", i);
        cr_assert(loc.number == g + 1000 && loc.offset == 4096 + i * 8);
    }
}

static void expect_index(const struct hg_index *ix, uint64_t g, uint32_t keys)
{
    struct hg_locator loc;
    for (uint32_t i = 0; i < keys; i++) {
        char key[16];
        size_t len = key_of(i, key);
        struct hg_locator want = locator_of(g, i);
        cr_assert_eq(hg_index_get(ix, (const uint8_t *)key, len, &loc), 0, "key %u is missing", i);
        cr_assert(loc.segment == want.segment && loc.offset == want.offset &&
                      loc.size == want.size && loc.number == want.number &&
                      loc.check == want.check && loc.type == want.type,
                  "key %u has another locator", i);
    }
}

static int load(struct hg_io *io, const uint8_t *of, uint64_t max_number, struct hg_index *ix,
                struct hg_index *past, struct hg_checkpoint *out, char note[160])
{
    const struct hg_checkpoint_bounds b = { .uuid = of, .max_number = max_number };

    return hg_checkpoint_load(io, &b, ix, past, out, note);
}

static int check(struct hg_io *io, const char *name)
{
    const struct hg_checkpoint_at at = { .name = name };

    return hg_checkpoint_check(io, &at);
}

static void expect_fields(const struct hg_checkpoint *c, uint64_t g, uint32_t keys)
{
    struct hg_checkpoint want = { 0 };
    cr_assert_eq(build_checkpoint(g, &want), 0);
    cr_assert_eq(memcmp(c->uuid, want.uuid, 16), 0);
    cr_assert_eq(c->covered, want.covered);
    cr_assert_eq(c->last_hash, want.last_hash);
    cr_assert_eq(c->last_len, want.last_len);
    cr_assert_eq(c->number, want.number);
    cr_assert_eq(c->time_ns, want.time_ns);
    cr_assert_eq(c->highest_number, want.highest_number);
    cr_assert_eq(c->keys, keys);
    cr_assert_eq(c->live_key_bytes, want.live_key_bytes);
    cr_assert_eq(c->live_value_bytes, want.live_value_bytes);
    cr_assert_eq(c->directories, want.directories);
    cr_assert_eq(c->root_number, want.root_number);
    cr_assert(c->settings.len == want.settings.len &&
              memcmp(c->settings.data, want.settings.data, want.settings.len) == 0);
    cr_assert_eq(c->segments.len, want.segments.len);
    for (size_t at = 0; at < want.segments.len; at += sizeof(struct hg_segment_entry)) {
        struct hg_segment_entry a, b;
        memcpy(&a, c->segments.data + at, sizeof a);
        memcpy(&b, want.segments.data + at, sizeof b);
        cr_assert(a.segment == b.segment && a.kind == b.kind && a.used == b.used);
    }
    cr_assert_eq(c->horizon, want.horizon);
    cr_assert_eq(c->past_bytes, want.past_bytes);
    cr_assert(c->moments.len == want.moments.len &&
              memcmp(c->moments.data, want.moments.data, want.moments.len) == 0);
    cr_assert(c->tags.len == want.tags.len &&
              memcmp(c->tags.data, want.tags.data, want.tags.len) == 0);
    hg_checkpoint_release(&want);
}

static void expect_empty(struct hg_index *ix)
{
    struct hg_root *root = hg_index_freeze(ix);
    cr_assert_eq(hg_root_count(root), 0);
    cr_assert_eq(hg_root_check(root), 0);
    hg_root_put(root);
}

/* Load, and check all of what was loaded: the generation, or 0 when there is none. Negative: another
 * failure. keys: of every generation. */
static int load_any(struct hg_io *io, uint64_t max_number, uint32_t keys, char note[160])
{
    struct hg_index *ix = NULL;
    struct hg_index *past = NULL;
    struct hg_checkpoint c = { 0 };
    int rc = hg_index_create(NULL, 0, &ix);
    if (rc == HOLOG_OK)
        rc = hg_index_create(NULL, 0, &past);
    if (rc < 0)
        return rc;
    rc = load(io, uuid, max_number, ix, past, &c, note);
    if (rc == HOLOG_OK) {
        struct hg_root *root = hg_index_freeze(ix);
        cr_assert_eq(hg_root_count(root), keys);
        cr_assert_eq(hg_root_check(root), 0);
        hg_root_put(root);
        root = hg_index_freeze(past);
        cr_assert_eq(hg_root_check(root), 0);
        hg_root_put(root);
        expect_index(ix, c.number, keys);
        expect_past(past, c.number, keys);
        expect_fields(&c, c.number, keys);
        rc = (int)c.number;
        hg_checkpoint_release(&c);
    } else {
        cr_assert_null(c.settings.data, "an output was touched on failure");
        expect_empty(ix);
        expect_empty(past);
    }
    hg_index_destroy(ix);
    hg_index_destroy(past);
    return rc == HOLOG_E_NOENT ? 0 : rc;
}

/* ---- runs ----------------------------------------------------------------------------------------*/

static int run_on(struct hg_sim *sim, int (*scenario)(struct hg_io *io, void *ctx), void *ctx)
{
    return hg_sim_run(sim, scenario, ctx);
}

static void on_fresh_sim(int (*scenario)(struct hg_io *io, void *ctx))
{
    const struct hg_sim_options o = { .seed = 1, .no_trace = 1 };
    struct hg_sim *sim = NULL;
    cr_assert_eq(hg_sim_create(&o, &sim), 0);
    cr_assert_eq(run_on(sim, scenario, sim), 0);
    hg_sim_destroy(sim);
}

static int make_chk(struct hg_io *io)
{
    int rc = io->ops->mkdir(io, "chk");
    if (rc == HOLOG_OK)
        rc = io->ops->sync_dir(io, "");
    return rc;
}

static int write_two(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    int rc = make_chk(io);
    if (rc == HOLOG_OK)
        rc = write_generation(io, 1, FEW_KEYS);
    if (rc == HOLOG_OK)
        rc = write_generation(io, 2, FEW_KEYS);
    return rc;
}

/* A disk with generations 1 and 2. */
static struct hg_sim *sim_with_two(void)
{
    const struct hg_sim_options o = { .seed = 1, .no_trace = 1 };
    struct hg_sim *sim = NULL;
    cr_assert_eq(hg_sim_create(&o, &sim), 0);
    cr_assert_eq(run_on(sim, write_two, NULL), 0);
    return sim;
}

struct load {
    uint64_t max_number;
    int got;
    char note[160];
};

static int load_on(struct hg_io *io, void *ctx)
{
    struct load *l = ctx;
    l->got = load_any(io, l->max_number, FEW_KEYS, l->note);
    return 0;
}

static struct load load_from(struct hg_sim *sim)
{
    struct load l = { .max_number = UINT64_MAX, .got = -1 };
    cr_assert_eq(run_on(sim, load_on, &l), 0);
    return l;
}

struct check {
    const char *name;
    int rc;
};

static int check_on(struct hg_io *io, void *ctx)
{
    struct check *c = ctx;
    c->rc = check(io, c->name);
    return 0;
}

static int check_from(struct hg_sim *sim, const char *name)
{
    struct check c = { name, 1 };
    cr_assert_eq(run_on(sim, check_on, &c), 0);
    return c.rc;
}

/* ---- good ones -----------------------------------------------------------------------------------*/

static int round_trip(struct hg_io *io, void *ctx)
{
    char note[160] = "x";
    HG_UNUSED(ctx);
    cr_assert_eq(make_chk(io), 0);
    cr_assert_eq(load_any(io, UINT64_MAX, 0, note), 0);
    cr_assert_str_eq(note, "none");
    cr_assert_eq(write_generation(io, 3, 0), 0, "no keys at all");
    cr_assert_eq(load_any(io, UINT64_MAX, 0, note), 3);
    cr_assert_str_eq(note, "");
    cr_assert_eq(write_generation(io, 4, MANY_KEYS), 0);
    cr_assert_eq(load_any(io, UINT64_MAX, MANY_KEYS, NULL), 4);
    cr_assert_eq(check(io, CHK("04")), 0);
    cr_assert_eq(check(io, CHK("09")), HOLOG_E_NOENT);
    cr_assert_eq(load_any(io, 3, 0, note), 3, "the newest is above the limit");
    cr_assert_eq(load_any(io, 2, 0, note), 0);
    cr_assert_str_eq(note, "none");
    return 0;
}

Test(checkpoint, what_is_written_is_loaded)
{
    on_fresh_sim(round_trip);
}

static int same_number(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    cr_assert_eq(make_chk(io), 0);
    cr_assert_eq(write_generation(io, 7, 3), 0);
    cr_assert_eq(write_generation(io, 7, FEW_KEYS), 0);
    cr_assert_eq(load_any(io, UINT64_MAX, FEW_KEYS, NULL), 7);
    return 0;
}

Test(checkpoint, one_of_the_same_number_is_replaced)
{
    on_fresh_sim(same_number);
}

Test(checkpoint, every_field_is_where_the_format_says)
{
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    const uint8_t *d = hg_sim_file_data(sim, CHK("02"), &size);
    cr_assert_not_null(d);
    cr_assert_eq(memcmp(d, "HOLOGIDX", 8), 0);
    cr_assert_eq(hg_get_le32(d + 8), 2);
    cr_assert_eq(memcmp(d + 16, uuid, 16), 0);
    cr_assert_eq(hg_get_le64(d + 32), hg_pos_make(2, 8192));
    cr_assert_eq(hg_get_le64(d + 40), 0x2222222222222222u);
    cr_assert_eq(hg_get_le64(d + 48), 125);
    cr_assert_eq(hg_get_le64(d + 56), 2);
    cr_assert_eq(hg_get_le64(d + 64), 1700000002);
    cr_assert_eq(hg_get_le64(d + 72), FEW_KEYS);
    cr_assert_eq(hg_get_le64(d + 96), 7);
    uint32_t settings = hg_get_le32(d + 104);
    cr_assert_eq(settings, 9 + 1 + 5 + 1 + 8);
    cr_assert_eq(hg_get_le32(d + 108), 3);
    cr_assert_eq(hg_get_le64(d + 112), 20);
    cr_assert_eq(hg_get_le64(d + 120), 200);
    cr_assert_eq(hg_get_le64(d + 128), 6);
    cr_assert_eq(hg_get_le64(d + 136), FEW_KEYS / 2);
    cr_assert_eq(hg_get_le64(d + 144), 1);
    cr_assert_eq(hg_get_le64(d + 160), 14);
    cr_assert_eq(hg_get_le64(d + 168), 1);
    cr_assert_eq(hg_get_le32(d + 176), 2);
    cr_assert_eq(hg_get_le32(d + 180), 2);
    for (size_t i = 184; i < 240; i++)
        cr_assert_eq(d[i], 0);
    struct hg_hash128 h = hg_hash128(d, 240);
    cr_assert(hg_get_le64(d + 240) == h.lo && hg_get_le64(d + 248) == h.hi);
    cr_assert_eq(memcmp(d + 256, "\x05\x01root\x08\x01\0\0\0\0\0\0\0\x04name\x03one", 24), 0);
    const uint8_t *segment = d + 256 + settings;
    cr_assert(hg_get_le32(segment + 13) == 2 && segment[17] == HG_KIND_EXTENTS &&
              hg_get_le64(segment + 18) == 8194);
    const uint8_t *commit = segment + 3 * 13;
    cr_assert(hg_get_le64(commit + 28) == 2 && hg_get_le64(commit + 36) == 1600000002 &&
              hg_get_le64(commit + 44) == hg_pos_make(2, 4096) && hg_get_le32(commit + 52) == 102);
    const uint8_t *tag = commit + 2 * 28;
    cr_assert(hg_get_le64(tag) == 2 && hg_get_le64(tag + 8) == 2 && tag[16] == 64);
    cr_assert(tag[81 + 16] == 4 && memcmp(tag + 81 + 17, "v1.0\0", 5) == 0);
    cr_assert_eq(tag + 2 * 81 - d, PAGES_AT);
    cr_assert_eq(size, PAGES_AT + hg_get_le64(d + 88) + hg_get_le64(d + 152) + 16);
    h = hg_hash128(d + 256, size - 256 - 16);
    cr_assert(hg_get_le64(d + size - 16) == h.lo && hg_get_le64(d + size - 8) == h.hi);
    hg_sim_destroy(sim);
}

/* ---- names and what is kept ----------------------------------------------------------------------*/

static int exists(struct hg_io *io, const char *name)
{
    int there = 0;
    cr_assert_eq(io->ops->exists(io, name, &there), 0);
    return there;
}

static int kept(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    HG_UNUSED(sim);
    cr_assert_eq(write_generation(io, 1, 5), 0, "chk/ is made when it is missing");
    for (uint64_t g = 2; g <= 5; g++)
        cr_assert_eq(write_generation(io, g, 5), 0);
    cr_assert(exists(io, CHK("05")) && exists(io, CHK("04")));
    cr_assert_not(exists(io, CHK("03")));
    cr_assert_eq(write_generation(io, 3, 5), 0, "the log was cut: numbers went back");
    cr_assert(exists(io, CHK("03")));
    cr_assert_not(exists(io, CHK("05")), "of a log that is no more");
    cr_assert_not(exists(io, CHK("04")));
    cr_assert_not(exists(io, "chk/new.tmp"));
    return 0;
}

Test(checkpoint, the_newest_two_are_kept_and_none_of_a_log_that_was_cut)
{
    on_fresh_sim(kept);
}

Test(checkpoint, other_names_are_not_looked_at)
{
    static const char *const names[] = {
        "chk/0000000000000009.tmp",   "chk/000000000000009.hidx",
        "chk/0000000000000009.hidx~", "chk/000000000000000G.hidx",
        "chk/000000000000000A.hidx",  "chk/new.tmp",
        "chk/00000000000000009.hidx", "chk/x",
    };
    struct hg_sim *sim = sim_with_two();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_assert_eq(hg_sim_file_put(sim, names[i], "garbage", 7), 0);
    struct load l = load_from(sim);
    cr_assert_eq(l.got, 2);
    cr_assert_str_eq(l.note, "");
    hg_sim_destroy(sim);
}

Test(checkpoint, one_under_another_number_is_not_taken)
{
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    const uint8_t *d = hg_sim_file_data(sim, CHK("02"), &size);
    uint8_t *copy = malloc(size);
    memcpy(copy, d, size);
    cr_assert_eq(hg_sim_file_put(sim, CHK("03"), copy, size), 0);
    struct load l = load_from(sim);
    cr_assert_eq(l.got, 2);
    cr_assert_not_null(strstr(l.note, "number"), "%s", l.note);
    free(copy);
    hg_sim_destroy(sim);
}

static int other_store(struct hg_io *io, void *ctx)
{
    struct hg_index *ix = NULL;
    struct hg_checkpoint c = { 0 };
    char note[160];
    HG_UNUSED(ctx);
    cr_assert_eq(write_generation(io, 2, FEW_KEYS), 0);
    cr_assert_eq(hg_index_create(NULL, 0, &ix), 0);
    cr_assert_eq(load(io, (const uint8_t *)"another store 16", UINT64_MAX, ix, NULL, &c, note),
                 HOLOG_E_NOENT);
    cr_assert_not_null(strstr(note, "another store"), "%s", note);
    expect_empty(ix);
    hg_index_destroy(ix);
    return 0;
}

Test(checkpoint, one_of_another_store_is_not_taken)
{
    on_fresh_sim(other_store);
}

/* ---- damage --------------------------------------------------------------------------------------*/

Test(damage, every_flipped_byte_means_the_older_one_is_taken, .timeout = 300)
{
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    cr_assert_not_null(hg_sim_file_data(sim, CHK("02"), &size));
    for (uint64_t at = 0; at < size; at++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            hg_sim_file_data(sim, CHK("02"), &size)[at] ^= (uint8_t)(1u << bit);
            struct load l = load_from(sim);
            cr_assert_eq(l.got, 1, "byte %llu, bit %u: loaded %d", (unsigned long long)at, bit,
                         l.got);
            cr_assert_neq(l.note[0], '\0');
            int rc = check_from(sim, CHK("02"));
            cr_assert(rc == HOLOG_E_CORRUPT || rc == HOLOG_E_VERSION);
            hg_sim_file_data(sim, CHK("02"), &size)[at] ^= (uint8_t)(1u << bit);
        }
    }
    cr_assert_eq(load_from(sim).got, 2, "and with nothing flipped it is sound again");
    hg_sim_destroy(sim);
}

Test(damage, every_length_but_its_own_means_the_older_one_is_taken, .timeout = 300)
{
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    const uint8_t *d = hg_sim_file_data(sim, CHK("02"), &size);
    uint8_t *copy = calloc(1, size + 5000);
    memcpy(copy, d, size);
    for (uint64_t len = 0; len < size + 5000; len += len < size + 20 ? 1 : 497) {
        if (len == size)
            continue;
        cr_assert_eq(hg_sim_file_put(sim, CHK("02"), copy, len), 0);
        cr_assert_eq(load_from(sim).got, 1, "%llu bytes of %llu", (unsigned long long)len,
                     (unsigned long long)size);
    }
    free(copy);
    hg_sim_destroy(sim);
}

Test(damage, with_both_damaged_there_is_none_and_the_note_is_on_the_newest)
{
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    hg_sim_file_data(sim, CHK("02"), &size)[0] ^= 1;
    hg_sim_file_data(sim, CHK("01"), &size)[300] ^= 1;
    struct load l = load_from(sim);
    cr_assert_eq(l.got, 0);
    cr_assert_not_null(strstr(l.note, "magic"), "%s", l.note);
    hg_sim_destroy(sim);
}

/* Hashes that fit whatever the bytes say. */
static void sign(uint8_t *d, uint64_t size)
{
    struct hg_hash128 h = hg_hash128(d, 240);
    hg_put_le64(d + 240, h.lo);
    hg_put_le64(d + 248, h.hi);
    h = hg_hash128(d + 256, size - 256 - 16);
    hg_put_le64(d + size - 16, h.lo);
    hg_put_le64(d + size - 8, h.hi);
}

Test(damage, a_number_out_of_bounds_is_refused_though_the_hashes_fit)
{
    static const struct {
        const char *what;
        uint32_t at, width;
        uint64_t value;
    } lies[] = {
        { "version", 8, 4, 1 },
        { "version", 8, 4, 3 },
        { "reserved", 12, 4, 1 },
        { "keys of the past", 136, 8, 1 },
        { "keys of the past", 136, 8, 0 },
        { "pages of the past", 144, 8, 0 },
        { "pages of the past", 144, 8, 2 },
        { "page bytes of the past", 152, 8, 0 },
        { "commits", 176, 4, 1 },
        { "commits", 176, 4, 3 },
        { "tags", 180, 4, 1 },
        { "tags", 180, 4, 3 },
        { "a commit's number", COMMITS_AT, 8, 0 },
        { "a commit's number", COMMITS_AT, 8, 2 },
        { "a commit's number", COMMITS_AT + 28, 8, 1 },
        { "a commit's number", COMMITS_AT + 28, 8, 3 },
        { "a frame's length", COMMITS_AT + 24, 4, 63 },
        { "a frame's length", COMMITS_AT + 24, 4, UINT32_MAX },
        { "a tag's number", TAGS_AT, 8, 0 },
        { "a tag's number", TAGS_AT, 8, 3 },
        { "a tag's number", TAGS_AT, 8, UINT64_MAX },
        { "a tag's name", TAGS_AT + 16, 1, 0 },
        { "a tag's name", TAGS_AT + 16, 1, 65 },
        { "a tag's name", TAGS_AT + 16, 1, 255 },
        { "a tag's name", TAGS_AT + 17, 1, '1' },
        { "tags out of order", TAGS_AT + 17, 1, 'x' },
        { "bytes behind a tag's name", TAGS_AT + 81 + 17 + 4, 1, 'x' },
        { "pages of the past", 144, 8, UINT64_MAX },
        { "page bytes of the past", 152, 8, UINT64_MAX },
        { "horizon", 168, 8, 3 },
        { "commits", 176, 4, UINT32_MAX },
        { "tags", 180, 4, UINT32_MAX },
        { "reserved", 184, 8, 1 },
        { "reserved", 239, 1, 1 },
        { "covered", 32, 8, 4096 },
        { "covered", 32, 8, 1ull << 32 | 8 },
        { "covered", 32, 8, 1ull << 32 | 8193 },
        { "covered", 32, 8, 1ull << 32 | 0x80000000u },
        { "last length", 48, 8, UINT64_MAX },
        { "number", 56, 8, 1ull << 48 },
        { "highest number", 96, 8, UINT64_MAX },
        { "keys", 72, 8, FEW_KEYS + 1 },
        { "keys", 72, 8, 0 },
        { "pages", 80, 8, 0 },
        { "pages", 80, 8, UINT64_MAX },
        { "page bytes", 88, 8, 0 },
        { "page bytes", 88, 8, UINT64_MAX },
        { "settings", 104, 4, 0 },
        { "settings", 104, 4, UINT32_MAX },
        { "settings", 104, 4, 23 },
        { "segments", 108, 4, 0 },
        { "segments", 108, 4, UINT32_MAX },
        { "a setting's length", 256, 1, 0x7f },
        { "a setting's length", 262, 1, 0x70 },
        { "the root's key", 257, 1, 'x' },
        { "the root's number", 263, 8, UINT64_MAX },
        { "a segment's id", 280, 4, 0 },
        { "a segment's kind", 284, 1, 0 },
        { "a segment's kind", 284, 1, 9 },
        { "a page's length", PAGES_AT, 4, 0 },
        { "a page's length", PAGES_AT, 4, UINT32_MAX },
        { "a page's length", PAGES_AT, 4, 100 },
        { "a page's count", PAGES_AT + 4, 2, 0 },
        { "a page's count", PAGES_AT + 4, 2, 0xffff },
    };
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    const uint8_t *d = hg_sim_file_data(sim, CHK("02"), &size);
    uint8_t *copy = malloc(size);
    memcpy(copy, d, size);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t *f = hg_sim_file_data(sim, CHK("02"), &size);
        memcpy(f, copy, size);
        memcpy(f + lies[i].at, &lies[i].value, lies[i].width);
        sign(f, size);
        struct load l = load_from(sim);
        cr_assert_eq(l.got, 1, "lie %zu (%s): loaded %d", i, lies[i].what, l.got);
    }
    free(copy);
    hg_sim_destroy(sim);
}

Test(damage, any_byte_changed_under_right_hashes_never_crashes_and_never_half_loads, .timeout = 300)
{
    struct hg_sim *sim = sim_with_two();
    uint64_t size = 0;
    const uint8_t *d = hg_sim_file_data(sim, CHK("02"), &size);
    uint8_t *copy = malloc(size);
    memcpy(copy, d, size);
    for (uint64_t at = 0; at < size; at++) {
        static const uint8_t changes[] = { 1, 0x80, 0xff };
        for (size_t k = 0; k < sizeof changes; k++) {
            uint8_t *f = hg_sim_file_data(sim, CHK("02"), &size);
            memcpy(f, copy, size);
            f[at] ^= changes[k];
            sign(f, size);
            int rc = check_from(sim, CHK("02"));
            cr_assert(rc == HOLOG_OK || rc == HOLOG_E_CORRUPT || rc == HOLOG_E_VERSION);
        }
    }
    free(copy);
    hg_sim_destroy(sim);
}

/* ---- faults --------------------------------------------------------------------------------------*/

struct fault_run {
    int rc; /* of the write, or what load_any gave */
};

static int write_third(struct hg_io *io, void *ctx)
{
    struct fault_run *f = ctx;
    f->rc = write_generation(io, 3, FEW_KEYS);
    return 0;
}

static int load_under_fault(struct hg_io *io, void *ctx)
{
    struct fault_run *f = ctx;
    char note[160];
    f->rc = load_any(io, UINT64_MAX, FEW_KEYS, note);
    return 0;
}

/* A disk with generations 1 and 2 that fails at the at-th call from now on. */
static struct hg_sim *faulty_sim(uint64_t at, enum hg_sim_fault_kind kind, int errno_value,
                                 int sticky)
{
    static uint64_t calls_before; /* of what makes the two generations */
    struct hg_sim_options o = { .seed = 1, .no_trace = 1, .fault_classes = HG_SIM_F_ALL };
    struct hg_sim *sim = NULL;
    if (calls_before == 0) {
        cr_assert_eq(hg_sim_create(&o, &sim), 0);
        cr_assert_eq(run_on(sim, write_two, NULL), 0);
        calls_before = hg_sim_fallible_calls(sim, HG_SIM_F_ALL);
        hg_sim_destroy(sim);
    }
    o.fault_at = calls_before + at;
    o.fault_kind = kind;
    o.fault_errno = errno_value;
    o.fault_sticky = sticky;
    cr_assert_eq(hg_sim_create(&o, &sim), 0);
    cr_assert_eq(run_on(sim, write_two, NULL), 0);
    return sim;
}

static int fault_lay_beyond(const struct hg_sim *sim, uint64_t before, uint64_t at)
{
    return hg_sim_fallible_calls(sim, HG_SIM_F_ALL) < before + at;
}

static const struct {
    enum hg_sim_fault_kind kind;
    int errno_value, sticky;
} fault_kinds[] = {
    { HG_SIM_FAULT_ERRNO, 5 /* EIO */, 0 },     { HG_SIM_FAULT_ERRNO, 5, 1 },
    { HG_SIM_FAULT_ERRNO, 28 /* ENOSPC */, 1 }, { HG_SIM_FAULT_SHORT_ONE, 0, 0 },
    { HG_SIM_FAULT_SHORT_HALF, 0, 1 },          { HG_SIM_FAULT_STUCK, 0, 1 },
};

/* What is on the disk after a run, loaded without faults. */
static int load_after(const struct hg_sim *sim)
{
    struct hg_sim *after = NULL;
    cr_assert_eq(hg_sim_crash(sim, hg_sim_steps(sim), HG_SIM_CRASH_ALL, 1, &after), 0);
    int got = load_from(after).got;
    hg_sim_destroy(after);
    return got;
}

Test(faults, every_fault_while_writing_leaves_the_older_ones, .timeout = 300)
{
    for (size_t k = 0; k < sizeof fault_kinds / sizeof fault_kinds[0]; k++) {
        int beyond = 0;
        for (uint64_t at = 1; !beyond; at++) {
            struct hg_sim *sim = faulty_sim(at, fault_kinds[k].kind, fault_kinds[k].errno_value,
                                            fault_kinds[k].sticky);
            uint64_t before = hg_sim_fallible_calls(sim, HG_SIM_F_ALL);
            struct fault_run f = { 1 };
            cr_assert_eq(run_on(sim, write_third, &f), 0);
            cr_assert_eq(hg_sim_open_files(sim), 0);
            int got = load_after(sim);
            cr_assert(got == 3 || (got == 2 && f.rc < 0),
                      "kind %zu, call %llu: the write gave %s, then %d was loaded", k,
                      (unsigned long long)at, holog_error_name(f.rc), got);
            beyond = fault_lay_beyond(sim, before, at);
            cr_assert(!beyond || (f.rc == 0 && at > 8));
            hg_sim_destroy(sim);
        }
    }
}

Test(faults, every_fault_while_loading_gives_an_older_one_or_none, .timeout = 300)
{
    for (size_t k = 0; k < sizeof fault_kinds / sizeof fault_kinds[0]; k++) {
        int beyond = 0;
        for (uint64_t at = 1; !beyond; at++) {
            struct hg_sim *sim = faulty_sim(at, fault_kinds[k].kind, fault_kinds[k].errno_value,
                                            fault_kinds[k].sticky);
            uint64_t before = hg_sim_fallible_calls(sim, HG_SIM_F_ALL);
            struct fault_run f = { -1 };
            cr_assert_eq(run_on(sim, load_under_fault, &f), 0);
            cr_assert(f.rc >= 0 && f.rc <= 2, "kind %zu, call %llu: %d", k, (unsigned long long)at,
                      f.rc);
            cr_assert_eq(hg_sim_open_files(sim), 0);
            beyond = fault_lay_beyond(sim, before, at);
            cr_assert(!beyond || (f.rc == 2 && at > 3));
            hg_sim_destroy(sim);
        }
    }
}

struct fail_at {
    uint64_t n, at;
};

static int fail_nth(size_t size, void *ctx)
{
    struct fail_at *f = ctx;
    HG_UNUSED(size);
    return ++f->n == f->at;
}

static int fail_allocations(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    cr_assert_eq(write_two(io, NULL), 0);
    for (int beyond = 0; !beyond;) {
        static uint64_t at;
        struct fail_at f = { .at = ++at };
        struct hg_index *ix = NULL;
        struct hg_index *past = NULL;
        struct hg_checkpoint c = { 0 };
        hg_alloc_set_fault(fail_nth, &f);
        int wrote = write_generation(io, 3, FEW_KEYS);
        int rc = hg_index_create(NULL, 0, &ix);
        if (rc == HOLOG_OK)
            rc = hg_index_create(NULL, 0, &past);
        if (rc == HOLOG_OK)
            rc = load(io, uuid, UINT64_MAX, ix, past, &c, NULL);
        beyond = f.n < at;
        f.at = UINT64_MAX; /* no more of them, but go on counting */
        cr_assert(wrote == HOLOG_OK || wrote == HOLOG_E_NOMEM, "%s", holog_error_name(wrote));
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM, "allocation %llu: %s",
                  (unsigned long long)at, holog_error_name(rc));
        if (rc == HOLOG_OK) {
            cr_assert(c.number == 3 || (c.number == 2 && wrote < 0));
            expect_index(ix, c.number, FEW_KEYS);
            expect_past(past, c.number, FEW_KEYS);
            expect_fields(&c, c.number, FEW_KEYS);
            hg_checkpoint_release(&c);
        } else if (past != NULL) {
            expect_empty(ix);
            expect_empty(past);
        }
        if (ix != NULL)
            hg_index_destroy(ix);
        if (past != NULL)
            hg_index_destroy(past);
        long live = hg_alloc_live();
        hg_alloc_set_fault(NULL, NULL);
        cr_assert_eq(live, 0, "allocation %llu: %ld blocks leaked", (unsigned long long)at, live);
    }
    return 0;
}

Test(faults, every_failed_allocation_is_typed_and_leaks_nothing)
{
    on_fresh_sim(fail_allocations);
}

static int over_budget(struct hg_io *io, void *ctx)
{
    struct hg_index *ix = NULL;
    struct hg_checkpoint c = { 0 };
    HG_UNUSED(ctx);
    cr_assert_eq(write_generation(io, 2, 3000), 0);
    cr_assert_eq(hg_index_create(NULL, 0, &ix), 0);
    hg_index_set_limit(ix, 20000);
    cr_assert_eq(load(io, uuid, UINT64_MAX, ix, NULL, &c, NULL), HOLOG_E_BUDGET);
    expect_empty(ix);
    hg_index_set_limit(ix, 0);
    cr_assert_eq(load(io, uuid, UINT64_MAX, ix, NULL, &c, NULL), 0, "and still usable");
    hg_checkpoint_release(&c);
    expect_index(ix, 2, 3000);
    hg_index_destroy(ix);
    return 0;
}

Test(faults, an_index_over_its_limit_is_refused_as_such)
{
    on_fresh_sim(over_budget);
}

static int past_over_budget(struct hg_io *io, void *ctx)
{
    struct hg_index *ix = NULL;
    struct hg_index *past = NULL;
    struct hg_checkpoint c = { 0 };
    HG_UNUSED(ctx);
    cr_assert_eq(write_generation(io, 2, 3000), 0);
    cr_assert_eq(hg_index_create(NULL, 0, &ix), 0);
    cr_assert_eq(hg_index_create(NULL, 0, &past), 0);
    hg_index_set_limit(past, 10000);
    cr_assert_eq(load(io, uuid, UINT64_MAX, ix, past, &c, NULL), HOLOG_E_BUDGET);
    expect_empty(ix);
    expect_empty(past);
    hg_index_set_limit(past, 0);
    cr_assert_eq(load(io, uuid, UINT64_MAX, ix, past, &c, NULL), 0);
    hg_checkpoint_release(&c);
    expect_index(ix, 2, 3000);
    expect_past(past, 2, 3000);
    hg_index_destroy(ix);
    hg_index_destroy(past);
    return 0;
}

Test(faults, a_past_over_its_limit_takes_the_index_with_it)
{
    on_fresh_sim(past_over_budget);
}

/* ---- crashes -------------------------------------------------------------------------------------*/

enum {
    MARK_WRITTEN = 1
};

static int write_three(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    int rc = HOLOG_OK; /* chk/ is made by the first */
    for (uint64_t g = 1; g <= 3 && rc == HOLOG_OK; g++) {
        rc = write_generation(io, g, FEW_KEYS);
        if (rc == HOLOG_OK)
            hg_sim_mark(sim, MARK_WRITTEN, g);
    }
    return rc;
}

static int write_fourth(struct hg_io *io, void *ctx)
{
    struct fault_run *f = ctx;
    f->rc = write_generation(io, 4, FEW_KEYS);
    if (f->rc == HOLOG_OK)
        f->rc = load_any(io, UINT64_MAX, FEW_KEYS, NULL);
    return 0;
}

static void crash_everywhere(enum hg_sim_dirs dirs)
{
    const struct hg_sim_options o = { .seed = 5, .dirs = dirs };
    struct hg_sim *sim = NULL;
    unsigned seen[4] = { 0 };
    cr_assert_eq(hg_sim_create(&o, &sim), 0);
    cr_assert_eq(run_on(sim, write_three, sim), 0);
    for (uint64_t step = 0; step <= hg_sim_steps(sim); step++) {
        uint64_t least = hg_sim_marked_max(sim, MARK_WRITTEN, step, 0);
        for (int s = 0; s < HG_SIM_CRASH_STRATEGIES; s++) {
            uint64_t seeds = s == HG_SIM_CRASH_KEEP_ONE || s == HG_SIM_CRASH_DROP_ONE
                                 ? HG_MAX(hg_sim_pending(sim, step), 1u)
                                 : 3;
            for (uint64_t seed = 0; seed < seeds; seed++) {
                struct hg_sim *after = NULL;
                cr_assert_eq(hg_sim_crash(sim, step, (enum hg_sim_strategy)s, seed, &after), 0);
                struct load l = load_from(after);
                cr_assert(l.got >= (int)least && l.got <= 3,
                          "step %llu, strategy %d, seed %llu: %d loaded, %llu was acknowledged",
                          (unsigned long long)step, s, (unsigned long long)seed, l.got,
                          (unsigned long long)least);
                seen[l.got]++;
                struct fault_run next = { 1 };
                cr_assert_eq(run_on(after, write_fourth, &next), 0);
                cr_assert_eq(next.rc, 4, "what the crash left is in the way of the next one");
                hg_sim_destroy(after);
            }
        }
    }
    for (int g = 0; g <= 3; g++)
        cr_assert_gt(seen[g], 0, "no crash left generation %d: the enumeration is too narrow", g);
    hg_sim_destroy(sim);
}

Test(crashes, at_every_step_what_was_acknowledged_or_newer_is_loaded_journal, .timeout = 300)
{
    crash_everywhere(HG_SIM_DIRS_JOURNAL);
}

Test(crashes, at_every_step_what_was_acknowledged_or_newer_is_loaded_posix, .timeout = 300)
{
    crash_everywhere(HG_SIM_DIRS_POSIX);
}
