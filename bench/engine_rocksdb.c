/*
 * RocksDB by its C API, plain and with blob files (BlobDB) for values from 4 KiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rocksdb/c.h>

#include "engine.h"
#include "util.h"

#ifndef BENCH_ROCKSDB_VERSION
#define BENCH_ROCKSDB_VERSION "unknown"
#endif
#define CACHE_BYTES GIB
#define BLOB_MIN    4096
#define GC_FORCE    0.5

struct db {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write;
};

struct worker {
    struct db *db;
    rocksdb_readoptions_t *read;
    const rocksdb_snapshot_t *snapshot; /* readers */
    rocksdb_writebatch_t *batch;        /* writers */
};

static int fail(const char *what, char *message)
{
    (void)bench_fail("rocksdb %s: %s", what, message);
    rocksdb_free(message);
    return -1;
}

static void version(char *out, size_t size)
{
    (void)snprintf(out, size, "%s", BENCH_ROCKSDB_VERSION);
}

/* Of the oldest quarter of blob files, which is the default; and, what is not, as soon as half of that is garbage. */
static void collect_garbage(rocksdb_options_t *options)
{
    rocksdb_options_set_enable_blob_gc(options, 1);
    rocksdb_options_set_blob_gc_age_cutoff(options, 0.25);
    rocksdb_options_set_blob_gc_force_threshold(options, GC_FORCE);
}

