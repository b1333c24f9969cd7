/*
 * Large values on their way to extents: room is taken, the bytes are copied (so that what is hashed
 * is what is written, whatever the caller does meanwhile), hashed and handed to the disk chunk by
 * chunk, so that copying one chunk overlaps writing the one before. The copy stays in the cache.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"

#define CHUNK (1u << 20) /* multiple of the 64 KiB hash block */

/* ---- page-aligned buffers ----------------------------------------------------------------------------*/

void *holog_buffer_new(size_t len_bytes)
{
    size_t padded;

    if (len_bytes > SIZE_MAX - HG_BLOCK)
        return NULL;
    padded = HG_ALIGN_UP(HG_MAX(len_bytes, (size_t)1), (size_t)HG_BLOCK);
    return hg_alloc_aligned(HG_BLOCK, padded);
}

void holog_buffer_free(void *buffer)
{
    hg_free(buffer);
}

/* ---- staging ----------------------------------------------------------------------------------------*/

/* The last piece first: room that nothing names goes back while it is the end of what was taken. */
static void release_pieces(struct hg_staged *g)
{
    for (; g->pieces.len > 0; g->pieces.len -= sizeof(struct hg_piece)) {
        struct hg_piece p;
        memcpy(&p, g->pieces.data + g->pieces.len - sizeof p, sizeof p);
        hg_log_extent_release(g->store->log, &p, g->named);
    }
}

static void destroy(struct hg_staged *g)
{
    release_pieces(g);
    hg_mem_put(g->mem);
    hg_buf_release(&g->pieces);
    hg_buf_release(&g->table);
    hg_free(g);
}

