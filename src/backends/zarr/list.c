/*
 * Keys listed: those of the names below a directory, with the documents that it has, and those of chunks. What is
 * spelled like a chunk of its array is one, whatever names stand beside it.
 */
#include <string.h>

#include "backends/zarr/hierarchy.h"
#include "base/alloc.h"
#include "base/error.h"

#define STOPPED 1 /* by the caller */

static const char *const documents_v3[] = { "zarr.json", NULL };
static const char *const documents_v2[] = { ".zgroup", ".zarray", ".zattrs", ".zmetadata", NULL };

static const char *const *documents_of(const holog_zarr *z)
{
    return z->tree.is_v2 ? documents_v2 : documents_v3;
}

/* A name that only a document has here. */
static int is_reserved(const holog_zarr *z, const char *name)
{
    enum hg_zarr_name n = hg_zarr_name_of(name, strlen(name));

    return n == HG_ZARR_JSON || (z->tree.is_v2 && n != HG_ZARR_PLAIN);
}

/* An array, and what lies below its directory. */
struct array {
    struct hg_zarr_array is;
    struct hg_key dir;
    size_t path_len; /* of its directory */
};

/* The directory as an array. 1, 0 or a negative code. */
static int read_array(holog_zarr *z, const struct hg_key *dir, const char *path, size_t path_len,
                      struct array *out)
{
    struct hg_locator loc;
    int rc = hg_zarr_node(&z->tree, dir, HG_NODE_ARRAY, 2, &loc);

    if (rc == HOLOG_OK)
        rc = hg_zarr_array_at(&z->tree, &loc, path, &out->is);
    if (rc < 0)
        return rc == HOLOG_E_NOENT ? 0 : rc;
    out->dir = *dir;
    out->path_len = path_len;
    return 1;
}

/* The array that the names below a prefix belong to, if there is one. */
static int array_of(holog_zarr *z, const struct hg_zarr_place *p, struct array *out)
{
    int rc = p->at.loc.type == HG_ENTRY_DIR && p->what != HG_ZARR_CHUNKS
                 ? read_array(z, &p->at.key, p->at.path, p->at.path_len, out)
                 : 0;

    if (rc != 0 || !p->in_array)
        return rc;
    out->is = p->array;
    out->dir = p->array_at.key;
    out->path_len = p->array_at.path_len;
    return 1;
}

/* Are its chunks there in this version of Zarr? Their names are taken anyway. */
static int has_keys(const holog_zarr *z, const struct array *a)
{
    return !z->tree.is_v2 || a->is.has_twin;
}

/* Is the path, below the array's, spelled like a chunk, or like what chunks begin with? As
 * hg_zarr_chunk_read. */
static int as_chunk(const struct array *a, const char *path, size_t len, uint64_t *out_index)
{
    size_t skip = a->path_len + (a->path_len > 0 ? 1 : 0);

    return len <= skip ? -1 : hg_zarr_chunk_read(&a->is.grid, path + skip, len - skip, out_index);
}

static int join(char *out, const char *prefix, size_t prefix_len, const char *name)
{
    size_t n = strlen(name);

    if (prefix_len + 1 + n > HG_ZARR_KEY_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "a key below %s is too long", prefix);
    memcpy(out, prefix, prefix_len);
    if (prefix_len > 0)
        out[prefix_len++] = '/';
    memcpy(out + prefix_len, name, n + 1);
    return HOLOG_OK;
}

/* Bytes of the key; 1: it is one, 0, or a negative code. */
static int is_key(holog_zarr *z, const char *key, uint64_t *out_size)
{
    struct hg_zarr_place p;
    int rc = hg_zarr_find(&z->tree, key, 0, &p);

    if (rc == HOLOG_OK)
        rc = hg_zarr_measure(z, key, &p, out_size, NULL);
    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTSUP) /* not in this version of Zarr */
        return 0;
    return rc < 0 ? rc : 1;
}

