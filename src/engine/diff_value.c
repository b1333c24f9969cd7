/*
 * Two versions of a value compared; see diff_value.h.
 *
 * First what may differ at all: of values that deltas made, what their ropes do not share; of others
 * everything, but for blocks that their tables have equal hashes of. That is read, and bytes that are
 * equal after all are left out. Where bytes came and went elsewhere, the two may be the same after all.
 */
#include "engine/diff_value.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/delta.h"

#define CHUNK   HG_HASH_BLOCK /* bytes compared at a time */
#define SAME_IN 32u           /* so many equal bytes between two that differ do not end a range */

struct side {
    const struct hg_locator *loc;
    struct hg_record_read record;
    int has_record;
    struct hg_rope_at rope;
    uint8_t *chunk;
};

struct compare {
    holog_store *s;
    const char *path;
    struct side a;
    struct side b;
    struct hg_buf *ranges; /* NULL: the first difference ends it */
    int differ;
    int shifted; /* of values as long as each other: some bytes came or went before others went or
                    came; from here to there, they may be the same all the same */
    uint64_t from, to;
};

/* Bytes of both that may differ. */
struct gap {
    uint64_t a, a_len;
    uint64_t b, b_len;
};

static int add_range(struct compare *c, const struct gap *g)
{
    size_t n = c->ranges == NULL ? 0 : c->ranges->len / sizeof(holog_range);
    holog_range *last = n == 0 ? NULL : (holog_range *)(void *)c->ranges->data + n - 1;
    holog_range r = { .a_offset = g->a, .a_len = g->a_len, .b_offset = g->b, .b_len = g->b_len };

    c->differ = 1;
    if (c->ranges == NULL)
        return 1;
    if (last != NULL && g->a - (last->a_offset + last->a_len) <= SAME_IN &&
        g->a - (last->a_offset + last->a_len) == g->b - (last->b_offset + last->b_len)) {
        last->a_len = g->a + g->a_len - last->a_offset;
        last->b_len = g->b + g->b_len - last->b_offset;
        return HOLOG_OK;
    }
    return hg_buf_append(c->ranges, &r, sizeof r);
}

static int read_part(const struct compare *c, const struct side *x, uint64_t offset, size_t len)
{
    size_t n = 0;
    int rc = hg_value_range(c->s, x->loc, c->path, offset, x->chunk, len, &n);

    HG_ASSERT(rc < 0 || n == len);
    return rc;
}

static int read_both(const struct compare *c, uint64_t a, uint64_t b, size_t len)
{
    int rc = read_part(c, &c->a, a, len);

    return rc < 0 ? rc : read_part(c, &c->b, b, len);
}

/* As many bytes of both. */
static int compare_part(struct compare *c, uint64_t a, uint64_t b, size_t len)
{
    int rc = read_both(c, a, b, len);

    for (size_t i = 0; rc == HOLOG_OK && i < len;) {
        struct gap g;
        size_t from;
        while (i < len && c->a.chunk[i] == c->b.chunk[i])
            i++;
        from = i;
        while (i < len && c->a.chunk[i] != c->b.chunk[i])
            i++;
        g = (struct gap){ a + from, i - from, b + from, i - from };
        if (i > from)
            rc = add_range(c, &g);
    }
    return rc;
}

/* ---- whole values --------------------------------------------------------------------------------*/

/* Block i is the same in both by its hash; the last one of each has a length of its own. */
static int same_block(const struct compare *c, uint64_t i)
{
    const uint8_t *a = c->a.record.rec.table;
    const uint8_t *b = c->b.record.rec.table;

    return a != NULL && b != NULL &&
           memcmp(a + i * HG_BLOCK_ENTRY_SIZE, b + i * HG_BLOCK_ENTRY_SIZE, HG_BLOCK_ENTRY_SIZE) ==
               0;
}

static int compare_whole(struct compare *c)
{
    uint64_t a_size = c->a.loc->size;
    uint64_t b_size = c->b.loc->size;
    uint64_t both = HG_MIN(a_size, b_size);
    struct gap rest = { both, a_size - both, both, b_size - both };
    int rc = HOLOG_OK;

    for (uint64_t at = 0; at < both && rc == HOLOG_OK; at += CHUNK) {
        size_t len = (size_t)HG_MIN(both - at, (uint64_t)CHUNK);
        if (!same_block(c, at / CHUNK))
            rc = compare_part(c, at, at, len);
    }
    return rc == HOLOG_OK && a_size != b_size ? add_range(c, &rest) : rc;
}

/* The same bytes saved again: a hash that records have of the whole value says so. */
static int same_hash(const struct compare *c)
{
    const struct hg_record *a = &c->a.record.rec;
    const struct hg_record *b = &c->b.record.rec;

    return a->type == b->type && c->a.loc->size == c->b.loc->size && a->hash.lo == b->hash.lo &&
           a->hash.hi == b->hash.hi;
}

