/*
 * The index against a plain array: a pool of sorted keys, and for each the number stored or 0.
 * Frozen roots keep a copy of that array and are compared with it whenever, in any order.
 *
 * HOLOG_TEST_SEED replays a run; every failure prints the seed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "base/alloc.h"
#include "engine/index.h"
#include "engine/index_node.h"
#include "engine/index_page.h"
#include "engine/pathkey.h"

/* ---- chance ------------------------------------------------------------------------------------*/

static uint64_t chance_seed;
static uint64_t chance_state;

static uint64_t chance(void)
{
    uint64_t z = (chance_state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(chance() % n);
}

static void seed(uint64_t fallback)
{
    const char *env = getenv("HOLOG_TEST_SEED");
    chance_seed = env != NULL ? strtoull(env, NULL, 0) : fallback;
    chance_state = chance_seed;
}

/* 1 quick, 4 normal, 40 full */
static uint32_t effort(void)
{
    const char *level = getenv("HOLOG_TEST_LEVEL");
    if (level == NULL || strcmp(level, "quick") == 0)
        return 1;
    return strcmp(level, "full") == 0 ? 40 : 4;
}

#define CHECK(cond, ...)                                                                          \
    cr_assert(cond, "HOLOG_TEST_SEED=%llu: %s:%d: %s", (unsigned long long)chance_seed, __FILE__, \
              __LINE__, #cond)

/* ---- pools of keys -----------------------------------------------------------------------------*/

struct pool {
    uint8_t **key;
    size_t *len;
    uint32_t count;
};

enum kind {
    KIND_PATHS,
    KIND_BINARY,
    KIND_LONG,
    KIND_MIXED
};

static int key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t n = a_len < b_len ? a_len : b_len;
    int c = n > 0 ? memcmp(a, b, n) : 0;
    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static size_t path_key(uint8_t *out)
{
    char path[160];
    int len =
        snprintf(path, sizeof path, "experiment%u/plate%02u/well_%c%02u/f%u/z%02u/t%04u/c%u.tif",
                 below(3), below(4), (int)('A' + below(8)), below(12), below(3), below(4), below(2),
                 below(4));
    return hg_path_to_key(path, (size_t)len, out);
}

/* Few letters, 0x00 and 0xff among them, so that keys are often prefixes of each other. */
static size_t binary_key(uint8_t *out)
{
    static const uint8_t letters[] = { 0x00, 0x01, 'a', 'b', 0xff };
    size_t len = below(14);
    for (size_t i = 0; i < len; i++)
        out[i] = letters[below(sizeof letters)];
    return len;
}

/* Long runs of one letter with a change somewhere: long shared parts, long separators. */
static size_t long_key(uint8_t *out)
{
    size_t len = below(4) == 0 ? HG_KEY_MAX - below(20) : 1 + below(3000);
    memset(out, 'k', len);
    for (uint32_t i = below(4); i > 0; i--)
        out[below(4) == 0 ? below(8) : below((uint32_t)len)] = (uint8_t)('a' + below(26));
    return len;
}

static size_t make_key(enum kind kind, uint8_t *out)
{
    if (kind == KIND_MIXED)
        kind = (enum kind)(below(8) == 0 ? KIND_LONG : below(2) ? KIND_PATHS : KIND_BINARY);
    if (kind == KIND_PATHS)
        return path_key(out);
    return kind == KIND_BINARY ? binary_key(out) : long_key(out);
}

static const struct pool *sorting;

static int by_key(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a;
    uint32_t j = *(const uint32_t *)b;
    return key_compare(sorting->key[i], sorting->len[i], sorting->key[j], sorting->len[j]);
}

/* Up to `count` different keys in order. */
static struct pool pool_make(enum kind kind, uint32_t count)
{
    struct pool raw = { malloc(count * sizeof(uint8_t *)), malloc(count * sizeof(size_t)), count };
    struct pool p = { malloc(count * sizeof(uint8_t *)), malloc(count * sizeof(size_t)), 0 };
    uint32_t *order = malloc(count * sizeof *order);
    uint8_t bytes[HG_KEY_MAX];
    for (uint32_t i = 0; i < count; i++) {
        raw.len[i] = make_key(kind, bytes);
        raw.key[i] = malloc(raw.len[i] + 1); /* exact, so a read beyond the end is seen */
        memcpy(raw.key[i], bytes, raw.len[i]);
        order[i] = i;
    }
    sorting = &raw;
    qsort(order, count, sizeof *order, by_key);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = order[i];
        if (p.count > 0 &&
            key_compare(p.key[p.count - 1], p.len[p.count - 1], raw.key[k], raw.len[k]) == 0) {
            free(raw.key[k]);
            continue;
        }
        p.key[p.count] = raw.key[k];
        p.len[p.count++] = raw.len[k];
    }
    free(order);
    free(raw.key);
    free(raw.len);
    return p;
}

static void pool_free(struct pool *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        free(p->key[i]);
    free(p->key);
    free(p->len);
}

static int starts_with(const struct pool *p, uint32_t i, const uint8_t *prefix, size_t len)
{
    return p->len[i] >= len && (len == 0 || memcmp(p->key[i], prefix, len) == 0);
}

/* ---- the model ---------------------------------------------------------------------------------*/

#define ROOTS_MAX 24

struct world {
    struct pool pool;
    struct hg_index *ix;
    uint32_t *value; /* of each key; 0: not there */
    uint64_t count;
    uint32_t next_value;
    struct {
        struct hg_root *root;
        uint32_t *value;
        uint64_t count;
    } frozen[ROOTS_MAX];
    uint32_t frozen_count;
};

static struct hg_locator locator_of(uint32_t value)
{
    return (struct hg_locator){ .segment = value,
                                .offset = ~value,
                                .size = (uint64_t)value << 16 | 0xabcd,
                                .number = 0xffff00000000u | value,
                                .type = (uint8_t)(1 + value % HG_ENTRY_TYPE_MAX),
                                .check = value & 0xffffffu };
}

static int same_locator(const struct hg_locator *l, uint32_t value)
{
    struct hg_locator m = locator_of(value);
    return l->segment == m.segment && l->offset == m.offset && l->size == m.size &&
           l->number == m.number && l->type == m.type && l->check == m.check;
}

static void world_open(struct world *w, enum kind kind, uint32_t keys, size_t page_bytes)
{
    memset(w, 0, sizeof *w);
    w->pool = pool_make(kind, keys);
    w->value = calloc(w->pool.count, sizeof *w->value);
    w->next_value = 1;
    CHECK(hg_index_create(NULL, page_bytes, &w->ix) == HOLOG_OK);
}

/* root has exactly what `value` says, in order; lookups agree. */
static void compare_root(const struct world *w, const struct hg_root *root, const uint32_t *value,
                         uint64_t count)
{
    struct hg_cursor c;
    struct hg_locator loc;
    CHECK(hg_root_count(root) == count);
    int rc = hg_cursor_open(&c, root, NULL, 0, 0);
    for (uint32_t i = 0; i < w->pool.count; i++) {
        if (value[i] == 0)
            continue;
        CHECK(rc == HOLOG_OK);
        CHECK(key_compare(c.key, c.key_len, w->pool.key[i], w->pool.len[i]) == 0);
        CHECK(same_locator(&c.loc, value[i]));
        rc = hg_cursor_next(&c);
    }
    CHECK(rc == HOLOG_E_NOENT);
    CHECK(hg_cursor_next(&c) == HOLOG_E_NOENT);
    hg_cursor_close(&c);
    for (uint32_t n = 0; n < 50; n++) {
        uint32_t i = below(w->pool.count);
        rc = hg_root_lookup(root, w->pool.key[i], w->pool.len[i], &loc);
        CHECK(rc == (value[i] != 0 ? HOLOG_OK : HOLOG_E_NOENT));
        if (rc == HOLOG_OK)
            CHECK(same_locator(&loc, value[i]));
    }
}

/* The head is what the model says, and whole. Freezing it to look would change what is tested. */
static void compare_head(const struct world *w)
{
    CHECK(hg_root_check(w->ix->head) == HOLOG_OK);
    compare_root(w, w->ix->head, w->value, w->count);
}

static int world_put(struct world *w, uint32_t i)
{
    struct hg_locator loc = locator_of(w->next_value);
    struct hg_locator old;
    int replaced = -1;
    int rc = hg_index_put(w->ix, w->pool.key[i], w->pool.len[i], &loc, &replaced, &old);
    if (rc < 0)
        return rc;
    CHECK(replaced == (w->value[i] != 0));
    if (replaced)
        CHECK(same_locator(&old, w->value[i]));
    w->count += replaced ? 0 : 1;
    w->value[i] = w->next_value++;
    return rc;
}

static int world_remove(struct world *w, uint32_t i)
{
    struct hg_locator old;
    int rc = hg_index_remove(w->ix, w->pool.key[i], w->pool.len[i], &old);
    if (rc < 0) {
        CHECK(rc != HOLOG_E_NOENT || w->value[i] == 0);
        return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
    }
    CHECK(same_locator(&old, w->value[i]));
    w->value[i] = 0;
    w->count--;
    return rc;
}

static int world_remove_prefix(struct world *w, const uint8_t *prefix, size_t len)
{
    uint64_t removed = UINT64_MAX;
    uint64_t expected = 0;
    int rc = hg_index_remove_prefix(w->ix, prefix, len, &removed);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < w->pool.count; i++) {
        if (w->value[i] == 0 || !starts_with(&w->pool, i, prefix, len))
            continue;
        w->value[i] = 0;
        expected++;
    }
    CHECK(removed == expected);
    w->count -= expected;
    return rc;
}

