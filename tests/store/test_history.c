/*
 * The history of a store against whole trees kept for every commit (chronicle.h): random changes,
 * rollbacks, tags, settings of retention, clean ends, lost checkpoints and power cuts on the
 * simulated disk; a reader beside. What can be read as of a number is what was there, byte for byte;
 * what is named by a tag, or within the rules, can be read. In some of them the store is compacted now and
 * then, beside views and the reader.
 *
 *     HOLOG_TEST_CASE='history 17' HOLOG_TEST_SEED=... runs one of them alone
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "chronicle.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

enum {
    TAGS = 4,
    VIEWS = 4,
    EVENTS_MAX = 4096, /* of one life */
    MARK_EVENT = 10,
    MARK_EVENT_DURABLE = 11
};

static const char *const tag_names[TAGS] = { "v1", "v2", "a", "release-1.0_x" };

/* What the store says of itself after a commit, or a tag: what a cut leaves is one of these. */
struct event {
    uint64_t number;
    uint64_t tags[TAGS]; /* 0: there is none */
};

static const char *const paths[] = { "a",   "b",     "f1",    "f2",   "f10",    "d1",
                                     "d2",  "d1/x1", "d1/x2", "d1/s", "d1/s/x", "d1/s/x10",
                                     "d.1", "d2/q",  "c0",    "c0/x1" };
#define PATHS (sizeof paths / sizeof paths[0])

struct world {
    uint64_t rng;
    struct hg_sim *sim;
    holog_store *store;
    struct chronicle c;
    struct model now;
    uint64_t seed;  /* of the next value */
    uint64_t keep;  /* retention.commits; UINT64_MAX: all */
    uint64_t floor; /* states from here on must be kept */
    uint64_t tags[TAGS];
    struct event events[EVENTS_MAX];
    size_t n_events;
    size_t certain; /* of the events: those before it must be found */
    holog_view *views[VIEWS];
    uint64_t view_numbers[VIEWS];
    struct hg_io *reader_io;
    holog_store *reader;
    unsigned steps; /* of this life */
    int started;    /* a store is there, and has been opened */
    int compacts;
    unsigned long looked, dropped;
    unsigned long moved; /* values, by compactions */
    char wrong[600];
};

static int wrong(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct world *w, const char *fmt, ...)
{
    struct holog_error_detail d;
    va_list ap;
    size_t n;

    if (w->wrong[0] != 0)
        return 1;
    va_start(ap, fmt);
    (void)vsnprintf(w->wrong, sizeof w->wrong, fmt, ap); /* cut to fit */
    va_end(ap);
    holog_last_error(&d);
    n = strlen(w->wrong);
    (void)snprintf(w->wrong + n, sizeof w->wrong - n, " (step %u, commit %llu; last error: %.150s)",
                   w->steps, (unsigned long long)w->c.last, d.message);
    return 1;
}

static uint64_t pick(struct world *w, uint64_t n)
{
    return rng_next(&w->rng) % n;
}

/* A number not more than n - 1 below the newest. */
static uint64_t recent(struct world *w, uint64_t n)
{
    uint64_t back = pick(w, n);
    return w->c.last - HG_MIN(back, w->c.last);
}

/* ---- looking -------------------------------------------------------------------------------------*/

static int is_tagged(const struct world *w, uint64_t number)
{
    for (int i = 0; i < TAGS; i++)
        if (w->tags[i] == number && number != 0)
            return 1;
    return 0;
}

