/*
 * Coroutines, time, parking and asynchronous requests of the simulated machine.
 *
 * One runs at a time and keeps running until it calls something; a call is where the seed decides
 * who goes on. The caller of hg_sim_run is the host: a coroutine too, on its own stack, that waits
 * for all others. When nobody can run, a request in flight completes; when there is none, time
 * advances to the next deadline; when there is none, it is a deadlock.
 *
 * After the power is gone (sim->crashed) every wait returns at once, but lets the others run in
 * turn, so that whoever holds what is waited for comes to give it back.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "io/sim_int.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define SIM_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(SIM_ASAN)
#define SIM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(SIM_TSAN)
#define SIM_TSAN 1
#endif

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define STACK_BYTES  (256u << 10)
#define GUARD_BYTES  4096u
#define CALL_NS      1000     /* what a call takes: polling loops come to their deadlines */
#define CLOCK_NS     50       /* what looking at the clock takes */
#define DEAD_NS      1000000  /* the same after the power is gone */
#define FLIGHT_AGE   4        /* without yields: calls until an unwaited request completes */
#define IDLE_MAX     20000000 /* picks in a row with no effect on the disk: a livelock */
#define FIRST_NOW_NS 1000000000ull
#define FIRST_WALL   1700000000000000000ull /* 2023-11-14 */

struct sim_co {
    enum sim_co_state state;
    ucontext_t context;
    void *stack; /* NULL: the host */
    void (*run)(void *arg);
    void *arg;
    uint64_t deadline_ns;        /* WORD, SLEEP */
    const uint32_t *word;        /* WORD */
    const struct sim_co *target; /* JOIN */
    const struct hg_req *req;    /* REQ */
    int thread;                  /* started by thread_start: freed by thread_join */
    struct holog_error_detail detail;
    void *fake_stack;   /* ASan's */
    const void *bottom; /* of the stack, for ASan */
    size_t stack_bytes;
    void *fiber; /* TSan's */
};

static struct hg_sim *sim_of(struct hg_io *io)
{
    return ((struct sim_io *)io)->sim;
}

/* ---- stacks ------------------------------------------------------------------------------------ */

/* Kept for the next coroutine: a test makes hundreds of thousands. */
struct free_stack {
    struct free_stack *next;
};
static _Thread_local struct free_stack *free_stacks;

static void *take_stack(void)
{
    struct free_stack *s = free_stacks;
    if (s != NULL) {
        free_stacks = s->next;
        return s;
    }
    uint8_t *base = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    HG_ASSERT(base != MAP_FAILED);
    int rc = mprotect(base, GUARD_BYTES, PROT_NONE);
    HG_ASSERT(rc == 0);
    return base + GUARD_BYTES;
}

static void give_stack(void *stack)
{
#ifdef SIM_ASAN
    ASAN_UNPOISON_MEMORY_REGION(stack, STACK_BYTES);
#endif
    struct free_stack *s = stack;
    s->next = free_stacks;
    free_stacks = s;
}

/* ---- switching --------------------------------------------------------------------------------- */

/* The machine of the last switch: makecontext hands over ints only. */
static _Thread_local struct hg_sim *starting_sim;

/* First thing in a context that was switched to. */
static void arrive(struct hg_sim *sim, struct sim_co *self)
{
#ifdef SIM_ASAN
    const void *bottom = NULL;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &bytes);
    sim->switched_from->bottom = bottom;
    sim->switched_from->stack_bytes = bytes;
#endif
    sim->switched_from = NULL;
    hg_error_set(&self->detail); /* every thread has its own last error */
}

static void switch_to(struct hg_sim *sim, struct sim_co *to)
{
    struct sim_co *self = sim->current;
    if (to == self)
        return;
    hg_error_get(&self->detail);
    sim->current = to;
    sim->switched_from = self;
    starting_sim = sim;
#ifdef SIM_TSAN
    if (self == sim->host)
        self->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
#ifdef SIM_ASAN
    void **keep = self->state == SIM_CO_DONE ? NULL : &self->fake_stack;
    __sanitizer_start_switch_fiber(keep, to->bottom, to->stack_bytes);
#endif
    int rc = swapcontext(&self->context, &to->context);
    HG_ASSERT(rc == 0);
    arrive(sim, self);
}

static void block(struct hg_sim *sim, enum sim_co_state state);