static void world_freeze(struct world *w)
{
    uint32_t n = w->frozen_count;
    size_t size = w->pool.count * sizeof *w->value;
    if (n == ROOTS_MAX)
        return;
    w->frozen[n].root = hg_index_freeze(w->ix);
    w->frozen[n].count = w->count;
    w->frozen[n].value = malloc(size);
    memcpy(w->frozen[n].value, w->value, size);
    w->frozen_count++;
}

static void world_put_root(struct world *w, uint32_t n)
{
    compare_root(w, w->frozen[n].root, w->frozen[n].value, w->frozen[n].count);
    hg_root_put(w->frozen[n].root);
    free(w->frozen[n].value);
    w->frozen[n] = w->frozen[--w->frozen_count];
}

static void world_reset(struct world *w, uint32_t n)
{
    hg_index_reset(w->ix, w->frozen[n].root);
    memcpy(w->value, w->frozen[n].value, w->pool.count * sizeof *w->value);
    w->count = w->frozen[n].count;
}

static void world_close(struct world *w)
{
    while (w->frozen_count > 0)
        world_put_root(w, below(w->frozen_count));
    hg_index_destroy(w->ix);
    pool_free(&w->pool);
    free(w->value);
}

/* ---- counting allocations ----------------------------------------------------------------------*/

static struct {
    unsigned at; /* which allocation fails, from 1; 0 = none */
    unsigned seen;
} fault;

