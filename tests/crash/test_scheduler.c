/*
 * Compaction by itself on the simulated disk: full disks, commits that are faster than it, and cuts at the steps of a
 * store whose own thread compacts beside commits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "holog/compact.h"
#include "holog/versions.h"
#include "kit.h"

#define RP       (HOLOG_REPLACE | HOLOG_PARENTS)
#define OK(call) ok(__LINE__, (call))

static void ok(int line, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert_eq(rc, HOLOG_OK, "line %d: %s (%s)", line, holog_error_name(rc), d.message);
}

static struct hg_sim *sim;

static int save(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    uint8_t *v = malloc(len);
    int rc;

    cr_assert_not_null(v);
    value_fill(v, len, seed);
    rc = holog_save(s, path, v, len, RP, NULL);
    free(v);
    return rc;
}

static void has(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    uint8_t *want = malloc(len);
    holog_value *v = NULL;

    cr_assert_not_null(want);
    value_fill(want, len, seed);
    OK(holog_load(s, path, &v));
    cr_assert_eq(holog_value_size(v), len);
    cr_assert_eq(memcmp(holog_value_data(v), want, len), 0, "%s", path);
    holog_value_release(v);
    free(want);
}

static void is_gone(holog_store *s, const char *path)
{
    holog_value *v = NULL;

    cr_assert_eq(holog_load(s, path, &v), HOLOG_E_NOENT, "%s", path);
}

static int add_size(void *ctx, const char *name, uint64_t size)
{
    uint64_t *sum = ctx;

    *sum += strstr(name, ".hext") != NULL || strstr(name, ".hwp") != NULL ? size : 0;
    return 0;
}

static uint64_t extents_on_disk(void)
{
    uint64_t sum = 0;

    OK(hg_sim_each_file(sim, add_size, &sum));
    return sum;
}

/* ---- full disks ----------------------------------------------------------------------------------*/

enum {
    LARGE = 100000,
    FULL = 24 << 20,
    SMALL_DISK = 6 << 20
};

struct full {
    uint32_t no_compaction; /* who filled it never thought of edits: no segment declares them */
    int reopen;             /* before it is emptied, and before it is compacted */
    uint64_t capacity;
    uint64_t begun_at, ended_at; /* out: steps of the compaction */
};

static void take_all(struct hg_io *io)
{
    struct hg_file *f = NULL;
    uint64_t at = 0;

    OK(io->ops->open(io, "lost+found", HG_OPEN_WRITE | HG_OPEN_CREATE, &f));
    for (uint64_t len = 1 << 20; len >= 512; len /= 2)
        while (io->ops->fallocate(f, at, len) == HOLOG_OK)
            at += len;
    OK(io->ops->close(f));
}

static unsigned fill(holog_store *s)
{
    char path[16];
    unsigned n = 0;
    int rc;

    do {
        (void)snprintf(path, sizeof path, "v%u", n++);
        rc = save(s, path, LARGE, n);
    } while (rc == HOLOG_OK);
    cr_assert_eq(rc, HOLOG_E_NOSPC);
    return n - 1;
}

static void reopen(struct hg_io *io, const holog_options *o, holog_store **s)
{
    OK(holog_close(*s));
    OK(hg_store_open_io(io, o, s));
}

static int empty_a_full_disk(struct hg_io *io, void *ctx)
{
    struct full *how = ctx;
    holog_compact_report r = { .struct_size = sizeof r };
    holog_options o;
    holog_store *s = NULL;
    uint64_t before;
    unsigned n;
    char path[16];

    kit_options(&o);
    o.segment_size_max = 1 << 20;
    o.extent_segment_size_max = 1 << 20;
    o.no_compaction = how->no_compaction;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    OK(save(s, "stays", LARGE, 7));
    n = fill(s);
    take_all(io);
    if (how->reopen)
        reopen(io, &o, &s);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "v%u", i);
        OK(holog_delete(s, path, NULL));
    }
    OK(holog_gc(s, 1, 0, 0, NULL));
    if (how->reopen)
        reopen(io, &o, &s);
    OK(holog_sync(s));
    before = extents_on_disk();
    cr_assert_gt(before, how->capacity / 2);
    how->begun_at = hg_sim_steps(sim);
    OK(holog_compact(s, NULL, &r));
    how->ended_at = hg_sim_steps(sim);
    cr_assert_gt(r.segments_removed, 2u);
    cr_assert_lt(extents_on_disk(), before / 4);
    for (int again = 0; again < 2; again++) {
        has(s, "stays", LARGE, 7);
        OK(save(s, "new", LARGE, 8));
        has(s, "new", LARGE, 8);
        reopen(io, &o, &s);
    }
    return holog_close(s);
}