/* HOLOG_OK, HOLOG_E_DROPPED, or something is wrong. */
static int look_at(struct world *w, holog_store *s, uint64_t number, int must)
{
    holog_view *view = NULL;
    int rc = holog_view_open_at(s, number, &view);

    if (rc == HOLOG_E_DROPPED && must)
        return wrong(w, "the state of %llu is gone; from %llu on all are kept",
                     (unsigned long long)number, (unsigned long long)w->floor);
    if (rc == HOLOG_E_DROPPED) {
        w->dropped++;
        return rc;
    }
    if (rc != HOLOG_OK)
        return wrong(w, "the view at %llu: %s", (unsigned long long)number, holog_error_name(rc));
    w->looked++;
    if (holog_view_number(view) != number)
        (void)wrong(w, "a view at %llu says it is at another number", (unsigned long long)number);
    if (chronicle_differs(&w->c, view, number, &w->rng))
        (void)wrong(w, "as of %llu: %s", (unsigned long long)number, w->c.wrong);
    holog_view_close(view);
    return rc;
}

static int can_be_read(struct world *w, uint64_t number)
{
    holog_view *view = NULL;
    int rc = holog_view_open_at(w->store, number, &view);

    holog_view_close(view);
    return rc == HOLOG_OK;
}

static void compare_states(struct world *w, uint64_t a, uint64_t b, const char *path)
{
    if (!can_be_read(w, a) || !can_be_read(w, b))
        return;
    if (chronicle_diff_differs(&w->c, w->store, a, b, path))
        (void)wrong(w, "diff of %llu and %llu at \"%s\": %s", (unsigned long long)a,
                    (unsigned long long)b, path, w->c.wrong);
    w->looked++;
}

static void look_at_path(struct world *w, const char *path)
{
    uint64_t horizon = w->store->timeline.horizon;

    if (chronicle_history_differs(&w->c, w->store, path, horizon))
        (void)wrong(w, "the history of %s: %s", path, w->c.wrong);
}

static int look_at_store(struct world *w, uint64_t number)
{
    return look_at(w, w->store, number, number >= w->floor || is_tagged(w, number));
}

/* Numbers have gaps where a cut was. */
static void look_back(struct world *w, uint64_t back)
{
    uint64_t want = chronicle_back(&w->c, back);
    uint64_t number = 0;
    char ref[32];
    int rc;

    (void)snprintf(ref, sizeof ref, "HEAD~%llu", (unsigned long long)back);
    rc = holog_ref(w->store, ref, &number);
    if (rc == HOLOG_OK
            ? number != want
            : (want != 0 && want >= w->floor) || (rc != HOLOG_E_NOENT && rc != HOLOG_E_DROPPED))
        (void)wrong(w, "%s is %s, %llu, not %llu", ref, holog_error_name(rc),
                    (unsigned long long)number, (unsigned long long)want);
}

static void look_at_some(struct world *w, unsigned n)
{
    look_back(w, pick(w, 12));
    (void)look_at_store(w, w->c.last);
    for (unsigned i = 0; i < n && w->wrong[0] == 0; i++) {
        uint64_t back = pick(w, 2) == 0 ? w->c.last + 1 : 10;
        const char *path = paths[pick(w, PATHS)];
        uint64_t a = recent(w, back);
        compare_states(w, a, recent(w, back), pick(w, 2) == 0 ? "" : path);
        if (w->wrong[0] == 0)
            look_at_path(w, path);
    }
    for (unsigned i = 0; i < n && w->wrong[0] == 0; i++) {
        int any = pick(w, 3) == 0;
        (void)look_at_store(w, recent(w, any ? w->c.last + 1 : 12));
    }
    for (int i = 0; i < TAGS && w->wrong[0] == 0; i++) {
        uint64_t number = 0;
        int rc = holog_ref(w->store, tag_names[i], &number);
        if (rc != (w->tags[i] == 0 ? HOLOG_E_NOENT : HOLOG_OK) || number != w->tags[i])
            (void)wrong(w, "tag %s: %s, %llu, not %llu", tag_names[i], holog_error_name(rc),
                        (unsigned long long)number, (unsigned long long)w->tags[i]);
        else if (number != 0)
            (void)look_at_store(w, number);
    }
}

static void look_at_view(struct world *w, int i)
{
    if (w->views[i] != NULL && chronicle_differs(&w->c, w->views[i], w->view_numbers[i], &w->rng))
        (void)wrong(w, "a view held since %llu: %s", (unsigned long long)w->view_numbers[i],
                    w->c.wrong);
}

