/*
 * Epoch reclamation.
 *
 * The domain has one number, the epoch. A reader writes the epoch it saw into its own slot and
 * later clears it; it touches no other shared memory. The epoch may go from e to e+1 only while
 * every occupied slot says e.
 *
 * E1  An object is stamped with an epoch s read after it was unlinked.
 * E2  A reader that can still see the object announced itself before the unlink, so it holds the
 *     epoch at s or lets it advance once at most: a scan that began before the announcement may
 *     succeed after it, the next scan sees the slot.
 * E3  So at epoch s+2 no reader can see it, and it is freed.
 *
 * E2 needs the reader's announcement to be ordered before its first read, and the unlink before the
 * read of the epoch: both by sequentially consistent operations (Dekker's pattern).
 *
 * Retired objects are pushed on one lock-free list; poll takes the list, stamps it whole, and keeps
 * it in the bucket of its epoch. Three buckets suffice, since only poll advances the epoch, under
 * poll_lock, and frees what the advance made old.
 *
 * A slot belongs to a domain (domain->slots) and, while claimed, to a thread (its thread_slots
 * list). registry_lock guards claiming, giving back and the end of a domain; enter and leave take
 * no lock. A slot whose domain has ended is freed by its thread, at the thread's next claim or end.
 */
#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

#define SLOT_ALIGN   128 /* two lines: the neighbour line is prefetched with ours */
#define EPOCH_FIRST  1   /* 0 in a slot means: nobody inside */
#define EPOCH_BUCKET 3

struct hg_epoch_slot {
    _Atomic uint64_t epoch;               /* written by the owner, read by poll; 0 = not inside */
    uint32_t nesting;                     /* owner thread only */
    uint64_t domain_id;                   /* fixed while claimed */
    struct hg_epoch_slot *next_in_thread; /* owner thread only */
    struct hg_epoch_slot *next_in_domain; /* fixed once published */
    int claimed;                          /* registry_lock */
    int orphaned;                         /* registry_lock; the domain has ended */
};

