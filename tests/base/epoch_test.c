#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "holog/error.h"

#define ALIVE 0x600df00d
#define DEAD  0xdeadbeef

struct object {
    struct hg_retired retired;
    uint32_t value; /* ALIVE until destroyed */
    int *destroyed;
};

static void destroy_object(struct hg_retired *self)
{
    struct object *o = (struct object *)self;
    o->value = DEAD;
    if (o->destroyed != NULL)
        ++*o->destroyed;
    hg_free(o);
}

static struct object *make_object(int *destroyed)
{
    struct object *o = hg_calloc(1, sizeof *o);
    cr_assert_not_null(o);
    o->value = ALIVE;
    o->destroyed = destroyed;
    return o;
}

static struct hg_epoch_domain *make_domain(void)
{
    struct hg_epoch_domain *d = NULL;
    cr_assert_eq(hg_epoch_create(&d), HOLOG_OK);
    return d;
}

Test(epoch, without_readers_one_poll_frees)
{
    struct hg_epoch_domain *d = make_domain();
    int destroyed = 0;
    hg_epoch_retire(d, &make_object(&destroyed)->retired, destroy_object);
    cr_assert_eq(destroyed, 0, "retire never frees by itself");
    hg_epoch_poll(d);
    cr_assert_eq(destroyed, 1);
    hg_epoch_destroy(d);
}

Test(epoch, nothing_is_freed_while_a_reader_that_could_see_it_is_inside)
{
    struct hg_epoch_domain *d = make_domain();
    int destroyed = 0;
    struct hg_epoch_slot *slot = hg_epoch_enter(d);
    hg_epoch_retire(d, &make_object(&destroyed)->retired, destroy_object);
    for (int i = 0; i < 10; i++)
        hg_epoch_poll(d);
    cr_assert_eq(destroyed, 0);
    hg_epoch_leave(slot);
    hg_epoch_poll(d);
    cr_assert_eq(destroyed, 1);
    hg_epoch_destroy(d);
}

Test(epoch, a_nested_leave_does_not_let_go)
{
    struct hg_epoch_domain *d = make_domain();
    int destroyed = 0;
    struct hg_epoch_slot *outer = hg_epoch_enter(d);
    struct hg_epoch_slot *inner = hg_epoch_enter(d);
    cr_assert_eq(outer, inner, "one slot a thread and domain");
    hg_epoch_retire(d, &make_object(&destroyed)->retired, destroy_object);
    hg_epoch_leave(inner);
    hg_epoch_poll(d);
    cr_assert_eq(destroyed, 0);
    hg_epoch_leave(outer);
    hg_epoch_poll(d);
    cr_assert_eq(destroyed, 1);
    hg_epoch_destroy(d);
}

Test(epoch, a_reader_of_one_domain_does_not_hold_up_another)
{
    struct hg_epoch_domain *a = make_domain();
    struct hg_epoch_domain *b = make_domain();
    int destroyed = 0;
    struct hg_epoch_slot *slot = hg_epoch_enter(a);
    struct hg_epoch_slot *other = hg_epoch_enter(b);
    hg_epoch_leave(other);
    hg_epoch_retire(b, &make_object(&destroyed)->retired, destroy_object);
    hg_epoch_poll(b);
    cr_assert_eq(destroyed, 1);
    hg_epoch_leave(slot);
    hg_epoch_destroy(b);
    hg_epoch_destroy(a);
}

Test(epoch, the_end_of_a_domain_frees_what_is_left)
{
    struct hg_epoch_domain *d = make_domain();
    int destroyed = 0;
    for (int i = 0; i < 5; i++)
        hg_epoch_retire(d, &make_object(&destroyed)->retired, destroy_object);
    hg_epoch_destroy(d);
    cr_assert_eq(destroyed, 5);
    hg_epoch_destroy(NULL);
}

static struct hg_epoch_domain *chain_domain;

static void destroy_and_retire_another(struct hg_retired *self)
{
    struct object *o = (struct object *)self;
    hg_epoch_retire(chain_domain, &make_object(o->destroyed)->retired, destroy_object);
    hg_epoch_poll(chain_domain); /* from inside a destroy: does nothing, does no harm */
    hg_free(o);
}

