/*
 * Ropes against plain arrays: a byte of a value is a number that says which byte of which record it is.
 *
 * HOLOG_TEST_SEED replays one case; every failure prints the seed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "base/alloc.h"
#include "engine/rope.h"

/* ---- chance ------------------------------------------------------------------------------------ */

static uint64_t chance_seed;
static uint64_t chance_state;

static uint64_t chance(void)
{
    uint64_t z = (chance_state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t n)
{
    return chance() % n;
}

static uint64_t at_most(uint64_t most, uint64_t n)
{
    return n < most ? n : most;
}

static void seed(uint64_t n)
{
    chance_seed = n;
    chance_state = n;
}

/* Run `one` for so many seeds, four times as many in a normal run, 40 in a full one. */
static void for_seeds(uint64_t first, uint64_t count, void (*one)(void))
{
    const char *env = getenv("HOLOG_TEST_SEED");
    const char *level = getenv("HOLOG_TEST_LEVEL");

    if (getenv("HOLOG_SANITIZER") != NULL)
        count = count / 8 + 1;
    else if (level != NULL && strcmp(level, "quick") != 0)
        count *= strcmp(level, "full") == 0 ? 40 : 4;
    if (env != NULL) {
        first = strtoull(env, NULL, 0);
        count = 1;
    }
    for (uint64_t i = 0; i < count; i++) {
        seed(first + i);
        one();
    }
}

#define CHECK(cond)                                                                               \
    cr_assert(cond, "HOLOG_TEST_SEED=%llu: %s:%d: %s", (unsigned long long)chance_seed, __FILE__, \
              __LINE__, #cond)

/* ---- the model --------------------------------------------------------------------------------- */

static struct hg_rope_pool pool;
static uint64_t next_birth;

struct model {
    uint64_t *byte;
    uint64_t size;
};

static uint64_t byte_of(const struct hg_span *s, uint64_t i)
{
    return s->birth << 24 | (s->at + i);
}

static struct model model_copy(const struct model *m)
{
    struct model c = { malloc((m->size + 1) * sizeof *c.byte), m->size };

    CHECK(c.byte != NULL);
    memcpy(c.byte, m->byte, m->size * sizeof *c.byte);
    return c;
}

static void model_replace(struct model *m, uint64_t start, uint64_t end, const struct hg_span *s,
                          size_t n)
{
    uint64_t extra = 0;
    for (size_t i = 0; i < n; i++)
        extra += s[i].len;
    uint64_t size = m->size - (end - start) + extra;
    uint64_t *byte = malloc((size + 1) * sizeof *byte);
    uint64_t k = start;

    CHECK(byte != NULL);
    memcpy(byte, m->byte, start * sizeof *byte);
    for (size_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < s[i].len; j++)
            byte[k++] = byte_of(&s[i], j);
    memcpy(byte + k, m->byte + end, (m->size - end) * sizeof *byte);
    free(m->byte);
    *m = (struct model){ byte, size };
}

static void model_move(struct model *m, uint64_t start, uint64_t end, uint64_t to)
{
    uint64_t *byte = malloc((m->size + 1) * sizeof *byte);
    uint64_t k = 0;

    CHECK(byte != NULL);
    for (uint64_t i = 0; i <= m->size; i++) {
        for (uint64_t j = start; i == to && j < end; j++)
            byte[k++] = m->byte[j];
        if (i < m->size && (i < start || i >= end))
            byte[k++] = m->byte[i];
    }
    free(m->byte);
    m->byte = byte;
}

/* The range reads as it should, and the spans come as long as can be. */
static void check_range(const struct hg_rope *r, const struct model *m, uint64_t start,
                        uint64_t end)
{
    struct hg_rope_cursor c;
    struct hg_span s, last = { 0 };
    uint64_t off = start;

    CHECK(hg_rope_seek(&c, r, start, end) == HOLOG_OK);
    while (hg_rope_next(&c, &s)) {
        CHECK(s.len > 0 && s.len <= end - off);
        CHECK(off == start || s.birth != last.birth || s.at != last.at + last.len);
        for (uint64_t i = 0; i < s.len; i++)
            CHECK(m->byte[off + i] == byte_of(&s, i));
        off += s.len;
        last = s;
    }
    CHECK(off == end);
}

static void check_same(const struct hg_rope *r, const struct model *m)
{
    hg_rope_check(r);
    CHECK(hg_rope_size(r) == m->size);
    check_range(r, m, 0, m->size);
    for (int i = 0; i < 3 && m->size > 0; i++) {
        uint64_t start = below(m->size + 1);
        check_range(r, m, start, start + below(m->size - start + 1));
    }
}

/* ---- changes by chance --------------------------------------------------------------------------- */

enum {
    SPANS_MAX = 200
};

struct change {
    enum {
        REPLACE,
        MOVE
    } kind;
    uint64_t start, end, to;
    struct hg_span spans[SPANS_MAX];
    size_t n;
};

/* Mostly new bytes, now and then ones that stand in the value already, or follow on the span before. */
static struct hg_span some_span(uint64_t max_len, const struct hg_span *before)
{
    uint64_t len = below(16) == 0 ? 0 : 1 + below(max_len);

    if (below(6) == 0 && before != NULL)
        return (struct hg_span){ before->birth, before->at + before->len, len };
    if (below(6) == 0)
        return (struct hg_span){ 1 + below(3), below(100), len };
    return (struct hg_span){ ++next_birth, below(50), len };
}

static size_t some_spans(struct hg_span *out, size_t max)
{
    size_t n = below(8) != 0 ? below(3) : below(8) != 0 ? below(12) : below(max + 1);

    for (size_t i = 0; i < n; i++)
        out[i] = some_span(n > 20 ? 3 : 12, i > 0 ? &out[i - 1] : NULL);
    return n;
}

/* A short range, or any; often at an end. */
static void some_range(uint64_t size, uint64_t *out_start, uint64_t *out_end)
{
    uint64_t start = below(8) == 0 ? 0 : below(size + 1);
    uint64_t rest = size - start;
    uint64_t len = below(6) == 0 ? below(rest + 1) : at_most(rest, below(21));

    if (below(12) == 0)
        start = size - len;
    *out_start = start;
    *out_end = start + len;
}

static void some_change(uint64_t size, struct change *c)
{
    some_range(size, &c->start, &c->end);
    c->kind = below(4) == 0 ? MOVE : REPLACE;
    c->to = below(c->start + 1);
    if (below(2) == 0)
        c->to = c->end + below(size - c->end + 1);
    c->n = some_spans(c->spans, SPANS_MAX);
}

static int change_rope(struct hg_rope *r, const struct change *c, struct hg_rope **out)
{
    if (c->kind == MOVE)
        return hg_rope_move(r, c->start, c->end, c->to, out);
    if (c->n <= 1)
        return hg_rope_splice(r, c->start, c->end, c->n == 1 ? c->spans : NULL, out);
    return hg_rope_replace(r, c->start, c->end, c->spans, c->n, out);
}

static int change_edit(struct hg_rope_edit *e, const struct change *c)
{
    if (c->kind == MOVE)
        return hg_rope_edit_move(e, c->start, c->end, c->to);
    return hg_rope_edit_replace(e, c->start, c->end, c->spans, c->n);
}

static void change_model(struct model *m, const struct change *c)
{
    if (c->kind == MOVE)
        model_move(m, c->start, c->end, c->to);
    else
        model_replace(m, c->start, c->end, c->spans, c->n);
}

/* One change, or some in an edit. */
static struct hg_rope *changed(struct hg_rope *r, struct model *m)
{
    struct hg_rope *out = NULL;
    struct hg_rope_edit e;
    struct change c;

    if (below(3) != 0) {
        some_change(m->size, &c);
        CHECK(change_rope(r, &c, &out) == HOLOG_OK);
        change_model(m, &c);
        return out;
    }
    hg_rope_edit_begin(&e, r);
    for (uint64_t i = below(12); i > 0; i--) {
        some_change(m->size, &c);
        CHECK(change_edit(&e, &c) == HOLOG_OK);
        change_model(m, &c);
        CHECK(hg_rope_edit_size(&e) == m->size);
    }
    CHECK(hg_rope_edit_end(&e, &out) == HOLOG_OK);
    return out;
}

/* A rope of about so many spans, built at once or span by span. */
static struct hg_rope *start_rope(struct model *m, size_t n)
{
    struct hg_span *s = malloc((n + 1) * sizeof *s);
    struct hg_rope *r = NULL;
    struct hg_rope_builder b;

    CHECK(s != NULL);
    for (size_t i = 0; i < n; i++)
        s[i] = some_span(8, i > 0 ? &s[i - 1] : NULL);
    *m = (struct model){ malloc(1), 0 };
    model_replace(m, 0, 0, s, n);
    if (below(2)) {
        CHECK(hg_rope_build(&pool, s, n, &r) == HOLOG_OK);
    } else {
        hg_rope_builder_begin(&b, &pool);
        for (size_t i = 0; i < n; i++)
            hg_rope_builder_add(&b, &s[i]);
        CHECK(hg_rope_builder_end(&b, &r) == HOLOG_OK);
    }
    free(s);
    return r;
}

/* ---- all that was ever made ---------------------------------------------------------------------- */

enum {
    VERSIONS = 40
};

static void random_history(void)
{
    struct hg_rope *r[VERSIONS];
    struct model m[VERSIONS];

    next_birth = 10;
    r[0] = start_rope(&m[0], below(8) == 0 ? below(3000) : below(200));
    for (int i = 1; i < VERSIONS; i++) {
        int from = below(4) == 0 ? (int)below((uint64_t)i) : i - 1;
        m[i] = model_copy(&m[from]);
        r[i] = changed(r[from], &m[i]);
        check_same(r[i], &m[i]);
    }
    for (int i = 0; i < VERSIONS; i++) {
        check_same(r[i], &m[i]);
        hg_rope_put(r[i]);
        free(m[i].byte);
    }
    CHECK(pool.bytes == 0);
}

Test(rope, every_version_ever_made_reads_as_the_array_it_was_compared_with)
{
    for_seeds(20261121, 2000, random_history);
}

/* What grows to thousands of spans by single changes and is then cut down again. */
static void random_growth(void)
{
    struct model m;
    struct hg_rope *r = start_rope(&m, 1);
    struct hg_rope_edit e;
    struct change c = { .kind = REPLACE, .n = 1 };

    hg_rope_edit_begin(&e, r);
    hg_rope_put(r);
    for (int i = 0; i < 1600; i++) {
        c.n = i < 800;
        c.start = below(m.size + 1);
        c.end = c.start + at_most(m.size - c.start, below(c.n == 0 ? 12 : 3));
        c.spans[0] = (struct hg_span){ ++next_birth, 0, 1 + below(8) };
        CHECK(change_edit(&e, &c) == HOLOG_OK);
        change_model(&m, &c);
        if (i % 200 == 199) {
            CHECK(hg_rope_edit_end(&e, &r) == HOLOG_OK);
            check_same(r, &m);
            hg_rope_edit_begin(&e, r);
            hg_rope_put(r);
        }
    }
    hg_rope_edit_drop(&e);
    CHECK(pool.bytes == 0);
    free(m.byte);
}

Test(rope, one_that_grows_and_shrinks_by_single_changes_stays_well_made)
{
    for_seeds(7, 40, random_growth);
}

/* ---- what is refused, and what nothing comes of ---------------------------------------------------- */

Test(rope, a_range_beyond_the_end_a_move_into_itself_and_too_many_bytes_are_refused)
{
    const struct hg_span s = { 1, 0, 100 };
    const struct hg_span huge = { 2, 0, HG_NUMBER_MAX - 99 };
    const struct hg_span far = { 2, HG_NUMBER_MAX + 1, 1 };
    struct hg_rope *r = NULL;
    struct hg_rope *out = NULL;
    struct hg_rope_cursor c;

    cr_assert_eq(hg_rope_build(&pool, &s, 1, &r), HOLOG_OK);
    uint64_t bytes = pool.bytes;
    cr_assert_eq(hg_rope_splice(r, 90, 101, &s, &out), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_splice(r, 50, 49, &s, &out), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_splice(r, 101, UINT64_MAX, NULL, &out), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_move(r, 90, 101, 0, &out), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_move(r, 9, 10, 101, &out), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_move(r, 10, 9, 0, &out), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_move(r, 10, 20, 11, &out), HOLOG_E_INVAL);
    cr_assert_eq(hg_rope_move(r, 10, 20, 19, &out), HOLOG_E_INVAL);
    cr_assert_eq(hg_rope_seek(&c, r, 90, 101), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_splice(r, 0, 0, &huge, &out), HOLOG_E_TOOBIG);
    cr_assert_eq(hg_rope_splice(r, 0, 0, &far, &out), HOLOG_E_TOOBIG);
    cr_assert_eq(hg_rope_build(&pool, &far, 1, &out), HOLOG_E_TOOBIG);
    cr_assert_eq(hg_rope_build(&pool, (struct hg_span[]){ huge, s }, 2, &out), HOLOG_E_TOOBIG);
    cr_assert_null(out);
    cr_assert_eq(pool.bytes, bytes);
    cr_assert_eq(hg_rope_splice(r, 0, 1, &huge, &out), HOLOG_OK, "the most there may be");
    cr_assert_eq(hg_rope_size(out), HG_NUMBER_MAX);
    hg_rope_put(out);
    hg_rope_put(r);
    hg_rope_put(NULL);
    cr_assert_eq(pool.bytes, 0);
}

Test(rope, an_edit_goes_on_after_a_refused_change)
{
    const struct hg_span s = { 1, 0, 100 };
    struct hg_rope *r = NULL;
    struct hg_rope_edit e;

    cr_assert_eq(hg_rope_build(&pool, NULL, 0, &r), HOLOG_OK);
    hg_rope_edit_begin(&e, r);
    hg_rope_put(r);
    cr_assert_eq(hg_rope_edit_replace(&e, 0, 1, &s, 1), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_edit_replace(&e, 0, 0, &s, 1), HOLOG_OK);
    cr_assert_eq(hg_rope_edit_move(&e, 0, 10, 101), HOLOG_E_RANGE);
    cr_assert_eq(hg_rope_edit_end(&e, &r), HOLOG_OK);
    cr_assert_eq(hg_rope_size(r), 100);
    hg_rope_put(r);
}

Test(rope, a_move_that_moves_nothing_gives_the_same_rope)
{
    const struct hg_span s[] = { { 1, 0, 10 }, { 2, 0, 10 } };
    struct hg_rope *r = NULL;
    struct hg_rope *out[4] = { NULL };

    cr_assert_eq(hg_rope_build(&pool, s, 2, &r), HOLOG_OK);
    cr_assert_eq(hg_rope_move(r, 5, 10, 5, &out[0]), HOLOG_OK);
    cr_assert_eq(hg_rope_move(r, 5, 10, 10, &out[1]), HOLOG_OK);
    cr_assert_eq(hg_rope_move(r, 5, 5, 20, &out[2]), HOLOG_OK);
    cr_assert_eq(hg_rope_move(r, 0, 20, 0, &out[3]), HOLOG_OK);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(out[i], r);
        hg_rope_put(out[i]);
    }
    hg_rope_put(r);
    cr_assert_eq(pool.bytes, 0);
}

Test(rope, what_is_cut_apart_and_put_together_again_is_one_span)
{
    const struct hg_span s = { 7, 0, 1000 };
    struct hg_rope *r = NULL;
    struct hg_rope *cut = NULL;
    struct hg_rope *whole = NULL;

    cr_assert_eq(hg_rope_build(&pool, &s, 1, &r), HOLOG_OK);
    cr_assert_eq(hg_rope_move(r, 100, 200, 900, &cut), HOLOG_OK);
    cr_assert_eq(hg_rope_spans(cut), 4);
    cr_assert_eq(hg_rope_move(cut, 800, 900, 100, &whole), HOLOG_OK);
    cr_assert_eq(hg_rope_spans(whole), 1);
    hg_rope_put(cut);
    hg_rope_put(whole);
    cr_assert_eq(hg_rope_splice(r, 300, 400, NULL, &cut), HOLOG_OK);
    cr_assert_eq(hg_rope_splice(cut, 300, 300, &(struct hg_span){ 7, 300, 100 }, &whole), HOLOG_OK);
    cr_assert_eq(hg_rope_spans(whole), 1);
    hg_rope_put(whole);
    hg_rope_put(cut);
    hg_rope_put(r);
}

/* ---- no memory ------------------------------------------------------------------------------------- */

struct fail_at {
    uint64_t n, at;
};

static int fail_nth(size_t size, void *ctx)
{
    struct fail_at *f = ctx;
    HG_UNUSED(size);
    return ++f->n == f->at;
}

static int fail_from(size_t size, void *ctx)
{
    struct fail_at *f = ctx;
    HG_UNUSED(size);
    return ++f->n >= f->at;
}

static int count_range(void *ctx, uint64_t a_off, uint64_t a_len, uint64_t b_off, uint64_t b_len)
{
    HG_UNUSED(a_off + a_len + b_off + b_len);
    ++*(int *)ctx;
    return 0;
}

/* A change of old, one in an edit of some, and a comparison. Stops at the first failure. */
static int use_everything(struct hg_rope *old, const struct change *c, int changes)
{
    struct hg_rope *one = NULL;
    struct hg_rope *many = NULL;
    struct hg_rope_edit e;
    int ranges = 0;
    int rc = change_rope(old, &c[0], &one);

    hg_rope_edit_begin(&e, old);
    for (int i = 0; i < changes && rc == HOLOG_OK; i++)
        rc = change_edit(&e, &c[i]);
    if (rc == HOLOG_OK)
        rc = hg_rope_edit_end(&e, &many);
    else if (rc == HOLOG_E_NOMEM && one != NULL)
        CHECK(hg_rope_edit_end(&e, &many) == HOLOG_E_NOMEM);
    hg_rope_edit_drop(&e);
    if (rc == HOLOG_OK)
        rc = hg_rope_diff(one, many, count_range, &ranges, NULL);
    hg_rope_put(one);
    hg_rope_put(many);
    return rc;
}

static void random_shortage(void)
{
    enum {
        CHANGES = 4
    };
    static struct change c[CHANGES];
    struct model m, now;
    struct hg_rope *r = start_rope(&m, 600);
    uint64_t bytes = pool.bytes;
    struct fail_at f = { .at = 0 };
    int rc;

    now = model_copy(&m);
    for (int i = 0; i < CHANGES; i++) {
        some_change(now.size, &c[i]);
        change_model(&now, &c[i]);
    }
    do {
        f = (struct fail_at){ .at = f.at + 1 };
        hg_alloc_set_fault(f.at % 2 ? fail_nth : fail_from, &f);
        rc = use_everything(r, c, CHANGES);
        long live = hg_alloc_live();
        hg_alloc_set_fault(NULL, NULL);
        CHECK(live == 0 && pool.bytes == bytes);
        CHECK(rc == (f.n < f.at ? HOLOG_OK : HOLOG_E_NOMEM));
    } while (rc != HOLOG_OK);
    check_same(r, &m);
    hg_rope_put(r);
    free(m.byte);
    free(now.byte);
}

Test(rope, every_failed_allocation_leaves_the_old_rope_and_nothing_else)
{
    for_seeds(99, 40, random_shortage);
}

/* The builder's, which has no old rope. */
Test(rope, a_builder_without_memory_says_so_at_the_end_and_leaves_nothing)
{
    struct fail_at f = { .at = 0 };
    struct hg_rope *r = NULL;
    int rc;

    do {
        struct hg_rope_builder b;
        f = (struct fail_at){ .at = f.at + 1 };
        hg_alloc_set_fault(fail_nth, &f);
        hg_rope_builder_begin(&b, &pool);
        for (uint64_t i = 1; i <= 500; i++)
            hg_rope_builder_add(&b, &(struct hg_span){ i, 0, 1 });
        rc = hg_rope_builder_end(&b, &r);
        long live = hg_alloc_live();
        hg_alloc_set_fault(NULL, NULL);
        cr_assert(rc == HOLOG_OK || (live == 0 && pool.bytes == 0));
    } while (rc == HOLOG_E_NOMEM);
    cr_assert_eq(rc, HOLOG_OK);
    cr_assert_gt(f.at, 10);
    cr_assert_eq(hg_rope_spans(r), 500);
    hg_rope_put(r);
}

/* ---- comparing --------------------------------------------------------------------------------------- */

struct compared {
    const struct model *m[2];
    uint64_t off[2]; /* all before is told or equal */
    uint64_t told[2];
    unsigned ranges;
};

static void check_equal(struct compared *c, uint64_t a_off, uint64_t b_off)
{
    CHECK(a_off >= c->off[0] && a_off - c->off[0] == b_off - c->off[1]);
    for (uint64_t i = 0; i < a_off - c->off[0]; i++)
        CHECK(c->m[0]->byte[c->off[0] + i] == c->m[1]->byte[c->off[1] + i]);
}

static int on_range(void *ctx, uint64_t a_off, uint64_t a_len, uint64_t b_off, uint64_t b_len)
{
    struct compared *c = ctx;

    check_equal(c, a_off, b_off);
    CHECK(a_len > 0 || b_len > 0);
    CHECK(a_len <= c->m[0]->size - a_off && b_len <= c->m[1]->size - b_off);
    CHECK(c->ranges == 0 || a_off > c->off[0]); /* else the two were one */
    c->off[0] = a_off + a_len;
    c->off[1] = b_off + b_len;
    c->told[0] += a_len;
    c->told[1] += b_len;
    c->ranges++;
    return 0;
}

static struct compared compare(const struct hg_rope *a, const struct model *am,
                               const struct hg_rope *b, const struct model *bm,
                               uint64_t *out_visited)
{
    struct compared c = { .m = { am, bm } };

    CHECK(hg_rope_diff(a, b, on_range, &c, out_visited) == HOLOG_OK);
    check_equal(&c, am->size, bm->size);
    return c;
}

static void random_comparison(void)
{
    struct model m[3];
    struct hg_rope *r[3];

    r[0] = start_rope(&m[0], below(1000));
    for (int i = 1; i < 3; i++) {
        m[i] = model_copy(&m[i - 1]);
        r[i] = hg_rope_get(r[i - 1]);
        for (uint64_t n = below(6); n > 0; n--) {
            struct hg_rope *old = r[i];
            r[i] = changed(old, &m[i]);
            hg_rope_put(old);
        }
    }
    for (int i = 0; i < 9; i++)
        (void)compare(r[i / 3], &m[i / 3], r[i % 3], &m[i % 3], NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(compare(r[i], &m[i], r[i], &m[i], NULL).ranges == 0);
        hg_rope_put(r[i]);
        free(m[i].byte);
    }
}

Test(rope_diff, what_is_not_told_is_of_the_same_bytes_of_the_same_records)
{
    for_seeds(4711, 2000, random_comparison);
}

static int stop_at_third(void *ctx, uint64_t a_off, uint64_t a_len, uint64_t b_off, uint64_t b_len)
{
    HG_UNUSED(a_off + a_len + b_off + b_len);
    return ++*(int *)ctx == 3 ? -77 : 0;
}

/* A rope of n spans of 100 bytes, no two of which are neighbours in a record. */
static struct hg_rope *long_rope(uint64_t n)
{
    struct hg_rope_builder b;
    struct hg_rope *r = NULL;

    hg_rope_builder_begin(&b, &pool);
    for (uint64_t i = 1; i <= n; i++)
        hg_rope_builder_add(&b, &(struct hg_span){ i, 0, 100 });
    cr_assert_eq(hg_rope_builder_end(&b, &r), HOLOG_OK);
    cr_assert_eq(hg_rope_spans(r), n);
    return r;
}

Test(rope_diff, a_callback_that_is_not_zero_ends_it)
{
    struct hg_rope *r = long_rope(1000);
    struct hg_rope_edit e;
    struct hg_rope *other = NULL;
    int calls = 0;

    hg_rope_edit_begin(&e, r);
    for (uint64_t i = 0; i < 9; i++)
        cr_assert_eq(hg_rope_edit_replace(&e, i * 5000, i * 5000 + 10, NULL, 0), HOLOG_OK);
    cr_assert_eq(hg_rope_edit_end(&e, &other), HOLOG_OK);
    cr_assert_eq(hg_rope_diff(r, other, stop_at_third, &calls, NULL), -77);
    cr_assert_eq(calls, 3);
    hg_rope_put(r);
    hg_rope_put(other);
}

struct told {
    uint64_t a_off, a_len, b_off, b_len;
    int ranges;
};

static int note_range(void *ctx, uint64_t a_off, uint64_t a_len, uint64_t b_off, uint64_t b_len)
{
    struct told *t = ctx;
    int ranges = t->ranges + 1;

    *t = (struct told){ a_off, a_len, b_off, b_len, ranges };
    return 0;
}

/* The two differ in one change, [start, end) against len bytes: that is told and little is looked at. */
static void check_cheap(struct hg_rope *r, uint64_t start, uint64_t end, uint64_t len)
{
    struct hg_span s = { UINT64_C(1) << 40, 0, len };
    struct hg_rope *changed = NULL;
    struct told t = { 0 };
    uint64_t visited = 0;

    cr_assert_eq(hg_rope_splice(r, start, end, &s, &changed), HOLOG_OK);
    cr_assert_eq(hg_rope_diff(r, changed, note_range, &t, &visited), HOLOG_OK);
    cr_assert_eq(t.ranges, 1);
    cr_assert(t.a_off == start && t.a_len == end - start && t.b_off == start && t.b_len == len);
    cr_assert_leq(visited, 120, "%llu nodes", (unsigned long long)visited);
    hg_rope_put(changed);
}

Test(rope_diff, one_change_in_a_million_spans_is_found_by_looking_at_a_hundred_nodes)
{
    struct hg_rope *r = long_rope(1000000);
    uint64_t size = hg_rope_size(r);

    seed(5);
    check_cheap(r, 0, 0, 7);
    check_cheap(r, size, size, 7);
    for (int i = 0; i < 200; i++) {
        uint64_t start = below(size - 500);
        check_cheap(r, start, start + 50, 50); /* what is behind it stays where it is */
        check_cheap(r, start, start, 3);       /* moves back */
        check_cheap(r, start, start + 1 + below(500), 0);
    }
    hg_rope_put(r);
}

Test(rope_diff, a_short_range_that_was_moved_far_is_all_that_is_told)
{
    struct hg_rope *r = long_rope(100000);
    uint64_t size = hg_rope_size(r);
    struct hg_rope *moved = NULL;
    struct told t = { 0 };
    uint64_t visited = 0;

    cr_assert_eq(hg_rope_move(r, 1000, 1500, size - 1000, &moved), HOLOG_OK);
    cr_assert_eq(hg_rope_diff(r, moved, note_range, &t, &visited), HOLOG_OK);
    cr_assert_eq(t.ranges, 2);
    cr_assert(t.a_off == size - 1000 && t.a_len == 0 && t.b_off == size - 1500 && t.b_len == 500);
    cr_assert_leq(visited, 250, "%llu nodes", (unsigned long long)visited);
    hg_rope_put(moved);
    hg_rope_put(r);
}

/* Two small changes far apart in one leaf, or in ropes that share no node, are told apart. */
Test(rope_diff, what_lies_between_two_changes_is_not_told)
{
    const struct hg_span base = { 1, 0, 1000000 };
    const struct hg_span other[] = { { 1, 0, 10 },         { 2, 0, 5 },  { 1, 10, 899990 },
                                     { 1, 900010, 99980 }, { 3, 0, 20 }, { 1, 999990, 10 } };
    struct hg_rope *a = NULL;
    struct hg_rope *b = NULL;
    struct told t = { 0 };

    cr_assert_eq(hg_rope_build(&pool, &base, 1, &a), HOLOG_OK);
    cr_assert_eq(hg_rope_build(&pool, other, 6, &b), HOLOG_OK);
    cr_assert_eq(hg_rope_diff(a, b, note_range, &t, NULL), HOLOG_OK);
    cr_assert_eq(t.ranges, 3);
    cr_assert(t.a_off == 999990 && t.a_len == 0 && t.b_len == 20);
    hg_rope_put(a);
    hg_rope_put(b);
}

/* ---- memory ------------------------------------------------------------------------------------------ */

Test(rope, after_changes_everywhere_a_span_takes_40_bytes_and_a_change_5_KiB)
{
    struct hg_rope *r = long_rope(1);
    struct hg_rope_edit e;

    seed(11);
    hg_rope_edit_begin(&e, r);
    hg_rope_put(r);
    for (uint64_t i = 2; i < 100000; i++) {
        uint64_t size = hg_rope_edit_size(&e);
        uint64_t start = below(size);
        uint64_t end = start + at_most(size - start, below(100));
        struct hg_span s = { i, 0, 200 };
        cr_assert_eq(hg_rope_edit_replace(&e, start, end, &s, 1), HOLOG_OK);
    }
    cr_assert_eq(hg_rope_edit_end(&e, &r), HOLOG_OK);
    hg_rope_check(r);
    cr_assert_gt(hg_rope_spans(r), 80000);
    cr_assert_leq(pool.bytes, 40 * hg_rope_spans(r));
    for (int i = 0; i < 1000; i++) {
        struct hg_rope *next = NULL;
        uint64_t bytes = pool.bytes;
        uint64_t start = below(hg_rope_size(r) - 100);
        struct hg_span s = { 1, 0, 70 };
        cr_assert_eq(hg_rope_splice(r, start, start + 100, &s, &next), HOLOG_OK);
        cr_assert_leq(pool.bytes - bytes, 5120);
        hg_rope_put(next);
        cr_assert_eq(pool.bytes, bytes);
    }
    hg_rope_put(r);
    cr_assert_eq(pool.bytes, 0);
}

/* ---- threads ----------------------------------------------------------------------------------------- */

enum {
    THREADS = 4,
    ROUNDS = 300
};

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hg_rope *shared[2]; /* shared_lock */

static struct hg_rope *get_shared(int i)
{
    (void)pthread_mutex_lock(&shared_lock);
    struct hg_rope *r = hg_rope_get(shared[i]);
    (void)pthread_mutex_unlock(&shared_lock);
    return r;
}

static void set_shared(int i, struct hg_rope *r)
{
    (void)pthread_mutex_lock(&shared_lock);
    struct hg_rope *old = shared[i];
    shared[i] = r;
    (void)pthread_mutex_unlock(&shared_lock);
    hg_rope_put(old);
}

static uint64_t read_all(const struct hg_rope *r)
{
    struct hg_rope_cursor c;
    struct hg_span s;
    uint64_t sum = 0;

    if (hg_rope_seek(&c, r, 0, hg_rope_size(r)) < 0)
        return 0;
    while (hg_rope_next(&c, &s))
        sum += s.len;
    return sum;
}

/* Takes what others made, reads it, and makes other ropes of it, in an edit that may have the last
 * count of what it began with. */
static void *use_shared(void *arg)
{
    uint64_t rng = (uintptr_t)arg + 1;
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct hg_rope *r = get_shared((int)(i & 1));
        struct hg_rope *next = NULL;
        struct hg_rope_edit e;
        wrong += read_all(r) != hg_rope_size(r);
        hg_rope_edit_begin(&e, r);
        hg_rope_put(r);
        for (uint64_t k = 0; k < 5; k++) {
            rng = rng * 6364136223846793005u + 1442695040888963407u;
            uint64_t start = (rng >> 20) % (hg_rope_edit_size(&e) - 100);
            struct hg_span s = { i << 8 | k, 0, 100 };
            wrong += hg_rope_edit_replace(&e, start, start + 100, &s, 1) < 0;
        }
        wrong += hg_rope_edit_end(&e, &next) < 0;
        set_shared((int)(rng >> 63), next);
    }
    return (void *)(uintptr_t)wrong;
}

Test(rope, threads_get_read_put_and_change_the_same_ropes)
{
    pthread_t threads[THREADS];

    shared[0] = long_rope(2000);
    shared[1] = hg_rope_get(shared[0]);
    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, use_shared, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        cr_assert_eq(pthread_join(threads[i], &wrong), 0);
        cr_assert_null(wrong);
    }
    for (int i = 0; i < 2; i++) {
        hg_rope_check(shared[i]);
        cr_assert_eq(hg_rope_size(shared[i]), 200000);
        hg_rope_put(shared[i]);
    }
    cr_assert_eq(pool.bytes, 0);
}
