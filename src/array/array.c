/*
 * Open arrays: from a path to a document that was understood, and what it says.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "array/array_internal.h"
#include "array/shard.h"
#include "array/stored.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

static_assert((int)HOLOG_BOOL == (int)HG_BOOL && (int)HOLOG_RAW == (int)HG_RAW &&
                  (int)HOLOG_UINT16 == (int)HG_UINT16 && (int)HOLOG_FLOAT32 == (int)HG_FLOAT32,
              "types have one number");
static_assert(HOLOG_RANK_MAX == HG_RANK_MAX && HOLOG_ITEM_MAX == HG_ITEM_MAX, "and one limit");

/* ---- types ---------------------------------------------------------------------------------------*/

const char *holog_dtype_name(uint32_t dtype)
{
    static const char *const names[] = {
        [HG_BOOL] = "bool",
        [HG_INT8] = "int8",
        [HG_INT16] = "int16",
        [HG_INT32] = "int32",
        [HG_INT64] = "int64",
        [HG_UINT8] = "uint8",
        [HG_UINT16] = "uint16",
        [HG_UINT32] = "uint32",
        [HG_UINT64] = "uint64",
        [HG_FLOAT16] = "float16",
        [HG_FLOAT32] = "float32",
        [HG_FLOAT64] = "float64",
        [HG_COMPLEX64] = "complex64",
        [HG_COMPLEX128] = "complex128",
        [HG_RAW] = "raw",
    };

    return dtype >= HG_BOOL && dtype <= HG_RAW ? names[dtype] : NULL;
}

uint32_t holog_dtype_size(uint32_t dtype)
{
    return dtype >= HG_BOOL && dtype < HG_RAW ? hg_type_of((enum hg_dtype)dtype, 0).size : 0;
}

/* ---- documents -----------------------------------------------------------------------------------*/

static void find_stored(holog_array *a)
{
    struct hg_stored stored;

    hg_stored_of(&a->doc, &stored);
    memcpy(a->grid, stored.size, a->doc.rank * sizeof stored.size[0]);
    a->chain = stored.chunks > 0 ? hg_shard_chain(hg_chain_shard(a->outer)) : a->outer;
    a->chunk_bytes = (size_t)hg_chain_raw_bytes(a->chain);
    a->plain = hg_chain_is_plain(a->chain);
}

/* What decodes to the same by two documents has one form: of all that says how. Not 0. */
static uint64_t form_of(const struct hg_document *d)
{
    static const char *const members[] = { "data_type", "chunk_grid", "codecs" };
    uint64_t form = 0;

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct json_object *m = NULL;
        const char *text = json_object_object_get_ex(d->root, members[i], &m)
                               ? json_object_to_json_string_ext(m, JSON_C_TO_STRING_PLAIN)
                               : NULL;
        if (text != NULL)
            form = form * UINT64_C(0x9E3779B97F4A7C15) + hg_hash64(text, strlen(text));
    }
    return form != 0 ? form : 1;
}

