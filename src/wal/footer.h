/*
 * The footer of a sealed frame segment: its frames without their payloads (docs/FORMAT.md,
 * section 7). Built while frames are appended, a chunk compressed as it fills, so that sealing is
 * cheap.
 */
#ifndef HG_WAL_FOOTER_H
#define HG_WAL_FOOTER_H

#include "base/assert.h"
#include "base/buf.h"
#include "wal/frame.h"
#include "wal/record.h"

#define HG_FOOTER_TAIL_SIZE   128u
#define HG_FOOTER_CHUNK_BYTES (256u << 10)

struct hg_footer_builder;
HG_MUST_CHECK int hg_footer_builder_create(uint64_t first_number, struct hg_footer_builder **out);
void hg_footer_builder_destroy(struct hg_footer_builder *b);
/* One frame in order: header (head_hash set), its offset, its body (frame.len - 64 bytes, valid). */
HG_MUST_CHECK int hg_footer_add(struct hg_footer_builder *b, const struct hg_frame *f,
                                uint32_t offset, const uint8_t *body);
/* One with the frames of a segment, which end at `end`: they are read, and verified, for a footer made of damaged ones would
 * vouch for the damage. On error *out is as it was. (seal.c) */
struct hg_file;
struct hg_segment_header;
HG_MUST_CHECK int hg_footer_of_frames(const struct hg_segment_header *h, struct hg_file *f,
                                      uint64_t end, struct hg_footer_builder **out);
uint64_t hg_footer_builder_bytes(const struct hg_footer_builder *b); /* memory held */

struct hg_footer_tail {
    uint32_t segment;
    uint32_t chunks;
    uint64_t epoch;
    uint8_t uuid[16];
    uint64_t salt;
    uint64_t frames_end; /* unrounded end of the last frame */
    uint64_t chunks_at;  /* file offset of the first chunk */
    uint64_t frames;
    uint64_t first_number;
    uint64_t last_number;
    uint64_t last_hash;
    uint64_t last_len;
    uint64_t heads_hash;
};
/* Chunks and tail into out, to be written at align8(frames_end). t: segment, epoch, uuid, salt and
 * frames_end set by the caller; the rest by us. */
HG_MUST_CHECK int hg_footer_finish(struct hg_footer_builder *b, struct hg_footer_tail *t,
                                   struct hg_buf *out);

/* Tail only (the last 128 bytes of a file of file_size bytes): bounds and identity fields, not the
 * hash over the chunks. HOLOG_E_NOENT: no footer magic (an unsealed segment); HOLOG_E_CORRUPT. */
HG_MUST_CHECK int hg_footer_tail_decode(const uint8_t in[HG_FOOTER_TAIL_SIZE], uint64_t file_size,
                                        struct hg_footer_tail *out);
/* Verify the hash and walk. footer: the bytes from t->chunks_at to the end of the file. `each`
 * frame: f has type, len, number, nrec and nothing else; then its records one by one with
 * offset = absolute file offset of the record, segment set. Bodies in extents come as their BODY
 * record. Non-zero from a callback stops and is returned. */
struct hg_footer_visitor {
    void *ctx;
    int (*frame)(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns);
    int (*record)(void *ctx, const struct hg_record *r);
};
HG_MUST_CHECK int hg_footer_walk(const struct hg_footer_tail *t, const uint8_t *footer, size_t len,
                                 uint64_t first_number, const struct hg_footer_visitor *v);

#endif
