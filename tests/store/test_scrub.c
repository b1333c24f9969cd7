/* Scrub: what was compressed is read again, at a set rate, beside all else. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

#define KIB ((size_t)1024)

static struct box box;
static char cold[32]; /* the newest .hwp, as file_read takes it */

static void churn(unsigned from, unsigned to)
{
    char path[16];

    for (unsigned g = from; g < to; g++) {
        for (unsigned i = 0; i < 12; i++) {
            (void)snprintf(path, sizeof path, "v%u", i);
            OK(save_seed(box.store, path, 90 * KIB + (size_t)i * 1000, g * 100 + i, HOLOG_REPLACE));
            (void)snprintf(path, sizeof path, "s%u", i);
            OK(save_seed(box.store, path, 200 + (size_t)i, g * 100 + i, HOLOG_REPLACE));
        }
    }
}

static void compact(void)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = HOLOG_COMPACT_ALL };

    OK(holog_gc(box.store, 1, 0, 0, NULL));
    OK(holog_compact(box.store, &o, NULL));
}

static void begin(void)
{
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    churn(0, 5);
    compact();
}

static uint64_t find_cold(void)
{
    char dir[300];
    const struct dirent *e;
    size_t len = 0;

    memset(cold, 0, sizeof cold);
    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".hwp") != NULL && strncmp(e->d_name, cold + 4, 8) > 0)
            (void)snprintf(cold, sizeof cold, "seg/%.20s", e->d_name);
    (void)closedir(d);
    cr_assert_neq(cold[0], 0);
    free(file_read(box.dir, cold, &len));
    return len;
}

static void flip(size_t at)
{
    size_t len = 0;
    uint8_t *data = file_read(box.dir, cold, &len);

    data[at] ^= 1;
    file_write(box.dir, cold, data, len);
    free(data);
}

struct found {
    unsigned n, harmless;
    char message[256];
    char path[256];
    char paths[1024]; /* of all, each with a space behind it */
    char file[64];
    uint64_t offset;
};

static int note(void *ctx, const holog_damage *d)
{
    struct found *f = ctx;

    f->n++;
    f->harmless += d->harmless;
    (void)snprintf(f->message, sizeof f->message, "%s", d->message);
    f->offset = d->offset;
    (void)snprintf(f->paths + strlen(f->paths), sizeof f->paths - strlen(f->paths), "%s ",
                   d->path == NULL ? "" : d->path);
    (void)snprintf(f->path, sizeof f->path, "%s", d->path == NULL ? "" : d->path);
    (void)snprintf(f->file, sizeof f->file, "%s", d->file == NULL ? "" : d->file);
    return 0;
}

Test(scrub, everything_compressed_is_read_and_counted)
{
    holog_scrub_report r = { .struct_size = sizeof r };
    holog_stats st = { .struct_size = sizeof st };

    begin();
    OK(holog_scrub(box.store, NULL, NULL, NULL, &r));
    cr_assert_eq(r.bytes, find_cold());
    cr_assert(r.segments == 1 && r.damages == 0);
    OK(holog_stats_get(box.store, &st));
    cr_assert(st.scrubbed_bytes == r.bytes && st.scrub_damages == 0);
    churn(5, 6);
    OK(holog_scrub(box.store, NULL, NULL, NULL, NULL));
    box_end(&box);
}

Test(scrub, a_store_without_compressed_segments_is_sound)
{
    holog_scrub_report r = { .struct_size = sizeof r };

    box_make(&box);
    box_open(&box);
    OK(holog_scrub(box.store, NULL, NULL, NULL, &r));
    cr_assert(r.segments == 0 && r.bytes == 0 && r.damages == 0);
    FAILS(HOLOG_E_INVAL, holog_scrub(NULL, NULL, NULL, NULL, NULL), NULL);
    box_end(&box);
}

/* The store stays open: nothing of what it has in memory hides what the file says now. */
Test(scrub, finds_what_verify_finds)
{
    unsigned damaged = 0;

    begin();
    uint64_t len = find_cold();
    for (uint64_t i = 0; i < 60; i++) {
        struct found f = { 0 };
        size_t at = (size_t)(i < 20 ? i * len / 20 : i < 40 ? i * 13 : len - 1 - (i - 40) * 37);
        flip(at);
        int verified = holog_verify(box.dir, 0, NULL, NULL, NULL, NULL);
        int scrubbed = holog_scrub(box.store, NULL, note, &f, NULL);
        cr_assert_eq(scrubbed, verified, "byte %zu of %s", at, cold);
        if (scrubbed < 0) {
            cr_assert_geq(f.n, 1u);
            cr_assert_str_eq(f.file, cold);
            damaged++;
        }
        flip(at);
    }
    cr_assert_gt(damaged, 20u);
    OK(holog_scrub(box.store, NULL, NULL, NULL, NULL));
    box_end(&box);
}

