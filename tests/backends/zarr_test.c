/*
 * A store as a Zarr hierarchy. What a test leaves in it is the same after the store is verified and opened again.
 */
#include "holog/zarr.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../store/storekit.h"
#include "base/alloc.h"
#include "base/byteorder.h"
#include "codec/crc32c.h"
#include "holog/versions.h"

static struct box box;

static int is_document(const char *key)
{
    const char *slash = strrchr(key, '/');

    return strcmp(slash != NULL ? slash + 1 : key, "zarr.json") == 0;
}

/* "key=size "; of a document "key ". */
static int append_key(void *ctx, const char *key, uint64_t size)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 4000 - strlen(told), is_document(key) ? "%s " : "%s=%llu ",
                   key, (unsigned long long)size);
    return 0;
}

/* ---- a hierarchy ---------------------------------------------------------------------------------*/

static holog_view *view;

static holog_zarr *open_at(const char *path, unsigned flags)
{
    holog_zarr *z = NULL;

    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, path, flags, &z));
    return z;
}

static holog_zarr *open_zarr(void)
{
    return open_at("/", 0);
}

static void close_zarr(holog_zarr *z)
{
    holog_zarr_close(z);
    holog_view_close(view);
    view = NULL;
}

static const char *all_keys(void)
{
    static char told[4000];
    holog_zarr *z = open_zarr();

    told[0] = 0;
    OK(holog_zarr_list(z, "", append_key, told));
    close_zarr(z);
    return told;
}

/* ---- listings agree ------------------------------------------------------------------------------*/

#define KEYS_MAX 12000

struct keys {
    holog_zarr *z;
    char **key;
    uint64_t *size;
    size_t n;
    const char *prefix; /* of the level at hand */
};

static void keys_begin(struct keys *k, holog_zarr *z)
{
    *k = (struct keys){ .z = z,
                        .key = calloc(KEYS_MAX, sizeof *k->key),
                        .size = calloc(KEYS_MAX, sizeof *k->size) };
    cr_assert(k->key != NULL && k->size != NULL);
}

static void keys_end(struct keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->key[i]);
    free(k->key);
    free(k->size);
}

static int add_key(void *ctx, const char *key, uint64_t size)
{
    struct keys *k = ctx;

    cr_assert_lt(k->n, KEYS_MAX);
    k->key[k->n] = strdup(key);
    k->size[k->n++] = size;
    return 0;
}

