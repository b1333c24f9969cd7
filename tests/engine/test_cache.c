/*
 * The cache against a pattern: byte `offset` of segment `id` has one right value, so any read can be
 * checked without a model. And the open files and the shared page that it, and reader processes,
 * stand on.
 *
 * Single-threaded tests run on the simulated disk, where files can be counted and made to fail;
 * threads run on a real one. HOLOG_TEST_SEED replays a run.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <holog/error.h>

#include "base/alloc.h"
#include "engine/cache.h"
#include "io/sim.h"
#include "wal/ctl.h"

#define KIB 1024u
#define MIB (1024u * KIB)

/* ---- chance, pattern, effort ---------------------------------------------------------------------*/

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(next_random(state) % n);
}

static uint64_t seed_or(uint64_t fallback)
{
    const char *env = getenv("HOLOG_TEST_SEED");
    return env != NULL ? strtoull(env, NULL, 0) : fallback;
}

static unsigned effort(void)
{
    const char *level = getenv("HOLOG_TEST_LEVEL");
    if (level == NULL || strcmp(level, "quick") == 0)
        return 1;
    return strcmp(level, "full") == 0 ? 30 : 4;
}

static uint8_t pattern(uint32_t id, uint64_t offset)
{
    uint64_t h = (offset / 8 + 1) * 0x9e3779b97f4a7c15u ^ id * 0xc2b2ae3d27d4eb4fu;
    return (uint8_t)(h >> (offset % 8 * 8));
}

static void fill_pattern(uint8_t *out, uint32_t id, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = pattern(id, offset + i);
}

/* Offset of the first wrong byte, or len. */
static size_t first_wrong(const uint8_t *in, uint32_t id, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (in[i] != pattern(id, offset + i))
            return i;
    return len;
}

/* ---- a store's files, and a cache over them ------------------------------------------------------*/

struct env {
    struct hg_io *io;
    struct hg_files *files;
    struct hg_epoch_domain *domain;
    struct hg_cache *cache;
};

static void write_at(struct hg_io *io, const char *name, const void *data, size_t len,
                     uint64_t offset)
{
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, name, HG_OPEN_WRITE, &f);
    if (rc == HOLOG_E_NOENT)
        rc = io->ops->open(io, name, (unsigned)HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    cr_assert_eq(rc, 0, "open %s: %s", name, holog_error_name(rc));
    rc = hg_io_write_full(f, data, len, offset, 0);
    cr_assert_eq(rc, 0);
    cr_assert_eq(io->ops->close(f), 0);
}

/* Bytes [offset, offset + len) of the pattern into the segment's file. */
static void write_segment(struct hg_io *io, uint32_t id, uint64_t offset, size_t len)
{
    char name[HG_FILE_NAME_MAX];
    uint8_t *data = malloc(len + 1);
    hg_segment_name(name, id, HG_KIND_FRAMES);
    fill_pattern(data, id, offset, len);
    write_at(io, name, data, len, offset);
    free(data);
}

static int env_open(struct env *e, struct hg_io *io, int direct, uint64_t budget)
{
    *e = (struct env){ .io = io };
    int rc = hg_files_create(io, direct, &e->files);
    if (rc == HOLOG_OK)
        rc = hg_epoch_create(&e->domain);
    if (rc == HOLOG_OK)
        rc = hg_cache_create(io, e->files, e->domain, budget, &e->cache);
    return rc;
}

static void env_close(struct env *e)
{
    hg_cache_destroy(e->cache);
    if (e->domain != NULL)
        hg_epoch_destroy(e->domain);
    hg_files_destroy(e->files);
}

static void env_begin(struct env *e, struct hg_io *io, uint64_t budget)
{
    int rc = io->ops->mkdir(io, HG_SEG_DIR);
    cr_assert(rc == 0 || rc == HOLOG_E_EXIST);
    rc = env_open(e, io, 0, budget);
    cr_assert_eq(rc, 0);
}

static void add_segment(struct env *e, uint32_t id, uint64_t size_max)
{
    int rc = hg_cache_add_segment(e->cache, id, HG_KIND_FRAMES, size_max);
    cr_assert_eq(rc, 0);
}

static int put_pattern(struct env *e, uint32_t id, uint32_t offset, size_t len)
{
    uint8_t *data = malloc(len);
    fill_pattern(data, id, offset, len);
    int rc = hg_cache_put(e->cache, id, offset, data, len);
    free(data);
    return rc;
}

static void expect_read(struct env *e, uint32_t id, uint64_t offset, size_t len)
{
    uint8_t *out = malloc(len + 1);
    size_t n = 0;
    int rc = hg_cache_read(e->cache, id, offset, out, len, &n);
    cr_assert_eq(rc, 0, "read: %s", holog_error_name(rc));
    cr_assert_eq(n, len, "%zu of %zu bytes at %llu", n, len, (unsigned long long)offset);
    size_t wrong = first_wrong(out, id, offset, len);
    cr_assert_eq(wrong, len, "byte %llu of segment %u is wrong",
                 (unsigned long long)(offset + wrong), id);
    free(out);
}

static struct hg_cache_counters counters(struct env *e)
{
    struct hg_cache_counters c;
    hg_cache_counters(e->cache, &c);
    return c;
}

/* Is the byte in a page? */
static int cached(struct env *e, uint32_t id, uint64_t offset)
{
    size_t n = 0;
    struct hg_epoch_slot *slot = hg_epoch_enter(e->domain);
    const uint8_t *p = hg_cache_peek(e->cache, id, offset, 1, &n);
    hg_epoch_leave(slot);
    return p != NULL;
}

/* Take all that can be had, so that everything that may be evicted is, and give it back. */
static void squeeze(struct env *e)
{
    uint64_t taken = 0;
    for (uint64_t step = 8 * MIB; step >= 4096; step /= 2)
        while (hg_budget_take(e->cache, step) == HOLOG_OK)
            taken += step;
    hg_budget_give(e->cache, taken);
}

