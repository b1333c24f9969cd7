/*
 * Runs against the same changes applied one by one: entries, birth positions, numbers and sums of
 * both must be the same to the byte. Histories are random, over few names, so that puts meet.
 *
 * HOLOG_TEST_SEED replays a run; every failure prints the seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "base/alloc.h"
#include "engine/index_page.h"
#include "engine/run.h"

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

static uint32_t effort(void)
{
    const char *level = getenv("HOLOG_TEST_LEVEL");
    if (level == NULL || strcmp(level, "quick") == 0)
        return 1;
    return strcmp(level, "full") == 0 ? 40 : 4;
}

#define CHECK(cond)                                                                               \
    cr_assert(cond, "HOLOG_TEST_SEED=%llu: %s:%d: %s", (unsigned long long)chance_seed, __FILE__, \
              __LINE__, #cond)

/* ---- two states --------------------------------------------------------------------------------*/

#define PATH_ROOM 512

struct both {
    struct hg_state plain; /* one by one */
    struct hg_state sorted;
    struct hg_run run;
    uint64_t number;
    uint32_t offset;
    struct hg_key a, b;
    char path_a[PATH_ROOM], path_b[PATH_ROOM];
};

static struct both *begin(void)
{
    struct both *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    CHECK(hg_index_create(NULL, 512, &t->plain.index) == HOLOG_OK);
    CHECK(hg_index_create(NULL, 512, &t->sorted.index) == HOLOG_OK);
    t->number = 1;
    return t;
}

static void end(struct both *t)
{
    hg_run_release(&t->run);
    hg_index_destroy(t->plain.index);
    hg_index_destroy(t->sorted.index);
    free(t);
}

static void expect_same(struct both *t)
{
    struct hg_root *p = hg_index_freeze(t->plain.index);
    struct hg_root *q = hg_index_freeze(t->sorted.index);
    struct hg_cursor c, d;
    CHECK(hg_root_check(p) == HOLOG_OK);
    CHECK(hg_root_check(q) == HOLOG_OK);
    CHECK(memcmp(&t->plain.sums, &t->sorted.sums, sizeof t->plain.sums) == 0);
    int rc = hg_cursor_open(&c, p, NULL, 0, 0);
    CHECK(hg_cursor_open(&d, q, NULL, 0, 0) == rc);
    while (rc == HOLOG_OK) {
        uint8_t x[HG_LOCATOR_SIZE], y[HG_LOCATOR_SIZE];
        CHECK(c.key_len == d.key_len && memcmp(c.key, d.key, c.key_len) == 0);
        hg_locator_encode(x, &c.loc);
        hg_locator_encode(y, &d.loc);
        CHECK(memcmp(x, y, sizeof x) == 0);
        rc = hg_cursor_next(&c);
        CHECK(hg_cursor_next(&d) == rc);
    }
    hg_cursor_close(&c);
    hg_cursor_close(&d);
    hg_root_put(p);
    hg_root_put(q);
}

/* ---- changes -----------------------------------------------------------------------------------*/

/* Names that are prefixes of each other, with digits, and longer than the words a sort compares. */
static const char *const names[] = { "a",
                                     "b",
                                     "b b",
                                     "c1",
                                     "c2",
                                     "c10",
                                     "c00000000010",
                                     "a long name that goes on",
                                     "a long name that goes of" };
#define NAMES (sizeof names / sizeof names[0])

static void random_path(char out[PATH_ROOM], struct hg_key *k, uint32_t wide)
{
    uint32_t depth = 1 + below(4);
    size_t len = 0;
    for (uint32_t i = 0; i < depth; i++) {
        len += (size_t)snprintf(out + len, PATH_ROOM - len, "%s%s", i > 0 ? "/" : "",
                                names[below(NAMES)]);
        if (wide > 1 && i + 1 == depth && below(4) > 0)
            len += (size_t)snprintf(out + len, PATH_ROOM - len, " %u", below(wide));
    }
    hg_key_make(out, len, k);
}

static uint8_t type_at(const struct both *t, const uint8_t *key, size_t len)
{
    struct hg_locator loc;
    return hg_state_get(&t->plain, key, len, &loc) == HOLOG_OK ? loc.type : 0;
}

