/*
 * The registry of backends, and backends that do little or nothing right: what they say is what the caller gets.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backendkit.h"

TestSuite(registry, .timeout = 120);

/* ---- a backend that accepts and forgets --------------------------------------------------------------*/

static int null_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                     uint64_t *out_number)
{
    (void)self;
    (void)items;
    (void)n;
    (void)flags;
    (void)out_number;
    return HOLOG_OK;
}

static int null_load(void *self, const char *const *paths, size_t n, holog_payload *out,
                     int *status)
{
    (void)self;
    (void)paths;
    (void)out;
    for (size_t i = 0; i < n; i++)
        status[i] = HOLOG_E_NOENT;
    return HOLOG_OK;
}

static int null_stat(void *self, const char *path, holog_vfs_stat_info *out)
{
    (void)self;
    (void)path;
    (void)out; /* type 0: missing */
    return HOLOG_OK;
}

static int null_list(void *self, const char *dir, unsigned flags,
                     int (*each)(void *ctx, const char *name, uint32_t type), void *ctx)
{
    (void)self;
    (void)dir;
    (void)flags;
    (void)each;
    (void)ctx;
    return HOLOG_OK;
}

static int null_path(void *self, const char *path, uint64_t *out_number)
{
    (void)self;
    (void)path;
    (void)out_number;
    return HOLOG_OK;
}

static int null_remove(void *self, const char *path, int all, uint64_t *out_number)
{
    (void)self;
    (void)path;
    (void)all;
    (void)out_number;
    return HOLOG_OK;
}

static int null_transfer(void *self, const char *from, const char *to, unsigned flags,
                         uint64_t *out_number)
{
    (void)self;
    (void)from;
    (void)to;
    (void)flags;
    (void)out_number;
    return HOLOG_OK;
}

static holog_backend_ops null_ops(const char *name)
{
    return (holog_backend_ops){ .struct_size = sizeof(holog_backend_ops),
                                .version = HOLOG_BACKEND_VERSION,
                                .name = name,
                                .save = null_save,
                                .load = null_load,
                                .stat = null_stat,
                                .list = null_list,
                                .ensure_directory = null_path,
                                .remove = null_remove,
                                .copy = null_transfer,
                                .move = null_transfer };
}

static holog_backend *opened(const char *name)
{
    holog_backend *b = NULL;

    OK(holog_backend_open(name, NULL, &b));
    return b;
}

Test(registry, a_backend_that_forgets_is_a_backend)
{
    holog_backend_ops ops = null_ops("null");
    holog_backend *b;
    holog_object *o = NULL;
    uint64_t number = 5;
    char target[8];
    int out = 1;

    OK(holog_backend_register(&ops));
    b = opened("NULL");
    OK(holog_vfs_save_bytes(b, "a", "x", 1, 0, &number));
    cr_assert_eq(number, 0, "no commits, no number");
    FAILS(HOLOG_E_NOENT, holog_vfs_load(b, "a", &o), "null");
    OK(holog_vfs_exists(b, "a", &out));
    cr_assert_eq(out, 0);
    FAILS(HOLOG_E_NOTSUP, holog_vfs_readlink(b, "a", target, sizeof target), "readlink");
    FAILS(HOLOG_E_NOTSUP, holog_vfs_symlink(b, "a", "b", 0, NULL), "symlink");
    OK(holog_vfs_sync(b));
    OK(holog_backend_close(b));
    OK(holog_backend_unregister("null"));
}

/* ---- names -------------------------------------------------------------------------------------------*/

Test(registry, names_do_not_tell_upper_from_lower_case)
{
    struct box box;
    holog_backend_options o = { .struct_size = sizeof o };
    static const char *const names[] = { "memory", "Memory", "MEMORY", "Zarr", "files", "DISK" };

    box_begin(&box);
    (void)snprintf(vfs_root, sizeof vfs_root, "%s-files", box.dir);
    o.store = box.store;
    o.root = vfs_root;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        holog_backend *b = NULL;
        OK(holog_backend_open(names[i], &o, &b));
        OK(holog_backend_close(b));
    }
    box_end(&box);
    remove_tree(vfs_root);
}

Test(registry, an_unknown_name_is_told_which_ones_there_are)
{
    holog_backend *b = NULL;

    FAILS(HOLOG_E_NOENT, holog_backend_open("tape", NULL, &b), "memory");
    FAILS(HOLOG_E_NOENT, holog_backend_open("", NULL, &b), "zarr");
    FAILS(HOLOG_E_NOENT, holog_backend_unregister("tape"), "files");
    FAILS(HOLOG_E_INVAL, holog_backend_open(NULL, NULL, &b), "NULL");
    cr_assert_null(b);
}

