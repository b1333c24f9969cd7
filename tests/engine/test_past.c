/*
 * The past of the index against a copy of the whole index for every commit: lookups, entries in order,
 * what has changed since, and going back. The lists of commits and tags, and the rules of retention,
 * each alone and together.
 *
 *     HOLOG_TEST_SEED=... HOLOG_TEST_LEVEL=quick|normal|full
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "../crash/model.h"
#include "base/alloc.h"
#include "engine/index_page.h"
#include "engine/past.h"
#include "engine/retention.h"
#include "engine/timeline.h"

enum {
    COMMITS = 60
};

static int level(void)
{
    const char *l = getenv("HOLOG_TEST_LEVEL");
    return l == NULL || strcmp(l, "quick") == 0 ? 1 : strcmp(l, "full") == 0 ? 40 : 4;
}

static uint64_t seed(void)
{
    const char *s = getenv("HOLOG_TEST_SEED");
    return s == NULL ? 20261121 : strtoull(s, NULL, 0);
}

/* ---- every state, whole --------------------------------------------------------------------------*/

struct entry {
    uint8_t key[200];
    size_t len;
    struct hg_locator loc;
};

struct snapshot {
    struct entry *e; /* in order */
    size_t n;
};

static struct hg_state st;
static struct snapshot states[COMMITS + 1];
static uint64_t last;
static uint64_t rng;
static uint32_t next_offset; /* birth positions: each value has its own */

static uint64_t pick(uint64_t n)
{
    return rng_next(&rng) % n;
}

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int d = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return d != 0 ? d : (a_len > b_len) - (a_len < b_len);
}

static struct snapshot take(const struct hg_root *root)
{
    struct snapshot s = { calloc(hg_root_count(root) + 1, sizeof *s.e), 0 };
    struct hg_cursor c;
    int rc = hg_cursor_open(&c, root, NULL, 0, 0);

    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        struct entry *e = &s.e[s.n++];
        cr_assert_leq(c.key_len, sizeof e->key);
        memcpy(e->key, c.key, c.key_len);
        e->len = c.key_len;
        e->loc = c.loc;
    }
    cr_assert_eq(rc, HOLOG_E_NOENT);
    hg_cursor_close(&c);
    return s;
}

static const struct entry *find(const struct snapshot *s, const uint8_t *key, size_t len)
{
    for (size_t i = 0; i < s->n; i++)
        if (compare(s->e[i].key, s->e[i].len, key, len) == 0)
            return &s->e[i];
    return NULL;
}

static int is_below(const struct hg_key *k, const uint8_t *key, size_t len)
{
    return k->len == 0 || (len >= k->len && memcmp(key, k->bytes, k->len) == 0 &&
                           (len == k->len || key[k->len] == 0));
}

/* The same version; of a directory nobody knows when a child changed last. */
static int same(const struct hg_locator *a, const struct hg_locator *b)
{
    return a->type == b->type && a->number == b->number && a->segment == b->segment &&
           a->offset == b->offset && (a->type == HG_ENTRY_DIR || a->size == b->size);
}

/* ---- random changes ------------------------------------------------------------------------------*/

static const char *const names[] = { "a",   "a.b",   "a/b", "a/b/c", "a/b/10",   "a/b/9",     "a!",
                                     "ab",  "a\x01", "b",   "b/a",   "b/\x01",   "b/\x01/x",  "c",
                                     "c/a", "0",     "00",  "0/1",   "\xc3\xbf", "\xc3\xbf/a" };
#define NAMES (sizeof names / sizeof names[0])

static struct hg_key any_key(void)
{
    struct hg_key k;
    const char *name = names[pick(NAMES)];

    hg_key_make(name, strlen(name), &k);
    return k;
}

