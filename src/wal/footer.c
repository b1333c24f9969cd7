/*
 * The footer of a sealed segment: built beside the frames, walked instead of them.
 *
 *   at align8(end of the last frame):
 *     chunk*   raw length u32 | compressed length u32 | XXH3-64 of the compressed bytes | zstd frame
 *     tail     128 bytes, the end of the file:
 *
 *  offset size field                             offset size field
 *       0    8 magic 'HOLOGFTR'                       64    8 number of frames
 *       8    4 segment id                             72    8 number of the first commit, 0 = none
 *      12    4 chunks                                 80    8 number of the last commit
 *      16    8 epoch                                  88    8 header hash of the last frame
 *      24   16 uuid                                   96    8 length of the last frame
 *      40    8 salt                                  104    8 XXH3-64 of all header hashes
 *      48    8 end of the last frame                 112   16 XXH3-128 of tail 0..111 and chunks
 *      56    8 offset of the first chunk
 *
 * The raw bytes of the chunks, joined, are entries (docs/FORMAT.md, section 7); an entry may lie in
 * two chunks. Both ends keep the same running state (struct track): what the builder refuses to
 * describe, the walk would refuse to read.
 *
 * Memory: the builder holds one raw chunk (256 KiB) and what is compressed; the walk holds one chunk
 * and the record that spans it.
 */
#include "wal/footer.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/zstd.h"
#include "wal/segment.h"

#define FOOTER_MAGIC     "HOLOGFTR"
#define TAIL_HASHED      112u
#define CHUNK_HEAD       16u
#define CHUNK_RAW_MAX    (4u << 20)
#define CHUNK_WINDOW_MAX (8u << 20)
#define ZSTD_LEVEL       1 /* 256 KiB in well under a millisecond: a roll waits for the last chunk */
#define RECORD_MIN       3u

static_assert(TAIL_HASHED + 16 == HG_FOOTER_TAIL_SIZE, "the hash ends the tail: format v1");
static_assert(HG_FOOTER_CHUNK_BYTES <= CHUNK_RAW_MAX, "what we write we read");

/* ---- what both ends keep ---------------------------------------------------------------------- */

struct track {
    uint32_t segment;      /* for reports; 0 = not known (builder) */
    uint64_t end;          /* of the frame before, unrounded */
    uint64_t time_ns;      /* of the frame before */
    uint64_t number;       /* of the frame before, or the header's first number - 1 */
    uint64_t first_number; /* of the header */
    uint64_t first_commit; /* 0 = none yet */
    uint64_t frames;
    uint64_t last_len;
};

static void track_begin(struct track *t, uint64_t first_number)
{
    memset(t, 0, sizeof *t);
    t->end = HG_SEGMENT_HEADER_SIZE;
    t->number = first_number - 1;
    t->first_number = first_number;
}

/* Whether a frame may follow: NULL, or why not. Bounds first, for the sums below. */
static const char *track_fault(const struct track *t, const struct hg_frame *f, uint64_t offset)
{
    uint64_t next = HG_ALIGN_UP(t->end, (uint64_t)8);

    if (f->len < HG_FRAME_MIN || f->len > HG_FRAME_MAX)
        return "the length of a frame is out of range";
    if (offset != next && offset != HG_ALIGN_UP(next, (uint64_t)HG_BLOCK))
        return "a frame does not stand where the one before it ends";
    if (offset > HG_SEGMENT_MAX || f->len > HG_SEGMENT_MAX - offset)
        return "a frame ends behind the longest segment";
    if (f->nrec > (f->len - HG_FRAME_MIN) / RECORD_MIN)
        return "a frame has more records than bytes";
    if (f->type != HG_FRAME_COMMIT && f->type != HG_FRAME_SYSTEM)
        return "the type of a frame is unknown";
    if (f->number > HG_NUMBER_MAX)
        return "the number of a frame is out of range";
    if (t->first_commit == 0) {
        if (f->type == HG_FRAME_COMMIT && f->number < t->first_number)
            return "the first commit is below the segment's first number";
        if (f->type == HG_FRAME_SYSTEM && f->number >= t->first_number)
            return "a system frame has the number of a commit to come";
        return NULL;
    }
    if (f->number != t->number + (f->type == HG_FRAME_COMMIT))
        return "the number of a frame does not follow";
    return NULL;
}

