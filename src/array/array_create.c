/*
 * A new array: what it is to be, its document, in place of what was there.
 */
#include <string.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/node.h"

#define CHUNK_WISH (16u << 20) /* bytes: some ms to read, some of them in a group */

/* ---- the spec ------------------------------------------------------------------------------------*/

static int check_spec(const holog_array_spec *spec, holog_array_spec *out)
{
    int rc = hg_spec_check(spec, "holog_array_spec");

    if (rc < 0)
        return rc;
    *out = (holog_array_spec){ 0 };
    memcpy(out, spec, HG_MIN((size_t)spec->struct_size, sizeof *out));
    if (holog_dtype_name(out->dtype) == NULL)
        return hg_error(HOLOG_E_INVAL, "dtype: %u is no type", out->dtype);
    if (out->dtype == HOLOG_RAW && (out->item_size == 0 || out->item_size > HOLOG_ITEM_MAX))
        return hg_error(HOLOG_E_INVAL, "item_size: raw elements have 1 to %d bytes, not %u",
                        HOLOG_ITEM_MAX, out->item_size);
    if (out->rank > HOLOG_RANK_MAX)
        return hg_error(HOLOG_E_INVAL, "rank: %u axes; %d are possible", out->rank, HOLOG_RANK_MAX);
    if (out->rank > 0 && out->shape == NULL)
        return hg_error(HOLOG_E_INVAL, "shape is NULL");
    for (unsigned i = 0; i < out->rank; i++) {
        if (out->dimension_names != NULL && out->dimension_names[i] != NULL &&
            !hg_rec_utf8_valid(out->dimension_names[i], strlen(out->dimension_names[i])))
            return hg_error(HOLOG_E_INVAL, "dimension_names: that of axis %u is not UTF-8", i);
        if (out->shape[i] > HG_INDEX_MAX)
            return hg_error(HOLOG_E_INVAL, "shape: axis %u is longer than 2^49 - 1", i);
        if (out->inner_chunk != NULL && (out->chunk == NULL || out->inner_chunk[i] == 0))
            return hg_error(HOLOG_E_INVAL, "inner_chunk: needs chunk, and at least 1 of each axis");
        if (out->chunk != NULL && (out->chunk[i] == 0 || out->chunk[i] > HG_INDEX_MAX))
            return hg_error(HOLOG_E_INVAL, "chunk: axis %u: %llu is no length of a chunk", i,
                            (unsigned long long)out->chunk[i]);
    }
    if ((out->flags & ~(uint32_t)(HOLOG_ARRAY_CRC32C | HOLOG_ARRAY_SHUFFLE)) != 0 ||
        out->reserved != 0)
        return hg_error(HOLOG_E_INVAL, "flags: %#x is not known", out->flags);
    if (out->codec > HOLOG_CODEC_AUTO)
        return hg_error(HOLOG_E_INVAL, "codec: there is no codec %u", out->codec);
    if ((out->codec == HOLOG_CODEC_ZSTD && (out->level < 0 || out->level > 22)) ||
        (out->codec == HOLOG_CODEC_LZ4 && (out->level < 0 || out->level > 65537)))
        return hg_error(HOLOG_E_INVAL, "level: %d is none of that codec", out->level);
    return HOLOG_OK;
}

/* The last two axes whole, halved, the longer one first, until they are not too much for one chunk. */
static void choose_chunk(const holog_array_spec *spec, uint64_t item, uint64_t *out)
{
    uint64_t none = 1;
    uint64_t *y = &none;
    uint64_t *x = &none;

    for (unsigned i = 0; i < spec->rank; i++)
        out[i] = 1;
    if (spec->rank > 0)
        x = &out[spec->rank - 1];
    if (spec->rank > 1)
        y = &out[spec->rank - 2];
    if (spec->rank > 0)
        *x = HG_MAX(spec->shape[spec->rank - 1], UINT64_C(1));
    if (spec->rank > 1)
        *y = HG_MAX(spec->shape[spec->rank - 2], UINT64_C(1));
    while (*x > CHUNK_WISH / item / *y) {
        uint64_t *longer = *y > *x ? y : x;
        if (*longer == 1)
            return;
        *longer = *longer / 2 + *longer % 2;
    }
}

