/*
 * holog itself. A reader holds a view; values come out by holog_view_load_range (a verified copy)
 * or by holog_view_load (a counted reference).
 *
 * "holog-buffer" is the same store fed from holog_buffer_new buffers, which are saved without a
 * copy; it takes part where images are saved and says what the copy costs. "holog-none" loads with
 * sync mode NONE, where a commit promises nothing before the sync at the end; it takes part where
 * there is one and says what the promise of OS costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/versions.h>

#include "engine.h"
#include "util.h"

#define BUFFERS      8
#define EXTENT_BYTES (256 * MIB) /* the default */

struct db {
    holog_store *store;
    int own_buffers;
};

struct worker {
    struct db *db;
    holog_view *view;  /* readers */
    holog_item *items; /* writers: room for item_room */
    size_t item_room;
    const void *copied[BUFFERS]; /* whose bytes buffers[i] holds */
    void *buffers[BUFFERS];
};

struct holog_store *bench_holog_store(void *db)
{
    return ((struct db *)db)->store;
}

static int fail(const char *what, int rc)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    return bench_fail("holog %s: %s: %s", what, holog_error_name(rc), d.message);
}

static void version(char *out, size_t size)
{
    (void)snprintf(out, size, "%s", holog_version());
}

/* What was replaced is of no use any more, as it is to the others. */
static int begin_churn(struct db *db)
{
    int rc = holog_config(db->store, "retention.commits", "1", NULL, 0);

    return rc == HOLOG_OK ? 0 : fail("config", rc);
}

static int close_store(void *arg)
{
    struct db *db = arg;
    int rc = holog_close(db->store);

    free(db);
    return rc == HOLOG_OK ? 0 : fail("close", rc);
}

static int open_store(const char *dir, const struct bench_how *how, enum holog_sync lazy,
                      int own_buffers, void **out_db)
{
    holog_options opts;
    holog_store *store;

    holog_options_init(&opts);
    opts.sync = how->flags & BENCH_OPEN_LAZY ? lazy : HOLOG_SYNC_COMMIT;
    opts.budget_bytes = how->budget_bytes;
    opts.extent_segment_size_max = how->extent_bytes;
    opts.segment_size_max = how->frame_bytes;
    if (how->flags & BENCH_OPEN_NO_CHECKPOINT)
        opts.checkpoint_tail_mib = 1u << 20;
    int rc = holog_open(dir, &opts, &store);
    if (rc != HOLOG_OK)
        return fail("open", rc);
    struct db *db = bench_alloc(sizeof *db);
    db->store = store;
    db->own_buffers = own_buffers;
    if ((how->flags & BENCH_OPEN_CHURN) != 0 && begin_churn(db) != 0) {
        (void)close_store(db); /* the first cause is kept */
        return -1;
    }
    *out_db = db;
    return 0;
}

static int open_plain(const char *dir, const struct bench_how *how, void **out_db)
{
    return open_store(dir, how, HOLOG_SYNC_OS, 0, out_db);
}

static int open_buffer(const char *dir, const struct bench_how *how, void **out_db)
{
    return open_store(dir, how, HOLOG_SYNC_OS, 1, out_db);
}

static int open_none(const char *dir, const struct bench_how *how, void **out_db)
{
    return open_store(dir, how, HOLOG_SYNC_NONE, 0, out_db);
}

static int sync_store(void *arg)
{
    struct db *db = arg;
    int rc = holog_sync(db->store);

    return rc == HOLOG_OK ? 0 : fail("sync", rc);
}

static int worker_open(void *arg, enum bench_worker_kind kind, void **out_worker)
{
    struct worker *w = bench_alloc(sizeof *w);

    w->db = arg;
    if (kind == BENCH_READER) {
        int rc = holog_view_open(w->db->store, &w->view);
        if (rc != HOLOG_OK) {
            free(w);
            return fail("view_open", rc);
        }
    }
    *out_worker = w;
    return 0;
}

static void worker_close(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < BUFFERS; i++)
        holog_buffer_free(w->buffers[i]);
    holog_view_close(w->view);
    free(w->items);
    free(w);
}

/* The workloads that holog-buffer runs save few different values, each from one place. */
static const void *own_copy(struct worker *w, const struct bench_item *item)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        if (w->copied[i] == item->data)
            return w->buffers[i];
        if (w->copied[i] != NULL)
            continue;
        w->buffers[i] = holog_buffer_new(item->len_bytes);
        if (w->buffers[i] == NULL)
            break;
        memcpy(w->buffers[i], item->data, item->len_bytes);
        w->copied[i] = item->data;
        return w->buffers[i];
    }
    return item->data;
}