static void set_options(struct db *d, const struct bench_how *how, int blobs)
{
    size_t cache = how->budget_bytes != 0 ? how->budget_bytes / 2 : CACHE_BYTES;

    d->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(d->options, 1);
    rocksdb_options_set_compression(d->options, rocksdb_no_compression);
    rocksdb_options_increase_parallelism(d->options, (int)sysconf(_SC_NPROCESSORS_ONLN));
    if (how->budget_bytes != 0)
        rocksdb_options_set_write_buffer_size(d->options, how->budget_bytes / 8);
    if (blobs) {
        rocksdb_options_set_enable_blob_files(d->options, 1);
        rocksdb_options_set_min_blob_size(d->options, BLOB_MIN);
        if (how->flags & BENCH_OPEN_CHURN)
            collect_garbage(d->options);
    }
    d->table = rocksdb_block_based_options_create();
    d->cache = rocksdb_cache_create_lru(cache);
    rocksdb_block_based_options_set_block_cache(d->table, d->cache);
    rocksdb_block_based_options_set_filter_policy(d->table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(d->options, d->table);
    d->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(d->write, how->flags & BENCH_OPEN_LAZY ? 0 : 1);
}

static void release(struct db *d)
{
    if (d->db != NULL)
        rocksdb_close(d->db);
    rocksdb_writeoptions_destroy(d->write);
    rocksdb_options_destroy(d->options);
    rocksdb_block_based_options_destroy(d->table);
    rocksdb_cache_destroy(d->cache);
    free(d);
}

static int open_db(const char *dir, const struct bench_how *how, int blobs, void **out_db)
{
    char *message = NULL;
    struct db *d = bench_alloc(sizeof *d);

    set_options(d, how, blobs);
    d->db = rocksdb_open(d->options, dir, &message);
    if (message != NULL) {
        d->db = NULL;
        release(d);
        return fail("open", message);
    }
    *out_db = d;
    return 0;
}

static int open_plain(const char *dir, const struct bench_how *how, void **out_db)
{
    return open_db(dir, how, 0, out_db);
}

static int open_blobs(const char *dir, const struct bench_how *how, void **out_db)
{
    return open_db(dir, how, 1, out_db);
}

static int close_db(void *arg)
{
    release(arg);
    return 0;
}

static int sync_db(void *arg)
{
    struct db *d = arg;
    char *message = NULL;

    rocksdb_flush_wal(d->db, 1, &message);
    return message == NULL ? 0 : fail("flush_wal", message);
}

static int worker_open(void *arg, enum bench_worker_kind kind, void **out_worker)
{
    struct worker *w = bench_alloc(sizeof *w);

    w->db = arg;
    w->read = rocksdb_readoptions_create();
    if (kind == BENCH_READER) {
        w->snapshot = rocksdb_create_snapshot(w->db->db);
        rocksdb_readoptions_set_snapshot(w->read, w->snapshot);
    }
    w->batch = rocksdb_writebatch_create();
    *out_worker = w;
    return 0;
}

static void worker_close(void *arg)
{
    struct worker *w = arg;

    rocksdb_writebatch_destroy(w->batch);
    rocksdb_readoptions_destroy(w->read);
    if (w->snapshot != NULL)
        rocksdb_release_snapshot(w->db->db, w->snapshot);
    free(w);
}

static int put(void *arg, const struct bench_item *item)
{
    struct worker *w = arg;
    char *message = NULL;

    rocksdb_put(w->db->db, w->db->write, item->key, strlen(item->key), item->data, item->len_bytes,
                &message);
    return message == NULL ? 0 : fail("put", message);
}

static int put_batch(void *arg, const struct bench_item *items, size_t count)
{
    struct worker *w = arg;
    char *message = NULL;

    rocksdb_writebatch_clear(w->batch);
    for (size_t i = 0; i < count; i++)
        rocksdb_writebatch_put(w->batch, items[i].key, strlen(items[i].key), items[i].data,
                               items[i].len_bytes);
    rocksdb_write(w->db->db, w->db->write, w->batch, &message);
    return message == NULL ? 0 : fail("write", message);
}

static int borrow(void *arg, const char *key, bench_use_fn use, void *ctx)
{
    struct worker *w = arg;
    char *message = NULL;
    size_t len = 0;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned(w->db->db, w->read, key, strlen(key), &message);

    if (message != NULL)
        return fail("get", message);
    if (slice == NULL)
        return bench_fail("rocksdb: no %s", key);
    const char *data = rocksdb_pinnableslice_value(slice, &len);
    use(ctx, data, len);
    rocksdb_pinnableslice_destroy(slice);
    return 0;
}

struct copy {
    void *to;
    size_t size;
    size_t len;
};

static void copy_out(void *ctx, const void *data, size_t len_bytes)
{
    struct copy *c = ctx;

    c->len = len_bytes < c->size ? len_bytes : c->size;
    memcpy(c->to, data, c->len);
}

static int get(void *arg, const char *key, void *buf, size_t size, size_t *out_len)
{
    struct copy c = { .to = buf, .size = size };

    if (borrow(arg, key, copy_out, &c) != 0)
        return -1;
    *out_len = c.len;
    return 0;
}

static int list(void *arg, const char *dir, uint64_t *out_count)
{
    struct worker *w = arg;
    char prefix[BENCH_KEY_MAX];
    size_t prefix_len = (size_t)snprintf(prefix, sizeof prefix, "%s/", dir);
    uint64_t count = 0;
    uint64_t sum = 0;
    rocksdb_iterator_t *it = rocksdb_create_iterator(w->db->db, w->read);

    for (rocksdb_iter_seek(it, prefix, prefix_len); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t len = 0;
        const char *key = rocksdb_iter_key(it, &len);
        if (len < prefix_len || memcmp(key, prefix, prefix_len) != 0)
            break;
        sum += (unsigned char)key[len - 1] + len;
        count++;
    }
    rocksdb_iter_destroy(it);
    bench_keep_result(sum);
    *out_count = count;
    return 0;
}

const struct bench_engine bench_engine_rocksdb = {
    .name = "rocksdb",
    .settings = "defaults, but: no compression, 1 GiB block cache, full bloom filter of 10 bits, "
                "background jobs for all cores; sync=1, or sync=0 and one flush_wal(sync) at the "
                "end of a load",
    .can = BENCH_CAN_ALL,
    .version = version,
    .open = open_plain,
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

const struct bench_engine bench_engine_blobdb = {
    .name = "rocksdb-blob",
    .settings =
        "as rocksdb, with blob files for values from 4 KiB; only where values are large. churn: "
        "garbage of the oldest quarter of blob files is collected (age cutoff 0.25), forced "
        "from 0.5 on",
    .can = BENCH_CAN_LARGE | BENCH_CAN_LOAD | BENCH_CAN_BUDGET | BENCH_CAN_IMAGES |
           BENCH_CAN_BULK_IMAGES | BENCH_CAN_CHURN,
    .version = version,
    .open = open_blobs,
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
