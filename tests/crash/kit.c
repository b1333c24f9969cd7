/*
 * Running and crashing scripts; see kit.h.
 */
#include "kit.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bases.h"
#include "holog/compact.h"
#include "holog/versions.h"

void kit_options(holog_options *o)
{
    holog_options_init(o);
    o->segment_size_max = 16 << 10;
    o->extent_segment_size_max = 128 << 10;
    o->inline_max = 1024;
    o->budget_bytes = 8 << 20;
    o->no_background = 1;
    o->lock_wait_ms = 1;
}

int kit_level(void)
{
    const char *l = getenv("HOLOG_TEST_LEVEL");

    if (l == NULL || strcmp(l, "quick") == 0)
        return 0;
    return strcmp(l, "full") == 0 ? 2 : 1;
}

unsigned kit_sparse(void)
{
    const char *n = getenv("HOLOG_TEST_THIN");
    unsigned long value = n != NULL && kit_level() == 1 ? strtoul(n, NULL, 10) : 1;

    return value >= 1 && value <= 100 ? (unsigned)value : 1;
}

unsigned kit_thin(void)
{
    return getenv("HOLOG_SANITIZER") != NULL ? 4 : kit_sparse();
}

uint64_t kit_seed(void)
{
    const char *s = getenv("HOLOG_TEST_SEED");
    return s == NULL ? 20261121 : strtoull(s, NULL, 0);
}

/* ---- cases -------------------------------------------------------------------------------------*/

char kit_strategy(enum hg_sim_strategy s)
{
    static const char letters[] = "nakotuszgr";
    return letters[s];
}

static char case_name[200];

int kit_case(const char *fmt, ...)
{
    static const char *only;
    static int asked;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(case_name, sizeof case_name, fmt, ap); /* cut to fit */
    va_end(ap);
    if (!asked) {
        only = getenv("HOLOG_TEST_CASE");
        asked = 1;
    }
    return only == NULL || strcmp(only, case_name) == 0;
}

const char *kit_case_name(void)
{
    return case_name;
}

/* Criterion's children call themselves boxfort-worker; this is what a shell can run. */
static const char *program(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return program_invocation_name;
    path[n] = 0;
    return path;
}

int kit_fail(const char *what)
{
    static const char *const levels[] = { "quick", "normal", "full" };

    (void)fprintf(stderr,
                  "HOLOG_TEST_CASE='%s' HOLOG_TEST_SEED=%llu HOLOG_TEST_LEVEL=%s %s\n    %s\n",
                  case_name, (unsigned long long)kit_seed(), levels[kit_level()], program(), what);
    return 1;
}

/* ---- playing ------------------------------------------------------------------------------------*/

struct play {
    struct played *p;
    holog_options opts;
};

static int open_for(struct play *c, struct hg_io *io, holog_store **out)
{
    int rc = hg_store_open_io(io, &c->opts, out);

    if (rc == HOLOG_OK)
        (*out)->unlink_bytes = c->p->script->unlink_bytes;
    return rc;
}

static int reopen(struct play *c, struct hg_io *io, holog_store **store)
{
    int rc = holog_close(*store);

    *store = NULL;
    return rc < 0 ? rc : open_for(c, io, store);
}

int kit_base(holog_store *store, const struct step *s)
{
    unsigned n;
    int rc = hg_base_make(store);

    return rc == HOLOG_OK && s->flags != 0 ? base_remove_dead_frames(store, &n) : rc;
}

