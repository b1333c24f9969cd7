/*
 * Values that pass: the buffers of values that come from the disk, one after another, and are not kept.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "base/epoch.h"
#include "engine/cache.h"
#include "io/sim.h"

#define MIB ((size_t)1 << 20)

enum {
    KEPT = 19, /* values of 8 MiB that are in the cache */
    ROUNDS = 20
};

static struct hg_cache *cache;

static struct hg_cache_counters counters(void)
{
    struct hg_cache_counters c;

    hg_cache_counters(cache, &c);
    return c;
}

static void keep(hg_pos birth)
{
    struct hg_mem *m = NULL;

    cr_assert_eq(hg_mem_new(cache, 8 * MIB, &m), 0);
    hg_cache_offer(cache, birth, m, 0);
    hg_mem_put(m);
}

/* Its buffer; full of something when it goes. */
static const uint8_t *pass(size_t len)
{
    struct hg_mem *m = NULL;
    const uint8_t *data;

    cr_assert_eq(hg_mem_new_passing(cache, len, &m), 0);
    cr_assert(m->len == len && m->cap >= len);
    data = m->data;
    for (size_t at = len; at < HG_ALIGN_UP(len, (size_t)4096); at++)
        cr_assert_eq(data[at], 0, "not zeros behind its end");
    memset(m->data, 0xee, m->cap);
    hg_mem_put(m);
    return data;
}

static void pass_many(size_t len)
{
    const uint8_t *data = pass(len);
    uint64_t bytes = counters().bytes;

    for (unsigned i = 0; i < ROUNDS; i++)
        cr_assert_eq(pass(len - i), data, "another buffer");
    cr_assert_eq(counters().bytes, bytes);
    cr_assert_leq(bytes, KEPT * 8 * MIB + HG_MAX(len, 2 * MIB));
}

static int values_pass(struct hg_io *io, void *ctx)
{
    struct hg_epoch_domain *domain = NULL;
    const size_t *len = ctx;

    cr_assert_eq(hg_epoch_create(&domain), 0);
    cr_assert_eq(hg_cache_create(io, NULL, domain, 160 * MIB, &cache), 0);
    for (hg_pos birth = 1; birth <= KEPT; birth++)
        keep(birth);
    pass_many(*len);
    cr_assert_eq(counters().evictions, 0);
    for (hg_pos birth = 1; birth <= KEPT; birth++) {
        struct hg_mem *m = hg_cache_find(cache, birth);
        cr_assert_not_null(m, "thrown out by what passes");
        hg_mem_put(m);
    }
    hg_cache_destroy(cache);
    hg_epoch_destroy(domain);
    return 0;
}

Test(cache_passing, what_passes_goes_through_one_buffer_and_throws_nothing_out)
{
    static size_t lens[] = { 100 << 10, 1 << 20, 3 << 20, 8 << 20 };

    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct hg_sim_options so = { .seed = 1 };
        struct hg_sim *sim = NULL;
        cr_assert_eq(hg_sim_create(&so, &sim), 0);
        cr_assert_eq(hg_sim_run(sim, values_pass, &lens[i]), 0);
        hg_sim_destroy(sim);
    }
}
