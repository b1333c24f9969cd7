/*
 * Random changes of every kind, and what can be asked of the store then: listings as of every number,
 * histories, ways back, tags, settings, holders, du, gc's forecast, differences. All of it has to be
 * the same from the handle that wrote it, from a reader beside, after a reopen by a checkpoint, and
 * after one by the log alone. HOLOG_TEST_SEED names the first of the stores.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash/kit.h"
#include "base/buf.h"
#include "holog/versions.h"
#include "storekit.h"

enum {
    STEPS_MAX = 90,
    DELTAS_MAX = 6,
    NOISE = 60000
};

static const char *const paths[] = { "a",     "b",   "d", "d/x", "d/y", "d/e",  "d/e/z", "d/e/10",
                                     "d/e/9", "f/g", "l", "m/l", "c0",  "c0/x", "c0/e",  "f" };
#define PATHS (sizeof paths / sizeof paths[0])

static struct box box;
static holog_store *reader;
static uint64_t seed_now;
static uint64_t rng;
static uint8_t noise[NOISE];

static uint64_t below(uint64_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return n == 0 ? 0 : (rng >> 11) % n;
}

static const char *some_path(void)
{
    return paths[below(PATHS)];
}

static void must(int cond, const char *what)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert(cond, "HOLOG_TEST_SEED=%llu: %s (%s)", (unsigned long long)seed_now, what, d.message);
}

/* ---- what can be asked ---------------------------------------------------------------------------*/

static void say(struct hg_buf *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct hg_buf *text, const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    OK(hg_buf_append(text, line, strlen(line)));
}

#define U(x) ((unsigned long long)(x))

static int say_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    say(ctx, "tag %s %llu %llu\n", name, U(number), U(time_ns));
    return 0;
}

static int say_setting(void *ctx, const char *key, const char *value)
{
    say(ctx, "%s=%s\n", key, value);
    return 0;
}

static int say_version(void *ctx, const holog_version_info *i)
{
    say(ctx, "  %u [%llu, %llu) %llu %llu bytes %llx:%llu %s\n", i->type, U(i->number),
        U(i->end_number), U(i->time_ns), U(i->size_bytes), U(i->segment), U(i->offset), i->message);
    return 0;
}

static int say_holder(void *ctx, const holog_holder *h)
{
    say(ctx, "held by %s %llu: %llu\n", h->name, U(h->number), U(h->bytes));
    return 0;
}

static int say_du(void *ctx, const holog_du_entry *e)
{
    say(ctx, "du %s %u: %llu %llu %llu %llu\n", e->path, e->type, U(e->entries), U(e->live_bytes),
        U(e->history_bytes), U(e->tag_bytes));
    return 0;
}

static int say_difference(void *ctx, const holog_difference *d)
{
    say(ctx, "  %s %u>%u %llu>%llu %llu>%llu\n", d->path, d->a_type, d->b_type, U(d->a_number),
        U(d->b_number), U(d->a_size), U(d->b_size));
    return 0;
}

static void say_entry(struct hg_buf *text, holog_view *view, const holog_entry *e)
{
    holog_stat_info st = { .struct_size = sizeof st };
    holog_value *v = NULL;
    uint64_t sum = 0;

    must(holog_view_stat(view, e->path, &st) == HOLOG_OK, e->path);
    if (e->type == HOLOG_BLOB) {
        must(holog_view_load(view, e->path, &v) == HOLOG_OK, e->path);
        for (size_t i = 0; i < holog_value_size(v); i++)
            sum = sum * 31 + ((const uint8_t *)holog_value_data(v))[i];
        holog_value_release(v);
    }
    say(text, "  %s %u %llu bytes of %llu, %llu, %llx %llx %u at %x:%llu: %llx\n", e->path, e->type,
        U(e->size_bytes), U(e->number), U(st.time_ns), U(st.hash_lo), U(st.hash_hi), st.csum,
        st.segment, U(st.offset), U(sum));
}

