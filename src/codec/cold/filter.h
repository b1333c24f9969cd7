/*
 * Filters that work on words, from UP on, over the elements of a block. Inside cold/ only.
 */
#ifndef HG_CODEC_COLD_FILTER_H
#define HG_CODEC_COLD_FILTER_H

#include "codec/cold/bands.h"
#include "codec/cold/cold.h"

struct hg_filtered {
    uint8_t *words;   /* in the room WORDS */
    struct hg_lift l; /* if it was lifted: its levels */
    uint64_t least;   /* element, and by how much the greatest is more, if it was lifted */
    uint64_t range;
};

/* Elements through the filter of the head. Of a lift, at most `levels` deep, the head learns its parts and flags. aid: only of
 * a difference. */
HG_MUST_CHECK int hg_cold_filter(struct hg_coder *c, struct hg_cold_head *h, unsigned levels,
                                 const void *raw, const struct hg_cold_aid *aid,
                                 struct hg_filtered *out);

#endif