static int play_step(struct play *c, struct hg_io *io, holog_store **store, const struct step *s,
                     uint64_t *commits)
{
    struct hg_sim *sim = c->p->sim;
    uint64_t number = 0;
    int rc;

    if (s->op == STEP_SYNC)
        rc = holog_sync(*store);
    else if (s->op == STEP_REOPEN)
        rc = reopen(c, io, store);
    else if (s->op == STEP_TAG)
        rc = store_tag(*store, s);
    else if (s->op == STEP_GC)
        rc = holog_gc(*store, s->count, 0, 0, NULL);
    else if (s->op == STEP_COMPACT)
        rc = store_compact(*store, s);
    else if (s->op == STEP_BASE)
        rc = kit_base(*store, s);
    else if (s->op == STEP_IDLE) {
        io->ops->sleep_ns(io, 300000000);
        rc = HOLOG_OK;
    } else {
        hg_sim_mark(sim, MARK_SUBMITTED, *commits + 1);
        rc = store_apply(*store, s, &number);
        if (rc == HOLOG_OK)
            (*commits)++;
        if (rc == HOLOG_OK && number != *commits)
            rc = HOLOG_E_INVAL; /* numbers go up by one */
    }
    if (rc == HOLOG_OK &&
        (s->op == STEP_SYNC || s->op == STEP_REOPEN || s->op == STEP_TAG ||
         s->sync == HOLOG_SYNC_COMMIT || s->sync == HOLOG_SYNC_DEFAULT) &&
        s->op != STEP_IDLE && s->op != STEP_GC && s->op != STEP_COMPACT && s->op != STEP_BASE)
        hg_sim_mark(sim, MARK_DURABLE, *commits);
    return rc;
}

static int play(struct hg_io *io, void *ctx)
{
    struct play *c = ctx;
    const struct script *s = c->p->script;
    holog_store *store = NULL;
    uint64_t commits = 0;
    int rc = hg_store_init_io(io, &c->opts);
    int rc2;

    if (rc < 0)
        return rc;
    if (s->wrap != NULL)
        s->wrap(io);
    hg_sim_mark(c->p->sim, MARK_STORE, 1);
    rc = open_for(c, io, &store);
    for (size_t i = 0; i < s->n && rc == HOLOG_OK; i++)
        rc = play_step(c, io, &store, &s->steps[i], &commits);
    rc2 = holog_close(store);
    if (rc == HOLOG_OK && rc2 == HOLOG_OK)
        hg_sim_mark(c->p->sim, MARK_DURABLE, commits);
    return rc < 0 ? rc : rc2;
}

static void play_model(struct played *p)
{
    struct model m;

    model_init(&m);
    p->states = calloc(p->script->n + 1, sizeof *p->states);
    assert(p->states != NULL);
    model_copy(&m, &p->states[0]);
    p->n_commits = 0;
    for (size_t i = 0; i < p->script->n; i++) {
        const struct step *s = &p->script->steps[i];
        int rc = s->op == STEP_ROLLBACK ? model_rollback(&m, &p->states[s->number], s->path)
                                        : model_apply(&m, s);
        if (rc < 0)
            (void)fprintf(stderr, "script %s, step %zu: the model refuses (%s)\n", p->script->name,
                          i, holog_error_name(rc));
        assert(rc == HOLOG_OK);
        if (s->op == STEP_TAG) { /* no more than one between two commits */
            model_tag(&p->states[p->n_commits], s, 0);
            model_tag(&m, s, 1);
        }
        if (step_commits(s))
            model_copy(&m, &p->states[++p->n_commits]);
    }
    model_release(&m);
}

void kit_play(const struct script *s, const struct hg_sim_options *so, struct played *out)
{
    struct play c = { .p = out };
    int rc;

    memset(out, 0, sizeof *out);
    out->script = s;
    out->compacts = s->compacts;
    out->bases = s->bases;
    kit_options(&c.opts);
    if (s->options != NULL)
        s->options(&c.opts);
    play_model(out);
    rc = hg_sim_create(so, &out->sim);
    assert(rc == HOLOG_OK);
    out->rc = hg_sim_run(out->sim, play, &c);
    if (out->rc < 0 && so->fault_at == 0) {
        struct holog_error_detail d;
        holog_last_error(&d);
        (void)fprintf(stderr, "script %s: %s: %s\n", s->name, holog_error_name(out->rc), d.message);
    }
}

void kit_release(struct played *p)
{
    for (size_t i = 0; i <= p->n_commits; i++)
        model_release(&p->states[i]);
    free(p->states);
    hg_sim_destroy(p->sim);
}

void kit_bounds(const struct played *p, uint64_t step, uint64_t *out_durable,
                uint64_t *out_submitted, int *out_store)
{
    *out_durable = hg_sim_marked_max(p->sim, MARK_DURABLE, step, 0);
    *out_submitted = hg_sim_marked_max(p->sim, MARK_SUBMITTED, step, 0);
    *out_store = hg_sim_marked_max(p->sim, MARK_STORE, step, 0) != 0;
}

