/*
 * Large values in the cache.
 *
 * hg_mem by birth position in a chained hash; the cache holds one count of each. A value that
 * only the cache holds may be evicted. There are two lists: what was saved and never asked for since,
 * the oldest last, and the rest, the least recently used last. The first is kept short: a long run
 * of saves goes through the same few buffers again and again, where new memory would have to be
 * mapped and zeroed (which takes longer than the disk needs for the bytes), and it throws nothing
 * out that is read. Large values come back at the disk's speed; the pages of small ones are kept.
 *
 * Large buffers are kept for the next value of about that size: mapping, zeroing and unmapping
 * 8 MiB costs about a millisecond. Values that pass, of a scan that nobody keeps, go through a few of them
 * again and again, which so come to lie in huge pages.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/cache_internal.h"

#define RECYCLE_MIN   (256u << 10) /* smaller ones come from malloc, which keeps them mapped */
#define RECYCLE_SHARE 8            /* at most that part of the budget in recycled buffers */
#define STEAL_DEPTH   16           /* oldest values of a list looked at for a buffer that fits */
#define SAVED_SHARE   4 /* saved and not read since: at most that part of the budget ... */
#define SAVED_MAX     (64u << 20) /* ... and not more: some images, for who looks at once */
#define PASSING_MIN   (2u << 20)  /* a huge page, for what is smaller too: disks like it ... */
#define PASSING_SHARE 64          /* ... and it is that part of the budget at most */

/* ---- memory ------------------------------------------------------------------------------*/

static void mem_free(struct hg_mem *m)
{
    hg_budget_give(m->cache, m->cap);
    if (m->cap >= RECYCLE_MIN)
        hg_free_pages(m->data, m->cap);
    else
        hg_free(m->data);
    hg_free(m);
}

static void free_list(struct hg_mem *list)
{
    while (list != NULL) {
        struct hg_mem *next = list->next;
        mem_free(list);
        list = next;
    }
}

static int fits(const struct hg_mem *m, size_t cap)
{
    return m->cap >= cap && m->cap - cap <= cap / 4;
}

/* A recycled buffer for `cap` bytes, or NULL. */
static struct hg_mem *take_recycled(struct hg_cache *c, size_t cap)
{
    if (cap < RECYCLE_MIN || peek64(&c->recycled_bytes) == 0)
        return NULL;
    hg_mutex_lock(c->io, &c->value_lock);
    struct hg_mem **link = &c->recycled;
    while (*link != NULL && !fits(*link, cap))
        link = &(*link)->next;
    struct hg_mem *m = *link;
    if (m != NULL) {
        *link = m->next;
        sub64(&c->recycled_bytes, m->cap);
    }
    hg_mutex_unlock(c->io, &c->value_lock);
    return m;
}

/* 1 when the cache keeps the buffer for later. */
static int recycle(struct hg_cache *c, struct hg_mem *m)
{
    uint64_t most = c->budget / RECYCLE_SHARE;
    if (m->cap < RECYCLE_MIN || m->cap > most || peek64(&c->used) > c->budget)
        return 0;
    hg_mutex_lock(c->io, &c->value_lock);
    int keep = peek64(&c->recycled_bytes) <= most - m->cap;
    if (keep) {
        m->next = c->recycled;
        c->recycled = m;
        add64(&c->recycled_bytes, m->cap);
    }
    hg_mutex_unlock(c->io, &c->value_lock);
    return keep;
}

uint64_t hg_cache_evict_recycled(struct hg_cache *c, uint64_t want)
{
    uint64_t freed = 0;
    struct hg_mem *gone = NULL;

    if (peek64(&c->recycled_bytes) == 0)
        return 0;
    hg_mutex_lock(c->io, &c->value_lock);
    while (c->recycled != NULL && freed < want) {
        struct hg_mem *m = c->recycled;
        c->recycled = m->next;
        sub64(&c->recycled_bytes, m->cap);
        freed += m->cap;
        m->next = gone;
        gone = m;
    }
    hg_mutex_unlock(c->io, &c->value_lock);
    free_list(gone);
    return freed;
}

/* ---- list and hash (value_lock held) -----------------------------------------------------*/

static struct hg_mem **bucket_of(struct hg_cache *c, hg_pos birth)
{
    uint64_t h = birth * UINT64_C(0x9E3779B97F4A7C15);
    return &c->buckets[(uint32_t)(h >> 40) & c->bucket_mask];
}

static struct hg_mem *find_value(struct hg_cache *c, hg_pos birth, uint64_t form)
{
    struct hg_mem *m = *bucket_of(c, birth);
    while (m != NULL && (m->birth != birth || m->form != form))
        m = m->hash_next;
    return m;
}

static void list_remove(struct hg_cache *c, struct hg_mem *m)
{
    struct value_list *l = m->saved ? &c->saved : &c->read;
    if (m->prev != NULL)
        m->prev->next = m->next;
    else
        l->newest = m->next;
    if (m->next != NULL)
        m->next->prev = m->prev;
    else
        l->oldest = m->prev;
    if (m->saved)
        sub64(&c->saved_bytes, m->cap);
}