struct hg_epoch_domain {
    _Alignas(SLOT_ALIGN) _Atomic uint64_t epoch; /* changed only under poll_lock */
    _Atomic(struct hg_epoch_slot *) slots;       /* grows at the head under registry_lock */
    uint64_t id;                                 /* fixed; never used again by another domain */
    _Alignas(SLOT_ALIGN) _Atomic(struct hg_retired *) incoming;
    pthread_mutex_t poll_lock;
    struct hg_retired *bucket[EPOCH_BUCKET]; /* poll_lock; retired at epoch e in bucket e % 3 */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;
static pthread_key_t registry_key; /* fixed after registry_once */
static int registry_key_ok;        /* fixed after registry_once */
static uint64_t registry_last_id;  /* registry_lock */

static _Thread_local struct hg_epoch_slot *thread_slots;

/* ---- slots ----------------------------------------------------------------------------------- */

/* registry_lock held; the slot is no longer in any thread's list. */
static void give_back_slot(struct hg_epoch_slot *slot)
{
    HG_ASSERT(slot->nesting == 0);
    if (slot->orphaned)
        hg_free(slot);
    else
        slot->claimed = 0;
}

static void thread_ended(void *unused)
{
    HG_UNUSED(unused);
    struct hg_epoch_slot *slot = thread_slots;
    thread_slots = NULL;
    (void)pthread_mutex_lock(&registry_lock); /* cannot fail: a plain mutex we never nest */
    while (slot != NULL) {
        struct hg_epoch_slot *next = slot->next_in_thread;
        give_back_slot(slot);
        slot = next;
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

static void make_registry_key(void)
{
    registry_key_ok = pthread_key_create(&registry_key, thread_ended) == 0;
}

/* registry_lock held. Takes slots of ended domains, or of domain `id`, out of this thread's list. */
static void purge_thread_slots(uint64_t id)
{
    struct hg_epoch_slot **link = &thread_slots;
    while (*link != NULL) {
        struct hg_epoch_slot *slot = *link;
        if (slot->orphaned || slot->domain_id == id) {
            *link = slot->next_in_thread;
            give_back_slot(slot);
        } else {
            link = &slot->next_in_thread;
        }
    }
}

/* registry_lock held. A slot that a thread gave back, or a new one; NULL without memory. */
static struct hg_epoch_slot *take_slot(struct hg_epoch_domain *d)
{
    struct hg_epoch_slot *slot = atomic_load_explicit(&d->slots, memory_order_relaxed);
    while (slot != NULL && slot->claimed)
        slot = slot->next_in_domain;
    if (slot == NULL) {
        slot = hg_alloc_aligned(SLOT_ALIGN, HG_ALIGN_UP(sizeof *slot, (size_t)SLOT_ALIGN));
        if (slot == NULL)
            return NULL;
        *slot = (struct hg_epoch_slot){ .domain_id = d->id };
        slot->next_in_domain = atomic_load_explicit(&d->slots, memory_order_relaxed);
        atomic_store(&d->slots, slot);
    }
    slot->claimed = 1;
    return slot;
}

static struct hg_epoch_slot *claim_slot(struct hg_epoch_domain *d)
{
    (void)pthread_once(&registry_once, make_registry_key); /* fails only on a bad argument */
    /* Any non-NULL value makes the destructor run at the thread's end. */
    if (!registry_key_ok || pthread_setspecific(registry_key, d) != 0)
        return NULL;
    (void)pthread_mutex_lock(&registry_lock);
    purge_thread_slots(0);
    struct hg_epoch_slot *slot = take_slot(d);
    (void)pthread_mutex_unlock(&registry_lock);
    if (slot != NULL) {
        slot->next_in_thread = thread_slots;
        thread_slots = slot;
    }
    return slot;
}

/* The calling thread's slot, moved to the front of its list; NULL when it has none. */
static struct hg_epoch_slot *find_slot(const struct hg_epoch_domain *d)
{
    struct hg_epoch_slot *slot = thread_slots;
    if (slot != NULL && slot->domain_id == d->id)
        return slot;
    for (struct hg_epoch_slot **link = &thread_slots; *link != NULL;
         link = &(*link)->next_in_thread) {
        slot = *link;
        if (slot->domain_id == d->id) {
            *link = slot->next_in_thread;
            slot->next_in_thread = thread_slots;
            thread_slots = slot;
            return slot;
        }
    }
    return NULL;
}

struct hg_epoch_slot *hg_epoch_enter(struct hg_epoch_domain *d)
{
    struct hg_epoch_slot *slot = find_slot(d);
    if (slot == NULL)
        slot = claim_slot(d);
    if (slot == NULL)
        return NULL;
    if (slot->nesting++ == 0) {
        atomic_store(&slot->epoch, atomic_load(&d->epoch));
#if !defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
        /* Elsewhere a plain read may pass even a seq_cst store. On x86-64 the store is an xchg. */
        atomic_thread_fence(memory_order_seq_cst);
#endif
    }
    return slot;
}

void hg_epoch_leave(struct hg_epoch_slot *slot)
{
    HG_ASSERT(slot->nesting > 0);
    if (--slot->nesting == 0)
        atomic_store_explicit(&slot->epoch, 0, memory_order_release);
}

/* ---- retiring --------------------------------------------------------------------------------- */

void hg_epoch_retire(struct hg_epoch_domain *d, struct hg_retired *obj,
                     void (*destroy)(struct hg_retired *self))
{
    obj->destroy = destroy;
    struct hg_retired *head = atomic_load_explicit(&d->incoming, memory_order_relaxed);
    do
        obj->next = head;
    while (!atomic_compare_exchange_weak(&d->incoming, &head, obj));
}

static void destroy_list(struct hg_retired *list)
{
    while (list != NULL) {
        struct hg_retired *next = list->next; /* destroy frees the link with the object */
        list->destroy(list);
        list = next;
    }
}

/* poll_lock held. Stamps what was retired since the last call with the epoch of now (E1). */
static void collect_incoming(struct hg_epoch_domain *d)
{
    struct hg_retired *list = atomic_exchange(&d->incoming, NULL);
    if (list == NULL)
        return;
    struct hg_retired **bucket = &d->bucket[atomic_load(&d->epoch) % EPOCH_BUCKET];
    struct hg_retired *last = list;
    while (last->next != NULL)
        last = last->next;
    last->next = *bucket;
    *bucket = list;
}

static int has_retired(const struct hg_epoch_domain *d)
{
    for (unsigned i = 0; i < EPOCH_BUCKET; i++)
        if (d->bucket[i] != NULL)
            return 1;
    return 0;
}

/* poll_lock held. 1 if the epoch advanced. */
static int try_advance(struct hg_epoch_domain *d)
{
    uint64_t now = atomic_load(&d->epoch);
    for (struct hg_epoch_slot *s = atomic_load(&d->slots); s != NULL; s = s->next_in_domain) {
        uint64_t seen = atomic_load(&s->epoch);
        if (seen != 0 && seen != now)
            return 0;
    }
    atomic_store(&d->epoch, now + 1);
    return 1;
}

/* poll_lock held. Two advances free what was retired just now, if no reader is inside. */
static void poll_locked(struct hg_epoch_domain *d)
{
    collect_incoming(d);
    for (int i = 0; i < 2 && has_retired(d) && try_advance(d); i++) {
        struct hg_retired **old = &d->bucket[(atomic_load(&d->epoch) - 2) % EPOCH_BUCKET];
        struct hg_retired *list = *old;
        *old = NULL;
        destroy_list(list); /* E3 */
    }
}

void hg_epoch_poll(struct hg_epoch_domain *d)
{
    if (pthread_mutex_trylock(&d->poll_lock) != 0)
        return; /* somebody is at it, perhaps the caller itself from inside a destroy */
    poll_locked(d);
    (void)pthread_mutex_unlock(&d->poll_lock);
}

void hg_epoch_synchronize(struct hg_epoch_domain *d)
{
    const struct hg_epoch_slot *own = find_slot(d);
    HG_ASSERT(own == NULL || own->nesting == 0); /* would wait for itself */
    for (;;) {
        (void)pthread_mutex_lock(&d->poll_lock);
        poll_locked(d);
        int left = has_retired(d) || atomic_load(&d->incoming) != NULL;
        (void)pthread_mutex_unlock(&d->poll_lock);
        if (!left)
            return;
        /* lint-allow(sched_yield): readers stay for one call, so this is never long */
        (void)sched_yield();
    }
}

/* ---- domains ---------------------------------------------------------------------------------- */

int hg_epoch_create(struct hg_epoch_domain **out_domain)
{
    struct hg_epoch_domain *d = hg_alloc_aligned(SLOT_ALIGN, sizeof *d);
    if (d == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for an epoch domain");
    *d = (struct hg_epoch_domain){ .epoch = EPOCH_FIRST + EPOCH_BUCKET };
    if (pthread_mutex_init(&d->poll_lock, NULL) != 0) {
        hg_free(d);
        return hg_error(HOLOG_E_NOMEM, "no memory for an epoch domain");
    }
    (void)pthread_mutex_lock(&registry_lock);
    d->id = ++registry_last_id; /* from 1: 0 is no domain's */
    (void)pthread_mutex_unlock(&registry_lock);
    *out_domain = d;
    return HOLOG_OK;
}

void hg_epoch_destroy(struct hg_epoch_domain *d)
{
    if (d == NULL)
        return;
    for (struct hg_epoch_slot *s = atomic_load(&d->slots); s != NULL; s = s->next_in_domain)
        HG_ASSERT(atomic_load(&s->epoch) == 0);
    hg_epoch_synchronize(d);

    (void)pthread_mutex_lock(&registry_lock);
    purge_thread_slots(d->id); /* the usual case: the closing thread was a reader */
    struct hg_epoch_slot *slot = atomic_load(&d->slots);
    while (slot != NULL) {
        struct hg_epoch_slot *next = slot->next_in_domain;
        if (slot->claimed)
            slot->orphaned = 1; /* its thread frees it */
        else
            hg_free(slot);
        slot = next;
    }
    (void)pthread_mutex_unlock(&registry_lock);
    (void)pthread_mutex_destroy(&d->poll_lock);
    hg_free(d);
}
