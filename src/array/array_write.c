/*
 * Memory to regions of an array, in a transaction.
 *
 * What a part of a region becomes:
 *   all of a chunk            the chunk anew
 *   some of a missing chunk   the chunk anew, fill value around it
 *   some of a raw chunk       deltas, one for each run of bytes, unless they are many or most of the chunk;
 *                             then, as of an encoded chunk, all of it is read, changed and saved
 * A chunk that would be all fill value is deleted.
 */
#include <string.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"

#define RUNS_MAX 1024u /* deltas to a chunk */

static int check_write(const holog_array *a)
{
    int rc = hg_array_check(a);

    if (rc < 0)
        return rc;
    if (a->txn == NULL) /* not one that has ended: that was seen */
        return hg_error(HOLOG_E_INVAL, "%s: was opened to be read; open it with holog_txn_array",
                        a->path);
    return hg_store_check_write(a->store);
}

/* ---- chunks --------------------------------------------------------------------------------------*/

static int is_fill(const holog_array *a, const uint8_t *elements)
{
    size_t size = a->doc.type.size;

    return memcmp(elements, a->doc.fill, size) == 0 &&
           memcmp(elements, elements + size, a->chunk_bytes - size) == 0;
}

static int delete_chunk(const holog_array *a, struct hg_nodes *n, const uint64_t *index)
{
    struct hg_locator loc;
    int rc = hg_array_find_chunk(a, n, index, &loc);

    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc < 0 ? rc : hg_nodes_delete(n);
}

static int save_encoded(const holog_array *a, struct hg_nodes *n, const uint8_t *elements)
{
    struct hg_buf stored = { 0 };
    int rc = hg_chain_encode(a->chain, elements, &stored);

    if (rc == HOLOG_OK)
        rc = hg_nodes_save(n, stored.data, stored.len);
    hg_buf_release(&stored);
    return rc;
}

/* n->path is the chunk's. Takes over the caller's count of mem. */
static int save_chunk(const holog_array *a, struct hg_nodes *n, const uint64_t *index,
                      struct hg_mem *mem)
{
    int rc;

    if (a->plain && !is_fill(a, mem->data))
        return hg_nodes_save_mem(n, mem, a->chunk_bytes);
    rc = is_fill(a, mem->data) ? delete_chunk(a, n, index) : save_encoded(a, n, mem->data);
    hg_mem_put(mem);
    return rc;
}

static void copy_in(const holog_array *a, const struct hg_array_walk *w, uint8_t *chunk,
                    const uint8_t *data)
{
    hg_copy_strided(a->doc.rank, w->parts.part.count, a->doc.type.size,
                    chunk + hg_array_walk_in_chunk(a, w), w->chunk_stride,
                    data + hg_array_walk_at(w), w->stride);
}

/* The part covers the chunk, byte for byte as the caller has them. */
static int lies_ready(const holog_array *a, const struct hg_array_walk *w)
{
    int64_t stride = (int64_t)a->doc.type.size;

    for (unsigned i = a->doc.rank; i-- > 0;) {
        if (w->parts.part.count[i] != a->grid[i] || (w->stride[i] != stride && a->grid[i] > 1))
            return 0;
        stride *= (int64_t)a->grid[i];
    }
    return 1;
}

static int write_whole(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                       const uint8_t *data)
{
    const uint64_t *index = w->parts.part.chunk;
    struct hg_mem *mem = NULL;
    int padded = 0;
    int rc;

    if (lies_ready(a, w)) {
        data += hg_array_walk_at(w);
        if (is_fill(a, data))
            return delete_chunk(a, n, index);
        hg_array_name_chunk(a, n, index);
        return a->plain ? hg_nodes_save(n, data, a->chunk_bytes) : save_encoded(a, n, data);
    }
    rc = hg_txn_mem_new(a->txn, a->chunk_bytes, &mem);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < a->doc.rank; i++)
        padded |= w->parts.part.count[i] != a->grid[i];
    if (padded)
        hg_array_fill_chunk(a, mem->data);
    copy_in(a, w, mem->data, data);
    hg_array_name_chunk(a, n, index);
    return save_chunk(a, n, index, mem);
}

/* ---- parts of chunks -----------------------------------------------------------------------------*/

/* Runs of bytes: all axes from `outer` on are one run. */
struct runs {
    unsigned outer;
    uint64_t count;
    size_t bytes; /* of each */
};

static struct runs runs_of(const holog_array *a, const struct hg_array_walk *w)
{
    struct runs r = { .outer = a->doc.rank, .count = 1, .bytes = a->doc.type.size };

