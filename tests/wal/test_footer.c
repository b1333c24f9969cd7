/*
 * The footer: what replaying it gives is what replaying the frames gives.
 */
#include "base/alloc.h"
#include "wal/footer.h"
#include "waltest.h"

/* ---- a replay written down ---------------------------------------------------------------------- */

static void note(struct hg_buf *out, const void *data, size_t len)
{
    cr_assert_eq(hg_buf_append_varint(out, len), HOLOG_OK);
    cr_assert_eq(hg_buf_append(out, data, len), HOLOG_OK);
}

static void note_number(struct hg_buf *out, uint64_t v)
{
    cr_assert_eq(hg_buf_append_varint(out, v), HOLOG_OK);
}

static int note_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    struct hg_buf *out = ctx;
    note_number(out, f->type);
    note_number(out, f->len);
    note_number(out, f->number);
    note_number(out, f->nrec);
    note_number(out, offset);
    note_number(out, time_ns);
    return 0;
}

/* Everything of a record that a footer keeps. */
static int note_record(void *ctx, const struct hg_record *r)
{
    struct hg_buf *out = ctx;
    int value = r->type == HG_REC_BLOB || r->type == HG_REC_SYMLINK || r->type == HG_REC_LARGE ||
                hg_rec_has_payload(r);
    note_number(out, r->type);
    note_number(out, r->ignorable);
    note_number(out, r->segment);
    note_number(out, r->offset);
    note_number(out, r->body_start);
    note_number(out, r->whole_len);
    note(out, r->path, r->path_len);
    note(out, r->to, r->to_len);
    note_number(out, r->check);
    note_number(out, r->value_len);
    note(out, value ? NULL : r->value, value ? 0 : (size_t)r->value_len);
    note_number(out, r->n_pieces);
    note(out, r->pieces, r->pieces_len);
    note_number(out, r->killed_segment);
    note_number(out, r->body.segment);
    note_number(out, r->body.offset);
    note_number(out, r->body.len);
    note_number(out, r->body_hash);
    note(out, r->rest, r->rest_len);
    note_number(out, r->base);
    note_number(out, r->kind);
    note_number(out, r->version_size);
    note_number(out, r->start);
    note_number(out, r->end);
    note_number(out, r->move_to);
    note_number(out, r->front_len);
    note_number(out, r->n_spans);
    note_number(out, r->spans_len);
    note_number(out, r->number);
    note_number(out, r->time_ns);
    if (r->type == HG_REC_DELTA || r->type == HG_REC_FOLD)
        note_number(out, r->csum);
    return 0;
}

static void note_frames(const struct tiny *t, struct hg_buf *out, const struct hg_frame *frames,
                        const uint32_t *offsets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *body = t->file.data + offsets[i] + HG_FRAME_HEADER_SIZE;
        size_t len = frames[i].len - HG_FRAME_HEADER_SIZE;
        struct hg_body b;
        struct hg_record r;
        cr_assert_eq(hg_body_decode(body, len, &b), HOLOG_OK);
        note_frame(out, &frames[i], offsets[i], b.time_ns);
        for (size_t at = b.records_at; at < len; at += r.whole_len) {
            cr_assert_eq(hg_rec_decode(body + at, len - at, at, &r), HOLOG_OK);
            r.segment = t->header.id;
            r.body_start = offsets[i] + HG_FRAME_HEADER_SIZE;
            r.offset = r.body_start + (uint32_t)at;
            note_record(out, &r);
        }
    }
}

static int decode_tail(const struct hg_buf *file, struct hg_footer_tail *out)
{
    return hg_footer_tail_decode(file->data + file->len - HG_FOOTER_TAIL_SIZE, file->len, out);
}

static int walk_noting(const struct hg_buf *file, uint64_t first_number, struct hg_buf *out)
{
    struct hg_footer_tail t;
    const struct hg_footer_visitor v = { out, note_frame, note_record };
    int rc = decode_tail(file, &t);
    if (rc < 0)
        return rc;
    return hg_footer_walk(&t, file->data + t.chunks_at, file->len - t.chunks_at, first_number, &v);
}