static int verify_all(struct hg_io *io, void *ctx)
{
    (void)ctx;
    return hg_verify_io(io, 0, NULL, NULL, NULL, NULL);
}

Test(scheduler, what_a_full_disk_is_emptied_of_comes_back)
{
    for (unsigned i = 0; i < 4; i++) {
        struct hg_sim_options so = { .seed = kit_seed() + i, .no_trace = 1, .capacity = FULL };
        struct full how = { .no_compaction = i & 1, .reopen = (int)(i >> 1), .capacity = FULL };
        OK(hg_sim_create(&so, &sim));
        OK(hg_sim_run(sim, empty_a_full_disk, &how));
        OK(hg_sim_run(sim, verify_all, NULL));
        hg_sim_destroy(sim);
    }
}

static int open_after(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    for (int again = 0; again < 2; again++) {
        has(s, "stays", LARGE, 7);
        is_gone(s, "v3");
        OK(holog_compact(s, NULL, NULL));
        cr_assert_lt(extents_on_disk(), (uint64_t)SMALL_DISK / 3);
        OK(save(s, "new", LARGE, 8));
        has(s, "new", LARGE, 8);
        reopen(io, &o, &s);
    }
    OK(holog_close(s));
    return hg_verify_io(io, 0, NULL, NULL, NULL, NULL);
}

/* The small segment that its first EDIT needs is made of what the old one has kept. */
Test(scheduler, a_full_disk_that_is_being_emptied_survives_any_cut)
{
    struct hg_sim_options so = { .seed = kit_seed(), .capacity = SMALL_DISK };
    struct full how = { .no_compaction = 1, .capacity = SMALL_DISK };
    struct hg_sim *whole = NULL;
    unsigned long states = 0;

    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, empty_a_full_disk, &how));
    whole = sim;
    for (uint64_t step = how.begun_at; step <= how.ended_at; step++) {
        for (unsigned k = 0; k < HG_SIM_CRASH_STRATEGIES; k++) {
            if (!kit_case("emptied step %llu %c", (unsigned long long)step,
                          kit_strategy((enum hg_sim_strategy)k)))
                continue;
            OK(hg_sim_crash(whole, step, (enum hg_sim_strategy)k, step, &sim));
            OK(hg_sim_run(sim, open_after, NULL));
            hg_sim_destroy(sim);
            states++;
        }
    }
    hg_sim_destroy(whole);
    print_total(states, 0, 0, 0);
}

/* ---- commits that are faster -----------------------------------------------------------------------*/

enum {
    PATHS = 24,
    LEN = 24000,
    CHANGES = 1200
};

static unsigned told;

static void on_log(void *ctx, int level, const char *message)
{
    (void)ctx;
    (void)message;
    told += level == HOLOG_LOG_WARN && strstr(message, "max_space_amp") != NULL;
}

static holog_stats stats(holog_store *s)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(s, &st));
    return st;
}

static void scheduled(holog_options *o)
{
    o->no_background = 0;
    o->inline_max = 1024;
}