/* ---- the oracle ------------------------------------------------------------------------------------*/

struct check {
    const struct played *p;
    uint64_t durable, submitted;
    int store_exists;
    const char *wrong;
    char text[400];
    struct hg_buf listed; /* struct hg_segment_entry */
};

static const char *complain(struct check *c, const char *what, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    (void)snprintf(c->text, sizeof c->text, "%s: %s (%.200s)", what, holog_error_name(rc),
                   rc < 0 ? d.message : "");
    c->wrong = c->text;
    return c->wrong;
}

static int on_damage(void *ctx, const holog_damage *d)
{
    struct check *c = ctx;

    if (!d->harmless || strstr(d->file, ".hwp") != NULL) /* no output that nobody names is left */
        (void)snprintf(c->text, sizeof c->text, "verify: %s at %llu: %.200s", d->file,
                       (unsigned long long)d->offset, d->message);
    return 0;
}

/* Is it a segment of the store, and not one that a compaction has replaced? */
static int is_listed(const struct hg_buf *list, const char *name)
{
    const struct hg_segment_entry *e = (const struct hg_segment_entry *)(const void *)list->data;
    char known[HG_FILE_NAME_MAX];

    for (size_t i = 0; i < list->len / sizeof *e; i++) {
        hg_segment_name(known, e[i].segment, (enum hg_segment_kind)hg_segment_entry_kind(&e[i]));
        if ((e[i].kind & HG_SEGMENT_REMOVED) == 0 && strcmp(known + strlen("seg/"), name) == 0)
            return 1;
    }
    return 0;
}

static int on_name(void *ctx, const char *name, int is_dir)
{
    struct check *c = ctx;

    if (!is_dir && !is_listed(&c->listed, name))
        (void)snprintf(c->text, sizeof c->text, "seg/%s is left over", name);
    return 0;
}

/* An open for writing leaves nothing behind that is not of the store. */
static void check_files(struct check *c, struct hg_io *io, holog_store *store)
{
    c->text[0] = 0;
    c->listed.len = 0;
    if (hg_log_segments_flagged(store->log, &c->listed) < 0)
        (void)snprintf(c->text, sizeof c->text, "no list of segments");
    (void)io->ops->read_dir(io, "seg", on_name, c);
    hg_buf_release(&c->listed);
    if (c->text[0] != 0 && c->wrong == NULL)
        c->wrong = c->text;
}

