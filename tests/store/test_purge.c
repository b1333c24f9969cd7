/* A purge: what nobody can ask for any more is in no file of the store when it returns. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "engine/store_internal.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

#define KIB ((size_t)1024)

static struct box box;

/* ---- looking for bytes ---------------------------------------------------------------------------*/

enum {
    NEEDLE = 24, /* bytes that are in no file by chance */
    NEEDLES = 3
};

static unsigned found_in(const char *dir, const uint8_t *what, size_t len)
{
    char name[300];
    unsigned found = 0;
    const struct dirent *e;
    DIR *d = opendir(dir);

    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%.100s", dir, e->d_name);
        if (e->d_type == DT_DIR) {
            found += found_in(name, what, len);
            continue;
        }
        size_t size = 0;
        uint8_t *data = file_read(dir, e->d_name, &size);
        found += memmem(data, size, what, len) != NULL;
        free(data);
    }
    (void)closedir(d);
    return found;
}

/* In how many places there is something of the value: its begin, its middle, its end. Values are of bytes that no codec
 * makes smaller, so that they stand in the files as they are. */
static unsigned traces(size_t len, uint64_t seed)
{
    uint8_t *data = malloc(len);
    unsigned found = 0;

    cr_assert_not_null(data);
    cr_assert_geq(len, (size_t)64);
    value_fill(data, len, seed);
    for (size_t i = 0; i < NEEDLES; i++)
        found += found_in(box.dir, data + 16 + i * (len - 16 - NEEDLE) / (NEEDLES - 1), NEEDLE);
    free(data);
    return found;
}

/* ---- the store -----------------------------------------------------------------------------------*/

static void begin(void)
{
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1;
    box_open(&box);
}

enum {
    EACH = 6,
    SMALL = 700,
    LARGE = 50000
};

static void save_some(const char *dir, uint64_t seed)
{
    char path[32];

    for (unsigned i = 0; i < EACH; i++) {
        (void)snprintf(path, sizeof path, "%s/s%u", dir, i);
        OK(save_seed(box.store, path, SMALL, seed + i, HOLOG_REPLACE | HOLOG_PARENTS));
        (void)snprintf(path, sizeof path, "%s/l%u", dir, i);
        OK(save_seed(box.store, path, LARGE, seed + 50 + i, HOLOG_REPLACE));
    }
}

static void has_some(const char *dir, uint64_t seed)
{
    char path[32];

    for (unsigned i = 0; i < EACH; i++) {
        (void)snprintf(path, sizeof path, "%s/s%u", dir, i);
        has_seed(box.store, path, SMALL, seed + i);
        (void)snprintf(path, sizeof path, "%s/l%u", dir, i);
        has_seed(box.store, path, LARGE, seed + 50 + i);
    }
}

static unsigned traces_of_some(uint64_t seed)
{
    unsigned found = 0;

    for (unsigned i = 0; i < EACH; i++)
        found += traces(SMALL, seed + i) + traces(LARGE, seed + 50 + i);
    return found;
}

/* Values behind it, so that nobody writes to the extents that have what was saved before. */
static void fill_up(void)
{
    for (unsigned i = 0; i < 4; i++)
        OK(save_seed(box.store, "filler", 280 * KIB, 5000 + i, HOLOG_REPLACE));
}

static void compress(uint64_t least)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report r = { .struct_size = sizeof r };

    OK(holog_compact(box.store, &o, &r));
    cr_assert_geq(r.values, least);
}

static int compact(uint32_t flags)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = flags };

    return holog_compact(box.store, &o, NULL);
}

static void forget(void)
{
    OK(holog_gc(box.store, 1, 0, 0, NULL));
}

/* ---- claims --------------------------------------------------------------------------------------*/

Test(purge, what_was_deleted_is_in_no_file)
{
    begin();
    save_some("keep", 1000);
    save_some("go", 2000);
    save_some("keep", 3000); /* older ones of what is kept go, too */
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    cr_assert_gt(traces_of_some(2000), 0u);
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces_of_some(1000), 0u);
    cr_assert_eq(traces_of_some(2000), 0u);
    cr_assert_gt(traces_of_some(3000), 0u);
    has_some("keep", 3000);
    box_same_after_reopen(&box);
    cr_assert_eq(traces_of_some(2000), 0u);
    has_some("keep", 3000);
    box_end(&box);
}

