/*
 * Documents, chunks, listings and changes of a Zarr hierarchy.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "holog/versions.h"
#include "zarrkit.h"

ZARR_SUITE(zarr);

/* ---- documents -----------------------------------------------------------------------------------*/

Test(zarr, documents_keep_their_bytes)
{
    const char *group =
        " {\n\"node_type\": \"group\", \"zarr_format\":3, \"attributes\": "
        "{\"z\": 1, \"a\": [1.50, \"\\u00e4\"]}, \"consolidated_metadata\": null}\n";

    OK(set_text("g/zarr.json", group));
    OK(set_text("g/a/zarr.json", plain()));
    cr_assert_str_eq(text_of("g/zarr.json"), group);
    cr_assert_str_eq(text_of("g/a/zarr.json"), plain());
    cr_assert_eq(type_of(box.store, "g/a"), HOLOG_ARRAY);
    cr_assert_eq(type_of(box.store, "g"), HOLOG_DIRECTORY);
}

Test(zarr, a_directory_without_a_document_is_a_group)
{
    OK(holog_mkdir(box.store, "g/h", HOLOG_PARENTS, NULL));
    OK(save_text(box.store, "blob", "x", 0));
    cr_assert_str_eq(text_of("zarr.json"), GROUP);
    cr_assert_str_eq(text_of("g/h/zarr.json"), GROUP);
    cr_assert_str_eq(text_of("missing/zarr.json"), "HOLOG_E_NOENT");
    cr_assert_str_eq(text_of("blob/zarr.json"), "HOLOG_E_NOENT");
    OK(set_text("a/zarr.json", plain()));
    OK(set_text("a/more/x", "x"));
    cr_assert_str_eq(text_of("a/more/zarr.json"), "HOLOG_E_NOENT", "it is part of an array");
}

Test(zarr, documents_are_checked_before_they_are_taken)
{
    FAILS(HOLOG_E_INVAL, set_text("a/zarr.json", "{"), NULL);
    FAILS(HOLOG_E_INVAL, set_text("a/zarr.json", ""), NULL);
    FAILS(HOLOG_E_INVAL, set_text("a/zarr.json", "[]"), NULL);
    FAILS(HOLOG_E_INVAL, set_text("a/zarr.json", "{\"zarr_format\":3}"), "node_type");
    FAILS(HOLOG_E_INVAL, set_text("a/zarr.json", "{\"zarr_format\":2,\"node_type\":\"group\"}"),
          "zarr_format");
    FAILS(HOLOG_E_INVAL,
          set_text("a/zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":1}"),
          "attributes");
    FAILS(HOLOG_E_NOTSUP,
          set_text("a/zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\",\"new\":{}}"), "new");
    OK(set_text("b/zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\","
                               "\"new\":{\"must_understand\":false}}"));
    FAILS(HOLOG_E_INVAL, set_text("a/zarr.json", "{\"zarr_format\":3,\"node_type\":\"array\"}"),
          "shape");
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
}

Test(zarr, an_array_with_chunks_is_only_read_the_way_it_was)
{
    OK(set_text("a/zarr.json", plain()));
    OK(set_text("a/zarr.json", array_json("4, 6", "4, 4", SLASHES)));
    OK(set_text("a/zarr.json", plain()));
    OK(set_text("a/c/0/0", "0000"));
    OK(set_text("a/c/1/2", "1212"));
    FAILS(HOLOG_E_EXIST, set_text("a/zarr.json", array_json("4, 6", "4, 4", SLASHES)), "a");
    FAILS(HOLOG_E_EXIST, set_text("a/zarr.json", array_json("4, 6", "2, 2", DOTS)), "a");
    FAILS(HOLOG_E_EXIST, set_text("a/zarr.json", GROUP), "a");
    OK(set_text("a/zarr.json", array_json("40, 60", "2, 2", SLASHES)));
    cr_assert_str_eq(text_of("a/c/1/2"), "1212");
    OK(set_text("a/zarr.json", array_json("4, 4", "2, 2", SLASHES)));
    OK(set_text("a/zarr.json", plain()));
    cr_assert_str_eq(text_of("a/c/0/0"), "0000");
    cr_assert_str_eq(text_of("a/c/1/2"), "HOLOG_E_NOENT", "it was outside for a while");
    drop("a/zarr.json");
    cr_assert_str_eq(all_keys(), "zarr.json ");
}

