/*
 * Values written piece by piece: each full chunk goes to an extent of its own as it comes, so a
 * value may be larger than memory. The commit at the end names the pieces.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/store_internal.h"

#define CHUNK            (8u << 20) /* multiple of 64 KiB */
#define CHUNKS_IN_FLIGHT 3u

struct holog_writer {
    holog_store *store;
    char path[HG_PATH_MAX + 1];
    unsigned flags;
    struct hg_staged *chunks[CHUNKS_IN_FLIGHT]; /* being written */
    unsigned next;
    struct hg_staged *whole; /* pieces and table of all so far */
    uint8_t *buf;            /* what has not filled a chunk */
    size_t buf_len;
    size_t buf_cap;
    int rc; /* first failure: every later call returns it */
};

int holog_writer_open(holog_store *store, const char *path, uint64_t size_hint, unsigned flags,
                      holog_writer **out_writer)
{
    holog_writer *w;
    size_t len = 0;
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    if (path == NULL || out_writer == NULL)
        return hg_error(HOLOG_E_INVAL, "path or out_writer is NULL");
    w = hg_calloc(1, sizeof *w);
    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a writer");
    w->store = store;
    w->flags = flags;
    w->buf_cap = size_hint > 0 && size_hint < CHUNK ? (size_t)size_hint : CHUNK;
    w->whole = hg_calloc(1, sizeof *w->whole);
    if (w->whole != NULL) {
        w->whole->store = store;
        w->whole->refs = 1;
    }
    rc = hg_user_path(path, w->path, &len);
    if (rc == HOLOG_OK)
        rc = hg_budget_take(store->cache, w->buf_cap);
    if (rc < 0)
        w->buf_cap = 0;
    if (rc == HOLOG_OK) {
        w->buf = hg_malloc(w->buf_cap);
        if (w->buf == NULL || w->whole == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory for a writer");
    }
    if (rc < 0) {
        holog_writer_abort(w);
        return rc;
    }
    *out_writer = w;
    return HOLOG_OK;
}

/* The oldest chunk in flight is over: what it wrote joins the whole. */
static int collect(holog_writer *w, unsigned slot)
{
    struct hg_staged *g = w->chunks[slot];
    int rc;

    if (g == NULL)
        return HOLOG_OK;
    rc = hg_staged_wait(g);
    hg_staged_put(g);
    w->chunks[slot] = NULL;
    return rc;
}

/* A chunk on its way: its pieces and table are known at once. */
static int send_chunk(holog_writer *w)
{
    unsigned slot = w->next++ % CHUNKS_IN_FLIGHT;
    struct hg_staged *g = NULL;
    int rc = collect(w, slot);

    if (rc == HOLOG_OK)
        rc = hg_stage(w->store, w->buf, w->buf_len, &g);
    if (rc != HOLOG_OK)
        return rc;
    w->chunks[slot] = g;
    rc = hg_buf_append(&w->whole->pieces, g->pieces.data, g->pieces.len);
    if (rc == HOLOG_OK) {
        g->pieces.len = 0; /* the whole releases them */
        rc = hg_buf_append(&w->whole->table, g->table.data, g->table.len);
    }
    w->whole->csum = hg_csum_add(w->whole->csum, g->csum);
    w->whole->len += w->buf_len;
    w->buf_len = 0;
    return rc;
}

static int grow_buffer(holog_writer *w)
{
    uint8_t *buf;
    int rc = hg_budget_take(w->store->cache, CHUNK - w->buf_cap);

    if (rc < 0)
        return rc;
    buf = hg_realloc(w->buf, CHUNK);
    if (buf == NULL) {
        hg_budget_give(w->store->cache, CHUNK - w->buf_cap);
        return hg_error(HOLOG_E_NOMEM, "no memory for a writer");
    }
    w->buf = buf;
    w->buf_cap = CHUNK;
    return HOLOG_OK;
}

int holog_writer_write(holog_writer *writer, const void *data, size_t len_bytes)
{
    const uint8_t *p = data;
    int rc;

    if (writer == NULL || (data == NULL && len_bytes > 0))
        return hg_error(HOLOG_E_INVAL, "the writer or data is NULL");
    rc = hg_store_check_write(writer->store);
    if (rc == HOLOG_OK && writer->rc < 0)
        rc = hg_error(writer->rc, "an earlier write of this value failed; abort it");
    while (rc == HOLOG_OK && len_bytes > 0) {
        size_t n;
        if (writer->buf_len == writer->buf_cap)
            rc = writer->buf_cap < CHUNK ? grow_buffer(writer) : send_chunk(writer);
        if (rc < 0)
            break;
        n = HG_MIN(len_bytes, writer->buf_cap - writer->buf_len);
        memcpy(writer->buf + writer->buf_len, p, n);
        writer->buf_len += n;
        p += n;
        len_bytes -= n;
    }
    if (rc < 0)
        writer->rc = rc;
    return rc;
}

static int finish(holog_writer *w, uint64_t *out_number)
{
    holog_txn *txn;
    int rc = HOLOG_OK;

    if (w->whole->len == 0 && w->buf_len <= w->store->inline_max)
        return holog_save(w->store, w->path, w->buf, w->buf_len, w->flags, out_number);
    if (w->buf_len > 0)
        rc = send_chunk(w);
    for (unsigned i = 0; i < CHUNKS_IN_FLIGHT && rc == HOLOG_OK; i++)
        rc = collect(w, i);
    if (rc == HOLOG_OK)
        rc = hg_txn_begin(w->store, 1, &txn);
    if (rc != HOLOG_OK)
        return rc;
    w->whole->hash = hg_hash128(w->whole->table.data, w->whole->table.len);
    txn->staged = w->whole; /* the transaction's now */
    w->whole = NULL;
    rc = hg_txn_op(txn, HG_OP_SAVE, w->flags, w->path, NULL, NULL, 0, txn->staged);
    if (rc == HOLOG_OK)
        rc = hg_commit(txn, 0, NULL, NULL, out_number);
    hg_txn_free(txn);
    return rc;
}

int holog_writer_finish(holog_writer *writer, uint64_t *out_number)
{
    int rc;

    if (writer == NULL)
        return hg_error(HOLOG_E_INVAL, "the writer is NULL");
    rc = hg_store_check_write(writer->store);
    if (rc == HOLOG_OK && writer->rc < 0)
        rc = hg_error(writer->rc, "an earlier write of this value failed");
    if (rc == HOLOG_OK)
        rc = finish(writer, out_number);
    holog_writer_abort(writer);
    return rc;
}

void holog_writer_abort(holog_writer *writer)
{
    if (writer == NULL)
        return;
    for (unsigned i = 0; i < CHUNKS_IN_FLIGHT; i++)
        (void)collect(writer, i); /* garbage from birth */
    if (writer->whole != NULL)
        hg_staged_put(writer->whole);
    hg_free(writer->buf);
    hg_budget_give(writer->store->cache, writer->buf_cap);
    hg_free(writer);
}