Test(scrub, a_damaged_value_is_named_by_path)
{
    holog_scrub_report r = { .struct_size = sizeof r };
    holog_stats st = { .struct_size = sizeof st };
    struct found f = { 0 };

    begin();
    (void)find_cold();
    flip(20000);
    FAILS(HOLOG_E_CORRUPT, holog_scrub(box.store, NULL, note, &f, &r), "damaged");
    cr_assert_eq(f.n, 1u);
    cr_assert_eq(f.path[0], 'v', "%s", f.path);
    cr_assert(f.offset > 0 && f.offset <= 20000);
    cr_assert_eq(r.damages, 1u);
    OK(holog_stats_get(box.store, &st));
    cr_assert_eq(st.scrub_damages, 1u);
    flip(20000);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* Values a to f, of which c and e have the bytes of b. */
static void begin_with_same(void)
{
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    for (unsigned i = 0; i < 6; i++) {
        const char path[] = { (char)('a' + i), 0 };
        OK(save_seed(box.store, path, 120 * KIB, i == 2 || i == 4 ? 1 : i, 0));
    }
    for (unsigned i = 0; i < 12; i++) /* what is written to is not compacted */
        OK(save_seed(box.store, "X", 90 * KIB, 9 + i, HOLOG_REPLACE));
    compact();
}

static size_t n_of(const char *text, char c)
{
    size_t n = 0;

    for (; *text != 0; text++)
        n += *text == c;
    return n;
}

/* Wherever it is: all that cannot be loaded are named, and no others. */
Test(scrub, values_that_have_the_bytes_of_a_damaged_one_are_named_too)
{
    unsigned shared = 0;

    begin_with_same();
    for (size_t at = 8 * KIB, end = find_cold(); at + 8 * KIB < end; at += 30 * KIB) {
        struct found f = { 0 };
        struct found v = { 0 };
        flip(at);
        int rc = holog_scrub(box.store, NULL, note, &f, NULL);
        cr_assert_eq(rc, holog_verify(box.dir, 0, note, &v, NULL, NULL), "byte %zu", at);
        cr_assert_eq(f.n, v.n, "byte %zu", at);
        cr_assert_str_eq(f.paths, v.paths, "byte %zu", at);
        box_reopen(&box);
        for (char name = 'a'; name <= 'f'; name++) {
            const char path[] = { name, 0 };
            holog_value *value = NULL;
            int loaded = holog_load(box.store, path, &value);
            cr_assert_eq(loaded, n_of(f.paths, name) > 0 ? HOLOG_E_CORRUPT : HOLOG_OK,
                         "byte %zu, %s: \"%s\"", at, path, f.paths);
            holog_value_release(value);
        }
        shared += strcmp(f.paths, "b c e ") == 0;
        flip(at);
    }
    cr_assert_gt(shared, 1u);
    box_end(&box);
}

/* The byte is in the values that all have the same bytes: b, c, e. */
static void damage_shared(void)
{
    for (size_t at = 8 * KIB, end = find_cold(); at < end; at += 30 * KIB) {
        struct found f = { 0 };
        flip(at);
        (void)holog_scrub(box.store, NULL, note, &f, NULL);
        if (strcmp(f.paths, "b c e ") == 0)
            return;
        flip(at);
    }
    cr_assert(0, "nothing is shared");
}

/* Of a path that was saved again there is another version, which is sound. */
Test(scrub, a_version_that_is_not_the_newest_is_told_as_such)
{
    struct found f = { 0 };

    begin_with_same();
    OK(holog_config(box.store, "retention.commits", "100", NULL, 0));
    damage_shared();
    OK(save_seed(box.store, "b", 120 * KIB, 50, HOLOG_REPLACE));
    OK(holog_move(box.store, "c", "moved", 0, NULL));
    OK(save_seed(box.store, "c", 120 * KIB, 51, 0));
    OK(holog_delete(box.store, "e", NULL));
    FAILS(HOLOG_E_CORRUPT, holog_scrub(box.store, NULL, note, &f, NULL), NULL);
    cr_assert(f.n == 3 && f.harmless == 0, "%u, %u", f.n, f.harmless);
    cr_assert_str_eq(f.paths, "b moved e ");
    cr_assert_not_null(strstr(f.message, "an older version, which history keeps"), "%s", f.message);
    memset(&f, 0, sizeof f);
    FAILS(HOLOG_E_CORRUPT, holog_verify(box.dir, 0, note, &f, NULL, NULL), NULL);
    cr_assert_str_eq(f.paths, "b moved e ");
    box_end(&box);
}

Test(scrub, damage_that_nobody_can_come_across_is_harmless)
{
    static const char *const paths[] = { "b", "c", "e" };
    const holog_compact_options purge = { .struct_size = sizeof purge,
                                          .flags = HOLOG_COMPACT_PURGE };
    holog_scrub_report r = { .struct_size = sizeof r };
    struct found f = { 0 };

    begin_with_same();
    damage_shared();
    for (unsigned i = 0; i < 3; i++)
        OK(save_seed(box.store, paths[i], 120 * KIB, 50 + i, HOLOG_REPLACE));
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    OK(holog_scrub(box.store, NULL, note, &f, &r));
    cr_assert(f.n == 3 && f.harmless == 3 && r.damages == 0, "%u, %u", f.n, f.harmless);
    cr_assert_str_eq(f.paths, "   ");
    memset(&f, 0, sizeof f);
    box_reopen(&box); /* what history keeps, readers know from the file */
    int rc = holog_verify(box.dir, 0, note, &f, NULL, NULL);
    cr_assert(rc == HOLOG_OK && f.n == 3 && f.harmless == 3, "%d: %u, %u: %s", rc, f.n, f.harmless,
              f.message);
    cr_assert_not_null(strstr(f.message, "nobody can ask for it any more, once e"), "%s",
                       f.message);
    OK(holog_compact(box.store, &purge, NULL));
    memset(&f, 0, sizeof f);
    OK(holog_scrub(box.store, NULL, note, &f, &r));
    cr_assert_eq(f.n, 0);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* Who asks for a compaction names no value. */
Test(scrub, a_compaction_that_meets_damage_says_where)
{
    const holog_compact_options purge = { .struct_size = sizeof purge,
                                          .flags = HOLOG_COMPACT_PURGE };
    char where[80];

    begin_with_same();
    damage_shared();
    OK(holog_delete(box.store, "f", NULL));
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    (void)snprintf(where, sizeof where, "%s, offset ", cold);
    FAILS(HOLOG_E_CORRUPT, holog_compact(box.store, &purge, NULL), where);
    FAILS(HOLOG_E_CORRUPT, holog_compact(box.store, &purge, NULL), ": b: ");
    box_end(&box);
}

static int stop_at(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    (void)unit;
    cr_assert_leq(done, total);
    return ++*(unsigned *)ctx == 1;
}

Test(scrub, can_be_stopped)
{
    unsigned calls = 0;
    holog_scrub_report r = { .struct_size = sizeof r };
    const holog_scrub_options o = { .struct_size = sizeof o,
                                    .progress = stop_at,
                                    .progress_ctx = &calls };

    begin();
    FAILS(HOLOG_E_CANCELED, holog_scrub(box.store, &o, NULL, NULL, &r), NULL);
    cr_assert_eq(calls, 1u);
    cr_assert(r.bytes > 0 && r.bytes < find_cold() && r.segments == 0, "%llu bytes, %u segments",
              (unsigned long long)r.bytes, r.segments);
    box_end(&box);
}

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

Test(scrub, is_never_faster_than_its_rate)
{
    const holog_scrub_options o = { .struct_size = sizeof o, .bytes_per_s = 2 << 20 };

    begin();
    double least = (double)find_cold() / (double)o.bytes_per_s;
    double begun = seconds();
    OK(holog_scrub(box.store, &o, NULL, NULL, NULL));
    cr_assert_geq(seconds() - begun, least);
    box_end(&box);
}

static void *scrub_again_and_again(void *arg)
{
    uint32_t *stop = arg;
    unsigned n = 0;

    do {
        OK(holog_scrub(box.store, NULL, NULL, NULL, NULL));
        n++;
    } while (__atomic_load_n(stop, __ATOMIC_ACQUIRE) == 0);
    cr_assert_gt(n, 0u);
    return NULL;
}

Test(scrub, goes_on_beside_commits_and_compactions)
{
    pthread_t thread;
    uint32_t stop = 0;

    begin();
    cr_assert_eq(pthread_create(&thread, NULL, scrub_again_and_again, &stop), 0);
    for (unsigned g = 5; g < 11; g++) {
        churn(g, g + 1);
        compact();
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(scrub, a_read_only_handle_can_do_it)
{
    holog_options o = { .struct_size = sizeof o, .flags = HOLOG_OPEN_READONLY };
    holog_scrub_report r = { .struct_size = sizeof r };
    holog_store *reader = NULL;

    begin();
    OK(holog_open(box.dir, &o, &reader));
    OK(holog_scrub(reader, NULL, NULL, NULL, &r));
    cr_assert_eq(r.segments, 1u);
    OK(holog_close(reader));
    box_end(&box);
}
