/*
 * Damage to a small store on the simulated disk: every byte flipped, every length cut, sectors
 * zeroed, stale or swapped, files deleted, duplicated, swapped and renamed, old frames where they
 * do not belong.
 *
 * A store that was closed must detect it (HOLOG_E_CORRUPT from open, from a read or from verify,
 * which names file and offset) or show exactly what it showed before. A store that crashed may
 * besides have lost its last groups, which no floor covers (docs/DURABILITY.md, section 5). Nothing
 * ever returns wrong bytes, and what a read can meet, verify finds.
 *
 * HOLOG_TEST_LEVEL: quick tries every 61st byte and length, normal all of them (without checkpoints
 * every 17th, of a crashed store every 23rd), full every bit of all three.
 *
 * The lines that begin with a bar are the table in README.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "base/hash.h"
#include "holog/compact.h"
#include "storekit.h"
#include "wal/super.h"

enum file_kind {
    F_SUPER,
    F_SEALED,
    F_LAST,
    F_EXTENTS,
    F_COMPRESSED,
    F_CHECKPOINT,
    F_OTHER,
    FILE_KINDS
};
static const char *const file_names[FILE_KINDS] = { "SUPER",    "sealed segment", "last segment",
                                                    "extents",  "compressed",     "checkpoint",
                                                    "LOCK, ctl" };

enum damage_kind {
    D_FLIP,
    D_CUT,
    D_ZERO_512,
    D_ZERO_4K,
    D_STALE_512,
    D_STALE_4K,
    D_SWAP_512,
    D_SWAP_4K,
    D_DELETED,
    D_DUPLICATED,
    D_SWAPPED,
    D_RENAMED,
    D_OLD_FRAMES,
    DAMAGE_KINDS
};
static const char *const damage_names[DAMAGE_KINDS] = {
    "byte flipped",      "cut short",     "512 B zeroed",    "4 KiB zeroed", "512 B stale",
    "4 KiB stale",       "512 B swapped", "4 KiB swapped",   "file deleted", "file duplicated",
    "two files swapped", "file renamed",  "old frames there"
};

struct count {
    unsigned tried, detected, harmless, undecidable, undetected;
};

/* ---- what a store shows ----------------------------------------------------------------------------*/

enum {
    ENTRIES = 128,
    COMMITS = 40,
    PART_CORRUPT = 1
};

struct shown {
    struct {
        char path[MODEL_PATH];
        uint32_t type;
        uint64_t size, number, hash, part;
        int corrupt; /* reading it says so */
    } e[ENTRIES];
    size_t n;
    struct {
        uint64_t number, time_ns, bytes;
        uint32_t records;
    } c[COMMITS];
    size_t n_commits;
    int log_corrupt;
    uint64_t number, state_hash;
    int state_corrupt;
    int wrong; /* a code that damage must not give */
};

static int on_commit(void *ctx, const holog_commit_info *info)
{
    struct shown *s = ctx;

    if (s->n_commits == COMMITS)
        return 1;
    s->c[s->n_commits].number = info->number;
    s->c[s->n_commits].time_ns = info->time_ns;
    s->c[s->n_commits].bytes = info->bytes;
    s->c[s->n_commits].records = info->records;
    s->n_commits++;
    return 0;
}

static int may_be_corrupt(struct shown *s, int rc)
{
    if (rc < 0 && rc != HOLOG_E_CORRUPT)
        s->wrong = rc;
    return rc < 0;
}

/* The middle of a value, which is read and verified without the rest. */
static void show_part(holog_view *view, const holog_entry *e, struct shown *s)
{
    uint8_t buf[64];
    size_t n = 0;
    int rc = holog_view_load_range(view, e->path, e->size_bytes / 2, buf, sizeof buf, &n);

    s->e[s->n].part = rc == HOLOG_OK ? hg_hash64(buf, n) : PART_CORRUPT;
    (void)may_be_corrupt(s, rc);
}

static void show_entry(holog_store *store, holog_view *view, const holog_entry *e, struct shown *s)
{
    char target[HOLOG_PATH_MAX + 1];
    holog_value *v = NULL;
    int rc = HOLOG_OK;

    cr_assert_lt(s->n, (size_t)ENTRIES);
    (void)snprintf(s->e[s->n].path, MODEL_PATH, "%s", e->path);
    s->e[s->n].type = e->type;
    s->e[s->n].size = e->size_bytes;
    s->e[s->n].number = e->number;
    if (e->type == HOLOG_BLOB) {
        rc = holog_view_load(view, e->path, &v);
        if (rc == HOLOG_OK)
            s->e[s->n].hash = hg_hash64(holog_value_data(v), holog_value_size(v));
        holog_value_release(v);
        show_part(view, e, s);
    } else if (e->type == HOLOG_SYMLINK) {
        rc = holog_readlink(store, e->path, target, sizeof target);
        if (rc == HOLOG_OK)
            s->e[s->n].hash = hg_hash64(target, strlen(target));
    }
    s->e[s->n].corrupt = may_be_corrupt(s, rc);
    s->n++;
}