static int write_document(const holog_array_spec *spec, struct hg_buf *out)
{
    struct hg_type type = hg_type_of((enum hg_dtype)spec->dtype, spec->item_size);
    uint64_t chosen[HG_RANK_MAX];
    struct hg_array_plan plan = { .type = type,
                                  .rank = spec->rank,
                                  .shape = spec->shape,
                                  .chunk = spec->chunk != NULL ? spec->chunk : chosen,
                                  .fill = spec->fill,
                                  .names = spec->dimension_names,
                                  .attributes = spec->attributes,
                                  .inner = spec->inner_chunk,
                                  .crc32c = (spec->flags & HOLOG_ARRAY_CRC32C) != 0,
                                  .shuffle = (spec->flags & HOLOG_ARRAY_SHUFFLE) != 0 };

    if (spec->chunk == NULL)
        choose_chunk(spec, type.size, chosen);
    if (spec->codec == HOLOG_CODEC_ZSTD) {
        plan.compression = HG_CODEC_ZSTD;
        plan.level = spec->level > 0 ? spec->level : 3;
    } else if (spec->codec == HOLOG_CODEC_LZ4) {
        plan.compression = HG_CODEC_LZ4;
        plan.level = spec->level > 0 ? spec->level : 1;
    }
    return hg_document_write(&plan, out);
}

/* ---- in place of what was there ------------------------------------------------------------------*/

/* Chunks that the new array does not bring. */
struct sweep {
    struct hg_nodes *n;
    const holog_array *a; /* NULL: none stays */
};

static int sweep_each(void *ctx, const char *component, size_t len, const struct hg_locator *loc)
{
    const struct sweep *s = ctx;
    uint64_t index[HG_RANK_MAX];
    int inside = s->a != NULL && hg_node_index(component, len, index) == (int)s->a->doc.rank;

    (void)loc;
    for (unsigned i = 0; inside && i < s->a->doc.rank; i++)
        inside = index[i] * s->a->grid[i] < s->a->doc.shape[i];
    if (inside)
        return HOLOG_OK;
    hg_nodes_name(s->n, component, len);
    return hg_nodes_delete(s->n);
}

static int sweep(holog_txn *txn, const struct hg_nodes *nodes, const holog_array *a)
{
    struct hg_nodes n = *nodes;
    struct hg_nodes each = *nodes;
    struct sweep s = { .n = &n, .a = a };

    return hg_nodes_chunks(&each, txn->base, sweep_each, &s);
}

/* A directory is there when this returns, and its path is in out. *out_was: it had been. */
static int make_directory(holog_txn *txn, const char *path, unsigned flags, struct hg_resolved *out,
                          int *out_was)
{
    struct hg_lookup l;
    int rc = hg_txn_settle(txn);

    hg_txn_lookup(txn, &l);
    l.quiet = (flags & HOLOG_PARENTS) != 0;
    if (rc == HOLOG_OK)
        rc = hg_resolve_user(&l, path, 0, out);
    *out_was = rc == HOLOG_OK && out->loc.type == HG_ENTRY_DIR;
    if (rc == HOLOG_OK && out->loc.type != 0 && (flags & HOLOG_REPLACE) == 0)
        return hg_error_path(HOLOG_E_EXIST, out->path, (uint32_t)out->path_len, "%s: exists",
                             out->path_len == 0 ? "/" : out->path);
    if (rc == HOLOG_OK && *out_was)
        return HOLOG_OK;
    if (rc == HOLOG_OK && out->loc.type != 0)
        rc = holog_txn_delete(txn, path);
    if (rc < 0 && !(rc == HOLOG_E_NOENT && l.quiet))
        return rc;
    rc = holog_txn_mkdir(txn, path, flags & HOLOG_PARENTS);
    if (rc == HOLOG_OK)
        rc = hg_txn_settle(txn);
    hg_txn_lookup(txn, &l);
    return rc < 0 ? rc : hg_resolve_user(&l, path, 1, out);
}