static int fail_nth(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return ++fault.seen == fault.at;
}

/* Setting the hook zeroes the count of live blocks, so it is set once and armed often. */
static void count_allocations(void)
{
    fault.at = 0;
    hg_alloc_set_fault(fail_nth, NULL);
}

static void fail_allocation(unsigned at)
{
    fault.at = at;
    fault.seen = 0;
}

/* ---- tests -------------------------------------------------------------------------------------*/

Test(index, an_empty_index_has_no_keys_and_saves_no_page)
{
    struct hg_index *ix;
    struct hg_locator loc;
    struct hg_cursor c;
    uint64_t removed = 7;
    seed(1);
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    CHECK(hg_index_get(ix, (const uint8_t *)"a", 1, &loc) == HOLOG_E_NOENT);
    CHECK(hg_index_get(ix, NULL, 0, &loc) == HOLOG_E_NOENT);
    CHECK(hg_index_remove(ix, (const uint8_t *)"a", 1, NULL) == HOLOG_E_NOENT);
    CHECK(hg_index_remove_prefix(ix, NULL, 0, &removed) == HOLOG_OK && removed == 0);
    struct hg_root *root = hg_index_freeze(ix);
    CHECK(hg_root_count(root) == 0);
    CHECK(hg_cursor_open(&c, root, NULL, 0, 0) == HOLOG_E_NOENT);
    CHECK(hg_cursor_next(&c) == HOLOG_E_NOENT);
    CHECK(hg_cursor_skip_prefix(&c, (const uint8_t *)"a", 1) == HOLOG_E_NOENT);
    hg_cursor_close(&c);
    CHECK(hg_root_save(root, NULL, NULL) == HOLOG_OK); /* no page, no call */
    CHECK(hg_root_check(root) == HOLOG_OK);
    hg_root_put(root);
    hg_index_destroy(ix);
}

Test(index, a_put_over_another_type_and_a_mark_taken_back_leave_no_trace)
{
    struct hg_index *ix = NULL;
    struct hg_locator dir = {
        .segment = 1, .offset = 64, .size = 3, .number = 3, .type = HG_ENTRY_DIR
    };
    struct hg_locator blob = {
        .segment = 1, .offset = 128, .size = 9, .number = 4, .type = HG_ENTRY_BLOB
    };
    struct hg_locator got;
    seed(1);
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    CHECK(hg_index_put_over(ix, (const uint8_t *)"d", 1, &dir, 0, &got) == HOLOG_OK);
    CHECK(got.type == 0);
    struct hg_root *root = hg_index_freeze(ix);
    CHECK(hg_index_put_over(ix, (const uint8_t *)"d", 1, &blob, 1u << HG_ENTRY_BLOB, &got) == 1);
    CHECK(got.type == HG_ENTRY_DIR && got.number == 3);
    CHECK(hg_index_mark(ix, (const uint8_t *)"d", 1, 5, &got) == HOLOG_OK);
    CHECK(got.size == 3);
    CHECK(hg_index_get(ix, (const uint8_t *)"d", 1, &got) == HOLOG_OK && got.size == 5);
    hg_index_unmark(ix, (const uint8_t *)"d", 1, 3);
    CHECK(hg_index_get(ix, (const uint8_t *)"d", 1, &got) == HOLOG_OK && got.size == 3);
    CHECK(hg_root_lookup(root, (const uint8_t *)"d", 1, &got) == HOLOG_OK && got.size == 3);
    CHECK(hg_index_put_over(ix, (const uint8_t *)"d", 1, &blob, 1u << HG_ENTRY_DIR, &got) ==
          HOLOG_OK);
    CHECK(got.type == HG_ENTRY_DIR);
    CHECK(hg_index_get(ix, (const uint8_t *)"d", 1, &got) == HOLOG_OK && got.type == HG_ENTRY_BLOB);
    hg_root_put(root);
    hg_index_destroy(ix);
}

Test(index, what_makes_no_sense_is_refused_and_changes_nothing)
{
    static uint8_t key[HG_KEY_MAX + 1];
    struct hg_index *ix = NULL;
    struct hg_locator good = locator_of(1);
    seed(1);
    CHECK(hg_index_create(NULL, HG_PAGE_BYTES_MIN - 1, &ix) == HOLOG_E_INVAL);
    CHECK(hg_index_create(NULL, HG_PAGE_BYTES_MAX + 1, &ix) == HOLOG_E_INVAL);
    CHECK(ix == NULL);
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    CHECK(hg_index_put(ix, key, sizeof key, &good, NULL, NULL) == HOLOG_E_INVAL);
    for (int field = 0; field < 5; field++) {
        struct hg_locator bad = good;
        bad.size = field == 0 ? (uint64_t)1 << 48 : bad.size;
        bad.number = field == 1 ? (uint64_t)1 << 48 : bad.number;
        bad.check = field == 2 ? 1u << 24 : bad.check;
        bad.type = (uint8_t)(field == 3 ? 0 : field == 4 ? HG_ENTRY_TYPE_MAX + 1 : bad.type);
        CHECK(hg_index_put(ix, key, 1, &bad, NULL, NULL) == HOLOG_E_INVAL);
    }
    struct hg_root *root = hg_index_freeze(ix);
    CHECK(hg_root_count(root) == 0);
    hg_root_put(root);
    hg_index_destroy(ix);
}

