/*
 * The backend `files`: what is in the directory, beside what is in the store. What holds for every backend is in
 * contract_test.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backendkit.h"

static void setup(void)
{
    box_begin(&vfs_box);
    (void)snprintf(vfs_root, sizeof vfs_root, "%s-files", vfs_box.dir);
    vfs = open_backend("files");
}

static void teardown(void)
{
    GOOD(holog_backend_close(vfs));
    box_same_after_reopen(&vfs_box);
    box_end(&vfs_box);
    remove_tree(vfs_root);
}

TestSuite(files, .init = setup, .fini = teardown, .timeout = 60);

/* ---- kit -------------------------------------------------------------------------------------------*/

static const char *path_of(const char *name)
{
    static char path[1024];

    (void)snprintf(path, sizeof path, "%s/%s", vfs_root, name);
    return path;
}

static int there(const char *name)
{
    struct stat st;

    return lstat(path_of(name), &st) == 0;
}

static void file_has(const char *name, const void *bytes, size_t len)
{
    size_t is = 0;
    void *data = file_read(vfs_root, name, &is);

    cr_assert_eq(is, len, "%s has %zu bytes", name, is);
    cr_assert_eq(memcmp(data, bytes, len), 0, "%s", name);
    free(data);
}

static void put_file(const char *name, const char *text)
{
    file_write(vfs_root, name, text, strlen(text));
}

static void put_dir(const char *name)
{
    cr_assert_eq(mkdir(path_of(name), 0700), 0, "%s", name);
}

/* What numpy.save writes of `plane`. */
static size_t npy_bytes(char *out)
{
    static const char text[] = "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }";

    memset(out, ' ', 128);
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(out + 10, text, sizeof text - 1);
    out[127] = '\n';
    memcpy(out + 128, plane, sizeof plane);
    return 128 + sizeof plane;
}

static void put_npy(const char *name)
{
    char bytes[160];
    size_t len = npy_bytes(bytes);

    file_write(vfs_root, name, bytes, len);
}

/* The same directory beside a store that has nothing. */
static void begin_with_files_alone(void)
{
    GOOD(holog_backend_close(vfs));
    OK(holog_delete_all(vfs_box.store, "/", NULL));
    vfs = open_backend("files");
}

/* ---- what is saved ---------------------------------------------------------------------------------*/

Test(files, what_is_saved_is_an_ordinary_file_that_others_read)
{
    char bytes[160];
    size_t len = npy_bytes(bytes);

    GOOD(save("out/deep/a.json", "{\"a\": 1}", HOLOG_PARENTS));
    GOOD(save_plane("out/p.npy", 0));
    file_has("out/deep/a.json", "{\"a\": 1}", 8);
    file_has("out/p.npy", bytes, len);
    GOOD(save("out/deep/a.json", "{}", HOLOG_REPLACE));
    file_has("out/deep/a.json", "{}", 2);
}

Test(files, files_alone_give_back_what_was_saved)
{
    GOOD(save("out/a.csv", "1,2", HOLOG_PARENTS));
    GOOD(save_plane("out/p.NPY", 0));
    begin_with_files_alone();
    HAS("out/a.csv", "1,2");
    has_plane("out/p.NPY");
}

#ifdef HAVE_TIFF
Test(files, a_tiff_file_holds_the_elements)
{
    GOOD(save_plane("a.tif", 0));
    GOOD(save_plane("b.TIFF", 0));
    begin_with_files_alone();
    has_plane("a.tif");
    has_plane("b.TIFF");
}

Test(files, an_array_that_its_format_has_not_is_not_saved)
{
    static const uint64_t shape[1] = { 6 };
    holog_object_spec o = array_of(plane, HOLOG_UINT16, 1, shape);

    BAD(HOLOG_E_NOTSUP, holog_vfs_save(vfs, "a.tif", &o, 0, NULL), NULL);
    cr_assert_str_eq(names_in("/"), "");
}
#endif