static int three_more(holog_store *store, struct model *m, uint64_t after)
{
    static const struct step more[3] = {
        { .op = STEP_SAVE,
          .path = "after/1",
          .len = 300,
          .seed = 901,
          .flags = HOLOG_PARENTS | HOLOG_REPLACE },
        { .op = STEP_SAVE, .path = "after/2", .len = 70000, .seed = 902, .flags = HOLOG_REPLACE },
        { .op = STEP_DELETE, .path = "after/1" },
    };
    uint64_t last = after;

    for (size_t i = 0; i < 3; i++) {
        uint64_t number = 0;
        int rc = store_apply(store, &more[i], &number);
        if (rc < 0)
            return rc;
        if (number <= last)
            return HOLOG_E_INVAL; /* a number issued twice */
        last = number;
        rc = model_apply(m, &more[i]);
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

static void check_verify(struct check *c, struct hg_io *io)
{
    int rc;

    c->text[0] = 0;
    rc = hg_verify_io(io, 0, on_damage, c, NULL, NULL);
    if (rc < 0 && c->text[0] == 0)
        complain(c, "verify", rc);
    else if (c->text[0] != 0)
        c->wrong = c->text;
}

/* Opened, it is the model; "" or the point of it. */
static void check_again(struct check *c, struct hg_io *io, const struct model *m, const char *when,
                        int compacts)
{
    static const struct step all = { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_ALL };
    const char *diff;
    holog_options o;
    holog_store *store = NULL;
    int rc;

    kit_options(&o);
    rc = hg_store_open_io(io, &o, &store);
    if (rc < 0) {
        complain(c, when, rc);
        return;
    }
    check_files(c, io, store);
    diff = model_differs(m, store);
    rc = diff == NULL && compacts ? store_compact(store, &all) : HOLOG_OK;
    if (rc < 0)
        complain(c, "a compaction afterwards", rc);
    else if (compacts && diff == NULL)
        diff = model_differs(m, store);
    if (diff != NULL) {
        (void)snprintf(c->text, sizeof c->text, "%s: %.200s", when, diff);
        c->wrong = c->text;
    }
    rc = holog_close(store);
    if (rc < 0 && c->wrong == NULL)
        complain(c, "another close", rc);
}

static int lose_checkpoint(void *ctx, const char *name, int is_dir)
{
    struct hg_io *io = ctx;
    char path[80];

    (void)is_dir;
    (void)snprintf(path, sizeof path, "chk/%.60s", name);
    (void)io->ops->unlink(io, path); /* or the check is a weaker one */
    return 0;
}

static void lose_checkpoints(struct hg_io *io)
{
    (void)io->ops->read_dir(io, "chk", lose_checkpoint, io);
}

static int used_checkpoint;

int kit_used_checkpoint(void)
{
    return used_checkpoint;
}

static int run_check(struct hg_io *io, void *ctx)
{
    struct check *c = ctx;
    holog_recovery_report report = { .struct_size = sizeof report };
    holog_options o;
    holog_store *store = NULL;
    struct model m;
    const char *diff;
    uint64_t number;
    int rc;

    kit_options(&o);
    rc = hg_store_open_io(io, &o, &store);
    if (rc == HOLOG_E_NOTSTORE && !c->store_exists) {
        rc = hg_store_init_io(io, &o); /* init was cut: it can be done again */
        if (rc < 0)
            complain(c, "init after a cut init", rc);
        return rc;
    }
    if (rc < 0) {
        complain(c, "open", rc);
        return rc;
    }
    if (holog_recovery_info(store, &report) == HOLOG_OK)
        used_checkpoint = report.used_checkpoint != 0;
    check_files(c, io, store);
    number = holog_last_number(store);
    if (number < c->durable || number > c->submitted) {
        (void)snprintf(c->text, sizeof c->text, "last number %llu, durable %llu, submitted %llu",
                       (unsigned long long)number, (unsigned long long)c->durable,
                       (unsigned long long)c->submitted);
        c->wrong = c->text;
        (void)holog_close(store);
        return HOLOG_E_INVAL;
    }
    model_copy(&c->p->states[number], &m);
    diff = model_differs(&m, store);
    if (diff == NULL)
        diff = model_tags_differ(&m, store, NULL);
    for (uint64_t n = 0; n < number && diff == NULL && c->p->script != NULL && c->p->script->past;
         n++)
        diff = model_differs_at(&c->p->states[n], store, n);
    if (diff != NULL) {
        (void)snprintf(c->text, sizeof c->text, "at commit %llu: %.200s",
                       (unsigned long long)number, diff);
        c->wrong = c->text;
    }
    rc = c->wrong == NULL ? three_more(store, &m, number) : HOLOG_OK;
    if (rc < 0)
        complain(c, "three commits more", rc);
    rc = holog_close(store);
    if (rc < 0 && c->wrong == NULL)
        complain(c, "close", rc);
    if (c->wrong == NULL)
        check_verify(c, io);
    if (c->wrong == NULL)
        check_again(c, io, &m, "the second open", c->p->compacts);
    if (c->wrong == NULL && c->p->compacts) {
        check_again(c, io, &m, "after a compaction", 0);
        check_verify(c, io);
    }
    if (c->wrong == NULL && c->p->bases) {
        lose_checkpoints(io);
        check_again(c, io, &m, "without checkpoints", 0);
        check_verify(c, io);
    }
    model_release(&m);
    return HOLOG_OK;
}

const char *kit_check(struct hg_sim *disk, const struct played *p, uint64_t durable,
                      uint64_t submitted, int store_exists)
{
    static struct check c;

    memset(&c, 0, sizeof c);
    used_checkpoint = 0;
    c.p = p;
    c.durable = durable;
    c.submitted = submitted;
    c.store_exists = store_exists;
    (void)hg_sim_run(disk, run_check, &c);
    return c.wrong;
}

/* ---- scripts -----------------------------------------------------------------------------------------*/

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

static const struct step small_saves[] = {
    { .op = STEP_SAVE, .path = "a", .len = 0, .seed = 1 },
    { .op = STEP_SAVE, .path = "b", .len = 10, .seed = 2 },
    { .op = STEP_SAVE, .path = "a", .len = 500, .seed = 3, .flags = RP },
    { .op = STEP_SAVE, .path = "d/e/f", .len = 1000, .seed = 4, .flags = RP },
    { .op = STEP_SAVE, .path = "b", .len = 1024, .seed = 5, .flags = RP },
};

static const struct step namespace_ops[] = {
    { .op = STEP_MKDIR, .path = "p/q", .flags = HOLOG_PARENTS },
    { .op = STEP_BATCH, .path = "p/q", .len = 40, .seed = 10, .count = 5 },
    { .op = STEP_COPY, .path = "p/q", .to = "r" },
    { .op = STEP_MOVE, .path = "r", .to = "p/s" },
    { .op = STEP_DELETE, .path = "p/q/3" },
    { .op = STEP_SYMLINK, .path = "p/link", .to = "q/1" },
    { .op = STEP_DELETE_ALL, .path = "p/s" },
    { .op = STEP_MOVE, .path = "p/q/1", .to = "p/q/2", .flags = HOLOG_REPLACE },
    { .op = STEP_DELETE_ALL, .path = "" },
    { .op = STEP_SAVE, .path = "z", .len = 5, .seed = 11 },
};

static const struct step large_values[] = {
    { .op = STEP_SAVE, .path = "l1", .len = 65536, .seed = 20 },
    { .op = STEP_SAVE, .path = "l2", .len = 65537, .seed = 21 },
    { .op = STEP_BATCH, .path = "w", .len = 5000, .seed = 22, .count = 4, .flags = RP },
    { .op = STEP_SAVE, .path = "l1", .len = 150000, .seed = 23, .flags = RP },
    { .op = STEP_SAVE, .path = "s", .len = 100, .seed = 24 },
};

static const struct step rolls[] = {
    { .op = STEP_BATCH, .path = "a", .len = 700, .seed = 30, .count = 4, .flags = RP },
    { .op = STEP_BATCH, .path = "b", .len = 700, .seed = 40, .count = 4, .flags = RP },
    { .op = STEP_BATCH, .path = "c", .len = 700, .seed = 50, .count = 4, .flags = RP },
    { .op = STEP_BATCH, .path = "a", .len = 700, .seed = 60, .count = 4, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_BATCH, .path = "b", .len = 700, .seed = 70, .count = 4, .flags = RP },
    { .op = STEP_BATCH, .path = "d", .len = 900, .seed = 80, .count = 3, .flags = RP },
    { .op = STEP_BATCH, .path = "d", .len = 900, .seed = 90, .count = 3, .flags = RP },
    { .op = STEP_SAVE, .path = "a/0", .len = 70000, .seed = 91, .flags = RP },
};

static const struct step weak_modes[] = {
    { .op = STEP_SAVE, .path = "n1", .len = 100, .seed = 100, .sync = HOLOG_SYNC_NONE },
    { .op = STEP_SAVE, .path = "n2", .len = 3000, .seed = 101, .sync = HOLOG_SYNC_NONE },
    { .op = STEP_SAVE, .path = "o1", .len = 200, .seed = 102, .sync = HOLOG_SYNC_OS },
    { .op = STEP_SAVE, .path = "o2", .len = 200, .seed = 103, .sync = HOLOG_SYNC_OS },
    { .op = STEP_SAVE, .path = "c1", .len = 200, .seed = 104, .sync = HOLOG_SYNC_COMMIT },
    { .op = STEP_SAVE, .path = "n3", .len = 70000, .seed = 105, .sync = HOLOG_SYNC_NONE },
    { .op = STEP_SYNC },
    { .op = STEP_SAVE, .path = "o3", .len = 900, .seed = 106, .sync = HOLOG_SYNC_OS },
    { .op = STEP_SAVE,
      .path = "n1",
      .len = 900,
      .seed = 107,
      .flags = RP,
      .sync = HOLOG_SYNC_NONE },
};

static const struct step long_batches[] = {
    { .op = STEP_BATCH, .path = "x", .len = 300, .seed = 200, .count = 30, .flags = RP },
    { .op = STEP_BATCH, .path = "y", .len = 10, .seed = 300, .count = 150, .flags = RP },
    { .op = STEP_DELETE_ALL, .path = "x" },
    { .op = STEP_BATCH, .path = "x", .len = 1000, .seed = 500, .count = 12, .flags = RP },
};

static const struct step reopens[] = {
    { .op = STEP_SAVE, .path = "a", .len = 100, .seed = 600 },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "b", .len = 100, .seed = 601 },
    { .op = STEP_REOPEN },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "a", .len = 200, .seed = 602, .flags = RP },
    { .op = STEP_SAVE, .path = "c", .len = 2000, .seed = 603, .flags = RP },
    { .op = STEP_REOPEN },
};