static void swap_view(struct world *w)
{
    int i = (int)pick(w, VIEWS);
    uint64_t number = recent(w, 20);

    look_at_view(w, i);
    holog_view_close(w->views[i]);
    w->views[i] = NULL;
    if (holog_view_open_at(w->store, number, &w->views[i]) == HOLOG_OK)
        w->view_numbers[i] = number;
}

static void close_views(struct world *w)
{
    for (int i = 0; i < VIEWS; i++) {
        if (w->wrong[0] == 0)
            look_at_view(w, i);
        holog_view_close(w->views[i]);
        w->views[i] = NULL;
    }
}

/* ---- what has happened ---------------------------------------------------------------------------*/

static void submit(struct world *w, uint64_t number, const uint64_t *tags)
{
    struct event *e = &w->events[w->n_events];

    cr_assert_lt(w->n_events, EVENTS_MAX);
    e->number = number;
    memcpy(e->tags, tags, sizeof e->tags);
    hg_sim_mark(w->sim, MARK_EVENT, w->n_events++);
}

static void acknowledged(struct world *w)
{
    hg_sim_mark(w->sim, MARK_EVENT_DURABLE, w->n_events - 1);
}

static void committed(struct world *w, uint64_t number, const struct model *after)
{
    if (number <= w->c.last)
        (void)wrong(w, "number %llu comes after %llu", (unsigned long long)number,
                    (unsigned long long)w->c.last);
    else
        chronicle_commit(&w->c, number, after);
    if (after != &w->now) {
        model_release(&w->now);
        model_copy(after, &w->now);
    }
    if (w->keep != UINT64_MAX && number >= w->keep)
        w->floor = HG_MAX(w->floor, number - w->keep + 1);
}

/* ---- steps ---------------------------------------------------------------------------------------*/

static int fits(const struct model *m, const char *from, const char *to)
{
    size_t n = strlen(from);

    for (size_t i = 0; i < m->n; i++)
        if (strncmp(m->e[i].path, from, n) == 0 &&
            strlen(m->e[i].path) - n + strlen(to) > MODEL_PATH - 10)
            return 0;
    return m->n < 60;
}

static void choose_step(struct world *w, const struct model *m, struct step *s)
{
    static const size_t lens[] = { 0, 1, 40, 100, 700, 1024, 1025, 3000, 5000, 66000 };
    static const char *const dests[] = { "c0", "c1", "d2/c", "b", "d1", "d1/s/y" };
    static const char *const links[] = { "l0", "l1" };
    static const char *const targets[] = { "/a", "/d1/x1", "/nowhere", "/f2" };

    memset(s, 0, sizeof *s);
    s->seed = w->seed += 20; /* a batch takes some */
    s->path = paths[pick(w, PATHS)];
    s->len = lens[pick(w, pick(w, 8) == 0 ? 10 : 7)];
    switch (pick(w, 24)) {
    case 0:
    case 1: s->op = STEP_DELETE; break;
    case 2: s->op = STEP_DELETE_ALL; break;
    case 3:
        s->op = STEP_DELETE_ALL;
        s->path = pick(w, 6) == 0 ? "" : s->path;
        break;
    case 4:
    case 5:
    case 6:
        s->op = pick(w, 2) == 0 ? STEP_MOVE : STEP_COPY;
        s->to = dests[pick(w, 6)];
        s->flags = pick(w, 2) == 0 ? HOLOG_REPLACE : 0;
        if (!fits(m, s->path, s->to))
            s->op = STEP_DELETE;
        break;
    case 7:
        s->op = STEP_MKDIR;
        s->flags = HOLOG_PARENTS;
        break;
    case 8:
        s->op = STEP_SYMLINK;
        s->path = links[pick(w, 2)];
        s->to = targets[pick(w, 4)];
        s->flags = HOLOG_REPLACE;
        break;
    case 9:
    case 10:
    case 11:
        s->op = STEP_BATCH;
        s->path = pick(w, 2) == 0 ? "d1" : "d2";
        s->count = 1 + (unsigned)pick(w, 12);
        s->len %= 1500;
        s->flags = HOLOG_REPLACE | HOLOG_PARENTS;
        break;
    case 12:
    case 13:
    case 14:
    case 15:
        s->op = STEP_ROLLBACK;
        if (pick(w, 4) == 0)
            s->path = "";
        s->number = recent(w, pick(w, 3) == 0 ? w->c.last + 1 : 10);
        if (is_tagged(w, s->number) == 0 && pick(w, 4) == 0)
            s->number = w->tags[pick(w, TAGS)];
        break;
    default:
        s->op = STEP_SAVE;
        s->flags = pick(w, 6) == 0 ? 0 : HOLOG_REPLACE | HOLOG_PARENTS;
        break;
    }
}

