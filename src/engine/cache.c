/*
 * The cache. See cache.h for the contract.
 *
 * PAGES. A page is 64 KiB of a segment and, behind them in the same allocation, its header. It is
 * reached from its segment's array, by number, and is in a ring that the hand of CLOCK goes round.
 * Its state is one word: how many bytes from its start are valid, and two flags.
 *
 *   P1  A slot of an array, the ring and the hand change only under page_lock.
 *   P2  GONE is set, once and for ever, by a compare-and-swap on a word without flags (or by the
 *       committer, on a page it has pinned), before the page leaves its slot and is retired.
 *       Readers inside an epoch may go on using it.
 *   P3  PINNED is set the same way by the committer, who then alone changes bytes above `valid` and
 *       the word. So an append can never meet an eviction half-way: one of the two swaps fails.
 *   P4  Bytes below `valid` never change. More of them come by a release store of the word after
 *       the bytes (the committer), or in a new page in the old one's place (everybody else).
 *   P5  A page is evicted only when all its valid bytes are below `written` of its segment; so
 *       whatever the committer does not find any more it can read from the file.
 *   P6  What is filled from the file ends at `written`: above it the file may hold anything.
 *
 * The table of segments is open addressing over pointers, only added to, replaced by a larger one
 * when half full. Segments stay until the cache ends; the old table is retired.
 *
 * VALUES are cache_value.c.
 *
 * MEMORY. `used` is what the budget is held against: pages, values, recycled buffers, what others
 * took, the index. A retired page leaves `used` at once, though readers inside an epoch may keep
 * its memory a little longer (`limbo`); whoever evicts waits a moment when that grows.
 *
 * Locks: page_lock, value_lock; never one inside the other, nothing else inside either, no I/O and
 * nothing that waits under them.
 */
#include "engine/cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/cache_internal.h"

#define PAGE_MASK   (HG_PAGE_BYTES - 1)
#define PAGE_COST   (HG_PAGE_BYTES + HG_IO_BLOCK) /* with its header, and what alignment wastes */
#define VALID_MASK  0x1ffffu
#define PAGE_PINNED 0x20000u
#define PAGE_GONE   0x40000u

#define TABLE_MIN      64u
#define BUCKETS_MIN    256u
#define BUCKETS_MAX    65536u
#define LIMBO_SHARE    16
#define LIMBO_WAITS    20
#define LIMBO_WAIT_NS  (100u * 1000u)
#define EVICT_SHARE    64 /* evict a little more than asked: the next one will want it too */
#define EVICT_MORE_MAX (1u << 20)
#define TAKE_ROUNDS    64 /* others take what we evicted: give up after so many */

static_assert(HG_PAGE_BYTES <= VALID_MASK, "a whole page's length fits the state word");
static_assert((HG_PAGE_BYTES & PAGE_MASK) == 0, "page numbers are shifts");

struct segment;

struct page {
    struct hg_retired retired; /* first */
    _Atomic uint32_t state;    /* valid bytes | PAGE_ flags */
    _Atomic uint32_t referenced;
    uint32_t number;          /* fixed */
    struct segment *seg;      /* fixed */
    struct page *prev, *next; /* page_lock; before publishing: the maker's list */
};

static_assert(sizeof(struct page) <= 64, "a header is one line, anywhere in its 4 KiB");

struct page_array {
    uint64_t made_for;              /* pages */
    _Atomic(struct page *) slots[]; /* made_for of them */
};

struct segment {
    struct hg_cache *cache; /* fixed, as the next three */
    uint32_t id;
    enum hg_segment_kind kind;
    uint32_t n_pages;
    _Atomic int replaced; /* its pages do not come from its file */
    _Atomic uint64_t written;
    _Atomic(struct page_array *) pages; /* NULL until a page is wanted; then fixed */
    uint64_t put_end; /* the segment's committer: end of what was put; 0 = nothing yet */
};

struct table {
    struct hg_retired retired; /* first */
    uint32_t mask;
    _Atomic(struct segment *) slots[]; /* mask + 1 */
};

/* ---- counting ------------------------------------------------------------------------------------*/

/* A thread has a stripe to itself while there are no more than HG_CACHE_STRIPES; beyond, two threads on one
 * may lose a hit now and then. A locked add would cost more than the rest of a hit. */
static struct stripe *own_stripe(struct hg_cache *c)
{
    static _Atomic uint32_t next_stripe;
    static _Thread_local uint32_t mine __attribute__((tls_model("initial-exec")));
    if (mine == 0)
        mine =
            atomic_fetch_add_explicit(&next_stripe, 1, memory_order_relaxed) % HG_CACHE_STRIPES + 1;
    return &c->stripes[mine - 1];
}

static void count(_Atomic uint64_t *sum, uint64_t n)
{
    atomic_store_explicit(sum, peek64(sum) + n, memory_order_relaxed);
}

