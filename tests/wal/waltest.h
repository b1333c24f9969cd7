/*
 * What the codec tests share: seeded chance, golden files, a tiny segment with every kind of record.
 *
 * HOLOG_TEST_SEED=n replays a random test; HOLOG_WRITE_GOLDEN=1 rewrites the golden files instead of
 * comparing with them (a change of the format: docs/FORMAT.md changes too).
 */
#ifndef WALTEST_H
#define WALTEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/footer.h"
#include "wal/frame.h"
#include "wal/record.h"
#include "wal/segment.h"

#define UNUSED_OK __attribute__((unused))

/* ---- chance ------------------------------------------------------------------------------------ */

struct rng {
    uint64_t seed;
    uint64_t state;
};

static UNUSED_OK uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static UNUSED_OK uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

/* A number whose length in bits is uniform: small ones and huge ones are met alike. */
static UNUSED_OK uint64_t rng_any(struct rng *r)
{
    return rng_next(r) >> rng_below(r, 64);
}

static UNUSED_OK struct rng rng_begin(const char *test)
{
    const char *given = getenv("HOLOG_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                  : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    (void)fprintf(stderr, "%s: HOLOG_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    return (struct rng){ .seed = seed, .state = seed };
}

static UNUSED_OK int rounds(int quick)
{
    const char *level = getenv("HOLOG_TEST_LEVEL");
    if (level != NULL && strcmp(level, "full") == 0)
        return quick * 100;
    return level != NULL && strcmp(level, "normal") == 0 ? quick * 5 : quick;
}

/* A copy that ends where its allocation ends: the sanitizer sees a read past it. */
static UNUSED_OK uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *p = malloc(len);
    cr_assert(p != NULL || len == 0);
    if (len > 0)
        memcpy(p, data, len);
    return p;
}

/* ---- golden files --------------------------------------------------------------------------------*/

static UNUSED_OK void golden_path(char *out, size_t size, const char *name)
{
    (void)snprintf(out, size, "%s/%s", HOLOG_GOLDEN_DIR, name);
}

static UNUSED_OK struct hg_buf golden_read(const char *name)
{
    char path[1024];
    uint8_t block[4096];
    struct hg_buf b = { 0 };
    size_t n;

    golden_path(path, sizeof path, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "no golden file %s", path);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        cr_assert_eq(hg_buf_append(&b, block, n), HOLOG_OK);
    (void)fclose(f);
    return b;
}

static UNUSED_OK int golden_writing(void)
{
    const char *asked = getenv("HOLOG_WRITE_GOLDEN");
    return asked != NULL && strcmp(asked, "1") == 0;
}

