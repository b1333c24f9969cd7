#include "cachekit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "wal/ctl.h"

/* ---- chance, pattern, effort ---------------------------------------------------------------------*/

uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(next_random(state) % n);
}

uint64_t seed_or(uint64_t fallback)
{
    const char *env = getenv("HOLOG_TEST_SEED");
    return env != NULL ? strtoull(env, NULL, 0) : fallback;
}

unsigned effort(void)
{
    const char *level = getenv("HOLOG_TEST_LEVEL");
    if (level == NULL || strcmp(level, "quick") == 0)
        return 1;
    return strcmp(level, "full") == 0 ? 30 : 4;
}

uint8_t pattern(uint32_t id, uint64_t offset)
{
    uint64_t h = (offset / 8 + 1) * 0x9e3779b97f4a7c15u ^ id * 0xc2b2ae3d27d4eb4fu;
    return (uint8_t)(h >> (offset % 8 * 8));
}

void fill_pattern(uint8_t *out, uint32_t id, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = pattern(id, offset + i);
}

size_t first_wrong(const uint8_t *in, uint32_t id, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (in[i] != pattern(id, offset + i))
            return i;
    return len;
}

/* ---- a store's files, and a cache over them ------------------------------------------------------*/

void write_at(struct hg_io *io, const char *name, const void *data, size_t len, uint64_t offset)
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

void write_segment(struct hg_io *io, uint32_t id, uint64_t offset, size_t len)
{
    char name[HG_FILE_NAME_MAX];
    uint8_t *data = malloc(len + 1);
    hg_segment_name(name, id, HG_KIND_FRAMES);
    fill_pattern(data, id, offset, len);
    write_at(io, name, data, len, offset);
    free(data);
}

int env_open(struct env *e, struct hg_io *io, int direct, uint64_t budget)
{
    *e = (struct env){ .io = io };
    int rc = hg_files_create(io, direct, &e->files);
    if (rc == HOLOG_OK)
        rc = hg_epoch_create(&e->domain);
    if (rc == HOLOG_OK)
        rc = hg_cache_create(io, e->files, e->domain, budget, &e->cache);
    return rc;
}

void env_close(struct env *e)
{
    hg_cache_destroy(e->cache);
    if (e->domain != NULL)
        hg_epoch_destroy(e->domain);
    hg_files_destroy(e->files);
}

void env_begin(struct env *e, struct hg_io *io, uint64_t budget)
{
    int rc = io->ops->mkdir(io, HG_SEG_DIR);
    cr_assert(rc == 0 || rc == HOLOG_E_EXIST);
    rc = env_open(e, io, 0, budget);
    cr_assert_eq(rc, 0);
}

void add_segment(struct env *e, uint32_t id, uint64_t size_max)
{
    int rc = hg_cache_add_segment(e->cache, id, HG_KIND_FRAMES, size_max);
    cr_assert_eq(rc, 0);
}

int put_pattern(struct env *e, uint32_t id, uint32_t offset, size_t len)
{
    uint8_t *data = malloc(len);
    fill_pattern(data, id, offset, len);
    int rc = hg_cache_put(e->cache, id, offset, data, len);
    free(data);
    return rc;
}

void expect_read(struct env *e, uint32_t id, uint64_t offset, size_t len)
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

struct hg_cache_counters counters(struct env *e)
{
    struct hg_cache_counters c;
    hg_cache_counters(e->cache, &c);
    return c;
}

int cached(struct env *e, uint32_t id, uint64_t offset)
{
    size_t n = 0;
    struct hg_epoch_slot *slot = hg_epoch_enter(e->domain);
    const uint8_t *p = hg_cache_peek(e->cache, id, offset, 1, &n);
    hg_epoch_leave(slot);
    return p != NULL;
}

void squeeze(struct env *e)
{
    uint64_t taken = 0;
    for (uint64_t step = 8 * MIB; step >= 4096; step /= 2)
        while (hg_budget_take(e->cache, step) == HOLOG_OK)
            taken += step;
    hg_budget_give(e->cache, taken);
}

/* ---- running on the simulated disk ---------------------------------------------------------------*/

void on_sim(int (*scenario)(struct hg_io *io, void *ctx), const struct hg_sim_options *o)
{
    static const struct hg_sim_options plain = { .seed = 1, .no_trace = 1 };
    struct hg_sim *sim = NULL;
    int rc = hg_sim_create(o != NULL ? o : &plain, &sim);
    cr_assert_eq(rc, 0);
    rc = hg_sim_run(sim, scenario, sim);
    cr_assert_eq(rc, 0, "scenario: %s", holog_error_name(rc));
    hg_sim_destroy(sim);
}

/* ---- directories -----------------------------------------------------------------------------------*/

char *make_dir(void)
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

void remove_dir(struct hg_io *io, const char *dir)
{
    (void)io->ops->read_dir(io, HG_SEG_DIR, remove_one, io);
    (void)io->ops->rmdir(io, HG_SEG_DIR);
    (void)io->ops->unlink(io, HG_CTL_NAME);
    io->ops->destroy(io);
    (void)rmdir(dir);
}
