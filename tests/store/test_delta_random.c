/*
 * Random histories of values that deltas change, against arrays of bytes, on the simulated disk: after
 * a reopen, and after a cut at any step, every state that is kept is compared byte for byte. In some of them
 * the store is compacted now and then: bases, payloads and folds are read from where they were moved.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "base/alloc.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

enum {
    PATHS = 3,
    STEPS_MAX = 60,
    BATCH_MAX = 8,
    LEN_MAX = 400000
};

/* ---- chance --------------------------------------------------------------------------------------*/

static uint64_t chance;
static uint64_t seed_now;

static uint64_t below(uint64_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return n == 0 ? 0 : (chance >> 11) % n;
}

static void must(int cond, const char *what)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert(cond, "HOLOG_TEST_SEED=%llu: %s (%s)", (unsigned long long)seed_now, what, d.message);
}

/* ---- the arrays ----------------------------------------------------------------------------------*/

struct bytes {
    uint8_t *data; /* NULL: nothing is there */
    size_t len;
};
struct state {
    struct bytes value[PATHS];
};
static const char *const paths[PATHS] = { "a", "d/b", "d/c" };

static struct state history[STEPS_MAX + 2]; /* by commit, from the first that counts */
static uint64_t number_of[STEPS_MAX + 2];   /* a cut leaves a gap in the numbers */
static size_t n_states;
static uint64_t step_after[STEPS_MAX + 2]; /* of the disk, when the commit was acknowledged */
static struct hg_sim *sim;

static struct state *newest(void)
{
    return &history[n_states - 1];
}

static void splice(struct bytes *b, uint64_t start, uint64_t end, const uint8_t *data, size_t len)
{
    uint8_t *out = malloc(b->len - (end - start) + len + 1);

    cr_assert_not_null(out);
    memcpy(out, b->data, start);
    if (len > 0)
        memcpy(out + start, data, len);
    memcpy(out + start + len, b->data + end, b->len - end);
    free(b->data);
    b->data = out;
    b->len = b->len - (end - start) + len;
}

static void model_delta(struct bytes *b, const holog_delta *d)
{
    if (d->kind == HOLOG_DELTA_MOVE) {
        size_t n = d->end - d->start;
        uint8_t *cut = malloc(n + 1);
        cr_assert_not_null(cut);
        memcpy(cut, b->data + d->start, n);
        splice(b, d->start, d->end, NULL, 0);
        splice(b, d->to > d->start ? d->to - n : d->to, d->to > d->start ? d->to - n : d->to, cut,
               n);
        free(cut);
        return;
    }
    splice(b, d->start, d->kind == HOLOG_DELTA_INSERT ? d->start : d->end, d->data, d->len_bytes);
}

/* ---- random deltas -------------------------------------------------------------------------------*/

static uint8_t noise[LEN_MAX];

static void make_noise(void)
{
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 2654435761u >> 11);
}

static size_t some_len(void)
{
    switch (below(8)) {
    case 0: return 0;
    case 1: return below(70000);
    case 2: return below(5000);
    default: return below(200);
    }
}

/* Often at an edge: the ends, and where blocks and extents meet. */
static uint64_t some_place(size_t len)
{
    static const size_t edges[] = { 0, 65536, 131072, 126976, 2048 };
    size_t e = edges[below(5)];

    if (below(4) == 0 && e <= len)
        return e;
    return below(6) == 0 ? len : below(len + 1);
}

static holog_delta some_delta(const struct bytes *b)
{
    holog_delta d = { .kind = 1 + (uint32_t)below(4) };
    uint64_t x = some_place(b->len);
    uint64_t y =
        d.kind == HOLOG_DELTA_DELETE && below(4) != 0 ? x + below(300) : some_place(b->len);

    y = y > b->len ? b->len : y;
    d.start = x < y ? x : y;
    d.end = x < y ? y : x;
    if (d.kind == HOLOG_DELTA_UPDATE && below(3) != 0)
        d.end = d.start + below(300) < b->len ? d.start + below(300) : d.end;
    if (d.end > b->len)
        d.end = b->len;
    if (d.end < d.start)
        d.end = d.start;
    if (d.kind == HOLOG_DELTA_MOVE) {
        d.to = some_place(b->len);
        if (d.to > d.start && d.to < d.end)
            d.to = below(2) ? d.start : d.end;
    }
    if (d.kind <= HOLOG_DELTA_UPDATE) {
        d.len_bytes = b->len > LEN_MAX / 2 ? below(100) : some_len();
        d.data = noise + below(LEN_MAX - d.len_bytes);
    }
    return d;
}