/* The oracle's answer to a step; on failure nothing changes. */
static int predict(struct world *w, struct model *m, const struct step *s)
{
    struct model before;
    int rc;

    if (s->op == STEP_ROLLBACK && !can_be_read(w, s->number))
        return HOLOG_E_DROPPED;
    model_copy(m, &before);
    rc = s->op == STEP_ROLLBACK ? model_rollback(m, chronicle_model(&w->c, s->number), s->path)
                                : model_apply(m, s);
    if (rc == HOLOG_OK)
        chronicle_step(&w->c, s, &before, m);
    model_release(&before);
    return rc;
}

/* What the transaction sees of itself. */
static void look_in_txn(struct world *w, holog_txn *t, const struct model *m)
{
    for (size_t i = 0; i < PATHS && w->wrong[0] == 0; i++) {
        const struct model_entry *e = model_find(m, paths[i]);
        holog_stat_info st = { .struct_size = sizeof st };
        int rc = holog_txn_stat(t, paths[i], &st);
        if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
            st.type = HOLOG_MISSING;
        if (st.type != (e == NULL ? HOLOG_MISSING : (uint32_t)e->type) ||
            (e != NULL && e->type == HOLOG_BLOB && st.size_bytes != e->len))
            (void)wrong(w, "in a transaction %s has type %u and %llu bytes", paths[i], st.type,
                        (unsigned long long)st.size_bytes);
    }
}

static void commit(struct world *w, unsigned steps)
{
    struct model after;
    holog_txn *t = NULL;
    uint64_t number = 0;
    uint64_t oldest = UINT64_MAX; /* that it goes back to */
    unsigned done = 0;
    int weak = pick(w, 3) != 0;
    int rc = holog_begin(w->store, &t);

    if (rc != HOLOG_OK) {
        (void)wrong(w, "begin");
        return;
    }
    model_copy(&w->now, &after);
    if (weak)
        rc = holog_txn_sync(t, pick(w, 2) == 0 ? HOLOG_SYNC_NONE : HOLOG_SYNC_OS);
    for (; done < steps && rc == HOLOG_OK; done++) {
        struct step s;
        choose_step(w, &after, &s);
        int want = predict(w, &after, &s);
        if (s.op == STEP_ROLLBACK)
            oldest = HG_MIN(oldest, s.number);
        rc = step_in_txn(t, &s);
        if (rc != want)
            (void)wrong(w, "operation %d on \"%s\" (to \"%s\", number %llu): %s, not %s", s.op,
                        s.path, s.to != NULL ? s.to : "", (unsigned long long)s.number,
                        holog_error_name(rc), holog_error_name(want));
    }
    if (rc == HOLOG_OK && steps > 1 && w->wrong[0] == 0)
        look_in_txn(w, t, &after);
    if (rc < 0 || w->wrong[0] != 0) {
        holog_abort(t);
        chronicle_forget_steps(&w->c);
    } else {
        submit(w, w->c.last + 1, w->tags); /* its number is corrected below */
        rc = holog_commit(t, &number);
        if (rc == HOLOG_E_DROPPED && oldest < w->floor) {
            w->events[w->n_events - 1].number = w->c.last; /* the horizon moved: nothing happened */
            chronicle_forget_steps(&w->c);
        } else if (rc != HOLOG_OK) {
            (void)wrong(w, "commit: %s", holog_error_name(rc));
        } else {
            w->events[w->n_events - 1].number = number;
            if (!weak)
                acknowledged(w);
            committed(w, number, &after);
        }
    }
    model_release(&after);
}

