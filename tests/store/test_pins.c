/*
 * Views held open through churn: four threads write, change, delete, move and roll back beneath them,
 * the rules let go what they can, values are folded. Nobody waits for a view, and each shows the
 * bytes that it showed when it was opened. In the full run for an hour, at some 1,500 commits a second,
 * which leaves a log of some gigabytes.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "holog/versions.h"
#include "storekit.h"

enum {
    WRITERS = 4,
    PATHS = 40,   /* of a writer, saved whole */
    VALUES = 4,   /* of a writer, changed by deltas */
    VIEWS = 3,    /* that come and go; one is there from the beginning to the end */
    LEN = 300000, /* of a value, more or less: more than one extent block, never one frame */
    MOST = WRITERS * (PATHS * 90000 + VALUES * 2 * LEN), /* live bytes */
    AGO = 8, /* a writer rolls back by that many of its own commits at most */
    HOUR = 3600
};

static struct box box;
static _Atomic uint64_t commits; /* of all writers */
static _Atomic int writing;      /* of them that have not finished */
static struct timespec began;

static double elapsed(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9;
}

static void sleep_ms(unsigned ms)
{
    struct timespec ts = { .tv_nsec = (long)ms * 1000000 };
    (void)nanosleep(&ts, NULL);
}

static uint64_t below(uint64_t *seed, uint64_t n)
{
    *seed = hg_hash64(seed, sizeof *seed);
    return *seed % n;
}

/* ---- writers ---------------------------------------------------------------------------------------*/

struct writer {
    unsigned id;
    uint64_t seed;
    uint64_t own[AGO]; /* numbers of its last commits */
    uint64_t n;        /* commits */
    pthread_t thread;
};

static int save_one(struct writer *w, uint64_t *number)
{
    static const size_t lens[] = { 60, 100, 200, 300 };
    uint8_t small[300];
    char path[32];
    uint64_t kind = below(&w->seed, 1000);
    size_t len = kind < 990 ? lens[kind % 4] : kind < 998 ? 20000 : 90000;
    uint8_t *data = len <= sizeof small ? small : malloc(len);
    int rc;

    value_fill(data, len, w->seed);
    (void)snprintf(path, sizeof path, "w%u/p%u", w->id, (unsigned)below(&w->seed, PATHS));
    rc = holog_save(box.store, path, data, len, HOLOG_REPLACE, number);
    if (data != small)
        free(data);
    return rc;
}

static int change_one(struct writer *w, uint64_t *number)
{
    holog_stat_info st = { .struct_size = sizeof st };
    holog_delta d = { .kind = HOLOG_DELTA_UPDATE };
    uint8_t data[200];
    char path[32];

    (void)snprintf(path, sizeof path, "w%u/d%u", w->id, (unsigned)below(&w->seed, VALUES));
    OK(holog_stat(box.store, path, &st));
    value_fill(data, sizeof data, w->seed);
    d.start = below(&w->seed, st.size_bytes - sizeof data);
    d.end = d.start + below(&w->seed, sizeof data);
    d.data = data;
    d.len_bytes = below(&w->seed, st.size_bytes > LEN ? 50 : sizeof data);
    return holog_apply(box.store, path, &d, 1, 0, 0, number);
}

static int drop_one(struct writer *w, uint64_t *number)
{
    char path[32];
    char to[32];
    int rc;

    (void)snprintf(path, sizeof path, "w%u/p%u", w->id, (unsigned)below(&w->seed, PATHS));
    (void)snprintf(to, sizeof to, "w%u/p%u", w->id, (unsigned)below(&w->seed, PATHS));
    rc = below(&w->seed, 2) == 0 ? holog_delete(box.store, path, number)
                                 : holog_move(box.store, path, to, HOLOG_REPLACE, number);
    return rc == HOLOG_E_NOENT || strcmp(path, to) == 0 ? HOLOG_OK : rc;
}

static int go_back(struct writer *w, uint64_t *number)
{
    uint64_t to = w->own[below(&w->seed, AGO)];
    char dir[16];
    int rc;

    if (to == 0)
        return HOLOG_OK;
    (void)snprintf(dir, sizeof dir, "w%u", w->id);
    rc = holog_rollback(box.store, dir, to, number);
    return rc == HOLOG_E_DROPPED ? HOLOG_OK : rc;
}

static void *write_on(void *ctx)
{
    static const uint64_t enough[] = { 500, 3000 };
    struct writer *w = ctx;

    while (test_level() == 2 ? elapsed() < HOUR : w->n < enough[test_level()]) {
        uint64_t number = 0;
        uint64_t what = below(&w->seed, 100);
        OK(what < 55   ? save_one(w, &number)
           : what < 85 ? change_one(w, &number)
           : what < 95 ? drop_one(w, &number)
                       : go_back(w, &number));
        if (number == 0)
            continue;
        w->own[w->n++ % AGO] = number;
        (void)atomic_fetch_add(&commits, 1);
        if (w->n % 200 == 0) /* the rules hold 50 anyway: now rather than step by step */
            OK(holog_gc(box.store, 20, 0, 0, NULL));
        if (test_level() == 2)
            sleep_ms(2); /* a log of gigabytes, not of the whole disk */
    }
    (void)atomic_fetch_sub(&writing, 1);
    return NULL;
}

/* ---- views -----------------------------------------------------------------------------------------*/