/* ---- running on the simulated disk ---------------------------------------------------------------*/

static void on_sim(int (*scenario)(struct hg_io *io, void *ctx), const struct hg_sim_options *o)
{
    static const struct hg_sim_options plain = { .seed = 1, .no_trace = 1 };
    struct hg_sim *sim = NULL;
    int rc = hg_sim_create(o != NULL ? o : &plain, &sim);
    cr_assert_eq(rc, 0);
    rc = hg_sim_run(sim, scenario, sim);
    cr_assert_eq(rc, 0, "scenario: %s", holog_error_name(rc));
    hg_sim_destroy(sim);
}

/* ---- open files ----------------------------------------------------------------------------------*/

#define MANY_FILES 300u

static int many_files(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    struct hg_files *fs = NULL;
    uint8_t byte = 0;
    size_t n = 0;
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    for (uint32_t id = 1; id <= MANY_FILES; id++)
        write_segment(io, id, 0, 16);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    for (uint32_t i = 0; i < 3 * MANY_FILES; i++) {
        uint32_t id = i * 7 % MANY_FILES + 1;
        cr_assert_eq(hg_files_read(fs, id, HG_KIND_FRAMES, &byte, 1, 5, &n), 0);
        cr_assert(n == 1 && byte == pattern(id, 5));
        cr_assert_leq(hg_sim_open_files(sim), HG_FILES_MAX);
    }
    hg_files_destroy(fs);
    cr_assert_eq(hg_sim_open_files(sim), 0);
    return 0;
}

Test(files, more_segments_than_may_be_open_are_all_read)
{
    on_sim(many_files, NULL);
}

static int all_in_use(struct hg_io *io, void *ctx)
{
    struct hg_files *fs = NULL;
    struct hg_file *f = NULL;
    HG_UNUSED(ctx);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    for (uint32_t id = 1; id <= HG_FILES_MAX + 1; id++)
        write_segment(io, id, 0, 1);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    for (uint32_t id = 1; id <= HG_FILES_MAX; id++)
        cr_assert_eq(hg_files_get(fs, id, HG_KIND_FRAMES, &f), 0);
    cr_assert_eq(hg_files_get(fs, 7, HG_KIND_FRAMES, &f), 0, "one that is open costs nothing");
    hg_files_put(fs, 7);
    cr_assert_eq(hg_files_get(fs, HG_FILES_MAX + 1, HG_KIND_FRAMES, &f), HOLOG_E_AGAIN);
    hg_files_put(fs, 7);
    cr_assert_eq(hg_files_get(fs, HG_FILES_MAX + 1, HG_KIND_FRAMES, &f), 0);
    for (uint32_t id = 1; id <= HG_FILES_MAX + 1; id++)
        if (id != 7)
            hg_files_put(fs, id);
    hg_files_destroy(fs);
    return 0;
}

Test(files, what_is_in_use_is_never_closed_for_another)
{
    on_sim(all_in_use, NULL);
}

static int gone_file(struct hg_io *io, void *ctx)
{
    struct hg_files *fs = NULL;
    struct hg_file *f = NULL;
    HG_UNUSED(ctx);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    cr_assert_eq(hg_files_get(fs, 9, HG_KIND_FRAMES, &f), HOLOG_E_STALE);
    write_segment(io, 9, 0, 1);
    cr_assert_eq(hg_files_get(fs, 9, HG_KIND_FRAMES, &f), 0, "the failure was not remembered");
    hg_files_put(fs, 9);
    hg_files_destroy(fs);
    return 0;
}

Test(files, a_missing_segment_is_stale)
{
    on_sim(gone_file, NULL);
}

static char *make_dir(void)
{
    static char dir[] = "/tmp/holog-cache-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    return dir;
}

static int remove_one(void *ctx, const char *name, int is_dir)
{
    char path[128];
    struct hg_io *io = ctx;
    if (!is_dir) {
        (void)snprintf(path, sizeof path, HG_SEG_DIR "/%s", name);
        (void)io->ops->unlink(io, path);
    }
    return 0;
}

static void remove_dir(struct hg_io *io, const char *dir)
{
    (void)io->ops->read_dir(io, HG_SEG_DIR, remove_one, io);
    (void)io->ops->rmdir(io, HG_SEG_DIR);
    (void)io->ops->unlink(io, HG_CTL_NAME);
    io->ops->destroy(io);
    (void)rmdir(dir);
}

static void reads_of_any_alignment(struct hg_io *io, uint64_t seed)
{
    const size_t size = 700001; /* ends inside a block */
    struct hg_files *fs = NULL;
    uint8_t *buf = hg_alloc_aligned(4096, MIB);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    write_segment(io, 3, 0, size);
    cr_assert_eq(hg_files_create(io, 1, &fs), 0);
    for (unsigned i = 0; i < 400 * effort(); i++) {
        size_t shift = below(&seed, 3) == 0 ? 0 : below(&seed, 5000);
        uint64_t offset = below(&seed, 710000);
        size_t len = below(&seed, below(&seed, 2) == 0 ? 300 : 700000);
        size_t n = 77;
        if (below(&seed, 2) == 0)
            offset = HG_ALIGN_DOWN(offset, 4096u);
        size_t want = offset < size ? HG_MIN(len, size - (size_t)offset) : 0;
        memset(buf, 0xee, MIB);
        int rc = hg_files_read(fs, 3, HG_KIND_FRAMES, buf + shift, len, offset, &n);
        cr_assert_eq(rc, 0);
        cr_assert_eq(n, want, "%zu for %zu at %llu", n, len, (unsigned long long)offset);
        cr_assert_eq(first_wrong(buf + shift, 3, offset, n), n);
        cr_assert_eq(buf[shift + len], 0xee, "a byte behind the buffer was written");
    }
    hg_files_destroy(fs);
    hg_free(buf);
}