static void rollback_simply(struct world *w)
{
    struct step s = { .op = STEP_ROLLBACK, .path = paths[pick(w, PATHS)], .number = recent(w, 10) };
    struct model after;
    uint64_t number = 0;
    int want;
    int rc;

    if (pick(w, 3) == 0)
        s.path = "";
    model_copy(&w->now, &after);
    want = predict(w, &after, &s);
    submit(w, w->c.last + 1, w->tags);
    rc = holog_rollback(w->store, s.path[0] == 0 ? "/" : s.path, s.number, &number);
    if (rc == HOLOG_E_DROPPED && s.number < w->floor)
        want = rc; /* the horizon has moved */
    if (rc != want)
        (void)wrong(w, "rollback of \"%s\" to %llu: %s, not %s", s.path,
                    (unsigned long long)s.number, holog_error_name(rc), holog_error_name(want));
    else if (rc == HOLOG_OK) {
        w->events[w->n_events - 1].number = number;
        acknowledged(w);
        committed(w, number, &after);
    } else {
        w->events[w->n_events - 1].number = w->c.last; /* nothing has happened */
        chronicle_forget_steps(&w->c);
    }
    model_release(&after);
}

static void tag(struct world *w)
{
    int i = (int)pick(w, TAGS);
    uint64_t number = 1 + pick(w, w->c.last);
    uint64_t after[TAGS];
    int remove = pick(w, 4) == 0;
    unsigned flags = pick(w, 2) == 0 ? HOLOG_REPLACE : 0;
    int want = HOLOG_OK;
    int rc;

    if (pick(w, 2) == 0)
        number = recent(w, 6);
    number += number == 0;
    memcpy(after, w->tags, sizeof after);
    after[i] = remove ? 0 : number;
    if (remove)
        want = w->tags[i] == 0 ? HOLOG_E_NOENT : HOLOG_OK;
    else if (!can_be_read(w, number))
        want = HOLOG_E_DROPPED;
    else if (w->tags[i] != 0 && flags == 0)
        want = HOLOG_E_EXIST;
    submit(w, w->c.last, want == HOLOG_OK ? after : w->tags);
    rc = remove ? holog_tag_delete(w->store, tag_names[i])
                : holog_tag(w->store, tag_names[i], number, flags);
    if (rc != want)
        (void)wrong(w, "tag %s at %llu, flags %u: %s, not %s", tag_names[i],
                    (unsigned long long)number, flags, holog_error_name(rc),
                    holog_error_name(want));
    if (rc == HOLOG_OK) {
        acknowledged(w);
        memcpy(w->tags, after, sizeof after);
    }
}

static void configure(struct world *w, const char *key, const char *value)
{
    int rc;

    submit(w, w->c.last + 1, w->tags);
    rc = holog_config(w->store, key, value, NULL, 0);
    if (rc != HOLOG_OK)
        (void)wrong(w, "config %s %s: %s", key, value, holog_error_name(rc));
    w->events[w->n_events - 1].number = holog_last_number(w->store);
    acknowledged(w);
    committed(w, holog_last_number(w->store), &w->now);
}

static void change_rule(struct world *w)
{
    static const struct {
        const char *text;
        uint64_t n;
    } rules[] = { { "8", 8 }, { "3", 3 }, { "20", 20 }, { "1", 1 }, { "all", UINT64_MAX } };
    size_t i = pick(w, 5);

    w->keep = HG_MAX(w->keep, rules[i].n); /* in between any of the two may count */
    configure(w, "retention.commits", rules[i].text);
    w->keep = rules[i].n;
    if (w->keep != UINT64_MAX && w->c.last >= w->keep)
        w->floor = HG_MAX(w->floor, w->c.last - w->keep + 1);
}