/* Each writer goes on in the extent segment of the one before, until it is full. */
static const struct step large_reopens[] = {
    { .op = STEP_SAVE, .path = "l1", .len = 20000, .seed = 700 },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "l2", .len = 3000, .seed = 701, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "l3", .len = 66000, .seed = 702, .flags = RP },
    { .op = STEP_SAVE, .path = "l2", .len = 5000, .seed = 703, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "l4", .len = 9000, .seed = 704, .flags = RP, .sync = HOLOG_SYNC_OS },
    { .op = STEP_SAVE, .path = "l1", .len = 70000, .seed = 705, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_BATCH, .path = "w", .len = 4000, .seed = 706, .count = 3, .flags = RP },
};

/* In a segment that keeps its last 4 KiB for deletes: closed below them, and reaching into them. */
static const struct step kept[] = {
    { .op = STEP_BATCH, .path = "x", .len = 1000, .seed = 720, .count = 14, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_BATCH, .path = "y", .len = 1000, .seed = 740, .count = 14, .flags = RP },
    { .op = STEP_BATCH, .path = "z", .len = 1000, .seed = 760, .count = 14, .flags = RP },
    { .op = STEP_BATCH, .path = "x", .len = 1000, .seed = 780, .count = 10, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "a", .len = 100, .seed = 790 },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "a", .len = 200, .seed = 791, .flags = RP, .sync = HOLOG_SYNC_OS },
    { .op = STEP_REOPEN },
    { .op = STEP_DELETE, .path = "a" },
    { .op = STEP_SAVE, .path = "b", .len = 1000, .seed = 792 },
    { .op = STEP_BATCH, .path = "y", .len = 1000, .seed = 793, .count = 3, .flags = RP },
};

