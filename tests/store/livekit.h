/*
 * What lives, found out the slow way: every state that can be asked for is listed entry by entry, and
 * what each record refers to is read from the bytes of the files. It knows nothing of the mark.
 */
#ifndef TESTS_STORE_LIVEKIT_H
#define TESTS_STORE_LIVEKIT_H

#include "engine/store_internal.h"
#include "storekit.h"

/* The mark of the store against that, byte for byte and for each holder: in both directions. views,
 * txns: those that are open (NULL: ends the list). Everything appended is in the files after this. */
struct live_open {
    holog_view *views[8];
    holog_txn *txn;
};
void live_is_exact(struct box *b, holog_store *s, const struct live_open *open, const char *when);

/* What all comparisons so far have met: a history that has none of something shows nothing of it. */
struct live_met {
    uint64_t frames, times, records, pieces, lists, chunks, payloads, listed, folds, chains;
    uint64_t bytes[4]; /* by holder */
    uint64_t dead, busy, sealed;
};
extern struct live_met live_met;

/* Every byte of what the view can be asked for is among the things of the list. */
struct hg_live_list;
void live_covers(struct box *b, const holog_view *view, const struct hg_live_list *list);

#endif
