/*
 * LevelDB by its C API.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leveldb/c.h>

#include "engine.h"
#include "util.h"

#define CACHE_BYTES  GIB
#define WRITE_BUFFER (64 * MIB)

struct db {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_writeoptions_t *write;
    leveldb_writeoptions_t *write_sync;
};

struct worker {
    struct db *db;
    leveldb_readoptions_t *read;
    const leveldb_snapshot_t *snapshot; /* readers */
    leveldb_writebatch_t *batch;
};

static int fail(const char *what, char *message)
{
    (void)bench_fail("leveldb %s: %s", what, message);
    leveldb_free(message);
    return -1;
}

static void version(char *out, size_t size)
{
    (void)snprintf(out, size, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void release(struct db *d)
{
    if (d->db != NULL)
        leveldb_close(d->db);
    leveldb_writeoptions_destroy(d->write);
    leveldb_writeoptions_destroy(d->write_sync);
    leveldb_options_destroy(d->options);
    leveldb_cache_destroy(d->cache);
    leveldb_filterpolicy_destroy(d->filter);
    free(d);
}

static int open_db(const char *dir, const struct bench_how *how, void **out_db)
{
    char *message = NULL;
    struct db *d = bench_alloc(sizeof *d);

    d->options = leveldb_options_create();
    d->cache =
        leveldb_cache_create_lru(how->budget_bytes != 0 ? how->budget_bytes / 2 : CACHE_BYTES);
    d->filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_create_if_missing(d->options, 1);
    leveldb_options_set_compression(d->options, leveldb_no_compression);
    leveldb_options_set_cache(d->options, d->cache);
    leveldb_options_set_filter_policy(d->options, d->filter);
    leveldb_options_set_write_buffer_size(d->options, how->budget_bytes != 0 ? how->budget_bytes / 8
                                                                             : WRITE_BUFFER);
    d->write = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(d->write, how->flags & BENCH_OPEN_LAZY ? 0 : 1);
    d->write_sync = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(d->write_sync, 1);
    d->db = leveldb_open(d->options, dir, &message);
    if (message != NULL) {
        d->db = NULL;
        release(d);
        return fail("open", message);
    }
    *out_db = d;
    return 0;
}

static int close_db(void *arg)
{
    release(arg);
    return 0;
}

/* LevelDB has no sync: an empty batch written with sync=1 syncs the live log. */
static int sync_db(void *arg)
{
    struct db *d = arg;
    char *message = NULL;
    leveldb_writebatch_t *empty = leveldb_writebatch_create();

    leveldb_write(d->db, d->write_sync, empty, &message);
    leveldb_writebatch_destroy(empty);
    return message == NULL ? 0 : fail("write", message);
}

static int worker_open(void *arg, enum bench_worker_kind kind, void **out_worker)
{
    struct worker *w = bench_alloc(sizeof *w);

    w->db = arg;
    w->read = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(w->read, 1);
    if (kind == BENCH_READER) {
        w->snapshot = leveldb_create_snapshot(w->db->db);
        leveldb_readoptions_set_snapshot(w->read, w->snapshot);
    }
    w->batch = leveldb_writebatch_create();
    *out_worker = w;
    return 0;
}

static void worker_close(void *arg)
{
    struct worker *w = arg;

    leveldb_writebatch_destroy(w->batch);
    leveldb_readoptions_destroy(w->read);
    if (w->snapshot != NULL)
        leveldb_release_snapshot(w->db->db, w->snapshot);
    free(w);
}

static int put(void *arg, const struct bench_item *item)
{
    struct worker *w = arg;
    char *message = NULL;

    leveldb_put(w->db->db, w->db->write, item->key, strlen(item->key), item->data, item->len_bytes,
                &message);
    return message == NULL ? 0 : fail("put", message);
}

static int put_batch(void *arg, const struct bench_item *items, size_t count)
{
    struct worker *w = arg;
    char *message = NULL;

    leveldb_writebatch_clear(w->batch);
    for (size_t i = 0; i < count; i++)
        leveldb_writebatch_put(w->batch, items[i].key, strlen(items[i].key), items[i].data,
                               items[i].len_bytes);
    leveldb_write(w->db->db, w->db->write, w->batch, &message);
    return message == NULL ? 0 : fail("write", message);
}

static int borrow(void *arg, const char *key, bench_use_fn use, void *ctx)
{
    struct worker *w = arg;
    char *message = NULL;
    size_t len = 0;
    char *data = leveldb_get(w->db->db, w->read, key, strlen(key), &len, &message);

    if (message != NULL)
        return fail("get", message);
    if (data == NULL)
        return bench_fail("leveldb: no %s", key);
    use(ctx, data, len);
    leveldb_free(data);
    return 0;
}

static int get(void *arg, const char *key, void *buf, size_t size, size_t *out_len)
{
    struct worker *w = arg;
    char *message = NULL;
    size_t len = 0;
    char *data = leveldb_get(w->db->db, w->read, key, strlen(key), &len, &message);

    if (message != NULL)
        return fail("get", message);
    if (data == NULL)
        return bench_fail("leveldb: no %s", key);
    *out_len = len < size ? len : size;
    memcpy(buf, data, *out_len);
    leveldb_free(data);
    return 0;
}

static int list(void *arg, const char *dir, uint64_t *out_count)
{
    struct worker *w = arg;
    char prefix[BENCH_KEY_MAX];
    size_t prefix_len = (size_t)snprintf(prefix, sizeof prefix, "%s/", dir);
    uint64_t count = 0;
    uint64_t sum = 0;
    leveldb_iterator_t *it = leveldb_create_iterator(w->db->db, w->read);

    for (leveldb_iter_seek(it, prefix, prefix_len); leveldb_iter_valid(it); leveldb_iter_next(it)) {
        size_t len = 0;
        const char *key = leveldb_iter_key(it, &len);
        if (len < prefix_len || memcmp(key, prefix, prefix_len) != 0)
            break;
        sum += (unsigned char)key[len - 1] + len;
        count++;
    }
    leveldb_iter_destroy(it);
    bench_keep_result(sum);
    *out_count = count;
    return 0;
}

const struct bench_engine bench_engine_leveldb = {
    .name = "leveldb",
    .settings = "defaults, but: no compression, 1 GiB cache, bloom filter of 10 bits, 64 MiB write "
                "buffer, checksums verified; sync=1, or sync=0 and one synced empty batch at the "
                "end of a load",
    .can = BENCH_CAN_ALL,
    .version = version,
    .open = open_db,
    .close = close_db,
    .sync = sync_db,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .put = put,
    .put_batch = put_batch,
    .get = get,
    .borrow = borrow,
    .list = list,
};
