/*
 * Records: the changes in a frame (docs/FORMAT.md, section 5), and the pieces and block tables of
 * values in extents (section 6).
 */
#ifndef HG_WAL_RECORD_H
#define HG_WAL_RECORD_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "wal/layout.h"

struct hg_record;
enum hg_record_type {
    HG_REC_BLOB = 1,
    HG_REC_LARGE = 2,
    HG_REC_DIR = 3,
    HG_REC_SYMLINK = 4,
    HG_REC_DELETE = 5,
    HG_REC_DELETE_TREE = 6,
    HG_REC_MOVE = 7,
    HG_REC_COPY = 8,
    HG_REC_BODY = 9,
    HG_REC_DELTA = 10,
    HG_REC_ROLLBACK = 16,
    HG_REC_TAG = 17,
    HG_REC_RETENTION = 18,
    HG_REC_SEGMENTS = 24,
    HG_REC_EDIT = 26,
    HG_REC_CONFIG = 27,
    HG_REC_FOLD = 28,
    HG_REC_BLANK = 63, /* always with bit 7: a record that repair has taken out of a commit */
};
#define HG_REC_TYPE_BITS 0x3fu
#define HG_REC_IGNORABLE 0x80u
/* What a stored path is held to, apart from the engine's own canonical form on purpose (two judges):
 * UTF-8 without NUL, 1-4096 bytes, 1-64 components of 1-255 bytes, none "." or "..". Anything else
 * is 0. The encoders assert it. The last component may be a node component (base/node.h) instead. */
#define HG_REC_PATH_MAX  4096u
#define HG_REC_NAME_MAX  255u
#define HG_REC_DEPTH_MAX 64u
int hg_rec_path_valid(const char *path, size_t len);
/* The must-understand features that the header of a segment with such a record declares: because of
 * its type, and of its path. */
uint64_t hg_rec_type_needs(uint8_t type);
uint64_t hg_rec_needs(const struct hg_record *r);
int hg_rec_utf8_valid(const void *text, size_t len);

struct hg_piece {
    uint32_t segment;
    uint64_t offset; /* bytes, multiple of 4096 */
    uint64_t len;    /* bytes */
};
#define HG_PIECES_MAX 65536u

#define HG_BLOCK_ENTRY_SIZE 13u
struct hg_block_entry {
    uint64_t hash;
    uint8_t csum;
    uint32_t stored_len;
};
static inline uint64_t hg_block_count(uint64_t value_len)
{
    return (value_len + HG_HASH_BLOCK - 1) / HG_HASH_BLOCK;
}
void hg_block_entry_encode(const struct hg_block_entry *e, uint8_t out[HG_BLOCK_ENTRY_SIZE]);
void hg_block_entry_decode(const uint8_t in[HG_BLOCK_ENTRY_SIZE], struct hg_block_entry *out);
/* Append the entries of `len` bytes (a multiple of 64 KiB unless it is the value's end) to table,
 * add to *csum. */
HG_MUST_CHECK int hg_block_table_add(struct hg_buf *table, const void *data, size_t len,
                                     uint8_t *csum);

enum hg_delta_kind {
    HG_DELTA_INSERT = 1,
    HG_DELTA_UPDATE = 2,
    HG_DELTA_DELETE = 3,
    HG_DELTA_MOVE = 4,
    HG_DELTA_REGION = 5, /* of an array: HOLOG_E_VERSION so far */
};
/* The csum of a version whose base has none that is known, or that was made while none was kept. */
#define HG_CSUM_UNKNOWN 127u
static inline int hg_delta_has_payload(uint8_t kind)
{
    return kind == HG_DELTA_INSERT || kind == HG_DELTA_UPDATE;
}

/* One record, decoded: what it borrows lies in the bytes it was decoded from. Which fields are set
 * follows from the type. A record read from a footer has value == NULL and table == NULL, and only
 * the low 24 bits of its hash.
 * The bytes that DELTA (insert, update) and FOLD bring are their payload: in the record as those of
 * a BLOB, or in extents (n_pieces > 0) as those of a LARGE, in the same fields. */