static int count_names(void *ctx, const char *name, const char *backend)
{
    int *n = ctx;

    *n += strcmp(backend, "files") == 0;
    cr_assert(strcmp(name, backend) == 0 || strcmp(name, "disk") == 0, "%s", name);
    return 0;
}

static int stop_at_once(void *ctx, const char *name, const char *backend)
{
    int *n = ctx;

    (void)name;
    (void)backend;
    return ++*n;
}

Test(registry, a_list_has_each_name_and_what_it_stands_for)
{
    int n = 0;

    OK(holog_backend_list(count_names, &n));
    cr_assert_eq(n, 2);
    n = 0;
    OK(holog_backend_list(stop_at_once, &n));
    cr_assert_eq(n, 1);
    FAILS(HOLOG_E_INVAL, holog_backend_list(NULL, NULL), "NULL");
}

Test(registry, a_name_is_given_once)
{
    static const char *const aliases[] = { "DISK", NULL };
    holog_backend_ops ops = null_ops("Memory");
    holog_backend_ops other = null_ops("other");

    FAILS(HOLOG_E_EXIST, holog_backend_register(&ops), "Memory");
    other.aliases = aliases;
    FAILS(HOLOG_E_EXIST, holog_backend_register(&other), "DISK");
    other.aliases = NULL;
    OK(holog_backend_register(&other));
    FAILS(HOLOG_E_EXIST, holog_backend_register(&other), "other");
    OK(holog_backend_unregister("OTHER"));
    FAILS(HOLOG_E_NOENT, holog_backend_unregister("other"), NULL);
}

Test(registry, a_table_that_makes_no_sense_is_refused_and_says_why)
{
    holog_backend_ops ops = null_ops("odd");

    FAILS(HOLOG_E_INVAL, holog_backend_register(NULL), "NULL");
    ops.struct_size = 4;
    FAILS(HOLOG_E_INVAL, holog_backend_register(&ops), "struct_size");
    ops.struct_size = sizeof ops - 8;
    FAILS(HOLOG_E_INVAL, holog_backend_register(&ops), "struct_size");
    ops.struct_size = sizeof ops;
    ops.version = 2;
    FAILS(HOLOG_E_VERSION, holog_backend_register(&ops), "version");
    ops.version = HOLOG_BACKEND_VERSION;
    ops.name = "a name";
    FAILS(HOLOG_E_INVAL, holog_backend_register(&ops), "name");
    ops.name = "";
    FAILS(HOLOG_E_INVAL, holog_backend_register(&ops), "name");
    ops.name = "odd";
    ops.flags = 64;
    FAILS(HOLOG_E_INVAL, holog_backend_register(&ops), "flags");
    ops.flags = 0;
    ops.list = NULL;
    FAILS(HOLOG_E_INVAL, holog_backend_register(&ops), "list");
    FAILS(HOLOG_E_NOENT, holog_backend_unregister("odd"), NULL);
}

Test(registry, options_that_make_no_sense_are_refused)
{
    holog_backend *b = NULL;
    holog_backend_options o = { .struct_size = sizeof o };

    FAILS(HOLOG_E_INVAL, holog_backend_open("memory", NULL, &b), "store");
    FAILS(HOLOG_E_INVAL, holog_backend_open("memory", &o, NULL), "NULL");
    o.struct_size = 2;
    FAILS(HOLOG_E_INVAL, holog_backend_open("memory", &o, &b), "struct_size");
    o.struct_size = sizeof o;
    o.durability = 9;
    FAILS(HOLOG_E_INVAL, holog_backend_open("memory", &o, &b), "durability");
    o.durability = 0;
    o.cleanup_threshold = 1.5;
    FAILS(HOLOG_E_INVAL, holog_backend_open("memory", &o, &b), "cleanup_threshold");
    cr_assert_null(b);
}

/* ---- coming and going ----------------------------------------------------------------------------------*/