static UNUSED_OK void golden_write(const char *name, const void *data, size_t len)
{
    char path[1024];
    golden_path(path, sizeof path, name);
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f, "cannot write %s", path);
    cr_assert_eq(fwrite(data, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

static UNUSED_OK void golden_check(const char *name, const void *data, size_t len)
{
    if (golden_writing()) {
        golden_write(name, data, len);
        return;
    }
    struct hg_buf want = golden_read(name);
    const uint8_t *got = data;
    cr_assert_eq(len, want.len, "%s: %zu bytes, the golden file has %zu", name, len, want.len);
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(got[i], want.data[i], "%s: byte %zu is %02x, was %02x", name, i, got[i],
                     want.data[i]);
    hg_buf_release(&want);
}

/* ---- one content ------------------------------------------------------------------------------- */

/* A record of these content bytes, with a right head. */
static UNUSED_OK int decode_content(uint8_t type_byte, const char *content, size_t len)
{
    struct hg_buf body = { 0 };
    struct hg_record r;
    size_t back = 0;
    cr_assert_eq(hg_buf_append_byte(&body, type_byte), HOLOG_OK);
    cr_assert_eq(hg_buf_append_varint(&body, len), HOLOG_OK);
    cr_assert_eq(hg_buf_append_varint(&body, 9), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&body, content, len), HOLOG_OK);
    uint8_t *copy = exact_copy(body.data, body.len);
    memset(&r, 0x5a, sizeof r);
    int rc = hg_rec_decode_at(copy, body.len, &back, &r);
    if (rc < 0)
        cr_assert(back == 0 && r.type == 0x5a, "the output was touched");
    free(copy);
    hg_buf_release(&body);
    return rc;
}

#define CONTENT(name, type_byte, bytes, code)                             \
    Test(malformed, name)                                                 \
    {                                                                     \
        int rc = decode_content((type_byte), (bytes), sizeof(bytes) - 1); \
        cr_assert_eq(rc, (code), "%s", holog_error_name(rc));             \
    }

/* ---- a tiny segment ------------------------------------------------------------------------------ */

#define TINY_TIME    UINT64_C(1795248000000000000) /* 2026-11-21T08:00:00Z */
#define TINY_FRAMES  5
#define TINY_BIG_LEN 70000u

struct tiny {
    struct hg_buf file; /* header, frames; tiny_seal adds the footer */
    struct hg_segment_header header;
    struct hg_frame frames[TINY_FRAMES];
    uint32_t offsets[TINY_FRAMES];
    uint32_t n;
    uint64_t end; /* of the last frame */
};

static UNUSED_OK struct hg_frame_place tiny_place(const struct tiny *t, uint32_t offset)
{
    return (struct hg_frame_place){
        .salt = t->header.salt,
        .epoch = t->header.epoch,
        .segment = t->header.id,
        .offset = offset,
    };
}

static UNUSED_OK void tiny_frame(struct tiny *t, uint8_t type, uint64_t number, uint32_t nrec,
                                 const struct hg_buf *body, int next_block)
{
    struct hg_frame *f = &t->frames[t->n];
    uint8_t header[HG_FRAME_HEADER_SIZE];
    uint64_t at = HG_ALIGN_UP(t->end, (uint64_t)8);

    if (next_block)
        at = HG_ALIGN_UP(at, (uint64_t)HG_BLOCK);
    struct hg_frame_place place = tiny_place(t, (uint32_t)at);
    *f = (struct hg_frame){
        .type = type,
        .len = (uint32_t)(HG_FRAME_HEADER_SIZE + body->len),
        .nrec = nrec,
        .number = number,
        .floor =
            t->n == 0 ? 0 : hg_pos_make(t->header.id, (uint32_t)HG_ALIGN_UP(t->end, (uint64_t)8)),
        .prev_len = t->n == 0 ? 0 : t->frames[t->n - 1].len,
        .prev_hash = t->n == 0 ? 0 : (uint32_t)t->frames[t->n - 1].head_hash,
        .body_hash = hg_hash64(body->data, body->len),
    };
    hg_frame_encode(f, &place, header);
    cr_assert_eq(hg_buf_append_zeros(&t->file, at - t->file.len), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&t->file, header, sizeof header), HOLOG_OK);
    cr_assert_eq(hg_buf_append(&t->file, body->data, body->len), HOLOG_OK);
    t->offsets[t->n++] = (uint32_t)at;
    t->end = at + f->len;
}

static UNUSED_OK void tiny_body(struct hg_buf *body, uint64_t seconds, const char *message)
{
    struct hg_buf fields = { 0 };
    if (message != NULL) {
        cr_assert_eq(hg_field_append(&fields, HG_FIELD_MESSAGE, message, strlen(message)), 0);
        cr_assert_eq(hg_field_append_meta(&fields, "user", 4, "ada", 3), 0);
    }
    cr_assert_eq(hg_body_begin(body, TINY_TIME + seconds * 1000000000u, fields.data, fields.len),
                 0);
    hg_buf_release(&fields);
}

static UNUSED_OK void put_blob(struct hg_buf *body, const char *path, const char *value)
{
    size_t len = strlen(value);
    cr_assert_eq(hg_rec_blob(body, path, strlen(path), value, len, hg_hash64(value, len),
                             hg_csum(value, len), NULL),
                 HOLOG_OK);
}