static struct hg_locator locator(struct both *t, uint8_t type)
{
    t->number += below(3) == 0;
    t->offset += 8;
    return (struct hg_locator){ .segment = 1 + below(2),
                                .offset = t->offset,
                                .size = type == HG_ENTRY_DIR ? t->number : below(1000),
                                .number = t->number,
                                .type = type,
                                .check = type == HG_ENTRY_DIR ? 0 : below(1 << 24) };
}

/* What commits may do, as the engine checks it; a log with gaps knows no such rules. */
static int put_allowed(const struct both *t, uint8_t type)
{
    uint8_t there = type_at(t, t->a.bytes, t->a.len);
    if (type_at(t, t->a.bytes, t->a.parent_len) != HG_ENTRY_DIR)
        return 0;
    return there == 0 || (there == HG_ENTRY_DIR) == (type == HG_ENTRY_DIR);
}

static int put(struct both *t, uint8_t type)
{
    struct hg_locator loc = locator(t, type);
    CHECK(hg_run_add(&t->run, &t->a, &loc) == HOLOG_OK);
    return type == HG_ENTRY_DIR ? hg_apply_mkdir(&t->plain, &t->a, &loc)
                                : hg_apply_put(&t->plain, &t->a, &loc);
}

static int transfer_allowed(const struct both *t)
{
    uint8_t from = type_at(t, t->a.bytes, t->a.len);
    uint8_t to = type_at(t, t->b.bytes, t->b.len);
    return from != 0 && type_at(t, t->b.bytes, t->b.parent_len) == HG_ENTRY_DIR &&
           (to == 0 || (to != HG_ENTRY_DIR && from != HG_ENTRY_DIR)) &&
           (t->b.len < t->a.len || memcmp(t->a.bytes, t->b.bytes, t->a.len) != 0);
}

/* Flush, then something that does not fit a run. */
static int change(struct both *t)
{
    int rc = hg_run_flush(&t->run, &t->sorted);
    if (rc < 0)
        return rc;
    t->number++;
    if (below(2) == 0 && type_at(t, t->a.bytes, t->a.len) != 0) {
        CHECK(hg_apply_delete_tree(&t->plain, &t->a, t->number) == HOLOG_OK);
        CHECK(hg_apply_delete_tree(&t->sorted, &t->a, t->number) == HOLOG_OK);
    } else if (transfer_allowed(t) && below(2) == 0) {
        CHECK(hg_apply_move(&t->plain, &t->a, &t->b, t->number) == HOLOG_OK);
        CHECK(hg_apply_move(&t->sorted, &t->a, &t->b, t->number) == HOLOG_OK);
    } else if (transfer_allowed(t)) {
        CHECK(hg_apply_copy(&t->plain, &t->a, &t->b, t->number) == HOLOG_OK);
        CHECK(hg_apply_copy(&t->sorted, &t->a, &t->b, t->number) == HOLOG_OK);
    }
    return HOLOG_OK;
}

/* One history. HOLOG_E_STALE: the run saw that it has gaps. */
static int history(struct both *t, uint32_t length, uint32_t changes_in, uint32_t wide, int gaps)
{
    int failed = 0;
    for (uint32_t i = 0; i < length && !failed; i++) {
        random_path(t->path_a, &t->a, wide);
        random_path(t->path_b, &t->b, wide);
        if (below(changes_in) == 0) {
            if (change(t) < 0)
                return HOLOG_E_STALE;
            expect_same(t);
            continue;
        }
        uint8_t type = below(3) == 0 ? HG_ENTRY_DIR : HG_ENTRY_BLOB;
        if (put_allowed(t, type) || (gaps && below(8) == 0))
            failed = put(t, type) < 0;
    }
    int rc = hg_run_flush(&t->run, &t->sorted);
    CHECK(rc == HOLOG_OK || rc == HOLOG_E_STALE);
    CHECK(rc == HOLOG_E_STALE || !failed);
    if (rc == HOLOG_OK)
        expect_same(t);
    return rc;
}

