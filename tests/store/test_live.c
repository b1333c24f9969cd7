/*
 * What lives: random histories of every kind of change, and after each few steps the mark against
 * what the slow way finds (livekit.h); the same after reopens, and from a reader. HOLOG_TEST_SEED names the
 * first of the stores.
 */
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "engine/live.h"
#include "holog/array.h"
#include "holog/space.h"
#include "holog/versions.h"
#include "livekit.h"

enum {
    STEPS = 80,
    NOISE = 400000,
    BATCH = 70
};

static const char *const paths[] = { "a",     "b",      "d",     "d/x",   "d/y", "d/e",
                                     "d/e/z", "d/e/10", "f/g",   "l",     "m/l", "c0",
                                     "c0/x",  "big/1",  "big/2", "delta", "arr", "arr2" };
#define PATHS (sizeof paths / sizeof paths[0])

static struct box box;
static struct box copy; /* of its files */
static struct live_open held;
static uint64_t seed_now;
static _Thread_local uint64_t rng;
static uint8_t noise[NOISE];

static uint64_t below(uint64_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return n == 0 ? 0 : (rng >> 11) % n;
}

static const char *some_path(void)
{
    return paths[below(PATHS)];
}

static const uint8_t *some_bytes(size_t len)
{
    return noise + below(NOISE - len);
}

/* What is there decides what can be done; what cannot be done is refused. */
static void done(int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert(rc >= 0 || (rc != HOLOG_E_CORRUPT && rc != HOLOG_E_IO && rc != HOLOG_E_NOMEM &&
                          rc != HOLOG_E_BUDGET && rc != HOLOG_E_POISONED),
              "seed %llu: %s: %s", (unsigned long long)seed_now, holog_error_name(rc), d.message);
}

/* ---- steps ---------------------------------------------------------------------------------------- */

static size_t some_size(void)
{
    switch (below(4)) {
    case 0: return below(60);
    case 1: return below(1000);
    case 2: return 1025 + below(9000);
    default: return 60000 + below(200000);
    }
}

static void save(holog_store *s)
{
    size_t len = some_size();

    done(holog_save(s, some_path(), some_bytes(len), len, HOLOG_PARENTS | HOLOG_REPLACE, NULL));
}

static void apply(holog_store *s)
{
    const char *path = below(2) ? "delta" : some_path();
    holog_stat_info info = { .struct_size = sizeof info };
    holog_delta d[3];
    size_t n = 1 + below(3);

    if (holog_stat(s, path, &info) < 0 || info.type != HOLOG_BLOB)
        return;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = below(info.size_bytes / 2 + 1);
        size_t len = below(4) == 0 ? some_size() : below(40);
        d[i] = (holog_delta){ .kind = 1 + (uint32_t)below(3), .start = at, .end = at + below(9) };
        d[i].end = HG_MIN(d[i].end, info.size_bytes / 2);
        d[i].len_bytes = d[i].kind == HOLOG_DELTA_DELETE ? 0 : len;
        d[i].data = d[i].kind == HOLOG_DELTA_DELETE ? NULL : some_bytes(len);
    }
    done(holog_apply(s, path, d, n, 0, 0, NULL));
}

static void many_deltas(holog_store *s)
{
    for (unsigned i = 0; i < 20; i++)
        apply(s);
    if (below(2) == 0)
        done(holog_fold(s, below(3) ? "delta" : some_path()));
}

static void batch(holog_store *s)
{
    char names[BATCH][64];
    holog_item items[BATCH];
    const char *dir = below(2) ? "many" : "d";
    size_t n = 2 + below(BATCH - 2);

    for (size_t i = 0; i < n; i++) {
        size_t len = below(30) == 0 ? 70000 : below(200);
        (void)snprintf(names[i], sizeof names[i], "%s/entry-%02zu", dir, i);
        items[i] = (holog_item){ .path = names[i], .data = some_bytes(len), .len_bytes = len };
    }
    done(holog_save_batch(s, items, n, HOLOG_PARENTS | HOLOG_REPLACE, NULL));
}

