/*
 * From a rope to bytes.
 *
 * Spans are taken in their order. What a record brings is its *source*: in memory (in the record, or
 * a cached value), and copied at once; or in extents, and collected: spans of one source that lie in
 * a row of blocks are one read (a *job*), of up to 512 KiB, and many are under way at once. So each
 * block is read and verified about once, however many spans go through it. Folds leave a value in
 * stretches of 64 KiB from many records: each of them has a job of its own that goes on where the last
 * stretch ended, and the disk is kept busy although each piece is small.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/delta.h"

#define SOURCES   48u
#define JOBS      32u
#define JOB_BYTES (512u << 10)
#define JOB_SHARE (16u * JOBS) /* of the budget, for the bytes of one job */

struct source {
    hg_pos birth; /* 0 and not used: free */
    int used;
    uint64_t stamp;       /* of its last use */
    struct hg_mem *mem;   /* the bytes are a cached value */
    const uint8_t *bytes; /* all in memory; NULL: in extents */
    uint64_t len;
    struct hg_record_read r;
    struct hg_piece piece; /* of extents: the last looked at ... */
    uint64_t piece_at;     /* ... where it begins in the value ... */
    size_t piece_next;     /* ... and the one behind it */
};

struct part {
    uint64_t at; /* in the source */
    size_t len;
    uint8_t *out;
};

struct job {
    struct source *source; /* NULL: free */
    uint64_t from, to;     /* blocks of the source */
    uint64_t end;          /* of the piece they are in */
    uint64_t stamp;
    struct hg_buf parts; /* struct part */
    struct hg_mem *mem;  /* its own; NULL: none */
    uint8_t *buf;
    struct hg_extent_read read;
};

struct reader {
    holog_store *s;
    holog_txn *own;
    const char *path;
    uint64_t clock;
    uint64_t job_max;
    struct hg_mem *arena; /* of all jobs; NULL: each has its own */
    struct source *last;  /* used last */
    struct source source[SOURCES];
    struct job job[JOBS];
};

/* ---- jobs ----------------------------------------------------------------------------------------*/

static int finish(struct reader *rd, struct job *j)
{
    const struct source *src = j->source;
    const struct part *part = (const struct part *)(const void *)j->parts.data;
    int rc = hg_extent_read_end(rd->s, &j->read);

    if (rc == HOLOG_OK)
        rc = hg_blocks_verify(j->buf, (size_t)(j->to - j->from), src->r.rec.table,
                              j->from / HG_HASH_BLOCK, j->read.segment, j->read.req.offset);
    if (rc == HOLOG_E_CORRUPT)
        hg_error_name_path(rd->path, strlen(rd->path));
    for (size_t i = 0; rc == HOLOG_OK && i < j->parts.len / sizeof *part; i++)
        memcpy(part[i].out, j->buf + (part[i].at - j->from), part[i].len);
    j->source = NULL; /* its memory serves the next one */
    return rc;
}

/* Memory for a job: a slice of what a long read took for all of them (in huge pages, which the kernel
 * reads into much faster), or its own. */
static int take_memory(struct reader *rd, struct job *j, size_t len)
{
    int rc = HOLOG_OK;

    if (rd->arena != NULL) {
        j->buf = rd->arena->data + (size_t)(j - rd->job) * (size_t)rd->job_max;
        return HOLOG_OK;
    }
    if (j->mem == NULL || j->mem->cap < HG_ALIGN_UP(len, (size_t)HG_BLOCK)) {
        hg_mem_put(j->mem);
        j->mem = NULL;
        rc = hg_mem_new(rd->s->cache, len, &j->mem);
    }
    if (rc == HOLOG_OK)
        j->buf = j->mem->data;
    return rc;
}

static int start(struct reader *rd, struct job *j)
{
    struct source *src = j->source;
    size_t len = (size_t)(j->to - j->from);
    int rc = take_memory(rd, j, len);

    if (rc == HOLOG_OK)
        rc = hg_extent_read_begin(rd->s, &j->read, src->birth, j->from, src->piece.segment,
                                  src->piece.offset + (j->from - src->piece_at), j->buf, len);
    return rc;
}

