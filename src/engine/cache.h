/*
 * The cache: what keeps reads off the disk, inside a budget.
 *
 *   pages    64 KiB pieces of frame segments (and of record lists in extents). The committer fills
 *            the pages of what it appends, so that a value just saved is read from memory; other
 *            pages are filled from the disk on a miss. Pages are not verified when filled (a frame
 *            may span pages): whoever reads a record from them verifies its hash, every time.
 *            Of a segment that a compaction has replaced, pages come from where that has put them.
 *   values   whole large values (from extents), page-aligned, verified block by block when filled
 *            or staged by a save, counted; a loaded handle is one count more.
 *
 * Readers find pages without locks: a table by segment id, then by page number, both read with
 * acquire loads inside an epoch (base/epoch.h); what is evicted is retired through the domain.
 * A page holds valid bytes [0, valid). Pages not yet on disk (end above `written` of the segment)
 * are not evicted.
 *
 * The budget covers pages, values (held by handles too), and what others take with hg_budget_take
 * (the index, staging). Taking evicts (pages by CLOCK, values not read since they were saved, then
 * those least recently used); what cannot be
 * had is HOLOG_E_BUDGET, typed and before anything has changed. A page that was evicted under a
 * reader is freed when the reader leaves its epoch and is no longer counted meanwhile.
 *
 * Any thread may call anything, unless it says otherwise. What takes memory (put, read, hg_mem_new,
 * the hg_budget_ calls) is called inside no epoch: it may wait up to 2 ms for readers to leave.
 */
#ifndef HG_ENGINE_CACHE_H
#define HG_ENGINE_CACHE_H

#include "base/assert.h"
#include "base/epoch.h"
#include "io/io.h"
#include "wal/files.h"
#include "wal/layout.h"

#define HG_PAGE_BYTES 65536u

struct hg_cache;

HG_MUST_CHECK int hg_cache_create(struct hg_io *io, struct hg_files *files,
                                  struct hg_epoch_domain *domain, uint64_t budget_bytes,
                                  struct hg_cache **out_cache);
void hg_cache_destroy(struct hg_cache *c); /* no reader inside; handles all released */

/* ---- budget ------------------------------------------------------------------------------------ */

HG_MUST_CHECK int hg_budget_take(struct hg_cache *c, uint64_t bytes);
void hg_budget_give(struct hg_cache *c, uint64_t bytes);
/* The index reports what it uses in all (it limits itself): counted, never refused. */
void hg_budget_set_index(struct hg_cache *c, uint64_t bytes);

/* ---- segments ---------------------------------------------------------------------------------- */

/* A segment exists (its file is there). Any order; idempotent: the first size_max counts. It bounds
 * page numbers (1 to UINT32_MAX); bytes behind it are read and never kept. */
int hg_cache_add_segment(struct hg_cache *c, uint32_t id, enum hg_segment_kind kind,
                         uint64_t size_max);
/* Bytes of the segment below `written` are on disk (or with the kernel): pages below it may be
 * evicted and filled again. Only grows. A reader process: bytes at or above it are never cached. */
void hg_cache_set_written(struct hg_cache *c, uint32_t id, uint64_t written);

/* Bytes of a segment that was replaced, within one page: zeros where nothing lives. 1: nothing of that page does. *out_thin:
 * so little of it that it would be a waste to keep the page; who gives it keeps that little, close together. Called in no
 * epoch, with no lock. */
typedef int (*hg_cache_replaced_fn)(void *ctx, uint32_t segment, uint64_t offset, void *out,
                                    size_t len, int *out_thin);
/* Whom to ask for them; before the first segment is replaced. */
void hg_cache_ask_for_replaced(struct hg_cache *c, hg_cache_replaced_fn fn, void *ctx);
/* From now on nothing of this segment is read from its file. What is cached of it stays. */
void hg_cache_replace(struct hg_cache *c, uint32_t id);

/* ---- pages --------------------------------------------------------------------------------------- */

/* Bytes as they will be on disk at offset (committer, one at a time per segment, ascending
 * offsets; gaps are zeros). What stands before the first byte ever put, in its page, is read from
 * the file. At an offset that was put before (its commit failed) the new bytes count, and what was
 * put behind them is gone. HOLOG_E_BUDGET, HOLOG_E_NOMEM, a failed read: nothing changed that a
 * reader would see. HOLOG_E_INVAL: no such segment, or behind its size_max. */
