/*
 * From a key to what it names, and the chunks of an array; see place.h.
 */
#include "backends/zarr/place.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

/* ---- entries -------------------------------------------------------------------------------------*/

int hg_zarr_node(const struct hg_zarr_tree *t, const struct hg_key *dir, const char *component,
                 size_t len, struct hg_locator *out)
{
    uint8_t key[HG_KEY_MAX];
    size_t at = dir->len;

    HG_ASSERT(at + 1 + len <= sizeof key);
    memcpy(key, dir->bytes, at);
    if (at > 0)
        key[at++] = 0;
    memcpy(key + at, component, len);
    return t->lookup.get(t->lookup.ctx, key, at + len, out);
}

int hg_zarr_value(const struct hg_zarr_tree *t, const struct hg_locator *loc, const char *path,
                  holog_value **out_value)
{
    return t->txn != NULL ? hg_txn_value_load(t->txn, loc, path, out_value)
                          : hg_value_load(t->store, loc, path, out_value);
}

int hg_zarr_path(const struct hg_zarr_tree *t, const char *key, size_t len, char *out,
                 size_t *out_len)
{
    size_t at = t->base_len;

    if (at + 1 + len > HG_PATH_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "a key of %zu bytes is no path: %d are possible", len,
                        HG_PATH_MAX);
    memcpy(out, t->base, at);
    if (len > 0) {
        if (at > 0)
            out[at++] = '/';
        memcpy(out + at, key, len);
        at += len;
    }
    out[at] = 0;
    *out_len = at;
    return HOLOG_OK;
}

/* What a key of len bytes leads to as a path: type 0 when that is nothing. *out_missing: how much of the key
 * may be cut off before something is found; len: nothing is known. */
static int look_at(const struct hg_zarr_tree *t, const char *key, size_t len,
                   struct hg_resolved *out, size_t *out_missing)
{
    char path[HG_PATH_MAX + 1];
    size_t path_len = 0;
    size_t before = t->base_len + (t->base_len > 0 ? 1 : 0);
    int rc = hg_zarr_path(t, key, len, path, &path_len);

    *out_missing = len;
    out->loc.type = 0;
    if (rc == HOLOG_OK)
        rc = hg_resolve(&t->lookup, path, path_len, 1, out);
    if (rc == HOLOG_E_NOENT && out->literal && out->missing >= before)
        *out_missing = HG_MIN(out->missing - before, len);
    if (rc == HOLOG_OK)
        return HOLOG_OK;
    out->loc.type = 0;
    return rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR || rc == HOLOG_E_LOOP ||
                   rc == HOLOG_E_NAMETOOLONG
               ? HOLOG_OK
               : rc;
}

/* ---- arrays --------------------------------------------------------------------------------------*/

static int is_same_document(const struct hg_locator *a, const struct hg_locator *b)
{
    return a->type == b->type && a->segment == b->segment && a->offset == b->offset &&
           a->size == b->size && a->check == b->check;
}

static void lock(const struct hg_zarr_tree *t)
{
    if (t->lock != NULL)
        hg_mutex_lock(t->store->io, t->lock);
}

static void unlock(const struct hg_zarr_tree *t)
{
    if (t->lock != NULL)
        hg_mutex_unlock(t->store->io, t->lock);
}

static int find_cached(struct hg_zarr_tree *t, const struct hg_locator *loc,
                       const struct hg_hash128 *hash, struct hg_zarr_array *out)
{
    int found = 0;

    lock(t);
    for (unsigned i = 0; !found && i < HG_ZARR_CACHED; i++) {
        const struct hg_zarr_cached *c = &t->cached[i];
        found = is_same_document(&c->of, loc) && c->hash.lo == hash->lo && c->hash.hi == hash->hi;
        if (found)
            *out = c->array;
    }
    unlock(t);
    return found;
}

static void keep_cached(struct hg_zarr_tree *t, const struct hg_locator *loc,
                        const struct hg_hash128 *hash, const struct hg_zarr_array *array)
{
    lock(t);
    t->cached[t->next] = (struct hg_zarr_cached){ .of = *loc, .hash = *hash, .array = *array };
    t->next = (t->next + 1) % HG_ZARR_CACHED;
    unlock(t);
}

