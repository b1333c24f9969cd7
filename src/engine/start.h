/*
 * Where an open begins: which checkpoint, and the log from there. Private to src/engine.
 */
#ifndef HG_ENGINE_START_H
#define HG_ENGINE_START_H

#include "engine/store_internal.h"
#include "wal/super.h"

/* O2 and O3 of an open (store.c): s->sequenced, s->recovered and the rest of what the log says. super NULL: it cannot be
 * read, and recovery tells. number_max: what the reader of a live writer may see. HOLOG_E_CORRUPT: the log is damaged, or
 * a base without which it has no beginning; HOLOG_E_STALE: a writer has changed what was looked at, open again; others
 * as hg_recover. */
HG_MUST_CHECK int hg_start(holog_store *s, const struct hg_super *super, uint64_t number_max,
                           struct hg_recover_options *ro);

#endif
