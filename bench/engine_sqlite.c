/*
 * SQLite: one table, WAL, prepared statements. All writers share one connection and a mutex
 * (SQLite has one writer at a time; its busy handler would sleep instead); each reader has its
 * own connection and holds one read transaction.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "engine.h"
#include "util.h"

#define CACHE_KIB (1024 * 1024)

struct db {
    char file[BENCH_PATH_MAX];
    uint64_t cache_kib;
    pthread_mutex_t lock; /* the write connection and its statements */
    sqlite3 *write;
    sqlite3_stmt *insert, *begin, *commit;
    sqlite3_stmt *rowid; /* NULL where values are small */
};

struct worker {
    struct db *db;
    sqlite3 *read; /* readers */
    sqlite3_stmt *select, *range;
};

static int fail(const char *what, sqlite3 *db)
{
    return bench_fail("sqlite %s: %s", what, db != NULL ? sqlite3_errmsg(db) : "no memory");
}

static void version(char *out, size_t size)
{
    (void)snprintf(out, size, "%s", sqlite3_libversion());
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(sql, db);
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out_stmt)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out_stmt, NULL);

    return rc == SQLITE_OK ? 0 : fail(sql, db);
}

/* Runs a statement that returns no rows. */
static int step(sqlite3 *db, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    (void)sqlite3_reset(stmt); /* its code is that of the step */
    return rc == SQLITE_DONE ? 0 : fail("step", db);
}

static int set_cache(sqlite3 *db, uint64_t cache_kib)
{
    char sql[64];

    (void)snprintf(sql, sizeof sql, "PRAGMA cache_size=-%llu", (unsigned long long)cache_kib);
    return run(db, sql);
}

static int prepare_write(struct db *d, const struct bench_how *how)
{
    const char *table = how->flags & BENCH_OPEN_LARGE
                            ? "CREATE TABLE IF NOT EXISTS kv(k TEXT PRIMARY KEY, v BLOB)"
                            : "CREATE TABLE IF NOT EXISTS kv(k TEXT PRIMARY KEY, v BLOB) "
                              "WITHOUT ROWID";

    if (run(d->write, "PRAGMA page_size=8192") != 0 ||
        run(d->write, "PRAGMA journal_mode=WAL") != 0 ||
        run(d->write, how->flags & BENCH_OPEN_LAZY ? "PRAGMA synchronous=OFF"
                                                   : "PRAGMA synchronous=FULL") != 0 ||
        set_cache(d->write, d->cache_kib) != 0 || run(d->write, table) != 0 ||
        prepare(d->write, "INSERT OR REPLACE INTO kv VALUES(?1, ?2)", &d->insert) != 0 ||
        prepare(d->write, "BEGIN IMMEDIATE", &d->begin) != 0)
        return -1;
    if ((how->flags & BENCH_OPEN_LARGE) != 0 &&
        prepare(d->write, "SELECT rowid FROM kv WHERE k=?1", &d->rowid) != 0)
        return -1;
    return prepare(d->write, "COMMIT", &d->commit);
}

static int close_db(void *arg)
{
    struct db *d = arg;

    (void)sqlite3_finalize(d->insert);
    (void)sqlite3_finalize(d->begin);
    (void)sqlite3_finalize(d->commit);
    (void)sqlite3_finalize(d->rowid);
    int rc = sqlite3_close(d->write) == SQLITE_OK ? 0 : fail("close", d->write);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
    return rc;
}

static int open_db(const char *dir, const struct bench_how *how, void **out_db)
{
    struct db *d = bench_alloc(sizeof *d);

    (void)pthread_mutex_init(&d->lock, NULL);
    d->cache_kib = how->budget_bytes != 0 ? how->budget_bytes / 2048 : CACHE_KIB;
    int rc = bench_path(d->file, "%s/kv.sqlite", dir);
    if (rc == 0 && sqlite3_open_v2(d->file, &d->write,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   NULL) != SQLITE_OK)
        rc = fail("open", d->write);
    if (rc == 0)
        rc = prepare_write(d, how);
    if (rc != 0) {
        (void)close_db(d); /* the first cause is kept */
        return rc;
    }
    *out_db = d;
    return 0;
}

static int sync_db(void *arg)
{
    struct db *d = arg;

    if (run(d->write, "PRAGMA synchronous=FULL") != 0 ||
        run(d->write, "PRAGMA wal_checkpoint(TRUNCATE)") != 0)
        return -1;
    return run(d->write, "PRAGMA synchronous=OFF"); /* only ever called on a lazy one */
}

static void worker_close(void *arg)
{
    struct worker *w = arg;

    (void)sqlite3_finalize(w->select);
    (void)sqlite3_finalize(w->range);
    (void)sqlite3_close(w->read); /* a reader: nothing can be lost; NULL is fine */
    free(w);
}

