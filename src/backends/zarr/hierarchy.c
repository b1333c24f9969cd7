/*
 * A hierarchy: opened, and its keys read. Documents of arrays and of groups, chunks and blobs are entries, and
 * their values the bytes; a shard's bytes are put together from the entries of its inner chunks.
 */
#include "backends/zarr/hierarchy.h"

#include <string.h>

#include "backends/zarr/shard_read.h"
#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"

/* ---- opening -------------------------------------------------------------------------------------*/

static int find_base(struct hg_zarr_tree *t, const char *path)
{
    struct hg_resolved r;
    int rc = hg_resolve_user(&t->lookup, path, 1, &r);

    if (rc == HOLOG_OK && r.loc.type == 0)
        rc = hg_must_be_blob(&r); /* says that it is missing */
    else if (rc == HOLOG_OK && r.loc.type != HG_ENTRY_DIR)
        rc = hg_error_path(HOLOG_E_NOTDIR, r.path, (uint32_t)r.path_len, "%s: not a directory",
                           r.path);
    if (rc < 0)
        return rc;
    memcpy(t->base, r.path, r.path_len + 1);
    t->base_len = r.path_len;
    t->lookup.quiet = 1;
    return HOLOG_OK;
}

int holog_zarr_open(holog_view *view, const char *path, unsigned flags, holog_zarr **out_zarr)
{
    holog_zarr *z;
    int rc = hg_view_check(view);

    if (rc < 0)
        return rc;
    if (out_zarr == NULL || (flags & ~(unsigned)(HOLOG_ZARR_V2 | HOLOG_ZARR_CONSOLIDATED)) != 0)
        return hg_error(HOLOG_E_INVAL, "out_zarr is NULL or flags are unknown");
    z = hg_calloc(1, sizeof *z);
    if (z == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a hierarchy");
    z->view = view;
    z->flags = flags;
    z->tree.store = view->store;
    z->tree.version = view->version;
    z->tree.is_v2 = (flags & HOLOG_ZARR_V2) != 0;
    z->tree.lock = &z->lock;
    hg_lookup_version(view->store, view->version, &z->tree.lookup);
    rc = find_base(&z->tree, path);
    if (rc < 0) {
        hg_free(z);
        return rc;
    }
    *out_zarr = z;
    return HOLOG_OK;
}

void holog_zarr_close(holog_zarr *zarr)
{
    if (zarr == NULL)
        return;
    hg_buf_release(&zarr->consolidated);
    hg_free(zarr);
}

int hg_zarr_check(const holog_zarr *z)
{
    return z == NULL ? hg_error(HOLOG_E_INVAL, "the hierarchy is NULL") : hg_view_check(z->view);
}

static int no_such_key(const char *key)
{
    return hg_error_path(HOLOG_E_NOENT, key, (uint32_t)strlen(key), "%s: no such key",
                         key[0] == 0 ? "/" : key);
}

/* ---- shards --------------------------------------------------------------------------------------*/

/* A value of so many bytes, to be filled. */
static int new_value(holog_store *s, uint64_t size, holog_value **out, uint8_t **out_bytes)
{
    int small = size <= s->inline_max;
    holog_value *v = hg_malloc(sizeof *v + (small ? (size_t)size : 0));
    int rc = HOLOG_OK;

    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load a shard");
    *v = (holog_value){ .len = (size_t)size };
    *out_bytes = (uint8_t *)(v + 1);
    if (!small) {
        rc = hg_mem_new(s->cache, (size_t)size, &v->mem);
        if (rc < 0) {
            hg_free(v);
            return rc;
        }
        memset(v->mem->data + size, 0, HG_MIN(v->mem->cap - (size_t)size, (size_t)4096));
        *out_bytes = v->mem->data;
    }
    v->data = *out_bytes;
    *out = v;
    return HOLOG_OK;
}

static int load_shard(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                      const struct hg_buf *inner, holog_value **out_value)
{
    uint64_t size = hg_zarr_shard_size(&p->array, inner);
    struct hg_zarr_part part = { .tree = &z->tree, .array = &p->array, .inner = inner, .key = key };
    const struct hg_zarr_inner *c = (const struct hg_zarr_inner *)(const void *)inner->data;
    holog_value *v = NULL;
    int rc = size == 0 ? no_such_key(key) : new_value(z->tree.store, size, &v, &part.out);

    if (rc != HOLOG_OK)
        return rc;
    part.to = size;
    rc = hg_zarr_part_read(&part);
    if (rc < 0) {
        holog_value_release(v);
        return rc;
    }
    for (size_t i = 0; i < inner->len / sizeof *c; i++)
        v->number = HG_MAX(v->number, c[i].loc.number);
    *out_value = v;
    return HOLOG_OK;
}

static int range_shard(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                       const struct hg_buf *inner, struct hg_zarr_part *part, size_t *out_n)
{
    uint64_t size = hg_zarr_shard_size(&p->array, inner);
    int rc;

    if (size == 0)
        return no_such_key(key);
    if (part->from > size)
        return hg_error_path(HOLOG_E_RANGE, key, (uint32_t)strlen(key),
                             "offset %llu is behind the end of %s (%llu bytes)",
                             (unsigned long long)part->from, key, (unsigned long long)size);
    part->tree = &z->tree;
    part->array = &p->array;
    part->inner = inner;
    part->key = key;
    part->to = HG_MIN(part->to, size);
    rc = hg_zarr_part_read(part);
    if (rc == HOLOG_OK && out_n != NULL)
        *out_n = (size_t)(part->to - part->from);
    return rc;
}

/* ---- what tells versions apart -------------------------------------------------------------------*/

#define ETAG_OF_STORE 24u /* id, salt */
#define ETAG_OF_ENTRY 40u

static void put_store(const holog_store *s, uint8_t *out)
{
    memcpy(out, s->recovered.super.uuid, 16);
    memcpy(out + 16, &s->recovered.super.salt, 8);
}

/* Place and number would do, were it not for commits that were lost because nobody wanted them durable: others
 * may have taken both. */
static void put_entry(const struct hg_locator *loc, uint32_t slot, uint8_t *out)
{
    hg_put_le32(out, loc->segment);
    hg_put_le32(out + 4, loc->offset);
    hg_put_le64(out + 8, loc->number);
    hg_put_le64(out + 16, loc->size);
    hg_put_le64(out + 24, loc->check);
    hg_put_le64(out + 32, slot);
}

static void set_etag(uint64_t *etag, struct hg_hash128 hash)
{
    etag[0] = hash.lo;
    etag[1] = hash.hi;
}

static void etag_of_entry(const holog_store *s, const struct hg_locator *loc, uint64_t *etag)
{
    uint8_t b[ETAG_OF_STORE + ETAG_OF_ENTRY];

    put_store(s, b);
    put_entry(loc, 0, b + ETAG_OF_STORE);
    set_etag(etag, hg_hash128(b, sizeof b));
}

static void etag_of_shard(const holog_store *s, const struct hg_stored *shards,
                          const struct hg_buf *inner, uint64_t *etag)
{
    const struct hg_zarr_inner *c = (const struct hg_zarr_inner *)(const void *)inner->data;
    uint8_t b[ETAG_OF_STORE + 8];
    struct hg_hash_stream h;

    put_store(s, b);
    hg_put_le32(b + ETAG_OF_STORE, shards->chunks);
    hg_put_le32(b + ETAG_OF_STORE + 4, (uint32_t)(shards->index_first * 2 + shards->has_crc));
    hg_hash_stream_begin(&h);
    hg_hash_stream_add(&h, b, sizeof b);
    for (size_t i = 0; i < inner->len / sizeof *c; i++) {
        uint8_t entry[ETAG_OF_ENTRY];
        put_entry(&c[i].loc, c[i].chunk.slot, entry);
        hg_hash_stream_add(&h, entry, sizeof entry);
    }
    set_etag(etag, hg_hash_stream_end(&h));
}

static int measure_shard(holog_zarr *z, const struct hg_zarr_place *p, uint64_t *out_size,
                         uint64_t *etag)
{
    struct hg_buf inner = { 0 };
    int rc = hg_zarr_inner_chunks(&z->tree, &p->array_at.key, &p->array, p->index, &inner);

    if (rc == HOLOG_OK && inner.len == 0)
        rc = HOLOG_E_NOENT;
    if (rc == HOLOG_OK)
        *out_size = hg_zarr_shard_size(&p->array, &inner);
    if (rc == HOLOG_OK && etag != NULL)
        etag_of_shard(z->tree.store, &p->array.shards, &inner, etag);
    hg_buf_release(&inner);
    return rc;
}

/* ---- documents that are made up ------------------------------------------------------------------*/

static int measure_made(holog_zarr *z, const struct hg_zarr_place *p, uint64_t *out_size,
                        uint64_t *etag)
{
    struct hg_buf b = { 0 };
    int rc = hg_zarr_make(z, p, &b);

    if (rc == HOLOG_OK)
        *out_size = b.len;
    if (rc == HOLOG_OK && etag != NULL)
        set_etag(etag, hg_hash128(b.data, b.len));
    hg_buf_release(&b);
    return rc;
}

/* ---- the calls -----------------------------------------------------------------------------------*/

static int has_value(const struct hg_zarr_place *p)
{
    return p->what == HG_ZARR_ARRAY_DOCUMENT || p->what == HG_ZARR_GROUP_DOCUMENT ||
           p->what == HG_ZARR_CHUNK || p->what == HG_ZARR_BLOB;
}

static int is_document(const struct hg_zarr_place *p)
{
    return p->what == HG_ZARR_ARRAY_DOCUMENT || p->what == HG_ZARR_GROUP_DOCUMENT ||
           p->what == HG_ZARR_MADE_UP || p->what == HG_ZARR_CONSOLIDATED;
}

int hg_zarr_measure(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                    uint64_t *out_size, uint64_t *etag)
{
    HG_UNUSED(key);
    if (p->what == HG_ZARR_SHARD)
        return measure_shard(z, p, out_size, etag);
    if (hg_zarr_is_made(z, p))
        return measure_made(z, p, out_size, etag);
    if (!has_value(p))
        return HOLOG_E_NOENT;
    *out_size = p->loc.size;
    if (etag != NULL)
        etag_of_entry(z->tree.store, &p->loc, etag);
    return HOLOG_OK;
}

/* What the key names, and where that is. */
static int describe(holog_zarr *z, const char *key, struct hg_zarr_place *p, holog_zarr_info *info)
{
    int rc = hg_zarr_find(&z->tree, key, 0, p);

    if (rc == HOLOG_OK)
        rc = hg_zarr_measure(z, key, p, &info->size_bytes, info->etag);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    if (rc == HOLOG_OK) {
        info->kind = HOLOG_ZARR_KEY;
        info->is_document = (uint32_t)is_document(p);
    } else if (p->what == HG_ZARR_DIRECTORY || p->what == HG_ZARR_CHUNKS) {
        info->kind = HOLOG_ZARR_PREFIX;
    }
    return HOLOG_OK;
}

int holog_zarr_stat(holog_zarr *zarr, const char *key, holog_zarr_info *out_info)
{
    holog_zarr_info info = { .struct_size = sizeof info };
    struct hg_zarr_place p; /* 36 KiB: only what counts is set */
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK)
        rc = hg_struct_check(out_info, "holog_zarr_info");
    if (rc == HOLOG_OK)
        rc = describe(zarr, key, &p, &info);
    if (rc == HOLOG_OK)
        hg_struct_fill(out_info, &info, sizeof info);
    return rc;
}