static void show(holog_store *store, struct shown *s)
{
    holog_view *view = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;
    int rc = holog_view_open(store, &view);

    memset(s, 0, sizeof *s);
    s->number = holog_last_number(store);
    if (rc == HOLOG_OK)
        rc = holog_view_list(view, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &c);
    while (rc == HOLOG_OK && (rc = holog_cursor_next(c, &e)) == HOLOG_OK)
        show_entry(store, view, e, s);
    if (rc != HOLOG_E_NOENT)
        s->wrong = rc; /* the index is in memory: listing reads nothing */
    holog_cursor_close(c);
    s->state_corrupt = may_be_corrupt(s, holog_state_hash(view, &s->state_hash));
    holog_view_close(view);
    s->log_corrupt = may_be_corrupt(s, holog_log(store, NULL, 0, 0, on_commit, s));
}

static const char *first_difference(const struct shown *want, const struct shown *got)
{
    static char why[160];

    if (got->wrong != 0)
        return holog_error_name(got->wrong);
    if (got->number != want->number || got->n != want->n) {
        (void)snprintf(why, sizeof why, "commit %llu with %zu entries, not %llu with %zu",
                       (unsigned long long)got->number, got->n, (unsigned long long)want->number,
                       want->n);
        return why;
    }
    for (size_t i = 0; i < got->n; i++) {
        if (strcmp(got->e[i].path, want->e[i].path) != 0 || got->e[i].type != want->e[i].type ||
            got->e[i].size != want->e[i].size || got->e[i].number != want->e[i].number)
            return "the listing differs";
        if (!got->e[i].corrupt && got->e[i].hash != want->e[i].hash)
            return "wrong bytes";
        if (got->e[i].part != PART_CORRUPT && got->e[i].part != want->e[i].part)
            return "wrong bytes in a range";
    }
    if (!got->state_corrupt && got->state_hash != want->state_hash)
        return "the state hash differs";
    if (!got->log_corrupt && got->n_commits != want->n_commits)
        return "the log has another length";
    for (size_t i = 0; i < got->n_commits && i < want->n_commits; i++)
        if (memcmp(&got->c[i], &want->c[i], sizeof got->c[i]) != 0)
            return "the log differs";
    return NULL;
}

static int says_corrupt(const struct shown *s)
{
    int any = s->state_corrupt || s->log_corrupt;

    for (size_t i = 0; i < s->n; i++)
        any |= s->e[i].corrupt;
    return any;
}

/* ---- the store -------------------------------------------------------------------------------------*/

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)
static const struct step script[] = {
    { .op = STEP_SAVE, .path = "a", .len = 300, .seed = 1 },
    { .op = STEP_SAVE, .path = "d/b", .len = 900, .seed = 2, .flags = RP },
    { .op = STEP_SAVE, .path = "large", .len = 70000, .seed = 3 },
    { .op = STEP_BATCH, .path = "d", .len = 700, .seed = 10, .count = 5, .flags = RP },
    { .op = STEP_SYMLINK, .path = "link", .to = "d/b" },
    { .op = STEP_BATCH, .path = "e", .len = 700, .seed = 20, .count = 5, .flags = RP },
    { .op = STEP_SAVE, .path = "a", .len = 10, .seed = 30, .flags = RP },
    { .op = STEP_BATCH, .path = "long", .len = 300, .seed = 40, .count = 18, .flags = RP },
    { .op = STEP_COPY, .path = "d", .to = "f" },
    { .op = STEP_BATCH, .path = "e", .len = 800, .seed = 50, .count = 4, .flags = RP },
    { .op = STEP_DELETE_ALL, .path = "d" },
    { .op = STEP_SAVE, .path = "page", .len = 5000, .seed = 60 },
    { .op = STEP_BATCH, .path = "g", .len = 900, .seed = 70, .count = 3, .flags = RP },
    { .op = STEP_MOVE, .path = "g", .to = "h" },
    { .op = STEP_BATCH, .path = "g", .len = 900, .seed = 80, .count = 4, .flags = RP },
    { .op = STEP_BATCH, .path = "g", .len = 900, .seed = 90, .count = 4, .flags = RP },
    { .op = STEP_SAVE, .path = "last", .len = 600, .seed = 99 },
    { .op = STEP_DELETE, .path = "page" },
};
enum {
    STEPS = sizeof script / sizeof script[0]
};