/* A walk of random edits. Returns when done; the caller closes. */
static void random_walk(struct world *w, uint32_t steps)
{
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t i = below(w->pool.count);
        uint32_t what = below(1000);
        int filling = (step / (w->pool.count + 1)) % 2 == 0; /* grows, shrinks, grows ... */
        if (what < 940) {
            int put = below(10) < (filling ? 8u : 3u);
            CHECK((put ? world_put(w, i) : world_remove(w, i)) == HOLOG_OK);
        } else if (what < 943) {
            size_t len = w->pool.len[i] > 0 ? below((uint32_t)w->pool.len[i]) + 1 : 0;
            if (below(4) != 0 && len > 6)
                len -= below(3); /* mostly few keys */
            CHECK(world_remove_prefix(w, w->pool.key[i], len) == HOLOG_OK);
        } else if (what < 970) {
            world_freeze(w);
        } else if (what < 990) {
            if (w->frozen_count > 0)
                world_put_root(w, below(w->frozen_count));
        } else if (what < 994) {
            if (w->frozen_count > 0)
                world_reset(w, below(w->frozen_count));
        } else {
            compare_head(w);
        }
    }
    compare_head(w);
}

static void random_edits(enum kind kind, uint32_t keys, size_t page_bytes, uint32_t steps)
{
    struct world w;
    count_allocations();
    world_open(&w, kind, keys, page_bytes);
    random_walk(&w, steps);
    world_close(&w);
    CHECK(hg_alloc_live() == 0); /* nothing leaks */
    hg_alloc_set_fault(NULL, NULL);
}

Test(index, random_edits_of_paths_match_a_sorted_array, .timeout = 600)
{
    seed(2001);
    for (uint32_t n = 0; n < effort(); n++)
        random_edits(KIND_PATHS, 6000, n % 2 ? 0 : HG_PAGE_BYTES_MIN, 30000);
}

Test(index, random_edits_of_binary_keys_match_a_sorted_array, .timeout = 600)
{
    seed(2002);
    for (uint32_t n = 0; n < effort(); n++) {
        random_edits(KIND_BINARY, 3000, 0, 20000);
        random_edits(KIND_BINARY, 60, 0, 4000); /* often empty */
    }
}

Test(index, random_edits_of_long_keys_match_a_sorted_array, .timeout = 600)
{
    seed(2003);
    for (uint32_t n = 0; n < effort(); n++) {
        random_edits(KIND_LONG, 800, 0, 8000);
        random_edits(KIND_MIXED, 2000, HG_PAGE_BYTES_MAX, 10000);
        random_edits(KIND_MIXED, 2000, HG_PAGE_BYTES_MIN, 10000);
    }
}

Test(index, keys_in_order_fill_their_pages)
{
    struct world w;
    seed(3);
    world_open(&w, KIND_PATHS, 20000, 0);
    for (uint32_t i = 0; i < w.pool.count; i++)
        CHECK(world_put(&w, i) == HOLOG_OK);
    compare_head(&w);
    CHECK(hg_index_bytes(w.ix) / w.count <= 64);
    world_close(&w);
}

Test(index, keys_in_falling_order_are_kept)
{
    struct world w;
    seed(4);
    world_open(&w, KIND_MIXED, 4000, 0);
    for (uint32_t i = w.pool.count; i-- > 0;)
        CHECK(world_put(&w, i) == HOLOG_OK);
    compare_head(&w);
    for (uint32_t i = w.pool.count; i-- > 0;)
        CHECK(world_remove(&w, i) == HOLOG_OK);
    compare_head(&w);
    world_close(&w);
}

Test(index, a_cursor_starts_anywhere_and_skips_subtrees)
{
    struct world w;
    seed(5);
    world_open(&w, KIND_MIXED, 4000, 1024);
    for (uint32_t i = 0; i < w.pool.count; i++)
        if (below(3) != 0)
            CHECK(world_put(&w, i) == HOLOG_OK);
    world_freeze(&w);
    const struct hg_root *root = w.frozen[0].root;
    for (uint32_t n = 0; n < 4000; n++) {
        struct hg_cursor c;
        uint32_t i = below(w.pool.count);
        int after = (int)below(2);
        uint32_t at = i + (after ? 1 : 0);
        while (at < w.pool.count && w.value[at] == 0)
            at++;
        int rc = hg_cursor_open(&c, root, w.pool.key[i], w.pool.len[i], after);
        CHECK(rc == (at < w.pool.count ? HOLOG_OK : HOLOG_E_NOENT));
        for (uint32_t hop = 0; hop < 6 && rc == HOLOG_OK; hop++) {
            CHECK(key_compare(c.key, c.key_len, w.pool.key[at], w.pool.len[at]) == 0);
            CHECK(same_locator(&c.loc, w.value[at]));
            uint32_t from = at;
            size_t len = c.key_len > 0 ? below((uint32_t)c.key_len + 1) : 0;
            int skip = (int)below(2);
            if (skip) /* the prefix is the cursor's own key: allowed */
                rc = hg_cursor_skip_prefix(&c, c.key, len);
            else
                rc = hg_cursor_next(&c);
            do {
                at++;
            } while (
                at < w.pool.count &&
                (w.value[at] == 0 || (skip && starts_with(&w.pool, at, w.pool.key[from], len))));
            CHECK(rc == (at < w.pool.count ? HOLOG_OK : HOLOG_E_NOENT));
        }
        hg_cursor_close(&c);
    }
    world_close(&w);
}