/* The rules, all the way; stricter ones at times. */
static void collect(struct world *w)
{
    holog_gc_report r = { .struct_size = sizeof r };
    uint64_t keep = pick(w, 2) == 0 ? 0 : 1 + pick(w, 30);
    int dry = pick(w, 3) == 0;

    if (holog_gc(w->store, keep, 0, dry, &r) != HOLOG_OK)
        (void)wrong(w, "gc");
    else if (r.horizon < r.horizon_before || r.commits > r.commits_before ||
             (r.commits == 0 && w->c.last > 0))
        (void)wrong(w, "gc says %llu, then %llu; %llu commits, then %llu",
                    (unsigned long long)r.horizon_before, (unsigned long long)r.horizon,
                    (unsigned long long)r.commits_before, (unsigned long long)r.commits);
    if (!dry && keep != 0 && w->c.last >= keep)
        w->floor = HG_MAX(w->floor, w->c.last - keep + 1);
}

static void read_beside(struct world *w)
{
    uint64_t number = 0;

    if (holog_refresh(w->reader, &number) != HOLOG_OK || number > w->c.last)
        (void)wrong(w, "refresh gives %llu", (unsigned long long)number);
    for (int i = 0; i < 3 && w->wrong[0] == 0; i++)
        (void)look_at(w, w->reader, number - pick(w, (number < 30 ? number : 30) + 1), 0);
}

/* Nothing that can be read changes: what is looked at later says so. */
static void compact(struct world *w)
{
    const holog_compact_options o = { .struct_size = sizeof o,
                                      .flags = pick(w, 2) == 0 ? HOLOG_COMPACT_ALL : 0 };
    holog_compact_report r = { .struct_size = sizeof r };
    int rc = holog_compact(w->store, &o, &r);

    if (rc != HOLOG_OK)
        (void)wrong(w, "compaction: %s", holog_error_name(rc));
    if (w->reader == NULL && r.waiting != 0)
        (void)wrong(w, "a compaction waits for readers that there are not");
    w->moved += r.values;
}

static void one_step(struct world *w)
{
    unsigned what = (unsigned)pick(w, w->compacts ? 46 : 40);

    w->steps++;
    if (what >= 40)
        compact(w);
    else if (what < 26)
        commit(w, 1);
    else if (what < 30)
        commit(w, 2 + (unsigned)pick(w, 3));
    else if (what < 32)
        rollback_simply(w);
    else if (what < 35 && w->c.last > 0)
        tag(w);
    else if (what == 35)
        change_rule(w);
    else if (what == 36)
        collect(w);
    else if (what == 37)
        swap_view(w);
    else if (what == 38 && w->reader != NULL)
        read_beside(w);
    else
        look_at_some(w, 2);
}

/* So many commits behind them that states near each other are compared by the commits between. */
static void fall_behind(struct world *w)
{
    uint64_t then = w->c.last;

    configure(w, "retention.commits", "all");
    w->keep = UINT64_MAX;
    while (w->c.last < then + 1030 && w->wrong[0] == 0)
        commit(w, 1);
    for (unsigned i = 0; i < 30 && w->wrong[0] == 0; i++)
        compare_states(w, then - pick(w, then < 40 ? then : 40),
                       then - pick(w, then < 40 ? then : 40),
                       pick(w, 3) != 0 ? "" : paths[pick(w, PATHS)]);
}

/* ---- lives ---------------------------------------------------------------------------------------*/