static struct shown states[STEPS + 1]; /* without the log */
static struct shown closed;            /* with it */
static uint64_t step_before_close, step_earlier;
static struct hg_sim *disk;    /* closed cleanly */
static struct hg_sim *earlier; /* the same store some commits ago */
static struct hg_sim *other;   /* another store that did the same */
static struct hg_sim *crashed;

static int build(struct hg_io *io, void *ctx)
{
    const size_t *n = ctx;
    holog_options o;
    holog_store *s = NULL;

    kit_options(&o);
    OK(hg_store_init_io(io, &o));
    OK(hg_store_open_io(io, &o, &s));
    for (size_t i = 0; i < *n; i++) {
        uint64_t number = 0;
        if (i == 6) { /* a close on the way: two checkpoints in the end */
            OK(holog_close(s));
            OK(hg_store_open_io(io, &o, &s));
        }
        OK(store_apply(s, &script[i], &number));
        cr_assert_eq(number, i + 1);
        if (*n == STEPS)
            show(s, &states[number]);
        if (*n == STEPS && number == 10)
            step_earlier = hg_sim_steps(disk);
    }
    if (*n == STEPS) {
        show(s, &closed);
        step_before_close = hg_sim_steps(disk);
    }
    return holog_close(s);
}

static void make_disks(void)
{
    struct hg_sim_options so = { .seed = 1 };
    size_t n = STEPS;
    size_t some = 10;

    cr_assert_eq(hg_sim_create(&so, &disk), HOLOG_OK);
    OK(hg_sim_run(disk, build, &n));
    cr_assert_eq(closed.number, STEPS);
    cr_assert_eq(hg_sim_crash(disk, step_before_close, HG_SIM_CRASH_NONE, 0, &crashed), HOLOG_OK);
    cr_assert_eq(hg_sim_crash(disk, step_earlier, HG_SIM_CRASH_ALL, 0, &earlier), HOLOG_OK);
    so.seed = 2;
    cr_assert_eq(hg_sim_create(&so, &other), HOLOG_OK);
    OK(hg_sim_run(other, build, &some));
}

static void destroy_disks(void)
{
    hg_sim_destroy(disk);
    hg_sim_destroy(earlier);
    hg_sim_destroy(other);
    hg_sim_destroy(crashed);
}

/* ---- its files -------------------------------------------------------------------------------------*/

struct files {
    struct {
        char name[64];
        enum file_kind kind;
        uint64_t size;
    } f[24];
    size_t n;
};

static int on_file(void *ctx, const char *name, uint64_t size)
{
    struct files *files = ctx;

    cr_assert_lt(files->n, 24);
    (void)snprintf(files->f[files->n].name, 64, "%s", name);
    files->f[files->n].size = size;
    files->n++;
    return 0;
}

static void list_files(struct hg_sim *sim, struct files *out)
{
    size_t last = SIZE_MAX;

    memset(out, 0, sizeof *out);
    cr_assert_eq(hg_sim_each_file(sim, on_file, out), HOLOG_OK);
    for (size_t i = 0; i < out->n; i++) {
        const char *name = out->f[i].name;
        const char *dot = strrchr(name, '.');
        out->f[i].kind = strcmp(name, "SUPER") == 0                 ? F_SUPER
                         : strncmp(name, "chk/", 4) == 0            ? F_CHECKPOINT
                         : dot != NULL && strcmp(dot, ".hext") == 0 ? F_EXTENTS
                         : dot != NULL && strcmp(dot, ".hwp") == 0  ? F_COMPRESSED
                         : dot != NULL && strcmp(dot, ".hlog") == 0 ? F_SEALED
                                                                    : F_OTHER;
        if (out->f[i].kind == F_SEALED && (last == SIZE_MAX || strcmp(name, out->f[last].name) > 0))
            last = i;
    }
    cr_assert_neq(last, SIZE_MAX);
    out->f[last].kind = F_LAST;
}

static struct hg_sim *copy_of(struct hg_sim *base)
{
    struct hg_sim *c = NULL;
    cr_assert_eq(hg_sim_clone(base, &c), HOLOG_OK);
    return c;
}

static uint8_t *bytes(struct hg_sim *sim, const char *name)
{
    uint64_t size = 0;
    uint8_t *p = hg_sim_file_data(sim, name, &size);
    cr_assert_not_null(p, "%s", name);
    return p;
}