Test(purge, nor_is_what_was_compressed_before)
{
    begin();
    save_some("keep", 1000);
    save_some("go", 2000);
    fill_up();
    compress(2 * EACH);
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    OK(compact(0)); /* there is not so much garbage that these would go by themselves */
    box_same_after_reopen(&box);
    cr_assert_gt(traces_of_some(2000), 0u);
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces_of_some(2000), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* An older version that is the newest again was stored as the difference from the one that is gone. */
Test(purge, nor_is_what_another_value_differs_from)
{
    enum {
        LEN = 300000,
        AT = 140000,
        CHANGED = 20000
    };
    uint8_t *data = malloc(LEN);
    uint8_t secret[CHANGED];
    uint64_t first = 0;

    cr_assert_not_null(data);
    begin();
    value_fill(data, LEN, 7);
    value_fill(secret, sizeof secret, 8);
    OK(holog_save(box.store, "v", data, LEN, 0, &first));
    memcpy(data + AT, secret, sizeof secret);
    OK(holog_save(box.store, "v", data, LEN, HOLOG_REPLACE, NULL));
    fill_up();
    compress(2);
    OK(holog_rollback(box.store, "/", first, NULL));
    forget();
    cr_assert_gt(found_in(box.dir, secret + 9000, NEEDLE), 0u);
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(found_in(box.dir, secret + 9000, NEEDLE), 0u);
    has_seed(box.store, "v", LEN, 7);
    box_same_after_reopen(&box);
    has_seed(box.store, "v", LEN, 7);
    box_end(&box);
    free(data);
}

/* A copy that came when the first had been compressed is read from it. */
Test(purge, nor_is_what_a_copy_was_read_from)
{
    begin();
    save_some("keep", 1000);
    save_some("go", 2000);
    fill_up();
    compress(2 * EACH);
    save_some("copy", 2000);
    fill_up();
    compress(EACH);
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_gt(traces_of_some(2000), 0u);
    has_some("copy", 2000);
    box_same_after_reopen(&box);
    has_some("copy", 2000);
    OK(holog_delete_all(box.store, "copy", NULL));
    forget();
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces_of_some(2000), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

/* What is gone when the copy comes is not kept for its sake. */
Test(purge, nor_is_what_a_copy_has_come_for_since)
{
    begin();
    save_some("keep", 1000);
    save_some("go", 2000);
    fill_up();
    compress(2 * EACH);
    OK(holog_delete(box.store, "go/l1", NULL));
    OK(save_seed(box.store, "copy", LARGE, 2051, 0));
    OK(save_seed(box.store, "gone", LARGE, 3000, 0));
    fill_up();
    OK(holog_delete(box.store, "gone", NULL));
    forget();
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces(LARGE, 3000), 0u);
    has_seed(box.store, "copy", LARGE, 2051);
    OK(holog_delete(box.store, "copy", NULL));
    forget();
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces(LARGE, 2051), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(purge, what_a_tag_or_a_view_holds_stays_until_it_does_not)
{
    holog_view *v = NULL;
    uint64_t head = 0;

    begin();
    save_some("go", 2000);
    OK(holog_ref(box.store, "HEAD", &head));
    OK(holog_tag(box.store, "held", head, 0));
    OK(holog_view_open(box.store, &v));
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_gt(traces_of_some(2000), 0u);
    OK(holog_tag_delete(box.store, "held"));
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_gt(traces_of_some(2000), 0u);
    holog_view_close(v);
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces_of_some(2000), 0u);
    box_same_after_reopen(&box);
    box_end(&box);
}

struct during {
    holog_writer *writer; /* gives up at the first call */
    holog_store *reader;  /* is closed at the first that waits for it */
    int cancel;           /* then, instead */
    int stays;            /* it does: the minute is over */
    unsigned waited;
};

static int while_it_lasts(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    struct during *d = ctx;

    (void)done;
    holog_writer_abort(d->writer);
    d->writer = NULL;
    if (strcmp(unit, "files") != 0)
        return 0;
    cr_assert_gt(total, 0u);
    d->waited++;
    if (d->cancel)
        return 1;
    if (d->stays) {
        box.store->replaced_ns = 1;
        return 0;
    }
    OK(holog_close(d->reader));
    d->reader = NULL;
    return 0;
}

static int purge_with(struct during *d)
{
    const holog_compact_options o = { .struct_size = sizeof o,
                                      .flags = HOLOG_COMPACT_PURGE,
                                      .progress = while_it_lasts,
                                      .progress_ctx = d };

    return holog_compact(box.store, &o, NULL);
}

Test(purge, files_that_somebody_reads_are_waited_for)
{
    struct during d = { .cancel = 1 };
    holog_options o;

    begin();
    save_some("go", 2000);
    save_some("keep", 1000);
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &d.reader));
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    FAILS(HOLOG_E_CANCELED, purge_with(&d), "waited for readers");
    cr_assert_gt(traces_of_some(2000), 0u);
    d.cancel = 0;
    OK(purge_with(&d));
    cr_assert_eq(d.waited, 2u);
    cr_assert_eq(traces_of_some(2000), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(purge, with_a_reader_who_stays_it_is_not_proven_until_that_has_gone)
{
    struct during d = { .stays = 1 };
    holog_options o;

    begin();
    save_some("go", 2000);
    save_some("keep", 1000);
    o = box.opts;
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &d.reader));
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    FAILS(HOLOG_E_BUSY, purge_with(&d), "close it, then repeat");
    cr_assert_gt(d.waited, 0u);
    cr_assert_eq(traces_of_some(2000), 0u, "of those with a name");
    OK(holog_close(d.reader));
    OK(purge_with(&d));
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(purge, a_writer_that_gives_up_meanwhile_leaves_nothing)
{
    enum {
        LEN = 700000
    };
    uint8_t *data = malloc(LEN);
    struct during d = { 0 };

    cr_assert_not_null(data);
    value_fill(data, LEN, 77);
    begin();
    save_some("go", 2000);
    save_some("keep", 1000);
    OK(holog_writer_open(box.store, "w", 0, 0, &d.writer));
    OK(holog_writer_write(d.writer, data, LEN));
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    FAILS(HOLOG_E_BUSY, compact(HOLOG_COMPACT_PURGE), "are being written");
    save_some("go", 2000); /* so that there is something to move */
    save_some("keep", 1000);
    OK(holog_delete_all(box.store, "go", NULL));
    forget();
    OK(purge_with(&d));
    cr_assert_null(d.writer);
    cr_assert_eq(traces(LEN, 77), 0u);
    cr_assert_eq(traces_of_some(2000), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
    free(data);
}

/* No more is replaced than has to be. */
Test(purge, large_values_that_live_as_a_whole_are_left_where_they_are)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = HOLOG_COMPACT_PURGE };
    holog_compact_report r = { .struct_size = sizeof r };

    begin();
    for (unsigned i = 0; i < 18; i++) { /* an extent segment is full */
        char path[16];
        (void)snprintf(path, sizeof path, "l%u", i);
        OK(save_seed(box.store, path, 60 * KIB, i, 0));
    }
    forget();
    OK(holog_compact(box.store, &o, &r));
    cr_assert(r.values == 0 && r.record_bytes > 0);
    r = (holog_compact_report){ .struct_size = sizeof r };
    OK(holog_delete(box.store, "l3", NULL));
    forget();
    OK(holog_compact(box.store, &o, &r));
    cr_assert_eq(traces(60 * KIB, 3), 0u);
    cr_assert(r.values > 0 && r.values < 18);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(purge, what_cannot_be_moved_is_named)
{
    begin();
    OK(holog_close(box.store));
    box.opts.budget_bytes = 8 << 20; /* a value of more than a quarter of it is not moved */
    box.opts.extent_segment_size_max = 8192 * KIB;
    box_open(&box);
    OK(save_seed(box.store, "go", LARGE, 1, 0));
    OK(save_seed(box.store, "giant", 2500 * KIB, 2, 0));
    save_some("keep", 1000);
    OK(holog_delete(box.store, "go", NULL));
    forget();
    FAILS(HOLOG_E_BUSY, compact(HOLOG_COMPACT_PURGE),
          "a value of 2560000 bytes beside it is too large");
    cr_assert_gt(traces(LARGE, 1), 0u);
    OK(holog_delete(box.store, "giant", NULL));
    forget();
    OK(compact(HOLOG_COMPACT_PURGE));
    cr_assert_eq(traces(LARGE, 1) + traces(2500 * KIB, 2), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

static int stop;

static void *write_on(void *arg)
{
    uint64_t n = 0;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        n++;
        (void)save_seed(box.store, "w/s", SMALL, 9000000 + n, HOLOG_REPLACE | HOLOG_PARENTS);
        (void)save_seed(box.store, "w/l", LARGE, 8000000 + n, HOLOG_REPLACE | HOLOG_PARENTS);
    }
    (void)arg;
    return NULL;
}

Test(purge, it_succeeds_beside_commits)
{
    pthread_t writer;
    int rc;

    begin();
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
    save_some("keep", 1000);
    save_some("go", 2000);
    cr_assert_eq(pthread_create(&writer, NULL, write_on, NULL), 0);
    OK(holog_delete_all(box.store, "go", NULL));
    OK(holog_gc(box.store, 1, 0, 0, NULL));
    do {
        rc = compact(HOLOG_COMPACT_PURGE);
    } while (rc == HOLOG_E_BUSY); /* a value was being written */
    OK(rc);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    cr_assert_eq(pthread_join(writer, NULL), 0);
    cr_assert_eq(traces_of_some(2000), 0u);
    has_some("keep", 1000);
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(purge, a_store_with_nothing_in_it_has_nothing_to_purge)
{
    begin();
    OK(compact(HOLOG_COMPACT_PURGE));
    OK(save_seed(box.store, "v", 100, 1, 0));
    OK(compact(HOLOG_COMPACT_PURGE));
    OK(compact(HOLOG_COMPACT_PURGE));
    has_seed(box.store, "v", 100, 1);
    box_same_after_reopen(&box);
    FAILS(HOLOG_E_INVAL, compact(HOLOG_COMPACT_PURGE | HOLOG_COMPACT_DRY_RUN), "cannot be tried");
    FAILS(HOLOG_E_INVAL, compact(64), "unknown flags");
    box_end(&box);
}