/* As of number; 0: that is not kept. */
static int say_state(struct hg_buf *text, holog_store *s, uint64_t number)
{
    holog_view *view = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;
    uint64_t hash = 0;
    int rc = holog_view_open_at(s, number, &view);

    say(text, "as of %llu: %s\n", U(number), holog_error_name(rc));
    if (rc != HOLOG_OK)
        return 0;
    must(holog_state_hash(view, &hash) == HOLOG_OK, "hash");
    say(text, "hash %llx\n", U(hash));
    must(holog_view_list(view, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &c) == HOLOG_OK, "list");
    while ((rc = holog_cursor_next(c, &e)) == HOLOG_OK)
        say_entry(text, view, e);
    must(rc == HOLOG_E_NOENT, "listing");
    holog_cursor_close(c);
    holog_view_close(view);
    return 1;
}

static void say_path(struct hg_buf *text, holog_store *s, const char *path)
{
    say(text, "%s:\n", path);
    say(text, "%s\n", holog_error_name(holog_history(s, path, 0, say_version, text)));
    for (unsigned n = 1; n <= 4; n++) {
        uint64_t number = 0;
        int rc = holog_before_changes(s, path, n, &number);
        say(text, "  before %u: %s %llu\n", n, holog_error_name(rc), U(number));
    }
}

/* Everything but what is chosen by chance: that begins with `choice`. */
static void say_all(struct hg_buf *text, holog_store *s, uint64_t choice)
{
    uint64_t was = rng;
    uint64_t last = holog_last_number(s);
    holog_stats st = { .struct_size = sizeof st };
    uint64_t oldest = last;

    text->len = 0;
    rng = choice;
    OK(holog_stats_get(s, &st));
    say(text, "last %llu: %llu %llu %llu %llu\n", U(last), U(st.entries), U(st.directories),
        U(st.live_key_bytes), U(st.live_value_bytes));
    OK(holog_tag_list(s, say_tag, text));
    OK(holog_config_list(s, say_setting, text));
    OK(holog_holders(s, say_holder, text));
    OK(holog_du(s, "/", say_du, text));
    for (uint64_t n = last + 1; n-- > 0;)
        oldest = say_state(text, s, n) ? n : oldest;
    for (size_t i = 0; i < PATHS; i++)
        say_path(text, s, paths[i]);
    for (unsigned i = 0; i < 3; i++) {
        holog_gc_report r = { .struct_size = sizeof r };
        OK(holog_gc(s, i == 0 ? 0 : 1 + below(last + 1), 0, 1, &r));
        say(text, "gc %llu %llu %llu %llu %llu\n", U(r.horizon_before), U(r.horizon),
            U(r.commits_before), U(r.commits), U(r.kept_by_tags_bytes));
    }
    for (unsigned i = 0; i < 6; i++) {
        uint64_t a = oldest + below(last + 1 - oldest);
        uint64_t b = oldest + below(last + 1 - oldest);
        const char *path = below(3) == 0 ? some_path() : "/";
        int rc = holog_diff(s, a, b, path, HOLOG_DIFF_RANGES, say_difference, text);
        say(text, "between %llu and %llu of %s: %s\n", U(a), U(b), path, holog_error_name(rc));
    }
    OK(hg_buf_append_byte(text, 0));
    rng = was;
}

static void same(const struct hg_buf *want, const struct hg_buf *got, const char *who)
{
    const char *a = (const char *)want->data;
    const char *b = (const char *)got->data;

    if (strcmp(a, b) == 0)
        return;
    while (strcspn(a, "\n") == strcspn(b, "\n") && strncmp(a, b, strcspn(a, "\n")) == 0) {
        a += strcspn(a, "\n") + 1;
        b += strcspn(b, "\n") + 1;
    }
    cr_assert(0, "HOLOG_TEST_SEED=%llu: %s says \"%.*s\", not \"%.*s\"", U(seed_now), who,
              (int)strcspn(b, "\n"), b, (int)strcspn(a, "\n"), a);
}

/* ---- what is done --------------------------------------------------------------------------------*/

/* A change may be refused for what it meets. */
static int done(int rc)
{
    static const int refusals[] = { HOLOG_E_NOENT,  HOLOG_E_EXIST,    HOLOG_E_ISDIR,
                                    HOLOG_E_NOTDIR, HOLOG_E_NOTEMPTY, HOLOG_E_INVAL,
                                    HOLOG_E_RANGE,  HOLOG_E_DROPPED,  HOLOG_E_CONSERVE,
                                    HOLOG_E_LOOP,   HOLOG_E_TOOBIG,   HOLOG_E_CONFLICT };
    size_t i = 0;

    while (rc < 0 && i < sizeof refusals / sizeof refusals[0] && refusals[i] != rc)
        i++;
    must(rc >= 0 || i < sizeof refusals / sizeof refusals[0], holog_error_name(rc));
    return rc == HOLOG_OK;
}

