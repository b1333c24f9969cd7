/*
 * What the two repairs share. Private to them.
 */
#ifndef HG_WAL_REPAIR_INTERNAL_H
#define HG_WAL_REPAIR_INTERNAL_H

#include "wal/recover_internal.h"

/* ---- where records stood, and stand (repair_births.c) ------------------------------------------ */

/* Salvage moves records, and a DELTA names another record by where it stands. A commit keeps the
 * lengths of its records, so that a place in it is told by its number and the offset in its body, in
 * whichever copy of the commit it is. */
struct hg_births {
    struct hg_buf old;    /* struct hg_birth_range, by place once sorted: where bodies were found */
    struct hg_buf kept;   /* struct hg_birth_body, numbers rising: where they stand now */
    struct hg_buf blanks; /* struct hg_birth_blank, rising: records that are no more */
};
HG_MUST_CHECK int hg_births_found(struct hg_births *b, uint64_t number, uint32_t segment,
                                  uint64_t body_start, size_t body_len);
void hg_births_sort(struct hg_births *b);
/* The commit `number`, above all before it, has its records here now. */
HG_MUST_CHECK int hg_births_kept(struct hg_births *b, uint64_t number, uint32_t segment,
                                 uint64_t body_start);
/* Makes the DELTA records of a kept commit's body name what they change where it stands now. One
 * whose base is lost becomes a BLANK, and `lost` is told of it; what stood at its path before stays,
 * as when its whole commit is lost. */
HG_MUST_CHECK int hg_births_rebase(struct hg_births *b, uint64_t number, uint8_t *body, size_t len,
                                   int (*lost)(void *ctx, const struct hg_record *r), void *ctx);
void hg_births_release(struct hg_births *b);

struct hg_repairer {
    struct hg_io *io;
    int dry_run;
    hg_verify_cold_fn base; /* may be NULL */
    int (*each)(void *ctx, const struct hg_damage_found *d);
    void *ctx;
    struct hg_plan plan;
    uint64_t highest; /* highest commit number seen in any frame */
    holog_repair_report report;

    /* Which commits are lost: what is asked when a segment's records are gone through. */
    int (*is_lost)(const struct hg_repairer *r, uint64_t number);
    const uint64_t *kept; /* salvage: numbers kept, rising */
    size_t n_kept;
    const struct hg_log_segment *in; /* the segment being gone through */
    uint64_t in_number;              /* the commit in it */
    int in_lost;
};

HG_MUST_CHECK int hg_repair_report(struct hg_repairer *r, struct hg_damage_found *d,
                                   const char *fmt, ...) HG_PRINTF(3, 4);
/* HOLOG_E_CORRUPT, with what to do, when a segment has another's name: nothing of it is lost, and
 * repair would drop it. */
HG_MUST_CHECK int hg_repair_check_names(const struct hg_plan *p);
/* Reports every path that a lost commit of this segment changed, as far as its footer, or frames
 * that still verify, know them. Raises r->highest. */
HG_MUST_CHECK int hg_repair_lost_paths(struct hg_repairer *r, const struct hg_log_segment *s);
/* Replaces SUPER: both slots, durably. */
HG_MUST_CHECK int hg_repair_write_super(struct hg_io *io, struct hg_super *s);
/* What a SUPER that is lost said, as far as segments know. */
void hg_repair_guess_super(const struct hg_listing *l, struct hg_super *s);
HG_MUST_CHECK int hg_repair_sync_dirs(struct hg_io *io);

/* The records of a frame with an EDIT that is to end the log, where files of a compaction are there, or missing; *out_body
 * stays empty where none are. `last` (may be NULL) is the segment that the plan ends the log in. Writes nothing.
 * HOLOG_E_NOTSUP: that segment is older than what would have to be said in it. */
HG_MUST_CHECK int hg_repair_make_edits(struct hg_repairer *r, const struct hg_log_segment *last,
                                       struct hg_buf *out_body);
/* Where the log ends with that frame. */
hg_pos hg_repair_edits_end(const struct hg_plan *p, const struct hg_buf *body);
/* R3. Writes it. */
HG_MUST_CHECK int hg_repair_restate_edits(struct hg_repairer *r, struct hg_log_segment *last,
                                          const struct hg_buf *body);
/* HOLOG_E_NOTSUP: the log would have to end before its base (repair_base.c). Nothing is changed. */
HG_MUST_CHECK int hg_repair_check_base(const struct hg_repairer *r);
/* For struct hg_plan; ctx is the repairer. */
HG_MUST_CHECK int hg_repair_check_content(void *ctx, const struct hg_listed *b, int *out_damaged);

HG_MUST_CHECK int hg_repair_point_in_time(struct hg_repairer *r); /* repair.c */
HG_MUST_CHECK int hg_repair_salvage(struct hg_repairer *r);       /* repair_salvage.c */

#endif
