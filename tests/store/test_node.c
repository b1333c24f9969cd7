/*
 * Documents and chunks below a directory: nobody lists them by name, everything that happens to the directory
 * happens to them. After each test the store is closed, verified and opened again, and must show the same;
 * then once more from the log alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/node.h"
#include "engine/store_internal.h"
#include "holog/versions.h"
#include "storekit.h"

static struct box box;

static void lose_checkpoints(void)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/chk", box.dir);
    remove_tree(path);
}

static uint64_t state_hash(void)
{
    holog_view *v = NULL;
    uint64_t hash = 0;

    OK(holog_view_open(box.store, &v));
    OK(holog_state_hash(v, &hash));
    holog_view_close(v);
    return hash;
}

static void setup(void)
{
    box_begin(&box);
}

static void teardown(void)
{
    uint64_t hash = state_hash();

    box_same_after_reopen(&box);
    cr_assert_eq(state_hash(), hash);
    OK(holog_close(box.store));
    lose_checkpoints();
    box_open(&box);
    cr_assert_eq(state_hash(), hash, "from the log alone");
    box_end(&box);
}

TestSuite(node, .init = setup, .fini = teardown, .timeout = 60);

/* ---- nodes -----------------------------------------------------------------------------------------*/

static const char *node_path(const char *dir, const char *component, size_t len)
{
    static char path[HG_PATH_MAX + 1];

    (void)snprintf(path, sizeof path, "%s/%.*s", dir, (int)len, component);
    return path;
}

static const char *chunk_path(const char *dir, uint64_t y, uint64_t x)
{
    const uint64_t index[2] = { y, x };
    char component[HG_NODE_LEN_MAX];

    return node_path(dir, component, hg_node_chunk(index, 2, component));
}

static int put_node(const char *path, const char *text)
{
    holog_txn *t = NULL;
    int rc;

    OK(holog_begin(box.store, &t));
    t->internal = 1;
    rc = hg_txn_save(t, path, text, strlen(text), HOLOG_REPLACE);
    if (rc == HOLOG_OK)
        return holog_commit(t, NULL);
    holog_abort(t);
    return rc;
}

/* "": it is not there. */
static const char *node_text(const char *path)
{
    static char text[100];
    struct hg_version *v = hg_version_get_published(box.store);
    struct hg_locator loc;
    struct hg_key k;
    holog_value *value = NULL;
    int rc;

    hg_key_make(path, strlen(path), &k);
    rc = hg_root_lookup(v->root, k.bytes, k.len, &loc);
    text[0] = 0;
    if (rc == HOLOG_OK) {
        OK(hg_value_load(box.store, &loc, path, &value));
        (void)snprintf(text, sizeof text, "%.*s", (int)holog_value_size(value),
                       (const char *)holog_value_data(value));
        holog_value_release(value);
    } else {
        cr_assert_eq(rc, HOLOG_E_NOENT);
    }
    hg_version_put(box.store, v);
    return text;
}

/* An array of two chunks. */
static void make_array(const char *dir)
{
    OK(holog_mkdir(box.store, dir, HOLOG_PARENTS, NULL));
    OK(put_node(node_path(dir, HG_NODE_ARRAY, 2), "{}"));
    OK(put_node(chunk_path(dir, 0, 0), "first"));
    OK(put_node(chunk_path(dir, 0, 200), "last"));
}

static int has_array(const char *dir)
{
    int document = strcmp(node_text(node_path(dir, HG_NODE_ARRAY, 2)), "{}") == 0;
    int first = strcmp(node_text(chunk_path(dir, 0, 0)), "first") == 0;
    int last = strcmp(node_text(chunk_path(dir, 0, 200)), "last") == 0;

    cr_assert(document == first && first == last, "%s: all of it or nothing", dir);
    return document;
}

static void lists(unsigned flags, const char *after, const char *want)
{
    char got[200] = "";
    holog_cursor *c = NULL;
    const holog_entry *e = NULL;

    OK(holog_list(box.store, "/", flags, NULL, after, &c));
    while (holog_cursor_next(c, &e) == HOLOG_OK)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s:%u ", e->path, e->type);
    holog_cursor_close(c);
    cr_assert_str_eq(got, want);
}

/* ---- tests -----------------------------------------------------------------------------------------*/