/* ---- steps ---------------------------------------------------------------------------------------*/

static void copy_state(const struct state *from, struct state *to)
{
    for (int i = 0; i < PATHS; i++) {
        to->value[i] = from->value[i];
        if (from->value[i].data == NULL)
            continue;
        to->value[i].data = malloc(from->value[i].len + 1);
        cr_assert_not_null(to->value[i].data);
        memcpy(to->value[i].data, from->value[i].data, from->value[i].len);
    }
}

static struct state *next_state(void)
{
    copy_state(newest(), &history[n_states]);
    return &history[n_states++];
}

static void step_save(holog_store *s, int i)
{
    struct bytes *b = &next_state()->value[i];
    size_t len = below(3) == 0 ? below(150000) : below(3000);
    const uint8_t *from = noise + below(LEN_MAX - len);

    free(b->data);
    b->data = malloc(len + 1);
    cr_assert_not_null(b->data);
    memcpy(b->data, from, len);
    b->len = len;
    must(holog_save(s, paths[i], from, len, HOLOG_REPLACE | HOLOG_PARENTS, NULL) == HOLOG_OK,
         "save");
}

static void step_deltas(holog_store *s, int i)
{
    struct bytes *b = &next_state()->value[i];
    holog_delta d[BATCH_MAX];
    size_t n = below(2) == 0 ? 1 : 1 + below(BATCH_MAX);

    for (size_t k = 0; k < n; k++) {
        d[k] = some_delta(b);
        model_delta(b, &d[k]);
    }
    must(holog_apply(s, paths[i], d, n, 0, 0, NULL) == HOLOG_OK, "apply");
}

/* One of the batch is past the end: nothing may change. */
static void step_bad_batch(holog_store *s, int i)
{
    holog_delta d[2] = { some_delta(&newest()->value[i]),
                         { .kind = HOLOG_DELTA_DELETE, .start = LEN_MAX * 4, .end = LEN_MAX * 4 } };

    must(holog_apply(s, paths[i], d, 2, 0, 0, NULL) == HOLOG_E_RANGE, "a bad batch");
}

static void same_bytes(holog_value *v, const struct bytes *b, const char *what)
{
    must(holog_value_size(v) == b->len && memcmp(holog_value_data(v), b->data, b->len) == 0, what);
    holog_value_release(v);
}

static void step_txn(holog_store *s, int i)
{
    struct state *st = next_state();
    int j = (int)below(PATHS);
    holog_txn *t = NULL;
    holog_value *v = NULL;

    must(holog_begin(s, &t) == HOLOG_OK, "begin");
    for (int k = 0; k < 4; k++) {
        int p = k % 2 == 0 ? i : j;
        struct bytes *b = &st->value[p];
        holog_delta d;
        if (b->data == NULL)
            continue;
        d = some_delta(b);
        model_delta(b, &d);
        must(holog_txn_apply(t, paths[p], &d, 1, 0) == HOLOG_OK, "apply in a transaction");
        if (below(2) == 0) {
            must(holog_txn_load(t, paths[p], &v) == HOLOG_OK, "load in a transaction");
            same_bytes(v, b, "a transaction sees other bytes");
        }
    }
    must(holog_commit(t, NULL) == HOLOG_OK, "commit");
}

static void step_copy(holog_store *s, int i)
{
    struct state *st = next_state();
    int j = (i + 1) % PATHS;

    free(st->value[j].data);
    st->value[j].len = st->value[i].len;
    st->value[j].data = malloc(st->value[i].len + 1);
    cr_assert_not_null(st->value[j].data);
    memcpy(st->value[j].data, st->value[i].data, st->value[i].len);
    must(holog_copy(s, paths[i], paths[j], HOLOG_REPLACE | HOLOG_PARENTS, NULL) == HOLOG_OK,
         "copy");
}