    while (r.outer > 0 && (w->chunk_stride[r.outer - 1] == (int64_t)r.bytes ||
                           w->parts.part.count[r.outer - 1] == 1))
        r.bytes *= (size_t)w->parts.part.count[--r.outer];
    for (unsigned i = 0; i < r.outer; i++)
        r.count *= w->parts.part.count[i];
    return r;
}

/* The part's elements one after the other, and a delta for each run of them. */
static int write_deltas(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                        const struct runs *r, const uint8_t *data)
{
    holog_delta *deltas = hg_calloc((size_t)r->count, sizeof *deltas);
    uint8_t *packed = hg_malloc((size_t)r->count * r->bytes);
    uint64_t at[HG_RANK_MAX] = { 0 };
    int64_t stride[HG_RANK_MAX];
    int rc = deltas == NULL || packed == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a delta")
                                              : HOLOG_OK;

    if (rc == HOLOG_OK) {
        hg_strides_of(a->doc.rank, w->parts.part.count, a->doc.type.size, stride);
        hg_copy_strided(a->doc.rank, w->parts.part.count, a->doc.type.size, packed, stride,
                        data + hg_array_walk_at(w), w->stride);
    }
    for (uint64_t k = 0; rc == HOLOG_OK && k < r->count; k++) {
        uint64_t start = hg_array_walk_in_chunk(a, w);
        unsigned i = r->outer;
        for (unsigned j = 0; j < r->outer; j++)
            start += at[j] * (uint64_t)w->chunk_stride[j];
        deltas[k] = (holog_delta){ .kind = HOLOG_DELTA_UPDATE,
                                   .start = start,
                                   .end = start + r->bytes,
                                   .data = packed + k * r->bytes,
                                   .len_bytes = r->bytes };
        while (i > 0 && ++at[i - 1] == w->parts.part.count[i - 1])
            at[--i] = 0;
    }
    if (rc == HOLOG_OK)
        rc = hg_nodes_apply(n, deltas, (size_t)r->count);
    hg_free(deltas);
    hg_free(packed);
    return rc;
}

static int change_chunk(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                        const struct hg_locator *loc, const uint8_t *data)
{
    struct hg_mem *mem = NULL;
    holog_value *before = NULL;
    int rc = hg_txn_mem_new(a->txn, a->chunk_bytes, &mem);

    if (rc == HOLOG_OK && loc != NULL)
        rc = hg_array_load_chunk(a, n, loc, HG_KEEP_NOT, &before);
    if (rc < 0) {
        hg_mem_put(mem);
        return rc;
    }
    if (before != NULL)
        memcpy(mem->data, holog_value_data(before), a->chunk_bytes);
    else
        hg_array_fill_chunk(a, mem->data);
    holog_value_release(before);
    copy_in(a, w, mem->data, data);
    return save_chunk(a, n, w->parts.part.chunk, mem);
}

static int write_some(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                      const uint8_t *data)
{
    struct runs r = runs_of(a, w);
    struct hg_locator loc;
    int rc = hg_array_find_chunk(a, n, w->parts.part.chunk, &loc);

    if (rc == HOLOG_E_NOENT)
        return change_chunk(a, w, n, NULL, data);
    if (rc < 0)
        return rc;
    if (a->plain && loc.size == a->chunk_bytes && r.count <= RUNS_MAX &&
        r.count * r.bytes <= a->chunk_bytes / 2)
        return write_deltas(a, w, n, &r, data);
    return change_chunk(a, w, n, &loc, data);
}

static int write_parts(const holog_array *a, struct hg_array_walk *w, const uint8_t *data)
{
    struct hg_nodes n;
    int rc = hg_array_nodes(a, &n);

    while (rc == HOLOG_OK && hg_parts_next(&w->parts)) {
        if (data == NULL)
            return hg_error(HOLOG_E_INVAL, "data is NULL");
        rc = w->parts.part.whole ? write_whole(a, w, &n, data) : write_some(a, w, &n, data);
    }
    return rc;
}

/* Back to what the transaction was before a call that failed half way. */
static int undo(const holog_array *a, uint32_t savepoint, int rc)
{
    struct holog_error_detail why;
    int back;

    hg_error_get(&why);
    back = holog_txn_rollback_to(a->txn, savepoint);
    if (back < 0)
        return back;
    hg_error_set(&why);
    return rc;
}

int holog_array_write(holog_array *array, const holog_slice *region, const void *data,
                      const int64_t *strides)
{
    struct hg_array_walk w;
    uint32_t savepoint = 0;
    int rc = check_write(array);

    if (rc == HOLOG_OK)
        rc = hg_array_walk_begin(array, region, strides, &w);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(array->txn, &savepoint);
    if (rc < 0)
        return rc;
    rc = write_parts(array, &w, data);
    return rc < 0 ? undo(array, savepoint, rc) : HOLOG_OK;
}