static void array(holog_store *s)
{
    static const uint64_t shape[2] = { 300, 400 };
    static const uint64_t chunk[2] = { 200, 200 };
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = below(2) ? HOLOG_UINT16 : HOLOG_UINT8,
                              .rank = 2,
                              .shape = shape,
                              .chunk = chunk };
    holog_slice region[2] = { { below(200), 1 + below(100), 1 },
                              { below(300), 1 + below(100), 1 } };
    const char *path = below(2) ? "arr" : "arr2";

    if (below(3) == 0)
        done(holog_array_save(s, path, &spec, noise, NULL, HOLOG_REPLACE, NULL));
    else
        done(holog_array_update(s, path, region, some_bytes(40000), NULL, NULL));
}

static void transaction(holog_store *s)
{
    holog_txn *txn = NULL;

    OK(holog_begin(s, &txn));
    for (unsigned i = 0; i < 4; i++) {
        size_t len = some_size();
        if (below(2))
            done(holog_txn_save(txn, some_path(), some_bytes(len), len,
                                HOLOG_PARENTS | HOLOG_REPLACE));
        else
            done(holog_txn_copy(txn, some_path(), some_path(), HOLOG_REPLACE));
    }
    OK(holog_txn_message(txn, "several"));
    if (below(4) == 0)
        holog_abort(txn);
    else
        done(holog_commit(txn, NULL));
}

static uint64_t some_number(holog_store *s)
{
    return 1 + below(holog_last_number(s) + 1);
}

static void tag(holog_store *s)
{
    char name[16];

    (void)snprintf(name, sizeof name, "t%u", (unsigned)below(4));
    if (below(3) == 0)
        done(holog_tag_delete(s, name));
    else
        done(holog_tag(s, name, some_number(s), HOLOG_REPLACE));
}

static void view(holog_store *s)
{
    holog_view **v = &held.views[below(4)];

    if (*v != NULL) {
        holog_view_close(*v);
        *v = NULL;
    } else if (below(2) == 0) {
        done(holog_view_open(s, v));
    } else {
        done(holog_view_open_at(s, some_number(s), v));
    }
}

static void hold_txn(holog_store *s)
{
    holog_value *v = NULL;

    if (held.txn != NULL) {
        holog_abort(held.txn);
        held.txn = NULL;
        return;
    }
    OK(holog_begin(s, &held.txn));
    if (holog_txn_load(held.txn, some_path(), &v) == HOLOG_OK)
        holog_value_release(v);
}

static void retain(holog_store *s)
{
    if (below(2) == 0)
        done(holog_config(s, "retention.commits", below(2) ? "12" : "all", NULL, 0));
    else
        done(holog_gc(s, 1 + below(15), 0, 0, NULL));
}

static void step(holog_store *s)
{
    switch (below(22)) {
    case 0: done(holog_mkdir(s, some_path(), HOLOG_PARENTS, NULL)); break;
    case 1: done(holog_delete(s, some_path(), NULL)); break;
    case 2: done(holog_delete_all(s, some_path(), NULL)); break;
    case 3: done(holog_move(s, some_path(), some_path(), HOLOG_REPLACE, NULL)); break;
    case 4:
    case 5: done(holog_copy(s, some_path(), some_path(), HOLOG_REPLACE, NULL)); break;
    case 6: done(holog_symlink(s, some_path(), some_path(), HOLOG_REPLACE, NULL)); break;
    case 7: done(holog_rollback(s, below(3) ? some_path() : "/", some_number(s), NULL)); break;
    case 8: tag(s); break;
    case 9:
    case 10: view(s); break;
    case 11: retain(s); break;
    case 12: batch(s); break;
    case 13:
    case 14: array(s); break;
    case 15: transaction(s); break;
    case 16: many_deltas(s); break;
    case 17: apply(s); break;
    case 18: done(holog_fold(s, below(2) ? "delta" : some_path())); break;
    case 19: hold_txn(s); break;
    default: save(s);
    }
}

/* ---- stores --------------------------------------------------------------------------------------- */

