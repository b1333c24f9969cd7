/*
 * Compaction: what lives in segments full of garbage is moved to a compressed one, and they go.
 *
 *   C1  mark (live.h), choose victims (compaction/victims.h): segments that nobody writes to
 *   C2  everything appended so far is published: what lives in victims is known
 *   C3  the output: seg/<id>.tmp, written and synced; each value read back and compared
 *   C4  renamed; seg/ synced
 *   C5  one EDIT, durable (hg_log_edit)
 *   C6  in memory values are where they are now
 *   C7  the victims' files are unlinked, unless readers in other processes may read them; seg/ synced
 * docs/DURABILITY.md says what a cut after each step leaves. One compaction at a time. Private to src/engine.
 */
#ifndef HG_ENGINE_COMPACT_H
#define HG_ENGINE_COMPACT_H

#include "engine/live.h"
#include "engine/scheduler.h"
#include "engine/store_internal.h"
#include "holog/compact.h"

/* A value, or the payload of a delta or fold, that is to be moved. */
struct hg_moving {
    hg_pos birth;
    uint64_t len;
    const char *path; /* borrowed from the live list; NULL: of no entry */
    size_t path_len;
    int is_chunk;
};

struct hg_compaction {
    holog_store *store;
    const holog_compact_options *opts;
    struct hg_buf segments; /* struct hg_live_segment */
    struct hg_buf victims;  /* struct hg_segment_entry */
    struct hg_live_list live;
    struct hg_buf moving; /* struct hg_moving, by path and birth */
    uint64_t bytes;       /* of all that is moving */
    uint64_t done;
    struct hg_segment_entry output; /* segment 0: nothing lives in the victims */
    uint64_t round_bytes;           /* that live in the victims, at most */
    int is_background;              /* nobody has asked for it */
    struct hg_round seen;
};

/* C3, C4: c->moving into c->output. */
HG_MUST_CHECK int hg_compact_move(struct hg_compaction *c);

/* One round of the scheduler's. 1: something was done, and is in r; 0: there was nothing to gain; or why it failed,
 * HOLOG_E_BUSY and HOLOG_E_CANCELED among it. */
HG_MUST_CHECK int hg_compact_background(holog_store *s, uint64_t round_bytes,
                                        holog_compact_report *r);

#endif
