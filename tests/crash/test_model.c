/*
 * Random steps on a store and on the shadow model, with power cuts and reopens in between. A
 * sequence that goes wrong is shrunk, by leaving out what it fails without, and printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "drive.h"

enum {
    STEPS_MAX = 60,
    RUNS_MAX = 6
};

/* One sequence: runs of steps, each ended by a power cut, at its end or before. */
struct plan {
    struct step steps[STEPS_MAX];
    char paths[STEPS_MAX][2][MODEL_PATH];
    uint8_t run[STEPS_MAX]; /* which run the step belongs to */
    size_t n;
    uint64_t cut_seed[RUNS_MAX];
    unsigned cut_part[RUNS_MAX]; /* 256ths of the run's disk operations after which it is cut */
    int dirs;
    uint64_t seed;
};

static void random_path(char *out, uint64_t *rng)
{
    static const char *const names[] = { "a", "b", "d", "d/x", "d/y", "e/f/g", "e", "e/f", "l" };
    (void)snprintf(out, MODEL_PATH, "%s", names[rng_next(rng) % 9]);
}

static void random_step(struct plan *p, size_t i, uint64_t *rng)
{
    static const enum step_op ops[] = { STEP_SAVE,    STEP_SAVE,       STEP_SAVE,   STEP_SAVE,
                                        STEP_SAVE,    STEP_BATCH,      STEP_BATCH,  STEP_MKDIR,
                                        STEP_DELETE,  STEP_DELETE_ALL, STEP_MOVE,   STEP_COPY,
                                        STEP_SYMLINK, STEP_SYNC,       STEP_REOPEN, STEP_IDLE };
    static const size_t lens[] = { 0, 1, 100, 700, 1024, 1025, 4096, 20000, 65536, 70000 };
    static const enum holog_sync syncs[] = { HOLOG_SYNC_COMMIT, HOLOG_SYNC_COMMIT,
                                             HOLOG_SYNC_DEFAULT, HOLOG_SYNC_OS, HOLOG_SYNC_NONE };
    struct step *s = &p->steps[i];

    random_path(p->paths[i][0], rng);
    random_path(p->paths[i][1], rng);
    *s = (struct step){ .op = ops[rng_next(rng) % 16],
                        .path = p->paths[i][0],
                        .to = p->paths[i][1],
                        .len = lens[rng_next(rng) % 10],
                        .seed = rng_next(rng) % 100000,
                        .flags = (unsigned)(rng_next(rng) % 4),
                        .sync = syncs[rng_next(rng) % 5] };
    if (s->op == STEP_SAVE && rng_next(rng) % 4 != 0)
        s->flags = HOLOG_REPLACE | HOLOG_PARENTS;
    if (s->op == STEP_BATCH) {
        s->count = 1 + (unsigned)(rng_next(rng) % 6);
        s->len %= 5000;
        s->flags = HOLOG_REPLACE | HOLOG_PARENTS;
    }
    if (s->op == STEP_MOVE || s->op == STEP_COPY || s->op == STEP_SYMLINK)
        s->flags &= HOLOG_REPLACE;
    if (s->op == STEP_SYMLINK) /* to nowhere: the model does not follow links */
        (void)snprintf(p->paths[i][0], MODEL_PATH, "link%u", (unsigned)(rng_next(rng) % 3));
}

static void make_plan(struct plan *p, uint64_t seed)
{
    uint64_t rng = seed;

    memset(p, 0, sizeof *p);
    p->seed = seed;
    p->dirs = (int)(seed % 2);
    p->n = 10 + rng_next(&rng) % (STEPS_MAX - 10);
    for (size_t i = 0; i < p->n; i++) {
        random_step(p, i, &rng);
        p->run[i] = (uint8_t)(i * RUNS_MAX / p->n);
    }
    for (size_t r = 0; r < RUNS_MAX; r++) {
        p->cut_seed[r] = rng_next(&rng);
        p->cut_part[r] = (unsigned)(rng_next(&rng) % 320); /* above 256: after the close */
    }
}