static void let_go(void)
{
    for (size_t i = 0; i < sizeof held.views / sizeof held.views[0]; i++)
        holog_view_close(held.views[i]);
    holog_abort(held.txn);
    memset(&held, 0, sizeof held);
}

static void make_noise(void)
{
    rng = 88172645463325252u;
    for (size_t i = 0; i < NOISE; i++)
        noise[i] = (uint8_t)below(256);
}

static void begin(uint64_t seed)
{
    seed_now = seed;
    make_noise();
    rng = seed * 2654435761u + 1;
    box_make(&box);
    box.opts.segment_size_max = 16 << 10;
    box.opts.extent_segment_size_max = 1 << 20;
    box.opts.inline_max = 1024;
    box.opts.no_background = 1;
    box.opts.no_compaction = 1; /* the oracle reads files: of what has moved it knows nothing */
    box.opts.sync = HOLOG_SYNC_NONE;
    box_open(&box);
    OK(holog_save(box.store, "delta", noise, 20000, 0, NULL));
}

static void without_checkpoints(void)
{
    int rc = holog_close(box.store);
    char dir[300];

    OK(rc);
    (void)snprintf(dir, sizeof dir, "%s/chk", box.dir);
    remove_tree(dir);
    box_open(&box);
}

static void from_a_reader(void)
{
    holog_options opts = box.opts;
    holog_store *reader = NULL;

    OK(holog_sync(box.store));
    opts.flags |= HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &opts, &reader));
    live_is_exact(&box, reader, NULL, "from a reader");
    OK(holog_close(reader));
}

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char to[PATH_MAX];
    size_t len = 0;
    void *data;

    HG_UNUSED(st);
    HG_UNUSED(ftw);
    (void)snprintf(to, sizeof to, "%s%s", copy.dir, path + strlen(box.dir));
    if (type == FTW_D)
        return strcmp(path, box.dir) == 0 ? 0 : mkdir(to, 0700);
    data = file_read(box.dir, path + strlen(box.dir) + 1, &len);
    file_write(copy.dir, path + strlen(box.dir) + 1, data, len);
    free(data);
    return 0;
}

/* As its files are now, nothing closed: what a killed process leaves. */
static void after_a_crash(void)
{
    OK(holog_sync(box.store));
    box_make(&copy);
    cr_assert_eq(nftw(box.dir, copy_one, 16, FTW_PHYS), 0);
    copy.opts.no_background = 1;
    box_open(&copy);
    live_is_exact(&copy, copy.store, NULL, "after a crash");
    OK(holog_save(copy.store, "after", noise, 100000, HOLOG_REPLACE | HOLOG_PARENTS, NULL));
    live_is_exact(&copy, copy.store, NULL, "after a crash and a commit");
    box_end(&copy);
}

static void one_store(uint64_t seed)
{
    char when[80];

    begin(seed);
    for (unsigned i = 1; i <= STEPS; i++) {
        step(box.store);
        (void)snprintf(when, sizeof when, "seed %llu step %u", (unsigned long long)seed, i);
        if (i % 10 == 0)
            live_is_exact(&box, box.store, &held, when);
    }
    from_a_reader();
    after_a_crash();
    let_go();
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    without_checkpoints();
    live_is_exact(&box, box.store, NULL, "reopened by the log alone");
    box_end(&box);
}

static void all_was_met(void)
{
    const struct live_met *m = &live_met;

    cr_assert(m->frames > 0 && m->times > 0 && m->records > 0 && m->pieces > 0 && m->lists > 0);
    cr_assert(m->chunks > 0 && m->payloads > 0 && m->listed > 0 && m->folds > 0 && m->chains > 0);
    cr_assert(m->dead > 0 && m->busy > 0 && m->sealed > 0);
    for (unsigned i = 0; i < HG_HOLDERS; i++)
        cr_assert_gt(m->bytes[i], 0, "holder %u", i);
}

Test(live, what_lives_is_what_can_be_asked_for_and_nothing_else)
{
    unsigned stores = test_level() == 0 ? 12 : test_level() == 1 ? 100 : 2000;

    for (unsigned i = 0; i < stores; i++)
        one_store(test_seed() + i);
    all_was_met();
}