/* ---- one trial -------------------------------------------------------------------------------------*/

struct trial {
    int was_closed;
    int verify_rc;
    int named; /* verify named a file, and where in it */
    int open_rc;
    int opened;
    int other; /* HOLOG_OK or the code of a call that must not fail */
    struct shown s;
};

static int on_damage(void *ctx, const holog_damage *d)
{
    struct trial *t = ctx;

    if (!d->harmless && d->file != NULL && d->file[0] != 0 && d->message[0] != 0)
        t->named = 1;
    return 0;
}

static int try_store(struct hg_io *io, void *ctx)
{
    struct trial *t = ctx;
    struct holog_error_detail d;
    holog_options o;
    holog_store *s = NULL;

    kit_options(&o);
    t->verify_rc = hg_verify_io(io, 0, on_damage, t, NULL, NULL);
    t->open_rc = hg_store_open_io(io, &o, &s);
    holog_last_error(&d);
    if (t->open_rc == HOLOG_E_CORRUPT && !d.has_position && d.path[0] == 0)
        t->other = HOLOG_E_CORRUPT; /* it must say where */
    if (t->open_rc < 0)
        return HOLOG_OK;
    t->opened = 1;
    show(s, &t->s);
    t->other = holog_close(s);
    return HOLOG_OK;
}

enum outcome {
    DETECTED,
    HARMLESS,
    UNDECIDABLE,
    UNDETECTED
};

static enum outcome judge_closed(const struct trial *t, const char **out_why)
{
    const char *why = NULL;

    if (t->other != HOLOG_OK)
        why = "no position, or closing fails";
    else if (t->open_rc < 0 && t->open_rc != HOLOG_E_CORRUPT)
        why = holog_error_name(t->open_rc);
    else if (t->verify_rc < 0 && t->verify_rc != HOLOG_E_CORRUPT)
        why = "verify gives another code";
    else if (t->verify_rc == HOLOG_E_CORRUPT && !t->named)
        why = "verify names no file";
    else if (t->verify_rc == HOLOG_OK && t->open_rc < 0)
        why = "open refuses, verify finds nothing";
    else if (t->opened)
        why = first_difference(&closed, &t->s);
    if (why == NULL && t->opened && t->verify_rc == HOLOG_OK && says_corrupt(&t->s))
        why = "a read refuses, verify finds nothing";
    *out_why = why;
    if (why != NULL)
        return UNDETECTED;
    return t->verify_rc < 0 || t->open_rc < 0 ? DETECTED : HARMLESS;
}

/* A cut takes every header behind it along, a swap may take two blocks of them: what is left to say
 * how far the log had been durable is SUPER, whose floor dates from the last roll or pause. */
static uint64_t least_kept(enum damage_kind d)
{
    const uint8_t *p = bytes(crashed, "SUPER");
    uint64_t number = 0;

    if (d != D_CUT && d != D_SWAP_512 && d != D_SWAP_4K)
        return STEPS - 2; /* the last two groups are not covered by a floor */
    for (size_t i = 0; i < 2; i++) {
        struct hg_super super;
        if (hg_super_decode(p + i * HG_SUPER_SLOT_SIZE, &super) == HOLOG_OK)
            number = super.floor_number > number ? super.floor_number : number;
    }
    return number;
}

static enum outcome judge_crashed(const struct trial *t, enum damage_kind d, const char **out_why)
{
    struct shown s = t->s;

    *out_why = "no position, or closing fails";
    if (t->other != HOLOG_OK)
        return UNDETECTED;
    if (t->open_rc < 0) {
        *out_why = holog_error_name(t->open_rc);
        return t->open_rc == HOLOG_E_CORRUPT ? DETECTED : UNDETECTED;
    }
    *out_why = "acknowledged commits are gone";
    if (s.number > STEPS || s.number < least_kept(d))
        return UNDETECTED;
    s.log_corrupt = 1; /* the log is not compared */
    s.n_commits = 0;
    *out_why = first_difference(&states[s.number], &s);
    if (*out_why != NULL)
        return UNDETECTED;
    if (s.number < STEPS)
        return UNDECIDABLE;
    return says_corrupt(&t->s) || t->verify_rc < 0 ? DETECTED : HARMLESS;
}

static struct count table[FILE_KINDS][DAMAGE_KINDS];
static unsigned complaints;