static int descend(void *ctx, const char *name, int is_key, int is_prefix, uint64_t size)
{
    struct keys *k = ctx;
    const char *above = k->prefix;
    char key[1000];

    (void)snprintf(key, sizeof key, "%s%s%s", above, above[0] != 0 ? "/" : "", name);
    if (is_key)
        (void)add_key(k, key, size);
    if (is_prefix) {
        k->prefix = key;
        OK(holog_zarr_list_dir(k->z, key, descend, k));
        k->prefix = above;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What levels name is what is listed at once, each key once and there. */
static void listings_agree(unsigned flags)
{
    struct keys all;
    struct keys levels;
    holog_zarr *z = open_at("/", flags);

    keys_begin(&all, z);
    keys_begin(&levels, z);
    OK(holog_zarr_list(z, "", add_key, &all));
    for (size_t i = 0; i < all.n; i += 1 + all.n / 100) {
        holog_zarr_info info = { .struct_size = sizeof info };
        OK(holog_zarr_stat(z, all.key[i], &info));
        cr_assert_eq(info.kind, HOLOG_ZARR_KEY, "%s", all.key[i]);
        cr_assert_eq(info.size_bytes, all.size[i], "%s", all.key[i]);
    }
    levels.prefix = "";
    OK(holog_zarr_list_dir(z, "", descend, &levels));
    cr_assert_eq(all.n, levels.n, "%zu keys at once, %zu level by level", all.n, levels.n);
    qsort(all.key, all.n, sizeof *all.key, by_key);
    qsort(levels.key, levels.n, sizeof *levels.key, by_key);
    for (size_t i = 0; i < all.n; i++) {
        cr_assert_str_eq(all.key[i], levels.key[i]);
        cr_assert(i == 0 || strcmp(all.key[i - 1], all.key[i]) != 0, "%s: twice", all.key[i]);
    }
    keys_end(&all);
    keys_end(&levels);
    close_zarr(z);
}

static int has_round; /* a symlink leads to a directory: by levels there is no end */

static void setup(void)
{
    box_begin(&box);
}

static void teardown(void)
{
    char before[4000];

    (void)snprintf(before, sizeof before, "%s", all_keys());
    box_same_after_reopen(&box);
    cr_assert_str_eq(all_keys(), before, "after it was opened again");
    if (!has_round) {
        listings_agree(0);
        listings_agree(HOLOG_ZARR_CONSOLIDATED);
        listings_agree(HOLOG_ZARR_V2);
    }
    box_end(&box);
}

TestSuite(zarr, .init = setup, .fini = teardown, .timeout = 60);

static int set_bytes(const char *key, const void *data, size_t len)
{
    holog_txn *t = NULL;
    int rc;

    OK(holog_begin(box.store, &t));
    rc = holog_txn_zarr_set(t, "/", key, data, len);
    if (rc == HOLOG_OK)
        return holog_commit(t, NULL);
    holog_abort(t);
    return rc;
}

static int set_text(const char *key, const char *text)
{
    return set_bytes(key, text, strlen(text));
}

static void drop(const char *key)
{
    holog_txn *t = NULL;

    OK(holog_begin(box.store, &t));
    OK(holog_txn_zarr_delete(t, "/", key));
    OK(holog_commit(t, NULL));
}

static void drop_prefix(const char *prefix)
{
    holog_txn *t = NULL;

    OK(holog_begin(box.store, &t));
    OK(holog_txn_zarr_delete_prefix(t, "/", prefix));
    OK(holog_commit(t, NULL));
}

/* The result of getting it; the same by stat and by ranges of every kind. */
static int get(holog_zarr *z, const char *key, char *out, size_t cap, size_t *out_len)
{
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_value *v = NULL;
    int rc = holog_zarr_get(z, key, &v);
    size_t n = 0;

    if (rc < 0)
        return rc;
    n = holog_value_size(v);
    cr_assert_lt(n, cap);
    if (n > 0)
        memcpy(out, holog_value_data(v), n);
    out[n] = 0;
    holog_value_release(v);
    OK(holog_zarr_stat(z, key, &info));
    cr_assert_eq(info.kind, HOLOG_ZARR_KEY, "%s", key);
    cr_assert_eq(info.size_bytes, n, "%s", key);
    *out_len = n;
    return HOLOG_OK;
}

static const char *text_of(const char *key)
{
    static char text[4000];
    holog_zarr *z = open_zarr();
    size_t len = 0;
    int rc = get(z, key, text, sizeof text, &len);

    close_zarr(z);
    return rc == HOLOG_OK ? text : holog_error_name(rc);
}

static int append_name(void *ctx, const char *name, int is_key, int is_prefix, uint64_t size)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 4000 - strlen(told), "%s%s", name, is_prefix ? "/" : "");
    if (is_key && !is_document(name))
        (void)snprintf(told + strlen(told), 4000 - strlen(told), "=%llu", (unsigned long long)size);
    (void)snprintf(told + strlen(told), 4000 - strlen(told), " ");
    return 0;
}

static const char *names_below(const char *prefix)
{
    static char told[4000];
    holog_zarr *z = open_zarr();

    told[0] = 0;
    OK(holog_zarr_list_dir(z, prefix, append_name, told));
    close_zarr(z);
    return told;
}

static const char *keys_below(const char *prefix)
{
    static char told[4000];
    holog_zarr *z = open_zarr();

    told[0] = 0;
    OK(holog_zarr_list(z, prefix, append_key, told));
    close_zarr(z);
    return told;
}

static unsigned kind_of(const char *key)
{
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_zarr *z = open_zarr();

    OK(holog_zarr_stat(z, key, &info));
    close_zarr(z);
    return info.kind;
}

/* ---- documents -----------------------------------------------------------------------------------*/

#define GROUP "{\"zarr_format\":3,\"node_type\":\"group\"}"

/* Of bytes, as they are. */
static const char *array_json(const char *shape, const char *chunk, const char *keys)
{
    static char json[1000];

    (void)snprintf(json, sizeof json,
                   "{\"zarr_format\": 3, \"node_type\": \"array\", \"shape\": [%s],\n"
                   " \"data_type\": \"uint8\", \"fill_value\": 0,\n"
                   " \"chunk_grid\": {\"name\": \"regular\", \"configuration\": "
                   "{\"chunk_shape\": [%s]}},\n"
                   " \"chunk_key_encoding\": {%s},\n"
                   " \"codecs\": [{\"name\": \"bytes\"}]}\n",
                   shape, chunk, keys);
    return json;
}