Test(zarr, an_array_is_no_place_for_a_blob)
{
    OK(save_text(box.store, "a", "x", 0));
    FAILS(HOLOG_E_EXIST, set_text("a/zarr.json", plain()), "a");
    OK(set_text("g/x/y", "z"));
    OK(set_text("g/zarr.json", plain()));
    cr_assert_str_eq(text_of("g/x/y"), "z");
}

Test(zarr, chunks_that_came_before_their_document_are_chunks)
{
    OK(set_text("a/c/0/0", "0000"));
    OK(set_text("a/c/1/1", "1111"));
    OK(set_text("a/zarr.json", plain()));
    cr_assert_str_eq(text_of("a/c/1/1"), "1111");
    cr_assert_eq(type_of(box.store, "a/c"), HOLOG_MISSING);
    OK(set_text("b/c/0/0", "0000"));
    OK(set_text("b/c/notes", "x"));
    OK(set_text("b/zarr.json", plain()));
    cr_assert_str_eq(text_of("b/c/0/0"), "0000");
    cr_assert_str_eq(text_of("b/c/notes"), "x");
    OK(set_text("d/0.1", "0101"));
    OK(set_text("d/zarr.json", array_json("4, 6", "2, 2", V2_DOTS)));
    cr_assert_str_eq(keys_below("d"), "d/zarr.json d/0.1=4 ");
}

/* ---- chunks --------------------------------------------------------------------------------------*/

Test(zarr, keys_of_chunks_are_canonical)
{
    OK(set_text("a/zarr.json", plain()));
    OK(set_text("a/c/0/1", "0101"));
    cr_assert_str_eq(text_of("a/c/0/1"), "0101");
    cr_assert_eq(type_of(box.store, "a/c"), HOLOG_MISSING, "no directories are made for it");
    cr_assert_str_eq(text_of("a/c/00/1"), "HOLOG_E_NOENT");
    cr_assert_str_eq(text_of("a/c/0/01"), "HOLOG_E_NOENT");
    cr_assert_str_eq(text_of("a/c/2/0"), "HOLOG_E_NOENT", "beyond the grid");
    OK(set_text("a/c/0/01", "a blob"));
    OK(set_text("a/c/2/0", "a blob too"));
    cr_assert_str_eq(text_of("a/c/0/01"), "a blob");
    cr_assert_str_eq(text_of("a/c/2/0"), "a blob too");
    cr_assert_str_eq(text_of("a/c/0/1"), "0101", "which hides none");
    OK(save_text(box.store, "a/c/0/1", "hidden", HOLOG_PARENTS));
    cr_assert_str_eq(text_of("a/c/0/1"), "0101");
    drop("a/c/0/1");
    cr_assert_str_eq(text_of("a/c/0/1"), "HOLOG_E_NOENT");
    drop("a/c/0/1");
}

static void each_encoding(const char *keys, const char *chunk, const char *listed)
{
    char key[100];

    OK(set_text("a/zarr.json", array_json("4, 6", "2, 2", keys)));
    (void)snprintf(key, sizeof key, "a/%s", chunk);
    OK(set_text(key, "1212"));
    cr_assert_str_eq(text_of(key), "1212");
    cr_assert_str_eq(names_below("a") + strlen("zarr.json "), listed);
    drop_prefix("a");
}

Test(zarr, every_encoding_of_keys_names_the_same_chunks)
{
    each_encoding(SLASHES, "c/1/2", "c/ ");
    each_encoding(DOTS, "c.1.2", "c.1.2=4 ");
    each_encoding(V2_DOTS, "1.2", "1.2=4 ");
    each_encoding(V2_SLASHES, "1/2", "1/ ");
}

Test(zarr, a_single_value_has_one_chunk)
{
    OK(set_text("a/zarr.json", array_json("", "", SLASHES)));
    OK(set_text("b/zarr.json", array_json("", "", V2_DOTS)));
    OK(set_text("a/c", "x"));
    OK(set_text("b/0", "y"));
    cr_assert_str_eq(text_of("a/c"), "x");
    cr_assert_str_eq(text_of("b/0"), "y");
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c=1 ");
    cr_assert_str_eq(keys_below("b"), "b/zarr.json b/0=1 ");
}

