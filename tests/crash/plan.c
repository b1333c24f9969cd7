/*
 * Playing plans; see plan.h.
 */
#include "plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "drive.h"

enum {
    RECORD = 4,
    WHATS = 18,
    OPS = 16
};

/* ---- decoding ------------------------------------------------------------------------------------*/

static void decode_step(const uint8_t *in, uint64_t seed, struct step *out)
{
    static const enum step_op ops[OPS] = { STEP_SAVE,    STEP_SAVE,       STEP_SAVE,   STEP_SAVE,
                                           STEP_SAVE,    STEP_BATCH,      STEP_BATCH,  STEP_MKDIR,
                                           STEP_DELETE,  STEP_DELETE_ALL, STEP_MOVE,   STEP_COPY,
                                           STEP_SYMLINK, STEP_SYNC,       STEP_REOPEN, STEP_IDLE };
    static const char *const names[] = { "a", "b", "d", "d/x", "d/y", "e/f/g", "e", "e/f", "l" };
    static const char *const links[] = { "link0", "link1", "link2" };
    static const size_t lens[] = { 0, 1, 100, 700, 1024, 1025, 4096, 20000, 65536, 70000 };
    static const enum holog_sync syncs[] = { HOLOG_SYNC_COMMIT, HOLOG_SYNC_COMMIT,
                                             HOLOG_SYNC_DEFAULT, HOLOG_SYNC_OS, HOLOG_SYNC_NONE };
    struct step *s = out;

    *s = (struct step){ .op = ops[in[0] % WHATS],
                        .path = names[(in[1] & 15) % 9],
                        .to = names[(in[1] >> 4) % 9],
                        .len = lens[(in[2] & 15) % 10],
                        .seed = seed,
                        .flags = in[3] & 3u,
                        .sync = syncs[(in[2] >> 4) % 5] };
    if (s->op == STEP_SAVE && (in[3] & 12) != 0)
        s->flags = HOLOG_REPLACE | HOLOG_PARENTS;
    if (s->op == STEP_BATCH) {
        s->count = 1 + (in[3] >> 4) % 6u;
        s->len %= 5000;
        s->flags = HOLOG_REPLACE | HOLOG_PARENTS;
    }
    if (s->op == STEP_MOVE || s->op == STEP_COPY || s->op == STEP_SYMLINK)
        s->flags &= HOLOG_REPLACE;
    if (s->op == STEP_MKDIR)
        s->flags &= HOLOG_PARENTS;
    if (s->op == STEP_SYMLINK) /* to nowhere: the model does not follow links */
        s->path = links[in[1] % 3];
}

void plan_decode(const uint8_t *data, size_t len, struct plan *out)
{
    struct plan *p = out;
    uint8_t head = len > 0 ? data[0] : 0;

    memset(p, 0, sizeof *p);
    p->seed = head;
    p->dirs = head % 2 == 0 ? HG_SIM_DIRS_JOURNAL : HG_SIM_DIRS_POSIX;
    for (size_t at = 1; at + RECORD <= len && p->n_runs < PLAN_RUNS; at += RECORD) {
        const uint8_t *in = data + at;
        if (in[0] % WHATS >= OPS) {
            p->cut[p->n_runs++] =
                (struct plan_cut){ in[1] * 320u / 256,
                                   (enum hg_sim_strategy)(in[2] % HG_SIM_CRASH_STRATEGIES), in[3] };
        } else if (p->n < PLAN_STEPS) {
            decode_step(in, at, &p->steps[p->n]); /* values of its own for each step */
            p->run[p->n++] = (uint8_t)p->n_runs;
        }
    }
    if (p->n_runs < PLAN_RUNS)
        p->cut[p->n_runs++] = (struct plan_cut){ 256, HG_SIM_CRASH_ALL, 0 };
}

/* ---- playing -------------------------------------------------------------------------------------*/

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

/* One run on *disk up to its cut; then *disk is what the cut leaves. What is wrong is in d. */
static int run_and_cut(const struct plan *p, unsigned which, struct drive *d, struct hg_sim **disk)
{
    const struct plan_cut *cut = &p->cut[which];
    struct hg_sim *dry = NULL;
    struct hg_sim *after = NULL;
    struct drive trial;
    struct run r = { p, &trial, which };
    uint64_t steps;
    uint64_t at;
    int rc;

    /* Once without a cut, to know how long it is. */
    copy_drive(&trial, d, 0);
    rc = hg_sim_clone(*disk, &dry);
    assert(rc == HOLOG_OK);
    (void)hg_sim_run(dry, scenario, &r); /* what is wrong is in trial */
    steps = hg_sim_steps(dry);
    if (trial.wrong[0] != 0)
        (void)drive_wrong(d, "run %u: %s", which, trial.wrong);
    hg_sim_destroy(dry);
    drive_release(&trial);
    if (d->wrong[0] != 0)
        return HOLOG_E_INVAL;

    at = steps * cut->part / 256;
    at = at > steps ? steps : at;
    copy_drive(&trial, d, 1);
    hg_sim_set_crash_step(*disk, at);
    (void)hg_sim_run(*disk, scenario, &r); /* what is wrong is in trial */
    if (trial.wrong[0] != 0)
        (void)drive_wrong(d, "run %u, cut at %llu: %s", which, (unsigned long long)at, trial.wrong);
    drive_follow(d, &trial);
    drive_release(&trial);
    rc = hg_sim_crash(*disk, at, cut->strategy, cut->seed, &after);
    assert(rc == HOLOG_OK);
    (void)rc; /* without assertions nobody looks */
    hg_sim_destroy(*disk);
    *disk = after;
    return d->wrong[0] != 0 ? HOLOG_E_INVAL : HOLOG_OK;
}

int plan_fails(const struct plan *p, char *why, size_t size)
{
    struct hg_sim_options so = { .seed = p->seed, .dirs = p->dirs };
    struct hg_sim *disk = NULL;
    struct drive d;
    int rc = hg_sim_create(&so, &disk);
    int bad;

    assert(rc == HOLOG_OK);
    drive_init(&d);
    for (unsigned r = 0; r < p->n_runs && rc == HOLOG_OK; r++)
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

void plan_print(const struct plan *p)
{
    static const char *const ops[] = { "SAVE", "MKDIR",   "DELETE", "DELETE_ALL", "MOVE",
                                       "COPY", "SYMLINK", "BATCH",  "ROLLBACK",   "TAG",
                                       "GC",   "SYNC",    "REOPEN", "COMPACT",    "IDLE" };
    for (size_t i = 0; i < p->n; i++) {
        const struct step *s = &p->steps[i];
        (void)fprintf(stderr,
                      "    run %u: { .op = STEP_%s, .path = \"%s\", .to = \"%s\", .len = %zu, "
                      ".seed = %llu, .flags = %u, .count = %u, .sync = %d },\n",
                      p->run[i], ops[s->op], s->path, s->to, s->len, (unsigned long long)s->seed,
                      s->flags, s->count, (int)s->sync);
    }
    for (size_t r = 0; r < p->n_runs; r++)
        (void)fprintf(stderr, "    run %zu: cut after %u/256, strategy %c, seed %llu\n", r,
                      p->cut[r].part, kit_strategy(p->cut[r].strategy),
                      (unsigned long long)p->cut[r].seed);
}