/* Its own limit makes the compaction slower than commits: they are held back, and the cap holds all the same. */
static int outrun(struct hg_io *io, void *ctx)
{
    uint64_t rng = kit_seed();
    uint64_t seeds[PATHS] = { 0 };
    uint64_t *out = ctx;
    holog_options o;
    holog_store *s = NULL;
    holog_stats st;
    char path[16];
    unsigned over =
        0; /* in a row: when the horizon has moved there is garbage at once, and how much the next mark says */

    kit_options(&o);
    scheduled(&o);
    o.log = on_log;
    o.compaction_bytes_per_s = 4 << 20;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_config(s, "retention.commits", "1", NULL, 0));
    for (unsigned i = 1; i <= CHANGES; i++) {
        unsigned p = i <= PATHS ? i - 1 : (unsigned)(rng_next(&rng) % PATHS);
        (void)snprintf(path, sizeof path, "v%u", p);
        OK(save(s, path, LEN, i));
        seeds[p] = i;
        st = stats(s);
        over = st.compaction_used_bytes > st.compaction_cap_bytes + LEN + 4096 ? over + 1 : 0;
        cr_assert(over < 3, "change %u was made beyond the cap", i);
        if (i % 8 == 0)
            io->ops->sleep_ns(io, 1000); /* others run */
    }
    out[0] = st.commits_delayed;
    out[1] = st.commits_stalled;
    cr_assert_gt(st.compaction_rounds, 3u);
    for (int again = 0; again < 2; again++) {
        for (unsigned p = 0; p < PATHS; p++) {
            (void)snprintf(path, sizeof path, "v%u", p);
            has(s, path, LEN, seeds[p]);
        }
        reopen(io, &o, &s);
    }
    return holog_close(s);
}

Test(scheduler, commits_that_are_faster_than_it_wait_and_the_cap_holds, .timeout = 300)
{
    struct hg_sim_options so = { .seed = kit_seed(), .yields = 1, .no_trace = 1 };
    uint64_t held[2] = { 0 };

    told = 0;
    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, outrun, held));
    hg_sim_destroy(sim);
    (void)fprintf(stderr, "# %llu commits delayed, %llu stalled\n", (unsigned long long)held[0],
                  (unsigned long long)held[1]);
    cr_assert_gt(held[0], 0u);
    cr_assert_gt(held[1], 0u);
    cr_assert_eq(told, 0u);
}

/* ---- what cannot be lowered --------------------------------------------------------------------------*/

enum {
    STAYING = 40
};

static void open_scheduled(struct hg_io *io, holog_options *o, holog_store **s)
{
    kit_options(o);
    scheduled(o);
    o->log = on_log;
    OK(hg_store_open_io(io, o, s));
}

/* In each segment of extents a value that stays. */
static int begin_staying(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;
    char path[16];

    (void)ctx;
    kit_options(&o);
    o.inline_max = 1024;
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    OK(holog_config(s, "retention.commits", "1", NULL, 0));
    for (unsigned i = 0; i < STAYING; i++) {
        (void)snprintf(path, sizeof path, "s%u", i);
        OK(save(s, path, LEN, 100 + i));
        for (unsigned k = 0; k < 3; k++)
            OK(save(s, "v", LEN, i));
    }
    return holog_close(s);
}

static int break_file(void *ctx, const char *name, uint64_t size)
{
    uint64_t n = 0;

    (void)ctx;
    if (strstr(name, ".hext") != NULL && size > 8192)
        hg_sim_file_data(sim, name, &n)[8192] ^= 1;
    return 0;
}

/* Every round fails: it would have to read what is damaged. */
static int beside_damage(struct hg_io *io, void *ctx)
{
    holog_stats *st = ctx;
    holog_options o;
    holog_store *s = NULL;

    char path[16];

    open_scheduled(io, &o, &s);
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(path, sizeof path, "n%u", i);
        OK(save(s, i % 4 == 0 ? path : "v", LEN, i));
        io->ops->sleep_ns(io, 1000000);
    }
    *st = stats(s);
    has(s, "v", LEN, 299);
    OK(holog_close(s));
    open_scheduled(io, &o, &s);
    has(s, "v", LEN, 299);
    return holog_close(s);
}

Test(scheduler, what_cannot_be_lowered_holds_nobody_back_and_is_told, .timeout = 120)
{
    struct hg_sim_options so = { .seed = kit_seed(), .no_trace = 1 };
    holog_stats st = { 0 };

    told = 0;
    OK(hg_sim_create(&so, &sim));
    OK(hg_sim_run(sim, begin_staying, NULL));
    OK(hg_sim_each_file(sim, break_file, NULL));
    OK(hg_sim_run(sim, beside_damage, &st));
    hg_sim_destroy(sim);
    (void)fprintf(stderr, "# %u told, %llu stalled, %llu ns, %llu marks\n", told,
                  (unsigned long long)st.commits_stalled, (unsigned long long)st.commit_delay_ns,
                  (unsigned long long)st.compaction_marks);
    cr_assert_eq(told, 1u);
    cr_assert_leq(st.commits_stalled, 2u);
    cr_assert_lt(st.commit_delay_ns, 1000000u, "of the simulated clock");
    cr_assert_lt(st.compaction_marks, 60u); /* of 300 commits: many gain by what is dead */
}