static int others_done(const struct hg_sim *sim)
{
    for (size_t i = 0; i < sim->n_co; i++)
        if (sim->co[i] != sim->host && sim->co[i]->state != SIM_CO_DONE)
            return 0;
    return 1;
}

static void finish(struct hg_sim *sim, struct sim_co *self)
{
    self->state = SIM_CO_DONE;
    for (size_t i = 0; i < sim->n_co; i++)
        if (sim->co[i]->state == SIM_CO_JOIN && sim->co[i]->target == self)
            sim->co[i]->state = SIM_CO_READY;
    if (sim->host->state == SIM_CO_ALL && others_done(sim))
        sim->host->state = SIM_CO_READY;
    block(sim, SIM_CO_DONE);
    HG_ASSERT(0); /* nobody switches to what is done */
}

static void co_main(void)
{
    struct hg_sim *sim = starting_sim;
    struct sim_co *self = sim->current;
    arrive(sim, self);
    self->run(self->arg);
    finish(sim, self);
}

static struct sim_co *co_add(struct hg_sim *sim, void *stack)
{
    struct sim_co *co = hg_sim_alloc(1, sizeof *co);
    co->state = SIM_CO_READY;
    co->stack = stack;
    co->bottom = stack;
    co->stack_bytes = STACK_BYTES;
    sim->co = hg_sim_grow(sim->co, &sim->cap_co, sim->n_co + 1, sizeof(void *));
    sim->co[sim->n_co++] = co;
    return co;
}

static struct sim_co *co_start(struct hg_sim *sim, void (*run)(void *arg), void *arg)
{
    struct sim_co *co = co_add(sim, take_stack());
    co->run = run;
    co->arg = arg;
    int rc = getcontext(&co->context);
    HG_ASSERT(rc == 0);
    co->context.uc_stack.ss_sp = co->stack;
    co->context.uc_stack.ss_size = STACK_BYTES;
    co->context.uc_link = NULL;
    makecontext(&co->context, co_main, 0);
#ifdef SIM_TSAN
    co->fiber = __tsan_create_fiber(0);
#endif
    return co;
}

static void co_free(struct hg_sim *sim, struct sim_co *co)
{
    HG_ASSERT(co->state == SIM_CO_DONE || co->stack == NULL);
    size_t i = 0;
    while (sim->co[i] != co)
        i++;
    sim->n_co--;
    memmove(sim->co + i, sim->co + i + 1, (sim->n_co - i) * sizeof(void *));
    if (co->stack != NULL) {
#ifdef SIM_TSAN
        __tsan_destroy_fiber(co->fiber);
#endif
        give_stack(co->stack);
    }
    free(co);
}

/* ---- requests in flight ------------------------------------------------------------------------ */

static void finish_request(struct hg_sim *sim, struct hg_req *r, int rc)
{
    void (*done)(struct hg_req *) = r->done;
    r->rc = rc;
    __atomic_store_n(&r->complete, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < sim->n_co; i++)
        if (sim->co[i]->state == SIM_CO_REQ && sim->co[i]->req == r)
            sim->co[i]->state = SIM_CO_READY;
    if (done == NULL)
        return;
    sim->in_done++;
    done(r);
    sim->in_done--;
}

static int read_request(struct hg_req *r)
{
    struct iovec iov = { .iov_base = r->buf, .iov_len = r->len_bytes };
    r->done_bytes = hg_sim_read((struct sim_file *)r->file, &iov, 1, r->offset, r->len_bytes);
    return r->done_bytes == r->len_bytes ? HOLOG_OK : HOLOG_E_IO;
}

static void complete_flight(struct hg_sim *sim, size_t i)
{
    struct sim_flight f = sim->flight[i];
    sim->n_flight--;
    memmove(sim->flight + i, sim->flight + i + 1, (sim->n_flight - i) * sizeof *sim->flight);
    if (sim->crashed) {
        finish_request(sim, f.req, HOLOG_E_IO);
        return;
    }
    if (f.req->op == HG_REQ_READ && f.rc == HOLOG_OK)
        f.rc = read_request(f.req);
    if (f.ev != NULL && hg_sim_is_effect(f.ev)) {
        f.req->done_bytes = (size_t)f.ev->len;
        hg_sim_apply_write(sim, f.ev);
    }
    if (f.ev != NULL)
        hg_sim_end(sim, f.ev);
    finish_request(sim, f.req, f.rc);
}