struct hg_record {
    uint8_t type;      /* bits 0-5 */
    uint8_t ignorable; /* bit 7 */
    uint8_t csum;      /* DELTA, FOLD: of the whole version, or HG_CSUM_UNKNOWN */
    uint8_t kind;      /* DELTA: enum hg_delta_kind */
    uint32_t segment;  /* birth position; set by whoever walks */
    uint32_t offset;
    uint32_t body_start; /* offset in that segment of the body it is in */
    size_t whole_len;    /* bytes of the record as stored */
    const char *path;    /* not NUL-terminated; CONFIG: the key; TAG: the name */
    size_t path_len;
    const char *to; /* MOVE, COPY: destination */
    size_t to_len;
    struct hg_hash128 hash;  /* BLOB, SYMLINK, payload in the record: lo only */
    uint32_t check;          /* low 24 bits of hash.lo */
    uint32_t killed_segment; /* DELETE */
    uint64_t value_len;      /* BLOB, LARGE, payload; SYMLINK: target */
    const uint8_t *value;  /* BLOB, SYMLINK, payload in the record; CONFIG value (value_len too) */
    const uint8_t *pieces; /* in extents: encoded pieces, n_pieces of them */
    size_t pieces_len;
    const uint8_t *table;  /* in extents: hg_block_count(value_len) entries */
    uint32_t n_pieces;     /* 0: not in extents */
    uint32_t n_spans;      /* FOLD */
    uint64_t spans_len;    /* FOLD: the last bytes of the payload are the span table */
    hg_pos base;           /* DELTA: birth position of the version that it changes; FOLD: of the
                             version that it describes */
    uint64_t version_size; /* DELTA: bytes of the new version; FOLD: of the one described */
    uint64_t start, end;   /* DELTA: the range, in the base; insert: end == start */
    uint64_t move_to;      /* DELTA, move: in the base, before the range is cut out of it */
    size_t front_len;      /* DELTA, FOLD: bytes of the content before the payload */
    uint64_t number;       /* ROLLBACK: target; TAG: 0 = deleted; RETENTION: horizon */
    uint64_t time_ns;      /* TAG */
    struct hg_piece body;  /* BODY */
    uint64_t body_hash;    /* BODY */
    uint32_t n_added;      /* EDIT: so many entries of the content are of segments that came */
    const uint8_t *rest;   /* SEGMENTS, EDIT and unknown ignorable types: the content */
    size_t rest_len;
};

/* Encoders append one whole record to body; *out_at (may be NULL) gets its offset in the body. Paths
 * are canonical. */
HG_MUST_CHECK int hg_rec_blob(struct hg_buf *body, const char *path, size_t path_len,
                              const void *value, size_t value_len, uint64_t hash, uint8_t csum,
                              size_t *out_at);
/* HOLOG_E_TOOBIG: what the record of such a value cannot hold. */
HG_MUST_CHECK int hg_rec_large_check(uint64_t value_len, uint64_t n_pieces);
HG_MUST_CHECK int hg_rec_large(struct hg_buf *body, const char *path, size_t path_len,
                               uint64_t value_len, struct hg_hash128 hash, uint8_t csum,
                               const struct hg_piece *pieces, uint32_t n_pieces,
                               const uint8_t *table, size_t *out_at);
HG_MUST_CHECK int hg_rec_dir(struct hg_buf *body, const char *path, size_t path_len,
                             size_t *out_at);
HG_MUST_CHECK int hg_rec_symlink(struct hg_buf *body, const char *path, size_t path_len,
                                 const char *target, size_t target_len, size_t *out_at);
HG_MUST_CHECK int hg_rec_delete(struct hg_buf *body, const char *path, size_t path_len,
                                uint32_t killed_segment, size_t *out_at);
HG_MUST_CHECK int hg_rec_delete_tree(struct hg_buf *body, const char *path, size_t path_len,
                                     size_t *out_at);
/* type MOVE or COPY */
HG_MUST_CHECK int hg_rec_transfer(struct hg_buf *body, enum hg_record_type type, const char *from,
                                  size_t from_len, const char *to, size_t to_len, size_t *out_at);
HG_MUST_CHECK int hg_rec_body(struct hg_buf *body, const struct hg_piece *extent, uint64_t hash,
                              size_t *out_at);
HG_MUST_CHECK int hg_rec_config(struct hg_buf *body, const char *key, size_t key_len,
                                const void *value, size_t value_len, size_t *out_at);
/* ---- versions (record_versions.c) --------------------------------------------------------------- */