/* ---- values that deltas made ---------------------------------------------------------------------*/

/* Of bytes that are not as many: those at the front that are equal, chunk by chunk. */
static int skip_equal_front(struct compare *c, struct gap *g)
{
    uint64_t left = HG_MIN(g->a_len, g->b_len);

    while (left > 0) {
        size_t len = (size_t)HG_MIN(left, (uint64_t)CHUNK);
        size_t same = 0;
        int rc = read_both(c, g->a, g->b, len);
        if (rc < 0)
            return rc;
        while (same < len && c->a.chunk[same] == c->b.chunk[same])
            same++;
        *g = (struct gap){ g->a + same, g->a_len - same, g->b + same, g->b_len - same };
        left -= same;
        if (same < len)
            break;
    }
    return HOLOG_OK;
}

static int on_gap(void *ctx, uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    struct compare *c = ctx;
    struct gap g = { a, a_len, b, b_len };
    int rc = HOLOG_OK;

    if (c->shifted || (a_len != b_len && !c->differ && c->a.loc->size == c->b.loc->size)) {
        c->from = c->shifted ? c->from : a; /* the same place in both, so far */
        c->to = HG_MAX(a + a_len, b + b_len);
        c->shifted = 1;
        if (c->ranges == NULL) /* the bytes there will tell */
            return HOLOG_OK;
    }
    if (a_len != b_len) {
        rc = skip_equal_front(c, &g);
        return rc < 0 ? rc : add_range(c, &g);
    }
    while (rc == HOLOG_OK && a_len > 0) {
        size_t len = (size_t)HG_MIN(a_len, (uint64_t)CHUNK);
        rc = compare_part(c, a, b, len);
        a += len;
        b += len;
        a_len -= len;
    }
    return rc;
}

/* Between the first gap and the end of the last one, byte for byte. */
static int look_at_shifted(struct compare *c)
{
    int rc = HOLOG_OK;

    c->differ = 0;
    for (uint64_t at = c->from; rc == HOLOG_OK && !c->differ && at < c->to; at += CHUNK) {
        size_t len = (size_t)HG_MIN(c->to - at, (uint64_t)CHUNK);
        rc = read_both(c, at, at, len);
        c->differ = rc == HOLOG_OK && memcmp(c->a.chunk, c->b.chunk, len) != 0;
    }
    if (rc == HOLOG_OK && !c->differ && c->ranges != NULL)
        c->ranges->len = 0;
    return rc;
}

static int compare_ropes(struct compare *c)
{
    int rc = hg_rope_load(c->s, c->a.loc, c->path, &c->a.rope);

    if (rc == HOLOG_OK)
        rc = hg_rope_load(c->s, c->b.loc, c->path, &c->b.rope);
    if (rc == HOLOG_OK)
        rc = hg_rope_diff(c->a.rope.rope, c->b.rope.rope, on_gap, c, NULL);
    return rc == HOLOG_OK && c->shifted ? look_at_shifted(c) : rc;
}

/* ---- both ----------------------------------------------------------------------------------------*/

static int prepare(struct compare *c, struct side *x)
{
    int rc = hg_record_read(c->s, x->loc, c->path, &x->record);

    x->has_record = rc == HOLOG_OK;
    if (rc == HOLOG_OK)
        x->chunk = hg_malloc(CHUNK);
    return rc == HOLOG_OK && x->chunk == NULL
               ? hg_error(HOLOG_E_NOMEM, "no memory to compare values")
               : rc;
}

static void release(struct side *x)
{
    if (x->has_record)
        hg_record_release(&x->record);
    hg_rope_put(x->rope.rope);
    hg_free(x->chunk);
}

static int compare_values(struct compare *c)
{
    int deltas = c->a.record.rec.type == HG_REC_DELTA || c->b.record.rec.type == HG_REC_DELTA;

    if (!deltas && same_hash(c))
        return HOLOG_OK;
    if (c->ranges == NULL && (!deltas || c->a.loc->size != c->b.loc->size)) {
        c->differ = 1; /* other hashes, or other lengths */
        return HOLOG_OK;
    }
    return deltas ? compare_ropes(c) : compare_whole(c);
}

int hg_value_diff(holog_store *s, const struct hg_locator *a, const struct hg_locator *b,
                  const char *path, struct hg_buf *ranges)
{
    struct compare c = { .s = s,
                         .path = path,
                         .a = { .loc = a },
                         .b = { .loc = b },
                         .ranges = a->type == HG_ENTRY_BLOB ? ranges : NULL };
    int rc = prepare(&c, &c.a);

    if (rc == HOLOG_OK)
        rc = prepare(&c, &c.b);
    if (rc == HOLOG_OK)
        rc = compare_values(&c);
    release(&c.a);
    release(&c.b);
    return rc < 0 ? rc : c.differ;
}