#define SLASHES    "\"name\": \"default\""
#define DOTS       "\"name\": \"default\", \"configuration\": {\"separator\": \".\"}"
#define V2_DOTS    "\"name\": \"v2\""
#define V2_SLASHES "\"name\": \"v2\", \"configuration\": {\"separator\": \"/\"}"

static const char *plain(void)
{
    return array_json("4, 6", "2, 2", SLASHES);
}

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

Test(zarr, a_shard_of_one_axis_is_found_among_many)
{
    static const char doc[] =
        "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4000],\"data_type\":\"uint8\","
        "\"fill_value\":0,\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{"
        "\"chunk_shape\":[4]}},\"chunk_key_encoding\":{\"name\":\"v2\"},\"codecs\":[{\"name\":"
        "\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[1],\"codecs\":[{\"name\":"
        "\"bytes\"}],\"index_codecs\":[{\"name\":\"bytes\",\"configuration\":{\"endian\":"
        "\"little\"}}]}}]}";
    uint8_t shard[64 + 4];
    char key[20];

    memset(shard, 0xff, sizeof shard);
    shard[0] = 'x';
    hg_put_le64(shard + 1 + 48, 0);
    hg_put_le64(shard + 1 + 56, 1);
    OK(set_text("a/zarr.json", doc));
    for (unsigned i = 0; i < 1000; i += 127) {
        (void)snprintf(key, sizeof key, "a/%u", i);
        OK(set_bytes(key, shard, 65));
    }
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/0=65 a/127=65 a/254=65 a/381=65 a/508=65 "
                                      "a/635=65 a/762=65 a/889=65 ");
    cr_assert_str_eq(names_below("a"), "zarr.json 0=65 127=65 254=65 381=65 508=65 635=65 762=65 "
                                       "889=65 ");
    drop("a/127");
    cr_assert_eq(kind_of("a/127"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("a/1000"), HOLOG_ZARR_MISSING);
    FAILS(HOLOG_E_ISDIR, set_text("a", "x"), "a");
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

/* ---- shards --------------------------------------------------------------------------------------*/

/* 4 x 6 elements in shards of 4 x 4, each with 2 x 2 inner chunks. */
static const char *sharded(const char *index_codecs, const char *location)
{
    static char json[1000];
    const char *plain_one = array_json("4, 6", "4, 4", SLASHES);

    (void)snprintf(
        json, sizeof json,
        "%.*s[{\"name\": \"sharding_indexed\", \"configuration\": {\"chunk_shape\": [2, 2], "
        "\"codecs\": [{\"name\": \"bytes\"}], \"index_codecs\": [{\"name\": \"bytes\", "
        "\"configuration\": {\"endian\": \"little\"}}%s]%s}}]}",
        (int)(strstr(plain_one, "[{\"name\": \"bytes\"}]") - plain_one), plain_one, index_codecs,
        location);
    return json;
}

#define CRC   ", {\"name\": \"crc32c\"}"
#define START ", \"index_location\": \"start\""
#define END   ", \"index_location\": \"end\""

struct layout {
    int start, crc;
    unsigned order[4]; /* in which inner chunks lie in it */
    size_t gap;        /* behind each */
};
static const struct layout ours = { 0, 1, { 0, 1, 2, 3 }, 0 };

/* As the specification says; NULL: the inner chunk is missing. Returns its size. */
static size_t make_shard(const struct layout *l, const char *const inner[4], uint8_t *out)
{
    size_t index_size = 64 + (l->crc ? 4 : 0);
    uint8_t index[68];
    size_t at = l->start ? index_size : 0;

    memset(index, 0xff, sizeof index);
    for (unsigned i = 0; i < 4; i++) {
        unsigned slot = l->order[i];
        if (inner[slot] == NULL)
            continue;
        hg_put_le64(index + (size_t)slot * 16, at);
        hg_put_le64(index + (size_t)slot * 16 + 8, strlen(inner[slot]));
        memcpy(out + at, inner[slot], strlen(inner[slot]));
        at += strlen(inner[slot]);
        memset(out + at, 'g', l->gap);
        at += l->gap;
    }
    if (l->crc)
        hg_put_le32(index + 64, hg_crc32c_portable(index, 64));
    memcpy(out + (l->start ? 0 : at), index, index_size);
    return l->start ? at : at + index_size;
}

/* The key has these bytes, however it is read. */
static void has_bytes(const char *key, const uint8_t *want, size_t len)
{
    holog_zarr *z = open_zarr();
    char got[500];
    size_t n = 0;

    OK(get(z, key, got, sizeof got, &n));
    cr_assert_eq(n, len, "%s: %zu, not %zu", key, n, len);
    cr_assert_arr_eq(got, want, len, "%s", key);
    for (size_t from = 0; from <= len; from++) {
        for (size_t size = 0; size <= len - from + 1; size += size < 3 ? 1 : 7) {
            memset(got, 0, sizeof got);
            OK(holog_zarr_get_range(z, key, from, got, size, &n));
            cr_assert_eq(n, size < len - from ? size : len - from);
            cr_assert_arr_eq(got, want + from, n, "%s: %zu from %zu", key, size, from);
        }
    }
    FAILS(HOLOG_E_RANGE, holog_zarr_get_range(z, key, len + 1, got, 1, &n), key);
    close_zarr(z);
}

static const char *const three[4] = { "zero", "one", NULL, "three" };

static void each_layout(const char *index_codecs, const char *location, const struct layout *l)
{
    uint8_t shard[500];
    struct layout canonical = *l;
    size_t len = make_shard(l, three, shard);

    OK(set_text("a/zarr.json", sharded(index_codecs, location)));
    OK(set_bytes("a/c/0/1", shard, len));
    canonical.gap = 0;
    for (unsigned i = 0; i < 4; i++)
        canonical.order[i] = i;
    len = make_shard(&canonical, three, shard);
    has_bytes("a/c/0/1", shard, len);
    drop_prefix("a");
}

Test(zarr, a_shard_has_the_bytes_of_the_specification_whole_and_in_ranges)
{
    each_layout(CRC, END, &ours);
    each_layout(CRC, "", &ours);
    each_layout(CRC, START, &(struct layout){ 1, 1, { 0, 1, 2, 3 }, 0 });
    each_layout("", END, &(struct layout){ 0, 0, { 0, 1, 2, 3 }, 0 });
    each_layout("", START, &(struct layout){ 1, 0, { 0, 1, 2, 3 }, 0 });
    each_layout(CRC, END, &(struct layout){ 0, 1, { 3, 0, 2, 1 }, 5 });
    each_layout(CRC, START, &(struct layout){ 1, 1, { 1, 3, 2, 0 }, 1 });
}

/* Inner chunks that were written since the commit. */
static int count_difference(void *ctx, const holog_difference *d)
{
    (void)d;
    ++*(int *)ctx;
    return 0;
}

static int changed_since(uint64_t number)
{
    int n = 0;

    OK(holog_diff(box.store, number, holog_last_number(box.store), "/", 0, count_difference, &n));
    return n;
}

Test(zarr, a_shard_that_is_set_is_taken_apart_and_what_it_shares_with_the_last_is_not_written)
{
    const char *inner[4] = { "zero", "one", NULL, "three" };
    uint8_t shard[500];
    size_t len = make_shard(&ours, inner, shard);
    uint64_t before;

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json a/c/0/0=80 ");
    before = holog_last_number(box.store);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_eq(holog_last_number(box.store), before, "nothing to write");
    inner[1] = "ONE";
    inner[2] = "two";
    inner[3] = NULL;
    len = make_shard(&ours, inner, shard);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_eq(changed_since(before), 3);
    has_bytes("a/c/0/0", shard, len);
    memset(inner, 0, sizeof inner);
    len = make_shard(&ours, inner, shard);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json ", "a shard without chunks is missing");
    cr_assert_eq(kind_of("a/c/0/0"), HOLOG_ZARR_MISSING);
    cr_assert_eq(kind_of("a/c"), HOLOG_ZARR_MISSING);
}

Test(zarr, a_torn_shard_is_refused)
{
    uint8_t shard[500];
    uint8_t broken[500];
    size_t len = make_shard(&ours, three, shard);

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    for (size_t cut = 0; cut < len; cut++)
        FAILS(HOLOG_E_INVAL, set_bytes("a/c/0/0", shard, cut), "shard");
    for (size_t i = len - 68; i < len; i++) {
        memcpy(broken, shard, len);
        broken[i] ^= 0x10;
        FAILS(HOLOG_E_INVAL, set_bytes("a/c/0/0", broken, len), "checksum");
    }
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json ");
}

static void set_index(uint8_t *shard, unsigned slot, uint64_t offset, uint64_t size)
{
    hg_put_le64(shard + (size_t)slot * 16, offset);
    hg_put_le64(shard + (size_t)slot * 16 + 8, size);
}

Test(zarr, a_shard_that_lies_is_refused)
{
    static const uint64_t lies[][2] = { { 0, 1000 },          { 1000, 0 }, { UINT64_MAX, 4 },
                                        { 4, UINT64_MAX },    { 0, 13 },   { 68, UINT64_MAX - 60 },
                                        { UINT64_MAX - 3, 8 } };
    uint8_t shard[500];
    size_t len = make_shard(&(struct layout){ 0, 0, { 0, 1, 2, 3 }, 0 }, three, shard);

    OK(set_text("a/zarr.json", sharded("", END)));
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        set_index(shard + len - 64, 0, lies[i][0], lies[i][1]);
        FAILS(HOLOG_E_INVAL, set_bytes("a/c/0/0", shard, len), "shard");
    }
    cr_assert_str_eq(all_keys(), "zarr.json a/zarr.json ");
}

