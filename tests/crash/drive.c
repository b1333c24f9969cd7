/*
 * Driving a store through failures; see drive.h.
 */
#include "drive.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holog/versions.h"
#include "watch.h"

void drive_init(struct drive *d)
{
    memset(d, 0, sizeof *d);
    kit_options(&d->opts);
    d->states = calloc(1, sizeof *d->states);
    assert(d->states != NULL);
    model_init(&d->states[0]);
    model_init(&d->now);
    d->n_states = 1;
}

void drive_release(struct drive *d)
{
    for (uint64_t i = 0; i < d->n_states; i++)
        model_release(&d->states[i]);
    free(d->states);
    model_release(&d->now);
    d->states = NULL;
    d->n_states = 0;
}

int drive_wrong(struct drive *d, const char *fmt, ...)
{
    va_list ap;

    if (d->wrong[0] == 0) {
        va_start(ap, fmt);
        (void)vsnprintf(d->wrong, sizeof d->wrong, fmt, ap); /* cut to fit */
        va_end(ap);
    }
    return HOLOG_E_INVAL;
}

/* The state after commit `number`. Numbers skipped hold what no store can. */
static void set_state(struct drive *d, uint64_t number, const struct model *m)
{
    static const struct step marker = { .op = STEP_SAVE, .path = "never given out" };

    if (number >= d->n_states) {
        d->states = realloc(d->states, (number + 1) * sizeof *d->states);
        assert(d->states != NULL);
        for (; d->n_states <= number; d->n_states++) {
            model_init(&d->states[d->n_states]);
            (void)model_apply(&d->states[d->n_states], &marker); /* cannot fail */
        }
    }
    model_release(&d->states[number]);
    model_copy(m, &d->states[number]);
}

static void set_now(struct drive *d, const struct model *m)
{
    struct model copy;

    model_copy(m, &copy); /* m may be d->now */
    model_release(&d->now);
    d->now = copy;
}

void drive_follow(struct drive *d, const struct drive *from)
{
    for (uint64_t i = 0; i < from->n_states; i++)
        set_state(d, i, &from->states[i]);
    d->durable = from->durable;
    d->submitted = from->submitted;
    d->store = from->store;
    d->compacts = from->compacts;
    d->bases = from->bases;
}

void drive_follow_played(struct drive *d, const struct played *p, uint64_t step)
{
    for (uint64_t i = 0; i <= p->n_commits; i++)
        set_state(d, i, &p->states[i]);
    d->compacts = p->compacts;
    d->bases = p->bases;
    kit_bounds(p, step, &d->durable, &d->submitted, &d->store);
}

static int never_was(const struct model *m)
{
    return m->n == 1 && strcmp(m->e[0].path, "never given out") == 0;
}

/* What was found stays, and nothing else was. The tags may be of two kinds: those that are there. */
static int settle_states(struct drive *d, holog_store *store, uint64_t number)
{
    struct model *m = &d->states[number];
    const char *diff = model_tags_differ(m, store, m->tags);

    memcpy(m->later, m->tags, sizeof m->later);
    while (d->n_states > number + 1)
        model_release(&d->states[--d->n_states]);
    return diff != NULL ? drive_wrong(d, "open finds %s", diff) : HOLOG_OK;
}

static const char *last_message(void)
{
    static struct holog_error_detail detail;

    holog_last_error(&detail);
    return detail.message;
}

/* A call has failed: is the fault a reason? */
static int excused(struct drive *d, const char *what, int rc)
{
    int ok = 0;

    for (size_t i = 0; i < sizeof d->allowed / sizeof d->allowed[0] && d->allowed[i] != 0; i++)
        ok |= rc == d->allowed[i];
    if (!ok)
        return drive_wrong(d, "%s gives %s (%.200s)", what, holog_error_name(rc), last_message());
    if (d->failures++ == 0) {
        d->first_rc = rc;
        (void)snprintf(d->first_message, sizeof d->first_message, "%s: %s (%.150s)", what,
                       holog_error_name(rc), last_message());
    }
    return rc;
}

/* ---- opening and closing -------------------------------------------------------------------------*/