enum {
    UNLINKED = 20 << 10 /* of files of 128 KiB, in one step */
};

/* ---- a day of churn ----------------------------------------------------------------------------------*/

struct day {
    int threaded; /* its own thread compacts; else a step is taken after each commit */
    unsigned commits;
    uint64_t seed;
    unsigned long compactions, refused;
};

static struct step any_change(uint64_t *rng, char path[16], char to[16])
{
    static const enum step_op ops[] = { STEP_SAVE,   STEP_SAVE,       STEP_SAVE, STEP_SAVE,
                                        STEP_BATCH,  STEP_DELETE,     STEP_MOVE, STEP_COPY,
                                        STEP_DELETE, STEP_DELETE_ALL, STEP_MKDIR };
    enum step_op op = ops[rng_next(rng) % (sizeof ops / sizeof ops[0])];
    unsigned small = op == STEP_BATCH || rng_next(rng) % 5 == 0;

    (void)snprintf(path, 16, "d%u/%s%u", (unsigned)(rng_next(rng) % 4),
                   op == STEP_BATCH || op == STEP_DELETE_ALL ? "b" : "v",
                   (unsigned)(rng_next(rng) % 12));
    (void)snprintf(to, 16, "d%u/v%u", (unsigned)(rng_next(rng) % 4),
                   (unsigned)(rng_next(rng) % 12));
    return (struct step){ .op = op,
                          .path = path,
                          .to = to,
                          .len = small ? rng_next(rng) % 3000 : 4000 + rng_next(rng) % 40000,
                          .seed = rng_next(rng),
                          .count = 4,
                          .flags = op == STEP_DELETE || op == STEP_DELETE_ALL ? 0
                                   : op == STEP_MKDIR                         ? HOLOG_PARENTS
                                                                              : RP };
}

/* What the model refuses, the store does. */
static void change(holog_store *s, struct model *m, const struct step *step, struct day *d)
{
    struct model before;
    int rc = store_apply(s, step, NULL);

    model_copy(m, &before);
    if (rc == HOLOG_OK) {
        rc = model_apply(m, step);
        cr_assert_eq(rc, HOLOG_OK, "the model refuses %u of %s, %s: %s", (unsigned)step->op,
                     step->path, step->to, holog_error_name(rc));
    } else {
        cr_assert_neq(model_apply(&before, step), HOLOG_OK, "%u of %s gave %s", (unsigned)step->op,
                      step->path, holog_error_name(rc));
        d->refused++;
    }
    model_release(&before);
}

static void is_as(const struct model *m, holog_store *s, unsigned at)
{
    const char *wrong = model_differs(m, s);

    cr_assert_null(wrong, "after change %u: %s", at, wrong);
}

static int churn(struct hg_io *io, void *ctx)
{
    struct day *d = ctx;
    uint64_t rng = d->seed;
    holog_options o;
    holog_store *s = NULL;
    struct model m;
    char path[16];
    char to[16];

    kit_options(&o);
    scheduled(&o);
    o.no_background = !d->threaded;
    o.sync = HOLOG_SYNC_OS;
    model_init(&m);
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    s->unlink_bytes = UNLINKED;
    OK(holog_config(s, "retention.commits", "3", NULL, 0));
    for (unsigned i = 0; i < 4; i++) { /* the model makes none on the way of a move */
        (void)snprintf(path, sizeof path, "d%u", i);
        struct step step = { .op = STEP_MKDIR, .path = path, .flags = HOLOG_PARENTS };
        change(s, &m, &step, d);
    }
    for (unsigned i = 1; i <= d->commits; i++) {
        struct step step = any_change(&rng, path, to);
        change(s, &m, &step, d);
        if (!d->threaded)
            OK(holog_compact_step(s, NULL));
        if (rng_next(&rng) % 97 != 0)
            continue;
        is_as(&m, s, i);
        d->compactions += stats(s).compactions;
        reopen(io, &o, &s);
        s->unlink_bytes = UNLINKED;
        is_as(&m, s, i);
    }
    d->compactions += stats(s).compactions;
    reopen(io, &o, &s);
    is_as(&m, s, d->commits);
    model_release(&m);
    OK(holog_close(s));
    return hg_verify_io(io, 0, NULL, NULL, NULL, NULL);
}