static void judge(struct hg_sim *damaged, int was_closed, enum file_kind f, enum damage_kind d,
                  const char *name, uint64_t at)
{
    static struct trial t;
    struct count *c = &table[f][d];
    const char *why = NULL;
    enum outcome o;

    memset(&t, 0, sizeof t);
    OK(hg_sim_run(damaged, try_store, &t));
    hg_sim_destroy(damaged);
    o = was_closed ? judge_closed(&t, &why) : judge_crashed(&t, d, &why);
    c->tried++;
    c->detected += o == DETECTED;
    c->harmless += o == HARMLESS;
    c->undecidable += o == UNDECIDABLE;
    c->undetected += o == UNDETECTED;
    if (o == UNDETECTED && complaints++ < 20)
        (void)fprintf(stderr, "# %s, %s at %llu: %s (verify %s, open %s)\n", name, damage_names[d],
                      (unsigned long long)at, why, holog_error_name(t.verify_rc),
                      holog_error_name(t.open_rc));
}

/* ---- the damages -----------------------------------------------------------------------------------*/

/* Every how many-th byte is tried. */
static uint64_t stride_now;

static void set_stride(uint64_t normal)
{
    stride_now = test_level() == 2                   ? 1
                 : test_level() == 1                 ? normal * kit_sparse()
                 : getenv("HOLOG_SANITIZER") != NULL ? 997
                                                     : 61;
}

static int one_bit(void)
{
    return test_level() == 2;
}

static void flips(struct hg_sim *base, int was_closed, const struct files *files, size_t i)
{
    const char *name = files->f[i].name;

    for (uint64_t at = i % stride_now; at < files->f[i].size; at += stride_now) {
        for (unsigned bit = 0; bit < (one_bit() ? 9u : 1u); bit++) {
            struct hg_sim *c = copy_of(base);
            bytes(c, name)[at] ^= (uint8_t)(bit == 0 ? 0xff : 1u << (bit - 1));
            judge(c, was_closed, files->f[i].kind, D_FLIP, name, at);
        }
    }
}

static void cuts(struct hg_sim *base, int was_closed, const struct files *files, size_t i)
{
    const char *name = files->f[i].name;
    uint8_t *copy = malloc((size_t)files->f[i].size + 1);

    cr_assert_not_null(copy);
    if (files->f[i].size > 0)
        memcpy(copy, bytes(base, name), (size_t)files->f[i].size);
    for (uint64_t len = 0; len < files->f[i].size; len += stride_now) {
        struct hg_sim *c = copy_of(base);
        cr_assert_eq(hg_sim_file_put(c, name, copy, len), HOLOG_OK);
        judge(c, was_closed, files->f[i].kind, D_CUT, name, len);
    }
    free(copy);
}

static void sectors(struct hg_sim *base, int was_closed, const struct files *files, size_t i,
                    uint64_t unit)
{
    const char *name = files->f[i].name;
    enum file_kind kind = files->f[i].kind;
    int k = unit == 4096;
    uint64_t size = files->f[i].size;
    uint64_t old_size = 0;
    const uint8_t *old = hg_sim_file_data(earlier, name, &old_size);
    uint64_t rng = test_seed() + i;

    for (uint64_t at = 0; at + unit <= size; at += unit) {
        uint64_t to = rng_next(&rng) % (size / unit) * unit;
        struct hg_sim *c = copy_of(base);
        memset(bytes(c, name) + at, 0, unit);
        judge(c, was_closed, kind, k ? D_ZERO_4K : D_ZERO_512, name, at);
        if (old != NULL) { /* what stood there some commits ago: zeros where there was nothing */
            c = copy_of(base);
            memset(bytes(c, name) + at, 0, unit);
            if (at < old_size)
                memcpy(bytes(c, name) + at, old + at,
                       (size_t)(old_size - at < unit ? old_size - at : unit));
            judge(c, was_closed, kind, k ? D_STALE_4K : D_STALE_512, name, at);
        }
        for (unsigned j = 0; j < 2; j++) {
            uint64_t with = j == 0 ? (at + unit) % (size / unit * unit) : to;
            uint8_t tmp[4096];
            uint8_t *p;
            c = copy_of(base);
            p = bytes(c, name);
            memcpy(tmp, p + at, unit);
            memcpy(p + at, p + with, unit);
            memcpy(p + with, tmp, unit);
            judge(c, was_closed, kind, k ? D_SWAP_4K : D_SWAP_512, name, at);
        }
    }
}

static void put_copy(struct hg_sim *to, const char *name, struct hg_sim *from, const char *source)
{
    uint64_t size = 0;
    const uint8_t *p = hg_sim_file_data(from, source, &size);
    uint8_t *copy = malloc((size_t)size + 1);

    cr_assert(p != NULL && copy != NULL);
    memcpy(copy, p, (size_t)size);
    cr_assert_eq(hg_sim_file_put(to, name, copy, size), HOLOG_OK);
    free(copy);
}

