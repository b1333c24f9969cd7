/*
 * LMDB. A reader holds one read transaction; a borrowed value is a pointer into the map, which
 * LMDB neither copies nor verifies (it keeps no checksums).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>

#include "engine.h"
#include "util.h"

#define MAP_BYTES (64 * GIB) /* address space, not disk: the file grows as it is written */

struct db {
    MDB_env *env;
    MDB_dbi dbi;
};

struct worker {
    struct db *db;
    MDB_txn *txn; /* readers */
};

static int fail(const char *what, int rc)
{
    return bench_fail("lmdb %s: %s", what, mdb_strerror(rc));
}

static void version(char *out, size_t size)
{
    (void)snprintf(out, size, "%d.%d.%d", MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
}

static int open_table(struct db *d)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(d->env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, &d->dbi);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int open_db(const char *dir, const struct bench_how *how, void **out_db)
{
    struct db *d = bench_alloc(sizeof *d);
    int rc = mdb_env_create(&d->env);

    if (rc != 0) {
        free(d);
        return fail("env_create", rc);
    }
    (void)mdb_env_set_mapsize(d->env, MAP_BYTES);
    (void)mdb_env_set_maxreaders(d->env, 256);
    rc = mdb_env_open(d->env, dir, how->flags & BENCH_OPEN_LAZY ? MDB_NOSYNC : 0, 0600);
    if (rc == 0)
        rc = open_table(d);
    if (rc != 0) {
        mdb_env_close(d->env);
        free(d);
        return fail("env_open", rc);
    }
    *out_db = d;
    return 0;
}

static int close_db(void *arg)
{
    struct db *d = arg;

    mdb_env_close(d->env);
    free(d);
    return 0;
}

static int sync_db(void *arg)
{
    struct db *d = arg;
    int rc = mdb_env_sync(d->env, 1);

    return rc == 0 ? 0 : fail("env_sync", rc);
}

static int worker_open(void *arg, enum bench_worker_kind kind, void **out_worker)
{
    struct worker *w = bench_alloc(sizeof *w);

    w->db = arg;
    if (kind == BENCH_READER) {
        int rc = mdb_txn_begin(w->db->env, NULL, MDB_RDONLY, &w->txn);
        if (rc != 0) {
            free(w);
            return fail("txn_begin", rc);
        }
    }
    *out_worker = w;
    return 0;
}

static void worker_close(void *arg)
{
    struct worker *w = arg;

    if (w->txn != NULL)
        mdb_txn_abort(w->txn);
    free(w);
}

static MDB_val value_of(const void *data, size_t len_bytes)
{
    MDB_val v = { .mv_size = len_bytes };

    memcpy(&v.mv_data, &data, sizeof data); /* mdb_put only reads what mv_data points to */
    return v;
}

static int put_batch(void *arg, const struct bench_item *items, size_t count)
{
    struct worker *w = arg;
    MDB_txn *txn;
    int rc = mdb_txn_begin(w->db->env, NULL, 0, &txn);

    if (rc != 0)
        return fail("txn_begin", rc);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        MDB_val key = value_of(items[i].key, strlen(items[i].key));
        MDB_val data = value_of(items[i].data, items[i].len_bytes);
        rc = mdb_put(txn, w->db->dbi, &key, &data, 0);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return fail("put", rc);
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : fail("txn_commit", rc);
}

static int put(void *arg, const struct bench_item *item)
{
    return put_batch(arg, item, 1);
}

static int find(struct worker *w, const char *name, MDB_val *out_data)
{
    MDB_val key = value_of(name, strlen(name));
    int rc = mdb_get(w->txn, w->db->dbi, &key, out_data);

    return rc == 0 ? 0 : fail("get", rc);
}

static int get(void *arg, const char *key, void *buf, size_t size, size_t *out_len)
{
    MDB_val data;

    if (find(arg, key, &data) != 0)
        return -1;
    *out_len = data.mv_size < size ? data.mv_size : size;
    memcpy(buf, data.mv_data, *out_len);
    return 0;
}

static int borrow(void *arg, const char *key, bench_use_fn use, void *ctx)
{
    MDB_val data;

    if (find(arg, key, &data) != 0)
        return -1;
    use(ctx, data.mv_data, data.mv_size);
    return 0;
}

static int list(void *arg, const char *dir, uint64_t *out_count)
{
    struct worker *w = arg;
    char prefix[BENCH_KEY_MAX];
    size_t prefix_len = (size_t)snprintf(prefix, sizeof prefix, "%s/", dir);
    MDB_val key = value_of(prefix, prefix_len);
    MDB_val data;
    MDB_cursor *cursor;
    uint64_t count = 0;
    uint64_t sum = 0;
    int rc = mdb_cursor_open(w->txn, w->db->dbi, &cursor);

    if (rc != 0)
        return fail("cursor_open", rc);
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == 0 && key.mv_size >= prefix_len && memcmp(key.mv_data, prefix, prefix_len) == 0) {
        sum += ((unsigned char *)key.mv_data)[key.mv_size - 1] + key.mv_size;
        count++;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    bench_keep_result(sum);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return fail("cursor_get", rc);
    *out_count = count;
    return 0;
}

const struct bench_engine bench_engine_lmdb = {
    .name = "lmdb",
    .settings = "defaults, 64 GiB map; one transaction a commit, or MDB_NOSYNC and one "
                "mdb_env_sync at the end of a load; nothing is verified (LMDB has no checksums)",
    .can = BENCH_CAN_ALL | BENCH_CAN_CHURN,
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