static int get_made(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                    holog_value **out_value)
{
    struct hg_buf b = { 0 };
    int rc = hg_zarr_make(z, p, &b);
    holog_value *v = rc == HOLOG_OK ? hg_value_copy(b.data, b.len, 0) : NULL;

    hg_buf_release(&b);
    if (rc < 0)
        return rc == HOLOG_E_NOENT ? no_such_key(key) : rc;
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a document");
    *out_value = v;
    return HOLOG_OK;
}

static int get(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
               holog_value **out_value)
{
    struct hg_buf inner = { 0 };
    int rc;

    if (hg_zarr_is_made(z, p))
        return get_made(z, key, p, out_value);
    if (has_value(p))
        return hg_value_load(z->tree.store, &p->loc, key, out_value);
    if (p->what != HG_ZARR_SHARD)
        return no_such_key(key);
    rc = hg_zarr_inner_chunks(&z->tree, &p->array_at.key, &p->array, p->index, &inner);
    if (rc == HOLOG_OK)
        rc = load_shard(z, key, p, &inner, out_value);
    hg_buf_release(&inner);
    return rc;
}

/* With what was asked at t0. */
static int get_counted(holog_zarr *z, const char *key, const struct hg_zarr_place *p, uint64_t t0,
                       holog_value **out_value)
{
    holog_store *s = z->tree.store;
    int rc = get(z, key, p, out_value);

    if (rc == HOLOG_OK)
        hg_store_count_load(s, s->io->ops->now_ns(s->io) - t0, (*out_value)->len);
    return rc;
}