Test(files, direct_reads_of_any_alignment_give_the_same_bytes)
{
    struct hg_io *io = NULL;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    reads_of_any_alignment(io, seed_or(11));
    remove_dir(io, dir);
}

static int sim_alignment(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    reads_of_any_alignment(io, seed_or(12));
    return 0;
}

Test(files, direct_reads_of_any_alignment_survive_short_transfers)
{
    const struct hg_sim_options o = { .seed = 3,
                                      .no_trace = 1,
                                      .fault_classes = HG_SIM_F_READ,
                                      .fault_at = 1,
                                      .fault_sticky = 1,
                                      .fault_kind = HG_SIM_FAULT_SHORT_HALF };
    on_sim(sim_alignment, &o);
}

struct files_thread {
    struct hg_files *fs;
    uint64_t seed;
    _Atomic uint32_t *failures;
};

static void files_reader(void *arg)
{
    struct files_thread *t = arg;
    for (unsigned i = 0; i < 1500 * effort(); i++) {
        uint32_t id = below(&t->seed, MANY_FILES) + 1;
        uint8_t byte = 0;
        size_t n = 0;
        int rc = hg_files_read(t->fs, id, HG_KIND_FRAMES, &byte, 1, 3, &n);
        if (rc < 0 || n != 1 || byte != pattern(id, 3))
            atomic_fetch_add(t->failures, 1);
    }
}

Test(files, threads_share_handles_that_come_and_go, .timeout = 120)
{
    enum {
        THREADS = 4
    };
    struct hg_io *io = NULL;
    struct hg_files *fs = NULL;
    struct hg_thread *threads[THREADS];
    struct files_thread args[THREADS];
    _Atomic uint32_t failures = 0;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    for (uint32_t id = 1; id <= MANY_FILES; id++)
        write_segment(io, id, 0, 16);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        args[i] = (struct files_thread){ fs, seed_or(20) + i, &failures };
        cr_assert_eq(io->ops->thread_start(io, "reader", files_reader, &args[i], &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        io->ops->thread_join(io, threads[i]);
    cr_assert_eq(failures, 0);
    hg_files_destroy(fs);
    remove_dir(io, dir);
}

/* ---- ctl -----------------------------------------------------------------------------------------*/

Test(ctl, a_reader_sees_what_the_writer_published_and_nothing_before)
{
    struct hg_io *io = NULL;
    struct hg_ctl *w = NULL;
    struct hg_ctl *r = NULL;
    hg_pos pos = 0;
    uint64_t number = 0;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);

    cr_assert_eq(hg_ctl_open(io, 0, &r), HOLOG_E_NOENT);
    write_at(io, HG_CTL_NAME, "short", 5, 0);
    cr_assert_eq(hg_ctl_open(io, 0, &r), HOLOG_E_AGAIN, "mapping it would end in SIGBUS");
    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    cr_assert_eq(hg_ctl_open(io, 0, &r), 0);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), HOLOG_E_AGAIN);
    hg_ctl_publish(w, hg_pos_make(3, 8192), 77);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), 0);
    cr_assert(pos == hg_pos_make(3, 8192) && number == 77);
    hg_ctl_close(w);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), 0, "the page outlives its writer");

    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), HOLOG_E_AGAIN, "the next one has said nothing");
    hg_ctl_publish(w, hg_pos_make(4, 4096), 78);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), 0);
    cr_assert_eq(number, 78);
    hg_ctl_close(w);
    hg_ctl_close(r);
    hg_ctl_close(NULL);
    remove_dir(io, dir);
}

Test(ctl, every_field_is_where_the_format_says)
{
    struct hg_io *io = NULL;
    struct hg_ctl *w = NULL;
    uint8_t *page = NULL;
    size_t len = 0;
    uint64_t v64 = 0;
    uint32_t v32 = 0;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    hg_ctl_publish(w, 0x1122334455667788u, 0x99aabb);
    cr_assert_eq(hg_io_read_file(io, HG_CTL_NAME, 8192, &page, &len), 0);
    cr_assert_eq(len, HG_CTL_SIZE);
    cr_assert_eq(memcmp(page, "HOLOGCTL", 8), 0);
    memcpy(&v32, page + 8, 4);
    cr_assert_eq(v32, 1);
    memcpy(&v32, page + 12, 4);
    cr_assert_eq(v32 % 2, 0);
    memcpy(&v64, page + 16, 8);
    cr_assert_eq(v64, 0x1122334455667788u);
    memcpy(&v64, page + 24, 8);
    cr_assert_eq(v64, 0x99aabb);
    memcpy(&v32, page + 40, 4);
    cr_assert_eq(v32, (uint32_t)getpid());
    hg_free(page);
    hg_ctl_close(w);
    remove_dir(io, dir);
}

struct ctl_thread {
    struct hg_ctl *ctl;
    _Atomic uint32_t stop;
    _Atomic uint32_t torn;
    _Atomic uint64_t reads;
};

static void ctl_reader(void *arg)
{
    struct ctl_thread *t = arg;
    while (atomic_load(&t->stop) == 0) {
        hg_pos pos = 0;
        uint64_t number = 0;
        if (hg_ctl_read(t->ctl, &pos, &number) < 0)
            continue;
        if (pos != number * 8)
            atomic_fetch_add(&t->torn, 1);
        atomic_fetch_add(&t->reads, 1);
    }
}