Test(files, an_array_is_not_saved_where_its_name_is_of_no_format)
{
    holog_object_spec text = {
        .struct_size = sizeof text, .kind = HOLOG_OBJECT_BLOB, .data = "t", .len_bytes = 1
    };
    holog_object_spec image = array_of(plane, HOLOG_UINT16, 2, plane_shape);
    holog_vfs_item items[] = { { "a.txt", &text }, { "b.npy", &image }, { "c.txt", &image } };

    BAD(HOLOG_E_TYPE, save_plane("a.json", 0), "a.json");
    BAD(HOLOG_E_TYPE, holog_vfs_save_batch(vfs, items, 3, 0, NULL), "c.txt");
    cr_assert_str_eq(names_in("/"), "");
    cr_assert(!there("a.txt") && !there("b.npy"));
}

Test(files, a_large_batch_has_a_file_for_each)
{
    holog_object_spec image = array_of(plane, HOLOG_UINT16, 2, plane_shape);
    holog_vfs_item items[40];
    char paths[40][24];

    for (size_t i = 0; i < 40; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "w/z%zu.npy", i);
        items[i] = (holog_vfs_item){ paths[i], &image };
    }
    GOOD(holog_vfs_save_batch(vfs, items, 40, HOLOG_PARENTS, NULL));
    begin_with_files_alone();
    for (size_t i = 0; i < 40; i++)
        has_plane(paths[i]);
}

/* ---- what was there before -------------------------------------------------------------------------*/

Test(files, a_file_that_nobody_saved_is_loaded_listed_and_asked_about)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    uint64_t before = holog_last_number(vfs_box.store);
    int out = 0;

    put_dir("in");
    put_npy("in/z10.npy");
    put_npy("in/z9.npy");
    put_file("in/notes.txt", "text");
    has_plane("in/z9.npy");
    HAS("in/notes.txt", "text");
    cr_assert_str_eq(names_in("in"), "notes.txt z9.npy z10.npy ");
    cr_assert_str_eq(files_in("/", "z*", NULL, HOLOG_LIST_RECURSIVE), "in/z9.npy in/z10.npy ");
    GOOD(holog_vfs_stat(vfs, "in/z9.npy", &info));
    cr_assert_eq(info.type, HOLOG_ARRAY);
    cr_assert_eq(info.dtype, HOLOG_UINT16);
    cr_assert_eq(info.shape[1], 3);
    GOOD(holog_vfs_is_dir(vfs, "in", &out));
    cr_assert_eq(out, HOLOG_YES);
    cr_assert_eq(holog_last_number(vfs_box.store), before, "reading commits nothing");
}

Test(files, the_entry_of_the_store_counts_where_both_are)
{
    GOOD(save("a.txt", "saved", 0));
    put_file("a.txt", "written by somebody");
    HAS("a.txt", "saved");
    cr_assert_eq(unlink(path_of("a.txt")), 0);
    HAS("a.txt", "saved");
    cr_assert_str_eq(names_in("/"), "a.txt ");
}

Test(files, saving_meets_files_as_it_meets_entries)
{
    put_dir("d");
    put_file("d/a.txt", "file");
    BAD(HOLOG_E_EXIST, save("d/a.txt", "x", 0), "a.txt");
    BAD(HOLOG_E_EXIST, save("d", "x", 0), NULL);
    BAD(HOLOG_E_ISDIR, save("d", "x", HOLOG_REPLACE), NULL);
    BAD(HOLOG_E_NOTDIR, save("d/a.txt/b", "x", HOLOG_PARENTS), NULL);
    BAD(HOLOG_E_EXIST, holog_vfs_ensure_directory(vfs, "d/a.txt", NULL), NULL);
    file_has("d/a.txt", "file", 4);
    GOOD(save("d/b.txt", "x", 0));
    GOOD(save("d/a.txt", "new", HOLOG_REPLACE));
    file_has("d/a.txt", "new", 3);
    cr_assert_str_eq(names_in("d"), "a.txt b.txt ");
}