Test(node, a_directory_with_a_document_is_an_array_and_lists_no_chunks)
{
    OK(holog_mkdir(box.store, "g", 0, NULL));
    OK(put_node(node_path("g", HG_NODE_GROUP, 2), "{}"));
    make_array("g/a");
    OK(save_text(box.store, "g/a/notes", "x", 0));
    OK(save_text(box.store, "h", "x", 0));
    lists(0, NULL, "g:1 h:2 ");
    lists(HOLOG_LIST_RECURSIVE, NULL, "g:1 g/a:4 g/a/notes:2 h:2 ");
    lists(HOLOG_LIST_RECURSIVE, "g/a/notes", "h:2 ");
    cr_assert_eq(type_of(box.store, "g"), HOLOG_DIRECTORY);
    cr_assert_eq(type_of(box.store, "g/a"), HOLOG_ARRAY);
    FAILS(HOLOG_E_BADPATH, holog_save(box.store, "g/a/\xff", "x", 1, 0, NULL), NULL);
    FAILS(HOLOG_E_BADPATH, holog_mkdir(box.store, "\xfe\x82", 0, NULL), NULL);
}

Test(node, what_has_no_names_is_empty_and_goes_as_a_whole)
{
    make_array("a");
    OK(save_text(box.store, "a/notes", "x", 0));
    FAILS(HOLOG_E_NOTEMPTY, holog_delete(box.store, "a", NULL), "a");
    OK(holog_delete(box.store, "a/notes", NULL));
    OK(holog_delete(box.store, "a", NULL));
    cr_assert(!has_array("a"));
    make_array("a");
    holog_txn *t = NULL;
    OK(holog_begin(box.store, &t));
    OK(holog_txn_delete(t, "a"));
    OK(holog_commit(t, NULL));
    cr_assert(!has_array("a"));
    lists(HOLOG_LIST_RECURSIVE, NULL, "");
}

Test(node, they_go_where_their_directory_goes)
{
    uint64_t made = 0;

    make_array("a");
    made = holog_last_number(box.store);
    OK(holog_copy(box.store, "a", "b", 0, NULL));
    cr_assert(has_array("a") && has_array("b"));
    OK(holog_move(box.store, "a", "c", 0, NULL));
    cr_assert(!has_array("a") && has_array("c"));
    OK(put_node(chunk_path("c", 0, 0), "other"));
    OK(put_node(chunk_path("c", 7, 0), "more"));
    OK(holog_rollback(box.store, "/", made, NULL));
    cr_assert(has_array("a") && !has_array("b") && !has_array("c"));
    cr_assert_str_eq(node_text(chunk_path("c", 7, 0)), "");
    OK(holog_rollback(box.store, "/", made + 3, NULL));
    cr_assert_str_eq(node_text(chunk_path("c", 0, 0)), "other");
}

static int tell_path(void *ctx, const holog_difference *d)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 100, "%s ", d->path);
    return 0;
}

static int tell_du(void *ctx, const holog_du_entry *e)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 100, "%s:%llu ", e->path,
                   (unsigned long long)e->live_bytes);
    return 0;
}

Test(node, people_are_told_of_them_as_zarr_names_them)
{
    char told[400] = "";
    struct holog_error_detail d;

    make_array("a");
    OK(save_text(box.store, "a/notes", "12345", 0));
    OK(holog_diff(box.store, 0, holog_last_number(box.store), "/", 0, tell_path, told));
    cr_assert_str_eq(told, "a a/notes a/zarr.json a/c/0/0 a/c/0/200 ");
    told[0] = 0;
    OK(holog_diff(box.store, 2, 3, "/", 0, tell_path, told));
    cr_assert_str_eq(told, "a/c/0/0 ");
    told[0] = 0;
    OK(holog_du(box.store, "a", tell_du, told));
    cr_assert_str_eq(told, "a/notes:5 a:16 ");
    cr_assert_eq(put_node(chunk_path("missing", 0, 1), "x"), HOLOG_E_NOENT);
    holog_last_error(&d);
    cr_assert_not_null(strstr(d.message, "missing"), "%s", d.message);
    for (const char *p = d.message; *p != 0; p++)
        cr_assert((unsigned char)*p < 0x80, "%s", d.message);
}

Test(node, a_segment_says_that_it_has_some)
{
    OK(save_text(box.store, "x", "y", 0));
    OK(holog_sync(box.store));
    make_array("a");
    OK(holog_close(box.store));
    lose_checkpoints();
    box_open(&box);
    cr_assert_eq(box.store->recovered.super.feat_incompat & HG_FEATURE_ARRAYS, HG_FEATURE_ARRAYS);
    cr_assert(has_array("a"));
}