Test(ctl, no_reader_ever_sees_half_of_what_was_published, .timeout = 60)
{
    struct hg_io *io = NULL;
    struct hg_ctl *w = NULL;
    struct hg_thread *thread = NULL;
    struct ctl_thread t = { 0 };
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    hg_ctl_publish(w, 8, 1);
    cr_assert_eq(hg_ctl_open(io, 0, &t.ctl), 0);
    cr_assert_eq(io->ops->thread_start(io, "reader", ctl_reader, &t, &thread), 0);
    for (uint64_t i = 1; atomic_load(&t.reads) < 300000 * effort(); i++)
        hg_ctl_publish(w, i * 8, i);
    atomic_store(&t.stop, 1);
    io->ops->thread_join(io, thread);
    cr_assert_eq(t.torn, 0);
    hg_ctl_close(t.ctl);
    hg_ctl_close(w);
    remove_dir(io, dir);
}

/* ---- pages ---------------------------------------------------------------------------------------*/

static int put_then_read(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 4096);
    add_segment(&e, 1, MIB);
    uint32_t at = 4096;
    for (uint32_t i = 0; i < 40; i++) {
        size_t len = 1 + i * 311;
        cr_assert_eq(put_pattern(&e, 1, at, len), 0);
        expect_read(&e, 1, at, len);
        at += (uint32_t)len;
    }
    expect_read(&e, 1, 4096, at - 4096);
    cr_assert_eq(counters(&e).bytes_read, 4096, "only what stood before the first put");
    cr_assert_eq(counters(&e).misses, 0);
    expect_read(&e, 1, 0, 4096);
    cr_assert_eq(counters(&e).bytes_read, 4096);
    env_close(&e);
    return 0;
}

Test(cache, what_was_put_is_read_without_the_disk)
{
    on_sim(put_then_read, NULL);
}

static int long_put(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    add_segment(&e, 1, 4 * MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, 100), 0);
    cr_assert_eq(put_pattern(&e, 1, 100, 3 * MIB), 0, "over many pages, beginning inside one");
    expect_read(&e, 1, 0, 100 + 3 * MIB);
    cr_assert_eq(counters(&e).bytes_read, 0);
    cr_assert_eq(hg_cache_put(e.cache, 1, 5, "", 0), 0, "nothing is a put too");
    env_close(&e);
    return 0;
}

Test(cache, a_put_may_span_pages)
{
    on_sim(long_put, NULL);
}

static int gaps(struct hg_io *io, void *ctx)
{
    struct env e;
    uint8_t out[3000];
    size_t n = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    add_segment(&e, 1, MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, 1000), 0);
    cr_assert_eq(put_pattern(&e, 1, 2000, 1000), 0);
    cr_assert_eq(hg_cache_read(e.cache, 1, 0, out, 3000, &n), 0);
    cr_assert_eq(n, 3000);
    for (size_t i = 1000; i < 2000; i++)
        cr_assert_eq(out[i], 0);
    expect_read(&e, 1, 2000, 1000);
    /* Over a page's end: the next page begins with zeros. */
    cr_assert_eq(put_pattern(&e, 1, 2 * HG_PAGE_BYTES + 50, 100), 0);
    cr_assert_eq(hg_cache_read(e.cache, 1, 2 * HG_PAGE_BYTES, out, 150, &n), 0);
    for (size_t i = 0; i < 50; i++)
        cr_assert_eq(out[i], 0);
    expect_read(&e, 1, 2 * HG_PAGE_BYTES + 50, 100);
    env_close(&e);
    return 0;
}

Test(cache, gaps_between_puts_are_zeros)
{
    on_sim(gaps, NULL);
}

static int over_stale(struct hg_io *io, void *ctx)
{
    struct env e;
    uint8_t zeros[8192] = { 0 };
    uint8_t out[8192];
    size_t n = 0;
    char name[HG_FILE_NAME_MAX];
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    hg_segment_name(name, 1, HG_KIND_FRAMES);
    write_segment(io, 1, 0, 4096);
    write_at(io, name, zeros, sizeof zeros, 4096); /* written ahead */
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, 8192); /* more than the log's end: it was rounded up */
    cr_assert_eq(hg_cache_read(e.cache, 1, 0, out, 8192, &n), 0);
    cr_assert(n == 8192 && cached(&e, 1, 8000));
    cr_assert_eq(put_pattern(&e, 1, 4096, 100), 0);
    expect_read(&e, 1, 0, 4196);
    cr_assert_not(cached(&e, 1, 4196), "zeros that were filled end where the put ended");

    /* Put once more at the same place, as after a commit that failed. */
    cr_assert_eq(hg_cache_put(e.cache, 1, 4096, zeros, 50), 0);
    cr_assert_eq(hg_cache_read(e.cache, 1, 4096, out, 50, &n), 0);
    cr_assert_eq(memcmp(out, zeros, 50), 0);
    expect_read(&e, 1, 0, 4096);
    env_close(&e);
    return 0;
}

Test(cache, a_put_replaces_what_a_fill_or_an_older_put_left_there)
{
    on_sim(over_stale, NULL);
}

static int reader_limit(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 300 * KIB);
    add_segment(&e, 1, MIB);
    expect_read(&e, 1, 0, 1000);
    cr_assert_not(cached(&e, 1, 0), "nothing is known to be final");
    hg_cache_set_written(e.cache, 1, 10000);
    expect_read(&e, 1, 9000, 2000);
    cr_assert(cached(&e, 1, 9999));
    cr_assert_not(cached(&e, 1, 10000), "read, but not kept");
    hg_cache_set_written(e.cache, 1, 20000);
    expect_read(&e, 1, 9000, 5000);
    cr_assert(cached(&e, 1, 19999), "filled again when more is final");
    hg_cache_set_written(e.cache, 1, 5000);
    cr_assert(cached(&e, 1, 19999));
    expect_read(&e, 1, 0, 300 * KIB);
    hg_cache_set_written(e.cache, 2, 5000); /* of a segment nobody knows: no harm */
    env_close(&e);
    return 0;
}

