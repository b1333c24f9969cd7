/*
 * The contract of holog/backend.h, the same for all: memory, files and zarr over a store, and a backend of somebody
 * else's, loaded as a module. What was changed is looked at again after the store was closed and opened. Here:
 * saving, loading, asking; the namespace is in contract_names_test.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backendkit.h"

TestSuite(contract, .timeout = 300);

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

static int answer(int (*ask)(holog_backend *, const char *, int *), const char *path)
{
    int out = 77;

    GOOD(ask(vfs, path, &out));
    return out;
}

/* ---- save ------------------------------------------------------------------------------------------*/

CLAIM(what_is_saved_loads_again_with_its_type_and_shape)
{
    GOOD(save("dir/a.json", "{}", HOLOG_PARENTS));
    GOOD(save("empty.txt", "", 0));
    GOOD(save_plane("dir/p.npy", 0));
    for (int round = 0; round < 2; round++) {
        HAS("dir/a.json", "{}");
        HAS("empty.txt", "");
        has_plane("dir/p.npy");
        reopen();
    }
}

CLAIM(arrays_of_every_type_and_rank_load_again)
{
    static const uint64_t shapes[5][4] = { { 0 }, { 7 }, { 3, 5 }, { 2, 3, 4 }, { 2, 1, 3, 2 } };
    uint8_t data[16 * 64];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i & 1); /* bools, too */
    for (uint32_t dtype = HOLOG_BOOL; dtype <= HOLOG_COMPLEX128; dtype++) {
        for (uint32_t rank = 0; rank < 5; rank++) {
            holog_object_spec o = array_of(data, dtype, rank, shapes[rank]);
            holog_object *got = NULL;
            char path[64];
            (void)snprintf(path, sizeof path, "t/%u-%u.npy", dtype, rank);
            GOOD(holog_vfs_save(vfs, path, &o, HOLOG_PARENTS, NULL));
            GOOD(holog_vfs_load_checked(vfs, path, dtype, rank, shapes[rank], &got));
            cr_assert_eq(memcmp(holog_object_data(got), data, (size_t)holog_object_size(got)), 0);
            holog_object_release(got);
        }
    }
}

CLAIM(an_array_without_elements_is_an_array)
{
    static const uint64_t shape[2] = { 0, 9 };
    holog_object_spec o = array_of(NULL, HOLOG_FLOAT32, 2, shape);
    holog_object *got = NULL;

    GOOD(holog_vfs_save(vfs, "none.npy", &o, 0, NULL));
    GOOD(holog_vfs_load_checked(vfs, "none.npy", HOLOG_FLOAT32, 2, shape, &got));
    cr_assert_eq(holog_object_size(got), 0);
    holog_object_release(got);
}

CLAIM(strides_are_taken_where_elements_lie_elsewhere)
{
    static const uint64_t shape[2] = { 2, 3 };
    static const int64_t strides[2] = { 2, 4 }; /* columns first */
    static const uint16_t data[6] = { 1, 2, 3, 4, 5, 6 };
    static const uint16_t want[6] = { 1, 3, 5, 2, 4, 6 };
    holog_object_spec o = array_of(data, HOLOG_UINT16, 2, shape);
    holog_object *got = NULL;

    o.strides = strides;
    GOOD(holog_vfs_save(vfs, "f.npy", &o, 0, NULL));
    GOOD(holog_vfs_load(vfs, "f.npy", &got));
    cr_assert_eq(memcmp(holog_object_data(got), want, sizeof want), 0);
    holog_object_release(got);
}

CLAIM(saving_below_a_missing_parent_needs_the_flag)
{
    BAD(HOLOG_E_NOENT, save("no/such/a", "x", 0), NULL);
    BAD(HOLOG_E_NOENT, save_plane("no/such/a.npy", 0), NULL);
    cr_assert_eq(kind("no"), HOLOG_MISSING);
    GOOD(save("no/such/a", "x", HOLOG_PARENTS));
    cr_assert_eq(kind("no/such"), HOLOG_DIRECTORY);
}