/* Begun when another one must take its source's place at the piece, or its own. */
static int start_if_open(struct reader *rd, struct job *j)
{
    return j->source == NULL || j->read.used ? HOLOG_OK : start(rd, j);
}

static int finish_all(struct reader *rd, const struct source *of)
{
    int rc = HOLOG_OK;

    for (unsigned i = 0; i < JOBS && rc == HOLOG_OK; i++)
        if (of == NULL || rd->job[i].source == of)
            rc = start_if_open(rd, &rd->job[i]);
    for (unsigned i = 0; i < JOBS && rc == HOLOG_OK; i++)
        if (rd->job[i].source != NULL && (of == NULL || rd->job[i].source == of))
            rc = finish(rd, &rd->job[i]);
    return rc;
}

/* The oldest that is under way, or that is not; NULL: there is none. */
static struct job *oldest_job(struct reader *rd, int under_way)
{
    struct job *oldest = NULL;

    for (unsigned i = 0; i < JOBS; i++) {
        struct job *j = &rd->job[i];
        if (j->source != NULL && j->read.used == under_way &&
            (oldest == NULL || j->stamp < oldest->stamp))
            oldest = j;
    }
    return oldest;
}

static unsigned count_open(const struct reader *rd)
{
    unsigned n = 0;

    for (unsigned i = 0; i < JOBS; i++)
        n += rd->job[i].source != NULL && !rd->job[i].read.used;
    return n;
}

/* A free one. Half of them may wait for more; the others are under way, and what is waited for has
 * been for long. */
static int take_job(struct reader *rd, struct job **out)
{
    struct job *j = NULL;
    int rc = HOLOG_OK;

    if (count_open(rd) >= JOBS / 2)
        rc = start(rd, oldest_job(rd, 0));
    for (unsigned i = 0; i < JOBS && j == NULL; i++)
        if (rd->job[i].source == NULL)
            j = &rd->job[i];
    if (rc == HOLOG_OK && j == NULL) {
        j = oldest_job(rd, 1);
        rc = finish(rd, j);
    }
    if (rc < 0)
        return rc;
    j->parts.len = 0;
    *out = j;
    return HOLOG_OK;
}

/* The piece that has byte `at`. Jobs that are open are in the one before, if it is another. */
static int find_piece(struct reader *rd, struct source *src, uint64_t at)
{
    int rc = HOLOG_OK;

    if (at >= src->piece_at && at - src->piece_at < src->piece.len)
        return HOLOG_OK;
    for (unsigned i = 0; i < JOBS && rc == HOLOG_OK; i++)
        if (rd->job[i].source == src)
            rc = start_if_open(rd, &rd->job[i]);
    if (at < src->piece_at) {
        src->piece_at = src->piece_next = 0;
        src->piece.len = 0;
    }
    while (rc == HOLOG_OK && at - src->piece_at >= src->piece.len) {
        src->piece_at += src->piece.len;
        rc = hg_pieces_next(&src->r.rec, &src->piece_next, &src->piece);
    }
    return rc;
}

static struct job *open_job(struct reader *rd, const struct source *src)
{
    for (unsigned i = 0; i < JOBS; i++)
        if (rd->job[i].source == src && !rd->job[i].read.used)
            return &rd->job[i];
    return NULL;
}

static int new_job(struct reader *rd, struct source *src, uint64_t from, uint64_t to,
                   struct job **out)
{
    int rc = take_job(rd, out);

    if (rc < 0)
        return rc;
    (*out)->source = src;
    (*out)->from = from;
    (*out)->to = to;
    (*out)->stamp = ++rd->clock;
    return HOLOG_OK;
}