Test(index, dropping_all_roots_in_any_order_returns_all_memory)
{
    struct world w;
    seed(6);
    world_open(&w, KIND_PATHS, 3000, 0);
    world_freeze(&w);
    uint64_t empty = hg_index_bytes(w.ix);
    for (uint32_t round = 0; round < 20 * effort(); round++) {
        for (uint32_t n = 0; n < 2000; n++) {
            CHECK(world_put(&w, below(w.pool.count)) == HOLOG_OK);
            if (n % 100 == 0)
                world_freeze(&w);
            if (below(400) == 0)
                world_reset(&w, below(w.frozen_count));
            if (below(300) == 0 && w.frozen_count > 1)
                world_put_root(&w, 1 + below(w.frozen_count - 1));
        }
        while (w.frozen_count > 1) /* all but the empty one, in any order */
            world_put_root(&w, 1 + below(w.frozen_count - 1));
        world_reset(&w, 0);
        /* a spare version and an empty list may stay */
        CHECK(hg_index_bytes(w.ix) <= empty + 4096);
    }
    world_close(&w);
}

Test(index, an_old_root_costs_only_what_it_alone_has)
{
    struct world w;
    seed(7);
    world_open(&w, KIND_PATHS, 4000, 0);
    for (uint32_t i = 0; i < w.pool.count; i++)
        CHECK(world_put(&w, i) == HOLOG_OK);
    world_freeze(&w);
    uint64_t full = hg_index_bytes(w.ix);
    for (uint32_t n = 0; n < 5000; n++) { /* commits of one key, each root put by the next */
        CHECK(world_put(&w, below(w.pool.count)) == HOLOG_OK);
        world_freeze(&w);
        if (w.frozen_count > 2) {
            hg_root_put(w.frozen[1].root);
            free(w.frozen[1].value);
            w.frozen[1] = w.frozen[--w.frozen_count];
        }
    }
    CHECK(hg_index_bytes(w.ix) <= 2 * full + full / 2 + 65536);
    world_close(&w);
}

Test(index, what_waits_for_a_reader_is_not_the_indexs)
{
    struct hg_locator loc = { .type = 2, .segment = 1, .offset = 4096, .number = 1 };
    struct hg_epoch_domain *domain = NULL;
    struct hg_index *ix = NULL;
    uint64_t full;
    seed(10);
    CHECK(hg_epoch_create(&domain) == HOLOG_OK);
    CHECK(hg_index_create(domain, 0, &ix) == HOLOG_OK);
    CHECK(hg_index_put(ix, (const uint8_t *)"key", 3, &loc, NULL, NULL) == HOLOG_OK);
    hg_root_put(hg_index_freeze(ix));
    hg_epoch_synchronize(domain);
    full = hg_index_bytes(ix);
    CHECK(hg_index_limbo(ix) == 0);
    struct hg_epoch_slot *reader = hg_epoch_enter(domain);
    for (uint32_t n = 0; n < 1000; n++) { /* each replaces the page of the one before it */
        CHECK(hg_index_put(ix, (const uint8_t *)"key", 3, &loc, NULL, NULL) == HOLOG_OK);
        hg_root_put(hg_index_freeze(ix));
        hg_epoch_poll(domain);
    }
    CHECK(hg_index_limbo(ix) > full);
    CHECK(hg_index_bytes(ix) <= 3 * full + 65536);
    hg_epoch_leave(reader);
    hg_epoch_synchronize(domain);
    CHECK(hg_index_limbo(ix) == 0);
    hg_index_destroy(ix);
    hg_epoch_destroy(domain);
}

Test(index, freezing_an_unchanged_index_gives_the_same_root)
{
    struct world w;
    seed(8);
    world_open(&w, KIND_PATHS, 100, 0);
    struct hg_root *a = hg_index_freeze(w.ix);
    struct hg_root *b = hg_index_freeze(w.ix);
    CHECK(a == b);
    CHECK(world_put(&w, 0) == HOLOG_OK);
    struct hg_root *c = hg_index_freeze(w.ix);
    CHECK(c != a);
    hg_root_put(c);
    c = hg_index_freeze(w.ix); /* put in between: its state is still the head's */
    CHECK(hg_root_count(c) == 1);
    hg_index_reset(w.ix, a);
    CHECK(hg_index_freeze(w.ix) == a);
    hg_root_put(a);
    hg_root_put(a);
    hg_root_put(b);
    hg_root_put(c);
    world_close(&w);
}

Test(index, a_limit_refuses_growth_and_allows_removal)
{
    struct world w;
    seed(9);
    world_open(&w, KIND_PATHS, 5000, 0);
    hg_index_set_limit(w.ix, 100000);
    int rc = HOLOG_OK;
    uint32_t i = 0;
    for (; i < w.pool.count && rc == HOLOG_OK; i++)
        rc = world_put(&w, i);
    CHECK(rc == HOLOG_E_BUDGET);
    CHECK(hg_index_bytes(w.ix) <= 100000);
    compare_head(&w);
    world_freeze(&w); /* now a removal must copy, and may */
    for (uint32_t n = 0; n + 1 < i; n += 2)
        CHECK(world_remove(&w, n) == HOLOG_OK);
    compare_head(&w);
    hg_index_set_limit(w.ix, 0);
    for (; i < w.pool.count; i++)
        CHECK(world_put(&w, i) == HOLOG_OK);
    compare_head(&w);
    world_close(&w);
}

/* One edit of a kind, or a save and load. */
static int faulty_step(struct world *w, uint32_t what, uint32_t i)
{
    if (what < 5)
        return world_put(w, i);
    if (what < 9)
        return world_remove(w, i);
    return world_remove_prefix(w, w->pool.key[i], w->pool.len[i] / 2);
}

