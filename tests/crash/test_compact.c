/*
 * Compactions beside everything else: readers in other processes, commits and their extents, a disk that is full; and
 * threads that write, change, tag, roll back and let go of things, interleaved by a seed, then cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "holog/compact.h"
#include "holog/versions.h"
#include "kit.h"

#define RP       (HOLOG_REPLACE | HOLOG_PARENTS)
#define OK(call) ok(__LINE__, (call))

enum {
    LEN = 24000,
    VALUES = 5
};

static void ok(int line, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert_eq(rc, HOLOG_OK, "line %d: %s (%s)", line, holog_error_name(rc), d.message);
}

static int save(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    uint8_t *v = malloc(len);
    int rc;

    cr_assert_not_null(v);
    value_fill(v, len, seed);
    rc = holog_save(s, path, v, len, RP, NULL);
    free(v);
    return rc;
}

static int is_value(holog_value *v, size_t len, uint64_t seed)
{
    uint8_t *want = malloc(len);
    int same;

    cr_assert_not_null(want);
    value_fill(want, len, seed);
    same = holog_value_size(v) == len && memcmp(holog_value_data(v), want, len) == 0;
    free(want);
    holog_value_release(v);
    return same;
}

static void has(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    holog_value *v = NULL;

    OK(holog_load(s, path, &v));
    cr_assert(is_value(v, len, seed), "%s", path);
}

static void compact(holog_store *s, unsigned flags, holog_compact_report *out)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = flags };

    *out = (holog_compact_report){ .struct_size = sizeof *out };
    OK(holog_compact(s, &o, out));
}

/* Values v0, v1, ... as of round r: the last of them is as it was in round 0. */
static uint64_t seed_of(unsigned i, unsigned r)
{
    return i == VALUES - 1 ? 1 : 1000 + r * 100 + i;
}

static void save_round(holog_store *s, unsigned r)
{
    char path[8];

    for (unsigned i = 0; i < VALUES; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        if (r == 0 || i < VALUES - 1)
            OK(save(s, path, LEN, seed_of(i, r)));
    }
}

static void has_round(holog_store *s, unsigned r)
{
    char path[8];

    for (unsigned i = 0; i < VALUES; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has(s, path, LEN, seed_of(i, r));
    }
}

static void make(struct hg_io *io, holog_options *o, holog_store **out)
{
    kit_options(o);
    OK(hg_store_init_io(io, o));
    OK(hg_store_open_io(io, o, out));
}

static struct hg_sim *sim;

static int count_file(void *ctx, const char *name, uint64_t size)
{
    unsigned *n = ctx;

    (void)size;
    n[0] += strstr(name, ".hext") != NULL;
    n[1] += strstr(name, ".hwp") != NULL;
    return 0;
}

static void files(unsigned out[2])
{
    out[0] = out[1] = 0;
    OK(hg_sim_each_file(sim, count_file, out));
}

static void on_disk(int (*scenario)(struct hg_io *io, void *ctx), uint64_t capacity)
{
    struct hg_sim_options so = { .seed = kit_seed(), .capacity = capacity };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, scenario, NULL));
    hg_sim_destroy(sim);
}

/* ---- a reader in another process -----------------------------------------------------------------*/

/* Segments of the store, without those that are to go. */
static size_t listed(holog_store *s)
{
    struct hg_buf list = { 0 };
    size_t n;

    OK(hg_log_segments(s->log, &list));
    n = list.len / sizeof(struct hg_segment_entry);
    hg_buf_release(&list);
    return n;
}