Test(zarr, shards_are_listed_as_the_chunks_that_they_are)
{
    const char *last[4] = { NULL, NULL, NULL, "x" };
    uint8_t shard[500];
    size_t len = make_shard(&ours, three, shard);
    char before[500];

    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/1", shard, len));
    len = make_shard(&ours, last, shard);
    OK(set_bytes("a/c/0/0", shard, len));
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c/0/0=69 a/c/0/1=80 ");
    cr_assert_str_eq(names_below("a"), "zarr.json c/ ");
    cr_assert_str_eq(names_below("a/c"), "0/ ");
    cr_assert_str_eq(names_below("a/c/0"), "0=69 1=80 ");
    (void)snprintf(before, sizeof before, "%s", sharded(CRC, END));
    memcpy(strstr(before, "[4, 6]"), "[4, 4]", 6);
    OK(set_text("a/zarr.json", before));
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c/0/0=69 ");
    memcpy(strstr(before, "[4, 4]"), "[3, 3]", 6);
    OK(set_text("a/zarr.json", before));
    cr_assert_str_eq(keys_below("a"), "a/zarr.json a/c/0/0=69 ", "a part of its chunk is inside");
    drop("a/c/0/0");
    cr_assert_str_eq(keys_below("a"), "a/zarr.json ");
}

