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

#include "engine/store_internal.h"

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

#endif