/* ---- one directory -------------------------------------------------------------------------------*/

struct listing {
    holog_zarr *z;
    int (*each)(void *ctx, const char *name, int is_key, int is_prefix, uint64_t size_bytes);
    void *ctx;
    const char *prefix;
    size_t prefix_len; /* without a '/' behind it */
    struct hg_zarr_place at;
    int has_array;
    struct array array;
    int n;         /* indexes that names of chunks have in front of them; -1: none are here */
    int has_names; /* the directory has entries with names */
    char key[HG_ZARR_KEY_MAX + 1];
    holog_cursor cursor;
};

static int tell(struct listing *l, const char *name, int is_key, int is_prefix, uint64_t size)
{
    return l->each(l->ctx, name, is_key, is_prefix, size) != 0 ? STOPPED : HOLOG_OK;
}

static int list_documents(struct listing *l)
{
    int rc = HOLOG_OK;

    for (const char *const *name = documents_of(l->z); rc == HOLOG_OK && *name != NULL; name++) {
        uint64_t size = 0;
        rc = join(l->key, l->prefix, l->prefix_len, *name);
        if (rc == HOLOG_OK)
            rc = is_key(l->z, l->key, &size);
        if (rc > 0)
            rc = tell(l, *name, 1, 0, size);
    }
    return rc;
}

/* A name that an entry has; a chunk may have it too. */
static int list_name(struct listing *l, const char *path, size_t len, struct hg_locator loc)
{
    size_t skip = l->at.at.path_len + (l->at.at.path_len > 0 ? 1 : 0);
    const char *name = path + skip;
    uint64_t index[HG_RANK_MAX];
    struct hg_resolved target;
    int n;
    int rc = HOLOG_OK;
    int key;
    int prefix;
    uint64_t size;

    if (is_reserved(l->z, name))
        return HOLOG_OK;
    l->has_names = 1;
    if (loc.type == HG_ENTRY_SYMLINK) {
        rc = hg_resolve(&l->z->tree.lookup, path, len, 1, &target);
        loc = target.loc;
        if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR || rc == HOLOG_E_LOOP)
            return HOLOG_OK;
    }
    key = loc.type == HG_ENTRY_BLOB;
    prefix = loc.type == HG_ENTRY_DIR;
    size = key ? loc.size : 0;
    n = l->has_array ? as_chunk(&l->array, path, len, index) : -1;
    if (rc == HOLOG_OK && n >= 0 && n == (int)l->array.is.grid.rank) {
        rc = join(l->key, l->prefix, l->prefix_len, name);
        key = rc < 0 ? rc : is_key(l->z, l->key, &size);
        rc = HG_MIN(key, 0);
    } else if (rc == HOLOG_OK && n >= 0 && has_keys(l->z, &l->array)) {
        int below =
            hg_zarr_has_chunks(&l->z->tree, &l->array.dir, &l->array.is, index, (unsigned)n);
        prefix |= below > 0;
        rc = HG_MIN(below, 0);
    }
    return rc < 0 || (!key && !prefix) ? rc : tell(l, name, key, prefix, size);
}