struct run {
    const struct plan *plan;
    struct drive *d;
    unsigned which;
};

static int scenario(struct hg_io *io, void *ctx)
{
    const struct run *r = ctx;
    struct drive *d = r->d;
    holog_store *store = NULL;
    int rc = d->store ? HOLOG_OK : drive_create(d, io);

    if (rc == HOLOG_OK)
        rc = drive_open(d, io, &store);
    for (size_t i = 0; i < r->plan->n && store != NULL && d->wrong[0] == 0; i++) {
        const char *diff;
        if (r->plan->run[i] != r->which)
            continue;
        rc = drive_step(d, io, &store, &r->plan->steps[i]);
        if (store == NULL || d->allowed[0] != 0 || i % 4 != 0)
            continue; /* with the power gone nothing can be read */
        diff = model_differs(&d->now, store);
        if (diff != NULL)
            (void)drive_wrong(d, "after step %zu: %s", i, diff);
    }
    if (store != NULL && d->wrong[0] != 0)
        (void)holog_close(store); /* only to free it */
    else if (store != NULL)
        (void)drive_close(d, store); /* what is wrong is in d */
    return HOLOG_OK;
}

static void copy_drive(struct drive *to, const struct drive *from, int crashing)
{
    drive_init(to);
    drive_follow(to, from);
    if (crashing) {
        to->allowed[0] = HOLOG_E_IO;
        to->allowed[1] = HOLOG_E_INDOUBT;
        to->allowed[2] = HOLOG_E_POISONED;
    }
}

/* One run on `disk` up to a step, and the disk after the cut. Returns what is wrong, or NULL. */
static int run_and_cut(const struct plan *p, unsigned which, struct drive *d, struct hg_sim **disk)
{
    struct hg_sim *dry = NULL;
    struct hg_sim *after = NULL;
    struct drive trial;
    struct run r = { p, &trial, which };
    uint64_t steps;
    uint64_t cut;

    /* Once without a cut, to know how long it is. */
    copy_drive(&trial, d, 0);
    cr_assert_eq(hg_sim_clone(*disk, &dry), HOLOG_OK);
    (void)hg_sim_run(dry, scenario, &r); /* what is wrong is in trial */
    steps = hg_sim_steps(dry);
    if (trial.wrong[0] != 0)
        (void)drive_wrong(d, "run %u: %s", which, trial.wrong);
    hg_sim_destroy(dry);
    drive_release(&trial);
    if (d->wrong[0] != 0)
        return HOLOG_E_INVAL;

    cut = steps * p->cut_part[which] / 256;
    cut = cut > steps ? steps : cut;
    copy_drive(&trial, d, 1);
    hg_sim_set_crash_step(*disk, cut);
    (void)hg_sim_run(*disk, scenario, &r); /* what is wrong is in trial */
    if (trial.wrong[0] != 0)
        (void)drive_wrong(d, "run %u, cut at %llu: %s", which, (unsigned long long)cut,
                          trial.wrong);
    drive_follow(d, &trial);
    drive_release(&trial);
    cr_assert_eq(hg_sim_crash(*disk, cut,
                              (enum hg_sim_strategy)(p->cut_seed[which] % HG_SIM_CRASH_STRATEGIES),
                              p->cut_seed[which] >> 8, &after),
                 HOLOG_OK);
    hg_sim_destroy(*disk);
    *disk = after;
    return d->wrong[0] != 0 ? HOLOG_E_INVAL : HOLOG_OK;
}