Test(zarr, an_empty_chunk_is_not_a_missing_one)
{
    OK(set_text("a/zarr.json", plain()));
    OK(set_text("a/c/0/0", ""));
    cr_assert_str_eq(text_of("a/c/0/0"), "");
    cr_assert_eq(kind_of("a/c/0/1"), HOLOG_ZARR_MISSING);
}

/* ---- listing -------------------------------------------------------------------------------------*/

static void make_tree(void)
{
    OK(set_text("g/zarr.json", GROUP));
    OK(set_text("g/a/zarr.json", plain()));
    OK(set_text("g/a/c/1/2", "1212"));
    OK(set_text("g/a/c/0/0", "0000"));
    OK(set_text("g/a/c/0/2", "0202"));
    OK(set_text("g/a/notes", "x"));
    OK(set_text("g/a/c/0/x", "in between"));
    OK(set_text("h/blob", "12345"));
}

Test(zarr, a_level_names_each_thing_once)
{
    make_tree();
    cr_assert_str_eq(names_below(""), "zarr.json g/ h/ ");
    cr_assert_str_eq(names_below("g"), "zarr.json a/ ");
    cr_assert_str_eq(names_below("g/a"), "zarr.json c/ notes=1 ");
    cr_assert_str_eq(names_below("g/a/"), names_below("g/a"));
    cr_assert_str_eq(names_below("g/a/c"), "0/ 1/ ");
    cr_assert_str_eq(names_below("g/a/c/0"), "x=10 0=4 2=4 ");
    cr_assert_str_eq(names_below("g/a/c/1/"), "2=4 ");
    cr_assert_str_eq(names_below("g/a/c/1/2"), "");
    cr_assert_str_eq(names_below("g/a/notes"), "");
    cr_assert_str_eq(names_below("missing"), "");
    cr_assert_str_eq(names_below("h"), "zarr.json blob=5 ");
}

Test(zarr, all_keys_below_a_prefix_are_listed_chunks_in_c_order)
{
    make_tree();
    cr_assert_str_eq(all_keys(), "zarr.json g/zarr.json g/a/zarr.json g/a/c/0/x=10 g/a/notes=1 "
                                 "g/a/c/0/0=4 g/a/c/0/2=4 g/a/c/1/2=4 h/zarr.json h/blob=5 ");
    cr_assert_str_eq(keys_below("g/a/c"), "g/a/c/0/x=10 g/a/c/0/0=4 g/a/c/0/2=4 g/a/c/1/2=4 ");
    cr_assert_str_eq(keys_below("g/a/c/0/"), "g/a/c/0/x=10 g/a/c/0/0=4 g/a/c/0/2=4 ");
    cr_assert_str_eq(keys_below("g/a/c/1"), "g/a/c/1/2=4 ");
    cr_assert_str_eq(keys_below("g/a/notes"), "");
    cr_assert_str_eq(keys_below("h"), "h/zarr.json h/blob=5 ");
}