static void step_rollback(holog_store *s, int i)
{
    size_t to = below(n_states);
    struct state *st = &history[n_states];

    copy_state(&history[to], st);
    n_states++;
    (void)i;
    must(holog_rollback(s, "/", number_of[to], NULL) == HOLOG_OK, "rollback");
}

/* Reads of parts, of the newest state. */
static void read_parts(holog_store *s, int i)
{
    static uint8_t part[70000];
    const struct bytes *b = &newest()->value[i];
    holog_stat_info info = { .struct_size = sizeof info };
    size_t n = 0;
    unsigned sum = 0;

    for (int k = 0; k < 3; k++) {
        uint64_t at = some_place(b->len);
        size_t want = below(2) == 0 ? below(100) : below(sizeof part);
        must(holog_load_range(s, paths[i], at, part, want, &n) == HOLOG_OK, "range");
        must(n == (want < b->len - at ? want : b->len - at) && memcmp(part, b->data + at, n) == 0,
             "a range has other bytes");
    }
    must(holog_stat(s, paths[i], &info) == HOLOG_OK, "stat");
    for (size_t k = 0; k < b->len; k++)
        sum += b->data[k];
    must(info.csum == sum % 96 && info.size_bytes == b->len, "stat says another sum or size");
}

static int compacts;
static uint64_t moved; /* values and payloads */

static void compact(holog_store *s)
{
    const holog_compact_options o = { .struct_size = sizeof o,
                                      .flags = below(2) == 0 ? HOLOG_COMPACT_ALL : 0 };
    holog_compact_report r = { .struct_size = sizeof r };

    must(holog_compact(s, &o, &r) == HOLOG_OK, "compact");
    moved += r.values;
}

static void one_step(holog_store *s)
{
    int i = (int)below(PATHS);
    size_t were = n_states;

    if (newest()->value[i].data == NULL || below(16) == 0)
        step_save(s, i);
    else if (below(10) == 0)
        step_bad_batch(s, i);
    else if (below(6) == 0)
        step_txn(s, i);
    else if (below(12) == 0)
        step_copy(s, i);
    else if (below(12) == 0)
        step_rollback(s, i);
    else
        step_deltas(s, i);
    if (n_states > were)
        step_after[n_states - 1] = hg_sim_steps(sim);
    if (n_states > were)
        number_of[n_states - 1] = holog_last_number(s);
    if (below(6) == 0 && newest()->value[i].data != NULL)
        must(holog_fold(s, paths[i]) == HOLOG_OK, "fold");
    if (compacts && below(8) == 0)
        compact(s);
    if (below(4) == 0)
        for (int k = 0; k < PATHS; k++)
            if (newest()->value[k].data != NULL)
                read_parts(s, k);
}

/* ---- looking back --------------------------------------------------------------------------------*/

static void same_state(holog_store *s, size_t n)
{
    holog_view *view = NULL;

    must(holog_view_open_at(s, number_of[n], &view) == HOLOG_OK, "view");
    for (int i = 0; i < PATHS; i++) {
        holog_value *v = NULL;
        int rc = holog_view_load(view, paths[i], &v);
        if (history[n].value[i].data == NULL) {
            must(rc == HOLOG_E_NOENT, "something is there");
        } else {
            must(rc == HOLOG_OK, "load");
            same_bytes(v, &history[n].value[i], "a state has other bytes");
        }
    }
    holog_view_close(view);
}

static void open_store(struct hg_io *io, holog_store **out)
{
    holog_options o;

    kit_options(&o);
    o.no_side_table = seed_now % 3 == 0;
    must(hg_store_open_io(io, &o, out) == HOLOG_OK, "open");
}

static int first_run(struct hg_io *io, void *ctx)
{
    unsigned steps = 10 + (unsigned)below(STEPS_MAX - 10);
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    must(hg_store_init_io(io, &o) == HOLOG_OK, "init");
    open_store(io, &s);
    must(holog_config(s, "retention.bytes", "all", NULL, 0) == HOLOG_OK, "config");
    memset(history, 0, sizeof history);
    number_of[0] = holog_last_number(s);
    n_states = 1;
    step_after[0] = hg_sim_steps(sim);
    for (unsigned i = 0; i < steps; i++) {
        one_step(s);
        if (below(12) == 0) {
            must(holog_close(s) == HOLOG_OK, "close");
            open_store(io, &s);
            if (below(2) == 0)
                same_state(s, below(n_states));
        }
    }
    for (int k = 0; k < 3; k++)
        same_state(s, below(n_states));
    must(holog_last_number(s) == number_of[0] + n_states - 1, "commits are not counted right");
    return holog_close(s);
}

