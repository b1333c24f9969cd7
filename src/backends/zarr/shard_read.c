/*
 * See shard_read.h.
 */
#include "backends/zarr/shard_read.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---- one inner chunk, the index ------------------------------------------------------------------*/

int hg_zarr_value_range(const struct hg_zarr_tree *t, const struct hg_locator *loc, const char *key,
                        uint64_t offset, void *buf, size_t len, size_t *out_n)
{
    int rc = hg_value_range(t->store, loc, key, offset, buf, len, out_n);

    if (rc == HOLOG_E_CORRUPT)
        hg_error_name_path(key, strlen(key));
    return rc;
}

static int read_inner(const struct hg_zarr_part *p, const struct hg_zarr_inner *c, uint64_t at)
{
    uint64_t from = HG_MAX(p->from, at);
    uint64_t to = HG_MIN(p->to, at + c->chunk.size);
    size_t n = 0;
    int rc;

    if (from >= to)
        return HOLOG_OK;
    rc = hg_zarr_value_range(p->tree, &c->loc, p->key, from - at, p->out + (from - p->from),
                             (size_t)(to - from), &n);
    HG_ASSERT(rc < 0 || n == to - from);
    return rc;
}

static int read_index(const struct hg_zarr_part *p, uint64_t at)
{
    size_t size = hg_zarr_shard_index_size(&p->array->shards);
    uint64_t from = HG_MAX(p->from, at);
    uint64_t to = HG_MIN(p->to, at + size);
    uint8_t *index;

    if (from >= to || p->out == NULL) /* no buffer: nothing is wanted */
        return HOLOG_OK;
    index = hg_malloc(size);
    if (index == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the index of %s", p->key);
    hg_zarr_shard_index_write(&p->array->shards, p->inner->data,
                              p->inner->len / sizeof(struct hg_zarr_inner),
                              sizeof(struct hg_zarr_inner), index);
    memcpy(p->out + (from - p->from), index + (from - at), (size_t)(to - from));
    hg_free(index);
    return HOLOG_OK;
}

/* ---- ahead ---------------------------------------------------------------------------------------*/

#define AHEAD_CHUNKS 16u
#define AHEAD_BYTES  ((uint64_t)16 << 20) /* at most, and */
#define AHEAD_SHARE  8u                   /* of the budget */

/* A ring of inner chunks that are being read. */
struct ahead {
    struct hg_value_ahead value[AHEAD_CHUNKS];
    size_t begun, taken;
    uint64_t at;    /* of the next one to begin, in the shard */
    uint64_t bytes; /* of those that are held */
    uint64_t most;
};

static uint64_t held(const struct hg_value_ahead *v, const struct hg_zarr_inner *c)
{
    return v->mem != NULL ? c->chunk.size : 0;
}

/* Of a chunk that is wanted in part only its blocks are read, in its turn. */
static void ahead_begin(const struct hg_zarr_part *p, struct ahead *h,
                        const struct hg_zarr_inner *c)
{
    struct hg_value_ahead *v = &h->value[h->begun++ % AHEAD_CHUNKS];

    *v = (struct hg_value_ahead){ 0 };
    if (h->at >= p->from && h->at + c->chunk.size <= p->to)
        hg_value_ahead_begin(p->tree->store, &c->loc, p->key, 1, v);
    h->bytes += held(v, c);
    h->at += c->chunk.size;
}

/* The one at hand at least, and as many behind it as the ring and its bytes allow. */
static void ahead_fill(const struct hg_zarr_part *p, struct ahead *h, const struct hg_zarr_inner *c,
                       size_t n)
{
    while (h->begun < n &&
           (h->begun == h->taken || (h->begun - h->taken < AHEAD_CHUNKS && h->bytes < h->most)))
        ahead_begin(p, h, &c[h->begun]);
}

static int read_ahead(const struct hg_zarr_part *p, struct ahead *h, const struct hg_zarr_inner *c,
                      size_t n, uint64_t at)
{
    holog_store *s = p->tree->store;
    int rc = HOLOG_OK;

    h->at = at;
    for (; rc == HOLOG_OK && h->taken < n && at < p->to; h->taken++) {
        struct hg_value_ahead *v = &h->value[h->taken % AHEAD_CHUNKS];
        ahead_fill(p, h, c, n);
        h->bytes -= held(v, &c[h->taken]);
        int cached = v->birth == 0 && v->mem != NULL;
        hg_value_ahead_end(s, v);
        if (cached || v->ready)
            memcpy(p->out + (at - p->from), v->mem->data, (size_t)c[h->taken].chunk.size);
        else
            rc = read_inner(p, &c[h->taken], at);
        at += c[h->taken].chunk.size;
        hg_value_ahead_drop(s, v);
    }
    for (; h->taken < h->begun; h->taken++)
        hg_value_ahead_drop(s, &h->value[h->taken % AHEAD_CHUNKS]);
    return rc;
}

static int read_chunks(const struct hg_zarr_part *p, const struct hg_zarr_inner *c, size_t n,
                       uint64_t at)
{
    holog_store *s = p->tree->store;
    struct ahead *h = n > 1 ? hg_calloc(1, sizeof *h) : NULL;
    int rc = HOLOG_OK;

    if (h != NULL) {
        h->most = HG_MIN(AHEAD_BYTES, s->opts.budget_bytes / AHEAD_SHARE);
        rc = read_ahead(p, h, c, n, at);
        hg_free(h);
        return rc;
    }
    for (size_t i = 0; rc == HOLOG_OK && i < n && at < p->to; i++) { /* or there is no memory */
        rc = read_inner(p, &c[i], at);
        at += c[i].chunk.size;
    }
    return rc;
}

int hg_zarr_part_read(const struct hg_zarr_part *p)
{
    const struct hg_zarr_inner *c = (const struct hg_zarr_inner *)(const void *)p->inner->data;
    int first = p->array->shards.index_first;
    int rc = first ? read_index(p, 0) : HOLOG_OK;

    if (rc == HOLOG_OK)
        rc = read_chunks(p, c, p->inner->len / sizeof *c,
                         first ? hg_zarr_shard_index_size(&p->array->shards) : 0);
    return rc < 0 || first ? rc
                           : read_index(p, hg_zarr_shard_size(p->array, p->inner) -
                                               hg_zarr_shard_index_size(&p->array->shards));
}
