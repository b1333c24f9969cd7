/*
 * The frame header: one atomic batch (docs/FORMAT.md, section 4).
 */
#ifndef HG_WAL_FRAME_H
#define HG_WAL_FRAME_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/byteorder.h"
#include "wal/layout.h"

#define HG_FRAME_MAGIC       0x31464748u
#define HG_FRAME_DRAFT       0x44464748u /* in memory only */
#define HG_FRAME_HEADER_SIZE 64u
#define HG_BODY_MIN          9u /* time, no fields, no records */
#define HG_FRAME_MIN         (HG_FRAME_HEADER_SIZE + HG_BODY_MIN)

enum hg_frame_type {
    HG_FRAME_COMMIT = 1,
    HG_FRAME_SYSTEM = 2
};

struct hg_frame {
    uint8_t type; /* enum hg_frame_type */
    uint32_t len; /* header + body, unpadded */
    uint32_t nrec;
    uint64_t number;
    hg_pos floor;
    uint32_t prev_len;
    uint32_t prev_hash; /* low 32 bits */
    uint64_t body_hash;
    uint64_t head_hash; /* decode: as read and verified; encode: set by it */
};

/* Where a frame stands: what seeds its header hash. */
struct hg_frame_place {
    uint64_t salt;
    uint64_t epoch;
    uint32_t segment;
    uint32_t offset;
};

void hg_frame_encode(struct hg_frame *f, const struct hg_frame_place *at,
                     uint8_t out[HG_FRAME_HEADER_SIZE]);

/* What stands in a cache in place of the header of a frame that was appended and whose group is not
 * closed: the rest is known only then. Never in a file. Uses f's type, len, nrec and number. */
void hg_frame_draft(const struct hg_frame *f, const struct hg_frame_place *at,
                    uint8_t out[HG_FRAME_HEADER_SIZE]);
/* 1 and its number: a draft, made for this place. */
int hg_frame_is_draft(const uint8_t in[HG_FRAME_HEADER_SIZE], const struct hg_frame_place *at,
                      uint64_t *out_number);

enum hg_frame_verdict {
    HG_FRAME_OK = 0,
    HG_FRAME_ZERO,    /* 64 zero bytes: never written */
    HG_FRAME_BAD,     /* not a frame */
    HG_FRAME_DAMAGED, /* meant for this place (field 40), but the hash or a bound fails */
};
/* Header only: magic, hash, bounds of len against min(capacity / 4 [at least 4096], HG_FRAME_MAX);
 * the floor is not behind the frame's own start. What the file still holds is the caller's to ask
 * before it reads the body. Sets no error detail; *out only on HG_FRAME_OK. */
enum hg_frame_verdict hg_frame_decode(const uint8_t in[HG_FRAME_HEADER_SIZE],
                                      const struct hg_frame_place *at, uint64_t capacity,
                                      struct hg_frame *out);
/* The segment's epoch, as the header at this offset says it. */
static inline uint64_t hg_frame_epoch(const uint8_t in[HG_FRAME_HEADER_SIZE], uint32_t offset)
{
    return hg_get_le64(in + 40) ^ offset;
}
/* Longest frame a segment of that capacity may hold. */
uint32_t hg_frame_len_max(uint64_t capacity);

/* ---- body: time, fields, records ------------------------------------------------------------ */

enum hg_field_type {
    HG_FIELD_MESSAGE = 1,
    HG_FIELD_META = 2,
    HG_FIELD_NONCE = 3
};

/* Starts a body in an empty buf: time and fields. fields may be NULL (no fields). */
HG_MUST_CHECK int hg_body_begin(struct hg_buf *body, uint64_t time_ns, const uint8_t *fields,
                                size_t fields_len);
/* Append one field to a fields buffer. */
HG_MUST_CHECK int hg_field_append(struct hg_buf *fields, enum hg_field_type type, const void *data,
                                  size_t len);
HG_MUST_CHECK int hg_field_append_meta(struct hg_buf *fields, const char *key, size_t key_len,
                                       const char *value, size_t value_len);

struct hg_body {
    uint64_t time_ns;
    const uint8_t *fields; /* borrowed */
    size_t fields_len;
    size_t records_at; /* offset in the body of the first record */
};
/* Detail: message only; the caller adds segment and offset. HOLOG_E_CORRUPT, HOLOG_E_VERSION. */
HG_MUST_CHECK int hg_body_decode(const uint8_t *body, size_t len, struct hg_body *out);
struct hg_field {
    uint8_t type;
    const uint8_t *data;
    size_t len;
    /* META */
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};
/* *at starts at 0; HOLOG_OK, HOLOG_E_NOENT at the end, HOLOG_E_CORRUPT. */
HG_MUST_CHECK int hg_field_next(const uint8_t *fields, size_t fields_len, size_t *at,
                                struct hg_field *out);

#endif