static void change(uint64_t number)
{
    struct hg_key k = any_key();
    struct hg_key to = any_key();
    struct hg_locator loc = { .segment = 1,
                              .offset = next_offset += 8,
                              .size = 1 + pick(100),
                              .number = number,
                              .type = HG_ENTRY_BLOB };
    int rc;

    switch (pick(12)) {
    case 0:
    case 1:
        loc.type = HG_ENTRY_DIR;
        loc.size = number;
        rc = hg_apply_mkdir(&st, &k, &loc);
        break;
    case 2:
    case 3: rc = hg_apply_delete_tree(&st, &k, number); break;
    case 4:
        if (pick(4) != 0)
            return;
        k.len = k.parent_len = k.path_len = 0;
        rc = hg_apply_delete_tree(&st, &k, number);
        break;
    case 5:
        if (is_below(&k, to.bytes, to.len) || is_below(&to, k.bytes, k.len) ||
            hg_state_get(&st, to.bytes, to.len, &loc) == HOLOG_OK)
            return;
        rc = pick(2) ? hg_apply_copy(&st, &k, &to, number) : hg_apply_move(&st, &k, &to, number);
        break;
    case 6:
        if (pick(3) == 0)
            k.len = k.parent_len = k.path_len = 0;
        rc = hg_apply_rollback(&st, &k, pick(number), number);
        if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
            cr_assert_fail("a rollback looks at no parent");
        break;
    default: /* not over a directory: the calls refuse that */
        rc = hg_apply_put_over(&st, &k, &loc, 1u << HG_ENTRY_BLOB);
        if (rc > 0)
            return;
        break;
    }
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR, "%s",
              holog_error_name(rc));
}

static void check_root(struct hg_index *ix)
{
    struct hg_root *root = hg_index_freeze(ix);
    cr_assert_eq(hg_root_check(root), HOLOG_OK);
    hg_root_put(root);
}

static int load_page(void *ctx, const uint8_t *page, size_t len)
{
    return hg_index_load_page(ctx, page, len);
}

/* As a checkpoint does it. */
static void save_and_load(struct hg_index **ix)
{
    struct hg_index *loaded = NULL;
    struct hg_index_loader *l = NULL;
    struct hg_root *root = hg_index_freeze(*ix);

    cr_assert_eq(hg_index_create(NULL, 0, &loaded), HOLOG_OK);
    cr_assert_eq(hg_index_load_begin(loaded, &l), HOLOG_OK);
    cr_assert_eq(hg_root_save(root, load_page, l), HOLOG_OK);
    cr_assert_eq(hg_index_load_end(l), HOLOG_OK);
    hg_root_put(root);
    hg_index_destroy(*ix);
    *ix = loaded;
}

static void begin(void)
{
    st = (struct hg_state){ 0 };
    cr_assert_eq(hg_index_create(NULL, 0, &st.index), HOLOG_OK);
    cr_assert_eq(hg_index_create(NULL, 0, &st.past), HOLOG_OK);
    memset(states, 0, sizeof states);
    states[0].e = calloc(1, sizeof *states[0].e);
    last = 0;
}

static void one_commit(void)
{
    struct hg_root *root;

    last++;
    for (uint64_t n = 1 + pick(4); n > 0; n--)
        change(last);
    if (pick(10) == 0) {
        save_and_load(&st.index);
        save_and_load(&st.past);
    }
    check_root(st.index);
    check_root(st.past);
    root = hg_index_freeze(st.index);
    states[last] = take(root);
    hg_root_put(root);
}

static void end(void)
{
    for (uint64_t i = 0; i <= last; i++)
        free(states[i].e);
    hg_index_destroy(st.index);
    hg_index_destroy(st.past);
}

/* ---- looking -------------------------------------------------------------------------------------*/

static struct hg_state_mark now;

static void lookups_are_right(uint64_t at)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct hg_key k;
        struct hg_locator got;
        const struct entry *want;
        hg_key_make(names[i], strlen(names[i]), &k);
        want = find(&states[at], k.bytes, k.len);
        int rc = hg_past_get(now.root, now.past, k.bytes, k.len, at, &got);
        cr_assert_eq(rc, want == NULL ? HOLOG_E_NOENT : HOLOG_OK, "%s as of %llu: %s", names[i],
                     (unsigned long long)at, holog_error_name(rc));
        cr_assert(want == NULL || same(&want->loc, &got), "%s as of %llu is another version",
                  names[i], (unsigned long long)at);
        cr_assert(want == NULL || got.type != HG_ENTRY_DIR || got.size <= at);
    }
}