/* ---- tests -------------------------------------------------------------------------------------*/

Test(run, a_history_in_runs_is_the_history_one_by_one)
{
    seed(1);
    for (uint32_t i = 0; i < 400 * effort(); i++) {
        struct both *t = begin();
        uint32_t wide = below(2) == 0 ? 1 : 1 + below(200);
        CHECK(history(t, 1 + below(600), 1 + below(200), wide, 0) == HOLOG_OK);
        CHECK(!t->run.misfit);
        end(t);
    }
}

Test(run, many_puts_fill_many_leaves)
{
    seed(2);
    for (uint32_t i = 0; i < 3 * effort(); i++) {
        struct both *t = begin();
        CHECK(history(t, 30000, 8000, 5000, 0) == HOLOG_OK);
        CHECK(t->sorted.sums.entries > 3000);
        end(t);
    }
}

Test(run, a_history_with_gaps_is_the_same_or_noticed)
{
    seed(3);
    uint32_t noticed = 0;
    uint32_t rounds = 400 * effort();
    for (uint32_t i = 0; i < rounds; i++) {
        struct both *t = begin();
        int rc = history(t, 1 + below(40), 1 + below(50), 1, 1);
        CHECK(t->run.misfit == (rc == HOLOG_E_STALE));
        noticed += rc == HOLOG_E_STALE;
        end(t);
    }
    CHECK(noticed > rounds / 10 && noticed < rounds);
}

Test(run, a_child_before_its_directory_is_noticed)
{
    seed(4);
    struct both *t = begin();
    hg_key_make("d/x", 3, &t->a);
    CHECK(put(t, HG_ENTRY_BLOB) == HOLOG_E_NOENT);
    hg_key_make("d", 1, &t->a);
    CHECK(put(t, HG_ENTRY_DIR) == HOLOG_OK);
    CHECK(hg_run_flush(&t->run, &t->sorted) == HOLOG_E_STALE);
    end(t);
}

static int is_new(void *ctx, size_t i, struct hg_locator *loc)
{
    (void)loc;
    return ((const char *)ctx)[i] == 'n';
}

Test(run, what_must_be_new_and_is_not_is_noticed)
{
    static const struct {
        const char *paths[3];
        const char *is_new;
        int rc;
    } cases[] = {
        { { "b", "a", "c" }, "nnn", HOLOG_OK },      { { "b", "x", "c" }, "nnn", HOLOG_E_STALE },
        { { "b", "x", "c" }, "n n", HOLOG_OK },      { { "b", "b", "c" }, "n n", HOLOG_E_STALE },
        { { "b", "c", "b" }, "nn ", HOLOG_E_STALE }, { { "b", "c", "b" }, " n ", HOLOG_OK },
    };
    char all[4];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct both *t = begin();
        hg_key_make("x", 1, &t->a);
        CHECK(put(t, HG_ENTRY_BLOB) == HOLOG_OK);
        CHECK(hg_run_flush(&t->run, &t->sorted) == HOLOG_OK);
        for (size_t k = 0; k < 3; k++) {
            hg_key_make(cases[i].paths[k], 1, &t->a);
            CHECK(put(t, HG_ENTRY_BLOB) == HOLOG_OK);
        }
        memcpy(all, cases[i].is_new, sizeof all);
        hg_run_fill(&t->run, is_new, all);
        CHECK(hg_run_flush(&t->run, &t->sorted) == cases[i].rc);
        if (cases[i].rc == HOLOG_OK)
            expect_same(t);
        end(t);
    }
}

Test(run, puts_that_come_in_order_are_not_sorted_again)
{
    seed(8);
    struct both *t = begin();
    for (uint32_t i = 0; i < 1000; i++) {
        char path[8];
        (void)snprintf(path, sizeof path, "%u", i);
        hg_key_make(path, strlen(path), &t->a);
        struct hg_locator loc = locator(t, HG_ENTRY_BLOB);
        struct hg_run_put one = { t->a.bytes, t->a.len, t->a.parent_len, t->a.path_len, &loc };
        CHECK(hg_run_append(&t->run, &one) == HOLOG_OK);
        CHECK(hg_apply_put(&t->plain, &t->a, &loc) == HOLOG_OK);
    }
    CHECK(t->run.in_order);
    CHECK(hg_run_at(&t->run, 10).key_len == 4 && hg_run_at(&t->run, 10).key[1] == '1');
    CHECK(hg_run_flush(&t->run, &t->sorted) == HOLOG_OK);
    expect_same(t);
    end(t);
}