static size_t some_len(void)
{
    return below(10) == 0 ? below(NOISE) : below(below(3) == 0 ? 3000 : 150);
}

static const uint8_t *some_bytes(size_t len)
{
    return noise + below(NOISE - len);
}

static unsigned some_flags(void)
{
    return below(8) == 0 ? (unsigned)below(4) : HOLOG_REPLACE | HOLOG_PARENTS;
}

static uint64_t some_number(void)
{
    uint64_t last = holog_last_number(box.store);

    return last - below((below(2) == 0 ? last : last < 6 ? last : 6) + 1);
}

static uint64_t size_of(const char *path)
{
    holog_stat_info st = { .struct_size = sizeof st };

    return holog_stat(box.store, path, &st) == HOLOG_OK ? st.size_bytes : 0;
}

static size_t some_deltas(holog_delta *d, uint64_t size)
{
    size_t n = 1 + below(DELTAS_MAX);

    for (size_t i = 0; i < n; i++) {
        uint64_t start = below(size + 1);
        uint64_t end = start + below((below(3) == 0 ? size - start : 60) + 1);
        end = end > size ? size : end;
        d[i] = (holog_delta){ .kind = 1 + (uint32_t)below(4), .start = start, .end = end };
        if (d[i].kind == HOLOG_DELTA_MOVE)
            d[i].to = below(2) == 0 ? below(start + 1) : end + below(size - end + 1);
        if (d[i].kind == HOLOG_DELTA_INSERT || d[i].kind == HOLOG_DELTA_UPDATE) {
            d[i].len_bytes = below(80);
            d[i].data = some_bytes(d[i].len_bytes);
        }
        if (d[i].kind == HOLOG_DELTA_UPDATE || d[i].kind == HOLOG_DELTA_DELETE)
            size -= end - start;
        size += d[i].len_bytes;
    }
    return n;
}

static void change_in_txn(holog_txn *txn, uint32_t *savepoint)
{
    holog_delta d[DELTAS_MAX];
    const char *path = some_path();
    size_t len = some_len();

    switch (below(9)) {
    case 0: (void)done(holog_txn_mkdir(txn, path, HOLOG_PARENTS)); break;
    case 1: (void)done(holog_txn_delete_all(txn, path)); break;
    case 2: (void)done(holog_txn_copy(txn, path, some_path(), some_flags())); break;
    case 3: (void)done(holog_txn_move(txn, path, some_path(), some_flags())); break;
    case 4:
        (void)done(holog_txn_apply(txn, path, d, some_deltas(d, size_of(path)), HOLOG_BALANCE));
        break;
    case 5: (void)done(holog_txn_rollback(txn, below(3) == 0 ? "/" : path, some_number())); break;
    case 6: (void)done(holog_txn_savepoint(txn, savepoint)); break;
    case 7:
        if (*savepoint != 0)
            (void)done(holog_txn_rollback_to(txn, *savepoint));
        *savepoint = 0;
        break;
    default: (void)done(holog_txn_save(txn, path, some_bytes(len), len, some_flags())); break;
    }
}

static void transaction(void)
{
    holog_txn *txn = NULL;
    uint32_t savepoint = 0;

    OK(holog_begin(box.store, &txn));
    for (uint64_t n = 1 + below(7); n > 0; n--)
        change_in_txn(txn, &savepoint);
    OK(holog_txn_message(txn, below(2) == 0 ? "a message" : ""));
    (void)done(holog_commit(txn, NULL));
}

static void configure(void)
{
    static const char *const settings[][4] = { { "retention.commits", "5", "30", "all" },
                                               { "retention.bytes", "all", "live", "5000" },
                                               { "conservation", "track", "off", "enforce" },
                                               { "compression", "fast", "default", "archive" },
                                               { "user.x", "1", "2", "3" } };
    const char *const *s = settings[below(5)];

    OK(holog_config(box.store, s[0], s[1 + below(3)], NULL, 0));
}

