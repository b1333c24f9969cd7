/*
 * What recovery, following, verify and repair share: what lies behind the end of a walk, the list of
 * segments, and the plan in which a decision is made. Private to src/wal.
 */
#ifndef HG_WAL_RECOVER_INTERNAL_H
#define HG_WAL_RECOVER_INTERNAL_H

#include "wal/recover.h"
#include "wal/recover_edits.h"
#include "wal/walk.h"

/* ---- what lies behind the end (recover_scan.c) ----------------------------------------------- */

/* What lies behind a place where the walk ended. */
struct hg_behind {
    uint64_t frames;      /* headers of this segment that verify */
    uint64_t commits;     /* among them, of commits whose bodies verify */
    hg_pos floor;         /* highest in them */
    uint64_t number;      /* highest in them */
    uint64_t nonzero;     /* bytes that are not zero */
    uint64_t nonzero_end; /* end of the last of them */
};
/* All of [from, to) is in m. */
void hg_scan_behind(const struct hg_segment_header *h, const struct hg_image *m, uint64_t from,
                    uint64_t to, struct hg_behind *out);
/* The same in pieces; `commits` is not counted. */
HG_MUST_CHECK int hg_scan_behind_file(const struct hg_segment_header *h, struct hg_file *f,
                                      uint64_t from, uint64_t to, struct hg_image *buf,
                                      struct hg_behind *out);
/* The next frame at or behind `from` whose header and body verify, joined or not. 0 = none. */
uint32_t hg_scan_frame(const struct hg_segment_header *h, const struct hg_image *m, uint64_t from,
                       uint64_t to, struct hg_frame *out);

/* ---- records and extents (recover_extent.c) -------------------------------------------------- */

/* Calls `each` with the records of a body that starts at body_start of a file. Damage is reported
 * with that position. out_time (may be NULL) gets the body's time. */
HG_MUST_CHECK int hg_body_each(const uint8_t *body, size_t len, uint32_t segment,
                               uint64_t body_start,
                               int (*each)(void *ctx, const struct hg_record *r), void *ctx,
                               uint64_t *out_time);

/* Reads extents, keeping the file of the last one open. Zero but for io and flags to begin. */
struct hg_extent_reader {
    struct hg_io *io;
    struct hg_edits
        *edits; /* not NULL: EDITs are noted there, and what is missing: it may be that it went */
    unsigned flags; /* enum hg_open_flags */
    uint32_t segment;
    struct hg_file *file;
    uint64_t bytes_read;
    struct hg_image buf;
    struct hg_buf opened; /* u32: every segment opened, some more than once */
};
void hg_extent_reader_release(struct hg_extent_reader *x);
/* The record list a BODY record names, verified. */
HG_MUST_CHECK int hg_extent_body(struct hg_extent_reader *x, const struct hg_record *r,
                                 struct hg_image *out, const uint8_t **out_body);
/* HOLOG_E_CORRUPT: a record of a feature that the header of its segment does not declare. No writer
 * leaves that, and a reader without the feature would have gone on to it. */
HG_MUST_CHECK int hg_rec_check_declared(const struct hg_record *r, uint64_t features);
/* Every block of a value in extents, or of a payload there, against its table. */
HG_MUST_CHECK int hg_extent_verify_pieces(struct hg_extent_reader *x, const struct hg_record *r);
/* Everything that the records of a frame name. */
HG_MUST_CHECK int hg_extent_verify_body(struct hg_extent_reader *x, const uint8_t *body, size_t len,
                                        uint32_t segment, uint64_t body_start);

/* ---- the list of segments (recover_list.c) --------------------------------------------------- */

struct hg_listed {
    struct hg_log_segment s;
    struct hg_link before; /* what its first frame must join; set by the plan */
    int header_rc;         /* of decoding the header */
    char why[160];         /* when header_rc < 0 */
    int misnamed;          /* 1: s.header verifies, and belongs to a file of another name */
    uint64_t start; /* frames: where the walk begins, `before` ends there; 0 = behind the header */
    int fits;       /* bases: B1 to B3 of recover_base.c, and B4 where it was looked at */
    int spoiled;    /* bases: the content was looked at, and is damaged */
};