int drive_create(struct drive *d, struct hg_io *io)
{
    int rc;

    watch_new_handle();
    rc = hg_store_init_io(io, &d->opts);
    if (rc == HOLOG_E_EXIST && !d->store)
        return HOLOG_OK; /* one that failed or was cut had come that far; open will tell */
    if (rc == HOLOG_OK)
        d->store = 1;
    return rc == HOLOG_OK ? rc : excused(d, "init", rc);
}

int drive_open(struct drive *d, struct hg_io *io, holog_store **out_store)
{
    uint64_t number;
    int rc;

    watch_new_handle();
    rc = hg_store_open_io(io, &d->opts, out_store);

    if (rc < 0) {
        *out_store = NULL;
        return excused(d, "open", rc);
    }
    number = holog_last_number(*out_store);
    if (number < d->durable || number > d->submitted)
        return drive_wrong(d, "open finds commit %llu; durable %llu, submitted %llu",
                           (unsigned long long)number, (unsigned long long)d->durable,
                           (unsigned long long)d->submitted);
    d->store = 1;
    d->poisoned = 0;
    d->found = d->last = d->durable = d->submitted =
        number; /* found: it stays; absent: it stays so */
    rc = settle_states(d, *out_store, number);
    set_now(d, &d->states[number]);
    return rc;
}

int drive_close(struct drive *d, holog_store *store)
{
    int rc = holog_close(store);

    if (rc == HOLOG_OK)
        d->durable = d->last;
    if (rc == HOLOG_OK && d->poisoned)
        return drive_wrong(d, "a poisoned store closes without an error");
    if (rc == HOLOG_E_POISONED && d->failures > 0)
        return rc;
    return rc == HOLOG_OK ? rc : excused(d, "close", rc);
}

static int reopen(struct drive *d, struct hg_io *io, holog_store **store)
{
    int rc = drive_close(d, *store);

    *store = NULL;
    if (rc == HOLOG_E_INVAL)
        return rc;
    rc = drive_open(d, io, store);
    if (rc < 0 && *store == NULL && d->wrong[0] == 0)
        rc = drive_open(d, io, store); /* once more: the fault may be over */
    return rc;
}

/* ---- commits -------------------------------------------------------------------------------------*/

static int is_strict(const struct step *s)
{
    return s->sync == HOLOG_SYNC_COMMIT || s->sync == HOLOG_SYNC_DEFAULT;
}

/* The step is a commit, or would be; `after` is the model with it, if the model takes it. */
static int judge(struct drive *d, const struct step *s, int rc, int want, uint64_t number,
                 const struct model *after)
{
    if (rc == HOLOG_OK && want < 0)
        return drive_wrong(d, "a step succeeds that should give %s", holog_error_name(want));
    if (rc == HOLOG_OK && d->poisoned)
        return drive_wrong(d, "a commit succeeds on a poisoned store");
    if (rc == HOLOG_OK && is_strict(s) && watch_log_failed())
        return drive_wrong(d, "a commit is acknowledged after a write or sync of the log failed");
    if (rc == HOLOG_OK) {
        if (number <= d->last || number <= d->submitted)
            return drive_wrong(d, "number %llu is given out again", (unsigned long long)number);
        set_state(d, number, after);
        set_now(d, after);
        d->last = d->submitted = number;
        if (is_strict(s))
            d->durable = number;
        return rc;
    }
    if (rc == want)
        return HOLOG_OK; /* refused, as it should be */
    if (rc == HOLOG_E_INDOUBT && want == HOLOG_OK) {
        /* Weak commits before it shared its fate. It may be there itself. */
        number = number > d->submitted ? number : d->submitted + 1;
        set_state(d, number, after);
        d->submitted = number;
        d->poisoned = 1;
    }
    if (rc == HOLOG_E_POISONED) {
        if (d->failures == 0 && d->durable == d->submitted) /* nobody waits for weak commits */
            return drive_wrong(d, "poisoned, but no call has failed before");
        d->failures++;
        d->poisoned = 1;
        return rc;
    }
    if (d->poisoned && d->failures > 0 && rc != HOLOG_E_CORRUPT)
        return rc; /* weak commits were taken back: what the step stood on may be gone */
    return excused(d, "a commit", rc);
}