/* All of a store that is in use would be below it. What is an array already may have entries there. */
static int check_root(holog_txn *txn, struct hg_nodes *n)
{
    struct hg_locator loc;
    const holog_entry *entry;
    holog_cursor *c = NULL;
    int rc = hg_nodes_find(n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1, &loc);

    if (rc != HOLOG_E_NOENT)
        return rc;
    rc = holog_txn_list(txn, "/", &c);
    if (rc < 0)
        return rc;
    rc = holog_cursor_next(c, &entry);
    if (rc == HOLOG_OK)
        rc = hg_error_path(HOLOG_E_NOTEMPTY, "/", 1,
                           "/: has entries (%s), and becomes no array; give the array a name",
                           entry->path);
    holog_cursor_close(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int put_array(holog_txn *txn, const char *path, const struct hg_buf *json, const void *data,
                     const int64_t *strides, unsigned flags)
{
    holog_array *a = NULL;
    struct hg_resolved r;
    struct hg_lookup l;
    struct hg_nodes n;
    int was = 0;
    int rc = make_directory(txn, path, flags, &r, &was);

    if (rc < 0)
        return rc;
    hg_txn_lookup(txn, &l);
    rc = hg_nodes_begin(&n, &l, txn, r.path, r.path_len);
    if (rc == HOLOG_OK && r.path_len == 0)
        rc = check_root(txn, &n);
    if (rc == HOLOG_OK) {
        hg_nodes_name(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1);
        rc = hg_nodes_save(&n, json->data, json->len);
    }
    if (rc == HOLOG_OK)
        rc = hg_array_in_txn(txn, path, &a);
    if (rc == HOLOG_OK && was)
        rc = sweep(txn, &n, data != NULL ? a : NULL);
    if (rc == HOLOG_OK && data != NULL)
        rc = holog_array_write(a, NULL, data, strides);
    holog_array_close(a);
    return rc;
}

int hg_array_put(holog_txn *txn, const char *path, const holog_array_spec *spec, const void *data,
                 const int64_t *strides, unsigned flags)
{
    holog_array_spec known;
    struct hg_buf json = { 0 };
    struct holog_error_detail why;
    uint32_t savepoint = 0;
    int rc = check_spec(spec, &known);

    if (rc == HOLOG_OK)
        rc = hg_txn_check_call(txn, HG_OP_SAVE, flags);
    if (rc == HOLOG_OK && known.codec == HOLOG_CODEC_AUTO) {
        known.codec = txn->store->calibration.codec;
        known.level = txn->store->calibration.level;
    }
    if (rc == HOLOG_OK)
        rc = write_document(&known, &json);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    if (rc == HOLOG_OK) {
        rc = put_array(txn, path, &json, data, strides, flags);
        if (rc < 0) {
            int back;
            hg_error_get(&why);
            back = holog_txn_rollback_to(txn, savepoint);
            if (back == HOLOG_OK)
                hg_error_set(&why);
            rc = back < 0 ? back : rc;
        }
    }
    hg_buf_release(&json);
    return rc;
}

/* ---- the calls -----------------------------------------------------------------------------------*/

static int no_elements(const holog_array_spec *spec)
{
    if (spec == NULL || spec->struct_size < sizeof spec->struct_size)
        return 0;
    for (unsigned i = 0; spec->shape != NULL && i < spec->rank && i < HOLOG_RANK_MAX; i++)
        if (spec->shape[i] == 0)
            return 1;
    return 0;
}

static int check_data(const holog_array_spec *spec, const void *data)
{
    return data == NULL && !no_elements(spec) ? hg_error(HOLOG_E_INVAL, "data is NULL") : HOLOG_OK;
}

int holog_txn_array_create(holog_txn *txn, const char *path, const holog_array_spec *spec,
                           unsigned flags)
{
    int rc = txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                         : hg_store_check_write(txn->store);

    return rc < 0 ? rc : hg_array_put(txn, path, spec, NULL, NULL, flags);
}

int holog_txn_array_save(holog_txn *txn, const char *path, const holog_array_spec *spec,
                         const void *data, const int64_t *strides, unsigned flags)
{
    int rc = txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                         : hg_store_check_write(txn->store);

    if (rc == HOLOG_OK)
        rc = check_data(spec, data);
    return rc < 0 ? rc : hg_array_put(txn, path, spec, data, strides, flags);
}

static int put_alone(holog_store *s, const char *path, const holog_array_spec *spec,
                     const void *data, const int64_t *strides, unsigned flags, uint64_t *out_number)
{
    holog_txn *txn = NULL;
    int rc = hg_store_check_write(s);

    if (rc == HOLOG_OK)
        rc = holog_begin(s, &txn);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_array_put(txn, path, spec, data, strides, flags);
    if (rc == HOLOG_OK)
        return holog_commit(txn, out_number);
    holog_abort(txn);
    return rc;
}

int holog_array_create(holog_store *store, const char *path, const holog_array_spec *spec,
                       unsigned flags, uint64_t *out_number)
{
    return put_alone(store, path, spec, NULL, NULL, flags, out_number);
}

int holog_array_save(holog_store *store, const char *path, const holog_array_spec *spec,
                     const void *data, const int64_t *strides, unsigned flags, uint64_t *out_number)
{
    int rc = check_data(spec, data);

    return rc < 0 ? rc : put_alone(store, path, spec, data, strides, flags, out_number);
}