Test(cache, bytes_that_may_still_change_are_never_kept)
{
    on_sim(reader_limit, NULL);
}

static int file_end(struct hg_io *io, void *ctx)
{
    struct env e;
    uint8_t out[64];
    size_t n = 9;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 5000);
    add_segment(&e, 1, MIB);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(hg_cache_read(e.cache, 1, 4990, out, 64, &n), 0);
        cr_assert_eq(n, 10);
        cr_assert_eq(first_wrong(out, 1, 4990, 10), 10);
        cr_assert_eq(hg_cache_read(e.cache, 1, 5000, out, 64, &n), 0);
        cr_assert_eq(n, 0);
        cr_assert_eq(hg_cache_read(e.cache, 1, 20 * MIB, out, 64, &n), 0);
        cr_assert_eq(n, 0, "behind the size the segment was added with");
        hg_cache_set_written(e.cache, 1, 100000); /* more than there is */
    }
    cr_assert_eq(hg_cache_read(e.cache, 2, 0, out, 64, &n), HOLOG_E_STALE);
    add_segment(&e, 2, MIB);
    cr_assert_eq(hg_cache_read(e.cache, 2, 0, out, 64, &n), HOLOG_E_STALE, "no such file");
    cr_assert_eq(hg_cache_put(e.cache, 1, MIB - 1, "ab", 2), HOLOG_E_INVAL);
    cr_assert_eq(hg_cache_put(e.cache, 3, 0, "ab", 2), HOLOG_E_INVAL);
    env_close(&e);
    return 0;
}

Test(cache, a_read_is_short_only_at_the_end_of_the_file)
{
    on_sim(file_end, NULL);
}

static int peeks(struct hg_io *io, void *ctx)
{
    struct env e;
    size_t n = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    add_segment(&e, 1, MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, HG_PAGE_BYTES + 100), 0);
    struct hg_epoch_slot *slot = hg_epoch_enter(e.domain);
    const uint8_t *p = hg_cache_peek(e.cache, 1, HG_PAGE_BYTES - 10, 10, &n);
    cr_assert_not_null(p);
    cr_assert_eq(n, 10);
    cr_assert_eq(first_wrong(p, 1, HG_PAGE_BYTES - 10, 10), 10);
    cr_assert_null(hg_cache_peek(e.cache, 1, HG_PAGE_BYTES - 10, 11, &n), "not in one page");
    p = hg_cache_peek(e.cache, 1, HG_PAGE_BYTES, 1, &n);
    cr_assert(p != NULL && n == 100);
    cr_assert_null(hg_cache_peek(e.cache, 1, HG_PAGE_BYTES + 100, 1, &n));
    cr_assert_null(hg_cache_peek(e.cache, 2, 0, 1, &n));
    cr_assert_null(hg_cache_peek(e.cache, 1, UINT64_MAX, 1, &n));
    hg_epoch_leave(slot);
    cr_assert_eq(counters(&e).hits, 2);
    env_close(&e);
    return 0;
}

Test(cache, a_peek_gives_what_lies_in_one_page)
{
    on_sim(peeks, NULL);
}

static int held_page(struct hg_io *io, void *ctx)
{
    struct env e;
    size_t n = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, 2 * MIB);
    write_segment(io, 1, 0, MIB);
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, MIB);
    expect_read(&e, 1, 0, 100);
    struct hg_epoch_slot *slot = hg_epoch_enter(e.domain);
    const uint8_t *p = hg_cache_peek(e.cache, 1, 0, 100, &n);
    cr_assert_not_null(p);
    squeeze(&e);
    cr_assert_null(hg_cache_peek(e.cache, 1, 0, 100, &n), "evicted");
    cr_assert_eq(first_wrong(p, 1, 0, 100), 100, "and still there for who is inside");
    hg_epoch_leave(slot);
    env_close(&e);
    return 0;
}

Test(cache, an_evicted_page_stays_for_who_is_inside)
{
    on_sim(held_page, NULL);
}

static int unwritten(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, MIB);
    add_segment(&e, 1, 4 * MIB);
    uint32_t at = 0;
    int rc;
    while ((rc = put_pattern(&e, 1, at, 3000)) == HOLOG_OK)
        at += 3000;
    cr_assert_eq(rc, HOLOG_E_BUDGET);
    cr_assert_gt(at, 800 * KIB);
    cr_assert_leq(counters(&e).bytes, MIB);
    squeeze(&e);
    expect_read(&e, 1, 0, at);
    cr_assert_eq(counters(&e).bytes_read, 0, "none of it is on the disk, so none may go");
    cr_assert_eq(put_pattern(&e, 1, at, 3000), HOLOG_E_BUDGET);
    cr_assert_not(cached(&e, 1, at), "a refused put shows nothing");

    write_segment(io, 1, 0, at);
    hg_cache_set_written(e.cache, 1, at);
    cr_assert_eq(put_pattern(&e, 1, at, 3000), 0, "now there is room");
    expect_read(&e, 1, 0, at + 3000);
    squeeze(&e);
    cr_assert(cached(&e, 1, at), "the page that is appended to is not all written");
    cr_assert_not(cached(&e, 1, 0));
    expect_read(&e, 1, 0, at + 3000);

    /* Evicted although appends go on: they find it again in the file. */
    at += 3000;
    write_segment(io, 1, at - 3000, 3000);
    hg_cache_set_written(e.cache, 1, at);
    squeeze(&e);
    cr_assert_not(cached(&e, 1, at - 1));
    cr_assert_eq(put_pattern(&e, 1, at + 8, 10), 0);
    expect_read(&e, 1, at - 3000, 3000);
    expect_read(&e, 1, at + 8, 10);
    env_close(&e);
    return 0;
}

