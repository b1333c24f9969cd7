/*
 * Slabs; see slab.h.
 *
 * A chunk's blocks are handed out in order the first time (`fresh` counts them); what was freed is
 * a list through the blocks themselves and is handed out before more are touched.
 */
#include "base/slab.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

#define CHUNK       ((size_t)2 << 20)
#define SMALL_PAGE  4096u
#define READY_AFTER 2u /* chunks: a store of ten values does not take megabytes */

struct free_block {
    struct free_block *next;
};

struct hg_slab_chunk {
    struct hg_slab_chunk *prev, *next; /* in the slab's open list, while a block is to be had */
    struct free_block *freed;
    uint32_t fresh; /* blocks ever handed out */
    uint32_t used;  /* blocks out now */
};

void hg_slab_init(struct hg_slab *s, size_t block_bytes, size_t align)
{
    HG_ASSERT(align >= sizeof(void *) && (align & (align - 1)) == 0);
    HG_ASSERT(block_bytes >= align && block_bytes % align == 0 && block_bytes <= CHUNK / 8);
    *s = (struct hg_slab){ .block_bytes = block_bytes, .align = align };
    s->first = HG_ALIGN_UP(sizeof(struct hg_slab_chunk), align);
    s->per_chunk = (uint32_t)((CHUNK - s->first) / block_bytes);
    (void)pthread_mutex_init(&s->lock, NULL); /* a plain one never fails */
}

/* ---- chunks ------------------------------------------------------------------------------------*/

/* Without the lock. */
static struct hg_slab_chunk *chunk_new(void)
{
    uint8_t *memory = hg_alloc_map(CHUNK, CHUNK);
    struct hg_slab_chunk *c = (struct hg_slab_chunk *)(void *)memory;

    if (c == NULL)
        return NULL;
    *c = (struct hg_slab_chunk){ .fresh = 0 };
    return c;
}

static void chunk_free(struct hg_slab_chunk *c)
{
    if (c != NULL)
        hg_alloc_unmap(c, CHUNK);
}

static struct hg_slab_chunk *chunk_of(void *block)
{
    return (struct hg_slab_chunk *)(void *)((uint8_t *)block - ((uintptr_t)block & (CHUNK - 1)));
}

static void open_add(struct hg_slab *s, struct hg_slab_chunk *c)
{
    c->prev = NULL;
    c->next = s->open;
    if (c->next != NULL)
        c->next->prev = c;
    s->open = c;
}

static void open_remove(struct hg_slab *s, struct hg_slab_chunk *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->open = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

/* ---- blocks: lock held -------------------------------------------------------------------------*/

/* 1 when the first chunk with room is the only one; a small slab does without another. */
static int is_last_chance(const struct hg_slab *s)
{
    return s->chunks >= READY_AFTER && s->idle == NULL && s->open != NULL && s->open->next == NULL;
}

/* NULL: all blocks of all chunks are out. */
static void *take(struct hg_slab *s)
{
    if (s->open == NULL && s->idle != NULL) {
        open_add(s, s->idle);
        s->idle = NULL;
    }
    struct hg_slab_chunk *c = s->open;
    if (c == NULL)
        return NULL;
    void *block = c->freed;
    if (block != NULL)
        c->freed = c->freed->next;
    else
        block = (uint8_t *)c + s->first + c->fresh++ * s->block_bytes;
    if (++c->used == s->per_chunk / 2 && is_last_chance(s))
        atomic_store_explicit(&s->low, 1, memory_order_relaxed);
    if (c->used == s->per_chunk)
        open_remove(s, c);
    return block;
}

/* The chunk that is to be freed, or NULL. */
static struct hg_slab_chunk *give(struct hg_slab *s, void *block)
{
    struct hg_slab_chunk *c = chunk_of(block);
    struct free_block *b = block;

    HG_ASSERT(c->used > 0);
    b->next = c->freed;
    c->freed = b;
    if (c->used-- == s->per_chunk)
        open_add(s, c);
    if (c->used > 0)
        return NULL;
    open_remove(s, c);
    if (s->idle == NULL) {
        s->idle = c;
        return NULL;
    }
    s->chunks--;
    return c;
}

/* ---- the interface -----------------------------------------------------------------------------*/

static void *take_from_new(struct hg_slab *s)
{
    struct hg_slab_chunk *c = chunk_new();
    void *block = NULL;

    if (c == NULL)
        return NULL;
    (void)pthread_mutex_lock(&s->lock);
    s->chunks++;
    open_add(s, c);
    block = take(s);
    (void)pthread_mutex_unlock(&s->lock);
    return block;
}

void *hg_slab_alloc(struct hg_slab *s)
{
    if (hg_alloc_must_fail(s->block_bytes))
        return NULL;
    if (HG_ALLOC_BY_MALLOC)
        return hg_alloc_counted(aligned_alloc(s->align, s->block_bytes));
    (void)pthread_mutex_lock(&s->lock);
    void *block = take(s);
    (void)pthread_mutex_unlock(&s->lock);
    return hg_alloc_counted(block != NULL ? block : take_from_new(s));
}

void hg_slab_free(struct hg_slab *s, void *block)
{
    struct hg_slab_chunk *empty;

    if (block == NULL)
        return;
    hg_alloc_uncount();
    if (HG_ALLOC_BY_MALLOC) {
        free(block);
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    empty = give(s, block);
    (void)pthread_mutex_unlock(&s->lock);
    chunk_free(empty);
}

int hg_slab_low(struct hg_slab *s)
{
    return atomic_load_explicit(&s->low, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&s->low, 0, memory_order_relaxed) != 0;
}

void hg_slab_prepare(struct hg_slab *s)
{
    struct hg_slab_chunk *c = NULL;

    (void)pthread_mutex_lock(&s->lock);
    int wanted = is_last_chance(s);
    (void)pthread_mutex_unlock(&s->lock);
    if (wanted)
        c = chunk_new();
    if (c == NULL)
        return; /* an optimisation */
    for (size_t at = SMALL_PAGE; at < CHUNK; at += SMALL_PAGE)
        ((volatile uint8_t *)c)[at] = 0;
    (void)pthread_mutex_lock(&s->lock);
    if (s->idle == NULL) {
        s->idle = c;
        s->chunks++;
        c = NULL;
    }
    (void)pthread_mutex_unlock(&s->lock);
    chunk_free(c);
}

void hg_slab_release(struct hg_slab *s)
{
    HG_ASSERT(s->chunks == (s->idle != NULL));
    chunk_free(s->idle);
    (void)pthread_mutex_destroy(&s->lock);
}