/* From a key on, or behind it, or at what is below it; at times over a subtree. */
static void entries_are_right(uint64_t at)
{
    const struct snapshot *s = &states[at];
    struct hg_key from = any_key();
    struct hg_entries e;
    int after = (int)pick(2);
    size_t i = 0;
    int rc;

    if (pick(3) == 0)
        from.len = 0;
    else if (pick(2) == 0)
        from.bytes[from.len++] = (uint8_t)pick(2);
    if (from.len == 0 || from.bytes[from.len - 1] == 0)
        after = 0; /* no entry has such a key */
    rc = hg_entries_open(&e, now.root, now.past, at, from.bytes, from.len, after);
    while (i < s->n && compare(s->e[i].key, s->e[i].len, from.bytes, from.len) < after)
        i++;
    while (rc == HOLOG_OK) {
        cr_assert_lt(i, s->n, "an entry too many as of %llu", (unsigned long long)at);
        cr_assert_eq(compare(e.key, e.key_len, s->e[i].key, s->e[i].len), 0);
        cr_assert(same(&e.loc, &s->e[i].loc));
        if (pick(6) == 0) {
            uint8_t below[201];
            size_t n = e.key_len;
            memcpy(below, e.key, n);
            below[n] = 0;
            n += pick(2);
            for (i++; i < s->n && s->e[i].len >= n && memcmp(s->e[i].key, below, n) == 0;)
                i++;
            rc = hg_entries_skip_prefix(&e, below, n);
        } else {
            i++;
            rc = hg_entries_next(&e);
        }
    }
    hg_entries_close(&e);
    cr_assert_eq(rc, HOLOG_E_NOENT);
    cr_assert_eq(i, s->n, "as of %llu %zu entries, not %zu", (unsigned long long)at, i, s->n);
}

/* Did a commit after `since` touch it? */
static int changed(const uint8_t *key, size_t len, uint64_t since)
{
    for (uint64_t n = since + 1; n <= last; n++) {
        const struct entry *a = find(&states[n - 1], key, len);
        const struct entry *b = find(&states[n], key, len);
        if ((a == NULL) != (b == NULL) || (a != NULL && !same(&a->loc, &b->loc)))
            return 1;
    }
    return 0;
}

static void changes_are_right(uint64_t since)
{
    struct hg_key subtree = any_key();
    struct hg_changes c;
    size_t found = 0;
    size_t want = 0;
    uint8_t before[200];
    size_t before_len = 0;
    int rc;

    if (pick(3) == 0)
        subtree.len = 0;
    for (size_t i = 0; i < NAMES; i++) {
        struct hg_key k;
        hg_key_make(names[i], strlen(names[i]), &k);
        want += is_below(&subtree, k.bytes, k.len) && changed(k.bytes, k.len, since) ? 1 : 0;
    }
    rc = hg_changes_open(&c, now.root, now.past, &subtree, since);
    while (rc == HOLOG_OK && (rc = hg_changes_next(&c)) == HOLOG_OK) {
        int known = 0; /* copies make names of their own: those are not counted */
        for (size_t i = 0; i < NAMES && !known; i++) {
            struct hg_key k;
            hg_key_make(names[i], strlen(names[i]), &k);
            known = compare(k.bytes, k.len, c.key, c.key_len) == 0;
        }
        cr_assert(is_below(&subtree, c.key, c.key_len));
        cr_assert(changed(c.key, c.key_len, since), "what has not changed is told");
        cr_assert(found == 0 || compare(before, before_len, c.key, c.key_len) < 0);
        memcpy(before, c.key, c.key_len);
        before_len = c.key_len;
        found += known ? 1 : 0;
    }
    hg_changes_close(&c);
    cr_assert_eq(rc, HOLOG_E_NOENT);
    cr_assert_eq(found, want, "since %llu: %zu of %zu are told", (unsigned long long)since, found,
                 want);
}

/* N4: a cursor that passes over what is old shows what a plain one does that is new. */
static void new_ones_are_found(const struct hg_root *root, uint64_t since)
{
    struct hg_key from = any_key();
    struct hg_cursor a;
    struct hg_cursor b;
    int x = hg_cursor_open_since(&a, root, from.bytes, from.len, since);
    int y = hg_cursor_open(&b, root, from.bytes, from.len, 0);

    for (;; x = hg_cursor_next(&a), y = hg_cursor_next(&b)) {
        while (y == HOLOG_OK && b.loc.number <= since)
            y = hg_cursor_next(&b);
        cr_assert_eq(x, y);
        if (x != HOLOG_OK)
            break;
        cr_assert_eq(compare(a.key, a.key_len, b.key, b.key_len), 0);
    }
    hg_cursor_close(&a);
    hg_cursor_close(&b);
}