/* Back and forth; never more than one tag between two commits. */
static const struct step history[] = {
    { .op = STEP_SAVE, .path = "a", .len = 10, .seed = 800 },
    { .op = STEP_BATCH, .path = "d", .len = 40, .seed = 801, .count = 4, .flags = RP },
    { .op = STEP_TAG, .path = "v1", .number = 2 },
    { .op = STEP_SAVE, .path = "d/0", .len = 700, .seed = 810, .flags = RP },
    { .op = STEP_ROLLBACK, .path = "", .number = 2 },
    { .op = STEP_DELETE_ALL, .path = "d" },
    { .op = STEP_TAG, .path = "v2", .number = 5 },
    { .op = STEP_ROLLBACK, .path = "d", .number = 3 },
    { .op = STEP_TAG, .path = "v1", .number = 6 },
    { .op = STEP_MOVE, .path = "d", .to = "e" },
    { .op = STEP_TAG, .path = "v2" },
    { .op = STEP_REOPEN },
    { .op = STEP_ROLLBACK, .path = "", .number = 1 },
    { .op = STEP_ROLLBACK, .path = "", .number = 7 },
    { .op = STEP_SAVE, .path = "l", .len = 70000, .seed = 811 },
    { .op = STEP_GC, .count = 3 },
    { .op = STEP_SAVE, .path = "a", .len = 20, .seed = 812, .flags = RP, .sync = HOLOG_SYNC_OS },
    { .op = STEP_ROLLBACK, .path = "l", .number = 9 },
    { .op = STEP_ROLLBACK, .path = "", .number = 6 }, /* its tag keeps it */
    { .op = STEP_REOPEN },
    { .op = STEP_ROLLBACK, .path = "", .number = 11 },
    { .op = STEP_TAG, .path = "v1" },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_SAVE, .path = "e/0", .len = 30, .seed = 813, .flags = RP },
};

