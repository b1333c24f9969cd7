/*
 * What the two halves of the cache share: cache.c (segments, pages, the budget) and cache_value.c
 * (large values). Private to them.
 */
#ifndef HG_ENGINE_CACHE_INTERNAL_H
#define HG_ENGINE_CACHE_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slab.h"
#include "engine/cache.h"

#define HG_CACHE_STRIPES 64u

struct page;  /* cache.c's */
struct table; /* cache.c's */

struct value_list {
    struct hg_mem *newest, *oldest;
};

struct stripe {
    _Alignas(64) _Atomic uint64_t hits;
    _Atomic uint64_t loaded; /* bytes */
};

#define HG_CACHE_PARTED 1024u

struct hg_cache {
    struct hg_io *io; /* fixed, as the next four */
    struct hg_files *files;
    struct hg_epoch_domain *domain;
    uint64_t budget;
    uint32_t bucket_mask;
    _Atomic(struct table *) table;
    struct hg_mem **buckets;       /* value_lock */
    hg_cache_replaced_fn replaced; /* fixed since nothing was replaced; as its ctx below */

    _Alignas(64) struct hg_mutex page_lock;
    uint32_t n_segments; /* page_lock */
    struct page *hand;   /* page_lock; any page of the ring, NULL when there is none */
    struct hg_mutex value_lock;
    struct value_list saved, read; /* value_lock */
    struct hg_mem *recycled;       /* value_lock; by next, the latest first */

    _Alignas(64) _Atomic uint64_t used;
    _Atomic uint64_t page_bytes;     /* part of used: published pages; changed under page_lock */
    _Atomic uint64_t value_bytes;    /* part of used: values in the cache */
    _Atomic uint64_t saved_bytes;    /* part of value_bytes: in the list `saved` */
    _Atomic uint64_t recycled_bytes; /* part of used */
    _Atomic uint64_t index_bytes;    /* part of used */
    _Atomic uint64_t limbo;          /* not in used */
    void *replaced_ctx;
    struct stripe stripes[HG_CACHE_STRIPES];
    _Atomic hg_pos parted[HG_CACHE_PARTED]; /* values that parts were read of lately, by hash */
    struct hg_slab slab;                    /* memory of pages */
    _Atomic uint64_t evictions, misses;
};

static inline uint64_t peek64(_Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static inline void add64(_Atomic uint64_t *v, uint64_t n)
{
    atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

static inline void sub64(_Atomic uint64_t *v, uint64_t n)
{
    uint64_t before = atomic_fetch_sub_explicit(v, n, memory_order_relaxed);
    HG_ASSERT(before >= n);
}

/* cache.c */
void hg_cache_count_hit(struct hg_cache *c);

/* cache_value.c; both return the bytes that were freed */
uint64_t hg_cache_evict_recycled(struct hg_cache *c, uint64_t want);
uint64_t hg_cache_evict_values(struct hg_cache *c, uint64_t want);
void hg_cache_drop_values(struct hg_cache *c); /* at the end: nobody has one any more */

#endif