static int look_again(struct hg_io *io, void *ctx)
{
    holog_store *s = NULL;

    (void)ctx;
    open_store(io, &s);
    for (size_t n = 0; n < n_states; n++)
        same_state(s, n);
    return holog_close(s);
}

/* Those from the n-th on never happened. */
static void forget_states(size_t n)
{
    for (size_t k = n; k < STEPS_MAX + 2; k++)
        for (int i = 0; i < PATHS; i++)
            free(history[k].value[i].data);
    memset(&history[n], 0, (STEPS_MAX + 2 - n) * sizeof history[0]);
    n_states = n;
}

static size_t cut_after; /* commits that were acknowledged when the power went */

static int look_after_cut(struct hg_io *io, void *ctx)
{
    holog_store *s = NULL;
    uint64_t last;

    (void)ctx;
    open_store(io, &s);
    last = holog_last_number(s);
    must(last == number_of[0] + cut_after || last == number_of[0] + cut_after + 1,
         "not what was acknowledged");
    forget_states(last - number_of[0] + 1);
    for (size_t n = 0; n < n_states; n += 1 + below(4))
        same_state(s, n);
    same_state(s, n_states - 1);
    for (int k = 0; k < 4 && n_states < STEPS_MAX; k++)
        one_step(s);
    same_state(s, n_states - 1);
    return holog_close(s);
}

static void one_seed(uint64_t seed)
{
    struct hg_sim_options so = { .seed = seed, .dirs = (enum hg_sim_dirs)(seed % 2) };
    struct hg_sim *after = NULL;
    uint64_t from;
    uint64_t to;

    seed_now = seed;
    chance = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
    must(hg_sim_run(sim, first_run, NULL) == HOLOG_OK, "close");
    cut_after = below(n_states);
    from = step_after[cut_after];
    to = cut_after + 1 < n_states ? step_after[cut_after + 1] : from + 1;
    cr_assert_eq(hg_sim_crash(sim, from + below(to - from),
                              (enum hg_sim_strategy)below(HG_SIM_CRASH_STRATEGIES), seed, &after),
                 HOLOG_OK);
    must(hg_sim_run(sim, look_again, NULL) == HOLOG_OK, "close");
    hg_sim_destroy(sim);
    sim = after;
    must(hg_sim_run(sim, look_after_cut, NULL) == HOLOG_OK, "close after a cut");
    hg_sim_destroy(sim);
    forget_states(0);
}

Test(delta_random, every_state_of_random_histories_is_there_byte_for_byte, .timeout = 900)
{
    static const unsigned seeds[3] = { 300, 5000, 100000 };
    const char *one = getenv("HOLOG_TEST_SEED");

    make_noise();
    if (one != NULL) {
        one_seed(strtoull(one, NULL, 0));
        return;
    }
    for (unsigned i = 0; i < seeds[test_level()] / kit_thin(); i++)
        one_seed(1 + i);
}

Test(delta_random, every_state_is_there_when_the_store_is_compacted, .timeout = 900)
{
    static const unsigned seeds[3] = { 100, 2000, 40000 };
    const char *one = getenv("HOLOG_TEST_SEED");

    make_noise();
    compacts = 1;
    if (one != NULL) {
        one_seed(strtoull(one, NULL, 0));
        return;
    }
    for (unsigned i = 0; i < seeds[test_level()] / kit_thin(); i++)
        one_seed(200001 + i);
    cr_assert_gt(moved, 100);
}

/* ---- every cut -----------------------------------------------------------------------------------*/

static uint64_t cut_at;

static int only_look(struct hg_io *io, void *ctx)
{
    holog_store *s = NULL;
    uint64_t last;
    size_t least = 0;

    (void)ctx;
    open_store(io, &s);
    while (least + 1 < n_states && step_after[least + 1] <= cut_at)
        least++;
    last = holog_last_number(s);
    must(last >= number_of[least] && last <= number_of[least] + 1, "not what was acknowledged");
    same_state(s, last - number_of[0]);
    same_state(s, least / 2);
    return holog_close(s);
}

