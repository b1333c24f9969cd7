/*
 * How the blocks of a compressed segment are coded, counted: from the heads of its groups, and nothing else of them.
 */
#ifndef HG_COMPACTION_HWP_CENSUS_H
#define HG_COMPACTION_HWP_CENSUS_H

#include "compaction/hwp.h"

struct hg_hwp_count {
    uint64_t blocks;
    uint64_t differences; /* of these, that need the same block of another value */
    uint64_t raw;         /* bytes */
    uint64_t stored;      /* heads and parts */
};

/* One for tiles of values, one for pools (enum hg_hwp_group_kind). */
struct hg_hwp_coded {
    struct hg_hwp_count by[HG_FILTERS][HG_CODECS];
    struct hg_hwp_count later;      /* of filters, codecs or flags of a later version */
    struct hg_hwp_count unreadable; /* as the table of groups has them; differences 0 */
};

struct hg_hwp_census {
    struct hg_hwp_coded coded[2];
    uint64_t same_values; /* that have the bytes of others, and take none */
    uint64_t same_bytes;
    uint64_t read; /* bytes of the file */
};

/* Adds a segment to `c`: raw and stored of all that is counted become more by those in its footer. Heads that are damaged or
 * cannot be read are told of (NULL: nobody is), and counted as unreadable; not 0 from `damage` ends it, and is returned.
 * HOLOG_E_NOMEM, HOLOG_E_STALE and others: what is in `c` then is of no use. Any thread. */
HG_MUST_CHECK int hg_hwp_census(struct hg_hwp *h,
                                int (*damage)(void *ctx, const struct hg_hwp_verdict *d), void *ctx,
                                struct hg_hwp_census *c);

#endif
