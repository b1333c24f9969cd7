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
    HG_REC_SEGMENTS = 24,
    HG_REC_CONFIG = 27,
};
#define HG_REC_TYPE_BITS 0x3fu
#define HG_REC_IGNORABLE 0x80u

/* What a stored path is held to, apart from the engine's own canonical form on purpose (two judges):
 * UTF-8 without NUL, 1-4096 bytes, 1-64 components of 1-255 bytes, none "." or "..". Anything else
 * is 0. The encoders assert it. */
#define HG_REC_PATH_MAX  4096u
#define HG_REC_NAME_MAX  255u
#define HG_REC_DEPTH_MAX 64u
int hg_rec_path_valid(const char *path, size_t len);
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

/* One record, decoded: what it borrows lies in the bytes it was decoded from. Which fields are set
 * follows from the type. A record read from a footer has value == NULL and table == NULL, and only
 * the low 24 bits of its hash. */
struct hg_record {
    uint8_t type;      /* bits 0-5 */
    uint8_t ignorable; /* bit 7 */
    uint32_t segment;  /* birth position; set by whoever walks */
    uint32_t offset;
    uint32_t body_start; /* offset in that segment of the body it is in */
    size_t whole_len;    /* bytes of the record as stored */
    const char *path;    /* not NUL-terminated; CONFIG: the key */
    size_t path_len;
    const char *to; /* MOVE, COPY: destination */
    size_t to_len;
    uint8_t csum;
    struct hg_hash128 hash; /* BLOB, SYMLINK: lo only */
    uint32_t check;         /* low 24 bits of hash.lo */
    uint64_t value_len;     /* BLOB, LARGE; SYMLINK: target */
    const uint8_t *value;   /* BLOB, SYMLINK inline bytes; CONFIG value (value_len too) */
    const uint8_t *pieces;  /* LARGE: encoded pieces, n_pieces of them */
    size_t pieces_len;
    uint32_t n_pieces;
    const uint8_t *table;    /* LARGE: hg_block_count(value_len) entries */
    uint32_t killed_segment; /* DELETE */
    struct hg_piece body;    /* BODY */
    uint64_t body_hash;      /* BODY */
    const uint8_t *rest;     /* SEGMENTS and unknown ignorable types: the content */
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
struct hg_segment_entry {
    uint32_t segment;
    uint8_t kind;
    uint64_t used;
};
HG_MUST_CHECK int hg_rec_segments(struct hg_buf *body, const struct hg_segment_entry *entries,
                                  size_t n, size_t *out_at);
HG_MUST_CHECK int hg_rec_segments_next(const struct hg_record *r, size_t *at,
                                       struct hg_segment_entry *out); /* HOLOG_E_NOENT at the end */

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
 * a LARGE record's table the lengths and sums are checked, so that it can be indexed blindly. */
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

#endif
