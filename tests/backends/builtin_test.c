/*
 * What memory and zarr promise beside the contract: loads without a copy, durability as it was asked for, chunks.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backendkit.h"
#include "base/alloc.h"

TestSuite(builtin, .timeout = 120);

#define LARGE (1u << 20)

static holog_backend *open_with(const char *name, const holog_backend_options *opts)
{
    holog_backend_options o = *opts;
    holog_backend *b = NULL;

    o.struct_size = sizeof o;
    o.store = vfs_box.store;
    OK(holog_backend_open(name, &o, &b));
    return b;
}

static void begin(const char *name, const holog_backend_options *opts)
{
    box_make(&vfs_box);
    vfs_box.opts.no_background = 1; /* nothing becomes durable unless somebody asks */
    box_open(&vfs_box);
    vfs = open_with(name, opts);
}

static void end(void)
{
    OK(holog_backend_close(vfs));
    box_end(&vfs_box);
}

static uint64_t save_one(const char *path)
{
    uint64_t number = 0;

    OK(holog_vfs_save_bytes(vfs, path, "x", 1, 0, &number));
    return number;
}

static uint64_t bytes_read(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(vfs_box.store, &st));
    return st.bytes_read;
}

/* ---- memory ----------------------------------------------------------------------------------------*/

Test(builtin, what_memory_loads_is_not_copied_and_not_read)
{
    static const uint64_t shape[2] = { 512, 1024 };
    static uint16_t pixels[LARGE / 2];
    holog_object_spec o = array_of(pixels, HOLOG_UINT16, 2, shape);
    uint64_t before;

    for (size_t i = 0; i < LARGE / 2; i++)
        pixels[i] = (uint16_t)(i * 7 + 1);
    begin("memory", &(holog_backend_options){ 0 });
    OK(holog_vfs_save(vfs, "p.npy", &o, 0, NULL));
    OK(holog_vfs_save_bytes(vfs, "blob", pixels, LARGE, 0, NULL));
    before = bytes_read();
    for (size_t i = 0; i < 2; i++) {
        const char *path = i == 0 ? "p.npy" : "blob";
        holog_object *a = NULL;
        holog_object *b = NULL;
        OK(holog_vfs_load(vfs, path, &a));
        OK(holog_vfs_load(vfs, path, &b));
        cr_assert_eq(memcmp(holog_object_data(a), pixels, LARGE), 0);
        cr_assert_eq(holog_object_data(a), holog_object_data(b), "%s: one memory for both", path);
        holog_object_release(a);
        holog_object_release(b);
    }
    cr_assert_eq(bytes_read(), before);
    end();
}

Test(builtin, durability_is_what_was_asked_for)
{
    holog_backend *sync;
    uint64_t number;

    begin("memory", &(holog_backend_options){ .durability = HOLOG_DURABILITY_NONE });
    number = save_one("none");
    cr_assert_lt(holog_durable_number(vfs_box.store), number);
    OK(holog_vfs_wait_durable(vfs, number, 0));
    cr_assert_geq(holog_durable_number(vfs_box.store), number);
    sync = vfs;
    vfs = open_with("memory", &(holog_backend_options){ .durability = HOLOG_DURABILITY_SYNC });
    number = save_one("sync");
    cr_assert_geq(holog_durable_number(vfs_box.store), number);
    OK(holog_backend_close(vfs));
    vfs = open_with("memory", &(holog_backend_options){ 0 });
    number = save_one("async");
    OK(holog_vfs_sync(vfs));
    cr_assert_geq(holog_durable_number(vfs_box.store), number);
    OK(holog_backend_close(sync));
    end();
}

Test(builtin, the_watermark_makes_what_was_saved_durable)
{
    uint64_t number = 0;

    begin("memory", &(holog_backend_options){ .durability = HOLOG_DURABILITY_NONE,
                                              .max_objects = 10,
                                              .cleanup_threshold = 0.5 });
    for (int round = 0; round < 3; round++) {
        char path[32];
        for (int i = 0; i < 5; i++) {
            (void)snprintf(path, sizeof path, "%d-%d", round, i);
            number = save_one(path);
            cr_assert_lt(holog_durable_number(vfs_box.store), number, "%s", path);
        }
        (void)snprintf(path, sizeof path, "%d-last", round);
        number = save_one(path);
        cr_assert_geq(holog_durable_number(vfs_box.store), number, "%s", path);
    }
    end();
}

