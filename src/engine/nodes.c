/*
 * Documents and chunks below a directory: found, read, changed.
 *
 * Their components are nobody's names, so their paths do not come from callers: they are put together here,
 * behind the resolved path of a directory. In the order of keys they stand behind the directory's names.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/node.h"
#include "engine/store_internal.h"

int hg_nodes_begin(struct hg_nodes *n, const struct hg_lookup *l, holog_txn *txn, const char *dir,
                   size_t dir_len)
{
    struct hg_key key;

    if (dir_len + 1 + HG_NODE_LEN_MAX > HG_PATH_MAX)
        return hg_error_path(HOLOG_E_NAMETOOLONG, dir, (uint32_t)dir_len,
                             "an array's path is at most %d bytes long",
                             HG_PATH_MAX - 1 - HG_NODE_LEN_MAX);
    hg_key_make(dir, dir_len, &key);
    n->lookup = *l;
    n->txn = txn;
    memcpy(n->path, dir, dir_len);
    n->path[dir_len] = 0;
    n->dir_len = dir_len;
    memcpy(n->key, key.bytes, key.len);
    n->key_len = key.len;
    return HOLOG_OK;
}

/* The directory's own path and key, with the component behind them. Returns the key's length. */
static size_t name_node(struct hg_nodes *n, const char *component, size_t len)
{
    size_t path_at = n->dir_len;
    size_t key_at = n->key_len;

    if (path_at > 0)
        n->path[path_at++] = '/';
    memcpy(n->path + path_at, component, len);
    n->path[path_at + len] = 0;
    if (key_at > 0)
        n->key[key_at++] = 0;
    memcpy(n->key + key_at, component, len); /* no digits: a key has it as it is */
    return key_at + len;
}

void hg_nodes_name(struct hg_nodes *n, const char *component, size_t len)
{
    (void)name_node(n, component, len);
}

int hg_nodes_find(struct hg_nodes *n, const char *component, size_t len, struct hg_locator *out)
{
    size_t key_len = name_node(n, component, len);

    return n->lookup.get(n->lookup.ctx, n->key, key_len, out);
}

int hg_nodes_load_document(struct hg_nodes *n, const struct hg_locator *loc,
                           holog_value **out_value)
{
    return loc->segment == 0 ? hg_nodes_load(n, loc, out_value)
                             : hg_value_load_often(n->lookup.store, loc, n->path, out_value);
}

int hg_nodes_load(struct hg_nodes *n, const struct hg_locator *loc, holog_value **out_value)
{
    return n->txn != NULL ? hg_txn_value_load(n->txn, loc, n->path, out_value)
                          : hg_value_load(n->lookup.store, loc, n->path, out_value);
}

/* ---- changes -------------------------------------------------------------------------------------*/

static int op(struct hg_nodes *n, enum hg_op_type type, unsigned flags, const void *data,
              size_t len, struct hg_staged *staged)
{
    int rc;

    n->txn->internal = 1;
    rc = hg_txn_op(n->txn, type, flags, n->path, NULL, data, len, staged);
    n->txn->internal = 0;
    return rc;
}

int hg_nodes_save(struct hg_nodes *n, const void *data, size_t len)
{
    struct hg_staged *g = NULL;
    int rc = hg_txn_stage(n->txn, data, len, &g);

    return rc < 0 ? rc : op(n, HG_OP_SAVE, HOLOG_REPLACE, data, len, g);
}

int hg_nodes_save_mem(struct hg_nodes *n, struct hg_mem *mem, size_t len)
{
    struct hg_staged *g = NULL;
    int rc;

    if (len <= n->lookup.store->inline_max) {
        rc = op(n, HG_OP_SAVE, HOLOG_REPLACE, mem->data, len, NULL);
        hg_mem_put(mem);
        return rc;
    }
    rc = hg_stage_mem(n->lookup.store, mem, len, &g);
    if (rc == HOLOG_OK)
        rc = hg_txn_take_staged(n->txn, g);
    return rc < 0 ? rc : op(n, HG_OP_SAVE, HOLOG_REPLACE, NULL, len, g);
}

int hg_nodes_delete(struct hg_nodes *n)
{
    return op(n, HG_OP_DELETE, 0, NULL, 0, NULL);
}

int hg_nodes_apply(struct hg_nodes *n, const holog_delta *deltas, size_t count)
{
    int rc;

    n->txn->internal = 1;
    rc = holog_txn_apply(n->txn, n->path, deltas, count, 0);
    n->txn->internal = 0;
    return rc;
}

/* ---- all of them ---------------------------------------------------------------------------------*/

int hg_nodes_chunks(struct hg_nodes *n, struct hg_version *v,
                    int (*each)(void *ctx, const char *component, size_t len,
                                const struct hg_locator *loc),
                    void *ctx)
{
    static const char first = (char)0xff; /* what all chunks' components begin with */
    struct hg_key *dir = hg_malloc(sizeof *dir);
    struct hg_node_range range = { .dir = dir, .prefix = &first, .prefix_len = 1 };
    size_t at_component = n->key_len + (n->key_len > 0);
    struct hg_cursor_at at;
    holog_cursor c;
    int rc;

    if (dir == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to look through the chunks of an array");
    hg_key_make(n->path, n->dir_len, dir);
    rc = hg_cursor_begin_nodes(&c, n->lookup.store, v, n->txn, &range);
    while (rc == HOLOG_OK) {
        rc = hg_cursor_step(&c, &at);
        if (rc == HOLOG_OK)
            rc = each(ctx, (const char *)at.key + at_component, at.key_len - at_component, &at.loc);
    }
    hg_cursor_end(&c);
    hg_free(dir);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}