static void fail_each_allocation(enum kind kind, uint32_t keys, uint32_t steps)
{
    struct world w;
    count_allocations();
    world_open(&w, kind, keys, HG_PAGE_BYTES_MIN);
    for (uint32_t i = 0; i < w.pool.count; i++)
        if (below(2) == 0)
            CHECK(world_put(&w, i) == HOLOG_OK);
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t what = below(10);
        uint32_t i = below(w.pool.count);
        if (below(3) == 0) /* so that edits copy */
            world_freeze(&w);
        while (w.frozen_count > 2)
            world_put_root(&w, below(w.frozen_count));
        for (unsigned at = 1;; at++) {
            fail_allocation(at);
            int rc = faulty_step(&w, what, i);
            CHECK(rc == (fault.seen >= at ? HOLOG_E_NOMEM : HOLOG_OK));
            fail_allocation(0);
            if (rc == HOLOG_OK)
                break;
            compare_head(&w);
        }
    }
    compare_head(&w);
    world_close(&w);
    CHECK(hg_alloc_live() == 0);
    hg_alloc_set_fault(NULL, NULL);
}

Test(index, an_edit_that_finds_no_memory_changes_nothing, .timeout = 600)
{
    seed(10);
    for (uint32_t n = 0; n < effort(); n++) {
        fail_each_allocation(KIND_PATHS, 1500, 300);
        fail_each_allocation(KIND_BINARY, 300, 300);
        fail_each_allocation(KIND_LONG, 120, 150);
    }
}

Test(index, creation_that_finds_no_memory_leaks_nothing)
{
    seed(11);
    count_allocations();
    for (unsigned at = 1;; at++) {
        struct hg_index *ix = NULL;
        fail_allocation(at);
        int rc = hg_index_create(NULL, 0, &ix);
        hg_index_destroy(ix);
        CHECK(hg_alloc_live() == 0);
        if (rc == HOLOG_OK)
            break;
        CHECK(rc == HOLOG_E_NOMEM && ix == NULL);
    }
}

/* ---- pages -------------------------------------------------------------------------------------*/

struct saved {
    uint8_t *page[4096];
    size_t len[4096];
    uint32_t count;
};

static int save_page(void *ctx, const uint8_t *page, size_t len)
{
    struct saved *s = ctx;
    CHECK(s->count < 4096);
    s->page[s->count] = malloc(len); /* exact, so a read beyond the end is seen */
    memcpy(s->page[s->count], page, len);
    s->len[s->count++] = len;
    return HOLOG_OK;
}

static void saved_free(struct saved *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->page[i]);
    s->count = 0;
}

static int load_pages(struct hg_index *ix, const struct saved *s)
{
    struct hg_index_loader *l;
    int rc = hg_index_load_begin(ix, &l);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < s->count; i++) {
        rc = hg_index_load_page(l, s->page[i], s->len[i]);
        if (rc < 0) {
            hg_index_load_abort(l);
            return rc;
        }
    }
    return hg_index_load_end(l);
}

static void fill_and_save(struct world *w, struct saved *s)
{
    for (uint32_t i = 0; i < w->pool.count; i++)
        CHECK(world_put(w, i) == HOLOG_OK);
    world_freeze(w);
    s->count = 0;
    CHECK(hg_root_save(w->frozen[0].root, save_page, s) == HOLOG_OK);
}

Test(index, saved_pages_load_to_the_same_keys_and_can_be_edited)
{
    static struct saved s;
    static const enum kind kinds[] = { KIND_PATHS, KIND_BINARY, KIND_LONG, KIND_MIXED };
    seed(12);
    for (uint32_t k = 0; k < 4; k++) {
        struct world w;
        world_open(&w, kinds[k], 3000, k % 2 ? 4096 : 0);
        fill_and_save(&w, &s);
        world_put_root(&w, 0);
        hg_index_destroy(w.ix); /* go on with the loaded one, of another page size */
        CHECK(hg_index_create(NULL, HG_PAGE_BYTES_MIN, &w.ix) == HOLOG_OK);
        CHECK(load_pages(w.ix, &s) == HOLOG_OK);
        CHECK(load_pages(w.ix, &s) == HOLOG_E_INVAL); /* not empty */
        compare_head(&w);
        random_walk(&w, 5000);
        world_close(&w);
        saved_free(&s);
    }
}

Test(index, a_loaded_index_takes_at_most_64_bytes_a_path)
{
    static struct saved s;
    struct world w;
    struct hg_index *ix;
    seed(13);
    world_open(&w, KIND_PATHS, 20000, 0);
    fill_and_save(&w, &s);
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    CHECK(load_pages(ix, &s) == HOLOG_OK);
    CHECK(hg_index_bytes(ix) / w.count <= 64);
    hg_index_destroy(ix);
    saved_free(&s);
    world_close(&w);
}

Test(index, pages_out_of_order_or_twice_are_corrupt)
{
    static struct saved s;
    struct world w;
    struct hg_index *ix;
    seed(14);
    world_open(&w, KIND_PATHS, 1000, HG_PAGE_BYTES_MIN);
    fill_and_save(&w, &s);
    CHECK(s.count > 4);
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    uint8_t *page = s.page[1];
    size_t len = s.len[1];
    s.page[1] = s.page[2];
    s.len[1] = s.len[2];
    CHECK(load_pages(ix, &s) == HOLOG_E_CORRUPT); /* page 2 twice */
    s.page[2] = page;
    s.len[2] = len;
    CHECK(load_pages(ix, &s) == HOLOG_E_CORRUPT); /* 2 before 1 */
    struct hg_root *root = hg_index_freeze(ix);
    CHECK(hg_root_count(root) == 0); /* a load that failed leaves it empty */
    hg_root_put(root);
    hg_index_destroy(ix);
    saved_free(&s);
    world_close(&w);
}

