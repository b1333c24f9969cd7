/*
 * Which filter and codec a block gets.
 *
 * Two kinds are weighed. Where bytes repeat, LZ finds them: four strips of the block, 16 KiB of whole rows
 * each, are compressed with zstd 1 (lz4 by `fast`) plain and with bytes shuffled. Where they are noise around something
 * smooth, entropy tells: four windows of 96 x 96 go through each predictor and lift, and the bits of what is
 * left are counted (split.h); in what Lorenzo and 2/6 leave of the windows LZ is tried, too. Strips that are
 * a sixth of their size or less, plain or shuffled, leave LZ alone: windows miss structure like that.
 *
 * A plan costs its bytes, and what decoding takes in time, at a price in bytes of a microsecond that the profile sets;
 * the time comes from a table (select.c), so that the same block always gets the same plan.
 */
#ifndef HG_CODEC_COLD_SELECT_H
#define HG_CODEC_COLD_SELECT_H

#include "codec/cold/cold.h"

enum hg_profile {
    HG_PROFILE_FAST,    /* lz4 alone */
    HG_PROFILE_DEFAULT, /* zstd 3; of what repeats a lot 9 when compacted */
    HG_PROFILE_ARCHIVE, /* time costs nothing: compacted with all plans of LZ, too, and with zstd 22 where one of them is
                           cheapest */
    HG_PROFILES
};

struct hg_cold_candidate {
    struct hg_cold_plan plan;
    uint64_t bytes; /* estimated */
    uint64_t cost;  /* bytes, with the price of time */
};
#define HG_COLD_CANDIDATES 11

/* The plans that are possible, the cheapest first; returns how many. HOLOG_E_INVAL: no array that can be coded;
 * HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_cold_weigh(struct hg_coder *c, enum hg_profile profile,
                                const struct hg_cold_array *a, const void *raw,
                                struct hg_cold_candidate *out, unsigned *out_count);

/* What a writer remembers of an array from block to block. Zero: nothing. */
struct hg_cold_habit {
    struct hg_cold_plan plan;
    struct hg_cold_array of; /* element and rank */
    uint32_t blocks;         /* coded since the plan was chosen */
    uint32_t ratio;          /* of the first of them: blocks' bytes, in 1024ths of raw */
};
#define HG_COLD_HABIT 32 /* blocks, after which it is asked again whether there is a better plan */

/* A writer's block: the cheapest plan by estimate, or the one of the block before, as long as its ratio stays within
 * 5 % and not for more than HG_COLD_HABIT blocks. habit: NULL: each is judged. As hg_cold_encode otherwise. */
HG_MUST_CHECK int hg_cold_write(struct hg_coder *c, enum hg_profile profile,
                                const struct hg_cold_array *a, const void *raw,
                                struct hg_cold_habit *habit, struct hg_buf *out);
/* A compaction's block: the cheapest plan as a writer has it, and at the levels of a compaction the cheapest two and the
 * cheapest LZ, are all tried; the smallest cost is kept. Where noise is cheapest LZ is tried on a quarter of the block
 * first, and on all of it if it is no worse there by a 64th; with `archive` on all of it. habit: as above; blocks of one
 * element alone leave it as it is. */
HG_MUST_CHECK int hg_cold_compact(struct hg_coder *c, enum hg_profile profile,
                                  const struct hg_cold_array *a, const void *raw,
                                  struct hg_cold_habit *habit, struct hg_buf *out);

#endif