static int commit(struct drive *d, holog_store *store, const struct step *script)
{
    struct step step = *script;
    const struct step *s = &step;
    struct model after;
    uint64_t number = 0;
    int want;
    int rc;

    model_copy(&d->now, &after);
    if (s->op == STEP_ROLLBACK) { /* some commits of the script may have failed */
        step.number = step.number < d->last ? step.number : d->last;
        while (never_was(&d->states[step.number]))
            step.number--;
        want = model_rollback(&after, &d->states[step.number], s->path);
    } else {
        want = model_apply(&after, s);
    }
    rc = store_apply(store, s, &number);
    if (rc == HOLOG_E_DROPPED && s->op == STEP_ROLLBACK && d->failures > 0)
        want = rc; /* the tag that should keep it may not have been set */
    rc = judge(d, s, rc, want, number, &after);
    model_release(&after);
    return rc;
}

static int sync_all(struct drive *d, holog_store *store)
{
    int rc = holog_sync(store);

    if (rc == HOLOG_OK && d->poisoned)
        return drive_wrong(d, "a sync succeeds on a poisoned store");
    if (rc == HOLOG_OK) {
        d->durable = d->last;
        return rc;
    }
    if (rc == HOLOG_E_POISONED && d->failures > 0) {
        d->poisoned = 1;
        return rc;
    }
    if (rc == HOLOG_E_INDOUBT || rc == HOLOG_E_IO)
        d->poisoned = 1; /* a sync that failed is not tried again */
    return excused(d, "sync", rc);
}

static int tag(struct drive *d, holog_store *store, const struct step *script)
{
    struct step s = *script;
    int want = HOLOG_OK;
    int rc;

    s.number = s.number < d->last ? s.number : d->last;
    for (int i = 0; i < MODEL_TAGS && s.number == 0; i++)
        if (strcmp(s.path, model_tag_names[i]) == 0 && d->now.later[i] == 0)
            want = HOLOG_E_NOENT;
    rc = store_tag(store, &s);
    if (rc == HOLOG_OK && d->poisoned)
        return drive_wrong(d, "a tag is set on a poisoned store");
    if (rc == want && want != HOLOG_OK)
        return HOLOG_OK;
    if (rc == HOLOG_OK || rc == HOLOG_E_INDOUBT) {
        model_tag(&d->states[d->last], &s, rc == HOLOG_OK);
        model_tag(&d->now, &s, rc == HOLOG_OK);
    }
    if (rc == HOLOG_OK) {
        d->durable = d->last; /* what stands before it in the log */
        return rc;
    }
    if (rc == HOLOG_E_INDOUBT)
        d->poisoned = 1;
    if (rc == HOLOG_E_POISONED && (d->failures > 0 || d->durable != d->submitted)) {
        d->poisoned = 1;
        d->failures++;
        return rc;
    }
    return excused(d, "a tag", rc);
}

static int collect(struct drive *d, holog_store *store, const struct step *s)
{
    int rc = holog_gc(store, s->count, 0, 0, NULL);

    if (rc == HOLOG_E_POISONED && (d->failures > 0 || d->durable != d->submitted)) {
        d->poisoned = 1;
        return rc;
    }
    return rc == HOLOG_OK ? rc : excused(d, "gc", rc);
}

static int compact_or_base(holog_store *store, const struct step *s)
{
    return s->op == STEP_BASE ? kit_base(store, s) : store_compact(store, s);
}

/* One that has failed can be tried again, unless it has poisoned the log. */
static int compact(struct drive *d, holog_store *store, const struct step *s)
{
    int rc = compact_or_base(store, s);

    if (rc < 0 && !d->poisoned && rc != HOLOG_E_POISONED && excused(d, "a compaction", rc) == rc) {
        d->poisoned |= rc == HOLOG_E_INDOUBT;
        rc = compact_or_base(store, s);
    }
    if (rc == HOLOG_OK && d->poisoned)
        return drive_wrong(d, "a compaction succeeds on a poisoned store");
    if (rc == HOLOG_OK)
        return rc;
    if (rc == HOLOG_E_POISONED && (d->failures > 0 || d->durable != d->submitted)) {
        d->poisoned = 1;
        d->failures++;
        return rc;
    }
    if (rc == HOLOG_E_INDOUBT)
        d->poisoned = 1;
    return excused(d, "a compaction", rc);
}

