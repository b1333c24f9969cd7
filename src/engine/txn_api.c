/*
 * The calls on a transaction: holog_begin to holog_abort.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/delta.h"
#include "holog/versions.h"
#include "wal/frame.h"

#define MESSAGE_MAX  4096u
#define META_MAX     64u
#define META_KEY_MAX 255u

/* Copies of values that a transaction keeps, as many as the cache keeps of what was saved: more would only
 * be memory that nobody has touched before, which is slower than the disk. */
#define STAGED_KEPT (UINT64_C(64) << 20)

struct savepoint {
    size_t ops;
    size_t fields_len;
    size_t reads_len;
};

int holog_begin(holog_store *store, holog_txn **out_txn)
{
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    if (out_txn == NULL)
        return hg_error(HOLOG_E_INVAL, "out_txn is NULL");
    return hg_txn_begin(store, HG_TXN_READING, out_txn);
}

static int check(const holog_txn *txn)
{
    return txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                       : hg_store_check_write(txn->store);
}

static int op(holog_txn *txn, enum hg_op_type type, unsigned flags, const char *path,
              const char *to)
{
    int rc = check(txn);
    return rc < 0 ? rc : hg_txn_op(txn, type, flags, path, to, NULL, 0, NULL);
}

int holog_txn_save(holog_txn *txn, const char *path, const void *data, size_t len_bytes,
                   unsigned flags)
{
    int rc = check(txn);
    return rc < 0 ? rc : hg_txn_save(txn, path, data, len_bytes, flags);
}

int hg_txn_take_staged(holog_txn *txn, struct hg_staged *g)
{
    int rc = 0;

    g->next = txn->staged;
    txn->staged = g;
    txn->staged_bytes += g->len;
    if (txn->staged_bytes > 2 * STAGED_KEPT) {
        rc = hg_staged_make_way(txn->staged, STAGED_KEPT);
        txn->staged_bytes = STAGED_KEPT;
    }
    return HG_MIN(rc, 0);
}

int hg_txn_stage(holog_txn *txn, const void *data, size_t len, struct hg_staged **out_staged)
{
    struct hg_staged *g = NULL;
    int rc;

    if (data == NULL && len > 0)
        return hg_error(HOLOG_E_INVAL, "data is NULL and len is %zu", len);
    if (len > txn->store->inline_max) {
        rc = hg_stage(txn->store, data, len, &g);
        if (rc == HOLOG_E_BUDGET && hg_staged_make_way(txn->staged, 0) > 0)
            rc = hg_stage(txn->store, data, len, &g);
        if (rc == HOLOG_OK)
            rc = hg_txn_take_staged(txn, g);
        if (rc < 0)
            return rc;
    }
    *out_staged = g;
    return HOLOG_OK;
}

int hg_txn_mem_new(holog_txn *txn, size_t len, struct hg_mem **out_mem)
{
    int rc = hg_mem_new(txn->store->cache, len, out_mem);

    if (rc == HOLOG_E_BUDGET && hg_staged_make_way(txn->staged, 0) > 0)
        rc = hg_mem_new(txn->store->cache, len, out_mem);
    return rc;
}

int hg_txn_save(holog_txn *txn, const char *path, const void *data, size_t len, unsigned flags)
{
    struct hg_staged *g = NULL;
    int rc = hg_txn_stage(txn, data, len, &g);

    return rc < 0 ? rc : hg_txn_op(txn, HG_OP_SAVE, flags, path, NULL, data, len, g);
}

int holog_txn_mkdir(holog_txn *txn, const char *path, unsigned flags)
{
    return op(txn, HG_OP_MKDIR, flags, path, NULL);
}

int holog_txn_delete(holog_txn *txn, const char *path)
{
    return op(txn, HG_OP_DELETE, 0, path, NULL);
}

int holog_txn_delete_all(holog_txn *txn, const char *path)
{
    return op(txn, HG_OP_DELETE_TREE, 0, path, NULL);
}

