/*
 * See instore.h: opening, looking at paths, commits.
 */
#include "backends/instore/instore.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/node.h"

#define TRIES_MAX \
    1000 /* transactions in a row that all met another change: somebody does nothing else */

int hg_instore_begin(struct hg_instore *e, const holog_backend_options *opts,
                     enum holog_durability durability, enum holog_chunking chunking)
{
    if (opts->store == NULL)
        return hg_error(HOLOG_E_INVAL, "this backend shows a store: options.store is NULL");
    if (opts->chunking != HOLOG_CHUNKS_DEFAULT)
        chunking = (enum holog_chunking)opts->chunking;
    *e = (struct hg_instore){
        .store = opts->store,
        .durability = opts->durability != HOLOG_DURABILITY_DEFAULT
                          ? (enum holog_durability)opts->durability
                          : durability,
        .whole_chunks = chunking == HOLOG_CHUNKS_WHOLE,
        .codec = opts->codec,
        .level = opts->level,
        .array_flags = opts->array_flags,
        .pending_max = (uint64_t)((double)opts->max_objects * opts->cleanup_threshold),
    };
    return HOLOG_OK;
}

int hg_instore_open(const holog_backend_options *opts, enum holog_durability durability,
                    enum holog_chunking chunking, void **out_self)
{
    struct hg_instore *e = hg_calloc(1, sizeof *e);
    int rc = e == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a backend")
                       : hg_instore_begin(e, opts, durability, chunking);

    if (rc < 0)
        hg_free(e);
    else
        *out_self = e;
    return rc;
}

int hg_instore_close(void *self)
{
    hg_free(self);
    return HOLOG_OK;
}

int hg_instore_wrong(int code, const char *path, const char *what)
{
    return hg_error_path(code, path, (uint32_t)strlen(path), "%s: %s", path, what);
}

/* ---- looking ---------------------------------------------------------------------------------------*/

int hg_instore_look_in(const struct hg_lookup *l, holog_txn *txn, const char *path, int follow,
                       struct hg_resolved *out, uint32_t *out_type)
{
    struct hg_locator loc;
    struct hg_nodes n;
    int rc = hg_resolve_user(l, path, follow, out);

    if (rc == HOLOG_E_NOENT) {
        *out_type = HOLOG_MISSING;
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    *out_type = out->loc.type;
    if (out->loc.type != HG_ENTRY_DIR)
        return HOLOG_OK;
    rc = hg_nodes_begin(&n, l, txn, out->path, out->path_len);
    if (rc == HOLOG_E_NAMETOOLONG)
        return HOLOG_OK; /* there is no room for a document below it */
    if (rc == HOLOG_OK)
        rc = hg_nodes_find(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1, &loc);
    if (rc == HOLOG_OK)
        *out_type = HOLOG_ARRAY;
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_instore_look(holog_txn *txn, const char *path, int follow, struct hg_resolved *out,
                    uint32_t *out_type)
{
    struct hg_lookup l;
    int rc = hg_txn_settle(txn);

    if (rc < 0)
        return rc;
    hg_txn_lookup_reading(txn, &l);
    return hg_instore_look_in(&l, txn, path, follow, out, out_type);
}

int hg_instore_check_parent(holog_txn *txn, const char *path)
{
    char dir[HG_PATH_MAX + 1];
    struct hg_resolved r;
    uint32_t type = HOLOG_MISSING;
    size_t len = hg_path_parent(path, strlen(path));
    int rc = HOLOG_OK;

    memcpy(dir, path, len);
    while (rc == HOLOG_OK && type == HOLOG_MISSING && len > 0) {
        dir[len] = '\0';
        rc = hg_instore_look(txn, dir, 1, &r, &type);
        if (rc == HOLOG_OK && type == HOLOG_ARRAY)
            return hg_instore_wrong(HOLOG_E_NOTDIR, dir, "is an array, and no directory");
        len = hg_path_parent(dir, len);
    }
    return rc;
}

int hg_instore_drop(holog_txn *txn, const char *path, uint32_t type)
{
    holog_cursor *c = NULL;
    const holog_entry *entry;
    int rc;

    if (type != HOLOG_ARRAY)
        return holog_txn_delete(txn, path);
    rc = holog_txn_list(txn, path, &c);
    if (rc < 0)
        return rc;
    rc = holog_cursor_next(c, &entry);
    holog_cursor_close(c);
    if (rc == HOLOG_OK)
        return hg_instore_wrong(HOLOG_E_NOTEMPTY, path, "other entries lie below this array");
    return rc == HOLOG_E_NOENT ? holog_txn_delete_all(txn, path) : rc;
}

/* ---- commits ---------------------------------------------------------------------------------------*/

static enum holog_sync sync_of(const struct hg_instore *e)
{
    switch (e->durability) {
    case HOLOG_DURABILITY_NONE: return HOLOG_SYNC_NONE;
    case HOLOG_DURABILITY_ASYNC: return HOLOG_SYNC_INTERVAL;
    case HOLOG_DURABILITY_DEFAULT:
    case HOLOG_DURABILITY_SYNC: break;
    }
    return HOLOG_SYNC_COMMIT;
}

static int change_once(const struct hg_instore *e, hg_instore_make make, void *ctx,
                       uint64_t *out_number)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(e->store, &txn);

    if (rc < 0)
        return rc;
    rc = make(e, txn, ctx);
    if (rc == HOLOG_OK)
        rc = holog_txn_sync(txn, sync_of(e));
    if (rc == HOLOG_OK)
        return holog_commit(txn, out_number);
    holog_abort(txn);
    return rc;
}

int hg_instore_change(struct hg_instore *e, hg_instore_make make, void *ctx, uint64_t *out_number)
{
    int rc = HOLOG_E_CONFLICT;

    for (int tries = 0; rc == HOLOG_E_CONFLICT && tries < TRIES_MAX; tries++)
        rc = change_once(e, make, ctx, out_number);
    return rc;
}

int hg_instore_wait(void *self, uint64_t number, uint32_t timeout_ms)
{
    struct hg_instore *e = self;
    int rc;

    if (number != 0 && e->durability != HOLOG_DURABILITY_NONE)
        return holog_wait_durable(e->store, number, timeout_ms);
    rc = holog_sync(e->store);
    if (rc == HOLOG_OK)
        __atomic_store_n(&e->pending, 0,
                         __ATOMIC_RELAXED); /* a hint: others may have saved since */
    return rc;
}