/* It follows through a compaction, and through the writer that comes after. */
static int with_reader(struct hg_io *io, void *ctx)
{
    holog_compact_report r;
    struct hg_io *other = NULL;
    holog_store *s = NULL;
    holog_store *reader = NULL;
    holog_options o;
    unsigned before[2];
    unsigned after[2];
    unsigned again[2];
    char path[8];

    (void)ctx;
    make(io, &o, &s);
    save_round(s, 0);
    OK(hg_sim_open_io(sim, &other));
    o.flags = HOLOG_OPEN_READONLY;
    OK(hg_store_open_io(other, &o, &reader));
    o.flags = 0;
    for (unsigned round = 1; round < 4; round++)
        save_round(s, round);
    OK(holog_refresh(reader, NULL));
    OK(holog_gc(s, 1, 0, 0, NULL));
    files(before);
    compact(s, HOLOG_COMPACT_ALL, &r);
    cr_assert_gt(r.segments_removed, 0u);
    cr_assert_gt(r.waiting, 0u);
    files(after);
    cr_assert_eq(after[0], before[0], "files go beside a reader");
    has(reader, "v0", LEN, seed_of(0, 3)); /* others are not in its memory */
    save_round(s, 4);
    for (unsigned i = 0; i < 40;
         i++) /* what the compaction has said is in a segment before the last */
        OK(save(s, "small", 900, i));
    size_t before_close = listed(s);
    files(after);
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    files(again);
    cr_assert_eq(again[0], after[0], "files go beside a reader, at the next open");
    cr_assert_eq(listed(s), before_close, "what has gone has come back");
    has_round(s, 4);
    for (unsigned i = 1; i < VALUES - 1; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        has(reader, path, LEN, seed_of(i, 3));
    }
    OK(holog_refresh(reader, NULL));
    has_round(reader, 4);
    OK(holog_close(reader));
    other->ops->destroy(other);
    compact(s, HOLOG_COMPACT_ALL, &r);
    cr_assert_eq(r.waiting, 0u);
    files(after);
    cr_assert_lt(after[0], before[0]);
    has_round(s, 4);
    OK(holog_close(s));
    OK(hg_store_open_io(io, &o, &s));
    has_round(s, 4);
    return holog_close(s);
}

Test(compact, a_reader_elsewhere_keeps_the_files_that_it_reads)
{
    on_disk(with_reader, 0);
}

/* ---- what a cut leaves -----------------------------------------------------------------------------*/

static uint64_t begun_at, ended_at;

static int compact_once(struct hg_io *io, void *ctx)
{
    holog_compact_report *r = ctx;
    holog_options o;
    holog_store *s = NULL;

    make(io, &o, &s);
    for (unsigned round = 0; round < 4; round++)
        save_round(s, round);
    OK(holog_gc(s, 1, 0, 0, NULL));
    begun_at = hg_sim_steps(sim);
    compact(s, HOLOG_COMPACT_ALL, r);
    ended_at = hg_sim_steps(sim);
    return holog_close(s);
}

static int open_and_close(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    has_round(s, 3);
    return holog_close(s);
}

/* Where the values are moved to another file, those they were in have gone, and the other way round. */
Test(compact, an_open_leaves_the_files_before_or_those_after)
{
    struct hg_sim_options so = { .seed = kit_seed() };
    struct hg_sim *whole = NULL;
    holog_compact_report r;
    unsigned at_end[2];
    unsigned outcomes[2] = { 0 };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, compact_once, &r));
    cr_assert_eq(r.segments_added, 1u);
    files(at_end);
    whole = sim;
    for (uint64_t step = begun_at; step <= ended_at; step++) {
        for (unsigned how = 0; how < HG_SIM_CRASH_STRATEGIES; how++) {
            unsigned n[2];
            OK(hg_sim_crash(whole, step, (enum hg_sim_strategy)how, step, &sim));
            OK(hg_sim_run(sim, open_and_close, NULL));
            files(n);
            cr_assert(n[1] == 0 || (n[1] == 1 && n[0] == at_end[0]),
                      "step %llu, way %u: %u extent segments, %u compressed",
                      (unsigned long long)step, how, n[0], n[1]);
            outcomes[n[1]]++;
            hg_sim_destroy(sim);
        }
    }
    cr_assert(outcomes[0] > 0 && outcomes[1] > 0);
    hg_sim_destroy(whole);
}