static void assert_same(const struct hg_buf *a, const struct hg_buf *b)
{
    cr_assert_eq(a->len, b->len, "%zu and %zu bytes of notes", a->len, b->len);
    cr_assert_eq(memcmp(a->data, b->data, a->len), 0);
}

Test(footer, replay_equals_that_of_the_frames)
{
    struct tiny t = tiny_build();
    struct hg_buf from_frames = { 0 };
    struct hg_buf from_footer = { 0 };
    struct hg_footer_tail made = tiny_seal(&t);
    struct hg_footer_tail read;

    note_frames(&t, &from_frames, t.frames, t.offsets, t.n);
    cr_assert_eq(walk_noting(&t.file, 1, &from_footer), HOLOG_OK);
    assert_same(&from_frames, &from_footer);

    cr_assert_eq(decode_tail(&t.file, &read), HOLOG_OK);
    cr_assert_eq(read.segment, 1u);
    cr_assert_eq(read.frames, 5u);
    cr_assert_eq(read.first_number, 1u);
    cr_assert_eq(read.last_number, 4u);
    cr_assert_eq(read.last_hash, t.frames[4].head_hash);
    cr_assert_eq(read.last_len, t.frames[4].len);
    cr_assert_eq(read.frames_end, t.end);
    cr_assert_eq(read.heads_hash, made.heads_hash);
    uint8_t heads[TINY_FRAMES * 8];
    for (int i = 0; i < TINY_FRAMES; i++)
        hg_put_le64(heads + 8 * i, t.frames[i].head_hash);
    cr_assert_eq(read.heads_hash, hg_hash64(heads, sizeof heads));
    hg_buf_release(&from_frames);
    hg_buf_release(&from_footer);
    hg_buf_release(&t.file);
}

Test(footer, replay_of_versions_equals_that_of_the_frames)
{
    struct tiny t = tiny_versions_build(TINY_GOOD);
    struct hg_buf golden = golden_read("versions_sealed.hlog");
    struct hg_buf from_frames = { 0 };
    struct hg_buf from_footer = { 0 };
    struct hg_buf from_golden = { 0 };

    tiny_seal(&t);
    note_frames(&t, &from_frames, t.frames, t.offsets, t.n);
    cr_assert_eq(walk_noting(&t.file, 1, &from_footer), HOLOG_OK);
    assert_same(&from_frames, &from_footer);
    cr_assert_eq(walk_noting(&golden, 1, &from_golden), HOLOG_OK);
    assert_same(&from_frames, &from_golden);
    hg_buf_release(&golden);
    hg_buf_release(&from_frames);
    hg_buf_release(&from_footer);
    hg_buf_release(&from_golden);
    hg_buf_release(&t.file);
}

Test(footer, the_golden_one_replays_as_it_did)
{
    struct tiny t = tiny_build();
    struct hg_buf file = golden_read("tiny_sealed.hlog");
    struct hg_buf from_frames = { 0 };
    struct hg_buf from_footer = { 0 };
    cr_assert_gt(file.len, t.file.len);
    cr_assert_eq(memcmp(file.data, t.file.data, t.file.len), 0);
    note_frames(&t, &from_frames, t.frames, t.offsets, t.n);
    cr_assert_eq(walk_noting(&file, 1, &from_footer), HOLOG_OK);
    assert_same(&from_frames, &from_footer);
    hg_buf_release(&from_frames);
    hg_buf_release(&from_footer);
    hg_buf_release(&file);
    hg_buf_release(&t.file);
}