/* Bytes that a DELTA or FOLD brings. */
struct hg_payload {
    uint64_t len;
    struct hg_hash128 hash; /* in the record: XXH3-64 of the bytes (lo); in extents: of the table */
    const void *bytes;      /* in the record */
    uint8_t csum;           /* in extents, as all that follows */
    uint32_t n_pieces;      /* 0: in the record */
    const struct hg_piece *pieces;
    const uint8_t *table;
};
struct hg_delta_rec {
    const char *path;
    size_t path_len;
    hg_pos base;  /* 0: hg_rec_delta_patch will say */
    uint8_t csum; /* of the new version */
    uint8_t kind;
    uint64_t version_size;
    uint64_t start, end; /* insert: end == start */
    uint64_t move_to;
    struct hg_payload payload; /* insert, update */
};
HG_MUST_CHECK int hg_rec_delta(struct hg_buf *body, const struct hg_delta_rec *d, size_t *out_at);
/* What is known only when the commit's turn has come, put into a DELTA record that was encoded
 * before: its length stays. 0, and nothing has changed: the size takes another number of bytes. The
 * caller hashes the body after that. */
int hg_rec_delta_patch(uint8_t *record, size_t avail, uint8_t csum, hg_pos base,
                       uint64_t version_size);

/* The span table of a FOLD: each span is `len` bytes from `at` on of the bytes that the record at
 * `birth` brings; birth 0: of the FOLD's own new bytes, which come before the table. */
#define HG_SPANS_MAX (1u << 24)
struct hg_span {
    hg_pos birth;
    uint64_t at;
    uint64_t len; /* above 0 */
};
HG_MUST_CHECK int hg_span_append(struct hg_buf *table, const struct hg_span *s);
/* *at starts at 0; HOLOG_OK, HOLOG_E_NOENT at the end, HOLOG_E_CORRUPT. */
HG_MUST_CHECK int hg_spans_next(const uint8_t *table, size_t len, size_t *at, struct hg_span *out);
/* The whole span table of FOLD r against what r says. For whoever has read it from extents: of a
 * payload in the record the decoder has done it. */
HG_MUST_CHECK int hg_spans_check(const struct hg_record *r, const uint8_t *table);

struct hg_fold_rec {
    hg_pos version; /* birth position of the version that is described */
    uint8_t csum;   /* of that version */
    uint64_t version_size;
    uint32_t n_spans;
    uint64_t spans_len; /* the last bytes of the payload */
    struct hg_payload payload;
};
HG_MUST_CHECK int hg_rec_fold(struct hg_buf *body, const struct hg_fold_rec *f, size_t *out_at);
/* path "" is everything */
HG_MUST_CHECK int hg_rec_rollback(struct hg_buf *body, uint64_t number, const char *path,
                                  size_t path_len, size_t *out_at);
/* [A-Za-z][A-Za-z0-9._-]{0,63}, and not HEAD */
#define HG_TAG_NAME_MAX 64u
int hg_tag_name_valid(const char *name, size_t len);
/* number 0: the tag is deleted */
HG_MUST_CHECK int hg_rec_tag(struct hg_buf *body, uint64_t number, uint64_t time_ns,
                             const char *name, size_t name_len, size_t *out_at);
HG_MUST_CHECK int hg_rec_retention(struct hg_buf *body, uint64_t horizon, size_t *out_at);

struct hg_segment_entry {
    uint32_t segment;
    uint8_t kind; /* enum hg_segment_kind; in memory and in checkpoints with bits below */
    uint64_t used;
};
#define HG_SEGMENT_REMOVED 0x80u /* an EDIT has removed it; its file may be there */
#define HG_SEGMENT_LISTS   0x40u /* of extents: frames have their records there */
static inline unsigned hg_segment_entry_kind(const struct hg_segment_entry *e)
{
    return e->kind & ~(HG_SEGMENT_REMOVED | HG_SEGMENT_LISTS);
}
HG_MUST_CHECK int hg_rec_segments(struct hg_buf *body, const struct hg_segment_entry *entries,
                                  size_t n, size_t *out_at);
HG_MUST_CHECK int hg_rec_segments_next(const struct hg_record *r, size_t *at,
                                       struct hg_segment_entry *out); /* HOLOG_E_NOENT at the end */