Test(files, a_delete_takes_the_file_with_the_entry)
{
    put_dir("d");
    put_file("d/only.txt", "file");
    GOOD(save("d/both.txt", "x", 0));
    BAD(HOLOG_E_NOTEMPTY, holog_vfs_delete(vfs, "d", NULL), NULL);
    GOOD(holog_vfs_delete(vfs, "d/both.txt", NULL));
    cr_assert(!there("d/both.txt"));
    BAD(HOLOG_E_NOTEMPTY, holog_vfs_delete(vfs, "d", NULL), NULL);
    GOOD(holog_vfs_delete(vfs, "d/only.txt", NULL));
    GOOD(holog_vfs_delete(vfs, "d", NULL));
    cr_assert(!there("d"));
    BAD(HOLOG_E_NOENT, holog_vfs_delete(vfs, "d", NULL), "d");
}

Test(files, delete_all_takes_entries_and_files)
{
    put_dir("d");
    put_dir("d/e");
    put_file("d/e/only.txt", "file");
    put_file("stays.txt", "file");
    GOOD(save("d/f/both.txt", "x", HOLOG_PARENTS));
    GOOD(holog_vfs_delete_all(vfs, "d", NULL));
    cr_assert(!there("d") && there("stays.txt"));
    cr_assert_str_eq(names_in("/"), "stays.txt ");
    GOOD(holog_vfs_delete_all(vfs, "/", NULL));
    cr_assert_str_eq(names_in("/"), "");
    cr_assert(there("") && !there("stays.txt"));
}

Test(files, deleted_files_go_from_both_sides_in_one_commit)
{
    uint64_t number = 0;
    uint64_t before;

    put_dir("d");
    put_dir("d/e");
    put_file("d/e/only.txt", "file");
    put_file("stays.txt", "file");
    GOOD(save("d/f/both.txt", "x", HOLOG_PARENTS));
    GOOD(save("d/more.txt", "x", 0));
    before = holog_last_number(vfs_box.store);
    GOOD(holog_vfs_delete_files(vfs, "d", &number));
    cr_assert_eq(number, before + 1);
    cr_assert(there("d/e") && there("d/f") && there("stays.txt"));
    cr_assert(!there("d/e/only.txt") && !there("d/f/both.txt") && !there("d/more.txt"));
    cr_assert_str_eq(names_in("d"), "e f ");
    put_file("d/e/only.txt", "again");
    GOOD(holog_vfs_delete_files(vfs, "d/e", NULL)); /* only files know it */
    cr_assert_str_eq(names_in("d/e"), "");
    BAD(HOLOG_E_NOTDIR, holog_vfs_delete_files(vfs, "stays.txt", NULL), "stays.txt");
    GOOD(holog_backend_close(vfs));
    box_same_after_reopen(&vfs_box);
    vfs = open_backend("files");
    cr_assert_str_eq(names_in("d"), "e f ");
}

Test(files, copies_and_moves_take_files_along)
{
    put_dir("in");
    put_npy("in/p.npy");
    put_file("in/a.txt", "file");
    GOOD(holog_vfs_copy(vfs, "in", "copy", 0, NULL));
    file_has("copy/a.txt", "file", 4);
    GOOD(holog_vfs_move(vfs, "in/a.txt", "moved/b.txt", HOLOG_PARENTS, NULL));
    file_has("moved/b.txt", "file", 4);
    cr_assert(!there("in/a.txt"));
    GOOD(holog_vfs_move(vfs, "in", "gone/in", HOLOG_PARENTS, NULL));
    cr_assert(!there("in"));
    put_file("other.txt", "other");
    BAD(HOLOG_E_EXIST, holog_vfs_copy(vfs, "moved/b.txt", "other.txt", 0, NULL), NULL);
    GOOD(holog_vfs_move(vfs, "moved/b.txt", "other.txt", HOLOG_REPLACE, NULL));
    file_has("other.txt", "file", 4);
    begin_with_files_alone();
    has_plane("copy/p.npy");
    has_plane("gone/in/p.npy");
    cr_assert_str_eq(files_in("/", NULL, NULL, HOLOG_LIST_RECURSIVE),
                     "other.txt copy/a.txt copy/p.npy gone/in/p.npy ");
}