static void list_add(struct hg_cache *c, struct hg_mem *m, int saved)
{
    struct value_list *l = saved ? &c->saved : &c->read;
    m->saved = saved;
    m->prev = NULL;
    m->next = l->newest;
    if (m->next != NULL)
        m->next->prev = m;
    else
        l->oldest = m;
    l->newest = m;
    if (saved)
        add64(&c->saved_bytes, m->cap);
}

/* The cache forgets the value; its count is the caller's now. */
static void forget_value(struct hg_cache *c, struct hg_mem *m)
{
    struct hg_mem **link = bucket_of(c, m->birth);
    while (*link != m)
        link = &(*link)->hash_next;
    *link = m->hash_next;
    list_remove(c, m);
    m->birth = 0;
    sub64(&c->value_bytes, m->cap);
}

/* Nobody but the cache has a count, and nobody can get one but under value_lock. */
static int only_ours(const struct hg_mem *m)
{
    return __atomic_load_n(&m->refs, __ATOMIC_ACQUIRE) == 1;
}

static uint64_t evict_list(struct hg_cache *c, struct value_list *l, uint64_t want)
{
    uint64_t freed = 0;
    uint64_t count = 0;
    struct hg_mem *gone = NULL;
    struct hg_mem *prev;

    hg_mutex_lock(c->io, &c->value_lock);
    for (struct hg_mem *m = l->oldest; m != NULL && freed < want; m = prev) {
        prev = m->prev;
        if (!only_ours(m))
            continue;
        forget_value(c, m);
        freed += m->cap;
        count++;
        m->next = gone;
        gone = m;
    }
    hg_mutex_unlock(c->io, &c->value_lock);
    add64(&c->evictions, count);
    free_list(gone);
    return freed;
}

uint64_t hg_cache_evict_values(struct hg_cache *c, uint64_t want)
{
    uint64_t freed = evict_list(c, &c->saved, want);
    return freed < want ? freed + evict_list(c, &c->read, want - freed) : freed;
}

/* The buffer of an old value of about this size, without unmapping it, or NULL. */
static struct hg_mem *steal_from(struct hg_cache *c, struct value_list *l, size_t cap)
{
    struct hg_mem *found = NULL;

    hg_mutex_lock(c->io, &c->value_lock);
    struct hg_mem *m = l->oldest;
    for (int i = 0; i < STEAL_DEPTH && m != NULL && found == NULL; i++, m = m->prev)
        if (fits(m, cap) && only_ours(m))
            found = m;
    if (found != NULL)
        forget_value(c, found);
    hg_mutex_unlock(c->io, &c->value_lock);
    if (found != NULL)
        add64(&c->evictions, 1);
    return found;
}

/* Where a new buffer would take more of the budget than there is, or where enough was saved and not
 * read since, an old value gives its own. */
static struct hg_mem *steal_value(struct hg_cache *c, size_t cap)
{
    uint64_t most = HG_MIN(c->budget / SAVED_SHARE, (uint64_t)SAVED_MAX);
    uint64_t saved = peek64(&c->saved_bytes);
    int full = peek64(&c->used) + cap > c->budget;
    struct hg_mem *m = NULL;

    if (cap >= RECYCLE_MIN && (full || saved + cap > most))
        m = steal_from(c, &c->saved, cap);
    if (m == NULL && cap >= RECYCLE_MIN && full)
        m = steal_from(c, &c->read, cap);
    if (m == NULL && saved + cap > most)
        (void)evict_list(c, &c->saved, saved + cap - most); /* they are of other sizes */
    return m;
}

/* ---- the interface --------------------------------------------------------------------------------------*/

static int mem_alloc(struct hg_cache *c, size_t cap, struct hg_mem **out_mem)
{
    int rc = hg_budget_take(c, cap);
    if (rc < 0)
        return rc;
    struct hg_mem *m = hg_calloc(1, sizeof *m);
    uint8_t *data = m == NULL            ? NULL
                    : cap >= RECYCLE_MIN ? hg_alloc_pages(cap)
                                         : hg_alloc_aligned(HG_IO_BLOCK, cap);
    if (data == NULL) {
        hg_free(m);
        hg_budget_give(c, cap);
        (void)hg_error(HOLOG_E_NOMEM, "no memory for a value of %zu bytes", cap);
        return HOLOG_E_NOMEM;
    }
    m->data = data;
    m->cap = cap;
    m->cache = c;
    *out_mem = m;
    return HOLOG_OK;
}

/* Above the budget it is refused; rounding it up must not wrap on the way there. */
static size_t cap_for(const struct hg_cache *c, size_t len)
{
    size_t cap = HG_MAX(len, (size_t)1);

    if (cap <= c->budget && cap < SIZE_MAX - HG_IO_BLOCK)
        cap = HG_ALIGN_UP(cap, (size_t)HG_IO_BLOCK);
    return cap;
}

/* m: a buffer that was used before; NULL: there is none, and a new one has `cap` bytes. */
static int mem_begin(struct hg_cache *c, struct hg_mem *m, size_t len, size_t cap,
                     struct hg_mem **out_mem)
{
    int rc = m == NULL ? mem_alloc(c, cap, &m) : HOLOG_OK;