/* What is replaced goes, what is tagged moves; what has moved is changed, brought back, and moves again. */
static const struct step compactions[] = {
    { .op = STEP_BATCH, .path = "v", .len = 24000, .seed = 900, .count = 5, .flags = RP },
    { .op = STEP_SAVE, .path = "s", .len = 50000, .seed = 910 },
    { .op = STEP_TAG, .path = "v1", .number = 2 },
    { .op = STEP_BATCH, .path = "v", .len = 24000, .seed = 920, .count = 4, .flags = RP },
    { .op = STEP_BATCH, .path = "v", .len = 24000, .seed = 930, .count = 5, .flags = RP },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT },
    { .op = STEP_SAVE, .path = "v/1", .len = 3000, .seed = 940, .flags = RP },
    { .op = STEP_ROLLBACK, .path = "", .number = 2 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_ALL },
    { .op = STEP_SAVE, .path = "v/0", .len = 24000, .seed = 950, .flags = RP },
    { .op = STEP_REOPEN },
    { .op = STEP_BATCH, .path = "v", .len = 24000, .seed = 960, .count = 4, .flags = RP },
    { .op = STEP_SAVE, .path = "s", .len = 10, .seed = 970, .flags = RP, .sync = HOLOG_SYNC_OS },
    { .op = STEP_TAG, .path = "v1" },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_ALL },
    { .op = STEP_DELETE_ALL, .path = "v" },
    { .op = STEP_SAVE, .path = "s", .len = 70000, .seed = 980, .flags = RP },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT },
};

/* Segments of frames in which nothing lives go; what is left is changed, tagged, brought back. */
static const struct step bases[] = {
    { .op = STEP_BATCH, .path = "x", .len = 900, .seed = 1000, .count = 3, .flags = RP },
    { .op = STEP_BATCH, .path = "y", .len = 900, .seed = 1020, .count = 3, .flags = RP },
    { .op = STEP_BATCH, .path = "z", .len = 900, .seed = 1030, .count = 3, .flags = RP },
    { .op = STEP_BATCH, .path = "x", .len = 900, .seed = 1040, .count = 3, .flags = RP },
    { .op = STEP_BATCH, .path = "y", .len = 900, .seed = 1050, .count = 3, .flags = RP },
    { .op = STEP_DELETE_ALL, .path = "" },
    { .op = STEP_BATCH, .path = "v", .len = 600, .seed = 1060, .count = 4, .flags = RP },
    { .op = STEP_SAVE, .path = "l", .len = 30000, .seed = 1070 },
    { .op = STEP_GC, .count = 2 },
    { .op = STEP_BASE },
    { .op = STEP_SAVE, .path = "v/1", .len = 300, .seed = 1071, .flags = RP },
    { .op = STEP_TAG, .path = "v1", .number = 9 },
    { .op = STEP_BASE, .flags = 1 },
    { .op = STEP_SAVE,
      .path = "v/2",
      .len = 300,
      .seed = 1072,
      .flags = RP,
      .sync = HOLOG_SYNC_OS },
    { .op = STEP_REOPEN },
    { .op = STEP_BATCH, .path = "v", .len = 700, .seed = 1080, .count = 4, .flags = RP },
    { .op = STEP_ROLLBACK, .path = "v", .number = 10 },
    { .op = STEP_BASE, .flags = 1 },
    { .op = STEP_DELETE_ALL, .path = "v" },
    { .op = STEP_TAG, .path = "v1" },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_BASE, .flags = 1 },
    { .op = STEP_SAVE, .path = "l", .len = 100, .seed = 1090, .flags = RP },
};