Test(epoch, a_destroy_may_retire_more)
{
    int destroyed = 0;
    chain_domain = make_domain();
    hg_epoch_retire(chain_domain, &make_object(&destroyed)->retired, destroy_and_retire_another);
    hg_epoch_synchronize(chain_domain);
    cr_assert_eq(destroyed, 1);
    hg_epoch_destroy(chain_domain);
}

static int never(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 0;
}

static int always(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 1;
}

Test(epoch, without_memory_for_a_slot_enter_gives_null)
{
    struct hg_epoch_domain *d = make_domain();
    hg_alloc_set_fault(always, NULL);
    cr_assert_null(hg_epoch_enter(d));
    hg_alloc_set_fault(NULL, NULL);
    hg_epoch_leave(hg_epoch_enter(d));
    hg_epoch_destroy(d);
}

static void *read_once(void *domain)
{
    hg_epoch_leave(hg_epoch_enter(domain));
    return NULL;
}

Test(epoch, slots_of_ended_threads_are_used_again_and_none_leaks)
{
    hg_alloc_set_fault(never, NULL);
    struct hg_epoch_domain *d = make_domain();
    (void)read_once(d);
    long one = hg_alloc_live();
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        cr_assert_eq(pthread_create(&t, NULL, read_once, d), 0);
        cr_assert_eq(pthread_join(t, NULL), 0);
    }
    cr_assert_eq(hg_alloc_live(), one + 1, "twenty threads, one after another, share one slot");
    hg_epoch_destroy(d);
    cr_assert_eq(hg_alloc_live(), 0);
    hg_alloc_set_fault(NULL, NULL);
}

static atomic_int domain_gone;

static void *outlive_the_domain(void *domain)
{
    hg_epoch_leave(hg_epoch_enter(domain));
    atomic_store(&domain_gone, 1);
    while (atomic_load(&domain_gone) != 2)
        (void)sched_yield();
    return NULL;
}

Test(epoch, a_thread_may_outlive_the_domain_it_read)
{
    hg_alloc_set_fault(never, NULL);
    struct hg_epoch_domain *d = make_domain();
    pthread_t t;
    cr_assert_eq(pthread_create(&t, NULL, outlive_the_domain, d), 0);
    while (atomic_load(&domain_gone) != 1)
        (void)sched_yield();
    hg_epoch_destroy(d);
    atomic_store(&domain_gone, 2);
    cr_assert_eq(pthread_join(t, NULL), 0);
    cr_assert_eq(hg_alloc_live(), 0);
    hg_alloc_set_fault(NULL, NULL);
}

/* ---- stress ------------------------------------------------------------------------------------ */

#define READERS 3
#define ROUNDS  20000

static _Atomic(struct object *) shared;
static atomic_int stop;

static void *reader(void *domain)
{
    uintptr_t bad = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct hg_epoch_slot *slot = hg_epoch_enter(domain);
        const struct object *o = atomic_load_explicit(&shared, memory_order_acquire);
        for (int i = 0; i < 10; i++)
            bad += o->value != ALIVE;
        hg_epoch_leave(slot);
    }
    return (void *)bad;
}

Test(epoch, readers_never_meet_a_freed_object)
{
    struct hg_epoch_domain *d = make_domain();
    pthread_t t[READERS];
    int destroyed = 0;
    atomic_store(&shared, make_object(&destroyed));
    for (int i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, reader, d), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct object *old = atomic_exchange(&shared, make_object(&destroyed));
        hg_epoch_retire(d, &old->retired, destroy_object);
        hg_epoch_poll(d);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < READERS; i++) {
        void *bad = NULL;
        cr_assert_eq(pthread_join(t[i], &bad), 0);
        cr_assert_null(bad);
    }
    hg_epoch_retire(d, &atomic_load(&shared)->retired, destroy_object);
    hg_epoch_destroy(d);
    cr_assert_eq(destroyed, ROUNDS + 1);
}
