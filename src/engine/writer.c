/*
 * Values written piece by piece: each full chunk goes to an extent of its own as it comes, so a
 * value may be larger than memory. The commit at the end names the pieces.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/check.h"
#include "engine/store_internal.h"

#define CHUNK_MIN   HG_HASH_BLOCK
#define CHUNK_MAX   (8u << 20)
#define CHUNK_SHARE 64u /* of the budget: with its four buffers a writer takes a sixteenth */
#define ROOM_FREE   (64u << 10) /* pieces and table up to here are not counted */
#define BUFFERS     4u          /* one is filled while the others are on their way */

/*
 * A buffer is filled, handed to the disk as it is, and filled again when its write is over. A writer
 * has one buffer from the start and takes more only while the budget has room; else it waits for
 * its own oldest write. So what could be opened can be written, however small the budget, up to some
 * 150 MiB; beyond that the table of its blocks is counted too.
 */
struct holog_writer {
    holog_store *store;
    char path[HG_PATH_MAX + 1];
    unsigned flags;
    size_t chunk;                      /* bytes of a buffer: a multiple of 64 KiB */
    struct hg_staged *flying[BUFFERS]; /* on their way: numbers [collected, sent), modulo BUFFERS */
    unsigned sent;
    unsigned collected;
    struct hg_staged *whole; /* pieces and table of all so far */
    uint64_t taken;          /* of the budget, for these two */
    struct hg_mem *mem;      /* the buffer that is being filled */
    size_t len;              /* bytes in mem */
    int rc;                  /* first failure: every later call returns it */
};

static size_t chunk_size(const holog_store *s)
{
    uint64_t n = HG_MIN(s->opts.budget_bytes / CHUNK_SHARE, (uint64_t)CHUNK_MAX);
    return (size_t)HG_ALIGN_DOWN(HG_MAX(n, (uint64_t)CHUNK_MIN), (uint64_t)HG_HASH_BLOCK);
}

/* What the commit at the end would refuse as things stand: better said before a terabyte is
 * written. */
static int check_target(holog_store *s, const char *path, size_t len, unsigned flags)
{
    struct hg_check_ctx check = { 0 };
    struct hg_op op = { .type = HG_OP_SAVE, .flags = flags };
    struct hg_checked checked;
    struct hg_version *v;
    int rc;

    if ((flags & ~(unsigned)(HOLOG_REPLACE | HOLOG_PARENTS)) != 0)
        return hg_error(HOLOG_E_INVAL, "unknown flags %#x", flags);
    v = hg_version_get_published(s);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a writer");
    hg_lookup_version(s, v, &check.lookup);
    rc = hg_check_op(&check, &op, path, len, "", 0, &checked);
    hg_version_put(s, v);
    if (rc == HOLOG_E_NOENT && checked.missing_parent && (flags & HOLOG_PARENTS) != 0)
        return HOLOG_OK; /* made by the commit */
    return rc;
}

/* A small value needs no large buffer; one that turns out larger is none the worse. */
static size_t first_size(const holog_writer *w, uint64_t hint)
{
    return hint == 0 || hint > w->chunk ? w->chunk
                                        : (size_t)HG_ALIGN_UP(hint, (uint64_t)HG_HASH_BLOCK);
}

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
    w->chunk = chunk_size(store);
    w->whole = hg_calloc(1, sizeof *w->whole);
    if (w->whole != NULL) {
        w->whole->store = store;
        w->whole->refs = 1;
    }
    rc = w->whole == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a writer")
                          : hg_user_path(path, w->path, &len);
    if (rc == HOLOG_OK)
        rc = check_target(store, w->path, len, flags);
    if (rc == HOLOG_OK)
        rc = hg_mem_new(store->cache, first_size(w, size_hint), &w->mem);
    if (rc < 0) {
        holog_writer_abort(w);
        return rc;
    }
    *out_writer = w;
    return HOLOG_OK;
}

/* The oldest chunk on its way is over. out_mem (may be NULL): its buffer, one count. */
static int collect(holog_writer *w, struct hg_mem **out_mem)
{
    struct hg_staged *g = w->flying[w->collected++ % BUFFERS];
    int rc = hg_staged_wait(g);

    if (rc == HOLOG_OK && out_mem != NULL) {
        hg_mem_get(g->mem);
        *out_mem = g->mem;
    }
    hg_staged_put(g);
    return rc;
}

