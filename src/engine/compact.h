/*
 * Compaction: what lives in segments full of garbage is moved to a compressed one, and they go.
 *
 *   C0  a base (base.h), when frame segments have garbage that is worth one
 *   C1  mark (live.h), choose victims (compaction/victims.h): segments that nobody writes to
 *   C2  everything appended so far is published: what lives in victims is known
 *   C3  the output: seg/<id>.tmp, written and synced; each value read back and compared
 *   C4  renamed; seg/ synced
 *   C5  one EDIT, durable (hg_log_edit)
 *   C6  in memory values are where they are now
 *   C7  the victims' files are unlinked, unless readers in other processes may read them; seg/ synced
 * A purge (purge.c) is a base, rounds until nothing is left that was garbage when it began, and a look whether that is so.
 * docs/DURABILITY.md says what a cut after each step leaves. One compaction at a time. Private to src/engine.
 */
#ifndef HG_ENGINE_COMPACT_H
#define HG_ENGINE_COMPACT_H

#include "compaction/hwp.h"
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

/* Bytes of a frame segment that live: from, up to to. */
struct hg_moving_run {
    uint32_t segment;
    uint32_t from, to;
};

struct hg_moved_page {
    uint32_t segment;
    uint32_t page;
    uint64_t hash; /* of its HG_PAGE_BYTES bytes, zeros where nothing lives */
};

/* A segment that cannot go. */
struct hg_spared {
    uint32_t segment;
    uint32_t kind;  /* enum hg_segment_kind */
    uint64_t bytes; /* of a value in it that is too large to be moved; of frames: of the segment */
};

struct hg_compaction {
    holog_store *store;
    const holog_compact_options *opts;
    int based;       /* a base has been made for it */
    uint32_t begins; /* frame segments below that may go */
    uint32_t
        below; /* and of all segments those that were there when the first round began; 0: it has not */
    uint32_t
        purge_below; /* of segments with lower ids all go that hold something that nobody can ask for; 0: no purge */
    struct hg_buf *spared;  /* struct hg_spared, found by this round and those before */
    struct hg_buf segments; /* struct hg_live_segment */
    struct hg_buf victims;  /* struct hg_segment_entry */
    struct hg_live_list live;
    struct hg_buf moving; /* struct hg_moving, by path and birth */
    struct hg_buf runs;   /* struct hg_moving_run, by place, apart from each other */
    struct hg_buf pages;  /* struct hg_moved_page */
    uint64_t records;     /* in the runs */
    uint64_t run_bytes;
    uint64_t bytes; /* of all that is moving */
    uint64_t done;
    struct hg_segment_entry output; /* segment 0: nothing lives in the victims */
    uint64_t round_bytes;           /* that live in the victims, at most */
    int is_background;              /* nobody has asked for it */
    struct hg_round seen;
};

static inline const struct hg_moving_run *hg_compact_runs(const struct hg_compaction *c)
{
    return (const struct hg_moving_run *)(const void *)c->runs.data;
}

/* A larger value stays where it is; so does one above a quarter of the budget, and the frames of a segment above that. */
#define HG_COMPACT_VALUE_MAX (UINT64_C(256) << 20)
/* NULL: it is none. */
const struct hg_segment_entry *hg_compact_victim(const struct hg_compaction *c, uint32_t segment);
/* So many more bytes have been written, or read back. HOLOG_E_CANCELED. */
HG_MUST_CHECK int hg_compact_tell(struct hg_compaction *c, uint64_t bytes);

/* ---- purge.c ---- */
/* The log goes on in a new frame segment. HOLOG_E_BUSY: commits under way had others go on where they were. */
HG_MUST_CHECK int hg_compact_roll(holog_store *s);
/* All that is written from now on stands in segments from *out_below on; frame segments below may go. */
HG_MUST_CHECK int hg_purge_begin(holog_store *s, uint32_t *out_below);
/* After the last round: what is left. HOLOG_E_BUSY, and why; HOLOG_E_CANCELED while it waits for readers. */
HG_MUST_CHECK int hg_purge_end(const struct hg_compaction *c);

/* ---- compact_pages.c ---- */
/* c->live into c->runs. */
HG_MUST_CHECK int hg_compact_gather_runs(struct hg_compaction *c);
/* c->runs into the output; c->pages says what has been written. */
HG_MUST_CHECK int hg_compact_write_pages(struct hg_compaction *c, struct hg_hwp_writer *writer);
/* And whether it is what can be read. */
HG_MUST_CHECK int hg_compact_check_pages(struct hg_compaction *c, uint32_t id, struct hg_hwp *h);

/* ---- compact_same.c ---- */
/* What compressed segments have that stay, and may have the bytes of something that moves. NULL: nothing, or there is no
 * memory for it: it is a help. */
struct hg_compact_same;
struct hg_compact_same *hg_compact_same_make(struct hg_compaction *c);
void hg_compact_same_free(struct hg_compact_same *x); /* NULL is fine */
/* *out: a value in such a segment that has these bytes, and can be a base of values of that shape; 0: none is known. One
 * that cannot be read is none. */
HG_MUST_CHECK int hg_compact_same_find(struct hg_compact_same *x, const struct hg_moving *v,
                                       const struct hg_hwp_shape *shape, const void *raw,
                                       hg_pos *out);

/* C3, C4: c->moving into c->output. */
HG_MUST_CHECK int hg_compact_move(struct hg_compaction *c);

/* One round of the scheduler's. 1: something was done, and is in r; 0: there was nothing to gain; or why it failed,
 * HOLOG_E_BUSY and HOLOG_E_CANCELED among it. */
HG_MUST_CHECK int hg_compact_background(holog_store *s, uint64_t round_bytes,
                                        holog_compact_report *r);

#endif