/* ---- extents that no frame names yet -------------------------------------------------------------*/

/* A transaction that has written its extents is committed after the compaction. */
static int with_transaction(struct hg_io *io, void *ctx)
{
    holog_compact_report r;
    holog_options o;
    holog_store *s = NULL;
    holog_txn *t = NULL;
    char path[16];
    uint8_t *v = malloc(LEN);

    (void)ctx;
    cr_assert_not_null(v);
    make(io, &o, &s);
    save_round(s, 0);
    OK(holog_begin(s, &t));
    for (unsigned i = 0; i < 20; i++) { /* some segments of extents full */
        (void)snprintf(path, sizeof path, "t/%u", i);
        value_fill(v, LEN, 5000 + i);
        OK(holog_txn_save(t, path, v, LEN, RP));
        if (i % 6 == 5)
            compact(s, HOLOG_COMPACT_ALL, &r);
    }
    OK(holog_commit(t, NULL));
    free(v);
    compact(s, HOLOG_COMPACT_ALL, &r);
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(path, sizeof path, "t/%u", i);
            has(s, path, LEN, 5000 + i);
        }
        has_round(s, 0);
        OK(holog_close(s));
        OK(hg_store_open_io(io, &o, &s));
    }
    return holog_close(s);
}

Test(compact, extents_of_a_transaction_under_way_are_no_garbage)
{
    on_disk(with_transaction, 0);
}

/* ---- many segments -------------------------------------------------------------------------------*/

enum {
    SEGMENTS = 1500,
    WHOLE = 112640 /* fills a segment of extents */
};

/* More of them than the frame of one EDIT can name, where segments of frames are small. */
static int with_many(struct hg_io *io, void *ctx)
{
    holog_compact_report r;
    holog_options o;
    holog_store *s = NULL;
    unsigned n[2];

    (void)ctx;
    kit_options(&o);
    o.sync = HOLOG_SYNC_NONE;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    for (unsigned i = 0; i < SEGMENTS; i++)
        OK(save(s, "v", WHOLE, i));
    OK(holog_gc(s, 1, 0, 0, NULL));
    compact(s, HOLOG_COMPACT_ALL, &r);
    cr_assert_gt(r.segments_removed, SEGMENTS - 20u);
    files(n);
    cr_assert_leq(n[0], 20u); /* those that have lists of segments stay */
    for (int again = 0; again < 2; again++) {
        has(s, "v", WHOLE, SEGMENTS - 1);
        OK(holog_close(s));
        OK(hg_store_open_io(io, &o, &s));
    }
    return holog_close(s);
}

Test(compact, any_number_of_segments_goes)
{
    struct hg_sim_options so = { .seed = kit_seed(), .no_trace = 1 };

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, with_many, NULL));
    hg_sim_destroy(sim);
}

/* ---- full disks ----------------------------------------------------------------------------------*/

static struct hg_file *fill_disk(struct hg_io *io)
{
    struct hg_file *f = NULL;

    OK(io->ops->open(io, "lost+found", HG_OPEN_WRITE | HG_OPEN_CREATE, &f));
    for (uint64_t at = 0, len = 1 << 20; len >= 512; len /= 2)
        while (io->ops->fallocate(f, at, len) == HOLOG_OK)
            at += len;
    return f;
}

