/*
 * Mutex and condition over word_wait, so that the simulated scheduler sees every wait.
 *
 * The mutex is the three-state one of Drepper's "Futexes are tricky": a holder that finds 2 wakes
 * one waiter, and a waiter that takes the mutex leaves 2 behind since others may still sleep.
 */
#include <limits.h>

#include "io/io.h"

#define SPIN_MAX 100 /* rounds; about a microsecond, less than one trip through the kernel */

enum {
    MUTEX_FREE = 0,
    MUTEX_HELD = 1,
    MUTEX_CONTENDED = 2
};

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int try_take(struct hg_mutex *m)
{
    uint32_t expected = MUTEX_FREE;
    return __atomic_compare_exchange_n(&m->word, &expected, MUTEX_HELD, 0, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

int hg_mutex_trylock(struct hg_mutex *m)
{
    return try_take(m);
}

static int spin_take(struct hg_mutex *m)
{
    for (int i = 0; i < SPIN_MAX; i++) {
        if (__atomic_load_n(&m->word, __ATOMIC_RELAXED) == MUTEX_FREE && try_take(m))
            return 1;
        cpu_relax();
    }
    return 0;
}

void hg_mutex_lock(struct hg_io *io, struct hg_mutex *m)
{
    if (try_take(m))
        return;
    if (io->ops->world != HG_WORLD_SIM && spin_take(m)) /* coroutines cannot change it meanwhile */
        return;
    while (__atomic_exchange_n(&m->word, MUTEX_CONTENDED, __ATOMIC_ACQUIRE) != MUTEX_FREE)
        io->ops->word_wait(io, &m->word, MUTEX_CONTENDED, UINT64_MAX);
}

void hg_mutex_unlock(struct hg_io *io, struct hg_mutex *m)
{
    uint32_t before = __atomic_exchange_n(&m->word, MUTEX_FREE, __ATOMIC_RELEASE);
    HG_ASSERT(before != MUTEX_FREE);
    if (before == MUTEX_CONTENDED)
        io->ops->word_wake(io, &m->word, 1);
}

uint32_t hg_cond_enter(struct hg_cond *c)
{
    __atomic_add_fetch(&c->waiters, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&c->seq, __ATOMIC_SEQ_CST);
}

/* A wake after `entered` was read has changed seq, and word_wait returns at once. */
void hg_cond_sleep(struct hg_io *io, struct hg_cond *c, uint32_t entered, uint64_t timeout_ns)
{
    io->ops->word_wait(io, &c->seq, entered, timeout_ns);
    __atomic_sub_fetch(&c->waiters, 1, __ATOMIC_SEQ_CST);
}

void hg_cond_wait(struct hg_io *io, struct hg_cond *c, struct hg_mutex *m, uint64_t timeout_ns)
{
    uint32_t entered = hg_cond_enter(c);

    hg_mutex_unlock(io, m);
    hg_cond_sleep(io, c, entered, timeout_ns);
    hg_mutex_lock(io, m);
}

static void wake(struct hg_io *io, struct hg_cond *c, int n)
{
    __atomic_add_fetch(&c->seq, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&c->waiters, __ATOMIC_SEQ_CST) != 0)
        io->ops->word_wake(io, &c->seq, n);
}

void hg_cond_wake_one(struct hg_io *io, struct hg_cond *c)
{
    wake(io, c, 1);
}

void hg_cond_wake_all(struct hg_io *io, struct hg_cond *c)
{
    wake(io, c, INT_MAX);
}