/* A part of the source in one piece: with the open job, or a new one. */
static int collect_part(struct reader *rd, struct source *src, const struct part *part)
{
    uint64_t from = HG_ALIGN_DOWN(part->at, (uint64_t)HG_HASH_BLOCK);
    uint64_t to = HG_MIN(HG_ALIGN_UP(part->at + part->len, (uint64_t)HG_HASH_BLOCK), src->len);
    struct job *j = open_job(rd, src);
    int fits = j != NULL && from >= j->from && from <= j->to && to - j->from <= rd->job_max;
    int rc = HOLOG_OK;

    if (j != NULL && !fits)
        rc = start(rd, j);
    if (rc == HOLOG_OK && !fits)
        rc = new_job(rd, src, from, to, &j);
    if (rc < 0 || j == NULL)
        return rc;
    j->to = HG_MAX(j->to, to);
    return hg_buf_append(&j->parts, part, sizeof *part);
}

static int collect(struct reader *rd, struct source *src, uint64_t at, uint64_t len, uint8_t *out)
{
    int rc = HOLOG_OK;

    while (len > 0 && rc == HOLOG_OK) {
        struct part part = { .at = at, .out = out };
        rc = find_piece(rd, src, at);
        if (rc < 0)
            break;
        uint64_t end = HG_MIN(src->piece_at + src->piece.len,
                              HG_ALIGN_DOWN(at, (uint64_t)HG_HASH_BLOCK) + rd->job_max);
        part.len = (size_t)HG_MIN(len, end - at);
        rc = collect_part(rd, src, &part);
        at += part.len;
        out += part.len;
        len -= part.len;
    }
    return rc;
}

/* ---- sources -------------------------------------------------------------------------------------*/

static int load_own(struct reader *rd, struct source *src, uint32_t i)
{
    const holog_txn *txn = rd->own;
    HG_ASSERT(i < txn->ops.len / sizeof(struct hg_op));
    const struct hg_op *op = (const struct hg_op *)(const void *)txn->ops.data + i;
    struct hg_record r = { 0 };
    int rc;

    if (op->staged != NULL) {
        src->bytes = op->staged->mem->data;
        src->len = op->staged->len;
        return HOLOG_OK;
    }
    rc = hg_rec_decode(txn->body.data + op->record, txn->body.len - op->record, op->record, &r);
    HG_ASSERT(rc == HOLOG_OK); /* we encoded it */
    src->bytes = r.value;
    src->len = r.value_len;
    return HOLOG_OK;
}

static int load_record(struct reader *rd, struct source *src)
{
    const struct hg_record *r = &src->r.rec;
    int rc = hg_record_at(rd->s, src->birth, rd->path, &src->r);

    if (rc < 0)
        return rc;
    if (r->type != HG_REC_BLOB && r->type != HG_REC_LARGE && !hg_rec_has_payload(r))
        return hg_record_wrong(src->birth, rd->path, "brings no bytes");
    src->bytes = r->value;
    src->len = r->value_len;
    src->piece = (struct hg_piece){ 0 };
    src->piece_at = src->piece_next = 0;
    return HOLOG_OK;
}

static int load_source(struct reader *rd, struct source *src)
{
    struct hg_mem *m;

    if (hg_pos_segment(src->birth) == 0)
        return load_own(rd, src, hg_pos_offset(src->birth));
    m = hg_cache_find(rd->s->cache, src->birth);
    if (m != NULL && m->made) {
        hg_mem_put(m);
        m = NULL;
    }
    if (m == NULL)
        m = hg_cache_find(rd->s->cache, hg_payload_key(src->birth));
    if (m == NULL)
        return load_record(rd, src);
    src->mem = m;
    src->bytes = m->data;
    src->len = m->len;
    return HOLOG_OK;
}

static void release_source(struct source *src)
{
    hg_mem_put(src->mem);
    src->mem = NULL;
    src->bytes = NULL;
    src->used = 0;
}

