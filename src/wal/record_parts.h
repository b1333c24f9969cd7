/*
 * What the files of the record codec share: record.c (heads, paths, most types), record_extents.c
 * (pieces, block tables), record_segments.c (segments), record_versions.c (deltas, folds, rollbacks, tags). Private to them.
 */
#ifndef HG_WAL_RECORD_PARTS_H
#define HG_WAL_RECORD_PARTS_H

#include "wal/record.h"

#define HG_REC_CONTENT_MAX HG_EXTENT_SEGMENT_MAX /* a body in an extent holds no longer one */

/* Every report of a malformed record comes by here. HOLOG_E_CORRUPT. */
int hg_rec_bad(const char *why);

/* Room for a record, its head written: *out_p is where its content goes, exactly len bytes. */
HG_MUST_CHECK int hg_rec_begin(struct hg_buf *body, uint8_t type, size_t len, uint8_t **out_p,
                               size_t *out_at);
/* Each returns where the next field goes. text: with its length in front. */
uint8_t *hg_rec_put_bytes(uint8_t *p, const void *data, size_t len);
uint8_t *hg_rec_put_text(uint8_t *p, const char *text, size_t len);

/* A varint length and a canonical path; bytes consumed, or 0. */
size_t hg_rec_get_path(const uint8_t *in, size_t avail, const char **out_path, size_t *out_len);
/* All `len` bytes are a path; "" is everything, for the types that may say so. */
HG_MUST_CHECK int hg_rec_path_to_end(const uint8_t *in, size_t len, struct hg_record *r);

/* ---- record_extents.c ------------------------------------------------------------------------- */

int hg_piece_sane(const struct hg_piece *p);
size_t hg_piece_size(const struct hg_piece *p);
size_t hg_piece_encode(uint8_t *out, const struct hg_piece *p);
/* Bytes consumed, or 0. */
size_t hg_piece_decode(const uint8_t *in, size_t avail, struct hg_piece *out);
/* Lengths, sums and the total of a whole table: 0 when anything is off. */
int hg_block_table_sane(const uint8_t *table, uint64_t value_len, uint8_t csum);

/* The end of a record whose bytes lie in extents: varint length, varint pieces, pieces, entry width,
 * block table. csum is what the table must add up to. */
size_t hg_rec_extents_size(uint64_t value_len, const struct hg_piece *pieces, uint32_t n_pieces);
uint8_t *hg_rec_put_extents(uint8_t *p, uint64_t value_len, const struct hg_piece *pieces,
                            uint32_t n_pieces, const uint8_t *table);
HG_MUST_CHECK int hg_rec_extents_decode(const uint8_t *in, size_t len, uint8_t csum,
                                        struct hg_record *r);

/* ---- record_segments.c ------------------------------------------------------------------------ */

HG_MUST_CHECK int hg_rec_segments_decode(const uint8_t *in, size_t len, struct hg_record *r);
HG_MUST_CHECK int hg_rec_edit_decode(const uint8_t *in, size_t len, struct hg_record *r);

/* ---- record_versions.c ------------------------------------------------------------------------ */

/* r->type says which. */
HG_MUST_CHECK int hg_rec_versions_decode(const uint8_t *in, size_t len, struct hg_record *r);

#endif