static void age_flights(struct hg_sim *sim)
{
    for (size_t i = 0; i < sim->n_flight; i++)
        sim->flight[i].age++;
    if (sim->n_flight != 0 && sim->flight[0].age > FLIGHT_AGE)
        complete_flight(sim, 0);
}

/* ---- who goes on --------------------------------------------------------------------------------- */

static void expire(struct hg_sim *sim)
{
    for (size_t i = 0; i < sim->n_co; i++) {
        struct sim_co *co = sim->co[i];
        int timed = co->state == SIM_CO_WORD || co->state == SIM_CO_SLEEP;
        if (timed && co->deadline_ns <= sim->now_ns)
            co->state = SIM_CO_READY;
    }
}

static size_t count_ready(const struct hg_sim *sim)
{
    size_t n = 0;
    for (size_t i = 0; i < sim->n_co; i++)
        n += sim->co[i]->state == SIM_CO_READY;
    return n;
}

static struct sim_co *nth_ready(const struct hg_sim *sim, uint64_t n)
{
    for (size_t i = 0; i < sim->n_co; i++)
        if (sim->co[i]->state == SIM_CO_READY && n-- == 0)
            return sim->co[i];
    return NULL;
}

/* The next ready one after the current, in turn; perhaps the current itself; NULL if none. */
static struct sim_co *next_in_turn(const struct hg_sim *sim)
{
    size_t at = 0;
    while (sim->co[at] != sim->current)
        at++;
    for (size_t i = 1; i <= sim->n_co; i++) {
        struct sim_co *co = sim->co[(at + i) % sim->n_co];
        if (co->state == SIM_CO_READY)
            return co;
    }
    return NULL;
}

static void count_idle(struct hg_sim *sim)
{
    sim->idle_picks++;
    HG_ASSERT(sim->idle_picks < IDLE_MAX); /* livelock: everybody waits for something by polling */
}

/* Nobody is ready. 0 when nothing can change that. */
static int advance_time(struct hg_sim *sim)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < sim->n_co; i++) {
        const struct sim_co *co = sim->co[i];
        if (co->state == SIM_CO_WORD || co->state == SIM_CO_SLEEP)
            next = HG_MIN(next, co->deadline_ns);
    }
    if (next == UINT64_MAX)
        return 0;
    sim->now_ns = HG_MAX(next, sim->now_ns);
    expire(sim);
    return 1;
}

static struct sim_co *pick(struct hg_sim *sim)
{
    for (;;) {
        expire(sim);
        count_idle(sim);
        size_t ready = count_ready(sim);
        size_t flights = sim->opts.yields || ready == 0 ? sim->n_flight : 0;
        if (ready + flights == 0) {
            int deadlock = !advance_time(sim);
            HG_ASSERT(!deadlock); /* every coroutine waits for another */
            continue;
        }
        if (!sim->opts.yields && ready != 0)
            return next_in_turn(sim);
        uint64_t i = sim->opts.yields ? hg_sim_below(&sim->sched_rng, ready + flights) : ready;
        if (i < ready)
            return nth_ready(sim, i);
        complete_flight(sim, (size_t)(i - ready));
    }
}

/* Give up the processor until somebody makes the current coroutine ready. */
static void block(struct hg_sim *sim, enum sim_co_state state)
{
    struct sim_co *self = sim->current;
    HG_ASSERT(!sim->in_done); /* a done callback must not wait */
    self->state = state;
    struct sim_co *to = sim->crashed ? next_in_turn(sim) : NULL;
    switch_to(sim, to != NULL ? to : pick(sim));
}

static void yield_round(struct hg_sim *sim)
{
    if (sim->in_done)
        return;
    count_idle(sim);
    switch_to(sim, next_in_turn(sim)); /* the current one is ready, so there is one */
}

void hg_sim_point(struct hg_sim *sim)
{
    if (sim->in_done || sim->crashed)
        return;
    sim->now_ns += CALL_NS;
    if (!sim->opts.yields) {
        age_flights(sim);
        return;
    }
    if (sim->n_co + sim->n_flight < 2 || (hg_sim_next(&sim->sched_rng) & 1) != 0)
        return;
    switch_to(sim, pick(sim));
}

void hg_sim_wake_all(struct hg_sim *sim)
{
    for (size_t i = 0; i < sim->n_co; i++)
        if (sim->co[i]->state == SIM_CO_WORD || sim->co[i]->state == SIM_CO_SLEEP)
            sim->co[i]->state = SIM_CO_READY;
    while (sim->n_flight != 0)
        complete_flight(sim, 0);
}

