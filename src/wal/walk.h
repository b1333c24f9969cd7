/*
 * Pieces of files in memory, and the walk from frame to frame in them: whoever goes through the log
 * goes this way (recover_scan.c).
 */
#ifndef HG_WAL_WALK_H
#define HG_WAL_WALK_H

#include "io/io.h"
#include "wal/frame.h"
#include "wal/segment.h"

#define HG_ALIGN8(x)  HG_ALIGN_UP((uint64_t)(x), (uint64_t)8)
#define HG_ALIGN4K(x) HG_ALIGN_UP((uint64_t)(x), (uint64_t)HG_BLOCK)

/* Longest frame segment file we take: frames, and a footer behind them. */
#define HG_LOG_FILE_MAX (2 * (uint64_t)HG_SEGMENT_MAX)

/* ---- pieces of files -------------------------------------------------------- */

struct hg_image {
    uint8_t *data; /* 4096-aligned; hg_free */
    uint64_t at;   /* file offset of data[0], a multiple of 4096 */
    uint64_t len;  /* bytes that are there */
    uint64_t cap;  /* room in data */
};

/* Room for `want` bytes; what was there is lost. HOLOG_E_NOMEM: m is released. */
HG_MUST_CHECK int hg_image_reserve(struct hg_image *m, uint64_t want);
/* Reads the blocks that hold [from, to) or as much as the file has. flags: enum hg_open_flags. out
 * is zero or an earlier image, whose memory is used again; on failure it is released. */
HG_MUST_CHECK int hg_image_read(struct hg_io *io, const char *name, unsigned flags, uint64_t from,
                                uint64_t to, struct hg_image *out);
HG_MUST_CHECK int hg_image_read_file(struct hg_file *f, uint64_t from, uint64_t to,
                                     struct hg_image *out);
void hg_image_release(struct hg_image *m);
static inline uint64_t hg_image_end(const struct hg_image *m)
{
    return m->at + m->len;
}

int hg_is_zero(const uint8_t *data, size_t len);
/* Offset of the first non-zero byte in [from, to), or `to`. */
uint64_t hg_image_nonzero(const struct hg_image *m, uint64_t from, uint64_t to);

/* Closes f (may be NULL); keeps rc and its detail when it is an error already. */
int hg_close_keep(struct hg_file *f, int rc);

/* ---- the walk from frame to frame ------------------------------------------- */

/* The last frame before a place in the log: what the next one must join. */
struct hg_link {
    hg_pos frame; /* its start; 0 = none */
    uint32_t len;
    uint64_t hash;
    uint64_t number; /* newest commit so far */
    uint64_t time_ns;
    int unknown; /* 1: it stands in a segment that is not there: what the next frame says of it is believed */
};

struct hg_walk {
    const struct hg_segment_header *header;
    const struct hg_image *image;
    uint64_t to; /* nothing at or behind this offset is looked at */
    struct hg_link link;
    uint64_t next; /* where the next frame is looked for first */
    uint64_t end;  /* end of the last frame, unrounded; 4096 before the first */
    int commits;   /* 1: a commit of this segment has been seen */
    int alone;     /* 1: what the next frame joins is what it says itself */
    int bodies_ok; /* 1: a walk of this image has verified the bodies up to `to` */
    hg_pos floor;  /* highest floor of the frames seen */

    struct hg_frame f; /* the frame found */
    uint32_t offset;
    const uint8_t *body;
    size_t body_len;
    uint64_t gap_at; /* non-zero bytes between the frame before and this one; 0 = none */

    uint64_t bad_at; /* where and why it ended; why is NULL when only zeros follow */
    const char *why;
    uint64_t need; /* end of a frame whose header verifies and that reaches past `to`; 0 = none */
};

void hg_walk_begin(struct hg_walk *w, const struct hg_segment_header *h, const struct hg_image *m,
                   uint64_t to, const struct hg_link *link);
/* 1: a frame that verifies and joins the one before it. 0: the walk ends (why, bad_at). Negative:
 * HOLOG_E_CORRUPT, a frame that joins but whose number does not follow: no crash does that. */
HG_MUST_CHECK int hg_walk_next(struct hg_walk *w);
/* All frames of an open file up to `to`, a piece in memory at a time: memory that is used again
 * costs no page faults. w has been begun (image and to are set here); buf is zero or an earlier
 * image. Returns 0 when the walk ends, an error, or what `each` returned when not 0. `why` is NULL
 * also when what follows is zero for as far as was looked. */
HG_MUST_CHECK int hg_walk_file(struct hg_walk *w, struct hg_file *f, uint64_t to,
                               struct hg_image *buf,
                               int (*each)(void *ctx, const struct hg_walk *w), void *ctx);
/* All frames of an open segment whose header is h and whose frames end at `end` (unrounded); of what
 * came before, the first one is believed. HOLOG_E_CORRUPT, with the place, when one of them does not
 * verify. */
HG_MUST_CHECK int hg_walk_segment(const struct hg_segment_header *h, struct hg_file *f,
                                  uint64_t end, int (*each)(void *ctx, const struct hg_walk *w),
                                  void *ctx);

#endif