static void whole_files(struct hg_sim *base, int was_closed, const struct files *files, size_t i)
{
    const char *name = files->f[i].name;
    const char *dot = strrchr(name, '.');
    enum file_kind kind = files->f[i].kind;
    struct hg_sim *c = copy_of(base);

    cr_assert_eq(hg_sim_file_remove(c, name), HOLOG_OK);
    judge(c, was_closed, kind, D_DELETED, name, 0);
    for (size_t j = i + 1; j < files->n; j++) {
        if (files->f[j].kind == F_OTHER || kind == F_OTHER)
            continue;
        c = copy_of(base);
        put_copy(c, name, base, files->f[j].name);
        put_copy(c, files->f[j].name, base, name);
        judge(c, was_closed, kind, D_SWAPPED, name, j);
    }
    if (kind == F_SUPER || kind == F_OTHER)
        return;
    for (unsigned id = 1; id < 12; id++) { /* free ones, taken ones, later ones */
        char to[64];
        (void)snprintf(to, sizeof to, "%.4s%0*x%s", name, kind == F_CHECKPOINT ? 16 : 8, id, dot);
        if (strcmp(to, name) == 0)
            continue;
        c = copy_of(base);
        put_copy(c, to, base, name);
        judge(c, was_closed, kind, D_DUPLICATED, name, id);
        c = copy_of(base);
        put_copy(c, to, base, name);
        cr_assert_eq(hg_sim_file_remove(c, name), HOLOG_OK);
        judge(c, was_closed, kind, D_RENAMED, name, id);
    }
}

/* Append `from` behind the file's end, or behind its own frames; or put it in the file's place. */
static void insert(struct hg_sim *base, int was_closed, const struct files *files, size_t i,
                   struct hg_sim *source, const char *from)
{
    const char *name = files->f[i].name;
    uint64_t n = 0, size = files->f[i].size;
    const uint8_t *p = hg_sim_file_data(source, from, &n);
    struct hg_sim *c;
    uint8_t *joined;

    if (p == NULL || n < 4096)
        return;
    joined = malloc((size_t)(size + n));
    cr_assert_not_null(joined);
    memcpy(joined, bytes(base, name), (size_t)size);
    memcpy(joined + size, p, (size_t)n); /* with its header */
    c = copy_of(base);
    cr_assert_eq(hg_sim_file_put(c, name, joined, size + n), HOLOG_OK);
    judge(c, was_closed, files->f[i].kind, D_OLD_FRAMES, name, size);
    memcpy(joined + size, p + 4096, (size_t)n - 4096); /* its frames alone */
    c = copy_of(base);
    cr_assert_eq(hg_sim_file_put(c, name, joined, size + n - 4096), HOLOG_OK);
    judge(c, was_closed, files->f[i].kind, D_OLD_FRAMES, name, size);
    c = copy_of(base);
    memcpy(joined, p, (size_t)n);
    cr_assert_eq(hg_sim_file_put(c, name, joined, n), HOLOG_OK);
    judge(c, was_closed, files->f[i].kind, D_OLD_FRAMES, name, 0);
    free(joined);
}

static void old_frames(struct hg_sim *base, int was_closed, const struct files *files, size_t i)
{
    if (files->f[i].kind != F_SEALED && files->f[i].kind != F_LAST && files->f[i].kind != F_EXTENTS)
        return;
    for (size_t j = 0; j < files->n; j++) {
        if (files->f[j].kind != F_SEALED && files->f[j].kind != F_LAST)
            continue;
        if (i != j)
            insert(base, was_closed, files, i, base, files->f[j].name);
        insert(base, was_closed, files, i, earlier, files->f[j].name);
        insert(base, was_closed, files, i, other, files->f[j].name);
    }
}

static void campaign(struct hg_sim *base, int was_closed)
{
    struct files files;

    list_files(base, &files);
    for (size_t i = 0; i < files.n; i++) {
        flips(base, was_closed, &files, i);
        cuts(base, was_closed, &files, i);
        sectors(base, was_closed, &files, i, 512);
        sectors(base, was_closed, &files, i, 4096);
        whole_files(base, was_closed, &files, i);
        old_frames(base, was_closed, &files, i);
    }
}

static void add_count(struct count *to, const struct count *c)
{
    to->tried += c->tried;
    to->detected += c->detected;
    to->harmless += c->harmless;
    to->undecidable += c->undecidable;
    to->undetected += c->undetected;
}