static void track_step(struct track *t, const struct hg_frame *f, uint64_t offset, uint64_t time_ns)
{
    t->end = offset + f->len;
    t->time_ns = time_ns;
    t->number = f->number;
    t->last_len = f->len;
    t->frames++;
    if (f->type == HG_FRAME_COMMIT && t->first_commit == 0)
        t->first_commit = f->number;
}

/* ---- building --------------------------------------------------------------------------------- */

struct hg_footer_builder {
    struct hg_hash64_stream heads;
    struct track track;
    int failed; /* the first error of add: a half-described frame cannot be finished */
    uint64_t last_hash;
    struct hg_buf chunks; /* finished, with their heads */
    uint32_t n_chunks;
    size_t raw_len;
    uint8_t *raw; /* HG_FOOTER_CHUNK_BYTES */
};

int hg_footer_builder_create(uint64_t first_number, struct hg_footer_builder **out)
{
    struct hg_footer_builder *b = hg_alloc_aligned(_Alignof(struct hg_footer_builder), sizeof *b);
    if (b == NULL)
        goto nomem;
    memset(b, 0, sizeof *b);
    b->raw = hg_malloc(HG_FOOTER_CHUNK_BYTES);
    if (b->raw == NULL)
        goto nomem;
    hg_hash64_stream_begin(&b->heads);
    track_begin(&b->track, first_number);
    *out = b;
    return HOLOG_OK;
nomem:
    hg_footer_builder_destroy(b);
    return hg_error(HOLOG_E_NOMEM, "no memory for the footer of a segment");
}

void hg_footer_builder_destroy(struct hg_footer_builder *b)
{
    if (b == NULL)
        return;
    hg_buf_release(&b->chunks);
    hg_free(b->raw);
    hg_free(b);
}

uint64_t hg_footer_builder_bytes(const struct hg_footer_builder *b)
{
    return sizeof *b + HG_FOOTER_CHUNK_BYTES + b->chunks.cap;
}

/* The raw bytes become a chunk. */
static int flush_chunk(struct hg_footer_builder *b)
{
    size_t at = b->chunks.len;
    int rc = hg_buf_append_zeros(&b->chunks, CHUNK_HEAD);
    if (rc == HOLOG_OK)
        rc = hg_zstd_compress(b->raw, b->raw_len, ZSTD_LEVEL, &b->chunks);
    if (rc < 0) {
        b->chunks.len = at; /* flushed again when the caller tries again */
        return rc;
    }
    uint8_t *head = b->chunks.data + at;
    size_t n = b->chunks.len - at - CHUNK_HEAD;
    hg_put_le32(head + 0, (uint32_t)b->raw_len);
    hg_put_le32(head + 4, (uint32_t)n);
    hg_put_le64(head + 8, hg_hash64(head + CHUNK_HEAD, n));
    b->n_chunks++;
    b->raw_len = 0;
    return HOLOG_OK;
}

static int put(struct hg_footer_builder *b, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        size_t n = HG_MIN(len, HG_FOOTER_CHUNK_BYTES - b->raw_len);
        memcpy(b->raw + b->raw_len, p, n);
        b->raw_len += n;
        p += n;
        len -= n;
        if (b->raw_len == HG_FOOTER_CHUNK_BYTES) {
            int rc = flush_chunk(b);
            if (rc < 0)
                return rc;
        }
    }
    return HOLOG_OK;
}

static size_t put_check(uint8_t *out, uint32_t check)
{
    out[0] = (uint8_t)check;
    out[1] = (uint8_t)(check >> 8);
    out[2] = (uint8_t)(check >> 16);
    return 3;
}

static int is_value(uint8_t type)
{
    return type == HG_REC_BLOB || type == HG_REC_SYMLINK || type == HG_REC_LARGE;
}

static int is_delta_or_fold(uint8_t type)
{
    return type == HG_REC_DELTA || type == HG_REC_FOLD;
}

/* What is left of a value or payload: its length, and where it lies when that is in extents. */
static int put_length(struct hg_footer_builder *b, const struct hg_record *r)
{
    uint8_t s[2 * HG_VARINT_MAX];
    size_t n = hg_put_varint(s, r->value_len);

    if (r->n_pieces == 0)
        return put(b, s, n);
    n += hg_put_varint(s + n, r->n_pieces);
    int rc = put(b, s, n);
    return rc < 0 ? rc : put(b, r->pieces, r->pieces_len);
}