Test(files, an_array_moved_to_a_name_of_no_format_is_in_the_store_alone)
{
    holog_vfs_place place = { .struct_size = sizeof place };

    GOOD(save("b", "blob", 0));
    GOOD(save_plane("a.npy", 0));
    GOOD(holog_vfs_resolve(vfs, "a.npy", &place));
    cr_assert_eq(place.kind, HOLOG_PLACE_FILE);
    cr_assert_str_eq(place.file, path_of("a.npy"));
    GOOD(holog_vfs_move(vfs, "a.npy", "b", HOLOG_REPLACE, NULL));
    has_plane("b");
    cr_assert(!there("b") && !there("a.npy"));
    GOOD(holog_vfs_resolve(vfs, "b", &place));
    cr_assert_eq(place.kind, HOLOG_PLACE_SEGMENT);
}

Test(files, links_of_the_store_lead_to_files)
{
    put_dir("in");
    put_file("in/a.txt", "file");
    put_file("in/later.txt", "file 2");
    GOOD(holog_vfs_symlink(vfs, "in/a.txt", "l", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "in", "dir", 0, NULL));
    HAS("l", "file");
    HAS("dir/later.txt", "file 2");
    cr_assert(!there("l") && !there("dir"));
    GOOD(save("dir/new.txt", "x", 0));
    file_has("in/new.txt", "x", 1);
    BAD(HOLOG_E_NOENT, holog_vfs_symlink(vfs, "in/none.txt", "m", 0, NULL), NULL);
    put_file("m", "in the way");
    BAD(HOLOG_E_EXIST, holog_vfs_symlink(vfs, "in/a.txt", "m", 0, NULL), NULL);
    GOOD(holog_vfs_symlink(vfs, "in/a.txt", "m", HOLOG_REPLACE, NULL));
    cr_assert(!there("m"));
    GOOD(holog_vfs_delete(vfs, "dir", NULL));
    HAS("in/new.txt", "x");
}

/* ---- what is not as it should be -------------------------------------------------------------------*/

Test(files, nothing_leads_out_of_the_directory)
{
    char secret[300];
    holog_object *o = NULL;

    (void)snprintf(secret, sizeof secret, "%s-secret", vfs_box.dir);
    cr_assert_eq(mkdir(secret, 0700), 0);
    file_write(secret, "a.txt", "secret", 6);
    cr_assert_eq(symlink(secret, path_of("out")), 0);
    (void)snprintf(secret, sizeof secret, "%s-secret/a.txt", vfs_box.dir);
    cr_assert_eq(symlink(secret, path_of("file.txt")), 0);
    BAD(HOLOG_E_LOOP, holog_vfs_load(vfs, "file.txt", &o), NULL);
    BAD(HOLOG_E_LOOP, holog_vfs_load(vfs, "out/a.txt", &o), NULL);
    BAD(HOLOG_E_LOOP, save("file.txt", "x", HOLOG_REPLACE), NULL);
    BAD(HOLOG_E_NOTDIR, save("out/b.txt", "x", HOLOG_PARENTS), NULL);
    BAD(HOLOG_E_LOOP, holog_vfs_delete_all(vfs, "out", NULL), NULL);
    BAD(HOLOG_E_BADPATH, holog_vfs_load(vfs, "../holog-secret/a.txt", &o), NULL);
    cr_assert_str_eq(names_in("/"), "");
    cr_assert_eq(access(secret, F_OK), 0);
    (void)snprintf(secret, sizeof secret, "%s-secret", vfs_box.dir);
    remove_tree(secret);
}

