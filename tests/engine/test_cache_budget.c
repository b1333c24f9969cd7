/*
 * The budget, and values in it: nothing takes more, and what goes is what was used least. See cachekit.h.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "cachekit.h"

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