Test(past, every_state_is_found_again, .timeout = 600)
{
    for (int round = 0; round < 20 * level(); round++) {
        rng = seed() * 1000 + (uint64_t)round;
        begin();
        while (last < COMMITS) {
            one_commit();
            hg_state_freeze(&st, &now);
            for (int i = 0; i < 4; i++) {
                lookups_are_right(pick(last + 1));
                entries_are_right(pick(last + 1));
                changes_are_right(pick(last + 1));
                new_ones_are_found(now.root, 1 + pick(last));
                new_ones_are_found(now.past, 1 + pick(last));
            }
            hg_state_mark_release(&now);
        }
        end();
    }
}

/* The same in trees of several levels, where whole subtrees are passed over. */
static size_t large_key(char *out, uint64_t i)
{
    return (size_t)snprintf(out, 64, "%03u-a rather long name-%06u", (unsigned)(i / 40),
                            (unsigned)i);
}

static void change_large(struct hg_index *ix, uint64_t number)
{
    static struct hg_index_item items[50];
    static char keys[50][64 + HG_KEY_PAD];
    struct hg_locator loc = { .number = number, .size = 1, .type = HG_ENTRY_BLOB };
    struct hg_locator old;
    char key[64];
    uint64_t i = pick(20000);
    size_t len = large_key(key, i);
    int rc = HOLOG_OK;

    switch (pick(8)) {
    case 0: rc = hg_index_remove(ix, (uint8_t *)key, len, NULL); break;
    case 1: rc = hg_index_mark(ix, (uint8_t *)key, len, number, &old); break;
    case 2:
        rc = pick(4) == 0 ? hg_index_remove_prefix(ix, (uint8_t *)key, 3, NULL) : HOLOG_OK;
        break;
    case 3: /* and it is taken back: no newer number may stay without its mark */
        rc = hg_index_get(ix, (uint8_t *)key, len, &old);
        if (rc == HOLOG_OK)
            rc = hg_index_put(ix, (uint8_t *)key, len, &loc, NULL, NULL);
        if (rc == HOLOG_OK)
            hg_index_put_back(ix, (uint8_t *)key, len, &old);
        break;
    case 4:
        memset(keys, 0, sizeof keys);
        for (size_t k = 0; k < 50; k++) {
            items[k] = (struct hg_index_item){ .key = (uint8_t *)keys[k], .loc = loc };
            items[k].key_len = large_key(keys[k], i + k);
        }
        rc = hg_index_put_sorted(ix, items, 50);
        break;
    default: rc = hg_index_put(ix, (uint8_t *)key, len, &loc, NULL, NULL); break;
    }
    cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOENT, "%s", holog_error_name(rc));
}

static void new_ones_of_all(const struct hg_root *root, uint64_t since)
{
    struct hg_cursor a;
    struct hg_cursor b;
    int x = hg_cursor_open_since(&a, root, NULL, 0, since);
    int y = hg_cursor_open(&b, root, NULL, 0, 0);

    for (;; x = hg_cursor_next(&a), y = hg_cursor_next(&b)) {
        while (y == HOLOG_OK && b.loc.number <= since)
            y = hg_cursor_next(&b);
        cr_assert_eq(x, y);
        if (x != HOLOG_OK)
            break;
        cr_assert_eq(compare(a.key, a.key_len, b.key, b.key_len), 0);
    }
    hg_cursor_close(&a);
    hg_cursor_close(&b);
}

Test(past, what_is_new_is_found_in_large_trees, .timeout = 600)
{
    struct hg_index *ix = NULL;
    struct hg_root *held = NULL;
    uint64_t held_at = 0;

    rng = seed();
    cr_assert_eq(hg_index_create(NULL, 0, &ix), HOLOG_OK);
    for (uint64_t number = 1; number <= 1500 * (uint64_t)level(); number++) {
        struct hg_root *root;
        for (uint64_t n = 1 + pick(8); n > 0; n--)
            change_large(ix, number);
        if (pick(20) != 0)
            continue;
        if (pick(8) == 0 && held == NULL)
            save_and_load(&ix);
        root = hg_index_freeze(ix);
        cr_assert_eq(hg_root_check(root), HOLOG_OK);
        new_ones_of_all(root, number - pick(number < 30 ? number : 30));
        new_ones_of_all(root, 1 + pick(number));
        if (held != NULL) {
            new_ones_of_all(held, 1 + pick(held_at));
            hg_root_put(held);
            held = NULL;
        }
        if (pick(2) == 0) { /* what is edited from now on is copied */
            held = root;
            held_at = number;
        } else {
            hg_root_put(root);
        }
    }
    if (held != NULL)
        hg_root_put(held);
    hg_index_destroy(ix);
}