/* 70000 bytes, byte i is i mod 251, as if they lay in extent segment 2. */
static UNUSED_OK void put_large(struct hg_buf *body, const char *path)
{
    static uint8_t value[TINY_BIG_LEN];
    struct hg_piece piece = { .segment = 2, .offset = 8192, .len = TINY_BIG_LEN };
    struct hg_buf table = { 0 };
    uint8_t csum = 0;

    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i % 251);
    cr_assert_eq(hg_block_table_add(&table, value, sizeof value, &csum), HOLOG_OK);
    cr_assert_eq(hg_rec_large(body, path, strlen(path), sizeof value,
                              hg_hash128(table.data, table.len), csum, &piece, 1, table.data, NULL),
                 HOLOG_OK);
    hg_buf_release(&table);
}

/* A record of a type this version does not know, which says that it may be skipped. */
static UNUSED_OK void put_unknown(struct hg_buf *body, uint8_t type_byte, const char *content)
{
    size_t at = body->len;
    cr_assert_eq(hg_buf_append_byte(body, type_byte), HOLOG_OK);
    cr_assert_eq(hg_buf_append_varint(body, strlen(content)), HOLOG_OK);
    cr_assert_eq(hg_buf_append_varint(body, at), HOLOG_OK);
    cr_assert_eq(hg_buf_append(body, content, strlen(content)), HOLOG_OK);
}

static UNUSED_OK void tiny_header(struct tiny *t)
{
    t->header = (struct hg_segment_header){
        .kind = HG_KIND_FRAMES,
        .id = 1,
        .epoch = UINT64_C(0x0123456789abcdef),
        .uuid = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
        .salt = UINT64_C(0x1122334455667788),
        .capacity = 1u << 20,
        .created_ns = TINY_TIME,
        .first_number = 1,
    };
    cr_assert_eq(hg_buf_append_zeros(&t->file, HG_SEGMENT_HEADER_SIZE), HOLOG_OK);
    hg_segment_header_encode(&t->header, t->file.data);
    t->end = HG_SEGMENT_HEADER_SIZE;
}

/* Header, the opening system frame, four commits with every type of record; the third commit stands
 * in a block of its own. */