/* check, path, length */
static int put_value(struct hg_footer_builder *b, const struct hg_record *r)
{
    uint8_t s[3 + HG_VARINT_MAX];
    size_t n = put_check(s, r->check);

    n += hg_put_varint(s + n, r->path_len);
    int rc = put(b, s, n);
    if (rc == HOLOG_OK)
        rc = put(b, r->path, r->path_len);
    return rc < 0 ? rc : put_length(b, r);
}

/* check, what stands before the payload, and if there is one its form and length */
static int put_delta(struct hg_footer_builder *b, const uint8_t *content, const struct hg_record *r)
{
    uint8_t s[3 + HG_VARINT_MAX];
    uint8_t form = r->n_pieces == 0 ? HG_PAYLOAD_INLINE : HG_PAYLOAD_EXTENTS;
    size_t n = put_check(s, r->check);

    n += hg_put_varint(s + n, r->front_len);
    int rc = put(b, s, n);
    if (rc == HOLOG_OK)
        rc = put(b, content, r->front_len);
    if (rc < 0 || !hg_rec_has_payload(r))
        return rc;
    rc = put(b, &form, 1);
    return rc < 0 ? rc : put_length(b, r);
}

/* A record without its value. gap: bytes between the record before it and this one. */
static int put_record(struct hg_footer_builder *b, const uint8_t *in, uint64_t gap,
                      const struct hg_record *r, const struct hg_rec_head *head)
{
    uint8_t s[1 + 3 * HG_VARINT_MAX];
    size_t n = 0;

    s[n++] = in[0];
    n += hg_put_varint(s + n, gap);
    n += hg_put_varint(s + n, r->whole_len);
    if (!is_value(r->type) && !is_delta_or_fold(r->type))
        n += hg_put_varint(s + n, head->content);
    int rc = put(b, s, n);
    if (rc < 0)
        return rc;
    if (is_value(r->type))
        return put_value(b, r);
    if (is_delta_or_fold(r->type))
        return put_delta(b, in + head->size, r);
    return put(b, in + head->size, head->content);
}

static int put_frame(struct hg_footer_builder *b, const struct hg_frame *f, uint32_t offset,
                     uint64_t time_ns)
{
    uint8_t s[1 + 5 * HG_VARINT_MAX];
    size_t n = 0;

    n += hg_put_varint(s + n, offset - b->track.end);
    n += hg_put_varint(s + n, f->len);
    s[n++] = f->type;
    n += hg_put_varint(s + n, f->number - b->track.number); /* modulo 2^64 */
    n += hg_put_varint(s + n, time_ns - b->track.time_ns);  /* modulo 2^64 */
    n += hg_put_varint(s + n, f->nrec);
    return put(b, s, n);
}

static int put_records(struct hg_footer_builder *b, const struct hg_frame *f, const uint8_t *body,
                       size_t records_at)
{
    size_t len = f->len - HG_FRAME_HEADER_SIZE;
    size_t at = records_at;
    size_t end = 0; /* of the record before; the first is counted from the start of the body */
    struct hg_rec_head head;
    struct hg_record r;

    for (uint32_t i = 0; i < f->nrec; i++) {
        int rc = hg_rec_decode(body + at, len - at, at, &r);
        if (rc == HOLOG_OK)
            rc = hg_rec_head_decode(body + at, len - at, &head);
        if (rc == HOLOG_OK)
            rc = put_record(b, body + at, at - end, &r, &head);
        if (rc < 0)
            return rc;
        at += r.whole_len;
        end = at;
    }
    if (at != len)
        return hg_error(HOLOG_E_CORRUPT, "the frame body holds more than its records");
    return HOLOG_OK;
}

int hg_footer_add(struct hg_footer_builder *b, const struct hg_frame *f, uint32_t offset,
                  const uint8_t *body)
{
    uint8_t hash[8];
    struct hg_body open;

    if (b->failed < 0)
        return hg_error(b->failed, "the footer failed before");
    const char *fault = track_fault(&b->track, f, offset);
    if (fault != NULL)
        return hg_error(HOLOG_E_CORRUPT, "frame at %u: %s", (unsigned)offset, fault);
    int rc = hg_body_decode(body, f->len - HG_FRAME_HEADER_SIZE, &open);
    if (rc < 0)
        return rc;
    rc = put_frame(b, f, offset, open.time_ns);
    if (rc == HOLOG_OK)
        rc = put_records(b, f, body, open.records_at);
    if (rc < 0) {
        b->failed = rc;
        return rc;
    }
    hg_put_le64(hash, f->head_hash);
    hg_hash64_stream_add(&b->heads, hash, sizeof hash);
    b->last_hash = f->head_hash;
    track_step(&b->track, f, offset, open.time_ns);
    return HOLOG_OK;
}