/* ---- going back ----------------------------------------------------------------------------------*/

/* Versions of values as of then inside the subtree, as they were outside. */
static void is_rolled_back(const struct hg_key *subtree, uint64_t target,
                           const struct snapshot *was)
{
    struct hg_root *root = hg_index_freeze(st.index);
    struct snapshot is = take(root);
    size_t n = 0;

    hg_root_put(root);
    for (size_t i = 0; i < was->n; i++)
        n += is_below(subtree, was->e[i].key, was->e[i].len) ? 0 : 1;
    for (size_t i = 0; i < states[target].n; i++)
        n += is_below(subtree, states[target].e[i].key, states[target].e[i].len) ? 1 : 0;
    cr_assert_eq(is.n, n);
    for (size_t i = 0; i < is.n; i++) {
        int inside = is_below(subtree, is.e[i].key, is.e[i].len);
        const struct entry *e = find(inside ? &states[target] : was, is.e[i].key, is.e[i].len);
        const struct entry *old = find(was, is.e[i].key, is.e[i].len);
        const struct hg_locator *loc = &is.e[i].loc;
        cr_assert_not_null(e);
        cr_assert_eq(loc->type, e->loc.type);
        cr_assert(loc->type == HG_ENTRY_DIR ||
                  (loc->segment == e->loc.segment && loc->offset == e->loc.offset &&
                   loc->size == e->loc.size));
        cr_assert(loc->number == last + 1 || (old != NULL && loc->number == old->loc.number),
                  "what did not change keeps its number");
    }
    free(is.e);
}

static struct hg_sums sums_of(void)
{
    struct hg_sums sums = { 0 };
    struct hg_root *root = hg_index_freeze(st.index);
    struct hg_cursor c;

    for (int rc = hg_cursor_open(&c, root, NULL, 0, 0); rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        char path[HG_PATH_MAX + 1];
        size_t len = 0;
        cr_assert_eq(hg_key_to_path(c.key, c.key_len, path, &len), HOLOG_OK);
        hg_sums_count(&sums, &c.loc, len, 1);
    }
    hg_cursor_close(&c);
    hg_root_put(root);
    return sums;
}

Test(past, going_back_makes_the_subtree_what_it_was, .timeout = 600)
{
    for (int round = 0; round < 60 * level(); round++) {
        rng = seed() * 7000 + (uint64_t)round;
        begin();
        while (last < 20)
            one_commit();
        for (int i = 0; i < 20; i++) {
            struct hg_key k = any_key();
            uint64_t target = pick(last + 1);
            struct hg_state_mark before;
            struct hg_sums sums;
            int parent;
            if (pick(3) == 0)
                k.len = k.parent_len = k.path_len = 0;
            struct hg_locator loc;
            parent = k.parent_len == 0 ? HG_ENTRY_DIR
                     : hg_index_get(st.index, k.bytes, k.parent_len, &loc) == HOLOG_OK ? loc.type
                                                                                       : 0;
            if (parent != HG_ENTRY_DIR)
                continue; /* refused before it comes to that */
            hg_state_freeze(&st, &before);
            cr_assert_eq(hg_apply_rollback(&st, &k, target, last + 1), HOLOG_OK);
            is_rolled_back(&k, target, &states[last]);
            sums = sums_of();
            cr_assert(sums.entries == st.sums.entries && sums.directories == st.sums.directories &&
                      sums.live_key_bytes == st.sums.live_key_bytes &&
                      sums.live_value_bytes == st.sums.live_value_bytes);
            check_root(st.index);
            check_root(st.past);
            hg_state_reset(&st, &before);
            hg_state_mark_release(&before);
        }
        end();
    }
}

/* ---- keys ----------------------------------------------------------------------------------------*/