Test(cache, what_is_not_on_disk_is_never_evicted)
{
    on_sim(unwritten, NULL);
}

static int own_need(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 2 * HG_PAGE_BYTES); /* of two pages with their headers only one fits */
    write_segment(io, 1, 0, 30000);
    add_segment(&e, 1, MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, 30000), 0);
    hg_cache_set_written(e.cache, 1, 30000);
    cr_assert_eq(put_pattern(&e, 1, 30000, HG_PAGE_BYTES), HOLOG_E_BUDGET);
    cr_assert(cached(&e, 1, 29999));
    cr_assert_not(cached(&e, 1, 30000));
    cr_assert_eq(put_pattern(&e, 1, 30000, 1000), 0);
    expect_read(&e, 1, 0, 31000);
    env_close(&e);
    return 0;
}

Test(cache, a_put_never_evicts_the_page_it_appends_to)
{
    on_sim(own_need, NULL);
}

/* A put that happens while a read is between missing a page and publishing it. */
static struct env *late_env;
static int late_done;

static int put_meanwhile(size_t size, void *ctx)
{
    HG_UNUSED(ctx);
    if (size >= HG_PAGE_BYTES && !late_done) {
        late_done = 1;
        cr_assert_eq(put_pattern(late_env, 1, 1000, 1000), 0);
    }
    return 0;
}

static int late_fill(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 1000);
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, 1000);
    late_env = &e;
    hg_alloc_set_fault(put_meanwhile, NULL);
    expect_read(&e, 1, 0, 1000);
    hg_alloc_set_fault(NULL, NULL);
    cr_assert(late_done);
    expect_read(&e, 1, 0, 2000); /* the second half is nowhere else */
    env_close(&e);
    return 0;
}

Test(cache, a_fill_that_comes_late_does_not_undo_a_put)
{
    on_sim(late_fill, NULL);
}

static int clock_order(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 16 * MIB);
    write_segment(io, 1, 0, 12 * MIB);
    add_segment(&e, 1, 12 * MIB);
    hg_cache_set_written(e.cache, 1, 12 * MIB);
    for (uint64_t at = 0; at < 12 * MIB; at += HG_PAGE_BYTES)
        expect_read(&e, 1, at, 10);
    for (uint64_t at = 0; at < MIB; at += HG_PAGE_BYTES)
        expect_read(&e, 1, at, 10); /* used once more */
    cr_assert_eq(hg_budget_take(e.cache, 8 * MIB), 0);
    for (uint64_t at = 0; at < MIB; at += HG_PAGE_BYTES)
        cr_assert(cached(&e, 1, at));
    cr_assert_not(cached(&e, 1, MIB));
    cr_assert_gt(counters(&e).evictions, 0);
    hg_budget_give(e.cache, 8 * MIB);
    env_close(&e);
    return 0;
}

Test(cache, a_page_used_again_outlives_one_that_was_not)
{
    on_sim(clock_order, NULL);
}

static int many_segments(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 64 * MIB);
    for (uint32_t i = 0; i < 3000; i++)
        add_segment(&e, i * 2654435761u | 1, 16 * KIB); /* ids from names may be anything */
    add_segment(&e, UINT32_MAX, UINT32_MAX);
    add_segment(&e, UINT32_MAX, 1);
    for (uint32_t i = 0; i < 3000; i += 10)
        cr_assert_eq(put_pattern(&e, i * 2654435761u | 1, 0, 100), 0);
    for (uint32_t i = 0; i < 3000; i += 10)
        expect_read(&e, i * 2654435761u | 1, 0, 100);
    env_close(&e);
    return 0;
}

Test(cache, segment_ids_may_be_anything_and_many)
{
    on_sim(many_segments, NULL);
}

/* ---- the budget ----------------------------------------------------------------------------------*/

static int budget_rules(struct hg_io *io, void *ctx)
{
    struct env e;
    struct hg_mem *m = NULL;
    HG_UNUSED(ctx);
    env_begin(&e, io, 4 * MIB);
    cr_assert_eq(hg_budget_take(e.cache, 4 * MIB + 1), HOLOG_E_BUDGET);
    cr_assert_eq(hg_budget_take(e.cache, UINT64_MAX), HOLOG_E_BUDGET);
    cr_assert_eq(hg_mem_new(e.cache, SIZE_MAX, &m), HOLOG_E_BUDGET);
    cr_assert_null(m);
    cr_assert_eq(hg_budget_take(e.cache, 4 * MIB), 0);
    cr_assert_eq(hg_budget_take(e.cache, 1), HOLOG_E_BUDGET);
    cr_assert_eq(hg_mem_new(e.cache, 1, &m), HOLOG_E_BUDGET);
    hg_budget_give(e.cache, 4 * MIB);
    hg_budget_set_index(e.cache, 5 * MIB);
    cr_assert_eq(counters(&e).bytes, 5 * MIB, "the index is counted, not refused");
    cr_assert_eq(hg_budget_take(e.cache, 1), HOLOG_E_BUDGET);
    hg_budget_set_index(e.cache, 3 * MIB);
    cr_assert_eq(hg_budget_take(e.cache, MIB), 0);
    hg_budget_give(e.cache, MIB);
    hg_budget_set_index(e.cache, 0);
    cr_assert_eq(counters(&e).bytes, 0);
    cr_assert_eq(counters(&e).budget, 4 * MIB);
    env_close(&e);
    return 0;
}

Test(budget, what_cannot_be_had_is_refused_by_name)
{
    on_sim(budget_rules, NULL);
}

static int hopeless(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 4 * MIB);
    write_segment(io, 1, 0, MIB);
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, MIB);
    expect_read(&e, 1, 0, MIB);
    cr_assert_eq(hg_budget_take(e.cache, 2 * MIB), 0);
    cr_assert_eq(hg_budget_take(e.cache, 3 * MIB), HOLOG_E_BUDGET);
    cr_assert_eq(counters(&e).evictions, 0, "nothing was thrown out for what could never fit");
    hg_budget_give(e.cache, 2 * MIB);
    env_close(&e);
    return 0;
}