/* Which of the events it was that a cut left; the chronicle ends there. */
static void find_event(struct world *w)
{
    uint64_t number = holog_last_number(w->store);
    size_t i = w->n_events;

    for (; i > w->certain; i--) {
        const struct event *e = &w->events[i - 1];
        int same = e->number == number;
        for (int k = 0; k < TAGS && same; k++) {
            uint64_t tagged = 0;
            int rc = holog_ref(w->store, tag_names[k], &tagged);
            same = rc == (e->tags[k] == 0 ? HOLOG_E_NOENT : HOLOG_OK) && tagged == e->tags[k];
        }
        if (same)
            break;
    }
    if (i == w->certain) {
        (void)wrong(w, "found: commit %llu with tags of no moment that may be found",
                    (unsigned long long)number);
        return;
    }
    chronicle_cut(&w->c, number);
    model_release(&w->now);
    model_copy(chronicle_model(&w->c, number), &w->now);
    memcpy(w->tags, w->events[i - 1].tags, sizeof w->tags);
}

static void settle_rules(struct world *w)
{
    char text[32] = "";
    uint64_t n = 1000;

    if (holog_config(w->store, "retention.commits", NULL, text, sizeof text) == HOLOG_OK &&
        text[0] != 0)
        n = strcmp(text, "all") == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
    w->keep = n;
    text[0] = 0;
    if (holog_config(w->store, "retention.bytes", NULL, text, sizeof text) != HOLOG_OK ||
        strcmp(text, "all") != 0)
        w->floor = UINT64_MAX; /* values that are not current count: only tags promise something */
}

static int life(struct hg_io *io, void *ctx)
{
    struct world *w = ctx;
    holog_options o;
    int rc = HOLOG_OK;

    kit_options(&o);
    if (!w->started)
        rc = hg_store_init_io(io, &o);
    if (rc == HOLOG_OK)
        rc = hg_store_open_io(io, &o, &w->store);
    if (rc != HOLOG_OK) {
        (void)wrong(w, "open: %s", holog_error_name(rc));
        return HOLOG_OK;
    }
    if (w->started)
        find_event(w);
    w->n_events = 0;
    submit(w, w->c.last, w->tags); /* what was found stays found */
    acknowledged(w);
    if (!w->started && pick(w, 3) != 0)
        configure(w, "retention.bytes", "all");
    settle_rules(w);
    w->started = 1;
    if (w->wrong[0] == 0 && pick(w, 3) == 0) {
        holog_options ro = o;
        ro.flags |= HOLOG_OPEN_READONLY;
        if (hg_sim_open_io(w->sim, &w->reader_io) != HOLOG_OK ||
            hg_store_open_io(w->reader_io, &ro, &w->reader) != HOLOG_OK)
            (void)wrong(w, "no reader");
    }
    if (w->wrong[0] == 0)
        look_at_some(w, 12);
    for (unsigned n = pick(w, 5) == 0 ? 150 + (unsigned)pick(w, 150) : (unsigned)pick(w, 40);
         n > 0 && w->wrong[0] == 0; n--)
        one_step(w);
    if (w->wrong[0] == 0 && w->c.last > 20 && pick(w, 100) == 0)
        fall_behind(w);
    if (w->wrong[0] == 0)
        look_at_some(w, 12);
    close_views(w);
    (void)holog_close(w->reader); /* NULL is fine; it has only read */
    if (w->reader_io != NULL)
        w->reader_io->ops->destroy(w->reader_io);
    w->reader = NULL;
    w->reader_io = NULL;
    rc = holog_close(w->store);
    w->store = NULL;
    if (rc != HOLOG_OK)
        (void)wrong(w, "close: %s", holog_error_name(rc));
    acknowledged(w);
    return HOLOG_OK;
}

struct names {
    struct hg_sim *sim;
    char name[8][64];
    size_t n;
};

static int note_checkpoint(void *ctx, const char *name, uint64_t size)
{
    struct names *n = ctx;

    (void)size;
    if (strncmp(name, "chk/", 4) == 0 && n->n < 8)
        (void)snprintf(n->name[n->n++], 64, "%s", name);
    return 0;
}