static void cut_anywhere(uint64_t first, uint64_t end)
{
    static const unsigned strides[3] = { 29, 3, 1 };
    unsigned stride = strides[test_level()] * kit_thin();

    make_noise();
    for (uint64_t seed = first; seed < end; seed++) {
        struct hg_sim_options so = { .seed = seed, .dirs = (enum hg_sim_dirs)(seed % 2) };
        struct hg_sim *whole;
        seed_now = seed;
        chance = seed;
        cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
        must(hg_sim_run(sim, first_run, NULL) == HOLOG_OK, "close");
        whole = sim;
        for (cut_at = step_after[0]; cut_at < hg_sim_steps(whole); cut_at += stride) {
            enum hg_sim_strategy how = (enum hg_sim_strategy)(cut_at % HG_SIM_CRASH_STRATEGIES);
            cr_assert_eq(hg_sim_crash(whole, cut_at, how, cut_at, &sim), HOLOG_OK);
            must(hg_sim_run(sim, only_look, NULL) == HOLOG_OK, "close after a cut");
            hg_sim_destroy(sim);
        }
        hg_sim_destroy(whole);
        forget_states(0);
    }
}

Test(delta_random, deltas_and_folds_survive_a_cut_at_any_step, .timeout = 900)
{
    cut_anywhere(901, 904);
}

Test(delta_random, deltas_and_folds_that_move_survive_a_cut_at_any_step, .timeout = 900)
{
    compacts = 1;
    cut_anywhere(911, 913);
    cr_assert_gt(moved, 10);
}

/* ---- no memory -----------------------------------------------------------------------------------*/

static int fail_in;
static unsigned refused;

static int fail_one(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return fail_in > 0 && --fail_in == 0;
}

/* A call that may lack memory: it changes all it says or nothing. */
static void try_deltas(holog_store *s, int i)
{
    struct bytes *b = &next_state()->value[i];
    holog_delta d[BATCH_MAX];
    size_t n = 1 + below(BATCH_MAX);
    int rc;

    for (size_t k = 0; k < n; k++) {
        d[k] = some_delta(b);
        model_delta(b, &d[k]);
    }
    fail_in = 1 + (int)below(60);
    rc = holog_apply(s, paths[i], d, n, 0, 0, NULL);
    fail_in = 0;
    must(rc == HOLOG_OK || rc == HOLOG_E_NOMEM, "apply without memory");
    refused += rc < 0;
    if (rc < 0)
        forget_states(n_states - 1);
    else
        number_of[n_states - 1] = holog_last_number(s);
}

static int without_memory(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    must(hg_store_init_io(io, &o) == HOLOG_OK, "init");
    open_store(io, &s);
    memset(history, 0, sizeof history);
    number_of[0] = holog_last_number(s);
    n_states = 1;
    step_save(s, 0);
    number_of[1] = holog_last_number(s);
    for (unsigned i = 0; i < 150 && n_states < STEPS_MAX; i++) {
        holog_value *v = NULL;
        int rc;
        try_deltas(s, 0);
        fail_in = 1 + (int)below(40);
        rc = below(2) == 0 ? holog_fold(s, paths[0]) : holog_load(s, paths[0], &v);
        fail_in = 0;
        must(rc == HOLOG_OK || rc == HOLOG_E_NOMEM, "fold or load without memory");
        holog_value_release(v);
        same_state(s, n_states - 1);
    }
    same_state(s, n_states / 2);
    return holog_close(s);
}

Test(delta_random, without_memory_a_delta_or_a_fold_changes_nothing, .timeout = 300)
{
    make_noise();
    refused = 0;
    hg_alloc_set_fault(fail_one, NULL);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct hg_sim_options so = { .seed = seed, .no_trace = 1 };
        seed_now = seed;
        chance = seed * 77;
        cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
        must(hg_sim_run(sim, without_memory, NULL) == HOLOG_OK, "close");
        must(hg_sim_run(sim, look_again, NULL) == HOLOG_OK, "close");
        hg_sim_destroy(sim);
        forget_states(0);
    }
    hg_alloc_set_fault(NULL, NULL);
    cr_assert_gt(refused, 100);
}