static int find_source(struct reader *rd, hg_pos birth, struct source **out)
{
    struct source *old = &rd->source[0];
    int rc;

    if (rd->last != NULL && rd->last->used && rd->last->birth == birth) {
        *out = rd->last;
        return HOLOG_OK;
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        struct source *src = &rd->source[i];
        if (src->used && src->birth == birth) {
            src->stamp = ++rd->clock;
            *out = rd->last = src;
            return HOLOG_OK;
        }
        if (old->used && (!src->used || src->stamp < old->stamp))
            old = src;
    }
    rc = old->used ? finish_all(rd, old) : HOLOG_OK;
    if (rc < 0)
        return rc;
    release_source(old);
    old->birth = birth;
    rc = load_source(rd, old);
    if (rc < 0)
        return rc;
    old->used = 1;
    old->stamp = ++rd->clock;
    *out = rd->last = old;
    return HOLOG_OK;
}

static int source_of(struct reader *rd, const struct hg_span *span, struct source **out)
{
    int rc = find_source(rd, span->birth, out);

    if (rc == HOLOG_OK && (span->at > (*out)->len || span->len > (*out)->len - span->at))
        rc = hg_record_wrong(span->birth, rd->path, "brings less than a version has of it");
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------------*/

static struct reader *reader_new(holog_store *s, holog_txn *own, const char *path)
{
    struct reader *rd = hg_calloc(1, sizeof *rd);

    if (rd == NULL)
        return NULL;
    rd->s = s;
    rd->own = own;
    rd->path = path;
    rd->job_max = HG_MAX(HG_MIN((uint64_t)JOB_BYTES, s->opts.budget_bytes / JOB_SHARE),
                         (uint64_t)HG_HASH_BLOCK);
    rd->job_max = HG_ALIGN_DOWN(rd->job_max, (uint64_t)HG_HASH_BLOCK);
    return rd;
}

static void reader_free(struct reader *rd)
{
    for (unsigned i = 0; i < JOBS; i++) {
        hg_extent_read_drop(rd->s, &rd->job[i].read);
        hg_mem_put(rd->job[i].mem);
        hg_buf_release(&rd->job[i].parts);
    }
    hg_mem_put(rd->arena);
    for (unsigned i = 0; i < SOURCES; i++) {
        release_source(&rd->source[i]);
        hg_record_release(&rd->source[i].r);
    }
    hg_free(rd);
}

static int read_span(struct reader *rd, const struct hg_span *span, uint8_t *out)
{
    struct source *src = NULL;
    int rc = source_of(rd, span, &src);

    if (rc < 0)
        return rc;
    if (src->bytes == NULL)
        return collect(rd, src, span->at, span->len, out);
    memcpy(out, src->bytes + span->at, (size_t)span->len);
    return HOLOG_OK;
}

static int read_once(struct reader *rd, const struct hg_rope *rope, uint64_t start, uint64_t end,
                     uint8_t *out)
{
    struct hg_rope_cursor c;
    struct hg_span span;
    int rc = hg_rope_seek(&c, rope, start, end);

    if (end - start > JOBS * rd->job_max &&
        hg_mem_new(rd->s->cache, JOBS * (size_t)rd->job_max, &rd->arena) < 0)
        hg_error_clear(); /* slower */
    while (rc == HOLOG_OK && hg_rope_next(&c, &span)) {
        rc = read_span(rd, &span, out);
        out += span.len;
    }
    return rc == HOLOG_OK ? finish_all(rd, NULL) : rc;
}

/* The record was there and its pieces are not: not a segment that went, a record that is damaged. */
static int lost_piece(const holog_store *s, const char *path, int rc)
{
    if (rc != HOLOG_E_STALE)
        return rc;
    if (s->log == NULL)
        return hg_record_moved(path);
    rc = hg_error_path(HOLOG_E_CORRUPT, path, (uint32_t)strlen(path),
                       "%s: is made of something in a segment that is not there", path);
    return rc;
}

int hg_rope_read(holog_store *s, holog_txn *own, const struct hg_rope *rope, const char *path,
                 uint64_t start, uint64_t end, uint8_t *out)
{
    int rc = HOLOG_OK;

    for (int again = 0; again < 2; again++) {
        struct reader *rd = reader_new(s, own, path);
        if (rd == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory to load %s", path);
        rc = lost_piece(s, path, read_once(rd, rope, start, end, out));
        reader_free(rd);
        if (rc != HOLOG_E_CORRUPT || s->log == NULL || again)
            break;
        hg_log_extents_settle(s->log); /* SYNC_NONE: it may still be on its way to the disk */
    }
    return rc;
}

int hg_span_read(holog_store *s, const struct hg_span *span, const char *path, uint8_t *out)
{
    struct hg_rope *rope = NULL;
    int rc = hg_rope_build(hg_ropes_pool(s->ropes), span, 1, &rope);

    if (rc == HOLOG_OK)
        rc = hg_rope_read(s, NULL, rope, path, 0, span->len, out);
    hg_rope_put(rope);
    return rc;
}

/* ---- sums ----------------------------------------------------------------------------------------*/

#define SUM_STEP 65536u

/* Whole blocks say what they add up to. */
static uint8_t sum_blocks(const struct source *src, uint64_t from, uint64_t to)
{
    uint8_t sum = 0;

    for (uint64_t b = from / HG_HASH_BLOCK; b < to / HG_HASH_BLOCK; b++) {
        struct hg_block_entry e;
        hg_block_entry_decode(src->r.rec.table + b * HG_BLOCK_ENTRY_SIZE, &e);
        sum = hg_csum_add(sum, e.csum);
    }
    return sum;
}

static int sum_part(struct reader *rd, struct source *src, uint64_t at, uint64_t to, uint8_t *buf,
                    uint8_t *sum)
{
    int rc = HOLOG_OK;

    for (; at < to && rc == HOLOG_OK; at += HG_MIN(to - at, (uint64_t)SUM_STEP)) {
        size_t n = (size_t)HG_MIN(to - at, (uint64_t)SUM_STEP);
        rc = collect(rd, src, at, n, buf);
        if (rc == HOLOG_OK)
            rc = finish_all(rd, src);
        if (rc == HOLOG_OK)
            *sum = hg_csum_add(*sum, hg_csum(buf, n));
    }
    return rc;
}

static int sum_span(struct reader *rd, const struct hg_span *span, uint8_t *buf, uint8_t *sum)
{
    struct source *src = NULL;
    uint64_t end = span->at + span->len;
    uint64_t from = HG_ALIGN_UP(span->at, (uint64_t)HG_HASH_BLOCK);
    uint64_t to = HG_ALIGN_DOWN(end, (uint64_t)HG_HASH_BLOCK);
    int rc = source_of(rd, span, &src);

    if (rc < 0)
        return rc;
    if (src->bytes != NULL) {
        *sum = hg_csum_add(*sum, hg_csum(src->bytes + span->at, (size_t)span->len));
        return HOLOG_OK;
    }
    if (from >= to)
        return sum_part(rd, src, span->at, end, buf, sum);
    rc = sum_part(rd, src, span->at, from, buf, sum);
    *sum = hg_csum_add(*sum, sum_blocks(src, from, to));
    return rc < 0 ? rc : sum_part(rd, src, to, end, buf, sum);
}

static int sum_once(struct reader *rd, const struct hg_rope *rope, uint64_t start, uint64_t end,
                    uint8_t *buf, uint8_t *out_csum)
{
    struct hg_rope_cursor c;
    struct hg_span span;
    uint8_t sum = 0;
    int rc = hg_rope_seek(&c, rope, start, end);

    while (rc == HOLOG_OK && hg_rope_next(&c, &span))
        rc = sum_span(rd, &span, buf, &sum);
    if (rc == HOLOG_OK)
        *out_csum = sum;
    return rc;
}

int hg_rope_sum(holog_store *s, holog_txn *own, const struct hg_rope *rope, const char *path,
                uint64_t start, uint64_t end, uint8_t *out_csum)
{
    uint8_t *buf = hg_malloc(SUM_STEP);
    int rc = buf == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to read %s", path) : HOLOG_OK;

    for (int again = 0; rc == HOLOG_OK && again < 2; again++) {
        struct reader *rd = reader_new(s, own, path);
        if (rd == NULL) {
            rc = hg_error(HOLOG_E_NOMEM, "no memory to read %s", path);
            break;
        }
        rc = lost_piece(s, path, sum_once(rd, rope, start, end, buf, out_csum));
        reader_free(rd);
        if (rc != HOLOG_E_CORRUPT || s->log == NULL || again)
            break;
        hg_log_extents_settle(s->log);
        rc = HOLOG_OK;
    }
    hg_free(buf);
    return rc;
}

/* ---- values --------------------------------------------------------------------------------------*/

/* All of it adds up to what its record says. (Of a large value that takes a fifth of a load's time, and
 * each block has been verified.) */
static int check_sum(const struct hg_locator *loc, const char *path, uint8_t csum,
                     const uint8_t *data)
{
    if (csum == HG_CSUM_UNKNOWN || hg_csum(data, (size_t)loc->size) == csum)
        return HOLOG_OK;
    return hg_record_wrong(hg_pos_make(loc->segment, loc->offset), path,
                           "says another sum than its bytes have");
}

static int load(holog_store *s, const struct hg_locator *loc, const char *path, holog_value *v)
{
    int small = loc->size <= s->inline_max;
    struct hg_rope_at at;
    struct hg_mem *m = NULL;
    int rc = hg_rope_load(s, loc, path, &at);

    if (rc < 0)
        return rc;
    if (!small) {
        hg_staged_collect(s); /* their memory may be what this one needs */
        rc = hg_mem_new(s->cache, (size_t)loc->size, &m);
    }
    uint8_t *out = m != NULL ? m->data : (uint8_t *)(v + 1);
    if (rc == HOLOG_OK)
        rc = hg_rope_read(s, NULL, at.rope, path, 0, loc->size, out);
    if (rc == HOLOG_OK && small)
        rc = check_sum(loc, path, at.csum, out);
    hg_rope_put(at.rope);
    if (rc < 0) {
        hg_mem_put(m);
        return rc;
    }
    if (m != NULL) {
        m->made = 1;
        hg_cache_offer(s->cache, hg_pos_make(loc->segment, loc->offset), m, 0);
        v->mem = m;
        v->data = m->data;
    }
    return HOLOG_OK;
}

/* A compaction came between, and what the rope was made of may be gone. */
static int is_outdated(holog_store *s, uint64_t age, int rc)
{
    return (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_STALE) && age != hg_ropes_age(s->ropes);
}

int hg_value_rope_load(holog_store *s, const struct hg_locator *loc, const char *path,
                       holog_value *v)
{
    uint64_t age = hg_ropes_age(s->ropes);
    int rc = load(s, loc, path, v);

    while (is_outdated(s, age, rc)) {
        age = hg_ropes_age(s->ropes);
        rc = load(s, loc, path, v);
    }
    return rc;
}

static int load_range(holog_store *s, const struct hg_locator *loc, const char *path,
                      uint64_t offset, void *buf, size_t len)
{
    struct hg_rope_at at;
    int rc = hg_rope_load(s, loc, path, &at);

    if (rc < 0)
        return rc;
    rc = hg_rope_read(s, NULL, at.rope, path, offset, offset + len, buf);
    hg_rope_put(at.rope);
    return rc;
}

int hg_value_rope_range(holog_store *s, const struct hg_locator *loc, const char *path,
                        uint64_t offset, void *buf, size_t len)
{
    uint64_t age = hg_ropes_age(s->ropes);
    int rc = load_range(s, loc, path, offset, buf, len);

    while (is_outdated(s, age, rc)) {
        age = hg_ropes_age(s->ropes);
        rc = load_range(s, loc, path, offset, buf, len);
    }
    return rc;
}