void hg_cache_count_hit(struct hg_cache *c)
{
    count(&own_stripe(c)->hits, 1);
}

void hg_cache_count_loaded(struct hg_cache *c, uint64_t bytes)
{
    count(&own_stripe(c)->loaded, bytes);
}

/* ---- segments ------------------------------------------------------------------------------------*/

/* Inside an epoch, or with page_lock held. */
static struct segment *find_in_table(struct hg_cache *c, uint32_t id)
{
    struct table *t = atomic_load_explicit(&c->table, memory_order_acquire);
    for (uint32_t i = id & t->mask;; i = (i + 1) & t->mask) {
        struct segment *seg = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (seg == NULL || seg->id == id)
            return seg;
    }
}

/* Segments stay, so what is found may be used outside the epoch. */
static struct segment *find_segment(struct hg_cache *c, uint32_t id)
{
    hg_mutex_lock(c->io, &c->page_lock);
    struct segment *seg = find_in_table(c, id);
    hg_mutex_unlock(c->io, &c->page_lock);
    return seg;
}

static void table_insert(struct table *t, struct segment *seg)
{
    uint32_t i = seg->id & t->mask; /* ids are a sequence: neighbours do not collide */
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != NULL)
        i = (i + 1) & t->mask;
    atomic_store_explicit(&t->slots[i], seg, memory_order_release);
}

static struct table *table_new(uint32_t slots)
{
    struct table *t = hg_calloc(1, sizeof *t + slots * sizeof(t->slots[0]));
    if (t != NULL)
        t->mask = slots - 1;
    return t;
}

static void table_destroy(struct hg_retired *self)
{
    hg_free(self);
}

