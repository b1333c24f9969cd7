/*
 * Rolls: each step of one fails in turn, and each of its allocations. A commit whose roll could not
 * be made fails alone wherever the old segment, or its seal, is as good as before; it poisons where
 * bytes of the log may be half written.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kit.h"

enum {
    COMMITS = 40, /* three rolls and some */
    LEN = 900
};

/* ---- failing the n-th call of one commit --------------------------------------------------------*/

enum call {
    CALL_RANDOM,
    CALL_OPEN_TMP,
    CALL_FALLOCATE,
    CALL_FOOTER,
    CALL_CUT,
    CALL_SYNC_OLD,
    CALL_HEADER,
    CALL_SYNC_NEW,
    CALL_RENAME,
    CALL_SYNC_DIR,
    CALL_SUPER,
    CALL_GROUP,
    CALLS
};

static const char *const call_names[CALLS] = {
    "random",          "opening the .tmp", "fallocate",          "writing the footer",
    "cutting the old", "sync of the old",  "writing the header", "sync of the new",
    "rename",          "sync of seg/",     "writing SUPER",      "writing a group"
};

static const struct hg_io_ops *below;
static struct hg_io_ops ops;
static int armed; /* a call + 1 that fails once; 0: none */
static int code;
static unsigned hits;
static unsigned headers; /* written */
static unsigned syncs;   /* in this commit: a roll syncs the old segment first */

static int fails(enum call c)
{
    if (armed != (int)c + 1)
        return 0;
    armed = 0;
    hits++;
    return 1;
}

static int failed(const char *what)
{
    return hg_error(code, "%s fails", what);
}

static int is_tmp(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && strcmp(dot, ".tmp") == 0;
}

/* A file keeps the name it was opened by: the new segment's is its .tmp until the store is opened
 * again. What is written at offset 0 is a header. */
static enum call write_call(const struct hg_file *f, uint64_t offset, unsigned flags)
{
    if (strcmp(f->name, "SUPER") == 0)
        return CALL_SUPER;
    if (offset == 0)
        return CALL_HEADER;
    return (flags & HG_WRITE_DSYNC) != 0 ? CALL_GROUP : CALL_FOOTER;
}

static int on_random(struct hg_io *io, void *out, size_t len)
{
    return fails(CALL_RANDOM) ? failed("random") : below->random(io, out, len);
}

static int on_open(struct hg_io *io, const char *name, unsigned flags, struct hg_file **out_file)
{
    if (is_tmp(name) && fails(CALL_OPEN_TMP))
        return failed("open");
    return below->open(io, name, flags, out_file);
}

static int on_fallocate(struct hg_file *f, uint64_t offset, uint64_t len)
{
    return fails(CALL_FALLOCATE) ? failed("fallocate") : below->fallocate(f, offset, len);
}

static int on_write(struct hg_file *f, const struct iovec *iov, int n, uint64_t offset,
                    unsigned flags, size_t *out_n)
{
    enum call c = write_call(f, offset, flags);

    headers += c == CALL_HEADER;
    return fails(c) ? failed("write") : below->pwritev(f, iov, n, offset, flags, out_n);
}

static int on_truncate(struct hg_file *f, uint64_t size)
{
    return fails(CALL_CUT) ? failed("truncate") : below->truncate(f, size);
}

static int on_sync(struct hg_file *f)
{
    if (fails(syncs++ == 0 ? CALL_SYNC_OLD : CALL_SYNC_NEW))
        return failed("sync");
    return below->fdatasync(f);
}

static int on_rename(struct hg_io *io, const char *from, const char *to)
{
    return fails(CALL_RENAME) ? failed("rename") : below->rename(io, from, to);
}

static int on_sync_dir(struct hg_io *io, const char *name)
{
    return fails(CALL_SYNC_DIR) ? failed("sync of a directory") : below->sync_dir(io, name);
}