/* ---- chunks ----------------------------------------------------------------------------------------*/

static holog_array_info info_of(const char *path)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;

    OK(holog_array_open(vfs_box.store, path, &a));
    OK(holog_array_get_info(a, &info));
    holog_array_close(a);
    return info;
}

Test(builtin, zarr_has_planes_in_a_codec_and_memory_one_raw_chunk)
{
    static const uint64_t shape[3] = { 4, 30, 40 };
    static uint16_t pixels[4 * 30 * 40];
    holog_object_spec o = array_of(pixels, HOLOG_UINT16, 3, shape);
    holog_array_info info;
    holog_object *got = NULL;

    for (size_t i = 0; i < sizeof pixels / 2; i++)
        pixels[i] = (uint16_t)(i + 1);
    begin("zarr", &(holog_backend_options){
                      .codec = HOLOG_CODEC_ZSTD, .level = 5, .array_flags = HOLOG_ARRAY_SHUFFLE });
    OK(holog_vfs_save(vfs, "z.npy", &o, 0, NULL));
    info = info_of("z.npy");
    cr_assert_eq(info.chunk[0], 1);
    cr_assert_eq(info.chunk[1], 30);
    cr_assert_eq(info.plain, 0);
    OK(holog_vfs_load_checked(vfs, "z.npy", HOLOG_UINT16, 3, shape, &got));
    cr_assert_eq(memcmp(holog_object_data(got), pixels, sizeof pixels), 0);
    holog_object_release(got);
    OK(holog_backend_close(vfs));
    vfs = open_with("zarr", &(holog_backend_options){ .chunking = HOLOG_CHUNKS_WHOLE });
    OK(holog_vfs_save(vfs, "w.npy", &o, 0, NULL));
    cr_assert_eq(info_of("w.npy").chunk[0], 4);
    OK(holog_backend_close(vfs));
    vfs = open_with("memory", &(holog_backend_options){ 0 });
    OK(holog_vfs_save(vfs, "m.npy", &o, 0, NULL));
    info = info_of("m.npy");
    cr_assert_eq(info.chunk[0], 4);
    cr_assert_eq(info.plain, 1);
    end();
}

Test(builtin, an_array_of_the_store_that_has_entries_below_it_is_not_replaced_unseen)
{
    static const uint64_t shape[1] = { 3 };
    static const uint8_t bytes[3] = { 1, 2, 3 };
    holog_object_spec o = array_of(bytes, HOLOG_UINT8, 1, shape);

    begin("zarr", &(holog_backend_options){ 0 });
    OK(holog_vfs_save(vfs, "a.npy", &o, 0, NULL));
    OK(holog_save(vfs_box.store, "a.npy/below", "x", 1, 0, NULL));
    FAILS(HOLOG_E_NOTEMPTY, holog_vfs_delete(vfs, "a.npy", NULL), "a.npy");
    FAILS(HOLOG_E_NOTEMPTY, holog_vfs_save_bytes(vfs, "a.npy", "x", 1, HOLOG_REPLACE, NULL),
          "a.npy");
    cr_assert_str_eq(files_in("/", NULL, NULL, HOLOG_LIST_RECURSIVE), "a.npy ");
    OK(holog_vfs_delete_all(vfs, "a.npy", NULL));
    cr_assert_str_eq(names_in("/"), "");
    end();
}

/* ---- at once ---------------------------------------------------------------------------------------*/

#define THREADS 4
#define EACH    50

static void *save_many(void *arg)
{
    static const uint64_t shape[1] = { 3 };
    static const uint8_t bytes[3] = { 1, 2, 3 };
    holog_object_spec o = array_of(bytes, HOLOG_UINT8, 1, shape);
    size_t me = (size_t)arg;

    for (int i = 0; i < EACH; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "run%d/t%zu.npy", i, me);
        cr_assert_eq(holog_vfs_save(vfs, path, &o, HOLOG_PARENTS, NULL), HOLOG_OK);
        (void)snprintf(path, sizeof path, "run%d/same.npy", i);
        cr_assert_eq(holog_vfs_save(vfs, path, &o, HOLOG_PARENTS | HOLOG_REPLACE, NULL), HOLOG_OK);
    }
    return NULL;
}

static int count_file(void *ctx, const char *path, uint32_t type)
{
    (void)path;
    *(int *)ctx += type == HOLOG_ARRAY;
    return 0;
}