static void tail_encode(const struct hg_footer_tail *t, uint8_t out[TAIL_HASHED])
{
    memcpy(out + 0, FOOTER_MAGIC, 8);
    hg_put_le32(out + 8, t->segment);
    hg_put_le32(out + 12, t->chunks);
    hg_put_le64(out + 16, t->epoch);
    memcpy(out + 24, t->uuid, 16);
    hg_put_le64(out + 40, t->salt);
    hg_put_le64(out + 48, t->frames_end);
    hg_put_le64(out + 56, t->chunks_at);
    hg_put_le64(out + 64, t->frames);
    hg_put_le64(out + 72, t->first_number);
    hg_put_le64(out + 80, t->last_number);
    hg_put_le64(out + 88, t->last_hash);
    hg_put_le64(out + 96, t->last_len);
    hg_put_le64(out + 104, t->heads_hash);
}

/* XXH3-128 of the tail's first bytes, then the chunks. */
static struct hg_hash128 footer_hash(const uint8_t tail[TAIL_HASHED], const uint8_t *chunks,
                                     size_t len)
{
    struct hg_hash_stream s;

    hg_hash_stream_begin(&s);
    hg_hash_stream_add(&s, tail, TAIL_HASHED);
    hg_hash_stream_add(&s, chunks, len);
    return hg_hash_stream_end(&s);
}

/* What encode asserts and decode checks: NULL, or what is wrong. */
static const char *tail_fault(const struct hg_footer_tail *t, uint64_t file_size)
{
    if (t->segment == 0)
        return "the segment id is 0";
    if (t->frames_end < HG_SEGMENT_HEADER_SIZE || t->frames_end > HG_SEGMENT_MAX)
        return "the end of the frames is out of range";
    if (t->chunks_at != HG_ALIGN_UP(t->frames_end, (uint64_t)8))
        return "the chunks do not follow the frames";
    if (file_size < HG_FOOTER_TAIL_SIZE || t->chunks_at > file_size - HG_FOOTER_TAIL_SIZE)
        return "the chunks lie behind the file's end";
    if (t->chunks > (file_size - HG_FOOTER_TAIL_SIZE - t->chunks_at) / CHUNK_HEAD)
        return "there are more chunks than bytes";
    if (t->last_number > HG_NUMBER_MAX || t->first_number > t->last_number)
        return "the commit numbers are out of range";
    uint64_t room = t->frames_end - HG_SEGMENT_HEADER_SIZE;
    if (t->frames == 0) {
        if (room != 0 || t->chunks != 0 || t->last_len != 0 || t->last_hash != 0 ||
            t->first_number != 0)
            return "no frames, but facts about them";
        return NULL;
    }
    if (t->frames > room / HG_FRAME_MIN || t->chunks == 0)
        return "the number of frames is out of range";
    if (t->last_len < HG_FRAME_MIN || t->last_len > room)
        return "the length of the last frame is out of range";
    return NULL;
}

