/*
 * Which records a segment has, and what they refer to.
 *
 * Of a sealed frame segment that is its *digest*: where its frames and records are, and of records that
 * refer to others (LARGE, DELTA, FOLD, BODY) what they name. It is made from the footer when it is first
 * asked for, and kept: sealed segments do not change. Digests have at most a sixteenth of the budget;
 * those that were not used for longest go first. One that the budget has no room for is made each time.
 *
 * Of other segments (one that is being written, record lists in extents) records are read one by one.
 *
 * Any thread may call anything. The lock is rank 5: nothing is taken inside.
 */
#ifndef HG_ENGINE_REFS_H
#define HG_ENGINE_REFS_H

#include "base/assert.h"
#include "base/buf.h"
#include "engine/cache.h"
#include "holog/holog.h"
#include "wal/record.h"

/* One record, and what it refers to. */
struct hg_ref {
    uint32_t offset;
    uint32_t len;
    uint32_t body;        /* offset of the body that it stands in: its time is there */
    uint8_t type;         /* enum hg_record_type */
    hg_pos base;          /* DELTA: what it changes; FOLD: what it describes */
    uint64_t value_len;   /* of what is in extents (n_pieces > 0) */
    struct hg_piece list; /* BODY */
    uint32_t n_pieces;
    const struct hg_piece *pieces; /* borrowed */
};

/* Of a segment that was replaced: what is remembered of the record at `birth`, which refers to nothing; or of the frame
 * there, which has no list of records. 0: not known. */
struct hg_refs;
int hg_refs_remembered(struct hg_refs *r, hg_pos birth, struct hg_ref *out);
/* It has been read. */
void hg_refs_remember(struct hg_refs *r, hg_pos birth, const struct hg_ref *ref);

struct hg_ref_frame {
    uint32_t offset;
    uint32_t len;
};

struct hg_digest;
struct hg_refs;

HG_MUST_CHECK int hg_refs_create(struct hg_io *io, struct hg_files *files, struct hg_cache *cache,
                                 uint64_t budget_bytes, struct hg_refs **out_refs);
void hg_refs_destroy(struct hg_refs *r); /* NULL is fine; all digests have been put */

/* HOLOG_E_NOENT, without a message: the segment has no footer. Put it back. */
HG_MUST_CHECK int hg_digest_get(struct hg_refs *r, uint32_t segment, struct hg_digest **out);
void hg_digest_put(struct hg_refs *r, struct hg_digest *d); /* NULL is fine */
/* The segment's file is gone, or is another one. */
void hg_refs_forget(struct hg_refs *r, uint32_t segment);
uint64_t hg_refs_bytes(struct hg_refs *r);

uint64_t hg_digest_frames_end(const struct hg_digest *d);
uint64_t hg_digest_file_size(const struct hg_digest *d);
/* The record at offset; 0: none begins there. */
int hg_digest_find(const struct hg_digest *d, uint32_t offset, struct hg_ref *out);
/* Records that refer to something, by offset, from *at on, which starts at 0. 0: there is no more. */
int hg_digest_next(const struct hg_digest *d, size_t *at, struct hg_ref *out);

/* Records of a segment without a digest, one by one: ascending offsets are quick. */
struct hg_ref_reader {
    holog_store *s;
    uint32_t segment;
    int list;     /* the segment is one of extents */
    uint64_t end; /* nothing at or behind it is read */
    uint64_t at;  /* of what is in the window */
    struct hg_buf window;
    struct hg_buf pieces;
};
void hg_ref_reader_begin(struct hg_ref_reader *r, holog_store *s, uint32_t segment, int list,
                         uint64_t end);
void hg_ref_reader_end(struct hg_ref_reader *r);
/* What out borrows is good until the next call. */
HG_MUST_CHECK int hg_ref_read(struct hg_ref_reader *r, uint32_t offset, struct hg_ref *out);
/* The first record of a frame. HOLOG_E_NOENT, without a message: it has none. */
HG_MUST_CHECK int hg_ref_read_first(struct hg_ref_reader *r, const struct hg_ref_frame *frame,
                                    struct hg_ref *out);

/* The span table of the FOLD at `fold`, which describes `version`: struct hg_span, birth 0 for its own
 * bytes, appended to out. */
HG_MUST_CHECK int hg_fold_read_spans(holog_store *s, hg_pos version, hg_pos fold,
                                     struct hg_buf *out);

#endif