static void wrap(struct hg_io *io)
{
    below = io->ops;
    ops = *below;
    ops.random = on_random;
    ops.open = on_open;
    ops.fallocate = on_fallocate;
    ops.pwritev = on_write;
    ops.truncate = on_truncate;
    ops.fdatasync = on_sync;
    ops.rename = on_rename;
    ops.sync_dir = on_sync_dir;
    io->ops = &ops;
}

/* ---- a store, and one commit of it in which something fails ---------------------------------------*/

static int save(holog_store *s, unsigned i)
{
    static const char *const paths[4] = { "a", "b", "c", "d" };
    const struct step step = {
        .op = STEP_SAVE, .path = paths[i % 4], .len = LEN, .seed = i, .flags = HOLOG_REPLACE
    };
    uint64_t number = 0;
    return store_apply(s, &step, &number);
}

static void check_value(holog_store *s, unsigned i)
{
    static const char *const paths[4] = { "a", "b", "c", "d" };
    uint8_t want[LEN];
    holog_value *v = NULL;

    value_fill(want, LEN, i);
    cr_assert_eq(holog_load(s, paths[i % 4], &v), HOLOG_OK);
    cr_assert_eq(holog_value_size(v), LEN);
    cr_assert_eq(memcmp(holog_value_data(v), want, LEN), 0);
    holog_value_release(v);
}

struct alloc_fault {
    uint64_t seen, fail_at;
};

static int must_fail(size_t size, void *ctx)
{
    struct alloc_fault *a = ctx;

    (void)size;
    return ++a->seen == a->fail_at;
}

struct attempt {
    int call; /* a call + 1 that fails, the first time a roll makes it; or 0 */
    int poisons;
    uint64_t fail_at; /* an allocation of the commit `roll`, or 0 */
    unsigned roll;    /* the first commit that rolls from one segment to the next; found */
    int within;       /* there was such an allocation */
};

/* The newest n values are those of the commits before n, and the store takes one more. */
static void check_reopened(struct hg_io *io, const holog_options *o, unsigned n)
{
    holog_store *s = NULL;

    cr_assert_eq(hg_store_open_io(io, o, &s), HOLOG_OK);
    for (unsigned i = n - 4; i < n; i++)
        check_value(s, i);
    cr_assert_eq(save(s, n), HOLOG_OK);
    cr_assert_eq(holog_close(s), HOLOG_OK);
}

static int save_failing(holog_store *s, unsigned i, struct attempt *t)
{
    struct alloc_fault fault = { .fail_at = t->fail_at };
    unsigned before = headers;
    int rc;

    syncs = 0;
    armed = i >= 4 && hits == 0 ? t->call : 0;
    if (t->fail_at != 0 && i == t->roll && !t->within)
        hg_alloc_set_fault(must_fail, &fault);
    rc = save(s, i);
    hg_alloc_set_fault(NULL, NULL);
    armed = 0;
    t->within |= fault.seen >= t->fail_at && t->fail_at != 0;
    if (t->roll == 0 && i > 0 && headers > before)
        t->roll = i;
    return rc;
}

static int scenario(struct hg_io *io, void *ctx)
{
    struct attempt *t = ctx;
    holog_options o;
    holog_store *s = NULL;
    unsigned failures = 0;
    unsigned i = 0;

    hits = 0;
    kit_options(&o);
    cr_assert_eq(hg_store_init_io(io, &o), HOLOG_OK);
    wrap(io);
    cr_assert_eq(hg_store_open_io(io, &o, &s), HOLOG_OK);
    while (i < COMMITS) {
        int rc = save_failing(s, i, t);
        failures += rc < 0;
        if (rc < 0 && t->poisons)
            break;
        cr_assert(rc == HOLOG_OK || (failures == 1 && rc == (t->call != 0 ? code : HOLOG_E_NOMEM)),
                  "%s, allocation %u, commit %u: %s",
                  t->call != 0 ? call_names[t->call - 1] : "nothing else", (unsigned)t->fail_at, i,
                  holog_error_name(rc));
        i += rc == HOLOG_OK;
    }
    cr_assert_eq(hits, t->call != 0);
    cr_assert_leq(failures, 1);
    if (t->poisons)
        cr_assert_eq(save(s, i), HOLOG_E_POISONED);
    cr_assert_eq(holog_close(s), t->poisons ? HOLOG_E_POISONED : HOLOG_OK);
    check_reopened(io, &o, i);
    io->ops = below;
    return HOLOG_OK;
}