/* ---- the table --------------------------------------------------------------------------------- */

uint64_t hg_sim_now_ns(struct hg_io *io)
{
    struct hg_sim *sim = sim_of(io);
    sim->now_ns += sim->crashed ? DEAD_NS : CLOCK_NS;
    return sim->now_ns;
}

uint64_t hg_sim_wall_ns(struct hg_io *io)
{
    return sim_of(io)->wall_base_ns + hg_sim_now_ns(io);
}

int hg_sim_random(struct hg_io *io, void *out, size_t len)
{
    struct hg_sim *sim = sim_of(io);
    enum hg_sim_fault_kind kind;
    uint8_t *p = out;
    if (sim->crashed)
        return hg_sim_dead(sim, "getrandom", "");
    int err = hg_sim_fault(sim, HG_SIM_F_RANDOM, &kind);
    if (err != 0)
        return hg_io_fail(err, "getrandom", "");
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t v = hg_sim_next(&sim->random_rng);
        memcpy(p + i, &v, HG_MIN(len - i, sizeof v));
    }
    return HOLOG_OK;
}

static uint64_t after(const struct hg_sim *sim, uint64_t ns)
{
    return ns < UINT64_MAX - sim->now_ns ? sim->now_ns + ns : UINT64_MAX;
}

void hg_sim_sleep_ns(struct hg_io *io, uint64_t ns)
{
    struct hg_sim *sim = sim_of(io);
    if (sim->crashed) {
        sim->now_ns = HG_MAX(sim->now_ns, after(sim, HG_MIN(ns, UINT64_MAX / 4)));
        yield_round(sim);
        return;
    }
    sim->current->deadline_ns = after(sim, ns);
    block(sim, SIM_CO_SLEEP);
}

void hg_sim_word_wait(struct hg_io *io, uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct hg_sim *sim = sim_of(io);
    if (sim->crashed) {
        sim->now_ns += timeout_ns < UINT64_MAX / 4 ? timeout_ns : DEAD_NS;
        yield_round(sim);
        return;
    }
    int early = sim->opts.yields && hg_sim_below(&sim->sched_rng, 32) == 0; /* as it may */
    if (*word != expected || timeout_ns == 0 || early) {
        hg_sim_point(sim);
        return;
    }
    sim->current->word = word;
    sim->current->deadline_ns = after(sim, timeout_ns);
    block(sim, SIM_CO_WORD);
}

void hg_sim_word_wake(struct hg_io *io, uint32_t *word, int n)
{
    struct hg_sim *sim = sim_of(io);
    size_t from = sim->opts.yields ? (size_t)hg_sim_below(&sim->sched_rng, sim->n_co) : 0;
    for (size_t i = 0; i < sim->n_co && n > 0; i++) {
        struct sim_co *co = sim->co[(from + i) % sim->n_co];
        if (co->state != SIM_CO_WORD || co->word != word)
            continue;
        co->state = SIM_CO_READY;
        n--;
    }
    hg_sim_point(sim);
}

int hg_sim_thread_start(struct hg_io *io, const char *name, void (*run)(void *arg), void *arg,
                        struct hg_thread **out_thread)
{
    struct hg_sim *sim = sim_of(io);
    enum hg_sim_fault_kind kind;
    if (sim->crashed)
        return hg_sim_dead(sim, "start thread", name);
    int err = hg_sim_fault(sim, HG_SIM_F_THREAD, &kind);
    if (err != 0)
        return hg_io_fail(err, "start thread", name);
    struct sim_co *co = co_start(sim, run, arg);
    co->thread = 1;
    sim->threads++;
    *out_thread = (struct hg_thread *)co;
    hg_sim_point(sim);
    return HOLOG_OK;
}

void hg_sim_thread_join(struct hg_io *io, struct hg_thread *t)
{
    struct hg_sim *sim = sim_of(io);
    struct sim_co *co = (struct sim_co *)t;
    HG_ASSERT(co->thread && co != sim->current);
    sim->current->target = co;
    while (co->state != SIM_CO_DONE)
        block(sim, SIM_CO_JOIN);
    sim->threads--;
    co_free(sim, co);
}