Test(budget, a_hopeless_request_costs_nobody_anything)
{
    on_sim(hopeless, NULL);
}

#define HELD_MAX 40u

static int random_use(struct hg_io *io, void *ctx)
{
    const uint64_t budget = 6 * MIB;
    struct env e;
    struct hg_mem *held[HELD_MAX] = { 0 };
    uint64_t taken = 0;
    uint64_t seed = seed_or(31);
    unsigned refused = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, budget);
    write_segment(io, 1, 0, 4 * MIB);
    add_segment(&e, 1, 4 * MIB);
    add_segment(&e, 2, 64 * MIB);
    hg_cache_set_written(e.cache, 1, 4 * MIB);
    uint32_t put_at = 0;
    for (unsigned i = 0; i < 4000 * effort(); i++) {
        unsigned slot = below(&seed, HELD_MAX);
        int rc = HOLOG_OK;
        switch (below(&seed, 6)) {
        case 0:
            hg_mem_put(held[slot]);
            held[slot] = NULL;
            rc = hg_mem_new(e.cache, below(&seed, 3) ? below(&seed, 900 * KIB) : 0, &held[slot]);
            if (rc == HOLOG_OK)
                memset(held[slot]->data, (int)slot, held[slot]->len);
            break;
        case 1:
            if (held[slot] != NULL)
                hg_cache_offer(e.cache, hg_pos_make(9, slot + 1), held[slot], (int)below(&seed, 2));
            hg_mem_put(held[slot]);
            held[slot] = NULL;
            break;
        case 2:
            hg_mem_put(held[slot]);
            held[slot] = hg_cache_find(e.cache, hg_pos_make(9, slot + 1));
            if (held[slot] != NULL)
                for (size_t k = 0; k < held[slot]->len; k += 997)
                    cr_assert_eq(held[slot]->data[k], slot);
            break;
        case 3: expect_read(&e, 1, below(&seed, 4 * MIB - 2000), 2000); break;
        case 4: {
            uint64_t n = below(&seed, MIB);
            rc = hg_budget_take(e.cache, n);
            if (rc == HOLOG_OK)
                taken += n;
            if (taken > 2 * MIB || rc < 0) {
                hg_budget_give(e.cache, taken);
                taken = 0;
            }
            break;
        }
        default:
            rc = put_at < 60 * MIB ? put_pattern(&e, 2, put_at, 20000) : HOLOG_OK;
            if (rc == HOLOG_OK && put_at < 60 * MIB)
                put_at += 20000;
            if (below(&seed, 4) == 0 && put_at > 0) {
                write_segment(io, 2, put_at >= 200000 ? put_at - 200000 : 0,
                              HG_MIN(put_at, 200000u));
                hg_cache_set_written(e.cache, 2, put_at >= 200000 ? put_at - 100000 : 0);
            }
        }
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_BUDGET, "%s", holog_error_name(rc));
        refused += rc < 0;
        cr_assert_leq(counters(&e).bytes, budget, "step %u, HOLOG_TEST_SEED=%llu", i,
                      (unsigned long long)seed_or(31));
    }
    cr_assert_gt(refused, 0, "the budget was never reached: the test shows nothing");
    for (unsigned i = 0; i < HELD_MAX; i++)
        hg_mem_put(held[i]);
    hg_budget_give(e.cache, taken);
    hg_cache_set_written(e.cache, 2, put_at);
    cr_assert_eq(hg_budget_take(e.cache, budget - MIB / 8), 0, "all but the tables can be had");
    hg_budget_give(e.cache, budget - MIB / 8);
    env_close(&e);
    return 0;
}

Test(budget, nothing_ever_takes_more_than_it, .timeout = 300)
{
    on_sim(random_use, NULL);
}

/* ---- values --------------------------------------------------------------------------------------*/

static int value_rules(struct hg_io *io, void *ctx)
{
    struct env e;
    struct hg_mem *m = NULL;
    struct hg_mem *twice = NULL;
    HG_UNUSED(ctx);
    env_begin(&e, io, 16 * MIB);
    cr_assert_null(hg_cache_find(e.cache, 77));
    cr_assert_eq(hg_mem_new(e.cache, 100001, &m), 0);
    cr_assert_eq((uintptr_t)m->data % 4096, 0);
    cr_assert_eq(m->cap, 102400);
    for (size_t i = 100001; i < 102400; i++)
        cr_assert_eq(m->data[i], 0);
    cr_assert_eq(counters(&e).bytes, 102400);
    memset(m->data, 5, m->len);
    hg_cache_offer(e.cache, 77, m, 0);
    hg_cache_offer(e.cache, 77, m, 0); /* once is enough */
    hg_cache_offer(e.cache, 78, m, 0);
    hg_mem_put(m);
    cr_assert_null(hg_cache_find(e.cache, 78), "a value has one name");
    m = hg_cache_find(e.cache, 77);
    cr_assert_not_null(m);
    cr_assert(m->len == 100001 && m->data[100000] == 5);
    hg_mem_get(m);
    hg_mem_put(m);

    cr_assert_eq(hg_mem_new(e.cache, 10, &twice), 0);
    hg_cache_offer(e.cache, 77, twice, 0); /* somebody read it at the same time */
    hg_mem_put(twice);
    cr_assert_eq(counters(&e).bytes, 102400, "the second copy is not kept");
    cr_assert_eq(counters(&e).hits, 1);
    cr_assert_eq(counters(&e).misses, 2);
    hg_mem_put(m);
    hg_mem_put(NULL);
    squeeze(&e);
    cr_assert_null(hg_cache_find(e.cache, 77));
    cr_assert_eq(counters(&e).bytes, 0);
    env_close(&e);
    return 0;
}