Test(scheduler, a_day_of_churn_leaves_what_the_model_says, .timeout = 600)
{
    static const unsigned commits[3] = { 1500, 6000, 86400 };

    for (int threaded = 0; threaded < 2; threaded++) {
        struct hg_sim_options so = { .seed = kit_seed(), .yields = threaded, .no_trace = 1 };
        struct day d = { .threaded = threaded,
                         .commits = commits[kit_level()],
                         .seed = kit_seed() + (uint64_t)threaded };
        OK(hg_sim_create(&so, &sim));
        OK(hg_sim_run(sim, churn, &d));
        hg_sim_destroy(sim);
        (void)fprintf(stderr, "# %u changes, %lu refused, %lu compactions\n", d.commits, d.refused,
                      d.compactions);
        cr_assert_gt(d.compactions, 5u);
        cr_assert_lt(d.refused, d.commits / 2);
    }
}

/* ---- cuts ------------------------------------------------------------------------------------------*/

enum {
    STEPS = 110
};

static struct played p;

static void play(uint64_t seed, enum hg_sim_dirs dirs)
{
    static char paths[6][16];
    static struct step steps[STEPS];
    static struct script script = { .name = "scheduled",
                                    .steps = steps,
                                    .n = STEPS,
                                    .options = scheduled,
                                    .unlink_bytes = UNLINKED };
    struct hg_sim_options so = { .seed = seed, .yields = 1, .dirs = dirs };
    uint64_t rng = seed;

    for (unsigned i = 0; i < STEPS; i++) {
        char *path = paths[rng_next(&rng) % 6];
        (void)snprintf(path, sizeof paths[0], "v%u", (unsigned)(path - paths[0]) / 16);
        steps[i] =
            (struct step){ .op = STEP_SAVE, .path = path, .len = LEN, .seed = 1 + i, .flags = RP };
        if (i % 10 == 9)
            steps[i] = (struct step){ .op = STEP_GC, .count = 1 };
    }
    kit_play(&script, &so, &p);
}

static int one_state(uint64_t step, enum hg_sim_strategy strategy, uint64_t seed)
{
    struct hg_sim *after = NULL;
    uint64_t durable;
    uint64_t submitted;
    int store;
    const char *wrong;

    OK(hg_sim_crash(p.sim, step, strategy, seed, &after));
    kit_bounds(&p, step, &durable, &submitted, &store);
    wrong = kit_check(after, &p, durable, submitted, store);
    hg_sim_destroy(after);
    return wrong == NULL ? 0 : kit_fail(wrong);
}

Test(scheduler, a_store_that_compacts_by_itself_survives_any_cut, .timeout = 600)
{
    static const unsigned strides[3] = { 29, 3, 1 };
    static const unsigned seeds[3] = { 2, 2, 40 };
    unsigned long states = 0;
    unsigned long bad = 0;
    unsigned removed = 0;
    int level = kit_level();

    for (uint64_t seed = 0; seed < seeds[level]; seed++) {
        play(kit_seed() + seed, (enum hg_sim_dirs)(seed % 2));
        cr_assert_eq(p.rc, HOLOG_OK);
        sim = p.sim;
        removed += extents_on_disk() < (uint64_t)STEPS * LEN / 2;
        for (uint64_t step = seed; step <= hg_sim_steps(p.sim) && bad < 3;
             step += (uint64_t)strides[level] * kit_sparse()) {
            enum hg_sim_strategy how =
                (enum hg_sim_strategy)((step + seed) % HG_SIM_CRASH_STRATEGIES);
            if (!kit_case("scheduled %llu step %llu %c", (unsigned long long)seed,
                          (unsigned long long)step, kit_strategy(how)))
                continue;
            bad += (unsigned long)one_state(step, how, step);
            states++;
        }
        kit_release(&p);
    }
    print_total(states, 0, 0, bad);
    cr_assert_eq(bad, 0);
    cr_assert(removed > 0 || getenv("HOLOG_TEST_CASE") != NULL, "nothing was compacted");
}