/* What lives cannot be moved: there is no room for it. What is dead goes all the same. */
static int without_room(struct hg_io *io, void *ctx)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report r;
    struct hg_file *ballast;
    holog_options o;
    holog_store *s = NULL;
    unsigned before[2];
    unsigned after[2];
    char path[16];

    (void)ctx;
    make(io, &o, &s);
    save_round(s, 0);
    save_round(s, 5);
    compact(s, HOLOG_COMPACT_ALL, &r); /* the log declares what edits need */
    cr_assert_gt(r.segments_removed, 0u);
    for (unsigned i = 0; i < 30; i++) {
        (void)snprintf(path, sizeof path, "alive%u", i);
        OK(save(s, path, LEN, i));
        OK(save(s, "v0", LEN, 100));
    }
    for (unsigned round = 1; round < 5; round++)
        save_round(s, round);
    OK(holog_gc(s, 1, 0, 0, NULL));
    ballast = fill_disk(io);
    files(before);
    cr_assert_eq(holog_compact(s, &all, NULL), HOLOG_E_NOSPC);
    files(after);
    cr_assert_leq(after[1], before[1], "an output is left");
    cr_assert_lt(after[0], before[0], "nothing has gone");
    has_round(s, 4);
    OK(io->ops->close(ballast));
    OK(io->ops->unlink(io, "lost+found"));
    compact(s, HOLOG_COMPACT_ALL, &r);
    for (int again = 0; again < 2; again++) {
        has_round(s, 4);
        for (unsigned i = 0; i < 30; i++) {
            (void)snprintf(path, sizeof path, "alive%u", i);
            has(s, path, LEN, i);
        }
        OK(holog_close(s));
        OK(hg_store_open_io(io, &o, &s));
    }
    return holog_close(s);
}

Test(compact, on_a_full_disk_what_is_dead_goes_and_nothing_else_changes)
{
    on_disk(without_room, 8 << 20);
}

/* ---- everything at once --------------------------------------------------------------------------*/

enum {
    EACH = 14, /* commits of a writer */
    WRITERS = 2,
    LOG = 200,
    BIG = 30000,
    PATCH = 100
};

/* What one path was after each commit that changed it. */
struct line {
    uint64_t number[LOG]; /* 0: not known yet */
    uint64_t state[LOG];
    unsigned n;
};

struct world {
    struct hg_sim *sim;
    struct hg_io *io;
    holog_store *store;
    struct line writer[WRITERS]; /* w0, w1: seeds */
    struct line patched;         /* d: how many patches */
    struct line back;            /* r: seeds, some of which come back */
    unsigned working;
    unsigned long compactions, moved, views;
    char wrong[400];
};

struct thread {
    struct world *w;
    unsigned index;
    struct hg_thread *t;
};

static void complain(struct world *w, const char *what, uint64_t a, uint64_t b)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    if (w->wrong[0] == 0)
        (void)snprintf(w->wrong, sizeof w->wrong, "%s (%llu, %llu; last error: %.150s)", what,
                       (unsigned long long)a, (unsigned long long)b, d.message);
}

static void begin_change(struct line *l, uint64_t state)
{
    l->state[l->n] = state;
    l->number[l->n++] = 0;
}

static void end_change(struct world *w, struct line *l, int rc, uint64_t number, const char *what)
{
    if (rc < 0)
        complain(w, what, l->n, (uint64_t)-rc);
    l->number[l->n - 1] = number;
    if (rc == HOLOG_OK)
        hg_sim_mark(w->sim, MARK_DURABLE, number);
}

static int save_filled(holog_store *s, const char *path, size_t len, uint64_t seed,
                       uint64_t *out_number)
{
    uint8_t *v = malloc(len);
    int rc;

    cr_assert_not_null(v);
    value_fill(v, len, seed);
    rc = holog_save(s, path, v, len, RP, out_number);
    free(v);
    return rc;
}

static void write_some(void *arg)
{
    const struct thread *me = arg;
    struct world *w = me->w;
    struct line *l = &w->writer[me->index];
    char path[4] = { 'w', (char)('0' + me->index), 0, 0 };

    for (unsigned i = 1; i <= EACH && w->wrong[0] == 0; i++) {
        uint64_t number = 0;
        begin_change(l, 100 * me->index + i);
        int rc = save_filled(w->store, path, BIG, 100 * me->index + i, &number);
        end_change(w, l, rc, number, "a save");
    }
    w->working--;
}

static void patch(uint8_t *v, uint64_t i)
{
    memset(v + i * 271 % (BIG - PATCH), (int)i, PATCH);
}