static int transfer(holog_txn *txn, enum hg_op_type type, const char *from, const char *to,
                    unsigned flags)
{
    if (to == NULL)
        return hg_error(HOLOG_E_INVAL, "the destination is NULL");
    return op(txn, type, flags, from, to);
}

int holog_txn_copy(holog_txn *txn, const char *from, const char *to, unsigned flags)
{
    return transfer(txn, HG_OP_COPY, from, to, flags);
}

int holog_txn_move(holog_txn *txn, const char *from, const char *to, unsigned flags)
{
    return transfer(txn, HG_OP_MOVE, from, to, flags);
}

int hg_check_target(const char *target)
{
    size_t len = target == NULL ? 0 : strlen(target);

    if (len == 0)
        return hg_error(HOLOG_E_INVAL, "a symlink needs a target");
    if (len > HG_PATH_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "a symlink's target is at most %d bytes", HG_PATH_MAX);
    if (!hg_rec_utf8_valid(target, len))
        return hg_error(HOLOG_E_BADPATH, "a symlink's target is not UTF-8");
    return HOLOG_OK;
}

int holog_txn_symlink(holog_txn *txn, const char *target, const char *path, unsigned flags)
{
    int rc = hg_check_target(target);

    return rc < 0 ? rc : op(txn, HG_OP_SYMLINK, flags, path, target);
}

/* ---- reading ---------------------------------------------------------------------------------------*/

int hg_txn_staged_bytes(holog_txn *txn, const struct hg_op *op, struct hg_mem **out_mem)
{
    const char *path = (const char *)txn->arena.data + op->path;
    struct hg_record r;
    int rc;

    if (op->staged->mem != NULL) {
        hg_mem_get(op->staged->mem);
        *out_mem = op->staged->mem;
        return HOLOG_OK;
    }
    rc = hg_rec_decode(txn->body.data + op->record, txn->body.len - op->record, op->record, &r);
    return rc < 0 ? rc : hg_value_read_large(txn->store, &r, path, out_mem);
}

/* The value of an operation of our own that is not in the log yet. */
static int load_own(holog_txn *txn, const struct hg_locator *loc, holog_value **out_value)
{
    const struct hg_op *o = (const struct hg_op *)(const void *)txn->ops.data + loc->offset;
    struct hg_record r;
    holog_value *v;
    int rc;

    if (o->type == HG_OP_DELTA)
        return hg_delta_load_own(txn, o, out_value);
    if (o->staged != NULL) {
        struct hg_mem *mem = NULL;
        v = hg_malloc(sizeof *v);
        rc = v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to load")
                       : hg_txn_staged_bytes(txn, o, &mem);
        if (rc < 0) {
            hg_free(v);
            return rc;
        }
        *v = (holog_value){ .data = mem->data, .len = (size_t)o->staged->len, .mem = mem };
        *out_value = v;
        return HOLOG_OK;
    }
    rc = hg_rec_decode(txn->body.data + o->record, txn->body.len - o->record, o->record, &r);
    if (rc < 0)
        return rc;
    v = hg_malloc(sizeof *v + (size_t)r.value_len);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load");
    *v = (holog_value){ .data = (uint8_t *)(v + 1), .len = (size_t)r.value_len };
    if (r.value_len > 0)
        memcpy(v + 1, r.value, (size_t)r.value_len);
    *out_value = v;
    return HOLOG_OK;
}

static int load_once(holog_txn *txn, const struct hg_locator *loc, const char *path,
                     holog_value **out_value)
{
    return loc->segment == 0 ? load_own(txn, loc, out_value)
                             : hg_value_load(txn->store, loc, path, out_value);
}