static int drop_ref(struct hg_staged *g)
{
    return __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static void wait_for_writes(struct hg_staged *g)
{
    uint32_t n;

    while ((n = __atomic_load_n(&g->pending, __ATOMIC_ACQUIRE)) > 0)
        g->store->io->ops->word_wait(g->store->io, &g->pending, n, UINT64_MAX);
}

void hg_staged_put(struct hg_staged *g)
{
    if (g == NULL)
        return;
    if (!g->named) { /* garbage from birth: its room is free when this returns */
        wait_for_writes(g);
        release_pieces(g);
    }
    if (drop_ref(g))
        destroy(g);
}

/* The end of a write may not wait for a lock, and taking a value apart needs some: that is left to
 * the next caller who may. */
static void leave(struct hg_staged *g)
{
    struct hg_staged **left = &g->store->left;

    g->next = __atomic_load_n(left, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(left, &g->next, g, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
}

void hg_staged_collect(holog_store *s)
{
    struct hg_staged *g;

    if (__atomic_load_n(&s->left, __ATOMIC_RELAXED) == NULL)
        return;
    g = __atomic_exchange_n(&s->left, NULL, __ATOMIC_ACQUIRE);
    while (g != NULL) {
        struct hg_staged *next = g->next;
        destroy(g);
        g = next;
    }
}

static void write_done(void *ctx, int rc)
{
    struct hg_staged *g = ctx;
    int none = 0;

    if (rc < 0)
        (void)__atomic_compare_exchange_n(&g->rc, &none, rc, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&g->pending, 1, __ATOMIC_RELEASE);
    g->store->io->ops->word_wake(g->store->io, &g->pending, 1);
    if (drop_ref(g))
        leave(g);
}

static int submit(struct hg_staged *g, uint32_t segment, uint64_t offset, const void *data,
                  size_t len)
{
    int rc;

    __atomic_add_fetch(&g->pending, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    rc = hg_log_extent_submit(g->store->log, segment, offset, data, len, write_done, g);
    if (rc < 0) {
        __atomic_sub_fetch(&g->pending, 1, __ATOMIC_RELAXED);
        __atomic_sub_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    }
    return rc;
}

/* Copy (unless src is NULL: the bytes are in place), hash and submit one piece. src and the copy are
 * at the value's offset `at`. */
static int stage_piece(struct hg_staged *g, const struct hg_piece *p, const uint8_t *src,
                       uint64_t at)
{
    uint64_t done = 0;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && done < p->len) {
        size_t n = (size_t)HG_MIN((uint64_t)CHUNK, p->len - done);
        uint8_t *bytes = g->mem->data + at + done;
        if (src != NULL)
            memcpy(bytes, src + at + done, n);
        rc = hg_block_table_add(&g->table, bytes, n, &g->csum);
        if (rc == HOLOG_OK)
            rc = submit(g, p->segment, p->offset + done, bytes, n);
        done += n;
    }
    return rc;
}

/* Takes over the caller's count of mem. */
static int stage(holog_store *s, struct hg_mem *mem, const void *data, size_t len, int contiguous,
                 struct hg_staged **out)
{
    struct hg_staged *g = hg_calloc(1, sizeof *g);
    uint64_t at = 0;
    int rc = HOLOG_OK;

    if (g == NULL) {
        hg_mem_put(mem);
        return hg_error(HOLOG_E_NOMEM, "no memory for a value of %zu bytes", len);
    }
    g->store = s;
    g->mem = mem;
    g->len = len;
    g->refs = 1;
    rc = hg_log_extent_alloc(s->log, len, contiguous, &g->pieces);
    for (size_t i = 0; rc == HOLOG_OK && i < g->pieces.len; i += sizeof(struct hg_piece)) {
        struct hg_piece p;
        memcpy(&p, g->pieces.data + i, sizeof p);
        rc = stage_piece(g, &p, data, at);
        at += p.len;
    }
    if (rc < 0) {
        hg_staged_put(g);
        return rc;
    }
    g->hash = hg_hash128(g->table.data, g->table.len);
    *out = g;
    return HOLOG_OK;
}

static int stage_copy(holog_store *s, const void *data, size_t len, int contiguous,
                      struct hg_staged **out)
{
    struct hg_mem *mem = NULL;
    int rc;

    hg_staged_collect(s); /* their memory may be what this one needs */
    rc = hg_mem_new(s->cache, len, &mem);
    return rc < 0 ? rc : stage(s, mem, data, len, contiguous, out);
}

int hg_stage(holog_store *s, const void *data, size_t len, struct hg_staged **out)
{
    return stage_copy(s, data, len, 0, out);
}

int hg_stage_body(holog_store *s, const void *data, size_t len, struct hg_staged **out)
{
    return stage_copy(s, data, len, 1, out);
}

int hg_stage_mem(holog_store *s, struct hg_mem *mem, size_t len, struct hg_staged **out)
{
    memset(mem->data + len, 0, HG_ALIGN_UP(len, (size_t)HG_BLOCK) - len); /* of the last block */
    return stage(s, mem, NULL, len, 0, out);
}

int hg_staged_make_way(struct hg_staged *list, uint64_t keep)
{
    uint64_t kept = 0;
    int some = 0;

    for (struct hg_staged *g = list; g != NULL; g = g->next) {
        int rc;
        if (g->mem == NULL && kept > 0 && keep > 0)
            break; /* so did all before it, last time */
        if (g->mem == NULL || g->held || kept + g->len <= keep) {
            kept += g->len;
            continue;
        }
        kept = keep;
        rc = hg_staged_wait(g);
        if (rc < 0)
            return rc;
        hg_mem_put(g->mem);
        g->mem = NULL;
        some = 1;
    }
    return some;
}

int hg_staged_wait(struct hg_staged *g)
{
    int rc;

    wait_for_writes(g);
    rc = __atomic_load_n(&g->rc, __ATOMIC_ACQUIRE);
    return rc < 0 ? hg_error(rc, "writing a value of %llu bytes failed", (unsigned long long)g->len)
                  : HOLOG_OK;
}

int hg_staged_record(const struct hg_staged *g, struct hg_buf *body, const char *path,
                     size_t path_len, size_t *out_at)
{
    return hg_rec_large(body, path, path_len, g->len, g->hash, g->csum,
                        (const struct hg_piece *)(const void *)g->pieces.data,
                        (uint32_t)(g->pieces.len / sizeof(struct hg_piece)), g->table.data, out_at);
}