Test(zarr, shards_in_other_codecs_are_kept_as_they_come)
{
    static char json[1200];
    const char *in = sharded(CRC, END);

    (void)snprintf(json, sizeof json, "%.*s, {\"name\": \"crc32c\"}]}", (int)strlen(in) - 2, in);
    OK(set_text("a/zarr.json", json));
    OK(set_text("a/c/0/0", "whatever it is"));
    cr_assert_str_eq(text_of("a/c/0/0"), "whatever it is");
}

Test(zarr, a_shard_may_be_larger_than_what_is_kept_in_frames)
{
    const size_t size = 150000;
    char *large = malloc(size + 1);
    uint8_t *shard = malloc(4 * size);
    const char *inner[4] = { "zero", large, NULL, large };
    holog_zarr *z;
    holog_value *v = NULL;
    size_t len;
    uint8_t part[100];

    cr_assert(large != NULL && shard != NULL);
    for (size_t i = 0; i < size; i++)
        large[i] = (char)('a' + i % 23);
    large[size] = 0;
    len = make_shard(&ours, inner, shard);
    OK(set_text("a/zarr.json", sharded(CRC, END)));
    OK(set_bytes("a/c/0/0", shard, len));
    z = open_zarr();
    OK(holog_zarr_get(z, "a/c/0/0", &v));
    cr_assert_eq(holog_value_size(v), len);
    cr_assert_eq(memcmp(holog_value_data(v), shard, len), 0);
    holog_value_release(v);
    OK(holog_zarr_get_range(z, "a/c/0/0", size - 50, part, sizeof part, NULL));
    cr_assert_arr_eq(part, shard + size - 50, sizeof part);
    close_zarr(z);
    free(large);
    free(shard);
}

