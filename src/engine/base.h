/*
 * Bases: seg/<id>.base, an index checkpoint that is authoritative (docs/FORMAT.md, sections 3 and 8). From its EDIT
 * on, frame segments below the one that it covers are not needed for the chain: they only hold what births name.
 *
 *   B1  the log goes on in a new frame segment; what the base says is taken when the one before is full
 *   B2  seg/<id>.tmp: content, header, synced
 *   B3  read back: header, and the hash over the content
 *   B4  renamed; seg/ synced
 *   B5  one EDIT, durable: this base came, the one before it went
 *   B6  the file of the one before is unlinked as others are that compactions have replaced
 * docs/DURABILITY.md says what a cut after each step leaves. Private to src/engine.
 */
#ifndef HG_ENGINE_BASE_H
#define HG_ENGINE_BASE_H

#include "engine/checkpoint.h"
#include "engine/store_internal.h"
#include "wal/segment.h"
#include "wal/super.h"

/* A new base, of all that has been committed before this call. By who has begun a compaction (compact.c), no lock held.
 * Of a log without a frame none is made. HOLOG_E_NOSPC, HOLOG_E_NOMEM, HOLOG_E_IO, HOLOG_E_CORRUPT (what was
 * written reads back otherwise): no base has come or gone; HOLOG_E_POISONED when that is not known. */
HG_MUST_CHECK int hg_base_make(holog_store *s);

/* The segment that the log begins with by the newest durable base: frame segments below it may be removed, itself not.
 * 0: the log begins with its first frame, or the base is damaged. The first call of an open store reads the base
 * that was there. By who has begun a compaction; no lock held. */
HG_MUST_CHECK uint32_t hg_base_begins(holog_store *s);

/* Bytes of its file; 0: there is none. Any thread. */
uint64_t hg_base_bytes(const holog_store *s);

/* ---- for opening a store, and for verify ---------------------------------------------------------*/

/* The end of the frame that it covers. */
hg_pos hg_base_covers(const struct hg_segment_header *h);
/* The newest whose header is sound and of this store, with an id below `below` and not covering more than `limit` (0:
 * any). out->id 0: there is none. HOLOG_E_NOMEM, errors of reading seg/. */
HG_MUST_CHECK int hg_base_find(struct hg_io *io, const struct hg_super *super, uint32_t below,
                               hg_pos limit, struct hg_segment_header *out);
/* What it holds, as hg_checkpoint_read; its header has been read. */
HG_MUST_CHECK int hg_base_load(struct hg_io *io, const struct hg_segment_header *h,
                               struct hg_index *empty, struct hg_index *empty_past,
                               struct hg_checkpoint *out);
/* Header and content of one. HOLOG_E_CORRUPT, HOLOG_E_VERSION, HOLOG_E_STALE (what it says is of another store), errors of
 * reading. */
HG_MUST_CHECK int hg_base_check(struct hg_io *io, uint32_t id);
/* The log has been recovered: takes note of the base that it begins with. loaded: the one whose content was read; 0: none. */
void hg_base_opened(holog_store *s, uint32_t loaded);

#endif