/* ---- shape and attributes ------------------------------------------------------------------------*/

static int save_document(holog_array *a, const struct hg_buf *json)
{
    struct hg_nodes n;
    int rc = hg_array_nodes(a, &n);

    if (rc == HOLOG_OK) {
        hg_nodes_name(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1);
        rc = hg_nodes_save(&n, json->data, json->len);
    }
    if (rc == HOLOG_OK)
        rc = hg_txn_settle(a->txn);
    if (rc == HOLOG_OK)
        rc = hg_array_take_document(a, json->data, json->len);
    if (rc == HOLOG_OK)
        rc = hg_array_note_document(a);
    if (rc == HOLOG_OK)
        a->number = 0;
    return rc;
}

/* A chunk that the new shape does not meet goes; of one that it cuts, what is outside becomes fill value. */
struct crop {
    const holog_array *a;
    struct hg_nodes *n;
    const uint64_t *shape;
};

static int crop_chunk(const struct crop *c, const uint64_t *index, const struct hg_locator *loc)
{
    const struct hg_document *d = &c->a->doc;
    uint64_t count[HG_RANK_MAX];
    int64_t stride[HG_RANK_MAX];
    struct hg_mem *mem = NULL;
    holog_value *before = NULL;
    int rc = hg_txn_mem_new(c->a->txn, c->a->chunk_bytes, &mem);

    if (rc == HOLOG_OK)
        rc = hg_array_load_chunk(c->a, c->n, loc, HG_KEEP_NOT, &before);
    if (rc < 0) {
        hg_mem_put(mem);
        return rc;
    }
    for (unsigned i = 0; i < d->rank; i++)
        count[i] = HG_MIN(c->a->grid[i], c->shape[i] - index[i] * c->a->grid[i]);
    hg_strides_of(d->rank, c->a->grid, d->type.size, stride);
    hg_array_fill_chunk(c->a, mem->data);
    hg_copy_strided(d->rank, count, d->type.size, mem->data, stride, holog_value_data(before),
                    stride);
    holog_value_release(before);
    return save_chunk(c->a, c->n, index, mem);
}

static int crop_each(void *ctx, const char *component, size_t len, const struct hg_locator *loc)
{
    const struct crop *c = ctx;
    const struct hg_document *d = &c->a->doc;
    uint64_t index[HG_RANK_MAX];
    struct hg_locator found;
    int outside = 0;
    int cut = 0;
    int rc;

    (void)loc; /* as the overlay had it; what is found now is the same */
    if (hg_node_index(component, len, index) != (int)d->rank)
        return HOLOG_OK;
    for (unsigned i = 0; i < d->rank; i++) {
        uint64_t begin = index[i] * c->a->grid[i];
        outside |= begin >= c->shape[i];
        cut |=
            begin < c->shape[i] && c->shape[i] - begin < c->a->grid[i] && c->shape[i] < d->shape[i];
    }
    if (!outside && !cut)
        return HOLOG_OK;
    rc = hg_array_find_chunk(c->a, c->n, index, &found);
    if (rc < 0)
        return rc;
    return outside ? hg_nodes_delete(c->n) : crop_chunk(c, index, &found);
}

static int crop(holog_array *a, const uint64_t *shape)
{
    struct hg_nodes n;
    struct hg_nodes each;
    struct crop c = { .a = a, .n = &n, .shape = shape };
    int smaller = 0;
    int rc = hg_array_nodes(a, &n);

    for (unsigned i = 0; i < a->doc.rank; i++)
        smaller |= shape[i] < a->doc.shape[i];
    if (rc < 0 || !smaller)
        return rc;
    each = n;
    return hg_nodes_chunks(&each, a->txn->base, crop_each, &c);
}

int holog_array_resize(holog_array *array, const uint64_t *shape)
{
    struct hg_buf json = { 0 };
    uint32_t savepoint = 0;
    int rc = check_write(array);

    if (rc == HOLOG_OK && shape == NULL && array->doc.rank > 0)
        rc = hg_error(HOLOG_E_INVAL, "shape is NULL");
    if (rc == HOLOG_OK)
        rc = hg_document_change(&array->doc, shape, NULL, &json);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(array->txn, &savepoint);
    if (rc == HOLOG_OK) {
        rc = crop(array, shape);
        if (rc == HOLOG_OK)
            rc = save_document(array, &json);
        rc = rc < 0 ? undo(array, savepoint, rc) : HOLOG_OK; /* the handle is stale then */
    }
    hg_buf_release(&json);
    return rc;
}