static void tags(void)
{
    static const char *const names[] = { "t1", "t2", "t3" };
    const char *name = names[below(3)];
    uint64_t number = 0;

    switch (below(4)) {
    case 0: (void)done(holog_tag_delete(box.store, name)); break;
    case 1:
        if (done(holog_ref(box.store, name, &number)))
            (void)done(holog_rollback(box.store, below(2) == 0 ? "/" : some_path(), number, NULL));
        break;
    default: (void)done(holog_tag(box.store, name, some_number(), HOLOG_REPLACE)); break;
    }
}

static void one_step(void)
{
    holog_store *s = box.store;
    holog_delta d[DELTAS_MAX];
    const char *path = some_path();
    size_t len = some_len();

    switch (below(16)) {
    case 0:
    case 1: (void)done(holog_save(s, path, some_bytes(len), len, some_flags(), NULL)); break;
    case 2: (void)done(holog_copy(s, path, some_path(), some_flags(), NULL)); break;
    case 3: (void)done(holog_move(s, path, some_path(), some_flags(), NULL)); break;
    case 4:
        (void)done(below(3) == 0 ? holog_delete_all(s, path, NULL) : holog_delete(s, path, NULL));
        break;
    case 5:
    case 6: (void)done(holog_rollback(s, below(2) == 0 ? "/" : path, some_number(), NULL)); break;
    case 7:
    case 8: tags(); break;
    case 9: (void)done(holog_gc(s, 1 + below(20), 0, 0, NULL)); break;
    case 10: (void)done(holog_fold(s, path)); break;
    case 11: transaction(); break;
    case 12: (void)done(holog_symlink(s, "/d/x", "l", some_flags(), NULL)); break;
    case 13: configure(); break;
    default:
        (void)done(holog_apply(s, path, d, some_deltas(d, size_of(path)), HOLOG_BALANCE, 0, NULL));
        break;
    }
}

/* ---- stores --------------------------------------------------------------------------------------*/

static void lose_checkpoints(void)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/chk", box.dir);
    remove_tree(path);
}

static void one_store(uint64_t seed)
{
    static struct hg_buf want;
    static struct hg_buf got;

    seed_now = seed;
    rng = seed * 0x9E3779B97F4A7C15u + 77;
    box_make(&box);
    box.opts.no_background = 1;
    box.opts.sync = HOLOG_SYNC_NONE;
    if (below(2) == 0) { /* many segments; long commits */
        box.opts.segment_size_max = 16384u << below(3);
        box.opts.inline_max = 2048;
        box.opts.extent_segment_size_max = 128 << 10;
    }
    for (uint64_t lives = 1 + below(3); lives > 0; lives--) {
        holog_options ro = box.opts;
        ro.flags |= HOLOG_OPEN_READONLY;
        OK(holog_open(box.dir, &box.opts, &box.store));
        OK(holog_open(box.dir, &ro, &reader));
        for (uint64_t n = 10 + below(STEPS_MAX); n > 0; n--) {
            one_step();
            if (below(12) != 0)
                continue;
            OK(holog_sync(box.store));
            OK(holog_refresh(reader, NULL));
        }
        OK(holog_sync(box.store));
        OK(holog_refresh(reader, NULL));
        say_all(&want, box.store, rng);
        say_all(&got, reader, rng);
        same(&want, &got, "a reader beside");
        OK(holog_close(reader));
        box_reopen(&box);
        say_all(&got, box.store, rng);
        same(&want, &got, "a checkpoint");
        OK(holog_close(box.store));
        lose_checkpoints();
        box_open(&box);
        say_all(&got, box.store, rng);
        same(&want, &got, "the log");
        OK(holog_close(box.store));
        box.store = NULL;
    }
    box_end(&box);
    hg_buf_release(&want);
    hg_buf_release(&got);
}

Test(same, what_was_written_is_what_is_opened_replayed_and_followed, .timeout = 3000)
{
    static const unsigned counts[3] = { 25, 200, 5000 };
    unsigned n = counts[test_level()] / kit_sparse();

    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 2654435761u >> 13);
    for (unsigned i = 0; i < n; i++)
        one_store(test_seed() + i);
    (void)fprintf(stderr, "# %u stores\n", n);
}