int hg_footer_finish(struct hg_footer_builder *b, struct hg_footer_tail *t, struct hg_buf *out)
{
    struct hg_footer_tail tail = *t;
    uint8_t bytes[HG_FOOTER_TAIL_SIZE];

    if (b->failed < 0)
        return hg_error(b->failed, "the footer failed before");
    HG_ASSERT(t->frames_end == b->track.end);
    int rc = b->raw_len > 0 ? flush_chunk(b) : HOLOG_OK;
    if (rc < 0)
        return rc; /* nothing is lost: finish may be called again */
    tail.chunks = b->n_chunks;
    tail.chunks_at = HG_ALIGN_UP(t->frames_end, (uint64_t)8);
    tail.frames = b->track.frames;
    tail.first_number = b->track.first_commit;
    tail.last_number = b->track.number;
    tail.last_hash = b->last_hash;
    tail.last_len = b->track.last_len;
    tail.heads_hash = hg_hash64_stream_end(&b->heads);
    HG_ASSERT(tail_fault(&tail, tail.chunks_at + b->chunks.len + HG_FOOTER_TAIL_SIZE) == NULL);
    tail_encode(&tail, bytes);
    struct hg_hash128 hash = footer_hash(bytes, b->chunks.data, b->chunks.len);
    hg_put_le64(bytes + TAIL_HASHED, hash.lo);
    hg_put_le64(bytes + TAIL_HASHED + 8, hash.hi);
    rc = hg_buf_reserve(out, b->chunks.len + sizeof bytes);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(out, b->chunks.data, b->chunks.len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(out, bytes, sizeof bytes);
    if (rc == HOLOG_OK)
        *t = tail;
    return rc;
}

/* ---- the tail, read ---------------------------------------------------------------------------- */

int hg_footer_tail_decode(const uint8_t in[HG_FOOTER_TAIL_SIZE], uint64_t file_size,
                          struct hg_footer_tail *out)
{
    struct hg_footer_tail t;

    if (memcmp(in, FOOTER_MAGIC, 8) != 0)
        return HOLOG_E_NOENT;
    t.segment = hg_get_le32(in + 8);
    t.chunks = hg_get_le32(in + 12);
    t.epoch = hg_get_le64(in + 16);
    memcpy(t.uuid, in + 24, 16);
    t.salt = hg_get_le64(in + 40);
    t.frames_end = hg_get_le64(in + 48);
    t.chunks_at = hg_get_le64(in + 56);
    t.frames = hg_get_le64(in + 64);
    t.first_number = hg_get_le64(in + 72);
    t.last_number = hg_get_le64(in + 80);
    t.last_hash = hg_get_le64(in + 88);
    t.last_len = hg_get_le64(in + 96);
    t.heads_hash = hg_get_le64(in + 104);
    const char *fault = tail_fault(&t, file_size);
    if (fault != NULL)
        return hg_corrupt(t.segment, file_size - HG_FOOTER_TAIL_SIZE, "footer: %s", fault);
    *out = t;
    return HOLOG_OK;
}

/* ---- the walk ----------------------------------------------------------------------------------- */

#define NEED_MORE 1 /* a parser ran out of bytes and more chunks follow */

struct walk {
    struct track track;
    const struct hg_footer_visitor *v;
    const uint8_t *chunks; /* not yet decompressed */
    size_t chunks_len;
    uint64_t chunk_offset; /* of `chunks` in the file, for reports */
    uint32_t chunks_left;
    struct hg_buf raw; /* decompressed; entries before `at` are done */
    size_t at;
};

static int walk_bad(const struct walk *w, const char *why)
{
    return hg_corrupt(w->track.segment, w->chunk_offset, "footer: %s", why);
}

/* Lengths of the next chunk, bounded and hashed before anything is allocated for it. */
static int chunk_check(const struct walk *w, size_t *out_raw, size_t *out_compressed)
{
    const uint8_t *p = w->chunks;
    struct hg_zstd_frame frame;

    if (w->chunks_len < CHUNK_HEAD)
        return walk_bad(w, "a chunk is cut short");
    size_t raw = hg_get_le32(p);
    size_t compressed = hg_get_le32(p + 4);
    if (raw == 0 || raw > CHUNK_RAW_MAX)
        return walk_bad(w, "the raw length of a chunk is out of range");
    if (compressed == 0 || compressed > w->chunks_len - CHUNK_HEAD)
        return walk_bad(w, "a chunk is longer than the footer");
    if (!hg_hash_matches(hg_get_le64(p + 8), hg_hash64(p + CHUNK_HEAD, compressed)))
        return walk_bad(w, "the hash of a chunk is wrong");
    if (hg_zstd_frame_decode(p + CHUNK_HEAD, compressed, &frame) < 0 || frame.raw_bytes != raw ||
        frame.window_bytes > CHUNK_WINDOW_MAX)
        return walk_bad(w, "a chunk is no zstd frame of the length it states");
    if (frame.len_bytes != compressed)
        return walk_bad(w, "bytes follow the zstd frame of a chunk");
    *out_raw = raw;
    *out_compressed = compressed;
    return HOLOG_OK;
}

/* Make more raw bytes: what is done goes, the next chunk is added. */
static int walk_more(struct walk *w)
{
    size_t raw = 0;
    size_t compressed = 0;

    HG_ASSERT(w->chunks_left > 0);
    int rc = chunk_check(w, &raw, &compressed);
    if (rc < 0)
        return rc;
    if (w->at > 0) {
        w->raw.len -= w->at;
        memmove(w->raw.data, w->raw.data + w->at, w->raw.len);
        w->at = 0;
    }
    rc = hg_zstd_decompress(w->chunks + CHUNK_HEAD, compressed, raw, &w->raw);
    if (rc < 0)
        return rc == HOLOG_E_CORRUPT ? walk_bad(w, "a chunk does not decompress") : rc;
    w->chunks += CHUNK_HEAD + compressed;
    w->chunks_len -= CHUNK_HEAD + compressed;
    w->chunk_offset += CHUNK_HEAD + compressed;
    w->chunks_left--;
    return HOLOG_OK;
}

/* A place in the raw bytes; moves on only when a whole entry was there. */
struct reader {
    const uint8_t *p;
    size_t left;
    int more; /* chunks follow */
};

static int get_varint(struct reader *r, uint64_t *out)
{
    size_t n = hg_get_varint(r->p, r->left, out);
    if (n == 0)
        return r->more && r->left < HG_VARINT_MAX ? NEED_MORE : HOLOG_E_CORRUPT;
    r->p += n;
    r->left -= n;
    return HOLOG_OK;
}

static int get_bytes(struct reader *r, uint64_t len, const uint8_t **out)
{
    if (len > HG_FRAME_MAX)
        return HOLOG_E_CORRUPT;
    if (len > r->left)
        return r->more ? NEED_MORE : HOLOG_E_CORRUPT;
    *out = r->p;
    r->p += len;
    r->left -= (size_t)len;
    return HOLOG_OK;
}

static int read_frame(struct reader *in, const struct track *t, struct hg_frame *f,
                      uint64_t *out_offset, uint64_t *out_time)
{
    uint64_t gap = 0, len = 0, number = 0, time = 0, nrec = 0;
    const uint8_t *type = NULL;
    int rc;

    if ((rc = get_varint(in, &gap)) != 0 || (rc = get_varint(in, &len)) != 0 ||
        (rc = get_bytes(in, 1, &type)) != 0 || (rc = get_varint(in, &number)) != 0 ||
        (rc = get_varint(in, &time)) != 0 || (rc = get_varint(in, &nrec)) != 0)
        return rc;
    if (gap >= 8 + HG_BLOCK || len > HG_FRAME_MAX || nrec > UINT32_MAX)
        return HOLOG_E_CORRUPT;
    *f = (struct hg_frame){
        .type = *type,
        .len = (uint32_t)len,
        .number = t->number + number,
        .nrec = (uint32_t)nrec,
    };
    *out_offset = t->end + gap;
    *out_time = t->time_ns + time;
    return HOLOG_OK;
}

static int read_check(struct reader *in, struct hg_record *r)
{
    const uint8_t *check = NULL;
    int rc = get_bytes(in, 3, &check);

    if (rc != 0)
        return rc;
    r->check = check[0] | (uint32_t)check[1] << 8 | (uint32_t)check[2] << 16;
    r->hash.lo = r->check;
    return HOLOG_OK;
}

/* What put_length wrote. *out_content: how many bytes of the frame it stands for. */
static int read_length(struct reader *in, int extents, struct hg_record *r, uint64_t *out_content)
{
    uint64_t n_pieces = 0;
    int rc = get_varint(in, &r->value_len);

    if (rc != 0)
        return rc;
    if (r->value_len > HG_NUMBER_MAX)
        return HOLOG_E_CORRUPT;
    if (!extents) {
        *out_content = r->value_len;
        return HOLOG_OK;
    }
    if ((rc = get_varint(in, &n_pieces)) != 0)
        return rc;
    if (n_pieces == 0 || n_pieces > HG_PIECES_MAX || r->value_len == 0)
        return HOLOG_E_CORRUPT;
    r->n_pieces = (uint32_t)n_pieces;
    if (in->more && in->left < n_pieces * (4 + 2 * HG_VARINT_MAX))
        return NEED_MORE; /* enough for any pieces: what fails then is wrong */
    rc = hg_rec_pieces_decode(in->p, in->left, r);
    if (rc < 0)
        return rc;
    in->p += r->pieces_len;
    in->left -= r->pieces_len;
    *out_content = hg_varint_size(r->value_len) + hg_varint_size(n_pieces) + r->pieces_len + 1 +
                   hg_block_count(r->value_len) * HG_BLOCK_ENTRY_SIZE;
    return HOLOG_OK;
}

/* What a value record brings; *out_content is how long its content is in the frame. */
static int read_value(struct reader *in, struct hg_record *r, uint64_t *out_content)
{
    const uint8_t *path = NULL;
    uint64_t path_len = 0;
    uint64_t rest = 0;
    int rc;

    if ((rc = read_check(in, r)) != 0 || (rc = get_varint(in, &path_len)) != 0)
        return rc;
    if (path_len > HG_REC_PATH_MAX)
        return HOLOG_E_CORRUPT;
    if ((rc = get_bytes(in, path_len, &path)) != 0)
        return rc;
    r->path = (const char *)path;
    r->path_len = (size_t)path_len;
    if (!hg_rec_path_valid(r->path, r->path_len))
        return HOLOG_E_CORRUPT;
    if ((rc = read_length(in, r->type == HG_REC_LARGE, r, &rest)) != 0)
        return rc;
    *out_content =
        1 + (r->type == HG_REC_LARGE ? 16u : 8u) + hg_varint_size(path_len) + path_len + rest;
    return HOLOG_OK;
}

/* What put_delta wrote. */
static int read_delta(struct reader *in, struct hg_record *r, uint64_t *out_content)
{
    const uint8_t *front = NULL;
    const uint8_t *form = NULL;
    uint64_t front_len = 0;
    uint64_t rest = 0;
    int rc;

    if ((rc = read_check(in, r)) != 0 || (rc = get_varint(in, &front_len)) != 0 ||
        (rc = get_bytes(in, front_len, &front)) != 0)
        return rc;
    rc = hg_rec_front_decode(front, (size_t)front_len, r);
    if (rc < 0)
        return rc;
    if (r->front_len != front_len)
        return HOLOG_E_CORRUPT;
    *out_content = front_len;
    if (hg_rec_has_payload(r)) {
        if ((rc = get_bytes(in, 1, &form)) != 0)
            return rc;
        if (*form > HG_PAYLOAD_EXTENTS)
            return HOLOG_E_CORRUPT;
        if ((rc = read_length(in, *form == HG_PAYLOAD_EXTENTS, r, &rest)) != 0)
            return rc;
        *out_content += rest + (*form == HG_PAYLOAD_EXTENTS ? HG_PAYLOAD_EXTENTS_FIXED
                                                            : HG_PAYLOAD_INLINE_FIXED);
    }
    return hg_rec_payload_fits(r);
}

/* body_at: what of the body is passed; left: how much may follow. */
static int read_record(struct reader *in, uint64_t body_at, uint64_t body_len,
                       struct hg_record *out, uint64_t *out_start)
{
    uint64_t gap = 0, whole = 0, content = 0;
    const uint8_t *type = NULL;
    const uint8_t *bytes = NULL;
    struct hg_record r;
    int rc;

    if ((rc = get_bytes(in, 1, &type)) != 0 || (rc = get_varint(in, &gap)) != 0 ||
        (rc = get_varint(in, &whole)) != 0)
        return rc;
    if (gap > body_len - body_at || whole > body_len - body_at - gap)
        return HOLOG_E_CORRUPT;
    uint64_t start = body_at + gap;
    if (is_value(*type) || is_delta_or_fold(*type)) {
        r = (struct hg_record){ .type = *type };
        rc = is_value(*type) ? read_value(in, &r, &content) : read_delta(in, &r, &content);
    } else {
        if ((rc = get_varint(in, &content)) != 0 || (rc = get_bytes(in, content, &bytes)) != 0)
            return rc;
        rc = hg_rec_content_decode(*type, bytes, (size_t)content, &r);
    }
    if (rc != 0)
        return rc;
    /* The head's length follows from the rest: varints have one form. */
    if (start < HG_BODY_MIN ||
        whole != 1 + hg_varint_size(content) + hg_varint_size(start) + content)
        return HOLOG_E_CORRUPT;
    r.whole_len = (size_t)whole;
    *out = r;
    *out_start = start;
    return HOLOG_OK;
}

static struct reader walk_reader(const struct walk *w)
{
    return (struct reader){
        .p = w->raw.len > 0 ? w->raw.data + w->at : (const uint8_t *)"",
        .left = w->raw.len - w->at,
        .more = w->chunks_left > 0,
    };
}

/* One frame's records. offset is that of the frame. */
static int walk_records(struct walk *w, const struct hg_frame *f, uint64_t offset)
{
    uint64_t body_len = f->len - HG_FRAME_HEADER_SIZE;
    uint64_t body_at = 0;
    uint64_t start = 0;
    struct hg_record r = { 0 };

    for (uint32_t i = 0; i < f->nrec;) {
        struct reader in = walk_reader(w);
        int rc = read_record(&in, body_at, body_len, &r, &start);
        if (rc == NEED_MORE) {
            rc = walk_more(w);
            if (rc < 0)
                return rc;
            continue;
        }
        if (rc < 0)
            return rc == HOLOG_E_CORRUPT ? walk_bad(w, "a record is malformed") : rc;
        r.segment = w->track.segment;
        r.body_start = (uint32_t)(offset + HG_FRAME_HEADER_SIZE);
        r.offset = r.body_start + (uint32_t)start;
        rc = w->v->record != NULL ? w->v->record(w->v->ctx, &r) : 0;
        if (rc != 0)
            return rc;
        w->at = w->raw.len - in.left;
        body_at = start + r.whole_len;
        i++;
    }
    if (f->nrec > 0 && body_at != body_len)
        return walk_bad(w, "the records do not fill their frame");
    return HOLOG_OK;
}

static int walk_frames(struct walk *w, const struct hg_footer_tail *t)
{
    struct hg_frame f;
    uint64_t offset = 0;
    uint64_t time = 0;

    while (w->track.frames < t->frames) {
        struct reader in = walk_reader(w);
        int rc = read_frame(&in, &w->track, &f, &offset, &time);
        if (rc == NEED_MORE) {
            rc = walk_more(w);
            if (rc < 0)
                return rc;
            continue;
        }
        if (rc < 0)
            return walk_bad(w, "a frame is malformed");
        const char *fault = track_fault(&w->track, &f, offset);
        if (fault != NULL)
            return walk_bad(w, fault);
        w->at = w->raw.len - in.left;
        rc = w->v->frame != NULL ? w->v->frame(w->v->ctx, &f, (uint32_t)offset, time) : 0;
        if (rc != 0)
            return rc;
        rc = walk_records(w, &f, offset);
        if (rc != 0)
            return rc;
        track_step(&w->track, &f, offset, time);
    }
    if (w->at != w->raw.len || w->chunks_left != 0 || w->chunks_len != 0)
        return walk_bad(w, "bytes follow the last frame");
    if (w->track.end != t->frames_end || w->track.first_commit != t->first_number ||
        w->track.last_len != t->last_len || (t->frames > 0 && w->track.number != t->last_number))
        return walk_bad(w, "the chunks and the tail disagree");
    return HOLOG_OK;
}

int hg_footer_walk(const struct hg_footer_tail *t, const uint8_t *footer, size_t len,
                   uint64_t first_number, const struct hg_footer_visitor *v)
{
    uint8_t tail[TAIL_HASHED];
    struct walk w = { .v = v };

    if (len < HG_FOOTER_TAIL_SIZE)
        return hg_corrupt(t->segment, t->chunks_at, "footer: cut short");
    tail_encode(t, tail);
    struct hg_hash128 hash = footer_hash(tail, footer, len - HG_FOOTER_TAIL_SIZE);
    const uint8_t *stored = footer + len - 16;
    if (!hg_hash_matches(hg_get_le64(stored), hash.lo) ||
        !hg_hash_matches(hg_get_le64(stored + 8), hash.hi))
        return hg_corrupt(t->segment, t->chunks_at + len - 16, "footer: its hash is wrong");
    track_begin(&w.track, first_number);
    w.track.segment = t->segment;
    w.chunks = footer;
    w.chunks_len = len - HG_FOOTER_TAIL_SIZE;
    w.chunk_offset = t->chunks_at;
    w.chunks_left = t->chunks;
    int rc = walk_frames(&w, t);
    hg_buf_release(&w.raw);
    return rc;
}