/* A key: an array, and two indexes of which some are beyond the grid. */
static void spell(const char *form, unsigned r, char *out)
{
    for (; *form != 0; form++)
        *out++ = *form == 'A'   ? (char)('0' + r % 5)
                 : *form == 'Y' ? (char)('0' + (r >> 5) % 3)
                 : *form == 'X' ? (char)('0' + (r >> 10) % 4)
                                : *form;
    *out = 0;
}

Test(zarr, whatever_is_set_and_deleted_levels_and_lists_agree)
{
    static const char *const keys[] = { SLASHES, DOTS, V2_DOTS, V2_SLASHES };
    static const char *const forms[] = { "aA/c/Y/X", "aA/c.Y.X",           "aA/Y.X",
                                         "aA/Y/X",   "aA/c/0Y/X",          "aA/c/Y/Xx",
                                         "aA/Y/xX",  "aA/c/Y/X/zarr.json", "aA/c/Y" };
    uint64_t seed = test_seed();
    const char *none[4] = { NULL, NULL, NULL, NULL };
    uint8_t shard[500];

    for (unsigned i = 0; i < 4; i++) {
        char key[30];
        (void)snprintf(key, sizeof key, "a%u/zarr.json", i);
        OK(set_text(key, array_json("4, 6", "2, 2", keys[i])));
    }
    OK(set_text("a4/zarr.json", sharded(CRC, END)));
    for (unsigned n = 0; n < 300; n++) {
        char key[60];
        uint64_t r = seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned form = (unsigned)(r >> 33) % 9;
        size_t len;
        int rc;
        spell(forms[form], (unsigned)(r >> 40), key);
        none[(r >> 55) % 4] = (r >> 57) % 2 != 0 ? "inner" : NULL;
        len = make_shard(&ours, none, shard);
        if ((r >> 60) % 3 == 0)
            drop(key);
        else if (strstr(key, "zarr.json") == NULL) {
            rc = set_bytes(key, shard, len);
            cr_assert(rc == HOLOG_OK || rc == HOLOG_E_ISDIR || rc == HOLOG_E_NOTDIR, "%s: %s", key,
                      holog_error_name(rc));
        }
        if (n % 30 == 0) {
            listings_agree(0);
            listings_agree(HOLOG_ZARR_V2);
        }
    }
}

/* ---- Zarr v2 -------------------------------------------------------------------------------------*/

static const char *get_at(unsigned flags, const char *key)
{
    static char text[4000];
    holog_zarr *z = open_at("/", flags);
    size_t len = 0;
    int rc = get(z, key, text, sizeof text, &len);

    close_zarr(z);
    return rc == HOLOG_OK ? text : holog_error_name(rc);
}

static const char *as_v2(const char *key)
{
    return get_at(HOLOG_ZARR_V2, key);
}

/* An array of two axes, 4 x 6 in chunks of 2 x 2. */
static int set_array(const char *key, const char *type, const char *fill, const char *codecs,
                     const char *more)
{
    char json[1000];

    (void)
        snprintf(json, sizeof json,
                 "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4,6],\"data_type\":\"%s\","
                 "\"fill_value\":%s,\"chunk_grid\":{\"name\":\"regular\",\"configuration\":"
                 "{\"chunk_shape\":[2,2]}},\"chunk_key_encoding\":{\"name\":\"default\"},"
                 "\"codecs\":[%s]%s}",
                 type, fill, codecs, more);
    return set_text(key, json);
}

#define LITTLE "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}"

static void twin(const char *type, const char *fill, const char *codecs, const char *want)
{
    char all[1000];

    OK(set_array("a/zarr.json", type, fill, codecs, ""));
    (void)snprintf(all, sizeof all,
                   "{\"zarr_format\":2,\"shape\":[4,6],\"chunks\":[2,2],%s,"
                   "\"dimension_separator\":\"/\"}",
                   want);
    cr_assert_str_eq(as_v2("a/.zarray"), all);
}

