/*
 * The segment header (docs/FORMAT.md, section 3).
 */
#ifndef HG_WAL_SEGMENT_H
#define HG_WAL_SEGMENT_H

#include "base/assert.h"
#include "wal/layout.h"

#define HG_SEGMENT_HEADER_SIZE 4096u

/* Where a header says what it is of. */
#define HG_SEGMENT_KIND_AT 12u
#define HG_SEGMENT_ID_AT   16u

struct hg_segment_header {
    uint32_t kind; /* enum hg_segment_kind */
    uint32_t id;
    uint64_t epoch;
    uint8_t uuid[16];
    uint64_t salt;
    uint64_t feat_compat, feat_ro_compat, feat_incompat;
    uint64_t capacity;
    uint64_t created_ns;
    uint64_t first_number;
    uint32_t pred_id;
    uint32_t pred_last_len;
    uint64_t pred_epoch;
    uint64_t pred_end; /* end of its last frame, unrounded */
    uint64_t pred_last_hash;
    uint64_t pred_number;
    uint64_t highest_number;
    uint64_t pred_cut; /* 0 or 1 */
};

/* Bytes at the end of a frame segment that only commits which delete may fill, on a full disk: some
 * hundred of them. A clean close leaves that much space behind the last frame. */
static inline uint64_t hg_segment_kept(uint64_t capacity)
{
    return HG_MIN(capacity / 16, UINT64_C(65536)) / HG_BLOCK * HG_BLOCK;
}

void hg_segment_header_encode(const struct hg_segment_header *h,
                              uint8_t out[HG_SEGMENT_HEADER_SIZE]);
/* `id` and `kind` are what the file's name says; a header of another segment is HOLOG_E_CORRUPT. */
HG_MUST_CHECK int hg_segment_header_decode(const uint8_t in[HG_SEGMENT_HEADER_SIZE], uint32_t id,
                                           uint32_t kind, struct hg_segment_header *out);
/* The same of a compressed segment, which the other one refuses as of a later version. */
HG_MUST_CHECK int hg_segment_header_decode_hwp(const uint8_t in[HG_SEGMENT_HEADER_SIZE],
                                               uint32_t id, struct hg_segment_header *out);

#endif