/* The index remembers where it marked last: an edit elsewhere, or a state that comes back, must not
 * lead the next put astray. */
Test(run, puts_find_their_way_after_a_state_came_back)
{
    seed(7);
    struct both *t = begin();
    for (uint32_t i = 0; i < 20000 * effort(); i++) {
        struct hg_state *detour = below(2) == 0 ? &t->plain : &t->sorted;
        struct hg_root *before = hg_index_freeze(detour->index);
        struct hg_sums sums = detour->sums;
        for (uint32_t k = below(4); k > 0; k--) {
            random_path(t->path_a, &t->a, 100);
            struct hg_locator put = locator(t, HG_ENTRY_BLOB);
            if (put_allowed(t, HG_ENTRY_BLOB))
                CHECK(hg_apply_put(detour, &t->a, &put) == HOLOG_OK);
        }
        struct hg_locator loc;
        int rc = hg_index_mark(detour->index, t->a.bytes, t->a.parent_len, t->number, &loc);
        CHECK(rc == HOLOG_OK || rc == HOLOG_E_NOENT);
        detour->sums = sums;
        hg_index_reset(detour->index, before);
        hg_root_put(before);
        if (below(2) == 0)
            random_path(t->path_a, &t->a, 100);
        uint8_t type = below(3) == 0 ? HG_ENTRY_DIR : HG_ENTRY_BLOB;
        loc = locator(t, type);
        if (!put_allowed(t, type) || type_at(t, t->a.bytes, t->a.len) == HG_ENTRY_DIR)
            continue;
        CHECK(hg_apply_put(&t->plain, &t->a, &loc) == HOLOG_OK);
        CHECK(hg_apply_put(&t->sorted, &t->a, &loc) == HOLOG_OK);
        if (below(1000) == 0)
            expect_same(t);
    }
    expect_same(t);
    CHECK(t->plain.sums.entries > 500);
    end(t);
}

Test(run, one_key_put_many_times_keeps_the_last)
{
    seed(5);
    struct both *t = begin();
    hg_key_make("x", 1, &t->a);
    for (uint32_t i = 0; i < 50000; i++)
        CHECK(put(t, HG_ENTRY_BLOB) == HOLOG_OK);
    CHECK(hg_run_flush(&t->run, &t->sorted) == HOLOG_OK);
    expect_same(t);
    end(t);
}

static uint32_t allocations_left;

static int fail_at_last(size_t size, void *ctx)
{
    HG_UNUSED(size);
    HG_UNUSED(ctx);
    return allocations_left > 0 && --allocations_left == 0;
}

Test(run, no_memory_is_told_and_nothing_leaks)
{
    seed(6);
    hg_alloc_set_fault(fail_at_last, NULL);
    long live = hg_alloc_live();
    for (uint32_t at = 1;; at++) {
        struct both *t = begin();
        allocations_left = at;
        int rc = HOLOG_OK;
        for (uint32_t i = 0; i < 300 && rc == HOLOG_OK; i++) {
            struct hg_locator loc = locator(t, HG_ENTRY_BLOB);
            size_t len = (size_t)snprintf(t->path_a, sizeof t->path_a, "%u", i * 7919 % 300);
            hg_key_make(t->path_a, len, &t->a);
            rc = hg_run_add(&t->run, &t->a, &loc);
        }
        if (rc == HOLOG_OK)
            rc = hg_run_flush(&t->run, &t->sorted);
        allocations_left = 0;
        end(t);
        CHECK(hg_alloc_live() == live);
        if (rc == HOLOG_OK)
            break;
        CHECK(rc == HOLOG_E_NOMEM);
    }
    hg_alloc_set_fault(NULL, NULL);
}