static int open_reader(struct worker *w)
{
    if (sqlite3_open_v2(w->db->file, &w->read, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return fail("open", w->read);
    if (set_cache(w->read, w->db->cache_kib) != 0 ||
        prepare(w->read, "SELECT v FROM kv WHERE k=?1", &w->select) != 0 ||
        prepare(w->read, "SELECT k FROM kv WHERE k>?1 AND k<?2 ORDER BY k", &w->range) != 0)
        return -1;
    return run(w->read, "BEGIN");
}

static int worker_open(void *arg, enum bench_worker_kind kind, void **out_worker)
{
    struct worker *w = bench_alloc(sizeof *w);

    w->db = arg;
    if (kind == BENCH_READER && open_reader(w) != 0) {
        worker_close(w);
        return -1;
    }
    *out_worker = w;
    return 0;
}

static int insert(struct db *d, const struct bench_item *item)
{
    if (sqlite3_bind_text(d->insert, 1, item->key, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_blob64(d->insert, 2, item->data, item->len_bytes, SQLITE_STATIC) != SQLITE_OK)
        return fail("bind", d->write);
    return step(d->write, d->insert);
}

static int put(void *arg, const struct bench_item *item)
{
    struct worker *w = arg;

    (void)pthread_mutex_lock(&w->db->lock);
    int rc = insert(w->db, item);
    (void)pthread_mutex_unlock(&w->db->lock);
    return rc;
}

static int put_batch(void *arg, const struct bench_item *items, size_t count)
{
    struct db *d = ((struct worker *)arg)->db;

    (void)pthread_mutex_lock(&d->lock);
    int rc = step(d->write, d->begin);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = insert(d, &items[i]);
    if (rc == 0)
        rc = step(d->write, d->commit);
    (void)pthread_mutex_unlock(&d->lock);
    return rc;
}

static int find_row(struct db *d, const char *key, sqlite3_int64 *out_row)
{
    int rc = 0;

    if (sqlite3_bind_text(d->rowid, 1, key, -1, SQLITE_STATIC) != SQLITE_OK)
        return fail("bind", d->write);
    if (sqlite3_step(d->rowid) == SQLITE_ROW)
        *out_row = sqlite3_column_int64(d->rowid, 0);
    else
        rc = fail("find", d->write);
    (void)sqlite3_reset(d->rowid);
    return rc;
}

/* Incremental blob I/O: only the pages of the range are written. */
static int patch(void *arg, const char *key, uint64_t offset, const void *data, size_t len_bytes)
{
    struct db *d = ((struct worker *)arg)->db;
    sqlite3_blob *blob = NULL;
    sqlite3_int64 row = 0;

    (void)pthread_mutex_lock(&d->lock);
    int rc = find_row(d, key, &row);
    if (rc == 0 && (sqlite3_blob_open(d->write, "main", "kv", "v", row, 1, &blob) != SQLITE_OK ||
                    sqlite3_blob_write(blob, data, (int)len_bytes, (int)offset) != SQLITE_OK))
        rc = fail("blob write", d->write);
    if (sqlite3_blob_close(blob) != SQLITE_OK && rc == 0) /* commits */
        rc = fail("blob close", d->write);
    (void)pthread_mutex_unlock(&d->lock);
    return rc;
}

static int borrow(void *arg, const char *key, bench_use_fn use, void *ctx)
{
    struct worker *w = arg;
    int rc = 0;

    if (sqlite3_bind_text(w->select, 1, key, -1, SQLITE_STATIC) != SQLITE_OK)
        return fail("bind", w->read);
    if (sqlite3_step(w->select) == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(w->select, 0);
        use(ctx, data, (size_t)sqlite3_column_bytes(w->select, 0));
    } else {
        rc = bench_fail("sqlite: no %s: %s", key, sqlite3_errmsg(w->read));
    }
    (void)sqlite3_reset(w->select); /* its code is that of the step */
    return rc;
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
    char from[BENCH_KEY_MAX];
    char to[BENCH_KEY_MAX];
    uint64_t count = 0;
    uint64_t sum = 0;

    (void)snprintf(from, sizeof from, "%s/", dir);
    (void)snprintf(to, sizeof to, "%s0", dir); /* '0' comes right after '/' */
    if (sqlite3_bind_text(w->range, 1, from, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(w->range, 2, to, -1, SQLITE_STATIC) != SQLITE_OK)
        return fail("bind", w->read);
    while (sqlite3_step(w->range) == SQLITE_ROW) {
        sum += sqlite3_column_text(w->range, 0)[0];
        count++;
    }
    bench_keep_result(sum);
    if (sqlite3_reset(w->range) != SQLITE_OK)
        return fail("range", w->read);
    *out_count = count;
    return 0;
}

const struct bench_engine bench_engine_sqlite = {
    .name = "sqlite",
    .settings = "WAL, synchronous=FULL, 8 KiB pages, 1 GiB cache, prepared statements, WITHOUT "
                "ROWID for small values, one write connection under a mutex; synchronous=OFF and "
                "one synced checkpoint at the end of a load",
    .can = BENCH_CAN_ALL,
    .version = version,
    .open = open_db,
    .close = close_db,
    .sync = sync_db,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .put = put,
    .put_batch = put_batch,
    .patch = patch,
    .get = get,
    .borrow = borrow,
    .list = list,
};