static void patch_some(void *arg)
{
    const struct thread *me = arg;
    struct world *w = me->w;
    uint64_t number = 0;

    begin_change(&w->patched, 0);
    int rc = save_filled(w->store, "d", BIG, 7, &number);
    end_change(w, &w->patched, rc, number, "a save of what is patched");
    for (uint64_t i = 1; i <= EACH && w->wrong[0] == 0; i++) {
        uint8_t bytes[PATCH];
        uint64_t at = i * 271 % (BIG - PATCH);
        holog_delta d = { .kind = HOLOG_DELTA_UPDATE,
                          .start = at,
                          .end = at + PATCH,
                          .data = bytes,
                          .len_bytes = PATCH };
        memset(bytes, (int)i, sizeof bytes);
        begin_change(&w->patched, i);
        rc = holog_apply(w->store, "d", &d, 1, 0, 0, &number);
        end_change(w, &w->patched, rc, number, "a delta");
        rc = i % 5 == 0 ? holog_fold(w->store, "d") : HOLOG_OK;
        if (rc != HOLOG_OK && rc != HOLOG_E_BUSY) /* not while something is being compacted */
            complain(w, "a fold", i, 0);
    }
    w->working--;
}

/* Tags, what is tagged comes back, and what is old is let go. */
static void go_back_and_forth(void *arg)
{
    const struct thread *me = arg;
    struct world *w = me->w;
    uint64_t tagged = 0;
    uint64_t state = 0;

    for (unsigned i = 1; i <= EACH && w->wrong[0] == 0; i++) {
        uint64_t number = 0;
        int rc;
        begin_change(&w->back, i % 3 == 0 && tagged != 0 ? state : 1000 + i);
        if (i % 3 == 0 && tagged != 0)
            rc = holog_rollback(w->store, "r", tagged, &number);
        else
            rc = save_filled(w->store, "r", BIG, 1000 + i, &number);
        end_change(w, &w->back, rc, number, "a save or a rollback");
        if (i % 4 == 1 && w->wrong[0] == 0) {
            rc = holog_tag(w->store, "v1", number, HOLOG_REPLACE);
            tagged = number;
            state = w->back.state[w->back.n - 1];
        } else {
            rc = holog_gc(w->store, 2, 0, 0, NULL);
        }
        if (rc < 0)
            complain(w, "a tag or gc", i, (uint64_t)-rc);
    }
    w->working--;
}

static void compact_often(void *arg)
{
    const struct thread *me = arg;
    struct world *w = me->w;

    while (w->working > 0 && w->wrong[0] == 0) {
        const holog_compact_options o = { .struct_size = sizeof o,
                                          .flags =
                                              w->compactions % 2 == 0 ? HOLOG_COMPACT_ALL : 0 };
        holog_compact_report r = { .struct_size = sizeof r };
        int rc = holog_compact(w->store, &o, &r);
        if (rc < 0)
            complain(w, "a compaction", w->compactions, (uint64_t)-rc);
        w->compactions++;
        w->moved += r.values;
        w->io->ops->sleep_ns(w->io, 20000);
    }
}

static void expect(struct world *w, const struct line *l, uint64_t state, uint8_t *out)
{
    value_fill(out, BIG, l == &w->patched ? 7 : state);
    for (uint64_t i = 1; l == &w->patched && i <= state; i++)
        patch(out, i);
}

/* The last state as of the number; or one whose number is not known yet. */
static void check_line(struct world *w, holog_view *view, const char *path, const struct line *l)
{
    static uint8_t want[BIG];
    uint64_t number = holog_view_number(view);
    holog_value *v = NULL;
    unsigned last = 0;
    unsigned open;
    int rc = holog_view_load(view, path, &v);
    int same;

    while (last < l->n && l->number[last] != 0 && l->number[last] <= number)
        last++;
    open = last < l->n && l->number[last] == 0;
    if (rc == HOLOG_E_NOENT && last == 0)
        return;
    if (rc < 0 || holog_value_size(v) != BIG) {
        complain(w, path, number, (uint64_t)-rc);
        holog_value_release(v);
        return;
    }
    same = 0;
    for (unsigned i = last > 0 ? last - 1 : 0; i < last + open; i++) {
        expect(w, l, l->state[i], want);
        same |= memcmp(want, holog_value_data(v), BIG) == 0;
    }
    holog_value_release(v);
    if (!same)
        complain(w, "wrong bytes", number, last);
}