Test(values, a_value_is_found_by_its_birth_until_it_is_evicted)
{
    on_sim(value_rules, NULL);
}

static int value_order(struct hg_io *io, void *ctx)
{
    struct env e;
    struct hg_mem *held = NULL;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    for (uint64_t birth = 1; birth <= 8; birth++) {
        struct hg_mem *m = NULL;
        cr_assert_eq(hg_mem_new(e.cache, 900 * KIB, &m), 0);
        hg_cache_offer(e.cache, birth, m, 0);
        hg_mem_put(m);
    }
    held = hg_cache_find(e.cache, 1);
    hg_mem_put(hg_cache_find(e.cache, 2));
    hg_mem_put(held);
    held = hg_cache_find(e.cache, 3);
    cr_assert_eq(hg_budget_take(e.cache, 4 * MIB), 0);
    cr_assert_not_null(held = hg_cache_find(e.cache, 3), "held by somebody");
    hg_mem_put(held);
    hg_mem_put(held);
    for (uint64_t birth = 4; birth <= 6; birth++)
        cr_assert_null(hg_cache_find(e.cache, birth));
    for (uint64_t birth = 1; birth <= 2; birth++) {
        struct hg_mem *m = hg_cache_find(e.cache, birth);
        cr_assert_not_null(m, "used last");
        hg_mem_put(m);
    }
    hg_budget_give(e.cache, 4 * MIB);
    env_close(&e);
    return 0;
}

Test(values, the_least_recently_used_goes_first_and_held_ones_never)
{
    on_sim(value_order, NULL);
}

static int buffers_again(struct hg_io *io, void *ctx)
{
    struct env e;
    struct hg_mem *m = NULL;
    HG_UNUSED(ctx);
    env_begin(&e, io, 80 * MIB);
    cr_assert_eq(hg_mem_new(e.cache, 8 * MIB, &m), 0);
    memset(m->data, 0xee, m->len);
    const uint8_t *data = m->data;
    hg_mem_put(m);
    cr_assert_eq(counters(&e).bytes, 8 * MIB, "kept for the next one, and counted");
    cr_assert_eq(hg_mem_new(e.cache, 7 * MIB + 5, &m), 0);
    cr_assert_eq(m->data, data);
    cr_assert_eq(m->len, 7 * MIB + 5);
    for (size_t i = m->len; i % 4096 != 0; i++)
        cr_assert_eq(m->data[i], 0, "zeros up to the block's end, whoever had it before");
    hg_mem_put(m);
    cr_assert_eq(hg_mem_new(e.cache, 2 * MIB, &m), 0);
    cr_assert_neq(m->data, data, "not for one a quarter as long");
    hg_mem_put(m);
    cr_assert_eq(hg_budget_take(e.cache, 80 * MIB), 0, "and given up first");
    hg_budget_give(e.cache, 80 * MIB);

    /* A full cache hands the buffer of an old value on. */
    for (uint64_t birth = 1; birth <= 10; birth++) {
        cr_assert_eq(hg_mem_new(e.cache, 8 * MIB, &m), 0);
        hg_cache_offer(e.cache, birth, m, 0);
        hg_mem_put(m);
    }
    m = hg_cache_find(e.cache, 1);
    data = m->data;
    hg_mem_put(m);
    for (uint64_t birth = 2; birth <= 10; birth++)
        hg_mem_put(hg_cache_find(e.cache, birth));
    cr_assert_eq(hg_mem_new(e.cache, 8 * MIB, &m), 0);
    cr_assert_eq(m->data, data);
    cr_assert_null(hg_cache_find(e.cache, 1));
    hg_mem_put(m);
    env_close(&e);
    return 0;
}

Test(values, large_buffers_are_used_again)
{
    on_sim(buffers_again, NULL);
}

static void offer_one(struct env *e, hg_pos birth, size_t len, int saved)
{
    struct hg_mem *m = NULL;
    cr_assert_eq(hg_mem_new(e->cache, len, &m), 0);
    hg_cache_offer(e->cache, birth, m, saved);
    hg_mem_put(m);
}

static int is_cached(struct env *e, hg_pos birth)
{
    struct hg_mem *m = hg_cache_find(e->cache, birth);
    hg_mem_put(m);
    return m != NULL;
}

static int saves_pass_through(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 80 * MIB); /* a quarter of it for what is saved: two of 8 MiB */
    for (uint64_t birth = 1; birth <= 3; birth++)
        offer_one(&e, birth, 8 * MIB, 0);
    for (uint64_t birth = 11; birth <= 20; birth++) {
        offer_one(&e, birth, 8 * MIB, 1);
        cr_assert_leq(counters(&e).bytes, 5 * 8 * MIB);
    }
    for (uint64_t birth = 1; birth <= 3; birth++)
        cr_assert(is_cached(&e, birth), "thrown out by what is only written");
    for (uint64_t birth = 11; birth <= 20; birth++)
        cr_assert_eq(is_cached(&e, birth), birth >= 19, "the latest two");
    for (uint64_t birth = 21; birth <= 24; birth++)
        offer_one(&e, birth, 8 * MIB, 1);
    cr_assert(is_cached(&e, 19) && is_cached(&e, 20), "they were asked for");
    offer_one(&e, 30, 12 * MIB, 1); /* fits no buffer there is: they go */
    cr_assert_leq(counters(&e).bytes, (5 * 8 + 20) * MIB);
    cr_assert_not(is_cached(&e, 23));
    env_close(&e);
    return 0;
}

Test(values, a_run_of_saves_goes_through_few_buffers_and_evicts_nothing_that_is_read)
{
    on_sim(saves_pass_through, NULL);
}

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