int hg_zarr_array_at(struct hg_zarr_tree *t, const struct hg_locator *loc, const char *path,
                     struct hg_zarr_array *out)
{
    struct hg_hash128 hash = { 0, 0 };
    holog_value *v = NULL;
    int own = loc->segment == 0;
    int rc = HOLOG_OK;

    if (own)
        rc = hg_zarr_value(t, loc, path, &v);
    if (v != NULL)
        hash = hg_hash128(v->data, v->len);
    if (rc == HOLOG_OK && !find_cached(t, loc, &hash, out)) {
        if (v == NULL)
            rc = hg_zarr_value(t, loc, path, &v);
        if (rc == HOLOG_OK)
            rc = hg_zarr_array_read(v->data, v->len, out);
        if (rc == HOLOG_OK)
            keep_cached(t, loc, &hash, out);
    }
    holog_value_release(v);
    if (rc == HOLOG_OK && t->is_v2)
        out->grid.v2_keys = 1;
    return rc;
}

/* The nearest array above the first len bytes of the key. */
static int find_array(struct hg_zarr_tree *t, const char *key, size_t len,
                      struct hg_zarr_place *out)
{
    struct hg_locator loc = { 0 };
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && len > 0) {
        size_t above = hg_path_parent(key, len);
        rc = look_at(t, key, above, &out->array_at, &len);
        if (rc == HOLOG_OK && out->array_at.loc.type == HG_ENTRY_DIR) {
            rc = hg_zarr_node(t, &out->array_at.key, HG_NODE_ARRAY, 2, &loc);
            if (rc == HOLOG_OK) {
                out->in_array = 1;
                out->array_len = above;
                return hg_zarr_array_at(t, &loc, out->array_at.path, &out->array);
            }
            rc = rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
        }
    }
    return rc;
}

/* ---- keys ----------------------------------------------------------------------------------------*/

/* The document of a directory: of its own, or made up unless it is part of an array. */
static int find_json(struct hg_zarr_tree *t, const char *key, size_t dir_len,
                     struct hg_zarr_place *out)
{
    int rc = hg_zarr_node(t, &out->at.key, HG_NODE_ARRAY, 2, &out->loc);

    if (rc == HOLOG_OK) {
        out->what = HG_ZARR_ARRAY_DOCUMENT;
        return HOLOG_OK;
    }
    if (rc == HOLOG_E_NOENT)
        rc = hg_zarr_node(t, &out->at.key, HG_NODE_GROUP, 2, &out->loc);
    if (rc == HOLOG_OK)
        out->what = HG_ZARR_GROUP_DOCUMENT;
    if (rc != HOLOG_E_NOENT)
        return rc;
    rc = find_array(t, key, dir_len, out);
    if (rc == HOLOG_OK && !out->in_array)
        out->what = HG_ZARR_MADE_UP;
    return rc;
}

/* Does the directory have a document of that name? */
static enum hg_zarr_what as_v2(enum hg_zarr_what what, enum hg_zarr_name name, size_t dir_len)
{
    int is_group = what == HG_ZARR_GROUP_DOCUMENT || what == HG_ZARR_MADE_UP;

    if (name == HG_ZARR_ZMETADATA)
        return is_group && dir_len == 0 ? HG_ZARR_CONSOLIDATED : HG_ZARR_NOTHING;
    if ((name == HG_ZARR_ZGROUP && is_group) || name == HG_ZARR_ZATTRS ||
        (name == HG_ZARR_ZARRAY && what == HG_ZARR_ARRAY_DOCUMENT))
        return what;
    return HG_ZARR_NOTHING;
}

static int find_document(struct hg_zarr_tree *t, const char *key, const struct hg_zarr_key *k,
                         struct hg_zarr_place *out)
{
    size_t missing;
    int rc;

    if (t->is_v2 && k->name == HG_ZARR_JSON)
        return HOLOG_OK;
    rc = look_at(t, key, k->dir_len, &out->at, &missing);
    if (rc == HOLOG_OK && out->at.loc.type == HG_ENTRY_DIR)
        rc = find_json(t, key, k->dir_len, out);
    if (rc == HOLOG_OK && t->is_v2)
        out->what = as_v2(out->what, k->name, k->dir_len);
    return rc;
}

