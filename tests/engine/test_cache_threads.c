/*
 * The cache when calls and allocations fail, and under threads. See cachekit.h.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "cachekit.h"

/* ---- failures ------------------------------------------------------------------------------------*/

struct fail_at {
    uint64_t n, at;
};

static int fail_nth(size_t size, void *ctx)
{
    struct fail_at *f = ctx;
    HG_UNUSED(size);
    return ++f->n == f->at;
}

/* A bit of everything, stopping at the first failure; what was shown before it is right. */
static int use_everything(struct hg_io *io)
{
    struct env e;
    struct hg_mem *m = NULL;
    uint8_t out[5000];
    size_t n = 0;
    int rc = env_open(&e, io, 0, 2 * MIB);
    for (uint32_t id = 1; id <= 40 && rc == HOLOG_OK; id++)
        rc = hg_cache_add_segment(e.cache, id, HG_KIND_FRAMES, MIB);
    if (rc == HOLOG_OK)
        hg_cache_set_written(e.cache, 1, MIB);
    if (rc == HOLOG_OK)
        rc = hg_cache_read(e.cache, 1, HG_PAGE_BYTES - 2500, out, 5000, &n);
    if (rc == HOLOG_OK)
        cr_assert(n == 5000 && first_wrong(out, 1, HG_PAGE_BYTES - 2500, n) == n);
    if (rc == HOLOG_OK)
        rc = put_pattern(&e, 2, 4096, 3 * HG_PAGE_BYTES);
    if (rc == HOLOG_OK)
        rc = put_pattern(&e, 2, 4096 + 3 * HG_PAGE_BYTES, HG_PAGE_BYTES);
    if (e.cache != NULL && rc < 0) {
        size_t got = 0;
        struct hg_epoch_slot *slot = hg_epoch_enter(e.domain);
        cr_assert(slot == NULL ||
                  hg_cache_peek(e.cache, 2, 4096 + 3 * HG_PAGE_BYTES, 1, &got) == NULL);
        if (slot != NULL)
            hg_epoch_leave(slot);
    }
    if (rc == HOLOG_OK)
        rc = hg_mem_new(e.cache, 300 * KIB, &m);
    if (rc == HOLOG_OK)
        hg_cache_offer(e.cache, 5, m, 0);
    hg_mem_put(m);
    env_close(&e);
    return rc;
}

static int fail_allocations(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    write_segment(io, 1, 0, MIB);
    write_segment(io, 2, 0, 4096);
    for (uint64_t at = 1;; at++) {
        struct fail_at f = { .at = at };
        hg_alloc_set_fault(fail_nth, &f);
        int rc = use_everything(io);
        long live = hg_alloc_live();
        hg_alloc_set_fault(NULL, NULL);
        /* The epoch keeps this thread's slot for a later domain: not a leak, and only one. */
        cr_assert_leq(live, 1, "allocation %llu: %ld blocks leaked", (unsigned long long)at, live);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM, "allocation %llu: %s",
                  (unsigned long long)at, holog_error_name(rc));
        if (f.n < at)
            return rc; /* it lay beyond the end: all were tried */
    }
}

Test(failures, every_failed_allocation_is_typed_and_leaks_nothing)
{
    on_sim(fail_allocations, NULL);
}

static int fail_reads(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    int rc = io->ops->mkdir(io, HG_SEG_DIR);
    cr_assert_eq(rc, 0);
    write_segment(io, 1, 0, MIB);
    write_segment(io, 2, 0, 4096);
    rc = use_everything(io);
    return rc == HOLOG_E_IO ? 1 : rc; /* hg_sim_run wants to tell it from the disk's own */
}

Test(failures, every_fault_of_the_disk_is_reported_and_leaves_no_page)
{
    for (uint64_t at = 1;; at++) {
        const struct hg_sim_options o = { .seed = at,
                                          .no_trace = 1,
                                          .fault_classes = HG_SIM_F_READ,
                                          .fault_at = at,
                                          .fault_kind = HG_SIM_FAULT_ERRNO,
                                          .fault_errno = 5 };
        struct hg_sim *sim = NULL;
        cr_assert_eq(hg_sim_create(&o, &sim), 0);
        int rc = hg_sim_run(sim, fail_reads, NULL);
        uint64_t calls = hg_sim_fallible_calls(sim, HG_SIM_F_READ);
        hg_sim_destroy(sim);
        if (calls < at) {
            cr_assert_eq(rc, 0);
            cr_assert_gt(at, 2);
            break;
        }
        cr_assert_eq(rc, 1, "read %llu failed, the cache did not: %d", (unsigned long long)at, rc);
    }
}

/* ---- threads -------------------------------------------------------------------------------------*/

#define SEGMENT_SIZE MIB
#define SEGMENTS     6u

/* A committer, its writer, readers, values and an evictor, over one small cache. */
struct busy {
    struct env e;
    _Atomic uint64_t shown; /* position in all segments together, below which readers look */
    _Atomic uint32_t stop;
    _Atomic uint32_t failures;
    _Atomic uint64_t reads;
    char why[160]; /* of the first failure */
};

struct busy_thread {
    struct busy *b;
    uint64_t seed;
};

static void busy_fail(struct busy *b, const char *what, uint32_t id, uint64_t offset, int rc)
{
    if (atomic_fetch_add(&b->failures, 1) == 0)
        (void)snprintf(b->why, sizeof b->why, "%s: segment %u at %llu: %s", what, id,
                       (unsigned long long)offset, holog_error_name(rc));
}

static void busy_write(struct busy *b, uint32_t id, uint32_t from, uint32_t to)
{
    if (to > from)
        write_segment(b->e.io, id, from, to - from);
    hg_cache_set_written(b->e.cache, id, to);
}