int holog_array_append(holog_array *array, uint32_t axis, uint64_t count, const void *data,
                       const int64_t *strides)
{
    holog_slice region[HG_RANK_MAX];
    uint64_t before[HG_RANK_MAX];
    uint64_t shape[HG_RANK_MAX];
    uint32_t savepoint = 0;
    struct hg_buf json = { 0 };
    struct hg_buf was = { 0 };
    int rc = check_write(array);

    if (rc < 0)
        return rc;
    if (axis >= array->doc.rank)
        return hg_error(HOLOG_E_INVAL, "%s: has %u axes, and no axis %u", array->path,
                        array->doc.rank, axis);
    memcpy(before, array->doc.shape, sizeof before);
    memcpy(shape, before, sizeof shape);
    if (count > HG_INDEX_MAX - shape[axis])
        return hg_error(HOLOG_E_TOOBIG, "%s: no axis is longer than 2^49 - 1", array->path);
    shape[axis] += count;
    rc = hg_document_change(&array->doc, NULL, NULL, &was);
    if (rc == HOLOG_OK)
        rc = hg_document_change(&array->doc, shape, NULL, &json);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(array->txn, &savepoint);
    if (rc < 0)
        goto out;
    for (unsigned i = 0; i < array->doc.rank; i++)
        region[i] = (holog_slice){ .count = shape[i], .step = 1 };
    region[axis] = (holog_slice){ .start = before[axis], .count = count, .step = 1 };
    rc = save_document(array, &json);
    if (rc == HOLOG_OK)
        rc = holog_array_write(array, region, data, strides);
    if (rc < 0) {
        rc = undo(array, savepoint, rc);
        if (hg_array_take_document(array, was.data, was.len) < 0 ||
            hg_array_note_document(array) < 0)
            rc = HOLOG_E_NOMEM;
    }
out:
    hg_buf_release(&json);
    hg_buf_release(&was);
    return rc;
}

int holog_array_set_attributes(holog_array *array, const char *json)
{
    struct hg_buf document = { 0 };
    int rc = check_write(array);

    if (rc == HOLOG_OK && json == NULL)
        rc = hg_error(HOLOG_E_INVAL, "the attributes are NULL; \"{}\" are none");
    if (rc == HOLOG_OK)
        rc = hg_document_change(&array->doc, NULL, json, &document);
    if (rc == HOLOG_OK)
        rc = save_document(array, &document);
    hg_buf_release(&document);
    return rc;
}

/* ---- one call, one commit ------------------------------------------------------------------------*/

struct change {
    const char *path;
    int appends;
    const holog_slice *region;
    uint32_t axis;
    uint64_t count;
    const void *data;
    const int64_t *strides;
};

static int change_once(holog_store *s, const struct change *c, uint64_t *out_number)
{
    holog_array *a = NULL;
    holog_txn *txn = NULL;
    int rc = holog_begin(s, &txn);

    if (rc == HOLOG_OK)
        rc = hg_array_in_txn(txn, c->path, &a);
    if (rc == HOLOG_OK)
        rc = c->appends ? holog_array_append(a, c->axis, c->count, c->data, c->strides)
                        : holog_array_write(a, c->region, c->data, c->strides);
    holog_array_close(a);
    if (rc == HOLOG_OK)
        return holog_commit(txn, out_number);
    holog_abort(txn);
    return rc;
}

/* What others changed meanwhile is sequenced, and readers see it when it is acknowledged: wait for that. */
static int change(holog_store *s, const struct change *c, uint64_t *out_number)
{
    int rc = hg_store_check_write(s);

    if (rc < 0)
        return rc;
    rc = change_once(s, c, out_number);
    while (rc == HOLOG_E_CONFLICT) {
        rc = hg_log_sync(s->log);
        if (rc == HOLOG_OK)
            rc = change_once(s, c, out_number);
    }
    return rc;
}

int holog_array_update(holog_store *store, const char *path, const holog_slice *region,
                       const void *data, const int64_t *strides, uint64_t *out_number)
{
    struct change c = { .path = path, .region = region, .data = data, .strides = strides };

    return change(store, &c, out_number);
}

int holog_array_extend(holog_store *store, const char *path, uint32_t axis, uint64_t count,
                       const void *data, const int64_t *strides, uint64_t *out_number)
{
    struct change c = {
        .path = path, .appends = 1, .axis = axis, .count = count, .data = data, .strides = strides
    };

    return change(store, &c, out_number);
}