/* The index is made again from the log alone. */
static void lose_checkpoints(struct world *w)
{
    struct names n = { .sim = w->sim };

    cr_assert_eq(hg_sim_each_file(w->sim, note_checkpoint, &n), 0);
    for (size_t i = 0; i < n.n; i++)
        cr_assert_eq(hg_sim_file_remove(w->sim, n.name[i]), 0);
}

static void end_life(struct world *w)
{
    uint64_t steps = hg_sim_steps(w->sim);
    uint64_t at = pick(w, 2) == 0 ? steps : pick(w, steps + 1);
    enum hg_sim_strategy how = (enum hg_sim_strategy)pick(w, HG_SIM_CRASH_STRATEGIES);
    struct hg_sim *after = NULL;

    if (at < steps && hg_sim_marked_max(w->sim, MARK_EVENT, at, UINT64_MAX) == UINT64_MAX)
        at = steps; /* before it was opened: nothing to learn */
    w->certain = (size_t)hg_sim_marked_max(w->sim, MARK_EVENT_DURABLE, at, 0);
    w->n_events = (size_t)hg_sim_marked_max(w->sim, MARK_EVENT, at, 0) + 1;
    if (at == steps) {
        w->certain = w->n_events - 1;
        how = HG_SIM_CRASH_ALL;
    }
    cr_assert_eq(hg_sim_crash(w->sim, at, how, pick(w, 1000), &after), 0);
    hg_sim_destroy(w->sim);
    w->sim = after;
    if (pick(w, 2) == 0)
        lose_checkpoints(w);
}

struct totals {
    unsigned long looked, dropped, moved;
};

static int world_fails(uint64_t seed, int compacts, struct totals *t, char *why, size_t size)
{
    static struct world w;
    struct hg_sim_options so = { .seed = seed,
                                 .dirs = seed % 2 ? HG_SIM_DIRS_POSIX : HG_SIM_DIRS_JOURNAL };
    int bad;

    memset(&w, 0, sizeof w);
    w.rng = seed;
    w.compacts = compacts;
    cr_assert_eq(hg_sim_create(&so, &w.sim), 0);
    chronicle_init(&w.c);
    model_init(&w.now);
    for (unsigned i = 0, lives = 2 + (unsigned)pick(&w, 4); i < lives && w.wrong[0] == 0; i++) {
        if (i > 0)
            end_life(&w);
        w.steps = 0;
        (void)hg_sim_run(w.sim, life, &w); /* what is wrong is in w */
    }
    bad = w.wrong[0] != 0;
    if (bad)
        (void)snprintf(why, size, "%s", w.wrong);
    t->looked += w.looked;
    t->dropped += w.dropped;
    t->moved += w.moved;
    hg_sim_destroy(w.sim);
    chronicle_release(&w.c);
    model_release(&w.now);
    return bad;
}

static void campaign(unsigned part, int compacts)
{
    static const unsigned counts[3] = { 300, 1500, 15000 };
    unsigned n = counts[kit_level()] / kit_thin();
    struct totals t = { 0 };
    unsigned bad = 0;
    char why[600];

    for (unsigned i = 0; i < n && bad < 3; i++) {
        if (!kit_case("history %u.%u", part, i))
            continue;
        if (world_fails(kit_seed() * 1000 + part * 100000 + i, compacts, &t, why, sizeof why))
            bad += (unsigned)kit_fail(why);
    }
    (void)fprintf(stderr,
                  "# %u histories, %lu past states compared, %lu were dropped, %lu values moved, "
                  "%u wrong\n",
                  n, t.looked, t.dropped, t.moved, bad);
    cr_assert_eq(bad, 0);
    cr_assert(!compacts || t.moved > n || getenv("HOLOG_TEST_CASE") != NULL);
}

Test(history, any_kept_state_is_what_it_was_1, .timeout = 900)
{
    campaign(1, 0);
}

Test(history, any_kept_state_is_what_it_was_2, .timeout = 900)
{
    campaign(2, 0);
}

Test(history, any_kept_state_is_what_it_was_compacted, .timeout = 900)
{
    campaign(3, 1);
}