/* One page, damaged: refused, or loaded into a tree that holds together. */
static void load_damaged(const uint8_t *page, size_t len)
{
    struct hg_index *ix;
    struct hg_index_loader *l;
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    CHECK(hg_index_load_begin(ix, &l) == HOLOG_OK);
    int rc = hg_index_load_page(l, page, len);
    if (rc == HOLOG_OK) {
        CHECK(hg_index_load_end(l) == HOLOG_OK);
        struct hg_root *root = hg_index_freeze(ix);
        CHECK(hg_root_check(root) == HOLOG_OK);
        hg_root_put(root);
    } else {
        CHECK(rc == HOLOG_E_CORRUPT);
        hg_index_load_abort(l);
    }
    hg_index_destroy(ix);
}

static void damage_page(const uint8_t *page, size_t len, size_t step)
{
    uint8_t *bad = malloc(len);
    for (size_t at = 0; at < len; at += step) {
        static const uint8_t flips[] = { 0x01, 0x80, 0xff, 0x10 };
        for (uint32_t f = 0; f < sizeof flips; f++) {
            memcpy(bad, page, len);
            bad[at] ^= flips[f];
            load_damaged(bad, len);
        }
    }
    for (uint32_t n = 0; n < 2000; n++) { /* several at once */
        memcpy(bad, page, len);
        for (uint32_t k = 1 + below(4); k > 0; k--)
            bad[below(4) ? below(64 < len ? 64 : (uint32_t)len) : below((uint32_t)len)] =
                (uint8_t)chance();
        load_damaged(bad, len);
    }
    free(bad);
    for (size_t cut = 0; cut < len; cut += step) {
        uint8_t *part = malloc(cut + 1);
        memcpy(part, page, cut);
        load_damaged(part, cut);
        if (cut >= 4) { /* even when the page says so itself */
            part[2] = (uint8_t)cut;
            part[3] = (uint8_t)(cut >> 8);
            load_damaged(part, cut);
        }
        free(part);
    }
}

Test(index, a_damaged_page_is_refused_or_sound, .timeout = 600)
{
    static struct saved s;
    static const enum kind kinds[] = { KIND_PATHS, KIND_BINARY, KIND_LONG };
    seed(15);
    for (uint32_t k = 0; k < 3; k++) {
        struct world w;
        world_open(&w, kinds[k], 400, 1024);
        fill_and_save(&w, &s);
        for (uint32_t n = 0; n < effort(); n++) {
            uint32_t i = below(s.count);
            damage_page(s.page[i], s.len[i], s.len[i] > 2000 ? 7 : 1);
        }
        saved_free(&s);
        world_close(&w);
    }
}

Test(index, loading_without_memory_leaves_the_index_empty)
{
    static struct saved s;
    struct world w;
    seed(16);
    world_open(&w, KIND_PATHS, 600, HG_PAGE_BYTES_MIN);
    fill_and_save(&w, &s);
    struct hg_index *ix;
    count_allocations();
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    for (unsigned at = 1;; at++) {
        fail_allocation(at);
        int rc = load_pages(ix, &s);
        CHECK(rc == (fault.seen >= at ? HOLOG_E_NOMEM : HOLOG_OK));
        if (rc == HOLOG_OK)
            break;
        CHECK(ix->head->top == NULL);
    }
    hg_index_destroy(ix);
    CHECK(hg_alloc_live() == 0);
    saved_free(&s);
    world_close(&w);
}

Test(index, a_golden_page_reads_as_it_was_written)
{
    /* "ab", "abc", "abz" with locators of 0x11 ..., 0x22 ..., 0x33 ...: format 1 for ever */
    static const uint8_t head[] = {
        3,  0, 101, 0,   2,   0, 1, 0,   /* count, used, prefix, runs */
        0,  0, 0,   0,   0,   0, 0, 0,   /* head: nothing behind the prefix */
        21, 0, 3,   'a', 'b',            /* start, fill, prefix */
        0,  0, 0,   1,   'c', 0, 1, 'z', /* shared, length, bytes */
    };
    uint8_t page[101];
    struct hg_index *ix;
    struct hg_index_loader *l;
    struct hg_locator loc;
    seed(17);
    memset(page, 0, sizeof page);
    memcpy(page, head, sizeof head);
    size_t used = sizeof head + 3 * HG_LOCATOR_SIZE;
    CHECK(used == sizeof page);
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t *out = page + sizeof head + HG_LOCATOR_SIZE * i;
        memset(out, 0x11 * (i + 1), HG_LOCATOR_SIZE);
        out[20] = HG_ENTRY_BLOB;
    }
    CHECK(hg_index_create(NULL, 0, &ix) == HOLOG_OK);
    CHECK(hg_index_load_begin(ix, &l) == HOLOG_OK);
    CHECK(hg_index_load_page(l, page, used) == HOLOG_OK);
    CHECK(hg_index_load_end(l) == HOLOG_OK);
    CHECK(hg_index_get(ix, (const uint8_t *)"abc", 3, &loc) == HOLOG_OK);
    CHECK(loc.segment == 0x22222222 && loc.offset == 0x22222222 && loc.size == 0x222222222222 &&
          loc.number == 0x222222222222 && loc.type == HG_ENTRY_BLOB && loc.check == 0x222222);
    CHECK(hg_index_get(ix, (const uint8_t *)"ab", 2, &loc) == HOLOG_OK);
    CHECK(loc.segment == 0x11111111);
    CHECK(hg_index_get(ix, (const uint8_t *)"abz", 3, &loc) == HOLOG_OK);
    CHECK(hg_index_get(ix, (const uint8_t *)"aby", 3, &loc) == HOLOG_E_NOENT);
    hg_index_destroy(ix);
}

