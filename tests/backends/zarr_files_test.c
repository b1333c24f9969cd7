/*
 * A hierarchy as files and back: the same keys and bytes; what was exported is there whole or not at all; what
 * cannot be imported is told, and loses nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../store/storekit.h"
#include "holog/array.h"
#include "holog/zarr.h"

static struct box box;
static char outside[300];

static void setup(void)
{
    box_begin(&box);
    (void)snprintf(outside, sizeof outside, "%s-files", box.dir);
    cr_assert_eq(mkdir(outside, 0700), 0);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
    remove_tree(outside);
}

TestSuite(zarr_files, .init = setup, .fini = teardown, .timeout = 60);

static const char *place(const char *name)
{
    static char path[600];

    (void)snprintf(path, sizeof path, "%s/%s", outside, name);
    return path;
}

static int export_to(const char *path, const char *name, unsigned flags)
{
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    int rc;

    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, path, flags, &zarr));
    rc = holog_zarr_export(zarr, place(name), NULL, NULL);
    holog_zarr_close(zarr);
    holog_view_close(view);
    return rc;
}

static unsigned damaged;
static int answer;

static int tell(void *ctx, const char *key, int code, const char *message)
{
    (void)ctx;
    (void)code;
    cr_assert_gt(strlen(key), 0);
    cr_assert_gt(strlen(message), 0);
    damaged++;
    return answer;
}

static int import_from(const char *name, const char *path)
{
    holog_txn *txn = NULL;
    int rc;

    OK(holog_begin(box.store, &txn));
    rc = holog_txn_zarr_import(txn, path, place(name), tell, NULL, NULL, NULL);
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

struct list {
    holog_zarr *zarr;
    uint64_t sum; /* of all keys and bytes */
    unsigned keys;
};

static int add_key(void *ctx, const char *key, uint64_t size)
{
    struct list *l = ctx;
    holog_value *v = NULL;
    const uint8_t *p;

    OK(holog_zarr_get(l->zarr, key, &v));
    cr_assert_eq(size, holog_value_size(v));
    for (const char *c = key; *c != 0; c++)
        l->sum = l->sum * 31 + (uint8_t)*c;
    p = holog_value_data(v);
    for (size_t i = 0; i < holog_value_size(v); i++)
        l->sum = l->sum * 31 + p[i];
    l->keys++;
    holog_value_release(v);
    return 0;
}

static struct list all_of(const char *path)
{
    holog_view *view = NULL;
    struct list l = { 0 };

    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, path, 0, &l.zarr));
    OK(holog_zarr_list(l.zarr, "", add_key, &l));
    holog_zarr_close(l.zarr);
    holog_view_close(view);
    return l;
}

static void make_well(void)
{
    static uint16_t data[20 * 30 * 40];
    const uint64_t shape[3] = { 20, 30, 40 };
    const uint64_t chunk[3] = { 4, 16, 16 };
    const uint64_t inner[3] = { 2, 8, 8 };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape, .chunk = chunk
    };

    for (unsigned i = 0; i < 20 * 30 * 40; i++)
        data[i] = (uint16_t)(i / 7);
    OK(holog_array_save(box.store, "well/raw", &spec, data, NULL, HOLOG_PARENTS, NULL));
    spec.codec = HOLOG_CODEC_ZSTD;
    OK(holog_array_save(box.store, "well/field/packed", &spec, data, NULL, HOLOG_PARENTS, NULL));
    spec.inner_chunk = inner;
    OK(holog_array_save(box.store, "well/field/shards", &spec, data, NULL, 0, NULL));
    OK(save_text(box.store, "well/notes.txt", "beside", 0));
}

Test(zarr_files, what_is_exported_is_imported_byte_for_byte)
{
    struct list before;
    struct list after;

    make_well();
    before = all_of("well");
    OK(export_to("well", "out.zarr", 0));
    OK(import_from("out.zarr", "back"));
    after = all_of("back");
    cr_assert_eq(before.keys, after.keys);
    cr_assert_eq(before.sum, after.sum);
    cr_assert_gt(before.keys, 90);
    OK(export_to("back", "again.zarr", 0));
}

Test(zarr_files, a_directory_that_is_there_is_left_alone)
{
    make_well();
    cr_assert_eq(mkdir(place("out.zarr"), 0700), 0);
    FAILS(HOLOG_E_EXIST, export_to("well", "out.zarr", 0), "exists");
    cr_assert_eq(rmdir(place("out.zarr")), 0, "nothing was put there");
}

Test(zarr_files, a_failed_export_does_not_look_complete)
{
    make_well();
    OK(save_text(box.store, "well/.holog-tmp-x", "a name that files may not have", 0));
    FAILS(HOLOG_E_BADPATH, export_to("well", "out.zarr", 0), "holog-tmp");
    cr_assert_neq(access(place("out.zarr"), F_OK), 0);
}

Test(zarr_files, a_torn_shard_is_told_and_all_else_is_imported)
{
    char shard[600];

    make_well();
    OK(export_to("well", "out.zarr", 0));
    (void)snprintf(shard, sizeof shard, "%s", place("out.zarr/field/shards/c/0/0/0"));
    cr_assert_eq(truncate(shard, 1000), 0); /* what a killed writer leaves */
    answer = 1;
    FAILS(HOLOG_E_INVAL, import_from("out.zarr", "none"), NULL);
    cr_assert_eq(type_of(box.store, "none"), HOLOG_MISSING);
    cr_assert_eq(damaged, 1);
    answer = 0;
    OK(import_from("out.zarr", "most"));
    cr_assert_eq(damaged, 2);
    cr_assert_eq(all_of("most").keys, all_of("well").keys - 1);
}

/* What other stores cannot: after a torn shard every later write of it fails there, for ever. */
Test(zarr_files, a_shard_that_was_torn_elsewhere_is_written_again_here)
{
    const holog_slice dot[3] = { { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 } };
    const uint16_t seven = 7;
    uint16_t read = 0;
    holog_array *a = NULL;

    make_well();
    OK(export_to("well", "out.zarr", 0));
    cr_assert_eq(truncate(place("out.zarr/field/shards/c/0/0/0"), 1000), 0);
    OK(import_from("out.zarr", "most"));
    OK(holog_array_update(box.store, "most/field/shards", dot, &seven, NULL, NULL));
    OK(holog_array_open(box.store, "most/field/shards", &a));
    OK(holog_array_read(a, dot, &read, NULL));
    cr_assert_eq(read, 7);
    holog_array_close(a);
}

Test(zarr_files, symlinks_lead_nowhere)
{
    make_well();
    OK(export_to("well", "out.zarr", 0));
    cr_assert_eq(symlink("/etc", place("out.zarr/etc")), 0);
    OK(import_from("out.zarr", "back"));
    cr_assert_eq(type_of(box.store, "back/etc"), HOLOG_MISSING);
    cr_assert_eq(all_of("back").sum, all_of("well").sum);
}

Test(zarr_files, what_is_no_hierarchy_is_refused)
{
    cr_assert_eq(mkdir(place("empty"), 0700), 0);
    FAILS(HOLOG_E_INVAL, import_from("empty", "a"), "zarr.json");
    FAILS(HOLOG_E_NOENT, import_from("missing", "a"), NULL);
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
}