Test(zarr, an_array_of_v3_is_one_of_v2)
{
    twin("uint16", "7", LITTLE,
         "\"dtype\":\"<u2\",\"fill_value\":7,\"filters\":null,\"compressor\":null,"
         "\"order\":\"C\"");
    twin("uint64", "18446744073709551615",
         LITTLE ",{\"name\":\"zstd\",\"configuration\":{\"level\":3,\"checksum\":false}}",
         "\"dtype\":\"<u8\",\"fill_value\":18446744073709551615,\"filters\":null,"
         "\"compressor\":{\"id\":\"zstd\",\"level\":3},\"order\":\"C\"");
    twin("float32", "\"NaN\"",
         LITTLE ",{\"name\":\"numcodecs.lz4\",\"configuration\":{\"acceleration\":2}}",
         "\"dtype\":\"<f4\",\"fill_value\":\"NaN\",\"filters\":null,"
         "\"compressor\":{\"id\":\"lz4\",\"acceleration\":2},\"order\":\"C\"");
    twin("float32", "\"0x7fc00001\"",
         "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}}," LITTLE
         ",{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":4}},"
         "{\"name\":\"gzip\",\"configuration\":{\"level\":5}}",
         "\"dtype\":\"<f4\",\"fill_value\":\"NaN\","
         "\"filters\":[{\"id\":\"shuffle\",\"elementsize\":4}],"
         "\"compressor\":{\"id\":\"gzip\",\"level\":5},\"order\":\"F\"");
    twin("r24", "[1,2,255]", "{\"name\":\"bytes\"}",
         "\"dtype\":\"|V3\",\"fill_value\":\"AQL/\",\"filters\":null,\"compressor\":null,"
         "\"order\":\"C\"");
    twin("r32", "[0,0,0,1]", "{\"name\":\"bytes\"}",
         "\"dtype\":\"|V4\",\"fill_value\":\"AAAAAQ==\",\"filters\":null,"
         "\"compressor\":null,\"order\":\"C\"");
    twin("complex64", "[\"-Infinity\",\"0x7fc00001\"]", LITTLE,
         "\"dtype\":\"<c8\",\"fill_value\":[\"-Infinity\",\"NaN\"],\"filters\":null,"
         "\"compressor\":null,\"order\":\"C\"");
    twin("bool", "true",
         "{\"name\":\"bytes\"},{\"name\":\"blosc\",\"configuration\":{\"cname\":\"lz4\","
         "\"clevel\":5,\"shuffle\":\"bitshuffle\",\"typesize\":1,\"blocksize\":0}}",
         "\"dtype\":\"|b1\",\"fill_value\":true,\"filters\":null,\"compressor\":"
         "{\"id\":\"blosc\",\"cname\":\"lz4\",\"clevel\":5,\"shuffle\":2,"
         "\"blocksize\":0},\"order\":\"C\"");
}

Test(zarr, an_array_whose_chunks_would_be_other_bytes_is_not_in_v2)
{
    static const char *const codecs[] = {
        "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"big\"}}",
        LITTLE ",{\"name\":\"crc32c\"}",
        LITTLE ",{\"name\":\"zstd\"},{\"name\":\"gzip\"}",
        LITTLE ",{\"name\":\"zstd\"},{\"name\":\"numcodecs.shuffle\"}",
        "{\"name\":\"transpose\",\"configuration\":{\"order\":[0,1]}}," LITTLE,
        LITTLE ",{\"name\":\"new\"}",
    };
    holog_zarr_info info = { .struct_size = sizeof info };
    char told[4000];
    holog_zarr *z;

    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        OK(set_array("a/zarr.json", "uint16", "0", codecs[i], ",\"attributes\":{\"x\":1}"));
        OK(set_text("a/c/0/0", "00"));
        OK(set_text("a/notes", "x"));
        cr_assert_str_eq(as_v2("a/.zarray"), "HOLOG_E_NOTSUP", "%s", codecs[i]);
        cr_assert_str_eq(as_v2("a/.zattrs"), "HOLOG_E_NOTSUP", "%s", codecs[i]);
        z = open_at("/", HOLOG_ZARR_V2);
        FAILS(HOLOG_E_NOTSUP, holog_zarr_stat(z, "a/0/0", &info), "a/0/0");
        told[0] = 0;
        OK(holog_zarr_list(z, "a", append_key, told));
        cr_assert_str_eq(told, "a/notes=1 ");
        close_zarr(z);
        drop_prefix("a");
    }
}

#define NAMED ",\"dimension_names\":[\"y\",\"x\"],\"attributes\":{\"unit\":\"\xc2\xb5m/s\"}"