struct hg_listing {
    struct hg_listed *e; /* by id */
    size_t n;
    size_t cap;
    uint32_t id_max;     /* highest id seen anywhere, quarantine/ included */
    uint64_t number_max; /* highest commit number that quarantine/ remembers */
};

/* id_limit: frame segments above it are left out; 0 = none. Reads headers and tails. */
HG_MUST_CHECK int hg_listing_read(struct hg_io *io, unsigned flags, uint32_t id_limit,
                                  struct hg_listing *out);
void hg_listing_release(struct hg_listing *l);
/* The next frame segment at or behind index i; l->n when there is none. */
size_t hg_listing_next_log(const struct hg_listing *l, size_t i);
struct hg_listed *hg_listing_find(const struct hg_listing *l, uint32_t id);
/* Whether e is a segment of this store under a name that is not its own, and what to do about it.
 * super is NULL when it is lost. */
#define HG_ADVICE_MAX 160
int hg_listing_misnamed(const struct hg_listing *l, const struct hg_listed *e,
                        const struct hg_super *super, char advice[HG_ADVICE_MAX]);
/* Reads and verifies the footer, whose tail is in s. HOLOG_E_CORRUPT when it is not whole. */
HG_MUST_CHECK int hg_footer_load(struct hg_io *io, unsigned flags, const struct hg_log_segment *s,
                                 const struct hg_footer_visitor *v);

/* quarantine/ names: what was cut, where, and the highest number in it. */
#define HG_QUARANTINE_NAME_MAX 64
void hg_quarantine_name(char *out, uint32_t segment, uint64_t offset, uint64_t number);

/* ---- the base that a log begins with (recover_base.c) ------------------------------------------ */

struct hg_base_search {
    struct hg_io *io;
    unsigned flags;               /* for opening segments */
    const struct hg_super *super; /* uuid and salt */
    hg_pos limit;                 /* as in struct hg_recover_options */
    uint32_t below;               /* base_below there */
    /* Is the content of b damaged? NULL: that is not asked. */
    int (*check)(void *ctx, const struct hg_listed *b, int *out_damaged);
    void *ctx;
};
struct hg_begin {
    size_t base;         /* index in the listing; its n: the log begins with its first frame */
    size_t first;        /* of the first segment that is joined: frames below are in containers */
    struct hg_link link; /* the frame that the base covers */
    uint64_t end;        /* where it ends in `first`, unrounded; 0 without a base */
};
/* Sets fits and spoiled of all bases, too. */
HG_MUST_CHECK int hg_base_choose(const struct hg_base_search *q, struct hg_listing *l,
                                 struct hg_begin *out);
/* When all edits are known: the base that the log begins with from now on, the newest one that is of
 * the store. l->n: none. One that came by no EDIT is left over, unless it was needed: where the one of
 * the store is damaged, what is between the two may be gone. */
size_t hg_base_settle(const struct hg_listing *l, const struct hg_begin *b,
                      const struct hg_edits *edits);
int hg_base_sound(const struct hg_listed *b, const struct hg_super *super); /* B1 */
/* What the base of this header covers the log up to. */
hg_pos hg_base_end(const struct hg_segment_header *h);
/* 1: each frame segment above `begins` follows one that is there. */
int hg_chain_whole(const struct hg_listing *l, uint32_t begins);
/* The chain is not whole and no base fits: HOLOG_E_CORRUPT, what is wrong with the base that should
 * have been; HOLOG_OK: nothing is known of any. */
HG_MUST_CHECK int hg_base_missed(const struct hg_listing *l, const struct hg_super *super,
                                 uint32_t below);

/* ---- the plan (recover_plan.c) --------------------------------------------------------------- */