static UNUSED_OK struct tiny tiny_build(void)
{
    struct hg_segment_entry segments[] = { { 1, HG_KIND_FRAMES, 4096 },
                                           { 2, HG_KIND_EXTENTS, 81920 } };
    struct hg_piece extent = { .segment = 2, .offset = 4096, .len = 3000 };
    struct tiny t = { 0 };
    struct hg_buf b = { 0 };

    tiny_header(&t);
    tiny_body(&b, 0, NULL);
    cr_assert_eq(hg_rec_segments(&b, segments, 2, NULL), HOLOG_OK);
    tiny_frame(&t, HG_FRAME_SYSTEM, 0, 1, &b, 0);

    b.len = 0;
    tiny_body(&b, 1, "first");
    cr_assert_eq(hg_rec_dir(&b, "plates", 6, NULL), HOLOG_OK);
    put_blob(&b, "plates/hello", "hello, world\n");
    tiny_frame(&t, HG_FRAME_COMMIT, 1, 2, &b, 0);

    b.len = 0;
    tiny_body(&b, 2, NULL);
    cr_assert_eq(hg_rec_symlink(&b, "latest", 6, "plates/hello", 12, NULL), HOLOG_OK);
    put_large(&b, "plates/big");
    put_blob(&b, "empty", "");
    tiny_frame(&t, HG_FRAME_COMMIT, 2, 3, &b, 0);

    b.len = 0;
    tiny_body(&b, 2, "moves");
    cr_assert_eq(hg_rec_transfer(&b, HG_REC_MOVE, "latest", 6, "plates/latest", 13, NULL), 0);
    cr_assert_eq(hg_rec_transfer(&b, HG_REC_COPY, "plates", 6, "copy", 4, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_delete(&b, "empty", 5, 1, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_delete_tree(&b, "plates", 6, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_delete_tree(&b, "", 0, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_config(&b, "max_space_amp", 13, "1.5", 3, NULL), HOLOG_OK);
    put_unknown(&b, HG_REC_IGNORABLE | 40, "of another day");
    tiny_frame(&t, HG_FRAME_COMMIT, 3, 7, &b, 1);

    b.len = 0;
    tiny_body(&b, 5, NULL);
    cr_assert_eq(hg_rec_body(&b, &extent, UINT64_C(0xfeedfacecafebeef), NULL), HOLOG_OK);
    tiny_frame(&t, HG_FRAME_COMMIT, 4, 1, &b, 0);
    hg_buf_release(&b);
    return t;
}

/* ---- a tiny segment of versions -------------------------------------------------------------------- */

#define TINY_VERSIONS_RECORDS 15
enum tiny_bad {
    TINY_GOOD,
    TINY_BASE_OF_NONE, /* a DELTA whose base is nowhere */
    TINY_SPANS_SHORT,  /* a FOLD whose spans do not make up its version */
};

/* The bytes as if they lay in extent segment 2; table is the caller's. */
static UNUSED_OK struct hg_payload payload_in_extents(const void *bytes, size_t len,
                                                      const struct hg_piece *pieces, uint32_t n,
                                                      struct hg_buf *table)
{
    struct hg_payload p = { .len = len, .pieces = pieces, .n_pieces = n };
    table->len = 0;
    cr_assert_eq(hg_block_table_add(table, bytes, len, &p.csum), HOLOG_OK);
    p.hash = hg_hash128(table->data, table->len);
    p.table = table->data;
    return p;
}

static UNUSED_OK struct hg_payload payload_inline(const void *bytes, size_t len)
{
    return (
        struct hg_payload){ .len = len, .bytes = bytes, .hash = { .lo = hg_hash64(bytes, len) } };
}

static UNUSED_OK void put_delta(struct hg_buf *body, enum hg_delta_kind kind, const char *path,
                                uint64_t version_size, uint64_t start, uint64_t end, uint64_t to,
                                struct hg_payload payload)
{
    struct hg_delta_rec d = {
        .path = path,
        .path_len = strlen(path),
        .base = hg_pos_make(1, 4299),
        .csum = 18,
        .kind = (uint8_t)kind,
        .version_size = version_size,
        .start = start,
        .end = end,
        .move_to = to,
        .payload = payload,
    };
    cr_assert_eq(hg_rec_delta(body, &d, NULL), HOLOG_OK);
}

/* Three spans: two of other records' bytes, one of the own 5 bytes. 13 bytes together. */
static UNUSED_OK void put_spans(struct hg_buf *out)
{
    const struct hg_span spans[] = { { hg_pos_make(1, 4299), 0, 5 },
                                     { 0, 1, 3 },
                                     { hg_pos_make(2, 8192), 70000, 5 } };
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(hg_span_append(out, &spans[i]), HOLOG_OK);
}

static UNUSED_OK void put_folds(struct hg_buf *body, uint64_t version_size)
{
    static uint8_t bytes[TINY_BIG_LEN];
    struct hg_piece pieces[] = { { 2, 8192, 65536 }, { 3, 4096, TINY_BIG_LEN - 65536 } };
    struct hg_buf table = { 0 };
    struct hg_buf payload = { 0 };
    struct hg_fold_rec f = { .version = hg_pos_make(1, 4400), .csum = 95, .n_spans = 3 };

    cr_assert_eq(hg_buf_append(&payload, "merge", 5), HOLOG_OK);
    put_spans(&payload);
    f.version_size = version_size;
    f.spans_len = payload.len - 5;
    f.payload = payload_inline(payload.data, payload.len);
    cr_assert_eq(hg_rec_fold(body, &f, NULL), HOLOG_OK);
    f.version_size = 13;
    memcpy(bytes + sizeof bytes - f.spans_len, payload.data + 5, f.spans_len);
    f.payload = payload_in_extents(bytes, sizeof bytes, pieces, 2, &table);
    cr_assert_eq(hg_rec_fold(body, &f, NULL), HOLOG_OK);
    hg_buf_release(&payload);
    hg_buf_release(&table);
}

static UNUSED_OK void put_deltas(struct hg_buf *b, enum tiny_bad bad)
{
    static uint8_t value[TINY_BIG_LEN];
    struct hg_piece piece = { .segment = 2, .offset = 8192, .len = TINY_BIG_LEN };
    struct hg_payload none = { 0 };
    struct hg_buf table = { 0 };
    size_t at = b->len;

    put_delta(b, HG_DELTA_INSERT, "v", 18, 5, 5, 0, payload_inline("sweet", 5));
    if (bad == TINY_BASE_OF_NONE) /* behind type, two lengths of a byte each, and csum */
        hg_put_le64(b->data + at + 4, 0);
    put_delta(b, HG_DELTA_UPDATE, "v", 16, 0, 3, 0, payload_inline("J", 1));
    put_delta(b, HG_DELTA_DELETE, "v", 0, 0, 16, 0, none);
    put_delta(b, HG_DELTA_MOVE, "v", 20, 4, 9, 20, none);
    put_delta(b, HG_DELTA_UPDATE, "v", UINT64_C(1) << 40, 7, 9, 0,
              payload_in_extents(value, sizeof value, &piece, 1, &table));
    put_delta(b, HG_DELTA_INSERT, "v", 7, 7, 7, 0, payload_inline("", 0));
    hg_buf_release(&table);
}

/* Header, the opening frame, a commit, one of deltas, one of rollbacks, a system frame. */
static UNUSED_OK struct tiny tiny_versions_build(enum tiny_bad bad)
{
    struct hg_segment_entry segment = { 1, HG_KIND_FRAMES, 4096 };
    struct tiny t = { 0 };
    struct hg_buf b = { 0 };

    tiny_header(&t);
    t.header.feat_incompat = HG_FEATURE_VERSIONS;
    hg_segment_header_encode(&t.header, t.file.data);
    tiny_body(&b, 0, NULL);
    cr_assert_eq(hg_rec_segments(&b, &segment, 1, NULL), HOLOG_OK);
    tiny_frame(&t, HG_FRAME_SYSTEM, 0, 1, &b, 0);

    b.len = 0;
    tiny_body(&b, 1, "first");
    put_blob(&b, "v", "hello, world\n");
    tiny_frame(&t, HG_FRAME_COMMIT, 1, 1, &b, 0);

    b.len = 0;
    tiny_body(&b, 2, NULL);
    put_deltas(&b, bad);
    tiny_frame(&t, HG_FRAME_COMMIT, 2, 6, &b, 0);

    b.len = 0;
    tiny_body(&b, 3, "back");
    cr_assert_eq(hg_rec_rollback(&b, 1, "v", 1, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_rollback(&b, 0, "", 0, NULL), HOLOG_OK);
    tiny_frame(&t, HG_FRAME_COMMIT, 3, 2, &b, 0);

    b.len = 0;
    tiny_body(&b, 3, NULL);
    cr_assert_eq(hg_rec_tag(&b, 2, TINY_TIME, "before-the.bath_1", 17, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_tag(&b, 0, TINY_TIME + 1, "x", 1, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_retention(&b, 300, NULL), HOLOG_OK);
    put_folds(&b, bad == TINY_SPANS_SHORT ? 14 : 13);
    tiny_frame(&t, HG_FRAME_SYSTEM, 3, 5, &b, 0);
    hg_buf_release(&b);
    return t;
}

/* Footer and padding behind the frames. Returns the tail. */
static UNUSED_OK struct hg_footer_tail tiny_seal(struct tiny *t)
{
    struct hg_footer_builder *b = NULL;
    struct hg_footer_tail tail = {
        .segment = t->header.id,
        .epoch = t->header.epoch,
        .salt = t->header.salt,
        .frames_end = t->end,
    };
    memcpy(tail.uuid, t->header.uuid, 16);
    cr_assert_eq(hg_footer_builder_create(t->header.first_number, &b), HOLOG_OK);
    for (uint32_t i = 0; i < t->n; i++)
        cr_assert_eq(hg_footer_add(b, &t->frames[i], t->offsets[i],
                                   t->file.data + t->offsets[i] + HG_FRAME_HEADER_SIZE),
                     HOLOG_OK);
    cr_assert_eq(hg_buf_append_zeros(&t->file, HG_ALIGN_UP(t->end, (uint64_t)8) - t->file.len), 0);
    cr_assert_eq(hg_footer_finish(b, &tail, &t->file), HOLOG_OK);
    hg_footer_builder_destroy(b);
    return tail;
}

#endif
