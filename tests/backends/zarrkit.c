/*
 * See zarrkit.h.
 */
#include "zarrkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "codec/crc32c.h"

struct box box;

static int is_document(const char *key)
{
    const char *slash = strrchr(key, '/');

    return strcmp(slash != NULL ? slash + 1 : key, "zarr.json") == 0;
}

/* "key=size "; of a document "key ". */
int append_key(void *ctx, const char *key, uint64_t size)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 4000 - strlen(told), is_document(key) ? "%s " : "%s=%llu ",
                   key, (unsigned long long)size);
    return 0;
}

/* ---- a hierarchy ---------------------------------------------------------------------------------*/

holog_view *view;

holog_zarr *open_at(const char *path, unsigned flags)
{
    holog_zarr *z = NULL;

    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, path, flags, &z));
    return z;
}

holog_zarr *open_zarr(void)
{
    return open_at("/", 0);
}

void close_zarr(holog_zarr *z)
{
    holog_zarr_close(z);
    holog_view_close(view);
    view = NULL;
}

const char *all_keys(void)
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
void listings_agree(unsigned flags)
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

int has_round;

void zarr_setup(void)
{
    box_begin(&box);
}

void zarr_teardown(void)
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

int set_bytes(const char *key, const void *data, size_t len)
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

int set_text(const char *key, const char *text)
{
    return set_bytes(key, text, strlen(text));
}

void drop(const char *key)
{
    holog_txn *t = NULL;

    OK(holog_begin(box.store, &t));
    OK(holog_txn_zarr_delete(t, "/", key));
    OK(holog_commit(t, NULL));
}

void drop_prefix(const char *prefix)
{
    holog_txn *t = NULL;

    OK(holog_begin(box.store, &t));
    OK(holog_txn_zarr_delete_prefix(t, "/", prefix));
    OK(holog_commit(t, NULL));
}

void both_agree(holog_zarr *z, const char *key)
{
    holog_zarr_info one = { .struct_size = sizeof one };
    holog_zarr_info both = { .struct_size = sizeof both };
    holog_value *value = NULL;
    holog_value *whole = NULL;

    OK(holog_zarr_stat(z, key, &one));
    OK(holog_zarr_stat_get(z, key, &both, &value));
    cr_assert_arr_eq(&one, &both, sizeof one, "%s", key);
    cr_assert_eq(value != NULL, one.kind == HOLOG_ZARR_KEY, "%s", key);
    if (value != NULL) {
        OK(holog_zarr_get(z, key, &whole));
        cr_assert_eq(holog_value_size(value), holog_value_size(whole), "%s", key);
        if (holog_value_size(value) > 0)
            cr_assert_arr_eq(holog_value_data(value), holog_value_data(whole),
                             holog_value_size(whole), "%s", key);
    }
    holog_value_release(value);
    holog_value_release(whole);
}

/* The result of getting it; the same by stat and by ranges of every kind. */
int get_key(holog_zarr *z, const char *key, char *out, size_t cap, size_t *out_len)
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
    both_agree(z, key);
    *out_len = n;
    return HOLOG_OK;
}

const char *text_of(const char *key)
{
    static char text[4000];
    holog_zarr *z = open_zarr();
    size_t len = 0;
    int rc = get_key(z, key, text, sizeof text, &len);

    close_zarr(z);
    return rc == HOLOG_OK ? text : holog_error_name(rc);
}

int append_name(void *ctx, const char *name, int is_key, int is_prefix, uint64_t size)
{
    char *told = ctx;

    (void)snprintf(told + strlen(told), 4000 - strlen(told), "%s%s", name, is_prefix ? "/" : "");
    if (is_key && !is_document(name))
        (void)snprintf(told + strlen(told), 4000 - strlen(told), "=%llu", (unsigned long long)size);
    (void)snprintf(told + strlen(told), 4000 - strlen(told), " ");
    return 0;
}

const char *names_below(const char *prefix)
{
    static char told[4000];
    holog_zarr *z = open_zarr();

    told[0] = 0;
    OK(holog_zarr_list_dir(z, prefix, append_name, told));
    close_zarr(z);
    return told;
}

const char *keys_below(const char *prefix)
{
    static char told[4000];
    holog_zarr *z = open_zarr();

    told[0] = 0;
    OK(holog_zarr_list(z, prefix, append_key, told));
    close_zarr(z);
    return told;
}

unsigned kind_of(const char *key)
{
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_zarr *z = open_zarr();

    OK(holog_zarr_stat(z, key, &info));
    both_agree(z, key);
    close_zarr(z);
    return info.kind;
}

/* ---- documents -----------------------------------------------------------------------------------*/

/* Of bytes, as they are. */
const char *array_json(const char *shape, const char *chunk, const char *keys)
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

const char *plain(void)
{
    return array_json("4, 6", "2, 2", SLASHES);
}

/* ---- shards --------------------------------------------------------------------------------------*/

/* 4 x 6 elements in shards of 4 x 4, each with 2 x 2 inner chunks. */
const char *sharded(const char *index_codecs, const char *location)
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

const struct layout ours = { 0, 1, { 0, 1, 2, 3 }, 0 };

/* As the specification says; NULL: the inner chunk is missing. Returns its size. */
size_t make_shard(const struct layout *l, const char *const inner[4], uint8_t *out)
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

const char *const three[4] = { "zero", "one", NULL, "three" };