Test(registry, what_is_open_or_built_in_stays)
{
    holog_backend_ops ops = null_ops("null");
    holog_backend *b;

    OK(holog_backend_register(&ops));
    b = opened("null");
    FAILS(HOLOG_E_BUSY, holog_backend_unregister("null"), "open");
    OK(holog_backend_close(b));
    OK(holog_backend_unregister("null"));
    FAILS(HOLOG_E_BUSY, holog_backend_unregister("memory"), "built in");
    FAILS(HOLOG_E_BUSY, holog_backend_unregister("Disk"), "built in");
}

Test(registry, a_module_is_loaded_by_its_path_and_once)
{
    holog_backend *b;

    FAILS(HOLOG_E_INVAL, holog_backend_load("sample-map.so"), "/");
    FAILS(HOLOG_E_INVAL, holog_backend_load(NULL), NULL);
    FAILS(HOLOG_E_NOENT, holog_backend_load("/no/such/module.so"), "module.so");
    FAILS(HOLOG_E_NOTSUP, holog_backend_load("/dev/null"), "/dev/null");
    OK(holog_backend_load(SAMPLE_MAP));
    FAILS(HOLOG_E_EXIST, holog_backend_load(SAMPLE_MAP), "map");
    b = opened("sample");
    cr_assert_str_eq(holog_backend_name(b), "map");
    OK(holog_backend_close(b));
    OK(holog_backend_unregister("sample"));
    OK(holog_backend_load(SAMPLE_MAP));
    OK(holog_backend_unregister("map"));
}

#define ROUNDS 400

static void *come_and_go(void *arg)
{
    holog_backend_ops ops = null_ops(arg);

    for (int i = 0; i < ROUNDS; i++) {
        int rc = holog_backend_register(&ops);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_EXIST);
        while (rc == HOLOG_OK && holog_backend_unregister(arg) == HOLOG_E_BUSY)
            ;
    }
    return NULL;
}

static void *look_up(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        holog_backend *b = NULL;
        int n = 0;
        int rc = holog_backend_open(arg, NULL, &b);
        cr_assert(rc == HOLOG_OK || rc == HOLOG_E_NOENT);
        if (rc == HOLOG_OK)
            cr_assert_eq(holog_vfs_sync(b), HOLOG_OK);
        (void)holog_backend_close(b);
        cr_assert_eq(holog_backend_list(stop_at_once, &n), HOLOG_OK);
    }
    return NULL;
}

Test(registry, threads_register_and_look_up_at_once)
{
    static char names[2][8] = { "one", "two" };
    pthread_t threads[8];

    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, i < 4 ? come_and_go : look_up, names[i % 2]),
                     0);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    FAILS(HOLOG_E_NOENT, holog_backend_unregister("one"), NULL);
    FAILS(HOLOG_E_NOENT, holog_backend_unregister("two"), NULL);
}

/* ---- a backend that fails ------------------------------------------------------------------------------*/

static struct {
    int every; /* calls; loads of so many paths */
    int code;
    int calls;
    int alive; /* payloads not released */
    size_t saved;
} faulty;

static int fault(void)
{
    return ++faulty.calls % faulty.every == 0 ? faulty.code : HOLOG_OK;
}

static int faulty_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                       uint64_t *out_number)
{
    int rc = fault();

    if (rc == HOLOG_OK)
        faulty.saved += n;
    return rc != HOLOG_OK ? rc : null_save(self, items, n, flags, out_number);
}

static void faulty_release(void *owner)
{
    faulty.alive -= owner == &faulty;
}

static int faulty_load(void *self, const char *const *paths, size_t n, holog_payload *out,
                       int *status)
{
    (void)self;
    (void)paths;
    for (size_t i = 0; i < n; i++) {
        status[i] = fault();
        if (status[i] != HOLOG_OK)
            continue;
        out[i].info.kind = HOLOG_OBJECT_BLOB;
        out[i].info.size_bytes = 1;
        out[i].data = "x";
        out[i].owner = &faulty;
        out[i].release = faulty_release;
        faulty.alive++;
    }
    return HOLOG_OK;
}

static holog_backend *open_faulty(int every, int code)
{
    static holog_backend_ops ops;

    memset(&faulty, 0, sizeof faulty);
    faulty.every = every;
    faulty.code = code;
    ops = null_ops("faulty");
    ops.save = faulty_save;
    ops.load = faulty_load;
    OK(holog_backend_register(&ops));
    return opened("faulty");
}

static void close_faulty(holog_backend *b)
{
    cr_assert_eq(faulty.alive, 0);
    OK(holog_backend_close(b));
    OK(holog_backend_unregister("faulty"));
}