int holog_zarr_get(holog_zarr *zarr, const char *key, holog_value **out_value)
{
    struct hg_zarr_place p;
    uint64_t t0;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK && out_value == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_value is NULL");
    if (rc < 0)
        return rc;
    t0 = zarr->tree.store->io->ops->now_ns(zarr->tree.store->io);
    rc = hg_zarr_find(&zarr->tree, key, 0, &p);
    return rc < 0 ? rc : get_counted(zarr, key, &p, t0, out_value);
}

int holog_zarr_stat_get(holog_zarr *zarr, const char *key, holog_zarr_info *out_info,
                        holog_value **out_value)
{
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_value *value = NULL;
    struct hg_zarr_place p;
    uint64_t t0;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK && out_value == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_value is NULL");
    if (rc == HOLOG_OK)
        rc = hg_struct_check(out_info, "holog_zarr_info");
    if (rc < 0)
        return rc;
    t0 = zarr->tree.store->io->ops->now_ns(zarr->tree.store->io);
    rc = describe(zarr, key, &p, &info);
    if (rc == HOLOG_OK && info.kind == HOLOG_ZARR_KEY)
        rc = get_counted(zarr, key, &p, t0, &value);
    if (rc < 0)
        return rc;
    hg_struct_fill(out_info, &info, sizeof info);
    *out_value = value;
    return HOLOG_OK;
}

