/*
 * Deltas: the calls.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/delta.h"

static size_t op_count(const holog_txn *txn)
{
    return txn->ops.len / sizeof(struct hg_op);
}

static int add(holog_txn *txn, const char *path, const holog_delta *delta, unsigned flags,
               const struct hg_locator *from, uint64_t expect)
{
    const struct hg_delta_op *before = txn->deltas;
    struct hg_staged *g = NULL;
    struct hg_delta_op *d = NULL;
    int rc = hg_delta_collect(txn, delta, flags, &d);

    if (rc < 0 || d == NULL)
        return rc;
    if (from != NULL)
        d->from = *from;
    d->expect = expect;
    if (d->len > 0)
        rc = hg_txn_stage(txn, delta->data, delta->len_bytes, &g);
    if (g != NULL)
        g->held = 1;
    txn->delta = d;
    if (rc == HOLOG_OK)
        rc = hg_txn_op(txn, HG_OP_DELTA, flags, path, NULL, delta->data, (size_t)d->len, g);
    txn->delta = NULL;
    if (rc < 0)
        hg_deltas_free(txn, before);
    return rc;
}

static int check_calls(const holog_delta *deltas, size_t n)
{
    int rc = deltas == NULL && n > 0 ? hg_error(HOLOG_E_INVAL, "deltas is NULL") : HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++)
        rc = hg_delta_check_call(&deltas[i]);
    return rc;
}

/* Where the path leads, as readers see it: the first delta is made ready for that. Whether it is
 * there at all, the commit decides. */
static int find_published(holog_store *s, const char *path, struct hg_locator *out)
{
    struct hg_resolved *r = hg_malloc(sizeof *r);
    struct hg_version *v = hg_version_get_published(s);
    struct hg_lookup l;
    int rc = r == NULL || v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a delta") : HOLOG_OK;

    if (rc == HOLOG_OK) {
        hg_lookup_version(s, v, &l);
        if (hg_resolve_user(&l, path, 1, r) == HOLOG_OK && r->loc.type == HG_ENTRY_BLOB)
            *out = r->loc;
    }
    hg_version_put(s, v);
    hg_free(r);
    return rc;
}

int holog_apply(holog_store *store, const char *path, const holog_delta *deltas, size_t n,
                unsigned flags, uint64_t expect_number, uint64_t *out_number)
{
    struct hg_locator from = { 0 };
    holog_txn *txn;
    uint64_t t0;
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK)
        rc = check_calls(deltas, n);
    if (rc < 0)
        return rc;
    if (n == 0) {
        if (out_number != NULL)
            *out_number = holog_last_number(store);
        return HOLOG_OK;
    }
    t0 = store->io->ops->now_ns(store->io);
    rc = hg_txn_begin(store, HG_TXN_SINGLE, &txn);
    if (rc < 0)
        return rc;
    rc = find_published(store, path, &from);
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        rc = add(txn, path, &deltas[i], flags, &from, i == 0 ? expect_number : 0);
        if (from.type != 0) /* the next one changes what this one made */
            from = (struct hg_locator){ .type = HG_ENTRY_BLOB, .offset = (uint32_t)i };
    }
    __atomic_add_fetch(&store->deltas.ns, store->io->ops->now_ns(store->io) - t0, __ATOMIC_RELAXED);
    if (rc == HOLOG_OK)
        rc = hg_commit(txn, 0, NULL, NULL, out_number);
    hg_txn_free(txn);
    return rc;
}

int holog_txn_apply(holog_txn *txn, const char *path, const holog_delta *deltas, size_t n,
                    unsigned flags)
{
    size_t ops_were;
    int rc = txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                         : hg_store_check_write(txn->store);

    if (rc == HOLOG_OK)
        rc = check_calls(deltas, n);
    if (rc == HOLOG_OK)
        rc = hg_txn_settle(txn); /* parents are not put before what comes now */
    if (rc < 0)
        return rc;
    ops_were = op_count(txn);
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++)
        rc = add(txn, path, &deltas[i], flags, NULL, 0);
    if (rc < 0 && op_count(txn) > ops_were) { /* all or none */
        struct holog_error_detail why;
        int back;
        hg_error_get(&why);
        back = hg_txn_truncate(txn, ops_were);
        if (back < 0)
            return back;
        hg_error_set(&why);
    }
    return rc;
}
