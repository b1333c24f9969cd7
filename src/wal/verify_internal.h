/*
 * What the files of verify share. Private to them.
 */
#ifndef HG_WAL_VERIFY_INTERNAL_H
#define HG_WAL_VERIFY_INTERNAL_H

#include "wal/recover_internal.h"

/* A frame segment on its way from the disk (verify_ahead.c). */
#define HG_AHEAD_PARTS 16u /* transfers of 8 MiB: a disk is not at its best with one at a time */
struct hg_ahead {
    struct hg_file *file; /* NULL: none is */
    size_t index;         /* in the listing */
    struct hg_image image;
    struct hg_req parts[HG_AHEAD_PARTS];
    unsigned n;
};

struct hg_verifier {
    struct hg_io *io;
    unsigned flags; /* enum holog_verify_flags */
    hg_verify_cold_fn cold;
    hg_verify_cold_fn base;
    int (*each)(void *ctx, struct hg_damage_found *d);
    void *ctx;
    holog_progress_fn progress;
    void *progress_ctx;
    uint64_t damages; /* reported and not harmless */

    int live;              /* a writer is at work */
    struct hg_super super; /* zero when it is lost */
    struct hg_super_slots slots;
    int super_rc;
    struct holog_error_detail super_error;
    struct hg_listing list;
    struct hg_super who; /* uuid and salt, also when SUPER is lost */
    struct hg_begin begin;
    int dispensable; /* bases: the store is whole without one that is damaged */
    hg_pos known;    /* what SUPER and bases know durable */
    struct hg_extent_reader extents;
    struct hg_edits edits;
    struct hg_image image; /* of the segment that is checked */
    struct hg_ahead ahead;

    /* where the walk stands */
    size_t last; /* the frame segment before; list.n = none, or its end is not known */
    uint64_t end;
    struct hg_link link;
    int broken;          /* the walk of this segment met damage */
    int contained;       /* the segment is a container: its frames join those of no other */
    uint64_t floor;      /* what it holds behind was never known durable */
    struct hg_buf heads; /* header hashes of this segment's frames */
};

/* Hands d, with a message, to the caller. Non-zero from him stops everything. */
HG_MUST_CHECK int hg_verify_report(struct hg_verifier *v, struct hg_damage_found *d,
                                   const char *fmt, ...) HG_PRINTF(3, 4);
/* The detail of the call that failed, about s unless it names another segment. */
HG_MUST_CHECK int hg_verify_report_detail(struct hg_verifier *v, const struct hg_log_segment *s,
                                          struct hg_damage_found *d);
/* The same. */
HG_MUST_CHECK int hg_verify_report_error(struct hg_verifier *v, const struct hg_log_segment *s,
                                         uint64_t offset, const char *path, size_t path_len,
                                         uint64_t number);
struct hg_damage_found hg_verify_in_segment(const struct hg_log_segment *s, uint64_t offset,
                                            int harmless);
/* Failures that are reported; all others go up. */
int hg_verify_is_finding(int rc);

/* All frames of a segment that v->link leads up to. end_known: they end at `end`, by a witness. */
HG_MUST_CHECK int hg_verify_walk(struct hg_verifier *v, const struct hg_listed *e, int end_known,
                                 uint64_t end, const struct hg_image *m);

/* Begin to read what comes behind segment `behind` of the listing, if it can be. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_ahead_start(struct hg_verifier *v, size_t behind);
/* 1 and the segment's bytes to `end` at least, for m and its memory, when they were read ahead. */
int hg_ahead_take(struct hg_verifier *v, size_t index, uint64_t end, struct hg_image *m);
void hg_ahead_release(struct hg_verifier *v);

/* The base that the log begins with, before anything is reported, and bases when all edits are known
 * (verify_bases.c). */
HG_MUST_CHECK int hg_verify_choose(struct hg_verifier *v);
HG_MUST_CHECK int hg_verify_bases(struct hg_verifier *v);

/* Index checkpoints and names that mean nothing (verify_files.c). */
HG_MUST_CHECK int hg_verify_other_files(struct hg_verifier *v);

#endif
