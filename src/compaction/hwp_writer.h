/*
 * The writer from inside. In compaction/ only.
 */
#ifndef HG_COMPACTION_HWP_WRITER_H
#define HG_COMPACTION_HWP_WRITER_H

#include "base/buf.h"
#include "compaction/hwp.h"

#define HG_HWP_HABITS 64u /* arrays that are remembered; two of one place take turns */

/* How the tiles of an array are coded. */
struct hg_hwp_habits {
    uint64_t id;
    struct hg_cold_habit plain;
    struct hg_cold_habit difference;
};

struct hg_hwp_writer {
    struct hg_io *io;
    struct hg_segment_header header;
    enum hg_profile profile;
    int rc; /* the first failure */
    char name[HG_FILE_NAME_MAX];
    struct hg_file *file; /* NULL: closed */
    int is_there;         /* the file was made, and is ours to remove */
    uint8_t *piece;       /* what is written next, at `written` */
    size_t piece_len;
    uint64_t written;
    struct hg_workspaces *workspaces;
    struct hg_workspace *work;
    struct hg_hwp_habits habits[HG_HWP_HABITS];
    struct hg_buf blocks; /* of a group: cold blocks, one behind the other */
    struct hg_buf heads;
    struct hg_buf pool;   /* raw bytes of pages that wait */
    size_t pooled;        /* bytes of `pages` whose pool has been put */
    uint64_t last_page;   /* segment << 32 | page */
    struct hg_buf groups; /* of struct hg_hwp_group, as the next three are of theirs */
    struct hg_buf values;
    struct hg_buf pages;
    struct hg_buf sources;
    uint64_t raw;
};

/* The blocks, as a group. */
HG_MUST_CHECK int hg_hwp_put_group(struct hg_hwp_writer *w, enum hg_hwp_group_kind kind,
                                   uint64_t raw);
/* The pages that wait. */
HG_MUST_CHECK int hg_hwp_put_pool(struct hg_hwp_writer *w);

#endif