static void check_view(struct world *w, holog_view *view)
{
    check_line(w, view, "w0", &w->writer[0]);
    check_line(w, view, "w1", &w->writer[1]);
    check_line(w, view, "d", &w->patched);
    check_line(w, view, "r", &w->back);
    w->views++;
}

/* A view is looked at twice: what it shows may be moved meanwhile. */
static void check_store(struct world *w, holog_store *s, int twice)
{
    holog_view *view = NULL;

    if (holog_view_open(s, &view) < 0) {
        complain(w, "a view cannot be opened", 0, 0);
        return;
    }
    check_view(w, view);
    if (twice) {
        w->io->ops->sleep_ns(w->io, 100000);
        check_view(w, view);
    }
    holog_view_close(view);
}

static void read_often(void *arg)
{
    const struct thread *me = arg;

    while (me->w->working > 0 && me->w->wrong[0] == 0) {
        check_store(me->w, me->w->store, 1);
        me->w->io->ops->sleep_ns(me->w->io, 20000);
    }
}

/* Another process, which follows for a while and comes again. */
static void follow_often(void *arg)
{
    const struct thread *me = arg;
    struct world *w = me->w;
    struct hg_io *io = NULL;
    holog_options o;

    kit_options(&o);
    o.flags = HOLOG_OPEN_READONLY;
    if (hg_sim_open_io(w->sim, &io) < 0)
        complain(w, "no process", 0, 0);
    while (io != NULL && w->working > 0 && w->wrong[0] == 0) {
        holog_store *s = NULL;
        int rc = hg_store_open_io(io, &o, &s);
        if (rc < 0) {
            complain(w, "a reader cannot open the store", (uint64_t)-rc, 0);
            break;
        }
        for (int i = 0; i < 3 && w->wrong[0] == 0; i++) {
            check_store(w, s, 0);
            rc = holog_refresh(s, NULL);
            if (rc < 0)
                complain(w, "a reader cannot follow", (uint64_t)-rc, 0);
        }
        (void)holog_close(s); /* it has only read */
        w->io->ops->sleep_ns(w->io, 500000);
    }
    if (io != NULL)
        io->ops->destroy(io);
}

static int all_at_once(struct hg_io *io, void *ctx)
{
    static void (*const work[])(void *) = { write_some,        write_some,    patch_some,
                                            go_back_and_forth, compact_often, read_often,
                                            follow_often };
    enum {
        THREADS = sizeof work / sizeof work[0]
    };
    struct world *w = ctx;
    struct thread threads[THREADS];
    holog_options o;

    kit_options(&o);
    o.no_background = 0;
    w->io = io;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &w->store));
    OK(holog_config(w->store, "retention.commits", "4", NULL, 0));
    hg_sim_mark(w->sim, MARK_STORE, 1);
    w->working = 4;
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){ .w = w, .index = i };
        OK(io->ops->thread_start(io, "test", work[i], &threads[i], &threads[i].t));
    }
    for (unsigned i = 0; i < THREADS; i++)
        io->ops->thread_join(io, threads[i].t);
    check_store(w, w->store, 0);
    return holog_close(w->store);
}

struct after {
    struct world *w;
    uint64_t durable;
};

static int tell_damage(void *ctx, const holog_damage *d)
{
    (void)ctx;
    if (!d->harmless)
        (void)fprintf(stderr, "# %s, offset %llu: %s\n", d->file, (unsigned long long)d->offset,
                      d->message);
    return 0;
}

