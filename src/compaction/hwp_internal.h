/*
 * The reader from inside. In compaction/ only.
 */
#ifndef HG_COMPACTION_HWP_INTERNAL_H
#define HG_COMPACTION_HWP_INTERNAL_H

#include "compaction/hwp.h"

struct hg_hwp {
    struct hg_hwp_from from; /* fixed after open, as all of it */
    struct hg_hwp_bytes bytes;
    struct hg_file *file; /* of a .tmp; NULL otherwise */
    struct hg_segment_header header;
    struct hg_hwp_footer footer;
    struct hg_hwp_tables tables;
};

/* Whole, or HOLOG_E_CORRUPT: the file has become shorter. */
HG_MUST_CHECK int hg_hwp_read_bytes(struct hg_hwp *h, void *buf, size_t len, uint64_t offset);

/* ---- a group (hwp_group.c) -----------------------------------------------------------------------*/

struct hg_hwp_tile {
    struct hg_cold_head head;
    int rc;                         /* HOLOG_E_NOTSUP: of a later version */
    int wanted;                     /* set by the caller before parts are read, as the next two */
    uint8_t use;                    /* so many of the first parts, */
    uint8_t low;                    /* which make it so many times halved */
    uint64_t at[HG_COLD_PARTS_MAX]; /* in the file */
    struct hg_cold_parts parts;     /* in memory */
};

struct hg_hwp_layout {
    const struct hg_hwp_group *g;
    uint32_t index;           /* of the group */
    struct hg_hwp_tile *tile; /* in the workspace */
    unsigned lead;            /* so many of the first slots are in memory, with the heads */
};

/* Reads and checks the heads; and the first slots with them, `lead` or more. */
HG_MUST_CHECK int hg_hwp_load_heads(struct hg_hwp *h, struct hg_workspace *w, uint32_t group,
                                    unsigned lead, struct hg_hwp_layout *out);
/* The heads, from who has read them, checked: all but `lead` and what is set by the caller. */
HG_MUST_CHECK int hg_hwp_take_heads(const struct hg_hwp *h, struct hg_workspace *w, uint32_t group,
                                    const uint8_t *heads, struct hg_hwp_layout *out);
/* Reads what `wanted` and `use` of the tiles say and is not in memory. */
HG_MUST_CHECK int hg_hwp_load_parts(struct hg_hwp *h, struct hg_workspace *w,
                                    struct hg_hwp_layout *l);
/* A code from the decoder of cold blocks, with the place. */
int hg_hwp_tile_failed(const struct hg_hwp *h, const struct hg_hwp_layout *l, uint32_t tile,
                       int rc);

/* ---- elements (hwp_halve.c) ----------------------------------------------------------------------*/

/* In place: each becomes the mean of itself and the next, along the last `axes` axes; the last one stays. Low words of 5/3
 * are about the first element of those that they stand for: so they are about the middle. */
void hg_hwp_centre(uint8_t size, uint8_t kind, const uint64_t n[HG_HWP_RANK], unsigned axes,
                   void *elements);

/* ---- values (hwp_read.c) -------------------------------------------------------------------------*/

/* All tiles of a value's group: `tile` gets one after the other, decoded; NULL: it could not be without its base, and its
 * hashes are right. For hg_hwp_verify. */
struct hg_hwp_each {
    void *ctx;
    void (*tile)(void *ctx, const void *raw, size_t len);
};
HG_MUST_CHECK int hg_hwp_decode_group(struct hg_hwp *h, const struct hg_hwp_value *v, uint32_t nth,
                                      const struct hg_hwp_bases *bases,
                                      const struct hg_hwp_each *each);

#endif