Test(builtin, threads_save_into_the_same_directories_and_lose_nothing)
{
    pthread_t threads[THREADS];
    int n = 0;

    box_begin(&vfs_box);
    vfs = open_with("memory", &(holog_backend_options){ 0 });
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, save_many, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    OK(holog_vfs_list_files(vfs, "/", NULL, NULL, HOLOG_LIST_RECURSIVE, count_file, &n));
    cr_assert_eq(n, EACH * (THREADS + 1));
    end();
}

/* ---- without memory --------------------------------------------------------------------------------*/

static struct {
    int at; /* this allocation fails, and all that follow until it is taken back */
    int count;
    int hit;
} short_of;

static int fail_at(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    short_of.hit |= ++short_of.count == short_of.at;
    return short_of.count == short_of.at;
}

static int ignore(void *ctx, const char *path, uint32_t type)
{
    (void)ctx;
    (void)path;
    (void)type;
    return 0;
}

/* The first call that fails ends it. */
static int scenario(void)
{
    static const uint64_t shape[2] = { 2, 3 };
    static const uint8_t bytes[6] = { 1, 2, 3, 4, 5, 6 };
    static const int64_t turned[2] = { 1, 2 };
    static const char *const paths[] = { "d/a.npy", "d/b", "d/l" };
    holog_object_spec array = array_of(bytes, HOLOG_UINT8, 2, shape);
    holog_object_spec blob = {
        .struct_size = sizeof blob, .kind = HOLOG_OBJECT_BLOB, .data = "t", .len_bytes = 1
    };
    holog_vfs_item items[] = { { "d/b", &blob }, { "d/a.npy", &array } };
    holog_object *o[3] = { NULL };
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    int rc;

    array.strides = turned;
    rc = holog_vfs_save_batch(vfs, items, 2, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
    if (rc == HOLOG_OK)
        rc = holog_vfs_symlink(vfs, "b", "d/l", HOLOG_REPLACE, NULL);
    if (rc == HOLOG_OK)
        rc = holog_vfs_load_batch(vfs, paths, 3, o, NULL);
    for (size_t i = 0; i < 3; i++)
        holog_object_release(o[i]);
    if (rc == HOLOG_OK)
        rc = holog_vfs_stat(vfs, "d/a.npy", &info);
    if (rc == HOLOG_OK)
        rc = holog_vfs_list_files(vfs, "/", NULL, NULL, HOLOG_LIST_RECURSIVE, ignore, NULL);
    if (rc == HOLOG_OK)
        rc = holog_vfs_copy(vfs, "d/a.npy", "d/b", HOLOG_REPLACE, NULL);
    if (rc == HOLOG_OK)
        rc = holog_vfs_move(vfs, "d/b", "e/c.npy", HOLOG_PARENTS | HOLOG_REPLACE, NULL);
    return rc == HOLOG_OK ? holog_vfs_delete_all(vfs, "d", NULL) : rc;
}

/* A store that could not write a commit it had numbered is poisoned, which is its own tests' affair. */
static void sweep(const char *name, const char *root)
{
    short_of.hit = 1;
    for (int at = 1; short_of.hit; at++) {
        int rc;
        begin(name, &(holog_backend_options){ .root = root });
        short_of.at = at;
        short_of.count = short_of.hit = 0;
        hg_alloc_set_fault(fail_at, NULL);
        rc = scenario();
        hg_alloc_set_fault(NULL, NULL);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOMEM || rc == HOLOG_E_POISONED ||
                      rc == HOLOG_E_INDOUBT,
                  "%s, allocation %d: %s", name, at, holog_error_name(rc));
        cr_assert(short_of.hit || rc == HOLOG_OK);
        OK(holog_backend_close(vfs));
        (void)holog_close(vfs_box.store);
        remove_tree(vfs_box.dir);
        if (root != NULL)
            remove_tree(root);
        if (test_level() == 0 && at > 40)
            at += at / 8; /* the quick run takes samples */
    }
}

Test(builtin, an_allocation_that_fails_is_told_and_nothing_leaks)
{
    const char *tmp = getenv("TMPDIR");

    sweep("memory", NULL);
    (void)snprintf(vfs_root, sizeof vfs_root, "%s/holog-sweep-XXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(vfs_root));
    sweep("files", vfs_root);
}