static void try_it(struct attempt *t)
{
    struct hg_sim_options so = { .seed = kit_seed() };
    struct hg_sim *sim = NULL;

    cr_assert_eq(hg_sim_create(&so, &sim), HOLOG_OK);
    cr_assert_eq(hg_sim_run(sim, scenario, t), HOLOG_OK);
    cr_assert_eq(hg_sim_open_files(sim), 0);
    hg_sim_destroy(sim);
}

static void fail_call(enum call c, int with, int poisons)
{
    struct attempt t = { .call = (int)c + 1, .poisons = poisons };

    code = with;
    try_it(&t);
}

Test(rolls, what_fails_before_the_old_segment_is_touched_fails_one_commit)
{
    fail_call(CALL_RANDOM, HOLOG_E_IO, 0);
    fail_call(CALL_OPEN_TMP, HOLOG_E_IO, 0);
    fail_call(CALL_OPEN_TMP, HOLOG_E_NOSPC, 0);
    fail_call(CALL_FALLOCATE, HOLOG_E_NOSPC, 0);
    fail_call(CALL_FALLOCATE, HOLOG_E_IO, 0);
}

Test(rolls, a_seal_that_may_be_half_written_poisons)
{
    fail_call(CALL_FOOTER, HOLOG_E_IO, 1);
    fail_call(CALL_FOOTER, HOLOG_E_NOSPC, 1);
    fail_call(CALL_CUT, HOLOG_E_IO, 1);
    fail_call(CALL_SYNC_OLD, HOLOG_E_IO, 1);
}

Test(rolls, a_successor_without_a_name_is_dropped_and_made_again)
{
    fail_call(CALL_HEADER, HOLOG_E_IO, 0);
    fail_call(CALL_HEADER, HOLOG_E_NOSPC, 0);
    fail_call(CALL_SYNC_NEW, HOLOG_E_IO, 0);
    fail_call(CALL_RENAME, HOLOG_E_NOSPC, 0);
    fail_call(CALL_RENAME, HOLOG_E_NOMEM, 0);
}

Test(rolls, a_name_in_doubt_poisons)
{
    fail_call(CALL_RENAME, HOLOG_E_IO, 1);
    fail_call(CALL_SYNC_DIR, HOLOG_E_IO, 1);
    fail_call(CALL_SUPER, HOLOG_E_IO, 1);
    fail_call(CALL_GROUP, HOLOG_E_IO, 1);
}

Test(rolls, no_memory_fails_one_commit_at_the_most)
{
    struct attempt t = { .roll = 0 };

    try_it(&t);
    cr_assert_gt(t.roll, 4);
    for (t.fail_at = 1, t.within = 1; t.within; t.fail_at++) {
        t.within = 0;
        try_it(&t);
    }
    (void)fprintf(stderr, "# %u allocations in commit %u\n", (unsigned)t.fail_at - 2, t.roll);
    cr_assert_gt(t.fail_at, 5);
}

/* ---- thousands of segments -----------------------------------------------------------------------*/

struct many {
    struct hg_sim *sim;
    unsigned commits;
};

static holog_options many_options(void)
{
    holog_options o;

    kit_options(&o);
    o.inline_max = 4096;
    o.extent_segment_size_max = 1 << 20;
    return o;
}

static void long_step(unsigned i, char *path, struct step *out)
{
    (void)snprintf(path, 16, "%u", i % 50);
    *out = (struct step){ .op = STEP_SAVE,
                          .path = path,
                          .len = i == 0 ? 20000 : 3900, /* the first to an extent */
                          .seed = i,
                          .flags = HOLOG_REPLACE,
                          .sync = HOLOG_SYNC_OS };
    if (i % 50 == 0 && i > 0)
        out->path = "again";
}