/* A piece that goes on where the last one ended is the same piece. */
static int add_pieces(struct hg_staged *whole, struct hg_staged *g)
{
    struct hg_piece last;
    struct hg_piece next;
    size_t skip = 0;
    int rc;

    if (whole->pieces.len > 0) {
        uint8_t *at = whole->pieces.data + whole->pieces.len - sizeof last;
        memcpy(&last, at, sizeof last);
        memcpy(&next, g->pieces.data, sizeof next);
        if (last.segment == next.segment && last.offset + last.len == next.offset) {
            last.len += next.len;
            memcpy(at, &last, sizeof last);
            hg_log_extent_release(g->store->log, &next, 1);
            skip = sizeof next;
        }
    }
    rc = hg_buf_append(&whole->pieces, g->pieces.data + skip, g->pieces.len - skip);
    if (rc < 0)
        memmove(g->pieces.data, g->pieces.data + skip, g->pieces.len -= skip);
    else
        g->pieces.len = 0; /* the whole releases them */
    return rc;
}

/* Room for the pieces and the table of one chunk more: some kilobytes, and 13 bytes for each 64 KiB of
 * the value. */
static int hold(holog_writer *w, const struct hg_staged *g)
{
    const struct hg_staged *whole = w->whole;
    uint64_t want =
        hg_buf_grown(&whole->table, g->table.len) + hg_buf_grown(&whole->pieces, g->pieces.len);
    uint64_t record = whole->table.len + g->table.len + whole->pieces.len + g->pieces.len;
    uint64_t list_max = hg_log_super(w->store->log)->extent_size_max - HG_SEGMENT_HEADER_SIZE;
    int rc = hg_rec_large_check(whole->len + g->len,
                                (whole->pieces.len + g->pieces.len) / sizeof(struct hg_piece));

    if (rc == HOLOG_OK && record + HG_BLOCK + HG_PATH_MAX > list_max &&
        record + HG_BLOCK + HG_PATH_MAX > hg_log_body_max(w->store->log))
        rc = hg_error(HOLOG_E_TOOBIG,
                      "a value of more than %llu bytes: its block table would be larger than the "
                      "store's largest extent segment",
                      (unsigned long long)whole->len);
    if (rc < 0 || want <= ROOM_FREE + w->taken)
        return rc;
    rc = hg_budget_take(w->store->cache, want - ROOM_FREE - w->taken);
    if (rc == HOLOG_OK)
        w->taken = want - ROOM_FREE;
    return rc;
}

/* The buffer on its way: its pieces and table are known at once. */
static int send_chunk(holog_writer *w)
{
    struct hg_mem *mem = w->mem;
    struct hg_staged *g = NULL;
    int rc;

    w->mem = NULL;
    rc = hg_stage_mem(w->store, mem, w->len, &g);
    if (rc != HOLOG_OK)
        return rc;
    w->flying[w->sent++ % BUFFERS] = g;
    rc = hold(w, g);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&w->whole->table, g->table.data, g->table.len);
    if (rc == HOLOG_OK)
        rc = add_pieces(w->whole, g);
    w->whole->csum = hg_csum_add(w->whole->csum, g->csum);
    w->whole->len += w->len;
    w->len = 0;
    return rc;
}

/* A buffer to fill: another one while there is room for it, else that of the oldest write. */
static int next_buffer(holog_writer *w)
{
    unsigned flying = w->sent - w->collected;

    hg_staged_collect(w->store);
    if (flying < BUFFERS) {
        int rc = hg_mem_new(w->store->cache, w->chunk, &w->mem);
        if (rc != HOLOG_E_BUDGET || flying == 0)
            return rc;
    }
    return collect(w, &w->mem);
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
        if (writer->mem != NULL && writer->len == writer->mem->len)
            rc = send_chunk(writer);
        if (rc == HOLOG_OK && writer->mem == NULL)
            rc = next_buffer(writer);
        if (rc != HOLOG_OK)
            break;
        n = HG_MIN(len_bytes, writer->mem->len - writer->len);
        memcpy(writer->mem->data + writer->len, p, n);
        writer->len += n;
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

    if (w->whole->len == 0 && w->len <= w->store->inline_max)
        return holog_save(w->store, w->path, w->mem->data, w->len, w->flags, out_number);
    if (w->len > 0)
        rc = send_chunk(w);
    while (rc == HOLOG_OK && w->collected < w->sent)
        rc = collect(w, NULL);
    if (rc == HOLOG_OK)
        rc = hg_txn_begin(w->store, HG_TXN_SINGLE, &txn);
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
    while (writer->collected < writer->sent)
        (void)collect(writer, NULL); /* garbage from birth */
    if (writer->whole != NULL)
        hg_staged_put(writer->whole);
    hg_mem_put(writer->mem);
    hg_budget_give(writer->store->cache, writer->taken);
    hg_free(writer);
}