HG_MUST_CHECK int hg_cache_put(struct hg_cache *c, uint32_t id, uint32_t offset, const void *data,
                               size_t len);
/* Copy [offset, offset + len) into out, from pages or through them from the disk. *out_n < len only
 * at the end of the file, or of what lives in a segment that was replaced. HOLOG_E_STALE: the file is gone, the segment was
 * never added, or nothing lives at offset any more. */
HG_MUST_CHECK int hg_cache_read(struct hg_cache *c, uint32_t id, uint64_t offset, void *out,
                                size_t len, size_t *out_n);
/* Borrow: a pointer to at least min_len contiguous valid bytes at offset if they lie in one cached
 * page, else NULL. The caller is inside an epoch of the domain and stays there while it uses them.
 * *out_len: how many follow in that page. Never touches the disk. */
const uint8_t *hg_cache_peek(struct hg_cache *c, uint32_t id, uint64_t offset, size_t min_len,
                             size_t *out_len);

/* 1, once: memory for more pages is wanted soon. Who has time then calls the other, which gets it
 * ready; else a put or a read waits for it. */
int hg_cache_low(struct hg_cache *c);
void hg_cache_prepare(struct hg_cache *c);

/* ---- values ---------------------------------------------------------------------------------------- */

/* A counted run of memory. refs and accounting are the cache's. */
struct hg_mem {
    uint8_t *data; /* page-aligned; readable (and zero) up to a multiple of 4096 */
    size_t len;    /* bytes of the value */
    size_t cap;
    size_t huge;   /* hg_alloc_more_huge's; who has it alone */
    uint32_t refs; /* atomic */
    struct hg_cache *cache;
    hg_pos birth; /* key in the cache; 0 while not in it */
    uint64_t
        form; /* set before it is offered: 0 as it is stored; else what was made of that, and how */
    int made; /* set before it is offered: put together from what several records bring */
    int saved;                              /* cache's lock; nobody has asked for it since */
    struct hg_mem *prev, *next, *hash_next; /* cache's lock */
};
/* One count for the caller; budget taken. HOLOG_E_BUDGET. */
HG_MUST_CHECK int hg_mem_new(struct hg_cache *c, size_t len, struct hg_mem **out_mem);
/* The same for one of many values that come from the disk and are not offered: no cached value makes way while
 * there is room, and the buffers of those before are used again, in huge pages. */
HG_MUST_CHECK int hg_mem_new_passing(struct hg_cache *c, size_t len, struct hg_mem **out_mem);
void hg_mem_get(struct hg_mem *m);
void hg_mem_put(struct hg_mem *m); /* NULL is fine */
/* Offer a verified value to the cache under its birth position (one count more when it takes it; it
 * does not when it has one there). `saved`: it comes from the caller of a save, not from the disk;
 * of such values only the latest are kept until somebody asks for them. */
void hg_cache_offer(struct hg_cache *c, hg_pos birth, struct hg_mem *m, int saved);
/* The cached value with one count for the caller, or NULL. */
struct hg_mem *hg_cache_find(struct hg_cache *c, hg_pos birth);
/* The same, counted as no hit and no miss: for who will look again. */
struct hg_mem *hg_cache_hold(struct hg_cache *c, hg_pos birth);
/* What was made of it, offered with that form (not 0), or NULL; a hit where there is one, else nothing. */
struct hg_mem *hg_cache_find_form(struct hg_cache *c, hg_pos birth, uint64_t form);
int hg_cache_has_form(struct hg_cache *c, hg_pos birth, uint64_t form); /* just now */
void hg_cache_count_miss(struct hg_cache *c); /* of a value that is not read to be kept */
/* What is stored is wanted no more, now that something made of it is kept. */
void hg_cache_forget(struct hg_cache *c, hg_pos birth);
/* 1: a part of this value was asked for not long ago, too, and there is room to keep all its bytes. */
int hg_cache_again(struct hg_cache *c, hg_pos birth, uint64_t bytes);

struct hg_cache_counters {
    uint64_t bytes, budget, hits, misses, evictions; /* hits: nearly, over 64 threads */
    uint64_t bytes_read;                             /* of all files */
    uint64_t bytes_loaded;                           /* as hits */
};
/* Of a value, given to who asked for them, wherever they came from. */
void hg_cache_count_loaded(struct hg_cache *c, uint64_t bytes);
void hg_cache_counters(struct hg_cache *c, struct hg_cache_counters *out);

#endif