Test(past, the_longest_path_has_a_past)
{
    char path[HG_PATH_MAX];
    struct hg_key k;
    struct hg_locator loc = {
        .segment = 1, .offset = 8, .size = 5, .number = 1, .type = HG_ENTRY_BLOB
    };
    struct hg_locator got;

    begin();
    for (size_t i = 0; i < sizeof path; i++) /* digits take the most room in a key */
        path[i] = i % 250 == 249 ? '/' : i % 2 == 0 ? '1' : 'x';
    path[sizeof path - 1] = '1';
    hg_key_make(path, sizeof path, &k);
    for (size_t i = 0; i < sizeof path; i++) {
        struct hg_key dir;
        struct hg_locator d = { .number = 1, .size = 1, .type = HG_ENTRY_DIR };
        if (path[i] != '/')
            continue;
        hg_key_make(path, i, &dir);
        cr_assert_eq(hg_apply_put(&st, &dir, &d), HOLOG_OK);
    }
    cr_assert_eq(hg_apply_put(&st, &k, &loc), HOLOG_OK);
    loc.number = HG_NUMBER_MAX;
    loc.offset = 16;
    cr_assert_eq(hg_apply_put(&st, &k, &loc), HOLOG_OK);
    hg_state_freeze(&st, &now);
    cr_assert_eq(hg_past_get(now.root, now.past, k.bytes, k.len, 1, &got), HOLOG_OK);
    cr_assert(got.offset == 8 && got.number == 1 && got.size == 5);
    cr_assert_eq(hg_past_get(now.root, now.past, k.bytes, k.len, 0, &got), HOLOG_E_NOENT);
    cr_assert_eq(hg_past_get(now.root, now.past, k.bytes, k.len, HG_NUMBER_MAX - 1, &got),
                 HOLOG_OK);
    cr_assert_eq(got.offset, 8);
    hg_state_mark_release(&now);
    end();
}

Test(past, a_number_of_bytes_fits_a_byte_and_is_rounded_up)
{
    const struct hg_locator loc = { .size = UINT64_C(1) << 48, .type = HG_ENTRY_BLOB };
    uint8_t before = HG_ENDS_NONE;

    cr_assert_eq(hg_past_ended_bytes(HG_ENDS_ALL, &loc), loc.size);
    cr_assert_eq(hg_past_ended_bytes(hg_past_ends(0), &loc), 1, "not what says that it went on");
    for (uint64_t bytes = 1; bytes <= loc.size; bytes += 1 + bytes / 1000) {
        uint8_t e = hg_past_ends(bytes);
        uint64_t got = hg_past_ended_bytes(e, &loc);
        cr_assert(e >= before && e > HG_ENDS_NONE && e <= HG_ENDS_MAX);
        cr_assert(got >= bytes && got - bytes <= bytes / 4, "%llu gives %llu",
                  (unsigned long long)bytes, (unsigned long long)got);
        before = e;
    }
    cr_assert_leq(hg_past_ends(loc.size), HG_ENDS_MAX);
    cr_assert_eq(hg_past_ended_bytes(HG_ENDS_MAX, &loc), loc.size);
}

Test(past, what_a_commit_replaces_of_itself_leaves_nothing)
{
    struct hg_key k;
    struct hg_locator loc = { .segment = 1, .offset = 8, .number = 4, .type = HG_ENTRY_BLOB };

    begin();
    hg_key_make("a", 1, &k);
    cr_assert_eq(hg_apply_put(&st, &k, &loc), HOLOG_OK);
    loc.offset = 16;
    cr_assert_eq(hg_apply_put(&st, &k, &loc), HOLOG_OK);
    cr_assert_eq(hg_apply_delete_tree(&st, &k, 4), HOLOG_OK);
    cr_assert_eq(hg_index_count(st.past), 0);
    cr_assert_eq(st.sums.past_bytes, 0);
    end();
}

static int never(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 0;
}

Test(past, a_cursor_at_the_end_owns_nothing)
{
    uint8_t key[HG_KEY_MAX];
    struct hg_cursor c;
    struct hg_root *root;
    long live;

    begin();
    one_commit();
    root = hg_index_freeze(st.index);
    hg_alloc_set_fault(never, NULL); /* so that they are counted */
    live = hg_alloc_live();
    memset(key, 0xff, sizeof key);
    cr_assert_eq(hg_cursor_open(&c, root, key, sizeof key, 0), HOLOG_E_NOENT);
    cr_assert_eq(hg_alloc_live(), live, "left without a close");
    hg_cursor_close(&c);
    cr_assert_eq(hg_alloc_live(), live);
    hg_alloc_set_fault(NULL, NULL);
    hg_root_put(root);
    end();
}

/* ---- commits and tags ----------------------------------------------------------------------------*/

