/*
 * Objects into a store: blobs as blobs, arrays as arrays, a batch in one commit.
 */
#include <string.h>

#include "backends/instore/instore.h"
#include "base/alloc.h"
#include "base/error.h"

#define CHUNK_BYTES_MAX ((UINT64_C(1) << 31) - 1) /* holog/array.h */

struct saving {
    const holog_vfs_item *items;
    size_t n;
    unsigned flags;
    uint32_t *types; /* of what is in their places */
};

/* Before the first change, so that nothing of the batch is in the way. */
static int look_at_items(holog_txn *txn, const struct saving *s)
{
    const char *before = "";
    size_t before_len = SIZE_MAX;

    for (size_t i = 0; i < s->n; i++) {
        const char *path = s->items[i].path;
        size_t len = hg_path_parent(path, strlen(path));
        struct hg_resolved r;
        int rc = HOLOG_OK;
        if (len != before_len || memcmp(path, before, len) != 0)
            rc = hg_instore_check_parent(txn, path);
        if (rc == HOLOG_OK)
            rc = hg_instore_look(txn, path, 0, &r, &s->types[i]);
        if (rc < 0)
            return rc;
        before = path;
        before_len = len;
    }
    return HOLOG_OK;
}

static int put_array(const struct hg_instore *e, holog_txn *txn, const holog_vfs_item *item,
                     unsigned flags)
{
    const holog_object_spec *o = item->object;
    uint64_t chunk[HOLOG_RANK_MAX];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = o->dtype,
                              .item_size = o->item_size,
                              .rank = o->rank,
                              .shape = o->shape,
                              .codec = e->codec,
                              .level = e->level,
                              .flags = e->array_flags };

    if (o->rank > 0 && e->whole_chunks && o->len_bytes > 0 && o->len_bytes <= CHUNK_BYTES_MAX) {
        memcpy(chunk, o->shape, o->rank * sizeof chunk[0]);
        spec.chunk = chunk;
    }
    return holog_txn_array_save(txn, item->path, &spec, o->data, o->strides, flags);
}

static int put_one(const struct hg_instore *e, holog_txn *txn, const holog_vfs_item *item,
                   uint32_t type, unsigned flags)
{
    int is_array = item->object->kind == HOLOG_OBJECT_ARRAY;
    int rc = HOLOG_OK;

    if (type != HOLOG_MISSING && (flags & HOLOG_REPLACE) == 0)
        return hg_instore_wrong(HOLOG_E_EXIST, item->path, "exists");
    if (type == HOLOG_DIRECTORY)
        return hg_instore_wrong(HOLOG_E_ISDIR, item->path, "is a directory");
    if (type == HOLOG_ARRAY && !is_array)
        rc = hg_instore_drop(txn, item->path, type);
    if (rc < 0)
        return rc;
    return is_array ? put_array(e, txn, item, flags)
                    : holog_txn_save(txn, item->path, item->object->data,
                                     (size_t)item->object->len_bytes, flags);
}

static int put_all(const struct hg_instore *e, holog_txn *txn, void *ctx)
{
    const struct saving *s = ctx;
    int rc = look_at_items(txn, s);

    for (size_t i = 0; rc == HOLOG_OK && i < s->n; i++)
        rc = put_one(e, txn, &s->items[i], s->types[i], s->flags);
    return rc;
}

int hg_instore_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                    uint64_t *out_number)
{
    struct hg_instore *e = self;
    struct saving s = { .items = items, .n = n, .flags = flags };
    int rc;

    s.types = hg_calloc(n, sizeof *s.types);
    if (s.types == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a batch of %zu", n);
    rc = hg_instore_change(e, put_all, &s, out_number);
    hg_free(s.types);
    if (rc == HOLOG_OK && e->durability != HOLOG_DURABILITY_SYNC &&
        __atomic_add_fetch(&e->pending, n, __ATOMIC_RELAXED) > e->pending_max)
        rc = hg_instore_wait(e, 0, UINT32_MAX);
    return rc;
}