struct held {
    holog_view *view;
    struct {
        char path[32];
        holog_value *value; /* NULL: there was none */
        uint8_t *bytes;
        size_t len;
    } then[WRITERS * (PATHS + VALUES)];
};

/* Loads each path and copies it (first) or compares it with the copy. */
static void look(struct held *h, int first)
{
    for (size_t i = 0; i < sizeof h->then / sizeof *h->then; i++) {
        unsigned of = (unsigned)(i / (PATHS + VALUES));
        unsigned k = (unsigned)(i % (PATHS + VALUES));
        holog_value *value = NULL;
        int rc;

        (void)snprintf(h->then[i].path, sizeof h->then[i].path, "w%u/%c%u", of,
                       k < PATHS ? 'p' : 'd', k < PATHS ? k : k - PATHS);
        rc = holog_view_load(h->view, h->then[i].path, &value);
        if (rc != HOLOG_E_NOENT)
            OK(rc);
        if (first) {
            h->then[i].len = rc == HOLOG_OK ? holog_value_size(value) : 0;
            h->then[i].bytes = rc == HOLOG_OK ? malloc(h->then[i].len + 1) : NULL;
            if (rc == HOLOG_OK)
                memcpy(h->then[i].bytes, holog_value_data(value), h->then[i].len);
        } else {
            cr_assert_eq(rc == HOLOG_OK, h->then[i].bytes != NULL, "%s of commit %llu",
                         h->then[i].path, (unsigned long long)holog_view_number(h->view));
        }
        if (rc == HOLOG_OK) {
            cr_assert_eq(holog_value_size(value), h->then[i].len);
            cr_assert_eq(memcmp(holog_value_data(value), h->then[i].bytes, h->then[i].len), 0,
                         "%s of commit %llu after %llu commits", h->then[i].path,
                         (unsigned long long)holog_view_number(h->view),
                         (unsigned long long)atomic_load(&commits));
            holog_value_release(value);
        }
    }
}

static struct held *hold(void)
{
    struct held *h = calloc(1, sizeof *h);

    OK(holog_view_open(box.store, &h->view));
    look(h, 1);
    return h;
}

static void let_go(struct held *h)
{
    for (size_t i = 0; i < sizeof h->then / sizeof *h->then; i++)
        free(h->then[i].bytes);
    holog_view_close(h->view);
    free(h);
}

static int add_pin(void *ctx, const holog_holder *h)
{
    if (h->kind == HOLOG_HOLDER_PIN)
        *(uint64_t *)ctx += h->bytes + 1;
    return 0;
}

static uint64_t pinned(void)
{
    uint64_t bytes = 0;
    OK(holog_holders(box.store, add_pin, &bytes));
    return bytes;
}

static void make_values(void)
{
    char path[32];

    for (unsigned w = 0; w < WRITERS; w++) {
        (void)snprintf(path, sizeof path, "w%u", w);
        OK(holog_mkdir(box.store, path, 0, NULL));
        for (unsigned i = 0; i < VALUES; i++) {
            (void)snprintf(path, sizeof path, "w%u/d%u", w, i);
            OK(save_seed(box.store, path, LEN, w * VALUES + i, 0));
        }
        for (unsigned i = 0; i < PATHS; i++) {
            (void)snprintf(path, sizeof path, "w%u/p%u", w, i);
            OK(save_seed(box.store, path, 1000 + i, i, 0));
        }
    }
}

static void report(double *last)
{
    if (test_level() < 2 || elapsed() - *last < 60)
        return;
    *last = elapsed();
    (void)fprintf(stderr, "# %4.0f s, %llu commits, %llu bytes pinned\n", *last,
                  (unsigned long long)atomic_load(&commits), (unsigned long long)pinned());
}

Test(pins, hold_their_bytes_through_churn_and_nobody_waits_for_them, .timeout = 2 * HOUR)
{
    struct writer writers[WRITERS] = { 0 };
    struct held *coming[VIEWS] = { 0 };
    struct held *first;
    double reported = 0;

    box_make(&box);
    box.opts.budget_bytes = 64 << 20;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "50", NULL, 0));
    make_values();
    first = hold();
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    atomic_store(&writing, WRITERS);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].id = i;
        writers[i].seed = test_seed() + i;
        cr_assert_eq(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
    for (unsigned round = 0; atomic_load(&writing) > 0; round++) {
        struct held **h = &coming[round % VIEWS];
        if (*h != NULL) {
            look(*h, 0);
            let_go(*h);
        }
        *h = hold();
        look(first, 0);
        report(&reported);
        if (test_level() == 2)
            sleep_ms(100);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        (void)pthread_join(writers[i].thread, NULL);

    OK(holog_gc(box.store, 1, 0, 0, NULL));
    look(first, 0);
    cr_assert(pinned() > WRITERS * PATHS * 500 && pinned() <= (VIEWS + 1) * MOST,
              "nearly all that was saved at first, and of no view more than there was: %llu",
              (unsigned long long)pinned());
    for (unsigned i = 0; i < VIEWS; i++)
        if (coming[i] != NULL) {
            look(coming[i], 0);
            let_go(coming[i]);
        }
    let_go(first);
    cr_assert_eq(pinned(), 0);
    (void)fprintf(stderr, "# %llu commits in %.0f s\n", (unsigned long long)atomic_load(&commits),
                  elapsed());
    box_same_after_reopen(&box);
    box_end(&box);
}