static void add_moments(struct hg_timeline *t, uint64_t n)
{
    for (uint64_t i = 1; i <= n; i++) { /* numbers 2, 4, ...; two of each time */
        struct hg_moment m = { .number = 2 * i, .time_ns = (i + 1) / 2 * 100, .ended_bytes = 10 };
        cr_assert_eq(hg_timeline_reserve(t), HOLOG_OK);
        hg_timeline_add(t, &m);
    }
}

Test(timeline, commits_are_found_by_number_and_time)
{
    struct hg_timeline t = { 0 };

    cr_assert_eq(hg_timeline_find(&t, 5), SIZE_MAX);
    cr_assert_eq(hg_timeline_find_time(&t, 5), SIZE_MAX);
    add_moments(&t, 7);
    cr_assert_eq(hg_timeline_count(&t), 7);
    cr_assert_eq(hg_timeline_find(&t, 1), SIZE_MAX);
    cr_assert_eq(hg_timeline_find(&t, 2), 0);
    cr_assert_eq(hg_timeline_find(&t, 3), 0);
    cr_assert_eq(hg_timeline_find(&t, 14), 6);
    cr_assert_eq(hg_timeline_find(&t, UINT64_MAX), 6);
    cr_assert_eq(hg_timeline_find_time(&t, 99), SIZE_MAX);
    cr_assert_eq(hg_timeline_find_time(&t, 100), 1, "the newest of that time");
    cr_assert_eq(hg_timeline_find_time(&t, 399), 5);
    cr_assert_eq(hg_timeline_find_time(&t, UINT64_MAX), 6);
    hg_timeline_release(&t);
}

Test(timeline, the_horizon_only_goes_on_and_takes_those_below_it)
{
    struct hg_timeline t = { 0 };

    add_moments(&t, 20000);
    for (uint64_t h = 0; h <= 40000; h += 501) {
        size_t kept = 0;
        hg_timeline_set_horizon(&t, h);
        hg_timeline_set_horizon(&t, h / 2);
        cr_assert_eq(t.horizon, h);
        for (uint64_t i = 1; i <= 20000; i++)
            kept += 2 * i >= h ? 1 : 0;
        cr_assert_eq(hg_timeline_count(&t), kept);
        cr_assert_eq(t.ended_bytes, 10 * kept);
        cr_assert(kept == 0 || hg_timeline_at(&t, 0)->number == (h < 2 ? 2 : (h + 1) / 2 * 2));
        cr_assert_eq(hg_timeline_find(&t, 40000), kept == 0 ? SIZE_MAX : kept - 1);
    }
    hg_timeline_cut(&t, 39998);
    cr_assert_eq(t.ended_bytes, 10 * hg_timeline_count(&t));
    hg_timeline_cut(&t, 0);
    cr_assert_eq(hg_timeline_count(&t), 0);
    cr_assert_eq(t.ended_bytes, 0);
    hg_timeline_release(&t);
}

Test(timeline, tags_are_like_a_list_by_name)
{
    struct hg_timeline t = { 0 };
    uint64_t want[26] = { 0 };

    rng = seed();
    for (int i = 0; i < 3000; i++) {
        char name[HG_TAG_NAME_MAX + 1];
        size_t which = pick(26);
        size_t len = 1 + which % 3 * 31 + which % 2; /* names that begin others, the longest too */
        uint64_t first = pick(100);
        int any = 0;
        memset(name, 'a' + (int)(which / 13), sizeof name);
        name[0] = (char)('a' + (int)which);
        name[len] = 0;
        if (pick(3) == 0) {
            hg_timeline_remove_tag(&t, name, len);
            want[which] = 0;
        } else {
            want[which] = 1 + pick(100);
            cr_assert_eq(hg_timeline_set_tag(&t, name, len, want[which], 7), HOLOG_OK);
        }
        cr_assert_eq(hg_timeline_tag(&t, name) != NULL, want[which] != 0);
        cr_assert(want[which] == 0 || hg_timeline_tag(&t, name)->number == want[which]);
        for (size_t k = 0; k < 26; k++)
            any |= want[k] != 0 && want[k] >= first && want[k] < first + 5;
        cr_assert_eq(hg_timeline_has_tag(&t, first, first + 5), any);
        for (size_t k = 0; k + sizeof(struct hg_tag) < t.tags.len; k += sizeof(struct hg_tag)) {
            const struct hg_tag *g = (const struct hg_tag *)(const void *)(t.tags.data + k);
            cr_assert_lt(strcmp(g[0].name, g[1].name), 0);
        }
    }
    hg_timeline_release(&t);
}