Test(files, a_file_that_is_not_what_its_name_says_is_damage_when_it_is_read)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    const char *paths[] = { "good.txt", "bad.npy", "none" };
    holog_object *objects[3] = { NULL };
    holog_object *o = NULL;
    int status[3];
    int out = 0;

    put_file("bad.npy", "no such thing");
    put_file("good.txt", "x");
    BAD(HOLOG_E_CORRUPT, holog_vfs_load(vfs, "bad.npy", &o), "bad.npy");
    BAD(HOLOG_E_CORRUPT, holog_vfs_load_batch(vfs, paths, 3, objects, status), "bad.npy");
    cr_assert_eq(status[0], HOLOG_OK);
    cr_assert_eq(status[2], HOLOG_E_NOENT);
    GOOD(holog_vfs_exists(vfs, "bad.npy", &out));
    cr_assert_eq(out, 1);
    GOOD(holog_vfs_stat(vfs, "bad.npy", &info));
    cr_assert_eq(info.dtype, 0);
    cr_assert_eq(info.size_bytes, 13);
}

/* Its files would be entries, and saves and deletes would go over them. */
Test(files, a_directory_that_has_the_store_in_it_or_is_in_it_is_refused)
{
    holog_backend_options o = { .struct_size = sizeof o, .store = vfs_box.store };
    holog_backend *b = NULL;
    char dir[1000];
    char *slash;

    o.root = vfs_box.dir;
    BAD(HOLOG_E_INVAL, holog_backend_open("files", &o, &b), "beside the store");
    (void)snprintf(dir, sizeof dir, "%s/seg", vfs_box.dir);
    o.root = dir;
    BAD(HOLOG_E_INVAL, holog_backend_open("files", &o, &b), "beside the store");
    (void)snprintf(dir, sizeof dir, "%s", vfs_box.dir);
    slash = strrchr(dir, '/');
    slash[slash == dir] = 0;
    BAD(HOLOG_E_INVAL, holog_backend_open("files", &o, &b), "beside the store");
    cr_assert_null(b);
}

Test(files, a_directory_is_needed)
{
    holog_backend_options o = { .struct_size = sizeof o, .store = vfs_box.store };
    holog_backend *b = NULL;

    BAD(HOLOG_E_INVAL, holog_backend_open("files", &o, &b), "root");
    o.root = "/no/such/directory";
    BAD(HOLOG_E_NOENT, holog_backend_open("files", &o, &b), NULL);
    o.root = vfs_root;
    o.store = NULL;
    BAD(HOLOG_E_INVAL, holog_backend_open("files", &o, &b), "store");
    cr_assert_null(b);
}

Test(files, unfinished_files_are_nobodys)
{
    put_dir("d");
    put_file("d/.holog-tmp-0011223344556677", "half");
    cr_assert_str_eq(names_in("d"), "");
    GOOD(holog_vfs_delete(vfs, "d", NULL));
    cr_assert(!there("d"));
    BAD(HOLOG_E_BADPATH, save(".holog-tmp-1", "x", 0), NULL);
    cr_assert_str_eq(names_in("/"), "");
}

Test(files, with_less_durability_a_sync_makes_files_durable)
{
    holog_backend_options o = {
        .struct_size = sizeof o,
        .store = vfs_box.store,
        .root = vfs_root,
        .durability = HOLOG_DURABILITY_NONE,
    };
    uint64_t number = 0;

    GOOD(holog_backend_close(vfs));
    GOOD(holog_backend_open("files", &o, &vfs));
    GOOD(holog_vfs_save_bytes(vfs, "a.txt", "x", 1, 0, &number));
    file_has("a.txt", "x", 1);
    GOOD(holog_vfs_wait_durable(vfs, number, UINT32_MAX));
    cr_assert_geq(holog_durable_number(vfs_box.store), number);
}

Test(files, a_file_that_cannot_be_written_is_told_and_the_entry_is_saved)
{
    GOOD(save("a.txt", "old", 0));
    cr_assert_eq(unlink(path_of("a.txt")), 0);
    put_dir("a.txt");
    BAD(HOLOG_E_ISDIR, save("a.txt", "new", HOLOG_REPLACE), "a.txt");
    HAS("a.txt", "new");
    cr_assert_eq(rmdir(path_of("a.txt")), 0);
    GOOD(save("a.txt", "newer", HOLOG_REPLACE));
    file_has("a.txt", "newer", 5);
}