static int save_long(holog_store *s, unsigned i)
{
    char path[16];
    struct step step;
    uint64_t number = 0;

    long_step(i, path, &step);
    return store_apply(s, &step, &number);
}

static void check_long(holog_store *s, unsigned i)
{
    static uint8_t want[20000];
    char path[16];
    struct step step;
    holog_value *v = NULL;

    long_step(i, path, &step);
    value_fill(want, step.len, step.seed);
    cr_assert_eq(holog_load(s, step.path, &v), HOLOG_OK);
    cr_assert_eq(holog_value_size(v), step.len);
    cr_assert_eq(memcmp(holog_value_data(v), want, step.len), 0);
    holog_value_release(v);
}

/* 6000 take 3 GiB: the lists grow as their square. A list is too long for a frame from 300 on. */
static int fill(struct hg_io *io, void *ctx)
{
    static const unsigned rolls[3] = { 1500, 3000, 6000 };
    struct many *m = ctx;
    holog_options o = many_options();
    holog_store *s = NULL;

    cr_assert_eq(hg_store_init_io(io, &o), HOLOG_OK);
    wrap(io);
    headers = 0;
    cr_assert_eq(hg_store_open_io(io, &o, &s), HOLOG_OK);
    while (headers < rolls[kit_level()])
        cr_assert_eq(save_long(s, m->commits++), HOLOG_OK, "commit %u", m->commits);
    cr_assert_eq(holog_close(s), HOLOG_OK);
    io->ops = below;
    return HOLOG_OK;
}

static int harmless(void *ctx, const holog_damage *d)
{
    (void)ctx;
    cr_assert(d->harmless, "%s", d->message);
    return 0;
}

/* Goes on in the last segment and into new ones, and ends without a clean close. */
static int go_on(struct hg_io *io, void *ctx)
{
    struct many *m = ctx;
    holog_options o = many_options();
    holog_store *s = NULL;

    cr_assert_eq(hg_store_open_io(io, &o, &s), HOLOG_OK);
    cr_assert_eq(holog_last_number(s), m->commits);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(save_long(s, m->commits++), HOLOG_OK);
    cr_assert_eq(holog_sync(s), HOLOG_OK);
    hg_sim_set_crash_step(m->sim, hg_sim_steps(m->sim));
    cr_assert_lt(holog_close(s), 0);
    return HOLOG_OK;
}

static int look(struct hg_io *io, void *ctx)
{
    const struct many *m = ctx;
    holog_options o = many_options();
    holog_store *s = NULL;

    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(hg_store_open_io(io, &o, &s), HOLOG_OK);
        cr_assert_eq(holog_last_number(s), m->commits + i);
        check_long(s, m->commits - 1);
        check_long(s, m->commits - 2);
        check_long(s, 0); /* in an extent, named by the first segment and by the lists since */
        cr_assert_eq(save_long(s, m->commits + i), HOLOG_OK);
        cr_assert_eq(holog_close(s), HOLOG_OK);
    }
    cr_assert_eq(hg_verify_io(io, 0, harmless, NULL, NULL, NULL), HOLOG_OK);
    return HOLOG_OK;
}

Test(rolls, a_store_of_thousands_of_segments_goes_on, .timeout = 300)
{
    struct hg_sim_options so = { .seed = kit_seed(), .no_trace = 1 };
    struct hg_sim *after = NULL;
    struct many m = { .commits = 0 };

    cr_assert_eq(hg_sim_create(&so, &m.sim), HOLOG_OK);
    cr_assert_eq(hg_sim_run(m.sim, fill, &m), HOLOG_OK);
    cr_assert_eq(hg_sim_run(m.sim, go_on, &m), HOLOG_OK);
    cr_assert_eq(hg_sim_crash(m.sim, hg_sim_steps(m.sim), HG_SIM_CRASH_NONE, 1, &after), HOLOG_OK);
    hg_sim_destroy(m.sim);
    cr_assert_eq(hg_sim_run(after, look, &m), HOLOG_OK);
    hg_sim_destroy(after);
}