    if (rc < 0)
        return rc;
    m->len = len;
    m->refs = 1;
    m->form = 0;
    m->made = 0;
    memset(m->data + len, 0, HG_ALIGN_UP(HG_MAX(len, (size_t)1), (size_t)HG_IO_BLOCK) - len);
    *out_mem = m;
    return HOLOG_OK;
}

int hg_mem_new(struct hg_cache *c, size_t len, struct hg_mem **out_mem)
{
    size_t cap = cap_for(c, len);
    struct hg_mem *m = take_recycled(c, cap);

    if (m == NULL)
        m = steal_value(c, cap);
    return mem_begin(c, m, len, cap, out_mem);
}

int hg_mem_new_passing(struct hg_cache *c, size_t len, struct hg_mem **out_mem)
{
    size_t cap = cap_for(c, len);
    struct hg_mem *m;

    if (c->budget / PASSING_SHARE >= PASSING_MIN)
        cap = HG_MAX(cap, (size_t)PASSING_MIN);
    m = take_recycled(c, cap);
    if (m != NULL)
        m->huge = hg_alloc_more_huge(m->data, m->cap, m->huge);
    return mem_begin(c, m, len, cap, out_mem);
}

void hg_mem_get(struct hg_mem *m)
{
    uint32_t before = __atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED);
    HG_ASSERT(before > 0);
}

void hg_mem_put(struct hg_mem *m)
{
    if (m == NULL)
        return;
    uint32_t before = __atomic_fetch_sub(&m->refs, 1, __ATOMIC_ACQ_REL);
    HG_ASSERT(before > 0);
    if (before == 1 && !recycle(m->cache, m))
        mem_free(m);
}

void hg_cache_offer(struct hg_cache *c, hg_pos birth, struct hg_mem *m, int saved)
{
    HG_ASSERT(m->cache == c && birth != 0);
    hg_mutex_lock(c->io, &c->value_lock);
    if (m->birth == 0 && find_value(c, birth, m->form) == NULL) {
        hg_mem_get(m);
        m->birth = birth;
        m->hash_next = *bucket_of(c, birth);
        *bucket_of(c, birth) = m;
        list_add(c, m, saved);
        add64(&c->value_bytes, m->cap);
    }
    hg_mutex_unlock(c->io, &c->value_lock);
}

static struct hg_mem *hold(struct hg_cache *c, hg_pos birth, uint64_t form)
{
    hg_mutex_lock(c->io, &c->value_lock);
    struct hg_mem *m = find_value(c, birth, form);
    if (m != NULL) {
        hg_mem_get(m);
        list_remove(c, m);
        list_add(c, m, 0);
    }
    hg_mutex_unlock(c->io, &c->value_lock);
    return m;
}

struct hg_mem *hg_cache_hold(struct hg_cache *c, hg_pos birth)
{
    return hold(c, birth, 0);
}

struct hg_mem *hg_cache_find_form(struct hg_cache *c, hg_pos birth, uint64_t form)
{
    struct hg_mem *m = hold(c, birth, form);
    if (m != NULL)
        hg_cache_count_hit(c);
    return m;
}

int hg_cache_has_form(struct hg_cache *c, hg_pos birth, uint64_t form)
{
    hg_mutex_lock(c->io, &c->value_lock);
    int there = find_value(c, birth, form) != NULL;
    hg_mutex_unlock(c->io, &c->value_lock);
    return there;
}

void hg_cache_count_miss(struct hg_cache *c)
{
    add64(&c->misses, 1);
}

void hg_cache_forget(struct hg_cache *c, hg_pos birth)
{
    hg_mutex_lock(c->io, &c->value_lock);
    struct hg_mem *m = find_value(c, birth, 0);
    if (m != NULL && only_ours(m))
        forget_value(c, m);
    else
        m = NULL;
    hg_mutex_unlock(c->io, &c->value_lock);
    hg_mem_put(m);
}

int hg_cache_again(struct hg_cache *c, hg_pos birth, uint64_t bytes)
{
    uint32_t at = (uint32_t)((birth * UINT64_C(0x9E3779B97F4A7C15)) >> 32) % HG_CACHE_PARTED;
    hg_pos before = atomic_exchange_explicit(&c->parted[at], birth, memory_order_relaxed);

    return before == birth && peek64(&c->used) + bytes <= c->budget;
}

struct hg_mem *hg_cache_find(struct hg_cache *c, hg_pos birth)
{
    struct hg_mem *m = hg_cache_hold(c, birth);
    if (m != NULL)
        hg_cache_count_hit(c);
    else
        add64(&c->misses, 1);
    return m;
}

void hg_cache_drop_values(struct hg_cache *c)
{
    while (c->saved.newest != NULL || c->read.newest != NULL) {
        struct hg_mem *m = c->saved.newest != NULL ? c->saved.newest : c->read.newest;
        HG_ASSERT(only_ours(m));
        forget_value(c, m);
        mem_free(m);
    }
    free_list(c->recycled);
}