struct hg_plan {
    struct hg_io *io;
    enum hg_recover_mode mode;
    int deep;     /* every frame and extent is read, not only what a crash could have torn */
    hg_pos limit; /* see struct hg_recover_options */
    uint32_t base_below;
    int (*check_base)(void *ctx, const struct hg_listed *b,
                      int *out_damaged); /* see hg_base_search */
    void *check_ctx;
    unsigned flags; /* for opening segments */
    holog_progress_fn progress;
    void *progress_ctx;

    struct hg_super super;
    struct hg_super_slots slots;
    int super_rc; /* HOLOG_OK, HOLOG_E_NOENT, HOLOG_E_CORRUPT */
    struct hg_listing list;
    struct hg_begin begin;
    struct hg_extent_reader extents;
    struct hg_edits
        edits; /* deep: what is missing may have gone, and is told when it is asked for */

    size_t last; /* index of the last frame segment kept; list.n = none */
    uint64_t end;
    struct hg_link link;
    hg_pos floor;
    uint64_t highest;
    int clean;
    int cut;
    struct hg_behind behind;
    struct hg_image buf; /* for walks */

    int damaged; /* POINT_IN_TIME: `damage` made the log end here */
    struct holog_error_detail damage;
    uint64_t bytes_read;
};

/* Reads SUPER, the list and the frames that need it, and decides. Writes nothing. */
HG_MUST_CHECK int hg_plan_make(struct hg_plan *p);
/* HOLOG_E_CORRUPT, with what to do: e is a segment of this store under a name not its own. */
HG_MUST_CHECK int hg_plan_check_name(const struct hg_plan *p, const struct hg_listed *e);
/* HOLOG_E_VERSION: an unknown read-only compatible feature, in SUPER or in a segment's header. */
HG_MUST_CHECK int hg_plan_may_write(const struct hg_plan *p);
void hg_plan_release(struct hg_plan *p);
/* A walk of a segment of the log, from where the log begins in it. */
void hg_plan_walk(struct hg_walk *w, const struct hg_listed *e, uint64_t to);

/* The position behind which nothing is kept. */
static inline hg_pos hg_plan_end(const struct hg_plan *p)
{
    return hg_pos_make(p->list.e[p->last].s.id, (uint32_t)HG_ALIGN8(p->end));
}

/* Replays what the plan keeps (recover_replay.c). out: segments, next_segment are brought up to
 * date. */
HG_MUST_CHECK int hg_plan_replay(struct hg_plan *p, const struct hg_recover_options *o,
                                 const struct hg_replay *replay, struct hg_recovered *out);
/* One record, or one body, through a replay; what BODY records name comes as if it stood there. */
HG_MUST_CHECK int hg_replay_record(struct hg_extent_reader *x, const struct hg_replay *replay,
                                   const struct hg_record *r);
HG_MUST_CHECK int hg_replay_body(struct hg_extent_reader *x, const struct hg_replay *replay,
                                 const uint8_t *body, size_t len, uint32_t segment,
                                 uint64_t body_start);

/* ---- keeping evidence (seal_quarantine.c) ---------------------------------------------------- */

/* Copies bytes [from, to) of a segment into quarantine/, durably. Nothing happens when the copy is
 * there already. */
HG_MUST_CHECK int hg_quarantine_copy(struct hg_io *io, uint32_t segment, uint64_t from, uint64_t to,
                                     uint64_t number, uint64_t *out_bytes);
/* Moves a whole file of seg/ there. Directories are synced by the caller. */
HG_MUST_CHECK int hg_quarantine_move(struct hg_io *io, const struct hg_log_segment *s,
                                     uint64_t number);
HG_MUST_CHECK int hg_quarantine_dir(struct hg_io *io);
/* Opens for writing, syncs, closes. */
HG_MUST_CHECK int hg_sync_file(struct hg_io *io, const char *name);

/* HOLOG_E_CANCELED when the progress function says so. */
HG_MUST_CHECK int hg_progress(holog_progress_fn fn, void *ctx, uint64_t done, uint64_t total);

#endif
