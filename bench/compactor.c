/*
 * A thread that compacts; see compactor.h.
 */
#include "compactor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <holog/compact.h>
#include <holog/space.h>
#include <holog/versions.h>

#include "util.h"

#define INTERVAL_NS 100000000u
/* Looking at what lives costs a walk of all paths: not again before so much has come. */
#define GROWN_BYTES (16 * MIB)

struct bench_compactor {
    holog_store *store;
    uint64_t extent_bytes;
    pthread_t thread;
    atomic_int stop;
    int failed;         /* read after the join, as what follows */
    uint64_t next_look; /* bytes used from which it is worth a look */
    pthread_mutex_t lock;
    struct bench_compactions done; /* lock */
};

static int add_segment(void *ctx, const holog_segment_space *s)
{
    struct bench_segments *sum = ctx;

    uint64_t live = s->head_bytes + s->history_bytes + s->tag_bytes + s->view_bytes;

    sum->used += s->used_bytes;
    sum->live += live;
    sum->dead_segments += live == 0 && !s->busy;
    return 0;
}

int bench_segments_ask(holog_store *store, struct bench_segments *out_segments)
{
    *out_segments = (struct bench_segments){ 0 };
    int rc = holog_space(store, add_segment, out_segments);
    return rc == HOLOG_OK ? 0 : bench_fail("holog space: %s", holog_error_name(rc));
}

static int fail(const char *what, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog %s: %s: %s", what, holog_error_name(rc), d.message);
}

static int used_bytes(holog_store *store, uint64_t *out_bytes)
{
    holog_stats st = { .struct_size = sizeof st };
    int rc = holog_stats_get(store, &st);

    if (rc != HOLOG_OK)
        return fail("stats_get", rc);
    *out_bytes = st.log_bytes + st.extent_bytes + st.cold_bytes;
    return 0;
}

static int is_too_large(const struct bench_compactor *c, const struct bench_segments *now)
{
    double room = (double)now->live + BENCH_SEGMENTS_OF_CAP * (double)c->extent_bytes;

    return (double)now->used > (1 + (BENCH_SPACE_AMP - 1) / 2) * room;
}

static int compact(struct bench_compactor *c, const struct bench_segments *before)
{
    holog_compact_report r = { .struct_size = sizeof r };
    int rc = holog_compact(c->store, NULL, &r);

    if (rc != HOLOG_OK)
        return fail("compact", rc);
    (void)pthread_mutex_lock(&c->lock);
    c->done.segments += r.segments_removed;
    c->done.dead +=
        before->dead_segments < r.segments_removed ? before->dead_segments : r.segments_removed;
    c->done.moved_bytes += r.value_bytes;
    (void)pthread_mutex_unlock(&c->lock);
    if (r.segments_removed == 0) /* what there is cannot be compacted yet */
        c->next_look = before->used + before->used / 8;
    return 0;
}

static int look(struct bench_compactor *c)
{
    struct bench_segments now;
    int rc = holog_gc(c->store, 0, 0, 0, NULL);

    if (rc != HOLOG_OK)
        return fail("gc", rc);
    if (bench_segments_ask(c->store, &now) != 0)
        return -1;
    c->next_look = now.used + GROWN_BYTES;
    if (!is_too_large(c, &now))
        return 0;
    c->next_look = 0;
    return compact(c, &now);
}

static void *compactor_main(void *arg)
{
    struct bench_compactor *c = arg;

    while (!atomic_load(&c->stop) && c->failed == 0) {
        uint64_t used = 0;
        c->failed = used_bytes(c->store, &used);
        if (c->failed == 0 && used > c->next_look)
            c->failed = look(c);
        bench_sleep_until_ns(bench_now_ns() + INTERVAL_NS);
    }
    return NULL;
}

void bench_compactor_start(holog_store *store, uint64_t extent_bytes,
                           struct bench_compactor **out_compactor)
{
    struct bench_compactor *c = bench_alloc(sizeof *c);

    c->store = store;
    c->extent_bytes = extent_bytes;
    (void)pthread_mutex_init(&c->lock, NULL);
    if (pthread_create(&c->thread, NULL, compactor_main, c) != 0)
        bench_die("cannot start a thread");
    *out_compactor = c;
}

struct bench_compactions bench_compactor_done(struct bench_compactor *compactor)
{
    (void)pthread_mutex_lock(&compactor->lock);
    struct bench_compactions done = compactor->done;
    (void)pthread_mutex_unlock(&compactor->lock);
    return done;
}

int bench_compactor_stop(struct bench_compactor *compactor)
{
    if (compactor == NULL)
        return 0;
    atomic_store(&compactor->stop, 1);
    (void)pthread_join(compactor->thread, NULL);
    int rc = compactor->failed;
    (void)pthread_mutex_destroy(&compactor->lock);
    free(compactor);
    return rc;
}
