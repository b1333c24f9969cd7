/*
 * What lives, segment by segment: the mark of a compaction, and what statistics say of it.
 *
 * A byte of a segment lives when somebody can still ask for it:
 *   records   that a locator names, of the newest state, of the past as far as it is kept, or of a
 *             version that somebody counts (views, cursors, transactions, the durable fall-back); and
 *             those that such records are read from: of a DELTA its newest FOLD and the records that
 *             its spans name, or else its base, and so on down to a BLOB or LARGE
 *   pieces    of extents, of those records
 *   times     the first 8 bytes of the body that a live record stands in
 *   frames    of the commits that are kept, as a whole, and the record lists that they name (lists)
 * Everything else is dead: also what no frame ever named.
 *
 * Each byte is counted once, for the first that holds it: the newest state, history (what the rules of
 * retention keep), tags, views. The newest state is the sequenced one.
 *
 * A mark is exact as of one moment. What comes after it is made of what lives in it, and of records
 * that are new; those stand in segments that it calls busy, which nobody may replace.
 *
 * Any thread may mark, in no lock; commits and readers go on. It reads footers and records, and takes
 * its memory from the budget: some 40 bytes a live record. HOLOG_E_BUDGET, HOLOG_E_NOMEM, HOLOG_E_CORRUPT
 * (a record that the index names is not where it should be), errors of reading.
 */
#ifndef HG_ENGINE_LIVE_H
#define HG_ENGINE_LIVE_H

#include "base/assert.h"
#include "base/buf.h"
#include "holog/holog.h"
#include "wal/layout.h"

enum hg_live_holder {
    HG_HOLD_HEAD = 0,
    HG_HOLD_HISTORY,
    HG_HOLD_TAGS,
    HG_HOLD_VIEWS,
    HG_HOLDERS
};

struct hg_live_segment {
    uint32_t segment;
    uint8_t kind;    /* enum hg_segment_kind */
    uint8_t sealed;  /* a frame segment with a footer */
    uint8_t busy;    /* written to, or about to be: what is not live may be so soon */
    uint8_t unasked; /* hg_live_mark_unasked's */
    uint64_t used;   /* bytes of the file, but for room taken ahead */
    uint64_t own;    /* of these: its header, its footer */
    uint64_t live[HG_HOLDERS];
};
/* What is neither live nor the segment's own. */
uint64_t hg_live_dead(const struct hg_live_segment *g);

/* struct hg_live_segment of every segment of the store, by id, appended to `out`. */
HG_MUST_CHECK int hg_live_mark(holog_store *s, struct hg_buf *out);
/* And says of those with an id below `below` whether they may hold something of a value or record that nobody can ask for,
 * however little: frame segments, what has pages of them, extents and compressed values that do not live as a whole. */
HG_MUST_CHECK int hg_live_mark_unasked(holog_store *s, uint32_t below, struct hg_buf *out);

enum hg_live_kind {
    HG_LIVE_FRAME = 1, /* of a commit that is kept: header and body */
    HG_LIVE_TIME,
    HG_LIVE_RECORD,
    HG_LIVE_PIECE, /* of a value or payload in extents */
    HG_LIVE_LIST   /* a record list that the frame of a commit that is kept names */
};

/* Things overlap: records lie in frames and lists. */
struct hg_live_thing {
    uint32_t segment;
    uint8_t kind;     /* enum hg_live_kind */
    uint8_t holder;   /* enum hg_live_holder; of a record or piece */
    uint8_t type;     /* RECORD, PIECE: enum hg_record_type */
    uint8_t is_chunk; /* PIECE of a LARGE: the path is that of an array's chunk (base/node.h) */
    uint64_t offset;
    uint64_t len;
    hg_pos birth;       /* RECORD: its own; PIECE, LIST: of the record that names it; else 0 */
    uint64_t value_len; /* PIECE: bytes of the whole value or payload */
    uint64_t value_at;  /* PIECE: where in it the piece begins */
    const char *
        path; /* RECORD, PIECE, when an entry refers to it: that of the newest such; NULL: none. The list's */
    size_t path_len;
};

struct hg_live_list {
    struct hg_buf things; /* struct hg_live_thing, by segment, offset and kind */
    struct hg_buf paths;
    uint64_t taken; /* of the budget */
};

/* Of these segments every live thing; of a .hwp that has pages of others, also what lives in those, by the segment and
 * offset that it had. Released also after a failure. */
HG_MUST_CHECK int hg_live_things(holog_store *s, const uint32_t *segments, size_t n,
                                 struct hg_live_list *out);
void hg_live_list_release(holog_store *s, struct hg_live_list *list);

#endif