static int range_made(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                      const struct hg_zarr_part *part, size_t *out_n)
{
    struct hg_buf b = { 0 };
    int rc = hg_zarr_make(z, p, &b);

    if (rc == HOLOG_E_NOENT)
        rc = no_such_key(key);
    if (rc == HOLOG_OK && part->from > b.len)
        rc = hg_error_path(HOLOG_E_RANGE, key, (uint32_t)strlen(key),
                           "offset %llu is behind the end of %s (%zu bytes)",
                           (unsigned long long)part->from, key, b.len);
    if (rc == HOLOG_OK) {
        size_t n = (size_t)HG_MIN(part->to - part->from, b.len - part->from);
        if (n > 0)
            memcpy(part->out, b.data + part->from, n);
        if (out_n != NULL)
            *out_n = n;
    }
    hg_buf_release(&b);
    return rc;
}

static int get_range(holog_zarr *z, const char *key, const struct hg_zarr_place *p,
                     const struct hg_zarr_part *asked, size_t *out_n)
{
    struct hg_zarr_part part = *asked;
    struct hg_buf inner = { 0 };
    int rc;

    if (hg_zarr_is_made(z, p))
        return range_made(z, key, p, &part, out_n);
    if (has_value(p))
        return hg_zarr_value_range(&z->tree, &p->loc, key, part.from, part.out,
                                   (size_t)(part.to - part.from), out_n);
    if (p->what != HG_ZARR_SHARD)
        return no_such_key(key);
    rc = hg_zarr_inner_chunks(&z->tree, &p->array_at.key, &p->array, p->index, &inner);
    if (rc == HOLOG_OK)
        rc = range_shard(z, key, p, &inner, &part, out_n);
    hg_buf_release(&inner);
    return rc;
}

int holog_zarr_get_range(holog_zarr *zarr, const char *key, uint64_t offset, void *buf,
                         size_t len_bytes, size_t *out_n)
{
    struct hg_zarr_place p;
    struct hg_zarr_part part = { .from = offset, .to = offset + len_bytes, .out = buf };
    size_t n = 0;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK && buf == NULL && len_bytes > 0)
        rc = hg_error(HOLOG_E_INVAL, "the buffer is NULL");
    if (part.to < offset)
        part.to = UINT64_MAX;
    if (rc == HOLOG_OK)
        rc = hg_zarr_find(&zarr->tree, key, 0, &p);
    if (rc == HOLOG_OK)
        rc = get_range(zarr, key, &p, &part, &n);
    if (rc != HOLOG_OK)
        return rc;
    hg_cache_count_loaded(zarr->tree.store->cache, n);
    if (out_n != NULL)
        *out_n = n;
    return HOLOG_OK;
}