CLAIM(saving_below_a_file_is_refused_whatever_file_it_is)
{
    GOOD(save("a", "x", 0));
    GOOD(save_plane("p.npy", 0));
    BAD(HOLOG_E_NOTDIR, save("a/b", "y", 0), NULL);
    BAD(HOLOG_E_NOTDIR, save("a/b/c", "y", HOLOG_PARENTS), NULL);
    BAD(HOLOG_E_NOTDIR, save("p.npy/b", "y", 0), NULL);
    BAD(HOLOG_E_NOTDIR, save("p.npy/b/c", "y", HOLOG_PARENTS), NULL);
    BAD(HOLOG_E_NOTDIR, save_plane("p.npy/q.npy", RP), NULL);
    HAS("a", "x");
    has_plane("p.npy");
}

CLAIM(saving_onto_what_exists_needs_the_flag)
{
    GOOD(save("a", "old", 0));
    GOOD(save_plane("p.npy", 0));
    BAD(HOLOG_E_EXIST, save("a", "new", 0), "a");
    BAD(HOLOG_E_EXIST, save("p.npy", "new", HOLOG_PARENTS), "p.npy");
    BAD(HOLOG_E_EXIST, save_plane("p.npy", 0), "p.npy");
    HAS("a", "old");
    has_plane("p.npy");
    GOOD(save("a", "new", HOLOG_REPLACE));
    reopen();
    HAS("a", "new");
}

CLAIM(an_array_and_a_blob_replace_each_other)
{
    GOOD(save("x.npy", "no array", 0));
    GOOD(save_plane("x.npy", HOLOG_REPLACE));
    has_plane("x.npy");
    GOOD(save("x.npy", "again", HOLOG_REPLACE));
    reopen();
    HAS("x.npy", "again");
}

CLAIM(nothing_replaces_a_directory)
{
    GOOD(holog_vfs_ensure_directory(vfs, "d.npy", NULL));
    BAD(HOLOG_E_EXIST, save("d.npy", "x", 0), NULL);
    BAD(HOLOG_E_ISDIR, save("d.npy", "x", HOLOG_REPLACE), NULL);
    BAD(HOLOG_E_ISDIR, save_plane("d.npy", HOLOG_REPLACE), NULL);
    cr_assert_eq(kind("d.npy"), HOLOG_DIRECTORY);
}

CLAIM(nothing_in_particular_is_a_blob_and_not_a_directory)
{
    GOOD(holog_vfs_save_bytes(vfs, "nothing", NULL, 0, 0, NULL));
    cr_assert_eq(kind("nothing"), HOLOG_BLOB);
    HAS("nothing", "");
}

CLAIM(arguments_that_make_no_sense_save_nothing)
{
    holog_object_spec o = array_of(plane, HOLOG_UINT16, 2, plane_shape);

    BAD(HOLOG_E_INVAL, holog_vfs_save_bytes(vfs, "a", NULL, 1, 0, NULL), "NULL");
    BAD(HOLOG_E_INVAL, holog_vfs_save_bytes(vfs, NULL, "x", 1, 0, NULL), "NULL");
    BAD(HOLOG_E_INVAL, holog_vfs_save_bytes(NULL, "a", "x", 1, 0, NULL), "NULL");
    BAD(HOLOG_E_INVAL, holog_vfs_save_bytes(vfs, "a", "x", 1, 1024, NULL), "flags");
    BAD(HOLOG_E_INVAL, holog_vfs_save(vfs, "a", NULL, 0, NULL), "NULL");
    o.dtype = 99;
    BAD(HOLOG_E_INVAL, holog_vfs_save(vfs, "a.npy", &o, 0, NULL), "99");
    o.dtype = HOLOG_UINT16;
    o.len_bytes = 23;
    BAD(HOLOG_E_INVAL, holog_vfs_save(vfs, "a.npy", &o, 0, NULL), "23");
    o.len_bytes = 24;
    o.kind = 3;
    BAD(HOLOG_E_INVAL, holog_vfs_save(vfs, "a.npy", &o, 0, NULL), "kind");
    o.struct_size = 4;
    BAD(HOLOG_E_INVAL, holog_vfs_save(vfs, "a.npy", &o, 0, NULL), "struct_size");
    cr_assert_str_eq(names_in("/"), "");
}