Test(footer, every_flipped_bit_is_refused)
{
    struct tiny t = tiny_build();
    struct hg_buf out = { 0 };
    struct hg_footer_tail tail = tiny_seal(&t);
    for (size_t i = tail.chunks_at * 8; i < t.file.len * 8; i++) {
        out.len = 0;
        t.file.data[i / 8] ^= (uint8_t)(1u << i % 8);
        int rc = walk_noting(&t.file, 1, &out);
        /* Without its magic the file is an unsealed segment: its frames are read instead. */
        int magic = i / 8 >= t.file.len - HG_FOOTER_TAIL_SIZE &&
                    i / 8 < t.file.len - HG_FOOTER_TAIL_SIZE + 8;
        cr_assert_eq(rc, magic ? HOLOG_E_NOENT : HOLOG_E_CORRUPT, "bit %zu: %d", i, rc);
        cr_assert_eq(out.len, 0u, "something was replayed");
        t.file.data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    hg_buf_release(&out);
    hg_buf_release(&t.file);
}

Test(footer, every_truncated_length_is_refused)
{
    struct tiny t = tiny_build();
    struct hg_buf out = { 0 };
    struct hg_footer_tail tail = tiny_seal(&t);
    const struct hg_footer_visitor v = { &out, note_frame, note_record };
    size_t len = t.file.len - tail.chunks_at;
    for (size_t n = 0; n < len; n++) {
        uint8_t *copy = exact_copy(t.file.data + tail.chunks_at, n);
        cr_assert_eq(hg_footer_walk(&tail, copy, n, 1, &v), HOLOG_E_CORRUPT, "%zu bytes", n);
        free(copy);
        struct hg_buf cut = { .data = t.file.data, .len = tail.chunks_at + n };
        struct hg_footer_tail got;
        cr_assert_eq(decode_tail(&cut, &got), HOLOG_E_NOENT, "%zu bytes", n);
    }
    hg_buf_release(&out);
    hg_buf_release(&t.file);
}

Test(footer, a_segment_without_one_is_no_entry)
{
    struct tiny t = tiny_build();
    struct hg_footer_tail tail;
    cr_assert_eq(decode_tail(&t.file, &tail), HOLOG_E_NOENT);
    hg_buf_release(&t.file);
}

Test(footer, one_of_no_frames_is_a_tail)
{
    struct hg_footer_builder *b = NULL;
    struct hg_footer_tail t = { .segment = 3, .frames_end = HG_SEGMENT_HEADER_SIZE };
    struct hg_footer_tail got;
    struct hg_buf out = { 0 };
    const struct hg_footer_visitor v = { NULL, note_frame, note_record };
    cr_assert_eq(hg_footer_builder_create(12, &b), HOLOG_OK);
    cr_assert_eq(hg_footer_finish(b, &t, &out), HOLOG_OK);
    cr_assert_eq(out.len, (size_t)HG_FOOTER_TAIL_SIZE);
    cr_assert_eq(hg_footer_tail_decode(out.data, 4096 + out.len, &got), HOLOG_OK);
    cr_assert_eq(got.frames, 0u);
    cr_assert_eq(got.first_number, 0u);
    cr_assert_eq(got.last_number, 11u);
    cr_assert_eq(hg_footer_walk(&got, out.data, out.len, 12, &v), HOLOG_OK);
    hg_footer_builder_destroy(b);
    hg_buf_release(&out);
}

Test(footer, a_system_frame_may_be_far_below_the_first_number)
{
    /* Numbers that a cut took away are never used again. */
    struct tiny t = { 0 };
    struct hg_buf b = { 0 };
    struct hg_buf from_frames = { 0 };
    struct hg_buf from_footer = { 0 };
    tiny_header(&t);
    t.header.first_number = 100;
    tiny_body(&b, 0, NULL);
    cr_assert_eq(hg_rec_segments(&b, NULL, 0, NULL), HOLOG_OK);
    tiny_frame(&t, HG_FRAME_SYSTEM, 5, 1, &b, 0);
    b.len = 0;
    tiny_body(&b, 0, NULL);
    tiny_frame(&t, HG_FRAME_COMMIT, 101, 0, &b, 0);
    tiny_frame(&t, HG_FRAME_SYSTEM, 101, 0, &b, 1);
    tiny_seal(&t);
    note_frames(&t, &from_frames, t.frames, t.offsets, t.n);
    cr_assert_eq(walk_noting(&t.file, 100, &from_footer), HOLOG_OK);
    assert_same(&from_frames, &from_footer);
    hg_buf_release(&b);
    hg_buf_release(&from_frames);
    hg_buf_release(&from_footer);
    hg_buf_release(&t.file);
}

/* ---- what the builder refuses --------------------------------------------------------------------- */

static int add_second(void (*change)(struct hg_frame *f, uint32_t *offset))
{
    struct tiny t = tiny_build();
    struct hg_footer_builder *b = NULL;
    struct hg_frame f = t.frames[1];
    uint32_t offset = t.offsets[1];
    cr_assert_eq(hg_footer_builder_create(1, &b), HOLOG_OK);
    cr_assert_eq(hg_footer_add(b, &t.frames[0], t.offsets[0],
                               t.file.data + t.offsets[0] + HG_FRAME_HEADER_SIZE),
                 HOLOG_OK);
    change(&f, &offset);
    int rc = hg_footer_add(b, &f, offset, t.file.data + t.offsets[1] + HG_FRAME_HEADER_SIZE);
    hg_footer_builder_destroy(b);
    hg_buf_release(&t.file);
    return rc;
}

#define UNFIT(name, code)                                         \
    static void change_##name(struct hg_frame *f, uint32_t *o)    \
    {                                                             \
        HG_UNUSED(o);                                             \
        code;                                                     \
    }                                                             \
    Test(footer, name)                                            \
    {                                                             \
        cr_assert_eq(add_second(change_##name), HOLOG_E_CORRUPT); \
    }

UNFIT(a_frame_behind_a_gap_does_not_fit, f->nrec += 0; *o += 8)
UNFIT(a_frame_inside_the_one_before_does_not_fit, f->nrec += 0; *o -= 8)
UNFIT(a_commit_below_the_first_number_does_not_fit, f->number = 0)
UNFIT(a_frame_with_fewer_records_than_bytes_does_not_fit, f->nrec = 1)
UNFIT(a_frame_with_more_records_does_not_fit, f->nrec = 3)
UNFIT(a_frame_of_no_type_does_not_fit, f->type = 0)
UNFIT(a_frame_too_short_does_not_fit, f->len = HG_FRAME_MIN - 1)
UNFIT(a_system_frame_with_a_number_to_come_does_not_fit, f->type = HG_FRAME_SYSTEM)

Test(footer, the_next_commit_has_the_next_number)
{
    struct tiny t = tiny_build();
    struct hg_footer_builder *b = NULL;
    cr_assert_eq(hg_footer_builder_create(1, &b), HOLOG_OK);
    for (uint32_t i = 0; i < 2; i++)
        cr_assert_eq(hg_footer_add(b, &t.frames[i], t.offsets[i],
                                   t.file.data + t.offsets[i] + HG_FRAME_HEADER_SIZE),
                     HOLOG_OK);
    t.frames[2].number = 3;
    cr_assert_eq(hg_footer_add(b, &t.frames[2], t.offsets[2],
                               t.file.data + t.offsets[2] + HG_FRAME_HEADER_SIZE),
                 HOLOG_E_CORRUPT);
    hg_footer_builder_destroy(b);
    hg_buf_release(&t.file);
}

/* ---- tails, one malformed field each ---------------------------------------------------------------- */

static int tail_patched(size_t at, size_t width, uint64_t value)
{
    struct tiny t = tiny_build();
    struct hg_footer_tail got;
    tiny_seal(&t);
    memcpy(t.file.data + t.file.len - HG_FOOTER_TAIL_SIZE + at, &value, width);
    int rc = decode_tail(&t.file, &got);
    hg_buf_release(&t.file);
    return rc;
}

#define TAIL(name, at, width, value, code)                          \
    Test(tail, name)                                                \
    {                                                               \
        cr_assert_eq(tail_patched((at), (width), (value)), (code)); \
    }

TAIL(wrong_magic_is_no_footer, 0, 1, 'h', HOLOG_E_NOENT)
TAIL(segment_zero, 8, 4, 0, HOLOG_E_CORRUPT)
TAIL(more_chunks_than_bytes, 12, 4, 1000, HOLOG_E_CORRUPT)
TAIL(no_chunks, 12, 4, 0, HOLOG_E_CORRUPT)
TAIL(frames_end_inside_the_header, 48, 8, 4095, HOLOG_E_CORRUPT)
TAIL(frames_end_behind_any_segment, 48, 8, HG_SEGMENT_MAX + 1, HOLOG_E_CORRUPT)
TAIL(frames_end_not_before_the_chunks, 48, 8, 4200, HOLOG_E_CORRUPT)
TAIL(chunks_behind_the_end, 56, 8, UINT64_C(1) << 40, HOLOG_E_CORRUPT)
TAIL(chunks_not_at_the_frames_end, 56, 8, 4104, HOLOG_E_CORRUPT)
TAIL(more_frames_than_bytes, 64, 8, 1000, HOLOG_E_CORRUPT)
TAIL(no_frames, 64, 8, 0, HOLOG_E_CORRUPT)
TAIL(first_number_above_the_last, 72, 8, 5, HOLOG_E_CORRUPT)
TAIL(last_number_over_48_bits, 80, 8, UINT64_C(1) << 48, HOLOG_E_CORRUPT)
TAIL(last_frame_too_short, 96, 8, 72, HOLOG_E_CORRUPT)
TAIL(last_frame_longer_than_the_segment, 96, 8, 1u << 20, HOLOG_E_CORRUPT)

/* ---- signed chunks that lie --------------------------------------------------------------------------- */

static void sign_footer(struct hg_buf *file, uint64_t chunks_at)
{
    size_t chunks = file->len - HG_FOOTER_TAIL_SIZE - chunks_at;
    uint8_t *tail = file->data + file->len - HG_FOOTER_TAIL_SIZE;
    struct hg_buf all = { 0 };
    cr_assert_eq(hg_buf_append(&all, tail, 112), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&all, file->data + chunks_at, chunks), HOLOG_OK);
    struct hg_hash128 h = hg_hash128(all.data, all.len);
    hg_put_le64(tail + 112, h.lo);
    hg_put_le64(tail + 120, h.hi);
    hg_buf_release(&all);
}

/* The walk's result when a number of the first chunk's head or of the tail is another, all hashes of
 * the whole being right. */
static int walk_patched(int in_tail, size_t at, size_t width, uint64_t value)
{
    struct tiny t = tiny_build();
    struct hg_buf out = { 0 };
    struct hg_footer_tail tail = tiny_seal(&t);
    size_t base = in_tail ? t.file.len - HG_FOOTER_TAIL_SIZE : tail.chunks_at;
    memcpy(t.file.data + base + at, &value, width);
    sign_footer(&t.file, tail.chunks_at);
    int rc = walk_noting(&t.file, 1, &out);
    hg_buf_release(&out);
    hg_buf_release(&t.file);
    return rc;
}

#define CHUNK(name, in_tail, at, width, value)                                          \
    Test(chunk, name)                                                                   \
    {                                                                                   \
        cr_assert_eq(walk_patched((in_tail), (at), (width), (value)), HOLOG_E_CORRUPT); \
    }

Test(chunk, an_unchanged_patch_is_accepted)
{
    cr_assert_eq(walk_patched(1, 8, 4, 1), HOLOG_OK);
}
CHUNK(raw_length_zero, 0, 0, 4, 0)
CHUNK(raw_length_over_4_mib, 0, 0, 4, (4u << 20) + 1)
CHUNK(raw_length_not_the_frames, 0, 0, 4, 1000)
CHUNK(compressed_length_zero, 0, 4, 4, 0)
CHUNK(compressed_length_behind_the_end, 0, 4, 4, UINT32_MAX)
CHUNK(hash_of_the_chunk_wrong, 0, 8, 8, 1)
CHUNK(fewer_chunks_than_stated, 1, 12, 4, 2)
CHUNK(fewer_frames_than_stated, 1, 64, 8, 6)
CHUNK(more_frames_than_stated, 1, 64, 8, 4)
CHUNK(another_first_number, 1, 72, 8, 2)
CHUNK(another_last_number, 1, 80, 8, 5)
CHUNK(another_last_length, 1, 96, 8, 100)

Test(chunk, the_headers_first_number_must_fit)
{
    struct tiny t = tiny_build();
    struct hg_buf out = { 0 };
    tiny_seal(&t);
    cr_assert_eq(walk_noting(&t.file, 2, &out), HOLOG_E_CORRUPT);
    hg_buf_release(&out);
    hg_buf_release(&t.file);
}

/* ---- many frames ------------------------------------------------------------------------------------- */

struct many {
    struct tiny t;
    struct hg_frame *frames;
    uint32_t *offsets;
    size_t n;
};

/* A segment of n random frames; values so small that the footer's chunks fill. */
static struct many many_build(struct rng *r, size_t n, struct hg_footer_builder *b)
{
    struct many m = { .frames = calloc(n, sizeof *m.frames), .offsets = calloc(n, 4), .n = n };
    struct hg_buf body = { 0 };
    struct hg_frame *prev = NULL;
    uint64_t number = 0;
    uint64_t time = TINY_TIME;

    tiny_header(&m.t);
    for (size_t i = 0; i < n; i++) {
        uint8_t head[HG_FRAME_HEADER_SIZE];
        struct hg_frame *f = &m.frames[i];
        uint64_t at = HG_ALIGN_UP(m.t.end, (uint64_t)8);
        if (rng_below(r, 4) == 0)
            at = HG_ALIGN_UP(at, (uint64_t)HG_BLOCK);
        struct hg_frame_place place = tiny_place(&m.t, (uint32_t)at);
        uint32_t nrec = (uint32_t)rng_below(r, 5);
        body.len = 0;
        time += rng_any(r) >> 24;
        cr_assert_eq(hg_body_begin(&body, time, NULL, 0), HOLOG_OK);
        for (uint32_t k = 0; k < nrec; k++) {
            char path[300];
            int len = snprintf(path, sizeof path, "d%llu/%0*llx", (unsigned long long)i,
                               (int)(1 + rng_below(r, 200)), (unsigned long long)rng_next(r));
            cr_assert_eq(hg_rec_blob(&body, path, (size_t)len, path, (size_t)len,
                                     hg_hash64(path, (size_t)len), hg_csum(path, (size_t)len),
                                     NULL),
                         HOLOG_OK);
        }
        number += rng_below(r, 10) != 0 || i == 0;
        *f = (struct hg_frame){
            .type = i > 0 && number == prev->number ? HG_FRAME_SYSTEM : HG_FRAME_COMMIT,
            .len = (uint32_t)(HG_FRAME_HEADER_SIZE + body.len),
            .nrec = nrec,
            .number = number,
            .prev_len = prev == NULL ? 0 : prev->len,
            .prev_hash = prev == NULL ? 0 : (uint32_t)prev->head_hash,
            .body_hash = hg_hash64(body.data, body.len),
        };
        hg_frame_encode(f, &place, head);
        cr_assert_eq(hg_buf_append_zeros(&m.t.file, at - m.t.file.len), HOLOG_OK);
        cr_assert_eq(hg_buf_append(&m.t.file, head, sizeof head), HOLOG_OK);
        cr_assert_eq(hg_buf_append(&m.t.file, body.data, body.len), HOLOG_OK);
        cr_assert_eq(hg_footer_add(b, f, (uint32_t)at, body.data), HOLOG_OK);
        m.offsets[i] = (uint32_t)at;
        m.t.end = at + f->len;
        prev = f;
    }
    hg_buf_release(&body);
    return m;
}

static void many_release(struct many *m)
{
    hg_buf_release(&m->t.file);
    free(m->frames);
    free(m->offsets);
}

Test(footer, random_segments_of_several_chunks_replay_equally)
{
    struct rng r = rng_begin("random_segments_of_several_chunks_replay_equally");
    for (int round = 0; round < rounds(3); round++) {
        struct hg_footer_builder *b = NULL;
        struct hg_buf from_frames = { 0 };
        struct hg_buf from_footer = { 0 };
        struct hg_footer_tail tail = { .segment = 1 };
        cr_assert_eq(hg_footer_builder_create(1, &b), HOLOG_OK);
        struct many m = many_build(&r, 1500 + rng_below(&r, 4000), b);
        tail.frames_end = m.t.end;
        note_frames(&m.t, &from_frames, m.frames, m.offsets, m.n);
        cr_assert_leq(hg_footer_builder_bytes(b), 2u << 20, "the builder grows with the segment");
        cr_assert_eq(hg_buf_append_zeros(&m.t.file,
                                         HG_ALIGN_UP(m.t.end, (uint64_t)8) - m.t.file.len),
                     HOLOG_OK);
        cr_assert_eq(hg_footer_finish(b, &tail, &m.t.file), HOLOG_OK);
        cr_assert_gt(tail.chunks, 1u, "too small a test: one chunk");
        cr_assert_eq(walk_noting(&m.t.file, 1, &from_footer), HOLOG_OK, "seed %llu",
                     (unsigned long long)r.seed);
        assert_same(&from_frames, &from_footer);
        hg_footer_builder_destroy(b);
        hg_buf_release(&from_frames);
        hg_buf_release(&from_footer);
        many_release(&m);
    }
}

Test(footer, a_record_longer_than_a_chunk_spans_them)
{
    static uint8_t value[3 * HG_FOOTER_CHUNK_BYTES];
    struct rng r = { .state = 5 };
    struct tiny t = { 0 };
    struct hg_buf b = { 0 };
    struct hg_buf from_frames = { 0 };
    struct hg_buf from_footer = { 0 };
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)rng_next(&r);
    tiny_header(&t);
    t.header.capacity = HG_SEGMENT_MAX;
    for (int i = 0; i < 3; i++) {
        b.len = 0;
        tiny_body(&b, 0, NULL);
        cr_assert_eq(hg_rec_config(&b, "long", 4, value, sizeof value - 1, NULL), HOLOG_OK);
        cr_assert_eq(hg_rec_dir(&b, "d", 1, NULL), HOLOG_OK);
        tiny_frame(&t, HG_FRAME_COMMIT, (uint64_t)i + 1, 2, &b, 0);
    }
    struct hg_footer_tail tail = tiny_seal(&t);
    cr_assert_gt(tail.chunks, 8u);
    note_frames(&t, &from_frames, t.frames, t.offsets, t.n);
    cr_assert_eq(walk_noting(&t.file, 1, &from_footer), HOLOG_OK);
    assert_same(&from_frames, &from_footer);
    hg_buf_release(&b);
    hg_buf_release(&from_frames);
    hg_buf_release(&from_footer);
    hg_buf_release(&t.file);
}

/* ---- stopping and failing ------------------------------------------------------------------------------ */

static int stop_at_third(void *ctx, const struct hg_record *r)
{
    int *left = ctx;
    HG_UNUSED(r);
    return --*left == 0 ? -1234 : 0;
}

Test(footer, a_callback_stops_the_walk)
{
    struct tiny t = tiny_build();
    struct hg_footer_tail tail = tiny_seal(&t);
    int left = 3;
    const struct hg_footer_visitor v = { &left, NULL, stop_at_third };
    cr_assert_eq(hg_footer_walk(&tail, t.file.data + tail.chunks_at, t.file.len - tail.chunks_at, 1,
                                &v),
                 -1234);
    cr_assert_eq(left, 0);
    hg_buf_release(&t.file);
}

static int fail_nth(size_t size, void *ctx)
{
    int *left = ctx;
    HG_UNUSED(size);
    return --*left == 0;
}

Test(footer, every_failed_allocation_is_reported_and_leaks_nothing)
{
    for (int nth = 1; nth < 1000; nth++) {
        struct tiny t = tiny_build();
        struct hg_buf out = { 0 };
        struct hg_footer_builder *b = NULL;
        struct hg_footer_tail tail = { .segment = 1, .frames_end = t.end };
        int left = nth;
        const struct hg_footer_visitor v = { &left, NULL, NULL };

        hg_alloc_set_fault(fail_nth, &left);
        int rc = hg_footer_builder_create(1, &b);
        for (uint32_t i = 0; i < t.n && rc == HOLOG_OK; i++)
            rc = hg_footer_add(b, &t.frames[i], t.offsets[i],
                               t.file.data + t.offsets[i] + HG_FRAME_HEADER_SIZE);
        if (rc == HOLOG_OK)
            rc = hg_footer_finish(b, &tail, &out);
        if (rc == HOLOG_OK)
            rc = hg_footer_walk(&tail, out.data, out.len, 1, &v);
        hg_footer_builder_destroy(b);
        hg_buf_release(&out);
        cr_assert_eq(hg_alloc_live(), 0, "allocation %d leaks", nth);
        hg_alloc_set_fault(NULL, NULL);
        hg_buf_release(&t.file);
        if (left > 0) {
            cr_assert_eq(rc, HOLOG_OK);
            cr_assert_gt(nth, 5);
            return;
        }
        cr_assert_eq(rc, HOLOG_E_NOMEM, "allocation %d: %d", nth, rc);
    }
    cr_assert_fail("no end");
}