/* ---- while others write --------------------------------------------------------------------------- */

static pthread_rwlock_t pause_lock = PTHREAD_RWLOCK_INITIALIZER; /* writers: for each step */
static int stop_writing;                                         /* pause_lock */
static int steps_left; /* atomic: the store is to stay small enough for the slow way */

/* No fold: the newest one decides what lives, and the slow way looks later. */
static void write_something(holog_store *s)
{
    switch (below(12)) {
    case 0: done(holog_delete(s, some_path(), NULL)); break;
    case 1: done(holog_copy(s, some_path(), some_path(), HOLOG_REPLACE, NULL)); break;
    case 2: done(holog_move(s, some_path(), some_path(), HOLOG_REPLACE, NULL)); break;
    case 3: done(holog_rollback(s, some_path(), some_number(s), NULL)); break;
    case 4: batch(s); break;
    case 5: array(s); break;
    case 6: tag(s); break;
    case 7: done(holog_gc(s, 1 + below(30), 0, 0, NULL)); break;
    case 8:
    case 9: apply(s); break;
    default: save(s);
    }
}

static int with_folds; /* fixed while writers run */

static void *writer(void *arg)
{
    int stop = 0;

    rng = (uint64_t)(uintptr_t)arg * 7919 + seed_now;
    while (!stop) {
        OK(pthread_rwlock_rdlock(&pause_lock));
        stop = stop_writing;
        if (!stop && __atomic_load_n(&steps_left, __ATOMIC_RELAXED) > 0) {
            __atomic_fetch_sub(&steps_left, 1, __ATOMIC_RELAXED);
            if (with_folds)
                many_deltas(box.store);
            write_something(box.store);
        }
        OK(pthread_rwlock_unlock(&pause_lock));
    }
    return NULL;
}

static void *reader(void *arg)
{
    int stop = 0;

    rng = (uint64_t)(uintptr_t)arg * 104729 + seed_now;
    while (!stop) {
        holog_view *v = NULL;
        holog_value *value = NULL;
        OK(pthread_rwlock_rdlock(&pause_lock));
        stop = stop_writing;
        OK(pthread_rwlock_unlock(&pause_lock));
        done(below(2) ? holog_view_open(box.store, &v)
                      : holog_view_open_at(box.store, some_number(box.store), &v));
        for (unsigned i = 0; v != NULL && i < 5; i++) {
            int rc = holog_view_load(v, some_path(), &value);
            done(rc);
            if (rc == HOLOG_OK)
                holog_value_release(value);
        }
        holog_view_close(v);
    }
    return NULL;
}

static void things_of_all(holog_store *s, struct hg_live_list *out)
{
    struct hg_buf marks = { 0 };
    const struct hg_live_segment *g;
    uint32_t ids[4096];
    size_t n;

    OK(hg_live_mark(s, &marks));
    g = (const struct hg_live_segment *)(const void *)marks.data;
    n = marks.len / sizeof *g;
    cr_assert_lt(n, sizeof ids / sizeof ids[0]);
    for (size_t i = 0; i < n; i++)
        ids[i] = g[i].segment;
    OK(hg_live_things(s, ids, n, out));
    hg_buf_release(&marks);
}

/* A mark that began when the view was open has what the view can be asked for. */
static void mark_beside_writers(void)
{
    struct hg_live_list list;
    holog_view *now = NULL;
    holog_view *past = NULL;

    __atomic_store_n(&steps_left, 25, __ATOMIC_RELAXED);
    OK(holog_view_open(box.store, &now));
    done(holog_view_open_at(box.store, some_number(box.store), &past));
    things_of_all(box.store, &list);
    OK(pthread_rwlock_wrlock(&pause_lock));
    OK(holog_sync(box.store));
    live_covers(&box, now, &list);
    if (past != NULL)
        live_covers(&box, past, &list);
    OK(pthread_rwlock_unlock(&pause_lock));
    hg_live_list_release(box.store, &list);
    holog_view_close(past);
    holog_view_close(now);
}