/* What is let go is in no file any more; what is held by a tag is, until the next one. */
static const struct step purges[] = {
    { .op = STEP_BATCH, .path = "v", .len = 24000, .seed = 1100, .count = 3, .flags = RP },
    { .op = STEP_BATCH, .path = "s", .len = 600, .seed = 1110, .count = 3, .flags = RP },
    { .op = STEP_TAG, .path = "v1", .number = 2 },
    { .op = STEP_DELETE_ALL, .path = "v" },
    { .op = STEP_SAVE, .path = "s/1", .len = 500, .seed = 1120, .flags = RP },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_PURGE },
    { .op = STEP_ROLLBACK, .path = "v", .number = 2 },
    { .op = STEP_SAVE, .path = "l", .len = 24000, .seed = 1130 },
    { .op = STEP_TAG, .path = "v1" },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_REOPEN },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_PURGE },
    { .op = STEP_DELETE_ALL, .path = "v" },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_PURGE },
    { .op = STEP_SAVE, .path = "l", .len = 100, .seed = 1140, .flags = RP },
};

/* What has moved comes again under other names, which are read from it then: also when the first is gone. */
static const struct step copies[] = {
    { .op = STEP_BATCH, .path = "v", .len = 24000, .seed = 1200, .count = 4, .flags = RP },
    { .op = STEP_SAVE, .path = "s", .len = 50000, .seed = 1210 },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_ALL },
    { .op = STEP_BATCH, .path = "w", .len = 24000, .seed = 1200, .count = 3, .flags = RP },
    { .op = STEP_SAVE, .path = "l", .len = 70000, .seed = 1220, .flags = RP },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_ALL },
    { .op = STEP_REOPEN },
    { .op = STEP_BATCH, .path = "v", .len = 3000, .seed = 1230, .count = 2, .flags = RP },
    { .op = STEP_BATCH, .path = "x", .len = 24000, .seed = 1200, .count = 2, .flags = RP },
    { .op = STEP_SAVE, .path = "l", .len = 70000, .seed = 1240, .flags = RP },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT },
    { .op = STEP_DELETE_ALL, .path = "v" },
    { .op = STEP_SAVE, .path = "s", .len = 10, .seed = 1250, .flags = RP, .sync = HOLOG_SYNC_OS },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_ALL },
    { .op = STEP_DELETE_ALL, .path = "w" },
    { .op = STEP_GC, .count = 1 },
    { .op = STEP_COMPACT, .flags = HOLOG_COMPACT_PURGE },
    { .op = STEP_SAVE, .path = "l", .len = 100, .seed = 1260, .flags = RP },
};

static void larger_segments(holog_options *o)
{
    o->segment_size_max = 64 << 10;
}

#define SCRIPT_OF(x, f)                                                     \
    {                                                                       \
        .name = #x, .steps = x, .n = sizeof x / sizeof x[0], .options = (f) \
    }
#define SCRIPT(x) SCRIPT_OF(x, NULL)
const struct script kit_scripts[] = {
    SCRIPT(small_saves),
    SCRIPT(namespace_ops),
    SCRIPT(large_values),
    SCRIPT(rolls),
    SCRIPT(weak_modes),
    SCRIPT(long_batches),
    SCRIPT(reopens),
    SCRIPT(large_reopens),
    SCRIPT_OF(kept, larger_segments),
    { .name = "history", .steps = history, .n = sizeof history / sizeof history[0], .past = 1 },
    { .name = "compactions",
      .steps = compactions,
      .n = sizeof compactions / sizeof compactions[0],
      .past = 1,
      .compacts = 1 },
    { .name = "bases", .steps = bases, .n = sizeof bases / sizeof bases[0], .past = 1, .bases = 1 },
    { .name = "purges",
      .steps = purges,
      .n = sizeof purges / sizeof purges[0],
      .past = 1,
      .compacts = 1 },
    { .name = "copies",
      .steps = copies,
      .n = sizeof copies / sizeof copies[0],
      .past = 1,
      .compacts = 1 }
};
const size_t kit_script_count = sizeof kit_scripts / sizeof kit_scripts[0];