/* What one request will do, and its begin. */
static int launch(struct hg_sim *sim, struct sim_flight *f)
{
    struct hg_req *r = f->req;
    struct sim_file *file = (struct sim_file *)r->file;
    struct iovec iov = { .iov_base = r->buf, .iov_len = r->len_bytes };
    struct sim_planned p = { 0 };
    int rc;
    if (r->op == HG_REQ_READ) {
        enum hg_sim_fault_kind kind;
        int err = hg_sim_fault(sim, HG_SIM_F_READ, &kind);
        return err != 0 || kind == HG_SIM_FAULT_STUCK ? hg_io_code(err) : HOLOG_OK;
    }
    if (r->op == HG_REQ_FDATASYNC) {
        rc = hg_sim_plan_sync(file, &p);
    } else {
        struct sim_write w = { .iov = &iov, .n_iov = 1, .offset = r->offset, .whole = 1 };
        w.flags = r->op == HG_REQ_WRITE_DSYNC ? HG_WRITE_DSYNC : 0;
        rc = hg_sim_plan_write(file, &w, &p);
    }
    if (rc < 0 || p.ev == NULL)
        return rc;
    rc = hg_sim_fly(sim, p.ev);
    if (rc == HOLOG_OK)
        f->ev = p.ev; /* else freed */
    return p.err != 0 ? hg_io_code(p.err) : rc;
}

int hg_sim_submit(struct hg_io *io, struct hg_req *const *reqs, size_t n)
{
    struct hg_sim *sim = sim_of(io);
    for (size_t i = 0; i < n; i++) {
        struct hg_req *r = reqs[i];
        struct sim_flight f = { .req = r };
        r->rc = 0;
        r->done_bytes = 0;
        r->complete = 0;
        r->next = NULL;
        HG_ASSERT(r->file->io == io);
        f.rc = sim->crashed ? HOLOG_E_IO : launch(sim, &f);
        if (sim->crashed) {
            finish_request(sim, r, HOLOG_E_IO);
            continue;
        }
        sim->flight =
            hg_sim_grow(sim->flight, &sim->cap_flight, sim->n_flight + 1, sizeof *sim->flight);
        sim->flight[sim->n_flight++] = f;
    }
    hg_sim_point(sim);
    return HOLOG_OK;
}

int hg_sim_wait(struct hg_io *io, struct hg_req *r)
{
    struct hg_sim *sim = sim_of(io);
    while (!r->complete) {
        if (!sim->opts.yields) {
            HG_ASSERT(sim->n_flight != 0); /* never submitted */
            complete_flight(sim, 0);
            continue;
        }
        sim->current->req = r;
        block(sim, SIM_CO_REQ);
    }
    return hg_io_req_result(r);
}

/* ---- runs -------------------------------------------------------------------------------------- */

struct scenario {
    int (*run)(struct hg_io *io, void *ctx);
    struct hg_io *io;
    void *ctx;
    int rc;
};

static void run_scenario(void *arg)
{
    struct scenario *s = arg;
    s->rc = s->run(s->io, s->ctx);
}

int hg_sim_sched_run(struct hg_sim *sim, int (*scenario)(struct hg_io *io, void *ctx),
                     struct hg_io *io, void *ctx)
{
    struct scenario s = { .run = scenario, .io = io, .ctx = ctx };
    HG_ASSERT(sim->current == sim->host); /* no run inside a run */
    struct sim_co *co = co_start(sim, run_scenario, &s);
    block(sim, SIM_CO_ALL);
    co_free(sim, co);
    while (sim->n_flight != 0)
        complete_flight(sim, 0);
    return s.rc;
}

void hg_sim_sched_init(struct hg_sim *sim)
{
    uint64_t rng = sim->opts.seed;
    sim->sched_rng = hg_sim_next(&rng);
    sim->random_rng = hg_sim_next(&rng);
    sim->now_ns = FIRST_NOW_NS;
    sim->wall_base_ns = FIRST_WALL;
    sim->host = co_add(sim, NULL);
    sim->current = sim->host;
}

void hg_sim_sched_release(struct hg_sim *sim)
{
    HG_ASSERT(sim->current == sim->host);
    while (sim->n_co != 0) {
        struct sim_co *co = sim->co[sim->n_co - 1];
        HG_ASSERT(co->state == SIM_CO_DONE || co == sim->host);
        co_free(sim, co);
    }
    free(sim->co);
    free(sim->flight);
}