static void start(pthread_t threads[3])
{
    rng = seed_now;
    stop_writing = 0;
    for (uintptr_t i = 0; i < 3; i++)
        OK(pthread_create(&threads[i], NULL, i == 2 ? reader : writer, (void *)(i + 1)));
}

static void stop(const pthread_t threads[3])
{
    OK(pthread_rwlock_wrlock(&pause_lock));
    stop_writing = 1;
    OK(pthread_rwlock_unlock(&pause_lock));
    for (size_t i = 0; i < 3; i++)
        OK(pthread_join(threads[i], NULL));
}

Test(live, nothing_that_a_view_shows_is_missed_while_others_write)
{
    unsigned marks = test_level() == 0 ? 15 : test_level() == 1 ? 80 : 1000;
    pthread_t threads[3];

    begin(test_seed());
    with_folds = 0;
    start(threads);
    for (unsigned i = 0; i < marks; i++)
        mark_beside_writers();
    stop(threads);
    live_is_exact(&box, box.store, NULL, "when they have stopped");
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

Test(live, folds_and_checkpoints_of_other_threads_do_not_disturb_a_mark)
{
    unsigned marks = test_level() == 0 ? 30 : test_level() == 1 ? 300 : 3000;
    struct hg_live_list list;
    pthread_t threads[3];

    begin(test_seed() + 1);
    box.opts.no_background = 0;
    box_reopen(&box);
    with_folds = 1;
    start(threads);
    for (unsigned i = 0; i < marks; i++) {
        __atomic_store_n(&steps_left, 6, __ATOMIC_RELAXED);
        things_of_all(box.store, &list);
        cr_assert_gt(list.things.len, 0);
        hg_live_list_release(box.store, &list);
    }
    stop(threads);
    with_folds = 0;
    box.opts.no_background = 1;
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

/* ---- one thing at a time -------------------------------------------------------------------------- */

static uint64_t sum_of(size_t offset)
{
    struct hg_buf marks = { 0 };
    const struct hg_live_segment *g;
    uint64_t sum = 0;

    OK(hg_live_mark(box.store, &marks));
    g = (const struct hg_live_segment *)(const void *)marks.data;
    for (size_t i = 0; i < marks.len / sizeof *g; i++) {
        uint64_t n;
        memcpy(&n, (const uint8_t *)&g[i] + offset, sizeof n);
        sum += n;
    }
    hg_buf_release(&marks);
    return sum;
}

#define HELD(holder) sum_of(offsetof(struct hg_live_segment, live) + (holder) * sizeof(uint64_t))

Test(live, a_value_goes_from_the_newest_state_to_history_to_a_tag_to_a_view_and_dies)
{
    holog_view *v = NULL;

    begin(1);
    OK(holog_save(box.store, "big", noise, 200000, 0, NULL)); /* commit 2 */
    OK(holog_save(box.store, "other", noise, 10, 0, NULL));
    cr_assert_geq(HELD(HG_HOLD_HEAD), 200000);
    OK(holog_tag(box.store, "keep", 2, 0));
    OK(holog_delete(box.store, "big", NULL));
    cr_assert(HELD(HG_HOLD_HEAD) < 200000 && HELD(HG_HOLD_HISTORY) >= 200000);
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    cr_assert(HELD(HG_HOLD_HISTORY) < 200000 && HELD(HG_HOLD_TAGS) >= 200000);
    OK(holog_view_open_at(box.store, 2, &v));
    OK(holog_tag_delete(box.store, "keep"));
    cr_assert(HELD(HG_HOLD_TAGS) < 200000 && HELD(HG_HOLD_VIEWS) >= 200000);
    holog_view_close(v);
    cr_assert_lt(HELD(HG_HOLD_VIEWS), 200000);
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

Test(live, a_view_that_has_ended_holds_nothing)
{
    holog_value *value = NULL;
    holog_view *v = NULL;

    begin(1);
    OK(holog_save(box.store, "big", noise, 200000, 0, NULL));
    OK(holog_view_open(box.store, &v));
    OK(holog_delete(box.store, "big", NULL));
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    cr_assert_geq(HELD(HG_HOLD_VIEWS), 200000);
    OK(holog_config(box.store, "pins.max_bytes", "1000", NULL, 0));
    OK(holog_save(box.store, "a", noise, 10, 0, NULL));
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    FAILS(HOLOG_E_STALE, holog_view_load(v, "big", &value), "pins.max_bytes");
    cr_assert_lt(HELD(HG_HOLD_VIEWS), 200000);
    live_is_exact(&box, box.store, NULL, "with a view that has ended");
    holog_view_close(v);
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

Test(live, a_value_on_its_way_is_in_a_segment_that_is_busy)
{
    struct hg_buf marks = { 0 };
    const struct hg_live_segment *g;
    holog_txn *txn = NULL;
    unsigned extents = 0;
    unsigned busy = 0;

    begin(1);
    OK(holog_begin(box.store, &txn));
    OK(holog_txn_save(txn, "first", noise, 300000, 0));
    for (unsigned i = 0; i < 60; i++) /* the next segments */
        OK(holog_save(box.store, "big", noise, 300000, HOLOG_REPLACE, NULL));
    OK(hg_live_mark(box.store, &marks));
    g = (const struct hg_live_segment *)(const void *)marks.data;
    for (size_t i = 0; i < marks.len / sizeof *g; i++) {
        extents += g[i].kind == HG_KIND_EXTENTS;
        busy += g[i].kind == HG_KIND_EXTENTS && g[i].busy;
    }
    /* One that is not closed yet is garbage that stays a little longer; one too few would be a lost
     * value. */
    cr_assert(busy >= 2 && busy <= extents / 2, "%u of %u: the first value's, and the active one",
              busy, extents);
    hg_buf_release(&marks);
    OK(holog_commit(txn, NULL));
    live_is_exact(&box, box.store, NULL, "committed");
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

/* ---- what goes wrong ------------------------------------------------------------------------------ */

static void some_history(uint64_t seed, unsigned steps)
{
    begin(seed);
    for (unsigned i = 0; i < steps; i++)
        step(box.store);
    let_go();
}

/* A footer says what its frames say: one of both is enough. */
Test(live, a_footer_and_a_frame_that_are_damaged_are_told_with_their_place)
{
    struct hg_buf marks = { 0 };
    struct holog_error_detail d;
    size_t len = 0;
    uint8_t *data;

    some_history(5, 60);
    OK(holog_sync(box.store));
    data = file_read(box.dir, "seg/00000002.hlog", &len);
    cr_assert_gt(len, 4096 + 128 + 30);
    data[len - 128 - 20] ^= 1;
    data[len / 3] ^= 1;
    file_write(box.dir, "seg/00000002.hlog", data, len);
    FAILS(HOLOG_E_CORRUPT, hg_live_mark(box.store, &marks), "");
    holog_last_error(&d);
    cr_assert_eq(d.segment, 2u);
    cr_assert_eq(marks.len, 0);
    data[len / 3] ^= 1;
    file_write(box.dir, "seg/00000002.hlog", data, len);
    live_is_exact(&box, box.store, NULL, "with a damaged footer");
    data[len - 128 - 20] ^= 1;
    file_write(box.dir, "seg/00000002.hlog", data, len);
    free(data);
    hg_buf_release(&marks);
    live_is_exact(&box, box.store, NULL, "mended");
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

Test(live, a_segment_that_is_gone_is_told)
{
    struct hg_buf marks = { 0 };
    char from[300];
    char to[300];

    some_history(6, 60);
    OK(holog_sync(box.store));
    (void)snprintf(from, sizeof from, "%s/seg/00000002.hlog", box.dir);
    (void)snprintf(to, sizeof to, "%s/away", box.dir);
    OK(holog_close(box.store)); /* no file is open any more */
    box_open(&box);
    OK(rename(from, to));
    FAILS(HOLOG_E_STALE, hg_live_mark(box.store, &marks), NULL);
    OK(rename(to, from));
    hg_buf_release(&marks);
    live_is_exact(&box, box.store, NULL, "back");
    box_end(&box);
}

static long fail_at; /* allocations until one fails; below 0: none does */

static int fails_now(size_t size, void *ctx)
{
    HG_UNUSED(size);
    HG_UNUSED(ctx);
    return fail_at >= 0 && fail_at-- == 0;
}

Test(live, every_allocation_may_fail_and_nothing_is_lost_or_kept)
{
    struct hg_cache_counters before;
    struct hg_cache_counters after;
    struct hg_buf marks = { 0 };
    int rc = HOLOG_E_NOMEM;
    long n;

    some_history(7, 50);
    OK(holog_sync(box.store));
    hg_alloc_set_fault(fails_now, NULL);
    fail_at = -1;
    OK(hg_live_mark(box.store, &marks)); /* digests are made: pages and files are there */
    hg_cache_counters(box.store->cache, &before);
    for (n = 0; rc != HOLOG_OK && n < 100000; n++) {
        marks.len = 0;
        fail_at = n;
        rc = hg_live_mark(box.store, &marks);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM || rc == HOLOG_E_BUDGET, "%ld: %s", n,
                  holog_error_name(rc));
        if (fail_at >= 0)
            break; /* nothing failed */
        rc = HOLOG_E_NOMEM;
    }
    fail_at = -1;
    hg_alloc_set_fault(NULL, NULL);
    cr_assert_gt(n, 20);
    hg_cache_counters(box.store->cache, &after);
    cr_assert_leq(after.bytes, before.bytes, "memory of failed marks is still taken");
    hg_buf_release(&marks);
    live_is_exact(&box, box.store, NULL, "after that");
    box_reopen(&box);
    live_is_exact(&box, box.store, NULL, "reopened");
    box_end(&box);
}

Test(live, a_budget_that_is_too_small_is_told_and_given_back)
{
    struct hg_cache_counters before;
    struct hg_buf marks = { 0 };
    uint64_t taken = 0;

    some_history(8, 60);
    box_reopen(&box);
    hg_cache_counters(box.store->cache, &before);
    for (uint64_t n = before.budget; n >= 1024; n /= 2) { /* also what others would make room for */
        while (hg_budget_take(box.store->cache, n) == HOLOG_OK)
            taken += n;
    }
    FAILS(HOLOG_E_BUDGET, hg_live_mark(box.store, &marks), "budget");
    hg_budget_give(box.store->cache, taken);
    OK(hg_live_mark(box.store, &marks));
    hg_buf_release(&marks);
    live_is_exact(&box, box.store, NULL, "with room again");
    box_end(&box);
}

/* ---- holog_space ---------------------------------------------------------------------------------- */

struct seen {
    unsigned n;
    uint32_t last;
};

static int see(void *ctx, const holog_segment_space *s)
{
    struct seen *seen = ctx;
    size_t len = 0;

    free(file_read(box.dir, s->file, &len));
    cr_assert_eq(s->struct_size, sizeof *s);
    cr_assert_gt(s->segment, seen->last);
    cr_assert_eq(s->used_bytes, s->own_bytes + s->head_bytes + s->history_bytes + s->tag_bytes +
                                    s->view_bytes + s->dead_bytes);
    cr_assert_leq(s->used_bytes, len);
    seen->last = s->segment;
    seen->n++;
    return seen->n == 3;
}

Test(live, space_tells_of_each_segment_until_it_is_stopped)
{
    struct seen seen = { 0 };

    begin(3);
    for (unsigned i = 0; i < 40; i++)
        step(box.store);
    let_go();
    box_reopen(&box);
    OK(holog_space(box.store, see, &seen));
    cr_assert_eq(seen.n, 3);
    FAILS(HOLOG_E_INVAL, holog_space(box.store, NULL, NULL), "each is NULL");
    cr_assert_eq(holog_space(NULL, see, &seen), HOLOG_E_INVAL);
    box_end(&box);
}