/* ---- rules ---------------------------------------------------------------------------------------*/

static uint64_t wall;

static uint64_t wall_ns(struct hg_io *io)
{
    (void)io;
    return wall;
}

static const struct hg_io_ops ops = { .wall_ns = wall_ns };
static struct hg_io io = { .ops = &ops };
static struct holog_store store;

static uint64_t horizon(uint64_t commits, uint64_t age_ns, uint64_t bytes, int live)
{
    struct hg_retention r = {
        .commits = commits, .age_ns = age_ns, .bytes = bytes, .bytes_live = live
    };
    return hg_retention_horizon(&store, &r);
}

Test(retention, each_rule_alone_and_the_strictest_of_them)
{
    const uint64_t all = UINT64_MAX;

    memset(&store, 0, sizeof store);
    store.io = &io;
    wall = 1000;
    cr_assert_eq(horizon(1, 0, 0, 0), 0, "nothing is there");
    add_moments(&store.timeline, 10); /* 2 to 20; times 100, 100, 200, ... 500; 10 bytes by each */
    cr_assert_eq(horizon(all, all, all, 0), 0);
    cr_assert_eq(horizon(1, all, all, 0), 20);
    cr_assert_eq(horizon(3, all, all, 0), 16);
    cr_assert_eq(horizon(10, all, all, 0), 0);
    cr_assert_eq(horizon(9, all, all, 0), 4);
    cr_assert_eq(horizon(all, 0, all, 0), 20, "the newest is always kept");
    cr_assert_eq(horizon(all, 500, all, 0), 20);
    cr_assert_eq(horizon(all, 501, all, 0), 18);
    cr_assert_eq(horizon(all, 701, all, 0), 10);
    cr_assert_eq(horizon(all, 901, all, 0), 0);
    cr_assert_eq(horizon(all, 5000, all, 0), 0, "older than time itself");
    cr_assert_eq(horizon(all, all, 0, 0), 20);
    cr_assert_eq(horizon(all, all, 9, 0), 20);
    cr_assert_eq(horizon(all, all, 10, 0), 18, "the state of 18 needs what 20 has ended");
    cr_assert_eq(horizon(all, all, 89, 0), 4);
    cr_assert_eq(horizon(all, all, 90, 0), 0);
    store.sequenced.sums.live_value_bytes = 35;
    cr_assert_eq(horizon(all, all, 0, 1), 14);
    cr_assert_eq(horizon(2, 701, 35, 0), 18);
    cr_assert_eq(horizon(8, 501, 35, 0), 18);
    cr_assert_eq(horizon(8, 701, 10, 0), 18);
    hg_timeline_set_horizon(&store.timeline, 12);
    cr_assert_eq(horizon(all, all, all, 0), 12, "it never goes back");
    cr_assert_eq(horizon(5, all, all, 0), 12);
    cr_assert_eq(horizon(4, all, all, 0), 14);
    hg_timeline_release(&store.timeline);
}

Test(retention, a_setting_is_a_number_all_or_live)
{
    static const struct {
        const char *key, *value;
        int known, ok;
    } cases[] = { { "retention.commits", "1", 1, 1 },
                  { "retention.commits", "all", 1, 1 },
                  { "retention.commits", "999999999999999", 1, 1 },
                  { "retention.commits", "0", 1, 0 },
                  { "retention.commits", "live", 1, 0 },
                  { "retention.commits", "", 1, 0 },
                  { "retention.commits", "-1", 1, 0 },
                  { "retention.commits", "1 ", 1, 0 },
                  { "retention.commits", "1000000000000000", 1, 0 },
                  { "retention.age_s", "0", 1, 1 },
                  { "retention.age_s", "1h", 1, 0 },
                  { "retention.age_s", "live", 1, 0 },
                  { "retention.bytes", "live", 1, 1 },
                  { "retention.bytes", "0", 1, 1 },
                  { "retention.bytes", "Live", 1, 0 },
                  { "retention.commit", "1", 0, 0 } };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int ok = 0;
        cr_assert_eq(hg_retention_setting(cases[i].key, cases[i].value, &ok), cases[i].known, "%s",
                     cases[i].key);
        cr_assert(!cases[i].known || ok == cases[i].ok, "%s \"%s\"", cases[i].key, cases[i].value);
    }
}