static void busy_commit(void *arg)
{
    struct busy_thread *t = arg;
    struct busy *b = t->b;
    for (uint32_t id = 1; id <= SEGMENTS; id++) {
        uint32_t at = 0;
        uint32_t on_disk = 0;
        while (at < SEGMENT_SIZE) {
            uint32_t len = 1 + below(&t->seed, below(&t->seed, 20) == 0 ? 150000 : 2000);
            len = HG_MIN(len, SEGMENT_SIZE - at);
            int rc = put_pattern(&b->e, id, at, len);
            if (rc == HOLOG_OK) {
                at += len;
                atomic_store(&b->shown, (uint64_t)(id - 1) * SEGMENT_SIZE + at);
            } else if (rc != HOLOG_E_BUDGET) {
                busy_fail(b, "put", id, at, rc);
                return;
            }
            if (rc < 0 || below(&t->seed, 30) == 0) {
                busy_write(b, id, on_disk, at);
                on_disk = at;
            }
            if (below(&t->seed, 50) == 0)
                hg_epoch_poll(b->e.domain);
        }
        busy_write(b, id, on_disk, at);
    }
}

static void busy_read(void *arg)
{
    struct busy_thread *t = arg;
    struct busy *b = t->b;
    uint8_t out[3000];
    while (atomic_load(&b->stop) == 0) {
        uint64_t shown = atomic_load(&b->shown);
        if (shown < sizeof out)
            continue;
        size_t len = 1 + below(&t->seed, sizeof out);
        uint64_t pos = next_random(&t->seed) % (shown - len + 1);
        if (below(&t->seed, 2) == 0)
            pos = shown - len; /* where the committer is */
        uint32_t id = (uint32_t)(pos / SEGMENT_SIZE) + 1;
        uint64_t offset = pos % SEGMENT_SIZE;
        size_t n = 0;
        len = HG_MIN(len, SEGMENT_SIZE - (size_t)offset);
        struct hg_epoch_slot *slot = hg_epoch_enter(b->e.domain);
        const uint8_t *p = hg_cache_peek(b->e.cache, id, offset, len, &n);
        if (p != NULL && first_wrong(p, id, offset, len) != len)
            busy_fail(b, "peek", id, offset, 0);
        hg_epoch_leave(slot);
        int rc = hg_cache_read(b->e.cache, id, offset, out, len, &n);
        if (rc < 0 || n != len || first_wrong(out, id, offset, len) != len)
            busy_fail(b, "read", id, offset, rc);
        atomic_fetch_add(&b->reads, 1);
    }
}

static void busy_values(void *arg)
{
    struct busy_thread *t = arg;
    struct busy *b = t->b;
    while (atomic_load(&b->stop) == 0) {
        uint32_t birth = 1 + below(&t->seed, 20);
        struct hg_mem *m = hg_cache_find(b->e.cache, birth);
        if (m == NULL) {
            int rc = hg_mem_new(b->e.cache, birth * 20000, &m);
            if (rc == HOLOG_E_BUDGET)
                continue;
            if (rc < 0) {
                busy_fail(b, "value", birth, 0, rc);
                return;
            }
            memset(m->data, (int)birth, m->len);
            hg_cache_offer(b->e.cache, birth, m, birth % 2 == 0);
        }
        for (size_t i = 0; i < m->len; i += 501)
            if (m->data[i] != birth)
                busy_fail(b, "value", birth, i, 0);
        hg_mem_put(m);
    }
}

static void busy_squeeze(void *arg)
{
    struct busy_thread *t = arg;
    struct busy *b = t->b;
    uint32_t id = 1000;
    while (atomic_load(&b->stop) == 0) {
        uint64_t n = below(&t->seed, 3 * MIB);
        int rc = hg_budget_take(b->e.cache, n);
        if (rc == HOLOG_OK)
            hg_budget_give(b->e.cache, n);
        else if (rc != HOLOG_E_BUDGET)
            busy_fail(b, "take", 0, n, rc);
        hg_budget_set_index(b->e.cache, below(&t->seed, 200000));
        if (id < 1400 && hg_cache_add_segment(b->e.cache, id++, HG_KIND_EXTENTS, MIB) < 0)
            busy_fail(b, "add", id, 0, 0); /* the table grows under the readers */
        b->e.io->ops->sleep_ns(b->e.io, 200000);
    }
}

Test(threads, readers_committer_and_eviction_never_disturb_each_other, .timeout = 300)
{
    void (*const run[])(void *) = { busy_commit, busy_read, busy_read, busy_values, busy_squeeze };
    enum {
        THREADS = sizeof run / sizeof run[0]
    };
    static struct busy b;
    struct hg_thread *threads[THREADS];
    struct busy_thread args[THREADS];
    struct hg_io *io = NULL;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    env_begin(&b.e, io, 4 * MIB);
    for (uint32_t id = 1; id <= SEGMENTS; id++) {
        write_segment(io, id, 0, 1);
        add_segment(&b.e, id, SEGMENT_SIZE);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        args[i] = (struct busy_thread){ &b, seed_or(40) + i };
        cr_assert_eq(io->ops->thread_start(io, "busy", run[i], &args[i], &threads[i]), 0);
    }
    io->ops->thread_join(io, threads[0]);
    io->ops->sleep_ns(io, 100000000);
    atomic_store(&b.stop, 1);
    for (unsigned i = 1; i < THREADS; i++)
        io->ops->thread_join(io, threads[i]);
    cr_assert_eq(b.failures, 0, "%s (HOLOG_TEST_SEED=%llu)", b.why,
                 (unsigned long long)seed_or(40));
    cr_assert_gt(b.reads, 0);
    cr_assert_gt(counters(&b.e).evictions, 0);
    env_close(&b.e);
    remove_dir(io, dir);
}