CLAIM(a_path_has_one_form_and_never_leads_up)
{
    GOOD(save("//a/./b//c/", "x", HOLOG_PARENTS));
    HAS("a/b/c", "x");
    HAS("/a/b/c", "x");
    BAD(HOLOG_E_BADPATH, save("a/../b", "x", 0), NULL);
    BAD(HOLOG_E_BADPATH, save("", "x", 0), NULL);
    BAD(HOLOG_E_BADPATH, save("a/\xff", "x", 0), NULL);
    GOOD(save("A", "upper", 0));
    cr_assert_str_eq(names_in("/"), "A a ");
}

/* ---- load ------------------------------------------------------------------------------------------*/

CLAIM(loading_tells_missing_from_directory)
{
    holog_object *o = NULL;

    GOOD(save("d/a", "x", HOLOG_PARENTS));
    BAD(HOLOG_E_NOENT, holog_vfs_load(vfs, "b", &o), "b");
    BAD(HOLOG_E_NOENT, holog_vfs_load(vfs, "no/b", &o), NULL);
    BAD(HOLOG_E_ISDIR, holog_vfs_load(vfs, "d", &o), "d");
    BAD(HOLOG_E_ISDIR, holog_vfs_load(vfs, "/", &o), NULL);
    BAD(HOLOG_E_NOTDIR, holog_vfs_load(vfs, "d/a/b", &o), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_load(vfs, "d/a", NULL), "NULL");
    cr_assert_null(o);
}