/* ---- threads -----------------------------------------------------------------------------------*/

#define READERS 3

struct stage {
    struct hg_epoch_domain *domain;
    struct pool pool;
    _Atomic(struct hg_root *) published;
    atomic_int stop;
    atomic_uint walks;
};

/* In every published root all keys carry one number: a commit is seen whole or not at all. */
static unsigned walk_published(const struct hg_root *root)
{
    struct hg_cursor c;
    uint32_t segment = 0;
    uint64_t n = 0;
    int rc = hg_cursor_open(&c, root, NULL, 0, 0);
    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c), n++) {
        if (n > 0 && c.loc.segment != segment)
            return 0;
        segment = c.loc.segment;
    }
    hg_cursor_close(&c);
    return n == hg_root_count(root);
}

static void *reader(void *arg)
{
    struct stage *s = arg;
    uint64_t wrong = 0;
    unsigned n = 0;
    while (!atomic_load(&s->stop)) {
        struct hg_epoch_slot *slot = hg_epoch_enter(s->domain);
        struct hg_root *root = atomic_load_explicit(&s->published, memory_order_acquire);
        int kept = n % 2 == 0 && hg_root_try_get(root);
        if (!kept)
            wrong += !walk_published(root);
        hg_epoch_leave(slot);
        if (kept) { /* a view: outside the epoch, by its count */
            wrong += !walk_published(root);
            hg_root_put(root);
        }
        n++;
        atomic_fetch_add(&s->walks, 1);
    }
    return (void *)(uintptr_t)wrong;
}

Test(index, readers_see_whole_commits_while_the_writer_goes_on, .timeout = 600)
{
    struct stage s = { 0 };
    struct hg_index *ix;
    pthread_t threads[READERS];
    seed(18);
    s.pool = pool_make(KIND_PATHS, 300);
    CHECK(hg_epoch_create(&s.domain) == HOLOG_OK);
    CHECK(hg_index_create(s.domain, HG_PAGE_BYTES_MIN, &ix) == HOLOG_OK);
    atomic_store(&s.published, hg_index_freeze(ix));
    for (uint32_t t = 0; t < READERS; t++)
        CHECK(pthread_create(&threads[t], NULL, reader, &s) == 0);
    for (uint32_t commit = 1; commit < 400 * effort() || atomic_load(&s.walks) < 100; commit++) {
        struct hg_locator loc = { .segment = commit, .type = HG_ENTRY_BLOB };
        for (uint32_t i = 0; i < s.pool.count; i++) {
            if (below(8) != 0)
                CHECK(hg_index_put(ix, s.pool.key[i], s.pool.len[i], &loc, NULL, NULL) == HOLOG_OK);
        }
        for (uint32_t i = 0; i < s.pool.count; i++) { /* what was not put again goes */
            struct hg_locator now;
            if (hg_index_get(ix, s.pool.key[i], s.pool.len[i], &now) == HOLOG_OK &&
                now.segment != commit)
                CHECK(hg_index_remove(ix, s.pool.key[i], s.pool.len[i], NULL) == HOLOG_OK);
        }
        struct hg_root *before = atomic_exchange(&s.published, hg_index_freeze(ix));
        if (commit % 7 == 0) /* a failed write: back to what was, and on from there */
            hg_index_reset(ix, before);
        hg_root_put(before);
        hg_epoch_poll(s.domain);
    }
    atomic_store(&s.stop, 1);
    for (uint32_t t = 0; t < READERS; t++) {
        void *wrong;
        CHECK(pthread_join(threads[t], &wrong) == 0);
        CHECK(wrong == NULL);
    }
    hg_root_put(atomic_load(&s.published));
    hg_index_destroy(ix);
    hg_epoch_destroy(s.domain);
    pool_free(&s.pool);
}

struct queue {
    _Atomic(struct hg_root *) slot[64];
    atomic_int stop;
};

static void *putter(void *arg)
{
    struct queue *q = arg;
    int stop;
    do {
        stop = atomic_load(&q->stop);
        for (uint32_t i = 0; i < 64; i++) {
            struct hg_root *root = atomic_exchange(&q->slot[i], NULL);
            if (root != NULL)
                hg_root_put(root);
        }
    } while (!stop);
    return NULL;
}

Test(index, roots_may_be_put_by_any_thread_while_the_writer_edits, .timeout = 600)
{
    struct queue q = { .stop = 0 };
    struct world w;
    pthread_t threads[READERS];
    seed(19);
    world_open(&w, KIND_PATHS, 2000, 0);
    for (uint32_t t = 0; t < READERS; t++)
        CHECK(pthread_create(&threads[t], NULL, putter, &q) == 0);
    for (uint32_t n = 0; n < 40000 * effort(); n++) {
        CHECK(world_put(&w, below(w.pool.count)) == HOLOG_OK);
        if (n % 8 == 0) {
            struct hg_root *root = hg_index_freeze(w.ix);
            struct hg_root *old = atomic_exchange(&q.slot[below(64)], root);
            if (old != NULL)
                hg_root_put(old);
        }
        if (n % 5000 == 0)
            world_freeze(&w);
        if (n % 7000 == 0 && w.frozen_count > 0)
            world_reset(&w, below(w.frozen_count));
    }
    atomic_store(&q.stop, 1);
    for (uint32_t t = 0; t < READERS; t++)
        CHECK(pthread_join(threads[t], NULL) == 0);
    compare_head(&w);
    world_close(&w);
}