Test(zarr, a_key_is_told_from_a_prefix)
{
    make_tree();
    cr_assert_eq(kind_of(""), HOLOG_ZARR_PREFIX);
    cr_assert_eq(kind_of("g"), HOLOG_ZARR_PREFIX);
    cr_assert_eq(kind_of("g/"), HOLOG_ZARR_PREFIX);
    cr_assert_eq(kind_of("g/a/c"), HOLOG_ZARR_PREFIX);
    cr_assert_eq(kind_of("g/a/c/1/"), HOLOG_ZARR_PREFIX);
    cr_assert_eq(kind_of("g/a/c/1/2"), HOLOG_ZARR_KEY);
    cr_assert_eq(kind_of("g/a/c/1/2/"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("g/a/c/1/1"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("h/blob"), HOLOG_ZARR_KEY);
    cr_assert_eq(kind_of("h/blob/"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("h/blob/x"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("zarr.json"), HOLOG_ZARR_KEY);
}

static int stop_at_two(void *ctx, const char *key, uint64_t size)
{
    int *seen = ctx;

    (void)key;
    (void)size;
    return ++*seen == 2;
}

Test(zarr, a_listing_stops_when_it_is_told_to)
{
    holog_zarr *z;
    int seen = 0;

    make_tree();
    z = open_zarr();
    OK(holog_zarr_list(z, "", stop_at_two, &seen));
    close_zarr(z);
    cr_assert_eq(seen, 2);
}

Test(zarr, an_array_with_many_chunks_lists_its_own_level_at_once)
{
    holog_txn *t = NULL;
    char key[50];

    OK(set_text("a/zarr.json", array_json("300, 200", "1, 1", SLASHES)));
    OK(holog_begin(box.store, &t));
    for (unsigned i = 0; i < 60000; i += 7) {
        (void)snprintf(key, sizeof key, "a/c/%u/%u", i / 200, i % 200);
        OK(holog_txn_zarr_set(t, "/", key, "x", 1));
    }
    OK(holog_commit(t, NULL));
    cr_assert_str_eq(names_below("a"), "zarr.json c/ ");
    cr_assert_str_eq(names_below("a/c/299"),
                     "1=1 8=1 15=1 22=1 29=1 36=1 43=1 50=1 57=1 64=1 71=1 78=1 85=1 92=1 99=1 "
                     "106=1 113=1 120=1 127=1 134=1 141=1 148=1 155=1 162=1 169=1 176=1 183=1 "
                     "190=1 197=1 ");
    drop("a/zarr.json");
    cr_assert_str_eq(all_keys(), "zarr.json ");
}

Test(zarr, symlinks_are_followed_to_keys_and_directories)
{
    has_round = 1;
    make_tree();
    OK(holog_symlink(box.store, "g/a", "link", 0, NULL));
    OK(holog_symlink(box.store, "h/blob", "alias", 0, NULL));
    OK(holog_symlink(box.store, "nowhere", "lost", 0, NULL));
    OK(holog_symlink(box.store, "/", "round", 0, NULL));
    cr_assert_str_eq(text_of("link/c/1/2"), "1212");
    cr_assert_str_eq(text_of("link/zarr.json"), plain());
    cr_assert_str_eq(text_of("round/round/g/a/c/1/2"), "1212");
    cr_assert_str_eq(text_of("alias"), "12345");
    cr_assert_str_eq(text_of("lost"), "HOLOG_E_NOENT");
    cr_assert_str_eq(names_below(""), "zarr.json alias=5 g/ h/ link/ round/ ");
    cr_assert_str_eq(names_below("link/c"), "0/ 1/ ");
    cr_assert_str_eq(keys_below("link/c/1"), "link/c/1/2=4 ");
    cr_assert_not_null(strstr(all_keys(), " alias=5 "));
    cr_assert_null(strstr(all_keys(), " link/"));
    OK(set_text("link/c/1/2", "new"));
    cr_assert_str_eq(text_of("g/a/c/1/2"), "new");
    drop_prefix("link");
    cr_assert_str_eq(text_of("g/a/c/1/2"), "new");
}

Test(zarr, a_hierarchy_may_begin_anywhere)
{
    char told[4000] = "";
    holog_zarr *z;
    holog_value *v = NULL;

    make_tree();
    z = open_at("g/a", 0);
    OK(holog_zarr_list(z, "", append_key, told));
    cr_assert_str_eq(told, "zarr.json c/0/x=10 notes=1 c/0/0=4 c/0/2=4 c/1/2=4 ");
    OK(holog_zarr_get(z, "c/1/2", &v));
    holog_value_release(v);
    FAILS(HOLOG_E_NOENT, holog_zarr_get(z, "g/a/notes", &v), "g/a/notes");
    close_zarr(z);
    OK(holog_view_open(box.store, &view));
    FAILS(HOLOG_E_NOENT, holog_zarr_open(view, "missing", 0, &z), "missing");
    FAILS(HOLOG_E_NOTDIR, holog_zarr_open(view, "h/blob", 0, &z), "h/blob");
    FAILS(HOLOG_E_INVAL, holog_zarr_open(view, "/", 64, &z), NULL);
    holog_view_close(view);
}

Test(zarr, the_root_may_be_an_array)
{
    OK(set_text("zarr.json", plain()));
    OK(set_text("c/0/0", "0000"));
    OK(set_text("c/1/2", "1212"));
    OK(set_text("notes", "x"));
    cr_assert_str_eq(text_of("zarr.json"), plain());
    cr_assert_str_eq(text_of("c/1/2"), "1212");
    cr_assert_str_eq(names_below(""), "zarr.json notes=1 c/ ");
    cr_assert_str_eq(names_below("c"), "0/ 1/ ");
    cr_assert_str_eq(all_keys(), "zarr.json notes=1 c/0/0=4 c/1/2=4 ");
    cr_assert_str_eq(keys_below("c/1"), "c/1/2=4 ");
    drop_prefix("c/0");
    drop("zarr.json");
    cr_assert_str_eq(all_keys(), "zarr.json notes=1 ");
    OK(set_text("zarr.json", plain()));
    OK(set_text("c/0/0", "0000"));
    drop_prefix("");
    cr_assert_str_eq(all_keys(), "zarr.json ");
    cr_assert_str_eq(text_of("zarr.json"), GROUP);
}

/* ---- deleting ------------------------------------------------------------------------------------*/

Test(zarr, a_prefix_is_deleted_with_its_slash)
{
    make_tree();
    OK(set_text("g/ab/x", "x"));
    OK(set_text("g/a.txt", "x"));
    drop_prefix("g/a/c/0");
    cr_assert_str_eq(keys_below("g/a"), "g/a/zarr.json g/a/notes=1 g/a/c/1/2=4 ");
    drop_prefix("g/a/");
    cr_assert_str_eq(keys_below("g"), "g/zarr.json g/a.txt=1 g/ab/zarr.json g/ab/x=1 ");
    drop_prefix("h/blob");
    drop_prefix("missing");
    cr_assert_str_eq(text_of("h/blob"), "12345");
    drop_prefix("");
    cr_assert_str_eq(all_keys(), "zarr.json ");
}

Test(zarr, a_document_takes_its_directory_with_it_unless_that_has_names)
{
    make_tree();
    drop("g/a/zarr.json");
    cr_assert_str_eq(keys_below("g/a"), "g/a/zarr.json g/a/c/zarr.json g/a/c/0/zarr.json "
                                        "g/a/c/0/x=10 g/a/notes=1 ");
    drop_prefix("g/a");
    drop("g/zarr.json");
    cr_assert_str_eq(text_of("g/zarr.json"), "HOLOG_E_NOENT");
    drop("missing/zarr.json");
    drop("h/blob");
    drop("h");
    cr_assert_eq(kind_of("h"), HOLOG_ZARR_PREFIX);
    drop("h/zarr.json");
    cr_assert_eq(kind_of("h"), HOLOG_ZARR_MISSING);
    drop("zarr.json");
    cr_assert_str_eq(all_keys(), "zarr.json ");
}

Test(zarr, one_transaction_sees_what_it_has_made)
{
    holog_txn *t = NULL;

    OK(holog_begin(box.store, &t));
    OK(holog_txn_zarr_set(t, "base/at", "a/zarr.json", plain(), strlen(plain())));
    OK(holog_txn_zarr_set(t, "base/at", "a/c/0/0", "0000", 4));
    OK(holog_txn_zarr_set(t, "base/at", "a/c/1/1", "1111", 4));
    OK(holog_txn_zarr_delete(t, "base/at", "a/c/0/0"));
    OK(holog_txn_zarr_set(t, "base/at", "b/zarr.json", array_json("4", "2", V2_DOTS),
                          strlen(array_json("4", "2", V2_DOTS))));
    OK(holog_txn_zarr_set(t, "base/at", "b/1", "11", 2));
    FAILS(HOLOG_E_EXIST, holog_txn_zarr_set(t, "base/at", "b/zarr.json", plain(), strlen(plain())),
          NULL);
    OK(holog_commit(t, NULL));
    cr_assert_str_eq(keys_below("base/at"), "base/at/zarr.json base/at/a/zarr.json "
                                            "base/at/a/c/1/1=4 base/at/b/zarr.json "
                                            "base/at/b/1=2 ");
}

Test(zarr, a_chunk_depends_on_the_document_it_was_understood_by)
{
    holog_txn *t = NULL;

    OK(set_text("a/zarr.json", plain()));
    OK(holog_begin(box.store, &t));
    OK(holog_txn_zarr_set(t, "/", "a/c/0/0", "0000", 4));
    OK(set_text("a/zarr.json", array_json("4, 6", "4, 4", SLASHES)));
    cr_assert_eq(holog_commit(t, NULL), HOLOG_E_CONFLICT);
}

/* ---- versions ------------------------------------------------------------------------------------*/

Test(zarr, a_view_of_the_past_has_the_chunks_of_then)
{
    char told[4000] = "";
    uint64_t then;
    holog_view *past = NULL;
    holog_zarr *z = NULL;

    make_tree();
    then = holog_last_number(box.store);
    OK(set_text("g/a/c/1/2", "newer"));
    OK(set_text("g/a/c/1/1", "1111"));
    drop("g/a/c/0/0");
    OK(holog_view_open_at(box.store, then, &past));
    OK(holog_zarr_open(past, "/", 0, &z));
    OK(holog_zarr_list(z, "g/a/c", append_key, told));
    cr_assert_str_eq(told, "g/a/c/0/x=10 g/a/c/0/0=4 g/a/c/0/2=4 g/a/c/1/2=4 ");
    told[0] = 0;
    OK(holog_zarr_list_dir(z, "g/a/c/1", append_name, told));
    cr_assert_str_eq(told, "2=4 ");
    holog_zarr_close(z);
    holog_view_close(past);
}

static void etag_of(const char *key, uint64_t out[2])
{
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_zarr *z = open_zarr();

    OK(holog_zarr_stat(z, key, &info));
    cr_assert_eq(info.kind, HOLOG_ZARR_KEY);
    memcpy(out, info.etag, sizeof info.etag);
    close_zarr(z);
}

Test(zarr, a_version_has_one_etag_and_another_version_another)
{
    static const char *const keys[] = { "g/a/c/1/2", "g/a/zarr.json", "h/blob", "zarr.json" };
    uint64_t before[4][2];
    uint64_t now[2];

    make_tree();
    for (size_t i = 0; i < 4; i++)
        etag_of(keys[i], before[i]);
    box_reopen(&box);
    for (size_t i = 0; i < 4; i++) {
        etag_of(keys[i], now);
        cr_assert_arr_eq(now, before[i], sizeof now, "%s", keys[i]);
    }
    OK(set_text("g/a/c/1/2", "2121"));
    etag_of("g/a/c/1/2", now);
    cr_assert_arr_neq(now, before[0], sizeof now);
    cr_assert_arr_neq(before[0], before[1], sizeof now);
}

Test(zarr, asked_for_at_once_a_key_is_what_it_is_one_by_one)
{
    static const char *const keys[] = {
        "g/a/c/1/2", "g/a/zarr.json", "h/blob", "zarr.json", "",
        "g/a/c",     "g/a/c/1/2/",    "g",      "nothing",   "h/no"
    };

    make_tree();
    for (int again = 0; again < 2; again++) {
        holog_zarr *z = open_zarr();
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            both_agree(z, keys[i]);
        close_zarr(z);
        box_reopen(&box);
    }
}

Test(zarr, a_read_only_handle_reads_and_writes_nothing)
{
    holog_options o = box.opts;
    holog_store *reader = NULL;
    holog_store *writer = box.store;
    holog_txn *t = NULL;

    make_tree();
    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &reader));
    box.store = reader;
    cr_assert_str_eq(text_of("g/a/c/1/2"), "1212");
    cr_assert_str_eq(names_below("g/a/c"), "0/ 1/ ");
    FAILS(HOLOG_E_READONLY, holog_begin(box.store, &t), NULL);
    box.store = writer;
    OK(holog_close(reader));
}

/* ---- what is wrong -------------------------------------------------------------------------------*/

/* Where the byte that stands in a large chunk lies: it is not looked at before somebody reads it. */
static uint8_t *find_in_extents(char *name, size_t cap, const void *what, size_t what_len,
                                size_t *out_len, uint8_t **out_file)
{
    for (unsigned id = 1; id < 10; id++) {
        char path[512];
        uint8_t *at;
        (void)snprintf(name, cap, "seg/%08x.hext", id);
        (void)snprintf(path, sizeof path, "%s/%s", box.dir, name);
        if (access(path, F_OK) != 0)
            continue;
        *out_file = file_read(box.dir, name, out_len);
        at = memmem(*out_file, *out_len, what, what_len);
        if (at != NULL)
            return at;
        free(*out_file);
    }
    cr_assert_fail("the chunk is in no extent");
    return NULL;
}

Test(zarr, a_damaged_chunk_is_not_a_missing_one)
{
    size_t len = 0;
    uint8_t *large = malloc(200000);
    uint8_t *file = NULL;
    uint8_t *at;
    char name[64];
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_zarr *z;
    holog_value *v = NULL;
    char buf[8];

    cr_assert_not_null(large);
    value_fill(large, 200000, 7);
    OK(set_text("a/zarr.json", plain()));
    OK(set_bytes("a/c/0/0", large, 200000));
    OK(holog_close(box.store));
    at = find_in_extents(name, sizeof name, large, 1000, &len, &file);
    at[5] ^= 1;
    file_write(box.dir, name, file, len);
    box_open(&box);
    z = open_zarr();
    FAILS(HOLOG_E_CORRUPT, holog_zarr_get(z, "a/c/0/0", &v), "a/c/0/0");
    FAILS(HOLOG_E_CORRUPT, holog_zarr_stat_get(z, "a/c/0/0", &info, &v), "a/c/0/0");
    cr_assert_null(v);
    cr_assert_eq(info.kind, HOLOG_ZARR_MISSING, "nothing is said of what could not be read");
    FAILS(HOLOG_E_CORRUPT, holog_zarr_get_range(z, "a/c/0/0", 0, buf, sizeof buf, NULL), "a/c/0/0");
    FAILS(HOLOG_E_NOENT, holog_zarr_get(z, "a/c/0/1", &v), "a/c/0/1");
    close_zarr(z);
    OK(holog_close(box.store));
    at[5] ^= 1;
    file_write(box.dir, name, file, len);
    free(file);
    free(large);
    box_open(&box);
}

/* Everything that reads, once. */
static int read_all(void)
{
    holog_view *v = NULL;
    holog_zarr *z = NULL;
    holog_value *value = NULL;
    holog_zarr_info info = { .struct_size = sizeof info };
    char told[4000] = "";
    int rc = holog_view_open(box.store, &v);

    if (rc == HOLOG_OK)
        rc = holog_zarr_open(v, "/", HOLOG_ZARR_CONSOLIDATED, &z);
    if (rc == HOLOG_OK)
        rc = holog_zarr_list(z, "", append_key, told);
    if (rc == HOLOG_OK)
        rc = holog_zarr_list_dir(z, "a/c/0", append_name, told);
    if (rc == HOLOG_OK)
        rc = holog_zarr_stat(z, "a/c/0/0", &info);
    if (rc == HOLOG_OK)
        rc = holog_zarr_get(z, "a/c/0/0", &value);
    holog_value_release(value);
    value = NULL;
    if (rc == HOLOG_OK)
        rc = holog_zarr_stat_get(z, "b/c/0/0", &info, &value);
    holog_value_release(value);
    if (rc == HOLOG_OK)
        rc = holog_zarr_get_range(z, "a/c/0/0", 1, told, 70, NULL);
    holog_zarr_close(z);
    holog_view_close(v);
    return rc;
}

static int change_all(const uint8_t *shard, size_t len)
{
    holog_txn *t = NULL;
    int rc = holog_begin(box.store, &t);

    if (rc == HOLOG_OK)
        rc = holog_txn_zarr_set(t, "/", "b/c/0/1", shard, len);
    if (rc == HOLOG_OK)
        rc =
            holog_txn_zarr_set(t, "/", "b/zarr.json", sharded(CRC, END), strlen(sharded(CRC, END)));
    if (rc == HOLOG_OK)
        rc = holog_txn_zarr_set(t, "/", "b/c/0/0", shard, len);
    if (rc == HOLOG_OK)
        rc = holog_txn_zarr_delete(t, "/", "b/c/0/1");
    if (rc == HOLOG_OK)
        rc = holog_txn_zarr_delete_prefix(t, "/", "b/c");
    if (rc == HOLOG_OK)
        rc = holog_txn_zarr_delete(t, "/", "b/zarr.json");
    holog_abort(t);
    return rc;
}

static unsigned fail_at;

static int fail_one(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return --fail_at == 0;
}

Test(zarr, every_allocation_that_fails_is_told_and_nothing_else_happens)
{
    uint8_t shard[500];
    size_t len = make_shard(&ours, three, shard);

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/0", shard, len));
    for (int change = 0; change < 2; change++) {
        for (unsigned n = 1;; n++) {
            int rc;
            fail_at = n;
            hg_alloc_set_fault(fail_one, NULL);
            rc = change ? change_all(shard, len) : read_all();
            hg_alloc_set_fault(NULL, NULL);
            if (rc == HOLOG_OK && fail_at > 0)
                break;
            cr_assert(rc == HOLOG_E_NOMEM || rc == HOLOG_OK, "allocation %u: %s", n,
                      holog_error_name(rc));
        }
    }
}

#define READERS 4
#define ARRAYS  20 /* more than a handle keeps */

static holog_zarr *shared;

static void *read_many(void *ctx)
{
    uintptr_t seed = (uintptr_t)ctx;

    for (unsigned i = 0; i < 200; i++) {
        unsigned n = (unsigned)(seed + i * 7) % ARRAYS;
        holog_value *v = NULL;
        char key[30];
        (void)snprintf(key, sizeof key, "a%u/c/0/0", n);
        if (holog_zarr_get(shared, key, &v) != HOLOG_OK || holog_value_size(v) != n)
            return shared;
        holog_value_release(v);
        v = NULL;
        if (holog_zarr_get(shared, "zarr.json", &v) != HOLOG_OK)
            return shared;
        holog_value_release(v);
    }
    return NULL;
}

Test(zarr, many_threads_read_one_handle)
{
    pthread_t thread[READERS];

    for (unsigned i = 0; i < ARRAYS; i++) {
        char key[30];
        (void)snprintf(key, sizeof key, "a%u/zarr.json", i);
        OK(set_text(key, plain()));
        (void)snprintf(key, sizeof key, "a%u/c/0/0", i);
        OK(set_bytes(key, "abcdefghijklmnopqrstuvwxyz", i));
    }
    shared = open_at("/", HOLOG_ZARR_CONSOLIDATED);
    for (uintptr_t i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, read_many, (void *)i), 0);
    for (unsigned i = 0; i < READERS; i++) {
        void *failed = NULL;
        cr_assert_eq(pthread_join(thread[i], &failed), 0);
        cr_assert_null(failed);
    }
    close_zarr(shared);
}

Test(zarr, hostile_keys_are_refused)
{
    static const char *const bad[] = { "/a",  "a//b",     "../a",       "a/../b",        "./a",
                                       "a/.", "\xff\x80", "a/\xfe\x82", "a/\xff\x80\x80" };
    holog_zarr_info info = { .struct_size = sizeof info };
    char *endless = malloc(5001);
    holog_value *v = NULL;
    char told[10];
    holog_zarr *z;

    cr_assert_not_null(endless);
    for (size_t i = 0; i < 5000; i++)
        endless[i] = i % 2 == 0 ? 'c' : '/';
    endless[4501] = 0;
    make_tree();
    z = open_zarr();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FAILS(HOLOG_E_BADPATH, holog_zarr_get(z, bad[i], &v), NULL);
        FAILS(HOLOG_E_BADPATH, holog_zarr_stat(z, bad[i], &info), NULL);
        FAILS(HOLOG_E_BADPATH, holog_zarr_stat_get(z, bad[i], &info, &v), NULL);
        FAILS(HOLOG_E_BADPATH, holog_zarr_list(z, bad[i], append_key, told), NULL);
        FAILS(HOLOG_E_BADPATH, holog_zarr_list_dir(z, bad[i], append_name, told), NULL);
        FAILS(HOLOG_E_BADPATH, set_text(bad[i], "x"), NULL);
    }
    FAILS(HOLOG_E_BADPATH, set_text("a/", "x"), NULL);
    FAILS(HOLOG_E_BADPATH, set_text("", "x"), NULL);
    FAILS(HOLOG_E_NOENT, holog_zarr_get(z, endless, &v), NULL);
    FAILS(HOLOG_E_NAMETOOLONG, set_text(endless, "x"), NULL);
    FAILS(HOLOG_E_INVAL, holog_zarr_get(z, NULL, &v), NULL);
    FAILS(HOLOG_E_INVAL, holog_zarr_get(NULL, "a", &v), NULL);
    FAILS(HOLOG_E_INVAL, holog_zarr_stat_get(z, "a", &info, NULL), NULL);
    FAILS(HOLOG_E_INVAL, holog_zarr_stat_get(z, "a", NULL, &v), NULL);
    close_zarr(z);
    free(endless);
}