Test(registry, every_code_of_a_backend_reaches_its_caller)
{
    static const int codes[] = { HOLOG_E_NOSPC, HOLOG_E_IO,     HOLOG_E_CORRUPT,
                                 HOLOG_E_NOENT, HOLOG_E_BUDGET, -1000 };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        holog_backend *b = open_faulty(2, codes[i]);
        holog_object *o = NULL;
        OK(holog_vfs_save_bytes(b, "a", "x", 1, 0, NULL));
        FAILS(codes[i], holog_vfs_save_bytes(b, "dir/a", "x", 1, 0, NULL), "faulty");
        OK(holog_vfs_load(b, "a", &o));
        holog_object_release(o);
        FAILS(codes[i], holog_vfs_load(b, "dir/a", &o), "dir/a");
        close_faulty(b);
    }
}

Test(registry, a_result_that_is_no_code_is_an_error)
{
    holog_backend *b = open_faulty(1, 7);
    holog_object *o = NULL;

    FAILS(HOLOG_E_IO, holog_vfs_save_bytes(b, "a", "x", 1, 0, NULL), "gave 7");
    FAILS(HOLOG_E_IO, holog_vfs_load(b, "a", &o), NULL);
    close_faulty(b);
}

Test(registry, a_batch_goes_to_the_backend_in_one_call_or_not_at_all)
{
    holog_backend *b = open_faulty(2, HOLOG_E_NOSPC);
    holog_object_spec text = {
        .struct_size = sizeof text, .kind = HOLOG_OBJECT_BLOB, .data = "t", .len_bytes = 1
    };
    holog_vfs_item items[] = { { "a", &text }, { "b", &text }, { "c", &text } };

    OK(holog_vfs_save_batch(b, items, 3, 0, NULL));
    FAILS(HOLOG_E_NOSPC, holog_vfs_save_batch(b, items, 3, 0, NULL), "faulty");
    items[2].path = "b";
    FAILS(HOLOG_E_INVAL, holog_vfs_save_batch(b, items, 3, 0, NULL), "twice");
    cr_assert_eq(faulty.calls, 2);
    cr_assert_eq(faulty.saved, 3);
    close_faulty(b);
}

Test(registry, what_was_loaded_of_a_batch_that_fails_is_released)
{
    holog_backend *b = open_faulty(3, HOLOG_E_CORRUPT);
    const char *paths[] = { "a", "b", "c", "d" };
    holog_object *objects[4] = { NULL };
    int status[4];

    FAILS(HOLOG_E_CORRUPT, holog_vfs_load_batch(b, paths, 4, objects, status), "c");
    cr_assert_eq(faulty.alive, 0);
    cr_assert_eq(status[1], HOLOG_OK);
    cr_assert_eq(status[2], HOLOG_E_CORRUPT);
    cr_assert_null(objects[0]);
    close_faulty(b);
}

/* ---- which backend --------------------------------------------------------------------------------------*/

Test(registry, a_step_is_given_its_backend_by_the_first_rule_that_holds)
{
    static const struct {
        uint32_t step, last, type;
        uint64_t data, memory;
        const char *want;
    } t[] = {
        { 0, 5, HOLOG_STEP_FUNCTION, 1, 1000, "files" },
        { 5, 5, HOLOG_STEP_FUNCTION, 1, 1000, "files" },
        { 1, 5, HOLOG_STEP_FUNCTION, 800, 1000, "memory" },
        { 1, 5, HOLOG_STEP_FUNCTION, 801, 1000, "files" },
        { 4, 5, HOLOG_STEP_FUNCTION, 1, 1000, "memory" },
        { 4, 5, HOLOG_STEP_OTHER, 1, 1000, "files" },
        { 4, 5, 0, 1, 1000, "files" },
        { 1, 5, HOLOG_STEP_FUNCTION, 0, 0, "memory" },
        { 1, 5, HOLOG_STEP_FUNCTION, 1, 1, "files" },
        { 1, 5, HOLOG_STEP_FUNCTION, 3, 4, "memory" },
        { 1, 5, HOLOG_STEP_FUNCTION, UINT64_MAX / 5 * 4, UINT64_MAX, "memory" },
        { 1, 5, HOLOG_STEP_FUNCTION, UINT64_MAX, UINT64_MAX, "files" },
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        cr_assert_str_eq(holog_select_backend(t[i].step, t[i].last, t[i].type, t[i].data,
                                              t[i].memory),
                         t[i].want, "row %zu", i);
}