static int look_after(struct hg_io *io, void *ctx)
{
    const struct after *a = ctx;
    struct world *w = a->w;
    holog_store *s = NULL;
    holog_compact_report r;
    holog_options o;

    kit_options(&o);
    w->io = io;
    OK(hg_store_open_io(io, &o, &s));
    if (holog_last_number(s) < a->durable)
        complain(w, "an acknowledged commit is gone", holog_last_number(s), a->durable);
    check_store(w, s, 0);
    compact(s, HOLOG_COMPACT_ALL, &r);
    check_store(w, s, 0);
    OK(save(s, "after", LEN, 1));
    OK(holog_close(s));
    if (hg_verify_io(io, 0, tell_damage, NULL, NULL, NULL) < 0)
        complain(w, "verify", 0, 0);
    return HOLOG_OK;
}

struct totals {
    unsigned long runs, states, views, moved, compactions, bad;
};

static void cut_run(struct world *w, uint64_t seed, unsigned cuts, struct totals *t)
{
    uint64_t begun = 0;
    uint64_t rng = seed;

    while (hg_sim_marked_max(w->sim, MARK_STORE, begun, 0) == 0)
        begun++;
    for (unsigned c = 0; c < cuts && t->bad < 3; c++) {
        struct hg_sim *disk = NULL;
        uint64_t step = begun + rng_next(&rng) % (hg_sim_steps(w->sim) - begun + 1);
        enum hg_sim_strategy how = (enum hg_sim_strategy)(rng_next(&rng) % HG_SIM_CRASH_STRATEGIES);
        struct after a = { .w = w, .durable = hg_sim_marked_max(w->sim, MARK_DURABLE, step, 0) };
        if (!kit_case("compacted schedule %llu step %llu %c", (unsigned long long)seed,
                      (unsigned long long)step, kit_strategy(how)))
            continue;
        OK(hg_sim_crash(w->sim, step, how, step + c, &disk));
        (void)hg_sim_run(disk, look_after, &a); /* what is wrong is in w */
        if (w->wrong[0] != 0)
            t->bad += (unsigned long)kit_fail(w->wrong);
        w->wrong[0] = 0;
        t->states++;
        hg_sim_destroy(disk);
    }
}

static void one_schedule(uint64_t seed, unsigned cuts, struct totals *t)
{
    struct hg_sim_options so = { .seed = seed, .yields = 1, .dirs = (enum hg_sim_dirs)(seed % 2) };
    static struct world w;

    memset(&w, 0, sizeof w);
    OK(hg_sim_create(&so, &w.sim));
    (void)kit_case("compacted schedule %llu", (unsigned long long)seed); /* cuts are cases of it */
    if (hg_sim_run(w.sim, all_at_once, &w) < 0)
        complain(&w, "the run fails", 0, 0);
    t->runs++;
    t->views += w.views;
    t->moved += w.moved;
    t->compactions += w.compactions;
    if (w.wrong[0] != 0)
        t->bad += (unsigned long)kit_fail(w.wrong);
    else
        cut_run(&w, seed, cuts, t);
    if (hg_sim_open_files(w.sim) != 0)
        hg_sim_set_crash_step(w.sim, 0); /* so that it can be freed all the same */
    hg_sim_destroy(w.sim);
}

Test(compact, beside_commits_deltas_rollbacks_tags_and_readers_nothing_changes, .timeout = 600)
{
    static const unsigned counts[3] = { 12, 120, 5000 };
    static const unsigned cuts[3] = { 10, 30, 60 };
    struct totals t = { 0 };

    for (unsigned i = 0; i < counts[kit_level()] && t.bad < 3; i++)
        one_schedule(kit_seed() + i, cuts[kit_level()], &t);
    (void)fprintf(stderr,
                  "# %lu schedules, %lu compactions, %lu values moved, %lu views, %lu cuts, "
                  "%lu wrong\n",
                  t.runs, t.compactions, t.moved, t.views, t.states, t.bad);
    print_total(t.states, 0, 0, t.bad);
    cr_assert_eq(t.bad, 0);
    cr_assert_gt(t.moved, 0);
}
