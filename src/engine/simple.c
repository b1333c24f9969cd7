/*
 * The simple path: one call, one commit; and batches.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/store_internal.h"
#include "holog/versions.h"
#include "io/event.h"

/* ---- one operation, one commit ------------------------------------------------------------------------*/

static int commit_simple(holog_txn *txn, int rc, uint64_t *out_number)
{
    if (rc == HOLOG_OK && txn->ops.len == 0) { /* the root, made once more */
        if (out_number != NULL)
            *out_number = holog_last_number(txn->store);
    } else if (rc == HOLOG_OK) {
        rc = hg_commit(txn, 0, NULL, NULL, out_number);
    }
    hg_txn_free(txn);
    return rc;
}

static int one_op(holog_store *s, enum hg_op_type type, unsigned flags, const char *path,
                  const char *to, uint64_t *out_number)
{
    holog_txn *txn;
    int rc = hg_store_check_write(s);

    if (rc == HOLOG_OK)
        rc = hg_txn_begin(s, HG_TXN_SINGLE, &txn);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_txn_op(txn, type, flags, path, to, NULL, 0, NULL);
    return commit_simple(txn, rc, out_number);
}

int holog_save(holog_store *store, const char *path, const void *data, size_t len_bytes,
               unsigned flags, uint64_t *out_number)
{
    holog_txn *txn;
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK)
        rc = hg_txn_begin(store, HG_TXN_SINGLE, &txn);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_txn_save(txn, path, data, len_bytes, flags);
    return commit_simple(txn, rc, out_number);
}

int holog_mkdir(holog_store *store, const char *path, unsigned flags, uint64_t *out_number)
{
    return one_op(store, HG_OP_MKDIR, flags, path, NULL, out_number);
}

int holog_delete(holog_store *store, const char *path, uint64_t *out_number)
{
    return one_op(store, HG_OP_DELETE, 0, path, NULL, out_number);
}

int holog_delete_all(holog_store *store, const char *path, uint64_t *out_number)
{
    return one_op(store, HG_OP_DELETE_TREE, 0, path, NULL, out_number);
}

static int transfer(holog_store *s, enum hg_op_type type, const char *from, const char *to,
                    unsigned flags, uint64_t *out_number)
{
    if (to == NULL)
        return hg_error(HOLOG_E_INVAL, "the destination is NULL");
    return one_op(s, type, flags, from, to, out_number);
}

int holog_copy(holog_store *store, const char *from, const char *to, unsigned flags,
               uint64_t *out_number)
{
    return transfer(store, HG_OP_COPY, from, to, flags, out_number);
}

int holog_move(holog_store *store, const char *from, const char *to, unsigned flags,
               uint64_t *out_number)
{
    return transfer(store, HG_OP_MOVE, from, to, flags, out_number);
}

int holog_symlink(holog_store *store, const char *target, const char *path, unsigned flags,
                  uint64_t *out_number)
{
    int rc = hg_check_target(target);

    return rc < 0 ? rc : one_op(store, HG_OP_SYMLINK, flags, path, target, out_number);
}

/* ---- reading ---------------------------------------------------------------------------------------------*/

static int published(holog_store *s, struct hg_version **out_v)
{
    int rc = hg_store_check(s);

    if (rc < 0)
        return rc;
    *out_v = hg_version_get_published(s);
    return *out_v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to read") : HOLOG_OK;
}

int holog_load(holog_store *store, const char *path, holog_value **out_value)
{
    struct hg_version *v;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (out_value != NULL && hg_point_load(store, NULL, path, out_value))
        return HOLOG_OK;
    rc = published(store, &v);
    if (rc < 0)
        return rc;
    rc = hg_load_from(store, v, path, out_value);
    hg_version_put(store, v);
    return rc;
}

int holog_load_range(holog_store *store, const char *path, uint64_t offset, void *buf,
                     size_t len_bytes, size_t *out_n)
{
    struct hg_version *v;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (buf != NULL && hg_point_range(store, NULL, path, offset, buf, len_bytes, out_n))
        return HOLOG_OK;
    rc = published(store, &v);
    if (rc < 0)
        return rc;
    rc = hg_load_range_from(store, v, path, offset, buf, len_bytes, out_n);
    hg_version_put(store, v);
    return rc;
}

int holog_stat(holog_store *store, const char *path, holog_stat_info *out_info)
{
    struct hg_version *v;
    int rc = published(store, &v);

    if (rc < 0)
        return rc;
    rc = hg_stat_from(store, v, path, out_info);
    hg_version_put(store, v);
    return rc;
}

int holog_exists(holog_store *store, const char *path, int *out_exists)
{
    struct hg_lookup l;
    struct hg_resolved r;
    struct hg_version *v;
    int rc = published(store, &v);

    if (rc < 0)
        return rc;
    hg_lookup_version(store, v, &l);
    rc = out_exists == NULL ? hg_error(HOLOG_E_INVAL, "out_exists is NULL")
                            : hg_resolve_user(&l, path, 1, &r);
    hg_version_put(store, v);
    if (rc == HOLOG_OK)
        *out_exists = r.loc.type != 0;
    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR || rc == HOLOG_E_LOOP) {
        *out_exists = 0;
        rc = HOLOG_OK;
    }
    return rc;
}