static void print_count(const char *prefix, const char *what, const char *how,
                        const struct count *c)
{
    if (c->tried > 0)
        (void)fprintf(stderr, "%s| %s | %s | %u | %u | %u | %u | %u |\n", prefix, what, how,
                      c->tried, c->detected, c->harmless, c->undecidable, c->undetected);
}

/* Each file for itself, as notes; then their sums, for each damage or of all. */
static void print_table(const char *store, int each_damage, struct count *out_sum)
{
    struct count sums[DAMAGE_KINDS] = { 0 };

    memset(out_sum, 0, sizeof *out_sum);
    (void)fprintf(stderr, "# %s store, HOLOG_TEST_LEVEL %d, HOLOG_TEST_SEED=%llu\n", store,
                  test_level(), (unsigned long long)test_seed());
    for (unsigned f = 0; f < FILE_KINDS; f++) {
        for (unsigned d = 0; d < DAMAGE_KINDS; d++) {
            print_count("# ", file_names[f], damage_names[d], &table[f][d]);
            add_count(&sums[d], &table[f][d]);
        }
    }
    for (unsigned d = 0; d < DAMAGE_KINDS; d++) {
        if (each_damage)
            print_count("", store, damage_names[d], &sums[d]);
        add_count(out_sum, &sums[d]);
    }
    print_count("", store, each_damage ? "**all of these**" : "**all of the above**", out_sum);
}

TestSuite(damage, .init = make_disks, .fini = destroy_disks, .timeout = 36000);

static int drop_checkpoint(void *ctx, const char *name, uint64_t size)
{
    (void)size;
    return strncmp(name, "chk/", 4) == 0 ? hg_sim_file_remove(ctx, name) : 0;
}

Test(damage, without_any_the_store_is_sound)
{
    struct hg_sim *c = copy_of(disk);
    struct files files;

    list_files(disk, &files);
    for (size_t i = 0; i < files.n; i++)
        (void)fprintf(stderr, "# %s: %s, %llu bytes\n", files.f[i].name,
                      file_names[files.f[i].kind], (unsigned long long)files.f[i].size);
    judge(c, 1, F_OTHER, D_FLIP, "nothing", 0);
    cr_assert_eq(table[F_OTHER][D_FLIP].harmless, 1);
    judge(copy_of(crashed), 0, F_OTHER, D_FLIP, "nothing", 0);
    cr_assert_eq(table[F_OTHER][D_FLIP].harmless, 2);
}

Test(damage, on_a_closed_store_all_is_detected_or_harmless)
{
    struct count sum;

    set_stride(1);
    campaign(disk, 1);
    (void)fprintf(stderr, "| store | damage | tried | detected | harmless | undecidable | "
                          "undetected |\n|---|---|---|---|---|---|---|\n");
    print_table("closed", 1, &sum);
    cr_assert_gt(sum.tried, 1000);
    cr_assert_eq(sum.undetected, 0);
    cr_assert_eq(sum.undecidable, 0);
}

Test(damage, on_a_closed_store_without_checkpoints_all_is_detected_or_harmless)
{
    struct hg_sim *bare = copy_of(disk);
    struct hg_sim *c = copy_of(disk);
    struct count sum;

    cr_assert_eq(hg_sim_each_file(c, drop_checkpoint, bare), HOLOG_OK);
    hg_sim_destroy(c);
    set_stride(17);
    campaign(bare, 1);
    print_table("closed, no checkpoint", 0, &sum);
    hg_sim_destroy(bare);
    cr_assert_eq(sum.undetected, 0);
    cr_assert_eq(sum.undecidable, 0);
}

/* The same store, some of whose values have been moved by a compaction. */
static int squeeze(struct hg_io *io, void *ctx)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report *r = ctx;
    holog_options o;
    holog_store *s = NULL;

    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    OK(save_seed(s, "more", 45000, 200, 0));
    OK(save_seed(s, "still more", 90000, 201, 0));
    OK(save_seed(s, "most", 60000, 202, 0));
    OK(holog_compact(s, &all, r));
    show(s, &closed);
    return holog_close(s);
}

Test(damage, on_a_compacted_store_all_is_detected_or_harmless)
{
    holog_compact_report r = { .struct_size = sizeof r };
    struct hg_sim *compacted = copy_of(disk);
    struct count sum;

    OK(hg_sim_run(compacted, squeeze, &r));
    cr_assert_geq(r.values, 2u, "%llu", (unsigned long long)r.values);
    set_stride(7);
    campaign(compacted, 1);
    print_table("compacted", 1, &sum);
    hg_sim_destroy(compacted);
    cr_assert_gt(table[F_COMPRESSED][D_FLIP].detected, 100);
    cr_assert_eq(sum.undetected, 0);
    cr_assert_eq(sum.undecidable, 0);
}