static void make_v2(void)
{
    OK(set_text("g/zarr.json",
                "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"k\":[1]}}"));
    OK(set_array("g/a/zarr.json", "uint8", "0", "{\"name\":\"bytes\"}", NAMED));
    OK(set_text("g/a/c/0/2", "0202"));
    OK(set_text("g/a/c/1/0", "1010"));
    OK(set_text("g/text", "x"));
}

Test(zarr, the_same_entries_have_the_keys_of_v2)
{
    char told[4000] = "";
    holog_zarr *z;

    make_v2();
    cr_assert_str_eq(as_v2(".zgroup"), "{\"zarr_format\":2}");
    cr_assert_str_eq(as_v2(".zattrs"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/.zgroup"), "{\"zarr_format\":2}");
    cr_assert_str_eq(as_v2("g/.zattrs"), "{\"k\":[1]}");
    cr_assert_str_eq(as_v2("g/.zarray"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/.zmetadata"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/a/.zattrs"),
                     "{\"unit\":\"\xc2\xb5m/s\",\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}");
    cr_assert_str_eq(as_v2("g/a/.zgroup"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/a/0/2"), "0202");
    cr_assert_str_eq(as_v2("g/a/c/0/2"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("g/a/zarr.json"), "HOLOG_E_NOENT");
    cr_assert_str_eq(as_v2("zarr.json"), "HOLOG_E_NOENT");
    z = open_at("/", HOLOG_ZARR_V2);
    OK(holog_zarr_list(z, "g", append_key, told));
    cr_assert_str_eq(told, "g/.zgroup=17 g/.zattrs=9 g/a/.zarray=146 g/a/.zattrs=46 g/a/0/2=4 "
                           "g/a/1/0=4 g/text=1 ");
    told[0] = 0;
    OK(holog_zarr_list_dir(z, "g/a", append_name, told));
    cr_assert_str_eq(told, ".zarray=146 .zattrs=46 0/ 1/ ");
    close_zarr(z);
}

Test(zarr, consolidated_metadata_is_that_of_the_view)
{
    make_v2();
    OK(set_array("g/b/zarr.json", "uint8", "0", "{\"name\":\"new\"}", ""));
    cr_assert_str_eq(
        as_v2(".zmetadata"),
        "{\"metadata\":{\".zgroup\":{\"zarr_format\":2},"
        "\"g/.zgroup\":{\"zarr_format\":2},\"g/.zattrs\":{\"k\":[1]},"
        "\"g/a/.zarray\":{\"zarr_format\":2,\"shape\":[4,6],\"chunks\":[2,2],"
        "\"dtype\":\"|u1\",\"fill_value\":0,\"filters\":null,\"compressor\":null,"
        "\"order\":\"C\",\"dimension_separator\":\"/\"},"
        "\"g/a/.zattrs\":{\"unit\":\"\xc2\xb5m/s\",\"_ARRAY_DIMENSIONS\":[\"y\",\"x\"]}},"
        "\"zarr_consolidated_format\":1}");
    drop_prefix("g/a");
    drop_prefix("g/b");
    OK(holog_mkdir(box.store, "h", 0, NULL));
    cr_assert_str_eq(
        get_at(HOLOG_ZARR_CONSOLIDATED, "zarr.json"),
        "{\"zarr_format\":3,\"node_type\":\"group\",\"consolidated_metadata\":{\"metadata\":"
        "{\"g\":{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"k\":[1]}},"
        "\"h\":{\"zarr_format\":3,\"node_type\":\"group\"}},\"kind\":\"inline\","
        "\"must_understand\":false}}");
    OK(set_text("zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{},"
                             "\"consolidated_metadata\":{\"old\":1}}"));
    cr_assert_null(strstr(get_at(HOLOG_ZARR_CONSOLIDATED, "zarr.json"), "old"));
    cr_assert_not_null(strstr(get_at(HOLOG_ZARR_CONSOLIDATED, "zarr.json"), "\"attributes\":{}"));
    cr_assert_not_null(strstr(text_of("zarr.json"), "old"), "asked for without it: as it is");
    cr_assert_null(strstr(get_at(HOLOG_ZARR_CONSOLIDATED, "g/zarr.json"), "consolidated"));
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
    close_zarr(z);
    free(endless);
}