static int put(void *arg, const struct bench_item *item)
{
    struct worker *w = arg;
    const void *data = w->db->own_buffers ? own_copy(w, item) : item->data;
    int rc = holog_save(w->db->store, item->key, data, item->len_bytes,
                        HOLOG_REPLACE | HOLOG_PARENTS, NULL);

    return rc == HOLOG_OK ? 0 : fail("save", rc);
}

static int put_batch(void *arg, const struct bench_item *items, size_t count)
{
    struct worker *w = arg;

    if (w->item_room < count) {
        free(w->items);
        w->items = bench_alloc(count * sizeof *w->items);
        w->item_room = count;
    }
    for (size_t i = 0; i < count; i++)
        w->items[i] = (holog_item){ .path = items[i].key,
                                    .data = items[i].data,
                                    .len_bytes = items[i].len_bytes };
    int rc = holog_save_batch(w->db->store, w->items, count, HOLOG_REPLACE | HOLOG_PARENTS, NULL);
    return rc == HOLOG_OK ? 0 : fail("save_batch", rc);
}

static int patch(void *arg, const char *key, uint64_t offset, const void *data, size_t len_bytes)
{
    struct worker *w = arg;
    const holog_delta d = { .kind = HOLOG_DELTA_UPDATE,
                            .start = offset,
                            .end = offset + len_bytes,
                            .data = data,
                            .len_bytes = len_bytes };
    int rc = holog_apply(w->db->store, key, &d, 1, 0, 0, NULL);

    return rc < 0 ? fail("apply", rc) : 0;
}

static int get(void *arg, const char *key, void *buf, size_t size, size_t *out_len)
{
    struct worker *w = arg;
    int rc = holog_view_load_range(w->view, key, 0, buf, size, out_len);

    return rc == HOLOG_OK ? 0 : fail("view_load_range", rc);
}

static int borrow(void *arg, const char *key, bench_use_fn use, void *ctx)
{
    struct worker *w = arg;
    holog_value *value;
    int rc = holog_view_load(w->view, key, &value);

    if (rc != HOLOG_OK)
        return fail("view_load", rc);
    use(ctx, holog_value_data(value), holog_value_size(value));
    holog_value_release(value);
    return 0;
}

static int list(void *arg, const char *dir, uint64_t *out_count)
{
    struct worker *w = arg;
    const holog_entry *entry;
    holog_cursor *cursor;
    uint64_t count = 0;
    uint64_t sum = 0;
    int rc = holog_view_list(w->view, dir, 0, NULL, NULL, &cursor);

    if (rc != HOLOG_OK)
        return fail("view_list", rc);
    while ((rc = holog_cursor_next(cursor, &entry)) == HOLOG_OK) {
        sum += (unsigned char)entry->name[0] + entry->path_len;
        count++;
    }
    holog_cursor_close(cursor);
    bench_keep_result(sum);
    if (rc != HOLOG_E_NOENT)
        return fail("cursor_next", rc);
    *out_count = count;
    return 0;
}

const struct bench_engine bench_engine_holog = {
    .name = "holog",
    .settings = "defaults: budget a quarter of RAM; sync COMMIT, or OS where one sync ends a load; "
                "every read verified",
    .can = BENCH_CAN_ALL | BENCH_CAN_CHURN,
    .version = version,
    .open = open_plain,
    .close = close_store,
    .sync = sync_store,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .put = put,
    .put_batch = put_batch,
    .patch = patch,
    .get = get,
    .borrow = borrow,
    .list = list,
};

const struct bench_engine bench_engine_holog_buffer = {
    .name = "holog-buffer",
    .settings = "as holog; images are saved from holog_buffer_new buffers, without a copy",
    .can = BENCH_CAN_IMAGES | BENCH_CAN_BULK_IMAGES,
    .version = version,
    .open = open_buffer,
    .close = close_store,
    .sync = sync_store,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .put = put,
    .put_batch = put_batch,
    .get = get,
    .borrow = borrow,
    .list = list,
};

const struct bench_engine bench_engine_holog_none = {
    .name = "holog-none",
    .settings = "as holog; loads in mode NONE, which promises nothing before the sync at the end",
    .can = BENCH_CAN_BULK | BENCH_CAN_BULK_IMAGES,
    .version = version,
    .open = open_none,
    .close = close_store,
    .sync = sync_store,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .put = put,
    .put_batch = put_batch,
    .get = get,
    .borrow = borrow,
    .list = list,
};
