/*
 * What edits have done to the list of segments (docs/FORMAT.md, section 5: EDIT), collected while the log
 * is replayed or verified. Zero-initialise; release. Private to src/wal.
 */
#ifndef HG_WAL_RECOVER_EDITS_H
#define HG_WAL_RECOVER_EDITS_H

#include "wal/recover.h"

struct hg_missing {
    uint32_t segment;
    int rc;
    struct holog_error_detail why;
};

/* Sets are of u32, rising. Those that came: those removed since, too. */
struct hg_edits {
    uint32_t
        begins; /* the segment that the log begins in, when it begins with a base; set by the user */
    struct hg_buf removed; /* segments that an EDIT has removed */
    struct hg_buf cold;    /* .hwp segments that came */
    struct hg_buf bases;   /* bases that came */
    struct hg_buf frames;  /* frame segments below `begins` that were there */
    struct hg_buf extents; /* extent segments below `begins` that were there */
    struct hg_buf missing; /* struct hg_missing */
};
void hg_edits_release(struct hg_edits *e);
/* What a checkpoint knew (struct hg_recover_options). */
HG_MUST_CHECK int hg_edits_begin(struct hg_edits *e, const struct hg_segment_entry *known,
                                 size_t n);
HG_MUST_CHECK int hg_edits_record(struct hg_edits *e, const struct hg_record *r); /* an EDIT */
/* An EDIT in a container: what it brought may have gone by one that went with its container. */
HG_MUST_CHECK int hg_edits_removals(struct hg_edits *e, const struct hg_record *r);
/* A list of all segments has this one. */
HG_MUST_CHECK int hg_edits_listed(struct hg_edits *e, const struct hg_segment_entry *entry);
/* A file is not there: damage of this code, with the detail that is set now, unless an EDIT says that it
 * went. */
HG_MUST_CHECK int hg_edits_missing(struct hg_edits *e, uint32_t segment, int rc);
int hg_edits_is_missing(const struct hg_edits *e, uint32_t segment); /* it was noted */
int hg_edits_has_cold(const struct hg_edits *e, uint32_t segment);   /* it came, and is there */
int hg_edits_removed(const struct hg_edits *e, uint32_t segment);
int hg_edits_has_base(const struct hg_edits *e, uint32_t segment); /* the same of a base */
/* It was there when the log began to be what it is: no EDIT that is gone has removed it. */
int hg_edits_knows_extents(const struct hg_edits *e, uint32_t segment);
/* The next one of `frames`, of `bases`, at or behind index *at that was not removed; 0: there is none. */
uint32_t hg_edits_next_frames(const struct hg_edits *e, size_t *at);
uint32_t hg_edits_next_base(const struct hg_edits *e, size_t *at);
/* All of the log has been seen: the first thing that is missing, as it was reported. What is no segment
 * of the store goes from out->segments to out->left_over; out->base and out->begins have been set. */
HG_MUST_CHECK int hg_edits_judge(const struct hg_edits *e, struct hg_recovered *out);

/* One of out's segments, which are by id; NULL: it is not among them. */
struct hg_log_segment *hg_recovered_find(const struct hg_recovered *out, uint32_t id);

#endif