int hg_array_take_document(holog_array *a, const void *json, size_t len)
{
    struct hg_document d;
    struct hg_chain *chain = NULL;
    const char *attributes = "{}";
    char *copy = NULL;
    int rc = hg_document_read(json, len, &d);

    if (rc == HOLOG_OK)
        rc = hg_chain_create(&d, &chain);
    if (rc == HOLOG_OK && d.attributes != NULL)
        attributes =
            json_object_to_json_string_ext(d.attributes,
                                           JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (rc == HOLOG_OK) {
        copy = attributes != NULL ? hg_malloc(strlen(attributes) + 1) : NULL;
        if (copy == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory to open an array");
        else
            memcpy(copy, attributes, strlen(attributes) + 1);
    }
    if (rc < 0) {
        hg_chain_destroy(chain);
        hg_document_release(&d);
        return rc;
    }
    hg_document_release(&a->doc);
    hg_chain_destroy(a->outer);
    hg_free(a->attributes);
    a->doc = d;
    a->outer = chain;
    a->attributes = copy;
    find_stored(a);
    a->form = a->plain ? 0 : form_of(&a->doc);
    return HOLOG_OK;
}

/* ---- opening -------------------------------------------------------------------------------------*/

/* In a transaction what is looked at is remembered, behind what it has changed so far. */
static int lookup_of(const holog_array *a, struct hg_lookup *out)
{
    if (a->txn == NULL) {
        hg_lookup_version(a->store, a->version, out);
        return HOLOG_OK;
    }
    hg_txn_lookup_reading(a->txn, out);
    return hg_txn_settle(a->txn);
}

int hg_array_nodes(const holog_array *a, struct hg_nodes *out)
{
    struct hg_lookup l;
    int rc = lookup_of(a, &l);

    return rc < 0 ? rc : hg_nodes_begin(out, &l, a->txn, a->path, a->path_len);
}

static int no_array(const struct hg_resolved *r)
{
    if (r->loc.type == 0)
        return hg_error_path(HOLOG_E_NOENT, r->path, (uint32_t)r->path_len, "%s: no such entry",
                             r->path);
    return hg_error_path(HOLOG_E_TYPE, r->path, (uint32_t)r->path_len, "%s: is no array, but a %s",
                         r->path_len == 0 ? "/" : r->path,
                         r->loc.type == HG_ENTRY_DIR ? "directory" : "blob");
}

static int find(holog_array *a, const char *path)
{
    struct hg_lookup l;
    struct hg_resolved r;
    struct hg_nodes n;
    struct hg_locator loc;
    holog_value *json = NULL;
    int rc = lookup_of(a, &l);

    if (rc == HOLOG_OK)
        rc = hg_resolve_user(&l, path, 1, &r);
    if (rc == HOLOG_OK && r.loc.type != HG_ENTRY_DIR)
        rc = no_array(&r);
    if (rc != HOLOG_OK)
        return rc;
    memcpy(a->path, r.path, r.path_len + 1);
    a->path_len = r.path_len;
    rc = hg_nodes_begin(&n, &l, a->txn, a->path, a->path_len);
    if (rc == HOLOG_OK)
        rc = hg_nodes_find(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1, &loc);
    if (rc == HOLOG_E_NOENT)
        return no_array(&r);
    if (rc == HOLOG_OK)
        rc = hg_nodes_load_document(&n, &loc, &json);
    if (rc < 0)
        return rc;
    a->number = r.loc.size == HG_NUMBER_OWN ? 0 : r.loc.size; /* a directory's last change */
    rc = hg_array_take_document(a, holog_value_data(json), holog_value_size(json));
    holog_value_release(json);
    return rc;
}

static void txn_ended(struct hg_txn_child *child)
{
    holog_array *a = (holog_array *)child;

    a->txn = NULL;
    a->ended = 1;
}

/* Takes over the count on version. */
static int open_array(holog_store *s, struct hg_version *version, const holog_view *view,
                      holog_txn *txn, const char *path, holog_array **out)
{
    holog_array *a = out != NULL ? hg_calloc(1, sizeof *a) : NULL;
    int rc;

    if (a == NULL) {
        hg_version_put(s, version);
        return out == NULL ? hg_error(HOLOG_E_INVAL, "out_array is NULL")
                           : hg_error(HOLOG_E_NOMEM, "no memory to open an array");
    }
    a->store = s;
    a->version = version;
    a->view = view;
    a->txn = txn;
    if (txn != NULL) {
        a->child = (struct hg_txn_child){ .next = txn->children, .ended = txn_ended };
        txn->children = &a->child;
    }
    rc = find(a, path);
    if (rc == HOLOG_OK)
        rc = hg_array_note_document(a);
    if (rc < 0)
        holog_array_close(a);
    else
        *out = a;
    return rc;
}

int holog_array_open(holog_store *store, const char *path, holog_array **out_array)
{
    struct hg_version *v;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open an array");
    return open_array(store, v, NULL, NULL, path, out_array);
}

int holog_view_array(holog_view *view, const char *path, holog_array **out_array)
{
    int rc = hg_view_check(view);

    if (rc < 0)
        return rc;
    __atomic_add_fetch(&view->version->refs, 1, __ATOMIC_RELAXED);
    return open_array(view->store, view->version, view, NULL, path, out_array);
}

int hg_array_in_txn(holog_txn *txn, const char *path, holog_array **out)
{
    return open_array(txn->store, NULL, NULL, txn, path, out);
}

int holog_txn_array(holog_txn *txn, const char *path, holog_array **out_array)
{
    int rc = txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                         : hg_store_check_write(txn->store);

    return rc < 0 ? rc : hg_array_in_txn(txn, path, out_array);
}

static void unlink_child(holog_array *a)
{
    struct hg_txn_child **at = &a->txn->children;

    while (*at != NULL && *at != &a->child)
        at = &(*at)->next;
    if (*at != NULL)
        *at = a->child.next;
}

void holog_array_close(holog_array *array)
{
    if (array == NULL)
        return;
    if (array->txn != NULL)
        unlink_child(array);
    hg_version_put(array->store, array->version);
    hg_document_release(&array->doc);
    hg_chain_destroy(array->outer);
    hg_free(array->attributes);
    hg_free(array);
}

/* Which document it is: that of an operation of the transaction's own has no place in the log yet. */
static uint64_t serial_of(const holog_array *a, const struct hg_locator *loc)
{
    const struct hg_op *ops = (const struct hg_op *)(const void *)a->txn->ops.data;

    return loc->segment == 0 ? ops[loc->offset].serial : 0;
}

/* Into *at and *serial: the document as the transaction has it now. */
static int find_document(const holog_array *a, struct hg_locator *at, uint64_t *serial)
{
    struct hg_lookup l;
    struct hg_nodes n;
    int rc;

    hg_txn_lookup(a->txn, &l);
    rc = hg_nodes_begin(&n, &l, a->txn, a->path, a->path_len);
    if (rc == HOLOG_OK)
        rc = hg_nodes_find(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1, at);
    if (rc == HOLOG_OK)
        *serial = serial_of(a, at);
    return rc;
}

int hg_array_note_document(holog_array *a)
{
    return a->txn == NULL ? HOLOG_OK : find_document(a, &a->at, &a->serial);
}

/* The transaction has changed the array beside this handle: by another one, or back to a savepoint. What the
 * caller has in memory may not be of its shape any more. */
static int check_document(const holog_array *a)
{
    struct hg_locator at;
    uint64_t serial = 0;
    int rc = hg_txn_settle(a->txn);

    if (rc == HOLOG_OK)
        rc = find_document(a, &at, &serial);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    if (rc == HOLOG_OK && at.segment == a->at.segment && serial == a->serial &&
        (at.segment == 0 || at.offset == a->at.offset))
        return HOLOG_OK;
    return hg_error_path(
        HOLOG_E_STALE, a->path, (uint32_t)a->path_len,
        "%s: the transaction has changed it otherwise since it was opened; open it again", a->path);
}

int hg_array_check(const holog_array *a)
{
    int rc;

    if (a == NULL)
        return hg_error(HOLOG_E_INVAL, "the array is NULL");
    if (a->ended)
        return hg_error(HOLOG_E_CLOSED, "%s: its transaction has ended; close it", a->path);
    if (a->txn != NULL) {
        rc = hg_store_check(a->store);
        return rc < 0 ? rc : check_document(a);
    }
    return a->view != NULL ? hg_view_check(a->view) : hg_store_check(a->store);
}

/* ---- what is known of it -------------------------------------------------------------------------*/

static uint64_t size_bytes(const struct hg_document *d)
{
    uint64_t bytes = d->type.size;

    for (unsigned i = 0; i < d->rank; i++)
        if (__builtin_mul_overflow(bytes, d->shape[i], &bytes))
            bytes = UINT64_MAX;
    for (unsigned i = 0; i < d->rank; i++)
        if (d->shape[i] == 0)
            return 0;
    return bytes;
}

int holog_array_get_info(const holog_array *array, holog_array_info *out_info)
{
    holog_array_info info = { .struct_size = sizeof info };
    int rc = hg_array_check(array);

    if (rc == HOLOG_OK)
        rc = hg_struct_check(out_info, "holog_array_info");
    if (rc < 0)
        return rc;
    info.dtype = array->doc.type.dtype;
    info.item_size = array->doc.type.size;
    info.rank = array->doc.rank;
    info.number = array->number;
    info.size_bytes = size_bytes(&array->doc);
    memcpy(info.shape, array->doc.shape, array->doc.rank * sizeof info.shape[0]);
    memcpy(info.chunk, array->doc.chunk, array->doc.rank * sizeof info.chunk[0]);
    memcpy(info.inner_chunk, array->grid, array->doc.rank * sizeof info.chunk[0]);
    info.plain = (uint32_t)array->plain;
    hg_struct_fill(out_info, &info, sizeof info);
    return HOLOG_OK;
}

const void *holog_array_fill(const holog_array *array)
{
    return array == NULL ? NULL : array->doc.fill;
}

const char *holog_array_attributes(const holog_array *array)
{
    return array == NULL ? NULL : array->attributes;
}

const char *holog_array_dimension_name(const holog_array *array, uint32_t axis)
{
    if (array == NULL || array->doc.names == NULL || axis >= array->doc.rank)
        return NULL;
    return json_object_get_string(json_object_array_get_idx(array->doc.names, axis));
}

/* "uint16 [3, 4]" */
static void describe(struct hg_type t, unsigned rank, const uint64_t *shape, char *out, size_t cap)
{
    char name[HG_DTYPE_NAME_MAX];
    size_t at;

    hg_type_to_v3(t, name);
    at = (size_t)snprintf(out, cap, "%s [", name);
    for (unsigned i = 0; i < rank && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%llu", i > 0 ? ", " : "",
                               (unsigned long long)shape[i]);
    if (at < cap)
        (void)snprintf(out + at, cap - at, "]");
}

int holog_array_expect(const holog_array *array, uint32_t dtype, uint32_t rank,
                       const uint64_t *shape)
{
    char is[160];
    char want[160];
    int same;
    int rc = hg_array_check(array);

    if (rc < 0)
        return rc;
    if (holog_dtype_name(dtype) == NULL || rank > HG_RANK_MAX)
        return hg_error(HOLOG_E_INVAL, "no array has the type %u and %u axes", dtype, rank);
    same = (uint32_t)array->doc.type.dtype == dtype && array->doc.rank == rank;
    for (unsigned i = 0; same && shape != NULL && i < rank; i++)
        same = shape[i] == array->doc.shape[i];
    if (same)
        return HOLOG_OK;
    describe(array->doc.type, array->doc.rank, array->doc.shape, is, sizeof is);
    describe(hg_type_of((enum hg_dtype)dtype, 1), shape != NULL ? rank : 0, shape, want,
             sizeof want);
    return hg_error_path(HOLOG_E_TYPE, array->path, (uint32_t)array->path_len,
                         "%s: is %s, not %s with %u axes", array->path, is, want, rank);
}

/* ---- regions -------------------------------------------------------------------------------------*/

static int take_strides(const holog_array *a, const int64_t *strides, struct hg_array_walk *w)
{
    uint64_t bytes = a->doc.type.size;
    int64_t stride = (int64_t)a->doc.type.size;

    for (unsigned i = a->doc.rank; i-- > 0;) {
        w->chunk_stride[i] = stride * (int64_t)w->region.step[i];
        stride *= (int64_t)a->grid[i];
        if (__builtin_mul_overflow(bytes, w->region.count[i], &bytes) || bytes > INT64_MAX)
            return hg_error(HOLOG_E_TOOBIG, "the region has more than 2^63 bytes");
    }
    if (strides != NULL)
        memcpy(w->stride, strides, a->doc.rank * sizeof *strides);
    else
        hg_strides_of(a->doc.rank, w->region.count, a->doc.type.size, w->stride);
    return HOLOG_OK;
}

int hg_array_walk_begin(const holog_array *a, const holog_slice *slices, const int64_t *strides,
                        struct hg_array_walk *out)
{
    struct hg_region *r = &out->region;
    int rc;

    for (unsigned i = 0; i < a->doc.rank; i++) {
        r->start[i] = slices == NULL ? 0 : slices[i].start;
        r->count[i] = slices == NULL ? a->doc.shape[i] : slices[i].count;
        r->step[i] = slices == NULL || slices[i].step == 0 || r->count[i] <= 1 ? 1 : slices[i].step;
    }
    rc = hg_parts_begin(&out->parts, a->doc.rank, a->doc.shape, a->grid, r);
    return rc < 0 ? rc : take_strides(a, strides, out);
}

int64_t hg_array_walk_at(const struct hg_array_walk *w)
{
    int64_t at = 0;

    for (unsigned i = 0; i < w->parts.rank; i++)
        at += (int64_t)w->parts.part.first[i] * w->stride[i];
    return at;
}

size_t hg_array_walk_in_chunk(const holog_array *a, const struct hg_array_walk *w)
{
    size_t at = 0;

    for (unsigned i = 0; i < w->parts.rank; i++)
        at = at * (size_t)a->grid[i] + (size_t)w->parts.part.start[i];
    return at * a->doc.type.size;
}

void hg_array_fill_chunk(const holog_array *a, void *elements)
{
    const int64_t to = (int64_t)a->doc.type.size;
    const uint64_t n = a->chunk_bytes / a->doc.type.size;

    hg_fill_strided(1, &n, a->doc.type.size, elements, &to, a->doc.fill);
}

int hg_array_find_chunk(const holog_array *a, struct hg_nodes *n, const uint64_t *index,
                        struct hg_locator *out)
{
    char component[HG_NODE_LEN_MAX];

    return hg_nodes_find(n, component, hg_node_chunk(index, a->doc.rank, component), out);
}

void hg_array_name_chunk(const holog_array *a, struct hg_nodes *n, const uint64_t *index)
{
    char component[HG_NODE_LEN_MAX];

    hg_nodes_name(n, component, hg_node_chunk(index, a->doc.rank, component));
}

static int name_chunk(const struct hg_nodes *n, int rc)
{
    struct holog_error_detail why;

    hg_error_get(&why);
    return hg_error_path(rc, n->path, (uint32_t)strlen(n->path), "%s: %s", n->path, why.message);
}

/* Takes v over. */
static int decode(const holog_array *a, const struct hg_nodes *n, holog_value *v, holog_value **out)
{
    holog_value *raw = hg_malloc(sizeof *raw);
    struct hg_mem *mem = NULL;
    int rc = raw == NULL      ? hg_error(HOLOG_E_NOMEM, "no memory to load %s", n->path)
             : a->txn != NULL ? hg_txn_mem_new(a->txn, a->chunk_bytes, &mem)
                              : hg_mem_new(a->store->cache, a->chunk_bytes, &mem);

    if (rc == HOLOG_OK)
        rc = hg_chain_decode(a->chain, v->data, v->len, mem->data);
    holog_value_release(v);
    if (rc < 0) {
        hg_mem_put(mem);
        hg_free(raw);
        return rc == HOLOG_E_CORRUPT ? name_chunk(n, rc) : rc;
    }
    *raw = (holog_value){ .data = mem->data, .len = a->chunk_bytes, .mem = mem };
    *out = raw;
    return HOLOG_OK;
}

/* 1 when it was decoded before, and kept. */
static int find_decoded(const holog_array *a, hg_pos birth, holog_value **out)
{
    struct hg_mem *mem = hg_cache_find_form(a->store->cache, birth, a->form);
    holog_value *v = mem != NULL ? hg_malloc(sizeof *v) : NULL;

    if (v == NULL) {
        hg_mem_put(mem);
        return 0;
    }
    *v = (holog_value){ .data = mem->data, .len = mem->len, .mem = mem };
    *out = v;
    return 1;
}

static int load_encoded(const holog_array *a, struct hg_nodes *n, const struct hg_locator *loc,
                        enum hg_array_keep keep, holog_value **out)
{
    hg_pos birth = hg_pos_make(loc->segment, loc->offset);
    struct hg_cache *cache = a->store->cache;
    int is_own = a->txn != NULL || loc->segment == 0; /* its memory is the transaction's */
    struct hg_mem *stored = NULL;
    holog_value *v = NULL;
    int rc;

    if (!is_own && find_decoded(a, birth, out))
        return HOLOG_OK;
    if (!is_own && keep == HG_KEEP_IF_SEEN)
        stored = hg_cache_hold(cache, birth);
    keep = stored != NULL ? HG_KEEP : keep;
    hg_mem_put(stored);
    rc = hg_nodes_load(n, loc, &v);
    if (rc == HOLOG_OK)
        rc = decode(a, n, v, out);
    if (rc == HOLOG_OK && !is_own && keep == HG_KEEP) {
        (*out)->mem->form = a->form;
        hg_cache_offer(cache, birth, (*out)->mem, 0);
        hg_cache_forget(cache, birth);
    }
    return rc;
}

/* Takes v over. */
static int take_plain(const holog_array *a, const struct hg_nodes *n, holog_value *v,
                      holog_value **out)
{
    int rc;

    if (v->len == a->chunk_bytes) {
        *out = v;
        return HOLOG_OK;
    }
    rc = hg_error_path(HOLOG_E_CORRUPT, n->path, (uint32_t)strlen(n->path),
                       "%s: has %zu bytes, and not the %zu of a chunk", n->path, v->len,
                       a->chunk_bytes);
    holog_value_release(v);
    return rc;
}

int hg_array_load_chunk(const holog_array *a, struct hg_nodes *n, const struct hg_locator *loc,
                        enum hg_array_keep keep, holog_value **out)
{
    holog_value *v = NULL;
    int rc;

    if (!a->plain)
        return load_encoded(a, n, loc, keep, out);
    rc = hg_nodes_load(n, loc, &v);
    return rc < 0 ? rc : take_plain(a, n, v, out);
}

int hg_array_take_chunk(const holog_array *a, struct hg_nodes *n, struct hg_mem *stored,
                        holog_value **out)
{
    holog_value *v = hg_malloc(sizeof *v);

    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load %s", n->path);
    hg_mem_get(stored);
    *v = (holog_value){ .data = stored->data, .len = stored->len, .mem = stored };
    return a->plain ? take_plain(a, n, v, out) : decode(a, n, v, out);
}