Test(damage, on_a_crashed_store_only_the_last_groups_are_undecidable)
{
    struct count sum;

    set_stride(23); /* a crashed store takes longer to open */
    campaign(crashed, 0);
    print_table("crashed", 1, &sum);
    cr_assert_eq(sum.undetected, 0);
}

/* ---- frames inside a store -------------------------------------------------------------------------*/

/* A store that keeps its own segments as values, inline and in extents, and is cut at each step. */
static struct {
    uint8_t *file;
    uint64_t size;
} smuggled;
enum {
    MARK_ACK = 9,
    SMUGGLED = 12
};
static struct hg_sim *smuggler;

static size_t smuggled_len(uint64_t number)
{
    return number % 3 == 0 ? (size_t)smuggled.size : 1000;
}

static uint64_t smuggled_at(uint64_t number)
{
    return number % 3 == 0 ? 0 : 4096 + number * 520;
}

static int smuggle(struct hg_io *io, void *ctx)
{
    holog_options o;
    holog_store *s = NULL;

    (void)ctx;
    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    for (uint64_t i = 1; i <= SMUGGLED; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "s%llu", (unsigned long long)i);
        OK(holog_save(s, path, smuggled.file + smuggled_at(i), smuggled_len(i), 0, NULL));
        hg_sim_mark(smuggler, MARK_ACK, i);
    }
    return holog_close(s);
}

static int look_for_smuggled(struct hg_io *io, void *ctx)
{
    uint64_t least = *(const uint64_t *)ctx;
    holog_options o;
    holog_store *s = NULL;
    uint64_t last;

    kit_options(&o);
    OK(hg_store_open_io(io, &o, &s));
    last = holog_last_number(s) - STEPS;
    cr_assert(last >= least && last <= SMUGGLED, "%llu of them, %llu acknowledged",
              (unsigned long long)last, (unsigned long long)least);
    for (uint64_t i = 1; i <= last; i++) {
        char path[16];
        holog_value *v = NULL;
        (void)snprintf(path, sizeof path, "s%llu", (unsigned long long)i);
        OK(holog_load(s, path, &v));
        cr_assert_eq(holog_value_size(v), smuggled_len(i));
        cr_assert_eq(memcmp(holog_value_data(v), smuggled.file + smuggled_at(i), smuggled_len(i)),
                     0);
        holog_value_release(v);
    }
    OK(save_text(s, "after", "x", 0));
    OK(holog_close(s));
    OK(hg_verify_io(io, 0, NULL, NULL, NULL, NULL));
    return HOLOG_OK;
}

Test(damage, frames_stored_as_values_are_never_taken_for_frames_of_the_log)
{
    struct files files;
    unsigned tried = 0;

    list_files(disk, &files);
    for (size_t i = 0; i < files.n; i++) {
        if (files.f[i].kind != F_SEALED && files.f[i].kind != F_LAST)
            continue;
        smuggler = copy_of(disk);
        smuggled.size = files.f[i].size;
        smuggled.file = malloc((size_t)smuggled.size);
        cr_assert(smuggled.file != NULL && smuggled.size >= 4096 + SMUGGLED * 520 + 1000);
        memcpy(smuggled.file, bytes(disk, files.f[i].name), (size_t)smuggled.size);
        OK(hg_sim_run(smuggler, smuggle, NULL));
        for (uint64_t step = 0; step <= hg_sim_steps(smuggler);
             step += test_level() == 0 ? 3 * kit_thin() : kit_sparse()) {
            for (unsigned how = 0; how < HG_SIM_CRASH_STRATEGIES; how++) {
                struct hg_sim *after = NULL;
                uint64_t ack = hg_sim_marked_max(smuggler, MARK_ACK, step, 0);
                cr_assert_eq(hg_sim_crash(smuggler, step, (enum hg_sim_strategy)how,
                                          test_seed() + step, &after),
                             HOLOG_OK);
                OK(hg_sim_run(after, look_for_smuggled, &ack));
                hg_sim_destroy(after);
                tried++;
            }
        }
        hg_sim_destroy(smuggler);
        free(smuggled.file);
    }
    (void)fprintf(stderr, "# %u crash states of a store that holds its own segments\n", tried);
    print_total(tried, 0, 0, 0);
    cr_assert_gt(tried, 100);
}