/* EDIT: segments that are of the store from now on, and those that are no more, whose files may be gone. */
HG_MUST_CHECK int hg_rec_edit(struct hg_buf *body, const struct hg_segment_entry *added,
                              size_t n_added, const struct hg_segment_entry *removed,
                              size_t n_removed, size_t *out_at);
/* The same for both; out_removed: the entry is one of those that went. */
HG_MUST_CHECK int hg_rec_edit_next(const struct hg_record *r, size_t *at,
                                   struct hg_segment_entry *out, int *out_removed);

/* Decode the record at in (avail bytes to the end of the body); `back` is what its back field must
 * say (its offset in the body). Every path is checked (canonical, limits). Sets everything but
 * segment, offset, body_start. HOLOG_E_CORRUPT with a message; HOLOG_E_VERSION for an unknown type
 * that may not be skipped. */
HG_MUST_CHECK int hg_rec_decode(const uint8_t *in, size_t avail, size_t back,
                                struct hg_record *out);
/* As above when the place in the body is not known: *out_back gets the back field. For reads by
 * birth position. */
HG_MUST_CHECK int hg_rec_decode_at(const uint8_t *in, size_t avail, size_t *out_back,
                                   struct hg_record *out);
/* For who knows the path: 1 when a BLOB record of exactly this path, which is canonical, stands at in
 * and lies in avail. */
struct hg_rec_blob_value {
    const uint8_t *bytes; /* borrowed from in */
    size_t len;
    uint64_t hash; /* as stored */
    size_t back;   /* offset of the record in the body */
};
int hg_rec_is_blob_of(const uint8_t *in, size_t avail, const char *path, size_t path_len,
                      struct hg_rec_blob_value *out);
/* None checks a value's hash or a table's: who takes the value does (body hashes cover both). Of
 * a block table the lengths and sums are checked, so that it can be indexed blindly. */
/* The bytes of a BLOB/SYMLINK/LARGE record before the value (or table): how much must be read to
 * know its length. Given at least HG_REC_PREFIX_MAX bytes (or all there are), *out_whole_len gets
 * the record's length. */
#define HG_REC_PREFIX_MAX 21u /* type, two varints */
HG_MUST_CHECK int hg_rec_peek(const uint8_t *in, size_t avail, size_t *out_whole_len);

/* *at starts at 0; HOLOG_OK, HOLOG_E_NOENT at the end, HOLOG_E_CORRUPT. */
HG_MUST_CHECK int hg_pieces_next(const struct hg_record *r, size_t *at, struct hg_piece *out);

/* ---- parts, for the footer ---------------------------------------------------------------------- */

struct hg_rec_head {
    uint8_t type_byte;
    uint8_t size;   /* bytes of type, length and back */
    size_t content; /* bytes that follow */
    size_t back;
};
HG_MUST_CHECK int hg_rec_head_decode(const uint8_t *in, size_t avail, struct hg_rec_head *out);
/* What follows the head, all `len` bytes of it. Sets everything but segment, offset, body_start,
 * whole_len. */
HG_MUST_CHECK int hg_rec_content_decode(uint8_t type_byte, const uint8_t *content, size_t len,
                                        struct hg_record *out);
/* r->n_pieces pieces at in, which hold r->value_len bytes together: sets pieces and pieces_len. */
HG_MUST_CHECK int hg_rec_pieces_decode(const uint8_t *in, size_t avail, struct hg_record *r);
/* DELTA, FOLD: the content up to the payload; sets front_len. */
HG_MUST_CHECK int hg_rec_front_decode(const uint8_t *in, size_t avail, struct hg_record *r);
/* Whether r brings a payload at all, and whether what stands before it fits one of value_len. */
static inline int hg_rec_has_payload(const struct hg_record *r)
{
    return r->type == HG_REC_FOLD || (r->type == HG_REC_DELTA && hg_delta_has_payload(r->kind));
}
HG_MUST_CHECK int hg_rec_payload_fits(const struct hg_record *r);
enum hg_payload_form {
    HG_PAYLOAD_INLINE = 0,
    HG_PAYLOAD_EXTENTS = 1,
};
/* Bytes of a payload's fields before its bytes, or before the length of what is in extents. */
#define HG_PAYLOAD_INLINE_FIXED  (1u + 8u)       /* form, hash */
#define HG_PAYLOAD_EXTENTS_FIXED (1u + 1u + 16u) /* form, csum, hash */

#endif
