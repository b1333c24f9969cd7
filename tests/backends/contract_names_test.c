/*
 * The contract of holog/backend.h, the same for all backends: listings, directories, deletes, copies, moves, links;
 * and that what one has saved all others load. See contract_test.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backendkit.h"

TestSuite(contract, .timeout = 300);

/* ---- listings --------------------------------------------------------------------------------------*/

CLAIM(listing_files_tells_missing_from_no_directory)
{
    GOOD(save("a", "x", 0));
    GOOD(save_plane("p.npy", 0));
    BAD(HOLOG_E_NOENT, holog_vfs_list_files(vfs, "no", NULL, NULL, 0, (holog_vfs_each)abort, NULL),
        NULL);
    BAD(HOLOG_E_NOTDIR, holog_vfs_list_files(vfs, "a", NULL, NULL, 0, (holog_vfs_each)abort, NULL),
        NULL);
    BAD(HOLOG_E_NOTDIR, holog_vfs_list_dir(vfs, "p.npy", (holog_vfs_each)abort, NULL), NULL);
    BAD(HOLOG_E_NOENT, holog_vfs_list_dir(vfs, "no", (holog_vfs_each)abort, NULL), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_list_dir(vfs, "/", NULL, NULL), "NULL");
}

CLAIM(names_come_in_natural_order)
{
    GOOD(save("d/z10.txt", "x", HOLOG_PARENTS));
    GOOD(save("d/z2.txt", "x", 0));
    GOOD(save("d/z2/below.txt", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/z1.npy", 0));
    reopen();
    cr_assert_str_eq(names_in("d"), "z1.npy z2 z2.txt z10.txt ");
    cr_assert_str_eq(files_in("d", NULL, NULL, 0), "d/z1.npy d/z2.txt d/z10.txt ");
}

CLAIM(a_recursive_listing_goes_by_depth_then_by_path)
{
    GOOD(save("r/b/z10", "x", HOLOG_PARENTS));
    GOOD(save("r/b/z9", "x", 0));
    GOOD(save("r/z", "x", 0));
    GOOD(save("r/a/deep/x", "x", HOLOG_PARENTS));
    GOOD(save("r/a/y", "x", 0));
    cr_assert_str_eq(files_in("r", NULL, NULL, HOLOG_LIST_RECURSIVE),
                     "r/z r/a/y r/b/z9 r/b/z10 r/a/deep/x ");
    cr_assert_str_eq(files_in("/", NULL, NULL, HOLOG_LIST_RECURSIVE),
                     "r/z r/a/y r/b/z9 r/b/z10 r/a/deep/x ");
    BAD(HOLOG_E_INVAL, holog_vfs_list_files(vfs, "r", NULL, NULL, 2, (holog_vfs_each)abort, NULL),
        "flags");
}

CLAIM(a_pattern_is_for_the_name_alone)
{
    GOOD(save("p/tile_1.tmp", "x", HOLOG_PARENTS));
    GOOD(save("p/tile_22.tmp", "x", 0));
    GOOD(save("p/q/tile_3.tmp", "x", HOLOG_PARENTS));
    cr_assert_str_eq(files_in("p", "tile_?.tmp", NULL, HOLOG_LIST_RECURSIVE),
                     "p/tile_1.tmp p/q/tile_3.tmp ");
    cr_assert_str_eq(files_in("p", "p*", NULL, HOLOG_LIST_RECURSIVE), "");
    BAD(HOLOG_E_INVAL, holog_vfs_list_files(vfs, "p", "", NULL, 0, (holog_vfs_each)abort, NULL),
        "pattern");
}

CLAIM(extensions_know_no_case_and_may_be_compound)
{
    static const char *const zip[] = { ".roi.zip", NULL };
    static const char *const two[] = { "TXT", "csv", NULL };
    static const char *const none[] = { NULL };
    static const char *const empty[] = { "txt", "", NULL };

    GOOD(save("a.ROI.zip", "x", 0));
    GOOD(save("b.zip", "x", 0));
    GOOD(save("c.Txt", "x", 0));
    GOOD(save("xtxt", "x", 0));
    GOOD(save("d.csv", "x", 0));
    cr_assert_str_eq(files_in("/", NULL, zip, 0), "a.ROI.zip ");
    cr_assert_str_eq(files_in("/", NULL, two, 0), "c.Txt d.csv ");
    cr_assert_str_eq(files_in("/", "c*", two, 0), "c.Txt ");
    BAD(HOLOG_E_INVAL, holog_vfs_list_files(vfs, "/", NULL, none, 0, (holog_vfs_each)abort, NULL),
        NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_list_files(vfs, "/", NULL, empty, 0, (holog_vfs_each)abort, NULL),
        NULL);
}

CLAIM(a_link_is_listed_as_what_it_leads_to)
{
    GOOD(save("d/a", "x", HOLOG_PARENTS));
    GOOD(save("gone", "x", 0));
    GOOD(holog_vfs_symlink(vfs, "d/a", "file", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "d", "dir", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "gone", "dangling", 0, NULL));
    GOOD(holog_vfs_delete(vfs, "gone", NULL));
    cr_assert_str_eq(files_in("/", NULL, NULL, HOLOG_LIST_RECURSIVE), "file d/a ");
    cr_assert_str_eq(files_in("dir", NULL, NULL, 0), "dir/a ");
    cr_assert_str_eq(names_in("/"), "d dangling dir file ");
}

/* ---- directories, deletes --------------------------------------------------------------------------*/

CLAIM(a_directory_is_ensured_with_its_parents_and_once_is_enough)
{
    GOOD(holog_vfs_ensure_directory(vfs, "a/b/c", NULL));
    GOOD(holog_vfs_ensure_directory(vfs, "a/b/c", NULL));
    GOOD(holog_vfs_ensure_directory(vfs, "/", NULL));
    reopen();
    cr_assert_eq(kind("a/b/c"), HOLOG_DIRECTORY);
}

CLAIM(a_file_on_the_way_is_no_directory)
{
    GOOD(save("a", "x", 0));
    GOOD(save_plane("p.npy", 0));
    BAD(HOLOG_E_EXIST, holog_vfs_ensure_directory(vfs, "a", NULL), NULL);
    BAD(HOLOG_E_NOTDIR, holog_vfs_ensure_directory(vfs, "a/b", NULL), NULL);
    BAD(HOLOG_E_EXIST, holog_vfs_ensure_directory(vfs, "p.npy", NULL), NULL);
    BAD(HOLOG_E_NOTDIR, holog_vfs_ensure_directory(vfs, "p.npy/b", NULL), NULL);
}

CLAIM(a_delete_takes_one_thing_and_no_full_directory)
{
    GOOD(save("d/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(holog_vfs_symlink(vfs, "d/a", "l", 0, NULL));
    BAD(HOLOG_E_NOENT, holog_vfs_delete(vfs, "no", NULL), "no");
    BAD(HOLOG_E_NOTEMPTY, holog_vfs_delete(vfs, "d", NULL), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_delete(vfs, "/", NULL), NULL);
    GOOD(holog_vfs_delete(vfs, "l", NULL));
    HAS("d/a", "x");
    GOOD(holog_vfs_delete(vfs, "d/a", NULL));
    GOOD(holog_vfs_delete(vfs, "d/p.npy", NULL));
    GOOD(holog_vfs_delete(vfs, "d", NULL));
    reopen();
    cr_assert_str_eq(names_in("/"), "");
}

CLAIM(delete_all_takes_what_is_below_and_nothing_beside)
{
    GOOD(save("d/e/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(save("d2", "x", 0));
    BAD(HOLOG_E_NOENT, holog_vfs_delete_all(vfs, "no", NULL), NULL);
    GOOD(holog_vfs_delete_all(vfs, "d", NULL));
    reopen();
    cr_assert_str_eq(names_in("/"), "d2 ");
    GOOD(holog_vfs_delete_all(vfs, "d2", NULL));
    cr_assert_str_eq(names_in("/"), "");
}

CLAIM(deleted_files_leave_their_directories)
{
    GOOD(save("d/e/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(holog_vfs_ensure_directory(vfs, "d/empty/too", NULL));
    GOOD(save("d2", "x", 0));
    GOOD(holog_vfs_symlink(vfs, "/d2", "d/l", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "d", "link", 0, NULL));
    BAD(HOLOG_E_NOENT, holog_vfs_delete_files(vfs, "no", NULL), "no");
    BAD(HOLOG_E_NOTDIR, holog_vfs_delete_files(vfs, "d2", NULL), "d2");
    BAD(HOLOG_E_NOTDIR, holog_vfs_delete_files(vfs, "d/p.npy", NULL), "p.npy");
    BAD(HOLOG_E_NOTDIR, holog_vfs_delete_files(vfs, "d/p.npy/b", NULL), "p.npy");
    GOOD(holog_vfs_delete_files(vfs, "d/e", NULL));
    cr_assert_str_eq(names_in("d"), "e empty l p.npy ");
    GOOD(holog_vfs_delete_files(vfs, "link", NULL));
    reopen();
    cr_assert_str_eq(names_in("/"), "d d2 link ");
    cr_assert_str_eq(names_in("d"), "e empty ");
    cr_assert_str_eq(names_in("d/e"), "");
    cr_assert_str_eq(names_in("d/empty"), "too ");
    HAS("d2", "x");
    GOOD(holog_vfs_delete_files(vfs, "/", NULL));
    cr_assert_str_eq(names_in("/"), "d ");
    cr_assert_str_eq(names_in("d"), "e empty ");
}

/* ---- copy and move ---------------------------------------------------------------------------------*/

CLAIM(a_copy_has_everything_and_shares_no_change)
{
    GOOD(save("d/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(holog_vfs_symlink(vfs, "a", "d/l", 0, NULL));
    GOOD(holog_vfs_copy(vfs, "d", "e", 0, NULL));
    GOOD(save("d/a", "changed", HOLOG_REPLACE));
    reopen();
    HAS("e/a", "x");
    HAS("e/l", "x");
    has_plane("e/p.npy");
    cr_assert_eq(kind("e/l"), HOLOG_SYMLINK);
    cr_assert_str_eq(names_in("e"), "a l p.npy ");
}

/* What copies and moves refuse alike. */
static void transfers(int (*call)(holog_backend *, const char *, const char *, unsigned,
                                  uint64_t *))
{
    GOOD(save("a", "x", 0));
    GOOD(save("b", "y", 0));
    GOOD(save("d/c", "z", HOLOG_PARENTS));
    GOOD(save_plane("p.npy", 0));
    BAD(HOLOG_E_NOENT, call(vfs, "no", "new", 0, NULL), NULL);
    BAD(HOLOG_E_EXIST, call(vfs, "a", "b", 0, NULL), NULL);
    BAD(HOLOG_E_EXIST, call(vfs, "a", "p.npy", 0, NULL), NULL);
    BAD(HOLOG_E_NOENT, call(vfs, "a", "no/new", 0, NULL), NULL);
    BAD(HOLOG_E_NOTDIR, call(vfs, "a", "b/new", 0, NULL), NULL);
    BAD(HOLOG_E_NOTDIR, call(vfs, "a", "p.npy/new", HOLOG_PARENTS, NULL), NULL);
    BAD(HOLOG_E_ISDIR, call(vfs, "a", "d", HOLOG_REPLACE, NULL), NULL);
    BAD(HOLOG_E_ISDIR, call(vfs, "p.npy", "d", HOLOG_REPLACE, NULL), NULL);
    BAD(HOLOG_E_NOTDIR, call(vfs, "d", "a", HOLOG_REPLACE, NULL), NULL);
    BAD(HOLOG_E_NOTDIR, call(vfs, "d", "p.npy", HOLOG_REPLACE, NULL), NULL);
    BAD(HOLOG_E_INVAL, call(vfs, "a", "b", 64, NULL), "flags");
    cr_assert_str_eq(names_in("/"), "a b d p.npy ");
    GOOD(call(vfs, "a", "b", HOLOG_REPLACE, NULL));
    HAS("b", "x");
    GOOD(call(vfs, "p.npy", "b", HOLOG_REPLACE, NULL));
    has_plane("b");
    GOOD(call(vfs, "d/c", "b", HOLOG_REPLACE, NULL));
    HAS("b", "z");
    GOOD(call(vfs, "b", "new/dir/b", HOLOG_PARENTS, NULL));
    reopen();
    HAS("new/dir/b", "z");
}

CLAIM(a_copy_refuses_what_a_save_would)
{
    transfers(holog_vfs_copy);
    HAS("a", "x");
    has_plane("p.npy");
}

CLAIM(a_move_refuses_what_a_save_would)
{
    transfers(holog_vfs_move);
    cr_assert_str_eq(names_in("/"), "d new ");
}

CLAIM(a_move_takes_a_directory_with_all_in_it)
{
    GOOD(save("d/e/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(holog_vfs_move(vfs, "d", "m", 0, NULL));
    reopen();
    HAS("m/e/a", "x");
    has_plane("m/p.npy");
    cr_assert_str_eq(names_in("/"), "m ");
}

CLAIM(nothing_moves_into_itself)
{
    GOOD(save("d/e/a", "x", HOLOG_PARENTS));
    BAD(HOLOG_E_INVAL, holog_vfs_move(vfs, "d", "d/e/d", 0, NULL), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_move(vfs, "/", "d/root", 0, NULL), NULL);
    GOOD(holog_vfs_symlink(vfs, "d/e", "l", 0, NULL));
    BAD(HOLOG_E_INVAL, holog_vfs_move(vfs, "d", "l/d", 0, NULL), NULL);
    HAS("d/e/a", "x");
}

CLAIM(a_directory_is_not_copied_into_itself)
{
    GOOD(save("d/a", "x", HOLOG_PARENTS));
    BAD(HOLOG_E_INVAL, holog_vfs_copy(vfs, "d", "d/e", 0, NULL), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_copy(vfs, "/", "d/e", 0, NULL), NULL);
    HAS("d/a", "x");
    cr_assert_str_eq(names_in("d"), "a ");
}

CLAIM(nothing_replaces_itself)
{
    GOOD(save("a", "x", 0));
    GOOD(save_plane("p.npy", 0));
    BAD(HOLOG_E_EXIST, holog_vfs_copy(vfs, "a", "./a", HOLOG_REPLACE, NULL), "a");
    BAD(HOLOG_E_EXIST, holog_vfs_move(vfs, "a", "a", HOLOG_REPLACE, NULL), "a");
    BAD(HOLOG_E_EXIST, holog_vfs_copy(vfs, "p.npy", "p.npy", HOLOG_REPLACE, NULL), "p.npy");
    BAD(HOLOG_E_EXIST, holog_vfs_move(vfs, "p.npy", "p.npy", HOLOG_REPLACE, NULL), "p.npy");
    HAS("a", "x");
    has_plane("p.npy");
}

CLAIM(a_move_takes_the_link_and_not_its_target)
{
    GOOD(save("a", "x", 0));
    GOOD(holog_vfs_symlink(vfs, "a", "l", 0, NULL));
    GOOD(holog_vfs_move(vfs, "l", "m", 0, NULL));
    cr_assert_eq(kind("m"), HOLOG_SYMLINK);
    cr_assert_eq(kind("l"), HOLOG_MISSING);
    HAS("a", "x");
}

/* ---- links -----------------------------------------------------------------------------------------*/

CLAIM(a_link_needs_a_target_and_a_place)
{
    char target[32];

    GOOD(save("d/a", "x", HOLOG_PARENTS));
    BAD(HOLOG_E_NOENT, holog_vfs_symlink(vfs, "no", "l", 0, NULL), NULL);
    BAD(HOLOG_E_NOENT, holog_vfs_symlink(vfs, "/d/a", "no/l", 0, NULL), NULL);
    BAD(HOLOG_E_EXIST, holog_vfs_symlink(vfs, "d", "d/a", 0, NULL), NULL);
    BAD(HOLOG_E_NOTDIR, holog_vfs_symlink(vfs, "d", "d/a/l", 0, NULL), NULL);
    BAD(HOLOG_E_INVAL, holog_vfs_symlink(vfs, NULL, "l", 0, NULL), NULL);
    cr_assert_str_eq(names_in("/"), "d ");
    GOOD(holog_vfs_symlink(vfs, "a", "d/l", 0, NULL));
    GOOD(holog_vfs_symlink(vfs, "/d/a", "d/l", HOLOG_REPLACE, NULL));
    reopen();
    HAS("d/l", "x");
    GOOD(holog_vfs_readlink(vfs, "d/l", target, sizeof target));
    cr_assert_str_eq(target, "/d/a");
    BAD(HOLOG_E_TYPE, holog_vfs_readlink(vfs, "d/a", target, sizeof target), NULL);
    BAD(HOLOG_E_NOENT, holog_vfs_readlink(vfs, "no", target, sizeof target), NULL);
    BAD(HOLOG_E_RANGE, holog_vfs_readlink(vfs, "d/l", target, 4), NULL);
}

/* ---- where it is, and whether it stays -------------------------------------------------------------*/

CLAIM(what_is_in_the_store_is_found_in_a_segment)
{
    holog_vfs_place place = { .struct_size = sizeof place };
    uint64_t number = 0;

    GOOD(holog_vfs_save_bytes(vfs, "a", "x", 1, 0, &number));
    GOOD(holog_vfs_wait_durable(vfs, number, UINT32_MAX));
    GOOD(holog_vfs_sync(vfs));
    if (!is_in_store()) {
        BAD(HOLOG_E_NOTSUP, holog_vfs_resolve(vfs, "a", &place), "resolve");
        return;
    }
    GOOD(holog_vfs_resolve(vfs, "a", &place));
    cr_assert(strstr(place.file, vfs_box.dir) == place.file, "%s", place.file);
    BAD(HOLOG_E_NOENT, holog_vfs_resolve(vfs, "no", &place), NULL);
}

CLAIM(what_one_backend_has_saved_all_others_load)
{
    static const char *const others[] = { "memory", "files", "disk", "zarr" };
    holog_backend *mine = vfs;

    GOOD(save("shared/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("shared/p.npy", 0));
    for (size_t i = 0; is_in_store() && i < sizeof others / sizeof others[0]; i++) {
        vfs = open_backend(others[i]);
        HAS("shared/a", "x");
        has_plane("shared/p.npy");
        cr_assert_str_eq(files_in("shared", NULL, NULL, 0), "shared/a shared/p.npy ");
        GOOD(holog_backend_close(vfs));
        vfs = mine;
    }
}

/* ---- below an object -------------------------------------------------------------------------------*/

/* words: in each message, or NULL. */
static void is_no_directory(const char *object, const char *words)
{
    char below[64];
    const char *paths[1] = { below };
    holog_vfs_place place = { .struct_size = sizeof place };
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    holog_object *o = NULL;
    char target[64];
    int status[1];
    int answer = 7;

    (void)snprintf(below, sizeof below, "%s/b", object);
    for (int deeper = 0; deeper < 2; deeper++) {
        BAD(HOLOG_E_NOTDIR, holog_vfs_load(vfs, below, &o), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_load_batch(vfs, paths, 1, &o, status), words);
        cr_assert_eq(status[0], HOLOG_E_NOTDIR);
        BAD(HOLOG_E_NOTDIR, save(below, "x", 0), words);
        BAD(HOLOG_E_NOTDIR, save(below, "x", HOLOG_PARENTS), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_list_dir(vfs, below, (holog_vfs_each)abort, NULL), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_ensure_directory(vfs, below, NULL), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_delete(vfs, below, NULL), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_delete_all(vfs, below, NULL), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_copy(vfs, below, "new", 0, NULL), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_move(vfs, below, "new", 0, NULL), words);
        BAD(HOLOG_E_NOTDIR, holog_vfs_symlink(vfs, below, "new", 0, NULL), NULL);
        BAD(HOLOG_E_NOTDIR, holog_vfs_readlink(vfs, below, target, sizeof target), words);
        if (is_in_store())
            BAD(HOLOG_E_NOTDIR, holog_vfs_resolve(vfs, below, &place), words);
        GOOD(holog_vfs_stat(vfs, below, &info));
        cr_assert_eq(info.type, HOLOG_MISSING);
        GOOD(holog_vfs_exists(vfs, below, &answer));
        cr_assert_eq(answer, 0);
        GOOD(holog_vfs_is_file(vfs, below, &answer));
        cr_assert_eq(answer, HOLOG_ABSENT);
        (void)snprintf(below, sizeof below, "%s/b/c", object);
    }
}

CLAIM(nothing_is_below_an_object_of_any_kind)
{
    GOOD(save("d/a", "x", HOLOG_PARENTS));
    GOOD(save_plane("d/p.npy", 0));
    GOOD(holog_vfs_symlink(vfs, "d/p.npy", "l.npy", 0, NULL));
    is_no_directory("d/a", "d/a");
    is_no_directory("d/p.npy", "d/p.npy");
    reopen();
    is_no_directory("d/p.npy", "d/p.npy");
    is_no_directory("l.npy", NULL);
}