int holog_readlink(holog_store *store, const char *path, char *buf, size_t buf_size)
{
    struct hg_version *v;
    int rc = published(store, &v);

    if (rc < 0)
        return rc;
    rc = hg_readlink_from(store, v, path, buf, buf_size);
    hg_version_put(store, v);
    return rc;
}

/* ---- batches -----------------------------------------------------------------------------------------------*/

int holog_save_batch(holog_store *store, const holog_item *items, size_t n, unsigned flags,
                     uint64_t *out_number)
{
    holog_txn *txn;
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    if (items == NULL && n > 0)
        return hg_error(HOLOG_E_INVAL, "items is NULL");
    if (n == 0) {
        if (out_number != NULL)
            *out_number = holog_last_number(store);
        return HOLOG_OK;
    }
    rc = hg_txn_begin(store, HG_TXN_SINGLE, &txn);
    if (rc < 0)
        return rc;
    rc = hg_batch_save(txn, items, n, flags);
    return commit_simple(txn, rc, out_number);
}

int holog_load_batch(holog_store *store, const char *const *paths, size_t n,
                     holog_value **out_values, int *out_status)
{
    struct hg_version *v;
    holog_value **values;
    int first = HOLOG_OK;
    struct holog_error_detail detail = { 0 };
    int rc;

    if ((paths == NULL || out_values == NULL) && n > 0)
        return hg_error(HOLOG_E_INVAL, "paths or out_values is NULL");
    rc = published(store, &v);
    if (rc < 0)
        return rc;
    values = hg_calloc(HG_MAX(n, (size_t)1), sizeof(void *));
    if (values == NULL) {
        hg_version_put(store, v);
        return hg_error(HOLOG_E_NOMEM, "no memory for a batch of %zu", n);
    }
    for (size_t i = 0; i < n; i++) {
        rc = hg_point_load(store, v, paths[i], &values[i])
                 ? HOLOG_OK
                 : hg_load_from(store, v, paths[i], &values[i]);
        if (out_status != NULL)
            out_status[i] = rc;
        if (rc < 0 && first == HOLOG_OK) {
            first = rc;
            hg_error_get(&detail);
        }
        if (rc < 0 && out_status == NULL)
            break;
    }
    for (size_t i = 0; i < n; i++) {
        if (first == HOLOG_OK)
            out_values[i] = values[i];
        else
            holog_value_release(values[i]);
    }
    if (first < 0)
        hg_error_set(&detail);
    hg_free(values);
    hg_version_put(store, v);
    return first;
}

/* ---- durability ----------------------------------------------------------------------------------------------*/

int holog_sync(holog_store *store)
{
    int rc = hg_store_check_write(store);
    return rc < 0 ? rc : hg_log_sync(store->log);
}

int holog_wait_durable(holog_store *store, uint64_t number, uint32_t timeout_ms)
{
    int rc = hg_store_check_write(store);
    uint64_t ns = timeout_ms == UINT32_MAX ? UINT64_MAX : (uint64_t)timeout_ms * 1000000u;

    return rc < 0 ? rc : hg_log_wait_durable(store->log, number, ns);
}

uint64_t holog_durable_number(holog_store *store)
{
    if (hg_store_check(store) < 0)
        return 0;
    return store->log != NULL ? hg_log_durable_number(store->log) : holog_last_number(store);
}

uint64_t holog_last_number(holog_store *store)
{
    struct hg_epoch_slot *slot;
    uint64_t number;

    if (hg_store_check(store) < 0)
        return 0;
    slot = hg_epoch_enter(store->domain);
    if (slot == NULL)
        return 0;
    number = __atomic_load_n(&store->published, __ATOMIC_ACQUIRE)->number;
    hg_epoch_leave(slot);
    return number;
}

int holog_event_fd(holog_store *store, int *out_fd)
{
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    if (out_fd == NULL)
        return hg_error(HOLOG_E_INVAL, "out_fd is NULL");
    hg_log_lock(store->log);
    if (store->event_fd < 0) /* made when first wanted: telling it costs a call for each group */
        rc = hg_io_event_create(store->io, &store->event_fd);
    if (rc == HOLOG_OK)
        hg_io_event_signal(store->event_fd); /* what became durable before is news to its reader */
    *out_fd = store->event_fd;
    hg_log_unlock(store->log);
    return rc;
}

/* ---- going back ---------------------------------------------------------------------------------------*/

int holog_rollback(holog_store *store, const char *path, uint64_t number, uint64_t *out_number)
{
    holog_txn *txn;
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK)
        rc = hg_txn_begin(store, HG_TXN_SINGLE, &txn);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_txn_op_rollback(txn, path, number);
    return commit_simple(txn, rc, out_number);
}