static int find_one_chunk(const struct hg_zarr_tree *t, struct hg_zarr_place *out)
{
    char component[HG_NODE_LEN_MAX];
    size_t len;
    int rc;

    if (out->array.shards.chunks > 0) {
        out->what = HG_ZARR_SHARD;
        return HOLOG_OK;
    }
    len = hg_node_chunk(out->index, out->n, component);
    if (len == 0)
        return HOLOG_OK;
    rc = hg_zarr_node(t, &out->array_at.key, component, len, &out->loc);
    if (rc == HOLOG_OK)
        out->what = HG_ZARR_CHUNK;
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* Of a key below an array. */
static int find_chunk(const struct hg_zarr_tree *t, const char *key, const struct hg_zarr_key *k,
                      struct hg_zarr_place *out)
{
    size_t skip = out->array_len + (out->array_len > 0 ? 1 : 0);
    int n = hg_zarr_chunk_read(&out->array.grid, key + skip, k->len - skip, out->index);
    int rc;

    out->is_chunk = n == (int)out->array.grid.rank && !k->is_prefix;
    if (n < 0)
        return HOLOG_OK;
    if (t->is_v2 && !out->array.has_twin) {
        if (out->is_chunk)
            return hg_error_path(HOLOG_E_NOTSUP, key, (uint32_t)k->len,
                                 "%s: the array's chunks are other bytes in Zarr v2", key);
        return HOLOG_OK;
    }
    out->n = (unsigned)n;
    if (out->is_chunk)
        return find_one_chunk(t, out);
    if (out->n == out->array.grid.rank) /* nothing is below a chunk */
        return HOLOG_OK;
    rc = hg_zarr_has_chunks(t, &out->array_at.key, &out->array, out->index, out->n);
    if (rc > 0)
        out->what = HG_ZARR_CHUNKS;
    return HG_MIN(rc, 0);
}

static int find_entry(const struct hg_zarr_tree *t, const char *key, const struct hg_zarr_key *k,
                      struct hg_zarr_place *out)
{
    size_t missing;
    int rc = look_at(t, key, k->len, &out->at, &missing);

    if (rc < 0)
        return rc;
    out->loc = out->at.loc;
    if (out->loc.type == HG_ENTRY_BLOB && !k->is_prefix)
        out->what = HG_ZARR_BLOB;
    else if (out->loc.type == HG_ENTRY_DIR && out->what == HG_ZARR_NOTHING)
        out->what = HG_ZARR_DIRECTORY;
    return HOLOG_OK;
}

/* An array may lie where another one, further up, has its chunks ("a/c" below array "a"): what is spelled like a
 * chunk of the outer one is that, whatever stands there. */
static int prefer_outer(struct hg_zarr_tree *t, const char *key, const struct hg_zarr_key *k,
                        struct hg_zarr_place *out)
{
    struct hg_zarr_place *outer = hg_malloc(sizeof *outer);
    uint64_t index[HG_RANK_MAX];
    size_t len = out->array_len;
    int rc = outer == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to find a key") : HOLOG_OK;

    while (rc == HOLOG_OK && len > 0) {
        size_t skip;
        outer->in_array = 0;
        rc = find_array(t, key, len, outer);
        if (rc < 0 || !outer->in_array)
            break;
        len = outer->array_len;
        skip = len + (len > 0 ? 1 : 0);
        if (hg_zarr_chunk_read(&outer->array.grid, key + skip, k->len - skip, index) ==
            (int)outer->array.grid.rank) {
            out->array_at = outer->array_at;
            out->array = outer->array;
            out->array_len = len;
        }
    }
    hg_free(outer);
    return rc;
}

int hg_zarr_find(struct hg_zarr_tree *t, const char *key, int as_prefix, struct hg_zarr_place *out)
{
    struct hg_zarr_key k;
    int rc;

    if (key == NULL)
        return hg_error(HOLOG_E_INVAL, "the key is NULL");
    rc = hg_zarr_key_read(key, strlen(key), &k);
    if (rc < 0)
        return rc;
    k.is_prefix |= as_prefix;
    out->what = HG_ZARR_NOTHING;
    out->name = k.name;
    out->in_array = out->is_chunk = 0;
    out->n = 0;
    out->loc.type = out->at.loc.type = 0;
    if (!k.is_prefix && (k.name == HG_ZARR_JSON || (t->is_v2 && k.name != HG_ZARR_PLAIN)))
        return find_document(t, key, &k, out);
    rc = find_array(t, key, k.len, out);
    if (rc == HOLOG_OK && out->in_array && out->array_len > 0 && !k.is_prefix)
        rc = prefer_outer(t, key, &k, out);
    if (rc == HOLOG_OK && out->in_array)
        rc = find_chunk(t, key, &k, out);
    if (rc < 0 || out->is_chunk) /* no blob of that name is seen */
        return rc;
    return find_entry(t, key, &k, out);
}

/* ---- chunks --------------------------------------------------------------------------------------*/

static int too_long(void)
{
    return hg_error(HOLOG_E_TOOBIG, "the array has more chunks than can be told apart");
}

/* Chunk entries whose components begin with n indexes; with_from: and have index[n] or more behind them. */
static int open_entries(holog_cursor *c, const struct hg_zarr_tree *t, const struct hg_key *dir,
                        const uint64_t *index, unsigned n, int with_from)
{
    char prefix[HG_NODE_LEN_MAX];
    char from[HG_NODE_LEN_MAX];
    struct hg_node_range nodes = { .dir = dir, .prefix = prefix, .from = from };

    nodes.prefix_len = hg_node_chunk(index, n, prefix);
    nodes.from_len = with_from ? hg_node_chunk(index, n + 1, from) : 0;
    if (nodes.prefix_len == 0 || (with_from && nodes.from_len == 0))
        return too_long();
    return hg_cursor_begin_nodes(c, t->store, t->version, t->txn, &nodes);
}

static void close_entries(holog_cursor *c)
{
    if (c->store != NULL)
        hg_cursor_end(c);
    c->store = NULL;
}

/* The next entry that is a chunk of so many axes. */
static int step_entry(holog_cursor *c, unsigned rank, uint64_t *out_index, struct hg_cursor_at *at)
{
    int rc;

    while ((rc = hg_cursor_step(c, at)) == HOLOG_OK) {
        size_t parent = hg_key_parent(at->key, at->key_len);
        size_t start = parent + (parent > 0 ? 1 : 0);
        if (hg_node_index((const char *)at->key + start, at->key_len - start, out_index) ==
            (int)rank)
            return HOLOG_OK;
    }
    return rc;
}

static holog_cursor *new_cursor(int *out_rc)
{
    holog_cursor *c = hg_malloc(sizeof *c);

    *out_rc = c == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to list chunks") : HOLOG_OK;
    if (c != NULL)
        c->store = NULL; /* nothing to end */
    return c;
}

/* Where the rows of inner chunks below the first k indexes of a key begin: as many as there are inner chunks
 * in those axes of a shard. */
static uint64_t count_rows(const struct hg_zarr_array *a, unsigned k)
{
    uint64_t rows = 1;

    for (unsigned i = 0; i < k; i++)
        rows *= a->shards.per[i];
    return rows;
}

static void row_at(const struct hg_zarr_array *a, const uint64_t *lead, unsigned k, uint64_t row,
                   uint64_t *out_index)
{
    for (unsigned i = k; i-- > 0;) {
        out_index[i] = lead[i] * a->shards.per[i] + row % a->shards.per[i];
        row /= a->shards.per[i];
    }
}

int hg_zarr_next(const struct hg_zarr_tree *t, const struct hg_key *dir,
                 const struct hg_zarr_array *a, const uint64_t *lead, unsigned k, uint64_t from,
                 uint64_t *out)
{
    uint64_t best = a->grid.count[k];
    uint64_t rows = count_rows(a, k);
    int rc = HOLOG_OK;
    holog_cursor *c;

    if (from >= best)
        return HOLOG_E_NOENT;
    c = new_cursor(&rc);
    for (uint64_t row = 0; rc == HOLOG_OK && row < rows && best > from; row++) {
        uint64_t index[HG_RANK_MAX];
        struct hg_cursor_at at;
        row_at(a, lead, k, row, index);
        index[k] = from * a->shards.per[k];
        rc = open_entries(c, t, dir, index, k, 1);
        if (rc == HOLOG_OK)
            rc = step_entry(c, a->grid.rank, index, &at);
        if (rc == HOLOG_OK)
            best = HG_MIN(best, index[k] / a->shards.per[k]);
        close_entries(c);
        rc = rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
    }
    hg_free(c);
    if (rc < 0)
        return rc;
    if (best == a->grid.count[k])
        return HOLOG_E_NOENT;
    *out = best;
    return HOLOG_OK;
}

int hg_zarr_has_chunks(const struct hg_zarr_tree *t, const struct hg_key *dir,
                       const struct hg_zarr_array *a, const uint64_t *lead, unsigned n)
{
    struct hg_locator loc;
    uint64_t next = 0;
    int rc;

    if (a->grid.rank == 0)
        rc = hg_zarr_node(t, dir, "\xff", 1, &loc);
    else if (n == 0)
        rc = hg_zarr_next(t, dir, a, lead, 0, 0, &next);
    else
        rc = hg_zarr_next(t, dir, a, lead, n - 1, lead[n - 1], &next);
    if (rc == HOLOG_OK && n > 0 && next != lead[n - 1])
        return 0;
    return rc == HOLOG_E_NOENT ? 0 : rc < 0 ? rc : 1;
}

static int append_inner(const struct hg_zarr_array *a, const uint64_t *index,
                        const struct hg_locator *loc, struct hg_buf *out)
{
    struct hg_zarr_inner inner = {
        .chunk = { hg_zarr_shard_slot(&a->shards, a->grid.rank, index), loc->size }, .loc = *loc
    };

    return hg_buf_append(out, &inner, sizeof inner);
}

/* Those of one row: along the last axis. */
static int append_row(holog_cursor *c, const struct hg_zarr_array *a, uint64_t end,
                      struct hg_buf *out)
{
    uint64_t index[HG_RANK_MAX];
    struct hg_cursor_at at;
    unsigned rank = a->grid.rank;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK) {
        rc = step_entry(c, rank, index, &at);
        if (rc == HOLOG_OK && rank > 0 && index[rank - 1] >= end)
            break;
        if (rc == HOLOG_OK)
            rc = append_inner(a, index, &at.loc, out);
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_zarr_inner_chunks(const struct hg_zarr_tree *t, const struct hg_key *dir,
                         const struct hg_zarr_array *a, const uint64_t *shard, struct hg_buf *out)
{
    unsigned rank = a->grid.rank;
    unsigned k = rank > 0 ? rank - 1 : 0;
    uint64_t rows = count_rows(a, k);
    uint64_t end = rank > 0 ? (shard[k] + 1) * a->shards.per[k] : 0;
    int rc = HOLOG_OK;
    holog_cursor *c = new_cursor(&rc);

    for (uint64_t row = 0; rc == HOLOG_OK && row < rows; row++) {
        uint64_t index[HG_RANK_MAX];
        row_at(a, shard, k, row, index);
        if (rank > 0)
            index[k] = shard[k] * a->shards.per[k];
        rc = open_entries(c, t, dir, index, k, rank > 0);
        if (rc == HOLOG_OK)
            rc = append_row(c, a, end, out);
        close_entries(c);
    }
    hg_free(c);
    return rc;
}

uint64_t hg_zarr_shard_size(const struct hg_zarr_array *a, const struct hg_buf *inner)
{
    const struct hg_zarr_inner *c = (const struct hg_zarr_inner *)(const void *)inner->data;
    size_t n = inner->len / sizeof *c;
    uint64_t size = n > 0 ? hg_zarr_shard_index_size(&a->shards) : 0;

    for (size_t i = 0; i < n; i++)
        size += c[i].chunk.size;
    return size;
}

int hg_zarr_each_entry(const struct hg_zarr_tree *t, const struct hg_key *dir,
                       const struct hg_zarr_array *a, const uint64_t *lead, unsigned n,
                       int (*each)(void *ctx, const uint64_t *index, const struct hg_locator *loc),
                       void *ctx)
{
    uint64_t index[HG_RANK_MAX];
    struct hg_cursor_at at;
    int rc = HOLOG_OK;
    holog_cursor *c = new_cursor(&rc);

    if (c == NULL)
        return rc;
    rc = open_entries(c, t, dir, lead, n, 0);
    while (rc == HOLOG_OK) {
        rc = step_entry(c, a->grid.rank, index, &at);
        if (rc == HOLOG_OK)
            rc = each(ctx, index, &at.loc);
    }
    close_entries(c);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* ---- keys of chunks ------------------------------------------------------------------------------*/

static int shard_size(const struct hg_zarr_tree *t, const struct hg_key *dir,
                      const struct hg_zarr_array *a, const uint64_t *shard, uint64_t *out)
{
    struct hg_buf inner = { 0 };
    int rc = hg_zarr_inner_chunks(t, dir, a, shard, &inner);

    if (rc == HOLOG_OK)
        *out = hg_zarr_shard_size(a, &inner);
    hg_buf_release(&inner);
    return rc;
}

/* Those of shards, one search for each. */
static int each_shard_index(const struct hg_zarr_tree *t, const struct hg_key *dir,
                            const struct hg_zarr_array *a, const uint64_t *lead, unsigned k,
                            int (*each)(void *ctx, uint64_t index, uint64_t size_bytes), void *ctx)
{
    uint64_t shard[HG_RANK_MAX];
    int rc = HOLOG_OK;

    if (k > 0)
        memcpy(shard, lead, k * sizeof shard[0]);
    for (shard[k] = 0; rc == HOLOG_OK; shard[k]++) {
        uint64_t size = 0;
        rc = hg_zarr_next(t, dir, a, lead, k, shard[k], &shard[k]);
        if (rc == HOLOG_OK && k + 1 == a->grid.rank)
            rc = shard_size(t, dir, a, shard, &size);
        if (rc == HOLOG_OK && (k + 1 < a->grid.rank || size > 0))
            rc = each(ctx, shard[k], size);
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_zarr_each_index(const struct hg_zarr_tree *t, const struct hg_key *dir,
                       const struct hg_zarr_array *a, const uint64_t *lead, unsigned k,
                       int (*each)(void *ctx, uint64_t index, uint64_t size_bytes), void *ctx)
{
    char component[HG_NODE_LEN_MAX];
    uint64_t index[HG_RANK_MAX];
    int last = k + 1 == a->grid.rank;
    int rc = HOLOG_OK;
    holog_cursor *c;

    if (a->shards.chunks > 0)
        return each_shard_index(t, dir, a, lead, k, each, ctx);
    c = new_cursor(&rc);
    if (c == NULL)
        return rc;
    rc = open_entries(c, t, dir, lead, k, 0);
    while (rc == HOLOG_OK) {
        struct hg_cursor_at at;
        rc = step_entry(c, a->grid.rank, index, &at);
        if (rc == HOLOG_OK && index[k] >= a->grid.count[k])
            break;
        if (rc == HOLOG_OK)
            rc = each(ctx, index[k], last ? at.loc.size : 0);
        if (rc == HOLOG_OK && !last) /* over all that are below it */
            hg_cursor_skip_nodes(c, &at, hg_node_chunk(index, k + 1, component));
    }
    close_entries(c);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

struct walk {
    const struct hg_zarr_tree *tree;
    const struct hg_key *dir;
    const struct hg_zarr_array *array;
    int (*each)(void *ctx, const uint64_t *index, uint64_t size_bytes);
    void *ctx;
    unsigned k; /* axis at hand */
    uint64_t index[HG_RANK_MAX];
};

static int in_grid(void *ctx, const uint64_t *index, const struct hg_locator *loc)
{
    const struct walk *w = ctx;

    for (unsigned i = 0; i < w->array->grid.rank; i++)
        if (index[i] >= w->array->grid.count[i])
            return HOLOG_OK;
    return w->each(w->ctx, index, loc->size);
}

static int walk_axis(void *ctx, uint64_t index, uint64_t size)
{
    struct walk *w = ctx;
    int rc;

    w->index[w->k] = index;
    if (w->k + 1 == w->array->grid.rank)
        return w->each(w->ctx, w->index, size);
    w->k++;
    rc = hg_zarr_each_index(w->tree, w->dir, w->array, w->index, w->k, walk_axis, w);
    w->k--;
    return rc;
}

int hg_zarr_each_chunk(const struct hg_zarr_tree *t, const struct hg_key *dir,
                       const struct hg_zarr_array *a, const uint64_t *lead, unsigned n,
                       int (*each)(void *ctx, const uint64_t *index, uint64_t size_bytes),
                       void *ctx)
{
    struct walk w = { .tree = t, .dir = dir, .array = a, .each = each, .ctx = ctx, .k = n };
    uint64_t size = 0;
    int rc;

    if (n > 0)
        memcpy(w.index, lead, n * sizeof lead[0]);
    if (a->shards.chunks == 0)
        return hg_zarr_each_entry(t, dir, a, w.index, n, in_grid, &w);
    if (a->grid.rank > n)
        return hg_zarr_each_index(t, dir, a, w.index, n, walk_axis, &w);
    rc = shard_size(t, dir, a, w.index, &size);
    return rc < 0 || size == 0 ? rc : each(ctx, w.index, size);
}