int hg_txn_value_load(holog_txn *txn, const struct hg_locator *loc, const char *path,
                      holog_value **out_value)
{
    int rc = load_once(txn, loc, path, out_value);

    if (rc == HOLOG_E_BUDGET && hg_staged_make_way(txn->staged, 0) > 0)
        rc = load_once(txn, loc, path, out_value);
    if (rc == HOLOG_OK && (*out_value)->number == HG_NUMBER_OWN)
        (*out_value)->number = 0;
    return rc;
}

int holog_txn_load(holog_txn *txn, const char *path, holog_value **out_value)
{
    struct hg_lookup l;
    struct hg_resolved r;
    int rc = check(txn);

    if (rc == HOLOG_OK && out_value == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_value is NULL");
    if (rc == HOLOG_OK)
        rc = hg_txn_settle(txn);
    if (rc < 0)
        return rc;
    hg_txn_lookup_reading(txn, &l);
    rc = hg_resolve_user(&l, path, 1, &r);
    if (rc == HOLOG_OK)
        rc = hg_must_be_blob(&r);
    if (rc == HOLOG_OK)
        rc = hg_txn_value_load(txn, &r.loc, r.path, out_value);
    if (rc == HOLOG_OK)
        hg_cache_count_loaded(txn->store->cache, (*out_value)->len);
    return rc;
}

int holog_txn_stat(holog_txn *txn, const char *path, holog_stat_info *out_info)
{
    struct hg_lookup l;
    struct hg_resolved r;
    int rc = check(txn);

    if (rc == HOLOG_OK)
        rc = hg_txn_settle(txn);
    if (rc < 0)
        return rc;
    hg_txn_lookup_reading(txn, &l);
    rc = hg_resolve_user(&l, path, 0, &r);
    return rc < 0 ? rc : hg_stat_resolved(txn->store, &l, &r, out_info);
}

int holog_txn_list(holog_txn *txn, const char *path, holog_cursor **out_cursor)
{
    struct hg_lookup l;
    struct hg_resolved r;
    int rc = check(txn);

    if (rc == HOLOG_OK)
        rc = hg_txn_settle(txn);
    if (rc < 0)
        return rc;
    hg_txn_lookup_reading(txn, &l);
    rc = hg_resolve_user(&l, path, 1, &r);
    if (rc == HOLOG_OK)
        rc = hg_txn_note_listing(txn, &r.key);
    if (rc == HOLOG_OK)
        rc = hg_list(txn->store, txn->base, txn, path, 0, NULL, NULL, out_cursor);
    return rc;
}

int holog_txn_rollback(holog_txn *txn, const char *path, uint64_t number)
{
    int rc = check(txn);

    return rc < 0 ? rc : hg_txn_op_rollback(txn, path, number);
}

int holog_txn_expect(holog_txn *txn, const char *path, uint64_t number)
{
    int rc = check(txn);
    size_t at;

    if (rc < 0)
        return rc;
    at = txn->ops.len;
    rc = hg_txn_op_expect(txn, path, number);
    if (rc < 0)
        txn->ops.len = at;
    return rc;
}

/* ---- what goes with the commit ---------------------------------------------------------------------*/

int holog_txn_message(holog_txn *txn, const char *message)
{
    int rc = check(txn);
    size_t len;

    if (rc < 0)
        return rc;
    if (message == NULL)
        return hg_error(HOLOG_E_INVAL, "the message is NULL");
    len = strlen(message);
    if (len > MESSAGE_MAX)
        return hg_error(HOLOG_E_TOOBIG, "a message is at most %u bytes, not %zu", MESSAGE_MAX, len);
    return hg_field_append(&txn->fields, HG_FIELD_MESSAGE, message, len);
}

int holog_txn_meta(holog_txn *txn, const char *key, const char *value)
{
    struct hg_field f;
    size_t at = 0;
    unsigned n = 0;
    int rc = check(txn);

    if (rc < 0)
        return rc;
    if (key == NULL || value == NULL || key[0] == 0 || strlen(key) > META_KEY_MAX ||
        strlen(value) > MESSAGE_MAX)
        return hg_error(HOLOG_E_INVAL, "metadata: a key of 1-%u bytes and a value to %u bytes",
                        META_KEY_MAX, MESSAGE_MAX);
    while (hg_field_next(txn->fields.data, txn->fields.len, &at, &f) == HOLOG_OK)
        n += f.type == HG_FIELD_META ? 1 : 0;
    if (n >= META_MAX)
        return hg_error(HOLOG_E_TOOBIG, "a commit carries at most %u metadata entries", META_MAX);
    return hg_field_append_meta(&txn->fields, key, strlen(key), value, strlen(value));
}

int holog_txn_sync(holog_txn *txn, enum holog_sync sync)
{
    int rc = check(txn);

    if (rc < 0)
        return rc;
    if ((unsigned)sync > HOLOG_SYNC_NONE)
        return hg_error(HOLOG_E_INVAL, "sync mode %d does not exist", (int)sync);
    txn->sync = sync == HOLOG_SYNC_DEFAULT ? (enum holog_sync)txn->store->opts.sync : sync;
    return HOLOG_OK;
}

/* ---- savepoints --------------------------------------------------------------------------------------*/

int holog_txn_savepoint(holog_txn *txn, uint32_t *out_id)
{
    struct savepoint sp;
    int rc = check(txn);

    if (rc < 0)
        return rc;
    if (out_id == NULL)
        return hg_error(HOLOG_E_INVAL, "out_id is NULL");
    rc = hg_txn_settle(txn); /* operations of before do not become more behind it */
    if (rc < 0)
        return rc;
    sp = (struct savepoint){ .ops = txn->ops.len / sizeof(struct hg_op),
                             .fields_len = txn->fields.len,
                             .reads_len = txn->reads.len };
    rc = hg_buf_append(&txn->savepoints, &sp, sizeof sp);
    if (rc == HOLOG_OK)
        *out_id = (uint32_t)(txn->savepoints.len / sizeof sp - 1);
    return rc;
}

int holog_txn_rollback_to(holog_txn *txn, uint32_t id)
{
    struct savepoint sp;
    int rc = check(txn);

    if (rc < 0)
        return rc;
    if (id >= txn->savepoints.len / sizeof sp)
        return hg_error(HOLOG_E_INVAL, "no savepoint %u in this transaction", id);
    memcpy(&sp, txn->savepoints.data + id * sizeof sp, sizeof sp);
    rc = hg_txn_truncate(txn, sp.ops); /* what was read since stays read */
    if (rc < 0)
        return rc;
    txn->fields.len = sp.fields_len;
    txn->savepoints.len = (id + 1) * sizeof sp;
    return HOLOG_OK;
}

/* ---- the end -------------------------------------------------------------------------------------------*/

static int nothing_to_commit(const holog_txn *txn)
{
    return txn->ops.len == 0;
}

static int finish(holog_txn *txn, int async, holog_commit_fn done, void *ctx, uint64_t *out_number)
{
    int rc = check(txn);

    if (txn == NULL)
        return rc;
    if (rc == HOLOG_OK && nothing_to_commit(txn)) {
        uint64_t number = holog_last_number(txn->store);
        if (out_number != NULL)
            *out_number = number;
        if (done != NULL)
            done(ctx, HOLOG_OK, number);
    } else if (rc == HOLOG_OK) {
        rc = hg_commit(txn, async, done, ctx, out_number);
    }
    if (rc != HOLOG_E_AGAIN)
        hg_txn_free(txn);
    return rc;
}

int holog_commit(holog_txn *txn, uint64_t *out_number)
{
    return finish(txn, 0, NULL, NULL, out_number);
}

int holog_commit_async(holog_txn *txn, holog_commit_fn done, void *ctx, uint64_t *out_number)
{
    return finish(txn, 1, done, ctx, out_number);
}

void holog_abort(holog_txn *txn)
{
    hg_txn_free(txn);
}
