/*
 * Inside the mark: live.c takes the moment and gives the results, live_walk.c walks the roots that are in
 * use, live_follow.c follows what records refer to. Private to them.
 *
 * A mark goes in rounds, one for each holder: what the round's roots name is wanted, and followed until
 * nothing is wanted any more. So what a round finds is of its holder, unless a round before has found it.
 */
#ifndef HG_ENGINE_LIVE_INTERNAL_H
#define HG_ENGINE_LIVE_INTERNAL_H

#include "engine/live.h"
#include "engine/live_sets.h"
#include "engine/store_internal.h"

/* A segment, while a mark is under way. */
struct hg_live_place {
    struct hg_live_segment g;
    int chosen;          /* its things are asked for */
    int gone;            /* an EDIT has removed it; its file may be there */
    uint32_t home;       /* gone, frames: the .hwp that has its pages; 0: its file is read still */
    int named;           /* live_things.c's: some of its births want a path */
    int known;           /* g.sealed is */
    int open;            /* extents: for writing; g.used is known */
    uint64_t end;        /* nothing at or behind it is read */
    struct hg_buf wants; /* uint64_t: offset << 1 | it is a version, not only bytes */
    struct hg_offset_set
        found;            /* records that live; the bit: a DELTA whose base has been followed */
    struct hg_buf frames; /* struct hg_ref_frame, by offset: of the commits that are kept */
    struct hg_buf runs;   /* hg_live_run, of bytes that live */
};

/* Bytes of a segment, in one number: from (31 bits), length (31), holder (2). In their order, by where
 * they begin. */
static inline uint64_t hg_live_run(uint64_t from, uint64_t len, unsigned holder)
{
    HG_ASSERT(from < UINT64_C(1) << 31 && len < UINT64_C(1) << 31);
    return from << 33 | len << 2 | holder;
}

struct hg_live_walk {
    struct hg_node_set now,
        past;    /* nodes walked: of indexes as of that number, of pasts as they are kept */
    uint64_t at; /* of the walk at hand */
};

struct hg_mark {
    holog_store *s;
    struct hg_live_memory memory;
    struct hg_buf places; /* struct hg_live_place, by id */
    size_t near;          /* where the last one was */
    unsigned holder;      /* of the round */
    /* the moment */
    struct hg_state_mark state; /* roots NULL: not taken yet */
    struct hg_timeline kept;
    struct hg_buf versions; /* struct hg_version *, counted */
    struct hg_buf folds;    /* struct hg_fold_at, by version: later ones are nobody's here */
    /* one pass over the roots: what is called for each entry that somebody can ask for. number: the
     * commit that made it. */
    int (*each)(struct hg_mark *m, const uint8_t *key, size_t len, const struct hg_locator *loc,
                uint64_t number);
    struct hg_live_walk walk;
    struct hg_buf things; /* struct hg_live_thing, when some places are chosen */
    struct hg_buf names;  /* live_things.c's: births that want a path ... */
    struct hg_buf keys;   /* ... and its key */
};

static inline struct hg_live_place *hg_mark_place_at(const struct hg_mark *m, size_t i)
{
    return (struct hg_live_place *)(void *)m->places.data + i;
}

static inline size_t hg_mark_places(const struct hg_mark *m)
{
    return m->places.len / sizeof(struct hg_live_place);
}

/* ---- live.c ---- */
HG_MUST_CHECK int hg_mark_begin(
    struct hg_mark *m); /* the moment; s and memory.cache are set, the rest is 0 */
HG_MUST_CHECK int hg_mark_rounds(struct hg_mark *m); /* of the first pass, all that lives */
void hg_mark_end(struct hg_mark *m);                 /* also after a failure */
/* The segment's place. HOLOG_E_CORRUPT: there is no such segment. */
HG_MUST_CHECK int hg_mark_place(struct hg_mark *m, uint32_t segment, hg_pos named_by,
                                struct hg_live_place **out);

struct hg_live_place *hg_mark_find(struct hg_mark *m, uint32_t segment); /* NULL: there is none */
/* The next bytes in the runs of holders up to `holder`, each once; runs are in their order. *at, *end start at 0. */
int hg_mark_next_run(const struct hg_live_place *p, unsigned holder, size_t *at, uint64_t *end,
                     uint64_t *out_from);

/* ---- live_unasked.c ---- */
/* After the rounds and the sizes: sets g.unasked. */
HG_MUST_CHECK int hg_mark_unasked(struct hg_mark *m, uint32_t below);

/* ---- live_walk.c ---- */
/* Calls m->each for what the round's roots name. */
HG_MUST_CHECK int hg_mark_walk(struct hg_mark *m);
void hg_mark_walk_end(struct hg_mark *m); /* after the last round of a pass */

/* ---- live_follow.c ---- */
/* The version at birth is wanted: m->each of the first pass. */
HG_MUST_CHECK int hg_mark_want(struct hg_mark *m, hg_pos birth, int version);
/* Until nothing is wanted. */
HG_MUST_CHECK int hg_mark_follow(struct hg_mark *m);
/* Frames of the commits that are kept, and the lists they name. */
HG_MUST_CHECK int hg_mark_frames(struct hg_mark *m);

#endif
