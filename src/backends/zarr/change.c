/*
 * Keys set and deleted, in a transaction. What a key is, is decided by what the transaction sees; a chunk's commit
 * depends on the document that it was understood by.
 */
#include <string.h>

#include "backends/zarr/place.h"
#include "base/alloc.h"
#include "base/error.h"

/* ---- the hierarchy of a transaction --------------------------------------------------------------*/

/* What documents say is kept from call to call. */
static int tree_of(holog_txn *txn, const char *path, struct hg_zarr_tree **out)
{
    struct hg_zarr_tree *t;
    int rc = txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                         : hg_store_check_write(txn->store);

    if (rc == HOLOG_OK)
        rc = hg_txn_settle(txn);
    if (rc < 0)
        return rc;
    t = txn->kept;
    if (t == NULL) {
        t = hg_calloc(1, sizeof *t);
        if (t == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a hierarchy");
        t->store = txn->store;
        t->version = txn->base;
        t->txn = txn;
        hg_txn_lookup(txn, &t->lookup);
        t->lookup.quiet = 1;
        txn->kept = t;
        txn->release_kept = hg_free;
    }
    *out = t;
    return hg_user_path(path, t->base, &t->base_len);
}

/* The transaction's commit fails if somebody else changes the document or the chunk before it. */
static int depend_on(holog_txn *txn, const struct hg_key *dir, const char *component, size_t len)
{
    const struct hg_read *reads = (const struct hg_read *)(const void *)txn->reads.data;
    size_t n = txn->reads.len / sizeof *reads;
    size_t at = dir->len + (dir->len > 0 ? 1 : 0);
    uint8_t key[HG_KEY_MAX];
    struct hg_locator loc;
    struct hg_lookup l;
    int rc;

    memcpy(key, dir->bytes, dir->len);
    key[dir->len] = 0;
    memcpy(key + at, component, len);
    len += at;
    if (n > 0 && reads[n - 1].kind == HG_READ_ENTRY && reads[n - 1].key_len == len &&
        memcmp(txn->arena.data + reads[n - 1].key, key, len) == 0)
        return HOLOG_OK; /* chunks of one array come in a row */
    hg_txn_lookup_reading(txn, &l);
    rc = l.get(l.ctx, key, len, &loc);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* An operation on a path that may end in a document or a chunk. */
static int change(holog_txn *txn, enum hg_op_type type, const char *path, const void *data,
                  size_t len)
{
    unsigned flags = HOLOG_REPLACE | HOLOG_PARENTS;
    int rc;

    txn->internal = 1;
    rc = type == HG_OP_SAVE ? hg_txn_save(txn, path, data, len, flags)
                            : hg_txn_op(txn, type, 0, path, NULL, NULL, 0, NULL);
    txn->internal = 0;
    return rc;
}

static int node_path(const char *dir, size_t dir_len, const char *component, size_t len, char *out)
{
    char canonical[HG_PATH_MAX + 1];
    size_t n = 0;
    int rc = hg_path_canonical(dir, dir_len, canonical, &n);

    if (rc < 0)
        return rc;
    if (len == 0)
        return hg_error(HOLOG_E_TOOBIG, "the array has more chunks than can be told apart");
    if (n + 1 + len > HG_PATH_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "the path of a chunk has more than %d bytes",
                        HG_PATH_MAX);
    memcpy(out, canonical, n);
    if (n > 0)
        out[n++] = '/';
    memcpy(out + n, component, len);
    out[n + len] = 0;
    return HOLOG_OK;
}

static int change_node(holog_txn *txn, enum hg_op_type type, const char *dir, const char *component,
                       size_t len, const void *data, size_t size)
{
    char path[HG_PATH_MAX + 1];
    int rc = node_path(dir, strlen(dir), component, len, path);

    return rc < 0 ? rc : change(txn, type, path, data, size);
}

/* ---- chunks --------------------------------------------------------------------------------------*/

/* An array, as chunks of it are changed. */
struct target {
    struct hg_zarr_tree *tree;
    const char *path; /* of its directory, as it was called */
    const struct hg_key *dir;
    const struct hg_zarr_array *array;
};

static int change_chunk(const struct target *a, enum hg_op_type type, const uint64_t *index,
                        const void *data, size_t size)
{
    char component[HG_NODE_LEN_MAX];
    size_t len = hg_node_chunk(index, a->array->grid.rank, component);

    return change_node(a->tree->txn, type, a->path, component, len, data, size);
}

/* 1, 0 or a negative code. */
static int has_bytes(const struct target *a, const struct hg_locator *loc, const uint8_t *data,
                     uint64_t size)
{
    holog_value *v = NULL;
    int same;
    int rc;

    if (loc->size != size)
        return 0;
    rc = hg_zarr_value(a->tree, loc, a->path, &v);
    if (rc < 0)
        return rc == HOLOG_E_CORRUPT ? 0 : rc; /* all the more it is written */
    same = size == 0 || memcmp(v->data, data, size) == 0;
    holog_value_release(v);
    return same;
}

/* An inner chunk of a shard that is set; data NULL: it has none there. What is as it was is not written. */
static int set_inner(const struct target *a, const uint64_t *index, const uint8_t *data,
                     uint64_t size)
{
    char component[HG_NODE_LEN_MAX];
    struct hg_locator loc = { 0 };
    size_t len = hg_node_chunk(index, a->array->grid.rank, component);
    int rc = hg_txn_settle(a->tree->txn);
    int same;

    if (rc == HOLOG_OK && len > 0)
        rc = hg_zarr_node(a->tree, a->dir, component, len, &loc);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    if (rc == HOLOG_E_NOENT)
        same = data == NULL;
    else
        same = data == NULL ? 0 : has_bytes(a, &loc, data, size);
    if (same < 0)
        return same;
    if (same)
        return len > 0 ? depend_on(a->tree->txn, a->dir, component, len) : HOLOG_OK;
    return change_node(a->tree->txn, data != NULL ? HG_OP_SAVE : HG_OP_DELETE, a->path, component,
                       len, data, (size_t)size);
}

static int set_shard(const struct target *a, const uint64_t *shard, const uint8_t *data, size_t len)
{
    const struct hg_stored *s = &a->array->shards;
    struct hg_zarr_inner_place *at = hg_malloc(s->chunks * sizeof *at);
    int rc = at == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for the index of a shard")
                        : hg_zarr_shard_read(s, data, len, at);

    for (uint32_t slot = 0; rc == HOLOG_OK && slot < s->chunks; slot++) {
        uint64_t index[HG_RANK_MAX];
        int is_there = at[slot].offset != UINT64_MAX;
        hg_zarr_shard_inner(s, a->array->grid.rank, shard, slot, index);
        rc = set_inner(a, index, is_there ? data + at[slot].offset : NULL,
                       is_there ? at[slot].size : 0);
    }
    hg_free(at);
    return rc;
}

static int set_chunk(const struct target *a, const uint64_t *index, const void *data, size_t len)
{
    int rc = depend_on(a->tree->txn, a->dir, HG_NODE_ARRAY, 2);

    if (rc < 0)
        return rc;
    return a->array->shards.chunks > 0 ? set_shard(a, index, data, len)
                                       : change_chunk(a, HG_OP_SAVE, index, data, len);
}

/* Entries of the array's chunks that go. */
struct dropping {
    const struct target *array;
    const uint64_t *lead; /* all whose keys begin with these ... */
    unsigned n;
    const uint64_t *count; /* ... and, unless it is NULL, those that are not below all of these */
};

static int drop_entry(void *ctx, const uint64_t *index, const struct hg_locator *loc)
{
    const struct dropping *d = ctx;
    const struct hg_zarr_array *a = d->array->array;
    int drop = d->count == NULL;

    HG_UNUSED(loc);
    for (unsigned i = 0; i < d->n; i++)
        if (index[i] / a->shards.per[i] != d->lead[i])
            return HOLOG_OK;
    for (unsigned i = 0; !drop && i < a->grid.rank; i++)
        drop = index[i] >= d->count[i];
    return drop ? change_chunk(d->array, HG_OP_DELETE, index, NULL, 0) : HOLOG_OK;
}

static int drop_chunks(const struct target *a, const uint64_t *lead, unsigned n,
                       const uint64_t *count)
{
    struct dropping d = { .array = a, .lead = lead, .n = n, .count = count };
    int is_plain = a->array->shards.chunks == 0;
    int rc = hg_txn_note_listing(a->tree->txn, a->dir);

    return rc < 0 ? rc
                  : hg_zarr_each_entry(a->tree, a->dir, a->array, lead, is_plain ? n : 0,
                                       drop_entry, &d);
}

/* ---- documents of arrays -------------------------------------------------------------------------*/

/* Of an array that gets a smaller shape: the chunks, or inner chunks, that are outside of it. */
static int drop_outside(const struct target *a, const struct hg_zarr_array *now)
{
    uint64_t count[HG_RANK_MAX];
    int shrinks = 0;

    for (unsigned i = 0; i < now->grid.rank; i++) {
        uint64_t size = now->shards.size[i];
        count[i] = now->shape[i] / size + (now->shape[i] % size != 0);
        shrinks |= now->shape[i] < a->array->shape[i];
    }
    return shrinks ? drop_chunks(a, NULL, 0, count) : HOLOG_OK;
}

/* The document of an array that is there already. *out_same: byte by byte what it has. */
static int replace_array(const struct target *now, const struct hg_zarr_place *p, const void *data,
                         size_t len, int *out_same)
{
    struct hg_zarr_array was;
    const struct target a = { now->tree, now->path, now->dir, &was };
    holog_value *v = NULL;
    int has = 0;
    int rc = hg_zarr_array_at(a.tree, &p->loc, p->at.path, &was);

    if (rc == HOLOG_OK)
        rc = depend_on(a.tree->txn, a.dir, HG_NODE_ARRAY, 2);
    if (rc == HOLOG_OK)
        rc = hg_zarr_value(a.tree, &p->loc, p->at.path, &v);
    if (rc != HOLOG_OK)
        return rc;
    *out_same = data != NULL && v->len == len && memcmp(v->data, data, len) == 0;
    if (!*out_same) {
        rc = hg_txn_note_listing(a.tree->txn, a.dir);
        if (rc == HOLOG_OK)
            rc = has = hg_zarr_has_chunks(a.tree, a.dir, &was, NULL, 0);
        if (has > 0)
            rc = hg_zarr_same_chunks(v->data, v->len, data, len);
        if (has > 0 && rc == 0)
            rc = hg_error_path(HOLOG_E_EXIST, a.path, (uint32_t)strlen(a.path),
                               "%s: has chunks that the new metadata would read in another way; "
                               "delete the array first",
                               a.path);
        if (has > 0 && rc > 0)
            rc = drop_outside(&a, now->array);
    }
    holog_value_release(v);
    return HG_MIN(rc, 0);
}

/* Blobs that came before their array's document, under names that are now those of chunks. */
struct adopting {
    const struct target *array;
    size_t skip; /* bytes of their paths in front of what is below the array */
    unsigned taken, left;
};

static int adopt(struct adopting *w, const char *path, size_t len, const struct hg_locator *loc)
{
    uint64_t index[HG_RANK_MAX];
    const struct hg_zarr_grid *g = &w->array->array->grid;
    holog_value *v = NULL;
    int rc;

    if (hg_zarr_chunk_read(g, path + w->skip, len - w->skip, index) != (int)g->rank) {
        w->left += path[w->skip] == 'c' && path[w->skip + 1] == '/';
        return HOLOG_OK;
    }
    rc = hg_zarr_value(w->array->tree, loc, path, &v);
    if (rc == HOLOG_OK)
        rc = set_chunk(w->array, index, v->data, v->len);
    if (rc == HOLOG_OK)
        rc = change(w->array->tree->txn, HG_OP_DELETE, path, NULL, 0);
    holog_value_release(v);
    w->taken++;
    return rc;
}

static int adopt_entry(struct adopting *w, holog_cursor *c, const struct hg_cursor_at *at)
{
    char path[HG_PATH_MAX + 1];
    struct hg_locator loc;
    struct hg_key key;
    size_t len = 0;
    int rc;

    if (hg_key_is_node(at->key, at->key_len)) {
        hg_cursor_skip_nodes(c, at, 1);
        return HOLOG_OK;
    }
    rc = hg_key_to_path(at->key, at->key_len, path, &len);
    if (rc == HOLOG_OK && at->loc.type == HG_ENTRY_BLOB)
        return adopt(w, path, len, &at->loc);
    w->left += at->loc.type != HG_ENTRY_DIR;
    if (rc < 0 || at->loc.type != HG_ENTRY_DIR)
        return rc;
    hg_key_make(path, len, &key);
    rc = hg_zarr_node(w->array->tree, &key, HG_NODE_ARRAY, 2, &loc);
    if (rc == HOLOG_OK) /* another array's */
        return hg_cursor_skip_below(c, at);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* The directories that were made for them. */
static int tidy(const struct adopting *w, const char *dir)
{
    const struct hg_zarr_grid *g = &w->array->array->grid;
    char path[HG_PATH_MAX + 1];
    int rc;

    if (w->taken == 0 || w->left > 0 || g->v2_keys || g->separator != '/' || g->rank == 0)
        return HOLOG_OK;
    rc = node_path(dir, strlen(dir), "c", 1, path);
    return rc < 0 ? rc : change(w->array->tree->txn, HG_OP_DELETE_TREE, path, NULL, 0);
}

static int adopt_chunks(const struct target *a, const struct hg_resolved *dir)
{
    struct adopting w = { .array = a, .skip = dir->path_len + (dir->path_len > 0 ? 1 : 0) };
    holog_cursor *c = hg_malloc(sizeof *c);
    int rc = c == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a listing")
                       : hg_txn_settle(a->tree->txn);

    if (rc < 0) {
        hg_free(c);
        return rc;
    }
    rc = hg_cursor_begin(c, a->tree->store, a->tree->version, a->tree->txn, &dir->key);
    while (rc == HOLOG_OK) {
        struct hg_cursor_at at;
        rc = hg_cursor_step(c, &at);
        if (rc == HOLOG_OK)
            rc = adopt_entry(&w, c, &at);
    }
    hg_cursor_end(c);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? tidy(&w, dir->path) : rc;
}

static int set_array(struct hg_zarr_tree *t, const char *path, const struct hg_zarr_place *p,
                     const void *data, size_t len)
{
    struct hg_zarr_array now;
    struct target a = { t, path, &p->at.key, &now };
    int same = 0;
    int rc = hg_zarr_array_read(data, len, &now);

    if (rc == HOLOG_OK && p->what == HG_ZARR_ARRAY_DOCUMENT)
        rc = replace_array(&a, p, data, len, &same);
    if (rc == HOLOG_OK && p->what == HG_ZARR_GROUP_DOCUMENT)
        rc = change_node(t->txn, HG_OP_DELETE, path, HG_NODE_GROUP, 2, NULL, 0);
    if (rc == HOLOG_OK && !same)
        rc = change_node(t->txn, HG_OP_SAVE, path, HG_NODE_ARRAY, 2, data, len);
    if (rc == HOLOG_OK && p->what != HG_ZARR_ARRAY_DOCUMENT && p->at.loc.type == HG_ENTRY_DIR)
        rc = adopt_chunks(&a, &p->at);
    return rc;
}

/* ---- documents of groups -------------------------------------------------------------------------*/

static int set_group(struct hg_zarr_tree *t, const char *path, const struct hg_zarr_place *p,
                     const void *data, size_t len)
{
    struct hg_zarr_array was;
    int rc = HOLOG_OK;

    if (p->what == HG_ZARR_ARRAY_DOCUMENT) {
        rc = hg_txn_note_listing(t->txn, &p->at.key);
        if (rc == HOLOG_OK)
            rc = hg_zarr_array_at(t, &p->loc, p->at.path, &was);
        if (rc == HOLOG_OK)
            rc = hg_zarr_has_chunks(t, &p->at.key, &was, NULL, 0);
        if (rc > 0)
            return hg_error_path(HOLOG_E_EXIST, path, (uint32_t)strlen(path),
                                 "%s: is an array with chunks; delete it first", path);
        if (rc == HOLOG_OK)
            rc = change_node(t->txn, HG_OP_DELETE, path, HG_NODE_ARRAY, 2, NULL, 0);
    }
    return rc < 0 ? rc : change_node(t->txn, HG_OP_SAVE, path, HG_NODE_GROUP, 2, data, len);
}

static int set_document(struct hg_zarr_tree *t, const char *path, const struct hg_zarr_place *p,
                        const void *data, size_t len)
{
    int is_array = 0;
    int rc = hg_zarr_document_check(data, len, &is_array);

    if (rc < 0)
        return rc;
    if (p->at.loc.type == HG_ENTRY_BLOB)
        return hg_error_path(HOLOG_E_EXIST, path, (uint32_t)strlen(path),
                             "%s: is a blob, and no group or array", path);
    return is_array ? set_array(t, path, p, data, len) : set_group(t, path, p, data, len);
}

/* ---- deleting ------------------------------------------------------------------------------------*/

/* 1, 0 or a negative code. */
static int has_names(const struct hg_zarr_tree *t, const struct hg_key *dir)
{
    holog_cursor *c = hg_malloc(sizeof *c);
    struct hg_cursor_at at;
    int rc;

    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    rc = hg_cursor_begin(c, t->store, t->version, t->txn, dir);
    if (rc == HOLOG_OK)
        rc = hg_cursor_step(c, &at);
    if (rc == HOLOG_OK) /* names come first */
        rc = !hg_key_is_node(at.key, at.key_len);
    hg_cursor_end(c);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? 0 : rc;
}

/* The document, and an array's chunks. A directory that has nothing else goes with it: else it would be a
 * group, whose document is made up. */
static int delete_document(struct hg_zarr_tree *t, const char *path, size_t dir_len,
                           const struct hg_zarr_place *p)
{
    struct hg_zarr_array is;
    struct target a = { t, path, &p->at.key, &is };
    int rc = hg_txn_note_listing(t->txn, &p->at.key);

    if (rc == HOLOG_OK)
        rc = has_names(t, &p->at.key);
    if (rc < 0)
        return rc;
    if (rc == 0 && dir_len > 0)
        return change(t->txn, HG_OP_DELETE_TREE, path, NULL, 0);
    if (p->what == HG_ZARR_MADE_UP)
        return HOLOG_OK;
    if (p->what == HG_ZARR_GROUP_DOCUMENT)
        return change_node(t->txn, HG_OP_DELETE, path, HG_NODE_GROUP, 2, NULL, 0);
    rc = hg_zarr_array_at(t, &p->loc, p->at.path, &is);
    if (rc == HOLOG_OK)
        rc = drop_chunks(&a, NULL, 0, NULL);
    return rc < 0 ? rc : change_node(t->txn, HG_OP_DELETE, path, HG_NODE_ARRAY, 2, NULL, 0);
}

/* ---- the calls -----------------------------------------------------------------------------------*/

/* The path of what has len bytes of the key; of a chunk its array. */
static int path_of(const struct hg_zarr_tree *t, const char *key, size_t len, char *out)
{
    size_t n = 0;

    return hg_zarr_path(t, key, len, out, &n);
}

static int set(struct hg_zarr_tree *t, const char *key, const struct hg_zarr_key *k,
               const void *data, size_t len)
{
    char path[HG_PATH_MAX + 1];
    struct hg_zarr_place p; /* 36 KiB: only what counts is set */
    struct target a = { t, path, &p.array_at.key, &p.array };
    int rc = hg_zarr_find(t, key, 0, &p);

    if (rc < 0)
        return rc;
    if (k->name == HG_ZARR_JSON) {
        rc = path_of(t, key, k->dir_len, path);
        return rc < 0 ? rc : set_document(t, path, &p, data, len);
    }
    if (p.is_chunk) {
        rc = path_of(t, key, p.array_len, path);
        return rc < 0 ? rc : set_chunk(&a, p.index, data, len);
    }
    rc = path_of(t, key, k->len, path);
    return rc < 0 ? rc : hg_txn_save(t->txn, path, data, len, HOLOG_REPLACE | HOLOG_PARENTS);
}

int holog_txn_zarr_set(holog_txn *txn, const char *path, const char *key, const void *data,
                       size_t len_bytes)
{
    struct hg_zarr_tree *t = NULL;
    struct hg_zarr_key k;
    int rc = tree_of(txn, path, &t);

    if (rc == HOLOG_OK && (key == NULL || (data == NULL && len_bytes > 0)))
        rc = hg_error(HOLOG_E_INVAL, "key or data is NULL");
    if (rc == HOLOG_OK)
        rc = hg_zarr_key_read(key, strlen(key), &k);
    if (rc != HOLOG_OK)
        return rc;
    if (k.is_prefix)
        return hg_error(HOLOG_E_BADPATH,
                        "a key that is set is not empty, and has no '/' at its end");
    return set(t, key, &k, data, len_bytes);
}

static int delete_key(struct hg_zarr_tree *t, const char *key, const struct hg_zarr_key *k)
{
    char path[HG_PATH_MAX + 1];
    struct hg_zarr_place p;
    struct target a = { t, path, &p.array_at.key, &p.array };
    int rc = hg_zarr_find(t, key, 0, &p);

    if (rc < 0 || p.what == HG_ZARR_NOTHING)
        return rc;
    rc = path_of(t, key,
                 p.is_chunk                ? p.array_len
                 : k->name == HG_ZARR_JSON ? k->dir_len
                                           : k->len,
                 path);
    if (rc < 0)
        return rc;
    if (p.what == HG_ZARR_CHUNK)
        return change_chunk(&a, HG_OP_DELETE, p.index, NULL, 0);
    if (p.what == HG_ZARR_SHARD)
        return drop_chunks(&a, p.index, p.n, NULL);
    if (p.what == HG_ZARR_BLOB)
        return change(t->txn, HG_OP_DELETE, path, NULL, 0);
    return k->name == HG_ZARR_JSON ? delete_document(t, path, k->dir_len, &p) : HOLOG_OK;
}

int holog_txn_zarr_delete(holog_txn *txn, const char *path, const char *key)
{
    struct hg_zarr_tree *t = NULL;
    struct hg_zarr_key k = { 0 };
    int rc = tree_of(txn, path, &t);

    if (rc == HOLOG_OK && key == NULL)
        rc = hg_error(HOLOG_E_INVAL, "the key is NULL");
    if (rc == HOLOG_OK)
        rc = hg_zarr_key_read(key, strlen(key), &k);
    return rc != HOLOG_OK || k.is_prefix ? rc : delete_key(t, key, &k);
}

static int delete_below(struct hg_zarr_tree *t, const char *prefix, const struct hg_zarr_key *k)
{
    char path[HG_PATH_MAX + 1];
    char array_path[HG_PATH_MAX + 1];
    struct hg_zarr_place p;
    struct target a = { t, array_path, &p.array_at.key, &p.array };
    int rc = hg_zarr_find(t, prefix, 1, &p);

    if (rc == HOLOG_OK && p.what == HG_ZARR_CHUNKS) {
        rc = path_of(t, prefix, p.array_len, array_path);
        if (rc == HOLOG_OK)
            rc = drop_chunks(&a, p.index, p.n, NULL);
    }
    if (rc < 0 || p.at.loc.type != HG_ENTRY_DIR)
        return rc;
    if (k->len == 0)
        memcpy(path, p.at.path, p.at.path_len + 1);
    else
        rc = path_of(t, prefix, k->len, path);
    if (rc == HOLOG_OK)
        rc =
            hg_txn_op(t->txn, HG_OP_DELETE_TREE, 0, path[0] == 0 ? "/" : path, NULL, NULL, 0, NULL);
    if (rc == HOLOG_OK && k->len == 0 && path[0] != 0) /* the hierarchy itself stays */
        rc = hg_txn_op(t->txn, HG_OP_MKDIR, HOLOG_PARENTS, path, NULL, NULL, 0, NULL);
    return rc;
}

int holog_txn_zarr_delete_prefix(holog_txn *txn, const char *path, const char *prefix)
{
    struct hg_zarr_tree *t = NULL;
    struct hg_zarr_key k;
    int rc = tree_of(txn, path, &t);

    if (rc == HOLOG_OK && prefix == NULL)
        rc = hg_error(HOLOG_E_INVAL, "the prefix is NULL");
    if (rc == HOLOG_OK)
        rc = hg_zarr_key_read(prefix, strlen(prefix), &k);
    return rc != HOLOG_OK ? rc : delete_below(t, prefix, &k);
}