/* page_lock held. Room for one more. *out_old: the table to retire, or NULL. */
static int grow_table(struct hg_cache *c, struct table **out_old)
{
    struct table *old = atomic_load_explicit(&c->table, memory_order_relaxed);
    *out_old = NULL;
    if (c->n_segments < old->mask / 2)
        return HOLOG_OK;
    struct table *t = old->mask < UINT32_MAX / 4 ? table_new((old->mask + 1) * 2) : NULL;
    if (t == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a table of %u segments", c->n_segments);
    for (uint32_t i = 0; i <= old->mask; i++) {
        struct segment *seg = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (seg != NULL)
            table_insert(t, seg);
    }
    atomic_store_explicit(&c->table, t, memory_order_release);
    *out_old = old;
    return HOLOG_OK;
}

int hg_cache_add_segment(struct hg_cache *c, uint32_t id, enum hg_segment_kind kind,
                         uint64_t size_max)
{
    struct table *old = NULL;
    int rc = HOLOG_OK;

    HG_ASSERT(id != 0 && size_max > 0 && size_max <= UINT32_MAX);
    struct segment *seg = hg_calloc(1, sizeof *seg);
    if (seg == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for segment %u", id);
    seg->cache = c;
    seg->id = id;
    seg->kind = kind;
    seg->n_pages = (uint32_t)((size_max + PAGE_MASK) / HG_PAGE_BYTES);

    hg_mutex_lock(c->io, &c->page_lock);
    if (find_in_table(c, id) == NULL) {
        rc = grow_table(c, &old);
        if (rc == HOLOG_OK) {
            table_insert(atomic_load_explicit(&c->table, memory_order_relaxed), seg);
            c->n_segments++;
            seg = NULL;
        }
    }
    hg_mutex_unlock(c->io, &c->page_lock);
    if (old != NULL)
        hg_epoch_retire(c->domain, &old->retired, table_destroy);
    hg_free(seg);
    return rc;
}

void hg_cache_set_written(struct hg_cache *c, uint32_t id, uint64_t written)
{
    struct hg_epoch_slot *slot = hg_epoch_enter(c->domain);
    struct segment *seg = slot != NULL ? find_in_table(c, id) : find_segment(c, id);
    if (slot != NULL)
        hg_epoch_leave(slot);
    if (seg == NULL)
        return; /* nothing of it is cached */
    uint64_t now = peek64(&seg->written);
    while (now < written &&
           !atomic_compare_exchange_weak_explicit(&seg->written, &now, written,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

void hg_cache_ask_for_replaced(struct hg_cache *c, hg_cache_replaced_fn fn, void *ctx)
{
    c->replaced = fn;
    c->replaced_ctx = ctx;
}

void hg_cache_replace(struct hg_cache *c, uint32_t id)
{
    hg_mutex_lock(c->io, &c->page_lock);
    struct segment *seg = find_in_table(c, id);
    if (seg != NULL)
        atomic_store_explicit(&seg->replaced, 1, memory_order_release);
    hg_mutex_unlock(c->io, &c->page_lock);
}

static int is_replaced(struct segment *seg)
{
    return atomic_load_explicit(&seg->replaced, memory_order_acquire);
}

static uint64_t written_of(struct segment *seg)
{
    return atomic_load_explicit(&seg->written, memory_order_acquire);
}

/* ---- pages: memory -------------------------------------------------------------------------------*/

/* The header lies in the last 4 KiB of the page's memory; in neighbours at different places, for
 * else all headers would share a few sets of the processor's caches. */
static struct page *page_header(uint8_t *data, uint32_t number)
{
    uint32_t place = number % (HG_IO_BLOCK / 64) * 64;
    return (struct page *)(void *)(data + HG_PAGE_BYTES + place);
}

static uint8_t *page_data(struct page *p)
{
    return (uint8_t *)p - ((uintptr_t)p & (HG_IO_BLOCK - 1)) - HG_PAGE_BYTES;
}

static uint64_t page_start(const struct page *p)
{
    return (uint64_t)p->number * HG_PAGE_BYTES;
}

static uint32_t page_state(struct page *p)
{
    return atomic_load_explicit(&p->state, memory_order_acquire);
}

/* A page of our own, nothing valid; its budget is taken. */
static int page_new(struct segment *seg, uint32_t number, struct page **out_page)
{
    struct hg_cache *c = seg->cache;
    int rc = hg_budget_take(c, PAGE_COST);
    if (rc < 0)
        return rc;
    uint8_t *data = hg_slab_alloc(&c->slab);
    if (data == NULL) {
        hg_budget_give(c, PAGE_COST);
        (void)hg_error(HOLOG_E_NOMEM, "no memory for a page of the cache");
        return HOLOG_E_NOMEM;
    }
    struct page *p = page_header(data, number);
    memset(p, 0, sizeof *p);
    p->number = number;
    p->seg = seg;
    *out_page = p;
    return HOLOG_OK;
}

/* A page that was never published. */
static void page_drop(struct page *p)
{
    if (p == NULL)
        return;
    struct hg_cache *c = p->seg->cache;
    hg_slab_free(&c->slab, page_data(p));
    hg_budget_give(c, PAGE_COST);
}

static void page_destroy(struct hg_retired *self)
{
    struct page *p = (struct page *)(void *)self;
    struct hg_cache *c = p->seg->cache;
    hg_slab_free(&c->slab, page_data(p));
    sub64(&c->limbo, PAGE_COST);
}

/* A page that has left its slot. */
static void page_retire(struct hg_cache *c, struct page *p)
{
    sub64(&c->used, PAGE_COST);
    add64(&c->limbo, PAGE_COST);
    hg_epoch_retire(c->domain, &p->retired, page_destroy);
}

static void retire_list(struct hg_cache *c, struct page *list)
{
    while (list != NULL) {
        struct page *next = list->next;
        page_retire(c, list);
        list = next;
    }
}

int hg_cache_low(struct hg_cache *c)
{
    return hg_slab_low(&c->slab);
}

void hg_cache_prepare(struct hg_cache *c)
{
    hg_slab_prepare(&c->slab);
}

/* The array of a segment's pages, made when first wanted. */
static int pages_of(struct segment *seg, struct page_array **out_pages)
{
    struct hg_cache *c = seg->cache;
    struct page_array *pages = atomic_load_explicit(&seg->pages, memory_order_acquire);
    if (pages == NULL) {
        uint64_t bytes = sizeof *pages + seg->n_pages * sizeof(pages->slots[0]);
        int rc = hg_budget_take(c, bytes);
        if (rc < 0)
            return rc;
        struct page_array *made = hg_calloc(1, bytes);
        if (made != NULL)
            made->made_for = seg->n_pages;
        if (made != NULL && atomic_compare_exchange_strong(&seg->pages, &pages, made)) {
            *out_pages = made;
            return HOLOG_OK;
        }
        hg_budget_give(c, bytes);
        hg_free(made); /* somebody was faster */
        if (pages == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for the pages of segment %u", seg->id);
    }
    *out_pages = pages;
    return HOLOG_OK;
}

/* ---- pages: ring and slots (page_lock held) ------------------------------------------------------*/

/* Just behind the hand: a whole turn before it is looked at. */
static void ring_add(struct hg_cache *c, struct page *p)
{
    if (c->hand == NULL) {
        p->prev = p;
        p->next = p;
        c->hand = p;
    } else {
        p->next = c->hand;
        p->prev = c->hand->prev;
        p->prev->next = p;
        p->next->prev = p;
    }
    add64(&c->page_bytes, PAGE_COST);
}

static void ring_remove(struct hg_cache *c, struct page *p)
{
    if (p->next == p) {
        c->hand = NULL;
    } else {
        p->prev->next = p->next;
        p->next->prev = p->prev;
        if (c->hand == p)
            c->hand = p->next;
    }
    sub64(&c->page_bytes, PAGE_COST);
}

static _Atomic(struct page *) *slot_of(struct page *p)
{
    return &atomic_load_explicit(&p->seg->pages, memory_order_relaxed)->slots[p->number];
}

/* p takes its slot; what was there joins *retired. */
static void publish(struct hg_cache *c, struct page *p, struct page **retired)
{
    struct page *old = atomic_load_explicit(slot_of(p), memory_order_relaxed);
    atomic_store_explicit(slot_of(p), p, memory_order_release);
    ring_add(c, p);
    if (old == NULL)
        return;
    atomic_fetch_or_explicit(&old->state, PAGE_GONE, memory_order_relaxed);
    ring_remove(c, old);
    old->next = *retired;
    *retired = old;
}

/* 1 when the page may go, and is marked as gone (P2, P5). */
static int claim_page(struct page *p)
{
    uint32_t state = page_state(p);
    if ((state & (PAGE_PINNED | PAGE_GONE)) != 0 || page_start(p) + state > written_of(p->seg))
        return 0;
    if (atomic_load_explicit(&p->referenced, memory_order_relaxed) != 0) {
        atomic_store_explicit(&p->referenced, 0, memory_order_relaxed);
        return 0;
    }
    return atomic_compare_exchange_strong(&p->state, &state, state | PAGE_GONE);
}

/* Bytes evicted, at least `want` unless there are no more. Takes and releases page_lock. */
static uint64_t evict_pages(struct hg_cache *c, uint64_t want)
{
    uint64_t freed = 0;
    struct page *gone = NULL;

    hg_mutex_lock(c->io, &c->page_lock);
    for (uint64_t left = 2 * peek64(&c->page_bytes) / PAGE_COST;
         left > 0 && freed < want && c->hand != NULL; left--) {
        struct page *p = c->hand;
        c->hand = p->next;
        if (!claim_page(p))
            continue;
        atomic_store_explicit(slot_of(p), NULL, memory_order_release);
        ring_remove(c, p);
        p->next = gone;
        gone = p;
        freed += PAGE_COST;
    }
    hg_mutex_unlock(c->io, &c->page_lock);
    add64(&c->evictions, freed / PAGE_COST);
    retire_list(c, gone);
    return freed;
}

/* ---- budget --------------------------------------------------------------------------------------*/

/* Retired pages are freed when no reader is inside any more: see to it, and wait a moment when they
 * have become many. */
static void settle(struct hg_cache *c)
{
    uint64_t most = HG_MAX(c->budget / LIMBO_SHARE, (uint64_t)PAGE_COST * 4);
    if (peek64(&c->limbo) == 0)
        return;
    hg_epoch_poll(c->domain);
    for (int i = 0; i < LIMBO_WAITS && peek64(&c->limbo) > most; i++) {
        c->io->ops->sleep_ns(c->io, LIMBO_WAIT_NS);
        hg_epoch_poll(c->domain);
    }
}

/* Evict about `want` bytes, from what there is more of. 0: nothing could go, or not enough. */
static uint64_t make_room(struct hg_cache *c, uint64_t want)
{
    uint64_t cached = peek64(&c->page_bytes) + peek64(&c->value_bytes);
    if (cached + peek64(&c->recycled_bytes) < want)
        return 0; /* before anything is thrown out in vain */
    uint64_t freed = hg_cache_evict_recycled(c, want);
    want += HG_MIN(c->budget / EVICT_SHARE, (uint64_t)EVICT_MORE_MAX);
    for (int tries = 0; freed < want && tries < 2;) {
        int pages = (peek64(&c->page_bytes) >= peek64(&c->value_bytes)) == (tries == 0);
        uint64_t n = pages
                         ? evict_pages(c, HG_MIN(want - freed, (uint64_t)EVICT_MORE_MAX))
                         : hg_cache_evict_values(c, HG_MIN(want - freed, (uint64_t)EVICT_MORE_MAX));
        freed += n;
        tries += n == 0; /* nothing on that side: try the other, then give up */
    }
    settle(c);
    return freed;
}

/* 1 when `bytes` are the caller's; else *out_over is by how much they are too many. */
static int try_take(struct hg_cache *c, uint64_t bytes, uint64_t *out_over)
{
    uint64_t used = peek64(&c->used);
    while (used <= c->budget && bytes <= c->budget - used)
        if (atomic_compare_exchange_weak_explicit(&c->used, &used, used + bytes,
                                                  memory_order_relaxed, memory_order_relaxed))
            return 1;
    *out_over = used + bytes - c->budget;
    return 0;
}

int hg_budget_take(struct hg_cache *c, uint64_t bytes)
{
    uint64_t over = bytes;
    for (int round = 0; round < TAKE_ROUNDS && bytes <= c->budget; round++) {
        if (try_take(c, bytes, &over))
            return HOLOG_OK;
        if (make_room(c, over) == 0)
            break;
    }
    (void)hg_error(HOLOG_E_BUDGET,
                   "%llu bytes of memory wanted, %llu of the budget of %llu are in use; a larger "
                   "budget_bytes (HOLOG_BUDGET) has room",
                   (unsigned long long)bytes, (unsigned long long)peek64(&c->used),
                   (unsigned long long)c->budget);
    return HOLOG_E_BUDGET;
}

void hg_budget_give(struct hg_cache *c, uint64_t bytes)
{
    sub64(&c->used, bytes);
}

void hg_budget_set_index(struct hg_cache *c, uint64_t bytes)
{
    uint64_t before = atomic_exchange_explicit(&c->index_bytes, bytes, memory_order_relaxed);
    if (bytes <= before) {
        sub64(&c->used, before - bytes);
        return;
    }
    add64(&c->used, bytes - before);
    uint64_t used = peek64(&c->used);
    if (used > c->budget)
        (void)make_room(c, used - c->budget); /* as far as it goes: the index is not refused */
}

/* ---- reading -------------------------------------------------------------------------------------*/

/* The page that holds offset, when its byte there is valid. Inside an epoch. */
static struct page *peek_page(struct hg_cache *c, uint32_t id, uint64_t offset, size_t *out_len)
{
    struct segment *seg = find_in_table(c, id);
    if (seg == NULL || offset / HG_PAGE_BYTES >= seg->n_pages)
        return NULL;
    struct page_array *pages = atomic_load_explicit(&seg->pages, memory_order_acquire);
    if (pages == NULL)
        return NULL;
    struct page *p =
        atomic_load_explicit(&pages->slots[offset / HG_PAGE_BYTES], memory_order_acquire);
    if (p == NULL)
        return NULL;
    uint32_t valid = page_state(p) & VALID_MASK;
    uint32_t in = (uint32_t)offset & PAGE_MASK;
    if (in >= valid)
        return NULL;
    /* Written only when it changes something: the line stays shared between readers. */
    if (atomic_load_explicit(&p->referenced, memory_order_relaxed) == 0)
        atomic_store_explicit(&p->referenced, 1, memory_order_relaxed);
    *out_len = valid - in;
    return p;
}

const uint8_t *hg_cache_peek(struct hg_cache *c, uint32_t id, uint64_t offset, size_t min_len,
                             size_t *out_len)
{
    size_t len = 0;
    struct page *p = peek_page(c, id, offset, &len);
    if (p == NULL || len < min_len)
        return NULL;
    hg_cache_count_hit(c);
    *out_len = len;
    return page_data(p) + (offset & PAGE_MASK);
}

/* A filled page takes its slot, unless what is there is as good or being appended to. */
static void publish_filled(struct hg_cache *c, struct page *p)
{
    struct page *retired = NULL;
    uint32_t valid = page_state(p);

    hg_mutex_lock(c->io, &c->page_lock);
    struct page *old = atomic_load_explicit(slot_of(p), memory_order_relaxed);
    uint32_t state = old != NULL ? page_state(old) : 0;
    /* A state with a flag is greater than any valid. */
    if (old == NULL ||
        (state < valid && atomic_compare_exchange_strong(&old->state, &state, state | PAGE_GONE))) {
        publish(c, p, &retired);
        p = NULL;
    }
    hg_mutex_unlock(c->io, &c->page_lock);
    retire_list(c, retired);
    page_drop(p);
}

/* Of one page of a segment that was replaced. *out_n 0: nothing lives there, or it has no such page. */
static int read_replaced(struct segment *seg, uint64_t offset, void *out, size_t len, size_t *out_n,
                         int *out_thin)
{
    struct hg_cache *c = seg->cache;
    int rc;

    HG_ASSERT(len <= HG_PAGE_BYTES - (offset & PAGE_MASK));
    *out_n = 0;
    *out_thin = 1;
    if (offset / HG_PAGE_BYTES >= seg->n_pages)
        return HOLOG_OK;
    rc = c->replaced(c->replaced_ctx, seg->id, offset, out, len, out_thin);
    if (rc == HOLOG_OK)
        *out_n = len;
    return HG_MIN(rc, 0);
}

/* Read from the file what is not, or cannot be, in a page. */
static int read_uncached(struct segment *seg, uint64_t offset, void *out, size_t len, size_t *out_n)
{
    size_t n = 0;
    int thin;
    if (is_replaced(seg))
        return read_replaced(seg, offset, out, len, out_n, &thin);
    int rc = hg_files_read(seg->cache->files, seg->id, seg->kind, out, len, offset, &n);
    if (rc < 0)
        return rc;
    *out_n = n;
    return HOLOG_OK;
}

/* Fill p with bytes [0, end) of its page, of which there may be fewer. */
static int fill_page(struct page *p, size_t end)
{
    size_t n = 0;
    size_t want = is_replaced(p->seg) ? HG_PAGE_BYTES : HG_ALIGN_UP(end, HG_IO_BLOCK);
    int rc = read_uncached(p->seg, page_start(p), page_data(p), want, &n);
    if (rc == HOLOG_OK)
        atomic_store_explicit(&p->state, (uint32_t)HG_MIN(n, end), memory_order_relaxed);
    return rc;
}

/* Copy from the page that holds offset, which is below `limit`, through a new page. 1: no page could
 * be had. */
static int read_filling(struct segment *seg, uint64_t offset, uint64_t limit, void *out, size_t len,
                        size_t *out_n)
{
    struct page_array *pages = NULL;
    struct page *p = NULL;
    uint32_t number = (uint32_t)(offset / HG_PAGE_BYTES);
    size_t in = (size_t)(offset & PAGE_MASK);

    if (pages_of(seg, &pages) < 0 || page_new(seg, number, &p) < 0)
        return 1; /* a read needs no memory of ours */
    int rc = fill_page(p, (size_t)HG_MIN(limit - page_start(p), (uint64_t)HG_PAGE_BYTES));
    size_t valid = page_state(p);
    if (rc < 0 || valid <= in) {
        page_drop(p);
        *out_n = 0; /* the file ends before offset */
        return rc;
    }
    *out_n = HG_MIN(valid - in, len);
    memcpy(out, page_data(p) + in, *out_n);
    publish_filled(seg->cache, p);
    return HOLOG_OK;
}

static int read_missed(struct hg_cache *c, struct segment *seg, uint32_t id, uint64_t offset,
                       void *out, size_t len, size_t *out_n)
{
    if (seg == NULL)
        return hg_error(HOLOG_E_STALE, "segment %u is not, or no longer, part of the store", id);
    add64(&c->misses, 1);
    int thin = 0;
    if (is_replaced(seg)) {
        int rc = read_replaced(seg, offset, out, len, out_n, &thin);
        if (rc < 0 || thin)
            return rc;
    }
    uint64_t limit = HG_MIN(written_of(seg), (uint64_t)seg->n_pages * HG_PAGE_BYTES);
    if (offset < limit) {
        int rc = read_filling(seg, offset, limit, out, len, out_n);
        if (rc <= 0)
            return rc;
    }
    return read_uncached(seg, offset, out, len, out_n);
}

int hg_cache_read(struct hg_cache *c, uint32_t id, uint64_t offset, void *out, size_t len,
                  size_t *out_n)
{
    size_t done = 0;
    while (done < len) {
        uint64_t at = offset + done;
        size_t want = HG_MIN(len - done, (size_t)(HG_PAGE_BYTES - (at & PAGE_MASK)));
        size_t n = 0;
        struct hg_epoch_slot *slot = hg_epoch_enter(c->domain);
        if (slot == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a reader's epoch");
        struct page *p = peek_page(c, id, at, &n);
        if (p != NULL) {
            n = HG_MIN(n, want);
            memcpy((uint8_t *)out + done, page_data(p) + (at & PAGE_MASK), n);
            hg_epoch_leave(slot);
            hg_cache_count_hit(c);
        } else {
            struct segment *seg = find_in_table(c, id);
            hg_epoch_leave(slot);
            int rc = read_missed(c, seg, id, at, (uint8_t *)out + done, want, &n);
            if (rc < 0)
                return rc;
            if (n == 0 && done == 0 && seg != NULL && is_replaced(seg))
                return hg_error(HOLOG_E_STALE, "segment %u was replaced, and nothing lives at %llu",
                                id, (unsigned long long)at);
            if (n == 0)
                break; /* the end of the file */
        }
        done += n;
    }
    *out_n = done;
    return HOLOG_OK;
}

/* ---- putting -------------------------------------------------------------------------------------*/

/* A put at work: everything is made before anything is shown. */
struct put {
    struct segment *seg;
    uint64_t offset;
    struct page *pinned; /* the page that offset lies in, as it was found */
    uint32_t valid;      /* of pinned */
    int in_place;        /* the first bytes go to pinned, else pinned is replaced */
    struct page *made;   /* by next, in order */
    struct page **made_end;
};

/* P3. NULL when there is no such page. */
static struct page *pin_page(struct segment *seg, uint32_t number, struct hg_epoch_slot *inside)
{
    HG_ASSERT(inside != NULL); /* between the two loads the page must not be freed */
    struct page_array *pages = atomic_load_explicit(&seg->pages, memory_order_acquire);
    struct page *p = atomic_load_explicit(&pages->slots[number], memory_order_acquire);
    if (p == NULL)
        return NULL;
    uint32_t state = page_state(p);
    do
        if ((state & PAGE_GONE) != 0)
            return NULL; /* on its way out: all of it is in the file (P5) */
    while (!atomic_compare_exchange_weak(&p->state, &state, state | PAGE_PINNED));
    HG_ASSERT((state & PAGE_PINNED) == 0); /* one committer at a time */
    return p;
}

static int put_add_page(struct put *put, uint32_t number, struct page **out_page)
{
    struct page *p = NULL;
    int rc = page_new(put->seg, number, &p);
    if (rc < 0)
        return rc;
    *put->made_end = p;
    put->made_end = &p->next;
    *out_page = p;
    return HOLOG_OK;
}

/* Bring bytes [0, in) of the page into p: what puts have brought, or the file holds, then zeros. */
static int rebuild_head(const struct put *put, struct page *p, uint32_t in)
{
    uint64_t start = page_start(p);
    uint64_t put_end = put->seg->put_end;
    uint32_t known = HG_MIN(put->valid, in);
    uint32_t end = in; /* the first put: whatever the file has stands before it */
    if (put_end != 0)
        end = put_end > start ? (uint32_t)HG_MIN(put_end - start, (uint64_t)in) : 0;

    if (known >= end) {
        if (known > 0)
            memcpy(page_data(p), page_data(put->pinned), known);
    } else {
        int rc = fill_page(p, end);
        if (rc < 0)
            return rc;
        known = page_state(p);
    }
    memset(page_data(p) + known, 0, in - known);
    return HOLOG_OK;
}

/* The page that offset lies in: appended to in place, or made anew. */
static int put_first_page(struct put *put)
{
    struct segment *seg = put->seg;
    uint32_t number = (uint32_t)(put->offset / HG_PAGE_BYTES);
    uint32_t in = (uint32_t)put->offset & PAGE_MASK;
    struct page *p = NULL;

    if (put->pinned != NULL) {
        uint64_t end = (uint64_t)number * HG_PAGE_BYTES + put->valid;
        put->in_place = put->valid == in || (put->valid < in && end == seg->put_end);
        if (put->in_place)
            return HOLOG_OK;
    }
    int rc = put_add_page(put, number, &p);
    if (rc < 0 || in == 0)
        return rc;
    return rebuild_head(put, p, in);
}

static int put_more_pages(struct put *put, size_t len)
{
    uint32_t last = (uint32_t)((put->offset + len - 1) / HG_PAGE_BYTES);
    int rc = HOLOG_OK;
    for (uint32_t i = (uint32_t)(put->offset / HG_PAGE_BYTES) + 1; i <= last && rc == HOLOG_OK;
         i++) {
        struct page *p = NULL;
        rc = put_add_page(put, i, &p);
    }
    return rc;
}

/* Copy what of [offset, offset + len) lies in p; its valid bytes end there. */
static void put_copy(struct put *put, struct page *p, const uint8_t *data, size_t len)
{
    uint64_t from = HG_MAX(page_start(p), put->offset);
    uint64_t to = HG_MIN(page_start(p) + HG_PAGE_BYTES, put->offset + len);
    memcpy(page_data(p) + (from - page_start(p)), data + (from - put->offset), to - from);
    /* Unpins with the same store. */
    atomic_store_explicit(&p->state, (uint32_t)(to - page_start(p)), memory_order_release);
    atomic_store_explicit(&p->referenced, 1, memory_order_relaxed);
}

static void put_show(struct put *put, const uint8_t *data, size_t len)
{
    struct hg_cache *c = put->seg->cache;
    struct page *retired = NULL;

    for (struct page *p = put->made; p != NULL; p = p->next)
        put_copy(put, p, data, len);
    if (put->made != NULL) {
        struct page *next;
        hg_mutex_lock(c->io, &c->page_lock);
        for (struct page *p = put->made; p != NULL; p = next) {
            next = p->next; /* publishing uses it for the ring */
            publish(c, p, &retired);
        }
        hg_mutex_unlock(c->io, &c->page_lock);
        retire_list(c, retired);
    }
    if (put->in_place) {
        uint32_t in = (uint32_t)put->offset & PAGE_MASK;
        memset(page_data(put->pinned) + put->valid, 0, in - put->valid);
        put_copy(put, put->pinned, data, len);
    }
    put->seg->put_end = put->offset + len;
}

static void put_undo(struct put *put)
{
    while (put->made != NULL) {
        struct page *next = put->made->next;
        page_drop(put->made);
        put->made = next;
    }
    if (put->pinned != NULL)
        atomic_store_explicit(&put->pinned->state, put->valid, memory_order_release);
}

/* Find the segment and pin the page that offset lies in. */
static int put_begin(struct hg_cache *c, uint32_t id, uint32_t offset, size_t len, struct put *put)
{
    struct page_array *pages = NULL;
    struct hg_epoch_slot *slot = hg_epoch_enter(c->domain);
    if (slot == NULL) {
        (void)hg_error(HOLOG_E_NOMEM, "no memory for a committer's epoch");
        return HOLOG_E_NOMEM;
    }
    struct segment *seg = find_in_table(c, id);
    int known = seg != NULL && (offset + (uint64_t)len - 1) / HG_PAGE_BYTES < seg->n_pages;
    int mapped = known && atomic_load_explicit(&seg->pages, memory_order_acquire) != NULL;
    if (mapped)
        put->pinned = pin_page(seg, offset / HG_PAGE_BYTES, slot);
    hg_epoch_leave(slot);

    if (!known) {
        (void)hg_error(HOLOG_E_INVAL, "bytes at %u of segment %u, which has no such place", offset,
                       id);
        return HOLOG_E_INVAL;
    }
    put->seg = seg;
    put->offset = offset;
    put->made_end = &put->made;
    if (put->pinned != NULL)
        put->valid = page_state(put->pinned) & VALID_MASK;
    return mapped ? HOLOG_OK : pages_of(seg, &pages);
}

int hg_cache_put(struct hg_cache *c, uint32_t id, uint32_t offset, const void *data, size_t len)
{
    struct put put = { 0 };
    if (len == 0)
        return HOLOG_OK;
    int rc = put_begin(c, id, offset, len, &put);
    if (rc < 0)
        return rc;
    rc = put_first_page(&put);
    if (rc == HOLOG_OK)
        rc = put_more_pages(&put, len);
    if (rc < 0)
        put_undo(&put);
    else
        put_show(&put, data, len);
    return rc;
}

/* ---- create and destroy --------------------------------------------------------------------------*/

void hg_cache_counters(struct hg_cache *c, struct hg_cache_counters *out)
{
    uint64_t hits = 0;
    uint64_t loaded = 0;
    for (unsigned i = 0; i < HG_CACHE_STRIPES; i++) {
        hits += peek64(&c->stripes[i].hits);
        loaded += peek64(&c->stripes[i].loaded);
    }
    *out = (struct hg_cache_counters){
        .bytes = peek64(&c->used),
        .budget = c->budget,
        .hits = hits,
        .misses = peek64(&c->misses),
        .evictions = peek64(&c->evictions),
        .bytes_read = hg_files_bytes_read(c->files),
        .bytes_loaded = loaded,
    };
}

int hg_cache_create(struct hg_io *io, struct hg_files *files, struct hg_epoch_domain *domain,
                    uint64_t budget_bytes, struct hg_cache **out_cache)
{
    uint32_t buckets = BUCKETS_MIN;
    while (buckets < BUCKETS_MAX && buckets < budget_bytes / HG_PAGE_BYTES)
        buckets *= 2;
    struct hg_cache *c = hg_alloc_aligned(_Alignof(struct hg_cache), sizeof(struct hg_cache));
    struct table *t = table_new(TABLE_MIN);
    struct hg_mem **heads = hg_calloc(buckets, sizeof(struct hg_mem *));
    if (c == NULL || t == NULL || heads == NULL) {
        hg_free(c);
        hg_free(t);
        hg_free(heads);
        return hg_error(HOLOG_E_NOMEM, "no memory for the cache");
    }
    memset(c, 0, sizeof *c);
    hg_slab_init(&c->slab, PAGE_COST, HG_IO_BLOCK);
    c->io = io;
    c->files = files;
    c->domain = domain;
    c->budget = budget_bytes;
    c->bucket_mask = buckets - 1;
    c->buckets = heads;
    atomic_store_explicit(&c->table, t, memory_order_relaxed);
    *out_cache = c;
    return HOLOG_OK;
}

static void destroy_segment(struct segment *seg)
{
    struct page_array *pages = atomic_load_explicit(&seg->pages, memory_order_relaxed);
    for (uint64_t i = 0; pages != NULL && i < pages->made_for; i++) {
        struct page *p = atomic_load_explicit(&pages->slots[i], memory_order_relaxed);
        if (p != NULL)
            hg_slab_free(&seg->cache->slab, page_data(p));
    }
    hg_free(pages);
    hg_free(seg);
}

void hg_cache_destroy(struct hg_cache *c)
{
    if (c == NULL)
        return;
    hg_epoch_synchronize(c->domain); /* what we retired points back at us */
    hg_cache_drop_values(c);
    struct table *t = atomic_load_explicit(&c->table, memory_order_relaxed);
    for (uint32_t i = 0; i <= t->mask; i++) {
        struct segment *seg = atomic_load_explicit(&t->slots[i], memory_order_relaxed);
        if (seg != NULL)
            destroy_segment(seg);
    }
    hg_slab_release(&c->slab);
    hg_free(t);
    hg_free(c->buckets);
    hg_free(c);
}