static int list_names(struct listing *l)
{
    struct hg_cursor_at at;
    char path[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc = hg_cursor_begin(&l->cursor, l->z->tree.store, l->z->tree.version, NULL, &l->at.at.key);

    while (rc == HOLOG_OK) {
        rc = hg_cursor_step(&l->cursor, &at);
        if (rc == HOLOG_OK && hg_key_is_node(at.key, at.key_len))
            break; /* behind all names */
        if (rc == HOLOG_OK)
            rc = hg_key_to_path(at.key, at.key_len, path, &len);
        if (rc == HOLOG_OK)
            rc = list_name(l, path, len, at.loc);
        if (rc == HOLOG_OK && at.loc.type == HG_ENTRY_DIR)
            rc = hg_cursor_skip_below(&l->cursor, &at);
    }
    hg_cursor_end(&l->cursor);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* A chunk's name, unless an entry has it too: that has told of both. */
static int list_chunk_name(struct listing *l, const char *name, int key, uint64_t size)
{
    const struct hg_lookup *look = &l->z->tree.lookup;
    const struct hg_resolved *dir = &l->at.at;
    char path[HG_ZARR_KEY_MAX + 1];
    struct hg_locator loc;
    struct hg_key k;
    int rc = HOLOG_E_NOENT;

    if (l->has_names && dir->path_len + 1 + strlen(name) <= HG_PATH_MAX) {
        rc = join(path, dir->path, dir->path_len, name);
        hg_key_make(path, strlen(path), &k);
        if (rc == HOLOG_OK)
            rc = look->get(look->ctx, k.bytes, k.len, &loc);
    }
    return rc == HOLOG_E_NOENT ? tell(l, name, key, !key, size) : rc;
}

static int list_index(void *ctx, uint64_t index, uint64_t size)
{
    struct listing *l = ctx;
    uint64_t one[1] = { index };
    const struct hg_zarr_grid g = { .rank = 1, .separator = '/', .v2_keys = 1 };
    char name[HG_NODE_TEXT_MAX];

    (void)hg_zarr_chunk_text(&g, one, 1, name);
    return list_chunk_name(l, name, (unsigned)l->n + 1 == l->array.is.grid.rank, size);
}

static int list_whole(void *ctx, const uint64_t *index, uint64_t size)
{
    struct listing *l = ctx;
    char name[HG_NODE_TEXT_MAX];

    (void)hg_zarr_chunk_text(&l->array.is.grid, index, l->array.is.grid.rank, name);
    return list_chunk_name(l, name, 1, size);
}

static int list_chunks(struct listing *l)
{
    const struct hg_zarr_tree *t = &l->z->tree;
    const struct hg_zarr_grid *g = &l->array.is.grid;
    int rc;

    if (!l->has_array || !has_keys(l->z, &l->array))
        return HOLOG_OK;
    if (l->at.what == HG_ZARR_CHUNKS) {
        l->n = (int)l->at.n;
    } else {
        if (l->array.path_len != l->at.at.path_len) /* a part of it */
            return HOLOG_OK;
        if (g->rank == 0 || g->separator == '.')
            return hg_zarr_each_chunk(t, &l->array.dir, &l->array.is, NULL, 0, list_whole, l);
        if (!g->v2_keys) {
            rc = hg_zarr_has_chunks(t, &l->array.dir, &l->array.is, NULL, 0);
            return rc > 0 ? list_chunk_name(l, "c", 0, 0) : rc;
        }
        l->n = 0;
    }
    return hg_zarr_each_index(t, &l->array.dir, &l->array.is, l->at.index, (unsigned)l->n,
                              list_index, l);
}

int holog_zarr_list_dir(holog_zarr *zarr, const char *prefix,
                        int (*each)(void *ctx, const char *name, int is_key, int is_prefix,
                                    uint64_t size_bytes),
                        void *ctx)
{
    struct listing *l;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK && (each == NULL || prefix == NULL))
        rc = hg_error(HOLOG_E_INVAL, "prefix or each is NULL");
    if (rc < 0)
        return rc;
    l = hg_malloc(sizeof *l);
    if (l == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    l->z = zarr;
    l->each = each;
    l->ctx = ctx;
    l->prefix = prefix;
    l->prefix_len = strlen(prefix);
    l->prefix_len -= l->prefix_len > 0 && prefix[l->prefix_len - 1] == '/';
    l->n = -1;
    l->has_names = 0;
    rc = hg_zarr_find(&zarr->tree, prefix, 1, &l->at);
    if (rc == HOLOG_OK && (l->at.what == HG_ZARR_DIRECTORY || l->at.what == HG_ZARR_CHUNKS)) {
        rc = array_of(zarr, &l->at, &l->array);
        l->has_array = rc > 0;
        rc = HG_MIN(rc, 0);
        if (rc == HOLOG_OK && l->at.at.loc.type == HG_ENTRY_DIR) {
            rc = list_documents(l);
            if (rc == HOLOG_OK)
                rc = list_names(l);
        }
        if (rc == HOLOG_OK)
            rc = list_chunks(l);
    }
    hg_free(l);
    return rc == STOPPED ? HOLOG_OK : rc;
}

/* ---- all below -----------------------------------------------------------------------------------*/

struct walk {
    holog_zarr *z;
    int (*each)(void *ctx, const char *key, uint64_t size_bytes); /* or this one: */
    int (*each_document)(void *ctx, const char *key, const struct hg_zarr_place *p);
    void *ctx;
    const char *prefix;
    size_t prefix_len;
    struct hg_zarr_place at;
    unsigned depth; /* arrays around what is at hand, one inside the other */
    struct array *arrays[HG_DEPTH_MAX + 1];
    char path[HG_PATH_MAX + 1]; /* of what is at hand */
    size_t path_len;
    char key[HG_ZARR_KEY_MAX + 1];   /* what it is called */
    size_t chunks_at;                /* bytes of key in front of those of chunks */
    const struct hg_zarr_grid *grid; /* of those */
    char document[HG_ZARR_KEY_MAX + 1];
    holog_cursor cursor;
};

static int tell_key(const struct walk *w, const char *key, uint64_t size)
{
    return w->each(w->ctx, key, size) != 0 ? STOPPED : HOLOG_OK;
}

static int tell_document(struct walk *w, const char *key)
{
    struct hg_zarr_place p;
    int rc = hg_zarr_find(&w->z->tree, key, 0, &p);

    return rc < 0 || p.what == HG_ZARR_NOTHING ? rc : w->each_document(w->ctx, key, &p);
}

static int walk_documents(struct walk *w, const char *key, size_t len)
{
    int rc = HOLOG_OK;

    for (const char *const *name = documents_of(w->z); rc == HOLOG_OK && *name != NULL; name++) {
        uint64_t size = 0;
        rc = join(w->document, key, len, *name);
        if (rc == HOLOG_OK && w->each_document != NULL)
            rc = tell_document(w, w->document);
        else if (rc == HOLOG_OK)
            rc = is_key(w->z, w->document, &size);
        if (rc > 0 && w->each_document == NULL)
            rc = tell_key(w, w->document, size);
    }
    return rc;
}

static int push_array(struct walk *w, const struct hg_key *dir)
{
    struct array *a;
    int rc;

    if (w->depth > HG_DEPTH_MAX)
        return HOLOG_OK;
    a = hg_malloc(sizeof *a);
    if (a == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    rc = read_array(w->z, dir, w->path, w->path_len, a);
    if (rc > 0)
        w->arrays[w->depth++] = a;
    else
        hg_free(a);
    return HG_MIN(rc, 0);
}

static void pop_arrays(struct walk *w, const uint8_t *key, size_t len)
{
    while (w->depth > 0) {
        const struct hg_key *dir = &w->arrays[w->depth - 1]->dir;
        if (dir->len == 0 ||
            (len > dir->len && memcmp(key, dir->bytes, dir->len) == 0 && key[dir->len] == 0))
            return;
        hg_free(w->arrays[--w->depth]);
    }
}

static int walk_chunk(void *ctx, const uint64_t *index, uint64_t size)
{
    struct walk *w = ctx;

    (void)hg_zarr_chunk_text(w->grid, index, w->grid->rank, w->key + w->chunks_at);
    return tell_key(w, w->key, size);
}

/* The chunks of the array a, whose key has len bytes of w->key. */
static int walk_chunks(struct walk *w, const struct array *a, size_t len, const uint64_t *lead,
                       unsigned n)
{
    if (len + 1 + HG_NODE_TEXT_MAX > sizeof w->key)
        return hg_error(HOLOG_E_NAMETOOLONG, "a key below %s is too long", w->key);
    if (len > 0)
        w->key[len++] = '/';
    w->chunks_at = len;
    w->grid = &a->is.grid;
    return hg_zarr_each_chunk(&w->z->tree, &a->dir, &a->is, lead, n, walk_chunk, w);
}

/* A document, told of with its directory; or the first of an array's chunks. */
static int walk_node(struct walk *w, const struct hg_cursor_at *at)
{
    size_t parent = hg_key_parent(at->key, at->key_len);
    const struct array *a = w->depth > 0 ? w->arrays[w->depth - 1] : NULL;
    size_t base = w->at.at.path_len;
    size_t len = w->prefix_len;
    int rc = HOLOG_OK;

    if (at->key[parent + (parent > 0 ? 1 : 0)] != 0xff)
        return HOLOG_OK;
    if (a != NULL && a->dir.len == parent && w->each != NULL && has_keys(w->z, a)) {
        memcpy(w->key, w->prefix, len);
        if (a->path_len > base) { /* of its path what is below the prefix */
            size_t skip = base + (base > 0 ? 1 : 0);
            if (len + 1 + a->path_len - skip > HG_ZARR_KEY_MAX)
                return hg_error(HOLOG_E_NAMETOOLONG, "a key below %s is too long", w->prefix);
            if (len > 0)
                w->key[len++] = '/';
            rc = hg_key_to_path(at->key, parent, w->path, &w->path_len);
            memcpy(w->key + len, w->path + skip, a->path_len - skip);
            len += a->path_len - skip;
        }
        if (rc == HOLOG_OK)
            rc = walk_chunks(w, a, len, NULL, 0);
    }
    hg_cursor_skip_nodes(&w->cursor, at, 1);
    return rc;
}

static int walk_blob(struct walk *w, const struct hg_locator *loc)
{
    const struct array *a = w->depth > 0 ? w->arrays[w->depth - 1] : NULL;
    uint64_t index[HG_RANK_MAX];
    const char *slash = memrchr(w->path, '/', w->path_len);

    if (is_reserved(w->z, slash != NULL ? slash + 1 : w->path) ||
        (a != NULL && as_chunk(a, w->path, w->path_len, index) == (int)a->is.grid.rank))
        return HOLOG_OK;
    return tell_key(w, w->key, loc->size);
}

/* What it leads to, if that is a blob. */
static int walk_symlink(struct walk *w)
{
    struct hg_resolved target;
    int rc = hg_resolve(&w->z->tree.lookup, w->path, w->path_len, 1, &target);

    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR || rc == HOLOG_E_LOOP)
        return HOLOG_OK;
    return rc < 0 || target.loc.type != HG_ENTRY_BLOB ? rc : walk_blob(w, &target.loc);
}

static int walk_entry(struct walk *w, const struct hg_cursor_at *at)
{
    size_t skip = w->at.at.path_len + (w->at.at.path_len > 0 ? 1 : 0);
    struct hg_key dir;
    int rc;

    pop_arrays(w, at->key, at->key_len);
    if (hg_key_is_node(at->key, at->key_len))
        return walk_node(w, at);
    rc = hg_key_to_path(at->key, at->key_len, w->path, &w->path_len);
    if (rc == HOLOG_OK)
        rc = join(w->key, w->prefix, w->prefix_len, w->path + skip);
    if (rc < 0)
        return rc;
    if (at->loc.type != HG_ENTRY_DIR && w->each == NULL)
        return HOLOG_OK;
    if (at->loc.type == HG_ENTRY_BLOB)
        return walk_blob(w, &at->loc);
    if (at->loc.type == HG_ENTRY_SYMLINK)
        return walk_symlink(w);
    hg_key_make(w->path, w->path_len, &dir);
    rc = walk_documents(w, w->key, strlen(w->key));
    return rc != HOLOG_OK ? rc : push_array(w, &dir);
}

/* The array that the directory is, or is part of. One that a symlink has led out of has no say. */
static int push_first(struct walk *w)
{
    const struct hg_resolved *at = &w->at.at;
    const struct hg_resolved *above = &w->at.array_at;
    int is_below = w->at.in_array && at->path_len > above->path_len &&
                   (above->path_len == 0 || (memcmp(at->path, above->path, above->path_len) == 0 &&
                                             at->path[above->path_len] == '/'));
    unsigned depth = w->depth;
    int rc;

    memcpy(w->path, at->path, at->path_len + 1);
    w->path_len = at->path_len;
    rc = push_array(w, &at->key);
    if (rc < 0 || w->depth > depth || !is_below)
        return rc;
    memcpy(w->path, above->path, above->path_len + 1);
    w->path_len = above->path_len;
    return push_array(w, &above->key);
}

static int walk_directory(struct walk *w)
{
    struct hg_cursor_at at;
    int rc = walk_documents(w, w->prefix, w->prefix_len);

    if (rc == HOLOG_OK)
        rc = push_first(w);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_cursor_begin(&w->cursor, w->z->tree.store, w->z->tree.version, NULL, &w->at.at.key);
    while (rc == HOLOG_OK) {
        rc = hg_cursor_step(&w->cursor, &at);
        if (rc == HOLOG_OK)
            rc = walk_entry(w, &at);
    }
    hg_cursor_end(&w->cursor);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* What chunks begin with: their keys have the array's key in front. */
static int walk_lead(struct walk *w)
{
    struct array *a = hg_malloc(sizeof *a);
    int rc;

    if (a == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    a->is = w->at.array;
    a->dir = w->at.array_at.key;
    a->path_len = w->at.array_at.path_len;
    memcpy(w->key, w->prefix, w->at.array_len);
    rc = walk_chunks(w, a, w->at.array_len, w->at.index, w->at.n);
    hg_free(a);
    return rc;
}

/* Begun with zeros but for what the caller sets. */
static struct walk *new_walk(holog_zarr *z, const char *prefix, void *ctx)
{
    struct walk *w = hg_malloc(sizeof *w);

    if (w == NULL)
        return NULL;
    w->z = z;
    w->each = NULL;
    w->each_document = NULL;
    w->ctx = ctx;
    w->prefix = prefix;
    w->prefix_len = strlen(prefix);
    w->prefix_len -= w->prefix_len > 0 && prefix[w->prefix_len - 1] == '/';
    w->depth = 0;
    return w;
}

/* Frees it. */
static int run_walk(struct walk *w)
{
    int rc = hg_zarr_find(&w->z->tree, w->prefix, 1, &w->at);

    if (rc == HOLOG_OK && w->at.at.loc.type == HG_ENTRY_DIR)
        rc = walk_directory(w);
    if (rc == HOLOG_OK && w->at.what == HG_ZARR_CHUNKS)
        rc = walk_lead(w);
    while (w->depth > 0)
        hg_free(w->arrays[--w->depth]);
    hg_free(w);
    return rc;
}

int holog_zarr_list(holog_zarr *zarr, const char *prefix,
                    int (*each)(void *ctx, const char *key, uint64_t size_bytes), void *ctx)
{
    struct walk *w;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK && (each == NULL || prefix == NULL))
        rc = hg_error(HOLOG_E_INVAL, "prefix or each is NULL");
    if (rc < 0)
        return rc;
    w = new_walk(zarr, prefix, ctx);
    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    w->each = each;
    rc = run_walk(w);
    return rc == STOPPED ? HOLOG_OK : rc;
}

int hg_zarr_each_document(holog_zarr *z,
                          int (*each)(void *ctx, const char *key, const struct hg_zarr_place *p),
                          void *ctx)
{
    struct walk *w = new_walk(z, "", ctx);

    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    w->each_document = each;
    return run_walk(w);
}