int drive_step(struct drive *d, struct hg_io *io, holog_store **store, const struct step *s)
{
    if (s->op == STEP_REOPEN)
        return reopen(d, io, store);
    if (s->op == STEP_IDLE) {
        io->ops->sleep_ns(io, 300000000);
        return HOLOG_OK;
    }
    if (s->op == STEP_SYNC)
        return sync_all(d, *store);
    if (s->op == STEP_TAG)
        return tag(d, *store, s);
    if (s->op == STEP_COMPACT || s->op == STEP_BASE)
        return compact(d, *store, s);
    return s->op == STEP_GC ? collect(d, *store, s) : commit(d, *store, s);
}

int drive_script(struct drive *d, struct hg_io *io, const struct step *steps, size_t n)
{
    holog_store *store = NULL;
    int rc = drive_create(d, io);

    if (rc < 0 && d->wrong[0] == 0)
        rc = drive_create(d, io); /* what a failed init leaves does not stand in the way */
    if (rc < 0 && d->wrong[0] == 0)
        return rc;
    if (d->wrong[0] == 0)
        rc = drive_open(d, io, &store);
    if (rc < 0 && store == NULL && d->wrong[0] == 0)
        rc = drive_open(d, io, &store);
    for (size_t i = 0; i < n && store != NULL && d->wrong[0] == 0; i++) {
        if (steps[i].op == STEP_REOPEN && watch_log_failed() && d->power_cut_after_failure)
            break;
        (void)drive_step(d, io, &store, &steps[i]); /* what is wrong is in d */
        if (d->wrong[0] != 0) {
            size_t len = strlen(d->wrong);
            (void)snprintf(d->wrong + len, sizeof d->wrong - len, ", at step %zu of the script", i);
        }
    }
    if (store != NULL && d->wrong[0] != 0)
        (void)holog_close(store); /* only to free it */
    else if (store != NULL)
        (void)drive_close(d, store); /* what is wrong is in d */
    return d->wrong[0] != 0 ? HOLOG_E_INVAL : HOLOG_OK;
}

/* ---- the end -------------------------------------------------------------------------------------*/

const char *drive_check(const struct drive *d, struct hg_sim *disk)
{
    struct played p = { .states = d->states,
                        .n_commits = (size_t)d->n_states - 1,
                        .compacts = d->compacts,
                        .bases = d->bases };

    return kit_check(disk, &p, d->durable, d->submitted, d->store);
}

int drive_check_cuts(struct drive *d, const struct hg_sim *sim, uint64_t step, unsigned seeds,
                     unsigned long *count)
{
    static const enum hg_sim_strategy strategies[] = { HG_SIM_CRASH_NONE, HG_SIM_CRASH_ALL,
                                                       HG_SIM_CRASH_TORN_HEAD, HG_SIM_CRASH_SECTORS,
                                                       HG_SIM_CRASH_RANDOM };
    for (size_t i = 0; i < sizeof strategies / sizeof strategies[0]; i++) {
        unsigned n = strategies[i] <= HG_SIM_CRASH_ALL ? 1 : seeds;
        for (unsigned seed = 0; seed < n && d->wrong[0] == 0; seed++) {
            struct hg_sim *after = NULL;
            const char *wrong;
            int rc =
                hg_sim_crash(sim, step, strategies[i], kit_seed() + step * 1000 + seed, &after);
            if (rc < 0)
                return drive_wrong(d, "no crash state");
            wrong = drive_check(d, after);
            if (wrong != NULL)
                (void)drive_wrong(d, "cut at step %llu, strategy %c, seed %u: %s",
                                  (unsigned long long)step, kit_strategy(strategies[i]), seed,
                                  wrong);
            hg_sim_destroy(after);
            if (count != NULL)
                (*count)++;
        }
    }
    return d->wrong[0] != 0 ? HOLOG_E_INVAL : HOLOG_OK;
}
