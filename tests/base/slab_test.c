#include "base/slab.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"

#define BLOCK  69632u
#define ALIGN  4096u
#define BLOCKS 100u /* of 30 a chunk */

static struct hg_slab slab;

static void setup(void)
{
    hg_slab_init(&slab, BLOCK, ALIGN);
}

static void teardown(void)
{
    hg_slab_release(&slab);
}

TestSuite(slab, .init = setup, .fini = teardown);

/* Fill a block with what nobody else writes. */
static uint8_t *take_marked(struct hg_slab *s, unsigned mark)
{
    uint8_t *b = hg_slab_alloc(s);

    cr_assert_not_null(b);
    memset(b, (int)mark, s->block_bytes);
    return b;
}

static void check_marked(const uint8_t *b, unsigned mark, size_t len)
{
    cr_assert(b[0] == (uint8_t)mark && memcmp(b, b + 1, len - 1) == 0,
              "bytes of block %u are another's", mark);
}

Test(slab, blocks_are_aligned_and_nobody_elses)
{
    uint8_t *b[BLOCKS];

    for (unsigned i = 0; i < BLOCKS; i++) {
        b[i] = take_marked(&slab, i);
        cr_assert_eq((uintptr_t)b[i] % ALIGN, 0);
    }
    for (unsigned i = 0; i < BLOCKS; i += 2)
        hg_slab_free(&slab, b[i]);
    for (unsigned i = 0; i < BLOCKS; i += 2)
        b[i] = take_marked(&slab, i);
    for (unsigned i = 0; i < BLOCKS; i++) {
        check_marked(b[i], i, BLOCK);
        hg_slab_free(&slab, b[i]);
    }
    hg_slab_free(&slab, NULL);
}

/* Sanitizers take blocks from malloc: then there are no chunks to look at. */
static unsigned chunks(void)
{
    return slab.chunks;
}

Test(slab, chunks_that_run_empty_go_back_but_for_one)
{
    uint8_t *b[BLOCKS];

    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < BLOCKS; i++)
            b[i] = take_marked(&slab, i);
        cr_assert_leq(chunks(), (BLOCKS + slab.per_chunk - 1) / slab.per_chunk);
        for (unsigned i = 0; i < BLOCKS; i++)
            hg_slab_free(&slab, b[i]);
        cr_assert_leq(chunks(), 1);
    }
}

Test(slab, a_block_taken_again_and_again_maps_nothing)
{
    void *first = take_marked(&slab, 1);

    hg_slab_free(&slab, first);
    unsigned before = chunks();
    for (int i = 0; i < 1000; i++)
        hg_slab_free(&slab, hg_slab_alloc(&slab));
    cr_assert_eq(chunks(), before);
}

/* Resident bytes of this process. */
static size_t resident(void)
{
    unsigned long total = 0;
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    cr_assert_not_null(f);
    cr_assert_eq(fscanf(f, "%lu %lu", &total, &pages), 2);
    (void)fclose(f);
    return pages * 4096u;
}

Test(slab, few_blocks_take_little_memory)
{
    struct hg_slab small[10];
    void *b[10];
    size_t before = resident();

    for (unsigned i = 0; i < 10; i++) {
        hg_slab_init(&small[i], 4096, 4096);
        b[i] = take_marked(&small[i], i);
    }
    if (chunks() == 0 && small[0].chunks == 1)
        cr_assert_lt(resident(), before + ((size_t)1 << 20), "ten slabs of one block");
    for (unsigned i = 0; i < 10; i++) {
        hg_slab_free(&small[i], b[i]);
        hg_slab_release(&small[i]);
    }
}

Test(slab, a_chunk_got_ready_in_time_is_the_next_one_used)
{
    uint8_t *b[BLOCKS];
    unsigned prepared = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        unsigned before = chunks();
        b[i] = take_marked(&slab, i);
        if (before > 2)
            cr_assert_eq(chunks(), before, "block %u waited for a chunk", i);
        if (hg_slab_low(&slab)) {
            cr_assert_not(hg_slab_low(&slab), "said once");
            before = chunks();
            hg_slab_prepare(&slab);
            hg_slab_prepare(&slab);
            cr_assert_eq(chunks(), before + 1, "one is enough");
            prepared++;
        }
    }
    cr_assert(chunks() == 0 || prepared > 0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        check_marked(b[i], i, BLOCK);
        hg_slab_free(&slab, b[i]);
    }
    cr_assert_leq(chunks(), 1);
}

Test(slab, a_queue_of_blocks_stays_in_the_chunks_it_needs)
{
    uint8_t *b[BLOCKS] = { NULL };
    unsigned needed = (BLOCKS + slab.per_chunk - 1) / slab.per_chunk;

    for (unsigned i = 0; i < 50 * BLOCKS; i++) { /* as a cache that is full: the oldest goes */
        hg_slab_free(&slab, b[i % BLOCKS]);
        b[i % BLOCKS] = hg_slab_alloc(&slab);
        cr_assert_not_null(b[i % BLOCKS]);
        cr_assert_leq(chunks(), needed + 1);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        hg_slab_free(&slab, b[i]);
}

static int fail_third(size_t size, void *ctx)
{
    (void)size;
    return ++*(int *)ctx == 3;
}

Test(slab, a_block_is_an_allocation_that_may_fail_and_is_counted)
{
    int seen = 0;
    void *b[4];

    hg_alloc_set_fault(fail_third, &seen);
    for (int i = 0; i < 4; i++) {
        b[i] = hg_slab_alloc(&slab);
        cr_assert_eq(b[i] == NULL, i == 2);
    }
    cr_assert_eq(hg_alloc_live(), 3);
    for (int i = 0; i < 4; i++)
        hg_slab_free(&slab, b[i]);
    cr_assert_eq(hg_alloc_live(), 0);
    hg_alloc_set_fault(NULL, NULL);
}

#define THREADS 4u
#define HELD    40u

static struct hg_slab shared;

static void *take_and_free(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;
    uint8_t *held[HELD] = { NULL };
    uint32_t x = self + 1;

    for (int i = 0; i < 20000; i++) {
        x = x * 1664525u + 1013904223u;
        uint8_t **at = &held[(x >> 16) % HELD];
        if (*at == NULL) {
            *at = take_marked(&shared, self);
        } else {
            check_marked(*at, self, shared.block_bytes);
            hg_slab_free(&shared, *at);
            *at = NULL;
        }
    }
    for (unsigned i = 0; i < HELD; i++)
        hg_slab_free(&shared, held[i]);
    return NULL;
}

Test(slab, threads_share_a_slab)
{
    pthread_t thread[THREADS];

    hg_slab_init(&shared, 64, 16);
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, take_and_free, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(thread[i], NULL), 0);
    hg_slab_release(&shared);
}