/* 1: something is wrong, and why. */
static int fails(const struct plan *p, char *why, size_t size)
{
    struct hg_sim_options so = { .seed = p->seed, .dirs = (enum hg_sim_dirs)p->dirs };
    struct hg_sim *disk = NULL;
    struct drive d;
    int rc = HOLOG_OK;
    int bad;

    drive_init(&d);
    cr_assert_eq(hg_sim_create(&so, &disk), HOLOG_OK);
    for (unsigned r = 0; r < RUNS_MAX && rc == HOLOG_OK; r++)
        rc = run_and_cut(p, r, &d, &disk);
    if (d.wrong[0] == 0) {
        const char *wrong = drive_check(&d, disk);
        if (wrong != NULL)
            (void)drive_wrong(&d, "at the end: %s", wrong);
    }
    bad = d.wrong[0] != 0;
    if (bad)
        (void)snprintf(why, size, "%s", d.wrong);
    hg_sim_destroy(disk);
    drive_release(&d);
    return bad;
}

static void copy_plan(const struct plan *from, struct plan *to, size_t skip, size_t n_skip)
{
    *to = *from;
    to->n = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (i >= skip && i < skip + n_skip)
            continue;
        to->steps[to->n] = from->steps[i];
        to->run[to->n] = from->run[i];
        memcpy(to->paths[to->n], from->paths[i], sizeof to->paths[0]);
        to->n++;
    }
    for (size_t i = 0; i < to->n; i++) { /* into the copy's own memory */
        to->steps[i].path = to->paths[i][0];
        to->steps[i].to = to->paths[i][1];
    }
}

/* Leaves out ever smaller stretches that the failure does not need. */
static void shrink(struct plan *p)
{
    static struct plan smaller;
    char why[500];

    for (size_t part = (p->n + 1) / 2; part > 0; part /= 2) {
        for (size_t at = 0; at < p->n;) {
            copy_plan(p, &smaller, at, part);
            if (fails(&smaller, why, sizeof why))
                copy_plan(&smaller, p, 0, 0);
            else
                at += part;
        }
    }
}

static void print_plan(const struct plan *p)
{
    static const char *const ops[] = { "SAVE",    "MKDIR", "DELETE", "DELETE_ALL", "MOVE", "COPY",
                                       "SYMLINK", "BATCH", "SYNC",   "REOPEN",     "IDLE" };
    for (size_t i = 0; i < p->n; i++) {
        const struct step *s = &p->steps[i];
        (void)fprintf(stderr,
                      "    run %u: { .op = STEP_%s, .path = \"%s\", .to = \"%s\", .len = %zu, "
                      ".seed = %llu, .flags = %u, .count = %u, .sync = %d },\n",
                      p->run[i], ops[s->op], s->path, s->to, s->len, (unsigned long long)s->seed,
                      s->flags, s->count, (int)s->sync);
    }
}

static void campaign(unsigned part)
{
    static const unsigned counts[3] = { 50, 500, 50000 };
    static struct plan p;
    char why[500];
    unsigned n = counts[kit_level()];
    unsigned done = 0;
    unsigned bad = 0;

    for (unsigned i = 0; i < n && bad < 2; i++) {
        if (!kit_case("part %u plan %u", part, i))
            continue;
        make_plan(&p, kit_seed() * 1000 + part * 1000000 + i);
        done++;
        if (!fails(&p, why, sizeof why))
            continue;
        bad += (unsigned)kit_fail(why);
        shrink(&p);
        if (fails(&p, why, sizeof why))
            (void)fprintf(stderr, "  shrunk to %zu steps: %s\n", p.n, why);
        print_plan(&p);
    }
    (void)fprintf(stderr, "%u plans of %d runs, %u wrong\n", done, RUNS_MAX, bad);
    print_total((unsigned long)done * RUNS_MAX, 0, 0, bad);
    cr_assert_eq(bad, 0);
}

#define CAMPAIGN(n)                                                    \
    Test(model, random_steps_and_cuts_agree_with_the_shadow_model_##n) \
    {                                                                  \
        campaign(n);                                                   \
    }

CAMPAIGN(1)
CAMPAIGN(2)
CAMPAIGN(3)
CAMPAIGN(4)