CLAIM(loading_follows_symlinks_but_not_for_ever)
{
    holog_object *o = NULL;

    GOOD(save("d/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(holog_vfs_symlink(vfs, "d", "link", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "link/p.npy", "plane", 0, NULL));
    HAS("link/a", "x");
    has_plane("plane");
    GOOD(save("one", "x", 0));
    GOOD(holog_vfs_symlink(vfs, "one", "two", 0, NULL));
    GOOD(holog_vfs_delete(vfs, "one", NULL));
    BAD(HOLOG_E_LOOP, holog_vfs_symlink(vfs, "two", "one", 0, NULL), NULL);
    BAD(HOLOG_E_NOENT, holog_vfs_load(vfs, "two", &o), NULL);
}

CLAIM(a_load_that_is_checked_refuses_another_type_or_shape)
{
    static const uint64_t other[2] = { 3, 2 };
    holog_object *o = NULL;

    GOOD(save_plane("p.npy", 0));
    GOOD(save("a", "x", 0));
    BAD(HOLOG_E_TYPE, holog_vfs_load_checked(vfs, "p.npy", HOLOG_INT16, 2, plane_shape, &o),
        "int16");
    BAD(HOLOG_E_TYPE, holog_vfs_load_checked(vfs, "p.npy", HOLOG_UINT16, 2, other, &o), NULL);
    BAD(HOLOG_E_TYPE, holog_vfs_load_checked(vfs, "p.npy", HOLOG_UINT16, 3, NULL, &o), NULL);
    BAD(HOLOG_E_TYPE, holog_vfs_load_checked(vfs, "p.npy", 0, 0, NULL, &o), "blob");
    BAD(HOLOG_E_TYPE, holog_vfs_load_checked(vfs, "a", HOLOG_UINT16, 2, NULL, &o), "blob");
    BAD(HOLOG_E_NOENT, holog_vfs_load_checked(vfs, "b", 0, 0, NULL, &o), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_load_checked(vfs, "a", 99, 0, NULL, &o), NULL);
    cr_assert_null(o);
    GOOD(holog_vfs_load_checked(vfs, "p.npy", HOLOG_UINT16, 2, NULL, &o));
    holog_object_release(o);
    GOOD(holog_vfs_load_checked(vfs, "a", 0, 0, NULL, &o));
    holog_object_release(o);
}

#define NEEDLE "stored bytes that will not be what was written"

/* In a segment of large values, which is not read when the store is opened. */
static void damage(void)
{
    for (unsigned id = 1; id < 16; id++) {
        char name[64];
        char path[512];
        char *at = NULL;
        char *bytes;
        size_t len = 0;
        (void)snprintf(name, sizeof name, "seg/%08x.hext", id);
        (void)snprintf(path, sizeof path, "%s/%s", vfs_box.dir, name);
        if (access(path, F_OK) != 0)
            continue;
        bytes = file_read(vfs_box.dir, name, &len);
        at = memmem(bytes, len, NEEDLE, sizeof NEEDLE - 1);
        if (at != NULL) {
            *at ^= 1;
            file_write(vfs_box.dir, name, bytes, len);
        }
        free(bytes);
        if (at != NULL)
            return;
    }
    cr_assert_fail("no segment has the value");
}

CLAIM(damage_is_told_and_not_covered_by_a_copy)
{
    static char value[200000] = NEEDLE;
    struct holog_error_detail d;
    holog_object *o = NULL;

    if (!is_in_store())
        return;
    GOOD(holog_vfs_save_bytes(vfs, "d/a.txt", value, sizeof value, HOLOG_PARENTS, NULL));
    reopen_after(damage);
    BAD(HOLOG_E_CORRUPT, holog_vfs_load(vfs, "d/a.txt", &o), "d/a.txt");
    holog_last_error(&d);
    cr_assert_eq(d.has_position, 1);
    cr_assert_null(o);
}

CLAIM(an_object_stays_as_it_was_loaded)
{
    holog_object *o = NULL;

    GOOD(save("a", "old", 0));
    GOOD(holog_vfs_load(vfs, "a", &o));
    cr_assert_eq(holog_object_retain(o), o);
    GOOD(save("a", "newer", HOLOG_REPLACE));
    holog_object_release(o);
    GOOD(holog_vfs_delete(vfs, "a", NULL));
    cr_assert_eq(holog_object_size(o), 3);
    cr_assert_eq(memcmp(holog_object_data(o), "old", 3), 0);
    holog_object_release(o);
}

/* ---- batches ---------------------------------------------------------------------------------------*/

CLAIM(a_batch_is_one_commit_in_which_all_are_there)
{
    holog_object_spec text = {
        .struct_size = sizeof text, .kind = HOLOG_OBJECT_BLOB, .data = "t", .len_bytes = 1
    };
    holog_object_spec image = array_of(plane, HOLOG_UINT16, 2, plane_shape);
    holog_vfs_item items[] = { { "w/b.npy", &image }, { "w/a.txt", &text }, { "c.npy", &image } };
    holog_vfs_stat_info info[2] = { { .struct_size = sizeof info[0] },
                                    { .struct_size = sizeof info[0] } };
    uint64_t number = 0;

    GOOD(holog_vfs_save_batch(vfs, items, 3, HOLOG_PARENTS, &number));
    GOOD(holog_vfs_stat(vfs, "w/a.txt", &info[0]));
    GOOD(holog_vfs_stat(vfs, "c.npy", &info[1]));
    cr_assert_eq(info[0].number, number);
    cr_assert_eq(info[1].number, number);
    reopen();
    has_plane("w/b.npy");
    has_plane("c.npy");
    HAS("w/a.txt", "t");
}

/* Each of these has one item that cannot be saved, at the end, where it comes last. */
CLAIM(a_batch_with_one_bad_item_saves_nothing)
{
    holog_object_spec text = {
        .struct_size = sizeof text, .kind = HOLOG_OBJECT_BLOB, .data = "t", .len_bytes = 1
    };
    holog_object_spec image = array_of(plane, HOLOG_UINT16, 2, plane_shape);
    holog_object_spec bad = array_of(NULL, HOLOG_UINT16, 2, plane_shape);
    struct {
        holog_vfs_item item;
        int code;
    } last[] = {
        { { "there", &text }, HOLOG_E_EXIST },    { { "there/x", &text }, HOLOG_E_NOTDIR },
        { { "dir", &text }, HOLOG_E_EXIST },      { { "no/parent", &text }, HOLOG_E_NOENT },
        { { "new.npy", &bad }, HOLOG_E_INVAL },   { { "new.txt", NULL }, HOLOG_E_INVAL },
        { { NULL, &text }, HOLOG_E_INVAL },       { { "a/../b", &text }, HOLOG_E_BADPATH },
        { { "1.npy", &text }, HOLOG_E_INVAL },    { { "./2.txt", &image }, HOLOG_E_INVAL },
        { { "2.txt/x", &text }, HOLOG_E_NOTDIR }, { { "there.npy", &image }, HOLOG_E_EXIST },
    };

    GOOD(save("there", "x", 0));
    GOOD(save_plane("there.npy", 0));
    GOOD(holog_vfs_ensure_directory(vfs, "dir", NULL));
    for (size_t i = 0; i < sizeof last / sizeof last[0]; i++) {
        holog_vfs_item items[] = { { "1.npy", &image }, { "2.txt", &text }, last[i].item };
        uint64_t number = 77;
        BAD(last[i].code, holog_vfs_save_batch(vfs, items, 3, 0, &number), NULL);
        cr_assert_eq(number, 77);
        cr_assert_str_eq(names_in("/"), "dir there there.npy ", "item %zu", i);
    }
    reopen();
    cr_assert_str_eq(names_in("/"), "dir there there.npy ");
}

CLAIM(an_empty_batch_is_a_success)
{
    GOOD(holog_vfs_save_batch(vfs, NULL, 0, 0, NULL));
    GOOD(holog_vfs_load_batch(vfs, NULL, 0, NULL, NULL));
}

CLAIM(a_batch_loads_in_the_order_that_was_asked_for)
{
    const char *paths[] = { "c", "a", "b", "a" };
    holog_object *objects[4];
    int status[4];

    GOOD(save("a", "A", 0));
    GOOD(save("b", "B", 0));
    GOOD(save("c", "C", 0));
    GOOD(holog_vfs_load_batch(vfs, paths, 4, objects, status));
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(*(const char *)holog_object_data(objects[i]), "CABA"[i]);
        cr_assert_eq(status[i], HOLOG_OK);
        holog_object_release(objects[i]);
    }
}

CLAIM(a_batch_that_misses_one_loads_none_and_says_which)
{
    const char *paths[] = { "a", "none", "d", "a" };
    holog_object *objects[4] = { NULL };
    int status[4];

    GOOD(save("a", "A", 0));
    GOOD(holog_vfs_ensure_directory(vfs, "d", NULL));
    BAD(HOLOG_E_NOENT, holog_vfs_load_batch(vfs, paths, 4, objects, status), "none");
    cr_assert_eq(status[0], HOLOG_OK);
    cr_assert_eq(status[1], HOLOG_E_NOENT);
    cr_assert_eq(status[2], HOLOG_E_ISDIR);
    cr_assert_eq(status[3], HOLOG_OK);
    for (size_t i = 0; i < 4; i++)
        cr_assert_null(objects[i]);
}

/* ---- asking ----------------------------------------------------------------------------------------*/

CLAIM(what_is_missing_is_an_answer_and_no_error)
{
    GOOD(save("d/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("p.npy", 0));
    cr_assert_eq(answer(holog_vfs_exists, "d/a"), 1);
    cr_assert_eq(answer(holog_vfs_exists, "d"), 1);
    cr_assert_eq(answer(holog_vfs_exists, "/"), 1);
    cr_assert_eq(answer(holog_vfs_exists, "no"), 0);
    cr_assert_eq(answer(holog_vfs_exists, "no/such"), 0);
    cr_assert_eq(answer(holog_vfs_exists, "d/a/b"), 0);
    cr_assert_eq(answer(holog_vfs_is_file, "d/a"), HOLOG_YES);
    cr_assert_eq(answer(holog_vfs_is_file, "p.npy"), HOLOG_YES);
    cr_assert_eq(answer(holog_vfs_is_file, "d"), HOLOG_NO);
    cr_assert_eq(answer(holog_vfs_is_file, "d/b"), HOLOG_ABSENT);
    cr_assert_eq(answer(holog_vfs_is_dir, "d"), HOLOG_YES);
    cr_assert_eq(answer(holog_vfs_is_dir, "p.npy"), HOLOG_NO);
    cr_assert_eq(answer(holog_vfs_is_dir, "no/such"), HOLOG_ABSENT);
    cr_assert_eq(kind("no/such"), HOLOG_MISSING);
    BAD(HOLOG_E_BADPATH, holog_vfs_exists(vfs, "..", &(int){ 0 }), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_is_dir(vfs, "d", NULL), "NULL");
}

CLAIM(asking_makes_nothing)
{
    uint64_t before = holog_last_number(vfs_box.store);

    (void)answer(holog_vfs_exists, "x.zarr");
    (void)answer(holog_vfs_is_dir, "x");
    (void)kind("y/z");
    (void)names_in("/");
    cr_assert_eq(holog_last_number(vfs_box.store), before);
    cr_assert_str_eq(names_in("/"), "");
}

CLAIM(a_link_that_leads_nowhere_does_not_exist)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };

    GOOD(save("a", "x", 0));
    GOOD(save_plane("p.npy", 0));
    GOOD(holog_vfs_symlink(vfs, "a", "l", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "p.npy", "m", 0, NULL));
    cr_assert_eq(answer(holog_vfs_is_file, "l"), HOLOG_YES);
    cr_assert_eq(answer(holog_vfs_is_file, "m"), HOLOG_YES);
    GOOD(holog_vfs_delete(vfs, "a", NULL));
    cr_assert_eq(answer(holog_vfs_exists, "l"), 0);
    cr_assert_eq(answer(holog_vfs_is_file, "l"), HOLOG_ABSENT);
    GOOD(holog_vfs_stat(vfs, "l", &info));
    cr_assert_eq(info.type, HOLOG_SYMLINK);
    cr_assert_eq(info.target_type, HOLOG_MISSING);
}

CLAIM(stat_tells_size_and_type_and_shape)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };

    GOOD(save("a", "four", 0));
    GOOD(save_plane("p.npy", 0));
    GOOD(holog_vfs_stat(vfs, "a", &info));
    cr_assert_eq(info.type, HOLOG_BLOB);
    cr_assert_eq(info.size_bytes, 4);
    cr_assert_gt(info.number, 0);
    GOOD(holog_vfs_stat(vfs, "p.npy", &info));
    cr_assert_eq(info.type, HOLOG_ARRAY);
    cr_assert_eq(info.dtype, HOLOG_UINT16);
    cr_assert_eq(info.item_size, 2);
    cr_assert_eq(info.rank, 2);
    cr_assert_eq(info.shape[0], 2);
    cr_assert_eq(info.shape[1], 3);
    cr_assert_eq(info.size_bytes, sizeof plane);
    info.struct_size = 4;
    BAD(HOLOG_E_INVAL, holog_vfs_stat(vfs, "a", &info), "struct_size");
}
